"""How much of each object of truth is covered, in 3D and slice by slice, and how well each slice agrees."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from famous import labels
from famous.compare.overlaps import Lines, Overlaps
from famous.errors import InputError

NO_COMPONENT = "no component in truth: nothing is defined"
NO_PIXEL = "no pixel that is scored on either side in this slice: nothing is defined"
NO_SLICE = "no slice with a pixel that is scored on either side: nothing is defined"
ONE_SLICE = "one slice only with a pixel that is scored on either side: the standard deviation is undefined"


@dataclass(frozen=True)
class ComponentParams:
    """Where a component counts as detected or missed, by its recall (Meyer et al.)."""

    detected: float = 0.80  # recall above this
    missed: float = 0.10  # recall below this

    def __post_init__(self) -> None:
        if not 0 <= self.missed <= self.detected <= 1:
            raise InputError(
                f"components: found limits {self.missed} (missed) and {self.detected} (detected), expected "
                "0 ≤ missed ≤ detected ≤ 1"
            )


@dataclass(frozen=True)
class Components:
    """How many components of truth were detected, under-detected (anything between) and missed."""

    detected: int
    under_detected: int
    missed: int
    note: str


def classify(recalls: NDArray[np.float64], params: ComponentParams | None = None) -> Components:
    """Count components by their recall, (n,); a recall of exactly a limit is under-detected."""
    params = params or ComponentParams()
    detected, missed = int((recalls > params.detected).sum()), int((recalls < params.missed).sum())
    return Components(detected, len(recalls) - detected - missed, missed, "" if len(recalls) else NO_COMPONENT)


def object_recalls(overlaps: Overlaps) -> NDArray[np.float64]:
    """Share of the voxels of each object of truth, (t,), that any object of pred covers: the components in 3D.

    Truth's own objects are the components, so that two that touch stay two.
    """
    covered = np.zeros(len(overlaps.truth), dtype=np.int64)
    np.add.at(covered, overlaps.truth_index, overlaps.shared)
    share: NDArray[np.float64] = covered / overlaps.truth_voxels
    return share


def pieces(lines: Lines) -> tuple[int, NDArray[np.int32]]:
    """Find the connected pieces of each object in one slice, pixels of one object that meet at a corner included.

    Returns
    -------
    number, piece
        How many there are, and the piece, from 0, of each run, (m,).
    """
    if len(lines.y) == 0:
        return 0, np.zeros(0, dtype=np.int32)
    width = lines.shape[1] + 2  # a gap between lines, so that the end of one never meets the start of the next
    start, end = lines.y * width + lines.x0, lines.y * width + lines.x1
    first = np.searchsorted(end - width, start - 1, side="right")  # the runs of the next line that each run meets
    last = np.searchsorted(start - width, end + 1, side="left")
    number = np.maximum(last - first, 0)
    a = np.repeat(np.arange(len(start)), number)
    b = np.arange(len(a)) + np.repeat(first - np.cumsum(number) + number, number)
    same = lines.place[a] == lines.place[b]
    graph = coo_array((np.ones(int(same.sum()), dtype=np.bool_), (a[same], b[same])), shape=(len(start), len(start)))
    found, piece = connected_components(graph, directed=False)
    return int(found), piece


def piece_recalls(pred: Lines, truth: Lines) -> NDArray[np.float64]:
    """Share of the pixels of each connected piece of truth in one slice that pred covers, (n,): components in 2D."""
    number, piece = pieces(truth)
    runs = truth.runs
    numbered = labels.Runs(runs.starts, runs.ends, (piece + 1).astype(np.uint32), runs.shape)
    _, covered, pixels = labels.count_overlaps(pred.runs, numbered)
    total = np.bincount(piece, weights=truth.x1 - truth.x0, minlength=number)
    shared = np.bincount(covered.astype(np.int64) - 1, weights=pixels, minlength=number)
    return shared / total


@dataclass(frozen=True)
class SliceScore:
    """Agreement of one slice, pixel by pixel; f1 and iou are NaN where neither side has a pixel."""

    z: int
    tp: int
    fp: int
    fn: int
    f1: float
    iou: float


def score_slice(z: int, overlaps: Overlaps) -> SliceScore:
    """Score one slice: pixels of both sides, of pred alone and of truth alone, and F1 (Dice) and Jaccard of them."""
    tp = int(overlaps.shared.sum())
    fp, fn = int(overlaps.pred_voxels.sum()) - tp, int(overlaps.truth_voxels.sum()) - tp
    if tp + fp + fn == 0:
        return SliceScore(z, 0, 0, 0, math.nan, math.nan)
    return SliceScore(z, tp, fp, fn, 2 * tp / (2 * tp + fp + fn), tp / (tp + fp + fn))


@dataclass(frozen=True)
class OverSlices:
    """A score over the slices where it is defined: how many, mean, and standard deviation of the sample (n − 1).

    The mean is NaN of no slice, the standard deviation of fewer than two.
    """

    n: int
    mean: float
    sd: float


def over_slices(values: NDArray[np.float64]) -> OverSlices:
    """Take mean and standard deviation of the score of each slice, (s,), NaN where it is undefined."""
    known = values[~np.isnan(values)]
    mean = float(known.mean()) if len(known) else math.nan
    return OverSlices(len(known), mean, float(known.std(ddof=1)) if len(known) > 1 else math.nan)
