"""Figures of masks against true masks, of label volumes against true ones, and of boxes."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from bench_famous import CLASS, Volume, objects, recall_precision
from numpy.typing import NDArray
from scipy import ndimage

from accuracy.sets import TrueMask
from famous import boxes as box_table

LEVELS = np.round(np.arange(0.5, 1.0, 0.05), 2)  # IoU thresholds of mSA


@dataclass(frozen=True)
class MaskScores:
    """How well a recipe does on given boxes; SA: share of the objects above an IoU.

    Others, micro-sam among them, count TP / (TP + FP + FN), where an object that fails is a false positive and a false
    negative at once: a share p is then p / (2 − p), which is what the strict figures are.
    """

    boxes: int
    mean_iou: float
    sa50: float
    sa75: float
    msa: float  # mean of the shares above 0.5, 0.55 … 0.95
    pooled_iou: float  # of all pixels of all objects together
    strict_sa75: float
    strict_msa: float


def score_masks(pixels: NDArray[np.int64]) -> MaskScores:
    """Score (n, 2) counts of shared pixels and of pixels in either; without an object every figure is NaN."""
    if len(pixels) == 0:
        return MaskScores(0, *[float("nan")] * 7)
    iou = pixels[:, 0] / pixels[:, 1]
    shares = np.array([(iou > level).mean() for level in LEVELS])
    pooled = pixels[:, 0].sum() / pixels[:, 1].sum()
    strict = shares / (2 - shares)
    at75 = int(np.argmin(np.abs(LEVELS - 0.75)))
    figures = (iou.mean(), shares[0], shares[at75], shares.mean(), pooled, strict[at75], strict.mean())
    return MaskScores(len(iou), *map(float, figures))


def shared_and_either(corners: NDArray[np.int32], mask: NDArray[np.bool_], truth: TrueMask) -> tuple[int, int]:
    """Count the pixels of both masks and of either one; each lies in a box of its own."""
    low = np.maximum(corners[:2], truth.corners[:2])
    high = np.minimum(corners[2:], truth.corners[2:])
    shared = 0
    if (high > low).all():
        own, true = (
            pixels[low[0] - y0 : high[0] - y0, low[1] - x0 : high[1] - x0]
            for (y0, x0), pixels in ((corners[:2], mask), (truth.corners[:2], truth.mask))
        )
        shared = int((own & true).sum())
    return shared, int(mask.sum() + truth.mask.sum()) - shared


@dataclass(frozen=True)
class VolumeScores:
    """How well boxes and voxels of a block of slices fit the truth."""

    recall50: float  # of boxes, at IoU 0.5
    precision50: float
    recall75: float
    precision75: float
    voxel_iou: float
    dice: float
    sa50: float  # of 3D objects: TP / (TP + FP + FN), one to one at IoU 0.5
    objects: int


def score_volume(true_boxes: pd.DataFrame, true: Volume, boxes: pd.DataFrame, labels: Volume) -> VolumeScores:
    """Score a block of slices; the boxes' z counts from wherever both tables count it."""
    both, either = int(np.logical_and(labels, true).sum()), int(np.logical_or(labels, true).sum())
    dice = 2 * both / max(1, both + either)  # the two volumes together hold what is in either, and what is in both
    *_, sa50 = objects(true, labels) if labels.any() else (0.0,)
    levels = [value for level in (0.5, 0.75) for value in recall_precision(true_boxes, boxes, level)]
    return VolumeScores(*levels, both / max(1, either), dice, sa50, len(np.unique(labels[labels > 0])))


def pieces(labels: Volume) -> Volume:
    """Split every id of a block of slices into its 26-connected pieces, as ids outside the block may join them."""
    found = np.zeros_like(labels)
    count = 0
    _, dense = np.unique(labels, return_inverse=True)
    dense = dense.reshape(labels.shape) + (1 if labels.size and labels.min() > 0 else 0)
    for number, window in enumerate(ndimage.find_objects(dense), 1):
        parts, more = ndimage.label(dense[window] == number, np.ones((3, 3, 3)))
        found[window][parts > 0] = parts[parts > 0] + count
        count += more
    return found


def boxes_of(labels: Volume, first: int, smallest: int = 1) -> pd.DataFrame:
    """Tight boxes of the 2D components, whatever their ids, of a block of slices that begins at slice `first`.

    Components of fewer than `smallest` pixels get none.
    """
    rows = []
    for z, image in enumerate(labels, first):
        parts, count = ndimage.label(image > 0, np.ones((3, 3)))
        sizes = np.bincount(parts.ravel(), minlength=count + 1)
        rows += [
            (z, ys.start, xs.start, ys.stop, xs.stop, CLASS)
            for size, (ys, xs) in zip(sizes[1:], ndimage.find_objects(parts), strict=True)
            if size >= smallest
        ]
    columns = zip(*rows, strict=True) if rows else [[]] * 6
    return box_table.from_columns(dict(zip(["z", *box_table.CORNERS, "class_name"], columns, strict=True)))
