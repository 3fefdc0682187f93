"""Rays and meshes: depth, normal and shadow against the closed form of a ball."""

import numpy as np
import pytest

from famous.mesh import Mesh
from famous.report.scene import Scene, spiral, turn_to
from tests.solids import ball_mesh, box_mesh

SIDES = np.array([1000.0, 800.0, 600.0])  # x, y, z in nm
RADIUS = 200.0


def ball_scene(*others: Mesh) -> Scene:
    """A ball of radius 0.2 (in units of the box) in the middle of the box."""
    return Scene([ball_mesh(RADIUS, tuple(SIDES[::-1] / 2), rounds=5), *others], SIDES)


def rays_down(*places: tuple[float, float]) -> np.ndarray:
    """Rays along −z from z = 2."""
    return np.array([[x, y, 2.0, 0, 0, -1] for x, y in places], dtype=np.float32)


def test_an_empty_scene_hits_nothing():
    for scene in (Scene([], SIDES), Scene([Mesh.empty()], SIDES)):
        hits = scene.cast(rays_down((0, 0)))
        assert scene.is_empty
        assert hits.member.tolist() == [-1]
        assert np.isinf(hits.depth).all()
        assert scene.sees(hits.position, hits.normal, hits.normal, 1.0).all()


def test_no_rays_give_no_hits():
    assert len(ball_scene().cast(np.zeros((0, 6), np.float32)).depth) == 0


def test_rays_end_on_the_ball():
    places = np.array([[0, 0], [0.1, 0], [0, -0.15], [0.12, 0.12]])
    hits = ball_scene().cast(rays_down(*places))
    height = np.sqrt(0.2**2 - (places**2).sum(axis=1))
    assert hits.depth == pytest.approx(2 - height, abs=1e-3)
    assert hits.normal == pytest.approx(np.column_stack([places, height]) / 0.2, abs=0.02)
    assert hits.position[:, 2] == pytest.approx(height, abs=1e-3)


def test_rays_beside_the_ball_end_nowhere():
    hits = ball_scene().cast(rays_down((0.21, 0), (0, -0.21), (0.15, 0.15)))
    assert hits.member.tolist() == [-1, -1, -1]


def test_the_mesh_that_is_hit_is_named_by_its_place_in_the_list():
    scene = Scene([Mesh.empty(), ball_mesh(60, (300, 400, 200)), Mesh.empty(), ball_mesh(60, (300, 400, 800))], SIDES)
    assert scene.cast(rays_down((-0.3, 0), (0.3, 0), (0, 0))).member.tolist() == [1, 3, -1]


def test_normals_look_at_the_eye_whichever_way_the_faces_turn():
    inside_out = Scene([ball_mesh(RADIUS, tuple(SIDES[::-1] / 2)).reversed()], SIDES)
    assert inside_out.cast(rays_down((0, 0))).normal[0, 2] > 0.99


def test_axes_are_turned_to_xyz():
    slab = Scene([box_mesh((100.0, 200.0, 1000.0))], SIDES)  # z, y, x: fills x, a quarter of y
    hits = slab.cast(rays_down((-0.45, -0.35), (0.45, -0.35), (0.45, -0.15)))
    assert hits.member.tolist() == [0, 0, -1]
    assert hits.position[0, 2] == pytest.approx(-0.3 + 0.1, abs=1e-5)


def test_a_ball_shades_what_is_below_it_within_reach():
    scene = ball_scene()
    below, up = np.array([[0, 0, -0.25], [0.3, 0, -0.25]], np.float32), np.array([[0, 0, 1]] * 2, np.float32)
    assert scene.sees(below, up, up, 1.0).tolist() == [False, True]
    assert scene.sees(below, up, up, 0.03).tolist() == [True, True]


def test_a_surface_does_not_shade_itself():
    hits = ball_scene().cast(rays_down(*[(x, 0) for x in np.linspace(-0.19, 0.19, 50)]))
    assert ball_scene().sees(hits.position, hits.normal, hits.normal, 1.0).all()


def test_directions_are_spread_as_the_cosine_is():
    directions = spiral(4000)
    assert np.linalg.norm(directions, axis=1) == pytest.approx(1)
    assert directions[:, 2].min() > 0
    assert directions.mean(axis=0) == pytest.approx([0, 0, 2 / 3], abs=2e-3)


def test_turning_keeps_the_angle_to_the_normal():
    rng = np.random.default_rng(0)
    normal = rng.normal(size=(200, 3))
    normal = np.concatenate([normal / np.linalg.norm(normal, axis=1, keepdims=True), [[0, 0, 1], [0, 0, -1]]])
    angle = rng.uniform(0, 6, len(normal)).astype(np.float32)
    local = np.array([0.36, 0.48, 0.8])
    turned = turn_to(normal.astype(np.float32), local, angle)
    assert np.linalg.norm(turned, axis=1) == pytest.approx(1, abs=1e-5)
    assert (turned * normal).sum(axis=1) == pytest.approx(0.8, abs=1e-5)
