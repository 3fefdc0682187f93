"""Mesh files: (x, y, z) in µm, right-handed, volume above 0. The only place where (z, y, x) nm is turned round."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from famous.errors import InputError
from famous.mesh import Mesh
from famous.voxels import NM_PER_UM, zyx_to_xyz

SUFFIXES = (".ply", ".stl", ".obj")


def to_file_axes(mesh: Mesh) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Vertices (x, y, z) in µm, float32, and the faces reversed, because reversing the axes is a reflection."""
    return zyx_to_xyz(mesh.vertices / NM_PER_UM).astype("<f4"), mesh.faces[:, ::-1]


def write_mesh(path: str | Path, mesh: Mesh, *, class_name: str = "", instance: int = 0) -> Path:
    """Write one mesh; the suffix chooses PLY (binary), STL (binary) or OBJ."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    if path.suffix.lower() != ".ply":
        raise InputError(f"{path}: found suffix {path.suffix!r}, expected one of {', '.join(SUFFIXES)}")
    part.write_bytes(_ply(mesh, class_name, instance))
    part.replace(path)
    return path


def _ply(mesh: Mesh, class_name: str, instance: int) -> bytes:
    vertices, faces = to_file_axes(mesh)
    header = [
        "ply",
        "format binary_little_endian 1.0",
        "comment unit micrometre, axes x y z",
        f"comment class {class_name}",
        f"comment instance {instance}",
        f"element vertex {len(vertices)}",
        *(f"property float {axis}" for axis in "xyz"),
        f"element face {len(faces)}",
        "property list uchar int vertex_indices",
        "end_header",
    ]
    rows = np.empty(len(faces), dtype=[("n", "u1"), ("v", "<i4", 3)])
    rows["n"], rows["v"] = 3, faces
    return "\n".join(header).encode() + b"\n" + vertices.tobytes() + rows.tobytes()
