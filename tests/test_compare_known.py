"""What of a slice is scored: region, slices, ignore labels and the zone round borders."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from famous.compare.known import KnownParams, KnownSlices, known_slice, near_borders
from famous.compare.matching import match
from famous.compare.overlaps import count_slices
from famous.errors import InputError
from famous.voxels import VoxelSize
from tests.compare_phantoms import bricks

FIB = VoxelSize(8, 8, 8)
SLICES = hnp.arrays(np.uint32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 2))


def known(z, params, truth, pred=None):
    return known_slice(z, pred if pred is not None else truth, truth, voxel_size=FIB, params=params)


def test_all_of_a_slice_is_known_by_default():
    truth = np.zeros((4, 5), dtype=np.uint8)
    assert known(3, KnownParams(), truth) is None
    assert known(3, KnownParams(low=(2, 0, 0), high=(4, 4, 5), slices=frozenset([3])), truth) is None


def test_a_region_and_slices():
    truth = np.zeros((4, 5), dtype=np.uint8)
    params = KnownParams(low=(2, 1, 0), high=(4, 3, 4), slices=frozenset([1, 2]))
    for z in (0, 1, 3, 4):
        assert not known(z, params, truth).any()
    expected = np.zeros((4, 5), dtype=bool)
    expected[1:3, 0:4] = True
    assert np.array_equal(known(2, params, truth), expected)


def test_ignored_labels_of_either_side():
    truth, pred = np.array([[0, 1, 9, 9]]), np.array([[7, 7, 0, 1]])
    assert known(0, KnownParams(ignore_truth=9), truth, pred).tolist() == [[True, True, False, False]]
    assert known(0, KnownParams(ignore_pred=7), truth, pred).tolist() == [[False, False, True, True]]
    assert known(0, KnownParams(ignore_truth=0, ignore_pred=1), truth, pred).tolist() == [[False, True, True, False]]


def test_an_object_where_nobody_judged_is_not_invented():
    truth = bricks((1, 2, 12), (255, 20, 40))
    pred = bricks((1, 2, 12), (2, 22, 30))
    assert match(count_slices(pred, truth)).counts == (1, 1, 1)
    scored = count_slices(pred, truth, known=KnownSlices(FIB, KnownParams(ignore_truth=255)))
    assert match(scored).counts == (1, 0, 0)


def test_only_some_slices_of_truth():
    truth, pred = bricks((1, 2, 12)), bricks((1, 2, 12))
    truth[[0, 1, 2, 4, 5]] = 0  # drawn in one slice only
    assert match(count_slices(pred, truth)).counts == (0, 1, 1)
    found = count_slices(pred, truth, known=KnownSlices(FIB, KnownParams(slices=frozenset([3]))))
    assert match(found).iou.tolist() == [1.0]
    assert found.voxels == truth[0].size


def test_a_border_that_is_off_by_a_voxel_is_forgiven():
    truth, pred = np.zeros((1, 20, 20), dtype=np.uint32), np.zeros((1, 20, 20), dtype=np.uint32)
    truth[0, 5:15, 5:15], pred[0, 4:16, 4:16] = 1, 1
    scored = count_slices(pred, truth, known=KnownSlices(FIB, KnownParams(border_nm=9)))
    assert match(scored).iou.tolist() == [1.0]
    assert scored.truth_voxels.tolist() == [64]
    assert scored.voxels == 400 - 12**2 + 8**2  # without the two rings


@pytest.mark.parametrize(("border_nm", "columns"), [(0, 0), (4, 0), (4.01, 2), (12, 2), (12.01, 4), (20.01, 6)])
def test_the_zone_is_measured_from_the_edge_to_the_pixels_centre(border_nm, columns):
    labels = np.zeros((3, 12), dtype=np.uint32)
    labels[:, 6:] = 1
    near = near_borders(labels, border_nm=border_nm, voxel_size=FIB)
    assert near.sum(axis=1).tolist() == [columns] * 3
    assert near[:, 6 - columns // 2 : 6 + columns // 2].all()


def test_a_zone_on_a_grid_that_is_coarse_along_y():
    labels = np.zeros((9, 9), dtype=np.uint32)
    labels[4, 4] = 1
    near = near_borders(labels, border_nm=20.01, voxel_size=VoxelSize(50, 20, 5))  # a pixel is 10 nm: reaches 15 nm
    assert np.flatnonzero(near.any(axis=1)).tolist() == [3, 4, 5]  # the pixels at the border, none beyond along y
    assert np.flatnonzero(near[4]).tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8][0:9]


@given(SLICES, st.floats(0, 60))
def test_a_zone_grows_and_a_flat_slice_has_none(labels, border_nm):
    near = near_borders(labels, border_nm=border_nm, voxel_size=FIB)
    wider = near_borders(labels, border_nm=border_nm + 8, voxel_size=FIB)
    assert not (near & ~wider).any()
    assert not near_borders(np.full_like(labels, 3), border_nm=border_nm, voxel_size=FIB).any()


@given(SLICES, st.floats(4.1, 60))
def test_the_window_changes_nothing(labels, border_nm):
    from scipy import ndimage

    last = np.zeros(labels.shape, dtype=bool)
    wide = np.pad(labels, 1, mode="edge")
    for dy in range(3):
        for dx in range(3):
            last |= wide[dy : dy + labels.shape[0], dx : dx + labels.shape[1]] != labels
    near = near_borders(labels, border_nm=border_nm, voxel_size=FIB)
    if last.any():
        assert np.array_equal(near, ndimage.distance_transform_edt(~last, sampling=(8, 8)) < border_nm - 4)
    else:
        assert not near.any()


def test_large_ids_that_differ_by_one_have_a_border():
    labels = np.array([[2**63, 2**63 + 1]], dtype=np.uint64)
    assert near_borders(labels, border_nm=5, voxel_size=FIB).all()


def test_it_travels_to_other_processes():
    reader = KnownSlices(FIB, KnownParams(ignore_truth=3))
    assert pickle.loads(pickle.dumps(reader)) == reader


@pytest.mark.parametrize("border_nm", [-1.0, float("nan"), float("inf")])
def test_a_zone_that_is_no_length_is_refused(border_nm):
    with pytest.raises(InputError, match="expected a length of 0 or more"):
        near_borders(np.zeros((2, 2), dtype=np.uint8), border_nm=border_nm, voxel_size=FIB)
