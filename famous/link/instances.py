"""From linked boxes to instances: the vote on the class, what is dropped, and the numbering."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous import boxes as box_table
from famous.errors import ConfigError, InputError
from famous.voxels import VoxelSize

#: Boxes whose mean score speaks for an instance, at least: one lucky box does not.
BEST_BOXES = 3


def canonical(boxes: pd.DataFrame) -> pd.DataFrame:
    """Sort by slice and position, so that neither the order of the rows nor the ids matter; the index is kept."""
    box_table.require(boxes, list(box_table.COLUMNS))
    if boxes["box"].duplicated().any():
        twice = boxes.loc[boxes["box"].duplicated(), "box"].iloc[0]
        raise InputError(f"link: found box {twice} twice, expected every box id once")
    return boxes.reset_index(drop=True).sort_values(["z", *box_table.CORNERS, "class_name", "box"], kind="stable")


def class_groups(class_names: pd.Series, exclusive: Sequence[Sequence[str]]) -> NDArray[np.intp]:
    """Tell which group each box's class is linked in: an exclusive group is one, any other class is by itself."""
    names = sorted(set(class_names))
    group = {name: i for i, name in enumerate(names)}
    taken: set[str] = set()
    for members in exclusive:
        if taken & set(members):
            raise ConfigError(f"exclusive: {sorted(taken & set(members))} stand in two groups, expected one at most")
        taken |= set(members)
        present = [name for name in names if name in members]
        group.update(dict.fromkeys(present, group[present[0]] if present else 0))
    return class_names.map(group).to_numpy(np.intp)


def finish(
    boxes: pd.DataFrame,
    track: NDArray[np.int32],
    *,
    voxel_size: VoxelSize,
    minimum_length_nm: float = 0.0,
    instance_score: float = 0.0,
    score_nm: float = 0.0,
) -> pd.DataFrame:
    """Name the class of each instance, drop the short and the doubtful, and number what stays.

    Parameters
    ----------
    boxes
        In canonical order, with the caller's row numbers as index; `pixels` weighs the vote, the box's area where the
        column is missing.
    track
        Which instance each row belongs to, any numbering.
    minimum_length_nm
        Least extent along z that an instance needs; in the first and the last slice that hold boxes, where it may be
        cut off, none is needed.
    instance_score
        Least mean of its best scores that it needs.
    score_nm
        Thickness that tells how many scores those are: as many as it has slices, three at least.

    Returns
    -------
    pandas.DataFrame
        The boxes in the caller's order, with `instance` (uint32, 0 = dropped) counted from 1 in the order of class,
        first slice, y0, x0; `class_name` is the one voted (by score × pixels), `detected_class` what was detected.
    """
    table = boxes.assign(detected_class=boxes["class_name"], instance=np.zeros(len(boxes), dtype=np.uint32))
    if table.empty:
        return table
    z = table["z"].to_numpy(np.int64)
    names, name = np.unique(table["class_name"].to_numpy(object), return_inverse=True)
    pixels = table["pixels"].to_numpy(np.float64) if "pixels" in table else box_table.area(table).astype(np.float64)
    score = table["score"].to_numpy(np.float64)
    _, first, body = np.unique(track, return_index=True, return_inverse=True)
    voted = _vote(body, name, score * pixels, len(names))
    low, high = np.full(len(first), z.max()), np.full(len(first), z.min())
    np.minimum.at(low, body, z)
    np.maximum.at(high, body, z)
    kept = (high - low + 1) * voxel_size.z >= minimum_length_nm - 1e-6
    kept |= (low == z.min()) | (high == z.max())  # it may go on where the stack does not
    kept &= best_score(body, score, round(score_nm / voxel_size.z)) >= instance_score - 1e-6
    kept &= np.bincount(body, weights=pixels) > 0
    corners = table[["y0", "x0"]].to_numpy()[first]
    order = np.lexsort((first, corners[:, 1], corners[:, 0], z[first], voted))
    order = order[kept[order]]
    number = np.zeros(len(first), dtype=np.uint32)
    number[order] = np.arange(1, len(order) + 1)
    table["class_name"] = pd.Series(names[voted[body]], index=table.index, dtype=boxes["class_name"].dtype)
    table["instance"] = number[body]
    return table.sort_index()


def _vote(track: NDArray[Any], name: NDArray[Any], weight: NDArray[np.float64], n_names: int) -> NDArray[np.intp]:
    """Class with the most weight in each track; the first in the alphabet where two have the same."""
    ballot = np.bincount(track * n_names + name, weights=weight, minlength=(int(track.max()) + 1) * n_names)
    voted: NDArray[np.intp] = ballot.reshape(-1, n_names).argmax(axis=1)
    silent = ballot.reshape(-1, n_names).sum(axis=1) == 0
    voted[silent] = name[np.unique(track, return_index=True)[1]][silent]
    return voted


def best_score(track: NDArray[Any], score: NDArray[np.float64], boxes: int = 0) -> NDArray[np.float64]:
    """Mean of the best scores in each track, (n,) → (tracks,): of so many boxes, `BEST_BOXES` at least."""
    most = max(BEST_BOXES, boxes)
    order = np.lexsort((-score, track))
    sizes = np.bincount(track)
    rank = np.arange(len(track)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    top = order[rank < most]
    best: NDArray[np.float64] = np.bincount(track[top], weights=score[top]) / np.minimum(sizes, most)
    return best
