"""Which classes label volumes hold, and one lazy volume for each: by tables, names of materials, pieces of masks."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from famous.errors import InputError
from famous.io.grids import OBJECT
from famous.io.tables import read_csv
from famous.labels import as_runs
from famous.pieces import find_pieces
from famous.stack import LazyVolume
from famous.words import counted

MASK_VALUES = (1, 255)  # of masks: a volume with no other value than one of them is none of ids
#: Endings that singular and plural differ in: mitochondrion and mitochondria, nucleus and nuclei, body and bodies.
_ENDINGS = re.compile(r"(?<=\w{3})(ies|es|e|s|a|on|um|us|i|y)$")
_MOST_SHOWN = 5  # ids in a note
_SHORTEST = 3  # letters that may stand for a class that begins with them
_LEAST_SIDE = 64  # pixels of a slice that can be told from an image
_MOST_CHANGES = 0.5  # share of the neighbouring pixels that differ: of labels it is less, of a noisy image more


class KeptVolume:
    """A volume that keeps its last slice, so that several classes may be read from it; picklable."""

    def __init__(self, volume: LazyVolume) -> None:
        self.volume = volume
        self.shape: tuple[int, ...] = tuple(volume.shape)
        self.dtype: np.dtype[Any] = volume.dtype
        self._kept: tuple[int, NDArray[Any]] | None = None

    def __getitem__(self, key: SupportsIndex) -> NDArray[Any]:
        z = int(key)
        kept = self._kept
        if kept is None or kept[0] != z:
            kept = (z, np.asarray(self.volume[z]))
            kept[1].flags.writeable = False
            self._kept = kept
        return kept[1]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": None}


class PickedVolume:
    """The ids of one class out of a volume of several; as a mask where they are to become pieces."""

    def __init__(self, volume: LazyVolume, ids: Sequence[int], *, as_mask: bool = False) -> None:
        self.volume = volume
        self.ids = np.unique(np.asarray(list(ids), dtype=np.uint64))
        self.shape: tuple[int, ...] = tuple(volume.shape)
        self.dtype: np.dtype[Any] = np.dtype(np.bool_) if as_mask else volume.dtype

    def __getitem__(self, key: SupportsIndex) -> NDArray[Any]:
        image: NDArray[Any] = np.asarray(self.volume[key])
        one = self.ids.size == 1
        mask: NDArray[np.bool_] = image == self.ids[0] if one else np.isin(image, self.ids.astype(image.dtype))
        return mask if self.dtype == np.bool_ else image * mask


class MarkedVolume:
    """Objects, and the id of what nobody is judged by where it is in the volume that they come from."""

    def __init__(self, objects: LazyVolume, volume: LazyVolume, ignore: int) -> None:
        self.objects = objects
        self.volume = volume
        self.ignore = ignore
        self.shape: tuple[int, ...] = tuple(objects.shape)
        self.dtype: np.dtype[Any] = objects.dtype

    def __getitem__(self, key: SupportsIndex) -> NDArray[Any]:
        objects = np.array(self.objects[key])
        objects[objects >= self.ignore] += 1  # pieces are numbered from 1 and may reach it
        objects[np.asarray(self.volume[key]) == self.ignore] = self.ignore
        return objects


class ChosenVolume:
    """Some slices (z, rising) of a volume, as neighbours."""

    def __init__(self, volume: LazyVolume, slices: Sequence[int]) -> None:
        self.volume = volume
        self.slices = list(slices)
        self.shape: tuple[int, ...] = (len(self.slices), *volume.shape[1:])
        self.dtype: np.dtype[Any] = volume.dtype

    def __getitem__(self, key: SupportsIndex) -> NDArray[Any]:
        return np.asarray(self.volume[self.slices[int(key)]])


class SpreadVolume:
    """A volume whose slices lie at `slices` (z, rising) of one of `depth` slices; 0 in all others."""

    def __init__(self, volume: LazyVolume, slices: Sequence[int], depth: int) -> None:
        self.volume = volume
        self.places = {z: k for k, z in enumerate(slices)}
        self.shape: tuple[int, ...] = (depth, *volume.shape[1:])
        self.dtype: np.dtype[Any] = volume.dtype

    def __getitem__(self, key: SupportsIndex) -> NDArray[Any]:
        z = int(key)
        if not 0 <= z < self.shape[0]:
            raise IndexError(f"slice {z} does not exist, there are 0 … {self.shape[0] - 1}")
        place = self.places.get(z)
        return np.zeros(self.shape[1:], dtype=self.dtype) if place is None else np.asarray(self.volume[place])


@dataclass(frozen=True, eq=False)
class Classes:
    """Volumes by class, which of them were masks, and what the user should know."""

    volumes: Mapping[str, LazyVolume]
    is_semantic: frozenset[str]
    notes: tuple[str, ...] = ()


def by_names(
    volume: LazyVolume,
    names: Mapping[int, str],
    known: Sequence[str] | None,
    ignore: int | None = None,
    slices: Sequence[int] | None = None,
) -> Classes:
    """Take a volume apart by the class of each of its values.

    Values whose names differ but in a number at their end ("mito 1", "mito 2") are objects of one class. Where every
    value has a class of its own the volume is semantic, and each class becomes objects by its connected pieces. Where
    it speaks of some `slices` (z, rising) only, those are neighbours then: what is drawn in each of them is one object.
    """
    plain = {value: without_number(name) for value, name in names.items() if value not in (0, ignore)}
    groups: dict[str, list[int]] = {}
    notes: list[str] = []
    for value, (name, _) in plain.items():
        groups.setdefault(match_class(name, known, notes), []).append(value)
    is_semantic = all(len(values) == 1 for values in groups.values()) and not any(n for _, n in plain.values())
    kept = KeptVolume(volume)
    volumes: dict[str, LazyVolume] = {}
    for name, values in groups.items():
        if is_semantic:
            volumes[name] = _pieces(name, kept, values[0], ignore, notes, slices)
        else:
            volumes[name] = PickedVolume(kept, [*values, *([] if ignore is None else [ignore])])
    unnamed = sorted(_ids_of(kept) - {*names, ignore})
    if unnamed:
        shown = ", ".join(map(str, unnamed[:_MOST_SHOWN])) + (" …" if len(unnamed) > _MOST_SHOWN else "")
        ids, are = ("id", "is") if len(unnamed) == 1 else ("ids", "are")
        notes.append(f"{len(unnamed):,} {ids} that the class table does not name ({shown}) {are} taken as background")
    return Classes(volumes, frozenset(volumes) if is_semantic else frozenset(), tuple(notes))


def as_one(volume: LazyVolume, name: str, ignore: int | None = None, slices: Sequence[int] | None = None) -> Classes:
    """Take a volume of ids as one class; a mask (0 and 1, or 0 and 255) becomes objects by its connected pieces.

    Where `ignore` is in the volume it stays as it is. For `slices` see `by_names`.
    """
    notes: list[str] = []
    value = _only_value(volume, ignore)
    if value is None:
        return Classes({name: volume}, frozenset())
    pieces = _pieces(name, KeptVolume(volume), value, ignore, notes, slices)
    return Classes({name: pieces}, frozenset({name}), tuple(notes))


def require_labels(volume: LazyVolume, path: str) -> None:
    """Raise InputError where a volume is a grey image: from pixel to pixel its values change, which ids do not.

    Asked are three slices at most, the middle one first, and none of less than 64 × 64 pixels.
    """
    depth = volume.shape[0]
    if min(volume.shape[1:]) < _LEAST_SIDE:
        return
    for z in dict.fromkeys((depth // 2, depth // 4, 3 * depth // 4)):
        image = np.asarray(volume[z])
        share = float(np.mean(image[:, 1:] != image[:, :-1]))
        if share > _MOST_CHANGES:
            raise InputError(
                f"{path}: found a grey image ({share:.0%} of the neighbouring pixels of slice {z} differ), expected "
                "labels: a number per object, 0 where there is none"
            )


def _pieces(
    name: str,
    volume: LazyVolume,
    value: int,
    ignore: int | None,
    notes: list[str],
    slices: Sequence[int] | None,
) -> LazyVolume:
    mask = PickedVolume(volume, [value], as_mask=True)
    found, origins = find_pieces(mask if slices is None else ChosenVolume(mask, slices))
    pieces: LazyVolume = found if slices is None else SpreadVolume(found, slices, volume.shape[0])
    taken = counted(len(origins) - 1, "connected piece is taken as an object", "connected pieces are taken as objects")
    notes.append(f"{name}: a mask, not ids; its {taken}")
    return pieces if ignore is None else MarkedVolume(pieces, volume, ignore)


def _only_value(volume: LazyVolume, ignore: int | None) -> int | None:
    """Return the one value beside 0, if it is a mask's; None where there are several. Ends at the first second one."""
    found: int | None = None
    for z in range(volume.shape[0]):
        image = np.asarray(volume[z])
        if ignore is not None:
            image = image * (image != ignore)
        high = int(image.max(initial=0))
        if high == 0:
            continue
        is_other = high != (found or high) or high not in MASK_VALUES
        if is_other or (high > 1 and ((image != 0) & (image != high)).any()):
            return None
        found = high
    return found


def _ids_of(volume: LazyVolume) -> set[int]:
    """Find all ids of a volume."""
    found: set[int] = set()
    for z in range(volume.shape[0]):
        found.update(np.unique(as_runs(np.asarray(volume[z])).ids).tolist())
    return found


def without_number(name: str) -> tuple[str, bool]:
    """Return a name without the number at its end, and whether there was one."""
    match = re.fullmatch(r"(.*?[^\W\d_])[\s_.#-]*\d+", name)
    return (match[1], True) if match else (name, False)


def match_class(found: str, known: Sequence[str] | None, notes: list[str]) -> str:
    """Return the known class that a name means, or the name: same letters, singular or plural, or a clear beginning."""
    if not known or found in known:
        return found
    letters = {name: _letters(name) for name in known}
    words = re.findall(r"[^\W_\d]+", found) or [found]
    starts = {_stem("".join(words[: n + 1]).casefold()) for n in range(len(words))}
    mine, first = _letters(found), words[0].casefold()
    rules = (
        lambda theirs: theirs == mine,
        lambda theirs: _stem(theirs) == _stem(mine),
        lambda theirs: _stem(theirs) in starts,
        lambda theirs: len(first) >= _SHORTEST and theirs.startswith(first),
    )
    for rule in rules:
        fitting = [name for name, theirs in letters.items() if rule(theirs)]
        if len(fitting) == 1:
            notes.append(f"{found} is taken as {fitting[0]}")
            return fitting[0]
    return found


def _stem(letters: str) -> str:
    return _ENDINGS.sub("", letters)


def _letters(name: str) -> str:
    return "".join(sign for sign in name.casefold() if sign.isalnum())


def class_of_file(stem: str, known: Sequence[str] | None, notes: list[str]) -> str:
    """Name the class of a file that names none: by its own name where that is a known class, else the only one."""
    heard: list[str] = []
    name = match_class(without_number(stem)[0], known, heard)
    if known and name in known:
        notes += heard
        return name
    if known and len(known) == 1:
        return known[0]
    if known:
        notes.append(
            f"{stem}: its labels name no class, and are compared as {OBJECT!r}; give a table with the columns id,class "
            f"as {stem}.csv beside it, or one file a class"
        )
    return OBJECT


def find_table(path: Path) -> dict[int, str] | None:
    """Read the class table of a volume: id,class in a CSV beside it (or, of a folder, in it); None where there is none.

    Raises
    ------
    InputError
        If an id is no whole number, or has two classes.
    """
    stem = re.sub(r"\.(nii\.gz|ome\.tiff?|ome\.zarr|[^.]*)$", "", path.name, flags=re.IGNORECASE)
    named = [path.with_name(f"{stem}{end}.csv") for end in (".classes", "_classes")]
    others = [path.with_name(f"{stem}.csv"), path.with_name(f"{path.name}.csv")]
    others.append(path / "classes.csv" if path.is_dir() else path.with_name("classes.csv"))
    for file in dict.fromkeys(named + others):
        if not file.is_file() or file == path:
            continue
        if file in others and not {"id", "class"} <= set(read_csv(file).columns):
            continue  # measurements, or the classes of a labelling
        return read_table(file)
    return None


def read_table(file: Path) -> dict[int, str]:
    """Read a class table, id,class; InputError where an id is no whole number, or has two classes."""
    table = read_csv(file, ["id", "class"])
    found: dict[int, str] = {}
    for line, (number, name) in enumerate(zip(table["id"].tolist(), table["class"].tolist(), strict=True), start=2):
        try:
            value = int(number)
            whole = value == float(number) and 0 <= value < 2**64
        except (TypeError, ValueError, OverflowError):
            whole = False
        if not whole or not isinstance(name, str) or not name.strip():
            raise InputError(
                f"{file}, line {line}: found id {number!r} and class {name!r}, expected a number and a name"
            )
        if found.setdefault(value, name.strip()) != name.strip():
            raise InputError(
                f"{file}, line {line}: found the id {value} twice, as {found[value]} and as {name.strip()}"
            )
    return {value: name for value, name in found.items() if value > 0}


def merge_classes(parts: Sequence[Classes]) -> Classes:
    """Put the classes of several files together; InputError where two have one."""
    counts = Counter(name for part in parts for name in part.volumes)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise InputError(f"found the class {twice[0]!r} in several files, expected each class in one")
    volumes = {name: volume for part in parts for name, volume in part.volumes.items()}
    semantic = frozenset(name for part in parts for name in part.is_semantic)
    return Classes(volumes, semantic, tuple(note for part in parts for note in part.notes))
