"""Which recipe suits each class: the referee's ranking."""

from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from famous.cli import options
from famous.cli.console import Answer, err
from famous.progress import Bars

if TYPE_CHECKING:
    from famous.pipeline.project import Project
    from famous.pipeline.referee import Verdict

SHOWN = 3  # recipes of a class in the short table


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="One stage at a time")(referee)


def referee(
    stack: options.StackArgument,
    voxel_size: options.VoxelSizeOption = None,
    invert: options.InvertOption = None,
    config: options.ConfigOption = None,
    folder: options.FolderOption = None,
    again: options.AgainOption = False,
    as_json: options.JsonOption = False,
) -> None:
    """Rank the recipes of each class on the labelled slices.

    Example: famous referee cell.tif
    """
    from famous.pipeline.referee import describe, run_referee

    project = options.Common(voxel_size, invert, config, folder).open(stack)
    with Bars(err) as bars:
        verdicts = run_referee(project, options.open_session(bars, again=again))
    if not verdicts:
        project.take_back()
    data = {
        "folder": project.folder,
        "classes": {verdict.class_name: describe(project, verdict) for verdict in verdicts},
        "files": [project.referee] if verdicts else [],
    }
    lines = [line for verdict in verdicts for line in _lines(project, verdict)]
    Answer(data, tuple(lines or ["no class has boxes on slices that are done, so there is nothing to rank"])).say(
        as_json
    )


def show_ranking(project: "Project", console: Console = err) -> None:
    """Print the best recipes of each labelled class as a short table, if the console is a terminal."""
    from famous.pipeline.referee import asks_referee, read_verdicts, reason

    verdicts = read_verdicts(project) if console.is_terminal and asks_referee(project.config) else []
    if not verdicts:
        return
    table = Table("class", "recipes by score", "boxes tried", "taken", box=None, pad_edge=False)
    for verdict in verdicts:
        best = verdict.ranking.head(SHOWN)
        ranked = ", ".join(f"{name} {score:.2f}" for name, score in zip(best["recipe"], best["score"], strict=True))
        tried = int(best["boxes"].max()) if len(best) else 0
        table.add_row(escape(verdict.class_name), ranked, f"{tried}", escape(reason(project, verdict)))
    console.print(table)


def _lines(project: "Project", verdict: "Verdict") -> list[str]:
    from famous.extract.evidence import EVIDENCE
    from famous.pipeline.referee import reason

    told = [f"{verdict.class_name}: {verdict.labelled:,} labelled boxes; {reason(project, verdict)}"]
    if verdict.pick is not None:
        width = max(len("recipe"), *(len(name) for name in verdict.ranking["recipe"]))
        told.append(f"   {'recipe':<{width}}  score  " + "  ".join(EVIDENCE))
        for row in verdict.ranking.to_dict("records"):
            values = "  ".join(f"{row[name]:>{len(name)}.2f}" for name in EVIDENCE)
            told.append(f"{row['rank']:>2} {row['recipe']:<{width}}  {row['score']:.3f}  {values}")
    return told
