"""What a run will take: time, memory and disk, from one slice measured on this machine and from the stack's size."""

import time
from dataclasses import dataclass

import psutil

from famous.detect import detect_slice, detected_slices
from famous.pipeline.detect import stage_of, weights_of
from famous.pipeline.manifest import peak_memory_mb
from famous.pipeline.project import Project
from famous.pipeline.stage import Session
from famous.stack import slabs
from famous.yolo.runtime import load_detector

#: Seconds per box of the stages after detection, all together, on one core (tools/bench_famous.py prints them).
SECONDS_PER_BOX = 0.004
#: Bytes on disk per pixel and class of the labels and box ids, compressed.
BYTES_PER_PIXEL = 0.05
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
        training = f"training {self.minutes_training:g} min, then " if self.minutes_training else ""
        return (
            f"estimate: {training}{max(1, round(self.seconds)):,} s for {self.slices:,} slices to detect, "
            f"{self.memory_mb:,.0f} MB of memory, {self.disk_mb:,.0f} MB of disk ({self.free_disk_mb:,.0f} MB are free)"
        )


def estimate(project: Project, session: Session, *, will_train: bool = False) -> Estimate:
    """Measure the detector on the middle slice and scale up; slices that are done already cost nothing."""
    chosen = detected_slices(len(project.stack), project.voxel_size, project.config.detect)
    detector = load_detector(weights_of(project), device=session.device)
    middle = chosen[len(chosen) // 2] if chosen else 0
    found = 0
    seconds = 0.0
    for z, slab in slabs(project.stack, [middle] * 2 if chosen else [], detector.channels):
        started = time.perf_counter()
        table = detect_slice(slab, z, detector, voxel_size=project.voxel_size, params=project.config.detect)
        seconds, found = time.perf_counter() - started, len(table)
    done = stage_of(project).is_done and not will_train
    depth, height, width = project.stack.shape
    classes = max(1, len(project.config.classes) or len(detector.class_names))
    slice_mb = height * width * 4 / 2**20
    return Estimate(
        slices=0 if done else len(chosen),
        seconds=(0.0 if done else seconds * len(chosen)) + found * depth * SECONDS_PER_BOX,
        memory_mb=peak_memory_mb() + (12 + classes) * slice_mb,
        disk_mb=(depth * height * width * classes * BYTES_PER_PIXEL + found * depth * MESH_BYTES_PER_BOX) / 2**20,
        free_disk_mb=psutil.disk_usage(str(project.folder.parent)).free / 2**20,
        minutes_training=project.config.train.minutes if will_train else 0.0,
    )
