"""Zarr 2 and 3, plain and OME-Zarr (level 0): a folder of chunks with its metadata."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from famous.errors import InputError
from famous.io.blocks import BlockVolume, spatial_axes
from famous.io.sources import Source, naming, overhearing
from famous.io.units import unit_nm, voxel_size_from
from famous.voxels import VoxelSize

_METADATA = ("zarr.json", ".zarray", ".zgroup", ".zmetadata")
_DEEPEST = 6  # folders below the store that are searched for arrays
_MOST_LISTED = 20
_SHAPE = "\0shape"  # a key that no attribute has


@dataclass(frozen=True)
class _Found:
    """An array that may be the stack: its path inside the store and what its group says."""

    inside: str
    voxel_size: VoxelSize | None
    is_image: bool
    origin_nm: tuple[float, float, float] = (0.0, 0.0, 0.0)


class ZarrVolume(BlockVolume):
    """Slices of an array."""

    def __init__(self, path: Path, inside: str, lead: int, shape: Sequence[int], dtype: np.dtype[Any]) -> None:
        super().__init__(path, shape, dtype)
        self.inside = inside
        self.lead = lead
        self._array: Any = None

    def read_block(self, first: int, end: int) -> NDArray[Any]:
        """Read slices first … end − 1, (z, y, x)."""
        import zarr

        if self._array is None:
            self._array = zarr.open_array(str(self.path / self.inside), mode="r")
        block = np.asarray(self._array[(0,) * self.lead + (slice(first, end),)])
        return block.reshape(-1, *self.shape[1:])

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_array": None}


def is_store(folder: Path) -> bool:
    """Tell whether a folder is a Zarr or N5 store, by its metadata or its name."""
    if folder.suffix.lower() in (".zarr", ".n5") or any((folder / name).exists() for name in _METADATA):
        return True
    return _is_n5(folder)


def open_zarr(path: Path, inside: str | None = None) -> Source:
    """Open an array of a store; an OME-Zarr image gives level 0, a store with one array gives that."""
    import zarr

    if _is_n5(path):
        raise InputError(
            f"{path}: found an N5 store, which the zarr library reads no more; expected Zarr, OME-Zarr or HDF5. "
            "Save it as OME-Zarr (in Fiji: File › Save As › OME-Zarr, or N5 › export) or as TIFF slices"
        )
    with naming(path, "a Zarr store"), overhearing() as _:
        found = _search(path, (inside or "").strip("/"))
        if len(found) != 1:
            names = [item.inside or "/" for item in found][:_MOST_LISTED]
            what = f"{len(found)} arrays {names}" if found else "no array with three axes"
            raise InputError(f"{path}: found {what}, expected one stack; name it: {path}/name")
        array = zarr.open_array(str(path / found[0].inside), mode="r")
        lead, shape = spatial_axes(f"{path}/{found[0].inside}", array.shape)
        depth, dtype = int(array.chunks[lead]), np.dtype(array.dtype)
        voxel_size = found[0].voxel_size or (None if found[0].is_image else _plain_voxel_size(dict(array.attrs)))
        version = array.metadata.zarr_format
    volume = ZarrVolume(path, found[0].inside, lead, shape, dtype)
    volume.cache_blocks(depth)
    name = f"OME-Zarr {version}" if found[0].is_image else f"Zarr {version}"
    return Source(f"{name}:{found[0].inside}", volume, (path / found[0].inside,), voxel_size, found[0].origin_nm)


def list_images(path: Path, inside: str | None = None) -> list[str]:
    """Name the images and arrays of a store that may be labels, an image by its group, at most a few dozen.

    Where there is a group `labels`, as OME-Zarr has it beside an image, it is what lies there.
    """
    place = (inside or "").strip("/")
    with naming(path, "a Zarr store"):
        beside = f"{place}/labels".strip("/")
        found = _search(path, beside) if _metadata(path / beside)[0] == "group" else []
        found = found or _search(path, place)
    return [item.inside.rpartition("/")[0] if item.is_image else item.inside for item in found]


def _search(root: Path, inside: str) -> list[_Found]:
    """List the arrays at or below a place in the store that may be the stack."""
    here = root / inside
    node, attributes = _metadata(here)
    if node == "array":
        shape = attributes.pop(_SHAPE)
        return [_Found(inside, None, is_image=False)] if len(shape) >= 3 else []
    if node is None and inside:
        raise InputError(f"{root}: found no array or group {inside!r}, expected one")
    multiscales = (
        attributes.get("ome", attributes).get("multiscales") if isinstance(attributes.get("ome", {}), dict) else None
    )
    if multiscales:
        return [_level_0(root, inside, multiscales[0])]
    found: list[_Found] = []
    if inside.count("/") < _DEEPEST:
        for child in sorted(here.iterdir()):
            if child.is_dir() and not child.name.startswith(".") and _metadata(child)[0] is not None:
                found += _search(root, f"{inside}/{child.name}".strip("/"))
            if len(found) > _MOST_LISTED:
                break
    return found


def _metadata(folder: Path) -> tuple[str | None, dict[str, Any]]:
    """Return "array" or "group" (None where neither), and the attributes; `_SHAPE` holds an array's shape."""
    if (folder / "zarr.json").is_file():
        metadata = json.loads((folder / "zarr.json").read_bytes())
        attributes = dict(metadata.get("attributes", {}))
        node = str(metadata["node_type"])
    elif (folder / ".zarray").is_file() or (folder / ".zgroup").is_file() or (folder / ".zattrs").is_file():
        node = "array" if (folder / ".zarray").is_file() else "group"
        metadata = json.loads((folder / ".zarray").read_bytes()) if node == "array" else {}
        attributes = json.loads((folder / ".zattrs").read_bytes()) if (folder / ".zattrs").is_file() else {}
    else:
        return None, {}
    if node == "array":
        attributes[_SHAPE] = metadata["shape"]
    return node, attributes


def _level_0(root: Path, inside: str, image: dict[str, Any]) -> _Found:
    """Return the full-resolution array of an OME-Zarr image with its scale (0.1 to 0.5), axes (…, z, y, x)."""
    dataset = image["datasets"][0]
    axes = image.get("axes") or ["t", "c", "z", "y", "x"]
    names = [axis["name"] if isinstance(axis, dict) else str(axis) for axis in axes]
    where = f"{inside}/{dataset['path']}".strip("/")
    if names[-3:] != ["z", "y", "x"]:
        raise InputError(f"{root}: found the axes {names} in {inside or 'the image'}, expected them to end in z, y, x")
    units = [axis.get("unit") if isinstance(axis, dict) else None for axis in axes][-3:]
    scale, origin = np.ones(3), np.zeros(3)
    for holder in (dataset, image):
        for transformation in holder.get("coordinateTransformations") or []:
            if transformation.get("type") == "scale":
                step = np.asarray(transformation["scale"][-3:], dtype=float)
                scale, origin = scale * step, origin * step
            elif transformation.get("type") == "translation":
                origin = origin + np.asarray(transformation["translation"][-3:], dtype=float)
    sizes = [voxel_size_from((size, 1, 1), unit) for size, unit in zip(scale, units, strict=True)]
    if any(size is None for size in sizes):
        return _Found(where, None, is_image=True)
    z, y, x = (float(low) * (unit_nm(unit) or 0.0) for low, unit in zip(origin, units, strict=True))
    if not np.isfinite([z, y, x]).all():
        raise InputError(
            f"{root}: found the translation {origin.tolist()} in {inside or 'the image'}, expected numbers"
        )
    size = VoxelSize.from_zyx(size.z for size in sizes if size is not None)
    return _Found(where, size, is_image=True, origin_nm=(z, y, x))


def _plain_voxel_size(attributes: dict[str, Any]) -> VoxelSize | None:
    """Read `voxel_size` or `resolution` (nm unless `units` says otherwise), as gunpowder, CREMI and others write it."""
    for key in ("voxel_size", "resolution"):
        value = attributes.get(key)
        if isinstance(value, list) and len(value) >= 3:
            units = attributes.get("units", attributes.get("unit", "nm"))
            return voxel_size_from(value[-3:], units[-1] if isinstance(units, list) and units else units)
    return None


def _is_n5(folder: Path) -> bool:
    """Tell whether a folder is an N5 store: it has attributes.json, and no metadata of Zarr."""
    if any((folder / name).exists() for name in _METADATA):
        return False
    return folder.suffix.lower() == ".n5" or (folder / "attributes.json").exists()
