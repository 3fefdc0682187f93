"""The smoothed fill grade round one instance, slab by slab, so that its length costs no memory.

The slabs hold the same numbers wherever they are cut.
"""

from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from famous.masks import Body, Mask, count_exposed
from famous.surface.marching import Slab
from famous.surface.slices import Between, room_for
from famous.voxels import VoxelSize

SLAB_VOXELS = 1 << 19  # of the grid at a time
KEPT_VOXELS = 1 << 21  # a grid of no more is kept; a larger one is made anew each time that somebody goes through it
KEPT_BETWEEN = 1 << 24  # the same where shapes between slices are in it, which cost a hundred times as much
BELIEVED = 0.25  # share of the voxels' volume by which that of the shapes between slices may differ from it
HALF = 0.5  # a grid point is inside if more of it is filled
TRUNCATE = 3.0  # where the blur ends, in σ

Grades = NDArray[np.uint8] | NDArray[np.float32]  # a mask needs no floats


@dataclass(frozen=True)
class Grid:
    """The grid that a body is meshed on: its own, a finer one along z, or a coarser one where it would be too large."""

    bins: tuple[int, int, int]  # voxels per grid point
    parts: int  # slices that replace one, where they lie far apart
    step: NDArray[np.float64]  # nm

    @classmethod
    def choose(
        cls, mask: Mask, body: Body, voxel_size: VoxelSize, *, coarse_z: float = 1.5, max_faces: int = 2**31
    ) -> "Grid":
        """Bin the finest axis until the mesh has no more faces than allowed: about two for each face of a voxel."""
        bins = np.ones(3, dtype=np.int64)
        few = 12 * body.voxels * max(1, round(voxel_size.z / min(voxel_size.y, voxel_size.x))) <= max_faces
        exposed = np.zeros(3) if few else np.array(count_exposed(mask), dtype=np.float64)
        while True:
            step = np.array(voxel_size.zyx) * bins
            ratio = step[0] / np.sqrt(step[1] * step[2])
            parts = int(np.ceil(ratio - 0.25)) if ratio >= coarse_z else 1
            if 2 * (exposed * (1, parts, parts)).sum() <= max_faces or (bins >= body.shape).all():
                return cls((int(bins[0]), int(bins[1]), int(bins[2])), parts, step / (parts, 1, 1))
            axis = int(np.argmin(np.where(bins < body.shape, step, np.inf)))
            bins[axis] *= 2
            exposed[np.arange(3) != axis] /= 2


class Occupancy:
    """Fill grade of the grid points round a body, blurred; 0 along all of its border, and beyond 0 … 1 beside edges.

    Parameters
    ----------
    mask, body
        The instance.
    grid
        Where its fill grade is asked for.
    smooth_nm
        σ of the blur.
    """

    def __init__(self, mask: Mask, body: Body, grid: Grid, smooth_nm: float) -> None:
        self._mask, self._body, self.grid, self._solid = mask, body, grid, False
        sigma = smooth_nm / grid.step
        self._pad = [int(pad) for pad in np.ceil(TRUNCATE * sigma) + 1]
        self._kernels = [_kernel(float(value)) for value in sigma]
        self._room = room_for(grid.parts * grid.step[0] / grid.step[2]) if grid.parts > 1 else 0  # to bulge and lean
        self._pad = [self._pad[0], self._pad[1] + self._room, self._pad[2] + self._room]
        self._beyond = int(grid.parts > 1)  # binned slices at both ends for what ends between slices
        points = (-(-body.shape // grid.bins) + (2 * self._beyond, 0, 0)) * (grid.parts, 1, 1) + 2 * np.array(self._pad)
        self.shape = (int(points[0]), int(points[1]), int(points[2]))
        self._kept: list[Slab] = []
        self._held: NDArray[np.int64] | None = None
        self._excess = 0.0

    @property
    def volume_nm3(self) -> float:
        """Volume of the voxels, and where slices lie far apart what was found between them, once that is known.

        It is when the slabs were gone through, see `famous.surface.slices.Between.excess`.
        """
        voxels = float(self._body.voxels * (self.grid.step * (self.grid.parts, 1, 1) / self.grid.bins).prod())
        more = self._excess * float((self.grid.step * (self.grid.parts, 1, 1)).prod())
        return voxels + min(max(more, -BELIEVED * voxels), BELIEVED * voxels)

    @property
    def origin(self) -> NDArray[np.float64]:
        """Position of the first grid point in nm of the mask."""
        bins, parts, step = np.array(self.grid.bins), self.grid.parts, self.grid.step
        first = (np.array(self._body.low) + bins / 2) * step * (parts, 1, 1) / bins
        origin: NDArray[np.float64] = first - step * ((parts - 1) / 2 + self._beyond * parts, 0, 0) - self._pad * step
        return origin

    def __iter__(self) -> Iterator[Slab]:
        slabs: Iterable[Slab] = self._kept or self._slabs()
        if not self._kept and np.prod(self.shape) <= (KEPT_BETWEEN if self.grid.parts > 1 else KEPT_VOXELS):
            self._kept.extend(slabs)
            slabs = self._kept
        area = self.shape[1] * self.shape[2]
        for slab in slabs:
            if not self._solid:
                yield Slab(slab.first, slab.field)
            elif self._held is None:
                yield slab
            else:
                first, last = np.searchsorted(self._held, np.array([0, len(slab.field)]) * area + slab.first * area)
                yield Slab(slab.first, slab.field, slab.solid, self._held[first:last] - slab.first * area)

    def with_solid(self, held: NDArray[np.int64] | None = None) -> "Occupancy":
        """The same, whose slabs say, too, what is inside before the blur; what is kept is kept for both.

        With flat indices, ascending, these points alone are held to it, else all.
        """
        other = copy(self)
        other._solid, other._held = True, held
        return other

    def _slabs(self) -> Iterator[Slab]:
        """Blur along z, with the planes that the kernel reaches over carried from slab to slab."""
        kernel = self._kernels[0]
        reach = len(kernel) // 2
        first, carried = 0, np.zeros((reach, *self.shape[1:]), dtype=np.float32)
        shared, solid = np.zeros((0, *self.shape[1:]), dtype=np.float32), np.zeros((0, *self.shape[1:]), dtype=np.bool_)
        for planes, inside in self._padded():
            known = np.concatenate([carried, planes]) if len(carried) else planes
            solid = np.concatenate([solid, inside])
            carried = known[len(known) - 2 * reach :]
            if len(known) <= 2 * reach:
                carried = known
                continue
            blurred = _blur_rows(known, kernel)[reach : len(known) - reach]
            field = np.concatenate([shared, blurred]) if len(shared) else blurred
            if len(field) > 1:
                yield Slab(first, field, solid[: len(field)])
                first += len(field) - 1
                solid = solid[len(field) - 1 :]
            shared = field[-1:]

    def _padded(self) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
        """Fill grades blurred in the plane, with empty planes at both ends: the grid's, and what the kernel reaches.

        And what is inside before the blur.
        """
        pads = [(0, 0), (self._pad[1] - self._room,) * 2, (self._pad[2] - self._room,) * 2]
        ahead, behind = self._pad[0], self._pad[0] + len(self._kernels[0]) // 2
        low = -self._beyond * self.grid.bins[0]
        depth = -(-int(self._body.shape[0]) // self.grid.bins[0]) * self.grid.bins[0] - low
        between = self._open()
        thick = max(1, SLAB_VOXELS // (self.shape[1] * self.shape[2] * self.grid.parts)) * self.grid.bins[0]
        for start in range(low, depth, thick):
            end = min(start + thick, depth)
            grades = self._grades(start, end, between)
            pads[0] = (ahead if start == low else 0, behind if end == depth else 0)
            padded = cast("Grades", np.pad(grades, pads))
            yield self._blur_planes(padded), padded > HALF
        self._excess = between.excess

    def _grades(self, start: int, end: int, between: Between) -> Grades:
        """Fill grade of the grid planes that replace slices start … end of the body, 0 … 1."""
        bins, parts = self.grid.bins, self.grid.parts
        if bins == (1, 1, 1) and parts == 1:
            return self._read(start, end).view(np.uint8)
        if parts == 1:
            return self._bin(start, end)
        return between.planes(start // bins[0], end // bins[0])

    def _open(self) -> Between:
        """Start to interpolate between the slices of the grid, with room round the body."""
        step, many = self.grid.step, self.grid.bins[0]

        def read(z: int) -> NDArray[np.bool_]:
            return np.pad(self._bin(z * many, (z + 1) * many)[0] >= HALF, self._room)

        return Between(read, self.grid.parts, aspect=step[1] / step[2], spacing=step[0] * self.grid.parts / step[2])

    def _bin(self, start: int, end: int) -> NDArray[np.float32]:
        """Mean of the voxels of each grid point; what lies beyond the body counts as empty.

        Only the slices of one plane of the grid are there at a time: with large bins they are many.
        """
        many = self.grid.bins[0]
        counts = [self._count(self._read(low, min(low + many, end))) for low in range(start, end, many)]
        return np.stack(counts).astype(np.float32) / np.float32(np.prod(self.grid.bins))

    def _count(self, slices: NDArray[np.bool_]) -> NDArray[np.uint32]:
        """Voxels of each point of one plane of the grid."""
        _, many_y, many_x = self.grid.bins
        rows = slices.view(np.uint8).sum(axis=0, dtype=np.uint32)
        rows = np.pad(rows, [(0, -rows.shape[0] % many_y), (0, -rows.shape[1] % many_x)])
        strips = rows.reshape(-1, many_y, rows.shape[1]).sum(axis=1, dtype=np.uint32)
        counts: NDArray[np.uint32] = strips.reshape(len(strips), -1, many_x).sum(axis=2, dtype=np.uint32)
        return counts

    def _read(self, start: int, end: int) -> NDArray[np.bool_]:
        """Slices start … end of the body, empty ones where that is outside."""
        (z0, y0, x0), (z1, y1, x1) = self._body.low, self._body.high
        first, last = (min(max(z, 0), z1 - z0) for z in (start, end))
        inner = self._mask[z0 + first : z0 + last][:, y0:y1, x0:x1]
        ahead = min(max(0, -start), end - start)
        missing = (ahead, end - start - ahead - len(inner))
        return np.pad(inner, (missing, (0, 0), (0, 0))) if any(missing) else np.ascontiguousarray(inner)

    def _blur_planes(self, planes: Grades) -> NDArray[np.float32]:
        """Blur along y and x; the planes are blurred as one picture, their empty margins keep them apart."""
        _, along_y, along_x = self._kernels
        if len(along_y) == len(along_x) == 1:
            return planes.astype(np.float32)
        picture = planes.reshape(-1, planes.shape[2])
        blurred = cv2.sepFilter2D(picture, cv2.CV_32F, along_x, along_y, borderType=cv2.BORDER_CONSTANT)
        shaped: NDArray[np.float32] = blurred.reshape(planes.shape)
        return shaped


def _blur_rows(planes: NDArray[np.float32], kernel: NDArray[np.float64]) -> NDArray[np.float32]:
    """Blur along z."""
    if len(kernel) == 1:
        return planes
    picture = planes.reshape(len(planes), -1)
    blurred = cv2.sepFilter2D(picture, cv2.CV_32F, np.ones(1), kernel, borderType=cv2.BORDER_CONSTANT)
    shaped: NDArray[np.float32] = blurred.reshape(planes.shape)
    return shaped


def _kernel(sigma: float) -> NDArray[np.float64]:
    """Weights of a Gaussian of fourth order (Wand and Schucany 1990), which ends at `TRUNCATE` σ.

    It takes as much noise away as a Gaussian of three fifths of its width. But its second moment is 0, so that the edge
    of a thin plate and the end of a tube stay where they are.
    """
    reach = int(TRUNCATE * sigma + 0.5)
    if reach == 0:
        return np.ones(1)
    steps = np.arange(-reach, reach + 1) / sigma
    weights = (1.5 - steps**2 / 2) * np.exp(-(steps**2) / 2)
    kernel: NDArray[np.float64] = weights / weights.sum()
    return kernel
