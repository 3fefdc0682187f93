"""Bodies that grow by joining: a disjoint-set forest that knows each body's cross-section in every slice."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Bodies:
    """Sets of boxes, each with the pixels that it covers in each slice.

    Parameters
    ----------
    track
        Number of the set that each box starts in, from 0.
    area, z
        Pixels and slice of each box.
    window
        Slices on either side of a contact among which a body's cross-section is the largest.
    """

    def __init__(self, track: NDArray[Any], area: NDArray[np.float64], z: NDArray[np.int64], window: int) -> None:
        self._track = track
        self._z = z
        self._window = window
        order = np.lexsort((z, track))
        self._area = area[order]
        self._slice = z[order]
        self._start = np.searchsorted(track[order], np.arange(int(track.max(initial=-1)) + 2))
        self._parent = np.arange(len(self._start) - 1).tolist()
        self._profile: dict[int, tuple[int, NDArray[np.float64]]] = {}

    def join(self, a: NDArray[Any], b: NDArray[Any], pixels: NDArray[np.int64], *, contact: float) -> NDArray[np.bool_]:
        """Join the bodies of each pair of boxes, one pair after another, where they meet well enough.

        Parameters
        ----------
        a, b, pixels
            The two boxes and the pixels that they share, (m,), the surest pair first.
        contact
            Share of the thinner body's cross-section that the shared pixels have to cover.

        Returns
        -------
        numpy.ndarray
            (m,) True where both boxes are now of one body.
        """
        joined = np.zeros(len(a), dtype=np.bool_)
        for i, (track, other, z, top, shared) in enumerate(
            zip(
                self._track[a].tolist(),
                self._track[b].tolist(),
                self._z[a].tolist(),
                self._z[b].tolist(),
                pixels.tolist(),
                strict=True,
            )
        ):
            one, two = self._find(track), self._find(other)
            if one != two and shared >= contact * min(self._section(one, z), self._section(two, top)):
                self._merge(one, two)
                two = one
            joined[i] = one == two
        return joined

    def numbers(self) -> NDArray[np.int32]:
        """Tell which body each box is of: numbers from 0, with gaps."""
        roots = np.array([self._find(i) for i in range(len(self._parent))], dtype=np.int32)
        numbers: NDArray[np.int32] = roots[self._track]
        return numbers

    def _find(self, node: int) -> int:
        parent = self._parent
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    def _of(self, body: int) -> tuple[int, NDArray[np.float64]]:
        """First slice of a body, and its pixels from there on."""
        if body not in self._profile:
            rows = slice(self._start[body], self._start[body + 1])
            first = int(self._slice[rows][0])
            pixels = np.bincount(self._slice[rows] - first, weights=self._area[rows])
            self._profile[body] = first, pixels.astype(np.float64)
        return self._profile[body]

    def _section(self, body: int, z: int) -> float:
        first, profile = self._of(body)
        return float(profile[max(0, z - first - self._window) : z - first + self._window + 1].max())

    def _merge(self, body: int, other: int) -> None:
        first, profile = self._of(body)
        start, added = self._of(other)
        low = min(first, start)
        both = np.zeros(max(first + len(profile), start + len(added)) - low)
        both[first - low : first - low + len(profile)] += profile
        both[start - low : start - low + len(added)] += added
        self._parent[other] = body
        del self._profile[other]
        self._profile[body] = low, both
