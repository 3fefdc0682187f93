"""The ellipse that fits the box: for organelles without contrast of their own, and the baseline of every recipe."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from famous.errors import InputError
from famous.voxels import VoxelSize


@dataclass(frozen=True)
class EllipseParams:
    """How far the ellipse fills its box."""

    scale: float = 1.0  # axes of the ellipse over the sides of the box; 1 touches all four sides

    def __post_init__(self) -> None:
        if not 0 < self.scale <= 2:
            raise InputError(f"ellipse: found scale {self.scale}, expected a number above 0 and up to 2")


@dataclass(frozen=True)
class EllipseExtractor:
    """An extractor that looks at the box only, never at the image."""

    channels: ClassVar[int] = 1  # it looks at the slice alone

    params: EllipseParams = EllipseParams()

    def __call__(
        self, slab: NDArray[np.uint8], corners: NDArray[np.int32], voxel_size: VoxelSize
    ) -> list[NDArray[np.bool_]]:
        """One ellipse per box, each of the box's own shape."""
        return [ellipse(int(y1 - y0), int(x1 - x0), scale=self.params.scale) for y0, x0, y1, x1 in np.asarray(corners)]


def ellipse(height: int, width: int, *, scale: float = 1.0) -> NDArray[np.bool_]:
    """Draw the ellipse inscribed in a box of this many pixels; at least the pixels nearest to the centre are set.

    A pixel belongs to it when its centre lies inside (lysosomes in Nešić et al. 2023: "an ellipse that fits the box").
    """
    y = ((np.arange(height) + 0.5) / height * 2 - 1) ** 2
    x = ((np.arange(width) + 0.5) / width * 2 - 1) ** 2
    radius = y[:, None] + x[None, :]
    limit = max(scale**2, float(radius.min()))
    inside: NDArray[np.bool_] = radius <= limit * (1 + 1e-12)
    return inside
