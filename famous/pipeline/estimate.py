"""What a run will take: time, memory and disk, from one slice measured on this machine and from the stack's size."""

import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from famous.detect import detect_slice, detected_slices
from famous.errors import InputError
from famous.io.tables import read_parquet
from famous.pipeline import detect, train
from famous.pipeline.manifest import peak_memory_mb
from famous.pipeline.mesh import measure_stage
from famous.pipeline.project import Project
from famous.pipeline.stage import Session
from famous.stack import slabs

#: Seconds per box of the stages after detection, all together, on one core (tools/bench_famous.py prints them).
SECONDS_PER_BOX = 0.0015
#: Bytes on disk per pixel and class of the labels and box ids, compressed.
BYTES_PER_PIXEL = 0.05
#: What the largest instance may take while it is meshed.
CROP_MB = 250
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
    minutes_training: float = 0.0

    def __str__(self) -> str:
        """One line for people."""
        if not (self.slices or self.seconds or self.minutes_training):
            return "estimate: everything is done, nothing is left to do"
        training = f"training {self.minutes_training:g} min, then " if self.minutes_training else ""
        return (
            f"estimate: {training}{max(1, round(self.seconds)):,} s for {self.slices:,} slices to detect, "
            f"{self.memory_mb:,.0f} MB of memory, {self.disk_mb:,.0f} MB of disk ({self.free_disk_mb:,.0f} MB are free)"
        )


def estimate(project: Project, session: Session, *, will_train: bool = False) -> Estimate:
    """Measure the detector on the middle slice and scale up; what is done already costs nothing."""
    training = will_train and not train.stage_of(project).is_done
    chosen = detected_slices(len(project.stack), project.voxel_size, project.config.detect)
    depth, height, width = project.stack.shape
    slice_mb = height * width * 4 / 2**20
    classes = max(1, len(project.config.classes))
    found, seconds, due = 0.0, 0.0, training or session.again or not detect.stage_of(project).is_done
    if due:
        detector = detect.open_detector(detect.weights_of(project), session.device)
        classes = max(classes, len(detector.class_names))
        middle = chosen[len(chosen) // 2]
        for z, slab in slabs(project.stack, [middle] * 2, detector.channels):  # the first one warms up
            started = time.perf_counter()
            table = detect_slice(slab, z, detector, voxel_size=project.voxel_size, params=project.config.detect)
            seconds, found = time.perf_counter() - started, len(table)
    elif not is_finished(project):
        found = len(read_parquet(project.detected)) / depth
        seconds = 1 / len(chosen)  # a second for what there is to do besides, so that it does not count as done
    return Estimate(
        slices=len(chosen) if due else 0,
        seconds=seconds * len(chosen) + found * depth * SECONDS_PER_BOX,
        memory_mb=peak_memory_mb() + (12 + classes) * slice_mb + CROP_MB,
        disk_mb=(depth * height * width * classes * BYTES_PER_PIXEL + found * depth * MESH_BYTES_PER_BOX) / 2**20,
        free_disk_mb=_free_mb(project.folder),
        minutes_training=project.config.train.minutes if training else 0.0,
    )


def is_finished(project: Project) -> bool:
    """Whether the last stage is done and nothing has changed since."""
    try:
        measure_stage(project)[0].require()
    except InputError:
        return False
    return True


def _free_mb(folder: Path) -> float:
    place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return float(psutil.disk_usage(str(place)).free) / 2**20
