import numpy as np

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
