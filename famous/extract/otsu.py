"""Otsu recipes: the paper's Algorithms 1 to 3 with named parameters, and what we add to them."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from famous.errors import InputError
from famous.extract.ellipse import ellipse
from famous.voxels import VoxelSize


@dataclass(frozen=True)
class OtsuParams:
    """Crop, grey, invert, blur, erode, dilate, Otsu, largest component, holes; lengths are radii, 0 skips a step.

    `centre` and `minimum_extent` use what a tight box knows and the paper does not: the organelle touches all four
    sides and leaves the corners. Both at 0, and no holes filled, is the paper's chain.
    """

    polarity: Literal["dark", "bright"] = "dark"  # grey value of the organelle against its surroundings
    blur_nm: float = 20.0  # radius of the Gaussian blur's kernel
    erode_nm: float = 10.0  # radius of the grey erosion of the organelle
    dilate_nm: float = 10.0  # radius of the grey dilation that follows; equal to erode_nm it is an opening
    keep_largest: bool = True  # keep the largest 8-connected component only
    fill_holes: bool = True  # fill what the component encloses, such as cristae
    centre: float = 1.0  # pull to the box's middle: grey lowered by centre · std · r⁴, r = 1 on the inscribed ellipse
    minimum_extent: float = 0.75  # share of the box that the mask must span, else the inscribed ellipse is taken

    def __post_init__(self) -> None:
        if self.polarity not in ("dark", "bright"):
            raise InputError(f"otsu: found polarity {self.polarity!r}, expected 'dark' or 'bright'")
        for name in ("blur_nm", "erode_nm", "dilate_nm"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InputError(f"otsu: found {name} {getattr(self, name)}, expected a length of 0 nm or more")
        if not 0 <= self.centre < float("inf"):
            raise InputError(f"otsu: found centre {self.centre}, expected a number of 0 or more")
        if not 0 <= self.minimum_extent <= 1:
            raise InputError(f"otsu: found minimum_extent {self.minimum_extent}, expected a share from 0 to 1")


@dataclass(frozen=True)
class OtsuExtractor:
    """An extractor that thresholds each box's own crop of the middle slice."""

    channels: ClassVar[int] = 1  # it looks at the slice alone

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
    if params.centre > 0:
        image = pull_to_centre(image, params.centre)
    mask = np.asarray(cv2.threshold(image, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[1], dtype=np.uint8)
    if params.keep_largest:
        mask = largest(mask)
    if extent(mask) < max(params.minimum_extent, 1 / (2 * mask.size)):  # an empty mask is never a result
        return ellipse(*crop.shape)
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


def pull_to_centre(image: NDArray[np.uint8], strength: float) -> NDArray[np.uint8]:
    """Lower the grey values towards the corners by strength · std · r⁴ and stretch the result over 0 … 255."""
    height, width = image.shape
    y = ((np.arange(height, dtype=np.float32) + 0.5) / height * 2 - 1) ** 2
    x = ((np.arange(width, dtype=np.float32) + 0.5) / width * 2 - 1) ** 2
    contrast = float(cv2.meanStdDev(image)[1][0, 0])
    lowered = image - np.float32(strength * contrast) * np.square(y[:, None] + x)
    low, high, _, _ = cv2.minMaxLoc(lowered)
    scale = 255 / (high - low) if high > low else 0.0
    return np.asarray((lowered - np.float32(low)) * np.float32(scale), dtype=np.uint8)


def extent(mask: NDArray[np.uint8]) -> float:
    """Share of the image that the box round the mask covers; an empty mask has none."""
    _, _, width, height = cv2.boundingRect(mask)
    return float(width * height / mask.size)


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


def solid(mask: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """Fill the holes of the `largest` component; None where there is none."""
    bits = mask.view(np.uint8)
    contours, _ = cv2.findContours(bits, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not contours:
        return None
    filled = cv2.drawContours(np.zeros_like(bits), contours, -1, 1, cv2.FILLED)
    if len(contours) == 1 and cv2.countNonZero(filled) == cv2.countNonZero(bits):
        return mask  # most are: one piece without holes
    return fill(largest(bits)).astype(np.bool_)


def _disc(side: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), dtype=np.uint8)
