from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from famous import boxes
from famous.detect import DetectParams, detect_slice, detected_slices, interpolate, tiles
from famous.errors import InputError
from famous.voxels import VoxelSize

VOXEL = VoxelSize(50, 5, 5)
SMALL = DetectParams(tile_px=64, overlap_px=20, border_px=1)


@dataclass
class Oracle:
    """Knows the truth (y0, x0, y1, x1, class index) of a slice, and shows of it what each tile shows, in order."""

    truth: list[tuple[float, float, float, float, int]]
    shape: tuple[int, int]
    params: DetectParams
    scale: float = 1.0  # pixels of the detector per pixel of the slice
    noise_px: float = 0.0  # standard deviation of each side
    smallest_px: float = 0.0  # parts with a shorter side are overlooked
    class_names: tuple[str, ...] = ("mito", "lysosome")
    channels: int = 1
    pixel_nm: float = 5.0
    seen: list[tuple[int, ...]] = field(default_factory=list)

    def __post_init__(self):
        self.rng = np.random.default_rng(0)
        fine = tuple(max(1, round(length * self.scale)) for length in self.shape)
        coarse = tuple(max(1, round(length / self.params.coarse)) for length in fine) if self.params.coarse else None
        self.views = []
        for image in (fine, coarse):
            if image and (image is fine or max(fine) > self.params.tile_px):
                spans = tiles(image, tile_px=self.params.tile_px, overlap_px=self.params.overlap_px)
                stretch = np.array([image[0] / self.shape[0], image[1] / self.shape[1]] * 2)
                self.views += [(rows, columns, stretch) for rows, columns in spans]
        self.views.reverse()

    def __call__(self, images):
        self.seen.append(images.shape)
        return [self.look(image.shape) for image in images]

    def look(self, shape):
        rows, columns, stretch = self.views.pop()
        assert shape == (rows.stop - rows.start, columns.stop - columns.start, self.channels)
        found = []
        for *corners, kind in self.truth:
            box = np.array(corners) * stretch - np.array([rows.start, columns.start] * 2)
            part = np.clip(box, 0, [*shape[:2], *shape[:2]])
            if (part[2:] - part[:2]).min() > self.smallest_px:
                share = (part[2:] - part[:2]).prod() / (box[2:] - box[:2]).prod()
                part = part + self.noise_px * self.rng.standard_normal(4)
                found.append([*part, 0.2 + 0.7 * share, kind])
        return np.array(found, dtype=np.float32).reshape(-1, 6)


def detect(oracle, *, z=3, voxel_size=VOXEL):
    slab = np.zeros((*oracle.shape, 3), dtype=np.uint8)
    table = detect_slice(slab, z, oracle, voxel_size=voxel_size, params=oracle.params)
    assert not oracle.views
    boxes.validate(table, (z + 1, *oracle.shape))
    assert table["score"].is_monotonic_decreasing or table["score"].is_monotonic_increasing
    assert (table["box"] == np.arange(1, len(table) + 1)).all()
    assert (table["z"] == z).all()
    return table


def found(table, class_names=("mito", "lysosome")):
    kinds = [class_names.index(name) for name in table["class_name"]]
    return sorted(
        (*corners, kind) for corners, kind in zip(table[boxes.CORNERS].to_numpy().tolist(), kinds, strict=True)
    )


def apart(rows):
    """Leave out every box that overlaps an earlier one."""
    kept = []
    for row in rows:
        if not kept or boxes.iou(np.array([row[:4]]), np.array(kept)[:, :4]).max() == 0:
            kept.append(row)
    return kept


@st.composite
def scenes(draw):
    shape = draw(st.tuples(st.integers(1, 250), st.integers(1, 250)))
    rows = []
    for _ in range(draw(st.integers(0, 14))):
        y0, x0 = draw(st.integers(0, shape[0] - 1)), draw(st.integers(0, shape[1] - 1))
        y1, x1 = draw(st.integers(y0 + 1, shape[0])), draw(st.integers(x0 + 1, shape[1]))
        if draw(st.booleans()):
            y1, x1 = min(y1, y0 + 25), min(x1, x0 + 25)
        rows.append((y0, x0, y1, x1, draw(st.integers(0, 1))))
    return shape, sorted(apart(rows))


@given(scene=scenes(), tile_px=st.integers(16, 100), share=st.floats(0.05, 0.5), coarse=st.sampled_from([0, 2, 4]))
@settings(deadline=None, max_examples=100)
def test_a_perfect_detector_gives_the_truth_through_any_tiles(scene, tile_px, share, coarse):
    shape, truth = scene
    for border_px in (0, 4):
        params = DetectParams(
            score=0.1,
            tile_px=tile_px,
            overlap_px=max(1, int(share * tile_px)),
            border_px=border_px,
            coarse=coarse,
            batch=3,
        )
        assert found(detect(Oracle(truth, shape, params))) == truth


@pytest.mark.parametrize("seed", range(4))
def test_a_clumsy_detector_still_gives_one_box_an_object(seed):
    """1 px of noise on every side in both passes, slivers overlooked, objects from an eighth of a tile to two tiles."""
    rng = np.random.default_rng(seed)
    shape = (600, 900)
    sizes = rng.choice([16, 24, 40, 60, 90, 250], (300, 2), p=[0.3, 0.3, 0.2, 0.1, 0.07, 0.03])
    starts = (rng.random((300, 2)) * (np.array(shape) - sizes)).astype(int)
    truth = apart([(*a, *(a + size), int(rng.integers(2))) for a, size in zip(starts, sizes, strict=True)])
    table = detect(Oracle(truth, shape, DetectParams(score=0.1, tile_px=128, overlap_px=40), noise_px=1, smallest_px=4))
    kinds = np.array(["mito", "lysosome"])[[row[4] for row in truth]]
    ratio = boxes.iou(np.array(truth)[:, :4], table[boxes.CORNERS].to_numpy())
    ratio[kinds[:, None] != table["class_name"].to_numpy()[None]] = 0
    assert abs(len(table) - len(truth)) <= 1  # touching neighbours of one class at a border may become one
    assert (ratio.max(axis=1) > 0.6).mean() > 0.98
    assert (ratio.max(axis=0) > 0.6).mean() > 0.98


def test_an_object_larger_than_a_tile_comes_from_the_coarse_pass():
    """The fine pass overlooks whatever fills a whole tile and leaves fragments at the object's rim."""

    class Near(Oracle):
        def look(self, shape):
            stretch = self.views[-1][2]
            result = super().look(shape)
            if stretch[0] == 1:
                fills = (result[:, 2] - result[:, 0] > 40) & (result[:, 3] - result[:, 1] > 40)
                return result[~fills]
            return result

    truth = [(10, 12, 230, 212, 0), (3, 230, 13, 240, 0)]
    table = detect(Near(truth, (250, 260), SMALL))
    assert found(table) == sorted(truth)
    without = DetectParams(tile_px=64, overlap_px=20, border_px=1, coarse=0)
    assert truth[0] not in found(detect(Near(truth, (250, 260), without)))


def test_the_coarse_pass_adds_no_small_box():
    class Far(Oracle):
        def look(self, shape):
            far = self.views[-1][2][0] < 1
            result = super().look(shape)
            return result if far else result[:0]

    truth = [(10, 10, 30, 30, 0), (50, 50, 100, 60, 1)]
    assert found(detect(Far(truth, (250, 260), SMALL))) == [truth[1]]


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (64, 64), (65, 64)])
def test_slices_of_any_size(shape):
    truth = [(0, 0, *shape, 0)]
    assert found(detect(Oracle(truth, shape, SMALL))) == truth


def test_a_slice_without_pixels_or_boxes_gives_an_empty_table():
    for shape in ((0, 5), (5, 0), (40, 150)):
        table = detect_slice(
            np.zeros((*shape, 1), np.uint8), 0, Oracle([], (40, 150), SMALL), voxel_size=VOXEL, params=SMALL
        )
        pd.testing.assert_frame_equal(table, boxes.empty())


@pytest.mark.parametrize(("pixel_nm", "scale"), [(2.5, 0.5), (10, 2.0), (4.9, 1.0)])
def test_the_slice_is_shown_at_the_pixel_size_of_the_detector(pixel_nm, scale):
    truth = [(10, 20, 40, 60, 0), (50, 100, 70, 130, 1)]
    oracle = Oracle(truth, (100, 160), SMALL, scale=scale)
    table = detect(oracle, voxel_size=VoxelSize(50, pixel_nm, pixel_nm))
    assert found(table) == truth
    assert oracle.seen[0][1:3] == (min(64, round(100 * scale)), min(64, round(160 * scale)))


@pytest.mark.parametrize(
    ("given_channels", "wanted", "seen"), [(1, 1, [7]), (3, 1, [7]), (1, 3, [7, 7, 7]), (3, 3, [5, 7, 9])]
)
def test_the_detector_gets_the_channels_it_wants(given_channels, wanted, seen):
    slab = np.full((20, 30, given_channels), [5, 7, 9] if given_channels == 3 else [7], dtype=np.uint8)

    class Eye:
        class_names, channels, pixel_nm = ("mito",), wanted, 5.0

        def __call__(self, images):
            assert images.dtype == np.uint8
            assert images[0, 0, 0].tolist() == seen
            return [np.zeros((0, 6), np.float32)] * len(images)

    assert len(detect_slice(slab, 0, Eye(), voxel_size=VOXEL, params=SMALL)) == 0
    assert len(detect_slice(slab, 0, Eye(), voxel_size=VoxelSize(50, 10, 10), params=SMALL)) == 0


def test_tiles_come_in_batches():
    params = DetectParams(tile_px=64, overlap_px=20, batch=4, coarse=0)
    oracle = Oracle([], (100, 250), params)
    detect(oracle)
    assert [shape[0] for shape in oracle.seen] == [4, 4, 4]


def fixed(*rows, class_names=("mito", "lysosome")):
    """A detector that always returns these rows."""

    class Fixed:
        channels, pixel_nm = 1, 5.0

        def __call__(self, images):
            return [np.array(rows, dtype=np.float32)] * len(images)

    Fixed.class_names = class_names
    return Fixed()


def names_and_scores(params, *rows):
    table = detect_slice(np.zeros((60, 60, 1), np.uint8), 0, fixed(*rows), voxel_size=VOXEL, params=params)
    return [(name, round(float(score), 3)) for name, score in zip(table["class_name"], table["score"], strict=True)]


def test_each_class_has_its_own_threshold():
    rows = ((0, 0, 9, 9, 0.3, 0), (20, 20, 29, 29, 0.3, 1), (40, 40, 49, 49, 0.05, 1))
    assert names_and_scores(DetectParams(), *rows) == [("mito", 0.3), ("lysosome", 0.3)]
    assert names_and_scores(DetectParams(class_scores={"mito": 0.4}), *rows) == [("lysosome", 0.3)]
    assert len(names_and_scores(DetectParams(class_scores={"lysosome": 0.01}), *rows)) == 3


def test_boxes_are_clipped_and_get_whole_pixels():
    rows = (
        (-5, -5, 9.4, 9.6, 0.9, 0),
        (30.2, 30.2, 30.4, 30.4, 0.8, 0),
        (59.8, 10, 80, 20, 0.7, 0),
        (70, 70, 80, 80, 1, 0),
    )
    table = detect_slice(np.zeros((60, 60, 1), np.uint8), 0, fixed(*rows), voxel_size=VOXEL, params=DetectParams())
    assert table[boxes.CORNERS].to_numpy().tolist() == [[0, 0, 9, 10], [30, 30, 31, 31], [59, 10, 60, 20]]


@pytest.mark.parametrize("result", [[[1, 2, 3, 4, 0.5]], [[1, 2, 3, 4, 0.5, 2]], [[1, 2, np.nan, 4, 0.5, 0]]])
def test_a_broken_detector_is_named(result):
    with pytest.raises(InputError, match="detector: returned"):
        names_and_scores(DetectParams(), *result)


def test_a_detector_that_skips_an_image_is_named():
    class Short:
        class_names, channels, pixel_nm = ("mito",), 1, 5.0

        def __call__(self, images):
            return []

    with pytest.raises(InputError, match="0 images for 1"):
        detect_slice(np.zeros((9, 9, 1), np.uint8), 0, Short(), voxel_size=VOXEL, params=DetectParams())


def test_wrong_input_is_named():
    with pytest.raises(InputError, match=r"\(5, 5\) uint8"):
        detect_slice(np.zeros((5, 5), np.uint8), 0, fixed(), voxel_size=VOXEL, params=DetectParams())
    with pytest.raises(InputError, match="mitt"):
        names_and_scores(DetectParams(class_scores={"mitt": 0.4}))


@pytest.mark.parametrize(
    "knobs",
    [{"batch": 0}, {"coarse": 0.5}, {"stride_nm": -1}, {"score": 2}, {"class_scores": {"mito": -1}}, {"tile_px": 9}],
)
def test_wrong_knobs_are_named(knobs):
    with pytest.raises(InputError, match=r"batch|coarse|stride_nm|score|mito|overlap_px"):
        DetectParams(**knobs)


@pytest.mark.parametrize(
    ("n", "stride_nm", "expected"),
    [
        (4, 0, [0, 1, 2, 3]),
        (4, 99, [0, 1, 2, 3]),
        (5, 100, [0, 2, 4]),
        (6, 100, [0, 2, 4, 5]),
        (3, 1e6, [0, 2]),
        (1, 500, [0]),
        (0, 500, []),
    ],
)
def test_the_stride_is_in_nm_and_keeps_both_ends(n, stride_nm, expected):
    assert detected_slices(n, VOXEL, DetectParams(stride_nm=stride_nm)) == expected


def test_a_stride_that_is_a_whole_number_of_slices_survives_rounding():
    assert detected_slices(7, VoxelSize(0.1, 1, 1), DetectParams(stride_nm=0.3)) == [0, 3, 6]


def table(*rows):
    """Rows of (z, y0, x0, y1, x1, class_name, score)."""
    columns = list(zip(*rows, strict=True)) or [[]] * 7
    return boxes.from_columns(dict(zip(["z", *boxes.CORNERS, "class_name", "score"], columns, strict=True)))


def rows_of(result):
    boxes.validate(result)
    numbers = result[["z", *boxes.CORNERS]].to_numpy().tolist()
    scores = result["score"].astype(float).round(3).tolist()
    return [(*row, name, score) for row, name, score in zip(numbers, result["class_name"], scores, strict=True)]


def test_a_box_moves_in_a_straight_line():
    result = interpolate(
        table((0, 0, 0, 20, 20, "mito", 0.5), (4, 8, 4, 28, 32, "mito", 0.7), (9, 0, 0, 1, 1, "mito", 1)), 0, 4
    )
    assert rows_of(result) == [
        (1, 2, 1, 22, 23, "mito", 0.6),
        (2, 4, 2, 24, 26, "mito", 0.6),
        (3, 6, 3, 26, 29, "mito", 0.6),
    ]


def test_a_box_without_a_partner_goes_on_for_half_the_gap():
    result = interpolate(table((0, 0, 0, 20, 20, "mito", 0.5), (4, 0, 0, 20, 20, "lysosome", 0.7)), 0, 4)
    first, last = (0, 0, 20, 20, "mito", 0.5), (0, 0, 20, 20, "lysosome", 0.7)
    assert sorted(rows_of(result)) == sorted([(1, *first), (2, *last), (2, *first), (3, *last)])
    assert result["box"].tolist() == [1, 2, 3, 4]


def test_partners_are_one_to_one_with_the_greatest_sum():
    """Greedy pairing would take the better pair in the middle and leave the outer two alone."""
    rows = [
        (0, 0, 0, 10, 30, "mito", 1),
        (0, 0, 20, 10, 50, "mito", 1),
        (2, 0, 10, 10, 40, "mito", 1),
        (2, 0, 30, 10, 60, "mito", 1),
    ]
    assert [row[:5] for row in rows_of(interpolate(table(*rows), 0, 2))] == [(1, 0, 5, 10, 35), (1, 0, 25, 10, 55)]


def test_neighbouring_slices_and_empty_tables_leave_nothing_to_do():
    assert len(interpolate(table((0, 0, 0, 2, 2, "mito", 1), (1, 0, 0, 2, 2, "mito", 1)), 0, 1)) == 0
    pd.testing.assert_frame_equal(interpolate(boxes.empty(), 0, 5), boxes.empty())
    with pytest.raises(InputError, match="5 and 5"):
        interpolate(boxes.empty(), 5, 5)


corner = st.tuples(st.integers(0, 90), st.integers(0, 90), st.integers(1, 20), st.integers(1, 20))


@given(first=st.lists(corner, max_size=6), gap=st.integers(1, 7), shift=st.tuples(st.integers(0, 3), st.integers(0, 3)))
@settings(deadline=None, max_examples=60)
def test_boxes_that_stand_apart_keep_their_size_and_number(first, gap, shift):
    kept = apart([(y, x, y + h + 8, x + w + 8) for y, x, h, w in first])
    assume(
        all(
            boxes.iou(np.array([a]) + np.array([*shift, *shift]), np.array([b])).max() < 0.1
            for a in kept
            for b in kept
            if a != b
        )
    )
    dy, dx = shift
    rows = [(0, *row, "mito", 1.0) for row in kept]
    rows += [(gap, y0 + dy, x0 + dx, y1 + dy, x1 + dx, "mito", 1.0) for y0, x0, y1, x1 in kept]
    result = interpolate(table(*rows), 0, gap, params=DetectParams(stride_iou=0.15))
    assert result.groupby("z").size().tolist() == [len(kept)] * (gap - 1 if kept else 0)
    sizes = result[["y1", "x1"]].to_numpy() - result[["y0", "x0"]].to_numpy()
    for z in range(1, gap):
        expected = sorted((y1 - y0, x1 - x0) for y0, x0, y1, x1 in kept)
        assert sorted(map(tuple, sizes[(result["z"] == z).to_numpy()].tolist())) == expected
