"""Train in less memory: batch normalisation and the activation behind it keep one tensor for the way back, not two.

Torch keeps the input of each for the backward pass. The input of the activation follows from that of the
normalisation by one multiplication and addition a value, so it is computed once more instead (in-place activated batch
normalisation, Rota Bulò et al., CVPR 2018, has the idea). The forward pass is the same to the bit; a third of what a
training holds, and the copies that made it, go.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeAlias

Tensor: TypeAlias = Any  # torch is not imported here
Module: TypeAlias = Any


@contextmanager
def thrifty_layers() -> Iterator[None]:
    """Let the convolution blocks of ultralytics train thriftily on the CPU for as long as this lasts."""
    from torch.nn import SiLU
    from ultralytics.nn.modules.conv import Conv

    plain = Conv.forward

    def forward(block: Module, x: Tensor) -> Tensor:
        norm = block.bn
        if not norm.training or type(block.act) is not SiLU or x.device.type != "cpu":
            return plain(block, x)
        norm.num_batches_tracked.add_(1)
        state = norm.running_mean, norm.running_var, norm.momentum, norm.eps
        return normalise_and_activate().apply(block.conv(x), norm.weight, norm.bias, *state)

    Conv.forward = forward
    try:
        yield
    finally:
        Conv.forward = plain


@cache
def normalise_and_activate() -> Any:
    """Return the function (n, c, y, x), weight, bias, running mean and variance, momentum, eps → SiLU of the norm."""
    import torch

    class NormaliseAndActivate(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, *state: Any) -> Tensor:
            normal, mean, inverse = torch.native_batch_norm(x, weight, bias, *state[:2], True, *state[2:])
            ctx.save_for_backward(x, weight, bias, mean, inverse)
            ctx.eps = state[3]
            return torch.nn.functional.silu(normal, inplace=True)

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
            x, weight, bias, mean, inverse = ctx.saved_tensors
            variance = inverse.pow(-2) - ctx.eps
            normal = torch.native_batch_norm(x, weight, bias, mean, variance, False, 0.0, ctx.eps)[0]
            gradient = torch.ops.aten.silu_backward(gradient, normal)
            del normal
            back = torch.ops.aten.native_batch_norm_backward
            gradients = back(gradient, x, weight, None, None, mean, inverse, True, ctx.eps, [True] * 3)
            return *gradients, None, None, None, None

    return NormaliseAndActivate
