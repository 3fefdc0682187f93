"""The centre line of an object: its length, its branches, without the hairs that a rough surface grows."""

import math
from dataclasses import dataclass

from famous.errors import ConfigError
from famous.measure.centreline import Graph, trace
from famous.measure.lattice import Surface, lattice_of
from famous.measure.thinning import thin
from famous.mesh import Mesh


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

    Something without a side branch has one branch: a ball (as long as its diameter), a tube, a ring.
    """

    length_nm: float
    branches: int
    branch_points: int


def skeletonize(mesh: Mesh, params: SkeletonParams | None = None) -> Skeleton:
    """Measure the centre line of the solid inside a closed mesh.

    The lattice points inside are thinned to a line (`famous.measure.thinning`), which keeps tunnels and tips. Side
    branches no longer than `spur` times the distance to the surface where they leave are taken away, the shortest
    first, and branch points that lie in each other's balls are one. Lengths are those of the smoothed line.

    Where an object is thinner than the lattice's step, a tenth of 2 V / A or coarser for very large ones, it falls
    apart, and each part has its own line.
    """
    params = params or SkeletonParams()
    if mesh.volume_nm3 <= 0:
        return Skeleton(math.nan, 0, 0)
    lattice = lattice_of(mesh, points=params.points, finest=0.1)
    if not lattice.inside.any():
        return Skeleton(math.nan, 0, 0)
    line = thin(lattice.inside, apart=2 * mesh.volume_nm3 / mesh.area_nm2 / lattice.step_nm)
    radii, _ = Surface.of(mesh).nearest(lattice.to_nm(line))
    graph = trace(line, radii / lattice.step_nm)
    graph.prune(params.spur)
    graph.join()
    return _summarize(graph, lattice.step_nm)


def _summarize(graph: Graph, step: float) -> Skeleton:
    degrees = graph.degrees()
    lone = [node for node in graph.radii if node not in degrees]
    length = sum(graph.length(branch) for branch in graph.branches) + graph.inner_length
    length += sum(graph.radii[node] for node, degree in degrees.items() if degree == 1)
    length += sum(2 * graph.radii[node] for node in lone)
    meetings = sum(degree >= 3 for degree in degrees.values())
    return Skeleton(float(length * step), len(graph.branches) + len(lone), meetings)
