"""The smoothed fill grade against scipy's filters on the whole crop."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from famous.masks import PackedMask, count_exposed, find_body
from famous.surface import occupancy
from famous.surface.occupancy import Grid, Occupancy
from famous.voxels import VoxelSize
from tests.solids import FIB, SBEM, SERIAL, ball, torus, tube, voxelize


def whole(field):
    """The planes of all slabs, which share one each."""
    slabs = list(field)
    for before, after in itertools.pairwise(slabs):
        assert after.first == before.first + len(before.field) - 1
        assert np.array_equal(before.field[-1], after.field[0])
    return np.concatenate([slab.field[1:] if slab.first else slab.field for slab in slabs])


def field_of(mask, voxel_size, *, smooth_steps=1.0, **knobs):
    body = find_body(mask)
    grid = Grid.choose(mask, body, voxel_size, **knobs)
    return Occupancy(mask, body, grid, smooth_steps * grid.step.max())


def fourth_order(array, sigma, axis):
    """A Gaussian less half of what its second derivative takes from a curve."""
    reach = int(occupancy.TRUNCATE * sigma + 0.5)
    if reach == 0:
        return array

    def blurred(what, axis):
        knobs = {"axis": axis, "mode": "constant", "radius": reach}
        curved = ndimage.gaussian_filter1d(what, sigma, order=2, **knobs)
        return ndimage.gaussian_filter1d(what, sigma, **knobs) - sigma**2 / 2 * curved

    one = np.zeros(4 * reach + 1)
    one[2 * reach] = 1.0
    return blurred(array, axis) / blurred(one, 0).sum()


def small_slabs(patch, voxels):
    patch.setattr(occupancy, "SLAB_VOXELS", voxels)
    patch.setattr(occupancy, "KEPT_VOXELS", 0)
    patch.setattr(occupancy, "KEPT_BETWEEN", 0)


@pytest.mark.parametrize("voxel_size", [FIB, VoxelSize(4, 8, 8), VoxelSize(10, 8, 9)], ids=str)
@pytest.mark.parametrize("smooth_steps", [0.0, 0.4, 1.0, 2.0])
def test_the_blur_is_scipys(voxel_size, smooth_steps):
    mask = voxelize(torus(60, 25), voxel_size).mask
    body = find_body(mask)
    tight = mask[tuple(slice(a, b) for a, b in zip(body.low, body.high, strict=True))].astype(np.float32)
    found = field_of(mask, voxel_size, smooth_steps=smooth_steps)
    sigma = smooth_steps * max(voxel_size.zyx) / np.array(voxel_size.zyx)
    pad = np.ceil(occupancy.TRUNCATE * sigma).astype(int) + 1
    expected = np.pad(tight, [(p, p) for p in pad])
    for axis in range(3):
        expected = fourth_order(expected, sigma[axis], axis)
    assert found.shape == expected.shape
    assert np.abs(whole(found) - expected).max() < 1e-6


@pytest.mark.parametrize("voxel_size", [FIB, SBEM, SERIAL, VoxelSize(5, 8, 8)], ids=str)
@pytest.mark.parametrize("make", [ball, torus, tube])
@pytest.mark.parametrize("max_faces", [2**31, 2000], ids=["fine", "binned"])
def test_slabs_leave_no_trace(monkeypatch, voxel_size, make, max_faces):
    mask = voxelize(make(), voxel_size).mask
    one = whole(field_of(mask, voxel_size, max_faces=max_faces))
    for voxels in (1, 3 * one[0].size, 10 * one[0].size):
        small_slabs(monkeypatch, voxels)
        field = field_of(mask, voxel_size, max_faces=max_faces)
        assert np.array_equal(whole(field), one)
        assert np.array_equal(whole(field), one)  # gone through twice


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 999), st.tuples(*[st.integers(1, 9)] * 3), st.sampled_from([FIB, SERIAL]), st.integers(1, 900))
def test_slabs_of_anything_leave_no_trace(seed, shape, voxel_size, voxels):
    mask = np.random.default_rng(seed).random(shape) < 0.6
    mask.flat[seed % mask.size] = True
    packed = PackedMask(mask.shape)
    for z, image in enumerate(mask):
        packed.put(z, image)
    one = whole(field_of(mask, voxel_size))
    with pytest.MonkeyPatch.context() as patch:
        small_slabs(patch, voxels)
        assert np.array_equal(whole(field_of(packed, voxel_size)), one)


def test_its_border_is_outside():
    field = whole(field_of(np.ones((5, 6, 7), bool), FIB))
    for axis in range(3):
        assert not np.take(field, [0, -1], axis=axis).any()


@pytest.mark.parametrize("max_faces", [2**31, 1500, 300], ids=["fine", "coarse", "coarser"])
@pytest.mark.parametrize("voxel_size", [FIB, SBEM, VoxelSize(4, 8, 8)], ids=str)
def test_it_lies_where_the_mask_lies_and_weighs_as_much(voxel_size, max_faces):
    mask = np.pad(voxelize(ball(), voxel_size).mask, ((3, 0), (0, 2), (5, 1)))
    field = field_of(mask, voxel_size, max_faces=max_faces, coarse_z=1e9)
    values, step = whole(field), np.array(voxel_size.zyx) * field.grid.bins
    assert values.sum() * step.prod() == pytest.approx(mask.sum() * voxel_size.volume_nm3, rel=1e-5)
    middle = np.array(ndimage.center_of_mass(values)) * step + field.origin
    assert middle == pytest.approx((np.argwhere(mask).mean(axis=0) + 0.5) * voxel_size.zyx, abs=step.max() / 50)


def test_bins_keep_the_faces_below_the_maximum():
    mask = voxelize(tube(), SBEM).mask
    body, exposed = find_body(mask), np.array(count_exposed(mask))
    for max_faces in (10**6, 8000, 4000, 2000):
        grid = Grid.choose(mask, body, SBEM, coarse_z=1.5, max_faces=max_faces)
        bins = np.array(grid.bins)
        faces = 2 * (exposed * bins / bins.prod() * (1, grid.parts, grid.parts)).sum()
        assert faces <= max_faces
        assert (grid.bins == (1, 1, 1)) == (max_faces == 10**6)
        assert np.allclose(grid.step, np.array(SBEM.zyx) * bins / (grid.parts, 1, 1))


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("voxel_size", [FIB, SERIAL], ids=str)
def test_the_same_field_says_what_is_inside_only_where_it_is_asked(monkeypatch, voxel_size, kept):
    mask = voxelize(torus(), voxel_size).mask
    if not kept:
        small_slabs(monkeypatch, 20_000)
    field = field_of(mask, voxel_size)
    both = field.with_solid()
    assert all(slab.solid is None for slab in field)
    assert np.array_equal(whole(field), whole(both))
    solid = np.concatenate([slab.solid[1:] if slab.first else slab.solid for slab in both])
    assert solid.shape == whole(field).shape
    volume = solid.sum() * field.grid.step.prod()
    assert volume == pytest.approx(field.volume_nm3, rel=0.05)
    assert (whole(field)[ndimage.binary_erosion(solid, iterations=6)] > 0.5).all()


def test_of_what_is_binned_the_slices_of_one_plane_are_there_at_a_time():
    """With large bins a plane of the grid is small, and many would fit into a slab: their slices would not."""
    mask, most = voxelize(ball(), FIB).mask, []

    class Watched:
        shape = mask.shape

        def __getitem__(self, key):
            most.append(key.stop - key.start)
            return mask[key]

    body = find_body(mask)
    grid = Grid.choose(mask, body, FIB, max_faces=1000)
    whole(Occupancy(Watched(), body, grid, 2 * grid.step.max()))
    assert max(most) == grid.bins[0] > 2
