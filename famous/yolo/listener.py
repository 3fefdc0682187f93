"""Who is told how far a training is: of each epoch, and of each piece of work that comes after them."""

from collections.abc import Callable
from dataclasses import dataclass

Progress = Callable[[int, int, float, float], None]


def nobody(*told: object) -> None:
    """Hear nothing."""


@dataclass(frozen=True)
class Listener:
    """Three calls; what nobody wants to hear may be left out."""

    epoch: Progress = nobody  # after each epoch: its number from 1, how many there will be, loss, seconds left
    begin: Callable[[str, int], None] = nobody  # a piece of work begins after the epochs: what it is, its units
    advance: Callable[[int], None] = nobody  # so many units of it are done
