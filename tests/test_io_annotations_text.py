"""What every writer of boxes shares: order, scores as text, and what is said of what gets lost."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from famous import boxes
from famous.io.annotations import Annotations
from famous.io.annotations.text import done_note, score_text, scores_note, sorted_boxes


def labelling(rows, done=()):
    """Annotations of rows (z, y0, x0, class_name, score)."""
    table = boxes.from_columns(
        {
            "z": [row[0] for row in rows],
            "y0": [row[1] for row in rows],
            "x0": [row[2] for row in rows],
            "y1": [row[1] + 5 for row in rows],
            "x1": [row[2] + 5 for row in rows],
            "class_name": [row[3] for row in rows],
            "score": [row[4] for row in rows],
        }
    )
    return Annotations(table, frozenset(done), tuple(sorted({row[3] for row in rows})))


ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.sampled_from("ab"), st.sampled_from([0.5, 1]))
)


@settings(max_examples=25)
@given(ROWS, st.randoms(), st.booleans())
def test_the_order_written_does_not_depend_on_the_order_drawn(rows, chance, scored):
    shuffled = list(rows)
    chance.shuffle(shuffled)
    columns = ["z", "class_name", *boxes.CORNERS, *(["score"] if scored else [])]
    one, two = (sorted_boxes(labelling(order), scored=scored)[columns] for order in (rows, shuffled))
    assert one.equals(two)
    keys = list(one.itertuples(index=False, name=None))
    assert keys == sorted(keys)


def test_without_scores_boxes_that_differ_in_score_only_stay_as_drawn():
    rows = [(0, 0, 0, "a", 0.9), (0, 0, 0, "a", 0.1)]
    assert sorted_boxes(labelling(rows), scored=False)["score"].tolist() == pytest.approx([0.9, 0.1])
    assert sorted_boxes(labelling(rows), scored=True)["score"].tolist() == pytest.approx([0.1, 0.9])


def test_sorting_leaves_the_labelling_alone():
    made = labelling([(2, 0, 0, "b", 1), (1, 0, 0, "a", 1)])
    before = made.boxes.copy()
    assert sorted_boxes(made, scored=True)["z"].tolist() == [1, 2]
    assert made.boxes.equals(before)
    assert len(sorted_boxes(labelling([]), scored=True)) == 0


@given(st.floats(0, 1, width=32))
def test_a_score_reads_back_as_the_same_float32(score):
    text = score_text(score)
    assert np.float32(text) == np.float32(score)
    assert len(text) <= len(repr(float(score))) or "e" in text


@pytest.mark.parametrize(("score", "text"), [(1.0, "1.0"), (0.1, "0.1"), (np.float32(1 / 3), "0.33333334"), (0, "0.0")])
def test_a_score_has_the_fewest_digits(score, text):
    assert score_text(score) == text


def test_lost_scores_are_counted():
    assert scores_note(labelling([]), "YOLO") == []
    assert scores_note(labelling([(0, 0, 0, "a", 1)]), "YOLO") == []
    rows = [(0, 0, 0, "a", 1), (0, 1, 0, "a", 0.99), (0, 2, 0, "a", 0)]
    assert scores_note(labelling(rows), "YOLO") == ["YOLO holds no scores: those of 2 boxes were left out"]


@pytest.mark.parametrize(
    ("slices", "done", "shown"),
    [
        ((), (), None),
        ((1, 2), (1, 2), None),
        ((1,), (1, 5), None),
        ((4, 1, 4), (), "2 slices have boxes but are not done (1, 4); marked so; other programs take them as done"),
        (range(10), (), "10 slices have boxes but are not done (0, 1, 2, 3, 4, 5, 6, 7, 8, 9); "),
        (range(12), (3,), "11 slices have boxes but are not done (0, 1, 2, 4, 5, 6, 7, 8, 9, 10 …); "),
    ],
)
def test_slices_that_are_not_done_are_listed(slices, done, shown):
    notes = done_note(labelling([(z, 0, 0, "a", 1) for z in slices], done), "marked so")
    assert len(notes) == (shown is not None)
    assert shown is None or notes[0].startswith(shown)
