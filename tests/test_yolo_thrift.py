"""The thrifty layers against the plain ones: the same forward to the bit, the same gradients, less kept."""

import pytest

from famous.yolo.quiet import import_ultralytics
from famous.yolo.thrift import normalise_and_activate, thrifty_layers


def block(act=True, seed: int = 0):
    """Build a convolution block with statistics and scales that are not the trivial ones."""
    import_ultralytics()
    import torch
    from ultralytics.nn.modules.conv import Conv

    torch.manual_seed(seed)
    made = Conv(3, 8, 3, act=act)
    with torch.no_grad():
        made.bn.weight.uniform_(-2, 2)
        made.bn.bias.uniform_(-1, 1)
    return made.train()


def passed(made, *, thrifty: bool):
    """Pass a picture forth and back; returns output, gradients and what the block then holds."""
    import torch

    made.zero_grad()
    x = torch.rand(2, 3, 16, 12, generator=torch.Generator().manual_seed(1)).requires_grad_(True)
    weights = torch.rand(2, 8, 16, 12, generator=torch.Generator().manual_seed(2))
    if thrifty:
        with thrifty_layers():
            y = made(x)
            (y * weights).sum().backward()
    else:
        y = made(x)
        (y * weights).sum().backward()
    gradients = [x.grad, *(one.grad.clone() for one in made.parameters())]
    return y.detach(), gradients, {name: value.clone() for name, value in made.state_dict().items()}


@pytest.mark.parametrize("seed", range(3))
def test_output_statistics_and_gradients_are_those_of_the_plain_block(seed):
    import torch

    plain, thrifty = (passed(block(seed=seed), thrifty=thrifty) for thrifty in (False, True))
    assert torch.equal(plain[0], thrifty[0])
    for one, other in zip(plain[1], thrifty[1], strict=True):
        assert one.abs().max() > 0
        assert (one - other).abs().max() < 1e-5 * one.abs().max()
    assert all(torch.equal(plain[2][name], thrifty[2][name]) for name in plain[2])
    assert int(plain[2]["bn.num_batches_tracked"]) == 1


def test_gradients_agree_with_finite_differences():
    import_ultralytics()
    import torch

    torch.manual_seed(3)
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    weight = torch.tensor([0.5, -1.5, 2.0], dtype=torch.float64, requires_grad=True)
    bias = torch.tensor([0.1, 0.0, -0.7], dtype=torch.float64, requires_grad=True)

    def layer(*values):
        state = torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64), 0.03, 1e-3
        return normalise_and_activate().apply(*values, *state)

    assert torch.autograd.gradcheck(layer, (x, weight, bias))


def kept_bytes(made, *, thrifty: bool) -> int:
    """Bytes that torch keeps for the way back."""
    import torch

    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    x = torch.rand(2, 3, 64, 64)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        if thrifty:
            with thrifty_layers():
                made(x).sum()
        else:
            made(x).sum()
    return sum(kept.values())


def test_a_tensor_less_is_kept():
    plain, thrifty = (kept_bytes(block(), thrifty=thrifty) for thrifty in (False, True))
    assert plain - thrifty == pytest.approx(2 * 8 * 64 * 64 * 4, rel=0.01)


def test_other_activations_and_inference_are_left_alone():
    import torch

    for made in (block(act=False), block(act=torch.nn.ReLU()), block().eval()):
        before = passed(made, thrifty=False)
        made.load_state_dict(before[2])
        after = passed(made, thrifty=True)
        assert torch.equal(before[0], after[0])
        assert all(torch.equal(one, other) for one, other in zip(before[1], after[1], strict=True))


def test_the_blocks_are_plain_again_even_after_an_error():
    import_ultralytics()
    from ultralytics.nn.modules.conv import Conv

    def fail() -> None:
        with thrifty_layers():
            assert Conv.forward is not plain
            raise KeyboardInterrupt

    plain = Conv.forward
    with pytest.raises(KeyboardInterrupt):
        fail()
    assert Conv.forward is plain
