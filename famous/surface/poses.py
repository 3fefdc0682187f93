"""Where parts lie and how far they spread, and images brought from one pose to another."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pose:
    """The mean and the covariance of the (y, x) of a part's pixels."""

    centre: Matrix
    spread: Matrix

    @classmethod
    def of(cls, image: NDArray[np.uint8], corner: tuple[int, int]) -> "Pose":
        """Measure an image with a pixel above 0, the first of which is the corner; a pixel is a square."""
        m = cv2.moments(image, binaryImage=True)
        centre = np.array([m["m01"], m["m10"]]) / m["m00"] + corner
        return cls(centre, np.array([(m["mu02"], m["mu11"]), (m["mu11"], m["mu20"])]) / m["m00"] + np.eye(2) / 12)

    @cached_property
    def size(self) -> float:
        """Square root of the spread's determinant: it grows as the area does."""
        (a, b), (c, d) = self.spread.tolist()
        return float(np.sqrt(max(a * d - b * c, 0.0)))

    @cached_property
    def stretch(self) -> Matrix:
        """The symmetric square root of the spread (2 × 2 in closed form)."""
        found: Matrix = (self.spread + self.size * np.eye(2)) / np.sqrt(np.trace(self.spread) + 2 * self.size)
        return found

    def ellipse(self, window: "Window") -> NDArray[np.bool_]:
        """The ellipse (y, x) in a window that has this centre and spread."""
        (a, b), (_, d) = self.spread.tolist()
        y, x = np.ogrid[window.top : window.bottom, window.left : window.right]
        dy, dx = y - self.centre[0], x - self.centre[1]
        inside: NDArray[np.bool_] = d * dy**2 - 2 * b * dy * dx + a * dx**2 <= 4 * self.size**2
        return inside

    def towards(self, other: "Pose") -> tuple[Matrix, Matrix]:
        """Matrix (2, 2) and shift that take (y, x) in this pose to the same place in the other."""
        (a, b), (c, d) = self.stretch.tolist()
        turn: Matrix = other.stretch @ (np.array([(d, -b), (-c, a)]) / (a * d - b * c))
        return turn, other.centre - turn @ self.centre


STILL = Pose(np.zeros(2), np.eye(2))  # of whatever stays where it is


def mean_pose(one: Pose, other: Pose) -> Pose:
    """Half the way between two."""
    return one if one is other else Pose((one.centre + other.centre) / 2, (one.spread + other.spread) / 2)


@dataclass(frozen=True)
class Window:
    """A rectangle of a slice, half-open."""

    top: int
    left: int
    bottom: int
    right: int

    @classmethod
    def round(cls, boxes: NDArray[np.int64], room: int, shape: Sequence[int]) -> "Window":
        """Around boxes (n, 4), with room as far as there is any."""
        top, left = np.maximum(boxes[:, :2].min(axis=0) - room, 0).tolist()
        bottom, right = np.minimum(boxes[:, 2:].max(axis=0) + room, shape).tolist()
        return cls(top, left, bottom, right)

    @property
    def slices(self) -> tuple[slice, slice]:
        """To index an image with."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.bottom - self.top, self.right - self.left

    def over(self, other: "Window") -> "Window":
        """Both, and what is between them."""
        low = min(self.top, other.top), min(self.left, other.left)
        return Window(*low, max(self.bottom, other.bottom), max(self.right, other.right))


def bring(image: NDArray[Any], at: Window, window: Window, poses: tuple[Pose, Pose]) -> NDArray[Any]:
    """Bring the image of one window to another, from the first pose to the second; its border goes on outwards."""
    own, there = poses
    if own is there:
        if at == window:
            return image
        if window.top <= at.top and window.left <= at.left and window.bottom >= at.bottom and window.right >= at.right:
            beyond = at.top - window.top, window.bottom - at.bottom, at.left - window.left, window.right - at.right
            wider: NDArray[Any] = cv2.copyMakeBorder(image, *beyond, cv2.BORDER_REPLICATE)
            return wider
    turn, shift = there.towards(own)
    shift = shift + turn @ (window.top, window.left) - (at.top, at.left)
    matrix = np.array([(turn[1, 1], turn[1, 0], shift[1]), (turn[0, 1], turn[0, 0], shift[0])])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = window.shape[::-1]
    moved: NDArray[Any] = cv2.warpAffine(image, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return moved
