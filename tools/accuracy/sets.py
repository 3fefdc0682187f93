"""Real stacks with labels, and the true boxes of their slices."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from famous.io.stacks import open_stack
from famous.io.volumes import read_label_volume
from famous.stack import Stack, slabs
from famous.voxels import VoxelSize

SMALLEST_PX = 30  # pixels of the smallest object that is scored
NARROWEST_PX = 6  # shortest side of the smallest box that is scored


@dataclass(frozen=True)
class DataSet:
    """One stack of the folder of data sets: its scale and the slices that are scored."""

    name: str
    voxel_size: VoxelSize
    step: int  # every so many slices are scored
    consecutive: bool = True  # neighbours in the file are neighbours in the tissue
    whole_ids: bool = False  # an id is one object of its slice; else its 2D components are
    labels: str = "mito_inst.tif"

    def stack(self, data: Path) -> Stack:
        """Open the grey values with the window that a run would see them through."""
        folder = data / self.name
        raw = folder / "raw.tif" if (folder / "raw.tif").exists() else folder / "raw"
        return open_stack(str(raw), voxel_size=self.voxel_size).stack.with_window()


SETS = {
    one.name: one
    for one in (
        DataSet("lucchi", VoxelSize(5, 5, 5), 4),
        DataSet("vnc", VoxelSize(50, 4.6, 4.6), 3),
        DataSet("cdeep3m", VoxelSize(5, 5, 5), 3),  # its voxel size is not stated; 5 nm is assumed
        DataSet("isbi2012", VoxelSize(50, 4, 4), 3),
        DataSet("hela", VoxelSize(50, 10, 10), 1, consecutive=False, whole_ids=True),
    )
}


@dataclass(frozen=True)
class TrueMask:
    """One object of one slice: its tight corners (y0, x0, y1, x1) and its pixels inside them."""

    corners: NDArray[np.int32]
    mask: NDArray[np.bool_]


@dataclass(frozen=True)
class LabelledSlice:
    """A slab (y, x, 3) of z − 1, z, z + 1, the boxes (n, 4) to extract from and the truth of each."""

    slab: NDArray[np.uint8]
    corners: NDArray[np.int32]
    truth: list[TrueMask]


def labelled_slices(
    data: Path, one: DataSet, *, jitter: float = 0.0, step: int | None = None
) -> Iterator[LabelledSlice]:
    """Yield the scored slices of a set; `jitter` moves each side by a normal share of the box's side.

    Where neighbours in the file are none in the tissue, the slice itself stands in for them.
    """
    rng = np.random.default_rng(0)
    stack = one.stack(data)
    labels = read_label_volume(data / one.name / one.labels).stack
    for z, slab in slabs(stack, range(0, len(stack), step or one.step), 3 if one.consecutive else 1):
        truth = true_masks(labels.grey(z), whole_ids=one.whole_ids)
        tight = np.array([mask.corners for mask in truth], dtype=np.int32).reshape(-1, 4)
        corners = jittered(tight, jitter, rng, stack.shape[1:])
        yield LabelledSlice(np.repeat(slab, 3 // slab.shape[2], axis=2), corners, truth)


def true_masks(image: NDArray[np.uint32], *, whole_ids: bool = False) -> list[TrueMask]:
    """Cut the objects out of a (y, x) label image: each 8-connected part of an id, or each id as it is."""
    found = []
    numbers, dense = np.unique(image, return_inverse=True)
    dense = dense.reshape(image.shape) + (0 if numbers[0] == 0 else 1)  # 0 stays background
    for number, window in enumerate(ndimage.find_objects(dense), 1):
        own = dense[window] == number
        parts, count = (own.astype(np.int32), 1) if whole_ids else ndimage.label(own, np.ones((3, 3)))
        for part, (ys, xs) in zip(range(1, count + 1), ndimage.find_objects(parts), strict=True):
            mask = parts[ys, xs] == part
            if mask.sum() >= SMALLEST_PX and min(mask.shape) >= NARROWEST_PX:
                low = np.array([window[0].start + ys.start, window[1].start + xs.start])
                found.append(TrueMask(np.concatenate([low, low + mask.shape]).astype(np.int32), mask))
    return found


def jittered(
    tight: NDArray[np.int32], share: float, rng: np.random.Generator, shape: tuple[int, ...]
) -> NDArray[np.int32]:
    """Move every side of (n, 4) boxes by a normal share of the box's side; the box's middle stays inside it."""
    middle = (tight[:, :2] + tight[:, 2:]) // 2
    sides = np.tile(tight[:, 2:] - tight[:, :2], 2)
    moved = np.rint(tight + share * sides * rng.standard_normal(tight.shape)).astype(np.int32)
    moved[:, :2] = np.minimum(moved[:, :2], middle)
    moved[:, 2:] = np.maximum(moved[:, 2:], middle + 1)
    return np.clip(moved, 0, np.array([*shape, *shape])).astype(np.int32)
