"""Tables as a reader sees them."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from famous.compare.comparison import Comparison, empty_table
from famous.report.comparison_numbers import (
    DASH,
    NO_REASON,
    Footnotes,
    Sheet,
    agreement_sheets,
    at_threshold,
    component_sheets,
    confusion_sheets,
    detection_sheets,
    is_number,
    lines_of,
    percent,
    plain,
    significant,
    slice_sheet,
    totals_sheet,
    volume_sheet,
)
from tests.comparisons import CLASSES, cell, compare


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (12345.6, "12,300"), (0.012345, "0.0123"), (1, "1.00"), (99.96, "100.0"), (0.00001, "1.00e-05")],
)
def test_three_digits(value: float, text: str) -> None:
    assert significant(value) == text


def test_ratios_and_counts() -> None:
    assert percent(0.846153) == "84.62"
    assert plain(0)(1234.0) == "1,234"


@pytest.mark.parametrize(("value", "there"), [(1, True), (0.0, True), (math.nan, False), (pd.NA, False), (None, False)])
def test_what_is_a_number(value: Any, there: bool) -> None:
    assert is_number(value) is there


def test_reasons_are_told_once_and_numbered() -> None:
    notes = Footnotes()
    first = notes.cell(math.nan, percent, "no object")
    assert (first.text, first.reason, first.mark) == (DASH, "no object", 1)
    assert notes.cell(None, percent).reason == NO_REASON
    assert notes.cell(pd.NA, percent, "no object").mark == 1
    assert notes.cell(0.0, percent, "no object").text == "0.00", "nought is a number"
    assert notes.reasons == ["no object", NO_REASON]


def texts(sheet: Sheet, name: str) -> list[str]:
    return [cell.text for cell in dict(sheet.rows)[name]]


def test_the_papers_tables_follow_from_the_counts() -> None:
    comparison = compare(cell())
    ratios, counts, *_ = detection_sheets(comparison)
    for name in CLASSES:
        for pair in range(3):
            tp, fp, fn = (int(text) for text in texts(counts, name)[5 * pair : 5 * pair + 3])
            told = texts(ratios, name)[4 * pair : 4 * pair + 4]
            expected = [tp / (tp + fp), tp / (tp + fn), 2 * tp / (2 * tp + fp + fn), tp / (tp + fp + fn)]
            assert told == [percent(value) for value in expected]
    assert ratios.groups == (("automatic vs M1", 4), ("automatic vs M2", 4), ("M2 vs M1", 4))


def test_only_the_threshold_of_the_comparison() -> None:
    comparison = compare(cell())
    assert len(at_threshold(comparison)) == 3 * len(CLASSES)
    assert set(at_threshold(replace(comparison, threshold=0.75))["threshold"]) == {0.75}
    assert at_threshold(comparison, "paper").empty


def test_the_note_of_the_row_is_the_reason() -> None:
    comparison = compare(cell())
    table = comparison.detection.assign(precision=math.nan, note="the program found none")
    sheet = detection_sheets(replace(comparison, detection=table))[0]
    assert sheet.footnotes == ("the program found none",)
    assert texts(sheet, "lysosome")[0] == DASH


def test_volume_overlap_has_a_column_for_each_pair() -> None:
    sheet = volume_sheet(compare(cell()))
    assert sheet.columns == ("automatic vs M1", "automatic vs M2", "M2 vs M1")
    assert sheet.groups == ()
    assert all(0 <= float(text) <= 100 for name in CLASSES for text in texts(sheet, name))


def test_agreement_components_and_slices_have_every_class() -> None:
    comparison = compare(cell())
    sheets = [*agreement_sheets(comparison), *component_sheets(comparison), slice_sheet(comparison)]
    assert len(sheets) == 6
    for sheet in sheets:
        assert sheet is not None
        assert [name for name, _ in sheet.rows] == list(CLASSES)
        assert all(len(cells) == len(sheet.columns) for _, cells in sheet.rows)


def test_totals_of_a_class_that_a_source_lacks() -> None:
    comparison = compare(cell())
    totals = comparison.totals
    without = totals[~((totals["source"] == "M2") & (totals["class"] == "lysosome"))]
    sheet = totals_sheet(replace(comparison, totals=without))
    assert texts(sheet, "lysosome")[-3:] == [DASH] * 3
    assert sheet.footnotes == ("M2 has no object of this class",)


def test_totals_of_boxes_are_their_numbers() -> None:
    comparison = compare(cell())
    sheet = totals_sheet(replace(comparison, totals=comparison.totals.assign(volume_um3=np.nan, area_um2=np.nan)))
    assert sheet.columns == ("Objects",) * 3
    assert sheet.footnotes == ()


def test_the_matrix_of_classes() -> None:
    first, *_ = sheets = confusion_sheets(compare(cell()))
    assert len(sheets) == 3
    assert first.columns == (*CLASSES, "in none")
    assert texts(first, "late_endosome")[3] == "1", "one late endosome was taken for a lysosome"
    assert texts(first, "in none")[-1] == "", "what is in neither cannot be counted"
    assert dict(first.rows)["mitochondrion"][0].strong


def test_empty_tables_give_no_sheets() -> None:
    nothing = Comparison.empty()
    assert detection_sheets(nothing) == []
    assert component_sheets(nothing) == []
    assert confusion_sheets(nothing) == []
    assert slice_sheet(nothing) is None
    bare = replace(compare(cell()), agreement=empty_table("agreement"))
    assert texts(volume_sheet(bare), "lysosome") == [DASH] * 3


def test_parameters_are_flat_lines() -> None:
    told = dict(lines_of({"a": {"b": 1, "c": {}}, "d": None, "e": (1, 2), "f": False}))
    assert told == {"a.b": "1", "a.c": "none", "d": "none", "e": "(1, 2)", "f": "False"}
