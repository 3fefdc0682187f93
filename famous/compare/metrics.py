"""How well objects were detected: precision, recall and what follows from them; undefined is NaN with its reason."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous.compare.matching import Matching, SplitParams, match, match_as_paper, merges, splits
from famous.compare.overlaps import Overlaps
from famous.errors import InputError

#: Thresholds of the intersection over union over which the mean is taken, as COCO does.
MEAN_THRESHOLDS = tuple(round(0.5 + 0.05 * k, 2) for k in range(10))
THRESHOLDS = (0.25, *MEAN_THRESHOLDS)

ONE_TO_ONE = "one to one"
PAPER = "paper"
MATCHERS: dict[str, Callable[[Overlaps, float, SplitParams | None], Matching]] = {
    ONE_TO_ONE: lambda overlaps, threshold, _: match(overlaps, threshold),
    PAPER: match_as_paper,
}

NO_PRED = "no object in pred: precision is undefined"
NO_TRUTH = "no object in truth: recall is undefined"
NO_OBJECT = "no object on either side: nothing is defined"
NO_TRUTH_IOU = "no object in truth: mean_iou is undefined"
NO_PAIR = "no pair matched: sq is undefined"
NO_PAIR_SOMEWHERE = "no pair matched at some thresholds: the mean of sq is undefined"
NO_SCORES = "average precision needs a score of every object, which these labels do not have"
NO_TRUTH_AP = "no object in truth: average precision is undefined"

#: The numbers of one row, in the order of the table `detection`.
NUMBERS = ("tp", "fp", "fn", "precision", "recall", "f1", "jaccard", "pq", "sq", "rq", "mean_iou")


@dataclass(frozen=True)
class Scores:
    """Detection at one threshold; NaN where a ratio is undefined, with the reason in `note`.

    Attributes
    ----------
    tp, fp, fn
        Objects found, invented and missed.
    precision, recall, f1, jaccard
        tp / (tp + fp), tp / (tp + fn), 2 tp / (2 tp + fp + fn), tp / (tp + fp + fn).
    pq, sq, rq
        Panoptic quality (Kirillov et al. 2019): the sum of the matched intersections over unions through
        tp + fp / 2 + fn / 2; their mean; and f1.
    mean_iou
        Mean over all objects of truth of the intersection over union with the partner, 0 for a missed one.
    """

    tp: float
    fp: float
    fn: float
    precision: float
    recall: float
    f1: float
    jaccard: float
    pq: float
    sq: float
    rq: float
    mean_iou: float
    note: str


def ratio(numerator: float, denominator: float) -> float:
    """Divide; NaN where the denominator is 0."""
    return numerator / denominator if denominator else math.nan


def f1_of(precision: float, recall: float) -> float:
    """F1 from precision and recall: their harmonic mean, 0 if both are 0; NaN if one is NaN."""
    if precision == recall == 0:
        return 0.0
    return 2 * precision * recall / (precision + recall)


def jaccard_of(precision: float, recall: float) -> float:
    """Jaccard index from precision and recall: 1 / (1 / P + 1 / R − 1), 0 if one of them is 0; NaN if one is NaN."""
    if math.isnan(precision) or math.isnan(recall):
        return math.nan
    if precision == 0 or recall == 0:
        return 0.0
    return 1 / (1 / precision + 1 / recall - 1)


def scores(tp: float, fp: float, fn: float, iou: Sequence[float] | NDArray[np.float64] | None = None) -> Scores:
    """Work out the scores of counts.

    Parameters
    ----------
    tp, fp, fn
        Objects found, invented and missed, from 0.
    iou
        Intersection over union of each of the `tp` pairs; without it pq, sq and mean_iou are NaN.

    Raises
    ------
    InputError
        If a count is negative, or there is not one `iou` for each pair.
    """
    if not min(tp, fp, fn) >= 0:
        raise InputError(f"scores: found counts {tp}, {fp}, {fn}, expected none below 0")
    if iou is not None and len(iou) != tp:
        raise InputError(f"scores: found {len(iou)} intersections over unions for {tp} pairs, expected one each")
    total = math.fsum(iou) if iou is not None else math.nan
    f1 = ratio(2 * tp, 2 * tp + fp + fn)
    return Scores(
        tp,
        fp,
        fn,
        ratio(tp, tp + fp),
        ratio(tp, tp + fn),
        f1,
        ratio(tp, tp + fp + fn),
        ratio(total, tp + fp / 2 + fn / 2),
        ratio(total, tp),
        f1,
        ratio(total, tp + fn),
        _why_undefined(tp, fp, fn),
    )


def _why_undefined(tp: float, fp: float, fn: float) -> str:
    """Say which ratios are undefined, and why; empty where none is."""
    reasons = (why_undefined(metric, tp, fp, fn) for metric in ("precision", "recall", "sq"))
    return "; ".join(dict.fromkeys(filter(None, reasons)))


def why_undefined(metric: str, tp: float, fp: float, fn: float) -> str:
    """Say why one of the scores is undefined, as `scores` has it; "" where it is defined."""
    if tp + fp + fn == 0:
        return NO_OBJECT
    reasons = {"precision": (tp + fp, NO_PRED), "recall": (tp + fn, NO_TRUTH), "sq": (tp, NO_PAIR)}
    reasons["mean_iou"] = (tp + fn, NO_TRUTH_IOU)
    objects, reason = reasons.get(metric, (1, ""))
    return "" if objects else reason


def scores_of(matching: Matching) -> Scores:
    """Work out the scores of a matching."""
    return scores(*matching.counts, matching.iou)


def average_precision(confidence: NDArray[np.floating[Any]], found: NDArray[np.bool_], n_truth: int) -> float:
    """Area under the curve of precision over recall as confidence falls (all points, as VOC since 2010).

    At each recall the best precision at that recall or above counts. Objects of one confidence come in together, so
    that their order does not matter.

    Parameters
    ----------
    confidence
        (n,) score of each object of pred, finite.
    found
        (n,) True for those with a partner in truth.
    n_truth
        Objects of truth; NaN is returned if there are none.
    """
    if not np.isfinite(confidence).all():
        raise InputError("average precision: found a score that is not a number, expected one for each object")
    if n_truth == 0:
        return math.nan
    if len(confidence) == 0:
        return 0.0
    order = np.argsort(-confidence, kind="stable")
    last = np.flatnonzero(np.diff(confidence[order], append=np.nan) != 0)  # of those with one confidence
    tp = np.cumsum(found[order])[last]
    precision = np.maximum.accumulate((tp / (last + 1))[::-1])[::-1]
    return float(np.sum(np.diff(tp, prepend=0) / n_truth * precision))


def detect(
    overlaps: Overlaps,
    *,
    confidence: NDArray[np.floating[Any]] | None = None,
    matching: str = ONE_TO_ONE,
    thresholds: Sequence[float] = THRESHOLDS,
    params: SplitParams | None = None,
) -> pd.DataFrame:
    """Score the detection at several thresholds, and their mean.

    Parameters
    ----------
    overlaps
        Of the two sides.
    confidence
        (p,) score of each object of pred, in their order, for the average precision; None where there are none.
    matching
        `ONE_TO_ONE` or `PAPER`.
    thresholds
        Intersections over unions.
    params
        When pieces count as a split.

    Returns
    -------
    pandas.DataFrame
        Columns matching, threshold, those of `Scores`, splits and merges (objects of truth, of pred), ap, note; a row
        for each threshold. Where all of `MEAN_THRESHOLDS` were asked for, a last row with threshold NaN holds the
        mean over them; it is NaN where one of them is.
    """
    if matching not in MATCHERS:
        raise InputError(f"matching: found {matching!r}, expected one of {', '.join(MATCHERS)}")
    if confidence is not None and len(confidence) != len(overlaps.pred):
        raise InputError(f"scores: found {len(confidence)} for {len(overlaps.pred)} objects, expected one each")
    n_splits, n_merges = len(splits(overlaps, params).wholes), len(merges(overlaps, params).wholes)
    rows = []
    for threshold in thresholds:
        found = MATCHERS[matching](overlaps, threshold, params)
        row = {"matching": matching, "threshold": threshold} | vars(scores_of(found))
        row |= {"splits": n_splits, "merges": n_merges, "ap": math.nan}
        if confidence is not None:
            row["ap"] = average_precision(confidence, np.isin(overlaps.pred_ids, found.pred_ids), len(overlaps.truth))
        rows.append(row)
    table = pd.DataFrame(rows, columns=["matching", "threshold", *NUMBERS, "splits", "merges", "ap", "note"])
    if set(MEAN_THRESHOLDS) <= set(thresholds):
        table = pd.concat([table, _mean_row(table)], ignore_index=True)
    reason = NO_SCORES if confidence is None else NO_TRUTH_AP
    undefined = table["ap"].isna()
    table.loc[undefined, "note"] = [f"{note}; {reason}" if note else reason for note in table.loc[undefined, "note"]]
    return table


def _mean_row(table: pd.DataFrame) -> pd.DataFrame:
    """Take the mean over the thresholds of COCO."""
    chosen = table[table["threshold"].isin(MEAN_THRESHOLDS)]
    numbers = [*NUMBERS, "splits", "merges", "ap"]
    mean = chosen[numbers].mean(skipna=False).to_frame().T
    notes = chosen["note"].unique().tolist()
    note = notes[0] if len(notes) == 1 else NO_PAIR_SOMEWHERE
    return mean.assign(matching=chosen["matching"].iloc[0], threshold=math.nan, note=note)[list(table.columns)]
