"""Where a picture of a stack is taken from: a perspective camera that looks at the stack's box, z up."""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from famous.errors import ConfigError, InputError

Floats = NDArray[np.float64]

CORNERS = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
#: pairs of corners, 12 edges
EDGES = [(a, b) for a in range(8) for b in range(a + 1, 8) if np.count_nonzero(CORNERS[a] != CORNERS[b]) == 1]


@dataclass(frozen=True)
class View:
    """How meshes are looked at."""

    azimuth_deg: float = -62.0  #: where the camera stands round the z axis, from +x towards +y
    elevation_deg: float | None = None  #: how high above the middle; none: 24° for a cube, more for a flat stack
    fov_deg: float = 26.0  #: opening angle that the stack fills; small is flat, large is dramatic
    background: str | None = "white"  #: CSS colour, or none for a transparent picture with four channels
    box: bool = True  #: draw the edges of the stack
    scale_bar: bool = True  #: draw a bar of round length along the lower edge in front
    plane_nm: float | None = None  #: height along z at which a slice is outlined; none outlines none

    def __post_init__(self) -> None:
        if not 1 <= self.fov_deg <= 100:
            raise ConfigError(f"view.fov_deg: found {self.fov_deg}, expected 1 … 100")
        if self.elevation_deg is not None and not -89 <= self.elevation_deg <= 89:
            raise ConfigError(f"view.elevation_deg: found {self.elevation_deg}, expected -89 … 89")


@dataclass(frozen=True)
class Camera:
    """A camera in the scene's coordinates: (x, y, z), the box's middle at 0, its longest edge 1.

    Parameters
    ----------
    sides
        Edge lengths (x, y, z) of the box.
    size_px
        Width and height of the picture.
    margins_px
        Left, top, right, bottom: what stays free round the box.
    """

    sides: Floats
    size_px: tuple[int, int]
    view: View
    margins_px: tuple[float, float, float, float]
    _fit: tuple[float, float, float] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        width, height = self.size_px
        left, top, right, bottom = self.margins_px
        flat = self._flat(self.corners)
        low, high = flat.min(axis=0), flat.max(axis=0)
        room = np.maximum([width - left - right, height - top - bottom], 1.0)
        focal = float((room / np.maximum(high - low, 1e-9)).min())
        middle = np.array([left, top]) + room / 2
        offset = middle - focal * (low + high) / 2
        object.__setattr__(self, "_fit", (focal, float(offset[0]), float(offset[1])))

    def cut(self, window_px: tuple[int, int, int, int]) -> "Camera":
        """Return the camera that takes a part of the picture alone: left, top, right, bottom, also beyond its edges."""
        (left, top, right, bottom), (width, height) = window_px, self.size_px
        if not (left < right and top < bottom):
            raise InputError(f"render: found the window {window_px}, expected left < right and top < bottom")
        moved = np.array(self.margins_px) - (left, top, width - right, height - bottom)
        return replace(
            self,
            size_px=(right - left, bottom - top),
            margins_px=(float(moved[0]), float(moved[1]), float(moved[2]), float(moved[3])),
        )

    @cached_property
    def corners(self) -> Floats:
        """(8, 3) corners of the box."""
        corners: Floats = CORNERS * self.sides
        return corners

    @cached_property
    def axes(self) -> Floats:
        """(3, 3) unit vectors: right, down, forward."""
        elevation = self.view.elevation_deg
        if elevation is None:
            across = float(max(self.sides[0], self.sides[1], 1e-9))
            elevation = 24.0 + 26.0 * (1 - min(1.0, float(self.sides[2]) / across))
        turn, lift = np.deg2rad(self.view.azimuth_deg), np.deg2rad(elevation)
        back = np.array([np.cos(lift) * np.cos(turn), np.cos(lift) * np.sin(turn), np.sin(lift)])
        right = np.array([-np.sin(turn), np.cos(turn), 0.0])
        return np.stack([right, -np.cross(back, right), -back])

    @cached_property
    def position(self) -> Floats:
        """Where the camera stands: as far off as the ball round the box needs to fill the opening angle."""
        radius = float(np.linalg.norm(self.sides)) / 2
        away: Floats = -self.axes[2] * radius / np.sin(np.deg2rad(self.view.fov_deg) / 2)
        return away

    def _flat(self, points: Floats) -> Floats:
        """(n, 2) right and down per unit of depth."""
        flat: Floats = (points - self.position) @ self.axes[:2].T / np.maximum(self.depths(points)[:, None], 1e-9)
        return flat

    def depths(self, points: Floats) -> Floats:
        """(n,) distances of (n, 3) points along the view, in which rays count too."""
        depths: Floats = (points - self.position) @ self.axes[2]
        return depths

    def to_pixels(self, points: Floats) -> Floats:
        """(n, 3) points of the scene to (n, 2) positions (x, y) in the picture; pixel i covers i … i + 1."""
        focal, x, y = self._fit
        pixels: Floats = focal * self._flat(np.atleast_2d(points)) + (x, y)
        return pixels

    def rays(self, pixels: Floats) -> NDArray[np.float32]:
        """(n, 2) positions (x, y) to (n, 6) rays: origin, and a direction whose length is 1 along the view."""
        focal, x, y = self._fit
        flat = (pixels - (x, y)) / focal
        directions = flat @ self.axes[:2] + self.axes[2]
        return np.concatenate([np.broadcast_to(self.position, directions.shape), directions], axis=1, dtype=np.float32)

    def edges(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Edges of the box, as pairs of corners: those behind or beside the content, and those in front of it."""
        behind: list[tuple[int, int]] = []
        front: list[tuple[int, int]] = []
        for a, b in EDGES:
            fixed = [axis for axis in range(3) if CORNERS[a, axis] == CORNERS[b, axis]]
            faces = [float(np.sign(CORNERS[a, axis])) for axis in fixed]
            seen = [self.position[k] * s > self.sides[k] / 2 for k, s in zip(fixed, faces, strict=True)]
            (front if all(seen) else behind).append((a, b))
        return behind, front

    def lower_front_edge(self) -> tuple[Floats, Floats]:
        """Find the edge of the floor before the content that is widest in the picture; its ends, left to right."""
        seen = self.to_pixels(self.corners)
        best: tuple[float, Floats, Floats] | None = None
        for a, b in EDGES:
            side = 0 if CORNERS[a, 0] == CORNERS[b, 0] else 1
            on_floor = CORNERS[a, 2] < 0 and CORNERS[b, 2] < 0
            if not on_floor or CORNERS[a, side] * self.position[side] <= 0:
                continue
            ends = (a, b) if seen[a, 0] <= seen[b, 0] else (b, a)
            width = float(seen[ends[1], 0] - seen[ends[0], 0])
            if best is None or width > best[0]:
                best = width, self.corners[ends[0]], self.corners[ends[1]]
        return (self.corners[0], self.corners[4]) if best is None else best[1:]
