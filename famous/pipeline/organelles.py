"""The organelles of a run as exports and viewers want them: by class, with rows, colours, places and meshes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from famous.io.glb import MeshNode
from famous.io.meshes import SIDE_CAR, read_mesh
from famous.io.tables import read_csv, read_parquet
from famous.mesh import Mesh
from famous.pipeline.crops import Extent, extents, mesh_path, slug
from famous.pipeline.mesh import measure_stage
from famous.pipeline.project import Project
from famous.pipeline.stage import Reporter
from famous.report.colours import class_colours
from famous.surface.simplify import simplify

WHOLE = ("glb", "blend", "precomputed")  # one file or folder for all
LEVEL = "simplified_within_nm"  # column of the rows of a level of detail


@dataclass(frozen=True)
class Organelles:
    """The meshes of a run by class, with what is known of each and the colours of the classes."""

    project: Project
    extents: tuple[Extent, ...]
    rows: Mapping[int, Mapping[str, object]]  # by instance; empty where the measures are of an earlier run
    within_nm: float = 0.0  # meshes are simplified to so many nm at most from those of the run; 0 leaves them alone

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
        return cls(project, tuple(extents(read_parquet(project.boxes), project.stack.shape)), {})

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

    def mesh(self, extent: Extent) -> Mesh:
        """Read a mesh, and simplify it where this is a level of detail."""
        return simplify(read_mesh(self.path(extent)), self.within_nm)

    def row(self, extent: Extent) -> Mapping[str, object]:
        """Return what is known of an organelle: measures of the run's own mesh, and the level of detail."""
        return {**self.rows.get(extent.instance, {}), **self.level}

    @property
    def level(self) -> Mapping[str, float]:
        """The column of a level of detail; none where meshes are the run's own."""
        return {LEVEL: self.within_nm} if self.within_nm else {}

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
                yield MeshNode(extent.name, self.mesh(extent), self.row(extent), extent.instance)
                reporter.advance(1)

        return {name: nodes(name) for name in self.classes}
