"""Show crops to a box → mask network as other microscopes might have taken them: mirrored, turned, exposed, blurred."""

from typing import Any, TypeAlias

import numpy as np

from famous.extract.crops import SIDE_PX, prompt, trust

Tensor: TypeAlias = Any  # torch is not imported here


def disturbed(grey: Tensor, truth: Tensor, errors: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Disturb crops (n, 3, side, side) and, where they move, what is known of their pixels (n, k, side, side).

    `errors` (n,) say how far the box of each is off, as `famous.extract.crops.trust` takes it. Returns the planes that
    the network takes (n, 5, side, side) and the known pixels, 0 … 255 become 0 … 1.
    """
    import torch
    from torch.nn import functional

    planes = grey.float()
    if rng.random() < 0.5:
        planes, truth = planes.flip(2), truth.flip(2)
    if rng.random() < 0.5:
        planes, truth = planes.flip(3), truth.flip(3)
    if rng.random() < 0.5:
        planes, truth = planes.transpose(2, 3), truth.transpose(2, 3)
    if rng.random() < 0.5:
        planes = planes.flip(1)  # z runs the other way
    count = len(planes)
    alone = torch.rand(count) < 0.3
    planes[alone] = planes[alone, 1:2]  # a slice without neighbours
    planes = _scaled(planes)
    curve = (torch.rand(count, 1, 1, 1) - 0.5) * 0.2
    planes = planes + curve * (planes.square() - 1).clamp(-1, 4)
    planes = _blurred(planes)
    planes = planes + torch.randn(planes.shape) * torch.rand(count, 1, 1, 1).square() * 0.8
    light = torch.randn(count, 1, 3, 3) * torch.rand(count, 1, 1, 1).square() * 0.5
    planes = planes + functional.interpolate(light, size=SIDE_PX, mode="bicubic", align_corners=True)
    planes = planes + torch.randn(count, 3, 1, 1) * 0.1  # each slice has an exposure of its own
    planes = _scaled(planes * (1 + torch.randn(count, 3, 1, 1) * 0.1))
    told = torch.from_numpy(prompt().copy())[None].repeat(count, 1, 1, 1)
    told[:, 0] *= torch.from_numpy(trust(errors.numpy()))[:, None, None]
    together = torch.cat([planes, told], 1).contiguous(memory_format=torch.channels_last)
    return together, truth.float() / 255


def _scaled(planes: Tensor) -> Tensor:
    """Centre and scale by the middle slice, as `famous.extract.crops.to_planes` does."""
    middle = planes[:, 1]
    mean, std = middle.mean((1, 2)), middle.std((1, 2)).clamp(min=1e-3)
    return (planes - mean[:, None, None, None]) / std[:, None, None, None]


def _blurred(planes: Tensor) -> Tensor:
    """Blur a quarter of the crops, and take half of the resolution from 15 % of them."""
    import torch
    from torch.nn import functional

    lot = torch.rand(len(planes))
    soft, coarse = lot < 0.25, (lot >= 0.25) & (lot < 0.4)
    if soft.any():
        planes[soft] = functional.avg_pool2d(functional.pad(planes[soft], (1, 1, 1, 1), mode="replicate"), 3, 1)
    if coarse.any():
        halved = functional.avg_pool2d(planes[coarse], 2)
        planes[coarse] = functional.interpolate(halved, scale_factor=2.0, mode="bilinear")
    return planes
