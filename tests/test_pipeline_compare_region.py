"""The voxels that are compared, in the frame of the first source."""

import numpy as np
import pytest

from famous.errors import InputError
from famous.io.grids import Grid
from famous.pipeline.compare_region import Cropped, Frame, Placed, settle_region
from famous.voxels import VoxelSize
from tests.damage import every_slice

FRAME = Frame.whole(Grid((10, 20, 30), VoxelSize(40, 8, 8)))
PART = Frame(FRAME.grid, (4, 5, 6), (8, 15, 26))


def settle(region=None, slices=None, frame=FRAME):
    return settle_region(region, slices, frame)


def test_the_region_is_all_where_nothing_is_said():
    assert settle() == ((0, 0, 0), (10, 20, 30), tuple(range(10)))


def test_a_region_is_cut_and_its_slices_counted_from_its_first():
    assert settle(((2, 6), (None, 5), (7, None))) == ((2, 0, 7), (6, 5, 30), (0, 1, 2, 3))


def test_slices_that_follow_each_other_are_a_region():
    assert settle(slices=(4, 5, 6)) == ((4, 0, 0), (7, 20, 30), (0, 1, 2))
    assert settle(slices=(8, 2, 8)) == ((2, 0, 0), (9, 20, 30), (0, 6))
    assert settle(((3, 9), (None, None), (None, None)), (2, 4, 8)) == ((4, 0, 0), (9, 20, 30), (0, 4))


@pytest.mark.parametrize(
    ("region", "slices", "said"),
    [
        (((3, 3), (None, None), (None, None)), None, "3 … 3 along z"),
        (((None, None), (0, 21), (None, None)), None, "0 … 20"),
        (None, (10,), "slice 10"),
        (((0, 3), (None, None), (None, None)), (5,), "no slice"),
    ],
)
def test_a_region_outside_of_the_grid_is_refused(region, slices, said):
    with pytest.raises(InputError, match=said):
        settle(region, slices)


def test_a_part_of_a_volume_is_that_part():
    volume = np.arange(60).reshape(3, 4, 5).astype(np.uint16)
    part = Cropped(volume, (1, 0, 2), (3, 2, 5))
    assert part.shape == (2, 2, 3)
    assert part.dtype == np.uint16
    assert [part[z].tolist() for z in range(2)] == volume[1:3, 0:2, 2:5].tolist()
    with pytest.raises(IndexError):
        part[2]


def test_what_not_all_share_is_no_part_of_the_region():
    assert settle(frame=PART) == ((4, 5, 6), (8, 15, 26), (0, 1, 2, 3))
    assert settle(slices=(2, 5, 7), frame=PART) == ((5, 5, 6), (8, 15, 26), (0, 2))
    assert settle(((0, 6), (7, None), (None, 9)), frame=PART) == ((4, 7, 6), (6, 15, 9), (0, 1))


@pytest.mark.parametrize(
    ("region", "slices", "said"),
    [
        (((0, 4), (None, None), (None, None)), None, "0 … 4 along z, expected a part of 4 … 8, which is what all"),
        (None, (0, 9), "0 … 9, expected slices of 4 … 8"),
        (None, (10,), "slice 10, expected 0 … 9 of the first source"),
    ],
)
def test_a_region_outside_of_what_all_share_is_refused(region, slices, said):
    with pytest.raises(InputError, match=said):
        settle(region, slices, PART)


def test_a_frame_finds_the_part_in_its_voxels():
    grid = Grid((10, 20, 30), VoxelSize(40, 8, 8), (1000.0, 0.0, 0.0))
    assert Frame.round(grid, grid.cropped((4, 5, 6), (8, 15, 26))) == Frame(grid, (4, 5, 6), (8, 15, 26))


def test_a_part_in_its_frame_is_cut_and_laid_back():
    volume = np.arange(1, 4 * 10 * 20 + 1, dtype=np.uint32).reshape(4, 10, 20)
    assert PART.cropped(volume, PART.low, PART.high) is volume
    assert np.array_equal(every_slice(PART.cropped(volume, (5, 6, 8), (7, 9, 20))), volume[1:3, 1:4, 2:14])
    whole = every_slice(PART.placed(volume))
    assert whole.shape == (10, 20, 30)
    assert np.array_equal(whole[4:8, 5:15, 6:26], volume)
    assert np.count_nonzero(whole) == volume.size
    assert FRAME.placed(volume) is volume
    assert isinstance(PART.placed(volume), Placed)
