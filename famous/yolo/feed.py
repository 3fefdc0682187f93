"""What the training loop is fed with: tiles from memory, turned and relit, for ultralytics' mosaic and scaling."""

import random
from copy import copy
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from famous.yolo.augment import augment
from famous.yolo.dataset import TileFile
from famous.yolo.params import TrainParams

Ultralytics: TypeAlias = Any  # one of its objects; it is not typed, and not imported here


def make_dataset(
    tiles: TileFile, class_names: tuple[str, ...], params: TrainParams, hyp: Ultralytics, batch: int
) -> Ultralytics:
    """Build the dataset that feeds tiles from memory, turned and relit, to ultralytics' mosaic and scaling."""
    from ultralytics.data.dataset import YOLODataset

    chances = tile_chances(tiles, params.epoch_tiles)

    class Tiles(YOLODataset):  # type: ignore[misc]
        mosaic = True  # until the loop closes it

        def get_img_files(self, img_path: str) -> list[str]:
            del img_path
            return [f"tile {i}" for i in range(len(tiles))]

        def get_labels(self) -> list[dict[str, Any]]:
            return [{"cls": classes[:, None]} for classes in tiles.classes]

        def update_labels(self, include_class: Ultralytics) -> None:
            del include_class

        def __len__(self) -> int:
            return len(tiles) if chances is None else params.epoch_tiles

        def get_image_and_label(self, index: int) -> dict[str, Any]:
            rng = np.random.default_rng(random.getrandbits(64))
            if chances is not None:
                index = int(rng.choice(len(tiles), p=chances))
            tile = tiles[index]
            image, corners = augment(tile.image, tile.corners, rng, params.augment)
            label = {
                "im_file": f"tile {index}",
                "img": image,
                "ori_shape": image.shape[:2],
                "resized_shape": image.shape[:2],
                "ratio_pad": (1.0, 1.0),
                "cls": tile.classes[:, None].astype(np.float32),
                "bboxes": corners[:, [1, 0, 3, 2]].astype(np.float32),
                "bbox_format": "xyxy",
                "normalized": False,
            }
            labelled: dict[str, Any] = self.update_labels_info(label)
            return labelled

    names = dict(enumerate(class_names))
    dataset = Tiles(
        img_path="tiles",
        imgsz=params.input_px,
        batch_size=batch,
        augment=True,
        hyp=copy(hyp),
        cache=None,
        data={"names": names, "nc": len(names), "channels": 3},
        task="detect",
    )
    dataset.cache = "ram"  # mosaic partners come from all tiles, not from the few that were read last
    dataset.transforms = dataset.build_transforms(copy(hyp))
    return dataset


def tile_chances(tiles: TileFile, epoch_tiles: int) -> NDArray[np.float64] | None:
    """Chance of each tile to be drawn where an epoch cannot hold them all; None where it can.

    Tiles with boxes come up three times out of four, so that empty cytoplasm teaches but does not fill the epoch.
    """
    if len(tiles) <= epoch_tiles:
        return None
    filled = np.array([len(classes) > 0 for classes in tiles.classes])
    if filled.all() or not filled.any():
        return np.full(len(tiles), 1 / len(tiles))
    chances: NDArray[np.float64] = np.where(filled, 0.75 / filled.sum(), 0.25 / (~filled).sum())
    return chances
