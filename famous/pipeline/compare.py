"""`famous compare`: label sets against each other, and the report of it in `<stack>.famous/report/`."""

import contextlib
import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

import famous
from famous.compare.comparison import COLUMNS, Comparison, GridFacts
from famous.errors import InputError
from famous.files import PARTIAL_SUFFIX, write_json
from famous.io.tables import write_csv
from famous.pipeline.compare_boxes import box_scene, without_volumes
from famous.pipeline.compare_count import Counts, Scene, count
from famous.pipeline.compare_left_out import say_left_out
from famous.pipeline.compare_matches import list_matches
from famous.pipeline.compare_meshes import MeshBudget, ShownMesh, choose
from famous.pipeline.compare_pictures import GridPictures
from famous.pipeline.compare_region import settle_region
from famous.pipeline.compare_sources import Asked, Opened, open_sources
from famous.pipeline.compare_surfaces import Looked, look
from famous.pipeline.compare_tables import Placement, Tabulator, score_slices
from famous.pipeline.manifest import versions
from famous.pipeline.project import project_folder
from famous.pipeline.stage import Session, alone
from famous.report.comparison import write_report
from famous.scratch import LOCK
from famous.words import counted

REPORT = "report.html"
FACTS = "comparison.json"
DIGITS = 10  # of numbers in the tables: more than any voxel size is known to, and none of a sum's last bits
FORMAT = 1  # of comparison.json
OF_SYSTEMS = frozenset({"Thumbs.db", "desktop.ini"})  # what Windows leaves in folders; others begin with a dot
SHOWN = 3  # files in a message
PAPER = (
    "the paper's counts stand beside the one-to-one ones: there an object found as several pieces is found, once, and "
    "none of its pieces is invented; verdicts and intervals are one to one"
)


@dataclass(frozen=True)
class Output:
    """Where the report goes, and what goes into it."""

    out: Path | None = None  # by default `<stack>.famous/report`
    overwrite: bool = False
    meshes: bool = True
    command: str = ""


@dataclass(frozen=True)
class Compared:
    """What was found, and the files that say it, the report last."""

    comparison: Comparison
    folder: Path
    files: tuple[Path, ...]


def run_compare(asked: Asked, output: Output, session: Session) -> Compared:
    """Compare two or three label sets, and write tables, facts and report.

    The report is removed first and written last: where it is, all files belong together. What was stopped before its
    report is made again without being asked.

    Raises
    ------
    InputError
        If something cannot be read, the label sets cannot be brought together, or a report is there already, or a
        folder of other files.
    """
    folder = output.out or _folder(asked)
    _require_free(folder, output)
    opened = open_sources(asked)
    for note in _notes(opened):
        session.reporter.note(note)
    is_boxes = any(truth.boxes is not None for truth in opened.truths)
    comparison, meshes, scene = (
        _compare_boxes(opened, asked) if is_boxes else _compare_volumes(opened, asked, output, session)
    )
    for note in comparison.notes:
        session.reporter.note(note)
    comparison = replace(
        comparison,
        parameters=asked.parameters(),
        command=output.command,
        version=famous.__version__,
        versions=versions(),
        notes=(*_notes(opened), *comparison.notes, *([PAPER] if asked.paper else [])),
    )
    _make_folder(folder)
    with alone(folder, "--out"):
        _require_free(folder, output)  # nobody has written there meanwhile
        files = _write(folder, comparison, _pictures(opened, scene), meshes, session)
        with contextlib.suppress(OSError):  # what is mailed holds no lock; Windows keeps it
            (folder / LOCK).unlink()
    return Compared(comparison, folder, files)


def _folder(asked: Asked) -> Path:
    return (asked.folder or project_folder(asked.sources[0])) / "report"


def _require_free(folder: Path, output: Output) -> None:
    if os.path.lexists(folder) and not folder.is_dir():
        raise InputError(f"{folder}: found a file, expected a folder or nothing; name another with --out")
    is_unfinished = (folder / FACTS).exists() and not (folder / REPORT).exists()
    taken = [path for path in (folder / name for name in _names()) if path.exists()]
    if taken and not is_unfinished and not output.overwrite:
        raise InputError(f"{taken[0]} is there already; --overwrite replaces it, --out writes elsewhere")
    others = [] if is_unfinished or output.overwrite else _others(folder)
    if others:
        listed = ", ".join(others[:SHOWN]) + (" …" if len(others) > SHOWN else "")
        raise InputError(
            f"{folder}: found {counted(len(others), 'other file')} there ({listed}), expected an empty folder, an "
            "earlier report or nothing; --out writes elsewhere, --overwrite writes there all the same"
        )


def _others(folder: Path) -> list[str]:
    """Names of what somebody keeps in a folder, ours and what systems and killed processes leave there left out."""
    if not folder.is_dir():
        return []
    ours = {*_names(), *OF_SYSTEMS}
    return sorted(path.name for path in folder.iterdir() if path.name not in ours and not path.name.startswith("."))


def _notes(opened: Opened) -> tuple[str, ...]:
    """Return what the user should know: first how the sources lie to each other, then of each what its file says."""
    own = [
        note if note.startswith(f"{truth.name}:") else f"{truth.name}: {note}"
        for truth in opened.facts
        for note in truth.notes
    ]
    return (*opened.notes, *own)


Outcome = tuple[Comparison, tuple[ShownMesh, ...], Mapping[str, Mapping[str, Any]]]


def _compare_volumes(opened: Opened, asked: Asked, output: Output, session: Session) -> Outcome:
    """Compare label volumes: two passes through the slices."""
    frame = opened.frame
    low, high, known = settle_region(asked.region, asked.slices, frame)
    is_part = (low, high) != ((0, 0, 0), frame.grid.shape)
    sides = {
        truth.name: {name: frame.cropped(volume, low, high) for name, volume in truth.classes.items()}
        for truth in opened.truths
    }
    z, y, x = (end - start for start, end in zip(low, high, strict=True))
    size = frame.grid.voxel_size
    scene = Scene(sides, (z, y, x), size, known, asked.ignore, asked.boundary_nm, asked.threshold)
    counts = count(scene, session)
    scores = {(opened.truths[0].name, name): own for name, own in opened.scores.items()}
    tabulator = Tabulator(
        scene, counts, Placement(low, frame.grid.shape), scores, asked.paper, asked.bootstrap, asked.verdict
    )
    matchings = tabulator.matchings()
    confusion, confused = tabulator.confusion(matchings)
    matches = list_matches(scene, counts, matchings, confused)
    looked, notes = Looked({}, ()), say_left_out(scene, counts)
    if scene.is_whole:
        budget = MeshBudget()
        shown = choose(counts, matches, budget) if output.meshes else {}
        looked = look(scene, counts, matchings, shown, session)
        notes += _left_out(counts, shown, budget) if output.meshes else []
    else:
        notes.append("only some slices are known: surfaces, their distances and meshes are left out")
    corner = tuple(start * side for start, side in zip(low, size.zyx, strict=True))
    objects, verdicts, slices = tabulator.objects(), tabulator.verdicts(matchings), tabulator.slices()
    comparison = Comparison(
        opened.facts,
        GridFacts(frame.grid.shape, size),
        verdicts=verdicts,
        verdicts_by_threshold=tabulator.verdicts_by_threshold(verdicts),
        detection=tabulator.detection(),
        agreement=tabulator.agreement(looked.distances),
        totals=tabulator.totals(objects),
        confusion=confusion,
        components=tabulator.components(),
        intervals=tabulator.intervals(matchings),
        slices=slices,
        slice_scores=score_slices(slices),
        objects=objects,
        matches=matches,
        region=tuple(zip(low, high, strict=True)) if is_part else None,
        known_slices=None if scene.is_whole and not is_part else tuple(z + low[0] for z in known),
        threshold=asked.threshold,
        notes=tuple(notes),
    )
    meshes = sorted(looked.meshes, key=lambda entry: entry[:3])
    moved = ((source, name, number, mesh.translated(corner)) for source, name, number, mesh in meshes)
    pictured = {
        truth.name: {name: frame.placed(volume) for name, volume in truth.classes.items()} for truth in opened.truths
    }
    return comparison, tuple(moved), pictured


def _left_out(counts: Counts, shown: Mapping[tuple[str, str], list[Any]], budget: MeshBudget) -> list[str]:
    """Say where not every object has a mesh."""
    notes = []
    for source in dict.fromkeys(source for source, _ in counts.objects):
        there = sum(len(found) for key, found in counts.objects.items() if key[0] == source)
        drawn = sum(len(some) for key, some in shown.items() if key[0] == source)
        if drawn < there:
            notes.append(
                f"{source}: of {counted(there, 'object')} the 3D view shows {drawn:,}, the largest and those that cost "
                "most"
            )
    return notes


def _compare_boxes(opened: Opened, asked: Asked) -> Outcome:
    """Compare boxes in slices."""
    boxed = box_scene(opened, asked)
    scene, counts = boxed.scene, boxed.counts
    scores = {(opened.truths[0].name, name): own for name, own in boxed.scores.items()}
    tabulator = Tabulator(
        scene,
        counts,
        Placement((0, 0, 0), scene.shape),
        scores,
        asked.paper,
        asked.bootstrap,
        asked.verdict,
        boxed.bodies,
    )
    matchings = tabulator.matchings()
    confusion, confused = tabulator.confusion(matchings)
    objects, verdicts = without_volumes(tabulator.objects()), tabulator.verdicts(matchings)
    slices = tabulator.slices()
    matches = without_volumes(list_matches(scene, counts, matchings, confused))
    comparison = Comparison(
        opened.facts,
        GridFacts(scene.shape, opened.frame.grid.voxel_size if opened.project is not None else None),
        verdicts=verdicts,
        verdicts_by_threshold=tabulator.verdicts_by_threshold(verdicts),
        detection=tabulator.detection(),
        totals=without_volumes(tabulator.totals(objects)),
        confusion=confusion,
        intervals=tabulator.intervals(matchings),
        slices=slices,
        slice_scores=score_slices(slices),
        objects=objects,
        matches=matches,
        known_slices=scene.slices,
        threshold=asked.threshold,
        notes=boxed.notes,
    )
    return comparison, (), scene.sides


def _pictures(opened: Opened, sides: Mapping[str, Mapping[str, Any]]) -> GridPictures:
    if opened.project is None:
        return GridPictures(opened.frame.grid, sides)
    return GridPictures(opened.frame.grid, sides, opened.project.stack, opened.project.opened.origin_nm)


def _write(
    folder: Path, comparison: Comparison, pictures: GridPictures, meshes: tuple[ShownMesh, ...], session: Session
) -> tuple[Path, ...]:
    """Write the tables, the facts and the report."""
    _sweep(folder)
    session.reporter.begin("report", 1)
    write_json(folder / FACTS, _facts(comparison))  # first: with it, and without a report, the rest is unfinished
    for name, table in comparison.tables().items():
        write_csv(folder / f"{name}.csv", table, digits=DIGITS)
    write_report(folder / REPORT, comparison, pictures, meshes)
    session.reporter.end("report", str(folder / REPORT))
    return tuple(folder / name for name in _names())


def _names() -> tuple[str, ...]:
    """Names of all files, the report last."""
    return (*(f"{table}.csv" for table in COLUMNS), FACTS, REPORT)


def _make_folder(folder: Path) -> None:
    """Make the folder where it is missing, and see that it can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error}); name another --out") from error


def _sweep(folder: Path) -> None:
    """Remove the report, and what a killed comparison left; nothing else of a folder that may be the user's."""
    (folder / REPORT).unlink(missing_ok=True)
    for name in _names():
        for left in folder.glob(f".{name}.*{PARTIAL_SUFFIX}*"):
            left.unlink(missing_ok=True)


def _facts(comparison: Comparison) -> dict[str, Any]:
    """Return what is needed to repeat a comparison, for JSON."""
    size = comparison.grid.voxel_size
    return {
        "format": FORMAT,
        "command": comparison.command,
        "versions": dict(comparison.versions),
        "parameters": dict(comparison.parameters),
        "grid": {"shape": list(comparison.grid.shape), "voxel_size_nm": None if size is None else list(size.zyx)},
        "region": None if comparison.region is None else [list(side) for side in comparison.region],
        "known_slices": None if comparison.known_slices is None else list(comparison.known_slices),
        "threshold": comparison.threshold,
        "sources": [
            {
                "name": source.name,
                "path": source.path,
                "format": source.format,
                "fingerprint": source.fingerprint,
                "shape": list(source.shape),
                "voxel_size_nm": None if source.voxel_size is None else list(source.voxel_size.zyx),
                "classes": list(source.classes),
                "notes": list(source.notes),
            }
            for source in comparison.sources
        ],
        "verdicts": _rows(comparison.verdicts),
        "notes": list(comparison.notes),
    }


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table for JSON; what is undefined is null."""
    return [
        {str(key): None if isinstance(value, float) and math.isnan(value) else value for key, value in row.items()}
        for row in table.to_dict("records")
    ]
