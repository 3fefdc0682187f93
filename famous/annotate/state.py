"""The state of a labelling, and the changes that it can undergo: each fits, or is refused with nothing touched."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from famous.annotate.records import Add, AnyChange, Box, Change, Class, Classes, Done, Remove, Rename, inverse
from famous.errors import FamousError, InputError

SMALLEST = 3  # pixels: shortest side of a box that is drawn


class StaleError(FamousError):
    """An edit was made on a state that is no longer the present one."""

    def __init__(self, base: int, revision: int) -> None:
        super().__init__(f"the labelling was changed elsewhere: it is at revision {revision}, the edit is of {base}")
        self.revision = revision


class EditError(FamousError):
    """An edit does not fit the state; nothing of it was applied. `edit` is its id, where it has one."""

    def __init__(self, message: str, edit: str | None = None) -> None:
        super().__init__(message)
        self.edit = edit


class SaveError(InputError):
    """The labelling cannot be written, or what lies on the disk is broken: the user mends that, and nothing is lost."""


@dataclass(frozen=True)
class Snapshot:
    """The labelling at one moment."""

    boxes: Mapping[str, Box] = field(default_factory=dict)  # by id, in the order in which they were made
    done: frozenset[int] = frozenset()  # slices that were declared done
    classes: tuple[Class, ...] = ()
    seconds: Mapping[int, float] = field(default_factory=dict)  # slice → time spent on it

    def is_alike(self, other: "Snapshot") -> bool:
        """Tell whether both hold the same boxes (under whatever ids), slices and classes."""
        return all(self.is_alike_in(other, part) for part in ("boxes", "done", "classes"))

    def is_alike_in(self, other: "Snapshot", part: str) -> bool:
        """Tell whether both are alike in their boxes, done slices or classes."""
        if part == "boxes":
            return _places(self.boxes.values()) == _places(other.boxes.values())
        return bool(getattr(self, part) == getattr(other, part))


class State:
    """The present boxes, done slices and classes; changes are checked before anything is touched."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape = shape
        self.boxes: dict[str, Box] = {}
        self.done: set[int] = set()
        self.classes: tuple[Class, ...] = ()

    def make_all(self, changes: Iterable[AnyChange], smallest: int) -> None:
        """Make all changes or, where one does not fit, none."""
        made: list[AnyChange] = []
        try:
            for change in changes:
                self.make(change, smallest)
                made.append(change)
        except EditError:
            for change in reversed(made):
                self.make(inverse(change), 1)
            raise

    def make(self, change: AnyChange, smallest: int) -> None:
        """Make one change, or raise EditError."""
        if isinstance(change, Add):
            if change.box.id in self.boxes:
                raise EditError(f"there is a box {change.box.id!r} already")
            self._check(change.box, smallest)
            self.boxes[change.box.id] = change.box
        elif isinstance(change, Remove):
            if self._box(change.box.id) != change.box:
                raise EditError(f"box {change.box.id!r} is not as the edit says")
            del self.boxes[change.box.id]
        elif isinstance(change, Change):
            self._change(change, smallest)
        elif isinstance(change, Done):
            if change.z >= self.shape[0]:
                raise EditError(f"there is no slice {change.z}, the stack has {self.shape[0]}")
            if (change.z in self.done) != change.before:
                raise EditError(f"slice {change.z} is {'not ' if change.before else ''}done already")
            (self.done.add if change.after else self.done.discard)(change.z)
        elif isinstance(change, Classes):
            self._set_classes(change)
        else:
            self._rename(change)

    def _box(self, key: str) -> Box:
        if key not in self.boxes:
            raise EditError(f"there is no box {key!r}")
        return self.boxes[key]

    def _check(self, box: Box, smallest: int) -> None:
        depth, height, width = self.shape
        if not (box.z < depth and box.y0 < box.y1 <= height and box.x0 < box.x1 <= width):
            raise EditError(f"box {box.id!r} at {box.place[:5]} lies outside the stack {self.shape} (z, y, x)")
        if box.y1 - box.y0 < smallest or box.x1 - box.x0 < smallest:
            raise EditError(
                f"box {box.id!r} is {box.y1 - box.y0} × {box.x1 - box.x0} pixels, expected {smallest} a side at least"
            )
        if all(entry.name != box.class_name for entry in self.classes):
            raise EditError(f"there is no class {box.class_name!r}")

    def _change(self, change: Change, smallest: int) -> None:
        old = self._box(change.id)
        now = old.plain()
        if not change.before or set(change.before) != set(change.after):
            raise EditError(f"change of box {change.id!r}: `from` and `to` do not name the same fields")
        if any(now[name] != value for name, value in change.before.items()):
            raise EditError(f"box {change.id!r} is not as the edit says")
        new = Box.model_validate(now | change.after)
        moved = any(name not in ("z", "class") for name in change.after)
        self._check(new, smallest if moved else 1)
        self.boxes[change.id] = new

    def _set_classes(self, change: Classes) -> None:
        names = [entry.name for entry in change.after]
        if change.before != self.classes:
            raise EditError("the classes are not as the edit says")
        if twice := [name for name, times in Counter(names).items() if times > 1]:
            raise EditError(f"the classes {twice} occur twice")
        if held := {box.class_name for box in self.boxes.values()} - set(names):
            raise EditError(f"there are boxes of the classes {sorted(held)}, so they cannot go")
        self.classes = change.after

    def _rename(self, change: Rename) -> None:
        names = [entry.name for entry in self.classes]
        if change.before not in names:
            raise EditError(f"there is no class {change.before!r}")
        if change.after in names:
            raise EditError(f"there is a class {change.after!r} already")
        self.classes = tuple(
            entry.model_copy(update={"name": change.after}) if entry.name == change.before else entry
            for entry in self.classes
        )
        for key, box in self.boxes.items():
            if box.class_name == change.before:
                self.boxes[key] = box.model_copy(update={"class_name": change.after})


def _places(boxes: Iterable[Box]) -> Counter[tuple[int, int, int, int, int, str]]:
    return Counter(box.place for box in boxes)


def difference(old: Snapshot, new: Snapshot, revision: int) -> Iterator[AnyChange]:
    """Yield the changes from one labelling to another, in an order in which each one fits."""
    surplus = _places(old.boxes.values()) - _places(new.boxes.values())
    for box in reversed(list(old.boxes.values())):
        if surplus[box.place] > 0:
            surplus[box.place] -= 1
            yield Remove(box=box)
    if old.classes != new.classes:
        yield Classes(before=old.classes, after=new.classes)
    lacking = _places(new.boxes.values()) - _places(old.boxes.values())
    number = 0
    for box in new.boxes.values():
        if lacking[box.place] > 0:
            lacking[box.place] -= 1
            number += 1
            yield Add(box=box.model_copy(update={"id": f"i{revision}-{number}"}))
    for z in sorted(old.done ^ new.done):
        yield Done(z=z, before=z in old.done, after=z in new.done)
