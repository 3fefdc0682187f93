"""Slices with outlines."""

import base64
import io
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from famous.compare.comparison import GridFacts
from famous.report.comparison_errors import choose
from famous.report.comparison_outlines import LONGEST_PX, as_webp, draw_planes, each, trace
from tests.comparisons import CLASSES, SHAPE, Cell, FakePictures, cell, compare


def shown_of(kind: str) -> Any:
    return dict(choose(compare(cell())))[kind][0]


def points(path: str) -> np.ndarray:
    return np.array([[float(value) for value in pair.split()] for pair in re.findall(r"[\d.e+-]+ [\d.e+-]+", path)])


def test_a_square_is_outlined_along_its_pixels() -> None:
    mask = np.zeros((9, 9), np.bool_)
    mask[2:6, 3:8] = True
    corners = points(trace(mask, (10.0, 4.0), 0.0))
    assert corners[:, 0].min() == 3 * 4
    assert corners[:, 0].max() == 8 * 4
    assert corners[:, 1].min() == 2 * 10
    assert corners[:, 1].max() == 6 * 10


def test_an_outline_that_begins_elsewhere_is_moved() -> None:
    mask = np.ones((2, 3), np.bool_)
    here, there = points(trace(mask, (2.0, 2.0), 0.0)), points(trace(mask, (2.0, 2.0), 0.0, (5, 7)))
    assert np.array_equal(there - here, np.broadcast_to((14, 10), here.shape))


def test_a_hole_has_an_outline_too_and_nothing_has_none() -> None:
    ring = np.ones((8, 8), np.bool_)
    ring[3:5, 3:5] = False
    assert trace(ring, (1.0, 1.0), 0.0).count("M") == 2
    assert trace(np.zeros((4, 4), np.bool_), (1.0, 1.0), 0.1) == ""


def test_objects_come_with_their_boxes_whatever_their_ids() -> None:
    ids = np.zeros((6, 7), np.uint64)
    ids[1:3, 2:4], ids[5, 6] = 2**40, 9
    found = {number: (mask.shape, corner) for number, mask, corner in each(ids)}
    assert found == {2**40: ((2, 2), (1, 2)), 9: ((1, 1), (5, 6))}
    assert list(each(np.zeros((3, 3), np.uint32))) == []
    assert [number for number, *_ in each(np.full((2, 2), 4, np.uint32))] == [4]


def test_three_planes_through_the_middle_of_the_object() -> None:
    pictures, missed = FakePictures(cell()), shown_of("missed")
    planes = draw_planes(missed, compare(cell()), pictures)
    assert [(plane.axis, plane.name) for plane in planes] == [("z", "xy"), ("y", "xz"), ("x", "yz")]
    assert [plane.index for plane in planes] == missed.centres[0].tolist()
    for plane, (_, _, window) in zip(planes, pictures.asked, strict=True):
        rows, columns = {"z": (8, 8), "y": (20, 8), "x": (20, 8)}[plane.axis]
        assert plane.height == (window[1] - window[0]) * rows
        assert plane.width == (window[3] - window[2]) * columns


def test_the_expert_draws_what_the_program_missed() -> None:
    for plane in draw_planes(shown_of("missed"), compare(cell()), FakePictures(cell())):
        outlines = {outline.source: outline for outline in plane.outlines}
        assert list(outlines) == ["automatic", "M1", "M2"]
        assert outlines[shown_of("missed").pair[1]].own
        assert outlines["automatic"].own == ""


def test_a_confused_object_is_outlined_in_the_class_it_was_taken_for() -> None:
    plane = draw_planes(shown_of("confused"), compare(cell()), FakePictures(cell()))[0]
    assert {outline.source for outline in plane.outlines if outline.own} == {"automatic", "M1", "M2"}


def test_a_plane_beside_a_bent_object_is_not_taken() -> None:
    comparison, one = compare(cell()), shown_of("missed")
    beside = replace(one, centres=np.stack([np.array([0, 0, 0]), one.centres[0]]))
    for plane in draw_planes(beside, comparison, FakePictures(cell())):
        assert plane.index == one.centres[0]["zyx".index(plane.axis)]


def test_a_merge_above_each_other_is_cut_where_all_of_it_is_seen() -> None:
    made = stacked()
    comparison = compare(made, ("automatic", "M1"))
    (merge,) = dict(choose(comparison))["merge"]
    assert merge.centres[0].tolist()[0] == 16, "between the two lies the neck"
    first, *others = draw_planes(merge, comparison, FakePictures(made))
    assert (first.name, first.met) == ("xz", 3), "both of the expert's, and the one they became"
    seen = {outline.source: outline.own for outline in first.outlines}
    assert seen["M1"].count("M") == 2
    (flat,) = (plane for plane in others if plane.axis == "z")
    assert flat.met == 2, "no slice meets both, but none is taken that meets only the neck"
    assert flat.index != 16


def stacked() -> Cell:
    """Two blocks of the expert above each other, which a neck makes one of the program's."""
    expert, program = (np.zeros(SHAPE, np.uint32) for _ in range(2))
    for number, (low, high) in enumerate(((4, 12), (20, 28)), start=1):
        expert[low:high, 40:70, 60:100] = number
        program[low:high, 40:70, 60:100] = 1
    program[12:20, 52:58, 76:84] = 1
    empty = {name: np.zeros(SHAPE, np.uint32) for name in CLASSES}
    labels = {"automatic": empty | {CLASSES[0]: program}, "M1": empty | {CLASSES[0]: expert}}
    return Cell(labels, {"automatic": {}, "M1": {}})


def test_one_slice_has_one_plane_in_pixels() -> None:
    comparison = replace(compare(cell()), grid=GridFacts((1, 160, 200), None))
    one = shown_of("missed")
    flat = replace(one, centres=one.centres * (1, 1, 1))
    (plane,) = draw_planes(flat, comparison, FakePictures(cell()))
    assert plane.bar[1].endswith(" px")


@pytest.mark.parametrize(("side", "expected"), [(50, 50), (2000, LONGEST_PX)])
def test_pictures_are_webp_and_not_larger_than_shown(side: int, expected: int) -> None:
    address = as_webp(np.zeros((side, side), np.uint8), (LONGEST_PX, LONGEST_PX))
    kind, _, data = address.partition(",")
    assert kind == "data:image/webp;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (expected, expected)
