"""A training in the background: a process of its own, low in priority, that ends with the server.

The process is told nothing but its command line. It reports on stdout, one JSON object a line: {"epoch", "epochs",
"loss", "seconds_left"} after each epoch, {"doing"} before the first one and after the last, where that takes its time,
{"note", "map50", "map50_before"} at the end, {"error"} where a user can mend something; what it says on stderr is its
log. Its stdin is a pipe that nobody writes to: it closes when the server ends, however that happens, and then the
process ends too.
"""

import contextlib
import json
import math
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import IO, Any

from famous.annotate.desk import MissingWeights
from famous.errors import InputError, MissingError

LOG_LINES = 200
SHOWN_LINES = 20
LOOK_EVERY = 5.0  # seconds between two looks whether another program works in the folder
GRACE = 5.0  # seconds from the request to end to the end by force
LONGEST = 7 * 24 * 60.0  # minutes of one training
NUMBERS = ("epoch", "epochs", "loss", "seconds_left", "map50", "map50_before")
READY = "getting ready"
ELSEWHERE = "another famous is at work in this stack's folder"


class TrainingJob:
    """The training of one stack, at most one at a time. Thread-safe; only `stop` and `close` wait for anything.

    Parameters
    ----------
    command
        Minutes, whether missing weights may be fetched → the command line to start.
    is_busy
        Whether another program works in the stack's folder; asked before a start, and every few seconds when idle.
    missing
        Which weights a start would lack; asked before a start that may fetch none.
    """

    def __init__(
        self,
        command: Callable[[float, bool], Sequence[str]],
        is_busy: Callable[[], bool] = lambda: False,
        missing: Callable[[], MissingWeights | None] = lambda: None,
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._command, self._is_busy, self._clock = command, is_busy, clock
        self._missing = missing
        self._lock = threading.Lock()
        self._training: _Training | None = None
        self._busy, self._looked = False, -math.inf

    def missing(self) -> MissingWeights | None:
        """Tell which weights a start would lack now; None: it lacks nothing."""
        return self._missing()

    def start(self, minutes: float, *, download: bool = False) -> None:
        """Start a training; `download` lets it fetch weights that are missing first.

        Raises
        ------
        InputError
            If one runs already, here or in another program, `minutes` is no time, or the process cannot be started.
        MissingError
            If it would lack weights and may not fetch them; nothing is started then.
        """
        if not 0 < minutes <= LONGEST:
            raise InputError(f"training: found {minutes} minutes, expected more than 0 and up to {LONGEST:.0f}")
        with self._lock:
            if self._training is not None and self._training.is_running:
                raise InputError("a training of this stack is running already; wait for it or stop it")
            if self._is_busy():
                raise InputError(f"{ELSEWHERE}; wait for it to end, or stop it there")
            lacking = None if download else self._missing()
            if lacking is not None:
                raise MissingError(
                    f"{lacking.name}, which training starts from, is not on this machine, and nothing is downloaded "
                    f"unasked. Put the file into {lacking.folder}"
                    + (", or press Train and then “Download and train”" if lacking.source else "")
                )
            self._training = _Training(self._command(minutes, download), self._clock)
            self._looked = -math.inf

    def stop(self) -> None:
        """Stop the training, if one runs; with the same labels and minutes the next one goes on from its last epoch."""
        with self._lock:
            training = self._training
        if training is not None:
            training.stop()

    def close(self) -> None:
        """Stop the training, at the server's end."""
        self.stop()

    def state(self) -> dict[str, Any]:
        """Tell how far it is.

        Returns
        -------
        dict
            `state` (idle, running, failed, done), `epoch`, `epochs`, `loss`, `seconds_left`, `map50` (None where
            unknown), `map50_before` (of the weights that it started from, where they were better), `message` (for
            people), `log` (last lines), `elsewhere` (it is another program that runs).
        """
        with self._lock:
            training = self._training
            if training is None or not training.is_running:
                if self._clock() - self._looked >= LOOK_EVERY:
                    self._busy, self._looked = self._is_busy(), self._clock()
                if self._busy:
                    return _told("running", ELSEWHERE) | {"elsewhere": True}
        return training.state() if training is not None else _told("idle", "")


class _Training:
    """One process and what it has said so far."""

    def __init__(self, command: Sequence[str], clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._said: dict[str, float] = {}
        self._heard = clock()  # when it last told the seconds left
        self._words: dict[str, str] = {}  # "doing", "note" and "error"
        self._stopped = False
        self._code: int | None = None
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                list(command), stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=os.name == "posix"
            )
        except OSError as problem:
            raise InputError(f"training: the process cannot be started ({problem})") from problem
        streams = ((self._process.stdout, self._hear), (self._process.stderr, self._note))
        self._readers = [threading.Thread(target=_each_line, args=both, daemon=True) for both in streams]
        for reader in self._readers:
            reader.start()
        self._end = threading.Thread(target=self._wait, name="famous training", daemon=True)
        self._end.start()

    @property
    def is_running(self) -> bool:
        """Whether its end has not been noticed yet, with all that it said before."""
        with self._lock:
            return self._code is None

    def stop(self) -> None:
        """Ask it to end, and make it end; returns when it has."""
        with self._lock:
            if self._code is not None:
                return
            self._stopped = True
        self._signal(force=False)
        self._end.join(GRACE)
        if self._end.is_alive():
            self._signal(force=True)
            self._end.join(GRACE)

    def state(self) -> dict[str, Any]:
        """As `TrainingJob.state`."""
        with self._lock:
            said, words, log = dict(self._said), dict(self._words), list(self._log)[-SHOWN_LINES:]
            code, stopped = self._code, self._stopped
            gone = self._clock() - self._heard
        if code is None:
            said |= {"seconds_left": max(0.0, said["seconds_left"] - gone)} if "seconds_left" in said else {}
            return _told("running", words.get("doing") or ("" if said else READY), said, log)
        said["seconds_left"] = 0.0
        if code == 0 and not words.get("error"):
            return _told("done", words.get("note", ""), said, log)
        if stopped:
            return _told("idle", _stopped(said), said, log)
        return _told("failed", words.get("error") or _failure(code, log), said, log)

    def _hear(self, line: str) -> None:
        try:
            told = json.loads(line)
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict):
            self._note(line)
            return
        with self._lock:
            for name in NUMBERS:
                value = told.get(name)
                if isinstance(value, int | float) and math.isfinite(value):
                    self._said[name] = value
            if "seconds_left" in told:
                self._heard = self._clock()
            self._words |= {name: str(told[name]) for name in ("doing", "note", "error") if name in told}

    def _note(self, line: str) -> None:
        if line.strip():
            with self._lock:
                self._log.append(line.rstrip()[:500])

    def _wait(self) -> None:
        code = self._process.wait()
        for reader in self._readers:
            reader.join(GRACE)  # a grandchild may hold its streams open
        with self._lock:
            self._code = code
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def _signal(self, *, force: bool) -> None:
        """End the process with all that it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.name == "posix":
                os.killpg(self._process.pid, signal.SIGKILL if force else signal.SIGTERM)
            elif force:
                self._process.kill()
            else:
                self._process.terminate()


def _each_line(stream: IO[bytes], act: Callable[[str], None]) -> None:
    with stream:
        for line in stream:
            act(line.decode("utf-8", errors="replace"))


def _told(state: str, message: str, said: dict[str, float] | None = None, log: Sequence[str] = ()) -> dict[str, Any]:
    numbers = {name: (said or {}).get(name) for name in NUMBERS}
    return {"state": state, **numbers, "message": message, "log": list(log), "elsewhere": False}


def _stopped(said: dict[str, float]) -> str:
    if not said.get("epoch"):
        return "stopped before the first epoch was done"
    return f"stopped after epoch {said['epoch']:.0f}; with the same labels the next training goes on from there"


def _failure(code: int, log: Sequence[str]) -> str:
    """Say in words why it ended, where it did not say so itself."""
    if code < 0 or code == 128 + signal.SIGTERM:
        return f"the training was killed (signal {-code if code < 0 else code - 128}), perhaps for lack of memory"
    return f"the training broke off: {log[-1]}" if log else f"the training broke off without a word (exit code {code})"
