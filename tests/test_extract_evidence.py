"""Evidence: what a tight box implies is measured on outlines that are known."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from famous.boxes import iou
from famous.errors import InputError
from famous.extract import EllipseParams, OtsuParams, make_extractor
from famous.extract.evidence import EVIDENCE, EvidenceParams, Sample, examine
from tests.referee_phantoms import BAD, VOXEL, Field, Knowing, field, filled, moved, perfect, silent, small, torn

PARAMS = EvidenceParams()
ELLIPSE = make_extractor(EllipseParams())


def look(one, **recipes):
    """Mean evidence of each recipe."""
    table = examine(one.sample, recipes, voxel_size=VOXEL, params=PARAMS)
    return table.groupby("recipe").mean()


# ---- the table ----


def test_there_is_a_row_for_every_box_and_recipe_with_shares():
    one = field(count=3)
    table = examine(one.sample, {"a": perfect(one), "b": ELLIPSE}, voxel_size=VOXEL, params=PARAMS)
    assert list(table.columns) == ["recipe", *EVIDENCE]
    assert table["recipe"].tolist() == ["a", "b"] * 3
    assert table[list(EVIDENCE)].to_numpy().min() >= 0
    assert table[list(EVIDENCE)].to_numpy().max() <= 1


@pytest.mark.parametrize("recipes", [{}, {"a": ELLIPSE}])
def test_no_box_or_no_recipe_gives_an_empty_table(recipes):
    nothing = Sample(field().slab, np.zeros((0, 4), dtype=np.int32))
    table = examine(nothing, recipes, voxel_size=VOXEL, params=PARAMS)
    assert len(table) == 0
    assert table.dtypes.astype(str).to_dict() == {"recipe": "str"} | dict.fromkeys(EVIDENCE, "float64")
    assert len(examine(field().sample, {}, voxel_size=VOXEL, params=PARAMS)) == 0


def test_the_same_input_gives_the_same_numbers_and_stays_as_it_was():
    one = field()
    slab, corners = one.slab.copy(), one.corners
    sample = Sample(slab, corners)
    recipes = {"otsu": make_extractor(OtsuParams()), "ellipse": ELLIPSE}
    first, second = (examine(sample, recipes, voxel_size=VOXEL, params=PARAMS) for _ in range(2))
    assert first.equals(second)
    np.testing.assert_array_equal(slab, one.slab)
    np.testing.assert_array_equal(corners, one.corners)


def test_recipes_are_asked_on_three_slices_at_a_time_and_with_boxes_inside_the_slice():
    one = field()
    recipe = perfect(one)
    examine(one.sample, {"a": recipe}, voxel_size=VOXEL, params=PARAMS)
    height, width = one.labels.shape
    assert len(recipe.asked) == 6  # as it is, two neighbours, moved there and back, enlarged
    for shape, corners in recipe.asked:
        assert shape == (height, width, 3)
        assert corners.dtype == np.int32
        assert corners.min() >= 0
        assert (corners[:, 2] <= height).all()
        assert (corners[:, 3] <= width).all()


def test_the_slices_asked_about_are_the_one_and_its_neighbours():
    seen = []

    def recipe(slab, corners, voxel_size):
        seen.append(int(slab[0, 0, 1]))
        return [np.ones((y1 - y0, x1 - x0), dtype=bool) for y0, x0, y1, x1 in corners]

    slab = np.broadcast_to(np.array([10, 20, 30, 40, 50], dtype=np.uint8), (40, 40, 5)).copy()
    examine(Sample(slab, np.array([[10, 10, 30, 30]], dtype=np.int32)), {"a": recipe}, voxel_size=VOXEL, params=PARAMS)
    assert sorted(seen) == [20, 30, 30, 30, 30, 40]


# ---- each kind of evidence ----


def test_a_perfect_recipe_has_nearly_everything():
    found = look(field(), perfect=perfect(field()), again=perfect(field())).loc["perfect"]
    assert found[["touch", "neighbours", "steady", "inside", "recovers", "agreement"]].tolist() == [1.0] * 6
    assert found["whole"] > 0.95
    assert found["contrast"] > 0.75


def test_a_mask_that_stays_away_from_the_sides_does_not_touch():
    box = np.array([[20, 20, 60, 60]], dtype=np.int32)
    slab = np.zeros((80, 80, 5), dtype=np.uint8)
    gaps = {0: 1.0, 1: 0.75, 2: 0.5, 4: 0.0, 10: 0.0}  # a tenth of 40 pixels counts 0
    for gap, expected in gaps.items():
        inner = np.zeros((80, 80), dtype=np.int32)
        inner[20 + gap : 60 - gap, 20 + gap : 60 - gap] = 1
        found = examine(Sample(slab, box), {"a": Knowing(inner)}, voxel_size=VOXEL, params=PARAMS)
        assert found["touch"].item() == pytest.approx(expected), gap


def test_one_side_that_is_not_reached_costs_a_quarter():
    labels = np.zeros((80, 80), dtype=np.int32)
    labels[20:60, 20:50] = 1
    box = np.array([[20, 20, 60, 60]], dtype=np.int32)
    sample = Sample(np.zeros((80, 80, 5), dtype=np.uint8), box)
    found = examine(sample, {"a": Knowing(labels)}, voxel_size=VOXEL, params=PARAMS)
    assert found["touch"].item() == pytest.approx(0.75)


def test_a_square_is_whole_half_of_it_in_two_pieces_is_not_and_a_hole_counts_once():
    box = np.array([[20, 20, 60, 60]], dtype=np.int32)
    square = np.zeros((80, 80), dtype=np.int32)
    square[20:60, 20:60] = 1
    parted, holed = square.copy(), square.copy()
    parted[30:50] = 0
    holed[30:50, 30:50] = 0

    def whole(labels):
        sample = Sample(np.zeros((80, 80, 5), dtype=np.uint8), box)
        return examine(sample, {"a": Knowing(labels)}, voxel_size=VOXEL, params=PARAMS)["whole"].item()

    assert whole(square) == pytest.approx(1)
    assert whole(parted) == pytest.approx(0.5)
    assert whole(holed) == pytest.approx(0.75**2)  # of its hull, and of what its outline holds


def test_what_the_neighbours_show_counts():
    one = field(noise=0)
    gone = one.slab.copy()
    gone[:, :, :2] = gone[:, :, 3:] = 170  # the organelles are on one slice alone
    otsu = make_extractor(OtsuParams())
    there = examine(one.sample, {"a": otsu}, voxel_size=VOXEL, params=PARAMS)["neighbours"]
    alone = examine(Sample(gone, one.corners), {"a": otsu}, voxel_size=VOXEL, params=PARAMS)["neighbours"]
    assert there.min() == 1
    assert alone.max() < 0.95


def test_contrast_is_that_of_the_outline():
    one = field()
    flat = Field(one.labels, np.full_like(one.slab, 120))
    found = look(one, perfect=perfect(one), moved=moved(one), filled=filled(one))["contrast"]
    assert found["perfect"] > found["moved"]
    assert found["perfect"] > found["filled"]
    assert look(flat, perfect=perfect(flat))["contrast"].item() == 0


def test_contrast_is_the_same_for_dark_and_bright():
    one = field()
    turned = Field(one.labels, 255 - one.slab)
    assert look(one, a=perfect(one))["contrast"].item() == pytest.approx(
        look(turned, a=perfect(turned))["contrast"].item(), abs=0.01
    )


def test_the_ellipse_follows_its_box_and_the_perfect_recipe_does_not():
    one = field()
    found = look(one, perfect=perfect(one), ellipse=ELLIPSE)
    assert (found.loc["perfect", ["steady", "inside", "recovers"]] == 1).all()
    larger = 1 + 2 * PARAMS.margin
    assert found.loc["ellipse", "recovers"] == pytest.approx(1 / larger**2, abs=0.03)
    assert found.loc["ellipse", "steady"] < 0.95
    assert found.loc["ellipse", "inside"] < 0.85


def test_a_small_mask_is_inside_but_does_not_find_its_box():
    one = field()
    found = look(one, small=small(one))
    assert found["inside"].item() == 1
    assert found["recovers"].item() < 0.8


def test_agreement_is_with_all_others_and_a_lone_recipe_agrees():
    one = field()
    found = look(one, a=perfect(one), b=perfect(one), c=filled(one))["agreement"]
    assert found["a"] == found["b"] > found["c"]
    share = float((one.labels > 0).sum() / np.prod(one.corners[:, 2:] - one.corners[:, :2], axis=1).sum())
    assert found["c"] == pytest.approx(share, abs=0.03)
    assert look(one, a=filled(one))["agreement"].item() == 1


def test_a_kind_has_one_voice_however_many_its_variants():
    one = field()

    def agreement(kinds, **recipes):
        table = examine(one.sample, recipes, voxel_size=VOXEL, params=PARAMS, kinds=kinds)
        return table.groupby("recipe").mean()["agreement"]

    three = look(one, right=perfect(one), core=small(one), box=filled(one))["agreement"]
    boxes = {f"box {number}": filled(one) for number in range(4)}
    kinds = {"right": "x", "core": "y"} | dict.fromkeys(boxes, "z")
    many = agreement(kinds, right=perfect(one), core=small(one), **boxes)
    assert many["right"] == pytest.approx(three["right"])
    assert many["core"] == pytest.approx(three["core"])
    assert many["box 2"] == pytest.approx(three["box"])  # its own kind does not vouch for it
    without = agreement({"right": "x", "core": "y"}, right=perfect(one), core=small(one), **boxes)
    assert without["right"] == without["core"] == look(one, right=perfect(one), core=small(one))["agreement"]["core"]
    assert without["box 2"] == pytest.approx(three["box"])  # it has no voice, but others judge it
    assert agreement({"right": "x", "core": "x"}, right=perfect(one), core=small(one)).tolist() == [1, 1]


def test_the_usual_area_is_best_and_the_whole_box_is_far_from_it():
    box = np.array([[20, 20, 60, 60]], dtype=np.int32)
    sample = Sample(np.zeros((80, 80, 5), dtype=np.uint8), box)
    for rows, expected in ((29, 0.99), (40, 1 - 0.28 / 0.5), (10, 1 - 0.47 / 0.5), (1, 0.0)):
        labels = np.zeros((80, 80), dtype=np.int32)
        labels[20 : 20 + rows, 20:60] = 1
        found = examine(sample, {"a": Knowing(labels)}, voxel_size=VOXEL, params=PARAMS)
        assert found["area"].item() == pytest.approx(expected, abs=0.01)


def test_a_recipe_that_says_nothing_has_nothing():
    one = field()
    found = look(one, silent=silent(one), perfect=perfect(one))
    assert (found.loc["silent"] == 0).all()
    assert found.loc["perfect", "agreement"] == 0  # with nothing there is nothing to agree


# ---- awkward boxes ----


@given(
    st.integers(1, 40).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, 40 - size))),
    st.integers(1, 40).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, 40 - size))),
    st.integers(0, 3),
)
@settings(max_examples=60)
def test_any_box_in_any_slice_gives_shares(rows, columns, seed):
    (height, y0), (width, x0) = rows, columns
    slab = np.random.default_rng(seed).integers(0, 256, (40, 40, 5), dtype=np.uint8)
    sample = Sample(slab, np.array([[y0, x0, y0 + height, x0 + width]], dtype=np.int32))
    recipes = {"otsu": make_extractor(OtsuParams()), "ellipse": ELLIPSE}
    table = examine(sample, recipes, voxel_size=VOXEL, params=PARAMS)
    values = table[list(EVIDENCE)].to_numpy()
    assert np.isfinite(values).all()
    assert values.min() >= 0
    assert values.max() <= 1


@pytest.mark.parametrize("name", sorted(BAD))
def test_each_bad_recipe_is_worse_in_what_it_does_wrong(name):
    one = field()
    found = look(one, perfect=perfect(one), bad=BAD[name](one))
    wrong = {
        "moved": ["touch", "recovers", "contrast"],
        "small": ["touch", "recovers", "contrast"],
        "torn": ["whole", "contrast"],
        "filled": ["inside", "recovers", "contrast"],
        "silent": list(EVIDENCE),
    }
    for kind in wrong[name]:
        assert found.loc["bad", kind] <= found.loc["perfect", kind] - (0.05 if kind != "agreement" else 0), kind


def test_the_phantoms_are_what_they_say():
    one = field()
    inside = one.labels > 0
    assert abs(one.slab[inside].mean() - 90) < 1
    assert cv2.connectedComponents(inside.astype(np.uint8))[0] == 5
    boxes = one.corners
    assert iou(boxes, boxes).sum() == pytest.approx(4)  # apart
    assert torn(one)(one.slab, boxes, VOXEL)[0].sum() < perfect(one)(one.slab, boxes, VOXEL)[0].sum()


# ---- wrong input ----


@pytest.mark.parametrize(
    ("slab", "corners", "found"),
    [
        (np.zeros((9, 9, 3), np.uint8), np.zeros((1, 4), np.int32), r"slab \(9, 9, 3\) uint8"),
        (np.zeros((9, 9, 5), np.uint16), np.zeros((1, 4), np.int32), r"slab \(9, 9, 5\) uint16"),
        (np.zeros((9, 9, 5), np.uint8), np.zeros((1, 3), np.int32), r"corners \(1, 3\)"),
    ],
)
def test_a_sample_of_another_shape_is_refused(slab, corners, found):
    with pytest.raises(InputError, match=found):
        Sample(slab, corners)


@pytest.mark.parametrize(
    "wrong",
    [{"margin": 0.0}, {"margin": 1.5}, {"shift": 0.0}, {"shift": 0.6}, {"usual_area": 0.0}, {"usual_area": 1.0}],
)
def test_shares_out_of_range_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        EvidenceParams(**wrong)
