"""Planes for the report: what indexing the whole volume gives, from as few slices as can be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from famous.io.grids import Grid
from famous.pipeline import compare_pictures
from famous.pipeline.compare_pictures import GROUND, GridPictures
from famous.stack import Stack, Window
from famous.voxels import VoxelSize

SIZE = VoxelSize(20, 10, 10)
SHAPE = (7, 9, 11)
GREY = np.random.default_rng(1).integers(0, 255, SHAPE).astype(np.uint8)
LABELS = np.random.default_rng(2).integers(0, 5, SHAPE).astype(np.uint32)


class Watched:
    """An array that notes which slices are read."""

    def __init__(self, volume):
        self.volume = volume
        self.shape, self.dtype = volume.shape, volume.dtype
        self.seen = []

    def __getitem__(self, z):
        self.seen.append(z)
        return self.volume[z]


def pictures(labels=LABELS, stack=True):
    grey = Stack(GREY, SIZE, Window(0, 255)) if stack else None
    return GridPictures(Grid(SHAPE, SIZE), {"M1": {"mito": labels}}, grey)


def plane(volume, axis, index, window):
    row0, row1, column0, column1 = window
    return np.take(volume, index, axis="zyx".index(axis))[row0:row1, column0:column1]


@given(st.sampled_from("zyx"), st.data())
def test_every_plane_is_that_of_the_volume(axis, data):
    place = "zyx".index(axis)
    rows, columns = (n for k, n in enumerate(SHAPE) if k != place)
    index = data.draw(st.integers(0, SHAPE[place] - 1))
    row0, column0 = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, columns - 1))
    window = (row0, data.draw(st.integers(row0 + 1, rows)), column0, data.draw(st.integers(column0 + 1, columns)))
    shown = pictures()
    for _ in range(2):  # the second time out of what was kept
        assert (shown.slice(axis, index, window) == plane(GREY, axis, index, window)).all()
        assert (shown.labels("M1", "mito", axis, index, window) == plane(LABELS, axis, index, window)).all()


def test_three_planes_of_one_place_read_each_slice_once():
    watched = Watched(LABELS)
    shown = pictures(watched)
    window = (2, 8, 3, 9)
    for axis, index, part in (("z", 3, window), ("y", 4, (0, 7, 3, 9)), ("x", 5, (0, 7, 2, 8))):
        found = shown.labels("M1", "mito", axis, index, part)
        assert (found == plane(LABELS, axis, index, part)).all()
    assert sorted(watched.seen) == list(range(7))


def test_memory_is_bounded_and_the_answers_stay_right(monkeypatch):
    monkeypatch.setattr(compare_pictures, "KEPT_BYTES", 500)
    watched = Watched(LABELS)
    shown = pictures(watched)
    for index in (0, 5, 0, 5):
        assert (shown.labels("M1", "mito", "y", index, (0, 7, 0, 11)) == LABELS[:, index]).all()
    assert shown._bytes <= max(500, LABELS[0].nbytes)
    assert len(watched.seen) > 7


def test_without_a_stack_the_ground_is_plain():
    shown = pictures(stack=False).slice("y", 2, (1, 5, 2, 8))
    assert shown.shape == (4, 6)
    assert (shown == GROUND).all()
    assert shown.dtype == np.uint8


@pytest.mark.parametrize(("source", "name"), [("M2", "mito"), ("M1", "vesicle")])
def test_what_a_source_does_not_have_is_nothing(source, name):
    found = pictures().labels(source, name, "x", 2, (1, 5, 2, 8))
    assert found.shape == (4, 6)
    assert not found.any()


def test_a_grid_that_begins_inside_of_the_stack_shows_that_part():
    grid = Grid((3, 4, 5), SIZE, (40.0, 20.0, 30.0))
    shown = GridPictures(grid, {}, Stack(GREY, SIZE, Window(0, 255)))
    assert (shown.slice("z", 1, (0, 4, 0, 5)) == GREY[3, 2:6, 3:8]).all()
    assert (shown.slice("x", 2, (0, 3, 0, 4)) == GREY[2:5, 2:6, 5]).all()


def test_a_finer_grid_takes_the_nearest_voxel():
    grid = Grid((14, 18, 22), VoxelSize(10, 5, 5))
    shown = GridPictures(grid, {}, Stack(GREY, SIZE, Window(0, 255)))
    assert (shown.slice("z", 5, (0, 18, 0, 22)) == GREY[2].repeat(2, axis=0).repeat(2, axis=1)).all()


def test_where_the_stack_itself_begins_is_taken_into_account():
    grid = Grid(SHAPE, SIZE, (100.0, 0.0, 0.0))
    shown = GridPictures(grid, {}, Stack(GREY, SIZE, Window(0, 255)), (100.0, 0.0, 0.0))
    assert (shown.slice("z", 4, (0, 9, 0, 11)) == GREY[4]).all()


def test_another_place_is_not_mixed_up_with_the_last():
    shown = pictures()
    for window in ((0, 4, 0, 5), (3, 9, 4, 11), (0, 4, 0, 5)):
        row0, row1, column0, column1 = window
        assert (shown.labels("M1", "mito", "z", 2, window) == plane(LABELS, "z", 2, window)).all()
        for axis, index, part in (("y", row1 - 1, (0, 7, column0, column1)), ("x", column0, (0, 7, row0, row1))):
            assert (shown.labels("M1", "mito", axis, index, part) == plane(LABELS, axis, index, part)).all()
