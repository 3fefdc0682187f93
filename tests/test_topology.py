"""Pieces, tunnels and cavities of shapes whose count is known, of voxels and of their surfaces."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import euler_number

from famous import masks
from famous.masks import PackedMask
from famous.mesh import Mesh, merge
from famous.surface.isosurface import surface
from famous.topology import Topology, count_topology
from tests.solids import FIB, SBEM, SERIAL, ball, ball_mesh, box_mesh, torus, tube, voxelize
from tests.solids import shell as hollow_ball


def ring(z=3):
    """A square ring, two voxels thick along z."""
    mask = np.zeros((z + 2, 7, 7), bool)
    mask[1:-1, 1:6, 1:6] = True
    mask[:, 3, 3] = False
    return mask


def shell():
    mask = np.ones((5, 5, 5), bool)
    mask[1:4, 1:4, 1:4] = False
    return mask


def cage():
    """The twelve edges of a cube: five independent tunnels."""
    mask = np.zeros((7, 7, 7), bool)
    mask[1:6, 1:6, 1:6] = True
    for axis in range(3):
        np.moveaxis(mask, axis, 0)[:, 2:5, 2:5] = False
    return mask


SHAPES = {
    "nothing": (np.zeros((3, 4, 5), bool), (0, 0, 0)),
    "no voxel at all": (np.zeros((0, 0, 0), bool), (0, 0, 0)),
    "one voxel": (np.ones((1, 1, 1), bool), (1, 0, 0)),
    "plane": (np.ones((1, 9, 9), bool), (1, 0, 0)),
    "ring": (ring(), (1, 1, 0)),
    "shell": (shell(), (1, 0, 1)),
    "cage": (cage(), (1, 5, 0)),
    "two rings and a shell": (np.concatenate([np.pad(shell(), ((0, 1), (1, 1), (1, 1))), ring(), ring()]), (3, 2, 1)),
    "corner to corner": (np.eye(3, dtype=bool)[:, :, None] & np.eye(3, dtype=bool)[:, None, :], (1, 0, 0)),
    "ball in a shell": (np.pad(np.pad(np.ones((1, 1, 1), bool), 1), 1, constant_values=True), (2, 0, 1)),
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("slab", [1, 60, 1 << 20])
def test_known_shapes_slab_by_slab(monkeypatch, name, slab):
    monkeypatch.setattr(masks, "SLAB_VOXELS", slab)
    mask, expected = SHAPES[name]
    for turned in (mask, mask.transpose(2, 0, 1), mask[::-1]):
        assert count_topology(np.ascontiguousarray(turned)) == Topology(*expected)


@pytest.mark.parametrize("voxel_size", [FIB, SBEM, SERIAL], ids=str)
@pytest.mark.parametrize(("make", "expected"), [(ball, (1, 0, 0)), (tube, (1, 0, 0)), (torus, (1, 1, 0))])
def test_solids_on_any_lattice(make, expected, voxel_size):
    assert count_topology(voxelize(make(), voxel_size).mask) == Topology(*expected)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), st.tuples(*[st.integers(1, 7)] * 3), st.floats(0.1, 0.9), st.integers(1, 150))
def test_random_masks_agree_with_scikit_image(seed, shape, share, slab):
    mask = np.random.default_rng(seed).random(shape) < share
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(masks, "SLAB_VOXELS", slab)
        found = count_topology(mask)
    assert found.pieces == ndimage.label(mask, np.ones((3, 3, 3)))[1]
    assert found.cavities == ndimage.label(~np.pad(mask, 1))[1] - 1
    assert found.euler == euler_number(np.pad(mask, 1), connectivity=3)
    assert found.tunnels >= 0


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 0.97])
@pytest.mark.parametrize("slab", [1, 3000, 1 << 20])
def test_large_random_masks_agree_with_scipy(monkeypatch, share, slab):
    monkeypatch.setattr(masks, "SLAB_VOXELS", slab)
    mask = np.random.default_rng(slab).random((24, 31, 40)) < share
    blots = ndimage.gaussian_filter(mask.astype(float), 1.5, mode="wrap") > share
    for each in (mask, blots, ~blots):
        found = count_topology(each)
        assert found.pieces == ndimage.label(each, np.ones((3, 3, 3)))[1]
        assert found.cavities == ndimage.label(~np.pad(each, 1))[1] - 1
        assert found.euler == euler_number(np.pad(each, 1), connectivity=3)


def test_a_packed_mask_counts_as_the_array(monkeypatch):
    monkeypatch.setattr(masks, "SLAB_VOXELS", 100)
    mask = voxelize(torus(), SBEM).mask
    packed = PackedMask(mask.shape)
    for z, image in enumerate(mask):
        packed.put(z, image)
    assert count_topology(packed) == count_topology(mask) == Topology(1, 1, 0)


def test_a_surface_is_compared_with_the_voxels():
    hollow = merge([ball_mesh(100), ball_mesh(50).reversed()])
    apart = merge([ball_mesh(100), ball_mesh(50, centre=(0, 0, 300))])
    cases = {Topology(1, 0, 0): ball_mesh(100), Topology(1, 0, 1): hollow, Topology(2, 0, 0): apart}
    cases[Topology(0, 0, 0)] = Mesh.empty()
    for topology, mesh in cases.items():
        assert mesh.topology == topology
        for other in {*cases, Topology(1, 1, 0)} - {topology}:
            if other.pieces + other.cavities != topology.pieces + topology.cavities:
                assert mesh.topology != other
    assert ball_mesh(100).topology != Topology(1, 1, 0)


def test_spare_vertices_count_for_nothing():
    mesh = ball_mesh(100)
    assert Mesh(np.concatenate([mesh.vertices, np.zeros((3, 3))]), mesh.faces).topology == Topology(1, 0, 0)


def lattice() -> np.ndarray:
    """A frame of a cube's twelve edges: five tunnels."""
    mask = np.zeros((9, 9, 9), bool)
    for a in (0, 8):
        for b in (0, 8):
            mask[a, b, :] = mask[a, :, b] = mask[:, a, b] = True
    return mask


def two_corners() -> np.ndarray:
    mask = np.zeros((2, 2, 2), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = True
    return mask


def nested() -> np.ndarray:
    """A shell with a ball inside."""
    mask = np.ones((11, 11, 11), bool)
    mask[2:9, 2:9, 2:9] = False
    mask[4:7, 4:7, 4:7] = True
    return mask


KNOWN = [
    (np.zeros((3, 3, 3), bool), Topology(0, 0, 0)),
    (np.zeros((0, 3, 3), bool), Topology(0, 0, 0)),
    (np.ones((1, 1, 1), bool), Topology(1, 0, 0)),
    (voxelize(ball(60), FIB).mask, Topology(1, 0, 0)),
    (voxelize(torus(), FIB).mask, Topology(1, 1, 0)),
    (voxelize(hollow_ball(), FIB).mask, Topology(1, 0, 1)),
    (lattice(), Topology(1, 5, 0)),
    (two_corners(), Topology(1, 0, 0)),
    (nested(), Topology(2, 0, 1)),
]


@pytest.mark.parametrize(("mask", "topology"), KNOWN, ids=[str(k) for k in range(len(KNOWN))])
def test_known_bodies(mask, topology):
    assert count_topology(mask) == topology


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.tuples(*[st.integers(1, 9)] * 3), st.floats(0.1, 0.9), st.integers(1, 400))
def test_any_voxels_as_counted_by_others_whatever_the_slabs(seed, shape, filled, slab_voxels):
    mask = np.random.default_rng(seed).random(shape) < filled
    pieces = ndimage.label(mask, np.ones((3, 3, 3)))[1]
    cavities = ndimage.label(np.pad(~mask, 1, constant_values=True))[1] - 1
    tunnels = pieces + cavities - euler_number(np.pad(mask, 1), connectivity=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(masks, "SLAB_VOXELS", slab_voxels)
        assert count_topology(mask) == Topology(pieces, tunnels, cavities)


def test_meshes_of_known_bodies():
    cavity = ball_mesh(30).reversed()
    assert Mesh.empty().topology == Topology(0, 0, 0)
    assert box_mesh().topology == Topology(1, 0, 0)
    assert merge([ball_mesh(), cavity]).topology == Topology(1, 0, 1)
    assert merge([ball_mesh(), cavity, ball_mesh(10)]).topology == Topology(2, 0, 1)
    assert surface(voxelize(torus(), FIB).mask, voxel_size=FIB).topology == Topology(1, 1, 0)


def test_a_vertex_that_no_face_uses_is_nothing():
    box = box_mesh()
    assert Mesh(np.concatenate([box.vertices, [[9.0, 9.0, 9.0]]]), box.faces).topology == Topology(1, 0, 0)


def test_kept_says_whether_both_agree():
    mask = voxelize(hollow_ball(), FIB).mask
    mesh = surface(mask, voxel_size=FIB)
    assert mesh.topology == count_topology(mask)
    assert mesh.topology != count_topology(ndimage.binary_fill_holes(mask))
