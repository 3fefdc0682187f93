"""Masks of one instance made to agree from slice to slice: each pixel goes by a vote of the slices around it.

Boxes are drawn slice by slice, and so their errors change from slice to slice; the organelle does not. Where slices are
close, the weighted majority of the neighbours knows a slice's outline better than the slice itself.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from famous.errors import ConfigError
from famous.voxels import VoxelSize

MARGIN = 0.1  # of a box's side, round it: pixels that the box's instance may gain
WINDOW = 2.0  # σ at which the window ends
LARGEST_NM = 1000.0  # σ beyond which no organelle looks alike


@dataclass(frozen=True)
class AgreeParams:
    """How far slices listen to each other."""

    sigma_nm: float = 10.0  # σ of the votes' weights along z, nm; 0 leaves every slice as it is

    def __post_init__(self) -> None:
        if not 0 <= self.sigma_nm <= LARGEST_NM:
            raise ConfigError(f"agree.sigma_nm: found {self.sigma_nm}, expected 0 … {LARGEST_NM:g} nm")

    def weights(self, voxel_size: VoxelSize) -> NDArray[np.float64]:
        """Weights of a slice's own vote and of its 1st, 2nd … neighbours.

        It is a single one where slices are so far apart that all the others together could not outvote one.
        """
        if self.sigma_nm == 0:
            return np.ones(1)
        reach = math.floor(WINDOW * self.sigma_nm / voxel_size.z + 1e-6)
        weights: NDArray[np.float64] = np.exp(-0.5 * (np.arange(reach + 1) * voxel_size.z / self.sigma_nm) ** 2)
        return weights if 2 * weights[1:].sum() > weights[0] else np.ones(1)


def runs(instance: NDArray[np.integer], z: NDArray[np.integer], longest: int) -> NDArray[np.int64]:
    """Count, for each box, the slices that its instance goes on without a gap both above and below, up to `longest`.

    A window of that radius is symmetric, so the last slice of an instance is not drawn towards the wider ones inside.
    """
    if len(instance) == 0 or longest == 0:
        return np.zeros(len(instance), dtype=np.int64)
    depth = int(z.max()) + 2
    key = instance.astype(np.int64) * depth + z
    found = np.unique(key)
    breaks = np.flatnonzero(np.diff(found) != 1)  # the spare slice keeps instances apart
    first, last = np.concatenate([[0], breaks + 1]), np.concatenate([breaks, [len(found) - 1]])
    place = np.searchsorted(found, key)
    run = np.searchsorted(first, place, side="right") - 1
    inside: NDArray[np.int64] = np.minimum(np.minimum(place - first[run], last[run] - place), longest)
    return inside


class Piece(NamedTuple):
    """Pixels of one box: where their rectangle begins in the slice, and which of it they are."""

    y: int
    x: int
    mask: NDArray[np.bool_]


Pieces = dict[int, list[Piece]]  # instance → its pieces in one slice


def pieces(image: NDArray[np.uint32], boxes: NDArray[np.integer]) -> Pieces:
    """Cut the pixels of every box out of the box ids (y, x) of a slice.

    `boxes` is (n, 6): y0, x0, y1, x1, box, instance; the corners reach as far as the box's pixels do. Only this is kept
    of the slices around, which are many, and mostly empty.
    """
    found: Pieces = {}
    for y0, x0, y1, x1, box, instance in boxes.tolist():
        if instance:
            found.setdefault(instance, []).append(Piece(y0, x0, image[y0:y1, x0:x1] == box))
    return found


def painted(found: Pieces, shape: tuple[int, int]) -> NDArray[np.uint32]:
    """Paint the pieces of a slice (y, x) with their instances."""
    labels = np.zeros(shape, dtype=np.uint32)
    for instance, own in found.items():
        for y, x, mask in own:
            labels[y : y + mask.shape[0], x : x + mask.shape[1]][mask] = instance
    return labels


def agree(
    around: Mapping[int, Pieces],
    boxes: NDArray[np.integer],
    radii: NDArray[np.integer],
    weights: NDArray[np.float64],
    shape: tuple[int, int],
) -> NDArray[np.uint32]:
    """Return the labels of a slice after the vote.

    Parameters
    ----------
    around
        Distance in slices, negative below, 0 the slice itself → the pieces of that slice; all distances within the
        radii.
    boxes
        (n, 6) of the slice, as `pieces` takes them.
    radii
        (n,) slices above and below that vote on each box, as `runs` counts them.
    weights
        Of the slice itself, its neighbours, theirs …; as `AgreeParams.weights`.
    shape
        (y, x) of the slice.

    Notes
    -----
    An instance keeps and gains the pixels in its box, and a margin round it, that it has in more than half of the
    weighted votes. It gains only what is background or is given up by another instance; a vote that would take all of
    its pixels in its box is not counted, so it stays in every slice that it is in. Where two gain the same pixel, which
    takes windows of two lengths, the lower instance does.
    """
    labels = painted(around[0], shape)
    changes = []  # made once every box has voted, on the slice as it was
    for (y0, x0, y1, x1, _, instance), radius in zip(boxes.tolist(), radii.tolist(), strict=True):
        if radius == 0 or instance == 0:
            continue
        y, x = (math.ceil(MARGIN * (high - low)) for low, high in ((y0, y1), (x0, x1)))
        top, left = max(0, y0 - y), max(0, x0 - x)
        place = (slice(top, y1 + y), slice(left, x1 + x))
        own = labels[place] == instance
        votes = np.zeros(own.shape)
        for step in range(radius, 0, -1):  # as Horner would: each distance costs one product, not each piece
            for piece in around[-step].get(instance, []) + around[step].get(instance, []):
                _add(votes, piece, (top, left))
            votes *= weights[step] / weights[step - 1]
        kept = votes + own > 0.5 + weights[1 : radius + 1].sum() / weights[0]
        if (own & kept).any():  # what it would gain may be another's, and stay so
            changes.append((instance, place, own > kept, kept > own))
    for _, place, lost, _ in changes:
        labels[place][lost] = 0
    for instance, place, _, gained in sorted(changes, key=lambda change: change[0]):
        window = labels[place]
        window[gained & (window == 0)] = instance
    return labels


def _add(votes: NDArray[np.float64], piece: Piece, origin: tuple[int, int]) -> None:
    """Add one where a piece lies in a window that begins at `origin`; pieces of one slice do not overlap."""
    y, x = piece.y - origin[0], piece.x - origin[1]
    height, width = piece.mask.shape
    ys, xs = slice(max(0, y), min(votes.shape[0], y + height)), slice(max(0, x), min(votes.shape[1], x + width))
    if ys.start < ys.stop and xs.start < xs.stop:
        own = piece.mask[ys.start - y : ys.stop - y, xs.start - x : xs.stop - x]
        cv2.accumulate(own.view(np.uint8), votes[ys, xs])  # in place, without a copy of the mask as numbers
