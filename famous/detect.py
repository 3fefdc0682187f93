"""Slices to boxes: tiles, batches, boxes merged at the tiles' borders, a coarse pass, strides."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from famous.boxes import CORNERS, concat, empty, from_columns, iou, require
from famous.errors import InputError
from famous.tiles import Found, MergeParams, area, at_inner_border, covered, join, merge, suppress, tiles
from famous.voxels import VoxelSize

__all__ = ["DetectParams", "Detector", "detect_slice", "detected_slices", "interpolate", "tiles"]


class Detector(Protocol):
    """Finds boxes in images of one size."""

    class_names: tuple[str, ...]
    channels: int  # 1 (grey) or 3 (z − 1, z, z + 1)
    pixel_nm: float  # in-plane pixel size that it was trained at

    def __call__(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """(n, h, w, c) → per image (k, 6): y0, x0, y1, x1 in pixels of that image, score, class index."""


@dataclass(frozen=True)
class DetectParams(MergeParams):
    """Which of the boxes found are kept, and at which scales and slices the detector looks."""

    score: float = 0.25  # lowest score that is kept; linking through z can win weak boxes back
    class_scores: Mapping[str, float] = field(
        default_factory=dict  # class → lowest score, instead of `score`; link.overlap.instance_score decides after it
    )
    batch: int = 4  # tiles per call of the detector
    coarse: float = 4.0  # how much coarser a slice larger than a tile is seen once more, for large objects; 0: never
    coarse_side: float = 0.5  # shortest long side of a box taken from the coarse pass, in tiles
    resample_above: float = 0.05  # resample where the pixel size differs more than this share from the detector's
    stride_nm: float = 0.0  # distance between detected slices; 0 detects every slice
    stride_iou: float = 0.2  # boxes of two detected slices that overlap this much are joined by interpolation

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch < 1:
            raise InputError(f"detect: found batch {self.batch}, expected 1 or more")
        if self.coarse != 0 and self.coarse <= 1:
            raise InputError(f"detect: found coarse {self.coarse}, expected a factor above 1, or 0 for no coarse pass")
        if not 0 <= self.stride_nm < float("inf"):
            raise InputError(f"detect: found stride_nm {self.stride_nm}, expected 0 nm or more")
        for name, value in {"score": self.score, **self.class_scores}.items():
            if not 0 <= value <= 1:
                raise InputError(f"detect: found the score {value} for {name!r}, expected 0 … 1")


def detect_slice(
    slab: NDArray[np.uint8], z: int, detector: Detector, *, voxel_size: VoxelSize, params: DetectParams
) -> pd.DataFrame:
    """Find the boxes of one slice.

    Parameters
    ----------
    slab
        (y, x, c): z − 1, z, z + 1 as channels, or the slice alone.
    z
        Index of the slice, for the column `z`.
    detector
        Sees the slab at its own pixel size.
    voxel_size
        Of the slab.
    params
        Tiles, thresholds, passes.

    Returns
    -------
    pandas.DataFrame
        Box table in pixels of the slab, ids 1 … n by falling score.

    Raises
    ------
    InputError
        The slab does not suit the detector, a threshold names an unknown class, or the detector breaks its contract.
    """
    slab = _channels(slab, detector)
    names = detector.class_names
    if unknown := sorted(set(params.class_scores) - set(names)):
        raise InputError(f"detect: found class_scores for {unknown}; the detector knows {list(names)}")
    height, width = slab.shape[:2]
    if 0 in slab.shape:
        return empty()
    scale = voxel_size.pixel_nm / detector.pixel_nm
    if abs(scale - 1) <= params.resample_above:
        scale = 1.0
    image = _resample(slab, scale)
    fine = _pass(image, detector, params)
    if params.coarse and max(image.shape[:2]) > params.tile_px:
        fine = _with_coarse(fine, image, detector, params)
    stretch = np.array([height / image.shape[0], width / image.shape[1]] * 2)
    thresholds = np.array([params.class_scores.get(name, params.score) for name in names])
    fine = fine[fine.scores >= thresholds[fine.classes]]
    return _table(fine, z, names, fine.corners * stretch, (height, width))


def detected_slices(n_slices: int, voxel_size: VoxelSize, params: DetectParams) -> list[int]:
    """List the slices that the detector sees: the first, the last, and in between one per `stride_nm`."""
    step = max(1, int(params.stride_nm / voxel_size.z + 1e-9))
    chosen = list(range(0, n_slices, step))
    return [*chosen, n_slices - 1] if chosen and chosen[-1] != n_slices - 1 else chosen


def interpolate(boxes: pd.DataFrame, z_from: int, z_to: int, *, params: DetectParams | None = None) -> pd.DataFrame:
    """Make the boxes of the slices between two detected ones.

    Boxes of one class are paired one to one so that the sum of their IoU is greatest; pairs of at least
    `stride_iou` move in a straight line with the mean of both scores. A box without a partner goes on as it is
    for half the gap.

    Parameters
    ----------
    boxes
        Box table that holds the boxes of `z_from` and `z_to`; other slices are ignored.
    z_from, z_to
        Two slices, in order.

    Returns
    -------
    pandas.DataFrame
        Box table of the slices z_from + 1 … z_to − 1, ids 1 … n.
    """
    minimum = (params or DetectParams()).stride_iou
    require(boxes, ["z", *CORNERS, "class_name", "score"])
    if z_to <= z_from:
        raise InputError(f"interpolate: found slices {z_from} and {z_to}, expected the first to be the lower one")
    between = np.arange(z_from + 1, z_to)
    both = boxes[boxes["z"].isin([z_from, z_to])]
    parts: list[pd.DataFrame] = []
    for name, group in both.groupby(both["class_name"].astype("str"), sort=True):
        first, last = group[group["z"] == z_from], group[group["z"] == z_to]
        a, b = (side[CORNERS].to_numpy(np.float64) for side in (first, last))
        s, t = (side["score"].to_numpy(np.float64) for side in (first, last))
        overlap = iou(a, b)
        i, j = linear_sum_assignment(-overlap)
        joined = overlap[i, j] >= max(minimum, 1e-9)
        i, j = i[joined], j[joined]
        alone_a, alone_b = np.setdiff1d(np.arange(len(a)), i), np.setdiff1d(np.arange(len(b)), j)
        for z in between:
            share = (z - z_from) / (z_to - z_from)
            rows = [(1 - share) * a[i] + share * b[j]]
            scores = [(s[i] + t[j]) / 2]
            if share <= 0.5:
                rows, scores = [*rows, a[alone_a]], [*scores, s[alone_a]]
            if share >= 0.5:
                rows, scores = [*rows, b[alone_b]], [*scores, t[alone_b]]
            parts.append(_rows(np.concatenate(rows), np.concatenate(scores), int(z), str(name)))
    table = concat(parts).sort_values("z", kind="stable", ignore_index=True)
    return table.assign(box=np.arange(1, len(table) + 1, dtype=np.uint32))


def _rows(
    corners: NDArray[np.float64], scores: NDArray[np.float64], z: int, class_name: str | list[str]
) -> pd.DataFrame:
    whole = np.floor(corners + 0.5).astype(np.int64)
    columns = dict(zip(CORNERS, whole.T, strict=True))
    names = [class_name] * len(whole) if isinstance(class_name, str) else class_name
    return from_columns({"z": np.full(len(whole), z), **columns, "class_name": names, "score": scores})


def _channels(slab: NDArray[np.uint8], detector: Detector) -> NDArray[np.uint8]:
    if slab.ndim != 3 or slab.dtype != np.uint8 or slab.shape[2] not in (1, 3):
        raise InputError(f"detect: found a slab {slab.shape} {slab.dtype}, expected (y, x, 1 or 3) uint8")
    if detector.channels == slab.shape[2]:
        return slab
    if detector.channels == 1:
        return slab[:, :, 1:2]
    return np.repeat(slab, 3, axis=2)


def _resample(slab: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """Scale a (y, x, c) slab in the plane; averages where it becomes smaller, at least 1 px a side."""
    if scale == 1:
        return slab
    height, width = (max(1, round(length * scale)) for length in slab.shape[:2])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    image = np.asarray(cv2.resize(slab, (width, height), interpolation=how), dtype=np.uint8)
    return image.reshape(height, width, slab.shape[2])


def _pass(image: NDArray[np.uint8], detector: Detector, params: DetectParams) -> Found:
    """Run the detector over all tiles of an image and merge what it finds; `cut` marks what stayed a fragment."""
    spans = tiles(image.shape[:2], tile_px=params.tile_px, overlap_px=params.overlap_px)
    found: list[NDArray[np.float64]] = []
    for start in range(0, len(spans), params.batch):
        batch = np.stack([image[span] for span in spans[start : start + params.batch]])
        results = detector(batch)
        if len(results) != len(batch):
            raise InputError(f"detector: returned boxes of {len(results)} images for {len(batch)}")
        found += [_checked(result, batch.shape[1:3], len(detector.class_names)) for result in results]
    origins = np.array([(y.start, x.start, y.stop, x.stop) for y, x in spans])
    tile = np.repeat(np.arange(len(spans)), [len(result) for result in found])
    flat = np.concatenate(found)
    corners = flat[:, :4] + np.tile(origins[:, :2], 2)[tile]
    cut = at_inner_border(corners, origins[tile], image.shape[:2], params.border_px)
    raw = Found(corners, flat[:, 4], flat[:, 5].astype(np.int64), tile, cut)
    floor = min([params.score, *params.class_scores.values()])
    return merge(raw[raw.scores >= floor], origins, params)


def _checked(result: NDArray[np.float32], shape: tuple[int, int], n_classes: int) -> NDArray[np.float64]:
    """Clip the boxes of one tile to it and drop those without extent."""
    boxes = np.asarray(result, dtype=np.float64)
    if boxes.size == 0:
        return np.zeros((0, 6))
    if boxes.ndim != 2 or boxes.shape[1] != 6 or not np.isfinite(boxes).all():
        raise InputError(f"detector: returned an array {boxes.shape}, expected (k, 6) finite numbers")
    if not ((boxes[:, 5] >= 0) & (boxes[:, 5] < n_classes)).all():
        raise InputError(f"detector: returned a class index outside 0 … {n_classes - 1}")
    boxes[:, :4] = np.clip(boxes[:, :4], 0, [*shape, *shape])
    return boxes[(boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])]


def _with_coarse(fine: Found, image: NDArray[np.uint8], detector: Detector, params: DetectParams) -> Found:
    """Add the large boxes of the coarse pass, and drop the fragments that the fine pass left of them.

    Where the fine pass has the whole object its box stays: it is the sharper one.
    """
    small = _resample(image, 1 / params.coarse)
    coarse = _pass(small, detector, params)
    stretch = np.array([image.shape[0] / small.shape[0], image.shape[1] / small.shape[1]] * 2)
    coarse = Found(coarse.corners * stretch, coarse.scores, coarse.classes, coarse.tile, coarse.cut)
    sides = coarse.corners[:, 2:] - coarse.corners[:, :2]
    coarse = coarse[sides.max(axis=1) > params.coarse_side * params.tile_px]
    if len(coarse) == 0:
        return fine
    one_class = coarse.classes[:, None] == fine.classes[None]
    large, small_parts = coarse.corners[:, None], fine.corners[None]
    ratio = iou(coarse.corners, fine.corners)
    same = ratio >= np.where(fine.cut, params.merge_cover, params.merge_iou)  # a union needs the better agreement
    same |= covered(large, small_parts, params) >= params.merge_cover * area(coarse.corners)[:, None]
    known = np.asarray((same & one_class).any(axis=1))
    inside = covered(small_parts, large, params) >= params.merge_cover * area(fine.corners)
    fragments = fine.cut & (inside & one_class)[~known].any(axis=0)
    return suppress(join([fine[~fragments], coarse[~known]]), params)


def _table(
    found: Found, z: int, names: tuple[str, ...], corners: NDArray[np.float64], shape: tuple[int, int]
) -> pd.DataFrame:
    """Box table in whole pixels of a slice of this (y, x) shape, each box at least 1 px a side."""
    low = np.clip(np.floor(corners[:, :2] + 0.5), 0, np.array(shape) - 1)
    high = np.clip(np.floor(corners[:, 2:] + 0.5), low + 1, np.array(shape))
    classes = [names[i] for i in found.classes]
    return _rows(np.concatenate([low, high], axis=1), np.clip(found.scores, 0, 1), z, classes)
