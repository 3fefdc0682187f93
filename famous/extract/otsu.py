"""Otsu recipes: the paper's Algorithms 1 to 3 with named parameters, and what we add to them."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from famous.errors import InputError
from famous.extract.ellipse import ellipse
from famous.voxels import VoxelSize


@dataclass(frozen=True)
class OtsuParams:
    """Crop, grey, invert, blur, erode, dilate, Otsu, largest component, holes; lengths are radii, 0 skips a step."""

    polarity: Literal["dark", "bright"] = "dark"  # grey value of the organelle against its surroundings
    blur_nm: float = 20.0  # radius of the Gaussian blur's kernel
    erode_nm: float = 10.0  # radius of the grey erosion of the organelle
    dilate_nm: float = 10.0  # radius of the grey dilation that follows; equal to erode_nm it is an opening
    keep_largest: bool = True  # keep the largest 8-connected component only
    fill_holes: bool = True  # fill what the component encloses, such as cristae

    def __post_init__(self) -> None:
        if self.polarity not in ("dark", "bright"):
            raise InputError(f"otsu: found polarity {self.polarity!r}, expected 'dark' or 'bright'")
        for name in ("blur_nm", "erode_nm", "dilate_nm"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InputError(f"otsu: found {name} {getattr(self, name)}, expected a length of 0 nm or more")


@dataclass(frozen=True)
class OtsuExtractor:
    """An extractor that thresholds each box's own crop of the middle slice."""

    params: OtsuParams = OtsuParams()

    def __call__(
        self, slab: NDArray[np.uint8], corners: NDArray[np.int32], voxel_size: VoxelSize
    ) -> list[NDArray[np.bool_]]:
        """One mask per box; a crop without contrast gives the inscribed ellipse, so no box is ever lost."""
        grey = slab[:, :, slab.shape[2] // 2]
        kernels = Kernels.of(self.params, voxel_size)
        return [_extract(grey[y0:y1, x0:x1], self.params, kernels) for y0, x0, y1, x1 in np.asarray(corners)]


@dataclass(frozen=True)
class Kernels:
    """Sides of the kernels in pixels, odd; 1 does nothing."""

    blur: int
    erode: int
    dilate: int

    @classmethod
    def of(cls, params: OtsuParams, voxel_size: VoxelSize) -> "Kernels":
        """Turn radii in nm into sides in pixels: 2 · round(radius) + 1."""
        sides = [
            2 * int(np.floor(voxel_size.to_pixels(length) + 0.5)) + 1
            for length in (params.blur_nm, params.erode_nm, params.dilate_nm)
        ]
        return cls(*sides)


def _extract(crop: NDArray[np.uint8], params: OtsuParams, kernels: Kernels) -> NDArray[np.bool_]:
    image = smooth(crop, kernels, dark=params.polarity == "dark")
    low, high, _, _ = cv2.minMaxLoc(image)
    if low == high:
        return ellipse(*crop.shape)
    mask = cv2.threshold(image, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[1]
    if params.keep_largest:
        mask = largest(mask)
    if params.fill_holes:
        mask = fill(mask)
    inside: NDArray[np.bool_] = mask.astype(bool)
    return inside


def smooth(crop: NDArray[np.uint8], kernels: Kernels, *, dark: bool) -> NDArray[np.uint8]:
    """Make the organelle the bright part of the crop, blur it, erode it and dilate it (grey-scale morphology)."""
    image = cv2.bitwise_not(crop) if dark else np.ascontiguousarray(crop)
    if kernels.blur > 1:
        image = cv2.GaussianBlur(image, (kernels.blur, kernels.blur), 0)
    if kernels.erode > 1:
        image = cv2.erode(image, _disc(kernels.erode))
    if kernels.dilate > 1:
        image = cv2.dilate(image, _disc(kernels.dilate))
    return np.asarray(image, dtype=np.uint8)


def largest(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Keep the 8-connected component with the most pixels; of equal ones the first in reading order."""
    count, components, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if count <= 2:
        return mask
    best = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    return np.where(components == best, np.uint8(255), np.uint8(0))


def fill(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Fill the holes: background that has no 4-connected way to the border of the crop."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    filled = np.zeros_like(mask)
    cv2.drawContours(filled, contours, -1, 255, cv2.FILLED)
    return filled


def _disc(side: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), dtype=np.uint8)
