"""Crops of images whose samples are known in closed form: ramps, discs, a slice and its mirror."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from famous.extract.crops import (
    LARGEST_ERROR,
    LARGEST_STEP,
    MARGIN,
    SIDE_PX,
    frame,
    halvings,
    prompt,
    sample,
    to_planes,
    trust,
)

RAMP_Y, RAMP_X = np.mgrid[:700, :701].astype(np.float32)  # each pixel holds its own coordinate
BOXES = {
    "smaller than the crop": (100, 100, 106, 110),
    "as fine as the source": (100, 120, 144, 160),
    "not yet halved": (100, 120, 160, 180),
    "halved twice": (150, 120, 283, 291),
    "halved three times, odd sides": (150, 170, 501, 522),
    "long": (120, 300, 580, 310),
    "between pixels": (150.5, 160.25, 430.3, 515.1),
}


def centres(corners, side_px=SIDE_PX, margin=MARGIN):
    """Where the samples of a crop lie, by closed form: y (side,), x (side,)."""
    y0, x0, y1, x1 = corners
    share = (np.arange(side_px) + 0.5) / side_px * (1 + 2 * margin) - margin
    return y0 + share * (y1 - y0) - 0.5, x0 + share * (x1 - x0) - 0.5


corner = st.integers(-50, 500)
side = st.integers(1, 600)


@given(y0=corner, x0=corner, height=side, width=side, side_px=st.sampled_from([1, 8, 64]), margin=st.floats(0, 1))
def test_a_frame_spreads_its_samples_over_the_box_and_its_margin(y0, x0, height, width, side_px, margin):
    corners = np.array([y0, x0, y0 + height, x0 + width])
    affine = frame(corners, side_px, margin)
    y, x = centres(corners, side_px, margin)
    steps = np.arange(side_px)
    assert affine.shape == (2, 3)
    assert affine[0, 1] == affine[1, 0] == 0
    assert np.allclose(affine[0, 0] * steps + affine[0, 2], x)
    assert np.allclose(affine[1, 1] * steps + affine[1, 2], y)


def test_the_samples_of_a_box_without_margin_are_its_pixels():
    image = np.random.default_rng(0).integers(0, 256, (40, 50)).astype(np.uint8)
    assert np.array_equal(sample(image, frame(np.array([7, 9, 23, 25]), 16, 0), 16), image[7:23, 9:25])


@pytest.mark.parametrize("corners", BOXES.values(), ids=BOXES.keys())
def test_a_ramp_is_sampled_where_the_samples_lie(corners):
    affine = frame(np.array(corners))
    y, x = centres(corners)
    assert np.abs(sample(RAMP_Y, affine) - y[:, None]).max() < 0.01
    assert np.abs(sample(RAMP_X, affine) - x[None]).max() < 0.01


@given(y0=st.integers(200, 230), x0=st.integers(200, 230), height=st.integers(6, 300), width=st.integers(6, 300))
@settings(max_examples=40)
def test_a_ramp_is_sampled_exactly_whatever_the_box(y0, x0, height, width):
    corners = (y0, x0, y0 + height, x0 + width)
    y, x = centres(corners)
    affine = frame(np.array(corners))
    assert np.abs(sample(RAMP_Y, affine) - y[:, None]).max() < 0.01
    assert np.abs(sample(RAMP_X, affine) - x[None]).max() < 0.01


def test_a_ramp_is_sampled_exactly_by_a_turned_crop():
    angle = 0.7
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    for size in (40, 201):
        inner = frame(np.array([-size / 2, -size / 2, size / 2, size / 2]))
        affine = np.concatenate([turn @ inner[:, :2], (turn @ inner[:, 2] + (350, 340))[:, None]], axis=1)
        columns, rows = np.meshgrid(np.arange(SIDE_PX), np.arange(SIDE_PX))
        x, y = np.moveaxis(np.stack([columns, rows], axis=2) @ affine[:, :2].T + affine[:, 2], 2, 0)
        assert np.abs(sample(RAMP_X, affine) - x).max() < 0.05  # OpenCV's own steps between two pixels
        assert np.abs(sample(RAMP_Y, affine) - y).max() < 0.05


@pytest.mark.parametrize(
    ("corners", "count"),
    [((0, 0, 64, 64), 0), ((0, 0, 65, 65), 1), ((0, 0, 128, 128), 1), ((0, 0, 129, 129), 2), ((0, 0, 16, 16384), 3)],
)
def test_the_source_is_halved_until_samples_lie_close(corners, count):
    affine = frame(np.array(corners))
    assert halvings(affine) == count
    step = np.sqrt(affine[0, 0] * affine[1, 1])
    assert step / 2**count <= LARGEST_STEP + 1e-9
    assert count == 0 or step / 2 ** (count - 1) > LARGEST_STEP


def test_a_crop_without_extent_is_not_halved():
    assert halvings(np.zeros((2, 3))) == 0


def test_grain_is_averaged_away_where_samples_lie_far_apart():
    grain = np.random.default_rng(1).normal(128, 30, (600, 600)).clip(0, 255).astype(np.uint8)
    fine, coarse = (sample(grain, frame(np.array(c))) for c in ((250, 250, 300, 300), (100, 100, 500, 500)))
    assert fine.std() > 12
    assert coarse.std() < 8  # 8 × 8 pixels a sample: 30 / 8, and what interpolation leaves of it


@pytest.mark.parametrize(
    "corners",
    [
        (0, 0, 6, 9),  # corner
        (0, 30, 40, 80),  # border
        (90, 101, 120, 141),  # the other corner
        (0, 0, 120, 141),  # as large as the slice
        (3, 2, 117, 140),  # nearly, and halved
        (0, 0, 1, 141),  # flat
    ],
)
def test_beyond_the_slice_lies_its_mirror(corners):
    image = np.random.default_rng(2).integers(0, 256, (120, 141)).astype(np.uint8)
    image = cv2.GaussianBlur(image, (0, 0), 2)
    around = np.pad(image, 160, mode="symmetric")
    inside = sample(image, frame(np.array(corners)))
    moved = sample(around, frame(np.array(corners) + 160))
    assert np.abs(inside.astype(int) - moved).max() <= 1


def test_a_crop_that_lies_beyond_the_slice_altogether_sees_mirrors_too():
    image = np.arange(20, dtype=np.float32)[None].repeat(10, axis=0)
    seen = sample(image, frame(np.array([0, 40, 10, 60]), 20, 0), 20)  # twice mirrored: as it was
    assert np.allclose(seen, np.arange(20), atol=0.01)
    seen = sample(image, frame(np.array([0, -20, 10, 0]), 20, 0), 20)
    assert np.allclose(seen, np.arange(20)[::-1], atol=0.01)


def test_a_slice_of_one_pixel_gives_its_value():
    assert (sample(np.full((1, 1), 77, np.uint8), frame(np.array([0, 0, 1, 1]))) == 77).all()
    assert (sample(np.full((1, 1), 77, np.uint8), frame(np.array([0, 0, 300, 300]))) == 77).all()


def test_channels_are_sampled_alike_and_nothing_is_changed():
    rng = np.random.default_rng(3)
    volume = rng.integers(0, 256, (3, 90, 110)).astype(np.uint8)
    slab, before = np.moveaxis(volume, 0, 2), volume.copy()  # a view, as a stack gives it
    for corners in ((20, 30, 60, 70), (0, 0, 90, 110)):
        affine = frame(np.array(corners))
        kept = affine.copy()
        together = sample(slab, affine)
        assert together.shape == (SIDE_PX, SIDE_PX, 3)
        assert together.dtype == np.uint8
        for channel in range(3):
            assert np.array_equal(together[:, :, channel], sample(volume[channel], affine))
        assert np.array_equal(affine, kept)
    assert np.array_equal(volume, before)


def test_the_prompt_is_one_inside_and_its_radius_one_on_the_ellipse():
    inside, radius = prompt()
    assert inside.shape == radius.shape == (SIDE_PX, SIDE_PX)
    low = MARGIN / (1 + 2 * MARGIN)
    share = (np.arange(SIDE_PX) + 0.5) / SIDE_PX
    within = (share > low) & (share < 1 - low)
    assert np.array_equal(inside, np.outer(within, within))
    unit = (share - 0.5) * 2 * (1 + 2 * MARGIN)
    assert np.allclose(radius, np.sqrt(unit[:, None] ** 2 + unit[None] ** 2), atol=1e-5)
    assert (radius <= 1).sum() == pytest.approx(np.pi * (SIDE_PX / (1 + 2 * MARGIN) / 2) ** 2, rel=0.01)
    assert not ((radius <= 1) & (inside == 0)).any()  # the ellipse touches the sides from inside
    assert (radius[:, np.flatnonzero(within)[0]].min()) == pytest.approx(1, abs=0.05)


def test_the_prompt_is_the_same_mirrored_and_turned_and_cannot_be_changed():
    planes = prompt()
    for other in (planes[:, ::-1], planes[:, :, ::-1], planes.transpose(0, 2, 1)):
        assert np.array_equal(planes, other)
    with pytest.raises(ValueError, match="read-only"):
        planes[0, 0, 0] = 5


def test_the_prompt_of_another_margin_and_side():
    inside, radius = prompt(8, 0.5)
    assert inside.sum() == 16  # the box is half of the crop
    assert radius.max() == pytest.approx(np.sqrt(2) * 7 / 8 * 2)


crops_of_any_kind = stn.arrays(np.uint8, st.tuples(st.integers(1, 3), st.just(16), st.just(16), st.just(3)))


@given(crops=crops_of_any_kind)
@settings(max_examples=40)
def test_planes_are_centred_on_the_middle_slice_and_finite(crops):
    planes = to_planes(crops)
    assert planes.shape == (len(crops), 5, 16, 16)
    assert planes.dtype == np.float32
    assert planes.flags.c_contiguous
    assert np.isfinite(planes).all()
    assert np.abs(planes[:, 1].mean(axis=(1, 2))).max() < 1e-3
    for grey, plane in zip(crops[..., 1].astype(float), planes[:, 1], strict=True):
        assert plane.std() == pytest.approx(1 if grey.std() >= 1 else grey.std(), abs=1e-3)
    assert np.array_equal(planes[:, 3:], np.broadcast_to(prompt(16), (len(crops), 2, 16, 16)))


def test_planes_keep_the_order_of_the_slices_and_the_contrast_between_them():
    rng = np.random.default_rng(4)
    crops = np.full((1, 16, 16, 3), 100, dtype=np.uint8)
    crops[0, :, :, 1] = rng.integers(90, 111, (16, 16))
    crops[0, :, :, 0] = 50
    crops[0, :, :, 2] = 150
    middle = crops[0, :, :, 1].astype(np.float64)
    before, _, after = to_planes(crops)[0, :3]
    assert np.allclose(before, (50 - middle.mean()) / middle.std(), atol=1e-3)
    assert np.allclose(after, (150 - middle.mean()) / middle.std(), atol=1e-3)


def test_planes_forget_brightness_and_contrast_and_flat_crops_stay_flat():
    rng = np.random.default_rng(5)
    crops = rng.integers(40, 60, (2, 16, 16, 3)).astype(np.uint8)
    assert np.allclose(to_planes(crops), to_planes(crops * 3 + 20), atol=1e-3)
    flat = to_planes(np.full((1, 16, 16, 3), 200, dtype=np.uint8))
    assert not flat[:, :3].any()


@pytest.mark.parametrize(("box_error", "trusted"), [(0, 1), (0.05, 0.75), (0.1, 0.5), (LARGEST_ERROR, 0), (5, 0)])
def test_a_box_is_told_as_strongly_as_it_is_trusted(box_error, trusted):
    assert trust(box_error) == pytest.approx(trusted)
    crops = np.random.default_rng(6).integers(0, 256, (2, SIDE_PX, SIDE_PX, 3)).astype(np.uint8)
    planes, usual = to_planes(crops, box_error=box_error), to_planes(crops)
    assert planes.dtype == np.float32
    assert np.allclose(planes[:, 3], trusted * prompt()[0])
    assert np.array_equal(planes[:, [0, 1, 2, 4]], usual[:, [0, 1, 2, 4]])
    assert prompt()[0].max() == 1


def test_no_crops_give_no_planes():
    assert to_planes(np.zeros((0, 64, 64, 3), dtype=np.uint8)).shape == (0, 5, 64, 64)
