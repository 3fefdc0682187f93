"""Intervals over objects: they hold what they promise, narrow with the objects, and never pretend certainty."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from famous.compare.metrics import scores
from famous.compare.uncertainty import SCORES, BootstrapParams, Found, difference, intervals
from famous.errors import InputError

QUICK = BootstrapParams(rounds=400)


def found(hits, *, of=None, iou=0.8, invented=0):
    """`hits` of so many objects found."""
    total = hits if of is None else of
    ids = np.arange(1, total + 1, dtype=np.uint64)
    return Found(ids, np.where(np.arange(total) < hits, iou, 0.0), invented)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.integers(0, 2**32 - 1))
def test_values_are_those_of_the_detection_table_and_lie_in_their_intervals(tp, fp, fn, seed):
    iou = np.random.default_rng(seed).uniform(0.5, 1, tp)
    one = Found(np.arange(tp + fn, dtype=np.uint64), np.append(iou, np.zeros(fn)), fp)
    plain = scores(tp, fp, fn, iou)
    for name, interval in intervals(one, QUICK).items():
        assert interval.value == pytest.approx(getattr(plain, name), nan_ok=True)
        if math.isfinite(interval.low):
            assert -1e-12 <= interval.low <= interval.value <= interval.high <= 1 + 1e-12


def test_five_of_five_is_less_certain_than_five_hundred_of_five_hundred():
    few, many = (intervals(found(n))["f1"] for n in (5, 500))
    assert few.value == many.value == few.high == 1
    assert few.low < 0.8
    assert many.low > 0.99


@pytest.mark.parametrize(("n", "share"), [(20, 0.9), (60, 0.7)])
def test_an_interval_of_95_percent_holds_the_truth_about_95_times_in_a_hundred(n, share):
    rng = np.random.default_rng(4)
    held = 0
    for seed in range(200):
        one = Found(np.arange(n, dtype=np.uint64), np.where(rng.random(n) < share, 0.8, 0), 0)
        interval = intervals(one, BootstrapParams(rounds=300, seed=seed))["recall"]
        held += interval.low <= share <= interval.high
    assert 0.90 <= held / 200 <= 0.99


def test_slices_of_one_body_are_one_witness():
    """Forty boxes of four bodies, three of them found throughout, say what four objects say."""
    four, forty = found(3, of=4, invented=1), found(30, of=40, invented=10)
    bodies = np.repeat(np.arange(4), 10), np.full(10, 7)
    told = Found(forty.truth_ids, forty.iou, forty.invented, bodies)
    for name, interval in intervals(told, QUICK).items():
        expected = intervals(four, QUICK)[name]
        assert (interval.value, interval.low, interval.high) == pytest.approx(
            (expected.value, expected.low, expected.high)
        ), name
        assert interval.n == expected.n
    worse = Found(told.truth_ids, np.zeros(40), 10, bodies)
    apart, alone = difference(told, worse, QUICK), difference(four, found(0, of=4, invented=1), QUICK)
    assert (apart.f1.low, apart.f1.high) == pytest.approx((alone.f1.low, alone.f1.high))
    assert apart.objects == alone.objects == 4


def test_the_same_seed_gives_the_same_interval():
    one = found(30, of=40, invented=3)
    assert intervals(one, QUICK) == intervals(one, QUICK)
    assert intervals(one, QUICK) != intervals(one, BootstrapParams(rounds=400, seed=1))


def test_the_rounds_are_drawn_in_parts_without_a_difference(monkeypatch):
    one = found(30, of=40, invented=3)
    whole = intervals(one, BootstrapParams(rounds=400, doubt=0))
    monkeypatch.setattr("famous.compare.uncertainty.CHUNK", 1000)
    assert intervals(one, BootstrapParams(rounds=400, doubt=0)) == whole


def test_no_object_has_no_score():
    none = Found(np.zeros(0, dtype=np.uint64), np.zeros(0), 0)
    for interval in intervals(none, QUICK).values():
        assert interval.n == 0
        assert math.isnan(interval.value)
        assert math.isnan(interval.low)


def test_a_matching_becomes_one_entry_an_object():
    ids = np.array([3, 8, 9], dtype=np.uint64)
    one = Found.of(ids, (np.array([9, 3], dtype=np.uint64), np.array([0.6, 0.9])), 2)
    assert one.iou.tolist() == [0.9, 0, 0.6]
    assert one.is_found.tolist() == [True, False, True]
    assert one.invented == 2


def test_the_same_labels_differ_by_nothing():
    one = found(50, of=60, invented=4)
    gap = difference(one, one)
    assert gap.f1.value == gap.outlines.value == 0
    assert gap.outlines.low == gap.outlines.high == 0
    assert gap.f1.low < 0 < gap.f1.high


def test_the_difference_turns_round_with_the_sides():
    one, other = found(50, of=60, invented=4), found(40, of=60, iou=0.7)
    there, back = difference(one, other), difference(other, one)
    assert there.f1.value == pytest.approx(-back.f1.value)
    assert there.outlines.value == pytest.approx(0.1)
    assert back.outlines.value == pytest.approx(-0.1)
    assert there.score.value == pytest.approx(back.other.value)


def test_pairing_makes_the_difference_more_certain():
    """Both miss the same hard objects: the difference is better known than either score."""
    hard = found(70, of=100)
    same, other = difference(hard, hard), None
    shuffled = Found(hard.truth_ids, hard.iou[::-1].copy(), 0)
    other = difference(hard, shuffled)
    assert same.f1.high - same.f1.low < 0.5 * (other.f1.high - other.f1.low)


def test_two_truths_cannot_be_paired():
    with pytest.raises(InputError, match="the same"):
        difference(found(5), found(6))


@pytest.mark.parametrize("wrong", [{"level": 1.0}, {"level": 0}, {"rounds": 10}, {"doubt": -1}])
def test_a_bootstrap_that_says_nothing_is_refused(wrong):
    with pytest.raises(InputError, match="bootstrap"):
        BootstrapParams(**wrong)


def test_scores_of_sums_are_undefined_where_there_is_nothing_to_divide_by():
    for score in SCORES.values():
        assert math.isnan(score(np.zeros(4)))
