"""The centre line of an object: its length, its branches, without the hairs that a rough surface grows."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from famous.errors import ConfigError
from famous.measure.centreline import Graph, trace
from famous.measure.lattice import Surface, lattice_of
from famous.measure.thinning import thin
from famous.mesh import Mesh

LUMP = 3.0  # something no longer than this, in radii of its thickest place, has no bends but those that noise makes
HOLLOW = 0.1  # share of an object's volume that it may enclose and still have a centre line
REACH = 2.0  # how far from the line, in radii there, something still belongs to it: a bar twice as wide as thick does
ALONG = 0.4  # share of an object's volume that must, or it is a sheet


@dataclass(frozen=True)
class SkeletonParams:
    """How the centre line is found and cleaned."""

    wanted: bool = False  # measure it; about 0.05 s an organelle
    points: int = 10_000  # points of the lattice that is thinned, at most, about
    spur: float = 2.5  # a side branch is one from this length on, in radii where it leaves, from the middle to the tip

    def __post_init__(self) -> None:
        if self.points < 100:
            raise ConfigError(f"skeleton.points: found {self.points}, expected at least 100")
        if not (math.isfinite(self.spur) and self.spur >= 0):
            raise ConfigError(f"skeleton.spur: found {self.spur}, expected a number of at least 0")


@dataclass(frozen=True)
class Skeleton:
    """Length of all branches in nm, from tip to tip; how many branches, and points where three or more of them meet.

    Something without a side branch has one branch: a ball (as long as its diameter), a tube, a ring. Something with
    corners has a line into each that lies far enough out.
    """

    length_nm: float
    branches: int
    branch_points: int


def skeletonize(mesh: Mesh, params: SkeletonParams | None = None) -> Skeleton:
    """Measure the centre line of the solid inside a closed mesh.

    The lattice points inside are thinned to a line (`famous.measure.thinning`), which keeps tunnels and tips. Side
    branches no longer than `spur` times the distance to the surface where they leave are taken away, the shortest
    first, and branch points that lie in each other's balls are one. Lengths are those of the smoothed line.

    What encloses a cavity of more than a tenth of its own volume is a wall, and what lies mostly farther from its line
    than twice the line's distance to the surface is a sheet (a bar from about four times as wide as thick on): neither
    has a centre line, its length is NaN.

    Where an object is thinner than the lattice's step, a tenth of 2 V / A or coarser for very large ones, it falls
    apart, and each part has its own line.
    """
    params = params or SkeletonParams()
    if mesh.volume_nm3 <= 0:
        return Skeleton(math.nan, 0, 0)
    lattice = lattice_of(mesh, points=params.points, finest=0.1)
    cavities = np.count_nonzero(ndimage.binary_fill_holes(lattice.inside) & ~lattice.inside)
    if not lattice.inside.any() or cavities > HOLLOW * np.count_nonzero(lattice.inside):
        return Skeleton(math.nan, 0, 0)
    line = thin(lattice.inside, apart=2 * mesh.volume_nm3 / mesh.area_nm2 / lattice.step_nm)
    deepest = np.unravel_index(np.argmax(ndimage.distance_transform_edt(lattice.inside)), lattice.inside.shape)
    round_it = np.array(deepest) + np.indices((5, 5, 5)).reshape(3, -1).T / 4 - 0.5  # the middle lies between points
    distances, _ = Surface.of(mesh).nearest(lattice.to_nm(np.vstack([line, round_it])))
    radii, thickest = distances[: len(line)] / lattice.step_nm, distances[len(line) :].max() / lattice.step_nm
    graph = trace(line, radii)
    graph.prune(params.spur)
    graph.join()
    if _is_sheet(lattice.index, line, radii, graph):
        return Skeleton(math.nan, 0, 0)
    return _summarize(graph, lattice.step_nm, float(thickest))


def _is_sheet(inside: NDArray[np.int64], line: NDArray[np.int64], radii: NDArray[np.float64], graph: Graph) -> bool:
    """Tell whether most of the points inside lie far from what was kept of the line."""
    radius = dict(zip(map(tuple, line.tolist()), radii.tolist(), strict=True))
    kept = sorted({tuple(map(int, point)) for branch in graph.branches for point in branch.points})
    if not kept:
        return False
    distance, nearest = cKDTree(kept).query(inside)
    near = distance <= REACH * np.array([radius[point] for point in kept])[nearest]
    return bool(np.mean(near) < ALONG)


def _summarize(graph: Graph, step: float, thickest: float) -> Skeleton:
    """Add up; a lump is as long as the way from tip to tip is straight, and at least as long as it is thick."""
    degrees = graph.degrees()
    lone = [node for node in graph.radii if node not in degrees]
    length = graph.inner_length
    for branch in graph.branches:
        along, tips = graph.length(branch), graph.radii[branch.start] + graph.radii[branch.end]
        lonely = branch.start != branch.end and degrees[branch.start] == degrees[branch.end] == 1
        if lonely and along + tips <= LUMP * thickest:
            along = max(float(np.linalg.norm(branch.points[-1] - branch.points[0])), 2 * thickest - tips)
        length += along
    length += sum(graph.radii[node] for node, degree in degrees.items() if degree == 1)
    length += sum(2 * graph.radii[node] for node in lone)
    meetings = sum(degree >= 3 for degree in degrees.values())
    return Skeleton(float(length * step), len(graph.branches) + len(lone), meetings)
