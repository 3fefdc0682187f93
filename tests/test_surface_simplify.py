"""Simplified surfaces: within the error, and still surfaces."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from famous.errors import InputError
from famous.mesh import Mesh, Ruler, merge
from famous.surface import simplify as module
from famous.surface.isosurface import IsosurfaceParams, surface
from famous.surface.simplify import collapse, error_nm, simplify
from famous.surface.untangle import crossing_faces
from tests.solids import FIB, ball_mesh, box_mesh, dumbbell, shell, torus, voxelize


def distance(one: Mesh, other: Mesh, seed: int = 0) -> float:
    """Largest distance of random points on one surface to the other, by other points than the code under test."""
    corners = one.vertices[one.faces]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    rng = np.random.default_rng(seed)
    chosen, shares = rng.choice(len(areas), 20_000, p=areas / areas.sum()), rng.dirichlet((1, 1, 1), 20_000)
    return float(np.abs(other.signed_distance(np.einsum("nk,nkd->nd", shares, corners[chosen]))).max())


@pytest.mark.parametrize("solid", [torus, dumbbell, shell])
def test_the_error_is_kept_and_so_is_everything_else(solid):
    mesh = surface(voxelize(solid(), FIB).mask, voxel_size=FIB)
    few = len(mesh.faces)
    for error in (1.0, 4.0):
        simple = simplify(mesh, error)
        assert len(simple.faces) < few / 2
        assert max(distance(simple, mesh), distance(mesh, simple)) <= error
        assert simple.is_watertight
        assert simple.topology == mesh.topology
        assert len(crossing_faces(simple)) == 0
        assert simple.volume_nm3 == pytest.approx(mesh.volume_nm3, rel=0.003)
        few = len(simple.faces)


def test_a_box_needs_few_faces():
    mesh = surface(np.ones((20, 20, 20), bool), voxel_size=FIB, params=IsosurfaceParams(max_error_nm=8.0))
    assert mesh.is_watertight
    assert len(mesh.faces) < 300


def test_no_error_no_change():
    mesh = ball_mesh()
    assert simplify(mesh, 0.0) is mesh
    assert simplify(Mesh.empty(), 5.0).is_empty
    assert simplify(box_mesh(), 5.0).faces.shape == (12, 3)


@pytest.mark.parametrize("error", [-1.0, float("nan")])
def test_wrong_errors_are_named(error):
    with pytest.raises(InputError, match="maximum error"):
        simplify(ball_mesh(), error)


def test_what_was_looked_at_roughly_is_looked_at_closely_before_it_is_taken(monkeypatch):
    mesh = ball_mesh()
    rough = simplify(mesh, 2.0)
    assert len(rough.faces) < len(mesh.faces) / 2
    measured = module._error_nm

    def hard_on_the_coarsest(one, other, *, allowed, finest=module.CLOSELY):
        is_hard = finest == module.CLOSELY and len(one.mesh.faces) <= len(rough.faces)
        return np.inf if is_hard else measured(one, other, allowed=allowed, finest=finest)

    monkeypatch.setattr(module, "_error_nm", hard_on_the_coarsest)
    careful = simplify(mesh, 2.0)
    assert len(rough.faces) < len(careful.faces) < len(mesh.faces)
    monkeypatch.setattr(module, "_error_nm", lambda one, other, *, allowed, finest=0: 0.0 if finest else 99.0)
    assert simplify(mesh, 2.0) is mesh


def test_the_error_of_two_balls_is_what_parts_them():
    assert error_nm(ball_mesh(100), ball_mesh(110)) == pytest.approx(10, abs=0.5)
    lonely = merge([ball_mesh(100), ball_mesh(10, centre=(0, 0, 300))])
    assert error_nm(ball_mesh(100), lonely) == error_nm(lonely, ball_mesh(100)) == pytest.approx(210, abs=1)


@pytest.mark.parametrize("place", [0, 1, 5, 17])
def test_one_place_that_stands_out_of_a_large_face_is_found(place):
    """The plate has two large faces; the other surface has a small spike somewhere on one of them."""
    plate, spike = box_mesh((10, 400, 400)), box_mesh((30, 8, 8)).translated((0, 40 + 19 * place, 300 - 13 * place))
    both = merge([plate, spike])
    assert error_nm(plate, both) == error_nm(both, plate) == pytest.approx(20, abs=0.01)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.2, 60), st.integers(0, 2**32 - 1))
def test_an_error_is_more_than_allowed_whether_or_not_that_was_asked(allowed, seed):
    rng = np.random.default_rng(seed)
    one = ball_mesh(100)
    other = Mesh(one.vertices + rng.normal(0, rng.uniform(0, 20), one.vertices.shape), one.faces)
    other = merge([collapse(other, 60), box_mesh().translated(rng.uniform(-60, 60, 3))])
    whole = error_nm(one, other)
    assert whole >= max(distance(one, other), distance(other, one)) - 0.5
    told = module._error_nm(Ruler(one), Ruler(other), allowed=allowed)
    assert (told > allowed) == (whole > allowed)
    assert told <= whole + 1e-3


TENT = Mesh(
    np.array([[0, 0, 0], [0, 0, 300], [0, 300, 0], [-90, 100, 100]], dtype=float),
    np.array([[0, 1, 3], [1, 2, 3], [2, 0, 3]]),
)


def test_the_farthest_point_inside_a_face_is_found():
    """The corners of the ground lie on the tent; farthest from its sides is a place below the apex."""
    ground = Mesh(TENT.vertices[:3], np.array([[0, 1, 2]]))
    weights = np.stack(np.meshgrid(*[np.linspace(0, 1, 301)] * 2), axis=-1).reshape(-1, 2)
    weights = weights[weights.sum(axis=1) <= 1]
    dense = float(TENT.distance(np.column_stack([np.zeros(len(weights)), 300 * weights])).max())
    assert dense > 50
    least = 0.5
    assert dense - 0.01 <= module._farthest(ground, Ruler(TENT), 0.0, least) <= dense + 1
    assert module._farthest(ground, Ruler(TENT), dense + 1.5, least) <= dense + 0.01
    assert module._farthest(ground, Ruler(TENT), dense - 1.5, least) > dense - 1.5
    assert module._farthest(ground, Ruler(TENT), 0.9 * dense, least) > 0.9 * dense


@pytest.mark.parametrize(("y", "x"), [(30, 240), (61, 47), (150, 100), (20, 22), (95, 160), (200, 40), (33, 133)])
def test_a_place_anywhere_in_a_large_face_is_found_by_cutting(y, x):
    """The other surface has a narrow shaft there; only what is above its middle is far from its wall and its ground."""
    face = Mesh(TENT.vertices[:3], np.array([[0, 1, 2]]))
    sheet = Ruler(grid(lambda rows, columns: -40.0 * (np.hypot(rows - y, columns - x) < 12)))
    assert 5 < module._farthest(face, sheet, 5.0, 1.0) < 16
    assert module._farthest(face, sheet, 20.0, 1.0) < 16


def grid(height) -> Mesh:
    """A fine sheet over the ground at the height that (y, x) have."""
    line = np.arange(0, 301, 3.0)
    y, x = np.meshgrid(line, line, indexing="ij")
    number = np.arange(y.size).reshape(y.shape)
    a, b, c, d = (part.ravel() for part in (number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]))
    faces = np.concatenate([np.stack([a, b, c], axis=1), np.stack([b, d, c], axis=1)])
    return Mesh(np.stack([height(y, x).ravel(), y.ravel(), x.ravel()], axis=1), faces)


def test_faces_without_an_area_are_not_cut_for_ever():
    line = Mesh(np.array([[0, 0, 0], [0, 0, 10], [0, 0, 30]], dtype=float), np.array([[0, 1, 2]]))
    assert error_nm(line, line.translated((5, 0, 0))) == pytest.approx(5)


def test_triangles_are_cut_into_pieces_that_cover_them():
    triangles = np.random.default_rng(3).uniform(0, 50, (40, 3, 3)) * [[[1, 1, 9]]]
    radii = np.linspace(1, 80, 40)
    for one, radius in zip(triangles, radii, strict=True):
        pieces = module._cut(one[None], np.array([radius]))
        area = [
            np.linalg.norm(np.cross(t[:, 1] - t[:, 0], t[:, 2] - t[:, 0]), axis=1).sum() for t in (pieces, one[None])
        ]
        assert area[0] == pytest.approx(area[1])
        assert len(pieces) > 1
        shares = np.linalg.lstsq(one.T, pieces.reshape(-1, 3).T, rcond=None)[0]
        assert shares.min() >= -1e-9
        assert shares.sum(axis=0) == pytest.approx(1)
        assert len(pieces) == 2 or module._radii(pieces).max() <= radius


def test_crossing_faces_are_found():
    assert len(crossing_faces(Mesh.empty())) == 0
    assert len(crossing_faces(ball_mesh())) == 0
    apart = merge([ball_mesh(100), ball_mesh(100, centre=(0, 0, 210))])
    assert len(crossing_faces(apart)) == 0
    through = merge([ball_mesh(100), ball_mesh(100, centre=(3, 7, 150))])
    assert len(crossing_faces(through)) > 20


def test_a_collapse_that_goes_wrong_is_not_taken(monkeypatch):
    mesh = ball_mesh()
    pillow = Mesh(np.eye(3) * 100, np.array([[0, 1, 2], [2, 1, 0]]))
    touching = merge([ball_mesh(100, rounds=2), ball_mesh(60, centre=(0, 0, 60), rounds=2)])
    for wrong in (Mesh.empty(), Mesh(mesh.vertices, mesh.faces[1:]), merge([mesh, pillow]), touching):
        monkeypatch.setattr(module, "collapse", lambda _mesh, _number, wrong=wrong: wrong)
        assert simplify(mesh, 50.0) is mesh


def test_a_few_folds_of_the_collapse_do_not_stop_the_search(monkeypatch):
    """Two neighbours that changed places are drawn apart, and the mesh is taken if that is near enough."""
    mesh, whole = ball_mesh(), module.collapse

    def folded(one, number):
        fewer = whole(one, number)
        vertices = fewer.vertices.copy()
        vertices[fewer.faces[0, :2]] = vertices[fewer.faces[0, 1::-1]]
        return Mesh(vertices, fewer.faces)

    assert len(crossing_faces(folded(mesh, 200))) > 0
    monkeypatch.setattr(module, "collapse", folded)
    simple = simplify(mesh, 40.0)
    assert len(simple.faces) < len(mesh.faces) / 2
    assert len(crossing_faces(simple)) == 0
    assert distance(simple, mesh) <= 40


def test_two_tetrahedra_that_share_a_corner_are_no_manifold():
    corner = box_mesh((1, 1, 1))
    far = Mesh(-corner.vertices, corner.faces[:, ::-1])
    shared = np.array([0, *range(8, 15)])
    joined = Mesh(
        np.concatenate([corner.vertices, far.vertices[1:]]), np.concatenate([corner.faces, shared[far.faces]])
    )
    assert joined.is_watertight
    assert not module._fans_are_single(joined)
    assert module._fans_are_single(corner)


def test_the_collapse_gives_the_number_and_keeps_the_volume():
    mesh = ball_mesh()
    fewer = collapse(mesh, 200)
    assert len(fewer.faces) <= 200
    assert fewer.volume_nm3 == pytest.approx(mesh.volume_nm3, rel=1e-3)


@settings(max_examples=15, deadline=None)
@example(75354, 4.0)  # its worst point lies between few
@given(st.integers(0, 2**32 - 1), st.sampled_from([1.0, 4.0, 30.0]))
def test_any_blob_stays_a_surface_of_its_kind(seed, error):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).random((14, 14, 14)), 1.5)
    mesh = surface(noise > np.quantile(noise, 0.7), voxel_size=FIB)
    simple = simplify(mesh, error)
    assert simple.is_watertight
    assert simple.topology == mesh.topology
    assert max(distance(simple, mesh), distance(mesh, simple)) <= error
    assert len(crossing_faces(simple)) == 0
