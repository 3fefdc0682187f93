"""What a killed training goes on from: all that its next epoch depends on, in one file that appears whole.

A checkpoint of ultralytics is no such thing: it keeps the averaged weights alone, in 16 bits, and neither the gradients
that wait for a step nor the weights of the two losses. With what is kept here, and with random numbers that depend on
the seed and the epoch alone, the epochs after a kill give the bits that they would have given without it.
"""

import pickle
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

from famous.errors import InputError

Ultralytics: TypeAlias = Any  # one of its objects; it is not typed, and not imported here
FILE_NAME = "resume.pt"
SECONDS = "seconds"  # the file of the time spent, written between the epochs as well
CRITERION = ("updates", "o2m", "o2o")  # what changes in a loss with two heads


@dataclass
class State:
    """How far a training has come, after a whole number of epochs."""

    seconds: float = 0.0  # spent so far, over all starts, with the epochs that a kill cut off
    epoch: int = 0  # epochs finished
    epochs: int = 0  # expected in all
    best: float = -1.0  # best validation score
    best_epoch: int = 0
    finished: bool = False


def save(loop: Ultralytics, state: State, work: Path) -> None:
    """Write where a training loop stands after an epoch; a kill leaves the file of the epoch before."""
    import torch
    from ultralytics.utils.torch_utils import unwrap_model

    model = unwrap_model(loop.model)
    gradients = {name: one.grad for name, one in model.named_parameters() if one.grad is not None}
    content = {
        "state": asdict(state),
        "model": model.state_dict(),
        "average": loop.ema.ema.state_dict(),
        "average_updates": int(loop.ema.updates),
        "optimizer": loop.optimizer.state_dict(),
        "scaler": loop.scaler.state_dict(),
        "criterion": {name: getattr(model.criterion, name) for name in CRITERION if hasattr(model.criterion, name)},
        "waiting": loop.waiting,
        "gradients": gradients if loop.waiting else {},
    }
    beside = work / f"{FILE_NAME}.part"
    torch.save(content, beside)
    beside.replace(work / FILE_NAME)


def load(work: Path) -> dict[str, Any] | None:
    """Read what `save` wrote, without running code from it; None where a training has not begun.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    import torch

    file = work / FILE_NAME
    if not file.is_file():
        return None
    try:
        content: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        content["state"] = State(**content["state"])
    except (RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError) as problem:
        raise InputError(
            f"{file}: found no half-done training ({type(problem).__name__}), expected what is written after each "
            f"epoch; remove {work} to train from the start"
        ) from problem
    return content


def keep_seconds(work: Path, seconds: float) -> None:
    """Write what a training has spent so far, so that a kill in the middle of an epoch does not lose its time."""
    beside = work / f"{SECONDS}.part"
    beside.write_text(repr(seconds), encoding="ascii")
    beside.replace(work / SECONDS)


def kept_seconds(work: Path) -> float:
    """Read what the starts before this one have spent; 0 where there was none, or nothing that could be read."""
    try:
        return float((work / SECONDS).read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):  # a crash of the whole machine may leave an empty file
        return 0.0


def restore(loop: Ultralytics, content: dict[str, Any] | None) -> None:
    """Put a loop that is set up, but has not begun, where the saved one stood, if there is one; gradients apart."""
    if content is None:
        return
    from ultralytics.utils.torch_utils import unwrap_model

    model = unwrap_model(loop.model)
    model.load_state_dict(content["model"])
    model.criterion = model.init_criterion()
    for name, value in content["criterion"].items():
        setattr(model.criterion, name, value)
    loop.ema.ema.load_state_dict(content["average"])
    loop.ema.updates = content["average_updates"]
    loop.optimizer.load_state_dict(content["optimizer"])
    loop.scaler.load_state_dict(content["scaler"])
    loop.start_epoch = content["state"].epoch


def restore_gradients(loop: Ultralytics, content: dict[str, Any]) -> None:
    """Give a loop that has begun, and so has cleared them, the gradients that were waiting for a step."""
    from ultralytics.utils.torch_utils import unwrap_model

    loop.waiting = content["waiting"]
    for name, one in unwrap_model(loop.model).named_parameters():
        if name in content["gradients"]:
            one.grad = content["gradients"][name].to(one.device)
