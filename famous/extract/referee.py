"""The referee: which recipe suits a class, told from tight boxes alone, without a mask.

Every recipe is run on some labelled boxes; `famous.extract.evidence` says how well its masks fit what a tight box
implies, and the recipe's score is the weighted mean of that.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous.errors import InputError
from famous.extract import MaskNetParams, RecipeParams, default_recipe, paper_recipe
from famous.extract.ellipse import EllipseParams
from famous.extract.evidence import EVIDENCE, EvidenceParams, Sample, examine
from famous.extract.otsu import OtsuParams
from famous.extract.slices import Extractor
from famous.voxels import VoxelSize


@dataclass(frozen=True)
class Weights:
    """What each evidence counts; only the ratios matter. `tools/bench_referee.py` fits them and tells how."""

    touch: float = 0.11  # the mask reaches the four sides of the box
    whole: float = 0.19  # it is one piece without holes and bays
    neighbours: float = 0.0  # the same box gives about the same mask on z - 1 and z + 1
    contrast: float = 0.09  # grey values differ between the two sides of its outline
    steady: float = 0.07  # the box moved a little gives the same mask
    inside: float = 0.18  # the box enlarged gives a mask that stays in the true box
    recovers: float = 0.12  # the tight box round that mask is the true box
    agreement: float = 0.21  # the other kinds of recipes say about the same
    area: float = 0.03  # it fills about as much of its box as organelles do

    def __post_init__(self) -> None:
        values = [getattr(self, name) for name in EVIDENCE]
        if not all(0 <= value < float("inf") for value in values) or not any(values):
            raise InputError(f"referee: found weights {values}, expected finite numbers of 0 or more, not all 0")


@dataclass(frozen=True)
class RefereeParams:
    """On how much a class is judged, and how the boxes are disturbed."""

    boxes: int = 48  # boxes of a class that are tried, at most
    minimum_boxes: int = 5  # fewer than these are no ground for a verdict: the class keeps its default recipe
    megapixels: float = 4.0  # boxes together that are tried, at most, but never fewer than minimum_boxes
    smallest_px: int = 6  # side of the smallest box that is tried, px
    seed: int = 0  # of the choice
    margin: float = 0.04  # score by which another recipe must lead the class's default to take its place
    evidence: EvidenceParams = field(default_factory=EvidenceParams)
    weights: Weights = field(default_factory=Weights)

    def __post_init__(self) -> None:
        if self.minimum_boxes < 1 or self.boxes < self.minimum_boxes:
            raise InputError(
                f"referee: found boxes {self.boxes} and minimum_boxes {self.minimum_boxes}, "
                "expected 1 or more, and boxes not below minimum_boxes"
            )
        if self.smallest_px < 2 or not 0 < self.megapixels < float("inf") or self.seed < 0:
            raise InputError(
                f"referee: found smallest_px {self.smallest_px}, megapixels {self.megapixels}, seed {self.seed}; "
                "expected 2 or more, above 0, 0 or more"
            )
        if not 0 <= self.margin < float("inf"):
            raise InputError(f"referee: found margin {self.margin}, expected a finite number of 0 or more")


def candidates(class_name: str) -> dict[str, RecipeParams]:
    """Name the recipes that are tried for a class, its default first: of equal ones the first is picked.

    One of them is masknet, which needs a network (`famous.yolo.masknet`).
    """
    ours, paper = OtsuParams(), paper_recipe("mitochondrion")
    wide = replace(ours, blur_nm=2 * ours.blur_nm, erode_nm=2 * ours.erode_nm, dilate_nm=2 * ours.dilate_nm)
    found: dict[str, RecipeParams] = {"masknet": MaskNetParams(), "ellipse": EllipseParams()}
    polarities: tuple[Literal["dark"], Literal["bright"]] = ("dark", "bright")
    for polarity in polarities:
        found[f"otsu {polarity}"] = replace(ours, polarity=polarity)
        found[f"otsu {polarity}, wide"] = replace(wide, polarity=polarity)
        if isinstance(paper, OtsuParams):
            found[f"paper {polarity}"] = replace(paper, polarity=polarity)
    usual = default_recipe(class_name)
    if usual not in found.values():
        found["default"] = usual
    return dict(sorted(found.items(), key=lambda entry: entry[1] != usual))


def kinds(recipes: Mapping[str, RecipeParams]) -> dict[str, str]:
    """Tell of what kind each recipe is: variants of one method for the same polarity say much the same."""
    return {
        name: f"otsu {recipe.polarity}" if isinstance(recipe, OtsuParams) else type(recipe).__name__
        for name, recipe in recipes.items()
    }


def choose(corners: NDArray[np.integer], params: RefereeParams) -> NDArray[np.int64]:
    """Choose boxes, (n, 4) in the order of the slices, evenly from all of them; returns their positions, rising."""
    sides = corners[:, 2:].astype(np.int64) - corners[:, :2]
    usable = np.flatnonzero(sides.min(axis=1, initial=np.iinfo(np.int64).max) >= params.smallest_px)
    if len(usable) == 0:
        return usable
    affordable = int(params.megapixels * 1e6 / sides[usable].prod(axis=1).mean())
    count = min(len(usable), params.boxes, max(affordable, params.minimum_boxes))
    start = np.random.default_rng(params.seed).random()
    positions: NDArray[np.int64] = usable[((np.arange(count) + start) * len(usable) / count).astype(np.int64)]
    return positions


def rank(
    evidence: Iterable[pd.DataFrame], recipes: Iterable[str], weights: Weights | None = None, margin: float = 0.0
) -> pd.DataFrame:
    """Rank recipes by what `examine` found, one table a slice; the best first.

    Returns columns `rank` (from 1), `recipe`, `score` (0 … 1), `boxes`, and the mean of each of the `EVIDENCE`. Of
    recipes with equal scores the one named first is ahead; the very first, which is the usual one, is also ahead of
    all where none leads it by more than the margin. Without a box the table is empty.
    """
    weights = weights or Weights()
    counts = np.array([getattr(weights, name) for name in EVIDENCE])
    order = {name: position for position, name in enumerate(recipes)}
    every = pd.concat([*evidence, _nothing()], ignore_index=True)
    unknown = sorted(set(every["recipe"]) - set(order))
    if unknown:
        raise InputError(f"referee: found evidence on {unknown}, expected one of {list(order)}")
    grouped = every.groupby("recipe", sort=False)[list(EVIDENCE)]
    table = grouped.mean().round(6).assign(boxes=grouped.size()).reset_index()
    table["score"] = (table[list(EVIDENCE)].to_numpy(np.float64) @ counts / counts.sum()).round(6)
    position, score = table["recipe"].map(order).to_numpy(np.int64), table["score"].to_numpy()
    gives_way = (position > 0) | (table["score"].max() - score > margin + 1e-9)
    table = table.iloc[np.lexsort((position, -score, gives_way))]
    table = table.assign(rank=np.arange(1, len(table) + 1, dtype=np.int64))
    table = table.astype({"recipe": "str", "score": "float64", "boxes": "int64"})
    return table[["rank", "recipe", "score", "boxes", *EVIDENCE]].reset_index(drop=True)


def judge(
    samples: Iterable[Sample], recipes: Mapping[str, Extractor], *, voxel_size: VoxelSize, params: RefereeParams
) -> pd.DataFrame:
    """Examine samples of one class one after the other, and rank the recipes; the pick is the first row."""
    found = [examine(sample, recipes, voxel_size=voxel_size, params=params.evidence) for sample in samples]
    return rank(found, recipes, params.weights, params.margin)


def _nothing() -> pd.DataFrame:
    columns = {"recipe": pd.Series(dtype="str")} | {name: pd.Series(dtype="float64") for name in EVIDENCE}
    return pd.DataFrame(columns)
