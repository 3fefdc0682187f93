"""The desk: everything that the labelling server needs from outside, as values and callables."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from famous.annotate.records import Class
from famous.annotate.state import Snapshot
from famous.extract import Extractor
from famous.stack import Stack


@dataclass(frozen=True)
class Taken:
    """What an imported file holds: a labelling, whose ids mean nothing, and what a user should know about it."""

    snapshot: Snapshot
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Download:
    """An exported labelling: one file, and what the format cannot hold."""

    name: str
    content: bytes
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Model:
    """The detector that proposes boxes."""

    version: str
    kind: str  # "trained", "packaged" or "named"
    class_names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Proposed:
    """Boxes that the model proposes for a slice: a box table with scores."""

    model: str  # version
    boxes: pd.DataFrame
    unknown: Mapping[str, int] = field(default_factory=dict)  # class that the stack does not have → boxes left out


class Settle(Protocol):
    """Settles what belongs to the stack."""

    def __call__(
        self,
        *,
        voxel_size_nm: tuple[float, float, float] | None = None,
        window: tuple[float, float] | None = None,
        inverted: bool | None = None,
    ) -> Stack:
        """Save what is given and return the stack as it is from now on; None leaves a thing as it is."""


class Advise(Protocol):
    """Advises which slice to label next."""

    def __call__(self, z: int, snapshot: Snapshot, proposed: Sequence[int]) -> tuple[int | None, str]:
        """Return the slice (None: there is none left) and why, for a user who is at slice z."""


@dataclass(frozen=True)
class MissingWeights:
    """The weights that a training starts from, where they are not on this machine."""

    name: str  # of the file
    folder: str  # where it is looked for, and where a download puts it
    variable: str  # of the environment, which may name another folder
    source: str = ""  # address where people find the file; empty: it is none that can be downloaded
    megabytes: float | None = None  # size of the download, where it is known


class Training(Protocol):
    """The training in the background."""

    def missing(self) -> MissingWeights | None:
        """Tell which weights a start would lack now; None: it lacks nothing."""

    def start(self, minutes: float, *, download: bool = False) -> None:
        """Start it; returns at once. `download`: fetch weights that are missing.

        InputError where one runs already; MissingError where weights are missing that it may not fetch.
        """

    def stop(self) -> None:
        """Stop it, if it runs."""

    def state(self) -> dict[str, Any]:
        """Tell how far it is: state, epoch, epochs, loss, seconds_left, message, map50, map50_before."""


@dataclass(frozen=True)
class Desk:
    """The labelled stack with all that one may do to it; every callable may be called from any thread.

    What a user can mend is raised as FamousError by every callable; the page shows its message.
    """

    stack: Stack  # as it was opened: with a window, perhaps without a voxel size
    fingerprint: str  # of the stack's voxels
    log: Path  # edits.jsonl
    classes: Sequence[Class]  # to begin with, where nothing is labelled yet; none: the page asks
    presets: Mapping[str, Sequence[Class]]  # name of a cell → classes to start from
    palette: Sequence[str]  # colours, `#rrggbb`, for classes without one
    formats: Sequence[str]  # of import and export
    proposed: Sequence[int]  # slices to label first
    settle: Settle
    load: Callable[[], Snapshot | None]  # the labelling in the tables; None: there are none
    save: Callable[[Snapshot], None]  # to disk, each file atomically
    stamp: Callable[[], object]  # another one when the files on disk are others
    recipe: Callable[[str], Extractor]  # class → boxes to pixels
    model: Callable[[], Model | None]
    propose: Callable[[int, tuple[str, ...]], Proposed]  # slice, classes of the stack
    advise: Advise
    training: Training
    export: Callable[[str, Snapshot], Download]  # format, labelling
    take: Callable[[str, bytes, str | None], Taken]  # file name, its bytes, format (None: found out)
    is_opening: Callable[[], bool] = lambda: False  # whether a model is being opened, which `model` gives only later
    close: Callable[[], None] = lambda: None  # ends what runs in the background
