"""Measure the detector on real stacks: train on boxes of some slices, score on slices that were never seen.

    python tools/bench_detect.py --set lucchi --minutes 30 --data ../shared/data

lucchi: boxes of 20 slices spread evenly over z 0–49 train, every third slice of z 55–79 scores. vnc: z 0–11 train,
14–19 score. Boxes are the tight boxes of the 2D connected components of `mito_inst.tif`.
"""

import argparse
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import tifffile

from famous.boxes import concat, from_columns, number
from famous.stack import Stack
from famous.voxels import VoxelSize
from famous.yolo.listener import Listener
from famous.yolo.params import TrainParams
from famous.yolo.runtime import load_detector
from famous.yolo.score import score_boxes
from famous.yolo.train import detect_slices, train

REPOSITORY = Path(__file__).resolve().parents[1]


def true_boxes(labels: np.ndarray) -> pd.DataFrame:
    """Box every 2D connected component of every slice of a (z, y, x) label volume."""
    tables = []
    for z, image in enumerate(labels):
        _, _, stats, _ = cv2.connectedComponentsWithStats((image > 0).astype(np.uint8), connectivity=8)
        x0, y0, width, height, _ = stats[1:].T
        columns = {"z": np.full(len(x0), z), "y0": y0, "x0": x0, "y1": y0 + height, "x1": x0 + width}
        tables.append(from_columns({**columns, "class_name": ["mitochondrion"] * len(x0)}))
    return number(concat(tables))


def lucchi(data: Path) -> tuple[Stack, pd.DataFrame, list[int], list[int]]:
    raw, labels = (tifffile.imread(data / "lucchi" / name) for name in ("raw.tif", "mito_inst.tif"))
    stack = Stack(raw, VoxelSize(5, 5, 5), name="lucchi").with_window()
    return stack, true_boxes(labels), np.linspace(0, 49, 20).round().astype(int).tolist(), list(range(55, 80, 3))


def vnc(data: Path) -> tuple[Stack, pd.DataFrame, list[int], list[int]]:
    files = sorted((data / "vnc" / "raw").glob("*.png"))
    raw = np.stack([cv2.imread(str(file), cv2.IMREAD_GRAYSCALE) for file in files])
    labels = tifffile.imread(data / "vnc" / "mito_inst.tif")
    stack = Stack(raw, VoxelSize(50, 4.6, 4.6), name="vnc").with_window()
    return stack, true_boxes(labels), list(range(12)), list(range(14, 20))


def report(true: pd.DataFrame, pred: pd.DataFrame) -> None:
    """Print the figures at several scores."""
    print("score   recall  prec. at IoU .5   recall  prec. at IoU .75   boxes")
    for score in (0.1, 0.25, 0.3, 0.35, 0.4, 0.5):
        one = score_boxes(true, pred, score=score)["all"]
        print(
            f"{score:5.2f}   {one.recall:6.3f} {one.precision:6.3f}            {one.recall75:6.3f} "
            f"{one.precision75:6.3f}             {one.n_pred:5d}"
        )
    print(f"{one.n_true} true boxes; mAP50 {one.map50:.3f}, mAP75 {one.map75:.3f}, mAP50-95 {one.map50_95:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=("lucchi", "vnc"), default="lucchi")
    parser.add_argument("--data", type=Path, default=REPOSITORY.parent / "shared" / "data")
    parser.add_argument("--weights", help="default: weights/yolo26n.pt in the data folder")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--epochs", type=int, help="instead of the minutes")
    parser.add_argument("--input-px", type=int, default=TrainParams.input_px)
    parser.add_argument("--step-tiles", type=int, default=TrainParams.step_tiles)
    parser.add_argument("--channels", default=TrainParams.channels)
    parser.add_argument("--end-to-end", action="store_true", help="detect with the head that needs no suppression")
    parser.add_argument("--folder", type=Path, help="keep the model here; score only, if it has one already")
    parser.add_argument("--runtime", default="auto")
    options = parser.parse_args()
    stack, boxes, learnt, scored = {"lucchi": lucchi, "vnc": vnc}[options.set](options.data)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch) / "model"
        if not (folder / "card.json").is_file():
            params = TrainParams(
                weights=options.weights or str(options.data / "weights" / "yolo26n.pt"),
                minutes=options.minutes,
                epochs=options.epochs,
                input_px=options.input_px,
                step_tiles=options.step_tiles,
                channels=options.channels,
                end_to_end=options.end_to_end,
                validate=False,
            )

            def tell(epoch: int, epochs: int, loss: float, left: float) -> None:
                print(f"epoch {epoch}/{epochs}  loss {loss:.2f}  {left:.0f} s left", flush=True)

            card = train(stack, boxes, learnt, folder=folder, params=params, listener=Listener(tell))
            print(f"{card.epochs} epochs in {card.seconds:.0f} s on {sum(card.boxes.values())} boxes")
        detector = load_detector(folder, device="cpu", runtime=options.runtime)
        start = time.time()
        pred = detect_slices(stack, scored, detector)
        print(f"{(time.time() - start) / len(scored):.2f} s a slice")
        report(boxes[boxes["z"].isin(scored)], pred)


if __name__ == "__main__":
    main()
