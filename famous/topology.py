"""Pieces, tunnels and cavities, and how many of them a mask has; `famous.mesh.Mesh.topology` has those of a mesh."""

from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from famous.masks import Mask, slabs

TOUCHING = np.ones((3, 3, 3), dtype=np.bool_)  # voxels that share a face, an edge or a corner are one piece


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
    depth = mask.shape[0]
    euler = 0
    objects, background = Components(corners=True), Components(corners=False)
    last = np.zeros((0, mask.shape[1] + 2, mask.shape[2] + 2), dtype=np.bool_)
    for part in slabs(mask):
        ends = (int(part.start == 0), int(part.stop >= depth))
        block = np.pad(mask[part], (ends, (1, 1), (1, 1)))
        euler += _euler(np.concatenate([last, block]) if len(last) else block)
        last = block[-1:]
        objects.add(block)
        background.add(~block)
    outside = background.count()
    return topology_of(objects.count(), max(outside - 1, 0), euler)


def topology_of(pieces: int, cavities: int, euler: int) -> Topology:
    """Return the topology with that Euler number."""
    return Topology(pieces, pieces + cavities - euler, cavities)


def _euler(block: NDArray[np.bool_]) -> int:
    """Sum corners − edges + faces − cubes of all slices but the first, with what lies between each and the one below.

    The block is empty along its sides in y and x.
    """
    between, cubes = block[:-1] | block[1:], block[1:]
    total = 0
    for image, sign in ((between, 1), (cubes, -1)):
        across_y = image[:, :-1] | image[:, 1:]
        across_x = image[:, :, :-1] | image[:, :, 1:]
        across = across_y[:, :, :-1] | across_y[:, :, 1:]
        whole, single = np.count_nonzero(image), np.count_nonzero(across_y) + np.count_nonzero(across_x)
        total += sign * int(whole - single + np.count_nonzero(across))
    return total


class Components:
    """Connected components of a volume that comes slab by slab, from below."""

    def __init__(self, *, corners: bool) -> None:
        self._structure = TOUCHING if corners else None
        self._total = 0
        self._last: NDArray[np.int64] | None = None
        self._pairs: list[NDArray[np.int64]] = []

    def add(self, block: NDArray[np.bool_]) -> None:
        """Take the next slices, (z, y, x)."""
        numbers, found = ndimage.label(block, structure=self._structure)
        first = numbers[0].astype(np.int64)
        first[first > 0] += self._total
        if self._last is not None:
            self._pairs.append(_meeting(self._last, first, corners=self._structure is not None))
        self._last = numbers[-1].astype(np.int64)
        self._last[self._last > 0] += self._total
        self._total += int(found)

    def count(self) -> int:
        """Count the components of everything so far."""
        pairs = np.concatenate([np.zeros((0, 2), dtype=np.int64), *self._pairs]) - 1
        return count_joined(pairs, self._total)


def _meeting(below: NDArray[np.int64], above: NDArray[np.int64], *, corners: bool) -> NDArray[np.int64]:
    """Pairs of numbers, 0 left out, that lie on each other in two slices; with corners also one pixel aside."""
    found = []
    reach = 1 if corners else 0
    wide = np.pad(below, reach)
    height, width = above.shape
    span = int(above.max()) + 1
    for dy in range(2 * reach + 1):
        for dx in range(2 * reach + 1):
            other = wide[dy : dy + height, dx : dx + width]
            both = (other > 0) & (above > 0)
            found.append(np.unique(other[both] * span + above[both]))
    keys = np.unique(np.concatenate(found))
    return np.stack([keys // span, keys % span], axis=1)


def count_joined(pairs: NDArray[np.int64], total: int) -> int:
    """Count the groups of 0 … total − 1 when the members of each pair, (n, 2), are joined."""
    if total == 0 or len(pairs) == 0:
        return total
    graph = coo_array((np.ones(len(pairs), dtype=np.int8), (pairs[:, 0], pairs[:, 1])), shape=(total, total))
    count, _ = connected_components(graph, directed=False)
    return int(count)
