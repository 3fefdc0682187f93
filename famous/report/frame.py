"""What frames a picture of meshes: the edges of the stack, its scale bar, the ground, and the way to sRGB."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from famous.errors import InputError
from famous.report.camera import Camera
from famous.report.lettering import font, round_length, write_length

INK = (0.32, 0.35, 0.40)  # of lines and letters on a light ground, sRGB
PALE_INK = (0.80, 0.83, 0.87)  # on a dark one

Vectors = NDArray[np.float32]


def over(top: Vectors, bottom: Vectors) -> Vectors:
    """Lay (…, 4) pixels over others; alpha is multiplied in."""
    laid: Vectors = top + bottom * (1 - top[..., 3:])
    return laid


def compose(content: Vectors, depth: Vectors, camera: Camera, *, unit_nm: float, letter_px: int) -> NDArray[np.uint8]:
    """Lines behind, meshes, lines in front, scale bar and ground, to sRGB.

    Parameters
    ----------
    content
        (h, w, 4) the meshes, linear light, alpha multiplied in.
    depth
        (h, w) of the opaque meshes along the view, infinite where there is none.
    unit_nm
        Length that is 1 in the camera's coordinates.

    Returns
    -------
    NDArray[np.uint8]
        (h, w, 3), or (h, w, 4) with straight alpha where the view has no background.
    """
    view = camera.view
    ground = None if view.background is None else np.array(rgba_of(view.background)[:3], np.float32)
    dark = ground is not None and float(ground @ (0.2126, 0.7152, 0.0722)) < 0.45
    ink = np.array(PALE_INK if dark else INK, np.float32)
    picture = _to_srgb(content)
    behind, front = camera.edges() if view.box else ([], [])
    picture = over(picture, _lines(camera, behind, ink, 0.55))
    if view.plane_nm is not None:
        picture = over(_plane(camera, depth, view.plane_nm / unit_nm, ink), picture)
    picture = over(_lines(camera, front, ink, 0.30), picture)
    if view.scale_bar:
        picture = over(_scale_bar(camera, unit_nm, letter_px, ink), picture)
    if ground is not None:
        picture = over(picture, np.broadcast_to(np.append(ground, 1.0), picture.shape).astype(np.float32))
        picture = picture[..., :3]
    else:
        straight = picture[..., :3] / np.maximum(picture[..., 3:], 1e-6)
        picture = np.concatenate([straight, picture[..., 3:]], axis=2)
    finished: NDArray[np.uint8] = np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    return finished


def _lines(camera: Camera, edges: list[tuple[int, int]], ink: Vectors, alpha: float) -> Vectors:
    """(h, w, 4) edges of the box as thin lines."""
    ends = camera.to_pixels(camera.corners)
    thick = max(1.0, min(camera.size_px) / 620)
    cover = _stroke(camera.size_px, [(ends[a], ends[b]) for a, b in edges], thick)
    return np.concatenate([cover[..., None] * ink, cover[..., None]], axis=2).astype(np.float32) * np.float32(alpha)


def _plane(camera: Camera, depth: Vectors, height: float, ink: Vectors) -> Vectors:
    """(h, w, 4) outline of the slice at a height above the floor, hidden where meshes stand before it."""
    round_trip = camera.corners[[0, 2, 6, 4, 0]]
    round_trip[:, 2] += height
    steps = np.linspace(0, 1, 2 * max(camera.size_px))[:, None]
    lines = []
    for start, end in pairwise(round_trip):
        points = start + (end - start) * steps
        pixels = camera.to_pixels(points)
        x, y = (np.clip(pixels[:, k].astype(int), 0, camera.size_px[k] - 1) for k in (0, 1))
        seen = camera.depths(points) <= depth[y, x] + 1e-3
        bounds = np.flatnonzero(np.diff(np.concatenate([[False], seen, [False]])))
        lines += [(pixels[a], pixels[b - 1]) for a, b in bounds.reshape(-1, 2)]
    cover = _stroke(camera.size_px, lines, max(1.6, min(camera.size_px) / 340))
    return np.concatenate([cover[..., None] * ink, cover[..., None]], axis=2).astype(np.float32)


def _stroke(size_px: tuple[int, int], lines: Sequence[tuple[NDArray[np.float64], ...]], thick_px: float) -> Vectors:
    """(h, w) share of each pixel that the lines cover, 0 … 1."""
    import cv2

    width, height = size_px
    fine, shift = 4, 4
    canvas = np.zeros((height * fine, width * fine), np.uint8)
    for start, end in lines:
        ends = [tuple(int(v) for v in np.round((point * fine - 0.5) * 2**shift)) for point in (start, end)]
        cv2.line(canvas, ends[0], ends[1], 255, max(1, round(thick_px * fine)), cv2.LINE_AA, shift)
    small: Vectors = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return small


def _scale_bar(camera: Camera, unit_nm: float, letter_px: int, ink: Vectors) -> Vectors:
    """(h, w, 4) bar below the lower edge in front, as long as perspective has it there, and its length."""
    from PIL import Image, ImageDraw

    start, end = camera.lower_front_edge()
    edge_nm = float(np.linalg.norm(end - start)) * unit_nm
    length_nm = round_length(edge_nm * 0.42)
    along = (end - start) / edge_nm * length_nm / 2
    points = camera.to_pixels(np.stack([(start + end) / 2 - along, (start + end) / 2 + along]))
    outward = np.array([points[0, 1] - points[1, 1], points[1, 0] - points[0, 0]])
    outward *= np.sign(outward[1] or 1.0) / max(float(np.linalg.norm(outward)), 1e-9)
    points += outward * 0.7 * letter_px
    cover = _stroke(camera.size_px, [(points[0], points[1])], max(1.5, letter_px / 6))
    image = Image.fromarray(np.round(cover * 255).astype(np.uint8))
    text, letters = write_length(length_nm), font(letter_px)
    room = 0.45 * letter_px + 0.5 * (letters.getlength(text) * abs(outward[0]) + letter_px * abs(outward[1]))
    x, y = points.mean(axis=0) + outward * room
    ImageDraw.Draw(image).text((x, y), text, fill=255, font=letters, anchor="mm")
    alpha = np.asarray(image, np.float32)[..., None] / 255
    return np.concatenate([alpha * ink, alpha], axis=2).astype(np.float32)


def rgba_of(colour: str) -> tuple[float, float, float, float]:
    """Red, green, blue and alpha of a CSS colour, sRGB, 0 … 1."""
    from PIL import ImageColor

    try:
        parts = ImageColor.getrgb(colour)
    except ValueError as error:
        raise InputError(f"render: found colour {colour!r}, expected a CSS colour, e.g. #e69f00") from error
    red, green, blue, alpha = (*parts, 255)[:4]
    return red / 255, green / 255, blue / 255, alpha / 255


def to_linear(srgb: Vectors) -> Vectors:
    """Turn sRGB, 0 … 1, into linear light."""
    linear: Vectors = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4).astype(np.float32)
    return linear


def _to_srgb(rgba: Vectors) -> Vectors:
    """Turn linear light into sRGB; alpha stays multiplied in."""
    alpha = np.maximum(rgba[..., 3:], 1e-6)
    linear = np.clip(rgba[..., :3] / alpha, 0, 1)
    srgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.concatenate([srgb * rgba[..., 3:], rgba[..., 3:]], axis=2, dtype=np.float32)
