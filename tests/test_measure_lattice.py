"""Lattice points inside a mesh, and points of its surface."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from famous.measure import lattice
from famous.measure.lattice import Surface, lattice_of, rasterize, surface_points
from famous.mesh import Mesh, merge
from tests.solids import ball_mesh, box_mesh, torus
from tests.tubes import mesh_of


@pytest.mark.parametrize("step", [3.0, 7.7, 20.0])
def test_points_inside_a_ball_are_those_near_its_centre(step):
    made = rasterize(ball_mesh(100, centre=(10, -20, 33), rounds=5), step)
    points = made.to_nm(np.argwhere(np.ones_like(made.inside)))
    distance = np.linalg.norm(points - (10, -20, 33), axis=1).reshape(made.inside.shape)
    assert made.inside[distance < 99.5].all()
    assert not made.inside[distance > 100].any()
    assert np.array_equal(made.index, np.argwhere(made.inside))


def test_faces_drawn_in_parts_are_the_same(monkeypatch):
    mesh = mesh_of(torus(), 12.0)
    whole = rasterize(mesh, 10.0)
    monkeypatch.setattr(lattice, "ROWS", 17)
    assert np.array_equal(rasterize(mesh, 10.0).inside, whole.inside)
    assert whole.inside.sum() * 1000 == pytest.approx(mesh.volume_nm3, rel=0.02)


@pytest.mark.parametrize("shift", [0.0, 0.5, 1 / 3])
def test_no_column_leaks_where_corners_lie_on_it(shift):
    """A box whose corners and edges lie on lattice columns."""
    made = rasterize(box_mesh((4, 4, 4)).translated((shift,) * 3), 1.0)
    edge = [made.inside[0], made.inside[-1], made.inside[:, 0], made.inside[:, -1], made.inside[..., 0]]
    assert not any(side.any() for side in (*edge, made.inside[..., -1]))
    assert 27 <= made.inside.sum() <= 125


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.5, 3))
def test_meshes_with_whole_corners_never_leak(seed, step):
    """Boxes at random whole places, so that many corners and edges lie exactly above a point."""
    rng = np.random.default_rng(seed)
    boxes = [box_mesh(tuple(rng.integers(1, 6, 3))).translated(rng.integers(0, 3, 3) + 8 * k) for k in range(3)]
    made = rasterize(merge(boxes), step)
    assert not made.inside[-1].any()
    assert not made.inside[:, [0, -1]].any()


def test_cavities_stay_empty():
    made = rasterize(merge([ball_mesh(100), ball_mesh(60).reversed()]), 10.0)
    middle = tuple(side // 2 for side in made.inside.shape)
    assert not made.inside[middle]
    assert made.inside.sum() * 1000 == pytest.approx(4 / 3 * np.pi * (100**3 - 60**3), rel=0.05)


def test_the_step_follows_the_object():
    mesh = ball_mesh(100)
    assert lattice_of(mesh, points=10**9, finest=0.1).step_nm == pytest.approx(100 * 2 / 3 / 10, rel=0.02)
    assert lattice_of(mesh, points=500, finest=0.1).inside.sum() == pytest.approx(500, rel=0.1)


def test_a_long_thin_diagonal_gets_no_endless_lattice(monkeypatch):
    monkeypatch.setattr(lattice, "LARGEST", 1000)
    assert lattice_of(ball_mesh(100), points=10**9, finest=0.01).inside.size < 5000


def test_large_faces_get_points_of_their_own():
    points = surface_points(box_mesh((100, 100, 100)), 9.0)
    grid = np.stack(np.meshgrid(np.linspace(0, 100, 30), np.linspace(0, 100, 30), [0.0, 100.0]), axis=-1).reshape(-1, 3)
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):
        distances = np.linalg.norm(grid[:, order][:, None] - points[None], axis=2).min(axis=1)
        assert distances.max() < 9
    assert (np.isclose(points, 0) | np.isclose(points, 100)).any(axis=1).all()


def test_nearest_points_of_a_ball():
    surface = Surface.of(ball_mesh(100, rounds=5))
    distance, nearest = surface.nearest(np.array([[0, 0, 40.0], [0, 0, 130.0]]))
    assert distance == pytest.approx([60, 30], abs=0.3)
    assert nearest == pytest.approx(np.array([[0, 0, 100.0]] * 2), abs=5)


def test_a_mesh_without_large_faces_keeps_its_vertices():
    mesh = Mesh(np.eye(3), np.array([[0, 1, 2]]))
    assert np.array_equal(surface_points(mesh, 5.0), mesh.vertices)
