"""Shape-based interpolation: what lies between two slices, from the shapes in both and in their neighbours.

After Raya and Udupa (1990), Shape-based interpolation of multidimensional objects, with these changes. Parts that
belong together (`famous.surface.parts`) move with their centre and spread while they change (`famous.surface.poses`),
so that a tilted tube stays one and an ellipsoid an ellipsoid. What is interpolated is not the distance d to the edge
but 2 r d − d², r the part's largest distance: in a disc that is r² − ρ², along z a parabola for a ball, a cone and a
tube. It is interpolated by a cubic through four slices (Catmull and Rom 1974, `famous.surface.curves`). Where a part
ends, it goes on to get smaller as an ellipsoid does, or by its edge as a ring does that lies flat, so that the cap
follows from the slices before it: ends are taken as round, also those of a body that is flat there. Closed holes are
bodies of their own that are taken out, but for a ring that is seen to get thinner: its edges move.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from famous.surface.curves import Ending, Passing, thins
from famous.surface.parts import Image, Parts, Slice, beyond, groups
from famous.surface.poses import Window
from famous.surface.shapes import STAYS, Field, Shape

REACH = 3  # slices to either side that what lies next to a slice depends on
THINNER = 1.1  # by how much the area has to change to tell how it does
ROOM = 3  # pixels round a part, beyond the slices' distance


def interpolate_slices(
    mask: NDArray[np.bool_], parts: int, *, aspect: float = 1.0, spacing: float | None = None
) -> tuple[NDArray[np.float32], float]:
    """Put slices between the slices.

    Parameters
    ----------
    mask
        (z, y, x), True inside.
    parts
        How many fine slices replace one.
    aspect
        Height of a pixel over its width.
    spacing
        Distance of the slices in pixel widths; as many as parts if not said.

    Returns
    -------
    fine, first
        Fill grade 0 … 1 of the fine slices, (z · parts, y, x) with all of the first and last slice's half outside
        their centres, and the position of the first one against the centre of the mask's first slice, in fine steps.
        A shape that bulges or moves beyond the mask's sides is cut off there.
    """
    empty = np.zeros(mask.shape[1:], dtype=np.bool_)
    between = Between(lambda z: mask[z] if 0 <= z < len(mask) else empty, parts, aspect=aspect, spacing=spacing)
    return between.planes(0, len(mask)), 0.5 - parts / 2


def room_for(spacing: float) -> int:
    """Pixels round a part in which it may bulge and lean between slices that lie so far apart, in pixels."""
    return int(np.ceil(spacing)) + ROOM


@dataclass(frozen=True, eq=False)
class _Gap:
    """What lies between two slices: fill grades (parts, y, x) in windows of the bodies there, and of their holes."""

    bodies: list[tuple[Window, Field]]
    holes: list[tuple[Window, Field]]

    def put_into(self, fine: Field, chosen: slice) -> None:
        """Add some of its planes to empty ones."""
        for window, fill in self.bodies:
            part = fine[:, *window.slices]
            np.maximum(part, fill[chosen], out=part)
        for window, fill in self.holes:
            part = fine[:, *window.slices]
            np.minimum(part, np.float32(1) - fill[chosen], out=part)

    @property
    def filled(self) -> float:
        """Sum of all fill grades."""
        bodies, holes = (
            sum(float(fill.sum(dtype=np.float64)) for _, fill in some) for some in (self.bodies, self.holes)
        )
        return bodies - holes


class Between:
    """The slices between those of a body that are read one after the other, each once.

    Parameters
    ----------
    read
        Returns slice z, (y, x), True inside; an empty one beyond the body.
    parts, aspect, spacing
        As for `interpolate_slices`.
    """

    def __init__(
        self, read: Callable[[int], Image], parts: int, *, aspect: float = 1.0, spacing: float | None = None
    ) -> None:
        self._read, self._parts, self._aspect = read, parts, aspect
        self._spacing = float(parts if spacing is None else spacing)
        self._slices: dict[int, Slice] = {}
        self._filled: dict[tuple[int, int], tuple[Slice, Slice]] = {}
        self._shapes: dict[tuple[Slice, tuple[int, ...]], Shape] = {}
        self._gaps: dict[int, _Gap] = {}
        self._found, self._thinned = 0.0, False

    @property
    def excess(self) -> float:
        """How many pixels (times slices) the planes so far have beyond the areas of the slices, each once.

        It is told of bodies that were seen to change by their edges, in the slices where these enclose a hole. There
        the area goes as the root of what a parabola tells, so that the sum over slices far apart is off by percents;
        elsewhere the slices are as near to the truth, and this is 0.
        """
        return self._found if self._thinned else 0.0

    def planes(self, start: int, end: int) -> Field:
        """Fill grades of the planes that replace slices start … end."""
        parts = self._parts
        fine = np.zeros(((end - start) * parts, *self._slice(start).image.shape), dtype=np.float32)
        for upper in range(start, end + 1):  # from the slice before
            first = upper * parts - (parts + 1) // 2 - start * parts  # of its planes
            low, high = max(first, 0), min(first + parts, len(fine))
            if low < high:
                self._gap(upper).put_into(fine[low:high], slice(low - first, high - first))
            self._forget(upper)
        return fine

    def _forget(self, upper: int) -> None:
        """Let go of what no later slice depends on."""
        for z in [z for z in self._slices if z < upper - REACH]:
            del self._slices[z]
        for pair in [pair for pair in self._filled if min(pair) < upper - REACH]:
            del self._filled[pair]
        for z in [z for z in self._gaps if z < upper]:
            del self._gaps[z]
        alive = {*self._slices.values(), *(one for both in self._filled.values() for one in both)}
        for key in [key for key in self._shapes if key[0] not in alive]:
            del self._shapes[key]

    def _slice(self, z: int) -> Slice:
        if z not in self._slices:
            self._slices[z] = Slice(self._read(z))
        return self._slices[z]

    def _gap(self, upper: int) -> _Gap:
        """What lies between a slice and the one before."""
        if upper not in self._gaps:
            self._gaps[upper] = self._find(upper)
        return self._gaps[upper]

    def _find(self, upper: int) -> _Gap:
        near = [self._slice(z) for z in range(upper - REACH, upper + REACH)]
        if not near[REACH - 1].any and not near[REACH].any:
            return _Gap([], [])
        pairs = [(z, z + 1 if z < upper else z - 1) for z in range(upper - REACH, upper + REACH)]
        both = [self._fill(*pair) for pair in pairs]
        bodies, holes = [one for one, _ in both], [hole for _, hole in both]
        none = bodies[REACH - 1] is near[REACH - 1] and bodies[REACH] is near[REACH]
        is_thin = not none and self._thins(near[REACH - 1], near[REACH])
        if is_thin:
            gap = _Gap(self._solid(near, near, near, is_thin=True), [])
        else:
            gap = _Gap(self._solid(bodies, near, near), [] if none else self._solid(holes, holes, near))
        lower, higher = near[REACH - 1], near[REACH]
        ends = (lower.has_holes and not higher.any) or (higher.has_holes and not lower.any)
        if ends or not none:
            self._thinned |= is_thin
            a, b = np.count_nonzero(lower.image), np.count_nonzero(higher.image)
            own = (b - a) / 2 if self._shares[0] == 0 else 0.0  # of the slice itself half is the gap's before
            self._found += (gap.filled + own) / self._parts - (a + b) / 2
        return gap

    @property
    def _shares(self) -> NDArray[np.float64]:
        """Places of the planes between two slices, 0 … 1 of the way."""
        half = 2 * (np.arange(self._parts) - (self._parts + 1) // 2) + 1 + self._parts
        shares: NDArray[np.float64] = half / (2 * self._parts)
        return shares

    def _thins(self, one: Slice, other: Slice) -> bool:
        """Whether what lies in two slices changes by its edges, outer and inner alike, as a flat ring does."""
        if not one.any or not other.any or one.is_cut or other.is_cut:
            return False
        small, large = sorted(
            (self._shape(here, tuple(range(1, here.number + 1))) for here in (one, other)), key=lambda shape: shape.area
        )
        return large.area > THINNER * small.area and thins(small, large)

    def _fill(self, z: int, other: int) -> tuple[Slice, Slice]:
        """A slice with the holes filled that it shares with another, and these holes."""
        if (z, other) not in self._filled:
            own = self._slice(z)
            whole = own.filled(self._slice(other))
            self._filled[z, other] = whole, whole.without(own) if whole is not own else Slice.empty(own.image.shape)
        return self._filled[z, other]

    def _solid(
        self, slices: Sequence[Slice], ended: Sequence[Slice], near: Sequence[Slice], *, is_thin: bool = False
    ) -> list[tuple[Window, Field]]:
        """Interpolate the groups of parts, each on its own.

        What ends does so as it is in the slices `ended`, a body with its holes. Where a body ends that has been filled,
        its outside and its hole go on evenly up to there. `near` are the slices as they were read.
        """
        found = []
        for group in groups(slices[1:-1]):
            parts = group.parts
            if all(parts[1:3]):
                open_ends = [
                    None if not own and self._opens(slices[at], here, near[at], near[beyond]) else own
                    for own, here, at, beyond in ((parts[0], parts[1], 2, 1), (parts[3], parts[2], 3, 4))
                ]
                parts = open_ends[0], parts[1], parts[2], open_ends[1]
            found.append(self._between(slices, ended, parts, is_thin=is_thin))
        return found

    def _between(
        self, slices: Sequence[Slice], ended: Sequence[Slice], parts: Parts, *, is_thin: bool
    ) -> tuple[Window, Field]:
        """Fill grades of one group."""
        shares = self._shares
        if not parts[2]:
            return self._ending(parts[1], (slices[2], ended[1], ended[0]), shares)
        if not parts[1]:
            return self._ending(parts[2], (slices[3], ended[4], ended[5]), 1 - shares)
        shapes = [self._shape(one, own) if own else None for one, own in zip(slices[1:-1], parts, strict=True)]
        window = self._shape(slices[2], parts[1]).window.over(self._shape(slices[3], parts[2]).window)
        return window, Passing.of(shapes, parts, window, self._spacing, is_thin=is_thin).along(shares)

    def _ending(
        self, own: tuple[int, ...], slices: tuple[Slice, Slice, Slice], shares: NDArray[np.float64]
    ) -> tuple[Window, Field]:
        """Fill grades of parts of the first of three slices that are not in the next one; the others come before.

        A hole that closes before the end is none of it.
        """
        here, last, shapes = slices[0], self._shape(slices[0], own), []
        parts: tuple[int, ...] | None = own
        for one in slices[1:]:
            there = one.closed_by(here)
            parts = beyond(parts, here, there) if parts else None
            shapes.append(self._shape(there, parts) if parts else None)
            here = there
        before, earlier = shapes
        kind = before.kind_to(last) if before else STAYS
        return last.window, Ending.of(last, before, earlier, kind, self._spacing).along(shares)

    @staticmethod
    def _opens(one: Slice, own: tuple[int, ...], near: Slice, beyond: Slice) -> bool:
        """Whether parts, or the holes that were filled in them, lie open at their end: no pixel covers them."""
        window = Window.round(one.boxes[list(own)], 0, one.image.shape).slices
        picked = one.pick(own, window)
        return bool((picked & ~near.image[window]).any() and not (picked & beyond.image[window]).any())

    def _shape(self, one: Slice, parts: tuple[int, ...]) -> Shape:
        if (one, parts) not in self._shapes:
            room = room_for(self._spacing)
            window = Window.round(one.boxes[list(parts)], room, one.image.shape)
            self._shapes[one, parts] = Shape.of(one.pick(parts, window.slices), window, self._aspect, room)
        return self._shapes[one, parts]
