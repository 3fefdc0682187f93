"""`famous export`: the results of a run as files that other programs open."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from famous.errors import InputError
from famous.files import PARTIAL_SUFFIX, atomic_path, sweep_partials
from famous.io.blend import RenderParams, Setting, find_blender, render_blend, write_blend
from famous.io.glb import MeshNode, write_glb
from famous.io.label_store import LabelStore
from famous.io.meshes import SIDE_CAR, read_mesh, write_material, write_mesh, write_side_car
from famous.io.precomputed import write_precomputed
from famous.io.tables import read_csv, read_parquet, write_csv
from famous.io.volumes import write_label_tiff
from famous.mesh import merge
from famous.pipeline import link
from famous.pipeline.crops import Extent, extents, mesh_path, slug
from famous.pipeline.mesh import measure_stage
from famous.pipeline.project import Project
from famous.pipeline.stage import Reporter, Silent
from famous.report.colours import class_colours

FORMATS = ("stl", "obj", "ply", "glb", "blend", "precomputed", "tiff", "csv")


@dataclass(frozen=True)
class Organelles:
    """The meshes of a run by class, with what is known of each and the colours of the classes."""

    project: Project
    extents: tuple[Extent, ...]
    rows: Mapping[int, Mapping[str, object]]  # by instance; empty where the measures are of an earlier run

    @classmethod
    def of(cls, project: Project) -> "Organelles":
        """Collect them; InputError if meshing is not done."""
        measured, listed = measure_stage(project)
        rows: dict[int, dict[str, object]] = {}
        if measured.is_done:  # else the table is of an earlier run: its ids are others
            table = read_csv(project.instances)
            rows = {int(row["id"]): {str(key): item for key, item in row.items()} for row in table.to_dict("records")}
        return cls(project, tuple(listed), rows)

    @classmethod
    def linked(cls, project: Project) -> "Organelles":
        """List those of the linked boxes, whatever became of their meshes."""
        return cls(project, tuple(extents(read_parquet(project.boxes))), {})

    @property
    def classes(self) -> list[str]:
        """Names of the classes that have organelles."""
        return sorted({extent.class_name for extent in self.extents})

    @property
    def colours(self) -> dict[str, str]:
        """Class → `#rrggbb`."""
        chosen = {name: entry.color for name, entry in self.project.config.classes.items()}
        return class_colours(self.classes, chosen)

    def of_class(self, class_name: str) -> list[Extent]:
        """List the organelles of a class."""
        return [extent for extent in self.extents if extent.class_name == class_name]

    def path(self, extent: Extent) -> Path:
        """Where a mesh lies in the run."""
        return mesh_path(self.project.meshes, extent)

    def scenes(self, reporter: Reporter) -> dict[str, Iterator[MeshNode]]:
        """Read the meshes class by class while they are asked for; the reporter is told of each."""

        def nodes(class_name: str) -> Iterator[MeshNode]:
            for extent in self.of_class(class_name):
                row = self.rows.get(extent.instance, {})
                yield MeshNode(extent.name, read_mesh(self.path(extent)), row, extent.instance)
                reporter.advance(1)

        return {name: nodes(name) for name in self.classes}


def export(
    project: Project,
    kind: str,
    *,
    out: Path | None = None,
    per_class: bool = False,
    overwrite: bool = False,
    reporter: Reporter | None = None,
) -> list[Path]:
    """Write the meshes, labels or tables of a run in a format that other programs open.

    Parameters
    ----------
    kind
        stl, obj, ply (one file an organelle, or a class, and a side-car with unit and rows), glb and blend (one file,
        one collection a class), precomputed (a folder for neuroglancer), tiff (one label stack a class, for Fiji), csv
        (instances and boxes).
    out
        Folder, made if need be; `export/<kind>` in the project's folder where none is given.

    Raises
    ------
    InputError
        If the format is unknown, the stage that makes it is not done, or a file is there and `overwrite` is off.
    MissingError
        If a Blender file is asked for where there is no Blender.
    """
    if kind not in FORMATS:
        raise InputError(f"--format: found {kind!r}, expected one of {', '.join(FORMATS)}")
    if kind == "tiff":
        link.stage_of(project).require()
    elif kind == "csv":
        measure_stage(project)[0].require()
    else:
        organelles = Organelles.of(project)
    if kind == "blend":
        find_blender()
    folder = out or project.folder / "export" / kind
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {folder}: no folder can be made there ({error.strerror})") from error
    if out is None:
        _sweep(folder)
    if kind == "tiff":
        return _labels(project, folder, overwrite)
    if kind == "csv":
        return _tables(project, folder, overwrite)
    reporter = reporter or Silent()
    reporter.begin("export", len(organelles.extents))
    if kind in ("glb", "blend", "precomputed"):
        name = Path(project.stack.name).stem
        written = [_whole(organelles, require_free(folder / f"{name}.{kind}", overwrite), reporter)]
    elif per_class:
        written = _by_class(organelles, folder, (kind, overwrite), reporter)
    else:
        written = _by_organelle(organelles, folder, (kind, overwrite), reporter)
    reporter.end("export", f"{len(organelles.extents):,} meshes in {folder}")
    return written


def render(
    scene: Path, picture: Path, params: RenderParams, *, overwrite: bool = False, reporter: Reporter | None = None
) -> Path:
    """Render an exported Blender file to a PNG, as F12 in Blender does.

    Raises
    ------
    InputError
        If the picture is there and `overwrite` is off, or Blender cannot render.
    """
    reporter = reporter or Silent()
    done = 0

    def on_samples(now: int, total: int) -> None:
        nonlocal done
        if done == 0:
            reporter.begin("render", total)
        reporter.advance(now - done)
        done = now

    render_blend(scene, require_free(picture, overwrite), params, on_samples)
    reporter.end("render", str(picture))
    return picture


def require_free(path: Path, overwrite: bool) -> Path:
    """Return the path; InputError if something is there and may not be replaced."""
    if path.exists() and not overwrite:
        raise InputError(f"{path} is there already; --overwrite replaces it, --out writes elsewhere")
    return path


def _sweep(folder: Path) -> None:
    """Remove what killed exports left in the project's own folder; a folder of the user's is left alone."""
    sweep_partials(folder)
    for left in folder.glob(f".*{PARTIAL_SUFFIX}"):
        shutil.rmtree(left, ignore_errors=True)


def _whole(organelles: Organelles, path: Path, reporter: Reporter) -> Path:
    """Write all classes into one file or folder, as its suffix says."""
    scenes, colours = organelles.scenes(reporter), organelles.colours
    if path.suffix == ".glb":
        return write_glb(path, scenes, colours=colours)
    if path.suffix == ".precomputed":
        return write_precomputed(path, scenes, overwrite=True)
    size = [
        count * side
        for count, side in zip(organelles.project.stack.shape, organelles.project.voxel_size.zyx, strict=True)
    ]
    return write_blend(path, scenes, Setting((size[0], size[1], size[2])), colours=colours)


def _by_class(organelles: Organelles, folder: Path, choice: tuple[str, bool], reporter: Reporter) -> list[Path]:
    kind, overwrite = choice
    side_car = require_free(folder / SIDE_CAR, overwrite)
    written, known = [], {}
    for name in organelles.classes:
        path = require_free(folder / f"{slug(name)}.{kind}", overwrite)
        own = organelles.of_class(name)
        materials = _material(organelles, folder, name, (kind, overwrite))
        mesh = merge(read_mesh(organelles.path(extent)) for extent in own)
        write_mesh(path, mesh, class_name=name, material=f"{slug(name)}.mtl")
        known[path.name] = {"class": name, "instances": len(own)}
        written += [path, *materials]
        reporter.advance(len(own))
    write_side_car(folder, known)
    return [*written, side_car]


def _by_organelle(organelles: Organelles, folder: Path, choice: tuple[str, bool], reporter: Reporter) -> list[Path]:
    kind, overwrite = choice
    side_car = require_free(folder / SIDE_CAR, overwrite)
    written, known = [], {}
    for name in organelles.classes:
        own = folder / slug(name)
        written += _material(organelles, own, name, choice)
        for extent in organelles.of_class(name):
            path, source = require_free(own / f"{extent.name}.{kind}", overwrite), organelles.path(extent)
            if kind == "ply":
                with atomic_path(path) as temporary:
                    shutil.copyfile(source, temporary)
            else:
                mesh = read_mesh(source)
                write_mesh(path, mesh, class_name=name, instance=extent.instance, material=f"{slug(name)}.mtl")
            named = {"id": extent.instance, "class": name}
            known[path.relative_to(folder).as_posix()] = {**named, **organelles.rows.get(extent.instance, {})}
            written.append(path)
            reporter.advance(1)
    if overwrite:  # organelles that an earlier run had and this one has not
        for path in set(folder.glob(f"*/*_[0-9][0-9][0-9][0-9][0-9]*.{kind}")) - set(written):
            path.unlink()
    write_side_car(folder, known)
    return [*written, side_car]


def _material(organelles: Organelles, folder: Path, class_name: str, choice: tuple[str, bool]) -> list[Path]:
    """Write the colour of a class beside its OBJ files; no other format has one."""
    kind, overwrite = choice
    if kind != "obj":
        return []
    path = require_free(folder / f"{slug(class_name)}.mtl", overwrite)
    return [write_material(path, class_name, organelles.colours[class_name])]


def _labels(project: Project, folder: Path, overwrite: bool) -> list[Path]:
    store = LabelStore.open(project.labels)
    written = []
    for name in store.classes:
        path = require_free(folder / f"{slug(name)}.tif", overwrite)
        slices = (store.read_labels(name, z) for z in range(len(project.stack)))
        write_label_tiff(path, slices, project.stack.shape, project.voxel_size)
        written.append(path)
    return written


def _tables(project: Project, folder: Path, overwrite: bool) -> list[Path]:
    instances, boxes = (require_free(folder / name, overwrite) for name in ("instances.csv", "boxes.csv"))
    write_csv(instances, read_csv(project.instances))
    write_csv(boxes, read_parquet(project.boxes))
    return [instances, boxes]
