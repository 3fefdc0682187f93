"""Stages mesh and measure: instances → `run/meshes/<class>/<class>_00042.ply` and `run/instances.csv`."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from famous.config import MeshConfig, plain
from famous.io.label_store import LabelStore
from famous.io.meshes import read_mesh, write_mesh
from famous.io.tables import read_csv, read_parquet, write_csv
from famous.measure.morphology import COLUMNS, measure_instance
from famous.mesh import Mesh
from famous.pipeline import link
from famous.pipeline.crops import Crop, Extent, extents, read_crop, slug
from famous.pipeline.parts import blocks
from famous.pipeline.project import Project
from famous.pipeline.stage import Session, Stage, run_parts
from famous.surface import isosurface, shrinkwrap
from famous.voxels import NM_PER_UM, VoxelSize

BLOCK = 16


def mesh_path(folder: Path, extent: Extent) -> Path:
    """Where the mesh of an instance lies."""
    return folder / slug(extent.class_name) / f"{extent.name}.ply"


@dataclass(frozen=True)
class BlockMesher:
    """Makes and writes the meshes of a block of instances; picklable."""

    store: Path
    folder: Path
    voxel_size: VoxelSize
    config: Mapping[str, MeshConfig]  # by class
    extents: tuple[Extent, ...]

    def __call__(self, block: range) -> pd.DataFrame:
        """Write the meshes; returns columns instance, faces."""
        store = LabelStore.open(self.store)
        rows = []
        for extent in (self.extents[i] for i in block):
            config = self.config[extent.class_name]
            mesh = make_mesh(read_crop(store, extent, self.voxel_size, config.maximum_voxels), config)
            path = mesh_path(self.folder, extent)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_mesh(path, mesh, class_name=extent.class_name, instance=extent.instance)
            rows.append((extent.instance, len(mesh.faces)))
        return pd.DataFrame(rows, columns=["instance", "faces"]).astype("int64")


def make_mesh(crop: Crop, config: MeshConfig) -> Mesh:
    """Make the mesh of one crop with the configured method."""
    if config.method == "shrinkwrap":
        return shrinkwrap.surface(crop.mask, voxel_size=crop.voxel_size, params=config.shrinkwrap, offset=crop.offset)
    return isosurface.surface(crop.mask, voxel_size=crop.voxel_size, params=config.isosurface, offset=crop.offset)


def mesh_stage(project: Project) -> tuple[Stage, list[Extent]]:
    """Describe stage mesh for this project as it is now, and list its instances; InputError if linking is not done."""
    above = link.stage_of(project).require()
    listed = extents(read_parquet(project.boxes))
    configs = {name: project.config.mesh_of(name) for name in sorted({extent.class_name for extent in listed})}
    paths = [mesh_path(project.meshes, extent) for extent in listed]
    return Stage("mesh", project, {"mesh": plain(configs)}, {"link": above}, (project.meshes, *paths)), listed


def run_mesh(project: Project, session: Session) -> list[Path]:
    """Make one mesh per instance, or none if nothing has changed since; returns their paths by instance."""
    stage, listed = mesh_stage(project)
    paths = list(stage.outputs[1:])
    if stage.skip(session):
        session.reporter.end("mesh", f"{len(paths):,} meshes, done before")
        return paths
    session.reporter.begin("mesh", len(listed))
    with stage.working(session, resumes_on=(project.meshes,)) as (parts, fresh):
        if fresh:
            shutil.rmtree(project.meshes, ignore_errors=True)
            project.meshes.mkdir(parents=True)
            parts.begin()
        configs = {name: project.config.mesh_of(name) for name in {extent.class_name for extent in listed}}
        worker = BlockMesher(project.labels, project.meshes, project.voxel_size, configs, tuple(listed))
        run_parts(parts, blocks(len(listed), BLOCK), worker, session)
    session.reporter.end("mesh", f"{len(paths):,} meshes")
    return paths


@dataclass(frozen=True)
class BlockMeasurer:
    """Measures a block of instances; picklable."""

    store: Path
    folder: Path
    voxel_size: VoxelSize
    maximum_voxels: int
    extents: tuple[Extent, ...]
    stack_shape: tuple[int, int, int]

    def __call__(self, block: range) -> pd.DataFrame:
        """Return one row an instance."""
        store = LabelStore.open(self.store)
        rows = []
        for extent in (self.extents[i] for i in block):
            crop = read_crop(store, extent, self.voxel_size, self.maximum_voxels)
            shape = tuple(-(-side // crop.step) for side in self.stack_shape)
            row = measure_instance(
                crop.mask,
                read_mesh(mesh_path(self.folder, extent)),
                voxel_size=crop.voxel_size,
                offset=crop.offset,
                stack_shape=(shape[0], shape[1], shape[2]),
            )
            counted = {  # from the table, exact also where the crop was read at a step
                "n_slices": extent.n_slices,
                "voxels": extent.voxels,
                "volume_voxels_um3": extent.voxels * self.voxel_size.volume_nm3 / NM_PER_UM**3,
            }
            named = {"id": extent.instance, "class": extent.class_name}
            rows.append({**named, **row, **counted, "mean_score": extent.score})
        return pd.DataFrame(rows, columns=["id", "class", *COLUMNS, "mean_score"])


def measure_stage(project: Project) -> tuple[Stage, list[Extent]]:
    """Describe stage measure as `mesh_stage` does; InputError if meshing is not done."""
    above, listed = mesh_stage(project)
    return Stage("measure", project, {}, {"mesh": above.require()}, outputs=(project.instances,)), listed


def run_measure(project: Project, session: Session) -> pd.DataFrame:
    """Measure every instance, or read the table if nothing has changed since."""
    stage, listed = measure_stage(project)
    if stage.skip(session):
        session.reporter.end("measure", "done before")
        return read_csv(project.instances)
    session.reporter.begin("measure", len(listed))
    with stage.working(session) as (parts, _):
        parts.begin()
        worker = BlockMeasurer(
            project.labels,
            project.meshes,
            project.voxel_size,
            project.config.mesh.maximum_voxels,
            tuple(listed),
            project.stack.shape,
        )
        tables = run_parts(parts, blocks(len(listed), BLOCK), worker, session)
        filled = [table for table in tables if len(table)]
        table = pd.concat(filled, ignore_index=True) if filled else worker(range(0))
        write_csv(project.instances, table)
    session.reporter.end("measure", f"{len(table):,} rows in {project.instances.name}")
    return table
