"""Blocks of several slices are decoded once each."""

import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from famous.errors import InputError
from famous.io.blocks import KEPT_BYTES, BlockVolume, spatial_axes


class Counted(BlockVolume):
    """A volume whose slice z is filled with z, and which notes what was read."""

    def read_block(self, first: int, end: int) -> NDArray[Any]:
        self.__dict__.setdefault("reads", []).append((first, end))
        return np.repeat(np.arange(first, end, dtype=np.uint16), 12).reshape(-1, 3, 4)


def counted(depth: int, n_slices: int = 10) -> Counted:
    volume = Counted(Path("a"), (n_slices, 3, 4), np.dtype(np.uint16))
    volume.cache_blocks(depth)
    return volume


def test_walking_through_reads_each_block_once() -> None:
    volume = counted(4)
    for z in range(10):
        for near in (max(z - 1, 0), z, min(z + 1, 9)):
            assert (volume[near] == near).all()
    assert volume.__dict__["reads"] == [(0, 4), (4, 8), (8, 10)]


def test_single_slices_are_read_as_such() -> None:
    volume = counted(1)
    assert (volume[3] == 3).all()
    assert volume.__dict__["reads"] == [(3, 4)]


def test_blocks_too_large_to_keep_are_not_kept() -> None:
    volume = Counted(Path("a"), (100, 4096, 4096), np.dtype(np.uint16))
    volume.cache_blocks(KEPT_BYTES // (2 * 4096 * 4096))
    assert volume._depth == 1


def test_what_is_kept_cannot_be_changed_from_outside() -> None:
    volume = counted(4)
    volume[1][:] = 99
    assert (volume[1] == 1).all()


def test_kept_blocks_do_not_travel() -> None:
    volume = counted(4)
    volume[0]
    copy = pickle.loads(pickle.dumps(volume))
    assert copy._kept == {}
    assert (copy[9] == 9).all()


def test_threads_share_a_volume() -> None:
    volume = counted(3, 60)
    wrong: list[int] = []

    def walk(start: int) -> None:
        wrong.extend(z for z in [*range(start, 60), *range(start)] if not (volume[z] == z).all())

    threads = [threading.Thread(target=walk, args=(7 * k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_axes() -> None:
    assert spatial_axes("a", (4, 5, 6)) == (0, (4, 5, 6))
    assert spatial_axes("a", (1, 1, 4, 5, 6)) == (2, (4, 5, 6))
    assert spatial_axes("a", (4, 5, 6, 1)) == (0, (4, 5, 6))
    assert spatial_axes("a", (1, 5, 6, 1)) == (1, (5, 6, 1))
    for shape in ((5, 6), (2, 4, 5, 6), (), (2, 1, 4, 5, 6)):
        with pytest.raises(InputError, match="expected three"):
            spatial_axes("a", shape)
