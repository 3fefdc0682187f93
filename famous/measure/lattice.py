"""The inside of a closed mesh as points of a near-isotropic lattice, coarse enough to be quick."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from famous.mesh import Mesh

ROWS = 1 << 15  # faces that are drawn at a time
SPACING = 0.12  # of a surface's points, as a share of 2 V / A
POINTS = 200_000  # of a surface, about
LARGEST = 1 << 24  # points of a lattice, those outside included


@dataclass(frozen=True)
class Lattice:
    """Which points of a lattice lie inside: (z, y, x), empty along its sides; point 0 lies at `origin`, in nm."""

    inside: NDArray[np.bool_]
    origin: NDArray[np.float64]
    step_nm: float

    @cached_property
    def index(self) -> NDArray[np.int64]:
        """(n, 3) indices of the points inside."""
        return np.argwhere(self.inside).astype(np.int64)

    def to_nm(self, index: NDArray[np.int64] | NDArray[np.float64]) -> NDArray[np.float64]:
        """Positions of (n, 3) indices, whole or not."""
        return index * self.step_nm + self.origin


def lattice_of(mesh: Mesh, *, points: int, finest: float) -> Lattice:
    """Choose a step and find the points inside.

    Parameters
    ----------
    mesh
        Closed, volume above 0.
    points
        How many points inside there should be at most, about.
    finest
        The step is no finer than this share of 2 V / A, which is the thickness of a sheet and the radius of a tube.
    """
    volume, area = mesh.volume_nm3, mesh.area_nm2
    sides = np.ptp(mesh.vertices, axis=0)
    step = max((volume / points) ** (1 / 3), finest * 2 * volume / area, float(np.prod(sides) / LARGEST) ** (1 / 3))
    return rasterize(mesh, step)


def rasterize(mesh: Mesh, step: float) -> Lattice:
    """Find the lattice points inside a closed mesh by counting the faces above each of them.

    A point that lies exactly below an edge is counted for one of its two faces, so no column leaks.
    """
    low, high = mesh.bounds
    shape = tuple(math.ceil(side / step) + 3 for side in high - low)
    origin = (low + high) / 2 - (np.array(shape) - 1) / 2 * step
    crossings = np.zeros((shape[0] + 1, shape[1] * shape[2]), dtype=np.int32)
    places = (mesh.vertices - origin) / step
    for start in range(0, len(mesh.faces), ROWS):
        column, height = _crossings(places, mesh.faces[start : start + ROWS], shape[2])
        above = np.clip(np.ceil(height), 0, shape[0]).astype(np.int64)  # the first point above the face
        np.add.at(crossings, (above, column), 1)
    inside = (np.cumsum(crossings[:-1], axis=0) % 2).astype(np.bool_).reshape(shape)
    return Lattice(inside, origin, step)


def _crossings(
    places: NDArray[np.float64], faces: NDArray[np.int64], width: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Columns y · width + x that pass through each face, and how high: all pairs of column and face."""
    corners = places[faces]
    low = np.ceil(corners[:, :, 1:].min(axis=1)).astype(np.int64)
    count = np.floor(corners[:, :, 1:].max(axis=1)).astype(np.int64) - low + 1
    number = np.maximum(count, 0).prod(axis=1)
    face = np.repeat(np.arange(len(faces)), number)
    place = np.arange(len(face)) - np.repeat(np.cumsum(number) - number, number)
    y, x = low[face, 0] + place // count[face, 1], low[face, 1] + place % count[face, 1]
    sides = [_side(places, faces[face, k], faces[face, (k + 1) % 3], y, x) for k in range(3)]
    signs = [positive for _, positive in sides]
    hit = (signs[0] == signs[1]) & (signs[1] == signs[2])
    turned = [value[hit] for value, _ in sides]
    whole = turned[0] + turned[1] + turned[2]
    hit_corners = corners[face[hit]]
    height = sum((turned[(k + 1) % 3] * hit_corners[:, k, 0] for k in range(3)), np.zeros(len(whole)))
    height = np.divide(height, whole, out=hit_corners[:, 0, 0].copy(), where=whole != 0)  # 0: seen from its edge
    return (y * width + x)[hit], height


def _side(
    places: NDArray[np.float64], a: NDArray[np.int64], b: NDArray[np.int64], y: NDArray[np.int64], x: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """How far to one side of an edge a → b each point lies, and whether it counts as above 0.

    Both faces of an edge compute the same number, and a point on the edge counts as if it were moved a little along x,
    and much less along y (simulation of simplicity, Edelsbrunner and Mücke 1990).
    """
    flip = a > b
    first, second = places[np.where(flip, b, a)], places[np.where(flip, a, b)]
    along, across = second[:, 1] - first[:, 1], second[:, 2] - first[:, 2]
    value = along * (x - first[:, 2]) - across * (y - first[:, 1])
    positive = (value > 0) | ((value == 0) & ((along > 0) | ((along == 0) & (across < 0))))
    return np.where(flip, -value, value), positive ^ flip


def surface_points(mesh: Mesh, apart: float) -> NDArray[np.float64]:
    """Points of the surface no farther apart than a length, about: the vertices, and more on faces that are larger."""
    corners = [mesh.vertices[mesh.faces[:, k]] for k in range(3)]
    longest = np.max([np.linalg.norm(corners[k] - corners[k - 1], axis=1) for k in range(3)], axis=0)
    cuts = np.minimum(np.ceil(longest / apart), 400).astype(np.int64)
    found = [mesh.vertices]
    for number in np.unique(cuts[cuts > 1]):
        chosen = cuts == number
        i, j = (grid.ravel() for grid in np.meshgrid(np.arange(number + 1), np.arange(number + 1), indexing="ij"))
        kept = (i + j <= number) & ~((i == number) | (j == number) | (i + j == 0))  # the corners are there already
        for u, v in zip(i[kept] / number, j[kept] / number, strict=True):
            found.append(corners[0][chosen] * (1 - u - v) + corners[1][chosen] * u + corners[2][chosen] * v)
    return np.concatenate(found)


@dataclass(frozen=True, eq=False)
class Surface:
    """Points of a surface that can be asked for their distance."""

    tree: "cKDTree[None]"

    @classmethod
    def of(cls, mesh: Mesh) -> "Surface":
        """Prepare a mesh.

        The points are dense enough for the radius of a ball inside to be right to 1 % in an object of even thickness,
        unless that would take more than `POINTS` of them.
        """
        area = mesh.area_nm2
        return cls(cKDTree(surface_points(mesh, max(SPACING * 2 * mesh.volume_nm3 / area, (area / POINTS) ** 0.5))))

    def nearest(self, points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Distance of (n, 3) points in nm to the surface, and the (n, 3) points of it that are nearest."""
        distance, number = self.tree.query(points)
        return np.asarray(distance, dtype=np.float64), np.asarray(self.tree.data)[number]
