"""Distances between surfaces: closed forms, and scipy's distance transform as the other opinion."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from famous.compare.distance import Distances, Surface, between, surfaces_of_slice
from famous.voxels import VoxelSize

CUBE = VoxelSize(8, 8, 8)
FLAT = VoxelSize(30, 8, 5)


def surfaces(volume, size, ids=None):
    """Id → surface of a whole volume, by the slices."""
    wanted = np.unique(volume[volume > 0]).astype(np.uint64) if ids is None else np.array(ids, dtype=np.uint64)
    parts = {int(number): [] for number in wanted}
    depth = len(volume)
    for z in range(depth):
        window = (volume[z - 1] if z else None, volume[z], volume[z + 1] if z + 1 < depth else None)
        for number, surface in surfaces_of_slice(window, z, wanted, size):
            parts[number].append(surface)
    return {number: Surface.joined(some) for number, some in parts.items()}


def brick(z, y, x, shape=(12, 30, 40), number=1):
    volume = np.zeros(shape, dtype=np.uint32)
    volume[slice(*z), slice(*y), slice(*x)] = number
    return volume


def apart(one, other, size):
    return between(surfaces(one, size)[1], surfaces(other, size)[1], size)


def outer(mask):
    """Voxels of a mask with a neighbour outside of it; at the volume's border there is none."""
    return mask & ~ndimage.binary_erosion(mask, border_value=1)


def test_a_surface_with_itself_is_nowhere_apart():
    one = brick((2, 8), (5, 20), (6, 30))
    found = apart(one, one, FLAT)
    assert (found.mean, found.percentile(95), found.hausdorff) == (0, 0, 0)


@pytest.mark.parametrize(("shift", "nm"), [((1, 0, 0), 30), ((0, 3, 0), 24), ((0, 0, 4), 20), ((0, 3, 4), None)])
def test_a_moved_brick_is_apart_by_what_it_moved(shift, nm):
    one = brick((2, 8), (5, 20), (6, 30))
    found = apart(one, np.roll(one, shift, axis=(0, 1, 2)), FLAT)
    assert found.hausdorff == pytest.approx(np.hypot(24, 20) if nm is None else nm)


def test_a_box_in_a_box_is_apart_by_the_gap_and_farthest_at_the_corners():
    inner, around = brick((4, 8), (10, 20), (10, 30)), brick((2, 10), (8, 22), (8, 32))
    found = apart(inner, around, CUBE)
    assert found.nm[0] == pytest.approx(16)
    assert found.hausdorff == pytest.approx(16 * np.sqrt(3))


def test_faces_count_by_their_area():
    """A plate of one voxel: each voxel inside looks out of its two broad faces."""
    plate = brick((3, 4), (5, 15), (5, 25))
    surface = surfaces(plate, FLAT)[1]
    assert len(surface.index) == 200
    assert surface.nm2.sum() == pytest.approx(2 * 200 * 8 * 5 + 2 * 20 * 5 * 30 + 2 * 10 * 8 * 30)


def test_mean_and_percentile_are_over_the_area():
    found = Distances.of(np.array([0.0, 10.0, 20.0]), np.array([90.0, 6.0, 4.0]))
    assert found.mean == pytest.approx(1.4)
    assert [found.percentile(percent) for percent in (50, 90, 95, 96, 97, 100)] == [0, 0, 10, 10, 20, 20]
    assert found.hausdorff == 20


def test_nothing_is_no_distance_apart():
    one = surfaces(brick((2, 8), (5, 20), (6, 30)), CUBE)[1]
    found = between(one, Surface.empty(), CUBE)
    assert len(found.nm) == 0
    assert np.isnan([found.mean, found.percentile(95), found.hausdorff]).all()


@given(st.integers(0, 2**32 - 1))
def test_it_is_what_distance_transforms_say(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(2, 9, 3))
    one, other = (ndimage.binary_dilation(rng.random(shape) < 0.1) for _ in range(2))
    if not (outer(one).any() and outer(other).any()):
        return
    found = apart(one.astype(np.uint32), other.astype(np.uint32), FLAT)
    far = []
    for mask, target in ((one, other), (other, one)):
        field = ndimage.distance_transform_edt(~outer(target), sampling=FLAT.zyx)
        far.append(field[outer(mask)])
    assert found.nm == pytest.approx(np.unique(np.concatenate(far).round(6)))
    assert found.hausdorff == pytest.approx(max(part.max() for part in far))


@given(st.integers(0, 2**32 - 1))
def test_the_slices_find_the_voxels_that_erosion_takes(seed):
    rng = np.random.default_rng(seed)
    volume = rng.integers(0, 3, tuple(rng.integers(1, 7, 3))).astype(np.uint16)
    for number, surface in surfaces(volume, CUBE).items():
        expected = np.argwhere(outer(volume == number))
        assert sorted(map(tuple, surface.index.tolist())) == sorted(map(tuple, expected.tolist()))


def test_where_both_are_cut_off_neither_has_a_surface():
    """Two rods that run through the whole volume, one 16 nm wider on each side: as far apart as their sides are."""
    thin, thick = brick((0, 12), (10, 20), (10, 20)), brick((0, 12), (8, 22), (8, 22))
    found = apart(thin, thick, CUBE)
    assert found.nm[0] == pytest.approx(16)
    assert found.nm2.sum() == pytest.approx(4 * 12 * (10 + 14) * 64)
    assert list(surfaces(brick((0, 12), (0, 30), (0, 40)), CUBE)[1].index) == []


def test_only_the_wanted_objects_are_looked_at():
    volume = brick((2, 8), (5, 20), (6, 15)) + brick((2, 8), (5, 20), (20, 30), number=7)
    assert [number for number, surface in surfaces(volume, CUBE, [3, 7]).items() if len(surface.index)] == [7]
    assert list(surfaces_of_slice((None, volume[3], None), 3, np.zeros(0, dtype=np.uint64), CUBE)) == []


def test_swapping_the_sides_changes_nothing():
    one, other = brick((2, 8), (5, 20), (6, 30)), brick((3, 9), (4, 20), (6, 25))
    there, back = apart(one, other, FLAT), apart(other, one, FLAT)
    assert there.nm.tolist() == back.nm.tolist()
    assert there.nm2 == pytest.approx(back.nm2)
