"""Label sets against each other: compare."""

import math
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from famous.cli import options
from famous.cli.console import Answer, err
from famous.progress import Bars

if TYPE_CHECKING:
    from famous.pipeline.compare import Compared
    from famous.pipeline.compare_region import Region

#: What a report says of a class, in a word, before its sentence.
MARKS = {"as good": "✓", "better": "✓", "worse": "✗"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Results")(compare)


def _region(text: str | None) -> "Region | None":
    """Read `0:200,:,100:900`."""
    if text is None:
        return None
    sides = [re.fullmatch(r"\s*(\d*)\s*:\s*(\d*)\s*", side) for side in text.split(",")]
    if len(sides) != 3 or not all(sides):
        raise typer.BadParameter(
            f"found {text!r}, expected three ranges of voxels Z,Y,X, such as 0:200,:,100:900", param_hint="--region"
        )
    first, second, third = ([int(end) if end else None for end in side.groups()] for side in sides if side)
    return (first[0], first[1]), (second[0], second[1]), (third[0], third[1])


def _threshold(value: float) -> float:
    if not 0 < value <= 1:
        raise typer.BadParameter(f"found {value:g}, expected an intersection over union above 0, 1 at most")
    return value


def _unit(value: str | None) -> str | None:
    from famous.errors import InputError
    from famous.io.units import require_unit

    if value is not None:
        try:
            require_unit(value)
        except InputError as fault:
            raise typer.BadParameter(str(fault)) from fault
    return value


def _offset(value: tuple[float, float, float] | None) -> tuple[float, float, float] | None:
    if value is not None and not all(map(math.isfinite, value)):
        raise typer.BadParameter(f"found {value}, expected three lengths in nm")
    return value


def compare(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="STACK…", help="A stack that was run; or two or three label sets, the first on trial."),
    ],
    truth: Annotated[
        list[str] | None,
        typer.Option("--truth", metavar="LABELS", help="What an expert drew; twice for two experts."),
    ] = None,
    names: Annotated[
        tuple[str, str] | None,
        typer.Option("--names", metavar="A B", help="Names of the two experts, or of both where there are only two."),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option("--region", metavar="Z,Y,X", help="Compare voxels 0:200,:,100:900 of the first source only."),
    ] = None,
    slices: Annotated[
        str | None,
        typer.Option("--slices", metavar="LIST", help="Slices of the first source that the truth has: 0,10,20-30."),
    ] = None,
    class_name: Annotated[
        list[str] | None, typer.Option("--class", metavar="NAME", help="Compare this class only; may be repeated.")
    ] = None,
    class_table: Annotated[
        Path | None, typer.Option("--class-table", help="CSV with the columns id,class for labels of one volume.")
    ] = None,
    voxel_size: options.VoxelSizeOption = None,
    unit: Annotated[
        str | None,
        typer.Option("--unit", help="Of the numbers in the truth's files: nm, um, mm, voxel …", callback=_unit),
    ] = None,
    offset: Annotated[
        tuple[float, float, float] | None,
        typer.Option("--offset", metavar="Z Y X", help="Where the truth's first voxel begins, nm.", callback=_offset),
    ] = None,
    ignore_label: Annotated[
        int | None, typer.Option("--ignore-label", min=1, help="Id in the truth of what nobody is judged by.")
    ] = None,
    boundary_nm: Annotated[
        float, typer.Option("--boundary-nm", min=0, help="Leave out what is nearer to a border of the truth.")
    ] = 0.0,
    threshold: Annotated[
        float, typer.Option("--threshold", help="IoU at which two objects are the same.", callback=_threshold)
    ] = 0.5,
    paper_matching: Annotated[
        bool, typer.Option("--paper-matching", help="Also count as the paper: one object found as several is found.")
    ] = False,
    no_meshes: Annotated[bool, typer.Option("--no-meshes", help="Leave the 3D view out.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder to write to instead of <stack>.famous/report.")
    ] = None,
    overwrite: options.OverwriteOption = False,
    folder: options.FolderOption = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Threads that share the work; by default the cores.")
    ] = None,
    as_json: options.JsonOption = False,
) -> None:
    """Is the program as good as a second expert? One report of a run against one or two experts.

    Example: famous compare cell.tif --truth expert1.tif --truth expert2.tif
    """
    known, part = options.slice_list(slices, "--slices"), _region(region)
    from famous.cores import usable_threads
    from famous.io.truths import Placing
    from famous.pipeline.compare import Output, run_compare
    from famous.pipeline.compare_sources import Asked
    from famous.voxels import VoxelSize

    asked = Asked(
        sources=tuple(sources),
        truths=tuple(truth or ()),
        names=names,
        classes=tuple(class_name or ()),
        class_table=class_table,
        placing=Placing(VoxelSize.from_zyx(voxel_size) if voxel_size else None, unit, offset),
        region=part,
        slices=known,
        ignore=ignore_label,
        boundary_nm=boundary_nm,
        threshold=threshold,
        paper=paper_matching,
        folder=folder,
    )
    output = Output(out, overwrite, meshes=not no_meshes, command=_command(sys.argv[1:], overwrite))
    with Bars(err) as bars:
        made = run_compare(asked, output, options.open_session(bars, jobs=jobs or usable_threads()))
    _answer(made).say(as_json)


def _command(arguments: list[str], overwrite: bool) -> str:
    """Write what repeats a comparison where it was made: the report that it is told in is there by then."""
    again = [] if overwrite else ["--overwrite"]
    end = arguments.index("--") if "--" in arguments else len(arguments)  # after it there are no options
    words = ["famous", *arguments[:end], *again, *arguments[end:]]
    return f"{shlex.join(['cd', str(Path.cwd())])}\n{shlex.join(words)}"


def _answer(made: "Compared") -> Answer:
    verdicts = made.comparison.verdicts.to_dict("records")
    lines = [f"{MARKS.get(str(row['kind']), '·')} {row['class']}: {row['sentence']}" for row in verdicts]
    data = {
        "folder": made.folder,
        "sources": [source.name for source in made.comparison.sources],
        "verdicts": verdicts,
        "notes": made.comparison.notes,
        "files": made.files,
    }
    return Answer(data, (*lines, str(made.files[-1])))
