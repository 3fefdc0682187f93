"""How much an ignore label and a zone round borders leave out, in closed form."""

import numpy as np
import pytest

from famous.pipeline.compare_count import count
from famous.pipeline.compare_left_out import say_left_out
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
        "M1: left out are the ignore label 99; of the compared voxels that is 25 % (mito)"
    ]


def test_an_ignore_label_that_is_not_there_is_told():
    assert said(0, 0, ignore=IGNORE) == ["M1: the ignore label 99 does not occur in what is compared"]
    assert said(4, 0, ignore=IGNORE) == said(0, 0, ignore=IGNORE)  # in pred it is an id like any other


def test_the_zone_round_borders_lies_within_the_slices():
    """One pixel on either side of the outline, in 4 of 16 slices; the brick's faces in z have no zone."""
    (note,) = said(0, 0, boundary_nm=10)
    ring = 4 * (22**2 - 18**2)
    share = 100 * ring / np.prod(SHAPE)
    zone = "what is nearer than 10 nm to a border of its objects, measured within the slices"
    assert note == f"M1: left out are {zone}; of the compared voxels that is {share:.3g} % (mito)"


def test_each_truth_has_its_own_share_and_the_experts_theirs():
    notes = said(0, 4, 8, ignore=IGNORE)
    assert [note.split(":")[0] for note in notes] == ["M1", "M2", "M2 against M1"]
    assert [note.split("that is ")[1] for note in notes] == ["25 % (mito)", "50 % (mito)", "50 % (mito)"]


@pytest.mark.parametrize("slices", [(2, 3), (14, 15)])
def test_only_what_is_compared_counts(slices):
    labels = {"pred": {"mito": volume()}, "M1": {"mito": volume(1)}}
    some = scene(labels, ignore=IGNORE)
    some = type(some)(some.sides, SHAPE, some.voxel_size, slices, ignore=IGNORE)
    (note,) = say_left_out(some, count(some, Session()))
    assert ("50 %" in note) == (15 in slices)
    assert ("does not occur" in note) == (15 not in slices)
