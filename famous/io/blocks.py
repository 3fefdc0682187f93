"""Stacks stored in three-dimensional blocks: the last blocks are kept, so that each is decoded once, not per slice."""

import threading
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from famous.errors import InputError
from famous.io.sources import FileVolume

KEPT_BYTES = 2**28  # most memory for kept blocks; blocks that would take more are decoded anew for each slice
KEPT_BLOCKS = 2  # a slab of three slices may straddle two blocks


class BlockVolume(FileVolume):
    """A volume that is decoded in layers of several slices."""

    _depth = 1

    def cache_blocks(self, depth: int) -> None:
        """Keep layers of `depth` slices where two of them fit into the memory set aside."""
        slice_bytes = self.shape[1] * self.shape[2] * self.dtype.itemsize
        self._depth = int(depth) if depth > 1 and depth * slice_bytes * KEPT_BLOCKS <= KEPT_BYTES else 1
        self._kept: dict[int, NDArray[Any]] = {}
        self._lock = threading.Lock()

    @abstractmethod
    def read_block(self, first: int, end: int) -> NDArray[Any]:
        """Read slices first … end − 1, (z, y, x)."""

    def read(self, z: int) -> NDArray[Any]:
        """Read slice z, from a kept layer where there is one."""
        if self._depth == 1:
            image: NDArray[Any] = self.read_block(z, z + 1)[0]
            return image
        layer = z // self._depth
        with self._lock:
            block = self._kept.pop(layer, None)
            if block is None:
                block = self.read_block(layer * self._depth, min((layer + 1) * self._depth, self.shape[0]))
            while len(self._kept) >= KEPT_BLOCKS:
                self._kept.pop(next(iter(self._kept)))
            self._kept[layer] = block
            return np.array(block[z - layer * self._depth])

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key not in ("_kept", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._kept = {}
        self._lock = threading.Lock()


def spatial_axes(name: str, shape: Sequence[int]) -> tuple[int, tuple[int, ...]]:
    """Return how many leading axes of length 1 go before (z, y, x), and the three lengths; InputError otherwise."""
    sizes = tuple(int(size) for size in shape)
    lead = len(sizes) - 3
    if lead == 1 and sizes[-1] == 1 and sizes[0] > 1:  # (z, y, x, channel)
        return 0, sizes[:3]
    if lead < 0 or any(size != 1 for size in sizes[:lead]):
        raise InputError(f"{name}: found {len(sizes)} axes {sizes}, expected three (z, y, x)")
    return lead, sizes[lead:]
