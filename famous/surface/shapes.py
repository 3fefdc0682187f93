"""What is known of parts of one slice that belong together: how far each pixel is from their edge, and their pose."""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from famous.surface.parts import Image
from famous.surface.poses import STILL, Pose, Window, bring, mean_pose

NOTHING = -1e6  # a signed distance (pixels) far outside everything
SOFT = 1.0  # σ of the blur of the distances, pixels: the steps of the pixels are not the shape's
SURE = 0.1  # the edge stays so far (pixels) from the pixels' centres
THINNEST = 0.1  # share of a part's half width that another one has at least
NEARER = 0.02  # by how much a kind of pose has to make two shapes more alike (intersection over union)
STAYS, MOVES, SPREADS = range(3)  # kinds of pose: as it lies; by its centre; by its centre and its spread

Field = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Shape:
    """Parts of one slice that belong together, and what lies around them."""

    image: NDArray[np.uint8]  # 255 inside
    window: Window
    distance: Field  # to the edge, above 0 inside, pixels
    radius: float  # largest distance
    area: int
    own: Pose
    _alike: dict[tuple["Shape", int], float] = field(default_factory=dict)

    @classmethod
    def of(cls, image: Image, window: Window, aspect: float, reach: float) -> "Shape":
        """Measure an image with a pixel inside; distances are told as far as they reach outside.

        Where it is inside to all sides, the edge is the image's. The edge of the blurred distances lies so that it
        encloses as much as the pixels.
        """
        sharp = signed_distance(np.pad(image, 1), aspect)[1:-1, 1:-1] if image.all() else signed_distance(image, aspect)
        soft: Field = cv2.GaussianBlur(sharp, (0, 0), SOFT, borderType=cv2.BORDER_REPLICATE)
        area = int(np.count_nonzero(image))
        filled = soft + np.float32(0.5)
        near = max(int(np.count_nonzero(np.abs(soft) < 0.5)), 1)
        np.clip(filled, 0, 1, out=filled)
        soft += np.float32((area - float(filled.sum(dtype=np.float64))) / near)
        distance = np.where(image, np.maximum(soft, np.float32(SURE)), np.minimum(soft, np.float32(-SURE)))
        np.maximum(distance, np.float32(-reach), out=distance)
        inside = image.view(np.uint8) * np.uint8(255)
        pose = Pose.of(inside, (window.top, window.left))
        return cls(inside, window, distance, float(distance.max()), area, pose)

    def values(self, *, flat: bool) -> Field:
        """Return 2 r d − d² over r²: in a disc 1 − (ρ / r)²; flat: 2 d over r outside."""
        share = self.distance * np.float32(1 / self.radius)
        found: Field = share * (np.float32(2) - (np.maximum(share, np.float32(0)) if flat else share))
        return found

    def level(self, area: int) -> float:
        """How far (pixels) its edge has to move out, or in below 0, to enclose so many pixels; as far as it is told."""
        distances = self.distance.ravel()
        rank = min(max(area, 1), len(distances))
        return -float(np.partition(distances, len(distances) - rank)[len(distances) - rank])

    def width_of(self, other: "Shape") -> float:
        """Half width of another shape as a share of this one's, if it were this one with its edge moved."""
        return max(1 + self.level(other.area) / self.radius, THINNEST)

    def share_of(self, other: "Shape", *, by_edge: bool) -> float:
        """Size of another shape as a share of this one's: its area, or the square of its width if the edge moves in."""
        return self.width_of(other) ** 2 if by_edge else other.area / self.area

    def pose(self, kind: int) -> Pose:
        """Its pose, as far as the kind tells it."""
        return self.own if kind == SPREADS else Pose(self.own.centre, STILL.spread) if kind == MOVES else STILL

    def likeness(self, other: "Shape", kind: int) -> float:
        """Intersection over union with the shape of a later slice, in the pose between those of both."""
        if (other, kind) not in self._alike:
            here, there = self.pose(kind), other.pose(kind)
            mean, window = mean_pose(here, there), self.window.over(other.window)
            one = bring(self.image, self.window, window, (here, mean)) > 127
            two = bring(other.image, other.window, window, (there, mean)) > 127
            both, either = int(np.count_nonzero(one & two)), int(np.count_nonzero(one | two))
            self._alike[other, kind] = both / max(either, 1)
        return self._alike[other, kind]

    def kind_to(self, other: "Shape", *, is_thin: bool = False) -> int:
        """The kind of pose that makes this and the shape of a later slice more alike; none spreads that `is_thin`."""
        best, most = STAYS, self.likeness(other, STAYS)
        for kind in (MOVES,) if is_thin else (MOVES, SPREADS):
            if most > 1 - NEARER:
                break
            found = self.likeness(other, kind)
            if found > most + NEARER:
                best, most = kind, found
        return best


def signed_distance(mask: NDArray[np.bool_], aspect: float = 1.0) -> NDArray[np.float32]:
    """Distance (pixel widths) of each pixel's centre to the mask's edge in its slice, above 0 inside."""
    if not mask.any():
        return np.full(mask.shape, NOTHING, dtype=np.float32)
    if abs(aspect - 1.0) < 0.01:
        inside, outside = (_distance(side) for side in (mask, ~mask))
    else:
        inside, outside = (
            ndimage.distance_transform_edt(side, sampling=(aspect, 1.0)).astype(np.float32) for side in (mask, ~mask)
        )
    distance: NDArray[np.float32] = np.where(mask, inside - 0.5, 0.5 - outside).astype(np.float32)
    return distance


def _distance(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Distance (pixels) of each True pixel to the nearest False one.

    OpenCV's last digit depends on where the array lies in memory. The square is a whole number, which mends that.
    """
    distance = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE).astype(np.float64)
    exact: NDArray[np.float32] = np.sqrt(np.rint(distance * distance)).astype(np.float32)
    return exact
