"""From 20 box-labelled slices to instances on real stacks, beside simple baselines, on slices that were never seen.

    python tools/bench_famous.py DATA --set lucchi --minutes 30 --work runs/lucchi --masknet without_lucchi.onnx
    python tools/bench_famous.py DATA --set vnc --minutes 30 --work runs/vnc --masknet without_vnc.onnx

DATA holds `lucchi/raw.tif`, `lucchi/mito_inst.tif`, `vnc/raw/`, `vnc/mito_inst.tif`. Boxes are the tight boxes of the
2D connected components of the truth. A work folder that holds a finished training is used again. The networks that
ship have seen these stacks: name others with --weights and --masknet (`tools/train_masknet.py --leave-out`), which
learns the labelled boxes as a training does.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray
from rich.console import Console
from scipy import ndimage

from famous import boxes as box_table
from famous.extract import EllipseParams, extract_slice, make_extractor, paper_recipe
from famous.io.annotations import Annotations, write_boxes
from famous.io.tables import read_parquet
from famous.io.volumes import LabelStore, read_label_volume
from famous.labels import areas, overlaps, relabel
from famous.link import OverlapParams, link, slice_overlaps
from famous.pipeline import manifest
from famous.pipeline.project import Choices, Project, open_project
from famous.pipeline.run import run
from famous.pipeline.stage import Session
from famous.pipeline.train import run_train
from famous.progress import Bars
from famous.voxels import VoxelSize
from famous.yolo.adapt import AdaptParams, adapt
from famous.yolo.card import digest, read_card, write_card
from famous.yolo.masknet import FILE_NAME
from famous.yolo.score import score_boxes

CLASS = "mitochondrion"
CONFIG = "train: {validate: false, masks: {steps: 0}}\n"  # the network that ships has seen these stacks
Volume = NDArray[np.uint32]


@dataclass(frozen=True)
class Setting:
    """One stack: where it is, what trains and what is scored."""

    raw: str
    truth: str
    voxel_size: tuple[float, float, float]
    train: tuple[int, ...]
    score: range


SETTINGS = {
    "lucchi": Setting(
        "lucchi/raw.tif",
        "lucchi/mito_inst.tif",
        (5, 5, 5),
        tuple(np.linspace(0, 49, 20).round().astype(int).tolist()),
        range(55, 80),
    ),
    "vnc": Setting("vnc/raw", "vnc/mito_inst.tif", (50, 4.6, 4.6), tuple(range(12)), range(14, 20)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--set", choices=SETTINGS, default="lucchi")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--weights", default=None, help="weights to start training from")
    parser.add_argument("--masknet", type=Path, help="box → mask network that learns the labelled boxes")
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    setting = SETTINGS[options.set]
    truth = np.asarray([np.asarray(image) for image in _slices(options.data / setting.truth)], dtype=np.uint32)
    true_boxes, true_ids = components(truth, range(len(truth)))
    project = prepare(options, setting, true_boxes, truth.shape)
    with Bars(Console(stderr=True)) as bars:
        if options.masknet is not None:
            run_train(project, Session(bars))
            teach(project, options.masknet, true_boxes[true_boxes["z"].isin(setting.train)])
        outcome = run(project, Session(bars))
    print(f"## {options.set}: {len(setting.train)} slices train, {setting.score.start}–{setting.score.stop - 1} score")
    print(f"run took {outcome.seconds / 60:.1f} min, peak memory {outcome.peak_memory_mb:.0f} MB")
    stages = {name: record.seconds for name, record in manifest.read(project.manifest).items()}
    print("seconds: " + ", ".join(f"{name} {seconds:.1f}" for name, seconds in stages.items()) + "\n")
    print_boxes(project, true_boxes, setting.score)
    print_volumes(project, truth, true_boxes, true_ids, setting)


def _slices(path: Path) -> list[NDArray[np.uint32]]:
    stack = read_label_volume(path).stack
    return [stack.grey(z) for z in range(len(stack))]


def components(labels: Volume, slices: range) -> tuple[pd.DataFrame, Volume]:
    """Tight boxes of the 2D connected components of each label, and their ids in a volume."""
    rows, ids = [], np.zeros_like(labels)
    for z in slices:
        for instance in np.unique(labels[z][labels[z] > 0]):
            parts, _ = ndimage.label(labels[z] == instance, np.ones((3, 3)))
            for number, (ys, xs) in enumerate(ndimage.find_objects(parts), 1):
                if (ys.stop - ys.start) * (xs.stop - xs.start) < 9:
                    continue
                rows.append((z, ys.start, xs.start, ys.stop, xs.stop, CLASS))
                ids[z][parts == number] = len(rows)
    if not rows:
        return box_table.empty(), ids
    table = box_table.from_columns(
        dict(zip(["z", *box_table.CORNERS, "class_name"], zip(*rows, strict=True), strict=True))
    )
    return table, ids


def prepare(
    options: argparse.Namespace,
    setting: Setting,
    true_boxes: pd.DataFrame,
    shape: tuple[int, ...],
    **knobs: Any,
) -> Project:
    """Open the stack in the work folder, with the labelled slices as its annotations; `knobs` are of training."""
    choices = Choices(
        voxel_size=setting.voxel_size, folder=options.work, minutes=options.minutes, start=options.weights
    )
    config = options.work / "bench.yaml"
    options.work.mkdir(parents=True, exist_ok=True)
    settings = yaml.safe_load(CONFIG)
    settings["train"].update({name: value for name, value in knobs.items() if value is not None})
    config.write_text(yaml.safe_dump(settings))
    project = open_project(str(options.data / setting.raw), Choices(**{**choices.__dict__, "config": config}))
    project.annotations.mkdir(parents=True, exist_ok=True)
    if not (project.annotations / "boxes.csv").exists():
        labelled = true_boxes[true_boxes["z"].isin(setting.train)].reset_index(drop=True)
        labelled = labelled.assign(box=np.arange(1, len(labelled) + 1))
        write_boxes(
            project.annotations / "boxes.csv",
            "csv",
            Annotations(labelled, frozenset(setting.train), (CLASS,)),
            shape=(shape[0], shape[1], shape[2]),
        )
    return project


def teach(project: Project, start: Path, boxes: pd.DataFrame) -> None:
    """Put a box → mask network that learnt the boxes into the model folder, as a training does with its own."""
    adapt(project.stack, boxes, start, project.model / FILE_NAME, AdaptParams())
    card = read_card(project.model)
    write_card(project.model, replace(card, sha256={**card.sha256, FILE_NAME: digest(project.model / FILE_NAME)}))


def print_boxes(project: Project, true_boxes: pd.DataFrame, score: range) -> None:
    """Precision and recall of the detector's boxes, and of those that linking kept."""
    true = true_boxes[true_boxes["z"].isin(score)]
    found = read_parquet(project.boxes)
    found = found[found["z"].isin(score)]
    rows = {f"detected, score ≥ {level}": found[found["score"] >= level] for level in (0.25, 0.4, 0.5)}
    rows["linked (what the run uses)"] = found[found["instance"] > 0]
    print("| boxes | recall .5 | precision .5 | recall .75 | precision .75 |\n|---|---|---|---|---|")
    for name, table in rows.items():
        cells = [f"{value:.3f}" for level in (0.5, 0.75) for value in recall_precision(true, table, level)]
        print(f"| {name} | {' | '.join(cells)} |")
    figures = score_boxes(true, found)[CLASS]
    print(f"\nmAP50 {figures.map50:.3f}, mAP75 {figures.map75:.3f}, mAP50-95 {figures.map50_95:.3f}\n")


def recall_precision(true: pd.DataFrame, found: pd.DataFrame, level: float) -> tuple[float, float]:
    """Recall and precision of boxes matched one to one per slice, best scores first."""
    hits = 0
    for z in true["z"].unique():
        here = found[found["z"] == z].sort_values("score", ascending=False, kind="stable")
        own = true.loc[true["z"] == z, box_table.CORNERS].to_numpy()
        iou = box_table.iou(here[box_table.CORNERS].to_numpy(), own)
        taken = np.zeros(len(own), dtype=bool)
        for row in iou:
            best = int(np.argmax(np.where(taken, -1, row)))
            if not taken[best] and row[best] >= level:
                taken[best] = True
        hits += int(taken.sum())
    return hits / max(1, len(true)), hits / max(1, len(found))


def print_volumes(
    project: Project, truth: Volume, true_boxes: pd.DataFrame, true_ids: Volume, setting: Setting
) -> None:
    """Voxel and object figures of the run and of the baselines."""
    score, size = setting.score, VoxelSize(*setting.voxel_size)
    store = LabelStore.open(project.labels)
    inside = true_boxes[true_boxes["z"].isin(score)]
    known = ndimage.label(truth[score.start : score.stop] > 0, np.ones((3, 3, 3)))[0].astype(np.uint32)
    own = known if "lucchi" in setting.truth else truth[score.start : score.stop]

    def from_boxes(recipe: object) -> Volume:
        return extract(project, inside, score, size, recipe)

    sources: dict[str, Callable[[], Volume]] = {
        "famous run": lambda: np.stack([store.read_labels(CLASS, z) for z in score]),
        "truth boxes, filled": lambda: filled(inside, true_ids, score, size),
        "truth boxes, ellipse": lambda: from_boxes(EllipseParams()),
        "truth boxes, the paper's Otsu": lambda: from_boxes(paper_recipe(CLASS)),
        "Otsu on the whole slice": lambda: otsu(project, score),
    }
    print(
        "| pixels | voxel IoU | Dice | 3D precision | 3D recall | 3D F1 | 3D Jaccard |\n|---|---|---|---|---|---|---|"
    )
    for name, make in sources.items():
        labels = make()
        both, either = np.logical_and(labels, own).sum(), np.logical_or(labels, own).sum()
        dice = 2 * both / max(1, (labels > 0).sum() + (own > 0).sum())
        cells = [both / max(1, either), dice, *objects(own, labels)]
        print(f"| {name} | {' | '.join(f'{value:.3f}' for value in cells)} |")


def objects(truth: Volume, labels: Volume, level: float = 0.5) -> tuple[float, float, float, float]:
    """Precision, recall, F1 and Jaccard of 3D objects at an IoU, which is one to one from 0.5 on."""
    pairs = overlaps(truth, labels)
    true, found = areas(truth), areas(labels)
    union = true.loc[pairs["a"]].to_numpy() + found.loc[pairs["b"]].to_numpy() - pairs["pixels"].to_numpy()
    hits = int((pairs["pixels"].to_numpy() / union >= level).sum())
    return (
        hits / max(1, len(found)),
        hits / max(1, len(true)),
        2 * hits / max(1, len(true) + len(found)),
        hits / max(1, len(true) + len(found) - hits),
    )


def extract(project: Project, table: pd.DataFrame, score: range, size: VoxelSize, recipe: object) -> Volume:
    """Truth boxes to pixels with one recipe, linked as a run links."""
    recipes = {CLASS: make_extractor(recipe)}
    images = [
        extract_slice(project.stack.slab(z), table[table["z"] == z], recipes, voxel_size=size)[CLASS] for z in score
    ]
    return linked(table, np.stack(images), score, size)


def filled(table: pd.DataFrame, ids: Volume, score: range, size: VoxelSize) -> Volume:
    """Every pixel of every truth box."""
    images = np.zeros((len(score), *ids.shape[1:]), dtype=np.uint32)
    for row in table.itertuples():
        images[row.z - score.start, row.y0 : row.y1, row.x0 : row.x1] = row.box
    return linked(table, images, score, size)


def linked(table: pd.DataFrame, images: Volume, score: range, size: VoxelSize) -> Volume:
    """Box ids to instances."""
    return painted(joined(table, images, score, size), images)


def joined(table: pd.DataFrame, images: Volume, score: range, size: VoxelSize) -> pd.DataFrame:
    """Link boxes by their pixels as a run does; 0 in column `instance` is a box that linking left out."""
    pixels = areas(images).reindex(table["box"], fill_value=0).to_numpy()
    params = OverlapParams()
    found = slice_overlaps(zip(score, images, strict=True), reach=params.reach(size))
    return link(table.assign(pixels=pixels), found, voxel_size=size, params=params)


def painted(table: pd.DataFrame, images: Volume) -> Volume:
    """Give each box's pixels the id of its instance."""
    lut = np.zeros(int(table["box"].max()) + 1 if len(table) else 1, dtype=np.uint32)
    lut[table["box"]] = table["instance"]
    return relabel(images, lut)


def otsu(project: Project, score: range) -> Volume:
    """The dark side of Otsu's threshold of each whole slice, its 3D connected components."""
    masks = []
    for z in score:
        blurred = cv2.GaussianBlur(project.stack.image(z), (9, 9), 0)
        masks.append(cv2.threshold(blurred, 0, 255, cv2.THRESH_BINARY_INV + cv2.THRESH_OTSU)[1] > 0)
    return ndimage.label(np.stack(masks))[0].astype(np.uint32)


if __name__ == "__main__":
    main()
