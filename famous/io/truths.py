"""Truth of any format for `famous compare`: per class a lazy label volume, and where it lies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from famous.io.grids import Grid
from famous.stack import LazyVolume
from famous.voxels import VoxelSize

__all__ = ["Grid", "Placing", "Truth", "open_truth"]


@dataclass(frozen=True)
class Placing:
    """What the user says about where a truth lies; it wins over what the file says."""

    voxel_size: VoxelSize | None = None
    unit: str | None = None  # of the numbers in the file: nm, µm, mm, Å …; "voxel" for meshes in voxels of the stack
    offset_nm: tuple[float, float, float] | None = None  # (z, y, x): first corner, or what meshes are moved by


@dataclass(frozen=True, eq=False)
class Truth:
    """One set of labels.

    Parameters
    ----------
    name
        Short name in tables.
    classes
        Class → lazy volume (z, y, x) of unsigned ids, 0 is background; `volume[z]` reads one slice. Empty where the
        truth are boxes.
    voxel_size, shape, origin_nm
        Of all of its volumes; the origin is the corner of the first voxel (z, y, x).
    notes
        Sentences for the user.
    path, format
        Where it came from, as the user wrote it, and the file format.
    is_semantic
        Classes that were masks, not ids, and became objects by connected components.
    boxes
        A box table in voxels of the grid, for truth that is boxes in slices.
    is_placed
        Whether the user said where it lies, so that its origin is not to be doubted.
    """

    name: str
    classes: Mapping[str, LazyVolume]
    voxel_size: VoxelSize
    shape: tuple[int, int, int]
    origin_nm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    notes: tuple[str, ...] = ()
    path: str = ""
    format: str = ""
    is_semantic: frozenset[str] = frozenset()
    boxes: pd.DataFrame | None = None
    is_placed: bool = False

    @property
    def grid(self) -> Grid:
        """Where its voxels lie."""
        return Grid(self.shape, self.voxel_size, self.origin_nm)


def open_truth(
    path: str | Path,
    *,
    name: str,
    like: Grid | None = None,
    placing: Placing | None = None,
    classes: Sequence[str] | None = None,
) -> Truth:
    """Open labels of any format, lazily.

    Parameters
    ----------
    path
        File or folder; `file.h5:/dataset` names one dataset.
    name
        Short name in tables.
    like
        The stack's grid. Boxes and meshes need it; it lends its voxel size to a file of as many voxels that has none.
    placing
        What the user says about voxel size, unit and offset.
    classes
        The classes that may be compared. A class of the file is matched to them by its name ("Mitochondria" is
        mitochondrion); a file that names none gets the only one of them, or "object".

    Raises
    ------
    InputError
        If there is nothing, nothing that is labels, or it cannot be said where it lies.
    """
    raise NotImplementedError
