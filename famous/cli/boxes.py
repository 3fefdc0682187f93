"""Boxes of other labelling tools: boxes import, boxes export."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from famous.cli import options
from famous.cli.console import Answer, count, note
from famous.words import counted

if TYPE_CHECKING:
    from famous.io.annotations import Annotations
    from famous.pipeline.project import Project

Boxes = Literal["csv", "yolo", "yolo_mark", "coco", "cvat"]


def register(app: typer.Typer) -> None:
    """Add the commands, which stand behind a word of their own: `famous boxes …`."""
    group = typer.Typer(no_args_is_help=True)
    group.command("import")(boxes_import)
    group.command("export")(boxes_export)
    help_text = "Bring boxes in from other labelling tools, and out again."
    app.add_typer(group, name="boxes", help=help_text, rich_help_panel="Labelled slices")


def boxes_import(
    stack: options.StackArgument,
    source: Annotated[Path, typer.Argument(metavar="BOXES", help="YOLO folder, COCO JSON, CVAT XML or boxes.csv.")],
    kind: Annotated[Boxes | None, typer.Option("--format", "-f", help="Found out where not given.")] = None,
    first: Annotated[
        int | None,
        typer.Option("--first", min=0, help="Number of the stack's first slice in the images' names: 0, 1 …"),
    ] = None,
    done: Annotated[
        str | None,
        typer.Option(
            "--done",
            metavar="LIST",
            help="Slices whose boxes are complete, besides those that the file says: 0,10,20-30, or all with boxes.",
        ),
    ] = None,
    overwrite: options.OverwriteOption = False,
    folder: options.FolderOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Take boxes from another labelling tool as this stack's annotations.

    Example: famous boxes import cell.tif labels/ --format yolo
    """
    complete: Literal["all"] | tuple[int, ...] = "all" if done == "all" else options.slice_list(done, "--done") or ()
    from famous.io.annotations import files_of
    from famous.pipeline.annotations import import_boxes

    project = options.Common(folder=folder).open(stack)
    notes, taken = import_boxes(project, source, kind, first=first, done=complete, overwrite=overwrite)
    note(notes)
    data = _tell(project, taken, notes, files_of(project.annotations, "csv"))
    told = f"{counted(len(taken.boxes), 'box', 'boxes')}, {counted(len(taken.done), 'slice')} done"
    Answer(data, (told,)).say(as_json)


def boxes_export(
    stack: options.StackArgument,
    to: Annotated[Path, typer.Argument(metavar="PATH", help="File or folder to write.")],
    kind: Annotated[Boxes, typer.Option("--format", "-f", help="Format to write.")],
    overwrite: options.OverwriteOption = False,
    folder: options.FolderOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Write this stack's annotations for another labelling tool.

    Example: famous boxes export cell.tif coco.json --format coco
    """
    from famous.pipeline.annotations import export_boxes

    project = options.Common(folder=folder).open(stack)
    made = export_boxes(project, to, kind, overwrite=overwrite)
    note(made.notes)
    Answer(_tell(project, made.annotations, made.notes, made.files) | {"format": kind}, (str(to),)).say(as_json)


def _tell(project: "Project", labelled: "Annotations", notes: list[str], files: list[Path]) -> dict[str, Any]:
    """What both commands say to a script."""
    return {
        "folder": project.folder,
        "boxes": len(labelled.boxes),
        "boxes_by_class": count(labelled.boxes["class_name"]),
        "slices": labelled.slices,
        "slices_done": sorted(labelled.done),
        "notes": notes,
        "files": files,
    }
