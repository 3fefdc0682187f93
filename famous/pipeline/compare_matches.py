"""Which object is which: one row each match, miss, invention, piece of a split or merge, and confusion."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous.compare.comparison import as_table
from famous.compare.matching import Matching, merges, splits
from famous.compare.overlaps import Overlaps
from famous.pipeline.compare_count import Counts, Pair, Scene
from famous.voxels import NM_PER_UM


def list_matches(
    scene: Scene, counts: Counts, matchings: Mapping[tuple[Pair, str], Matching], confused: pd.DataFrame
) -> pd.DataFrame:
    """Make the table `matches`.

    What a row costs is the volume in disagreement: of a match what only one side has, of an object without a partner
    all of it, of a split or merge each piece but the largest. A missed or invented object has the voxels and the
    intersection over union of the object that comes nearest to being its partner.
    """
    um3 = scene.voxel_size.volume_nm3 / NM_PER_UM**3
    rows = [
        {"pred": pair[0], "truth": pair[1], "class": name, **row, "cost_um3": voxels * um3, "cost_voxels": voxels}
        for (pair, name), matching in matchings.items()
        for row, voxels in _rows(counts.overlaps[pair, name, name], matching)
    ]
    parts = [part for part in (as_table("matches", rows), confused) if len(part)]
    return as_table("matches", pd.concat(parts, ignore_index=True) if parts else [])


def _rows(overlaps: Overlaps, matching: Matching) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield the rows of one class of one pair, and what each costs in voxels."""
    pred = dict(zip(overlaps.pred_ids.tolist(), overlaps.pred_voxels.tolist(), strict=True))
    truth = dict(zip(overlaps.truth_ids.tolist(), overlaps.truth_voxels.tolist(), strict=True))
    for one, other, shared, iou in zip(
        matching.pred_ids.tolist(), matching.truth_ids.tolist(), matching.shared.tolist(), matching.iou.tolist(),
        strict=True,
    ):  # fmt: skip
        yield _row("matched", one, other, (shared, iou, pred[one] + truth[other] - 2 * shared))
    nearest = _nearest(overlaps.truth_index, overlaps, len(overlaps.truth))
    for number in matching.missed.tolist():
        place = int(np.searchsorted(overlaps.truth_ids, np.uint64(number)))
        yield _row("missed", pd.NA, number, (*nearest[place], truth[number]))
    nearest = _nearest(overlaps.pred_index, overlaps, len(overlaps.pred))
    for number in matching.invented.tolist():
        place = int(np.searchsorted(overlaps.pred_ids, np.uint64(number)))
        yield _row("invented", number, pd.NA, (*nearest[place], pred[number]))
    iou = overlaps.iou()
    for kind, found in (("split", splits(overlaps)), ("merge", merges(overlaps))):
        before = None
        for whole, piece, shared, row in zip(
            found.whole_ids.tolist(), found.piece_ids.tolist(), found.shared.tolist(), found.pair.tolist(), strict=True
        ):
            one, other = (piece, whole) if kind == "split" else (whole, piece)
            yield _row(kind, one, other, (shared, float(iou[row]), shared if whole == before else 0))
            before = whole


def _row(kind: str, pred_id: Any, truth_id: Any, numbers: tuple[int, float, int]) -> tuple[dict[str, Any], int]:
    shared, iou, cost = numbers
    return {"kind": kind, "pred_id": pred_id, "truth_id": truth_id, "overlap_voxels": shared, "iou": iou}, cost


def _nearest(index: NDArray[np.int64], overlaps: Overlaps, number: int) -> list[tuple[int, float]]:
    """Return shared voxels and intersection over union of the best pair of each object; 0 where it has none."""
    iou = overlaps.iou()
    best: list[tuple[int, float]] = [(0, 0.0)] * number
    for row in np.argsort(iou, kind="stable").tolist():
        best[int(index[row])] = (int(overlaps.shared[row]), float(iou[row]))
    return best
