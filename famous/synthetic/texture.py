"""The look: grey values of one plane through cells and organelles, before the microscope's faults.

Grey values follow FIB-SEM of heavy-metal stained cells: membranes near 70, matrix near 100, cytosol near 165.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from famous.synthetic.cells import Cells, depth
from famous.synthetic.lattice import Noise, hashed
from famous.synthetic.placement import Organelle
from famous.synthetic.shapes import Ellipsoid

Image = NDArray[np.float32]

MEMBRANE = 66.0
HALO_NM = 140.0  # how far around an organelle its distance is known


@dataclass(frozen=True)
class Plane:
    """One plane: its depth and its pixels' positions in nm, in the stack and where shapes are simple (`q`)."""

    z_nm: float
    y_nm: NDArray[np.float64]
    x_nm: NDArray[np.float64]
    q: tuple[Image, Image, Image]
    pixels_nm: tuple[float, float]

    @property
    def pixel_nm(self) -> float:
        """The longer side of a pixel."""
        return max(self.pixels_nm)

    def cut(self, window: tuple[slice, slice]) -> "Plane":
        """Return a part of the plane."""
        qz, qy, qx = (c[window] for c in self.q)
        return Plane(self.z_nm, self.y_nm[window[0]], self.x_nm[window[1]], (qz, qy, qx), self.pixels_nm)

    def noise(self, seed: int, wavelength_nm: float) -> Image:
        """Noise on the plane, no finer than its pixels can show."""
        return Noise(seed, max(wavelength_nm, 1.5 * self.pixel_nm)).plane(self.z_nm, self.y_nm, self.x_nm)

    def level_distance(self, seed: int, wavelength_nm: float, level: float = 0.0) -> Image:
        """Distance in nm, to first order, to the surface in 3D where the noise has a value."""
        noise = Noise(seed, max(wavelength_nm, 4 * self.pixel_nm))
        value, slope_z = noise.plane_and_slope(self.z_nm, self.y_nm, self.x_nm)
        slope_y, slope_x = _gradient(value, self.pixel_nm)
        slope = np.sqrt(slope_z**2 + slope_y**2 + slope_x**2)
        distance: Image = (value - np.float32(level)) / np.maximum(slope, np.float32(0.25 / noise.wavelength_nm))
        return distance

    def band(self, distance: Image, width_nm: float) -> Image:
        """Profile of a membrane: 1 where the distance is 0, fainter where it is thinner than a pixel."""
        seen = max(width_nm, 0.62 * self.pixel_nm)
        profile: Image = np.float32((width_nm / seen) ** 0.5) * np.exp(-((distance / np.float32(seen)) ** 2))
        return profile


def _gradient(image: Image, pixel_nm: float) -> tuple[Image, Image]:
    kernel = np.array([[-0.5], [0], [0.5]], dtype=np.float32) / np.float32(pixel_nm)
    border = cv2.BORDER_REFLECT_101 if min(image.shape) > 1 else cv2.BORDER_REPLICATE
    return cv2.filter2D(image, -1, kernel, borderType=border), cv2.filter2D(image, -1, kernel.T, borderType=border)


def step(value: Image, low: float, high: float) -> Image:
    """Rise smoothly from 0 at `low` to 1 at `high`."""
    t = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)
    rise: Image = t * t * (3 - 2 * t)
    return rise


def blend(image: Image, value: Image | float, weight: Image) -> None:
    """Move the image towards a value, in place."""
    image += (np.float32(value) if isinstance(value, float) else value) * weight - image * weight


def cytoplasm(plane: Plane, cells: Cells, near: Image, seed: int) -> Image:
    """Cytosol with ribosomes, ER, vesicles, plasma membranes and the space between cells.

    `near` is the distance to the nearest organelle, where that is below `HALO_NM`.
    """
    tone = plane.noise(seed + 1, 420)
    image = 174 + 11 * tone + 10 * plane.noise(seed + 2, 90) + 9 * plane.noise(seed + 3, 34)
    ribosomes = step(plane.noise(seed + 4, 21) + 0.45 * plane.noise(seed + 5, 260), 0.75, 1.7)
    blend(image, 88.0, 0.8 * ribosomes)
    patches = plane.noise(seed + 6, 620)
    sheet = np.abs(plane.level_distance(seed + 7, 215)) - 18
    sheet = np.maximum(sheet, plane.level_distance(seed + 8, 400, level=0.25))
    tubule = np.hypot(plane.level_distance(seed + 9, 150), plane.level_distance(seed + 10, 165)) - 26
    reticulum = np.maximum(np.minimum(sheet, tubule), 16 - near)
    paint_cistern(plane, image, reticulum, lumen=184.0)
    small = vesicles(plane, seed + 11, 0.4 + 0.25 * patches, np.minimum(near, reticulum))
    paint_cistern(plane, image, small, lumen=150.0)
    wall = wall_distance(plane, cells, seed + 12)
    blend(image, 196 + 6 * plane.noise(seed + 13, 60), step(-wall, 0, plane.pixel_nm))
    blend(image, MEMBRANE, 0.95 * plane.band(wall - 5, 8.5))
    return image


def paint_cistern(plane: Plane, image: Image, distance: Image, *, lumen: float) -> None:
    """Paint a compartment with one membrane, in place: its distance is negative inside."""
    blend(image, lumen, 0.8 * step(-distance, 0, plane.pixel_nm))
    blend(image, MEMBRANE, 0.9 * plane.band(distance + 5, 7.0))


def wall_distance(plane: Plane, cells: Cells, seed: int) -> Image:
    """Distance inwards from the plasma membrane; negative in the space between cells, which opens here and there."""
    reduce = 4
    coarse = [np.ascontiguousarray(c[::reduce, ::reduce]) for c in plane.q]
    qz, qy, qx = (np.pad(c, ((0, 1), (0, 1)), mode="edge") for c in coarse)
    low, high = (np.array([float(end(c)) for c in (qz, qy, qx)]) for end in (np.min, np.max))
    coarse_depth = depth(cells.around(low, high), qz, qy, qx).astype(np.float32)
    rows = np.arange(plane.q[0].shape[0], dtype=np.float32) / reduce
    columns = np.arange(plane.q[0].shape[1], dtype=np.float32) / reduce
    grid_x, grid_y = np.meshgrid(columns, rows)
    full = cv2.remap(coarse_depth, grid_x, grid_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    gap = 10 + 75 * step(plane.noise(seed + 1, 900), 0.9, 2.2)
    distance: Image = full - gap + 16 * plane.noise(seed, 300)
    return distance


def vesicles(plane: Plane, seed: int, crowd: Image, room: Image, *, spacing_nm: float = 115.0) -> Image:
    """Distance to the nearest of many small balls, one in each lattice cell at most.

    Their radii are 0.14 … 0.3 of the spacing. `crowd` is the chance that a cell has one; none comes nearer than 8 nm
    to where `room` is 0.
    """
    reach = 0.55 * spacing_nm
    distance = np.full(plane.q[0].shape, HALO_NM, dtype=np.float32)
    spans = [(plane.z_nm, plane.z_nm), (plane.y_nm[0], plane.y_nm[-1]), (plane.x_nm[0], plane.x_nm[-1])]
    axes = [
        np.arange(np.floor((a - reach) / spacing_nm), np.floor((b + reach) / spacing_nm) + 1).astype(int)
        for a, b in spans
    ]
    index = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    place = np.stack([(index[:, i] + hashed(seed, i, *index.T)) * spacing_nm for i in range(3)], axis=-1)
    radius = spacing_nm * (0.14 + 0.16 * hashed(seed, 3, *index.T) ** 2)
    pixel_y, pixel_x = plane.pixels_nm
    row = np.rint((place[:, 1] - plane.y_nm[0]) / pixel_y).astype(int)
    column = np.rint((place[:, 2] - plane.x_nm[0]) / pixel_x).astype(int)
    height, width = plane.q[0].shape
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width) & (np.abs(place[:, 0] - plane.z_nm) < reach)
    keep = np.flatnonzero(inside)
    wanted = hashed(seed, 4, *index[keep].T) < crowd[row[keep], column[keep]]
    keep = keep[wanted & (room[row[keep], column[keep]] > radius[keep] + 8)]
    reach_y, reach_x = int(np.ceil(reach / pixel_y)), int(np.ceil(reach / pixel_x))
    dy, dx = np.meshgrid(np.arange(-reach_y, reach_y + 1), np.arange(-reach_x, reach_x + 1), indexing="ij")
    rows, columns = row[keep, None, None] + dy, column[keep, None, None] + dx
    off_y = rows * pixel_y + plane.y_nm[0] - place[keep, 1, None, None]
    off_x = columns * pixel_x + plane.x_nm[0] - place[keep, 2, None, None]
    off_z = (plane.z_nm - place[keep, 0])[:, None, None]
    value = np.sqrt(off_z**2 + off_y**2 + off_x**2) - radius[keep, None, None]
    valid = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    np.minimum.at(distance, (rows[valid], columns[valid]), value[valid].astype(np.float32))
    return distance


def paint_mitochondrion(plane: Plane, image: Image, distance: Image, organelle: Organelle, seed: int) -> None:
    """Paint a dark matrix with cristae inside a double membrane, in place."""
    u = hashed(seed, organelle.instance, np.arange(8))
    low, high = organelle.shape.bounds
    axis = (high - low) * np.where(u[:3] > 0.5, 1, -1) / np.linalg.norm(high - low) + 0.9 * (u[:3] - 0.5)
    axis = axis / np.linalg.norm(axis)
    across = sum(c * np.float32(a) for c, a in zip(plane.q, axis, strict=True))
    spacing = np.float32(48 + 22 * u[4])
    phase = across / spacing + 0.42 * plane.noise(seed + 1, 110) + 0.25 * plane.noise(seed + 2, 45)
    sheet = np.abs(phase - np.rint(phase)) * spacing
    extent = step(plane.noise(seed + 3, 95) + 0.5 * u[5], -0.6, 0.5) * step(-distance, 16, 30)
    inner = 102 + 14 * (u[6] - 0.5) + 9 * plane.noise(seed + 4, 70) + 6 * plane.noise(seed + 5, 24)
    blend(inner, 132.0, extent * plane.band(sheet, 8.0))
    blend(inner, 72.0, 0.65 * extent * plane.band(sheet - 13, 6.0))
    cover = step(-distance, -0.5 * plane.pixel_nm, 0.5 * plane.pixel_nm)
    blend(image, inner, cover)
    blend(image, 128.0, 0.8 * plane.band(distance + 17, 6.0))
    blend(image, MEMBRANE - 6, 0.9 * plane.band(distance + 27, 7.0))
    blend(image, MEMBRANE - 4, 0.95 * plane.band(distance + 6, 8.0))


def paint_nucleus(plane: Plane, image: Image, distance: Image, nucleolus: Ellipsoid, seed: int) -> None:
    """Paint chromatin, a nucleolus and a double membrane with pores, in place."""
    rim = 1 - step(-distance, 60, 190)
    clumps = step(plane.noise(seed, 150) + 0.55 * plane.noise(seed + 1, 60) + 1.1 * rim, 0.55, 1.7)
    inner = 163 + 5 * plane.noise(seed + 2, 300) + 9 * plane.noise(seed + 3, 45) + 7 * plane.noise(seed + 4, 22)
    blend(inner, 104 + 8 * plane.noise(seed + 5, 40), 0.85 * clumps)
    core = nucleolus.distance(*plane.q).astype(np.float32) + 70 * plane.noise(seed + 6, 170)
    blend(inner, 92 + 11 * plane.noise(seed + 7, 34) + 8 * plane.noise(seed + 8, 90), step(-core, -25, 35))
    cover = step(-distance, -0.5 * plane.pixel_nm, 0.5 * plane.pixel_nm)
    blend(image, inner, cover)
    pores = 1 - 0.85 * step(plane.noise(seed + 9, 75), 1.3, 1.7)
    lumen = 17 + 6 * plane.noise(seed + 10, 160)
    blend(image, 186.0, 0.9 * pores * plane.band(distance + lumen, 11.0))
    blend(image, MEMBRANE, 0.95 * pores * plane.band(distance + 2 * lumen, 7.5))
    blend(image, MEMBRANE, 0.95 * pores * plane.band(distance + 5, 7.5))


def paint_early(plane: Plane, image: Image, distance: Image, organelle: Organelle, seed: int) -> None:
    """Paint a bright lumen with a membrane and a few vesicles inside, in place."""
    u = float(hashed(seed, organelle.instance)[0])
    inner = 203 + 8 * u + 6 * plane.noise(seed + 1, 60)
    crowd = np.full_like(distance, 0.05 + 0.2 * u)
    paint_cistern(plane, inner, vesicles(plane, seed + 2, crowd, -distance, spacing_nm=100.0), lumen=175.0)
    blend(image, inner, step(-distance, -0.5 * plane.pixel_nm, 0.5 * plane.pixel_nm))
    blend(image, MEMBRANE, 0.95 * plane.band(distance + 6, 8.0))


def paint_late(plane: Plane, image: Image, distance: Image, organelle: Organelle, seed: int) -> None:
    """Paint a darkish lumen full of granules and vesicles, with a membrane, in place."""
    u = hashed(seed, organelle.instance, np.arange(2))
    inner = 118 + 24 * (u[0] - 0.5) + 13 * plane.noise(seed + 1, 30) + 9 * plane.noise(seed + 2, 85)
    crowd = np.full_like(distance, 0.55 + 0.4 * u[1])
    paint_cistern(plane, inner, vesicles(plane, seed + 3, crowd, -distance, spacing_nm=64.0), lumen=165.0)
    blend(inner, 60.0, 0.85 * step(plane.noise(seed + 5, 32), 1.2, 1.9))
    blend(image, inner, step(-distance, -0.5 * plane.pixel_nm, 0.5 * plane.pixel_nm))
    blend(image, MEMBRANE - 8, 0.95 * plane.band(distance + 6, 8.0))


def paint_lysosome(plane: Plane, image: Image, distance: Image, organelle: Organelle, seed: int) -> None:
    """Paint a body of the cytosol's own grey, only smoother, with a faint rim, in place."""
    u = float(hashed(seed, organelle.instance)[0])
    inner = 156 + 10 * (u - 0.5) + 7 * plane.noise(seed + 1, 130) + 6 * plane.noise(seed + 2, 40)
    blend(image, inner, 0.95 * step(-distance, -1.2 * plane.pixel_nm, 1.2 * plane.pixel_nm))
    blend(image, 128.0, 0.5 * plane.band(distance + 6, 8.0))
