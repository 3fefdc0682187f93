"""Which reasons concern which column."""

import pytest

from famous.report.comparison_reasons import reason_of

EMPTY = "no object on either side: nothing is defined"
NO_PRED = "no object in pred: precision is undefined"
NO_TRUTH = "no object in truth: recall is undefined"
NO_PAIR = "no pair matched: sq is undefined"
NO_SCORES = "average precision needs a score of every object, which these labels do not have"
NO_VOXEL = "no voxel in truth: variation of information and adapted Rand error are undefined"
ONE_SLICE = "one slice only: the standard deviation is undefined"
NO_SURFACE = "surface distances need all slices, and in 3D"


@pytest.mark.parametrize(
    ("note", "column", "reason"),
    [
        ("", "f1", ""),
        (f"{EMPTY}; {NO_SCORES}", "f1", EMPTY),
        (f"{EMPTY}; {NO_SCORES}", "ap", NO_SCORES),
        (EMPTY, "ap", EMPTY),
        (NO_SCORES, "precision", ""),
        (f"{NO_PRED}; {NO_TRUTH}; {NO_PAIR}", "precision", NO_PRED),
        (f"{NO_PRED}; {NO_TRUTH}; {NO_PAIR}", "recall", NO_TRUTH),
        (f"{NO_PRED}; {NO_TRUTH}; {NO_PAIR}", "sq", NO_PAIR),
        (f"{NO_VOXEL}; {NO_SURFACE}", "vi_split_bits", NO_VOXEL),
        (f"{NO_VOXEL}; {NO_SURFACE}", "adapted_rand_error", NO_VOXEL),
        (f"{NO_VOXEL}; {NO_SURFACE}", "surface_p95_nm", NO_SURFACE),
        (f"{NO_VOXEL}; {NO_SURFACE}", "volume_overlap_percent", ""),
        ("no surface in both", "surface_mean_nm", "no surface in both"),
        (ONE_SLICE, "f1_mean", ""),
        (ONE_SLICE, "iou_sd", ONE_SLICE),
        ("the program found none", "iou", "the program found none"),
    ],
)
def test_the_reason_of_a_column(note: str, column: str, reason: str) -> None:
    assert reason_of(note, column) == reason
