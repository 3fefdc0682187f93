"""What lies between two slices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from famous.surface.slices import interpolate_slices, signed_distance


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
    assert np.abs(found[inner] - (14 - 3 * place[inner])).max() < 0.4


def test_a_slanted_bar_moves_on_between_the_slices():
    bar = np.zeros((2, 20, 40), bool)
    bar[0, :, 10:22] = bar[1, :, 16:28] = True
    fine, first = interpolate_slices(bar, 6)
    columns = np.arange(40)
    middle = [(image.sum(axis=0) * columns).sum() / image.sum() for image in fine]
    place = (np.arange(12) + first) / 6
    inner = (place >= 0) & (place <= 1)
    assert np.array(middle)[inner] == pytest.approx(15.5 + 6 * place[inner], abs=0.3)


def test_ends_are_rounded_within_half_a_slice():
    fine, first = interpolate_slices(disc(10)[None], 10)
    found = np.array([radius_of(image) for image in fine])
    assert first == -4.5
    assert found[4:6] == pytest.approx(10, abs=0.7)
    assert (np.diff(found[:5]) > 0).all()
    assert found == pytest.approx(found[::-1], abs=1e-3)
    assert found[0] < 5


def test_a_branch_that_ends_does_not_pull_at_the_other():
    both = disc(6, middle=(20, 8)) | disc(6, middle=(20, 32))
    fine, first = interpolate_slices(np.stack([both, disc(6, middle=(20, 8))]), 10)
    place = (np.arange(20) + first) / 10
    staying, ending = fine[:, :, :20].sum(axis=(1, 2)), fine[:, :, 20:].sum(axis=(1, 2))
    inner = (place >= 0) & (place <= 1)
    assert staying[inner] == pytest.approx(staying[inner].mean(), rel=0.05)
    assert (ending[(place > 0) & (place < 0.45)] > 0).all()
    assert (ending[place > 0.5] == 0).all()


def test_an_empty_slice_parts_the_object():
    fine, _ = interpolate_slices(np.stack([disc(8), np.zeros((41, 41), bool), disc(8)]), 4)
    assert (fine[4:8] == 0).all()
    assert fine[:4].any()
    assert fine[8:].any()


def test_empty_stays_empty():
    fine, _ = interpolate_slices(np.zeros((3, 5, 5), bool), 3)
    assert fine.shape == (9, 5, 5)
    assert not fine.any()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 8), st.sampled_from([1.0, 1.4]))
def test_upside_down_is_upside_down(seed, parts, aspect):
    mask = np.random.default_rng(seed).random((3, 6, 7)) < 0.5
    there, _ = interpolate_slices(mask, parts, aspect=aspect)
    back, _ = interpolate_slices(mask[::-1], parts, aspect=aspect)
    assert np.allclose(there, back[::-1], atol=1e-4)


@pytest.mark.parametrize("parts", [3, 5])
def test_the_slices_themselves_stay(parts):
    mask = np.random.default_rng(0).random((4, 9, 9)) < 0.6
    fine, first = interpolate_slices(mask, parts)
    assert np.array_equal(fine[int(-first) :: parts] > 0.5, mask)


def test_signed_distance_of_an_edge():
    mask = np.zeros((5, 8), bool)
    mask[:, :4] = True
    assert signed_distance(mask)[2].tolist() == [3.5, 2.5, 1.5, 0.5, -0.5, -1.5, -2.5, -3.5]
    assert signed_distance(np.zeros((3, 3), bool)).max() < -1000


def test_pixels_need_not_be_square():
    mask = np.zeros((21, 21), bool)
    mask[10, 10] = True
    distance = signed_distance(mask, aspect=2.0)
    assert distance[15, 10] == pytest.approx(0.5 - 10)
    assert distance[10, 15] == pytest.approx(0.5 - 5)
