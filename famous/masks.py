"""Masks of one instance, also those too large to lie in memory as they are."""

import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

SLAB_VOXELS = 1 << 20  # looked at at a time
ENDS = (slice(1), slice(-1, None))
LEVEL = 1  # of zlib: masks are flat, higher levels cost time and save little


class Mask(Protocol):
    """What one instance's voxels are to those who go through them slice by slice: an array, or a packed one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(z, y, x) in voxels."""

    def __getitem__(self, key: slice, /) -> NDArray[np.bool_]:
        """Return a range of slices, (z, y, x)."""


class PackedMask:
    """A (z, y, x) mask, compressed slice by slice: about as large as the object's surface, not as its box.

    It begins empty; `mask[z0:z1]` unpacks a range of slices.
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape: tuple[int, ...] = shape
        self._slices: dict[int, bytes] = {}

    def put(self, z: int, image: NDArray[np.bool_]) -> None:
        """Set one slice, (y, x)."""
        if image.any():
            self._slices[z] = zlib.compress(np.packbits(image).data, LEVEL)
        else:
            self._slices.pop(z, None)

    def __getitem__(self, key: slice, /) -> NDArray[np.bool_]:
        """Return a range of slices, (z, y, x)."""
        chosen = range(*key.indices(self.shape[0]))
        part = np.zeros((len(chosen), *self.shape[1:]), dtype=np.bool_)
        for image, z in zip(part, chosen, strict=True):
            if z in self._slices:
                bits = np.frombuffer(zlib.decompress(self._slices[z]), dtype=np.uint8)
                image[...] = np.unpackbits(bits, count=image.size).reshape(image.shape).view(np.bool_)
        return part

    @property
    def nbytes(self) -> int:
        """Bytes that the packed slices take."""
        return sum(len(packed) for packed in self._slices.values())


def slabs(mask: Mask) -> list[slice]:
    """Cut the slices of a mask into ranges of at most `SLAB_VOXELS`, one slice at least."""
    depth, height, width = mask.shape
    thick = max(1, SLAB_VOXELS // max(1, height * width))
    return [slice(z, min(z + thick, depth)) for z in range(0, depth, thick)]


@dataclass(frozen=True)
class Body:
    """What a mask holds: its voxels per index along z, y and x."""

    profiles: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]

    @cached_property
    def voxels(self) -> int:
        """All of its voxels."""
        return int(self.profiles[0].sum())

    @cached_property
    def low(self) -> tuple[int, int, int]:
        """First index (z, y, x) with a voxel; 0 where there is none."""
        z, y, x = (int((profile > 0).argmax()) if self.voxels else 0 for profile in self.profiles)
        return z, y, x

    @cached_property
    def high(self) -> tuple[int, int, int]:
        """One past the last index (z, y, x) with a voxel; 0 where there is none."""
        z, y, x = (len(p) - int((p[::-1] > 0).argmax()) if self.voxels else 0 for p in self.profiles)
        return z, y, x

    @property
    def shape(self) -> NDArray[np.int64]:
        """(z, y, x) voxels of the range that holds it."""
        return np.subtract(self.high, self.low)


def find_body(mask: Mask) -> Body:
    """Go through a mask once."""
    z, y, x = (np.zeros(length, dtype=np.int64) for length in mask.shape)
    for part in slabs(mask):
        block = mask[part].view(np.uint8)
        z[part] = [np.count_nonzero(image) for image in block]
        flat = block.sum(axis=0, dtype=np.uint32)
        y += flat.sum(axis=1, dtype=np.int64)
        x += flat.sum(axis=0, dtype=np.int64)
    return Body((z, y, x))


def count_exposed(mask: Mask) -> tuple[int, int, int]:
    """Faces between a voxel and the background, the ends of the mask included, by the axis that they look along."""
    exposed = np.zeros(3, dtype=np.int64)
    last = np.zeros((1, *mask.shape[1:]), dtype=np.bool_)
    for part in slabs(mask):
        block = mask[part]
        exposed[0] += np.count_nonzero(block[:1] != last) + np.count_nonzero(block[1:] != block[:-1])
        exposed[1] += np.count_nonzero(block[:, 1:] != block[:, :-1]) + sum(np.count_nonzero(block[:, e]) for e in ENDS)
        exposed[2] += np.count_nonzero(block[:, :, 1:] != block[:, :, :-1]) + sum(
            np.count_nonzero(block[:, :, e]) for e in ENDS
        )
        last = block[-1:]
    z, y, x = (int(count) for count in exposed)
    return z + int(np.count_nonzero(last)), y, x
