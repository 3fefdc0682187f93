"""Neuroglancer's precomputed meshes with segment properties, as an unsharded folder that any web server can serve.

Formats: google/neuroglancer, `src/datasource/precomputed/meshes.md` (legacy single-resolution) and
`segment_properties.md`. Positions are (x, y, z) in nm.
"""

import json
import os
import shutil
import struct
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from famous.errors import InputError
from famous.files import LONGEST, PARTIAL_SUFFIX
from famous.io.glb import MeshNode, plain_value
from famous.mesh import Mesh
from famous.voxels import zyx_to_xyz

PROPERTIES = "segment_properties"
HAS_COLONS = os.name != "nt"  # in the names of files
_INT32 = 2**31


def encode_mesh(mesh: Mesh, scale: float = 1.0) -> bytes:
    """Encode a mesh as neuroglancer reads it: vertex count, positions (x, y, z) in nm times `scale`, triangles."""
    vertices = (zyx_to_xyz(mesh.vertices) * scale).astype("<f4")
    return struct.pack("<I", len(vertices)) + vertices.tobytes() + mesh.faces[:, ::-1].astype("<u4").tobytes()


def write_precomputed(folder: str | Path, scenes: Mapping[str, Iterable[MeshNode]], *, overwrite: bool = False) -> Path:
    """Write a folder of meshes that appears whole: `info`, `<id>:0` and `<id>` a mesh, `segment_properties/info`.

    The label of a segment is its name, its tags are its class and what is true of it, its numbers those of its row.
    Empty meshes are left out.

    Parameters
    ----------
    scenes
        Class → its organelles with their ids, which may be a generator.

    Raises
    ------
    InputError
        If the folder is there and `overwrite` is off, an id is given twice or is not above 0, or on Windows, whose
        files may not have the colon in their name that the format wants.
    """
    folder = Path(folder)
    if not HAS_COLONS:
        raise InputError(f"{folder}: precomputed meshes have a colon in their files' names, which Windows has not")
    if folder.exists() and not overwrite:
        raise InputError(f"{folder} is there already; --overwrite replaces it, --out writes elsewhere")
    beside = _beside(folder)
    try:
        (beside / PROPERTIES).mkdir(parents=True)
        written: dict[int, tuple[str, MeshNode]] = {}
        for class_name, nodes in scenes.items():
            for node in nodes:
                if node.instance <= 0 or node.instance in written:
                    raise InputError(
                        f"{folder}, {node.name}: found the id {node.instance}, expected one of its own > 0"
                    )
                if not node.mesh.is_empty:
                    _write_one(beside, node)
                    written[node.instance] = class_name, MeshNode(node.name, Mesh.empty(), node.row, node.instance)
        _write(beside / PROPERTIES / "info", properties(written))
        _write(beside / "info", {"@type": "neuroglancer_legacy_mesh", PROPERTIES: PROPERTIES})
        _swap(beside, folder)
    except OSError as fault:
        raise InputError(f"{folder}: it cannot be written ({fault.strerror or fault}); is the disk full?") from fault
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder


def properties(segments: Mapping[int, tuple[str, MeshNode]]) -> dict[str, Any]:
    """Describe segments (id → class and node) as `segment_properties/info` has them.

    A column of numbers with gaps becomes text, since the format has no word for a missing number.
    """
    nodes = [node for _, node in segments.values()]
    rows = [{key: plain_value(value) for key, value in node.row.items()} for node in nodes]
    names = [name for name in dict.fromkeys(key for row in rows for key in row) if name not in ("id", "class")]
    columns = {name: [row.get(name) for row in rows] for name in names}
    flags = [name for name, values in columns.items() if values and all(isinstance(v, bool) for v in values)]
    classes = list(dict.fromkeys(class_name for class_name, _ in segments.values()))
    tags = ["_".join(name.split()) for name in (*classes, *flags)]
    chosen = [
        [classes.index(class_name), *(len(classes) + k for k, flag in enumerate(flags) if columns[flag][number])]
        for number, (class_name, _) in enumerate(segments.values())
    ]
    described: list[dict[str, Any]] = [
        {"id": "label", "type": "label", "values": [node.name for node in nodes]},
        {"id": "tags", "type": "tags", "tags": tags, "tag_descriptions": [*classes, *flags], "values": chosen},
    ]
    described += [_column(name, values) for name, values in columns.items() if name not in flags]
    inline = {"ids": [str(number) for number in segments], "properties": described}
    return {"@type": "neuroglancer_segment_properties", "inline": inline}


def _column(name: str, values: Sequence[Any]) -> dict[str, Any]:
    if any(isinstance(value, str | bool | None) for value in values):
        return {"id": name, "type": "string", "values": ["" if value is None else str(value) for value in values]}
    whole = all(isinstance(value, int) and -_INT32 <= value < _INT32 for value in values)
    return {"id": name, "type": "number", "data_type": "int32" if whole else "float32", "values": list(values)}


def _write_one(folder: Path, node: MeshNode) -> None:
    (folder / str(node.instance)).write_bytes(encode_mesh(node.mesh))
    _write(folder / f"{node.instance}:0", {"fragments": [str(node.instance)]})


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, allow_nan=False), encoding="utf-8")


def _beside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name[:LONGEST]}.{uuid.uuid4().hex}{PARTIAL_SUFFIX}")


def _swap(beside: Path, folder: Path) -> None:
    """Put the new folder where the old one is; what was there goes last."""
    old = _beside(folder)
    if folder.exists():
        if folder.is_dir() and any(folder.iterdir()) and not (folder / PROPERTIES).is_dir():
            raise InputError(f"{folder} holds something else than precomputed meshes; --out writes elsewhere")
        folder.replace(old)
    beside.replace(folder)
    if old.is_dir():
        shutil.rmtree(old, ignore_errors=True)
    else:
        old.unlink(missing_ok=True)
