"""The worst and the typical: which matches are shown, ordered by what they cost."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous.compare.comparison import OBJECTS, Comparison
from famous.report.comparison_numbers import is_flat, is_number

ASPECT = 4 / 3  # width over height of a picture
ROOM = 0.35  # at each side of a match, as a share of its own side
LEAST = 64  # pixels of the finer axis that a picture is wide, so that small objects are seen in their surroundings
KINDS = ("missed", "invented", "confused", "merge", "split", "matched")
MANY = {"split": "truth", "merge": "pred"}  # kinds of several objects against one → the side of that one
LOW, HIGH = ([name for name in OBJECTS if name.startswith(end)] for end in ("low_", "high_"))


@dataclass(frozen=True)
class ShownParams:
    """How many matches are shown."""

    worst: int = 4  # of each kind of error
    typical: int = 1  # of each class: those whose IoU is nearest to the class's median
    near: float = 0.5  # two errors of a kind whose boxes share this much of the smaller one are shown once


@dataclass(frozen=True)
class Shown:
    """One match to be drawn.

    Parameters
    ----------
    kind
        Of the match, or `typical`.
    pred, truth
        Objects on each side as (source, class, id).
    cost
        What both sides disagree about: µm³, of boxes pixels.
    low, high
        Box (z, y, x) in voxels round all of them, half-open.
    centres
        (n, 3) voxels (z, y, x) in the middle of its objects, the one first that the match is about; before them, of
        several objects against one, where all of the several are met, as far as one plane meets them.
    """

    kind: str
    class_name: str
    pair: tuple[str, str]
    pred: tuple[tuple[str, str, int], ...]
    truth: tuple[tuple[str, str, int], ...]
    iou: float
    cost: float
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    centres: NDArray[np.int64]


def choose(comparison: Comparison, params: ShownParams | None = None) -> list[tuple[str, list[Shown]]]:
    """Choose the dearest errors of each kind, kinds in the order of their dearest, and after them the typical.

    Only pairs with the first source, which is the one on trial. Matches that are poor count as errors too (`matched`).
    """
    params = params or ShownParams()
    matches = comparison.matches
    if not comparison.sources or matches.empty:
        return []
    matches = matches.assign(cost=matches["cost_voxels" if is_flat(comparison) else "cost_um3"])
    matches = _told_once(matches[matches["pred"] == comparison.sources[0].name])
    boxes = comparison.objects.set_index(["source", "class", "id"]).sort_index()
    chosen = []
    for kind in KINDS:
        dearest = _dearest(matches[matches["kind"] == kind], boxes, params)
        if dearest:
            chosen.append((kind, dearest))
    chosen.sort(key=lambda entry: -entry[1][0].cost)
    found = matches[matches["kind"] == "matched"]
    typical = []
    for name in comparison.classes:
        of = found[found["class"] == name]
        order = (of["iou"] - of["iou"].median()).abs().sort_values(kind="stable").index[: params.typical]
        typical += [shown for index in order if (shown := _shown(of.loc[[index]], boxes, "typical")) is not None]
    if typical:
        chosen.append(("typical", typical))
    return chosen


def _told_once(matches: pd.DataFrame) -> pd.DataFrame:
    """Leave out what was missed or invented because it was split, merged or taken for another class: these show it."""
    why = matches[matches["kind"].isin(["split", "merge", "confused"])]
    known = set()
    for row in why.itertuples(index=False):
        name = row[matches.columns.get_loc("class")]
        known.add((row.truth, name, "truth", row.truth_id))
        known.add((row.truth, row.other_class or name, "pred", row.pred_id))
    bare = {"missed": ("truth", "truth_id"), "invented": ("pred", "pred_id")}
    keep = [
        not (side := bare.get(row["kind"])) or (row["truth"], row["class"], side[0], row[side[1]]) not in known
        for row in matches.to_dict("records")
    ]
    return matches[np.array(keep, dtype=np.bool_)]


def _dearest(of: pd.DataFrame, boxes: pd.DataFrame, params: ShownParams) -> list[Shown]:
    """Take the dearest of a kind; the parts of one split or merge are one error, also the part that costs nothing."""
    if of.empty:
        return []
    kind = str(of["kind"].iloc[0])
    together = ["pred", "truth", "class", f"{MANY[kind]}_id"] if kind in MANY else [of.index]
    groups = [group for _, group in of.groupby(together, sort=False) if group["cost"].sum() > 0]
    groups.sort(key=lambda group: -float(group["cost"].sum()))
    shown: list[Shown] = []
    for group in groups:
        if len(shown) >= params.worst:
            break
        one = _shown(group, boxes, kind)
        if one is not None and not any(_is_near(one, other, params.near) for other in shown):
            shown.append(one)
    return shown


def _shown(group: pd.DataFrame, boxes: pd.DataFrame, kind: str) -> Shown | None:
    """Bring the rows of one match together; none where its objects are not in the table."""
    first = group.iloc[0]
    name, pair = str(first["class"]), (str(first["pred"]), str(first["truth"]))
    preds = [
        (pair[0], str(row["other_class"]) or name, int(row["pred_id"]))
        for _, row in group.iterrows()
        if is_number(row["pred_id"])
    ]
    truths = [(pair[1], name, int(row["truth_id"])) for _, row in group.iterrows() if is_number(row["truth_id"])]
    pred, truth = tuple(dict.fromkeys(preds)), tuple(dict.fromkeys(truths))
    known = [key for key in (*truth, *pred) if key in boxes.index]
    if not known:
        return None
    low, high = (np.array([boxes.loc[key, ends] for key in known], dtype=np.int64) for ends in (LOW, HIGH))
    about = 0 if kind != "merge" or not pred or pred[0] not in known else known.index(pred[0])
    centres = np.roll((low + high) // 2, -about, axis=0)
    if kind in MANY:
        several = [key in (truth if MANY[kind] == "pred" else pred) for key in known]
        centres = np.concatenate([_meeting(low[several], high[several], centres[0])[None], centres])
    iou = float(group["iou"].max()) if group["iou"].notna().any() else float("nan")
    cost = float(group["cost"].sum())
    return Shown(kind, name, pair, pred, truth, iou, cost, low.min(axis=0), high.max(axis=0), centres)


def _meeting(low: NDArray[np.int64], high: NDArray[np.int64], otherwise: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where planes meet all of these boxes: along each axis the middle of what they share, or else what is given."""
    if len(low) == 0:
        return otherwise
    first, last = low.max(axis=0), high.min(axis=0)
    met: NDArray[np.int64] = np.where(first < last, (first + last) // 2, otherwise)
    return met


def _is_near(one: Shown, other: Shown, share: float) -> bool:
    """Tell whether two boxes are one place: what they share, of the smaller."""
    if one.class_name != other.class_name:
        return False
    both = np.maximum(np.minimum(one.high, other.high) - np.maximum(one.low, other.low), 0).prod()
    smaller = min((one.high - one.low).prod(), (other.high - other.low).prod())
    return bool(both > share * max(int(smaller), 1))


def window_of(
    shown: Shown, axes: tuple[int, int], shape: Sequence[int], size: Sequence[float]
) -> tuple[int, int, int, int]:
    """Rows and columns round a match, with room at each side: (row0, row1, column0, column1), inside the grid.

    As nearly as the grid allows it is as wide as high times `ASPECT`, in nm, and `LEAST` pixels of the finer axis wide.
    """
    rows, columns = axes
    sides = [float(shown.high[axis] - shown.low[axis]) * size[axis] * (1 + 2 * ROOM) for axis in axes]
    width = max(sides[1], sides[0] * ASPECT, LEAST * min(size[axis] for axis in axes))
    ends: list[int] = []
    for axis, side in ((rows, width / ASPECT), (columns, width)):
        count = min(round(side / size[axis]) or 1, int(shape[axis]))
        middle = (int(shown.low[axis]) + int(shown.high[axis])) / 2
        low = min(max(0, round(middle - count / 2)), int(shape[axis]) - count)
        ends += [low, low + count]
    return ends[0], ends[1], ends[2], ends[3]
