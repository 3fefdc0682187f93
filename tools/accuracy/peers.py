"""Peers that need masks: what they are given, and how their probabilities become organelles."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from bench_famous import Volume
from numpy.typing import NDArray
from scipy import ndimage

BOX_SECONDS = 5.0  # of a person, to draw a box
MASK_SECONDS = 60.0  # of a person, to paint a mask
THRESHOLDS = tuple(np.round(np.arange(0.2, 0.95, 0.05), 2).tolist())
AREAS = (0, 25, 50, 100, 200, 400, 800, 1600)  # pixels
TUNED_SLICES = 6  # training slices, evenly of all, that the rule is chosen on
SAME_IOU = 0.5

Images = Mapping[int, NDArray[np.uint8]]  # z → (y, x, 3) grey values of z − 1, z, z + 1
Masks = Mapping[int, NDArray[np.bool_]]  # z → (y, x), the organelle


class Peer(Protocol):
    """Learns from painted slices; every peer gets the same."""

    def fit(self, images: Images, masks: Masks, seconds: float, folder: Path) -> float:
        """Train for so long at most; returns the seconds that it took. The folder holds what a kill must not lose."""

    def probability(self, slab: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probability of the organelle in each pixel of a slab's middle slice."""


@dataclass(frozen=True)
class Rule:
    """How probabilities become objects: 3D components above a threshold, without those that are small everywhere."""

    threshold: float
    area: int  # an object stays if its cross-section in some slice has so many pixels


def make_peer(name: str) -> Peer:
    if name == "unet":
        from accuracy.unet import UNetPeer

        return UNetPeer()
    from accuracy.forest import ForestPeer

    return ForestPeer()


def choose_rule(pairs: Sequence[tuple[NDArray[np.float32], NDArray[np.bool_]]]) -> Rule:
    """Choose on painted slices: the threshold with the best IoU of pixels, then the area with the best SA50 in 2D.

    Of equal ones the middle threshold and the smallest area are taken.
    """
    levels = [_pixel_iou(pairs, threshold) for threshold in THRESHOLDS]
    best = np.flatnonzero(np.isclose(levels, max(levels)))
    threshold = THRESHOLDS[best[len(best) // 2]]
    scores = np.zeros((len(AREAS), 3), dtype=np.int64)  # found and right, found, true
    for probability, mask in pairs:
        scores += _objects_by_area(probability >= threshold, mask)
    right, found, true = scores.T
    return Rule(threshold, AREAS[int(np.argmax(right / np.maximum(1, found + true - right)))])


def _pixel_iou(pairs: Sequence[tuple[NDArray[np.float32], NDArray[np.bool_]]], threshold: float) -> float:
    shared = sum(int((mask & (probability >= threshold)).sum()) for probability, mask in pairs)
    either = sum(int((mask | (probability >= threshold)).sum()) for probability, mask in pairs)
    return shared / max(1, either)


def _objects_by_area(found: NDArray[np.bool_], true: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count, for each of `AREAS`, the 2D components that are right, those found and those there are."""
    a, n_found = ndimage.label(found, np.ones((3, 3)))
    b, n_true = ndimage.label(true, np.ones((3, 3)))
    sizes, true_sizes = np.bincount(a.ravel(), minlength=n_found + 1), np.bincount(b.ravel(), minlength=n_true + 1)
    met = (a > 0) & (b > 0)
    pairs, shared = np.unique(a[met].astype(np.int64) * (n_true + 1) + b[met], return_counts=True)
    own, other = np.divmod(pairs, n_true + 1)
    iou = shared / (sizes[own] + true_sizes[other] - shared)
    right = sizes[own[iou > SAME_IOU]]  # above a half it is one to one
    return np.array([[(right >= area).sum(), (sizes[1:] >= area).sum(), n_true] for area in AREAS], dtype=np.int64)


def apply_rule(probabilities: Iterable[NDArray[np.float32]], rule: Rule) -> Volume:
    """Turn the probabilities of a block of slices into its objects, numbered from 1."""
    labels, count = ndimage.label(np.stack([image >= rule.threshold for image in probabilities]), np.ones((3, 3, 3)))
    largest = np.zeros(count + 1, dtype=np.int64)
    for image in labels:
        np.maximum(largest, np.bincount(image.ravel(), minlength=count + 1), out=largest)
    kept = largest >= max(1, rule.area)
    kept[0] = False
    lut = np.where(kept, np.cumsum(kept), 0).astype(np.uint32)
    return lut[labels]


def tuned_rule(peer: Peer, images: Images, masks: Masks) -> Rule:
    """Choose the rule of a trained peer on some of the slices that it was trained on."""
    slices = sorted(masks)
    chosen = [slices[i] for i in np.unique(np.linspace(0, len(slices) - 1, TUNED_SLICES).round().astype(int))]
    return choose_rule([(peer.probability(images[z]), masks[z]) for z in chosen])


def box_minutes(boxes: int) -> float:
    """Return the minutes in which a person draws so many boxes."""
    return boxes * BOX_SECONDS / 60


def mask_minutes(masks: int) -> float:
    """Return the minutes in which a person paints so many masks."""
    return masks * MASK_SECONDS / 60


def affordable(minutes: float, objects: Mapping[int, int]) -> list[int]:
    """Choose the slices, even over those given, whose masks a person can paint in so many minutes.

    The last slice is painted to its end, so the peer gets more than its minutes rather than less.

    Parameters
    ----------
    minutes
        Of a person.
    objects
        Slice → objects in it.
    """
    slices = sorted(objects)
    chosen: list[int] = []
    for count in range(1, len(slices) + 1):
        chosen = [slices[int((i + 0.5) * len(slices) / count)] for i in range(count)]
        if mask_minutes(sum(objects[z] for z in chosen)) >= minutes:
            break
    return chosen
