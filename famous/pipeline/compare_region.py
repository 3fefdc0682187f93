"""Which voxels are compared, in the frame of the first source: the part that all share, `--region` and `--slices`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from famous.errors import InputError
from famous.io.grids import Grid
from famous.stack import LazyVolume

Region = tuple[tuple[int | None, int | None], ...]
Corner = tuple[int, int, int]


@dataclass(frozen=True)
class Frame:
    """The voxels that everything is told in, (z, y, x) of the first source that has any, and what all have of them.

    Attributes
    ----------
    grid
        All of its voxels.
    low, high
        The part that all label sets have in common, half-open.
    """

    grid: Grid
    low: Corner
    high: Corner

    @classmethod
    def whole(cls, grid: Grid) -> "Frame":
        """Return a frame all of which is shared."""
        return cls(grid, (0, 0, 0), grid.shape)

    @classmethod
    def round(cls, grid: Grid, common: Grid) -> "Frame":
        """Return a frame of which `common`, voxels of it, is shared."""
        places = (np.array(common.origin_nm) - grid.origin_nm) / grid.voxel_size.zyx
        z, y, x = (int(place) for place in np.rint(places))
        return cls(grid, (z, y, x), (z + common.shape[0], y + common.shape[1], x + common.shape[2]))

    def placed(self, volume: LazyVolume) -> LazyVolume:
        """Return a volume of the shared part as one of the whole frame, without labels round it."""
        if (self.low, self.high) == ((0, 0, 0), self.grid.shape):
            return volume
        return Placed(volume, self.low, self.grid.shape)

    def cropped(self, volume: LazyVolume, low: Corner, high: Corner) -> LazyVolume:
        """Return the voxels low … high of the frame out of a volume of the shared part."""
        if (low, high) == (self.low, self.high):
            return volume
        return Cropped(volume, _less(low, self.low), _less(high, self.low))


class Cropped:
    """A part of a label volume: `low` … `high` (z, y, x), half-open."""

    def __init__(self, volume: LazyVolume, low: Corner, high: Corner) -> None:
        self._volume = volume
        self._low = low
        self._high = high
        self.shape: tuple[int, ...] = tuple(end - start for start, end in zip(low, high, strict=True))
        self.dtype: np.dtype[Any] = volume.dtype

    def __getitem__(self, z: int) -> NDArray[Any]:
        if not 0 <= z < self.shape[0]:
            raise IndexError(f"slice {z} does not exist, there are {self.shape[0]}")
        _, y0, x0 = self._low
        _, y1, x1 = self._high
        return np.asarray(self._volume[z + self._low[0]])[y0:y1, x0:x1]


class Placed:
    """A label volume within a larger one of `shape`, from the voxel `low` (z, y, x) on; 0 round it."""

    def __init__(self, volume: LazyVolume, low: Corner, shape: tuple[int, ...]) -> None:
        self._volume = volume
        self._low = low
        self.shape: tuple[int, ...] = shape
        self.dtype: np.dtype[Any] = volume.dtype

    def __getitem__(self, z: int) -> NDArray[Any]:
        image = np.zeros(self.shape[1:], dtype=self.dtype)
        z0, y0, x0 = self._low
        depth, height, width = self._volume.shape
        if z0 <= z < z0 + depth:
            image[y0 : y0 + height, x0 : x0 + width] = self._volume[z - z0]
        return image


def settle_region(
    region: Region | None, slices: Sequence[int] | None, frame: Frame
) -> tuple[Corner, Corner, tuple[int, ...]]:
    """Return the first voxel and the one past the last, in the frame, and the known slices, counted from the first.

    Raises
    ------
    InputError
        If the region or a slice lies outside of the frame, or outside of what all label sets have of it.
    """
    shape = frame.grid.shape
    low, high = list(frame.low), list(frame.high)
    for axis, (first, end) in enumerate(region or ()):
        start, stop = first or 0, shape[axis] if end is None else end
        found = f"{start} … {stop} along {'zyx'[axis]}"
        if not 0 <= start < stop <= shape[axis]:
            raise InputError(f"--region: found {found}, expected a part of 0 … {shape[axis]} of the first source")
        low[axis], high[axis] = max(low[axis], start), min(high[axis], stop)
        if low[axis] >= high[axis]:
            raise InputError(f"--region: found {found}, expected a part of {_shared(frame, axis)}")
    known = sorted(set(slices)) if slices is not None else list(range(low[0], high[0]))
    outside = [z for z in known if not 0 <= z < shape[0]]
    if outside:
        raise InputError(f"--slices: found slice {outside[0]}, expected 0 … {shape[0] - 1} of the first source")
    inside = [z for z in known if low[0] <= z < high[0]]
    if not inside:
        if any(frame.low[0] <= z < frame.high[0] for z in known):
            raise InputError("--slices: found no slice that lies in the --region")
        raise InputError(f"--slices: found {known[0]} … {known[-1]}, expected slices of {_shared(frame, 0)}")
    low[0], high[0] = inside[0], inside[-1] + 1
    first_voxel, last_voxel = (low[0], low[1], low[2]), (high[0], high[1], high[2])
    return first_voxel, last_voxel, tuple(z - low[0] for z in inside)


def _shared(frame: Frame, axis: int) -> str:
    """Say which voxels along an axis all label sets have."""
    return f"{frame.low[axis]} … {frame.high[axis]}, which is what all label sets have along {'zyx'[axis]}"


def _less(one: Corner, other: Corner) -> Corner:
    z, y, x = (a - b for a, b in zip(one, other, strict=True))
    return z, y, x
