"""Component recall in 3D and 2D and slice scores, against scipy's labelling and closed forms."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from famous.compare.components import (
    NO_COMPONENT,
    ComponentParams,
    OverSlices,
    SliceScore,
    classify,
    object_recalls,
    over_slices,
    piece_recalls,
    pieces,
    score_slice,
)
from famous.compare.overlaps import count_slice, count_slices, read_lines
from famous.errors import InputError
from tests.compare_phantoms import CASES, bricks, merge, pred_empty, shifted, split

SLICES = hnp.arrays(np.uint32, st.tuples(st.integers(1, 7), st.integers(1, 8)), elements=st.sampled_from([0, 0, 1, 2]))
CORNERS = np.ones((3, 3), dtype=int)


def painted(lines):
    """Paint the piece of each run, from 1."""
    number, piece = pieces(lines)
    image = np.zeros(lines.shape, dtype=np.int64)
    for y, x0, x1, p in zip(lines.y, lines.x0, lines.x1, piece, strict=True):
        image[y, x0:x1] = p + 1
    return number, image


def piece_by_piece(image):
    """Every connected piece of every label, as scipy finds them."""
    for number in np.unique(image[image > 0]):
        found, n = ndimage.label(image == number, structure=CORNERS)
        yield from (found == k for k in range(1, n + 1))


@given(SLICES)
def test_pieces_are_those_that_scipy_finds(image):
    number, ours = painted(read_lines(image))
    theirs = list(piece_by_piece(image))
    assert number == len(theirs)
    assert ((ours > 0) == (image > 0)).all()
    for mask in theirs:
        assert len(np.unique(ours[mask])) == 1


@given(SLICES, st.integers(0, 2**20))
def test_recalls_in_2d_are_those_of_each_piece(image, seed):
    pred = np.random.default_rng(seed).integers(0, 2, image.shape).astype(np.uint32)
    found = piece_recalls(read_lines(pred), read_lines(image))
    expected = [(pred[mask] > 0).mean() for mask in piece_by_piece(image)]
    assert sorted(found) == pytest.approx(sorted(expected))


def test_pieces_meet_at_corners_but_not_round_the_edge_of_the_slice():
    image = np.zeros((3, 5), dtype=np.uint32)
    image[0, 4], image[1, 0], image[1, 3], image[2, 2] = 1, 1, 1, 1
    assert painted(read_lines(image))[1].tolist() == [[0, 0, 0, 0, 1], [2, 0, 0, 1, 0], [0, 0, 1, 0, 0]]


def test_recall_in_3d_is_the_share_that_anything_covers():
    assert object_recalls(count_slices(split().pred, split().truth)).tolist() == [1.0]  # by two objects together
    assert object_recalls(count_slices(merge().pred, merge().truth)).tolist() == [1.0, 1.0]
    assert object_recalls(count_slices(shifted().pred, shifted().truth)).tolist() == [0.8]
    assert object_recalls(count_slices(pred_empty().pred, pred_empty().truth)).tolist() == [0.0, 0.0]
    assert object_recalls(count_slices(bricks((1, 2, 3)), bricks())).tolist() == []


@pytest.mark.parametrize(
    ("recall", "expected"),
    [(1.0, (1, 0, 0)), (0.81, (1, 0, 0)), (0.8, (0, 1, 0)), (0.1, (0, 1, 0)), (0.099, (0, 0, 1)), (0.0, (0, 0, 1))],
)
def test_limits_of_detected_and_missed(recall, expected):
    found = classify(np.array([recall]))
    assert (found.detected, found.under_detected, found.missed, found.note) == (*expected, "")


def test_no_component_has_a_note():
    found = classify(np.zeros(0))
    assert (found.detected, found.under_detected, found.missed, found.note) == (0, 0, 0, NO_COMPONENT)


@given(st.lists(st.floats(0, 1)))
def test_every_component_is_one_of_three(recalls):
    found = classify(np.array(recalls), ComponentParams(detected=0.5, missed=0.2))
    assert found.detected + found.under_detected + found.missed == len(recalls)


def test_limits_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="0 ≤ missed ≤ detected ≤ 1"):
        ComponentParams(detected=0.1, missed=0.2)


# ---- slices ----


def test_a_slice_by_hand():
    pred, truth = np.array([[1, 1, 0, 2]]), np.array([[0, 5, 5, 5]])
    found = score_slice(7, count_slice(pred, truth, z=7))
    assert found == SliceScore(7, 2, 1, 1, 4 / 6, 2 / 4)


@pytest.mark.parametrize("case", CASES)
def test_slices_add_up_to_the_volume(case):
    pred, truth = case().pred, case().truth
    found = [score_slice(z, count_slice(p, t, z=z)) for z, (p, t) in enumerate(zip(pred, truth, strict=True))]
    assert sum(s.tp for s in found) == ((pred > 0) & (truth > 0)).sum()
    assert sum(s.fp for s in found) == ((pred > 0) & (truth == 0)).sum()
    assert sum(s.fn for s in found) == ((pred == 0) & (truth > 0)).sum()
    for score, p, t in zip(found, pred, truth, strict=True):
        assert math.isnan(score.f1) == math.isnan(score.iou) == (not p.any() and not t.any())


def test_mean_and_deviation_over_the_slices_where_a_score_is_defined():
    assert over_slices(np.array([math.nan, 1.0, 0.0])) == OverSlices(2, 0.5, math.sqrt(0.5))  # of a sample
    one = over_slices(np.array([math.nan, 1.0]))
    assert (one.n, one.mean) == (1, 1.0)
    assert math.isnan(one.sd)
    none = over_slices(np.array([math.nan]))
    assert none.n == 0
    assert math.isnan(none.mean)
    assert math.isnan(none.sd)
