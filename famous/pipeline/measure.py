"""What is measured of the organelles of a run after their meshes are there: further columns, one in another."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous.config import MeshConfig
from famous.errors import ConfigError
from famous.io.label_store import LabelStore
from famous.io.meshes import read_mesh
from famous.masks import Mask
from famous.measure import MeasureParams, measure_further
from famous.measure.further import NESTING
from famous.measure.nesting import Membrane, fenestrated_percent, inner_radius, membrane_proximity, outer_walls
from famous.mesh import Mesh
from famous.pipeline.crops import Extent, mesh_path, read_crops
from famous.pipeline.known_classes import meant
from famous.pipeline.outliers import leave_out
from famous.voxels import NM_PER_UM, VoxelSize

LARGEST = 32_000_000  # voxels of a crop in which pores are looked for; larger ones are read at a step


@dataclass(frozen=True)
class BlockMeasurer:
    """Measures what costs more, a block of instances at a time, from their written meshes; picklable."""

    store: Path
    meshes: Path
    voxel_size: VoxelSize
    params: MeasureParams
    extents: tuple[Extent, ...]
    config: Mapping[str, MeshConfig] = field(default_factory=dict)  # by class: how they were meshed

    def __call__(self, block: range) -> pd.DataFrame:
        """Return one row an instance, with the further columns only."""
        store = LabelStore.open(self.store)
        nested = Nested(store, self.meshes, self.voxel_size, self.params, self.extents)
        rows = []
        for extent in (self.extents[i] for i in block):
            mesh = read_mesh(mesh_path(self.meshes, extent))
            row: dict[str, object] = {**measure_further(mesh, self.params)}
            if self.params.inside:
                row |= nested.measure(extent, mesh, self.config.get(extent.class_name))
            rows.append(row)
        return pd.DataFrame(rows, columns=list(self.params.columns))


class Nested:
    """Measures instances inside those of another class."""

    def __init__(
        self,
        store: LabelStore,
        meshes: Path,
        voxel_size: VoxelSize,
        params: MeasureParams,
        extents: Sequence[Extent],
    ) -> None:
        self._store = store
        self._meshes = meshes
        self._voxel_size = voxel_size
        self._inside = params.inside
        self._extents = {(extent.class_name, extent.instance): extent for extent in extents}
        self._outer: tuple[int, Mesh, float] | None = None  # the last one's id, surface and largest inner radius
        classes = set(store.classes)
        for inner, outer in params.inside.items():
            if missing := sorted({inner, outer} - classes):
                raise ConfigError(
                    f"measure.inside: found {inner}: {outer}, but no class {missing[0]!r} in the labels"
                    f"{meant(missing[0], classes)}, expected two of {sorted(classes)}"
                )

    def measure(self, extent: Extent, mesh: Mesh, config: MeshConfig | None = None) -> dict[str, float]:
        """Return the columns of one in another; NaN where the class lies in none, or the instance outside of all.

        With the configuration that it was meshed by, outliers that were left out of the mesh are left out here, too.
        """
        row = dict.fromkeys(NESTING, math.nan)
        outer_class = self._inside.get(extent.class_name)
        if outer_class is None:
            return row
        config = config or MeshConfig()
        (crop,) = read_crops(self._store, [extent], self._voxel_size, maximum_voxels=LARGEST)
        crop = leave_out(extent, crop, config)[1]
        row["fenestrated_percent"] = fenestrated_percent(crop.mask[0 : crop.mask.shape[0]])
        (whole,) = read_crops(self._store, [extent], self._voxel_size)
        whole = leave_out(extent, whole, config)[1]
        found = self._find(extent, whole.mask, outer_class)
        if found is not None:
            row["inside_id"] = found
            membrane = self._membrane(mesh, self._extents[outer_class, found])
            lengths = (membrane.mean_nm / NM_PER_UM, membrane.min_nm / NM_PER_UM, membrane.proximity)
            row |= zip(NESTING[2:], lengths, strict=True)
        return row

    def _find(self, extent: Extent, mask: Mask, outer_class: str) -> int | None:
        """Return the instance of the class that shares most voxels with this one, holes of it filled or not."""
        shared: Counter[int] = Counter()
        (z0, y0, x0), (z1, y1, x1) = extent.low, extent.high
        for z in range(z0, z1):
            image = self._store.read_crop(outer_class, (z, z + 1), (y0, y1), (x0, x1))[0]
            ids: NDArray[np.uint32] = image[mask[z - z0 : z - z0 + 1][0]]
            values, counts = np.unique(ids, return_counts=True)
            shared.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
        known = {found: count for found, count in shared.items() if (outer_class, found) in self._extents}
        return max(known, key=lambda found: (known[found], -found)) if known else None

    def _membrane(self, mesh: Mesh, outer: Extent) -> Membrane:
        if self._outer is None or self._outer[0] != outer.instance:
            surface = outer_walls(read_mesh(mesh_path(self._meshes, outer)))  # a hole left for what is in it is none
            self._outer = (outer.instance, surface, inner_radius(surface))
        return membrane_proximity(mesh, self._outer[1], self._outer[2])
