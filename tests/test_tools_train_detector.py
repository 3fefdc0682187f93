"""The canvases that the default detector learns from: what lies where, and which boxes they have."""

import numpy as np
import pytest
from train_detector import CLASSES, SIDE_PX, Canvases, around, packed, phantom, phantom_tiles, tiles_of, together

from famous.boxes import CORNERS
from famous.stack import Window
from famous.yolo.dataset import Tile
from famous.yolo.runtime import GREY


def tile(height, width, grey, *corners):
    image = np.full((height, width, 3), grey, dtype=np.uint8)
    return Tile(image, np.array(corners, np.float32).reshape(-1, 4), np.full(len(corners), 3))


def test_four_small_tiles_share_a_canvas_with_their_boxes():
    half = SIDE_PX // 2
    made = together([tile(half, half, 10 * number, (1, 2, 30, 40)) for number in range(1, 5)])
    assert made.image.shape == (SIDE_PX, SIDE_PX, 3)
    assert [int(made.image[y, x, 0]) for y in (5, half + 5) for x in (5, half + 5)] == [10, 20, 30, 40]
    places = [(1, 2), (1, 2 + half), (1 + half, 2), (1 + half, 2 + half)]
    assert made.corners.tolist() == [[y, x, y + 29, x + 38] for y, x in places]
    assert made.classes.tolist() == [3] * 4


def test_large_tiles_stay_alone_and_the_rest_is_not_lost():
    small, large = tile(300, 300, 50, (0, 0, 9, 9)), tile(SIDE_PX, 100, 60)
    made = list(packed(iter([small, large, *[small] * 5])))
    assert [len(one.corners) for one in made] == [0, 4, 2]
    assert made[0] is large
    assert (made[2].image[400:] == GREY).all()


def test_room_round_a_cell_is_its_hull_and_some_more():
    mask = np.zeros((400, 400), dtype=bool)
    mask[150:160, 150:250] = mask[240:250, 150:160] = True
    seen = around(mask)
    assert seen[mask].all()
    assert seen[190, 170]  # between its parts
    assert seen[100, 200]  # near by
    assert not seen[80, 200]
    assert not seen[340, 340]


def test_canvases_are_slices_with_their_neighbours_in_order():
    canvases = Canvases()
    image = np.zeros((40, 50, 3), dtype=np.uint8) + np.array([1, 2, 3], dtype=np.uint8)
    canvases._add("drawn", iter([Tile(image, np.array([[4, 5, 20, 30]], np.float32), np.array([0]))] * 2))
    stack, boxes, slices = canvases.labelled()
    assert stack.shape == (6, SIDE_PX, SIDE_PX)
    assert slices == [1, 4]
    assert boxes["z"].tolist() == slices
    assert boxes[CORNERS].to_numpy().tolist() == [[4, 5, 20, 30]] * 2
    assert set(boxes["class_name"]) == {CLASSES[0]}
    assert stack.slab(4)[0, 0].tolist() == [1, 2, 3]
    assert stack.slab(4)[39, 50].tolist() == [GREY] * 3
    assert canvases.boxes == {"drawn": 2}


def test_phantoms_differ_and_give_their_boxes(monkeypatch):
    monkeypatch.setattr("train_detector.measure_window", lambda stack: Window(0, 255))  # it would draw many slices
    one, two = phantom(1000), phantom(1001)
    assert one.voxel_size != two.voxel_size or not np.array_equal(one[3], two[3])
    first = next(phantom_tiles(1000))
    assert first.image.shape == (512, 512, 3)
    assert len(first.corners) == len(first.classes) > 0
    assert ((first.corners[:, 2:] - first.corners[:, :2]) > 0).all()


def test_a_real_set_comes_at_the_detector_s_scale(shared_data):
    from accuracy.sets import SETS

    if not (shared_data / "isbi2012").is_dir():
        pytest.skip("the set is not here")
    first = next(packed(tiles_of(shared_data, SETS["isbi2012"])))
    assert first.image.shape == (SIDE_PX, SIDE_PX, 3)  # four slices of 256 × 256
    assert len(first.corners) > 4
    assert {CLASSES[number] for number in first.classes} == {"mitochondrion"}
    for y0, x0, y1, x1 in first.corners.astype(int):
        assert first.image[y0:y1, x0:x1].std() > 5  # no box on the empty part
