"""Recipes on detected boxes: a detector learns the boxes of a block of slices, the truth judges on another block."""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from bench_famous import CLASS, SETTINGS, Setting, prepare
from numpy.typing import NDArray

from accuracy.detected import detect, learnt
from accuracy.recipes import ADAPTED, recipes, weights_without
from accuracy.sets import SETS, DataSet, LabelledSlice, TrueMask, true_masks
from accuracy.truth import LEGEND, figures, score_recipe, summary, table
from famous import boxes as box_table
from famous.io.volumes import read_label_volume
from famous.pipeline.project import Project
from famous.stack import slabs

#: Slices that are labelled, and those that are scored; of hela's three, which lie far apart, two and one.
BLOCKS = {
    **{name: (setting.train, setting.score) for name, setting in SETTINGS.items()},
    "cdeep3m": (tuple(range(12)), range(14, 20)),
    "isbi2012": (tuple(range(18)), range(20, 30)),
    "hela": ((0, 1), range(2, 3)),
}


def bench_found(
    data: Path, names: Sequence[str], work: Path, minutes: float, masknets: Path | None, starts: Path | None
) -> dict[str, dict[str, Any]]:
    """Train a detector for each set and score every recipe on its boxes, printing each table when it is done.

    Returns set → recipe → figures.
    """
    results = {}
    print("A box is scored with the true object that it found: one to one in each slice, IoU of the boxes 0.5 or more.")
    print(LEGEND)
    for name in names:
        if not (data / name).is_dir():
            print(f"{name}: not there, left out", flush=True)
            continue
        one, (train, score) = SETS[name], BLOCKS[name]
        truth = true_slices(data, one, (*train, *score))
        known = boxes_of_masks(truth)
        weights = start_of(name, starts, data)
        options = argparse.Namespace(data=data, work=work / f"{name}_{len(train)}", minutes=minutes, weights=weights)
        raw = f"{name}/raw.tif" if (data / name / "raw.tif").exists() else f"{name}/raw"
        setting = Setting(raw, f"{name}/{one.labels}", one.voxel_size.zyx, train, score)
        channels = "2.5d" if one.consecutive else "gray"
        sys.stderr.write(f"{name}: training from {weights}\n")
        project = prepare(
            options, setting, known, read_label_volume(data / setting.truth).stack.shape, channels=channels
        )
        boxes, trained = detect(project, score)
        taken = taken_by(known[known["z"].isin(score)], boxes)
        extractors = recipes(name, masknets)
        if masknets is not None:
            labelled = known[known["z"].isin(train)]
            target = work / f"{name}_{len(train)}_found.onnx"
            extractors[ADAPTED] = learnt(project, labelled, weights_without(name, masknets), target)
        chosen = list(matched(project, one, truth, boxes, taken))
        found = {recipe: score_recipe(extractor, chosen, one.voxel_size) for recipe, extractor in extractors.items()}
        recall, precision = len(taken) / max(1, known["z"].isin(score).sum()), len(taken) / max(1, len(boxes))
        print(
            f"\n### {name}: {len(train)} slices labelled, {len(score)} scored, {trained:.1f} min of training; boxes of "
            f"score 0.25: recall {recall:.3f}, precision {precision:.3f}\n"
        )
        print("\n".join(table(found, {})), flush=True)
        results[name] = figures(found)
    print("\n### Mean IoU of all sets\n")
    print("\n".join(summary(results)), flush=True)
    return results


def start_of(name: str, starts: Path | None, data: Path) -> str | None:
    """Find the weights to start from: a detector that never saw the set, else COCO's, else none of ours."""
    coco = data / "weights" / "yolo26n.pt"
    own = starts / f"without_{name}" / "best.pt" if starts is not None else coco
    chosen = own if own.exists() else coco
    return str(chosen) if chosen.exists() else None


def true_slices(data: Path, one: DataSet, slices: Sequence[int]) -> dict[int, list[TrueMask]]:
    """Cut the true objects out of some slices."""
    labels = read_label_volume(data / one.name / one.labels).stack
    return {z: true_masks(labels.grey(z), whole_ids=one.whole_ids) for z in slices}


def boxes_of_masks(truth: Mapping[int, list[TrueMask]]) -> pd.DataFrame:
    """Tight boxes of true objects, slice by slice in their order."""
    rows = [(z, *mask.corners.tolist(), CLASS) for z, masks in truth.items() for mask in masks]
    columns = zip(*rows, strict=True) if rows else [[]] * 6
    return box_table.from_columns(dict(zip(["z", *box_table.CORNERS, "class_name"], columns, strict=True)))


def taken_by(known: pd.DataFrame, boxes: pd.DataFrame, level: float = 0.5) -> dict[tuple[int, int], int]:
    """Give each true box (slice, its place there) the row of the detected box that found it, the best scores first."""
    taken: dict[tuple[int, int], int] = {}
    for z, own in known.groupby("z"):
        here = boxes[boxes["z"] == z].sort_values("score", ascending=False, kind="stable")
        shared = box_table.iou(here[box_table.CORNERS].to_numpy(), own[box_table.CORNERS].to_numpy())
        for row, overlap in zip(here.index, shared, strict=True):
            free = [place for place in range(len(own)) if (int(z), place) not in taken]
            best = max(free, key=lambda place: overlap[place], default=None)
            if best is not None and overlap[best] >= level:
                taken[int(z), best] = int(row)
    return taken


def matched(
    project: Project,
    one: DataSet,
    truth: Mapping[int, list[TrueMask]],
    boxes: pd.DataFrame,
    taken: Mapping[tuple[int, int], int],
) -> Iterator[LabelledSlice]:
    """Yield the scored slices with the detected boxes that found something, and what they found."""
    zs = sorted({z for z, _ in taken})
    for z, slab in slabs(project.stack, zs, 3 if one.consecutive else 1):
        places = [place for other, place in taken if other == z]
        corners: NDArray[np.float64] = boxes.loc[[taken[z, place] for place in places], box_table.CORNERS].to_numpy()
        whole = np.rint(corners).astype(np.int32)
        yield LabelledSlice(np.repeat(slab, 3 // slab.shape[2], axis=2), whole, [truth[z][place] for place in places])
