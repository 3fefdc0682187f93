"""`famous export`: the results of a run as files that other programs open."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from famous.errors import InputError
from famous.files import PARTIAL_SUFFIX, atomic_path, sweep_partials, sweep_partials_of
from famous.io.blend import RenderParams, Setting, find_blender, render_blend, write_blend
from famous.io.glb import write_glb
from famous.io.label_store import LabelStore
from famous.io.meshes import write_material, write_mesh, write_side_car
from famous.io.precomputed import write_precomputed
from famous.io.tables import read_csv, read_parquet, write_csv
from famous.io.volumes import write_label_tiff
from famous.mesh import merge
from famous.pipeline import link
from famous.pipeline.crops import slug
from famous.pipeline.exported import Exported
from famous.pipeline.mesh import measure_stage
from famous.pipeline.organelles import WHOLE, Organelles
from famous.pipeline.project import Project
from famous.pipeline.stage import Reporter, Silent

TABLES = ("instances.csv", "boxes.csv")
#: What an export of several files writes, by format; the others write the same names every time.
OWN_SUFFIXES = {
    "stl": frozenset({".stl"}),
    "obj": frozenset({".obj", ".mtl"}),
    "ply": frozenset({".ply"}),
    "tiff": frozenset({".tif"}),
}
SHOWN = 5  # names in a note
MESHES = ("stl", "obj", "ply", *WHOLE)
FORMATS = (*MESHES, "tiff", "csv")


@dataclass(frozen=True)
class Place:
    """Where an export goes and how its files lie there."""

    out: Path | None = None  # folder, made if need be; `export/<kind>` in the project's folder where none is given
    per_class: bool = False  # one mesh file a class instead of one an organelle
    overwrite: bool = False  # replace what is there, and remove what the run has no longer

    def folder(self, project: Project, kind: str) -> Path:
        """Return the folder, which need not be there."""
        return self.out or project.folder / "export" / kind


def export(
    project: Project,
    kind: str,
    *,
    out: str | Path | None = None,
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
    place = Place(None if out is None else Path(out), per_class, overwrite)
    whole = _Export(project, kind, _require(project, kind), place, place.folder(project, kind))
    whole.check()
    return whole.write(reporter or Silent())


def export_levels(
    project: Project,
    kind: str,
    errors_nm: Sequence[float],
    place: Place | None = None,
    *,
    reporter: Reporter | None = None,
) -> list[Path]:
    """Write levels of detail: the meshes of a run, simplified, each level in a folder of its own (`within_20_nm`).

    Parameters
    ----------
    kind
        One of the formats of meshes that `export` knows.
    errors_nm
        For each level, how far the simplified surfaces may be from those of the run. They are closed, of the same
        pieces and tunnels, and of the same volume to 0.3 %; a mesh stays as it is where nothing simpler is all that.

    Raises
    ------
    InputError
        As `export`, and if an error is not above 0, not a number or infinite, or the format has no meshes; then
        nothing has been written.
    MissingError
        As `export`.
    """
    for error in errors_nm:
        if not 0 < error < float("inf"):
            raise InputError(f"--level: found {error} nm, expected above 0: how far a simplified surface may lie away")
    organelles = _require(project, kind)
    if organelles is None:
        raise InputError(f"--level: found the format {kind}, which has no meshes, expected one of {', '.join(MESHES)}")
    place = place or Place()
    folder = place.folder(project, kind)
    levels = {
        f"within_{error:.10g}_nm": replace(organelles, within_nm=float(error)) for error in errors_nm
    }  # an error that is given twice is one level
    exports = [_Export(project, kind, level, place, folder / name) for name, level in levels.items()]
    for one in exports:
        one.check()
    return [path for one in exports for path in one.write(reporter or Silent())]


@dataclass(frozen=True)
class _Export:
    """One export into one folder."""

    project: Project
    kind: str
    organelles: Organelles | None  # none where labels or tables are written
    place: Place
    folder: Path

    @cached_property
    def layouts(self) -> list[list[Path]]:
        """The files, in each of the ways in which they can be laid out."""
        if self.organelles is not None:
            return self.organelles.layouts(self.folder, self.kind)
        if self.kind == "csv":
            return [[self.folder / name for name in TABLES]]
        return [[self.folder / f"{slug(name)}.tif" for name in LabelStore.open(self.project.labels).classes]]

    @property
    def targets(self) -> list[Path]:
        """The files that are written."""
        return self.layouts[-1 if self.place.per_class else 0]

    def check(self) -> None:
        """Look at every place before the first is written to."""
        _check_places(self.targets, self.folder, self.place.overwrite, self._record)

    @cached_property
    def _record(self) -> Exported:
        return Exported(self.folder, str(self.project.folder.resolve()), OWN_SUFFIXES.get(self.kind, frozenset()))

    def write(self, reporter: Reporter) -> list[Path]:
        """Write the files, keep the record of them, and return them."""
        folder, targets = self.folder, self.targets
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"--out {folder}: no folder can be made there ({error.strerror})") from error
        if self.place.out is None:
            _sweep(folder)
        else:
            sweep_partials_of(targets)
        record = self._record
        record.begin(targets)
        if self.organelles is not None:
            reporter.begin("export", len(self.organelles.extents))
            if self.kind in WHOLE:
                _whole(self.organelles, targets[0], reporter)
            else:
                each = _by_class if self.place.per_class else _by_organelle
                each(self.organelles, folder, self.kind, reporter)
            reporter.end("export", f"{len(self.organelles.extents):,} meshes in {folder}")
        else:
            (_labels if self.kind == "tiff" else _tables)(self.project, targets)
        current = [path for paths in self.layouts for path in paths]
        _tell(record.end(targets, current, remove=self.place.overwrite), reporter)
        return targets


def _require(project: Project, kind: str) -> Organelles | None:
    """Return the organelles where their meshes are to be written; InputError if the stage before is not done."""
    if kind not in FORMATS:
        raise InputError(f"--format: found {kind!r}, expected one of {', '.join(FORMATS)}")
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


def _check_places(targets: Sequence[Path], folder: Path, overwrite: bool, record: Exported) -> None:
    """Look at every place before the first is written to, so that no export stops half-way."""
    for path in targets:
        for parent in path.relative_to(folder).parents[:-1]:
            if (folder / parent).exists() and not (folder / parent).is_dir():
                raise InputError(f"{path} cannot be written: found a file at {folder / parent}, expected a folder")
    taken = [path for path in targets if os.path.lexists(path)]
    if taken and not overwrite:
        some = f" ({len(taken):,} of the {len(targets):,} files to write are there)" if len(targets) > 1 else ""
        some += "; an export into this folder was stopped before it was done" if record.was_begun else ""
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
        mesh = merge(organelles.mesh(extent) for extent in own)
        write_mesh(path, mesh, class_name=name, material=f"{slug(name)}.mtl")
        known[path.name] = {"class": name, "instances": len(own), **organelles.level}
        reporter.advance(len(own))
    write_side_car(folder, known)


def _by_organelle(organelles: Organelles, folder: Path, kind: str, reporter: Reporter) -> None:
    known = {}
    for name in organelles.classes:
        own = folder / slug(name)
        _material(organelles, own, name, kind)
        for extent in organelles.of_class(name):
            path = own / f"{extent.name}.{kind}"
            if kind == "ply" and not organelles.within_nm:
                with atomic_path(path) as temporary:
                    shutil.copyfile(organelles.path(extent), temporary)
            else:
                mesh = organelles.mesh(extent)
                write_mesh(path, mesh, class_name=name, instance=extent.instance, material=f"{slug(name)}.mtl")
            named = {"id": extent.instance, "class": name}
            known[path.relative_to(folder).as_posix()] = {**named, **organelles.row(extent)}
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
