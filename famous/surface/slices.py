"""Shape-based interpolation: what lies between two slices, from the shapes in both and in their neighbours.

After Raya and Udupa (1990), Shape-based interpolation of multidimensional objects, with these changes. Parts that
belong together move with their centre while they change, so that a tilted tube stays one. What is interpolated is not
the distance d to the edge but 2 r d − d², r the part's largest distance: in a disc that is r² − ρ², along z a parabola
for a ball, a cone and a tube. It is interpolated by a cubic through four slices (Catmull and Rom 1974), bent as far as
both sides agree. Where a part ends, the curve goes on as a ball's would, so that the cap follows from the slices before
it. Closed holes are bodies of their own that are taken out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from famous.surface.parts import Group, Image, Slice, groups

REACH = 2  # slices to either side that what lies next to a slice depends on
NOTHING = -1e6  # a signed distance (pixels) far outside everything
SOFT = 1.0  # σ of the blur of the distances, pixels: the steps of the pixels are not the shape's
SURE = 0.1  # the edge stays so far (pixels) from the pixels' centres
BLUNT = 0.3  # a part that ends without getting smaller is so far below 0 in the next slice, as a share of r²
LONE = 0.75  # a part of one slice ends so far from it, in slices, at most
AGREE = 3.0  # a second difference counts up to so often the one on the other side
STEEPEST = 8.0  # second difference of r² − ρ² that is believed, in squares of the slices' distance; a ball's is 2
NEARER = 0.02  # by how much moving a part has to make it more alike (intersection over union)

Field = NDArray[np.float32]


@dataclass(frozen=True)
class _Lattice:
    """Height of a pixel over its width, and the distance of the slices in widths."""

    aspect: float
    spacing: float


def interpolate_slices(
    mask: NDArray[np.bool_], parts: int, *, aspect: float = 1.0, spacing: float | None = None, margin: int = 0
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
    margin
        Slices at either end that are only looked at: what would replace them is left out.

    Returns
    -------
    fine, first
        Fill grade 0 … 1 of the fine slices, ((z − 2 · margin) · parts, y, x) with all of the first and last slice's
        half outside their centres, and the position of the first one against the centre of the mask's first slice, in
        fine steps.
        A shape that bulges or moves beyond the mask's sides is cut off there.
    """
    depth = len(mask)
    wanted = np.arange(margin * parts, (depth - margin) * parts)
    fine = np.full((len(wanted), *mask.shape[1:]), NOTHING, dtype=np.float32)
    lattice = _Lattice(aspect, float(parts if spacing is None else spacing))
    empty = np.zeros(mask.shape[1:], dtype=np.bool_)
    slices = [Slice(image) for image in (empty, empty, *mask, empty, empty)]
    halves = 2 * wanted + 1 + parts  # of a fine slice, from the centre of the slice before the first
    lower, shares = halves // (2 * parts), halves % (2 * parts) / (2 * parts)  # the same wherever a mask is cut
    for k in range(depth + 1):
        chosen = np.flatnonzero(lower == k)
        if chosen.size and (slices[k + 1].any or slices[k + 2].any):
            fine[chosen] = _between(slices[k : k + 4], shares[chosen], lattice)
    fine += np.float32(0.5)
    return np.clip(fine, 0.0, 1.0, out=fine), 0.5 - parts / 2 + margin * parts


def _between(slices: Sequence[Slice], shares: NDArray[np.float64], lattice: _Lattice) -> Field:
    """Distances (pixels, above 0 inside) at shares 0 … 1 of the way from the second to the third of four slices."""
    before, a, b, after = slices
    full = (before.filled(a), a.filled(b), b.filled(a), after.filled(b))
    if full[1] is a and full[2] is b:
        return _solid(full, shares, lattice)
    holes = [whole.without(own) for whole, own in zip(full, slices, strict=True)]
    taken: Field = np.minimum(_solid(full, shares, lattice), -_solid(holes, shares, lattice))
    return taken


def _solid(slices: Sequence[Slice], shares: NDArray[np.float64], lattice: _Lattice) -> Field:
    """Interpolate the groups of parts, each on its own."""
    shape = slices[1].image.shape
    found = np.full((len(shares), *shape), NOTHING, dtype=np.float32)
    for group in groups(slices):
        window = _window(slices, group, lattice)
        knots = _Knots.of(slices, group, window, lattice)
        part = found[:, window[0], window[1]]
        for image, distance in zip(part, knots.along(shares), strict=True):
            np.maximum(image, distance, out=image)
    return found


def _window(slices: Sequence[Slice], group: Group, lattice: _Lattice) -> tuple[slice, slice]:
    """Rows and columns round the group with room to bulge and to move on."""
    boxes = np.concatenate([one.boxes[list(parts)] for one, parts in zip(slices, group.parts, strict=True) if parts])
    room = int(np.ceil(lattice.spacing)) + 3
    height, width = slices[1].image.shape
    top, left = np.maximum(boxes[:, :2].min(axis=0) - room, 0)
    bottom, right = np.minimum(boxes[:, 2:].max(axis=0) + room, (height, width))
    return slice(int(top), int(bottom)), slice(int(left), int(right))


@dataclass(frozen=True, eq=False)
class _Part:
    """Parts of one slice that belong together: 2 r d − d² and r² in pixels, and the mean (y, x) of their pixels."""

    image: Image
    values: Field
    square: float
    centre: NDArray[np.float64]

    @classmethod
    def of(cls, image: Image, aspect: float) -> "_Part":
        """Measure an image with a pixel inside; where it is inside to all sides, the edge is the image's."""
        full = bool(image.all())
        distance = signed_distance(np.pad(image, 1), aspect)[1:-1, 1:-1] if full else signed_distance(image, aspect)
        soft = cv2.GaussianBlur(distance, (0, 0), SOFT, borderType=cv2.BORDER_REPLICATE)
        distance = np.where(image, np.maximum(soft, SURE), np.minimum(soft, -SURE))
        radius = float(distance.max())
        rows, columns = np.nonzero(image)
        values = distance * (np.float32(2 * radius) - distance)
        return cls(image, values, radius**2, np.array([rows.mean(), columns.mean()]))

    def way_to(self, other: "_Part") -> NDArray[np.float64]:
        """From this centre to the other's, if a part that is moved so is more alike; else 0."""
        way = other.centre - self.centre
        dy, dx = np.rint(way).astype(int)
        height, width = self.image.shape
        there = other.image[max(0, dy) : height + min(0, dy), max(0, dx) : width + min(0, dx)]
        here = self.image[max(0, -dy) : height - max(0, dy), max(0, -dx) : width - max(0, dx)]
        total = np.count_nonzero(self.image) + np.count_nonzero(other.image)
        moved, still = (np.count_nonzero(x & y) for x, y in ((here, there), (self.image, other.image)))
        return way if moved / (total - moved) > still / (total - still) + NEARER else np.zeros(2)


@dataclass(frozen=True, eq=False)
class _Knots:
    """What a group is in four slices: each a mix of the parts that are there, plus a constant; and where it lies."""

    parts: list[_Part]
    mix: NDArray[np.float64]  # (4, parts)
    plus: NDArray[np.float64]  # (4,)
    places: NDArray[np.float64]  # (4, 2)
    own: NDArray[np.float64]  # (parts, 2) where the parts themselves lie
    steepest: float  # second difference that is believed
    ends: tuple[int, ...]  # knots that it does not reach, if the mix says so or not

    @classmethod
    def of(cls, slices: Sequence[Slice], group: Group, window: tuple[slice, slice], lattice: _Lattice) -> "_Knots":
        """Measure the parts of a group and lay the knots."""
        picked = [
            _Part.of(one.pick(parts, window), lattice.aspect) if parts else None
            for one, parts in zip(slices, group.parts, strict=True)
        ]
        _, a, b, _ = picked
        if a is None or b is None:
            return cls._ending(picked, lattice) if a else cls._ending(picked[::-1], lattice).turned()
        return cls._through(picked, (group.parts[0], group.parts[3]), lattice)

    def turned(self) -> "_Knots":
        """The same from the other side."""
        ends = tuple(3 - row for row in self.ends)
        return replace(self, mix=self.mix[::-1], plus=self.plus[::-1], places=self.places[::-1], ends=ends)

    @classmethod
    def _through(
        cls, picked: Sequence["_Part | None"], beyond: Sequence[tuple[int, ...] | None], lattice: _Lattice
    ) -> "_Knots":
        """A group that is in both slices; `beyond` tells what it goes on to on either side."""
        names = dict(zip((0, 3), beyond, strict=True))
        before, a, b, after = picked
        assert a is not None
        assert b is not None
        way = a.way_to(b)
        ends = tuple(row for row in (0, 3) if names[row] == ())
        parts, mix, plus = [a, b], np.zeros((4, 4)), np.zeros(4)
        places, own = np.stack([-way, 0 * way, way, 2 * way]), [0 * way, way]
        mix[:, :2] = (2, -1), (1, 0), (0, 1), (-1, 2)  # straight on, if nothing else is known
        for row, known, here, there in ((0, before, a, b), (3, after, b, a)):
            place = places[1 if row == 0 else 2]
            if known is not None:
                mix[row] = 0
                mix[row, len(parts)] = 1
                places[row] = place - known.way_to(here) if row == 0 else place + here.way_to(known)
                parts.append(known)
                own.append(places[row])
            elif names[row] == ():
                plus[row] = _end(here.square, there.square, lattice.spacing) - (2 * here.square - there.square)
        for row, other in ((0, 3), (3, 0)):
            if names[row] is None and names[other] is not None:  # the same parabola as on the other side
                mix[row], plus[row] = mix[other], plus[other]
                mix[row, :2] += (3, -3) if row == 0 else (-3, 3)
        return cls(parts, mix[:, : len(parts)], plus, places, np.array(own), STEEPEST * lattice.spacing**2, ends)

    @classmethod
    def _ending(cls, picked: Sequence["_Part | None"], lattice: _Lattice) -> "_Knots":
        """A group that is in the first slice only."""
        before, a = picked[:2]
        assert a is not None
        if before is None:
            fall = max(lattice.spacing**2, a.square / LONE**2)
            plus = np.array([-fall, 0, -fall, -4 * fall])
            return cls([a], np.ones((4, 1)), plus, np.zeros((4, 2)), np.zeros((1, 2)), np.inf, (0, 2))
        way = before.way_to(a)
        mix = np.array([(0, 1), (1, 0), (2, -1), (3, -2)], dtype=float)
        end = _end(a.square, before.square, lattice.spacing) - (2 * a.square - before.square)
        places = np.stack([-way, 0 * way, way, 2 * way])
        return cls([a, before], mix, np.array([0, 0, end, 3 * end]), places, places[[1, 0]], np.inf, (2,))

    def along(self, shares: NDArray[np.float64]) -> Iterator[Field]:
        """Distance (pixels) at shares 0 … 1 of the way; where nothing moves, the knots are the same all along."""
        squares = _Curve.through(self.mix @ [part.square for part in self.parts] + self.plus, self.steepest)
        moves = self.places.any() or self.own.any()
        curve = None
        for share in shares.tolist():
            if curve is None or moves:
                curve = _Curve.through(self._laid(_cubic(share) @ self.places), self.steepest)
            yield _to_distance(curve.at(share), float(squares.at(share)))

    def _laid(self, place: NDArray[np.float64]) -> Field:
        """Lay the knots, (4, y, x), over a place (y, x)."""
        values = np.stack([_moved(part.values, place - own) for part, own in zip(self.parts, self.own, strict=True)])
        knots: Field = np.tensordot(self.mix.astype(np.float32), values, axes=1)
        knots += self.plus.astype(np.float32)[:, None, None]
        for row in self.ends:  # wherever it may look otherwise
            np.minimum(knots[row], np.float32(-SURE), out=knots[row])
        return knots


def _cubic(share: float) -> NDArray[np.float64]:
    """Weights of four even-spaced knots between the middle ones (Catmull and Rom); exact for parabolas."""
    s = share
    return np.array([-s + 2 * s**2 - s**3, 2 - 5 * s**2 + 3 * s**3, s + 4 * s**2 - 3 * s**3, -(s**2) + s**3]) / 2


@dataclass(frozen=True, eq=False)
class _Curve:
    """What lies between the middle of four knots: the parabolas on both sides, as far as these agree."""

    a: NDArray[Any]
    b: NDArray[Any]
    bends: tuple[NDArray[Any], NDArray[Any]]

    @classmethod
    def through(cls, knots: NDArray[Any], steepest: float) -> "_Curve":
        """Bend towards the outer knots; a bend counts up to so often the one on the other side."""
        before, a, b, after = knots
        near, far = before - 2 * a + b, a - 2 * b + after
        agree = near * far > 0
        most = [np.minimum(knots.dtype.type(AGREE) * np.abs(bend), steepest) * agree for bend in (far, near)]
        return cls(a, b, (np.clip(near, -most[0], most[0]), np.clip(far, -most[1], most[1])))

    def at(self, share: float) -> NDArray[Any]:
        """Values at a share 0 … 1 of the way; what is inside on both sides stays so."""
        kind = self.a.dtype.type
        bend = kind(1 - share) * self.bends[0] + kind(share) * self.bends[1]
        curve: NDArray[Any] = self.a + (self.b - self.a) * kind(share) - bend * kind(share * (1 - share) / 2)
        both = np.minimum(self.a, self.b)
        return np.where(both > 0, np.maximum(curve, both / 2), curve)


def _end(square: float, before: float, spacing: float) -> float:
    """r² of a part in the slice that it does not reach any more, below 0, from that in its last two.

    A ball's falls by a parabola. A part that ends without getting smaller tells nothing: half a slice is left of it.
    """
    abrupt = min(max(5 * square / before - 4, 0.0), 1.0)
    ball = min(2 * square - before - 2 * spacing**2, -(spacing**2) / 16)
    return (1 - abrupt) * ball - abrupt * BLUNT * square


def _moved(values: Field, way: NDArray[np.float64]) -> Field:
    """Move an image by (y, x), with a fraction of a pixel; what comes in is what was at the border."""
    if not way.any():
        return values
    matrix = np.array([[1, 0, way[1]], [0, 1, way[0]]], dtype=np.float64)
    moved: Field = cv2.warpAffine(
        values, matrix, values.shape[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return moved


def _to_distance(values: Field, square: float) -> Field:
    """Turn 2 r d − d² into d."""
    radius = np.sqrt(max(square, 0.0))
    distance: Field = (radius - np.sqrt(np.maximum(radius**2 - values, 0.0))).astype(np.float32)
    return distance


def signed_distance(mask: NDArray[np.bool_], aspect: float = 1.0) -> NDArray[np.float32]:
    """Distance (pixel widths) of each pixel's centre to the mask's edge in its slice, above 0 inside."""
    if not mask.any():
        return np.full(mask.shape, NOTHING, dtype=np.float32)
    if abs(aspect - 1.0) < 0.01:
        inside, outside = (_distance(side) for side in (mask, ~mask))
    else:
        inside, outside = (
            ndimage.distance_transform_edt(side, sampling=(aspect, 1.0)).astype(np.float32) for side in (mask, ~mask)
        )
    distance: NDArray[np.float32] = np.where(mask, inside - 0.5, 0.5 - outside).astype(np.float32)
    return distance


def _distance(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Distance (pixels) of each True pixel to the nearest False one.

    OpenCV's last digit depends on where the array lies in memory. The square is a whole number, which mends that.
    """
    distance = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE).astype(np.float64)
    exact: NDArray[np.float32] = np.sqrt(np.rint(distance * distance)).astype(np.float32)
    return exact
