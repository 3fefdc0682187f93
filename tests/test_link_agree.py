"""A vote between slices mends what one slice has alone, leaves what changes steadily, and takes nothing from others."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from famous.errors import ConfigError
from famous.link.agree import MARGIN, AgreeParams, agree, painted, pieces, runs
from famous.voxels import VoxelSize
from tests.link_phantoms import IN_SLICE, ball, bridge_between_lobes, paint, split_that_rejoins, touching_pair, tube

WEIGHTS = AgreeParams(10).weights(VoxelSize(5, 5, 5))
FLAT = np.ones(5)  # everybody within four slices has the same vote


# ---- how phantoms are voted on, and the slow loop that says what must come out ----


def boxes_of(volume):
    """Box ids like the volume, and (n, 7): z and what `pieces` takes; one box a piece of an instance in a slice."""
    ids, rows = np.zeros(volume.shape, np.uint32), []
    for z, image in enumerate(volume):
        for instance in np.unique(image[image > 0]):
            found, count = ndimage.label(image == instance, IN_SLICE)
            for number, (y, x) in enumerate(ndimage.find_objects(found), start=1):
                rows.append((z, y.start, x.start, y.stop, x.stop, len(rows) + 1, instance))
                ids[z][found == number] = len(rows)
            assert count
    return ids, np.array(rows, dtype=np.int64).reshape(-1, 7)


def voted(volume, weights, order=np.arange):
    """The volume after the vote of all slices; `order` shuffles the boxes of a slice."""
    ids, rows = boxes_of(volume)
    rows = rows[order(len(rows))]
    reach = len(weights) - 1
    radii = runs(rows[:, 6], rows[:, 0], reach)
    own = {z: rows[:, 0] == z for z in range(-reach, len(volume) + reach)}
    cut = {z: pieces(ids[z], rows[own[z], 1:]) if 0 <= z < len(volume) else {} for z in own}
    after = np.zeros(volume.shape, np.uint32)
    for z in range(len(volume)):
        near = {step: cut[z + step] for step in range(-reach, reach + 1)}
        after[z] = agree(near, rows[own[z], 1:], radii[own[z]], weights, volume.shape[1:])
        assert (painted(cut[z], volume.shape[1:]) == volume[z]).all()  # an input stays as it was
    return after


def voted_slowly(volume, weights):
    """The same, pixel by pixel."""
    _, rows = boxes_of(volume)
    after = volume.astype(np.uint32)
    gains = []
    for z, y0, x0, y1, x1, _, instance in rows.tolist():
        radius = slow_run(rows, z, instance, len(weights) - 1)
        y, x = math.ceil(MARGIN * (y1 - y0)), math.ceil(MARGIN * (x1 - x0))
        if radius == 0:
            continue
        window = [
            (row, column)
            for row in range(max(0, y0 - y), min(volume.shape[1], y1 + y))
            for column in range(max(0, x0 - x), min(volume.shape[2], x1 + x))
        ]
        near = range(-radius, radius + 1)
        everybody = sum(weights[abs(step)] for step in near)
        kept = {
            at: sum(weights[abs(step)] * (volume[z + step][at] == instance) for step in near) > everybody / 2
            for at in window
        }
        if not any(kept[at] and volume[z][at] == instance for at in window):
            continue
        for at in window:
            if volume[z][at] == instance and not kept[at]:
                after[z][at] = 0
            elif volume[z][at] != instance and kept[at]:
                gains.append((instance, z, at))
    for instance, z, at in sorted(gains):
        if after[z][at] == 0:
            after[z][at] = instance
    return after


def slow_run(rows, z, instance, longest):
    """Slices that an instance goes on both above and below a slice."""
    present = set(rows[rows[:, 6] == instance, 0].tolist())
    radius = 0
    while radius < longest and {z - radius - 1, z + radius + 1} <= present:
        radius += 1
    return radius


def iou(a, b):
    return np.count_nonzero(a & b) / np.count_nonzero(a | b)


volumes = st.tuples(st.integers(0, 2**32), st.integers(1, 3)).map(lambda drawn: random_volume(*drawn))


def random_volume(seed, instances):
    """Rectangles that wander, jump, are covered, split and are missing."""
    rng = np.random.default_rng(seed)
    volume = np.zeros((9, 11, 12), np.uint32)
    for z, image in enumerate(volume):
        for instance in rng.permutation(instances) + 1:
            for _ in range(rng.choice([0, 1, 1, 1, 1, 2])):
                y, x = np.clip(3 * instance + z // 3 + rng.integers(-2, 3, 2) - 2, 0, 9)
                height, width = rng.integers(1, 7, 2)
                image[y : y + height, x : x + width] = instance
    return volume


# ---- weights ----


def test_weights_are_those_of_the_normal_distribution_within_two_sigma():
    assert WEIGHTS.shape == (5,)
    assert np.allclose(WEIGHTS, [math.exp(-((5 * k / 10) ** 2) / 2) for k in range(5)], rtol=1e-12)
    assert WEIGHTS[0] == 1


@pytest.mark.parametrize(
    ("sigma", "thickness", "count"),
    [
        (10, 5, 5),
        (10, 5.01, 4),
        (10, 4, 6),
        (10, 10, 3),
        (10, 11.7, 2),  # 2 exp(−1.17² / 2) > 1: two neighbours outvote a slice
        (10, 11.8, 1),  # and here they do not
        (10, 16, 1),
        (10, 50, 1),
        (0, 5, 1),
        (40, 16, 6),
        (1e-9, 5, 1),
        (0.3, 0.1, 7),  # 2 · 0.3 / 0.1 falls short of 6 in floats
    ],
)
def test_the_window_ends_at_two_sigma(sigma, thickness, count):
    weights = AgreeParams(sigma).weights(VoxelSize(thickness, 1, 999))
    assert len(weights) == count
    assert weights[0] == 1
    assert (np.diff(weights) < 0).all()


@given(st.floats(0, 60), st.floats(0.5, 100))
def test_a_single_weight_is_given_only_where_more_would_change_nothing(sigma, thickness):
    weights = AgreeParams(sigma).weights(VoxelSize(thickness, 1, 1))
    reached = [k * thickness for k in range(1, 300) if k * thickness <= 2 * sigma]
    beyond = [math.exp(-((away / sigma) ** 2) / 2) for away in reached]
    assert len(weights) == 1 or 2 * weights[1:].sum() > weights[0]
    assert len(weights) > 1 or 2 * sum(beyond) <= 1 + 1e-9


@pytest.mark.parametrize("sigma", [-1.0, -1e-9, math.nan, math.inf, -math.inf, 1001.0])
def test_a_bad_sigma_is_named(sigma):
    with pytest.raises(ConfigError, match=r"^agree\.sigma_nm: found .*, expected 0 … 1000 nm"):
        AgreeParams(sigma)


def test_params_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        AgreeParams().sigma_nm = 3


# ---- runs ----


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 12)), max_size=40), st.integers(0, 6))
def test_runs_are_those_of_a_slow_loop(found, longest):
    instance, z = np.array(found, dtype=np.int64).reshape(-1, 2).T
    rows = np.zeros((len(z), 7), dtype=np.int64)
    rows[:, 0], rows[:, 6] = z, instance
    expected = [slow_run(rows, at, own, longest) for own, at in zip(instance.tolist(), z.tolist(), strict=True)]
    assert runs(instance, z, longest).tolist() == expected


def test_runs_stop_at_gaps_and_ends():
    z = np.array([2, 3, 4, 5, 6, 8, 9, 10])
    assert runs(np.full(8, 7), z, 4).tolist() == [0, 1, 2, 1, 0, 0, 1, 0]
    assert runs(np.full(8, 7), z, 1).tolist() == [0, 1, 1, 1, 0, 0, 1, 0]
    assert runs(np.full(8, 7), z, 0).tolist() == [0] * 8


def test_one_instance_does_not_go_on_where_another_begins():
    assert runs(np.array([1, 1, 1, 2, 2, 2]), np.array([0, 1, 2, 3, 4, 5]), 9).tolist() == [0, 1, 0] * 2
    assert runs(np.array([1, 1, 1, 2, 2, 2]), np.array([3, 4, 5, 0, 1, 2]), 9).tolist() == [0, 1, 0] * 2


def test_no_box_has_no_run():
    found = runs(np.zeros(0, np.uint32), np.zeros(0, np.int64), 4)
    assert found.shape == (0,)
    assert found.dtype == np.int64


# ---- pieces ----


@given(volumes)
def test_pieces_are_painted_back(volume):
    ids, rows = boxes_of(volume)
    for z, image in enumerate(volume):
        own = rows[rows[:, 0] == z, 1:]
        found = painted(pieces(ids[z], own), image.shape)
        assert found.dtype == np.uint32
        assert (found == image).all()


def test_pieces_are_the_pixels_of_one_box_and_none_of_instance_0():
    image = np.zeros((6, 8), np.uint32)
    image[1:4, 1:5] = 11
    image[2:5, 4:7] = 12
    image[0, 0] = 13
    found = pieces(image, np.array([[1, 1, 4, 5, 11, 3], [2, 4, 5, 7, 12, 3], [0, 0, 1, 1, 13, 0]]))
    assert list(found) == [3]
    assert [(piece.y, piece.x, piece.mask.shape, int(piece.mask.sum())) for piece in found[3]] == [
        (1, 1, (3, 4), 10),
        (2, 4, (3, 3), 9),
    ]
    assert not any(np.shares_memory(piece.mask, image) for piece in found[3])  # else the slice stays in memory
    assert (painted(found, image.shape) == np.where(np.isin(image, (11, 12)), 3, 0)).all()


def test_no_box_is_no_piece_and_a_black_slice():
    assert pieces(np.ones((3, 4), np.uint32), np.zeros((0, 6), np.int64)) == {}
    assert not painted({}, (3, 4)).any()
    assert painted({}, (3, 4)).shape == (3, 4)


# ---- the vote ----


@settings(max_examples=40)
@given(volumes, st.sampled_from([WEIGHTS, FLAT, WEIGHTS[:2]]))
def test_the_vote_is_that_of_a_slow_loop(volume, weights):
    assert (voted(volume, weights) == voted_slowly(volume, weights)).all()


@settings(max_examples=40)
@given(volumes, st.sampled_from([WEIGHTS, FLAT]))
def test_an_instance_stays_in_the_slices_that_it_is_in(volume, weights):
    after = voted(volume, weights)
    for before, image in zip(volume, after, strict=True):
        assert set(np.unique(image)) - {0} == set(np.unique(before)) - {0}


@settings(max_examples=30)
@given(volumes, st.integers(0, 2**32))
def test_the_order_of_boxes_does_not_matter(volume, seed):
    rng = np.random.default_rng(seed)
    assert (voted(volume, FLAT, rng.permutation) == voted(volume, FLAT)).all()


def test_one_weight_or_none_around_changes_nothing():
    volume = random_volume(3, 3)
    assert (voted(volume, np.ones(1)) == volume).all()
    assert (voted(volume[:1], WEIGHTS) == volume[:1]).all()
    assert (voted(volume[:2], WEIGHTS) == volume[:2]).all()  # a first and a last slice


def jittered(away, every, radius=12, depth=40):
    """A straight tube and one of which every so manyth disc lies away in turns to one side, another, …"""
    shape = (depth, 60, 60)
    sides = away * np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])
    shift = np.zeros((depth, 2))
    shift[2::every] = sides[np.arange(len(shift[2::every])) % 4]
    true = tube(lambda z: (30, 30), radius, shape)
    return true, tube(lambda z: (30 + shift[z, 0], 30 + shift[z, 1]), radius, shape)


@pytest.mark.parametrize(("away", "every"), [(1, 3), (2, 5), (2, 3)])
def test_discs_that_lie_aside_in_single_slices_are_moved_back(away, every):
    true, found = jittered(away, every)
    after = voted(paint(found), WEIGHTS) > 0
    assert iou(true, found) < 0.98
    assert iou(true, after) > 0.995
    assert (after[4:-4] == true[4:-4]).all()


def test_discs_that_all_lie_somewhere_near_come_nearer():
    rng = np.random.default_rng(4)
    shape, shift = (50, 60, 60), rng.normal(0, 1.2, (50, 2))
    true = tube(lambda z: (30, 30), 12, shape)
    found = tube(lambda z: (30 + shift[z, 0], 30 + shift[z, 1]), 12, shape)
    after = voted(paint(found), WEIGHTS) > 0
    assert 1 - iou(true, after) < 0.65 * (1 - iou(true, found))
    nearer = [iou(true[z], after[z]) >= iou(true[z], found[z]) for z in range(50)]
    assert np.mean(nearer) > 0.8


def test_a_hole_and_a_bite_of_one_slice_are_filled_and_a_spike_goes():
    true = tube(lambda z: (30, 30), 10, (20, 60, 60))
    found = true.copy()
    found[8, 28:33, 28:33] = False
    found[10, 20:30, 20:26] = False
    found[12, 30, 40:45] = True
    assert (voted(paint(found), WEIGHTS) == true).all()


def test_what_lies_beyond_the_margin_is_not_gained():
    true = np.zeros((9, 30, 30), bool)
    true[:, 5:25, 5:25] = True
    found = true.copy()
    found[4, 15:] = False  # a box of 10 by 20 is left, whose margin is one pixel
    after = voted(paint(found), WEIGHTS) > 0
    expected = found.copy()
    expected[4, 15] = true[4, 15]
    assert (after == expected).all()


def test_a_straight_tube_stays_to_the_pixel():
    volume = paint(tube(lambda z: (30, 20), 12), tube(lambda z: (30, 39), 6))
    assert (voted(volume, WEIGHTS) == volume).all()


def test_the_caps_of_a_ball_stay_to_the_pixel_and_its_waist_nearly():
    """Beyond the reach from the equator discs only grow or only shrink, so the own vote decides."""
    volume = paint(ball((20, 30, 30), 18))
    after = voted(volume, WEIGHTS)
    apart = np.abs(np.arange(len(volume)) - 20)
    assert (after[apart >= 4] == volume[apart >= 4]).all()
    assert (after <= volume).all()
    assert np.count_nonzero(after != volume) < 0.002 * np.count_nonzero(volume)


@pytest.mark.parametrize(("slope", "most"), [(0.25, 0.004), (0.5, 0.006), (1.0, 0.03)])
def test_a_slanted_tube_stays_nearly_as_it_is(slope, most):
    volume = paint(tube(lambda z: (30, 12 + slope * z), 8, (36, 60, 60)))
    after = voted(volume, WEIGHTS)
    assert np.count_nonzero(after != volume) < most * np.count_nonzero(volume)


def test_the_last_slices_are_not_drawn_towards_the_wide_ones():
    """A cone: every slice is smaller than the one below, up to the tip."""
    z, y, x = np.meshgrid(np.arange(24), np.arange(60), np.arange(60), indexing="ij")
    volume = paint((y - 30) ** 2 + (x - 30) ** 2 <= (24 - z) ** 2)
    assert (voted(volume, WEIGHTS) == volume).all()


@pytest.mark.parametrize("phantom", [bridge_between_lobes, split_that_rejoins])
def test_several_boxes_of_an_instance_in_a_slice_vote_as_one(phantom):
    volume = phantom()
    after = voted(volume, WEIGHTS)
    assert iou(after > 0, volume > 0) > 0.97
    assert (voted(volume, WEIGHTS, lambda count: np.arange(count)[::-1]) == after).all()


# ---- neighbours ----


def test_a_touching_pair_stays_apart():
    volume = touching_pair()
    after = voted(volume, WEIGHTS)
    moved = after != volume
    assert np.count_nonzero(moved) < 0.03 * np.count_nonzero(volume)
    assert set(np.unique(after)) == {0, 1, 2}


def test_what_a_neighbour_covers_in_one_slice_comes_back():
    left, right = (tube(lambda z, at=at: (30, at), 8, (20, 60, 60)) for at in (15, 32))
    true = paint(left, right)
    aside = true.copy()
    aside[9][true[9] == 2] = 0
    aside[9][np.roll(true[9] == 2, -2, axis=1)] = 2  # over the flank of its neighbour
    assert np.count_nonzero(aside[9] == 1) < np.count_nonzero(true[9] == 1)
    assert (voted(aside, WEIGHTS) == true).all()


def test_what_another_keeps_is_not_taken():
    """The left one has pixels of the right one by vote, but those stay where their own slices want them."""
    before = np.zeros((9, 8, 20), np.uint32)
    before[:, 2:6, 2:10] = 1
    before[4, 2:6, 8:10] = 2
    before[4, 2:6, 10:18] = 2
    after = agree(
        {step: pieces_of(before[4 + step], {1} if step else {1, 2}) for step in range(-4, 5)},
        np.array([[2, 2, 6, 8, 1, 1], [2, 8, 6, 18, 2, 2]]),
        np.array([4, 0]),  # nothing goes on above and below the right one
        WEIGHTS,
        before[4].shape,
    )
    assert (after == before[4]).all()


def pieces_of(image, instances):
    """Pieces of these instances, one box each."""
    rows = []
    for instance in instances:
        y, x = np.nonzero(image == instance)
        rows.append((y.min(), x.min(), y.max() + 1, x.max() + 1, instance, instance))
    return pieces(image, np.array(rows))


def test_who_would_only_gain_what_is_anothers_stays_where_it_is():
    """Its place by vote is taken by another one in this slice: what it has beside it stays, or it would be gone."""
    around = np.zeros((6, 20), np.uint32)
    around[1:5, 2:8] = 1
    image = np.zeros((6, 20), np.uint32)
    image[1:5, 2:8] = 2
    image[1:5, 8:10] = 1
    after = agree(
        {step: pieces_of(around, {1}) if step else pieces_of(image, {1, 2}) for step in range(-4, 5)},
        np.array([[1, 2, 5, 10, 1, 1], [1, 2, 5, 8, 2, 2]]),
        np.array([4, 0]),
        WEIGHTS,
        image.shape,
    )
    assert (after == image).all()


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_that_gain_a_pixel_the_lower_one_has_it(turned):
    """With windows of two lengths both can be in the majority."""
    image = np.zeros((3, 9), np.uint32)
    image[:, 1:4], image[:, 5:8] = 1, 2
    near, far = image.copy(), image.copy()
    near[:, 4], far[:, 4] = 1, 2
    around = {step: pieces_of((image, near, far, far, far)[abs(step)], {1, 2}) for step in range(-4, 5)}
    order = [1, 0] if turned else [0, 1]
    boxes, radii = np.array([[0, 1, 3, 4, 1, 1], [0, 5, 3, 8, 2, 2]])[order], np.array([1, 4])[order]
    after = agree(around, boxes, radii, FLAT, image.shape)
    assert (after == near).all()


def test_background_has_no_vote():
    image = np.zeros((6, 6), np.uint32)
    image[1:4, 1:4] = 5
    around = {0: pieces_of(image, {5}), 1: {}, -1: {}}
    after = agree(around, np.array([[0, 0, 6, 6, 9, 0]]), np.array([1]), FLAT, image.shape)
    assert (after == image).all()


def test_masks_at_the_border_of_a_slice_are_mended_too():
    true = np.zeros((9, 20, 24), bool)
    true[:, :8, :9] = True
    true[:, 12:, 15:] = True
    found = true.copy()
    found[4, :3, :2] = False
    found[4, 18:, 22:] = False
    assert (voted(paint(found), WEIGHTS) == true).all()
