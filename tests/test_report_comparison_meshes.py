"""Meshes on their way into the page: packed, and read back as its script does."""

import base64
import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from famous.errors import MissingError
from famous.mesh import Mesh
from famous.report import comparison_meshes
from famous.report.comparison_meshes import STEPS, Packed, pack, still, three_js
from tests.comparisons import ball, cell, meshes


def unpack(packed: Packed) -> list[tuple[NDArray[np.float64], NDArray[np.int64]]]:
    """Corners in nm and faces of each object."""
    data = gzip.decompress(base64.b64decode(packed.data))
    corners, faces = (sum(row[place] for row in packed.objects) for place in (3, 4))
    places = join(data[: 6 * corners], corners, np.dtype("<u2"))
    indices = join(data[6 * corners :], faces, np.dtype("<u4" if packed.wide else "<u2"))
    found, corner, face = [], 0, 0
    for *_, vertices, triangles in packed.objects:
        nm = np.array(packed.origin_nm) + packed.step_nm * places[corner : corner + vertices]
        found.append((nm, indices[face : face + triangles].astype(np.int64)))
        corner, face = corner + vertices, face + triangles
    return found


def join(data: bytes, rows: int, kind: np.dtype) -> NDArray[np.int64]:
    planes = np.frombuffer(data, np.uint8).reshape(3, kind.itemsize, rows)
    changes = np.ascontiguousarray(planes.transpose(0, 2, 1)).view(kind)[..., 0]
    return np.cumsum(changes, axis=1, dtype=kind).T.astype(np.int64)


def test_what_is_packed_comes_back() -> None:
    listed = meshes(cell())
    packed = pack(listed)
    assert [row[:3] for row in packed.objects] == [entry[:3] for entry in listed]
    for (*_, mesh), (vertices, faces) in zip(listed, unpack(packed), strict=True):
        assert np.abs(mesh.vertices - vertices).max() <= 0.51 * packed.step_nm
        assert np.array_equal(mesh.faces, faces)
    assert not packed.wide
    assert packed.about()["objects"] == packed.objects


def test_the_step_is_the_longest_edge_over_16_bits() -> None:
    packed = pack([("a", "b", 1, ball((0, 0, 0), (10, 20, 40)))])
    assert packed.step_nm == pytest.approx(80 / STEPS, rel=0.04)


def test_many_corners_take_wide_faces() -> None:
    n = 70_000
    vertices = np.random.default_rng(0).uniform(0, 100, (n, 3))
    mesh = Mesh(vertices, np.array([[0, 1, n - 1], [n - 1, n - 2, n - 3]]))
    packed = pack([("a", "b", 1, mesh)])
    assert packed.wide
    assert np.array_equal(unpack(packed)[0][1], mesh.faces)


@given(st.lists(st.tuples(st.floats(-1e5, 1e5), st.floats(1, 1e4)), min_size=1, max_size=4))
def test_any_balls_come_back(balls: list[tuple[float, float]]) -> None:
    listed = [("a", "b", k, ball((at, -at, 2 * at), (r, 2 * r, r), 4)) for k, (at, r) in enumerate(balls)]
    packed = pack(listed)
    for (*_, mesh), (vertices, faces) in zip(listed, unpack(packed), strict=True):
        assert np.abs(mesh.vertices - vertices).max() <= 0.51 * packed.step_nm
        assert np.array_equal(mesh.faces, faces)


def test_no_meshes_and_empty_ones() -> None:
    assert pack([]).objects == []
    assert pack([("a", "b", 1, Mesh.empty())]).data == ""


def test_the_same_meshes_give_the_same_text() -> None:
    data = pack(meshes(cell())).data
    assert data == pack(meshes(cell())).data
    for packed in (data, three_js()):
        assert base64.b64decode(packed[:16])[4:8] == bytes(4), "no time of day in gzip's head"


def test_a_thousand_objects_of_three_sources_fit_in_a_mail() -> None:
    rough = np.random.default_rng(0)
    mesh = ball((0, 0, 0), (300, 200, 200), 10)
    listed = []
    for number in range(60):
        bumpy = Mesh(mesh.vertices * rough.normal(1, 0.03, (len(mesh.vertices), 1)) + 400 * number, mesh.faces)
        listed.append(("a", "b", number, bumpy))
    assert len(pack(listed).data) / 60 * 3000 < 12e6, f"{len(mesh.faces)} faces each"


def test_the_script_defines_three_and_starts_nothing() -> None:
    script = gzip.decompress(base64.b64decode(three_js())).decode()
    assert script.startswith("/**\n * @license")
    assert "THREE.TrackballControls=" in script
    assert "init()" not in script[-200:]
    assert "</script" not in script


def test_another_viewer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from trimesh.viewer import notebook

    monkeypatch.setattr(notebook, "scene_to_html", lambda _: "<html><script type=module>import three</script>")
    with pytest.raises(MissingError, match="trimesh"):
        comparison_meshes.three_js()


def test_a_still_is_a_picture_on_white() -> None:
    picture = still([(ball((50, 50, 50), (30, 30, 30)), "#009e73")], extent_nm=(100, 100, 100), size_px=(80, 60))
    assert picture.shape == (60, 80, 3)
    assert (picture[0, 0] == 255).all()
    assert (picture[..., 1].astype(int) - picture[..., 0] > 40).mean() > 0.02
