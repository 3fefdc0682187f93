"""Parts of slices and which of them belong together."""

import numpy as np

from famous.surface.parts import Slice, groups


def row(*spans: tuple[int, int]) -> Slice:
    """A slice of 5 × 30 with bars in these columns; each is a part."""
    image = np.zeros((5, 30), bool)
    for start, end in spans:
        image[1:4, start:end] = True
    return Slice(image)


EMPTY = row()


def found(*slices: Slice) -> set:
    return {group.parts for group in groups(slices)}


def test_parts_are_counted_and_boxed():
    two = row((2, 6), (10, 14))
    assert two.number == 2
    assert two.boxes[1:].tolist() == [[1, 2, 4, 6], [1, 10, 4, 14]]
    assert two.pick([2], (slice(0, 5), slice(9, 12))).sum() == 6
    assert EMPTY.number == 0
    assert not EMPTY.any


def test_corners_join():
    assert Slice(np.eye(4, dtype=bool)).number == 1


def test_two_empty_slices_have_no_groups():
    assert found(EMPTY, EMPTY, EMPTY, EMPTY) == set()


def test_one_goes_through_and_one_ends_and_one_begins():
    a, b = row((2, 6), (10, 14)), row((3, 7), (20, 24))
    assert found(EMPTY, a, b, EMPTY) == {((), (1,), (1,), ()), ((), (2,), (), ()), ((), (), (2,), ())}


def test_what_goes_on_alone_is_known_on_both_sides():
    bar = row((2, 6))
    assert found(bar, bar, bar, bar) == {((1,), (1,), (1,), (1,))}


def test_a_branch_is_one_group():
    stem, twigs = row((2, 14)), row((2, 6), (10, 14))
    assert found(stem, stem, twigs, twigs) == {((1,), (1,), (1, 2), (1, 2))}


def test_a_twig_does_not_know_the_stem_that_it_shares():
    stem, twigs = row((2, 14)), row((2, 6), (10, 14))
    assert found(stem, twigs, twigs, EMPTY) == {(None, (1,), (1,), ()), (None, (2,), (2,), ())}


def test_a_stem_does_not_know_twigs_of_which_one_begins():
    assert found(EMPTY, row((2, 6), (10, 14)), row((2, 14)), EMPTY) == {((), (1, 2), (1,), ())}
    assert found(row((2, 6)), row((2, 6), (10, 14)), row((2, 14)), EMPTY) == {(None, (1, 2), (1,), ())}


def ring(closed: bool = True) -> Slice:
    image = np.ones((7, 7), bool)
    image[2:5, 2:5] = False
    if not closed:
        image[3, 5:] = False
    return Slice(image)


def test_a_hole_is_filled_where_the_other_slice_encloses_it_too():
    full = Slice(np.ones((7, 7), bool))
    assert ring().filled(full).image.all()
    assert ring().filled(ring()).image.all()
    assert not ring().without(ring()).any
    assert full.filled(ring()) is full


def test_a_hole_that_opens_in_the_other_slice_is_none():
    assert ring().filled(ring(closed=False)).image.sum() == 40
    assert ring().filled(Slice(np.zeros((7, 7), bool))).image.sum() == 40
    assert ring(closed=False).filled(ring()).image.sum() == 38


def test_what_fills_a_hole_is_told_from_what_surrounds_it():
    assert Slice(np.ones((7, 7), bool)).without(ring()).image.sum() == 9
