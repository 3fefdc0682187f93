"""A loose box pulled tight round the organelle in it."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from famous.boxes import iou
from famous.errors import InputError
from famous.extract.slices import Extractor, in_boxes
from famous.voxels import VoxelSize

Corners = tuple[int, int, int, int]

SMALLEST_PX = 3
_OUTSIDE = -1.0  # score of a point outside the slice
_TURN = 2 * np.pi


@dataclass(frozen=True)
class SnapParams:
    """Where the outline is looked for and what makes a good one; radii are 1 on the ellipse inscribed in the box."""

    nearest: float = 0.4  # smallest radius: no side shrinks below this share of the box's
    farthest: float = 1.35  # largest radius at which the outline is looked for
    grows: float = 0.0  # share of a side by which the box may grow on it; outlines beyond a box are mostly neighbours'
    usual: float = 0.88  # radius at which outlines are expected: boxes are drawn loose rather than tight
    spread: float = 0.4  # distance from it that costs as much as one standard deviation of grey wins
    region: float = 1.0  # weight of the grey values inside the outline against the edge's
    stiffness: float = 0.1  # cost of one radial step from one ray to the next
    blur_nm: float = 12.0  # standard deviation of the Gaussian before the edge is taken
    rays: int = 64  # points of the outline
    radii: int = 48  # places on each ray
    outermost: int = 5  # points that a side is the mean of
    ring: float = 0.25  # how far beyond the box its surroundings reach, share of its side
    contrast: float = 6.0  # weakest mean step of grey values (0 … 255) across an outline
    clearness: float = 0.2  # the same in standard deviations of the grey values in and round the box
    alike: float = 0.88  # IoU with the box above which the box stays: the outlines found are not truer than that

    def __post_init__(self) -> None:
        if not 0 < self.nearest < 1 < self.farthest:
            raise InputError(f"snap: found radii {self.nearest} … {self.farthest}, expected them on both sides of 1")


def snap(
    slab: NDArray[np.uint8],
    box: Corners,
    extractor: Extractor,
    *,
    voxel_size: VoxelSize,
    params: SnapParams | None = None,
) -> Corners | None:
    """Return the tight box of the organelle in a loose one.

    The recipe of the class says whether the organelle is dark or bright against what is round it. The outline is the
    closed path round the box's centre, one radius a ray, along which the grey values step most that way (an active
    contour by dynamic programming, Amini, Weymouth and Jain 1990, in polar coordinates); radii near the usual one are
    preferred. The recipes' own masks do not find it: in a loose box they take the neighbours' membranes in.

    Parameters
    ----------
    slab
        (y, x, c) grey values through the stack's window; the slice is the middle channel.
    box
        y0, x0, y1, x1; what lies outside the slice is cut off first. A side on the slice's edge stays there.
    extractor
        Recipe of the box's class.

    Returns
    -------
    tuple or None
        Corners inside the slice and (but for `grows`) inside the box, each side at least 3 px and (to the pixel)
        `nearest` times what it was; the box as it is where what is found is so much `alike` that the box may well be
        the better one. None where no outline is clear enough, or the box has less than 3 px in the slice.
    """
    params = params or SnapParams()
    shape = slab.shape[:2]
    y0, x0, y1, x1 = (int(v) for v in np.clip(box, 0, [*shape, *shape]))
    if min(y1 - y0, x1 - x0) < SMALLEST_PX:
        return None
    corners = (y0, x0, y1, x1)
    grey = slab[:, :, slab.shape[2] // 2]
    (mask,) = in_boxes(extractor, slab, np.array([corners], dtype=np.int32), voxel_size)
    sign = _polarity(grey, corners, mask, params.ring)
    polar = _Polar.of(grey, corners, voxel_size, params)
    spread = float(polar.grey.std())
    if sign == 0 or spread == 0:
        return None
    step = sign * polar.edge()
    score = step / spread - ((polar.radii - params.usual) / params.spread) ** 2
    score += params.region * _region(sign * polar.grey / spread, polar.radii)
    score[polar.outside] = _OUTSIDE
    path = _closed_path(score.astype(np.float32), params.stiffness)
    strength = float(step[np.arange(len(path)), path].mean())
    if strength < max(params.contrast, params.clearness * spread):
        return None
    found = _tight(polar, _refined(score, path), corners, shape, params)
    if found is not None and iou(np.array([corners]), np.array([found]))[0, 0] >= params.alike:
        return corners
    return found


def _polarity(grey: NDArray[np.uint8], corners: Corners, mask: NDArray[np.bool_], ring: float) -> int:
    """Return 1 where the masked part of the box is darker than the rest of it and its surroundings, −1 brighter."""
    y0, x0, y1, x1 = corners
    dy, dx = (max(2, round(ring * side)) for side in (y1 - y0, x1 - x0))
    top, left = max(0, y0 - dy), max(0, x0 - dx)
    part = grey[top : y1 + dy, left : x1 + dx]
    inside = np.zeros(part.shape, dtype=np.bool_)
    inside[y0 - top : y1 - top, x0 - left : x1 - left] = mask
    if inside.all() or not inside.any():
        return 0
    return int(np.sign(part[~inside].mean() - part[inside].mean()))


@dataclass(frozen=True)
class _Polar:
    """The slice seen from the box's centre, (ray, radius); radius 1 is the inscribed ellipse."""

    grey: NDArray[np.float32]
    y: NDArray[np.float64]  # pixel positions, centres at whole numbers
    x: NDArray[np.float64]
    radii: NDArray[np.float64]
    outside: NDArray[np.bool_]
    width_px: float  # over which grey values step at an edge, to either side

    @classmethod
    def of(cls, grey: NDArray[np.uint8], corners: Corners, voxel_size: VoxelSize, params: SnapParams) -> "_Polar":
        y0, x0, y1, x1 = corners
        angles = np.arange(params.rays) / params.rays * _TURN
        radii = np.linspace(params.nearest, params.farthest, params.radii)
        y = (y0 + y1 - 1) / 2 + np.outer(np.sin(angles), radii) * (y1 - y0) / 2
        x = (x0 + x1 - 1) / 2 + np.outer(np.cos(angles), radii) * (x1 - x0) / 2
        short, long = sorted((y1 - y0, x1 - x0))
        sigma = max(min(voxel_size.to_pixels(params.blur_nm), short / 12), long / 2 * (radii[1] - radii[0]) / 2, 0.5)
        border = int(np.ceil(3 * sigma)) + 1
        top, left = max(0, int(y.min()) - border), max(0, int(x.min()) - border)
        part = grey[top : int(y.max()) + border + 1, left : int(x.max()) + border + 1]
        image = cv2.GaussianBlur(part.astype(np.float32), (0, 0), float(sigma), borderType=cv2.BORDER_REPLICATE)
        where = ((x - left).astype(np.float32), (y - top).astype(np.float32))
        values = cv2.remap(image, *where, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        outside = (y < 0) | (x < 0) | (y > grey.shape[0] - 1) | (x > grey.shape[1] - 1)
        return cls(np.asarray(values, dtype=np.float32), y, x, radii, outside, max(1.0, float(sigma)))

    def edge(self) -> NDArray[np.float64]:
        """Grey value a little farther out minus a little farther in."""
        lengths = np.hypot(self.y[:, 1] - self.y[:, 0], self.x[:, 1] - self.x[:, 0])
        reach = np.maximum(1, np.rint(self.width_px / lengths)).astype(np.int64)[:, None]
        places = np.arange(len(self.radii))
        out = np.take_along_axis(self.grey, np.minimum(places + reach, places[-1]), axis=1)
        into = np.take_along_axis(self.grey, np.maximum(places - reach, 0), axis=1)
        return out.astype(np.float64) - into


def _region(grey: NDArray[np.float32], radii: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how well the grey values up to each radius suit an inside that is darker than the outside."""
    middle = (grey[:, radii < 0.75].mean() + grey[:, radii > 1].mean()) / 2
    suits = np.clip(middle - grey, -1, 1) * radii
    inside: NDArray[np.float64] = np.cumsum(suits, axis=1) * (radii[1] - radii[0])
    return inside


def _closed_path(score: NDArray[np.float32], stiffness: float) -> NDArray[np.int64]:
    """Return a place on each ray with the greatest sum, neighbours at most one place apart.

    Two turns are walked and the middle of them taken, so that the ends meet.
    """
    rays, places = score.shape
    turns = np.concatenate([score, score, score[:1]])
    total = turns[0]
    came: list[NDArray[np.int64]] = []
    for row in turns[1:]:
        from_below = np.concatenate([[-np.inf], total[:-1] - stiffness])
        from_above = np.concatenate([total[1:] - stiffness, [-np.inf]])
        options = np.stack([from_below, total, from_above])
        best = options.argmax(axis=0)
        came.append(np.arange(places) + best - 1)
        total = options.max(axis=0) + row
    path = [int(total.argmax())]
    for back in reversed(came):
        path.append(int(back[path[-1]]))
    walked = np.array(path[::-1])[rays // 2 : rays // 2 + rays]
    return np.roll(walked, rays // 2)


def _refined(score: NDArray[np.float64], path: NDArray[np.int64]) -> NDArray[np.float64]:
    """Move each place to the top of the parabola through its score and those beside it, at most half a place."""
    rays = np.arange(len(path))
    inner = np.clip(path, 1, score.shape[1] - 2)
    before, here, after = (score[rays, inner + k] for k in (-1, 0, 1))
    bend = before - 2 * here + after
    shift = np.divide(before - after, 2 * bend, out=np.zeros_like(bend), where=bend < 0)
    places: NDArray[np.float64] = np.where(path == inner, path + np.clip(shift, -0.5, 0.5), path)
    return places


def _tight(
    polar: _Polar, places: NDArray[np.float64], corners: Corners, shape: tuple[int, ...], params: SnapParams
) -> Corners | None:
    """Return the box round an outline, from the mean of the outermost points on each side."""
    low = np.floor(places).astype(np.int64)
    high = np.minimum(low + 1, len(polar.radii) - 1)
    rays, part = np.arange(len(places)), places - low
    result = [0, 0, 0, 0]
    for axis, grid in enumerate((polar.y, polar.x)):
        ordered = np.sort(grid[rays, low] * (1 - part) + grid[rays, high] * part)
        first, last = corners[axis], corners[axis + 2]
        room = round(params.grows * (last - first))
        start = int(np.floor(ordered[: params.outermost].mean() + 0.5)) if first > 0 else 0
        stop = int(np.floor(ordered[-params.outermost :].mean() + 1.5 - 1e-9)) if last < shape[axis] else last
        result[axis], result[axis + 2] = max(0, start, first - room), min(shape[axis], stop, last + room)
    y0, x0, y1, x1 = result
    return (y0, x0, y1, x1) if min(y1 - y0, x1 - x0) >= SMALLEST_PX else None
