"""How many of an instance's best boxes should speak for it: instances ranked by their mean, against the truth.

    python tools/bench_instance_score.py DATA --weights WITHOUT_LUCCHI --set lucchi --slices 0 55

WITHOUT_LUCCHI is the model folder of a detector that never saw the set (`tools/train_detector.py --leave-out`), used as
it is. Three phantoms follow, detected by the detector that ships. For each number of boxes: box precision and recall
(IoU 0.5, class for class) of the instances that `link.overlap.instance_score` keeps, and the best F1 of any threshold.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from accuracy.found import taken_by
from accuracy.sets import SETS
from bench_famous import CLASS, SETTINGS, components
from numpy.typing import NDArray

from famous import boxes as box_table
from famous.extract import EllipseParams, extract_slice, make_extractor
from famous.io.volumes import read_label_volume
from famous.labels import areas
from famous.link import OverlapParams, link, slice_overlaps
from famous.stack import Stack, slabs
from famous.synthetic import Phantom, PhantomParams
from famous.voxels import VoxelSize
from famous.yolo.runtime import load_detector, packaged_detector
from famous.yolo.train import detect_slices

NUMBERS = (1, 3, 5, 8, 10, 15, 20, 30)
PHANTOMS = (
    PhantomParams((48, 512, 512), VoxelSize(10, 10, 10), 777, nucleus_radius_nm=1000, mitochondria=1.2, noise=1.3),
    PhantomParams((64, 448, 448), VoxelSize(6, 6, 6), 778, nucleus_radius_nm=900, noise=2.0),
    PhantomParams((24, 512, 512), VoxelSize(40, 8, 8), 779, noise=1.5),
)
LOWEST = 0.25  # score of the boxes that are linked, as in a run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", type=Path, required=True, help="model folder")
    parser.add_argument("--set", choices=SETTINGS, default="lucchi")
    parser.add_argument("--slices", type=int, nargs=2, default=(0, 55), metavar=("FIRST", "END"))
    options = parser.parse_args()
    zs = range(*options.slices)
    known = read_label_volume(options.data / SETTINGS[options.set].truth).stack
    truth = np.stack([np.asarray(known.grey(z), dtype=np.uint32) for z in range(zs.stop)])
    true, title = components(truth, zs)[0], f"{options.set}, slices {zs.start}–{zs.stop - 1}"
    grey = SETS[options.set].stack(options.data)  # noqa: PD013  a stack of slices, not of columns
    report(title, grey, zs, true, options.weights, [CLASS])
    for params in PHANTOMS:
        phantom = Phantom(params)
        stack = Stack(np.stack([phantom[z] for z in range(len(phantom))]), params.voxel_size).with_window()
        boxes = phantom.boxes()
        names = sorted(boxes["class_name"].unique())
        report(f"phantom {params.seed}", stack, range(len(phantom)), boxes, packaged_detector(), names)


def report(title: str, stack: Stack, zs: range, true: pd.DataFrame, model: Path, names: Sequence[str]) -> None:
    """Detect, link with no threshold, and print a row for each number of boxes."""
    found = detect_slices(stack, zs, load_detector(model, device="cpu"))
    found = found[(found["score"] >= LOWEST) & found["class_name"].isin(names)]
    linked = joined(stack, zs, found, names)
    linked = linked.assign(hit=hits(linked, true))
    print(f"\n## {title}, {stack.voxel_size}: {linked['instance'].nunique()} instances, {len(true)} true boxes\n")
    print("| best boxes | precision | recall | F1 | best F1 | at |\n|---:|---:|---:|---:|---:|---:|")
    for number in NUMBERS:
        cells = " | ".join(f"{value:.3f}" for value in scores(linked, len(true), number))
        print(f"| {number} | {cells} |", flush=True)


def joined(stack: Stack, zs: range, found: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Link each class's boxes by the ellipses in them, dropping no instance for its score."""
    params, size, tables, last = OverlapParams(instance_score=0), stack.voxel_size, [], 0
    for name in names:
        own = box_table.number(found[found["class_name"] == name].reset_index(drop=True))
        if own.empty:
            continue
        recipe = {name: make_extractor(EllipseParams())}
        images = [
            extract_slice(slab, own[own["z"] == z], recipe, voxel_size=size)[name] for z, slab in slabs(stack, zs)
        ]
        overlaps = slice_overlaps(zip(zs, images, strict=True), reach=params.reach(size))
        pixels = areas(np.stack(images)).reindex(own["box"], fill_value=0).to_numpy()
        table = link(own.assign(pixels=pixels), overlaps, voxel_size=size, params=params)
        table = table[table["instance"] > 0]
        tables.append(table.assign(instance=table["instance"].astype(np.int64) + last))
        last = int(tables[-1]["instance"].max()) if len(table) else last
    return pd.concat(tables, ignore_index=True)


def hits(found: pd.DataFrame, true: pd.DataFrame) -> NDArray[np.bool_]:
    """Tell which boxes have a true one of their own, class for class."""
    taken = [taken_by(own, found[found["class_name"] == name]) for name, own in true.groupby("class_name")]
    return np.asarray(found.index.isin([row for rows in taken for row in rows.values()]))


def scores(linked: pd.DataFrame, n_true: int, number: int) -> tuple[float, float, float, float, float]:
    """Precision, recall and F1 at the usual threshold; the best F1 and its threshold."""
    groups = linked.groupby("instance")
    means = groups["score"].apply(lambda score: score.nlargest(number).mean()).to_numpy()
    order = np.argsort(-means, kind="stable")
    boxes, found = np.cumsum(groups.size().to_numpy()[order]), np.cumsum(groups["hit"].sum().to_numpy()[order])
    f1 = 2 * found / (boxes + n_true)
    kept = int((means >= OverlapParams().instance_score).sum()) - 1
    best = int(np.argmax(f1))
    return found[kept] / boxes[kept], found[kept] / n_true, f1[kept], f1[best], means[order][best]


if __name__ == "__main__":
    main()
