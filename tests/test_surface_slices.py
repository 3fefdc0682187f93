"""What lies between two slices."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from famous.surface.slices import Between, interpolate_slices


def disc(radius: float, *, middle=(20.0, 20.0), side: int = 41) -> np.ndarray:
    y, x = np.indices((side, side))
    return np.hypot(y - middle[0], x - middle[1]) < radius


def radius_of(image: np.ndarray) -> float:
    return float(np.sqrt(image.sum() / np.pi))


def test_a_cone_stays_a_cone():
    radii = np.array([14.0, 11.0, 8.0, 5.0])
    fine, first = interpolate_slices(np.stack([disc(r) for r in radii]), 5)
    assert fine.shape == (20, 41, 41)
    assert first == -2.0
    place = (np.arange(20) + first) / 5  # in slices
    inner = (place >= 0) & (place <= 3)
    found = np.array([radius_of(image) for image in fine])
    assert np.abs(found[inner] - (14 - 3 * place[inner])).max() < 0.5


def test_a_slanted_bar_moves_on_between_the_slices():
    bar = np.zeros((2, 20, 40), bool)
    bar[0, :, 10:22] = bar[1, :, 16:28] = True
    fine, first = interpolate_slices(bar, 6)
    columns = np.arange(40)
    middle = [(image.sum(axis=0) * columns).sum() / image.sum() for image in fine]
    place = (np.arange(12) + first) / 6
    inner = (place >= 0) & (place <= 1)
    assert np.array(middle)[inner] == pytest.approx(15.5 + 6 * place[inner], abs=0.3)


def test_a_lone_slice_is_a_lens_of_its_volume():
    fine, first = interpolate_slices(np.stack([disc(0), disc(10), disc(0)]), 10)
    found = np.array([radius_of(image) for image in fine])
    assert first == -4.5
    assert found[14:16] == pytest.approx(10, abs=0.3)
    assert (np.diff(found[7:15]) > 0).all()
    assert found == pytest.approx(found[::-1], abs=1e-3)
    assert not found[[0, 6, 23, 29]].any()
    assert fine.sum() == pytest.approx(10 * disc(10).sum(), rel=0.03)


def ball(radius: float, spacing: float, shift: float = 0.0) -> np.ndarray:
    """Slices of a ball, an empty one at either end."""
    heights = (np.arange(-int(radius / spacing) - 2, int(radius / spacing) + 3) + shift) * spacing
    side = 2 * int(radius) + 15
    return np.stack([disc(np.sqrt(max(radius**2 - h**2, 0)), middle=(side / 2,) * 2, side=side) for h in heights])


@pytest.mark.parametrize("shift", [-0.3, 0.0, 0.45])
def test_a_ball_stays_a_ball_to_its_poles(shift):
    fine, first = interpolate_slices(ball(32, 10, shift), 10)
    place = np.arange(len(fine)) + first + 10 * (shift - 5)
    true = np.sqrt(np.maximum(32**2 - place**2, 0))
    found = np.array([radius_of(image) for image in fine])
    assert np.abs(found - true)[np.abs(place) < 31].max() < 2.5  # at the pole itself the radius changes at once
    assert np.abs(found - true)[np.abs(place) < 28].max() < 0.7
    assert found[np.abs(place) > 36].max() == 0


def test_a_cavity_closes_as_the_ball_that_it_is():
    hollow = np.ones((11, 79, 79), bool)
    hollow &= ~ball(32, 10, 0.2)
    fine, _ = interpolate_slices(hollow, 10)
    whole, _ = interpolate_slices(ball(32, 10, 0.2), 10)
    assert np.abs(fine + whole - 1)[10:-10].max() < 1e-5


def test_a_tilted_tube_stays_a_tube():
    slices = np.stack([disc(10, middle=(20.0, 20.0 + 12 * k), side=110) for k in range(6)])
    fine, first = interpolate_slices(slices, 10)
    place = (np.arange(60) + first) / 10
    columns = np.arange(110)
    for image, z in zip(fine, place, strict=True):
        if 0 <= z <= 5:
            assert radius_of(image) == pytest.approx(10, abs=0.3)
            assert (image.sum(axis=0) * columns).sum() / image.sum() == pytest.approx(20 + 12 * z, abs=0.3)


def test_one_that_grows_at_one_end_does_not_move_at_the_other():
    bars = np.zeros((2, 24, 60), bool)
    bars[0, 8:16, 8:30] = bars[1, 8:16, 8:44] = True
    fine, _ = interpolate_slices(bars, 4)
    assert [int((image > 0.5).any(axis=0).argmax()) for image in fine[2:6]] == [8] * 4


def test_a_hole_that_opens_to_the_side_joins_what_is_outside():
    ring = disc(15) & ~disc(7)
    opened = ring.copy()
    opened[16:25, 27:] = False
    fine, _ = interpolate_slices(np.stack([ring, opened]), 6)
    for image in fine[3:9]:
        assert image[20, 20] == 0


def test_a_branch_that_ends_does_not_pull_at_the_other():
    both = disc(6, middle=(20, 8)) | disc(6, middle=(20, 32))
    fine, first = interpolate_slices(np.stack([both, disc(6, middle=(20, 8))]), 10)
    place = (np.arange(20) + first) / 10
    staying, ending = fine[:, :, :20].sum(axis=(1, 2)), fine[:, :, 20:].sum(axis=(1, 2))
    inner = (place >= 0) & (place <= 1)
    assert staying[inner] == pytest.approx(staying[inner].mean(), rel=0.08)
    assert (ending[(place > 0) & (place < 0.45)] > 0).all()
    assert (ending[place > 0.85] == 0).all()


def test_an_empty_slice_parts_the_object():
    fine, _ = interpolate_slices(np.stack([disc(8), np.zeros((41, 41), bool), disc(8)]), 8)
    assert (fine[11:13] == 0).all()
    assert fine[:8].any()
    assert fine[16:].any()


def test_empty_stays_empty():
    fine, _ = interpolate_slices(np.zeros((3, 5, 5), bool), 3)
    assert fine.shape == (9, 5, 5)
    assert not fine.any()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 4, 6, 8]), st.sampled_from([1.0, 1.4]))
@example(217764, 6, 1.4)  # an end that comes out at a size of 0 but for rounding
def test_upside_down_is_upside_down(seed, parts, aspect):
    mask = np.random.default_rng(seed).random((3, 6, 7)) < 0.5
    there, _ = interpolate_slices(mask, parts, aspect=aspect)
    back, _ = interpolate_slices(mask[::-1], parts, aspect=aspect)
    assert np.allclose(there, back[::-1], atol=0.01)


@pytest.mark.parametrize("parts", [3, 5])
def test_the_slices_themselves_stay(parts):
    mask = np.random.default_rng(0).random((4, 9, 9)) < 0.6
    fine, first = interpolate_slices(mask, parts)
    assert np.array_equal(fine[int(-first) :: parts] > 0.5, mask)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([3, 4]), st.integers(1, 3))
def test_slices_may_come_in_any_portions(seed, parts, thick):
    mask = np.random.default_rng(seed).random((6, 9, 8)) < 0.55
    empty = np.zeros((9, 8), bool)

    def read(z: int) -> np.ndarray:
        asked.append(z)
        return mask[z] if 0 <= z < 6 else empty

    asked: list[int] = []
    between = Between(read, parts)
    portions = [between.planes(z, min(z + thick, 6)) for z in range(0, 6, thick)]
    assert np.array_equal(np.concatenate(portions), interpolate_slices(mask, parts)[0])
    assert len(asked) == len(set(asked))  # each slice is read once


def test_a_slanted_ellipsoid_stays_one():
    y, x = np.indices((100, 100)) - 50.0
    heights = np.arange(-50, 51, 10.0) + 3
    slices = np.stack([(y - 0.3 * z) ** 2 / 900 + (x - 0.2 * z) ** 2 / 400 + z**2 / 1600 < 1 for z in heights])
    fine, first = interpolate_slices(slices, 10)
    places = heights[0] + np.arange(len(fine)) + first
    true = np.stack([(y - 0.3 * z) ** 2 / 900 + (x - 0.2 * z) ** 2 / 400 + z**2 / 1600 < 1 for z in places])
    assert np.count_nonzero((fine > 0.5) ^ true) < 0.02 * np.count_nonzero(true)


@pytest.mark.parametrize("thick", [1, 2])
def test_what_lies_between_two_slices_is_worked_out_once(monkeypatch, thick):
    mask = np.stack([disc(r) for r in (6, 9, 10, 8)])
    found: list[int] = []
    find = Between._find
    monkeypatch.setattr(Between, "_find", lambda self, upper: found.append(upper) or find(self, upper))
    between = Between(lambda z: mask[z] if 0 <= z < 4 else np.zeros_like(mask[0]), 4)
    for z in range(0, 4, thick):
        between.planes(z, z + thick)
    assert found == [0, 1, 2, 3, 4]


def ring(place: np.ndarray, *, middle: float = 40.0, thick: float = 22.0, side: int = 141) -> np.ndarray:
    """Half width of a torus that lies flat, `place` pixels above its middle, and its slices there."""
    y, x = np.indices((side, side)) - side // 2
    half = np.sqrt(np.maximum(thick**2 - place**2, 0))
    return np.stack([np.abs(np.hypot(y, x) - middle) < h for h in half])


def through(mask: np.ndarray, parts: int, *, spacing: float | None = None) -> Between:
    empty = np.zeros(mask.shape[1:], bool)
    between = Between(lambda z: mask[z] if 0 <= z < len(mask) else empty, parts, spacing=spacing)
    between.planes(0, len(mask) // 2)
    between.planes(len(mask) // 2, len(mask))
    return between


@pytest.mark.parametrize("shift", [-4.0, 0.0, 3.0])
@pytest.mark.parametrize("parts", [9, 10])
def test_a_flat_ring_gets_thinner_by_its_edges(shift, parts):
    heights = np.arange(-3, 4) * 10 + shift
    mask = ring(heights)
    fine, first = interpolate_slices(mask, parts, spacing=10)
    place = ((np.arange(len(fine)) + first) / parts - 3) * 10 + shift
    inner = (place >= heights[mask.any((1, 2))][0]) & (place <= heights[mask.any((1, 2))][-1])
    true = 4 * np.pi * 40 * np.sqrt(np.maximum(22**2 - place**2, 0))
    areas = fine.sum(axis=(1, 2))
    assert areas[inner] == pytest.approx(true[inner], rel=0.04)
    volume = 2 * np.pi**2 * 40 * 22**2 / 10  # in slices
    assert areas.sum() / parts == pytest.approx(volume, rel=0.01)
    assert mask.sum() + through(mask, parts, spacing=10).excess == pytest.approx(volume, rel=0.01)
    assert abs(mask.sum() / volume - 1) > 0.012  # which the slices alone do not tell


def test_what_has_no_ring_that_thins_has_the_volume_of_its_slices():
    hollow = ball(32, 10) & ~np.pad(ball(22, 10), [(1, 1), (10, 10), (10, 10)])
    tube_wall = np.stack([disc(15) & ~disc(9)] * 5)
    cone_wall = np.stack([disc(r) & ~disc(0.7 * r) for r in (18, 15, 12, 9)])
    for mask in (ball(32, 10), hollow, tube_wall, cone_wall, np.ones((4, 9, 9), bool)):
        assert through(mask, 10).excess == 0
