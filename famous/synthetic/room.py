"""Where there is room for one more object: inside a cell, outside the nuclei, away from what is there already."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from famous.synthetic.shapes import Ellipsoid, Shape, Vector

GAP_NM = 60.0  # between two objects
WALL_NM = 170.0  # between an object and the plasma membrane
_GROWTH = 64


class Body(NamedTuple):
    """A shape as the balls (n, 3) that cover it, with a ball around them all."""

    points: NDArray[np.float64]
    radius_nm: float
    middle: Vector
    reach_nm: float

    @classmethod
    def of(cls, shape: Shape) -> "Body":
        """Cover a shape with balls."""
        points, radius = shape.balls()
        middle = shape.centre
        return cls(points, radius, middle, float(np.linalg.norm(points - middle, axis=1).max()) + radius)

    def moved(self, by: Vector) -> "Body":
        """Return the same body elsewhere."""
        return Body(self.points + by, self.radius_nm, self.middle + by, self.reach_nm)

    def gap_nm(self, other: "Body") -> float:
        """Distance of two bodies; below 0 where they overlap."""
        squared = ((self.points[:, None] - other.points[None]) ** 2).sum(axis=-1).min()
        return float(np.sqrt(squared)) - self.radius_nm - other.radius_nm


class Taken:
    """The bodies that are there already."""

    def __init__(self) -> None:
        self._bodies: list[Body] = []
        self._rows = np.empty((_GROWTH, 4))  # middle and reach

    def __len__(self) -> int:
        return len(self._bodies)

    def add(self, body: Body) -> None:
        """Put one more body."""
        count = len(self._bodies)
        if count == len(self._rows):
            self._rows = np.concatenate([self._rows, np.empty((count, 4))])
        self._rows[count] = *body.middle, body.reach_nm
        self._bodies.append(body)

    def meets(self, body: Body, gap_nm: float, except_for: int | None = None) -> bool:
        """Tell whether a body comes closer to one that is there than the gap."""
        rows = self._rows[: len(self._bodies)]
        squared = ((rows[:, :3] - body.middle) ** 2).sum(axis=1)
        close = np.flatnonzero(squared < (rows[:, 3] + body.reach_nm + gap_nm) ** 2)
        return any(i != except_for and self._bodies[i].gap_nm(body) < gap_nm for i in close)


@dataclass(frozen=True)
class Room:
    """The centres (n, 3) of the cells around, their nuclei, and what is taken."""

    cells: NDArray[np.float64]
    nuclei: list[Ellipsoid]
    taken: Taken
    _walls: dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]] = field(default_factory=dict, init=False)

    def fits(self, body: Body, gap_nm: float = GAP_NM, except_for: int | None = None) -> bool:
        """Tell whether there is room for a body; the taken one with the index `except_for` may be nearer."""
        wall = WALL_NM + 1.2 * body.radius_nm
        if self._depth(body.middle, body.middle[None]) < wall:
            return False
        beside = [nucleus for nucleus in self.nuclei if _may_meet(nucleus, body, gap_nm)]
        if any((nucleus.clearance(body.points) < body.radius_nm + gap_nm).any() for nucleus in beside):
            return False
        if self._depth(body.middle, body.points) < wall:
            return False
        return not self.taken.meets(body, gap_nm, except_for)

    def _depth(self, place: Vector, points: NDArray[np.float64]) -> float:
        """Least distance of points (n, 3) to the walls of the cell in which a place lies, negative outside it."""
        squared = ((self.cells - place) ** 2).sum(axis=1)
        own = int(squared.argmin())
        if own not in self._walls:
            toward = np.delete(self.cells, own, axis=0) - self.cells[own]
            apart = np.sqrt((toward**2).sum(axis=1))
            self._walls[own] = apart / 2, (toward / apart[:, None]).T
        half, directions = self._walls[own]
        return float((half - (points - self.cells[own]) @ directions).min())


def _may_meet(nucleus: Ellipsoid, body: Body, gap_nm: float) -> bool:
    """Compare the balls around both."""
    z, y, x = nucleus.centre - body.middle
    return bool(z * z + y * y + x * x < (nucleus.radii.max() + body.reach_nm + gap_nm) ** 2)
