"""Linking by pixels that slices share: Hungarian assignment, gaps bridged in nm, fragments and islands joined."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous import boxes as box_table
from famous.errors import ConfigError, InputError
from famous.link.bodies import Bodies
from famous.link.bridges import Pairs, wrong_bridges
from famous.link.instances import canonical, class_groups, finish
from famous.link.matching import assign, components
from famous.link.renamed import join_renamed
from famous.voxels import VoxelSize

#: IoU from which a pair assigned one to one needs no further proof. Measured: 0.3 to 0.7 give the same instances.
SURE_IOU = 0.5


@dataclass(frozen=True)
class OverlapParams:
    """How boxes of neighbouring slices become one instance."""

    gap_nm: float = 100.0  # thickness of the slices without a box that an instance may cross, nm
    minimum_iou: float = 0.1  # IoU that a pair assigned one to one needs, 0 … 1
    fragment_inside: float = 0.5  # share of the smaller box's pixels in the other that proposes any pair, 0 … 1
    contact: float = 0.2  # share of the thinner body's cross-section that has to meet the other body, 0 … 1
    cross_section_nm: float = 100.0  # distance, below and above, within which a body's cross-section is taken, nm
    renamed_iou: float = 0.5  # IoU of boxes of two classes where a body goes on under another name; 1 joins none
    bridge_nm: float = 30.0  # bridges up to this thickness between organelles that go on apart are taken for errors, nm
    minimum_length_nm: float = 25.0  # instances of a smaller extent along z are dropped, unless cut off by the stack
    instance_score: float = 0.6  # mean of an instance's best scores below which it is dropped, 0 … 1
    score_nm: float = 50.0  # the best scores are those of as many boxes as this has slices, three at least, nm

    def __post_init__(self) -> None:
        for name in ("gap_nm", "cross_section_nm", "bridge_nm", "minimum_length_nm", "score_nm"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"overlap.{name}: found {value}, expected a length in nm, 0 or more")
        for name in ("minimum_iou", "fragment_inside", "contact", "renamed_iou", "instance_score"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ConfigError(f"overlap.{name}: found {value}, expected a share from 0 to 1")

    def reach(self, voxel_size: VoxelSize) -> int:
        """Largest distance, in slices, of two boxes that are joined directly; what `slice_overlaps` wants."""
        return 1 + math.floor(self.gap_nm / voxel_size.z + 1e-6)


def link(
    boxes: pd.DataFrame,
    overlaps: pd.DataFrame,
    *,
    voxel_size: VoxelSize,
    params: OverlapParams | None = None,
    exclusive: Sequence[Sequence[str]] = (),
) -> pd.DataFrame:
    """Join the boxes of all slices into instances by the pixels that they share.

    1. Neighbouring slices: boxes are assigned one to one by IoU (Hungarian method). Chains of good pairs are bodies.
    2. Every other pair that was assigned, or of which `fragment_inside` of the smaller box lies in the other, joins
       two bodies if it covers at least `contact` of the thinner body's cross-section, the surest pairs first. So a
       fragment, a branch, a bridge, or an island that meets a body later takes its id; but neither the cap of one
       organelle on the flank of another nor a crumb of one inside the other fuses the two.
       Pairs that only a box round two organelles makes, for no more than `bridge_nm`, are left out before.
    3. Gaps: the same for boxes that nothing continues in the nearer slices, 2, 3, … slices apart, up to `gap_nm`.
       The boxes that are missing stay missing.
    4. Names: bodies of two classes that run together where one begins and where one ends are one, whose class is
       voted (`famous.link.renamed`).

    Parameters
    ----------
    boxes
        Box table with `pixels` (what each box claims).
    overlaps
        Columns a, b, pixels as `slice_overlaps` returns them, with a reach of `params.reach(voxel_size)`.
    exclusive
        Groups of classes that exclude each other: they are linked as one, and the class of an instance is voted.

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
    if params.renamed_iou < 1:
        track = join_renamed(table, track, group, reach=params.reach(voxel_size), iou=max(params.renamed_iou, 0.01))
    return finish(
        table,
        track,
        voxel_size=voxel_size,
        minimum_length_nm=params.minimum_length_nm,
        instance_score=params.instance_score,
        score_nm=params.score_nm,
    )


def prune(
    boxes: pd.DataFrame,
    overlaps: pd.DataFrame,
    *,
    voxel_size: VoxelSize,
    params: OverlapParams | None = None,
    exclusive: Sequence[Sequence[str]] = (),
) -> pd.DataFrame:
    """Leave out the overlaps that `link` will not look at: most of those across a gap.

    A box that a sure pair continues needs no partner beyond a gap, unless it may lie beside a wrong bridge. The result
    of `link` is the same with and without; only the memory that it takes differs. The tables may be those of a range of
    slices, if every box in it that has a partner in the slice above or below has that overlap among the rows.

    Parameters
    ----------
    boxes, overlaps, params, exclusive
        As for `link`.

    Returns
    -------
    pandas.DataFrame
        The rows of `overlaps` that stay, in their order.
    """
    params = params or OverlapParams()
    table = canonical(boxes)
    pairs = _pairs(table, overlaps, class_groups(table["class_name"], exclusive), params.reach(voxel_size))
    iou = _iou(pairs, table["pixels"].to_numpy(np.float64))
    near = np.flatnonzero(pairs.apart == 1)
    near = near[np.lexsort((pairs.b[near], pairs.a[near]))]
    sure = assign(pairs.a[near], pairs.b[near], iou[near]) & (iou[near] >= SURE_IOU)
    continued, begun, opens, closes = (np.zeros(len(table), dtype=np.bool_) for _ in range(4))
    continued[pairs.a[near[sure]]] = begun[pairs.b[near[sure]]] = True
    opens[pairs.a[near[~sure]]] = closes[pairs.b[near[~sure]]] = True
    kept = (pairs.apart == 1) | ~(continued[pairs.a] | begun[pairs.b])
    kept |= _may_be_ends(pairs, iou, params, voxel_size) & opens[pairs.a] & closes[pairs.b]
    ids = table["box"].to_numpy(np.uint64)
    chosen = ids[pairs.a[kept]] << np.uint64(32) | ids[pairs.b[kept]]
    keys = overlaps["a"].to_numpy(np.uint64) << np.uint64(32) | overlaps["b"].to_numpy(np.uint64)
    return overlaps[np.isin(keys, chosen)]


def _may_be_ends(
    pairs: Pairs, iou: NDArray[np.float64], params: OverlapParams, voxel_size: VoxelSize
) -> NDArray[np.bool_]:
    """Pairs that may be one organelle below and above a wrong bridge."""
    thickness = math.floor(params.bridge_nm / voxel_size.z + 1e-6)
    ends: NDArray[np.bool_] = (pairs.apart > 1) & (pairs.apart <= 1 + thickness) & (iou >= SURE_IOU)
    return ends


def _pairs(table: pd.DataFrame, overlaps: pd.DataFrame, group: NDArray[np.intp], reach: int) -> Pairs:
    """Rows of both ends of each overlap, in the canonical order; those of other classes or too far are left out."""
    missing = [name for name in ("a", "b", "pixels") if name not in overlaps.columns]
    if missing:
        raise InputError(f"overlaps: missing columns {missing}, found {list(overlaps.columns)}")
    a, b = (_rows(table["box"].to_numpy(), overlaps[name].to_numpy()) for name in ("a", "b"))
    unknown = (a < 0) | (b < 0)
    if unknown.any():
        row = overlaps.iloc[int(np.argmax(unknown))]
        raise InputError(f"overlaps: found boxes {row['a']} and {row['b']}, one of which is not in the box table")
    z = table["z"].to_numpy(np.int32)
    apart = z[b] - z[a]
    if (apart < 1).any():
        row = overlaps.iloc[int(np.argmax(apart < 1))]
        raise InputError(f"overlaps: box {row['a']} does not lie in a slice below box {row['b']}, expected a below b")
    kept = (group[a] == group[b]) & (apart <= reach)
    return Pairs(a[kept], b[kept], overlaps["pixels"].to_numpy(np.int64)[kept], apart[kept])


def _rows(ids: NDArray[Any], wanted: NDArray[Any]) -> NDArray[np.int32]:
    """Row of each wanted id, −1 where there is none."""
    if len(ids) == 0:
        return np.full(len(wanted), -1, dtype=np.int32)
    if int(ids.max()) < 4 * len(ids) + 1024:  # nearly all numbers are in use: a look-up table
        lut = np.full(int(ids.max()) + 2, -1, dtype=np.int32)
        lut[ids] = np.arange(len(ids), dtype=np.int32)
        found: NDArray[np.int32] = lut[np.minimum(wanted, len(lut) - 1)]
        return found
    order = np.argsort(ids, kind="stable").astype(np.int32)
    place = np.minimum(np.searchsorted(ids, wanted, sorter=order), len(ids) - 1)
    rows: NDArray[np.int32] = np.where(ids[order[place]] == wanted, order[place], np.int32(-1))
    return rows


def _join(
    area: NDArray[np.float64],
    z: NDArray[np.int64],
    pairs: Pairs,
    voxel_size: VoxelSize,
    params: OverlapParams,
) -> NDArray[np.int32]:
    """Tell which instance each box is of, in numbers with gaps."""
    continued, begun = np.zeros(len(area), dtype=np.bool_), np.zeros(len(area), dtype=np.bool_)
    bodies: Bodies | None = None
    for apart in range(1, int(pairs.apart.max(initial=1)) + 1):
        rows = np.flatnonzero(pairs.apart == apart)
        near = pairs[rows[~continued[pairs.a[rows]] & ~begun[pairs.b[rows]]]]
        near = near[np.lexsort((near.b, near.a))]
        a, b = near.a, near.b
        iou = _iou(near, area)
        inside = near.pixels / np.minimum(area[a], area[b])
        assigned = assign(a, b, iou) & (iou >= params.minimum_iou)
        joined = assigned & (iou >= SURE_IOU) & (apart == 1)
        open_ = ~joined & (assigned | (inside >= params.fragment_inside))
        if bodies is None:
            track = components(len(area), a[joined], b[joined])
            ends = pairs[_may_be_ends(pairs, _iou(pairs, area), params, voxel_size)]
            open_[open_] = ~wrong_bridges(near[open_], ends, track, area, z)
            bodies = Bodies(track, area, z, math.floor(params.cross_section_nm / voxel_size.z + 1e-6))
        proposed = np.flatnonzero(open_)
        proposed = proposed[np.lexsort((-near.pixels[proposed], -inside[proposed], ~assigned[proposed]))]
        joined[proposed] = bodies.join(a[proposed], b[proposed], near.pixels[proposed], contact=params.contact)
        continued[a[joined]] = True
        begun[b[joined]] = True
    return bodies.numbers() if bodies is not None else np.zeros(0, dtype=np.int32)


def _iou(pairs: Pairs, area: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of each pair."""
    iou: NDArray[np.float64] = pairs.pixels / (area[pairs.a] + area[pairs.b] - pairs.pixels)
    return iou
