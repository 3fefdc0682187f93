"""MRC and REC: the format of electron tomography (MRC2014; IMOD's signed-byte flag)."""

from pathlib import Path
from typing import Any, Literal

import numpy as np

from famous.errors import InputError
from famous.io.sources import RawVolume, Source, naming
from famous.voxels import VoxelSize

NM_PER_ANGSTROM = 0.1
SUFFIXES = (".mrc", ".rec", ".mrcs", ".st", ".ali", ".preali", ".map")

_MODES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
_IMOD_STAMP = 1146047817


def open_mrc(path: Path) -> Source:
    """Open an MRC file; its cell size is in Å, slices come in the order of the file, y as stored."""
    header = _read_header(path)
    if header.map[()][:3] != b"MAP" and not _is_plausible(header):
        raise InputError(f"{path}: found no MRC header (no word MAP at byte 208), expected an MRC file")
    mode = int(header.mode)
    if mode not in _MODES:
        raise InputError(f"{path}: found MRC mode {mode}, expected 0, 1, 2, 6 or 12 (bytes, integers, floats)")
    if int(header.nsymbt) < 0:
        raise InputError(f"{path}: found an extended header of {int(header.nsymbt)} bytes, expected 0 or more")
    axes = (int(header.mapc), int(header.mapr), int(header.maps))
    if axes not in ((1, 2, 3), (0, 0, 0)):
        raise InputError(
            f"{path}: found the axis order {axes} in the header, expected 1, 2, 3 (columns x, rows y, sections z)"
        )
    letter = "u1" if mode == 0 and _is_unsigned(header) else _MODES[mode]
    dtype = np.dtype(letter).newbyteorder(header.mode.dtype.byteorder)
    shape = (int(header.nz), int(header.ny), int(header.nx))
    volume = RawVolume(path, shape, dtype, 1024 + int(header.nsymbt))
    voxel_size, notes = _voxel_size(path, header)
    origin = tuple(float(header.origin[axis]) * NM_PER_ANGSTROM for axis in "zyx")
    if not np.isfinite(origin).all():
        origin, notes = (0.0, 0.0, 0.0), [*notes, f"{path.name}: the origin in the header is not finite; 0 is used"]
    return Source("MRC", volume, (path,), voxel_size, (origin[0], origin[1], origin[2]), tuple(notes))


def _read_header(path: Path) -> Any:
    """Read the first 1024 bytes; the byte order is the machine stamp's, or the one in which the mode makes sense.

    Not mrcfile.open: it sets memory aside for whatever length of extended header a damaged file claims.
    """
    from mrcfile.dtypes import HEADER_DTYPE
    from mrcfile.utils import byte_order_from_machine_stamp

    with naming(path, "an MRC file"), path.open("rb") as file:
        content = file.read(HEADER_DTYPE.itemsize)
        if len(content) < HEADER_DTYPE.itemsize:
            raise InputError(f"{path}: found {len(content)} bytes, expected an MRC header of {HEADER_DTYPE.itemsize}")
        header = np.frombuffer(content, HEADER_DTYPE).reshape(()).view(np.recarray)
        try:
            order = byte_order_from_machine_stamp(header.machst)
        except ValueError:
            order = "<"
        for candidate in (order, "<", ">"):
            turned = header.view(HEADER_DTYPE.newbyteorder(candidate)).view(np.recarray)
            if int(turned.mode) in _MODES:
                return turned
        return header.view(HEADER_DTYPE.newbyteorder(order)).view(np.recarray)


def _voxel_size(path: Path, header: Any) -> tuple[VoxelSize | None, list[str]]:
    """Take cell size over sampling along each axis. 1 Å everywhere is what writers put where they know nothing."""
    cells = [float(header.cella[axis]) for axis in "zyx"]
    counts = [int(header[name]) for name in ("mz", "my", "mx")]
    if min(counts) < 1 or not np.isfinite(cells).all() or min(cells) <= 0:
        return None, []
    sizes = [cell / count for cell, count in zip(cells, counts, strict=True)]
    if np.allclose(sizes, 1.0, rtol=1e-4):
        return None, [f"{path.name}: a voxel of 1 × 1 × 1 Å is the value of a file without voxel size; it is not used"]
    return VoxelSize.from_zyx(size * NM_PER_ANGSTROM for size in sizes), []


def _is_unsigned(header: Any) -> bool:
    """Tell whether mode 0 means unsigned bytes: IMOD's stamp without its flag for signed bytes."""
    extra = header.extra2[()].tobytes()
    order: Literal["big", "little"] = "big" if header.mode.dtype.byteorder == ">" else "little"
    stamp, flags = (int.from_bytes(extra[at : at + 4], order) for at in (40, 44))
    return stamp == _IMOD_STAMP and not flags & 1


def _is_plausible(header: Any) -> bool:
    """Tell whether a header without the word MAP may be one of before 2000."""
    sizes = [int(header.nx), int(header.ny), int(header.nz)]
    axes = (int(header.mapc), int(header.mapr), int(header.maps))
    return min(sizes) > 0 and max(sizes) < 2**20 and int(header.mode) in _MODES and axes in ((1, 2, 3), (0, 0, 0))
