"""Folders of meshes as label volumes, filled slice by slice: STL, OBJ and PLY, per object or per class.

Sub-folders are classes, and so are names of files without their number. A class of several files has one object in
each; one of a single file is split into objects by its connected surfaces.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from famous.errors import InputError
from famous.filling import Filling, closed, joined, rims, split_surfaces
from famous.io.grids import Grid
from famous.io.meshes import SIDE_CAR, SUFFIXES, read_mesh
from famous.io.slices import natural_key
from famous.io.sources import naming
from famous.io.truth_classes import Classes, match_class
from famous.io.units import VOXEL_UNITS, unit_nm
from famous.mesh import Mesh
from famous.voxels import NM_PER_UM, VoxelSize
from famous.words import counted

__all__ = ["SUFFIXES", "MeshVolume", "class_names", "find_meshes", "open_meshes"]

LARGEST_HOLES = 0.02  # share of its area up to which the holes of a mesh are closed
LEAST_COVERED = 0.01  # of the stack's extent: meshes that span less, and would fit in another unit, are in that one
LEAST_INSIDE = 0.5  # of the meshes' extent: of meshes that belong to the stack less cannot lie in it
LARGEST_EXCESS = 2.0  # times the stack's extent: meshes that span more are in another unit
SMALLEST_SPAN = 2.0  # voxels: meshes that span less, all together, are, too
LONGEST_SIDE = 1_000_000  # voxels of a grid that is made from meshes alone
_TRIED = ("nm", "µm", "mm", "Å", "m", "voxel")


class MeshVolume:
    """Objects as a lazy label volume: `volume[z]` fills one slice, (y, x) uint32. Where two overlap, the later wins."""

    def __init__(self, fillings: Mapping[int, Filling], shape: tuple[int, int, int]) -> None:
        self.fillings = dict(fillings)
        self.shape: tuple[int, ...] = shape
        self.dtype: np.dtype[Any] = np.dtype(np.uint32)

    def __getitem__(self, key: SupportsIndex) -> NDArray[np.uint32]:
        z = int(key)
        if not 0 <= z < self.shape[0]:
            raise IndexError(f"slice {z} does not exist, there are 0 … {self.shape[0] - 1}")
        image = np.zeros(self.shape[1:], dtype=np.uint32)
        for number, filling in self.fillings.items():
            if z in filling.slices:
                rows, columns, inside = filling.cut(z)
                image[rows, columns][inside] = number
        return image


@dataclass(frozen=True)
class _Found:
    """A class and its files."""

    name: str
    files: tuple[Path, ...]
    is_split: bool  # each file is one object, else its surfaces are


@dataclass(frozen=True)
class _Said:
    """Whether the user gave the unit of meshes, their offset, and a grid that is a part of what they are of."""

    unit: bool
    offset: bool
    is_part: bool


def find_meshes(path: Path) -> list[Path]:
    """List the meshes in a folder and its sub-folders, or the one that a path is; InputError where nothing is there."""
    if path.is_file():
        return [path] if path.suffix.lower() in SUFFIXES else []
    found = []
    with naming(path, "a mesh, or a folder of meshes"):
        inner = [entry for entry in path.iterdir() if entry.is_dir() and entry.name[0] != "."]
    for folder in (path, *inner):
        entries = sorted(folder.iterdir(), key=lambda entry: natural_key(entry.name))
        found += [e for e in entries if e.is_file() and e.suffix.lower() in SUFFIXES and e.name[0] != "."]
    return found


def open_meshes(
    path: Path,
    like: Grid | VoxelSize,
    unit: str | None = None,
    offset_nm: tuple[float, float, float] | None = None,
    known: Sequence[str] | None = None,
    *,
    is_part: bool = False,
) -> tuple[Grid, Classes]:
    """Open meshes as label volumes.

    Parameters
    ----------
    path
        Folder or file.
    like
        The stack's grid; or a voxel size, and the grid is what the meshes span.
    unit
        Of their coordinates, "voxel" for voxels of the stack; µm where nobody says, as `famous` writes them.
    offset_nm
        Added to all coordinates (z, y, x).
    known
        Classes that names are matched to.
    is_part
        Whether the user said that the grid is a part of what the meshes were made from: they may reach far beyond it.

    Returns
    -------
    tuple
        The grid, and the classes.

    Raises
    ------
    InputError
        If a file is damaged or a mesh has holes that are more than 2 % of its area; if the meshes do not fit into the
        stack's extent: most of theirs lies outside of it, or they span less than 1 % of it, nobody has said where and
        in which unit they are, and they would fit in another one. Both extents are told, and the unit that would fit.
    """
    notes: list[str] = []
    if unit is None:
        notes.append(f"{path.name}: the coordinates of the meshes are taken as µm; give the unit if they are not")
    factor = _factor(unit, like)
    shift = np.array((0.0, 0.0, 0.0) if offset_nm is None else offset_nm)
    classes: dict[str, dict[int, Mesh]] = {}
    for found in _classes_of(path, known, notes):
        classes.setdefault(found.name, {}).update(_read_class(found, notes))
    meshes = [mesh for objects in classes.values() for mesh in objects.values()]
    if not meshes:
        is_obj = any(file.suffix.lower() == ".obj" for file in find_meshes(path))
        cut = "; an .obj file may have been cut off before its faces, write it again" if is_obj else ""
        raise InputError(
            f"{path}: found no mesh with a face, expected {', '.join(SUFFIXES)} files with closed surfaces{cut}"
        )
    raw = np.stack([m.bounds for m in meshes])
    raw = np.stack([raw[:, 0].min(axis=0), raw[:, 1].max(axis=0)]) / NM_PER_UM  # as the numbers stand in the files
    grid = like if isinstance(like, Grid) else _grid_of(path, raw * factor + shift, like)
    if isinstance(like, Grid):
        said = _Said(unit is not None, offset_nm is not None, is_part)
        notes += _check_extent(path, raw, (factor, shift), like, said)
    size, origin = np.array(grid.voxel_size.zyx), np.array(grid.origin_nm)
    scale, move = factor / NM_PER_UM / size, (shift - origin) / size - 0.5
    volumes = {}
    for name, objects in classes.items():
        fillings = {i: Filling(m.vertices * scale + move, m.faces, grid.shape) for i, m in objects.items()}
        volumes[name] = MeshVolume(fillings, grid.shape)
    return grid, Classes(volumes, frozenset(), tuple(notes))


def class_names(path: Path) -> list[str]:
    """Return the classes of meshes, by the names of their files and folders; none is read."""
    return [found.name for found in _classes_of(path, None, [])]


def _factor(unit: str | None, like: Grid | VoxelSize) -> NDArray[np.float64]:
    """Return nm along (z, y, x) that 1 in the files stands for."""
    if unit is not None and unit.strip().lower() in VOXEL_UNITS:
        return np.array((like.voxel_size if isinstance(like, Grid) else like).zyx)
    length = unit_nm(unit or "um")
    if length is None:
        raise InputError(f"unit: found {unit!r}, expected nm, µm, mm, Å or voxel")
    return np.full(3, length)


def _classes_of(path: Path, known: Sequence[str] | None, notes: list[str]) -> list[_Found]:
    """Sort files by class, in the order of their names."""
    files = find_meshes(path)
    root = path if path.is_dir() else path.parent
    groups: dict[str, list[Path]] = {}
    for file in files:
        stem = file.parent.name if file.parent != root else re.sub(r"[\s_.#-]*\d+$", "", file.stem) or file.stem
        groups.setdefault(stem, []).append(file)
    ours = path.is_dir() and (path / SIDE_CAR).is_file()
    found = []
    for stem, own in groups.items():
        found.append(_Found(match_class(stem, known, notes), tuple(own), ours or len(own) > 1))
    return found


def _read_class(found: _Found, notes: list[str]) -> dict[int, Mesh]:
    """Read the objects of a class, closed; their ids are the numbers of their files where those are all different."""
    if not found.is_split:
        whole = _read_closed(found.files[0], notes)
        objects = split_surfaces(whole)
        taken = counted(
            len(objects), "connected surface is taken as an object", "connected surfaces are taken as objects"
        )
        notes.append(f"{found.files[0].name}: its {taken}")
        return dict(enumerate(objects, start=1))
    ends = [re.search(r"(\d{1,9})$", file.stem) for file in found.files]
    numbers = [int(end[1]) for end in ends if end is not None]
    if len(set(numbers)) < len(found.files) or min(numbers) < 1:
        numbers = list(range(1, len(found.files) + 1))
    meshes = {number: _read_closed(file, notes) for number, file in zip(numbers, found.files, strict=True)}
    return {number: mesh for number, mesh in meshes.items() if not mesh.is_empty}


def _read_closed(path: Path, notes: list[str]) -> Mesh:
    """Read a mesh, numbers as µm, and close small holes, with a note; InputError where they are large."""
    mesh = joined(read_mesh(path))
    if mesh.is_empty:
        notes.append(f"{path.name}: has no face; it is left out")
        return mesh
    holes = rims(mesh)
    if not holes:
        return mesh
    whole, share = closed(mesh, holes)
    edges = sum(len(rim) for rim in holes)
    if share > LARGEST_HOLES:
        raise InputError(
            f"{path}: found a mesh with {len(holes)} hole(s) of {edges} edges, about {share:.0%} of its surface, "
            "expected a closed one; close it (in Blender: 3D-Print Toolbox › Make Manifold; in MeshLab: Close Holes)"
        )
    notes.append(f"{path.name}: {len(holes)} small hole(s) of {edges} edges are closed, {share:.2%} of its surface")
    return whole


def _grid_of(path: Path, bounds: NDArray[np.float64], size: VoxelSize) -> Grid:
    """Return the voxels that hold everything, with one more round it."""
    steps = np.array(size.zyx)
    low, high = np.floor(bounds[0] / steps) - 1, np.ceil(bounds[1] / steps) + 1
    counts = high - low
    if counts.max() > LONGEST_SIDE:
        raise InputError(
            f"{path}: found meshes that span {_span(bounds)}, which is {counts.max():.3g} voxels; expected at most "
            f"{LONGEST_SIDE:,} along a side; give their unit"
        )
    z, y, x = (float(value) for value in low * steps)
    return Grid((int(counts[0]), int(counts[1]), int(counts[2])), size, (z, y, x))


def _check_extent(
    path: Path,
    raw: NDArray[np.float64],
    moved: tuple[NDArray[np.float64], NDArray[np.float64]],
    grid: Grid,
    said: "_Said",
) -> list[str]:
    """Raise InputError where meshes cannot belong to the stack; say where they reach beyond it.

    `moved` are the factor and the shift that are taken.
    """
    factor, shift = moved
    bounds = raw * factor + shift
    others = [unit for unit in _TRIED if not np.allclose(_factor(unit, grid), factor)]
    fitting = [unit for unit in others if _fits(raw * _factor(unit, grid) + shift, grid, strictly=True)]
    is_lost = not (said.unit or said.offset) and bool(fitting) and _share(bounds, grid) < LEAST_COVERED
    is_met = bool(((bounds[1] > grid.origin_nm) & (bounds[0] < grid.high_nm)).all())
    if is_lost or not (is_met if said.is_part else _fits(bounds, grid)):
        span = bounds[1] - bounds[0]
        is_aside = (span <= np.subtract(grid.high_nm, grid.origin_nm)).all() and not _is_small(span, grid)
        if said.unit and is_aside:
            hint = "; in the unit that was given their size fits: check the offset, --offset Z Y X (nm)"
        else:
            hint = f"; they would fit in {' or '.join(fitting)}" if fitting else "; give their unit and their offset"
        raise InputError(
            f"{path}: found meshes that span {_span(bounds)}, which cannot be meant; expected to lie in the stack of "
            f"{grid}{hint}"
        )
    low, high = np.array(grid.origin_nm), np.array(grid.high_nm)
    beyond = np.maximum(low - bounds[0], bounds[1] - high).max() / min(grid.voxel_size.zyx)
    if beyond > 1:
        return [f"{path.name}: its meshes reach up to {beyond:.0f} voxels beyond the stack; they are cut there"]
    return []


def _share(bounds: NDArray[np.float64], grid: Grid) -> float:
    """Share of the stack's extent that meshes span."""
    low, high = np.array(grid.origin_nm), np.array(grid.high_nm)
    lengths = np.minimum(bounds[1], high) - np.maximum(bounds[0], low)
    return float(np.prod(np.maximum(lengths, 0) / (high - low)))


def _fits(bounds: NDArray[np.float64], grid: Grid, *, strictly: bool = False) -> bool:
    """Tell whether meshes may belong to the stack; strictly, they lie in it but for a twentieth."""
    low, high = np.array(grid.origin_nm), np.array(grid.high_nm)
    extent, span = high - low, bounds[1] - bounds[0]
    inside = np.maximum(np.minimum(bounds[1], high) - np.maximum(bounds[0], low), 0)
    share = np.prod(np.divide(inside, span, out=np.ones(3), where=span > 0))
    is_beyond = share < LEAST_INSIDE and _share(bounds, grid) < 1
    is_small = _is_small(span, grid)
    apart = ((bounds[1] <= low) | (bounds[0] >= high)).any()
    if strictly:
        edge = 0.05 * extent
        return not is_small and bool(((bounds[0] >= low - edge) & (bounds[1] <= high + edge)).all())
    return not (is_small or apart or is_beyond or (span > LARGEST_EXCESS * extent).any())


def _is_small(span: NDArray[np.float64], grid: Grid) -> bool:
    """Tell whether all meshes together span too few voxels to be meant."""
    return bool((span < SMALLEST_SPAN * np.array(grid.voxel_size.zyx)).all())


def _span(bounds: NDArray[np.float64]) -> str:
    sides = zip("zyx", bounds[0] / NM_PER_UM, bounds[1] / NM_PER_UM, strict=True)
    return ", ".join(f"{axis} {low:.6g} … {high:.6g}" for axis, low, high in sides) + " µm"
