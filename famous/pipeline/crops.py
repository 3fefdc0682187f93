"""The voxels of one instance, cut out of the label volume."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous.boxes import CORNERS
from famous.extract.slices import pixel_corners
from famous.io.label_store import LabelStore
from famous.masks import Mask, PackedMask
from famous.voxels import VoxelSize

TOGETHER = 8_000_000  # voxels of the crops that are held as arrays at a time


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


def mesh_path(folder: Path, extent: Extent) -> Path:
    """Where the mesh of an instance lies."""
    return folder / slug(extent.class_name) / f"{extent.name}.ply"


def extents(linked: pd.DataFrame, shape: Sequence[int]) -> list[Extent]:
    """List the instances of a linked box table by id, each with the range of its boxes and their mean score.

    `shape` is that of the stack (z, y, x); where masks reach beyond their boxes, the range does too.
    """
    own = linked[(linked["instance"] > 0) & (linked["pixels"] > 0)]
    corners = pixel_corners(own, (shape[-2], shape[-1]))
    own = own.assign(**dict(zip(CORNERS, corners.T, strict=True)))
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
        voxels=("voxels" if "voxels" in own else "pixels", "sum"),
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

    mask: Mask
    offset: tuple[int, int, int]
    voxel_size: VoxelSize
    step: int


def read_crops(
    store: LabelStore, extents: Sequence[Extent], voxel_size: VoxelSize, *, maximum_voxels: int | None = None
) -> list[Crop]:
    """Read instances of one class together: each slice once, and of it the smallest rectangle that holds them.

    Where they lie so far apart that each alone has fewer blocks of the store to unpack, each is read alone.

    Small crops are arrays; where they take too much together, the largest are packed. With a maximum, an instance
    whose crop is larger is read at the smallest step that keeps it below.
    """
    steps = [step_of(extent, maximum_voxels) for extent in extents]
    sizes = np.array([extent.size / step**3 for extent, step in zip(extents, steps, strict=True)])
    order = np.argsort(sizes, kind="stable")
    packed = np.zeros(len(extents), dtype=np.bool_)
    packed[order] = np.cumsum(sizes[order]) > TOGETHER
    crops = [
        empty_crop(extent, voxel_size, step, pack=bool(pack))
        for extent, step, pack in zip(extents, steps, packed, strict=True)
    ]
    for z in range(min((e.low[0] for e in extents), default=0), max((e.high[0] for e in extents), default=0)):
        here = [
            (extent, crop)
            for extent, crop in zip(extents, crops, strict=True)
            if extent.low[0] <= z < extent.high[0] and z % crop.step == 0
        ]
        if here:
            _read_slice(store, z, here)
    return crops


def _read_slice(store: LabelStore, z: int, here: Sequence[tuple[Extent, Crop]]) -> None:
    """Read one slice of all the crops that it passes through."""
    sides = store.block()
    is_near = len(here) == 1 or _blocks(here, sides) <= sum(_blocks([one], sides) for one in here)
    for near in [here] if is_near else [[one] for one in here]:
        (y0, x0), (y1, x1) = _rectangle(near)
        image = store.read_crop(near[0][0].class_name, (z, z + 1), (y0, y1), (x0, x1))[0]
        for extent, crop in near:
            fill(crop, extent, z, image, (y0, x0))


def _rectangle(here: Sequence[tuple[Extent, Crop]]) -> tuple[tuple[int, int], tuple[int, int]]:
    """First pixel (y, x) and one past the last of the smallest rectangle that holds the crops."""
    y0, x0 = (min(crop.offset[axis] * crop.step for _, crop in here) for axis in (1, 2))
    y1, x1 = (max(extent.high[axis] for extent, _ in here) for axis in (1, 2))
    return (y0, x0), (y1, x1)


def _blocks(here: Sequence[tuple[Extent, Crop]], sides: tuple[int, int]) -> int:
    """How many blocks of the store, of these sides (y, x), their rectangle meets."""
    first, end = _rectangle(here)
    return math.prod(-(-high // side) - low // side for low, high, side in zip(first, end, sides, strict=True))


def fill(crop: Crop, extent: Extent, z: int, image: NDArray[Any], corner: tuple[int, int] = (0, 0)) -> None:
    """Set slice z of a crop from an image of labels, whose first pixel lies at the corner (y, x) of the slice."""
    y0, x0 = corner
    top, left = crop.offset[1] * crop.step - y0, crop.offset[2] * crop.step - x0
    part = image[top : extent.high[1] - y0 : crop.step, left : extent.high[2] - x0 : crop.step]
    at = z // crop.step - crop.offset[0]
    if isinstance(crop.mask, PackedMask):
        crop.mask.put(at, part == extent.instance)
    else:
        np.equal(part, extent.instance, out=crop.mask[at : at + 1][0])


def step_of(extent: Extent, maximum_voxels: int | None) -> int:
    """Return the smallest step, every 2nd, 3rd … voxel, at which a crop has no more voxels than the maximum."""
    return 1 if maximum_voxels is None else max(1, math.ceil((extent.size / maximum_voxels) ** (1 / 3)))


def empty_crop(extent: Extent, voxel_size: VoxelSize, step: int, *, pack: bool) -> Crop:
    """Make a crop without a voxel, to be filled slice by slice."""
    offset = (-(-extent.low[0] // step), extent.low[1] // step, extent.low[2] // step)
    ends = [-(-high // step) for high in extent.high]
    depth, height, width = (end - start for start, end in zip(offset, ends, strict=True))
    shape = (depth, height, width)
    mask: Mask = PackedMask(shape) if pack else np.zeros(shape, dtype=np.bool_)
    return Crop(mask, offset, VoxelSize(*(side * step for side in voxel_size.zyx)), step)
