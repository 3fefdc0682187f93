"""Stages mesh and measure: instances → `run/meshes/<class>/<class>_00042.ply` and `run/instances.csv`."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from famous import config as configuration
from famous.config import MeshConfig, plain
from famous.io.label_store import CHUNK_PX, LabelStore
from famous.io.meshes import write_mesh
from famous.io.tables import read_csv, read_parquet, write_csv, write_parquet
from famous.measure import MeasureParams
from famous.measure.morphology import COLUMNS, measure_instance
from famous.mesh import Mesh
from famous.parallel import Room
from famous.pipeline import link
from famous.pipeline.crops import Crop, Extent, extents, mesh_path, read_crops
from famous.pipeline.measure import BlockMeasurer
from famous.pipeline.outliers import leave_out
from famous.pipeline.parts import blocks, shares
from famous.pipeline.project import Project
from famous.pipeline.stage import Session, Stage, run_parts
from famous.surface import auto, isosurface, shrinkwrap
from famous.topology import Topology, count_topology
from famous.voxels import NM_PER_UM, VoxelSize

BLOCK = 32  # instances at most that are finished together
ROOM = Room(6_000_000)  # voxels of the crops that are meshed at a time; to measure takes little more than the mesh
BLOCK_VOXELS = 4_000_000  # of the crops that are read together


@dataclass(frozen=True)
class BlockMesher:
    """Makes, writes and measures the meshes of a block of instances; picklable.

    Both need the instance's voxels, which take longer to read than to measure.
    """

    store: Path
    folder: Path
    voxel_size: VoxelSize
    config: Mapping[str, MeshConfig]  # by class
    extents: tuple[Extent, ...]
    stack_shape: tuple[int, int, int]

    def __call__(self, block: range) -> pd.DataFrame:
        """Write the meshes; returns one row an instance."""
        store = LabelStore.open(self.store)
        extents = [self.extents[i] for i in block]
        rows = {}
        for name in dict.fromkeys(extent.class_name for extent in extents):
            config = self.config[name]
            own = [extent for extent in extents if extent.class_name == name]
            maximum = config.maximum_voxels if config.method == "shrinkwrap" else None
            crops = read_crops(store, own, self.voxel_size, maximum_voxels=maximum)
            for extent, crop in zip(own, crops, strict=True):
                rows[extent.instance] = self._make(extent, crop, config)
        listed = [rows[extent.instance] for extent in extents]
        return pd.DataFrame(listed, columns=["id", "class", *COLUMNS, "mean_score"])

    def _make(self, extent: Extent, crop: Crop, config: MeshConfig) -> dict[str, object]:
        """Write one mesh and measure it; it is gone when the next is made."""
        extent, crop, mesh, topology = make_in_room(extent, crop, config)
        path = mesh_path(self.folder, extent)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_mesh(path, mesh, class_name=extent.class_name, instance=extent.instance)
        row = measure_made(extent, crop, mesh, topology, voxel_size=self.voxel_size, stack_shape=self.stack_shape)
        return row | {"mean_score": extent.score}


def make_in_room(extent: Extent, crop: Crop, config: MeshConfig) -> tuple[Extent, Crop, Mesh, Topology]:
    """Make the mesh of an instance once there is room for it; returned with what its outliers leave of it."""
    with ROOM.take(extent.size):
        extent, crop = leave_out(extent, crop, config)
        topology = count_topology(crop.mask)
        return extent, crop, make_mesh(crop, config, topology), topology


def measure_made(
    extent: Extent,
    crop: Crop,
    mesh: Mesh,
    topology: Topology,
    *,
    voxel_size: VoxelSize,
    stack_shape: tuple[int, int, int],
) -> dict[str, object]:
    """Return the row of an instance whose mesh was made; the topology is that of the crop's voxels."""
    z, y, x = (-(-side // crop.step) for side in stack_shape)
    counted = {  # from the table, exact also where the crop was read at a step
        "n_slices": extent.n_slices,
        "voxels": extent.voxels,
        "volume_voxels_um3": extent.voxels * voxel_size.volume_nm3 / NM_PER_UM**3,
    }
    measured = measure_instance(
        crop.mask,
        mesh,
        voxel_size=crop.voxel_size,
        offset=crop.offset,
        stack_shape=(z, y, x),
        topology=topology,
    )
    return {"id": extent.instance, "class": extent.class_name, **measured, **counted}


def make_mesh(crop: Crop, config: MeshConfig, topology: Topology | None = None) -> Mesh:
    """Make the mesh of one crop with the configured method; the topology of its voxels need not be counted twice."""
    if config.method == "shrinkwrap":
        mask = crop.mask[0 : crop.mask.shape[0]]  # at most `maximum_voxels`
        return shrinkwrap.surface(mask, voxel_size=crop.voxel_size, params=config.shrinkwrap, offset=crop.offset)
    if config.method == "auto":
        return auto.surface(
            crop.mask,
            voxel_size=crop.voxel_size,
            params=config.auto,
            smooth=config.isosurface,
            wrap=config.shrinkwrap,
            offset=crop.offset,
        )
    return isosurface.surface(
        crop.mask, voxel_size=crop.voxel_size, params=config.isosurface, offset=crop.offset, topology=topology
    )


def _by_place(listed: Sequence[Extent]) -> tuple[Extent, ...]:
    """Sort instances so that those that follow each other lie in the same blocks of the store, and are read at once."""

    def place(extent: Extent) -> tuple[str, list[int], int]:
        middle = [(low + high) // 2 // CHUNK_PX for low, high in zip(extent.low[1:], extent.high[1:], strict=True)]
        return extent.class_name, middle, extent.instance

    return tuple(sorted(listed, key=place))


def _work(listed: Sequence[Extent]) -> list[range]:
    """Cut the instances into blocks, smaller ones where their crops are large: they are read together."""
    ends = np.cumsum([extent.size for extent in listed])
    work = []
    for block in shares(len(listed), BLOCK):
        first = block.start
        for number in block[1:]:
            if ends[number] - ends[first] + listed[first].size > BLOCK_VOXELS:
                work.append(range(first, number))
                first = number
        work.append(range(first, block.stop))
    return work


def mesh_stage(project: Project) -> tuple[Stage, list[Extent]]:
    """Describe stage mesh for this project as it is now, and list its instances; InputError if linking is not done."""
    above = link.stage_of(project).require()
    listed = extents(read_parquet(project.boxes), project.stack.shape)
    configs = {name: project.config.mesh_of(name) for name in sorted({extent.class_name for extent in listed})}
    paths = [mesh_path(project.meshes, extent) for extent in listed]
    outputs = (project.measured, project.meshes, *paths)
    return Stage("mesh", project, {"mesh": plain(configs)}, {"link": above}, outputs), listed


def run_mesh(project: Project, session: Session) -> list[Path]:
    """Make one mesh per instance, or none if nothing has changed since; returns their paths by instance."""
    stage, listed = mesh_stage(project)
    paths = list(stage.outputs[2:])
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
        near = _by_place(listed)
        worker = BlockMesher(project.labels, project.meshes, project.voxel_size, configs, near, project.stack.shape)
        threaded = all(config.method == "isosurface" for config in configs.values())  # pymeshlab is for one thread
        placed = parts.inner("by_place")  # a famous that takes them in another order does not go on with these
        placed.begin()
        tables = run_parts(placed, _work(near), worker, session, threaded=threaded)
        filled = [table for table in tables if len(table)]
        measured = pd.concat(filled).sort_values("id", ignore_index=True) if filled else worker(range(0))
        write_parquet(project.measured, measured)
    session.reporter.end("mesh", f"{len(paths):,} meshes")
    return paths


def measure_stage(project: Project) -> tuple[Stage, list[Extent]]:
    """Describe stage measure as `mesh_stage` does; InputError if meshing is not done."""
    above, listed = mesh_stage(project)
    parameters = {"measure": plain(project.config.measure)}
    return Stage("measure", project, parameters, {"mesh": above.require()}, outputs=(project.instances,)), listed


def run_measure(project: Project, session: Session) -> pd.DataFrame:
    """Write the table of the organelles, or read it if nothing has changed.

    Most was measured with the meshes; what else the configuration asks for is measured now.
    """
    stage, listed = measure_stage(project)
    if stage.skip(session):
        session.reporter.end("measure", "done before")
        return read_csv(project.instances)
    params = project.config.measure
    session.reporter.begin("measure", len(listed) if params.columns else 1)
    with stage.working(session) as (parts, fresh):
        table = read_parquet(project.measured)
        if params.columns:
            if fresh:
                parts.begin()
            configs = {name: project.config.mesh_of(name) for name in {extent.class_name for extent in listed}}
            worker = BlockMeasurer(project.labels, project.meshes, project.voxel_size, params, tuple(listed), configs)
            tables = run_parts(parts, blocks(len(listed), BLOCK), worker, session)
            filled = [found for found in tables if len(found)]
            more = pd.concat(filled, ignore_index=True) if filled else worker(range(0))
            table = pd.concat([table.reset_index(drop=True), more], axis=1)
        write_csv(project.instances, table)
    session.reporter.end("measure", f"{len(table):,} rows in {project.instances.name}")
    return table


def settle(project: Project, *, mesh: MeshConfig | None = None, measure: MeasureParams | None = None) -> Project:
    """Return the project with other knobs for meshes or measures, and save them, so that later commands see them."""
    path = project.folder / "famous.yaml"
    saved = configuration.read(path)
    config = replace(saved, mesh=mesh or project.config.mesh, measure=measure or project.config.measure)
    if config != saved:
        configuration.write(path, config)
    return replace(project, config=replace(project.config, mesh=config.mesh, measure=config.measure))
