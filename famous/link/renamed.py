"""Bodies that go on under the name of another class, where the detector changed its mind from slice to slice."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous.boxes import CORNERS
from famous.link.matching import components

SHARED = 0.5  # share of the slices of the one that has more in which both names may be found


def join_renamed(
    table: pd.DataFrame, track: NDArray[np.int32], group: NDArray[np.intp], *, reach: int, iou: float
) -> NDArray[np.int32]:
    """Make one body of two of different classes that run together where the later begins and where the earlier ends.

    So a body that is called otherwise from some slice on, or for a few slices, is one again, also where both names
    were found for a while. What lies inside another organelle has a box of its own size, and stays apart; so do two
    that are found together in most slices, such as a nucleus and its envelope.

    Parameters
    ----------
    table
        Box table, (n,).
    track, group
        Which body each box is of, and which classes that one may be of, (n,).
    reach
        Largest distance, in slices, of two boxes that are compared.
    iou
        Intersection over union that their boxes need; pixels do not count, as each class has its own recipe for them.

    Returns
    -------
    numpy.ndarray
        (n,) which body each box is of, in numbers with gaps.
    """
    if len(np.unique(group)) < 2:
        return track
    z = table["z"].to_numpy(np.int64)
    boxes = table[CORNERS].to_numpy(np.float64)
    size = int(track.max()) + 1
    low, high = np.full(size, z.max()), np.full(size, z.min())
    np.minimum.at(low, track, z)
    np.maximum.at(high, track, z)
    found = _Found(z, boxes, group, iou)
    begins = found.met_by(np.flatnonzero(z == low[track]), range(0, -reach - 1, -1))
    ends = found.met_by(np.flatnonzero(z == high[track]), range(reach + 1))
    later, before = track[begins]
    earlier, after = track[ends]
    together = np.intersect1d(
        _pairs(later, before, size)[low[before] <= low[later]],
        _pairs(earlier, after, size)[high[after] >= high[earlier]],
    )
    together = together[_are_seldom_together(together // size, together % size, track, z)]
    joined: NDArray[np.int32] = components(size, together // size, together % size)[track]
    return joined


def _are_seldom_together(
    a: NDArray[np.int64], b: NDArray[np.int64], track: NDArray[np.int32], z: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Tell of which pairs of bodies both have boxes in at most `SHARED` of the slices of the one that has more."""
    order = np.lexsort((z, track))
    start = np.searchsorted(track[order], np.arange(int(track.max()) + 2))
    slices = z[order]
    seldom = np.zeros(len(a), dtype=np.bool_)
    for i, (one, other) in enumerate(zip(a.tolist(), b.tolist(), strict=True)):
        in_one, in_other = (np.unique(slices[start[body] : start[body + 1]]) for body in (one, other))
        both = len(np.intersect1d(in_one, in_other, assume_unique=True))
        seldom[i] = both <= SHARED * max(len(in_one), len(in_other))
    return seldom


def _pairs(a: NDArray[Any], b: NDArray[Any], size: int) -> NDArray[np.int64]:
    """One number for two bodies, whichever comes first."""
    pairs: NDArray[np.int64] = np.minimum(a, b).astype(np.int64) * size + np.maximum(a, b)
    return pairs


class _Found:
    """All boxes, sorted by slice and along y within it."""

    def __init__(self, z: NDArray[np.int64], boxes: NDArray[np.float64], group: NDArray[np.intp], iou: float) -> None:
        self._z, self._boxes, self._group, self._iou = z, boxes, group, iou
        middle = boxes[:, 0] + boxes[:, 2]  # twice that
        self._away = (boxes[:, 2] - boxes[:, 0]) * max(2 * (1 - iou), 1 / iou - 1)  # farther along y no IoU is so large
        self._span = float(np.ptp(middle)) + 2 * float(self._away.max()) + 1.0
        self._key = z * self._span + middle - middle.min()
        self._order = np.argsort(self._key, kind="stable")
        self._ranked = self._key[self._order]

    def met_by(self, rows: NDArray[np.intp], steps: range) -> NDArray[np.intp]:
        """Pairs (2, n) of one of some rows and a box of another class so many slices away that lies in its place."""
        found = [np.zeros((2, 0), dtype=np.intp)]
        for step in steps:
            there = self._key[rows] + step * self._span
            first = np.searchsorted(self._ranked, there - self._away[rows], side="left")
            count = np.searchsorted(self._ranked, there + self._away[rows], side="right") - first
            one = np.repeat(rows, count)
            other = self._order[np.arange(len(one)) + np.repeat(first - (np.cumsum(count) - count), count)]
            kept = (self._group[one] != self._group[other]) & (self._z[other] == self._z[one] + step)
            pairs = np.stack([one[kept], other[kept]])
            found.append(pairs[:, _iou(*self._boxes[pairs]) >= self._iou])
        return np.concatenate(found, axis=1)


def _iou(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of (n, 4) boxes and as many others."""
    shared = np.clip(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0, None).prod(axis=1)
    areas = [(box[:, 2:] - box[:, :2]).prod(axis=1) for box in (a, b)]
    ratio: NDArray[np.float64] = shared / np.maximum(areas[0] + areas[1] - shared, 1e-9)
    return ratio
