"""Which matches the report shows, and what part of the grid round them."""

from dataclasses import replace

import numpy as np
import pytest

from famous.compare.comparison import Comparison, empty_table
from famous.report.comparison_errors import ASPECT, ShownParams, choose, window_of
from tests.comparisons import CLASSES, SHAPE, SIZE, cell, compare


def test_each_kind_of_error_is_there_the_dearest_first() -> None:
    chosen = choose(compare(cell()))
    kinds = [kind for kind, _ in chosen]
    assert set(kinds) == {"missed", "invented", "confused", "merge", "split", "matched", "typical"}
    assert kinds[-1] == "typical"
    costs = [group[0].cost_um3 for _, group in chosen[:-1]]
    assert costs == sorted(costs, reverse=True)
    for _, group in chosen[:-1]:
        inside = [shown.cost_um3 for shown in group]
        assert inside == sorted(inside, reverse=True)


def test_a_split_is_one_error_with_all_its_parts() -> None:
    (split,) = dict(choose(compare(cell())))["split"]
    assert split.truth == (("M1", "mitochondrion", 1),)
    assert {number for *_, number in split.pred} == {1, 2}


def test_a_merge_is_one_error_with_all_that_it_swallowed() -> None:
    (merge,) = dict(choose(compare(cell())))["merge"]
    assert merge.pred == (("automatic", "mitochondrion", 3),)
    assert len(merge.truth) == 2


def test_a_confused_object_has_the_other_class_and_is_not_missed_as_well() -> None:
    chosen = dict(choose(compare(cell())))
    (confused,) = chosen["confused"]
    assert confused.pred == (("automatic", "lysosome", 1),)
    assert confused.truth == (("M1", "late_endosome", 1),)
    assert not [one for one in chosen["missed"] if one.truth == confused.truth]
    assert not [one for one in chosen["invented"] if one.pred == confused.pred]


def test_only_the_first_source_is_on_trial() -> None:
    assert {shown.pair[0] for _, group in choose(compare(cell())) for shown in group} == {"automatic"}


def test_the_typical_lies_nearest_to_the_median() -> None:
    comparison = compare(cell())
    found = comparison.matches
    found = found[(found["kind"] == "matched") & (found["pred"] == "automatic")]
    typical = dict(choose(comparison))["typical"]
    assert [shown.class_name for shown in typical] == ["mitochondrion", "early_endosome", "late_endosome"]
    for shown in typical:
        of = found[found["class"] == shown.class_name]["iou"]
        assert abs(shown.iou - of.median()) == (of - of.median()).abs().min()


def test_one_place_is_shown_once_though_both_experts_tell_of_it() -> None:
    for kind, group in choose(compare(cell())):
        if kind != "typical":
            centres = [tuple(shown.centres[0]) for shown in group]
            for index, one in enumerate(centres):
                for other in centres[index + 1 :]:
                    assert np.linalg.norm((np.array(one) - other) * SIZE.zyx) > 40, kind


@pytest.mark.parametrize("most", [1, 2])
def test_no_more_than_asked_for(most: int) -> None:
    chosen = choose(compare(cell()), ShownParams(worst=most, typical=most, near=1.1))
    assert max(len(group) for kind, group in chosen if kind != "typical") == most
    assert len(dict(chosen)["typical"]) > most


def test_nothing_to_show() -> None:
    assert choose(Comparison.empty()) == []
    bare = replace(compare(cell()), matches=empty_table("matches"))
    assert choose(bare) == []
    assert choose(replace(compare(cell()), objects=empty_table("objects"))) == [], "no boxes, nothing to draw"


def test_windows_have_one_aspect_inside_the_grid_and_hold_the_match() -> None:
    for _, group in choose(compare(cell())):
        for shown in group:
            row0, row1, column0, column1 = window_of(shown, (1, 2), SHAPE, SIZE.zyx)
            assert 0 <= row0 <= shown.low[1] < shown.high[1] <= row1 <= SHAPE[1]
            assert 0 <= column0 <= shown.low[2] < shown.high[2] <= column1 <= SHAPE[2]
            if row1 - row0 < SHAPE[1] and column1 - column0 < SHAPE[2]:
                assert (column1 - column0) / (row1 - row0) == pytest.approx(ASPECT, rel=0.05)


def test_classes_are_those_of_the_phantom() -> None:
    assert {shown.class_name for _, group in choose(compare(cell())) for shown in group} <= set(CLASSES)
