"""Pictures of many meshes without OpenGL, a window or a GPU: rays on the CPU, soft light, clean edges."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from famous.errors import InputError
from famous.mesh import Mesh
from famous.report.camera import Camera, View
from famous.report.frame import compose, over, rgba_of, to_linear
from famous.report.light import Lamps, openness, shade
from famous.report.scene import Hits, Scene, dot

FINE = 3  # samples along x and y of a pixel that has an edge in it
HAZE = 0.09  # how far the hindmost corner fades into the ground
TOGETHER = 1 << 18  # pixels that are sampled at a time
LAYERS = 6  # how many surfaces of translucent meshes are looked through

Vectors = NDArray[np.float32]


def render(
    meshes: Sequence[tuple[Mesh, str]],
    *,
    extent_nm: tuple[float, float, float],
    size_px: tuple[int, int] = (1000, 800),
    view: View | None = None,
    window_px: tuple[int, int, int, int] | None = None,
) -> NDArray[np.uint8]:
    """Draw meshes inside the box of their stack, in perspective, z up.

    Meshes have smooth shading, a lamp from above with soft shadows, a sky whose light the meshes take from each other
    (ambient occlusion), a faint rim and gloss. Only pixels with an edge in them are sampled more than once.

    Parameters
    ----------
    meshes
        Each with its CSS colour; one with an alpha, as `#56b4e960`, is a translucent hull.
    extent_nm
        Edge lengths (z, y, x) of the stack, which begins at 0.
    size_px
        Width and height of the picture.
    window_px
        Left, top, right and bottom of the part that is wanted, which may reach beyond the picture; none: all of it. Its
        light is grained from its own corner on.

    Returns
    -------
    NDArray[np.uint8]
        (height, width, 3), RGB; (height, width, 4) with straight alpha where the view has no background. The same
        input gives the same bytes on one machine.

    Raises
    ------
    InputError
        If the extent, the size or the window is not above 0, or a colour is none.
    """
    camera = place_camera(extent_nm, size_px, view or View())
    if window_px is not None:
        camera = camera.cut(window_px)
    sides_nm = np.array(extent_nm[::-1], dtype=np.float64)
    colours = np.array([rgba_of(colour) for _, colour in meshes], dtype=np.float32).reshape(-1, 4)
    solid = [mesh if alpha >= 1 else Mesh.empty() for (mesh, _), alpha in zip(meshes, colours[:, 3], strict=True)]
    hull = [mesh if alpha < 1 else Mesh.empty() for (mesh, _), alpha in zip(meshes, colours[:, 3], strict=True)]
    painter = _Painter(Scene(solid, sides_nm), Scene(hull, sides_nm), camera, colours)
    return compose(*painter.paint(), camera, unit_nm=float(sides_nm.max()), letter_px=letter_height(size_px))


def letter_height(size_px: tuple[int, int]) -> int:
    """Size of letters in px that suits a picture of (width, height)."""
    side = min(size_px)
    return max(9, round(side / 34), min(15, round(side / 14)))


def place_camera(extent_nm: tuple[float, float, float], size_px: tuple[int, int], view: View) -> Camera:
    """Put the camera such that the stack and its scale bar fill the picture."""
    sides_nm = np.array(extent_nm[::-1], dtype=np.float64)
    if sides_nm.shape != (3,) or not (np.isfinite(sides_nm).all() and (sides_nm > 0).all()):
        raise InputError(f"render: found an extent of {extent_nm} nm, expected three lengths above 0 (z, y, x)")
    if min(size_px) < 1:
        raise InputError(f"render: found a size of {size_px} pixels, expected a width and a height above 0")
    below = 2.4 * letter_height(size_px) if view.scale_bar else 0.0
    edge = 0.03 * min(size_px) + 1
    return Camera(sides_nm / sides_nm.max(), size_px, view, (edge, edge, edge, edge + below))


class _Painter:
    """The meshes' own pixels, linear light, alpha multiplied in."""

    def __init__(self, solid: Scene, hull: Scene, camera: Camera, colours: Vectors) -> None:
        self.solid, self.hull, self.camera = solid, hull, camera
        self.lamps = Lamps.of(camera.axes)
        self.alpha = colours[:, 3]
        reach = (camera.corners - camera.position) @ camera.axes[2]
        self.near, self.far = np.float32(reach.min()), np.float32(reach.max())
        self.haze = to_linear(np.array(rgba_of(camera.view.background or "white")[:3], np.float32))
        self.albedo = to_linear(colours[:, :3])

    def paint(self) -> tuple[Vectors, Vectors]:
        """(h, w, 4) colours and (h, w) depths: a sample in the middle of each pixel, FINE² where edges are."""
        width, height = self.camera.size_px
        y, x = np.mgrid[:height, :width]
        middles = np.stack([x.ravel(), y.ravel()], axis=1) + 0.5
        rays = self.camera.rays(middles)
        hits = self.solid.cast(rays)
        light = openness(self.solid, hits, (height, width), self.lamps)
        shell, shell_hits = self._hulls(rays, hits)
        rgba = over(shell, self._shade(hits, light, rays))
        rough = np.flatnonzero(_edges(hits, (height, width)) | _edges(shell_hits, (height, width)))
        for start in range(0, len(rough), TOGETHER):
            some = rough[start : start + TOGETHER]
            rgba[some] = self._sample(some, middles, hits, light)
        return rgba.reshape(height, width, 4), hits.depth.reshape(height, width)

    def _sample(self, rough: NDArray[np.int64], middles: NDArray[np.float64], hits: Hits, light: Vectors) -> Vectors:
        """(n, 4) means over FINE² samples of the pixels named; their light is that of a sample on the same mesh."""
        width, height = self.camera.size_px
        total = np.zeros((len(rough), 4), np.float32)
        steps = (np.arange(FINE) + 0.5) / FINE - 0.5
        near = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        rows, columns = np.clip(rough // width + [[dy] for dy, _ in near], 0, height - 1), rough % width
        pixels = rows * width + np.clip(columns + [[dx] for _, dx in near], 0, width - 1)  # (9, n)
        normals, members = hits.normal[pixels], hits.member[pixels]
        away = np.array([[0.01 * (abs(dy) + abs(dx))] for dy, dx in near], np.float32)
        for step_y in steps:
            for step_x in steps:
                rays = self.camera.rays(middles[rough] + (step_x, step_y))
                fine = self.solid.cast(rays)
                alike = np.where(members == fine.member, dot(normals, fine.normal[None]) - away, -np.inf)
                best = alike.argmax(axis=0)[None]
                known = np.isfinite(np.take_along_axis(alike, best, axis=0)[0])
                borrowed = np.where(known[:, None], light[np.take_along_axis(pixels, best, axis=0)[0]], np.float32(0.7))
                total += over(self._hulls(rays, fine)[0], self._shade(fine, borrowed, rays))
        total /= FINE**2
        return total

    def _shade(self, hits: Hits, light: Vectors, rays: Vectors) -> Vectors:
        """(n, 4) opaque surfaces; 0 where there is none."""
        rgba = np.zeros((len(rays), 4), np.float32)
        hit = np.flatnonzero(hits.member >= 0)
        rgba[hit, :3] = shade(self.albedo[hits.member[hit]], hits.normal[hit], light[hit], rays[hit, 3:], self.lamps)
        far = np.clip((hits.depth[hit] - self.near) / (self.far - self.near), 0, 1)[:, None]
        rgba[hit, :3] += (self.haze - rgba[hit, :3]) * HAZE * far
        rgba[hit, 3] = 1
        return rgba

    def _hulls(self, rays: Vectors, solid: Hits) -> tuple[Vectors, Hits]:
        """(n, 4) translucent surfaces before the opaque one, the nearest on top, and where the first is hit."""
        rgba = np.zeros((len(rays), 4), np.float32)
        first = self.hull.cast(rays)
        if self.hull.is_empty:
            return rgba, first
        passed = np.zeros(len(rays), np.float32)
        hits = first
        for _ in range(LAYERS):
            hit = np.flatnonzero((hits.member >= 0) & (hits.depth + passed < solid.depth))
            if len(hit) == 0:
                break
            member, away = hits.member[hit], rays[hit, 3:]
            facing = np.abs(dot(hits.normal[hit], away)) / np.linalg.norm(away, axis=1)
            alpha = np.clip(self.alpha[member] * (0.45 + 1.6 * (1 - facing) ** 2), 0, 1)
            even = np.full((len(hit), 2), 0.9, np.float32)
            colour = shade(self.albedo[member], hits.normal[hit], even, away, self.lamps)
            layer = np.concatenate([colour, np.ones((len(hit), 1), np.float32)], axis=1) * alpha[:, None]
            rgba[hit] = over(rgba[hit], layer)
            passed[hit] += hits.depth[hit] + np.float32(1e-4)
            onward = rays.copy()
            onward[:, :3] += rays[:, 3:] * passed[:, None]
            gone = np.ones(len(rays), dtype=np.bool_)
            gone[hit] = False
            hits = self.hull.cast(onward)
            hits.member[gone] = -1
        return rgba, first


def _edges(hits: Hits, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """(h·w,) pixels beside which another mesh, another surface or a crease begins."""
    member, normal = hits.member.reshape(shape), hits.normal.reshape(*shape, 3)
    edge = np.zeros(shape, dtype=np.bool_)
    for axis in (0, 1):
        one, other = ((slice(None),) * axis + (part,) for part in (slice(None, -1), slice(1, None)))
        alike = dot(normal[one], normal[other])
        differs = (member[one] != member[other]) | ((member[one] >= 0) & (alike < 0.85))
        edge[one] |= differs
        edge[other] |= differs
    return edge.ravel()
