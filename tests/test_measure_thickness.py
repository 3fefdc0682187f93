"""Local thickness of shapes that have the same everywhere, or two."""

import math

import numpy as np
import pytest

from famous.errors import ConfigError
from famous.measure.thickness import Thickness, ThicknessParams, local_thickness
from famous.mesh import Mesh, merge
from famous.surface.isosurface import surface
from tests.solids import FIB, SBEM, SERIAL, Solid, ball, ball_mesh, box_mesh, torus, tube, voxelize
from tests.tubes import along, mesh_of, y_tube


@pytest.mark.parametrize(("make", "thickness"), [(ball, 320), (tube, 100), (torus, 120)], ids=["ball", "tube", "torus"])
@pytest.mark.parametrize("voxel_size", [FIB, SBEM, SERIAL], ids=str)
def test_round_things_are_as_thick_as_they_are(make, thickness, voxel_size):
    coarse = 1 if voxel_size is FIB else 2
    found = local_thickness(surface(voxelize(make(), voxel_size).mask, voxel_size=voxel_size))
    assert found.mean_nm == pytest.approx(thickness, rel=0.025 * coarse)
    assert found.max_nm == pytest.approx(thickness, rel=0.05 * coarse)
    assert found.mean_nm <= found.max_nm


def test_a_ball_is_exact():
    found = local_thickness(ball_mesh(100, centre=(5, 7, 9), rounds=5))
    assert found.max_nm == pytest.approx(200, rel=0.005)
    assert found.mean_nm == pytest.approx(200, rel=0.005)


def test_an_ellipsoid_is_as_thick_as_its_shortest_axis():
    sphere = ball_mesh(1, rounds=6)
    found = local_thickness(Mesh(sphere.vertices * (240, 160, 80), sphere.faces))
    assert found.max_nm == pytest.approx(160, rel=0.01)
    assert 130 < found.mean_nm < 158  # the balls grow smaller towards the rim


@pytest.mark.parametrize("step", [6.0, 12.0])
def test_the_middle_of_a_y_is_hardly_thicker(step):
    found = local_thickness(mesh_of(y_tube(), step))
    assert found.mean_nm == pytest.approx(100, rel=0.02)
    assert found.max_nm == pytest.approx(100, rel=0.05)


def test_a_plate_is_as_thick_as_it_is_though_its_faces_are_two_triangles():
    found = local_thickness(box_mesh((50, 800, 800)))
    assert found.max_nm == pytest.approx(50, rel=0.01)
    assert found.mean_nm == pytest.approx(50, rel=0.03)  # less at the rim


def test_a_dumbbell_has_two_thicknesses():
    def distance(points):
        bar = along([((0, 0, -250), (0, 0, 250))], 40.0)(points)
        return np.minimum(bar, along([((0, 0, -250),) * 2, ((0, 0, 250),) * 2], 120.0)(points))

    found = local_thickness(mesh_of(Solid(distance, 370, np.nan, np.nan)))
    balls, bar = 2 * 4 / 3 * np.pi * 120**3, np.pi * 40**2 * (500 - 2 * math.sqrt(120**2 - 40**2))
    assert found.max_nm == pytest.approx(240, rel=0.02)
    assert found.mean_nm == pytest.approx((balls * 240 + bar * 80) / (balls + bar), rel=0.02)


def test_a_shell_is_as_thick_as_its_wall():
    found = local_thickness(merge([ball_mesh(150, rounds=5), ball_mesh(110, rounds=5).reversed()]))
    assert found.mean_nm == pytest.approx(40, rel=0.03)
    assert found.max_nm == pytest.approx(40, rel=0.05)


@pytest.mark.parametrize("points", [1000, 5000, 40000])
def test_fewer_points_give_nearly_the_same(points):
    found = local_thickness(mesh_of(torus(), 10.0), ThicknessParams(points=points))
    assert found.mean_nm == pytest.approx(120, rel=0.03)
    assert found.max_nm == pytest.approx(120, rel=0.03)


@pytest.mark.parametrize("mesh", [Mesh.empty(), box_mesh().reversed(), box_mesh((0, 2, 2))])
def test_what_has_no_volume_has_no_thickness(mesh):
    assert str(local_thickness(mesh)) == str(Thickness(math.nan, math.nan))


def test_params_are_checked():
    with pytest.raises(ConfigError, match=r"thickness\.points: found 5"):
        ThicknessParams(points=5)
