"""Whole runs, and looking round: run, demo, info, doctor."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from famous.cli import options
from famous.cli.console import Answer, count, err
from famous.cli.referee import show_ranking
from famous.progress import Bars, as_duration
from famous.words import counted

if TYPE_CHECKING:
    from famous.pipeline.project import Project
    from famous.pipeline.run import Outcome


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (run, info, demo, doctor):
        app.command(rich_help_panel="Whole runs")(command)


def run(
    stack: options.StackArgument,
    voxel_size: options.VoxelSizeOption = None,
    invert: options.InvertOption = None,
    config: options.ConfigOption = None,
    folder: options.FolderOption = None,
    weights: options.WeightsOption = None,
    minutes: options.MinutesOption = None,
    channels: options.ChannelsOption = None,
    start: options.StartOption = None,
    device: options.DeviceOption = "auto",
    jobs: options.JobsOption = 1,
    scheduler: options.SchedulerOption = None,
    again: options.AgainOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what it would take and stop.")] = False,
    download: options.DownloadOption = False,
    as_json: options.JsonOption = False,
) -> None:
    """Do it all: train, detect, extract, link, mesh, measure; what is done is skipped.

    Example: famous run cell.tif --voxel-size 8 8 8
    """
    from famous.pipeline.estimate import estimate
    from famous.pipeline.run import run as run_all
    from famous.pipeline.run import will_train

    common = options.Common(voxel_size, invert, config, folder)
    project = common.open(
        stack, weights=weights, minutes=minutes, channels=channels, start=start, download=download, save=not dry_run
    )
    with Bars(err) as bars:
        session = options.open_session(bars, device=device, jobs=jobs, scheduler=scheduler, again=again)
        plan = estimate(project, session, will_train=will_train(project))
        if dry_run:
            Answer(dataclasses.asdict(plan), (str(plan),)).say(as_json)
            return
        err.print(str(plan), markup=False)
        outcome = run_all(project, session)
    show_ranking(project)
    _answer(project, outcome).say(as_json)


def _answer(project: "Project", outcome: "Outcome") -> Answer:
    counts = count(outcome.instances["class"])
    named = ", ".join(f"{number} {name}" for name, number in counts.items())
    return Answer(
        {
            "folder": outcome.folder,
            "instances": counts,
            "boxes": outcome.boxes,
            "meshes": len(outcome.meshes),
            "seconds": round(outcome.seconds, 1),
            "peak_memory_mb": round(outcome.peak_memory_mb),
            "notes": outcome.notes,
            "hints": outcome.hints,
            "paths": {
                "meshes": project.meshes,
                "table": project.instances,
                "labels": project.labels,
                "boxes": project.boxes,
            },
        },
        (
            counted(len(outcome.instances), "organelle") + (f": {named}" if named else ""),
            f"meshes     {project.meshes}",
            f"table      {project.instances}",
            f"labels     {project.labels}",
            f"took {as_duration(outcome.seconds)}, peak memory {outcome.peak_memory_mb:,.0f} MB",
            *outcome.hints,
        ),
    )


def info(
    stack: options.StackArgument, folder: options.FolderOption = None, as_json: options.JsonOption = False
) -> None:
    """Tell what a stack is and how far its run is.

    Example: famous info cell.tif
    """
    from famous.pipeline.info import describe
    from famous.pipeline.info import info as gather

    project = options.Common(folder=folder).open(stack, save=False)
    found = gather(project)
    told = describe(project, found)
    width = max(len(key) for key in told)
    Answer(found, tuple(f"{key:<{width}}  {text}" for key, text in told.items())).say(as_json)


def demo(
    to: Annotated[Path, typer.Option("--out", "-o", help="Folder to make.")] = Path("famous-demo"),
    device: options.DeviceOption = "auto",
    as_json: options.JsonOption = False,
) -> None:
    """Generate a small cell and run everything on it, with the detector that ships.

    Example: famous demo
    """
    from famous.pipeline.demo import run_demo

    with Bars(err) as bars:
        made = run_demo(to, options.open_session(bars, device=device))
    Answer({"folder": to, "paths": made}, tuple(f"{name:<9}  {path}" for name, path in made.items())).say(as_json)


def doctor(as_json: options.JsonOption = False) -> None:
    """Tell what is installed and how to mend what is missing.

    Example: famous doctor
    """
    from famous.doctor import examine

    findings = examine()
    Answer({f.name: dataclasses.asdict(f) for f in findings}, tuple(str(f) for f in findings)).say(as_json)
    if any(not f.ok and f.needed for f in findings):
        raise typer.Exit(1)
