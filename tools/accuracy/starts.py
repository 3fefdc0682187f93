"""What the weights that a training starts from are worth: boxes after some minutes from each, on unseen slices."""

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from bench_famous import SETTINGS, prepare
from rich.console import Console

from accuracy.detected import Bench, evenly
from famous.pipeline.stage import Session
from famous.pipeline.train import run_train
from famous.progress import Bars
from famous.yolo.runtime import load_detector
from famous.yolo.score import BoxScores, score_boxes
from famous.yolo.train import detect_slices

COLUMNS = ("recall .5", "precision .5", "recall .75", "precision .75", "mAP50", "mAP75", "mAP50-95")


@dataclass(frozen=True)
class Budget:
    """How long a training may take: minutes by the clock, or epochs, which are the same work on a busy machine."""

    minutes: float = 30
    epochs: int | None = None

    @property
    def folder(self) -> str:
        """What the names of work folders end with."""
        return f"{self.minutes:g}" if self.epochs is None else f"{self.epochs}_epochs"

    def __str__(self) -> str:
        return f"{self.minutes:g}" if self.epochs is None else "–"


def bench_starts(data: Path, name: str, work: Path, slices: int, budgets: list[Budget], starts: dict[str, str]) -> None:
    """Print a row for each budget and each start, as soon as it is there."""
    setting, bench = SETTINGS[name], Bench(data, name, work, 0)
    train = evenly(setting.train[0], setting.train[-1], slices)
    block = f"{setting.score.start}–{setting.score.stop - 1}"
    print(f"## {name}: {slices} slices of {train[0]}–{train[-1]} train, {block} score")
    print(f"\nPrecision and recall at score 0.25.\n\n| minutes | start | epochs | {' | '.join(COLUMNS)} |")
    print("|---:|---|---:|" + "---:|" * len(COLUMNS), flush=True)
    for budget in budgets:
        for start, weights in starts.items():
            folder = work / f"{name}_{slices}_{start}_{budget.folder}"
            sys.stderr.write(f"{folder.name}\n")
            options = argparse.Namespace(data=data, work=folder, minutes=budget.minutes, weights=weights)
            taught = replace(setting, train=train)
            project = prepare(options, taught, bench.true_boxes, bench.truth.shape, epochs=budget.epochs)
            with Bars(Console(stderr=True)) as bars:
                card = run_train(project, Session(bars))
            found = detect_slices(project.stack, setting.score, load_detector(project.model, device="cpu"))
            true = bench.true_boxes[bench.true_boxes["z"].isin(setting.score)]
            print(line(budget, start, card.epochs, score_boxes(true, found, score=0.25)["all"]), flush=True)


def line(budget: Budget, start: str, epochs: int, scores: BoxScores) -> str:
    """One row of the table."""
    figures = (
        scores.recall,
        scores.precision,
        scores.recall75,
        scores.precision75,
        scores.map50,
        scores.map75,
        scores.map50_95,
    )
    return f"| {budget} | {start} | {epochs} | " + " | ".join(f"{value:.3f}" for value in figures) + " |"
