"""Slices for the page: tiles of an image pyramid, cuts through z, a histogram; few slices in memory at any time."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from famous.stack import Stack

TILE_PX = 512


@dataclass(frozen=True)
class ImagesParams:
    """How much is held in memory and fetched ahead."""

    slice_bytes: int = 512 * 2**20  # slices with their pyramids; the slice being looked at is held whatever its size
    cut_bytes: int = 400 * 2**20  # slices reduced for the cuts
    cut_half: int = 64  # slices to each side for which the reduced slices must fit into `cut_bytes`
    cut_side_px: int = 2048  # longest side of a slice held for the cuts
    ahead: int = 3  # slices fetched in the direction in which the user moves
    behind: int = 1  # slices fetched on the other side
    sampled: int = 8  # slices that the histogram and the grey range are taken from


@dataclass(frozen=True)
class Histogram:
    """Counts of 256 equal bins between two grey values, from sampled slices."""

    low: float
    high: float
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Cuts:
    """Two cuts through a voxel, (slice, pixel), grey values as in tiles.

    Sample j of `xz` covers the pixels x0 + j · step_px …, row i is slice z0 + i; `yz` likewise along y. Slices that are
    not in memory are 0 and `missing`: they are being fetched, so ask again. Those that cannot be read are
    0 and `unreadable`: do not ask again for their sake.
    """

    xz: NDArray[Any]
    yz: NDArray[Any]
    z0: int
    y0: int
    x0: int
    step_px: int
    missing: tuple[int, ...]
    unreadable: tuple[int, ...] = ()


class Images:
    """What the page sees of a stack. Thread-safe; `close()` (or `with`) ends its threads.

    A tile's value v is the grey value offset + scale · v. Stacks of 8 bits come as they are, those of 16 bits exactly,
    others mapped to 16 bits by one line for the whole stack (NaN is 0, what lies outside is clipped).
    """

    bits: int  # 8 or 16
    levels: int  # 0 is full size; the last one fits into one tile

    def __init__(self, stack: Stack, params: ImagesParams | None = None) -> None: ...

    @property
    def offset(self) -> float:
        """Grey value of the tile value 0."""
        raise NotImplementedError

    @property
    def scale(self) -> float:
        """Grey values per tile value."""
        raise NotImplementedError

    def tile(self, z: int, level: int, row: int, col: int) -> NDArray[Any]:
        """Return a tile, (≤ 512, ≤ 512) uint8 or uint16; level L halves L times (mean).

        Raises IndexError where there is no such tile, InputError where the slice cannot be read.
        """
        raise NotImplementedError

    def histogram(self) -> Histogram:
        """Return the histogram of sampled slices, in grey values; measured once. InputError as in `tile`."""
        raise NotImplementedError

    def cuts(self, z: int, y: int, x: int, half: int) -> Cuts:
        """Return the cuts through a voxel, up to 2 · half + 1 slices by 2 · half + 1 samples; never reads a file."""
        raise NotImplementedError

    def prefetch(self, z: int) -> None:
        """Fetch the neighbours of the slice now looked at, in the background; replaces the call before."""
        raise NotImplementedError

    def close(self) -> None:
        """Stop fetching and forget everything; whoever asks afterwards gets a RuntimeError."""

    def __enter__(self) -> "Images":
        return self

    def __exit__(self, *fault: object) -> None:
        self.close()
