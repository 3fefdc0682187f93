"""The verdict of each class: its sentence, and the intervals of every pair beside it."""

from dataclasses import dataclass

from famous.compare.comparison import Comparison
from famous.report.comparison_numbers import DASH, NO_REASON, is_number
from famous.report.comparison_roles import Role, pair_roles

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
