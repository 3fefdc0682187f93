"""What all stages share: a fingerprint, the question whether it is done, the parts, and who is told of the progress."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from famous.errors import InputError
from famous.io.tables import sweep_partials
from famous.parallel import map_in_order, open_executor
from famous.pipeline import manifest
from famous.pipeline.parts import Parts, finish
from famous.pipeline.project import Project


class Reporter(Protocol):
    """Is told how far a stage is; the command line draws a bar from it."""

    def begin(self, stage: str, total: int) -> None:
        """A stage begins that has so many units of work."""

    def advance(self, units: int) -> None:
        """So many units are done."""

    def end(self, stage: str, note: str) -> None:
        """A stage is done, with a word on the outcome."""


class Silent:
    """Tells nobody."""

    def begin(self, stage: str, total: int) -> None:
        """Say nothing."""

    def advance(self, units: int) -> None:
        """Say nothing."""

    def end(self, stage: str, note: str) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class Session:
    """How a run works, as opposed to what it makes: none of it changes a byte of the output."""

    reporter: Reporter = field(default_factory=Silent)
    jobs: int = 1
    scheduler: str | None = None
    device: str = "auto"
    again: bool = False  # make stages again that are done


@dataclass(frozen=True)
class Stage:
    """One stage of one project: its name, its parameters and what it is made from."""

    name: str
    project: Project
    parameters: Mapping[str, Any]
    inputs: Mapping[str, str]
    outputs: tuple[Path, ...]

    @cached_property
    def fingerprint(self) -> str:
        """Hash of everything that decides over the output."""
        return manifest.fingerprint(self.name, dict(self.parameters), dict(self.inputs))

    @property
    def is_done(self) -> bool:
        """Whether the manifest holds this fingerprint and the outputs are there."""
        record = manifest.read(self.project.manifest).get(self.name)
        return (
            record is not None
            and record.fingerprint == self.fingerprint
            and all(output.exists() for output in self.outputs)
        )

    def parts(self) -> Parts:
        """Open the folder of the stage's parts."""
        return Parts(self.project.parts(self.name), self.fingerprint)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Note the stage in the manifest once the block has ended, then throw its parts away.

        What killed writers left half-written anywhere in the run's folder is swept before.
        """
        sweep_partials(self.project.run)
        with manifest.recording(self.project.manifest, self.name, dict(self.parameters), dict(self.inputs)):
            yield
        self.parts().remove()


def fingerprint_of(project: Project, stage: str, command: str) -> str:
    """Return the fingerprint of a stage that must be done first.

    Raises
    ------
    InputError
        If it is not; the message names the command.
    """
    record = manifest.read(project.manifest).get(stage)
    if record is None:
        raise InputError(f"{project.folder}: stage {stage!r} is not done yet; run `famous {command} {project.folder}`")
    return record.fingerprint


def run_parts(
    parts: Parts,
    work: list[range],
    function: Callable[[range], pd.DataFrame],
    session: Session,
) -> list[pd.DataFrame]:
    """Map a function over the blocks that are missing, in order, and return the tables of all of them."""
    missing = set(parts.missing(len(work)))
    session.reporter.advance(sum(len(block) for number, block in enumerate(work) if number not in missing))
    with open_executor(session.jobs, scheduler=session.scheduler) as executor:
        finish(
            parts,
            work,
            lambda blocks: map_in_order(executor, function, blocks, ahead=max(1, 2 * session.jobs)),
            lambda block: session.reporter.advance(len(block)),
        )
    return parts.load(len(work))
