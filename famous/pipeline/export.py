"""`famous export`: the results of a run as files that other programs open."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
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
from famous.pipeline.exported import Exported
from famous.pipeline.mesh import measure_stage
from famous.pipeline.project import Project
from famous.pipeline.stage import Reporter, Silent
from famous.report.colours import class_colours

WHOLE = ("glb", "blend", "precomputed")  # one file or folder for all
TABLES = ("instances.csv", "boxes.csv")
#: What an export of several files writes, by format; the others write the same names every time.
OWN_SUFFIXES = {
    "stl": frozenset({".stl"}),
    "obj": frozenset({".obj", ".mtl"}),
    "ply": frozenset({".ply"}),
    "tiff": frozenset({".tif"}),
}
SHOWN = 5  # names in a note
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

    def layouts(self, folder: Path, kind: str) -> list[list[Path]]:
        """List the files of an export: one for all, or else one an organelle and, second, one a class."""
        if kind in WHOLE:
            return [[folder / f"{Path(self.project.stack.name).stem}.{kind}"]]
        each, merged = [], []
        for name in self.classes:
            short = slug(name)
            material = [f"{short}.mtl"] if kind == "obj" else []
            own = [*material, *(f"{extent.name}.{kind}" for extent in self.of_class(name))]
            each += [folder / short / file for file in own]
            merged += [folder / file for file in (f"{short}.{kind}", *material)]
        return [[*paths, folder / SIDE_CAR] for paths in (each, merged)]

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
    overwrite
        Replace files that are there, and remove those that earlier exports of this project wrote and that no longer
        belong to its run, if nobody changed them since. The reporter hears of them, and of those that stay.

    Raises
    ------
    InputError
        If the format is unknown, the stage that makes it is not done, or a file is there and `overwrite` is off;
        then nothing has been written.
    MissingError
        If a Blender file is asked for where there is no Blender.
    """
    if kind not in FORMATS:
        raise InputError(f"--format: found {kind!r}, expected one of {', '.join(FORMATS)}")
    organelles = _require(project, kind)
    folder = out or project.folder / "export" / kind
    layouts = _layouts(project, organelles, folder, kind)
    targets = layouts[-1 if per_class else 0]
    _check_places(targets, folder, overwrite)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {folder}: no folder can be made there ({error.strerror})") from error
    if out is None:
        _sweep(folder)
    reporter = reporter or Silent()
    record = Exported(folder, str(project.folder.resolve()), OWN_SUFFIXES.get(kind, frozenset()))
    record.begin(targets)
    if organelles is not None:
        reporter.begin("export", len(organelles.extents))
        if kind in WHOLE:
            _whole(organelles, targets[0], reporter)
        else:
            (_by_class if per_class else _by_organelle)(organelles, folder, kind, reporter)
        reporter.end("export", f"{len(organelles.extents):,} meshes in {folder}")
    else:
        (_labels if kind == "tiff" else _tables)(project, targets)
    _tell(record.end(targets, [path for paths in layouts for path in paths], remove=overwrite), reporter)
    return targets


def _require(project: Project, kind: str) -> Organelles | None:
    """Return the organelles where their meshes are to be written; InputError if the stage before is not done."""
    if kind == "tiff":
        link.stage_of(project).require()
        return None
    if kind == "csv":
        measure_stage(project)[0].require()
        return None
    organelles = Organelles.of(project)
    if kind == "blend":
        find_blender()
    return organelles


def _layouts(project: Project, organelles: Organelles | None, folder: Path, kind: str) -> list[list[Path]]:
    """List the files of an export, in each of the ways in which they can be laid out."""
    if organelles is not None:
        return organelles.layouts(folder, kind)
    classes = LabelStore.open(project.labels).classes if kind == "tiff" else ()
    return [
        [folder / f"{slug(name)}.tif" for name in classes] if kind == "tiff" else [folder / name for name in TABLES]
    ]


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


def _check_places(targets: Sequence[Path], folder: Path, overwrite: bool) -> None:
    """Look at every place before the first is written to, so that no export stops half-way."""
    for path in targets:
        for parent in path.relative_to(folder).parents[:-1]:
            if (folder / parent).exists() and not (folder / parent).is_dir():
                raise InputError(f"{path} cannot be written: found a file at {folder / parent}, expected a folder")
    taken = [path for path in targets if os.path.lexists(path)]
    if taken and not overwrite:
        some = f" ({len(taken):,} of the {len(targets):,} files to write are there)" if len(targets) > 1 else ""
        raise InputError(f"{taken[0]} is there already; --overwrite replaces it, --out writes elsewhere{some}")
    for path in taken:
        if path.is_dir() and path.suffix != ".precomputed":
            raise InputError(f"{path} cannot be written: found a folder there, expected a file or nothing")


def _tell(stale: tuple[list[Path], list[Path]], reporter: Reporter) -> None:
    """Name what earlier exports left that is of no organelle of this run."""
    gone, left = (", ".join(map(str, [*paths[:SHOWN], *(["…"] if len(paths) > SHOWN else [])])) for paths in stale)
    if gone:
        reporter.note(f"removed {len(stale[0]):,} files of earlier exports that the run has no longer: {gone}")
    if left:
        reporter.note(
            f"{len(stale[1]):,} files of earlier exports are not of this run: {left}; --overwrite removes those that "
            "were written for this stack and not changed since"
        )


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


def _by_class(organelles: Organelles, folder: Path, kind: str, reporter: Reporter) -> None:
    known = {}
    for name in organelles.classes:
        path, own = folder / f"{slug(name)}.{kind}", organelles.of_class(name)
        _material(organelles, folder, name, kind)
        mesh = merge(read_mesh(organelles.path(extent)) for extent in own)
        write_mesh(path, mesh, class_name=name, material=f"{slug(name)}.mtl")
        known[path.name] = {"class": name, "instances": len(own)}
        reporter.advance(len(own))
    write_side_car(folder, known)


def _by_organelle(organelles: Organelles, folder: Path, kind: str, reporter: Reporter) -> None:
    known = {}
    for name in organelles.classes:
        own = folder / slug(name)
        _material(organelles, own, name, kind)
        for extent in organelles.of_class(name):
            path, source = own / f"{extent.name}.{kind}", organelles.path(extent)
            if kind == "ply":
                with atomic_path(path) as temporary:
                    shutil.copyfile(source, temporary)
            else:
                mesh = read_mesh(source)
                write_mesh(path, mesh, class_name=name, instance=extent.instance, material=f"{slug(name)}.mtl")
            named = {"id": extent.instance, "class": name}
            known[path.relative_to(folder).as_posix()] = {**named, **organelles.rows.get(extent.instance, {})}
            reporter.advance(1)
    write_side_car(folder, known)


def _material(organelles: Organelles, folder: Path, class_name: str, kind: str) -> None:
    """Write the colour of a class beside its OBJ files; no other format has one."""
    if kind == "obj":
        write_material(folder / f"{slug(class_name)}.mtl", class_name, organelles.colours[class_name])


def _labels(project: Project, targets: Sequence[Path]) -> None:
    store = LabelStore.open(project.labels)
    for name, path in zip(store.classes, targets, strict=True):
        slices = (store.read_labels(name, z) for z in range(len(project.stack)))
        write_label_tiff(path, slices, project.stack.shape, project.voxel_size)


def _tables(project: Project, targets: Sequence[Path]) -> None:
    for path, table in zip(targets, (read_csv(project.instances), read_parquet(project.boxes)), strict=True):
        write_csv(path, table)
