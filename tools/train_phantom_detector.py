"""Train the small detector that ships with the package: on phantoms of some seeds, scored on phantoms of others.

    python tools/train_phantom_detector.py --weights yolo26n.pt --minutes 14

writes famous/weights/best.onnx and card.json, and prints what the packaged detector finds in unseen phantoms. Run it
again whenever the look of the phantoms changes.
"""

import argparse
import dataclasses
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from famous.boxes import concat
from famous.stack import Stack, Window, measure_window, to_uint8
from famous.synthetic import Phantom, PhantomParams
from famous.voxels import VoxelSize
from famous.yolo.card import read_card, write_card
from famous.yolo.params import TrainParams
from famous.yolo.runtime import load_detector
from famous.yolo.score import score_boxes
from famous.yolo.train import detect_slices, train

TARGET = Path(__file__).resolve().parents[1] / "famous" / "weights"
SIDE_PX = 512
PIXEL_NM = 8.0
SLICES_EACH = 4
SMALLEST_PX = 30  # an object with fewer pixels in a slice gets no box


def phantom(seed: int) -> Phantom:
    """Make one of the phantoms to learn from: the seed decides the tissue and the microscope."""
    rng = np.random.default_rng(seed)
    dense = float(rng.uniform(1.0, 2.0))
    return Phantom(
        PhantomParams(
            shape=(64, SIDE_PX, SIDE_PX),
            voxel_size=VoxelSize(float(rng.choice([8.0, 8.0, 12.0, 20.0])), PIXEL_NM, PIXEL_NM),
            seed=seed,
            nucleus_radius_nm=0.0 if seed % 4 == 0 else None,
            mitochondria=0.5 * dense,
            early_endosomes=0.6 * dense,
            late_endosomes=0.6 * dense,
            lysosomes=0.6 * dense,
            touching=float(rng.uniform(0, 0.4)),
            noise=float(rng.uniform(0.6, 1.6)),
            blur_nm=float(rng.uniform(3, 9)),
            streaks=float(rng.choice([0.0, 0.0, 3.0])),
            gamma=float(rng.uniform(0.85, 1.2)),
        )
    )


def sampled(seeds: range, cache: Path) -> tuple[Stack, pd.DataFrame, list[int]]:
    """Take some slices of each phantom with their neighbours, stacked in threes; the middle ones have their boxes."""
    images: list[np.ndarray] = []
    tables: list[pd.DataFrame] = []
    for seed in seeds:
        source = phantom(seed)
        window = measure_window(Stack(source, source.voxel_size))
        rng = np.random.default_rng(seed)
        for z in sorted(rng.choice(np.arange(1, len(source) - 1), SLICES_EACH, replace=False)):
            truth = source.boxes([int(z)], minimum_pixels=SMALLEST_PX)
            tables.append(truth.assign(z=len(images) + 1))
            images += [to_uint8(source[int(z) + k], window) for k in (-1, 0, 1)]
        print(f"phantom {seed}: {len(images) // 3} slices", flush=True)
    volume = np.stack(images)
    np.save(cache, volume)
    boxes = concat(tables).drop(columns="truth_instance")
    boxes = boxes.assign(box=np.arange(1, len(boxes) + 1, dtype=np.uint32))
    stack = Stack(
        np.load(cache, mmap_mode="r"), VoxelSize(PIXEL_NM, PIXEL_NM, PIXEL_NM), Window(0, 255), name="phantoms"
    )
    return stack, boxes, list(range(1, len(volume), 3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="yolo26n.pt")
    parser.add_argument("--minutes", type=float, default=14.0)
    parser.add_argument("--phantoms", type=int, default=16, help="seeds 1000, 1001, … to train on")
    parser.add_argument("--unseen", type=int, default=4, help="seeds 1, 2, … to score on")
    parser.add_argument("--target", type=Path, default=TARGET)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        stack, boxes, done = sampled(range(1000, 1000 + options.phantoms), Path(scratch) / "learnt.npy")
        unseen = sampled(range(1, 1 + options.unseen), Path(scratch) / "unseen.npy")
        params = TrainParams(
            weights=options.weights,
            minutes=options.minutes,
            input_px=SIDE_PX,
            batch=8,
            pixel_nm=PIXEL_NM,
            epoch_tiles=options.phantoms * SLICES_EACH,
            close_mosaic=8,
            validate=False,
        )
        folder = Path(scratch) / "model"
        start = time.time()

        def tell(epoch: int, epochs: int, loss: float, left: float) -> None:
            print(f"epoch {epoch}/{epochs} loss {loss:.2f} {time.time() - start:.0f} s, {left:.0f} s left", flush=True)

        train(stack, boxes, done, folder=folder, params=params, progress=tell)
        scores = report(folder, *unseen)
        options.target.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / "best.onnx", options.target / "best.onnx")
        card = read_card(folder)
        write_card(
            options.target,
            dataclasses.replace(
                card,
                metrics=scores,
                sha256={"best.onnx": card.sha256["best.onnx"]},
                notes="trained on phantoms alone, from COCO weights (AGPL-3.0); for the demo, not for real tissue; "
                "metrics are of phantoms with other seeds",
            ),
        )
    print(f"wrote {options.target}")


def report(folder: Path, stack: Stack, boxes: pd.DataFrame, slices: list[int]) -> dict[str, dict[str, float | None]]:
    """Print and return the figures of a model folder on annotated slices."""
    scores = score_boxes(boxes, detect_slices(stack, slices, load_detector(folder, device="cpu")))
    print(f"{'class':16s} {'boxes':>6s} {'prec.':>6s} {'recall':>6s} {'mAP50':>6s} {'mAP75':>6s} {'mAP':>6s}")
    for name, one in scores.items():
        row = (one.precision, one.recall, one.map50, one.map75, one.map50_95)
        print(f"{name:16s} {one.n_true:6d} " + " ".join(f"{value:6.3f}" for value in row))
    return {name: one.as_dict() for name, one in scores.items()}


if __name__ == "__main__":
    sys.exit(main())
