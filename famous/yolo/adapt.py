"""Teach the box → mask network a stack from its labelled boxes alone: nobody paints a mask.

A tight box says two things for certain: beyond it there is nothing of its organelle, and each of its rows and columns
meets it (the tightness prior of Hsu et al., NeurIPS 2019; the projection term of BoxInst, Tian et al., CVPR 2021). So
the network is shown each labelled organelle through boxes that are moved and loosened: what lies between such a box and
the true one teaches it how the surroundings look in this stack. Inside the true box its own first answer holds it back.

The weights are read from the ONNX file that ships, learn in torch, and are written back into a copy of that file.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous.boxes import CORNERS
from famous.errors import ConfigError
from famous.extract import MaskNetExtractor, MaskNetParams
from famous.extract.crops import LARGEST_ERROR, frame, sample, sample_alone
from famous.extract.masknet import MaskNetwork
from famous.stack import Stack, slabs
from famous.voxels import VoxelSize
from famous.yolo.disturb import disturbed
from famous.yolo.half import multiplies_bfloat16
from famous.yolo.listener import nobody
from famous.yolo.masknet import open_masknet

Tensor: TypeAlias = Any  # torch is not imported here
Model: TypeAlias = Any  # of onnx

SMALLEST_PX = 6  # shortest side of a box that can teach
TIGHT, LOOSE = 0.35, 0.15  # shares of the boxes that are shown as they are, and loosened on all sides
GOOD, BAD = 0.07, 0.18  # σ of each side's error, in the side, of the others: one half each
LARGEST_MOVE = 0.35  # of a side, in the side
INSIDE, OUTSIDE = 0.5, 0.02  # shares of a sample that the true box covers, from which on, or below which, it counts
FAINT = 1e-4  # probability below which a row's answer is not told apart


@dataclass(frozen=True)
class AdaptParams:
    """How the box → mask network learns a stack."""

    steps: int = 120  # of the optimiser; 0 leaves the network as it ships
    boxes: int = 400  # most labelled boxes that teach; of more, a choice is drawn
    looks: int = 8  # moved boxes for each of them
    batch: int = 64  # crops a step
    learning_rate: float = 3e-4  # highest of one cycle
    keep: float = 0.3  # weight of the first answer inside a box, against what the box says for certain
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("boxes", "looks", "batch"):
            if getattr(self, name) < 1:
                raise ConfigError(f"masks.{name}: found {getattr(self, name)}, expected 1 or more")
        if self.steps < 0:
            raise ConfigError(f"masks.steps: found {self.steps}, expected 0 or more")
        for name, least in (("learning_rate", "more than 0"), ("keep", "0 or more")):
            value = getattr(self, name)
            if not 0 <= value < float("inf") or (name == "learning_rate" and value == 0):
                raise ConfigError(f"masks.{name}: found {value}, expected {least}")


@dataclass(frozen=True, eq=False)
class Looks:
    """What the network is shown of labelled organelles: (n, side, side, 3), (n, side, side) and (n,)."""

    crops: NDArray[np.uint8]
    first: NDArray[np.uint8]  # its first answer, 0 … 255
    inside: NDArray[np.uint8]  # the true box, 0 … 255
    errors: NDArray[np.float32]  # how far the box that is shown is off, σ in its sides


def adapt(
    stack: Stack,
    boxes: pd.DataFrame,
    start: Path,
    target: Path,
    params: AdaptParams,
    advance: Callable[[int], None] = nobody,
) -> int:
    """Teach the network of `start` the tight boxes of a stack, and write it to `target`, which appears whole.

    Parameters
    ----------
    stack
        With voxel size and window; read at the slices of the boxes and their neighbours only.
    boxes
        Box table of labelled slices, all classes alike: the network does not know classes.
    start
        ONNX file of the network as it is; it gives the first answers, too.
    advance
        Called with 1 after each step.

    Returns
    -------
    int
        How many boxes taught; where there is none to learn from, or no step to take, nothing is written.
    """
    rng = np.random.default_rng(params.seed)
    rows = _chosen(boxes, params, rng)
    if rows.empty or params.steps == 0:
        return 0
    looks = gather(stack, rows, open_masknet(start), params, rng)
    import onnx

    model = onnx.load(str(start))
    learn(model, looks, params, rng, advance)
    beside = target.with_name(f"{target.name}.part")
    onnx.save(model, str(beside))
    beside.replace(target)
    return len(rows)


def _chosen(boxes: pd.DataFrame, params: AdaptParams, rng: np.random.Generator) -> pd.DataFrame:
    """Draw boxes that are large enough, in the order of their slices."""
    corners = boxes[CORNERS].to_numpy(np.int64).reshape(-1, 4)
    large = np.flatnonzero((corners[:, 2:] - corners[:, :2]).min(axis=1, initial=np.iinfo(np.int64).max) >= SMALLEST_PX)
    drawn = rng.choice(large, min(params.boxes, len(large)), replace=False) if len(large) else large
    return boxes.iloc[np.sort(drawn)].sort_values(["z", *CORNERS], kind="stable", ignore_index=True)


def gather(
    stack: Stack, boxes: pd.DataFrame, network: MaskNetwork, params: AdaptParams, rng: np.random.Generator
) -> Looks:
    """Look at each box through others that are moved or loosened."""
    extractor = MaskNetExtractor(network, MaskNetParams(box_error=0))
    size = stack.voxel_size or VoxelSize(1, 1, 1)  # the network does not ask for it
    crops, first, inside, errors = [], [], [], []
    for z, slab in slabs(stack, sorted({int(z) for z in boxes["z"]})):
        corners = boxes.loc[boxes["z"] == z, CORNERS].to_numpy(np.int32)
        for box, mask in zip(corners, extractor(slab, corners, size), strict=True):
            own, whole = (np.pad(shown.astype(np.uint8) * 255, 1) for shown in (mask, np.ones_like(mask)))
            for _ in range(params.looks):
                moved, error = shifted(box, rng)
                affine = frame(moved)
                crops.append(sample(slab, affine))
                first.append(sample_alone(own, affine, (int(box[0]) - 1, int(box[1]) - 1)))
                inside.append(sample_alone(whole, affine, (int(box[0]) - 1, int(box[1]) - 1)))
                errors.append(error)
    seen, answered, held = (np.stack(part).astype(np.uint8) for part in (crops, first, inside))
    return Looks(seen, answered, held, np.array(errors, dtype=np.float32))


def shifted(box: NDArray[np.integer], rng: np.random.Generator) -> tuple[NDArray[np.float64], float]:
    """Move the sides of a box y0, x0, y1, x1, or leave or loosen it; returns it and how far it may be off, in sides."""
    sides = np.tile(box[2:] - box[:2], 2).astype(np.float64)
    lot = rng.random()
    if lot < TIGHT:
        return box.astype(np.float64), 0.0
    error = BAD if lot > (1 + TIGHT) / 2 else GOOD
    move = np.clip(rng.normal(0, error, 4), -LARGEST_MOVE, LARGEST_MOVE)
    if lot > 1 - LOOSE:
        move, error = np.abs(move) * np.array([-1.5, -1.5, 1.5, 1.5]), LARGEST_ERROR
    return box + move * sides, error


def learn(
    model: Model,
    looks: Looks,
    params: AdaptParams,
    rng: np.random.Generator,
    advance: Callable[[int], None] = nobody,
) -> None:
    """Take the steps, from and to the weights of an ONNX model; with one seed and one machine, the same to the bit."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(params.seed)
        weights = read_weights(model)
        optimiser = torch.optim.AdamW(
            [one for pair in weights for one in pair], params.learning_rate, weight_decay=1e-2
        )
        rise = 0.1 if params.steps != 10 else 0.11  # torch divides by the steps of the rise less one
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, params.learning_rate, total_steps=max(params.steps, 2), pct_start=rise
        )
        crops = torch.from_numpy(looks.crops).permute(0, 3, 1, 2).contiguous()
        known = torch.from_numpy(np.stack([looks.first, looks.inside], axis=1))
        errors = torch.from_numpy(looks.errors)
        for _ in range(params.steps):
            chosen = torch.from_numpy(rng.choice(len(crops), min(params.batch, len(crops)), replace=False))
            planes, told = disturbed(crops[chosen], known[chosen], errors[chosen], rng)
            with torch.autocast("cpu", torch.bfloat16, enabled=multiplies_bfloat16()):
                logits = forward(planes, weights)
            loss = box_loss(logits.float(), told[:, 0], told[:, 1], keep=params.keep)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            advance(1)
    write_weights(model, weights)


def box_loss(logits: Tensor, first: Tensor, box: Tensor, *, keep: float) -> Tensor:
    """Measure what contradicts the true boxes, and a little what contradicts the first answers; all (n, side, side).

    Beyond the box each pixel should be empty. In each of its rows and columns the likeliest pixel should be full. In
    it the answer should stay what it was, with the weight `keep`.
    """
    from torch.nn import functional

    inside, outside = box > INSIDE, box < OUTSIDE
    beyond = (functional.softplus(logits) * outside).sum((1, 2)) / outside.sum((1, 2)).clamp(min=1)
    found = logits.sigmoid() * inside
    missed: Tensor = 0.0
    for axis in (1, 2):
        lines = inside.any(axis)
        missed = missed - (found.amax(axis).clamp(min=FAINT).log() * lines).sum(1) / lines.sum(1).clamp(min=1)
    entropy = functional.binary_cross_entropy_with_logits(logits, first, reduction="none")
    changed = (entropy * inside).sum((1, 2)) / inside.sum((1, 2)).clamp(min=1)
    return (beyond + missed + keep * changed).mean()


def forward(planes: Tensor, weights: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Compute the logits (n, side, side) of planes (n, 5, side, side): the U-Net of `tools/masknet_model.py`, fused."""
    import torch
    from torch.nn import functional

    layers = iter(weights)

    def convolved(x: Tensor, times: int = 1) -> Tensor:
        for _ in range(times):
            weight, bias = next(layers)
            x = functional.relu(functional.conv2d(x, weight, bias, padding=1))
        return x

    def joined(coarse: Tensor, fine: Tensor) -> Tensor:
        return torch.cat([functional.interpolate(coarse, scale_factor=2.0, mode="nearest"), fine], 1)

    one = convolved(functional.pixel_unshuffle(planes, 2), 2)
    two = convolved(functional.max_pool2d(one, 2), 2)
    three = convolved(functional.max_pool2d(two, 2), 2)
    four = convolved(functional.max_pool2d(three, 2), 2)
    three = convolved(joined(four, three))
    two = convolved(joined(three, two))
    one = convolved(joined(two, one), 2)
    return functional.pixel_shuffle(functional.conv2d(one, *next(layers)), 2)[:, 0]


def read_weights(model: Model) -> list[tuple[Tensor, Tensor]]:
    """Read weight and bias of every convolution of an ONNX model, in its order, ready to learn."""
    import torch
    from onnx import numpy_helper

    values = {tensor.name: tensor for tensor in model.graph.initializer}
    pairs = [node.input[1:3] for node in model.graph.node if node.op_type == "Conv"]
    read = [[torch.from_numpy(numpy_helper.to_array(values[name]).copy()) for name in pair] for pair in pairs]
    return [(weight.requires_grad_(True), bias.requires_grad_(True)) for weight, bias in read]


def write_weights(model: Model, weights: list[tuple[Tensor, Tensor]]) -> None:
    """Put weights where `read_weights` read them."""
    from onnx import numpy_helper

    values = {tensor.name: tensor for tensor in model.graph.initializer}
    pairs = [node.input[1:3] for node in model.graph.node if node.op_type == "Conv"]
    for names, pair in zip(pairs, weights, strict=True):
        for name, tensor in zip(names, pair, strict=True):
            values[name].CopyFrom(numpy_helper.from_array(tensor.detach().numpy(), name))
