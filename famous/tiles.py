"""Tiles of a slice, and the boxes that several tiles have of one object made one again."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from famous.errors import InputError


@dataclass(frozen=True)
class MergeParams:
    """How a slice is cut into tiles, and when boxes are one object; pixels are those that the detector sees."""

    tile_px: int = 1024  # side of a tile
    overlap_px: int = 256  # overlap of neighbouring tiles; an object up to this size is whole in one of them
    border_px: float = 4.0  # a side this close to an inner border of its tile counts as cut; slack for slivers
    merge_iou: float = 0.5  # parts from two tiles that agree this well in the tiles' overlap are one object
    merge_cover: float = 0.7  # a cut part of which this share lies inside another box is a fragment of it
    nms_iou: float = 0.7  # boxes of one class that overlap more are one object
    class_iou: float = 0.8  # boxes of different classes that overlap more are one object; 1 keeps both

    def __post_init__(self) -> None:
        if not 0 < self.overlap_px < self.tile_px:
            raise InputError(
                f"tiles: found overlap_px {self.overlap_px}, expected 1 … {self.tile_px - 1} (below tile_px)"
            )
        if self.border_px < 0:
            raise InputError(f"tiles: found border_px {self.border_px}, expected 0 or more")
        for name in ("merge_iou", "merge_cover", "nms_iou", "class_iou"):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(f"tiles: found {name} {getattr(self, name)}, expected a share above 0 and up to 1")


@dataclass(frozen=True)
class Found:
    """Boxes of one pass: (k, 4) corners, (k,) scores, classes, tile numbers, and whether a side is cut by a tile."""

    corners: NDArray[np.float64]
    scores: NDArray[np.float64]
    classes: NDArray[np.int64]
    tile: NDArray[np.int64]
    cut: NDArray[np.bool_]

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> "Found":
        return Found(self.corners[rows], self.scores[rows], self.classes[rows], self.tile[rows], self.cut[rows])

    def __len__(self) -> int:
        return len(self.scores)


def tiles(shape: tuple[int, int], *, tile_px: int, overlap_px: int) -> list[tuple[slice, slice]]:
    """Cover a (y, x) shape with tiles of one size, row by row, evenly spread, overlapping by at least `overlap_px`.

    A side shorter than a tile gets one tile of that side's length; an empty shape gets none.
    """
    rows, columns = (list(_spans(length, tile_px, overlap_px)) for length in shape)
    return [(row, column) for row in rows for column in columns]


def _spans(length: int, tile_px: int, overlap_px: int) -> Iterator[slice]:
    if length <= 0:
        return
    count = 1 if length <= tile_px else -(-(length - overlap_px) // (tile_px - overlap_px))
    side = min(length, tile_px)
    for start in np.linspace(0, length - side, count).astype(int):
        yield slice(int(start), int(start) + side)


def at_inner_border(
    corners: NDArray[np.float64], origins: NDArray[np.int64], shape: tuple[int, int], border_px: float
) -> NDArray[np.bool_]:
    """Tell which boxes end at a border of their tile that is not the border of the slice: (k, 4), (k, 4) to (k,)."""
    inner = origins != np.array([0, 0, *shape])
    near: NDArray[np.bool_] = (inner & (np.abs(corners - origins) <= border_px)).any(axis=1)
    return near


def merge(found: Found, origins: NDArray[np.int64], params: MergeParams) -> Found:
    """Make one box of the parts that neighbouring tiles have of one object.

    Two boxes of one class from two tiles are parts of one object where they agree inside the zone that both tiles see:
    IoU ≥ merge_iou, or the cut one lies inside the other, give or take a little, to merge_cover. Of such a group the
    whole boxes stay where they cover the cut ones; otherwise the union of all stands for the object and counts as a
    fragment.

    Parameters
    ----------
    found
        Boxes in pixels of the slice.
    origins
        (tiles, 4): y0, x0, y1, x1 of each tile.
    params
        Thresholds.
    """
    if len(found) == 0:
        return found
    a, b = _partners(found, origins, params)
    graph = coo_array((np.ones(len(a)), (a, b)), shape=(len(found), len(found)))
    _, group = connected_components(graph, directed=False)
    single = np.bincount(group)[group] == 1
    together = np.flatnonzero(~single)
    together = together[np.argsort(group[together], kind="stable")]
    parts = np.split(together, np.flatnonzero(np.diff(group[together])) + 1) if len(together) else []
    return suppress(join([found[single], *(_settle(found[rows], params) for rows in parts)]), params)


def _partners(
    found: Found, origins: NDArray[np.int64], params: MergeParams
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs (a, b) of rows that are parts of one object."""
    a, b = meeting(found.corners + np.array([-1, -1, 1, 1]) * (params.border_px / 2))
    keep = (found.tile[a] != found.tile[b]) & (found.classes[a] == found.classes[b])
    a, b = a[keep], b[keep]
    zone = intersection(origins[found.tile[a]].astype(np.float64), origins[found.tile[b]].astype(np.float64))
    in_a, in_b = intersection(found.corners[a], zone), intersection(found.corners[b], zone)
    shared, area_a, area_b = area(intersection(in_a, in_b)), area(in_a), area(in_b)
    agree = shared >= params.merge_iou * (area_a + area_b - shared)
    inside_b = covered(in_a, found.corners[b], params) >= params.merge_cover * area_a
    inside_a = covered(in_b, found.corners[a], params) >= params.merge_cover * area_b
    fragment = (found.cut[a] & inside_b) | (found.cut[b] & inside_a)
    same = (area_a > 0) & (area_b > 0) & (agree | fragment)
    return a[same], b[same]


def meeting(corners: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of boxes that overlap, each once, by a sweep along y."""
    order = np.argsort(corners[:, 0], kind="stable")
    ends = np.searchsorted(corners[order, 0], corners[order, 2], side="left")
    counts = np.maximum(ends - np.arange(len(order)) - 1, 0)
    first = np.repeat(np.arange(len(order)), counts)
    second = first + 1 + np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
    a, b = order[first], order[second]
    meet = (corners[a, 1] < corners[b, 3]) & (corners[b, 1] < corners[a, 3])
    return a[meet], b[meet]


def _settle(parts: Found, params: MergeParams) -> Found:
    """Boxes that stand for one group of parts."""
    whole, cut = parts[~parts.cut], parts[parts.cut]
    if len(whole):
        cover = covered(cut.corners[:, None], whole.corners[None], params).max(axis=1)
        if (cover >= params.merge_cover * area(cut.corners)).all():
            return whole
    union = np.concatenate([parts.corners[:, :2].min(axis=0), parts.corners[:, 2:].max(axis=0)])[None]
    best = parts[np.array([int(np.argmax(parts.scores))])]
    return Found(union, best.scores, best.classes, best.tile, np.ones(1, dtype=bool))


def join(parts: list[Found]) -> Found:
    """Put several sets of boxes one after the other."""
    columns = ([part.corners, part.scores, part.classes, part.tile, part.cut] for part in parts)
    corners, scores, classes, tile, cut = (np.concatenate(column) for column in zip(*columns, strict=True))
    return Found(corners, scores, classes, tile, cut)


def suppress(found: Found, params: MergeParams) -> Found:
    """Keep the best of boxes that are one object, best score first.

    They are one above nms_iou in one class (above merge_iou where two tiles both saw it whole, for then it was found
    twice), and above class_iou in different classes.
    """
    order = np.lexsort([*found.corners.T, -found.scores])
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    a, b = meeting(found.corners)
    shared = area(intersection(found.corners[a], found.corners[b]))
    ratio = shared / (area(found.corners[a]) + area(found.corners[b]) - shared)
    twice = (found.tile[a] != found.tile[b]) & ~found.cut[a] & ~found.cut[b]
    limit = np.where(twice, min(params.merge_iou, params.nms_iou), params.nms_iou)
    limit = np.where(found.classes[a] == found.classes[b], limit, params.class_iou)
    one = ratio > limit
    better, worse = np.minimum(rank[a], rank[b])[one], np.maximum(rank[a], rank[b])[one]
    alive = np.ones(len(order), dtype=bool)
    for i, j in sorted(zip(better.tolist(), worse.tolist(), strict=True)):
        if alive[i]:
            alive[j] = False
    return found[order[alive]]


def intersection(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Corners of the intersection, row by row; without extent where there is none."""
    low, high = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])
    return np.concatenate([low, np.maximum(high, low)], axis=-1)


def area(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pixels of each box."""
    pixels: NDArray[np.float64] = (corners[..., 2:] - corners[..., :2]).prod(axis=-1)
    return pixels


def covered(parts: NDArray[np.float64], boxes: NDArray[np.float64], params: MergeParams) -> NDArray[np.float64]:
    """Pixels of each part that lie inside a box, with slack for the rough boxes of slivers.

    The box reaches further by border_px, but never by more than a third of the part: less than merge_cover asks for,
    so that an object that merely touches another is not taken for its fragment.
    """
    slack = np.minimum(params.border_px, (parts[..., 2:] - parts[..., :2]) / 3)
    return area(intersection(parts, np.concatenate([boxes[..., :2] - slack, boxes[..., 2:] + slack], axis=-1)))
