"""What the box → mask network learns from, on drawn images, phantoms and, where they are, the real sets."""

import numpy as np
import pytest
import tifffile
from accuracy.sets import NARROWEST_PX, SMALLEST_PX
from hypothesis import given, settings
from hypothesis import strategies as st
from masknet_crops import (
    Jitter,
    Scene,
    draw,
    objects_of,
    phantoms,
    read_raw,
    read_scene,
    sample_alone,
)
from scipy import ndimage

from famous.extract.crops import MARGIN, SIDE_PX, frame, halvings, prompt, sample
from famous.extract.ellipse import ellipse

TIGHT = Jitter(tight=1, turned=0)
TURNED = Jitter(tight=1, turned=1)
BOX_PX = SIDE_PX / (1 + 2 * MARGIN)  # of the box in a crop, 42.7
LOW = (SIDE_PX - BOX_PX) / 2  # where it begins, 10.7


def drawn():
    """A slice with a rectangle, a disc, a label in two pieces, and specks that are too small."""
    image = np.zeros((120, 140), dtype=np.uint16)
    image[10:30, 20:50] = 3
    image[50:90, 60:100][ellipse(40, 40)] = 7
    image[100:110, 5:25] = 9
    image[95:115, 100:130] = 9
    image[2:4, 100:130] = 11  # flat
    image[40:46, 4:9] = 12  # narrow
    image[60:65, 4:9] = 300  # few pixels
    return image


def scene_of(image, *, neighbours=False, contrast=120):
    """Make a scene of one slice, its objects dark."""
    raw = np.where(image > 0, 200 - contrast, 200).astype(np.uint8)
    return Scene("drawn", raw[None], neighbours, list(objects_of(image, 0, "drawn")))


def disc_scene(radius):
    """Make a scene so wide that no crop sees the disc's mirror beyond the slice."""
    side = 6 * radius + 60
    y, x = np.mgrid[:side, :side] - side / 2
    return scene_of((np.hypot(y, x) < radius).astype(np.uint8))


def span(mask, axis):
    """First and one past the last row or column of a mask 0 … 255."""
    held = np.flatnonzero((mask > 127).any(axis=1 - axis))
    return held[0], held[-1] + 1


# Objects


def test_objects_are_the_pieces_that_are_large_enough_with_tight_corners():
    found = {item.corners: item.mask for item in objects_of(drawn(), 0, "drawn")}
    assert set(found) == {(10, 20, 30, 50), (50, 60, 90, 100), (95, 100, 115, 130), (100, 5, 110, 25)}
    for (y0, x0, y1, x1), mask in found.items():
        assert mask.shape == (y1 - y0, x1 - x0)
        assert mask.dtype == bool
    assert found[(10, 20, 30, 50)].all()
    assert np.array_equal(found[(50, 60, 90, 100)], ellipse(40, 40))


def test_the_outline_is_the_rim_in_the_slice_x_before_y():
    image = drawn()
    for item in objects_of(image, 0, "drawn"):
        (y0, x0, y1, x1), mask = item.corners, item.mask
        x, y = item.outline.T.astype(int)
        assert (x.min(), y.min(), x.max(), y.max()) == (x0, y0, x1 - 1, y1 - 1)
        rim = np.zeros_like(mask)
        rim[y - y0, x - x0] = True
        assert not (rim & ~mask).any()
        assert np.array_equal(ndimage.binary_fill_holes(rim), mask)
    rectangle = next(iter(objects_of(image, 0, "drawn")))
    assert len(rectangle.outline) == 2 * (20 + 30) - 4


def test_labels_that_touch_stay_apart_and_another_inside_is_no_hole_of_the_box():
    image = np.zeros((40, 60), dtype=np.uint32)
    image[5:25, 5:25] = 1
    image[5:25, 25:55] = 2
    image[10:20, 30:40] = 3
    found = list(objects_of(image, 0, "drawn"))
    assert [item.corners for item in found] == [(5, 5, 25, 25), (5, 25, 25, 55), (10, 30, 20, 40)]
    assert [int(item.mask.sum()) for item in found] == [400, 500, 100]


def test_an_empty_slice_has_no_objects():
    assert list(objects_of(np.zeros((9, 9), dtype=np.uint8), 0, "drawn")) == []


@given(side=st.integers(4, 8), length=st.integers(4, 12))
def test_an_object_counts_from_its_smallest_size(side, length):
    image = np.zeros((30, 30), dtype=np.uint8)
    image[3 : 3 + side, 4 : 4 + length] = 1
    large = side * length >= SMALLEST_PX and min(side, length) >= NARROWEST_PX
    assert len(list(objects_of(image, 0, "drawn"))) == large


# Crops


@pytest.mark.parametrize("number", range(4))
def test_an_unturned_tight_box_is_touched_on_all_four_sides_of_the_inner_square(number):
    scene = scene_of(drawn())
    crop, mask, _ = draw(scene, scene.objects[number], np.random.default_rng(0), TIGHT)
    assert crop.shape == (SIDE_PX, SIDE_PX, 3)
    assert mask.shape == (SIDE_PX, SIDE_PX)
    assert crop.dtype == mask.dtype == np.uint8
    for axis in (0, 1):
        assert span(mask, axis) == (pytest.approx(LOW, abs=1.5), pytest.approx(SIDE_PX - LOW, abs=1.5))


@pytest.mark.parametrize("number", range(4))
def test_the_mask_lies_where_the_object_is_in_the_crop(number):
    scene = scene_of(drawn())
    for seed in range(6):
        crop, mask, _ = draw(scene, scene.objects[number], np.random.default_rng(seed), Jitter())
        sure = (mask < 20) | (mask > 235)
        dark = crop[:, :, 1] < 140
        others = ndimage.label(dark | (mask > 127))[0]
        own = np.isin(others, np.unique(others[mask > 127]))
        assert (dark & own)[sure].sum() == pytest.approx((mask > 127)[sure].sum(), rel=0.03)
        assert ((mask > 127) & ~dark & sure).sum() < 0.01 * sure.sum()


@pytest.mark.parametrize("radius", [8, 40, 100, 160])
@pytest.mark.parametrize("jitter", [TIGHT, TURNED, Jitter(tight=0, turned=0.5)], ids=["tight", "turned", "bad"])
def test_image_and_mask_of_a_disc_agree_however_often_they_are_halved(radius, jitter):
    scene = disc_scene(radius)
    for seed in range(3):
        crop, mask, _ = draw(scene, scene.objects[0], np.random.default_rng(seed), jitter)
        shown = (200 - crop[:, :, 1].astype(float)) / 120 * 255
        assert shown.sum() == pytest.approx(mask.sum(), rel=0.01)
        places = np.subtract(ndimage.center_of_mass(shown), ndimage.center_of_mass(mask))
        assert np.abs(places).max() < 0.1  # of a sample
        assert np.abs(shown - mask).mean() < 2.5  # where halving begins differs, and so does the rim


@pytest.mark.parametrize("radius", [10, 40, 100])
def test_a_turned_disc_stays_the_same_disc(radius):
    scene = disc_scene(radius)
    for seed in range(4):
        _, mask, _ = draw(scene, scene.objects[0], np.random.default_rng(seed), TURNED)
        round_ = prompt()[1] <= 1
        assert ((mask > 127) & round_).sum() / ((mask > 127) | round_).sum() > 0.9  # a small disc has corners


@pytest.mark.parametrize("number", range(4))
def test_a_turned_box_is_tight_for_the_turned_object(number):
    scene = scene_of(drawn())
    turned = 0
    for seed in range(8):
        _, mask, _ = draw(scene, scene.objects[number], np.random.default_rng(seed), TURNED)
        for axis in (0, 1):
            first, last = span(mask, axis)
            assert first == pytest.approx(LOW, abs=3.5)  # corners of a turned rectangle are thinner than a sample
            assert last == pytest.approx(SIDE_PX - LOW, abs=3.5)
        _, straight, _ = draw(scene, scene.objects[number], np.random.default_rng(seed), TIGHT)
        turned += np.abs(mask.astype(int) - straight).mean() > 5
    assert turned >= (6 if number != 1 else 0)  # turned indeed, the disc apart


def test_an_object_that_lies_aslant_is_boxed_as_it_is_turned():
    """A bar along the diagonal: turned one way it is thin, turned the other way it would not be."""
    y, x = np.mgrid[:120, :120] - 60
    scene = scene_of(((np.abs(y - x) < 8) & (np.abs(y + x) < 70)).astype(np.uint8))
    for seed in range(8):
        _, mask, _ = draw(scene, scene.objects[0], np.random.default_rng(seed), TURNED)
        for axis in (0, 1):
            assert span(mask, axis) == (pytest.approx(LOW, abs=3.5), pytest.approx(SIDE_PX - LOW, abs=3.5))


def test_badly_fitting_boxes_miss_by_a_share_of_their_sides():
    scene, sides = disc_scene(40), []
    rng = np.random.default_rng(1)
    for _ in range(150):
        _, mask, _ = draw(scene, scene.objects[0], rng, Jitter(tight=0, turned=0, worst=0, good=0.1))
        assert (mask > 127).any()
        sides.append([*span(mask, 0), *span(mask, 1)])
    apart = (np.array(sides) - np.array([LOW, SIDE_PX - LOW] * 2)) / BOX_PX
    assert np.abs(apart.mean(axis=0)).max() < 0.06
    assert apart.std(axis=0) == pytest.approx(0.1, abs=0.035)


def test_the_error_of_a_box_is_told_with_it():
    scene, rng = disc_scene(20), np.random.default_rng(2)
    told = [draw(scene, scene.objects[0], rng, Jitter())[2] for _ in range(400)]
    shares = [np.mean(np.equal(told, sigma)) for sigma in (0, Jitter().good, Jitter().bad)]
    assert shares == pytest.approx([0.35, 0.5, 0.15], abs=0.08)
    assert sum(shares) == pytest.approx(1)


def test_the_seed_decides_what_is_drawn():
    scene = disc_scene(30)
    first, again, other = (draw(scene, scene.objects[0], np.random.default_rng(seed), Jitter()) for seed in (5, 5, 6))
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert first[2] == again[2]
    assert not np.array_equal(first[1], other[1])


def test_drawing_changes_nothing():
    scene = scene_of(drawn())
    volume, masks = scene.volume.copy(), [item.mask.copy() for item in scene.objects]
    for item in scene.objects:
        draw(scene, item, np.random.default_rng(0), Jitter())
    assert np.array_equal(scene.volume, volume)
    assert all(np.array_equal(item.mask, mask) for item, mask in zip(scene.objects, masks, strict=True))


def test_a_slab_has_the_slices_around_it_and_the_slice_itself_at_the_ends():
    volume = np.arange(4, dtype=np.uint8)[:, None, None] * np.ones((1, 3, 5), dtype=np.uint8)
    values = [Scene("run", volume, True).slab(z)[0, 0].tolist() for z in range(4)]
    assert values == [[0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 3]]
    alone = [Scene("apart", volume, False).slab(z)[0, 0].tolist() for z in range(4)]
    assert alone == [[z, z, z] for z in range(4)]
    assert Scene("one", volume[:1], True).slab(0).shape == (3, 5, 3)


# Masks alone


@given(
    y0=st.integers(-20, 90),
    x0=st.integers(-20, 90),
    height=st.integers(6, 150),
    width=st.integers(6, 150),
    origin=st.tuples(st.integers(60, 100), st.integers(60, 100)),
)
@settings(max_examples=40)
def test_a_mask_alone_is_sampled_as_the_slice_that_holds_it(y0, x0, height, width, origin):
    mask = np.zeros((49, 42), dtype=np.uint8)
    mask[1:-1, 1:-1] = ellipse(47, 40) * np.uint8(255)
    slice_ = np.zeros((600, 600), dtype=np.uint8)
    slice_[200 + origin[0] : 249 + origin[0], 200 + origin[1] : 242 + origin[1]] = mask
    affine = frame(np.array([y0, x0, y0 + height, x0 + width]))
    moved = frame(np.array([y0, x0, y0 + height, x0 + width]) + 200)
    alone = sample_alone(mask, affine, origin).astype(int)
    apart = np.abs(alone - sample(slice_, moved))
    count = halvings(affine)
    if count == 0:
        assert apart.max() <= 1
    assert apart.mean() < 3  # halved from another pixel on, it is blurred a little otherwise


def test_a_mask_alone_keeps_its_area_and_its_place_when_it_is_halved():
    mask = np.zeros((303, 301), dtype=np.uint8)
    mask[1:-1, 1:-1] = ellipse(301, 299) * np.uint8(255)
    before = mask.copy()
    affine = frame(np.array([10, 20, 311, 319]))
    seen = sample_alone(mask, affine, (9, 19)) / 255.0
    assert halvings(affine) == 3
    assert seen.sum() == pytest.approx(np.pi / 4 * BOX_PX**2, rel=0.01)
    assert np.allclose(ndimage.center_of_mass(seen), (SIDE_PX - 1) / 2, atol=0.05)
    assert np.array_equal(mask, before)


@pytest.mark.parametrize("side", [255, 257, 299, 301, 303, 305])
def test_the_far_rim_of_a_square_is_not_lost_when_it_is_halved(side):
    mask = np.zeros((side + 2, side + 2), dtype=np.uint8)
    mask[1:-1, 1:-1] = 255
    seen = sample_alone(mask, frame(np.array([10, 20, 10 + side, 20 + side])), (9, 19)) / 255.0
    assert seen.sum() == pytest.approx(BOX_PX**2, rel=0.005)
    assert np.allclose(ndimage.center_of_mass(seen), (SIDE_PX - 1) / 2, atol=0.1)


def test_beyond_a_mask_alone_lies_nothing():
    seen = sample_alone(np.full((20, 20), 255, np.uint8), frame(np.array([0, 0, 20, 20])), (0, 0))
    assert seen[32, 32] == 255
    assert not seen[:9].any()
    assert not seen[:, -9:].any()


# Where it comes from


def test_a_set_is_read_with_its_objects_and_their_classes(tmp_path):
    folder = tmp_path / "isbi2012"
    folder.mkdir()
    labels = np.stack([drawn(), np.zeros_like(drawn()), drawn()])
    raw = np.random.default_rng(0).integers(0, 256, labels.shape).astype(np.uint8)
    tifffile.imwrite(folder / "raw.tif", raw)
    tifffile.imwrite(folder / "mito_inst.tif", labels)
    tifffile.imwrite(folder / "synapse_inst.tif", np.where(labels == 3, labels, 0))
    scene = read_scene(tmp_path, "isbi2012")
    assert np.array_equal(scene.volume, raw)
    assert scene.neighbours
    assert [item.z for item in scene.objects] == [0] * 4 + [2] * 4 + [0, 2]
    assert [item.class_name for item in scene.objects] == ["mitochondrion"] * 8 + ["synapse"] * 2
    assert scene.objects[-1].corners == (10, 20, 30, 50)


def test_slices_in_a_folder_are_read_in_the_order_of_their_names(tmp_path):
    import cv2

    (tmp_path / "raw").mkdir()
    for name, value in (("b", 2), ("a", 1), ("c", 3)):
        cv2.imwrite(str(tmp_path / "raw" / f"{name}.png"), np.full((4, 5), value, dtype=np.uint8))
    volume = read_raw(tmp_path)
    assert volume.shape == (3, 4, 5)
    assert volume[:, 0, 0].tolist() == [1, 2, 3]


def test_phantoms_show_organelles_of_several_classes_with_their_neighbours():
    (scene,) = phantoms(range(3, 4), slices_each=2, side_px=160)
    assert scene.neighbours
    assert scene.volume.shape == (6, 160, 160)
    assert {item.z for item in scene.objects} <= {1, 4}
    assert len(scene.objects) > 0
    for item in scene.objects:
        y0, x0, y1, x1 = item.corners
        assert item.mask.shape == (y1 - y0, x1 - x0)
        assert 0 <= y0 < y1 <= 160
        assert 0 <= x0 < x1 <= 160
    crop, mask, _ = draw(scene, scene.objects[0], np.random.default_rng(0), TIGHT)
    assert crop.std() > 1
    assert (mask > 127).mean() > 0.1
    (again,) = phantoms(range(3, 4), slices_each=2, side_px=160)
    assert np.array_equal(scene.volume, again.volume)


def test_a_real_set_gives_tight_boxes(shared_data):
    if not (shared_data / "isbi2012").is_dir():
        pytest.skip("the set is not here")
    scene = read_scene(shared_data, "isbi2012")
    assert scene.objects
    assert {item.class_name for item in scene.objects} == {"mitochondrion", "synapse"}
    rng = np.random.default_rng(0)
    for number in rng.integers(0, len(scene.objects), 20):
        item = scene.objects[number]
        assert all(item.mask.any(axis=axis).all() for axis in (0, 1))  # one piece: each row and column holds some
        _, mask, _ = draw(scene, item, rng, TIGHT)
        assert span(mask, 0) == (pytest.approx(LOW, abs=3), pytest.approx(SIDE_PX - LOW, abs=3))


# The network


@pytest.fixture(scope="module")
def model():
    pytest.importorskip("torch")
    import masknet_model
    import torch

    torch.manual_seed(0)
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # threads that wait for one another are slow where a machine is busy
    yield masknet_model.MaskNet((4, 6, 8, 8)).eval()
    torch.set_num_threads(before)


@pytest.mark.parametrize("count", [1, 3])
def test_the_network_answers_a_plane_a_crop(model, count):
    import torch

    with torch.no_grad():
        logits = model(torch.randn(count, 5, SIDE_PX, SIDE_PX))
    assert tuple(logits.shape) == (count, SIDE_PX, SIDE_PX)
    assert torch.isfinite(logits).all()


def test_crops_of_a_batch_do_not_see_one_another(model):
    import torch

    planes = torch.randn(3, 5, SIDE_PX, SIDE_PX)
    with torch.no_grad():
        together = model(planes)
        for number in range(3):
            assert torch.allclose(model(planes[number : number + 1])[0], together[number], atol=1e-5)


def test_every_weight_of_the_network_learns(model):
    import copy

    import torch

    learner = copy.deepcopy(model).train()
    learner(torch.randn(2, 5, SIDE_PX, SIDE_PX)).square().mean().backward()
    for name, weight in learner.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().max() > 0, name


def test_the_shipped_size_of_the_network_is_below_four_megabytes():
    pytest.importorskip("torch")
    import masknet_model

    weights = sum(weight.numel() for weight in masknet_model.MaskNet().parameters())
    assert weights * 4 < 4 * 1024 * 1024
    assert masknet_model.PLANES == 5
