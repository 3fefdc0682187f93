"""Instances of a label volume that lie in those of another one: which in which, and how near to the membrane."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous.config import MeshConfig
from famous.errors import InputError
from famous.io.meshes import read_mesh, write_mesh
from famous.masks import Mask
from famous.measure.further import NESTING
from famous.measure.nesting import fenestrated_percent, inner_radius, membrane_proximity, outer_walls
from famous.mesh import Mesh
from famous.parallel import map_in_order, open_executor
from famous.pipeline.crops import Crop, Extent
from famous.pipeline.mesh import make_mesh
from famous.pipeline.stage import Session
from famous.pipeline.sweep import Labels, batches, find_extents, sweep
from famous.stack import LazyVolume
from famous.voxels import NM_PER_UM

LARGEST = 32_000_000  # voxels of a crop in which pores are looked for; of a larger one every 2nd, 3rd … voxel is taken
Image = NDArray[Any]


@dataclass(frozen=True)
class Around:
    """What is round the instances of a volume: ids, and of each the file of its surface and its largest ball's radius.

    Picklable.
    """

    outer: Mapping[int, int]
    membranes: Mapping[int, tuple[Path, float]]

    def measure(self, instance: int, mask: Mask, mesh: Mesh) -> dict[str, object]:
        """Return the columns of one in another; of one that lies in none, the pores only."""
        row: dict[str, object] = dict.fromkeys(NESTING, math.nan)
        row["inside_id"] = pd.NA  # among whole numbers, which may be too large for a float
        row["fenestrated_percent"] = fenestrated_percent(_thinned(mask))
        outer = self.outer.get(instance)
        if outer is not None:
            path, radius = self.membranes[outer]
            membrane = membrane_proximity(mesh, read_mesh(path), radius)
            lengths = (membrane.mean_nm / NM_PER_UM, membrane.min_nm / NM_PER_UM, membrane.proximity)
            row |= zip(NESTING, (outer, row["fenestrated_percent"], *lengths), strict=True)
        return row


def look_around(inner: Labels, outer: Labels, config: MeshConfig, folder: Path, session: Session) -> Around:
    """Find what each instance lies in, and make the surfaces of those; they stay in the folder.

    The membrane is the outer wall alone: a hole that was left for what lies inside is none.

    Raises
    ------
    InputError
        If the volumes differ in shape or voxel size.
    """
    found = ("voxel size", inner.voxel_size.zyx, outer.voxel_size.zyx)
    if inner.shape != outer.shape:
        found = ("shape", inner.shape, outer.shape)
    if found[1] != found[2]:
        raise InputError(
            f"--inside: found the {found[0]} {found[2]}, expected that of the labels, {found[1]} (z, y, x)"
        )
    around = find_around(inner.volume, outer.volume, session)
    wanted = set(around.values())
    extents = [extent for extent in find_extents(outer, session) if extent.instance in wanted]
    crops = sweep(outer, extents, config.maximum_voxels if config.method == "shrinkwrap" else None)
    worker = MembraneMaker(folder, config)
    membranes: dict[int, tuple[Path, float]] = {}
    session.reporter.begin("around", len(extents))
    with open_executor(session.jobs, scheduler=session.scheduler) as executor:
        for made in map_in_order(executor, worker, batches(crops), ahead=max(1, 2 * session.jobs)):
            membranes |= {number: (path, radius) for number, path, radius in made}
            session.reporter.advance(len(made))
    session.reporter.end("around", f"{len(around):,} instances lie in {len(extents):,}")
    return Around(around, membranes)


@dataclass(frozen=True)
class MembraneMaker:
    """Writes the outer walls of some instances; picklable."""

    folder: Path
    config: MeshConfig

    def __call__(self, batch: Sequence[tuple[Extent, Crop]]) -> list[tuple[int, Path, float]]:
        """Return the id, the file and the radius of the largest ball inside of each."""
        made = []
        for extent, crop in batch:
            walls = outer_walls(make_mesh(crop, self.config))
            path = self.folder / f"around_{extent.name}.ply"
            write_mesh(path, walls, class_name=extent.class_name, instance=extent.instance)
            made.append((extent.instance, path, inner_radius(walls)))
        return made


@dataclass(frozen=True)
class _Tally:
    """Voxels that two ids share, faces of one that look at the other, and all outer faces of one."""

    shared: Counter[tuple[int, int]] = field(default_factory=Counter)
    contact: Counter[tuple[int, int]] = field(default_factory=Counter)
    faces: Counter[int] = field(default_factory=Counter)

    def choose(self) -> dict[int, int]:
        """Return what each lies in: what it shares most voxels with; if with none, what most of its faces look at."""
        best: dict[int, tuple[int, int]] = {}
        for (inner, outer), count in sorted(self.shared.items()):
            if count > best.get(inner, (0, 0))[0]:
                best[inner] = (count, outer)
        enclosed = {
            inner: outer
            for (inner, outer), count in self.contact.items()
            if inner not in best and 2 * count > self.faces[inner]
        }
        return enclosed | {inner: outer for inner, (_, outer) in best.items()}


def find_around(inner: LazyVolume, outer: LazyVolume, session: Session) -> dict[int, int]:
    """Find the id of another volume that each id of a volume lies in, one slice after the other; 0 is background.

    An instance lies in the one that it shares most voxels with. Where it shares none, because the two volumes were
    made from one, in which a voxel has a single id, it lies in the one that more than half of its outer faces look at.
    """
    tally = _Tally()
    session.reporter.begin("inside", inner.shape[0])
    last: tuple[Image, Image] | None = None
    for z in range(inner.shape[0]):
        here = (np.asarray(inner[z]), np.asarray(outer[z]))
        both = (here[0] > 0) & (here[1] > 0)
        tally.shared.update(_count(here[0][both], here[1][both]))
        for one, other in _neighbours(here, last):
            border = (one[0] > 0) & (other[0] != one[0])
            own, beyond = one[0][border], other[1][border]
            ids, counts = np.unique(own, return_counts=True)
            tally.faces.update(dict(zip(ids.tolist(), counts.tolist(), strict=True)))
            tally.contact.update(_count(own[beyond > 0], beyond[beyond > 0]))
        last = here
        session.reporter.advance(1)
    found = tally.choose()
    session.reporter.end("inside", f"{len(found):,} instances lie in another")
    return found


def _neighbours(
    here: tuple[Image, Image], last: tuple[Image, Image] | None
) -> Iterator[tuple[tuple[Image, Image], tuple[Image, Image]]]:
    """Pair a slice of both volumes with itself moved by a pixel, and with the slice before, each both ways round."""
    pairs = [((slice(1, None), slice(None)), (slice(None, -1), slice(None)))]
    pairs.append(((slice(None), slice(1, None)), (slice(None), slice(None, -1))))
    for one, other in pairs:
        moved = (here[0][one], here[1][one]), (here[0][other], here[1][other])
        yield moved
        yield moved[::-1]
    if last is not None:
        yield here, last
        yield last, here


def _count(a: Image, b: Image) -> dict[tuple[int, int], int]:
    """Count the pairs of two arrays (n,) of ids of any size."""
    if len(a) == 0:
        return {}
    (first, i), (second, j) = np.unique(a, return_inverse=True), np.unique(b, return_inverse=True)
    codes, counts = np.unique(i.astype(np.int64) * len(second) + j, return_counts=True)
    names = zip(first[codes // len(second)].tolist(), second[codes % len(second)].tolist(), strict=True)
    return dict(zip(names, counts.tolist(), strict=True))


def _thinned(mask: Mask) -> NDArray[np.bool_]:
    """Return every voxel of a mask, or every 2nd, 3rd … of a large one."""
    step = max(1, math.ceil((math.prod(mask.shape) / LARGEST) ** (1 / 3)))
    depth, height, width = (-(-side // step) for side in mask.shape)
    thin = np.zeros((depth, height, width), dtype=np.bool_)
    for number, z in enumerate(range(0, mask.shape[0], step)):
        thin[number] = mask[z : z + 1][0, ::step, ::step]
    return thin
