"""GLB: scenes, names, extras, colours and axes, as other readers see them."""

import json
import math
import struct

import numpy as np
import pygltflib
import pytest
import trimesh

from famous.errors import InputError
from famous.io import glb
from famous.io.glb import MeshNode, to_linear, write_glb
from famous.mesh import Mesh
from tests.solids import ball_mesh, box_mesh

ROW = {"id": 42, "class": "late endosome", "area_um2": np.float64(0.5), "solidity": math.nan, "touches_border": True}


def write(path, **options):
    scenes = {
        "late endosome": [
            MeshNode("late_endosome_00042", box_mesh((10, 20, 30)).translated((1000, 2000, 3000)), ROW),
            MeshNode("late_endosome_00043", Mesh.empty()),
        ],
        "nothing": [],
        "lysosome": (MeshNode(f"lysosome_{k:05d}", ball_mesh(100, rounds=1)) for k in (1, 2)),
    }
    return write_glb(path, scenes, **options)


def content_of(path) -> dict:
    data = path.read_bytes()
    magic, version, length = struct.unpack_from("<4sII", data)
    assert (magic, version, length) == (b"glTF", 2, len(data))
    size = struct.unpack_from("<I", data, 12)[0]
    return json.loads(data[20 : 20 + size])


def test_one_scene_a_class_and_one_node_an_organelle(tmp_path):
    gltf = pygltflib.GLTF2().load(write(tmp_path / "cell.glb"))
    assert [scene.name for scene in gltf.scenes] == ["late endosome", "lysosome"]
    names = [[gltf.nodes[index].name for index in scene.nodes] for scene in gltf.scenes]
    assert names == [["late_endosome_00042"], ["lysosome_00001", "lysosome_00002"]]
    assert gltf.scene == 0
    assert [mesh.name for mesh in gltf.meshes] == [node.name for node in gltf.nodes]


def test_the_row_is_the_nodes_extras(tmp_path):
    content = content_of(write(tmp_path / "cell.glb"))
    assert content["nodes"][0]["extras"] == {
        "id": 42,
        "class": "late endosome",
        "area_um2": 0.5,
        "solidity": None,
        "touches_border": True,
    }
    assert "extras" not in content["nodes"][1]


def test_colours_are_linear_and_one_a_class(tmp_path):
    content = content_of(write(tmp_path / "cell.glb", colours={"lysosome": "#ff8000"}))
    factors = [m["pbrMetallicRoughness"]["baseColorFactor"] for m in content["materials"]]
    assert [m["name"] for m in content["materials"]] == ["late endosome", "lysosome"]
    assert factors[1] == pytest.approx([1, 0.215861, 0, 1], abs=1e-5)
    assert [mesh["primitives"][0]["material"] for mesh in content["meshes"]] == [0, 1, 1]


def test_y_is_up_and_nothing_is_mirrored(tmp_path):
    scene = trimesh.load(write(tmp_path / "cell.glb"))
    theirs = scene.geometry["late_endosome_00042"]
    assert theirs.bounds.tolist() == [
        pytest.approx([3.0, 1.0, -2.02]),  # x, z, −y in µm
        pytest.approx([3.03, 1.01, -2.0]),
    ]
    assert theirs.is_watertight
    assert theirs.volume == pytest.approx(6e-6, rel=1e-3)
    blender = theirs.vertices[:, [0, 2, 1]] * (1, -1, 1)  # what its importer does
    assert blender.min(axis=0) == pytest.approx([3.0, 2.0, 1.0])


def test_normals_are_unit_vectors_that_point_outwards(tmp_path):
    gltf = pygltflib.GLTF2().load(write(tmp_path / "cell.glb"))
    primitive = gltf.meshes[1].primitives[0]
    blob = gltf.binary_blob()

    def read(index):
        accessor = gltf.accessors[index]
        view = gltf.bufferViews[accessor.bufferView]
        return np.frombuffer(blob, "<f4", accessor.count * 3, view.byteOffset).reshape(-1, 3)

    positions, normals = read(primitive.attributes.POSITION), read(primitive.attributes.NORMAL)
    assert np.linalg.norm(normals, axis=1) == pytest.approx(1, abs=1e-5)
    assert ((positions / 0.1 * normals).sum(axis=1) > 0.95).all()
    accessor = gltf.accessors[primitive.attributes.POSITION]
    assert accessor.min == pytest.approx(positions.min(axis=0))
    assert accessor.max == pytest.approx(positions.max(axis=0))


@pytest.mark.parametrize("scenes", [{}, {"a": []}, {"a": [MeshNode("a_1", Mesh.empty())]}])
def test_empty_is_a_value(tmp_path, scenes):
    content = content_of(write_glb(tmp_path / "e.glb", scenes))
    assert content["asset"]["version"] == "2.0"
    assert "scenes" not in content
    assert "buffers" not in content


def test_the_bytes_are_fixed_and_aligned(tmp_path):
    first, second = write(tmp_path / "a.glb"), write(tmp_path / "b.glb")
    assert first.read_bytes() == second.read_bytes()
    assert len(first.read_bytes()) % 4 == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.glb", "b.glb"]


def test_names_may_be_in_any_script(tmp_path):
    path = write_glb(tmp_path / "a.glb", {"späte 内体": [MeshNode("späte_内体_00001", box_mesh())]})
    assert pygltflib.GLTF2().load(path).scenes[0].name == "späte 内体"


def test_more_than_the_format_holds_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(glb, "MAX_BYTES", 1000)
    with pytest.raises(InputError, match=r"cell\.glb: found more than 4 GiB"):
        write(tmp_path / "cell.glb")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("colour", ["red", "#fff", "009e73", "#gg0000", ""])
def test_wrong_colours_are_named(colour):
    with pytest.raises(InputError, match="expected #rrggbb"):
        to_linear(colour)


def test_screen_to_linear():
    assert to_linear("#000000") == (0, 0, 0)
    assert to_linear("#ffffff") == (1, 1, 1)
    assert to_linear("#0a0a0a")[0] == pytest.approx(10 / 255 / 12.92, abs=1e-6)
