"""Train on four drawn slices, a few seconds each time: what is left on disk, the clock, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from famous.boxes import empty, from_columns
from famous.detect import DetectParams, detect_slice
from famous.errors import InputError, MissingError
from famous.stack import Stack, Window
from famous.voxels import VoxelSize
from famous.yolo.adapt import AdaptParams
from famous.yolo.card import Card, digest, read_card, write_card
from famous.yolo.listener import Listener
from famous.yolo.masknet import masknet_digest, packaged_terms
from famous.yolo.params import TrainParams
from famous.yolo.resume import load
from famous.yolo.runtime import load_detector
from famous.yolo.train import detect_slices, find_weights, train, validation_block, why_unscored
from famous.yolo.trainer import count_batch

STILL = AdaptParams(steps=0)
COCO = TrainParams(weights="yolo26n.pt")
TINY = TrainParams(
    weights="yolo26n.yaml", epochs=2, input_px=64, batch=2, val_from=4, check_every=1, device="cpu", masks=STILL
)


def cells(n: int = 4, side: int = 64) -> tuple[Stack, object]:
    """Bright squares and dark bars on noise, one of each a slice."""
    rng = np.random.default_rng(5)
    volume = rng.integers(100, 140, (n, side, side)).astype(np.uint8)
    rows = []
    for z in range(n):
        volume[z, 4 + z : 24 + z, 6:26] = 230
        volume[z, 40:52, 20 + z : 56 + z] = 20
        rows += [(z, 4 + z, 6, 24 + z, 26, "bright"), (z, 40, 20 + z, 52, 56 + z, "dark")]
    columns = dict(zip(("z", "y0", "x0", "y1", "x1", "class_name"), zip(*rows, strict=True), strict=True))
    return Stack(volume, VoxelSize(20, 8, 8), Window(0, 255), name="cells"), from_columns(columns)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model folder, its card, and what was told; test_yolo_resume kills such a training."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    stack, boxes = cells()
    told: list[tuple] = []
    card = train(
        stack, boxes, range(4), folder=folder, params=TINY, listener=Listener(lambda *values: told.append(values))
    )
    return folder, card, told


def test_every_epoch_is_told(trained):
    _, card, told = trained
    assert [(epoch, epochs) for epoch, epochs, _, _ in told] == [(1, 2), (2, 2)]
    assert told[0][2] > 0
    assert [left > 0 for _, _, _, left in told] == [True, False]
    assert card.epochs == 2
    assert card.seconds > 0


def test_weights_and_card_are_left_and_nothing_else(trained):
    folder, card, _ = trained
    assert {file.name for file in folder.iterdir()} == {"best.onnx", "best.pt", "card.json"}
    assert read_card(folder).class_names == ("bright", "dark")
    assert card.sha256 == {name: digest(folder / name) for name in ("best.onnx", "best.pt")}


def test_the_network_of_the_masks_learns_the_same_boxes(tmp_path):
    stack, boxes = cells()
    params = replace(TINY, epochs=1, masks=AdaptParams(steps=1, looks=1, batch=2))
    card = train(stack, boxes, [0, 1, 2, 3], folder=tmp_path, params=params)
    assert {file.name for file in tmp_path.iterdir()} == {"best.onnx", "best.pt", "card.json", "masknet.onnx"}
    assert card.sha256["masknet.onnx"] == digest(tmp_path / "masknet.onnx") != masknet_digest()
    assert card.params["masks"]["steps"] == 1
    assert card.terms == read_card(tmp_path).terms == f"masknet.onnx: {packaged_terms()}"
    assert "CC BY-NC-SA 3.0" in card.terms
    card = train(stack, boxes, [0, 1, 2, 3], folder=tmp_path, params=replace(params, masks=STILL))
    assert not (tmp_path / "masknet.onnx").exists()
    assert "masknet.onnx" not in card.sha256
    assert card.terms == ""


def test_after_the_epochs_each_piece_of_work_is_told_as_it_begins(tmp_path):
    stack, boxes = cells()
    told = []
    listener = Listener(
        lambda epoch, *rest: told.append(f"epoch {epoch}"),
        lambda work, units: told.append(f"{work}, {units}"),
        told.append,
    )
    params = replace(TINY, epochs=1, masks=AdaptParams(steps=2, looks=1, batch=2))
    train(stack, boxes, range(4), folder=tmp_path, params=params, listener=listener)
    assert told == ["epoch 1", "exporting, 1", 1, "masknet learns your boxes, 2", 1, 1, "scoring, 1", 1]


def test_the_card_says_what_was_learnt_and_how_well(trained):
    _, card, _ = trained
    assert (card.stack, card.voxel_size_nm, card.pixel_nm, card.channels) == ("cells", (20, 8, 8), 8.0, 3)
    assert (card.slices, card.validation_slices) == ((0, 1, 2), (3,))
    assert card.boxes == {"bright": 3, "dark": 3}
    assert card.params["input_px"] == 64
    assert {"ultralytics", "torch"} <= set(card.versions)
    assert set(card.metrics) == {"all", "bright", "dark"}
    assert {"precision", "recall", "map50", "map75", "map50_95"} <= set(card.metrics["bright"])
    assert card.metrics["all"]["n_true"] == 2
    json.dumps(card.metrics, allow_nan=False)
    assert card.unscored == ""


def test_what_was_trained_detects(trained):
    folder, _, _ = trained
    stack, _ = cells()
    for runtime in ("torch", "onnx"):
        detector = load_detector(folder, device="cpu", runtime=runtime)
        table = detect_slice(stack.slab(1), 1, detector, voxel_size=stack.voxel_size, params=DetectParams(score=0.0))
        assert set(table["class_name"]) <= {"bright", "dark"}


def test_the_checkpoint_does_not_say_where_it_was_made(trained):
    folder, _, _ = trained
    for name in ("best.onnx", "best.pt", "card.json"):
        assert str(folder).encode() not in (folder / name).read_bytes()


def test_another_training_does_not_go_on_with_foreign_work(trained, tmp_path):
    stack, boxes = cells()
    work = tmp_path / "work"
    work.mkdir()
    (work / "fingerprint").write_text("of something else")
    for name in ("last.pt", "best.pt", "resume.pt"):
        (work / name).write_bytes(b"poison")
    params = TrainParams(**{**vars(TINY), "epochs": 1, "validate": False, "channels": "gray"})
    card = train(stack, boxes, [0, 1], folder=tmp_path, params=params)
    assert (card.epochs, card.channels, card.metrics, card.validation_slices) == (1, 1, {}, ())
    assert "train.validate is off" in read_card(tmp_path).unscored
    assert load_detector(tmp_path).channels == 1


@pytest.mark.parametrize(
    ("count", "expected"), [(9, ([*range(9)], [])), (10, ([*range(8)], [8, 9])), (20, ([*range(17)], [17, 18, 19]))]
)
def test_the_validation_block_is_the_end_of_the_stack(count, expected):
    assert validation_block(list(range(count)), TrainParams()) == expected


def test_too_few_slices_to_score_on_are_the_cards_reason():
    said = why_unscored(list(range(9)), TrainParams())
    assert "9 annotated slices" in said
    assert "from 10 on (train.val_from)" in said
    assert "train.validate is off" in why_unscored(list(range(30)), TrainParams(validate=False))


def test_without_validation_all_slices_are_learnt():
    assert validation_block(list(range(30)), TrainParams(validate=False)) == (list(range(30)), [])


def without(stack: Stack, **values) -> Stack:
    return Stack(**{**vars(stack), **values})


def test_what_cannot_be_trained_on_is_refused_before_anything_is_written(tmp_path):
    stack, boxes = cells()
    folder = tmp_path / "model"

    def refused(match, stack=stack, boxes=boxes, done=(0, 1)):
        with pytest.raises(InputError, match=match):
            train(stack, boxes, done, folder=folder, params=TINY)

    refused("voxel-size", stack=without(stack, voxel_size=None))
    refused("window", stack=without(stack, window=None))
    refused("no slice is declared done", done=[])
    refused("0 … 3", done=[2, 4])
    refused("have no box", boxes=empty())
    refused("have no box", boxes=boxes[boxes["z"] > 1].reset_index(drop=True))
    refused("outside the stack", boxes=boxes.assign(x1=900))
    assert not folder.exists()


def test_missing_weights_say_where_to_put_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FAMOUS_WEIGHTS", raising=False)
    with pytest.raises(MissingError, match=r"yolo26n\.pt.*--start PATH.*FAMOUS_WEIGHTS"):
        find_weights(COCO, tmp_path)


def test_weights_are_found_by_path_folder_and_name(tmp_path, monkeypatch):
    monkeypatch.delenv("FAMOUS_WEIGHTS", raising=False)
    file = tmp_path / "yolo26n.pt"
    file.write_bytes(b"weights")
    assert find_weights(TrainParams(weights=str(file)), tmp_path) == file
    for value in (tmp_path, file):
        monkeypatch.setenv("FAMOUS_WEIGHTS", str(value))
        assert find_weights(COCO, tmp_path) == file
    monkeypatch.setenv("FAMOUS_WEIGHTS", str(tmp_path))
    with pytest.raises(MissingError, match=r"yolo26s\.pt"):
        find_weights(TrainParams(weights="yolo26s.pt"), tmp_path)
    assert find_weights(TrainParams(weights="yolo26n.yaml"), tmp_path) == Path("yolo26n.yaml")
    monkeypatch.delenv("FAMOUS_WEIGHTS")
    assert find_weights(COCO, tmp_path) == file  # where a download would have put it
    with pytest.raises(MissingError, match=r"yolo26n\.pt"):
        find_weights(COCO, tmp_path / "other")


def test_a_start_that_is_not_what_the_card_beside_it_describes_is_refused(tmp_path):
    start = tmp_path / "theirs" / "best.pt"
    start.parent.mkdir()
    start.write_bytes(b"weights")
    write_card(start.parent, Card(("a",), 3, 8.0, 0.7, sha256={"best.pt": digest(start)}))
    params = TrainParams(weights=str(start))
    assert find_weights(params, tmp_path / "model") == start
    start.write_bytes(b"wEights")
    with pytest.raises(InputError, match=r"best\.pt: found SHA-256"):
        find_weights(params, tmp_path / "model")
    (start.parent / "work").mkdir()  # its own training was killed while it put them in place: that goes on
    assert find_weights(params, start.parent) == start
    write_card(start.parent, Card(("a",), 3, 8.0, 0.7, sha256={"other.pt": "0"}))
    assert find_weights(params, tmp_path / "model") == start


def test_a_download_happens_only_when_asked_and_says_when_it_fails(tmp_path, monkeypatch):
    monkeypatch.delenv("FAMOUS_WEIGHTS", raising=False)
    asked = []

    def refuse(*args, **kwargs):
        asked.append(args)
        raise OSError("no network here")

    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(f"socket.{name}", refuse)
    monkeypatch.setattr("socket.socket.connect", refuse)
    with pytest.raises(MissingError, match="unasked"):
        find_weights(TrainParams(weights="yolo26s.pt"), tmp_path)
    assert not asked
    with pytest.raises(MissingError, match="download failed"):
        find_weights(TrainParams(weights="yolo26s.pt", download=True), tmp_path)
    assert asked
    with pytest.raises(MissingError, match="no such weights to download"):
        find_weights(TrainParams(weights="nothing.pt", download=True), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_kill_between_training_and_export_costs_no_epoch(tmp_path, monkeypatch):
    stack, boxes = cells()
    params = TrainParams(**{**vars(TINY), "epochs": 1, "validate": False})

    def killed(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("famous.yolo.train._finish", killed)
        with pytest.raises(KeyboardInterrupt):
            train(stack, boxes, range(4), folder=tmp_path, params=params)
    assert load(tmp_path / "work")["state"].finished
    told = []
    card = train(stack, boxes, range(4), folder=tmp_path, params=params, listener=Listener(lambda *v: told.append(v)))
    assert told == []
    assert card.sha256["best.onnx"] == digest(tmp_path / "best.onnx")
    assert not (tmp_path / "work").exists()


def test_minutes_end_a_training_and_its_estimate_may_grow(tmp_path, monkeypatch):
    """The clock is ours: 4 s, 1 s and 4 s for three epochs of a budget of 10 s."""
    now, batches = [100.0], iter([4, 1, 4])  # an epoch has one batch

    def take_time(loop):
        count_batch(loop)
        now[0] += next(batches)

    monkeypatch.setattr("famous.yolo.trainer.monotonic", lambda: now[0])
    monkeypatch.setattr("famous.yolo.trainer.count_batch", take_time)
    stack, boxes = cells(2)
    params = TrainParams(**{**vars(TINY), "epochs": None, "minutes": 10 / 60, "validate": False})
    told = []
    card = train(stack, boxes, [0, 1], folder=tmp_path, params=params, listener=Listener(lambda *v: told.append(v)))
    assert [(epoch, epochs, left) for epoch, epochs, _, left in told] == [(1, 2, 4.0), (2, 4, 5.0), (3, 3, 0.0)]
    assert (card.epochs, card.seconds) == (3, 9.0)


def test_the_time_of_an_epoch_that_was_cut_off_counts(tmp_path, monkeypatch):
    """The clock is ours: killed 7 s into the first epoch, then all in no time."""
    now, batches = [100.0], []
    monkeypatch.setattr("famous.yolo.trainer.monotonic", lambda: now[0])
    stack, boxes = cells()
    params = replace(TINY, epochs=1, validate=False)

    def mortal(loop):
        if batches:
            raise KeyboardInterrupt
        batches.append(count_batch(loop))
        now[0] += 7

    with monkeypatch.context() as patch:
        patch.setattr("famous.yolo.trainer.count_batch", mortal)
        with pytest.raises(KeyboardInterrupt):
            train(stack, boxes, range(4), folder=tmp_path, params=params)
    assert load(tmp_path / "work") is None
    now[0] = 5000.0
    assert train(stack, boxes, range(4), folder=tmp_path, params=params).seconds == 7.0


def test_half_written_tiles_are_cut_again(tmp_path):
    """A kill while the tiles were written leaves pixels without an index."""
    stack, boxes = cells(2)
    params = TrainParams(**{**vars(TINY), "epochs": 1, "validate": False})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("famous.yolo.train.fit", lambda job: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            train(stack, boxes, [0, 1], folder=tmp_path, params=params)
    whole = (tmp_path / "work" / "tiles.u8").read_bytes()
    assert len(whole) == 2 * 64 * 64 * 3
    (tmp_path / "work" / "tiles.json").unlink()
    (tmp_path / "work" / "tiles.u8").write_bytes(whole[:100])
    assert train(stack, boxes, [0, 1], folder=tmp_path, params=params).epochs == 1


def test_scoring_reads_the_slices_that_were_asked_for(trained):
    folder, _, _ = trained
    stack, _ = cells()
    found = detect_slices(stack, [3, 1], load_detector(folder, device="cpu"))
    assert set(found["z"]) <= {1, 3}
    assert found["z"].is_monotonic_increasing
    with pytest.raises(InputError, match="voxel-size"):
        detect_slices(without(stack, voxel_size=None), [1], load_detector(folder, device="cpu"))
