"""Pieces of lazy volumes, of ids and of masks, against scipy's in the whole volume."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from famous.labels import are_equivalent
from famous.pieces import find_pieces, label_parts


def whole(volume):
    return np.stack([volume[z] for z in range(volume.shape[0])])


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), st.tuples(*[st.integers(1, 7)] * 3), st.integers(1, 3), st.floats(0.05, 0.95))
@pytest.mark.parametrize("kind", [np.uint32, np.uint64])
def test_pieces_are_those_of_the_whole_volume(kind, seed, shape, ids, share):
    rng = np.random.default_rng(seed)
    labels = (rng.integers(1, ids + 1, shape) * (rng.random(shape) < share)).astype(kind)
    pieces, origins = find_pieces(labels)
    found = whole(pieces)
    expected = np.zeros(shape, np.int64)
    for number in range(1, ids + 1):
        own, _ = ndimage.label(labels == number, np.ones((3, 3, 3)))
        expected[own > 0] = own[own > 0] + expected.max()
    assert are_equivalent(found, expected)
    assert np.array_equal(origins[found], labels)
    assert len(origins) == expected.max() + 1
    firsts = [int(np.flatnonzero((found == number).any(axis=(1, 2)))[0]) for number in range(1, len(origins))]
    assert firsts == sorted(firsts)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.tuples(*[st.integers(1, 7)] * 3), st.floats(0.05, 0.95))
def test_a_mask_has_the_pieces_of_its_ids(seed, shape, share):
    mask = np.random.default_rng(seed).random(shape) < share
    pieces, origins = find_pieces(mask)
    of_ids, _ = find_pieces(mask.astype(np.uint64) * np.uint64(2**40))
    assert np.array_equal(whole(pieces), whole(of_ids))
    assert origins.tolist() == [0] + [1] * int(whole(pieces).max())


@pytest.mark.parametrize(
    "places", [[(0, 0), (1, 1)], [(1, 1), (0, 0)], [(0, 1), (1, 0)], [(1, 0), (0, 1)], [(0, 0), (0, 1)]]
)
def test_a_step_aslant_joins(places):
    labels = np.zeros((2, 2, 2), bool)
    for z, (y, x) in enumerate(places):
        labels[z, y, x] = True
    assert whole(find_pieces(labels)[0]).max() == 1


def test_nothing_wraps_round_the_edge_of_a_slice():
    labels = np.zeros((2, 3, 4), bool)
    labels[0, 0, 3] = labels[1, 1, 0] = labels[1, 2, 0] = True
    assert whole(find_pieces(labels)[0]).max() == 2


def test_a_fork_that_joins_late_is_one_piece():
    labels = np.zeros((4, 3, 9), np.uint32)
    labels[:3, 1, [1, 7]] = 5
    labels[3, 1, 1:8] = 5
    pieces, origins = find_pieces(labels)
    assert origins.tolist() == [0, 5]
    assert np.array_equal(whole(pieces), labels > 0)


def test_ids_of_64_bits_can_be_handed_to_another_process():
    labels = np.eye(4, dtype=np.uint64)[None].repeat(2, axis=0) * np.uint64(2**63)
    pieces, origins = find_pieces(labels)
    again = pickle.loads(pickle.dumps(pieces))
    assert np.array_equal(whole(again), whole(pieces))
    assert (pieces.shape, pieces.dtype) == ((2, 4, 4), np.uint32)
    assert origins.tolist() == [0, 2**63]


@pytest.mark.parametrize("value", [0, 7])
def test_a_slice_of_one_value(value):
    parts = label_parts(np.full((3, 4), value, np.uint64))
    assert np.unique(parts).tolist() == [min(value, 1)]


def test_nothing_has_no_pieces():
    pieces, origins = find_pieces(np.zeros((2, 3, 4), np.uint32))
    assert origins.tolist() == [0]
    assert not whole(pieces).any()


def test_each_slice_is_told():
    told = []
    find_pieces(np.zeros((5, 2, 2), np.uint32), told.append)
    assert told == [1] * 5


def test_pieces_may_be_sent():
    pieces, _ = find_pieces(np.eye(4, dtype=bool)[None].repeat(2, axis=0))
    assert np.array_equal(whole(pickle.loads(pickle.dumps(pieces))), whole(pieces))
    assert pieces.dtype == np.uint32


def test_parts_of_a_slice():
    image = np.array([[1, 0, 2], [0, 1, 2], [3, 0, 0]])
    assert are_equivalent(label_parts(image), image)
    assert are_equivalent(label_parts(image > 0), (image > 0).astype(int))
