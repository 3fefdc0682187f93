"""Solids with a closed form: ellipsoids, and tubes of one radius along segments and arcs (beans, S-curves, Ys, rings).

A signed distance is negative inside. Coordinates are (z, y, x) in nm, given as three arrays that broadcast.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Field = NDArray[Any]


class Shape(Protocol):
    """A solid."""

    def distance(self, z: Field, y: Field, x: Field) -> Field:
        """Signed distance in nm, negative inside; its sign is exact everywhere."""

    @property
    def volume_nm3(self) -> float:
        """Volume."""

    @property
    def centre(self) -> Vector:
        """Middle, (z, y, x) in nm."""

    @property
    def bounds(self) -> NDArray[np.float64]:
        """Bounding box (2, 3): lower and upper corner in nm."""

    def balls(self) -> tuple[NDArray[np.float64], float]:
        """Centres (n, 3) of balls of one radius that cover the solid, up to 1 % of that radius."""


@dataclass(frozen=True, eq=False)
class Ellipsoid:
    """An ellipsoid: `axes` (3, 3) holds the unit directions of the semi-axes `radii` in its rows."""

    centre: Vector
    radii: Vector
    axes: NDArray[np.float64]

    def _scaled(self, z: Field, y: Field, x: Field) -> list[Field]:
        dz, dy, dx = z - self.centre[0], y - self.centre[1], x - self.centre[2]
        return [(dz * a[0] + dy * a[1] + dx * a[2]) / r for a, r in zip(self.axes, self.radii, strict=True)]

    def distance(self, z: Field, y: Field, x: Field) -> Field:
        """Signed distance, to first order near the surface: k (k − 1) / |∇k|; the sign is exact."""
        u = self._scaled(z, y, x)
        level = np.sqrt(sum(c * c for c in u))
        slope = np.sqrt(sum((c / r) ** 2 for c, r in zip(u, self.radii, strict=True)))
        distance: Field = level * (level - 1) / np.maximum(slope, 1e-12) - np.where(level < 1e-9, self.radii.min(), 0)
        return distance

    def clearance(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Lower bound of the distance of (n, 3) points outside: the level is Lipschitz in 1 / the shortest axis."""
        level = np.sqrt((((points - self.centre) @ self.axes.T / self.radii) ** 2).sum(axis=1))
        bound: NDArray[np.float64] = (level - 1) * self.radii.min()
        return bound

    @property
    def volume_nm3(self) -> float:
        """4/3 π abc."""
        return float(4 / 3 * np.pi * self.radii.prod())

    @cached_property
    def bounds(self) -> NDArray[np.float64]:
        """Bounding box (2, 3), tight."""
        half = np.sqrt(((self.axes * self.radii[:, None]) ** 2).sum(axis=0))
        return np.stack([self.centre - half, self.centre + half])

    def balls(self) -> tuple[NDArray[np.float64], float]:
        """Return the one ball around it."""
        return self.centre[None], float(self.radii.max())


@dataclass(frozen=True, eq=False)
class Segment:
    """A straight piece of a tube's axis."""

    start: Vector
    end: Vector

    @property
    def length_nm(self) -> float:
        """Length."""
        return float(np.linalg.norm(self.end - self.start))

    def points(self, fractions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (n, 3) at fractions of the length."""
        return self.start + fractions[:, None] * (self.end - self.start)

    def axis_distance(self, z: Field, y: Field, x: Field) -> Field:
        """Distance to the piece."""
        d = self.end - self.start
        dz, dy, dx = z - self.start[0], y - self.start[1], x - self.start[2]
        t = np.clip((dz * d[0] + dy * d[1] + dx * d[2]) / (d @ d), 0, 1)
        distance: Field = np.sqrt((dz - t * d[0]) ** 2 + (dy - t * d[1]) ** 2 + (dx - t * d[2]) ** 2)
        return distance

    def moved(self, by: Vector) -> "Segment":
        """Return the same piece elsewhere."""
        return Segment(self.start + by, self.end + by)


@dataclass(frozen=True, eq=False)
class Arc:
    """A circular piece: hub + radius (cos t · u + sin t · v), t from −sweep/2 to sweep/2; sweep 2π is a ring."""

    hub: Vector
    u: Vector
    v: Vector
    radius_nm: float
    sweep: float

    @property
    def length_nm(self) -> float:
        """Length."""
        return self.radius_nm * self.sweep

    def points(self, fractions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (n, 3) at fractions of the length."""
        angle = (fractions[:, None] - 0.5) * self.sweep
        return self.hub + self.radius_nm * (np.cos(angle) * self.u + np.sin(angle) * self.v)

    def axis_distance(self, z: Field, y: Field, x: Field) -> Field:
        """Distance to the piece."""
        n = np.cross(self.u, self.v)
        dz, dy, dx = z - self.hub[0], y - self.hub[1], x - self.hub[2]
        a = dz * self.u[0] + dy * self.u[1] + dx * self.u[2]
        b = np.abs(dz * self.v[0] + dy * self.v[1] + dx * self.v[2])
        h = dz * n[0] + dy * n[1] + dx * n[2]
        cos, sin = float(np.cos(self.sweep / 2)), float(np.sin(self.sweep / 2))
        beyond = cos * b > sin * a
        flat = np.where(
            beyond, np.hypot(a - self.radius_nm * cos, b - self.radius_nm * sin), np.hypot(a, b) - self.radius_nm
        )
        distance: Field = np.hypot(flat, h)
        return distance

    def moved(self, by: Vector) -> "Arc":
        """Return the same piece elsewhere."""
        return Arc(self.hub + by, self.u, self.v, self.radius_nm, self.sweep)


Piece = Segment | Arc


@dataclass(frozen=True, eq=False)
class Tube:
    """All points within `radius_nm` of an axis made of pieces.

    Pieces follow each other without a kink (bean, S-curve; a full ring stands alone), or all start in a `junction`.
    """

    pieces: tuple[Piece, ...]
    radius_nm: float
    junction: Vector | None = None

    def distance(self, z: Field, y: Field, x: Field) -> Field:
        """Signed distance, exact outside and on the surface."""
        nearest = self.pieces[0].axis_distance(z, y, x)
        for piece in self.pieces[1:]:
            nearest = np.minimum(nearest, piece.axis_distance(z, y, x))
        return nearest - self.radius_nm

    @cached_property
    def volume_nm3(self) -> float:
        """π r² length + 4/3 π r³ for a chain (Pappus), 2π² R r² for a ring: exact.

        Of a Y, the arms' capsules minus what they share, which is integrated on a grid of r/20 (within 0.1 %).
        """
        r = self.radius_nm
        straight = np.pi * r**2 * sum(piece.length_nm for piece in self.pieces)
        ball = 4 / 3 * np.pi * r**3
        if self.junction is None:
            ring = isinstance(self.pieces[0], Arc) and self.pieces[0].sweep >= 2 * np.pi - 1e-9
            return float(straight if ring else straight + ball)
        return float(straight + len(self.pieces) * ball - self._shared(self.junction))

    def _shared(self, junction: Vector) -> float:
        """Volume that the capsules of several arms count more than once."""
        step = self.radius_nm / 20
        grid = np.arange(-2.6 * self.radius_nm, 2.6 * self.radius_nm, step) + step / 2
        z, y, x = np.ix_(grid + junction[0], grid + junction[1], grid + junction[2])
        total: Field = np.zeros(1)
        union: Field = np.zeros(1)
        for piece in self.pieces:
            filled = np.clip(0.5 - (piece.axis_distance(z, y, x) - self.radius_nm) / step, 0, 1)
            total, union = total + filled, np.maximum(union, filled)
        return float((total - union).sum() * step**3)

    @cached_property
    def centre(self) -> Vector:
        """Middle of the axis' bounding box."""
        middle: Vector = self.bounds.mean(axis=0)
        return middle

    @cached_property
    def bounds(self) -> NDArray[np.float64]:
        """Bounding box (2, 3), within 1 % of the radius."""
        points, radius = self.balls()
        return np.stack([points.min(axis=0) - 1.01 * radius, points.max(axis=0) + 1.01 * radius])

    @cached_property
    def _samples(self) -> NDArray[np.float64]:
        parts = []
        for piece in self.pieces:
            count = max(2, int(np.ceil(piece.length_nm / (self.radius_nm / 4))) + 1)
            parts.append(piece.points(np.linspace(0, 1, count)))
        return np.concatenate(parts)

    def balls(self) -> tuple[NDArray[np.float64], float]:
        """Return balls along the axis, a quarter of the radius apart."""
        return self._samples, self.radius_nm

    def moved(self, by: Vector) -> "Tube":
        """Return the same tube elsewhere."""
        junction = None if self.junction is None else self.junction + by
        return Tube(tuple(piece.moved(by) for piece in self.pieces), self.radius_nm, junction)


def chain(start: Vector, direction: Vector, bends: list[tuple[float, float, Vector]]) -> list[Piece]:
    """Chain arcs without kinks.

    Parameters
    ----------
    start, direction
        First point in nm, and the direction in which the chain sets out.
    bends
        Per arc: its radius in nm, its sweep in radians, and a vector that says to which side it bends.
    """
    pieces: list[Piece] = []
    point, ahead = np.asarray(start, dtype=np.float64), direction / np.linalg.norm(direction)
    for radius, sweep, side in bends:
        inward = side - (side @ ahead) * ahead
        inward = inward / np.linalg.norm(inward)
        hub = point + radius * inward
        half = sweep / 2
        middle = np.cos(half) * -inward + np.sin(half) * ahead  # hub → middle of the arc
        tangent = np.cos(half) * ahead + np.sin(half) * inward  # direction at the middle
        pieces.append(Arc(hub, middle, tangent, radius, sweep))
        point = hub + radius * (np.cos(half) * middle + np.sin(half) * tangent)
        ahead = np.cos(half) * tangent - np.sin(half) * middle
    return pieces


def meets_itself(tube: Tube) -> bool:
    """Tell whether parts of a chain that are far apart along it come closer than two radii and a tenth."""
    points, radius = tube.balls()
    along = np.concatenate([[0], np.cumsum([np.linalg.norm(b - a) for a, b in pairwise(points)])])
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
    far = np.abs(along[:, None] - along[None]) > 4 * radius
    return bool((far & (apart < 2.1 * radius)).any())
