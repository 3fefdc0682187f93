"""Truth of any format for `famous compare`: per class a lazy label volume, and where it lies."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from famous.errors import InputError
from famous.io import mesh_volumes, truth_classes, zarrs
from famous.io.annotations import FORMATS, detect_format, read_boxes
from famous.io.frames import NO_UNIT, NOT_MEANT
from famous.io.grids import Grid, bring_together
from famous.io.some_slices import has_some_slices, spread
from famous.io.sources import naming
from famous.io.stacks import split_dataset
from famous.io.truth_files import Labels, Reading, open_labels
from famous.stack import LazyVolume
from famous.voxels import VoxelSize
from famous.words import counted

__all__ = ["Grid", "Placing", "Truth", "bring_together", "kind_of", "open_truth", "read_table"]

_OF_IMPORT = re.compile(r"\s*\(--first\b[^)]*\)")  # of a message: an option that only the import of boxes has
_BOX_SUFFIXES = (".json", ".xml", ".txt", ".csv", ".names", ".data", ".yaml", ".yml")


@dataclass(frozen=True)
class Placing:
    """What the user says about where a truth lies; it wins over what the file says."""

    voxel_size: VoxelSize | None = None
    unit: str | None = None  # of the numbers in the file: nm, µm, mm, Å …; "voxel" for meshes in voxels of the stack
    offset_nm: tuple[float, float, float] | None = None  # (z, y, x): first corner, or what meshes are moved by
    ignore: int | None = None  # value in the file of what nobody is judged by; it keeps it in every class
    spare_unit: str | None = None  # of the numbers in a file that names no unit that can be used
    is_part: bool = False  # whether `like` is a part of what meshes were made from
    slices: tuple[int, ...] | None = None  # of the stack: those that a truth of as many slices has, if it has fewer


@dataclass(frozen=True, eq=False)
class Truth:
    """One set of labels.

    Parameters
    ----------
    name
        Short name in tables.
    classes
        Class → lazy volume (z, y, x) of unsigned ids, 0 is background; `volume[z]` reads one slice. Empty where the
        truth are boxes.
    voxel_size, shape, origin_nm
        Of all of its volumes; the origin is the corner of the first voxel (z, y, x).
    notes
        Sentences for the user.
    path, format
        Where it came from, as the user wrote it, and the file format.
    is_semantic
        Classes that were masks, not ids, and became objects by connected components.
    boxes
        A box table in voxels of the grid, for truth that is boxes in slices.
    known
        The slices that such boxes speak of: those declared done, or if there are none those with boxes.
    is_placed
        Whether the user said where it lies, so that its origin is not to be doubted.
    stem
        The name of its file or dataset, where nothing in it names the class.
    given_unit
        That its voxel size is in because the user said so.
    """

    name: str
    classes: Mapping[str, LazyVolume]
    voxel_size: VoxelSize
    shape: tuple[int, int, int]
    origin_nm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    notes: tuple[str, ...] = ()
    path: str = ""
    format: str = ""
    is_semantic: frozenset[str] = frozenset()
    boxes: pd.DataFrame | None = None
    known: frozenset[int] = frozenset()
    is_placed: bool = False
    stem: str | None = None
    given_unit: str | None = None

    @property
    def grid(self) -> Grid:
        """Where its voxels lie."""
        return Grid(self.shape, self.voxel_size, self.origin_nm)


def open_truth(
    path: str | Path,
    *,
    name: str,
    like: Grid | None = None,
    placing: Placing | None = None,
    classes: Sequence[str] | None = None,
    table: Mapping[int, str] | None = None,
) -> Truth:
    """Open labels of any format, lazily.

    Read are what `famous.io.stacks` opens (TIFF, folders of slices, MRC, HDF5, OME-Zarr with its labels, a run's
    store, NIfTI, NRRD, Amira); a folder with one file or sub-folder a class; meshes; and boxes in slices.

    Parameters
    ----------
    path
        File or folder; `file.h5:/dataset` names one dataset.
    name
        Short name in tables.
    like
        The stack's grid. Boxes and meshes need it; it lends its voxel size to a file of as many voxels that has none.
    placing
        What the user says about voxel size, unit and offset.
    classes
        The classes that may be compared. A class of the file is matched to them by its name ("Mitochondria" is
        mitochondrion); a file that names none gets the only one of them, or "object".
    table
        Class of each id; without it a CSV with the columns id,class beside the file counts, then names in the file.

    Raises
    ------
    InputError
        If there is nothing, nothing that is labels, or it cannot be said where it lies.
    """
    placing = placing or Placing()
    base, _ = split_dataset(path)
    kind = kind_of(path)
    if kind == "boxes":
        return _open_boxes(base, name, like, classes)
    if kind == "meshes":
        return _open_meshes(base, name, like, placing, classes)
    slices = placing.slices if placing.offset_nm is None else None
    reading = Reading(placing.unit, classes, table, placing.ignore, placing.spare_unit, slices, like)
    labels = open_labels(path, reading)
    return _place(labels, str(path), name, like, placing)


def read_table(path: str | Path) -> dict[int, str]:
    """Read a class table: CSV with the columns id and class; InputError where it is none, or names no id but 0."""
    table = truth_classes.read_table(Path(path))
    if not table:
        raise InputError(f"{path}: found no row with an id above 0, expected ids and their classes")
    return table


def kind_of(path: str | Path) -> str:
    """Tell by its name or what is in it what a truth is: "boxes", "meshes" or "labels" with voxels."""
    base, _ = split_dataset(path)
    with naming(base, "labels: a file or a folder"):
        return _kind(base)


def _kind(path: Path) -> str:
    if not path.is_dir():
        suffix = path.suffix.lower()
        return "meshes" if suffix in mesh_volumes.SUFFIXES else "boxes" if suffix in _BOX_SUFFIXES else "labels"
    if zarrs.is_store(path):
        return "labels"
    if mesh_volumes.find_meshes(path):
        return "meshes"
    entries = [entry for entry in path.iterdir() if not entry.name.startswith(".")]
    is_boxes = bool(entries) and all(entry.suffix.lower() in _BOX_SUFFIXES or entry.is_dir() for entry in entries)
    if is_boxes and any(entry.is_file() for entry in entries):
        return "boxes"
    return "labels"


def _place(labels: Labels, path: str, name: str, like: Grid | None, placing: Placing) -> Truth:
    """Decide on the voxel size and the first corner."""
    unplaced = ""
    if like is not None and placing.slices and placing.offset_nm is None and has_some_slices(labels, like):
        if len(placing.slices) == labels.shape[0] and placing.slices[-1] < like.shape[0]:
            labels = spread(labels, like, placing.slices)
        else:
            unplaced = (
                f"it has {counted(labels.shape[0], 'slice')} and --slices names {len(placing.slices)}: were they as "
                "many, its slices would be those"
            )
    notes = [*labels.notes, *labels.classes.notes, *([unplaced] if unplaced else [])]
    size, origin = placing.voxel_size or labels.voxel_size, labels.origin_nm
    if placing.voxel_size and labels.voxel_size and not placing.voxel_size.is_close(labels.voxel_size):
        found = f"{labels.voxel_size} by the file, {placing.voxel_size} by the option"
        notes.append(f"{name}: a voxel is {found}; the option wins")
    if size is None and like is not None and like.shape == labels.shape:
        size, origin = like.voxel_size, like.origin_nm
        notes.append(f"{name}: has no voxel size that can be used but as many voxels as the stack; its size is taken")
    if size is None:
        than = f", and not as many voxels as {like}" if like is not None else ""
        than += f"; {unplaced}" if unplaced else ""
        said = f" ({'; '.join(labels.notes)})" if labels.notes else ""
        lacks_unit = any(why in note for note in labels.notes for why in (NO_UNIT, NOT_MEANT))
        raise InputError(
            f"{path}: found {labels.shape} voxels (z, y, x) without a voxel size{than}{said}; expected one: give it in "
            f"nm, --voxel-size Z Y X{', or the unit of its numbers, --unit' if lacks_unit else ''}"
        )
    if like is not None and labels.voxel_size is not None:
        # The file gives the first voxel's centre in a frame where the stack's first centre is 0. Where it gives 0 it
        # says nothing, and the corners are what most resampling keeps.
        pairs = zip(origin, like.voxel_size.zyx, size.zyx, strict=True)
        z, y, x = (at + (theirs - mine) / 2 if at else 0.0 for at, theirs, mine in pairs)
        origin = (z, y, x)
    return Truth(
        name,
        labels.classes.volumes,
        size,
        labels.shape,
        placing.offset_nm or origin,
        tuple(notes),
        path,
        labels.format,
        labels.classes.is_semantic,
        is_placed=placing.offset_nm is not None,
        stem=labels.stem,
        given_unit=None if placing.voxel_size else labels.given_unit,
    )


def _open_meshes(path: Path, name: str, like: Grid | None, placing: Placing, classes: Sequence[str] | None) -> Truth:
    size = like.voxel_size if like is not None else placing.voxel_size
    if size is None:
        raise InputError(
            f"{path}: found meshes, expected also the stack that they belong to, or a voxel size, "
            "--voxel-size Z Y X (nm)"
        )
    grid, found = mesh_volumes.open_meshes(
        path, like or size, placing.unit, placing.offset_nm, classes, is_part=placing.is_part
    )
    return Truth(
        name,
        found.volumes,
        grid.voxel_size,
        grid.shape,
        grid.origin_nm,
        found.notes,
        str(path),
        "meshes",
        is_placed=True,
    )


def _open_boxes(path: Path, name: str, like: Grid | None, classes: Sequence[str] | None) -> Truth:
    if like is None:
        raise InputError(
            f"{path}: found boxes, expected also the stack that they were drawn in, which was run: "
            "`famous compare STACK --truth A --truth B`"
        )
    format_name = detect_format(path)
    try:
        read = read_boxes(path, format_name, shape=like.shape, names=like.slice_names)
    except InputError as fault:
        raise InputError(_OF_IMPORT.sub("", str(fault))) from fault
    boxes, notes = read.annotations.boxes, [_OF_IMPORT.sub("", note) for note in read.notes]
    renamed = {own: truth_classes.match_class(own, classes, notes) for own in read.annotations.classes}
    boxes = boxes.assign(class_name=boxes["class_name"].map(lambda own: renamed.get(own, own)).astype("str"))
    known = read.annotations.done or frozenset(boxes["z"].tolist())
    told = ", ".join(str(z) for z in sorted(known)[:20]) + (" …" if len(known) > 20 else "")
    notes.append(f"{name}: boxes in slices, compared in 2D; labelled slices: {told or 'none'}")
    return Truth(
        name,
        {},
        like.voxel_size,
        like.shape,
        like.origin_nm,
        tuple(notes),
        str(path),
        FORMATS[format_name],
        boxes=boxes,
        known=known,
        is_placed=True,
    )
