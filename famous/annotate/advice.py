"""Which slice to label next: where the model is least sure of itself, and what looks least like the slices done."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True)
class Advice:
    """The slice to label next, and why in words."""

    z: int
    reason: str


@dataclass(frozen=True)
class Look:
    """What is known about one slice: how it looks, and how much the model disagrees with itself there."""

    features: NDArray[np.float64]
    disagreement: float | None = None  # None: no model, or not asked yet


def next_slice(
    n_slices: int, done: Collection[int], *, looks: Mapping[int, Look], proposed: Sequence[int], here: int | None = None
) -> Advice | None:
    """Choose the slice whose labels would teach most; None where every slice is done. Pure and deterministic."""
    raise NotImplementedError


class Adviser:
    """Looks at slices in the background, within a budget of seconds per model; `advise` answers at once."""

    def __init__(
        self,
        n_slices: int,
        image: Callable[[int], NDArray[np.uint8]],
        found: Callable[[int, bool], pd.DataFrame],
        version: Callable[[], str | None],
    ) -> None:
        """`image(z)` is the slice; `found(z, turned)` its boxes, also as seen when turned by 180°; `version()` the model's."""
        raise NotImplementedError

    def advise(self, done: Collection[int], proposed: Sequence[int], here: int | None = None) -> Advice | None:
        """Choose with what is known by now; wakes the thread, which looks on."""
        raise NotImplementedError

    def close(self) -> None:
        """End the thread."""
        raise NotImplementedError
