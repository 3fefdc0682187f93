import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from famous.annotate.slices import propose_slices


@pytest.mark.parametrize(
    ("n_slices", "count"),
    [(0, 0), (1, 1), (19, 19), (20, 20), (21, 20), (2000, 20), (2001, 21), (3000, 30), (123_456, 1235)],
)
def test_one_per_cent_at_least_twenty_all_of_a_thin_stack(n_slices, count):
    assert len(propose_slices(n_slices, seed="hela")) == count


def test_all_slices_of_a_thin_stack():
    assert propose_slices(7, seed="hela") == (0, 1, 2, 3, 4, 5, 6)
    assert propose_slices(0, seed="hela") == ()


def test_the_same_stack_always_gets_the_same_slices():
    """Fixed values: a new version of a library must not move the slices that somebody has begun to label."""
    assert propose_slices(2000, seed="a") == propose_slices(2000, seed="a")
    assert propose_slices(2000, seed="a") != propose_slices(2000, seed="b")
    assert propose_slices(2000, seed="hela (2000, 400, 600)")[:4] == (4, 175, 229, 356)


@given(st.integers(0, 20_000), st.text(max_size=20))
def test_one_slice_in_each_stratum(n_slices, seed):
    chosen = np.array(propose_slices(n_slices, seed=seed), dtype=np.int64)
    assert (np.diff(chosen) > 0).all()
    count = len(chosen)
    if count:
        assert chosen[0] >= 0
        assert chosen[-1] < n_slices
        borders = np.array([n_slices * k // count for k in range(count + 1)])
        assert (borders[:-1] <= chosen).all()
        assert (chosen < borders[1:]).all()
        assert np.diff(chosen).max(initial=0) < 2 * -(-n_slices // count)


def test_offsets_are_spread_over_the_whole_stratum():
    """100 stacks of 2000 slices: places inside the strata of 100 slices have the mean and spread of a uniform draw."""
    places = np.array([np.array(propose_slices(2000, seed=str(k))) % 100 for k in range(100)])
    assert abs(places.mean() - 49.5) < 2
    assert abs(places.std() - 100 / np.sqrt(12)) < 1.5
    assert len(np.unique(places)) == 100
    assert abs(np.corrcoef(places[:, 0], places[:, 1])[0, 1]) < 0.3
