"""The labelling as a log of edits that is only ever appended to; replaying `edits.jsonl` gives the state.

One JSON object a line. Each is flushed to the disk before it counts as saved, so a kill costs at most a last line that
nobody was told of. Undo and redo are lines too: they reach back across restarts.

  {"rev":1,"at":"2026-01-01T12:00:00Z","kind":"edit","id":…,"label":"draw box","changes":[…]}
  {"rev":2,"at":…,"kind":"undo","of":1}       {"rev":3,"at":…,"kind":"redo","of":1}
  {"rev":1,"at":…,"kind":"start","id":…,"label":…,"changes":[…]}                       what undo does not reach behind
  {"kind":"time","z":4,"seconds":12.5}        seconds that a user spent on a slice
  {"kind":"saved","rev":3}                    the tables were written as of this revision
"""

import json
import os
import threading
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from famous.annotate.records import AnyChange, Class, Classes, Edit, Id, Label, Record, Whole, inverse
from famous.annotate.state import SMALLEST, EditError, SaveError, Snapshot, StaleError, State, difference
from famous.errors import FamousError, InputError

OUTSIDE = "changes from outside"  # label of the edit that takes in what others wrote to the tables


class _EditLine(Record):
    kind: Literal["edit", "start"] = "edit"
    rev: Whole
    at: str
    id: Id
    label: Label
    changes: tuple[AnyChange, ...]


class _TurnLine(Record):
    kind: Literal["undo", "redo"]
    rev: Whole
    at: str
    of: Whole


class _TimeLine(Record):
    kind: Literal["time"] = "time"
    z: Whole
    seconds: float = Field(ge=0)


class _SavedLine(Record):
    kind: Literal["saved"] = "saved"
    rev: Whole


_AnyLine = _EditLine | _TurnLine | _TimeLine | _SavedLine
_LINES: TypeAdapter[_AnyLine] = TypeAdapter(Annotated[_AnyLine, Field(discriminator="kind")])


class Labelling:
    """The labelling of one stack: its state, its log and its undo; safe to use from several threads."""

    def __init__(self, log: Path, shape: tuple[int, int, int]) -> None:
        self._log = log
        self._lock = threading.RLock()
        self._state = State(shape)
        self._seconds: dict[int, float] = {}
        self._edits: dict[int, Edit] = {}  # by the revision that each one made
        self._revisions: dict[str, int] = {}  # edit id → that revision
        self._undo: list[int] = []
        self._redo: list[int] = []
        self._revision = 0
        self._saved = 0
        self._end = 0  # length of the log, bytes

    @classmethod
    def open(cls, log: Path, shape: tuple[int, int, int], outside: Snapshot | None) -> "Labelling":
        """Replay a log and take in what others wrote to the tables since.

        Parameters
        ----------
        log
            edits.jsonl; need not be there. A last line that a kill cut short is removed.
        shape
            The stack's (z, y, x).
        outside
            The labelling as the tables have it. Where it differs from the log it wins, and the difference becomes an
            edit of its own (with an empty log: the start); but tables that a kill kept from being written do not win.

        Raises
        ------
        InputError
            A line of the log is broken; names file and line.
        """
        labelling = cls(log, shape)
        stages = labelling._replay()
        if outside is not None and not _is_ours(outside, stages):
            labelling.take_in(outside)
        return labelling

    @property
    def revision(self) -> int:
        """Counts edits, undos and redos."""
        return self._revision

    @property
    def saved_revision(self) -> int:
        """Revision of which the tables were written last."""
        return self._saved

    @property
    def undo_label(self) -> str | None:
        """What undo would take back; None where there is nothing."""
        with self._lock:
            return self._edits[self._undo[-1]].label if self._undo else None

    @property
    def redo_label(self) -> str | None:
        """What redo would make again; None where there is nothing."""
        with self._lock:
            return self._edits[self._redo[-1]].label if self._redo else None

    def snapshot(self) -> Snapshot:
        """Return the labelling as it is now."""
        with self._lock:
            state = self._state
            return Snapshot(dict(state.boxes), frozenset(state.done), state.classes, dict(self._seconds))

    def apply(self, base: int, edits: Sequence[Edit]) -> int:
        """Apply edits that were made on revision `base`, all or none, and return the new revision.

        Edits whose id is known were applied before (their answer was lost) and count as made.

        Raises
        ------
        StaleError
            The labelling is no longer at `base`, and not at the last of the edits that are known either.
        EditError
            An edit does not fit; its id is in the message.
        SaveError
            The log cannot be written; nothing is applied.
        """
        with self._lock:
            known = [self._revisions[edit.id] for edit in edits if edit.id in self._revisions]
            if self._revision not in (base, max(known, default=base)):
                raise StaleError(base, self._revision)
            new = list({edit.id: edit for edit in edits if edit.id not in self._revisions}.values())
            return self._append(new, SMALLEST)

    def undo(self, base: int) -> tuple[int, list[AnyChange]]:
        """Take the last edit back; returns the new revision and the changes that were made, in order.

        Raises
        ------
        StaleError
            The labelling is no longer at `base`.
        EditError
            There is nothing to take back.
        """
        return self._turn(base, "undo")

    def redo(self, base: int) -> tuple[int, list[AnyChange]]:
        """Make the edit again that was undone last; as `undo`."""
        return self._turn(base, "redo")

    def add_time(self, z: int, seconds: float) -> None:
        """Note time spent on a slice."""
        with self._lock:
            if not 0 <= z < self._state.shape[0]:
                raise EditError(f"there is no slice {z}, the stack has {self._state.shape[0]}")
            line = _TimeLine(z=z, seconds=seconds)
            self._write([line.plain()], sync=False)
            self._seconds[z] = self._seconds.get(z, 0.0) + seconds

    def mark_saved(self, revision: int) -> None:
        """Note that the tables hold this revision now."""
        with self._lock:
            self._write([_SavedLine(rev=revision).plain()], sync=False)
            self._saved = revision

    def set_classes(self, classes: Sequence[Class], label: str = "set the classes") -> int:
        """Take another list of classes; EditError where a class that has boxes is not in it. The first is a start."""
        with self._lock:
            before, after = self._state.classes, tuple(classes)
            if before == after:
                return self._revision
            change = Classes(before=before, after=after)
            return self._append([_new_edit(label, [change])], 1, "edit" if before else "start")

    def take_in(self, other: Snapshot, label: str = OUTSIDE) -> int:
        """Make the labelling as `other` is, by one edit that can be undone; returns the revision.

        Boxes that are in both keep their ids, new ones are called i<revision>-<n>.
        """
        with self._lock:
            changes = list(difference(self.snapshot(), other, self._revision + 1))
            if not changes:
                return self._revision
            return self._append([_new_edit(label, changes)], 1, "edit" if self._revision else "start")

    def _append(self, edits: list[Edit], smallest: int, kind: Literal["edit", "start"] = "edit") -> int:
        made: list[Edit] = []
        try:
            for edit in edits:
                try:
                    self._state.make_all(edit.changes, smallest)
                except EditError as error:
                    raise EditError(f"edit {edit.id}: {error}", edit.id) from error
                made.append(edit)
            first = self._revision + 1
            lines = [
                _EditLine(kind=kind, rev=first + number, at=_now(), **dict(edit)) for number, edit in enumerate(edits)
            ]
            self._write([line.plain() for line in lines])
        except FamousError:
            for edit in reversed(made):
                self._take_back(edit)
            raise
        for edit in edits:
            self._count(edit, kind)
        return self._revision

    def _count(self, edit: Edit, kind: str) -> None:
        self._revision += 1
        self._revisions[edit.id] = self._revision
        if kind == "edit":
            self._edits[self._revision] = edit
            self._undo.append(self._revision)
            self._redo.clear()

    def _take_back(self, edit: Edit) -> list[AnyChange]:
        changes = [inverse(change) for change in reversed(edit.changes)]
        self._state.make_all(changes, 1)
        return changes

    def _turn(self, base: int, kind: Literal["undo", "redo"]) -> tuple[int, list[AnyChange]]:
        with self._lock:
            if base != self._revision:
                raise StaleError(base, self._revision)
            source = self._undo if kind == "undo" else self._redo
            if not source:
                raise EditError(f"there is nothing to {kind}")
            line = _TurnLine(kind=kind, rev=self._revision + 1, at=_now(), of=source[-1])
            self._write([line.plain()])
            return self._revision + 1, self._make_turn(line)

    def _make_turn(self, line: _TurnLine) -> list[AnyChange]:
        source, target = (self._undo, self._redo) if line.kind == "undo" else (self._redo, self._undo)
        edit = self._edits[source[-1]]
        changes: list[AnyChange] = list(edit.changes)
        if line.kind == "undo":
            changes = self._take_back(edit)
        else:
            self._state.make_all(changes, 1)
        target.append(source.pop())
        self._revision += 1
        return changes

    def _write(self, records: list[dict[str, Any]], *, sync: bool = True) -> None:
        """Append lines and flush them to the disk; where that fails the log stays as it was."""
        if not records:
            return
        text = "".join(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n" for record in records)
        try:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("ab", buffering=0) as file:
                if file.tell() != self._end:
                    raise SaveError(f"{self._log}: another program has changed it; start `famous annotate` again")
                try:
                    _write_all(file, text.encode())
                    if sync:
                        os.fsync(file.fileno())
                except OSError:
                    file.truncate(self._end)
                    raise
                self._end = file.tell()
        except OSError as error:
            raise SaveError(
                f"{self._log}: it cannot be written ({error.strerror or error}); is the disk full or read-only?"
            ) from error

    def _replay(self) -> list[Snapshot]:
        """Read the log; returns the states from the last that was saved to the tables to the present one."""
        lines = [self._parse(number, text) for number, text in enumerate(self._lines(), start=1) if text.strip()]
        saved = max((place for place, (_, line) in enumerate(lines) if isinstance(line, _SavedLine)), default=-1)
        stages = [self.snapshot()]
        for place, (number, line) in enumerate(lines):
            try:
                self._replay_line(line)
            except EditError as error:
                raise self._broken(number, error) from error
            if place == saved:
                stages = [self.snapshot()]
            elif place > saved and isinstance(line, _EditLine | _TurnLine):
                stages.append(self.snapshot())
        return stages

    def _parse(self, number: int, text: bytes) -> tuple[int, _AnyLine]:
        try:
            return number, _LINES.validate_json(text)
        except ValidationError as error:
            raise self._broken(number, error) from error

    def _broken(self, number: int, why: Exception) -> InputError:
        return InputError(
            f"{self._log}, line {number}: found a line that does not follow from those before ({_brief(why)}); "
            "mend it, or move the file away to go on from boxes.csv without undo"
        )

    def _replay_line(self, line: _AnyLine) -> None:
        if isinstance(line, _TimeLine):
            self._seconds[line.z] = self._seconds.get(line.z, 0.0) + line.seconds
            return
        if isinstance(line, _SavedLine):
            self._saved = line.rev
            return
        if line.rev != self._revision + 1:
            raise EditError(f"found revision {line.rev}, expected {self._revision + 1}")
        if isinstance(line, _EditLine):
            edit = Edit(id=line.id, label=line.label, changes=line.changes)
            self._state.make_all(edit.changes, 1)
            self._count(edit, line.kind)
        else:
            source = self._undo if line.kind == "undo" else self._redo
            if not source or source[-1] != line.of:
                raise EditError(f"found {line.kind} of {line.of}, expected {source[-1] if source else 'none'}")
            self._make_turn(line)

    def _lines(self) -> list[bytes]:
        """Read the whole lines of the log; a last line that was cut short is removed from the file."""
        try:
            content = self._log.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise InputError(f"{self._log}: it cannot be read ({error.strerror or error})") from error
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            try:
                os.truncate(self._log, whole)
            except OSError as error:
                raise InputError(f"{self._log}: it cannot be written ({error.strerror or error})") from error
        self._end = whole
        return content[:whole].splitlines()


def _is_ours(outside: Snapshot, stages: Sequence[Snapshot]) -> bool:
    """Tell whether the tables are as these states have them: then nobody came between, but perhaps a kill.

    `stages` begins with the state that was saved to the tables last. Where there is a later one, a kill may have come
    between the tables, which are written one after the other: each may be as any of the states has it, the table of
    done slices as what the first and the last have in common, the list of classes as it was or as it becomes.
    """
    if len(stages) == 1:
        return outside.is_alike(stages[0])
    names = {entry.name for stage in stages for entry in stage.classes}
    return (
        any(outside.is_alike_in(stage, "boxes") for stage in stages)
        and any(outside.done == done for done in (stages[0].done & stages[-1].done, *(stage.done for stage in stages)))
        and {entry.name for entry in outside.classes} <= names
    )


def _new_edit(label: str, changes: Sequence[AnyChange]) -> Edit:
    return Edit(id=str(uuid.uuid4()), label=label[:200], changes=tuple(changes))


def _write_all(file: FileIO, content: bytes) -> None:
    """Write everything: one call may write less, on a disk that fills up."""
    left = memoryview(content)
    while left:
        left = left[file.write(left) :]


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _brief(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}".strip(": ")
    return str(error)
