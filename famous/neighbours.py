"""The 26 neighbours of a voxel, and whether it may change sides without a change of topology."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SHIFTS = [(z, y, x) for z in (-1, 0, 1) for y in (-1, 0, 1) for x in (-1, 0, 1) if (z, y, x) != (0, 0, 0)]
FACES = [k for k, shift in enumerate(SHIFTS) if sum(map(abs, shift)) == 1]
NEAR = [k for k, shift in enumerate(SHIFTS) if sum(map(abs, shift)) <= 2]  # the 18 that share a face or an edge


def _reached(k: int, among: list[int], farthest: int) -> int:
    """Bits of the neighbours that touch neighbour k: that share a face (1), or also an edge or a corner (3)."""
    bits = 0
    for other in among:
        steps = [abs(a - b) for a, b in zip(SHIFTS[k], SHIFTS[other], strict=True)]
        if other != k and max(steps) <= 1 and sum(steps) <= farthest:
            bits |= 1 << other
    return bits


_TOUCHING = [_reached(k, list(range(26)), 3) for k in range(26)]
_BESIDE = [_reached(k, NEAR, 1) if k in NEAR else 0 for k in range(26)]
_NEAR_BITS = sum(1 << k for k in NEAR)
FACE_BITS = sum(1 << k for k in FACES)


def flat_steps(shape: tuple[int, ...]) -> list[int]:
    """How far each of `SHIFTS` is in a flattened (z, y, x) array."""
    _, height, width = shape
    return [(z * height + y) * width + x for z, y, x in SHIFTS]


def neighbour_bits(inside: NDArray[np.bool_], flat: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which neighbours of voxels (n,), flat indices of none at the border, are inside: a bit for each of `SHIFTS`."""
    bits = np.zeros(len(flat), dtype=np.int64)
    for k, step in enumerate(flat_steps(inside.shape)):
        bits |= inside.reshape(-1)[flat + step].astype(np.int64) << k
    return bits


@lru_cache(maxsize=1 << 18)
def is_simple(neighbours: int) -> bool:
    """Tell whether a voxel with these neighbours, a bit for each of `SHIFTS`, can go without a change of topology.

    Its object neighbours must be one piece, and so must the background that it touches with a face (Bertrand and
    Malandain 1994).
    """
    background = ~neighbours & _NEAR_BITS
    if neighbours == 0 or not background & FACE_BITS:
        return False
    if _flood(neighbours & -neighbours, neighbours, _TOUCHING) != neighbours:
        return False
    faces = background & FACE_BITS
    return not faces & ~_flood(faces & -faces, background, _BESIDE)


def _flood(seed: int, among: int, reached: list[int]) -> int:
    """Return the bits that can be reached from one."""
    found, front = seed, seed
    while front:
        wave = 0
        while front:
            bit = front & -front
            front ^= bit
            wave |= reached[bit.bit_length() - 1]
        front = wave & among & ~found
        found |= front
    return found
