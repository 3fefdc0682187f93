"""Folds of a closed mesh are smoothed away, and nothing else moves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from famous.mesh import Mesh
from famous.surface import untangle as untangling
from famous.surface.untangle import crossing_faces, untangle
from tests.solids import ball_mesh


def folded(depth=40.0, radius=100.0):
    """A ball whose cap was pushed through the opposite side and out again."""
    ball = ball_mesh(radius)
    vertices = ball.vertices.copy()
    cap = vertices[:, 0] > 0.9 * radius
    vertices[cap, 0] -= 2 * radius + depth - 20
    return Mesh(vertices, ball.faces), cap


def creased():
    """A ball with one vertex pushed sideways over its neighbours."""
    ball = ball_mesh(100.0)
    vertices = ball.vertices.copy()
    top = int(vertices[:, 0].argmax())
    vertices[top] += (-2.0, 30.0, 0.0)
    return Mesh(vertices, ball.faces), top


def test_a_crease_opens_and_the_rest_stays():
    mesh, top = creased()
    assert len(crossing_faces(mesh)) > 0
    flat = untangle(mesh, 30)
    assert len(crossing_faces(flat)) == 0
    assert flat.is_watertight
    assert np.array_equal(flat.faces, mesh.faces)
    far = np.linalg.norm(mesh.vertices - ball_mesh(100.0).vertices[top], axis=1) > 70
    assert np.array_equal(flat.vertices[far], mesh.vertices[far])
    assert flat.volume_nm3 == pytest.approx(ball_mesh(100.0).volume_nm3, rel=0.02)


def test_what_goes_right_through_comes_back():
    mesh, _ = folded()
    assert len(crossing_faces(mesh)) > 0
    assert len(crossing_faces(untangle(mesh, 30))) == 0


def test_what_has_no_fold_is_the_same():
    ball = ball_mesh(50.0)
    assert untangle(ball, 30) is ball
    assert untangle(Mesh.empty(), 30).is_empty


def test_no_rounds_leave_the_folds():
    mesh, _ = creased()
    assert untangle(mesh, 0) is mesh


def test_rounds_that_do_not_suffice_give_the_best_so_far(monkeypatch):
    monkeypatch.setattr(untangling, "STEPS", 1)
    mesh, _ = folded()
    before = len(crossing_faces(mesh))
    left = [len(crossing_faces(untangle(mesh, rounds))) for rounds in (1, 2, 4, 8)]
    assert left == sorted(left, reverse=True)
    assert left[0] <= before
    assert left[-1] < before


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(1, 15))
def test_any_shaken_ball_is_untangled(seed, size):
    ball = ball_mesh(100.0, rounds=3)
    shaken = Mesh(ball.vertices + np.random.default_rng(seed).normal(0, size, ball.vertices.shape), ball.faces)
    flat = untangle(shaken, 30)
    assert len(crossing_faces(flat)) == 0
    assert flat.is_watertight
