"""`famous boxes import | export`: annotations in, annotations out."""

from pathlib import Path

from famous.errors import InputError
from famous.io.annotations import Annotations, read_boxes, write_boxes
from famous.pipeline.project import Project
from famous.pipeline.train import read_annotations


def import_boxes(
    project: Project, source: Path, kind: str | None = None, *, overwrite: bool = False
) -> tuple[list[str], Annotations]:
    """Take boxes from a file or folder as the annotations of a project; returns notes and what was taken.

    Raises
    ------
    InputError
        If a row is broken, or annotations are there and `overwrite` is off.
    """
    target = project.annotations / "boxes.csv"
    if target.exists() and not overwrite:
        raise InputError(f"{target} is there already; --overwrite replaces it")
    found = read_boxes(source, kind, shape=project.stack.shape, names=project.opened.slice_names)
    project.annotations.mkdir(parents=True, exist_ok=True)
    write_boxes(target, "csv", found.annotations, shape=project.stack.shape)
    return list(found.notes), found.annotations


def export_boxes(project: Project, target: Path, kind: str, *, overwrite: bool = False) -> list[str]:
    """Write the annotations of a project; returns what the format cannot hold.

    Raises
    ------
    InputError
        If there are none, or the target is there and `overwrite` is off.
    """
    if target.exists() and not overwrite:
        raise InputError(f"{target} is there already; --overwrite replaces it")
    labelled = read_annotations(project)
    if labelled is None:
        raise InputError(f"{project.annotations}: nothing is labelled yet")
    notes = write_boxes(target, kind, labelled, shape=project.stack.shape, names=project.opened.slice_names)
    return list(notes)
