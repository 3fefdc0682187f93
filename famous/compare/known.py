"""Which part of a slice is scored: partial truth, an ignore label, and a zone round truth's borders."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from famous.errors import InputError
from famous.voxels import VoxelSize

FRONT, BACK, ALL = slice(1, None), slice(-1), slice(None)
NEIGHBOURS = (  # the four directions in which two pixels touch
    ((FRONT, ALL), (BACK, ALL)),
    ((ALL, FRONT), (ALL, BACK)),
    ((FRONT, FRONT), (BACK, BACK)),
    ((FRONT, BACK), (BACK, FRONT)),
)


@dataclass(frozen=True)
class KnownParams:
    """What is left out of a comparison; an object that lies wholly in it is on neither side."""

    low: tuple[int, int, int] = (0, 0, 0)  # first voxel (z, y, x) of the region
    high: tuple[int, int, int] | None = None  # one past its last voxel; None: to the end
    slices: frozenset[int] | None = None  # slices that truth speaks of; None: all
    ignore_truth: int | None = None  # label of truth where nobody has judged
    ignore_pred: int | None = None  # the same of pred, where pred is another truth
    border_nm: float = 0.0  # nothing is scored within this in-plane distance of truth's borders


def known_slice(
    z: int, pred: NDArray[Any], truth: NDArray[Any], *, voxel_size: VoxelSize, params: KnownParams
) -> NDArray[np.bool_] | None:
    """Find the pixels of one slice that are scored.

    Parameters
    ----------
    z
        Index of the slice.
    pred, truth
        (y, x) labels of both sides, before anything is left out.

    Returns
    -------
    numpy.ndarray or None
        (y, x) True where scored; None where all of it is. The borders of the volume and of the region are none of an
        object.
    """
    high = params.high if params.high is not None else (z + 1, *truth.shape)
    if not params.low[0] <= z < high[0] or (params.slices is not None and z not in params.slices):
        return np.zeros(truth.shape, dtype=np.bool_)
    whole = params.low[1:] == (0, 0) and high[1] >= truth.shape[0] and high[2] >= truth.shape[1]
    plain = params.ignore_truth is None and params.ignore_pred is None and params.border_nm == 0
    if whole and plain:
        return None
    known = np.zeros(truth.shape, dtype=np.bool_)
    known[params.low[1] : high[1], params.low[2] : high[2]] = True
    if params.ignore_truth is not None:
        known &= truth != params.ignore_truth
    if params.ignore_pred is not None:
        known &= pred != params.ignore_pred
    if params.border_nm:
        known &= ~near_borders(truth, border_nm=params.border_nm, voxel_size=voxel_size)
    return known


@dataclass(frozen=True)
class KnownSlices:
    """`known_slice` with its parameters, as `count_slices` wants it; picklable."""

    voxel_size: VoxelSize
    params: KnownParams

    def __call__(self, z: int, pred: NDArray[Any], truth: NDArray[Any]) -> NDArray[np.bool_] | None:
        """Find the pixels of slice z that are scored."""
        return known_slice(z, pred, truth, voxel_size=self.voxel_size, params=self.params)


def near_borders(labels: NDArray[Any], *, border_nm: float, voxel_size: VoxelSize) -> NDArray[np.bool_]:
    """Find the pixels of a slice near a border between two labels, background being one.

    The distance is in the plane of the slice. A pixel that touches another label, be it at a corner, is half a pixel
    away from the border; from there on it is counted from centre to centre.

    Parameters
    ----------
    labels
        (y, x).
    border_nm
        Pixels nearer than this are found; from 0.
    """
    if not (np.isfinite(border_nm) and border_nm >= 0):
        raise InputError(f"border zone: found {border_nm} nm, expected a length of 0 or more")
    last = np.zeros(labels.shape, dtype=np.bool_)  # the pixels that touch another label
    for one, other in NEIGHBOURS:
        differs = labels[one] != labels[other]
        last[one] |= differs
        last[other] |= differs
    reach_nm = border_nm - voxel_size.pixel_nm / 2
    near = np.zeros(labels.shape, dtype=np.bool_)
    if reach_nm <= 0 or not last.any():
        return near
    window = []
    for axis, size_nm in enumerate(voxel_size.zyx[1:]):
        lines = np.flatnonzero(last.any(axis=1 - axis))
        reach = int(np.ceil(reach_nm / size_nm))
        window.append(slice(max(0, int(lines[0]) - reach), int(lines[-1]) + reach + 1))
    part = tuple(window)
    near[part] = ndimage.distance_transform_edt(~last[part], sampling=voxel_size.zyx[1:]) < reach_nm
    return near
