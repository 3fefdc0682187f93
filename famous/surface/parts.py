"""The parts of an object in each of a few slices, and which of them belong together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Slice:
    """One slice (y, x), True inside, and its parts: pixels that touch by a side or a corner."""

    image: Image

    @classmethod
    def empty(cls, shape: tuple[int, ...]) -> "Slice":
        """One without a pixel."""
        return cls(np.zeros(shape, dtype=np.bool_))

    @cached_property
    def any(self) -> bool:
        """Whether there is a pixel."""
        return bool(self.image.any())

    @cached_property
    def number(self) -> int:
        """How many parts there are."""
        return len(self.boxes) - 1

    @cached_property
    def has_holes(self) -> bool:
        """Whether it encloses background."""
        return bool(self._holes.any())

    @cached_property
    def is_cut(self) -> bool:
        """Whether it reaches a side of the picture, so that part of its edge is not in it."""
        return bool(self.image[[0, -1]].any() or self.image[:, [0, -1]].any())

    @cached_property
    def labels(self) -> NDArray[np.int32]:
        """Parts by number from 1, 0 outside."""
        return self._components[0]

    @cached_property
    def boxes(self) -> NDArray[np.int64]:
        """(parts + 1, 4) first row and column, last row and column + 1 of each part; the background's comes first."""
        return self._components[1]

    @cached_property
    def _components(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        _, labels, stats, _ = cv2.connectedComponentsWithStats(self.image.astype(np.uint8), connectivity=8)
        left, top, width, height = stats[:, :4].astype(np.int64).T
        return labels.astype(np.int32, copy=False), np.stack([top, left, top + height, left + width], axis=1)

    @cached_property
    def _holes(self) -> NDArray[np.int32]:
        """Background that is enclosed, by number from 1."""
        around = np.pad(~self.image, 1, constant_values=True).astype(np.uint8)
        number, labels = cv2.connectedComponents(around, connectivity=4)
        order = np.arange(number)
        order[labels[0, 0]] = 0  # the background round all
        holes: NDArray[np.int32] = order[labels[1:-1, 1:-1]].astype(np.int32)
        return holes

    def filled(self, other: "Slice") -> "Slice":
        """Fill the holes that are enclosed in the other slice too: no pixel of them is open to the outside there."""
        return self._without_holes(~other.image & (other._holes == 0)) if self.has_holes else self

    def closed_by(self, other: "Slice") -> "Slice":
        """Fill the holes that the other slice covers."""
        return self._without_holes(~other.image) if self.has_holes else self

    def _without_holes(self, stay: Image) -> "Slice":
        """Fill the holes with no pixel where one is to stay."""
        holes = self._holes
        chosen = np.ones(int(holes.max()) + 1, dtype=np.bool_)
        chosen[holes[stay]] = False
        chosen[0] = False
        return Slice(self.image | chosen[holes]) if chosen.any() else self

    def without(self, other: "Slice") -> "Slice":
        """Leave out the pixels of the other."""
        return Slice(self.image & ~other.image)

    def met_by(self, other: "Slice") -> set[tuple[int, int]]:
        """Pairs (part here, part there) that share a pixel."""
        if not self.any or not other.any:
            return set()
        shared = self.image & other.image
        codes = np.unique(self.labels[shared].astype(np.int64) * (other.number + 1) + other.labels[shared])
        return {divmod(int(code), other.number + 1) for code in codes}

    def pick(self, parts: Sequence[int], window: tuple[slice, slice]) -> Image:
        """Some of the parts in a window."""
        chosen = np.zeros(self.number + 1, dtype=np.bool_)
        chosen[list(parts)] = True
        return chosen[self.labels[window]]


Parts = tuple[tuple[int, ...] | None, tuple[int, ...], tuple[int, ...], tuple[int, ...] | None]


@dataclass(frozen=True)
class Group:
    """Parts of four slices that belong together: those of the two in the middle that meet, one way or by others.

    Empty in the middle: it ends or begins there. Empty outside: it does so beyond. None outside: it goes on, but joined
    with others, or only a share of it.
    """

    parts: Parts


def groups(slices: Sequence[Slice]) -> Iterator[Group]:
    """Find the groups of four slices."""
    before, a, b, after = slices
    parents = list(range(a.number + b.number))  # of the parts of both, the graph's nodes

    def first(node: int) -> int:
        while parents[node] != node:
            parents[node] = node = parents[parents[node]]
        return node

    for one, other in sorted(a.met_by(b)):
        low, high = sorted((first(one - 1), first(other - 1 + a.number)))
        parents[high] = low
    members: dict[int, list[int]] = {}
    for node in range(len(parents)):
        members.setdefault(first(node), []).append(node)
    behind, ahead = a.met_by(before), b.met_by(after)
    for own in members.values():
        in_a = tuple(node + 1 for node in own if node < a.number)
        in_b = tuple(node + 1 - a.number for node in own if node >= a.number)
        yield Group((_beyond(in_a, behind), in_a, in_b, _beyond(in_b, ahead)))


def _beyond(own: tuple[int, ...], links: set[tuple[int, int]]) -> tuple[int, ...] | None:
    """Parts of the next slice that parts go on to, if those are all there is to it on both sides."""
    chosen = set(own)
    there = {other for part, other in links if part in chosen}
    if not there:
        return ()
    back = {part for part, other in links if other in there}
    return tuple(sorted(there)) if back == chosen else None


def beyond(own: tuple[int, ...], here: Slice, there: Slice) -> tuple[int, ...] | None:
    """The parts of another slice that all these parts, and no others, go on to."""
    return _beyond(own, here.met_by(there))
