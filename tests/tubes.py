"""Closed surfaces of tubes round given lines: signed distances to segments, cut at 0 on a fine lattice."""

import numpy as np
from skimage.measure import marching_cubes

from famous.mesh import Mesh
from tests.solids import Solid

Y_ARMS = [np.array(arm) / np.linalg.norm(arm) for arm in ((0.8, 0.6, 0.0), (-0.5, 0.5, 0.707), (-0.1, -0.9, -0.4))]


def along(segments, radius):
    """Signed distance to tubes round segments, each two points (z, y, x) in nm."""

    def distance(points):
        found = np.full(len(points), np.inf)
        for ends in segments:
            a, b = (np.asarray(end, float) for end in ends)
            share = np.clip((points - a) @ (b - a) / max((b - a) @ (b - a), 1e-9), 0, 1)
            found = np.minimum(found, np.linalg.norm(points - a - share[:, None] * (b - a), axis=1))
        return found - radius

    return distance


def y_tube(radius=50.0, arm=300.0) -> Solid:
    """Three arms that meet in the middle."""
    return Solid(along([(np.zeros(3), arm * a) for a in Y_ARMS], radius), arm + radius, np.nan, np.nan)


def mesh_of(solid: Solid, step=8.0) -> Mesh:
    """The surface where the distance is 0."""
    side = int(2 * solid.half / step) + 6
    points = (np.indices((side,) * 3).reshape(3, -1).T - (side - 1) / 2) * step
    field = solid.distance(points).reshape((side,) * 3)
    vertices, faces, _, _ = marching_cubes(-field, 0.0, spacing=(step,) * 3)
    return Mesh(vertices - (side - 1) / 2 * step, faces).outward()
