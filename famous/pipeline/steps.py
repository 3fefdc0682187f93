"""The steps of the shrink-wrap of instances: as files, or as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from famous.config import MeshConfig
from famous.errors import InputError
from famous.io.label_store import LabelStore
from famous.io.meshes import write_mesh
from famous.io.points import write_points
from famous.mesh import Mesh
from famous.pipeline.crops import Crop, Extent, read_crops, slug
from famous.pipeline.mesh import mesh_stage
from famous.pipeline.project import Project
from famous.pipeline.stage import Session
from famous.report.colours import class_colours
from famous.report.steps import draw_steps
from famous.surface.shrinkwrap import STEPS, Step, trace

FEW = 12  # ids that are listed where a wrong one is named


def steps_folder(project: Project) -> Path:
    """Where the steps lie: `run/steps/<class>/<class>_00042/1_points.ply` … and `run/steps/<class>_00042.png`."""
    return project.meshes.parent / "steps"


def keep_steps(project: Project, session: Session) -> list[Path]:
    """Write every step of every instance that is meshed by the shrink-wrap: one PLY a step, eight an instance.

    Raises
    ------
    InputError
        If linking is not done, or no class is meshed by the shrink-wrap.
    """
    listed = mesh_stage(project)[1]
    wrapped = [extent for extent in listed if has_steps(project.config.mesh_of(extent.class_name))]
    if listed and not wrapped:
        refuse_steps()
    session.reporter.begin("steps", len(wrapped))
    written: list[Path] = []
    for extent in wrapped:
        steps = trace_instance(project, extent)
        written += write_steps(steps_folder(project), steps, extent)
        session.reporter.advance(1)
    session.reporter.end("steps", f"{len(written):,} files in {steps_folder(project)}")
    return written


def has_steps(config: MeshConfig) -> bool:
    """Whether a class is meshed by the shrink-wrap, or may be."""
    return config.method != "isosurface"


def refuse_steps() -> NoReturn:
    """Say that there are no steps to keep."""
    raise InputError(
        "--keep-steps: found the method isosurface, which has no steps; expected the shrink-wrap: say --method "
        "shrinkwrap, or mesh: {method: shrinkwrap} in the configuration"
    )


def show_steps(project: Project, instance: int) -> Path:
    """Draw the eight steps of one instance's shrink-wrap, whatever its class is meshed by; returns the picture's path.

    Raises
    ------
    InputError
        If linking is not done, or there is no such instance.
    """
    listed = mesh_stage(project)[1]
    chosen = choose(listed, instance)
    names = list(dict.fromkeys([*project.config.classes, *(extent.class_name for extent in listed)]))
    colours = class_colours(names, {name: entry.color for name, entry in project.config.classes.items()})
    path = steps_folder(project) / f"{chosen.name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    steps = trace_instance(project, chosen)
    return draw_steps(path, steps, colour=colours[chosen.class_name], title=chosen.name)


def choose(listed: Sequence[Extent], instance: int) -> Extent:
    """Find an instance by its id; InputError where there is none of it."""
    chosen = next((extent for extent in listed if extent.instance == instance), None)
    if chosen is None:
        ids = sorted(extent.instance for extent in listed)
        if not ids:
            raise InputError("--show-steps: found no label above 0, expected labels with instances")
        shown = (
            ", ".join(map(str, ids)) if len(ids) <= FEW else f"{ids[0]}, {ids[1]}, … {ids[-1]} ({len(ids):,} in all)"
        )
        raise InputError(f"--show-steps: found no instance {instance}, expected one of {shown}")
    return chosen


def trace_instance(project: Project, extent: Extent) -> list[Step]:
    """Read one instance and shrink-wrap it as its class is told to."""
    config = project.config.mesh_of(extent.class_name)
    store = LabelStore.open(project.labels)
    crop = read_crops(store, [extent], project.voxel_size, maximum_voxels=config.maximum_voxels)[0]
    return trace_crop(crop, config)


def trace_crop(crop: Crop, config: MeshConfig) -> list[Step]:
    """Shrink-wrap a crop and return the eight steps."""
    mask = crop.mask[0 : crop.mask.shape[0]]  # at most `maximum_voxels`
    return trace(mask, voxel_size=crop.voxel_size, params=config.shrinkwrap, offset=crop.offset)


def write_steps(folder: Path, steps: list[Step], extent: Extent) -> list[Path]:
    """Write the steps of one instance to their `step_files`."""
    written = step_files(folder, extent)
    written[0].parent.mkdir(parents=True, exist_ok=True)
    for step, path in zip(steps, written, strict=True):
        if isinstance(step.shape, Mesh):
            write_mesh(path, step.shape, class_name=extent.class_name, instance=extent.instance)
        else:
            write_points(path, step.shape, about=f"class {extent.class_name} instance {extent.instance}")
    return written


def step_files(folder: Path, extent: Extent) -> list[Path]:
    """Where the steps of one instance lie: `<class>/<class>_00042/1_points.ply` … `8_smooth.ply`."""
    own = folder / slug(extent.class_name) / extent.name
    return [own / f"{number}_{name}.ply" for number, name in enumerate(STEPS, start=1)]
