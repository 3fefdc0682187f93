"""Shape-based interpolation: what lies between two slices, from the signed distances in both.

After Raya and Udupa (1990), Shape-based interpolation of multidimensional objects. Where a part of the object ends
between two slices there is nothing to interpolate with; it is closed there by a rounded cap half a slice high.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

NOTHING = -1e6  # a signed distance (pixels) far outside everything


def interpolate_slices(
    mask: NDArray[np.bool_], parts: int, *, aspect: float = 1.0
) -> tuple[NDArray[np.float32], float]:
    """Put slices between the slices.

    Parameters
    ----------
    mask
        (z, y, x), True inside.
    parts
        How many fine slices replace one.
    aspect
        Height of a pixel over its width.

    Returns
    -------
    fine, first
        Fill grade 0 … 1 of the fine slices, (z · parts, y, x) with all of the first and last slice's half outside
        their centres, and the position of the first fine slice against the centre of the mask's first, in fine steps.
    """
    depth, height, width = mask.shape
    fine = np.zeros((depth * parts, height + 2, width + 2), dtype=np.float32)
    padded = np.pad(mask, ((1, 1), (1, 1), (1, 1)))
    halves = 2 * np.arange(depth * parts) + 1 + parts  # of a fine slice, from the centre of the padded mask's first
    lower, shares = halves // (2 * parts), halves % (2 * parts) / (2 * parts)  # the same wherever a mask is cut
    for k in range(depth + 1):
        chosen = np.flatnonzero(lower == k)
        if chosen.size and (padded[k].any() or padded[k + 1].any()):
            for index, distance in zip(chosen, _between(padded[k], padded[k + 1], shares[chosen], aspect), strict=True):
                np.clip(distance + 0.5, 0.0, 1.0, out=fine[index])
    return fine[:, 1:-1, 1:-1], 0.5 - parts / 2


def _between(
    a: NDArray[np.bool_], b: NDArray[np.bool_], shares: NDArray[np.float64], aspect: float
) -> list[NDArray[np.float32]]:
    """Signed distances (pixels, above 0 inside) at shares 0 … 1 of the way from slice a to slice b."""
    a_stays, a_ends = _split(a, b)
    b_stays, b_begins = _split(b, a)
    from_a, to_b = signed_distance(a_stays, aspect), signed_distance(b_stays, aspect)
    ends, begins = signed_distance(a_ends, aspect), signed_distance(b_begins, aspect)
    between = []
    for share in shares:
        distance = from_a + np.float32(share) * (to_b - from_a)
        for capped, way in ((ends, float(share)), (begins, 1.0 - float(share))):
            if capped.max() > 0 and way < 0.5:
                sunk = capped.max() * np.float32(1.0 - np.sqrt(1.0 - 2.0 * way))
                distance = np.maximum(distance, capped - sunk)
        between.append(distance)
    return between


def _split(mask: NDArray[np.bool_], other: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Parts of a slice that meet the other slice, and parts that do not."""
    if not mask.any() or not other.any():
        return np.zeros_like(mask), mask
    number, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    meets = np.zeros(number, dtype=np.bool_)
    meets[np.unique(parts[other])] = True
    meets[0] = False
    stays = meets[parts]
    return stays, mask & ~stays


def signed_distance(mask: NDArray[np.bool_], aspect: float = 1.0) -> NDArray[np.float32]:
    """Distance (pixel widths) of each pixel's centre to the mask's edge in its slice, above 0 inside."""
    if not mask.any():
        return np.full(mask.shape, NOTHING, dtype=np.float32)
    if abs(aspect - 1.0) < 0.01:
        inside, outside = (_distance(side) for side in (mask, ~mask))
    else:
        inside, outside = (
            ndimage.distance_transform_edt(side, sampling=(aspect, 1.0)).astype(np.float32) for side in (mask, ~mask)
        )
    distance: NDArray[np.float32] = np.where(mask, inside - 0.5, 0.5 - outside).astype(np.float32)
    return distance


def _distance(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Distance (pixels) of each True pixel to the nearest False one.

    OpenCV's last digit depends on where the array lies in memory. The square is a whole number, which mends that.
    """
    distance = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE).astype(np.float64)
    exact: NDArray[np.float32] = np.sqrt(np.rint(distance * distance)).astype(np.float32)
    return exact
