"""`famous train` as the labelling page starts it: low in priority, reporting in JSON lines, ending with its parent."""

import dataclasses
import json
import os
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from famous import config as configuration
from famous.annotate.desk import MissingWeights
from famous.errors import FamousError, MissingError
from famous.pipeline.project import Choices, Project, open_project
from famous.pipeline.stage import Session
from famous.pipeline.train import run_train
from famous.scratch import LOCK
from famous.yolo.start import worse_than_start
from famous.yolo.train import WEIGHTS_VARIABLE, find_weights, weights_here

#: What the process is started with: the modules it finds are those that its parent finds, and none beside the stack.
LAUNCH = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from famous.pipeline.background import main; sys.exit(main(sys.argv[2:]))"
)
NICE = 10
DOWNLOAD = "--download"
SOURCE = "https://github.com/ultralytics/assets/releases"  # where the known weights are
MEGABYTES = {"yolo26n.pt": 5.5}  # of a download
ORPHANED = 3  # exit code of a process whose parent is gone


def command(folder: Path, minutes: float, *, download: bool = False) -> list[str]:
    """Return the command line that trains on the labels of a project folder, first fetching weights if need be."""
    launch = [sys.executable, "-P", "-c", LAUNCH, json.dumps(sys.path)]
    return [*launch, str(folder.absolute()), repr(minutes), *([DOWNLOAD] if download else [])]


def missing_weights(project: Project) -> MissingWeights | None:
    """Tell which weights a training of the project would lack and may not fetch, by famous.yaml as it is now.

    A model YAML is known to ultralytics or not; that is left to the training, since asking takes seconds.
    """
    params = configuration.read(project.folder / "famous.yaml").train
    name = Path(params.weights).name
    if params.download or name.endswith((".yaml", ".yml")) or weights_here(params.weights, project.model) is not None:
        return None
    is_known = params.weights == name and name.startswith("yolo") and name.endswith(".pt")
    source = SOURCE if is_known else ""
    return MissingWeights(name, str(project.model.absolute()), WEIGHTS_VARIABLE, source, MEGABYTES.get(name))


def is_locked(project: Project) -> bool:
    """Whether a famous is at work in the project's folder, in this process or another one."""
    path = project.run / LOCK
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
    """Train: project folder, minutes, perhaps --download. Reports as `famous.annotate.jobs` reads it.

    Returns the exit code.
    """
    folder, minutes, *more = arguments
    say = _Voice()
    if hasattr(os, "nice"):
        os.nice(NICE)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        project = open_project(folder, Choices(minutes=float(minutes)))
        if DOWNLOAD in more:
            _fetch(project, say)
        card = run_train(project, Session(say), say.epoch)
    except (FamousError, OSError, MemoryError) as error:
        traceback.print_exc()  # for the log; the page shows the message
        say({"error": str(error) or type(error).__name__})
        return 1
    map50, before = worse_than_start(card) or (card.metrics.get("all", {}).get("map50"), None)
    say({"note": say.outcome, "map50": map50, "map50_before": before})
    return 0


def _fetch(project: Project, say: Callable[[dict[str, Any]], None]) -> None:
    """Fetch the weights that training starts from, where they are missing; for a user who said so on the page."""
    missing = missing_weights(project)
    if missing is None:
        return
    say({"doing": f"Downloading {missing.name}"})
    try:
        find_weights(dataclasses.replace(project.config.train, download=True), project.model)
    except MissingError as problem:
        raise MissingError(
            f"{missing.name} could not be downloaded; perhaps this machine has no way to the internet. Get the file "
            f"from {SOURCE} on another one, put it into {missing.folder}, and train again"
        ) from problem
    say({"doing": ""})


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
        """Report what is done after the epochs; those are reported by `epoch`."""
        if stage != "train":
            self({"doing": stage[:1].upper() + stage[1:]})

    def advance(self, units: int) -> None:
        """Epochs are reported by `epoch`, and the seconds left by the last of them."""

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
