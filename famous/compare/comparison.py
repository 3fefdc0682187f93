"""What a comparison found, as tables: one row is one thing, and the unit stands in the name of its column."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import pandas as pd

from famous.errors import InputError
from famous.voxels import VoxelSize

NO_CLASS = "(none)"  # stands in the confusion for what has no partner; a class may be called "none"

#: Kinds of match. A "confused" one is an object that was found, but as another class.
MATCH_KINDS = ("matched", "missed", "invented", "split", "merge", "confused")
#: How objects were matched: one to one, or as the paper counts, where one object found as several is found.
MATCHINGS = ("one to one", "paper")
#: Kinds of verdict.
VERDICT_KINDS = ("as good", "worse", "better", "undecided", "no second expert", "undefined")

_PAIR = {"pred": "str", "truth": "str", "class": "str"}
_LOW_HIGH = {f"{end}_{axis}_voxel": "int64" for end in ("low", "high") for axis in "zyx"}

#: One row an object. `low` and `high` are voxels of the grid, half-open; `score` is NaN where there is none. Of boxes
#: `voxels` are pixels, and volume and area are NaN. What any truth ignores is cut off the objects of all sources, and
#: the cut is no area; the zone round borders that scores leave out is not cut off.
OBJECTS = {
    "source": "str",
    "class": "str",
    "id": "uint64",
    "voxels": "int64",
    "volume_um3": "float64",
    "area_um2": "float64",
    **{f"centroid_{axis}_um": "float64" for axis in "zyx"},
    **_LOW_HIGH,
    "touches_border": "bool",
    "score": "float64",
}
#: One row a match, miss, invention, split part, merge part or confusion. `cost_um3` is the volume in disagreement,
#: `cost_voxels` the same in voxels; boxes have none but pixels.
MATCHES = {
    **_PAIR,
    "kind": "str",
    "pred_id": "UInt64",
    "truth_id": "UInt64",
    "other_class": "str",  # of "confused": the class that pred says
    "overlap_voxels": "int64",
    "iou": "float64",
    "cost_um3": "float64",
    "cost_voxels": "int64",
}
#: One row a pair, class, matching and threshold; NaN as threshold is the mean over 0.5, 0.55 … 0.95.
DETECTION = {
    **_PAIR,
    "matching": "str",
    "threshold": "float64",
    **dict.fromkeys(("tp", "fp", "fn"), "float64"),
    **dict.fromkeys(("precision", "recall", "f1", "jaccard", "pq", "sq", "rq", "mean_iou"), "float64"),
    **dict.fromkeys(("splits", "merges"), "int64"),
    "ap": "float64",
    "note": "str",
}
#: One row a pair and class: how the volumes agree.
AGREEMENT = {
    **_PAIR,
    "volume_overlap_percent": "float64",
    **dict.fromkeys(("union_um3", "intersection_um3", "iou", "dice"), "float64"),
    **dict.fromkeys(("vi_split_bits", "vi_merge_bits", "adapted_rand_error"), "float64"),
    **dict.fromkeys(("surface_mean_nm", "surface_p95_nm", "surface_hausdorff_nm"), "float64"),
    "note": "str",
}
#: One row a source and class: what its rows of `OBJECTS` add up to, with the same left out.
TOTALS = {"source": "str", "class": "str", "count": "int64", "volume_um3": "float64", "area_um2": "float64"}
#: One row a pair of classes; `NO_CLASS` on one side for what was missed or invented.
CONFUSION = {"pred": "str", "truth": "str", "pred_class": "str", "truth_class": "str", "count": "int64"}
COMPONENTS = {
    **_PAIR,
    "dimensions": "int64",
    **dict.fromkeys(("detected", "under_detected", "missed"), "int64"),
    "note": "str",
}
#: One row a pair, class and slice: pixels of both, of pred alone and of truth alone, of all objects together.
SLICES = {
    **_PAIR,
    "z": "int64",
    **dict.fromkeys(("tp_px", "fp_px", "fn_px"), "int64"),
    **dict.fromkeys(("f1", "iou"), "float64"),
    "note": "str",
}
#: One row a pair and class: F1 and IoU of the pixels over the `n` slices where they are defined; the standard
#: deviation is that of a sample.
SLICE_SCORES = {
    **_PAIR,
    "n": "int64",
    **dict.fromkeys(("f1_mean", "f1_sd", "iou_mean", "iou_sd"), "float64"),
    "note": "str",
}
INTERVALS = {
    **_PAIR,
    "metric": "str",
    **dict.fromkeys(("value", "low", "high"), "float64"),
    "n": "int64",
    "level": "float64",
    "note": "str",
}
VERDICTS = {
    "class": "str",
    "kind": "str",
    "sentence": "str",
    "metric": "str",
    **dict.fromkeys(("difference", "low", "high"), "float64"),
    "note": "str",
}
#: One row a class and threshold: the verdict, were that the IoU from which on two objects are the same one.
VERDICTS_BY_THRESHOLD = {"class": "str", "threshold": "float64", **VERDICTS}

#: Table → column → dtype, in the order of the report.
COLUMNS: Mapping[str, Mapping[str, str]] = {
    "verdicts": VERDICTS,
    "verdicts_by_threshold": VERDICTS_BY_THRESHOLD,
    "detection": DETECTION,
    "agreement": AGREEMENT,
    "totals": TOTALS,
    "confusion": CONFUSION,
    "components": COMPONENTS,
    "intervals": INTERVALS,
    "slices": SLICES,
    "slice_scores": SLICE_SCORES,
    "objects": OBJECTS,
    "matches": MATCHES,
}


def empty_table(name: str) -> pd.DataFrame:
    """Return the named table without a row, its columns of their types."""
    return pd.DataFrame({column: pd.Series(dtype=kind) for column, kind in COLUMNS[name].items()})


def as_table(name: str, rows: Any) -> pd.DataFrame:
    """Make the named table of rows (dicts, or a table): its columns in their order and types.

    Columns of text that are missing become "", of fractions NaN.

    Raises
    ------
    InputError
        If a column of whole numbers is missing, or there is one that the table does not have.
    """
    columns = COLUMNS[name]
    table = pd.DataFrame(rows)
    if len(table) == 0:
        return empty_table(name)
    unknown = [column for column in table.columns if column not in columns]
    missing = [column for column, kind in columns.items() if column not in table and kind not in ("str", "float64")]
    if unknown or missing:
        raise InputError(f"table {name}: found unknown columns {unknown}, missed columns {missing}")
    for column, kind in columns.items():
        if column not in table:
            table[column] = "" if kind == "str" else float("nan")
    table = table[list(columns)]
    texts = [column for column, kind in columns.items() if kind == "str"]
    table = table.fillna(dict.fromkeys(texts, ""))
    return table.astype(dict(columns)).reset_index(drop=True)


@dataclass(frozen=True)
class SourceFacts:
    """One of the two or three label sets: what it is called, where it came from and what was done to it."""

    name: str
    path: str
    format: str
    voxel_size: VoxelSize | None  # its own, before it was brought to the common grid; None of 2D boxes
    shape: tuple[int, ...]  # its own, (z, y, x)
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    fingerprint: str = ""  # of its file or folder


@dataclass(frozen=True)
class GridFacts:
    """The grid of the first source with voxels: of its voxels, or a region of them, all sources are compared."""

    shape: tuple[int, int, int]  # (z, y, x)
    voxel_size: VoxelSize | None  # None of 2D boxes


@dataclass(frozen=True)
class Comparison:
    """All that a comparison found; each table has the columns that `COLUMNS` names."""

    sources: tuple[SourceFacts, ...]
    grid: GridFacts
    verdicts: pd.DataFrame = field(default_factory=lambda: empty_table("verdicts"))
    verdicts_by_threshold: pd.DataFrame = field(default_factory=lambda: empty_table("verdicts_by_threshold"))
    detection: pd.DataFrame = field(default_factory=lambda: empty_table("detection"))
    agreement: pd.DataFrame = field(default_factory=lambda: empty_table("agreement"))
    totals: pd.DataFrame = field(default_factory=lambda: empty_table("totals"))
    confusion: pd.DataFrame = field(default_factory=lambda: empty_table("confusion"))
    components: pd.DataFrame = field(default_factory=lambda: empty_table("components"))
    intervals: pd.DataFrame = field(default_factory=lambda: empty_table("intervals"))
    slices: pd.DataFrame = field(default_factory=lambda: empty_table("slices"))
    slice_scores: pd.DataFrame = field(default_factory=lambda: empty_table("slice_scores"))
    objects: pd.DataFrame = field(default_factory=lambda: empty_table("objects"))
    matches: pd.DataFrame = field(default_factory=lambda: empty_table("matches"))
    region: tuple[tuple[int, int], ...] | None = None  # half-open (z, y, x) voxels of the grid; None is all of it
    known_slices: tuple[int, ...] | None = None  # z that were scored; None is all
    threshold: float = 0.5  # IoU from which on two objects are the same one
    parameters: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""
    version: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)  # of the libraries
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, columns in COLUMNS.items():
            found = list(getattr(self, name).columns)
            if found != list(columns):
                raise InputError(f"table {name}: found columns {found}, expected {list(columns)}")

    @classmethod
    def empty(cls, sources: tuple[SourceFacts, ...] = (), grid: GridFacts | None = None, **facts: Any) -> "Comparison":
        """Return a comparison that found nothing, with further facts or tables by name."""
        return cls(sources, grid or GridFacts((0, 0, 0), None), **facts)

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the tables by name, in the order of the report."""
        return {name: getattr(self, name) for name in COLUMNS}

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Names (pred, truth) of what was compared: the first against each other one, and the third with the second.

        With a run: (automatic, M1), (automatic, M2), (M2, M1).
        """
        return pairs_of([source.name for source in self.sources])

    @property
    def classes(self) -> tuple[str, ...]:
        """All classes of all sources, in the order in which they appear."""
        return tuple(dict.fromkeys(name for source in self.sources for name in source.classes))


def pairs_of(names: list[str]) -> tuple[tuple[str, str], ...]:
    """Return who is compared with whom, (pred, truth), of two or three names of which the first is pred."""
    first, *others = names or [""]
    experts = [(others[1], others[0])] if len(others) > 1 else []
    return (*((first, other) for other in others), *experts)


def facts_of(comparison: Comparison) -> dict[str, Any]:
    """Return all that is no table, by name, in the order of the class."""
    return {entry.name: getattr(comparison, entry.name) for entry in fields(comparison) if entry.name not in COLUMNS}
