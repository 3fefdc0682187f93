"""What a tight box tells of a mask without the truth: evidence on every recipe, a number from 0 to 1 each per box.

The organelle touches all four sides of its box, is one piece, and its outline parts grey values. A recipe that sees the
organelle, not the box, gives the same mask when the box is moved, stays inside the true box when the box is too large,
and so finds the tight box again.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous.boxes import iou as box_iou
from famous.errors import InputError
from famous.extract.slices import Extractor, in_boxes
from famous.voxels import VoxelSize

#: The kinds of evidence.
EVIDENCE = (
    "touch",  # the mask reaches the four sides of the box
    "whole",  # it is one piece without holes and bays
    "neighbours",  # the same box gives about the same mask on z - 1 and z + 1
    "contrast",  # grey values differ between the two sides of its outline
    "steady",  # the box moved a little gives the same mask
    "inside",  # the box enlarged gives a mask that stays in the true box
    "recovers",  # the tight box round that mask is the true box
    "agreement",  # the other kinds of recipes say about the same
    "area",  # it fills about as much of its box as organelles do
)
Mask = NDArray[np.bool_]
Corners = NDArray[np.int32]


@dataclass(frozen=True)
class EvidenceParams:
    """How boxes are disturbed, and what a mask is held against."""

    margin: float = 0.15  # how far the enlarged box goes beyond each side, as a share of the side
    shift: float = 0.08  # how far the moved boxes lie off, as a share of the side
    usual_area: float = 0.72  # share of its tight box that an organelle usually fills; an upright ellipse: 0.79

    def __post_init__(self) -> None:
        if not (0 < self.margin <= 1 and 0 < self.shift <= 0.5 and 0 < self.usual_area < 1):
            raise InputError(
                f"referee: found margin {self.margin}, shift {self.shift}, usual_area {self.usual_area}; expected "
                "shares above 0, up to 1, up to 0.5, and below 1"
            )


@dataclass(frozen=True, eq=False)
class Sample:
    """Boxes of one class in one slice.

    `slab` is (y, x, 5): z - 2 … z + 2, so that a recipe with neighbours can be asked on z - 1 and z + 1, too; beyond
    the first and last slice the edge slice is repeated. `corners` is (n, 4): y0, x0, y1, x1, tight and in the slice.
    """

    slab: NDArray[np.uint8]
    corners: Corners

    def __post_init__(self) -> None:
        if self.slab.ndim != 3 or self.slab.shape[2] != 5 or self.slab.dtype != np.uint8:
            raise InputError(f"referee: found a slab {self.slab.shape} {self.slab.dtype}, expected (y, x, 5) uint8")
        if self.corners.ndim != 2 or self.corners.shape[1] != 4:
            raise InputError(f"referee: found corners {self.corners.shape}, expected (n, 4)")


def examine(
    sample: Sample,
    recipes: Mapping[str, Extractor],
    *,
    voxel_size: VoxelSize,
    params: EvidenceParams,
    kinds: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Run every recipe on every box of a slice, as it is and disturbed; one row a box and recipe.

    `kinds` names the kind of each recipe, each of its own if None: agreement is with the other kinds, a voice each, so
    that a kind does not win by the number of its variants. A recipe without a kind has no voice.

    Returns columns `recipe` and the `EVIDENCE`, each from 0 to 1. A recipe that returns nothing for a box has 0
    everywhere.
    """
    rows: list[dict[str, str | float]] = []
    kinds = dict(zip(recipes, recipes, strict=True)) if kinds is None else kinds
    if len(sample.corners):
        trials = {name: _try(sample, recipe, voxel_size, params) for name, recipe in recipes.items()}
        for box in range(len(sample.corners)):
            view = _View.of(sample, box, params)
            masks = {name: view.place(trial.plain, box) for name, trial in trials.items()}
            agreed = _agreement(masks, kinds)
            for name, trial in trials.items():
                rows.append({"recipe": name} | _weigh(view, box, trial, masks[name], agreed[name]))
    table = pd.DataFrame(rows, columns=["recipe", *EVIDENCE])
    return table.astype({"recipe": "str"} | dict.fromkeys(EVIDENCE, "float64"))


@dataclass(frozen=True, eq=False)
class _Cut:
    """Boxes and the masks that a recipe gave in them."""

    corners: Corners
    masks: list[Mask]


@dataclass(frozen=True, eq=False)
class _Trial:
    """What one recipe gave for the boxes of a sample: as they are, on the neighbours, moved, and enlarged."""

    plain: _Cut
    neighbours: tuple[_Cut, _Cut]
    moved: tuple[_Cut, _Cut]
    enlarged: _Cut


def _try(sample: Sample, recipe: Extractor, voxel_size: VoxelSize, params: EvidenceParams) -> _Trial:
    corners = sample.corners

    def cut(boxes: Corners, z: int = 0) -> _Cut:
        return _Cut(boxes, in_boxes(recipe, sample.slab[:, :, 1 + z : 4 + z], boxes, voxel_size))

    step = _share(corners, params.shift)
    low, high = (_clip(corners + sign * step, sample.slab) for sign in (-1, 1))
    large = _enlarge(corners, params.margin, sample.slab)
    return _Trial(cut(corners), (cut(corners, -1), cut(corners, 1)), (cut(low), cut(high)), cut(large))


def _share(corners: Corners, share: float) -> NDArray[np.int64]:
    """Share of each box's sides in whole pixels, 1 at least; (n, 4) as the corners."""
    sides = np.tile(corners[:, 2:] - corners[:, :2], 2)
    return np.maximum(1, np.rint(share * sides)).astype(np.int64)


def _enlarge(corners: Corners, share: float, slab: NDArray[np.uint8]) -> Corners:
    return _clip(corners + _share(corners, share) * np.array([-1, -1, 1, 1]), slab)


def _clip(corners: NDArray[np.int64], slab: NDArray[np.uint8]) -> Corners:
    """Keep boxes in the slice, with a pixel at least."""
    limits = np.array([*slab.shape[:2]])
    low = np.clip(corners[:, :2], 0, limits - 1)
    return np.concatenate([low, np.clip(corners[:, 2:], low + 1, limits)], axis=1).astype(np.int32)


@dataclass(frozen=True, eq=False)
class _View:
    """What is looked at for one box: the enlarged box and a rim, in which all masks are compared."""

    frame: NDArray[np.int64]  # corners in the slice
    box: NDArray[np.int64]  # corners in the frame
    grey: NDArray[np.float32]
    disc: NDArray[np.uint8]  # structuring element as wide as the bands on the two sides of an outline
    usual_area: float

    @classmethod
    def of(cls, sample: Sample, box: int, params: EvidenceParams) -> "_View":
        corners = sample.corners[box : box + 1]
        height, width = (corners[0, 2:] - corners[0, :2]).tolist()
        radius = max(2, round(0.1 * float(np.sqrt(height * width))))
        large = _enlarge(corners, params.margin, sample.slab).astype(np.int64)
        frame = _clip(large + (radius + 1) * np.array([-1, -1, 1, 1]), sample.slab)[0].astype(np.int64)
        y0, x0, y1, x1 = frame
        grey = cv2.GaussianBlur(np.ascontiguousarray(sample.slab[y0:y1, x0:x1, 2]), (0, 0), 1.0)
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
        here = corners[0].astype(np.int64) - np.tile(frame[:2], 2)
        return cls(frame, here, grey.astype(np.float32), np.asarray(disc, dtype=np.uint8), params.usual_area)

    def place(self, cut: _Cut, box: int) -> Mask:
        """Put a box's mask into the frame."""
        image = np.zeros(self.grey.shape, dtype=np.bool_)
        image[self.window(cut, box)] = cut.masks[box]
        return image

    def window(self, cut: _Cut, box: int) -> tuple[slice, slice]:
        """Where a box lies in the frame."""
        y0, x0, y1, x1 = (cut.corners[box] - np.tile(self.frame[:2], 2)).tolist()
        return slice(y0, y1), slice(x0, x1)


def _agreement(masks: Mapping[str, Mask], kinds: Mapping[str, str]) -> dict[str, float]:
    """Mean over the other kinds of the mean IoU of a mask with theirs; 1 where there is no other kind."""
    voices: dict[str, list[Mask]] = {}
    for name, mask in masks.items():
        if name in kinds:
            voices.setdefault(kinds[name], []).append(mask)
    found = {}
    for name, mask in masks.items():
        said = [
            np.mean([_iou(mask, other) for other in others])
            for kind, others in voices.items()
            if kind != kinds.get(name)
        ]
        found[name] = float(np.mean(said)) if said else 1.0
    return found


def _weigh(view: _View, box: int, trial: _Trial, mask: Mask, agreement: float) -> dict[str, float]:
    if not mask.any():
        return dict.fromkeys(EVIDENCE, 0.0)
    y0, x0, y1, x1 = view.box.tolist()
    own = mask[y0:y1, x0:x1]
    large = view.place(trial.enlarged, box)
    steady = []
    for cut in trial.moved:
        window = view.window(cut, box)
        both = np.zeros_like(mask)
        both[window] = True
        both[:y0], both[y1:], both[:, :x0], both[:, x1:] = False, False, False, False
        steady.append(_iou(view.place(cut, box) & both, mask & both))
    return {
        "touch": _touch(own),
        "whole": _whole(own),
        "neighbours": float(np.mean([_iou(own, cut.masks[box]) for cut in trial.neighbours])),
        "contrast": _contrast(view, mask),
        "steady": float(np.mean(steady)),
        "inside": int(np.count_nonzero(large[y0:y1, x0:x1])) / max(1, int(np.count_nonzero(large))),
        "recovers": float(box_iou(_bounds(large), view.box)[0, 0]),
        "agreement": agreement,
        "area": float(1 - min(abs(own.mean() - view.usual_area), 0.5) / 0.5),
    }


def _iou(a: Mask, b: Mask) -> float:
    """Intersection over union; 0 where both are empty."""
    return int(np.count_nonzero(a & b)) / max(1, int(np.count_nonzero(a | b)))


def _bounds(mask: Mask) -> NDArray[np.int64]:
    """Corners of the tight box; an empty mask has none, all 0."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    return np.array([y, x, y + height, x + width], dtype=np.int64)


def _touch(mask: Mask) -> float:
    """1 on all four sides; a side from which the mask stays away by a tenth of the box or more counts 0."""
    height, width = mask.shape
    y0, x0, y1, x1 = _bounds(mask).tolist()
    gaps = np.array([y0 / height, x0 / width, 1 - y1 / height, 1 - x1 / width])
    return float(1 - np.clip(gaps / 0.1, 0, 1).mean())


def _whole(mask: Mask) -> float:
    """Share of its convex hull that it fills, times the share left by its holes; pieces apart have a large hull."""
    image = mask.view(np.uint8)
    contours, _ = cv2.findContours(image, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull, filled = np.zeros_like(image), np.zeros_like(image)
    cv2.fillConvexPoly(hull, cv2.convexHull(np.concatenate(contours)), 1)
    cv2.drawContours(filled, contours, -1, 1, cv2.FILLED)
    pixels, round_it = int(np.count_nonzero(mask)), int(np.count_nonzero(hull | image))
    return pixels / round_it * pixels / int(np.count_nonzero(filled))


def _contrast(view: _View, mask: Mask) -> float:
    """Difference d of the mean grey values in a band inside and one outside of the outline, in standard deviations.

    Returned as d / (1 + d).
    """
    image = mask.view(np.uint8)
    outer = (cv2.dilate(image, view.disc) > 0) & ~mask
    inner = mask & ~(cv2.erode(image, view.disc, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0)
    if min(np.count_nonzero(outer), np.count_nonzero(inner)) < 3:
        return 0.0
    a, b = view.grey[inner], view.grey[outer]
    distance = abs(float(a.mean()) - float(b.mean())) / float(np.sqrt((a.var() + b.var()) / 2 + 1))
    return distance / (1 + distance)
