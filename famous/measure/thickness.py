"""Local thickness: at each point of an object, the diameter of the largest ball inside it that holds the point."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from famous.errors import ConfigError
from famous.measure.lattice import Lattice, Surface, lattice_of
from famous.mesh import Mesh

RIDGE = 0.5  # of a step: a ball that a neighbour's covers but for this much is left out
ASCENT = (0.5, 0.35, 0.25, 0.15, 0.1)  # steps by which centres move away from the nearest surface
REACH = 0.6  # of a step: how far outside a ball a lattice point still counts to it


@dataclass(frozen=True)
class ThicknessParams:
    """How finely thickness is measured."""

    wanted: bool = False  # measure it; about 0.1 s an organelle
    points: int = 10_000  # points inside an object at which it is asked, at most, about

    def __post_init__(self) -> None:
        if self.points < 100:
            raise ConfigError(f"thickness.points: found {self.points}, expected at least 100")


@dataclass(frozen=True)
class Thickness:
    """Mean over the object's points and largest value, nm; NaN where there is no object."""

    mean_nm: float
    max_nm: float


def local_thickness(mesh: Mesh, params: ThicknessParams | None = None) -> Thickness:
    """Measure the local thickness of the solid inside a closed mesh.

    Hildebrand and Rüegsegger (1997), in the steps of BoneJ (Dougherty and Kunzelmann 2007): distance to the surface,
    its ridge, and the balls round the ridge's points, largest first. Here the distances are those to the mesh, so that
    they are as good between coarse slices as the mesh is, and the centres climb between the lattice's points until
    their balls grow no more. A ball that another one covers but for half a lattice step is left out, which bounds the
    error of the mean.
    """
    params = params or ThicknessParams()
    if mesh.volume_nm3 <= 0:
        return Thickness(math.nan, math.nan)
    lattice = lattice_of(mesh, points=params.points, finest=0.1)
    if not lattice.inside.any():
        return Thickness(math.nan, math.nan)
    surface = Surface.of(mesh)
    centres, radii = _climb(lattice.to_nm(_ridge(lattice)), surface, lattice.step_nm)
    order = np.argsort(-radii, kind="stable")
    diameters = _paint(lattice, centres[order], radii[order])
    found = diameters[lattice.inside & (diameters > 0)]
    largest = float(2 * radii.max())
    return Thickness(min(float(found.mean(dtype=np.float64)), largest), largest)  # single precision may round up


def _ridge(lattice: Lattice) -> NDArray[np.int64]:
    """(n, 3) lattice points whose ball no neighbour's ball covers."""
    distance = ndimage.distance_transform_edt(lattice.inside).astype(np.float32)
    covered = np.zeros(distance.shape, dtype=np.bool_)
    core = (slice(1, -1),) * 3
    for shift in np.ndindex(3, 3, 3):
        length = math.dist(shift, (1, 1, 1))
        if length:
            part = tuple(slice(s, side - 2 + s) for s, side in zip(shift, distance.shape, strict=True))
            covered[core] |= distance[part] >= distance[core] + np.float32(length - RIDGE)
    return np.argwhere(lattice.inside & ~covered).astype(np.int64)


def _climb(
    centres: NDArray[np.float64], surface: Surface, step: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Move each centre away from the surface's nearest point while its ball grows; the centres and radii."""
    radii, nearest = surface.nearest(centres)
    for share in ASCENT:
        away = centres - nearest
        lengths = np.maximum(radii, 1e-9)[:, None]
        moved = centres + away / lengths * (share * step)
        larger, other = surface.nearest(moved)
        grown = larger > radii
        centres = np.where(grown[:, None], moved, centres)
        nearest = np.where(grown[:, None], other, nearest)
        radii = np.where(grown, larger, radii)
    return centres, radii


def _paint(lattice: Lattice, centres: NDArray[np.float64], radii: NDArray[np.float64]) -> NDArray[np.float32]:
    """Diameter of the largest ball over each lattice point, 0 where there is none; balls come largest first."""
    diameters = np.zeros(lattice.inside.shape, dtype=np.float32)
    step = lattice.step_nm
    kept = np.empty((len(centres), 4))
    count = 0
    places = (centres - lattice.origin) / step
    for place, radius in zip(places, radii / step, strict=True):
        others = kept[:count]
        apart = others[:, :3] - place
        room = others[:, 3] + (RIDGE - radius)  # ≥ 0: no ball is larger than those before it
        if ((apart * apart).sum(axis=1) <= room * room).any():
            continue
        kept[count] = (*place, radius)
        count += 1
        reach = radius + REACH
        low = np.maximum(np.ceil(place - reach), 0).astype(int)
        high = np.minimum(np.floor(place + reach) + 1, diameters.shape).astype(int)
        part = diameters[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
        z, y, x = ((np.arange(first, end) - middle) ** 2 for first, end, middle in zip(low, high, place, strict=True))
        ball = z[:, None, None] + y[:, None] + x <= reach * reach
        part[ball & (part == 0)] = 2 * radius * step
    return diameters
