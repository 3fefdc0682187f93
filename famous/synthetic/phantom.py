"""A phantom stack: images, labels, boxes and volumes of one made-up piece of tissue, slice by slice."""

from collections.abc import Iterable, Iterator
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous import boxes as box_table
from famous.synthetic import texture
from famous.synthetic.cells import Cells
from famous.synthetic.lattice import Noise, draw
from famous.synthetic.params import CLASS_NAMES, PhantomParams
from famous.synthetic.placement import Organelle, Placement
from famous.synthetic.shapes import Ellipsoid
from famous.voxels import NM_PER_UM, VoxelSize

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
        planes = [self._ideal(self._plane(z, float(offset))) for offset in offsets]
        return self._exposed(z, np.mean(planes, axis=0, dtype=np.float32))

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
        return self.params.missing > 0 and draw(self.params.seed, 41, self._checked(z)) < self.params.missing

    def drift(self, z: int) -> tuple[float, float]:
        """Displacement of slice z along y and x in nm: slow wander, and a tenth of it as jitter."""
        if self.params.drift_nm == 0:
            return 0.0, 0.0
        seed, size = self.params.seed, self.params.drift_nm
        slow = [Noise(seed * 64 + 42 + axis, 24.0).line(float(z)) for axis in (0, 1)]
        jitter = [3.4 * (draw(seed, 44 + axis, z) - 0.5) for axis in (0, 1)]
        y, x = (size * (0.99 * a + 0.1 * b) for a, b in zip(slow, jitter, strict=True))
        return y, x

    def _checked(self, z: int) -> int:
        if not 0 <= z < len(self):
            raise IndexError(f"phantom: slice {z} does not exist, the stack has 0 … {len(self) - 1}")
        return int(z)

    def _plane(self, z: int, offset: float = 0.0) -> texture.Plane:
        size, (_, height, width) = self.voxel_size, self.shape
        drift_y, drift_x = self.drift(z)
        z_nm = (z + 0.5 + offset) * size.z
        y_nm = (np.arange(height) + 0.5) * size.y + drift_y
        x_nm = (np.arange(width) + 0.5) * size.x + drift_x
        y, x = y_nm.astype(np.float32)[:, None], x_nm.astype(np.float32)[None, :]
        qz, qy, qx = self._placement.warp.forward(z_nm, y, x)
        whole = (height, width)
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

    def _ideal(self, plane: texture.Plane) -> NDArray[np.float32]:
        seed = self.params.seed * 4096
        patches = [patch for patch in self._patches(plane, texture.HALO_NM) if patch[2].min() < texture.HALO_NM]
        near = np.full(self.shape[1:], texture.HALO_NM, dtype=np.float32)
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
            case "nucleus":
                assert isinstance(organelle.shape, Ellipsoid)  # noqa: S101
                texture.paint_nucleus(plane, image, distance, self._cells.nucleolus(organelle.shape), seed + 100)
            case "mitochondrion":
                texture.paint_mitochondrion(plane, image, distance, organelle, seed + 200)
            case "early endosome":
                texture.paint_early(plane, image, distance, organelle, seed + 300)
            case "late endosome":
                texture.paint_late(plane, image, distance, organelle, seed + 400)
            case _:
                texture.paint_lysosome(plane, image, distance, organelle, seed + 500)

    def _exposed(self, z: int, image: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Add the microscope's faults: blur, streaks, jumps, gamma, shot and read-out noise."""
        params = self.params
        if params.blur_nm > 0:
            sigma = [params.blur_nm / size for size in (self.voxel_size.x, self.voxel_size.y)]
            image = cv2.GaussianBlur(image, (0, 0), sigmaX=sigma[0], sigmaY=sigma[1])
        rng = np.random.default_rng([params.seed, 51, z])
        if params.streaks > 0:
            streaks = rng.standard_normal(image.shape[1]).astype(np.float32)
            image = image + params.streaks * np.convolve(streaks, [0.6, 1, 0.6], mode="same")[None].astype(np.float32)
        if params.contrast_jumps > 0:
            gain, offset = self._exposure(z)
            image = (image - 128) * np.float32(gain) + np.float32(128 + offset)
        image = np.clip(image, 0, 255)
        if params.gamma != 1:
            image = 255 * (image / 255) ** np.float32(params.gamma)
        if params.noise > 0:
            spread = np.sqrt(60 + 0.9 * image) * np.float32(params.noise)  # read-out, and shot noise at high counts
            grain = rng.standard_normal(image.shape, dtype=np.float32)
            grain = cv2.GaussianBlur(grain, (0, 0), sigmaX=0.5) * np.float32(1.27)
            image = image + spread * grain
        exposed: NDArray[np.uint8] = np.clip(np.rint(image), 0, 255).astype(np.uint8)
        return exposed

    def _exposure(self, z: int) -> tuple[float, float]:
        """Gain and offset since the last jump before slice z; jumps come once in every 1 / `contrast_jumps` slices."""
        seed, spell = self.params.seed, max(round(1 / self.params.contrast_jumps), 1)
        stretch = z // spell
        if z < stretch * spell + int(draw(seed, 45, stretch) * spell):
            stretch -= 1
        return 0.75 + 0.5 * draw(seed, 46, stretch), 60 * (draw(seed, 47, stretch) - 0.5)


def _components(image: NDArray[np.uint32], minimum_pixels: int) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield instance, y0, x0, y1, x1 of each connected component (8 neighbours) of each id."""
    for instance in np.unique(image[image > 0]):
        mask = (image == instance).astype(np.uint8)
        left, top, width, height = cv2.boundingRect(mask)
        count, _, stats, _ = cv2.connectedComponentsWithStats(mask[top : top + height, left : left + width])
        for x, y, w, h, pixels in stats[1:count]:
            if pixels >= minimum_pixels:
                yield int(instance), top + int(y), left + int(x), top + int(y + h), left + int(x + w)
