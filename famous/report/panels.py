"""One slice in three ways: bare with a scale bar, with its boxes, with its labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous.boxes import CORNERS
from famous.report.lettering import font, round_length, write_length
from famous.voxels import VoxelSize

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

FINE = 3  # labels are drawn this much larger and then reduced, which smooths their outlines
FILL = 0.42  # how much of a label's colour covers the slice
LINE_PX = 2  # of boxes
SCORE_PX = 14  # height of the scores' letters
NOTE_PX = 20

Pixels = NDArray[np.uint8]
Rectangle = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Picture:
    """A slice and the size at which it is shown: as large as fits into the panel, in the panel's middle."""

    image: NDArray[np.uint8]
    size_px: tuple[int, int]  # width and height of the slice as shown
    panel_px: tuple[int, int]  # width and height of the panel

    @classmethod
    def fit(cls, image: NDArray[np.uint8], panel_px: tuple[int, int]) -> "Picture":
        """Show a slice (y, x) in a panel of (width, height)."""
        scale = min(panel_px[0] / image.shape[1], panel_px[1] / image.shape[0])
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        if abs(size[0] - panel_px[0]) <= 1 and abs(size[1] - panel_px[1]) <= 1:
            size = panel_px
        return cls(image, size, panel_px)

    @property
    def scale(self) -> tuple[float, float]:
        """Shown pixels per pixel of the slice, along x and y."""
        return self.size_px[0] / self.image.shape[1], self.size_px[1] / self.image.shape[0]

    @property
    def corner(self) -> tuple[int, int]:
        """Where the slice begins in the panel, (x, y)."""
        return (self.panel_px[0] - self.size_px[0]) // 2, (self.panel_px[1] - self.size_px[1]) // 2

    def shown(self, factor: int = 1) -> Pixels:
        """(h, w, 3) the slice at its size times a factor, grey as RGB."""
        import cv2

        size = (self.size_px[0] * factor, self.size_px[1] * factor)
        way = cv2.INTER_AREA if size[0] < self.image.shape[1] else cv2.INTER_CUBIC
        grey = cv2.resize(np.ascontiguousarray(self.image), size, interpolation=way)
        return np.repeat(grey.reshape(size[1], size[0], 1), 3, axis=2)

    def framed(self, pixels: Pixels) -> Pixels:
        """(h, w, 3) of the panel: the picture in its middle on white."""
        panel = np.full((self.panel_px[1], self.panel_px[0], 3), 255, np.uint8)
        x, y = self.corner
        panel[y : y + self.size_px[1], x : x + self.size_px[0]] = pixels
        return panel


def slice_panel(picture: Picture) -> Pixels:
    """Show the slice as it is."""
    return picture.framed(picture.shown())


def scale_bar(panel: Pixels, picture: Picture, voxel_size: VoxelSize) -> Pixels:
    """Write a bar of round length and that length on the lower right of a slice's panel."""
    from PIL import Image
    from PIL.ImageDraw import Draw

    per_nm = picture.scale[0] / voxel_size.x
    length_nm = round_length(0.3 * picture.size_px[0] / per_nm)
    long = max(1, round(length_nm * per_nm))
    image = Image.fromarray(panel)
    draw = Draw(image)
    right = picture.corner[0] + picture.size_px[0] - 16
    low = picture.corner[1] + picture.size_px[1] - 16
    draw.rectangle((right - long - 1, low - 7, right, low), fill=(0, 0, 0))
    draw.rectangle((right - long, low - 6, right - 1, low - 1), fill=(255, 255, 255))
    letters, text = font(NOTE_PX, bold=True), write_length(length_nm)
    middle = min(right - long / 2, right + 8 - letters.getlength(text) / 2)
    _write_white(draw, (middle, low - 15), text, "md")
    return np.asarray(image)


def boxes_panel(picture: Picture, boxes: pd.DataFrame, colours: Mapping[str, str]) -> Pixels:
    """Show the slice with its boxes in their classes' colours, and the scores where there is room for them."""
    from PIL import Image
    from PIL.ImageDraw import Draw

    pixels = picture.shown()
    if len(boxes) == 0:
        return _note(picture, pixels, "no boxes in this slice")
    image = Image.fromarray(pixels)
    draw = Draw(image, "RGBA")
    width, height = picture.size_px
    scale = np.array([picture.scale[1], picture.scale[0]] * 2)
    ordered = boxes.sort_values("score", kind="stable")
    corners = np.round(ordered[CORNERS].to_numpy(np.float64) * scale)
    corners = np.clip(corners, 0, [height - 1, width - 1] * 2)
    for y0, x0, y1, x1 in corners:
        draw.rectangle((x0 - 1, y0 - 1, x1 + 1, y1 + 1), outline=(0, 0, 0, 150), width=LINE_PX + 2)
    for (y0, x0, y1, x1), name in zip(corners, ordered["class_name"], strict=True):
        draw.rectangle((x0, y0, x1, y1), outline=colours[name], width=LINE_PX)
    if (ordered["score"] < 1).any():
        _write_scores(draw, picture.size_px, corners[::-1], ordered.iloc[::-1], colours)
    return picture.framed(np.asarray(image))


def _write_scores(
    draw: "ImageDraw",
    size_px: tuple[int, int],
    corners: NDArray[np.float64],
    boxes: pd.DataFrame,
    colours: Mapping[str, str],
) -> None:
    """Write scores beside their boxes, the best first, each where it covers no other score and least of other boxes."""
    letters = font(SCORE_PX)
    taken: list[Rectangle] = []
    for index, (name, score) in enumerate(zip(boxes["class_name"], boxes["score"], strict=True)):
        y0, x0, y1, x1 = corners[index]
        text = f"{score:.2f}"
        wide, tall = letters.getlength(text) + 6, SCORE_PX + 2
        others = np.delete(corners, index, axis=0)
        best: tuple[float, Rectangle] | None = None
        for left in (x0 - 1, x1 + 2 - wide):
            x = min(max(left, 0), size_px[0] - wide)
            for y in (y0 - tall - 1, y1 + 2):
                place = (x, y, x + wide, y + tall)
                inside = x >= 0 and y >= 0 and place[3] <= size_px[1]
                if not inside or any(_meet(place, other) for other in taken):
                    continue
                hidden = sum(_common(place, (b[1], b[0], b[3], b[2])) for b in others) / (wide * tall)
                if hidden < 0.35 and (best is None or hidden < best[0] - 0.02):
                    best = hidden, place
        if best is not None:
            place = best[1]
            taken.append((place[0] - 2, place[1] - 2, place[2] + 2, place[3] + 2))
            draw.rounded_rectangle(place, 3, fill=colours[name])
            middle = ((place[0] + place[2]) / 2, (place[1] + place[3]) / 2)
            draw.text(middle, text, fill=_ink_on(colours[name]), font=letters, anchor="mm")


def labels_panel(picture: Picture, labels: Mapping[str, NDArray[np.uint32]], colours: Mapping[str, str]) -> Pixels:
    """Show the slice with its labels, filled and outlined; small classes lie over large ones."""
    import cv2
    from PIL import ImageColor

    found = {name: int(np.count_nonzero(ids)) for name, ids in labels.items()}
    if not any(found.values()):
        return _note(picture, picture.shown(), "no labels in this slice")
    pixels = picture.shown(FINE).astype(np.float32)
    size = (pixels.shape[1], pixels.shape[0])
    rows = (np.arange(size[1]) * picture.image.shape[0]) // size[1]
    columns = (np.arange(size[0]) * picture.image.shape[1]) // size[0]
    brush = np.ones((3, 3), np.uint8)
    for name in sorted(found, key=lambda name: -found[name]):
        ids = labels[name][np.ix_(rows, columns)]
        inside = ids > 0
        edge = np.zeros(ids.shape, np.uint8)
        for side in (slice(None, -1), slice(1, None)):
            edge[side] |= ids[:-1] != ids[1:]
            edge[:, side] |= ids[:, :-1] != ids[:, 1:]
        edge = cv2.dilate(edge, brush) > 0
        colour = np.array(ImageColor.getrgb(colours[name])[:3], np.float32)
        pixels[inside] += FILL * (colour - pixels[inside])
        pixels[edge] = colour
    small = cv2.resize(pixels, picture.size_px, interpolation=cv2.INTER_AREA)
    return picture.framed(np.round(small).astype(np.uint8))


def _note(picture: Picture, pixels: Pixels, text: str) -> Pixels:
    """Write why there is nothing to see, small, in the middle."""
    from PIL import Image
    from PIL.ImageDraw import Draw

    image = Image.fromarray(pixels)
    letters = font(NOTE_PX, bold=True)
    middle = (picture.size_px[0] / 2, picture.size_px[1] / 2)
    if letters.getlength(text) < picture.size_px[0] - 8:
        _write_white(Draw(image), middle, text, "mm")
    return picture.framed(np.asarray(image))


def _write_white(draw: "ImageDraw", place: tuple[float, float], text: str, anchor: str) -> None:
    """Write white letters with a dark rim, which are read on every grey."""
    letters = font(NOTE_PX, bold=True)
    draw.text(place, text, font=letters, anchor=anchor, fill=(255, 255, 255), stroke_width=2, stroke_fill=(0, 0, 0))


def _ink_on(colour: str) -> tuple[int, int, int]:
    """Black or white, whichever is read better on a colour."""
    from PIL import ImageColor

    red, green, blue = ImageColor.getrgb(colour)[:3]
    return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 110 else (255, 255, 255)


def _common(a: Rectangle, b: Rectangle) -> float:
    """Area that two rectangles (x0, y0, x1, y1) share."""
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _meet(a: Rectangle, b: Rectangle) -> bool:
    """Tell whether two rectangles overlap."""
    return _common(a, b) > 0
