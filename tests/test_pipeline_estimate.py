"""The estimate: it grows with the stack, counts only what is left, and says "done" only where nothing is left."""

import dataclasses
import os

import numpy as np
import pytest
import tifffile

from famous.errors import InputError
from famous.io.tables import write_parquet
from famous.pipeline import estimate as estimate_module
from famous.pipeline.estimate import CROP_MB, Estimate, estimate, is_finished
from famous.pipeline.project import Choices, open_project
from famous.pipeline.run import run
from famous.pipeline.stage import Session
from famous.voxels import VoxelSize
from tests.test_pipeline_faults import changed

SIZE = (16, 16, 16)
BOXES = np.array([[1, 1, 9, 9, 0.9, 0], [20, 20, 30, 30, 0.9, 1]], dtype=np.float32)


class Clock:
    """Each look at it is a second later than the one before."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        self.now += 1.0
        return self.now


class Steady:
    """A detector that finds the same boxes in every slice."""

    channels = 1
    pixel_nm = 16.0
    class_names = ("a", "b", "c")

    def __init__(self, boxes=BOXES):
        self.boxes = boxes
        self.seen = 0

    def __call__(self, images):
        self.seen += len(images)
        return [self.boxes for _ in images]


@pytest.fixture
def detector(monkeypatch, tmp_path):
    """A steady detector with a clock of its own and a known memory."""
    steady = Steady()
    (tmp_path / "card.json").write_text("{}")
    monkeypatch.setattr("famous.pipeline.detect.open_detector", lambda weights, device: steady)
    monkeypatch.setattr("famous.pipeline.detect.weights_of", lambda project: tmp_path)
    monkeypatch.setattr(estimate_module, "time", Clock())
    monkeypatch.setattr(estimate_module, "peak_memory_mb", lambda: 100.0)
    return steady


def stack_of(tmp_path, depth, side=64, name="a"):
    path = tmp_path / f"{name}_{depth}_{side}.tif"
    data = np.random.default_rng(0).integers(0, 255, (depth, side, side), dtype=np.uint8)
    tifffile.imwrite(path, data, photometric="minisblack", metadata=None)
    return open_project(str(path), Choices(voxel_size=SIZE, save=False))


# ---- scaling ----


@pytest.mark.parametrize("depth", [1, 2, 7, 40])
def test_time_and_disk_grow_with_the_slices(tmp_path, detector, depth):
    plan = estimate(stack_of(tmp_path, depth), Session())
    assert plan.slices == depth
    per_box = estimate_module.SECONDS_PER_BOX
    assert plan.seconds == pytest.approx(depth * (1.0 + len(BOXES) * per_box))  # the clock says a second a slice
    labels = depth * 64 * 64 * 3 * estimate_module.BYTES_PER_PIXEL
    assert plan.disk_mb == pytest.approx((labels + 2 * depth * estimate_module.MESH_BYTES_PER_BOX) / 2**20)


def test_memory_grows_with_the_slice_and_not_with_the_depth(tmp_path, detector):
    shallow, deep, wide = (estimate(stack_of(tmp_path, *shape), Session()) for shape in ((2, 64), (30, 64), (2, 256)))
    assert deep.memory_mb == shallow.memory_mb
    assert wide.memory_mb - 100 - CROP_MB == pytest.approx(16 * (shallow.memory_mb - 100 - CROP_MB))


def test_only_a_few_slices_are_looked_at_however_deep_the_stack_is(tmp_path, detector):
    estimate(stack_of(tmp_path, 40), Session())
    assert detector.seen == 2  # the first one warms up


def test_a_stride_leaves_slices_out(tmp_path, detector):
    project = stack_of(tmp_path, 21)
    every = estimate(project, Session())
    third = estimate(changed(project, detect={"stride_nm": 48.0}), Session())
    assert (every.slices, third.slices) == (21, 8)  # 0, 3 … 18 and the last
    assert third.seconds < every.seconds / 2
    assert third.disk_mb == every.disk_mb


def test_a_stack_in_which_nothing_is_found_still_takes_time(tmp_path, detector):
    detector.boxes = BOXES[:0]
    plan = estimate(stack_of(tmp_path, 5), Session())
    assert plan.seconds == pytest.approx(5.0)
    assert plan.disk_mb > 0


def test_training_comes_on_top_where_it_is_due(tmp_path, detector):
    project = changed(stack_of(tmp_path, 3), train={"minutes": 7.5})
    assert estimate(project, Session()).minutes_training == 0
    plan = estimate(project, Session(), will_train=True)
    assert plan.minutes_training == 7.5
    assert str(plan).startswith("estimate: training 7.5 min, then ")


# ---- what is left ----


@pytest.mark.usefixtures("know_all")
def test_what_is_done_costs_nothing(finished):
    plan = estimate(finished, Session())
    assert (plan.slices, plan.seconds, plan.minutes_training) == (0, 0, 0)
    assert is_finished(finished)
    assert "nothing is left to do" in str(plan)


@pytest.mark.usefixtures("know_all")
def test_what_is_left_after_detection_is_not_called_done(done):
    other = changed(done, link={"method": "centre"})
    assert not is_finished(other)
    plan = estimate(other, Session())
    assert plan.slices == 0
    assert plan.seconds > 0
    assert "nothing is left to do" not in str(plan)


@pytest.mark.usefixtures("know_all")
@pytest.mark.parametrize("kept", [0, 1, 5])
def test_few_boxes_in_many_slices_are_not_nothing(done, kept):
    from famous.io.tables import read_parquet

    write_parquet(done.detected, read_parquet(done.detected).iloc[:kept])
    done.instances.unlink()
    plan = estimate(done, Session())
    assert plan.seconds > 0
    assert "nothing is left to do" not in str(plan)
    assert plan.disk_mb < 24 * 160 * 160 * 5 * 0.05 / 2**20 + 0.1


@pytest.mark.usefixtures("know_all")
def test_the_estimate_shrinks_to_nothing_as_a_run_goes_on(done):
    done.instances.unlink()
    assert not is_finished(done)
    assert estimate(done, Session()).seconds > 0
    run(done)
    assert estimate(done, Session()).seconds == 0
    assert estimate(done, Session(again=True)).slices == 24


def test_estimating_writes_nothing(tmp_path, detector):
    project = stack_of(tmp_path, 3)
    before = sorted(tmp_path.rglob("*"))
    estimate(project, Session())
    assert sorted(tmp_path.rglob("*")) == before


def test_without_a_voxel_size_there_is_no_estimate(tmp_path, detector):
    project = stack_of(tmp_path, 2)
    bare = dataclasses.replace(project.stack, voxel_size=None)
    with pytest.raises(InputError, match="--voxel-size"):
        estimate(dataclasses.replace(project, opened=dataclasses.replace(project.opened, stack=bare)), Session())
    assert project.voxel_size == VoxelSize(*SIZE)


def test_the_free_disk_is_that_of_the_place_where_the_folder_will_be(tmp_path, monkeypatch):
    import psutil

    seen = []

    def usage(path):
        seen.append(path)
        return type("Usage", (), {"free": 3 * 2**20})

    monkeypatch.setattr(psutil, "disk_usage", usage)
    monkeypatch.chdir(tmp_path)
    assert estimate_module._free_mb(tmp_path / "not" / "yet") == 3.0
    assert estimate_module._free_mb(type(tmp_path)("not/yet")) == 3.0
    assert {os.path.realpath(path) for path in seen} == {os.path.realpath(tmp_path)}


# ---- words ----


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        (Estimate(0, 0, 9, 9, 9), "estimate: everything is done, nothing is left to do"),
        (
            Estimate(0, 0.2, 1, 2, 3),
            "estimate: 1 s for 0 slices to detect, 1 MB of memory, 2 MB of disk (3 MB are free)",
        ),
        (Estimate(0, 0, 1, 2, 3, 10), "estimate: training 10 min, then 1 s for 0 slices"),
        (
            Estimate(12000, 4321.6, 5000.4, 1e6, 2e6),
            "estimate: 4,322 s for 12,000 slices to detect, 5,000 MB of memory",
        ),
    ],
)
def test_a_plan_in_words(plan, text):
    assert str(plan).startswith(text)
    assert "\n" not in str(plan)
