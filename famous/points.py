"""Point clouds in nm: the surface voxels of an instance, cleaned of outliers and thinned."""

import ctypes
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from famous.errors import ConfigError, InputError, MissingError
from famous.voxels import VoxelSize, index_to_nm

NORMAL_BLUR = 1.0  # σ of the blur whose slope gives the normals, in steps of the coarsest axis
QUERY_POINTS = 262_144  # neighbours are asked for in parts of this size, which bounds the memory


@dataclass(frozen=True, eq=False)
class PointCloud:
    """Points (n, 3) and their outward unit normals (n, 3), (z, y, x) in nm; a normal is 0 where none is defined."""

    positions: NDArray[np.float64]
    normals: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.positions.ndim != 2 or self.positions.shape[1] != 3 or self.normals.shape != self.positions.shape:
            raise InputError(
                f"points: found positions {self.positions.shape} and normals {self.normals.shape}, expected (n, 3) both"
            )

    def __len__(self) -> int:
        return len(self.positions)

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> "PointCloud":
        """Return the chosen points, by a mask or by indices."""
        return PointCloud(self.positions[chosen], self.normals[chosen])


@dataclass(frozen=True)
class OutlierParams:
    """When a point is too far from its neighbours; the meaning and the defaults of the values are open3d's."""

    neighbours: int = 20  #: how many nearest points are looked at, the point itself among them
    std_ratio: float = 2.0  #: standard deviations above the mean distance at which a point is dropped

    def __post_init__(self) -> None:
        if self.neighbours < 1:
            raise ConfigError(f"outliers.neighbours: found {self.neighbours}, expected at least 1")
        if not self.std_ratio > 0:
            raise ConfigError(f"outliers.std_ratio: found {self.std_ratio}, expected a number above 0")


def from_mask(
    mask: NDArray[np.bool_], *, voxel_size: VoxelSize, offset: tuple[int, int, int] = (0, 0, 0)
) -> PointCloud:
    """Centres of the voxels at the surface of a mask: those with a face that looks at a voxel outside.

    Parameters
    ----------
    mask
        (z, y, x), True inside; what lies beyond the crop counts as outside.
    offset
        Index (z, y, x) of the crop's first voxel in the stack.

    Returns
    -------
    PointCloud
        In the order of the voxels; normals from the slope of the blurred mask.
    """
    mask = np.asarray(mask, dtype=np.bool_)
    if mask.ndim != 3:
        raise InputError(f"points: found a mask of shape {mask.shape}, expected three axes (z, y, x)")
    index = np.argwhere(mask & ~ndimage.binary_erosion(mask))
    normals = _normals(mask, voxel_size, (index,))
    return PointCloud(index_to_nm(index + np.asarray(offset), voxel_size), normals)


def from_faces(
    mask: NDArray[np.bool_], *, voxel_size: VoxelSize, offset: tuple[int, int, int] = (0, 0, 0)
) -> PointCloud:
    """Centres of the voxels' faces that look at a voxel outside: one point a face, none of them off to either side.

    Where the object's border is smooth, it crosses between the centres of the two voxels of a face, anywhere and so
    half way on average. The centres of the surface voxels, by contrast, lie inside the object, and those of a plate
    one voxel thick do not tell its sides apart.

    Parameters
    ----------
    mask, offset
        As in `from_mask`.

    Returns
    -------
    PointCloud
        Faces that look back and ahead along z, then y, then x, each in the order of the voxels.
    """
    mask = np.asarray(mask, dtype=np.bool_)
    if mask.ndim != 3:
        raise InputError(f"points: found a mask of shape {mask.shape}, expected three axes (z, y, x)")
    inside, outside = [np.zeros((0, 3), dtype=np.int64)], [np.zeros((0, 3), dtype=np.int64)]
    padded = np.pad(mask, 1)
    for axis in range(3):
        for side in (-1, 1):
            index = np.argwhere(padded & ~np.roll(padded, -side, axis)) - 1
            inside.append(index)
            outside.append(index + side * (np.arange(3) == axis))
    here, there = np.concatenate(inside), np.concatenate(outside)
    normals = _normals(mask, voxel_size, (here, there))
    return PointCloud(index_to_nm((here + there) / 2 + np.asarray(offset), voxel_size), normals)


def _normals(
    mask: NDArray[np.bool_], voxel_size: VoxelSize, places: tuple[NDArray[np.int64], ...]
) -> NDArray[np.float64]:
    """(n, 3) unit normals: the slope of the blurred mask, averaged over the places (n, 3) of each point."""
    if len(places[0]) == 0:
        return np.zeros((0, 3))
    size = np.array(voxel_size.zyx)
    sigma = NORMAL_BLUR * size.max() / size
    pad = [int(np.ceil(3 * s)) + 2 for s in sigma]
    field = np.pad(mask, [(p, p) for p in pad]).astype(np.float32)
    field = ndimage.gaussian_filter(field, sigma, mode="constant", truncate=3.0)
    normals = np.zeros((len(places[0]), 3))
    for index in places:
        for axis in range(3):
            ahead, behind = index + pad, index + pad
            ahead[:, axis] += 1
            behind[:, axis] -= 1
            normals[:, axis] += (field[tuple(behind.T)] - field[tuple(ahead.T)]) / (2 * size[axis])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    unit: NDArray[np.float64] = np.divide(normals, lengths, out=np.zeros_like(normals), where=lengths > 0)
    return unit


def from_labels(
    labels: NDArray[np.uint32], *, voxel_size: VoxelSize, offset: tuple[int, int, int] = (0, 0, 0)
) -> Iterator[tuple[int, PointCloud]]:
    """Give each label (z, y, x; 0 is background) with its surface voxels, as `from_mask` does, in rising order."""
    if labels.ndim != 3:
        raise InputError(f"points: found labels of shape {labels.shape}, expected three axes (z, y, x)")
    ids = np.unique(labels)
    ids = ids[ids > 0]
    dense = np.where(labels > 0, np.searchsorted(ids, labels) + 1, 0)
    for label, box in zip(ids, ndimage.find_objects(dense), strict=True):
        first = (offset[0] + box[0].start, offset[1] + box[1].start, offset[2] + box[2].start)
        yield int(label), from_mask(labels[box] == label, voxel_size=voxel_size, offset=first)


def find_inliers(positions: NDArray[np.float64], params: OutlierParams | None = None) -> NDArray[np.bool_]:
    """Mark the points that are not outliers by the distance to their neighbours.

    A point is dropped where the mean distance to its nearest neighbours (itself among them, at 0) reaches the mean of
    all these means plus `std_ratio` standard deviations: `remove_statistical_outlier` of open3d, whose result this
    equals, as fast and without loading it. One case differs: where all distances are the same, as on a lattice,
    open3d drops every point and this none.

    Parameters
    ----------
    positions
        (n, 3) in nm; the paper cleans all points of a class at once.
    """
    number = len(positions)
    if number < 2:
        return np.ones(number, dtype=np.bool_)
    params = params or OutlierParams()
    tree = cKDTree(positions)
    count = min(params.neighbours, number)
    means = np.empty(number)
    for start in range(0, number, QUERY_POINTS):
        part = slice(start, start + QUERY_POINTS)
        distances, _ = tree.query(positions[part], np.arange(1, count + 1), workers=-1)
        means[part] = np.asarray(distances).mean(axis=1)
    valid = means > 0  # a heap of equal points: open3d leaves it out of the statistics and drops it
    average = means.sum() / number
    spread = float(np.sqrt((np.where(valid, means - average, 0.0) ** 2).sum() / (number - 1)))
    if spread <= 1e-9 * average:
        return np.ones(number, dtype=np.bool_)
    inliers: NDArray[np.bool_] = valid & (means < average + params.std_ratio * spread)
    return inliers


def drop_outliers(cloud: PointCloud, params: OutlierParams | None = None) -> PointCloud:
    """Return the cloud without the points that `find_inliers` does not mark."""
    return cloud.take(find_inliers(cloud.positions, params))


def drop_outliers_together(
    clouds: Mapping[int, PointCloud], params: OutlierParams | None = None
) -> dict[int, PointCloud]:
    """Drop the outliers of all instances of a class at once, as the paper does; by instance, as they came.

    The neighbours may belong to another instance and all distances are measured by one ruler: a speck beside another
    organelle stays, and an instance whose points lie far apart loses many. `drop_outliers` looks at one alone.
    """
    names, parts = list(clouds), [cloud.positions for cloud in clouds.values()]
    if not parts:
        return {}
    inliers = find_inliers(np.concatenate(parts), params)
    ends = np.cumsum([len(part) for part in parts])[:-1]
    chosen = np.split(inliers, ends)
    return {name: clouds[name].take(own) for name, own in zip(names, chosen, strict=True)}


def thin(cloud: PointCloud, step_nm: float) -> PointCloud:
    """Replace the points in each cube of a grid by one at their mean, with their mean normal; in the cubes' order."""
    if not (np.isfinite(step_nm) and step_nm > 0):
        raise ConfigError(f"thin: found a step of {step_nm} nm, expected a length above 0")
    if len(cloud) == 0:
        return cloud
    cubes = np.floor((cloud.positions - cloud.positions.min(axis=0)) / step_nm).astype(np.int64)
    _, member, counts = np.unique(cubes, axis=0, return_inverse=True, return_counts=True)
    member = member.ravel()
    means = [
        np.stack([np.bincount(member, weights=values[:, axis]) / counts for axis in range(3)], axis=1)
        for values in (cloud.positions, cloud.normals)
    ]
    lengths = np.linalg.norm(means[1], axis=1, keepdims=True)
    return PointCloud(means[0], np.divide(means[1], lengths, out=np.zeros_like(means[1]), where=lengths > 0))


def load_open3d() -> ModuleType:
    """Import open3d, with libusb from PyPI where the system has none; it opens no window and asks no network.

    Raises
    ------
    MissingError
        If open3d, or a library that it needs, cannot be loaded.
    """
    os.environ.setdefault("OPEN3D_DISABLE_WEB_VISUALIZER", "true")
    try:
        import libusb_package

        ctypes.CDLL(str(libusb_package.get_library_path()), mode=ctypes.RTLD_GLOBAL)
    except (ImportError, OSError):
        pass  # the system may have its own; if not, the next import says so
    try:
        import open3d
    except (ImportError, OSError) as error:
        raise MissingError(
            f"open3d: found that it does not load ({error}), expected open3d and libusb-1.0; "
            "run: pip install open3d libusb-package"
        ) from error
    open3d.utility.set_verbosity_level(open3d.utility.VerbosityLevel.Error)
    module: ModuleType = open3d
    return module
