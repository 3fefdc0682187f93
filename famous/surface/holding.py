"""Which grid points a blur must not carry over to the other side, so that a surface keeps its pieces and tunnels.

A blur moves many points to the other side of the surface, and nearly all of them may go there. They go one after the
other, each where it changes nothing in how the rest hangs together; those that are left have to stay: the thread of a
thin bridge, a plug in a gap that would close.
"""

import heapq
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from famous.neighbours import flat_steps, is_simple, neighbour_bits
from famous.surface.marching import Slab

MOST = 500_000  # points that change sides; with more of them nothing is looked for
AROUND = 2.0  # grid points round one that has to stay where others that changed sides stay too


def held(slabs: Iterable[Slab], level: float) -> NDArray[np.int64]:
    """Find the points that have to stay on the side where the solid has them.

    Parameters
    ----------
    slabs
        Of the whole field, with its solid; no point of its border is inside.
    level
        At which the field is to be cut.

    Returns
    -------
    Flat indices (n,) into the whole field, ascending: the points that may not change sides, and those close by that
    would, so that what stays is as thick as it was. Empty where more than `MOST` points would change sides.
    """
    codes: dict[int, int] = {}
    away: dict[int, float] = {}
    shape = (0, 0, 0)
    for first, solid, field in _with_neighbours(slabs):
        shape = solid.shape
        found, code, height = _changing(solid, field - np.float32(level))
        points = (found + first * shape[1] * shape[2]).tolist()
        codes.update(zip(points, code.tolist(), strict=True))
        away.update(zip(points, height.tolist(), strict=True))
        if len(codes) > MOST:
            return np.zeros(0, dtype=np.int64)
    changing = np.array(sorted(codes), dtype=np.int64)
    _let_go(codes, away, flat_steps(shape))
    if not codes:
        return np.zeros(0, dtype=np.int64)
    staying = np.array(sorted(codes), dtype=np.int64)
    near, _ = cKDTree(_places(staying, shape)).query(_places(changing, shape), distance_upper_bound=AROUND + 0.01)
    return changing[np.isfinite(near)]


def _with_neighbours(slabs: Iterable[Slab]) -> Iterator[tuple[int, NDArray[np.bool_], NDArray[np.float32]]]:
    """Planes of the solid and the field, with their number: each but the field's ends has both neighbours once."""
    solid: NDArray[np.bool_] | None = None
    field = np.zeros((0, 0, 0), dtype=np.float32)
    for slab in slabs:
        if slab.solid is None:
            raise ValueError("held: found a slab without its solid")
        if solid is None:
            solid, field = slab.solid, slab.field
        else:
            solid, field = np.concatenate([solid, slab.solid[1:]]), np.concatenate([field, slab.field[1:]])
        if len(solid) < 3:
            continue
        yield slab.first + len(slab.field) - len(solid), solid, field
        solid, field = solid[-2:], field[-2:]


def _changing(
    solid: NDArray[np.bool_], away: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Points between the first and the last plane that change sides: flat index, neighbours' bits, and how far."""
    changes = solid != (away > 0)
    changes[[0, -1]] = False
    found = np.flatnonzero(changes)
    return found, neighbour_bits(solid, found), np.abs(away.reshape(-1)[found])


def _let_go(codes: dict[int, int], away: dict[int, float], steps: list[int]) -> None:
    """Let every point change sides that can, the farthest first; those that cannot are left in `codes`."""
    queue = [(-far, point) for point, far in away.items()]
    heapq.heapify(queue)
    waiting = set(codes)
    while queue:
        _, point = heapq.heappop(queue)
        waiting.discard(point)
        if not is_simple(codes[point]):
            continue
        del codes[point]
        for k, step in enumerate(steps):
            other = point + step
            if other in codes:
                codes[other] ^= 1 << (25 - k)
                if other not in waiting:
                    waiting.add(other)
                    heapq.heappush(queue, (-away[other], other))


def _places(points: NDArray[np.int64], shape: tuple[int, int, int]) -> NDArray[np.float64]:
    """(n, 3) indices of flat ones."""
    plane, rest = np.divmod(points, shape[1] * shape[2])
    return np.stack([plane, *np.divmod(rest, shape[2])], axis=1).astype(np.float64)
