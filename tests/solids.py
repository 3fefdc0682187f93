"""Solids with a closed form, put on any voxel grid with a random sub-voxel offset."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

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


def torus(ring: float = 180.0, tube_radius: float = 60.0, axis: NDArray = AXIS) -> Solid:
    def distance(points):
        along = points @ axis
        across = np.linalg.norm(points - along[:, None] * axis, axis=1)
        return np.hypot(across - ring, along) - tube_radius

    volume, area = 2 * np.pi**2 * ring * tube_radius**2, 4 * np.pi**2 * ring * tube_radius
    return Solid(distance, ring + tube_radius, volume, area)


def flat_torus() -> Solid:
    """One that lies flat in the slices, as thick as a few of them."""
    return torus(220.0, 100.0, np.array([1.0, 0.0, 0.0]))


def tube(radius: float = 50.0, length: float = 500.0) -> Solid:
    """A tilted tube with round ends; the length is that of its axis without them."""

    def distance(points):
        along = np.clip(points @ AXIS, -length / 2, length / 2)
        return np.linalg.norm(points - along[:, None] * AXIS, axis=1) - radius

    volume = np.pi * radius**2 * length + 4 / 3 * np.pi * radius**3
    return Solid(distance, length / 2 + radius, volume, 2 * np.pi * radius * length + 4 * np.pi * radius**2)


def shell(radius: float = 160.0, cavity: float = 90.0) -> Solid:
    """A ball with a round cavity in its middle; the area is that of both walls."""

    def distance(points):
        away = np.linalg.norm(points, axis=1)
        return np.maximum(away - radius, cavity - away)

    volume, area = 4 / 3 * np.pi * (radius**3 - cavity**3), 4 * np.pi * (radius**2 + cavity**2)
    return Solid(distance, radius, volume, area)


UPRIGHT = np.array([1.0, 0.1, 0.07]) / np.linalg.norm([1.0, 0.1, 0.07])  # steep: a thin bridge meets itself in slices


def dumbbell(radius: float = 100.0, apart: float = 320.0, bridge: float = 12.0) -> Solid:
    """Two balls, their centres so far apart, joined by a thin straight bridge of a radius, almost upright."""

    def distance(points):
        along = np.clip(points @ UPRIGHT, -apart / 2, apart / 2)
        thread = np.linalg.norm(points - along[:, None] * UPRIGHT, axis=1) - bridge
        balls = [np.linalg.norm(points - side * apart / 2 * UPRIGHT, axis=1) - radius for side in (-1, 1)]
        return np.minimum(thread, np.minimum(*balls))

    inside = np.sqrt(radius**2 - bridge**2)  # how far from a ball's centre the bridge leaves it
    cap, length = radius - inside, apart - 2 * inside
    volume = 8 / 3 * np.pi * radius**3 + np.pi * bridge**2 * length - 2 / 3 * np.pi * cap**2 * (3 * radius - cap)
    area = 8 * np.pi * radius**2 - 4 * np.pi * radius * cap + 2 * np.pi * bridge * length
    return Solid(distance, apart / 2 + radius, volume, area)


def ellipsoid(axes: tuple[float, float, float] = (150.0, 220.0, 300.0), seed: int = 0) -> Solid:
    """An ellipsoid with these half axes, turned at random; its distance is right near the surface."""
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    half = np.array(axes, dtype=float)

    def distance(points):
        along = points @ turn
        near = np.linalg.norm(along / half, axis=1)
        return near * (near - 1) / np.maximum(np.linalg.norm(along / half**2, axis=1), 1e-12)

    return Solid(distance, half.max(), 4 / 3 * np.pi * half.prod(), float("nan"))


def shake(mask: NDArray[np.bool_], error: str, px: float, seed: int = 0) -> NDArray[np.bool_]:
    """Give every slice's outline an error of its own: a `shift`, a `size` (grown or shrunk), or a `ragged` rim.

    The slices keep their depth; 0 px is no error. The mask needs room round the object.
    """
    rng, shaken = np.random.default_rng(seed), np.zeros_like(mask)
    for z in range(len(mask)):
        if not mask[z].any() or error == "none":
            shaken[z] = mask[z]
            continue
        height = ndimage.distance_transform_edt(mask[z]) - ndimage.distance_transform_edt(~mask[z])
        if error == "shift":
            shaken[z] = ndimage.shift(height, rng.normal(0, px, 2), order=1, mode="nearest") > 0
        elif error == "size":
            shaken[z] = height + rng.normal(0, px) > 0
        else:
            noise = ndimage.gaussian_filter(rng.normal(size=height.shape), 3)
            parts, _ = ndimage.label(height + px * noise / noise.std() > 0)
            largest = np.argmax(np.bincount(parts.ravel())[1:]) + 1 if parts.any() else 1
            shaken[z] = parts == largest
    return shaken


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
