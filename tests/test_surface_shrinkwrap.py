"""The paper's shrink-wrap: convex shapes, real ones, and those it cannot wrap."""

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from famous.errors import ConfigError, InputError
from famous.points import OutlierParams, from_mask
from famous.surface import isosurface
from famous.surface.shrinkwrap import (
    ShrinkwrapParams,
    convex_hull,
    outset,
    project,
    remesh,
    smooth,
    surface,
)
from famous.voxels import VoxelSize
from tests.solids import FIB, SBEM, SERIAL, ball, ball_mesh, box_mesh, torus, voxelize


def overlap(mesh, mask, voxel_size) -> float:
    """Intersection over union of a mesh and the voxels whose centre lies in it."""
    index = np.indices(mask.shape).reshape(3, -1).T
    inside = mesh.contains((index + 0.5) * voxel_size.zyx).reshape(mask.shape)
    return float((inside & mask).sum() / (inside | mask).sum())


@pytest.mark.parametrize(("voxel_size", "off"), [(FIB, 0.02), (SBEM, 0.07), (SERIAL, 0.08)], ids=str)
def test_a_ball_is_wrapped(voxel_size, off):
    voxels = voxelize(ball(), voxel_size)
    mesh = surface(voxels.mask, voxel_size=voxel_size)
    assert mesh.is_watertight
    assert mesh.volume_nm3 == pytest.approx(ball().volume, rel=off)
    assert mesh.area_nm2 == pytest.approx(ball().area, rel=off)
    assert overlap(mesh, voxels.mask, voxel_size) > 0.9


def test_outliers_do_not_count():
    voxels = voxelize(ball(), FIB)
    mask = np.pad(voxels.mask, ((0, 0), (0, 0), (0, 40)))
    mask[3, 3, -3] = True
    clean, stray = (surface(m, voxel_size=FIB) for m in (voxels.mask, mask))
    assert stray.volume_nm3 == pytest.approx(clean.volume_nm3, rel=0.01)


def test_points_outside_the_first_mesh_do_not_count():
    voxels = voxelize(ball(), FIB)
    mask = np.pad(voxels.mask, ((0, 12), (0, 0), (0, 0)))
    _, y, x = (np.array(mask.shape) / 2).astype(int)
    top = int(np.flatnonzero(mask[:, y, x])[-1])
    mask[top + 1 : top + 9, y, x] = True  # a spike of 64 nm
    none_dropped = OutlierParams(std_ratio=1e6)
    close, far = (
        surface(mask, voxel_size=FIB, params=ShrinkwrapParams(outliers=none_dropped, scale=scale))
        for scale in (0.02, 10.0)
    )
    assert close.bounds[1, 0] < far.bounds[1, 0] - 10


def test_what_is_not_convex_is_webbed():
    voxels = voxelize(torus(), FIB)
    mesh = surface(voxels.mask, voxel_size=FIB)
    assert mesh.is_watertight
    edges = len(mesh.faces) * 3 // 2
    assert len(mesh.vertices) - edges + len(mesh.faces) == 2  # a ball by its topology: the hole is closed


def test_the_offset_moves_the_mesh():
    mask = voxelize(ball(80), FIB).mask
    here, there = (surface(mask, voxel_size=FIB, offset=offset) for offset in ((0, 0, 0), (2, 30, 400)))
    assert there.vertices.mean(axis=0) - here.vertices.mean(axis=0) == pytest.approx([16, 240, 3200], abs=2)


@pytest.mark.parametrize(
    "mask",
    [
        np.ones((1, 1, 1), bool),
        np.ones((1, 1, 3), bool),
        np.ones((1, 20, 20), bool),
        np.ones((20, 1, 20), bool),
        np.ones((2, 2, 2), bool),
        np.ones((1, 1, 40), bool),
    ],
    ids=["voxel", "row", "slice", "plane", "cube", "thread"],
)
def test_what_cannot_be_wrapped_gets_a_closed_mesh(mask):
    for voxel_size in (FIB, SERIAL):
        mesh = surface(mask, voxel_size=voxel_size)
        assert mesh.is_watertight
        assert mesh.volume_nm3 > 0


def test_a_voxel_gets_the_isosurface():
    mask = np.ones((1, 1, 1), bool)
    assert np.array_equal(
        surface(mask, voxel_size=FIB, offset=(1, 2, 3)).vertices,
        isosurface.surface(mask, voxel_size=FIB, offset=(1, 2, 3)).vertices,
    )


def test_empty_is_a_value():
    assert surface(np.zeros((3, 4, 5), bool), voxel_size=FIB).is_empty
    assert surface(np.zeros((0, 0, 0), bool), voxel_size=FIB).is_empty
    empty = box_mesh().__class__.empty()
    cloud = from_mask(np.zeros((1, 1, 1), bool), voxel_size=FIB)
    assert remesh(empty, 10).is_empty
    assert project(empty, cloud, 4).is_empty
    assert project(box_mesh(), cloud, 4).is_empty
    assert smooth(empty, ShrinkwrapParams()).is_empty


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.tuples(*[st.integers(1, 10)] * 3), st.sampled_from([FIB, SBEM, SERIAL]))
def test_any_mask_gives_a_closed_mesh(seed, shape, voxel_size):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).random(shape), 1)
    mesh = surface(noise >= np.median(noise), voxel_size=voxel_size)
    assert mesh.is_watertight
    assert mesh.volume_nm3 > 0


def test_hull_of_a_cube_with_points_inside():
    corners = np.array([[z, y, x] for z in (0, 9) for y in (0, 9) for x in (0, 9)], dtype=float)
    hull = convex_hull(np.concatenate([corners, np.random.default_rng(0).uniform(1, 8, (50, 3))]))
    assert hull.is_watertight
    assert hull.volume_nm3 == pytest.approx(729)
    assert len(hull.vertices) == 8


@pytest.mark.parametrize(
    "points", [np.zeros((0, 3)), np.eye(3), np.pad(np.random.default_rng(0).random((9, 2)), ((0, 0), (0, 1)))]
)
def test_flat_points_have_no_hull(points):
    assert convex_hull(points).is_empty


def test_remesh_keeps_the_shape_and_evens_the_triangles():
    fine = remesh(box_mesh((100, 200, 300)), 10)
    assert fine.is_watertight
    assert fine.volume_nm3 == pytest.approx(6e6, rel=0.01)
    edges = np.linalg.norm(fine.vertices[fine.faces[:, 0]] - fine.vertices[fine.faces[:, 1]], axis=1)
    assert edges.max() < 20


def test_smoothing_takes_the_noise_and_leaves_the_volume():
    true = ball_mesh(100, rounds=4)
    noisy = type(true)(true.vertices + np.random.default_rng(0).normal(0, 2, true.vertices.shape), true.faces)
    smoothed = smooth(noisy, ShrinkwrapParams())
    off = [np.abs(np.linalg.norm(mesh.vertices, axis=1) - 100).mean() for mesh in (noisy, smoothed)]
    assert off[1] < off[0] / 2
    assert smoothed.volume_nm3 == pytest.approx(true.volume_nm3, rel=0.01)
    assert np.array_equal(smooth(noisy, ShrinkwrapParams(taubin_rounds=0)).vertices, noisy.vertices)


def test_outset_moves_points_to_the_voxels_outer_side():
    cloud = from_mask(np.pad(np.ones((9, 9, 9), bool), 3), voxel_size=SBEM)
    moved = outset(cloud, SBEM)
    top = np.flatnonzero((cloud.positions == (3.5 * 32, 60, 60)).all(axis=1))
    assert len(top) == 1
    assert moved.positions[top[0]] == pytest.approx([3 * 32, 60, 60], abs=0.01)


@pytest.mark.parametrize(
    "knobs",
    [
        {"coarse_nm": -1},
        {"dense_nm": float("nan")},
        {"scale": -0.1},
        {"neighbours": 0},
        {"taubin_rounds": -1},
        {"taubin_lambda": 0.6},
        {"taubin_mu": 0.5},
    ],
)
def test_senseless_knobs_are_named(knobs):
    with pytest.raises(ConfigError, match="shrinkwrap"):
        ShrinkwrapParams(**knobs)


def test_wrong_shapes_are_named():
    with pytest.raises(InputError, match=r"shape \(3, 3\)"):
        surface(np.zeros((3, 3), bool), voxel_size=FIB)


def test_real_mitochondria(shared_data):
    labels = tifffile.imread(shared_data / "urocell" / "fib1-3-3-0" / "mito.tif")
    voxel_size = VoxelSize(15, 16, 16)
    boxes = ndimage.find_objects(labels)
    found = []
    for label in (6, 9, 13, 20, 26):
        mask = np.pad(labels[boxes[label - 1]] == label, 1)
        mesh = surface(mask, voxel_size=voxel_size)
        assert mesh.is_watertight
        found.append(overlap(mesh, mask, voxel_size))
    assert np.mean(found) > 0.88  # measured 0.93; the sketch in the notes has 0.82
    assert min(found) > 0.75
