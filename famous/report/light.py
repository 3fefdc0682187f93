"""Light on surfaces: how much of lamp and sky reaches each pixel, and the colour that comes of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from famous.report.scene import Hits, Scene, dot, spiral, turn_to

#: in which of 16 directions each pixel of a square looks (Bayer's matrix); its neighbours share what they found
ORDER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])
TILE = len(ORDER)
SKY_RAYS = 6  # directions a pixel
LAMP_RAYS = 2  # towards places on the lamp, a pixel
SKY_REACH = 0.22  # how far another surface takes light away, as a share of the box's longest edge
LAMP_REACH = 0.9
SAME_DEPTH = 0.02  # neighbours further apart in depth do not share, same unit
LAMP_SIZE = 0.16  # radius of the lamp over its distance: how soft its shadows are

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Lamps:
    """Unit vectors (x, y, z) towards the lights."""

    key: Vectors
    fill: Vectors

    @classmethod
    def of(cls, axes: NDArray[np.float64]) -> "Lamps":
        """Hang the lamps beside a camera with these axes (right, down, forward): key upper left, fill right."""
        places = np.array([[-0.45, -0.85, -0.75], [0.8, 0.1, -0.6]]) @ axes
        key, fill = (places / np.linalg.norm(places, axis=1, keepdims=True)).astype(np.float32)
        return cls(key, fill)


def openness(scene: Scene, hits: Hits, shape: tuple[int, int], lamps: Lamps) -> Vectors:
    """(h·w, 2) share of the sky and of the lamp that each pixel sees; 1 where nothing is hit.

    Each pixel of a small square tries directions of its own, then neighbours on the same surface share (interleaved
    sampling; Keller and Heidrich 2001). A sky ray may be blocked within a reach that grows from ray to ray, so that
    what is near darkens more than what is far.
    """
    light = np.ones((len(hits.depth), 2), np.float32)
    hit = np.flatnonzero(hits.member >= 0)
    if len(hit) == 0:
        return light
    position, normal = hits.position[hit], hits.normal[hit]
    turn = (ORDER[hit // shape[1] % TILE, hit % shape[1] % TILE] / ORDER.size * 2 * np.pi).astype(np.float32)
    sky = np.zeros(len(hit), np.float32)
    for k, local in enumerate(spiral(SKY_RAYS)):
        reach = SKY_REACH * (0.4 + 1.2 * (k * 5 % SKY_RAYS + 0.5) / SKY_RAYS)
        sky += scene.sees(position, normal, turn_to(normal, local, turn), reach)
    lamp = np.zeros(len(hit), np.float32)
    key = np.broadcast_to(lamps.key, normal.shape)
    lit = np.flatnonzero((normal @ lamps.key) > -0.1)
    for k in range(LAMP_RAYS):
        away = LAMP_SIZE * np.sqrt((k + 0.5) / LAMP_RAYS)
        local = np.array([away * np.cos(2.4 * k), away * np.sin(2.4 * k), 1.0])
        local /= np.linalg.norm(local)
        lamp[lit] += scene.sees(position[lit], normal[lit], turn_to(key[lit], local, turn[lit]), LAMP_REACH)
    light[hit, 0], light[hit, 1] = sky / SKY_RAYS, lamp / LAMP_RAYS
    return _share(light.reshape(*shape, 2), hits).reshape(-1, 2)


def _share(light: Vectors, hits: Hits) -> Vectors:
    """Average over a square of pixels of the same mesh, as far as their normals and depths agree."""
    height, width = light.shape[:2]
    member, depth = hits.member.reshape(height, width), hits.depth.reshape(height, width)
    depth = np.where(np.isfinite(depth), depth, 0).astype(np.float32)
    normal = hits.normal.reshape(height, width, 3)
    total, weights = np.zeros_like(light), np.zeros((height, width, 1), np.float32)
    radius = TILE // 2  # with half the weight at the ends: as wide as the square
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            here = slice(max(0, -dy), height - max(0, dy)), slice(max(0, -dx), width - max(0, dx))
            there = slice(max(0, dy), height + min(0, dy)), slice(max(0, dx), width + min(0, dx))
            alike = np.clip(dot(normal[here], normal[there]), 0, 1) ** 4
            alike *= member[here] == member[there]
            alike *= np.abs(depth[here] - depth[there]) < SAME_DEPTH
            end = 0.5 ** ((abs(dy) == radius) + (abs(dx) == radius))
            total[here] += (end * alike)[..., None] * light[there]
            weights[here] += (end * alike)[..., None]
    shared: Vectors = np.where(weights > 0, total / np.maximum(weights, 1e-9), light)
    return shared


def shade(albedo: Vectors, normal: Vectors, light: Vectors, away: Vectors, lamps: Lamps) -> Vectors:
    """(n, 3) linear light that leaves n surfaces towards the eye.

    Parameters
    ----------
    albedo
        (n, 3) linear colours.
    normal, away
        (n, 3) surface normals, and directions of the rays that come from the eye.
    light
        (n, 2) share of sky and lamp that reaches the surface.
    """
    eye = -away / np.linalg.norm(away, axis=1, keepdims=True)
    sky, lamp = light[:, :1] ** 1.25, light[:, 1:]
    key = np.clip((normal @ lamps.key)[:, None] * 0.85 + 0.15, 0, 1) * lamp
    fill = np.clip((normal @ lamps.fill)[:, None], 0, 1) * sky
    dome = (0.62 + 0.38 * normal[:, 2:]) * sky
    half = lamps.key + eye
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    gloss = np.clip(dot(normal, half)[:, None], 0, 1) ** 38 * lamp
    facing = np.clip(dot(normal, eye)[:, None], 0, 1)
    rim = (1 - facing) ** 3 * sky
    glow = albedo ** (0.75 + 0.25 * sky)  # light that bounces between surfaces of one colour keeps it rich in corners
    colour: Vectors = glow * (0.70 * key + 0.20 * fill + 0.50 * dome) + 0.07 * gloss + 0.10 * rim * (0.4 + 0.6 * albedo)
    return colour.astype(np.float32)
