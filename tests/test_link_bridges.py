import numpy as np

from famous.link.bridges import Pairs, wrong_bridges


def made(*rows):
    a, b, pixels, apart = np.array(rows or np.zeros((0, 4)), dtype=np.int32).reshape(-1, 4).T
    return Pairs(a, b, pixels.astype(np.int64), apart)


AREA = np.array([60.0, 40.0, 100.0, 60.0, 40.0])  # two organelles, one box round both, the two again
Z = np.array([0, 0, 1, 2, 2])
NEAR = made((0, 2, 60, 1), (1, 2, 40, 1), (2, 3, 60, 1), (2, 4, 40, 1))
ENDS = made((0, 3, 60, 2), (1, 4, 40, 2))


def test_bridge_stays_with_the_larger_organelle():
    assert wrong_bridges(NEAR, ENDS, np.arange(5), AREA, Z).tolist() == [False, True, False, True]


def test_bridge_stays_with_the_organelle_that_its_track_continues():
    track = np.array([0, 1, 1, 2, 3])  # the box round both is surely the smaller one's
    near = NEAR[np.array([True, False, True, True])]
    assert wrong_bridges(near, ENDS, track, AREA, Z).tolist() == [True, True, False]


def test_one_organelle_that_bulges_is_no_bridge():
    near, ends = NEAR[np.array([0, 2])], ENDS[np.array([0])]
    assert wrong_bridges(near, ends, np.arange(5), AREA, Z).tolist() == [False, False]


def test_fragments_between_two_whole_slices_are_no_bridge():
    area, z = np.array([100.0, 60.0, 40.0, 100.0]), np.array([0, 1, 1, 2])
    near = made((0, 1, 60, 1), (0, 2, 40, 1), (1, 3, 60, 1), (2, 3, 40, 1))
    assert not wrong_bridges(near, made((0, 3, 100, 2)), np.arange(4), area, z).any()


def test_fragment_that_goes_on_beside_its_body_is_no_bridge():
    area, z = np.array([100.0, 30.0, 70.0, 100.0, 10.0]), np.array([0, 1, 1, 2, 2])
    track = np.array([0, 1, 0, 0, 1])
    near = made((0, 1, 30, 1), (1, 3, 20, 1))
    assert not wrong_bridges(near, made((0, 3, 90, 2)), track, area, z).any()


def test_bridge_of_two_slices_is_one_track():
    area, z = np.array([60.0, 40.0, 100.0, 100.0, 60.0, 40.0]), np.array([0, 0, 1, 2, 3, 3])
    near = made((0, 2, 60, 1), (1, 2, 40, 1), (3, 4, 60, 1), (3, 5, 40, 1))
    ends = made((0, 4, 60, 3), (1, 5, 40, 3))
    assert wrong_bridges(near, ends, np.array([0, 1, 2, 2, 3, 4]), area, z).tolist() == [False, True, False, True]
    assert not wrong_bridges(near, ends, np.arange(6), area, z).any()


def test_nothing_to_look_at():
    assert wrong_bridges(made(), made(), np.arange(5), AREA, Z).tolist() == []
    assert not wrong_bridges(NEAR, made(), np.arange(5), AREA, Z).any()
