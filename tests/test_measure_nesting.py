"""Pores, and the distance to the membrane, in closed form."""

import math

import numpy as np
import pytest

from famous.measure.nesting import fenestrated_percent, inner_radius, membrane_proximity, outer_walls
from famous.mesh import Mesh, merge
from tests.solids import ball_mesh


def grid(half, step):
    side = np.arange(-half, half + step, step)
    return np.meshgrid(side, side, side, indexing="ij")


def test_a_solid_object_has_no_pores():
    z, y, x = grid(30, 1)
    assert fenestrated_percent(z**2 + y**2 + x**2 < 25**2) == 0


def test_a_shells_cavity_is_its_share():
    z, y, x = grid(40, 1)
    distance = np.sqrt(z**2 + y**2 + x**2)
    mask = (distance < 36) & (distance >= 24)
    assert fenestrated_percent(mask) == pytest.approx(100 * (24 / 36) ** 3, rel=0.01)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_hole_of_a_ring_is_a_pore_from_any_side(axis):
    z, y, x = grid(33.2, 0.4)
    ring, radius = 24.0, 8.0
    across, along = np.hypot(y, x), z
    mask = np.moveaxis(np.hypot(across - ring, along) < radius, 0, axis)
    solid = 2 * np.pi**2 * ring * radius**2
    filled = np.pi * (2 * ring**2 * radius + np.pi * ring * radius**2 + 4 / 3 * radius**3)
    assert fenestrated_percent(mask) == pytest.approx(100 * (1 - solid / filled), rel=0.04)


def test_a_notch_is_no_pore():
    mask = np.ones((5, 9, 9), bool)
    mask[:, 4, 4:] = False
    assert fenestrated_percent(mask) == 0


def test_pores_of_one_voxel_are_counted():
    mask = np.ones((10, 10, 10), bool)
    mask[::3, 5, 5] = False
    assert fenestrated_percent(mask) == pytest.approx(100 * 4 / 1000)


def test_nothing_has_no_pores():
    assert math.isnan(fenestrated_percent(np.zeros((3, 3, 3), bool)))


def test_concentric_balls():
    outer = ball_mesh(200, rounds=5)
    assert inner_radius(outer) == pytest.approx(200, rel=0.01)
    found = membrane_proximity(ball_mesh(80, rounds=4), outer)
    assert found.mean_nm == pytest.approx(120, rel=0.01)
    assert found.min_nm == pytest.approx(120, rel=0.01)
    assert found.proximity == pytest.approx(80 / 200, rel=0.02)


def test_a_ball_off_the_centre():
    """The mean over a sphere of its points' distance from elsewhere is e + a² / 3e for a sphere that it lies out of."""
    outer, inner = ball_mesh(200, rounds=5), ball_mesh(50, centre=(0, 140, 0), rounds=4)
    found = membrane_proximity(inner, outer, radius_nm=200.0)
    mean = 200 - (140 + 50**2 / (3 * 140))
    assert found.mean_nm == pytest.approx(mean, rel=0.02)
    assert found.min_nm == pytest.approx(10, rel=0.05)
    assert found.proximity == pytest.approx(1 - mean / 200, rel=0.02)


def test_far_outside_is_not_below_0():
    assert membrane_proximity(ball_mesh(10, centre=(900, 0, 0)), ball_mesh(100), radius_nm=100.0).proximity == 0


@pytest.mark.parametrize(("inner", "outer"), [(Mesh.empty(), ball_mesh()), (ball_mesh(), Mesh.empty())])
def test_an_empty_mesh_has_no_neighbourhood(inner, outer):
    found = membrane_proximity(inner, outer)
    assert all(math.isnan(value) for value in (found.mean_nm, found.min_nm, found.proximity))


def test_the_walls_of_cavities_are_no_outer_walls():
    apart = ball_mesh(50, centre=(500, 0, 0), rounds=3)
    hollow = merge([ball_mesh(200), ball_mesh(60).reversed(), apart])
    walls = outer_walls(hollow)
    assert walls.is_watertight
    assert walls.volume_nm3 == pytest.approx(ball_mesh(200).volume_nm3 + apart.volume_nm3)
    assert outer_walls(apart).volume_nm3 == pytest.approx(apart.volume_nm3)
    assert outer_walls(Mesh.empty()).is_empty
