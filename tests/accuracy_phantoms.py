"""A data folder with closed form for the tests of `tools/bench_accuracy.py`.

phantom/raw.tif        16 slices of 96 × 96: three dark tubes that run through the stack on noise
phantom/mito_inst.tif  their ids; every cross-section is the ellipse that the `ellipse` recipe draws into its box
"""

from pathlib import Path

import numpy as np
import tifffile
from bench_famous import Setting
from numpy.typing import NDArray

from famous.extract.ellipse import ellipse

SHAPE = (16, 96, 96)
SETTING = Setting("phantom/raw.tif", "phantom/mito_inst.tif", (10, 10, 10), tuple(range(8)), range(10, 16))
#: y0, x0, height, width of each tube in slice 0; they move by one pixel a slice along x.
TUBES = [(6, 4, 20, 26), (40, 30, 24, 20), (70, 8, 18, 30)]


def tubes() -> NDArray[np.uint16]:
    """(z, y, x) ids."""
    labels = np.zeros(SHAPE, dtype=np.uint16)
    for z in range(SHAPE[0]):
        for number, (y, x, height, width) in enumerate(TUBES, 1):
            labels[z, y : y + height, x + z : x + z + width][ellipse(height, width)] = number
    return labels


def write_data(folder: Path) -> Path:
    """Write the folder of data sets that the benchmark reads."""
    labels = tubes()
    rng = np.random.default_rng(3)
    raw = np.where(labels > 0, 70, 190) + rng.normal(0, 8, SHAPE)
    place = folder / "data" / "phantom"
    place.mkdir(parents=True)
    tifffile.imwrite(place / "raw.tif", raw.clip(0, 255).astype(np.uint8))
    tifffile.imwrite(place / "mito_inst.tif", labels)
    return folder / "data"
