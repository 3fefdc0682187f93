"""Square crops round boxes, as a box → mask network sees them, and the way back to the pixels of the slice."""

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE_PX = 64  # of a crop
MARGIN = 0.25  # of the box's side, on each side of it
LARGEST_STEP = 1.5  # source pixels between two samples; from there on the source is halved first
LARGEST_ERROR = 0.2  # σ of a side's error, in the side, at which a box tells nothing but the place
SMALLEST_STD = 1.0  # grey values; what is flatter has no contrast to stretch

Affine = NDArray[np.float64]  # (2, 3): x, y of a sample in the crop → x, y in the slice, centres of pixels at integers


def frame(corners: NDArray[np.floating | np.integer], side_px: int = SIDE_PX, margin: float = MARGIN) -> Affine:
    """Map the samples of a square crop onto a box y0, x0, y1, x1 and its margin; (2, 3), x before y as OpenCV wants."""
    y0, x0, y1, x1 = np.asarray(corners).tolist()
    height, width = y1 - y0, x1 - x0
    y, x = height * (1 + 2 * margin) / side_px, width * (1 + 2 * margin) / side_px
    return np.array([[x, 0, x0 - margin * width + x / 2 - 0.5], [0, y, y0 - margin * height + y / 2 - 0.5]])


def sample(plane: NDArray[np.generic], affine: Affine, side_px: int = SIDE_PX) -> NDArray[np.generic]:
    """Sample a square crop from a slice (y, x) or (y, x, c); what lies beyond the slice is mirrored.

    Where samples are far apart the source is averaged down first, so that a large organelle does not turn into grain.
    """
    piece, moved = _around(plane, affine, side_px)
    for _ in range(halvings(affine)):
        piece = cv2.resize(piece, (piece.shape[1] // 2, piece.shape[0] // 2), interpolation=cv2.INTER_AREA)
        moved[:, :2] /= 2
        moved[:, 2] = (moved[:, 2] + 0.5) / 2 - 0.5
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    sampled = cv2.warpAffine(piece, moved, (side_px, side_px), flags=flags, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(sampled)


def sample_alone(mask: NDArray[np.uint8], affine: NDArray[np.float64], origin: tuple[int, int]) -> NDArray[np.uint8]:
    """Sample a mask whose first pixel lies at `origin` (y, x); beyond it there is nothing."""
    moved = affine.copy()
    moved[:, 2] -= (origin[1], origin[0])
    for _ in range(halvings(affine)):
        spare = [(0, side % 2) for side in mask.shape]
        mask = np.asarray(cv2.resize(np.pad(mask, spare), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
        moved[:, :2] /= 2
        moved[:, 2] = (moved[:, 2] + 0.5) / 2 - 0.5
    size = (SIDE_PX, SIDE_PX)
    return np.asarray(cv2.warpAffine(mask, moved, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP), dtype=np.uint8)


def halvings(affine: Affine) -> int:
    """Count how often the source is halved before it is sampled."""
    (a, b, _), (c, d, _) = affine.tolist()
    step = math.sqrt(abs(a * d - b * c))
    return max(0, math.ceil(math.log2(step / LARGEST_STEP) - 1e-9)) if step > 0 else 0  # the root is not exact


def _around(plane: NDArray[np.generic], affine: Affine, side_px: int) -> tuple[NDArray[np.generic], Affine]:
    """Cut out the part of a slice that a crop samples, with what interpolation needs round it.

    Its sides can be halved as often as they must be: half of an odd side would move what is in it.
    """
    cell = 2 ** halvings(affine)
    (x0, x1), (y0, y1) = (_covered(row, side_px - 1, cell) for row in affine.tolist())
    moved = affine.copy()
    moved[:, 2] -= (x0, y0)
    height, width = plane.shape[:2]
    inside = plane[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)]
    above, below, left, right = max(0, -y0), max(0, y1 - height), max(0, -x0), max(0, x1 - width)
    if max(above, below) > inside.shape[0] or max(left, right) > inside.shape[1]:
        return plane[_mirrored(y0, y1, height)[:, None], _mirrored(x0, x1, width)], moved
    if above or below or left or right:  # each pixel is mirrored once at most: OpenCV is ten times as fast
        inside = np.asarray(cv2.copyMakeBorder(inside, above, below, left, right, cv2.BORDER_REFLECT))
    return inside, moved


def _covered(row: list[float], last: int, cell: int) -> tuple[int, int]:
    """First and end of the pixels that samples 0 … last cover along the axis of an affine's row, in whole cells."""
    a, b, offset = row
    low = math.floor(min(0, a * last) + min(0, b * last) + offset) - 2 * cell
    high = math.ceil(max(0, a * last) + max(0, b * last) + offset) + 2 * cell + 1
    return low, high + (low - high) % cell


def _mirrored(low: int, high: int, side: int) -> NDArray[np.int64]:
    """Number the pixels from low up to high along a side that is mirrored at its ends, again and again."""
    turn = np.arange(low, high) % (2 * side)
    return np.minimum(turn, 2 * side - 1 - turn)


@lru_cache(maxsize=4)
def prompt(side_px: int = SIDE_PX, margin: float = MARGIN) -> NDArray[np.float32]:
    """Return the two planes that tell the network where the box is: inside it or not, and the radius; (2, side, side).

    The radius is 1 on the ellipse that touches all four sides of the box.
    """
    across = 1 + 2 * margin
    line = ((np.arange(side_px) + 0.5) / side_px * 2 - 1) * across
    y, x = np.meshgrid(line, line, indexing="ij")
    planes = np.stack([(np.abs(y) < 1) & (np.abs(x) < 1), np.hypot(y, x)]).astype(np.float32)
    planes.setflags(write=False)
    return planes


def trust(box_error: float | NDArray[np.floating]) -> NDArray[np.float32]:
    """Turn the error of boxes' sides, a share of them, into what the network is told inside the box: 1 … 0."""
    strength: NDArray[np.float32] = np.maximum(0, 1 - np.asarray(box_error, dtype=np.float32) / LARGEST_ERROR)
    return strength


def to_planes(crops: NDArray[np.generic], margin: float = MARGIN, *, box_error: float = 0.0) -> NDArray[np.float32]:
    """Turn crops (n, side, side, 3) of z − 1, z, z + 1 into what the network takes: (n, 5, side, side) float32.

    Grey values are centred and scaled by those of the crop's middle slice; the prompt follows them, the inside of the
    box as strong as the box can be trusted.
    """
    side_px = crops.shape[1]
    planes = np.empty((len(crops), 5, side_px, side_px), dtype=np.float32)
    grey = planes[:, :3]
    grey[:] = np.moveaxis(crops, 3, 1)
    middle = grey[:, 1]
    mean = middle.mean(axis=(1, 2))[:, None, None, None]
    std = np.maximum(middle.std(axis=(1, 2)), SMALLEST_STD)[:, None, None, None]
    grey -= mean
    grey /= std
    planes[:, 3:] = prompt(side_px, margin) * np.array([trust(box_error), 1], dtype=np.float32)[:, None, None]
    return planes
