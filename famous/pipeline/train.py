"""Stage train: the annotated slices → `model/best.pt`, `best.onnx` and `card.json`."""

import dataclasses

from famous.config import plain
from famous.errors import InputError
from famous.io.annotations import Annotations, read_boxes
from famous.pipeline import manifest
from famous.pipeline.project import Project
from famous.pipeline.stage import Session, Stage
from famous.yolo.card import Card, read_card
from famous.yolo.train import train


#: Knobs that say how to train, not what comes out of it.
HOW = ("device", "workers", "download")


def read_annotations(project: Project) -> Annotations | None:
    """Read the labelling of a project; None where nobody has labelled yet."""
    path = project.annotations / "boxes.csv"
    if not path.exists():
        return None
    return read_boxes(path, "csv", shape=project.stack.shape).annotations


def run_train(project: Project, session: Session) -> Card:
    """Train on the slices that are declared done, or read the card if nothing has changed since.

    Raises
    ------
    InputError
        If nothing is annotated.
    """
    labelled = read_annotations(project)
    if labelled is None or not labelled.done:
        raise InputError(
            f"{project.annotations}: no slice is labelled and declared done; draw boxes with a labelling tool and "
            f"import them with `famous boxes import {project.folder} BOXES`"
        )
    params = project.config.train
    if session.device != "auto":
        params = dataclasses.replace(params, device=session.device)
    stage = Stage(
        "train",
        project,
        parameters={"train": {key: value for key, value in plain(params).items() if key not in HOW}},
        inputs={
            "stack": project.opened.fingerprint,
            "window": str(project.config.window),
            "annotations": annotations_hash(project),
        },
        outputs=(project.model / "best.onnx", project.model / "card.json"),
    )
    if stage.is_done and not session.again:
        session.reporter.end("train", "done before")
        return read_card(project.model)
    session.reporter.begin("train", 1000)
    shown = 0

    def on_epoch(epoch: int, epochs: int, loss: float, seconds_left: float) -> None:
        nonlocal shown
        now = min(1000, round(1000 * epoch / max(1, epochs)))
        session.reporter.advance(max(0, now - shown))
        shown = max(shown, now)

    with stage.recording():
        card = train(
            project.stack,
            labelled.boxes,
            labelled.done,
            folder=project.model,
            params=params,
            progress=on_epoch,
        )
    session.reporter.end("train", f"{card.epochs} epochs on {len(card.slices)} slices")
    return card


def annotations_hash(project: Project) -> str:
    """Hash of everything that was labelled."""
    files = sorted(path for path in project.annotations.glob("*.csv"))
    return "+".join(f"{path.name}:{manifest.file_hash(path)}" for path in files)
