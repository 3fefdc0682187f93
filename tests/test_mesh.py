"""Meshes against the closed forms of a box and a ball."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from famous.errors import InputError
from famous.mesh import Mesh, merge
from tests.solids import ball_mesh, box_mesh


def test_empty_is_a_value():
    mesh = Mesh.empty()
    assert mesh.is_empty
    assert not mesh.is_watertight
    assert mesh.volume_nm3 == 0
    assert mesh.area_nm2 == 0
    assert np.isnan(mesh.bounds).all()
    assert mesh.bounds.shape == (2, 3)
    assert mesh.contains(np.zeros((2, 3))).tolist() == [False, False]
    assert mesh.vertex_normals().shape == (0, 3)
    assert merge([]).is_empty
    assert merge([mesh, mesh]).is_empty


def test_box_has_its_closed_form():
    mesh = box_mesh((2, 3, 4))
    assert mesh.volume_nm3 == pytest.approx(24)
    assert mesh.area_nm2 == pytest.approx(2 * (6 + 8 + 12))
    assert mesh.is_watertight
    assert mesh.bounds.tolist() == [[0, 0, 0], [2, 3, 4]]


def test_ball_has_its_closed_form():
    mesh = ball_mesh(100, rounds=5)
    assert mesh.volume_nm3 == pytest.approx(4 / 3 * np.pi * 1e6, rel=2e-3)
    assert mesh.area_nm2 == pytest.approx(4 * np.pi * 1e4, rel=2e-3)


def test_what_was_found_out_is_kept_when_a_mesh_moves():
    mesh = ball_mesh(100)
    found = mesh.volume_nm3, mesh.area_nm2, mesh.topology, mesh.is_watertight
    moved = mesh.translated((5, 6, 7))
    assert moved.__dict__["topology"] is found[2]
    assert (moved.volume_nm3, moved.area_nm2, moved.topology, moved.is_watertight) == found
    assert moved.middle == pytest.approx(np.add(mesh.middle, [5, 6, 7]))
    (a, _, _) = next(moved.corners())
    assert a.T[0] + moved.middle == pytest.approx(moved.vertices[moved.faces[0, 0]])


@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3))
def test_volume_and_area_do_not_depend_on_the_place(shift):
    box = box_mesh((20, 30, 40)).translated(shift)
    assert box.volume_nm3 == pytest.approx(24000, rel=1e-5)
    assert box.area_nm2 == pytest.approx(5200, rel=1e-5)


def test_volume_is_signed():
    inside_out = box_mesh((2, 3, 4)).reversed()
    assert inside_out.volume_nm3 == pytest.approx(-24)
    assert inside_out.is_watertight
    assert inside_out.outward().volume_nm3 == pytest.approx(24)
    assert box_mesh().outward().faces.tolist() == box_mesh().faces.tolist()


def test_cavity_counts_off():
    shell = merge([ball_mesh(100), ball_mesh(50).reversed()])
    assert shell.volume_nm3 == pytest.approx(ball_mesh(100).volume_nm3 * 7 / 8)
    assert shell.is_watertight
    assert shell.contains(np.array([[0.0, 0, 0], [0, 75, 0], [0, 0, 120]])).tolist() == [False, True, False]


def hole():
    """A box without one of its triangles."""
    box = box_mesh()
    return Mesh(box.vertices, box.faces[1:])


def flipped_face():
    """A box of which one triangle looks inwards."""
    box = box_mesh()
    faces = box.faces.copy()
    faces[0] = faces[0, ::-1]
    return Mesh(box.vertices, faces)


def doubled_face():
    """A box with a triangle and its reverse added: four faces at its edges."""
    box = box_mesh()
    return Mesh(box.vertices, np.concatenate([box.faces, box.faces[:1], box.faces[:1, ::-1]]))


def collapsed_face():
    """A box with a face that uses one vertex twice, each of its edges with its reverse."""
    box = box_mesh()
    return Mesh(box.vertices, np.concatenate([box.faces, [[0, 0, 1]]]))


@pytest.mark.parametrize("broken", [hole, flipped_face, doubled_face, collapsed_face])
def test_watertight_sees_every_fault(broken):
    assert not broken().is_watertight


def test_contains_agrees_with_the_closed_form():
    rng = np.random.default_rng(0)
    centre = np.array([5000.0, -300.0, 80000.0])
    points = rng.uniform(-150, 150, (5000, 3))
    radii = np.linalg.norm(points, axis=1)
    clear = np.abs(radii - 100) > 1
    inside = ball_mesh(100, tuple(centre), rounds=5).contains(points + centre)
    assert np.array_equal(inside[clear], radii[clear] < 100)
    assert 0.1 < inside.mean() < 0.2


def test_signed_distance_is_in_nm_and_above_0_inside():
    mesh = box_mesh((100, 200, 300))
    points = np.array([[50, 100, 150], [50, 100, 310], [-5, 100, 100]], dtype=float)
    assert mesh.signed_distance(points) == pytest.approx([50, -10, -5], abs=1e-3)
    assert mesh.signed_distance(np.zeros((0, 3))).shape == (0,)


def test_distance_is_in_nm_on_both_sides_and_needs_no_closed_surface():
    box = box_mesh((100, 200, 300))
    points = np.array([[50, 100, 150], [50, 100, 310], [-5, 100, 100]], dtype=float)
    assert box.distance(points) == pytest.approx([50, 10, 5], abs=1e-3)
    triangle = Mesh(np.array([[0, 0, 0], [0, 0, 9], [0, 9, 0]], dtype=float), np.array([[0, 1, 2]]))
    assert triangle.distance(np.array([[4, 1, 1], [-4, 1, 1], [0, 0, -2]])) == pytest.approx([4, 4, 2], abs=1e-5)
    assert box.distance(np.zeros((0, 3))).shape == (0,)
    assert Mesh.empty().distance(points).tolist() == [np.inf] * 3


def test_normals_point_outwards():
    mesh = ball_mesh(100, (10, 20, 30))
    expected = (mesh.vertices - (10, 20, 30)) / 100
    assert np.abs(mesh.vertex_normals() - expected).max() < 0.05
    assert np.linalg.norm(mesh.vertex_normals(), axis=1) == pytest.approx(1)


def test_a_vertex_without_a_face_has_no_normal():
    box = box_mesh()
    mesh = Mesh(np.concatenate([box.vertices, [[9, 9, 9]]]), box.faces)
    assert mesh.vertex_normals()[-1].tolist() == [0, 0, 0]


def test_merge_keeps_parts_apart():
    both = merge([box_mesh((1, 1, 1)), Mesh.empty(), box_mesh((2, 2, 2)).translated((10, 0, 0))])
    assert both.volume_nm3 == pytest.approx(9)
    assert both.is_watertight
    assert len(both.vertices) == 16


def test_the_callers_arrays_stay_his():
    vertices, faces = box_mesh().vertices.astype(np.float32), box_mesh().faces.astype(np.int32)
    mesh = Mesh(vertices, faces)
    assert mesh.vertices.dtype == np.float64
    assert mesh.faces.dtype == np.int64
    mesh.translated((1, 1, 1))
    assert vertices.min() == 0


@pytest.mark.parametrize(
    ("vertices", "faces", "named"),
    [
        (np.zeros((3, 2)), np.zeros((1, 3)), r"vertices of shape \(3, 2\)"),
        (np.zeros((3, 3)), np.zeros((1, 4)), r"faces of shape \(1, 4\)"),
        (np.full((3, 3), np.nan), np.array([[0, 1, 2]]), "not finite"),
        (np.zeros((3, 3)), np.array([[0, 1, 3]]), "vertex 3, expected 0 … 2"),
        (np.zeros((3, 3)), np.array([[0, 1, -1]]), "expected 0 … 2"),
        (np.zeros((0, 3)), np.array([[0, 1, 2]]), "mesh"),
    ],
)
def test_broken_arrays_are_named(vertices, faces, named):
    with pytest.raises(InputError, match=named):
        Mesh(vertices, faces)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_volume_of_a_tetrahedron(seed):
    corners = np.random.default_rng(seed).uniform(-100, 100, (4, 3))
    mesh = Mesh(corners, np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]])).outward()
    assert mesh.volume_nm3 == pytest.approx(abs(np.linalg.det(corners[1:] - corners[0])) / 6, abs=1e-6)
    assert mesh.is_watertight


@pytest.mark.parametrize("faces", [1, 5, 1000])
def test_sizes_are_summed_up_over_parts(monkeypatch, faces):
    monkeypatch.setattr("famous.mesh.FACES", faces)
    mesh = merge([box_mesh((2, 3, 4)).translated((1e5, 0, 0)), box_mesh((1, 1, 2)).reversed()])
    assert mesh.volume_nm3 == pytest.approx(24 - 2)
    assert mesh.area_nm2 == pytest.approx(2 * (6 + 8 + 12) + 2 * (1 + 2 + 2))


@pytest.mark.parametrize("faces", [0, 1, 30, 300, 3000])
def test_parts_are_those_of_the_graph_of_edges(faces):
    rng = np.random.default_rng(faces)
    mesh = Mesh(rng.random((900, 3)), rng.integers(0, 900, (faces, 3)))
    start, end = mesh.faces.ravel(), np.roll(mesh.faces, -1, axis=1).ravel()
    count, part = connected_components(coo_array((np.ones(len(start)), (start, end)), shape=(900, 900)), directed=False)
    parts, found = mesh._parts()
    assert parts == count == len(set(zip(part.tolist(), found.tolist(), strict=True)))
