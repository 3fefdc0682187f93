"""Cells: they fill space like soap bubbles around jittered lattice points, each with its nucleus."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from famous.synthetic.lattice import draw, hashed
from famous.synthetic.params import PhantomParams
from famous.synthetic.shapes import Ellipsoid, Field, Vector

JITTER = 0.15  # of the pitch, to either side
LARGEST_RADIUS = 1.15  # of a nucleus, as a multiple of the mean


def rotation(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a random rotation (3, 3), uniformly."""
    q, r = np.linalg.qr(rng.standard_normal((3, 3)))
    turned: NDArray[np.float64] = q * np.sign(np.diag(r))
    return turned


@dataclass(frozen=True)
class Cells:
    """The lattice of cells; cell (0, 0, 0) lies near the middle of the stack."""

    params: PhantomParams

    @cached_property
    def pitch_nm(self) -> float:
        """Mean distance of two cells; nuclei (radius up to 0.32 of it) always lie inside their cell."""
        radius = self.params.nucleus_nm
        return 3.6 * radius if radius > 0 else max(1.2 * max(self.params.extent_nm[1:]), 3000.0)

    @cached_property
    def _origin(self) -> NDArray[np.float64]:
        """Lattice point (0, 0, 0): the stack's middle, or off it where the field is small beside the nucleus."""
        extent = np.array(self.params.extent_nm)
        excess = max(self.params.nucleus_nm - 0.28 * extent[1:].max(), 0.0)
        aside = np.array([0.0, *(1.5 * excess * (1 if draw(self.params.seed, 24, i) > 0.5 else -1) for i in (0, 1))])
        origin: NDArray[np.float64] = extent / 2 + aside
        return origin

    def span(self, low: Vector, high: Vector) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First and last lattice index along each axis of the cells of a box."""
        first = np.floor((low - self._origin) / self.pitch_nm).astype(np.int64)
        return first, np.ceil((high - self._origin) / self.pitch_nm).astype(np.int64)

    def centres(self, low: Vector, high: Vector) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Lattice indices (n, 3) and centres (n, 3) in nm of all cells whose lattice point lies in low … high."""
        middle = self._origin
        first, last = self.span(low, high)
        axes = [np.arange(a, b + 1) for a, b in zip(first, last, strict=True)]
        index = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        seed = self.params.seed
        shift = np.stack([hashed(seed, 21, axis, *index.T) for axis in range(3)], axis=-1) * 2 - 1
        return index, middle + (index + JITTER * shift) * self.pitch_nm

    def nucleus(self, index: tuple[int, int, int], centre: NDArray[np.float64]) -> Ellipsoid:
        """Return the nucleus of one cell."""
        rng = np.random.default_rng([self.params.seed, 22, *(int(i) + (1 << 30) for i in index)])
        radii = self.params.nucleus_nm * rng.uniform(0.8, LARGEST_RADIUS, 3)
        return Ellipsoid(centre, radii, rotation(rng))

    def nucleolus(self, nucleus: Ellipsoid) -> Ellipsoid:
        """Return the nucleolus of a nucleus, wholly inside it."""
        key = [int(c) & 0xFFFF for c in nucleus.centre]
        offset = np.array([draw(self.params.seed, 23, axis, *key) - 0.5 for axis in range(3)])
        radius = nucleus.radii.min() * 0.27
        return Ellipsoid(
            nucleus.centre + 0.6 * nucleus.radii.min() * offset, radius * np.array([1, 1.2, 0.9]), nucleus.axes
        )

    def around(self, low: Vector, high: Vector) -> NDArray[np.float64]:
        """Centres (n, 3) of all cells that places in a box, (z, y, x) in nm, may belong or be next to."""
        reach = 1.6 * self.pitch_nm
        _, centres = self.centres(low - reach, high + reach)
        outside = np.maximum(np.maximum(low - centres, centres - high), 0)
        near: NDArray[np.float64] = centres[np.linalg.norm(outside, axis=1) < 1.5 * self.pitch_nm]
        return near


def depth(centres: NDArray[np.float64], z: Field, y: Field, x: Field) -> Field:
    """Distance in nm of places (broadcast) to the wall between the cell that they lie in and the nearest other."""
    squared = np.stack([(z - c[0]) ** 2 + (y - c[1]) ** 2 + (x - c[2]) ** 2 for c in centres])
    own = squared.argmin(axis=0)
    nearest = np.take_along_axis(squared, own[None], axis=0)[0]
    apart = 2 * np.linalg.norm(centres[:, None] - centres[None], axis=-1).astype(squared.dtype)
    np.fill_diagonal(apart, 1.0)
    wall: Field = np.full_like(nearest, np.inf)
    for j in range(len(centres)):
        wall = np.where(own == j, wall, np.minimum(wall, (squared[j] - nearest) / apart[j][own]))
    return wall
