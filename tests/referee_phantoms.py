"""Slices with organelles whose outline is known, and recipes that give it, or give it wrong in a known way.

┌─────┐  dark, tilted ellipses on a bright, noisy ground, one in each cell of a grid; the same on every slice
│  ⬮  │  perfect: the outline · moved · small · torn: in stripes · filled: the box
└─────┘
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from famous.extract.evidence import Sample
from famous.voxels import VoxelSize

VOXEL = VoxelSize(8, 8, 8)
GROUND, INSIDE = 170, 90
Image = NDArray[np.bool_]


@dataclass(frozen=True)
class Field:
    """Ellipses on a ground: `labels` (y, x) holds their ids, `slab` (y, x, 5) the grey values."""

    labels: NDArray[np.int32]
    slab: NDArray[np.uint8]

    @property
    def corners(self) -> NDArray[np.int32]:
        """Tight boxes, by id."""
        found = []
        for number in range(1, self.labels.max() + 1):
            x, y, width, height = cv2.boundingRect((self.labels == number).astype(np.uint8))
            found.append((y, x, y + height, x + width))
        return np.array(found, dtype=np.int32).reshape(-1, 4)

    @property
    def sample(self) -> Sample:
        """What the referee is given."""
        return Sample(self.slab, self.corners)


def field(
    *, count: int = 4, axes: tuple[int, int] = (26, 15), angle: float = 30, noise: float = 8.0, seed: int = 0
) -> Field:
    """Draw so many ellipses in a row; `axes` are the half axes in pixels."""
    cell = 2 * max(axes) + 34
    labels = np.zeros((cell, cell * max(count, 1)), dtype=np.int32)
    for number in range(count):
        centre = (cell * number + cell // 2, cell // 2)
        cv2.ellipse(labels, centre, axes, angle + 25 * number, 0, 360, number + 1, cv2.FILLED)
    grey = np.where(labels > 0, INSIDE, GROUND)[..., None] + np.random.default_rng(seed).normal(
        0, noise, (*labels.shape, 5)
    )
    return Field(labels, np.clip(grey, 0, 255).astype(np.uint8))


class Knowing:
    """A recipe that knows the outline of the object with most pixels in the box, and changes it."""

    def __init__(self, labels: NDArray[np.int32], change: Callable[[Image], Image] = lambda mask: mask) -> None:
        self._labels, self._change = labels, change
        self.asked: list[tuple[tuple[int, ...], NDArray[np.int32]]] = []  # slab's shape and corners of each call

    def __call__(
        self, slab: NDArray[np.uint8], corners: NDArray[np.int32], voxel_size: VoxelSize
    ) -> list[NDArray[np.bool_]]:
        self.asked.append((slab.shape, corners))
        return [self._one(*corner) for corner in corners.tolist()]

    def _one(self, y0: int, x0: int, y1: int, x1: int) -> Image:
        counts = np.bincount(self._labels[y0:y1, x0:x1].ravel(), minlength=2)
        counts[0] = 0
        whole = self._change(self._labels == counts.argmax())
        return np.asarray(whole[y0:y1, x0:x1].copy())


def perfect(one: Field) -> Knowing:
    return Knowing(one.labels)


def moved(one: Field) -> Knowing:
    return Knowing(one.labels, lambda mask: np.roll(mask, (4, 4), (0, 1)))


def small(one: Field) -> Knowing:
    core = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
    return Knowing(one.labels, lambda mask: cv2.erode(mask.astype(np.uint8), core) > 0)


def torn(one: Field) -> Knowing:
    rows, columns = np.indices(one.labels.shape)
    return Knowing(one.labels, lambda mask: mask & ((rows + columns) // 4 % 3 > 0))


def filled(one: Field) -> Knowing:
    return Knowing(one.labels, np.ones_like)


def silent(one: Field) -> Knowing:
    return Knowing(one.labels, np.zeros_like)


BAD = {"moved": moved, "small": small, "torn": torn, "filled": filled, "silent": silent}
