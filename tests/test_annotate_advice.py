"""Which slice to label next: figures with a closed form, and a choice that can be foretold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from famous.annotate.advice import (
    DisagreementParams,
    Look,
    difference,
    disagreement,
    image_features,
    next_look,
    next_slice,
    spread,
    turn,
    uncertainty,
)
from famous.boxes import empty, from_columns

PURE = DisagreementParams(prior=0)
GREY = np.full(67, 0.5)


def boxes(*rows):
    """Rows of y0, x0, y1, x1, score and perhaps a class."""
    columns = {name: [row[i] for row in rows] for i, name in enumerate(("y0", "x0", "y1", "x1", "score"))}
    names = [row[5] if len(row) > 5 else "mito" for row in rows]
    return from_columns({"z": [0] * len(rows), **columns, "class_name": names})


one_box = st.tuples(
    st.integers(0, 40),
    st.integers(0, 40),
    st.integers(3, 20),
    st.integers(3, 20),
    st.integers(5, 100).map(lambda percent: percent / 100),
    st.sampled_from("ab"),
).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3], b[4], b[5]))
tables = st.lists(one_box, max_size=6).map(lambda rows: boxes(*rows) if rows else empty())


def looks_of(disagreements, features=None):
    return {z: Look(GREY if features is None else features[z], value) for z, value in disagreements.items()}


def test_the_features_of_a_grey_slice_are_its_grey():
    features = image_features(np.full((40, 60), 51, np.uint8))
    assert features[:3] == pytest.approx([0.2, 0, 0])
    assert features[3:] == pytest.approx(np.full(64, 0.2))


def test_a_chessboard_has_contrast_and_gradient():
    board = np.kron(np.indices((8, 8)).sum(0) % 2, np.ones((16, 16))) * 255
    features = image_features(board.astype(np.uint8))
    assert features[:3] == pytest.approx([0.5, 0.5, 2 * 7 / 127])
    assert features[3:].reshape(8, 8) == pytest.approx(np.indices((8, 8)).sum(0) % 2)


@pytest.mark.parametrize("shape", [(0, 5), (1, 1), (1, 3000), (2000, 3)])
def test_slices_of_any_shape_have_features(shape):
    features = image_features(np.full(shape, 255, np.uint8))
    assert features.shape == (67,)
    assert np.isfinite(features).all()


@given(tables)
def test_turning_twice_is_nothing(table):
    turned = turn(table, (70, 90))
    assert turn(turned, (70, 90)).equals(table)
    if len(table):
        assert (turned["y1"] - turned["y0"]).equals(table["y1"] - table["y0"])
        assert (turned["x0"] == 90 - table["x1"]).all()


def test_the_same_boxes_do_not_differ_and_others_wholly_do():
    here, there = boxes((0, 0, 10, 10, 0.8)), boxes((30, 30, 40, 40, 0.8))
    assert difference(here, here, PURE) == pytest.approx(0)
    assert difference(here, there, PURE) == pytest.approx(1)
    assert difference(here, empty(), PURE) == pytest.approx(1)
    assert difference(here, boxes((0, 0, 10, 10, 0.8, "nucleus")), PURE) == pytest.approx(1)


def test_a_pair_shares_its_lower_score():
    a, b = boxes((0, 0, 10, 10, 0.9), (30, 30, 40, 40, 0.5)), boxes((0, 0, 10, 11, 0.3))
    assert difference(a, b, PURE) == pytest.approx(1 - 2 * 0.3 / 1.7)
    assert difference(a, b) == pytest.approx(1 - (2 * 0.3 + 1) / (1.7 + 2))


def test_a_box_is_the_partner_of_one_other_only():
    twice = boxes((0, 0, 10, 10, 0.8), (0, 0, 10, 10, 0.8))
    assert difference(boxes((0, 0, 10, 10, 0.8)), twice, PURE) == pytest.approx(1 - 1.6 / 2.4)


def test_nothing_found_is_undecided():
    assert difference(empty(), empty()) == 0.5
    assert uncertainty(empty()) == 0.5
    assert difference(empty(), empty(), PURE) == 0
    assert uncertainty(empty(), PURE) == 0


@given(tables, tables)
def test_difference_is_symmetric_and_between_0_and_1(a, b):
    assert difference(a, b) == pytest.approx(difference(b, a))
    assert -1e-9 <= difference(a, b) <= 1
    assert 0 <= uncertainty(a) <= 1


def test_uncertainty_is_the_doubt_weighted_by_score():
    assert uncertainty(boxes((0, 0, 9, 9, 1.0), (20, 20, 29, 29, 1.0)), PURE) == 0
    assert uncertainty(boxes((0, 0, 9, 9, 0.5)), PURE) == pytest.approx(0.5)
    assert uncertainty(boxes((0, 0, 9, 9, 0.8), (20, 20, 29, 29, 0.2)), PURE) == pytest.approx(0.32)


def test_disagreement_is_the_mean_of_its_three_parts():
    here, gone = boxes((0, 0, 10, 10, 1.0)), empty()
    assert disagreement(here, here, [here, here], PURE) == pytest.approx(0)
    assert disagreement(here, gone, [here, gone], PURE) == pytest.approx((1 + 0.5 + 0) / 3)
    assert disagreement(here, gone, [], PURE) == pytest.approx(0.5)  # a stack of one slice


def test_before_anything_is_done_the_drawn_slices_are_offered():
    looks = looks_of({z: z / 50 for z in range(50)})
    assert next_slice(50, [], looks=looks, proposed=[30, 7, 19]).z == 7
    assert next_slice(50, [], looks=looks, proposed=[30, 7, 19], here=7).z == 19
    assert "drawn" in next_slice(50, [], looks={}, proposed=[30]).reason


def test_the_slice_in_doubt_is_offered_with_its_reason():
    advice = next_slice(21, [0, 20], looks=looks_of({5: 0.2, 10: 0.6, 15: 0.3}), proposed=[])
    assert advice.z == 10
    assert "less sure" in advice.reason
    assert "10 away" in advice.reason


def test_doubt_moves_the_choice():
    looks = looks_of(dict.fromkeys(range(4, 17, 4), 0.1) | {4: 0.9})
    assert next_slice(21, [0, 20], looks=looks, proposed=[]).z in (4, 8, 12)
    assert next_slice(21, [10], looks=looks_of({2: 0.9, 18: 0.1}), proposed=[]).z == 2
    assert next_slice(21, [10], looks=looks_of({2: 0.1, 18: 0.9}), proposed=[]).z == 18


def test_without_a_model_it_is_novelty_alone():
    features = {z: np.full(67, 0.9 if z == 6 else 0.2) for z in range(12)}
    looks = looks_of(dict.fromkeys(range(12)), features)
    advice = next_slice(12, [0, 11], looks=looks, proposed=[3])
    assert advice.z == 6
    assert "unlike" in advice.reason
    assert "model" not in advice.reason
    assert next_slice(12, [0, 6], looks=looks, proposed=[]).z == 11  # now the others look alike: the farthest one


def test_without_a_look_it_is_the_distance_in_z():
    advice = next_slice(100, [0, 99], looks={}, proposed=[3])
    assert advice.z in (49, 50)
    assert "49 away" in advice.reason
    assert next_slice(100, [0], looks={}, proposed=[]).z == 99


def test_slices_that_the_model_was_asked_about_go_before_those_it_was_not():
    looks = looks_of({3: 0.4, 4: 0.5, 15: None})
    assert next_slice(20, [0], looks=looks, proposed=[]).z == 4


def test_the_end_is_said():
    assert next_slice(3, [0, 1, 2], looks={}, proposed=[]) is None
    assert next_slice(0, [], looks={}, proposed=[]) is None
    assert next_slice(3, [0, 1], looks={}, proposed=[], here=2).z == 2
    assert next_slice(3, [0, 1, 2], looks={}, proposed=[], here=2) is None
    assert next_slice(3, [0, 1, 99, -4], looks={}, proposed=[]).z == 2


@given(
    st.integers(1, 40),
    st.sets(st.integers(0, 39)),
    st.dictionaries(st.integers(0, 39), st.none() | st.integers(0, 8).map(lambda eighths: eighths / 8)),
    st.none() | st.integers(0, 39),
)
def test_advice_is_always_an_open_slice_and_always_the_same(n_slices, done, known, here):
    looks = {z: look for z, look in looks_of(known).items() if z < n_slices}
    advice = next_slice(n_slices, done, looks=looks, proposed=[1, 2], here=here)
    left = set(range(n_slices)) - done
    if not left:
        assert advice is None
        return
    assert advice.z in left
    assert advice.z != here or left == {here}
    assert advice.reason
    assert advice == next_slice(n_slices, sorted(done), looks=dict(reversed(looks.items())), proposed=[2, 1], here=here)


@given(st.integers(0, 300))
def test_the_spread_holds_every_slice_once(count):
    assert sorted(spread(count)) == list(range(count))


@pytest.mark.parametrize("count", [64, 100, 2000])
def test_every_beginning_of_the_spread_is_even(count):
    for length in (4, 8, 16):
        gaps = np.diff([*sorted(spread(count)[:length]), count])
        assert gaps.max() <= 4 * count / length


def test_looks_begin_evenly_and_close_in_on_the_worst():
    looked = {}
    for _ in range(8):
        z = next_look(64, looked, sample=8)
        looked[z] = 1.0 if z == 40 else 0.1
    assert sorted(looked) == list(range(0, 64, 8))
    after = []
    for _ in range(4):
        z = next_look(64, looked, sample=8)
        looked[z] = 0.5
        after.append(z)
    assert set(after[:2]) == {36, 44}
    assert set(after) <= set(range(33, 48))


@given(st.integers(0, 30), st.integers(0, 10), st.randoms(use_true_random=False))
def test_looks_are_never_repeated_and_come_to_an_end(n_slices, sample, random):
    looked = {}
    while (z := next_look(n_slices, looked, sample=sample)) is not None:
        assert z not in looked
        assert 0 <= z < n_slices
        looked[z] = random.random()
    assert len(looked) == n_slices or sample == 0
