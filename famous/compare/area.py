"""Surface area of the objects of a label volume, slice by slice, after Crofton.

A line that crosses a surface tells of its area: the mean number of crossings over all lines of all directions is in
proportion to it. Here the lines are those through the voxels in 13 directions, after Legland, Kiêu and Devaux (2007),
Computation of Minkowski measures on 2D and 3D binary images, Image Analysis & Stereology 26, 83–92.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import SphericalVoronoi

from famous.stack import LazyVolume
from famous.voxels import VoxelSize

#: Steps (z, y, x) to the neighbours of a voxel, one of each two that are opposite: within its slice, to the next one.
WITHIN = ((0, 0, 1), (0, 1, 0), (0, 1, 1), (0, 1, -1))
ACROSS = tuple((1, y, x) for y in (-1, 0, 1) for x in (-1, 0, 1))


@dataclass(frozen=True)
class Directions:
    """The 13 directions of a grid: how much surface a crossing of a line along each stands for."""

    voxel_size: VoxelSize

    @cached_property
    def nm2(self) -> dict[tuple[int, int, int], float]:
        """Step → nm² a crossing. A direction counts as much as the part of all directions that is nearest to it."""
        steps = (*WITHIN, *ACROSS)
        nm = np.array(steps) * self.voxel_size.zyx
        lengths = np.linalg.norm(nm, axis=1)
        unit = nm / lengths[:, None]
        parts = SphericalVoronoi(np.concatenate([unit, -unit])).calculate_areas()[: len(steps)] / (2 * np.pi)
        each = 2 * parts * self.voxel_size.volume_nm3 / lengths
        return dict(zip(steps, each.tolist(), strict=True))


@dataclass(frozen=True)
class Areas:
    """Area of objects: (n,) ids, rising, and nm² of each; those of parts of a volume add up."""

    ids: NDArray[np.uint64]
    nm2: NDArray[np.float64]

    @classmethod
    def empty(cls) -> "Areas":
        """Return the areas of no object."""
        return cls(np.zeros(0, dtype=np.uint64), np.zeros(0))

    @classmethod
    def joined(cls, parts: Iterable["Areas"]) -> "Areas":
        """Add up parts; an object may be in several."""
        listed = [cls.empty(), *parts]
        ids, place = np.unique(np.concatenate([part.ids for part in listed]), return_inverse=True)
        values = np.concatenate([part.nm2 for part in listed])
        return cls(ids, np.bincount(place, values, minlength=len(ids)).astype(np.float64))

    def of(self, ids: NDArray[np.uint64]) -> NDArray[np.float64]:
        """Return the areas of objects, (m,) nm²; NaN of those that are not here."""
        if len(self.ids) == 0:
            return np.full(len(ids), np.nan)
        place = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.where(self.ids[place] == ids, self.nm2[place], np.nan)


def area_of_slice(
    image: NDArray[np.unsignedinteger],
    after: NDArray[np.unsignedinteger] | None,
    directions: Directions,
    *,
    unknown: tuple[NDArray[np.bool_] | None, NDArray[np.bool_] | None] = (None, None),
) -> Areas:
    """Measure the surface in one slice and between it and the next.

    Parameters
    ----------
    image, after
        (y, x) ids of the slice and of the next one, None after the last; 0 is background.
    unknown
        (y, x) True where nobody knows what lies in `image` and in `after`; None where all is known. A line that leads
        there crosses no surface, nor does one that leads out of the volume, where an object is cut, not ended.

    Returns
    -------
    Areas
        Objects on either side of a crossing have it, those of `after` too.
    """
    dark, darker = unknown
    found = [_cross((image, image), (dark, dark), step, directions) for step in WITHIN]
    if after is not None:
        found += [_cross((image, after), (dark, darker), step, directions) for step in ACROSS]
    return Areas.joined(found)


def _cross(
    slices: tuple[NDArray[np.unsignedinteger], NDArray[np.unsignedinteger]],
    unknown: tuple[NDArray[np.bool_] | None, NDArray[np.bool_] | None],
    step: tuple[int, int, int],
    directions: Directions,
) -> Areas:
    """Count the crossings from slice to slice along one step, but for the unknown."""
    one, other = (side.ravel() for side in slices)
    width = slices[0].shape[1]
    shift = step[1] * width + step[2]
    first = slice(max(0, -shift), max(0, len(one) - max(0, shift)))
    second = slice(max(0, shift), max(0, len(other) - max(0, -shift)))
    start, end = one[first], other[second]
    differs = start != end
    for hidden, part in zip(unknown, (first, second), strict=True):
        if hidden is not None:
            differs &= ~hidden.ravel()[part]
    if step[2] != 0 and width > 0:  # a step over the end of a line leads out of the slice
        last = width - 1 if step[2] > 0 else 0
        differs[(last - first.start) % width :: width] = False
    crossed = np.flatnonzero(differs)
    sides = np.concatenate([start[crossed], end[crossed]])
    ids, counts = _count(sides[sides > 0])
    return Areas(ids, counts.astype(np.float64) * directions.nm2[step])


def _count(sides: NDArray[np.unsignedinteger]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """How often each id occurs; by counting where they lie near each other, which is quicker than sorting."""
    if len(sides) and int(sides.max()) < 4 * len(sides) + 1024:
        counts = np.bincount(sides.astype(np.int64))
        ids = np.flatnonzero(counts)
        return ids.astype(np.uint64), counts[ids]
    values, numbers = np.unique(sides, return_counts=True)
    return values.astype(np.uint64), numbers


def measure_areas(volume: LazyVolume, voxel_size: VoxelSize) -> Areas:
    """Measure all objects of a label volume; two of its slices are held at a time."""
    directions, total, depth = Directions(voxel_size), Areas.empty(), int(volume.shape[0])
    after = np.asarray(volume[0]) if depth else None
    for z in range(depth):
        image, after = after, np.asarray(volume[z + 1]) if z + 1 < depth else None
        if image is not None:
            total = Areas.joined([total, area_of_slice(image, after, directions)])
    return total
