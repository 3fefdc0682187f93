"""A small phantom cell on disk and a detector that knows its boxes, for the tests of the pipeline.

cell.tif   24 slices of 160 × 160 at 16 nm: mitochondria, endosomes and lysosomes, no nucleus
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from famous.boxes import CORNERS
from famous.synthetic import Phantom, PhantomParams
from famous.voxels import VoxelSize

#: Stands in for a model folder: something with a card to take the hash of.
CARD = Path(__file__).parent / "oracle"
CELL = PhantomParams(shape=(24, 160, 160), voxel_size=VoxelSize(16, 16, 16), seed=5, nucleus_radius_nm=0)


@cache
def cell() -> Phantom:
    """Open the cell once for all tests: what lies in it takes half a second to place."""
    return Phantom(CELL)


@cache
def render_cell() -> NDArray[np.uint8]:
    """Render the cell once for all tests; (z, y, x)."""
    phantom = cell()
    image = np.stack([phantom[z] for z in range(len(phantom))])
    image.setflags(write=False)
    return image


def write_cell(folder: Path) -> Path:
    """Write the cell as an ImageJ TIFF with its voxel size."""
    path = folder / "cell.tif"
    tifffile.imwrite(
        path,
        render_cell(),
        imagej=True,
        resolution=(1 / 0.016, 1 / 0.016),
        metadata={"spacing": 0.016, "unit": "um", "axes": "ZYX"},
    )
    return path


def know(patch: Any, oracle: "Oracle") -> None:
    """Let the pipeline detect with an oracle; `patch` sets attributes as pytest's monkeypatch does."""
    from famous.pipeline import detect

    detect.open_detector.cache_clear()
    patch.setattr(detect, "load_detector", lambda weights, device: oracle)
    patch.setattr(detect, "weights_of", lambda project: CARD)


class Oracle:
    """Gives back the phantom's own boxes: it recognises a slice by its pixels."""

    channels = 1
    pixel_nm = 16.0

    def __init__(self) -> None:
        phantom = cell()
        table = phantom.boxes()
        self.class_names = tuple(sorted(table["class_name"].unique()))
        self._boxes = {}
        for z in range(len(phantom)):
            own = table[table["z"] == z]
            rows = np.zeros((len(own), 6), dtype=np.float32)
            rows[:, :4] = own[CORNERS]
            rows[:, 4] = 0.9
            rows[:, 5] = [self.class_names.index(name) for name in own["class_name"]]
            self._boxes[z] = rows
        self._images = list(render_cell().astype(np.float64))

    def __call__(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        return [self._boxes[self._slice_of(image[..., 0])] for image in images]

    def _slice_of(self, image: NDArray[np.uint8]) -> int:
        alike = [np.corrcoef(image[::4, ::4].ravel(), known[::4, ::4].ravel())[0, 1] for known in self._images]
        return int(np.argmax(alike))
