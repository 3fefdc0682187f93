"""Box → mask by a tiny network that was shown organelles of many kinds: it needs no polarity and no radius.

The network sees a square crop of the box and a margin round it, with the slices above and below as channels and the
box told as two further planes (`famous.extract.crops`). It was trained with boxes that fit badly too, so its masks
may go beyond the box: a detector's box is often a few pixels short.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from famous.errors import InputError
from famous.extract.crops import MARGIN, Affine, frame, sample, to_planes
from famous.extract.ellipse import ellipse
from famous.extract.otsu import solid
from famous.extract.slices import widened
from famous.voxels import VoxelSize

BATCH = 128  # crops in memory at a time
BOX_ERROR = 0.04  # σ of a side's error, in the side, that a network is told: what a detector's is …
LEARNT_BOX_ERROR = 0.1  # … and more for one that learnt the stack: it may go by what it sees


class MaskNetwork(Protocol):
    """Any runtime of the network."""

    def __call__(self, planes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn planes (n, 5, side, side) as `crops.to_planes` makes them into probabilities (n, side, side)."""


@dataclass(frozen=True)
class MaskNetParams:
    """What is made of the network's answer."""

    level: float = 0.5  # probability from which on a pixel belongs to the organelle, 0 … 1
    reach: float = 0.0  # share of the box's side by which its mask may go beyond it, on each side; 0 … 0.25
    box_error: float | None = None  # error (σ) of a box's sides, in the side; none: .04, or .1 if it learnt the stack
    flips: bool = False  # take the mean of four mirrored looks: a little better, four times as slow

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise InputError(f"masknet: found level {self.level}, expected a probability between 0 and 1")
        if self.box_error is not None and not 0 <= self.box_error < float("inf"):
            raise InputError(f"masknet: found box_error {self.box_error}, expected a share of 0 or more")
        if not 0 <= self.reach <= MARGIN:
            raise InputError(f"masknet: found reach {self.reach}, expected a share from 0 to {MARGIN}")


@dataclass(frozen=True)
class MaskNetExtractor:
    """An extractor that asks the network about each box."""

    channels: ClassVar[int] = 3

    network: MaskNetwork
    params: MaskNetParams = MaskNetParams()
    usual_error: float = BOX_ERROR  # what the parameters' box_error is where they leave it open

    @property
    def reach(self) -> float:
        """Share of a box's side by which the masks are larger than the box, on each side."""
        return self.params.reach

    def __call__(
        self, slab: NDArray[np.uint8], corners: NDArray[np.int32], voxel_size: VoxelSize
    ) -> list[NDArray[np.bool_]]:
        """One mask per box, one piece without holes; where the network sees nothing, the inscribed ellipse."""
        del voxel_size  # it was shown organelles at many scales; the box gives the scale
        corners = np.asarray(corners)
        if slab.shape[2] != self.channels:
            slab = np.repeat(slab[:, :, [slab.shape[2] // 2]], self.channels, axis=2)
        error = self.usual_error if self.params.box_error is None else self.params.box_error
        masks: list[NDArray[np.bool_]] = []
        for start in range(0, len(corners), BATCH):
            chosen = corners[start : start + BATCH]
            frames = [frame(box) for box in chosen]
            crops = np.stack([sample(slab, there) for there in frames])
            answers = self._ask(to_planes(crops, box_error=error))
            wide = widened(chosen, self.reach, slab.shape[:2])
            for there, box, place, answer in zip(frames, chosen.tolist(), wide.tolist(), answers, strict=True):
                mask = self._mask(answer, there, place)
                masks.append(mask if mask is not None else _ellipse(box, place))
        return masks

    def _ask(self, planes: NDArray[np.float32]) -> NDArray[np.float32]:
        if not self.params.flips:
            return self.network(planes)
        views = ((1, 1), (-1, 1), (1, -1), (-1, -1))  # steps along y and x
        answers = [self.network(planes[:, :, ::y, ::x])[:, ::y, ::x] for y, x in views]
        mean: NDArray[np.float32] = np.mean(answers, axis=0)
        return mean

    def _mask(self, answer: NDArray[np.float32], there: Affine, place: list[int]) -> NDArray[np.bool_] | None:
        """Bring the answer for a crop to the pixels y0, x0, y1, x1 of `place`; None where nothing is seen."""
        (step_x, _, first_x), (_, step_y, first_y) = there.tolist()
        y0, x0, y1, x1 = place
        x, y = 1 / step_x, 1 / step_y
        back = np.array([[x, 0, (x0 - first_x) * x], [0, y, (y0 - first_y) * y]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        seen = cv2.warpAffine(answer, back, (x1 - x0, y1 - y0), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return solid(np.asarray(seen > self.params.level))


def _ellipse(box: list[int], place: list[int]) -> NDArray[np.bool_]:
    """Draw the ellipse inscribed in a box y0, x0, y1, x1 among the pixels of `place`, which may be wider."""
    (top, left, bottom, right), (y0, x0, y1, x1) = box, place
    mask = np.zeros((y1 - y0, x1 - x0), dtype=np.bool_)
    mask[top - y0 : bottom - y0, left - x0 : right - x0] = ellipse(bottom - top, right - left)
    return mask
