"""How sure a score is, and whether one set of labels is as good as another: by the objects, resampled.

A score of 5 of 5 says less than one of 500 of 500. The Bayesian bootstrap (Rubin 1981, The Bayesian bootstrap, Annals
of Statistics 9, 130–134) gives each object a random weight, thousands of times, and so tells what a score could as well
have been. Of outcomes that never occurred it would know nothing, and 5 of 5 would be certain; so half an object of each
outcome is added, as Jeffreys' prior does.

Boxes that follow each other through the slices are one body seen many times, not as many witnesses: where it is told
which objects belong to one body, bodies are weighted, and the half that is added is half a body.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from famous.errors import InputError

Sums = NDArray[np.float64]
CHUNK = 4_000_000  # weights that are drawn at a time
F1, OUTLINES = "f1", "sq"  # sq: mean intersection over union of the objects that were found


@dataclass(frozen=True)
class BootstrapParams:
    """How intervals are made."""

    level: float = 0.95  # share of the resampled scores that lie in the interval
    rounds: int = 2000  # how often the objects are weighted anew
    seed: int = 0  # of the weights
    doubt: float = 0.5  # of an object, for each outcome that it could have, seen or not

    def __post_init__(self) -> None:
        if not (0 < self.level < 1 and self.rounds >= 100 and self.doubt >= 0):
            raise InputError(
                f"bootstrap: found level {self.level}, {self.rounds} rounds, doubt {self.doubt}; "
                "expected a level in 0 … 1, at least 100 rounds and a doubt from 0 up"
            )


@dataclass(frozen=True)
class Interval:
    """A score, and between what it may be; NaN where it is undefined. `n` is the number of bodies behind it."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Found:
    """What pred made of a class of truth, an entry per object.

    Attributes
    ----------
    truth_ids
        (t,) ids of the objects of truth, rising.
    iou
        (t,) intersection over union with the partner; 0 where the object was missed.
    invented
        Objects of pred without a partner.
    bodies
        (t,) and (invented,) the body that each object of truth and each invented one belongs to; None: one of its own.
    """

    truth_ids: NDArray[np.uint64]
    iou: NDArray[np.float64]
    invented: int
    bodies: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None

    @classmethod
    def of(
        cls,
        truth_ids: NDArray[np.uint64],
        matched: tuple[NDArray[np.uint64], NDArray[np.float64]],
        invented: int,
        bodies: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
    ) -> "Found":
        """Take the ids of truth, rising, those that were matched with their intersections over unions, and the rest."""
        iou = np.zeros(len(truth_ids))
        iou[np.searchsorted(truth_ids, matched[0])] = matched[1]
        return cls(truth_ids, iou, invented, bodies)

    @property
    def is_found(self) -> NDArray[np.bool_]:
        """(t,) whether each object of truth has a partner."""
        return self.iou > 0


#: Score → its value from sums (…, 4) of true positives, false positives, false negatives and IoU of the true positives.
SCORES: Mapping[str, Callable[[Sums], Sums]] = {
    "precision": lambda s: _ratio(s[..., 0], s[..., 0] + s[..., 1]),
    "recall": lambda s: _ratio(s[..., 0], s[..., 0] + s[..., 2]),
    F1: lambda s: _ratio(2 * s[..., 0], 2 * s[..., 0] + s[..., 1] + s[..., 2]),
    "jaccard": lambda s: _ratio(s[..., 0], s[..., 0] + s[..., 1] + s[..., 2]),
    "pq": lambda s: _ratio(2 * s[..., 3], 2 * s[..., 0] + s[..., 1] + s[..., 2]),
    OUTLINES: lambda s: _ratio(s[..., 3], s[..., 0]),
    "mean_iou": lambda s: _ratio(s[..., 3], s[..., 0] + s[..., 2]),
}


def intervals(found: Found, params: BootstrapParams | None = None) -> dict[str, Interval]:
    """Return the interval of each of `SCORES`."""
    params = params or BootstrapParams()
    units = np.concatenate([_of_truth(found), np.tile([0.0, 1, 0, 0], (found.invented, 1))])
    units, size = _by_body(units, found)
    whole, drawn = units.sum(axis=0), _resample(units, size * _doubts(_typical(found)), params)
    hits = int(np.count_nonzero(units[:, 0]))
    return {
        name: _interval(float(score(whole)), score(drawn), hits if name == OUTLINES else len(units), params)
        for name, score in SCORES.items()
    }


@dataclass(frozen=True)
class Difference:
    """By how much one set of labels agrees with truth better than another does (below 0: worse)."""

    f1: Interval
    outlines: Interval  # in mean IoU, over the objects of truth that both found
    score: Interval  # F1 of the first
    other: Interval  # F1 of the second
    objects: int  # of truth; bodies, where objects belong to some


def difference(one: Found, other: Found, params: BootstrapParams | None = None) -> Difference:
    """Compare two sets of labels by the objects of one truth, pair by pair: an object that is hard is hard for both.

    Raises
    ------
    InputError
        If both do not speak of the same objects of truth.
    """
    params = params or BootstrapParams()
    if not np.array_equal(one.truth_ids, other.truth_ids):
        raise InputError("difference: found two sets of objects of truth, expected the same")
    both = (one.is_found & other.is_found).astype(np.float64)[:, None]
    first, second = _of_truth(one), _of_truth(other)
    units = np.concatenate([first, second, both, both * first[:, 3:], both * second[:, 3:]], axis=1)
    units = np.concatenate([units, _invented(one.invented, 1), _invented(other.invented, 5)])
    units, size = _by_body(units, one, other)
    drawn = _resample(units, size * _joint_doubts(_typical(one), _typical(other)), params)
    whole = units.sum(axis=0)

    def gap(sums: Sums) -> Sums:
        return SCORES[F1](sums[..., :4]) - SCORES[F1](sums[..., 4:8])

    def outlines(sums: Sums) -> Sums:
        return _ratio(sums[..., 9] - sums[..., 10], sums[..., 8])

    n = len(one.truth_ids) if one.bodies is None else len(np.unique(one.bodies[0]))
    return Difference(
        _interval(float(gap(whole)), gap(drawn), n, params),
        _interval(float(outlines(whole)), outlines(drawn), int(np.count_nonzero(units[:, 8])), params),
        _interval(float(SCORES[F1](whole[:4])), SCORES[F1](drawn[:, :4]), n, params),
        _interval(float(SCORES[F1](whole[4:8])), SCORES[F1](drawn[:, 4:8]), n, params),
        n,
    )


def _by_body(units: NDArray[np.float64], one: Found, other: Found | None = None) -> tuple[NDArray[np.float64], float]:
    """Add up the objects of each body; returns a row a body, and how many objects one has on average.

    `units` are the objects of truth, what the first invented, and what the second did; nobody shares a body with those.
    """
    if one.bodies is None:
        return units, 1.0
    parts = [*one.bodies, *([] if other is None or other.bodies is None else [other.bodies[1]])]
    place, count = np.zeros(len(units), dtype=np.int64), 0
    start = 0
    for part in parts:
        names, own = np.unique(part, return_inverse=True)
        place[start : start + len(part)] = own + count
        start, count = start + len(part), count + len(names)
    rows = np.zeros((count, units.shape[1]))
    np.add.at(rows, place, units)
    return rows, len(units) / max(count, 1)


def _of_truth(found: Found) -> NDArray[np.float64]:
    """(t, 4) true positive, false positive, false negative and IoU of each object of truth."""
    hit = found.is_found.astype(np.float64)
    return np.stack([hit, np.zeros(len(hit)), 1 - hit, found.iou], axis=1)


def _typical(found: Found) -> float:
    """Return the intersection over union that a further object would have."""
    return float(found.iou[found.is_found].mean()) if found.is_found.any() else 0.75


def _invented(number: int, column: int) -> NDArray[np.float64]:
    rows = np.zeros((number, 11))
    rows[:, column] = 1
    return rows


def _doubts(iou: float) -> NDArray[np.float64]:
    """Return the outcomes that an object can have: found, missed, invented."""
    return np.array([[1, 0, 0, iou], [0, 0, 1, 0], [0, 1, 0, 0]])


def _joint_doubts(one: float, other: float) -> NDArray[np.float64]:
    """Return the outcomes of two sets of labels: each found or missed it, or one of them invented it."""
    hits = [((a, 0, 1 - a, a * one), (b, 0, 1 - b, b * other), (a * b, a * b * one, a * b * other))
            for a in (0.0, 1.0) for b in (0.0, 1.0)]  # fmt: skip
    return np.concatenate([np.array([sum(hit, ()) for hit in hits]), _invented(1, 1), _invented(1, 5)])


def _resample(units: NDArray[np.float64], doubts: NDArray[np.float64], params: BootstrapParams) -> Sums:
    """Return the sums (rounds, columns) of objects with random weights of mean 1."""
    generator = np.random.default_rng(params.seed)
    sums = np.zeros((params.rounds, units.shape[1]))
    some = max(1, CHUNK // max(1, len(units)))
    for start in range(0, params.rounds, some):
        part = sums[start : start + some]
        part += generator.standard_exponential((len(part), len(units))) @ units
        if params.doubt > 0:
            part += generator.standard_gamma(params.doubt, (len(part), len(doubts))) @ doubts
    return sums


def _interval(value: float, drawn: Sums, n: int, params: BootstrapParams) -> Interval:
    """Return the middle share of what was drawn; the score itself is always in it."""
    drawn = drawn[np.isfinite(drawn)]
    if n == 0 or not np.isfinite(value) or len(drawn) == 0:
        return Interval(value if n else float("nan"), float("nan"), float("nan"), n)
    low, high = np.quantile(drawn, [(1 - params.level) / 2, (1 + params.level) / 2])
    return Interval(value, min(float(low), value), max(float(high), value), n)


def _ratio(part: Sums, whole: Sums) -> Sums:
    """Divide; NaN where there is nothing to divide by."""
    out: Sums = np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0)
    return out
