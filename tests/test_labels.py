"""Label images and volumes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from famous import labels
from famous.errors import InputError

SMALL = hnp.arrays(np.uint32, st.tuples(st.integers(0, 6), st.integers(0, 6)), elements=st.integers(0, 4))
TOP = 2**32 - 1


def image(*rows):
    return np.array([[int(value) for value in row] for row in rows], dtype=np.uint32)


# ---- validate ----


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.int16, np.int64, np.uint64, np.float32, np.float64])
def test_whole_numbers_of_any_type_become_uint32(dtype):
    found = labels.validate(np.array([[0, 1]], dtype=dtype))
    assert found.dtype == np.uint32
    assert found.tolist() == [[0, 1]]
    assert labels.validate(np.zeros((0, 3), dtype=dtype)).shape == (0, 3)


def test_uint32_is_passed_through():
    given_labels = image("01")
    assert labels.validate(given_labels) is given_labels


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (np.array([0.5]), "fractions or NaN"),
        (np.array([np.nan]), "fractions or NaN"),
        (np.array([np.inf], dtype=np.float32), "fractions or NaN"),
        (np.array([-1]), "ids from -1 to -1"),
        (np.array([0, 2**32]), "ids from 0 to 4294967296"),
        (np.array([2**32], dtype=np.float32), "ids from"),
        (np.array([2**64 - 1], dtype=np.uint64), "ids from"),
        (np.array(["a"]), "expected whole numbers"),
        (np.array([1j]), "expected whole numbers"),
    ],
)
def test_what_is_no_label_is_refused(values, why):
    with pytest.raises(InputError, match=why):
        labels.validate(values)


def test_the_largest_id_fits():
    assert labels.validate(np.array([TOP], dtype=np.int64)).tolist() == [TOP]


# ---- overlaps and areas ----


def test_overlaps_by_hand():
    found = labels.overlaps(image("1102", "1100"), image("1330", "0310"))
    assert found.dtypes.astype(str).to_dict() == {"a": "uint32", "b": "uint32", "pixels": "int64"}
    assert found.to_numpy().tolist() == [[1, 1, 1], [1, 3, 2]]


@pytest.mark.parametrize("shape", [(0, 0), (3, 0), (2, 2)])
def test_no_overlap_is_an_empty_table(shape):
    found = labels.overlaps(np.zeros(shape, np.uint32), np.ones(shape, np.uint32))
    assert found.dtypes.astype(str).to_dict() == {"a": "uint32", "b": "uint32", "pixels": "int64"}
    assert len(found) == 0


def test_overlaps_want_one_shape():
    with pytest.raises(InputError, match=r"found shapes \(1, 2\) and \(2, 1\)"):
        labels.overlaps(image("12"), image("1", "2"))


@given(SMALL, st.data(), st.sampled_from([1, 1000, 2**30 - 1]))
def test_overlaps_are_what_counting_gives(a, data, spread):
    b = data.draw(hnp.arrays(np.uint32, a.shape, elements=st.integers(0, 4)))
    a, b = a * np.uint32(spread), b * np.uint32(spread)
    expected = {}
    for pair in zip(a.ravel().tolist(), b.ravel().tolist(), strict=True):
        if all(pair):
            expected[pair] = expected.get(pair, 0) + 1
    found = labels.overlaps(a, b)
    assert [tuple(row) for row in found.to_numpy().tolist()] == [(*pair, expected[pair]) for pair in sorted(expected)]


@given(st.integers(0, 6), st.integers(0, 6), st.data())
def test_what_is_pooled_is_counted_at_once(height, width, data):
    *several, b = (data.draw(hnp.arrays(np.uint32, (height, width), elements=st.integers(0, 4))) for _ in range(4))
    several = [a + np.uint32(10 * number) * (a > 0) for number, a in enumerate(several)]  # no id in two of them
    pooled = labels.pool_runs([labels.as_runs(a) for a in several], (height, width))
    found = labels.count_overlaps(pooled, labels.as_runs(b))
    apart = [labels.overlaps(a, b).to_numpy() for a in several]
    assert np.stack(found, axis=1).tolist() == np.concatenate(apart).tolist()


def test_overlaps_at_the_ends_of_the_range():
    a, b = np.array([1, TOP, TOP], np.uint32), np.array([TOP, 1, TOP], np.uint32)
    assert labels.overlaps(a, b).to_numpy().tolist() == [[1, TOP, 1], [TOP, 1, 1], [TOP, TOP, 1]]


def test_areas():
    found = labels.areas(image("1103", "0003"))
    assert found.to_dict() == {1: 2, 3: 2}
    assert (found.name, found.index.name, str(found.dtype)) == ("pixels", "label", "int64")
    assert labels.areas(np.zeros((0, 2), np.uint32)).empty


# ---- renaming ----


def test_relabel_by_hand():
    found = labels.relabel(image("0123"), np.array([0, 5, 0, 5], np.uint32))
    assert found.tolist() == [[0, 5, 0, 5]]
    assert labels.relabel(np.zeros((0, 2), np.uint32), np.zeros(1, np.uint32)).shape == (0, 2)


@pytest.mark.parametrize(
    ("lut", "why"),
    [([], "must map 0 to 0"), ([1, 2], "must map 0 to 0"), ([0, 1, 2], "found label 3, but .* ends at 2")],
)
def test_tables_that_do_not_fit(lut, why):
    with pytest.raises(InputError, match=why):
        labels.relabel(image("0123"), np.array(lut, np.uint32))


@given(SMALL, st.permutations([1, 2, 3, 4]))
def test_renaming_keeps_the_segmentation(a, names):
    assert labels.are_equivalent(a, labels.relabel(a, np.array([0, *names], np.uint32)))
    assert labels.are_equivalent(a, a * np.uint32(7))


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (image("0112"), image("0553"), True),
        (image("0112"), image("0111"), False),  # a merge
        (image("0111"), image("0112"), False),  # a split
        (image("0112"), image("1002"), False),  # background for an object
        (image("0112"), image("0012"), False),
        (image("0112"), image("01", "12"), False),
        (image("00"), image("00"), True),
        (np.zeros((0, 2)), np.zeros((0, 2)), True),
        (image("011"), np.array([[0, 9, 9]], dtype=np.int64), True),
    ],
)
def test_equivalence(a, b, same):
    assert labels.are_equivalent(a, b) is same
    assert labels.are_equivalent(b, a) is same


# ---- dust ----


def test_dust_takes_small_labels_from_a_copy():
    given_labels = image("1102", "0033")
    found = labels.dust(given_labels, minimum_pixels=2)
    assert found.tolist() == [[1, 1, 0, 0], [0, 0, 3, 3]]
    assert found.dtype == np.uint32
    assert given_labels[0, 3] == 2
    same = labels.dust(given_labels, minimum_pixels=0)
    assert (same == given_labels).all()
    assert same is not given_labels


@given(SMALL, st.integers(0, 8))
def test_dust_leaves_what_is_large_enough(a, minimum):
    left = labels.areas(labels.dust(a, minimum_pixels=minimum))
    whole = labels.areas(a)
    assert left.to_dict() == whole[whole >= minimum].to_dict()
