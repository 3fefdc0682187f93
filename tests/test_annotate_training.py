"""From Train to a training whose weights are missing: the real page and server, a small script for the process."""

import contextlib
import sys
from pathlib import Path
from typing import Any

from famous.annotate.desk import MissingWeights
from famous.annotate.jobs import TrainingJob
from famous.annotate.state import Snapshot
from famous.errors import InputError
from tests.desks import MITO, TOKEN, Tables, make_desk, room_of, serving

DOWNLOADING = """
import json, sys
print(json.dumps({"doing": "Downloading yolo26n.pt"}), flush=True)
sys.stdin.read()
"""
FAILING = """
import json
print(json.dumps({"error": "yolo26n.pt could not be downloaded"}), flush=True)
raise SystemExit(1)
"""
SCORING = """
import json, pathlib, sys, time
print(json.dumps({"epoch": 8, "epochs": 8, "loss": 1.5, "seconds_left": 40}), flush=True)
print(json.dumps({"doing": "Scoring"}), flush=True)
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.05)
print(json.dumps({"note": "8 epochs on 2 slices", "map50": 0.42, "map50_before": 0.71}), flush=True)
"""


class Asked:
    """A training job that runs a script, and remembers how it was asked to."""

    def __init__(self, script: str, folder: Path) -> None:
        self.script, self.file, self.how = script, folder / "yolo26n.pt", list[tuple[float, bool]]()
        self.go_on = folder / "go on"  # a script that waits for it is told where it will be
        self.job = TrainingJob(self._command, missing=self._missing)

    def _command(self, minutes: float, download: bool) -> list[str]:
        self.how.append((minutes, download))
        return [sys.executable, "-c", self.script, str(self.go_on)]

    def _missing(self) -> MissingWeights | None:
        if self.file.is_file():
            return None
        return MissingWeights(self.file.name, str(self.file.parent), "FAMOUS_WEIGHTS", "https://example.org/w", 5.5)


@contextlib.contextmanager
def opened(page: Any, folder: Path, asked: Asked) -> Any:
    """The page of a stack with one done slice, served."""
    tables = Tables(Snapshot({}, frozenset({1}), (MITO,)))
    desk = make_desk(folder, tables, training=asked.job, close=asked.job.close, model=lambda: None)
    with room_of(desk) as room, serving(room) as port:
        page.goto(f"http://127.0.0.1:{port}/?token={TOKEN}")
        page.wait_for_selector("#app:not([hidden])")
        yield page
        page.goto("about:blank")


def test_download_and_train_starts_one_process_that_may_fetch(page: Any, tmp_path: Path) -> None:
    asked = Asked(DOWNLOADING, tmp_path)
    with opened(page, tmp_path, asked):
        page.click("#open-train")
        page.wait_for_selector("#weights-missing:not([hidden])")
        assert str(tmp_path) in page.inner_text("#weights-missing")
        assert asked.how == []
        page.fill("#train-minutes", "7")
        page.click("#start-training")
        page.wait_for_function(
            "() => document.querySelector('#training-word').textContent === 'Downloading yolo26n.pt …'"
        )
        assert asked.how == [(7, True)]
        page.click("#stop-training")
        page.wait_for_selector("#training", state="hidden")


def test_a_file_that_was_put_there_is_trained_from_without_a_download(page: Any, tmp_path: Path) -> None:
    asked = Asked(DOWNLOADING, tmp_path)
    with opened(page, tmp_path, asked):
        page.click("#open-train")
        page.wait_for_selector("#weights-missing:not([hidden])")
        asked.file.write_bytes(b"weights")
        page.click("#look-again")
        page.wait_for_selector("#weights-missing", state="hidden")
        page.click("#start-training")
        page.wait_for_function("() => famous.store.training.state === 'running'")
        assert asked.how == [(30, False)]


def test_a_download_that_fails_is_told_in_the_words_of_the_page(page: Any, tmp_path: Path) -> None:
    asked = Asked(FAILING, tmp_path)
    with opened(page, tmp_path, asked):
        page.click("#open-train")
        page.wait_for_selector("#weights-missing:not([hidden])")
        page.click("#start-training")
        page.wait_for_function(
            "() => document.querySelector('#training-word').textContent"
            " === 'Training failed · yolo26n.pt could not be downloaded'"
        )


def test_weights_that_go_between_the_question_and_the_start_are_told(page: Any, tmp_path: Path) -> None:
    asked = Asked(DOWNLOADING, tmp_path)
    asked.file.write_bytes(b"weights")
    with opened(page, tmp_path, asked):
        page.click("#open-train")
        page.wait_for_function(
            "() => performance.getEntriesByType('resource').some(({name}) => name.endsWith('/weights'))"
        )
        asked.file.unlink()
        page.click("#start-training")
        page.wait_for_selector(".toast")
        assert "nothing is downloaded unasked" in page.inner_text(".toast")
        assert asked.how == []


def test_a_server_that_cannot_say_leaves_the_start_open(page: Any, tmp_path: Path) -> None:
    asked = Asked(DOWNLOADING, tmp_path)

    def broken() -> None:
        raise InputError("famous.yaml: it is broken")

    asked.job = TrainingJob(asked._command, missing=broken)
    with opened(page, tmp_path, asked):
        page.click("#open-train")
        page.wait_for_function(
            "() => performance.getEntriesByType('resource').some(({name}) => name.endsWith('/weights'))"
        )
        assert page.inner_text("#start-training") == "Train"
        page.click("#start-training")
        page.wait_for_selector(".toast")
        assert "it is broken" in page.inner_text(".toast")


def test_what_comes_after_the_epochs_has_its_name_and_a_detector_that_got_worse_its_word(
    page: Any, tmp_path: Path
) -> None:
    asked = Asked(SCORING, tmp_path)
    asked.file.write_bytes(b"weights")
    with opened(page, tmp_path, asked):
        page.click("#open-train")
        page.click("#start-training")
        page.wait_for_function(
            "() => document.querySelector('#training-word').textContent.startsWith('Scoring … · 0:')"
        )
        assert page.get_attribute("#training-progress", "value") is None
        asked.go_on.touch()
        page.wait_for_function(
            "() => document.querySelector('#training-word').textContent"
            " === 'Trained · mAP50 0.42, worse than the 0.71 it started from: train longer'"
        )
        assert "worse than the 0.71" in page.inner_text(".toast")
