"""Where the objects of two label volumes lie and how many voxels they share: one pass through the slices."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from famous import labels
from famous.errors import InputError
from famous.stack import LazyVolume

BLOCK = 32  # slices whose tables are folded into one at a time

Known = Callable[[int, NDArray[Any], NDArray[Any]], NDArray[np.bool_] | None]
"""`known(z, pred, truth)` gives the (y, x) pixels of a slice that are scored; None where all of them are."""


@dataclass(frozen=True)
class Objects:
    """The objects of one label volume, ids rising: a row each.

    Attributes
    ----------
    ids, voxels
        (n,) id and size.
    low, high
        (n, 3) first index (z, y, x) and one past the last.
    moments
        (n, 3) sum of the indices (z, y, x) of its voxels.
    """

    ids: NDArray[np.uint64]
    voxels: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    moments: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def empty(cls) -> "Objects":
        """Return a volume's without an object."""
        none = np.zeros((0, 3), dtype=np.int64)
        return cls(np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64), none, none, none)

    @property
    def centroids(self) -> NDArray[np.float64]:
        """(n, 3) mean index (z, y, x) of the voxels; the centre of the first voxel is 0."""
        mean: NDArray[np.float64] = self.moments / self.voxels[:, None]
        return mean

    def touches_border(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Tell which objects have a voxel in an outermost layer of a volume of that shape, (n,)."""
        touches: NDArray[np.bool_] = ((self.low == 0) | (self.high == np.asarray(shape))).any(axis=1)
        return touches

    def folded(self) -> tuple["Objects", NDArray[np.int64]]:
        """Make one row of all rows of an id, and tell into which each row went, (n,)."""
        place = np.zeros(len(self), dtype=np.int64)
        if len(self) == 0:
            return self, place
        order = np.argsort(self.ids, kind="stable")
        ids = self.ids[order]
        first = np.append(True, ids[1:] != ids[:-1])
        starts = np.flatnonzero(first)
        place[order] = np.cumsum(first) - 1
        return (
            Objects(
                ids[starts],
                np.add.reduceat(self.voxels[order], starts),
                np.minimum.reduceat(self.low[order], starts),
                np.maximum.reduceat(self.high[order], starts),
                np.add.reduceat(self.moments[order], starts),
            ),
            place,
        )


@dataclass(frozen=True)
class Lines:
    """The labelled pixels of one slice as runs of one object, none longer than its line, in C order.

    Attributes
    ----------
    y, x0, x1
        (m,) line, first column and one past the last.
    place
        (m,) row of each run's object in `objects`.
    shape, pixels
        (y, x) of the slice, and how many of its pixels are known.
    """

    y: NDArray[np.int64]
    x0: NDArray[np.int64]
    x1: NDArray[np.int64]
    place: NDArray[np.int64]
    objects: Objects
    shape: tuple[int, ...]
    pixels: int

    @property
    def runs(self) -> labels.Runs:
        """The same as runs of the flat slice; their ids are the places from 1."""
        start = self.y * self.shape[1]
        return labels.Runs(start + self.x0, start + self.x1, (self.place + 1).astype(np.uint32), self.shape)


def _whole_numbers(image: NDArray[Any]) -> NDArray[Any]:
    """Return labels as they are if their type can hold ids only, else as uint32."""
    image = np.asarray(image)
    if image.ndim != 2:
        raise InputError(f"labels: found a slice of shape {image.shape}, expected two axes (y, x)")
    if image.dtype.kind == "u" or (image.dtype.kind == "i" and int(image.min(initial=0)) >= 0):
        return image
    return labels.validate(image)


def read_lines(image: NDArray[Any], z: int = 0, known: NDArray[np.bool_] | None = None) -> Lines:
    """Write one slice of labels as runs.

    Parameters
    ----------
    image
        (y, x) whole numbers of any type, 0 is background.
    z
        Index of the slice.
    known
        (y, x) True where the slice is scored; what lies elsewhere does not exist.

    Raises
    ------
    InputError
        If the labels are no whole numbers from 0, or the mask has another shape.
    """
    image = _whole_numbers(image)
    pixels = image.size
    if known is not None:
        if known.shape != image.shape:
            raise InputError(f"known: found a mask of shape {known.shape}, expected {image.shape}")
        image = np.where(known, image, image.dtype.type(0))
        pixels = int(np.count_nonzero(known))
    flat = image.ravel()
    turns = np.ones(image.shape, dtype=np.bool_)  # where a run begins: at every change, and with every line
    np.not_equal(image[:, 1:], image[:, :-1], out=turns[:, 1:])
    starts = np.flatnonzero(turns)
    ends = np.append(starts[1:], flat.size)[: len(starts)]
    ids = flat[starts]
    kept = ids > 0
    starts, lengths, ids = starts[kept], (ends - starts)[kept], ids[kept].astype(np.uint64)
    y, x0 = np.divmod(starts, max(1, image.shape[1]))
    x1 = x0 + lengths
    layer = np.full(len(ids), z, dtype=np.int64)
    moments = np.stack([layer * lengths, y * lengths, lengths * (x0 + x1 - 1) // 2], axis=1)
    low, high = np.stack([layer, y, x0], axis=1), np.stack([layer + 1, y + 1, x1], axis=1)
    objects, place = Objects(ids, lengths, low, high, moments).folded()
    return Lines(y, x0, x1, place, objects, image.shape, pixels)


@dataclass(frozen=True)
class Overlaps:
    """How two label volumes lie over each other: the objects of both, and the voxels that each two share.

    Attributes
    ----------
    pred, truth
        The objects of the two sides.
    pred_index, truth_index, shared
        (m,) rows of the pairs that meet, sorted by pred, then truth, and the voxels of both.
    voxels
        All voxels that were looked at, background included.
    """

    pred: Objects
    truth: Objects
    pred_index: NDArray[np.int64]
    truth_index: NDArray[np.int64]
    shared: NDArray[np.int64]
    voxels: int

    @property
    def pred_ids(self) -> NDArray[np.uint64]:
        """(p,) ids of pred, rising."""
        return self.pred.ids

    @property
    def pred_voxels(self) -> NDArray[np.int64]:
        """(p,) voxels of each."""
        return self.pred.voxels

    @property
    def truth_ids(self) -> NDArray[np.uint64]:
        """(t,) ids of truth, rising."""
        return self.truth.ids

    @property
    def truth_voxels(self) -> NDArray[np.int64]:
        """(t,) voxels of each."""
        return self.truth.voxels

    @classmethod
    def empty(cls) -> "Overlaps":
        """Return those of two volumes without a voxel."""
        none = np.zeros(0, dtype=np.int64)
        return cls(Objects.empty(), Objects.empty(), none, none, none, 0)

    @classmethod
    def joined(cls, parts: Iterable["Overlaps"]) -> "Overlaps":
        """Put parts of one volume together; an object may lie in several."""
        listed = [cls.empty(), *parts]
        pred, pred_place = _joined_objects([part.pred for part in listed])
        truth, truth_place = _joined_objects([part.truth for part in listed])
        p, t = (
            np.concatenate([places[getattr(part, name)] for places, part in zip(side, listed, strict=True)])
            for side, name in ((pred_place, "pred_index"), (truth_place, "truth_index"))
        )
        shared = np.concatenate([part.shared for part in listed])
        key, which = np.unique(p * max(1, len(truth)) + t, return_inverse=True)
        total = np.zeros(len(key), dtype=np.int64)
        np.add.at(total, which, shared)
        rows, columns = np.divmod(key, max(1, len(truth)))
        return cls(pred, truth, rows, columns, total, sum(part.voxels for part in listed))

    def swapped(self) -> "Overlaps":
        """Return the same with pred as truth and truth as pred."""
        order = np.lexsort((self.pred_index, self.truth_index))
        p, t = self.truth_index[order], self.pred_index[order]
        return replace(self, pred=self.truth, truth=self.pred, pred_index=p, truth_index=t, shared=self.shared[order])

    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of each pair, (m,), in (0, 1]."""
        union = self.pred.voxels[self.pred_index] + self.truth.voxels[self.truth_index] - self.shared
        ratio: NDArray[np.float64] = self.shared / union
        return ratio


def _joined_objects(parts: list[Objects]) -> tuple[Objects, list[NDArray[np.int64]]]:
    """Put objects together, and tell for each part into which rows its own went."""
    names = ("ids", "voxels", "low", "high", "moments")
    objects, place = Objects(*(np.concatenate([getattr(part, name) for part in parts]) for name in names)).folded()
    return objects, np.split(place, np.cumsum([len(part) for part in parts])[:-1])


def count_lines(pred: Lines, truth: Lines) -> Overlaps:
    """Count what two sides of one slice share; both must have been read with the same `known`."""
    if pred.shape != truth.shape or pred.pixels != truth.pixels:
        raise InputError(
            f"overlaps: found slices of {pred.shape} and {truth.shape} with {pred.pixels} and {truth.pixels} known "
            "pixels, expected the same"
        )
    p, t, shared = labels.count_overlaps(pred.runs, truth.runs)
    p_index, t_index = p.astype(np.int64) - 1, t.astype(np.int64) - 1
    return Overlaps(pred.objects, truth.objects, p_index, t_index, shared, pred.pixels)


def count_slice(
    pred: NDArray[Any], truth: NDArray[Any], known: NDArray[np.bool_] | None = None, *, z: int = 0
) -> Overlaps:
    """Count what two label images share; see `read_lines` for what they may be."""
    return count_lines(read_lines(pred, z, known), read_lines(truth, z, known))


def count_slices(
    pred: LazyVolume, truth: LazyVolume, slices: Iterable[int] | None = None, *, known: Known | None = None
) -> Overlaps:
    """Count what two label volumes share, slice by slice; two slices and the tables are all that is held.

    Parameters
    ----------
    pred, truth
        (z, y, x) volumes of one shape.
    slices
        Indices to look at, each once; all of them by default.
    known
        What of each slice is scored, see `famous.compare.known`.
    """
    if pred.shape != truth.shape:
        raise InputError(f"overlaps: found volumes of {pred.shape} and {truth.shape} voxels, expected the same")
    total, held = Overlaps.empty(), []
    for z in slices if slices is not None else range(pred.shape[0]):
        a, b = np.asarray(pred[z]), np.asarray(truth[z])
        held.append(count_slice(a, b, known(z, a, b) if known is not None else None, z=z))
        if len(held) == BLOCK:
            total, held = Overlaps.joined([total, *held]), []
    return Overlaps.joined([total, *held])
