"""The boxes of classes that are linked together as a vote between slices needs them, and the vote, slice by slice."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous.extract.slices import pixel_corners
from famous.link.agree import Pieces, agree, pieces, runs


@dataclass(frozen=True, eq=False)
class Votes:
    """What a vote between slices needs of a group's boxes; picklable."""

    weights: NDArray[np.float64]
    z: NDArray[np.int64]  # (n,) rising
    rows: NDArray[np.int64]  # (n, 7): y0, x0, y1, x1 as far as pixels reach, box, instance, radius
    instances: dict[str, NDArray[np.bool_]]  # class → which instances are of it

    @classmethod
    def of_group(
        cls,
        linked: pd.DataFrame,
        group: list[str],
        weights: NDArray[np.float64],
        shape: tuple[int, int],
    ) -> "Votes":
        """Gather the boxes of the classes of a group; `shape` is that of a slice (y, x)."""
        own = linked[linked["class_name"].isin(group) & (linked["instance"] > 0)].sort_values(["z", "box"])
        z, instance = own["z"].to_numpy(np.int64), own["instance"].to_numpy(np.int64)
        corners = pixel_corners(own, shape)
        rows = np.column_stack([corners, own["box"].to_numpy(np.int64), instance, runs(instance, z, len(weights) - 1)])
        size = int(linked["instance"].max()) + 1 if len(linked) else 1
        instances = {}
        for name in group:
            instances[name] = np.zeros(size, dtype=np.bool_)
            instances[name][own.loc[own["class_name"] == name, "instance"].to_numpy()] = True
        return cls(weights, z, rows, instances)

    @property
    def reach(self) -> int:
        """How many slices above and below have a vote."""
        return len(self.weights) - 1

    def of(self, z: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Boxes (n, 6) of a slice as `famous.link.agree` takes them, and their radii (n,)."""
        low, high = np.searchsorted(self.z, [z, z + 1])
        return self.rows[low:high, :6], self.rows[low:high, 6]

    def is_of(self, name: str) -> NDArray[np.bool_]:
        """Tell which instances are of a class."""
        return self.instances[name]

    def reading(self, block: range, depth: int) -> range:
        """Slices that a block of slices of a stack listens to, its own included."""
        return range(max(0, block.start - self.reach), min(block.stop + self.reach, depth))

    def agreed(
        self, images: Iterable[tuple[int, NDArray[np.uint32]]], block: range
    ) -> Iterator[tuple[int, NDArray[np.uint32]]]:
        """Yield (z, instances) of the slices of a block that have any, after the vote of the slices around.

        `images` are (z, box ids) of the slices in `reading`, z rising; those without a box may be left out. Of the
        slices around only the pieces are in memory.
        """
        reach, shape = self.reach, (0, 0)
        around: dict[int, Pieces] = {}
        coming = iter(images)
        following = next(coming, None)
        for last in range(block.start - reach, block.stop + reach):
            around[last] = {}
            if following is not None and following[0] == last:
                shape = (following[1].shape[0], following[1].shape[1])
                around[last] = pieces(following[1], self.of(last)[0])
                following = next(coming, None)
            z = last - reach
            if z >= block.start and around[z]:
                near = {step: around[z + step] for step in range(-reach, reach + 1)}
                yield z, agree(near, *self.of(z), self.weights, shape)
            around.pop(z - reach, None)
