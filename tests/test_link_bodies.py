import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from famous.link.bodies import Bodies


def bodies(track, area, z, window=0):
    return Bodies(
        np.array(track, dtype=np.int32), np.array(area, dtype=np.float64), np.array(z, dtype=np.int64), window
    )


def join(forest, a, b, pixels, contact):
    return forest.join(np.array(a), np.array(b), np.array(pixels), contact=contact).tolist()


def same(forest):
    return forest.numbers().tolist()


def test_bodies_join_from_the_share_of_the_thinner_one_on():
    forest = bodies([0, 1], [100, 40], [0, 1])
    assert join(forest, [0], [1], [7], 0.2) == [False]
    assert join(forest, [0], [1], [8], 0.2) == [True]
    assert same(forest)[0] == same(forest)[1]


def test_cross_section_is_the_largest_within_the_window():
    track, area, z = [0, 0, 0, 1], [100, 50, 10, 100], [0, 1, 2, 3]
    assert join(bodies(track, area, z, window=0), [2], [3], [10], 0.2) == [True]
    assert join(bodies(track, area, z, window=1), [2], [3], [10], 0.2) == [True]  # 10 of 50
    assert join(bodies(track, area, z, window=2), [2], [3], [10], 0.2) == [False]  # 10 of 100
    assert join(bodies(track, area, z, window=2), [2], [3], [10], 0.1) == [True]


def test_pieces_of_one_slice_add_up():
    forest = bodies([0, 1, 2, 3], [30, 30, 60, 60], [0, 0, 1, 1])
    assert join(forest, [0, 1], [2, 2], [30, 30], 0.2) == [True, True]
    assert join(forest, [0], [3], [8], 0.2) == [False]  # 8 of 60, though only 30 were the box's own
    assert join(forest, [0], [3], [12], 0.2) == [True]


def test_joined_before_is_joined_whatever_they_share():
    forest = bodies([0, 0], [100, 100], [0, 1])
    assert join(forest, [0], [1], [0], 1.0) == [True]


def test_merging_keeps_every_slice_of_both():
    forest = bodies([0, 1, 2, 3], [5, 7, 11, 1000], [9, 2, 5, 5], window=10)
    assert join(forest, [0, 1], [1, 2], [5, 7], 0.0) == [True, True]
    assert join(forest, [2], [3], [10], 1.0) == [False]
    assert join(forest, [2], [3], [11], 1.0) == [True]


def test_no_box():
    assert same(bodies([], [], [])) == []


# ---- against a forest that keeps everything ----


class Plain:
    """Bodies as sets of boxes, and nothing remembered: what `Bodies` does fast."""

    def __init__(self, track, area, z, window):
        self.of = list(track)
        self.area, self.z, self.window = area, z, window

    def section(self, body, z):
        """Largest cross-section of a body within the window."""
        sums = {}
        for box, own in enumerate(self.of):
            if own == body and abs(self.z[box] - z) <= self.window:
                sums[self.z[box]] = sums.get(self.z[box], 0) + self.area[box]
        return max(sums.values())

    def join(self, a, b, pixels, contact):
        joined = []
        for one, two, shared in zip(a, b, pixels, strict=True):
            body, other = self.of[one], self.of[two]
            if body != other:
                thinner = min(self.section(body, self.z[one]), self.section(other, self.z[two]))
                if shared >= contact * thinner:
                    self.of = [body if own == other else own for own in self.of]
            joined.append(self.of[one] == self.of[two])
        return joined


@st.composite
def forests(draw):
    """Boxes, the tracks that they start in, and pairs in order."""
    count = draw(st.integers(1, 12))
    tracks = draw(st.lists(st.integers(0, 5), min_size=count, max_size=count))
    track = [sorted(set(tracks)).index(number) for number in tracks]
    area = draw(st.lists(st.integers(1, 50), min_size=count, max_size=count))
    z = draw(st.lists(st.integers(0, 8), min_size=count, max_size=count))
    box = st.integers(0, count - 1)
    pairs = draw(st.lists(st.tuples(box, box, st.integers(0, 50)), max_size=12))
    return track, area, z, draw(st.integers(0, 4)), pairs, draw(st.sampled_from([0.0, 0.2, 0.5, 1.0]))


def partition(numbers):
    """Sets of boxes of one body."""
    return {frozenset(i for i, other in enumerate(numbers) if other == number) for number in numbers}


@settings(max_examples=150)
@given(forests())
def test_bodies_join_as_plain_sets_do(forest):
    track, area, z, window, pairs, contact = forest
    fast, plain = bodies(track, area, z, window), Plain(track, area, z, window)
    a, b, pixels = ([pair[i] for pair in pairs] for i in range(3))
    assert fast.join(
        np.array(a, dtype=int), np.array(b, dtype=int), np.array(pixels, dtype=int), contact=contact
    ).tolist() == plain.join(a, b, pixels, contact)
    assert partition(same(fast)) == partition(plain.of)


def test_nothing_to_join_joins_nothing():
    forest = bodies([0, 1], [1, 1], [0, 1])
    assert join(forest, np.zeros(0, int), np.zeros(0, int), np.zeros(0, int), 0.5) == []
    assert same(forest)[0] != same(forest)[1]


def test_joining_a_body_with_itself_is_joined_and_changes_nothing():
    forest = bodies([0, 1], [10, 10], [0, 1])
    assert join(forest, [0], [0], [0], 1.0) == [True]
    assert join(forest, [0], [1], [9], 1.0) == [False]
    assert join(forest, [0], [1], [10], 1.0) == [True]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 0, 2]])
def test_a_chain_is_one_body_in_whichever_order_it_is_joined(order):
    pairs = [(0, 1), (1, 2), (2, 3)]
    forest = bodies([0, 1, 2, 3], [10] * 4, [0, 1, 2, 3])
    for i in order:
        assert join(forest, [pairs[i][0]], [pairs[i][1]], [10], 1.0) == [True]
    assert len(set(same(forest))) == 1


def test_a_long_chain_is_joined_without_recursion():
    count = 20_000
    forest = bodies(range(count), [1] * count, range(count))
    ends = np.arange(count - 1)
    assert all(join(forest, ends, ends + 1, np.ones(count - 1, int), 1.0))
    assert len(set(same(forest))) == 1


def test_the_arrays_that_were_given_are_not_changed():
    track, area, z = np.array([1, 0, 1], np.int32), np.array([3.0, 2.0, 1.0]), np.array([2, 1, 0])
    before = [values.copy() for values in (track, area, z)]
    forest = Bodies(track, area, z, 1)
    join(forest, [0, 1], [1, 2], [5, 5], 0.0)
    assert all((now == then).all() for now, then in zip((track, area, z), before, strict=True))
