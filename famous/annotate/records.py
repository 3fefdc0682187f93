"""What travels between page, server and log: boxes, classes, changes and edits, strictly checked when made."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from typing_extensions import TypedDict

#: names on the wire that are words of Python
_ALIASES = {"class_name": "class", "before": "from", "after": "to"}
LARGEST = 2**31 - 1  # position that a box table holds
LONGEST_NAME = 100  # letters of a class name


def _class_name(name: str) -> str:
    """Return the name if every file can hold it: one printable line, no comment, and it can name a folder."""
    if name != name.strip(". ") or not name.isprintable() or name.startswith("#") or name == "zarr.json":
        raise ValueError("a class name is one line of text that does not start with # or a dot")
    if any(sign in name for sign in '/\\:*?"<>|'):
        raise ValueError('a class name names a folder, so it holds none of / \\ : * ? " < > |')
    return name


Whole = Annotated[int, Field(ge=0, le=LARGEST)]
Id = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,80}$")]
Label = Annotated[str, StringConstraints(min_length=1, max_length=200)]
ClassName = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME), AfterValidator(_class_name)]
Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$", to_lower=True)]


class Record(BaseModel):
    """A checked, frozen record: no type is converted, no key is unknown, no number is NaN or infinite."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        populate_by_name=True,
        alias_generator=lambda name: _ALIASES.get(name, name),
    )

    def plain(self) -> dict[str, Any]:
        """Return what JSON holds of it, with the names of the wire."""
        return self.model_dump(by_alias=True)


class Box(Record):
    """One box of one slice: half-open, whole pixels."""

    id: Id
    z: Whole
    y0: Whole
    x0: Whole
    y1: Whole
    x1: Whole
    class_name: ClassName

    @property
    def place(self) -> tuple[int, int, int, int, int, str]:
        """Everything but its id: z, y0, x0, y1, x1, class."""
        return self.z, self.y0, self.x0, self.y1, self.x1, self.class_name


class Class(Record):
    """One class of organelle, with its colour `#rrggbb`."""

    name: ClassName
    color: Colour


#: some fields of a box, by their names on the wire
Part = TypedDict(
    "Part",
    {"z": Whole, "y0": Whole, "x0": Whole, "y1": Whole, "x1": Whole, "class": ClassName},
    total=False,
)


class Add(Record):
    """A new box."""

    op: Literal["add"] = "add"
    box: Box


class Remove(Record):
    """A box that goes."""

    op: Literal["remove"] = "remove"
    box: Box


class Change(Record):
    """Fields of a box that become others."""

    op: Literal["change"] = "change"
    id: Id
    before: Part
    after: Part


class Done(Record):
    """A slice that is declared done, or no longer."""

    op: Literal["done"] = "done"
    z: Whole
    before: bool
    after: bool


class Classes(Record):
    """The list of classes, in the order of the number keys."""

    op: Literal["classes"] = "classes"
    before: tuple[Class, ...]
    after: tuple[Class, ...]


class Rename(Record):
    """A class that takes another name; its boxes stay its own."""

    op: Literal["rename"] = "rename"
    before: ClassName
    after: ClassName


AnyChange = Annotated[Add | Remove | Change | Done | Classes | Rename, Field(discriminator="op")]


class Edit(Record):
    """Changes that are made, undone and redone together; `label` is what undo shows."""

    id: Id
    label: Label
    changes: tuple[AnyChange, ...] = Field(min_length=1)


def inverse(change: AnyChange) -> AnyChange:
    """Return the change that takes this one back."""
    if isinstance(change, Add):
        return Remove(box=change.box)
    if isinstance(change, Remove):
        return Add(box=change.box)
    return change.model_copy(update={"before": change.after, "after": change.before})
