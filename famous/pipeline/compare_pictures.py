"""Planes of the stack and of the label volumes, for the report: read slice by slice, a few of them kept."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from famous.io.grids import Grid
from famous.stack import LazyVolume, Stack

KEPT_BYTES = 300_000_000  # of slices
GROUND = 225  # grey of what has no picture

Window = tuple[int, int, int, int]
Place = tuple[str, str, int]  # source, class and z; of the picture the first two are empty


@dataclass
class GridPictures:
    """Grey values and labels of the first source's grid; see `famous.report.comparison_outlines.Pictures`.

    Attributes
    ----------
    grid
        The first source's grid, of which indices are.
    volumes
        Source → class → label volume of that grid.
    stack, corner_nm
        The pictures and where they lie (z, y, x); None where there are none.
    """

    grid: Grid
    volumes: Mapping[str, Mapping[str, LazyVolume]]
    stack: Stack | None = None
    corner_nm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    _kept: OrderedDict[Place, NDArray[Any]] = field(default_factory=OrderedDict)
    _bytes: int = 0
    _parts: dict[Place, NDArray[Any]] = field(default_factory=dict)
    _around: Window = (0, 0, 0, 0)

    def slice(self, axis: str, index: int, window: Window) -> NDArray[np.uint8]:
        """Read grey values, (rows, columns) uint8: those of the stack's nearest voxels."""
        if self.stack is None:
            row0, row1, column0, column1 = window
            return np.full((row1 - row0, column1 - column0), GROUND, dtype=np.uint8)
        self._look_at(axis, window)
        z, y, x = (self._nearest(positions, k) for k, positions in enumerate(_ranges(axis, index, window)))
        planes = [self._keep(("", "", at), None)[np.ix_(y, x)] for at in z.tolist()]
        return _flat(np.stack(planes), axis).astype(np.uint8, copy=False)

    def labels(self, source: str, class_name: str, axis: str, index: int, window: Window) -> NDArray[Any]:
        """Read ids, (rows, columns); 0 where the source does not have the class."""
        row0, row1, column0, column1 = window
        volume = self.volumes.get(source, {}).get(class_name)
        if volume is None:
            return np.zeros((row1 - row0, column1 - column0), dtype=np.uint32)
        self._look_at(axis, window)
        z, y, x = _ranges(axis, index, window)
        planes = [self._part((source, class_name, at), volume, (y, x)) for at in z.tolist()]
        return _flat(np.stack(planes), axis)

    def _look_at(self, axis: str, window: Window) -> None:
        """Take note of what is looked at: after a slice come, as a rule, the two planes across it."""
        if axis == "z" and window != self._around:
            self._around = window
            self._parts.clear()

    def _part(self, place: Place, volume: LazyVolume, yx: tuple[NDArray[np.int64], NDArray[np.int64]]) -> NDArray[Any]:
        """Read a part of a slice; of the slices round what is looked at, that part is kept."""
        (y0, y1), (x0, x1) = ((int(side[0]), int(side[-1]) + 1) for side in yx)
        top, bottom, left, right = self._around
        if not (top <= y0 and y1 <= bottom and left <= x0 and x1 <= right):
            return self._keep(place, volume)[y0:y1, x0:x1]
        if place not in self._parts:
            self._parts[place] = self._keep(place, volume)[top:bottom, left:right].copy()
        return self._parts[place][y0 - top : y1 - top, x0 - left : x1 - left]

    def _nearest(self, positions: NDArray[np.int64], axis: int) -> NDArray[np.int64]:
        """Return the stack's indices along an axis that are nearest to the grid's."""
        if self.stack is None or self.stack.voxel_size is None:
            return positions
        nm = self.grid.origin_nm[axis] + (positions + 0.5) * self.grid.voxel_size.zyx[axis] - self.corner_nm[axis]
        index = np.floor(nm / self.stack.voxel_size.zyx[axis] + 1e-6).astype(np.int64)
        inside: NDArray[np.int64] = np.clip(index, 0, self.stack.shape[axis] - 1)
        return inside

    def _keep(self, key: Place, volume: LazyVolume | None) -> NDArray[Any]:
        """Read a slice, or take it from those that are kept."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        if volume is not None:
            image = np.asarray(volume[key[2]])
        else:
            image = self.stack.image(key[2]) if self.stack is not None else np.zeros((0, 0), dtype=np.uint8)
        self._kept[key] = image
        self._bytes += image.nbytes
        while self._bytes > KEPT_BYTES and len(self._kept) > 1:
            _, gone = self._kept.popitem(last=False)
            self._bytes -= gone.nbytes
        return image


def _ranges(axis: str, index: int, window: Window) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices along z, y and x that a window of a plane has."""
    row0, row1, column0, column1 = window
    one, rows, columns = np.array([index]), np.arange(row0, row1), np.arange(column0, column1)
    places = {"z": (one, rows, columns), "y": (rows, one, columns), "x": (rows, columns, one)}
    return places[axis]


def _flat(block: NDArray[Any], axis: str) -> NDArray[Any]:
    """Turn a block (z, y, x) that is one voxel thick into (rows, columns)."""
    plane: NDArray[Any] = np.take(block, 0, axis="zyx".index(axis))
    return plane
