"""The verdict of each class: its sentence, and the intervals of every pair beside it."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from famous.compare.comparison import Comparison
from famous.compare.uncertainty import F1, OUTLINES, BootstrapParams
from famous.compare.verdict import VerdictParams, number_text
from famous.report.comparison_numbers import DASH, NO_REASON, Cell, Footnotes, Sheet, is_number
from famous.report.comparison_roles import Role, pair_roles

if TYPE_CHECKING:
    import pandas as pd

#: kind of verdict → its mark, so that no colour has to tell it
MARKS = {
    "as good": "✓",
    "better": "✓",
    "worse": "✕",
    "undecided": "?",
    "no second expert": "·",
    "undefined": DASH,
}
METRICS = {"f1": "F1", "mean_iou": "mean IoU", "pq": "PQ", "jaccard": "Jaccard", "iou": "IoU", "dice": "Dice"}


@dataclass(frozen=True)
class Line:
    """One interval, in percent of the plot's width; without `low` and `high` only the point is known."""

    role: Role
    value: float
    low: float | None
    high: float | None
    text: str


@dataclass(frozen=True)
class Verdict:
    """One class on top of the report."""

    class_name: str
    kind: str
    mark: str
    sentence: str
    metric: str
    lines: tuple[Line, ...]
    missing: tuple[str, ...]


def verdicts(comparison: Comparison) -> list[Verdict]:
    """Bring each class's verdict together with the intervals of the metric that it was decided by."""
    roles = pair_roles(comparison)
    told = []
    for _, row in comparison.verdicts.iterrows():
        metric = str(row["metric"]) or "f1"
        lines, missing = [], []
        for pair, role in roles.items():
            line = _line(comparison, pair, str(row["class"]), metric, role)
            if line is None:
                missing.append(f"{role.name}: {DASH}, {NO_REASON}")
            else:
                lines.append(line)
        name, kind = str(row["class"]), str(row["kind"])
        label = METRICS.get(metric, metric)
        told.append(
            Verdict(name, kind, MARKS.get(kind, "·"), str(row["sentence"]), label, tuple(lines), tuple(missing))
        )
    return told


def moving_sheet(comparison: Comparison) -> Sheet | None:
    """The verdict of each class at every threshold, one column a threshold; None where no second expert is there."""
    table = comparison.verdicts_by_threshold
    if len(comparison.sources) < 3 or table.empty:
        return None
    levels = sorted(set(table["threshold"]))
    notes = Footnotes()
    rows = []
    for name in dict.fromkeys(table["class"]):
        own = table[table["class"] == name].set_index("threshold")
        rows.append(
            (str(name), tuple(_moved(own.loc[level], comparison.threshold == level, notes) for level in levels))
        )
    by_outlines = (
        " in F1, or, with “o”, in the mean IoU of the outlines" if (table["metric"] == OUTLINES).any() else " in F1"
    )
    return Sheet(
        "How the verdict moves with the IoU that a match needs",
        tuple(f"{level:g}" for level in levels),
        tuple(rows),
        footnotes=tuple(notes.reasons),
        about=(
            f"{MARKS['as good']} as good or better; {MARKS['worse']} worse; {MARKS['undecided']} undecided. The number "
            f"is the difference that decided,{by_outlines}. Bold: the verdict on top, at {comparison.threshold:g}."
        ),
        corner="Class, IoU ≥",
    )


def _moved(row: "pd.Series", is_own: bool, notes: Footnotes) -> Cell:
    kind = str(row["kind"])
    if not is_number(row["difference"]):
        return notes.cell(row["difference"], str, str(row["sentence"]).rstrip("."))
    decided = (0.0,) if kind in ("better", "worse") else ()
    text = f"{MARKS[kind]} {number_text(row['difference'], signed=True, never=decided)}"
    return Cell(text if row["metric"] == F1 else f"{text} o", strong=is_own)


def rule(comparison: Comparison) -> str:
    """Say in one sentence how the verdicts are decided; "" where there are none.

    The numbers are those of the comparison's parameters `bootstrap` and `verdict`, where it has them, or else the
    usual ones.
    """
    if comparison.verdicts.empty:
        return ""
    told = comparison.parameters
    bootstrap = asdict(BootstrapParams()) | dict(told.get("bootstrap") or {})
    level = comparison.intervals["level"].iloc[0] if len(comparison.intervals) else bootstrap["level"]
    margin = (asdict(VerdictParams()) | dict(told.get("verdict") or {}))["margin"]
    how = f"the two-sided {100 * level:.3g} % interval of {bootstrap['rounds']:,} rounds of a Bayesian bootstrap"
    if len(comparison.sources) < 3:
        return f"F1 has {how} over the objects; without a second expert there is nothing to decide."
    pred, truth, expert = (source.name for source in comparison.sources[:3])
    return (
        f"Of the difference in F1, {pred} against {truth} less {expert} against {truth}, {how} over the objects of "
        f"{truth} decides: better if it lies above 0 and the difference is more than {margin:g}, or else as good if it "
        f"lies above −{margin:g}, or else worse if it lies below 0, or else undecided; where F1 is as good or better, "
        f"outlines that are worse in the same way, and by more than {margin:g} in the mean IoU of the objects that "
        "both found, make it worse."
    )


def order(comparison: Comparison) -> str:
    """Say whose agreement with whom is the yardstick; "" where there is no second expert or no verdict."""
    if comparison.verdicts.empty or len(comparison.sources) < 3:
        return ""
    pred, truth, expert = (source.name for source in comparison.sources[:3])
    return (
        f"{truth}, the first expert that was named, is the reference: {pred} is compared with {truth}, and the "
        f"yardstick is how well {expert} agrees with {truth}. With the experts in the other order, {expert} would be "
        "the reference, and a verdict may be another."
    )


def _line(comparison: Comparison, pair: tuple[str, str], class_name: str, metric: str, role: Role) -> Line | None:
    table = comparison.intervals
    here = (table["pred"] == pair[0]) & (table["truth"] == pair[1]) & (table["class"] == class_name)
    rows = table[here & (table["metric"] == metric)]
    if rows.empty or not is_number(rows.iloc[0]["value"]):
        return None
    row = rows.iloc[0]
    value = float(row["value"])
    text = f"{value:.2f}"
    low, high = (float(row[end]) if is_number(row[end]) else None for end in ("low", "high"))
    if low is not None and high is not None:
        text += f" ({low:.2f}–{high:.2f})"
    return Line(role, _place(value), _place(low), _place(high), text)  # type: ignore[arg-type]


def _place(value: float | None) -> float | None:
    return None if value is None else round(100 * min(max(value, 0.0), 1.0), 2)
