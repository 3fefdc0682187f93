"""Closed surfaces as voxels, slice by slice: which voxel centres lie inside, exactly, with nothing held but the faces.

A slice cuts the faces in closed lines; a row of voxels crosses them in an even number of places, and lies inside
between the first and second, the third and fourth. Each cut is computed from the edge alone, in one direction, so that
two faces that share an edge agree to the last bit and no row ever counts an odd number.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from famous.mesh import Mesh

Faces = NDArray[np.int64]
Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Filling:
    """A closed surface in a grid of voxels.

    `vertices` are (n, 3) positions (z, y, x) in voxels, counted from the centre of the first one; `faces` may turn
    either way. A voxel is inside where a line from it crosses the surface an odd number of times, so an inner wall
    bounds a cavity.
    """

    vertices: Points
    faces: Faces
    shape: tuple[int, int, int]

    @cached_property
    def _span(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First and last slice whose plane cuts each face; the last is below the first where none does."""
        heights = self.vertices[:, 0][self.faces]
        limit = float(self.shape[0] + 1)
        low = np.clip(np.floor(heights.min(axis=1)), -1.0, limit)
        high = np.clip(np.floor(heights.max(axis=1)), -1.0, limit)
        return low.astype(np.int64) + 1, high.astype(np.int64)

    @cached_property
    def slices(self) -> range:
        """Slices that it may have voxels in."""
        if len(self.faces) == 0:
            return range(0)
        first, last = self._span
        return range(max(0, int(first.min())), min(self.shape[0], int(last.max()) + 1))

    @cached_property
    def _box(self) -> tuple[int, int, int, int]:
        """Rows and columns (y0, y1, x0, x1), half-open, that hold all of it, within the grid."""
        used = self.vertices[self.faces.ravel(), 1:]
        limits = np.array(self.shape[1:], dtype=float)
        low = np.clip(np.floor(used.min(axis=0)), 0, limits)
        high = np.clip(np.floor(used.max(axis=0)) + 2, 0, limits)
        return int(low[0]), int(high[0]), int(low[1]), int(high[1])

    def cut(self, z: int) -> tuple[slice, slice, NDArray[np.bool_]]:
        """Return the rows and columns of a slice that it may lie in, and which of their voxels are inside."""
        if z not in self.slices:
            return slice(0, 0), slice(0, 0), np.zeros((0, 0), dtype=np.bool_)
        y0, y1, x0, x1 = self._box
        first, last = self._span
        ends = cut_faces(self.vertices, self.faces[(first <= z) & (z <= last)], float(z))
        rows, columns = _crossings(ends, y0, y1)
        height, width = max(0, y1 - y0), max(0, x1 - x0)
        at = np.clip(np.ceil(columns), x0, x0 + width).astype(np.int64) - x0
        counts = np.bincount((rows - y0) * (width + 1) + at, minlength=height * (width + 1))
        odd = (counts & 1).astype(np.uint8).reshape(height, width + 1)
        inside = np.bitwise_xor.accumulate(odd, axis=1)[:, :width]
        return slice(y0, y0 + height), slice(x0, x0 + width), inside.view(np.bool_)


def cut_faces(vertices: Points, faces: Faces, z: float) -> NDArray[np.float64]:
    """Cut faces with a plane: (m, 2, 2) ends (y, x) of the lines in those that it crosses."""
    above = vertices[:, 0][faces] >= z
    count = above.sum(axis=1)
    crossed = (count == 1) | (count == 2)
    faces, above, count = faces[crossed], above[crossed], count[crossed]
    alone = np.argmax(above == (count == 1)[:, None], axis=1)  # the corner that lies on its side of the plane alone
    row = np.arange(len(faces))
    tip = faces[row, alone]
    return np.stack([_cut_edges(vertices, tip, faces[row, (alone + step) % 3], z) for step in (1, 2)], axis=1)


def _cut_edges(vertices: Points, a: NDArray[np.int64], b: NDArray[np.int64], z: float) -> Points:
    """(n, 2) places (y, x) where edges cross the plane; from the lower vertex number, so that neighbours agree."""
    p, q = vertices[np.minimum(a, b)], vertices[np.maximum(a, b)]
    part = (z - p[:, 0]) / (q[:, 0] - p[:, 0])
    place: Points = p[:, 1:] + part[:, None] * (q[:, 1:] - p[:, 1:])
    return place


def _crossings(ends: NDArray[np.float64], y0: int, y1: int) -> tuple[NDArray[np.int64], Points]:
    """Rows y0 … y1 − 1 that lines cross, and the x where they do."""
    y, x = ends[:, :, 0], ends[:, :, 1]
    low = np.clip(np.floor(y.min(axis=1)), y0 - 1, y1 - 1).astype(np.int64)
    high = np.clip(np.floor(y.max(axis=1)), y0 - 1, y1 - 1).astype(np.int64)
    counts = high - low
    line = np.repeat(np.arange(len(ends)), counts)
    rows = np.arange(len(line)) - np.repeat(np.cumsum(counts) - counts, counts) + low[line] + 1
    part = (rows - y[line, 0]) / (y[line, 1] - y[line, 0])
    return rows, x[line, 0] + part * (x[line, 1] - x[line, 0])


def contains(vertices: Points, faces: Faces, point: Points) -> bool:
    """Tell whether a point lies inside a closed surface."""
    ends = cut_faces(vertices, faces, float(point[0])) - point[1:]
    y, x = ends[:, :, 0], ends[:, :, 1]
    crossed = (y[:, 0] >= 0) != (y[:, 1] >= 0)
    y, x = y[crossed], x[crossed]
    return bool(np.count_nonzero(x[:, 0] - y[:, 0] / (y[:, 1] - y[:, 0]) * (x[:, 1] - x[:, 0]) > 0) % 2)


def joined(mesh: Mesh) -> Mesh:
    """Join vertices at one place, leave out faces that collapse, and those that are there twice."""
    vertices, number = np.unique(mesh.vertices, axis=0, return_inverse=True)
    faces = np.sort(number.reshape(-1)[mesh.faces], axis=1)
    faces = faces[(faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2])]
    return Mesh(vertices, np.unique(faces, axis=0).reshape(-1, 3))


def rims(mesh: Mesh) -> list[NDArray[np.int64]]:
    """Edges that an odd number of faces has, as (n, 2) vertices: one array a hole; none where the surface is closed."""
    edges = np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    edges, counts = np.unique(edges, axis=0, return_counts=True)
    open_edges = edges[counts % 2 == 1]
    if len(open_edges) == 0:
        return []
    _, local = np.unique(open_edges, return_inverse=True)
    links = local.reshape(-1, 2)
    number = int(links.max()) + 1
    graph = coo_array((np.ones(len(links), dtype=np.int8), (links[:, 0], links[:, 1])), shape=(number, number))
    count, part = connected_components(graph, directed=False)
    return [open_edges[part[links[:, 0]] == one] for one in range(count)]


def closed(mesh: Mesh, holes: list[NDArray[np.int64]]) -> tuple[Mesh, float]:
    """Close each hole by triangles to the middle of its rim; returns also the share of the area that they make up."""
    vertices, faces = [mesh.vertices], [mesh.faces]
    for number, rim in enumerate(holes):
        vertices.append(mesh.vertices[np.unique(rim)].mean(axis=0, keepdims=True))
        tip = np.full((len(rim), 1), len(mesh.vertices) + number)
        faces.append(np.hstack([rim, tip]))
    whole = Mesh(np.concatenate(vertices), np.concatenate(faces))
    area = whole.area_nm2
    return whole, (area - mesh.area_nm2) / area if area > 0 else 1.0


def split_surfaces(mesh: Mesh) -> list[Mesh]:
    """Split a closed mesh into objects: connected surfaces, each with the walls of its cavities."""
    if mesh.is_empty:
        return []
    start, end, third = mesh.faces.T
    number = len(mesh.vertices)
    links = coo_array(
        (np.ones(2 * len(start), np.int8), (np.r_[start, end], np.r_[end, third])), shape=(number, number)
    )
    _, part = connected_components(links, directed=False)
    order = np.argsort(part[start], kind="stable")
    pieces = np.split(mesh.faces[order], np.flatnonzero(np.diff(part[start][order])) + 1)
    boxes = np.array([[f(mesh.vertices[piece.ravel()], axis=0) for f in (np.min, np.max)] for piece in pieces])
    holders: list[list[int]] = []
    for i, piece in enumerate(pieces):
        round_it = ((boxes[:, 0] <= boxes[i, 0]) & (boxes[:, 1] >= boxes[i, 1])).all(axis=1)
        round_it[i] = False
        point = mesh.vertices[piece[0]].mean(axis=0)
        holders.append([int(j) for j in np.flatnonzero(round_it) if contains(mesh.vertices, pieces[j], point)])
    depths = [len(holder) for holder in holders]
    objects: dict[int, list[Faces]] = {i: [pieces[i]] for i, depth in enumerate(depths) if depth % 2 == 0}
    for i, depth in enumerate(depths):
        if depth % 2:
            objects[next(j for j in holders[i] if depths[j] == depth - 1)].append(pieces[i])
    return [compact(mesh, np.concatenate(own)) for own in objects.values()]


def compact(mesh: Mesh, faces: Faces) -> Mesh:
    """Return some faces with the vertices that they use."""
    used, number = np.unique(faces, return_inverse=True)
    return Mesh(mesh.vertices[used], number.reshape(-1, 3))
