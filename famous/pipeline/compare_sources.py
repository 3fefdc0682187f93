"""What is compared: the run and the truths, opened, named, and brought to one grid."""

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from famous.compare.comparison import SourceFacts
from famous.compare.uncertainty import BootstrapParams
from famous.compare.verdict import VerdictParams
from famous.errors import InputError
from famous.io.grids import bring_together
from famous.io.stacks import split_dataset
from famous.io.tables import read_csv
from famous.io.truths import Placing, Truth, kind_of, open_truth, read_table
from famous.io.units import IN_ANY_UNIT
from famous.pipeline.compare_classes import name_alike, names_of, one_sided
from famous.pipeline.compare_first_meshes import lay_meshes
from famous.pipeline.compare_region import Frame, Region
from famous.pipeline.project import Choices, Project, open_project, project_folder
from famous.pipeline.volume import has_run, labels_of_run
from famous.words import counted

AUTOMATIC = "automatic"
EXPERTS = ("M1", "M2")
MOST = 3  # sources
SCORE = "mean_score"  # column of `instances.csv`: the detector's
HASHED_FILES = 10_000  # of a folder; the names and sizes of more would take their time


@dataclass(frozen=True)
class Asked:
    """What the user wants compared, and how."""

    sources: tuple[str, ...]  # the first is pred: a stack that was run, or labels
    truths: tuple[str, ...] = ()
    names: tuple[str, str] | None = None  # of the two truths, or of both sources where there are only two
    classes: tuple[str, ...] = ()  # none: all
    class_table: Path | None = None  # id → class
    placing: Placing = field(default_factory=Placing)
    region: Region | None = None  # voxels (z, y, x) of the first source, half-open
    slices: tuple[int, ...] | None = None  # z of the first source that truth speaks of
    ignore: int | None = None  # id in the truths of what nobody is judged by
    boundary_nm: float = 0.0
    threshold: float = 0.5
    paper: bool = False
    folder: Path | None = None  # of the run
    bootstrap: BootstrapParams = field(default_factory=BootstrapParams)
    verdict: VerdictParams = field(default_factory=VerdictParams)

    @property
    def is_partial(self) -> bool:
        """Whether the user said that, or where, the truth is a part."""
        return self.region is not None or self.slices is not None or self.placing.offset_nm is not None

    def parameters(self) -> dict[str, Any]:
        """Return what decides over the numbers, for JSON."""
        placing = self.placing
        return {
            "threshold": self.threshold,
            "paper_matching": self.paper,
            "classes": list(self.classes) or "all",
            "class_table": None if self.class_table is None else str(self.class_table),
            "region": None if self.region is None else [list(side) for side in self.region],
            "slices": None if self.slices is None else list(self.slices),
            "ignore_label": self.ignore,
            "boundary_nm": self.boundary_nm,
            "voxel_size_nm": None if placing.voxel_size is None else list(placing.voxel_size.zyx),
            "unit": placing.unit,
            "offset_nm": None if placing.offset_nm is None else list(placing.offset_nm),
            "bootstrap": asdict(self.bootstrap),
            "verdict": asdict(self.verdict),
        }


@dataclass(frozen=True)
class Opened:
    """The sources on the part that all share, and `project`: the first one's where that is a run."""

    truths: tuple[Truth, ...]
    frame: Frame
    facts: tuple[SourceFacts, ...]
    notes: tuple[str, ...]
    project: Project | None
    scores: Mapping[str, Mapping[int, float]]  # by class and id of the first


def open_sources(asked: Asked) -> Opened:
    """Open all sources.

    The first one lies where its file says: unit and offset are those of the truths. The voxel size is that of all, and
    the class table too, but for a run's. Where the file of the first names no unit, its numbers are in the truths'.
    Meshes have no voxels: a first source of meshes is laid on those of the next one that has any.

    Raises
    ------
    InputError
        If there are not two or three, one of them is no labels, or they cannot be brought to one grid.
    """
    count = len(asked.sources) + len(asked.truths)
    if not 2 <= count <= MOST:
        raise InputError(
            f"found {counted(count, 'label set')} ({', '.join((*asked.sources, *asked.truths))}), expected two or "
            "three: a stack that was run with one or two --truth, or two or three label volumes"
        )
    first, others = asked.sources[0], (*asked.sources[1:], *asked.truths)
    project = _project(first, asked)
    names = _names(first, others, asked, is_run=project is not None)
    opened, laid = _open_each(names, (first, *others), asked, project)
    opened, alike = name_alike(opened)
    laid += tuple(alike)
    facts = tuple(_facts(truth, fingerprint(path)) for truth, path in zip(opened, (first, *others), strict=True))
    if asked.placing.unit is not None and not any(truth.format.startswith(IN_ANY_UNIT) for truth in opened):
        laid += (
            f"--unit {asked.placing.unit}: no source is meshes, NIfTI, NRRD or Amira, whose numbers have any unit; it "
            "is not used",
        )
    scores: Mapping[str, Mapping[int, float]] = {} if project is None else scores_of(project)
    if any(truth.boxes is not None for truth in opened):
        _require_one_grid(opened)
        return Opened(tuple(opened), Frame.whole(opened[0].grid), facts, laid, project, scores)
    together, common, notes = bring_together(opened, is_partial=asked.is_partial)
    chosen, said = _choose([replace(truth, classes=dict(truth.classes)) for truth in together], asked)
    frame = Frame.round(opened[0].grid, common)
    return Opened(tuple(chosen), frame, facts, (*laid, *notes, *said), project, scores)


def _open_each(
    names: Sequence[str], paths: Sequence[str], asked: Asked, project: Project | None
) -> tuple[list[Truth], tuple[str, ...]]:
    """Open the sources, the first one as `project` where it is a run, and say on which voxels meshes are laid."""
    table = None if asked.class_table is None else read_table(asked.class_table)
    slices = None if asked.slices is None else tuple(sorted(set(asked.slices)))
    placing = replace(asked.placing, ignore=asked.ignore, slices=slices)
    laid = None if project is not None or kind_of(paths[0]) != "meshes" else lay_meshes(names, paths, placing, table)
    if laid is not None:
        first = laid.first
    elif project is not None:
        first = of_run(project, names[0])
    else:
        own = Placing(placing.voxel_size, spare_unit=placing.unit)
        first = open_truth(paths[0], name=names[0], placing=own, table=table)
    like = replace(first.grid, slice_names=None if project is None else project.opened.slice_names)
    opened = [first]
    for k in range(1, len(paths)):
        if laid is not None and k == laid.place:
            opened.append(laid.voxels)
            continue
        opened.append(
            open_truth(paths[k], name=names[k], like=like, placing=placing, classes=list(first.classes), table=table)
        )
    return opened, () if laid is None else laid.notes


def _require_one_grid(opened: Sequence[Truth]) -> None:
    """Refuse labels that lie on another grid than the boxes."""
    for truth in opened[1:]:
        if truth.boxes is None and truth.shape != opened[0].shape:
            raise InputError(
                f"{truth.path}: found {truth.shape} voxels (z, y, x), expected {opened[0].shape} as {opened[0].name} "
                "has: beside boxes, labels are compared on the stack's own grid only"
            )


def _project(source: str, asked: Asked) -> Project | None:
    """Open the run, where the first source is one."""
    if has_run(source, asked.folder):
        return open_project(source, Choices(folder=asked.folder, save=False))
    if not split_dataset(source)[0].exists():
        raise InputError(f"{source}: found nothing there, expected a stack that was run, or labels")
    if asked.truths:
        folder = asked.folder or project_folder(source)
        note = f"found no run of it, no {folder}; run `famous run {source}` first, or, if these are labels, name them"
        raise InputError(f"{source}: {note} one by one: `{shlex.join(['famous', 'compare', source, *asked.truths])}`")
    return None


def _names(first: str, others: Sequence[str], asked: Asked, *, is_run: bool) -> list[str]:
    """Name the sources: as the user says, else automatic, M1 and M2, or as their files are called."""
    if is_run or asked.truths:
        names = [AUTOMATIC, *EXPERTS[: len(others)]]
    else:
        names = [_stem(path) for path in (first, *others)]
    if asked.names is not None:
        names[-2:] = asked.names
    if len(set(names)) < len(names) and asked.names is None:
        names = [f"{name} {number}" for number, name in enumerate(names, 1)]
    if len(set(names)) < len(names) or not all(name.strip() for name in names):
        raise InputError(f"--names: found {', '.join(map(repr, names))}, expected a name of its own for each")
    return names


def _stem(path: str) -> str:
    base, inside = split_dataset(path)
    stem = base.resolve().name
    for ending in (".ome.zarr", ".ome.tiff", ".ome.tif", ".nii.gz", base.suffix):
        if ending and stem.lower().endswith(ending.lower()):
            stem = stem[: -len(ending)]
            break
    inner = (inside or "").strip("/").replace("/", " ")
    return f"{stem} {inner}".strip() or "labels"


def of_run(project: Project, name: str = AUTOMATIC) -> Truth:
    """Take the labels of a run as one side of a comparison."""
    listed = labels_of_run(project, None)
    return Truth(
        name,
        {labels.class_name: labels.volume for labels in listed},
        project.voxel_size,
        listed[0].shape,
        project.opened.origin_nm,
        path=str(project.labels),
        format="run of famous",
    )


def scores_of(project: Project) -> dict[str, dict[int, float]]:
    """Return the detector's score of each object of a run, by class; none where the run was not measured."""
    if not project.instances.exists():
        return {}
    table = read_csv(project.instances)
    if not {"id", "class", SCORE} <= set(table.columns):
        return {}
    table = table[table[SCORE].notna()]
    return {
        str(name): {int(number): float(score) for number, score in zip(own["id"], own[SCORE], strict=True)}
        for name, own in table.groupby("class")
    }


def _facts(truth: Truth, mark: str) -> SourceFacts:
    return SourceFacts(
        truth.name,
        truth.path,
        truth.format,
        truth.voxel_size,
        truth.shape,
        tuple(names_of(truth)),
        truth.notes,
        mark,
    )


def _choose(truths: list[Truth], asked: Asked) -> tuple[list[Truth], list[str]]:
    """Leave the classes that some truth has, of those asked for; and say which are left out or on one side only."""
    pred, *others = truths
    in_truth = list(dict.fromkeys(name for truth in others for name in truth.classes))
    everywhere = list(dict.fromkeys([*pred.classes, *in_truth]))
    unknown = [name for name in asked.classes if name not in everywhere]
    if unknown:
        raise InputError(f"--class: found {unknown[0]!r}, expected one of {', '.join(everywhere)}")
    wanted = [name for name in everywhere if name in in_truth and (not asked.classes or name in asked.classes)]
    if not wanted or (not asked.classes and not any(name in pred.classes for name in wanted)):
        said = "; ".join(f"{truth.name} has {', '.join(truth.classes) or 'none'}" for truth in truths)
        raise InputError(
            f"found no class that {pred.name} and a truth share: {said}; name them alike, or give --class-table"
        )
    blank = Blank(pred.shape)
    filled = {name: pred.classes.get(name, blank) for name in wanted}  # what pred never found it has missed
    chosen = [
        replace(pred, classes=filled),
        *(replace(t, classes={name: t.classes[name] for name in wanted if name in t.classes}) for t in others),
    ]
    return chosen, one_sided({truth.name: list(truth.classes) for truth in truths}, asked.classes)


@dataclass(frozen=True)
class Blank:
    """A label volume without an object."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.uint32))

    def __getitem__(self, _z: Any) -> NDArray[np.uint32]:
        return np.zeros(self.shape[1:], dtype=np.uint32)


def fingerprint(source: str) -> str:
    """Hash of the names, sizes and times of what a source consists of: it changes when the source does."""
    base, inside = split_dataset(source)
    files = [base] if base.is_file() else sorted(path for path in base.rglob("*") if path.is_file())[:HASHED_FILES]
    digest = hashlib.sha256((inside or "").encode())
    for path in files:
        stat = path.stat()
        name = path.relative_to(base).as_posix() if path != base else path.name
        digest.update(f"{name}|{stat.st_size}|{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()
