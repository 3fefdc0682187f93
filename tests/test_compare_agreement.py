"""Agreement voxel by voxel, against scikit-image, and closed forms; classes taken for one another."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.metrics import adapted_rand_error as their_rand_error
from skimage.metrics import variation_of_information as their_variation

from famous.compare import agreement
from famous.compare.agreement import adapted_rand_error, agree, confuse, variation_of_information
from famous.compare.comparison import NO_CLASS
from famous.compare.matching import match
from famous.compare.overlaps import count_slices
from famous.errors import InputError
from famous.voxels import VoxelSize
from tests.compare_phantoms import (
    CASES,
    ball,
    both_empty,
    bricks,
    identical,
    lens,
    merge,
    pred_empty,
    shifted,
    split,
    truth_empty,
)

FIB = VoxelSize(8, 8, 8)
LABELS = hnp.arrays(np.uint32, (2, 3, 6), elements=st.integers(0, 5))


# ---- against scikit-image ----


def random_labels(seed, shape=(6, 20, 20), n=12):
    """Random blocks of labels with noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, n, [math.ceil(s / 4) for s in shape]).astype(np.uint32)
    fine = np.kron(coarse, np.ones((4, 4, 4), dtype=np.uint32))[tuple(slice(s) for s in shape)]
    noise = rng.integers(0, n, shape).astype(np.uint32)
    return np.where(rng.random(shape) < 0.2, noise, fine)


def check_against_skimage(pred, truth):
    overlaps = count_slices(pred, truth)
    for everything, ignored in [(False, (0,)), (True, ())]:
        if everything or truth.any():
            theirs = their_variation(truth, pred, ignore_labels=ignored)
            np.testing.assert_allclose(variation_of_information(overlaps, everything=everything), theirs, atol=1e-9)
        ours = adapted_rand_error(overlaps, everything=everything)
        if math.isnan(ours):
            continue
        theirs = 1 - _their_f_score(truth, pred, ignored)
        assert ours == pytest.approx(theirs, abs=1e-9)


def _their_f_score(truth, pred, ignored):
    with np.errstate(invalid="ignore", divide="ignore"):  # its precision may be 0 / 0 where the F-score is not
        return 1 - their_rand_error(truth, pred, ignore_labels=ignored)[0]


@pytest.mark.parametrize("seed", range(5))
def test_random_volumes_agree_with_scikit_image(seed):
    check_against_skimage(random_labels(seed), random_labels(seed // 2))
    check_against_skimage(random_labels(seed, n=3), random_labels(seed, n=40))


@given(LABELS, LABELS)
def test_any_volumes_agree_with_scikit_image(pred, truth):
    check_against_skimage(pred, truth)


# ---- closed forms ----


def test_shifted_balls():
    shape, radius, distance = (64, 64, 80), 24.0, 12.0
    left, right = ball((32, 32, 32), radius, shape), ball((32, 32, 44), radius, shape)
    found = agree(count_slices(left, right), FIB)
    both, volume = lens(radius, distance), 4 / 3 * np.pi * radius**3
    um3 = FIB.volume_nm3 / 1e9
    assert found.intersection_um3 == pytest.approx(both * um3, rel=5e-3)
    assert found.union_um3 == pytest.approx((2 * volume - both) * um3, rel=5e-3)
    assert found.dice == pytest.approx(both / volume, rel=5e-3)
    assert found.iou == pytest.approx(both / (2 * volume - both), rel=5e-3)
    assert found.volume_overlap_percent == 100 * found.iou
    cut = both / volume  # the voxels of truth are in two labels of pred: the ball and the background
    entropy = -cut * math.log2(cut) - (1 - cut) * math.log2(1 - cut)
    assert (found.vi_split, found.vi_merge) == pytest.approx((entropy, 0), rel=5e-3)


def test_a_split_and_a_merge_show_in_their_part_of_the_variation_of_information():
    entropy = -0.6 * math.log2(0.6) - 0.4 * math.log2(0.4)
    found = agree(count_slices(split().pred, split().truth), FIB)
    assert (found.vi_split, found.vi_merge) == pytest.approx((entropy, 0))
    found = agree(count_slices(merge().pred, merge().truth), FIB)
    assert (found.vi_split, found.vi_merge) == pytest.approx((0, entropy))
    assert found.iou == found.dice == 1.0


def test_a_rand_error_by_hand():
    pred, truth = np.zeros((1, 1, 6), dtype=np.uint32), np.zeros((1, 1, 6), dtype=np.uint32)
    truth[0, 0], pred[0, 0] = [1, 1, 1, 2, 2, 2], [1, 1, 2, 2, 2, 2]
    # ordered pairs: in both 2 + 6, in truth 6 + 6, in pred 2 + 12
    assert adapted_rand_error(count_slices(pred, truth)) == pytest.approx(1 - 2 * 8 / (12 + 14))


def test_a_shift_by_hand():
    found = agree(count_slices(shifted().pred, shifted().truth), VoxelSize(50, 5, 4))
    um3 = 20 * 50 * 5 * 4 / 1e9  # of one layer of the brick
    assert found.union_um3 == pytest.approx(12 * um3)
    assert found.intersection_um3 == pytest.approx(8 * um3)
    assert found.volume_overlap_percent == pytest.approx(100 * 8 / 12)
    assert found.dice == pytest.approx(0.8)


@pytest.mark.parametrize("case", CASES)
def test_swapping_the_sides_changes_nothing_that_is_symmetric(case):
    given_case = case()
    forth = agree(count_slices(given_case.pred, given_case.truth), FIB)
    back = agree(count_slices(given_case.truth, given_case.pred), FIB)
    for name in ("volume_overlap_percent", "union_um3", "intersection_um3", "iou", "dice"):
        np.testing.assert_equal(getattr(forth, name), getattr(back, name))


@given(LABELS, LABELS)
def test_with_every_voxel_swapping_swaps_split_and_merge(pred, truth):
    forth, back = count_slices(pred, truth), count_slices(truth, pred)
    split_part, merge_part = variation_of_information(forth, everything=True)
    assert variation_of_information(back, everything=True) == pytest.approx((merge_part, split_part), abs=1e-12)


@given(LABELS)
def test_a_volume_agrees_with_itself(volume):
    found = agree(count_slices(volume, volume), FIB)
    if volume.any():
        assert (found.volume_overlap_percent, found.iou, found.dice) == (100, 1, 1)
        assert (found.vi_split, found.vi_merge) == (0, 0)
        assert found.adapted_rand_error == 0 or found.note == agreement.NO_PAIR


def test_what_is_undefined_is_nan_with_the_reason():
    def nans(case):
        found = agree(count_slices(case.pred, case.truth), FIB)
        return {name for name, value in vars(found).items() if name != "note" and math.isnan(value)}, found.note

    pairwise = {"vi_split", "vi_merge", "adapted_rand_error"}
    assert nans(both_empty()) == (pairwise | {"volume_overlap_percent", "iou", "dice"}, agreement.EMPTY)
    assert nans(truth_empty()) == (pairwise, agreement.NO_TRUTH)
    assert nans(pred_empty()) == (set(), "")
    assert nans(identical()) == (set(), "")
    single = np.ones((1, 1, 1), dtype=np.uint8)
    found = agree(count_slices(single, single), FIB)
    assert math.isnan(found.adapted_rand_error)
    assert found.note == agreement.NO_PAIR


# ---- classes ----


def confusion(pred, truth, threshold=0.5):
    """Compare two dicts of class → volume."""
    overlaps = {(a, b): count_slices(pred[a], truth[b]) for a in pred for b in truth}
    within = {name: match(overlaps[name, name], threshold) for name in pred}
    counts, objects = confuse(within, {k: v for k, v in overlaps.items() if k[0] != k[1]}, threshold=threshold)
    table = {(a, b): n for a, b, n in counts.itertuples(index=False) if n}
    return table, objects


def test_a_swapped_class_is_found_and_no_longer_missed_or_invented():
    truth = {"endosome": bricks((1, 0, 10), (2, 20, 30)), "lysosome": bricks((1, 12, 18))}
    pred = {"endosome": bricks((4, 0, 10)), "lysosome": bricks((9, 12, 18), (7, 20, 29), (5, 35, 38))}
    table, objects = confusion(pred, truth)
    assert table == {
        ("endosome", "endosome"): 1,
        ("lysosome", "lysosome"): 1,
        ("lysosome", "endosome"): 1,
        ("lysosome", NO_CLASS): 1,
    }
    assert len(objects) == 1
    assert objects.iloc[0].to_dict() == {
        "pred_class": "lysosome",
        "pred_id": 7,
        "truth_class": "endosome",
        "truth_id": 2,
        "overlap_voxels": 9 * 20,
        "iou": 0.9,
    }


def test_a_partner_in_its_own_class_comes_first():
    truth = {"nucleus": bricks((1, 0, 20)), "nucleolus": bricks((1, 0, 19))}  # one inside the other
    table, objects = confusion({"nucleus": bricks((1, 0, 18)), "nucleolus": bricks((1, 0, 20))}, truth)
    assert table == {("nucleus", "nucleus"): 1, ("nucleolus", "nucleolus"): 1}
    assert objects.empty


def test_over_all_classes_nobody_is_taken_twice():
    truth = {"a": bricks(), "b": bricks((1, 0, 10)), "c": bricks((1, 0, 10))}
    table, objects = confusion({"a": bricks((3, 0, 10)), "b": bricks(), "c": bricks()}, truth)
    assert len(objects) == 1
    assert sorted(table.values()) == [1, 1]  # one of the two, and the other one is missed


@given(LABELS, LABELS, LABELS, LABELS, st.sampled_from([0.1, 0.5]))
def test_every_object_is_counted_once(a, b, c, d, threshold):
    pred, truth = {"x": a, "y": b}, {"x": c, "y": d}
    table, objects = confusion(pred, truth, threshold)
    for name in "xy":
        rows = sum(n for (p, _), n in table.items() if p == name)
        columns = sum(n for (_, t), n in table.items() if t == name)
        assert rows == len(np.unique(pred[name][pred[name] > 0]))
        assert columns == len(np.unique(truth[name][truth[name] > 0]))
    assert not objects.duplicated(["pred_class", "pred_id"]).any()
    assert not objects.duplicated(["truth_class", "truth_id"]).any()
    assert min(table.values(), default=1) > 0


def test_a_class_is_never_taken_for_itself():
    overlaps = count_slices(bricks((1, 0, 10)), bricks((1, 0, 16)))
    counts, objects = confuse({"a": match(overlaps, 0.75)}, {("a", "a"): overlaps}, threshold=0.5)
    assert counts["count"].tolist() == [0, 1, 1]
    assert objects.empty


def test_no_class_and_one_class():
    counts, objects = confuse({}, {})
    assert len(counts) == len(objects) == 0
    assert list(objects.columns) == ["pred_class", "pred_id", "truth_class", "truth_id", "overlap_voxels", "iou"]
    table, _ = confusion({"only": bricks((1, 0, 10))}, {"only": bricks((1, 20, 30))})
    assert table == {("only", NO_CLASS): 1, (NO_CLASS, "only"): 1}


def test_a_class_called_none_is_a_class():
    volumes = {"none": bricks((1, 0, 10), (2, 20, 30)), "b": bricks((1, 12, 18))}
    table, _ = confusion({"none": bricks((1, 0, 10)), "b": bricks((1, 12, 18), (5, 35, 38))}, volumes)
    assert table == {("none", "none"): 1, ("b", "b"): 1, (NO_CLASS, "none"): 1, ("b", NO_CLASS): 1}


def test_the_name_that_stands_for_no_class_is_refused():
    overlaps = count_slices(bricks((1, 0, 10)), bricks((1, 0, 10)))
    with pytest.raises(InputError, match=r"class '\(none\)'"):
        confuse({NO_CLASS: match(overlaps)}, {})
