"""The whole slice as one small picture, which the browser shows while the page's program is still on its way.

Pictures come in steps of √2, so that one is never much finer than the screen: step 2 L is level L of the pyramid.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from famous.annotate.pyramid import GreyCode, level_shape
from famous.stack import Window

QUALITY = 90  # of the JPEG: the tiles that replace it are exact


def preview_shapes(shape: tuple[int, int], levels: int) -> list[tuple[int, int]]:
    """Return the shapes of the pictures of a (y, x) slice whose pyramid has so many levels, the finest first."""
    return [_step_shape(shape, step) for step in range(2 * levels - 1)]


def between_levels(values: NDArray[Any]) -> NDArray[Any]:
    """Return a (y, x) image reduced by √2 to each side: means of the pixels that each new one covers."""
    height, width = _step_shape((values.shape[0], values.shape[1]), 1)
    return np.asarray(cv2.resize(values, (width, height), interpolation=cv2.INTER_AREA)).reshape(height, width)


def preview(values: NDArray[Any], code: GreyCode, window: Window, *, inverted: bool) -> bytes:
    """Return a (y, x) image of tile values as a grey JPEG, in the window that the page shows it in."""
    table = code.offset + code.scale * np.arange(2**code.bits, dtype=np.float64)
    share = np.clip((table - window.low) / (window.high - window.low), 0, 1)
    shown = np.floor(255 * (1 - share if inverted else share) + 0.5).astype(np.uint8)
    return cv2.imencode(".jpg", shown[values], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def _step_shape(shape: tuple[int, int], step: int) -> tuple[int, int]:
    height, width = level_shape(shape, step // 2)
    return (max(1, round(height / 2**0.5)), max(1, round(width / 2**0.5))) if step % 2 else (height, width)
