"""`famous demo`: a phantom cell, the detector that ships, the whole run, and one picture of it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous.errors import InputError
from famous.files import sweep_partials
from famous.io.label_store import LabelStore
from famous.io.meshes import read_mesh
from famous.io.tables import read_parquet
from famous.io.volumes import write_stack_tiff
from famous.pipeline.crops import extents, mesh_path
from famous.pipeline.project import Project, open_project
from famous.pipeline.run import run
from famous.pipeline.stage import Session
from famous.report.colours import class_colours
from famous.report.overview import Overview, draw_overview
from famous.synthetic import Phantom, PhantomParams
from famous.voxels import VoxelSize

#: The demo's cell; the detector that ships was trained on other seeds.
PHANTOM = PhantomParams(
    shape=(64, 448, 448),
    voxel_size=VoxelSize(8, 8, 8),
    seed=7,
    nucleus_radius_nm=800,
    mitochondria=2.2,
    early_endosomes=1.0,
    late_endosomes=1.4,
    lysosomes=0.5,
)


def run_demo(folder: Path, session: Session) -> dict[str, Path]:
    """Generate a stack in a new folder, run everything on it and draw the result; returns the paths by name.

    Raises
    ------
    InputError
        If the folder holds something else.
    """
    stack = folder / "cell.tif"
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; name a folder with --out")
    begun = f".{stack.name}."  # of the demo's own stack, which a kill left half-written
    if folder.exists() and not stack.exists() and any(not e.name.startswith(begun) for e in folder.iterdir()):
        raise InputError(f"{folder}: is there and holds something else; name another one with --out")
    folder.mkdir(parents=True, exist_ok=True)
    sweep_partials(folder)
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

    `z` is the slice; where none is given, of those with many boxes the one nearest to the middle.
    """
    boxes = read_parquet(project.boxes)
    kept = boxes[boxes["instance"] > 0]
    if z is None:
        z = _telling_slice(kept, len(project.stack))
    store = LabelStore.open(project.labels)
    chosen = {name: entry.color for name, entry in project.config.classes.items()}
    draw_overview(
        path,
        Overview(
            image=project.stack.image(z),
            voxel_size=project.voxel_size,
            boxes=kept[kept["z"] == z],
            labels={name: store.read_labels(name, z) for name in store.classes},
            meshes=[
                (extent.class_name, read_mesh(mesh_path(project.meshes, extent)))
                for extent in extents(boxes, project.stack.shape)
            ],
            colours=class_colours(list(store.classes), chosen),
            title=Path(project.stack.name).stem,
            depth_nm=len(project.stack) * project.voxel_size.z,
            z=z,
        ),
    )


def _telling_slice(boxes: pd.DataFrame, depth: int) -> int:
    counts = boxes.groupby("z").size()
    many = counts.index[counts >= 0.85 * counts.max()] if len(counts) else [depth // 2]
    return min((int(z) for z in many), key=lambda z: abs(z - depth // 2))


def _write_stack(path: Path, session: Session) -> None:
    """Render the phantom cell slice by slice into an ImageJ TIFF that carries its voxel size."""
    phantom = Phantom(PHANTOM)
    session.reporter.begin("generate", len(phantom))

    def slices() -> Iterator[NDArray[np.uint8]]:
        for z in range(len(phantom)):
            yield phantom[z]
            session.reporter.advance(1)

    write_stack_tiff(path, slices(), phantom.shape, phantom.voxel_size)
    session.reporter.end("generate", f"{len(phantom)} slices of a phantom cell in {path}")
