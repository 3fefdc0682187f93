"""How the axes of a file lie: formats of medicine store any order and direction, in a room with left and right."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from famous.errors import InputError
from famous.io.sources import UncompressedVolume
from famous.io.units import unit_nm
from famous.voxels import VoxelSize

FINEST_VOXEL_NM = 0.01  # a smaller voxel than a tenth of an atom is a length in another unit
COARSEST_VOXEL_NM = 20_000.0  # a larger one than a cell is, too
STRAIGHT = 0.999  # cosine to its axis from which on a direction counts as straight
NO_UNIT = "have no unit"  # of sizes that a unit would make a voxel's
NOT_MEANT = "which cannot be meant; it is not used"  # of sizes that another unit would
ASIDE = 0.25  # of its extent: a volume whose middle is nearer to 0 does not tell from which side it is counted


@dataclass(frozen=True)
class Frame:
    """Which axis of the file, slowest first, is z, y and x, and whether it runs backwards; sizes in the file's unit."""

    axes: tuple[int, int, int] = (0, 1, 2)
    flips: tuple[bool, bool, bool] = (False, False, False)
    sizes: tuple[float, float, float] = (0.0, 0.0, 0.0)
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    notes: tuple[str, ...] = ()

    def of(self, stored: Sequence[int]) -> tuple[int, int, int]:
        """Return (z, y, x) lengths of a stored shape."""
        z, y, x = (int(stored[axis]) for axis in self.axes)
        return z, y, x


def find_frame(path: Path, stored: Sequence[int], directions: NDArray[Any], origin: NDArray[Any]) -> Frame:
    """Work out the frame from steps in space.

    An axis that runs backwards is turned round where the volume lies on the positive side: then it was counted from its
    far end. Where it lies on the negative side, the room was turned and not the volume (ITK writes every NIfTI so), and
    the order of the voxels is the stack's; so, with a note, where it lies about 0.

    Parameters
    ----------
    stored
        Lengths of the three axes, slowest first.
    directions
        (3, 3): row i is the step (x, y, z) from one voxel to the next along stored axis i, slowest first.
    origin
        Centre (x, y, z) of the first stored voxel.

    Raises
    ------
    InputError
        If the steps are not finite or span no space.
    """
    steps, start = np.asarray(directions, dtype=float), np.asarray(origin, dtype=float)
    if not (np.isfinite(steps).all() and np.isfinite(start).all()):
        raise InputError(f"{path}: found directions of the axes that are not finite, expected numbers")
    sizes = np.sqrt((steps**2).sum(axis=1))
    if not (sizes > 0).all() or not np.isfinite(sizes).all() or abs(np.linalg.det(steps / sizes[:, None])) < 0.1:
        raise InputError(f"{path}: found directions of the axes that span no space, expected three that do")
    cosines = steps / sizes[:, None]
    _, room = linear_sum_assignment(-np.abs(cosines))  # stored axis → axis of space
    notes: list[str] = []
    leaning = np.abs(cosines[range(3), room]).min()
    if leaning < STRAIGHT:
        angle = np.degrees(np.arccos(leaning))
        notes.append(f"{path.name}: its axes lean by {angle:.2g}° against those of space; they are taken as straight")
    axes: list[int] = []
    flips: list[bool] = []
    low: list[float] = []
    for letter, axis_of_space in zip("zyx", (2, 1, 0), strict=True):
        axis = int(np.flatnonzero(room == axis_of_space)[0])
        length = sizes[axis] * stored[axis]
        first = float(start[axis_of_space])
        last = first + float(np.copysign(length - sizes[axis], cosines[axis, axis_of_space]))
        backwards = bool(cosines[axis, axis_of_space] < 0)
        flip = backwards and (first + last) / 2 > ASIDE * length
        if flip:
            notes.append(f"{path.name}: {letter} runs backwards in the file; it is turned round")
        elif backwards and abs(first + last) / 2 <= ASIDE * length and stored[axis] > 1:
            notes.append(f"{path.name}: {letter} runs backwards about 0; its slices are taken in the order of the file")
        axes.append(axis)
        flips.append(flip)
        low.append((last if flip else -first) if backwards else first)
    if axes != [0, 1, 2]:
        notes.append(f"{path.name}: the axes are stored as {', '.join('zyx'[axes.index(i)] for i in range(3))}")
    z, y, x = (float(sizes[axis]) for axis in axes)
    return Frame(
        (axes[0], axes[1], axes[2]),
        (flips[0], flips[1], flips[2]),
        (z, y, x),
        (low[0] + 0.0, low[1] + 0.0, low[2] + 0.0),
        tuple(notes),
    )


Placed = tuple[VoxelSize | None, tuple[float, float, float], tuple[str, ...]]


def to_nm(path: Path, frame: Frame, stated: str | None, given: str | None) -> Placed:
    """Return voxel size, origin in nm and notes; no size where no unit is known or the one stated cannot be meant.

    `stated` is the unit in the file, `given` the user's, which wins.
    """
    factor = unit_nm(given or stated)
    if given is not None and factor is None:
        raise InputError(f"unit: found {given!r}, expected a unit of length such as nm, µm, mm or Å")
    nothing = (0.0, 0.0, 0.0)
    if min(frame.sizes) <= 0:
        return None, nothing, ()
    shown = " × ".join(f"{size:g}" for size in frame.sizes)
    if factor is None:
        return None, nothing, (f"{path.name}: its voxels of {shown} {NO_UNIT}",)
    sizes = [size * factor for size in frame.sizes]
    if given is None and not FINEST_VOXEL_NM <= min(sizes) <= max(sizes) <= COARSEST_VOXEL_NM:
        note = f"{path.name}: it says that a voxel is {shown} {stated} (z, y, x), {NOT_MEANT}"
        return None, nothing, (note,)
    notes: tuple[str, ...] = ()
    if given is not None and stated is not None and unit_nm(stated) != factor:
        notes = (f"{path.name}: the file says {stated}, the option says {given}; the option wins",)
    z, y, x = (low * factor for low in frame.origin)
    return VoxelSize.from_zyx(sizes), (z, y, x), notes


class FramedVolume(UncompressedVolume):
    """Uncompressed voxels in a file, in any order of the axes; `volume[z]` reads one slice (y, x).

    `name` is the file that the user knows, where this one was unpacked from it.
    """

    def __init__(
        self,
        path: Path,
        stored: Sequence[int],
        dtype: np.dtype[Any],
        offset: int,
        frame: Frame,
        *,
        name: Path | None = None,
    ) -> None:
        super().__init__(path, frame.of(stored), dtype)
        self.name = path if name is None else name
        self.stored = dtype
        self.stored_shape = tuple(int(length) for length in stored)
        self.offset = offset
        self.frame = frame
        self.require_voxels(self.name)

    def name_of(self, z: int) -> str:
        """Name the file and the slice."""
        return f"{self.name}, slice {z}"

    def read(self, z: int) -> NDArray[Any]:
        """Read slice z."""
        voxels = np.memmap(self.path, self.stored, "r", offset=self.offset, shape=self.stored_shape)
        turned = voxels.transpose(self.frame.axes)
        back_z, back_y, back_x = self.frame.flips
        image = turned[self.shape[0] - 1 - z if back_z else z]
        return np.array(image[:: -1 if back_y else 1, :: -1 if back_x else 1])
