import cv2
import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from famous.annotate.between import BetweenParams, interpolate
from famous.boxes import COLUMNS, CORNERS, from_columns, iou, validate
from famous.errors import InputError


def table(*rows):
    """Rows (z, y0, x0, y1, x1, class name)."""
    names = ["z", *CORNERS, "class_name"]
    return from_columns({name: [row[k] for row in rows] for k, name in enumerate(names)})


def corners(found, z):
    return found[found["z"] == z][CORNERS].to_numpy().tolist()


def moving(z):
    """A box of 40 × 60 that moves down by 2 px a slice, and whose left side moves by 1 px to the left."""
    return (z, 100 + 2 * z, 200 - z, 140 + 2 * z, 260, "mito")


def test_a_box_that_moves_in_a_straight_line_is_met_in_every_slice():
    found = interpolate(table(moving(4), moving(12)), 4, 12)
    assert found["z"].tolist() == [5, 6, 7, 8, 9, 10, 11]
    for z in range(5, 12):
        assert corners(found, z) == [list(moving(z)[1:5])]
    assert set(found["class_name"]) == {"mito"}
    assert set(found["score"]) == {1.0}
    assert list(found.columns) == [*COLUMNS, "first", "last"]


def test_the_order_of_the_two_slices_does_not_matter():
    boxes = table(moving(4), moving(9))
    pd.testing.assert_frame_equal(interpolate(boxes, 4, 9), interpolate(boxes, 9, 4))


def test_half_pixels_are_rounded_up():
    found = interpolate(table((0, 0, 0, 10, 10, "mito"), (2, 1, 3, 12, 10, "mito")), 0, 2)
    assert corners(found, 1) == [[1, 2, 11, 10]]


@pytest.mark.parametrize("to", [4, 5])
def test_nothing_lies_between_one_slice_or_two_neighbours(to):
    found = interpolate(table(moving(4), moving(5)), 4, to)
    assert len(found) == 0
    assert list(found.columns) == [*COLUMNS, "first", "last"]


def test_empty_is_a_value():
    found = interpolate(table(), 0, 9)
    assert len(found) == 0
    assert found.dtypes[list(COLUMNS)].equals(table().dtypes)
    assert len(interpolate(table(moving(0)), 0, 9)) == 0


def test_a_box_without_a_partner_is_left_alone():
    """One mitochondrion goes on, one begins far away, one ends."""
    boxes = table(moving(0), (0, 500, 500, 520, 520, "mito"), moving(4), (4, 10, 700, 40, 720, "mito"))
    found = interpolate(boxes, 0, 4)
    assert found["z"].tolist() == [1, 2, 3]
    assert set(found["first"]) == {0}
    assert set(found["last"]) == {2}


def test_boxes_of_other_slices_are_ignored():
    boxes = table(moving(0), (2, 100, 200, 120, 230, "mito"), moving(4))
    found = interpolate(boxes, 0, 4)
    assert len(found) == 3
    assert set(found["last"]) == {2}


def test_a_class_is_paired_with_itself_only():
    assert len(interpolate(table((0, 0, 0, 9, 9, "mito"), (4, 0, 0, 9, 9, "lysosome")), 0, 4)) == 0
    both = table(
        (0, 0, 0, 9, 9, "mito"), (0, 2, 2, 11, 11, "lysosome"), (2, 2, 2, 11, 11, "mito"), (2, 0, 0, 9, 9, "lysosome")
    )
    found = interpolate(both, 0, 2)
    assert found[["class_name", "first", "last"]].to_numpy().tolist() == [["lysosome", 1, 3], ["mito", 0, 2]]


def test_two_neighbours_are_not_swapped():
    """The greedy choice would take the pair that overlaps most and leave a long way for the other.

    slice 0:  AAAA BBBB          A at 0, B at 20
    slice 4:       AAAA BBBB     both moved by 12
    """
    boxes = table(
        (0, 0, 0, 20, 20, "mito"), (0, 0, 20, 20, 40, "mito"), (4, 0, 32, 20, 52, "mito"), (4, 0, 12, 20, 32, "mito")
    )
    found = interpolate(boxes, 0, 4)
    assert corners(found, 2) == [[0, 6, 20, 26], [0, 26, 20, 46]]


def test_of_two_possible_pairings_the_one_that_overlaps_most():
    """Two bodies that lie half over one another and stand still: each could also be the other."""
    boxes = table(*((z, 0, x, 20, x + 20, "mito") for z in (0, 2) for x in (0, 10)))
    assert interpolate(boxes, 0, 2)[["first", "last"]].to_numpy().tolist() == [[0, 2], [1, 3]]


def test_small_bodies_that_no_longer_overlap_are_paired_by_their_distance():
    """A vesicle of 10 px: a way of 7.2 px is short enough, one of 7.8 px is not."""
    start = (0, 50, 50, 60, 60, "vesicle")
    assert len(interpolate(table(start, (2, 56, 54, 66, 64, "vesicle")), 0, 2)) == 1
    assert len(interpolate(table(start, (2, 56, 55, 66, 65, "vesicle")), 0, 2)) == 0
    far = BetweenParams(distance=1.5)
    found = interpolate(table(start, (2, 62, 50, 72, 60, "vesicle")), 0, 2, params=far)
    assert corners(found, 1) == [[56, 50, 66, 60]]


def test_bodies_of_very_different_size_are_not_one():
    large, small = (0, 0, 0, 90, 90, "mito"), (2, 40, 40, 50, 50, "mito")
    assert len(interpolate(table(large, small), 0, 2)) == 0
    assert len(interpolate(table(large, small), 0, 2, params=BetweenParams(growth=100))) == 1


def test_missing_columns_and_senseless_knobs_are_named():
    with pytest.raises(InputError, match="class_name"):
        interpolate(table(moving(0)).drop(columns="class_name"), 0, 4)
    with pytest.raises(InputError, match="distance 0"):
        BetweenParams(distance=0)
    with pytest.raises(InputError, match=r"growth 0\.5"):
        BetweenParams(growth=0.5)


boxes_of_a_slice = st.lists(
    st.tuples(
        st.integers(0, 80), st.integers(0, 80), st.integers(3, 40), st.integers(3, 40), st.sampled_from(["mito", "er"])
    ),
    max_size=6,
)


@given(boxes_of_a_slice, boxes_of_a_slice, st.integers(0, 5), st.integers(1, 6))
def test_whatever_is_drawn_the_boxes_lie_between_their_two(first, last, z, gap):
    rows = [(z, y, x, y + h, x + w, name) for y, x, h, w, name in first]
    rows += [(z + gap, y, x, y + h, x + w, name) for y, x, h, w, name in last]
    boxes = table(*rows)
    before = boxes.copy()
    found = interpolate(boxes, z, z + gap)
    pd.testing.assert_frame_equal(boxes, before)
    validate(found)
    assert found["z"].between(z + 1, z + gap - 1).all()
    pairs = found.drop_duplicates("first")
    assert len(found) == len(pairs) * max(0, gap - 1)
    assert not pairs["last"].duplicated().any()
    a, b = (boxes[CORNERS].to_numpy()[found[side]] for side in ("first", "last"))
    middle = found[CORNERS].to_numpy()
    assert (np.minimum(a, b) <= middle).all()
    assert (middle <= np.maximum(a, b)).all()
    assert (middle[:, 2:] - middle[:, :2] >= 3).all()
    names = boxes["class_name"].to_numpy()
    assert (names[found["first"]] == found["class_name"]).all()
    assert (names[found["last"]] == found["class_name"]).all()


@given(boxes_of_a_slice, st.integers(2, 6))
def test_bodies_that_stand_still_stay_where_they_are(bodies, gap):
    unique = list({body[:4]: body for body in bodies}.values())
    rows = [(z, y, x, y + h, x + w, name) for z in (0, gap) for y, x, h, w, name in unique]
    found = interpolate(table(*rows), 0, gap)
    assert len(found) == len(unique) * (gap - 1)
    for z in range(1, gap):
        assert sorted(corners(found, z)) == sorted(list(row[1:5]) for row in rows[: len(unique)])


def test_mitochondria_between_slices_20_nm_apart(shared_data):
    """Every fourth slice labelled by an expert: the boxes between overlap the expert's own by 0.90 in the mean."""
    labels = tifffile.imread(shared_data / "lucchi" / "mito_inst.tif")[:21]
    rows, instances = [], []
    for z, image in enumerate(labels):
        for instance in np.unique(image)[1:]:
            parts = cv2.connectedComponentsWithStats((image == instance).astype(np.uint8), connectivity=8)[2][1:]
            for x, y, w, h, _ in parts[parts[:, 2:4].min(axis=1) >= 3]:
                rows.append((z, y, x, y + h, x + w, "mito"))
                instances.append(instance)
    truth = table(*rows)
    agreement, wrong, pairs = [], 0, 0
    for z in range(0, 17, 4):
        found = interpolate(truth, z, z + 4)
        ids = np.array(instances)
        wrong += int((ids[found["first"]] != ids[found["last"]]).sum())
        pairs += len(found)
        for k in range(z + 1, z + 4):
            own = found[found["z"] == k][CORNERS].to_numpy()
            agreement += iou(own, truth[truth["z"] == k][CORNERS].to_numpy()).max(axis=1).tolist()
    assert pairs > 150
    assert wrong <= 3
    assert np.mean(agreement) > 0.88
