"""Thin a solid to a line that keeps its pieces, tunnels and tips: voxel by voxel from the outside in."""

import heapq
import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import dijkstra

from famous.neighbours import FACE_BITS, SHIFTS, flat_steps, is_simple, neighbour_bits


def thin(inside: NDArray[np.bool_], apart: float) -> NDArray[np.int64]:
    """Return the (n, 3) voxels of the line that a solid thins to, in C order.

    Voxels go in the order of their distance to the surface (Pudney 1998), where their going changes nothing in how the
    solid hangs together. What stays in any case are the tips: voxels that are farther from one end of their piece, on a
    way inside, than all around them.

    Parameters
    ----------
    inside
        (z, y, x), True inside, empty along its sides.
    apart
        Tips are at least so far from each other, in voxels.
    """
    if not inside.any():
        return np.zeros((0, 3), dtype=np.int64)
    distance = ndimage.distance_transform_edt(inside)
    flat = np.flatnonzero(inside)
    left = dict(zip(flat.tolist(), neighbour_bits(inside, flat).tolist(), strict=True))
    kept = {int(voxel) for voxel in _tips(inside, flat, apart)}
    depth = dict(zip(flat.tolist(), distance.ravel()[flat].tolist(), strict=True))
    _erode(left, kept, depth, flat_steps(inside.shape))
    return np.stack(np.unravel_index(sorted(left), inside.shape), axis=1).astype(np.int64)


def _erode(left: dict[int, int], kept: set[int], depth: dict[int, float], steps: list[int]) -> None:
    """Take away all that can go, the shallowest first; `left` holds the neighbours' bits of each voxel."""
    around = list(enumerate(steps))
    queue = [(depth[voxel], voxel) for voxel, code in left.items() if ~code & FACE_BITS]
    heapq.heapify(queue)
    waiting = {voxel for _, voxel in queue}
    while queue:
        _, voxel = heapq.heappop(queue)
        waiting.discard(voxel)
        if voxel in kept or not is_simple(left[voxel]):
            continue
        code = left.pop(voxel)
        for k, step in around:
            if code >> k & 1:
                other = voxel + step
                left[other] &= ~(1 << (25 - k))
                if other not in waiting:
                    waiting.add(other)
                    heapq.heappush(queue, (depth[other], other))


def _tips(inside: NDArray[np.bool_], flat: NDArray[np.int64], apart: float) -> NDArray[np.int64]:
    """Flat indices of the tips: one end of each piece, and where the way from there is longest all around."""
    pieces, _ = ndimage.label(inside, structure=np.ones((3, 3, 3)))
    piece = np.asarray(pieces).ravel()[flat].astype(np.int64)
    _, first = np.unique(piece, return_index=True)
    graph = _ways(inside, flat)
    roots = _farthest(dijkstra(graph, indices=first, min_only=True), piece)
    ways = dijkstra(graph, indices=roots, min_only=True)
    field = np.full(inside.shape, -1.0, dtype=np.float32)
    field.ravel()[flat] = ways
    highest = ndimage.maximum_filter(field, size=3, mode="constant", cval=-1.0)
    peaks = np.flatnonzero(field.ravel()[flat] >= highest.ravel()[flat])
    chosen = list(roots)
    places = np.stack(np.unravel_index(flat, inside.shape), axis=1)
    for peak in peaks[np.argsort(-ways[peaks], kind="stable")]:
        if np.linalg.norm(places[chosen] - places[peak], axis=1).min() > apart:
            chosen.append(peak)
    tips: NDArray[np.int64] = flat[np.array(chosen)]
    return tips


def _farthest(ways: NDArray[np.float64], piece: NDArray[np.int64]) -> NDArray[np.int64]:
    """Position of the largest value of each piece."""
    order = np.lexsort((-ways, piece))
    _, first = np.unique(piece[order], return_index=True)
    return order[first].astype(np.int64)


def _ways(inside: NDArray[np.bool_], flat: NDArray[np.int64]) -> "csr_array[np.float64]":
    """Lengths between voxels that touch, as a graph."""
    number = np.full(inside.size, -1, dtype=np.int64)
    number[flat] = np.arange(len(flat))
    _, height, width = inside.shape
    pairs, lengths = [], []
    for z, y, x in SHIFTS[13:]:  # the other half is the same way back
        other = number[flat + z * height * width + y * width + x]
        both = np.flatnonzero(other >= 0)
        pairs.append(np.stack([both, other[both]]))
        lengths.append(np.full(len(both), math.sqrt(z * z + y * y + x * x)))
    start, end = np.concatenate(pairs, axis=1)
    length = np.concatenate(lengths)
    size = (len(flat), len(flat))
    graph = coo_array((np.tile(length, 2), (np.append(start, end), np.append(end, start))), shape=size)
    return csr_array(graph)
