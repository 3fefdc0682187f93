"""The tables of a comparison: each number where it belongs, in its unit, undefined where it is."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from famous.compare.comparison import COLUMNS, NO_CLASS
from famous.compare.distance import Distances
from famous.compare.metrics import THRESHOLDS
from famous.compare.uncertainty import BootstrapParams
from famous.pipeline.compare_count import count
from famous.pipeline.compare_tables import Placement, Tabulator, score_slices
from famous.pipeline.stage import Session
from tests.compare_scenes import MITOS, SHAPE, SIZE, VESICLES, scene, sources

UM3 = SIZE.volume_nm3 / 1e9
QUICK = BootstrapParams(rounds=200)
ALONE = {"pred": "automatic", "truth": "M1", "class": "mito"}


def tabulate(some, **changes):
    return Tabulator(some, count(some, Session()), Placement((0, 0, 0), SHAPE), changes.pop("scores", {}), **changes)


@pytest.fixture(scope="module")
def tabulator():
    return tabulate(scene(), bootstrap=QUICK)


def pick(table, **values):
    chosen = table
    for name, value in values.items():
        chosen = chosen[chosen[name] == value]
    return chosen


def test_objects_have_their_place_and_size(tabulator):
    objects = tabulator.objects()
    assert list(objects.columns) == list(COLUMNS["objects"])
    row = pick(objects, source="M1", id=3, **{"class": "mito"}).iloc[0]
    z, y, x = MITOS[3]
    assert row["voxels"] == 9 * 12 * 20
    assert row["volume_um3"] == pytest.approx(9 * 12 * 20 * UM3)
    assert [row[f"low_{axis}_voxel"] for axis in "zyx"] == [z[0], y[0], x[0]]
    assert [row[f"high_{axis}_voxel"] for axis in "zyx"] == [z[1], y[1], x[1]]
    assert row["centroid_z_um"] == pytest.approx((3 + 12) / 2 * 0.020)
    assert row["centroid_x_um"] == pytest.approx((6 + 26) / 2 * 0.010)
    assert not row["touches_border"]
    assert math.isnan(row["score"])
    flat = 2 * (9 * 12 * 200 + 9 * 20 * 200 + 12 * 20 * 100) / 1e6
    assert row["area_um2"] == pytest.approx(flat, rel=0.25)  # lines round off the edges of a brick


def test_a_region_keeps_the_places_of_the_grid():
    some = scene()
    moved = Tabulator(some, count(some, Session()), Placement((100, 20, 30), (200, 200, 200)), {}, bootstrap=QUICK)
    plain = tabulate(some).objects()
    objects = moved.objects()
    assert (objects["low_z_voxel"] - plain["low_z_voxel"] == 100).all()
    assert objects["centroid_x_um"].to_numpy() == pytest.approx(plain["centroid_x_um"] + 0.3)
    assert set(moved.slices()["z"]) == set(range(100, 100 + SHAPE[0]))


def test_totals_add_the_objects_up(tabulator):
    totals = tabulator.totals(tabulator.objects())
    row = pick(totals, source="M1", **{"class": "vesicle"}).iloc[0]
    assert row["count"] == len(VESICLES)
    assert row["volume_um3"] == pytest.approx(3 * 3 * 6 * 6 * UM3)
    assert len(totals) == 6


def test_detection_counts_what_was_found(tabulator):
    detection = tabulator.detection()
    row = pick(detection, threshold=0.5, **ALONE).iloc[0]
    assert (row["tp"], row["fp"], row["fn"]) == (3, 2, 3)
    assert (row["splits"], row["merges"]) == (1, 1)
    assert row["precision"] == pytest.approx(3 / 5)
    assert set(detection["matching"]) == {"one to one"}
    assert len(pick(detection, **ALONE)) == len(THRESHOLDS) + 1


def test_the_papers_matching_stands_beside_and_forgives_the_split():
    detection = tabulate(scene(), paper=True).detection()
    row = pick(detection, matching="paper", threshold=0.5, **ALONE).iloc[0]
    assert (row["tp"], row["fp"], row["fn"]) == (3, 1, 3)
    assert set(detection["matching"]) == {"one to one", "paper"}


def test_a_threshold_of_ones_own_has_a_row():
    some = scene(threshold=0.62)
    detection = tabulate(some).detection()
    assert len(pick(detection, threshold=0.62, **ALONE)) == 1


def test_scores_give_an_average_precision():
    scores = {("automatic", "mito"): {2: 0.9, 3: 0.8, 10: 0.7, 11: 0.2, 12: 0.1}}
    detection = tabulate(scene(), scores=scores).detection()
    row = pick(detection, threshold=0.5, **ALONE).iloc[0]
    assert row["ap"] == pytest.approx(3 / 6)
    assert math.isnan(pick(detection, threshold=0.5, pred="M2", **{"class": "mito"}).iloc[0]["ap"])


def test_an_object_without_a_score_takes_the_average_precision_away():
    scores = {("automatic", "mito"): {2: 0.9, 3: 0.8, 10: 0.7, 11: 0.2}}
    row = pick(tabulate(scene(), scores=scores).detection(), threshold=0.5, **ALONE).iloc[0]
    assert math.isnan(row["ap"])
    assert "average precision needs a score of every object" in row["note"]


def test_volumes_agree_as_the_paper_counts(tabulator):
    far = Distances(np.array([0.0, 20.0]), np.array([50.0, 50.0]))
    agreement = tabulator.agreement({(("M2", "M1"), "mito"): far, (("automatic", "M1"), "mito"): Distances.empty()})
    row = pick(agreement, pred="M2", truth="M1", **{"class": "mito"}).iloc[0]
    labels = sources()
    a, b = labels["M2"]["mito"] > 0, labels["M1"]["mito"] > 0
    assert row["volume_overlap_percent"] == pytest.approx(100 * (a & b).sum() / (a | b).sum())
    assert row["union_um3"] == pytest.approx((a | b).sum() * UM3)
    assert (row["surface_mean_nm"], row["surface_hausdorff_nm"]) == (10, 20)
    none = pick(agreement, **ALONE).iloc[0]
    assert math.isnan(none["surface_mean_nm"])
    assert "no pair matched" in none["note"]
    left_out = pick(agreement, pred="automatic", truth="M2", **{"class": "mito"}).iloc[0]
    assert "all slices" in left_out["note"]


def test_confusion_counts_every_object_once(tabulator):
    table, rows = tabulator.confusion(tabulator.matchings())
    own = pick(table, pred="automatic", truth="M1").set_index(["pred_class", "truth_class"])["count"]
    assert own["vesicle", "mito"] == 1
    assert own["mito", "mito"] == 3
    assert own[NO_CLASS, "mito"] == 2
    assert own["vesicle", NO_CLASS] == 1
    assert sum(own[one, "mito"] for one in ("mito", "vesicle", NO_CLASS)) == len(MITOS)
    assert len(rows) == len(pick(rows, kind="confused")) == 2  # by each expert


def test_components_are_counted_in_two_and_three_dimensions(tabulator):
    own = pick(tabulator.components(), **ALONE).set_index("dimensions")
    assert own.loc[3, ["detected", "under_detected", "missed"]].tolist() == [5, 0, 1]
    assert own.loc[2, "missed"] == MITOS[6][0][1] - MITOS[6][0][0]


def test_intervals_hold_their_values(tabulator):
    intervals = tabulator.intervals(tabulator.matchings())
    row = pick(intervals, metric="f1", **ALONE).iloc[0]
    assert row["value"] == pytest.approx(2 * 3 / (5 + 6))
    assert row["low"] < row["value"] < row["high"]
    assert row["n"] == 8
    assert row["level"] == 0.95


def test_slices_are_in_order(tabulator):
    own = pick(tabulator.slices(), **ALONE)
    assert own["z"].tolist() == list(range(SHAPE[0]))
    truth, pred = ((sources()[name]["mito"] > 0)[4] for name in ("M1", "automatic"))
    found = own.iloc[4]
    assert found["tp_px"] == (truth & pred).sum()
    assert found["fn_px"] == (truth & ~pred).sum()


def test_mean_and_deviation_over_the_slices_are_those_of_the_table(tabulator):
    slices = tabulator.slices()
    scores = score_slices(slices)
    assert list(scores.columns) == list(COLUMNS["slice_scores"])
    own, row = pick(slices, **ALONE), pick(scores, **ALONE).iloc[0]
    known = own["f1"].dropna()
    assert row["n"] == len(known) < len(own)
    assert row["f1_mean"] == pytest.approx(known.sum() / len(known))
    assert row["f1_sd"] == pytest.approx(math.sqrt(((known - known.mean()) ** 2).sum() / (len(known) - 1)))
    assert row["iou_sd"] == pytest.approx(own["iou"].std())
    assert row["note"] == ""


@pytest.mark.parametrize(("z", "said"), [((4,), "one slice only"), ((0,), "no slice with a pixel")])
def test_over_fewer_than_two_slices_there_is_no_deviation(z, said):
    row = pick(score_slices(tabulate(replace(scene(), slices=z)).slices()), **ALONE).iloc[0]
    assert math.isnan(row["f1_sd"])
    assert math.isnan(row["f1_mean"]) == (row["n"] == 0)
    assert said in row["note"]


def test_whatever_is_undefined_has_its_reason(tabulator):
    """An expert who drew no mitochondrion, and one who drew nothing that the program knows."""
    labels = sources()
    labels["M1"]["mito"] = np.zeros_like(labels["M1"]["mito"])
    labels["automatic"]["vesicle"] = labels["M2"]["vesicle"] = np.zeros_like(labels["M2"]["vesicle"])
    empty = tabulate(scene(labels), bootstrap=QUICK)
    alone = tabulate(scene({name: sources()[name] for name in ("automatic", "M1")}), bootstrap=QUICK)
    undefined = set()
    for made in (tabulator, empty, alone):
        matchings = made.matchings()
        slices, verdicts = made.slices(), made.verdicts(matchings)
        tables = {"slices": slices, "slice_scores": score_slices(slices), "intervals": made.intervals(matchings)}
        tables |= {"verdicts": verdicts, "verdicts_by_threshold": made.verdicts_by_threshold(verdicts)}
        for name, table in tables.items():
            is_undefined = table.isna().any(axis=1)
            assert ((table["note"] != "") == is_undefined).all(), name
            undefined |= {name} if is_undefined.any() else set()
    assert undefined == {"slices", "slice_scores", "intervals", "verdicts", "verdicts_by_threshold"}
    notes = empty.intervals(empty.matchings()).set_index(["pred", "truth", "class", "metric"])["note"]
    assert notes["automatic", "M1", "mito", "recall"] == "no object in truth: recall is undefined"
    assert notes["automatic", "M1", "mito", "sq"] == "no pair matched: sq is undefined"
    assert notes["automatic", "M2", "vesicle", "f1"] == "no object on either side: nothing is defined"


def test_there_is_a_verdict_for_each_class(tabulator):
    verdicts = tabulator.verdicts(tabulator.matchings()).set_index("class")
    assert list(verdicts.index) == ["mito", "vesicle"]
    assert set(verdicts["kind"]) <= {"undecided", "worse"}
    assert "M2" in verdicts.loc["mito", "sentence"]


def test_an_object_that_only_the_other_expert_ignores_is_judged_by_nobody():
    """M2 ignores all of mito 4: the program is not asked for it either, and both are judged by the same objects."""
    labels = sources()
    labels["M2"]["mito"][labels["M1"]["mito"] == 4] = 99
    some = scene({name: {"mito": classes["mito"]} for name, classes in labels.items()}, ignore=99)
    made = Tabulator(some, count(some, Session()), Placement((0, 0, 0), SHAPE), {})
    matchings = made.matchings()
    assert len(made.verdicts(matchings)) == 1
    objects = made.objects()
    assert 4 not in set(objects.loc[objects["source"] == "M1", "id"])
    totals = made.totals(objects).set_index("source")
    by_hand = objects.groupby("source")["volume_um3"].sum()
    assert totals["volume_um3"].to_dict() == pytest.approx(by_hand.to_dict())
    assert set(objects["id"]) >= {number for key, m in matchings.items() for number in m.truth_ids.tolist()}


def test_the_verdict_moves_with_the_threshold(tabulator):
    own = tabulator.verdicts(tabulator.matchings())
    table = tabulator.verdicts_by_threshold(own)
    assert sorted(set(table["threshold"])) == sorted(THRESHOLDS)
    at_half = table[table["threshold"] == 0.5].drop(columns="threshold").reset_index(drop=True)
    pd.testing.assert_frame_equal(at_half, own)
    mito = table[table["class"] == "mito"].set_index("threshold")
    strict = replace(tabulator, scene=replace(tabulator.scene, threshold=0.8))
    alone = strict.verdicts(strict.matchings()).set_index("class").loc["mito"]
    assert mito.loc[0.8, ["kind", "sentence"]].tolist() == alone[["kind", "sentence"]].tolist()
    assert len(set(mito["difference"])) > 1


def test_without_a_second_expert_there_is_only_the_interval():
    labels = sources()
    some = tabulate(scene({"automatic": labels["automatic"], "M1": labels["M1"]}), bootstrap=QUICK)
    verdicts = some.verdicts(some.matchings())
    assert set(verdicts["kind"]) == {"no second expert"}
    assert verdicts["difference"].isna().all()
    assert (verdicts["low"] < verdicts["high"]).all()


def test_a_class_that_only_the_second_expert_drew_is_judged_by_that_one():
    labels = sources()
    del labels["M1"]["vesicle"]
    some = tabulate(scene(labels), bootstrap=QUICK)
    row = pick(some.verdicts(some.matchings()), **{"class": "vesicle"}).iloc[0]
    assert row["kind"] == "no second expert"
    assert "M2" in row["sentence"]


def test_a_zone_that_swallows_all_objects_is_told():
    some = tabulate(scene(boundary_nm=500), bootstrap=QUICK)
    sentences = some.verdicts(some.matchings()).set_index("class")["sentence"]
    assert f"All {len(MITOS)} objects of M1 lie in what is left out, the zone round borders" in sentences["mito"]
    assert f"All {len(VESICLES)} objects of M1" in sentences["vesicle"]
