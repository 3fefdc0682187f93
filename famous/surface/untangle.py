"""No face through another: a closed mesh is smoothed where its faces cut each other, and only there."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, diags_array

from famous.mesh import Mesh
from famous.surface.simplify import crossing_faces

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
