"""How the tests look into Blender's files: with a Blender of its own, in a process of its own."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

needs_blender = pytest.mark.skipif(importlib.util.find_spec("bpy") is None, reason="bpy is not installed")

LOOK = """
import json, os, sys
import bpy, bmesh

kind, path, out = sys.argv[1:]
bpy.ops.wm.read_factory_settings(use_empty=True)
if kind == "glb":
    bpy.ops.import_scene.gltf(filepath=path)
else:
    bpy.ops.wm.open_mainfile(filepath=path)

def describe(thing):
    known = {"name": thing.name, "type": thing.type, "row": {key: thing[key] for key in thing.keys()}}
    known["world"] = [list(row) for row in thing.matrix_world]
    known["dimensions"] = list(thing.dimensions)
    if thing.type == "MESH":
        body = bmesh.new()
        body.from_mesh(thing.data)
        body.transform(thing.matrix_world)
        known["volume"] = body.calc_volume(signed=True)
        known["vertices"] = [list(vertex.co) for vertex in body.verts]
        known["normals"] = [list(vertex.normal) for vertex in body.verts]
        known["material"] = thing.data.materials[0].name
        shader = thing.data.materials[0].node_tree.nodes["Principled BSDF"]
        known["colour"] = list(shader.inputs["Base Color"].default_value)
        known["smooth"] = all(face.use_smooth for face in thing.data.polygons)
    return known

scene = bpy.context.scene
bpy.context.view_layer.update()
units = scene.unit_settings
found = {
    "collections": {one.name: [describe(thing) for thing in one.objects] for one in bpy.data.collections},
    "units": [units.system, units.length_unit, units.scale_length],
    "materials": len(bpy.data.materials),
    "engine": [scene.render.engine, scene.render.resolution_x, scene.render.resolution_y],
}
if scene.camera:
    from bpy_extras.object_utils import world_to_camera_view
    from mathutils import Vector
    box = next(thing for thing in bpy.data.objects if thing.name.startswith("stack"))
    seen = [world_to_camera_view(scene, scene.camera, box.matrix_world @ Vector(corner)) for corner in box.bound_box]
    found["frame"] = [list(point) for point in seen]
with open(out, "w") as file:
    json.dump(found, file)
os._exit(0)
"""


def look(path, tmp_path):
    """Open a file in Blender and tell what is in it."""
    out = tmp_path / f"{path.name}.json"
    command = [sys.executable, "-c", LOOK, path.suffix[1:], str(path), str(out)]
    places = os.environ | {"TMPDIR": str(tmp_path)}  # Blender leaves a folder there
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=places)
    assert out.exists(), done.stdout + done.stderr
    return json.loads(out.read_text())
