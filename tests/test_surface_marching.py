"""Marching cubes slab by slab against skimage's, which knows no slabs."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import marching_cubes

from famous.mesh import Mesh
from famous.surface.marching import KINDS, Slab, _table, march


def noise(seed, shape=(9, 8, 11)):
    """A field of independent values 0 … 1 with a border of zeros: every case of the table occurs."""
    return np.pad(np.random.default_rng(seed).random(shape).astype(np.float32), 1)


def cut_up(field, *planes):
    """Slabs that end at these planes."""
    ends = [0, *planes, len(field) - 1]
    return [Slab(low, field[low : high + 1]) for low, high in itertools.pairwise(ends)]


def join(pieces):
    pieces = list(pieces)
    faces = np.concatenate([piece.faces for piece in pieces])
    return Mesh(np.concatenate([piece.vertices for piece in pieces]), faces.astype(np.int64))


def as_set(vertices, faces):
    """Triangles by their corners, each begun at its smallest, in one order."""
    corners = np.rint(vertices * 4096).astype(int)[faces].tolist()
    return sorted(min(t[k:] + t[:k] for k in range(3)) for t in corners)


@pytest.mark.parametrize("level", [0.2, 0.5, 0.8])
def test_the_triangles_are_those_of_skimage(level):
    for seed in range(5):
        field = noise(seed)
        height = field - np.float32(level)
        near = np.abs(height) < 0.05
        height[near] = np.where(height[near] > 0, np.float32(0.05), -np.float32(0.05))
        vertices, faces, _, _ = marching_cubes(-height, 0.0, method="lorensen", allow_degenerate=True)
        mesh = join(march([Slab(0, field)], level, apart=0.05))
        assert len(mesh.vertices) == len(vertices)
        assert np.abs(np.sort(mesh.vertices, axis=0) - np.sort(vertices, axis=0)).max() < 1e-5
        steady = np.rint(mesh.vertices * 512) / 512, np.rint(vertices.astype(float) * 512) / 512
        ours, theirs = as_set(steady[0], mesh.faces), as_set(steady[1], faces)
        assert len(ours) == len(theirs)
        assert sum(a == b for a, b in zip(ours, theirs, strict=True)) > 0.98 * len(ours)  # the rest round otherwise


@given(st.integers(0, 999), st.sets(st.integers(1, 9)), st.sampled_from([0.3, 0.5, 0.9, 2.0]))
def test_slabs_leave_no_trace(seed, planes, level):
    field = noise(seed)
    whole, parts = (list(march(slabs, level, apart=0.01)) for slabs in (cut_up(field), cut_up(field, *sorted(planes))))
    one, many = join(whole), join(parts)
    assert np.array_equal(one.vertices, many.vertices)
    assert np.array_equal(one.faces, many.faces)
    assert sum(part.volume for part in parts) == pytest.approx(whole[0].volume, abs=1e-9)
    assert whole[0].volume == pytest.approx(one.volume_nm3, abs=1e-9)
    assert one.is_watertight == (level < 1)


def test_a_ball_has_its_volume_and_looks_outwards():
    z, y, x = np.indices((23, 23, 23)) - 11.0
    field = (10 - np.sqrt(z**2 + y**2 + x**2)).clip(-1, None).astype(np.float32)
    mesh = join(march(cut_up(field, 4, 11, 12), 2.0, apart=0.0))
    assert mesh.volume_nm3 == pytest.approx(4 / 3 * np.pi * 8**3, rel=0.01)
    assert np.abs(np.linalg.norm(mesh.vertices - 11, axis=1) - 8).max() < 0.05


@settings(max_examples=30)
@given(st.integers(0, 999))
def test_it_closes_where_values_equal_the_level(seed):
    levels = np.pad(np.random.default_rng(seed).integers(0, 5, (9, 9, 9)), 1).astype(np.float32)
    assert join(march(cut_up(levels, 5), 2.0, apart=0.01)).is_watertight


def test_a_field_below_the_level_gives_nothing():
    pieces = list(march([Slab(0, np.zeros((4, 4, 4), np.float32))], 0.5, apart=0.01))
    assert [len(piece.faces) for piece in pieces] == [0]


def sides_of(edge):
    """The two faces of the unit cell, (axis, side), that an edge (z, y, x, kind) lies in."""
    *point, kind = edge
    return {(axis, point[axis]) for axis in range(3) if axis != KINDS[kind]}


def segments(case):
    """Directed edges of a case's triangles that lie in a face of the cell, by face, after what must hold within it."""
    first, triangles = _table()
    edges = []
    for a, b, c in triangles[first[case] : first[case + 1]].tolist():
        edges += [(tuple(u), tuple(v)) for u, v in ((a, b), (b, c), (c, a))]
    assert len(set(edges)) == len(edges)
    found = {}
    for start, end in edges:
        shared = sides_of(start) & sides_of(end)
        if (end, start) in edges:
            assert not shared  # or a cell beside it could have the same edge
        else:
            (side,) = shared
            found.setdefault(side, set()).add((start, end))
    return found


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_every_case_closes_against_every_case_beside_it(axis):
    """What a cell leaves open in a face depends on the four corners there alone, and the cell beyond turns it round."""
    left = {0: {}, 1: {}}  # side → corners of the face → what cells with those corners leave open there
    for case in range(256):
        corners = np.array([case >> bit & 1 for bit in range(8)]).reshape(2, 2, 2)
        for side in (0, 1):
            moved = [
                tuple(tuple(0 if at == axis else value for at, value in enumerate(end)) for end in way)
                for way in segments(case).get((axis, side), ())
            ]
            left[side].setdefault(np.take(corners, side, axis=axis).tobytes(), set()).add(frozenset(moved))
    assert len(left[0]) == len(left[1]) == 16
    for face, (here,) in left[0].items():
        (beyond,) = left[1][face]
        assert {(end, start) for start, end in here} == beyond
