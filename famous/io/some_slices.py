"""Labels of some slices of a stack only: each laid on the slice of the stack that the user names."""

from collections.abc import Sequence
from dataclasses import replace

from famous.io.grids import SAME_SIZE, Grid
from famous.io.slices import AS_NEIGHBOURS
from famous.io.truth_classes import Classes, SpreadVolume
from famous.io.truth_files import Labels
from famous.words import counted

_MOST_SHOWN = 10  # slices in a note


def has_some_slices(labels: Labels, like: Grid) -> bool:
    """Tell whether labels may be of some slices of a stack: fewer slices, of its rows and columns, at no place said."""
    same = labels.voxel_size is None or all(
        abs(mine - theirs) <= SAME_SIZE * theirs
        for mine, theirs in zip(labels.voxel_size.zyx[1:], like.voxel_size.zyx[1:], strict=True)
    )
    return (
        same
        and like.may_begin(labels.origin_nm)
        and labels.shape[0] < like.shape[0]
        and labels.shape[1:] == like.shape[1:]
    )


def spread(labels: Labels, like: Grid, slices: Sequence[int]) -> Labels:
    """Return labels on the grid of a stack, their slices laid on as many of it, in order, with a note."""
    volumes = {name: SpreadVolume(volume, slices, like.shape[0]) for name, volume in labels.classes.volumes.items()}
    shown = ", ".join(map(str, slices[:_MOST_SHOWN])) + (" …" if len(slices) > _MOST_SHOWN else "")
    notes = [note for note in labels.notes if not note.endswith(AS_NEIGHBOURS)]
    taken = counted(len(slices), f"slice is taken as the slice {shown}", f"slices are taken as the slices {shown}")
    in_order = ", in order" if len(slices) > 1 else ""
    notes.append(f"its {taken} of the stack{in_order}, as --slices says")
    return replace(
        labels,
        classes=Classes(volumes, labels.classes.is_semantic, labels.classes.notes),
        shape=like.shape,
        voxel_size=like.voxel_size,
        origin_nm=like.origin_nm,
        notes=tuple(notes),
    )
