"""Tiles of drawn slices: every box must lie on its rectangle, whatever the scale, the tiles and the channels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from famous.boxes import empty, from_columns
from famous.stack import Stack, Window
from famous.voxels import VoxelSize
from famous.yolo.dataset import TileFile, annotated_tiles, choose_pixel_nm, cut_slice, resample, write_tiles
from famous.yolo.params import TrainParams

VOXEL = VoxelSize(20, 5, 5)


def drawn(rows: list[tuple[int, int, int, int]], shape: tuple[int, int]) -> tuple[np.ndarray, object]:
    """Bright rectangles on black, in the middle channel only, and their table."""
    slab = np.zeros((*shape, 3), dtype=np.uint8)
    for y0, x0, y1, x1 in rows:
        slab[y0:y1, x0:x1, 1] = 255
    columns = dict(zip(("y0", "x0", "y1", "x1"), np.array(rows).reshape(-1, 4).T, strict=True))
    return slab, from_columns({**columns, "z": [0] * len(rows), "class_name": ["a"] * len(rows)})


@pytest.mark.parametrize(
    ("side", "given_nm", "expected"),
    [
        (1024, None, 5 * 1024 / 768),
        (768, None, 5),
        (300, None, 5),
        (1300, None, 5 * 1300 / 768),
        (1301, None, 5),
        (4000, None, 5),
        (4000, 8.0, 8.0),
    ],
)
def test_a_slice_goes_in_whole_where_it_fits(side, given_nm, expected):
    params = TrainParams(pixel_nm=given_nm)
    assert choose_pixel_nm((10, side // 2, side), VOXEL, params) == pytest.approx(expected)


def test_one_tile_where_the_slice_fits():
    slab, table = drawn([(10, 20, 40, 60)], (96, 128))
    (tile,) = cut_slice(slab, table, ("a",), 1.0, TrainParams(input_px=128))
    assert np.array_equal(tile.image, slab)
    assert tile.corners.tolist() == [[10, 20, 40, 60]]
    assert tile.classes.tolist() == [0]


@pytest.mark.parametrize("scale", [0.5, 0.75, 2.0])
def test_boxes_scale_with_the_slice(scale):
    slab, table = drawn([(8, 16, 40, 64)], (96, 128))
    image, corners = resample(slab, table[["y0", "x0", "y1", "x1"]].to_numpy(float), scale)
    assert image.shape == (round(96 * scale), round(128 * scale), 3)
    y, x = np.nonzero(image[:, :, 1] > 127)
    assert corners[0] == pytest.approx([y.min(), x.min(), y.max() + 1, x.max() + 1], abs=1)


def test_a_box_is_in_every_tile_that_sees_most_of_it_and_in_no_other():
    slab, table = drawn([(100, 110, 130, 150)], (128, 256))
    params = TrainParams(input_px=128, overlap=0.25, coarse=0)
    shown = [tile for tile in cut_slice(slab, table, ("a",), 1.0, params) if len(tile.corners)]
    assert shown
    for tile in cut_slice(slab, table, ("a",), 1.0, params):
        seen = (tile.image[:, :, 1] == 255).sum() / (30 * 40)
        assert (len(tile.corners) == 1) == (seen >= params.visible)
        if len(tile.corners):
            y, x = np.nonzero(tile.image[:, :, 1])
            assert tile.corners[0].tolist() == [y.min(), x.min(), y.max() + 1, x.max() + 1]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_every_small_box_is_whole_in_some_tile(seed):
    rng = np.random.default_rng(seed)
    height, width = (int(n) for n in rng.integers(60, 300, 2))
    y0, x0 = int(rng.integers(0, height - 12)), int(rng.integers(0, width - 12))
    slab, table = drawn([(y0, x0, y0 + 12, x0 + 12)], (height, width))
    tiles = list(cut_slice(slab, table, ("a",), 1.0, TrainParams(input_px=96, overlap=0.25)))
    whole = [tile for tile in tiles if (tile.image[:, :, 1] == 255).sum() == 144]
    assert whole
    for tile in whole:
        assert (tile.corners[0, 2:] - tile.corners[0, :2]).tolist() == [12, 12]


def test_objects_larger_than_a_tile_are_shown_once_more_and_smaller():
    slab, table = drawn([(20, 20, 236, 236), (2, 2, 12, 12)], (256, 256))
    params = TrainParams(input_px=64, coarse=4.0, coarse_px=24)
    tiles = list(cut_slice(slab, table, ("a",), 1.0, params))
    assert tiles[-1].image.shape == (64, 64, 3)
    assert tiles[-1].corners.tolist() == [[5, 5, 59, 59]]
    assert all(len(tile.corners) <= 1 for tile in tiles[:-1])
    fine_only = list(cut_slice(slab, table.iloc[1:], ("a",), 1.0, params))
    assert len(fine_only) == len(tiles) - 1


def test_a_slice_without_boxes_is_all_background():
    slab, _ = drawn([], (64, 64))
    (tile,) = cut_slice(slab, empty(), ("a",), 1.0, TrainParams(input_px=64))
    assert tile.corners.shape == (0, 4)
    assert tile.classes.shape == (0,)


def test_channels_are_the_neighbours_in_order_or_the_slice_alone():
    volume = np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((1, 32, 32), dtype=np.uint8) * 10
    stack = Stack(volume, VOXEL, Window(0, 255))
    (deep,) = annotated_tiles(stack, empty(), [2], (), TrainParams(input_px=32))
    (flat,) = annotated_tiles(stack, empty(), [2], (), TrainParams(input_px=32, channels="gray"))
    assert deep.image[0, 0].tolist() == [10, 20, 30]
    assert flat.image[0, 0].tolist() == [20, 20, 20]


class Watched:
    """A volume that remembers which slices were read."""

    shape = (20, 32, 32)
    dtype = np.dtype(np.uint8)

    def __init__(self) -> None:
        self.read: set[int] = set()

    def __getitem__(self, z):
        self.read.add(z)
        return np.zeros((32, 32), dtype=np.uint8)


def test_only_done_slices_and_their_neighbours_are_read():
    volume = Watched()
    low, high = [1, 1], [9, 9]
    boxes = from_columns({"z": [3, 12], "y0": low, "x0": low, "y1": high, "x1": high, "class_name": ["a", "a"]})
    stack = Stack(volume, VOXEL, Window(0, 255))
    tiles = list(annotated_tiles(stack, boxes, {3, 7}, ("a",), TrainParams(input_px=32)))
    assert volume.read == {2, 3, 4, 6, 7, 8}
    assert [len(tile.corners) for tile in tiles] == [1, 0]


def test_tiles_come_back_from_disk(tmp_path):
    slab, table = drawn([(5, 6, 30, 31), (80, 90, 100, 120)], (110, 130))
    slab[:, :, 0] = np.arange(130)
    tiles = list(cut_slice(slab, table, ("a",), 1.0, TrainParams(input_px=64)))
    stored = write_tiles(tmp_path / "work", iter(tiles))
    assert len(stored) == len(tiles) == len(TileFile(tmp_path / "work"))
    for i, tile in enumerate(tiles):
        assert np.array_equal(stored[i].image, tile.image)
        assert np.array_equal(stored[i].corners, tile.corners)
        assert np.array_equal(stored[i].classes, tile.classes)


def test_a_killed_cut_leaves_no_index(tmp_path):
    def broken():
        yield next(iter(cut_slice(*drawn([], (32, 32)), ("a",), 1.0, TrainParams(input_px=32))))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_tiles(tmp_path, broken())
    assert not (tmp_path / "tiles.json").exists()
