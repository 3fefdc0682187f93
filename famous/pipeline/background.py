"""`famous train` as the labelling page starts it: low in priority, reporting in JSON lines, ending with its parent."""

import json
import os
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from famous.errors import FamousError
from famous.pipeline.project import Choices, Project, open_project
from famous.pipeline.stage import Session
from famous.pipeline.train import run_train

#: What the process is started with: the modules it finds are those that its parent finds, and none beside the stack.
LAUNCH = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from famous.pipeline.background import main; sys.exit(main(sys.argv[2:]))"
)
NICE = 10
ORPHANED = 3  # exit code of a process whose parent is gone


def command(folder: Path, minutes: float) -> list[str]:
    """Return the command line that trains on the labels of a project folder."""
    return [sys.executable, "-P", "-c", LAUNCH, json.dumps(sys.path), str(folder.absolute()), repr(minutes)]


def is_locked(project: Project) -> bool:
    """Whether a famous is at work in the project's folder, in this process or another one."""
    path = project.run / ".lock"
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # a folder that cannot be written: nobody trains there
        return False


def main(arguments: Sequence[str]) -> int:
    """Train: project folder, minutes. Reports as `famous.annotate.jobs` reads it; returns the exit code."""
    folder, minutes = arguments
    say = _Voice()
    if hasattr(os, "nice"):
        os.nice(NICE)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        project = open_project(folder, Choices(minutes=float(minutes)))
        card = run_train(project, Session(say), say.epoch)
    except (FamousError, OSError, MemoryError) as error:
        traceback.print_exc()  # for the log; the page shows the message
        say({"error": str(error) or type(error).__name__})
        return 1
    say({"note": say.outcome, "map50": card.metrics.get("all", {}).get("map50")})
    return 0


class _Voice:
    """Reports on what was stdout; whatever a library prints there from now on goes to stderr."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w", encoding="ascii", buffering=1)
        os.dup2(2, 1)
        self.outcome = ""

    def __call__(self, told: dict[str, Any]) -> None:
        self._out.write(json.dumps(told) + "\n")
        self._out.flush()

    def epoch(self, epoch: int, epochs: int, loss: float, seconds_left: float) -> None:
        """Report an epoch."""
        self({"epoch": epoch, "epochs": epochs, "loss": loss, "seconds_left": seconds_left})

    def begin(self, stage: str, total: int) -> None:
        """Epochs are reported by `epoch`."""

    def advance(self, units: int) -> None:
        """Epochs are reported by `epoch`."""

    def end(self, stage: str, note: str) -> None:
        """Keep the outcome."""
        done_before = note == "done before"
        self.outcome = "nothing was labelled since the last training; its model stays" if done_before else note

    def note(self, text: str) -> None:
        """Log it."""
        sys.stderr.write(text + "\n")


def _end_with_parent() -> None:
    """End this process when its stdin closes: its other end is held by the parent alone, and goes when that dies."""
    while os.read(0, 1):  # not sys.stdin, whose buffer a thread must not hold when the interpreter ends
        pass
    os._exit(ORPHANED)
