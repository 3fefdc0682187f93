"""The whole slice as one small picture, which the browser shows while the page's program is still on its way."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from famous.annotate.pyramid import GreyCode
from famous.stack import Window

QUALITY = 90  # of the JPEG: the tiles that replace it are exact


def preview(values: NDArray[Any], code: GreyCode, window: Window, *, inverted: bool) -> bytes:
    """Return a (y, x) image of tile values as a grey JPEG, in the window that the page shows it in."""
    table = code.offset + code.scale * np.arange(2**code.bits, dtype=np.float64)
    share = np.clip((table - window.low) / (window.high - window.low), 0, 1)
    shown = np.floor(255 * (1 - share if inverted else share) + 0.5).astype(np.uint8)
    return cv2.imencode(".jpg", shown[values], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
