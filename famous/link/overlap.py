"""Linking by pixels that slices share: Hungarian assignment, gaps bridged in nm, fragments and islands joined."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous import boxes as box_table
from famous.errors import ConfigError, InputError
from famous.link.instances import canonical, class_groups, finish
from famous.link.matching import assign, components
from famous.voxels import VoxelSize


@dataclass(frozen=True)
class OverlapParams:
    """How boxes of neighbouring slices become one instance."""

    gap_nm: float = 50.0  # thickness of the slices without a box that a track may cross, nm
    minimum_iou: float = 0.1  # IoU that a pair assigned one to one needs, 0 … 1
    fragment_inside: float = 0.5  # share of the smaller box's pixels inside the other that joins any pair, 0 … 1
    contact: float = 0.1  # share of the thinner track's cross-section that has to meet the other track, 0 … 1
    cross_section_nm: float = 100.0  # length of track, on either side, that a cross-section is the largest of, nm
    minimum_length_nm: float = 0.0  # instances with a smaller extent along z are dropped, nm
    instance_score: float = 0.3  # mean of an instance's three best scores below which it is dropped, 0 … 1

    def __post_init__(self) -> None:
        for name in ("gap_nm", "cross_section_nm", "minimum_length_nm"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise ConfigError(f"link.{name}: found {getattr(self, name)}, expected a length in nm, 0 or more")
        for name in ("minimum_iou", "fragment_inside", "contact", "instance_score"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"link.{name}: found {getattr(self, name)}, expected a share from 0 to 1")

    def reach(self, voxel_size: VoxelSize) -> int:
        """Largest distance, in slices, of two boxes that are joined directly; what `slice_overlaps` wants."""
        return 1 + math.floor(self.gap_nm / voxel_size.z + 1e-6)


@dataclass(frozen=True)
class _Pairs:
    """Pairs of boxes that share pixels: rows of the canonical table (a in the lower slice), pixels, slices apart."""

    a: NDArray[np.intp]
    b: NDArray[np.intp]
    pixels: NDArray[np.float64]
    apart: NDArray[np.int64]

    def __getitem__(self, rows: NDArray[np.bool_]) -> "_Pairs":
        return _Pairs(self.a[rows], self.b[rows], self.pixels[rows], self.apart[rows])


def link(
    boxes: pd.DataFrame,
    overlaps: pd.DataFrame,
    *,
    voxel_size: VoxelSize,
    params: OverlapParams | None = None,
    exclusive: Sequence[Sequence[str]] = (),
) -> pd.DataFrame:
    """Join the boxes of all slices into instances by the pixels that they share.

    1. Neighbouring slices: boxes are assigned one to one by IoU (Hungarian method); the chains of good pairs are
       tracks, and the largest box nearby on its track is a box's cross-section.
    2. Neighbouring slices, all pairs: two boxes are joined if they were assigned, or if `fragment_inside` of the
       smaller lies in the other, and if they share at least `contact` of the thinner track's cross-section. So a
       fragment, a branch, a bridge or an island that meets a body later takes its id, but the cap of one organelle on
       the flank of another does not.
    3. Gaps: the same for boxes that nothing continues in the nearer slices, 2, 3, … slices apart, up to `gap_nm`.
       The boxes that are missing stay missing.

    Parameters
    ----------
    boxes
        Box table with `pixels` (what each box claims).
    overlaps
        Columns a, b, pixels as `slice_overlaps` returns them, with a reach of `params.reach(voxel_size)`.
    exclusive
        Groups of classes that exclude each other: they are linked together, and the class of an instance is voted.

    Returns
    -------
    pandas.DataFrame
        The rows as they came, with `instance` (uint32, 0 = dropped), `class_name` as voted and `detected_class`.
    """
    params = params or OverlapParams()
    box_table.require(boxes, ["pixels"])
    table = canonical(boxes)
    group = class_groups(table["class_name"], exclusive)
    pairs = _pairs(table, overlaps, group, params.reach(voxel_size))
    track = _join(table["pixels"].to_numpy(np.float64), table["z"].to_numpy(np.int64), pairs, voxel_size, params)
    return finish(
        table,
        track,
        voxel_size=voxel_size,
        minimum_length_nm=params.minimum_length_nm,
        instance_score=params.instance_score,
    )


def _pairs(table: pd.DataFrame, overlaps: pd.DataFrame, group: NDArray[np.intp], reach: int) -> _Pairs:
    """Rows of both ends of each overlap, in the canonical order; those of other classes or too far are left out."""
    missing = [name for name in ("a", "b", "pixels") if name not in overlaps.columns]
    if missing:
        raise InputError(f"overlaps: missing columns {missing}, found {list(overlaps.columns)}")
    ids = pd.Index(table["box"])
    a, b = (ids.get_indexer(pd.Index(overlaps[name])) for name in ("a", "b"))
    unknown = (a < 0) | (b < 0)
    if unknown.any():
        row = overlaps.iloc[int(np.flatnonzero(unknown)[0])]
        raise InputError(f"overlaps: found boxes {row['a']} and {row['b']}, one of which is not in the box table")
    z = table["z"].to_numpy(np.int64)
    apart = z[b] - z[a]
    if (apart < 1).any():
        row = overlaps.iloc[int(np.flatnonzero(apart < 1)[0])]
        raise InputError(f"overlaps: box {row['a']} does not lie in a slice below box {row['b']}, expected a below b")
    kept = (group[a] == group[b]) & (apart <= reach)
    pairs = _Pairs(a, b, overlaps["pixels"].to_numpy(np.float64), apart)[kept]
    order = np.lexsort((pairs.b, pairs.a))
    return _Pairs(pairs.a[order], pairs.b[order], pairs.pixels[order], pairs.apart[order])


def _join(
    area: NDArray[np.float64],
    z: NDArray[np.int64],
    pairs: _Pairs,
    voxel_size: VoxelSize,
    params: OverlapParams,
) -> NDArray[np.int32]:
    """Component of each box after all rounds."""
    n = len(area)
    up, down = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
    section = area
    joined: list[_Pairs] = []
    for apart in range(1, int(pairs.apart.max(initial=0)) + 1):
        near = pairs[pairs.apart == apart]
        near = near[~up[near.a] & ~down[near.b]]
        if len(near.a) == 0:
            continue
        iou = near.pixels / (area[near.a] + area[near.b] - near.pixels)
        inside = near.pixels / np.minimum(area[near.a], area[near.b])
        assigned = assign(near.a, near.b, iou) & (iou >= params.minimum_iou)
        if apart == 1:
            section = _cross_sections(area, z, near[assigned & (iou >= 0.5)], voxel_size, params)
        contact = near.pixels / np.minimum(section[near.a], section[near.b])
        near = near[(assigned | (inside >= params.fragment_inside)) & (contact >= params.contact)]
        up[near.a] = True
        down[near.b] = True
        joined.append(near)
    if not joined:
        return np.arange(n, dtype=np.int32)
    return components(n, np.concatenate([p.a for p in joined]), np.concatenate([p.b for p in joined]))


def _cross_sections(
    area: NDArray[np.float64], z: NDArray[np.int64], chain: _Pairs, voxel_size: VoxelSize, params: OverlapParams
) -> NDArray[np.float64]:
    """Largest area on a box's own track within `cross_section_nm` below and above it, pixels."""
    above = np.arange(len(area))
    below = np.arange(len(area))
    above[chain.a] = chain.b
    below[chain.b] = chain.a
    section = area
    for _ in range(math.floor(params.cross_section_nm / voxel_size.z + 1e-6)):
        section = np.maximum(section, np.maximum(section[above], section[below]))
    return section
