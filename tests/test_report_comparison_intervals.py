"""Verdicts with their intervals."""

from dataclasses import replace

import numpy as np

from famous.compare.comparison import VERDICT_KINDS, Comparison
from famous.report.comparison_intervals import MARKS, moving_sheet, order, rule, verdicts
from tests.comparisons import CLASSES, cell, compare


def test_each_class_has_its_sentence_and_a_line_for_each_pair() -> None:
    told = verdicts(compare(cell()))
    assert [verdict.class_name for verdict in told] == list(CLASSES)
    assert {verdict.metric for verdict in told} == {"F1"}
    for verdict in told:
        assert [line.role.key for line in verdict.lines] == ["pair-0", "pair-1", "pair-2"]
        for line in verdict.lines:
            assert line.low is not None
            assert line.high is not None
            assert 0 <= line.low <= line.value <= line.high <= 100


def test_every_kind_has_a_mark() -> None:
    assert set(MARKS) == set(VERDICT_KINDS)
    assert MARKS["as good"] != MARKS["worse"]


def test_a_score_that_is_undefined_has_no_line_but_a_word() -> None:
    comparison = compare(cell())
    intervals = comparison.intervals
    gone = (intervals["pred"] == "automatic") & (intervals["class"] == "lysosome")
    told = verdicts(replace(comparison, intervals=intervals.assign(value=intervals["value"].mask(gone))))[-1]
    assert [line.role.name for line in told.lines] == ["M2 against M1"]
    assert len(told.missing) == 2
    assert "–" in told.missing[0]


def test_a_score_without_an_interval_is_a_point() -> None:
    comparison = compare(cell())
    bare = replace(comparison, intervals=comparison.intervals.assign(low=np.nan, high=np.nan))
    line = verdicts(bare)[0].lines[0]
    assert line.low is None
    assert line.text == f"{line.value / 100:.2f}"


def test_the_metric_of_the_verdict_is_shown() -> None:
    comparison = compare(cell())
    other = comparison.intervals.assign(metric="mean_iou", value=0.25)
    decided = replace(comparison, intervals=other, verdicts=comparison.verdicts.assign(metric="mean_iou"))
    told = verdicts(decided)[0]
    assert told.metric == "mean IoU"
    assert told.lines[0].value == 25


def test_the_verdict_at_each_threshold_stands_in_a_row() -> None:
    comparison = compare(cell())
    table = comparison.verdicts_by_threshold
    table.loc[(table["class"] == CLASSES[0]) & (table["threshold"] == 0.75), ["kind", "difference"]] = ["worse", -0.2]
    table.loc[(table["class"] == CLASSES[1]) & (table["threshold"] == 0.75), "metric"] = "sq"
    table.loc[(table["class"] == CLASSES[3]), "difference"] = np.nan
    sheet = moving_sheet(comparison)
    assert sheet is not None
    assert sheet.columns == ("0.25", "0.5", "0.75")
    rows = {name: [one.text for one in cells] for name, cells in sheet.rows}
    assert rows[CLASSES[0]] == ["✓ 0.00", "✓ 0.00", "✕ −0.20"]
    assert rows[CLASSES[1]] == ["✕ −0.05", "✕ −0.05", "✕ −0.05 o"]
    assert rows[CLASSES[3]] == ["–"] * 3
    assert sheet.footnotes == ("The program found no object that an expert drew",)
    assert "with “o”" in sheet.about
    assert [one.strong for one in sheet.rows[0][1]] == [False, True, False]


def test_without_a_second_expert_no_verdict_moves() -> None:
    assert moving_sheet(compare(cell(), ("automatic", "M1"))) is None


def test_the_rule_is_one_sentence_with_its_numbers() -> None:
    comparison = compare(cell())
    told = rule(replace(comparison, parameters={"bootstrap": {"rounds": 500}, "verdict": {"margin": 0.07}}))
    for text in ("two-sided 95 % interval", "500 rounds", "automatic against M1 less M2 against M1", "above −0.07"):
        assert text in told
    assert told.count(". ") == 0
    assert "2,000 rounds" in rule(replace(comparison, parameters={}))
    assert "90 %" in rule(replace(comparison, intervals=comparison.intervals.assign(level=0.9)))


def test_the_order_of_the_experts_is_told() -> None:
    told = order(compare(cell()))
    assert told.startswith("M1, the first expert that was named, is the reference: automatic is compared with M1")
    assert "how well M2 agrees with M1" in told
    assert order(compare(cell(), ("automatic", "M1"))) == order(Comparison.empty()) == ""


def test_with_one_expert_there_is_nothing_to_decide() -> None:
    assert "nothing to decide" in rule(compare(cell(), ("automatic", "M1")))


def test_no_verdicts() -> None:
    assert verdicts(Comparison.empty()) == []
    assert rule(Comparison.empty()) == ""
