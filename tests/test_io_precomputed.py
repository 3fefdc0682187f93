"""Neuroglancer's meshes: the folder as the format wants it, as cloud-volume reads it, and whole or not at all."""

import json
import os

import numpy as np
import pytest

from famous.errors import InputError
from famous.files import PARTIAL_SUFFIX
from famous.io import precomputed
from famous.io.glb import MeshNode
from famous.io.precomputed import encode_mesh, properties, write_precomputed
from famous.mesh import Mesh
from tests.solids import ball_mesh, box_mesh

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no colon in the names of files")


def row(instance, class_name, **values):
    return {"id": instance, "class": class_name, "voxels": 5 * instance, "area_um2": np.float64(0.5), **values}


def scenes():
    box = box_mesh((10, 20, 30)).translated((1000, 2000, 3000))
    first = row(42, "late endosome", touches_border=True, membrane_nm=np.nan, big=2**40)
    second = row(7, "lysosome", touches_border=False, membrane_nm=4.5, big=1)
    return {
        "late endosome": [
            MeshNode("late_endosome_00042", box, first, 42),
            MeshNode("late_endosome_00043", Mesh.empty(), {}, 43),
        ],
        "lysosome": (MeshNode("lysosome_00007", ball_mesh(100, rounds=1), second, 7) for _ in range(1)),
        "nothing": [],
    }


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def decode(content):
    """Read a fragment as the format's document describes it."""
    count = int(np.frombuffer(content, "<u4", 1)[0])
    vertices = np.frombuffer(content, "<f4", 3 * count, 4).reshape(-1, 3)
    return vertices, np.frombuffer(content, "<u4", -1, 4 + 12 * count).reshape(-1, 3)


def test_the_folder_holds_what_the_format_wants(tmp_path):
    folder = write_precomputed(tmp_path / "cell.precomputed", scenes())
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    assert names == ["42", "42:0", "7", "7:0", "info", "segment_properties", "segment_properties/info"]
    assert read(folder / "info") == {"@type": "neuroglancer_legacy_mesh", "segment_properties": "segment_properties"}
    assert read(folder / "42:0") == {"fragments": ["42"]}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cell.precomputed"]


def test_a_mesh_is_x_y_z_in_nm_and_not_mirrored(tmp_path):
    folder = write_precomputed(tmp_path / "cell.precomputed", scenes())
    vertices, faces = decode((folder / "42").read_bytes())
    assert vertices.min(axis=0).tolist() == [3000, 2000, 1000]
    assert vertices.max(axis=0).tolist() == [3030, 2020, 1010]
    a, b, c = (vertices[faces[:, k]].astype(float) - (3015, 2010, 1005) for k in range(3))
    assert np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6 == pytest.approx(6000)  # above 0: outwards
    assert decode(encode_mesh(box_mesh((10, 20, 30)), 0.5))[0].max(axis=0).tolist() == [15, 10, 5]
    assert decode(encode_mesh(Mesh.empty()))[0].shape == (0, 3)


def test_segments_have_label_tags_and_numbers(tmp_path):
    folder = write_precomputed(tmp_path / "cell.precomputed", scenes())
    content = read(folder / "segment_properties" / "info")
    assert content["@type"] == "neuroglancer_segment_properties"
    inline = content["inline"]
    assert inline["ids"] == ["42", "7"]
    label, tags, *columns = inline["properties"]
    assert label == {"id": "label", "type": "label", "values": ["late_endosome_00042", "lysosome_00007"]}
    assert tags["tags"] == ["late_endosome", "lysosome", "touches_border"]
    assert tags["tag_descriptions"] == ["late endosome", "lysosome", "touches_border"]
    assert tags["values"] == [[0, 2], [1]]
    found = {column["id"]: (column["type"], column.get("data_type"), column["values"]) for column in columns}
    assert found == {
        "voxels": ("number", "int32", [210, 35]),
        "area_um2": ("number", "float32", [0.5, 0.5]),
        "membrane_nm": ("string", None, ["", "4.5"]),  # a gap has no number
        "big": ("number", "float32", [2**40, 1]),
    }


def test_nothing_is_a_folder_too(tmp_path):
    content = read(write_precomputed(tmp_path / "e", {}) / "segment_properties" / "info")
    assert content["inline"]["ids"] == []
    assert properties({})["inline"]["properties"][0]["values"] == []


def test_cloud_volume_reads_the_meshes(tmp_path):
    cloudvolume = pytest.importorskip("cloudvolume", reason="cloud-volume is not installed")
    folder = write_precomputed(tmp_path / "cell.precomputed", scenes())
    info = cloudvolume.CloudVolume.create_new_info(
        1, "segmentation", "uint32", "raw", [1, 1, 1], [0, 0, 0], [64, 64, 64], mesh="cell.precomputed"
    )
    volume = cloudvolume.CloudVolume(f"file://{folder.parent}", info=info, progress=False)
    mesh = volume.mesh.get(42)
    mesh = mesh[42] if isinstance(mesh, dict) else mesh
    assert np.asarray(mesh.vertices).max(axis=0) == pytest.approx([3030, 2020, 1010])
    assert len(mesh.faces) == 12


def test_nothing_is_replaced_unasked(tmp_path):
    folder = write_precomputed(tmp_path / "a", scenes())
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="is there already"):
        write_precomputed(folder, {})
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    write_precomputed(folder, {}, overwrite=True)
    assert not (folder / "42").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_folder_of_something_else_is_never_replaced(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match="holds something else"):
        write_precomputed(tmp_path / "thesis", scenes(), overwrite=True)
    assert [path.name for path in tmp_path.rglob("*")] == ["thesis", "thesis.tex"]
    write_precomputed(tmp_path / "empty", {})
    (tmp_path / "file").write_text("x")
    write_precomputed(tmp_path / "file", {}, overwrite=True)
    assert (tmp_path / "file").is_dir()


@pytest.mark.parametrize("instance", [0, -1, 42])
def test_ids_are_above_zero_and_given_once(tmp_path, instance):
    nodes = [MeshNode("a_1", box_mesh(), {}, 42), MeshNode("a_2", box_mesh(), {}, instance)]
    with pytest.raises(InputError, match=f"a_2: found the id {instance}"):
        write_precomputed(tmp_path / "a", {"a": nodes})
    assert list(tmp_path.iterdir()) == []


def test_what_breaks_off_leaves_no_half_folder(tmp_path, monkeypatch):
    write_precomputed(tmp_path / "a", scenes())

    def full(folder, node):
        assert PARTIAL_SUFFIX in folder.name
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(precomputed, "_write_one", full)
    with pytest.raises(InputError, match="No space left on device"):
        write_precomputed(tmp_path / "a", scenes(), overwrite=True)
    assert (tmp_path / "a" / "42").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_windows_is_told_why_not(tmp_path, monkeypatch):
    monkeypatch.setattr(precomputed, "HAS_COLONS", False)
    with pytest.raises(InputError, match="a colon in their files' names"):
        write_precomputed(str(tmp_path / "a"), {})
