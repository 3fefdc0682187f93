"""An object inside another: how pierced it is, and how near it lies to the membrane round it."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from famous.measure.lattice import Surface
from famous.measure.thickness import local_thickness
from famous.mesh import Mesh


def fenestrated_percent(mask: NDArray[np.bool_]) -> float:
    """Share of an object that is pores, in percent: 100 · (1 − V / V filled), 0 for a solid one.

    Machireddy et al. (2023), eq. 8, for nucleoli. Taken here, the paper not being at hand: pores are what is enclosed
    by the object within any one plane along z, y or x, which takes in all cavities, and tunnels seen end on. NaN for an
    empty mask.

    Parameters
    ----------
    mask
        (z, y, x), True inside.
    """
    mask = np.asarray(mask, dtype=np.bool_)
    voxels = int(np.count_nonzero(mask))
    if voxels == 0:
        return math.nan
    wide = np.pad(mask, 1)
    filled = wide.copy()
    for axis in range(3):
        filled |= _enclosed(wide, axis)
    return 100.0 * (1.0 - voxels / int(np.count_nonzero(filled)))


def _enclosed(mask: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    """Background that cannot leave the object within its plane across an axis; the mask is empty along its sides."""
    flat = np.zeros((3, 3, 3), dtype=np.bool_)
    flat[1] = ndimage.generate_binary_structure(2, 1)
    numbers, count = ndimage.label(~mask, structure=np.moveaxis(flat, 0, axis))
    outside = np.zeros(count + 1, dtype=np.bool_)
    planes = np.moveaxis(numbers, axis, 0)
    outside[planes[:, 0, 0]] = True  # the frame of a plane is one piece
    outside[0] = True
    enclosed: NDArray[np.bool_] = ~outside[numbers]
    return enclosed


@dataclass(frozen=True)
class Membrane:
    """Distance of an object's surface to the surface round it, mean and smallest, in nm, and proximity, 0 … 1."""

    mean_nm: float
    min_nm: float
    proximity: float


def outer_walls(mesh: Mesh) -> Mesh:
    """Return a closed mesh without the walls of its cavities: the parts of it that enclose a volume above 0."""
    if mesh.is_empty:
        return mesh
    number = len(mesh.vertices)
    start, end, third = mesh.faces.T
    links = coo_array((np.ones(2 * len(start)), (np.r_[start, end], np.r_[end, third])), shape=(number, number))
    parts, part = connected_components(links, directed=False)
    a, b, c = (mesh.vertices[mesh.faces[:, k]] - mesh.vertices.mean(axis=0) for k in range(3))
    volumes = np.bincount(part[start], np.einsum("ij,ij->i", a, np.cross(b, c)), minlength=parts)
    kept = mesh.faces[volumes[part[start]] > 0]
    used, faces = np.unique(kept, return_inverse=True)
    return Mesh(mesh.vertices[used], faces.reshape(-1, 3))


def inner_radius(outer: Mesh) -> float:
    """Radius of the largest ball inside, in nm."""
    return local_thickness(outer).max_nm / 2


def membrane_proximity(inner: Mesh, outer: Mesh, radius_nm: float | None = None) -> Membrane:
    """Measure how near an object lies to the membrane of the one that it is inside of.

    Machireddy et al. (2023), eq. 9. Taken here, the paper not being at hand: proximity is 1 − d̄ / R, where d̄ is the
    mean, over the inner surface's area, of the distance to the outer surface, and R the radius of the largest ball
    inside the outer object: 1 where all of the inner surface lies on the membrane, 0 for a point at the deepest place.

    Parameters
    ----------
    inner, outer
        Closed meshes in the same coordinates.
    radius_nm
        `inner_radius(outer)`, for whoever asks for several inner objects.
    """
    if inner.is_empty or outer.is_empty:
        return Membrane(math.nan, math.nan, math.nan)
    radius = inner_radius(outer) if radius_nm is None else radius_nm
    a, b, c = (inner.vertices[inner.faces[:, k]] for k in range(3))
    areas = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    if not (radius > 0 and areas.sum() > 0):
        return Membrane(math.nan, math.nan, math.nan)
    distances, _ = Surface.of(outer).nearest((a + b + c) / 3)
    mean = float((areas * distances).sum() / areas.sum())
    return Membrane(mean, float(distances.min()), max(0.0, 1.0 - mean / radius))
