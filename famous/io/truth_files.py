"""Files and folders of labels: one volume, a store with several, or one file or sub-folder a class."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from famous.errors import InputError
from famous.io import amira, hdf5, mrc, nifti, nrrd, pictures, tiffs, zarrs
from famous.io.grids import Grid
from famous.io.label_store import LabelStore, StoreVolume
from famous.io.slices import natural_key
from famous.io.sources import Source
from famous.io.stacks import open_stack, split_dataset
from famous.io.tables import read_json
from famous.io.tiff_metadata import WHITE_IS_ZERO
from famous.io.truth_classes import (
    Classes,
    as_one,
    by_names,
    class_of_file,
    find_table,
    match_class,
    merge_classes,
    require_labels,
)
from famous.io.volumes import LabelVolume
from famous.stack import LazyVolume
from famous.voxels import VoxelSize

_VOLUMES = (*mrc.SUFFIXES, *hdf5.SUFFIXES, *nrrd.SUFFIXES, *amira.SUFFIXES, ".nii", ".nii.gz", ".zarr")
_SLICES = (*tiffs.SUFFIXES, *pictures.SUFFIXES)


@dataclass(frozen=True, eq=False)
class Labels:
    """Opened labels: their classes, all of one shape, and what the files say about where they lie."""

    classes: Classes
    shape: tuple[int, int, int]
    voxel_size: VoxelSize | None
    origin_nm: tuple[float, float, float]
    notes: tuple[str, ...]
    format: str
    stem: str | None = None  # name of the file or dataset, where nothing in it names its class
    given_unit: str | None = None  # of the file's numbers, where they are taken in one that the user gave


@dataclass(frozen=True)
class Reading:
    """What is known before labels are read."""

    unit: str | None = None  # of the numbers in the file
    classes: Sequence[str] | None = None  # that may be compared
    table: Mapping[int, str] | None = None  # class of each id
    ignore: int | None = None  # id of what nobody is judged by
    spare_unit: str | None = None  # of the numbers in a file that names no unit that can be used
    slices: Sequence[int] | None = None  # z, rising, that labels on the grid `like` speak of; None: of all
    like: Grid | None = None

    def slices_of(
        self, shape: tuple[int, ...], voxel_size: VoxelSize | None, origin: Sequence[float]
    ) -> list[int] | None:
        """Return the slices that a volume speaks of; None where it is of all, or lies on another grid."""
        if self.slices is None or self.like is None or shape != self.like.shape:
            return None
        is_sized = voxel_size is None or voxel_size.is_close(self.like.voxel_size)
        return [z for z in self.slices if z < shape[0]] if self.like.may_begin(origin) and is_sized else None


def open_labels(path: str | Path, reading: Reading) -> Labels:
    """Open labels of one or several classes, lazily; masks are gone through once.

    Raises
    ------
    InputError
        If there is nothing that is labels, two files hold one class, or they differ in shape or voxel size.
    """
    base, inside = split_dataset(path)
    if not base.is_dir():
        named = hdf5.class_datasets(base) if base.suffix.lower() in hdf5.SUFFIXES else {}
        return _datasets(base, inside, named, reading) if named else _one_volume(path, reading)
    if zarrs.is_store(base):
        return _open_store(base, inside, reading)
    parts = _files_by_class(base)
    if parts is None or len(parts) == 1:
        return _one_volume(path if parts is None else parts[0], reading)
    return _together(base, [_named(part, reading) for part in parts])


def _one_volume(path: str | Path, reading: Reading, name: str | None = None) -> Labels:
    """Open one volume; of the class of that name, where one is given."""
    base, inside = split_dataset(path)
    names: Mapping[int, str] = {}
    given_unit = None
    suffix = base.suffix.lower()
    if base.is_file() and (nifti.is_nifti(base) or suffix in (*nrrd.SUFFIXES, *amira.SUFFIXES)):
        given_unit = reading.unit
        source, names = _medical(base, given_unit)
        if source.voxel_size is None and reading.spare_unit is not None:
            given_unit = reading.spare_unit
            source, names = _medical(base, given_unit)
            told = f"{base.name}: its numbers are taken as {given_unit}"
            source = replace(source, notes=(*source.notes, told))
        opened, voxel_size, kind, origin = source.volume, source.voxel_size, source.format, source.origin_nm
        notes = list(source.notes)
    else:
        stack = open_stack(path)
        opened, voxel_size, kind, origin = stack.stack.volume, stack.stack.voxel_size, stack.format, stack.origin_nm
        notes = [note for note in stack.notes if WHITE_IS_ZERO not in note]
        if "JPEG" in kind:
            raise InputError(f"{path}: found labels as JPEG, which changes their ids; expected PNG, TIFF or another")
    volume: LazyVolume = LabelVolume(opened, str(path), wide=opened.dtype.kind in "iu" and opened.dtype.itemsize > 4)
    z, y, x = (int(length) for length in volume.shape)
    slices = reading.slices_of((z, y, x), voxel_size, origin)
    own_table = reading.table if name is None else None  # a file a class: the file is the class
    if own_table and names:
        told = ", ".join(dict.fromkeys(names.values()))
        notes.append(f"{base.name} names its classes itself ({told}); --class-table is for labels that do not")
        own_table = None
    table = own_table or find_table(base) or names
    stem = None
    if table:
        classes = by_names(volume, table, reading.classes, reading.ignore, slices)
    else:
        stem = (inside or "").strip("/").split("/")[-1] or _stem(base)
        classes = as_one(volume, name or class_of_file(stem, reading.classes, notes), reading.ignore, slices)
        if not classes.is_semantic:
            require_labels(volume, str(path))
    stem = stem if name is None else None
    return Labels(classes, (z, y, x), voxel_size, origin, tuple(notes), kind, stem, given_unit)


def _datasets(path: Path, inside: str | None, named: Mapping[str, str], reading: Reading) -> Labels:
    """Open an HDF5 file with one dataset a class, or the one that is meant of them."""
    parts = []
    for own_name, dataset in named.items():
        if inside and inside.strip("/") != dataset.strip("/"):
            continue
        notes: list[str] = []
        name = match_class(own_name, reading.classes, notes)
        part = _one_volume(f"{path}:{dataset}", reading, name)
        parts.append(replace(part, notes=(*notes, *part.notes)))
    if not parts:
        return _one_volume(f"{path}:{inside}", reading)
    stem = inside.strip("/").split("/")[-1] if inside else None
    return replace(_together(path, parts), stem=stem)


def _medical(path: Path, unit: str | None) -> tuple[Source, Mapping[int, str]]:
    """Open a file of a format whose numbers may have any unit, and return the names of its labels."""
    if nifti.is_nifti(path):
        return nifti.open_nifti(path, unit), {}
    return (nrrd.open_nrrd if path.suffix.lower() in nrrd.SUFFIXES else amira.open_amira)(path, unit)


def _named(path: Path, reading: Reading) -> Labels:
    """Open the file or folder of one class."""
    notes: list[str] = []
    name = match_class(_stem(path), reading.classes, notes)
    labels = _one_volume(path, reading, name)
    return replace(labels, notes=(*notes, *labels.notes))


def _together(path: Path, parts: Sequence[Labels]) -> Labels:
    """Put the classes of several volumes together, which must have the same voxels."""
    first = parts[0]
    for part in parts[1:]:
        if part.shape != first.shape:
            raise InputError(
                f"{path}: found {_names(part)} of {part.shape} voxels (z, y, x), "
                f"expected {first.shape} as {_names(first)}"
            )
        sizes = part.voxel_size, first.voxel_size
        if sizes[0] is not None and sizes[1] is not None and not sizes[0].is_close(sizes[1]):
            raise InputError(
                f"{path}: found {_names(part)} with voxels of {sizes[0]}, expected {sizes[1]} as {_names(first)}"
            )
    try:
        classes = merge_classes([part.classes for part in parts])
    except InputError as fault:
        raise InputError(f"{path}: {fault}") from fault
    size = next((part.voxel_size for part in parts if part.voxel_size is not None), None)
    notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
    return replace(first, classes=classes, voxel_size=size, notes=notes)


def _names(labels: Labels) -> str:
    return ", ".join(labels.classes.volumes) or "nothing"


def _open_store(path: Path, inside: str | None, reading: Reading) -> Labels:
    """Open the labels of a run, or those of an OME-Zarr file; one array is a class of that name."""
    if not inside and _is_run(path):
        store = LabelStore.open(path)
        volumes: dict[str, LazyVolume] = {name: StoreVolume(store, name) for name in store.classes}
        origin = (0.0, 0.0, 0.0)
        return Labels(Classes(volumes, frozenset()), store.shape, store.voxel_size, origin, (), "labels of famous")
    listed = zarrs.list_images(path, inside)
    if len(listed) < 2 and "labels" not in "".join(listed).split("/")[:-1]:
        return _one_volume(f"{path}:/{inside}" if inside else path, reading)
    parts = []
    for name in listed:
        notes: list[str] = []
        class_name = match_class(name.split("/")[-1], reading.classes, notes)
        part = _one_volume(f"{path}:/{name}", reading, class_name)
        parts.append(
            Labels(part.classes, part.shape, part.voxel_size, part.origin_nm, (*notes, *part.notes), part.format)
        )
    return _together(path, parts)


def _is_run(path: Path) -> bool:
    try:
        return "famous" in read_json(path / "zarr.json")["attributes"]
    except (InputError, LookupError, TypeError):
        return False


def _files_by_class(folder: Path) -> list[Path] | None:
    """List the files or sub-folders that hold a class each; None where the folder is one volume, in slices."""
    entries = sorted((e for e in folder.iterdir() if not e.name.startswith(".")), key=lambda e: natural_key(e.name))
    stores = [entry for entry in entries if entry.is_dir() and zarrs.is_store(entry)]
    volumes = [entry for entry in entries if entry.is_file() and entry.name.lower().endswith(_VOLUMES)] + stores
    slices = [entry for entry in entries if entry.is_file() and entry.suffix.lower() in _SLICES]
    folders = [entry for entry in entries if entry.is_dir() and entry not in stores and _has_slices(entry)]
    by_name = bool(slices) and not any(re.search(r"\d", entry.stem) for entry in slices)
    if volumes or (folders and not slices) or by_name or (slices and _is_volume(slices[0])):
        return [*volumes, *slices, *folders]
    return None


def _has_slices(folder: Path) -> bool:
    return any(entry.suffix.lower() in _SLICES for entry in folder.iterdir() if not entry.name.startswith("."))


def _is_volume(path: Path) -> bool:
    """Tell whether a picture file has several slices."""
    return path.suffix.lower() in tiffs.SUFFIXES and tiffs.open_tiff(path).volume.shape[0] > 1


def _stem(path: Path) -> str:
    return re.sub(r"\.(seg\.nrrd|nii\.gz|ome\.tiff?|ome\.zarr|[^.]*)$", "", path.name, flags=re.IGNORECASE) or path.name
