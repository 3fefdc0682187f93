"""How much an ignore label and a zone round borders leave out, in closed form."""

import numpy as np
import pytest

from famous.pipeline.compare_count import count
from famous.pipeline.compare_left_out import CUT, WHOLE, say_left_out
from famous.pipeline.stage import Session
from tests.compare_scenes import SHAPE, scene

IGNORE = 99


def volume(marked=0):
    """One brick of 4 × 20 × 20 voxels, and in the last slices nothing, or what nobody is judged by."""
    labels = np.zeros(SHAPE, dtype=np.uint16)
    labels[2:6, 20:40, 30:50] = 1
    if marked:
        labels[-marked:] = IGNORE
    return labels


def said(*marked, **changes):
    names = ("pred", "M1", "M2")[: len(marked)]
    some = scene({name: {"mito": volume(slices)} for name, slices in zip(names, marked, strict=True)}, **changes)
    return say_left_out(some, count(some, Session()))


def test_nothing_left_out_is_not_worth_a_word():
    assert said(0, 0) == []


def test_the_share_of_an_ignore_label():
    assert said(0, 4, ignore=IGNORE) == [
        "M1: the ignore label 99 is left out: 25 % (mito) of the compared voxels",
        CUT,
    ]


def test_an_ignore_label_that_is_not_there_is_told():
    assert said(0, 0, ignore=IGNORE) == ["M1: the ignore label 99 does not occur in what is compared"]
    assert said(4, 0, ignore=IGNORE) == said(0, 0, ignore=IGNORE)  # in pred it is an id like any other


def test_the_zone_round_borders_lies_within_the_slices():
    """One pixel on either side of the outline, in 4 of 16 slices; the brick's faces in z have no zone."""
    note, also = said(0, 0, boundary_nm=10)
    ring = 4 * (22**2 - 18**2)
    share = 100 * ring / np.prod(SHAPE)
    zone = "a zone of 10 nm round the borders of its objects, measured within the slices"
    assert note == f"M1: {zone}, is left out of the scores: {share:.3g} % (mito) of the compared voxels"
    assert also == WHOLE


def test_each_truth_has_its_own_share_and_all_are_left_out_everywhere():
    first, second, everywhere, cut = said(0, 4, 8, ignore=IGNORE)
    assert (first.split(":")[0], second.split(":")[0]) == ("M1", "M2")
    assert "25 % (mito)" in first
    assert "50 % (mito)" in second
    assert everywhere == "what M1 or M2 ignores is left out of all sources, whichever two are compared"
    assert cut == CUT


@pytest.mark.parametrize("slices", [(2, 3), (14, 15)])
def test_only_what_is_compared_counts(slices):
    labels = {"pred": {"mito": volume()}, "M1": {"mito": volume(1)}}
    some = scene(labels, ignore=IGNORE)
    some = type(some)(some.sides, SHAPE, some.voxel_size, slices, ignore=IGNORE)
    note, *_ = say_left_out(some, count(some, Session()))
    assert ("50 %" in note) == (15 in slices)
    assert ("does not occur" in note) == (15 not in slices)
