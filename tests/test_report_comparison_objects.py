"""The object table of the page, and who is whose partner."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from famous.compare.comparison import Comparison, as_table
from famous.report.comparison_objects import describe, find_partners, object_rows, rounded, why_alone
from tests.comparisons import cell, compare


def test_every_object_has_a_row_that_json_takes() -> None:
    comparison = compare(cell())
    told = object_rows(comparison)
    assert len(told["rows"]) == len(comparison.objects)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["sources"] == ["automatic", "M1", "M2"]


def test_partners_are_known_on_both_sides() -> None:
    partners = find_partners(compare(cell()))
    for ((source, _, _), other), partner in partners.items():
        assert source != other
        for key in partner.others:
            assert key[0] == other
    ours = partners[("automatic", "late_endosome", 1), "M1"]
    theirs = partners[ours.others[0], "automatic"]
    assert ours.kind == theirs.kind == "matched"
    assert ours.iou == theirs.iou


def test_splits_and_merges_name_all_parts() -> None:
    partners = find_partners(compare(cell()))
    split = partners[("M1", "mitochondrion", 1), "automatic"]
    assert split.kind == "split"
    assert len(split.others) == 2
    merge = partners[("automatic", "mitochondrion", 3), "M1"]
    assert merge.kind == "merge"
    assert len(merge.others) == 2


def test_a_confused_object_leads_to_the_other_class() -> None:
    partners = find_partners(compare(cell()))
    assert partners[("M1", "late_endosome", 1), "automatic"].others == [("automatic", "lysosome", 1)]
    assert partners[("automatic", "lysosome", 1), "M1"].others == [("M1", "late_endosome", 1)]


def test_what_was_missed_has_no_partner() -> None:
    partner = find_partners(compare(cell()))[("M1", "early_endosome", 1), "automatic"]
    assert (partner.kind, partner.others) == ("missed", [])


@pytest.mark.parametrize(
    ("iou", "threshold", "said"),
    [
        (None, 0.5, ""),
        (0.0, 0.5, ""),
        (0.49, 0.5, "below the threshold, IoU 0.49"),
        (0.4996, 0.5, "below the threshold, IoU 0.4996"),
        (0.002, 0.5, "below the threshold, IoU 0.002"),
        (0.4, 0.25, "partner has another match, IoU 0.40"),
    ],
)
def test_what_overlaps_below_the_threshold_is_there(iou: float | None, threshold: float, said: str) -> None:
    assert why_alone(iou, threshold) == said


def test_an_object_below_the_threshold_says_so_on_both_sides() -> None:
    comparison = compare(cell())
    matches, objects = comparison.matches, comparison.objects
    early = (matches["class"] == "early_endosome") & (matches["pred"] == "automatic") & (matches["truth"] == "M1")
    near = matches.assign(iou=matches["iou"].mask(early & (matches["kind"] == "missed"), 0.49))
    told = object_rows(replace(comparison, matches=near))
    rows = dict(zip(zip(objects["source"], objects["class"], objects["id"], strict=True), told["rows"], strict=True))
    assert rows["M1", "early_endosome", 1][-1][0] == ["missed", 0.49, [], "below the threshold, IoU 0.49"]
    plain = dict(zip(rows, object_rows(comparison)["rows"], strict=True))
    assert plain["M1", "early_endosome", 1][-1][0] == ["missed", None, []]


def test_matched_wins_over_what_else_is_true() -> None:
    row = {"pred": "a", "truth": "b", "class": "c", "pred_id": 1, "truth_id": 2, "overlap_voxels": 3, "cost_voxels": 1}
    rows = [
        row | {"kind": kind, "iou": iou, "cost_um3": 0.1}
        for kind, iou in (("split", 0.2), ("matched", 0.7), ("merge", 0.1))
    ]
    partners = find_partners(Comparison.empty(matches=as_table("matches", rows)))
    assert partners[("a", "c", 1), "b"].kind == "matched"
    assert partners[("a", "c", 1), "b"].iou == 0.7


def test_nothing_compared_gives_no_rows() -> None:
    assert object_rows(Comparison.empty())["rows"] == []


def test_an_object_is_named_with_its_volume() -> None:
    comparison = compare(cell())
    assert describe(comparison, ("M1", "lysosome", 1)).startswith("M1 1 (0.00")
    assert describe(comparison, ("M1", "lysosome", 99)) == "M1 99"
    bare = replace(comparison, objects=comparison.objects.assign(volume_um3=np.nan))
    pixels = comparison.objects.set_index(["source", "class", "id"]).loc[("M1", "lysosome", 1), "voxels"]
    assert describe(bare, ("M1", "lysosome", 1)) == f"M1 1 ({pixels:,} pixels)"


def test_boxes_have_pixels_and_no_volume() -> None:
    comparison = compare(cell())
    told = object_rows(replace(comparison, objects=comparison.objects.assign(volume_um3=np.nan, area_um2=np.nan)))
    assert told["units"] == {"size": "pixels", "place": "pixels"}
    assert [row[3] for row in told["rows"]] == comparison.objects["voxels"].tolist()
    first = comparison.objects.iloc[0]
    middle = [(first[f"low_{axis}_voxel"] + first[f"high_{axis}_voxel"] - 1) / 2 for axis in "zyx"]
    assert told["rows"][0][5] == middle
    assert object_rows(comparison)["units"]["size"] == "µm³"


@pytest.mark.parametrize(("value", "kept"), [(0.123456, 0.1235), (np.nan, None), (pd.NA, None), (12, 12.0)])
def test_numbers_keep_four_digits(value: object, kept: float | None) -> None:
    assert rounded(value) == kept
