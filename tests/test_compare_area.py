"""Area of voxel objects against closed forms: balls on any voxel, and what a plane makes of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from famous.compare.area import Areas, Directions, area_of_slice, measure_areas
from famous.voxels import VoxelSize

CUBE = VoxelSize(8, 8, 8)


def ball(radius_nm, size, *, number=1, dtype=np.uint32):
    """A ball in the middle of a volume that is a little larger."""
    shape = [int(2 * radius_nm / side) + 6 for side in size.zyx]
    grid = np.meshgrid(*[(np.arange(n) + 0.5) * s for n, s in zip(shape, size.zyx, strict=True)], indexing="ij")
    square = sum((axis - n * s / 2) ** 2 for axis, n, s in zip(grid, shape, size.zyx, strict=True))
    return np.where(square <= radius_nm**2, number, 0).astype(dtype)


@pytest.mark.parametrize(("size", "off"), [(CUBE, 0.01), (VoxelSize(30, 8, 8), 0.02), (VoxelSize(50, 4.6, 4.6), 0.02)])
@pytest.mark.parametrize("radius_nm", [100, 200])
def test_a_ball_has_the_area_of_a_ball_whatever_the_voxels(size, off, radius_nm):
    found = measure_areas(ball(radius_nm, size), size)
    assert found.nm2[0] == pytest.approx(4 * np.pi * radius_nm**2, rel=off)


def test_the_weights_of_a_cubic_grid_are_those_of_the_paper():
    """Legland et al. 2007, Table 2: 0.04577789, 0.03698062 and 0.03519563 for each of the 26 directions."""
    nm2 = Directions(VoxelSize(1, 1, 1)).nm2
    assert len(nm2) == 13
    for step, share in (((0, 0, 1), 0.04577789), ((0, 1, 1), 0.03698062), ((1, 1, 1), 0.03519563)):
        assert nm2[step] == pytest.approx(2 * 2 * share / np.sqrt(sum(map(abs, step))), rel=1e-6)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_where_an_object_is_cut_off_it_has_no_surface(axis):
    """Half a ball has half its area."""
    whole = ball(300, CUBE)
    half = np.ascontiguousarray(np.split(whole, [whole.shape[axis] // 2], axis=axis)[0])
    assert measure_areas(half, CUBE).nm2[0] == pytest.approx(2 * np.pi * 300**2, rel=0.03)


def test_what_fills_the_volume_has_no_surface_in_it():
    assert len(measure_areas(np.ones((3, 4, 5), dtype=np.uint32), CUBE).ids) == 0


def test_touching_objects_both_have_the_face_that_they_share():
    one = np.zeros((6, 6, 12), dtype=np.uint32)
    one[1:5, 1:5, 1:5] = 1
    both = one.copy()
    both[1:5, 1:5, 5:9] = 2
    alone, together = measure_areas(one, CUBE), measure_areas(both, CUBE)
    assert together.nm2 == pytest.approx(np.repeat(alone.nm2, 2), rel=1e-12)


@given(st.integers(0, 2**32 - 1))
def test_slices_add_up_to_what_each_object_has_alone(seed):
    rng = np.random.default_rng(seed)
    volume = rng.integers(0, 3, tuple(rng.integers(1, 6, 3))).astype(np.uint8)
    together = measure_areas(volume, CUBE)
    for number, nm2 in zip(together.ids.tolist(), together.nm2.tolist(), strict=True):
        alone = measure_areas((volume == number).astype(np.uint32), CUBE)
        assert nm2 == pytest.approx(alone.nm2[0], rel=1e-12)


@given(st.integers(0, 2**32 - 1))
def test_area_does_not_depend_on_which_way_is_up(seed):
    rng = np.random.default_rng(seed)
    volume = rng.integers(0, 2, (3, 4, 5)).astype(np.uint32)
    turned = [volume[::-1], volume[:, ::-1], volume[:, :, ::-1], volume.transpose(2, 0, 1)]
    sums = [measure_areas(np.ascontiguousarray(one), CUBE).nm2.sum() for one in (volume, *turned)]
    assert sums == pytest.approx([sums[0]] * 5, rel=1e-12)


def test_ids_of_64_bits_are_kept():
    number = 2**63 + 11
    found = measure_areas(ball(60, CUBE, number=number, dtype=np.uint64), CUBE)
    assert found.ids.tolist() == [number]


def test_nothing_has_no_area():
    assert len(measure_areas(np.zeros((0, 4, 4), dtype=np.uint32), CUBE).ids) == 0
    assert len(measure_areas(np.zeros((3, 4, 4), dtype=np.uint32), CUBE).ids) == 0
    assert len(area_of_slice(np.zeros((0, 0), dtype=np.uint32), None, Directions(CUBE)).ids) == 0


def test_areas_of_parts_add_up_and_are_looked_up_by_id():
    one = Areas(np.array([2, 5], dtype=np.uint64), np.array([1.0, 2.0]))
    joined = Areas.joined([one, Areas.empty(), one])
    assert joined.ids.tolist() == [2, 5]
    assert joined.nm2.tolist() == [2.0, 4.0]
    assert joined.of(np.array([5, 3, 9, 2], dtype=np.uint64)) == pytest.approx([4, np.nan, np.nan, 2], nan_ok=True)
    assert np.isnan(Areas.empty().of(np.array([1], dtype=np.uint64))).all()
