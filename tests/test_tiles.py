from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from famous.errors import InputError
from famous.tiles import Found, MergeParams, area, at_inner_border, intersection, join, meeting, merge, suppress, tiles

#: two tiles side by side, 100 px wide, that share the columns 80 … 99
TWO = np.array([[0, 0, 100, 100], [0, 80, 100, 180]])
SHAPE = (100, 180)


def found(*rows, border_px=1.0, origins=TWO, shape=SHAPE):
    """Rows of (y0, x0, y1, x1, score, class index, tile)."""
    table = np.array(rows, dtype=np.float64).reshape(-1, 7)
    tile = table[:, 6].astype(int)
    cut = at_inner_border(table[:, :4], origins[tile], shape, border_px)
    return Found(table[:, :4], table[:, 4], table[:, 5].astype(int), tile, cut)


def merged(*rows, border_px=1.0, **knobs):
    params = MergeParams(tile_px=100, overlap_px=20, border_px=border_px, **knobs)
    result = merge(found(*rows, border_px=border_px), TWO, params)
    return sorted(map(tuple, result.corners.tolist()))


@given(
    shape=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    tile_px=st.integers(8, 120),
    share=st.floats(0.01, 0.6),
)
@settings(deadline=None, max_examples=40)
def test_tiles_cover_the_slice_and_overlap(shape, tile_px, share):
    overlap_px = max(1, int(share * tile_px))
    spans = tiles(shape, tile_px=tile_px, overlap_px=overlap_px)
    covered = np.zeros(shape, dtype=int)
    for span in spans:
        covered[span] += 1
        assert covered[span].shape == tuple(min(length, tile_px) for length in shape)
    assert (covered > 0).all()
    for axis, length in enumerate(shape):
        starts = sorted({span[axis].start for span in spans})
        assert all(0 < b - a <= tile_px - overlap_px for a, b in pairwise(starts))
        assert len(starts) == 1 or len(starts) <= 2 + (length - overlap_px) // (tile_px - overlap_px)


def test_tiles_go_row_by_row_and_a_small_slice_is_one_tile():
    assert tiles((30, 150), tile_px=100, overlap_px=20) == [
        (slice(0, 30), slice(0, 100)),
        (slice(0, 30), slice(50, 150)),
    ]
    assert tiles((100, 100), tile_px=100, overlap_px=20) == [(slice(0, 100), slice(0, 100))]
    assert tiles((0, 50), tile_px=100, overlap_px=20) == []


def test_a_box_whole_in_one_tile_replaces_the_part_in_the_other():
    assert merged((10, 60, 40, 95, 0.6, 0, 0), (11, 80, 40, 95, 0.9, 0, 1)) == [(10, 60, 40, 95)]


def test_a_box_cut_in_both_tiles_becomes_the_union():
    assert merged((10, 40, 40, 100, 0.6, 0, 0), (11, 80, 42, 150, 0.9, 0, 1)) == [(10, 40, 42, 150)]


def test_a_part_that_stops_short_of_the_border_still_joins():
    assert merged((10, 40, 40, 91, 0.6, 0, 0), (10, 80, 40, 150, 0.9, 0, 1)) == [(10, 40, 40, 150)]


def test_a_box_seen_whole_twice_is_kept_once():
    assert merged((10, 82, 30, 97, 0.6, 0, 0), (12, 83, 33, 97, 0.9, 0, 1)) == [(12, 83, 33, 97)]


def test_a_poor_sliver_does_not_enlarge_the_whole_box():
    """The right tile sees the last 3 columns only, twice too wide."""
    assert merged((10, 40, 40, 83, 0.9, 0, 0), (12, 80, 43, 86, 0.3, 0, 1), border_px=4) == [(10, 40, 40, 83)]


def test_neighbours_on_a_border_stay_two():
    rows = ((10, 60, 30, 100, 0.9, 0, 0), (30, 80, 50, 140, 0.9, 0, 1))
    assert merged(*rows) == [(10, 60, 30, 100), (30, 80, 50, 140)]


def test_parts_of_different_classes_stay_apart():
    rows = ((10, 40, 40, 100, 0.6, 0, 0), (10, 80, 40, 150, 0.9, 1, 1))
    assert len(merged(*rows)) == 2


def test_the_two_legs_of_an_arch_join_its_body():
    rows = ((10, 40, 60, 100, 0.9, 0, 0), (10, 80, 22, 120, 0.8, 0, 1), (48, 80, 60, 110, 0.7, 0, 1))
    assert merged(*rows) == [(10, 40, 60, 120)]


def test_the_edge_of_the_slice_cuts_nothing():
    flags = found((0, 0, 30, 30, 1, 0, 0), (0, 150, 30, 180, 1, 0, 1), (50, 50, 100, 99.5, 1, 0, 0)).cut
    assert flags.tolist() == [False, False, True]


def test_one_organelle_under_two_names_keeps_the_better():
    rows = ((10, 10, 40, 40, 0.6, 0, 0), (10, 10, 41, 40, 0.9, 1, 0))
    assert merged(*rows) == [(10, 10, 41, 40)]
    assert len(merged(*rows, class_iou=1)) == 2


def test_suppression_keeps_the_best_of_a_chain():
    """1 hides 2, and 2, being hidden, hides nothing: 3 stays."""
    rows = ((0, 0, 10, 100, 0.9, 0, 0), (0, 10, 10, 110, 0.8, 0, 0), (0, 25, 10, 125, 0.7, 0, 0))
    kept = suppress(found(*rows, shape=(10, 10_000), origins=np.array([[0, 0, 10, 10_000]])), MergeParams())
    assert kept.scores.tolist() == [0.9, 0.7]


def test_nothing_stays_nothing():
    assert len(merge(found(), TWO, MergeParams())) == 0
    assert len(suppress(found(), MergeParams())) == 0
    assert len(join([found(), found()])) == 0


corner = st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(1, 15), st.integers(1, 15))


@given(rows=st.lists(corner, max_size=15))
@settings(deadline=None)
def test_meeting_finds_every_pair_that_overlaps_once(rows):
    corners = np.array([(y, x, y + h, x + w) for y, x, h, w in rows], dtype=np.float64).reshape(-1, 4)
    a, b = meeting(corners)
    pairs = [tuple(sorted(pair)) for pair in zip(a.tolist(), b.tolist(), strict=True)]
    expected = {
        (i, j)
        for i in range(len(corners))
        for j in range(i + 1, len(corners))
        if area(intersection(corners[i], corners[j])) > 0
    }
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == expected


@pytest.mark.parametrize(
    "knobs",
    [
        {"overlap_px": 0},
        {"tile_px": 100, "overlap_px": 100},
        {"border_px": -1},
        {"merge_iou": 0},
        {"nms_iou": 1.1},
        {"merge_cover": float("nan")},
    ],
)
def test_wrong_knobs_are_named(knobs):
    with pytest.raises(InputError, match=list(knobs)[-1]):
        MergeParams(**knobs)
