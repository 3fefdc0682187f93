"""Classes that only one side has are named, with what becomes of them."""

import pytest

from famous.pipeline.compare_classes import one_sided


def test_the_same_classes_are_not_worth_a_word():
    assert one_sided({"a": ["mito", "ER"], "b": ["ER", "mito"], "c": ["mito", "ER"]}) == []


def test_classes_of_one_side_of_two():
    notes = one_sided({"fa": ["mito", "late endosome", "lysosome"], "f3": ["mito", "LE"]})
    assert notes == [
        "fa has late endosome and lysosome, which f3 does not have: they are left out",
        "LE is in f3 only, so that all of its objects count as missed by fa",
    ]


def test_classes_of_some_of_three():
    notes = one_sided({"auto": ["mito", "ER", "x"], "M1": ["mito", "ER", "y"], "M2": ["mito", "y", "z"]})
    assert notes == [
        "auto has x, which no truth has: it is left out",
        "ER is in auto and M1 only; it cannot be compared with M2",
        "y is in M1 and M2 only, so that all of its objects count as missed by auto",
        "z is in M2 only, so that all of its objects count as missed by auto; it cannot be compared with M1",
    ]


def test_a_truth_of_boxes_without_a_class_says_that_there_is_none():
    assert one_sided({"auto": ["mito"], "M1": ["mito"], "M2": []}, is_none_drawn=True) == []


@pytest.mark.parametrize(("chosen", "number"), [((), 2), (("mito",), 0), (("mito", "x"), 1), (("y",), 1)])
def test_what_was_not_asked_for_is_not_missing(chosen, number):
    assert len(one_sided({"a": ["mito", "x"], "b": ["mito", "y"]}, chosen)) == number
