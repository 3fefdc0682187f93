"""The device: what torch can use is taken, anything else is a message and no traceback."""

import pytest
import torch

from famous.errors import InputError
from famous.yolo.device import check_device


def test_the_cpu_is_always_there():
    assert check_device("cpu") == "cpu"


def test_a_number_is_a_gpu(monkeypatch):
    asked = []
    monkeypatch.setattr(torch, "empty", lambda size, device: asked.append(str(device)))
    assert check_device("1") == "cuda:1"
    assert check_device("cuda") == "cuda"
    assert asked == ["cuda:1", "cuda"]


@pytest.mark.parametrize("device", ["nonsense", "", "0,1", "cuda:x", "cuda:99", "99"])
def test_what_torch_cannot_use_is_named(device):
    with pytest.raises(InputError, match=r"^device: found .* expected auto, cpu, or a GPU") as caught:
        check_device(device)
    assert repr(device) in str(caught.value)
    assert "\n" not in str(caught.value)
