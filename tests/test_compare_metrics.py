"""Scores: the formulas, the known row of the paper, what is undefined, and against another implementation."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from famous.compare import metrics
from famous.compare.matching import match
from famous.compare.metrics import MEAN_THRESHOLDS, PAPER, average_precision, detect, f1_of, jaccard_of, scores
from famous.compare.overlaps import count_slices
from famous.errors import InputError
from tests.compare_phantoms import CASES, bricks, identical, merge, pred_empty, shattered, split, truth_empty

COUNT = st.integers(0, 10_000)


# ---- formulas ----


@given(COUNT, COUNT, COUNT)
def test_f1_and_jaccard_follow_from_precision_and_recall(tp, fp, fn):
    found = scores(tp, fp, fn)
    if tp + fp and tp + fn:
        assert f1_of(found.precision, found.recall) == pytest.approx(found.f1, rel=1e-12)
        assert jaccard_of(found.precision, found.recall) == pytest.approx(found.jaccard, rel=1e-12)
        assert found.jaccard == pytest.approx(found.f1 / (2 - found.f1), rel=1e-12)
    else:
        assert math.isnan(f1_of(found.precision, found.recall))
        assert math.isnan(jaccard_of(found.precision, found.recall))


@given(COUNT, COUNT, COUNT)
def test_swapping_the_sides_swaps_precision_and_recall(tp, fp, fn):
    forth, back = scores(tp, fp, fn), scores(tp, fn, fp)
    np.testing.assert_equal([forth.precision, forth.recall], [back.recall, back.precision])
    np.testing.assert_equal([forth.f1, forth.jaccard], [back.f1, back.jaccard])


@pytest.mark.parametrize(("tp", "fp", "fn"), [(3, 1, 1), (3, 0, 2), (3, 2, 0), (6, 1, 3), (9, 6, 0)])
def test_a_jaccard_of_sixty_per_cent(tp, fp, fn):
    """Table 5 of the paper, multivesicular bodies: 60.00 % follows from its P and R, the 70.00 % in print does not.

    The row's P and R are not at hand; these are the smallest counts that give 60.00 %, and no 70.00 %.
    """
    found = scores(tp, fp, fn)
    assert round(100 * found.jaccard, 2) == 60.0
    assert round(100 * jaccard_of(found.precision, found.recall), 2) == 60.0
    assert round(100 * found.f1, 2) == 75.0


def test_a_worked_example():
    found = scores(8, 2, 4, [0.75] * 8)
    assert (found.precision, found.recall) == (0.8, 8 / 12)
    assert found.f1 == found.rq == 16 / 22
    assert found.jaccard == 8 / 14
    assert (found.pq, found.sq, found.mean_iou) == (6 / 11, 0.75, 0.5)
    assert found.pq == pytest.approx(found.sq * found.rq)
    assert found.note == ""


def test_where_one_of_precision_and_recall_is_nothing_so_is_what_follows():
    assert f1_of(0.0, 0.0) == jaccard_of(0.0, 0.0) == 0.0
    assert f1_of(0.0, 0.5) == jaccard_of(0.0, 0.5) == f1_of(0.5, 0.0) == jaccard_of(0.5, 0.0) == 0.0
    assert f1_of(1.0, 1.0) == jaccard_of(1.0, 1.0) == 1.0


# ---- what is undefined ----


def nans(found):
    return {name for name in metrics.NUMBERS if math.isnan(getattr(found, name))}


def test_what_is_undefined_is_nan_with_the_reason():
    nothing = scores(0, 0, 0, [])
    assert nans(nothing) == set(metrics.NUMBERS) - {"tp", "fp", "fn"}
    assert nothing.note == metrics.NO_OBJECT
    no_pred = scores(0, 0, 2, [])
    assert nans(no_pred) == {"precision", "sq"}
    assert (no_pred.recall, no_pred.f1, no_pred.jaccard, no_pred.pq, no_pred.mean_iou) == (0, 0, 0, 0, 0)
    assert no_pred.note == f"{metrics.NO_PRED}; {metrics.NO_PAIR}"
    no_truth = scores(0, 3, 0, [])
    assert nans(no_truth) == {"recall", "sq", "mean_iou"}
    assert no_truth.note == f"{metrics.NO_TRUTH}; {metrics.NO_PAIR}"
    no_pair = scores(0, 1, 1, [])
    assert nans(no_pair) == {"sq"}
    assert no_pair.note == metrics.NO_PAIR


@given(COUNT, COUNT, COUNT)
def test_there_is_a_note_exactly_where_a_number_is_undefined(tp, fp, fn):
    found = scores(tp, fp, fn, np.full(tp, 0.5))
    assert bool(nans(found)) == bool(found.note)


def test_counts_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="none below 0"):
        scores(1, -1, 0)
    with pytest.raises(InputError, match="2 intersections over unions for 1 pairs"):
        scores(1, 0, 0, [0.5, 0.6])


# ---- average precision ----


def area_by_hand(confidence, found, n_truth):
    """Sum over the objects found of truth: the best precision at that recall or above, straight from the definition."""
    levels = sorted(set(confidence.tolist()), reverse=True)
    curve = []
    for level in levels:
        chosen = confidence >= level
        curve.append((found[chosen].sum(), found[chosen].sum() / chosen.sum()))
    return sum(max([p for tp, p in curve if tp >= k], default=0.0) for k in range(1, n_truth + 1)) / n_truth


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.5, 0.9]), st.booleans()), max_size=12), st.integers(0, 5))
def test_the_average_precision_is_the_area_of_its_definition(objects, missed):
    confidence = np.array([c for c, _ in objects])
    found = np.array([f for _, f in objects], dtype=bool)
    n_truth = int(found.sum()) + missed
    if n_truth:
        assert average_precision(confidence, found, n_truth) == pytest.approx(area_by_hand(confidence, found, n_truth))
    else:
        assert math.isnan(average_precision(confidence, found, n_truth))


def test_a_perfect_ranking_has_an_average_precision_of_one():
    confidence = np.array([0.9, 0.8, 0.1])
    assert average_precision(confidence, np.array([True, True, False]), 2) == 1.0
    assert average_precision(confidence, np.array([False, True, True]), 2) == pytest.approx(2 / 3)
    assert average_precision(confidence, np.array([True, True, False]), 4) == 0.5
    with pytest.raises(InputError, match="score that is not a number"):
        average_precision(np.array([np.nan]), np.array([True]), 1)


# ---- the table ----


@pytest.mark.parametrize("case", CASES)
def test_each_case_has_its_row(case):
    given_case = case()
    table = detect(count_slices(given_case.pred, given_case.truth))
    row = table[table["threshold"] == 0.5].iloc[0]
    assert (row["tp"], row["fp"], row["fn"]) == (given_case.tp, given_case.fp, given_case.fn)
    assert (row["splits"], row["merges"]) == (len(given_case.splits), len(given_case.merges))
    assert table["threshold"].tolist()[:-1] == [0.25, *MEAN_THRESHOLDS]
    assert math.isnan(table["threshold"].iloc[-1])
    assert (table["note"] != "").all()  # at least that there is no average precision


def test_the_last_row_is_the_mean():
    overlaps = count_slices(bricks((1, 12, 22), (4, 30, 40)), bricks((1, 10, 20), (2, 30, 40)))
    table = detect(overlaps, confidence=np.array([0.5, 0.7]))
    mean = table.iloc[-1]
    assert mean["tp"] == (2 * 4 + 1 * 6) / 10  # 8 / 12 reaches 0.5, 0.55, 0.6, 0.65
    assert mean["precision"] == pytest.approx(0.7)
    assert mean["ap"] == pytest.approx((4 * 1 + 6 * 0.5) / 10)
    assert mean["note"] == ""
    assert table["note"].tolist() == [""] * 12
    assert len(detect(overlaps, thresholds=(0.5,))) == 1


def test_a_mean_over_thresholds_without_a_pair():
    table = detect(count_slices(bricks((1, 12, 22)), bricks((1, 10, 20))), confidence=np.array([1.0]))
    assert math.isnan(table.iloc[-1]["sq"])
    assert table.iloc[-1]["pq"] == pytest.approx(0.4 * 8 / 12)
    assert table.iloc[-1]["note"] == metrics.NO_PAIR_SOMEWHERE


def test_empty_sides():
    for case, note in [(pred_empty, metrics.NO_PRED), (truth_empty, metrics.NO_TRUTH)]:
        overlaps = count_slices(case().pred, case().truth)
        table = detect(overlaps, confidence=np.ones(len(overlaps.pred)))
        assert table["note"].str.startswith(note).all()
    assert table["note"].str.endswith(metrics.NO_TRUTH_AP).all()
    assert table["ap"].isna().all()


def test_the_papers_matching():
    for case in (split, shattered, merge, identical):
        given_case = case()
        overlaps = count_slices(given_case.pred, given_case.truth)
        row = detect(overlaps, matching=PAPER, thresholds=(0.5,)).iloc[0]
        assert (row["tp"], row["fp"], row["fn"]) == (given_case.paper or (given_case.tp, given_case.fp, given_case.fn))
        assert row["matching"] == "paper"


def test_a_wrong_call():
    overlaps = count_slices(bricks((1, 2, 3)), bricks())
    with pytest.raises(InputError, match="'greedy', expected one of one to one, paper"):
        detect(overlaps, matching="greedy")
    with pytest.raises(InputError, match="found 2 for 1 objects"):
        detect(overlaps, confidence=np.ones(2))


# ---- another implementation ----


def blobs(seed, n, shape=(12, 24, 24)):
    """Random balls that hide each other."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.arange(s) for s in shape), indexing="ij"), axis=-1)
    volume = np.zeros(shape, dtype=np.uint32)
    for number in range(1, n + 1):
        centre, radius = rng.uniform(0, shape), rng.uniform(3, 6)
        volume[((grid - centre) ** 2).sum(axis=-1) <= radius**2] = number
    return volume


def moved(volume, seed):
    """The same, each object moved by a voxel or two, some gone, one new."""
    rng = np.random.default_rng(seed)
    other = np.zeros_like(volume)
    for number in np.unique(volume)[1:]:
        if rng.random() < 0.15:
            continue
        step = np.roll([int(rng.integers(-1, 3)), 0, 0], rng.integers(0, 3))
        other[np.roll(volume == number, step, axis=(0, 1, 2))] = number + 100
    other[0, :3, :3] = 999
    return other


@pytest.mark.parametrize("seed", range(4))
def test_torchmetrics_finds_the_same(seed):
    """torchmetrics' `PanopticQuality` (Detlefsen et al. 2022) is the public matcher of instances to agree with.

    It matches above an intersection over union of 0.5, where there is only one matching; exactly 0.5 is no pair to it.
    Its background is a class of its own, which is left aside.
    """
    detection = pytest.importorskip("torchmetrics.detection", reason="needs torchmetrics: pip install torchmetrics")
    import torch

    truth = blobs(seed, 14)
    pred = moved(truth, seed + 100)
    found = metrics.scores_of(match(count_slices(pred, truth), float(np.nextafter(0.5, 1))))
    theirs = detection.PanopticQuality(things={1}, stuffs={0}, return_sq_and_rq=True, return_per_class=True)
    sides = [torch.from_numpy(np.stack([v > 0, v], axis=-1).reshape(1, -1, 2).astype(np.int64)) for v in (pred, truth)]
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # it divides in that
    try:
        pq, sq, rq = theirs(*sides)[0].tolist()
    finally:
        torch.set_default_dtype(usual)
    counts = (theirs.true_positives, theirs.false_positives, theirs.false_negatives)
    assert tuple(int(count[0]) for count in counts) == (found.tp, found.fp, found.fn)
    assert found.tp > 3
    assert found.fp > 0
    assert found.fn > 0
    assert (pq, sq, rq) == pytest.approx((found.pq, found.sq, found.rq), abs=1e-9)


@given(hnp.arrays(np.uint32, (2, 3, 6), elements=st.integers(0, 5)))
def test_a_volume_agrees_with_itself(volume):
    table = detect(count_slices(volume, volume))
    numbers = table.loc[:, ["precision", "recall", "f1", "jaccard", "pq", "sq", "rq", "mean_iou"]]
    if volume.any():
        pd.testing.assert_frame_equal(numbers, numbers * 0 + 1)
    else:
        assert numbers.isna().all(axis=None)
