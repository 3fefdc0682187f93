"""What a labelled tile may look like next time: turned, mirrored in depth, relit, noisy, blurred; never coloured."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class AugmentParams:
    """How far a tile may change; chances are per tile and drawn independently."""

    turn: bool = True  # quarter turns: the plane of a section has no up
    mirror_depth: float = 0.5  # chance to swap z − 1 and z + 1: the stack has no front
    gain: float = 0.3  # grey values times 1 ± this, everywhere in the tile
    contrast: float = 0.2  # distance from the tile's mean times 1 ± this
    brightness: float = 12.0  # grey values plus or minus up to this
    noise: float = 10.0  # largest standard deviation of the added Gaussian noise, grey values
    noise_chance: float = 0.3
    blur_px: float = 1.2  # largest standard deviation of the Gaussian blur
    blur_chance: float = 0.2


def augment(
    image: NDArray[np.uint8], corners: NDArray[np.float32], rng: np.random.Generator, params: AugmentParams
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Change a tile and its boxes together: (y, x, 3) and (k, 4) corners (y0, x0, y1, x1) in its pixels."""
    if params.turn:
        image, corners = quarter_turn(image, corners, int(rng.integers(4)))
    if rng.random() < params.mirror_depth:
        image = image[:, :, ::-1]
    return relight(image, rng, params), corners


def quarter_turn(
    image: NDArray[np.uint8], corners: NDArray[np.float32], turns: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Turn tile and boxes by `turns` quarters, counter-clockwise as `numpy.rot90` does."""
    for _ in range(turns % 4):
        width = image.shape[1]
        y0, x0, y1, x1 = corners.reshape(-1, 4).T
        corners = np.stack([width - x1, y0, width - x0, y1], axis=1).astype(np.float32)
        image = np.rot90(image)
    return image, corners


def relight(image: NDArray[np.uint8], rng: np.random.Generator, params: AugmentParams) -> NDArray[np.uint8]:
    """Change the grey values of a tile, all channels alike (noise apart); shape and places stay."""
    mean = float(image.mean())
    gain = 1 + params.gain * rng.uniform(-1, 1)
    contrast = 1 + params.contrast * rng.uniform(-1, 1)
    shift = params.brightness * rng.uniform(-1, 1)
    grey = np.arange(256, dtype=np.float64)
    lut = np.clip(np.rint(((grey - mean) * contrast + mean) * gain + shift), 0, 255).astype(np.uint8)
    changed = np.asarray(cv2.LUT(np.ascontiguousarray(image), lut), dtype=np.uint8).reshape(image.shape)
    if rng.random() < params.blur_chance:
        sigma = params.blur_px * rng.uniform(0.3, 1)
        changed = cv2.GaussianBlur(np.ascontiguousarray(changed), (0, 0), sigma).reshape(image.shape)
    if rng.random() < params.noise_chance:
        sigma = params.noise * rng.uniform(0.2, 1)
        noisy = changed + rng.standard_normal(image.shape, dtype=np.float32) * np.float32(sigma)
        changed = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(changed)
