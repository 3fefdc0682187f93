"""Run inside Blender: build the scene of one export, save it, or render a saved one.

Nothing of `famous` is imported, so that Blender's own Python can run this file too. The job comes as the first line of
stdin; when stdin ends, whoever asked for it is gone, and so is this process. Answers are lines that begin with `@`.
"""

import json
import os
import pathlib
import shutil
import sys
import threading
from typing import Any

import numpy as np

FIGURE = "figure"  # collection of what is no organelle: box, scale bar, camera, light
LENS_MM = 120.0
DIRECTION = (0.58, -0.8, 0.44)  # from the middle to the camera, in the stack's x, y and z
FONT = "Inter.woff2"  # comes with Blender; its 1 is no I
MARGIN = 1.04  # of the frame round the box
INK, PAPER = (0.012, 0.014, 0.02, 1.0), (0.93, 0.945, 0.96, 1.0)


def say(kind: str, value: object) -> None:
    """Answer with one line."""
    sys.stdout.write(f"\n@{json.dumps([kind, value])}\n")
    sys.stdout.flush()


def build(job: dict[str, Any]) -> None:
    """Make the scene and save it under `job["path"]`."""
    import bpy

    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.unit_settings.system = "METRIC"
    scene.unit_settings.scale_length = 1e-6
    scene.unit_settings.length_unit = "MICROMETERS"
    vertices = np.memmap(job["vertices"], dtype="<f4", mode="r") if job["objects"] else np.zeros(0, "f4")
    corners = np.memmap(job["corners"], dtype="<i4", mode="r") if job["objects"] else np.zeros(0, "i4")
    collections = {}
    for name, colour in job["classes"].items():
        collections[name] = (new_collection(name), new_material(name, (*colour, 1.0)))
    for number, entry in enumerate(job["objects"], start=1):
        collection, material = collections[entry["class"]]
        mesh = new_mesh(entry, vertices, corners)
        mesh.materials.append(material)
        thing = bpy.data.objects.new(entry["name"], mesh)
        for key, value in entry["row"].items():
            thing[key] = "" if value is None else value
        collection.objects.link(thing)
        if number % 20 == 0 or number == len(job["objects"]):
            say("object", number)
    furnish(scene, job)
    bpy.context.preferences.filepaths.save_version = 0
    bpy.ops.wm.save_as_mainfile(filepath=job["path"], compress=True, check_existing=False)


def new_mesh(entry: dict[str, Any], vertices: Any, corners: Any) -> Any:
    """Make a mesh from its part of the two long arrays."""
    import bpy

    mesh = bpy.data.meshes.new(entry["name"])
    (first, end), (start, stop) = entry["vertices"], entry["corners"]
    faces = (stop - start) // 3
    mesh.vertices.add((end - first) // 3)
    mesh.vertices.foreach_set("co", np.ascontiguousarray(vertices[first:end]))
    mesh.loops.add(stop - start)
    mesh.loops.foreach_set("vertex_index", np.ascontiguousarray(corners[start:stop]))
    mesh.polygons.add(faces)
    mesh.polygons.foreach_set("loop_start", np.arange(0, 3 * faces, 3, dtype="i4"))
    mesh.polygons.foreach_set("use_smooth", np.ones(faces, dtype=bool))
    mesh.update(calc_edges=True)
    return mesh


def new_collection(name: str) -> Any:
    """Make a collection in the scene."""
    import bpy

    collection = bpy.data.collections.new(name)
    bpy.context.scene.collection.children.link(collection)
    return collection


def new_material(name: str, colour: tuple[float, ...], **inputs: float) -> Any:
    """Make a material of a linear colour, soft and a little glossy as wax unless told otherwise."""
    import bpy

    material = bpy.data.materials.new(name)
    material.diffuse_color = colour
    material.use_nodes = True
    shader = material.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = colour
    for key, value in {"Roughness": 0.5, "Coat Weight": 0.12, "Coat Roughness": 0.35, **inputs}.items():
        shader.inputs[key].default_value = value
    return material


def furnish(scene: Any, job: dict[str, Any]) -> None:
    """Add what makes a figure of the scene: box, scale bar, camera, light and world."""
    import bpy

    collection = new_collection(FIGURE)
    low, high = (np.array(corner) for corner in job["box"])
    size = high - low
    settle(scene, job["render"])
    longest, ink = float(size.max()), new_material("ink", INK, Roughness=0.8)
    wire = float(longest) * 0.0016
    name = "stack " + " × ".join(f"{side:.3g}" for side in size) + " µm"
    corners = [[(low, high)[bit >> k & 1][k] for k in range(3)] for bit in range(8)]
    edges = [(a, a | 1 << k) for a in range(8) for k in range(3) if not a >> k & 1]
    collection.objects.link(lines(name, [(corners[a], corners[b]) for a, b in edges], wire, ink))
    gap = 0.035 * longest
    bar, text = job["scale_bar"]
    left = np.array([low[0], low[1] - gap, low[2]])
    bar_object = lines(f"scale bar {text}", [(left, left + np.array([bar, 0, 0]))], wire * 4, ink)
    bar_object["length_um"] = bar
    collection.objects.link(bar_object)
    height = 0.05 * longest
    shown = [*corners, *(left + np.array([along, -gap - height, -height]) for along in (0, bar))]
    camera = new_camera(scene, np.array(shown), (low + high) / 2)
    collection.objects.link(camera)
    words = label(text, left + np.array([bar / 2, 0, -0.5 * height]), height, ink)
    words.rotation_euler = camera.rotation_euler
    collection.objects.link(words)
    for kind, direction, strength, breadth in (
        ("key light", (-0.35, -0.75, 1.2), 40.0, 0.6),
        ("fill light", (1.4, -0.2, 0.4), 9.0, 1.6),
        ("rim light", (-0.5, 1.3, 0.7), 26.0, 1.0),
    ):
        collection.objects.link(area_light(kind, (low + high) / 2, np.array(direction), longest, (strength, breadth)))
    world = bpy.data.worlds.new("paper")
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs["Strength"].default_value = 0.38
    world.node_tree.nodes["Background"].inputs["Color"].default_value = PAPER
    scene.world = world
    white_paper(world)


def white_paper(world: Any) -> None:
    """Let the camera see paper where the light is dimmer than that."""
    nodes, links = world.node_tree.nodes, world.node_tree.links
    paper, mix, path = (nodes.new(f"ShaderNode{kind}") for kind in ("Background", "MixShader", "LightPath"))
    paper.inputs["Color"].default_value = PAPER
    links.new(path.outputs["Is Camera Ray"], mix.inputs["Fac"])
    links.new(nodes["Background"].outputs["Background"], mix.inputs[1])
    links.new(paper.outputs["Background"], mix.inputs[2])
    links.new(mix.outputs["Shader"], nodes["World Output"].inputs["Surface"])


def lines(name: str, pairs: list[tuple[Any, Any]], radius: float, material: Any) -> Any:
    """Make round bars between pairs of points."""
    import bpy

    curve = bpy.data.curves.new(name, "CURVE")
    curve.dimensions, curve.bevel_depth, curve.bevel_resolution, curve.use_fill_caps = "3D", radius, 3, True
    for start, end in pairs:
        spline = curve.splines.new("POLY")
        spline.points.add(1)
        for point, place in zip(spline.points, (start, end), strict=True):
            point.co = (*(float(value) for value in place), 1.0)
    curve.materials.append(material)
    return bpy.data.objects.new(name, curve)


def label(text: str, place: Any, height: float, material: Any) -> Any:
    """Write a text whose upper edge lies at a place."""
    import bpy

    curve = bpy.data.curves.new(text, "FONT")
    curve.body, curve.size, curve.align_x, curve.align_y = text, height, "CENTER", "TOP"
    font = pathlib.Path(bpy.utils.system_resource("DATAFILES", path="fonts"), FONT)
    if font.is_file():
        curve.font = bpy.data.fonts.load(str(font))
        curve.font.pack()
    curve.materials.append(material)
    thing = bpy.data.objects.new(f"label {text}", curve)
    thing.location = [float(value) for value in place]
    return thing


def new_camera(scene: Any, points: Any, middle: Any) -> Any:
    """Place a camera that has all points, (n, 3), in its frame, and the frame's sides as the points need them."""
    import bpy
    import mathutils

    data = bpy.data.cameras.new("camera")
    data.lens = LENS_MM
    camera = bpy.data.objects.new("camera", data)
    back = mathutils.Vector(DIRECTION).normalized()
    turn = back.to_track_quat("Z", "Y")
    camera.rotation_euler = turn.to_euler()
    across = np.array(turn.to_matrix()).T  # rows: right, up, back
    seen = (points - middle) @ across.T
    width, height = scene.render.resolution_x, scene.render.resolution_y
    half = data.sensor_width / 2 / LENS_MM / MARGIN
    slopes = np.array([half, half * height / width]) if width >= height else np.array([half * width / height, half])
    # a point is right of the frame's left side where (its right − the camera's) ≥ −slope · (distance − its back)
    centres, reach = [], []
    for axis in range(2):
        upper = (seen[:, axis] / slopes[axis] + seen[:, 2]).max()
        lower = (-seen[:, axis] / slopes[axis] + seen[:, 2]).max()
        centres.append((upper - lower) / 2 * slopes[axis])
        reach.append((upper + lower) / 2)
    distance = max(reach)
    place = middle + across.T @ np.array([*centres, distance])
    camera.location = [float(value) for value in place]
    data.clip_start, data.clip_end = distance * 1e-3, distance * 10
    scene.camera = camera
    return camera


def area_light(name: str, middle: Any, direction: Any, longest: float, lamp: tuple[float, float]) -> Any:
    """Make a light that shines on the middle; its power grows with the square of the scene, so that all look alike."""
    import bpy
    import mathutils

    strength, breadth = lamp
    data = bpy.data.lights.new(name, "AREA")
    data.shape, data.size = "DISK", breadth * longest
    data.energy = strength * longest**2
    light = bpy.data.objects.new(name, data)
    light.location = [float(value) for value in middle + direction * longest * 1.5]
    light.rotation_euler = mathutils.Vector([float(value) for value in direction]).to_track_quat("Z", "Y").to_euler()
    return light


def settle(scene: Any, render: dict[str, Any]) -> None:
    """Set the renderer: Cycles on the CPU, which needs neither screen nor graphics card."""
    scene.render.resolution_x, scene.render.resolution_y = render["width"], render["height"]
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = render["samples"]
    scene.cycles.use_denoising = True
    scene.cycles.max_bounces = 6
    scene.view_settings.view_transform = "Standard"
    scene.view_settings.look = "None"
    picture = scene.render.image_settings
    picture.file_format, picture.color_mode, picture.compression = "PNG", "RGB", 90


def draw(job: dict[str, Any]) -> None:
    """Render the saved scene `job["scene"]` to the PNG `job["path"]`."""
    import bpy

    bpy.ops.wm.open_mainfile(filepath=job["scene"])
    scene = bpy.context.scene
    if "render" in job:
        settle(scene, job["render"])
    scene.render.filepath = job["path"]
    scene.render.use_file_extension = False
    bpy.ops.render.render(write_still=True)


def abandon(job: dict[str, Any]) -> None:
    """End this process, since whoever asked was killed, and remove what they would have removed."""
    for path in map(pathlib.Path, (job["scratch"], job["path"])):
        for one in path.parent.iterdir():
            if not one.name.startswith(path.name):  # Blender writes beside, too
                continue
            if one.is_dir():
                shutil.rmtree(one, ignore_errors=True)
            else:
                one.unlink(missing_ok=True)
    os._exit(1)


def watch(job: dict[str, Any]) -> None:
    """Wait for the end of stdin."""
    while sys.stdin.readline():
        pass
    abandon(job)


def main() -> None:
    """Do the one job that stdin names."""
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=watch, args=(job,), daemon=True).start()
    try:
        {"build": build, "draw": draw}[job["work"]](job)
        say("done", True)
    except BrokenPipeError:
        abandon(job)
    os._exit(0)  # Blender as a module may crash at its end


if __name__ == "__main__":
    main()
