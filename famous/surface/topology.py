"""Pieces, tunnels and cavities: of voxels, of a mesh, and whether the mesh kept them.

Voxels of the object that share a corner hang together, those of the background only through faces (26 and 6
neighbours), so that the object is the closed set of its voxels. Tunnels follow from the Euler characteristic
χ = pieces − tunnels + cavities; of a surface they are the sum of the genera of its parts (Kong and Rosenfeld 1989,
Digital topology).
"""

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from famous.masks import Mask, slabs
from famous.mesh import Mesh

OBJECT = np.ones((3, 3, 3), dtype=np.bool_)
BACKGROUND = ndimage.generate_binary_structure(3, 1)


@dataclass(frozen=True)
class Betti:
    """What a body is made of, whatever its shape: the Betti numbers."""

    pieces: int
    tunnels: int
    cavities: int

    def distance(self, other: "Betti") -> int:
        """How many more or fewer there are of each, summed up."""
        return sum(abs(a - b) for a, b in zip(astuple(self), astuple(other), strict=True))


def voxel_betti(mask: Mask) -> Betti:
    """Count those of a mask, (z, y, x), slab by slab; what lies beyond its ends is background."""
    pieces, cavities, euler = _Parts(OBJECT), _Parts(BACKGROUND), 0
    last = np.zeros((1, *(side + 2 for side in mask.shape[1:])), dtype=np.bool_)
    for planes in _padded(mask):
        pieces.add(planes)
        cavities.add(~planes)
        euler += _euler(np.concatenate([last, planes]))
        last = planes[-1:]
    outside = 1  # the background round the mask
    n_pieces, n_cavities = pieces.count, max(0, cavities.count - outside)
    return Betti(n_pieces, n_pieces + n_cavities - euler, n_cavities)


def mesh_betti(mesh: Mesh) -> Betti:
    """Count those of a closed mesh: parts that point outwards, their genera, parts that point inwards."""
    if mesh.is_empty:
        return Betti(0, 0, 0)
    number = len(mesh.vertices)
    start, end = mesh.faces[:, :2].T
    third = mesh.faces[:, 2]
    links = coo_array((np.ones(2 * len(start)), (np.r_[start, end], np.r_[end, third])), shape=(number, number))
    parts, part = connected_components(links, directed=False)
    used = np.zeros(number, dtype=np.bool_)
    used[mesh.faces] = True
    faces = np.bincount(part[start], minlength=parts)
    euler = np.bincount(part[used], minlength=parts) - faces // 2  # a closed surface has 3 edges to 2 faces
    centred = mesh.vertices - mesh.vertices.mean(axis=0)
    a, b, c = (centred[mesh.faces[:, k]] for k in range(3))
    volume = np.bincount(part[start], np.einsum("ij,ij->i", a, np.cross(b, c)), minlength=parts)
    real = faces > 0
    return Betti(
        int(np.count_nonzero(real & (volume > 0))),
        int((1 - euler[real] // 2).sum()),
        int(np.count_nonzero(real & (volume <= 0))),
    )


def kept(mask: Mask, mesh: Mesh) -> bool:
    """Whether the mesh has as many pieces, tunnels and cavities as the voxels."""
    return mesh_betti(mesh) == voxel_betti(mask)


def _padded(mask: Mask) -> Iterator[NDArray[np.bool_]]:
    """Slabs of the mask with an empty margin round all of it."""
    ranges = slabs(mask) if min(mask.shape) else []
    for number, part in enumerate(ranges):
        ends = (int(number == 0), int(number == len(ranges) - 1))
        yield np.pad(mask[part], (ends, (1, 1), (1, 1)))


def _euler(planes: NDArray[np.bool_]) -> int:
    """Euler characteristic that the slab adds to that of the planes below its first, by the closed unit cubes' cells.

    Each corner, edge, face and cube is counted once: where its last plane of voxels lies in the slab.
    """
    total = 0
    for axes in range(8):  # along which axes a cell is thin: it belongs to the voxels at both sides
        cells = planes if axes & 1 else planes[1:]
        if axes & 1:
            cells = planes[:-1] | planes[1:]
        if axes & 2:
            cells = cells[:, :-1] | cells[:, 1:]
        if axes & 4:
            cells = cells[:, :, :-1] | cells[:, :, 1:]
        total += (-1) ** (3 - axes.bit_count()) * int(np.count_nonzero(cells))
    return total


class _Parts:
    """Counts connected parts of planes that come slab by slab."""

    def __init__(self, structure: NDArray[np.bool_]) -> None:
        self._structure = structure
        self._last: NDArray[Any] | None = None
        self._known = 0  # parts that the last plane belongs to
        self._done = 0  # parts that can grow no more

    @property
    def count(self) -> int:
        """Parts so far."""
        return self._done + self._known

    def add(self, planes: NDArray[np.bool_]) -> None:
        """Take the next planes."""
        labels: NDArray[Any]
        labels, number = ndimage.label(planes, self._structure)
        old, joined = self._known, np.arange(number)
        if self._last is not None:
            number, joined = self._join(self._last, labels, number)
        last = np.zeros(number + 1, dtype=np.int32)
        reached = np.unique(joined[old + labels[-1][labels[-1] > 0] - 1]) if labels[-1].any() else np.zeros(0, int)
        last[reached + 1] = np.arange(1, len(reached) + 1)
        self._done += number - len(reached)
        self._known = len(reached)
        names = np.concatenate([[0], joined[old:] + 1])
        self._last = last[names[labels[-1]]]

    def _join(self, below: NDArray[Any], labels: NDArray[Any], new: int) -> tuple[int, NDArray[Any]]:
        """Join the parts of the last plane with those of the first one here; returns how many, and which is which."""
        pairs, old, above = [], self._known, labels[0]
        for dy, dx in np.argwhere(self._structure[2]) - 1:
            height, width = below.shape
            one = below[max(0, -dy) : height - max(0, dy), max(0, -dx) : width - max(0, dx)]
            two = above[max(0, dy) : height + min(0, dy), max(0, dx) : width + min(0, dx)]
            meet = (one > 0) & (two > 0)
            pairs.append(np.stack([one[meet] - 1, two[meet] - 1 + old], axis=1))
        start, end = np.unique(np.concatenate(pairs), axis=0).T
        links = coo_array((np.ones(len(start)), (start, end)), shape=(old + new, old + new))
        number, joined = connected_components(links, directed=False)
        return int(number), joined
