"""The curves that lead the shapes of one slice to those of the next: on from two sides, or to an end."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from famous.surface.poses import STILL, Matrix, Pose, Window, bring, mean_pose
from famous.surface.shapes import MOVES, NEARER, SPREADS, STAYS, SURE, Field, Shape

BLUNT = 0.3  # a part that ends without getting smaller is so far below 0 in the next slice, as a share of its size
LONE = 0.75  # a part of one slice ends so far from it, in slices, at most
STEEPEST = 8.0  # second difference of r² − ρ² that is believed, in squares of the slices' distance; a ball's is 2
BULGE = 0.1, 1.0  # second difference of an end's size that is believed, over a ball's
STEPS = 0.25, 0.5, 0.75, 1.0, 1.25, 1.5  # pixels by which an edge is moved so that a piece stays whole
BAND = 2.0  # distances (pixels) beyond count as this
DRIFT = 0.5  # of the way of the last two slices goes on where a part ends
LEAST = 0.1  # half width (pixels) below which nothing is left
UNTOLD = 1 / 3  # share of the change of a shape that is left at most where its edge is said to have moved
ELLIPTIC = 0.9  # intersection over union with the ellipse of the same spread from which on a part is one

Ends = tuple[int, ...] | None  # as in `famous.surface.parts.Group`


@dataclass(frozen=True, eq=False)
class Ending:
    """A shape that gets smaller until it has gone, while its centre drifts on.

    It does so towards its centre, as an ellipsoid does, or by its edge, which moves in alike everywhere, as that of a
    ring or a tube does that lies flat.
    """

    shape: Shape
    way: Matrix  # (y, x) a slice
    bend: tuple[float, float]  # its size, as an area, or its width's square, is 1 + first · s + second · s²
    by_edge: bool

    @classmethod
    def of(cls, shape: Shape, before: Shape | None, earlier: Shape | None, kind: int, spacing: float) -> "Ending":
        """End a shape, given those of the last slices."""
        by_edge = ends_by_edge(shape, before)
        if before is None:
            return cls(shape, np.zeros(2), (0.0, -max((spacing / shape.radius) ** 2, 1 / LONE**2)), by_edge)
        way = DRIFT * (shape.own.centre - before.own.centre) if kind != STAYS else np.zeros(2)
        ratio = shape.share_of(before, by_edge=by_edge)
        first = None if earlier is None else shape.share_of(earlier, by_edge=by_edge)
        last = end_size(shape.radius, ratio, first, spacing, abrupt=-BLUNT)
        return cls(shape, way, ((last - ratio) / 2, (last + ratio) / 2 - 1), by_edge)

    def along(self, shares: NDArray[np.float64]) -> Field:
        """Fill grades (n, y, x) in the shape's window at shares 0 … 1 of the way to the next slice."""
        own, window = self.shape.own, self.shape.window
        sizes = 1 + self.bend[0] * shares + self.bend[1] * shares**2
        fill = np.zeros((len(shares), *window.shape), dtype=np.float32)
        for k in np.flatnonzero(sizes * self.shape.radius**2 > LEAST**2).tolist():
            spread = own.spread if self.by_edge else own.spread * sizes[k]
            there = Pose(own.centre + shares[k] * self.way, spread) if shares[k] else own
            distance = self._moved_in(float(sizes[k])) if self.by_edge else self.shape.distance
            fill[k] = bring(distance, window, window, (own, there))
            if not self.by_edge:
                fill[k] *= np.float32(np.sqrt(sizes[k]))
            fill[k] += np.float32(0.5)
        return np.clip(fill, 0, 1, out=fill)

    def _moved_in(self, size: float) -> Field:
        """Distances (y, x) to the edge where the width's square is a share of what it was."""
        values = self.shape.values(flat=False)
        values -= np.float32(1 - size)
        values *= np.float32(1 / size)
        return _to_distances(values, np.float32(self.shape.radius * np.sqrt(size)))


def ends_by_edge(shape: Shape, before: Shape | None) -> bool:
    """Whether a shape gets smaller by its edge rather than towards its centre.

    The slice before tells: which of the two brings the larger one nearer to the smaller (intersection over union).
    Where there is none, or it has changed too little to tell, what is no ellipse does so by its edge.
    """
    if before is not None:
        by_edge, centred = _likenesses(shape, before)
        if abs(by_edge - centred) > NEARER:
            return by_edge > centred
    return _overlap(shape.own.ellipse(shape.window), shape.image > 0) < ELLIPTIC


def thins(shape: Shape, before: Shape) -> bool:
    """Whether a shape is seen to have become what it is, from a larger one, by an edge that moved in alike all over."""
    by_edge, centred = _likenesses(shape, before)
    return by_edge > centred + NEARER and 1 - by_edge < UNTOLD * (1 - before.likeness(shape, MOVES))


def _likenesses(shape: Shape, before: Shape) -> tuple[float, float]:
    """How like a smaller shape the one before is if its edge moves in, and if it shrinks to its centre.

    As intersections over union.
    """
    window = shape.window.over(before.window)
    own = bring(shape.image, shape.window, window, (STILL, STILL)) > 127
    scaled = Pose(shape.own.centre, before.own.spread * (shape.area / before.area))
    moved = Pose(shape.own.centre, before.own.spread)
    centred = bring(before.image, before.window, window, (before.own, scaled)) > 127
    inner = bring(before.distance, before.window, window, (before.own, moved)) > -before.level(shape.area)
    return _overlap(inner, own), _overlap(centred, own)


def _overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Intersection over union."""
    return np.count_nonzero(one & other) / max(int(np.count_nonzero(one | other)), 1)


def end_size(radius: float, ratio: float, first: float | None, spacing: float, *, abrupt: float) -> float:
    """Size, as an area, of a shape in the slice that it does not reach any more: below 0, as a share of its last.

    A ball's falls by a parabola, an ellipsoid's, too, but by one of its own, which three slices tell: `ratio` is the
    size in the slice before the last, as a share of the last, `first` in the one before that. A part that ends without
    getting smaller tells nothing, so what an abrupt end is to be is said.
    """
    ball = 2 * (spacing / radius) ** 2
    second = ball if first is None else min(max(2 * ratio - first - 1, ball * BULGE[0]), ball * BULGE[1])
    bent = min(2 - ratio - second, -ball / 32)
    flat = min(max(5 / ratio - 4, 0.0), 1.0)
    return (1 - flat) * bent + flat * abrupt


@dataclass(frozen=True, eq=False)
class Passing:
    """A group that is in both slices: what it is in all four, each brought to one pose, and where that moves."""

    first: Shape
    kind: int
    window: Window
    frame: Pose
    curve: Field  # (4, y, x) the middle knots, and how the curve bends at them
    squares: Matrix  # (4,) the same of r²
    poses: tuple[Matrix, Matrix]  # centres (4, 2) and spreads (4, 2, 2)
    numbers: tuple[int, int]  # of parts, fewest and most

    @classmethod
    def of(
        cls,
        shapes: Sequence[Shape | None],
        ends: Sequence[Ends],
        window: Window,
        spacing: float,
        *,
        is_thin: bool = False,
    ) -> "Passing":
        """Lay the knots: `ends` tells what the group goes on to on either side, `is_thin` that its edge moves."""
        knots = _Knots.of(shapes, ends, spacing, is_thin)
        numbers = [len(parts or ()) for parts in ends[1:3]]
        poses, spreads = knots.poses, knots.kind == SPREADS
        frame = mean_pose(*poses[:2])
        scales = [np.float32(1 if spreads else one.radius**2) for one in knots.shapes]
        images = [
            bring(one.values(flat=spreads), one.window, window, (pose, frame)) * scale
            for one, pose, scale in zip(knots.shapes, poses, scales, strict=True)
        ]
        values = _mixed(knots.mix, np.stack(images))
        values += knots.plus.astype(np.float32)[:, None, None]
        for row in np.flatnonzero(knots.plus).tolist():  # wherever it may look otherwise
            np.minimum(values[row], np.float32(-SURE), out=values[row])
        steepest = STEEPEST * spacing**2 / frame.size
        squares = knots.mix @ [one.radius**2 / pose.size for one, pose in zip(knots.shapes, poses, strict=True)]
        moved = knots.moves @ np.stack([pose.centre for pose in poses])
        grown = np.tensordot(knots.moves, np.stack([pose.spread for pose in poses]), axes=1)
        for row, here in ((0, 0), (3, 1)):
            if np.isfinite(knots.sizes[row]):
                grown[row] = poses[here].spread * knots.sizes[row]
        return cls(
            knots.shapes[0],
            knots.kind,
            window,
            frame,
            _bent(values, steepest),
            _bent(squares + knots.plus, steepest),
            (moved, grown),
            (min(numbers), max(numbers)),
        )

    def along(self, shares: NDArray[np.float64]) -> Field:
        """Fill grades (n, y, x) at shares 0 … 1 of the way."""
        weights = _weights(shares)
        there = [self._pose(share) for share in shares.tolist()]
        squares = np.maximum(weights @ self.squares, self.squares[:2].min() / 2)
        sizes = squares * [pose.size for pose in there]
        distance = self._distance(weights, sizes, 1.0 if self.kind == SPREADS else squares)
        if self.kind != STAYS:
            for k, pose in enumerate(there):
                distance[k] = bring(distance[k], self.window, self.window, (self.frame, pose))
        if shares[0] == 0.0:
            distance[0] = bring(self.first.distance, self.first.window, self.window, (STILL, STILL))
        _keep_whole(distance, self.numbers)
        distance += np.float32(0.5)
        return np.clip(distance, 0, 1, out=distance)

    def _distance(self, weights: Matrix, sizes: Matrix, squares: Matrix | float) -> Field:
        """Distances (n, y, x), as far as `BAND`, worked out only where they are not beyond it all along."""
        radii = np.sqrt(sizes)
        least = np.minimum(self.curve[0], self.curve[1])
        most = np.maximum(self.curve[0], self.curve[1])
        bulge = np.minimum(self.curve[2], self.curve[3])
        np.minimum(bulge, 0, out=bulge)
        most -= bulge / np.float32(8)
        # 2 d/r − (d/r)² at ± BAND, times what the curve is told in
        unit = np.broadcast_to(squares, radii.shape)
        inner = float((2 * BAND / radii * unit).max())
        outer = float(-((2 * BAND / radii + (BAND / radii) ** 2) * unit).max())
        inside = least > 2 * inner
        band = np.flatnonzero((most > outer) & ~inside)
        found = np.where(inside, np.float32(BAND), np.float32(-BAND))
        curve = self.curve.reshape(4, -1)[:, band]
        some = _mixed(weights, curve)
        floor = np.minimum(curve[0], curve[1])
        floor *= np.where(floor > 0, np.float32(0.5), np.float32(np.inf))
        np.maximum(some, floor, out=some)  # what is inside on both sides stays so
        some /= unit.astype(np.float32)[:, None]
        _to_distances(some, radii.astype(np.float32)[:, None])
        distance = np.repeat(found[None], len(radii), axis=0)
        distance.reshape(len(radii), -1)[:, band] = np.clip(some, -BAND, BAND)
        return distance

    def _pose(self, share: float) -> Pose:
        """Where the group is at a share of the way."""
        if self.kind == STAYS:
            return self.frame
        weights = _cubic(share)
        centre = weights @ self.poses[0]
        if self.kind == MOVES:
            return Pose(centre, STILL.spread)
        straight = (1 - share) * self.poses[1][1] + share * self.poses[1][2]
        found = Pose(centre, np.tensordot(weights, self.poses[1], axes=1))
        sound = found.size > Pose(centre, straight).size / 2 and np.trace(found.spread) > 0
        return found if sound else Pose(centre, straight)


@dataclass(frozen=True, eq=False)
class _Knots:
    """What a group is in four slices: each a mix of the shapes that are there, plus a constant; and its poses."""

    shapes: list[Shape]
    poses: list[Pose]  # of the shapes
    kind: int
    mix: Matrix  # (4, shapes)
    plus: Matrix  # (4,)
    moves: Matrix  # (4, shapes) the same for the poses
    sizes: Matrix  # (4,) of a knot where the group has ended, as a share of the last one's; else NaN

    @classmethod
    def of(cls, shapes: Sequence[Shape | None], ends: Sequence[Ends], spacing: float, is_thin: bool) -> "_Knots":
        """Lay those of a group that is in both middle slices."""
        before, a, b, after = shapes
        assert a is not None
        assert b is not None
        kind = a.kind_to(b, is_thin=is_thin)
        known, poses = [a, b], [a.pose(kind), b.pose(kind)]
        mix, plus, moves, sizes = np.zeros((4, 4)), np.zeros(4), np.zeros((4, 4)), np.full(4, np.nan)
        mix[:, :2] = moves[:, :2] = (2, -1), (1, 0), (0, 1), (-1, 2)  # straight on, if nothing else is known
        for row, one, here, there in ((0, before, a, b), (3, after, b, a)):
            if one is not None:
                mix[row] = np.arange(4) == len(known)
                pair = (one, here) if row == 0 else (here, one)
                alike = kind != STAYS and pair[0].likeness(pair[1], kind) >= pair[0].likeness(pair[1], STAYS)
                moves[row] = mix[row] if alike else moves[row]
                poses.append(one.pose(kind) if alike else here.pose(kind))
                known.append(one)
            elif ends[row] == ():
                by_edge = is_thin or (kind != SPREADS and ends_by_edge(here, there))
                third, ratio = shapes[3 - row], here.share_of(there, by_edge=by_edge)
                size = 2 - ratio  # straight on, where two are all there is
                if third is not None:
                    first = here.share_of(third, by_edge=by_edge)
                    size = end_size(here.radius, ratio, first, spacing, abrupt=size)
                if kind == SPREADS:
                    sizes[row] = size
                else:
                    plus[row] = size * here.radius**2 - (2 * here.radius**2 - there.radius**2)
        for row, other in ((0, 3), (3, 0)):
            if ends[row] is None and ends[other] is not None:  # the same parabola as on the other side
                mix[row], plus[row] = mix[other], plus[other]
                mix[row, :2] += (3, -3) if row == 0 else (-3, 3)
        return cls(known, poses, kind, mix[:, : len(known)], plus, moves[:, : len(known)], sizes)


def _to_distances(values: Field, radii: Field | np.float32) -> Field:
    """Turn 2 d / r − (d / r)² into d, in place."""
    np.minimum(values, np.float32(1), out=values)
    np.subtract(np.float32(1), values, out=values)
    np.sqrt(values, out=values)
    np.subtract(np.float32(1), values, out=values)
    values *= radii
    return values


def _mixed(weights: Matrix, images: Field) -> Field:
    """Mix images (m, …) by weights (n, m); in an order that no library's threads can change."""
    mixed: Field = np.einsum("nm,m...->n...", weights.astype(np.float32), images, optimize=False)
    return mixed


def _keep_whole(distance: Field, numbers: tuple[int, int]) -> None:
    """Move the edge in planes (n, y, x) that have fallen into more pieces than on either side, or fewer."""
    fewest, most = numbers
    for k, plane in enumerate(distance):
        pieces = _count(plane, 0.0)
        if fewest <= pieces <= most:
            continue
        for step in STEPS:
            shift = step if pieces > most else -step
            if fewest <= _count(plane, shift) <= most:
                distance[k] += np.float32(shift)
                break


def _count(plane: Field, shift: float) -> int:
    """How many pieces there are where the distance, shifted, is above 0."""
    return int(cv2.connectedComponents((plane > -shift).view(np.uint8), connectivity=8)[0]) - 1


def _cubic(share: float) -> Matrix:
    """Weights of four even-spaced knots between the middle ones (Catmull and Rom); exact for parabolas."""
    s = share
    return np.array([-s + 2 * s**2 - s**3, 2 - 5 * s**2 + 3 * s**3, s + 4 * s**2 - 3 * s**3, -(s**2) + s**3]) / 2


def _bent(knots: NDArray[Any], steepest: float) -> NDArray[Any]:
    """The middle two of four knots, and the second differences there as far as these are believed."""
    before, a, b, after = knots
    near, far = before - 2 * a + b, a - 2 * b + after
    return np.stack([a, b, np.clip(near, -steepest, steepest), np.clip(far, -steepest, steepest)])


def _weights(shares: NDArray[np.float64]) -> Matrix:
    """Weights (n, 4) of what `_bent` tells: the same cubic."""
    s = shares
    curved = -s * (1 - s) / 2
    return np.stack([1 - s, s, (1 - s) * curved, s * curved], axis=1)
