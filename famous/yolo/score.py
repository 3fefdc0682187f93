"""How good boxes are: precision, recall and average precision of predicted against true boxes, per class."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous.boxes import CORNERS, iou, require

THRESHOLDS = tuple(round(0.5 + 0.05 * i, 2) for i in range(10))
RECALL_POINTS = 101


@dataclass(frozen=True)
class BoxScores:
    """Figures of one class; NaN where there is nothing to divide by."""

    n_true: int
    n_pred: int  # at the chosen score
    score: float  # threshold that precision and recall are given at
    precision: float  # at IoU 0.5
    recall: float
    precision75: float  # at IoU 0.75
    recall75: float
    map50: float
    map75: float
    map50_95: float

    def as_dict(self) -> dict[str, float | None]:
        """Plain values for JSON; NaN becomes None."""
        return {name: None if math.isnan(value) else value for name, value in asdict(self).items()}


def score_boxes(true: pd.DataFrame, pred: pd.DataFrame, *, score: float = 0.25) -> dict[str, BoxScores]:
    """Compare predicted with true boxes of the same slices, class by class, and all classes together as "all".

    "all" pools the boxes for counts, precision and recall, and averages the classes that have true boxes for the mAPs.

    Parameters
    ----------
    true, pred
        Box tables; `pred` with every box down to a low score, as average precision needs them.
    score
        Threshold for precision and recall.
    """
    for table in (true, pred):
        require(table, ["z", *CORNERS, "class_name", "score"])
    names = sorted({*true["class_name"].astype("str"), *pred["class_name"].astype("str")})
    results: dict[str, BoxScores] = {}
    pooled: list[tuple[int, NDArray[np.float64], NDArray[np.bool_]]] = []
    for name in names:
        of_class = true[true["class_name"] == name], pred[pred["class_name"] == name]
        scores, hits = match(*of_class)
        pooled.append((len(of_class[0]), scores, hits))
        results[name] = _scores(len(of_class[0]), scores, hits, score)
    present = [results[name] for name in names if results[name].n_true]
    counts = sum(n for n, _, _ in pooled)
    scores = np.concatenate([np.zeros(0), *(s for _, s, _ in pooled)])
    hits = np.concatenate([np.zeros((0, len(THRESHOLDS)), dtype=bool), *(h for _, _, h in pooled)])
    means = {key: _mean([getattr(one, key) for one in present]) for key in ("map50", "map75", "map50_95")}
    values: dict[str, Any] = {**asdict(_scores(counts, scores, hits, score)), **means}
    return {**results, "all": BoxScores(**values)}


def match(true: pd.DataFrame, pred: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Match the boxes of one class, slice by slice and at each IoU threshold, one to one, best scored first.

    A prediction takes the free true box that it overlaps most, if that is at least the threshold (the rule of COCO).

    Returns
    -------
    tuple
        (k,) scores, falling, and (k, 10) whether that prediction is right at each of `THRESHOLDS`.
    """
    order = np.argsort(-pred["score"].to_numpy(np.float64), kind="stable")
    pred = pred.iloc[order]
    hits = np.zeros((len(pred), len(THRESHOLDS)), dtype=bool)
    slices = pred["z"].to_numpy()
    for z, there in true.groupby("z", sort=False):
        rows = np.flatnonzero(slices == z)
        overlap = iou(pred.iloc[rows][CORNERS].to_numpy(), there[CORNERS].to_numpy())
        for t, threshold in enumerate(THRESHOLDS):
            free = np.ones(len(there), dtype=bool)
            for i, row in enumerate(rows):
                candidates = np.where(free, overlap[i], 0.0)
                j = int(candidates.argmax())
                if candidates[j] >= threshold:
                    free[j] = False
                    hits[row, t] = True
    return pred["score"].to_numpy(np.float64), hits


def average_precision(hits: NDArray[np.bool_], n_true: int) -> float:
    """Area below the precision-recall curve, precision made monotone and read at 101 recalls (the rule of COCO).

    Parameters
    ----------
    hits
        (k,) whether each prediction is right, best scored first.
    n_true
        True boxes; without any the result is NaN.
    """
    if n_true == 0:
        return float("nan")
    if len(hits) == 0:
        return 0.0
    right = np.cumsum(hits)
    recall, precision = right / n_true, right / np.arange(1, len(hits) + 1)
    envelope = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    places = np.searchsorted(recall, np.linspace(0, 1, RECALL_POINTS), side="left")
    return float(envelope[places].mean())


def _scores(n_true: int, scores: NDArray[np.float64], hits: NDArray[np.bool_], score: float) -> BoxScores:
    kept = hits[scores >= score]
    at75 = THRESHOLDS.index(0.75)
    aps = [average_precision(hits[np.argsort(-scores, kind="stable"), t], n_true) for t in range(len(THRESHOLDS))]
    return BoxScores(
        n_true=n_true,
        n_pred=len(kept),
        score=score,
        precision=_ratio(kept[:, 0].sum(), len(kept)),
        recall=_ratio(kept[:, 0].sum(), n_true),
        precision75=_ratio(kept[:, at75].sum(), len(kept)),
        recall75=_ratio(kept[:, at75].sum(), n_true),
        map50=aps[0],
        map75=aps[at75],
        map50_95=_mean(aps),
    )


def _ratio(part: int, whole: int) -> float:
    return float(part / whole) if whole else float("nan")


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
