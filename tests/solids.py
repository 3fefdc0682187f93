"""Solids with a closed form, put on any voxel grid with a random sub-voxel offset."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from famous.mesh import Mesh
from famous.voxels import VoxelSize

FIB = VoxelSize(8, 8, 8)
SBEM = VoxelSize(32, 8, 8)
SERIAL = VoxelSize(50, 5, 5)

AXIS = np.array([0.5, 0.6, 0.62]) / np.linalg.norm([0.5, 0.6, 0.62])  # against every axis


@dataclass(frozen=True)
class Solid:
    """A solid round the origin: signed distance of points (z, y, x) in nm (below 0 inside), and what is known of it."""

    distance: Callable[[NDArray], NDArray]
    half: float
    volume: float
    area: float


@dataclass(frozen=True)
class Voxels:
    """A solid on a grid: its mask and where its middle lies, (z, y, x) nm."""

    mask: NDArray[np.bool_]
    centre: NDArray[np.float64]
    voxel_size: VoxelSize

    @property
    def volume(self) -> float:
        return float(self.mask.sum()) * self.voxel_size.volume_nm3


def ball(radius: float = 160.0) -> Solid:
    volume, area = 4 / 3 * np.pi * radius**3, 4 * np.pi * radius**2
    return Solid(lambda p: np.linalg.norm(p, axis=1) - radius, radius, volume, area)


def torus(ring: float = 180.0, tube_radius: float = 60.0) -> Solid:
    def distance(points):
        along = points @ AXIS
        across = np.linalg.norm(points - along[:, None] * AXIS, axis=1)
        return np.hypot(across - ring, along) - tube_radius

    volume, area = 2 * np.pi**2 * ring * tube_radius**2, 4 * np.pi**2 * ring * tube_radius
    return Solid(distance, ring + tube_radius, volume, area)


def tube(radius: float = 50.0, length: float = 500.0) -> Solid:
    """A tilted tube with round ends; the length is that of its axis without them."""

    def distance(points):
        along = np.clip(points @ AXIS, -length / 2, length / 2)
        return np.linalg.norm(points - along[:, None] * AXIS, axis=1) - radius

    volume = np.pi * radius**2 * length + 4 / 3 * np.pi * radius**3
    return Solid(distance, length / 2 + radius, volume, 2 * np.pi * radius * length + 4 * np.pi * radius**2)


def voxelize(solid: Solid, voxel_size: VoxelSize, seed: int = 0) -> Voxels:
    """Fill the voxels whose centre lies inside."""
    rng = np.random.default_rng(seed)
    size = np.array(voxel_size.zyx)
    shape = np.ceil(2 * solid.half / size).astype(int) + 4
    centre = (shape / 2 + rng.uniform(-0.5, 0.5, 3)) * size
    points = (np.indices(shape).reshape(3, -1).T + 0.5) * size - centre
    return Voxels((solid.distance(points) < 0).reshape(shape), centre, voxel_size)


def box_mesh(sides: tuple[float, float, float] = (2.0, 3.0, 4.0)) -> Mesh:
    """A box from the origin to its sides (z, y, x), two outward triangles a side."""
    corners = np.array([[z, y, x] for z in (0, 1) for y in (0, 1) for x in (0, 1)], dtype=float) * sides
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [face for a, b, c, d in quads for face in ((a, b, c), (a, c, d))]
    return Mesh(corners, np.array(faces)).outward()


def ball_mesh(radius: float = 100.0, centre: tuple[float, float, float] = (0, 0, 0), rounds: int = 4) -> Mesh:
    """A ball from an octahedron whose faces are split in four again and again."""
    vertices = [np.array(v, dtype=float) for v in ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))]
    faces = [
        (a, b, c) if (a + (b - 2) + (c - 4)) % 2 == 0 else (a, c, b) for a in (0, 1) for b in (2, 3) for c in (4, 5)
    ]
    for _ in range(rounds):
        middles: dict[tuple[int, int], int] = {}

        def middle(a, b, middles=middles):
            key = (min(a, b), max(a, b))
            if key not in middles:
                middles[key] = len(vertices)
                point = vertices[a] + vertices[b]
                vertices.append(point / np.linalg.norm(point))
            return middles[key]

        split = []
        for a, b, c in faces:
            ab, bc, ca = middle(a, b), middle(b, c), middle(c, a)
            split += [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
        faces = split
    return Mesh(np.array(vertices) * radius + centre, np.array(faces)).outward()
