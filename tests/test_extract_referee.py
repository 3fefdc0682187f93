"""The referee: the better recipe is ahead, whatever it is called, and nothing but the boxes decides."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from famous.errors import InputError
from famous.extract import EllipseParams, OtsuParams, default_recipe, make_extractor, paper_recipe
from famous.extract.evidence import EVIDENCE, Sample
from famous.extract.referee import RefereeParams, Weights, candidates, choose, judge, kinds, rank
from tests.referee_phantoms import BAD, VOXEL, Field, field, perfect

PARAMS = RefereeParams()
COLUMNS = ["rank", "recipe", "score", "boxes", *EVIDENCE]


def ranking(one, recipes, params=PARAMS):
    return judge([one.sample], recipes, voxel_size=VOXEL, params=params)


def without_network(class_name):
    """The recipes of a class that need no network."""
    return {name: make_extractor(recipe) for name, recipe in candidates(class_name).items() if name != "masknet"}


# ---- the better one wins ----


@given(
    bad=st.sampled_from(sorted(BAD)),
    axes=st.tuples(st.integers(18, 30), st.integers(10, 18)),
    angle=st.integers(0, 179),
    noise=st.floats(0, 25),
    seed=st.integers(0, 99),
    first=st.booleans(),
)
@settings(max_examples=80)
def test_a_perfect_recipe_beats_a_bad_one(bad, axes, angle, noise, seed, first):
    one = field(axes=axes, angle=angle, noise=noise, seed=seed)
    both = {"perfect": perfect(one), "bad": BAD[bad](one)}
    if not first:
        both = dict(reversed(both.items()))
    table = ranking(one, both)
    assert table["recipe"].tolist() == ["perfect", "bad"], table.T


@given(st.integers(0, 179), st.integers(0, 99), st.floats(0, 25))
@settings(max_examples=25)
def test_a_perfect_recipe_beats_all_bad_ones_and_the_ellipse_at_once(angle, seed, noise):
    one = field(angle=angle, seed=seed, noise=noise)
    recipes = {name: spoil(one) for name, spoil in BAD.items()} | {"ellipse": make_extractor(EllipseParams())}
    table = ranking(one, recipes | {"perfect": perfect(one)})
    assert table["recipe"].iloc[0] == "perfect"
    assert table["recipe"].iloc[-1] == "silent"


@pytest.mark.parametrize(("turned", "expected"), [(False, "dark"), (True, "bright")])
def test_of_two_polarities_the_right_one_is_ahead(turned, expected):
    one = field(angle=45)
    seen = Field(one.labels, 255 - one.slab if turned else one.slab)
    recipes = without_network("thing")
    table = ranking(seen, recipes).set_index("recipe")["score"]
    other = {"dark": "bright", "bright": "dark"}[expected]
    for kind in ("otsu {}", "otsu {}, wide", "paper {}"):
        assert table[kind.format(expected)] > table[kind.format(other)]
    assert table.idxmax().endswith(expected) or table.idxmax().endswith(f"{expected}, wide")


def test_without_contrast_the_ellipse_is_picked():
    one = field(axes=(20, 20), angle=0)
    rng = np.random.default_rng(1)
    speckled = Field(one.labels, rng.integers(60, 200, one.slab.shape, dtype=np.uint8))
    recipes = without_network("mitochondrion")
    assert ranking(speckled, recipes)["recipe"].iloc[0] == "ellipse"


# ---- the ranking ----


def test_the_ranking_says_who_with_what_score_on_how_many_boxes():
    one = field(count=3)
    table = ranking(one, {"a": perfect(one), "b": BAD["filled"](one)})
    assert list(table.columns) == COLUMNS
    assert table["rank"].tolist() == [1, 2]
    assert table["boxes"].tolist() == [3, 3]
    assert table["score"].is_monotonic_decreasing
    assert table["score"].between(0, 1).all()


def test_the_score_is_the_weighted_mean_of_the_evidence():
    one = field()
    table = ranking(one, {"a": perfect(one), "b": BAD["small"](one)})
    weights = Weights()
    total = sum(getattr(weights, name) for name in EVIDENCE)
    for row in table.to_dict("records"):
        expected = sum(getattr(weights, name) * row[name] for name in EVIDENCE) / total
        assert row["score"] == pytest.approx(expected, abs=2e-6)


def test_only_the_ratios_of_weights_count():
    one = field()
    recipes = {"a": perfect(one), "b": BAD["moved"](one)}
    tenfold = RefereeParams(weights=Weights(**{name: 10 * getattr(Weights(), name) for name in EVIDENCE}))
    pd.testing.assert_frame_equal(ranking(one, recipes), ranking(one, recipes, tenfold))


@pytest.mark.parametrize("kind", ["touch", "inside", "recovers", "area"])
def test_a_weight_alone_decides(kind):
    one = field(axes=(26, 12), angle=45)
    recipes = {"perfect": perfect(one), "filled": BAD["filled"](one), "moved": BAD["moved"](one)}
    only = RefereeParams(weights=Weights(**{name: float(name == kind) for name in EVIDENCE}))
    table = ranking(one, recipes, only)
    np.testing.assert_allclose(table["score"], table[kind], atol=1e-6)
    assert table[kind].is_monotonic_decreasing


def test_of_equal_recipes_the_one_named_first_is_ahead():
    one = field()
    assert ranking(one, {"z": perfect(one), "a": perfect(one)})["recipe"].tolist() == ["z", "a"]
    assert ranking(one, {"a": perfect(one), "z": perfect(one)})["recipe"].tolist() == ["a", "z"]


def test_slices_add_up_box_by_box():
    few, many = field(count=1, seed=1), field(count=4, angle=80, seed=2)
    recipe = make_extractor(OtsuParams())
    both = judge([few.sample, many.sample], {"a": recipe}, voxel_size=VOXEL, params=PARAMS)
    apart = [ranking(one, {"a": recipe})["score"].item() for one in (few, many)]
    assert both["boxes"].item() == 5
    assert both["score"].item() == pytest.approx((apart[0] + 4 * apart[1]) / 5, abs=1e-5)


def test_samples_are_taken_one_at_a_time():
    one = field()
    open_now = []

    def samples():
        for number in range(3):
            assert open_now == list(range(number))
            yield one.sample
            open_now.append(number)

    assert judge(samples(), {"a": perfect(one)}, voxel_size=VOXEL, params=PARAMS)["boxes"].item() == 12


def test_nothing_gives_an_empty_ranking():
    nothing = Sample(field().slab, np.zeros((0, 4), dtype=np.int32))
    for samples in ([], [nothing], [nothing, nothing]):
        table = judge(samples, {"a": make_extractor(EllipseParams())}, voxel_size=VOXEL, params=PARAMS)
        assert list(table.columns) == COLUMNS
        assert len(table) == 0
        assert table["recipe"].dtype == "str"
    assert len(rank([], [])) == 0


def test_evidence_on_an_unknown_recipe_is_refused():
    one = field()
    found = pd.DataFrame([{"recipe": "b"} | dict.fromkeys(EVIDENCE, 0.5)])
    with pytest.raises(InputError, match=r"\['b'\], expected one of \['a'\]"):
        rank([found], ["a"])
    assert ranking(one, {"a": perfect(one)})["recipe"].tolist() == ["a"]


def test_the_usual_recipe_gives_way_only_to_one_that_leads_by_more_than_the_margin():
    rows = [{"recipe": name} | dict.fromkeys(EVIDENCE, score) for name, score in (("a", 0.5), ("b", 0.52), ("c", 0.4))]
    found = [pd.DataFrame(rows)]
    assert rank(found, "abc")["recipe"].tolist() == ["b", "a", "c"]
    close = rank(found, "abc", margin=0.02)
    assert close["recipe"].tolist() == ["a", "b", "c"]
    assert close["rank"].tolist() == [1, 2, 3]
    assert rank(found, "abc", margin=0.019)["recipe"].tolist() == ["b", "a", "c"]
    assert rank(found, "cab", margin=0.02)["recipe"].tolist() == ["b", "a", "c"]  # the usual one is far behind
    assert rank(found, ["d", "a", "b", "c"], margin=1)["recipe"].tolist() == ["b", "a", "c"]  # it was not tried


# ---- which recipes ----


@pytest.mark.parametrize("name", ["mitochondrion", "early endosome", "nucleus", "lysosome", "synapse", "Mitochondria"])
def test_the_default_of_the_class_is_tried_first(name):
    found = candidates(name)
    assert next(iter(found.values())) == default_recipe(name)
    assert sum(recipe == default_recipe(name) for recipe in found.values()) == 1


def test_both_polarities_the_papers_chain_larger_radii_and_the_ellipse_are_tried():
    found = candidates("mitochondrion")
    assert {"masknet", "ellipse", "otsu dark", "otsu bright", "otsu dark, wide", "paper dark", "paper bright"} <= set(
        found
    )
    assert found["paper dark"] == paper_recipe("mitochondrion")
    assert found["paper bright"] == paper_recipe("early endosome")
    assert found["otsu dark, wide"].blur_nm == 2 * found["otsu dark"].blur_nm
    assert len(set(found.values())) == len(found)


# ---- which boxes ----


def boxes(count, side=20):
    return np.array([[0, 0, side, side]] * count, dtype=np.int32).reshape(-1, 4)


@given(st.integers(0, 400), st.integers(1, 60), st.integers(0, 9))
def test_boxes_are_chosen_evenly(count, most, seed):
    params = RefereeParams(boxes=most, minimum_boxes=1, seed=seed)
    found = choose(boxes(count), params)
    assert len(found) == min(count, most)
    assert (np.diff(found) > 0).all()
    assert set(found) <= set(range(count))
    if len(found) > 1:
        gaps = np.diff(found)
        assert gaps.max() - gaps.min() <= 1
        assert found[0] <= count / len(found)


def test_a_seed_gives_the_same_boxes_and_another_seed_others():
    first, second = (choose(boxes(500), RefereeParams(seed=3)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, choose(boxes(500), RefereeParams(seed=4)))


def test_tiny_boxes_are_left_out():
    mixed = np.concatenate([boxes(3, side=5), boxes(2, side=6), boxes(1, side=5)])
    assert choose(mixed, PARAMS).tolist() == [3, 4]
    assert len(choose(boxes(9, side=5), PARAMS)) == 0
    assert len(choose(boxes(0), PARAMS)) == 0


def test_of_large_boxes_fewer_are_tried_but_never_too_few_for_a_verdict():
    assert len(choose(boxes(100, side=400), PARAMS)) == 25  # 4 megapixels
    assert len(choose(boxes(100, side=3000), PARAMS)) == PARAMS.minimum_boxes
    assert len(choose(boxes(3, side=3000), PARAMS)) == 3


# ---- wrong input ----


@pytest.mark.parametrize(
    "wrong",
    [
        {"boxes": 3},
        {"minimum_boxes": 0},
        {"megapixels": 0.0},
        {"megapixels": float("inf")},
        {"smallest_px": 1},
        {"seed": -1},
    ],
)
def test_knobs_out_of_range_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        RefereeParams(**wrong)


@pytest.mark.parametrize("wrong", [dict.fromkeys(EVIDENCE, 0.0), {"touch": -1.0}, {"area": float("nan")}])
def test_weights_that_weigh_nothing_are_refused(wrong):
    with pytest.raises(InputError, match="weights"):
        Weights(**wrong)


def test_variants_of_otsus_threshold_for_one_polarity_are_one_kind():
    found = kinds(candidates("mitochondrion"))
    assert found["otsu dark"] == found["otsu dark, wide"] == found["paper dark"] != found["otsu bright"]
    assert len(set(found.values())) == 4
