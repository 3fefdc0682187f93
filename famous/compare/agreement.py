"""How well two label volumes agree voxel by voxel, and which classes are taken for one another."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous.compare.comparison import NO_CLASS
from famous.compare.matching import Matching, assign
from famous.compare.overlaps import Overlaps
from famous.errors import InputError
from famous.voxels import NM_PER_UM, VoxelSize

EMPTY = "no voxel on either side: nothing is defined"
NO_TRUTH = "no voxel in truth: variation of information and adapted Rand error are undefined"
NO_PAIR = "no two voxels of one object: the adapted Rand error is undefined"


@dataclass(frozen=True)
class Agreement:
    """Agreement of two label volumes of one class; NaN where undefined, with the reason in `note`.

    Attributes
    ----------
    volume_overlap_percent
        See `volume_overlap_percent`.
    union_um3, intersection_um3
        Volume of the Boolean union and intersection of all objects.
    iou, dice
        Intersection over union, and twice the intersection over the sum, of all objects.
    vi_split, vi_merge
        Variation of information in bits, see `variation_of_information`.
    adapted_rand_error
        See `adapted_rand_error`.
    """

    volume_overlap_percent: float
    union_um3: float
    intersection_um3: float
    iou: float
    dice: float
    vi_split: float
    vi_merge: float
    adapted_rand_error: float
    note: str


def volumes(overlaps: Overlaps) -> tuple[int, int]:
    """Voxels of the Boolean union and of the Boolean intersection of all objects of the two sides."""
    intersection = int(overlaps.shared.sum())
    return int(overlaps.pred_voxels.sum()) + int(overlaps.truth_voxels.sum()) - intersection, intersection


def volume_overlap_percent(union: float, intersection: float) -> float:
    """Volume overlap of a class as in Table 1 of the paper (Nešić et al. 2023): intersection over union in per cent.

    The paper takes the Boolean union and intersection of the two sides' volumes of a class, without regard to which
    object is which. NaN where the union is empty.
    """
    return 100 * intersection / union if union else math.nan


def contingency(
    overlaps: Overlaps, *, everything: bool = False
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Count the voxels of each pair of labels, background of pred among them.

    Parameters
    ----------
    everything
        Look at every voxel, with truth's background as one more label; otherwise only at those of truth's objects.

    Returns
    -------
    pred, truth, voxels
        (k,) rows in `Overlaps`, −1 for background, and voxels, above 0.
    """
    p, t, shared = overlaps.pred_index, overlaps.truth_index, overlaps.shared
    uncovered = overlaps.truth_voxels.copy()
    np.subtract.at(uncovered, t, shared)
    rows, columns, voxels = [p, np.full(len(uncovered), -1)], [t, np.arange(len(uncovered))], [shared, uncovered]
    if everything:
        outside = overlaps.pred_voxels.copy()
        np.subtract.at(outside, p, shared)
        rows += [np.arange(len(outside)), np.array([-1])]
        columns += [np.full(len(outside), -1), np.array([-1])]
        voxels += [outside, np.array([overlaps.voxels - volumes(overlaps)[0]])]
    pred, truth, counts = (np.concatenate(part) for part in (rows, columns, voxels))
    kept = counts > 0
    return pred[kept], truth[kept], counts[kept]


def _sums(labels: NDArray[np.int64], voxels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sum the voxels of each label; the second array holds the place of each entry's label in the first."""
    _, place = np.unique(labels, return_inverse=True)
    totals = np.zeros(int(place.max(initial=-1)) + 1, dtype=np.int64)
    np.add.at(totals, place, voxels)
    return totals, place


def variation_of_information(overlaps: Overlaps, *, everything: bool = False) -> tuple[float, float]:
    """Split and merge part of the variation of information (Meilă 2007), in bits; NaN where there is no voxel.

    The first is the entropy of pred given truth, what pred splits; the second that of truth given pred, what it
    merges. They are taken over the voxels of truth's objects, as is usual where most of a volume is background, with
    pred's background as one more label; `everything` takes every voxel. Swapping the sides swaps the two only then.
    All that pred misses, whole objects and thin borders alike, is thus one large label that merges.
    """
    pred, truth, voxels = contingency(overlaps, everything=everything)
    total = int(voxels.sum())
    if total == 0:
        return math.nan, math.nan
    in_pred, p = _sums(pred, voxels)
    in_truth, t = _sums(truth, voxels)
    share = voxels / total
    split = math.fsum(share * np.log2(in_truth[t] / voxels))
    merge = math.fsum(share * np.log2(in_pred[p] / voxels))
    return split, merge


def adapted_rand_error(overlaps: Overlaps, *, everything: bool = False) -> float:
    """Adapted Rand error (Arganda-Carreras et al. 2015): 1 − F-score of pairs of voxels; NaN where there is no pair.

    Over the same voxels as `variation_of_information`.
    """
    pred, truth, voxels = contingency(overlaps, everything=everything)

    def pairs(counts: NDArray[np.int64]) -> float:
        return math.fsum(counts.astype(np.float64) * (counts - 1))

    together = pairs(_sums(pred, voxels)[0]) + pairs(_sums(truth, voxels)[0])
    return 1 - 2 * pairs(voxels) / together if together else math.nan


def agree(overlaps: Overlaps, voxel_size: VoxelSize) -> Agreement:
    """Work out the agreement of two label volumes of one class."""
    union, intersection = volumes(overlaps)
    both = union + intersection
    voxel_um3 = voxel_size.volume_nm3 / NM_PER_UM**3
    split, merge = variation_of_information(overlaps)
    error = adapted_rand_error(overlaps)
    note = ""
    if union == 0:
        note = EMPTY
    elif len(overlaps.truth) == 0:
        note = NO_TRUTH
    elif math.isnan(error):
        note = NO_PAIR
    return Agreement(
        volume_overlap_percent(union, intersection),
        union * voxel_um3,
        intersection * voxel_um3,
        intersection / union if union else math.nan,
        2 * intersection / both if both else math.nan,
        split,
        merge,
        error,
        note,
    )


def confuse(
    within: Mapping[str, Matching], across: Mapping[tuple[str, str], Overlaps], *, threshold: float = 0.5
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Find which classes are taken for one another.

    An object that has a partner in its own class keeps it. What is left over on the two sides is matched across the
    classes, one to one over all of them, with the largest sum of intersections over unions.

    Parameters
    ----------
    within
        The matching of each class.
    across
        Overlaps of pred's objects of the first class with truth's of the second; a pair of classes that is missing
        has none.
    threshold
        Intersection over union that a pair needs at least.

    Returns
    -------
    counts
        pred_class, truth_class, count: every two classes, and `NO_CLASS` for what is missed or invented.
    objects
        pred_class, pred_id, truth_class, truth_id, overlap_voxels, iou: a row for each object under a wrong class.

    Raises
    ------
    InputError
        If a class is called `NO_CLASS`.
    """
    names = list(within)
    if NO_CLASS in names:
        raise InputError(f"class {NO_CLASS!r}: found the name that stands for no class in the tables; rename it")
    parts = []
    for (pred_class, truth_class), overlaps in across.items():
        free = np.isin(overlaps.pred_ids, within[pred_class].invented)[overlaps.pred_index]
        free &= np.isin(overlaps.truth_ids, within[truth_class].missed)[overlaps.truth_index]
        iou = overlaps.iou()
        rows = np.flatnonzero(free & (iou >= threshold))
        if pred_class != truth_class and len(rows):
            found = {
                "pred_class": pred_class,
                "pred_id": overlaps.pred_ids[overlaps.pred_index[rows]],
                "truth_class": truth_class,
                "truth_id": overlaps.truth_ids[overlaps.truth_index[rows]],
                "overlap_voxels": overlaps.shared[rows],
                "iou": iou[rows],
            }
            parts.append(pd.DataFrame(found))
    objects = pd.concat(parts, ignore_index=True) if parts else _no_objects()
    a, b = (objects.groupby([f"{side}_class", f"{side}_id"], sort=True).ngroup() for side in ("pred", "truth"))
    chosen = assign(a.to_numpy().astype(np.int64), b.to_numpy().astype(np.int64), objects["iou"].to_numpy())
    objects = objects.iloc[chosen].reset_index(drop=True)
    wrong = objects.value_counts(["pred_class", "truth_class"]).to_dict()
    counts = []
    for pred_class in (*names, NO_CLASS):
        for truth_class in (*names, NO_CLASS):
            if pred_class == truth_class == NO_CLASS:
                continue
            if pred_class == NO_CLASS:
                number = len(within[truth_class].missed) - int((objects["truth_class"] == truth_class).sum())
            elif truth_class == NO_CLASS:
                number = len(within[pred_class].invented) - int((objects["pred_class"] == pred_class).sum())
            elif pred_class == truth_class:
                number = len(within[pred_class].pred_ids)
            else:
                number = int(wrong.get((pred_class, truth_class), 0))
            counts.append((pred_class, truth_class, number))
    return pd.DataFrame(counts, columns=["pred_class", "truth_class", "count"]), objects


def _no_objects() -> pd.DataFrame:
    """Return the table of objects under a wrong class without a row."""
    return pd.DataFrame(
        {
            "pred_class": np.zeros(0, dtype=object),
            "pred_id": np.zeros(0, dtype=np.uint64),
            "truth_class": np.zeros(0, dtype=object),
            "truth_id": np.zeros(0, dtype=np.uint64),
            "overlap_voxels": np.zeros(0, dtype=np.int64),
            "iou": np.zeros(0),
        }
    )
