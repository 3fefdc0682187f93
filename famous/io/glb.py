"""One GLB file for Blender and any glTF viewer: a scene per class, a node per organelle.

Blender makes each glTF scene a collection, each node an object, and the extras its custom properties. glTF is y-up, and
Blender's importer turns it to z-up; so (x, y, z) is written as (x, z, −y), a rotation, and Blender shows the stack's
own x, y and z in µm, the slices' z upwards.
"""

import json
import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from famous.errors import InputError
from famous.files import write_bytes
from famous.mesh import Mesh
from famous.voxels import NM_PER_UM

MAX_BYTES = 2**32 - 2**27  # GLB counts its bytes in 32 bits; the rest is left for the JSON
GREY = "#b9b9b9"

_FLOAT, _UNSIGNED_INT = 5126, 5125
_ARRAY_BUFFER, _ELEMENT_ARRAY_BUFFER = 34962, 34963


@dataclass(frozen=True)
class MeshNode:
    """One organelle: `name` as it is shown (`late_endosome_00042`), its row of the table, and its id."""

    name: str
    mesh: Mesh
    row: Mapping[str, object] = field(default_factory=dict)
    instance: int = 0  # 0 where there is none


def write_glb(
    path: str | Path, scenes: Mapping[str, Iterable[MeshNode]], *, colours: Mapping[str, str] | None = None
) -> Path:
    """Write one file, atomically: one scene and one material a class, one node an organelle; empty meshes are left out.

    Parameters
    ----------
    scenes
        Class → its organelles, which may be a generator; a class without any gets no scene. Viewers that show one scene
        show the first.
    colours
        Class → `#rrggbb`; grey for a class that is not named.

    Raises
    ------
    InputError
        If the meshes take more than the 4 GiB that a GLB file can hold, or a colour is not `#rrggbb`.
    """
    path = Path(path)
    document = _Document()
    for class_name, nodes in scenes.items():
        filled = (node for node in nodes if not node.mesh.is_empty)
        for number, node in enumerate(filled):
            if number == 0:
                document.open_scene(class_name, (colours or {}).get(class_name, GREY))
            document.add(node)
            if len(document.buffer) > MAX_BYTES:
                raise InputError(f"{path}: found more than 4 GiB of meshes, expected less in a GLB file; export ply")
    write_bytes(path, document.to_bytes())
    return path


class _Document:
    """The JSON and the buffer of one file while they grow."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.lists: dict[str, list[dict[str, object]]] = {
            name: [] for name in ("scenes", "nodes", "meshes", "materials", "accessors", "bufferViews")
        }

    def open_scene(self, class_name: str, colour: str) -> None:
        """Begin a class: its scene and its material."""
        self.scene_nodes: list[int] = []
        self.lists["scenes"].append({"name": class_name, "nodes": self.scene_nodes})
        surface = {"baseColorFactor": [*to_linear(colour), 1.0], "metallicFactor": 0.0, "roughnessFactor": 0.6}
        self.lists["materials"].append({"name": class_name, "pbrMetallicRoughness": surface})

    def add(self, node: MeshNode) -> None:
        """Append one organelle to the scene that was begun last."""
        # zyx → xyz is a reflection (faces reversed), xyz → (x, z, −y) a rotation
        axes, signs = [2, 0, 1], np.array([1.0, 1.0, -1.0])
        vertices = (node.mesh.vertices[:, axes] * signs / NM_PER_UM).astype("<f4")
        normals = (node.mesh.vertex_normals()[:, axes] * signs).astype("<f4")
        normals[~normals.any(axis=1)] = (0, 1, 0)  # the format wants unit vectors
        corners = node.mesh.faces[:, ::-1].astype("<u4").ravel()
        bounds: dict[str, object] = {"min": vertices.min(axis=0).tolist(), "max": vertices.max(axis=0).tolist()}
        primitive = {
            "attributes": {
                "POSITION": self._accessor(vertices, "VEC3", bounds),
                "NORMAL": self._accessor(normals, "VEC3", {}),
            },
            "indices": self._accessor(corners, "SCALAR", {}),
            "material": len(self.lists["materials"]) - 1,
        }
        self.lists["meshes"].append({"name": node.name, "primitives": [primitive]})
        entry: dict[str, object] = {"name": node.name, "mesh": len(self.lists["meshes"]) - 1}
        if node.row:
            entry["extras"] = {key: plain_value(value) for key, value in node.row.items()}
        self.scene_nodes.append(len(self.lists["nodes"]))
        self.lists["nodes"].append(entry)

    def _accessor(self, values: NDArray[Any], kind: str, bounds: dict[str, object]) -> int:
        floats = values.dtype.kind == "f"
        view: dict[str, object] = {
            "buffer": 0,
            "byteOffset": len(self.buffer),
            "byteLength": values.nbytes,
            "target": _ARRAY_BUFFER if floats else _ELEMENT_ARRAY_BUFFER,
        }
        self.lists["bufferViews"].append(view)
        self.buffer += values.tobytes()
        component = _FLOAT if floats else _UNSIGNED_INT
        accessor = {"bufferView": len(self.lists["bufferViews"]) - 1, "componentType": component, "count": len(values)}
        self.lists["accessors"].append(accessor | {"type": kind} | bounds)
        return len(self.lists["accessors"]) - 1

    def to_bytes(self) -> bytes:
        """Put header, JSON chunk and binary chunk together; chunks end on multiples of 4 bytes."""
        asset = {"version": "2.0", "generator": "famous", "extras": {"unit": "micrometre"}}
        content: dict[str, object] = {"asset": asset} | {name: rows for name, rows in self.lists.items() if rows}
        if self.buffer:
            content |= {"scene": 0, "buffers": [{"byteLength": len(self.buffer)}]}
        text = json.dumps(content, separators=(",", ":"), allow_nan=False).encode("ascii")
        text += b" " * (-len(text) % 4)
        parts = [struct.pack("<I4s", len(text), b"JSON"), text]
        if self.buffer:
            parts += [struct.pack("<I4s", len(self.buffer), b"BIN\0"), bytes(self.buffer)]
        length = 12 + sum(len(part) for part in parts)
        return struct.pack("<4sII", b"glTF", 2, length) + b"".join(parts)


def to_screen(colour: str) -> tuple[float, float, float]:
    """Turn `#rrggbb` into red, green and blue (0 … 1) as screens show them; InputError where it is none."""
    try:
        screen = bytes.fromhex(colour.removeprefix("#"))
    except ValueError:
        screen = b""
    if len(screen) != 3 or not colour.startswith("#"):
        raise InputError(f"colour: found {colour!r}, expected #rrggbb")
    red, green, blue = (value / 255 for value in screen)
    return red, green, blue


def to_linear(colour: str) -> tuple[float, float, float]:
    """Turn `#rrggbb`, as screens show it, into the linear red, green and blue (0 … 1) that glTF and Blender want."""
    red, green, blue = (
        round(c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4, 6) for c in to_screen(colour)
    )
    return red, green, blue


def plain_value(value: object) -> bool | int | float | str | None:
    """Return what JSON can hold: numpy scalars as Python's, what is not finite as null, the rest as text."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, bool | int | str | None) else str(value)
