"""HDF5 stacks: `file.h5:/dataset`, or the one three-dimensional dataset that a file holds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from famous.errors import InputError
from famous.io.blocks import BlockVolume, spatial_axes
from famous.io.sources import Source, naming
from famous.io.units import voxel_size_from
from famous.voxels import VoxelSize

SUFFIXES = (".h5", ".hdf5", ".hdf", ".he5", ".ilp", ".ims")
MAGIC = b"\x89HDF\r\n\x1a\n"
#: Last names of datasets that hold grey values.
PICTURES = {"raw", "image", "images", "em", "data", "volume", "grey", "gray", "intensity"}


class Hdf5Volume(BlockVolume):
    """Slices of a dataset."""

    def __init__(self, path: Path, inside: str, lead: int, shape: Sequence[int], dtype: np.dtype[Any]) -> None:
        super().__init__(path, shape, dtype)
        self.inside = inside
        self.lead = lead

    def read_block(self, first: int, end: int) -> NDArray[Any]:
        """Read slices first … end − 1, (z, y, x)."""
        import h5py

        with h5py.File(self.path, "r", locking=False) as file:
            return np.asarray(file[self.inside][(0,) * self.lead + (slice(first, end),)]).reshape(-1, *self.shape[1:])


def open_hdf5(path: Path, inside: str | None = None) -> Source:
    """Open a dataset of an HDF5 file; without its name the only one with three axes is taken."""
    import h5py

    with naming(path, "an HDF5 file"), h5py.File(path, "r", locking=False) as file:
        name = _resolve(path, file, inside)
        dataset = file[name]
        lead, shape = spatial_axes(f"{path}:{name}", dataset.shape)
        dtype = dataset.dtype
        voxel_size = _voxel_size(dataset)
        depth = dataset.chunks[lead] if dataset.chunks else 1
    volume = Hdf5Volume(path, name, lead, shape, dtype)
    volume.cache_blocks(depth)
    notes = (f"{path.name}: the dataset {name} is read",) if inside is None else ()
    return Source(f"HDF5:{name}", volume, (path,), voxel_size, notes=notes)


def class_datasets(path: Path) -> dict[str, str]:
    """Return class → dataset where a file holds one dataset a class, else nothing.

    So it does where it has several datasets with three axes, all of whole numbers and of one shape, each with a last
    name of its own, and none of them is called as pictures are.
    """
    import h5py

    with naming(path, "an HDF5 file"), h5py.File(path, "r", locking=False) as file:
        shapes = _datasets(file)
        kinds = {file[name].dtype.kind for name in shapes}
    named = {name.split("/")[-1]: name for name in shapes}
    is_alike = len(set(shapes.values())) == 1 and all(len(shape) == 3 for shape in shapes.values())
    is_labels = kinds <= set("bui") and not PICTURES & {name.lower() for name in named}
    return named if len(named) == len(shapes) > 1 and is_alike and is_labels else {}


def _resolve(path: Path, file: Any, inside: str | None) -> str:
    import h5py

    if inside:
        name = "/" + inside.strip("/")
        if name not in file or not isinstance(file[name], h5py.Dataset):
            raise InputError(f"{path}: found no dataset {name}, expected one of {_datasets(file) or 'none at all'}")
        return name
    found = _datasets(file)
    if len(found) != 1:
        what = f"{len(found)} datasets with three axes {list(found)[:20]}" if found else _no_stack(file)
        raise InputError(f"{path}: found {what}, expected one; name it: {path.name}:/dataset")
    return next(iter(found))


def _datasets(file: Any) -> dict[str, tuple[int, ...]]:
    """Return names and shapes of the datasets that may be stacks."""
    import h5py

    found: dict[str, tuple[int, ...]] = {}

    def visit(name: str, node: Any) -> None:
        if (
            isinstance(node, h5py.Dataset)
            and node.dtype.kind in "buif"
            and len(node.shape) >= 3
            and 0 not in node.shape
        ):
            found["/" + name] = node.shape

    file.visititems(visit)
    return dict(sorted(found.items()))


def _no_stack(file: Any) -> str:
    """Say that a file holds no stack, and what it holds instead."""
    import h5py

    there: list[str] = []

    def visit(name: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset):
            there.append(f"/{name} {node.shape} of {node.dtype}")

    file.visititems(visit)
    return "no dataset with three axes of grey values" + (f" among {', '.join(sorted(there)[:20])}" if there else "")


def _voxel_size(dataset: Any) -> VoxelSize | None:
    """Read what writers in the field leave: element_size_um (ilastik, Fiji), resolution or voxel_size in nm (CREMI)."""
    attributes = dict(dataset.attrs)
    if "element_size_um" in attributes:
        return voxel_size_from(np.ravel(attributes["element_size_um"])[-3:].tolist(), "um")
    for key in ("voxel_size", "resolution"):
        if key in attributes:
            units = attributes.get("units", attributes.get("unit", "nm"))
            unit = np.ravel(np.asarray(units, dtype=object))[-1]
            return voxel_size_from(np.ravel(attributes[key])[-3:].tolist(), unit)
    return None
