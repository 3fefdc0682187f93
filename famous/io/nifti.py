"""NIfTI 1 and 2, `.nii` and `.nii.gz`: to (z, y, x) and nm. nibabel reads the header."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np

from famous.errors import InputError
from famous.io.frames import Frame, FramedVolume, find_frame, to_nm
from famous.io.sources import Source, brief, check_shape, naming, overhearing
from famous.io.unpacked import Voxels, read_on, require_room, unpack

SUFFIXES = (".nii", ".nii.gz", ".hdr")
GZIP = b"\x1f\x8b"
_SIZES = {348: "NIfTI 1", 540: "NIfTI 2"}  # length of the header → what it is
_MAGIC_AT = {348: 344, 540: 4}
_LENGTHS = (1e-12, 1e9)  # of a voxel's sides in any unit from nm to m: others are no lengths
_SPARE = 512  # bytes that may follow the voxels, or less than a slice where that is more


def is_nifti(path: Path) -> bool:
    """Tell by the name whether a file is NIfTI."""
    return path.name.lower().endswith(SUFFIXES)


def open_nifti(path: Path, unit: str | None = None) -> Source:
    """Open a NIfTI file; a compressed one is unpacked once into the scratch folder.

    Directions come from the sform, else the qform, else from the voxel sizes alone. What is stored is taken as it is:
    the header's scale for grey values is left out, with a note.

    Raises
    ------
    InputError
        If it is no NIfTI file, has no three axes, is cut short, or has a header that does not fit what follows: voxels
        of a size that is none, or axes that leave a slice or more over.
    """
    with naming(path, "a NIfTI file"), gzip.open(path) if _begins_with(path, GZIP) else path.open("rb") as file:
        content = file.read(540)
    header, kind = _read_header(path, content)
    try:
        with naming(path, "a NIfTI header"), overhearing("nibabel.global"):
            stored = _three_axes(path, header)
            dtype = np.dtype(header.get_data_dtype())
            offset = int(header["vox_offset"])
            stated = str(header.get_xyzt_units()[0])
            frame = _frame(path, header, stored)
            slope, shift = (float(header[key]) for key in ("scl_slope", "scl_inter"))
    except _faults() as fault:
        raise InputError(f"{path}: found a NIfTI header that makes no sense ({brief(fault)}), expected one") from fault
    check_shape(path, frame.of(stored), dtype)
    voxel_size, origin, notes = to_nm(path, frame, None if stated == "unknown" else stated, unit)
    if np.isfinite([slope, shift]).all() and slope != 0 and (slope, shift) != (1, 0):
        notes += (f"{path.name}: it asks to scale its values (slope {slope:g}, shift {shift:g}); they stay as stored",)
    data, offset = _data_file(path, content, dtype, stored, offset)
    volume = FramedVolume(data, stored, dtype, offset, frame, name=path)
    return Source(kind, volume, (path,), voxel_size, origin, (*frame.notes, *notes))


def _begins_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def _faults() -> tuple[type[Exception], ...]:
    """What nibabel raises besides what others do; it has no common parent."""
    from nibabel.spatialimages import HeaderDataError, HeaderTypeError
    from nibabel.wrapstruct import WrapStructError

    return HeaderDataError, HeaderTypeError, WrapStructError


def _read_header(path: Path, content: bytes) -> tuple[Any, str]:
    """Let nibabel read the header alone: what follows it may lie about its length."""
    from nibabel.nifti1 import Nifti1Header, Nifti1PairHeader
    from nibabel.nifti2 import Nifti2Header, Nifti2PairHeader

    size = next((n for n in _SIZES for order in ("little", "big") if int.from_bytes(content[:4], order) == n), 0)
    magic = content[_MAGIC_AT[size] : _MAGIC_AT[size] + 2] if size else b""
    if not size or len(content) < size or magic not in (b"n+", b"ni"):
        raise InputError(f"{path}: found {content[:4]!r} and {len(content)} bytes, expected the header of a NIfTI file")
    pair = magic == b"ni"
    kinds = {348: (Nifti1Header, Nifti1PairHeader), 540: (Nifti2Header, Nifti2PairHeader)}
    try:
        with naming(path, "a NIfTI header"):
            return kinds[size][pair](content[:size], check=False), _SIZES[size]
    except _faults() as fault:
        raise InputError(f"{path}: found no NIfTI header ({brief(fault)}), expected one") from fault


def _three_axes(path: Path, header: Any) -> tuple[int, int, int]:
    """Return the lengths, slowest first: what lies fastest in the file is named first in the header."""
    count = int(header["dim"][0])
    if not 2 <= count <= 7:
        raise InputError(f"{path}: found {count} axes in the header, expected three; the header is damaged")
    lengths = [int(length) for length in header.get_data_shape()]
    if len(lengths) > 3 and any(length != 1 for length in lengths[3:]):
        raise InputError(f"{path}: found {len(lengths)} axes {lengths}, expected three; save one volume alone")
    x, y, z = [*lengths, 1, 1, 1][:3]
    return z, y, x


def _frame(path: Path, header: Any, stored: tuple[int, int, int]) -> Frame:
    if int(header["sform_code"]) > 0 or int(header["qform_code"]) > 0:
        affine = np.asarray(header.get_best_affine(), dtype=float)
        frame = find_frame(path, stored, affine[:3, :3].T[::-1], affine[:3, 3])
    else:
        x, y, z = (float(size) for size in header["pixdim"][1:4])
        known = np.isfinite([x, y, z]).all() and min(x, y, z) > 0
        frame = Frame(sizes=(z, y, x)) if known else Frame()
    if max(frame.sizes) > 0 and not _LENGTHS[0] <= min(frame.sizes) <= max(frame.sizes) <= _LENGTHS[1]:
        shown = " × ".join(f"{size:g}" for size in frame.sizes)
        raise InputError(f"{path}: found voxels of {shown} (z, y, x), expected lengths; the header is damaged")
    return frame


def _data_file(
    path: Path, content: bytes, dtype: np.dtype[Any], stored: tuple[int, int, int], offset: int
) -> tuple[Path, int]:
    """Return the file with the voxels as they are, and where in it they begin."""
    data = path
    magic = next(content[at : at + 2] for at in _MAGIC_AT.values() if content[at : at + 2] in (b"n+", b"ni"))
    if magic == b"ni":
        stem = path.name[: -len(".hdr")] if path.name.lower().endswith(".hdr") else path.name
        data = next((p for p in (path.with_name(f"{stem}{end}") for end in (".img", ".img.gz")) if p.is_file()), path)
        if data == path:
            raise InputError(f"{path}: found a header without voxels, expected {stem}.img beside it")
    voxels = Voxels(stored, dtype).or_part_of_a_slice(least=_SPARE)
    if not _begins_with(data, GZIP):
        voxels.require_end(data, data.stat().st_size - max(offset, 0))
        return data, offset
    require_room(path, voxels.length + offset, data.stat().st_size)
    with naming(data, "a compressed NIfTI file"), gzip.open(data) as file:
        return unpack(data, "nifti", read_on(file, offset), voxels), 0
