"""The voxels of one instance, cut out of the label volume."""

import math
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


def read_crop(store: LabelStore, extent: Extent, voxel_size: VoxelSize, maximum_voxels: int) -> Crop:
    """Read one instance slice by slice, at the smallest step that keeps the crop below the maximum."""
    voxels = math.prod(high - low for low, high in zip(extent.low, extent.high, strict=True))
    step = max(1, math.ceil((voxels / maximum_voxels) ** (1 / 3)))
    low = tuple(index // step * step for index in extent.low)
    ranges = [range(start, stop, step) for start, stop in zip(low, extent.high, strict=True)]
    mask = np.zeros([len(indices) for indices in ranges], dtype=np.bool_)
    for row, z in enumerate(ranges[0]):
        image = store.read_crop(extent.class_name, (z, z + 1), (low[1], extent.high[1]), (low[2], extent.high[2]))[0]
        np.equal(image[::step, ::step], extent.instance, out=mask[row])
    coarse = VoxelSize(*(side * step for side in voxel_size.zyx))
    return Crop(mask, (low[0] // step, low[1] // step, low[2] // step), coarse, step)
