"""Options that several commands share, each defined once, and what they open: a project and a session."""

import contextlib
import dataclasses
import re
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from famous.cli.console import note
from famous.errors import FamousError
from famous.progress import Bars

if TYPE_CHECKING:
    from famous.pipeline.project import Project
    from famous.pipeline.stage import Session

#: The projects that the command has opened so far.
_opened: ContextVar[list["Project"] | None] = ContextVar("opened", default=None)


def _length(text: object) -> float:
    """Read a length in nm; typer hands over whatever follows the option, also the next one."""
    try:
        return float(str(text))
    except ValueError:
        raise typer.BadParameter(f"found {str(text)!r}, expected three lengths in nm, Z Y X") from None


def slice_list(text: str | None, option: str) -> tuple[int, ...] | None:
    """Read the slices that an option names, `0,10,20-30`; None where it is not given."""
    if text is None:
        return None
    chosen: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        if found is None:
            raise typer.BadParameter(
                f"found {part!r}, expected slices by number, such as 0,10,20-30", param_hint=option
            )
        first, last = int(found[1]), int(found[2] or found[1])
        if last < first:
            raise typer.BadParameter(
                f"{part.strip()} is backwards, expected the lower number first: {last}-{first}", param_hint=option
            )
        chosen += range(first, last + 1)
    return tuple(sorted(set(chosen)))


def _check_size(size: tuple[float, float, float] | None) -> tuple[float, float, float] | None:
    if size is not None and not all(0 < side < float("inf") for side in size):
        raise typer.BadParameter(f"found {size}, expected three lengths in nm above 0")
    return size


def _guard(command: typer.Context, folder: Path | None) -> Path | None:
    """Take back what opening a project made, where the command fails before it has made anything else."""
    command.with_resource(_taking_back())
    return folder


@contextlib.contextmanager
def _taking_back() -> Iterator[None]:
    opened: list[Project] = []
    token = _opened.set(opened)
    try:
        yield
    except FamousError:
        for project in opened:
            project.take_back()
        raise
    finally:
        _opened.reset(token)


StackArgument = Annotated[
    str,
    typer.Argument(
        metavar="STACK",
        help="A folder of slices, TIFF, MRC, HDF5 (file.h5:/dataset), Zarr, NIfTI, NRRD or Amira.",
    ),
]
VoxelSizeOption = Annotated[
    tuple[float, float, float] | None,
    typer.Option(
        "--voxel-size",
        metavar="Z Y X",
        help="Voxel size in nm; wins over the file's own.",
        parser=_length,
        callback=_check_size,
    ),
]
InvertOption = Annotated[
    bool | None, typer.Option("--invert/--no-invert", help="The stack has bright membranes.", show_default=False)
]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="YAML file of knobs, see configs/default.yaml.")]
FolderOption = Annotated[
    Path | None, typer.Option("--folder", help="Where to work instead of <stack>.famous.", callback=_guard)
]
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
    str | None,
    typer.Option("--start", help="Weights or model YAML to train from; default: the detector that ships."),
]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")]


@dataclass(frozen=True)
class Common:
    """The options that open a project; every command that works on a stack has them, or some of them."""

    voxel_size: tuple[float, float, float] | None = None
    invert: bool | None = None
    config: Path | None = None
    folder: Path | None = None

    def open(self, stack: str, **choices: Any) -> "Project":
        """Open the project of a stack, with further `Choices` by name, and print its notes."""
        from famous.pipeline.project import Choices, open_project

        project = open_project(stack, Choices(**dataclasses.asdict(self), **choices))
        if (opened := _opened.get()) is not None:
            opened.append(project)
        note(project.opened.notes)
        return project


def open_session(
    bars: Bars, *, device: str = "auto", jobs: int = 1, scheduler: str | None = None, again: bool = False
) -> "Session":
    """Return a session that reports to the bars."""
    from famous.pipeline.stage import Session

    return Session(bars, jobs, scheduler, device, again)
