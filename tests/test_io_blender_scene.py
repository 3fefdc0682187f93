"""The script that runs inside Blender: any Blender's Python can start it, and no other program is harmed by it."""

import ast
import subprocess
import sys
from pathlib import Path

from famous.io import blend

SCRIPT = Path(blend.__file__).with_name("blender_scene.py")
IN_BLENDER = {"numpy", "bpy", "mathutils"}


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def test_it_needs_nothing_that_blender_does_not_bring():
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"))
    assert set(imported(tree)) <= IN_BLENDER | set(sys.stdlib_module_names)


def test_looking_at_it_starts_no_blender():
    code = "import sys; import famous.io.blender_scene, famous.io.blend; sys.exit('bpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_it_ends_where_nobody_asks_anything():
    done = subprocess.run([sys.executable, str(SCRIPT)], input="", capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "@" not in done.stdout
