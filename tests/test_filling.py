"""Surfaces as voxels, against closed forms, ray casting and brute force; rows that touch vertices and edges."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from famous.filling import Filling, closed, contains, cut_faces, joined, rims, split_surfaces
from famous.mesh import Mesh, merge
from tests.solids import ball_mesh, box_mesh


def fill(mesh, shape):
    filling = Filling(mesh.vertices, mesh.faces, shape)
    image = np.zeros(shape, bool)
    for z in filling.slices:
        rows, columns, inside = filling.cut(z)
        image[z, rows, columns] = inside
    return image


def test_a_box_whose_walls_lie_on_voxel_centres_is_filled_once():
    """Half-open: of two boxes side by side, each voxel belongs to one."""
    one = box_mesh((4.0, 5.0, 6.0)).translated((2, 3, 4))
    two = one.translated((4, 0, 0))
    three = one.translated((0, 5, 0))
    four = one.translated((0, 0, 6))
    total = sum(fill(mesh, (14, 16, 20)).astype(int) for mesh in (one, two, three, four))
    assert total.max() == 1
    assert total.sum() == 4 * 4 * 5 * 6


@pytest.mark.parametrize("shift", [(0.0, 0.0, 0.0), (0.3, 0.7, 0.1), (-0.5, 0.5, 0.25)])
def test_a_ball_has_its_volume_and_the_voxels_that_rays_say(shift):
    mesh = ball_mesh(9.0, (12.0, 13.0, 14.0)).translated(shift)
    image = fill(mesh, (26, 28, 30))
    assert image.sum() == pytest.approx(mesh.volume_nm3, rel=0.03)
    points = np.argwhere(np.ones(image.shape, bool)).astype(float)
    distance = np.linalg.norm(points - (np.array((12.0, 13, 14)) + shift), axis=1)
    clear = np.abs(distance - 9) > 0.1  # where the ball and its mesh agree
    assert np.array_equal(image.ravel()[clear], (distance < 9)[clear])


def test_it_is_cut_at_the_edges_of_the_grid():
    mesh = ball_mesh(9.0, (2.0, 3.0, 4.0))
    whole = fill(mesh.translated((10, 10, 10)), (30, 30, 30))
    assert np.array_equal(fill(mesh, (6, 7, 8)), whole[10:16, 10:17, 10:18])
    assert not fill(mesh.translated((100, 0, 0)), (6, 7, 8)).any()
    assert not fill(mesh.translated((0, -100, 0)), (6, 7, 8)).any()
    assert not fill(mesh.translated((0, 0, 100)), (6, 7, 8)).any()
    assert not fill(mesh.translated((0, 0, 1e300)), (6, 7, 8)).any()


def test_the_way_that_faces_turn_does_not_matter():
    mesh = ball_mesh(7.0, (8, 8, 8))
    mixed = mesh.faces.copy()
    mixed[::2] = mixed[::2, ::-1]
    assert np.array_equal(fill(Mesh(mesh.vertices, mixed), (17, 17, 17)), fill(mesh, (17, 17, 17)))


def test_nothing():
    assert not fill(Mesh.empty(), (3, 3, 3)).any()
    assert split_surfaces(Mesh.empty()) == []
    assert rims(Mesh.empty()) == []


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_any_closed_surface_has_an_even_number_of_crossings(seed, whole_numbers):
    """Random tetrahedra, also with corners on voxel centres: no row leaks to the edge of its box."""
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 9, (4, 3)).astype(float) if whole_numbers else rng.uniform(0, 9, (4, 3))
    mesh = Mesh(corners, np.array(list(itertools.combinations(range(4), 3))))
    image = fill(mesh, (10, 10, 11))
    assert not image[:, :, 10].any()
    volume = abs(np.linalg.det(corners[1:] - corners[0])) / 6
    if volume < 1e-9:
        assert not image.any()
        return
    points = np.argwhere(np.ones(image.shape, bool)).astype(float)
    parts = np.linalg.solve((corners[1:] - corners[0]).T, (points - corners[0]).T)
    parts = np.vstack([parts, 1 - parts.sum(axis=0)])
    inside, outside = (parts > 1e-9).all(axis=0), (parts < -1e-9).any(axis=0)
    assert image.ravel()[inside].all()
    assert not image.ravel()[outside].any()
    for point, value, clear in zip(points[::37], image.ravel()[::37], (inside | outside)[::37], strict=True):
        if clear:
            assert contains(mesh.vertices, mesh.faces, point) == value


@settings(max_examples=30, deadline=None)
@given(st.floats(-8.9, 8.9), st.integers(0, 2**32 - 1))
def test_neighbours_cut_their_edge_at_one_place_to_the_last_bit(z, seed):
    mesh = ball_mesh(9.0, tuple(np.random.default_rng(seed).uniform(0, 0.01, 3)), rounds=2)
    ends = cut_faces(mesh.vertices, mesh.faces, z).reshape(-1, 2)
    assert (np.unique(ends, axis=0, return_counts=True)[1] % 2 == 0).all()


def test_a_cavity_belongs_to_what_is_round_it():
    outer, inner, core = (ball_mesh(radius, (10, 10, 10)) for radius in (9.0, 6.0, 3.0))
    aside = ball_mesh(4.0, (10, 10, 30))
    objects = split_surfaces(merge([outer, inner.reversed(), core, aside]))
    assert len(objects) == 3
    sizes = sorted(int(fill(mesh, (21, 21, 40)).sum()) for mesh in objects)
    alone = [int(fill(mesh, (21, 21, 40)).sum()) for mesh in (core, aside, outer, inner)]
    assert sizes == sorted([alone[0], alone[1], alone[2] - alone[3]])


def test_vertices_at_one_place_are_joined():
    mesh = ball_mesh(5.0, (6, 6, 6))
    soup = Mesh(mesh.vertices[mesh.faces.ravel()], np.arange(mesh.faces.size).reshape(-1, 3))
    assert len(rims(soup)) == len(mesh.faces)
    whole = joined(merge([soup, soup]))
    assert len(whole.vertices) == len(mesh.vertices)
    assert len(whole.faces) == len(mesh.faces)
    assert rims(whole) == []
    assert np.array_equal(fill(whole, (13, 13, 13)), fill(mesh, (13, 13, 13)))


def test_holes_are_found_and_closed():
    mesh = ball_mesh(9.0, (10, 10, 10))
    lost = [5, 2000]
    torn = Mesh(mesh.vertices, np.delete(mesh.faces, lost, axis=0))
    holes = rims(torn)
    assert [len(rim) for rim in holes] == [3, 3]
    whole, share = closed(torn, holes)
    assert rims(whole) == []
    assert share == pytest.approx(2 / len(mesh.faces), rel=0.5)
    assert np.array_equal(fill(whole, (21, 21, 21)), fill(mesh, (21, 21, 21)))
