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
    component_sheets,
    confusion_sheets,
    is_flat,
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
    [
        (0, "0"),
        (12345.6, "12,300"),
        (0.012345, "0.0123"),
        (1, "1.00"),
        (99.96, "100"),
        (0.00001, "0.0000100"),
        (8.19e-5, "0.0000819"),
        (0.297, "0.297"),
        (1.06, "1.06"),
        (9.996e-7, "0.00000100"),
        (8.19e-7, "8.19e-7"),
        (-0.5, "-0.500"),
    ],
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


def test_the_reasons_under_a_table_are_those_of_its_columns() -> None:
    comparison = compare(cell())
    columns = ["volume_overlap_percent", "vi_split_bits", "adapted_rand_error", "surface_mean_nm"]
    note = "no voxel in truth: variation of information and adapted Rand error are undefined; "
    note += "no pair matched: surface distances are undefined"
    bare = replace(comparison, agreement=comparison.agreement.assign(**dict.fromkeys(columns, math.nan), note=note))
    assert volume_sheet(bare).footnotes == (NO_REASON,)
    _, information, surface = agreement_sheets(bare)
    assert information.footnotes == (
        "no voxel in truth: variation of information and adapted Rand error are undefined",
    )
    assert surface.footnotes == ("no pair matched: surface distances are undefined",)


def test_surface_distances_say_that_they_are_of_matched_pairs() -> None:
    surface = agreement_sheets(compare(cell()))[2]
    assert "matched" in surface.caption
    assert "missed or invented has no distance" in surface.about


def test_information_says_that_inventions_do_not_count() -> None:
    information = agreement_sheets(compare(cell()))[1]
    assert "over the voxels that truth labels" in information.about
    assert "what is invented outside of them does not count" in information.about


def test_slices_are_scored_by_pixels() -> None:
    sheet = slice_sheet(compare(cell()))
    assert sheet is not None
    assert sheet.caption.startswith("Pixels")


def test_the_slices_of_the_report_are_those_of_the_csv() -> None:
    comparison = compare(cell())
    sheet = slice_sheet(comparison)
    assert sheet is not None
    assert sheet.columns[:5] == ("Slices", "F1 mean", "F1 SD", "IoU mean", "IoU SD")
    row = comparison.slice_scores.iloc[0]
    told = [f"{row['n']}", *(f"{row[name]:.3f}" for name in ("f1_mean", "f1_sd", "iou_mean", "iou_sd"))]
    assert texts(sheet, CLASSES[0])[:5] == told
    note = "one slice only with a pixel on either side: the standard deviation is undefined"
    single = comparison.slice_scores.assign(n=1, f1_sd=math.nan, iou_sd=math.nan, note=note)
    sheet = slice_sheet(replace(comparison, slice_scores=single))
    assert sheet is not None
    assert sheet.footnotes == (note,)


def test_boxes_are_flat() -> None:
    comparison = compare(cell())
    assert not is_flat(comparison)
    assert not is_flat(Comparison.empty())
    assert is_flat(replace(comparison, objects=comparison.objects.assign(volume_um3=math.nan)))


def test_a_table_is_as_wide_as_its_longest_words() -> None:
    narrow = Sheet("", ("a_b", "c d"), (("e", ()),))
    assert narrow.width_em == pytest.approx(0.6 * (2 + 1 + 1) + 3 * 1.3, abs=0.05)
    assert replace(narrow, columns=("a_b", "c d", "longer")).width_em > narrow.width_em


def test_the_matrix_of_classes() -> None:
    first, *_ = sheets = confusion_sheets(compare(cell()))
    assert len(sheets) == 3
    assert first.columns == (*CLASSES, "in none")
    assert texts(first, "late_endosome")[3] == "1", "one late endosome was taken for a lysosome"
    assert texts(first, "in none")[-1] == "", "what is in neither cannot be counted"
    assert dict(first.rows)["mitochondrion"][0].strong


def test_a_class_called_none_has_a_row_and_a_column_of_its_own() -> None:
    comparison = compare(cell())
    columns = ["pred_class", "truth_class"]
    confusion = comparison.confusion.assign(**{c: comparison.confusion[c].replace("lysosome", "none") for c in columns})
    sources = tuple(replace(facts, classes=(*CLASSES[:3], "none")) for facts in comparison.sources)
    plain, *_ = confusion_sheets(comparison)
    first, *_ = confusion_sheets(replace(comparison, sources=sources, confusion=confusion))
    assert first.columns == (*CLASSES[:3], "none", "in none")
    assert [cells for _, cells in first.rows] == [cells for _, cells in plain.rows]


def test_empty_tables_give_no_sheets() -> None:
    nothing = Comparison.empty()
    assert component_sheets(nothing) == []
    assert confusion_sheets(nothing) == []
    assert slice_sheet(nothing) is None
    bare = replace(compare(cell()), agreement=empty_table("agreement"))
    assert texts(volume_sheet(bare), "lysosome") == [DASH] * 3


def test_parameters_are_flat_lines() -> None:
    told = dict(lines_of({"a": {"b": 1, "c": {}}, "d": None, "e": (1, 2), "f": False}))
    assert told == {"a.b": "1", "a.c": "none", "d": "none", "e": "(1, 2)", "f": "False"}
