"""What a labelling is: boxes, the slices that were declared done, and the classes in their order."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import pandas as pd

from famous import boxes as box_table
from famous.errors import InputError


@dataclass(frozen=True, eq=False)
class Annotations:
    """The labelling of one stack.

    `boxes` is a box table. `done` holds the z of the slices whose user said that every object in them has its box: only
    they may teach what is background. `classes` holds every class in the user's order, also those without a box.
    """

    boxes: pd.DataFrame
    done: frozenset[int]
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "boxes", box_table.validate(self.boxes))
        object.__setattr__(self, "done", frozenset(int(z) for z in self.done))
        object.__setattr__(self, "classes", tuple(check_class_name(name) for name in self.classes))
        repeated = sorted({name for name in self.classes if self.classes.count(name) > 1})
        if repeated:
            raise InputError(f"annotations: found the classes {repeated} more than once, expected each once")
        unknown = sorted(set(self.boxes["class_name"]) - set(self.classes))
        if unknown:
            raise InputError(f"annotations: found boxes of the classes {unknown}, expected one of {list(self.classes)}")

    @property
    def slices(self) -> list[int]:
        """The slices that have a box or were declared done, ascending."""
        return sorted({int(z) for z in self.boxes["z"].unique()} | self.done)


@dataclass(frozen=True, eq=False)
class Imported:
    """What a file gave: the annotations, and what the user should know about how they were read."""

    annotations: Annotations
    notes: list[str] = field(default_factory=list)


def check_class_name(name: object) -> str:
    """Return the name without blanks round it, or raise InputError: it must be one printable line of text, not a #."""
    text = name.strip() if isinstance(name, str) else ""
    if not text or not text.isprintable() or text.startswith("#"):
        raise InputError(f"found {shown(name)} as class name, expected one line of text that does not start with #")
    return text


def merge_classes(*groups: Iterable[str]) -> tuple[str, ...]:
    """List every class once, in the order of its first appearance."""
    return tuple(dict.fromkeys(name for group in groups for name in group))


def shown(value: object, longest: int = 60) -> str:
    """Show a value in a message: short, and safe however large or deep the value is."""
    if isinstance(value, list | dict | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    text = repr(value)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
