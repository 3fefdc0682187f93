"""Voxels that lie off from an instance, left out before its surface is made, where its class asks for that."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from famous.config import MeshConfig
from famous.masks import Mask, PackedMask, find_body, slabs
from famous.pieces import PieceVolume, find_pieces
from famous.pipeline.crops import Crop, Extent
from famous.points import OutlierParams, find_inliers
from famous.voxels import VoxelSize, index_to_nm


@dataclass(frozen=True)
class MaskVolume:
    """A mask as a lazy volume, slice by slice."""

    mask: Mask

    @property
    def shape(self) -> tuple[int, ...]:
        """(z, y, x)."""
        return self.mask.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the slices."""
        return np.dtype(np.bool_)

    def __getitem__(self, z: int) -> NDArray[np.bool_]:
        image: NDArray[np.bool_] = self.mask[z : z + 1][0]
        return image


def leave_out(extent: Extent, crop: Crop, config: MeshConfig) -> tuple[Extent, Crop]:
    """Leave the outliers of an instance out of its voxels, and count what is left; the crop itself stays as it is.

    Only where the class, or `mesh.outliers`, asks for it, and not for the shrink-wrap: its second step drops the same
    points, one by one. From here on the voxels left out belong to nobody: they are in no mesh, and every column of
    the row (voxels, slices, volumes, box, pieces, pores) is of those that stay. The label volume keeps them.
    """
    if config.outliers is None or config.method == "shrinkwrap":
        return extent, crop
    mask = drop_outlier_pieces(crop.mask, voxel_size=crop.voxel_size, params=config.outliers)
    if mask is crop.mask:
        return extent, crop
    body = find_body(mask)
    slices = int(np.count_nonzero(body.profiles[0]))
    return replace(extent, voxels=body.voxels, n_slices=slices), replace(crop, mask=mask)


def drop_outlier_pieces(mask: Mask, *, voxel_size: VoxelSize, params: OutlierParams) -> Mask:
    """Return the mask without the pieces of which more than half of the surface voxels are outliers.

    The points are the centres of the surface voxels, the outliers those of `famous.points.find_inliers`. A piece goes
    as a whole, and voxels of a piece that stays all stay: a point that goes leaves the cloud as dense as it was, a
    voxel that goes leaves a pit. A piece with as many surface voxels as a point has neighbours is a crowd of its own,
    in which no point is far from the others. The largest piece always stays.

    Parameters
    ----------
    mask
        (z, y, x), True inside, an array or a `PackedMask`.

    Returns
    -------
    Mask
        Of the same kind; the mask itself where nothing goes.
    """
    pieces, origins = find_pieces(MaskVolume(mask))
    count = len(origins) - 1
    if count < 2:
        return mask
    index, member = _surface(mask, pieces)
    inliers = find_inliers(index_to_nm(index, voxel_size), params)
    points = np.bincount(member, minlength=count + 1)
    kept = 2 * np.bincount(member[inliers], minlength=count + 1) >= points
    kept[0], kept[int(points.argmax())] = False, True
    return mask if kept[1:].all() else _choose(mask, pieces, kept)


def _surface(mask: Mask, pieces: PieceVolume) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Index (n, 3) of the voxels with a face that looks outside, and the piece of each."""
    found: list[NDArray[np.int64]] = [np.zeros((0, 3), dtype=np.int64)]
    member: list[NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)]
    for part in slabs(mask):
        low, high = max(part.start - 1, 0), min(part.stop + 1, mask.shape[0])
        block = mask[low:high]
        own = np.zeros_like(block)
        inner = slice(part.start - low, part.stop - low)
        own[inner] = (block & ~ndimage.binary_erosion(block))[inner]
        index = np.argwhere(own) + np.array([low, 0, 0])
        found.append(index)
        member += [_of_slice(pieces, z, index) for z in range(part.start, part.stop)]
    return np.concatenate(found), np.concatenate(member)


def _of_slice(pieces: PieceVolume, z: int, index: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pieces of those of (n, 3) voxels, in the order of z, that lie in one slice."""
    start, end = np.searchsorted(index[:, 0], [z, z + 1])
    own = index[start:end]
    return pieces[z][own[:, 1], own[:, 2]].astype(np.int64)


def _choose(mask: Mask, pieces: PieceVolume, kept: NDArray[np.bool_]) -> Mask:
    """Return a mask of the same kind with the pieces that are kept."""
    z, y, x = mask.shape
    left: Mask = PackedMask((z, y, x)) if isinstance(mask, PackedMask) else np.zeros((z, y, x), dtype=np.bool_)
    for number in range(z):
        image = kept[pieces[number]]
        if isinstance(left, PackedMask):
            left.put(number, image)
        else:
            left[number : number + 1][0][...] = image
    return left
