"""Meshes for the report of a comparison: coarse ones, to a budget that keeps the file small enough for a mail."""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from famous.mesh import Mesh
from famous.pipeline.compare_count import Counts, Key
from famous.pipeline.crops import Crop, Extent
from famous.surface.isosurface import IsosurfaceParams, surface
from famous.surface.simplify import collapse

#: Source, class, id, mesh in nm.
ShownMesh = tuple[str, str, int, Mesh]


@dataclass(frozen=True)
class MeshBudget:
    """How many meshes a report holds, and how fine they are."""

    objects: int = 1000  # of each source; of more, the largest and the worst are shown
    faces: int = 500_000  # of all of them together
    least_faces: int = 60  # of one
    most_faces: int = 6_000  # of one


@dataclass(frozen=True)
class Shown:
    """An object that gets a mesh, and of how many faces."""

    extent: Extent
    faces: int

    def draw(self, crop: Crop) -> Mesh:
        """Return its mesh, in nm of the grid; an empty one where nothing is left of it."""
        params = IsosurfaceParams(keep_topology=False, volume_tolerance=0.02, max_faces=max(1000, 4 * self.faces))
        mesh = surface(crop.mask, voxel_size=crop.voxel_size, params=params, offset=crop.offset)
        if len(mesh.faces) <= self.faces:
            return mesh
        fewer = collapse(mesh, self.faces)
        return mesh if fewer.is_empty else fewer


def choose(counts: Counts, matches: pd.DataFrame, budget: MeshBudget) -> dict[Key, list[Shown]]:
    """Choose the objects to show, by source and class: all, or of each source the largest half and the worst half.

    How many faces one gets goes by the root of its voxels, so that small ones stay in shape.
    """
    chosen: dict[Key, list[Extent]] = {}
    for source in dict.fromkeys(source for source, _ in counts.objects):
        keys = [key for key in counts.objects if key[0] == source]
        extents = [extent for key in keys for extent in _extents(counts, key)]
        if len(extents) > budget.objects:
            costs = _costs(matches, source)
            extents.sort(key=lambda extent: extent.voxels, reverse=True)
            half = budget.objects // 2
            rest = sorted(extents[half:], key=lambda e: costs[e.class_name, e.instance], reverse=True)
            extents = extents[:half] + rest[: budget.objects - half]
        for key in keys:
            chosen[key] = [extent for extent in extents if extent.class_name == key[1]]
    total = sum(math.sqrt(extent.voxels) for some in chosen.values() for extent in some) or 1.0
    each = budget.faces / total
    return {
        key: [
            Shown(extent, int(np.clip(each * math.sqrt(extent.voxels), budget.least_faces, budget.most_faces)))
            for extent in some
        ]
        for key, some in chosen.items()
    }


def _extents(counts: Counts, key: Key) -> list[Extent]:
    found = counts.objects[key]
    rows = zip(found.ids.tolist(), found.low.tolist(), found.high.tolist(), found.voxels.tolist(), strict=True)
    return [
        Extent(number, key[1], (z0, y0, x0), (z1, y1, x1), math.nan, z1 - z0, voxels)
        for number, (z0, y0, x0), (z1, y1, x1), voxels in rows
    ]


def _costs(matches: pd.DataFrame, source: str) -> Mapping[tuple[str, int], int]:
    """Return what each object of a source costs in all the pairs that it is in."""
    costs: dict[tuple[str, int], int] = defaultdict(int)
    for side in ("pred", "truth"):
        own = matches[(matches[side] == source) & matches[f"{side}_id"].notna() & (matches["kind"] != "confused")]
        for name, number, cost in zip(own["class"], own[f"{side}_id"], own["cost_voxels"], strict=True):
            costs[str(name), int(number)] += int(cost)
    return costs
