"""Meshes and measures of any label volume, without a run: two passes through its slices, never the whole in memory.

The first pass finds where each id lies. The second hands out the voxels of an id once the slice after its last is
reached; between its first and its last slice they wait, packed where they are many.
"""

import math
import shlex
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous.config import MeshConfig
from famous.cores import usable_threads
from famous.errors import InputError
from famous.files import PARTIAL_SUFFIX, sweep_partials
from famous.io.glb import MeshNode, write_glb
from famous.io.label_store import LabelStore, StoreVolume, check_class_names
from famous.io.meshes import SIDE_CAR, read_mesh, write_mesh, write_side_car
from famous.io.stacks import require_voxel_size, split_dataset
from famous.io.tables import write_csv
from famous.io.volumes import read_label_volume
from famous.measure import MeasureParams, measure_further
from famous.measure.further import NESTING
from famous.measure.morphology import COLUMNS
from famous.parallel import map_in_order, open_executor
from famous.pipeline.around import Around, look_around
from famous.pipeline.crops import Crop, Extent, slug
from famous.pipeline.exported import files_of
from famous.pipeline.mesh import make_in_room, measure_made
from famous.pipeline.pieces import split_pieces
from famous.pipeline.project import Project, project_folder
from famous.pipeline.stage import Session
from famous.pipeline.steps import choose, has_steps, refuse_steps, step_files, trace_crop, write_steps
from famous.pipeline.sweep import Labels, batches, find_extents, sweep
from famous.report.colours import class_colours
from famous.report.steps import draw_steps
from famous.voxels import VoxelSize
from famous.words import counted

BETWEEN = ".meshes."  # begins the name of the folder that meshes wait in
FORMATS = ("ply", "stl", "obj", "glb")


@dataclass(frozen=True)
class Wish:
    """What is to be made of label volumes."""

    out: Path
    meshes: str | None = "ply"  # format of the meshes; none writes no mesh
    mesh: Mapping[str, MeshConfig] = field(default_factory=dict)  # by class; one that is missing takes the default
    measure: MeasureParams = field(default_factory=MeasureParams)
    split: bool = False  # each connected piece of an id becomes an instance
    minimum_voxels: int = 1  # instances with fewer are left out
    overwrite: bool = False
    inside: Mapping[str, Labels] = field(default_factory=dict)  # by class: the labels that its instances lie in
    keep_steps: bool = False  # write each step of the shrink-wrap, too

    @property
    def further(self) -> tuple[str, ...]:
        """Names of the columns beyond the usual."""
        own = tuple(name for name in self.measure.columns if name not in NESTING)
        return (*own, *(NESTING if self.inside else ()))

    @property
    def steps(self) -> Path:
        """Where the steps of the shrink-wrap lie, and pictures of them."""
        return self.out / "steps"

    def has_steps(self, class_name: str) -> bool:
        """Whether the steps of a class are kept."""
        return self.keep_steps and has_steps(self.mesh_of(class_name))

    def mesh_of(self, class_name: str) -> MeshConfig:
        """Return how the instances of a class are meshed."""
        return self.mesh.get(class_name) or MeshConfig()


@dataclass(frozen=True)
class Made:
    """What was made: one row an instance, the files, and those of the shrink-wrap's steps."""

    table: pd.DataFrame
    files: tuple[Path, ...]
    steps: tuple[Path, ...] = ()


def has_run(source: str, folder: Path | None) -> bool:
    """Tell whether what the user named is the stack of a project, or its folder."""
    homes = [Path(source), folder if folder is not None else project_folder(source)]
    return any((home / "famous.yaml").is_file() for home in homes)


def require_run(source: str, folder: Path | None) -> None:
    """Raise InputError where what the user named has no project: nothing has been made of it yet."""
    if Path(split_dataset(source)[0]).exists() and not has_run(source, folder):
        raise InputError(f"{source}: found no run of it, expected one; do `famous run {shlex.quote(source)}` first")


def open_labels(source: str, voxel_size: VoxelSize | None, class_name: str = "object") -> Labels:
    """Open a label volume of any format.

    Raises
    ------
    InputError
        As `read_label_volume`, where there is no voxel size, or the class cannot name a folder.
    """
    check_class_names([class_name])
    opened = read_label_volume(source, voxel_size=voxel_size, wide=True)
    return Labels(opened.stack.volume, require_voxel_size(opened.stack), class_name, opened.notes)


def labels_of_run(project: Project, class_name: str | None, *, asked_by: str = "--class") -> list[Labels]:
    """Open the labels of a run, of all classes or of one; InputError, which says who asked, where there are none."""
    if not project.labels.exists():
        raise InputError(f"{project.folder}: found no labels of a run; run `famous link {project.folder}`")
    store = LabelStore.open(project.labels)
    if class_name is not None and class_name not in store.classes:
        raise InputError(f"{asked_by}: found {class_name!r}, expected one of {', '.join(store.classes)}")
    chosen = store.classes if class_name is None else (class_name,)
    return [Labels(StoreVolume(store, name), project.voxel_size, name) for name in chosen]


def work_on(volumes: Sequence[Labels], wish: Wish, session: Session) -> Made:
    """Mesh and measure all instances of label volumes, and write what was wished for.

    Meshes appear one by one under `out`, `<class>_00042.ply`, with several classes in a folder each; with them, at the
    end, `meshes.json` with unit and rows. Without meshes it is `instances.csv`. Ids of 64 bits are kept as they are.

    Raises
    ------
    InputError
        If a volume holds no labels, or a file is there and `overwrite` is off.
    """
    if wish.meshes is not None and wish.meshes not in FORMATS:
        raise InputError(f"--format: found {wish.meshes!r}, expected one of {', '.join(FORMATS)}")
    if wish.keep_steps and not any(wish.has_steps(one.class_name) for one in volumes):
        refuse_steps()
    _require_folder(wish.out)
    folders = {one.class_name: wish.out / slug(one.class_name) if len(volumes) > 1 else wish.out for one in volumes}
    _require_free([_last_file(wish)], wish)
    found = [_find(labels, wish, session) for labels in volumes]
    listed = [extent for one in found for extent in one.extents]
    _require_free([_mesh_file(folders, extent, wish) for extent in listed] if _one_by_one(wish) else [], wish)
    wish.out.mkdir(parents=True, exist_ok=True)
    _sweep(wish.out)
    stage = "mesh" if wish.meshes else "measure"
    with TemporaryDirectory(prefix=BETWEEN, suffix=PARTIAL_SUFFIX, dir=wish.out) as between:
        places = folders if _one_by_one(wish) else {name: Path(between) for name in folders}
        around = {one.labels.class_name: _look_around(one, Path(between), wish, session) for one in found}
        session.reporter.begin(stage, len(listed))
        table = pd.concat([_work(one, places, around[one.labels.class_name], wish, session) for one in found])
        table = table.reset_index(drop=True)
        if wish.inside:
            table["inside_id"] = pd.array([pd.NA if pd.isna(i) else i for i in table["inside_id"]], dtype="UInt64")
        if _one_by_one(wish):
            _remove_before(wish.out, {_mesh_file(folders, extent, wish) for extent in listed}, session)
        files = _finish(table, places, wish)
    session.reporter.end(stage, f"{len(table):,} instances in {wish.out}")
    if not listed:
        names = ", ".join(one.class_name for one in volumes)
        session.reporter.note(f"{names}: found no label above 0, so there is nothing to mesh or measure")
    wrapped = [extent for extent in listed if wish.has_steps(extent.class_name)]
    return Made(table, files, tuple(file for extent in wrapped for file in step_files(wish.steps, extent)))


def show_steps(volumes: Sequence[Labels], wish: Wish, instance: int, session: Session) -> Path:
    """Draw the eight steps of one instance's shrink-wrap into `out/steps`; returns the picture's path.

    Raises
    ------
    InputError
        If there is no such instance, or the picture is there and `overwrite` is off.
    """
    _require_folder(wish.out)
    found = [_find(labels, wish, session) for labels in volumes]
    chosen = choose([extent for one in found for extent in one.extents], instance)
    path = wish.steps / f"{chosen.name}.png"
    _require_free([path], wish)
    labels = next(one.labels for one in found if chosen in one.extents)
    config = wish.mesh_of(chosen.class_name)
    ((_, crop),) = sweep(labels, [chosen], config.maximum_voxels)
    path.parent.mkdir(parents=True, exist_ok=True)
    colours = class_colours(sorted(one.class_name for one in volumes), {})
    return draw_steps(path, trace_crop(crop, config), colour=colours[chosen.class_name], title=chosen.name)


def _require_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: found a file, expected a folder or nothing; name another with --out")


def _sweep(out: Path) -> None:
    """Remove what a killed export left."""
    sweep_partials(out)
    for left in out.glob(f"{BETWEEN}*{PARTIAL_SUFFIX}"):
        shutil.rmtree(left, ignore_errors=True)


def _remove_before(out: Path, now: Collection[Path], session: Session) -> None:
    """Remove the meshes that an earlier call listed and this one does not have: their listing is about to go."""
    gone = [out / name for name in files_of(out / SIDE_CAR) if Path(name).suffix[1:] in FORMATS]
    gone = [file for file in gone if file not in now and file.is_file()]
    for file in gone:
        file.unlink()
    if gone:
        session.reporter.note(
            f"{out}: removed {counted(len(gone), 'mesh', 'meshes')} of before, such as {gone[0].name}"
        )


def _one_by_one(wish: Wish) -> bool:
    """Whether each mesh has a file of its own."""
    return wish.meshes in ("ply", "stl", "obj")


def _last_file(wish: Wish) -> Path:
    """Return the file that is written last: a folder with it is complete."""
    if wish.meshes is None:
        return wish.out / "instances.csv"
    return wish.out / ("meshes.glb" if wish.meshes == "glb" else SIDE_CAR)


def _mesh_file(folders: Mapping[str, Path], extent: Extent, wish: Wish) -> Path:
    kind = wish.meshes if _one_by_one(wish) else "ply"
    return folders[extent.class_name] / f"{extent.name}.{kind}"


def _require_free(files: Sequence[Path], wish: Wish) -> None:
    taken = [] if wish.overwrite else [file for file in files if file.exists()]
    if taken:
        raise InputError(f"{taken[0]}: is there already; say --overwrite to replace it, or name another --out")


@dataclass(frozen=True)
class Found:
    """Instances of a label volume, the labels that they are in, and, where it was split, the id that each had."""

    labels: Labels
    extents: tuple[Extent, ...]
    origins: NDArray[np.uint64] | None


def _find(labels: Labels, wish: Wish, session: Session) -> Found:
    """Go through the slices once, or twice to split."""
    origins = None
    if wish.split:
        pieces, origins = split_pieces(labels.volume, session)
        labels = replace(labels, volume=pieces)
    return Found(labels, find_extents(labels, session, wish.minimum_voxels), origins)


@dataclass(frozen=True)
class BatchMesher:
    """Makes, writes and measures the meshes of some instances; picklable."""

    folder: Path
    wish: Wish
    shape: tuple[int, int, int]
    voxel_size: VoxelSize
    around: Around | None = None

    def __call__(self, batch: Sequence[tuple[Extent, Crop]]) -> list[dict[str, object]]:
        """Return one row an instance."""
        return [self._make(extent, crop, self.wish.mesh_of(extent.class_name)) for extent, crop in batch]

    def _make(self, extent: Extent, crop: Crop, config: MeshConfig) -> dict[str, object]:
        extent, crop, mesh, topology = make_in_room(extent, crop, config)
        if self.wish.meshes is not None:
            path = _mesh_file({extent.class_name: self.folder}, extent, self.wish)
            write_mesh(path, mesh, class_name=extent.class_name, instance=extent.instance)
        if self.wish.has_steps(extent.class_name):
            write_steps(self.wish.steps, trace_crop(crop, config), extent)
        row = measure_made(extent, crop, mesh, topology, voxel_size=self.voxel_size, stack_shape=self.shape)
        further: dict[str, object] = {**measure_further(mesh, self.wish.measure)}
        if self.around is not None:
            further |= self.around.measure(extent.instance, crop.mask, mesh)
        return row | further


def _look_around(found: Found, folder: Path, wish: Wish, session: Session) -> Around | None:
    """Find what the instances lie in, where that was asked for."""
    outer = wish.inside.get(found.labels.class_name)
    if outer is None:
        return None
    return look_around(found.labels, outer, wish.mesh_of(outer.class_name), folder, session)


def _work(
    found: Found, places: Mapping[str, Path], around: Around | None, wish: Wish, session: Session
) -> pd.DataFrame:
    """Mesh and measure the instances of one label volume; one row each, by id."""
    labels = found.labels
    config = wish.mesh_of(labels.class_name)
    crops = sweep(labels, found.extents, config.maximum_voxels if config.method == "shrinkwrap" else None)
    worker = BatchMesher(places[labels.class_name], replace(wish, inside={}), labels.shape, labels.voxel_size, around)
    rows: list[dict[str, object]] = []
    threads = usable_threads() if config.method == "isosurface" and not wish.further else 1  # the rest is for one
    with open_executor(session.jobs, scheduler=session.scheduler, threads=threads) as executor:
        for made in map_in_order(executor, worker, batches(crops), ahead=max(1, 2 * session.jobs * threads)):
            rows += made
            session.reporter.advance(len(made))
    rows.sort(key=lambda row: int(str(row["id"])))
    columns = ["id", "class", *COLUMNS, *wish.further]
    table = pd.DataFrame(rows, columns=columns)
    if found.origins is not None:
        origins = found.origins[table["id"].to_numpy(dtype=np.int64)]
        table.insert(2, "label", origins)
    return table


def _finish(table: pd.DataFrame, places: Mapping[str, Path], wish: Wish) -> tuple[Path, ...]:
    """Write what comes last, and list all files."""
    last = _last_file(wish)
    if wish.meshes is None:
        write_csv(last, table)
        return (last,)
    rows = {}
    for row in table.to_dict("records"):
        extent = Extent(int(row["id"]), str(row["class"]), (0, 0, 0), (0, 0, 0), math.nan, 0, 0)
        rows[_mesh_file(places, extent, wish)] = {str(name): value for name, value in row.items()}
    if _one_by_one(wish):
        write_side_car(wish.out, {file.relative_to(wish.out).as_posix(): row for file, row in rows.items()})
        return (*rows, last)

    def nodes(class_name: str) -> Iterator[MeshNode]:
        for file, row in rows.items():
            if row["class"] == class_name:
                yield MeshNode(file.stem, read_mesh(file), row, int(row["id"]))

    write_glb(last, {name: nodes(name) for name in places}, colours=class_colours(sorted(places), {}))
    return (last,)
