"""A random forest on pixel features, as ilastik's pixel classification: 100 trees, features of several scales."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from skimage.feature import multiscale_basic_features
from sklearn.ensemble import RandomForestClassifier

from accuracy.peers import Images, Masks
from famous.cores import usable_cores


@dataclass(frozen=True)
class ForestParams:
    """How the forest is grown."""

    trees: int = 100
    batch: int = 5  # trees between two looks at the clock
    pixels: int = 400_000  # drawn from all slices, half of them organelle
    leaf: int = 3  # fewest pixels of a leaf
    sigma_min: float = 0.7  # pixels
    sigma_max: float = 16.0  # pixels
    seed: int = 0


class ForestPeer:
    """Grey value, edges and texture of the slice at scales from 0.7 to 16 pixels, and 100 trees."""

    def __init__(self, params: ForestParams | None = None) -> None:
        self.params = params or ForestParams()
        self._forest = RandomForestClassifier(
            n_estimators=0,
            min_samples_leaf=self.params.leaf,
            warm_start=True,
            n_jobs=usable_cores(),
            random_state=self.params.seed,
        )

    def fit(self, images: Images, masks: Masks, seconds: float, folder: Path) -> float:
        """Grow trees until there are enough, or the time is over; at least the first few."""
        start = time.monotonic()
        rng = np.random.default_rng(self.params.seed)
        each = max(2, self.params.pixels // len(masks))
        drawn = [self._draw(images[z], mask, each, rng) for z, mask in sorted(masks.items())]
        values, classes = (np.concatenate(part) for part in zip(*drawn, strict=True))
        while self._forest.n_estimators < self.params.trees:
            self._forest.n_estimators += self.params.batch
            self._forest.fit(values, classes)
            if time.monotonic() - start >= seconds:
                break
        return time.monotonic() - start

    def _draw(
        self, slab: NDArray[np.uint8], mask: NDArray[np.bool_], number: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        flat = mask.ravel()
        chosen = [rng.permutation(np.flatnonzero(flat == inside))[: number // 2] for inside in (True, False)]
        rows = np.concatenate(chosen)
        return self._features(slab)[rows], flat[rows]

    def _features(self, slab: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(pixels, features) of the middle slice."""
        found = multiscale_basic_features(
            slab[:, :, slab.shape[2] // 2].astype(np.float32) / 255,
            sigma_min=self.params.sigma_min,
            sigma_max=self.params.sigma_max,
        )
        return np.asarray(found, dtype=np.float32).reshape(-1, found.shape[-1])

    def probability(self, slab: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Share of the trees that say organelle."""
        shares = self._forest.predict_proba(self._features(slab))
        inside = np.flatnonzero(self._forest.classes_)  # a forest that saw one class only has one column
        found = shares[:, inside[0]] if len(inside) else np.zeros(len(shares))
        return found.astype(np.float32).reshape(slab.shape[:2])
