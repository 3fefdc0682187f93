"""Masks that are packed, looked at in slabs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from famous import masks
from famous.masks import Body, PackedMask, count_exposed, find_body, slabs

any_mask = arrays.arrays(np.bool_, arrays.array_shapes(min_dims=3, max_dims=3, min_side=0, max_side=6))


def pack(mask):
    packed = PackedMask(mask.shape)
    for z, image in enumerate(mask):
        packed.put(z, image)
    return packed


def rod(length=400):
    """A bar of 10 × 10 voxels along z in the corner of a crop of 100 × 100."""
    mask = np.zeros((length, 100, 100), bool)
    mask[:, 5:15, 5:15] = True
    return mask


@given(any_mask, st.integers(-8, 8), st.integers(-8, 8))
def test_a_packed_mask_reads_as_what_was_put_in(mask, first, last):
    packed = pack(mask)
    assert packed.shape == mask.shape
    part = packed[first:last]
    assert part.dtype == np.bool_
    assert part.shape == mask[first:last].shape
    assert np.array_equal(part, mask[first:last])


def test_a_packed_mask_is_as_small_as_its_object():
    assert pack(rod()).nbytes < rod().size / 100


def test_a_slice_put_again_replaces_the_first():
    packed = pack(np.ones((2, 3, 3), bool))
    packed.put(0, np.zeros((3, 3), bool))
    assert packed[0:2].sum(axis=(1, 2)).tolist() == [0, 9]


def test_slabs_cover_every_slice_once(monkeypatch):
    for shape, voxels, count in (((7, 3, 3), 18, 4), ((7, 3, 3), 1, 7), ((7, 3, 3), 10**6, 1), ((0, 3, 3), 9, 0)):
        monkeypatch.setattr(masks, "SLAB_VOXELS", voxels)
        parts = slabs(np.zeros(shape, bool))
        assert len(parts) == count
        assert [z for part in parts for z in range(part.start, part.stop)] == list(range(shape[0]))


@pytest.mark.parametrize("slab", [1, 30, 10**6])
@given(mask=any_mask)
def test_a_body_is_what_the_mask_holds(slab, mask):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(masks, "SLAB_VOXELS", slab)
        bodies = find_body(mask), find_body(pack(mask))
        exposed = count_exposed(mask), count_exposed(pack(mask))
    padded = np.pad(mask, 1)
    assert exposed[0] == exposed[1] == tuple(np.count_nonzero(np.diff(padded, axis=axis)) for axis in range(3))
    for body in bodies:
        assert body.voxels == mask.sum()
        where = np.argwhere(mask)
        if len(where):
            assert body.low == tuple(where.min(axis=0))
            assert body.high == tuple(where.max(axis=0) + 1)
            assert tuple(body.shape) == tuple(np.ptp(where, axis=0) + 1)
        else:
            assert (body.low, body.high) == ((0, 0, 0), (0, 0, 0))
        for axis, profile in enumerate(body.profiles):
            assert profile.tolist() == mask.sum(axis=tuple({0, 1, 2} - {axis})).tolist()


def test_an_empty_body_has_no_voxels():
    assert Body((np.zeros(0, np.int64),) * 3).voxels == 0
