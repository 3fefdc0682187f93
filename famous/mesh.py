"""Triangle meshes: vertices (z, y, x) in nm, faces that point outwards."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from famous.errors import InputError
from famous.points import load_open3d
from famous.topology import Topology, join

FACES = 1 << 16  # looked at at a time
KEPT_FACES = 1 << 17  # of a mesh whose corners are kept once they are looked up; that costs more than to work with them
UNMOVED = ("_crosses", "_size", "is_watertight", "topology", "volume_nm3", "area_nm2")  # the same wherever a mesh lies


@dataclass(frozen=True, eq=False)
class Mesh:
    """A triangle mesh in the stack's coordinates.

    Parameters
    ----------
    vertices
        (n, 3) positions (z, y, x) in nm; a voxel's centre lies at (i + 0.5) · size.
    faces
        (m, 3) vertex indices. They turn so that the divergence theorem on (z, y, x), taken as they stand, gives a
        positive volume for an outward surface. Reversing the axes is a reflection, so whoever writes (x, y, z) reverses
        the faces too: `famous.io.meshes` does, and nothing else has to.

    Raises
    ------
    InputError
        If an array has another shape, a vertex is not finite, or a face names a vertex that does not exist.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]

    def __post_init__(self) -> None:
        vertices = np.ascontiguousarray(self.vertices, dtype=np.float64)
        faces = np.ascontiguousarray(self.faces, dtype=np.int64)
        for name, array in (("vertices", vertices), ("faces", faces)):
            if array.ndim != 2 or array.shape[1] != 3:
                raise InputError(f"mesh: found {name} of shape {array.shape}, expected (n, 3)")
        if not np.isfinite(vertices).all():
            raise InputError("mesh: found a vertex that is not finite")
        if faces.size and (faces.min() < 0 or faces.max() >= len(vertices)):
            raise InputError(f"mesh: found a face with vertex {faces.max()}, expected 0 … {len(vertices) - 1}")
        object.__setattr__(self, "vertices", vertices)
        object.__setattr__(self, "faces", faces)

    @classmethod
    def empty(cls) -> "Mesh":
        """Return a mesh without vertices and faces."""
        return cls(np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64))

    @property
    def is_empty(self) -> bool:
        """Whether there is no face."""
        return len(self.faces) == 0

    @cached_property
    def _crosses(self) -> NDArray[np.float64]:
        """(m, 3) cross products of two edges: outward normals as long as twice the face's area."""
        return np.concatenate([np.zeros((0, 3)), *(cross(b - a, c - a).T for a, b, c in self.corners())])

    @cached_property
    def volume_nm3(self) -> float:
        """Signed volume by the divergence theorem; above 0 where the faces point outwards, inner walls count off."""
        return self._size[0]

    @cached_property
    def area_nm2(self) -> float:
        """Area of all faces."""
        return self._size[1]

    @cached_property
    def _size(self) -> tuple[float, float]:
        """Volume and area, summed up over a part of the faces at a time, which a large mesh has the memory for."""
        if self.is_empty:
            return 0.0, 0.0
        volume, area = 0.0, 0.0
        for a, b, c in self.corners():
            crosses = cross(b - a, c - a)
            volume += float(np.einsum("ij,ij->", a, crosses)) / 6.0
            area += float(np.sqrt(np.einsum("ij,ij->j", crosses, crosses)).sum()) / 2.0
        return volume, area

    @cached_property
    def middle(self) -> NDArray[np.float64]:
        """Mean of the vertices (z, y, x), which sums are taken about so that they lose no digits."""
        middle: NDArray[np.float64] = self.vertices.mean(axis=0) if len(self.vertices) else np.zeros(3)
        return middle

    def corners(self) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]]:
        """Yield the first, second and third corners of some faces at a time, each (3, n): z, y, x from the `middle`."""
        if len(self.faces) <= KEPT_FACES:
            yield from self._corners
        else:
            yield from self._look_up()

    @cached_property
    def _corners(self) -> list[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]]:
        return list(self._look_up())

    def _look_up(self) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]]:
        columns = np.ascontiguousarray((self.vertices - self.middle).T)
        for start in range(0, len(self.faces), FACES):
            first, second, third = np.ascontiguousarray(self.faces[start : start + FACES].T)
            yield np.take(columns, first, axis=1), np.take(columns, second, axis=1), np.take(columns, third, axis=1)

    @cached_property
    def is_watertight(self) -> bool:
        """Whether there is a face and every edge belongs to exactly two faces that run through it in opposite ways."""
        if self.is_empty or (self.faces == np.roll(self.faces, 1, axis=1)).any():
            return False
        start, end = self.faces.ravel(), np.roll(self.faces, -1, axis=1).ravel()
        forward, backward = np.sort(start * len(self.vertices) + end), np.sort(end * len(self.vertices) + start)
        return bool((forward[1:] > forward[:-1]).all() and np.array_equal(forward, backward))

    @cached_property
    def topology(self) -> Topology:
        """What a closed mesh has: parts that point outwards, the genera of all parts, parts that point inwards."""
        if self.is_empty:
            return Topology(0, 0, 0)
        parts, part = self._parts()
        if parts == 1:
            outward = self.volume_nm3 > 0
            handles = 1 - (len(self.vertices) - len(self.faces) // 2) // 2  # a closed surface has 3 edges to 2 faces
            return Topology(int(outward), handles, int(not outward))
        used = np.zeros(len(self.vertices), dtype=np.bool_)
        used[self.faces] = True
        corners = np.bincount(part[used], minlength=parts)
        faces, volume = np.zeros(parts, dtype=np.int64), np.zeros(parts)
        first = 0
        for a, b, c in self.corners():
            of_face = part[self.faces[first : first + a.shape[1], 0]]
            faces += np.bincount(of_face, minlength=parts)
            volume += np.bincount(of_face, np.einsum("ij,ij->j", a, cross(b, c)), minlength=parts)
            first += a.shape[1]
        real = faces > 0
        euler = corners - faces // 2
        return Topology(
            int(np.count_nonzero(real & (volume > 0))),
            int((1 - euler[real] // 2).sum()),
            int(np.count_nonzero(real & (volume <= 0))),
        )

    def _parts(self) -> tuple[int, NDArray[np.int64]]:
        """Return how many parts hang together, and each vertex's; one that no face uses is a part of its own.

        Each vertex points to a lower one of a face of its own, if there is any, and then to the end of that way. Few
        vertices are such ends, and only where the ends of a face differ is anything left to join.
        """
        corners = np.ascontiguousarray(self.faces.T)
        lowest = corners.min(axis=0)
        end = np.arange(len(self.vertices))
        for corner in corners:
            above = np.flatnonzero(corner > lowest)
            end[corner[above]] = lowest[above]
        while not np.array_equal(further := end[end], end):
            end = further
        is_end = end == np.arange(len(end))
        number = (np.cumsum(is_end) - 1)[end]
        first, second, third = number[corners]
        apart = np.flatnonzero((first != second) | (first != third))
        pairs = np.stack([np.tile(first[apart], 2), np.append(second[apart], third[apart])], axis=1)
        parts, part = join(pairs, int(np.count_nonzero(is_end)))
        return parts, part[number].astype(np.int64)

    @property
    def bounds(self) -> NDArray[np.float64]:
        """(2, 3) lowest and highest corner (z, y, x) in nm; NaN for an empty mesh."""
        if len(self.vertices) == 0:
            return np.full((2, 3), np.nan)
        return np.stack([self.vertices.min(axis=0), self.vertices.max(axis=0)])

    def vertex_normals(self) -> NDArray[np.float64]:
        """(n, 3) outward unit normals, area-weighted over the faces round each vertex; 0 where there is none."""
        normals = np.zeros_like(self.vertices)
        for axis in range(3):
            for corner in range(3):
                normals[:, axis] += np.bincount(
                    self.faces[:, corner], weights=self._crosses[:, axis], minlength=len(self.vertices)
                )
        lengths = np.linalg.norm(normals, axis=1, keepdims=True)
        unit: NDArray[np.float64] = np.divide(normals, lengths, out=np.zeros_like(normals), where=lengths > 0)
        return unit

    def reversed(self) -> "Mesh":
        """Turn every face round: outside becomes inside."""
        return Mesh(self.vertices, self.faces[:, ::-1])

    def outward(self) -> "Mesh":
        """Return the mesh with a volume of 0 or more, turned round where it was below."""
        return self.reversed() if self.volume_nm3 < 0 else self

    def translated(self, shift_nm: Iterable[float]) -> "Mesh":
        """Return the mesh moved by (z, y, x) nm; what was found out of it and does not move is kept."""
        moved = Mesh(self.vertices + np.asarray(tuple(shift_nm), dtype=np.float64), self.faces)
        moved.__dict__.update({name: self.__dict__[name] for name in UNMOVED if name in self.__dict__})
        return moved

    def contains(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Tell which of (n, 3) points (z, y, x) in nm lie inside a watertight mesh; none lies inside an empty one.

        By open3d's ray casting in single precision, with three votes a point.
        """
        points = np.asarray(points, dtype=np.float64).reshape(-1, 3)
        if self.is_empty or len(points) == 0:
            return np.zeros(len(points), dtype=np.bool_)
        ruler = Ruler(self)
        inside: NDArray[np.bool_] = ruler.scene.compute_occupancy(ruler.query(points), nsamples=3).numpy() > 0.5
        return inside

    def signed_distance(self, points: NDArray[np.float64]) -> NDArray[np.float32]:
        """Distance in nm of (n, 3) points (z, y, x) to a watertight mesh, above 0 inside; −∞ for an empty one."""
        points = np.asarray(points, dtype=np.float64).reshape(-1, 3)
        if self.is_empty or len(points) == 0:
            return np.full(len(points), -np.inf, dtype=np.float32)
        ruler = Ruler(self)
        away = ruler.scene.compute_signed_distance(ruler.query(points), nsamples=3).numpy()
        distance: NDArray[np.float32] = away * np.float32(-ruler.scale)
        return distance

    def distance(self, points: NDArray[np.float64]) -> NDArray[np.float32]:
        """Measure as `Ruler.distance` does, once."""
        return Ruler(self).distance(points)


class Ruler:
    """A mesh that points are measured against, again and again; the first of them sort it for that."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self._origin = mesh.vertices.mean(axis=0) if len(mesh.vertices) else np.zeros(3)
        self.scale = max(float(np.ptp(mesh.vertices, axis=0).max(initial=0.0)), 1e-9) if len(mesh.vertices) else 1.0

    @cached_property
    def scene(self) -> Any:
        """open3d's scene of the mesh, whose unit is `scale`."""
        open3d = load_open3d()
        scene = open3d.t.geometry.RaycastingScene()
        scene.add_triangles(self.query(self.mesh.vertices), open3d.core.Tensor(self.mesh.faces.astype(np.uint32)))
        return scene

    def query(self, points: NDArray[np.float64]) -> Any:
        """Bring (n, 3) points in nm to the scene's scale: single precision wants numbers round 0 … 1."""
        return load_open3d().core.Tensor(((points - self._origin) / self.scale).astype(np.float32))

    def distance(self, points: NDArray[np.float64]) -> NDArray[np.float32]:
        """Distance in nm of (n, 3) points (z, y, x) to the surface, which need not be closed; ∞ for an empty mesh."""
        points = np.asarray(points, dtype=np.float64).reshape(-1, 3)
        if self.mesh.is_empty or len(points) == 0:
            return np.full(len(points), np.inf, dtype=np.float32)
        away: NDArray[np.float32] = self.scene.compute_distance(self.query(points)).numpy() * np.float32(self.scale)
        return away


def cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cross products of vectors (3, n), several times as fast as numpy's."""
    (az, ay, ax), (bz, by, bx) = a, b
    product = np.empty_like(a)
    np.subtract(ay * bx, ax * by, out=product[0])
    np.subtract(ax * bz, az * bx, out=product[1])
    np.subtract(az * by, ay * bz, out=product[2])
    return product


def merge(meshes: Iterable[Mesh]) -> Mesh:
    """Put meshes into one without joining anything; none at all gives an empty mesh."""
    parts = [mesh for mesh in meshes if len(mesh.vertices)]
    if not parts:
        return Mesh.empty()
    starts = np.cumsum([0] + [len(mesh.vertices) for mesh in parts[:-1]])
    faces = [mesh.faces + start for mesh, start in zip(parts, starts, strict=True)]
    return Mesh(np.concatenate([mesh.vertices for mesh in parts]), np.concatenate(faces))
