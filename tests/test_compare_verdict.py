"""The verdict per class: decided by the interval, and undecided where there are too few objects."""

import math
from dataclasses import replace

import numpy as np
import pytest

from famous.compare import verdict as module
from famous.compare.uncertainty import Difference, Found, Interval
from famous.compare.verdict import VerdictParams, judge, judge_alone, number_text, objects_needed, why_left_out

NAMES = ("automatic", "M1", "M2")


def found(total, missed, *, iou=0.8, invented=0):
    """Every object found but every `missed`-th; 0 misses none."""
    values = np.full(total, iou)
    if missed:
        values[::missed] = 0
    return Found(np.arange(total, dtype=np.uint64), values, invented)


def test_as_good_with_enough_objects():
    verdict = judge(NAMES, (found(400, 20), found(400, 20)))
    assert verdict.kind == "as good"
    assert verdict.sentence.startswith("automatic agrees with M1 as well as M2 does (F1 0.97 against 0.97")
    assert verdict.low > -0.05
    assert verdict.low < verdict.difference == 0 < verdict.high


def test_the_same_scores_of_few_objects_decide_nothing_and_say_how_many_would():
    verdict = judge(NAMES, (found(6, 0), found(6, 0)))
    assert verdict.kind == "undecided"
    assert "not decided by 6 objects" in verdict.sentence
    assert "would be needed" in verdict.sentence
    assert verdict.difference == 0


@pytest.mark.parametrize("objects", [6, 60, 400])
def test_no_sentence_has_a_bracket_in_a_bracket(objects):
    for missed in (0, 2, 5, 20):
        sentence = judge(NAMES, (found(objects, missed), found(objects, 20))).sentence
        assert "))" not in sentence
        assert "(" not in sentence.replace("(", "", 1).split(")")[0]


def test_worse_by_so_much():
    verdict = judge(NAMES, (found(300, 3), found(300, 20)))
    assert verdict.kind == "worse"
    assert verdict.difference < verdict.high < 0
    assert verdict.sentence.startswith(f"automatic is worse than M2 by {-verdict.difference:.2f} (")
    assert "−" not in verdict.sentence


@pytest.mark.parametrize(
    ("value", "options", "text"),
    [
        (0.004, {}, "0.00"),
        (0.004, {"never": (0.0,)}, "0.004"),
        (0.00004, {"never": (0.0,)}, "0.00004"),
        (0.0, {"never": (0.0,)}, "0.00"),
        (-0.0496, {"signed": True, "never": (0.0, -0.05)}, "−0.0496"),
        (-0.001, {"signed": True}, "0.00"),
        (0.74, {"signed": True, "never": (0.0,)}, "+0.74"),
    ],
)
def test_rounding_does_not_touch_a_limit(value, options, text):
    assert number_text(value, **options) == text


def test_an_interval_that_decides_does_not_read_as_if_it_held_zero(monkeypatch):
    interval = Interval(0.37, 0.003, 0.74, 20)
    gap = Difference(interval, interval, interval, interval, 20)
    monkeypatch.setattr(module, "difference", lambda *_: gap)
    verdict = judge(NAMES, (found(20, 0), found(20, 3)))
    assert verdict.kind == "better"
    assert "by 0.37 (0.003 to 0.74) in F1" in verdict.sentence
    interval = Interval(-0.004, -0.4, -0.003, 20)
    monkeypatch.setattr(module, "difference", lambda *_: replace(gap, f1=interval))
    assert "worse than M2 by 0.004 (0.003 to 0.40) in F1" in judge(NAMES, (found(20, 0), found(20, 3))).sentence
    interval = Interval(0.0, -0.0496, 0.02, 20)
    monkeypatch.setattr(module, "difference", lambda *_: replace(gap, f1=interval))
    assert "difference 0.00, interval −0.0496 to +0.02" in judge(NAMES, (found(20, 0), found(20, 3))).sentence


def test_better():
    verdict = judge(NAMES, (found(300, 20), found(300, 3)))
    assert verdict.kind == "better"
    assert "automatic is better than M2 by" in verdict.sentence
    assert 0 < verdict.low <= verdict.difference


def test_inventions_count_against():
    assert judge(NAMES, (found(200, 20, invented=100), found(200, 20))).kind == "worse"


def test_outlines_that_are_worse_are_worse_though_all_is_found():
    verdict = judge(NAMES, (found(200, 20, iou=0.6), found(200, 20, iou=0.9)))
    assert verdict.kind == "worse"
    assert verdict.metric == "sq"
    assert verdict.difference == pytest.approx(-0.3)
    assert "its outlines are worse by 0.30" in verdict.sentence


def test_a_difference_within_the_margin_is_none():
    sides = (found(3000, 12), found(3000, 14))
    assert judge(NAMES, sides).kind == "as good"
    assert judge(NAMES, sides, VerdictParams(margin=0.001)).kind != "as good"


def test_nobody_else_to_compare_with():
    verdict = judge_alone(("automatic", "M1"), found(100, 10))
    assert verdict.kind == "no second expert"
    assert math.isnan(verdict.difference)
    assert verdict.low < 0.947 < verdict.high
    assert "no second expert" in verdict.sentence


def test_nothing_to_agree_with():
    none = found(0, 0)
    assert judge(NAMES, (none, none)).kind == "undefined"
    assert judge_alone(NAMES[:2], none).kind == "undefined"


def test_both_who_find_nothing_are_no_proof():
    verdict = judge(NAMES, (found(8, 1), found(8, 1)))
    assert verdict.kind == "undecided"
    assert verdict.difference == 0


@pytest.mark.parametrize(
    ("value", "half", "objects", "needed"),
    [(0.0, 0.1, 100, 400), (-0.02, 0.06, 50, 200), (-0.2, 0.3, 20, 45), (0.05, 0.2, 10, 40), (0.33, 0.4, 3, 20)],
)
def test_the_number_that_would_decide_grows_with_the_square(value, half, objects, needed):
    assert objects_needed(Interval(value, value - half, value + half, objects), objects, 0.05) == needed


def test_no_number_would_decide_what_has_no_interval():
    assert objects_needed(Interval(0.0, math.nan, math.nan, 3), 3, 0.05) is None


@pytest.mark.parametrize("seed", range(5))
def test_it_is_rarely_wrong(seed):
    """Two experts of one skill: the program is hardly ever called worse or better."""
    rng = np.random.default_rng(seed)
    kinds = []
    for _ in range(40):
        sides = [Found(np.arange(80, dtype=np.uint64), np.where(rng.random(80) < 0.9, 0.8, 0), 0) for _ in range(2)]
        kinds.append(judge(NAMES, (sides[0], sides[1])).kind)
    assert sum(kind in ("worse", "better") for kind in kinds) <= 6


@pytest.mark.parametrize(
    ("drawn", "ignored", "said"),
    [
        (0, False, "M1 has no such object"),
        (18, False, "All 18 objects of M1 lie in what is left out, the zone round borders"),
        (1, True, "The only object of M1 lies in what is left out, the zone round borders or under the ignore label"),
        (0, True, "All that M1 may have lies in what is left out, under the ignore label"),
    ],
)
def test_what_is_left_out_as_a_whole_is_not_said_to_be_absent(drawn, ignored, said):
    none, left_out = found(0, 0), why_left_out("M1", drawn, ignored=ignored)
    for verdict in (judge(NAMES, (none, none), left_out=left_out), judge_alone(NAMES[:2], none, left_out=left_out)):
        assert verdict.kind == "undefined"
        assert said in verdict.sentence
        assert ("no such object" in verdict.sentence) == (not left_out)
        assert verdict.sentence.endswith("there is nothing to agree with.")
