"""Amira and Avizo label fields, `.am` and `.labels`: binary of either byte order, ASCII, HxByteRLE, HxZip.

The header is text: `define Lattice x y z`, parameters with the materials and the bounding box, and which data stream
(`@1`) holds what. Amira's bounding box goes from the first voxel's centre to the last one's, and has no unit.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from famous.errors import InputError
from famous.io.frames import Frame, FramedVolume, to_nm
from famous.io.sources import Source, check_shape, naming
from famous.io.unpacked import (
    BLOCK,
    DEFLATE_RATIO,
    Voxels,
    inflate,
    parse_numbers,
    require_numbers,
    require_room,
    unpack,
)

SUFFIXES = (".am", ".labels")
MAGIC = (b"# AmiraMesh", b"# Avizo", b"# HyperMesh")

_LONGEST_HEADER = 1 << 22
_RLE_RATIO = 127 / 2  # bytes that two bytes stand for at most
_TYPES = {"byte": "u1", "ubyte": "u1", "sbyte": "i1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4"}
_TYPES |= {"int32": "i4", "uint32": "u4", "int64": "i8", "uint64": "u8", "float": "f4", "double": "f8"}
_STREAM = re.compile(
    r"^\s*Lattice\s*\{\s*(\w+)(\[\d+\])?\s+([\w-]+)\s*\}\s*=?\s*@(\d+)\s*(?:\(\s*(\w+)\s*,\s*(\d+)\s*\))?", re.MULTILINE
)
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_BOX = re.compile(rf"\bBoundingBox((?:\s+{_NUMBER}){{6}})(?![\w.])")


@dataclass(frozen=True)
class _Stream:
    """Where a lattice's values lie: their type, name, number and, where they are compressed, how and how long."""

    dtype: np.dtype[Any]
    name: str
    number: int
    packing: str | None
    packed: int


def is_amira(begin: bytes) -> bool:
    """Tell by its first bytes whether a file is Amira's."""
    return begin.startswith(MAGIC)


def open_amira(path: Path, unit: str | None = None) -> tuple[Source, dict[int, str]]:
    """Open a label field, and return the names of its materials by their value, the exterior left out.

    The unit is what the file's parameters say, which most do not: then it has no voxel size unless `unit` says it.

    Raises
    ------
    InputError
        If it is no Amira file, holds no lattice of whole numbers with uniform coordinates, or is cut short.
    """
    with naming(path, "an Amira file"), path.open("rb") as file:
        content = file.read(_LONGEST_HEADER)
    if not is_amira(content):
        raise InputError(f"{path}: found a file that starts with {content[:11]!r}, expected # AmiraMesh or # Avizo")
    end = re.search(rb"^@\d+[ \t]*\r?\n", content, re.MULTILINE)
    if end is None:
        raise InputError(f"{path}: found no data section (a line @1), expected one; the file is cut short")
    text = content[: end.start()].decode("utf-8", errors="replace")
    stored = _lattice(path, text)
    order, is_ascii = _byte_order(path, text)
    streams = _streams(path, text, order)
    stream = _labels_of(path, streams)
    check_shape(path, stored, stream.dtype)
    frame, notes = _frame(path, text, stored)
    voxel_size, origin, about = to_nm(path, frame, _unit(text), unit)
    with naming(path, "an Amira label field"):
        data, offset = _data_file(path, stream, streams, end.start(), stored, is_ascii)
    volume = FramedVolume(data, stored, stream.dtype, offset, frame, name=path)
    return Source("Amira", volume, (path,), voxel_size, origin, (*notes, *about)), _materials(text)


def _lattice(path: Path, text: str) -> tuple[int, int, int]:
    match = re.search(r"^\s*define\s+Lattice\s+(\d+)\s+(\d+)\s+(\d+)\s*$", text, re.MULTILINE)
    if match is None:
        raise InputError(f"{path}: found no line `define Lattice x y z`, expected a label field on a lattice")
    kind = re.search(r'\bCoordType\s+"?(\w+)', text)
    if kind is not None and kind[1].lower() != "uniform":
        raise InputError(
            f"{path}: found {kind[1]} coordinates, expected uniform ones; in Amira, Resample it on a uniform lattice"
        )
    x, y, z = (int(length) for length in match.groups())
    return z, y, x


def _byte_order(path: Path, text: str) -> tuple[Literal["<", ">"], bool]:
    """Return the byte order, and whether numbers are written as text; plain `BINARY` is big-endian."""
    first = text.splitlines()[0].upper()
    if "ASCII" in first:
        return "<", True
    if "BINARY" not in first:
        raise InputError(f"{path}: found the first line {first[:80]!r}, expected BINARY or ASCII in it")
    return ("<" if "LITTLE-ENDIAN" in first else ">"), False


def _streams(path: Path, text: str, order: Literal["<", ">"]) -> list[_Stream]:
    streams = []
    for type_name, several, name, number, packing, packed in _STREAM.findall(text):
        letter = _TYPES.get(type_name.lower())
        if letter is None or several:
            letter = "V1"
        if packing not in ("", "HxByteRLE", "HxZip"):
            raise InputError(f"{path}: found the compression {packing}, expected HxByteRLE, HxZip or none")
        dtype = np.dtype(letter).newbyteorder(order)
        streams.append(_Stream(dtype, name, int(number), packing or None, int(packed or 0)))
    return sorted(streams, key=lambda stream: stream.number)


def _labels_of(path: Path, streams: list[_Stream]) -> _Stream:
    """Choose the lattice of whole numbers: the one called Labels, or the only one."""
    whole = [stream for stream in streams if stream.dtype.kind in "ui"]
    named = [stream for stream in whole if stream.name.lower() in ("labels", "label")] or whole
    if len(named) != 1:
        found = ", ".join(f"{stream.name} ({stream.dtype})" for stream in streams) or "none"
        raise InputError(f"{path}: found the lattices {found}, expected one of whole numbers called Labels")
    return named[0]


def _frame(path: Path, text: str, stored: tuple[int, int, int]) -> tuple[Frame, tuple[str, ...]]:
    match = _BOX.search(text)
    if match is None:
        return Frame(), (f"{path.name}: found no bounding box; give the voxel size",)
    x0, x1, y0, y1, z0, z1 = (float(number) for number in match[1].split())
    low, high = np.array([z0, y0, x0]), np.array([z1, y1, x1])
    counts = np.array(stored)
    steps = (high - low) / np.maximum(counts - 1, 1)
    if (steps <= 0).any() or not np.isfinite(steps).all():
        return Frame(), (
            f"{path.name}: found the bounding box {match[1].strip()}, which has no extent; it is not used",
        )
    sizes, origin = steps.tolist(), low.tolist()
    return Frame(sizes=(sizes[0], sizes[1], sizes[2]), origin=(origin[0], origin[1], origin[2])), ()


def _unit(text: str) -> str | None:
    """Return the unit that newer files name."""
    match = re.search(r'\bUnits\s*\{\s*Coordinates\s+"([^"]*)"', text)
    return match[1] if match else None


def _materials(text: str) -> dict[int, str]:
    """Names by value. The value is the place in the list, 0 for the exterior, unless the ids count from 0, too."""
    start = re.search(r"\bMaterials\s*\{", text)
    if start is None:
        return {}
    tokens = re.findall(r'"[^"\n]*"|[{}]|[^\s{}",]+', text[start.end() :])
    found: list[tuple[str, int | None]] = []
    depth = 1
    for token, following in zip(tokens, [*tokens[1:], ""], strict=True):
        depth += (token == "{") - (token == "}")
        if depth == 0:
            break
        if depth == 1 and token != "}":
            found.append((token.strip('"'), None))
        elif depth == 2 and token == "Id" and following.isdecimal() and len(following) < 19 and found:
            found[-1] = (found[-1][0], int(following))
    ids = [number for _, number in found if number is not None]
    by_id = len(ids) == len(found) > 0 and ids[0] == 0 and len(set(ids)) == len(ids)
    names = {(ids[i] if by_id else i): name for i, (name, _) in enumerate(found)}
    return {value: name for value, name in names.items() if value > 0}


def _data_file(
    path: Path, stream: _Stream, streams: list[_Stream], start: int, stored: tuple[int, int, int], is_ascii: bool
) -> tuple[Path, int]:
    """Return the file with the voxels as they are, and where in it they begin."""
    voxels = Voxels(stored, stream.dtype)
    count = int(np.prod(stored, dtype=object))
    with path.open("rb") as file:
        file.seek(start)
        for other in streams:
            line = file.readline(64)
            if line.strip() != f"@{other.number}".encode():
                raise InputError(f"{path}: found {line[:20]!r}, expected the line @{other.number}; the file is damaged")
            if other is stream:
                break
            if is_ascii or (other.packing is None and other.dtype.kind == "V"):
                raise InputError(f"{path}: found values before the labels, expected the labels as @1; save them alone")
            file.seek(other.packed if other.packing else count * other.dtype.itemsize, 1)
            file.readline(64)  # an empty line between streams
        offset = file.tell()
        if is_ascii:
            require_numbers(path, voxels, path.stat().st_size - offset)
            return unpack(path, "amira", parse_numbers(_until(file, b"@"), stream.dtype), voxels), 0
        if stream.packing is None:
            _require_end(path, file, offset, voxels)
            return path, offset
        left = path.stat().st_size - offset
        if left < stream.packed:
            raise InputError(f"{path}: found {left} bytes of voxels, expected {stream.packed}; the file is truncated")
        ratio = DEFLATE_RATIO if stream.packing == "HxZip" else _RLE_RATIO
        require_room(path, voxels.length, stream.packed, ratio)
        chunks = inflate(file, stream.packed) if stream.packing == "HxZip" else decode_runs(file, stream.packed)
        return unpack(path, "amira", chunks, voxels), 0


def _require_end(path: Path, file: BinaryIO, offset: int, voxels: Voxels) -> None:
    """Raise InputError where a slice or more follows raw voxels, and not another data section."""
    file.seek(offset + voxels.length)
    if not re.match(rb"\s*@\d+[ \t]*\r?\n", file.read(64)):
        voxels.or_part_of_a_slice().require_end(path, path.stat().st_size - offset)


def _until(file: BinaryIO, sign: bytes) -> Callable[[int], bytes]:
    """Return a reader that ends where a sign comes: the next data stream of an ASCII file."""
    ended = False

    def read(size: int) -> bytes:
        nonlocal ended
        block = b"" if ended else file.read(size)
        ended = ended or sign in block
        return block.split(sign, 1)[0]

    return read


def decode_runs(file: BinaryIO, packed: int) -> Iterator[bytes]:
    """Yield what an HxByteRLE stream stands for, in blocks; EOFError where it ends inside a run.

    A byte n below 128 repeats the next byte n times; one of 128 + n is followed by n bytes as they are.
    """
    rest = b""
    while packed or rest:
        block = file.read(min(BLOCK, packed))
        packed = packed - len(block) if block else 0
        data = rest + block
        made, at, end = [], 0, len(data)
        while at < end:
            count = data[at]
            after = at + 2 if count < 128 else at + 1 + (count & 127)
            if after > end:
                break
            made.append(data[at + 1 : after] * count if count < 128 else data[at + 1 : after])
            at = after
        rest = data[at:]
        yield b"".join(made)
        if rest and not packed:
            raise EOFError("the runs end early")
