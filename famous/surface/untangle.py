"""No face through another: a closed mesh is smoothed where its faces cut each other, and only there."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, diags_array

from famous.mesh import Mesh
from famous.points import load_open3d

STEPS = 4  # of smoothing in the first round, twice as many in the second, and so on


def untangle(mesh: Mesh, rounds: int) -> Mesh:
    """Move the vertices round faces that cut others to their neighbours' mean until no face cuts another.

    Folds are what such faces are, and a fold that is smoothed opens. The part that is smoothed is the faces that cut
    and a ring of vertices round them, one more ring and more steps in every round: a small fold costs no more than
    itself, and the largest is reached. No vertex comes or goes, so that a closed mesh stays closed and keeps its
    tunnels; the rest of the surface stays where it is.

    Parameters
    ----------
    mesh
        Closed.
    rounds
        At most; where they do not suffice, the mesh with the fewest faces that cut others is returned.

    Returns
    -------
    Mesh
        The mesh itself where no face cuts another; `crossing_faces` tells whether any still does.
    """
    crossing = crossing_faces(mesh) if rounds else np.zeros(0, dtype=np.int64)
    if len(crossing) == 0:
        return mesh
    start, end = mesh.faces.ravel(), np.roll(mesh.faces, -1, axis=1).ravel()
    number = len(mesh.vertices)
    links = coo_array((np.ones(len(start)), (start, end)), shape=(number, number)).tocsr()
    average = diags_array(1.0 / np.maximum(np.bincount(start, minlength=number), 1)) @ links
    best, fewest, now = mesh, len(crossing), mesh
    for round_ in range(rounds):
        moved: NDArray[np.bool_] = np.zeros(number, dtype=np.bool_)
        moved[mesh.faces[crossing]] = True
        for _ in range(1 + round_):
            moved |= np.asarray(links @ moved.astype(np.float64)) > 0
        vertices = now.vertices
        for _ in range(STEPS * (1 + round_)):
            vertices = np.where(moved[:, None], np.asarray(average @ vertices), vertices)
        now = Mesh(vertices, mesh.faces)
        crossing = crossing_faces(now)
        if len(crossing) < fewest:
            best, fewest = now, len(crossing)
        if fewest == 0:
            break
    return best


def crossing_faces(mesh: Mesh) -> NDArray[np.int64]:
    """Faces, by number, that are cut by an edge of a face with which they share no corner."""
    if mesh.is_empty:
        return np.zeros(0, dtype=np.int64)
    open3d = load_open3d()
    origin, scale = mesh.vertices.mean(axis=0), max(float(np.ptp(mesh.vertices, axis=0).max()), 1e-9)
    corners = ((mesh.vertices - origin) / scale).astype(np.float32)
    scene = open3d.t.geometry.RaycastingScene()
    scene.add_triangles(open3d.core.Tensor(corners), open3d.core.Tensor(mesh.faces.astype(np.uint32)))
    sides = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    edges = np.unique(np.sort(sides, axis=1), axis=0)
    cut = []
    for ends in (edges, edges[:, ::-1]):  # single precision sees some from one end only
        start, end = corners[ends[:, 0]], corners[ends[:, 1]]
        found = scene.list_intersections(open3d.core.Tensor(np.concatenate([start, end - start], axis=1)))
        ray, face = (found[key].numpy().astype(np.int64) for key in ("ray_ids", "primitive_ids"))
        along = found["t_hit"].numpy()
        meets = (mesh.faces[face][:, :, None] == ends[ray][:, None, :]).any(axis=(1, 2))
        cut.append(face[(along > 0) & (along < 1) & ~meets])
    return np.unique(np.concatenate(cut))
