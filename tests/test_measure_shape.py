"""Shape numbers of meshes against closed forms."""

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import famous.mesh as mesh_module
from famous.measure.shape import circular_variance, principal_axes
from famous.mesh import FACES, KEPT_FACES, Mesh, merge
from tests.solids import ball_mesh, box_mesh

TURNS = [Rotation.identity(), Rotation.from_rotvec([0.3, -0.8, 0.5])]


def ellipsoid_mesh(half=(240.0, 160.0, 80.0), rounds=5):
    mesh = ball_mesh(1.0, rounds=rounds)
    return Mesh(mesh.vertices * half, mesh.faces)


@pytest.mark.parametrize("turn", TURNS)
def test_axes_of_an_ellipsoid_are_its_own(turn):
    mesh = ellipsoid_mesh()
    axes = principal_axes(Mesh(turn.apply(mesh.vertices) + np.array([500, -200, 90]), mesh.faces))
    assert axes.lengths_nm == pytest.approx([480, 320, 160], rel=2e-3)
    assert axes.extents_nm == pytest.approx([480, 320, 160], rel=2e-3)
    expected = turn.as_matrix().T
    assert np.abs((axes.directions * expected).sum(axis=1)) == pytest.approx([1, 1, 1], abs=1e-6)
    assert (axes.directions[np.arange(3), np.abs(axes.directions).argmax(axis=1)] > 0).all()


def test_axes_of_a_box():
    axes = principal_axes(box_mesh((60, 20, 90)))
    assert axes.extents_nm == pytest.approx([90, 60, 20])
    assert axes.lengths_nm == pytest.approx(np.array([90, 60, 20]) * math.sqrt(5 / 3))  # variance of a side: s² / 12
    assert axes.directions == pytest.approx(np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]]), abs=1e-9)


def test_a_cavity_takes_its_moments_away():
    whole, hole = ball_mesh(100, rounds=5), ball_mesh(60, rounds=5)
    axes = principal_axes(merge([whole, hole.reversed()]))
    variance = (100**5 - 60**5) / (5 * (100**3 - 60**3))
    assert axes.lengths_nm == pytest.approx([2 * math.sqrt(5 * variance)] * 3, rel=2e-3)


def test_parts_of_the_faces_add_up(monkeypatch):
    def measured():
        mesh = ellipsoid_mesh(rounds=3)
        spread = circular_variance(mesh, np.zeros(3))
        return [*principal_axes(mesh).lengths_nm, spread, mesh.volume_nm3, mesh.area_nm2], mesh.topology

    numbers, topology = measured()
    assert len(ellipsoid_mesh(rounds=3).faces) < FACES
    monkeypatch.setattr(mesh_module, "FACES", 37)
    for kept in (KEPT_FACES, 0):
        monkeypatch.setattr(mesh_module, "KEPT_FACES", kept)
        assert measured() == (pytest.approx(numbers), topology)


@pytest.mark.parametrize("mesh", [Mesh.empty(), box_mesh().reversed(), box_mesh((0, 2, 2))])
def test_what_has_no_volume_has_no_axes(mesh):
    assert np.isnan(principal_axes(mesh).lengths_nm).all()
    assert np.isnan(principal_axes(mesh).directions).all()


def test_a_ball_varies_only_off_its_centre():
    mesh = ball_mesh(100, centre=(7, 8, 9), rounds=5)
    assert circular_variance(mesh, np.array([7.0, 8, 9])) == pytest.approx(0, abs=1e-6)
    # the distance d of a sphere's points to a point e off its centre: mean R + e²/3R, mean square R² + e²
    mean, square = 100 + 50**2 / 300, 100**2 + 50**2
    assert circular_variance(mesh, np.array([7.0, 8, 59])) == pytest.approx(square / mean**2 - 1, rel=5e-3)


def test_the_variance_of_a_spheroid_by_integration():
    a, b = 200.0, 100.0  # half axes along z, and across
    angle = (np.arange(20000) + 0.5) / 20000 * np.pi
    z, r = a * np.cos(angle), b * np.sin(angle)
    area = r * np.hypot(a * np.sin(angle), b * np.cos(angle))
    distance = np.hypot(z, r)
    mean = np.average(distance, weights=area)
    expected = np.average((distance - mean) ** 2, weights=area) / mean**2
    assert circular_variance(ellipsoid_mesh((a, b, b)), np.zeros(3)) == pytest.approx(expected, rel=5e-3)


def test_the_variance_does_not_depend_on_the_triangles():
    box = box_mesh((2, 2, 2)).translated((-1, -1, -1))
    corners = [box.vertices[box.faces[:, k]] for k in range(3)]
    fine = Mesh(*_split(corners, 5))
    finer = Mesh(*_split(corners, 6))
    assert circular_variance(fine, np.zeros(3)) == pytest.approx(circular_variance(finer, np.zeros(3)), rel=5e-3)


def _split(corners, rounds):
    a, b, c = corners
    for _ in range(rounds):
        ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
        a, b, c = (np.concatenate(parts) for parts in ((a, b, c, ab), (ab, bc, ca, bc), (ca, ab, bc, ca)))
    return np.concatenate([a, b, c]), np.arange(3 * len(a)).reshape(3, -1).T


def test_nothing_has_no_variance():
    assert math.isnan(circular_variance(Mesh.empty(), np.zeros(3)))
    point = Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]]))
    assert math.isnan(circular_variance(point, np.zeros(3)))
