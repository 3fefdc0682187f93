"""`famous export`: the results of a run as files that other programs open."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from famous.errors import InputError
from famous.files import atomic_path
from famous.io.glb import MeshNode, write_glb
from famous.io.label_store import LabelStore
from famous.io.meshes import read_mesh, write_mesh
from famous.io.tables import read_csv, read_parquet, write_csv
from famous.io.volumes import write_label_tiff
from famous.mesh import merge
from famous.pipeline import link
from famous.pipeline.crops import Extent, extents, slug
from famous.pipeline.mesh import measure_stage, mesh_path
from famous.pipeline.project import Project
from famous.report.colours import class_colours

FORMATS = ("stl", "obj", "ply", "glb", "tiff", "csv")


def export(
    project: Project, kind: str, *, out: Path | None = None, per_class: bool = False, overwrite: bool = False
) -> list[Path]:
    """Write the meshes, labels or tables of a run in a format that other programs open.

    Parameters
    ----------
    kind
        stl, obj, ply (one file an organelle, or a class), glb (one file, one scene a class), tiff (one label stack a
        class, for Fiji), csv (instances and boxes).
    out
        Folder, made if need be; `export/<kind>` in the project's folder where none is given.

    Raises
    ------
    InputError
        If the format is unknown, the stage that makes it is not done, or a file is there and `overwrite` is off.
    """
    if kind not in FORMATS:
        raise InputError(f"--format: found {kind!r}, expected one of {', '.join(FORMATS)}")
    rows: dict[int, dict[str, object]] = {}
    if kind == "tiff":
        link.stage_of(project).require()
    else:
        measured, _ = measure_stage(project)  # asks for the meshes
        if kind == "csv":
            measured.require()
        elif kind == "glb" and measured.is_done:  # else the table is of an earlier run: its ids are others
            table = read_csv(project.instances)
            rows = {int(row["id"]): {str(key): item for key, item in row.items()} for row in table.to_dict("records")}
    folder = out or project.folder / "export" / kind
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {folder}: no folder can be made there ({error.strerror})") from error
    if kind == "tiff":
        return _labels(project, folder, overwrite)
    if kind == "csv":
        return _tables(project, folder, overwrite)
    listed = extents(read_parquet(project.boxes))
    if kind == "glb":
        path = _free(folder / f"{Path(project.stack.name).stem}.glb", overwrite)
        return [_scenes(project, listed, path, rows)]
    return _meshes(project, listed, folder, (kind, per_class, overwrite))


def _free(path: Path, overwrite: bool) -> Path:
    if path.exists() and not overwrite:
        raise InputError(f"{path} is there already; --overwrite replaces it, --out writes elsewhere")
    return path


def _meshes(project: Project, listed: list[Extent], folder: Path, choice: tuple[str, bool, bool]) -> list[Path]:
    kind, per_class, overwrite = choice
    written = []
    if per_class:
        for name in sorted({extent.class_name for extent in listed}):
            path = _free(folder / f"{slug(name)}.{kind}", overwrite)
            own = (extent for extent in listed if extent.class_name == name)
            write_mesh(path, merge(read_mesh(mesh_path(project.meshes, extent)) for extent in own), class_name=name)
            written.append(path)
        return written
    for extent in listed:
        path = _free(folder / slug(extent.class_name) / f"{extent.name}.{kind}", overwrite)
        source = mesh_path(project.meshes, extent)
        if kind == "ply":
            with atomic_path(path) as temporary:
                shutil.copyfile(source, temporary)
        else:
            write_mesh(path, read_mesh(source), class_name=extent.class_name, instance=extent.instance)
        written.append(path)
    if overwrite:  # organelles that an earlier run had and this one has not
        for path in set(folder.glob(f"*/*_[0-9][0-9][0-9][0-9][0-9]*.{kind}")) - set(written):
            path.unlink()
    return written


def _scenes(project: Project, listed: list[Extent], path: Path, rows: dict[int, dict[str, object]]) -> Path:
    def nodes(class_name: str) -> Iterator[MeshNode]:
        for extent in listed:
            if extent.class_name == class_name:
                yield MeshNode(extent.name, read_mesh(mesh_path(project.meshes, extent)), rows.get(extent.instance, {}))

    names = sorted({extent.class_name for extent in listed})
    scenes = {name: nodes(name) for name in names}
    chosen = {name: entry.color for name, entry in project.config.classes.items()}
    return write_glb(path, scenes, colours=class_colours(names, chosen))


def _labels(project: Project, folder: Path, overwrite: bool) -> list[Path]:
    store = LabelStore.open(project.labels)
    written = []
    for name in store.classes:
        path = _free(folder / f"{slug(name)}.tif", overwrite)
        slices = (store.read_labels(name, z) for z in range(len(project.stack)))
        write_label_tiff(path, slices, project.stack.shape, project.voxel_size)
        written.append(path)
    return written


def _tables(project: Project, folder: Path, overwrite: bool) -> list[Path]:
    instances, boxes = (_free(folder / name, overwrite) for name in ("instances.csv", "boxes.csv"))
    write_csv(instances, read_csv(project.instances))
    write_csv(boxes, read_parquet(project.boxes))
    return [instances, boxes]
