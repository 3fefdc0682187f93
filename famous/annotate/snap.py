"""A loose box pulled tight round the organelle in it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from famous.extract.slices import Extractor
from famous.voxels import VoxelSize

Corners = tuple[int, int, int, int]


@dataclass(frozen=True)
class SnapParams:
    """How far a box may move, and when there is nothing to snap to."""

    margin: float = 0.15  # how far beyond the box an edge is looked for, share of its side


def snap(
    slab: NDArray[np.uint8],
    box: Corners,
    extractor: Extractor,
    *,
    voxel_size: VoxelSize,
    params: SnapParams | None = None,
) -> Corners | None:
    """Return the tight box (y0, x0, y1, x1) of the organelle in a loose one, or None where there is no clear edge.

    `slab` is (y, x, c), the slice is its middle channel (windowed); a box that lies partly outside is cut off first.
    """
    raise NotImplementedError
