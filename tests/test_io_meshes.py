"""Mesh files: read back by others, deterministic, and a broken one is named."""

import contextlib
import json

import numpy as np
import pytest
import trimesh
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from famous.errors import InputError
from famous.io import meshes
from famous.io.meshes import SUFFIXES, read_mesh, write_material, write_mesh, write_side_car
from famous.mesh import Mesh, merge
from famous.surface.isosurface import surface
from tests.solids import SBEM, ball_mesh, box_mesh, torus, voxelize

KINDS = [suffix[1:] for suffix in SUFFIXES]


def organelle() -> Mesh:
    """A tilted torus far from the origin: no axis can be taken for another."""
    return surface(voxelize(torus(), SBEM).mask, voxel_size=SBEM, offset=(100, 2000, 7000))


@pytest.mark.parametrize("kind", KINDS)
def test_trimesh_sees_a_right_handed_body_in_micrometres(tmp_path, kind):
    mesh = organelle()
    path = write_mesh(tmp_path / f"a.{kind}", mesh, class_name="mitochondrion", instance=42)
    theirs = trimesh.load(path, force="mesh")
    assert theirs.is_watertight
    assert theirs.is_winding_consistent
    assert theirs.volume > 0
    assert theirs.volume == pytest.approx(mesh.volume_nm3 / 1e9, rel=1e-4)
    assert theirs.area == pytest.approx(mesh.area_nm2 / 1e6, rel=1e-4)
    assert theirs.bounds == pytest.approx(mesh.bounds[:, ::-1] / 1000, rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_chiral_body_is_not_mirrored(tmp_path, kind):
    # Corner and three edges of different lengths: z 10, y 20, x 30. Seen right-handed as x, y, z.
    corners = np.array([[0, 0, 0], [10, 0, 0], [0, 20, 0], [0, 0, 30]], dtype=float)
    mesh = Mesh(corners, np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]])).outward()
    theirs = trimesh.load(write_mesh(tmp_path / f"a.{kind}", mesh), force="mesh")
    assert theirs.extents == pytest.approx([0.03, 0.02, 0.01])
    assert theirs.volume == pytest.approx(1e-6)
    assert theirs.center_mass == pytest.approx([0.0075, 0.005, 0.0025])


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_read_is_what_was_written(tmp_path, kind):
    mesh = organelle()
    back = read_mesh(write_mesh(tmp_path / "deep" / "folder" / f"a.{kind}", mesh))
    assert back.is_watertight
    assert back.volume_nm3 == pytest.approx(mesh.volume_nm3, rel=1e-4)
    assert back.bounds == pytest.approx(mesh.bounds, rel=1e-6)
    if kind != "stl":
        assert np.array_equal(back.faces, mesh.faces)
        assert np.abs(back.vertices - mesh.vertices).max() < 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_read_and_written_again_is_the_same(tmp_path, kind):
    first = write_mesh(tmp_path / f"a.{kind}", organelle())
    second = write_mesh(tmp_path / f"b.{kind}", read_mesh(first))
    if kind == "stl":  # joined corners come back in another order
        second = write_mesh(tmp_path / f"c.{kind}", read_mesh(second))
    assert first.stat().st_size == second.stat().st_size
    if kind != "stl":
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_empty_is_a_value(tmp_path, kind):
    assert read_mesh(write_mesh(tmp_path / f"a.{kind}", Mesh.empty())).is_empty


@pytest.mark.parametrize("kind", KINDS)
def test_a_class_in_one_file_has_the_sum_of_the_volumes(tmp_path, kind):
    parts = [ball_mesh(100, (0, 0, 500 * k)) for k in range(3)]
    back = read_mesh(write_mesh(tmp_path / f"all.{kind}", merge(parts), class_name="late endosome"))
    assert back.is_watertight
    assert back.volume_nm3 == pytest.approx(3 * parts[0].volume_nm3, rel=1e-4)


def test_the_header_says_what_it_is(tmp_path):
    ply = write_mesh(tmp_path / "a.ply", box_mesh(), class_name="späte\nEndosomen", instance=42).read_bytes()
    header = ply[: ply.index(b"end_header")].decode("ascii")
    assert "comment made by famous; unit micrometre; axes x y z\n" in header
    assert "comment class sp\\xe4te Endosomen\n" in header
    assert "comment instance 42\n" in header
    obj = write_mesh(tmp_path / "a.obj", box_mesh(), class_name="lysosome", instance=7).read_text()
    assert "# class lysosome\n# instance 7\n# 8 vertices, 12 faces\nv " in obj
    stl = write_mesh(tmp_path / "a.stl", box_mesh(), class_name="lysosome" * 20).read_bytes()
    assert stl.startswith(b"made by famous; unit micrometre; axes x y z; class lysosome")
    assert len(stl) == 84 + 50 * 12


@pytest.mark.parametrize("kind", KINDS)
def test_the_bytes_are_fixed(tmp_path, kind):
    paths = [write_mesh(tmp_path / f"{name}.{kind}", organelle(), class_name="a", instance=1) for name in "ab"]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"a.{kind}", f"b.{kind}"]  # nothing is left beside


@pytest.mark.parametrize("name", ["a.ply", "ascii.ply", "a.stl", "ascii.stl", "a.obj"])
def test_files_of_others_are_read(tmp_path, name):
    theirs = trimesh.creation.box(extents=(0.03, 0.02, 0.01))
    kind = {"ascii.ply": ("ply", {"encoding": "ascii"}), "ascii.stl": ("stl_ascii", {})}.get(name, (name[-3:], {}))
    content = theirs.export(file_type=kind[0], **kind[1])
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    mesh = read_mesh(tmp_path / name)
    assert mesh.is_watertight
    assert mesh.volume_nm3 == pytest.approx(6000, rel=1e-5)
    assert mesh.bounds[1] == pytest.approx([5, 10, 15])


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("a.ply", b"", "expected 'ply'"),
        ("a.ply", b"ply\n", "valid mesh|expected"),
        ("a.ply", b"solid nothing", "expected 'ply'"),
        ("a.stl", b"", "expected at least 84"),
        ("a.stl", b" " * 80 + b"\x05\0\0\0", "expected 334 for 5 triangles"),
        ("a.obj", b"", "expected vertices"),
        ("a.obj", b"v 0 0 0\nf 1 2 3\n", "."),
        ("a.obj", b"\x89PNG\r\n\x1a\n" * 9, "expected vertices"),
        ("a.glb", b"", r"'.glb', expected one of .ply, .stl, .obj"),
        ("a", b"", "suffix"),
    ],
)
def test_broken_files_are_named(tmp_path, name, content, named):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=named) as caught:
        read_mesh(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.ply: found nothing there"):
        read_mesh(tmp_path / "nowhere.ply")
    with pytest.raises(InputError, match="suffix"):
        write_mesh(tmp_path / "a.fbx", box_mesh())


@pytest.mark.parametrize("kind", ["ply", "stl"])
def test_bytes_too_many_are_named(tmp_path, kind):
    path = write_mesh(tmp_path / f"a.{kind}", box_mesh())
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(InputError, match=r"found \d+ bytes.*expected \d+"):
        read_mesh(path)


def test_a_face_without_its_vertex_is_named(tmp_path):
    path = write_mesh(tmp_path / "a.ply", box_mesh())
    content = bytearray(path.read_bytes())
    content[-12:-8] = (99).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.ply: .*vertex 99, expected 0 … 7"):
        read_mesh(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(KINDS), st.floats(0, 0.999))
def test_every_truncated_file_is_named(tmp_path, kind, share):
    path = write_mesh(tmp_path / f"a.{kind}", box_mesh((200, 300, 400)), class_name="a", instance=1)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=path.name):
        read_mesh(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(KINDS), st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_no_damage_gives_a_traceback(tmp_path, kind, seed, count):
    path = write_mesh(tmp_path / f"a.{kind}", box_mesh((200, 300, 400)), class_name="a", instance=1)
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    for place in rng.integers(0, len(content), count):
        content[place] = rng.integers(256)
    path.write_bytes(content)
    with contextlib.suppress(InputError):
        assert isinstance(read_mesh(path), Mesh)


@pytest.mark.parametrize("rows", [1, 7, 10**6])
def test_a_mesh_written_in_parts_has_the_same_bytes(tmp_path, monkeypatch, rows):
    mesh = box_mesh((2, 3, 4))
    whole = write_mesh(tmp_path / "a.ply", mesh).read_bytes()
    monkeypatch.setattr(meshes, "ROWS", rows)
    assert write_mesh(tmp_path / "b.ply", mesh).read_bytes() == whole


# ---- what lies beside them ----


def test_the_stl_header_says_the_unit(tmp_path):
    path = write_mesh(tmp_path / "a.stl", box_mesh(), class_name="a name that is much longer than a header", instance=7)
    header = path.read_bytes()[:80]
    assert b"unit micrometre" in header
    assert b"axes x y z" in header
    assert not header.startswith(b"solid")  # which would make it a text


def test_the_side_car_says_unit_axes_and_rows(tmp_path):
    rows = {"a/a_00001.stl": {"id": np.int64(1), "class": "a", "area_um2": np.float64(0.5), "thickness_nm": np.nan}}
    content = json.loads(write_side_car(tmp_path, rows).read_text(encoding="utf-8"))
    assert (content["unit"], content["axes"]) == ("micrometre", ["x", "y", "z"])
    assert content["files"] == {"a/a_00001.stl": {"id": 1, "class": "a", "area_um2": 0.5, "thickness_nm": None}}
    assert json.loads(write_side_car(tmp_path, {}).read_text(encoding="utf-8"))["files"] == {}


def test_an_obj_takes_its_colour_from_the_material(tmp_path):
    write_material(tmp_path / "late_endosome.mtl", "late endosome", "#cc79a7")
    path = write_mesh(tmp_path / "a.obj", box_mesh(), class_name="late endosome", material="late_endosome.mtl")
    theirs = trimesh.load(path, force="mesh")
    assert theirs.visual.material.diffuse[:3].tolist() == [0xCC, 0x79, 0xA7]
    assert theirs.volume > 0
    assert len(read_mesh(path).faces) == 12


@pytest.mark.parametrize("kind", ["stl", "ply"])
def test_formats_without_materials_are_as_they_were(tmp_path, kind):
    plain = write_mesh(tmp_path / f"a.{kind}", box_mesh(), class_name="a")
    named = write_mesh(tmp_path / f"b.{kind}", box_mesh(), class_name="a", material="a.mtl")
    assert plain.read_bytes() == named.read_bytes()


def test_a_colour_that_is_none_is_named(tmp_path):
    with pytest.raises(InputError, match="expected #rrggbb"):
        write_material(tmp_path / "a.mtl", "a", "red")
    assert list(tmp_path.iterdir()) == []
