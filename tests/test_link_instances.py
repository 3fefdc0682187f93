import numpy as np
import pandas as pd
import pytest

from famous.errors import ConfigError, InputError
from famous.link import link
from famous.link.instances import best_score, canonical, class_groups, finish
from famous.voxels import VoxelSize
from tests.link_phantoms import VOXEL, table

FIRST, LAST = (0, 50, 50, 52, 52), (9, 50, 50, 52, 52)  # boxes in the first and the last slice


def finished(boxes, track, **knobs):
    return finish(canonical(boxes), np.array(track, dtype=np.int32), voxel_size=VOXEL, **knobs)


def test_canonical_order_is_by_slice_and_position_and_remembers_the_rows():
    ordered = canonical(table((1, 0, 0, 2, 2), (0, 5, 0, 7, 2), (0, 0, 5, 2, 7), (0, 0, 1, 2, 3)))
    assert ordered.index.tolist() == [3, 2, 1, 0]


def test_groups_join_exclusive_classes_only():
    names = table(*[(0, 0, 0, 1, 1)] * 4, class_name=["a", "b", "c", "b"])["class_name"]
    group = class_groups(names, [["c", "a", "absent"]]).tolist()
    assert group[0] == group[2] != group[1] == group[3]
    assert len(set(class_groups(names, []).tolist())) == 3


def test_groups_that_share_a_class_are_refused():
    with pytest.raises(ConfigError, match="'b'"):
        class_groups(table()["class_name"], [["a", "b"], ["b"]])


def test_vote_goes_to_the_class_with_most_score_times_pixels():
    boxes = table(*((z, 0, 0, 2, 2) for z in range(3)), class_name=["a", "b", "b"], score=[1.0, 0.4, 0.5])
    assert finished(boxes, [0, 0, 0])["class_name"].tolist() == ["a"] * 3
    heavier = boxes.assign(pixels=[4, 5, 5])
    assert finished(heavier, [0, 0, 0])["class_name"].tolist() == ["b"] * 3


def test_vote_without_winner_goes_to_the_first_in_the_alphabet():
    boxes = table((0, 0, 0, 2, 2), (1, 0, 0, 2, 2), class_name=["b", "a"])
    assert finished(boxes, [0, 0])["class_name"].tolist() == ["a", "a"]


def test_vote_counts_areas_where_pixels_are_missing():
    boxes = table((0, 0, 0, 9, 9), (1, 0, 0, 2, 2), (2, 0, 0, 2, 2), class_name=["a", "b", "b"])
    assert finished(boxes.drop(columns="pixels"), [0, 0, 0])["class_name"].tolist() == ["a"] * 3


def test_scores_of_zero_leave_the_first_class():
    boxes = table((0, 0, 0, 2, 2), (0, 5, 5, 7, 7), class_name=["b", "a"], score=[0.0, 0.0])
    assert finished(boxes, [0, 1])["class_name"].tolist() == ["b", "a"]


def test_length_and_score_decide_what_stays_and_the_rest_is_numbered_without_gaps():
    boxes = table(FIRST, (1, 0, 0, 2, 2), (1, 3, 0, 5, 2), (1, 6, 0, 8, 2), (2, 3, 0, 5, 2), (2, 6, 0, 8, 2), LAST)
    boxes["score"] = np.array([0, 1.0, 0.2, 0.9, 0.2, 0.5, 0], dtype=np.float32)
    linked = finished(boxes, [1, 9, 5, 7, 5, 7, 2], minimum_length_nm=20, instance_score=0.6)
    assert linked["instance"].tolist() == [0, 0, 0, 1, 0, 1, 0]


def test_length_counts_the_slices_from_first_to_last():
    boxes = table(FIRST, (1, 0, 0, 2, 2), (5, 0, 0, 2, 2), LAST)
    assert finished(boxes, [1, 0, 0, 2], minimum_length_nm=50)["instance"].tolist() == [1, 2, 2, 3]
    assert finished(boxes, [1, 0, 0, 2], minimum_length_nm=50.1)["instance"].tolist() == [1, 0, 0, 2]


def test_what_the_ends_of_the_stack_may_cut_off_is_never_too_short():
    boxes = table(FIRST, (1, 0, 0, 2, 2), LAST)
    assert finished(boxes, [1, 0, 2], minimum_length_nm=20)["instance"].tolist() == [1, 0, 2]


def test_score_of_an_instance_is_the_mean_of_as_many_best_as_a_thickness_has_slices():
    boxes = table(*((z, 0, 0, 2, 2) for z in range(8)), score=[0.1, 0.9, 0.6, 0.1, 0.3, 0.5, 0.2, 0.7])
    score = boxes["score"].to_numpy(np.float64)
    for number, best in ((0, 3), (3, 3), (5, 5), (8, 8), (50, 8)):
        mean = np.sort(score)[::-1][:best].mean()
        assert best_score(np.zeros(8, int), score, number) == pytest.approx([mean]), number
    thick = {"score_nm": 5 * VOXEL.z}  # 0.9, 0.7, 0.6, 0.5, 0.3
    assert finished(boxes, [0] * 8, instance_score=0.6, **thick)["instance"].tolist() == [1] * 8
    assert finished(boxes, [0] * 8, instance_score=0.61, **thick)["instance"].tolist() == [0] * 8
    assert finished(boxes, [0] * 8, instance_score=0.73)["instance"].tolist() == [1] * 8  # three, if nothing is said
    assert finished(boxes, [0] * 8, instance_score=0.74)["instance"].tolist() == [0] * 8


def test_linking_asks_for_the_best_boxes_of_50_nm():
    lucky = [0.9, 0.9, 0.9, *[0.3] * 12]
    boxes = table(*((z, 0, 0, 4, 4) for z in range(15)), score=lucky).assign(pixels=16)
    pairs = pd.DataFrame({"a": np.arange(1, 15), "b": np.arange(2, 16), "pixels": 16})
    for z_nm, kept in ((50, True), (10, True), (5, False)):  # 3, 5 and 10 boxes: 0.9, 0.66, 0.48
        linked = link(boxes, pairs, voxel_size=VoxelSize(z_nm, 5, 5))
        assert (linked["instance"] > 0).all() == kept, z_nm
        assert (linked["instance"] > 0).any() == kept, z_nm


def test_an_instance_of_few_boxes_is_judged_by_all_of_them():
    score = np.array([0.9, 0.5, 0.4, 0.8])
    assert best_score(np.array([0, 1, 0, 0]), score, 10) == pytest.approx([0.7, 0.5])


def test_score_on_the_threshold_stays_in_spite_of_rounding():
    boxes = table(*((z, 0, 0, 2, 2) for z in range(3)), score=[0.3, 0.3, 0.3])
    assert finished(boxes, [0, 0, 0], instance_score=0.3)["instance"].tolist() == [1, 1, 1]


def test_empty_table_keeps_its_types():
    linked = finished(table(), [])
    assert linked["instance"].dtype == np.uint32
    assert len(linked) == 0


def test_broken_tables_are_refused():
    with pytest.raises(InputError, match="x0"):
        canonical(table((0, 0, 0, 2, 2)).drop(columns="x0"))
    with pytest.raises(InputError, match="box 4 twice"):
        canonical(table((0, 0, 0, 2, 2), (0, 0, 0, 2, 2), box=[4, 4]))
