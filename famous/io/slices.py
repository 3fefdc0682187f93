"""Folders of slices: which files count, their order, gaps in their numbering, and the volume that they make."""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from famous.errors import InputError
from famous.io import pictures, tiffs
from famous.io.sources import FileVolume, Source, naming, without_channels
from famous.words import counted

#: Names that lie about beside slices: of systems, and of programs that draw boxes.
_BYSTANDERS = {
    "thumbs.db", "desktop.ini", "obj.names", "obj.data", "classes.txt", "train.txt", "valid.txt", "val.txt", "test.txt",
    "data.yaml", "_darknet.labels", "predefined_classes.txt", "classes.csv",
}  # fmt: skip
_LABEL_SUFFIXES = {".txt", ".csv", ".xml", ".json"}  # boxes of a slice, when they share its stem
AS_NEIGHBOURS = "the slices are taken as neighbours"  # ends the notes on a numbering with gaps
_FORMATS = {**pictures.SUFFIXES, **dict.fromkeys(tiffs.SUFFIXES, "TIFF")}


class PictureFiles(FileVolume):
    """Slices that are PNG, JPEG or BMP files."""

    def __init__(self, paths: Sequence[Path], format_name: str, shape: Sequence[int], dtype: np.dtype[Any]) -> None:
        super().__init__(paths[0].parent, shape, dtype)
        self.paths = paths
        self.format = format_name

    def name_of(self, z: int) -> str:
        """Name the file."""
        return str(self.paths[z])

    def read(self, z: int) -> NDArray[Any]:
        """Read slice z."""
        return without_channels(self.name_of(z), pictures.read_picture(self.paths[z], self.format))


def open_folder(folder: Path) -> Source:
    """Open a folder of slices of one format, one file a slice, in natural order."""
    paths, notes = _slices_in(folder)
    formats = {_FORMATS[path.suffix.lower()] for path in paths}
    if len(formats) > 1:
        counts = {name: sum(_FORMATS[path.suffix.lower()] == name for path in paths) for name in sorted(formats)}
        raise InputError(f"{folder}: found slices of several formats {counts}, expected one; move the others away")
    if formats == {"TIFF"} and len(paths) == 1:
        source = tiffs.open_tiff(paths[0])
        return Source(source.format, source.volume, source.files, source.voxel_size, notes=(*notes, *source.notes))
    notes += numbering_notes(own_name(folder), [path.name for path in paths])
    source = _open_tiffs(folder, paths) if formats == {"TIFF"} else open_pictures(paths, formats.pop())
    return Source(
        f"folder of {source.format}", source.volume, source.files, source.voxel_size, notes=(*notes, *source.notes)
    )


def open_pictures(paths: Sequence[Path], format_name: str) -> Source:
    """Open PNG, JPEG or BMP files as slices; every header is looked at, only the first is decoded."""
    headers = [pictures.read_header(path, format_name) for path in paths]
    first = headers[0]
    for path, header in zip(paths, headers, strict=True):
        if (header.height, header.width, header.bits) != (first.height, first.width, first.bits):
            _refuse(path, (header.height, header.width, header.bits), (first.height, first.width, first.bits), paths[0])
    with naming(paths[0], f"a {format_name} picture"):
        sample = pictures.read_picture(paths[0], format_name)
    grey = without_channels(str(paths[0]), sample)
    notes = _channel_notes(1 if sample.ndim == 2 else sample.shape[2])
    volume = PictureFiles(paths, format_name, (len(paths), *grey.shape), grey.dtype)
    return Source(format_name, volume, tuple(paths), notes=tuple(notes))


def _channel_notes(channels: int) -> list[str]:
    """Say what is made of the channels of pictures; two are grey and opacity, four are colour and opacity."""
    notes = ["pictures with three equal channels are read as grey"] if channels >= 3 else []
    return notes + (["the opacity of the pictures is left out"] if channels in (2, 4) else [])


def _open_tiffs(folder: Path, paths: Sequence[Path]) -> Source:
    """Open single-page TIFF files as slices; every file's directory is looked at, only the first is decoded."""
    first_pages, facts, notes = tiffs.look_into(paths[0])
    first = first_pages[0]
    sample = tiffs.read_page(paths[0], first.offset, str(paths[0]))
    grey = without_channels(str(paths[0]), sample)
    files = []
    for path in paths:
        with naming(path, "a TIFF file"), path.open("rb") as file:
            pages = [page for page in tiffs.walk_pages(path, file) if not page.is_reduced]
        if len(pages) != 1:
            raise InputError(
                f"{path}: found {len(pages)} pages, expected one, since the folder holds {len(paths)} files"
            )
        tiffs.require_alike(pages[0], first, path, str(path), paths[0].name)
        files.append((path, pages[0].offset))
    if grey.ndim < sample.ndim:
        notes.append("RGB slices with three equal channels are read as grey")
    volume = tiffs.TiffPages(files, (len(files), *grey.shape), grey.dtype, folder)
    return Source("TIFF", volume, tuple(paths), facts.voxel_size, notes=(*notes, *facts.notes))


def own_name(path: Path) -> str:
    """Return the name of a file or folder, also of the one that is called `.` or `..` from where one stands."""
    return path.name if path.name not in ("", "..") else path.resolve().name


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key that puts z9 before z10."""
    parts = re.split(r"([0-9]+)", name.lower())
    return [(0, int(part), part) if part.isascii() and part.isdigit() else (1, 0, part) for part in parts]


def numbering_notes(folder: str, names: Sequence[str]) -> list[str]:
    """Report gaps and doubles in the numbering of sorted names: the last number that varies is the slice's."""
    numbers = [[int(part) for part in re.findall(r"[0-9]+", Path(name).stem)] for name in names]
    if len(names) < 2 or len({len(row) for row in numbers}) != 1 or not numbers[0]:
        return [f"{folder}: the names are not numbered alike; their order is the natural one"] if len(names) > 1 else []
    columns = list(zip(*numbers, strict=True))
    varying = [column for column in columns if len(set(column)) > 1]
    if not varying:
        varying = columns[-1:]
    if len(varying) > 1:
        return [f"{folder}: {len(varying)} numbers vary in the names; the order is natural, {names[0]} … {names[-1]}"]
    column = varying[0]
    steps = np.diff(np.asarray(column, dtype=object))
    usual = min((step for step in steps if step > 0), default=1)
    notes = []
    if (steps <= 0).any():
        at = int(np.flatnonzero(steps <= 0)[0])
        notes.append(f"{folder}: {names[at]} and {names[at + 1]} have the same number; both are slices")
    rising = [int(step) for step in steps if step > 0]
    if any(step % usual for step in rising):
        return [*notes, _uneven_note(folder, column, rising)]
    gaps = [i for i, step in enumerate(steps) if step > usual]
    if gaps:
        lost = sum(int(steps[i]) // int(usual) - 1 for i in gaps)
        places = ", ".join(f"{names[i]} … {names[i + 1]}" for i in gaps[:3]) + (" …" if len(gaps) > 3 else "")
        notes.append(
            f"{folder}: the numbering has {counted(len(gaps), 'gap')}, "
            f"{counted(lost, 'slice seems', 'slices seem')} to be missing ({places}); {AS_NEIGHBOURS}"
        )
    return notes


def _uneven_note(folder: str, numbers: Sequence[int], rising: Sequence[int]) -> str:
    """Say what the numbers are where no one step leads from each to the next, and what a step that fits would mean."""
    shown = ", ".join(map(str, numbers[:5])) + (" …" if len(numbers) > 5 else "")
    unit = math.gcd(*rising)
    gaps, lost = sum(step > unit for step in rising), sum(step // unit - 1 for step in rising)
    return (
        f"{folder}: the numbers of the slices ({shown}) rise by {min(rising)} to {max(rising)}; with a step of {unit} "
        f"that is {counted(gaps, 'gap')} and {counted(lost, 'missing slice')}; {AS_NEIGHBOURS}"
    )


def _slices_in(folder: Path) -> tuple[list[Path], list[str]]:
    """Return the slices in natural order and notes on what was left out; InputError for a file that has no place."""
    with naming(folder, "a folder of slices"):
        entries = sorted(
            (entry for entry in folder.iterdir() if not _is_hidden(entry)), key=lambda e: natural_key(e.name)
        )
        lost = next((entry for entry in entries if not entry.exists()), None)
        if lost is not None:
            raise InputError(
                f"{lost}: found a link that points to nothing ({lost.readlink()}), expected a slice; "
                "connect the drive that it points to, or remove the link"
            )
        files = [entry for entry in entries if entry.is_file()]
        folders = [entry.name for entry in entries if entry.is_dir()]
    slices = [path for path in files if path.suffix.lower() in _FORMATS]
    if not slices:
        found = f"{counted(len(files), 'file')}, {counted(len(folders), 'folder')}" if entries else "nothing"
        raise InputError(f"{folder}: found {found}, expected slices (TIFF, PNG, JPEG or BMP)")
    stems = {path.stem for path in slices}
    notes = [f"{own_name(folder)}: the folder {name} inside is left out" for name in folders]
    sidecars = 0
    for path in files:
        if path.suffix.lower() in _FORMATS or path.name.lower() in _BYSTANDERS:
            continue
        if path.suffix.lower() not in _LABEL_SUFFIXES or path.stem not in stems:
            raise InputError(
                f"{path}: found a file that is no slice, expected only {slices[0].suffix} files; move it away"
            )
        sidecars += 1
    if sidecars:
        are = counted(sidecars, "label file beside the slices is", "label files beside the slices are")
        notes.append(f"{own_name(folder)}: {are} left out (famous boxes import reads them)")
    return slices, notes


def _is_hidden(entry: Path) -> bool:
    return entry.name.startswith(".") or entry.name.endswith(".famous")


def _refuse(path: Path, found: tuple[int, int, int], expected: tuple[int, int, int], first: Path) -> None:
    raise InputError(
        f"{path}: found {found[0]} × {found[1]} pixels of {found[2]} bits, expected {expected[0]} × {expected[1]} of "
        f"{expected[2]} bits as in {first.name}; all slices of a stack have one size and type"
    )
