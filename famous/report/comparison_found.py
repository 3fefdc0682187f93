"""How the objects were found, as tables: the paper's Tables 2 to 7 and their counts, PQ, and other thresholds."""

from collections.abc import Iterable

import pandas as pd

from famous.compare.comparison import MATCHINGS, Comparison
from famous.report.comparison_numbers import Cell, Footnotes, Format, Sheet, by_pair, percent, pick, plain, say
from famous.report.comparison_reasons import reason_of

ONE_TO_ONE = MATCHINGS[0]
RATIOS = {"precision": "P %", "recall": "R %", "f1": "F1 %", "jaccard": "Jaccard %"}
COUNTS = {"tp": "TP", "fp": "FP", "fn": "FN"}
APART = {"splits": "Splits", "merges": "Merges"}
QUALITY = {"pq": "PQ %", "sq": "SQ %", "rq": "RQ %", "ap": "AP %"}
LAYOUT = "The second of each pair is taken as the truth."
OTHERS = (0.25, 0.5, 0.75)  # thresholds that stand beside each other, with the mean over 0.5, 0.55 … 0.95


def detection_sheets(comparison: Comparison) -> list[Sheet]:
    """P, R, F1 and Jaccard of each matching, each with the counts that they follow from; PQ; and other thresholds."""
    matchings = [str(name) for name in dict.fromkeys(comparison.detection["matching"])]
    sheets = [
        sheet for matching in matchings for sheet in (_ratios(comparison, matching), _counts(comparison, matching))
    ]
    if not sheets:
        return []
    quality = by_pair(
        comparison,
        at_threshold(comparison),
        _columns(QUALITY, percent),
        caption=f"Panoptic quality, {_at(comparison)}",
        about="PQ = SQ × RQ; SQ is the mean IoU of what was matched, RQ is F1. AP needs scores.",
    )
    others = thresholds_sheet(comparison)
    return [*sheets, quality, *([] if others is None else [others])]


def _ratios(comparison: Comparison, matching: str) -> Sheet:
    how = "one to one" if matching == ONE_TO_ONE else "as the paper counts, an object found as several is one hit"
    return by_pair(
        comparison,
        at_threshold(comparison, matching),
        _columns(RATIOS, percent),
        caption=f"Precision, recall, F1 and Jaccard of objects; {how}, {_at(comparison)}",
        about=LAYOUT,
    )


def _counts(comparison: Comparison, matching: str) -> Sheet:
    """Count; what was split or merged is the same however it is matched, and told once."""
    heads, how = COUNTS | APART, ""
    about = (
        "TP: found. FP: invented. FN: missed; both also where the IoU is too low. Splits and merges are counted apart "
        "and not in TP or FP."
    )
    if matching != ONE_TO_ONE:
        heads, how = COUNTS, " as the paper counts"
        about = "TP: found, once however many its pieces are. FP: invented, pieces left out. FN: missed."
    return by_pair(
        comparison,
        at_threshold(comparison, matching),
        _columns(heads, plain(0)),
        caption=f"The counts behind them{how}, {_at(comparison)}",
        about=about,
    )


def thresholds_sheet(comparison: Comparison) -> Sheet | None:
    """P, R, F1 and Jaccard one to one at other thresholds, a row each in every class; None if there is none."""
    table = comparison.detection[comparison.detection["matching"] == ONE_TO_ONE]
    there = [(f"{level:g}", _near(table, level)) for level in OTHERS]
    there = [(head, rows) for head, rows in [*there, ("mean", table[table["threshold"].isna()])] if len(rows)]
    if not there:
        return None
    notes = Footnotes()
    rows = [
        (f"{name}, {head}", tuple(_cells(comparison, level, name, notes)))
        for name in comparison.classes
        for head, level in there
    ]
    levels = [f"IoU ≥ {head}" for head, _ in there if head != "mean"]
    if there[-1][0] == "mean":
        levels.append("the mean over 0.5, 0.55 … 0.95")
    return Sheet(
        f"The same one to one at other thresholds: {', '.join(levels)}",
        tuple(RATIOS.values()) * len(comparison.pairs),
        tuple(rows),
        tuple((say(pair), len(RATIOS)) for pair in comparison.pairs),
        tuple(notes.reasons),
        corner="Class, IoU",
        parts=len(there),
    )


def _cells(comparison: Comparison, table: pd.DataFrame, name: str, notes: Footnotes) -> Iterable[Cell]:
    for pair in comparison.pairs:
        row = pick(table, pair, name)
        for column in RATIOS:
            reason = "not counted" if row is None else reason_of(str(row["note"]), column)
            yield notes.cell(None if row is None else row[column], percent, reason)


def at_threshold(comparison: Comparison, matching: str = ONE_TO_ONE) -> pd.DataFrame:
    """Rows of the detection table at the threshold that the comparison was made with."""
    table = comparison.detection
    return _near(table[table["matching"] == matching], comparison.threshold)


def _near(table: pd.DataFrame, threshold: float) -> pd.DataFrame:
    return table[(table["threshold"] - threshold).abs() < 1e-9]


def _columns(heads: dict[str, str], write: Format) -> list[tuple[str, str, Format]]:
    return [(name, head, write) for name, head in heads.items()]


def _at(comparison: Comparison) -> str:
    return f"IoU ≥ {comparison.threshold:g}"
