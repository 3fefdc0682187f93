"""Centre lines of shapes whose length and branches are known."""

import math

import numpy as np
import pytest

from famous.errors import ConfigError
from famous.measure.skeleton import Skeleton, SkeletonParams, skeletonize
from famous.mesh import Mesh, merge
from famous.surface.isosurface import surface
from famous.voxels import VoxelSize
from tests.solids import FIB, SBEM, SERIAL, Solid, ball, ball_mesh, box_mesh, shell, torus, tube, voxelize
from tests.tubes import along, mesh_of, y_tube

SHAPES = {  # length from tip to tip, branches, branch points
    "ball": (ball, 320, 1, 0),
    "tube": (tube, 600, 1, 0),
    "torus": (torus, 2 * np.pi * 180, 1, 0),
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("voxel_size", [FIB, SBEM, SERIAL], ids=str)
def test_lengths_and_branches(name, voxel_size):
    make, length, branches, points = SHAPES[name]
    found = skeletonize(surface(voxelize(make(), voxel_size).mask, voxel_size=voxel_size))
    assert (found.branches, found.branch_points) == (branches, points)
    assert found.length_nm == pytest.approx(length, rel=0.03)


@pytest.mark.parametrize("radius", [70.0, 150.0, 200.0])
def test_a_ball_is_as_long_as_its_diameter(radius):
    found = skeletonize(surface(voxelize(ball(radius), FIB).mask, voxel_size=FIB))
    assert found.length_nm == pytest.approx(2 * radius, rel=0.02)


def test_a_wall_round_a_cavity_has_no_line():
    found = skeletonize(surface(voxelize(shell(), FIB).mask, voxel_size=FIB))
    assert math.isnan(found.length_nm)
    assert (found.branches, found.branch_points) == (0, 0)
    small = skeletonize(surface(voxelize(shell(160, 30), FIB).mask, voxel_size=FIB))
    assert small.length_nm > 0


@pytest.mark.parametrize(("width", "is_sheet"), [(6, False), (18, False), (36, True), (60, True)])
def test_a_sheet_has_no_line(width, is_sheet):
    """A bar 6 voxels thick."""
    found = skeletonize(surface(np.ones((6, width, 80), dtype=bool), voxel_size=FIB))
    assert math.isnan(found.length_nm) == is_sheet
    assert found.branches == (not is_sheet)


def test_half_a_shell_has_no_line():
    mask = voxelize(shell(160, 130), FIB).mask.copy()
    mask[: len(mask) // 2] = False
    assert skeletonize(surface(mask, voxel_size=FIB)) == Skeleton(pytest.approx(math.nan, nan_ok=True), 0, 0)


@pytest.mark.parametrize("radius", [7, 9, 20])
def test_what_is_all_but_a_ball_is_as_long(radius):
    """Its longest ways are many, and two of them may end on the same side."""
    away = np.indices((2 * radius + 5,) * 3) - radius - 2
    mesh = surface((away**2).sum(axis=0) < radius**2, voxel_size=VoxelSize(15, 16, 16))
    assert 15 * 0.93 <= skeletonize(mesh).length_nm / (2 * radius) <= 16 * 1.03


@pytest.mark.parametrize("step", [5.0, 9.0, 14.0])
def test_a_y_has_three_branches(step):
    found = skeletonize(mesh_of(y_tube(), step))
    assert (found.branches, found.branch_points) == (3, 1)
    assert found.length_nm == pytest.approx(3 * 350, rel=0.02)


def ladder(rungs):
    """Two rails with rungs between them."""
    places = np.linspace(-300, 300, rungs)
    rails = [((y, 0, -450), (y, 0, 450)) for y in (-150, 150)]
    return Solid(along([*rails, *(((-150, 0, x), (150, 0, x)) for x in places)], 30.0), 500, np.nan, np.nan)


@pytest.mark.parametrize("rungs", [2, 3, 4])
def test_networks_keep_their_rings(rungs):
    found = skeletonize(mesh_of(ladder(rungs), 10.0))
    assert found.branch_points == 2 * rungs
    assert found.branches == rungs + 2 * (rungs + 1)
    assert found.length_nm == pytest.approx(2 * 960 + rungs * 300, rel=0.03)


@pytest.mark.parametrize(("bump", "branches"), [(35.0, 1), (200.0, 3)])
def test_a_bump_is_no_branch(bump, branches):
    """A tube of radius 60 with a thinner one that sticks out of its side."""

    def distance(points):
        return np.minimum(
            along([((0, 0, -300), (0, 0, 300))], 60.0)(points), along([((0, 0, 0), (60 + bump, 0, 0))], 25.0)(points)
        )

    found = skeletonize(mesh_of(Solid(distance, 380, np.nan, np.nan), 6.0))
    assert found.branches == branches
    assert found.branch_points == (branches == 3)


def test_spurs_are_what_the_knob_says():
    def distance(points):
        return np.minimum(
            along([((0, 0, -300), (0, 0, 300))], 60.0)(points), along([((0, 0, 0), (130, 0, 0))], 25.0)(points)
        )

    mesh = mesh_of(Solid(distance, 380, np.nan, np.nan), 6.0)
    assert skeletonize(mesh, SkeletonParams(spur=1.0)).branches == 3
    assert skeletonize(mesh, SkeletonParams(spur=6.0)).branches == 1


def test_pieces_have_their_own_lines():
    tubes = mesh_of(tube(), 10.0)
    found = skeletonize(merge([tubes, tubes.translated((0, 400, -400))]))
    assert (found.branches, found.branch_points) == (2, 0)
    assert found.length_nm == pytest.approx(1200, rel=0.03)


@pytest.mark.parametrize("rounds", [2, 3, 4])
def test_a_ball_that_thins_to_nothing_is_as_long_as_it_is_thick(rounds):
    found = skeletonize(ball_mesh(100, rounds=rounds))
    assert (found.branches, found.branch_points) == (1, 0)
    assert found.length_nm == pytest.approx(200, rel=0.06)  # the coarsest mesh is thinner than the ball


@pytest.mark.parametrize("mesh", [Mesh.empty(), box_mesh().reversed(), box_mesh((0, 2, 2))])
def test_what_has_no_volume_has_no_line(mesh):
    found = skeletonize(mesh)
    assert math.isnan(found.length_nm)
    assert (found.branches, found.branch_points) == (0, 0)


@pytest.mark.parametrize(
    ("knobs", "name"), [({"points": 5}, "points"), ({"spur": -1.0}, "spur"), ({"spur": math.nan}, "spur")]
)
def test_params_are_checked(knobs, name):
    with pytest.raises(ConfigError, match=rf"skeleton\.{name}: found"):
        SkeletonParams(**knobs)
