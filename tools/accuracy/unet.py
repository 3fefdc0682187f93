"""A 2D U-Net of the usual size (Ronneberger et al. 2015, with batch normalisation): 32 to 512 channels."""

import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from accuracy.peers import Images, Masks
from famous.yolo.half import multiplies_bfloat16


@dataclass(frozen=True)
class UNetParams:
    """How the network is built and trained."""

    channels: tuple[int, ...] = (32, 64, 128, 256, 512)  # of each level
    crop_px: int = 256  # side of a training crop
    batch: int = 4
    learning_rate: float = 1e-3  # of AdamW; rises over the first 2 % of the time, then falls as a cosine
    on_object: float = 0.5  # share of the crops with an organelle's pixel in the middle
    zoom: float = 0.3  # crops are resampled by up to this share
    grey: float = 0.2  # most that contrast and brightness change
    noise: float = 0.05  # standard deviation of the noise, at most
    save_seconds: float = 60.0  # between two states on disk
    seed: int = 0


def block(entry: int, leave: int) -> nn.Sequential:
    """Two convolutions of 3 × 3, each normalised and rectified."""
    layers: list[nn.Module] = []
    for channels in (entry, leave):
        layers += [nn.Conv2d(channels, leave, 3, padding=1, bias=False), nn.BatchNorm2d(leave), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """(n, 3, y, x) to (n, 1, y, x) logits; sides are multiples of 2 to the number of poolings."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.down = nn.ModuleList(block(a, b) for a, b in zip((3, *channels[:-1]), channels, strict=True))
        pairs = list(zip(channels[:0:-1], channels[-2::-1], strict=True))
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, stride=2) for a, b in pairs)
        self.join = nn.ModuleList(block(2 * b, b) for _, b in pairs)
        self.last = nn.Conv2d(channels[0], 1, 1)

    def forward(self, planes: torch.Tensor) -> torch.Tensor:
        """Logits of the organelle."""
        held = []
        for level, layer in enumerate(self.down):
            planes = layer(functional.max_pool2d(planes, 2) if level else planes)
            held.append(planes)
        for up, join, beside in zip(self.up, self.join, held[-2::-1], strict=True):
            planes = join(torch.cat([up(planes), beside], 1))
        found: torch.Tensor = self.last(planes)
        return found


class UNetPeer:
    """The network with its training, which goes on where it was if it was killed."""

    def __init__(self, params: UNetParams | None = None) -> None:
        self.params = params or UNetParams()
        torch.manual_seed(self.params.seed)
        self._net = UNet(self.params.channels).to(memory_format=torch.channels_last)

    def fit(self, images: Images, masks: Masks, seconds: float, folder: Path) -> float:
        """Train for so many seconds, those before a kill counted."""
        params = self.params
        optimiser = torch.optim.AdamW(self._net.parameters(), params.learning_rate, weight_decay=1e-4)
        path = folder / "unet.pt"
        state = {"spent": 0.0, "step": 0}
        if path.exists():
            held = torch.load(path, weights_only=True)
            self._net.load_state_dict(held["net"])
            optimiser.load_state_dict(held["optimiser"])
            state = held["state"]
        rng = np.random.default_rng([params.seed, int(state["step"])])
        self._net.train()
        saved = state["spent"]
        while state["spent"] < seconds:
            start = time.monotonic()
            share = state["spent"] / seconds
            for group in optimiser.param_groups:
                group["lr"] = params.learning_rate * min(1, 0.05 + share / 0.02) * (1 + math.cos(math.pi * share)) / 2
            loss = self._step(optimiser, *batch(images, masks, params, rng))
            state["step"] += 1
            state["spent"] += time.monotonic() - start
            if state["spent"] - saved >= params.save_seconds or state["spent"] >= seconds:
                saved = state["spent"]
                self._save(path, optimiser, state)
                left = max(0.0, seconds - saved)
                sys.stderr.write(f"  unet: step {state['step']}, loss {loss:.3f}, {left:.0f} s left\n")
        self._net.eval()
        return float(state["spent"])

    def _step(self, optimiser: torch.optim.Optimizer, planes: torch.Tensor, truth: torch.Tensor) -> float:
        with torch.autocast("cpu", torch.bfloat16, enabled=multiplies_bfloat16()):  # as our detector trains
            logits = self._net(planes.contiguous(memory_format=torch.channels_last)).float()
        inside = logits.sigmoid()
        dice = 1 - (2 * (inside * truth).sum() + 1) / (inside.sum() + truth.sum() + 1)
        loss = functional.binary_cross_entropy_with_logits(logits, truth) + dice
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return float(loss.detach())

    def _save(self, path: Path, optimiser: torch.optim.Optimizer, state: dict[str, float]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        begun = path.with_suffix(".partial")
        torch.save({"net": self._net.state_dict(), "optimiser": optimiser.state_dict(), "state": state}, begun)
        begun.replace(path)

    def probability(self, slab: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probability of each pixel, from the whole slice at once."""
        multiple = 2 ** (len(self.params.channels) - 1)
        height, width = slab.shape[:2]
        padded = cv2.copyMakeBorder(slab, 0, -height % multiple, 0, -width % multiple, cv2.BORDER_REFLECT)
        self._net.eval()
        with torch.inference_mode():
            logits = self._net(as_planes(padded.astype(np.float32)[None]).contiguous(memory_format=torch.channels_last))
        return np.ascontiguousarray(logits.sigmoid().numpy()[0, 0, :height, :width])


def as_planes(slabs: NDArray[np.float32]) -> torch.Tensor:
    """(n, y, x, 3) grey values 0 … 255 to what the network sees."""
    return torch.from_numpy(np.ascontiguousarray((slabs / 255 - 0.5) / 0.25).transpose(0, 3, 1, 2))


def batch(
    images: Images, masks: Masks, params: UNetParams, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw crops: turned, zoomed, mirrored, with other contrast, brightness and noise."""
    slices = sorted(masks)
    drawn = [
        crop(images[z], masks[z], params, rng)
        for z in (slices[i] for i in rng.integers(len(slices), size=params.batch))
    ]
    slabs, truth = (np.stack(part) for part in zip(*drawn, strict=True))
    return as_planes(slabs), torch.from_numpy(truth[:, None])


def crop(
    slab: NDArray[np.uint8], mask: NDArray[np.bool_], params: UNetParams, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cut one crop: (side, side, 3) grey values and (side, side) 0 or 1."""
    side, (height, width) = params.crop_px, mask.shape
    inside = np.flatnonzero(mask) if rng.random() < params.on_object else np.zeros(0, dtype=np.int64)
    y, x = divmod(int(rng.choice(inside)), width) if len(inside) else (rng.integers(height), rng.integers(width))
    scale = (1 + params.zoom) ** rng.uniform(-1, 1)
    matrix = cv2.getRotationMatrix2D((float(x), float(y)), rng.uniform(0, 360), scale)
    matrix[:, 2] += side / 2 - np.array([x, y])
    if rng.random() < 0.5:
        matrix[0] = [0, 0, side - 1] - matrix[0]
    ways = {"dsize": (side, side), "borderMode": cv2.BORDER_REFLECT_101}
    grey = cv2.warpAffine(slab, matrix, flags=cv2.INTER_LINEAR, **ways).astype(np.float32)
    truth = cv2.warpAffine(mask.astype(np.uint8), matrix, flags=cv2.INTER_NEAREST, **ways).astype(np.float32)
    contrast, brightness = 1 + rng.uniform(-params.grey, params.grey), 128 * rng.uniform(-params.grey, params.grey)
    noise = rng.standard_normal(grey.shape, dtype=np.float32) * np.float32(255 * rng.uniform(0, params.noise))
    return (grey - 128) * np.float32(contrast) + np.float32(128 + brightness) + noise, truth
