"""Open an image stack of any format, lazily, with the voxel size that the file or the user gives."""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from famous.errors import InputError
from famous.io import amira, hdf5, mrc, nifti, nrrd, pictures, slices, tiffs, zarrs
from famous.io.sources import Source, naming
from famous.stack import Stack
from famous.voxels import VoxelSize

MAX_FINGERPRINTED = 100_000  # files of a chunked store that are looked at; more would take minutes on a network drive

_EXPECTED = (
    "a folder of slices (TIFF, PNG, JPEG, BMP), a TIFF stack, MRC/REC, HDF5 (file.h5:/dataset), Zarr or OME-Zarr, "
    "NIfTI, NRRD or Amira"
)


@dataclass(frozen=True)
class OpenedStack:
    """A stack with what its opening brought to light.

    `notes` are sentences for the user; `fingerprint` changes when the input changes (names, sizes and times of its
    files, shape, type); `format` names the file format; `origin_nm` is the position of its first voxel (z, y, x) where
    the format has one.
    """

    stack: Stack
    notes: tuple[str, ...]
    fingerprint: str
    format: str
    origin_nm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    slice_names: tuple[str, ...] | None = None  # file of each slice, where the stack is a folder of slices


def open_stack(path: str | Path, *, voxel_size: VoxelSize | None = None, invert: bool = False) -> OpenedStack:
    """Open a stack of any format; no voxel is read but a first slice where the format hides the type in it.

    Parameters
    ----------
    path
        A folder of slices, a file, or `file.h5:/dataset` (also `store.zarr:/array`).
    voxel_size
        Wins over what the file says; a conflict becomes a note.
    invert
        Turn the grey values round after the window, for stacks with bright membranes.

    Returns
    -------
    OpenedStack
        Its `stack` has no window yet, and no voxel size where neither the file nor the caller gave one
        (`require_voxel_size` tells the user how to).

    Raises
    ------
    InputError
        If there is nothing, or nothing that is a sound stack of grey slices; reading a damaged slice raises it too.
    """
    file, inside = split_dataset(path)
    source = _open_source(file, inside)
    notes = list(source.notes)
    chosen = voxel_size or source.voxel_size
    if voxel_size and source.voxel_size and not voxel_size.is_close(source.voxel_size):
        notes.append(
            f"{slices.own_name(file)}: the file says a voxel is {source.voxel_size}, the option says {voxel_size}; "
            "the option wins"
        )
    stack = Stack(volume=source.volume, voxel_size=chosen, inverted=invert, name=str(path))
    names = tuple(path.name for path in source.files)
    return OpenedStack(
        stack,
        tuple(notes),
        _fingerprint(source, file, inside),
        source.format,
        source.origin_nm,
        names if file.is_dir() and len(names) == len(stack) else None,
    )


def require_voxel_size(stack: Stack) -> VoxelSize:
    """Return the stack's voxel size, or raise InputError that says how to give one."""
    if stack.voxel_size is None:
        raise InputError(
            f"{stack.name}: found no voxel size in the file, expected one; give it in nm with --voxel-size Z Y X, "
            "for example --voxel-size 30 4 4 for slices of 30 nm and pixels of 4 × 4 nm"
        )
    stack.voxel_size.require_plausible()
    return stack.voxel_size


def split_dataset(path: str | Path) -> tuple[Path, str | None]:
    """Split `file.h5:/dataset` into file and dataset; a path that exists as it is has no dataset."""
    text = str(path)
    match = re.match(r"^(.{2,}?):(/?[^:\\]*)$", text)
    if match and not os.path.lexists(text):
        return Path(match[1]), match[2]
    return Path(text), None


def _open_source(path: Path, inside: str | None) -> Source:
    with naming(path, _EXPECTED):
        is_folder = path.is_dir()
        begin = b"" if is_folder else _first_bytes(path)
    if is_folder:
        if zarrs.is_store(path):
            return zarrs.open_zarr(path, inside)
        _refuse_dataset(path, inside)
        return slices.open_folder(path)
    suffix = path.suffix.lower()
    if not begin:
        raise InputError(f"{path}: found an empty file, expected {_EXPECTED}")
    if hdf5.MAGIC in begin or suffix in hdf5.SUFFIXES:
        return hdf5.open_hdf5(path, inside)
    _refuse_dataset(path, inside)
    if suffix in tiffs.SUFFIXES or begin[:4] in tiffs.MAGIC:
        return tiffs.open_tiff(path)
    if suffix in pictures.SUFFIXES:
        return slices.open_pictures([path], pictures.SUFFIXES[suffix])
    if suffix in mrc.SUFFIXES or begin[208:211] == b"MAP":
        return mrc.open_mrc(path)
    if (source := _open_medical(path, begin)) is not None:
        return source
    raise InputError(f"{path}: found a file of unknown kind (first bytes {begin[:8]!r}), expected {_EXPECTED}")


def _open_medical(path: Path, begin: bytes) -> Source | None:
    if nifti.is_nifti(path):
        return nifti.open_nifti(path)
    if begin.startswith(nrrd.MAGIC) or path.suffix.lower() in nrrd.SUFFIXES:
        return nrrd.open_nrrd(path)[0]
    if amira.is_amira(begin) or path.suffix.lower() in amira.SUFFIXES:
        return amira.open_amira(path)[0]
    return None


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(2048)


def _refuse_dataset(path: Path, inside: str | None) -> None:
    if inside is not None:
        raise InputError(f"{path}: found no HDF5 file or Zarr store, so there is no dataset {inside!r} in it")


def _fingerprint(source: Source, root: Path, inside: str | None) -> str:
    """Hash format, shape, type and each file's name, size and time; moving the whole does not change it."""
    files = []
    with naming(root, "files that can be looked at"):
        for path in _files(source.files):
            facts = path.stat()
            name = path.relative_to(root).as_posix() if path != root and path.is_relative_to(root) else path.name
            files.append((name, facts.st_size, facts.st_mtime_ns))
    facts_of_all = [source.format, inside, list(source.volume.shape), str(source.volume.dtype), files]
    return hashlib.sha256(json.dumps(facts_of_all).encode()).hexdigest()


def _files(paths: tuple[Path, ...]) -> Iterator[Path]:
    """Yield files, and those below folders in sorted order up to a limit."""
    left = MAX_FINGERPRINTED
    waiting = list(reversed(paths))
    while waiting and left > 0:
        path = waiting.pop()
        if path.is_dir():
            waiting.extend(sorted(path.iterdir(), reverse=True))
        else:
            left -= len(paths) == 1
            yield path
