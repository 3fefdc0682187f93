"""Measure whether the advice on the next slice points at slices that the model gets wrong, on real stacks.

    python tools/bench_advice.py --set lucchi vnc --data ../shared/data [--model FOLDER]

Without `--model` it is the detector that ships, which has seen phantoms only. The true error of a slice is 1 − F1 of
the boxes above a score of 0.25 at IoU 0.5. Printed per stack: Spearman's rank correlation of the disagreement and of
its parts with the true error; the mean error of the tenth of the slices with most disagreement; and the mean error of
the slices that the advice gives one after the other (each is done when the next is asked for, the model stays), beside
as many evenly spaced ones, drawn at random (mean and standard deviation of 1000 draws), and the worst there are.
`--train 5` first fine-tunes on so many evenly spaced slices of the first half, and leaves them out of every figure.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from bench_detect import lucchi, vnc
from numpy.typing import NDArray
from scipy.stats import spearmanr

from famous.annotate.advice import Look, difference, disagreement, image_features, next_slice, turn, uncertainty
from famous.detect import Detector, DetectParams, detect_slice
from famous.stack import Stack
from famous.yolo.card import read_card
from famous.yolo.params import TrainParams
from famous.yolo.runtime import load_detector, packaged_detector
from famous.yolo.score import match
from famous.yolo.train import train

REPOSITORY = Path(__file__).resolve().parents[1]
LOWEST, SHOWN = 0.05, 0.25  # score down to which the model is asked, and from which a box counts
DRAWS = 1000


def seen(stack: Stack, detector: Detector, *, turned: bool) -> list[pd.DataFrame]:
    """Mitochondria of every slice, in the slice's own frame."""
    found = []
    for z in range(len(stack)):
        slab = stack.slab(z)
        slab = np.ascontiguousarray(slab[::-1, ::-1]) if turned else slab
        boxes = detect_slice(slab, z, detector, voxel_size=stack.voxel_size, params=DetectParams(score=LOWEST))
        boxes = boxes[boxes["class_name"] == "mitochondrion"].reset_index(drop=True)
        found.append(turn(boxes, stack.shape[1:]) if turned else boxes)
    return found


def error(true: pd.DataFrame, pred: pd.DataFrame) -> float:
    """1 − F1."""
    shown = pred[pred["score"] >= SHOWN]
    hits = match(true, shown)[1][:, 0].sum()
    return 1 - 2 * hits / (len(true) + len(shown)) if len(true) + len(shown) else 0.0


def advised(looks: dict[int, Look], n_slices: int, start: list[int], count: int) -> list[int]:
    """Slices that the advice gives one after the other."""
    done = list(start)
    for _ in range(count):
        done.append(next_slice(n_slices, done, looks=looks, proposed=[]).z)
    return done[len(start) :]


def report(name: str, signals: dict[str, NDArray], errors: NDArray, looks: dict[int, Look], trained: list[int]) -> None:
    """Print one stack's figures."""
    n_slices = len(errors)
    rest = np.setdiff1d(np.arange(n_slices), trained)
    count = max(2, n_slices // 10)
    print(f"\n{name}: {len(rest)} slices, true error {errors[rest].mean():.3f} ± {errors[rest].std():.3f}")
    for signal, values in signals.items():
        print(f"  rank correlation with the error, {signal:<17} {spearmanr(values[rest], errors[rest]).statistic:+.2f}")
    worst = rest[np.argsort(-signals["disagreement"][rest], kind="stable")[:count]]
    print(f"  error of the {count} slices with most disagreement  {errors[worst].mean():.3f}")
    start = trained or [n_slices // 2]
    chosen = advised(looks, n_slices, start, count)
    left = np.setdiff1d(np.arange(n_slices), start)
    even = left[np.linspace(0, len(left) - 1, count + 2).round().astype(int)[1:-1]]
    draws = [errors[np.random.default_rng(i).choice(left, count, replace=False)].mean() for i in range(DRAWS)]
    novel = advised({z: Look(look.features) for z, look in looks.items()}, n_slices, start, count)
    print(
        f"  error of {count} slices as advised {errors[chosen].mean():.3f} (novelty alone {errors[novel].mean():.3f})"
    )
    print(f"    evenly spaced {errors[even].mean():.3f}, at random {np.mean(draws):.3f} ± {np.std(draws):.3f}", end="")
    print(f", the worst there are {np.sort(errors[left])[-count:].mean():.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=("lucchi", "vnc"), nargs="+", default=["lucchi", "vnc"])
    parser.add_argument("--data", type=Path, default=REPOSITORY.parent / "shared" / "data")
    parser.add_argument("--model", type=Path, help="a model folder; its slices of that stack are left out")
    parser.add_argument("--train", type=int, default=0, help="slices to fine-tune on first")
    parser.add_argument("--epochs", type=int, default=120, help="of fine-tuning")
    options = parser.parse_args()
    for name in options.set:
        stack, boxes, *_ = {"lucchi": lucchi, "vnc": vnc}[name](options.data)
        with tempfile.TemporaryDirectory() as scratch:
            folder = options.model or packaged_detector()
            card = read_card(folder)
            trained = sorted({*card.slices, *card.validation_slices}) if card.stack == stack.name else []
            if options.train:
                folder = Path(scratch) / "model"
                trained = np.linspace(0, len(stack) // 2 - 1, options.train + 2).round().astype(int)[1:-1].tolist()
                weights = str(options.data / "weights" / "yolo26n.pt")
                params = TrainParams(weights=weights, epochs=options.epochs, input_px=512, validate=False)
                train(stack, boxes, trained, folder=folder, params=params)
            detector = load_detector(folder, device="cpu")
            began = time.time()
            views = [seen(stack, detector, turned=turned) for turned in (False, True)]
            plain, turned = views
            print(f"{name}: {(time.time() - began) / len(stack) / 2:.2f} s a slice and view")
        last = len(stack) - 1
        near = [[plain[k] for k in (z - 1, z + 1) if 0 <= k <= last] for z in range(len(stack))]
        signals = {
            "disagreement": [disagreement(*three) for three in zip(plain, turned, near, strict=True)],
            "its view": [difference(a, b) for a, b in zip(plain, turned, strict=True)],
            "its neighbours": [np.mean([difference(a, b) for b in n]) for a, n in zip(plain, near, strict=True)],
            "its scores": [uncertainty(a) for a in plain],
            "boxes it finds": [(a["score"] >= SHOWN).sum() for a in plain],
        }
        features = [image_features(stack.image(z)) for z in range(len(stack))]
        looks = {z: Look(features[z], float(signals["disagreement"][z])) for z in range(len(stack))}
        errors = np.array([error(boxes[boxes["z"] == z], plain[z]) for z in range(len(stack))])
        report(name, {key: np.array(values) for key, values in signals.items()}, errors, looks, trained)


if __name__ == "__main__":
    main()
