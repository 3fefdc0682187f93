"""Instances of a label volume with their voxels: each once, each slice read once a pass."""

import math

import numpy as np
import pytest

from famous.masks import PackedMask
from famous.pipeline import sweep as sweeping
from famous.pipeline.crops import Extent, empty_crop
from famous.pipeline.stage import Session
from famous.pipeline.sweep import batches, find_extents, sweep
from tests.test_pipeline_volume import cell, opened


@pytest.mark.parametrize(("large", "room"), [(1, 10**9), (10**9, 0), (10**9, 10**9)])
def test_packed_or_not_the_sweep_gives_every_instance_once(monkeypatch, large, room):
    monkeypatch.setattr(sweeping, "LARGE", large)
    monkeypatch.setattr(sweeping, "OPEN", room)
    labels = cell()
    extents = find_extents(opened(labels), Session())
    swept = list(sweep(opened(labels), extents))
    assert [extent.instance for extent, _ in swept] == [60_000, 1, 2, 7]  # as they end
    for extent, crop in swept:
        assert isinstance(crop.mask, PackedMask) == (extent.size > large or room == 0)
        box = tuple(slice(low, high) for low, high in zip(extent.low, extent.high, strict=True))
        assert np.array_equal(crop.mask[0 : crop.mask.shape[0]], labels[box] == extent.instance)
        assert crop.offset == extent.low


def test_every_slice_is_read_once_a_pass():
    read = []

    class Watched:
        shape, dtype = (20, 30, 40), np.dtype(np.uint32)

        def __getitem__(self, z):
            read.append(z)
            return cell()[z]

    labels = opened(Watched())
    extents = find_extents(labels, Session())
    assert read == list(range(20))
    read.clear()
    list(sweep(labels, extents))
    assert read == [*range(4, 13), 14, 15, 16, 18]


def test_at_a_step_crops_are_coarser():
    extent = Extent(1, "object", (4, 3, 5), (13, 21, 23), math.nan, 9, 1)
    ((_, crop),) = sweep(opened(cell()), [extent], maximum_voxels=500)
    assert crop.step == 2
    assert crop.voxel_size.zyx == (32, 16, 16)
    assert np.array_equal(crop.mask, cell()[4:13:2, 2:21:2, 4:23:2] == 1)


def test_small_instances_are_left_out_on_request():
    found = find_extents(opened(cell()), Session(), minimum_voxels=100)
    assert [extent.instance for extent in found] == [1, 2, 7]
    assert all(extent.voxels == np.count_nonzero(cell() == extent.instance) for extent in found)


def test_batches_are_bounded_and_keep_the_order(monkeypatch):
    extents = [Extent(n, "object", (0, 0, 0), (1, 2, n), math.nan, 1, 2 * n) for n in range(1, 9)]
    crops = [(extent, empty_crop(extent, opened(cell()).voxel_size, 1, pack=False)) for extent in extents]
    monkeypatch.setattr(sweeping, "BATCH", 3)
    monkeypatch.setattr(sweeping, "BATCH_VOXELS", 20)
    handed = [[extent.instance for extent, _ in batch] for batch in batches(iter(crops))]
    assert handed == [[1, 2, 3], [4, 5, 6], [7, 8]]
    monkeypatch.setattr(sweeping, "BATCH_VOXELS", 6)
    assert [len(batch) for batch in batches(iter(crops))] == [2, 1, 1, 1, 1, 1, 1]
    assert list(batches(iter([]))) == []
