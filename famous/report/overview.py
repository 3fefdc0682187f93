"""The overview of a run in one picture: a slice, its boxes, its labels, and the meshes, with their legend."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous import boxes as box_table
from famous.errors import InputError
from famous.files import atomic_path
from famous.mesh import Mesh
from famous.report.camera import View
from famous.report.lettering import font, shorten
from famous.report.panels import Picture, boxes_panel, labels_panel, scale_bar, slice_panel
from famous.report.render import render
from famous.voxels import VoxelSize

WIDTH = 2000  # px of the whole picture
MARGIN, GAP = 32, 18  # px round everything, and between panels
SCENE_RATIO = 1.3  # width over height that the scene has at least, as a rule
TITLE_PX, CAPTION_PX, LEGEND_PX = 30, 23, 22  # sizes of letters: readable where the picture is shown half as large
SMALLEST, TALLEST = 300, 560  # px, height of the panels
GROUND, INK, PALE = (255, 255, 255), (24, 28, 34), (104, 110, 120)  # RGB
HULL_ALPHA = 0x88  # of 255, for classes that others lie inside
HULLS = ("nucleus", "nuclei", "cell")


@dataclass(frozen=True, eq=False)
class Overview:
    """What an overview shows.

    Parameters
    ----------
    image
        (y, x) uint8, one slice.
    boxes
        Boxes of that slice; may be empty. With `z`, those of other slices are left out.
    labels
        Class → (y, x) ids of that slice, 0 is background; may lack classes or be empty.
    meshes
        Class and mesh, nm of the stack; may be empty.
    colours
        Class → `#rrggbb`; the legend has its order. Every class in use must be there.
    depth_nm
        Length of the stack along z; none ends it at the highest mesh.
    z
        Index of the slice, for the caption and the 3D view; none leaves it out.

    Raises
    ------
    InputError
        If image, labels and colours do not fit together.
    """

    image: NDArray[np.uint8]
    voxel_size: VoxelSize
    boxes: pd.DataFrame = field(default_factory=box_table.empty)
    labels: Mapping[str, NDArray[np.uint32]] = field(default_factory=dict)
    meshes: Sequence[tuple[str, Mesh]] = ()
    colours: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    depth_nm: float | None = None
    z: int | None = None

    def __post_init__(self) -> None:
        if self.image.ndim != 2 or self.image.dtype != np.uint8 or self.image.size == 0:
            raise InputError(f"overview: found an image {self.image.shape} {self.image.dtype}, expected (y, x) uint8")
        box_table.require(self.boxes, list(box_table.COLUMNS))
        for name, ids in self.labels.items():
            if ids.shape != self.image.shape:
                raise InputError(
                    f"overview: found labels {ids.shape} of class {name!r}, expected the image's {self.image.shape}"
                )
        if self.z is not None:
            object.__setattr__(self, "boxes", self.boxes[self.boxes["z"] == self.z].reset_index(drop=True))
        used = {*self.boxes["class_name"], *self.labels, *(name for name, _ in self.meshes)}
        if missing := sorted(used - set(self.colours)):
            raise InputError(f"overview: no colour for {missing}, expected one for every class; see class_colours")

    @property
    def extent_nm(self) -> tuple[float, float, float]:
        """Edge lengths (z, y, x) of the stack, enlarged where meshes reach beyond it."""
        sides = np.array([self.depth_nm or 0.0, *(np.array(self.image.shape) * self.voxel_size.zyx[1:])])
        for _, mesh in self.meshes:
            if len(mesh.vertices):
                sides = np.maximum(sides, mesh.bounds[1])
        if sides[0] <= 0:
            sides[0] = max(self.voxel_size.z, sides[1:].max() / 4)
        return float(sides[0]), float(sides[1]), float(sides[2])


def draw_overview(path: str | Path, overview: Overview) -> Path:
    """Write the overview as a PNG, 2000 pixels wide; it appears under its name only when it is complete.

    Panels: the slice with a scale bar, its boxes with their scores, its labels, the meshes in the box of the stack;
    below them the classes with their colours and counts.
    """
    from PIL import Image

    path = Path(path)
    picture = Image.fromarray(compose(overview))
    with atomic_path(path) as temporary:
        picture.save(temporary, format="PNG", optimize=True)
    return path


def compose(overview: Overview) -> NDArray[np.uint8]:
    """Draw the overview: (height, 2000, 3) RGB; the height follows from the slice's shape and the legend's rows."""
    from PIL import Image, ImageDraw

    tall, wide = _panel_size(overview.image.shape)
    scene_wide = WIDTH - 2 * MARGIN - 3 * (wide + GAP)
    entries = _legend(overview)
    rows = _flow([width for *_, width in entries], WIDTH - 2 * MARGIN)
    top = MARGIN + (round(1.75 * TITLE_PX) if overview.title else 0)
    first = top + round(1.6 * CAPTION_PX)
    height = first + tall + (GAP + round(2.0 * LEGEND_PX * len(rows)) if entries else 0) + round(0.8 * MARGIN)
    canvas = Image.new("RGB", (WIDTH, height), GROUND)
    draw = ImageDraw.Draw(canvas)
    size = str(overview.voxel_size)
    room = WIDTH - 2 * MARGIN - font(CAPTION_PX).getlength(size) - 40
    if overview.title:
        letters = font(TITLE_PX, bold=True)
        draw.text((MARGIN, MARGIN - 6), shorten(overview.title, letters, room), fill=INK, font=letters)
    draw.text((WIDTH - MARGIN, MARGIN), size, fill=PALE, font=font(CAPTION_PX), anchor="ra")
    slice_name = "Slice" if overview.z is None else f"Slice {overview.z}"
    scene_name = "Meshes" if overview.z is None else f"Meshes, slice {overview.z} outlined"
    shown = Picture.fit(overview.image, (wide, tall))
    panels = [
        (slice_name, scale_bar(slice_panel(shown), shown, overview.voxel_size)),
        ("Boxes", boxes_panel(shown, overview.boxes, overview.colours)),
        ("Labels", labels_panel(shown, overview.labels, overview.colours)),
        (scene_name, _scene(overview, (scene_wide, tall + GAP))),
    ]
    left = MARGIN
    for letter, (caption, pixels) in zip("abcd", panels, strict=True):
        draw.text((left, top), letter, fill=INK, font=font(CAPTION_PX, bold=True))
        draw.text((left + round(1.1 * CAPTION_PX), top), caption, fill=INK, font=font(CAPTION_PX))
        canvas.paste(Image.fromarray(pixels), (left, first))
        left += wide + GAP
    line = first + tall + GAP + LEGEND_PX
    for row in rows:
        x = float(MARGIN)
        for name, counts, colour, width in (entries[index] for index in row):
            draw.rounded_rectangle((x, line - 10, x + 20, line + 10), 5, fill=colour)
            draw.text((x + 32, line), name, fill=INK, font=font(LEGEND_PX), anchor="lm")
            after = x + 32 + font(LEGEND_PX).getlength(name) + 12
            draw.text((after, line), counts, fill=PALE, font=font(LEGEND_PX - 3), anchor="lm")
            x += width
        line += 2 * LEGEND_PX
    return np.asarray(canvas)


def _panel_size(shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width of the slice's panels, such that the fourth has room for a scene wider than high."""
    ratio = shape[1] / shape[0]
    room = WIDTH - 2 * MARGIN - 3 * GAP
    tall = min(max(room / (3 * ratio + SCENE_RATIO), SMALLEST), TALLEST)
    return round(tall), round(min(tall * ratio, (room - SCENE_RATIO * tall) / 3))


def _scene(overview: Overview, size_px: tuple[int, int]) -> NDArray[np.uint8]:
    """Render the meshes, hulls such as the nucleus translucent."""
    coloured = [
        (mesh, overview.colours[name] + (f"{HULL_ALPHA:02x}" if name.lower() in HULLS else ""))
        for name, mesh in overview.meshes
    ]
    plane_nm = None if overview.z is None else (overview.z + 0.5) * overview.voxel_size.z
    return render(coloured, extent_nm=overview.extent_nm, size_px=size_px, view=View(plane_nm=plane_nm))


def _legend(overview: Overview) -> list[tuple[str, str, str, float]]:
    """Name, counts, colour and width in px of each class, in the order of the colours."""
    found = overview.boxes["class_name"].value_counts()
    meshes = pd.Series([name for name, _ in overview.meshes], dtype="str").value_counts()
    entries = []
    for name, colour in overview.colours.items():
        ids = overview.labels.get(name)
        numbers = {
            "box": int(found.get(name, 0)),
            "label": 0 if ids is None else int(np.count_nonzero(np.unique(ids))),
            "mesh": int(meshes.get(name, 0)),
        }
        plural = {"box": "boxes", "label": "labels", "mesh": "meshes"}
        told = [f"{n:,} {word if n == 1 else plural[word]}" for word, n in numbers.items() if n]
        counts = " · ".join(told) or "none found"
        text = shorten(name, font(LEGEND_PX), 420)
        width = 32 + font(LEGEND_PX).getlength(text) + 12 + font(LEGEND_PX - 3).getlength(counts) + 44
        entries.append((text, counts, colour, width))
    return entries


def _flow(widths: Sequence[float], room: float) -> list[list[int]]:
    """Set entries in rows that are not wider than the room."""
    rows: list[list[int]] = []
    used = room
    for index, width in enumerate(widths):
        if used + width > room and used > 0:
            rows.append([])
            used = 0.0
        rows[-1].append(index)
        used += width
    return rows
