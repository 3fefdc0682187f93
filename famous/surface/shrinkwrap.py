"""The paper's surface: a convex hull that is shrunk onto the points of the object, in eight steps.

Nešić et al. 2023 (FAMOUS), steps as in their figure of the post-processing: (1) points of the extracted pixels, (2)
statistical outlier removal, (3) convex hull, (4) voxel remesh and projection to the nearest points, (5) scaling by a
few per cent, (6) points outside are dropped, (7) hull and denser remesh of what is left, (8) projection and smoothing.
It is a method for convex objects, which endosomes and lysosomes are; a branched one keeps webs between its branches.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, diags_array
from scipy.spatial import ConvexHull, QhullError, cKDTree

from famous.errors import ConfigError
from famous.mesh import Mesh, merge
from famous.points import OutlierParams, PointCloud, drop_outliers, from_mask
from famous.surface import isosurface
from famous.surface.marching import Slab, march
from famous.voxels import VoxelSize

MIN_CELLS, MAX_CELLS = 12, 128  # cells along the longest side of a remeshed hull


@dataclass(frozen=True)
class ShrinkwrapParams:
    """What the shrink-wrap can be told; lengths in nm."""

    outliers: OutlierParams = field(default_factory=OutlierParams)  #: step 2, here on the points of one instance
    coarse_nm: float = 64.0  #: cell of the first remesh (step 4)
    dense_nm: float = 32.0  #: cell of the second remesh (step 7); neither is finer than a voxel
    scale: float = 0.02  #: step 5: how much the first mesh grows about its centre, as a share
    neighbours: int = 4  #: nearest points whose mean a vertex is projected to; 1 is the nearest alone
    taubin_rounds: int = 10  #: rounds of Taubin smoothing (step 8); 0 leaves it out
    taubin_lambda: float = 0.5  #: inward step of a round
    taubin_mu: float = -0.53  #: outward step of a round, a little larger, so that the volume stays

    def __post_init__(self) -> None:
        for name, low in (("coarse_nm", 0), ("dense_nm", 0), ("scale", 0), ("neighbours", 1), ("taubin_rounds", 0)):
            value = getattr(self, name)
            if not (np.isfinite(value) and value >= low):
                raise ConfigError(f"shrinkwrap.{name}: found {value}, expected a number of at least {low}")
        if not 0 < self.taubin_lambda < -self.taubin_mu < 1:
            raise ConfigError(
                f"shrinkwrap.taubin: found λ {self.taubin_lambda} and µ {self.taubin_mu}, expected 0 < λ < −µ < 1"
            )


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
        (one slice, a plane, a thread) gets the isosurface instead; an empty mask gives an empty mesh.

    Raises
    ------
    InputError
        If the mask has not three axes.
    MissingError
        If open3d cannot be loaded.
    """
    params = params or ShrinkwrapParams()
    cloud = drop_outliers(outset(from_mask(mask, voxel_size=voxel_size, offset=offset), voxel_size), params.outliers)
    mesh = _wrap(
        cloud,
        replace(
            params,
            coarse_nm=_cell(cloud, params.coarse_nm, voxel_size),
            dense_nm=_cell(cloud, params.dense_nm, voxel_size),
        ),
    )
    if mesh.is_watertight and mesh.volume_nm3 > 0:
        return mesh
    return isosurface.surface(mask, voxel_size=voxel_size, offset=offset)


def outset(cloud: PointCloud, voxel_size: VoxelSize) -> PointCloud:
    """Move points from the centres of the surface voxels to their outer side: half a voxel along the normal."""
    half = np.linalg.norm(cloud.normals * voxel_size.zyx, axis=1, keepdims=True) / 2
    return PointCloud(cloud.positions + cloud.normals * half, cloud.normals)


def _cell(cloud: PointCloud, cell_nm: float, voxel_size: VoxelSize) -> float:
    """Return the cell asked for, no finer than a pixel, and such that the object is 12 to 128 cells long."""
    if len(cloud) == 0:
        return cell_nm
    extent = float(np.ptp(cloud.positions, axis=0).max())
    return max(min(max(cell_nm, voxel_size.pixel_nm), extent / MIN_CELLS), extent / MAX_CELLS, 1e-3)


def _wrap(cloud: PointCloud, params: ShrinkwrapParams) -> Mesh:
    """Do steps 3 to 8; an empty mesh where the points span no volume."""
    first = project(remesh(convex_hull(cloud.positions), params.coarse_nm), cloud, params.neighbours)
    if first.is_empty:
        return first
    centre = first.vertices.mean(axis=0)
    grown = Mesh((first.vertices - centre) * (1 + params.scale) + centre, first.faces)
    kept = cloud.take(grown.contains(cloud.positions))
    second = project(remesh(convex_hull(kept.positions), params.dense_nm), kept, params.neighbours)
    return smooth(second, params)


def convex_hull(positions: NDArray[np.float64]) -> Mesh:
    """Convex hull of (n, 3) points, outward; empty where they are fewer than four or lie in one plane."""
    if len(positions) < 4:
        return Mesh.empty()
    try:
        hull = ConvexHull(positions)
    except QhullError:
        return Mesh.empty()
    number = np.full(len(positions), -1)
    number[hull.vertices] = np.arange(len(hull.vertices))
    faces, vertices = number[hull.simplices], positions[hull.vertices]
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    inward = np.einsum("ij,ij->i", np.cross(b - a, c - a), hull.equations[:, :3]) < 0
    faces[inward] = faces[inward][:, ::-1]
    return Mesh(vertices, faces)


def remesh(mesh: Mesh, cell_nm: float) -> Mesh:
    """Mesh a closed surface anew with triangles of about one cell: marching cubes on its signed distance.

    The same idea as pymeshlab's uniform resampling and as fast; but that one takes all memory for some hulls with
    slivers. A body thinner than a cell may vanish.
    """
    if mesh.is_empty:
        return mesh
    low = mesh.bounds[0] - 1.5 * cell_nm
    shape = np.ceil((mesh.bounds[1] - low) / cell_nm + 1.5).astype(int)
    grid = np.indices(shape).reshape(3, -1).T * cell_nm + low
    distance = mesh.signed_distance(grid).reshape(shape)
    pieces = march([Slab(0, distance)], 0.0, apart=isosurface.APART * cell_nm)
    return merge(Mesh(piece.vertices * cell_nm + low, piece.faces.astype(np.int64)) for piece in pieces)


def project(mesh: Mesh, cloud: PointCloud, neighbours: int) -> Mesh:
    """Move every vertex to the mean of its nearest points."""
    if mesh.is_empty or len(cloud) == 0:
        return Mesh.empty()
    count = min(neighbours, len(cloud))
    _, nearest = cKDTree(cloud.positions).query(mesh.vertices, np.arange(1, count + 1), workers=-1)
    return Mesh(cloud.positions[nearest].mean(axis=1), mesh.faces)


def smooth(mesh: Mesh, params: ShrinkwrapParams) -> Mesh:
    """Smooth without shrinking (Taubin 1995); the faces stay as they are."""
    if mesh.is_empty or params.taubin_rounds == 0:
        return mesh
    start, end = mesh.faces.ravel(), np.roll(mesh.faces, -1, axis=1).ravel()
    number = len(mesh.vertices)
    links = coo_array((np.ones(len(start)), (start, end)), shape=(number, number)).tocsr()
    degree = np.bincount(start, minlength=number)
    average = diags_array(1.0 / np.maximum(degree, 1)) @ links
    vertices = mesh.vertices
    for _ in range(params.taubin_rounds):
        for factor in (params.taubin_lambda, params.taubin_mu):
            vertices = vertices + factor * (average @ vertices - vertices)
    return Mesh(vertices, mesh.faces)
