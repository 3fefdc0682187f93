"""A labelling: its boxes, the slices declared done, and the classes in the user's order."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from famous import boxes
from famous.errors import InputError
from famous.io.annotations.annotation import Annotations, Imported, check_class_name, merge_classes, shown


def table(*names, z=0):
    count = len(names)
    sides = {"y0": [0] * count, "x0": [0] * count, "y1": [2] * count, "x1": [2] * count}
    return boxes.from_columns({"z": [z] * count, **sides, "class_name": list(names)})


def test_an_empty_labelling_is_a_value():
    nothing = Annotations(boxes.empty(), frozenset(), ())
    assert nothing.slices == []
    assert Imported(nothing).notes == []
    assert Imported(nothing).notes is not Imported(nothing).notes


def test_types_are_made_right():
    made = Annotations(table("a", "b").astype({"z": "int64"}), {np.int64(4), 2.0}, [" a", "b ", "unused"])
    assert made.boxes["z"].dtype == np.int32
    assert made.done == frozenset({2, 4})
    assert all(type(z) is int for z in made.done)
    assert made.classes == ("a", "b", "unused")
    assert made.slices == [0, 2, 4]


def test_slices_are_those_with_boxes_and_those_done():
    assert Annotations(table("a", z=7), frozenset({7, 1}), ("a",)).slices == [1, 7]


def test_the_table_that_was_given_is_not_changed():
    given_table = table("a")
    before = given_table.copy()
    made = Annotations(given_table, frozenset(), ("a",))
    assert given_table.equals(before)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.classes = ()


@pytest.mark.parametrize(
    ("names", "classes", "why"),
    [
        (("a",), (), r"found boxes of the classes \['a'\], expected one of \[\]"),
        (("a", "b", "c"), ("b",), r"\['a', 'c'\]"),
        ((), ("a", "b", "a", "a"), r"\['a'\] more than once"),
        ((), ("a", " a "), r"\['a'\] more than once"),
        ((), ("",), "class name"),
        ((), ("#",), "class name"),
    ],
)
def test_boxes_and_classes_must_fit(names, classes, why):
    with pytest.raises(InputError, match=why):
        Annotations(table(*names), frozenset(), classes)


@pytest.mark.parametrize("column", ["z", "y0", "x0", "y1", "x1", "class_name"])
def test_a_table_that_lacks_a_column_is_refused(column):
    with pytest.raises(InputError, match=f"missing columns .*{column}"):
        Annotations(table("a").drop(columns=column), frozenset(), ("a",))


@pytest.mark.parametrize("name", ["nucleus", "early endosome", "ü µ-5", "日本", "a#", "1", "a,b;c\\d", '"', "é"])
def test_names_of_one_line_are_taken(name):
    assert check_class_name(f"  {name}\t") == name


@pytest.mark.parametrize(
    "name", ["", "  ", "\n", "a\nb", "a\tb", "a\x00", "#a", " #", "a\u2028b", "\ud800", "\xa0a\xa0b"]
)
def test_names_that_cannot_be_written_are_refused(name):
    with pytest.raises(InputError, match="as class name, expected one line of text"):
        check_class_name(name)


@pytest.mark.parametrize("name", [None, 3, b"a", ["a"], 1.5, True])
def test_names_that_are_no_text_are_refused(name):
    with pytest.raises(InputError, match="as class name"):
        check_class_name(name)


@given(st.text())
def test_a_name_that_is_taken_is_taken_again(name):
    try:
        taken = check_class_name(name)
    except InputError:
        return
    assert check_class_name(taken) == taken
    assert Annotations(table(taken), frozenset(), (taken,)).classes == (taken,)


@settings(max_examples=30)
@given(st.lists(st.lists(st.sampled_from("abcde"))))
def test_classes_are_merged_in_the_order_of_their_first_appearance(groups):
    merged = merge_classes(*groups)
    everything = [name for group in groups for name in group]
    assert sorted(merged) == sorted(set(everything))
    assert [everything.index(name) for name in merged] == sorted(everything.index(name) for name in merged)


def test_values_are_shown_short_and_safe():
    assert shown("a\nb") == r"'a\nb'"
    assert shown([1] * 10**6) == "a list of 1000000"
    assert shown({"a": 1}) == "a dict of 1"
    assert shown(()) == "a tuple of 0"
    assert len(shown("x" * 1000)) == 60
    assert shown("x" * 1000).endswith("…")
    assert len(shown(b"x" * 1000, longest=10)) == 10
    nested = []
    nested.append(nested)
    assert shown(nested) == "a list of 1"
    assert shown(None) == "None"
