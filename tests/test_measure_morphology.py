"""Rows of instances.csv against closed forms."""

import math

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from famous.errors import InputError
from famous.masks import PackedMask
from famous.measure import measure_instance, shape
from famous.measure.morphology import COLUMNS
from famous.measure.shape import hull_volume, sphericity
from famous.mesh import Mesh
from famous.surface.isosurface import surface
from famous.voxels import VoxelSize
from tests.solids import FIB, SBEM, SERIAL, Solid, ball, ball_mesh, box_mesh, torus, tube, voxelize

COUNTS = ("n_slices", "voxels", "n_pieces", "n_tunnels", "n_cavities")
FLAGS = ("topology_kept", "touches_border")


def ellipsoid(a: float = 240.0, b: float = 160.0, c: float = 80.0) -> Solid:
    """Half axes along z, y, x; the distance is only right in its sign; area after Knud Thomsen (1.2 % at most)."""
    p = 1.6075
    area = 4 * np.pi * (((a * b) ** p + (a * c) ** p + (b * c) ** p) / 3) ** (1 / p)
    return Solid(lambda q: np.linalg.norm(q / (a, b, c), axis=1) - 1, max(a, b, c), 4 / 3 * np.pi * a * b * c, area)


def measured(solid: Solid, voxel_size: VoxelSize):
    voxels = voxelize(solid, voxel_size)
    mesh = surface(voxels.mask, voxel_size=voxel_size)
    return measure_instance(voxels.mask, mesh, voxel_size=voxel_size), voxels


@pytest.mark.parametrize("voxel_size", [FIB, SBEM, SERIAL], ids=str)
@pytest.mark.parametrize("make", [ball, torus, tube, ellipsoid])
def test_closed_forms(make, voxel_size):
    solid = make()
    row, voxels = measured(solid, voxel_size)
    coarse = 1 if voxel_size is FIB else 4
    assert row["volume_voxels_um3"] == pytest.approx(solid.volume / 1e9, rel=0.01 * coarse)
    assert row["volume_mesh_um3"] == pytest.approx(row["volume_voxels_um3"], rel=0.005)
    assert row["area_um2"] == pytest.approx(solid.area / 1e6, rel=0.015 * coarse)
    expected = math.pi ** (1 / 3) * (6 * solid.volume) ** (2 / 3) / solid.area
    assert row["sphericity"] == pytest.approx(expected, rel=0.01 * coarse)
    centroid = [row[f"centroid_{axis}_um"] * 1000 for axis in "zyx"]
    assert centroid == pytest.approx(voxels.centre, abs=voxel_size.z / 8)
    assert row["touches_border"] is False


@pytest.mark.parametrize("make", [ball, ellipsoid, tube])
def test_convex_solids_have_solidity_1(make):
    assert measured(make(), FIB)[0]["solidity"] > 0.97


def test_solidity_of_a_torus():
    # hull of a torus: a disc of the ring's radius as thick as the tube, with a half tube round it
    ring, tube_radius = 180, 60
    hull = 2 * np.pi * tube_radius * ring**2 + np.pi**2 * ring * tube_radius**2 + 4 / 3 * np.pi * tube_radius**3
    row, _ = measured(torus(ring, tube_radius), FIB)
    assert row["solidity"] == pytest.approx(torus(ring, tube_radius).volume / hull, rel=0.02)


def test_box_is_exact():
    mask = np.zeros((6, 9, 12), bool)
    mask[1:4, 2:7, 3:11] = True
    size = VoxelSize(50, 5, 4)
    mesh = box_mesh((150, 25, 32)).translated((550, 110, 132))
    row = measure_instance(mask, mesh, voxel_size=size, offset=(10, 20, 30), stack_shape=(100, 100, 100))
    assert list(row) == list(COLUMNS)
    assert row["n_slices"] == 3
    assert row["voxels"] == 120
    assert row["volume_voxels_um3"] == pytest.approx(120e-6)
    assert row["volume_mesh_um3"] == pytest.approx(120e-6)
    assert row["area_um2"] == pytest.approx(2 * (150 * 25 + 150 * 32 + 25 * 32) / 1e6)
    assert row["solidity"] == pytest.approx(1)
    assert [row[f"bb_min_{axis}_um"] for axis in "zyx"] == pytest.approx([0.55, 0.11, 0.132])
    assert [row[f"bb_max_{axis}_um"] for axis in "zyx"] == pytest.approx([0.7, 0.135, 0.164])
    assert [row[f"centroid_{axis}_um"] for axis in "zyx"] == pytest.approx([0.625, 0.1225, 0.148])
    assert row["touches_border"] is False


def test_empty_slices_do_not_count():
    mask = np.zeros((7, 3, 3), bool)
    mask[[1, 2, 5], 1, 1] = True
    assert measure_instance(mask, Mesh.empty(), voxel_size=FIB)["n_slices"] == 3


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("end", [0, 1])
def test_every_side_of_the_stack_is_a_border(axis, end):
    shape = [8, 8, 8]
    offset = [3, 3, 3]
    offset[axis] = [0, 6][end]
    kwargs = {"voxel_size": FIB, "stack_shape": tuple(shape)}
    assert measure_instance(np.ones((2, 2, 2), bool), Mesh.empty(), offset=tuple(offset), **kwargs)["touches_border"]
    offset[axis] = [1, 5][end]
    row = measure_instance(np.ones((2, 2, 2), bool), Mesh.empty(), offset=tuple(offset), **kwargs)
    assert not row["touches_border"]


def test_without_a_shape_the_crop_is_the_stack():
    inside = np.pad(np.ones((2, 2, 2), bool), 1)
    assert not measure_instance(inside, Mesh.empty(), voxel_size=FIB)["touches_border"]
    assert measure_instance(inside[1:], Mesh.empty(), voxel_size=FIB)["touches_border"]
    assert measure_instance(inside[:, :, :-1], Mesh.empty(), voxel_size=FIB)["touches_border"]


@pytest.mark.parametrize("shape", [(0, 0, 0), (3, 4, 5)])
def test_empty_is_a_value(shape):
    row = measure_instance(np.zeros(shape, bool), Mesh.empty(), voxel_size=FIB)
    assert list(row) == list(COLUMNS)
    assert row["n_slices"] == row["voxels"] == row["volume_voxels_um3"] == 0
    assert not row["touches_border"]
    others = [value for name, value in row.items() if name.endswith(("_um", "um2", "mesh_um3", "ity"))]
    assert all(math.isnan(value) for value in others)


def test_voxels_without_a_mesh():
    row = measure_instance(np.ones((2, 2, 2), bool), Mesh.empty(), voxel_size=FIB)
    assert row["volume_voxels_um3"] == pytest.approx(8 * 512e-9)
    assert math.isnan(row["volume_mesh_um3"])
    assert math.isnan(row["sphericity"])
    assert math.isnan(row["solidity"])


def test_a_flat_mesh_has_no_solidity():
    flat = Mesh(np.array([[0, 0, 0], [0, 9, 0], [0, 0, 9], [0, 9, 9.0]]), np.array([[0, 1, 2], [1, 3, 2]]))
    row = measure_instance(np.ones((1, 2, 2), bool), flat, voxel_size=FIB)
    assert math.isnan(row["solidity"])
    assert math.isnan(row["sphericity"])


def test_hull_volume():
    assert hull_volume(ball_mesh(100, rounds=4).vertices) == pytest.approx(ball_mesh(100, rounds=4).volume_nm3)
    assert math.isnan(hull_volume(np.zeros((0, 3))))
    assert math.isnan(hull_volume(np.eye(3)))
    assert math.isnan(hull_volume(np.zeros((9, 3))))


def test_sphericity():
    assert sphericity(4 / 3 * math.pi, 4 * math.pi) == pytest.approx(1)
    assert sphericity(1, 6) == pytest.approx((math.pi / 6) ** (1 / 3))  # a cube
    assert math.isnan(sphericity(0, 6))
    assert math.isnan(sphericity(1, 0))
    assert math.isnan(sphericity(-1, 6))
    assert math.isnan(sphericity(math.nan, 6))


def test_wrong_shapes_are_named():
    with pytest.raises(InputError, match=r"shape \(3, 3\)"):
        measure_instance(np.zeros((3, 3), bool), Mesh.empty(), voxel_size=FIB)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.tuples(*[st.integers(1, 8)] * 3), st.sampled_from([FIB, SBEM, SERIAL]))
def test_any_mask_gives_a_plain_row(seed, shape, voxel_size):
    mask = np.random.default_rng(seed).random(shape) < 0.6
    mesh = surface(mask, voxel_size=voxel_size)
    before = mask.copy()
    row = measure_instance(mask, mesh, voxel_size=voxel_size, offset=(1, 2, 3), stack_shape=(40, 40, 40))
    assert np.array_equal(mask, before)
    assert {type(row[name]) for name in COUNTS} == {int}
    assert {type(row[name]) for name in FLAGS} == {bool}
    floats = [row[name] for name in COLUMNS if name not in (*COUNTS, *FLAGS)]
    assert {type(value) for value in floats} == {float}
    if mask.any():
        index = (np.argwhere(mask) + np.array([1.5, 2.5, 3.5])) * voxel_size.zyx / 1000
        assert [row[f"centroid_{axis}_um"] for axis in "zyx"] == pytest.approx(index.mean(axis=0))
        assert 0 < row["solidity"] <= 1
        assert 0 < row["sphericity"] <= 1.001


def test_real_fusiform_vesicles(shared_data):
    labels = tifffile.imread(shared_data / "urocell" / "fib1-3-3-0" / "fv.tif")
    size = VoxelSize(15, 16, 16)
    listed = [(label, box) for label, box in enumerate(ndimage.find_objects(labels), start=1) if box]
    for label, box in listed[:12]:
        mask = labels[box] == label
        offset = tuple(side.start for side in box)
        mesh = surface(mask, voxel_size=size, offset=offset)
        row = measure_instance(mask, mesh, voxel_size=size, offset=offset, stack_shape=labels.shape)
        assert row["volume_mesh_um3"] == pytest.approx(row["volume_voxels_um3"], rel=0.005)
        assert 0 < row["solidity"] <= 1
        assert 0 < row["sphericity"] < 1
        assert all(row[f"bb_min_{a}_um"] < row[f"centroid_{a}_um"] < row[f"bb_max_{a}_um"] for a in "zyx")


@pytest.mark.parametrize("points", [4, 50, 1000])
@pytest.mark.parametrize("make", [ball, torus, tube])
def test_a_hull_of_hulls_is_the_hull(monkeypatch, points, make):
    vertices = surface(voxelize(make(), SBEM).mask, voxel_size=SBEM).vertices
    whole = hull_volume(vertices)
    monkeypatch.setattr(shape, "HULL_POINTS", points)
    assert hull_volume(vertices) == pytest.approx(whole, rel=1e-12)


def test_parts_of_a_hull_that_lie_in_one_plane_are_kept(monkeypatch):
    grid = np.indices((5, 6, 7)).reshape(3, -1).T * 1.0
    monkeypatch.setattr(shape, "HULL_POINTS", 42)  # one plane
    assert hull_volume(grid) == pytest.approx(4 * 5 * 6)


def test_a_packed_mask_measures_as_the_array():
    mask = voxelize(torus(), SBEM).mask
    packed = PackedMask(mask.shape)
    for z, image in enumerate(mask):
        packed.put(z, image)
    rows = [measure_instance(m, Mesh.empty(), voxel_size=SBEM, offset=(3, 2, 1)) for m in (mask, packed)]
    assert rows[0]["voxels"] == mask.sum()
    assert str(rows[0]) == str(rows[1])
