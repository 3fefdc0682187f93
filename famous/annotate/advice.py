"""Which slice to label next: where the model is least sure of itself, and what is least like the slices done.

Disagreement is the mean of three figures, each 0 … 1: how far the model's boxes differ when the slice is turned by 180°
(a committee of views), how far they differ from those of the slices before and after (organelles go through slices; a
box that comes and goes does not), and how far their scores are from certain. Novelty is the distance to the nearest
slice that is done, in simple image statistics and in z. `tools/bench_advice.py` measures both against the true error.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.stats import rankdata

from famous.boxes import CORNERS, iou

THUMB_PX = 8
SMALL_PX = 512  # longest side of the picture that the statistics are taken from
DOUBT = 2 / 3  # weight of disagreement beside novelty: less spreads the slices, more follows the model's errors
TELLING = 0.7  # rank from which on a cause is worth a word


@dataclass(frozen=True)
class DisagreementParams:
    """What counts as the same box, and how little few boxes prove."""

    same_iou: float = 0.5  # boxes of one class that overlap this much are one object
    prior: float = 1.0  # boxes of which half agree, added to every slice: a slice with nothing found is undecided


@dataclass(frozen=True)
class Advice:
    """The slice to label next, and why in words."""

    z: int
    reason: str


@dataclass(frozen=True)
class Look:
    """What is known about one slice: how it looks, and how much the model disagrees with itself there."""

    features: NDArray[np.float64]
    disagreement: float | None = None  # 0 … 1; None: no model, or not asked yet


def image_features(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Describe how a (y, x) slice looks: mean, contrast, mean gradient, and a thumbnail of 8 × 8, all of 0 … 1."""
    if 0 in image.shape:
        return np.zeros(3 + THUMB_PX**2)
    scale = min(1.0, SMALL_PX / max(image.shape))
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.float64) / 255
    steps = [np.abs(np.diff(small, axis=axis)) for axis in (0, 1)]
    gradient = sum(float(step.mean()) for step in steps if step.size)
    thumb = cv2.resize(small, (THUMB_PX, THUMB_PX), interpolation=cv2.INTER_AREA)
    return np.concatenate([[small.mean(), small.std(), gradient], np.asarray(thumb, dtype=np.float64).ravel()])


def turn(boxes: pd.DataFrame, shape: tuple[int, int]) -> pd.DataFrame:
    """Turn the boxes of a (y, x) slice by 180°, there as back."""
    height, width = shape
    corners = {"y0": height - boxes["y1"], "x0": width - boxes["x1"]}
    return boxes.assign(**corners, y1=height - boxes["y0"], x1=width - boxes["x0"])


def difference(a: pd.DataFrame, b: pd.DataFrame, params: DisagreementParams | None = None) -> float:
    """How far two box tables of one slice differ, 0 … 1: one minus a Dice coefficient that counts boxes by score.

    Boxes of one class are paired one to one so that what they share is greatest; a pair shares its lower score.
    """
    params = params or DisagreementParams()
    shared = 0.0
    for name in set(a["class_name"]) & set(b["class_name"]):
        one, other = (table[table["class_name"] == name] for table in (a, b))
        same = iou(one[CORNERS].to_numpy(), other[CORNERS].to_numpy()) >= params.same_iou
        score = np.minimum(one["score"].to_numpy(np.float64)[:, None], other["score"].to_numpy(np.float64)[None])
        worth = np.where(same, score, 0.0)
        shared += float(worth[linear_sum_assignment(-worth)].sum())
    total = float(a["score"].sum()) + float(b["score"].sum())
    return 1 - (2 * shared + params.prior) / (total + 2 * params.prior) if total + params.prior > 0 else 0.0


def uncertainty(boxes: pd.DataFrame, params: DisagreementParams | None = None) -> float:
    """How far the scores are from certain, 0 … 1: the mean of 1 − score, weighted by score."""
    prior = (params or DisagreementParams()).prior
    score = boxes["score"].to_numpy(np.float64)
    total = float(score.sum()) + prior
    return (float((score * (1 - score)).sum()) + prior / 2) / total if total > 0 else 0.0


def disagreement(
    boxes: pd.DataFrame,
    turned: pd.DataFrame,
    neighbours: Sequence[pd.DataFrame],
    params: DisagreementParams | None = None,
) -> float:
    """How much a model disagrees with itself about a slice, 0 … 1.

    Parameters
    ----------
    boxes
        What it finds there, down to a low score.
    turned
        What it finds in the slice turned by 180°, turned back.
    neighbours
        What it finds in the slices before and after; none for a stack of one slice.
    """
    parts = [difference(boxes, turned, params), uncertainty(boxes, params)]
    if neighbours:
        parts.append(float(np.mean([difference(boxes, other, params) for other in neighbours])))
    return float(np.mean(parts))


def next_slice(
    n_slices: int, done: Collection[int], *, looks: Mapping[int, Look], proposed: Sequence[int], here: int | None = None
) -> Advice | None:
    """Choose the slice whose labels would teach most. Pure and deterministic.

    Before anything is done it is the first of the proposed slices. After that every slice that was looked at is ranked
    by disagreement and by novelty, and the best weighted mean rank wins; without a model it is novelty alone, and
    without a look at any slice the distance in z.

    Parameters
    ----------
    looks
        By slice, also of slices that are done: novelty is the distance to those.
    proposed
        Slices that were drawn for a start.
    here
        Slice that the user is looking at, which is offered only if it is the last one.

    Returns
    -------
    Advice or None
        None where every slice is done.
    """
    finished = {z for z in done if 0 <= z < n_slices}
    candidates = [z for z in range(n_slices) if z not in finished and z != here]
    if not candidates:
        last = here is not None and 0 <= here < n_slices and here not in finished
        return Advice(int(here or 0), "it is the only slice that is not done") if last else None
    if not finished:
        first = next((z for z in sorted(proposed) if z in set(candidates)), None)
        if first is not None:
            return Advice(first, "one of the slices drawn for a start, spread over the stack")
    candidates = _known(candidates, looks)
    away = np.array([min((abs(z - d) for d in finished), default=0) for z in candidates])
    ranks = {"away": _ranks(away)}
    unlike = _distances(candidates, finished, looks)
    if unlike is not None:
        ranks["unlike"] = _ranks(unlike)
    total = np.mean(list(ranks.values()), axis=0)
    unsure = [look.disagreement for z in candidates if (look := looks.get(z)) and look.disagreement is not None]
    if len(unsure) == len(candidates):
        ranks["unsure"] = _ranks(np.array(unsure))
        total = (1 - DOUBT) * total + DOUBT * ranks["unsure"]
    best = max(range(len(candidates)), key=lambda i: (round(float(total[i]), 9), away[i], -i))
    told = {name: float(values[best]) for name, values in ranks.items()}
    return Advice(candidates[best], _reason(told, int(away[best]) if finished else None))


def spread(count: int) -> list[int]:
    """Order 0 … count − 1 so that every beginning is spread evenly (van der Corput's sequence, base 2)."""
    bits = max(1, (count - 1).bit_length())
    mirrored = (int(f"{i:0{bits}b}"[::-1], 2) for i in range(2**bits))
    return [z for z in mirrored if z < count]


def next_look(n_slices: int, looked: Mapping[int, float], *, sample: int) -> int | None:
    """Choose the slice to look at next: first an even sample, then half-way between the best one and its neighbours.

    `looked` is slice → how much it disagrees. None where nothing is left to refine.
    """
    for z in spread(n_slices)[:sample]:
        if z not in looked:
            return z
    known = sorted(looked)
    for z in sorted(looked, key=lambda z: (-looked[z], z)):
        at = known.index(z)
        below = (z + known[at - 1]) // 2 if at else z // 2
        above = (z + known[at + 1] + 1) // 2 if at + 1 < len(known) else (z + n_slices) // 2
        for half in sorted({below, above}, key=lambda half: (-abs(half - z), half)):
            if half not in looked and 0 <= half < n_slices:
                return half
    return None


def _known(candidates: list[int], looks: Mapping[int, Look]) -> list[int]:
    """Keep those that are known best: where the model was asked, else those looked at, else all."""
    asked = [z for z in candidates if z in looks and looks[z].disagreement is not None]
    return asked or [z for z in candidates if z in looks] or candidates


def _distances(
    candidates: Sequence[int], done: Collection[int], looks: Mapping[int, Look]
) -> NDArray[np.float64] | None:
    """Distance of each candidate to the nearest slice done, in standardised features; None where not all are known."""
    seen = [z for z in sorted(done) if z in looks]
    if not seen or any(z not in looks for z in candidates):
        return None
    values = np.stack([looks[z].features for z in [*candidates, *seen]])
    deviation = values.std(axis=0)
    values = np.divide(values - values.mean(axis=0), deviation, out=np.zeros_like(values), where=deviation > 1e-9)
    values[:, 3:] /= THUMB_PX  # the whole thumbnail weighs as much as one of the figures before it
    apart = values[: len(candidates), None] - values[None, len(candidates) :]
    nearest: NDArray[np.float64] = np.sqrt((apart**2).sum(axis=2)).min(axis=1)
    return nearest


def _ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """Ranks in 0 … 1, the largest value highest; equal values share theirs."""
    ranks: NDArray[np.float64] = (rankdata(values) - 0.5) / len(values)
    return ranks


def _reason(ranks: Mapping[str, float], away: int | None) -> str:
    """Say why in words: what ranks high, else what ranks highest."""
    words = {
        "unsure": f"the model is less sure of itself here than on {ranks.get('unsure', 0):.0%} of the slices it tried",
        "unlike": "it looks unlike the slices that are done",
        "away": "it is in the middle of the stack" if away is None else f"the nearest slice done is {away} away",
    }
    telling = [name for name in words if ranks.get(name, 0) >= TELLING]
    return "; ".join(words[name] for name in telling or [max(ranks, key=lambda name: ranks[name])])
