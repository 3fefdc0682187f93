"""Meshes as the first source: they have no voxels of their own, and are laid on those of another source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from famous.errors import InputError
from famous.io.grids import Grid
from famous.io.mesh_volumes import class_names
from famous.io.truths import Placing, Truth, kind_of, open_truth
from famous.io.units import IN_ANY_UNIT


@dataclass(frozen=True)
class Laid:
    """Meshes on a grid; where that is another source's, which one it is."""

    first: Truth
    voxels: Truth
    place: int  # of `voxels` among the sources; 0 where all are meshes, and it is `first`
    notes: tuple[str, ...]


def lay_meshes(
    names: Sequence[str], paths: Sequence[str], placing: Placing, table: Mapping[int, str] | None
) -> Laid | None:
    """Lay the meshes that the first source is on the voxels of the next source that has any.

    Where all are meshes, the grid encloses all of them. None where the others are boxes: those need a stack.

    Raises
    ------
    InputError
        If nothing says how large a voxel is, the meshes do not fit, or two sources of meshes lie apart.
    """
    kinds = [kind_of(path) for path in paths]
    if "labels" in kinds:
        place = kinds.index("labels")
        known = class_names(Path(paths[0]))
        voxels = open_truth(paths[place], name=names[place], placing=placing, classes=known, table=table)
        is_free = "meshes" not in kinds[1:] and not voxels.format.startswith(IN_ANY_UNIT)
        own = Placing(unit=placing.unit if is_free else None, is_part=placing.offset_nm is not None)
        first = open_truth(paths[0], name=names[0], like=voxels.grid, placing=own)
        note = f"{names[0]}: meshes have no voxels of their own; they are laid on those of {names[place]}"
        return Laid(first, voxels, place, (note,))
    if "boxes" in kinds:
        return None
    own = Placing(placing.voxel_size)
    grids = [
        open_truth(path, name=name, placing=placing if k else own).grid
        for k, (name, path) in enumerate(zip(names, paths, strict=True))
    ]
    for name, path, grid in zip(names[1:], paths[1:], grids[1:], strict=True):
        if (np.minimum(grids[0].high_nm, grid.high_nm) <= np.maximum(grids[0].origin_nm, grid.origin_nm)).any():
            raise InputError(
                f"{name} ({path}) and {names[0]} ({paths[0]}): they have no place in common. Found meshes in {grid}; "
                f"expected some in {grids[0]}; give their unit or their offset"
            )
    first = open_truth(paths[0], name=names[0], like=_round_all(grids), placing=own)
    return Laid(first, first, 0, ("all sources are meshes: the grid encloses all of them",))


def _round_all(grids: Sequence[Grid]) -> Grid:
    """Return the grid that encloses grids of one voxel size, whose corners are whole voxels."""
    size = np.array(grids[0].voxel_size.zyx)
    low = np.min([grid.origin_nm for grid in grids], axis=0)
    z, y, x = (int(n) for n in np.rint((np.max([grid.high_nm for grid in grids], axis=0) - low) / size))
    z_nm, y_nm, x_nm = (float(value) for value in low)
    return replace(grids[0], shape=(z, y, x), origin_nm=(z_nm, y_nm, x_nm))
