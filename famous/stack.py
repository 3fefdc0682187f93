"""The image stack: a lazy (z, y, x) array of grey values with its voxel size and one display window."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from famous.errors import InputError
from famous.voxels import VoxelSize

WINDOW_PERCENTILES = (0.5, 99.5)
SAMPLED_SLICES = 16


class LazyVolume(Protocol):
    """Anything with a (z, y, x) shape and a dtype whose `[z]` reads one slice."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(z, y, x)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the grey values."""

    def __getitem__(self, key: Any, /) -> Any:
        """`volume[z]` reads one slice as a (y, x) array."""


@dataclass(frozen=True)
class Window:
    """The two grey values that a whole stack is shown with: `low` becomes 0, `high` becomes 255."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.low) and np.isfinite(self.high) and self.high > self.low):
            raise InputError(f"window: found {self.low} … {self.high}, expected two finite values, low < high")


@dataclass(frozen=True)
class Stack:
    """A volume that is read slice by slice; nothing of it is held in memory.

    `voxel_size` is None where the file has none and nobody gave one; `window` is None until it was measured or given.
    `inverted` turns the grey values round after the window, for stacks with bright membranes.
    """

    volume: LazyVolume
    voxel_size: VoxelSize | None = None
    window: Window | None = None
    inverted: bool = False
    name: str = "stack"

    def __post_init__(self) -> None:
        if len(self.volume.shape) != 3:
            raise InputError(f"{self.name}: found shape {self.volume.shape}, expected three axes (z, y, x)")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(z, y, x)."""
        z, y, x = self.volume.shape
        return int(z), int(y), int(x)

    def __len__(self) -> int:
        return self.shape[0]

    def grey(self, z: int) -> NDArray[Any]:
        """Read slice z as it is in the file, (y, x)."""
        if not 0 <= z < len(self):
            raise IndexError(f"{self.name}: slice {z} does not exist, the stack has 0 … {len(self) - 1}")
        return np.asarray(self.volume[z])

    def image(self, z: int) -> NDArray[np.uint8]:
        """Read slice z through the stack's window, (y, x) uint8; NaN becomes 0."""
        if self.window is None:
            raise InputError(f"{self.name}: the stack has no window yet; measure one with `measure_window`")
        return to_uint8(self.grey(z), self.window, inverted=self.inverted)

    def with_window(self, window: Window | None = None) -> "Stack":
        """Return the same stack with a window, measured where none is given."""
        return replace(self, window=window or measure_window(self))

    def slab(self, z: int) -> NDArray[np.uint8]:
        """Read z − 1, z, z + 1 as (y, x, 3) uint8; beyond the first and last slice the edge slice is repeated."""
        return next(slabs(self, [z]))[1]


def slabs(stack: Stack, slices: Iterable[int], channels: int = 3) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield (z, slab) for rising slices, reading each slice of the stack once; a slab is (y, x, channels).

    With three channels it is z − 1, z, z + 1, with five z − 2 … z + 2, with one the slice alone. Beyond the first and
    last slice the edge slice is repeated.
    """
    held: dict[int, NDArray[np.uint8]] = {}
    last = len(stack) - 1
    for z in slices:
        reach = channels // 2
        wanted = [min(max(k, 0), last) for k in range(z - reach, z + reach + 1)] if reach else [z]
        held = {k: held[k] if k in held else stack.image(k) for k in sorted(set(wanted))}
        yield z, np.asarray(cv2.merge([held[k] for k in wanted]), np.uint8).reshape(*stack.shape[1:], channels)


def to_uint8(grey: NDArray[Any], window: Window, *, inverted: bool = False) -> NDArray[np.uint8]:
    """Scale grey values so that the window spans 0 … 255; values outside are clipped, NaN becomes 0."""
    if grey.dtype == np.uint8 and window == Window(0, 255):
        image: NDArray[np.uint8] = grey
        return 255 - image if inverted else image
    if grey.dtype == np.uint8 and grey.size > 256:  # as many results as grey values: look them up
        return np.asarray(cv2.LUT(grey, to_uint8(np.arange(256, dtype=np.uint8), window, inverted=inverted)), np.uint8)
    values = grey.astype(np.result_type(grey.dtype, np.float32))
    inside = np.clip(values, window.low, window.high) - window.low  # clipped first: infinity must not be scaled
    scaled = np.rint(inside * (255.0 / (window.high - window.low)))
    image = np.nan_to_num(scaled).astype(np.uint8)
    if inverted:
        image = np.where(np.isnan(scaled), np.uint8(0), 255 - image)
    return image


def measure_window(stack: Stack) -> Window:
    """Take the percentiles 0.5 and 99.5 of up to 16 slices spread over the stack, without NaN and padding zeros."""
    if 0 in stack.shape:
        raise InputError(f"{stack.name}: found shape {stack.shape}, there is no pixel to measure a window from")
    chosen = np.unique(np.linspace(0, len(stack) - 1, min(SAMPLED_SLICES, len(stack))).round().astype(int))
    samples = []
    for z in chosen:
        grey = stack.grey(int(z))
        step = max(1, int(np.sqrt(grey.size / 65536)))
        values = grey[::step, ::step].ravel().astype(np.float64)
        samples.append(values[np.isfinite(values)])
    values = np.concatenate(samples)
    if values.size == 0:
        raise InputError(f"{stack.name}: found no finite grey value in {len(chosen)} sampled slices")
    padded = values[values != 0]
    low, high = np.percentile(padded if padded.size else values, WINDOW_PERCENTILES)
    return Window(float(low), float(high) if high > low else float(low) + max(1.0, abs(float(low)) * 1e-6))
