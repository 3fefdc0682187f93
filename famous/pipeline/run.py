"""`famous run`: all stages in their order, each skipped if it is done."""

import time
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from famous.memory import give_memory_back
from famous.pipeline.detect import close_detector, nothing_found_hints, run_detect
from famous.pipeline.extract import run_extract
from famous.pipeline.link import run_link
from famous.pipeline.manifest import peak_memory_mb
from famous.pipeline.mesh import run_measure, run_mesh
from famous.pipeline.project import Project
from famous.pipeline.stage import Session
from famous.pipeline.train import labelling_notes, read_annotations, run_train, training_notes


@dataclass(frozen=True)
class Outcome:
    """What a run made."""

    folder: Path
    instances: pd.DataFrame  # one row an organelle
    boxes: int
    meshes: list[Path]
    seconds: float
    peak_memory_mb: float
    notes: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)  # what to try where no box was found


def run(project: Project, session: Session | None = None) -> Outcome:
    """Train if slices are labelled, then detect, extract, link, mesh and measure.

    Without a labelled slice the detector that ships with the package is used; the outcome's notes say so.
    """
    session = session or Session()
    started = time.monotonic()
    notes: list[str] = []
    if will_train(project):
        notes = training_notes(project, run_train(project, session))  # which has told them
        give_memory_back()  # cycles of tensors; the stages leave out what was there before
    else:
        notes = labelling_notes(read_annotations(project))
        if project.config.weights is None and not (project.model / "card.json").exists():
            notes.append(
                "no slice is labelled and done: the detector that ships is used, which has seen "
                "mitochondria of few tissues, and the other classes in phantoms only"
            )
        for note in notes:
            session.reporter.note(note)
    boxes = run_detect(project, session)
    close_detector()
    run_extract(project, session)
    run_link(project, session)
    meshes = run_mesh(project, session)
    instances = run_measure(project, session)
    return Outcome(
        project.folder,
        instances,
        len(boxes),
        meshes,
        time.monotonic() - started,
        peak_memory_mb(),
        notes,
        nothing_found_hints(project) if boxes.empty else [],
    )


def will_train(project: Project) -> bool:
    """Tell whether a run trains first: slices are labelled and done, and no detector was named."""
    if project.config.weights is not None:
        return False
    labelled = read_annotations(project)
    return labelled is not None and bool(labelled.done)
