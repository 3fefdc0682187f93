"""What the page may send: one strict record a route."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from famous.annotate.records import Class, ClassName, Edit, Id, Record, Whole

MAX_CLASSES = 200
MAX_EDITS = 1000  # a request

Side = Annotated[float, Field(gt=0, le=1e7)]  # nm
Corner = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]


class Edits(Record):
    """Edits made on revision `base`."""

    base: Whole
    edits: tuple[Edit, ...] = Field(max_length=MAX_EDITS)


class Turn(Record):
    """Undo or redo on revision `base`."""

    base: Whole


class Time(Record):
    """Time spent on a slice."""

    z: Whole
    seconds: float = Field(ge=0, le=86_400)


class Setup(Record):
    """Answers of the first start."""

    classes: tuple[Class, ...] = Field(min_length=1, max_length=MAX_CLASSES)
    voxel_size_nm: tuple[Side, Side, Side] | None = None


class Shown(Record):
    """How the stack is shown."""

    low: float
    high: float
    inverted: bool


class Corners(Record):
    """A box without a place in z; may lie partly outside the slice."""

    y0: Corner
    x0: Corner
    y1: Corner
    x1: Corner

    @model_validator(mode="after")
    def _has_extent(self) -> Self:
        if self.y1 <= self.y0 or self.x1 <= self.x0:
            raise ValueError("a box has y1 > y0 and x1 > x0")
        return self


class Snap(Record):
    """A loose box."""

    z: Whole
    box: Corners
    class_name: ClassName


class Interpolate(Record):
    """Two key slices; of all their boxes, or of some."""

    before: Whole
    after: Whole
    ids: tuple[Id, ...] | None = None


class Slice(Record):
    """A slice."""

    z: Whole


class Train(Record):
    """How long to train, and whether weights that are missing may be fetched."""

    minutes: float = Field(gt=0, le=10_080)
    download: bool = False


class Nothing(Record):
    """An empty object."""
