"""Which object of pred is which of truth: one to one, and where one object was found as several."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from famous.compare.overlaps import Overlaps
from famous.errors import InputError

MORE_PAIRS = 1e-9  # added to every weight: of two matchings that weigh the same, the one with more pairs


@dataclass(frozen=True)
class SplitParams:
    """When several objects count as pieces of one."""

    inside: float = 0.5  # a piece has more than this share of its voxels in the whole
    covered: float = 0.5  # the pieces together cover more than this share of the whole
    piece: float = 0.05  # a piece covers at least this share of the whole; less is a crumb


@dataclass(frozen=True)
class Matching:
    """A one-to-one matching.

    Attributes
    ----------
    pair
        (m,) rows of the chosen pairs in `Overlaps`.
    pred_ids, truth_ids, shared, iou
        (m,) ids, voxels of both, and intersection over union of each.
    missed, invented
        Ids of truth and of pred without a partner, rising.
    threshold
        The intersection over union that a pair needs at least.
    """

    pair: NDArray[np.int64]
    pred_ids: NDArray[np.uint64]
    truth_ids: NDArray[np.uint64]
    shared: NDArray[np.int64]
    iou: NDArray[np.float64]
    missed: NDArray[np.uint64]
    invented: NDArray[np.uint64]
    threshold: float

    @property
    def counts(self) -> tuple[int, int, int]:
        """True positives, false positives and false negatives."""
        return len(self.pred_ids), len(self.invented), len(self.missed)


def match(overlaps: Overlaps, threshold: float = 0.5) -> Matching:
    """Match one to one so that the sum of intersections over unions is as large as it can be.

    Only pairs at or above the threshold, in (0, 1], may be chosen. Above 0.5 there is never a choice (Kirillov et al.
    2019, "Panoptic segmentation"); at 0.5 and below the maximum-weight matching is found exactly. Of matchings with
    the same sum the one with more pairs is taken, so that the counts do not hang on the order of the objects.
    """
    if not 0 < threshold <= 1:
        raise InputError(f"matching: found a threshold of {threshold}, expected an intersection over union in (0, 1]")
    iou = overlaps.iou()
    able = np.flatnonzero(iou >= threshold)
    pair = able[assign(overlaps.pred_index[able], overlaps.truth_index[able], iou[able])]
    p, t = overlaps.pred_index[pair], overlaps.truth_index[pair]
    return Matching(
        pair,
        overlaps.pred_ids[p],
        overlaps.truth_ids[t],
        overlaps.shared[pair],
        iou[pair],
        np.delete(overlaps.truth_ids, t),
        np.delete(overlaps.pred_ids, p),
        threshold,
    )


def assign(a: NDArray[np.int64], b: NDArray[np.int64], weight: NDArray[np.float64]) -> NDArray[np.int64]:
    """Choose the edges of a maximum-weight matching of a sparse bipartite graph.

    Every node of the one side gets a partner of its own on the other that stands for "none" and weighs nothing: then
    a matching of all of them exists, and the best is the one that scipy finds (Jonker and Volgenant's algorithm for
    sparse graphs). Edges of which neither end has another need no search.

    Parameters
    ----------
    a, b
        (m,) ends of each edge, indices of the two sides.
    weight
        (m,) weights in [0, 1].

    Returns
    -------
    numpy.ndarray
        Indices of the chosen edges, rising.
    """
    if len(a) == 0:
        return np.zeros(0, dtype=np.int64)
    alone = (np.bincount(a)[a] == 1) & (np.bincount(b)[b] == 1)
    crowd = np.flatnonzero(~alone)
    if len(crowd) == 0:
        return np.flatnonzero(alone)
    left, row = np.unique(a[crowd], return_inverse=True)
    right, column = np.unique(b[crowd], return_inverse=True)
    n, m = len(left), len(right)
    nobody = np.arange(n)
    costs = np.concatenate([2 - MORE_PAIRS - weight[crowd], np.full(n, 2.0)])  # all above 0: a sparse 0 is no edge
    rows, columns = np.concatenate([row, nobody]), np.concatenate([column, m + nobody])
    chosen_rows, chosen = min_weight_full_bipartite_matching(csr_array((costs, (rows, columns)), shape=(n, m + n)))
    partner = np.full(n, -1, dtype=np.int64)
    partner[chosen_rows] = chosen
    return np.sort(np.append(np.flatnonzero(alone), crowd[partner[row] == column]))


@dataclass(frozen=True)
class Splits:
    """Objects that the other side has as several: a row each piece, sorted by whole, then the largest piece first.

    Attributes
    ----------
    whole_ids, piece_ids
        (n,) ids of the object and of the piece.
    shared
        (n,) voxels of the piece in the whole.
    pair
        (n,) rows in the `Overlaps` that were asked.
    """

    whole_ids: NDArray[np.uint64]
    piece_ids: NDArray[np.uint64]
    shared: NDArray[np.int64]
    pair: NDArray[np.int64]

    @property
    def wholes(self) -> NDArray[np.uint64]:
        """Ids of the objects, each once."""
        return np.unique(self.whole_ids)


def splits(overlaps: Overlaps, params: SplitParams | None = None) -> Splits:
    """Find the objects of truth that pred has as several pieces.

    Two pieces at least must each lie mostly in the object, each cover a part of it that is no crumb, and together
    cover most of it; see `SplitParams`.
    """
    params = params or SplitParams()
    p, t, shared = overlaps.pred_index, overlaps.truth_index, overlaps.shared
    inside = shared > params.inside * overlaps.pred_voxels[p]
    pieces = np.flatnonzero(inside & (shared >= params.piece * overlaps.truth_voxels[t]))
    number = np.bincount(t[pieces], minlength=len(overlaps.truth))
    cover = np.zeros(len(overlaps.truth), dtype=np.int64)
    np.add.at(cover, t[pieces], shared[pieces])
    split = (number >= 2) & (cover > params.covered * overlaps.truth_voxels)
    pieces = pieces[split[t[pieces]]]
    pieces = pieces[np.lexsort((p[pieces], -shared[pieces], t[pieces]))]
    return Splits(overlaps.truth_ids[t[pieces]], overlaps.pred_ids[p[pieces]], shared[pieces], pieces)


def merges(overlaps: Overlaps, params: SplitParams | None = None) -> Splits:
    """Find the objects of pred that are several in truth: the wholes are pred's, the pieces truth's."""
    turned = splits(overlaps.swapped(), params)
    order = np.lexsort((overlaps.pred_index, overlaps.truth_index))  # as `swapped` has it
    return Splits(turned.whole_ids, turned.piece_ids, turned.shared, order[turned.pair])


def match_as_paper(overlaps: Overlaps, threshold: float = 0.5, params: SplitParams | None = None) -> Matching:
    """Match one to one, but count an object of truth that was found as several as found, once.

    The paper (Nešić et al. 2023) adjusts TP and FP for one object found as several. Here: where the pieces of an
    object (`splits`), taken together, reach the threshold, none of them is a false positive, and the object is one
    true positive. If none of its pieces reached the threshold alone, its row names the largest one, with the voxels
    and the intersection over union of all pieces together. Several objects found as one are not adjusted; unlike
    with `match`, swapping the sides does not swap precision and recall.
    """
    plain = match(overlaps, threshold)
    found = splits(overlaps, params)
    p, t = overlaps.pred_index[found.pair], overlaps.truth_index[found.pair]
    if len(p) == 0:
        return plain
    starts = np.flatnonzero(np.append(True, t[1:] != t[:-1]))
    shared = np.add.reduceat(found.shared, starts)
    together = np.add.reduceat(overlaps.pred_voxels[p], starts)
    iou = shared / (overlaps.truth_voxels[t[starts]] + together - shared)
    good = iou >= threshold
    pieces = found.piece_ids[np.repeat(good, np.diff(starts, append=len(p)))]
    new = good & ~np.isin(found.whole_ids[starts], plain.truth_ids)
    first = starts[new]
    return replace(
        plain,
        pair=np.append(plain.pair, found.pair[first]),
        pred_ids=np.append(plain.pred_ids, found.piece_ids[first]),
        truth_ids=np.append(plain.truth_ids, found.whole_ids[first]),
        shared=np.append(plain.shared, shared[new]),
        iou=np.append(plain.iou, iou[new]),
        missed=np.setdiff1d(plain.missed, found.whole_ids[first]),
        invented=np.setdiff1d(plain.invented, pieces),
    )
