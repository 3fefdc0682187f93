"""Slices for the page: tiles of an image pyramid, cuts through z, a histogram; few slices in memory at any time."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from famous.annotate.histogram import Histogram, Sample, make_histogram, take_sample
from famous.annotate.memory import Gate, Held
from famous.annotate.preview import between_levels, preview, preview_shapes
from famous.annotate.pyramid import GreyCode, halve, level_shape, pyramid
from famous.errors import InputError
from famous.stack import Stack, Window

TILE_PX = 512
_LOCKS = 16
_READERS = 2


@dataclass(frozen=True)
class ImagesParams:
    """How much is held in memory and fetched ahead."""

    slice_bytes: int = 512 * 2**20  # slices with their pyramids; the slice being looked at is held whatever its size
    cut_bytes: int = 400 * 2**20  # slices reduced for the cuts
    memory_share: float = 1 / 16  # of the machine's memory, for each of the two above where that is less
    cut_half: int = 64  # slices to each side in a cut, at most
    cut_across: int = 256  # samples to each side in a cut, at most
    cut_side_px: int = 2048  # longest side of a slice held for the cuts
    ahead: int = 3  # slices fetched in the direction in which the user moves
    behind: int = 1  # slices fetched on the other side
    preview_bytes: int = 32 * 2**20  # previews
    preview_px: int = 4096  # longest side of the previews made before anybody asks: as wide as screens are
    sampled: int = 8  # slices that the histogram and the grey range are taken from
    margin: float = 0.05  # room on either side of the sampled grey range, share of it (types wider than 16 bits)


@dataclass(frozen=True)
class Cuts:
    """Two cuts through a voxel, (slice, pixel), grey values as in tiles.

    Sample j of `xz` covers the pixels x0 + j · step_px … x0 + (j + 1) · step_px − 1, row i is slice z0 + i; `yz`
    likewise along y. Slices that are not in memory are 0 and `missing`: they are being fetched, so ask again. Those
    that cannot be read are 0 and `unreadable`.
    """

    xz: NDArray[Any]
    yz: NDArray[Any]
    z0: int
    y0: int
    x0: int
    step_px: int
    missing: tuple[int, ...]
    unreadable: tuple[int, ...] = ()


class Images:
    """What the page sees of a stack. Thread-safe; `close()` (or `with`) ends its threads.

    A tile's value v is the grey value offset + scale · v. Stacks of 8 bits come as they are, others of up to 16 bits
    keep every value, wider ones are mapped to 16 bits by one line for the whole stack (NaN is 0, what lies outside is
    clipped).
    """

    def __init__(self, stack: Stack, params: ImagesParams | None = None) -> None:
        self.stack = stack
        self.params = params or ImagesParams()
        self._dtype = np.dtype(stack.volume.dtype)
        self.bits = 8 if (code := GreyCode.exact(self._dtype)) and code.bits == 8 else 16
        _, height, width = stack.shape
        self._plane = (height, width)
        self.levels = _halvings(self._plane, lambda shape: max(shape) <= TILE_PX) + 1
        share = int(psutil.virtual_memory().total * self.params.memory_share)
        self._slice_bytes = sum(map(self._bytes, range(self.levels)))
        self._slices: Held[int, tuple[NDArray[Any], ...]] = Held(min(self.params.slice_bytes, share))
        self._reduced: Held[int, NDArray[Any]] = Held(min(self.params.cut_bytes, share))
        deep = min(len(stack), 2 * self.params.cut_half + 1)
        self._cut_level = _halvings(
            self._plane,
            lambda shape: (
                max(shape) <= self.params.cut_side_px
                and deep * shape[0] * shape[1] * self.bits // 8 <= self._reduced.limit_bytes
            ),
        )
        self._previews: Held[tuple[int, int, Window, bool], bytes] = Held(self.params.preview_bytes)
        self._unreadable: set[int] = set()
        self._gate = Gate(_READERS)
        self._slice_locks = tuple(threading.Lock() for _ in range(_LOCKS))
        self._lock = threading.Lock()
        self._sampling = threading.Lock()
        self._neighbours = _Wishes("neighbours")
        self._depth = _Wishes("cuts")
        self._last_z = -1
        self._direction = 1
        self._closed = False

    @property
    def offset(self) -> float:
        """Grey value of the tile value 0; reads sampled slices where the type is wider than 16 bits."""
        return self._code.offset

    @property
    def scale(self) -> float:
        """Grey values per tile value."""
        return self._code.scale

    def tile(self, z: int, level: int, row: int, col: int) -> NDArray[Any]:
        """Return a tile, (≤ 512, ≤ 512) uint8 or uint16; level L is halved L times (mean of pixels).

        Raises IndexError where there is no such tile, InputError where the slice cannot be read.
        """
        self._check_level(z, level)
        height, width = level_shape(self._plane, level)
        y, x = row * TILE_PX, col * TILE_PX
        if not (0 <= y < height and 0 <= x < width):
            raise IndexError(f"{self.stack.name}: level {level} has no tile in row {row}, column {col}")
        return np.ascontiguousarray(self._slice(z)[level][y : y + TILE_PX, x : x + TILE_PX])

    def preview_shapes(self) -> list[tuple[int, int]]:
        """Return the shapes of a slice's pictures, (y, x), the finest first: from each to the next by √2."""
        return preview_shapes(self._plane, self.levels)

    def preview(self, z: int, step: int, window: Window, *, inverted: bool) -> bytes:
        """Return a whole slice as a JPEG, reduced by √2 so many times, in the window given; raises as `tile`."""
        self._check_level(z, (step + 1) // 2)
        key = (z, step, window, inverted)
        if (made := self._previews.get(key)) is None:
            values = self._slice(z)[step // 2]
            made = preview(between_levels(values) if step % 2 else values, self._code, window, inverted=inverted)
            self._previews.put(key, made, len(made))
        return made

    def histogram(self) -> Histogram:
        """Return the histogram of sampled slices, in grey values; measured once. InputError as in `tile`."""
        with self._sampling:
            return make_histogram(self._sample, self.bits, self.stack.window)

    def cuts(self, z: int, y: int, x: int, half: int, across: int | None = None) -> Cuts:
        """Return the cuts through a voxel, up to 2 · half + 1 slices by 2 · across + 1 samples; reads no file itself.

        `half` is at most `params.cut_half`; `across` (where not given: `half`) at most `params.cut_across`. Raises
        IndexError where the voxel lies outside the stack.
        """
        depth, height, width = self.stack.shape
        if not (0 <= z < depth and 0 <= y < height and 0 <= x < width):
            raise IndexError(f"{self.stack.name}: voxel {z}, {y}, {x} lies outside {self.stack.shape} (z, y, x)")
        across = min(max(half if across is None else across, 0), self.params.cut_across)
        half = min(max(half, 0), self.params.cut_half)
        step = 2**self._cut_level
        rows, columns = level_shape(self._plane, self._cut_level)
        zs, ys, xs = (
            range(max(0, at - reach), min(size, at + reach + 1))
            for at, size, reach in ((z, depth, half), (y // step, rows, across), (x // step, columns, across))
        )
        xz = np.zeros((len(zs), len(xs)), dtype=f"u{self.bits // 8}")
        yz = np.zeros((len(zs), len(ys)), dtype=xz.dtype)
        missing = []
        for i, k in enumerate(zs):
            image = self._reduced.get(k)
            if image is None:
                missing.append(k)
                continue
            xz[i] = image[y // step, xs.start : xs.stop]
            yz[i] = image[ys.start : ys.stop, x // step]
        with self._lock:
            unreadable = tuple(k for k in missing if k in self._unreadable)
        missing = [k for k in missing if k not in unreadable]
        self._depth.replace(self._reduce, sorted(missing, key=lambda k: abs(k - z)))
        return Cuts(xz, yz, zs.start, ys.start * step, xs.start * step, step, tuple(missing), unreadable)

    def begin(self, z: int, window: Window | None = None, *, inverted: bool = False) -> None:
        """Fetch the slice that will be looked at first, in the background; with a window, its previews too."""
        shapes = self.preview_shapes()
        steps = [step for step in reversed(range(len(shapes))) if max(shapes[step]) <= self.params.preview_px]

        def fetch(z: int) -> None:
            self._fetch(z)
            if window is not None:
                for step in steps:
                    self.preview(z, step, window, inverted=inverted)

        self._neighbours.replace(fetch, [z])

    def wait(self, seconds: float) -> None:
        """Wait until what `begin` or `prefetch` asked for is there, but no longer than so many seconds."""
        self._neighbours.wait(seconds)

    def prefetch(self, z: int) -> None:
        """Fetch the neighbours of the slice now looked at, in the background; replaces the call before."""
        with self._lock:
            if self._last_z not in (-1, z):
                self._direction = 1 if z > self._last_z else -1
            self._last_z = z
            way = self._direction
        near = [z + way * k for k in range(1, self.params.ahead + 1)]
        back = [z - way * k for k in range(1, self.params.behind + 1)]
        wanted = [k for k in (*near[:1], *back, *near[1:]) if 0 <= k < len(self.stack)]
        fitting = max(0, self._slices.limit_bytes // max(1, self._slice_bytes) - 1)
        self._neighbours.replace(self._fetch, [k for k in wanted[:fitting] if k not in self._slices])

    def close(self) -> None:
        """Stop fetching, wait for the slice being read, forget everything; a later call gets a RuntimeError."""
        self._closed = True
        self._neighbours.close()
        self._depth.close()
        self._slices.clear()
        self._reduced.clear()
        self._previews.clear()

    def __enter__(self) -> "Images":
        return self

    def __exit__(self, *fault: object) -> None:
        self.close()

    def _bytes(self, level: int) -> int:
        height, width = level_shape(self._plane, level)
        return height * width * self.bits // 8

    def _slice(self, z: int, background: int | None = None) -> tuple[NDArray[Any], ...]:
        """Return a slice's pyramid, reading the slice where it is not held; each slice is read by one thread only."""
        self._check_open()
        if (held := self._slices.get(z)) is not None:
            return held
        code = self._code
        with self._gate.enter(background), self._slice_locks[z % _LOCKS]:
            if (held := self._slices.get(z)) is not None:
                return held
            self._check_open()
            images = pyramid(code.encode(self.stack.grey(z)), self.levels)
            self._slices.put(z, images, self._slice_bytes)
            if self._cut_level < self.levels:
                self._hold_reduced(z, images[self._cut_level])
        return images

    def _check_level(self, z: int, level: int) -> None:
        if not (0 <= z < len(self.stack) and 0 <= level < self.levels):
            raise IndexError(f"{self.stack.name}: there is no level {level} of slice {z}")

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError(f"{self.stack.name}: its images are closed")

    def _fetch(self, z: int) -> None:
        self._slice(z, background=0)

    def _reduce(self, z: int) -> None:
        """Hold a slice for the cuts only."""
        code = self._code
        with self._gate.enter(background=-1):
            if self._closed or z in self._reduced:
                return
            held = self._slices.get(z)
            try:
                image = code.encode(self.stack.grey(z)) if held is None else held[0]
            except InputError:  # whoever asks for a tile of it is told why
                with self._lock:
                    self._unreadable.add(z)
                return
            for _ in range(self._cut_level):
                image = halve(image)
            self._hold_reduced(z, image)

    def _hold_reduced(self, z: int, image: NDArray[Any]) -> None:
        self._reduced.put(z, image, image.nbytes)
        with self._lock:
            self._unreadable.discard(z)

    @cached_property
    def _code(self) -> GreyCode:
        exact = GreyCode.exact(self._dtype)
        if exact is not None:
            return exact
        with self._sampling:
            low, high = self._sample.low, self._sample.high
        return GreyCode.spanning(low, high, is_whole=self._dtype.kind in "ui", margin=self.params.margin)

    @cached_property
    def _sample(self) -> Sample:
        return take_sample(self.stack, self.params.sampled)


class _Wishes:
    """One background thread that works off the latest list of slices; a fault ends the one slice only."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._lock = threading.Lock()
        self._pending: list[Future[None]] = []

    def replace(self, work: Callable[[int], None], slices: Sequence[int]) -> None:
        """Forget what has not begun, and work these off in their order."""
        with self._lock:
            for future in self._pending:
                future.cancel()
            self._pending = [self._pool.submit(work, z) for z in slices]

    def wait(self, seconds: float) -> None:
        with self._lock:
            pending = list(self._pending)
        wait(pending, timeout=seconds)

    def close(self) -> None:
        with self._lock:
            self._pool.shutdown(wait=True, cancel_futures=True)


def _halvings(shape: tuple[int, int], is_small: Callable[[tuple[int, int]], bool]) -> int:
    """Return how often an image must be halved until it is small enough, or one pixel."""
    level = 0
    while max(level_shape(shape, level)) > 1 and not is_small(level_shape(shape, level)):
        level += 1
    return level
