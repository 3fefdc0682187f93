"""Fewer faces within a stated error: quadric edge collapse, checked for everything that a surface has to be.

The collapse is open3d's, after Garland and Heckbert (1997), Surface simplification using quadric error metrics. It is
given a number of faces; the least number whose mesh passes every check is searched for.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from famous.errors import InputError
from famous.mesh import Mesh, Ruler
from famous.points import load_open3d
from famous.surface.untangle import crossing_faces, untangle

LEAST = 32  # faces; fewer are no surface of anything
STEP = 8  # times fewer faces are tried first
ROUNDS = 7  # of the search for the number of faces
FOLDS = 4  # rounds of smoothing where faces cut each other: a few folds must not stop the search
VOLUME = 0.003  # the volume may change by this share
SURELY = 0.9  # of the error: the smallest triangles that it is measured in may hold a little more
FLAT = 1e-9  # area of a face that has none, in its radius squared; its halves would overlap, and never end
SMALLEST = 1e-5  # radius of triangles that are not cut up, in the longest side of the surfaces
ROUGHLY, CLOSELY = 1.5, 0.35  # radius of what is not cut up where an error is measured, in faces of the finer surface
LOOKS = 4  # how often what was found is looked at closely
LESS = 0.95  # the rough error is allowed to be at most, of what it was, once a close look found more
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
    limit, whole = SURELY * max_error_nm, Ruler(mesh)
    allowed, least, found = limit, LEAST, [(mesh, 0.0)]
    for _ in range(LOOKS):
        _search(found, whole, allowed, least)
        simple = found[-1][0]
        if simple is mesh or (error := _error_nm(Ruler(simple), whole, allowed=limit)) <= limit:
            return simple
        allowed *= min(max(limit / error, 0.5), LESS)  # the rough look saw so much less
        while found[-1][1] > allowed or found[-1][0] is simple:
            least = len(found.pop()[0].faces)
    tries = (simple for simple, _ in reversed(found[1:]))
    return next((simple for simple in tries if _error_nm(Ruler(simple), whole, allowed=limit) <= limit), mesh)


def _search(found: list[tuple[Mesh, float]], whole: Ruler, allowed: float, least: int) -> None:
    """Look roughly for the fewest faces, more than `least`, whose error is allowed.

    `found` holds the mesh itself and what passed so far with its error, each with fewer faces; what passes now is
    added. Each is collapsed from the one before: it is quick where few faces are left, and comes out as well.
    """
    mesh = whole.mesh
    low, high = float(least), float(len(found[-1][0].faces))
    number = max(high / STEP, np.sqrt(low * high))
    for _ in range(ROUNDS):
        if high / low < CLOSE:
            break
        tried = _unfold(collapse(found[-1][0], int(number)), mesh.volume_nm3)
        is_like = _is_sound(tried, mesh) and tried.topology == mesh.topology
        error = _error_nm(Ruler(tried), whole, allowed=allowed, finest=ROUGHLY) if is_like else np.inf
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


def error_nm(one: Mesh, other: Mesh) -> float:
    """Largest distance found between two surfaces, from either to the other."""
    return _error_nm(Ruler(one), Ruler(other))


def _error_nm(one: Ruler, other: Ruler, *, allowed: float = 0.0, finest: float = CLOSELY) -> float:
    """Measure the error: whether it is more than what is allowed, and how much; of what is less, a lower bound.

    The triangles of both are halved and halved again where one of their points may be farther off than that, or than
    any so far: no point is farther off than the middle of its triangle and its way from there (as in Tang, Lee and Kim
    2009, Interactive Hausdorff distance computation for general polygonal models). The end is where they are as small
    as a share of the finer surface's own: in those a point may lie farther off by their radius.
    """
    fine = max((one.mesh, other.mesh), key=lambda mesh: len(mesh.faces))
    least = finest * float(np.sqrt(fine.area_nm2 / max(len(fine.faces), 1)))
    least = max(least, SMALLEST * max(one.scale, other.scale))
    return max(_farthest(one.mesh, other, allowed, least), _farthest(other.mesh, one, allowed, least))


def _farthest(mesh: Mesh, ruler: Ruler, allowed: float, least: float) -> float:
    """Largest distance found from a mesh to another; `least` is the radius in nm of triangles that stay whole."""
    away = ruler.distance(mesh.vertices)
    worst = float(away.max(initial=0.0))
    asked = mesh.vertices[mesh.faces]
    asked = asked[away[mesh.faces].max(axis=1, initial=0.0) + 2 * _radii(asked) > max(worst, allowed)]
    areas = np.linalg.norm(np.cross(asked[:, 1] - asked[:, 0], asked[:, 2] - asked[:, 0]), axis=1)
    asked = asked[areas > FLAT * _radii(asked) ** 2]  # a face without an area lies on its neighbours' edges
    while len(asked):
        away, radii = ruler.distance(_middles(asked)), _radii(asked)
        worst = max(worst, float(away.max()))
        left = max(worst, allowed) - away
        undecided = (radii > least) & (radii > left)
        asked = _cut(asked[undecided], np.maximum(left[undecided], least))
    return worst


def _cut(triangles: NDArray[np.float64], radii: NDArray[np.floating]) -> NDArray[np.float64]:
    """Halve (n, 3, 3) triangles once, and on until the pieces are as small as the radius (n,) of each."""
    pieces = []
    while len(triangles):
        triangles, radii = _halved(triangles), np.concatenate([radii, radii])
        large = _radii(triangles) > radii
        pieces.append(triangles[~large])
        triangles, radii = triangles[large], radii[large]
    return np.concatenate([np.zeros((0, 3, 3)), *pieces])


def _middles(triangles: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 3) middles of (n, 3, 3) triangles."""
    middles: NDArray[np.float64] = (triangles[:, 0] + triangles[:, 1] + triangles[:, 2]) / 3
    return middles


def _radii(triangles: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far the corners of (n, 3, 3) triangles lie from their middles, at most."""
    away = triangles - _middles(triangles)[:, None]
    a, b, c = np.moveaxis(np.einsum("nkc,nkc->nk", away, away), 1, 0)
    radii: NDArray[np.float64] = np.sqrt(np.maximum(np.maximum(a, b), c))
    return radii


def _halved(triangles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cut (n, 3, 3) triangles in two across their longest sides."""
    sides = triangles[:, [1, 2, 0]] - triangles
    longest = np.einsum("nkc,nkc->nk", sides, sides).argmax(axis=1)
    rows = np.arange(len(triangles))
    start, end, far = (triangles[rows, (longest + k) % 3] for k in range(3))
    middle = (start + end) / 2
    return np.concatenate([np.stack([start, middle, far], axis=1), np.stack([middle, end, far], axis=1)])


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
