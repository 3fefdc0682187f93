"""All boxes of one slice to one box-id image per class."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous.boxes import COLUMNS, CORNERS, require
from famous.errors import InputError
from famous.voxels import VoxelSize


class Extractor(Protocol):
    """Turns boxes into pixels: the one method that a new recipe needs."""

    def __call__(
        self, slab: NDArray[np.uint8], corners: NDArray[np.int32], voxel_size: VoxelSize
    ) -> list[NDArray[np.bool_]]:
        """Return one mask per box, each of the box's own shape, or of its `widened` shape.

        An extractor whose masks may go beyond the box has an attribute `reach`, the share of the box's side by which
        they are larger on each side; of others it is 0.

        `slab` is (y, x, c), the slice is its middle channel; `corners` is (n, 4): y0, x0, y1, x1, inside the slice.
        It has three channels, z − 1, z, z + 1, unless all extractors of a run have an attribute `channels` of 1.
        """


def extract_slice(
    slab: NDArray[np.uint8],
    boxes: pd.DataFrame | Mapping[str, NDArray[Any]],
    recipes: Mapping[str, Extractor],
    *,
    voxel_size: VoxelSize,
    exclusive: Sequence[Sequence[str]] = (),
) -> dict[str, NDArray[np.uint32]]:
    """Turn the boxes of one slice into pixels, one image per class.

    Parameters
    ----------
    slab
        (y, x, c) grey values; the slice is the middle channel.
    boxes
        Box table of this slice, or its columns as arrays, which are quicker to look up. What of a box lies outside the
        slice is cut off before the recipe sees it.
    recipes
        Extractor of each class; one that several classes share is asked about all of their boxes at once.
    voxel_size
        Scale of the recipes' lengths.
    exclusive
        Groups of classes that may not share a pixel. Classes outside every group may lie inside one another; names
        without a recipe are ignored.

    Returns
    -------
    dict
        Class → (y, x) box ids, 0 is background; every class of `recipes`, also without a box. A pixel that several
        boxes claim goes to the highest score, of equal scores to the lowest box id.

    Raises
    ------
    InputError
        Wrong slab, boxes of several slices, a class without a recipe, a class in two groups, a mask of wrong shape.
    """
    if slab.ndim != 3 or slab.dtype != np.uint8:
        raise InputError(f"extract: found a slab {slab.shape} {slab.dtype}, expected (y, x, c) uint8")
    if isinstance(boxes, pd.DataFrame):
        require(boxes, list(COLUMNS))
    names, ids, scores = (np.asarray(boxes[column], dtype=object) for column in ("class_name", "box", "score"))
    _check(np.asarray(boxes["z"]), ids, set(names), recipes)
    rivals = _rivals(recipes, exclusive)
    height, width = slab.shape[:2]
    images = {name: np.zeros((height, width), dtype=np.uint32) for name in recipes}
    claims: list[tuple[float, int, str, list[int], NDArray[np.bool_]]] = []
    limits = np.array([height, width, height, width])
    every: NDArray[Any] = np.stack([np.asarray(boxes[column], dtype=np.int64) for column in CORNERS], axis=1)
    every = np.clip(every, 0, limits).astype(np.int32)
    inside = (every[:, 2] > every[:, 0]) & (every[:, 3] > every[:, 1])
    for extractor, classes in _together(recipes, set(names)):
        own = np.flatnonzero(np.isin(names, classes) & inside)
        corners = every[own]
        masks = extractor(slab, corners, voxel_size) if len(own) else []
        corners = widened(corners, reach_of(extractor), (height, width))
        asked = ", ".join(repr(name) for name in classes)
        if len(masks) != len(corners):
            raise InputError(f"extract: the recipe of {asked} returned {len(masks)} masks for {len(corners)} boxes")
        for row, corner, mask in zip(own.tolist(), corners.tolist(), masks, strict=True):
            if mask.shape != (corner[2] - corner[0], corner[3] - corner[1]):
                raise InputError(f"extract: the recipe of {asked} returned a mask {mask.shape} for the box {corner}")
            claims.append((float(scores[row]), int(ids[row]), str(names[row]), corner, mask))
    for _, box, name, (y0, x0, y1, x1), mask in sorted(claims, key=lambda claim: (claim[0], -claim[1])):
        for rival in rivals[name]:
            images[rival][y0:y1, x0:x1][mask] = 0
        images[name][y0:y1, x0:x1][mask] = box  # painted by rising priority: the best claim stays on top
    return images


def reach_of(extractor: Extractor) -> float:
    """Tell by which share of a box's side the masks of an extractor are larger than the box, on each side."""
    return float(getattr(extractor, "reach", 0.0))


def widened(corners: NDArray[np.integer], reach: float, shape: tuple[int, int]) -> NDArray[np.int32]:
    """Widen boxes (n, 4) by a share of their sides on each side, to whole pixels inside the slice (y, x)."""
    corners = np.asarray(corners, dtype=np.int64).reshape(-1, 4)
    if reach == 0:
        return corners.astype(np.int32)
    spare = np.ceil(reach * (corners[:, 2:] - corners[:, :2])).astype(np.int64)
    wide = np.concatenate([corners[:, :2] - spare, corners[:, 2:] + spare], axis=1)
    limits = np.array([*shape, *shape])
    inside: NDArray[np.int32] = np.clip(wide, 0, limits).astype(np.int32)
    return inside


def pixel_corners(boxes: pd.DataFrame, shape: tuple[int, int]) -> NDArray[np.int64]:
    """Tell how far the pixels of boxes may reach in a slice (y, x): (n, 4), wider than the box by column `reach`."""
    corners: NDArray[np.int64] = np.clip(boxes[CORNERS].to_numpy(np.int64), 0, [*shape, *shape])
    if "reach" in boxes:
        shares = boxes["reach"].to_numpy(np.float64)
        for share in np.unique(shares):
            corners[shares == share] = widened(corners[shares == share], float(share), shape)
    return corners


def in_boxes(
    extractor: Extractor, slab: NDArray[np.uint8], corners: NDArray[np.int32], voxel_size: VoxelSize
) -> list[NDArray[np.bool_]]:
    """Run an extractor on boxes that are known to be tight: masks of the boxes' own shapes, whatever its reach."""
    masks = extractor(slab, corners, voxel_size)
    offsets = np.asarray(corners) - np.tile(widened(corners, reach_of(extractor), slab.shape[:2])[:, :2], 2)
    return [mask[y0:y1, x0:x1] for mask, (y0, x0, y1, x1) in zip(masks, offsets, strict=True)]


def _check(z: NDArray[Any], ids: NDArray[Any], names: set[str], recipes: Mapping[str, Extractor]) -> None:
    slices = sorted(set(z.tolist()))
    if len(slices) > 1:
        raise InputError(f"extract: found boxes of the slices {slices}, expected those of one slice")
    if len(set(ids)) < len(ids):
        raise InputError("extract: found a box id that occurs twice, expected unique ids")
    unknown = sorted(names - set(recipes))
    if unknown:
        raise InputError(f"extract: found boxes of {unknown} without a recipe; there are recipes for {sorted(recipes)}")


def _together(recipes: Mapping[str, Extractor], names: set[str]) -> list[tuple[Extractor, list[str]]]:
    """Sort the classes that a slice has by their extractor: a network is quicker when it is asked once."""
    groups: dict[int, tuple[Extractor, list[str]]] = {}
    for name in sorted(names):
        groups.setdefault(id(recipes[name]), (recipes[name], []))[1].append(name)
    return list(groups.values())


def _rivals(recipes: Mapping[str, Extractor], exclusive: Sequence[Sequence[str]]) -> dict[str, list[str]]:
    rivals: dict[str, list[str]] = {name: [] for name in recipes}
    seen: set[str] = set()
    for group in exclusive:
        if twice := sorted(seen & set(group)):
            raise InputError(f"exclusive: found {twice} in two groups, expected each class in one group at most")
        seen |= set(group)
        for name in set(group) & set(recipes):
            rivals[name] = [other for other in recipes if other in group and other != name]
    return rivals
