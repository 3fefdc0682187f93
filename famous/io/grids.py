"""Where label volumes lie: shape, voxel size and first corner; and several brought to one grid, lazily."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous import boxes as box_table
from famous.errors import InputError
from famous.io.units import IN_ANY_UNIT
from famous.stack import LazyVolume
from famous.voxels import NM_PER_UM, VoxelSize

if TYPE_CHECKING:
    from famous.io.truths import Truth

OBJECT = "object"  # the class of labels that name none
LEAST_COVERED = 0.01  # of the first label set: what covers less of it at its very corner was not put there by anybody
LEAST_INSIDE = 0.5  # of a label set: one of which more lies outside of the first is not meant
COARSEST_RATIO = 32.0  # voxels of two label sets that differ by more than that along an axis are not meant
SAME_SIZE = 0.01  # relative difference of voxel sizes up to which as many voxels are the same voxels
SNAP = 1e-6  # of a voxel: rounding that puts no centre into another voxel
_VOXEL_SIZE = "--voxel-size Z Y X (nm)"
_OFFSET = "--offset Z Y X (nm)"
_FACTORS = {1e3: "1000", 1e-3: "1000", 10.0: "10 (nm and Å)", 0.1: "10 (nm and Å)", 1e6: "10⁶", 1e-6: "10⁶"}


@dataclass(frozen=True)
class Grid:
    """The voxels of a volume in space.

    `origin_nm` (z, y, x) is the outer corner of the first voxel, not its centre. `slice_names` are the files of a stack
    that is a folder of slices: boxes that were drawn elsewhere are matched by them.
    """

    shape: tuple[int, int, int]
    voxel_size: VoxelSize
    origin_nm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    slice_names: tuple[str, ...] | None = None

    @property
    def high_nm(self) -> tuple[float, float, float]:
        """The far corner of the last voxel (z, y, x)."""
        z, y, x = (o + n * s for o, n, s in zip(self.origin_nm, self.shape, self.voxel_size.zyx, strict=True))
        return z, y, x

    def cropped(self, low: tuple[int, int, int], high: tuple[int, int, int]) -> "Grid":
        """Return the voxels low … high (z, y, x), half-open."""
        z, y, x = (o + i * s for o, i, s in zip(self.origin_nm, low, self.voxel_size.zyx, strict=True))
        shape = (high[0] - low[0], high[1] - low[1], high[2] - low[2])
        names = None if self.slice_names is None else self.slice_names[low[0] : high[0]]
        return Grid(shape, self.voxel_size, (z, y, x), names)

    def may_begin(self, origin_nm: Sequence[float]) -> bool:
        """Tell whether what a file says of its first corner is this one's, or nothing (0, 0, 0)."""
        return not any(origin_nm) or np.allclose(origin_nm, self.origin_nm)

    def is_close(self, other: "Grid") -> bool:
        """Tell whether both have the same voxels, to a thousandth of one."""
        shift = (abs(a - b) / s for a, b, s in zip(self.origin_nm, other.origin_nm, self.voxel_size.zyx, strict=True))
        return self.shape == other.shape and self.voxel_size.is_close(other.voxel_size) and max(shift) < 1e-3

    def __str__(self) -> str:
        sides = ", ".join(
            f"{axis} {low / NM_PER_UM:.6g} … {high / NM_PER_UM:.6g}"
            for axis, low, high in zip("zyx", self.origin_nm, self.high_nm, strict=True)
        )
        count = " × ".join(str(length) for length in self.shape)
        return f"{count} voxels of {self.voxel_size}: {sides} µm"


class ResampledVolume:
    """A label volume on another grid: each voxel has the label of the nearest one there; picklable.

    `places` are, along z, y and x, the indices in the volume of the voxels of the grid.
    """

    def __init__(self, volume: LazyVolume, places: Sequence[NDArray[np.int64]]) -> None:
        self.volume = volume
        self.places = tuple(places)
        self.shape: tuple[int, ...] = tuple(len(axis) for axis in self.places)
        self.dtype: np.dtype[Any] = volume.dtype
        self._windows = tuple(_as_slice(axis) for axis in self.places[1:])
        self._kept: tuple[int, NDArray[Any]] | None = None

    def __getitem__(self, key: SupportsIndex) -> NDArray[Any]:
        z = int(self.places[0][int(key)])
        kept = self._kept
        if kept is None or kept[0] != z:  # coarse slices stand for several fine ones
            image = np.asarray(self.volume[z])
            for axis, (window, places) in enumerate(zip(self._windows, self.places[1:], strict=True)):
                image = (
                    np.take(image, places, axis=axis) if window is None else image[(slice(None),) * axis + (window,)]
                )
            kept = self._kept = (z, image)
        return kept[1].copy()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": None}


def bring_together(
    truths: Sequence["Truth"], *, is_partial: bool = False
) -> tuple[list["Truth"], Grid, tuple[str, ...]]:
    """Bring label sets to the grid of the first one, cut to what all of them have in common.

    Label sets need not cover the first one: a part that its file or the user places somewhere in it is as good. What
    cannot be meant is one of which more than half lies outside of the first one, unless it was placed and covers all of
    it; and one that covers less than 1 % of it at its very corner, where nobody has placed it. Boxes are not asked.

    Parameters
    ----------
    is_partial
        Whether the user said that the truth is a part: then one of less than 1 % may lie at the corner.

    Returns
    -------
    tuple
        The truths on one grid, each voxel with the label of the nearest one; the grid; and what was done, in words.

    Raises
    ------
    InputError
        If two of them have no common voxel, or a difference that cannot be meant: as many voxels of another size,
        voxels of more than 32 times the size, or extents that hardly meet. Both extents are named, and a unit that
        explains it.
    """
    if not truths:
        raise InputError("found no label set, expected one or more")
    first = truths[0]
    notes: list[str] = []
    placed = [first]
    for truth in truths[1:]:
        settled, said = _settle(truth, first)
        notes += said
        _require_meant(settled, first)
        placed.append(settled)
    notes = [*(said for truth in placed[1:] for said in _say_unplaced(truth, first)), *notes]
    grid = first.grid
    low = np.zeros(3, dtype=np.int64)
    high = np.array(grid.shape)
    for truth in placed[1:]:
        start, end = _within(grid, truth.grid)
        low, high = np.maximum(low, start), np.minimum(high, end)
        if (high <= low).any():
            _refuse(truth, first, "they have no voxel in common", _moved_hint(truth, first))
        if truth.boxes is None:
            notes += _require_overlap(truth, first, is_partial=is_partial)
    z, y, x = (int(i) for i in low)
    ends = (int(high[0]), int(high[1]), int(high[2]))
    common = grid.cropped((z, y, x), ends)
    brought = []
    for truth in placed:
        on_grid, said = _onto(truth, common)
        notes += said
        brought.append(on_grid)
    if common.shape != grid.shape:
        notes.append(f"compared is what all have in common: {common}")
    return brought, common, tuple(notes)


def _settle(truth: "Truth", first: "Truth") -> tuple["Truth", list[str]]:
    """Put what has the same voxels at the same place: origins are in frames of their own, unless the user gave one."""
    mine, grid = truth.grid, first.grid
    if truth.is_placed or mine.is_close(grid) or mine.shape != grid.shape:
        return truth, []
    if not mine.voxel_size.is_close(grid.voxel_size, relative=SAME_SIZE):
        return truth, []
    notes = []
    if not np.allclose(mine.origin_nm, grid.origin_nm, rtol=0, atol=1e-3 * min(grid.voxel_size.zyx)):
        origin = ", ".join(f"{value / NM_PER_UM:g}" for value in mine.origin_nm)
        notes.append(
            f"{truth.name}: has as many voxels as {first.name}, and begins at ({origin}) µm (z, y, x) by its file; "
            "it is laid on the same voxels (give its offset, if it is elsewhere)"
        )
    if not mine.voxel_size.is_close(grid.voxel_size):
        notes.append(f"{truth.name}: its voxel size {mine.voxel_size} is taken as {grid.voxel_size}")
    return replace(truth, origin_nm=grid.origin_nm, voxel_size=grid.voxel_size), notes


def _say_unplaced(truth: "Truth", first: "Truth") -> list[str]:
    """Say that labels of another extent, of which nobody says where they begin, are laid at the first voxel."""
    mine, grid = truth.grid, first.grid
    if truth.boxes is not None or truth.is_placed or not np.allclose(mine.origin_nm, grid.origin_nm, rtol=0, atol=1e-6):
        return []
    sizes = np.maximum(mine.voxel_size.zyx, grid.voxel_size.zyx)
    if (np.abs(np.subtract(mine.high_nm, grid.high_nm)) <= sizes).all():
        return []
    return [
        f"{truth.name}: its file does not say where in {first.name} it begins; it is laid at the first voxel of "
        f"{first.name}. Give --offset Z Y X (nm) if it begins elsewhere"
    ]


def _require_meant(truth: "Truth", first: "Truth") -> None:
    mine, grid = truth.grid, first.grid
    ratios = [a / b for a, b in zip(mine.voxel_size.zyx, grid.voxel_size.zyx, strict=True)]
    far = max(max(ratio, 1 / ratio) for ratio in ratios)
    factor = next((f for f in _FACTORS if all(math.isclose(r, f, rel_tol=0.05) for r in ratios)), None)
    if far > COARSEST_RATIO:
        _refuse(truth, first, f"their voxels differ {far:.3g} times", _size_hint(truth, first, factor))
    if mine.shape == grid.shape and far > 1 + SAME_SIZE and not truth.is_placed:
        _refuse(truth, first, "they have as many voxels, of another size", _size_hint(truth, first, factor))


def _size_hint(truth: "Truth", first: "Truth", factor: float | None) -> str:
    """Say which option brings two voxel sizes together, where `factor` between units may lie between them."""
    by_size = f"the voxel size of both, {_VOXEL_SIZE}"
    if factor is None:
        return f"; one of the voxel sizes is wrong: give {by_size}"
    explained = f"; a factor of {_FACTORS[factor]} would explain it"
    given = next((one for one in (truth, first) if one.given_unit is not None), None)
    if given is not None:
        return (
            f"{explained}, and the likely cause is the unit that was given: --unit {given.given_unit} is taken for the "
            f"numbers of {given.name}; give another or none"
        )
    by_unit = "the unit of its numbers, --unit, or " if truth.format.startswith(IN_ANY_UNIT) else ""
    return f"{explained}: give {by_unit}{by_size}"


def _require_overlap(truth: "Truth", first: "Truth", *, is_partial: bool) -> list[str]:
    """Refuse extents that meet in too little to be meant; say where a truth reaches beyond the first one."""
    mine, grid = truth.grid, first.grid
    low, high = np.maximum(mine.origin_nm, grid.origin_nm), np.minimum(mine.high_nm, grid.high_nm)
    lengths = np.maximum(high - low, 0)
    inside = float(np.prod(lengths / np.subtract(mine.high_nm, mine.origin_nm)))
    covered = float(np.prod(lengths / np.subtract(grid.high_nm, grid.origin_nm)))
    sizes = np.minimum(mine.voxel_size.zyx, grid.voxel_size.zyx)
    is_placed = truth.is_placed or bool((np.abs(np.subtract(mine.origin_nm, grid.origin_nm)) > 1e-3 * sizes).any())
    outside = f"{100 * (1 - inside):.0f} % of its extent"
    if inside < LEAST_INSIDE and not (is_placed and covered > 1 - SAME_SIZE):
        hint = f"; give the offset at which it begins, {_OFFSET}, or the voxel size of both, {_VOXEL_SIZE}"
        _refuse(truth, first, f"{100 * (1 - inside):.0f} % of the first lies outside of the second", hint)
    if covered < LEAST_COVERED and not (is_placed or is_partial):
        hint = (
            f"; give the offset at which it begins, {_OFFSET} (0 0 0 if it is there), or the voxel size of both, "
            f"{_VOXEL_SIZE}"
        )
        _refuse(truth, first, f"the first covers {100 * covered:.2g} % of the second, at its corner", hint)
    beyond = np.maximum(np.subtract(grid.origin_nm, mine.origin_nm), np.subtract(mine.high_nm, grid.high_nm))
    if (beyond <= np.maximum(mine.voxel_size.zyx, grid.voxel_size.zyx)).all():
        return []
    return [f"{truth.name}: {outside} lies outside of {first.name}; it is cut there"]


def _refuse(truth: "Truth", first: "Truth", why: str, hint: str) -> None:
    raise InputError(
        f"{truth.name} ({truth.path}) and {first.name} ({first.path}): {why}, which cannot be meant. "
        f"Found {truth.grid}; expected to lie on {first.grid}{hint}"
    )


def _moved_hint(truth: "Truth", first: "Truth") -> str:
    """Say what would bring two that lie apart together: an offset in voxels or in another unit, or another one."""
    mine, grid = truth.grid, first.grid
    readings = [
        ("the offset is in voxels, not in nm", grid.voxel_size.zyx),
        ("the offset is in µm, not in nm", (NM_PER_UM,) * 3),
    ]
    if not truth.is_placed:  # an offset of the user is in nm
        readings.append(("the offset is in nm, not in µm", (1 / NM_PER_UM,) * 3))
    for what, sizes in readings:
        z, y, x = (o * s for o, s in zip(mine.origin_nm, sizes, strict=True))
        start, end = _within(grid, replace(mine, origin_nm=(z, y, x)))
        if (end > start).all():
            return f"; it would fit if {what}"
    if truth.is_placed:
        return (
            f"; --offset is in nm (z, y, x): with it {truth.name} goes from {_in_nm(mine.origin_nm)} to "
            f"{_in_nm(mine.high_nm)}, and {first.name} from {_in_nm(grid.origin_nm)} to {_in_nm(grid.high_nm)}"
        )
    return f"; give the offset at which it begins, {_OFFSET}"


def _in_nm(corner: tuple[float, float, float]) -> str:
    return "(" + ", ".join(f"{value:.6g}" for value in corner) + ")"


def _within(grid: Grid, other: Grid) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First index of the grid's voxels (z, y, x) whose centres lie in another's extent, and one past the last."""
    size, origin = np.array(grid.voxel_size.zyx), np.array(grid.origin_nm)
    start = np.ceil((np.array(other.origin_nm) - origin) / size - 0.5 - SNAP)
    end = np.floor((np.array(other.high_nm) - origin) / size - 0.5 + SNAP) + 1
    counts = np.array(grid.shape)
    return np.clip(start, 0, counts).astype(np.int64), np.clip(end, 0, counts).astype(np.int64)


def _onto(truth: "Truth", grid: Grid) -> tuple["Truth", list[str]]:
    """Return a truth on a grid that lies in it, and what was done."""
    mine = truth.grid
    if mine.is_close(grid):
        return replace(truth, voxel_size=grid.voxel_size, origin_nm=grid.origin_nm), []
    places = [_places(axis, mine, grid) for axis in range(3)]
    classes = {name: ResampledVolume(volume, places) for name, volume in truth.classes.items()}
    boxes = None if truth.boxes is None else _move_boxes(truth.boxes, mine, grid)
    notes = []
    if not mine.voxel_size.is_close(grid.voxel_size):
        notes.append(f"{truth.name}: brought from {mine.voxel_size} to {grid.voxel_size} by the nearest voxel")
    moved = replace(
        truth, classes=classes, boxes=boxes, shape=grid.shape, voxel_size=grid.voxel_size, origin_nm=grid.origin_nm
    )
    return moved, notes


def _places(axis: int, mine: Grid, grid: Grid) -> NDArray[np.int64]:
    """Index along an axis of the voxel that each voxel's centre of a grid lies in; of two at its border the upper."""
    size = grid.voxel_size.zyx[axis]
    centres = grid.origin_nm[axis] + (np.arange(grid.shape[axis]) + 0.5) * size
    places = np.floor((centres - mine.origin_nm[axis]) / mine.voxel_size.zyx[axis] + SNAP)
    inside: NDArray[np.int64] = np.clip(places, 0, mine.shape[axis] - 1).astype(np.int64)
    return inside


def _as_slice(places: NDArray[np.int64]) -> slice | None:
    """Return places that follow each other as a slice."""
    if len(places) and (np.diff(places) == 1).all():
        return slice(int(places[0]), int(places[-1]) + 1)
    return None


def _move_boxes(table: pd.DataFrame, mine: Grid, grid: Grid) -> pd.DataFrame:
    """Bring boxes to a grid: slices by their centre, corners to the nearest pixel; what lies outside is left out."""
    moved = table.copy()
    scale = [a / b for a, b in zip(mine.voxel_size.zyx, grid.voxel_size.zyx, strict=True)]
    shift = [(a - b) / s for a, b, s in zip(mine.origin_nm, grid.origin_nm, grid.voxel_size.zyx, strict=True)]
    moved["z"] = np.floor((table["z"] + 0.5) * scale[0] + shift[0]).astype("int32")
    for column, axis in (("y0", 1), ("y1", 1), ("x0", 2), ("x1", 2)):
        moved[column] = np.rint(table[column] * scale[axis] + shift[axis]).astype("int32")
    inside = moved[moved["z"].between(0, grid.shape[0] - 1)]
    return box_table.clip(inside, grid.shape[1], grid.shape[2])
