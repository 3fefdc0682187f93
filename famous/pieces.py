"""Connected pieces of a label volume as instances of their own: two slices in memory, whatever its depth."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from famous.stack import LazyVolume


@dataclass(frozen=True)
class PieceVolume:
    """A lazy volume whose labels are pieces, numbered from 1 in the order of their first slice; picklable.

    Pixels of one id that share a side or a corner, in a slice or between two, are one piece.
    """

    volume: LazyVolume
    numbers: tuple[NDArray[np.uint32], ...]  # per slice: part of the slice → piece; 0 → 0

    @property
    def shape(self) -> tuple[int, ...]:
        """(z, y, x)."""
        return self.volume.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the labels."""
        return np.dtype(np.uint32)

    def __getitem__(self, z: int) -> NDArray[np.uint32]:
        return self.numbers[z][label_parts(self.volume[z])]


def label_parts(image: NDArray[Any]) -> NDArray[np.int64]:
    """Number the parts of one slice: pixels of one id that hang together; 0 is background."""
    from skimage.measure import label

    if image.dtype == np.bool_:
        return np.asarray(label(image, connectivity=2), dtype=np.int64)
    _, dense = np.unique(image, return_inverse=True)  # skimage takes no unsigned type of 64 bits
    dense = dense.reshape(image.shape) + (0 if (image == 0).any() else 1)
    return np.asarray(label(dense, background=0, connectivity=2), dtype=np.int64)


def find_pieces(
    volume: LazyVolume, advance: Callable[[int], object] = lambda _: None
) -> tuple[PieceVolume, NDArray[np.uint64]]:
    """Find the pieces of a volume; returns it with them as labels, and the id that each of them had, 0 for 0.

    `advance` is told of each slice.
    """
    counts: list[int] = []
    ids: list[NDArray[np.uint64]] = []
    pairs: list[NDArray[np.int64]] = [np.zeros((0, 2), dtype=np.int64)]
    total = 0
    below: tuple[NDArray[Any], NDArray[np.int64]] | None = None
    for z in range(volume.shape[0]):
        image = volume[z]
        parts = label_parts(image)
        count = int(parts.max(initial=0))
        own = np.zeros(count + 1, dtype=np.uint64)
        own[parts] = image
        parts = np.where(parts > 0, parts + total, 0)
        if below is not None:
            pairs.append(_meeting(below, (image, parts)))
        below = (image, parts)
        counts.append(count)
        ids.append(own[1:])
        total += count
        advance(1)
    joined = np.concatenate(pairs) - 1
    graph = coo_array((np.ones(len(joined), dtype=np.int8), (joined[:, 0], joined[:, 1])), shape=(total, total))
    number, piece = connected_components(graph, directed=False) if total else (0, np.zeros(0, dtype=np.int32))
    _, first = np.unique(piece, return_index=True)
    renumber = np.empty(number, dtype=np.uint32)
    renumber[np.argsort(first, kind="stable")] = np.arange(1, number + 1)
    numbers = renumber[piece]
    ends = np.cumsum(counts)
    tables = tuple(
        np.concatenate([np.zeros(1, dtype=np.uint32), numbers[end - count : end]])
        for end, count in zip(ends, counts, strict=True)
    )
    origins = np.zeros(number + 1, dtype=np.uint64)
    origins[numbers] = np.concatenate([np.zeros(0, dtype=np.uint64), *ids])
    return PieceVolume(volume, tables), origins


def _meeting(
    below: tuple[NDArray[Any], NDArray[np.int64]], above: tuple[NDArray[Any], NDArray[np.int64]]
) -> NDArray[np.int64]:
    """Pairs (n, 2) of parts of two slices, each an image and its parts, that have one id and touch, also aslant."""
    ids, parts = (np.pad(array, 1).ravel() for array in below)
    width = above[0].shape[1] + 2
    flat = np.flatnonzero(above[1])
    own, mine = above[0].ravel()[flat], above[1].ravel()[flat]
    places = flat + width + 1 + 2 * (flat // max(1, width - 2))
    straight = ids[places] == own
    found = [_pairs(parts[places[straight]], mine[straight])]
    places, own, mine = places[~straight], own[~straight], mine[~straight]  # elsewhere all round is of one part with it
    for step in (-width - 1, -width, 1 - width, -1, 1, width - 1, width, width + 1):
        same = ids[places + step] == own
        found.append(_pairs(parts[places + step][same], mine[same]))
    return np.unique(np.concatenate(found), axis=0)


def _pairs(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the different pairs of two arrays."""
    if len(a) == 0:
        return np.zeros((0, 2), dtype=np.int64)
    width = int(b.max()) + 1
    keys = a * width + b
    keys = np.unique(keys[np.append(True, keys[1:] != keys[:-1])])  # neighbours are mostly alike: sort one of a run
    return np.stack([keys // width, keys % width], axis=1)
