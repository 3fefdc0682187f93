"""A tile with one marked corner per box: wherever the tile turns, the boxes must stay on their marks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from famous.yolo.augment import AugmentParams, augment, quarter_turn, relight

STILL = AugmentParams(turn=False, mirror_depth=0, gain=0, contrast=0, brightness=0, noise_chance=0, blur_chance=0)


def marked(height: int = 40, width: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Grey 100 with two filled boxes, 10 and 20; channels one grey value apart."""
    image = np.full((height, width, 3), 100, dtype=np.uint8)
    corners = np.array([[3, 5, 13, 29], [20, 40, 38, 63]], dtype=np.float32)
    for grey, (y0, x0, y1, x1) in zip((10, 20), corners.astype(int), strict=True):
        image[y0:y1, x0:x1] = grey
    return image + np.arange(3, dtype=np.uint8), corners


def boxes_in(image: np.ndarray) -> np.ndarray:
    """Read the boxes back from the middle channel."""
    found = []
    for grey in (11, 21):
        y, x = np.nonzero(image[:, :, 1] == grey)
        found.append([y.min(), x.min(), y.max() + 1, x.max() + 1])
    return np.array(found, dtype=np.float32)


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 4, 5])
def test_boxes_turn_with_the_tile(turns):
    image, corners = marked()
    turned, placed = quarter_turn(image, corners, turns)
    assert np.array_equal(turned, np.rot90(image, turns))
    assert np.array_equal(placed, boxes_in(turned))
    assert placed.dtype == np.float32


def test_four_quarters_are_none():
    image, corners = marked()
    turned, placed = quarter_turn(*quarter_turn(image, corners, 1), 3)
    assert np.array_equal(turned, image)
    assert np.array_equal(placed, corners)


def test_a_tile_without_boxes_turns_too():
    turned, placed = quarter_turn(marked()[0], np.zeros((0, 4), dtype=np.float32), 1)
    assert turned.shape == (64, 40, 3)
    assert placed.shape == (0, 4)


def test_nothing_changes_when_everything_is_off():
    image, corners = marked()
    same, placed = augment(image, corners, np.random.default_rng(0), STILL)
    assert np.array_equal(same, image)
    assert np.array_equal(placed, corners)


def test_depth_is_mirrored_and_nothing_else():
    image, corners = marked()
    params = AugmentParams(**{**vars(STILL), "mirror_depth": 1.0})
    mirrored, placed = augment(image, corners, np.random.default_rng(0), params)
    assert np.array_equal(mirrored, image[:, :, ::-1])
    assert np.array_equal(placed, corners)


def test_the_input_is_left_alone():
    image, corners = marked()
    before = image.copy(), corners.copy()
    for seed in range(10):
        augment(image, corners, np.random.default_rng(seed), AugmentParams(noise_chance=1, blur_chance=1))
    assert np.array_equal(image, before[0])
    assert np.array_equal(corners, before[1])


def test_every_turn_comes_up_and_boxes_follow():
    image, corners = marked()
    params = AugmentParams(**{**vars(STILL), "turn": True})
    seen = set()
    for seed in range(40):
        turned, placed = augment(image, corners, np.random.default_rng(seed), params)
        assert np.array_equal(placed, boxes_in(turned))
        seen.add(tuple(placed[0]))
    assert len(seen) == 4


def test_gain_is_the_same_in_all_channels_and_bounded():
    image = np.full((8, 8, 3), 100, dtype=np.uint8)
    params = AugmentParams(**{**vars(STILL), "gain": 0.3})
    means = []
    for seed in range(200):
        lit = relight(image, np.random.default_rng(seed), params)
        assert len(np.unique(lit)) == 1
        means.append(int(lit[0, 0, 0]))
    assert min(means) >= 70
    assert max(means) <= 130
    assert max(means) - min(means) > 50


def test_contrast_turns_about_the_mean():
    image = np.tile(np.array([[50], [150]], dtype=np.uint8), (4, 8))[:, :, None].repeat(3, axis=2)
    params = AugmentParams(**{**vars(STILL), "contrast": 0.5})
    for seed in range(20):
        lit = relight(image, np.random.default_rng(seed), params).astype(float)
        assert abs(lit.mean() - 100) <= 1
        assert 49 <= lit.max() - lit.min() <= 151


def test_noise_has_the_strength_that_was_asked_for():
    image = np.full((256, 256, 3), 128, dtype=np.uint8)
    params = AugmentParams(**{**vars(STILL), "noise": 20.0, "noise_chance": 1.0})
    spread = [relight(image, np.random.default_rng(seed), params).std() for seed in range(20)]
    assert min(spread) > 0.2 * 20 * 0.9
    assert max(spread) < 20 * 1.1


def test_blur_lowers_the_variance_and_keeps_the_mean():
    image = np.random.default_rng(0).integers(0, 256, (128, 128, 3)).astype(np.uint8)
    params = AugmentParams(**{**vars(STILL), "blur_chance": 1.0})
    blurred = relight(image, np.random.default_rng(1), params)
    assert blurred.std() < image.std() * 0.95
    assert abs(blurred.mean() - image.mean()) < 1


@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 40), width=st.integers(1, 40))
def test_any_tile_stays_a_tile(seed, height, width):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    corners = np.array([[0, 0, height, width]], dtype=np.float32)
    changed, placed = augment(image, corners, rng, AugmentParams())
    assert changed.dtype == np.uint8
    assert changed.flags["C_CONTIGUOUS"]
    assert sorted(changed.shape[:2]) == sorted((height, width))
    assert np.array_equal(placed, [[0, 0, *changed.shape[:2]]])
