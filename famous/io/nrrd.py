"""NRRD, `.nrrd` and `.nhdr`, also 3D Slicer's segmentations: to (z, y, x) and nm. pynrrd reads the header."""

import bz2
import gzip
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from famous.errors import InputError
from famous.io.frames import Frame, FramedVolume, find_frame, to_nm
from famous.io.sources import Source, brief, check_shape, naming, overhearing
from famous.io.unpacked import Voxels, parse_numbers, read_on, require_numbers, require_room, unpack

SUFFIXES = (".nrrd", ".nhdr")
MAGIC = b"NRRD"

_LONGEST_HEADER = 1 << 22
_TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
_LETTERS = {name: letter for letter, names in _TYPES.items() for name in names}
_AS_TEXT = ("ascii", "text", "txt")  # encodings
_RATIOS = {"gzip": 1032, "gz": 1032, "bzip2": 10**5, "bz2": 10**5}  # how much smaller they make a file at most


def open_nrrd(path: Path, unit: str | None = None) -> tuple[Source, dict[int, str]]:
    """Open a NRRD file, and return the names of its labels where it is a segmentation of 3D Slicer.

    A file with anatomical directions but without a unit is in mm, as Slicer has it.

    Raises
    ------
    InputError
        If it is no NRRD file, has no three axes, an encoding that is not read (hex), or is cut short.
    """
    header, begins = _read_header(path)
    with naming(path, "a NRRD header"):
        stored, lead = _three_axes(path, header)
        dtype = _dtype(path, header)
        frame, stated, notes = _frame(path, header, stored, lead)
        check_shape(path, frame.of(stored), dtype)
        names = _segment_names(header)
        data, offset = _data_file(path, header, begins, stored, dtype)
    voxel_size, origin, more = to_nm(path, frame, stated, unit)
    volume = FramedVolume(data, stored, dtype, offset, frame, name=path)
    files = (path,) if "data file" not in header else (path, path.parent / str(header["data file"]))
    return Source("NRRD", volume, files, voxel_size, origin, (*notes, *frame.notes, *more)), names


def _read_header(path: Path) -> tuple[Mapping[str, Any], int]:
    """Return the fields, and the byte that follows the header; pynrrd is given text alone, never the voxels."""
    import nrrd

    with naming(path, "a NRRD file"), path.open("rb") as file:
        content = file.read(_LONGEST_HEADER)
    if not content.startswith(MAGIC):
        raise InputError(f"{path}: found a file that starts with {content[:8]!r}, expected NRRD")
    end = re.search(rb"\r?\n\r?\n", content)
    if end is None and (path.suffix.lower() == ".nrrd" or len(content) == _LONGEST_HEADER):
        raise InputError(f"{path}: found no blank line that ends the header, expected a NRRD file; it is cut short")
    text = content[: end.start() if end else len(content)].decode("utf-8", errors="replace")
    try:
        with naming(path, "a NRRD header"), overhearing():
            header: dict[str, Any] = dict(nrrd.read_header([*text.splitlines(), ""]))
    except nrrd.NRRDError as fault:
        raise InputError(f"{path}: found no NRRD header ({brief(fault)}), expected one") from fault
    missing = [key for key in ("type", "dimension", "sizes", "encoding") if key not in header]
    if missing:
        raise InputError(f"{path}: found a NRRD header without {', '.join(missing)}; it is damaged")
    return {_field(key): value for key, value in header.items()}, end.end() if end else len(content)


def _field(key: str) -> str:
    """Spell fields that have several names as one."""
    return {"datafile": "data file", "lineskip": "line skip", "byteskip": "byte skip"}.get(key, key)


def _three_axes(path: Path, header: Mapping[str, Any]) -> tuple[tuple[int, int, int], int]:
    """Return the lengths, slowest first, and how many axes of length 1 lie before them in the header."""
    sizes = [int(size) for size in header["sizes"]]
    if len(sizes) != int(header["dimension"]):
        raise InputError(f"{path}: found {len(sizes)} sizes, expected {header['dimension']} as its dimension says")
    lead = 0
    while len(sizes) > 3 and sizes[0] == 1:
        sizes, lead = sizes[1:], lead + 1
    while len(sizes) > 3 and sizes[-1] == 1:
        sizes = sizes[:-1]
    if len(sizes) not in (2, 3):
        raise InputError(
            f"{path}: found {len(sizes)} axes {sizes}, expected three; a segmentation in layers has to be saved as one "
            "labelmap (in 3D Slicer: Export to labelmap)"
        )
    x, y, z = [*sizes, 1][:3]
    return (z, y, x), lead


def _dtype(path: Path, header: Mapping[str, Any]) -> np.dtype[Any]:
    letter = _LETTERS.get(str(header["type"]).lower())
    if letter is None:
        raise InputError(f"{path}: found values of type {header['type']!r}, expected whole numbers or floats")
    order = str(header.get("endian", "little")).lower()
    if letter[1] != "1" and "endian" not in header and str(header["encoding"]).lower() not in _AS_TEXT:
        raise InputError(f"{path}: found {header['type']} without `endian`, expected little or big")
    return np.dtype(letter).newbyteorder(">" if order == "big" else "<")


def _frame(
    path: Path, header: Mapping[str, Any], stored: tuple[int, int, int], lead: int
) -> tuple[Frame, str | None, tuple[str, ...]]:
    """Return the frame, the unit that the file states, and notes."""
    notes: tuple[str, ...] = ()
    stated = _unit(header.get("space units")) or _unit(header.get("units"))
    if "space directions" in header:
        rows = [row for row in header["space directions"] if row is not None]
        directions = np.array([row for row in np.asarray(rows, dtype=float) if np.isfinite(row).all()])
        if directions.shape == (2, 2):
            directions = np.vstack([np.pad(directions, ((0, 0), (0, 1))), [0, 0, 1]])
        if directions.shape != (3, 3):
            raise InputError(f"{path}: found {len(directions)} directions of axes in space, expected three")
        origin = np.asarray(header.get("space origin", np.zeros(3)), dtype=float)
        origin = np.pad(origin, (0, max(0, 3 - origin.size)))[:3]
        space = str(header.get("space", ""))
        if stated is None and ("-" in space or len(space) in (3, 4)) and not space.lower().startswith("3d"):
            stated = "mm"
            notes = (f"{path.name}: it has directions of the body but no unit; mm is taken, as 3D Slicer has it",)
        return find_frame(path, stored, directions[::-1], np.nan_to_num(origin)), stated, notes
    spacings = np.asarray(header.get("spacings", ()), dtype=float).ravel()[lead : lead + 3]
    if spacings.size == 2:
        spacings = np.append(spacings, np.nanmean(spacings))
    if spacings.size != 3 or not np.isfinite(spacings).all() or spacings.min() <= 0:
        return Frame(), stated, notes
    low = [float(v) if np.isfinite(v) else 0.0 for v in np.ravel(header.get("axis mins", ()))[lead : lead + 3]]
    x, y, z = [*low, 0.0, 0.0, 0.0][:3]
    return Frame(sizes=(float(spacings[2]), float(spacings[1]), float(spacings[0])), origin=(z, y, x)), stated, notes


def _unit(units: object) -> str | None:
    """Return the one unit of all axes, None where there is none or they differ."""
    if not isinstance(units, list | tuple | np.ndarray):
        units = [] if units is None else [units]
    named = {str(unit).strip('" ') for unit in units} - {"", "none", "None", "nan", "???"}
    return named.pop() if len(named) == 1 else None


def _segment_names(header: Mapping[str, Any]) -> dict[int, str]:
    """Names of the labels by their value, as 3D Slicer writes them: Segment0_LabelValue, Segment0_Name."""
    names: dict[int, str] = {}
    for key, value in header.items():
        match = re.fullmatch(r"(Segment\d+_)LabelValue", key)
        if match and str(value).strip().isdigit():
            names[int(str(value))] = str(header.get(f"{match[1]}Name", f"Segment {value}")).strip()
    return names


def _data_file(
    path: Path, header: Mapping[str, Any], begins: int, stored: tuple[int, int, int], dtype: np.dtype[Any]
) -> tuple[Path, int]:
    """Return the file with the voxels as they are, and where in it they begin; less than a slice may follow them."""
    voxels = Voxels(stored, dtype).or_part_of_a_slice()
    expected = voxels.length
    encoding = str(header["encoding"]).lower()
    data, skip = path, begins
    if "data file" in header:
        name = str(header["data file"])
        if name.upper().startswith("LIST") or "%" in name:
            raise InputError(f"{path}: found voxels in several files ({name}), expected one; save it as one .nrrd")
        data, skip = path.parent / name, 0
        if not data.is_file():
            raise InputError(f"{path}: found no file {data}, expected the voxels there")
    if int(header.get("line skip", 0)):
        raise InputError(f"{path}: found a NRRD file with lines to skip, expected none; save it anew as .nrrd")
    byte_skip = int(header.get("byte skip", 0))
    if byte_skip < (-1 if encoding == "raw" else 0):
        raise InputError(f"{path}: found {byte_skip} bytes to skip, expected 0 or more; the header is damaged")
    if encoding == "raw":
        if byte_skip == -1:
            return data, data.stat().st_size - expected
        voxels.require_end(data, data.stat().st_size - skip - byte_skip)
        return data, skip + byte_skip
    left = data.stat().st_size - skip
    if encoding in _AS_TEXT:
        require_numbers(data, voxels, left)
    else:
        require_room(path, expected, left, _RATIOS.get(encoding, 8))
    with data.open("rb") as file:
        file.seek(skip)
        if encoding in ("gzip", "gz"):
            chunks = read_on(gzip.GzipFile(fileobj=file), byte_skip)
        elif encoding in ("bzip2", "bz2"):
            chunks = read_on(bz2.BZ2File(file), byte_skip)
        elif encoding in _AS_TEXT:
            chunks = parse_numbers(file.read, dtype)
        else:
            raise InputError(f"{path}: found the encoding {encoding!r}, expected raw, gzip, bzip2 or text")
        return unpack(data, "nrrd", chunks, voxels), 0
