"""Stage train: the annotated slices → `model/best.pt`, `best.onnx` and `card.json`."""

import dataclasses
import time
from shlex import quote

from famous.config import plain
from famous.errors import InputError
from famous.io.annotations import Annotations, read_boxes
from famous.pipeline import manifest
from famous.pipeline.project import Project
from famous.pipeline.stage import Session, Stage
from famous.words import counted
from famous.yolo.card import Card, read_card
from famous.yolo.cost import seconds_after_epochs, seconds_of_epochs, tiles_of_slice
from famous.yolo.dataset import choose_pixel_nm
from famous.yolo.listener import Listener, Progress
from famous.yolo.params import TrainParams
from famous.yolo.start import worse_than_start
from famous.yolo.train import find_weights, train, validation_block, weights_here

#: Knobs that say how to train, not what comes out of it.
HOW = ("device", "workers", "download")
TICKS = 100  # of the progress bar, which shows the time: epochs are fitted to the minutes while training goes on


def read_annotations(project: Project) -> Annotations | None:
    """Read the labelling of a project; None where nobody has labelled yet."""
    path = project.annotations / "boxes.csv"
    if not path.exists():
        return None
    return read_boxes(path, "csv", shape=project.stack.shape).annotations


def labelling_notes(labelled: Annotations | None) -> list[str]:
    """Say what a user may have overlooked: boxes that do not train because no slice is declared done."""
    if labelled is None or labelled.done or labelled.boxes.empty:
        return []
    return [f"{len(labelled.boxes):,} boxes are drawn, but no slice is declared done, so nothing is trained on them"]


def stage_of(project: Project) -> Stage:
    """Describe the stage for this project as it is now; what a stack looks like is in its window, not in its dates."""
    return Stage(
        "train",
        project,
        parameters={"train": {key: value for key, value in plain(project.config.train).items() if key not in HOW}},
        inputs={
            "shape": str(project.stack.shape),
            "voxel_size": str(project.voxel_size.zyx),
            "window": str(project.config.window),
            "invert": str(project.config.invert),
            "annotations": annotations_hash(project),
        },
        outputs=(project.model / "best.onnx", project.model / "card.json"),
    )


def run_train(project: Project, session: Session, on_epoch: Progress | None = None) -> Card:
    """Train on the slices that are declared done, or read the card if nothing has changed since.

    `on_epoch` is told of each epoch: its number from 1, how many there will be, loss, seconds left until all is done.
    What is labelled while this works counts for the next training.

    Raises
    ------
    InputError
        If nothing is annotated.
    MissingError
        If the weights to start from are not here.
    """
    params = project.config.train
    if session.device != "auto":
        params = dataclasses.replace(params, device=session.device)
    stage = stage_of(project)  # before the labels are read: one drawn in between is then new to the next training
    labelled = read_annotations(project)
    if labelled is None or not labelled.done:
        raise InputError(
            f"{project.annotations}: no slice is labelled and declared done; draw boxes and declare slices done with "
            f"`famous annotate {project.folder}`, or import boxes of another tool with "
            f"`famous boxes import {project.folder} BOXES`"
        )
    if stage.skip(session):
        session.reporter.end("train", "done before")
        card = read_card(project.model)
        for note in training_notes(project, card):
            session.reporter.note(note)
        return card
    find_weights(params, project.model)  # before anything is undone
    session.reporter.begin("train", TICKS)
    listener = _listener(session, seconds_after(project, params, labelled), on_epoch)
    with stage.working(session):
        card = train(
            project.stack,
            labelled.boxes,
            labelled.done,
            folder=project.model,
            params=params,
            listener=listener,
        )
    session.reporter.end("train", f"{counted(card.epochs, 'epoch')} on {counted(len(card.slices), 'slice')}")
    for note in training_notes(project, card):
        session.reporter.note(note)
    return card


def training_notes(project: Project, card: Card) -> list[str]:
    """Say that a training made the detector worse than it was, and what to do about it."""
    worse = worse_than_start(card)
    if worse is None:
        return []
    start = weights_here(project.config.train.weights, project.model)
    folder = None if start is None else start.absolute().parent
    other = folder is not None and folder != project.model.absolute()
    instead = f", or run with the start: famous run {quote(str(project.folder))} --weights {quote(str(folder))}"
    return [
        f"the trained detector is worse than the one it started from: mAP50 {worse[0]:.2f} against {worse[1]:.2f} on "
        f"the {counted(len(card.validation_slices), 'slice')} held out; train longer (--minutes, train.minutes or "
        f"train.epochs){instead if other else ''}"
    ]


def _listener(session: Session, after: float, on_epoch: Progress | None) -> Listener:
    """Move the bar by the share of all the time that has gone; what comes after the epochs has bars of its own."""
    started, shown = time.monotonic(), 0

    def epoch(number: int, epochs: int, loss: float, seconds_left: float) -> None:
        nonlocal shown
        if on_epoch is not None:
            on_epoch(number, epochs, loss, seconds_left + after)
        gone = time.monotonic() - started
        now = round(TICKS * gone / max(gone + seconds_left + after, 1e-9))
        session.reporter.advance(max(0, now - shown))
        shown = max(shown, now)

    return Listener(epoch, session.reporter.begin, session.reporter.advance)


def seconds_after(project: Project, params: TrainParams, labelled: Annotations) -> float:
    """Tell about how long a training goes on after its epochs."""
    learnt, held = validation_block(sorted(labelled.done), params)
    boxes = int(labelled.boxes["z"].isin(learnt).sum())
    return seconds_after_epochs(params, boxes, len(held), _tiles_a_slice(project, params))


def seconds_training(project: Project, params: TrainParams, labelled: Annotations) -> float:
    """Tell about how long a whole training takes, from the figures of `famous.yolo.cost`."""
    learnt, held = validation_block(sorted(labelled.done), params)
    epochs = seconds_of_epochs(params, len(learnt), len(held), _tiles_a_slice(project, params))
    return epochs + seconds_after(project, params, labelled)


def _tiles_a_slice(project: Project, params: TrainParams) -> int:
    size, shape = project.voxel_size, project.stack.shape
    return tiles_of_slice(shape[1:], size.pixel_nm / choose_pixel_nm(shape, size, params), params)


def annotations_hash(project: Project) -> str:
    """Hash of everything that was labelled."""
    files = sorted(path for path in project.annotations.glob("*.csv"))
    return "+".join(f"{path.name}:{manifest.file_hash(path)}" for path in files)
