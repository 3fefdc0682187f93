"""`famous demo`: a phantom cell, the detector that ships, the whole run, and one picture of it."""

from pathlib import Path

from famous.errors import InputError
from famous.io.meshes import read_mesh
from famous.io.tables import read_parquet
from famous.io.volumes import LabelStore
from famous.pipeline.crops import extents
from famous.pipeline.mesh import mesh_path
from famous.pipeline.project import Project, open_project
from famous.pipeline.run import run
from famous.pipeline.stage import Session
from famous.report.colours import class_colours
from famous.report.overview import draw_overview


def run_demo(folder: Path, session: Session) -> dict[str, Path]:
    """Generate a stack in a new folder, run everything on it and draw the result; returns the paths by name.

    Raises
    ------
    InputError
        If the folder holds something else.
    """
    stack = folder / "cell.tif"
    if folder.exists() and any(folder.iterdir()) and not stack.exists():
        raise InputError(f"{folder}: is there and holds something else; name another one with --out")
    folder.mkdir(parents=True, exist_ok=True)
    if not stack.exists():
        _write_stack(stack, session)
    project = open_project(str(stack))
    run(project, session)
    picture = folder / "overview.png"
    draw_run(project, picture)
    return {
        "stack": stack,
        "meshes": project.meshes,
        "table": project.instances,
        "labels": project.labels,
        "picture": picture,
    }


def draw_run(project: Project, path: Path, *, z: int | None = None) -> None:
    """Draw one slice with its boxes and outlines beside the meshes of a run.

    `z` is the slice; the one with the most boxes where none is given.
    """
    boxes = read_parquet(project.boxes)
    kept = boxes[boxes["instance"] > 0]
    if z is None:
        z = int(kept["z"].mode().iloc[0]) if len(kept) else len(project.stack) // 2
    store = LabelStore.open(project.labels)
    listed = extents(boxes)
    chosen = {name: entry.color for name, entry in project.config.classes.items()}
    draw_overview(
        path,
        image=project.stack.image(z),
        boxes=kept[kept["z"] == z],
        labels={name: store.read_labels(name, z) for name in store.classes},
        meshes=[(extent.class_name, read_mesh(mesh_path(project.meshes, extent))) for extent in listed],
        colours=class_colours(list(store.classes), chosen),
        voxel_size=project.voxel_size,
        title=f"{project.stack.name}, slice {z}",
    )
