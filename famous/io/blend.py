"""Blender files, and figures of them, made by a Blender in a process of its own.

That Blender is the package `bpy` of this environment, or else the program `blender` on the PATH, or the program that
the variable FAMOUS_BLENDER names. Coordinates are the stack's (x, y, z) in µm, z upwards, as in `famous.io.glb`.
"""

import contextlib
import importlib.util
import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from famous.errors import InputError, MissingError
from famous.files import atomic_path
from famous.install import install_line
from famous.io.glb import GREY, MeshNode, plain_value, to_linear
from famous.scratch import scratch_folder
from famous.voxels import NM_PER_UM, zyx_to_xyz

PROGRAM = "FAMOUS_BLENDER"
OTHERWISE = "(Python 3.11), or put Blender 4.2 or later (blender.org) on the PATH"
BAR_SHARE = 0.3  # of the stack's longest side that the scale bar is at most
STEPS = (5.0, 2.0, 1.0)  # round lengths, times a power of ten
_SAMPLE = re.compile(r"Sample (\d+)/(\d+)")


@dataclass(frozen=True)
class RenderParams:
    """How a figure is rendered; kept in the Blender file for F12."""

    width_px: int = 1600
    height_px: int = 1200
    samples: int = 96  # light paths a pixel; noise falls with the square root, time grows in proportion

    def __post_init__(self) -> None:
        if not all(16 <= side <= 16_384 for side in (self.width_px, self.height_px)):
            raise InputError(f"figure: found {self.width_px} × {self.height_px} pixels, expected 16 … 16384 a side")
        if not 1 <= self.samples <= 65_536:
            raise InputError(f"figure: found {self.samples} samples, expected 1 … 65536")


@dataclass(frozen=True)
class Setting:
    """What stands round the organelles: the stack's size (z, y, x) in nm, and how a figure is rendered."""

    stack_nm: tuple[float, float, float]
    render: RenderParams = field(default_factory=RenderParams)


def write_blend(
    path: str | Path,
    scenes: Mapping[str, Iterable[MeshNode]],
    setting: Setting,
    *,
    colours: Mapping[str, str] | None = None,
    on_mesh: Callable[[int], None] = lambda count: None,
) -> Path:
    """Write a Blender file atomically: a collection and a material a class, an object an organelle, a stage.

    The collection `figure` holds the stack as a wireframe, a scale bar with its length in its name, camera and lights.
    Units are set to µm. Empty meshes are left out.

    Parameters
    ----------
    scenes
        Class → its organelles, which may be a generator.
    colours
        Class → `#rrggbb`; grey for a class that is not named.
    on_mesh
        Is told how many meshes more are in the scene.

    Raises
    ------
    MissingError
        If there is no Blender.
    InputError
        If the file cannot be written or a colour is not `#rrggbb`.
    """
    path = Path(path)
    command = find_blender()
    with scratch_folder("blend") as scratch, atomic_path(path) as temporary:
        job = _spool(scratch, scenes, colours or {})
        size = [side / NM_PER_UM for side in reversed(setting.stack_nm)]
        bar = scale_bar_um(max(size))
        text = f"{bar:g} µm" if bar >= 1 else f"{bar * NM_PER_UM:g} nm"
        job |= {
            "work": "build",
            "box": [[0.0, 0.0, 0.0], size],
            "scale_bar": [bar, text],
            "path": str(temporary.absolute()),
            "scratch": str(scratch),
        } | _render(setting.render)
        done = 0
        with contextlib.closing(_ask(command, job, path)) as answers:
            for kind, value in answers:
                if kind == "object":
                    on_mesh(value - done)
                    done = value
    return path


def render_blend(
    scene: str | Path,
    path: str | Path,
    params: RenderParams | None = None,
    on_samples: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Render a Blender file to a PNG, atomically, as F12 in Blender does.

    Parameters
    ----------
    params
        Other pixels and samples than those in the file.
    on_samples
        Is told how many samples of how many are done.

    Raises
    ------
    MissingError
        If there is no Blender.
    InputError
        If the suffix is not .png, or Blender cannot open the scene or write the picture.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise InputError(f"{path}: found the suffix {path.suffix!r}, expected .png")
    command = find_blender()
    with scratch_folder("render") as scratch, atomic_path(path) as temporary:
        places = {"scene": str(Path(scene).absolute()), "path": str(temporary.absolute()), "scratch": str(scratch)}
        job: dict[str, Any] = {"work": "draw", **places}
        with contextlib.closing(_ask(command, job | _render(params), path)) as answers:
            for kind, value in answers:
                if kind == "sample":
                    on_samples(*value)
    return path


def scale_bar_um(longest_um: float) -> float:
    """Return the longest round length (1, 2 or 5 times a power of ten), at most 0.3 of the longest side; µm."""
    target = max(longest_um, 1e-9) * BAR_SHARE
    power = 10.0 ** math.floor(math.log10(target))
    return round(next(step for step in STEPS if step * power <= target * (1 + 1e-9)) * power, 12)


def _render(params: RenderParams | None) -> dict[str, Any]:
    if params is None:
        return {}
    return {"render": {"width": params.width_px, "height": params.height_px, "samples": params.samples}}


def find_blender() -> list[str]:
    """Return the command that runs a Python script inside Blender; MissingError with the line to install it."""
    named = os.environ.get(PROGRAM)
    script = str(Path(__file__).with_name("blender_scene.py"))
    if named is None and importlib.util.find_spec("bpy") is not None:
        return [sys.executable, script]
    program = shutil.which(named or "blender")
    if program is None:
        found = f"{PROGRAM} names {named!r}, which is no program" if named else "there is no Blender here"
        raise MissingError(f"{found}: {install_line('blender')} {OTHERWISE}")
    return [program, "--background", "--factory-startup", "--python-exit-code", "3", "--python", script]


def _spool(scratch: Path, scenes: Mapping[str, Iterable[MeshNode]], colours: Mapping[str, str]) -> dict[str, Any]:
    """Write all meshes into two long files, one after the other, and describe them."""
    classes: dict[str, Any] = {}
    objects: list[dict[str, Any]] = []
    ends = [0, 0]
    vertices, corners = scratch / "vertices", scratch / "corners"
    with vertices.open("wb") as points, corners.open("wb") as triangles:
        for class_name, nodes in scenes.items():
            colour = to_linear(colours.get(class_name, GREY))
            for node in nodes:
                if node.mesh.is_empty:
                    continue
                classes[class_name] = colour
                place = zyx_to_xyz(node.mesh.vertices / NM_PER_UM).astype("<f4")
                faces = node.mesh.faces[:, ::-1].astype("<i4")
                starts = list(ends)
                for k, (file, values) in enumerate(((points, place), (triangles, faces))):
                    file.write(values.tobytes())
                    ends[k] += values.size
                row = {key: _property(value) for key, value in node.row.items()}
                parts = {"vertices": [starts[0], ends[0]], "corners": [starts[1], ends[1]]}
                objects.append({"name": node.name, "class": class_name, "row": row, **parts})
    return {"vertices": str(vertices), "corners": str(corners), "classes": classes, "objects": objects}


def _property(value: object) -> bool | int | float | str | None:
    """Return what a custom property can hold: whole numbers beyond 32 bits as text."""
    plain = plain_value(value)
    return str(plain) if isinstance(plain, int) and not -(2**31) <= plain < 2**31 else plain


def _ask(command: list[str], job: Mapping[str, Any], path: Path) -> Generator[tuple[str, Any], None, None]:
    """Yield what Blender answers while it does the job; it ends with this process, since its stdin ends then."""
    talk: deque[str] = deque(maxlen=12)
    is_done = False
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    places = os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(job["scratch"]))
    with subprocess.Popen(command, text=True, encoding="utf-8", errors="replace", env=places, **pipes) as process:
        stdin, stdout = _pipes(process)
        try:
            with contextlib.suppress(BrokenPipeError):  # it has ended already, and says why
                stdin.write(json.dumps(job) + "\n")
                stdin.flush()
            for line in stdout:
                if line.startswith("@"):
                    kind, value = json.loads(line[1:])
                    is_done = is_done or kind == "done"
                    yield kind, value
                elif match := _SAMPLE.search(line):
                    yield "sample", (int(match[1]), int(match[2]))
                elif line.strip():
                    talk.append(line.strip())
        finally:
            if not is_done:
                process.kill()
            process.wait()
            with contextlib.suppress(OSError):  # what it had not read yet is lost with it
                stdin.close()
    if not is_done:
        said = "\n  ".join(talk)
        raise InputError(f"{path}: Blender could not write it (exit code {process.returncode}); it said\n  {said}")


def _pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    if process.stdin is None or process.stdout is None:
        raise InputError("Blender has no pipes")
    return process.stdin, process.stdout
