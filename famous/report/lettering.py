"""Text and scale bars in pictures: the font that matplotlib carries, round lengths, and how to write them."""

import math
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from famous.errors import MissingError
from famous.voxels import NM_PER_UM

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont


@cache
def font(size_px: int, *, bold: bool = False) -> "FreeTypeFont":
    """Load DejaVu Sans out of matplotlib's folder, without importing it: it has µ, ×, ² and Greek, and needs no cache.

    Raises
    ------
    MissingError
        If matplotlib is not installed.
    """
    from PIL import ImageFont

    spec = find_spec("matplotlib")
    if spec is None or spec.origin is None:
        raise MissingError("matplotlib: not found, expected its fonts for the pictures; run: pip install matplotlib")
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / name), size_px)


def round_length(longest_nm: float) -> float:
    """Give the largest length of the form 1, 2 or 5 · 10ⁿ that is not longer, in nm; 0 where there is no room."""
    if not (math.isfinite(longest_nm) and longest_nm > 0):
        return 0.0
    power = 10.0 ** math.floor(math.log10(longest_nm))
    return max(factor * power for factor in (0.5, 1, 2, 5) if factor * power <= longest_nm * (1 + 1e-9))


def write_length(length_nm: float) -> str:
    """Write a length with the unit a reader expects: `200 nm`, `1 µm`, `2 mm`."""
    if length_nm < NM_PER_UM * (1 - 1e-9):
        return f"{length_nm:g} nm"
    if length_nm < 1e6 * (1 - 1e-9):
        return f"{length_nm / NM_PER_UM:g} µm"
    return f"{length_nm / 1e6:g} mm"


def shorten(text: str, letters: "FreeTypeFont", room_px: float) -> str:
    """Cut a text that is too long for its room and end it with `…`."""
    if letters.getlength(text) <= room_px:
        return text
    while text and letters.getlength(text + "…") > room_px:
        text = text[:-1]
    return text.rstrip() + "…"
