"""The box → mask network, in torch: a U-Net on crops of 64 × 64 that computes at half of that and coarser."""

import torch
from torch import nn
from torch.nn import functional

PLANES = 5  # z − 1, z, z + 1, inside the box, radius


def convolved(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )


class MaskNet(nn.Module):
    """(n, 5, 64, 64) → (n, 64, 64) logits."""

    def __init__(self, widths: tuple[int, int, int, int] = (32, 64, 96, 96)) -> None:
        super().__init__()
        first, second, third, fourth = widths
        self.fold = nn.PixelUnshuffle(2)
        self.down1 = nn.Sequential(convolved(4 * PLANES, first), convolved(first, first))
        self.down2 = nn.Sequential(convolved(first, second), convolved(second, second))
        self.down3 = nn.Sequential(convolved(second, third), convolved(third, third))
        self.down4 = nn.Sequential(convolved(third, fourth), convolved(fourth, fourth))
        self.up3 = convolved(fourth + third, second)
        self.up2 = convolved(second + second, first)
        self.up1 = nn.Sequential(convolved(first + first, first), convolved(first, first))
        self.last = nn.Conv2d(first, 4, 1)
        self.unfold = nn.PixelShuffle(2)

    def forward(self, planes: torch.Tensor) -> torch.Tensor:
        """Compute the logits."""
        one = self.down1(self.fold(planes))
        two = self.down2(functional.max_pool2d(one, 2))
        three = self.down3(functional.max_pool2d(two, 2))
        four = self.down4(functional.max_pool2d(three, 2))
        three = self.up3(torch.cat([_doubled(four), three], 1))
        two = self.up2(torch.cat([_doubled(three), two], 1))
        one = self.up1(torch.cat([_doubled(two), one], 1))
        logits: torch.Tensor = self.unfold(self.last(one))[:, 0]
        return logits


def _doubled(features: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(features, scale_factor=2.0, mode="nearest")
