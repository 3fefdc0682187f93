"""How the objects were found, as tables."""

import math
from dataclasses import replace

import pytest

from famous.compare.comparison import Comparison, as_table
from famous.compare.metrics import NO_SCORES
from famous.report.comparison_found import at_threshold, detection_sheets, thresholds_sheet
from famous.report.comparison_numbers import DASH, Sheet, percent
from tests.comparisons import CLASSES, cell, compare


def texts(sheet: Sheet, name: str) -> list[str]:
    return [cell.text for cell in dict(sheet.rows)[name]]


def with_paper() -> Comparison:
    """A comparison that counts as the paper too, one found more and one invented less than one to one."""
    comparison = compare(cell())
    table = comparison.detection
    paper = table.assign(matching="paper", tp=table["tp"] + 1, fp=table["fp"] - 1)
    both = as_table("detection", [*table.to_dict("records"), *paper.to_dict("records")])
    return replace(comparison, detection=both)


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


def test_the_papers_matching_shows_the_counts_that_it_follows_from() -> None:
    ratios, counts, paper, behind, *_ = detection_sheets(with_paper())
    assert "one to one" in ratios.caption
    assert "as the paper counts" in paper.caption
    assert "as the paper counts" in behind.caption
    assert behind.columns == ("TP", "FP", "FN") * 3
    for name in CLASSES:
        plainly, told = texts(counts, name), texts(behind, name)
        for pair in range(3):
            tp, fp, fn = (int(text) for text in plainly[5 * pair : 5 * pair + 3])
            assert [int(text) for text in told[3 * pair : 3 * pair + 3]] == [tp + 1, fp - 1, fn]


def test_other_thresholds_stand_under_each_other_in_each_class() -> None:
    comparison = compare(cell())
    sheet = thresholds_sheet(comparison)
    assert sheet is not None
    assert sheet.parts == 4
    heads = [head for head, _ in sheet.rows]
    assert heads[:4] == ["mitochondrion, 0.25", "mitochondrion, 0.5", "mitochondrion, 0.75", "mitochondrion, mean"]
    for level in (0.25, 0.5, 0.75):
        there = at_threshold(replace(comparison, threshold=level))
        first = there[(there["class"] == "mitochondrion") & (there["truth"] == "M1") & (there["pred"] == "automatic")]
        assert texts(sheet, f"mitochondrion, {level:g}")[2] == percent(first["f1"].iloc[0])


@pytest.mark.parametrize(("kept", "heads"), [(0.25, ["0.25"]), (0.6, []), (math.nan, ["mean"])])
def test_thresholds_that_were_not_tried_have_no_row(kept: float, heads: list[str]) -> None:
    comparison = compare(cell())
    table = comparison.detection
    some = table[table["threshold"].isna() if math.isnan(kept) else table["threshold"] == kept]
    sheet = thresholds_sheet(replace(comparison, detection=some))
    rows = [] if sheet is None else [head for head, _ in sheet.rows]
    assert rows == [f"{name}, {head}" for name in CLASSES for head in heads]


def test_reasons_of_other_columns_stand_under_none() -> None:
    comparison = compare(cell())
    note = f"no object on either side: nothing is defined; {NO_SCORES}"
    table = comparison.detection.assign(precision=math.nan, ap=math.nan, note=note)
    sheets = {sheet.caption.split(",")[0]: sheet for sheet in detection_sheets(replace(comparison, detection=table))}
    assert sheets["Precision"].footnotes == ("no object on either side: nothing is defined",)
    assert set(sheets["Panoptic quality"].footnotes) == {
        "no object on either side: nothing is defined",  # of one class, which has no PQ
        NO_SCORES,
    }


def test_nothing_matched_has_no_sheets() -> None:
    assert detection_sheets(Comparison.empty()) == []
    assert thresholds_sheet(Comparison.empty()) is None
