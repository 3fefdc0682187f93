"""Boxes of the slices between two labelled ones."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class BetweenParams:
    """Which boxes of two key slices are one organelle."""

    distance: float = 0.5  # longest way of the centre, in mean sides of the two boxes


def interpolate(boxes: pd.DataFrame, z_a: int, z_b: int, *, params: BetweenParams | None = None) -> pd.DataFrame:
    """Return the box table of the slices strictly between two key slices (in any order), ids 1 … n.

    Boxes of one class are paired one to one and move in a straight line; a box without a partner is left alone.
    `boxes` is a box table (z, y0, x0, y1, x1, class_name); other slices than the two are ignored. The result has the
    columns `first` and `last` too: positions (row numbers in `boxes`, 0 …) of the two boxes it was made from.
    """
    raise NotImplementedError
