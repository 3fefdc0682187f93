"""Rows on their way in: whole boxes inside the slice or a named broken row, nothing between."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from famous import boxes
from famous.errors import InputError
from famous.io.annotations.rows import (
    LARGEST,
    SHOWN_ROWS,
    WHOLE_PX,
    Rows,
    check_size,
    check_slice,
    number,
    read_text,
    to_whole,
    whole,
)

SHAPE = (10, 80, 100)
SIDE = st.floats(-200, 300) | st.integers(-200, 300) | st.sampled_from([math.nan, math.inf, -math.inf, 1e300])


def collected(*corners, **options):
    """Rows with boxes of these corners in slice 3."""
    rows = Rows(Path("x.csv"), SHAPE)
    for i, values in enumerate(corners):
        rows.add(f"line {i + 2}", 3, values, "mito", **options)
    return rows


def corners_of(imported):
    return imported.annotations.boxes[boxes.CORNERS].to_numpy().tolist()


# ---- collecting ----


def test_nothing_collected_is_an_empty_labelling():
    imported = collected().finish()
    assert len(imported.annotations.boxes) == 0
    assert imported.annotations.boxes.dtypes.equals(boxes.empty().dtypes)
    assert (imported.annotations.classes, imported.annotations.done, imported.notes) == ((), frozenset(), [])


@pytest.mark.parametrize(
    ("z", "class_name", "score", "why"),
    [
        (-1, "a", 1, "found slice -1, expected 0 … 9"),
        (10, "a", 1, "found slice 10"),
        (0, "", 1, "class name"),
        (0, "#a", 1, "class name"),
        (0, None, 1, "class name"),
        (0, "a", -0.01, "found the score -0.01"),
        (0, "a", 1.01, "found the score"),
        (0, "a", math.nan, "found the score nan"),
    ],
)
def test_a_box_that_cannot_be_is_refused_and_not_kept(z, class_name, score, why):
    rows = Rows(Path("x.csv"), SHAPE)
    with pytest.raises(InputError, match=why):
        rows.add("line 2", z, (0, 0, 5, 5), class_name, score)
    assert len(rows) == 0
    assert corners_of(rows.finish()) == []


def test_a_row_that_fails_is_named_and_the_next_one_is_read():
    rows = collected()
    for i in range(3):
        with rows.row(f"line {i}"):
            if i == 1:
                raise InputError("found a hole")
            rows.add(f"line {i}", i, (0, 0, 5, 5), "a")
    assert len(rows) == 2
    with pytest.raises(InputError, match=r"x\.csv: 1 broken row, nothing was imported") as caught:
        rows.finish()
    assert str(caught.value).splitlines()[1:] == ["  line 1: found a hole"]


def test_what_is_no_input_error_is_a_defect_and_shows():
    rows = collected()
    with pytest.raises(ZeroDivisionError), rows.row("line 2"):
        _ = 1 / 0


@pytest.mark.parametrize("count", [1, SHOWN_ROWS - 1, SHOWN_ROWS, SHOWN_ROWS + 1, 1000])
def test_broken_rows_are_counted_and_so_many_named(count):
    rows = collected()
    for i in range(count):
        rows.broken(f"line {i}", "why")
    with pytest.raises(InputError) as caught:
        rows.finish()
    first, *rest = str(caught.value).splitlines()
    assert f": {count:,} broken row{'s' if count > 1 else ''}, nothing" in first
    assert len(rest) == min(count, SHOWN_ROWS) + (count > SHOWN_ROWS)
    assert (rest[-1] == f"  … and {count - SHOWN_ROWS} more") == (count > SHOWN_ROWS)


def test_broken_rows_come_by_file_and_line_and_each_fault_once():
    rows = collected((5, 0, 0, 5))  # line 2: found flat once all are read
    for where in ("b.txt line 10", "b.txt line 9", "a10.txt line 1", "a9.txt", "b.txt line 9", "line 1"):
        rows.broken(where, "why")
    rows.broken("b.txt line 9", "another fault")
    with pytest.raises(InputError, match=r"x\.csv: 6 broken rows, .* mend or remove them") as caught:
        rows.finish()
    assert [line.split(": ")[0].strip() for line in str(caught.value).splitlines()[1:]] == [
        *("a9.txt", "a10.txt line 1", "b.txt line 9", "b.txt line 9", "b.txt line 10", "line 1", "line 2")
    ]


def test_a_reader_may_put_the_place_of_a_broken_row_into_words():
    rows = collected((5, 0, 0, 5))
    rows.locate = str.upper
    with pytest.raises(InputError, match="LINE 2: found a box without extent"):
        rows.finish()


def test_things_are_counted_in_notes_only_where_there_are_any():
    rows = collected()
    rows.counted(0, "ghost", "ghosts")
    rows.counted(1, "outline was read as a box", "outlines were read as boxes")
    rows.counted(2000, "outline was read as a box", "outlines were read as boxes")
    assert rows.notes == ["1 outline was read as a box", "2,000 outlines were read as boxes"]


def test_classes_given_come_first_then_the_files_then_those_of_boxes():
    rows = collected((0, 0, 5, 5))
    rows.classes += ["listed", "given"]
    rows.add("line 9", 1, (0, 0, 5, 5), "also ")
    assert rows.finish(["given", "unused"]).annotations.classes == ("given", "unused", "listed", "also", "mito")


# ---- whole boxes ----


@settings(max_examples=50)
@given(st.lists(st.tuples(SIDE, SIDE, SIDE, SIDE), max_size=6))
def test_every_box_is_whole_and_inside_or_all_are_refused(rows):
    good = [
        np.isfinite(row).all() and row[2] > row[0] and row[3] > row[1] and row[0] < 80 and row[1] < 100
        and row[2] > 0 and row[3] > 0
        for row in rows
    ]  # fmt: skip
    collection = collected(*rows)
    if all(good):
        table = collection.finish().annotations.boxes
        boxes.validate(table, SHAPE)
        assert len(table) == len(rows)
    else:
        with pytest.raises(InputError) as caught:
            collection.finish()
        named = [line.split(":")[0].strip() for line in str(caught.value).splitlines()[1:]]
        assert sorted(named) == sorted(f"line {i + 2}" for i, fine in enumerate(good) if not fine)


@settings(max_examples=25)
@given(st.integers(0, 79), st.integers(0, 99), st.integers(1, 80), st.integers(1, 100))
def test_whole_boxes_inside_are_left_alone(y, x, height, width):
    row = (y, x, min(80, y + height), min(100, x + width))
    imported = collected(row).finish()
    assert corners_of(imported) == [list(row)]
    assert imported.notes == []


@pytest.mark.parametrize(
    ("row", "whole_box", "notes"),
    [
        ((-0.04, 0, 80.04, 100), (0, 0, 80, 100), []),
        ((-1, 0, 80, 100), (0, 0, 80, 100), ["clipped"]),
        ((0, 0, 80, 100.5), (0, 0, 80, 100), ["clipped"]),
        ((0.04, 0, 79.96, 100), (0, 0, 80, 100), []),
        ((0.3, 0, 80, 100), (0, 0, 80, 100), ["rounded"]),
        ((-3, 0.6, 80, 100), (0, 1, 80, 100), ["clipped", "rounded"]),
        ((79.2, 99.2, 79.4, 99.4), (79, 99, 80, 100), ["rounded"]),
        ((79.9999, 99, 80, 100), (79, 99, 80, 100), []),
    ],
)
def test_edges_and_fractions_are_told_from_few_digits(row, whole_box, notes):
    assert WHOLE_PX == 0.05
    imported = collected(row).finish()
    assert corners_of(imported) == [list(whole_box)]
    assert len(imported.notes) == len(notes)
    assert all(word in note and "line 2" in note for word, note in zip(notes, imported.notes, strict=True))


def test_the_first_box_of_a_note_is_the_first_of_its_kind():
    (note,) = collected((0, 0, 5, 5), (0.6, 0, 5, 5), (0.6, 0, 6, 5)).finish().notes
    assert note == "2 boxes with fractional corners were rounded to the nearest whole pixel; the first is line 3"


def test_boxes_that_are_the_same_only_when_rounded_repeat_each_other():
    notes = collected((0, 0, 5, 5), (0.01, 0, 5, 5.01), (0, 0, 5, 6)).finish().notes
    assert notes == ["1 box repeats another one exactly (same slice, class and corners); it was kept"]


def test_no_corner_gives_no_box():
    assert to_whole(np.zeros((0, 4))).shape == (0, 4)
    assert to_whole(np.zeros((0, 4))).dtype == np.int64


@given(st.tuples(*[st.floats(0, 1e5)] * 2), st.tuples(*[st.floats(0.01, 1e3)] * 2), st.integers(0, 1000))
def test_rounding_does_not_depend_on_where_the_box_lies(low, side, by):
    corners = np.array([[*low, low[0] + side[0], low[1] + side[1]]])
    corners = np.round(corners * 64) / 64  # so that adding is exact
    if (corners[:, 2:] > corners[:, :2]).all():
        assert (to_whole(corners + by) == to_whole(corners) + by).all()


# ---- numbers, slices, sizes, text ----


@given(st.floats(allow_nan=False))
def test_a_float_comes_back_from_its_text(value):
    assert number(repr(value), "x") == number(value, "x") == value


@given(st.integers(-(10**9) + 1, 10**9 - 1))
def test_a_whole_number_comes_back_however_it_is_written(value):
    for text in (value, str(value), f" {value} ", f"{value}.0", float(value)):
        assert whole(text, "z") == value


@pytest.mark.parametrize("value", [10**9, -(10**12), 10**400])
def test_numbers_of_json_that_no_pixel_has_are_infinite(value):
    assert number(value, "x") == math.inf
    with pytest.raises(InputError, match="as x, expected a whole number"):
        whole(value, "x")
    assert LARGEST == 1e9


@given(st.text(max_size=8))
def test_any_text_is_a_number_or_named(text):
    rows = collected()
    with rows.row("line 2"):
        assert isinstance(number(text, "y0"), float)
    assert all("as y0, expected a number" in why for _, why in rows._broken)


@pytest.mark.parametrize(("height", "width"), [(80, 100), (80.0, 100.0)])
def test_images_of_the_slices_size_pass(height, width):
    assert check_size(height, width, SHAPE) is None


@pytest.mark.parametrize(("height", "width"), [(100, 80), (80, 100.5), (0, 0), (math.nan, 100)])
def test_images_of_another_size_are_refused(height, width):
    with pytest.raises(InputError, match=r"expected the slices' 80 × 100"):
        check_size(height, width, SHAPE)


def test_slices_run_from_0_to_the_last():
    assert [check_slice(z, SHAPE) for z in (0, 9)] == [0, 9]
    for z in (-1, 10):
        with pytest.raises(InputError, match=f"found slice {z}, expected 0 … 9"):
            check_slice(z, SHAPE)


def test_text_is_read_with_any_line_end_and_mark(tmp_path):
    path = tmp_path / "a b.txt"
    path.write_bytes("\ufeffa\r\nb\rc\nµ\r\r\n".encode())
    assert read_text(path) == "a\nb\nc\nµ\n\n"
    path.write_bytes(b"")
    assert read_text(path) == ""
    path.write_bytes(b"abc\xff")
    with pytest.raises(InputError, match="found the byte 0xff at offset 3"):
        read_text(path)
    for gone in (tmp_path, tmp_path / "none"):
        with pytest.raises(InputError, match="cannot be read"):
            read_text(gone)
