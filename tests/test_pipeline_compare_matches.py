"""Who is who, row by row, on a cell in which everything that can go wrong does."""

import numpy as np
import pandas as pd
import pytest

from famous.pipeline.compare_count import count
from famous.pipeline.compare_matches import list_matches
from famous.pipeline.compare_tables import Placement, Tabulator
from famous.pipeline.stage import Session
from tests.compare_scenes import MITOS, SHAPE, SIZE, VESICLES, scene, sources

UM3 = SIZE.volume_nm3 / 1e9


def voxels(brick):
    return int(np.prod([high - low for low, high in brick]))


@pytest.fixture(scope="module")
def matches():
    some = scene()
    counts = count(some, Session())
    tabulator = Tabulator(some, counts, Placement((0, 0, 0), SHAPE), {})
    matchings = tabulator.matchings()
    return list_matches(some, counts, matchings, tabulator.confusion(matchings)[1])


def of(matches, pair, name, kind):
    pred, truth = pair
    return matches[
        (matches["pred"] == pred) & (matches["truth"] == truth) & (matches["class"] == name) & (matches["kind"] == kind)
    ]


AUTO = ("automatic", "M1")


def test_every_object_of_truth_is_matched_or_missed(matches):
    for name, bricks in (("mito", MITOS), ("vesicle", VESICLES)):
        rows = pd.concat([of(matches, AUTO, name, "matched"), of(matches, AUTO, name, "missed")])
        assert sorted(rows["truth_id"]) == sorted(bricks)


def test_a_match_costs_what_only_one_side_has(matches):
    row = of(matches, ("M2", "M1"), "mito", "matched").set_index("truth_id").loc[3]
    alone = 2 * 9 * 12 * 2  # two voxels at each end of a moved brick
    shared = voxels(MITOS[3]) - alone // 2
    assert row["pred_id"] == 3
    assert row["overlap_voxels"] == shared
    assert row["iou"] == pytest.approx(shared / (shared + alone))
    assert row["cost_um3"] == pytest.approx(alone * UM3)


def test_what_is_missed_costs_all_of_it(matches):
    row = of(matches, ("M2", "M1"), "mito", "missed").iloc[0]
    assert row["truth_id"] == 2
    assert pd.isna(row["pred_id"])
    assert row["overlap_voxels"] == 0
    assert row["cost_um3"] == pytest.approx(voxels(MITOS[2]) * UM3)


def test_what_is_missed_tells_who_came_nearest(matches):
    """Mito 5 lies in the object that is matched with mito 4, or the other way round."""
    missed = of(matches, AUTO, "mito", "missed").set_index("truth_id")
    merged = missed.loc[missed.index.isin([4, 5])].iloc[0]
    assert merged["overlap_voxels"] == voxels(MITOS[4])
    assert merged["iou"] == pytest.approx(14 / 30)


def test_what_is_invented_costs_all_of_it(matches):
    rows = of(matches, AUTO, "vesicle", "invented").set_index("pred_id")
    assert set(rows.index) == {7, 9}
    assert rows.loc[9, "cost_um3"] == pytest.approx(3 * 5 * 6 * UM3)


def test_a_split_costs_all_pieces_but_the_largest(matches):
    rows = of(matches, AUTO, "mito", "split")
    assert rows["pred_id"].tolist() == [10, 11]
    assert rows["truth_id"].tolist() == [1, 1]
    assert rows["cost_um3"].tolist() == pytest.approx([0, 8 * 10 * 9 * UM3])


def test_a_merge_costs_all_pieces_but_the_largest(matches):
    rows = of(matches, AUTO, "mito", "merge")
    assert rows["pred_id"].tolist() == [12, 12]
    assert sorted(rows["truth_id"]) == [4, 5]
    assert sorted(rows["cost_um3"]) == pytest.approx([0, voxels(MITOS[5]) * UM3])


def test_a_mitochondrion_that_was_called_a_vesicle_is_confused(matches):
    rows = of(matches, AUTO, "mito", "confused")
    assert len(rows) == 1
    row = rows.iloc[0]
    assert (row["truth_id"], row["pred_id"], row["other_class"], row["iou"]) == (6, 7, "vesicle", 1.0)
    assert row["cost_um3"] == pytest.approx(voxels(MITOS[6]) * UM3)


def test_identical_sources_have_matches_only():
    labels = sources()["M1"]
    some = scene({"a": labels, "b": labels})
    counts = count(some, Session())
    tabulator = Tabulator(some, counts, Placement((0, 0, 0), SHAPE), {})
    matchings = tabulator.matchings()
    found = list_matches(some, counts, matchings, tabulator.confusion(matchings)[1])
    assert set(found["kind"]) == {"matched"}
    assert (found["cost_um3"] == 0).all()
    assert (found["iou"] == 1).all()


def test_nothing_has_no_row():
    none = {"mito": np.zeros(SHAPE, np.uint8)}
    some = scene({"a": none, "b": none})
    counts = count(some, Session())
    tabulator = Tabulator(some, counts, Placement((0, 0, 0), SHAPE), {})
    matchings = tabulator.matchings()
    assert len(list_matches(some, counts, matchings, tabulator.confusion(matchings)[1])) == 0
