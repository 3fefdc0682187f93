"""Linking by the centres of boxes: Algorithm 4 of the FAMOUS paper (Nešić et al. 2023), as meant."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import KDTree

from famous.errors import ConfigError
from famous.link.instances import canonical, class_groups, finish
from famous.voxels import VoxelSize


@dataclass(frozen=True)
class CentreParams:
    """How far a box may lie from the one that it continues."""

    tolerance: float = 0.2  # distance of the centres along y and x, as a share of the box's height and width
    layers: int = 50  # slices to look back, where `gap_nm` is not given (the paper's 50)
    gap_nm: float | None = None  # thickness of the slices without a box that an instance may cross, nm; over `layers`
    minimum_length_nm: float = 0.0  # instances of a smaller extent along z are dropped, unless cut off by the stack
    instance_score: float = 0.0  # mean of an instance's three best scores below which it is dropped, 0 … 1

    def __post_init__(self) -> None:
        if not (math.isfinite(self.tolerance) and self.tolerance >= 0):
            raise ConfigError(f"centre.tolerance: found {self.tolerance}, expected a share of the box, 0 or more")
        if self.layers < 1:
            raise ConfigError(f"centre.layers: found {self.layers}, expected 1 slice or more")
        for name in ("gap_nm", "minimum_length_nm"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"centre.{name}: found {value}, expected a length in nm, 0 or more")
        if not 0 <= self.instance_score <= 1:
            raise ConfigError(f"centre.instance_score: found {self.instance_score}, expected a share from 0 to 1")

    def reach(self, voxel_size: VoxelSize) -> int:
        """Largest distance, in slices, of two boxes that are joined."""
        return self.layers if self.gap_nm is None else 1 + math.floor(self.gap_nm / voxel_size.z + 1e-6)


def link(
    boxes: pd.DataFrame,
    overlaps: pd.DataFrame | None = None,
    *,
    voxel_size: VoxelSize,
    params: CentreParams | None = None,
    exclusive: Sequence[Sequence[str]] = (),
) -> pd.DataFrame:
    """Join each box to the instance whose most recent box has its centre close enough.

    Algorithm 4 with two repairs: the centre is BBx + BBwidth / 2 (printed as (BBx + BBwidth) / 2), and of the
    instances that fit, the one whose box is nearest in nm is taken, not the first. Two boxes of one slice may join
    the same instance; the nearer of them is then its most recent one. Classes are linked apart from each other.

    Parameters
    ----------
    boxes
        Box table; `pixels`, where there, weighs the vote on the class.
    overlaps
        Not used; every linker is called the same way.
    exclusive
        Groups of classes that exclude each other: they are linked together, and the class of an instance is voted.

    Returns
    -------
    pandas.DataFrame
        The rows as they came, with `instance` (uint32, 0 = dropped), `class_name` as voted and `detected_class`.
    """
    params = params or CentreParams()
    table = canonical(boxes)
    group = class_groups(table["class_name"], exclusive)
    track = np.zeros(len(table), dtype=np.int32)
    for number in np.unique(group):
        rows = np.flatnonzero(group == number)
        track[rows] = rows[_follow(table.iloc[rows], voxel_size, params)]
    return finish(
        table,
        track,
        voxel_size=voxel_size,
        minimum_length_nm=params.minimum_length_nm,
        instance_score=params.instance_score,
    )


def _follow(table: pd.DataFrame, voxel_size: VoxelSize, params: CentreParams) -> NDArray[np.intp]:
    """First row of the instance that each row joins, for boxes of one group sorted by slice."""
    corners = table[["y0", "x0", "y1", "x1"]].to_numpy(np.float64)
    centre = (corners[:, :2] + corners[:, 2:]) / 2
    tolerance = params.tolerance * (corners[:, 2:] - corners[:, :2])
    z = table["z"].to_numpy(np.int64)
    origin = np.arange(len(table))
    recent = np.zeros(0, dtype=np.intp)  # the most recent box of each instance within reach
    reach = params.reach(voxel_size)
    scale = np.array([voxel_size.y, voxel_size.x])
    starts = np.flatnonzero(np.diff(z, prepend=z[0] - 1))
    for start, end in zip(starts, np.append(starts[1:], len(z)), strict=True):
        here = np.arange(start, end)
        recent = recent[z[start] - z[recent] <= reach]
        box, other = _close(here, recent, centre, tolerance)
        along = (z[box] - z[other]) * voxel_size.z
        distance = np.hypot(np.linalg.norm((centre[box] - centre[other]) * scale, axis=1), along)
        order = np.lexsort((other, distance, box))
        box, other, distance = box[order], other[order], distance[order]
        nearest = np.flatnonzero(np.diff(box, prepend=-1))
        box, other, distance = box[nearest], other[nearest], distance[nearest]
        origin[box] = origin[other]
        order = np.lexsort((box, distance, other))  # of several boxes that join one instance, the nearest speaks for it
        first = order[np.flatnonzero(np.diff(other[order], prepend=-1))]
        new = np.setdiff1d(here, box, assume_unique=True)
        recent = np.concatenate([np.setdiff1d(recent, other[first], assume_unique=True), box[first], new])
    return origin


def _close(
    here: NDArray[Any], recent: NDArray[Any], centre: NDArray[np.float64], tolerance: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs (box, recent box) whose centres are within the box's tolerance along both axes."""
    nothing = np.zeros(0, dtype=np.intp)
    if len(recent) == 0:
        return nothing, nothing
    radius = tolerance[here].max(axis=1) * (1 + 1e-9) + 1e-9
    found = KDTree(centre[recent]).query_ball_point(centre[here], radius, p=np.inf)
    box = np.repeat(here, [len(rows) for rows in found])
    other = recent[np.concatenate([np.asarray(rows, dtype=np.intp) for rows in found])]
    fits = (np.abs(centre[box] - centre[other]) <= tolerance[box] + 1e-9).all(axis=1)
    return box[fits], other[fits]
