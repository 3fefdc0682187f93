"""Recipes that are made from the truth and spoilt in a known way: what the referee has to put in its place.

Rough: a network's masks, of rising error: the truth blurred, and noise on it that is another one in each slice. Small:
the truth's core. Moved: the truth beside itself. Torn: the truth in stripes. Filled: the whole box.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from famous.voxels import VoxelSize
from refereeing.pairs import TrueSlice

Image = NDArray[np.float32]


class Fake:
    """A recipe that knows the truth of the slice that `look` was called with last."""

    def __init__(self, spoil: Callable[[Image, Image, float], NDArray[np.bool_]]) -> None:
        self._spoil = spoil

    def look(self, at: TrueSlice) -> None:
        """Open the truth of a slice."""
        self._planes = [at.sample.slab[:, :, step].tobytes() for step in (1, 2, 3)]
        self._labels = at.labels
        self._noise: dict[tuple[int, int], Image] = {}

    def __call__(
        self, slab: NDArray[np.uint8], corners: NDArray[np.int32], voxel_size: VoxelSize
    ) -> list[NDArray[np.bool_]]:
        """Spoil the object that has most pixels in each box."""
        plane = self._planes.index(slab[:, :, 1].tobytes())
        return [self._one(plane, *corner) for corner in corners.tolist()]

    def _one(self, plane: int, y0: int, x0: int, y1: int, x1: int) -> NDArray[np.bool_]:
        labels = self._labels[:, :, plane]
        ids, counts = np.unique(labels[y0:y1, x0:x1], return_counts=True)
        own = ids[np.argmax(np.where(ids > 0, counts, -1))]
        rim_y, rim_x = int(0.3 * (y1 - y0)) + 4, int(0.3 * (x1 - x0)) + 4
        top, left = max(0, y0 - rim_y), max(0, x0 - rim_x)
        window = (slice(top, y1 + rim_y), slice(left, x1 + rim_x))
        side = float(np.sqrt((y1 - y0) * (x1 - x0)))
        truth = (labels[window] == own).astype(np.float32) if own else np.zeros_like(labels[window], dtype=np.float32)
        mask = self._spoil(truth, self._rough(plane, side)[window], side)
        inside = mask[y0 - top : y1 - top, x0 - left : x1 - left].copy()
        if not inside.any():
            inside[(y1 - y0) // 2, (x1 - x0) // 2] = True
        return inside

    def _rough(self, plane: int, side: float) -> Image:
        """Smooth noise as coarse as a twelfth of the object, one image a slice."""
        coarse = round(2 * np.log2(side))
        if (plane, coarse) not in self._noise:
            height, width = self._labels.shape[:2]
            noise = np.random.default_rng(100 + plane).standard_normal((height // 4 + 1, width // 4 + 1))
            smooth = cv2.GaussianBlur(noise.astype(np.float32), (0, 0), max(0.5, 2 ** (coarse / 2) / 48))
            self._noise[plane, coarse] = cv2.resize(smooth / smooth.std(), (width, height)).astype(np.float32)
        return self._noise[plane, coarse]


def rough(error: float) -> Fake:
    def spoil(truth: Image, noise: Image, side: float) -> NDArray[np.bool_]:
        field = cv2.GaussianBlur(truth, (0, 0), max(0.7, 0.05 * side)) + error * noise
        count, parts, stats, _ = cv2.connectedComponentsWithStats((field > 0.5).astype(np.uint8))
        largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])) if count > 1 else -1
        return np.asarray(parts == largest)

    return Fake(spoil)


def _core(truth: Image, noise: Image, side: float) -> NDArray[np.bool_]:
    depth = cv2.distanceTransform(np.pad(truth.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    return np.asarray(depth > 0.35 * depth.max())


def _moved(truth: Image, noise: Image, side: float) -> NDArray[np.bool_]:
    step = max(1, round(0.12 * side))
    return np.roll(truth, (step, step), (0, 1)) > 0


def _torn(truth: Image, noise: Image, side: float) -> NDArray[np.bool_]:
    stripe = max(3, int(0.12 * side))
    return (truth > 0) & (np.add.outer(np.arange(truth.shape[0]), np.arange(truth.shape[1])) // stripe % 3 != 0)


def fakes() -> dict[str, Fake]:
    return {
        "rough 10 %": rough(0.1),
        "rough 25 %": rough(0.25),
        "rough 45 %": rough(0.45),
        "rough 80 %": rough(0.8),
        "small": Fake(_core),
        "moved": Fake(_moved),
        "torn": Fake(_torn),
        "filled": Fake(lambda truth, noise, side: np.ones(truth.shape, dtype=np.bool_)),
    }
