"""Training in bfloat16: where it is used, what it leaves in float32, and how near to float32 it comes."""

import numpy as np
import pytest

from famous.yolo import half
from famous.yolo.half import half_precision, multiplies_bfloat16
from famous.yolo.quiet import import_ultralytics
from famous.yolo.thrift import thrifty_layers

#: a detector that is so shallow that rounding does not grow on its way
SHALLOW = {
    "nc": 2,
    "backbone": [[-1, 1, "Conv", [16, 3, 2]], [-1, 1, "Conv", [16, 3, 2]], [-1, 1, "Conv", [16, 3, 2]]],
    "head": [[[0, 1, 2], 1, "Detect", ["nc"]]],
}


def likeness(one, other) -> float:
    """Cosine of the angle between two tensors."""
    import torch

    return float(
        torch.nn.functional.cosine_similarity(one.detach().flatten().double(), other.detach().flatten().double(), dim=0)
    )


@pytest.fixture
def model(monkeypatch):
    """A detector in training, on a processor that is said to multiply bfloat16."""
    import_ultralytics()
    import torch
    from ultralytics.nn.tasks import DetectionModel

    monkeypatch.setattr(half, "multiplies_bfloat16", lambda: True)
    torch.manual_seed(0)
    return DetectionModel(SHALLOW, ch=3, verbose=False).train()


@pytest.fixture
def pictures(model):
    import torch

    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def answers(model, x):
    """The tensors that a network in training gives, by the path to each."""

    def walk(value, path):
        if isinstance(value, dict):
            return [pair for name in value for pair in walk(value[name], (*path, name))]
        if isinstance(value, list | tuple):
            return [pair for number, item in enumerate(value) for pair in walk(item, (*path, number))]
        return [(path, value)]

    return dict(walk(model(x), ()))


def gradients(model, x):
    model.zero_grad()
    sum(value.square().mean() for value in answers(model, x).values()).backward()
    return {name: weights.grad.clone() for name, weights in model.named_parameters() if weights.grad is not None}


def test_a_training_network_answers_in_float32_and_nearly_the_same(model, pictures):
    import torch

    plain = answers(model, pictures)
    with thrifty_layers(), half_precision():
        found = answers(model, pictures)
    assert list(found) == list(plain)
    assert any((found[path] != plain[path]).any() for path in plain)  # it was another arithmetic
    for path, expected in plain.items():
        assert found[path].dtype == torch.float32
        assert likeness(found[path], expected) > 0.999


def test_gradients_are_in_float32_and_point_the_same_way(model, pictures):
    import torch

    plain = gradients(model, pictures)
    with thrifty_layers(), half_precision():
        found = gradients(model, pictures)
    assert len(found) == len(plain) > 10
    assert all(value.dtype == torch.float32 for value in (*found.values(), *model.parameters()))
    for name, expected in plain.items():
        assert likeness(found[name], expected) > 0.99, name
        assert found[name].norm() == pytest.approx(float(expected.norm()), rel=0.1)


def test_thrifty_layers_have_the_gradients_of_plain_ones_in_bfloat16_too(model, pictures):
    with half_precision():
        plain = gradients(model, pictures)
        with thrifty_layers():
            found = gradients(model, pictures)
    for name, expected in plain.items():
        assert likeness(found[name], expected) > 0.9999, name


def test_a_network_that_only_looks_is_left_alone(model, pictures):
    import torch

    model.eval()
    with torch.no_grad():
        plain = answers(model, pictures)
        with half_precision():
            found = answers(model, pictures)
    assert all(torch.equal(found[path], plain[path]) for path in plain)


@pytest.mark.parametrize("able", [False, True])
def test_it_ends_with_its_block_and_needs_a_processor_for_it(able, model, monkeypatch):
    from ultralytics.nn.tasks import BaseModel

    monkeypatch.setattr(half, "multiplies_bfloat16", lambda: able)
    plain = BaseModel._predict_once
    with half_precision():
        assert (BaseModel._predict_once is not plain) == able
    assert BaseModel._predict_once is plain


def test_a_torch_that_does_not_tell_is_taken_for_unable(monkeypatch):
    import torch

    assert isinstance(multiplies_bfloat16(), bool)
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    for name in names:
        monkeypatch.setattr(torch.cpu, name, lambda: False, raising=False)
    assert not multiplies_bfloat16()
    for name in names:
        monkeypatch.setattr(torch.cpu, name, lambda: True)
        assert multiplies_bfloat16()
        monkeypatch.delattr(torch.cpu, name)
    assert not multiplies_bfloat16()


def test_numbers_that_are_no_tensors_pass():
    assert half._float({"a": [1, (None, np.float32(2))]}) == {"a": [1, (None, np.float32(2))]}
