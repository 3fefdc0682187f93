"""Pairs of boxes that share pixels; and those that a box makes which holds two organelles by mistake."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True)
class Pairs:
    """Pairs of boxes that share pixels: rows of the box table (a in the lower slice), pixels, slices apart; (m,)."""

    a: NDArray[np.int32]
    b: NDArray[np.int32]
    pixels: NDArray[np.int64]
    apart: NDArray[np.int32]

    def __getitem__(self, rows: NDArray[Any]) -> "Pairs":
        return Pairs(self.a[rows], self.b[rows], self.pixels[rows], self.apart[rows])


def wrong_bridges(
    near: Pairs, ends: Pairs, track: NDArray[Any], area: NDArray[np.float64], z: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Find the pairs of neighbouring slices that only a bridge between two organelles makes.

    Below and above a bridge lie the same two organelles, each much like itself on the other side. The bridge belongs
    to the one that its own track continues, or else to the larger; its pairs with the other are the wrong ones.

    Parameters
    ----------
    near
        Pairs of neighbouring slices in question, without the sure ones.
    ends
        Pairs of boxes that are alike, two slices or more apart: an organelle below and above what may be a bridge.
    track, area, z
        Chain of sure pairs that each box is of (from 0), its pixels and its slice, (n,).

    Returns
    -------
    numpy.ndarray
        (m,) True for the pairs of `near` to leave out.
    """
    wrong = np.zeros(len(near.a), dtype=np.bool_)
    row = np.arange(len(near.a))
    into = pd.DataFrame({"low": near.a, "into": near.b, "row_in": row, "bridge": track[near.b]})
    out = pd.DataFrame({"out": near.a, "high": near.b, "row_out": row, "bridge": track[near.a]})
    over = pd.DataFrame({"low": ends.a, "high": ends.b}).merge(into, on="low").merge(out, on=["high", "bridge"])
    low, high, bridge = (over[name].to_numpy() for name in ("low", "high", "bridge"))
    held = (area[over["into"].to_numpy()] > area[low]) & (area[over["out"].to_numpy()] > area[high])
    over, low, high, bridge = over[held], low[held], high[held], bridge[held]
    if over.empty:
        return wrong
    first, last = np.full(len(area), z.max()), np.full(len(area), z.min())
    np.minimum.at(first, track, z)
    np.maximum.at(last, track, z)
    order = np.lexsort((low, -area[low], bridge))
    largest = np.zeros(len(over), dtype=np.bool_)
    largest[order[np.flatnonzero(np.diff(bridge[order], prepend=-1))]] = True
    refused = over[(first[bridge] <= z[low]) | (last[bridge] >= z[high]) | ~largest]
    wrong[refused["row_in"]] = True
    wrong[refused["row_out"]] = True
    return wrong
