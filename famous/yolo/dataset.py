"""Training tiles: what the annotated slices look like to the network, cut once and kept in one flat file.

Only slices that were declared done are read; on any other slice an organelle without a box would teach the detector
that it is background.
"""

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous.boxes import CORNERS
from famous.detect import tiles as grid
from famous.stack import Stack
from famous.voxels import VoxelSize
from famous.yolo.params import TrainParams


@dataclass(frozen=True)
class Tile:
    """One training image: (y, x, 3) uint8, its boxes (k, 4) y0, x0, y1, x1 in its pixels, and their class indices."""

    image: NDArray[np.uint8]
    corners: NDArray[np.float32]
    classes: NDArray[np.int64]


def choose_pixel_nm(shape: tuple[int, int, int], voxel_size: VoxelSize, params: TrainParams) -> float:
    """Choose the pixel size to train and detect at, nm: given, or the whole slice in one input, or the stack's own."""
    if params.pixel_nm is not None:
        return params.pixel_nm
    longest = max(shape[1:])
    shrink = longest / params.input_px if longest <= params.whole_px else 1.0
    return voxel_size.pixel_nm * max(1.0, shrink)


def cut_slice(
    slab: NDArray[np.uint8], table: pd.DataFrame, class_names: tuple[str, ...], scale: float, params: TrainParams
) -> Iterator[Tile]:
    """Cut one annotated slice into tiles; `scale` is the stack's pixel size over the training pixel size.

    Parameters
    ----------
    slab
        (y, x, 3) uint8.
    table
        The boxes of this slice alone; a class outside `class_names` is not learnt and not hidden either.
    """
    rows = table[table["class_name"].isin(class_names)]
    corners = rows[CORNERS].to_numpy(np.float64)
    classes = np.array([class_names.index(name) for name in rows["class_name"]], dtype=np.int64)
    if params.channels == "gray":
        slab = np.repeat(slab[:, :, 1:2], 3, axis=2)
    image, placed = resample(slab, corners, scale)
    yield from _cut(image, placed, classes, params)
    longest = float((placed[:, 2:] - placed[:, :2]).max()) if len(placed) else 0.0
    if params.coarse and max(image.shape[:2]) > params.input_px and longest > params.coarse_from * params.input_px:
        image, placed = resample(slab, corners, scale / params.coarse)
        large = (placed[:, 2:] - placed[:, :2]).max(axis=1) >= params.coarse_px
        yield from _cut(image, placed[large], classes[large], params)


def resample(
    slab: NDArray[np.uint8], corners: NDArray[np.float64], scale: float
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Resize a slab and its boxes by one factor, rounded to whole pixels per axis."""
    height, width = slab.shape[:2]
    new = max(1, round(height * scale)), max(1, round(width * scale))
    if new == (height, width):
        return slab, corners
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    image = cv2.resize(np.ascontiguousarray(slab), new[::-1], interpolation=method).reshape(*new, slab.shape[2])
    return image.astype(np.uint8, copy=False), corners * np.array([new[0] / height, new[1] / width] * 2)


def _cut(
    image: NDArray[np.uint8], corners: NDArray[np.float64], classes: NDArray[np.int64], params: TrainParams
) -> Iterator[Tile]:
    overlap = round(params.overlap * params.input_px)
    for rows, columns in grid(image.shape[:2], tile_px=params.input_px, overlap_px=overlap):
        low = np.array([rows.start, columns.start], dtype=np.float64)
        high = np.array([rows.stop, columns.stop], dtype=np.float64)
        inside = np.concatenate([np.clip(corners[:, :2], low, high), np.clip(corners[:, 2:], low, high)], axis=1)
        seen = (inside[:, 2:] - inside[:, :2]).prod(axis=1)
        kept = seen >= params.visible * (corners[:, 2:] - corners[:, :2]).prod(axis=1)
        placed = (inside - np.tile(low, 2))[kept].astype(np.float32)
        yield Tile(np.ascontiguousarray(image[rows, columns]), placed, classes[kept])


def annotated_tiles(
    stack: Stack, boxes: pd.DataFrame, done: Iterable[int], class_names: tuple[str, ...], params: TrainParams
) -> Iterator[Tile]:
    """Cut every done slice of a stack that has a voxel size and a window, in order."""
    if stack.voxel_size is None:  # checked by `train` with a message for the user
        raise ValueError(f"{stack.name}: the stack has no voxel size")
    scale = stack.voxel_size.pixel_nm / choose_pixel_nm(stack.shape, stack.voxel_size, params)
    for z in sorted(done):
        yield from cut_slice(stack.slab(z), boxes[boxes["z"] == z], class_names, scale, params)


class TileFile:
    """Tiles on disk, mapped into memory: the operating system holds what fits and a killed run need not cut again."""

    def __init__(self, folder: Path) -> None:
        index = json.loads((folder / "tiles.json").read_text(encoding="utf-8"))
        self.shapes: list[tuple[int, int, int]] = [tuple(shape) for shape in index["shapes"]]
        self.corners = [np.array(rows, dtype=np.float32).reshape(-1, 4) for rows in index["corners"]]
        self.classes = [np.array(rows, dtype=np.int64) for rows in index["classes"]]
        sizes = [math.prod(shape) for shape in self.shapes]
        self._starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self._pixels: NDArray[np.uint8] = np.memmap(folder / "tiles.u8", dtype=np.uint8, mode="r")

    def __len__(self) -> int:
        return len(self.shapes)

    def __getitem__(self, i: int) -> Tile:
        pixels = self._pixels[self._starts[i] : self._starts[i + 1]].reshape(self.shapes[i])
        return Tile(pixels, self.corners[i], self.classes[i])


def write_tiles(folder: Path, tiles: Iterable[Tile]) -> TileFile:
    """Write tiles one by one; the index appears last, so a folder with an index is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    index: dict[str, list[Any]] = {"shapes": [], "corners": [], "classes": []}
    with (folder / "tiles.u8").open("wb") as file:
        for tile in tiles:
            file.write(tile.image.tobytes())
            index["shapes"].append(tile.image.shape)
            index["corners"].append(tile.corners.tolist())
            index["classes"].append(tile.classes.tolist())
    beside = folder / "tiles.json.part"
    beside.write_text(json.dumps(index), encoding="utf-8")
    beside.replace(folder / "tiles.json")
    return TileFile(folder)
