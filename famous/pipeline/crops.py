"""The voxels of one instance, cut out of the label volume."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous.io.label_store import LabelStore
from famous.voxels import VoxelSize


@dataclass(frozen=True)
class Extent:
    """One instance and the half-open voxel range that holds it."""

    instance: int
    class_name: str
    low: tuple[int, int, int]
    high: tuple[int, int, int]
    score: float
    n_slices: int
    voxels: int

    @property
    def size(self) -> int:
        """Voxels of the range."""
        return math.prod(high - low for low, high in zip(self.low, self.high, strict=True))

    @property
    def name(self) -> str:
        """`<class>_00042`, the name of its mesh wherever it is shown."""
        return f"{slug(self.class_name)}_{self.instance:05d}"


def slug(class_name: str) -> str:
    """Return a class name as it stands in file names."""
    return "_".join(class_name.split()).replace("/", "-")


def extents(linked: pd.DataFrame) -> list[Extent]:
    """List the instances of a linked box table by id, each with the range of its boxes and their mean score."""
    own = linked[(linked["instance"] > 0) & (linked["pixels"] > 0)]
    grouped = own.groupby("instance", sort=True).agg(
        class_name=("class_name", "first"),
        z0=("z", "min"),
        y0=("y0", "min"),
        x0=("x0", "min"),
        z1=("z", "max"),
        y1=("y1", "max"),
        x1=("x1", "max"),
        score=("score", "mean"),
        n_slices=("z", "nunique"),
        voxels=("pixels", "sum"),
    )
    return [
        Extent(
            int(row["instance"]),
            str(row["class_name"]),
            (int(row["z0"]), int(row["y0"]), int(row["x0"])),
            (int(row["z1"]) + 1, int(row["y1"]), int(row["x1"])),
            float(row["score"]),
            int(row["n_slices"]),
            int(row["voxels"]),
        )
        for row in grouped.reset_index().to_dict("records")
    ]


@dataclass(frozen=True)
class Crop:
    """The voxels of one instance: (z, y, x) mask, its first voxel's index and its voxel size.

    A crop that was read at every 2nd, 3rd … voxel has larger voxels and its offset counted in those.
    """

    mask: NDArray[np.bool_]
    offset: tuple[int, int, int]
    voxel_size: VoxelSize
    step: int


def read_crops(
    store: LabelStore, extents: Sequence[Extent], voxel_size: VoxelSize, maximum_voxels: int
) -> Iterator[tuple[Extent, Crop]]:
    """Read instances in groups that together stay below the maximum, each slice of a group once.

    An instance whose own crop is larger is read alone, at the smallest step that keeps it below.
    """
    group: list[Extent] = []
    for extent in extents:
        together = [*group, extent]
        if group and (sum(e.size for e in together) > maximum_voxels or extent.class_name != group[0].class_name):
            yield from zip(group, _read_group(store, group, voxel_size, maximum_voxels), strict=True)
            group = []
        group.append(extent)
    yield from zip(group, _read_group(store, group, voxel_size, maximum_voxels), strict=True)


def _read_group(store: LabelStore, group: Sequence[Extent], voxel_size: VoxelSize, maximum_voxels: int) -> list[Crop]:
    """Read instances of one class together: of each slice the smallest rectangle that holds what lies there."""
    crops = [_empty_crop(extent, voxel_size, maximum_voxels) for extent in group]
    for z in range(min((e.low[0] for e in group), default=0), max((e.high[0] for e in group), default=0)):
        here = [
            (extent, crop)
            for extent, crop in zip(group, crops, strict=True)
            if extent.low[0] <= z < extent.high[0] and z % crop.step == 0
        ]
        if not here:
            continue
        y0, x0 = (min(crop.offset[axis] * crop.step for _, crop in here) for axis in (1, 2))
        y1, x1 = (max(extent.high[axis] for extent, _ in here) for axis in (1, 2))
        image = store.read_crop(here[0][0].class_name, (z, z + 1), (y0, y1), (x0, x1))[0]
        for extent, crop in here:
            top, left = crop.offset[1] * crop.step - y0, crop.offset[2] * crop.step - x0
            part = image[top : extent.high[1] - y0 : crop.step, left : extent.high[2] - x0 : crop.step]
            np.equal(part, extent.instance, out=crop.mask[z // crop.step - crop.offset[0]])
    return crops


def _empty_crop(extent: Extent, voxel_size: VoxelSize, maximum_voxels: int) -> Crop:
    step = max(1, math.ceil((extent.size / maximum_voxels) ** (1 / 3)))
    offset = (-(-extent.low[0] // step), extent.low[1] // step, extent.low[2] // step)
    ends = [-(-high // step) for high in extent.high]
    mask = np.zeros([end - start for start, end in zip(offset, ends, strict=True)], dtype=np.bool_)
    coarse = VoxelSize(*(side * step for side in voxel_size.zyx))
    return Crop(mask, offset, coarse, step)
