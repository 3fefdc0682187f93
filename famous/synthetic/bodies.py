"""Small label volumes with a closed form, uint32 (z, y, x), 0 background: the cases on which linking goes wrong.

Lengths in nm, positions (z, y, x) in nm from the volume's corner; a voxel is set where its centre lies inside. Each
`…` volume comes with as many ids as there are true objects, so it can serve as truth, and `> 0` as input.
"""

import numpy as np
from numpy.typing import NDArray

from famous.synthetic.shapes import Segment, Shape, Tube
from famous.voxels import VoxelSize

Labels = NDArray[np.uint32]
Size = tuple[int, int, int]
Point = tuple[float, float, float]


def drawn(shape: Size, voxel_size: VoxelSize, solids: list[Shape]) -> Labels:
    """Draw solids with the ids 1, 2 … in the order given; where two meet the first one stays."""
    labels = np.zeros(shape, dtype=np.uint32)
    z, y, x = np.ix_(*((np.arange(n) + 0.5) * size for n, size in zip(shape, voxel_size.zyx, strict=True)))
    for instance, solid in enumerate(solids, start=1):
        labels[(solid.distance(z, y, x) < 0) & (labels == 0)] = instance
    return labels


def capsule(start_nm: Point, end_nm: Point, radius_nm: float) -> Tube:
    """Return a straight tube with round ends: volume π r² length + 4/3 π r³."""
    return Tube((Segment(np.array(start_nm, dtype=np.float64), np.array(end_nm, dtype=np.float64)),), radius_nm)


def ball(shape: Size, voxel_size: VoxelSize, centre_nm: Point, radius_nm: float) -> Labels:
    """One ball, id 1: volume 4/3 π r³, area 4 π r²."""
    z, y, x = np.ix_(*((np.arange(n) + 0.5) * size for n, size in zip(shape, voxel_size.zyx, strict=True)))
    squared = (z - centre_nm[0]) ** 2 + (y - centre_nm[1]) ** 2 + (x - centre_nm[2]) ** 2
    labels: Labels = (squared < radius_nm**2).astype(np.uint32)
    return labels


def crossing_tubes(shape: Size, voxel_size: VoxelSize, *, radius_nm: float, clearance_nm: float) -> Labels:
    """Two tubes that pass each other in an X as z grows, `clearance_nm` apart along x where they cross.

    Seen along x::

        z ↓   1     2
                1 2        one behind the other, never in contact
                2 1
              2     1
    """
    depth, height, width = _extent(shape, voxel_size)
    aside = radius_nm + clearance_nm / 2
    left, right, margin = width / 2 - aside, width / 2 + aside, 2 * radius_nm
    first = capsule((margin, margin, left), (depth - margin, height - margin, left), radius_nm)
    second = capsule((margin, height - margin, right), (depth - margin, margin, right), radius_nm)
    return drawn(shape, voxel_size, [first, second])


def gap(shape: Size, voxel_size: VoxelSize, *, radius_nm: float, slices: int = 1) -> Labels:
    """One upright tube, id 1, whose middle slices are empty, as where slices were lost.

    Seen along x::

        z ↓   1 1
              1 1
                       `slices` without a pixel
              1 1
    """
    depth, height, width = _extent(shape, voxel_size)
    tube = capsule((2 * radius_nm, height / 2, width / 2), (depth - 2 * radius_nm, height / 2, width / 2), radius_nm)
    labels = drawn(shape, voxel_size, [tube])
    first = (shape[0] - slices) // 2
    labels[first : first + slices] = 0
    return labels


def bridge(shape: Size, voxel_size: VoxelSize, *, radius_nm: float, bridge_radius_nm: float) -> Labels:
    """One body, id 1: two upright lobes that only a thin bridge joins, half-way down.

    Seen along x::

        z ↓   1 1     1 1      apart: two components in each slice
              1 1 1 1 1 1      the bridge: one component
              1 1     1 1
    """
    depth, height, width = _extent(shape, voxel_size)
    near, far, ends = height / 4, 3 * height / 4, (2 * radius_nm, depth - 2 * radius_nm)
    lobes = [capsule((ends[0], y, width / 2), (ends[1], y, width / 2), radius_nm) for y in (near, far)]
    joint = capsule((depth / 2, near, width / 2), (depth / 2, far, width / 2), bridge_radius_nm)
    return (drawn(shape, voxel_size, [*lobes, joint]) > 0).astype(np.uint32)


def rejoining_split(shape: Size, voxel_size: VoxelSize, *, radius_nm: float) -> Labels:
    """One body, id 1, that splits in two on its way down and joins again (a handle: genus 1).

    Seen along x::

        z ↓     1 1
               1   1
              1     1
               1   1
                1 1
    """
    depth, height, width = _extent(shape, voxel_size)
    x, middle, top, low = width / 2, height / 2, 2 * radius_nm, depth - 2 * radius_nm
    out, back, aside = depth / 3, 2 * depth / 3, max(height / 2 - 2 * radius_nm, 1.5 * radius_nm)
    solids: list[Shape] = [capsule((top, middle, x), (out, middle, x), radius_nm)]
    for y in (middle - aside, middle + aside):
        solids.append(capsule((out, middle, x), (depth / 2, y, x), radius_nm))
        solids.append(capsule((depth / 2, y, x), (back, middle, x), radius_nm))
    solids.append(capsule((back, middle, x), (low, middle, x), radius_nm))
    return (drawn(shape, voxel_size, solids) > 0).astype(np.uint32)


def touching_pair(shape: Size, voxel_size: VoxelSize, *, radius_nm: float) -> Labels:
    """Two upright tubes, ids 1 and 2, that touch along their whole length without a voxel between them.

    Seen along z::

        1 1 2 2
        1 1 2 2
    """
    depth, height, width = _extent(shape, voxel_size)
    ends = 2 * radius_nm, depth - 2 * radius_nm
    middle = round(height / 2 / voxel_size.y) * voxel_size.y  # the plane between two rows of voxels
    sides = (middle - radius_nm, middle + radius_nm)
    return drawn(
        shape, voxel_size, [capsule((ends[0], y, width / 2), (ends[1], y, width / 2), radius_nm) for y in sides]
    )


def _extent(shape: Size, voxel_size: VoxelSize) -> tuple[float, float, float]:
    z, y, x = (n * size for n, size in zip(shape, voxel_size.zyx, strict=True))
    return z, y, x
