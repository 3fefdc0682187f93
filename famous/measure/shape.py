"""Shape numbers of a closed mesh: how round, how full, how long, along which axes."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from famous.mesh import Mesh, cross

HULL_POINTS = 1 << 18  # of a hull that is made at a time; parts take more time than the whole, but less memory


def sphericity(volume: float, area: float) -> float:
    """Area of the ball with the same volume over the area, π^(1/3) (6 V)^(2/3) / A.

    1 for a ball, NaN where either is not above 0 (Wadell 1935; Machireddy et al. 2023, eq. 5 to 7).
    """
    if not (volume > 0 and area > 0):
        return math.nan
    return float(math.pi ** (1 / 3) * (6 * volume) ** (2 / 3) / area)


def hull_volume(points: NDArray[np.float64]) -> float:
    """Volume of the convex hull of (n, 3) points, NaN where they lie in one plane or are fewer than four."""
    if len(points) < 4:
        return math.nan
    try:
        hull = ConvexHull(_outermost(points - points.mean(axis=0)))
    except QhullError:
        return math.nan
    return float(hull.volume)


def _outermost(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of many points those that may be corners of their hull, namely those of the hulls of parts of them."""
    while len(points) > HULL_POINTS:
        left = []
        for start in range(0, len(points), HULL_POINTS):
            part = points[start : start + HULL_POINTS]
            try:
                left.append(part[ConvexHull(part).vertices])
            except QhullError:  # in one plane
                left.append(part)
        fewer = np.concatenate(left)
        if len(fewer) > 0.9 * len(points):
            break
        points = fewer
    return points


def circular_variance(mesh: Mesh, centre: NDArray[np.float64]) -> float:
    """Spread of the surface's distances d from a centre, relative to their mean: mean((d − d̄)²) / d̄².

    0 for a ball round the centre; the more an object departs from one, the larger. Circular variance of Peura and
    Iivarinen (1997), which Machireddy et al. (2023, eq. 5 to 7) take for organelles. Taken here: the mean goes over the
    surface's area, so that it does not depend on how the surface is cut into triangles, and the centre is the object's
    centroid. NaN for an empty mesh.

    Parameters
    ----------
    centre
        (z, y, x) in nm.
    """
    if mesh.is_empty:
        return math.nan
    weight, first, second = 0.0, 0.0, 0.0
    shift = (mesh.middle - centre)[:, None]
    for a, b, c in mesh.corners():
        areas = _lengths(cross(b - a, c - a))
        distances = _lengths((a + b + c) / 3 + shift)
        weight += float(areas.sum())
        first += float((areas * distances).sum())
        second += float((areas * distances**2).sum())
    if not (weight > 0 and first > 0):
        return math.nan
    mean = first / weight
    return max(0.0, second / weight / mean**2 - 1.0)


def _lengths(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths: NDArray[np.float64] = np.sqrt(np.einsum("ij,ij->j", vectors, vectors))
    return lengths


@dataclass(frozen=True)
class Axes:
    """Principal axes of a solid, the longest first.

    `lengths_nm` are the full axes of the ellipsoid with the same moments of inertia, `extents_nm` how far the surface
    reaches along each axis from end to end, `directions` (3, 3) unit vectors (z, y, x) as rows.
    """

    lengths_nm: NDArray[np.float64]
    extents_nm: NDArray[np.float64]
    directions: NDArray[np.float64]

    @classmethod
    def undefined(cls) -> "Axes":
        """Return axes of what has no volume."""
        return cls(np.full(3, np.nan), np.full(3, np.nan), np.full((3, 3), np.nan))


def principal_axes(mesh: Mesh) -> Axes:
    """Principal axes of the solid inside a closed mesh, by its exact second moments.

    The covariance of the solid is the sum over the tetrahedra between the centroid and each face; a half axis of the
    ellipsoid with that covariance is √(5 λ). A direction's sign is free: its largest part is above 0.
    """
    if mesh.volume_nm3 <= 0:
        return Axes.undefined()
    volume, first, second = 0.0, np.zeros(3), np.zeros((3, 3))
    for a, b, c in mesh.corners():
        parts = np.einsum("ij,ij->j", a, cross(b, c)) / 6.0
        total = a + b + c
        volume += float(parts.sum())
        first += total @ parts / 4.0
        for corner in (a, b, c, total):
            second += (corner * parts) @ corner.T / 20.0
    if volume <= 0:
        return Axes.undefined()
    centre = first / volume
    values, vectors = np.linalg.eigh(second / volume - np.outer(centre, centre))
    directions = vectors.T[::-1]
    strongest = np.abs(directions).argmax(axis=1)
    directions = directions * np.sign(directions[np.arange(3), strongest])[:, None]
    return Axes(2 * np.sqrt(5 * np.maximum(values[::-1], 0.0)), _extents(mesh, directions), directions)


def _extents(mesh: Mesh, directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far the vertices reach along each of the directions (3, 3); a product of matrices would wake other cores."""
    z, y, x = np.ascontiguousarray((mesh.vertices - mesh.middle).T)
    return np.array([np.ptp(along[0] * z + along[1] * y + along[2] * x) for along in directions])
