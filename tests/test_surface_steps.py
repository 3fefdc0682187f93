"""The moves of a shrink-wrap, one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from famous.mesh import Mesh
from famous.points import PointCloud, from_faces, from_mask
from famous.surface import steps
from famous.surface.steps import convex_hull, drop_exterior, project, remesh, scale, smooth, unevenness
from famous.voxels import VoxelSize
from tests.solids import FIB, SBEM, ball, ball_mesh, box_mesh, ellipsoid, torus, voxelize

TAUBIN = (10, 0.5, -0.53)
UNIT = VoxelSize(1, 1, 1)


def ball_points(number: int = 2000, radius: float = 100.0, seed: int = 0) -> PointCloud:
    """Points on a ball round the origin."""
    normals = np.random.default_rng(seed).normal(size=(number, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return PointCloud(normals * radius, normals)


def test_empty_is_a_value():
    empty, none = Mesh.empty(), from_mask(np.zeros((1, 1, 1), bool), voxel_size=FIB)
    assert remesh(empty, 10).is_empty
    assert scale(empty, 0.1).is_empty
    assert project(empty, ball_points(), FIB, neighbours=4).is_empty
    assert project(box_mesh(), none, FIB, neighbours=4).is_empty
    assert smooth(empty, *TAUBIN).is_empty
    assert unevenness(none) == 0
    assert len(drop_exterior(none, box_mesh(), FIB, 1.0)) == 0
    assert len(drop_exterior(ball_points(), empty, FIB, 1.0)) == 0


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


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(4, 200))
def test_a_hull_holds_its_points_and_closes(seed, number):
    points = np.random.default_rng(seed).normal(0, 100, (number, 3))
    hull = convex_hull(points)
    assert hull.is_watertight
    assert hull.volume_nm3 > 0
    assert hull.signed_distance(points).min() > -0.01


def test_remesh_keeps_the_shape_and_evens_the_triangles():
    fine = remesh(box_mesh((100, 200, 300)), 10)
    assert fine.is_watertight
    assert fine.volume_nm3 == pytest.approx(6e6, rel=0.01)
    edges = np.linalg.norm(fine.vertices[fine.faces[:, 0]] - fine.vertices[fine.faces[:, 1]], axis=1)
    assert edges.max() < 20


def test_unevenness_of_a_ball_and_of_longer_shapes():
    spread = [
        unevenness(from_faces(voxelize(solid, FIB).mask, voxel_size=FIB))
        for solid in (ball(), ellipsoid(), ellipsoid((100, 200, 400)))
    ]
    assert spread[0] < 0.03
    assert spread[0] < spread[1] < spread[2]
    assert unevenness(ball_points()) == pytest.approx(0, abs=0.02)


def test_scaling_grows_about_the_middle():
    mesh = ball_mesh(100, centre=(10, 20, 30))
    grown = scale(mesh, 0.02)
    assert grown.volume_nm3 == pytest.approx(mesh.volume_nm3 * 1.02**3)
    assert grown.vertices.mean(axis=0) == pytest.approx([10, 20, 30])
    assert mesh.vertices.mean(axis=0) == pytest.approx([10, 20, 30])  # the mesh itself is left as it was


def test_exterior_points_go_and_those_within_a_voxel_stay():
    normal = np.array([[0, 0, 1.0]] * 4)
    cloud = PointCloud(np.array([[0, 0, 90.0], [0, 0, 104], [0, 0, 112], [0, 0, 300]]), normal)
    kept = drop_exterior(cloud, ball_mesh(100), FIB, 1.0)
    assert kept.positions[:, 2].tolist() == [90, 104]
    assert drop_exterior(cloud, ball_mesh(100), FIB, 2.0).positions[:, 2].tolist() == [90, 104, 112]
    assert drop_exterior(cloud, ball_mesh(100), FIB, 0.0).positions[:, 2].tolist() == [90]


def test_the_slack_is_that_of_the_voxel_along_the_normal():
    up = PointCloud(np.array([[120.0, 0, 0]]), np.array([[1.0, 0, 0]]))
    aside = PointCloud(np.array([[0, 120.0, 0]]), np.array([[0, 1.0, 0]]))
    assert len(drop_exterior(up, ball_mesh(100), SBEM, 1.0)) == 1  # 32 nm along z
    assert len(drop_exterior(aside, ball_mesh(100), SBEM, 1.0)) == 0  # 8 nm across


@pytest.mark.parametrize("neighbours", [6, 24, 120])
@pytest.mark.parametrize("start", [80, 100, 150])
def test_projection_onto_a_ball_does_not_shrink_it(neighbours, start):
    """The mean of the neighbours would lie up to 6 % inside of the ball."""
    landed = project(ball_mesh(start), ball_points(), UNIT, neighbours=neighbours)
    radii = np.linalg.norm(landed.vertices, axis=1)
    assert radii == pytest.approx(100, rel=0.01)
    assert landed.is_watertight


def test_projection_onto_a_plane_lands_in_it():
    flat = np.pad(np.random.default_rng(0).uniform(-50, 50, (500, 2)), ((0, 0), (1, 0)))
    cloud = PointCloud(flat, np.tile([1.0, 0, 0], (500, 1)))
    mesh = Mesh(np.array([[3, 0, 0], [3, 0, 9], [-2, 9, 0.0]]), np.array([[0, 1, 2]]))
    landed = project(mesh, cloud, UNIT, neighbours=12)
    assert landed.vertices[:, 0] == pytest.approx(0, abs=1e-9)
    assert np.array_equal(landed.faces, mesh.faces)


def test_a_wider_patch_averages_noise():
    cloud = ball_points(4000)
    noise = np.random.default_rng(1).normal(0, 3, (4000, 1))
    noisy = PointCloud(cloud.positions + noise * cloud.normals, cloud.normals)
    off = [
        np.abs(np.linalg.norm(project(ball_mesh(105), noisy, UNIT, neighbours=12, patch=p).vertices, axis=1) - 100)
        for p in (0.0, 0.05)
    ]
    assert off[1].mean() < off[0].mean() / 2


def test_a_patch_of_many_points_is_thinned_alike_every_time(monkeypatch):
    cloud = ball_points(20_000)
    first, second = (project(ball_mesh(110, rounds=3), cloud, UNIT, neighbours=12, patch=0.1) for _ in range(2))
    assert np.array_equal(first.vertices, second.vertices)
    assert np.linalg.norm(first.vertices, axis=1) == pytest.approx(100, rel=0.01)
    monkeypatch.setattr(steps, "PAIRS", 1000)
    parts = project(ball_mesh(110, rounds=3), cloud, UNIT, neighbours=12, patch=0.1)
    assert parts.vertices == pytest.approx(first.vertices)


def test_what_is_far_away_goes_to_its_nearest_side():
    cloud = from_faces(voxelize(torus(), FIB).mask, voxel_size=FIB)
    landed = project(remesh(convex_hull(cloud.positions), 20), cloud, FIB, neighbours=12)
    from scipy.spatial import cKDTree

    assert cKDTree(cloud.positions).query(landed.vertices)[0].max() < 2 * 8


def test_smoothing_takes_the_noise_and_leaves_the_volume():
    true = ball_mesh(100, rounds=4)
    noisy = Mesh(true.vertices + np.random.default_rng(0).normal(0, 2, true.vertices.shape), true.faces)
    smoothed = smooth(noisy, *TAUBIN)
    off = [np.abs(np.linalg.norm(mesh.vertices, axis=1) - 100).mean() for mesh in (noisy, smoothed)]
    assert off[1] < off[0] / 2
    assert smoothed.volume_nm3 == pytest.approx(true.volume_nm3, rel=0.01)
    assert np.array_equal(smooth(noisy, 0, 0.5, -0.53).vertices, noisy.vertices)
