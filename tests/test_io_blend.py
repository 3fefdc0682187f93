"""Blender's files: what a real Blender finds in them, and what happens where there is none or it is killed."""

import os
import signal
import subprocess
import sys

import numpy as np
import psutil
import pytest
from PIL import Image

from famous.errors import InputError, MissingError
from famous.io import blend
from famous.io.blend import RenderParams, Setting, find_blender, render_blend, scale_bar_um, write_blend
from famous.io.glb import MeshNode, to_linear, write_glb
from famous.mesh import Mesh
from tests.blender import look, needs_blender
from tests.solids import ball_mesh

STACK = Setting((1000.0, 2000.0, 3000.0), RenderParams(96, 64, 2))
COLOURS = {"late endosome": "#cc79a7", "lysosome": "#d55e00"}
ROW = {"id": 42, "class": "late endosome", "area_um2": np.float64(0.5), "solidity": np.nan, "touches_border": True}
ROW |= {"big": 2**40}


def corner() -> Mesh:
    """A corner with edges of 100 nm in z, 200 nm in y, 300 nm in x: its mirror image is another body."""
    points = np.array([[300, 500, 700], [400, 500, 700], [300, 700, 700], [300, 500, 1000]], dtype=float)
    return Mesh(points, np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]])).outward()


def scenes():
    return {
        "late endosome": [MeshNode("late_endosome_00042", corner(), ROW, 42), MeshNode("gone", Mesh.empty())],
        "nothing": [],
        "lysosome": (
            MeshNode(f"lysosome_{k:05d}", ball_mesh(150, (200 * k, 900, 1500), rounds=2), {"id": k}) for k in (1, 2)
        ),
    }


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Both files of the same organelles, as Blender sees them."""
    folder = tmp_path_factory.mktemp("blender")
    told = []
    path = write_blend(folder / "cell ü.blend", scenes(), STACK, colours=COLOURS, on_mesh=told.append)
    assert sum(told) == 3
    assert sorted(entry.name for entry in folder.iterdir()) == ["cell ü.blend"]
    glb = write_glb(folder / "cell.glb", scenes(), colours=COLOURS)
    return {
        "blend": look(path, tmp_path_factory.mktemp("look")),
        "glb": look(glb, tmp_path_factory.mktemp("look")),
        "path": path,
    }


@needs_blender
@pytest.mark.parametrize("kind", ["blend", "glb"])
def test_one_collection_a_class_and_one_object_an_organelle(files, kind):
    found = {name: [thing["name"] for thing in things] for name, things in files[kind]["collections"].items()}
    found.pop("figure", None)
    found = {name: things for name, things in found.items() if "glTF" not in name}  # the importer's own
    assert found == {"late endosome": ["late_endosome_00042"], "lysosome": ["lysosome_00001", "lysosome_00002"]}


@needs_blender
@pytest.mark.parametrize("kind", ["blend", "glb"])
def test_the_row_is_the_custom_properties(files, kind):
    (thing,) = files[kind]["collections"]["late endosome"]
    row = thing["row"]
    assert (row["id"], row["class"], row["area_um2"], row["touches_border"]) == (42, "late endosome", 0.5, True)
    assert row.get("solidity", "") in ("", None)
    assert float(row["big"]) == 2**40


@needs_blender
@pytest.mark.parametrize("kind", ["blend", "glb"])
def test_one_unit_is_one_micrometre_z_is_up_and_nothing_is_mirrored(files, kind):
    (thing,) = files[kind]["collections"]["late endosome"]
    found = np.array(sorted(thing["vertices"]))
    expected = np.array(sorted((corner().vertices[:, ::-1] / 1000).tolist()))  # x, y, z of the stack
    assert found == pytest.approx(expected, abs=1e-6)
    assert thing["dimensions"] == pytest.approx([0.3, 0.2, 0.1], abs=1e-6)
    assert thing["volume"] == pytest.approx(0.3 * 0.2 * 0.1 / 6, rel=1e-4)  # above 0: the faces point outwards


@needs_blender
@pytest.mark.parametrize("kind", ["blend", "glb"])
def test_normals_point_outwards(files, kind):
    for k, thing in enumerate(files[kind]["collections"]["lysosome"], start=1):
        outwards = np.array(thing["vertices"]) - (1.5, 0.9, 0.2 * k)
        assert (np.sum(outwards / 0.15 * np.array(thing["normals"]), axis=1) > 0.9).all()
        assert thing["smooth"]


@needs_blender
@pytest.mark.parametrize("kind", ["blend", "glb"])
def test_one_material_a_class_with_its_colour(files, kind):
    for name, colour in COLOURS.items():
        for thing in files[kind]["collections"][name]:
            assert thing["material"] == name
            assert thing["colour"][:3] == pytest.approx(to_linear(colour), abs=1e-4)


@needs_blender
def test_what_makes_a_figure(files):
    found = files["blend"]
    things = {thing["name"]: thing for thing in found["collections"]["figure"]}
    assert {"stack 3 × 2 × 1 µm", "scale bar 500 nm", "label 500 nm", "camera"} < set(things)
    assert sum(thing["type"] == "LIGHT" for thing in things.values()) == 3
    assert things["stack 3 × 2 × 1 µm"]["dimensions"] == pytest.approx([3, 2, 1], abs=0.03)
    assert things["scale bar 500 nm"]["row"]["length_um"] == 0.5
    assert things["scale bar 500 nm"]["dimensions"][0] == pytest.approx(0.5)
    assert found["units"] == ["METRIC", "MICROMETERS", pytest.approx(1e-6)]
    assert found["engine"] == ["CYCLES", 96, 64]
    frame = np.array(found["frame"])  # (0 … 1 across, 0 … 1 up, distance) of the stack's corners
    assert (frame[:, :2] > 0).all()
    assert (frame[:, :2] < 1).all()
    assert (frame[:, 2] > 0).all()
    assert np.ptp(frame[:, 0]) > 0.6 or np.ptp(frame[:, 1]) > 0.6


@needs_blender
def test_a_figure_is_rendered_without_screen_and_graphics_card(files, tmp_path):
    told = []
    params = RenderParams(64, 48, 2)
    picture = render_blend(files["path"], tmp_path / "a.png", params, lambda done, total: told.append((done, total)))
    with Image.open(picture) as image:
        assert image.size == (64, 48)
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3).astype(int)
    assert (pixels.min(axis=1) > 220).sum() > 500  # paper
    assert (np.ptp(pixels, axis=1) > 60).sum() > 20  # colours
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]
    assert told == sorted(told)
    assert told[-1] == (2, 2)


@needs_blender
def test_a_scene_that_is_broken_is_named(tmp_path):
    (tmp_path / "a.blend").write_bytes(b"BLENDER garbage")
    with pytest.raises(InputError, match=r"b\.png: Blender could not write it"):
        render_blend(tmp_path / "a.blend", tmp_path / "b.png")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.blend"]


@needs_blender
def test_nothing_at_all_is_a_scene_too(tmp_path):
    found = look(write_blend(tmp_path / "e.blend", {"a": []}, STACK), tmp_path)
    assert list(found["collections"]) == ["figure"]


KILLED = """
import sys
from tests.test_io_blend import STACK, write_blend, MeshNode, ball_mesh

def stuck(count):
    print("building", flush=True)
    sys.stdin.read()

nodes = [MeshNode(f"ball_{k:05d}", ball_mesh(100, rounds=3)) for k in range(60)]
write_blend(sys.argv[1], {"ball": nodes}, STACK, on_mesh=stuck)
"""


@needs_blender
@pytest.mark.skipif(os.name != "posix", reason="kills as POSIX does")
def test_a_killed_export_leaves_no_half_file_and_no_blender(tmp_path):
    path = tmp_path / "cell.blend"
    path.write_bytes(b"the last one")
    (tmp_path / "scratch").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path / "scratch")},
    )
    assert process.stdout.readline().strip() == "building"
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdin.close()
    process.stdout.close()
    assert children
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive
    assert path.read_bytes() == b"the last one"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["cell.blend", "scratch"]
    assert list((tmp_path / "scratch").iterdir()) == []


def test_without_blender_the_line_to_install_it(tmp_path, monkeypatch):
    monkeypatch.delenv(blend.PROGRAM, raising=False)
    monkeypatch.setattr(blend.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(blend.shutil, "which", lambda name: None)
    with pytest.raises(MissingError, match=r"there is no Blender here: pip install '.*\[blender\]' "):
        write_blend(tmp_path / "a.blend", {}, STACK)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv(blend.PROGRAM, "/nowhere/blender")
    with pytest.raises(MissingError, match="FAMOUS_BLENDER names '/nowhere/blender', which is no program"):
        find_blender()


def test_a_blender_program_is_used_where_it_is_named(monkeypatch):
    monkeypatch.setenv(blend.PROGRAM, sys.executable)
    command = find_blender()
    assert command[0] == sys.executable
    assert command[1:3] == ["--background", "--factory-startup"]
    assert command[-1].endswith("blender_scene.py")


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
@pytest.mark.parametrize("script", ["exit 7", "read job; echo it hurts; exit 7", "read job; echo it hurts"])
def test_a_blender_that_fails_is_quoted_and_leaves_nothing(tmp_path, monkeypatch, script):
    program = tmp_path / "blender"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv(blend.PROGRAM, str(program))
    with pytest.raises(InputError, match=r"(?s)a\.blend: Blender could not write it \(exit code [07]\).*") as caught:
        write_blend(tmp_path / "a.blend", {"a": [MeshNode("a_1", ball_mesh(rounds=1))]}, STACK)
    assert script.startswith("exit") or "it hurts" in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["blender"]


@pytest.mark.parametrize(
    ("longest", "bar"),
    [(3.0, 0.5), (4.1, 1.0), (1.6, 0.2), (10.0, 2.0), (100 / 3, 10.0), (20.0, 5.0), (0.3, 0.05), (0.02, 0.005)],
)
def test_a_scale_bar_is_round_and_fits(longest, bar):
    assert scale_bar_um(longest) == bar
    assert longest * 0.1 < bar <= longest * 0.3 * (1 + 1e-6)


@pytest.mark.parametrize("wrong", [(0, 100, 1), (100, 20_000, 1), (100, 100, 0), (100, 100, 10**6)])
def test_a_picture_of_no_size_is_refused(wrong):
    with pytest.raises(InputError, match="figure: found"):
        RenderParams(*wrong)


def test_a_picture_is_a_png(tmp_path):
    with pytest.raises(InputError, match=r"expected \.png"):
        render_blend(tmp_path / "a.blend", tmp_path / "a.jpg")
