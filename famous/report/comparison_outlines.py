"""Slices with the outlines of all sources: the picture as WebP, the outlines as paths of an SVG over it."""

import base64
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from famous.compare.comparison import Comparison
from famous.report.comparison_errors import MANY, Shown, window_of
from famous.report.comparison_numbers import is_flat
from famous.report.lettering import round_length, write_length

#: axis that a plane stands across → the axes of its rows and columns
PLANES = {"z": (1, 2), "y": (0, 2), "x": (0, 1)}
NAMES = {"z": "xy", "y": "xz", "x": "yz"}
LONGEST_PX = 420  # of a picture; larger windows are shrunk
QUALITY = 78  # of WebP
TOLERANCE_PX = 0.35  # of an outline, in pixels of the picture

MOST_TRIED = 8  # places along an axis, of the one that shows most of a match

Window = tuple[int, int, int, int]
Key = tuple[str, str, int]
Labels = tuple[str, str, NDArray[Any]]  # source, class, ids of a window


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
    met
        How many objects of the match it meets.
    """

    axis: str
    name: str
    index: int
    width: float
    height: float
    image: str
    outlines: tuple[Outline, ...]
    bar: tuple[float, str]
    met: int


def draw_planes(shown: Shown, comparison: Comparison, pictures: Pictures) -> list[Plane]:
    """Draw the slice through the middle of a match, and its xz and yz planes where the grid is deeper than a slice.

    Of several objects against one, the plane comes first that meets most of them: no slice meets two that lie above
    each other.
    """
    axes = ("z", "y", "x") if comparison.grid.shape[0] > 1 and not is_flat(comparison) else ("z",)
    planes = [_draw(axis, shown, comparison, pictures) for axis in axes]
    return sorted(planes, key=lambda plane: -plane.met) if shown.kind in MANY else planes


def _draw(axis: str, shown: Shown, comparison: Comparison, pictures: Pictures) -> Plane:
    rows, columns = PLANES[axis]
    size = comparison.grid.voxel_size.zyx if comparison.grid.voxel_size else (1.0, 1.0, 1.0)
    window = window_of(shown, (rows, columns), comparison.grid.shape, size)
    height, width = (window[1] - window[0]) * size[rows], (window[3] - window[2]) * size[columns]
    fine = max(height, width) / LONGEST_PX
    keys = {*shown.pred, *shown.truth}
    index, asked, met = _choose(shown, axis, lambda index: _ask(shown, comparison, pictures, (axis, index, window)))
    about = np.zeros((window[1] - window[0], window[3] - window[2]), np.bool_)
    for source, name, ids in asked:
        about |= np.isin(ids, [number for one, of, number in keys if (one, of) == (source, name)])
    outlines = []
    for source in (facts.name for facts in comparison.sources):
        own: list[str] = []
        others: list[str] = []
        for name, ids in ((name, ids) for one, name, ids in asked if one == source):
            for number, mask, corner in each(ids):
                path = trace(mask, (size[rows], size[columns]), TOLERANCE_PX * fine, corner)
                here = about[corner[0] : corner[0] + mask.shape[0], corner[1] : corner[1] + mask.shape[1]]
                (own if _is_own((source, name, number), keys, mask, here) else others).append(path)
        outlines.append(Outline(source, "".join(own), "".join(others)))
    image = as_webp(pictures.slice(axis, index, window), (height / fine, width / fine))
    long = round_length(0.4 * width)
    text = write_length(long) if comparison.grid.voxel_size else f"{long:g} px"
    return Plane(axis, NAMES[axis], index, width, height, image, tuple(outlines), (long, text), met)


def _choose(shown: Shown, axis: str, ask: Callable[[int], list[Labels]]) -> tuple[int, list[Labels], int]:
    """Choose where a plane lies: the first place that meets the match, for a bent object may not be in its middle.

    Of several objects against one it is the place that meets most of them, and of such the one that meets the smallest
    best. Returns the place, what `ask` says of it, and how many objects it meets.
    """
    keys = list(dict.fromkeys((*shown.truth, *shown.pred)))
    enough = len(keys) if shown.kind in MANY else 1
    tried: list[tuple[tuple[int, int], int, list[Labels]]] = []
    for place in list(dict.fromkeys(shown.centres[:, "zyx".index(axis)].tolist()))[:MOST_TRIED]:
        asked = ask(int(place))
        known = {(source, name): ids for source, name, ids in asked}
        pixels = [int(np.count_nonzero(known[key[:2]] == key[2])) for key in keys if key[:2] in known]
        seen = [count for count in pixels if count]
        tried.append(((len(seen), min(seen, default=0)), int(place), asked))
        if len(seen) >= enough:
            break
    (met, _), index, labels = max(tried, key=lambda one: one[0])
    return index, labels, met


def _ask(shown: Shown, comparison: Comparison, pictures: Pictures, plane: tuple[str, int, Window]) -> list[Labels]:
    """Labels of every source and class that a plane shows: source, class, ids."""
    return [
        (source.name, name, pictures.labels(source.name, name, *plane))
        for source in comparison.sources
        for name in _classes_of(shown, source.name)
    ]


def each(ids: NDArray[Any]) -> Iterator[tuple[int, NDArray[np.bool_], tuple[int, int]]]:
    """Yield each object of a plane: its id, its mask within its own box, and the corner of that."""
    from scipy.ndimage import find_objects

    numbers, places = np.unique(ids, return_inverse=True)
    small = np.asarray(places, dtype=np.int32).reshape(ids.shape) + 1  # background has a box too; it is passed over
    for place, (number, box) in enumerate(zip(numbers.tolist(), find_objects(small), strict=True), start=1):
        if number and box is not None:
            yield number, small[box] == place, (box[0].start, box[1].start)


def _classes_of(shown: Shown, source: str) -> Sequence[str]:
    """Classes whose outlines a source has in the picture: the match's, and what was said in its place."""
    said = [name for one, name, _ in (*shown.pred, *shown.truth) if one == source]
    return list(dict.fromkeys([shown.class_name, *said]))


def _is_own(key: Key, keys: set[Key], mask: NDArray[np.bool_], about: NDArray[np.bool_]) -> bool:
    """Tell whether an object is of the match; of a source without any, whether it lies for the most part there."""
    if any(source == key[0] for source, *_ in keys):
        return key in keys
    return bool(2 * np.count_nonzero(mask & about) > np.count_nonzero(mask))


def trace(
    mask: NDArray[np.bool_], size: tuple[float, float], tolerance: float, corner: tuple[int, int] = (0, 0)
) -> str:
    """Outline a mask (rows, columns) as an SVG path along its pixels' edges, in the unit of the pixel size.

    Parameters
    ----------
    tolerance
        How far the path may be from the edges.
    corner
        Pixel that the mask begins at.
    """
    from skimage.measure import approximate_polygon, find_contours

    parts = []
    for contour in find_contours(np.pad(mask, 1).astype(np.float32), 0.5):
        line = approximate_polygon((contour - 0.5 + corner) * size, tolerance)
        if len(line) > 3:
            parts.append("M" + "L".join(f"{x:.5g} {y:.5g}" for y, x in line[:-1]) + "Z")
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
