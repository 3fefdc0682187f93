"""Randomness that is a pure function of a place: integer hashes, and smooth noise in 3D that is evaluated by plane."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_UNIT = 1.0 / (1 << 24)
#: standard deviation of cubic B-spline noise on values that are uniform in −1 … 1, averaged over places
_SPREAD = (151 / 315) ** 1.5 / 3**0.5


def hashed(*keys: int | NDArray[Any]) -> NDArray[np.float32]:
    """Hash integers, broadcast against each other, to uniform numbers in 0 … 1 (splitmix64's finaliser, chained)."""
    state = np.full((1,), 0x9E3779B97F4A7C15, dtype=np.uint64)
    for key in keys:
        state = state ^ np.atleast_1d(np.asarray(key, dtype=np.int64)).view(np.uint64)
        state = state + np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = state ^ (state >> np.uint64(31))
    uniform: NDArray[np.float32] = ((state >> np.uint64(40)).astype(np.float64) * _UNIT).astype(np.float32)
    return uniform


def draw(*keys: int) -> float:
    """Hash integers to one uniform number in 0 … 1."""
    return float(hashed(*keys)[0])


def spline_weights(fraction: NDArray[Any]) -> NDArray[np.float64]:
    """Cubic B-spline weights (n, 4) of the lattice points −1, 0, 1, 2 around positions in 0 … 1."""
    t = np.asarray(fraction, dtype=np.float64)
    return np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=-1) / 6


def _spline_slopes(fraction: NDArray[Any]) -> NDArray[np.float64]:
    """Differentiate the weights by the position."""
    t = np.asarray(fraction, dtype=np.float64)
    return np.stack([-((1 - t) ** 2), 3 * t**2 - 4 * t, -3 * t**2 + 2 * t + 1, t**2], axis=-1) / 2


def _basis(position: NDArray[np.float64]) -> tuple[int, NDArray[np.float32]]:
    """First lattice index and the (n, lattice points) matrix that interpolates at positions in lattice units."""
    whole = np.floor(position).astype(np.int64)
    first = int(whole.min()) - 1
    matrix = np.zeros((len(position), int(whole.max()) + 3 - first), dtype=np.float32)
    columns = (whole - 1 - first)[:, None] + np.arange(4)
    np.put_along_axis(matrix, columns, spline_weights(position - whole).astype(np.float32), axis=1)
    return first, matrix


@dataclass(frozen=True)
class Noise:
    """Smooth noise in 3D with mean 0 and variance 1: hashed values on a cubic lattice, cubic B-splines between them.

    `wavelength_nm` is the lattice's step; features are about twice as wide.
    """

    seed: int
    wavelength_nm: float

    def plane(self, z_nm: float, y_nm: NDArray[Any], x_nm: NDArray[Any]) -> NDArray[np.float32]:
        """Evaluate at one z on the grid of y and x, in nm: (len(y), len(x))."""
        values: NDArray[np.float32] = self._plane(z_nm, y_nm, x_nm, slope=False)[0]
        return values

    def plane_and_slope(
        self, z_nm: float, y_nm: NDArray[Any], x_nm: NDArray[Any]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """As `plane`, together with the derivative along z in 1/nm."""
        values, slopes = self._plane(z_nm, y_nm, x_nm, slope=True)
        return values, slopes / np.float32(self.wavelength_nm)

    def _plane(self, z_nm: float, y_nm: NDArray[Any], x_nm: NDArray[Any], *, slope: bool) -> NDArray[np.float32]:
        if len(y_nm) == 0 or len(x_nm) == 0:
            return np.zeros((1 + slope, len(y_nm), len(x_nm)), dtype=np.float32)
        step = self.wavelength_nm
        depth = z_nm / step
        whole = int(np.floor(depth))
        first_y, matrix_y = _basis(np.asarray(y_nm, dtype=np.float64) / step)
        first_x, matrix_x = _basis(np.asarray(x_nm, dtype=np.float64) / step)
        planes = (whole - 1 + np.arange(4))[:, None, None]
        rows = (first_y + np.arange(matrix_y.shape[1]))[None, :, None]
        columns = (first_x + np.arange(matrix_x.shape[1]))[None, None, :]
        values = (hashed(self.seed, planes, rows, columns) * 2 - 1) / np.float32(_SPREAD)
        fraction = np.array([depth - whole])
        weights = [spline_weights(fraction)[0]] + ([_spline_slopes(fraction)[0]] if slope else [])
        lattices = np.tensordot(np.array(weights, dtype=np.float32), values, axes=1)
        result: NDArray[np.float32] = np.stack([matrix_y @ lattice @ matrix_x.T for lattice in lattices])
        return result

    def line(self, position: float) -> float:
        """Evaluate along one axis only (at y = x = 0); for drift and brightness by slice."""
        nought = np.zeros(1)
        return float(self.plane(position, nought, nought)[0, 0])
