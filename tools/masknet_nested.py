"""Organelles inside organelles: phantoms have none, so organelles of the same tissue are set into larger ones."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Volume = NDArray[np.uint8]
Ids = NDArray[np.uint32]


@dataclass(frozen=True)
class NestParams:
    """Which organelles get another one inside, and how it looks there. Lengths in pixels."""

    share: float = 0.6  # of the organelles that have the room
    room_px: float = 7.0  # radius of the largest disc in an organelle that has it
    each_px: float = 30.0  # radius of the room for which there is one more
    most: int = 4  # in one organelle
    filled: tuple[float, float] = (0.4, 0.95)  # radius of the inner one, in the room where it is put
    scaled: tuple[float, float] = (0.35, 1.5)  # how much it may be made smaller and larger
    smallest_px: float = 4.0  # radius of an inner one
    shift: float = 40.0  # grey values by which half of the inner ones are made brighter or darker, at most
    rim_px: float = 1.0  # how far the inner one's edge fades into the outer one


def nest(volume: Volume, ids: Ids, rng: np.random.Generator, params: NestParams) -> Ids:
    """Set organelles into others of three consecutive slices (3, y, x), changing their grey values.

    `ids` (3, y, x) are the organelles of all classes. Returns an image (y, x) of the inner ones in the middle slice,
    each with the id of the organelle that it is a copy of; those of an outer one still hold for all of it.
    """
    inner = np.zeros(ids.shape[1:], dtype=np.uint32)
    every = [int(number) for number in np.unique(ids[1]) if number]
    cut = np.unique(np.concatenate([ids[1][[0, -1]].ravel(), ids[1][:, [0, -1]].ravel()]))
    donors = [number for number in every if number not in cut]
    if not donors:
        return inner
    before, grey = volume.copy(), volume  # a copy is one of what was there before
    for outer in every:
        free = ids[1] == outer
        widest = float(_depth(free).max())
        if widest < params.room_px or rng.random() > params.share:
            continue
        for _ in range(min(1 + int(widest / params.each_px), params.most)):
            donor = donors[rng.integers(len(donors))]
            affine = _fitted(ids[1] == donor, _depth(free), rng, params)
            if affine is None:
                continue
            shift = rng.uniform(-params.shift, params.shift) if rng.random() < 0.5 else 0.0
            for z, (mask, seen) in enumerate(_moved(before, ids, donor, affine)):
                within = mask * (ids[z] == outer)
                alpha = cv2.GaussianBlur(within, (0, 0), params.rim_px)
                mixed = grey[z] + alpha * (seen + shift - grey[z])
                grey[z] = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
                if z == 1:
                    inner[within > 0.5] = donor
                    free &= within <= 0.5
    return inner


def _depth(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Distance to the border of a mask; the slice's border is one, too."""
    return np.asarray(cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 5))[1:-1, 1:-1]


def _fitted(
    mask: NDArray[np.bool_], room: NDArray[np.float32], rng: np.random.Generator, params: NestParams
) -> NDArray[np.float64] | None:
    """Turn, scale and move an organelle so that it lies where there is room; an affine (2, 3) of x, y.

    None where it does not fit.
    """
    widest = float(room.max())
    if widest < params.room_px:
        return None
    ys, xs = np.nonzero(room > 0.6 * widest)
    chosen = rng.integers(len(ys))
    y, x = int(ys[chosen]), int(xs[chosen])
    points = np.argwhere(mask)[:, ::-1].astype(np.float64)
    centre = (points.min(axis=0) + points.max(axis=0)) / 2
    reach = float(np.hypot(*(points - centre).T).max()) + 1
    scale = min(rng.uniform(*params.filled) * float(room[y, x]) / reach, params.scaled[1])
    if scale < params.scaled[0] or scale * reach < params.smallest_px:
        return None
    angle = rng.uniform(0, 2 * np.pi)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.column_stack([turn, np.array([x, y]) - turn @ centre])


def _moved(
    volume: Volume, ids: Ids, donor: int, affine: NDArray[np.float64]
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Yield, for each slice, where an organelle comes to lie (0 … 1) and the grey values there."""
    size = ids.shape[:0:-1]
    for image, numbers in zip(volume, ids, strict=True):
        own = ndimage.binary_dilation(numbers == donor).astype(np.float32)  # with its membrane's outer edge
        mask = cv2.warpAffine(own, affine, size, flags=cv2.INTER_LINEAR)
        seen = cv2.warpAffine(image, affine, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        yield np.asarray(mask), np.asarray(seen, dtype=np.float32)
