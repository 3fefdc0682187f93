"""Marching cubes, slab by slab: whatever the slabs, the same vertices and faces in the same order.

Vertices are numbered by plane and within it by the edge of the grid that they lie on. So the two slabs that share a
plane know its vertices by the same numbers, and there is no seam to weld.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

#: Edges of the grid by the axis they run along, in the order of the numbers: those within a plane come first.
KINDS = (1, 2, 0)


@dataclass(frozen=True)
class Piece:
    """What one slab adds to a mesh: its new vertices (n, 3) in planes, rows and columns, and faces between all."""

    vertices: NDArray[np.float64]
    faces: NDArray[np.int32]
    volume: float  # the part of the divergence theorem's sum that comes from these faces, in cells


@dataclass(frozen=True)
class Slab:
    """Planes `first` … of a field (z, y, x), float32; the last plane is the next slab's first."""

    first: int
    field: NDArray[np.float32]
    solid: NDArray[np.bool_] | None = None  # what is inside before the blur, if that was asked for
    held: NDArray[np.int64] | None = None  # flat indices of the points that stay as the solid has them; none: all

    def faithful(self, level: float) -> "Slab":
        """Mirror the field at a level where it says otherwise than the solid, at the points that are held."""
        if self.solid is None:
            return self
        points: NDArray[np.int64] | slice = slice(None) if self.held is None else self.held
        field = self.field.copy()
        values = field.reshape(-1)
        away = values[points] - np.float32(level)
        lost = np.where(self.solid.reshape(-1)[points], away < 0, away > 0)
        values[points] = np.where(lost, np.float32(level) - away, values[points])
        return Slab(self.first, field)


def march(slabs: Iterable[Slab], level: float, *, apart: float) -> Iterator[Piece]:
    """Cut a field, higher inside, at a level that lies above all of its border.

    After Lorensen and Cline (1987), with the triangles of skimage's classic table; the one of Lewiner leaves holes
    where a face is ambiguous. Any two cells of the classic one agree on the face that they share, and none has an inner
    edge there (the tests go through all cases). So the mesh closes whatever the field: every edge belongs to two faces
    that run through it in opposite ways. The table is taken the other way round, inside for outside: so voxels that
    share an edge hang together. Values nearer to the level than `apart` are taken to be at that
    distance. Otherwise the corners round such a grid point all but coincide, and single precision in a file makes
    them one. The faces turn so that the volume is above 0 (`famous.mesh.Mesh`).
    """
    start = 0
    for slab in slabs:
        piece, start = _march_slab(slab, np.float32(level), np.float32(apart), start)
        yield piece


def _march_slab(slab: Slab, level: np.float32, apart: np.float32, start: int) -> tuple[Piece, int]:
    """Cut one slab; `start` is the number of its first plane's first vertex, returned is that of its last plane's."""
    planes, height, width = slab.field.shape
    area = height * width
    field = slab.field.reshape(-1)
    inside = (field > level).view(np.uint8)
    crossed = np.zeros((planes, 3, area), dtype=np.bool_)
    layers = inside.reshape(planes, area)
    np.not_equal(layers[:, :-width], layers[:, width:], out=crossed[:, 0, :-width])
    np.not_equal(layers[:, :-1], layers[:, 1:], out=crossed[:, 1, :-1])  # rows end and begin outside
    np.not_equal(layers[:-1], layers[1:], out=crossed[:-1, 2])
    edges = np.flatnonzero(crossed)
    corners = _place(edges, slab, level, apart)
    lookup = np.empty(crossed.size, dtype=np.int32)
    del crossed
    lookup[edges] = np.arange(len(edges), dtype=np.int32)
    faces = _faces(inside, (area, width), lookup)
    known = int(np.searchsorted(edges, 2 * area)) if slab.first else 0
    seam = start + int(np.searchsorted(edges, (planes - 1) * 3 * area))
    return Piece(corners[known:], faces + np.int32(start), _volume(corners, faces)), seam


def _place(edges: NDArray[np.int64], slab: Slab, level: np.float32, apart: np.float32) -> NDArray[np.float64]:
    """Where the surface crosses edges of the grid, (n, 3) in planes, rows and columns."""
    field, (_, height, width) = slab.field.reshape(-1), slab.field.shape
    area = height * width
    layer, point = np.divmod(edges, area)
    plane, kind = np.divmod(layer, 3)
    row, column = np.divmod(point, width)
    low = plane * area + point
    high = low + np.array([width, 1, area])[kind]
    heights = []
    for ends in (low, high):
        value = field[ends] - level
        near = np.abs(value) < apart
        value[near] = np.where(value[near] > 0, apart, -apart)
        heights.append(value.astype(np.float64))
    corners = np.stack([plane + slab.first, row, column], axis=1).astype(np.float64)
    corners[np.arange(len(edges)), np.array(KINDS)[kind]] += heights[0] / (heights[0] - heights[1])
    return corners


def _faces(inside: NDArray[np.uint8], stride: tuple[int, int], lookup: NDArray[np.int32]) -> NDArray[np.int32]:
    """(m, 3) corners of the triangles by the look-up table of the edges; cells in the order of the grid.

    Everything is done on the flat grid: the cells that would straddle the end of a row or a plane lie outside.
    """
    area, width = stride
    cases = inside[:-1] + 2 * inside[1:]  # numpy multiplies bytes ten times as fast as it shifts them
    cases = cases[:-width] + 4 * cases[width:]
    cases = cases[:-area] + 16 * cases[area:]
    cells = np.flatnonzero(cases - np.uint8(1) < 254)
    first, triangles = _table()
    case = cases[cells]
    counts = np.diff(first)[case]
    rows = np.repeat(first[case] - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
    within = triangles @ np.array([3 * area, width, 1, area])
    base = np.repeat(cells + 2 * area * (cells // area), counts)
    faces: NDArray[np.int32] = np.take(lookup, base[:, None] + np.take(within, rows, axis=0))
    return faces


def _volume(corners: NDArray[np.float64], faces: NDArray[np.int32]) -> float:
    """Sum of the faces' mean height times their area seen along z: the volume, once the faces close."""
    z, y, x = np.ascontiguousarray(corners.T)
    a, b, c = np.ascontiguousarray(faces.T)
    ya, xa = y[a], x[a]
    shadow = (y[b] - ya) * (x[c] - xa) - (x[b] - xa) * (y[c] - ya)
    return float(np.einsum("i,i->", z[a] + z[b] + z[c], shadow)) / 6.0


@cache
def _table() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Triangles of the 256 cases, asked of skimage one by one.

    Returns the number of each case's first triangle (257), and the triangles (n, 3, 4): a corner is an edge of the
    grid, namely the point (z, y, x) of the cell where it begins and its kind. Bit 1 of a case is the next in x, bit 2
    in y, bit 4 in z.
    """
    from skimage.measure import marching_cubes

    counts, triangles = [0], [np.zeros((0, 3, 4), dtype=np.int64)]
    for case in range(1, 255):
        cell = np.array([-1.0 if case >> bit & 1 else 1.0 for bit in range(8)], dtype=np.float32).reshape(2, 2, 2)
        vertices, faces, _, _ = marching_cubes(cell, 0.0, method="lorensen", allow_degenerate=True)
        axis = np.abs(vertices - np.rint(vertices)).argmax(axis=1)
        kind = np.argsort(KINDS)[axis]
        edges = np.column_stack([np.floor(vertices + 0.25).astype(np.int64), kind])
        edges[np.arange(len(edges)), axis] = 0
        triangles.append(edges[faces])
        counts.append(len(faces))
    return np.concatenate([[0], np.cumsum([*counts, 0])]), np.concatenate(triangles)
