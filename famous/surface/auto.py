"""Which surface for which object: the isosurface, unless the object is convex and its outline jumps between slices.

The isosurface follows every voxel, and so every error of an outline; the shrink-wrap may average over a part of the
whole surface, but only a convex object has one that such an average fits. Where an outline is off by a pixel or more
from slice to slice, the wrap lies up to half as far from the true surface; on smooth outlines there is nothing to win.
`tools/bench_shrinkwrap.py` prints the figures.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from famous.errors import ConfigError, InputError
from famous.masks import Mask
from famous.mesh import Mesh
from famous.surface import isosurface, shrinkwrap
from famous.surface.isosurface import IsosurfaceParams
from famous.surface.shrinkwrap import ShrinkwrapParams
from famous.surface.steps import convex_hull
from famous.voxels import VoxelSize

Method = Literal["isosurface", "shrinkwrap"]


@dataclass(frozen=True)
class AutoParams:
    """When the shrink-wrap is taken, and how it then wraps."""

    ragged_px: float = 0.6  #: raggedness from which on an outline is ragged, in pixels; voxels alone make 0.2 to 0.45
    minimum_solidity: float = 0.95  #: volume of the wrap over that of its hull from which on an object is convex
    volume_off: float = 0.1  #: difference of the wrap's volume to the voxels', as a share, up to which it is trusted
    coarsest_z: float = 5.0  #: ratio of slice distance to pixel above which jumps cannot be told from slopes
    patch: float = 0.05  #: share of all points that the wrap of a ragged object averages over
    maximum_voxels: int = 32_000_000  #: an object with a larger box gets the isosurface, which needs less memory

    def __post_init__(self) -> None:
        limits = {"ragged_px": np.inf, "minimum_solidity": 1, "volume_off": 1, "coarsest_z": np.inf, "patch": 0.5}
        for name, high in limits.items():
            value = getattr(self, name)
            if not (0 <= value <= high and np.isfinite(value)):
                raise ConfigError(f"auto.{name}: found {value}, expected a number of 0 … {high}")
        if self.maximum_voxels < 1:
            raise ConfigError(f"auto.maximum_voxels: found {self.maximum_voxels}, expected at least 1")


@dataclass(frozen=True)
class Choice:
    """What was chosen and by what figures; NaN where a figure was not needed."""

    method: Method
    raggedness_px: float
    solidity: float
    volume_off: float


def surface(
    mask: Mask,
    *,
    voxel_size: VoxelSize,
    params: AutoParams | None = None,
    smooth: IsosurfaceParams | None = None,
    wrap: ShrinkwrapParams | None = None,
    offset: tuple[int, int, int] = (0, 0, 0),
) -> Mesh:
    """Make the surface that suits the object.

    Parameters
    ----------
    mask, offset
        As in `famous.surface.isosurface.surface`.
    smooth, wrap
        What the isosurface and the shrink-wrap are told; the wrap's patch is at least that of `params`.
    """
    params = params or AutoParams()
    choice, mesh = decide(mask, voxel_size=voxel_size, params=params, wrap=wrap)
    if choice.method == "isosurface" or mesh is None:
        return isosurface.surface(mask, voxel_size=voxel_size, params=smooth, offset=offset)
    return mesh.translated(np.array(offset) * voxel_size.zyx)


def decide(
    mask: Mask, *, voxel_size: VoxelSize, params: AutoParams | None = None, wrap: ShrinkwrapParams | None = None
) -> tuple[Choice, Mesh | None]:
    """Choose the method; with it the shrink-wrap, in nm of the crop, where one was made to choose.

    The rule: the shrink-wrap where the outline's raggedness is at least `ragged_px`, the slices are no more than
    `coarsest_z` pixels apart, and the wrap comes out convex with about the voxels' volume; else the isosurface.

    Raises
    ------
    InputError
        If the mask has not three axes.
    """
    params = params or AutoParams()
    if len(mask.shape) != 3:
        raise InputError(f"auto: found a mask of shape {mask.shape}, expected three axes (z, y, x)")
    unlike = voxel_size.z > params.coarsest_z * voxel_size.pixel_nm
    if unlike or math.prod(mask.shape) > params.maximum_voxels:
        return Choice("isosurface", math.nan, math.nan, math.nan), None
    array = np.asarray(mask[0 : mask.shape[0]], dtype=np.bool_)
    ragged = raggedness(array)
    if not ragged >= params.ragged_px:
        return Choice("isosurface", ragged, math.nan, math.nan), None
    wrap = wrap or ShrinkwrapParams()
    mesh = shrinkwrap.surface(array, voxel_size=voxel_size, params=replace(wrap, patch=max(wrap.patch, params.patch)))
    hull = convex_hull(mesh.vertices).volume_nm3
    solidity = mesh.volume_nm3 / hull if hull > 0 else math.nan
    off = mesh.volume_nm3 / (np.count_nonzero(array) * voxel_size.volume_nm3) - 1
    fits = solidity >= params.minimum_solidity and abs(off) <= params.volume_off
    return Choice("shrinkwrap" if fits else "isosurface", ragged, solidity, off), mesh


def raggedness(mask: NDArray[np.bool_]) -> float:
    """How far outlines are from what their neighbours in z foretell, in pixels.

    Each slice's signed distance is foretold from the two below and the two above, by the cubic through them, so that
    slopes and round ends do not count. The pixels on which forecast and slice differ, over those of the outlines: the
    mean distance between both. A smooth object's has 0.2 to 0.45 px from its voxels; outlines that are off by a pixel
    have 0.7 to 1.5. NaN where no five slices in a row have a pixel.

    Parameters
    ----------
    mask
        (z, y, x), True inside.
    """
    heights: list[NDArray[np.float64]] = []
    moved, edge = 0, 0
    for image in mask:
        if not image.any():
            heights.clear()
            continue
        heights.append(_signed_distance(image))
        if len(heights) == 5:
            forecast = (4 * (heights[1] + heights[3]) - (heights[0] + heights[4])) / 6
            here = heights[2] > 0
            moved += int(np.count_nonzero((forecast > 0) != here))
            edge += int(np.count_nonzero(here & (heights[2] < 2)))
            heights.pop(0)
    return moved / edge if edge else math.nan


def _signed_distance(image: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Distance in pixels to the nearest pixel of the other kind, above 0 inside; beyond the picture is outside."""
    padded = np.pad(image, 1)
    inner = ndimage.distance_transform_edt(padded)
    outer = ndimage.distance_transform_edt(~padded)
    distance: NDArray[np.float64] = np.asarray(inner, dtype=np.float64) - np.asarray(outer, dtype=np.float64)
    return distance
