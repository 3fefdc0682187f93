"""What can go wrong between two label volumes, each as a named case with all of its numbers known."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Case:
    """Two label volumes (z, y, x) and what a comparison at an intersection over union of 0.5 must say.

    `iou` are those of the matched pairs, by id of truth; `splits` and `merges` map a whole's id to its pieces', the
    largest first.
    """

    pred: NDArray[np.uint32]
    truth: NDArray[np.uint32]
    tp: int
    fp: int
    fn: int
    iou: tuple[float, ...] = ()
    splits: dict[int, list[int]] = field(default_factory=dict)
    merges: dict[int, list[int]] = field(default_factory=dict)
    paper: tuple[int, int, int] | None = None  # TP, FP, FN as the paper counts; None: the same


def bricks(*spans: tuple[int, int, int], length: int = 40) -> NDArray[np.uint32]:
    """Put bricks of 4 × 5 voxels in z and y along x: (id, first, one past the last)."""
    volume = np.zeros((6, 7, length), dtype=np.uint32)
    for number, start, end in spans:
        volume[1:5, 1:6, start:end] = number
    return volume


def ball(centre: tuple[float, float, float], radius: float, shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Voxels whose centre lies in a ball, lengths in voxels."""
    z, y, x = np.ogrid[tuple(slice(n) for n in shape)]
    return (z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2 <= radius**2


def lens(radius: float, distance: float) -> float:
    """Volume that two balls of one radius share at a distance of their centres, at most twice the radius."""
    return np.pi * (4 * radius + distance) * (2 * radius - distance) ** 2 / 12


def identical() -> Case:
    """pred and truth are the same but for their ids.

    truth  111..2222
    pred   777..5555
    """
    return Case(bricks((7, 2, 12), (5, 20, 35)), bricks((1, 2, 12), (2, 20, 35)), 2, 0, 0, iou=(1.0, 1.0))


def both_empty() -> Case:
    """Nobody found anything."""
    return Case(bricks(), bricks(), 0, 0, 0)


def pred_empty() -> Case:
    """Everything is missed."""
    return Case(bricks(), bricks((1, 2, 12), (2, 20, 30)), 0, 0, 2)


def truth_empty() -> Case:
    """Everything is invented."""
    return Case(bricks((3, 2, 12)), bricks(), 0, 1, 0)


def one_voxel() -> Case:
    """One voxel, the same in both."""
    volume = np.zeros((1, 1, 1), dtype=np.uint32)
    volume[0, 0, 0] = 9
    return Case(volume, volume.copy(), 1, 0, 0, iou=(1.0,))


def shifted() -> Case:
    """An object moved by a fifth of its length: 8 shared of 12.

    truth  1111111111..
    pred   ..1111111111
    """
    return Case(bricks((1, 12, 22)), bricks((1, 10, 20)), 1, 0, 0, iou=(8 / 12,))


def shifted_too_far() -> Case:
    """An object moved by two fifths of its length: 6 shared of 14, missed and invented at 0.5."""
    return Case(bricks((1, 14, 24)), bricks((1, 10, 20)), 0, 1, 1)


def just_half() -> Case:
    """Half of an object: an intersection over union of exactly 0.5 counts."""
    return Case(bricks((1, 10, 20)), bricks((1, 10, 30)), 1, 0, 0, iou=(0.5,))


def split() -> Case:
    """One object found as two, of which one is large enough.

    truth  1111111111
    pred   2222223333
    """
    return Case(
        bricks((2, 10, 22), (3, 22, 30)),
        bricks((1, 10, 30)),
        1,
        1,
        0,
        iou=(12 / 20,),
        splits={1: [2, 3]},
        paper=(1, 0, 0),
    )


def shattered() -> Case:
    """One object found as three, none of which is large enough."""
    return Case(
        bricks((4, 10, 16), (2, 16, 24), (3, 24, 30)),
        bricks((1, 10, 30)),
        0,
        3,
        1,
        splits={1: [2, 3, 4]},
        paper=(1, 0, 0),
    )


def merge() -> Case:
    """Two objects found as one.

    truth  1111112222
    pred   3333333333
    """
    return Case(bricks((3, 10, 30)), bricks((1, 10, 22), (2, 22, 30)), 1, 0, 1, iou=(12 / 20,), merges={3: [1, 2]})


def crumb() -> Case:
    """A sliver of an object is one of its own: invented, but no split."""
    return Case(bricks((1, 0, 39), (2, 39, 40)), bricks((1, 0, 40)), 1, 1, 0, iou=(39 / 40,))


def two_halves() -> Case:
    """Two halves reach 0.5 each: one is the partner, the other one is invented."""
    return Case(
        bricks((1, 10, 20), (2, 20, 30)),
        bricks((1, 10, 30)),
        1,
        1,
        0,
        iou=(0.5,),
        splits={1: [1, 2]},
        paper=(1, 0, 0),
    )


CASES: list[Callable[[], Case]] = [
    identical,
    both_empty,
    pred_empty,
    truth_empty,
    one_voxel,
    shifted,
    shifted_too_far,
    just_half,
    split,
    shattered,
    merge,
    crumb,
    two_halves,
]
