"""How accurate the boxes, pixels and organelles are, beside every recipe and beside networks trained on masks.

    python tools/bench_accuracy.py truth DATA [--masknets FOLDER] [--sets lucchi vnc …] [--jitter 0.08]
    python tools/bench_accuracy.py found DATA --minutes 5 --work runs/found [--masknets FOLDER] [--detectors FOLDER]
    python tools/bench_accuracy.py starts DATA --set lucchi --slices 20 --minutes 5 15 30 60 --work runs/starts
        --starts COCO=yolo26n.pt default=runs/without_lucchi/best.pt
    python tools/bench_accuracy.py detected DATA --set lucchi --slices 5 10 20 --minutes 30 --work runs/accuracy
        [--masknets FOLDER] [--weights START] [--peers unet forest]

DATA holds one folder a data set with `raw.tif` (or a folder `raw` of slices) and `mito_inst.tif`. Everything runs on
two cores, and prints Markdown.

`truth`: every recipe on the tight boxes of true masks. FOLDER holds `without_<set>.onnx` for each set: masknet weights
that were trained on all other sets, so that no figure comes from data that the network has seen.

`found`: every recipe on boxes that a detector found, which learnt those of some slices of the set for so many minutes.
FOLDER holds `without_<set>/best.pt` to start from; COCO's weights where it does not.

`starts`: a detector is trained on the boxes of few slices for each number of minutes, once from each of the weights,
and its boxes are scored on another block; the curves show what starting from one is worth.

`detected`: a detector is trained on the boxes of few slices, spread evenly over a block of slices, and everything is
scored on another block. `--peers` also trains, on the same slices for the same minutes, what needs masks: a 2D U-Net
(`unet`) and a random forest on pixel features, as ilastik's (`forest`); and once more on as many slices as can be
painted in the time in which the boxes are drawn. A work folder that holds a finished training, or a finished peer, is
used again, and what was killed goes on where it was.
"""

import argparse
import json
import os
from pathlib import Path

CORES = 2


def main() -> None:
    options = parse()
    limit_cores(CORES)
    if options.mode == "truth":
        from accuracy.truth import bench_truth

        results = bench_truth(options.data, options.sets, options.masknets, options.jitter, options.step)
        if options.json is not None:
            options.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
        return
    if options.mode == "found":
        from accuracy.found import bench_found

        figures = bench_found(
            options.data, options.sets, options.work, options.minutes, options.masknets, options.detectors
        )
        if options.json is not None:
            options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
        return
    if options.mode == "starts":
        from accuracy.starts import Budget, bench_starts

        starts = dict(start.split("=", 1) for start in options.starts)
        by_epochs = [Budget(epochs=epochs) for epochs in options.epochs or ()]
        budgets = by_epochs or [Budget(minutes) for minutes in options.minutes]
        bench_starts(options.data, options.set, options.work, options.slices, budgets, starts)
        return
    from accuracy.detected import Bench, bench_detected

    bench = Bench(
        options.data,
        options.set,
        options.work,
        options.minutes,
        options.masknets,
        options.weights,
        tuple(options.peers),
    )
    bench_detected(bench, options.slices)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    modes = parser.add_subparsers(dest="mode", required=True)
    truth = modes.add_parser("truth", help="recipes on true boxes")
    detected = modes.add_parser("detected", help="from few labelled slices, beside peers that need masks")
    found = modes.add_parser("found", help="recipes on detected boxes")
    starts = modes.add_parser("starts", help="what the weights to start from are worth")
    for mode in (truth, found, detected, starts):
        mode.add_argument("data", type=Path)
    for mode in (truth, found, detected):
        mode.add_argument("--masknets", type=Path, help="folder with without_<set>.onnx")
    for mode in (detected, starts):
        mode.add_argument("--set", choices=["lucchi", "vnc"], default="lucchi")
    for mode in (found, detected, starts):
        mode.add_argument("--work", type=Path, required=True)
    starts.add_argument("--slices", type=int, default=20)
    starts.add_argument("--minutes", type=float, nargs="+", default=[5, 15, 30, 60])
    starts.add_argument("--epochs", type=int, nargs="+", help="in place of minutes: the same work on a busy machine")
    starts.add_argument("--starts", nargs="+", required=True, metavar="NAME=WEIGHTS")
    known = ["lucchi", "vnc", "cdeep3m", "isbi2012", "hela"]
    for mode in (truth, found):
        mode.add_argument("--sets", nargs="+", choices=known, default=known)
        mode.add_argument("--json", type=Path, help="write the figures here, too")
    found.add_argument("--minutes", type=float, default=5)
    found.add_argument("--detectors", type=Path, help="folder with without_<set>/best.pt to start from")
    truth.add_argument("--jitter", type=float, default=0.0, help="share of its length by which a box's side is moved")
    truth.add_argument("--step", type=int, help="score every so many slices, in place of the set's own step")
    detected.add_argument("--slices", type=int, nargs="+", default=[5, 10, 20])
    detected.add_argument("--minutes", type=float, default=30)
    detected.add_argument("--weights", help="detector weights to start from; default: DATA/weights/yolo26n.pt")
    detected.add_argument("--peers", nargs="*", choices=["unet", "forest"], default=[])
    return parser.parse_args()


def limit_cores(cores: int) -> None:
    """Keep this process, and the threads of the libraries that it loads later, to so many cores."""
    os.environ["OMP_NUM_THREADS"] = str(cores)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    import cv2
    import torch

    cv2.setNumThreads(cores)
    torch.set_num_threads(cores)


if __name__ == "__main__":
    main()
