"""Sources are named alike; classes that only one side has are named, with what becomes of them."""

import numpy as np
import pytest

from famous import boxes as box_table
from famous.io.truths import Truth
from famous.pipeline.compare_classes import name_alike, names_of, one_sided
from famous.voxels import VoxelSize

LABELS = np.ones((2, 3, 4), np.uint16)


def truth(name, *classes, **more):
    return Truth(name, dict.fromkeys(classes, LABELS), VoxelSize(9, 9, 9), LABELS.shape, **more)


def boxes(name, *classes):
    count = len(classes)
    columns = {"z": [0] * count, "y0": [0] * count, "x0": [0] * count, "y1": [1] * count, "x1": [1] * count}
    return truth(name, boxes=box_table.from_columns({**columns, "class_name": list(classes)}))


def named(*truths):
    found, notes = name_alike(truths)
    return [names_of(one) for one in found], notes


def test_labels_without_a_class_have_that_of_the_others():
    nameless = truth("A", "object", is_semantic=frozenset({"object"}))
    (one, two), notes = name_alike([nameless, truth("B", "a")])
    assert list(one.classes) == list(two.classes) == ["a"]
    assert one.is_semantic == {"a"}
    assert notes == ["A: its labels name no class; they are taken as a"]
    assert named(nameless, truth("B", "a", "b")) == ([["object"], ["a", "b"]], [])
    assert named(nameless, boxes("B", "a", "a"))[0] == [["a"], ["a"]]
    assert named(truth("A", "a"), boxes("B", "object"))[0] == [["a"], ["a"]]


@pytest.mark.parametrize("other", [truth("M1", "lysosome", "mitochondrion"), boxes("M1", "lysosome", "mitochondrion")])
def test_a_file_that_is_called_as_a_class_of_another_source_is_of_that_class(other):
    pred = truth("predc", "object", stem="mitochondrion")
    assert named(pred, other) == ([["mitochondrion"], ["lysosome", "mitochondrion"]], [])
    assert named(other, pred) == ([["lysosome", "mitochondrion"], ["mitochondrion"]], [])
    loose = truth("predc", "object", stem="Mitochondria_1")
    assert named(loose, other)[1] == ["predc: Mitochondria is taken as mitochondrion"]
    assert named(truth("predc", "object", stem="pred"), other)[0][0] == ["object"]


def test_a_file_that_is_called_as_the_only_class_is_not_worth_a_word():
    pred = truth("mitochondrion", "object", stem="mitochondrion")
    assert named(pred, truth("M1", "mitochondrion")) == ([["mitochondrion"]] * 2, [])


@pytest.mark.parametrize(
    ("stems", "told"),
    [
        (("mito", "mito", "mito"), "mito"),
        (("mito_inst", "Mitochondria", "mito 2"), "mito_inst, Mitochondria and mito 2"),
    ],
)
def test_files_that_are_all_called_by_one_organelle_are_of_it(stems, told):
    found, notes = named(*(truth(name, "object", stem=stem) for name, stem in zip("ABC", stems, strict=True)))
    assert found == [["mitochondrion"]] * 3
    assert notes == [f"labels that name no class are called {told}; they are taken as mitochondrion"]


@pytest.mark.parametrize("stems", [("labels", "labels"), ("mito", "lysosome"), ("mito", None), ("mito", "labels")])
def test_files_that_are_called_otherwise_hold_objects(stems):
    assert named(*(truth(name, "object", stem=stem) for name, stem in zip("AB", stems, strict=True)))[0] == [
        ["object"],
        ["object"],
    ]


def test_datasets_are_of_the_class_that_they_are_called_by_or_of_one():
    one, other = truth("a", "lysosome", stem="lysosome"), truth("b", "predictions", stem="predictions")
    assert named(one, truth("c", "object", stem="m1"))[0] == [["lysosome"]] * 2
    assert named(one, truth("c", "golgi"))[0] == [["lysosome"], ["golgi"]]
    assert named(one, other)[0] == [["object"]] * 2


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
