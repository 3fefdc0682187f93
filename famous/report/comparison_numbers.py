"""The tables of a comparison as a reader sees them: rounded numbers, and a dash with its reason where there is none."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import pandas as pd

from famous.compare.comparison import AGREEMENT, NO_CLASS, Comparison
from famous.report.comparison_reasons import reason_of

DASH = "–"
LEAST_POWER = -6  # of ten: smaller numbers are written with it
NO_REASON = "not defined for these objects"  # where a table gives no note

Format = Callable[[float], str]


@dataclass(frozen=True)
class Cell:
    """One value of a table: its text, and why there is none where it is a dash."""

    text: str
    reason: str = ""
    mark: int = 0  # number of the footnote that says the reason; 0 for none
    strong: bool = False


@dataclass(frozen=True)
class Sheet:
    """A table with grouped columns.

    Parameters
    ----------
    groups
        Heads over the columns: text and how many columns it spans. Empty for none.
    rows
        Head of the row and its cells.
    footnotes
        Reasons, in the order of their numbers, from 1.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    groups: tuple[tuple[str, int], ...] = ()
    footnotes: tuple[str, ...] = ()
    about: str = ""
    corner: str = "Class"
    parts: int = 0  # rows that belong together, with a line before the next; 0 for none

    @property
    def width_em(self) -> float:
        """About how wide the table is where its heads break after underscores and at spaces."""
        longest = [max(len(part) for part in head.replace("_", "_ ").split()) for head in self.columns]
        longest.append(max((len(head) for head, _ in self.rows), default=0))
        return round(sum(0.6 * letters + 1.3 for letters in longest), 1)


@dataclass
class Footnotes:
    """Reasons, each once, numbered as they come."""

    reasons: list[str] = field(default_factory=list)

    def cell(self, value: object, write: Format, reason: str = "") -> Cell:
        """Write a number; NaN and NA become a dash that carries its reason."""
        if is_number(value):
            return Cell(write(float(value)))  # type: ignore[arg-type]
        why = reason or NO_REASON
        if why not in self.reasons:
            self.reasons.append(why)
        return Cell(DASH, why, self.reasons.index(why) + 1)


def is_number(value: object) -> bool:
    """Tell whether a value of a table is there: neither NaN, NA nor None."""
    return value is not None and value is not pd.NA and not math.isnan(float(value))  # type: ignore[arg-type]


def percent(value: float) -> str:
    """A ratio as the paper prints it, `84.62`."""
    return f"{100 * value:.2f}"


def plain(digits: int) -> Format:
    """Write with that many digits after the point, thousands apart."""
    return lambda value: f"{value:,.{digits}f}"


def significant(value: float) -> str:
    """Three significant digits, as a power of ten below 0.000001 only: `12,300`, `0.0123`, `0.0000819`, `8.19e-7`.

    The page's script writes the numbers of the object table in the same way.
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits, _, power = f"{value:.2e}".partition("e")
    if int(power) < LEAST_POWER:
        return f"{digits}e{int(power)}"
    return f"{float(f'{digits}e{power}'):,.{max(0, 2 - int(power))}f}"


def is_flat(comparison: Comparison) -> bool:
    """Tell whether the objects are boxes: they have pixels, and no volume."""
    return bool(len(comparison.objects) and comparison.objects["volume_um3"].isna().all())


def pick(table: pd.DataFrame, pair: tuple[str, str], class_name: str) -> pd.Series | None:
    """Return the row of a pair and class, or none."""
    rows = table[(table["pred"] == pair[0]) & (table["truth"] == pair[1]) & (table["class"] == class_name)]
    return None if rows.empty else rows.iloc[0]


def say(pair: tuple[str, str]) -> str:
    """Name a pair in a head: `automatic vs M1`."""
    return f"{pair[0]} vs {pair[1]}"


def by_pair(
    comparison: Comparison,
    table: pd.DataFrame,
    columns: Sequence[tuple[str, str, Format]],
    *,
    caption: str,
    about: str = "",
) -> Sheet:
    """Set a table of pairs and classes as the paper does: one row a class, the pairs side by side.

    Parameters
    ----------
    columns
        Column of the table, its head, how its values are written.
    """
    notes = Footnotes()
    rows = []
    for name in comparison.classes:
        cells: list[Cell] = []
        for pair in comparison.pairs:
            row = pick(table, pair, name)
            for column, _, write in columns:
                value = None if row is None else row[column]
                reason = "not counted" if row is None else reason_of(str(row.get("note", "") or ""), column)
                cells.append(notes.cell(value, write, reason))
        rows.append((name, tuple(cells)))
    heads = tuple(head for _ in comparison.pairs for _, head, _ in columns)
    groups = tuple((say(pair), len(columns)) for pair in comparison.pairs)
    if len(columns) == 1:
        heads, groups = tuple(say(pair) for pair in comparison.pairs), ()
    return Sheet(caption, heads, tuple(rows), groups, tuple(notes.reasons), about)


def volume_sheet(comparison: Comparison) -> Sheet:
    """Volume overlap, as the paper's Table 1."""
    column = [("volume_overlap_percent", "Overlap %", plain(2))]
    about = "Voxels that both call the class, of those that one of them does."
    return by_pair(comparison, comparison.agreement, column, caption="Volume overlap in percent", about=about)


def agreement_sheets(comparison: Comparison) -> list[Sheet]:
    """IoU, Dice and information, and how far the surfaces are apart."""
    overlap = [("iou", "IoU", plain(3)), ("dice", "Dice", plain(3)), ("union_um3", "Union µm³", significant)]
    overlap.append(("intersection_um3", "Both µm³", significant))
    information = [(name, head, plain(3)) for name, head in _INFORMATION.items()]
    information.append(("adapted_rand_error", "Rand error", plain(3)))
    surface = [("surface_mean_nm", "Mean nm", plain(1)), ("surface_p95_nm", "95 % nm", plain(1))]
    surface.append(("surface_hausdorff_nm", "Hausdorff nm", plain(1)))
    about = (
        "Variation of information (VI) in bits and adapted Rand error: 0 is perfect. Both are taken over the voxels "
        "that truth labels; what is invented outside of them does not count."
    )
    return [
        by_pair(comparison, comparison.agreement, overlap, caption="How the volumes agree"),
        by_pair(
            comparison, comparison.agreement, information, caption="How the objects agree, voxel by voxel", about=about
        ),
        by_pair(
            comparison,
            comparison.agreement,
            surface,
            caption="Distance between the surfaces of matched objects in nm",
            about="Of the pairs that were matched one to one only: what was missed or invented has no distance.",
        ),
    ]


#: column → head, of the variation of information
_INFORMATION = {name: f"VI {name.split('_')[1]}" for name in AGREEMENT if name.startswith("vi_")}


def component_sheets(comparison: Comparison) -> list[Sheet]:
    """Detected, under-detected and missed components after Meyer et al., in 3D and in 2D."""
    sheets = []
    columns = [
        ("detected", "Detected", plain(0)),
        ("under_detected", "Partly", plain(0)),
        ("missed", "Missed", plain(0)),
    ]
    for dimensions, what in ((3, "objects"), (2, "profiles in slices")):
        table = comparison.components[comparison.components["dimensions"] == dimensions]
        if len(table):
            about = "Detected: more than 80 % of its voxels; missed: less than 10 %; partly: between."
            sheets.append(by_pair(comparison, table, columns, caption=f"Components ({what}) of the truth", about=about))
    return sheets


def slice_sheet(comparison: Comparison) -> Sheet | None:
    """Mean and standard deviation over the slices of F1 and IoU of the pixels."""
    if comparison.slice_scores.empty:
        return None
    heads = {"f1_mean": "F1 mean", "f1_sd": "F1 SD", "iou_mean": "IoU mean", "iou_sd": "IoU SD"}  # all of pixels
    columns: list[tuple[str, str, Format]] = [("n", "Slices", plain(0))]
    columns += [(name, head, plain(3)) for name, head in heads.items()]
    return by_pair(
        comparison,
        comparison.slice_scores,
        columns,
        caption="Pixels, slice by slice: mean and standard deviation",
        about="Over the slices in which one side at least has the class; the standard deviation is a sample's (n − 1).",
    )


def totals_sheet(comparison: Comparison) -> Sheet:
    """Count, volume and surface per class and source."""
    notes = Footnotes()
    columns: list[tuple[str, str, Format]] = [
        ("count", "Objects", plain(0)),
        ("volume_um3", "Volume µm³", significant),
        ("area_um2", "Surface µm²", significant),
    ]
    columns = [column for column in columns if comparison.totals[column[0]].notna().any()]  # boxes have no volume
    rows = []
    for name in comparison.classes:
        cells = []
        for source in comparison.sources:
            one = comparison.totals[(comparison.totals["source"] == source.name) & (comparison.totals["class"] == name)]
            for column, _, write in columns:
                value = one.iloc[0][column] if len(one) else None
                cells.append(notes.cell(value, write, f"{source.name} has no object of this class"))
        rows.append((name, tuple(cells)))
    groups = tuple((source.name, len(columns)) for source in comparison.sources)
    heads = tuple(head for _ in comparison.sources for _, head, _ in columns)
    caption = "Number, total volume and surface" if len(columns) > 1 else "Number"
    return Sheet(caption, heads, tuple(rows), groups, tuple(notes.reasons))


def confusion_sheets(comparison: Comparison) -> list[Sheet]:
    """One matrix a pair: rows are the classes of the truth, columns those of the other."""
    sheets = []
    for pair in comparison.pairs:
        table = comparison.confusion
        table = table[(table["pred"] == pair[0]) & (table["truth"] == pair[1])]
        if table.empty:
            continue
        names = [*comparison.classes, NO_CLASS]
        counted = table.groupby(["truth_class", "pred_class"])["count"].sum()
        rows = []
        for truth in names:
            cells = [_count(int(counted.get((truth, pred), 0)), truth, pred) for pred in names]
            rows.append((truth if truth != NO_CLASS else "in none", tuple(cells)))
        heads = (*comparison.classes, "in none")
        sheets.append(
            Sheet(
                f"Classes of {say(pair)}",
                heads,
                tuple(rows),
                ((f"{pair[0]} says", len(heads)),),
                corner=f"{pair[1]} says",
            )
        )
    return sheets


def _count(number: int, truth: str, pred: str) -> Cell:
    """Write a count of the matrix; what no matrix can have, an object in neither, is left empty."""
    if truth == pred == NO_CLASS:
        return Cell("")
    return Cell(f"{number:,}" if number else "·", strong=truth == pred)


def lines_of(parameters: object, prefix: str = "") -> Iterable[tuple[str, str]]:
    """Flatten nested parameters to `path`, `value` lines."""
    if isinstance(parameters, dict) and parameters:
        for key, value in parameters.items():
            yield from lines_of(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, "none" if parameters is None or parameters in ({}, [], ()) else str(parameters)
