"""From labelled slices to a trained detector to a run, with a network too small to learn much."""

import dataclasses

import pytest

from famous.errors import InputError
from famous.extract import MaskNetParams
from famous.pipeline.annotations import import_boxes
from famous.pipeline.extract import network_of
from famous.pipeline.project import Choices, open_project
from famous.pipeline.run import run
from famous.pipeline.stage import Session, Silent
from famous.pipeline.train import run_train, training_notes
from famous.yolo.card import Card
from famous.yolo.masknet import masknet_digest
from famous.yolo.runtime import packaged_detector
from tests.cells import cell, write_cell

CONFIG = """
train: {weights: yolo26n.yaml, epochs: 1, input_px: 64, batch: 2, epoch_tiles: 4, validate: false, device: cpu,
        masks: {steps: 1}}
detect: {score: 0.01}
"""


@pytest.fixture
def labelled(tmp_path):
    """A cell with three slices labelled and done."""
    path = write_cell(tmp_path)
    (tmp_path / "train.yaml").write_text(CONFIG)
    project = open_project(str(path), Choices(config=tmp_path / "train.yaml"))
    drawn = tmp_path / "boxes.csv"
    cell().boxes([2, 10, 18]).drop(columns=["box", "score"]).to_csv(drawn, index=False)
    (tmp_path / "boxes_slices.csv").write_text("z,done\n2,1\n10,1\n18,1\n")
    (tmp_path / "slices.csv").write_text("z,done\n2,1\n10,1\n18,1\n")
    import_boxes(project, drawn)
    return project


@pytest.mark.slow
def test_a_run_trains_on_the_labelled_slices_and_uses_that_detector(labelled):
    outcome = run(labelled)
    assert (labelled.model / "best.onnx").exists()
    assert (labelled.model / "card.json").exists()
    assert not any("phantoms only" in note for note in outcome.notes)
    card = run_train(labelled, Session())
    assert set(card.slices) == {2, 10, 18}
    learnt = network_of({"late endosome": MaskNetParams()}, labelled.model)
    assert learnt == {"masknet": card.sha256["masknet.onnx"]} != {"masknet": masknet_digest()}  # not what ships
    stamp = (labelled.model / "best.onnx").stat().st_mtime_ns
    again = run(open_project(str(labelled.folder)))
    assert (labelled.model / "best.onnx").stat().st_mtime_ns == stamp
    assert again.boxes == outcome.boxes


class Listening(Silent):
    """Remembers what it was told, in order."""

    def __init__(self):
        self.told = []

    def begin(self, stage, total):
        self.told.append(("begin", stage, total))

    def advance(self, units):
        self.told.append(("advance", units))

    def end(self, stage, note):
        self.told.append(("end", stage, note))

    def note(self, text):
        self.told.append(("note", text))


@pytest.mark.parametrize(("epochs", "slices", "said"), [(1, 1, "1 epoch on 1 slice"), (2, 3, "2 epochs on 3 slices")])
def test_the_last_line_counts_as_people_do(labelled, monkeypatch, epochs, slices, said):
    card = Card(("a",), 3, 8.0, 0.7, epochs=epochs, slices=tuple(range(slices)))
    monkeypatch.setattr("famous.pipeline.train.find_weights", lambda params, folder: folder)
    monkeypatch.setattr("famous.pipeline.train.train", lambda *given, **named: card)
    listening = Listening()
    run_train(labelled, Session(listening))
    assert listening.told[-1] == ("end", "train", said)


@pytest.mark.parametrize(("new", "old", "told"), [(0.31, 0.8, 1), (0.79, 0.8, 0), (0.9, 0.8, 0), (None, 0.8, 0)])
def test_a_training_that_made_the_detector_worse_is_told(labelled, new, old, told):
    train = dataclasses.replace(labelled.config.train, weights="packaged")
    project = dataclasses.replace(labelled, config=dataclasses.replace(labelled.config, train=train))
    start = {"weights": "packaged", "map50": old}
    card = Card(("a",), 3, 8.0, 0.7, metrics={"all": {"map50": new}}, start=start, validation_slices=(7, 8, 9))
    notes = training_notes(project, card)
    assert len(notes) == told
    for note in notes:
        assert "mAP50 0.31 against 0.80 on the 3 slices held out; train longer" in note
        assert f"--weights {packaged_detector()}" in note
    assert training_notes(project, dataclasses.replace(card, start={})) == []


def test_a_note_on_a_worse_detector_ends_the_training(labelled, monkeypatch):
    start = {"weights": "packaged", "map50": 0.8}
    card = Card(("a",), 3, 8.0, 0.7, metrics={"all": {"map50": 0.3}}, start=start, validation_slices=(7,))
    monkeypatch.setattr("famous.pipeline.train.find_weights", lambda params, folder: folder)
    monkeypatch.setattr("famous.pipeline.train.train", lambda *given, **named: card)
    listening = Listening()
    run_train(labelled, Session(listening))
    assert listening.told[-1] == ("note", training_notes(labelled, card)[0])


class Clock:
    """A clock that is put forward by hand."""

    now = 1000.0

    def monotonic(self):
        return self.now


def test_the_time_left_counts_what_comes_after_the_epochs(labelled, monkeypatch):
    """Two epochs of 10 s, then 20 s: the bar is at a quarter, then at half, and goes on as bars of what is done."""
    clock, heard = Clock(), []
    monkeypatch.setattr("famous.pipeline.train.time", clock)
    monkeypatch.setattr("famous.pipeline.train.seconds_after_epochs", lambda *given: 20.0)
    monkeypatch.setattr("famous.pipeline.train.find_weights", lambda params, folder: folder)

    def trains(*given, listener, **named):
        for epoch, left in ((1, 10.0), (2, 0.0)):
            clock.now += 10
            listener.epoch(epoch, 2, 0.5, left)
        listener.begin("exporting", 1)
        listener.advance(1)
        return Card(("a",), 3, 8.0, 0.7, epochs=2, slices=(1, 2))

    monkeypatch.setattr("famous.pipeline.train.train", trains)
    listening = Listening()
    run_train(labelled, Session(listening), lambda *told: heard.append(told))
    assert heard == [(1, 2, 0.5, 30.0), (2, 2, 0.5, 20.0)]
    begun, *rest = listening.told
    assert begun == ("begin", "train", 100)
    assert rest[:4] == [("advance", 25), ("advance", 25), ("begin", "exporting", 1), ("advance", 1)]


def test_slices_that_nobody_declared_done_do_not_train(labelled):
    for path in labelled.annotations.glob("slices.csv"):
        path.write_text("z,done\n")
    with pytest.raises(InputError, match="declared done"):
        run_train(labelled, Session())


def test_without_labels_the_ways_to_make_some_are_named_drawing_first(tmp_path):
    project = open_project(str(write_cell(tmp_path)))
    with pytest.raises(InputError, match="declared done") as raised:
        run_train(project, Session())
    said = str(raised.value)
    drawing, importing = (f"`famous {command} {project.folder}" for command in ("annotate", "boxes import"))
    assert 0 < said.index(drawing) < said.index(importing)


def test_the_start_weights_are_named_when_missing(labelled):
    from famous.errors import MissingError

    train = dataclasses.replace(labelled.config.train, weights="nowhere.pt")
    project = dataclasses.replace(labelled, config=dataclasses.replace(labelled.config, train=train))
    with pytest.raises(MissingError, match=r"nowhere\.pt"):
        run_train(project, Session())
