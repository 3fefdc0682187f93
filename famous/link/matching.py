"""One-to-one assignment on a sparse bipartite graph, block by block."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def components(n: int, a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.int32]:
    """Find the connected component, from 0, of each node 0 … n − 1 of the graph with edges a[i] – b[i]."""
    if n == 0:
        return np.zeros(0, dtype=np.int32)
    graph = coo_array((np.ones(len(a), dtype=np.bool_), (a, b)), shape=(n, n))
    found: NDArray[np.int32] = connected_components(graph, directed=False)[1]
    return found


def assign(a: NDArray[Any], b: NDArray[Any], weight: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Choose the edges of the one-to-one assignment with the largest sum of weights (Hungarian method).

    The assignment is solved in each connected block of the graph by itself, so that a million edges need no dense
    matrix. Where two assignments weigh the same, the order of the edges decides: sort them first.

    Parameters
    ----------
    a, b
        The two ends of each edge, (m,); an index on the one side has nothing to do with the same one on the other.
    weight
        Weight above 0 of each edge, (m,); two nodes without an edge are never assigned.

    Returns
    -------
    numpy.ndarray
        (m,) True for the edges chosen.
    """
    chosen = np.zeros(len(a), dtype=np.bool_)
    if len(a) == 0:
        return chosen
    _, left = np.unique(a, return_inverse=True)
    _, right = np.unique(b, return_inverse=True)
    n = int(left.max()) + 1
    block = components(n + int(right.max()) + 1, left, right + n)[left]
    order = np.argsort(block, kind="stable")
    starts = np.flatnonzero(np.diff(block[order], prepend=-1))
    sizes = np.diff(starts, append=len(order))
    chosen[order[starts[sizes == 1]]] = True
    for start, size in zip(starts[sizes > 1].tolist(), sizes[sizes > 1].tolist(), strict=True):
        edges = order[start : start + size]
        chosen[edges[_solve(left[edges], right[edges], weight[edges])]] = True
    return chosen


def _solve(a: NDArray[Any], b: NDArray[Any], weight: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Edges of the best assignment in one block."""
    if (a == a[0]).all() or (b == b[0]).all():  # a star: the heaviest edge
        heaviest: NDArray[np.bool_] = np.arange(len(a)) == int(np.argmax(weight))
        return heaviest
    rows, row = np.unique(a, return_inverse=True)
    columns, column = np.unique(b, return_inverse=True)
    gain = np.zeros((len(rows), len(columns)))
    gain[row, column] = weight
    picked = np.zeros(gain.shape, dtype=np.bool_)
    picked[linear_sum_assignment(gain, maximize=True)] = True
    chosen: NDArray[np.bool_] = picked[row, column]
    return chosen
