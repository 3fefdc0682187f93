"""Pairs of a class and a data set: slices that are labelled, others that are scored, and the truth of both."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np
from accuracy.sets import SETS, DataSet, TrueMask, true_masks
from numpy.typing import NDArray

from famous.extract.evidence import Sample
from famous.io.volumes import read_label_volume
from famous.stack import LazyVolume, Stack
from famous.synthetic import CLASS_NAMES, Phantom, PhantomParams
from famous.voxels import VoxelSize

#: Labels of the real sets: class and file.
LABELS = {"mitochondrion": ("mito_inst.tif",), "synapse": ("synapse_inst.tif", "synapse.tif")}
#: Slices from one labelled slice to the next; the scored ones lie half way.
STEPS = {"lucchi": 8, "vnc": 4, "cdeep3m": 4, "isbi2012": 4, "hela": 1}
PHANTOM_STEP = 4
#: Cells on which the weights are fitted, besides the real sets.
FITTED = {
    "phantom 8 nm": PhantomParams((40, 512, 512), VoxelSize(8, 8, 8), seed=3),
    "phantom 16 nm, noisy": PhantomParams((40, 384, 384), VoxelSize(16, 16, 16), 11, mitochondria=1.2, noise=2.0),
    "phantom 40 × 8 nm": PhantomParams((20, 512, 512), VoxelSize(40, 8, 8), 21, noise=1.5, drift_nm=8.0),
    "phantom 5 nm": PhantomParams((30, 640, 640), VoxelSize(5, 5, 5), 31, mitochondria=1.5, lysosomes=1.5, noise=0.6),
    "phantom 10 nm, blurred": PhantomParams(
        (32, 512, 512), VoxelSize(10, 10, 10), 41, nucleus_radius_nm=1200, noise=2.5, blur_nm=10.0, gamma=1.4
    ),
    "phantom 30 × 12 nm": PhantomParams(
        (16, 512, 512), VoxelSize(30, 12, 12), 51, nucleus_radius_nm=1500, noise=1.2, streaks=4.0
    ),
}
#: A cell that is only scored.
FRESH = {
    "phantom, not fitted on": PhantomParams(
        (48, 512, 512), VoxelSize(10, 10, 10), 77, nucleus_radius_nm=1000, mitochondria=1.2, lysosomes=1.0, noise=1.3
    )
}


@dataclass(frozen=True, eq=False)
class TrueSlice:
    """One slice: its boxes, and what is in them. `labels` is (y, x, 3): the ids on z - 1, z, z + 1."""

    sample: Sample
    truth: list[TrueMask]
    labels: NDArray[np.uint32]


@dataclass(frozen=True, eq=False)
class Pair:
    """One class of one data set."""

    data_set: str
    class_name: str
    voxel_size: VoxelSize
    labelled: list[TrueSlice]
    scored: list[TrueSlice]

    @property
    def name(self) -> str:
        """As the tables call it."""
        return f"{self.data_set}, {self.class_name}"


class PhantomClass:
    """The ids of one class of a phantom, as a volume."""

    dtype = np.dtype(np.uint32)

    def __init__(self, phantom: Phantom, class_name: str) -> None:
        self.shape, self._phantom, self._class = phantom.shape, phantom, class_name

    def __getitem__(self, z: int) -> NDArray[np.uint32]:
        """Draw one slice."""
        return self._phantom.labels(z)[self._class]


def real_pairs(data: Path) -> Iterator[Pair]:
    for one in SETS.values():
        for class_name, files in LABELS.items():
            for file in files:
                if (data / one.name / file).exists():
                    truth = read_label_volume(data / one.name / file).stack.volume
                    yield _pair(replace(one, step=STEPS[one.name]), class_name, one.stack(data), truth)


def phantom_pairs(cells: dict[str, PhantomParams]) -> Iterator[Pair]:
    for name, params in cells.items():
        phantom = Phantom(params)
        stack = Stack(np.stack([phantom[z] for z in range(len(phantom))]), params.voxel_size).with_window()
        one = DataSet(name, params.voxel_size, PHANTOM_STEP)
        for class_name in CLASS_NAMES:
            yield _pair(one, class_name, stack, PhantomClass(phantom, class_name))


def _pair(one: DataSet, class_name: str, stack: Stack, truth: LazyVolume) -> Pair:
    apart = 1 if one.step == 1 else one.step // 2  # where all slices are labelled, all are scored
    first = min(one.step // 2, len(stack) - 1)
    labelled = range(first, len(stack), one.step)
    scored = labelled if apart == one.step else range(max(0, first - apart), len(stack), one.step)
    both = [_slices(one, stack, truth, zs) for zs in (labelled, scored)]
    return Pair(one.name, class_name, one.voxel_size, *both)


def _slices(one: DataSet, stack: Stack, truth: LazyVolume, zs: range) -> list[TrueSlice]:
    found = []
    last = len(stack) - 1
    for z in zs:
        masks = true_masks(np.asarray(truth[z]), whole_ids=one.whole_ids)
        if not masks:
            continue
        around = [min(max(z + step, 0), last) if one.consecutive else z for step in range(-2, 3)]
        images = {k: stack.image(k) for k, _ in groupby(around)}
        corners = np.array([mask.corners for mask in masks], dtype=np.int32)
        ids = np.stack([np.asarray(truth[k], dtype=np.uint32) for k in around[1:4]], axis=-1)
        found.append(TrueSlice(Sample(np.stack([images[k] for k in around], axis=-1), corners), masks, ids))
    return found
