"""Train in half the bits on processors that multiply them: the network forth and back in bfloat16, its loss in float32.

Weights, their gradients, the statistics of the normalisation and the optimiser stay in float32 (mixed precision,
Micikevicius et al., ICLR 2018; bfloat16 has the range of float32, so that no loss is scaled: Kalamkar et al., 2019).
Channels lie innermost, which is how the kernels for it want them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

Tensor: TypeAlias = Any  # torch is not imported here
Module: TypeAlias = Any


def multiplies_bfloat16() -> bool:
    """Say whether this processor has instructions for bfloat16; without them it would be slower than float32."""
    import torch

    asked = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # of which torch may have neither
    return any(getattr(torch.cpu, name, bool)() for name in asked)


@contextmanager
def half_precision() -> Iterator[None]:
    """Let the networks of ultralytics train in bfloat16 on the CPU for as long as this lasts, where that is faster."""
    import torch
    from ultralytics.nn.tasks import BaseModel

    plain = BaseModel._predict_once

    def forward(network: Module, x: Tensor, *args: Any, **options: Any) -> Any:
        if not network.training or x.device.type != "cpu":
            return plain(network, x, *args, **options)
        with torch.autocast("cpu", torch.bfloat16):
            return _float(plain(network, x.contiguous(memory_format=torch.channels_last), *args, **options))

    if multiplies_bfloat16():
        BaseModel._predict_once = forward
    try:
        yield
    finally:
        BaseModel._predict_once = plain


def _float(values: Any) -> Any:
    """The tensors in nested dicts, lists and tuples as float32."""
    if isinstance(values, dict):
        return {name: _float(value) for name, value in values.items()}
    if isinstance(values, list | tuple):
        return type(values)(_float(value) for value in values)
    return values.float() if hasattr(values, "float") else values
