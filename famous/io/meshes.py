"""Mesh files: (x, y, z) in µm, right-handed, volume above 0. The only place where (z, y, x) nm is turned round.

PLY and STL are binary, OBJ is text; the same mesh gives the same bytes. GLB is in `famous.io.glb`.
"""

import io
import re
import struct
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from famous.errors import InputError
from famous.files import atomic_path, write_json, write_text
from famous.io.glb import MeshNode, plain_value, to_screen, write_glb
from famous.io.tables import read_bytes
from famous.mesh import Mesh
from famous.voxels import NM_PER_UM, zyx_to_xyz

__all__ = [
    "SIDE_CAR",
    "SUFFIXES",
    "MeshNode",
    "read_mesh",
    "write_glb",
    "write_material",
    "write_mesh",
    "write_side_car",
]

SUFFIXES = (".ply", ".stl", ".obj")
SIDE_CAR = "meshes.json"
CREATED = "made by famous; unit micrometre; axes x y z"

ROWS = 1 << 16  # of a PLY file that are made at a time
_STL_HEADER = 80
_STL_FACE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("spare", "<u2")])
_PLY_FACE = np.dtype([("count", "u1"), ("corners", "<i4", 3)])
#: The header of our own PLY and of the like; others are left to trimesh.
_PLY_HEADER = re.compile(
    rb"ply\r?\nformat binary_little_endian 1\.0\r?\n(?:(?:comment|obj_info)[^\n]*\n)*"
    rb"element vertex (\d+)\r?\nproperty (?:float|float32) x\r?\nproperty (?:float|float32) y\r?\n"
    rb"property (?:float|float32) z\r?\nelement face (\d+)\r?\n"
    rb"property list (?:uchar|uint8) (?:u?int|u?int32) vertex_ind(?:ices|ex)\r?\nend_header\r?\n"
)
#: How many there are of an element of a PLY file, and the lines that say what each is.
_PLY_ELEMENT = re.compile(
    rb"^element[ \t]+\S+[ \t]+(\d+)\s*\n((?:(?:property|comment|obj_info)\b[^\n]*\n)*)", re.MULTILINE
)
#: Bytes of each type of a PLY file.
_PLY_BYTES = {
    name.encode(): size
    for size, names in {1: "char uchar int8 uint8", 2: "short ushort int16 uint16", 8: "double float64"}.items()
    for name in names.split()
} | dict.fromkeys((b"int", b"uint", b"int32", b"uint32", b"float", b"float32"), 4)
#: What trimesh raises on broken files.
_FAULTS = (ValueError, TypeError, LookupError, RuntimeError, ArithmeticError, MemoryError, AttributeError, struct.error)


def write_mesh(
    path: str | Path, mesh: Mesh, *, class_name: str = "", instance: int = 0, material: str | None = None
) -> Path:
    """Write one mesh atomically; the suffix chooses PLY, STL or OBJ.

    `instance` is the organelle's id, 0 for a file that holds several. Class and id stand in the file's comments. An OBJ
    takes its colour from the MTL file named `material`, which lies beside it.

    Raises
    ------
    InputError
        If the suffix is another one, or the file cannot be written.
    """
    path = Path(path)
    _require_suffix(path)
    about = [CREATED, f"class {_plain(class_name)}" if class_name else "", f"instance {instance}" if instance else ""]
    encode = {".ply": _ply, ".stl": _stl, ".obj": _obj}[path.suffix.lower()]
    if material is not None and encode is _obj:
        encode = partial(_obj, use=f"mtllib {_plain(material)}\nusemtl {_word(class_name)}\n")
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.writelines(encode(mesh, [line for line in about if line]))
    return path


def write_side_car(folder: str | Path, files: Mapping[str, Mapping[str, object]]) -> Path:
    """Write `meshes.json`, which says what the formats cannot: the unit, the axes, and each file's row.

    Parameters
    ----------
    files
        Path of a mesh below the folder, with `/` → what is known of it; numbers that are not finite become null.
    """
    known = {name: {key: plain_value(value) for key, value in row.items()} for name, row in files.items()}
    content = {"unit": "micrometre", "axes": ["x", "y", "z"], "made_by": "famous", "files": known}
    path = Path(folder) / SIDE_CAR
    write_json(path, content)
    return path


def write_material(path: str | Path, class_name: str, colour: str) -> Path:
    """Write the MTL file of one class, whose material `write_mesh` names in an OBJ; `colour` is `#rrggbb`.

    The format does not say what its numbers mean; they are written as screens show them, as most programs do.
    """
    path = Path(path)
    shown = " ".join(f"{value:.6g}" for value in to_screen(colour))
    lines = [
        f"# {CREATED}",
        f"newmtl {_word(class_name)}",
        f"Kd {shown}",
        "Ka 0 0 0",
        "Ks 0.04 0.04 0.04",
        "Ns 60",
        "d 1",
    ]
    write_text(path, "\n".join(lines) + "\n")
    return path


def read_mesh(path: str | Path) -> Mesh:
    """Read a PLY, STL or OBJ file in (x, y, z) µm as a mesh in (z, y, x) nm.

    An STL file knows no shared vertices; equal ones are joined, and faces that collapse with them are left out.

    Raises
    ------
    InputError
        If the file is missing, truncated, of another format, or names vertices that it does not have.
    """
    path = Path(path)
    _require_suffix(path)
    content = read_bytes(path)
    try:
        with np.errstate(invalid="ignore"):  # damaged floats; what is not finite is found by Mesh
            vertices, faces = {".ply": _read_ply, ".stl": _read_stl, ".obj": _read_obj}[path.suffix.lower()](content)
        return Mesh(zyx_to_xyz(np.asarray(vertices, dtype=np.float64)) * NM_PER_UM, faces[:, ::-1])
    except InputError as fault:
        raise InputError(f"{path}: {fault}; write the file again") from fault
    except _FAULTS as fault:
        brief = str(fault).strip().splitlines() or [type(fault).__name__]
        raise InputError(
            f"{path}: found no valid mesh ({brief[0][:200]}), expected {path.suffix[1:].upper()}; write the file again"
        ) from fault


def _require_suffix(path: Path) -> None:
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: found the suffix {path.suffix!r}, expected one of {', '.join(SUFFIXES)}")


def _plain(text: str) -> str:
    """One line of ASCII, as headers want it."""
    return " ".join(text.split()).encode("ascii", "backslashreplace").decode("ascii")


def _word(class_name: str) -> str:
    """Name a material: one word, since the format ends a name at the first space."""
    return _plain(class_name).replace(" ", "_") or "organelle"


def _turned(mesh: Mesh) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Vertices (x, y, z) in µm and the faces, turned round because reversing the axes is a reflection."""
    return zyx_to_xyz(mesh.vertices / NM_PER_UM).astype("<f4"), mesh.faces[:, ::-1]


def _ply(mesh: Mesh, about: list[str]) -> Iterator[bytes]:
    header = [
        "ply",
        "format binary_little_endian 1.0",
        *(f"comment {line}" for line in about),
        f"element vertex {len(mesh.vertices)}",
        *(f"property float {axis}" for axis in "xyz"),
        f"element face {len(mesh.faces)}",
        "property list uchar int vertex_indices",
        "end_header\n",
    ]
    yield "\n".join(header).encode("ascii")
    for start in range(0, len(mesh.vertices), ROWS):
        yield zyx_to_xyz(mesh.vertices[start : start + ROWS] / NM_PER_UM).astype("<f4").tobytes()
    for start in range(0, len(mesh.faces), ROWS):
        faces = mesh.faces[start : start + ROWS, ::-1]
        rows = np.empty(len(faces), dtype=_PLY_FACE)
        rows["count"], rows["corners"] = 3, faces
        yield rows.tobytes()


def _read_ply(content: bytes) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    match = _PLY_HEADER.match(content)
    if match is None:
        if not content.startswith(b"ply"):
            raise InputError(f"found a file that starts with {content[:8]!r}, expected 'ply'")
        _require_whole(content)
        return _read_others(content, "ply")
    counts = int(match[1]), int(match[2])
    start, expected = match.end(), counts[0] * 12 + counts[1] * _PLY_FACE.itemsize
    if len(content) - start != expected:
        short = "; the file is cut short" if len(content) - start < expected else ""
        raise InputError(f"found {len(content) - start} bytes after the header, expected {expected}{short}")
    vertices = np.frombuffer(content, dtype="<f4", count=counts[0] * 3, offset=start).reshape(-1, 3)
    rows = np.frombuffer(content, dtype=_PLY_FACE, count=counts[1], offset=start + counts[0] * 12)
    if (rows["count"] != 3).any():
        raise InputError("found a face that is no triangle, expected triangles")
    return vertices.astype(np.float64), rows["corners"].astype(np.int64)


def _require_whole(content: bytes) -> None:
    """Raise InputError where a PLY file of any kind is shorter than its header says, its faces triangles at least.

    What cannot be read of a header is left to trimesh.
    """
    end = re.search(rb"^end_header[ \t]*\r?\n", content, re.MULTILINE)
    if end is None:
        raise InputError("found no line end_header, expected one; the file is cut short")
    header, rest = content[: end.start()], content[end.end() :]
    elements = _PLY_ELEMENT.findall(header)
    if re.search(rb"^format[ \t]+ascii\b", header, re.MULTILINE):
        found, what = sum(1 for _ in re.finditer(rb"\S+", rest)), "numbers"
        expected = sum(int(n) * _least(rows, dict.fromkeys(_PLY_BYTES, 1)) for n, rows in elements)
    else:
        found, what = len(rest), "bytes"
        expected = sum(int(n) * _least(rows, _PLY_BYTES) for n, rows in elements)
    if found < expected:
        raise InputError(f"found {found} {what} after the header, expected at least {expected}; the file is cut short")


def _least(properties: bytes, lengths: Mapping[bytes, int]) -> int:
    """Return how long a row of a PLY element is at least; each type has its length."""
    total = 0
    for line in properties.splitlines():
        words = line.split()
        if words[:2] == [b"property", b"list"] and len(words) > 3:
            corners = 3 if words[-1].startswith(b"vertex_ind") else 0
            total += lengths.get(words[2], 0) + corners * lengths.get(words[3], 0)
        elif words[:1] == [b"property"] and len(words) > 1:
            total += lengths.get(words[1], 0)
    return total


def _stl(mesh: Mesh, about: list[str]) -> Iterator[bytes]:
    vertices, faces = _turned(mesh)
    rows = np.zeros(len(faces), dtype=_STL_FACE)
    rows["corners"] = vertices[faces]
    corners = rows["corners"].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    rows["normal"] = np.divide(normals, lengths, out=np.zeros_like(normals), where=lengths > 0)
    header = "; ".join(about).encode("ascii")[:_STL_HEADER].ljust(_STL_HEADER)
    yield header + struct.pack("<I", len(faces))
    yield rows.tobytes()


def _read_stl(content: bytes) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    if content.lstrip().startswith(b"solid") and b"facet" in content[:1024]:
        vertices, faces = _read_others(content, "stl_ascii")
        corners = vertices[faces].reshape(-1, 3)
    else:
        start = _STL_HEADER + 4
        count = struct.unpack("<I", content[_STL_HEADER:start])[0] if len(content) >= start else -1
        if count < 0 or len(content) != start + count * _STL_FACE.itemsize:
            wanted = (
                f"{start + count * _STL_FACE.itemsize} for {count} triangles" if count >= 0 else f"at least {start}"
            )
            raise InputError(f"found {len(content)} bytes, expected {wanted}")
        corners = np.frombuffer(content, dtype=_STL_FACE, offset=start)["corners"].reshape(-1, 3).astype(np.float64)
    joined, number = np.unique(corners, axis=0, return_inverse=True)
    faces = number.reshape(-1, 3).astype(np.int64)
    collapsed = (faces == np.roll(faces, 1, axis=1)).any(axis=1)
    return joined, faces[~collapsed]


def _obj(mesh: Mesh, about: list[str], use: str = "") -> Iterator[bytes]:
    vertices, faces = _turned(mesh)
    lines = "".join(f"# {line}\n" for line in [*about, f"{len(vertices)} vertices, {len(faces)} faces"])
    points = "v %.9g %.9g %.9g\n" * len(vertices) % tuple(vertices.ravel().tolist())
    corners = "f %d %d %d\n" * len(faces) % tuple((faces + 1).ravel().tolist())
    yield (lines + use + points + corners).encode("ascii")


def _read_obj(content: bytes) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    ours = re.search(rb"^# (\d+) vertices, (\d+) faces$", content[:4096], re.MULTILINE)
    if not re.search(rb"^v ", content, re.MULTILINE):
        if ours and ours[1] == b"0":
            return np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64)
        raise InputError("found no line that starts with 'v ', expected vertices")
    vertices, faces = _read_others(content, "obj")
    if ours and (not content.endswith(b"\n") or (len(vertices), len(faces)) != (int(ours[1]), int(ours[2]))):
        raise InputError(
            f"found {len(vertices)} vertices and {len(faces)} faces, expected {int(ours[1])} and {int(ours[2])}"
        )
    return vertices, faces


def _read_others(content: bytes, kind: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Let trimesh read what others wrote; no vertex is joined or left out."""
    import trimesh

    loaded = trimesh.load(io.BytesIO(content), file_type=kind, process=False, maintain_order=True, force="mesh")
    if not isinstance(loaded, trimesh.Trimesh):
        raise InputError(f"found a {type(loaded).__name__}, expected a triangle mesh")
    return np.asarray(loaded.vertices, dtype=np.float64), np.asarray(loaded.faces, dtype=np.int64)
