"""The paper's surface: a convex hull that is shrunk onto the points of the object, in eight steps.

Nešić et al. 2023 (FAMOUS), the steps of their Figure 22: (1) points of the extracted pixels, (2) statistical outlier
removal, (3) convex hull, (4) voxel remesh, (5) scaling by 1 to 3 %, after a projection where the object is not round,
(6) exterior points are dropped, (7) hull and denser remesh of what is left, (8) projection and smoothing. It is a
method for convex objects, which endosomes and lysosomes are; a branched one keeps webs between its branches.

The paper's words are known here in this summary only. What it leaves open is our reading, marked so at each knob.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from famous.errors import ConfigError, InputError
from famous.mesh import Mesh
from famous.points import OutlierParams, PointCloud, drop_outliers, from_faces
from famous.surface import isosurface
from famous.surface.steps import convex_hull, drop_exterior, project, remesh, scale, smooth, unevenness
from famous.surface.untangle import untangle
from famous.voxels import VoxelSize

#: The eight steps in their order; `number_name` is the name of a step's file.
STEPS = ("points", "inliers", "hull", "remesh", "scaled", "interior", "dense", "smooth")
COARSE_CELLS, DENSE_CELLS = 12, 24  # across a small object: what it is remeshed with at least
MAX_CELLS = 128  # along the longest side at most, which bounds time and memory


@dataclass(frozen=True)
class ShrinkwrapParams:
    """What the shrink-wrap can be told; lengths in nm.

    The paper's sentence on each step, as near as we know it, and what is our reading:

    - Step 1, "point cloud of the extracted pixels (with normals)". Ours: one point a pixel's outer face, because the
      centres lie half a pixel inside the object; normals from the slope of the blurred mask.
    - Step 2, `outliers`: "statistical neighbour-distance outliers per class (open3d)". Here on the points of one
      instance; `famous.points.drop_outliers_together` does a whole class. open3d's usual two standard deviations take
      one point in 25 of a smooth organelle, all where it is flat along an axis and its points lie furthest apart, and
      leave dents there; four take the specks alone.
    - Steps 3 and 4, `coarse_nm`: "convex hull, voxel remesh". The cell's size is ours.
    - Step 5, `scale`: "scale by 1 to 3 %" – the middle of it; `even_below`: "(points evenly far from the centre)
      or project onto the cloud first". Ours: evenly far means a coefficient of variation of the distances below this,
      which is an ellipsoid of about 1.5 : 1; every other object is projected first and scaled then.
    - Step 6, `slack_voxels`: "drop exterior points". Ours: the voxels' own steps do not make a point exterior. Without
      the slack, small objects lose the outer half of their points, and up to two thirds of their volume.
    - Step 7, `dense_nm`: "hull again, denser remesh". The cell's size is ours.
    - Step 8, `neighbours`, `patch`: "project"; `taubin_*`: "smooth". Ours: the projection onto the mean surface of the
      nearest points, and Taubin's smoothing, which does not shrink.
    - After it, `untangle_rounds`: not in the paper, off in its configurations. Where an object is concave, the
      projection folds the mesh; without this, faces of such an object cut each other.
    """

    outliers: OutlierParams = field(
        default_factory=lambda: OutlierParams(std_ratio=4.0)
    )  #: step 2, on the points of one instance
    coarse_nm: float = 64.0  #: cell of the first remesh (step 4)
    scale: float = 0.02  #: step 5: how much the first mesh grows about its centre, as a share (the paper's 1 to 3 %)
    even_below: float = 0.15  #: step 5: coefficient of variation of the points' distances; from it on, projected first
    slack_voxels: float = 1.0  #: step 6: how far outside of the scaled mesh a point may lie, in voxels
    dense_nm: float = 16.0  #: cell of the second remesh (step 7); neither is finer than a voxel
    neighbours: int = 12  #: points of the patch that a vertex is projected to, at least; more where z is coarse
    patch: float = 0.0  #: share of all points that a patch has at least; 0.05 averages over slices that are ragged
    taubin_rounds: int = 8  #: rounds of Taubin smoothing (step 8); 0 leaves it out
    taubin_lambda: float = 0.5  #: inward step of a round
    taubin_mu: float = -0.53  #: outward step of a round, a little larger, so that the volume stays
    untangle_rounds: int = 30  #: rounds at most in which faces that cut each other are smoothed apart; 0 leaves them

    def __post_init__(self) -> None:
        limits = {
            "coarse_nm": (0, np.inf),
            "scale": (0, np.inf),
            "even_below": (0, np.inf),
            "slack_voxels": (0, np.inf),
            "dense_nm": (0, np.inf),
            "neighbours": (1, np.inf),
            "patch": (0, 0.5),
            "taubin_rounds": (0, np.inf),
            "untangle_rounds": (0, np.inf),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not (np.isfinite(value) and low <= value <= high):
                room = f"{low} … {high}" if np.isfinite(high) else f"a number of at least {low}"
                raise ConfigError(f"shrinkwrap.{name}: found {value}, expected {room}")
        if not 0 < self.taubin_lambda < -self.taubin_mu < 1:
            raise ConfigError(
                f"shrinkwrap.taubin_mu: found {self.taubin_mu} beside taubin_lambda {self.taubin_lambda}, expected "
                "0 < taubin_lambda < −taubin_mu < 1"
            )


@dataclass(frozen=True, eq=False)
class Step:
    """What one of the eight steps made."""

    number: int
    name: str
    shape: PointCloud | Mesh
    about: str  # what was done with what figures, for people

    @property
    def stem(self) -> str:
        """`1_points` … `8_smooth`."""
        return f"{self.number}_{self.name}"


def surface(
    mask: NDArray[np.bool_],
    *,
    voxel_size: VoxelSize,
    params: ShrinkwrapParams | None = None,
    offset: tuple[int, int, int] = (0, 0, 0),
) -> Mesh:
    """Shrink a hull onto the surface voxels of a mask.

    Parameters
    ----------
    mask
        (z, y, x), True inside; a crop that may end at the object.
    offset
        Index (z, y, x) of the crop's first voxel in the stack.

    Returns
    -------
    Mesh
        In nm of the stack, watertight, volume above 0. An object with too few points or too flat a hull for the cells
        (a thread, a few voxels) gets the isosurface instead; an empty mask gives an empty mesh. No face cuts another,
        with the usual `untangle_rounds`.

    Raises
    ------
    InputError
        If the mask has not three axes.
    MissingError
        If open3d cannot be loaded.
    """
    mesh = trace(mask, voxel_size=voxel_size, params=params, offset=offset)[-1].shape
    if not isinstance(mesh, Mesh):
        raise InputError("shrinkwrap: the last step is no mesh")
    return mesh


def trace(
    mask: NDArray[np.bool_],
    *,
    voxel_size: VoxelSize,
    params: ShrinkwrapParams | None = None,
    offset: tuple[int, int, int] = (0, 0, 0),
) -> list[Step]:
    """Do what `surface` does and return what each of the eight steps made; the last is the mesh."""
    params = params or ShrinkwrapParams()
    mask = np.asarray(mask, dtype=np.bool_)
    points = from_faces(mask, voxel_size=voxel_size, offset=offset)
    inliers = drop_outliers(points, params.outliers)
    hull = convex_hull(inliers.positions)
    coarse = remesh(hull, _cell(hull, params.coarse_nm, voxel_size, COARSE_CELLS))
    spread = unevenness(inliers)
    even = spread < params.even_below
    first = coarse if even else _project(coarse, inliers, voxel_size, params)
    grown = scale(first, params.scale)
    kept = drop_exterior(inliers, grown, voxel_size, params.slack_voxels)
    inner = convex_hull(kept.positions)
    cell = _cell(inner, params.dense_nm, voxel_size, DENSE_CELLS)
    dense = remesh(inner, cell)
    landed = _project(dense, kept, voxel_size, params)
    smoothed = smooth(landed, params.taubin_rounds, params.taubin_lambda, params.taubin_mu)
    mesh = untangle(smoothed, params.untangle_rounds)
    finish = f"{params.taubin_rounds} rounds of smoothing" + ("" if mesh is smoothed else ", folds smoothed away")
    if len(points) and not (mesh.is_watertight and mesh.volume_nm3 > 0):
        mesh = isosurface.surface(mask, voxel_size=voxel_size, offset=offset)
        finish = "cannot be wrapped: isosurface"
    way = f"{'even' if even else 'uneven'} ({spread:.2f}): {'' if even else 'projected, '}scaled by {params.scale:.1%}"
    done: list[tuple[PointCloud | Mesh, str]] = [
        (points, f"{len(points):,} points of the pixels' outer faces"),
        (inliers, f"{len(points) - len(inliers):,} of them dropped"),
        (hull, f"{len(hull.faces):,} faces"),
        (coarse, f"{len(coarse.faces):,} faces"),
        (grown, way),
        (kept, f"{len(inliers) - len(kept):,} of them dropped"),
        (dense, f"cells of {cell:.3g} nm, {len(dense.faces):,} faces"),
        (mesh, finish),
    ]
    return [Step(n, name, shape, about) for n, (name, (shape, about)) in enumerate(zip(STEPS, done, strict=True), 1)]


def _project(mesh: Mesh, cloud: PointCloud, voxel_size: VoxelSize, params: ShrinkwrapParams) -> Mesh:
    return project(mesh, cloud, voxel_size, neighbours=params.neighbours, patch=params.patch)


def _cell(hull: Mesh, cell_nm: float, voxel_size: VoxelSize, least: int) -> float:
    """Return the cell asked for, no finer than a pixel, and such that the object is `least` to 128 cells across.

    Across is six times the volume over the area: a ball's diameter, three times the thickness of a plate.
    """
    if hull.is_empty:
        return cell_nm
    across = 6 * hull.volume_nm3 / hull.area_nm2
    longest = float(np.ptp(hull.vertices, axis=0).max())
    return max(min(max(cell_nm, voxel_size.pixel_nm), across / least), longest / MAX_CELLS, 1e-3)
