"""A training in the background: a process of its own, low in priority, that ends with the server."""

from collections.abc import Callable, Sequence
from typing import Any


class TrainingJob:
    """The training of one stack; at most one at a time. Thread-safe."""

    def __init__(self, command: Callable[[float], Sequence[str]], is_busy: Callable[[], bool] = lambda: False) -> None:
        """`command(minutes)` is what to start; `is_busy()` says whether another program works in the folder."""
        raise NotImplementedError

    def start(self, minutes: float) -> None:
        """Start; InputError where one runs already, here or elsewhere, or `minutes` is no time."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop it, if it runs; what it has learnt so far is kept for the next start with the same labels."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """{"state": "idle|running|failed|done", "epoch", "epochs", "loss", "seconds_left", "message", "map50", "log": last lines}."""
        raise NotImplementedError

    def close(self) -> None:
        """Stop it, and wait for its end (server's shutdown)."""
        raise NotImplementedError
