"""Which matches the report shows, and what part of the grid round them."""

from dataclasses import replace

import numpy as np
import pytest

from famous.compare.comparison import Comparison, empty_table
from famous.report.comparison_errors import ASPECT, ShownParams, _meeting, choose, window_of
from tests.comparisons import CLASSES, SHAPE, SIZE, cell, compare


def test_each_kind_of_error_is_there_the_dearest_first() -> None:
    chosen = choose(compare(cell()))
    kinds = [kind for kind, _ in chosen]
    assert set(kinds) == {"missed", "invented", "confused", "merge", "split", "matched", "typical"}
    assert kinds[-1] == "typical"
    costs = [group[0].cost for _, group in chosen[:-1]]
    assert costs == sorted(costs, reverse=True)
    for _, group in chosen[:-1]:
        inside = [shown.cost for shown in group]
        assert inside == sorted(inside, reverse=True)


def test_a_split_is_one_error_with_all_its_parts() -> None:
    (split,) = dict(choose(compare(cell())))["split"]
    assert split.truth == (("M1", "mitochondrion", 1),)
    assert {number for *_, number in split.pred} == {1, 2}


def test_a_merge_is_one_error_with_all_that_it_swallowed() -> None:
    (merge,) = dict(choose(compare(cell())))["merge"]
    assert merge.pred == (("automatic", "mitochondrion", 3),)
    assert len(merge.truth) == 2


@pytest.mark.parametrize(("kind", "whole", "side"), [("merge", "pred_id", "truth"), ("split", "truth_id", "pred")])
def test_the_part_that_costs_nothing_is_named_too(kind: str, whole: str, side: str) -> None:
    comparison = compare(cell())
    matches = comparison.matches
    is_largest = (matches["kind"] == kind) & ~matches.duplicated(["pred", "truth", "class", "kind", whole])
    some = matches.assign(cost_um3=matches["cost_um3"].mask(is_largest, 0.0))
    (one,) = dict(choose(replace(comparison, matches=some)))[kind]
    assert len(getattr(one, side)) == 2
    assert one.cost > 0


def test_parts_above_each_other_are_met_where_they_overlap() -> None:
    low, high = np.array([[0, 0, 10], [20, 6, 30]]), np.array([[10, 10, 20], [30, 16, 40]])
    assert _meeting(low, high, np.array([15, 3, 25])).tolist() == [15, 8, 25]
    assert _meeting(low[:0], high[:0], np.array([1, 2, 3])).tolist() == [1, 2, 3]


def test_boxes_cost_pixels() -> None:
    comparison = compare(cell())
    boxes = replace(
        comparison,
        objects=comparison.objects.assign(volume_um3=np.nan),
        matches=comparison.matches.assign(cost_um3=np.nan),
    )
    costs = [one.cost for _, group in choose(boxes) for one in group]
    volumes = [one.cost for _, group in choose(comparison) for one in group]
    assert costs == pytest.approx([volume / (20 * 8 * 8 / 1e9) for volume in volumes])


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
