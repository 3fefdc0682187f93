"""Meshes and measures: of a run, or, with --out, of any label volume."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from famous.cli import options
from famous.cli.console import Answer, count, err, note
from famous.progress import Bars
from famous.words import counted

if TYPE_CHECKING:
    from famous.config import Config, MeshConfig
    from famous.pipeline.project import Project
    from famous.pipeline.stage import Session
    from famous.pipeline.sweep import Labels
    from famous.pipeline.volume import Made, Wish

Method = Literal["isosurface", "shrinkwrap", "auto"]
MeshFormat = Literal["ply", "stl", "obj", "glb"]
SUMS = ["voxels", "volume_voxels_um3", "volume_mesh_um3", "area_um2"]

SourceArgument = Annotated[
    str, typer.Argument(metavar="STACK", help="A stack that was run, or its folder; with --out any label volume.")
]
OutOption = Annotated[
    Path | None, typer.Option("--out", "-o", help="Folder to write to, from any label volume; the run stays as it is.")
]
ClassOption = Annotated[
    str | None,
    typer.Option("--class", metavar="NAME", help="With --out: what the labels are, or a class of a run."),
]
MethodOption = Annotated[
    Method | None,
    typer.Option(
        "--method",
        help="How surfaces are made; auto wraps convex objects whose outline jumps from slice to slice, and no others.",
    ),
]
SmoothOption = Annotated[
    float | None, typer.Option("--smooth-nm", min=0, help="Blur of the isosurface: how fine a detail it keeps, nm.")
]
ErrorOption = Annotated[
    float | None,
    typer.Option("--max-error-nm", min=0, help="Simplify the isosurface, moving it no farther than this, nm."),
]
SplitOption = Annotated[
    bool, typer.Option("--split", help="With --out: each connected piece of a label is an object of its own.")
]
SmallestOption = Annotated[
    int, typer.Option("--min-voxels", min=1, help="With --out: leave out what has fewer voxels.")
]


InsideOption = Annotated[
    str | None,
    typer.Option("--inside", metavar="LABELS", help="With --out: a label volume of what the objects lie in."),
]


@dataclass(frozen=True)
class Knobs:
    """What the command line says about surfaces; it wins over the configuration."""

    method: Method | None
    smooth_nm: float | None
    max_error_nm: float | None

    def apply(self, config: "MeshConfig") -> "MeshConfig":
        """Return the configuration with what was said."""
        said: dict[str, Any] = {"smooth_nm": self.smooth_nm, "max_error_nm": self.max_error_nm}
        said = {name: value for name, value in said.items() if value is not None}
        if unknown := said.keys() - {entry.name for entry in fields(config.isosurface)}:
            raise typer.BadParameter(f"isosurface knows no {sorted(unknown)[0]}", param_hint="--max-error-nm")
        method = self.method or config.method
        if said and method == "shrinkwrap":
            option = "--smooth-nm" if "smooth_nm" in said else "--max-error-nm"
            raise typer.BadParameter("is of the isosurface; the shrink-wrap has knobs of its own", param_hint=option)
        return replace(config, method=method, isosurface=replace(config.isosurface, **said))


@dataclass(frozen=True)
class Apart:
    """What the command line says about label volumes that need no run: --out and what goes with it."""

    out: Path | None
    class_name: str | None
    split: bool
    minimum_voxels: int
    overwrite: bool
    kind: MeshFormat | None = None
    inside: str | None = None
    keep_steps: bool = False

    def check(self) -> None:
        """Refuse what goes with --out only."""
        usual = Apart(None, None, False, 1, False)
        names = {
            "class_name": "--class",
            "split": "--split",
            "minimum_voxels": "--min-voxels",
            "overwrite": "--overwrite",
        }
        for name, option in (names | {"kind": "--format", "inside": "--inside"}).items():
            if self.out is None and getattr(self, name) != getattr(usual, name):
                raise typer.BadParameter("goes with --out FOLDER only", param_hint=option)


@dataclass(frozen=True)
class Source:
    """What the command line says about where things are."""

    name: str
    common: options.Common
    weights: str | None = None

    @property
    def has_run(self) -> bool:
        """Whether there is a project."""
        from famous.pipeline.volume import has_run

        return has_run(self.name, self.common.folder)

    def open(self) -> "Project":
        """Open the project; InputError where there is none, which may be a label volume."""
        from famous.errors import InputError
        from famous.pipeline.project import project_folder

        if not self.has_run:
            folder = self.common.folder or project_folder(self.name)
            raise InputError(
                f"{self.name}: found no run of it, no {folder}; if it is a stack, do `famous run {self.name}` first; "
                "if it is a label volume, say where the results go with --out FOLDER"
            )
        return self.common.open(self.name, weights=self.weights)


def mesh(
    stack: SourceArgument,
    out: OutOption = None,
    method: MethodOption = None,
    smooth_nm: SmoothOption = None,
    max_error_nm: ErrorOption = None,
    class_name: ClassOption = None,
    split: SplitOption = False,
    minimum_voxels: SmallestOption = 1,
    kind: Annotated[
        MeshFormat | None, typer.Option("--format", "-f", help="With --out: format of the meshes, ply if not said.")
    ] = None,
    overwrite: options.OverwriteOption = False,
    keep_steps: Annotated[
        bool,
        typer.Option("--keep-steps", help="Write each step of the shrink-wrap, too: eight PLY files an organelle."),
    ] = False,
    show_steps: Annotated[
        int | None,
        typer.Option("--show-steps", metavar="ID", help="Draw the shrink-wrap of an organelle, step by step."),
    ] = None,
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
    """Make one watertight mesh per organelle: of a run, or of any label volume.

    Example: famous mesh labels.tif --voxel-size 15 16 16 --out meshes
    """
    source = Source(stack, options.Common(voxel_size, invert, config, folder), weights)
    knobs, apart = (
        Knobs(method, smooth_nm, max_error_nm),
        Apart(out, class_name, split, minimum_voxels, overwrite, kind),
    )
    apart.check()
    if keep_steps and show_steps is not None:
        raise typer.BadParameter("draws one organelle and makes no mesh: say one of both", param_hint="--show-steps")
    with Bars(err) as bars:
        session = options.open_session(bars, device=device, jobs=jobs, scheduler=scheduler, again=again)
        apart = replace(apart, kind=kind or "ply", keep_steps=keep_steps)
        if out is not None and show_steps is not None:
            from famous.pipeline import volume

            picture = volume.show_steps(*_wish_apart(out, source, apart, knobs), show_steps, session)
            answer = Answer({"out": out, "files": [picture]}, (str(picture),))
        elif out is not None:
            made = _work_apart(out, source, apart, knobs, session)
            lines = [f"{counted(len(made.table), 'mesh', 'meshes')} in {out}"]
            if keep_steps:
                lines.append(f"{len(made.steps):,} steps in {out / 'steps'}")
            files = [*made.files, *made.steps]
            data = {"out": out, "meshes": len(made.table), **_summary(made), "files": files}
            answer = Answer(data, tuple(lines))
        elif show_steps is not None:
            from famous.pipeline import steps

            project = source.open()
            picture = steps.show_steps(_settled(project, knobs), show_steps)
            answer = Answer({"folder": project.folder, "files": [picture]}, (str(picture),))
        else:
            answer = _mesh_run(_settled(source.open(), knobs), session, keep_steps)
    answer.say(as_json)


def _mesh_run(project: "Project", session: "Session", keep_steps: bool) -> Answer:
    from famous.pipeline import steps
    from famous.pipeline.mesh import run_mesh

    meshes = run_mesh(project, session)
    kept = steps.keep_steps(project, session) if keep_steps else []
    data = {"folder": project.folder, "meshes": len(meshes), "files": [*meshes, *kept]}
    lines = [f"{counted(len(meshes), 'mesh', 'meshes')} in {project.meshes}"]
    if keep_steps:
        lines.append(f"{len(kept):,} steps in {steps.steps_folder(project)}")
    return Answer(data, tuple(lines))


def measure(
    stack: SourceArgument,
    out: OutOption = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also thickness and centre lines, which take longer.")
    ] = False,
    method: MethodOption = None,
    smooth_nm: SmoothOption = None,
    max_error_nm: ErrorOption = None,
    class_name: ClassOption = None,
    inside: InsideOption = None,
    split: SplitOption = False,
    minimum_voxels: SmallestOption = 1,
    overwrite: options.OverwriteOption = False,
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
    """Measure every organelle, one row each: of a run, or of any label volume.

    Example: famous measure labels.tif --voxel-size 15 16 16 --out measures
    """
    source = Source(stack, options.Common(voxel_size, invert, config, folder), weights)
    knobs = Knobs(method, smooth_nm, max_error_nm)
    apart = Apart(out, class_name, split, minimum_voxels, overwrite, inside=inside)
    apart.check()
    if out is None and knobs != Knobs(None, None, None):
        raise typer.BadParameter("of a run's meshes are for `famous mesh`", param_hint="--method, --smooth-nm, …")
    with Bars(err) as bars:
        session = options.open_session(bars, device=device, jobs=jobs, scheduler=scheduler, again=again)
        if out is not None:
            made = _work_apart(out, source, apart, knobs, session, everything=everything)
            data = {"out": out, **_summary(made), "files": made.files}
            answer = Answer(data, (f"{len(made.table):,} rows in {made.files[-1]}",))
        else:
            answer = _measure_run(source.open(), session, everything=everything)
    answer.say(as_json)


def _measure_run(project: "Project", session: "Session", *, everything: bool) -> Answer:
    from famous.pipeline.mesh import run_measure, settle

    if everything:
        project = settle(project, measure=project.config.measure.everything())
    table = run_measure(project, session)
    data = {
        "folder": project.folder,
        "instances": len(table),
        "instances_by_class": count(table["class"]),
        "total_by_class": table.groupby("class")[SUMS].sum().to_dict("index"),
        "files": [project.instances],
    }
    return Answer(data, (f"{len(table):,} rows in {project.instances}",))


def _settled(project: "Project", knobs: Knobs) -> "Project":
    from famous.pipeline.mesh import settle

    return project if knobs == Knobs(None, None, None) else settle(project, mesh=knobs.apply(project.config.mesh))


def _work_apart(
    out: Path, source: Source, apart: Apart, knobs: Knobs, session: "Session", *, everything: bool = False
) -> "Made":
    """Mesh and measure what needs no run, or leaves it alone."""
    from famous.pipeline import volume

    return volume.work_on(*_wish_apart(out, source, apart, knobs, everything=everything), session)


def _wish_apart(
    out: Path, source: Source, apart: Apart, knobs: Knobs, *, everything: bool = False
) -> "tuple[list[Labels], Wish]":
    """Open the labels, and say what is to be made of them."""
    from famous.pipeline import volume

    config, volumes = _open_apart(source, apart)
    inside = _open_inside(source, apart, config, volumes)
    wish = volume.Wish(
        out=out,
        meshes=apart.kind,
        mesh={one.class_name: knobs.apply(config.mesh_of(one.class_name)) for one in (*volumes, *inside.values())},
        measure=config.measure.everything() if everything else config.measure,
        split=apart.split,
        minimum_voxels=apart.minimum_voxels,
        overwrite=apart.overwrite,
        inside=inside,
        keep_steps=apart.keep_steps,
    )
    return volumes, wish


def _open_inside(source: Source, apart: Apart, config: "Config", volumes: "list[Labels]") -> "Mapping[str, Labels]":
    """Open what the instances of each class lie in: as --inside says, else as the configuration does of a run."""
    from famous.pipeline import volume

    if apart.kind is not None:
        return {}
    pairs = config.measure.inside
    if apart.inside is not None:
        size = volumes[0].voxel_size if source.has_run or source.common.voxel_size is not None else None
        outer = {one.class_name: pairs.get(one.class_name, "around") for one in volumes}
        opened = {name: volume.open_labels(apart.inside, size, name) for name in set(outer.values())}
        return {name: opened[around] for name, around in outer.items()}
    chosen = sorted({one.class_name for one in volumes} & pairs.keys())
    if not source.has_run:
        note(f"measure.inside: where each {name} lies is not measured; say --inside LABELS" for name in chosen)
        return {}
    project = source.open()
    return {name: volume.labels_of_run(project, pairs[name], asked_by=f"measure.inside.{name}")[0] for name in chosen}


def _open_apart(source: Source, apart: Apart) -> "tuple[Config, list[Labels]]":
    """Open the label volume, or those of a run, and the configuration."""
    from famous import config as configuration
    from famous.errors import InputError
    from famous.pipeline import volume
    from famous.voxels import VoxelSize

    if source.has_run:
        project = source.open()
        return project.config, volume.labels_of_run(project, apart.class_name)
    path = source.common.config
    if path is not None and not path.exists():
        raise InputError(f"--config {path}: there is no such file")
    size = source.common.voxel_size
    opened = volume.open_labels(
        source.name, VoxelSize.from_zyx(size) if size is not None else None, apart.class_name or "object"
    )
    note(opened.notes)
    return configuration.read(*([path] if path else [])), [opened]


def _summary(made: "Made") -> dict[str, object]:
    return {
        "instances": len(made.table),
        "instances_by_class": count(made.table["class"]),
        "total_by_class": made.table.groupby("class")[SUMS].sum().to_dict("index"),
    }
