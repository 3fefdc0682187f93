"""Grey values as tiles carry them, and each slice's pyramid of halved images."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

STRIP_PX = 2**20  # pixels converted at a time: the float64 in between stay small


@dataclass(frozen=True)
class GreyCode:
    """The line between grey values and the values in tiles: grey = offset + scale · value.

    `dtype` is that of the tiles, uint8 or uint16.
    """

    dtype: np.dtype[Any]
    offset: float = 0.0
    scale: float = 1.0

    @property
    def bits(self) -> int:
        """8 or 16."""
        return self.dtype.itemsize * 8

    def encode(self, grey: NDArray[Any]) -> NDArray[Any]:
        """Return the tile values of a (y, x) image; NaN is 0, what lies outside is clipped."""
        if grey.dtype == self.dtype and self.offset == 0 and self.scale == 1:
            return np.ascontiguousarray(grey)
        values = np.empty(grey.shape, dtype=self.dtype)
        rows = max(1, STRIP_PX // max(1, grey.shape[1]))
        top = np.iinfo(self.dtype).max
        for start in range(0, len(grey), rows):
            strip = grey[start : start + rows].astype(np.float64)
            strip -= self.offset
            strip /= self.scale
            np.clip(np.rint(strip, out=strip), 0, top, out=strip)
            values[start : start + rows] = np.nan_to_num(strip, copy=False)
        return values

    @classmethod
    def exact(cls, dtype: np.dtype[Any]) -> "GreyCode | None":
        """Return the code that keeps every value of a type of 8 or 16 bits; None for wider types and floats."""
        if dtype.kind == "b" or dtype == np.uint8:
            return cls(np.dtype(np.uint8))
        if dtype.kind in "ui" and dtype.itemsize <= 2:
            return cls(np.dtype(np.uint16), offset=float(np.iinfo(dtype).min))
        return None

    @classmethod
    def spanning(cls, low: float, high: float, *, is_whole: bool, margin: float) -> "GreyCode":
        """Return the 16-bit code of a range widened by a share of it; exact where whole numbers fit."""
        room = np.iinfo(np.uint16).max
        span = high - low
        if is_whole and span * (1 + 2 * margin) <= room:
            return cls(np.dtype(np.uint16), offset=low - (room - span) // 2)
        wide = span * (1 + 2 * margin) or max(1.0, abs(low)) * 1e-3
        return cls(np.dtype(np.uint16), offset=(low + high - wide) / 2, scale=wide / room)


def level_shape(shape: tuple[int, int], level: int) -> tuple[int, int]:
    """Return the shape of a (y, x) image that was halved so many times."""
    return -(-shape[0] // 2**level), -(-shape[1] // 2**level)


def halve(image: NDArray[Any]) -> NDArray[Any]:
    """Return the means of 2 × 2 pixels, rounded; an odd last row or column counts twice."""
    height, width = image.shape
    if height % 2 or width % 2:
        image = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    half = cv2.resize(image, (image.shape[1] // 2, image.shape[0] // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(half, dtype=image.dtype).reshape(level_shape((height, width), 1))


def pyramid(image: NDArray[Any], levels: int) -> tuple[NDArray[Any], ...]:
    """Return the image, halved 0, 1, 2 … levels − 1 times."""
    images = [image]
    while len(images) < levels:
        images.append(halve(images[-1]))
    return tuple(images)
