"""The moves of a shrink-wrap: hull, remesh, scale, exterior points, projection, smoothing; each a pure function."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, diags_array
from scipy.spatial import ConvexHull, QhullError, cKDTree

from famous.mesh import Mesh, merge
from famous.points import PointCloud
from famous.surface.marching import Slab, march
from famous.voxels import VoxelSize

APART = 0.01  # how far a remesh's corners stay from the grid points, in cells
MOST_POINTS = 400  # of a patch; where it has more, a random part of the cloud stands for all of it
SMALL_PATCH = 0.02  # share of all points that a patch may have because z is coarse
PAIRS = 1 << 18  # of vertices and points that are looked at together, which bounds the memory
FALLOFF = 3.0  # a patch's last point weighs exp(−FALLOFF) of the first
ROUNDS = 3  # of projecting a vertex to the patch round where it then is


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

    A body thinner than a cell may vanish.
    """
    if mesh.is_empty:
        return mesh
    low = mesh.bounds[0] - 1.5 * cell_nm
    shape = np.ceil((mesh.bounds[1] - low) / cell_nm + 1.5).astype(int)
    grid = np.indices(shape).reshape(3, -1).T * cell_nm + low
    distance = mesh.signed_distance(grid).reshape(shape)
    pieces = march([Slab(0, distance)], 0.0, apart=APART * cell_nm)
    return merge(Mesh(piece.vertices * cell_nm + low, piece.faces.astype(np.int64)) for piece in pieces)


def unevenness(cloud: PointCloud) -> float:
    """Coefficient of variation of the points' distances from their centre: 0 for a ball, 0.2 for an egg of 2 : 1."""
    if len(cloud) < 2:
        return 0.0
    distances = np.linalg.norm(cloud.positions - cloud.positions.mean(axis=0), axis=1)
    return float(distances.std() / max(distances.mean(), 1e-12))


def scale(mesh: Mesh, share: float) -> Mesh:
    """Grow a mesh about the mean of its vertices by a share of its size."""
    if mesh.is_empty:
        return mesh
    centre = mesh.vertices.mean(axis=0)
    return Mesh((mesh.vertices - centre) * (1 + share) + centre, mesh.faces)


def drop_exterior(cloud: PointCloud, mesh: Mesh, voxel_size: VoxelSize, slack_voxels: float) -> PointCloud:
    """Return the points that lie in a mesh, or outside of it by no more than some voxels measured along the normal."""
    reach = slack_voxels * np.abs(cloud.normals * voxel_size.zyx).max(axis=1, initial=0.0)
    return cloud.take(mesh.signed_distance(cloud.positions) >= -reach)


def project(mesh: Mesh, cloud: PointCloud, voxel_size: VoxelSize, *, neighbours: int, patch: float = 0.0) -> Mesh:
    """Move every vertex onto the smooth surface through the points next to it; the faces stay as they are.

    A vertex that is far from the cloud goes to its nearest point first. The surface is an average over a patch of
    neighbours, nearest first in voxels: vertex v goes back along the patch's mean normal n by the weighted mean of
    (nᵢ + n)/2 · (v − pᵢ). That is the symmetric point-to-plane distance (Rusinkiewicz 2019), 0 for points on a ball
    as well as on a plane, so that curved surfaces do not shrink as they do where a vertex goes to the mean of points.

    Parameters
    ----------
    neighbours
        Points of a patch, at least; as many times more as a voxel's longest side is longer than its shortest, because
        so many more lie on the way from one slice to the next.
    patch
        Share of all points that a patch has, at least.
    """
    size = np.array(voxel_size.zyx)
    coarse = min(neighbours * float(size.max() / size.min()), SMALL_PATCH * len(cloud))
    least = max(neighbours, round(coarse))
    count = min(max(least, round(patch * len(cloud))), len(cloud))
    if mesh.is_empty or count == 0:
        return Mesh.empty()
    if count > max(MOST_POINTS, least):
        some = np.random.default_rng(0).permutation(len(cloud))[: len(cloud) * MOST_POINTS // count]
        cloud, count = cloud.take(np.sort(some)), MOST_POINTS
    tree = cKDTree(cloud.positions / size)
    vertices = mesh.vertices.copy()
    step = max(1, PAIRS // count)
    for start in range(0, len(vertices), step):
        part = slice(start, start + step)
        vertices[part] = _land(vertices[part], tree, cloud, size, count)
    return Mesh(vertices, mesh.faces)


def _land(
    vertices: NDArray[np.float64], tree: cKDTree, cloud: PointCloud, size: NDArray[np.float64], count: int
) -> NDArray[np.float64]:
    """Project (n, 3) vertices."""
    ranks = np.arange(1, count + 1)
    distances, nearest = _nearest(tree, vertices / size, ranks)
    away = 2 * distances[:, 0] > 1.0 + distances[:, -1]  # in voxels: not among the points, but off to one side
    vertices = np.where(away[:, None], cloud.positions[nearest[:, 0]], vertices)
    for _ in range(ROUNDS):
        distances, nearest = _nearest(tree, vertices / size, ranks)
        weights = np.exp(-FALLOFF * (distances / np.maximum(distances[:, -1:], 1e-9)) ** 2)
        weights /= weights.sum(axis=1, keepdims=True)
        normals = cloud.normals[nearest]
        mean = np.einsum("nk,nkc->nc", weights, normals)
        mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-9)
        offsets = vertices[:, None] - cloud.positions[nearest]
        height = np.einsum("nk,nkc,nkc->n", weights, (normals + mean[:, None]) / 2, offsets)
        vertices = vertices - height[:, None] * mean
    return vertices


def _nearest(
    tree: cKDTree, places: NDArray[np.float64], ranks: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Distances and indices (n, k) of the nearest points of (n, 3) places."""
    distances, nearest = tree.query(places, ranks, workers=-1)
    return np.asarray(distances, dtype=np.float64), np.asarray(nearest, dtype=np.intp)


def smooth(mesh: Mesh, rounds: int, inward: float, outward: float) -> Mesh:
    """Smooth without shrinking (Taubin 1995): in each round a step towards the neighbours' mean, then one back.

    Parameters
    ----------
    inward, outward
        λ above 0 and µ below 0, a little larger; the faces stay as they are.
    """
    if mesh.is_empty or rounds == 0:
        return mesh
    start, end = mesh.faces.ravel(), np.roll(mesh.faces, -1, axis=1).ravel()
    number = len(mesh.vertices)
    links = coo_array((np.ones(len(start)), (start, end)), shape=(number, number)).tocsr()
    degree = np.bincount(start, minlength=number)
    average = diags_array(1.0 / np.maximum(degree, 1)) @ links
    vertices = mesh.vertices
    for _ in range(rounds):
        for factor in (inward, outward):
            vertices = vertices + factor * (average @ vertices - vertices)
    return Mesh(vertices, mesh.faces)
