"""A phantom stack: images, labels, boxes and volumes of one made-up piece of tissue, slice by slice."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous import boxes as box_table
from famous.synthetic import microscope, texture
from famous.synthetic.cells import Cells
from famous.synthetic.params import CLASS_NAMES, PhantomParams
from famous.synthetic.placement import Organelle, Placement
from famous.synthetic.shapes import Ellipsoid
from famous.voxels import NM_PER_UM, VoxelSize

TILE_PX = 2048  # side of what is rendered at a time
TILE_STEP = 4  # pixels: tiles begin at a multiple, as the texture thins some of its grids so
Tile = tuple[slice, slice]
Patch = tuple[Organelle, tuple[slice, slice], NDArray[np.float32]]


class Phantom:
    """A lazy volume of grey values (uint8) with its truth; every slice is a pure function of the parameters and z.

    An object's truth is exact: the voxels whose centre lies where its signed distance is below 0. Its volume has a
    closed form, since the warp that bends it keeps volumes. Anisotropic stacks are sampled at the slices' middle
    planes (unless `subslices` averages the image over the slice's depth; the truth stays that of the middle plane).
    Nothing is kept but the positions of the objects near the last slices.
    """

    def __init__(self, params: PhantomParams | None = None) -> None:
        self.params = params or PhantomParams()
        self._placement = Placement(self.params)
        self._cells = Cells(self.params)

    def __reduce__(self) -> tuple[Any, ...]:
        return Phantom, (self.params,)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(z, y, x)."""
        return self.params.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the grey values."""
        return np.dtype(np.uint8)

    @property
    def voxel_size(self) -> VoxelSize:
        """Of the stack."""
        return self.params.voxel_size

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, z: int) -> NDArray[np.uint8]:
        """Render slice z, (y, x)."""
        z = self._checked(z)
        if self.is_missing(z):
            return np.zeros(self.shape[1:], dtype=np.uint8)
        count = self.params.subslices
        offsets = (np.arange(count) + 0.5) / count - 0.5
        planes = [self._ideal(z, float(offset)) for offset in offsets]
        return microscope.expose(np.mean(planes, axis=0, dtype=np.float32), z, self.params)

    def labels(self, z: int) -> dict[str, NDArray[np.uint32]]:
        """Truth of slice z: per class an image (y, x) of instance ids, also where the slice is missing."""
        z = self._checked(z)
        images = {name: np.zeros(self.shape[1:], dtype=np.uint32) for name in CLASS_NAMES}
        for organelle, window, distance in self._patches(self._plane(z), margin_nm=0.0):
            part = images[organelle.class_name][window]
            part[(distance < 0) & (part == 0)] = organelle.instance
        return images

    def boxes(self, zs: Iterable[int] | None = None, *, minimum_pixels: int = 1) -> pd.DataFrame:
        """Tight truth boxes of slices (all, if None): one row a connected component (8 neighbours) of an instance.

        The table has the column `truth_instance` besides those of `famous.boxes`. Missing slices have no boxes.
        """
        rows: list[tuple[int, int, int, int, int, str, int]] = []
        for z in range(len(self)) if zs is None else zs:
            if self.is_missing(z):
                continue
            for name, image in self.labels(z).items():
                for instance, y0, x0, y1, x1 in _components(image, minimum_pixels):
                    rows.append((z, y0, x0, y1, x1, name, instance))
        names = ["z", "y0", "x0", "y1", "x1", "class_name", "truth_instance"]
        table = box_table.from_columns({name: [row[i] for row in rows] for i, name in enumerate(names)})
        return box_table.number(table.astype({"truth_instance": "uint32"}))

    def objects(self) -> pd.DataFrame:
        """One row an object: instance, class_name, centre and bounding box in nm, analytic volume_um3, inside.

        `volume_um3` is the whole object's, also of one that the stack's border cuts; `inside` tells which lie wholly
        in the stack. The bounding box is that of the unbent shape, widened by the warp's reach: it surely contains
        the object. Walks over the whole stack: not for huge ones.
        """
        extent = np.array(self.params.extent_nm)
        warp = self._placement.warp
        rows = []
        for organelle in self._placement.near(np.zeros(3), extent):
            low, high = organelle.shape.bounds + np.array([[-1], [1]]) * warp.reach_nm
            centre = np.array(warp.backward(*organelle.shape.centre))
            inside = bool((low >= 0).all() and (high <= extent).all())
            volume = organelle.shape.volume_nm3 / NM_PER_UM**3
            rows.append((organelle.instance, organelle.class_name, *centre, *low, *high, volume, inside))
        corners = [f"{axis}{end}_nm" for end in (0, 1) for axis in "zyx"]
        names = ["instance", "class_name", "z_nm", "y_nm", "x_nm", *corners, "volume_um3", "inside"]
        types = {"instance": "uint32", "class_name": "str", "inside": "bool"}
        return pd.DataFrame(rows, columns=names).astype(dict.fromkeys(names[2:-1], "float64") | types)

    def is_missing(self, z: int) -> bool:
        """Tell whether slice z was lost."""
        return microscope.is_missing(self._checked(z), self.params)

    def drift(self, z: int) -> tuple[float, float]:
        """Displacement of slice z along y and x in nm; the truth is displaced with the image."""
        return microscope.drift(self._checked(z), self.params)

    def _checked(self, z: int) -> int:
        if not 0 <= z < len(self):
            raise IndexError(f"phantom: slice {z} does not exist, the stack has 0 … {len(self) - 1}")
        return int(z)

    def _plane(self, z: int, offset: float = 0.0, tile: Tile | None = None) -> texture.Plane:
        """Lay a plane through the tissue, all of it or a tile."""
        size, (_, height, width) = self.voxel_size, self.shape
        rows, columns = tile or (slice(height), slice(width))
        drift_y, drift_x = microscope.drift(z, self.params)
        z_nm = (z + 0.5 + offset) * size.z
        y_nm: NDArray[np.float64] = (np.arange(height, dtype=np.float64)[rows] + 0.5) * size.y + drift_y
        x_nm: NDArray[np.float64] = (np.arange(width, dtype=np.float64)[columns] + 0.5) * size.x + drift_x
        y, x = y_nm.astype(np.float32)[:, None], x_nm.astype(np.float32)[None, :]
        qz, qy, qx = self._placement.warp.forward(z_nm, y, x)
        whole = (len(y_nm), len(x_nm))
        q = tuple(np.broadcast_to(np.asarray(c, dtype=np.float32), whole) for c in (qz, qy, qx))
        return texture.Plane(z_nm, y_nm, x_nm, (q[0], q[1], q[2]), (size.y, size.x))

    def _patches(self, plane: texture.Plane, margin_nm: float) -> Iterator[Patch]:
        """Organelles that come within a margin of the plane, each with its window and the signed distance there."""
        reach = self._placement.warp.reach_nm + margin_nm
        low = np.array([plane.z_nm, plane.y_nm[0], plane.x_nm[0]]) - margin_nm
        high = np.array([plane.z_nm, plane.y_nm[-1], plane.x_nm[-1]]) + margin_nm + 1e-6
        for organelle in self._placement.near(low, high):
            (_, y0, x0), (_, y1, x1) = organelle.shape.bounds + np.array([[-1], [1]]) * reach
            rows = slice(int(np.searchsorted(plane.y_nm, y0)), int(np.searchsorted(plane.y_nm, y1)))
            columns = slice(int(np.searchsorted(plane.x_nm, x0)), int(np.searchsorted(plane.x_nm, x1)))
            if rows.start < rows.stop and columns.start < columns.stop:
                window = (rows, columns)
                qz, qy, qx = (c[window] for c in plane.q)
                yield organelle, window, organelle.shape.distance(qz, qy, qx).astype(np.float32)

    def _ideal(self, z: int, offset: float) -> NDArray[np.float32]:
        """Render a slice before the microscope's faults, a tile at a time: a pixel takes some 150 bytes to render."""
        _, height, width = self.shape
        image = np.empty((height, width), dtype=np.float32)
        around = -(-int(np.ceil(texture.HALO_NM / min(self.voxel_size.y, self.voxel_size.x))) // TILE_STEP) * TILE_STEP
        for top, left in itertools.product(range(0, height, TILE_PX), range(0, width, TILE_PX)):
            y, x = max(0, top - around), max(0, left - around)
            tile = (slice(y, min(top + TILE_PX + around, height)), slice(x, min(left + TILE_PX + around, width)))
            rendered = self._render(self._plane(z, offset, tile))
            part = image[top : top + TILE_PX, left : left + TILE_PX]
            part[...] = rendered[top - y : top - y + part.shape[0], left - x : left - x + part.shape[1]]
        return image

    def _render(self, plane: texture.Plane) -> NDArray[np.float32]:
        seed = self.params.seed * 4096
        patches = [patch for patch in self._patches(plane, texture.HALO_NM) if patch[2].min() < texture.HALO_NM]
        near = np.full(plane.q[0].shape, texture.HALO_NM, dtype=np.float32)
        for _, window, distance in patches:
            np.minimum(near[window], distance, out=near[window])
        image = texture.cytoplasm(plane, self._cells, near, seed)
        for organelle, window, distance in patches:
            if distance.min() < 2 * plane.pixel_nm:
                self._paint(plane.cut(window), image[window], distance, organelle, seed)
        return image

    def _paint(
        self,
        plane: texture.Plane,
        image: NDArray[np.float32],
        distance: NDArray[np.float32],
        organelle: Organelle,
        seed: int,
    ) -> None:
        match organelle.class_name:
            case "nucleus" if isinstance(organelle.shape, Ellipsoid):
                nucleolus = self._cells.nucleolus(organelle.shape)
                texture.paint_nucleus(plane, image, distance, nucleolus, seed + 100)
            case "mitochondrion":
                texture.paint_mitochondrion(plane, image, distance, organelle, seed + 200)
            case "early endosome":
                texture.paint_early(plane, image, distance, organelle, seed + 300)
            case "late endosome":
                texture.paint_late(plane, image, distance, organelle, seed + 400)
            case _:
                texture.paint_lysosome(plane, image, distance, organelle, seed + 500)


def _components(image: NDArray[np.uint32], minimum_pixels: int) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield instance, y0, x0, y1, x1 of each connected component (8 neighbours) of each id."""
    for instance in np.unique(image[image > 0]):
        mask = (image == instance).astype(np.uint8)
        left, top, width, height = cv2.boundingRect(mask)
        count, _, stats, _ = cv2.connectedComponentsWithStats(mask[top : top + height, left : left + width])
        for x, y, w, h, pixels in stats[1:count]:
            if pixels >= minimum_pixels:
                yield int(instance), top + int(y), left + int(x), top + int(y + h), left + int(x + w)
