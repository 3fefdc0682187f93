"""One stage at a time: train, detect, extract, link, mesh, measure; and export of what they made."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from famous.cli import options, surfaces
from famous.cli.console import Answer, count, err
from famous.cli.referee import show_ranking
from famous.progress import Bars
from famous.words import counted

if TYPE_CHECKING:
    from famous.pipeline.project import Project
    from famous.pipeline.stage import Session

Export = Literal["stl", "obj", "ply", "glb", "blend", "precomputed", "tiff", "csv"]
PANEL = "One stage at a time"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(rich_help_panel=PANEL)(train)
    _add_stage(app, "detect", "Box the organelles in every slice.", _detect)
    _add_stage(app, "extract", "Turn each box into pixels.", _extract)
    _add_stage(app, "link", "Link the slices into 3D instances.", _link)
    app.command(rich_help_panel=PANEL)(surfaces.mesh)
    app.command(rich_help_panel=PANEL)(surfaces.measure)
    app.command(rich_help_panel=PANEL)(export)


def train(
    stack: options.StackArgument,
    minutes: options.MinutesOption = None,
    channels: options.ChannelsOption = None,
    start: options.StartOption = None,
    voxel_size: options.VoxelSizeOption = None,
    invert: options.InvertOption = None,
    config: options.ConfigOption = None,
    folder: options.FolderOption = None,
    device: options.DeviceOption = "auto",
    again: options.AgainOption = False,
    download: options.DownloadOption = False,
    as_json: options.JsonOption = False,
) -> None:
    """Train the detector on the labelled slices.

    Example: famous train cell.tif --minutes 30
    """
    from famous.pipeline.train import run_train
    from famous.yolo.card import metric_lines

    common = options.Common(voxel_size, invert, config, folder)
    project = common.open(stack, minutes=minutes, channels=channels, start=start, download=download)
    with Bars(err) as bars:
        card = run_train(project, options.open_session(bars, device=device, again=again))
    lines = [f"model      {project.model}", *metric_lines(card)]
    files = [project.model / name for name in ("card.json", *card.sha256)]
    Answer({"folder": project.folder, "model": project.model, "card": card, "files": files}, tuple(lines)).say(as_json)


def _add_stage(app: typer.Typer, name: str, describe: str, work: Callable[["Project", "Session"], Answer]) -> None:
    """Add the command of one stage; they all have the same options."""

    def command(
        stack: options.StackArgument,
        voxel_size: options.VoxelSizeOption = None,
        invert: options.InvertOption = None,
        config: options.ConfigOption = None,
        folder: options.FolderOption = None,
        weights: options.WeightsOption = None,
        device: options.DeviceOption = "auto",
        jobs: options.JobsOption = 1,
        scheduler: options.SchedulerOption = None,
        again: options.AgainOption = False,
        as_json: options.JsonOption = False,
    ) -> None:
        project = options.Common(voxel_size, invert, config, folder).open(stack, weights=weights)
        with Bars(err) as bars:
            session = options.open_session(bars, device=device, jobs=jobs, scheduler=scheduler, again=again)
            answer = work(project, session)
        answer.say(as_json)

    command.__doc__ = f"{describe}\n\nExample: famous {name} cell.tif"
    app.command(name, rich_help_panel=PANEL)(command)


def _detect(project: "Project", session: "Session") -> Answer:
    from famous.pipeline.detect import nothing_found_hints, run_detect

    boxes = run_detect(project, session)
    hints = nothing_found_hints(project) if boxes.empty else []
    data = {
        "folder": project.folder,
        "slices": len(project.stack),
        "boxes": len(boxes),
        "boxes_by_class": count(boxes["class_name"]),
        "hints": hints,
        "files": [project.detected],
    }
    return Answer(data, (f"{counted(len(boxes), 'box', 'boxes')} in {project.detected}", *hints))


def _extract(project: "Project", session: "Session") -> Answer:
    from famous.pipeline.extract import run_extract

    boxes = run_extract(project, session)
    show_ranking(project)
    pixels = boxes.groupby("class_name", observed=True)["pixels"].sum()
    data = {
        "folder": project.folder,
        "boxes": len(boxes),
        "boxes_without_pixels": int((boxes["pixels"] == 0).sum()),
        "pixels": int(pixels.sum()),
        "pixels_by_class": pixels.to_dict(),
        "files": [project.extracted, project.labels],
    }
    return Answer(data, (f"{counted(int(pixels.sum()), 'pixel')} in {project.labels}",))


def _link(project: "Project", session: "Session") -> Answer:
    from famous.pipeline.link import run_link

    boxes = run_link(project, session)
    instances = boxes.loc[boxes["instance"] > 0, ["instance", "class_name"]].drop_duplicates("instance")
    data = {
        "folder": project.folder,
        "boxes": len(boxes),
        "boxes_without_instance": int((boxes["instance"] == 0).sum()),
        "instances": len(instances),
        "instances_by_class": count(instances["class_name"]),
        "files": [project.boxes, project.labels],
    }
    return Answer(data, (f"{counted(len(instances), 'instance')} in {project.boxes}",))


def export(
    stack: options.StackArgument,
    kind: Annotated[
        Export, typer.Option("--format", "-f", help="For Blender: glb or blend; Fiji: tiff; neuroglancer: precomputed.")
    ],
    to: Annotated[Path | None, typer.Option("--out", "-o", help="Folder to write to.")] = None,
    per_class: Annotated[bool, typer.Option("--per-class", help="One mesh file a class.")] = False,
    level: Annotated[
        list[float] | None,
        typer.Option("--level", metavar="NM", help="Simplify meshes, moving surfaces no farther; may be repeated."),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--render", metavar="PNG", help="With blend: render a figure of the scene, too.")
    ] = None,
    size: Annotated[
        tuple[int, int], typer.Option("--pixels", metavar="W H", help="Width and height of the figure.", min=16)
    ] = (1600, 1200),
    samples: Annotated[
        int, typer.Option("--samples", min=1, help="Light paths a pixel of the figure: fewer are faster, and noisier.")
    ] = 96,
    overwrite: options.OverwriteOption = False,
    folder: options.FolderOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Write meshes, labels or tables for other programs.

    Example: famous export cell.tif --format stl
    """
    from famous.io.blend import RenderParams
    from famous.pipeline.export import Place, export_levels, render, require_free
    from famous.pipeline.export import export as export_run
    from famous.pipeline.volume import require_run

    if picture is not None and kind != "blend":
        raise typer.BadParameter(f"a figure is made with --format blend, not {kind}", param_hint="--render")
    if picture is not None and len(level or []) > 1:
        raise typer.BadParameter("a figure is made of one level of detail", param_hint="--render")
    params = RenderParams(*size, samples)
    require_run(stack, folder)
    if picture is not None:
        require_free(picture, overwrite)
    project = options.Common(folder=folder).open(stack)
    with Bars(err) as bars:
        if level:
            files = export_levels(project, kind, level, Place(to, per_class, overwrite), reporter=bars)
        else:
            files = export_run(project, kind, out=to, per_class=per_class, overwrite=overwrite, reporter=bars)
        if picture is not None:
            files.append(render(files[0], picture, params, overwrite=overwrite, reporter=bars))
    if picture is not None:
        shown = ", ".join(map(str, files))
    else:
        shown = os.path.commonpath([Path(file).absolute() for file in files]) if files else "nothing to write"
    data = {"folder": project.folder, "format": kind, "levels_nm": level or [], "files": files}
    Answer(data, (f"{counted(len(files), 'file')}, {shown}",)).say(as_json)
