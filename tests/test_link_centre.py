import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from famous.errors import ConfigError, InputError
from famous.link import centre
from famous.link.centre import CentreParams
from famous.voxels import VoxelSize
from tests import link_phantoms as phantoms
from tests.link_phantoms import VOXEL, perfect_boxes, table


def linked(boxes, *, voxel_size=VOXEL, **knobs):
    return centre.link(boxes, voxel_size=voxel_size, params=CentreParams(**knobs))["instance"].tolist()


def test_tube_is_one_instance():
    boxes, _ = perfect_boxes(phantoms.gap())
    assert linked(boxes) == [1] * len(boxes)


def test_crossing_tubes_stay_two():
    boxes, _ = perfect_boxes(phantoms.crossing_tubes())
    assert max(linked(boxes)) == 2


def test_tolerance_is_a_share_of_the_box_along_each_axis():
    first = (0, 0, 0, 10, 40)
    assert linked(table(first, (1, 2, 8, 12, 48))) == [1, 1]  # 2 of 10 and 8 of 40
    assert linked(table(first, (1, 3, 0, 13, 40))) == [1, 2]
    assert linked(table(first, (1, 0, 9, 10, 49))) == [1, 2]


def test_centre_is_the_corner_plus_half_the_width():
    moved = table((0, 100, 100, 120, 120), (1, 100, 106, 120, 126))  # by 0.3; (x + width) / 2 would move by 0.15
    assert linked(moved) == [1, 2]
    grown = table((0, 100, 100, 110, 110), (1, 80, 80, 130, 130))  # about one centre
    assert linked(grown) == [1, 1]


def test_layers_are_looked_back_and_no_more():
    assert linked(table((0, 0, 0, 10, 10), (50, 0, 0, 10, 10))) == [1, 1]
    assert linked(table((0, 0, 0, 10, 10), (51, 0, 0, 10, 10))) == [1, 2]
    assert linked(table((0, 0, 0, 10, 10), (51, 0, 0, 10, 10)), layers=51) == [1, 1]


def test_gap_in_nm_wins_over_layers():
    boxes = table((0, 0, 0, 10, 10), (4, 0, 0, 10, 10))
    assert linked(boxes, gap_nm=30) == [1, 1]
    assert linked(boxes, gap_nm=29) == [1, 2]
    assert linked(boxes, gap_nm=30, voxel_size=VoxelSize(20, 10, 10)) == [1, 2]


def test_nearest_instance_is_taken_not_the_first():
    boxes = table((0, 0, 0, 20, 20), (0, 4, 0, 24, 20), (1, 3, 0, 23, 20))
    assert linked(boxes) == [1, 2, 2]


def test_distance_counts_nm_so_that_a_recent_box_wins():
    boxes = table((0, 0, 0, 20, 20), (8, 6, 0, 26, 20), (9, 3, 0, 23, 20))
    assert linked(boxes) == [1, 2, 2]


def test_most_recent_box_speaks_for_the_instance():
    drifting = table(*((z, 2 * z, 0, 2 * z + 10, 10) for z in range(20)))
    assert linked(drifting) == [1] * 20
    assert linked(table((0, 0, 0, 10, 10), (1, 2, 0, 12, 10), (2, 0, 0, 10, 10))) == [1, 1, 1]
    assert linked(table((0, 0, 0, 10, 10), (1, 2, 0, 12, 10), (2, 4, 0, 14, 10), (3, 0, 0, 10, 10))) == [1, 1, 1, 2]


def test_two_boxes_of_a_slice_may_join_one_instance_and_the_nearer_goes_on():
    boxes = table((0, 0, 0, 20, 20), (1, 1, 0, 21, 20), (1, 4, 0, 24, 20), (2, 8, 0, 28, 20))
    assert linked(boxes) == [1, 1, 1, 2]
    boxes = table((0, 4, 0, 24, 20), (1, 0, 0, 20, 20), (1, 5, 0, 25, 20), (2, 9, 0, 29, 20))
    assert linked(boxes) == [1, 1, 1, 1]


def test_classes_are_linked_apart_but_for_exclusive_ones():
    boxes = table((0, 0, 0, 10, 10), (1, 0, 0, 10, 10), class_name=["a", "b"])
    assert linked(boxes) == [1, 2]
    together = centre.link(boxes, voxel_size=VOXEL, exclusive=[["a", "b"]])
    assert together["instance"].tolist() == [1, 1]
    assert together["class_name"].tolist() == ["a", "a"]


def test_short_and_doubtful_instances_are_dropped_on_request():
    boxes = table(
        (0, 0, 0, 10, 10), (1, 0, 0, 10, 10), (1, 50, 50, 60, 60), (2, 9, 90, 19, 99), score=[0.5, 0.5, 0.9, 0.7]
    )
    assert linked(boxes) == [1, 1, 2, 3]
    assert linked(boxes, minimum_length_nm=20) == [1, 1, 0, 2]
    assert linked(boxes, instance_score=0.6) == [0, 0, 1, 2]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 12), st.integers(0, 12), st.integers(4, 30)), max_size=25),
    st.randoms(use_true_random=False),
)
def test_order_of_rows_does_not_matter(made, random):
    boxes = table(*((z, y, x, y + size, x + size) for z, y, x, size in made))
    rows = list(range(len(boxes)))
    random.shuffle(rows)
    straight = dict(zip(boxes["box"], linked(boxes), strict=True))
    shuffled = boxes.iloc[rows]
    assert dict(zip(shuffled["box"], linked(shuffled), strict=True)) == straight


def test_empty_table_one_box_and_one_slice():
    empty = centre.link(table(), voxel_size=VOXEL)
    assert len(empty) == 0
    assert empty["instance"].dtype == np.uint32
    assert linked(table((3, 0, 0, 4, 4))) == [1]
    assert linked(table((3, 0, 0, 4, 4), (3, 0, 0, 4, 4))) == [1, 2]


def test_missing_column_is_named():
    with pytest.raises(InputError, match="y1"):
        centre.link(table((0, 0, 0, 4, 4)).drop(columns="y1"), voxel_size=VOXEL)


@pytest.mark.parametrize(
    ("knob", "value"),
    [("tolerance", -0.1), ("layers", 0), ("gap_nm", -1.0), ("minimum_length_nm", np.inf), ("instance_score", 1.1)],
)
def test_parameter_out_of_range_is_named(knob, value):
    with pytest.raises(ConfigError, match=rf"^centre\.{knob}: found"):
        CentreParams(**{knob: value})
