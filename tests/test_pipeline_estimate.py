"""The estimate: it grows with the stack, counts only what is left, and says "done" only where nothing is left."""

import dataclasses
import os

import numpy as np
import pytest
import tifffile

from famous.boxes import from_columns
from famous.errors import InputError
from famous.io.annotations import Annotations, write_boxes
from famous.io.tables import read_parquet, write_parquet
from famous.pipeline import estimate as estimate_module
from famous.pipeline.estimate import (
    AFTER_TRAINING,
    CROP_MB,
    METHODS,
    SHARES,
    Estimate,
    estimate,
    seconds_per_box,
    stages_left,
)
from famous.pipeline.project import Choices, open_project
from famous.pipeline.run import run
from famous.pipeline.stage import Session
from famous.voxels import VoxelSize
from famous.yolo.adapt import AdaptParams
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
    assert plan.memory_mb >= estimate_module.TRAINING_MB > estimate(project, Session()).memory_mb
    said = "estimate: training about 7.5 min with scores and masknet, then about 3 s (3 slices to detect, and all that "
    assert str(plan).startswith(said)


def label(project, slices):
    """Declare slices done, each with three boxes."""
    rows = [(z, 8, 8 + 16 * i, 20, 20 + 16 * i, "a") for z in slices for i in range(3)]
    columns = dict(zip(("z", "y0", "x0", "y1", "x1", "class_name"), zip(*rows, strict=True), strict=True))
    labelled = Annotations(from_columns(columns), frozenset(slices), ("a",))
    project.annotations.mkdir(parents=True)
    write_boxes(project.annotations / "boxes.csv", "csv", labelled, shape=project.stack.shape)
    return project


def test_the_training_is_as_long_as_its_epochs_and_all_that_comes_after_them(tmp_path, detector):
    project = label(stack_of(tmp_path, 24), range(20))

    def minutes(**knobs):
        return estimate(changed(project, train=knobs), Session(), will_train=True).minutes_training

    still = {"masks": AdaptParams(steps=0), "validate": False}
    assert minutes(minutes=0.5) - minutes(minutes=0.5, **still) > 0.3  # 120 steps of masknet and the scores
    assert minutes(epochs=200, **still) > 1.9 * minutes(epochs=100, **still) > 3  # minutes are not asked
    assert minutes(epochs=100, minutes=1.0) == minutes(epochs=100, minutes=99.0)
    assert minutes(minutes=20) == pytest.approx(20 + minutes(minutes=10) - 10)


@pytest.mark.usefixtures("know_all")
def test_training_again_is_counted_again(done, monkeypatch):
    class Trained:
        is_done = True

    monkeypatch.setattr(estimate_module.train, "stage_of", lambda project: Trained)
    assert estimate(done, Session(), will_train=True).minutes_training == 0
    assert estimate(done, Session(again=True), will_train=True).minutes_training == done.config.train.minutes


# ---- what meshing costs ----


def sized(project, *size):
    """The same project with another voxel size."""
    stack = dataclasses.replace(project.stack, voxel_size=VoxelSize(*size))
    return dataclasses.replace(project, opened=dataclasses.replace(project.opened, stack=stack))


def test_the_mesh_method_decides_over_the_seconds_after_detection(tmp_path, detector):
    project = stack_of(tmp_path, 10)
    seconds = {
        method: estimate(changed(project, mesh={"method": method}), Session()).seconds
        for method in ("isosurface", "auto", "shrinkwrap")
    }
    assert seconds["isosurface"] < seconds["auto"] < seconds["shrinkwrap"]
    meshing = len(BOXES) * 10 * estimate_module.SECONDS_PER_BOX * SHARES["mesh"]
    assert seconds["shrinkwrap"] - seconds["isosurface"] == pytest.approx(meshing * (METHODS["shrinkwrap"] - 1))


@pytest.mark.parametrize(("z", "times"), [(16, 1), (20, 1), (24, 2), (48, 3), (160, 10)])
def test_meshing_takes_longer_where_slices_lie_far_apart(tmp_path, detector, z, times):
    flat, deep = stack_of(tmp_path, 2), sized(stack_of(tmp_path, 2), z, 16, 16)
    assert seconds_per_box(deep, "mesh") == pytest.approx(times * seconds_per_box(flat, "mesh"))
    for stage in ("extract", "link", "measure"):
        assert seconds_per_box(deep, stage) == seconds_per_box(flat, stage)


def test_auto_takes_the_isosurface_where_it_never_wraps(tmp_path, detector):
    auto = sized(changed(stack_of(tmp_path, 2), mesh={"method": "auto"}), 160, 16, 16)
    assert seconds_per_box(auto, "mesh") == seconds_per_box(changed(auto, mesh={"method": "isosurface"}), "mesh")


def test_the_shares_are_those_of_all_stages_after_detection():
    assert tuple(SHARES) == AFTER_TRAINING[1:]
    assert sum(SHARES.values()) == pytest.approx(1)


# ---- what is left ----


@pytest.mark.usefixtures("know_all")
def test_what_is_done_costs_nothing(finished):
    plan = estimate(finished, Session())
    assert (plan.slices, plan.seconds, plan.minutes_training) == (0, 0, 0)
    assert stages_left(finished) == plan.stages == ()
    assert plan.disk_mb == 0
    assert "nothing is left to do" in str(plan)


@pytest.mark.usefixtures("know_all")
def test_what_is_left_after_detection_is_not_called_done(done):
    boxes = len(read_parquet(done.detected))
    for knobs, stages, said in (
        ({"extract": {"recipes": "paper"}}, AFTER_TRAINING[1:], f"to extract, link, mesh and measure {boxes:,} boxes "),
        ({"link": {"method": "centre"}}, AFTER_TRAINING[2:], f"to link, mesh and measure {boxes:,} boxes "),
        (
            {"mesh": {"method": "shrinkwrap"}},
            AFTER_TRAINING[3:],
            f"to mesh and measure the organelles of {boxes:,} boxes ",
        ),
        ({"measure": {"inside": {"a": "b"}}}, AFTER_TRAINING[4:], f"to measure the organelles of {boxes:,} boxes "),
    ):
        plan = estimate(changed(done, **knobs), Session())
        assert plan.stages == stages
        assert plan.boxes == boxes
        assert plan.slices == 0
        assert plan.seconds >= 1
        assert f" s {said}(what comes before is done), " in str(plan)
        assert (plan.disk_mb > 0) == ("mesh" in stages)
        for wrong in ("nothing is left", "detect", "slices"):
            assert wrong not in str(plan)
    assert estimate(changed(done, detect={"score": 0.5}), Session()).stages == AFTER_TRAINING


@pytest.mark.usefixtures("know_all")
@pytest.mark.parametrize("kept", [0, 1, 5])
def test_few_boxes_in_many_slices_are_not_nothing(done, kept):
    write_parquet(done.detected, read_parquet(done.detected).iloc[:kept])
    done.instances.unlink()
    plan = estimate(done, Session())
    assert plan.seconds > 0
    assert "nothing is left to do" not in str(plan)
    assert plan.disk_mb < 24 * 160 * 160 * 5 * 0.05 / 2**20 + 0.1


@pytest.mark.usefixtures("know_all")
def test_the_estimate_shrinks_to_nothing_as_a_run_goes_on(done):
    done.instances.unlink()
    assert stages_left(done) == ("measure",)
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
            Estimate(0, 0.2, 1, 2, 3, boxes=1200, stages=("mesh", "measure")),
            "estimate: about 1 s to mesh and measure the organelles of 1,200 boxes (what comes before is done), "
            "1 MB of memory, 2 MB of disk (3 MB free)",
        ),
        (
            Estimate(5, 0, 1, 2, 3, 10, stages=AFTER_TRAINING),
            "estimate: training about 10 min with scores and masknet, then about 1 s (5 slices to detect, ",
        ),
        (
            Estimate(1, 0, 1, 0.4, 3, stages=AFTER_TRAINING),
            "estimate: about 1 s (1 slice to detect, and all that follows), 1 MB of memory, less than 1 MB of disk (3 ",
        ),
        (
            Estimate(0, 1, 1, 0.99, 3, boxes=1, stages=("link",)),
            "estimate: about 1 s to link 1 box (what comes before is done), 1 MB of memory, less than 1 MB of disk",
        ),
        (
            Estimate(12000, 4321.6, 5000.4, 1e6, 2e6, stages=AFTER_TRAINING),
            "estimate: about 4,322 s (12,000 slices to detect, and all that follows), 5,000 MB of memory",
        ),
    ],
)
def test_a_plan_in_words(plan, text):
    assert str(plan).startswith(text)
    assert "\n" not in str(plan)
