"""Meshes in the page: thousands of objects in a few megabytes, and the three.js that shows them.

Corners become 16-bit steps of the scene's box (under half a nanometre in a cell of 20 µm); corners and faces are
written as differences to the one before, high and low bytes apart, which halves what gzip makes of them.
"""

import base64
import gzip
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from famous.errors import MissingError
from famous.mesh import Mesh

STEPS = 65_535  # of the box along its longest edge
SHORT = 65_536  # corners that a face of 16 bits can name

SourceMesh = tuple[str, str, int, Mesh]


@dataclass(frozen=True)
class Packed:
    """Meshes as the page reads them.

    Parameters
    ----------
    data
        Base64 of gzip: corners (z, y, x) and then faces of all objects, in their order.
    objects
        Source, class, id, number of corners, number of faces.
    origin_nm, step_nm
        A corner is at origin + number · step, (z, y, x).
    wide
        Whether faces have 32 bits.
    """

    data: str
    objects: list[tuple[str, str, int, int, int]]
    origin_nm: tuple[float, float, float]
    step_nm: float
    wide: bool

    def about(self) -> dict[str, Any]:
        """All but the data, for the page's script."""
        return {"objects": self.objects, "origin": self.origin_nm, "step": self.step_nm, "wide": self.wide}


def pack(meshes: Iterable[SourceMesh]) -> Packed:
    """Write meshes for the page; empty ones are left out, and the same meshes give the same text."""
    filled = [(source, name, number, mesh) for source, name, number, mesh in meshes if not mesh.is_empty]
    if not filled:
        return Packed("", [], (0.0, 0.0, 0.0), 1.0, False)
    bounds = np.stack([mesh.bounds for *_, mesh in filled])
    low, high = bounds[:, 0].min(axis=0), bounds[:, 1].max(axis=0)
    step = float(max((high - low).max(), 1e-6)) / STEPS
    corners = np.concatenate([np.round((mesh.vertices - low) / step) for *_, mesh in filled]).astype(np.uint16)
    faces = np.concatenate([mesh.faces for *_, mesh in filled])
    wide = max(len(mesh.vertices) for *_, mesh in filled) > SHORT
    packed = gzip.compress(_split(corners) + _split(faces.astype(np.uint32 if wide else np.uint16)), 9, mtime=0)
    objects = [
        (source, name, int(number), len(mesh.vertices), len(mesh.faces)) for source, name, number, mesh in filled
    ]
    z, y, x = (float(value) for value in low)
    return Packed(base64.b64encode(packed).decode("ascii"), objects, (z, y, x), step, wide)


def _split(table: NDArray[Any]) -> bytes:
    """Columns one after the other, as differences that wrap round; in each, the lowest bytes first."""
    changes = np.diff(table, axis=0, prepend=np.zeros((1, table.shape[1]), table.dtype))
    columns = np.ascontiguousarray(changes.T).astype(table.dtype.newbyteorder("<"))
    planes = columns.view(np.uint8).reshape(*columns.shape, table.dtype.itemsize)
    return np.ascontiguousarray(planes.transpose(0, 2, 1)).tobytes()


def three_js() -> str:
    """Return the script of three.js and its trackball out of trimesh's own viewer, gzipped, as base64.

    It defines `THREE` and starts nothing. Its licence (MIT) stands at its beginning.

    Raises
    ------
    MissingError
        If the installed trimesh carries another viewer.
    """
    return base64.b64encode(gzip.compress(_viewer_script().encode("utf-8"), 9, mtime=0)).decode("ascii")


def _viewer_script() -> str:
    from trimesh.viewer.notebook import scene_to_html

    start, end = "<script>", "var camera,controls,scene"
    page = str(scene_to_html(_nothing()))
    script = page[page.find(start) + len(start) : page.find(end)]
    if start not in page or end not in page or "THREE.TrackballControls" not in script:
        raise MissingError(
            "trimesh: its viewer does not carry the three.js that the report's 3D view uses; expected trimesh 4 "
            "or 5; install one of these, or write the report without meshes"
        )
    return script


def _nothing() -> Any:
    """A scene with one triangle: the viewer takes no empty one."""
    import trimesh

    return trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]], process=False).scene()


def still(
    meshes: Sequence[tuple[Mesh, str]], *, extent_nm: tuple[float, float, float], size_px: tuple[int, int]
) -> NDArray[np.uint8]:
    """Render the picture that paper has in the place of the 3D view: (height, width, 3) RGB."""
    from famous.report.camera import View
    from famous.report.render import render

    return render(meshes, extent_nm=extent_nm, size_px=size_px, view=View(background="white"))
