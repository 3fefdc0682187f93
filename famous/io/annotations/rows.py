"""Rows on their way in: every reader collects here, and here fractions, edges and broken rows are dealt with once."""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from famous import boxes as box_table
from famous.errors import InputError
from famous.io.annotations.annotation import Annotations, Imported, check_class_name, merge_classes, shown
from famous.words import counted

SHOWN_ROWS = 20  # broken rows that a message names; the rest is counted
WHOLE_PX = 0.05  # a corner this close to a whole pixel is one that was written with few digits
LARGEST = 1e9  # no pixel, slice or index is larger than this
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE)

Corners = tuple[float, float, float, float]


class Rows:
    """The rows of one import, with those that are broken named one by one.

    `locate` puts the place of a broken row into words: a reader may look up there what is costly to know of every row.
    """

    def __init__(self, source: Path, shape: tuple[int, int, int]) -> None:
        self.source = source
        self.shape = shape
        self.notes: list[str] = []
        self.done: set[int] = set()
        self.classes: list[str] = []
        self.locate: Callable[[str], str] = str
        self._broken: list[tuple[str, str]] = []  # where, why
        self._where: list[str] = []
        self._z: list[int] = []
        self._corners: list[Corners] = []
        self._class_name: list[str] = []
        self._score: list[float] = []

    def __len__(self) -> int:
        return len(self._z)

    def add(self, where: str, z: int, corners: Corners, class_name: str, score: float = 1.0) -> None:
        """Take a box: `where` names its line, corners are y0, x0, y1, x1 in fractional pixels, y1 and x1 exclusive."""
        check_slice(z, self.shape)
        if not 0 <= score <= 1:
            raise InputError(f"found the score {score:g}, expected 0 … 1")
        class_name = check_class_name(class_name)
        self._where.append(where)
        self._z.append(z)
        self._corners.append(corners)
        self._class_name.append(class_name)
        self._score.append(score)

    def broken(self, where: str, why: str) -> None:
        """Name a row that cannot be read."""
        self._broken.append((where, why))

    @contextmanager
    def row(self, where: str) -> Iterator[None]:
        """Read one row: an InputError inside makes it a broken row, and the reading goes on."""
        try:
            yield
        except InputError as error:
            self.broken(where, str(error))

    def counted(self, count: int, one: str, many: str) -> None:
        """Note that something happened to one thing or to many, if it happened to any."""
        if count:
            self.notes.append(counted(count, one, many))

    def finish(self, classes: Sequence[str] | None = None) -> Imported:
        """Make whole boxes inside the slices of what was collected, or raise InputError naming every broken row."""
        corners = self._whole_boxes()
        if self._broken:
            raise InputError(self._faults())
        columns = {
            "z": self._z,
            "class_name": self._class_name,
            "score": self._score,
            **{name: corners[:, i] for i, name in enumerate(box_table.CORNERS)},
        }
        table = box_table.number(box_table.from_columns(columns))
        twice = int(table.duplicated(["z", "class_name", *box_table.CORNERS]).sum())
        self.counted(
            twice,
            "box repeats another one exactly (same slice, class and corners); it was kept",
            "boxes repeat another one exactly (same slice, class and corners); they were kept",
        )
        found = merge_classes(classes or (), self.classes, sorted(set(self._class_name)))
        return Imported(Annotations(table, frozenset(self.done), found), self.notes)

    def _faults(self) -> str:
        """Name the broken rows in the order of file and line, each fault of a row once."""
        faults = sorted(dict.fromkeys(self._broken), key=lambda fault: _by_number(fault[0]))
        shown = "".join(f"\n  {self.locate(where)}: {why}" for where, why in faults[:SHOWN_ROWS])
        rest = f"\n  … and {len(faults) - SHOWN_ROWS} more" if len(faults) > SHOWN_ROWS else ""
        count = len({where for where, _ in faults})
        rows, them = counted(count, "broken row"), "it" if count == 1 else "them"
        return f"{self.source}: {rows}, nothing was imported; mend or remove {them}:{shown}{rest}"

    def _whole_boxes(self) -> NDArray[np.int64]:
        corners = np.array(self._corners, dtype=np.float64).reshape(-1, 4)
        size = np.array(self.shape[1:], dtype=np.float64)
        low, high = corners[:, :2], corners[:, 2:]
        infinite = ~np.isfinite(corners).all(axis=1)
        flat = ~infinite & (high <= low).any(axis=1)
        outside = ~infinite & ~flat & ((low >= size) | (high <= 0)).any(axis=1)
        for mask, why in (
            (infinite, "found a corner that is not a finite number"),
            (flat, "found a box without extent, expected a width and a height above 0"),
            (outside, f"found a box wholly outside the slice of {self.shape[1]} × {self.shape[2]} pixels (y, x)"),
        ):
            for i in np.flatnonzero(mask):
                y0, x0, y1, x1 = corners[i]
                self.broken(self._where[i], f"{why}: y {y0:.6g} … {y1:.6g}, x {x0:.6g} … {x1:.6g}")
        if self._broken:
            return np.zeros((len(corners), 4), dtype=np.int64)
        clipped = np.clip(corners, 0, np.tile(size, 2))
        self._count_boxes(np.abs(clipped - corners) > WHOLE_PX, "partly outside the slice", "clipped at its edge")
        fractional = np.abs(clipped - np.rint(clipped)) > WHOLE_PX
        self._count_boxes(fractional, "with fractional corners", "rounded to the nearest whole pixel")
        return to_whole(clipped)

    def _count_boxes(self, corners: NDArray[np.bool_], which: str, done: str) -> None:
        rows = np.flatnonzero(corners.any(axis=1))
        if rows.size == 1:
            self.notes.append(f"1 box {which} was {done}: {self._where[rows[0]]}")
        elif rows.size:
            self.notes.append(f"{rows.size:,} boxes {which} were {done}; the first is {self._where[rows[0]]}")


def _by_number(where: str) -> list[tuple[str, int]]:
    """Sort key that puts line 9 before line 10."""
    parts = re.findall(r"([^0-9]*)([0-9]*)", where)
    return [(text, int(digits or -1)) for text, digits in parts]


def to_whole(corners: NDArray[np.float64]) -> NDArray[np.int64]:
    """Round (n, 4) corners y0, x0, y1, x1 to the nearest whole pixel, halves outward.

    A side that would lose its whole extent becomes the one pixel that holds its middle.
    """
    low = np.ceil(corners[:, :2] - 0.5)
    high = np.floor(corners[:, 2:] + 0.5)
    middle = np.floor((corners[:, :2] + corners[:, 2:]) / 2)
    lost = high <= low
    low, high = np.where(lost, middle, low), np.where(lost, middle + 1, high)
    return np.hstack([low, high]).astype(np.int64)


def check_slice(z: int, shape: tuple[int, int, int]) -> int:
    """Return z, or raise InputError where the stack has no such slice."""
    if not 0 <= z < shape[0]:
        raise InputError(f"found slice {z}, expected 0 … {shape[0] - 1}")
    return z


def check_size(height: float, width: float, shape: tuple[int, int, int]) -> None:
    """Raise InputError where an image that was labelled has not the size of the stack's slices."""
    if (height, width) != shape[1:]:
        raise InputError(
            f"found an image of {height:g} × {width:g} pixels (y, x), expected the slices' {shape[1]} × {shape[2]}: "
            "its boxes would land elsewhere"
        )


def number(value: object, what: str) -> float:
    """Read a number from text or JSON (not finite is let through), or raise InputError naming what it is."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return float(value)
    if isinstance(value, float):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value) if abs(value) < LARGEST else math.inf
    raise InputError(f"found {shown(value)} as {what}, expected a number")


def whole(value: object, what: str) -> int:
    """Read a whole number, or raise InputError naming what it is."""
    read = number(value, what)
    if not abs(read) <= LARGEST or read != math.floor(read):
        raise InputError(f"found {shown(value)} as {what}, expected a whole number")
    return int(read)


def read_text(path: Path) -> str:
    r"""Read UTF-8 text with or without a byte-order mark, lines ending in \n, or raise InputError."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"found the byte 0x{error.object[error.start]:02x} at offset {error.start}, expected UTF-8 text"
        ) from error
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")
