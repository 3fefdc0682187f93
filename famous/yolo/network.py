"""The network between its checkpoint and its raw output; the only place that knows the head of an ultralytics model."""

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from famous.errors import InputError, MissingError
from famous.yolo.quiet import import_ultralytics

Network: TypeAlias = Any  # a torch module, or what goes into or comes out of one; torch is not imported here

OPSET = 17
SMALLEST_HALVED = 256  # values; smaller tensors stay in 32 bits
NMS_IOU = 0.7


def load_network(file: Path, *, end_to_end: bool = False) -> tuple[Network, bool]:
    """Read a checkpoint without running code from it; returns a raw network and whether it needs no suppression.

    Raises
    ------
    InputError
        If it is no detection checkpoint, or holds more than the weights of one.
    MissingError
        If the libraries that are installed could read it only by running what is in it.
    """
    import_ultralytics()
    from ultralytics.nn.tasks import load_checkpoint

    try:
        with _nothing_run():
            model, _ = load_checkpoint(file)
    except (TypeError, RuntimeError, KeyError, EOFError) as problem:
        raise InputError(
            f"{file}: found no weights ({problem}), expected an ultralytics detection checkpoint"
        ) from problem
    end_to_end = end_to_end and has_end_to_end(model)
    return raw_network(model, end_to_end=end_to_end), end_to_end


@contextmanager
def _nothing_run() -> Iterator[None]:
    """Let ultralytics read checkpoints by torch's `weights_only`, also where somebody else imported it first.

    Where it or torch is too old for that it would say nothing, and run what a file holds.
    """
    import torch
    from ultralytics.nn import tasks

    if not (hasattr(tasks, "SAFE_LOAD") and hasattr(torch.serialization, "get_unsafe_globals_in_checkpoint")):
        raise MissingError(
            "the ultralytics or torch that is installed reads weights by running what is in them; famous needs "
            "newer ones: pip install 'ultralytics>=8.4.70' 'torch>=2.6'"
        )
    before, tasks.SAFE_LOAD = tasks.SAFE_LOAD, True
    try:
        yield
    finally:
        tasks.SAFE_LOAD = before


def has_end_to_end(model: Network) -> bool:
    """Tell whether a detection model has a second head that gives one box an object by itself."""
    return getattr(model.model[-1], "one2one_cv2", None) is not None


def raw_network(model: Network, *, end_to_end: bool = False) -> Network:
    """Return a copy of a detection model, fused for inference, that gives its raw candidates.

    Its call takes (n, 3, h, w) float 0 … 1, sides multiples of 32, and returns (n, anchors, 4 + classes): x0, y0, x1,
    y1 in pixels and one score a class.
    """
    import torch

    criterion, model.criterion = getattr(model, "criterion", None), None
    network = copy.deepcopy(model).float().eval()
    model.criterion = criterion
    head = network.model[-1]
    head.end2end = end_to_end
    network.fuse(verbose=False)
    head.export, head.dynamic, head.format, head.xyxy = True, True, "onnx", True
    head.postprocess = _as_it_is
    for parameter in network.parameters():
        parameter.requires_grad_(False)

    class Raw(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, planes: Network) -> Network:
            candidates = self.network(planes)
            return candidates if end_to_end else candidates.permute(0, 2, 1)

    return Raw().eval()


def inherit_classes(model: Network, start: Network, class_names: tuple[str, ...]) -> list[str]:
    """Let a detection model know at once the classes that the one it starts from knows by the same name.

    ultralytics takes over what has the same shape, which the rows of the classes have not where their number differs.
    Returns the classes that were taken over; case does not count.
    """
    known = {str(name).casefold(): number for number, name in start.names.items()}
    shared = [(new, known[name.casefold()]) for new, name in enumerate(class_names) if name.casefold() in known]
    for name in ("cv3", "one2one_cv3"):
        for own, other in zip(_scores(model, name), _scores(start, name), strict=False):
            if own.weight.shape[1:] != other.weight.shape[1:]:
                return []
            for new, old in shared:
                own.weight.data[new] = other.weight.data[old]
                own.bias.data[new] = other.bias.data[old]
    return [class_names[new] for new, _ in shared]


def _scores(model: Network, name: str) -> list[Network]:
    """The layers that give the score of each class, one a scale of the head."""
    return [branch[-1] for branch in getattr(model.model[-1], name, None) or []]


def _as_it_is(candidates: Network) -> Network:
    return candidates


def export_onnx(network: Network, file: Path) -> None:
    """Write a raw network as ONNX with free batch, height and width; the file appears whole.

    Weights are stored in 16 bits, as a checkpoint's are, and computed with in 32.
    """
    import torch

    beside = file.with_name(f"{file.name}.part")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.cpu(),
            (torch.zeros(1, 3, 96, 128),),
            str(beside),
            opset_version=OPSET,
            input_names=["images"],
            output_names=["candidates"],
            dynamic_axes={"images": {0: "n", 2: "height", 3: "width"}, "candidates": {0: "n", 1: "anchors"}},
            dynamo=False,
        )
    _halve(beside)
    beside.replace(file)


def _halve(file: Path) -> None:
    """Store the large tensors of an ONNX file in half the bytes, with a cast back that runtimes do once at loading."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(str(file))
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size >= SMALLEST_HALVED:
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
            casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    for cast in reversed(casts):
        graph.node.insert(0, cast)
    onnx.save(model, str(file))
