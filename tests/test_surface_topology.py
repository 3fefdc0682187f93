"""Betti numbers of voxels and of meshes against bodies whose numbers are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import euler_number

from famous import masks
from famous.mesh import Mesh, merge
from famous.surface.isosurface import surface
from famous.surface.topology import Betti, kept, mesh_betti, voxel_betti
from tests.solids import FIB, ball, ball_mesh, box_mesh, shell, torus, voxelize


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
    (np.zeros((3, 3, 3), bool), Betti(0, 0, 0)),
    (np.zeros((0, 3, 3), bool), Betti(0, 0, 0)),
    (np.ones((1, 1, 1), bool), Betti(1, 0, 0)),
    (voxelize(ball(60), FIB).mask, Betti(1, 0, 0)),
    (voxelize(torus(), FIB).mask, Betti(1, 1, 0)),
    (voxelize(shell(), FIB).mask, Betti(1, 0, 1)),
    (lattice(), Betti(1, 5, 0)),
    (two_corners(), Betti(1, 0, 0)),
    (nested(), Betti(2, 0, 1)),
]


@pytest.mark.parametrize(("mask", "betti"), KNOWN, ids=[str(k) for k in range(len(KNOWN))])
def test_known_bodies(mask, betti):
    assert voxel_betti(mask) == betti


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.tuples(*[st.integers(1, 9)] * 3), st.floats(0.1, 0.9), st.integers(1, 400))
def test_any_voxels_as_counted_by_others_whatever_the_slabs(seed, shape, filled, slab_voxels):
    mask = np.random.default_rng(seed).random(shape) < filled
    pieces = ndimage.label(mask, np.ones((3, 3, 3)))[1]
    cavities = ndimage.label(np.pad(~mask, 1, constant_values=True))[1] - 1
    tunnels = pieces + cavities - euler_number(np.pad(mask, 1), connectivity=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(masks, "SLAB_VOXELS", slab_voxels)
        assert voxel_betti(mask) == Betti(pieces, tunnels, cavities)


def test_meshes_of_known_bodies():
    cavity = ball_mesh(30).reversed()
    assert mesh_betti(Mesh.empty()) == Betti(0, 0, 0)
    assert mesh_betti(box_mesh()) == Betti(1, 0, 0)
    assert mesh_betti(merge([ball_mesh(), cavity])) == Betti(1, 0, 1)
    assert mesh_betti(merge([ball_mesh(), cavity, ball_mesh(10)])) == Betti(2, 0, 1)
    assert mesh_betti(surface(voxelize(torus(), FIB).mask, voxel_size=FIB)) == Betti(1, 1, 0)


def test_a_vertex_that_no_face_uses_is_nothing():
    box = box_mesh()
    assert mesh_betti(Mesh(np.concatenate([box.vertices, [[9.0, 9.0, 9.0]]]), box.faces)) == Betti(1, 0, 0)


def test_kept_says_whether_both_agree():
    mask = voxelize(shell(), FIB).mask
    mesh = surface(mask, voxel_size=FIB)
    assert kept(mask, mesh)
    assert not kept(ndimage.binary_fill_holes(mask), mesh)
