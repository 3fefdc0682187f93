"""The referee against the truth: how good is the recipe that it picks without a mask, for each class of each data set.

    python tools/bench_referee.py DATA [--masknets FOLDER] [--sets lucchi vnc …] [--fit] [--save TABLE]

DATA holds one folder a data set, as for `tools/bench_accuracy.py`. The referee sees the tight boxes of some slices; the
IoU that it is held against is that of others, half way between them (of the same ones in `hela`, which has three).
Phantoms stand for the classes that no real set has. FOLDER holds `without_<set>.onnx`: masknet weights that never saw
the set. On phantoms the network that ships is tried, which learnt from other phantoms.

`--fit` also fits the weights anew, on all real pairs, six phantoms and recipes that are spoilt on purpose
(`tools/refereeing`), judges each real set once more by weights that were fitted without it, and tells by them what the
margin costs by which another recipe must lead the usual one: masknet, or one that is spoilt. Those that ship come from
there.
"""

import argparse
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from accuracy.sets import SETS
from refereeing.fakes import fakes
from refereeing.fit import fit, leave_out, losses, score
from refereeing.pairs import FITTED, FRESH, Pair, TrueSlice, phantom_pairs, real_pairs

from famous.extract import Extractor, MaskNetExtractor, MaskNetParams, make_extractor
from famous.extract.evidence import Sample, examine
from famous.extract.referee import RefereeParams, Weights, candidates, choose, kinds
from famous.extract.slices import in_boxes
from famous.voxels import VoxelSize
from famous.yolo.masknet import open_masknet, packaged_file

NEAR_ENOUGH = 0.02
MARGINS = (0, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.15)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--masknets", type=Path, help="folder with without_<set>.onnx")
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--fit", action="store_true", help="fit the weights, too")
    parser.add_argument("--save", type=Path, help="write evidence and IoU of every pair and recipe here, as CSV")
    options = parser.parse_args()
    real = (pair for pair in real_pairs(options.data) if pair.data_set in options.sets)
    groups: list[tuple[bool, Iterable[Pair]]] = [(True, real), (False, phantom_pairs(FRESH))]
    if options.fit:
        groups.append((False, phantom_pairs(FITTED)))
    tables = [measure(pair, is_real, options) for is_real, pairs in groups for pair in pairs if pair.labelled]
    table = pd.concat(tables, ignore_index=True)
    if options.save is not None:
        table.to_csv(options.save, index=False)
    shown = table[table["data_set"].isin([*SETS, *FRESH]) & ~table["fake"]]
    report("weights that ship", shown.assign(score=score(shown, Weights())))
    if options.fit:
        known = table[~table["data_set"].isin(FRESH)]
        parts = {name: shown[shown["data_set"] == name] for name in dict.fromkeys(shown["data_set"])}
        apart = [part.assign(score=score(part, leave_out(known, name))) for name, part in parts.items()]
        report("weights fitted without the data set", pd.concat(apart))
        every = {name: table[table["data_set"] == name] for name in parts}
        report_margins(
            pd.concat(part.assign(score=score(part, leave_out(known, name))) for name, part in every.items())
        )
        for only in (["real"], ["phantoms"]):
            chosen = known[known["real"] == (only == ["real"])]
            print(f"fitted on {only[0]} alone: {fit(chosen)}")
        print(f"fitted on all: {fit(known)}")


def measure(pair: Pair, real: bool, options: argparse.Namespace) -> pd.DataFrame:
    """One row a recipe: evidence from the labelled slices, IoU from the scored ones."""
    params = RefereeParams()
    recipes: dict[str, Extractor] = {
        name: make_extractor(recipe) for name, recipe in candidates(pair.class_name).items() if name != "masknet"
    }
    weights = (options.masknets and options.masknets / f"without_{pair.data_set}.onnx") if real else packaged_file()
    if weights and weights.exists():
        recipes["masknet"] = MaskNetExtractor(open_masknet(weights), MaskNetParams())
    spoilt = fakes() if options.fit else {}
    started = time.perf_counter()
    found = watch(pair, recipes | spoilt, params)
    took = time.perf_counter() - started
    evidence = found.groupby("recipe", sort=False).mean()
    iou = true_iou(pair.scored or pair.labelled, recipes, pair.voxel_size)
    if spoilt:
        iou = pd.concat([iou, true_iou(pair.labelled, spoilt, pair.voxel_size)])
    print(f"{pair.name}: {len(found) // len(evidence)} boxes tried in {took:.1f} s", flush=True)
    table = evidence.assign(iou=iou).reset_index()
    return table.assign(pair=pair.name, data_set=pair.data_set, real=real, fake=table["recipe"].isin(spoilt))


def watch(pair: Pair, recipes: Mapping[str, Extractor], params: RefereeParams) -> pd.DataFrame:
    """Examine the boxes that the referee chooses of the labelled slices; spoilt recipes have no voice."""
    known = kinds(candidates(pair.class_name))
    voices = {name: known[name] for name in recipes if name in known}
    counts = [len(one.truth) for one in pair.labelled]
    chosen = choose(np.concatenate([one.sample.corners for one in pair.labelled]), params)
    found = []
    for one, first in zip(pair.labelled, np.cumsum([0, *counts[:-1]]), strict=True):
        own = chosen[(chosen >= first) & (chosen < first + len(one.truth))] - first
        look(recipes, one)
        sample = Sample(one.sample.slab, one.sample.corners[own])
        found.append(examine(sample, recipes, voxel_size=pair.voxel_size, params=params.evidence, kinds=voices))
    return pd.concat(found)


def look(recipes: Mapping[str, Extractor], at: TrueSlice) -> None:
    for recipe in recipes.values():
        if hasattr(recipe, "look"):
            recipe.look(at)


def true_iou(slices: list[TrueSlice], recipes: Mapping[str, Extractor], voxel_size: VoxelSize) -> pd.Series:
    """Mean IoU of each recipe's masks with the truth, in the tight boxes."""
    values: dict[str, list[float]] = {name: [] for name in recipes}
    for one in slices:
        look(recipes, one)
        for name, recipe in recipes.items():
            masks = in_boxes(recipe, one.sample.slab[:, :, 1:4], one.sample.corners, voxel_size)
            for mask, true in zip(masks, one.truth, strict=True):
                values[name].append(float((mask & true.mask).sum() / (mask | true.mask).sum()))
    return pd.Series({name: float(np.mean(found)) for name, found in values.items()})


def report(title: str, table: pd.DataFrame) -> None:
    names = list(dict.fromkeys(table["recipe"]))
    print(f"\n## {title}\n\nMean IoU with the truth, and in brackets the referee's rank\n")
    print("| pair | " + " | ".join(names) + " | pick | best | loss |")
    print("|" + "---|" * (len(names) + 4))
    lost = losses(table, names)
    for row in lost.itertuples():
        own = table[table["pair"] == row.pair].set_index("recipe")
        ranks = own["score"].rank(ascending=False, method="first").astype(int)
        cells = [f"{own['iou'][n]:.3f} ({ranks[n]})" if n in own.index else "" for n in names]
        print(f"| {row.pair} | " + " | ".join(cells) + f" | {row.pick} | {row.best} | {row.loss:.3f} |")
    near = int((lost["loss"] <= NEAR_ENOUGH).sum())
    print(f"\nwithin {NEAR_ENOUGH} of the best in {near} of {len(lost)} pairs; mean loss {lost['loss'].mean():.4f}\n")


def report_margins(table: pd.DataFrame) -> None:
    """What the margin costs where the usual recipe is masknet, and where it is one that is spoilt."""
    honest = [name for name in dict.fromkeys(table.loc[~table["fake"], "recipe"]) if name != "masknet"]
    spoilt = list(dict.fromkeys(table.loc[table["fake"], "recipe"]))
    print("\n## The lead that another recipe needs; weights fitted without the data set\n")
    print("| margin | masknet is usual: near the best | mean loss | a spoilt one is: near the best | mean loss |")
    print("|---:|---:|---:|---:|---:|")
    for margin in MARGINS:
        own = losses(table, [*honest, "masknet"], "masknet", margin)["loss"]
        bad = pd.concat([losses(table, [*honest, name], name, margin) for name in spoilt])["loss"]
        cells = [f"{(loss <= NEAR_ENOUGH).sum()} of {len(loss)} | {loss.mean():.4f}" for loss in (own, bad)]
        print(f"| {margin:g} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
