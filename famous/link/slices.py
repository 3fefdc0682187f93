"""How many pixels the boxes of nearby slices share, one slice after another."""

from collections import deque
from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous import labels
from famous.errors import InputError


def slice_overlaps(images: Iterable[tuple[int, NDArray[np.uint32]]], *, reach: int) -> pd.DataFrame:
    """Count the pixels that boxes share with boxes 1 … `reach` slices further up.

    Parameters
    ----------
    images
        Pairs (z, box-id image) of one shape, (y, x), 0 is background, with rising z. Slices may be left out. No id
        occurs in two slices.
        Only `reach` + 1 of them are held at any time, and only their pixels that are not background.
    reach
        Largest distance, in slices, of two slices that are compared.

    Returns
    -------
    pandas.DataFrame
        Columns a, b (box ids, uint32; a in the lower slice) and pixels (int64), one row a pair that meets, ordered by
        slice of b, then a and b.
    """
    if reach < 1:
        raise InputError(f"slice_overlaps: found a reach of {reach} slices, expected 1 or more")
    below: deque[tuple[int, labels.Runs]] = deque()
    nothing = labels.as_runs(np.zeros(0, dtype=np.uint32))
    found = [labels.count_overlaps(nothing, nothing)]
    for z, image in images:
        if below and z <= below[-1][0]:
            raise InputError(f"slice_overlaps: found slice {z} after slice {below[-1][0]}, expected rising z")
        while below and z - below[0][0] > reach:
            below.popleft()
        runs = labels.as_runs(image)
        if below:
            found.append(labels.count_overlaps(labels.pool_runs([lower for _, lower in below], runs.shape), runs))
        below.append((z, runs))
    a, b, pixels = (np.concatenate(column) for column in zip(*found, strict=True))
    return pd.DataFrame({"a": a, "b": b, "pixels": pixels})
