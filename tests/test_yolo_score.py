"""Figures of boxes against closed forms, and against the computation that ultralytics does itself."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from famous.boxes import empty, from_columns
from famous.errors import InputError
from famous.yolo.quiet import import_ultralytics
from famous.yolo.score import RECALL_POINTS, THRESHOLDS, average_precision, match, score_boxes


def table(rows: list[tuple], class_name: str = "a"):
    """Make boxes of (z, y0, x0, y1, x1, score)."""
    if not rows:
        return empty()
    columns = dict(zip(("z", "y0", "x0", "y1", "x1", "score"), zip(*rows, strict=True), strict=True))
    return from_columns({**columns, "class_name": [class_name] * len(rows)})


def row_of(n: int, score: float = 1.0) -> list[tuple]:
    """n boxes of 10 px side by side."""
    return [(0, 0, 20 * i, 10, 20 * i + 10, score) for i in range(n)]


def test_perfect_boxes_score_one():
    scores = score_boxes(table(row_of(5)), table(row_of(5, 0.9)))
    for name in ("a", "all"):
        one = scores[name]
        assert (one.n_true, one.n_pred) == (5, 5)
        for figure in ("precision", "recall", "precision75", "recall75", "map50", "map75", "map50_95"):
            assert getattr(one, figure) == pytest.approx(1.0)


def test_half_found_without_a_false_one():
    scores = score_boxes(table(row_of(4)), table(row_of(2, 0.9)))["a"]
    assert scores.precision == 1.0
    assert scores.recall == 0.5
    assert scores.map50 == pytest.approx(51 / 101)  # recalls 0 … 0.50 of 101 are reached


def test_a_false_box_below_all_true_ones_costs_nothing_but_precision():
    pred = table([*row_of(4, 0.9), (0, 50, 0, 60, 10, 0.5)])
    scores = score_boxes(table(row_of(4)), pred)["a"]
    assert scores.precision == pytest.approx(0.8)
    assert scores.map50 == pytest.approx(1.0)


def test_a_false_box_above_all_true_ones_lowers_the_whole_curve():
    pred = table([*row_of(4, 0.5), (0, 50, 0, 60, 10, 0.9)])
    assert score_boxes(table(row_of(4)), pred)["a"].map50 == pytest.approx(0.8)


def test_the_score_threshold_steers_precision_and_recall_but_not_the_curve():
    pred = table([*row_of(2, 0.9), *[(0, 0, 40, 10, 50, 0.2)]])
    low, high = (score_boxes(table(row_of(4)), pred, score=score)["a"] for score in (0.1, 0.5))
    assert (low.n_pred, high.n_pred) == (3, 2)
    assert (low.recall, high.recall) == (0.75, 0.5)
    assert low.map50 == high.map50


def test_an_overlap_of_two_thirds_counts_up_to_that_threshold():
    """A box shifted by a fifth of its side: IoU is 8 / 12."""
    scores = score_boxes(table([(0, 0, 0, 10, 10, 1)]), table([(0, 0, 2, 10, 12, 0.9)]))["a"]
    passed = sum(threshold <= 8 / 12 for threshold in THRESHOLDS)
    assert passed == 4
    assert scores.map50 == 1.0
    assert scores.map75 == 0.0
    assert (scores.recall, scores.recall75) == (1.0, 0.0)
    assert scores.map50_95 == pytest.approx(passed / 10)


def test_a_true_box_is_found_once():
    pred = table([(0, 0, 0, 10, 10, 0.9), (0, 0, 0, 10, 10, 0.8)])
    scores, hits = match(table([(0, 0, 0, 10, 10, 1)]), pred)
    assert scores.tolist() == pytest.approx([0.9, 0.8])
    assert hits[:, 0].tolist() == [True, False]


def test_slices_do_not_meet():
    assert score_boxes(table([(0, 0, 0, 10, 10, 1)]), table([(1, 0, 0, 10, 10, 0.9)]))["a"].recall == 0.0


def test_classes_do_not_meet_and_all_is_their_mean():
    true = from_columns(
        {**{k: [0, 0] for k in ("z", "y0", "x0")}, "y1": [9, 9], "x1": [9, 9], "class_name": ["a", "b"]}
    )
    scores = score_boxes(true, table([(0, 0, 0, 9, 9, 0.9)], "a"))
    assert scores["a"].map50 == 1.0
    assert scores["b"].map50 == 0.0
    assert scores["all"].map50 == 0.5
    assert (scores["all"].n_true, scores["all"].recall) == (2, 0.5)


def test_a_class_without_truth_has_no_average_precision_and_does_not_enter_the_mean():
    pred = table([*row_of(1, 0.9)])
    other = table(row_of(1, 0.9), "b").assign(box=2)
    scores = score_boxes(table(row_of(1)), from_columns({c: [*pred[c], *other[c]] for c in pred.columns}))
    assert math.isnan(scores["b"].map50)
    assert math.isnan(scores["b"].recall)
    assert scores["all"].map50 == 1.0
    assert scores["all"].precision == 0.5
    assert scores["b"].as_dict()["map50"] is None


@pytest.mark.parametrize(("true", "pred"), [([], []), ([], row_of(1)), (row_of(1), [])])
def test_empty_is_a_value(true, pred):
    one = score_boxes(table(true), table(pred))["all"]
    assert (one.n_true, one.n_pred) == (len(true), len(pred))
    assert math.isnan(one.recall) == (not true)
    assert math.isnan(one.precision) == (not pred)


def test_missing_columns_are_named():
    with pytest.raises(InputError, match="score"):
        score_boxes(table(row_of(1)), table(row_of(1)).drop(columns="score"))


@given(st.lists(st.booleans(), max_size=40), st.integers(0, 12))
def test_average_precision_equals_a_slow_reading_of_the_curve(hits, missed):
    n_true = sum(hits) + missed
    ours = average_precision(np.array(hits, dtype=bool), n_true)
    if n_true == 0:
        assert math.isnan(ours)
        return
    points = []
    for r in range(RECALL_POINTS):
        reached = [
            sum(hits[: k + 1]) / (k + 1)
            for k in range(len(hits))
            if sum(hits[: k + 1]) * (RECALL_POINTS - 1) >= r * n_true
        ]
        points.append(max(reached, default=0.0))
    assert ours == pytest.approx(sum(points) / RECALL_POINTS, abs=1.01 / RECALL_POINTS)


def test_ultralytics_computes_nearly_the_same():
    import_ultralytics()
    from ultralytics.utils.metrics import compute_ap

    rng = np.random.default_rng(3)
    for _ in range(20):
        hits = rng.random(200) < np.linspace(0.95, 0.2, 200)
        n_true = int(hits.sum()) + int(rng.integers(0, 60))
        right = np.cumsum(hits)
        theirs, _, _ = compute_ap(right / n_true, right / np.arange(1, 201))
        assert average_precision(hits, n_true) == pytest.approx(float(theirs), abs=0.01)
