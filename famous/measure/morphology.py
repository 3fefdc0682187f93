"""Size and shape of one instance, from its voxels and from its mesh: the columns that every run has."""

import math

import numpy as np
from numpy.typing import NDArray

from famous.errors import InputError
from famous.masks import Mask, find_body
from famous.measure.shape import circular_variance, hull_volume, principal_axes, sphericity
from famous.mesh import Mesh
from famous.topology import Topology, count_topology
from famous.voxels import NM_PER_UM, VoxelSize

AXES = ("major", "middle", "minor")

#: The columns of one row, in the order of instances.csv; `id`, `class` and the scores are the caller's.
COLUMNS = (
    "n_slices",
    *(f"{corner}_{axis}_um" for corner in ("centroid", "bb_min", "bb_max") for axis in "zyx"),
    "voxels",
    "volume_voxels_um3",
    "volume_mesh_um3",
    "area_um2",
    "surface_to_volume_per_um",
    "sphericity",
    "solidity",
    "circular_variance",
    *(f"axis_{name}_um" for name in AXES),
    *(f"extent_{name}_um" for name in AXES),
    *(f"axis_major_{axis}" for axis in "zyx"),
    "n_pieces",
    "n_tunnels",
    "n_cavities",
    "topology_kept",
    "touches_border",
)


def measure_instance(
    mask: Mask,
    mesh: Mesh,
    *,
    voxel_size: VoxelSize,
    offset: tuple[int, int, int] = (0, 0, 0),
    stack_shape: tuple[int, int, int] | None = None,
    topology: Topology | None = None,
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
    topology
        The mask's, where somebody has counted it already.

    Returns
    -------
    dict
        The keys of `COLUMNS`. The bounding box runs from voxel edge to voxel edge. `sphericity`, `circular_variance`,
        `axis_…` (the ellipsoid of the same inertia, full lengths, and the direction of the longest) and `extent_…`
        (from end to end along those axes) are explained in `famous.measure.shape`; all of them are the mesh's.
        `surface_to_volume_per_um` is the mesh's area over its volume, 3 / r for a ball. `solidity` is the voxels'
        volume over that of the mesh's convex hull, at most 1. `n_slices` counts the slices with a voxel; `n_pieces`,
        `n_tunnels` and `n_cavities` are the voxels' (`famous.topology`), and `topology_kept` says whether the
        mesh has the same. What is undefined is NaN; an empty mask has zeros for counts and volumes.
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
    topology = topology or count_topology(mask)
    row: dict[str, float | int | bool] = {"n_slices": int(np.count_nonzero(body.profiles[0]))}
    for name, corner in (("centroid", centroid), ("bb_min", low), ("bb_max", high)):
        row |= _named(f"{name}_{{}}_um", "zyx", corner)
    volume_nm3 = voxels * voxel_size.volume_nm3
    return (
        row
        | {"voxels": voxels, "volume_voxels_um3": volume_nm3 / NM_PER_UM**3}
        | _of_mesh(mesh, volume_nm3, centroid * NM_PER_UM)
        | {
            "n_pieces": topology.pieces,
            "n_tunnels": topology.tunnels,
            "n_cavities": topology.cavities,
            "topology_kept": mesh.topology == topology,
            "touches_border": touches,
        }
    )


def _of_mesh(mesh: Mesh, volume_voxels: float, centroid: NDArray[np.float64]) -> dict[str, float | int | bool]:
    """Return the columns that come from the mesh; the volume of the voxels is in nm³, their centroid in nm."""
    area, volume = (mesh.area_nm2, mesh.volume_nm3) if not mesh.is_empty else (math.nan, math.nan)
    axes = principal_axes(mesh)
    hull = hull_volume(mesh.vertices)
    return {
        "volume_mesh_um3": volume / NM_PER_UM**3,
        "area_um2": area / NM_PER_UM**2,
        "surface_to_volume_per_um": area / volume * NM_PER_UM if volume > 0 else math.nan,
        "sphericity": sphericity(volume, area),
        "solidity": min(volume_voxels / hull, 1.0) if hull > 0 else math.nan,
        "circular_variance": circular_variance(mesh, centroid),
        **_named("axis_{}_um", AXES, axes.lengths_nm / NM_PER_UM),
        **_named("extent_{}_um", AXES, axes.extents_nm / NM_PER_UM),
        **_named("axis_major_{}", "zyx", axes.directions[0]),
    }


def _named(pattern: str, names: tuple[str, ...] | str, values: NDArray[np.float64]) -> dict[str, float]:
    return {pattern.format(name): float(value) for name, value in zip(names, values, strict=True)}
