"""The voxels of instances, cut out of the label store."""

import numpy as np
import pandas as pd
import pytest

from famous.io import label_store
from famous.io.label_store import LabelStore
from famous.masks import PackedMask
from famous.pipeline import crops
from famous.pipeline.crops import Extent, extents, read_crops
from famous.voxels import VoxelSize

FOUR = VoxelSize(4, 4, 4)


@pytest.fixture
def store(tmp_path):
    return store_in(tmp_path)


def store_in(tmp_path):
    """Ten bars along z, each two slices later and longer than the one before, in 24 slices of 40 × 64."""
    store = LabelStore.create(tmp_path / "l.ome.zarr", ["a"], (24, 40, 64), FOUR)
    for z in range(24):
        image = np.zeros((40, 64), dtype=np.uint32)
        for number in range(10):
            if 2 * number <= z < 4 + 3 * number:
                image[number * 4 : number * 4 + 3, 6 : 20 + 4 * number] = number + 1
        store.write_labels("a", z, image)
    return store


def bars(*numbers):
    """Where they lie, with a margin as boxes may leave it."""
    low = [(2 * n, max(0, n * 4 - 1), 5) for n in numbers]
    high = [(min(24, 4 + 3 * n), n * 4 + 4, 21 + 4 * n) for n in numbers]
    lengths = [b[0] - a[0] for a, b in zip(low, high, strict=True)]
    return [
        Extent(n + 1, "a", a, b, 1.0, length, length * 3 * (14 + 4 * n))
        for n, a, b, length in zip(numbers, low, high, lengths, strict=True)
    ]


def unpacked(crop):
    return crop.mask[0 : crop.mask.shape[0]]


@pytest.mark.parametrize("together", [10**9, 2000, 0])
@pytest.mark.parametrize("maximum", [None, 10**9, 700, 50])
def test_crops_read_together_are_those_read_alone(monkeypatch, store, together, maximum):
    listed = bars(*range(10))
    monkeypatch.setattr(crops, "TOGETHER", together)
    found = read_crops(store, listed, FOUR, maximum_voxels=maximum)
    assert len(found) == 10
    for extent, crop in zip(listed, found, strict=True):
        (alone,) = read_crops(store, [extent], FOUR, maximum_voxels=maximum)
        assert np.array_equal(unpacked(alone), unpacked(crop))
        assert (alone.offset, alone.step, alone.voxel_size) == (crop.offset, crop.step, crop.voxel_size)
        if maximum in (None, 10**9):
            assert (crop.step, crop.offset) == (1, extent.low)
            assert unpacked(crop).sum() == extent.voxels


def test_the_largest_crops_are_packed(monkeypatch, store):
    monkeypatch.setattr(crops, "TOGETHER", 2000)
    listed = bars(9, 0, 1, 2, 8)
    packed = [isinstance(crop.mask, PackedMask) for crop in read_crops(store, listed, FOUR)]
    assert packed == [True, False, False, False, True]


def test_each_slice_is_read_once_and_only_where_something_lies(monkeypatch, store):
    read = []
    whole = store.read_crop
    monkeypatch.setattr(store, "read_crop", lambda *where: read.append(where[1:]) or whole(*where))
    read_crops(store, bars(0, 9), FOUR)
    assert [z for z, _, _ in read] == [(z, z + 1) for z in (*range(4), *range(18, 24))]
    assert read[0][1:] == ((0, 4), (5, 21))


def test_crops_far_apart_are_read_one_by_one(monkeypatch, tmp_path):
    monkeypatch.setattr(label_store, "CHUNK_PX", 8)
    store = store_in(tmp_path)
    apart, near = bars(0, 9), bars(0, 1)
    low, high = (2, 0, 50), (4, 40, 64)
    tall = [Extent(7, "a", low, high, 1.0, 2, 0), Extent(8, "a", (2, 0, 0), (4, 3, 64), 1.0, 2, 0)]
    read = []
    whole = store.read_crop
    monkeypatch.setattr(store, "read_crop", lambda *where: read.append(where[1:]) or whole(*where))
    for listed, reads in ((near, 7), (apart, 10), (tall, 4)):
        read.clear()
        found = read_crops(store, listed, FOUR)
        assert len(read) == reads
        assert [unpacked(crop).sum() for crop in found] == [extent.voxels for extent in listed]


def test_a_crop_larger_than_the_maximum_is_read_at_a_step(tmp_path):
    store = LabelStore.create(tmp_path / "l.ome.zarr", ["a"], (16, 64, 64), FOUR)
    for z in range(16):
        image = np.zeros((64, 64), dtype=np.uint32)
        image[8:40, 8:40] = 3
        store.write_labels("a", z, image)
    extent = Extent(3, "a", (0, 8, 8), (16, 40, 40), 1.0, 16, 16 * 32 * 32)
    (whole,) = read_crops(store, [extent], FOUR)
    assert (whole.step, unpacked(whole).sum(), whole.offset) == (1, 16 * 32 * 32, (0, 8, 8))
    (coarse,) = read_crops(store, [extent], FOUR, maximum_voxels=16 * 32 * 32 // 8)
    assert (coarse.step, unpacked(coarse).sum(), coarse.offset) == (2, 8 * 16 * 16, (0, 4, 4))
    assert coarse.voxel_size.zyx == (8, 8, 8)


def test_nothing_is_a_value(store):
    assert read_crops(store, [], FOUR) == []


def test_extents_leave_dropped_boxes_out():
    rows = {
        "instance": [1, 1, 0, 2], "class_name": ["a", "a", "a", "late endosome"],
        "z": [2, 3, 3, 0], "pixels": [5, 5, 9, 1],
        "y0": [1, 0, 0, 4], "x0": [2, 3, 0, 4], "y1": [5, 6, 9, 6], "x1": [7, 6, 9, 6], "score": [0.5, 1.0, 1.0, 0.2],
    }  # fmt: skip
    first, second = extents(pd.DataFrame(rows), (4, 9, 9))
    assert (first.low, first.high, first.score) == ((2, 0, 2), (4, 6, 7), 0.75)
    assert second.name == "late_endosome_00002"
    assert (first.voxels, second.voxels) == (10, 1)


def test_an_extent_reaches_as_far_as_the_masks_and_counts_what_the_vote_left():
    rows = {
        "instance": [1, 1, 2], "class_name": ["a", "a", "b"], "z": [0, 1, 1], "pixels": [50, 60, 70],
        "y0": [10, 12, 1], "x0": [10, 10, 0], "y1": [20, 22, 21], "x1": [30, 30, 10], "score": [1.0, 1.0, 1.0],
        "reach": [0.1, 0.1, 0.25], "voxels": [40, 65, 70],
    }  # fmt: skip
    first, second = extents(pd.DataFrame(rows), (2, 24, 31))
    assert (first.low, first.high) == ((0, 9, 8), (2, 23, 31))  # cut off where the slice ends
    assert (second.low, second.high) == ((1, 0, 0), (2, 24, 13))
    assert (first.voxels, second.voxels) == (105, 70)
