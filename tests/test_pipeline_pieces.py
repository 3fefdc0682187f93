"""Pieces of ids, against scipy's in the whole volume."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from famous.labels import are_equivalent
from famous.pipeline.pieces import label_parts, split_pieces
from famous.pipeline.stage import Session


def whole(volume):
    return np.stack([volume[z] for z in range(volume.shape[0])])


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), st.tuples(*[st.integers(1, 7)] * 3), st.integers(1, 3), st.floats(0.05, 0.95))
def test_pieces_are_those_of_the_whole_volume(seed, shape, ids, share):
    rng = np.random.default_rng(seed)
    labels = (rng.integers(1, ids + 1, shape) * (rng.random(shape) < share)).astype(np.uint64)
    pieces, origins = split_pieces(labels, Session())
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


def test_a_fork_that_joins_late_is_one_piece():
    labels = np.zeros((4, 3, 9), np.uint32)
    labels[:3, 1, [1, 7]] = 5
    labels[3, 1, 1:8] = 5
    pieces, origins = split_pieces(labels, Session())
    assert origins.tolist() == [0, 5]
    assert np.array_equal(whole(pieces), labels > 0)


def test_the_volume_can_be_handed_to_another_process():
    labels = np.eye(4, dtype=np.uint64)[None].repeat(2, axis=0) * np.uint64(2**63)
    pieces, origins = split_pieces(labels, Session())
    again = pickle.loads(pickle.dumps(pieces))
    assert np.array_equal(whole(again), whole(pieces))
    assert (pieces.shape, pieces.dtype) == ((2, 4, 4), np.uint32)
    assert origins.tolist() == [0, 2**63]


@pytest.mark.parametrize("value", [0, 7])
def test_a_slice_of_one_value(value):
    parts = label_parts(np.full((3, 4), value, np.uint64))
    assert np.unique(parts).tolist() == [min(value, 1)]


def test_nothing_has_no_pieces():
    pieces, origins = split_pieces(np.zeros((2, 3, 4), np.uint32), Session())
    assert origins.tolist() == [0]
    assert not whole(pieces).any()
