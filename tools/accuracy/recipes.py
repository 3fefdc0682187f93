"""Every recipe that turns boxes into pixels, by the name that the tables give it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from famous.extract import (
    EllipseParams,
    Extractor,
    MaskNetExtractor,
    MaskNetParams,
    OtsuParams,
    default_recipe,
    make_extractor,
    paper_recipe,
)
from famous.voxels import VoxelSize
from famous.yolo.masknet import open_masknet

CLASS = "mitochondrion"
FILLED = "filled box"
MASKNET = "masknet, never saw this set"
ADAPTED = "masknet, after it learnt the labelled boxes"


class Filled:
    """The baseline: the whole box."""

    channels = 1

    def __call__(
        self, slab: NDArray[np.uint8], corners: NDArray[np.int32], voxel_size: VoxelSize
    ) -> list[NDArray[np.bool_]]:
        """Set every pixel of every box."""
        return [np.ones((y1 - y0, x1 - x0), dtype=bool) for y0, x0, y1, x1 in corners]


def classical() -> dict[str, Extractor]:
    """Return the recipes that need no weights."""
    plain = replace(OtsuParams(), centre=0, minimum_extent=0)
    return {
        FILLED: Filled(),
        "inscribed ellipse": make_extractor(EllipseParams()),
        "the paper's Otsu": make_extractor(paper_recipe(CLASS)),
        "Otsu, larger radii, holes filled": make_extractor(plain),
        "… and the ellipse where it fails": make_extractor(replace(plain, minimum_extent=0.75)),
        "… and centred (default Otsu)": make_extractor(OtsuParams()),
    } | _default()


def _default() -> dict[str, Extractor]:
    """Return the default of the class, where it is not the Otsu recipe that stands in the table already."""
    recipe = default_recipe(CLASS)
    return (
        {}
        if recipe == OtsuParams() or isinstance(recipe, MaskNetParams)
        else {f"default of {CLASS}": make_extractor(recipe)}
    )


def recipes(name: str, masknets: Path | None, params: MaskNetParams | None = None) -> dict[str, Extractor]:
    """Return every recipe for a data set; masknet with the weights that never saw it, where there are such weights."""
    found = classical()
    if masknets is not None:
        found[MASKNET] = MaskNetExtractor(open_masknet(weights_without(name, masknets)), params or MaskNetParams())
    return found


def weights_without(name: str, masknets: Path) -> Path:
    """Find the masknet weights that never saw a data set; SystemExit where there are none."""
    weights = masknets / f"without_{name}.onnx"
    if not weights.exists():
        raise SystemExit(f"{weights}: not there; expected weights that were trained on every set but {name}")
    return weights
