"""Every recipe on detected boxes: which box found which object, and what the masks in them are worth."""

import bench_famous
import numpy as np
import pytest
from accuracy import found
from accuracy.found import bench_found, boxes_of_masks, start_of, taken_by, true_slices
from accuracy.sets import SETS, DataSet

from famous.boxes import empty, from_columns, number
from famous.voxels import VoxelSize
from tests.accuracy_phantoms import TUBES, write_data

PHANTOM = DataSet("phantom", VoxelSize(10, 10, 10), 4)
ELLIPSE, FILLED = "inscribed ellipse", "filled box"
TINY = """
train: {weights: yolo26n.yaml, epochs: 1, input_px: 64, batch: 2, epoch_tiles: 4, validate: false, device: cpu,
        masks: {steps: 0}}
"""


@pytest.fixture
def data(tmp_path, monkeypatch):
    """The phantom as a set: slices 0–7 are labelled, 10 and 13 are scored."""
    monkeypatch.setitem(SETS, "phantom", PHANTOM)
    monkeypatch.setitem(found.BLOCKS, "phantom", (tuple(range(8)), range(10, 16, 3)))
    monkeypatch.setattr(bench_famous, "CONFIG", TINY)
    return write_data(tmp_path)


@pytest.fixture
def detects(data, monkeypatch):
    """Stand in for training and detection with the true boxes, changed."""

    def change_to(change):
        def detect(project, score):
            true = boxes_of_masks(true_slices(data, PHANTOM, score))
            return number(change(true.assign(score=np.float32(0.9))).reset_index(drop=True)), 5.0

        monkeypatch.setattr(found, "detect", detect)

    return change_to


def boxes(*rows):
    names = ("z", "y0", "x0", "y1", "x1", "score")
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    return from_columns(columns | {"class_name": ["mitochondrion"] * len(rows)})


def test_a_true_box_is_found_once_by_the_surest_box_that_fits():
    known = boxes((0, 0, 0, 10, 10, 1), (0, 0, 20, 10, 30, 1), (1, 0, 0, 10, 10, 1))
    seen = boxes(
        (0, 0, 0, 10, 9, 0.5),  # fits, but another is surer
        (0, 0, 0, 10, 8, 0.9),
        (0, 0, 24, 10, 34, 0.9),  # IoU 6 / 14
        (1, 0, 0, 10, 10, 0.3),
        (2, 0, 0, 10, 10, 0.9),  # nothing there
    )
    assert taken_by(known, seen) == {(0, 0): 1, (1, 0): 3}
    assert taken_by(known, seen, 0.4) == {(0, 0): 1, (0, 1): 2, (1, 0): 3}
    assert taken_by(known, empty()) == {}


def test_true_boxes_give_every_figure_its_closed_form(data, detects, tmp_path, capsys):
    detects(lambda true: true)
    results = bench_found(data, ["phantom", "absent"], tmp_path / "work", 5, None, None)
    assert results["phantom"][ELLIPSE]["mean_iou"] == results["phantom"][ELLIPSE]["pooled_iou"] == 1
    assert results["phantom"][ELLIPSE]["boxes"] == 2 * len(TUBES)
    assert results["phantom"][FILLED]["mean_iou"] == pytest.approx(np.pi / 4, abs=0.02)
    printed = capsys.readouterr().out
    assert (
        "8 slices labelled, 2 scored, 5.0 min of training; boxes of score 0.25: recall 1.000, precision 1.000"
        in printed
    )
    assert "absent: not there, left out" in printed


def test_boxes_that_are_off_find_but_cost(data, detects, tmp_path, capsys):
    detects(lambda true: true.assign(y0=true["y0"] + 4, y1=true["y1"] + 4))
    shifted = bench_found(data, ["phantom"], tmp_path / "work", 5, None, None)["phantom"]
    assert shifted[ELLIPSE]["boxes"] == 2 * len(TUBES)
    assert 0.5 < shifted[ELLIPSE]["mean_iou"] < 0.8


def test_what_is_missed_or_wrong_shows_in_recall_and_precision_alone(data, detects, tmp_path, capsys):
    def change(true):
        wrong = true.head(1).assign(y0=0, x0=0, y1=5, x1=5)
        return from_columns({name: [*true[name].iloc[1:], *wrong[name]] for name in true.columns if name != "box"})

    detects(change)
    results = bench_found(data, ["phantom"], tmp_path / "work", 5, None, None)
    assert results["phantom"][ELLIPSE]["mean_iou"] == 1
    assert "recall 0.833, precision 0.833" in capsys.readouterr().out


def test_a_training_starts_from_a_detector_that_never_saw_the_set(tmp_path):
    assert start_of("lucchi", None, tmp_path) is None
    coco = tmp_path / "weights" / "yolo26n.pt"
    own = tmp_path / "starts" / "without_lucchi" / "best.pt"
    for file in (coco, own):
        file.parent.mkdir(parents=True)
        file.touch()
    assert start_of("lucchi", None, tmp_path) == str(coco)
    assert start_of("lucchi", tmp_path / "starts", tmp_path) == str(own)
    assert start_of("vnc", tmp_path / "starts", tmp_path) == str(coco)


@pytest.mark.slow
def test_a_detector_is_trained_and_kept(data, tmp_path, capsys):
    bench_found(data, ["phantom"], tmp_path / "work", 5, None, None)
    model = tmp_path / "work" / "phantom_8" / "model" / "best.onnx"
    stamp = model.stat().st_mtime_ns
    results = bench_found(data, ["phantom"], tmp_path / "work", 5, None, None)
    assert model.stat().st_mtime_ns == stamp
    assert set(results) == {"phantom"}
