"""Stage detect: which detector, which slices, what decides over its bytes, and what stops it."""

import dataclasses
import gc
import weakref

import numpy as np
import pandas as pd
import pytest
import tifffile

from famous import boxes
from famous.detect import DetectParams
from famous.errors import FamousError, InputError
from famous.io.tables import read_parquet
from famous.pipeline import detect as stage
from famous.pipeline.detect import BlockDetector, nothing_found_hints, run_detect, stage_of, weights_of
from famous.pipeline.project import Choices, open_project
from famous.pipeline.stage import Session
from famous.stack import Window
from famous.voxels import VoxelSize
from famous.yolo.runtime import packaged_detector
from tests.test_pipeline import Log
from tests.test_pipeline_faults import changed

ONE = [4, 4, 12, 12, 0.9, 0]


class Counting:
    """Finds one box in each slice, its score the slice's mean grey; remembers what it was shown."""

    channels = 3
    pixel_nm = 8.0
    class_names = ("a b",)

    def __init__(self):
        self.means = []

    def __call__(self, images):
        self.means += [[int(image[..., c].mean()) for c in range(image.shape[2])] for image in images]
        return [np.array([[*ONE[:4], 0.5 + image[..., 1].mean() / 512, 0]], dtype=np.float32) for image in images]


@pytest.fixture
def detector(monkeypatch, tmp_path):
    counting = Counting()
    stage.open_detector.cache_clear()
    monkeypatch.setattr(stage, "load_detector", lambda weights, device: counting)
    (tmp_path / "model" / "card.json").parent.mkdir()
    (tmp_path / "model" / "card.json").write_text("{}")
    yield counting
    stage.open_detector.cache_clear()


@pytest.fixture
def project(tmp_path, detector):
    """Ten slices of 32 × 32 whose grey value is ten times their number."""
    path = tmp_path / "cell.tif"
    data = np.repeat(np.arange(10, dtype=np.uint8) * 10, 32 * 32).reshape(10, 32, 32)
    tifffile.imwrite(path, data, metadata=None, photometric="minisblack")
    opened = open_project(str(path), Choices(voxel_size=(8, 8, 8), weights=str(tmp_path / "model")))
    stack = dataclasses.replace(opened.stack, window=Window(0, 255))
    return dataclasses.replace(opened, opened=dataclasses.replace(opened.opened, stack=stack))


# ---- which detector ----


def test_a_detector_is_named_by_its_folder_or_a_file_in_it(project, tmp_path):
    assert weights_of(project) == tmp_path / "model"
    by_file = dataclasses.replace(project.config, weights=str(tmp_path / "model" / "card.json"))
    assert weights_of(dataclasses.replace(project, config=by_file)) == tmp_path / "model"


@pytest.mark.parametrize("name", ["nowhere", "empty", "empty/best.onnx"])
def test_a_detector_that_is_not_there_is_named(project, tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "best.onnx").touch()
    config = dataclasses.replace(project.config, weights=str(tmp_path / name))
    with pytest.raises(InputError, match=r"weights: found (nothing at|no card\.json in) .*expected a model folder"):
        run_detect(dataclasses.replace(project, config=config), Session())
    assert not project.run.exists()


def test_the_trained_detector_comes_before_the_one_that_ships(project, monkeypatch, tmp_path):
    unnamed = dataclasses.replace(project, config=dataclasses.replace(project.config, weights=None))
    monkeypatch.setattr(stage, "packaged_detector", lambda: tmp_path / "ships")
    assert weights_of(unnamed) == tmp_path / "ships"
    project.model.mkdir(parents=True)
    assert weights_of(unnamed) == tmp_path / "ships"  # a training that is not finished
    (project.model / "card.json").write_text("{}")
    assert weights_of(unnamed) == project.model


def test_a_detector_is_opened_once_a_process(monkeypatch, project):
    opened = []
    monkeypatch.setattr(stage, "load_detector", lambda weights, device: opened.append(device) or Counting())
    run_detect(project, Session(device="cpu"))
    assert opened == ["cpu"]


# ---- what is detected ----


def test_every_slice_has_its_boxes_numbered_by_slice(project):
    log = Log()
    table = run_detect(project, Session(log))
    boxes.validate(table, project.stack.shape)
    assert table["z"].tolist() == list(range(10))
    assert table["box"].tolist() == list(range(1, 11))
    assert table["score"].to_numpy() == pytest.approx(0.5 + np.arange(10) * 10 / 512, abs=1e-3)
    pd.testing.assert_frame_equal(read_parquet(project.detected), table)
    assert log.said == [("begin", "detect", 10), ("end", "detect", "10 boxes in 10 slices")]


def test_the_neighbours_are_the_other_channels_also_across_blocks(project, detector, monkeypatch):
    monkeypatch.setattr(stage, "BLOCK", 4)
    run_detect(project, Session())
    greys = [[max(0, z - 1) * 10, z * 10, min(9, z + 1) * 10] for z in range(10)]
    assert detector.means == greys


@pytest.mark.parametrize("block", [1, 3, 10, 100])
def test_the_size_of_a_block_does_not_change_a_byte(project, monkeypatch, block):
    run_detect(project, Session())
    before = project.detected.read_bytes()
    monkeypatch.setattr(stage, "BLOCK", block)
    run_detect(project, Session(again=True))
    assert project.detected.read_bytes() == before


@pytest.mark.parametrize(("stride_nm", "seen"), [(8, 10), (16, 6), (24, 4), (1000, 2)])
def test_slices_that_a_stride_leaves_out_are_filled_from_their_neighbours(project, detector, stride_nm, seen):
    table = run_detect(changed(project, detect={"stride_nm": float(stride_nm)}), Session())
    assert len(detector.means) == seen
    if stride_nm <= 24:
        assert table["z"].tolist() == list(range(10))
    assert set(table["class_name"]) == {"a b"}


def test_no_box_in_any_slice_is_a_table(project, monkeypatch):
    monkeypatch.setattr(Counting, "__call__", lambda self, images: [np.zeros((0, 6), np.float32) for _ in images])
    table = run_detect(project, Session())
    assert len(table) == 0
    assert list(table.columns) == list(boxes.COLUMNS)
    pd.testing.assert_frame_equal(run_detect(project, Session()), table)


def test_a_block_can_be_detected_alone(project, tmp_path):
    worker = BlockDetector(project.stack, VoxelSize(8, 8, 8), DetectParams(), tmp_path / "model", "auto", (0, 4, 8))
    assert worker(range(1, 3))["z"].tolist() == [4, 8]
    assert len(worker(range(0))) == 0


def test_a_damaged_slice_stops_and_what_is_done_is_kept(project, monkeypatch):
    monkeypatch.setattr(stage, "BLOCK", 2)
    real = Counting.__call__

    def broken(self, images):
        if any(int(image[..., 1].mean()) == 60 for image in images):
            raise InputError("slice 6 is damaged")
        return real(self, images)

    with monkeypatch.context() as patch:
        patch.setattr(Counting, "__call__", broken)
        with pytest.raises(FamousError, match="slice 6 is damaged"):
            run_detect(project, Session())
    assert not project.detected.exists()
    stage.open_detector(weights_of(project), "auto").means.clear()
    run_detect(project, Session())
    assert len(stage.open_detector(weights_of(project), "auto").means) == 4  # slices 6 … 9


# ---- what decides over the bytes ----


def test_the_fingerprint_follows_whatever_changes_the_boxes(project, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "card.json").write_text("{ }")
    config = project.config
    others = [
        changed(project, detect={"score": 0.11}),
        dataclasses.replace(project, config=dataclasses.replace(config, weights=str(tmp_path / "other"))),
        dataclasses.replace(project, config=dataclasses.replace(config, window=(1.0, 2.0))),
        dataclasses.replace(project, config=dataclasses.replace(config, invert=True)),
        dataclasses.replace(project, opened=dataclasses.replace(project.opened, fingerprint="other")),
        dataclasses.replace(
            project,
            opened=dataclasses.replace(
                project.opened, stack=dataclasses.replace(project.stack, voxel_size=VoxelSize(8, 8, 9))
            ),
        ),
    ]
    prints = [stage_of(other).fingerprint for other in (project, *others)]
    assert len(set(prints)) == len(prints)


def test_the_fingerprint_does_not_follow_what_changes_nothing(project, tmp_path):
    moved = tmp_path / "moved"
    (tmp_path / "model").rename(moved)
    config = dataclasses.replace(project.config, weights=str(moved))
    same = changed(dataclasses.replace(project, config=config), link={"method": "centre"}, train={"minutes": 1.0})
    moved_print = stage_of(same).fingerprint
    moved.rename(tmp_path / "model")
    assert stage_of(project).fingerprint == moved_print


def test_a_second_time_nothing_is_detected(project, detector):
    run_detect(project, Session())
    detector.means.clear()
    log = Log()
    run_detect(project, Session(log))
    assert detector.means == []
    assert log.said == [("end", "detect", "10 boxes, done before")]


@pytest.mark.parametrize("name", ["a/b", "", "..", "a:b"])
def test_a_class_that_cannot_name_a_folder_stops_before_the_work(project, detector, monkeypatch, name):
    monkeypatch.setattr(Counting, "class_names", (name,))
    with pytest.raises(InputError, match="name a folder"):
        run_detect(project, Session())
    assert detector.means == []
    assert not project.run.exists()


# ---- where nothing is found ----


def test_the_hints_name_the_detector_that_found_nothing(project, monkeypatch, tmp_path):
    said = "\n".join(nothing_found_hints(project))
    assert f"{tmp_path / 'model'} was trained on other stacks" in said
    unnamed = dataclasses.replace(project, config=dataclasses.replace(project.config, weights=None))
    said = "\n".join(nothing_found_hints(unnamed))
    assert said.startswith("no box was found in 10 slices")
    assert "the detector that ships has seen mitochondria of few tissues" in said
    assert said.index(f"`famous annotate {project.folder}`") < said.index(f"`famous train {project.folder}`")
    project.model.mkdir(parents=True)
    (project.model / "card.json").write_text("{}")
    said = "\n".join(nothing_found_hints(unnamed))
    assert "label more slices" in said
    assert "phantoms" not in said


def test_the_hints_name_the_knobs_as_they_are(project):
    said = "\n".join(nothing_found_hints(project))
    assert "detect.score is 0.25, and link.overlap.instance_score" in said
    assert f"bright, `famous run {project.folder} --invert`" in said
    assert "8 × 8 × 8 nm" in said
    turned = changed(project, detect={"score": 0.5, "class_scores": {"b": 0.75}}, link={"method": "centre"})
    turned = dataclasses.replace(turned, config=dataclasses.replace(turned.config, invert=True))
    said = "\n".join(nothing_found_hints(turned))
    assert "detect.score is 0.5, of b 0.75: lower" in said
    assert f"dark, `famous run {project.folder} --no-invert`" in said


def test_a_closed_detector_is_gone_at_once():
    gc.disable()
    try:
        opened = stage.open_detector(packaged_detector(), "cpu")
        opened(np.zeros((1, 64, 64, opened.channels), dtype=np.uint8))
        seen = [weakref.ref(opened), weakref.ref(opened.infer)]
        del opened
        stage.close_detector()
        assert [one() for one in seen] == [None, None]
    finally:
        gc.enable()
