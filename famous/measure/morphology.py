"""Size and shape of one instance, from its voxels and from its mesh."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from famous.errors import InputError
from famous.masks import Mask, find_body
from famous.mesh import Mesh
from famous.voxels import NM_PER_UM, VoxelSize

HULL_POINTS = 1 << 15  # of a hull that is made at a time

#: The columns of one row, in the order of instances.csv; `id`, `class` and the scores are the caller's.
COLUMNS = (
    "n_slices",
    "centroid_z_um",
    "centroid_y_um",
    "centroid_x_um",
    "bb_min_z_um",
    "bb_min_y_um",
    "bb_min_x_um",
    "bb_max_z_um",
    "bb_max_y_um",
    "bb_max_x_um",
    "voxels",
    "volume_voxels_um3",
    "volume_mesh_um3",
    "area_um2",
    "sphericity",
    "solidity",
    "touches_border",
)


def measure_instance(
    mask: Mask,
    mesh: Mesh,
    *,
    voxel_size: VoxelSize,
    offset: tuple[int, int, int] = (0, 0, 0),
    stack_shape: tuple[int, int, int] | None = None,
) -> dict[str, float | int | bool]:
    """Measure one instance.

    Parameters
    ----------
    mask
        (z, y, x) crop, True inside, an array or a `PackedMask`.
    mesh
        Its surface in nm of the stack; an empty one leaves the mesh's columns NaN.
    offset
        Index (z, y, x) of the crop's first voxel in the stack.
    stack_shape
        (z, y, x) of the whole stack; without it, the crop is taken for the stack.

    Returns
    -------
    dict
        The keys of `COLUMNS`. The bounding box runs from voxel edge to voxel edge. `sphericity` is
        π^(1/3) (6 V)^(2/3) / A of the mesh (Wadell 1935), 1 for a ball. `solidity` is the voxels' volume over that
        of the mesh's convex hull, at most 1. `n_slices` counts the slices with a voxel. What is undefined is NaN; an
        empty mask has zeros for counts and volumes.
    """
    if isinstance(mask, np.ndarray):
        mask = mask.astype(np.bool_, copy=False)
    if len(mask.shape) != 3:
        raise InputError(f"measure: found a mask of shape {mask.shape}, expected three axes (z, y, x)")
    start = np.asarray(offset, dtype=np.int64)
    shape = np.asarray(stack_shape if stack_shape is not None else start + mask.shape)
    size = np.array(voxel_size.zyx)
    body = find_body(mask)
    voxels = body.voxels
    centroid, low, high = np.full(3, np.nan), np.full(3, np.nan), np.full(3, np.nan)
    touches = False
    if voxels:
        first, last = start + body.low, start + body.high
        touches = bool((first <= 0).any() or (last >= shape).any())
        centre = np.array([(np.arange(len(count)) * count).sum() / voxels for count in body.profiles])
        centroid, low, high = ((edge * size / NM_PER_UM) for edge in (centre + start + 0.5, first, last))
    volume_um3 = voxels * voxel_size.volume_nm3 / NM_PER_UM**3
    area, volume = (mesh.area_nm2, mesh.volume_nm3) if not mesh.is_empty else (math.nan, math.nan)
    row: dict[str, float | int | bool] = {"n_slices": int(np.count_nonzero(body.profiles[0]))}
    for name, corner in (("centroid", centroid), ("bb_min", low), ("bb_max", high)):
        for axis, value in zip("zyx", corner, strict=True):
            row[f"{name}_{axis}_um"] = float(value)
    return row | {
        "voxels": voxels,
        "volume_voxels_um3": volume_um3,
        "volume_mesh_um3": volume / NM_PER_UM**3,
        "area_um2": area / NM_PER_UM**2,
        "sphericity": sphericity(volume, area),
        "solidity": _ratio(volume_um3 * NM_PER_UM**3, hull_volume(mesh.vertices)),
        "touches_border": touches,
    }


def sphericity(volume: float, area: float) -> float:
    """Area of the ball with the same volume over the area: 1 for a ball, NaN where either is not above 0."""
    if not (volume > 0 and area > 0):
        return math.nan
    return float(math.pi ** (1 / 3) * (6 * volume) ** (2 / 3) / area)


def hull_volume(points: NDArray[np.float64]) -> float:
    """Volume of the convex hull of (n, 3) points, NaN where they lie in one plane or are fewer than four."""
    if len(points) < 4:
        return math.nan
    try:
        hull = ConvexHull(_outermost(points - points.mean(axis=0)))
    except QhullError:
        return math.nan
    return float(hull.volume)


def _outermost(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of many points those that may be corners of their hull, namely those of the hulls of parts of them."""
    while len(points) > HULL_POINTS:
        left = []
        for start in range(0, len(points), HULL_POINTS):
            part = points[start : start + HULL_POINTS]
            try:
                left.append(part[ConvexHull(part).vertices])
            except QhullError:  # in one plane
                left.append(part)
        fewer = np.concatenate(left)
        if len(fewer) > 0.9 * len(points):
            break
        points = fewer
    return points


def _ratio(part: float, whole: float) -> float:
    """Quotient up to 1, NaN where the whole is not above 0."""
    return min(part / whole, 1.0) if whole > 0 else math.nan
