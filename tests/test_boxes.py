"""The box table."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from famous import boxes
from famous.errors import InputError


def table(*rows, score=None, class_name="mito"):
    """Boxes of (z, y0, x0, y1, x1)."""
    columns = {name: [row[i] for row in rows] for i, name in enumerate(["z", *boxes.CORNERS])}
    columns["class_name"] = class_name if isinstance(class_name, list) else [class_name] * len(rows)
    return boxes.from_columns(columns | ({} if score is None else {"score": score}))


CORNER = st.tuples(*[st.integers(-20, 60)] * 2, *[st.integers(1, 40)] * 2).map(
    lambda box: (box[0], box[1], box[0] + box[2], box[1] + box[3])
)
TABLES = st.lists(
    st.tuples(st.integers(0, 3), CORNER, st.sampled_from(["a", "b"]), st.floats(0, 1, width=32)), max_size=8
).map(
    lambda rows: table(
        *[(z, *corner) for z, corner, _, _ in rows],
        class_name=[name for _, _, name, _ in rows],
        score=[score for *_, score in rows],
    )
)


# ---- making and checking ----


def test_an_empty_table_has_every_column_and_type():
    nothing = boxes.empty()
    assert list(nothing.columns) == list(boxes.COLUMNS)
    assert nothing.dtypes.astype(str).to_dict() == boxes.COLUMNS
    assert boxes.validate(nothing).equals(nothing)
    assert boxes.number(nothing).dtypes.equals(nothing.dtypes)
    assert boxes.area(nothing).tolist() == []
    assert len(boxes.clip(nothing, 9, 9)) == len(boxes.nms(nothing, iou_threshold=0.5)) == 0
    assert boxes.iou(nothing[boxes.CORNERS].to_numpy(), np.zeros((2, 4))).shape == (0, 2)


def test_columns_are_filled_and_ordered():
    made = boxes.from_columns({"extra": [1.5], "class_name": ["mito"], "x1": [4], "y1": [3], "x0": 2, "y0": 1, "z": 0})
    assert list(made.columns) == [*boxes.COLUMNS, "extra"]
    assert made.loc[0].to_dict() | {"score": 1.0} == made.loc[0].to_dict()
    assert made["box"].tolist() == [1]


def test_missing_columns_are_named():
    with pytest.raises(InputError, match=r"missing columns \['y1', 'x1'\]"):
        boxes.from_columns({"z": [0], "y0": [0], "x0": [0], "class_name": ["a"]})
    with pytest.raises(InputError, match="missing columns"):
        boxes.validate(pd.DataFrame())


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("y0", np.nan, "not finite"),
        ("score", np.nan, "not finite"),
        ("x1", np.inf, "not finite"),
        ("y0", 1.5, "not a whole number"),
        ("z", 2.0**40, "beyond"),
        ("box", 0, "box id outside"),
        ("box", 2**32, "box id outside"),
        ("box", 1, "occurs twice"),
        ("y1", 1, "no extent"),
        ("x1", -5, "no extent"),
        ("score", 1.01, "score outside"),
        ("score", -0.1, "score outside"),
        ("class_name", "", "no class name"),
        ("class_name", " ", "no class name"),
        ("class_name", None, "no class name"),
        ("x0", "left", "not a number"),
    ],
)
def test_broken_rows_are_named(column, value, why):
    broken = table((0, 1, 2, 3, 4), (0, 1, 2, 3, 4)).astype(object)
    broken.loc[1, column] = value
    with pytest.raises(InputError, match=why) as caught:
        boxes.validate(broken)
    assert "row 1" in str(caught.value) or why == "not a number"


@pytest.mark.parametrize(
    ("row", "inside"),
    [
        ((0, 0, 0, 20, 30), True),
        ((9, 19, 29, 20, 30), True),
        ((10, 0, 0, 1, 1), False),
        ((-1, 0, 0, 1, 1), False),
        ((0, -1, 0, 1, 1), False),
        ((0, 0, 0, 21, 1), False),
        ((0, 0, 0, 1, 31), False),
    ],
)
def test_boxes_lie_inside_the_stack(row, inside):
    assert len(boxes.validate(table(row))) == 1
    if inside:
        assert boxes.validate(table(row), (10, 20, 30)).equals(table(row))
    else:
        with pytest.raises(InputError, match="outside the stack"):
            boxes.validate(table(row), (10, 20, 30))


def test_further_columns_are_kept():
    wide = table((0, 1, 2, 3, 4)).assign(pixels=7)
    assert boxes.validate(wide)["pixels"].tolist() == [7]
    assert boxes.validate(wide.iloc[:0]).columns.tolist() == [*boxes.COLUMNS, "pixels"]


def test_tables_are_stacked_with_their_ids():
    one, two = table((0, 1, 2, 3, 4)), table((1, 1, 2, 3, 4))
    both = boxes.concat([one, boxes.empty(), two])
    assert both["z"].tolist() == [0, 1]
    assert both["box"].tolist() == [1, 1]
    assert boxes.concat([]).equals(boxes.empty())
    assert boxes.concat([boxes.empty(), boxes.empty()]).equals(boxes.empty())
    stage = boxes.empty().assign(pixels=np.zeros(0, dtype=np.int64))
    assert boxes.concat([stage, stage]).columns.tolist() == [*boxes.COLUMNS, "pixels"]


@given(TABLES, st.randoms())
@settings(max_examples=30)
def test_numbering_does_not_depend_on_the_order(made, chance):
    order = list(range(len(made)))
    chance.shuffle(order)
    numbered = boxes.number(made)
    assert numbered["box"].tolist() == list(range(1, len(made) + 1))
    assert boxes.number(made.iloc[order]).equals(numbered)
    assert numbered["z"].is_monotonic_increasing
    for _, group in numbered.groupby(["z", "class_name"]):
        assert group["score"].is_monotonic_decreasing
        assert (np.diff(group["box"]) == 1).all()


# ---- geometry ----


def test_areas():
    assert boxes.area(table((0, 1, 2, 3, 5), (0, 0, 0, 50_000, 50_000))).tolist() == [6, 2_500_000_000]


@given(TABLES)
@settings(max_examples=30)
def test_clipping_is_what_remains_inside(made):
    before = made.copy()
    cut = boxes.clip(made, 40, 30)
    assert made.equals(before)
    for row in made.itertuples():
        image = np.zeros((100, 100), dtype=bool)
        image[max(row.y0, 0) : max(row.y1, 0), max(row.x0, 0) : max(row.x1, 0)] = True
        pixels = image[:40, :30].sum()
        kept = cut[cut["box"] == row.box]
        assert (boxes.area(kept).tolist() or [0]) == [pixels]
    assert len(boxes.validate(cut, (4, 40, 30))) == len(cut)


@given(st.lists(CORNER, max_size=4), st.lists(CORNER, max_size=4))
def test_iou_counts_pixels(a, b):
    found = boxes.iou(np.array(a), np.array(b))
    assert found.shape == (len(a), len(b))
    assert np.allclose(found.T, boxes.iou(np.array(b), np.array(a)))
    for i, one in enumerate(a):
        for j, two in enumerate(b):
            images = np.zeros((2, 130, 130), dtype=bool)
            for image, (y0, x0, y1, x1) in zip(images, (one, two), strict=True):
                image[y0 + 20 : y1 + 20, x0 + 20 : x1 + 20] = True
            assert found[i, j] == pytest.approx((images[0] & images[1]).sum() / (images[0] | images[1]).sum())


def test_iou_of_nothing_with_nothing_is_zero():
    assert boxes.iou(np.zeros((1, 4)), np.zeros((1, 4))).tolist() == [[0]]
    assert boxes.iou(np.array([0, 0, 2, 2]), np.array([[0, 1, 2, 3]])) == pytest.approx(1 / 3)


# ---- suppression ----


def test_the_better_of_two_is_kept_in_each_slice_and_class():
    made = table(
        (0, 0, 0, 10, 10), (0, 1, 0, 11, 10), (1, 0, 0, 10, 10), (0, 0, 0, 10, 10), (0, 30, 30, 40, 40),
        score=[0.5, 0.9, 0.1, 0.2, 0.3], class_name=["a", "a", "a", "b", "a"],
    )  # fmt: skip
    assert boxes.nms(made, iou_threshold=0.5)["box"].tolist() == [2, 3, 4, 5]
    assert boxes.nms(made, iou_threshold=0.9)["box"].tolist() == [1, 2, 3, 4, 5]


def test_a_suppressed_box_suppresses_nothing():
    chain = table((0, 0, 0, 10, 10), (0, 0, 4, 10, 14), (0, 0, 8, 10, 18), score=[0.9, 0.8, 0.7])
    assert boxes.nms(chain, iou_threshold=0.4)["box"].tolist() == [1, 3]


@given(TABLES, st.floats(0, 1))
@settings(max_examples=40)
def test_what_is_kept_does_not_overlap_and_what_is_not_does(made, threshold):
    kept = boxes.nms(made, iou_threshold=threshold)
    assert kept["box"].is_monotonic_increasing
    assert boxes.nms(kept, iou_threshold=threshold).equals(kept)
    for row in made[~made["box"].isin(kept["box"])].itertuples():
        rivals = kept[(kept["z"] == row.z) & (kept["class_name"] == row.class_name) & (kept["score"] >= row.score)]
        overlap = boxes.iou(made.loc[[row.Index], boxes.CORNERS].to_numpy(), rivals[boxes.CORNERS].to_numpy())
        assert (overlap > threshold).any()
