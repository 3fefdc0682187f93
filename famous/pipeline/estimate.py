"""What a run will take: time, memory and disk, from one slice measured on this machine and from the stack's size."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from famous.detect import detect_slice, detected_slices
from famous.io.tables import read_parquet
from famous.pipeline import detect, extract, link, manifest, train
from famous.pipeline.manifest import peak_memory_mb
from famous.pipeline.mesh import measure_stage, mesh_stage
from famous.pipeline.project import Project
from famous.pipeline.stage import Session, Stage
from famous.stack import slabs
from famous.words import counted

#: The stages that every run has.
AFTER_TRAINING = manifest.ORDER[1:]
#: Seconds per box of the stages after detection, all together, on one core, with the isosurface and voxels as deep as
#: wide (tools/bench_run.py and tools/bench_famous.py print them).
SECONDS_PER_BOX = 0.0020
#: How the stages share them.
SHARES = {"extract": 0.38, "link": 0.21, "mesh": 0.40, "measure": 0.01}
#: How many times as long as with the isosurface meshing takes: the shrink-wrap lays several surfaces; `auto` makes one
#: or both, as the objects are, which nobody knows before.
METHODS = {"isosurface": 1.0, "auto": 8.0, "shrinkwrap": 15.0}
#: Bytes on disk per pixel and class of the labels and box ids, compressed.
BYTES_PER_PIXEL = 0.05
#: What the largest instance may take while it is meshed.
CROP_MB = 250
#: What a training takes with the usual tiles and batch, whatever the stack.
TRAINING_MB = 1950.0
#: Bytes on disk per box of its share of a mesh.
MESH_BYTES_PER_BOX = 8000


@dataclass(frozen=True)
class Estimate:
    """What a run will take from here on."""

    slices: int  # slices still to detect
    seconds: float
    memory_mb: float
    disk_mb: float
    free_disk_mb: float
    minutes_training: float = 0.0  # epochs, and the export, the scores and masknet after them
    boxes: int = 0  # in the whole stack: those detected, or those to be expected
    stages: tuple[str, ...] = ()  # stages still to do, in order, besides training

    def __str__(self) -> str:
        """One line for people."""
        if not self.stages:
            return "estimate: everything is done, nothing is left to do"
        minutes = round(self.minutes_training, 1) if self.minutes_training < 10 else round(self.minutes_training)
        training = f"training about {minutes:g} min with scores and masknet, then " if self.minutes_training else ""
        return (
            f"estimate: {training}about {max(1, round(self.seconds)):,} s {self._work}, "
            f"{_size(self.memory_mb)} of memory, {_size(self.disk_mb)} of disk ({_size(self.free_disk_mb)} free)"
        )

    @property
    def _work(self) -> str:
        if "detect" in self.stages:
            return f"({counted(self.slices, 'slice')} to detect, and all that follows)"
        *others, last = self.stages
        verbs = f"{', '.join(others)} and {last}" if others else last
        of = "" if "link" in self.stages else "the organelles of "
        return f"to {verbs} {of}{counted(self.boxes, 'box', 'boxes')} (what comes before is done)"


def estimate(project: Project, session: Session, *, will_train: bool = False) -> Estimate:
    """Measure the detector on the middle slice and scale up; what is done already costs nothing."""
    training = will_train and (session.again or not train.stage_of(project).is_done)
    stages = AFTER_TRAINING if training or session.again else stages_left(project)
    chosen = detected_slices(len(project.stack), project.voxel_size, project.config.detect)
    depth, height, width = project.stack.shape
    slice_mb = height * width * 4 / 2**20
    classes = max(1, len(project.config.classes))
    boxes, seconds = 0, 0.0
    if "detect" in stages:
        detector = detect.open_detector(detect.weights_of(project), session.device)
        classes = max(classes, len(detector.class_names))
        middle = chosen[len(chosen) // 2]
        for z, slab in slabs(project.stack, [middle] * 2, detector.channels):  # the first one warms up
            started = time.perf_counter()
            table = detect_slice(slab, z, detector, voxel_size=project.voxel_size, params=project.config.detect)
            seconds, boxes = (time.perf_counter() - started) * len(chosen), len(table) * depth
    elif stages:
        boxes = len(read_parquet(project.detected, ["z"]))
    seconds += boxes * sum(seconds_per_box(project, stage) for stage in stages if stage in SHARES)
    pixels = depth * height * width * classes if "extract" in stages else 0
    memory = peak_memory_mb() + (12 + classes) * slice_mb + CROP_MB
    disk = pixels * BYTES_PER_PIXEL + (boxes * MESH_BYTES_PER_BOX if "mesh" in stages else 0)
    return Estimate(
        slices=len(chosen) if "detect" in stages else 0,
        seconds=max(1.0, seconds) if stages else 0.0,
        memory_mb=max(memory, TRAINING_MB) if training else memory,
        disk_mb=disk / 2**20,
        free_disk_mb=_free_mb(project.folder),
        minutes_training=_minutes_training(project) if training else 0.0,
        boxes=boxes,
        stages=stages,
    )


def _minutes_training(project: Project) -> float:
    """Tell about how long a training on what is labelled now takes, from the first to the last thing it does."""
    labelled = train.read_annotations(project)
    if labelled is None or not labelled.done:
        return project.config.train.minutes
    return train.seconds_training(project, project.config.train, labelled) / 60


def stages_left(project: Project) -> tuple[str, ...]:
    """List the stages that a run has still to do, in order: the first that is not done and all after it."""
    checks: tuple[Callable[[Project], Stage], ...] = (
        detect.stage_of,
        extract.stage_of,
        link.stage_of,
        lambda project: mesh_stage(project)[0],
        lambda project: measure_stage(project)[0],
    )
    for number, stage_of in enumerate(checks):
        if not stage_of(project).is_done:
            return AFTER_TRAINING[number:]
    return ()


def seconds_per_box(project: Project, stage: str) -> float:
    """Return what a stage after detection takes per box with the project's mesh method and voxel size.

    Where slices lie far apart, the isosurface makes several from each, and other methods have so much more surface
    per box: meshing takes longer in proportion.
    """
    usual = SECONDS_PER_BOX * SHARES[stage]
    if stage != "mesh":
        return usual
    size, config = project.voxel_size, project.config.mesh
    ratio = size.z / size.pixel_nm
    method = "isosurface" if config.method == "auto" and ratio > config.auto.coarsest_z else config.method
    parts = math.ceil(ratio - 0.25) if ratio >= config.isosurface.coarse_z else 1
    return usual * METHODS[method] * max(1, parts)


def _size(mb: float) -> str:
    return "less than 1 MB" if mb < 1 else f"{mb:,.0f} MB"


def _free_mb(folder: Path) -> float:
    place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return float(psutil.disk_usage(str(place)).free) / 2**20
