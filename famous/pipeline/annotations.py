"""`famous boxes import | export`: annotations in, annotations out."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pandas as pd

from famous.annotate.state import SMALLEST
from famous.errors import InputError
from famous.io.annotations import Annotations, files_of, read_boxes, write_boxes
from famous.pipeline.project import Project
from famous.pipeline.train import labelling_notes, read_annotations
from famous.words import counted


@dataclass(frozen=True, eq=False)
class Exported:
    """What an export wrote."""

    annotations: Annotations
    files: list[Path]
    notes: list[str]  # what the format cannot hold


def import_boxes(
    project: Project,
    source: Path,
    kind: str | None = None,
    *,
    first: int | None = None,
    done: Collection[int] | Literal["all"] = (),
    overwrite: bool = False,
) -> tuple[list[str], Annotations]:
    """Take boxes from a file or folder as the annotations of a project.

    Parameters
    ----------
    first
        Number of the stack's first slice in the names of the labelled images; if given, images are found by their
        numbers alone.
    done
        Slices whose boxes are complete, besides those that the file says; "all": all with boxes.

    Returns
    -------
    tuple
        Notes, and what was taken.

    Raises
    ------
    InputError
        If a row is broken, a slice that is done lies outside of the stack, or annotations are there and `overwrite` is
        off.
    """
    target = project.annotations / "boxes.csv"
    if target.exists() and not overwrite:
        raise InputError(f"{target} is there already; --overwrite replaces it")
    found = read_boxes(source, kind, shape=project.stack.shape, names=project.opened.slice_names, first=first)
    taken = found.annotations
    more = taken.boxes["z"].tolist() if done == "all" else done
    outside = [z for z in more if not 0 <= z < len(project.stack)]
    if outside:
        raise InputError(f"--done: found slice {outside[0]}, expected 0 … {len(project.stack) - 1}")
    taken = replace(taken, done=taken.done | frozenset(more))
    project.annotations.mkdir(parents=True, exist_ok=True)
    write_boxes(target, "csv", taken, shape=project.stack.shape)
    return [*found.notes, *_small_notes(taken.boxes), *_done_notes(taken)], taken


def _done_notes(taken: Annotations) -> list[str]:
    """Say how slices are declared done, where none is."""
    how = "say which are complete with --done, or mark them on the labelling page"
    return [f"{note}; {how}" for note in labelling_notes(taken)]


def _small_notes(boxes: pd.DataFrame) -> list[str]:
    """Say how many boxes are smaller than the labelling page draws them: often a mistake of units."""
    small = int(((boxes["y1"] - boxes["y0"] < SMALLEST) | (boxes["x1"] - boxes["x0"] < SMALLEST)).sum())
    them = "it was kept" if small == 1 else "they were kept"
    has = counted(small, "box has", "boxes have")
    return [f"{has} a side under {SMALLEST} px, smaller than any drawn on the page; {them}"] if small else []


def export_boxes(project: Project, target: Path, kind: str, *, overwrite: bool = False) -> Exported:
    """Write the annotations of a project for another labelling tool.

    Raises
    ------
    InputError
        If there are none, or a file of the export is there and `overwrite` is off.
    """
    there = [target] if target.exists() else files_of(target, kind)
    if there and not overwrite:
        raise InputError(f"{there[0]} is there already; --overwrite replaces it")
    labelled = read_annotations(project)
    if labelled is None:
        raise InputError(f"{project.annotations}: nothing is labelled yet")
    notes = write_boxes(target, kind, labelled, shape=project.stack.shape, names=project.opened.slice_names)
    return Exported(labelled, files_of(target, kind), list(notes))
