"""Label surface with smoothing: blur the mask, then cut it at the level that keeps its volume.

Where slices lie far apart, the shapes between them come first (`famous.surface.slices`), because no blur can tell a
staircase from a slope.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from famous.errors import ConfigError, InputError
from famous.mesh import Mesh
from famous.surface.slices import interpolate_slices
from famous.voxels import VoxelSize

TRUNCATE = 3.0  # where the Gaussian ends, in σ
ROUNDS = 12  # how often the level may be corrected against the volume of the mesh; two are usual
APART = 0.01  # how far grid values stay from the level, as a share of the maximum
EDGE = 1e-3  # how near to 0 and to the field's maximum a level may come, as a share of the maximum


@dataclass(frozen=True)
class IsosurfaceParams:
    """What the isosurface can be told."""

    smooth_steps: float = 1.0  #: σ of the blur in steps of the coarsest axis (after interpolation); 0 leaves it out
    coarse_z: float = 1.5  #: from this ratio of slice distance to pixel on, shapes between the slices are interpolated
    volume_tolerance: float = 0.002  #: relative difference to the voxels' volume at which the level is good enough
    max_voxels: int = 8_388_608  #: a larger crop is binned first, which keeps its volume and bounds the memory

    def __post_init__(self) -> None:
        for name, low in (("smooth_steps", 0.0), ("coarse_z", 1.0), ("volume_tolerance", 1e-6), ("max_voxels", 4096)):
            value = getattr(self, name)
            if not (np.isfinite(value) and value >= low):
                raise ConfigError(f"isosurface.{name}: found {value}, expected a number of at least {low:g}")


def surface(
    mask: NDArray[np.bool_],
    *,
    voxel_size: VoxelSize,
    params: IsosurfaceParams | None = None,
    offset: tuple[int, int, int] = (0, 0, 0),
) -> Mesh:
    """Make a closed, smooth mesh round a mask whose volume is that of its voxels.

    Parameters
    ----------
    mask
        (z, y, x), True inside; a crop that may end at the object, because it is padded here.
    offset
        Index (z, y, x) of the crop's first voxel in the stack.

    Returns
    -------
    Mesh
        In nm of the stack, watertight, volume above 0; parts smaller than the blur may vanish beside larger ones. An
        empty mask gives an empty mesh.

    Raises
    ------
    InputError
        If the mask has not three axes.
    """
    params = params or IsosurfaceParams()
    mask = np.ascontiguousarray(mask, dtype=np.bool_)
    if mask.ndim != 3:
        raise InputError(f"isosurface: found a mask of shape {mask.shape}, expected three axes (z, y, x)")
    box = ndimage.find_objects(mask.view(np.uint8)) if mask.size else []
    if not box:
        return Mesh.empty()
    corner = np.array([side.start for side in box[0]]) + offset
    field, step, shift = _occupancy(np.ascontiguousarray(mask[box[0]]), voxel_size, params)
    target = float(np.count_nonzero(mask)) * voxel_size.volume_nm3
    sigma = params.smooth_steps * step.max() / step
    pad = np.ceil(TRUNCATE * sigma).astype(int) + 1
    field = np.pad(field, [(int(p), int(p)) for p in pad])
    if params.smooth_steps > 0:
        field = ndimage.gaussian_filter(field, sigma, mode="constant", truncate=TRUNCATE)
    mesh = _cut(field, step, target, params.volume_tolerance)
    origin = (corner + 0.5) * voxel_size.zyx + shift - pad * step
    return mesh.translated(origin)


def _occupancy(
    mask: NDArray[np.bool_], voxel_size: VoxelSize, params: IsosurfaceParams
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]:
    """Fill grade of each grid point in 0 … 1, the grid's step in nm, and where its first point lies against the mask's.

    The grid is the mask's own, a finer one along z where the slices are coarse, or a coarser one where it is too large.
    """
    step = np.array(voxel_size.zyx)
    shift = np.zeros(3)
    counts: NDArray[np.uint16] = mask.view(np.uint8)
    while counts.size > params.max_voxels:
        axis = int(np.argmin(np.where(np.array(counts.shape) > 1, step, np.inf)))
        counts = _pair(counts, axis)
        shift[axis] += step[axis] / 2
        step[axis] *= 2
    field = counts.astype(np.float32) * np.float32(voxel_size.volume_nm3 / step.prod())
    ratio = step[0] / np.sqrt(step[1] * step[2])
    if ratio >= params.coarse_z:
        parts = min(int(np.ceil(ratio - 0.25)), max(1, params.max_voxels // field.size))
        if parts > 1:
            field, first = interpolate_slices(field >= 0.5, parts, aspect=step[1] / step[2])
            step[0] /= parts
            shift[0] += first * step[0]
    return field, step, shift


def _pair(counts: NDArray[np.uint16], axis: int) -> NDArray[np.uint16]:
    """Add up pairs of neighbours along an axis; an odd last one stays alone."""
    even, odd = (tuple(slice(k, None, 2) if a == axis else slice(None) for a in range(3)) for k in (0, 1))
    pairs = counts[even].astype(np.uint16)
    first = tuple(slice(counts[odd].shape[axis]) if a == axis else slice(None) for a in range(3))
    pairs[first] += counts[odd]
    return pairs


def _cut(field: NDArray[np.float32], step: NDArray[np.float64], target: float, tolerance: float) -> Mesh:
    """Cut the field at the level whose mesh has the target volume (nm³).

    The first guess is the quantile that encloses as many grid points as the volume has room for, good for anything
    larger than the blur; from there on it is regula falsi (Illinois). Where no level will do, as with a handful of
    voxels, the nearest mesh is scaled about its centre, which cannot make it touch itself.
    """
    values = field[field > 0]
    top = float(values.max())
    wanted = min(max(round(target / float(step.prod())), 1), values.size)
    level = float(np.partition(values, values.size - wanted)[values.size - wanted])
    low, high = 0.0, top  # the volume falls while the level rises, from that of the padded crop to 0
    low_error, high_error = float(field.size * step.prod()) / target, -1.0
    best, error, side = Mesh.empty(), np.inf, 0
    for _ in range(ROUNDS):
        level = min(max(level, top * EDGE), top * (1 - EDGE))
        mesh = march(field, level, step, apart=top * APART)
        now = mesh.volume_nm3 / target - 1.0
        if abs(now) < error and mesh.is_watertight:
            best, error = mesh, abs(now)
        if error <= tolerance:
            return best
        if now > 0:
            low, low_error, high_error = level, now, high_error / 2 if side > 0 else high_error
        else:
            high, high_error, low_error = level, now, low_error / 2 if side < 0 else low_error
        side = 1 if now > 0 else -1
        level = low + (high - low) * min(max(low_error / (low_error - high_error), 0.05), 0.95)
    centre = best.vertices.mean(axis=0)
    return Mesh((best.vertices - centre) * (target / best.volume_nm3) ** (1 / 3) + centre, best.faces)


def march(field: NDArray[np.float32], level: float, step: NDArray[np.float64], *, apart: float) -> Mesh:
    """Cut a field (z, y, x), higher inside, at a level that lies above all of its border; origin at its first point.

    The classic table (`lorensen`) closes in every case; the one of Lewiner leaves holes where a face is ambiguous.
    Values nearer to the level than `apart` are moved to that distance. Otherwise the corners round such a grid point
    all but coincide, and single precision in a file makes them one.
    """
    from skimage.measure import marching_cubes

    height = field - np.float32(level)
    near = np.abs(height) < apart
    height[near] = np.where(height[near] > 0, np.float32(apart), -np.float32(apart))
    if not (height > 0).any():
        return Mesh.empty()
    vertices, faces, _, _ = marching_cubes(height, np.float32(0.0), method="lorensen", allow_degenerate=True)
    return Mesh(vertices.astype(np.float64) * step, faces[:, ::-1])
