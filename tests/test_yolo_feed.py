"""What the network is shown in training: places, channels, and which tiles make an epoch."""

import random

import numpy as np
import pytest

from famous.yolo.augment import AugmentParams
from famous.yolo.feed import make_dataset, tile_chances
from famous.yolo.quiet import import_ultralytics
from famous.yolo.runtime import to_input
from famous.yolo.trainer import RECIPE, Job
from tests.test_yolo_trainer import job, tile_with


@pytest.fixture(autouse=True)
def dice():
    """Throw the same dice each time."""
    random.seed(7)
    np.random.seed(7)  # noqa: NPY002 (what ultralytics draws from)


def dataset_of(one: Job, **changes):
    import_ultralytics()
    from ultralytics.cfg import get_cfg

    plain = {**RECIPE, "mosaic": 0, "scale": 0.0, "translate": 0.0, "fliplr": 0.0, "flipud": 0.0}
    hyp = get_cfg(overrides={**plain, "imgsz": 64, **changes})
    return make_dataset(one.tiles, one.class_names, one.params, hyp, 4)


def test_training_and_detection_see_the_channels_in_one_order(tmp_path):
    """Ultralytics takes images for BGR and reverses them; here z − 1 must stay the first channel in both."""
    tile = tile_with([(8, 16, 24, 48)])
    shown = dataset_of(job(tmp_path, [tile]))[0]["img"].numpy()
    assert shown.shape == (3, 64, 64)
    assert [int(plane[0, 0]) for plane in shown] == [40, 80, 120]
    assert np.allclose(to_input(tile.image[None])[0], shown / 255)


def test_boxes_reach_the_network_where_they_are(tmp_path):
    sample = dataset_of(job(tmp_path, [tile_with([(8, 16, 24, 48), (40, 2, 60, 12)])]))[0]
    assert sample["bboxes"].numpy() * 64 == pytest.approx(np.array([[32, 16, 32, 16], [7, 50, 10, 20]]), abs=1e-3)
    assert sample["cls"].flatten().tolist() == [0, 0]


def test_boxes_stay_on_their_objects_through_every_augmentation(tmp_path):
    one = job(
        tmp_path, [tile_with([(16, 10, 34, 50)]), tile_with([(20, 20, 44, 30)])], augment=AugmentParams(noise_chance=0)
    )
    dataset = dataset_of(one, fliplr=0.5, flipud=0.5, scale=0.2, mosaic=1.0)
    seen = 0
    for i in range(30):
        sample = dataset[i % 2]
        dark = sample["img"].numpy().max(axis=0) < 45
        for x, y, w, h in sample["bboxes"].numpy() * 64:
            if min(w, h) < 6:
                continue
            y0, y1, x0, x1 = (round(float(v)) for v in (y - h / 2, y + h / 2, x - w / 2, x + w / 2))
            assert dark[y0 + 2 : y1 - 2, x0 + 2 : x1 - 2].mean() > 0.9
            seen += 1
    assert seen > 20


def test_empty_tiles_are_background(tmp_path):
    sample = dataset_of(job(tmp_path, [tile_with([])]))[0]
    assert sample["bboxes"].shape == (0, 4)


def test_an_epoch_is_bounded_and_prefers_tiles_with_boxes(tmp_path):
    tiles = [tile_with([(8, 8, 40, 40)])] + [tile_with([]) for _ in range(9)]
    one = job(tmp_path, tiles, epoch_tiles=8)
    dataset = dataset_of(one)
    assert len(dataset) == 8
    filled = [len(dataset[i % 8]["cls"]) for i in range(80)]
    assert 0.55 < np.mean(filled) < 0.95
    chances = tile_chances(one.tiles, 8)
    assert chances.sum() == pytest.approx(1)
    assert chances[0] == pytest.approx(0.75)
    assert tile_chances(one.tiles, 10) is None
    assert dataset_of(job(tmp_path, [tile_with([])] * 3, epoch_tiles=2))[0]["cls"].shape == (0, 1)
