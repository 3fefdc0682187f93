"""The device that a detector is trained and run on: torch is asked first, so that a wrong name is a message."""

from famous.errors import InputError


def check_device(device: str) -> str:
    """Return "cpu" or a device that torch can use here, as torch calls it: a number is a GPU.

    Raises
    ------
    InputError
        If torch knows no such device, or finds none here.
    """
    if device == "cpu":
        return device
    import torch

    name = f"cuda:{device}" if device.isdigit() else device
    try:
        torch.empty(1, device=torch.device(name))
    except (RuntimeError, AssertionError, NotImplementedError) as problem:
        said = str(problem).strip().splitlines()
        raise InputError(
            f"device: found {device!r}, which torch cannot use here ({said[0] if said else type(problem).__name__}); "
            "expected auto, cpu, or a GPU such as cuda:0 (`famous doctor` says whether there is one)"
        ) from problem
    return name
