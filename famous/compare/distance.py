"""How far two surfaces are from each other, in nm: exact, whatever the voxel's sides, and only their voxels are held.

A voxel belongs to the surface of its object if one of its six neighbours does not belong to the object. From each such
voxel of either object the distance to the nearest one of the other is taken, centre to centre, and counts as much as
the area of the voxel's faces that look out. What nobody knows has no surface: a face towards it does not look out, nor
one towards what lies outside of the volume, where an object is cut, not ended.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from famous.voxels import VoxelSize

QUERIED = 1 << 20  # points whose nearest one is looked for at a time
DIGITS = 6  # of nm: distances that agree so far are the same


Dark = tuple[NDArray[np.bool_] | None, NDArray[np.bool_] | None, NDArray[np.bool_] | None]


@dataclass(frozen=True)
class Surface:
    """The surface voxels of one object: (n, 3) indices (z, y, x), and the area in nm² (n,) that looks out of each."""

    index: NDArray[np.int32]
    nm2: NDArray[np.float32]

    @classmethod
    def empty(cls) -> "Surface":
        """Return the surface of no voxel."""
        return cls(np.zeros((0, 3), dtype=np.int32), np.zeros(0, dtype=np.float32))

    @classmethod
    def joined(cls, parts: Iterable["Surface"]) -> "Surface":
        """Put the parts of an object together, which share no voxel."""
        listed = [cls.empty(), *parts]
        return cls(np.concatenate([part.index for part in listed]), np.concatenate([part.nm2 for part in listed]))


def surfaces_of_slice(
    slices: tuple[NDArray[np.unsignedinteger] | None, NDArray[np.unsignedinteger], NDArray[np.unsignedinteger] | None],
    z: int,
    wanted: NDArray[np.uint64],
    voxel_size: VoxelSize,
    unknown: Dark = (None, None, None),
) -> Iterator[tuple[int, Surface]]:
    """Find the surface voxels of one slice.

    Parameters
    ----------
    slices
        (y, x) ids of the slice before, of the slice, and of the one after; None where there is none.
    z
        Index of the slice.
    wanted
        Ids of the objects that are asked for, rising.
    unknown
        (y, x) True where nobody knows what lies in each of the slices, which are 0 there; None where all is known.

    Yields
    ------
    tuple
        Id and surface of each of them that is in the slice.
    """
    before, image, after = slices
    if len(wanted) == 0:
        return
    z_nm2, y_nm2, x_nm2 = (voxel_size.volume_nm3 / side for side in voxel_size.zyx)
    dark_before, dark, dark_after = unknown
    faces = []
    for side, hidden in ((before, dark_before), (after, dark_after)):
        if side is not None:
            face = image != side
            faces.append((z_nm2, face if hidden is None else face & ~hidden))
    for axis, nm2 in ((0, y_nm2), (1, x_nm2)):
        front, back = ((slice(None),) * axis + (half,) for half in (slice(1, None), slice(-1)))
        differs = image[front] != image[back]
        for own, other in ((front, back), (back, front)):
            face = np.zeros(image.shape, dtype=np.bool_)
            face[own] = differs if dark is None else differs & ~dark[other]
            faces.append((nm2, face))
    found = np.flatnonzero(np.logical_or.reduce([face for _, face in faces]) & (image > 0))
    out = np.zeros(len(found), dtype=np.float32)
    for nm2, face in faces:
        out += np.float32(nm2) * face.ravel()[found]
    y, x = np.divmod(found, max(1, image.shape[1]))
    ids = image.ravel()[found].astype(np.uint64)
    place = np.minimum(np.searchsorted(wanted, ids), len(wanted) - 1)
    kept = np.flatnonzero(wanted[place] == ids)
    order = kept[np.argsort(ids[kept], kind="stable")]
    ids, y, x, out = ids[order], y[order], x[order], out[order]
    index = np.stack([np.full(len(y), z), y, x], axis=1).astype(np.int32)
    turns = np.flatnonzero(ids[1:] != ids[:-1]) + 1
    for start, end in pairwise([0, *turns.tolist(), len(ids)] if len(ids) else []):
        yield int(ids[start]), Surface(index[start:end], out[start:end])


@dataclass(frozen=True)
class Distances:
    """Distances (n,) in nm, rising, each once, and the area in nm² (n,) that has it. Those of several objects add up.

    There are few different ones, since they lead from voxel to voxel: so all are kept.
    """

    nm: NDArray[np.float64]
    nm2: NDArray[np.float64]

    @classmethod
    def empty(cls) -> "Distances":
        """Return no distance."""
        return cls(np.zeros(0), np.zeros(0))

    @classmethod
    def of(cls, nm: NDArray[np.float64], nm2: NDArray[np.floating]) -> "Distances":
        """Put equal distances together."""
        values, place = np.unique(np.round(nm, DIGITS), return_inverse=True)
        return cls(values, np.bincount(place, nm2, minlength=len(values)).astype(np.float64))

    @classmethod
    def joined(cls, parts: Iterable["Distances"]) -> "Distances":
        """Put the distances of several objects together."""
        listed = [cls.empty(), *parts]
        return cls.of(np.concatenate([part.nm for part in listed]), np.concatenate([part.nm2 for part in listed]))

    @property
    def mean(self) -> float:
        """Mean over the surface; NaN of none."""
        return float(np.average(self.nm, weights=self.nm2)) if len(self.nm) else float("nan")

    @property
    def hausdorff(self) -> float:
        """The largest; NaN of none."""
        return float(self.nm[-1]) if len(self.nm) else float("nan")

    def percentile(self, percent: float) -> float:
        """Return the distance that so many percent of the surface are within; NaN of none."""
        if len(self.nm) == 0:
            return float("nan")
        share = np.cumsum(self.nm2) / self.nm2.sum()
        return float(self.nm[min(int(np.searchsorted(share, percent / 100 - 1e-12)), len(self.nm) - 1)])


def between(one: Surface, other: Surface, voxel_size: VoxelSize) -> Distances:
    """Measure from each of two surfaces to the other; no distance where one of them is empty."""
    if len(one.index) == 0 or len(other.index) == 0:
        return Distances.empty()
    return Distances.joined([_towards(one, other, voxel_size), _towards(other, one, voxel_size)])


def _towards(one: Surface, other: Surface, voxel_size: VoxelSize) -> Distances:
    """Measure from one surface to the other."""
    away = ~_are_in(one.index, other.index)
    distance = np.zeros(len(one.index))
    if away.any():
        sides = np.asarray(voxel_size.zyx)
        tree = KDTree(other.index * sides, balanced_tree=False, compact_nodes=False)
        chosen = np.flatnonzero(away)
        for start in range(0, len(chosen), QUERIED):
            some = chosen[start : start + QUERIED]
            distance[some] = tree.query(one.index[some] * sides)[0]
    return Distances.of(distance, one.nm2)


def _are_in(one: NDArray[np.int32], other: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Tell which voxels (n, 3) are among others."""
    low = np.minimum(one.min(axis=0), other.min(axis=0)).astype(np.int64)
    _, height, width = np.maximum(one.max(axis=0), other.max(axis=0)) - low + 1
    a, b = (((index - low) * [height * width, width, 1]).sum(axis=1) for index in (one, other))
    return np.isin(a, b)
