"""The grey values of a stack, from a few of its slices."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from famous.errors import InputError
from famous.stack import Stack, Window

BINS = 256
PIXELS = 2**17  # taken from each sampled slice, about
TAILS = (0.1, 99.9)  # percentiles that the histogram shows at least, with half their distance on either side


@dataclass(frozen=True)
class Sample:
    """Grey values of sampled slices: the least and the greatest of all their finite pixels, and some of those."""

    low: float
    high: float
    pixels: NDArray[np.float64]


@dataclass(frozen=True)
class Histogram:
    """Counts of 256 equal bins between two grey values, from sampled pixels; the outer bins hold what lies beyond."""

    low: float
    high: float
    counts: tuple[int, ...]


def take_sample(stack: Stack, slices: int) -> Sample:
    """Read a few slices spread over the stack; those that cannot be read are left out, InputError where none can.

    Without a finite pixel the range is 0 … 1.
    """
    faults: list[InputError] = []
    parts, lows, highs = [np.zeros(0)], [], []
    for z in np.unique(np.linspace(0, len(stack) - 1, min(len(stack), slices)).round().astype(int)):
        try:
            grey = stack.grey(int(z))
        except InputError as fault:
            faults.append(fault)
            continue
        low, high = _finite_range(grey)
        lows.append(low)
        highs.append(high)
        step = max(1, int(np.sqrt(grey.size / PIXELS)))
        pixels = grey[::step, ::step].ravel().astype(np.float64)
        parts.append(pixels[np.isfinite(pixels)])
    if faults and not lows:
        raise faults[0]
    low, high = min(lows, default=np.inf), max(highs, default=-np.inf)
    return Sample(low, high, np.concatenate(parts)) if low <= high else Sample(0.0, 1.0, np.zeros(0))


def make_histogram(sample: Sample, bits: int, window: Window | None = None) -> Histogram:
    """Count the sampled pixels: 0 … 255 for 8 bits, else over what is usual in the stack and its window.

    Padding zeros and a few hot pixels do not widen the range.
    """
    pixels = sample.pixels
    if bits == 8:
        low, high = 0.0, 255.0
    else:
        shown = pixels[pixels != 0] if pixels.any() else pixels
        first, last = np.percentile(shown, TAILS) if shown.size else (sample.low, sample.high)
        low = max(sample.low, first - (last - first) / 2)
        high = min(sample.high, last + (last - first) / 2)
        if window is not None:
            low, high = min(low, window.low), max(high, window.high)
        high = high if high > low else low + max(1.0, abs(low) * 1e-6)
    counts, _ = np.histogram(np.clip(pixels, low, high), bins=BINS, range=(low, high))
    return Histogram(float(low), float(high), tuple(int(n) for n in counts))


def _finite_range(grey: NDArray[Any]) -> tuple[float, float]:
    """Return the least and the greatest finite grey value; (inf, −inf) where there is none."""
    if grey.size and np.isfinite(low := float(grey.min())) and np.isfinite(high := float(grey.max())):
        return low, high
    finite = grey[np.isfinite(grey)]
    return (float(finite.min()), float(finite.max())) if finite.size else (np.inf, -np.inf)
