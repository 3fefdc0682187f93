"""Fewer faces within a stated error: quadric edge collapse, checked for everything that a surface has to be.

The collapse is open3d's, after Garland and Heckbert (1997), Surface simplification using quadric error metrics. It is
given a number of faces; the least number whose mesh passes every check is searched for.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from famous.errors import InputError
from famous.mesh import Mesh
from famous.points import load_open3d
from famous.surface.untangle import crossing_faces, untangle

LEAST = 32  # faces; fewer are no surface of anything
STEP = 8  # times fewer faces are tried first
ROUNDS = 7  # of the search for the number of faces
FOLDS = 4  # rounds of smoothing where faces cut each other: a few folds must not stop the search
VOLUME = 0.003  # the volume may change by this share
SURELY = 0.9  # of the error: the points at which it is measured may have missed the worst
DENSITY = 16  # points at which the error is measured, for each face of the finer surface
ROUGHLY = 1  # such points while the number of faces is searched for
LOOKS = 3  # how often what was found is looked at closely
CLOSE = 1.15  # numbers of faces nearer to each other than this are the same


def simplify(mesh: Mesh, max_error_nm: float) -> Mesh:
    """Take as many faces away as a two-sided distance allows.

    Parameters
    ----------
    mesh
        Closed.
    max_error_nm
        How far any point of either surface may be from the other; 0 leaves the mesh as it is.

    Returns
    -------
    Mesh
        Closed and two-manifold, no face cuts another, the same pieces, tunnels and cavities, the same volume to
        0.3 %; the mesh itself where nothing simpler is all that.

    Raises
    ------
    InputError
        If the error is below 0 or not a number.
    """
    if not max_error_nm >= 0:
        raise InputError(f"simplify: found a maximum error of {max_error_nm} nm, expected 0 or more")
    if max_error_nm == 0 or len(mesh.faces) <= LEAST:
        return mesh
    limit = SURELY * max_error_nm
    allowed, least, found = limit, LEAST, [(mesh, 0.0)]
    for _ in range(LOOKS):
        _search(found, allowed, least)
        simple = found[-1][0]
        if simple is mesh or (error := error_nm(simple, mesh)) <= limit:
            return simple
        allowed *= max(limit / error, 0.5)  # the rough look saw so much less
        while found[-1][1] > allowed or found[-1][0] is simple:
            least = len(found.pop()[0].faces)
    return next((simple for simple, _ in reversed(found[1:]) if error_nm(simple, mesh) <= limit), mesh)


def _search(found: list[tuple[Mesh, float]], allowed: float, least: int) -> None:
    """Look roughly for the fewest faces, more than `least`, whose error is allowed.

    `found` holds the mesh itself and what passed so far with its error, each with fewer faces; what passes now is
    added. Each is collapsed from the one before: it is quick where few faces are left, and comes out as well.
    """
    mesh = found[0][0]
    low, high = float(least), float(len(found[-1][0].faces))
    number = max(high / STEP, np.sqrt(low * high))
    for _ in range(ROUNDS):
        if high / low < CLOSE:
            break
        tried = _unfold(collapse(found[-1][0], int(number)), mesh.volume_nm3)
        is_like = _is_sound(tried, mesh) and tried.topology == mesh.topology
        error = error_nm(tried, mesh, ROUGHLY) if is_like else np.inf
        if error <= allowed:
            found.append((tried, error))
            high = number
        else:
            low = number
        # half the faces, twice the error
        guess = number * error / allowed if 0 < error < np.inf else np.sqrt(low * high)
        number = min(max(guess, low * CLOSE**0.5), high / CLOSE**0.5)


def collapse(mesh: Mesh, number: int) -> Mesh:
    """Collapse edges until so many faces are left; what comes out need not be closed."""
    open3d = load_open3d()
    whole = open3d.geometry.TriangleMesh(
        open3d.utility.Vector3dVector(mesh.vertices), open3d.utility.Vector3iVector(mesh.faces.astype(np.int32))
    )
    fewer = whole.simplify_quadric_decimation(number)
    return _with_volume(Mesh(np.asarray(fewer.vertices), np.asarray(fewer.triangles).astype(np.int64)), mesh.volume_nm3)


def _unfold(mesh: Mesh, volume_nm3: float) -> Mesh:
    """Smooth away folds that the collapse left, at the same volume; the mesh itself where there are none."""
    smooth = untangle(mesh, FOLDS)
    return mesh if smooth is mesh else _with_volume(smooth, volume_nm3)


def _with_volume(mesh: Mesh, volume_nm3: float) -> Mesh:
    """Move all of a surface in or out by what its volume is short of: chords lie inside a bulge."""
    for _ in range(2):
        if mesh.is_empty or mesh.area_nm2 == 0:
            return mesh
        away = (volume_nm3 - mesh.volume_nm3) / mesh.area_nm2
        mesh = Mesh(mesh.vertices + away * mesh.vertex_normals(), mesh.faces)
    return mesh


def error_nm(one: Mesh, other: Mesh, density: int = DENSITY) -> float:
    """Largest distance found between two surfaces, from either to the other, at points spread over both.

    Parameters
    ----------
    density
        Points for each face of the other, which is the finer one.
    """
    there = other.distance(_spread(one, other, density)).max()
    back = one.distance(_spread(other, other, density)).max()
    return float(max(there, back))


def _is_sound(mesh: Mesh, whole: Mesh) -> bool:
    """Whether a mesh is closed, has that other's volume, and no face cuts another."""
    if not mesh.is_watertight or abs(mesh.volume_nm3 - whole.volume_nm3) > VOLUME * abs(whole.volume_nm3):
        return False
    if len(np.unique(np.sort(mesh.faces, axis=1), axis=0)) < len(mesh.faces):  # two faces back to back
        return False
    return _fans_are_single(mesh) and len(crossing_faces(mesh)) == 0


def _fans_are_single(mesh: Mesh) -> bool:
    """Whether the faces round each vertex of a closed mesh are one fan: two-manifold at the vertices, too."""
    count = len(mesh.faces)
    corner = np.arange(3 * count).reshape(count, 3)
    # two corners at one vertex belong together if their faces share an edge that begins or ends there
    start, end = mesh.faces, np.roll(mesh.faces, -1, axis=1)
    forward = np.argsort((start * len(mesh.vertices) + end).ravel())
    backward = np.argsort((end * len(mesh.vertices) + start).ravel())
    at_start, at_end = corner.ravel(), np.roll(corner, -1, axis=1).ravel()
    one = np.concatenate([at_start[forward], at_end[forward]])
    two = np.concatenate([at_end[backward], at_start[backward]])
    graph = coo_array((np.ones(len(one), dtype=np.int8), (one, two)), shape=(3 * count, 3 * count))
    fans, _ = connected_components(graph, directed=False)
    return bool(fans == len(np.unique(mesh.faces)))


def _spread(mesh: Mesh, dense: Mesh, density: int) -> NDArray[np.float64]:
    """Vertices, and points over the faces, so many times as densely as the faces of another mesh lie."""
    corners = mesh.vertices[mesh.faces]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    counts = np.ceil(density * areas / max(dense.area_nm2 / len(dense.faces), 1e-12)).astype(np.int64)
    face = np.repeat(np.arange(len(counts)), counts)
    number = np.arange(len(face))
    first, second = (number * 0.7548776662466927) % 1, (number * 0.5698402909980532) % 1  # evenly, without chance
    beyond = first + second > 1
    first[beyond], second[beyond] = 1 - first[beyond], 1 - second[beyond]
    a, b, c = (corners[face, k] for k in range(3))
    points = a + first[:, None] * (b - a) + second[:, None] * (c - a)
    return np.concatenate([mesh.vertices, points])
