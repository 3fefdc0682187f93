"""Networks whose answer is known (the ellipse, all, nothing, beyond the box) and the masks that come of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from famous.errors import InputError
from famous.extract import make_extractor
from famous.extract.crops import MARGIN, SIDE_PX, frame, prompt, sample, trust
from famous.extract.ellipse import ellipse
from famous.extract.masknet import BATCH, MaskNetExtractor, MaskNetParams
from famous.extract.slices import in_boxes, widened
from famous.voxels import VoxelSize

VOXEL = VoxelSize(5, 5, 5)
SHAPE = (620, 700)
SLAB = np.random.default_rng(0).integers(0, 256, (*SHAPE, 3)).astype(np.uint8)
PLACES = {
    "smallest": (100, 100, 106, 106),
    "not square": (100, 100, 120, 160),
    "flat": (300, 50, 306, 650),
    "upright": (10, 300, 610, 309),
    "corner": (0, 0, 9, 13),
    "other corner": (600, 690, 620, 700),
    "border": (0, 200, 50, 240),
    "large": (10, 50, 610, 650),
    "as large as the slice": (0, 0, *SHAPE),
}


def corners(*rows):
    return np.array(rows, dtype=np.int32).reshape(-1, 4)


def extract(network, *rows, slab=SLAB, **params):
    return MaskNetExtractor(network, MaskNetParams(**params))(slab, corners(*rows), VOXEL)


def ellipses(planes):
    """Answer the ellipse, a little soft at its rim."""
    return np.clip((1 - planes[:, 4]) * 10 + 0.5, 0, 1)


def filled(planes):
    """Answer the inside of the box."""
    return planes[:, 3].copy()


def everything(planes):
    return np.ones((len(planes), SIDE_PX, SIDE_PX), dtype=np.float32)


def nothing(planes):
    return np.zeros((len(planes), SIDE_PX, SIDE_PX), dtype=np.float32)


def beyond(planes):
    """Answer an ellipse that is larger than the box by a fifth of its radius."""
    return np.clip((1.2 - planes[:, 4]) * 10 + 0.5, 0, 1)


def dark(planes):
    """Answer what is darker than the crop's mean."""
    return np.clip(0.5 - planes[:, 1], 0, 1)


def iou(one, two):
    return (one & two).sum() / (one | two).sum()


def placed(mask, place, shape=SHAPE):
    """Paint the mask of a box into an empty slice."""
    image = np.zeros(shape, dtype=bool)
    y0, x0, y1, x1 = place
    image[y0:y1, x0:x1] = mask
    return image


@pytest.mark.parametrize("box", PLACES.values(), ids=PLACES.keys())
@pytest.mark.parametrize("reach", [0, 0.1, 0.25])
def test_the_ellipse_comes_back_from_the_network_where_it_was(box, reach):
    (mask,) = extract(ellipses, box, reach=reach)
    (place,) = widened(corners(box), reach, SHAPE)
    y0, x0, y1, x1 = box
    truth = placed(ellipse(y1 - y0, x1 - x0), box)
    assert iou(placed(mask, place), truth) >= 0.95


@given(y0=st.integers(0, 560), x0=st.integers(0, 640), height=st.integers(6, 60), width=st.integers(6, 60))
@settings(max_examples=40)
def test_the_ellipse_comes_back_from_any_box(y0, x0, height, width):
    (mask,) = extract(ellipses, (y0, x0, y0 + height, x0 + width), reach=0)
    assert iou(mask, ellipse(height, width)) >= 0.95


@pytest.mark.parametrize("radius", [3, 10, 40, 120, 290])
def test_a_dark_disc_goes_there_and_back(radius):
    """From pixels to a crop and to pixels again: what the network would see perfectly is not moved."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    disc = (y - 305) ** 2 + (x - 340) ** 2 <= radius**2
    slab = np.repeat(np.where(disc, 60, 200).astype(np.uint8)[:, :, None], 3, axis=2)
    box = (305 - radius, 340 - radius, 306 + radius, 341 + radius)
    shown = []

    def spy(planes):
        shown.append(planes)
        return dark(planes)

    (mask,) = extract(spy, box, reach=0, slab=slab)
    assert iou(placed(mask, box), disc) >= 0.95
    assert shown[0].shape == (1, 5, SIDE_PX, SIDE_PX)


@pytest.mark.parametrize("box", [(0, 0, 41, 31), (579, 670, 620, 700)])
def test_a_disc_that_the_slice_cuts_goes_there_and_back(box):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    y0, x0, y1, x1 = box
    centre = (20, 10) if y0 == 0 else (599, 690)
    disc = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= 20.5**2
    slab = np.repeat(np.where(disc, 60, 200).astype(np.uint8)[:, :, None], 3, axis=2)
    (mask,) = extract(dark, box, reach=0, slab=slab)
    assert iou(mask, disc[y0:y1, x0:x1]) >= 0.95


@pytest.mark.parametrize("network", [ellipses, filled, everything, nothing, beyond, dark])
@pytest.mark.parametrize("reach", [0, 0.03, 0.1, 0.25])
def test_masks_have_the_widened_shape_one_piece_and_no_hole(network, reach):
    boxes = corners(*PLACES.values(), (5, 5, 6, 6), (0, 0, 1, 2), (619, 699, 620, 700))
    masks = extract(network, *boxes, reach=reach)
    for mask, (y0, x0, y1, x1) in zip(masks, widened(boxes, reach, SHAPE), strict=True):
        assert mask.dtype == bool
        assert mask.shape == (y1 - y0, x1 - x0)
        assert ndimage.label(mask, np.ones((3, 3)))[1] == 1
        assert np.array_equal(ndimage.binary_fill_holes(mask), mask)


def test_a_network_that_sees_all_fills_the_widened_box_to_its_edge():
    for reach in (0, 0.1, 0.25):
        for mask in extract(everything, *PLACES.values(), reach=reach):
            assert mask.all()


@pytest.mark.parametrize("reach", [0, 0.1, 0.25])
def test_a_network_that_sees_nothing_gives_the_ellipse_of_the_box_itself(reach):
    boxes = corners(*PLACES.values())
    masks = extract(nothing, *boxes, reach=reach)
    for mask, box, place in zip(masks, boxes, widened(boxes, reach, SHAPE), strict=True):
        y0, x0, y1, x1 = box
        assert np.array_equal(placed(mask, place), placed(ellipse(y1 - y0, x1 - x0), box))


def test_a_mask_goes_beyond_the_box_as_far_as_its_reach():
    box = (200, 200, 300, 280)
    image = {
        reach: placed(extract(beyond, box, reach=reach)[0], widened(corners(box), reach, SHAPE)[0])
        for reach in (0, 0.05, 0.1, 0.25)
    }
    sides = {reach: [int(np.ptp(axis)) + 1 for axis in np.nonzero(found)] for reach, found in image.items()}
    assert sides[0] == [100, 80]
    assert sides[0.05] == [110, 88]
    assert sides[0.1] == [pytest.approx(120, abs=1), pytest.approx(96, abs=1)]  # here the ellipse itself ends
    assert np.array_equal(image[0.1], image[0.25])
    assert np.array_equal(image[0][200:300, 200:280], image[0.25][200:300, 200:280])


def test_known_tight_boxes_are_kept_to_whatever_the_reach():
    extractor = MaskNetExtractor(beyond, MaskNetParams(reach=0.1))
    boxes = corners(*PLACES.values())
    alone = extract(beyond, *boxes, reach=0)
    for mask, expected in zip(in_boxes(extractor, SLAB, boxes, VOXEL), alone, strict=True):
        assert np.array_equal(mask, expected)


def test_the_largest_piece_is_kept_and_its_hole_filled():
    def ring_and_crumb(planes):
        radius = planes[:, 4]
        answer = ((radius < 0.9) & (radius > 0.4)).astype(np.float32)
        answer[:, 11:15, 11:15] = 1
        return answer

    (mask,) = extract(ring_and_crumb, (100, 100, 164, 164), reach=0)
    assert mask[32, 32]
    assert not mask[:8, :8].any()
    y, x = (np.mgrid[:64, :64] - 31.5) / 32
    assert iou(mask, np.hypot(y, x) < 0.9) > 0.97


def test_the_level_decides_how_sure_the_network_must_be():
    def sloping(planes):
        return np.clip(1 - planes[:, 4] / 2, 0, 1)

    areas = [extract(sloping, (100, 100, 200, 200), level=level)[0].sum() for level in (0.55, 0.6, 0.75)]
    assert areas == pytest.approx([np.pi * (100 * (1 - level)) ** 2 for level in (0.55, 0.6, 0.75)], rel=0.02)


def test_flips_take_the_mean_of_four_looks():
    """A network that answers the left half, then the upper half: mirrored looks make it symmetrical."""
    asked = []

    def lopsided(planes):
        asked.append(planes.copy())
        answer = np.zeros((len(planes), SIDE_PX, SIDE_PX), dtype=np.float32)
        answer[:, :, : SIDE_PX // 2] = 0.9
        answer[:, : SIDE_PX // 4] += 0.1
        return answer

    planes = np.random.default_rng(1).normal(size=(2, 5, SIDE_PX, SIDE_PX)).astype(np.float32)
    mean = MaskNetExtractor(lopsided, MaskNetParams(flips=True))._ask(planes)
    edge = np.zeros((SIDE_PX, SIDE_PX))
    edge[: SIDE_PX // 4] = edge[-SIDE_PX // 4 :] = 0.05
    assert mean.dtype == np.float32
    assert np.allclose(mean, 0.45 + edge, atol=1e-6)
    assert [np.array_equal(look, planes[:, :, ::y, ::x]) for look, (y, x) in zip(asked, LOOKS, strict=True)] == [
        True
    ] * 4
    asked.clear()
    assert np.array_equal(MaskNetExtractor(lopsided, MaskNetParams())._ask(planes), lopsided(planes))
    assert len(asked) == 2


LOOKS = ((1, 1), (-1, 1), (1, -1), (-1, -1))


def test_flips_turn_each_answer_back():
    """A network that answers the image itself gives the image, whichever way it looks."""
    planes = np.random.default_rng(2).random((3, 5, SIDE_PX, SIDE_PX), dtype=np.float32)
    mean = MaskNetExtractor(lambda seen: seen[:, 1], MaskNetParams(flips=True))._ask(planes)
    assert np.allclose(mean, planes[:, 1], atol=1e-6)


def test_flips_give_masks_of_the_same_shape():
    boxes = corners(*PLACES.values())
    for one, four in zip(extract(dark, *boxes), extract(dark, *boxes, flips=True), strict=True):
        assert np.array_equal(one, four)  # it treats each pixel alone


def test_more_boxes_than_fit_a_batch_give_what_each_gives_alone():
    rng = np.random.default_rng(3)
    low = rng.integers(0, 500, (2 * BATCH + 5, 2))
    boxes = np.concatenate([low, low + rng.integers(6, 60, low.shape)], axis=1).astype(np.int32)
    sizes = []

    def spy(planes):
        sizes.append(len(planes))
        return dark(planes)

    masks = extract(spy, *boxes)
    assert sizes == [BATCH, BATCH, 5]
    assert len(masks) == len(boxes)
    for number in (0, 1, BATCH - 1, BATCH, 2 * BATCH, 2 * BATCH + 4):
        assert np.array_equal(masks[number], extract(dark, boxes[number])[0])


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_a_slab_of_other_channels_is_its_middle_slice_thrice(channels):
    seen = []

    def spy(planes):
        seen.append(planes)
        return ellipses(planes)

    slab = np.zeros((60, 60, channels), dtype=np.uint8)
    slab[:, :, channels // 2] = SLAB[:60, :60, 0]
    (mask,) = extract(spy, (10, 10, 40, 40), slab=slab)
    assert mask.shape == (30, 30)
    assert np.array_equal(seen[0][0, 0], seen[0][0, 1])
    assert np.array_equal(seen[0][0, 1], seen[0][0, 2])
    assert seen[0][0, 1].std() == pytest.approx(1, abs=1e-3)


def test_the_network_sees_the_slices_in_order_and_the_box_it_is_asked_about():
    seen = []

    def spy(planes):
        seen.append(planes)
        return ellipses(planes)

    extract(spy, (100, 120, 140, 170), (0, 0, 9, 9))
    crop = sample(SLAB, frame(np.array([100, 120, 140, 170]))).astype(np.float64)
    middle = crop[:, :, 1]
    expected = np.moveaxis((crop - middle.mean()) / middle.std(), 2, 0)
    assert np.allclose(seen[0][0, :3], expected, atol=1e-3)
    assert not np.allclose(seen[0][0, :3], seen[0][1, :3], atol=0.1)


@pytest.mark.parametrize("box_error", [0, 0.07, 0.2])
def test_the_network_is_told_how_well_the_boxes_fit(box_error):
    seen = []

    def spy(planes):
        seen.append(planes)
        return ellipses(planes)

    extract(spy, (100, 120, 140, 170), box_error=box_error)
    assert np.unique(seen[0][0, 3]).tolist() == pytest.approx(sorted({0, trust(box_error)}))
    assert np.array_equal(seen[0][0, 4], prompt()[1])


def test_an_error_that_is_left_open_is_the_extractor_s():
    seen = []

    def spy(planes):
        seen.append(planes)
        return ellipses(planes)

    slab, box = np.zeros((200, 200, 3), np.uint8), np.array([[50, 50, 90, 90]], np.int32)
    for params, error in ((MaskNetParams(), 0.1), (MaskNetParams(box_error=0), 0)):
        MaskNetExtractor(spy, params, 0.1)(slab, box, VoxelSize(5, 5, 5))
        assert seen[-1][0, 3].max() == pytest.approx(float(trust(error)))


@pytest.mark.parametrize("box_error", [-0.01, float("inf"), float("nan")])
def test_an_error_of_boxes_that_is_no_share_is_refused(box_error):
    with pytest.raises(InputError, match=rf"found box_error {box_error}, expected a share of 0 or more"):
        MaskNetParams(box_error=box_error)


def test_no_boxes_ask_nothing():
    def refuses(planes):
        raise AssertionError(planes.shape)

    assert extract(refuses) == []
    assert MaskNetExtractor(refuses)(SLAB, np.zeros((0, 4), dtype=np.int32), VOXEL) == []


def test_the_image_and_the_boxes_are_left_alone():
    boxes, slab = corners(*PLACES.values()), SLAB.copy()
    before = boxes.copy()
    MaskNetExtractor(dark)(slab, boxes, VOXEL)
    assert np.array_equal(boxes, before)
    assert np.array_equal(slab, SLAB)


def test_the_extractor_tells_its_reach_and_its_channels():
    extractor = MaskNetExtractor(dark, MaskNetParams(reach=0.2))
    assert extractor.reach == 0.2
    assert extractor.channels == 3
    assert MaskNetExtractor(dark).params == MaskNetParams()


@pytest.mark.parametrize("level", [0, 1, -0.1, 1.5, float("nan")])
def test_a_level_that_is_no_probability_is_refused(level):
    with pytest.raises(InputError, match=rf"found level {level}, expected a probability"):
        MaskNetParams(level=level)


@pytest.mark.parametrize("reach", [-0.01, 0.26, float("inf"), float("nan")])
def test_a_reach_beyond_the_margin_is_refused(reach):
    with pytest.raises(InputError, match=rf"found reach {reach}, expected a share from 0 to {MARGIN}"):
        MaskNetParams(reach=reach)


def test_masknet_is_not_built_without_a_network():
    with pytest.raises(InputError, match="MaskNetParams"):
        make_extractor(MaskNetParams())
