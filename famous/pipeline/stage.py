"""What all stages share: a fingerprint, the question whether it is done, the parts, and who is told of the progress."""

import gc
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from famous.cores import usable_threads
from famous.errors import InputError
from famous.files import sweep_partials
from famous.memory import give_memory_back
from famous.parallel import map_in_order, open_executor
from famous.pipeline import manifest
from famous.pipeline.parts import Parts, finish
from famous.pipeline.project import Project
from famous.scratch import LOCK

TIDY_S = 2.0  # between two times that a stage gives memory back to the system


class Reporter(Protocol):
    """Is told how far a stage is; the command line draws a bar from it."""

    def begin(self, stage: str, total: int) -> None:
        """A stage begins that has so many units of work."""

    def advance(self, units: int) -> None:
        """So many units are done."""

    def end(self, stage: str, note: str) -> None:
        """A stage is done, with a word on the outcome."""

    def note(self, text: str) -> None:
        """Something that the user should know now."""


class Silent:
    """Tells nobody."""

    def begin(self, stage: str, total: int) -> None:
        """Say nothing."""

    def advance(self, units: int) -> None:
        """Say nothing."""

    def end(self, stage: str, note: str) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
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
        record = manifest.read(self.project.manifest_of(self.name)).get(self.name)
        return record is not None and record.fingerprint == self.fingerprint and self._has_outputs

    @property
    def _has_outputs(self) -> bool:
        return all(output.exists() for output in self.outputs)

    def skip(self, session: Session) -> bool:
        """Tell whether there is nothing to do; parts that a kill left after the stage was done are thrown away."""
        done = self.is_done and not session.again
        if done:
            shutil.rmtree(self.project.parts(self.name), ignore_errors=True)
        return done

    def require(self) -> str:
        """Return the fingerprint that the stage was done with, for the stage after it.

        Which detector it was counts for a whole run only: after `famous detect --weights` the next stage asks no more.

        Raises
        ------
        InputError
            If it is not done, or something that it was made from has changed since; the message names the command.
        """
        record = manifest.read(self.project.manifest_of(self.name)).get(self.name)
        mend = f"run `famous {self.name} {self.project.folder}`"
        if record is None or not self._has_outputs:
            raise InputError(f"{self.project.folder}: stage {self.name!r} is not done yet; {mend}")
        inputs = {**self.inputs, **{key: record.inputs[key] for key in ("weights",) if key in record.inputs}}
        if record.fingerprint != manifest.fingerprint(self.name, dict(self.parameters), inputs):
            raise InputError(
                f"{self.project.folder}: stage {self.name!r} is out of date, its input or a knob has changed; {mend}"
            )
        return record.fingerprint

    @contextmanager
    def working(self, session: Session, *, resumes_on: tuple[Path, ...] = ()) -> Iterator[tuple[Parts, bool]]:
        """Open the parts for the block, and note the stage in the manifest once it has ended without an error.

        Yields the parts and whether the work begins from nothing. It goes on where it was only if this very stage was
        begun before and everything in `resumes_on`, which its parts rely on, is still there. Whatever begins from
        nothing throws away the parts of the stages after it, too: they were made from what is replaced now.

        Raises
        ------
        InputError
            If another famous is at work in the same folder.
        """
        self.project.run.mkdir(parents=True, exist_ok=True)
        with alone(self.project.run):
            sweep_partials(self.project.run)
            parts = Parts(self.project.parts(self.name), self.fingerprint)
            fresh = session.again or parts.is_fresh or not all(path.exists() for path in resumes_on)
            if fresh:
                for name in manifest.ORDER[manifest.ORDER.index(self.name) :]:
                    shutil.rmtree(self.project.parts(name), ignore_errors=True)
            path = self.project.manifest_of(self.name)
            with manifest.recording(path, self.name, dict(self.parameters), dict(self.inputs)):
                yield parts, fresh
            parts.remove()


@contextmanager
def alone(folder: Path, option: str = "--folder") -> Iterator[None]:
    """Hold the folder's lock, which the system takes back when a process dies; `option` names another folder."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK, timeout=0)
    try:
        with lock:
            yield
    except Timeout as error:
        raise InputError(f"{folder}: another famous is at work here; wait for it, or name another {option}") from error


def run_parts(
    parts: Parts,
    work: list[range],
    function: Callable[[range], pd.DataFrame],
    session: Session,
    *,
    threaded: bool = False,
) -> list[pd.DataFrame]:
    """Map a function over the blocks that are missing, in order, and return the tables of all of them.

    Where one process does it, a function that may run in several threads at a time uses all of its cores.
    """
    missing = set(parts.missing(len(work)))
    session.reporter.advance(sum(len(block) for number, block in enumerate(work) if number not in missing))
    threads = usable_threads() if threaded else 1
    tidy = _Tidy(session)
    with open_executor(session.jobs, scheduler=session.scheduler, threads=threads) as executor, _settled():
        tables = finish(
            parts,
            work,
            lambda blocks: map_in_order(executor, function, blocks, ahead=2 * session.jobs * threads),
            lambda block: tidy.after(len(block)),
        )
        give_memory_back()  # while all that was loaded before is still left out
    return tables


@contextmanager
def _settled() -> Iterator[None]:
    """Leave out what is loaded now where garbage is looked for, unless the program around has done so."""
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


class _Tidy:
    """Reports blocks, and collects their garbage: cycles of array objects would otherwise pile up with the depth.

    Every `TIDY_S` what is free goes back to the system; to have it again takes time, so not after every block.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._last = time.monotonic()

    def after(self, units: int) -> None:
        """Report a block of so many units, and tidy up after it."""
        self._session.reporter.advance(units)
        if time.monotonic() - self._last < TIDY_S:
            gc.collect()
            return
        give_memory_back()
        self._last = time.monotonic()
