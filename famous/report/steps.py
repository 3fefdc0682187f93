"""The shrink-wrap in eight panels, from the points of one organelle to its surface."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from famous.errors import InputError
from famous.files import atomic_path
from famous.mesh import Mesh
from famous.points import PointCloud
from famous.report.camera import View
from famous.report.lettering import font, round_length, shorten, write_length
from famous.report.render import place_camera, render
from famous.surface.shrinkwrap import STEPS, Step
from famous.surface.steps import convex_hull
from famous.voxels import zyx_to_xyz

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

PANEL, MARGIN, GAP = 460, 32, 22  # px: width of a panel, round everything, between panels
EDGE, TALLEST, MOST_ZOOM = 10, 560, 4.0  # px round an object in its panel; height of a panel; of the view to fill it
TITLE_PX, CAPTION_PX, NOTE_PX = 30, 23, 17
INK, PALE, GROUND = (24, 28, 34), (104, 110, 120), (255, 255, 255)
POINT, DROPPED, WIRE = "#9cc4f5", "#e3173e", "#2b2622"
VEIL = "70"  # alpha of a hull that is looked through
MOST_POINTS, MOST_FACES = 5000, 60_000  # drawn of a cloud; with more faces a mesh is drawn without its edges
BALL = 0.3  # radius of a point over the distance to its third neighbour
LARGEST_BALL = 0.04  # the same over the longest side of the cloud, at most
VIEW = View(box=False, scale_bar=False, elevation_deg=22.0)
TITLES = {
    "points": "Points",
    "inliers": "Outliers dropped",
    "hull": "Convex hull",
    "remesh": "Remeshed",
    "scaled": "Scaled",
    "interior": "Exterior points dropped",
    "dense": "Hull again, remeshed denser",
    "smooth": "Projected and smoothed",
}

Coloured = list[tuple[Mesh, str]]


def draw_steps(path: str | Path, steps: Sequence[Step], *, colour: str, title: str = "") -> Path:
    """Write the picture of the eight steps as a PNG; it appears under its name only when it is complete."""
    from PIL import Image

    path = Path(path)
    picture = Image.fromarray(compose(steps, colour=colour, title=title))
    with atomic_path(path) as temporary:
        picture.save(temporary, format="PNG")
    return path


def compose(steps: Sequence[Step], *, colour: str, title: str = "") -> NDArray[np.uint8]:
    """Draw the eight steps of `famous.surface.shrinkwrap.trace`, all seen alike: (height, width, 3) RGB.

    Points that a step dropped are red; a hull is shown with the points that it holds, a remesh with its edges.

    Parameters
    ----------
    colour
        `#rrggbb` of the surfaces.

    Raises
    ------
    InputError
        If there are not eight steps, or the first has no points.
    """
    from PIL import Image, ImageDraw

    if [step.name for step in steps] != list(STEPS):
        raise InputError(f"steps: found {[step.name for step in steps]}, expected {list(STEPS)}")
    if len(_cloud(steps[0])) == 0:
        raise InputError("steps: found no points, expected an object with voxels")
    stage = _Stage.of(steps)
    top = MARGIN + (round(1.9 * TITLE_PX) if title else 0)
    above = round(1.5 * CAPTION_PX) + round(1.8 * NOTE_PX)
    row = above + stage.tall + 2 * GAP
    width, height = 2 * MARGIN + 4 * PANEL + 3 * GAP, top + 2 * row - 2 * GAP + MARGIN
    canvas = Image.new("RGB", (width, height), GROUND)
    draw = ImageDraw.Draw(canvas)
    if title:
        letters = font(TITLE_PX, bold=True)
        draw.text((MARGIN, MARGIN - 6), shorten(title, letters, width - 2 * MARGIN), fill=INK, font=letters)
    for index, step in enumerate(steps):
        left, line = MARGIN + index % 4 * (PANEL + GAP), top + index // 4 * row
        draw.text((left, line), str(step.number), fill=INK, font=font(CAPTION_PX, bold=True))
        draw.text((left + round(1.1 * CAPTION_PX), line), TITLES[step.name], fill=INK, font=font(CAPTION_PX))
        note = shorten(step.about, font(NOTE_PX), PANEL - round(1.1 * CAPTION_PX))
        draw.text(
            (left + round(1.1 * CAPTION_PX), line + round(1.45 * CAPTION_PX)), note, fill=PALE, font=font(NOTE_PX)
        )
        canvas.paste(Image.fromarray(stage.take(_scene(steps, index, colour, stage.rod_nm))), (left, line + above))
    _scale_bar(draw, (width - MARGIN, height - round(0.7 * MARGIN)), stage.px_per_nm)
    return np.asarray(canvas)


def _scale_bar(draw: "ImageDraw", corner: tuple[int, int], px_per_nm: float) -> None:
    """Draw a bar of round length whose right end is at the corner, its length to the left of it."""
    length_nm = round_length(0.4 * PANEL / px_per_nm)
    x, y = corner
    long = length_nm * px_per_nm
    draw.rectangle((x - long, y - 2, x, y + 2), fill=INK)
    draw.text((x - long - 12, y), write_length(length_nm), fill=INK, font=font(NOTE_PX), anchor="rm")


@dataclass(frozen=True, eq=False)
class _Stage:
    """Where all panels are looked at from, and the part of the view that they show."""

    low: NDArray[np.float64]  # corner (z, y, x) in nm of what is seen
    extent_nm: tuple[float, float, float]
    size_px: int  # of the whole view, of which a panel shows the middle
    window: tuple[int, int]  # left and top of the part that is shown
    tall: int  # its height; it is as wide as a panel
    px_per_nm: float  # in the middle of the scene

    @classmethod
    def of(cls, steps: Sequence[Step]) -> "_Stage":
        """Fit the inliers and all meshes; outliers may lie outside."""
        shapes = [step.shape for step in steps[1:]]
        places = [shape.vertices if isinstance(shape, Mesh) else shape.positions for shape in shapes]
        seen = np.concatenate([place for place in places if len(place)] or [_cloud(steps[0]).positions])
        low, high = seen.min(axis=0), seen.max(axis=0)
        sides = np.maximum(high - low, 1e-3 * float((high - low).max()) + 1e-3)
        extent = (float(sides[0]), float(sides[1]), float(sides[2]))
        scene = (zyx_to_xyz(seen - low) - sides[::-1] / 2) / sides.max()
        camera = place_camera(extent, (PANEL, PANEL), VIEW)
        flat = camera.to_pixels(scene)
        span = np.ptp(flat, axis=0)
        zoom = min((PANEL - 2 * EDGE) / span[0], (TALLEST - 2 * EDGE) / span[1], MOST_ZOOM)
        size = round(PANEL * zoom)
        camera = place_camera(extent, (size, size), VIEW)
        flat = camera.to_pixels(scene)
        middle, span = (flat.min(axis=0) + flat.max(axis=0)) / 2, np.ptp(flat, axis=0)
        tall = round(span[1]) + 2 * EDGE
        step = camera.to_pixels(np.stack([np.zeros(3), camera.axes[0] / sides.max()]))
        window = (round(middle[0] - PANEL / 2), round(middle[1] - tall / 2))
        return cls(low, extent, size, window, tall, float(np.linalg.norm(step[1] - step[0])))

    @property
    def rod_nm(self) -> float:
        """Radius of an edge that is about a pixel thick."""
        return 0.6 / self.px_per_nm

    def take(self, scene: Coloured) -> NDArray[np.uint8]:
        """Render one panel: (tall, PANEL, 3)."""
        moved = [(mesh.translated(-self.low), tone) for mesh, tone in scene]
        left, top = self.window
        window = (left, top, left + PANEL, top + self.tall)
        return render(
            moved, extent_nm=self.extent_nm, size_px=(self.size_px, self.size_px), view=VIEW, window_px=window
        )


def _scene(steps: Sequence[Step], index: int, colour: str, rod_nm: float) -> Coloured:
    """Choose what a panel shows."""
    step, name = steps[index], steps[index].name
    if isinstance(step.shape, PointCloud):
        before = _cloud(steps[{"points": 0, "inliers": 0, "interior": 1}[name]])
        return _points(before, step.shape)
    if name == "scaled":
        held = _cloud(steps[1])
        return [*_points(held, held), (step.shape, colour + VEIL)]
    if name in ("hull", "remesh", "dense"):
        return [(_facets(step.shape), colour), *_wire(step.shape, rod_nm)]
    return [(step.shape, colour)]


def _points(before: PointCloud, after: PointCloud) -> Coloured:
    """Small balls, red and larger where a point of before is missing after."""
    rows = np.dtype(
        (np.void, before.positions.dtype.itemsize * 3)
    )  # a point as one value: what is left is some of the very same
    one, other = (np.ascontiguousarray(cloud.positions).view(rows)[:, 0] for cloud in (before, after))
    stays = np.isin(one, other)
    shown = before.positions[stays]
    if len(shown) > MOST_POINTS:
        shown = shown[np.sort(np.random.default_rng(0).permutation(len(shown))[:MOST_POINTS])]
    places = shown if len(shown) else before.positions
    nearest = np.asarray(cKDTree(places).query(places, [min(4, len(places))])[0])
    largest = LARGEST_BALL * float(np.ptp(before.positions, axis=0).max(initial=0.0))
    radius = min(BALL * float(np.median(nearest)), largest) or 1.0
    return [(_balls(shown, radius), POINT), (_balls(before.positions[~stays], 1.4 * radius), DROPPED)]


def _balls(centres: NDArray[np.float64], radius: float) -> Mesh:
    """Icosahedra, which smooth shading rounds, at (n, 3) places."""
    if len(centres) == 0:
        return Mesh.empty()
    golden = (1 + 5**0.5) / 2
    first = np.array([(0.0, one, two) for one in (-1, 1) for two in (-golden, golden)])
    corners = np.concatenate([np.roll(first, turn, axis=1) for turn in range(3)]) / np.hypot(1, golden)
    ball = convex_hull(corners * radius)
    vertices = (centres[:, None] + ball.vertices).reshape(-1, 3)
    return Mesh(vertices, (np.arange(len(centres))[:, None, None] * len(corners) + ball.faces).reshape(-1, 3))


def _facets(mesh: Mesh) -> Mesh:
    """Give every face corners of its own, so that it is shaded flat."""
    return Mesh(mesh.vertices[mesh.faces].reshape(-1, 3), np.arange(3 * len(mesh.faces)).reshape(-1, 3))


def _wire(mesh: Mesh, rod_nm: float) -> Coloured:
    """Draw the edges as thin rods with three sides."""
    if mesh.is_empty or len(mesh.faces) > MOST_FACES:
        return []
    edges = np.unique(
        np.sort(np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])), axis=0
    )
    start, end = mesh.vertices[edges[:, 0]], mesh.vertices[edges[:, 1]]
    along = end - start
    other = np.eye(3)[np.abs(along).argmin(axis=1)]
    first = np.cross(along, other)
    first /= np.maximum(np.linalg.norm(first, axis=1, keepdims=True), 1e-12)
    second = np.cross(along, first)
    second /= np.maximum(np.linalg.norm(second, axis=1, keepdims=True), 1e-12)
    turns = 2 * np.pi / 3 * np.arange(3)
    rim = rod_nm * (np.cos(turns)[:, None] * first[:, None] + np.sin(turns)[:, None] * second[:, None])
    vertices = np.concatenate([start[:, None] + rim, end[:, None] + rim], axis=1).reshape(-1, 3)
    sides = [[k, (k + 1) % 3, 3 + k] for k in range(3)] + [[(k + 1) % 3, 3 + (k + 1) % 3, 3 + k] for k in range(3)]
    faces = (np.arange(len(edges))[:, None, None] * 6 + np.array(sides)).reshape(-1, 3)
    return [(Mesh(vertices, faces), WIRE)]


def _cloud(step: Step) -> PointCloud:
    if not isinstance(step.shape, PointCloud):
        raise InputError(f"steps: found a mesh in step {step.stem}, expected points")
    return step.shape
