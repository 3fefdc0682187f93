"""Pieces, tunnels and cavities, and how many of them a mask has; `famous.mesh.Mesh.topology` has those of a mesh."""

from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from famous.masks import Mask, slabs

Runs = NDArray[np.int64]  # (2, n) first and one past the last voxel of each, in the order of the flattened block


@dataclass(frozen=True)
class Topology:
    """What no stretching changes: connected pieces, tunnels through them (of a ring: 1), and cavities enclosed."""

    pieces: int
    tunnels: int
    cavities: int

    @property
    def euler(self) -> int:
        """Euler number: pieces − tunnels + cavities."""
        return self.pieces - self.tunnels + self.cavities

    def distance(self, other: "Topology") -> int:
        """How many more or fewer there are of each, summed up."""
        return sum(abs(a - b) for a, b in zip(astuple(self), astuple(other), strict=True))


def count_topology(mask: Mask) -> Topology:
    """Count pieces, tunnels and cavities of a (z, y, x) mask, slab by slab.

    Voxels are closed cubes: those that share a corner belong together, background goes on through faces only. The
    Euler number is corners − edges + faces − cubes of that complex (Kong and Rosenfeld 1989), and tunnels are pieces +
    cavities − Euler number. What lies beyond the mask counts as background.
    """
    depth, height, width = mask.shape
    euler = 0
    objects, background = _Groups(), _Groups()
    last = np.zeros((height + 2, -(-(width + 2) // 8) * 8), dtype=np.bool_)  # with room all round, rows of whole bytes
    for part in slabs(mask):
        inner = mask[part]
        block = np.zeros((len(inner) + 1 + int(part.stop >= depth), *last.shape), dtype=np.bool_)
        block[0], block[1 : len(inner) + 1, 1:-1, 1 : width + 1] = last, inner
        last = block[-1].copy()
        euler += _euler(block)
        voxels, gaps, outside = _runs(block)
        _join_voxels(objects, voxels, block.shape)
        _join_gaps(background, gaps, outside, block.shape)
    return topology_of(objects.count(), max(background.count() - 1, 0), euler)


def topology_of(pieces: int, cavities: int, euler: int) -> Topology:
    """Return the topology with that Euler number."""
    return Topology(pieces, pieces + cavities - euler, cavities)


def _euler(block: NDArray[np.bool_]) -> int:
    """Sum corners − edges + faces − cubes of all slices but the first, with what lies between each and the one below.

    The block is empty along its sides in y and x. Along x, corners are one more than edges in every run, and so are
    faces than cubes: what is left to count is the beginnings of runs, eight voxels at a time.
    """
    packed = np.packbits(block, axis=2)
    between, cubes = packed[:-1] | packed[1:], packed[1:]
    lines = ((between[:, :-1] | between[:, 1:], 1), (between, -1), (cubes[:, :-1] | cubes[:, 1:], -1), (cubes, 1))
    return sum(sign * _count_runs(image) for image, sign in lines)


def _count_runs(packed: NDArray[np.uint8]) -> int:
    """Count runs of ones along the last axis, which is packed to bytes; each ends within its line."""
    before: NDArray[np.uint8] = packed >> np.uint8(1)
    before[..., 1:] |= packed[..., :-1] << np.uint8(7)
    begins: NDArray[np.uint8] = packed & np.invert(before)
    return int(np.count_nonzero(np.unpackbits(begins)))


def _runs(block: NDArray[np.bool_]) -> tuple[Runs, Runs, Runs]:
    """Runs of voxels along x, of background between two of them, and of the background that comes from outside.

    The block is empty along its sides in y and x, so the last, which go on from row to row, all hang together.
    """
    flat = block.reshape(-1)
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    background = np.concatenate([[0], edges, [len(flat)]]).reshape(-1, 2).T
    row = background // block.shape[2]
    is_gap = row[0] == row[1]
    is_gap[[0, -1]] = False
    return np.ascontiguousarray(edges.reshape(-1, 2).T), background[:, is_gap], background[:, ~is_gap]


def _join_voxels(groups: "_Groups", runs: Runs, shape: tuple[int, ...]) -> None:
    """Join runs of voxels that share a face, an edge or a corner, and with the slabs before."""
    area, width = shape[1] * shape[2], shape[2]
    steps = (width, area - width, area, area + width)
    pairs = np.concatenate([_meeting(runs, runs, step, reach=1) for step in steps], axis=1)
    first, last = np.searchsorted(runs[0], [area, area * (shape[0] - 1)])
    groups.add(pairs, runs.shape[1], np.arange(first), np.arange(last, runs.shape[1]))


def _join_gaps(groups: "_Groups", gaps: Runs, outside: Runs, shape: tuple[int, ...]) -> None:
    """Join gaps that share a face, each with those round it or with the outside, which is number 0 of every slab."""
    area, width = shape[1] * shape[2], shape[2]
    inner = [_meeting(gaps, gaps, step, reach=0) + 1 for step in (width, area)]
    outer = [_meeting(gaps, outside, step, reach=0)[:1] + 1 for step in (-area, -width, width, area)]
    pairs = np.concatenate([*inner, *(np.concatenate([gap, np.zeros_like(gap)]) for gap in outer)], axis=1)
    first, last = np.searchsorted(gaps[0], [area, area * (shape[0] - 1)]) + 1
    number = gaps.shape[1] + 1
    groups.add(pairs, number, np.arange(first), np.concatenate([[0], np.arange(last, number)]))


def _meeting(runs: Runs, others: Runs, step: int, *, reach: int) -> NDArray[np.int64]:
    """Pairs (2, n) of a run and another that it meets once it is moved by a step; it may fall short by the reach."""
    first = np.searchsorted(others[1], runs[0] + (step - reach), side="right")
    count = np.searchsorted(others[0], runs[1] + (step + reach), side="left") - first
    run = np.repeat(np.arange(len(count)), count)
    return np.stack([run, np.arange(len(run)) + np.repeat(first - (np.cumsum(count) - count), count)])


class _Groups:
    """Groups of runs that hang together, of slabs that come from below and share a slice each with the one before."""

    def __init__(self) -> None:
        self._total = 0
        self._last: NDArray[np.int64] | None = None
        self._pairs: list[NDArray[np.int64]] = []

    def add(self, pairs: NDArray[np.int64], number: int, first: NDArray[np.int64], last: NDArray[np.int64]) -> None:
        """Join 0 … number − 1 by pairs, (2, n); `first` are those that were the `last` of the slab before."""
        found, group = join(pairs.T, number)
        groups = group.astype(np.int64) + self._total
        if self._last is not None:
            self._pairs.append(np.unique(np.stack([self._last, groups[first]], axis=1), axis=0))
        self._last = groups[last]
        self._total += found

    def count(self) -> int:
        """Count the groups of all slabs so far."""
        return join(np.concatenate([np.zeros((0, 2), dtype=np.int64), *self._pairs]), self._total)[0]


def join(pairs: NDArray[np.int64], total: int) -> tuple[int, NDArray[np.int32]]:
    """Join 0 … total − 1 by pairs, (n, 2): how many groups that makes, and the group of each."""
    if len(pairs) == 0:
        return total, np.arange(total, dtype=np.int32)
    graph = coo_array((np.ones(len(pairs), dtype=np.int8), (pairs[:, 0], pairs[:, 1])), shape=(total, total))
    count, group = connected_components(graph, directed=False)
    return int(count), group
