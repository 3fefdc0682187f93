"""The command line: parse, call the pipeline, report."""

import dataclasses
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from famous import __version__
from famous.errors import FamousError
from famous.progress import Bars, as_duration

if TYPE_CHECKING:
    from famous.pipeline.project import Project
    from famous.pipeline.stage import Session

Export = Literal["stl", "obj", "ply", "glb", "tiff", "csv"]
Boxes = Literal["csv", "yolo", "yolo_mark", "coco", "cvat"]

app = typer.Typer(
    help="From a volume-EM stack and about 20 box-labelled slices to measured, watertight organelle meshes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
boxes_app = typer.Typer(help="Bring boxes in from other labelling tools, and out again.", no_args_is_help=True)
app.add_typer(boxes_app, name="boxes")
out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)

StackArgument = Annotated[
    str,
    typer.Argument(metavar="STACK", help="A folder of slices, TIFF, MRC, HDF5 (file.h5:/dataset) or Zarr."),
]


def _check_size(size: tuple[float, float, float] | None) -> tuple[float, float, float] | None:
    if size is not None and not all(0 < side < float("inf") for side in size):
        raise typer.BadParameter(f"found {size}, expected three lengths in nm above 0")
    return size


VoxelSizeOption = Annotated[
    tuple[float, float, float] | None,
    typer.Option(
        "--voxel-size", metavar="Z Y X", help="Voxel size in nm; wins over the file's own.", callback=_check_size
    ),
]
InvertOption = Annotated[
    bool | None, typer.Option("--invert/--no-invert", help="The stack has bright membranes.", show_default=False)
]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="YAML file of knobs, see configs/default.yaml.")]
FolderOption = Annotated[Path | None, typer.Option("--folder", help="Where to work instead of <stack>.famous.")]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, or a GPU such as cuda:0.")]
JobsOption = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes that share the work.")]
SchedulerOption = Annotated[
    str | None, typer.Option("--scheduler", help="Address of a Dask scheduler that does the work, tcp://host:8786.")
]
AgainOption = Annotated[bool, typer.Option("--again", help="Make the stage again even if nothing has changed.")]
WeightsOption = Annotated[
    str | None,
    typer.Option("--weights", help="Detector to run instead of the trained one: a model folder."),
]
DownloadOption = Annotated[
    bool, typer.Option("--download", help="Fetch the weights to train from, where they are not here.")
]
MinutesOption = Annotated[
    float | None, typer.Option("--minutes", min=0.01, help="Time for training, if slices are labelled.")
]
ChannelsOption = Annotated[
    Literal["2.5d", "gray"] | None, typer.Option("--channels", help="Neighbours in z as channels, or the slice alone.")
]
StartOption = Annotated[
    str | None, typer.Option("--start", help="Ultralytics detection weights or YAML to train from.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")]


@dataclasses.dataclass(frozen=True)
class _Common:
    """The options that open a project; every command that works on a stack has them."""

    voxel_size: tuple[float, float, float] | None
    invert: bool | None
    config: Path | None
    folder: Path | None

    def open(self, stack: str, **knobs: Any) -> "Project":
        from famous.pipeline.project import Choices, open_project

        project = open_project(stack, Choices(**dataclasses.asdict(self), **knobs))
        for note in project.opened.notes:
            err.print(f"note: {note}", markup=False)
        return project


class _StoppedError(FamousError):
    """The user pressed Ctrl-C."""


def _stop(_signal: int, _frame: object) -> None:
    raise _StoppedError("stopped; the same command goes on from here")


def main() -> None:
    """Run the command line; a problem with the input ends with one message and exit code 1."""
    signal.signal(signal.SIGINT, _stop)
    try:
        app(prog_name="famous")
    except _StoppedError as stopped:
        err.print(f"\n{stopped}")
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)
    except (FamousError, OSError, MemoryError) as error:
        err.print("[bold red]error[/]: ", end="")
        err.print(str(error) or type(error).__name__, markup=False)
        sys.exit(1)


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False) -> None:
    if version:
        out.print(__version__)
        raise typer.Exit


def _say(data: dict[str, Any], lines: list[str], as_json: bool) -> None:
    if as_json:
        out.print(json.dumps(data, indent=1, default=str), markup=False)
    else:
        for line in lines:
            out.print(line, markup=False)


@app.command()
def run(
    stack: StackArgument,
    voxel_size: VoxelSizeOption = None,
    invert: InvertOption = None,
    config: ConfigOption = None,
    folder: FolderOption = None,
    weights: WeightsOption = None,
    minutes: MinutesOption = None,
    channels: ChannelsOption = None,
    start: StartOption = None,
    device: DeviceOption = "auto",
    jobs: JobsOption = 1,
    scheduler: SchedulerOption = None,
    again: AgainOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what it would take and stop.")] = False,
    download: DownloadOption = False,
    as_json: JsonOption = False,
) -> None:
    """Do it all: train, detect, extract, link, mesh, measure; what is done is skipped.

    Example: famous run cell.tif --voxel-size 8 8 8
    """
    from famous.pipeline.estimate import estimate
    from famous.pipeline.run import run as run_all
    from famous.pipeline.run import will_train

    common = _Common(voxel_size, invert, config, folder)
    project = common.open(
        stack, weights=weights, minutes=minutes, channels=channels, start=start, download=download, save=not dry_run
    )
    with Bars(err) as bars:
        session = _session(bars, jobs, scheduler, device, again)
        plan = estimate(project, session, will_train=will_train(project))
        if dry_run:
            _say(dataclasses.asdict(plan), [str(plan)], as_json)
            return
        err.print(str(plan), markup=False)
        outcome = run_all(project, session)
    counts = outcome.instances["class"].value_counts().to_dict()
    _say(
        {
            "folder": outcome.folder,
            "instances": counts,
            "boxes": outcome.boxes,
            "meshes": len(outcome.meshes),
            "seconds": round(outcome.seconds, 1),
            "peak_memory_mb": round(outcome.peak_memory_mb),
        },
        [
            f"{len(outcome.instances):,} organelles: " + ", ".join(f"{count} {name}" for name, count in counts.items()),
            f"meshes     {project.meshes}",
            f"table      {project.instances}",
            f"labels     {project.labels}",
            f"took {as_duration(outcome.seconds)}, peak memory {outcome.peak_memory_mb:,.0f} MB",
        ],
        as_json,
    )


def _session(bars: Bars, jobs: int, scheduler: str | None, device: str, again: bool) -> "Session":
    from famous.pipeline.stage import Session

    return Session(bars, jobs, scheduler, device, again)


@app.command()
def train(
    stack: StackArgument,
    minutes: MinutesOption = None,
    channels: ChannelsOption = None,
    start: StartOption = None,
    voxel_size: VoxelSizeOption = None,
    invert: InvertOption = None,
    config: ConfigOption = None,
    folder: FolderOption = None,
    device: DeviceOption = "auto",
    again: AgainOption = False,
    download: DownloadOption = False,
) -> None:
    """Train the detector on the labelled slices.

    Example: famous train cell.tif --minutes 30
    """
    from famous.pipeline.train import run_train

    common = _Common(voxel_size, invert, config, folder)
    project = common.open(stack, minutes=minutes, channels=channels, start=start, download=download)
    with Bars(err) as bars:
        card = run_train(project, _session(bars, 1, None, device, again))
    out.print(f"model      {project.model}", markup=False)
    for name, metrics in card.metrics.items():
        shown = ", ".join(f"{key} {'–' if value is None else format(value, '.3f')}" for key, value in metrics.items())
        out.print(f"{name}: {shown}", markup=False)


def _stage_command(name: str, describe: str, work: Callable[["Project", "Session"], str]) -> None:
    """Add the command of one stage; they all have the same options."""

    def command(
        stack: StackArgument,
        voxel_size: VoxelSizeOption = None,
        invert: InvertOption = None,
        config: ConfigOption = None,
        folder: FolderOption = None,
        weights: WeightsOption = None,
        device: DeviceOption = "auto",
        jobs: JobsOption = 1,
        scheduler: SchedulerOption = None,
        again: AgainOption = False,
    ) -> None:
        project = _Common(voxel_size, invert, config, folder).open(stack, weights=weights)
        with Bars(err) as bars:
            said = work(project, _session(bars, jobs, scheduler, device, again))
        out.print(said, markup=False)

    command.__doc__ = f"{describe}\n\nExample: famous {name} cell.tif"
    app.command(name)(command)


def _detect(project: "Project", session: "Session") -> str:
    from famous.pipeline.detect import run_detect

    return f"{len(run_detect(project, session)):,} boxes in {project.detected}"


def _extract(project: "Project", session: "Session") -> str:
    from famous.pipeline.extract import run_extract

    return f"{int(run_extract(project, session)['pixels'].sum()):,} pixels in {project.labels}"


def _link(project: "Project", session: "Session") -> str:
    from famous.pipeline.link import run_link

    linked = run_link(project, session)
    return f"{linked.loc[linked['instance'] > 0, 'instance'].nunique():,} instances in {project.boxes}"


def _mesh(project: "Project", session: "Session") -> str:
    from famous.pipeline.mesh import run_mesh

    return f"{len(run_mesh(project, session)):,} meshes in {project.meshes}"


def _measure(project: "Project", session: "Session") -> str:
    from famous.pipeline.mesh import run_measure

    return f"{len(run_measure(project, session)):,} rows in {project.instances}"


_stage_command("detect", "Box the organelles in every slice.", _detect)
_stage_command("extract", "Turn each box into pixels.", _extract)
_stage_command("link", "Link the slices into 3D instances.", _link)
_stage_command("mesh", "Make one watertight mesh per organelle.", _mesh)
_stage_command("measure", "Measure every organelle: one row each.", _measure)


@app.command()
def export(
    stack: StackArgument,
    kind: Annotated[Export, typer.Option("--format", "-f", help="For Blender: glb; for Fiji: tiff.")],
    to: Annotated[Path | None, typer.Option("--out", "-o", help="Folder to write to.")] = None,
    per_class: Annotated[bool, typer.Option("--per-class", help="One mesh file a class.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")] = False,
    folder: FolderOption = None,
) -> None:
    """Write meshes, labels or tables for other programs.

    Example: famous export cell.tif --format stl
    """
    from famous.pipeline.export import export as export_run

    written = export_run(
        _Common(None, None, None, folder).open(stack), kind, out=to, per_class=per_class, overwrite=overwrite
    )
    shown = written[0] if len(written) == 1 else written[0].parent if written else "nothing to write"
    out.print(f"{len(written):,} files, {shown}", markup=False)


@app.command()
def info(stack: StackArgument, folder: FolderOption = None, as_json: JsonOption = False) -> None:
    """Tell what a stack is and how far its run is.

    Example: famous info cell.tif
    """
    from famous.pipeline.info import describe

    found = describe(_Common(None, None, None, folder).open(stack, save=False))
    width = max(len(key) for key in found)
    _say(found, [f"{key:<{width}}  {value}" for key, value in found.items()], as_json)


@app.command()
def demo(
    to: Annotated[Path, typer.Option("--out", "-o", help="Folder to make.")] = Path("famous-demo"),
    device: DeviceOption = "auto",
) -> None:
    """Generate a small cell and run everything on it, with the detector that ships.

    Example: famous demo
    """
    from famous.pipeline.demo import run_demo

    with Bars(err) as bars:
        made = run_demo(to, _session(bars, 1, None, device, False))
    out.print("\n".join(f"{name:<9}  {path}" for name, path in made.items()), markup=False)


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Tell what is installed and how to mend what is missing.

    Example: famous doctor
    """
    from famous.doctor import examine

    findings = examine()
    _say({f.name: dataclasses.asdict(f) for f in findings}, [str(f) for f in findings], as_json)
    if any(not f.ok and f.needed for f in findings):
        raise typer.Exit(1)


@boxes_app.command("import")
def boxes_import(
    stack: StackArgument,
    source: Annotated[Path, typer.Argument(metavar="BOXES", help="YOLO folder, COCO JSON, CVAT XML or boxes.csv.")],
    kind: Annotated[Boxes | None, typer.Option("--format", "-f", help="Found out where not given.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the boxes that are there.")] = False,
    folder: FolderOption = None,
) -> None:
    """Take boxes from another labelling tool as this stack's annotations.

    Example: famous boxes import cell.tif labels/ --format yolo
    """
    from famous.pipeline.annotations import import_boxes

    notes, taken = import_boxes(_Common(None, None, None, folder).open(stack), source, kind, overwrite=overwrite)
    for note in notes:
        err.print(f"note: {note}", markup=False)
    out.print(f"{len(taken.boxes):,} boxes, {len(taken.done):,} slices done", markup=False)


@boxes_app.command("export")
def boxes_export(
    stack: StackArgument,
    to: Annotated[Path, typer.Argument(metavar="PATH", help="File or folder to write.")],
    kind: Annotated[Boxes, typer.Option("--format", "-f", help="Format to write.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    folder: FolderOption = None,
) -> None:
    """Write this stack's annotations for another labelling tool.

    Example: famous boxes export cell.tif coco.json --format coco
    """
    from famous.pipeline.annotations import export_boxes

    for note in export_boxes(_Common(None, None, None, folder).open(stack), to, kind, overwrite=overwrite):
        err.print(f"note: {note}", markup=False)
    out.print(str(to), markup=False)
