"""A body that changes its class from slice to slice stays one; what lies in another or beside it does not join it."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from famous import boxes as box_table
from famous.link import OverlapParams, link
from famous.link.renamed import join_renamed
from tests.link_phantoms import VOXEL, pairs, table

BIG, SMALL, BESIDE = (0, 0, 20, 20), (5, 5, 14, 14), (0, 19, 20, 39)


def joined(*bodies, reach=3, iou=0.5):
    """Bodies, each a class and {slice: corners}, and which of them are one: a number each."""
    rows = [(z, *corners) for _, boxes in bodies for z, corners in boxes.items()]
    names = [name for name, boxes in bodies for _ in boxes]
    track = np.repeat(np.arange(len(bodies)), [len(boxes) for _, boxes in bodies]).astype(np.int32)
    group = np.unique(names, return_inverse=True)[1]
    found = join_renamed(table(*rows, class_name=names), track, group, reach=reach, iou=iou)
    ends = np.cumsum([0, *(len(boxes) for _, boxes in bodies)])
    return [int(found[end]) for end in ends[:-1]]


def stretch(low, high, corners=BIG):
    return dict.fromkeys(range(low, high), corners)


TOGETHER = {
    "one after the other": [("a", stretch(0, 6)), ("b", stretch(6, 12))],
    "with a gap": [("a", stretch(0, 6)), ("b", stretch(8, 12))],
    "both for a while": [("a", stretch(0, 8)), ("b", stretch(5, 12))],
    "another name in between": [("a", stretch(0, 12)), ("b", stretch(4, 7))],
    "another name in a gap": [("a", stretch(0, 4) | stretch(7, 12)), ("b", stretch(4, 7))],
    "both for half of the way": [("a", stretch(0, 12)), ("b", stretch(3, 9))],
    "three names": [("a", stretch(0, 4)), ("b", stretch(4, 7)), ("c", stretch(7, 12))],
    "a little off": [("a", stretch(0, 6)), ("b", stretch(6, 12, (3, 3, 23, 23)))],
}
APART = {
    "a nucleus and its envelope": [("a", stretch(0, 12)), ("b", stretch(0, 12, (1, 1, 19, 19)))],
    "both for most of the way": [("a", stretch(0, 12)), ("b", stretch(3, 10))],
    "one inside the other": [("a", stretch(0, 12)), ("b", stretch(3, 8, SMALL))],
    "side by side": [("a", stretch(0, 6)), ("b", stretch(6, 12, BESIDE))],
    "too far": [("a", stretch(0, 6)), ("b", stretch(9, 12))],
    "of one class": [("a", stretch(0, 6)), ("a", stretch(6, 12)), ("b", stretch(0, 6, BESIDE))],
    "they cross": [
        ("a", {z: (0, 4 * z, 20, 4 * z + 20) for z in range(11)}),
        ("b", {z: (0, 40 - 4 * z, 20, 60 - 4 * z) for z in range(11)}),
    ],
    "one grows out of the other": [
        ("a", stretch(0, 12)),
        ("b", {z: (0, 5 * (z - 3), 20, 5 * (z - 3) + 20) for z in range(3, 12)}),
    ],
}


@pytest.mark.parametrize("name", TOGETHER)
def test_one_body_under_several_names(name):
    assert len(set(joined(*TOGETHER[name]))) == 1
    assert len(set(joined(*reversed(TOGETHER[name])))) == 1


@pytest.mark.parametrize("name", APART)
def test_bodies_that_stay_apart(name):
    assert len(set(joined(*APART[name]))) == len(APART[name])


def test_how_near_is_near_enough_is_the_knob():
    shifted = ("b", stretch(6, 12, (5, 0, 25, 20)))  # IoU 0.6
    assert len(set(joined(("a", stretch(0, 6)), shifted, iou=0.59))) == 1
    assert len(set(joined(("a", stretch(0, 6)), shifted, iou=0.61))) == 2


def test_the_class_is_voted_and_no_exclusive_group_is_needed():
    boxes = table(*((z, 0, 0, 10, 10) for z in range(6)), class_name=["mito", "mito", "lyso", "mito", "mito", "mito"])
    chain = pairs((1, 2, 100), (4, 5, 100), (5, 6, 100))
    linked = link(boxes, chain, voxel_size=VOXEL)
    assert linked["instance"].tolist() == [1] * 6
    assert linked["class_name"].tolist() == ["mito"] * 6
    assert linked["detected_class"].tolist() == boxes["class_name"].tolist()
    every = OverlapParams(renamed_iou=1.0, minimum_length_nm=0.0)
    assert link(boxes, chain, voxel_size=VOXEL, params=every)["instance"].nunique() == 3


def naive(z, boxes, track, group, reach, iou):
    """The rule, pair by pair."""
    low = {t: z[track == t].min() for t in set(track)}
    high = {t: z[track == t].max() for t in set(track)}
    close = box_table.iou(boxes, boxes) >= iou

    def meets(one, z_one, other, step):
        mine, theirs = np.flatnonzero((track == one) & (z == z_one)), np.flatnonzero(track == other)
        return any(close[i, j] and 0 <= step * (z[j] - z[i]) <= reach for i in mine for j in theirs)

    links = []
    for a, b in itertools.combinations(sorted(set(track)), 2):
        if group[track == a][0] == group[track == b][0]:
            continue
        begins = any(meets(x, low[x], y, -1) for x, y in ((a, b), (b, a)) if low[y] <= low[x])
        ends = any(meets(x, high[x], y, 1) for x, y in ((a, b), (b, a)) if high[y] >= high[x])
        slices = [set(z[track == t]) for t in (a, b)]
        seldom = len(slices[0] & slices[1]) <= 0.5 * max(map(len, slices))
        if begins and ends and seldom:
            links.append((a, b))
    return links


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.sampled_from([0, 1, 3]), st.sampled_from([0.1, 0.3, 0.5, 0.8]))
def test_random_bodies_follow_the_rule(seed, number, reach, iou):
    rng = np.random.default_rng(seed)
    z, track = rng.integers(0, 6, number), rng.integers(0, 7, number)
    group = rng.integers(0, 3, 7)[track]
    low = rng.integers(0, 12, (number, 2))
    boxes = np.concatenate([low, low + rng.integers(1, 12, (number, 2))], axis=1)
    rows = pd.DataFrame({"z": z, **dict(zip(box_table.CORNERS, boxes.T, strict=True))})
    found = join_renamed(rows, track.astype(np.int32), group, reach=reach, iou=iou)
    expected = {t: t for t in set(track.tolist())}
    for a, b in naive(z, boxes, track, group, reach, iou):
        into, gone = expected[a], expected[b]
        expected = {t: into if of == gone else of for t, of in expected.items()}
    same = found[:, None] == found
    wanted = np.array([expected[t] for t in track])
    assert (same == (wanted[:, None] == wanted)).all()
