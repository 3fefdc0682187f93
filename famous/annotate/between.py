"""Boxes of the slices between two labelled ones."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from famous.boxes import CORNERS, concat, empty, from_columns, iou, require
from famous.errors import InputError

_NEVER = 1e6  # cost of two boxes that are not one organelle


@dataclass(frozen=True)
class BetweenParams:
    """Which boxes of two key slices are one organelle."""

    distance: float = 0.75  # longest way of the centre, in mean sides of the two boxes (square roots of their areas)
    growth: float = 4.0  # largest ratio of their areas

    def __post_init__(self) -> None:
        if not (self.distance > 0 and self.growth >= 1):
            raise InputError(
                f"between: found distance {self.distance} and growth {self.growth}, expected above 0 and at least 1"
            )


def interpolate(boxes: pd.DataFrame, z_a: int, z_b: int, *, params: BetweenParams | None = None) -> pd.DataFrame:
    """Make the boxes of the slices strictly between two key slices.

    Boxes of one class are paired one to one so that the pairs overlap most and lie nearest (Hungarian method); each
    pair moves in a straight line. A box without a partner is left alone: it may end anywhere in between.
    `detect.interpolate` serves the detector, whose unpaired boxes go on for half the gap.

    Parameters
    ----------
    boxes
        Box table (z, corners, class_name); other slices than the two are ignored.
    z_a, z_b
        Two slices, in any order.

    Returns
    -------
    pandas.DataFrame
        Box table, ids 1 … n, by z, class and position in `boxes`, with the columns `first` and `last`: positions of
        the two rows of `boxes` (0, 1, 2 …), of the lower and the upper slice, that a box was made from.
    """
    params = params or BetweenParams()
    require(boxes, ["z", *CORNERS, "class_name"])
    low, high = sorted((int(z_a), int(z_b)))
    corners = boxes[CORNERS].to_numpy(np.float64)
    z = boxes["z"].to_numpy()
    names = boxes["class_name"].astype("str").to_numpy()
    parts: list[pd.DataFrame] = []
    for name in sorted(set(names[z == low]) & set(names[z == high])):
        first, last = (np.flatnonzero((z == at) & (names == name)) for at in (low, high))
        i, j = _pairs(corners[first], corners[last], params)
        first, last = first[i], last[j]
        for between in range(low + 1, high):
            share = (between - low) / (high - low)
            moved = np.floor((1 - share) * corners[first] + share * corners[last] + 0.5).astype(np.int64)
            columns = dict(zip(CORNERS, moved.T, strict=True))
            table = from_columns({"z": np.full(len(i), between), **columns, "class_name": [str(name)] * len(i)})
            parts.append(table.assign(first=first, last=last))
    found = concat([part for part in parts if len(part)] or [empty().assign(first=_NO_ROWS, last=_NO_ROWS)])
    found = found.sort_values("z", kind="stable", ignore_index=True)
    return found.assign(box=np.arange(1, len(found) + 1, dtype=np.uint32))


def _pairs(
    a: NDArray[np.float64], b: NDArray[np.float64], params: BetweenParams
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pair (n, 4) and (m, 4) corners one to one: positions in both, rising in the first."""
    areas = [(side[:, 2:] - side[:, :2]).prod(axis=1) for side in (a, b)]
    centres = [(side[:, :2] + side[:, 2:]) / 2 for side in (a, b)]
    sizes = (np.sqrt(areas[0])[:, None] + np.sqrt(areas[1])[None]) / 2
    ways = np.linalg.norm(centres[0][:, None] - centres[1][None], axis=2) / np.maximum(sizes, 1)
    ratio = np.maximum(areas[0], 1)[:, None] / np.maximum(areas[1], 1)[None]
    may = (ways <= params.distance) & (np.maximum(ratio, 1 / ratio) <= params.growth)
    cost = np.where(may, 1 - iou(a, b) + ways, _NEVER)
    i, j = linear_sum_assignment(cost)
    joined = may[i, j]
    return i[joined], j[joined]


_NO_ROWS = np.zeros(0, dtype=np.int64)
