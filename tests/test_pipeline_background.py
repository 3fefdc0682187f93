"""The training process as the page starts it: what it says, the lock of its folder, whose boxes it trains on."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from filelock import FileLock

from famous import config as configuration
from famous.errors import MissingError
from famous.io.annotations import Annotations, write_boxes
from famous.pipeline import background, train
from famous.pipeline.labelling import training_job
from famous.pipeline.project import Choices, open_project
from famous.pipeline.stage import Session
from famous.yolo.card import Card, read_card, write_card
from tests.cells import cell, write_cell

CONFIG = """
train: {weights: yolo26n.yaml, epochs: 1, input_px: 64, batch: 2, epoch_tiles: 4, validate: false, device: cpu,
        masks: {steps: 0}}
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "train.yaml").write_text(CONFIG)
    return open_project(str(write_cell(tmp_path)), Choices(config=tmp_path / "train.yaml"))


class Quiet(background._Voice):
    """A voice that leaves the streams of the tests alone."""

    def __init__(self):
        self.outcome, self.said = "", []

    def __call__(self, told):
        self.said.append(told)


def label(project, slices):
    table = cell().boxes(slices)
    labelled = Annotations(table, frozenset(slices), tuple(sorted(table["class_name"].unique())))
    write_boxes(project.annotations / "boxes.csv", "csv", labelled, shape=project.stack.shape)


def run(project, minutes=1.0, **given):
    """Run the process as the job does, with a stdin that stays open; returns exit code, what it said, its log."""
    process = subprocess.Popen(
        background.command(project.folder, minutes),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **given,
    )
    out, log = process.stdout.read(), process.stderr.read()
    code = process.wait(60)
    for stream in (process.stdin, process.stdout, process.stderr):
        stream.close()
    return code, [json.loads(line) for line in out.splitlines()], log


def test_what_a_user_can_mend_is_said_in_words(project):
    code, said, log = run(project)
    assert code == 1
    assert len(said) == 1
    assert "declared done" in said[0]["error"]
    assert "InputError" in log


def test_files_beside_the_stack_are_not_taken_for_modules(project, tmp_path):
    (tmp_path / "json.py").write_text("raise SystemExit(99)")
    assert run(project, cwd=tmp_path)[0] == 1


def test_the_lock_of_the_folder_is_seen(project):
    assert not background.is_locked(project)
    project.run.mkdir(parents=True)
    with FileLock(project.run / ".lock"):
        assert background.is_locked(project)
    assert not background.is_locked(project)


def test_the_outcome_of_a_training_that_had_nothing_new():
    voice = background._Voice.__new__(background._Voice)
    voice.end("train", "done before")
    assert "nothing was labelled since" in voice.outcome
    voice.end("train", "3 epochs on 2 slices")
    assert voice.outcome == "3 epochs on 2 slices"


def test_what_is_done_after_the_epochs_is_reported():
    voice = Quiet()
    voice.begin("train", 100)
    voice.begin("scoring", 3)
    assert voice.said == [{"doing": "Scoring"}]


@pytest.mark.parametrize(("old", "told"), [(0.71, 0.71), (0.3, None), (None, None)])
def test_a_training_that_made_the_detector_worse_is_reported_with_what_it_was(project, monkeypatch, old, told):
    card = Card(("mitochondrion",), 1, 16.0, 0.7, metrics={"all": {"map50": 0.42}}, start={"map50": old} if old else {})
    voices = [Quiet()]
    monkeypatch.setattr(background, "run_train", lambda *asked: card)
    monkeypatch.setattr(background, "_end_with_parent", lambda: None)
    monkeypatch.setattr(os, "nice", lambda _: 0)
    monkeypatch.setattr(background, "_Voice", lambda: voices[0])
    assert background.main([str(project.folder), "1.0"]) == 0
    assert voices[0].said == [{"note": "", "map50": 0.42, "map50_before": told}]


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A project that trains from yolo26n.pt, on a machine where it is nowhere."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.delenv("FAMOUS_WEIGHTS", raising=False)
    return open_project(str(write_cell(tmp_path)), Choices(start="yolo26n.pt"))


def configure(project, **train):
    path = project.folder / "famous.yaml"
    saved = configuration.read(path)
    configuration.write(path, replace(saved, train=replace(saved.train, **train)))


def test_missing_weights_are_told_with_all_that_a_user_needs(bare):
    missing = background.missing_weights(bare)
    assert (missing.name, missing.folder) == ("yolo26n.pt", str(bare.model.absolute()))
    assert (missing.variable, missing.source) == ("FAMOUS_WEIGHTS", background.SOURCE)
    assert missing.megabytes == 5.5


@pytest.mark.parametrize("where", ["the folder that is named", "the variable", "where the server was started"])
def test_weights_that_were_put_somewhere_are_not_missing(bare, tmp_path, monkeypatch, where):
    place = {"the folder that is named": bare.model, "the variable": tmp_path / "all"}.get(
        where, tmp_path / "elsewhere"
    )
    place.mkdir(exist_ok=True)
    if where == "the variable":
        monkeypatch.setenv("FAMOUS_WEIGHTS", str(place))
    assert background.missing_weights(bare) is not None
    (place / "yolo26n.pt").write_bytes(b"weights")
    assert background.missing_weights(bare) is None


def test_famous_yaml_is_asked_as_it_is_now(bare, tmp_path):
    configure(bare, weights=str(tmp_path / "ours.pt"))
    missing = background.missing_weights(bare)
    assert (missing.name, missing.source, missing.megabytes) == ("ours.pt", "", None)  # nobody has it to download
    (tmp_path / "ours.pt").write_bytes(b"weights")
    assert background.missing_weights(bare) is None
    configure(bare, weights="yolo26n.yaml")
    assert background.missing_weights(bare) is None
    configure(bare, weights="yolo26s.pt")
    assert background.missing_weights(bare).source
    configure(bare, weights="yolo26s.pt", download=True)  # a user has allowed it there
    assert background.missing_weights(bare) is None


def test_the_job_asks_for_no_download_by_itself(bare, monkeypatch):
    started = []
    monkeypatch.setattr("famous.annotate.jobs._Training", lambda command, clock: started.append(command))
    job = training_job(lambda: bare)
    with pytest.raises(MissingError, match=r"yolo26n\.pt"):
        job.start(5)
    assert started == []
    job.start(5, download=True)
    bare.model.mkdir()
    (bare.model / "yolo26n.pt").write_bytes(b"weights")
    job.start(5)
    assert [command[-2:] for command in started] == [["5", "--download"], [str(bare.folder.absolute()), "5"]]


def test_a_fetch_that_was_asked_for_ends_in_the_model_s_folder_and_allows_no_further_one(bare, monkeypatch):
    asked, said = [], []

    def download(name, folder):
        asked.append(name)
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"weights")
        return folder / name

    monkeypatch.setattr("famous.yolo.train._download", download)
    background._fetch(bare, said.append)
    assert said == [{"doing": "Downloading yolo26n.pt"}, {"doing": ""}]
    background._fetch(bare, said.append)  # it is here
    assert (asked, len(said)) == (["yolo26n.pt"], 2)
    assert background.missing_weights(bare) is None
    assert not configuration.read(bare.folder / "famous.yaml").train.download


def test_a_fetch_that_fails_says_where_to_put_the_file(bare, monkeypatch):
    def download(name, folder):
        raise MissingError("the download failed; give the file with --start PATH")

    monkeypatch.setattr("famous.yolo.train._download", download)
    with pytest.raises(MissingError, match="could not be downloaded") as told:
        background._fetch(bare, lambda _: None)
    assert str(bare.model.absolute()) in str(told.value)
    assert "--" not in str(told.value)  # a page has no options


def test_only_a_process_that_was_told_so_fetches(bare, monkeypatch, capfd):
    fetched = []
    monkeypatch.setattr(background, "_fetch", lambda project, say: fetched.append(project.folder))
    monkeypatch.setattr(background, "_end_with_parent", lambda: None)
    monkeypatch.setattr(os, "nice", lambda _: 0)
    monkeypatch.setattr(background, "_Voice", Quiet)
    folder = str(bare.folder)
    assert background.main([folder, "1.0"]) == 1  # nothing is labelled
    assert fetched == []
    assert background.main([folder, "1.0", background.DOWNLOAD]) == 1
    assert fetched == [bare.folder]
    assert "declared done" in capfd.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="niceness")
def test_it_ends_with_its_parent_and_is_nice():
    code = (
        "import os, threading; from famous.pipeline import background as b; os.nice(b.NICE);"
        "threading.Thread(target=b._end_with_parent, daemon=True).start();"
        "print(os.nice(0), flush=True); threading.Event().wait(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert int(process.stdout.readline()) == min(os.nice(0) + background.NICE, 19)
    process.stdin.close()  # as the death of the parent does
    assert process.wait(60) == background.ORPHANED
    process.stdout.close()


@pytest.mark.parametrize("when", ["before they are read", "after they are read"])
def test_what_is_drawn_while_a_training_starts_counts_for_the_next_one(project, monkeypatch, when):
    label(project, [2, 10])
    plain = train.read_annotations

    def read(project):
        if when == "before they are read":
            label(project, [2, 10, 18])
        labelled = plain(project)
        label(project, [2, 10, 18])
        return labelled

    def fit(stack, boxes, done, *, folder, params, listener):
        folder.mkdir(exist_ok=True)
        (folder / "best.onnx").write_bytes(b"")
        write_card(folder, Card(("mitochondrion",), 1, 16.0, 0.7, slices=tuple(sorted(done)), epochs=1))
        listener.epoch(1, 1, 0.5, 0.0)
        return read_card(folder)

    monkeypatch.setattr(train, "read_annotations", read)
    monkeypatch.setattr(train, "train", fit)
    monkeypatch.setattr(train, "find_weights", lambda params, folder: None)
    heard = []
    train.run_train(project, Session(), lambda *word: heard.append(word))
    ((*told, seconds_left),) = heard
    assert told == [1, 1, 0.5]
    assert seconds_left > 1  # the export and masknet are still to come
    assert not train.stage_of(project).is_done
    assert train.run_train(project, Session()).slices == (2, 10, 18)
    assert train.stage_of(project).is_done


@pytest.mark.slow
def test_a_real_training_ends_with_a_model_and_counts_the_boxes_of_its_start(project):
    label(project, [2, 10])
    job = training_job(lambda: project)
    job.start(1.0)
    job._training._end.join(240)
    state = job.state()
    assert (state["state"], state["epoch"], state["epochs"]) == ("done", 1, 1), state
    assert "1 epoch on 2 slices" in state["message"]
    card = json.loads((project.model / "card.json").read_text())
    assert card["slices"] == [2, 10]
    assert open_project(str(project.folder)).config.train.minutes == 1.0
    job.start(1.0)  # nothing new: no training
    job._training._end.join(240)
    assert "nothing was labelled since" in job.state()["message"]
