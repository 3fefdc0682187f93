"""Boxes of other labelling tools: boxes import, boxes export."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from famous.cli import options
from famous.cli.console import Answer, count, note

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
    overwrite: options.OverwriteOption = False,
    folder: options.FolderOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Take boxes from another labelling tool as this stack's annotations.

    Example: famous boxes import cell.tif labels/ --format yolo
    """
    from famous.pipeline.annotations import import_boxes

    project = options.Common(folder=folder).open(stack)
    notes, taken = import_boxes(project, source, kind, overwrite=overwrite)
    note(notes)
    data = {
        "folder": project.folder,
        "boxes": len(taken.boxes),
        "boxes_by_class": count(taken.boxes["class_name"]),
        "slices_done": taken.done,
        "notes": notes,
        "files": sorted(project.annotations.glob("*.csv")),
    }
    Answer(data, (f"{len(taken.boxes):,} boxes, {len(taken.done):,} slices done",)).say(as_json)


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
    notes = export_boxes(project, to, kind, overwrite=overwrite)
    note(notes)
    Answer({"folder": project.folder, "format": kind, "notes": notes, "path": to}, (str(to),)).say(as_json)
