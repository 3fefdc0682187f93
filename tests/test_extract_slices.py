import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from famous import boxes
from famous.errors import InputError
from famous.extract import extract_slice, make_extractor
from famous.extract.ellipse import EllipseParams, ellipse
from famous.extract.slices import in_boxes, reach_of, widened
from famous.labels import areas
from famous.voxels import VoxelSize

VOXEL = VoxelSize(5, 5, 5)
SLAB = np.zeros((60, 80, 3), dtype=np.uint8)
FILLED = make_extractor(EllipseParams(scale=2))  # an ellipse that covers its whole box
RECIPES = {"a": FILLED, "b": FILLED, "c": FILLED}


def table(*rows, z=4):
    """Rows of (y0, x0, y1, x1, class_name, score)."""
    columns = list(zip(*rows, strict=True)) or [[]] * 6
    names = [*boxes.CORNERS, "class_name", "score"]
    return boxes.from_columns({"z": [z] * len(rows), **dict(zip(names, columns, strict=True))})


def extract(boxes_of_slice, **options):
    return extract_slice(SLAB, boxes_of_slice, RECIPES, voxel_size=VOXEL, **options)


def test_an_extractor_that_classes_share_is_asked_once():
    asked = []

    def shared(slab, corners, voxel_size):
        asked.append(corners.tolist())
        return FILLED(slab, corners, voxel_size)

    rows = table((0, 0, 9, 9, "b", 0.5), (20, 20, 28, 31, "c", 0.5), (40, 40, 52, 49, "a", 0.5))
    images = extract_slice(SLAB, rows, {"a": shared, "b": shared, "c": FILLED}, voxel_size=VOXEL)
    assert asked == [[[0, 0, 9, 9], [40, 40, 52, 49]]]
    apart = extract(rows)
    assert all(np.array_equal(images[name], apart[name]) for name in "abc")
    assert {name: np.unique(image).tolist() for name, image in images.items()} == {
        "a": [0, 3],
        "b": [0, 1],
        "c": [0, 2],
    }


def test_no_boxes_give_an_empty_image_of_every_class():
    for empty in (boxes.empty(), table()):
        images = extract(empty)
        assert list(images) == ["a", "b", "c"]
        for image in images.values():
            assert image.shape == (60, 80)
            assert image.dtype == np.uint32
            assert not image.any()


def test_no_recipes_and_no_pixels_are_fine():
    assert extract_slice(SLAB, boxes.empty(), {}, voxel_size=VOXEL) == {}
    nothing = np.zeros((0, 0, 1), dtype=np.uint8)
    assert extract_slice(nothing, table((0, 0, 3, 3, "a", 1)), {"a": FILLED}, voxel_size=VOXEL)["a"].shape == (0, 0)


def test_a_box_becomes_its_id_where_the_mask_is():
    one = table((10, 20, 30, 60, "a", 0.5)).assign(box=np.uint32(4_000_000_000))
    image = extract_slice(SLAB, one, {"a": make_extractor(EllipseParams())}, voxel_size=VOXEL)["a"]
    expected = np.zeros((60, 80), dtype=np.uint32)
    expected[10:30, 20:60][ellipse(20, 40)] = 4_000_000_000
    assert np.array_equal(image, expected)


def test_the_higher_score_takes_shared_pixels_and_ties_go_to_the_lower_id():
    images = extract(table((0, 0, 10, 10, "a", 0.5), (5, 5, 15, 15, "a", 0.9), (12, 12, 20, 20, "a", 0.9)))
    assert images["a"][7, 7] == 2
    assert images["a"][2, 2] == 1
    assert images["a"][13, 13] == 2
    assert images["a"][17, 17] == 3


def test_classes_may_lie_inside_one_another():
    images = extract(table((0, 0, 30, 30, "a", 0.5), (10, 10, 20, 20, "b", 0.9)))
    assert (images["a"] > 0).sum() == 900
    assert (images["b"] > 0).sum() == 100


@pytest.mark.parametrize(("score", "left_of_a"), [(0.9, 800), (0.4, 900)])
def test_exclusive_classes_share_no_pixel(score, left_of_a):
    rows = table((0, 0, 30, 30, "a", 0.5), (10, 10, 20, 20, "b", score), (0, 0, 5, 5, "c", 0.99))
    images = extract(rows, exclusive=[["a", "b", "not here"]])
    assert (images["a"] > 0).sum() == left_of_a
    assert (images["b"] > 0).sum() == 900 - left_of_a
    assert (images["c"] > 0).sum() == 25


def test_boxes_are_cut_at_the_slice_before_the_recipe_sees_them():
    rows = table((-5, -5, 5, 5, "a", 1), (50, 70, 99, 99, "a", 1), (-9, 0, 0, 9, "a", 1), (0, 80, 9, 90, "b", 1))
    images = extract(rows)
    assert not images["b"].any()
    assert areas(images["a"]).to_dict() == {1: 25, 2: 100}


def test_a_recipe_sees_the_slab_and_its_boxes_in_one_call():
    calls = []

    def spy(slab, corners, voxel_size):
        calls.append((slab.shape, corners.dtype, corners.tolist(), voxel_size))
        return FILLED(slab, corners, voxel_size)

    rows = table((1, 2, 3, 4, "a", 1), (5, 6, 7, 8, "b", 1), (2, 2, 9, 9, "a", 0.5))
    extract_slice(SLAB, rows, {"a": spy, "b": FILLED}, voxel_size=VOXEL)
    assert calls == [((60, 80, 3), np.int32, [[1, 2, 3, 4], [2, 2, 9, 9]], VOXEL)]


row = st.tuples(
    st.integers(-5, 58),
    st.integers(-5, 78),
    st.integers(1, 30),
    st.integers(1, 30),
    st.sampled_from("abc"),
    st.sampled_from([0.25, 0.5, 0.75]),
).map(lambda r: (r[0], r[1], r[0] + r[2], r[1] + r[3], r[4], r[5]))


@given(rows=st.lists(row, max_size=12), seed=st.integers(0, 1000), exclusive=st.sampled_from([(), (("a", "c"),)]))
@settings(deadline=None, max_examples=60)
def test_each_pixel_goes_to_the_best_claim_in_any_order_of_rows(rows, seed, exclusive):
    boxes_of_slice = table(*rows)
    shuffled = boxes_of_slice.sample(frac=1, random_state=seed)
    images = extract(shuffled, exclusive=exclusive)
    for name, image in images.items():
        rivals = [group for group in exclusive if name in group]
        expected = np.zeros((60, 80), dtype=np.uint32)
        best = np.full((60, 80), -1.0)
        for _, box in boxes_of_slice.iterrows():  # by rising id: only a better score may take over
            if box["class_name"] not in (rivals[0] if rivals else (name,)):
                continue
            area = np.zeros((60, 80), dtype=bool)
            area[max(box["y0"], 0) : max(box["y1"], 0), max(box["x0"], 0) : max(box["x1"], 0)] = True
            area &= best < box["score"]
            best[area] = box["score"]
            expected[area] = box["box"] if box["class_name"] == name else 0
        assert np.array_equal(image, expected)


@pytest.mark.parametrize("slab", [np.zeros((5, 5), np.uint8), np.zeros((5, 5, 1), np.float32)])
def test_a_wrong_slab_is_refused(slab):
    with pytest.raises(InputError, match="slab"):
        extract_slice(slab, boxes.empty(), RECIPES, voxel_size=VOXEL)


def test_wrong_boxes_are_refused():
    with pytest.raises(InputError, match=r"\['d'\] without a recipe"):
        extract(table((0, 0, 3, 3, "d", 1)))
    with pytest.raises(InputError, match=r"slices \[1, 2\]"):
        extract(table((0, 0, 3, 3, "a", 1), (0, 0, 3, 3, "a", 1)).assign(z=[1, 2]))
    with pytest.raises(InputError, match="twice"):
        extract(table((0, 0, 3, 3, "a", 1), (0, 0, 3, 3, "a", 1)).assign(box=7))
    with pytest.raises(InputError, match="missing columns"):
        extract(boxes.empty().drop(columns="score"))
    with pytest.raises(InputError, match="two groups"):
        extract(boxes.empty(), exclusive=[["a", "b"], ["b", "c"]])


@pytest.mark.parametrize(("masks", "named"), [([], "0 masks"), ([np.ones((2, 2), bool)], "mask")])
def test_a_broken_recipe_is_named(masks, named):
    with pytest.raises(InputError, match=named):
        extract_slice(SLAB, table((0, 0, 3, 3, "a", 1)), {"a": lambda *_: masks}, voxel_size=VOXEL)


class Reaching:
    """Fills what is `widened`, and says so."""

    def __init__(self, reach):
        self.reach = reach

    def __call__(self, slab, corners, voxel_size):
        wide = widened(corners, self.reach, slab.shape[:2])
        return [np.ones((y1 - y0, x1 - x0), dtype=bool) for y0, x0, y1, x1 in wide]


def test_masks_with_reach_are_painted_beyond_the_box_and_clipped_at_the_slice():
    rows = table((20, 30, 30, 50, "a", 1), (0, 0, 10, 10, "a", 1), (50, 60, 60, 80, "a", 1))
    image = extract_slice(SLAB, rows, {"a": Reaching(0.2)}, voxel_size=VOXEL)["a"]
    expected = np.zeros((60, 80), dtype=np.uint32)
    expected[18:32, 26:54] = 1  # 2 rows and 4 columns on each side
    expected[0:12, 0:12] = 2
    expected[48:60, 56:80] = 3
    assert np.array_equal(image, expected)


def test_a_box_that_leaves_the_slice_is_cut_before_it_is_widened():
    image = extract_slice(SLAB, table((-90, 0, 10, 10, "a", 1)), {"a": Reaching(0.1)}, voxel_size=VOXEL)["a"]
    assert image.any(axis=1).nonzero()[0].tolist() == list(range(11))  # a tenth of the 10 rows that are left of it


def test_a_mask_with_reach_claims_what_it_reaches():
    rows = table((10, 10, 20, 20, "a", 0.9), (10, 20, 20, 30, "b", 0.5), (10, 30, 20, 40, "a", 0.4))
    recipes = {"a": Reaching(0.1), "b": FILLED}
    images = extract_slice(SLAB, rows, recipes, voxel_size=VOXEL, exclusive=[["a", "b"]])
    assert (images["a"][15, 9:21] == 1).all()
    assert images["a"][15, 22:29].max() == 0
    assert np.flatnonzero(images["b"][15]).tolist() == list(range(21, 30))
    assert np.flatnonzero(images["a"][15] == 3).tolist() == list(range(30, 41))  # b was there first, and better


def test_masks_of_the_box_alone_are_refused_of_an_extractor_that_reaches_further():
    class Short(Reaching):
        def __call__(self, slab, corners, voxel_size):
            return FILLED(slab, corners, voxel_size)

    with pytest.raises(InputError, match=r"returned a mask \(10, 10\) for the box"):
        extract_slice(SLAB, table((20, 20, 30, 30, "a", 1)), {"a": Short(0.1)}, voxel_size=VOXEL)


def test_the_reach_of_an_extractor_is_nothing_unless_it_says_so():
    assert reach_of(FILLED) == 0
    assert reach_of(Reaching(0.1)) == 0.1


@pytest.mark.parametrize(
    ("box", "reach", "expected"),
    [
        ((20, 30, 30, 50), 0, (20, 30, 30, 50)),
        ((20, 30, 30, 50), 0.1, (19, 28, 31, 52)),
        ((20, 30, 31, 51), 0.1, (18, 27, 33, 54)),  # up to whole pixels
        ((20, 30, 21, 31), 0.01, (19, 29, 22, 32)),
        ((1, 2, 11, 22), 0.25, (0, 0, 14, 27)),
        ((50, 60, 60, 80), 0.25, (47, 55, 60, 80)),
        ((0, 0, 60, 80), 0.25, (0, 0, 60, 80)),
    ],
)
def test_boxes_are_widened_by_a_share_of_their_sides(box, reach, expected):
    before = np.array([box], dtype=np.int32)
    wide = widened(before, reach, (60, 80))
    assert wide.dtype == np.int32
    assert wide.tolist() == [list(expected)]
    assert before.tolist() == [list(box)]


def test_no_boxes_are_widened_to_none():
    for reach in (0, 0.1):
        assert widened(np.zeros((0, 4), dtype=np.int32), reach, (60, 80)).shape == (0, 4)
        assert widened(np.array([]), reach, (60, 80)).shape == (0, 4)


@given(rows=st.lists(row, min_size=1, max_size=6), reach=st.floats(0, 0.25))
def test_in_boxes_cuts_masks_to_the_boxes(rows, reach):
    boxes_of_slice = np.clip([r[:4] for r in rows], 0, [60, 80, 60, 80]).astype(np.int32)
    boxes_of_slice = boxes_of_slice[(boxes_of_slice[:, 2:] > boxes_of_slice[:, :2]).all(axis=1)]

    class Numbered(Reaching):
        """Each mask is a cut-out of one picture of the whole slice."""

        def __call__(self, slab, corners, voxel_size):
            return [slab[y0:y1, x0:x1, 1] > 127 for y0, x0, y1, x1 in widened(corners, self.reach, slab.shape[:2])]

    slab = np.random.default_rng(0).integers(0, 256, SLAB.shape).astype(np.uint8)
    masks = in_boxes(Numbered(reach), slab, boxes_of_slice, VOXEL)
    assert len(masks) == len(boxes_of_slice)
    for mask, (y0, x0, y1, x1) in zip(masks, boxes_of_slice, strict=True):
        assert np.array_equal(mask, slab[y0:y1, x0:x1, 1] > 127)


def test_in_boxes_leaves_masks_without_reach_as_they_are():
    corners = np.array([[10, 20, 30, 60]], dtype=np.int32)
    (mask,) = in_boxes(make_extractor(EllipseParams()), SLAB, corners, VOXEL)
    assert np.array_equal(mask, ellipse(20, 40))
    assert in_boxes(FILLED, SLAB, corners[:0], VOXEL) == []
