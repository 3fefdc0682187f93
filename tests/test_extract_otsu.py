from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from scipy import ndimage

from famous.errors import InputError
from famous.extract.ellipse import ellipse
from famous.extract.otsu import (
    Kernels,
    OtsuExtractor,
    OtsuParams,
    extent,
    fill,
    largest,
    pull_to_centre,
    smooth,
    solid,
)
from famous.voxels import VoxelSize

VOXEL = VoxelSize(5, 5, 5)
SHARP = OtsuParams(blur_nm=0, erode_nm=0, dilate_nm=0, fill_holes=False, centre=0, minimum_extent=0)


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


def disc_image(shape=(61, 81), radii=(20, 30), inside=60, outside=180, noise=0.0):
    """Ellipse in the middle of an image; returns the image as a slab, the truth and the ellipse's tight box."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    truth = ((y - shape[0] // 2) / radii[0]) ** 2 + ((x - shape[1] // 2) / radii[1]) ** 2 <= 1
    grey = np.where(truth, inside, outside) + noise * np.random.default_rng(0).standard_normal(shape)
    rows, columns = np.flatnonzero(truth.any(1)), np.flatnonzero(truth.any(0))
    box = np.array([[rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]], dtype=np.int32)
    return np.clip(grey, 0, 255).astype(np.uint8)[:, :, None], truth, box


def extract(slab, box, params):
    (mask,) = OtsuExtractor(params)(slab, box, VOXEL)
    y0, x0, y1, x1 = box[0]
    assert mask.dtype == bool
    assert mask.shape == (y1 - y0, x1 - x0)
    return mask


@pytest.mark.parametrize(("polarity", "inside", "outside"), [("dark", 60, 180), ("bright", 200, 90)])
def test_a_sharp_ellipse_is_found_exactly(polarity, inside, outside):
    slab, truth, box = disc_image(inside=inside, outside=outside)
    y0, x0, y1, x1 = box[0]
    assert np.array_equal(extract(slab, box, replace(SHARP, polarity=polarity)), truth[y0:y1, x0:x1])


@pytest.mark.parametrize(("polarity", "inside", "outside"), [("dark", 60, 180), ("bright", 200, 90)])
def test_a_noisy_ellipse_is_found_by_the_default(polarity, inside, outside):
    slab, truth, box = disc_image(inside=inside, outside=outside, noise=40)
    y0, x0, y1, x1 = box[0]
    assert iou(extract(slab, box, OtsuParams(polarity=polarity)), truth[y0:y1, x0:x1]) > 0.93


def test_the_wrong_polarity_takes_the_surroundings():
    slab, truth, box = disc_image()
    y0, x0, y1, x1 = box[0]
    assert not (extract(slab, box, replace(SHARP, polarity="bright", keep_largest=False)) & truth[y0:y1, x0:x1]).any()


def test_the_middle_channel_is_the_slice():
    slab, truth, box = disc_image()
    y0, x0, y1, x1 = box[0]
    other = np.full_like(slab, 7)
    three = np.concatenate([other, slab, other], axis=2)
    assert np.array_equal(extract(three, box, SHARP), truth[y0:y1, x0:x1])


def test_holes_are_filled_on_request():
    slab, truth, box = disc_image()
    slab[28:33, 30:40] = 220
    y0, x0, y1, x1 = box[0]
    assert np.array_equal(extract(slab, box, replace(SHARP, fill_holes=True)), truth[y0:y1, x0:x1])
    assert extract(slab, box, SHARP).sum() == truth.sum() - 50


def test_only_the_largest_component_stays():
    slab = np.full((40, 60, 1), 200, dtype=np.uint8)
    slab[2:38, 2:40] = 50
    slab[5:15, 48:58] = 50
    box = np.array([[0, 0, 40, 60]], dtype=np.int32)
    assert extract(slab, box, SHARP).sum() == 36 * 38
    assert extract(slab, box, replace(SHARP, keep_largest=False)).sum() == 36 * 38 + 100


def test_an_opening_removes_a_thin_bridge():
    slab = np.full((40, 60, 1), 200, dtype=np.uint8)
    slab[2:38, 2:40] = 50
    slab[5:15, 48:58] = 50
    slab[9, 40:48] = 50
    box = np.array([[0, 0, 40, 60]], dtype=np.int32)
    opened = extract(slab, box, replace(SHARP, erode_nm=10, dilate_nm=10))
    assert not opened[:, 48:].any()
    assert extract(slab, box, SHARP)[:, 48:].any()


def test_erosion_shrinks_and_dilation_grows_the_organelle():
    slab, _, _ = disc_image()
    whole = np.array([[0, 0, *slab.shape[:2]]], dtype=np.int32)
    plain, shrunk, grown = (
        extract(slab, whole, params).sum()
        for params in (SHARP, replace(SHARP, erode_nm=15), replace(SHARP, dilate_nm=15))
    )
    assert shrunk < plain < grown


def test_radii_become_odd_kernels_by_the_voxel_size():
    params = OtsuParams(blur_nm=20, erode_nm=10, dilate_nm=0)
    assert Kernels.of(params, VoxelSize(50, 5, 5)) == Kernels(9, 5, 1)
    assert Kernels.of(params, VoxelSize(50, 10, 10)) == Kernels(5, 3, 1)
    assert Kernels.of(params, VoxelSize(50, 100, 100)) == Kernels(1, 1, 1)
    assert Kernels.of(params, VoxelSize(50, 2.5, 10)) == Kernels(9, 5, 1)


def test_steps_with_kernel_one_do_nothing():
    crop = np.arange(30, dtype=np.uint8).reshape(5, 6)
    assert np.array_equal(smooth(crop, Kernels(1, 1, 1), dark=False), crop)
    assert np.array_equal(smooth(crop, Kernels(1, 1, 1), dark=True), 255 - crop)


@pytest.mark.parametrize("grey", [0, 128, 255])
@pytest.mark.parametrize("params", [SHARP, OtsuParams(), OtsuParams(polarity="bright")])
def test_a_flat_crop_gives_the_ellipse(grey, params):
    slab = np.full((20, 30, 3), grey, dtype=np.uint8)
    box = np.array([[3, 4, 15, 24]], dtype=np.int32)
    assert np.array_equal(extract(slab, box, params), ellipse(12, 20))


def test_a_mask_that_does_not_span_the_box_gives_the_ellipse():
    slab = np.full((40, 40, 1), 200, dtype=np.uint8)
    slab[2:14, 2:14] = 20
    box = np.array([[0, 0, 40, 40]], dtype=np.int32)
    assert np.array_equal(extract(slab, box, replace(SHARP, minimum_extent=0.75)), ellipse(40, 40))
    assert extract(slab, box, SHARP).sum() == 144


def test_the_pull_to_the_centre_cuts_off_dark_neighbours_in_the_corners():
    slab, truth, box = disc_image()
    slab[:31, :41] = slab[31:, 41:] = 60  # everything in two opposite quarters is as dark as the organelle
    y0, x0, y1, x1 = box[0]
    inside = truth[y0:y1, x0:x1]
    plain, pulled = extract(slab, box, SHARP), extract(slab, box, replace(SHARP, centre=1))
    assert plain[0, 0]
    assert plain[-1, -1]
    assert not pulled[0, 0]
    assert not pulled[-1, -1]
    assert iou(pulled, inside) > iou(plain, inside) + 0.01


def test_pulling_keeps_the_range_and_lowers_corners():
    rng = np.random.default_rng(1)
    image = rng.integers(100, 140, (50, 70)).astype(np.uint8)
    pulled = pull_to_centre(image, 1.0)
    assert pulled.dtype == np.uint8
    assert pulled.min() == 0
    assert pulled.max() >= 254
    assert pulled[:3, :3].mean() < pulled[24:27, 34:37].mean()


@given(
    slab=st_numpy.arrays(np.uint8, st.tuples(st.integers(1, 24), st.integers(1, 24), st.sampled_from([1, 3]))),
    params=st.builds(
        OtsuParams,
        polarity=st.sampled_from(["dark", "bright"]),
        blur_nm=st.sampled_from([0, 10, 200]),
        erode_nm=st.sampled_from([0, 10, 200]),
        dilate_nm=st.sampled_from([0, 10, 200]),
        keep_largest=st.booleans(),
        fill_holes=st.booleans(),
        centre=st.sampled_from([0, 1, 50]),
        minimum_extent=st.sampled_from([0, 0.75, 1]),
    ),
)
@settings(max_examples=200, deadline=None)
def test_any_crop_gives_a_mask_that_is_not_empty(slab, params):
    before = slab.copy()
    mask = extract(slab, np.array([[0, 0, *slab.shape[:2]]], dtype=np.int32), params)
    assert mask.any()
    assert np.array_equal(slab, before)
    if params.keep_largest:
        assert ndimage.label(mask, np.ones((3, 3)))[1] == 1


@given(mask=st_numpy.arrays(bool, st_numpy.array_shapes(min_dims=2, max_dims=2, max_side=16)))
@settings(deadline=None)
def test_filling_is_what_scipy_does(mask):
    assert np.array_equal(fill(np.where(mask, 255, 0).astype(np.uint8)) > 0, ndimage.binary_fill_holes(mask))


@given(mask=st_numpy.arrays(bool, st_numpy.array_shapes(min_dims=2, max_dims=2, max_side=16)))
@settings(deadline=None)
def test_the_largest_component_is_what_scipy_finds(mask):
    found = largest(np.where(mask, 255, 0).astype(np.uint8)) > 0
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    assert found.sum() == (np.bincount(labels.ravel())[1:].max() if count else 0)
    assert (found <= mask).all()
    assert ndimage.label(found, np.ones((3, 3)))[1] == min(count, 1)


def test_extent_is_the_share_of_the_surrounding_box():
    mask = np.zeros((10, 20), dtype=np.uint8)
    assert extent(mask) == 0
    mask[2, 3] = mask[6, 12] = 255
    assert extent(mask) == 5 * 10 / 200


@pytest.mark.parametrize(
    ("knobs", "named"),
    [
        ({"polarity": "grey"}, "polarity"),
        ({"blur_nm": -1}, "blur_nm"),
        ({"erode_nm": float("nan")}, "erode_nm"),
        ({"dilate_nm": float("inf")}, "dilate_nm"),
        ({"centre": -0.1}, "centre"),
        ({"minimum_extent": 1.5}, "minimum_extent"),
    ],
)
def test_wrong_knobs_are_named(knobs, named):
    with pytest.raises(InputError, match=named):
        OtsuParams(**knobs)


@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0, 1))
@settings(max_examples=60)
def test_solid_is_the_largest_piece_with_its_holes_filled(seed, share):
    mask = np.random.default_rng(seed).random((9, 11)) < share
    expected = fill(largest(mask.astype(np.uint8) * 255)) > 0
    found = solid(mask)
    assert (found is None) == (not mask.any())
    assert found is None or (found == expected).all()
