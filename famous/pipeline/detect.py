"""Stage detect: every slice of the stack → `run/tables/detected.parquet`."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import pandas as pd

from famous import boxes as box_table
from famous.config import Config, plain
from famous.detect import Detector, DetectParams, detect_slice, detected_slices, interpolate
from famous.errors import InputError
from famous.io.label_store import check_class_names
from famous.io.tables import read_parquet, write_parquet
from famous.memory import trim_heap
from famous.pipeline.known_classes import check_classes
from famous.pipeline.manifest import file_hash
from famous.pipeline.parts import blocks
from famous.pipeline.project import Project
from famous.pipeline.stage import Session, Stage, run_parts
from famous.stack import Stack, slabs
from famous.voxels import VoxelSize
from famous.yolo.runtime import load_detector, packaged_detector

BLOCK = 8


@dataclass(frozen=True)
class BlockDetector:
    """Detects a block of slices; picklable, so that any process can do it."""

    stack: Stack
    voxel_size: VoxelSize
    params: DetectParams
    weights: Path
    device: str
    slices: tuple[int, ...]

    def __call__(self, block: range) -> pd.DataFrame:
        """Return the boxes of the detected slices with these positions in `slices`."""
        detector = open_detector(self.weights, self.device)
        chosen = [self.slices[position] for position in block]
        found = [
            detect_slice(slab, z, detector, voxel_size=self.voxel_size, params=self.params)
            for z, slab in slabs(self.stack, chosen, detector.channels)
        ]
        return box_table.concat(found)


@lru_cache(maxsize=1)
def open_detector(weights: Path, device: str) -> Detector:
    """Open a detector once a process: compiling it takes longer than a slice."""
    return load_detector(weights, device=device)


def close_detector() -> None:
    """Let the opened detector go, and the memory of its runtime with it, once nobody detects any more."""
    open_detector.cache_clear()  # nothing else holds it
    trim_heap()


def weights_of(project: Project) -> Path:
    """Return the folder of the detector to run: named, else trained on this stack, else the one that ships."""
    if project.config.weights is not None:
        path = Path(project.config.weights)
        expected = "expected a model folder with best.onnx and card.json"
        if not path.exists():
            raise InputError(f"weights: found nothing at {path}, {expected}")
        folder = path if path.is_dir() else path.parent
        if not (folder / "card.json").is_file():
            raise InputError(f"weights: found no card.json in {folder}, {expected}")
        return folder
    return project.model if (project.model / "card.json").exists() else packaged_detector()


def stage_of(project: Project) -> Stage:
    """Describe the stage for this project as it is now."""
    return Stage(
        "detect",
        project,
        parameters={"detect": plain(project.config.detect), "voxel_size": project.voxel_size.zyx},
        inputs={
            "stack": project.opened.fingerprint,
            "window": str(project.config.window),
            "invert": str(project.config.invert),
            "weights": file_hash(weights_of(project) / "card.json"),
        },
        outputs=(project.detected,),
    )


def run_detect(project: Project, session: Session) -> pd.DataFrame:
    """Detect, or read what was detected if nothing has changed since; returns the box table.

    ConfigError where the configuration names a class that nobody knows.
    """
    stage = stage_of(project)
    for note in check_classes(project, weights_of(project)):
        session.reporter.note(note)
    if stage.skip(session):
        table = read_parquet(project.detected)
        session.reporter.end("detect", f"{len(table):,} boxes, done before")
        return table
    slices = detected_slices(len(project.stack), project.voxel_size, project.config.detect)
    for note in score_notes(project.config):
        session.reporter.note(note)
    session.reporter.begin("detect", len(slices))
    worker = BlockDetector(
        project.stack,
        project.voxel_size,
        project.config.detect,
        weights_of(project),
        session.device,
        tuple(slices),
    )
    check_class_names([*project.config.classes, *open_detector(weights_of(project), session.device).class_names])
    with stage.working(session) as (parts, _):
        parts.begin()
        found = box_table.concat(run_parts(parts, blocks(len(slices), BLOCK), worker, session))
        table = box_table.number(box_table.concat([found, *_between(found, slices, project.config.detect)]))
        write_parquet(project.detected, table)
    session.reporter.end("detect", f"{len(table):,} boxes in {len(project.stack):,} slices")
    return table


def score_notes(config: Config) -> list[str]:
    """Say which thresholds of a class let boxes in of which linking then keeps no instance."""
    limit = config.link.overlap.instance_score
    low = {name: score for name, score in sorted(config.detect.class_scores.items()) if score < limit}
    if config.link.method != "overlap" or not low:
        return []
    listed = ", ".join(f"{name} {score:g}" for name, score in low.items())
    return [
        f"detect.class_scores ({listed}) lie below link.overlap.instance_score {limit:g}: boxes that weak may lengthen "
        f"an organelle, but one whose best boxes average less than {limit:g} is dropped; lower that knob too"
    ]


def nothing_found_hints(project: Project) -> list[str]:
    """Say what may be the cause where no slice has a box: a headline, then a line a cause with what to do."""
    config, folder, place = project.config, weights_of(project), shlex.quote(str(project.folder))
    if folder == packaged_detector():
        detector = (
            "the detector that ships has seen mitochondria of few tissues, and the other classes in phantoms only"
        )
        slices = "about 20 slices"
    elif folder == project.model:
        detector, slices = "the detector was trained on slices too few or unlike the others", "more slices"
    else:
        detector, slices = f"the detector {folder} was trained on other stacks", "about 20 slices"
    thresholds = f"detect.score is {config.detect.score:g}"
    if config.detect.class_scores:
        thresholds += "".join(f", of {name} {score:g}" for name, score in sorted(config.detect.class_scores.items()))
    if config.link.method == "overlap":
        thresholds += f", and link.overlap.instance_score {config.link.overlap.instance_score:g}"
    if config.invert:
        contrast = f"membranes are taken to be bright: where they are dark, `famous run {place} --no-invert`"
    else:
        contrast = f"membranes are taken to be dark: where they are bright, `famous run {place} --invert`"
    return [
        f"no box was found in {len(project.stack):,} slices; the cause may be one of these:",
        f"- {detector}: label {slices} with `famous annotate {place}`, then `famous train {place}`",
        f"- weak boxes are left out, {thresholds}: lower them in a file for --config",
        f"- {contrast}",
        f"- the voxel size, {project.voxel_size}, is wrong: give it with --voxel-size Z Y X",
    ]


def _between(found: pd.DataFrame, slices: list[int], params: DetectParams) -> Iterator[pd.DataFrame]:
    """Boxes of the slices that the stride left out."""
    for low, high in pairwise(slices):
        if high - low > 1:
            yield interpolate(found[found["z"].isin([low, high])], low, high, params=params)
