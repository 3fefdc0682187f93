"""Curves from the shapes of one slice to those of the next."""

import cv2
import numpy as np
import pytest

from famous.surface.curves import Ending, Passing, end_size
from famous.surface.poses import Window
from famous.surface.shapes import SPREADS, STAYS, Shape

SIDE = 101
SPACING = 10.0
SHARES = (np.arange(10) + 0.5) / 10
WHOLE = Window(0, 0, SIDE, SIDE)


def ellipse(size: float, shift: float, half: tuple[float, float] = (40.0, 25.0)) -> np.ndarray:
    y, x = np.indices((SIDE, SIDE)) - 50.0
    return ((y - shift) / half[0]) ** 2 + ((x - shift) / half[1]) ** 2 < size


def shape(image: np.ndarray) -> Shape:
    return Shape.of(image, WHOLE, 1.0, SPACING + 3)


def section(z: float, height: float = 38.0) -> np.ndarray:
    """A slanted ellipsoid at z: its sections move evenly, and their areas are a parabola."""
    return ellipse(1 - (z / height) ** 2, 0.3 * z)


def passing(images: list[np.ndarray | None], ends: list) -> Passing:
    shapes = [None if image is None else shape(image) for image in images]
    return Passing.of(shapes, ends, WHOLE, SPACING)


@pytest.mark.parametrize("start", [-35, -20, -5, 10])
def test_a_slanted_ellipsoid_stays_one(start):
    heights = start + SPACING * np.arange(-1, 3)
    images = [section(z) if abs(z) < 38 else None for z in heights]
    found = passing(images, [() if image is None else (1,) for image in images]).along(SHARES)
    for share, fill in zip(SHARES, found, strict=True):
        true = section(start + SPACING * share)
        assert np.count_nonzero((fill > 0.5) ^ true) < 0.04 * np.count_nonzero(true)


def test_its_cap_follows_from_three_slices():
    shapes = [shape(section(z)) for z in (31, 21, 11)]
    ending = Ending.of(*shapes, SPREADS, SPACING)
    areas = ending.along(SHARES).sum(axis=(1, 2))
    true = [section(31 + SPACING * share).sum() for share in SHARES]
    assert areas == pytest.approx(true, abs=0.06 * shapes[0].area)
    assert areas[-1] == 0


def test_the_size_beyond_an_end_is_that_of_the_parabola():
    last, before, earlier = (shape(section(z)) for z in (31, 21, 11))
    expected = (1 - (41 / 38) ** 2) / (1 - (31 / 38) ** 2)
    ratio, first = before.area / last.area, earlier.area / last.area
    assert end_size(last.radius, ratio, first, SPACING, abrupt=-0.3) == pytest.approx(expected, abs=0.15)
    assert end_size(last.radius, 1, 1, SPACING, abrupt=-0.3) == pytest.approx(-0.3)
    assert end_size(last.radius, ratio, None, SPACING, abrupt=-0.3) < 0


def test_a_lone_slice_is_as_thick_to_both_sides_and_ends():
    alone = Ending.of(shape(ellipse(0.2, 0)), None, None, STAYS, SPACING)
    areas = alone.along(SHARES).sum(axis=(1, 2))
    assert (np.diff(areas[areas > 0]) < 0).all()
    assert areas[SHARES < 0.7].all()
    assert not areas[SHARES > 0.8].any()


def ring(half: float) -> np.ndarray:
    """Between two circles as far to either side of one of 30 pixels."""
    y, x = np.indices((SIDE, SIDE))
    return np.abs(np.hypot(y - 50, x - 50) - 30) < half


@pytest.mark.parametrize("halves", [(9, 12, 12.5), (9, 9.1), (9,)])
def test_the_hole_of_a_ring_that_ends_gets_larger(halves):
    shapes = [shape(ring(half)) for half in halves] + [None, None]
    planes = Ending.of(*shapes[:3], STAYS, SPACING).along(SHARES) > 0.5
    away = np.hypot(*(np.indices((SIDE, SIDE)) - 50))
    spans = np.array([(away[plane].min(), away[plane].max()) for plane in planes if plane.any()])
    assert len(spans) > 3
    assert (np.diff(spans[:, 0]) > -0.01).all()
    assert (np.diff(spans[:, 1]) < 0.01).all()
    assert spans.mean(axis=1) == pytest.approx(30, abs=0.7)


def test_a_lying_tube_ends_along_all_of_its_length():
    y, x = np.indices((SIDE, SIDE))
    tube, wider = ((np.hypot(y - 50, np.maximum(np.abs(x - 50) - 30, 0)) < half) for half in (12, 14))
    planes = Ending.of(shape(tube), shape(wider), None, STAYS, SPACING).along(SHARES) > 0.5
    columns = [plane.any(axis=0).sum() for plane in planes if plane.sum() > 200]
    assert len(columns) > 2
    assert min(columns) > 60


def test_an_ellipse_ends_towards_its_centre():
    planes = Ending.of(*(shape(section(z)) for z in (31, 21, 11)), SPREADS, SPACING).along(SHARES) > 0.5
    spreads = [np.cov(np.nonzero(plane)) for plane in planes if plane.sum() > 200]
    sides = [np.sqrt(np.linalg.eigvalsh(spread)[::-1]) for spread in spreads]
    assert len(sides) > 2
    assert [a / b for a, b in sides] == pytest.approx([sides[0][0] / sides[0][1]] * len(sides), rel=0.05)


def test_at_the_slice_it_is_the_slice():
    one, other = ellipse(1, 0), ellipse(0.3, 10)
    found = passing([None, one, other, None], [(), (1,), (1,), ()]).along(np.array([0.0, 0.5]))
    assert np.array_equal(found[0] > 0.5, one)
    assert not np.array_equal(found[1] > 0.5, one)


def test_what_goes_on_evenly_changes_evenly():
    images = [ellipse((1 - 0.1 * k) ** 2, 0) for k in range(4)]
    found = passing(images, [(1,)] * 4).along(SHARES)
    true = np.array([np.pi * 40 * 25 * (0.9 - 0.1 * share) ** 2 for share in SHARES])
    assert found.sum(axis=(1, 2)) == pytest.approx(true, rel=0.02)


def wave(phase: float) -> np.ndarray:
    """A thin sheet seen from the side, as a wave."""
    y, x = np.indices((SIDE, SIDE))
    return (np.abs(y - 50 - 3 * np.sin(x / 6 + phase)) < 1.2) & (x > 15) & (x < 85)


@pytest.mark.parametrize("phase", [0.8, 1.6, 2.4])
def test_a_thin_sheet_stays_whole(phase):
    found = passing([None, wave(0), wave(phase), None], [(), (1,), (1,), ()]).along(SHARES)
    assert [cv2.connectedComponents((fill > 0.5).astype(np.uint8))[0] - 1 for fill in found] == [1] * len(SHARES)


def test_one_becomes_two_and_no_more():
    y, x = np.indices((SIDE, SIDE))
    two = (np.hypot(y - 50, x - 25) < 14) | (np.hypot(y - 50, x - 75) < 14)
    one = two | ((np.abs(y - 50) < 6) & (np.abs(x - 50) < 30))
    found = passing([None, one, two, None], [(), (1,), (1, 2), ()]).along(SHARES)
    pieces = [cv2.connectedComponents((fill > 0.5).astype(np.uint8))[0] - 1 for fill in found]
    assert pieces[0] == 1
    assert pieces == sorted(pieces)
    assert pieces[-1] == 2


def test_a_thread_that_leaves_a_ball_is_not_torn():
    ball, thread = ellipse(1, 0, (40, 40)), ellipse(1, 0, (6, 6))
    found = passing([ball, thread, thread, thread], [(1,)] * 4).along(SHARES)
    assert found[:, 50, 50].min() > 0.5
    assert found.sum(axis=(1, 2)).min() > 0.2 * thread.sum()


def test_a_cap_drifts_on_half_as_far():
    shapes = [shape(section(z)) for z in (31, 21, 11)]
    ending = Ending.of(*shapes, SPREADS, SPACING)
    assert ending.way == pytest.approx([1.5, 1.5], abs=0.2)
    fill = ending.along(np.array([0.0, 0.4]))
    moved = [np.array(np.nonzero(plane > 0.5)).mean(axis=1) for plane in fill]
    assert moved[1] - moved[0] == pytest.approx(0.4 * ending.way, abs=0.15)
    assert Ending.of(*shapes, STAYS, SPACING).way.tolist() == [0, 0]


def test_the_same_parabola_goes_on_where_a_part_joins_others():
    images = [ellipse(1 - 0.01 * k - 0.04 * k**2, 0) for k in range(3)]
    joined = passing([None, *images[1:], None], [None, (1,), (1,), None]).along(SHARES)
    bent = passing([images[0], *images[1:], None], [(1,), (1,), (1,), None]).along(SHARES)
    assert bent[4].sum() > joined[4].sum() + 5
