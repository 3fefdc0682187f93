"""Voxel sizes, and the conversions between indices, nanometres and axis orders."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from famous.errors import InputError
from famous.voxels import NM_PER_UM, VoxelSize, index_to_nm, nm_to_index, zyx_to_xyz

LENGTH = st.floats(1e-3, 1e6)
SIZES = st.builds(VoxelSize, LENGTH, LENGTH, LENGTH)


def test_closed_forms():
    size = VoxelSize(50, 9.8, 5)
    assert size.zyx == (50.0, 9.8, 5.0)
    assert size.volume_nm3 == pytest.approx(2450)
    assert size.pixel_nm == pytest.approx(7)
    assert size.to_pixels(70) == pytest.approx(10)
    assert str(size) == "50 × 9.8 × 5 nm (z, y, x)"
    assert NM_PER_UM == 1000


def test_sizes_are_never_rounded():
    assert VoxelSize.from_zyx([9.8, np.float64(1 / 3), np.float64(3)]).y == 1 / 3


def test_lengths_are_plain_floats_and_frozen():
    size = VoxelSize(np.int16(4), 3, np.float32(0.5))
    assert [type(value) for value in size.zyx] == [float, float, float]
    with pytest.raises(dataclasses.FrozenInstanceError):
        size.z = 3
    assert len({size, VoxelSize(4, 3, 0.5)}) == 1


@pytest.mark.parametrize("axis", ["z", "y", "x"])
@pytest.mark.parametrize(
    "value", [0, -1, np.nan, np.inf, -np.inf, 10**400, True, np.True_, "4", None, 1j, np.complex64(1), [4]]
)
def test_what_is_no_length_names_its_axis(axis, value):
    with pytest.raises(InputError, match=f"voxel size along {axis}: found .*, expected a"):
        VoxelSize(**{"z": 1, "y": 1, "x": 1} | {axis: value})


@pytest.mark.parametrize("sizes", [(), (1, 2), (1, 2, 3, 4)])
def test_three_lengths_are_wanted(sizes):
    with pytest.raises(InputError, match=f"found {len(sizes)} lengths, expected three"):
        VoxelSize.from_zyx(sizes)


def test_closeness_is_relative_along_each_axis():
    size = VoxelSize(50, 10, 10)
    assert size.is_close(VoxelSize(50.04, 10, 10))
    assert not size.is_close(VoxelSize(50, 10.02, 10))
    assert size.is_close(VoxelSize(50, 10.02, 10), relative=0.01)


def test_voxel_centres_lie_half_a_voxel_in():
    size = VoxelSize(50, 10, 4)
    assert index_to_nm(np.array([0, 0, 0]), size).tolist() == [25, 5, 2]
    assert index_to_nm(np.array([[1, 2, 3]]), size).tolist() == [[75, 25, 14]]
    assert index_to_nm(np.zeros((0, 3), dtype=int), size).shape == (0, 3)
    assert nm_to_index(np.zeros((0, 3)), size).shape == (0, 3)


@given(SIZES, st.lists(st.tuples(*[st.integers(0, 10**6)] * 3), max_size=5))
def test_indices_come_back(size, rows):
    index = np.array(rows, dtype=np.int64).reshape(-1, 3)
    assert np.allclose(nm_to_index(index_to_nm(index, size), size), index, atol=1e-6)


def test_axes_are_reversed_and_back_without_touching_the_input():
    points = np.arange(12).reshape(2, 2, 3)
    before = points.copy()
    turned = zyx_to_xyz(points)
    assert turned[0, 0].tolist() == [2, 1, 0]
    assert turned.flags.c_contiguous
    assert (zyx_to_xyz(turned) == points).all()
    turned[:] = 0
    assert (points == before).all()


@pytest.mark.parametrize("sizes", [(1e300, 1, 1), (804, 4, 4), (4, 4, 804), (1e10, 1e10, 1e10)])
def test_lengths_that_cannot_be_meant_are_refused_where_work_begins(sizes):
    with pytest.raises(InputError, match="no microscope makes"):
        VoxelSize(*sizes).require_plausible()
    VoxelSize(800, 4, 4).require_plausible()
