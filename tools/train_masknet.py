"""Train the box → mask network that ships with the package, or one that never saw one of the data sets.

    python tools/train_masknet.py DATA  # all sets → famous/weights/masknet.onnx
    python tools/train_masknet.py DATA --leave-out lucchi --out runs/masknets/without_lucchi.onnx

DATA holds the folders `lucchi`, `vnc`, `cdeep3m`, `isbi2012` and `hela` with their labels; phantoms are made here.
Seeded; 6 to 8 minutes on two idle cores.
"""

import argparse
import json
import time
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import masknet_crops as learnt_from
import numpy as np
import torch
from accuracy.recipes import MASKNET
from masknet_model import PLANES, MaskNet
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from famous.extract.crops import SIDE_PX
from famous.files import write_json
from famous.yolo.card import digest
from famous.yolo.disturb import disturbed
from famous.yolo.masknet import CARD_NAME, FILE_NAME

TARGET = Path(__file__).resolve().parents[1] / "famous" / "weights"
BATCH = 64
RATE = 3e-3
PHANTOMS = range(28)
PHANTOM_SHARE = 0.25  # of the crops
CROPS_A_PHANTOM = 256
OPSET = 17
LEFT_OUT = "networks trained alike without the set; true boxes, single slices, IoU with people's masks"
LIMITS = (
    "real organelles it saw: mitochondria and synapses, of which it is less sure (mean IoU 0.65 to 0.75 on sets that "
    "it never saw); every other class, and organelles inside others, it knows from phantoms alone"
)
TERMS = {
    "lucchi": "Lucchi et al., EPFL electron microscopy set; no licence file, research use",
    "vnc": "Gerhard et al., figshare 856713; CC BY-NC-SA 3.0",
    "cdeep3m": "CDeep3M's test sample; educational, research and non-profit use",
    "isbi2012": "Cardona et al. 2010, TrakEM2 sample; non-commercial research, cite",
    "hela": "Karabağ and Reyes-Aldasoro; code GPL-3.0, terms of the images not stated",
    "phantoms": "famous.synthetic; no restriction",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--leave-out", action="append", default=[], help="data set that it must not see")
    parser.add_argument("--out", type=Path, default=TARGET / FILE_NAME)
    parser.add_argument("--crops", type=int, default=24_000)
    parser.add_argument("--passes", type=int, default=8)
    parser.add_argument("--phantoms", type=int, default=len(PHANTOMS), help="0 trains on real data alone")
    parser.add_argument("--cache", type=Path, help="file that keeps the crops of the phantoms between trainings")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--metrics", type=Path, help="what `bench_accuracy.py truth --masknets … --json` wrote, for the card"
    )
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    started = time.perf_counter()
    sources = [source for source in learnt_from.LABELS if source not in options.leave_out]
    real = [learnt_from.read_scene(options.data, source) for source in sources]
    share = PHANTOM_SHARE if options.phantoms else 0.0
    made, counts = _phantom_crops(options) if options.phantoms else (None, {})
    examples = gather(real, options.crops, share, made, rng)
    print(f"{options.crops} crops after {time.perf_counter() - started:.0f} s", flush=True)
    network = train(examples, passes=options.passes, rng=rng)
    export(network, options.out)
    seconds = time.perf_counter() - started
    print(f"{options.out} after {seconds:.0f} s")
    objects = {scene.name: {"objects": len(scene.objects)} for scene in real} | ({"phantoms": counts} if counts else {})
    write_json(
        options.out.with_name(CARD_NAME if options.out.name == FILE_NAME else f"{options.out.stem}.json"),
        card(options, objects, seconds),
    )


@dataclass(frozen=True, eq=False)
class Examples:
    """Crops (n, side, side, 3), masks (n, side, side) 0 … 255, and how far the boxes were allowed to be off (n,)."""

    crops: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    errors: NDArray[np.float32]


def gather(
    real: list[learnt_from.Scene],
    count: int,
    share: float,
    made: Examples | None,
    rng: np.random.Generator,
) -> Examples:
    """Draw crops: data sets by the square root of their objects, so that the large ones do not drown the small."""
    crops = np.empty((count, SIDE_PX, SIDE_PX, 3), np.uint8)
    masks = np.empty((count, SIDE_PX, SIDE_PX), np.uint8)
    errors = np.empty(count, np.float32)
    weights = np.sqrt([len(scene.objects) for scene in real])
    for k in range(count):
        if made is not None and rng.random() < share:
            chosen = rng.integers(len(made.crops))
            crops[k], masks[k], errors[k] = made.crops[chosen], made.masks[chosen], made.errors[chosen]
            continue
        scene = real[rng.choice(len(real), p=weights / weights.sum())]
        item = scene.objects[rng.integers(len(scene.objects))]
        crops[k], masks[k], errors[k] = learnt_from.draw(scene, item, rng, learnt_from.Jitter())
    return Examples(crops, masks, errors)


def _phantom_crops(options: argparse.Namespace) -> tuple[Examples, dict[str, int]]:
    """Draw the phantoms' crops, or take them from the cache; phantoms of any seed count alike.

    Returns them and the number of objects, of which so many lie inside others.
    """
    if options.cache is not None and options.cache.exists():
        with np.load(options.cache) as kept:
            counts = {name: int(kept[name]) for name in ("objects", "nested")}
            return Examples(kept["crops"], kept["masks"], kept["errors"]), counts
    rng = np.random.default_rng(0)
    drawn, counts = [], {"objects": 0, "nested": 0}
    for scene in learnt_from.phantoms(range(options.phantoms)):
        counts["objects"] += len(scene.objects)
        counts["nested"] += sum(item.class_name == learnt_from.NESTED for item in scene.objects)
        for _ in range(CROPS_A_PHANTOM if scene.objects else 0):
            item = scene.objects[rng.integers(len(scene.objects))]
            drawn.append(learnt_from.draw(scene, item, rng, learnt_from.Jitter()))
    crops, masks, errors = (np.stack(part) for part in zip(*drawn, strict=True))
    if options.cache is not None:
        options.cache.parent.mkdir(parents=True, exist_ok=True)
        np.savez(options.cache, crops=crops, masks=masks, errors=errors, **counts)
    return Examples(crops, masks, errors.astype(np.float32)), counts


def train(examples: Examples, *, passes: int, rng: np.random.Generator) -> MaskNet:
    """Learn with one cycle of AdamW, in bfloat16 where the processor has it."""
    network = MaskNet().to(memory_format=torch.channels_last)
    grey = torch.from_numpy(examples.crops).permute(0, 3, 1, 2).contiguous()
    truth, errors = torch.from_numpy(examples.masks), torch.from_numpy(examples.errors)
    steps = len(examples.crops) // BATCH
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps * passes, pct_start=0.1)
    for turn in range(passes):
        order = torch.randperm(len(examples.crops))
        losses = []
        for step in range(steps):
            chosen = order[step * BATCH : (step + 1) * BATCH]
            planes, known = disturbed(grey[chosen], truth[chosen][:, None], errors[chosen], rng)
            wanted = known[:, 0]
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = network(planes)
            loss = difference(logits.float(), wanted)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        print(f"pass {turn + 1} of {passes}: loss {np.mean(losses):.4f}", flush=True)
    return network.eval()


def difference(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy plus Dice, as means over the crops."""
    found = logits.sigmoid()
    both, sizes = (found * wanted).sum((1, 2)), found.sum((1, 2)) + wanted.sum((1, 2))
    entropy = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none").mean((1, 2))
    return (entropy + 1 - (2 * both + 1) / (sizes + 1)).mean()


class Probability(nn.Module):
    """The network with its sigmoid, as it is shipped."""

    def __init__(self, network: MaskNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, planes: torch.Tensor) -> torch.Tensor:
        """(n, 5, side, side) → (n, side, side) from 0 to 1."""
        return self.network(planes).sigmoid()


def export(network: MaskNet, file: Path) -> None:
    """Write the network as ONNX for any number of crops; the file appears whole."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f"{file.name}.part")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Probability(network).eval(),
            (torch.zeros(2, PLANES, SIDE_PX, SIDE_PX),),
            str(beside),
            opset_version=OPSET,
            input_names=["planes"],
            output_names=["probability"],
            dynamic_axes={"planes": {0: "n"}, "probability": {0: "n"}},
            dynamo=False,
        )
    beside.replace(file)


def metrics(file: Path | None) -> dict[str, dict[str, float]]:
    """Take from the benchmark's figures what networks like this one reached on sets that they never saw."""
    results = json.loads(file.read_text(encoding="utf-8")) if file is not None else {}
    wanted = ("boxes", "mean_iou", "sa50", "sa75")
    found = {name: recipes[MASKNET] for name, recipes in results.items() if MASKNET in recipes}
    return {name: {key: round(figures[key], 3) for key in wanted} for name, figures in found.items()}


def card(options: argparse.Namespace, objects: dict[str, dict[str, int]], seconds: float) -> dict[str, Any]:
    """Say what the network was trained on, under which terms, how, and what it is not good for."""
    return {
        "what": "box → mask: a U-Net of 551,000 parameters on crops of 64 × 64, told the box as two planes",
        "data": {name: {**counts, "terms": TERMS[name]} for name, counts in objects.items()},
        "terms": "weights: AGPL-3.0-or-later as the package; some of the data is for non-commercial use only, see data",
        "limits": LIMITS,
        "metrics": {"of": LEFT_OUT, "sets": metrics(options.metrics)},
        "params": {
            "crops": options.crops,
            "passes": options.passes,
            "batch": BATCH,
            "rate": RATE,
            "seed": options.seed,
        },
        "seconds": round(seconds),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {name: version(name) for name in ("torch", "numpy", "opencv-python")},
        "sha256": {options.out.name: digest(options.out)},
    }


if __name__ == "__main__":
    main()
