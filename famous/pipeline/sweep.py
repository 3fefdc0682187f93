"""Instances of a label volume with their voxels: two passes through its slices, never the whole in memory."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from famous.pipeline.crops import Crop, Extent, empty_crop, fill, step_of
from famous.pipeline.scan import scan_slices
from famous.pipeline.stage import Session
from famous.stack import LazyVolume
from famous.voxels import VoxelSize

LARGE = 2_000_000  # voxels of a crop from which on it is packed
OPEN = 64_000_000  # voxels of the crops that may wait as arrays
BATCH = 16  # instances handed to a process at a time …
BATCH_VOXELS = 2_000_000  # … or fewer, with so many voxels together


@dataclass(frozen=True)
class Labels:
    """Label volume of one class: `volume[z]` is (y, x) of any unsigned type, 0 is background."""

    volume: LazyVolume
    voxel_size: VoxelSize
    class_name: str
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """(z, y, x)."""
        z, y, x = self.volume.shape
        return int(z), int(y), int(x)


def find_extents(labels: Labels, session: Session, minimum_voxels: int = 1) -> tuple[Extent, ...]:
    """Go through the slices once and list where each id lies, those with fewer voxels left out."""
    spans = scan_slices(labels.volume, session)
    return tuple(
        Extent(int(number), labels.class_name, (z0, y0, x0), (z1 + 1, y1 + 1, x1 + 1), math.nan, slices, voxels)
        for number, (z0, y0, x0, z1, y1, x1, slices, voxels) in zip(spans.ids, spans.rows.tolist(), strict=True)
        if voxels >= minimum_voxels
    )


def sweep(
    labels: Labels, extents: Sequence[Extent], maximum_voxels: int | None = None
) -> Iterator[tuple[Extent, Crop]]:
    """Read each slice once, and yield each instance with its voxels as soon as its last slice is read.

    With a maximum, an instance whose crop is larger is read at the smallest step that keeps it below.
    """
    waiting = sorted(extents, key=lambda extent: extent.low[0], reverse=True)
    active: list[tuple[Extent, Crop]] = []
    held = 0
    for z in range(waiting[-1].low[0] if waiting else 0, max((extent.high[0] for extent in extents), default=0)):
        while waiting and waiting[-1].low[0] == z:
            extent = waiting.pop()
            step = step_of(extent, maximum_voxels)
            size = extent.size // step**3
            pack = size > LARGE or held + size > OPEN
            held += 0 if pack else size
            active.append((extent, empty_crop(extent, labels.voxel_size, step, pack=pack)))
        here = [(extent, crop) for extent, crop in active if z % crop.step == 0]
        if here:
            image = labels.volume[z]
            for extent, crop in here:
                fill(crop, extent, z, image)
        done = [(extent, crop) for extent, crop in active if extent.high[0] == z + 1]
        active = [(extent, crop) for extent, crop in active if extent.high[0] > z + 1]
        held -= sum(crop.mask.size for _, crop in done if isinstance(crop.mask, np.ndarray))
        yield from done


def batches(crops: Iterator[tuple[Extent, Crop]]) -> Iterator[list[tuple[Extent, Crop]]]:
    """Put small instances together, so that handing them over costs little."""
    batch: list[tuple[Extent, Crop]] = []
    voxels = 0
    for extent, crop in crops:
        batch.append((extent, crop))
        voxels += extent.size
        if len(batch) >= BATCH or voxels >= BATCH_VOXELS:
            yield batch
            batch, voxels = [], 0
    if batch:
        yield batch
