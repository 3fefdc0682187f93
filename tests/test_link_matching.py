import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.optimize import linear_sum_assignment

from famous import labels
from famous.link.matching import assign, components


def edges(weights):
    a, b = np.nonzero(weights)
    return a, b, weights[a, b].astype(np.float64)


@settings(max_examples=100, deadline=None)
@given(arrays.arrays(np.uint8, (6, 7), elements=st.integers(0, 9)))
def test_blocks_reach_the_total_of_one_dense_assignment(weights):
    a, b, weight = edges(weights)
    chosen = assign(a, b, weight)
    dense = weights[linear_sum_assignment(weights, maximize=True)].sum()
    assert weight[chosen].sum() == dense
    assert len(set(a[chosen])) == len(set(b[chosen])) == chosen.sum()


def test_best_sum_wins_over_best_pair():
    chosen = assign(np.array([0, 0, 1]), np.array([0, 1, 0]), np.array([0.6, 0.5, 0.5]))
    assert chosen.tolist() == [False, True, True]


def test_star_keeps_its_heaviest_edge():
    assert assign(np.array([0, 0, 0]), np.array([4, 7, 9]), np.array([0.1, 0.3, 0.2])).tolist() == [False, True, False]
    assert assign(np.array([4, 7, 9]), np.array([0, 0, 0]), np.array([0.1, 0.3, 0.2])).tolist() == [False, True, False]


def test_the_two_sides_have_their_own_numbers():
    assert assign(np.array([1, 2]), np.array([2, 1]), np.array([0.5, 0.5])).tolist() == [True, True]


def test_nothing_to_assign():
    nothing = np.zeros(0, dtype=np.intp)
    assert assign(nothing, nothing, np.zeros(0)).tolist() == []
    assert components(0, nothing, nothing).tolist() == []
    assert components(3, nothing, nothing).tolist() == [0, 1, 2]


def test_components_follow_chains():
    found = components(5, np.array([0, 1]), np.array([1, 4]))
    assert labels.are_equivalent(found + 1, np.array([1, 1, 2, 3, 1]))
