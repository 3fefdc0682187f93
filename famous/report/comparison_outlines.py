"""Slices with the outlines of all sources: the picture as WebP, the outlines as paths of an SVG over it."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from famous.compare.comparison import Comparison
from famous.report.comparison_errors import Shown, window_of
from famous.report.lettering import round_length, write_length

#: axis that a plane stands across → the axes of its rows and columns
PLANES = {"z": (1, 2), "y": (0, 2), "x": (0, 1)}
NAMES = {"z": "xy", "y": "xz", "x": "yz"}
LONGEST_PX = 420  # of a picture; larger windows are shrunk
LEAST_PX = 56  # a window is at least so wide, so that small objects are seen in their surroundings
QUALITY = 78  # of WebP
TOLERANCE_PX = 0.35  # of an outline, in pixels of the picture

Window = tuple[int, int, int, int]


class Pictures(Protocol):
    """Grey values and labels of the common grid, plane by plane.

    An axis is the one that the plane stands across: `z` has rows y and columns x, `y` has rows z and columns x, `x` has
    rows z and columns y. A window is (row0, row1, column0, column1), half-open, inside the grid.
    """

    def slice(self, axis: str, index: int, window: Window) -> NDArray[np.uint8]:
        """Grey values of a window, (rows, columns) uint8."""

    def labels(self, source: str, class_name: str, axis: str, index: int, window: Window) -> NDArray[Any]:
        """Ids of one class of one source in a window, (rows, columns); 0 is background."""


@dataclass(frozen=True)
class Outline:
    """The outlines of one source in a plane: those of the match, and faintly those of its neighbours."""

    source: str
    own: str
    others: str


@dataclass(frozen=True)
class Plane:
    """One plane through a match, in nm of its window.

    Parameters
    ----------
    axis, index
        Which plane.
    width, height
        Of the window; the outlines' unit.
    image
        `data:` address of the grey values.
    bar
        Length of the scale bar in that unit, and what is written at it.
    """

    axis: str
    name: str
    index: int
    width: float
    height: float
    image: str
    outlines: tuple[Outline, ...]
    bar: tuple[float, str]


def draw_planes(shown: Shown, comparison: Comparison, pictures: Pictures) -> list[Plane]:
    """Draw the slice through the middle of a match, and its xz and yz planes where the grid is deeper than a slice."""
    axes = ("z", "y", "x") if comparison.grid.shape[0] > 1 else ("z",)
    return [_draw(axis, shown, comparison, pictures) for axis in axes]


def _draw(axis: str, shown: Shown, comparison: Comparison, pictures: Pictures) -> Plane:
    rows, columns = PLANES[axis]
    size = comparison.grid.voxel_size.zyx if comparison.grid.voxel_size else (1.0, 1.0, 1.0)
    window = window_of(shown, (rows, columns), comparison.grid.shape, LEAST_PX)
    index = shown.centre["zyx".index(axis)]
    height, width = (window[1] - window[0]) * size[rows], (window[3] - window[2]) * size[columns]
    fine = max(height, width) / LONGEST_PX
    outlines = []
    for source in comparison.sources:
        own, others = [], []
        for name in _classes_of(shown, source.name):
            ids = pictures.labels(source.name, name, axis, index, window)
            mine = [number for one, of, number in (*shown.pred, *shown.truth) if (one, of) == (source.name, name)]
            for number in np.unique(ids[ids > 0]).tolist():
                path = trace(ids == number, (size[rows], size[columns]), TOLERANCE_PX * fine)
                (own if number in mine or not _takes_part(shown, source.name) else others).append(path)
        outlines.append(Outline(source.name, "".join(own), "".join(others)))
    image = as_webp(pictures.slice(axis, index, window), (height / fine, width / fine))
    long = round_length(0.4 * width)
    text = write_length(long) if comparison.grid.voxel_size else f"{long:g} px"
    return Plane(axis, NAMES[axis], index, width, height, image, tuple(outlines), (long, text))


def _classes_of(shown: Shown, source: str) -> Sequence[str]:
    """Classes whose outlines a source has in the picture: the match's, and what was said in its place."""
    said = [name for one, name, _ in (*shown.pred, *shown.truth) if one == source]
    return list(dict.fromkeys([shown.class_name, *said]))


def _takes_part(shown: Shown, source: str) -> bool:
    """Tell whether a source has an object in the match; a source that has none is drawn whole."""
    return any(one == source for one, *_ in (*shown.pred, *shown.truth))


def trace(mask: NDArray[np.bool_], size: tuple[float, float], tolerance: float) -> str:
    """Outline a mask (rows, columns) as an SVG path, in the unit of the pixel size; it runs along the pixels' edges."""
    from skimage.measure import approximate_polygon, find_contours

    parts = []
    for contour in find_contours(np.pad(mask, 1).astype(np.float32), 0.5):
        line = approximate_polygon((contour - 0.5) * size, tolerance)
        if len(line) > 3:
            parts.append("M" + "L".join(f"{x:.4g} {y:.4g}" for y, x in line[:-1]) + "Z")
    return "".join(parts)


def as_webp(grey: NDArray[np.uint8], shown_px: tuple[float, float]) -> str:
    """Write grey values as a `data:` address; what is larger than it is shown is shrunk first."""
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(grey, dtype=np.uint8))
    width, height = (max(1, min(now, round(to))) for now, to in zip(picture.size, shown_px[::-1], strict=True))
    if (width, height) != picture.size:
        picture = picture.resize((width, height), Image.Resampling.BOX)
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, format="WEBP", quality=QUALITY, method=4)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
