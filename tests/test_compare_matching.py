"""Matching, splits and merges on cases with known numbers, and against a search of all matchings."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from famous.compare.matching import SplitParams, assign, match, match_as_paper, merges, splits
from famous.compare.overlaps import count_slices
from famous.errors import InputError
from tests.compare_phantoms import CASES, bricks

LABELS = hnp.arrays(np.uint32, (2, 3, 6), elements=st.integers(0, 5))
THRESHOLDS = st.sampled_from([0.1, 0.25, 0.3, 0.5, 0.75, 1.0])


def as_dict(found):
    return {int(w): found.piece_ids[found.whole_ids == w].tolist() for w in found.wholes}


@pytest.mark.parametrize("case", CASES)
def test_each_case_is_counted_as_it_says(case):
    given_case = case()
    overlaps = count_slices(given_case.pred, given_case.truth)
    found = match(overlaps)
    assert found.counts == (given_case.tp, given_case.fp, given_case.fn)
    np.testing.assert_allclose(found.iou[np.argsort(found.truth_ids)], given_case.iou, rtol=1e-15)
    assert as_dict(splits(overlaps)) == given_case.splits
    assert as_dict(merges(overlaps)) == given_case.merges
    expected = given_case.paper or (given_case.tp, given_case.fp, given_case.fn)
    assert match_as_paper(overlaps).counts == expected


@given(LABELS, LABELS, THRESHOLDS)
def test_swapping_the_sides_swaps_precision_and_recall(pred, truth, threshold):
    forth = match(count_slices(pred, truth), threshold)
    back = match(count_slices(truth, pred), threshold)
    tp, fp, fn = forth.counts
    assert back.counts == (tp, fn, fp)
    assert forth.iou.sum() == pytest.approx(back.iou.sum(), abs=1e-7)


@given(LABELS, LABELS, THRESHOLDS)
def test_a_matching_is_one_to_one_and_leaves_nobody_out(pred, truth, threshold):
    overlaps = count_slices(pred, truth)
    found = match(overlaps, threshold)
    assert sorted([*found.pred_ids, *found.invented]) == overlaps.pred_ids.tolist()
    assert sorted([*found.truth_ids, *found.missed]) == overlaps.truth_ids.tolist()
    assert (found.iou >= threshold).all()
    assert np.array_equal(overlaps.pred_ids[overlaps.pred_index[found.pair]], found.pred_ids)
    assert np.array_equal(overlaps.shared[found.pair], found.shared)


def best_sum(a, b, weight):
    """Try every set of edges in which no node comes twice."""
    best = 0.0
    for size in range(len(a) + 1):
        for chosen in itertools.combinations(range(len(a)), size):
            picked = list(chosen)
            if len(set(a[picked])) == len(set(b[picked])) == size:
                best = max(best, float(weight[picked].sum()))
    return best


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.floats(0.05, 1)), max_size=9, unique_by=lambda e: e[:2])
)
def test_no_other_matching_weighs_more(edges):
    a, b = (np.array([edge[k] for edge in edges], dtype=np.int64) for k in range(2))
    weight = np.array([edge[2] for edge in edges])
    chosen = assign(a, b, weight)
    assert len(set(a[chosen])) == len(set(b[chosen])) == len(chosen)
    assert weight[chosen].sum() == pytest.approx(best_sum(a, b, weight), abs=1e-7)


def test_the_best_pair_is_given_up_where_two_others_weigh_more():
    a, b = np.array([0, 0, 1]), np.array([0, 1, 0])
    assert assign(a, b, np.array([0.6, 0.5, 0.4])).tolist() == [1, 2]
    assert assign(a, b, np.array([0.9, 0.3, 0.4])).tolist() == [0]


def test_of_two_matchings_that_weigh_the_same_the_one_with_more_pairs_is_taken():
    weight = np.array([0.5, 0.25, 0.25])
    for order in itertools.permutations(range(3)):
        for a, b in [([0, 0, 1], [0, 1, 0]), ([1, 1, 0], [0, 1, 0]), ([0, 0, 1], [1, 0, 1]), ([1, 1, 0], [1, 0, 1])]:
            rows, columns, w = (np.array(side)[list(order)] for side in (a, b, weight))
            assert len(assign(rows, columns, w)) == len(assign(columns, rows, w)) == 2


def test_pieces_need_to_lie_inside_to_cover_and_to_be_no_crumbs():
    whole = bricks((1, 10, 30))
    half_out = count_slices(bricks((2, 10, 20), (3, 20, 40)), whole)  # piece 3 lies half outside
    assert as_dict(splits(half_out)) == {}
    assert as_dict(splits(half_out, SplitParams(inside=0.4))) == {1: [2, 3]}
    gaps = count_slices(bricks((2, 10, 15), (3, 25, 30)), whole)  # they cover exactly half of it
    assert as_dict(splits(gaps)) == {}
    assert as_dict(splits(gaps, SplitParams(covered=0.4))) == {1: [2, 3]}
    sliver = count_slices(bricks((2, 10, 29), (3, 29, 30)), whole)
    assert as_dict(splits(sliver)) == {1: [2, 3]}
    assert as_dict(splits(sliver, SplitParams(piece=0.06))) == {}


@given(LABELS, LABELS)
def test_merges_are_the_splits_of_the_other_side(pred, truth):
    overlaps = count_slices(pred, truth)
    found, turned = merges(overlaps), splits(overlaps.swapped())
    assert np.array_equal(found.whole_ids, turned.whole_ids)
    assert np.array_equal(overlaps.pred_ids[overlaps.pred_index[found.pair]], found.whole_ids)
    assert np.array_equal(overlaps.truth_ids[overlaps.truth_index[found.pair]], found.piece_ids)
    assert np.array_equal(overlaps.shared[found.pair], found.shared)


def test_the_papers_row_names_the_largest_piece_and_speaks_of_all():
    overlaps = count_slices(bricks((4, 10, 16), (2, 16, 24), (3, 24, 30), (9, 35, 38)), bricks((1, 10, 30)))
    found = match_as_paper(overlaps)
    assert (found.pred_ids.tolist(), found.truth_ids.tolist(), found.iou.tolist()) == ([2], [1], [1.0])
    assert found.shared.tolist() == [20 * 20]
    assert found.invented.tolist() == [9]


def test_pieces_that_do_not_add_up_stay_false_for_the_paper():
    overlaps = count_slices(bricks((2, 10, 16), (3, 24, 30)), bricks((1, 10, 30)))  # 12 of 20, below 0.75
    assert match_as_paper(overlaps, 0.75).counts == (0, 2, 1)
    assert match_as_paper(overlaps, 0.5).counts == (1, 0, 0)


@given(LABELS, LABELS, THRESHOLDS)
def test_the_paper_never_counts_worse(pred, truth, threshold):
    overlaps = count_slices(pred, truth)
    plain, paper = match(overlaps, threshold), match_as_paper(overlaps, threshold)
    assert paper.counts[0] >= plain.counts[0]
    assert paper.counts[1] <= plain.counts[1]
    assert len(paper.truth_ids) + len(paper.missed) == len(overlaps.truth)
    assert len(set(paper.truth_ids)) == len(paper.truth_ids)
    assert not set(paper.pred_ids) & set(paper.invented)


def test_a_thousand_objects_that_all_choose():
    rng = np.random.default_rng(0)
    a, b = (grid.ravel() for grid in np.meshgrid(np.arange(200), np.arange(200)))
    weight = rng.random(a.size)
    chosen = assign(a, b, weight)
    assert len(chosen) == 200
    from scipy.optimize import linear_sum_assignment

    table = np.zeros((200, 200))
    table[a, b] = weight
    assert weight[chosen].sum() == pytest.approx(table[linear_sum_assignment(table, maximize=True)].sum(), abs=1e-6)


@pytest.mark.parametrize("threshold", [0, -0.1, 1.01, float("nan")])
def test_a_threshold_that_is_no_share_is_refused(threshold):
    with pytest.raises(InputError, match="expected an intersection over union"):
        match(count_slices(bricks(), bricks()), threshold)
