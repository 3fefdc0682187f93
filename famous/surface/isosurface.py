"""Label surface with smoothing: blur the mask, then cut it at the level that keeps its volume.

Where the blur would change pieces, tunnels or cavities, the voxels that they need stay (`famous.surface.holding`).
Where slices lie far apart, the shapes between them come first (`famous.surface.slices`), because no blur can tell a
staircase from a slope. All of it is done slab by slab (`famous.surface.occupancy`, `famous.surface.marching`), so that
an instance of any length takes no more memory than its mesh.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from famous.errors import ConfigError, InputError
from famous.masks import Body, Mask, find_body
from famous.mesh import Mesh
from famous.surface.holding import held
from famous.surface.marching import Piece, Slab, march
from famous.surface.occupancy import Grid, Occupancy
from famous.surface.simplify import simplify
from famous.topology import Topology, count_topology
from famous.voxels import VoxelSize

ROUNDS = 12  # how often the level may be corrected against the volume of the mesh; two are usual
APART = 0.01  # how far grid values stay from the level, as a share of the maximum
EDGE = 1e-3  # how near to 0 and to the field's maximum a level may come, as a share of the maximum
BINS = 4096  # of the histogram of the grid's values
WIDEST = 0.25  # σ of the blur in nm at most, as a share of the longest side: any object is a blob by then
SLOPE = 0.2  # to either side of the first level: the values that tell how fast the volume falls there


@dataclass(frozen=True)
class IsosurfaceParams:
    """What the isosurface can be told."""

    smooth_steps: float = 1.5  #: σ of the blur in steps of the coarsest axis; 0 leaves it out
    smooth_steps_between: float = 1.0  #: the same where shapes between slices are interpolated: they have no stairs
    smooth_nm: float | None = None  #: σ of the blur in nm, in place of both
    keep_topology: bool = True  #: where the blur would change pieces, tunnels or cavities, what they need stays
    coarse_z: float = 1.5  #: from this ratio of slice distance to pixel on, shapes between the slices are interpolated
    volume_tolerance: float = 0.002  #: relative difference to the volume wanted at which the level is good enough
    max_error_nm: float = (
        0.0  #: how far a simplified surface may be from the one it was made from; 0 leaves it as it is
    )
    max_faces: int = 500_000  #: an instance that would have more is binned first, which keeps its volume

    def __post_init__(self) -> None:
        lows = {
            "smooth_steps": 0.0,
            "smooth_steps_between": 0.0,
            "smooth_nm": 0.0,
            "coarse_z": 1.0,
            "volume_tolerance": 1e-6,
            "max_faces": 1000,
        }
        lows["max_error_nm"] = 0.0
        for name, low in lows.items():
            value = getattr(self, name)
            if not (value is None or (np.isfinite(value) and value >= low)):
                raise ConfigError(f"isosurface.{name}: found {value}, expected a number of at least {low:g}")


def surface(
    mask: Mask,
    *,
    voxel_size: VoxelSize,
    params: IsosurfaceParams | None = None,
    offset: tuple[int, int, int] = (0, 0, 0),
    topology: Topology | None = None,
) -> Mesh:
    """Make a closed, smooth mesh round a mask whose volume is that of its voxels.

    A ring that gets thinner between slices far apart has that of the shapes between them, which is nearer to the truth.

    Parameters
    ----------
    mask
        (z, y, x), True inside, an array or a `PackedMask`; a crop that may end at the object, because it is padded
        here.
    offset
        Index (z, y, x) of the crop's first voxel in the stack.
    topology
        The voxels', where somebody has counted it already.

    Returns
    -------
    Mesh
        In nm of the stack, watertight, volume above 0; parts smaller than the blur may vanish beside larger ones. An
        empty mask gives an empty mesh.

    Raises
    ------
    InputError
        If the mask has not three axes.
    """
    params = params or IsosurfaceParams()
    if isinstance(mask, np.ndarray):
        mask = mask.astype(np.bool_, copy=False)
    if len(mask.shape) != 3:
        raise InputError(f"isosurface: found a mask of shape {mask.shape}, expected three axes (z, y, x)")
    body = find_body(mask)
    if body.voxels == 0:
        return Mesh.empty()
    mesh = _surface(mask, body, voxel_size, params, topology)
    if mesh.is_empty:  # so few voxels in each bin that there are no shapes to interpolate between
        mesh = _surface(mask, body, voxel_size, replace(params, coarse_z=sys.float_info.max), topology)
    return simplify(mesh, params.max_error_nm).translated(np.array(offset) * voxel_size.zyx)


def _surface(
    mask: Mask, body: Body, voxel_size: VoxelSize, params: IsosurfaceParams, topology: Topology | None
) -> Mesh:
    """Mesh a body that is not empty, with the topology of its voxels if that can be had."""
    grid = Grid.choose(mask, body, voxel_size, coarse_z=params.coarse_z, max_faces=params.max_faces)
    step = float(grid.step.max())
    widest = max(WIDEST * float((body.shape * voxel_size.zyx).max()), step)
    steps = params.smooth_steps if grid.parts == 1 else params.smooth_steps_between
    smooth_nm = steps * step if params.smooth_nm is None else min(params.smooth_nm, widest)
    field = Occupancy(mask, body, grid, smooth_nm)
    guess = _Guess.of(field)
    cut = _keep_volume(field, guess, params.volume_tolerance)
    mesh = _mesh(cut, field, params)
    if not params.keep_topology or grid.bins != (1, 1, 1):
        return mesh
    wanted = topology or count_topology(mask)
    if mesh.topology == wanted:
        return mesh
    return _repair(mesh, field, replace(guess, level=cut.level), params, wanted)


def _repair(mesh: Mesh, field: Occupancy, guess: "_Guess", params: IsosurfaceParams, wanted: Topology) -> Mesh:
    """Send back what the blur pushed over the level: what the topology needs, or all of it where that will not do."""
    points = held(field.with_solid(), guess.level)
    made = [mesh]
    for solid in ([field.with_solid(points)] if len(points) else []) + [field.with_solid()]:
        again = _keep_volume(solid, guess, params.volume_tolerance)
        if not again.is_empty:
            made.append(_mesh(again, solid, params))
        if made[-1].topology == wanted:
            break
    return min(made, key=lambda one: one.topology.distance(wanted))


def _mesh(cut: "_Cut", field: Occupancy, params: IsosurfaceParams) -> Mesh:
    """Put a cut together, which is used up; (z, y, x) nm of the mask."""
    step = field.grid.step
    vertices, faces = cut.join()
    if len(faces) == 0:
        return Mesh.empty()
    vertices *= step
    if abs(cut.error) > params.volume_tolerance:  # about the centre, which cannot make the mesh touch itself
        centre = vertices.mean(axis=0)
        vertices = (vertices - centre) * (cut.error + 1.0) ** (-1 / 3) + centre
    vertices += field.origin
    return Mesh(vertices, faces)


@dataclass(frozen=True)
class _Cut:
    """The pieces of a mesh cut at some level, and how far its volume is from the target, as a share of it."""

    pieces: list[Piece]
    level: float
    error: float

    @classmethod
    def at(cls, field: Iterable[Slab], level: float, guess: "_Guess") -> "_Cut":
        """March through the slabs."""
        pieces = list(march((slab.faithful(level) for slab in field), level, apart=guess.top * APART))
        return cls(pieces, level, sum(piece.volume for piece in pieces) / guess.target - 1.0)

    @property
    def is_empty(self) -> bool:
        """Whether there is no face; those that there are close."""
        return not any(len(piece.faces) for piece in self.pieces)

    def join(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Put the pieces, which know each other's vertices, together; they are used up."""
        vertices = np.empty((sum(len(piece.vertices) for piece in self.pieces), 3))
        faces = np.empty((sum(len(piece.faces) for piece in self.pieces), 3), dtype=np.int64)
        last, end = len(vertices), len(faces)
        while self.pieces:  # each is let go of once it is copied
            piece = self.pieces.pop()
            vertices[last - len(piece.vertices) : last] = piece.vertices
            faces[end - len(piece.faces) : end] = piece.faces
            last, end = last - len(piece.vertices), end - len(piece.faces)
        return vertices, faces


@dataclass(frozen=True)
class _Guess:
    """What one look at a field tells of the level whose mesh has the target volume.

    `level` is the quantile that encloses as many grid points as the volume has room for, good for anything larger than
    the blur; `slope` is the relative volume lost per unit of level.
    """

    target: float  # grid points
    level: float
    slope: float
    top: float  # the field's maximum
    excess: float  # all grid points that are not background, as a share of the target

    @classmethod
    def of(cls, field: Occupancy) -> "_Guess":
        """Count how many grid points lie above each level."""
        above, top = _count_above(field)  # first, as the field knows its volume then
        target = field.volume_nm3 / float(field.grid.step.prod())
        levels = np.linspace(0.0, 1.0, BINS + 1)
        level = float(np.interp(-target, -above, levels))
        near = np.interp([level - SLOPE, level + SLOPE], levels, above)
        return cls(target, level, float(near[0] - near[1]) / (2 * SLOPE * target), top, float(above[0]) / target)


def _keep_volume(field: Iterable[Slab], guess: _Guess, tolerance: float) -> _Cut:
    """Cut the field at the level whose mesh has the target volume.

    The slope tells how to correct the first guess; from there on it is regula falsi (Illinois). Where no level will do,
    as with a handful of voxels, the nearest mesh that has faces is returned.
    """
    low, high = 0.0, guess.top  # the volume falls while the level rises, from that of the padded crop to 0
    low_error, high_error, level = guess.excess, -1.0, guess.level
    tried: list[tuple[float, float]] = []
    side = 0
    for _ in range(ROUNDS):
        level = min(max(level, guess.top * EDGE), guess.top * (1 - EDGE))
        cut = _Cut.at(field, level, guess)
        if abs(cut.error) <= tolerance and not cut.is_empty:
            return cut
        cut.pieces.clear()  # before the next are made
        tried.append((abs(cut.error), level))
        if cut.error > 0:
            low, low_error, high_error = level, cut.error, high_error / 2 if side > 0 else high_error
        else:
            high, high_error, low_error = level, cut.error, low_error / 2 if side < 0 else low_error
        level = low + (high - low) * min(max(low_error / (low_error - high_error), 0.05), 0.95)
        nearer = (low if cut.error > 0 else high) + cut.error / max(guess.slope, 1e-9)
        if side == 0 and low < nearer < high:
            level = nearer
        side = 1 if cut.error > 0 else -1
    for _, level in sorted(tried):
        cut = _Cut.at(field, level, guess)
        if not cut.is_empty:
            break
    return cut


def _count_above(field: Iterable[Slab]) -> tuple[NDArray[np.float64], float]:
    """How many grid points lie above each of `BINS` + 1 levels 0 … 1, background left out, and the highest value."""
    counts, top = np.zeros(BINS), 0.0
    for slab in field:
        planes = slab.field[1:] if slab.first else slab.field
        picture = np.ascontiguousarray(planes).reshape(len(planes), -1)
        top = max(top, float(picture.max()))
        picture = np.minimum(picture, np.float32(1.0))  # beside an edge it overshoots
        some = cv2.calcHist([picture], [0], None, [BINS], [float(np.finfo(np.float32).tiny), 1.0 + 1e-6])
        counts += some.ravel()
    return np.concatenate([np.cumsum(counts[::-1])[::-1], [0.0]]), top
