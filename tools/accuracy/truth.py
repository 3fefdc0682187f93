"""Recipes on true boxes: every set, every recipe, a Markdown table a set and one of all."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from accuracy.metrics import MaskScores, score_masks, shared_and_either
from accuracy.recipes import ADAPTED, FILLED, MASKNET, recipes
from accuracy.sets import SETS, DataSet, LabelledSlice, labelled_slices
from famous.extract import Extractor, MaskNetParams
from famous.extract.slices import reach_of, widened
from famous.voxels import VoxelSize

COLUMNS = ("boxes", "mean IoU", "SA50", "SA75", "mSA", "pooled IoU", "strict SA75", "strict mSA", "ms per box")
LEGEND = (
    "SA50, SA75: share of the objects with an IoU above 0.5, 0.75; mSA: mean of the shares above 0.5, 0.55 … 0.95. "
    "Strict: TP / (TP + FP + FN), where an object that fails counts twice, as in the figures that others published."
)
#: What others published for the same job, true boxes of single slices (slices of theirs): set → name → column → figure.
PUBLISHED = {
    "lucchi": {
        "*SAM ViT-B, as published*": {"strict mSA": 0.766, "strict SA75": 0.885},
        "*SAM tuned on EM without this set, as published*": {"strict mSA": 0.798, "strict SA75": 0.951},
    }
}


@dataclass(frozen=True)
class RecipeScores:
    """One recipe on one set."""

    scores: MaskScores
    ms_per_box: float  # median over the slices


def bench_truth(
    data: Path, names: Sequence[str], masknets: Path | None, jitter: float, step: int | None
) -> dict[str, dict[str, Any]]:
    """Score every recipe on every set, printing each table when it is done; returns set → recipe → figures."""
    results = {}
    tight = MaskNetParams(box_error=jitter) if jitter else MaskNetParams(reach=0, box_error=0)
    print(LEGEND)
    for name in names:
        if not (data / name).is_dir():
            print(f"{name}: not there, left out", flush=True)
            continue
        one = SETS[name]
        chosen = list(labelled_slices(data, one, jitter=jitter, step=step))
        found = {
            recipe: score_recipe(extractor, chosen, one.voxel_size)
            for recipe, extractor in recipes(name, masknets, tight).items()
        }
        print(f"\n### {name}: {len(chosen)} slices, {one.voxel_size}{told(one, jitter)}\n")
        print("\n".join(table(found, PUBLISHED.get(name, {}))), flush=True)
        results[name] = figures(found)
    print("\n### Mean IoU of all sets\n")
    print("\n".join(summary(results)), flush=True)
    return results


def figures(found: dict[str, RecipeScores]) -> dict[str, Any]:
    """Return what was found as JSON holds it: recipe → name of the figure → figure."""
    return {recipe: {**asdict(one.scores), "ms_per_box": one.ms_per_box} for recipe, one in found.items()}


def told(one: DataSet, jitter: float) -> str:
    """Say what else the boxes of a set are."""
    moved = f", sides moved by a normal {jitter:.0%} of their length" if jitter else ""
    return ("" if one.consecutive else ", single slices") + moved


def score_recipe(extractor: Extractor, chosen: Iterable[LabelledSlice], voxel_size: VoxelSize) -> RecipeScores:
    """Extract the boxes of every slice and compare with the truth; the first call of an extractor is not timed."""
    pixels, milliseconds, is_warm = [], [], False
    for item in chosen:
        if len(item.corners) == 0:
            continue
        if not is_warm:
            extractor(item.slab, item.corners, voxel_size)
            is_warm = True
        start = time.perf_counter()
        masks = extractor(item.slab, item.corners, voxel_size)
        milliseconds.append((time.perf_counter() - start) * 1e3 / len(item.corners))
        places = widened(item.corners, reach_of(extractor), item.slab.shape[:2])
        pixels += [
            shared_and_either(corners, mask, truth)
            for corners, mask, truth in zip(places, masks, item.truth, strict=True)
        ]
    median = float(np.median(milliseconds)) if milliseconds else float("nan")
    return RecipeScores(score_masks(np.array(pixels, dtype=np.int64).reshape(-1, 2)), median)


def table(found: dict[str, RecipeScores], published: dict[str, dict[str, float]]) -> list[str]:
    """Lines of a Markdown table; what others published has the columns that they gave."""
    lines = [f"| recipe | {' | '.join(COLUMNS)} |", "|---|" + "---:|" * len(COLUMNS)]
    for name, one in found.items():
        s = one.scores
        shares = [f"{value:.3f}" for value in (s.mean_iou, s.sa50, s.sa75, s.msa, s.pooled_iou)]
        shares += [f"{value:.3f}" for value in (s.strict_sa75, s.strict_msa)]
        lines.append(f"| {name} | {s.boxes} | {' | '.join(shares)} | {one.ms_per_box:.2f} |")
    for name, figures in published.items():
        cells = [f"{figures[column]:.3f}" if column in figures else "–" for column in COLUMNS]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def summary(results: dict[str, dict[str, Any]]) -> list[str]:
    """Lines of a Markdown table of the mean IoU, and how far masknet is above the best recipe without weights."""
    names = list(results)
    rows = {recipe: [results[name].get(recipe, {}).get("mean_iou") for name in names] for recipe in _all(results)}
    lines = [f"| mean IoU | {' | '.join(names)} |", "|---|" + "---:|" * len(names)]
    lines += [f"| {recipe} | {' | '.join(map(_cell, values))} |" for recipe, values in rows.items()]
    best = [_best(results[name]) for name in names]
    lines.append(f"| best of those without weights | {' | '.join(map(_cell, best))} |")
    if MASKNET in rows:
        above = [f"{own - other:+.3f}" for own, other in zip(rows[MASKNET], best, strict=True)]
        lines.append(f"| masknet above it by | {' | '.join(above)} |")
    return lines


def _all(results: dict[str, dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(recipe for found in results.values() for recipe in found))


def _best(found: dict[str, Any]) -> float:
    return max(figures["mean_iou"] for recipe, figures in found.items() if recipe not in (FILLED, MASKNET, ADAPTED))


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
