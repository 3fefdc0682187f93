"""Label images and volumes: unsigned integers, 0 is background, any axis order that both sides share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous.errors import InputError


def validate(labels: NDArray[Any]) -> NDArray[np.uint32]:
    """Return the labels as uint32, or raise InputError if they are not whole numbers in 0 … 2³² − 1."""
    labels = np.asarray(labels)
    if labels.dtype == np.uint32:
        return labels
    if labels.dtype == bool:
        return labels.astype(np.uint32)
    if labels.dtype.kind == "f":
        if not np.isfinite(labels).all() or (labels != np.floor(labels)).any():
            raise InputError(f"labels: found {labels.dtype} with fractions or NaN, expected whole numbers")
    elif labels.dtype.kind not in "iu":
        raise InputError(f"labels: found {labels.dtype}, expected whole numbers")
    if labels.size and not 0 <= int(labels.min()) <= int(labels.max()) <= np.iinfo(np.uint32).max:
        raise InputError(f"labels: found ids from {labels.min()} to {labels.max()}, expected 0 … 2³² − 1")
    return labels.astype(np.uint32)


def overlaps(a: NDArray[np.uint32], b: NDArray[np.uint32]) -> pd.DataFrame:
    """Count the pixels that each pair of labels shares.

    Parameters
    ----------
    a, b
        Label arrays of one shape.

    Returns
    -------
    pandas.DataFrame
        Columns a, b (ids, uint32) and pixels (int64), one row a pair that meets, sorted by a, then b.
    """
    left, right, pixels = count_overlaps(as_runs(a), as_runs(b))
    return pd.DataFrame({"a": left, "b": right, "pixels": pixels})


@dataclass(frozen=True)
class Runs:
    """The pixels of a label array that are not background, as runs of one label in C order.

    `starts` and `ends` (half-open) are positions in the flat array, `ids` the labels. Of a slice of organelles it is a
    hundredth of the pixels.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    ids: NDArray[np.uint32]
    shape: tuple[int, ...]


def as_runs(labels: NDArray[np.uint32]) -> Runs:
    """Write a label array as runs."""
    flat = labels.ravel()
    starts = np.concatenate([np.zeros(min(flat.size, 1), dtype=np.int64), np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    ends = np.append(starts[1:], flat.size)[: len(starts)]
    ids = flat[starts]
    kept = ids > 0
    return Runs(starts[kept], ends[kept], ids[kept], labels.shape)


def pool_runs(several: Sequence[Runs], shape: tuple[int, ...]) -> Runs:
    """Put the runs of arrays of one shape side by side, so that `count_overlaps` counts for all of them at once."""
    for runs in several:
        if runs.shape != shape:
            raise InputError(f"overlaps: found shapes {runs.shape} and {shape}, expected the same")
    starts, ends, ids = zip(*((runs.starts, runs.ends, runs.ids) for runs in several), strict=True)
    return Runs(np.concatenate(starts), np.concatenate(ends), np.concatenate(ids), shape)


def count_overlaps(a: Runs, b: Runs) -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.int64]]:
    """Count as `overlaps` does, into three arrays: for whoever counts thousands of pairs. `a` may be pooled."""
    if a.shape != b.shape:
        raise InputError(f"overlaps: found shapes {a.shape} and {b.shape}, expected the same")
    first = np.searchsorted(b.ends, a.starts, side="right")  # the runs of b that each run of a meets
    meets = np.maximum(np.searchsorted(b.starts, a.ends, side="left") - first, 0)
    i = np.repeat(np.arange(len(a.ids)), meets)
    j = np.arange(len(i)) + np.repeat(first - np.cumsum(meets) + meets, meets)
    lengths = np.minimum(a.ends[i], b.ends[j]) - np.maximum(a.starts[i], b.starts[j])
    left, right = a.ids[i], b.ids[j]
    if left.size == 0:
        nothing = np.zeros(0, dtype=np.uint32)
        return nothing, nothing, np.zeros(0, dtype=np.int64)
    low_a, low_b = int(left.min()), int(right.min())
    width = int(right.max()) - low_b + 1
    key = (left.astype(np.uint64) - np.uint64(low_a)) * np.uint64(width) + (right - np.uint32(low_b))
    span = (int(left.max()) - low_a + 1) * width
    if span <= 4 * key.size + 1024:  # dense ids, as the boxes of two slices have them: counting beats sorting
        counts = np.bincount(key.astype(np.int64), weights=lengths, minlength=span)
        pairs = np.flatnonzero(counts).astype(np.uint64)
        pixels = counts[pairs]
    else:
        pairs, inverse = np.unique(key, return_inverse=True)
        pixels = np.bincount(inverse, weights=lengths)
    lower = (pairs // np.uint64(width) + np.uint64(low_a)).astype(np.uint32)
    return lower, (pairs % np.uint64(width) + np.uint64(low_b)).astype(np.uint32), pixels.astype(np.int64)


def areas(labels: NDArray[np.uint32]) -> pd.Series:
    """Pixels of each label present, background left out: a Series named `pixels`, indexed by id."""
    ids, pixels = count_areas(labels)
    return pd.Series(pixels, index=pd.Index(ids, name="label"), name="pixels")


def count_areas(labels: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Count as `areas` does, into two arrays, ids rising: for whoever counts thousands of slices."""
    runs = as_runs(labels)
    lengths = runs.ends - runs.starts
    low = int(runs.ids.min(initial=np.iinfo(np.uint32).max))
    if (
        runs.ids.size and int(runs.ids.max()) - low < 4 * runs.ids.size + 1024
    ):  # near each other: counting beats sorting
        counts = np.bincount((runs.ids - np.uint32(low)).astype(np.int64), weights=lengths)
        ids = np.flatnonzero(counts)
        return (ids + low).astype(np.uint32), counts[ids].astype(np.int64)
    values, place = np.unique(runs.ids, return_inverse=True)
    return values, np.bincount(place, weights=lengths, minlength=len(values)).astype(np.int64)


def relabel(labels: NDArray[np.uint32], lut: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Map every label through a look-up table; `lut[0]` must be 0 and every id must have an entry."""
    if lut.size == 0 or lut[0] != 0:
        raise InputError("relabel: the look-up table must map 0 to 0")
    if labels.size and int(labels.max()) >= lut.size:
        raise InputError(f"relabel: found label {labels.max()}, but the look-up table ends at {lut.size - 1}")
    return lut.take(labels)  # twice as fast as an index


def are_equivalent(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Tell whether two label arrays are the same segmentation up to renaming; background only equals background."""
    if a.shape != b.shape:
        return False
    if a.size == 0:
        return True
    pairs = np.unique(np.stack([a.ravel(), b.ravel()]), axis=1)
    if ((pairs[0] == 0) != (pairs[1] == 0)).any():
        return False
    return bool(len(np.unique(pairs[0])) == pairs.shape[1] == len(np.unique(pairs[1])))


def dust(labels: NDArray[np.uint32], *, minimum_pixels: int) -> NDArray[np.uint32]:
    """Return a copy without the labels that have fewer pixels than the minimum."""
    small = areas(labels)
    small = small[small < minimum_pixels]
    if small.empty:
        return labels.copy()
    return np.where(np.isin(labels, small.index.to_numpy()), np.uint32(0), labels)
