"""From true boxes to pixels: IoU and milliseconds of every recipe on real labelled stacks.

    python tools/bench_extract.py FOLDER [--jitter 0.08]

FOLDER holds one folder a data set with `raw.tif` (or a folder `raw` of slices) and `mito_inst.tif`. Boxes are the tight
boxes of the mitochondria's components in single slices; `--jitter` moves each side by a normal share of the box's side.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray

from famous.extract import EllipseParams, Extractor, OtsuParams, default_recipe, make_extractor, paper_recipe
from famous.voxels import VoxelSize

SMALLEST_PX = 30  # pixels of the smallest component that is scored


@dataclass(frozen=True)
class Slice:
    """One slice with its boxes (n, 4) and one truth image per box, both of the whole slice."""

    slab: NDArray[np.uint8]
    corners: NDArray[np.int32]
    truth: list[tuple[NDArray[np.int32], NDArray[np.bool_]]]  # tight corners and mask inside them


@dataclass(frozen=True)
class DataSet:
    """Where a stack's pixel size and scored slices are noted; None nm: not stated, 5 nm assumed."""

    name: str
    pixel_nm: float
    step: int
    consecutive: bool = True


SETS = [DataSet("lucchi", 5, 4), DataSet("vnc", 4.6, 3), DataSet("cdeep3m", 5, 3), DataSet("hela", 10, 1, False)]


class Filled:
    """The baseline: the whole box."""

    def __call__(
        self, slab: NDArray[np.uint8], corners: NDArray[np.int32], voxel_size: VoxelSize
    ) -> list[NDArray[np.bool_]]:
        """Set every pixel of every box."""
        return [np.ones((y1 - y0, x1 - x0), dtype=bool) for y0, x0, y1, x1 in corners]


def recipes() -> dict[str, Extractor]:
    plain = replace(OtsuParams(), centre=0, minimum_extent=0)
    return {
        "filled box": Filled(),
        "inscribed ellipse": make_extractor(EllipseParams()),
        "the paper's Otsu": make_extractor(paper_recipe("mitochondrion")),
        "Otsu, larger radii, holes filled": make_extractor(plain),
        "… and the ellipse where it fails": make_extractor(replace(plain, minimum_extent=0.75)),
        "our default": make_extractor(default_recipe("mitochondrion")),
    }


def read(folder: Path) -> NDArray[np.uint8]:
    if (folder / "raw.tif").exists():
        return np.asarray(tifffile.imread(folder / "raw.tif"), dtype=np.uint8)
    files = sorted((folder / "raw").glob("*.png"))
    return np.stack([cv2.imread(str(file), cv2.IMREAD_GRAYSCALE) for file in files])


def slices(folder: Path, data: DataSet, jitter: float) -> Iterator[Slice]:
    rng = np.random.default_rng(0)
    raw, labels = read(folder), tifffile.imread(folder / "mito_inst.tif")
    for z in range(0, len(raw), data.step):
        truth: list[tuple[NDArray[np.int32], NDArray[np.bool_]]] = []
        for label in np.unique(labels[z][labels[z] > 0]):
            _, parts, stats, _ = cv2.connectedComponentsWithStats((labels[z] == label).astype(np.uint8))
            for part, (x, y, width, height, pixels) in enumerate(stats[1:], 1):
                if pixels >= SMALLEST_PX and min(height, width) >= 6:
                    mask = parts[y : y + height, x : x + width] == part
                    truth.append((np.array([y, x, y + height, x + width], dtype=np.int32), mask))
        tight = np.array([corners for corners, _ in truth], dtype=np.int32).reshape(-1, 4)
        sides = np.tile(tight[:, 2:] - tight[:, :2], 2)
        moved = np.rint(tight + jitter * sides * rng.standard_normal(tight.shape)).astype(np.int32)
        moved[:, :2] = np.minimum(moved[:, :2], (tight[:, :2] + tight[:, 2:]) // 2)
        moved[:, 2:] = np.maximum(moved[:, 2:], (tight[:, :2] + tight[:, 2:]) // 2 + 1)
        limits = np.array([*raw.shape[1:], *raw.shape[1:]])
        yield Slice(raw[z][:, :, None], np.clip(moved, 0, limits).astype(np.int32), truth)


def iou(
    corners: NDArray[np.int32], mask: NDArray[np.bool_], truth: tuple[NDArray[np.int32], NDArray[np.bool_]]
) -> float:
    low = np.minimum(corners[:2], truth[0][:2])
    high = np.maximum(corners[2:], truth[0][2:])
    canvas = np.zeros((2, *(high - low)), dtype=bool)
    for plane, ((y0, x0, y1, x1), pixels) in zip(canvas, [(corners, mask), truth], strict=True):
        plane[y0 - low[0] : y1 - low[0], x0 - low[1] : x1 - low[1]] = pixels
    return float(canvas.all(axis=0).sum() / canvas.any(axis=0).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--jitter", type=float, default=0.0)
    options = parser.parse_args()
    for data in SETS:
        if not (options.folder / data.name).is_dir():
            print(f"{data.name}: not there, left out")
            continue
        chosen = list(slices(options.folder / data.name, data, options.jitter))
        voxel_size = VoxelSize(data.pixel_nm, data.pixel_nm, data.pixel_nm)
        count = sum(len(item.truth) for item in chosen)
        print(f"\n{data.name}: {count} boxes, jitter {options.jitter:g}, pixel {data.pixel_nm:g} nm")
        print(f"{'recipe':34s} mean IoU   SA50   SA75   ms per box")
        for name, extractor in recipes().items():
            start = time.perf_counter()
            masks = [extractor(item.slab, item.corners, voxel_size) for item in chosen]
            spent = time.perf_counter() - start
            scores = np.array(
                [
                    iou(corners, mask, truth)
                    for item, found in zip(chosen, masks, strict=True)
                    for corners, mask, truth in zip(item.corners, found, item.truth, strict=True)
                ]
            )
            figures = f"{scores.mean():8.3f} {(scores > 0.5).mean():6.3f} {(scores > 0.75).mean():6.3f}"
            print(f"{name:34s} {figures} {spent / count * 1e3:9.2f}")


if __name__ == "__main__":
    main()
