"""Meshes as rays meet them: what is hit where, and how much of the sky and the lamp each place sees."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from famous.mesh import Mesh
from famous.points import load_open3d
from famous.voxels import zyx_to_xyz

LIFT = 2e-4  # how far above its surface a shadow ray starts, as a share of the box's longest edge
GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))
NOTHING = np.iinfo(np.uint32).max  # what open3d calls a triangle that was not hit

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Hits:
    """Where n rays end.

    Parameters
    ----------
    depth
        (n,) along the view; infinite where nothing is hit.
    member
        (n,) index of the mesh that is hit, -1 for none.
    position, normal
        (n, 3); the normal is interpolated between the vertices and looks at the camera, 0 where nothing is hit.
    """

    depth: Vectors
    member: NDArray[np.int32]
    position: Vectors
    normal: Vectors


class Scene:
    """Meshes for rays, in the camera's coordinates.

    Parameters
    ----------
    meshes
        In nm, axes z, y, x.
    sides_nm
        Edge lengths (x, y, z) of the box: its middle becomes 0, its longest edge 1.
    """

    def __init__(self, meshes: Sequence[Mesh], sides_nm: NDArray[np.float64]) -> None:
        self._core: Any = None
        filled = [(index, mesh) for index, mesh in enumerate(meshes) if not mesh.is_empty]
        if not filled:
            return
        open3d = load_open3d()
        self._core = open3d.core
        self._rays = open3d.t.geometry.RaycastingScene()
        starts = np.cumsum([0] + [len(mesh.vertices) for _, mesh in filled])
        vertices = np.concatenate([zyx_to_xyz(mesh.vertices) for _, mesh in filled])
        vertices = (vertices - sides_nm / 2) / sides_nm.max()
        self._faces = np.concatenate([mesh.faces + start for (_, mesh), start in zip(filled, starts, strict=False)])
        self._normals = np.concatenate([zyx_to_xyz(mesh.vertex_normals()) for _, mesh in filled]).astype(np.float32)
        self._members = np.repeat([index for index, _ in filled], [len(mesh.faces) for _, mesh in filled]).astype("i4")
        self._rays.add_triangles(
            self._core.Tensor(vertices.astype(np.float32)), self._core.Tensor(self._faces.astype(np.uint32))
        )

    @property
    def is_empty(self) -> bool:
        """Whether no ray can hit anything."""
        return self._core is None

    def cast(self, rays: Vectors) -> Hits:
        """Follow (n, 6) rays, origin and direction, to the first surface."""
        n = len(rays)
        hits = Hits(
            np.full(n, np.inf, np.float32), np.full(n, -1, np.int32), np.zeros((n, 3), "f4"), np.zeros((n, 3), "f4")
        )
        if self.is_empty or n == 0:
            return hits
        answer = self._rays.cast_rays(self._core.Tensor(np.ascontiguousarray(rays)))
        face = answer["primitive_ids"].numpy()
        hit = np.flatnonzero(face != NOTHING)
        face, depth = face[hit], answer["t_hit"].numpy()[hit]
        across = answer["primitive_uvs"].numpy()[hit]
        corners = self._normals[self._faces[face]]
        weights = np.stack([1 - across[:, 0] - across[:, 1], across[:, 0], across[:, 1]], axis=1)
        normal = np.einsum("nk,nkc->nc", weights, corners)
        away = rays[hit, 3:]
        normal *= np.where(dot(normal, away) > 0, np.float32(-1), np.float32(1))[:, None]
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        hits.depth[hit], hits.member[hit], hits.normal[hit] = depth, self._members[face], normal
        hits.position[hit] = rays[hit, :3] + away * depth[:, None]
        return hits

    def sees(self, position: Vectors, normal: Vectors, direction: Vectors, reach: float) -> NDArray[np.bool_]:
        """Tell which of n places, with their normals, have a free way of `reach` along (n, 3) unit directions."""
        if self.is_empty or len(position) == 0:
            return np.ones(len(position), dtype=np.bool_)
        rays = np.concatenate([position + LIFT * 4 * normal, direction], axis=1, dtype=np.float32)
        blocked = self._rays.test_occlusions(self._core.Tensor(rays), LIFT, reach).numpy()
        free: NDArray[np.bool_] = ~blocked.astype(np.bool_)
        return free


def dot(a: Vectors, b: Vectors) -> Vectors:
    """(…,) products of (…, 3) vectors; a sum along so short an axis takes numpy ten times as long."""
    products: Vectors = np.einsum("...c,...c->...", a, b)
    return products


def spiral(count: int) -> NDArray[np.float64]:
    """(count, 3) unit vectors, evenly over the half sphere round +z, denser towards it as the cosine is."""
    height = np.sqrt(1 - (np.arange(count) + 0.5) / count)
    turn = GOLDEN_ANGLE * np.arange(count)
    across = np.sqrt(1 - height**2)
    return np.stack([across * np.cos(turn), across * np.sin(turn), height], axis=1)


def turn_to(normal: Vectors, local: NDArray[np.float64], angle: Vectors) -> Vectors:
    """Turn one vector of the half sphere round +z to each of (n, 3) normals, and by (n,) angles round them.

    The frame is that of Duff et al. 2017, "Building an orthonormal basis, revisited".
    """
    x, y, z = normal.T
    sign = np.where(z >= 0, 1.0, -1.0).astype(np.float32)
    a = -1 / (sign + z)
    b = x * y * a
    first = np.stack([1 + sign * x * x * a, sign * b, -sign * x], axis=1)
    second = np.stack([b, sign + y * y * a, -y], axis=1)
    along = local[0] * np.cos(angle) - local[1] * np.sin(angle)
    beside = local[0] * np.sin(angle) + local[1] * np.cos(angle)
    turned: Vectors = (along[:, None] * first + beside[:, None] * second + local[2] * normal).astype(np.float32)
    return turned
