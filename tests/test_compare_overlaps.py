"""Overlaps of two label volumes, against what numpy counts voxel by voxel."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from famous.compare.overlaps import Objects, Overlaps, count_slice, count_slices, read_lines
from famous.errors import InputError
from tests.compare_phantoms import CASES, ball, lens

SHAPE = st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 6))


@st.composite
def pairs(draw):
    shape = draw(SHAPE)
    ids = st.sampled_from([0, 0, 1, 2, 3, 2**32 + 7, 2**64 - 1])
    return tuple(draw(hnp.arrays(np.uint64, shape, elements=ids)) for _ in range(2))


def same(a, b):
    """Tell whether two nested dataclasses of arrays are equal."""
    if dataclasses.is_dataclass(a):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a))
    return np.array_equal(a, b)


def check_objects(objects, volume):
    assert objects.ids.tolist() == [i for i in np.unique(volume).tolist() if i]
    for row, number in enumerate(objects.ids):
        where = np.argwhere(volume == number)
        assert objects.voxels[row] == len(where)
        assert objects.low[row].tolist() == where.min(axis=0).tolist()
        assert objects.high[row].tolist() == (where.max(axis=0) + 1).tolist()
        np.testing.assert_allclose(objects.centroids[row], where.mean(axis=0), atol=1e-12)


@given(pairs())
def test_objects_and_pairs_are_what_numpy_counts(volumes):
    pred, truth = volumes
    found = count_slices(pred, truth)
    check_objects(found.pred, pred)
    check_objects(found.truth, truth)
    both = (pred > 0) & (truth > 0)
    expected, shared = np.unique(np.stack([pred[both], truth[both]]), axis=1, return_counts=True)
    assert np.array_equal(found.pred_ids[found.pred_index], expected[0])
    assert np.array_equal(found.truth_ids[found.truth_index], expected[1])
    assert np.array_equal(found.shared, shared)
    assert found.voxels == pred.size
    for k, ratio in enumerate(found.iou()):
        a, b = pred == expected[0][k], truth == expected[1][k]
        assert ratio == (a & b).sum() / (a | b).sum()


@given(pairs())
def test_swapping_the_sides_swaps_the_tables(volumes):
    pred, truth = volumes
    found = count_slices(pred, truth)
    assert same(found.swapped(), count_slices(truth, pred))
    assert same(found.swapped().swapped(), found)


@given(pairs(), st.integers(0, 4))
def test_parts_join_to_the_whole(volumes, cut):
    pred, truth = volumes
    parts = (
        [count_slices(pred, truth, range(cut)), count_slices(pred, truth, range(cut, len(pred)))]
        if cut <= len(pred)
        else [count_slices(pred, truth)]
    )
    assert same(Overlaps.joined(parts), count_slices(pred, truth))
    assert same(Overlaps.joined(parts[::-1]), count_slices(pred, truth))


@given(pairs(), st.integers(0, 2**30 - 1))
def test_what_is_not_known_does_not_exist(volumes, bits):
    pred, truth = volumes
    mask = np.random.default_rng(bits).random(pred.shape) < 0.6
    found = count_slices(pred, truth, known=lambda z, *_: mask[z])
    expected = count_slices(np.where(mask, pred, 0), np.where(mask, truth, 0))
    assert same(found, dataclasses.replace(expected, voxels=int(mask.sum())))


def test_more_slices_than_one_block():
    rng = np.random.default_rng(3)
    pred, truth = (rng.integers(0, 5, (70, 3, 4)).astype(np.uint32) for _ in range(2))
    assert same(
        count_slices(pred, truth),
        Overlaps.joined(count_slice(p, t, z=z) for z, (p, t) in enumerate(zip(pred, truth, strict=True))),
    )


@pytest.mark.parametrize("case", CASES)
def test_no_voxel_is_lost(case):
    given_case = case()
    found = count_slices(given_case.pred, given_case.truth)
    assert found.pred_voxels.sum() == (given_case.pred > 0).sum()
    assert found.truth_voxels.sum() == (given_case.truth > 0).sum()
    assert found.shared.sum() == ((given_case.pred > 0) & (given_case.truth > 0)).sum()


def test_shifted_balls_share_a_lens():
    shape, radius, distance = (64, 64, 80), 24.0, 12.0
    left, right = ball((32, 32, 32), radius, shape), ball((32, 32, 32 + distance), radius, shape)
    found = count_slices(left.astype(np.uint8), right.astype(np.uint8))
    volume = 4 / 3 * np.pi * radius**3
    assert found.shared[0] == pytest.approx(lens(radius, distance), rel=5e-3)
    both = lens(radius, distance)
    assert found.iou()[0] == pytest.approx(both / (2 * volume - both), rel=5e-3)
    np.testing.assert_allclose(found.truth.centroids[0], (32, 32, 44), atol=1e-9)


def test_who_touches_the_border():
    volume = np.zeros((5, 5, 5), dtype=np.uint32)
    volume[2, 2, 2], volume[4, 2, 2], volume[2, 0, 3] = 1, 2, 3
    objects = count_slices(volume, volume).pred
    assert objects.touches_border(volume.shape).tolist() == [False, True, True]


def test_nothing_is_a_value():
    assert same(Overlaps.joined([]), Overlaps.empty())
    empty = count_slices(np.zeros((0, 4, 4), dtype=np.uint32), np.zeros((0, 4, 4), dtype=np.uint32))
    assert same(empty, Overlaps.empty())
    assert same(count_slice(np.zeros((0, 3), dtype=np.uint8), np.zeros((0, 3), dtype=np.uint8)), Overlaps.empty())
    assert len(Objects.empty().centroids) == 0


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.int64, np.uint64, np.float32])
def test_any_type_of_whole_numbers(dtype):
    image = np.array([[0, 1, 1], [1, 0, 0]], dtype=dtype)
    kept = image.copy()
    assert read_lines(image).objects.voxels.tolist() == [3]
    assert np.array_equal(image, kept)


@pytest.mark.parametrize(
    ("image", "why"),
    [
        (np.array([[0.5]]), "fractions"),
        (np.array([[-1]]), "ids from -1"),
        (np.zeros(3, dtype=np.uint8), "expected two axes"),
    ],
)
def test_what_is_no_slice_of_labels_is_refused(image, why):
    with pytest.raises(InputError, match=why):
        read_lines(image)


def test_shapes_that_differ_are_refused():
    a, b = np.zeros((2, 3, 4), dtype=np.uint8), np.zeros((2, 4, 3), dtype=np.uint8)
    with pytest.raises(InputError, match=r"volumes of \(2, 3, 4\) and \(2, 4, 3\)"):
        count_slices(a, b)
    with pytest.raises(InputError, match=r"slices of \(3, 4\) and \(4, 3\)"):
        count_slice(a[0], b[0])
    with pytest.raises(InputError, match="mask of shape"):
        count_slice(a[0], a[0], np.ones((2, 2), dtype=bool))
