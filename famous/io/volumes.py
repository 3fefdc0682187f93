"""Label volumes: the store of a run, label volumes of any format, and label TIFFs for Fiji."""

import tempfile
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from famous import labels
from famous.errors import InputError
from famous.files import atomic_path
from famous.io.label_store import LabelStore
from famous.io.sources import naming
from famous.io.stacks import OpenedStack, open_stack
from famous.io.tiff_metadata import WHITE_IS_ZERO
from famous.stack import LazyVolume
from famous.voxels import NM_PER_UM, VoxelSize

__all__ = ["LabelStore", "LabelVolume", "read_label_volume", "write_label_tiff"]

LARGEST_UINT16 = 2**16 - 1
LARGEST_FLOAT32 = 2**24  # the last whole number before float32 leaves one out


class LabelVolume:
    """A lazy (z, y, x) label volume: `volume[z]` is (y, x) uint32, checked to hold whole numbers in 0 … 2³² − 1.

    A wide one holds any whole number from 0 up, as uint64.
    """

    def __init__(self, volume: LazyVolume, name: str, *, wide: bool = False) -> None:
        self.volume = volume
        self.name = name
        self.shape = tuple(volume.shape)
        self.dtype: np.dtype[Any] = np.dtype(np.uint64 if wide else np.uint32)

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, key: SupportsIndex) -> NDArray[Any]:
        image = self.volume[key]
        try:
            return labels.validate(image) if self.dtype == np.uint32 else _validate_wide(image)
        except InputError as fault:
            if str(fault).startswith("labels:"):
                raise InputError(f"{self.name}, slice {key!r}: {fault}") from fault
            raise


def _validate_wide(image: NDArray[Any]) -> NDArray[np.uint64]:
    """Return labels as uint64; InputError if they are not whole numbers from 0 up."""
    if image.dtype.kind in "ub":
        return image.astype(np.uint64, copy=False)
    if image.dtype.kind == "i":
        if image.size and int(image.min()) < 0:
            raise InputError(f"labels: found ids from {image.min()} to {image.max()}, expected 0 … 2⁶⁴ − 1")
        return image.astype(np.uint64)
    return labels.validate(image).astype(np.uint64)


def read_label_volume(path: str | Path, *, voxel_size: VoxelSize | None = None, wide: bool = False) -> OpenedStack:
    """Open a label volume of any format that a stack may have, lazily.

    Its `stack.grey(z)` is (y, x) uint32, 0 is background. Ids may be stored as any integer type, as bool (0 and 1) or
    as whole floats, as Fiji writes them. With `wide`, it is uint64 and ids of 64 bits are read, too.

    Raises
    ------
    InputError
        As `open_stack`; for JPEG, which changes ids; on reading a slice, if an id is negative, above 2³² − 1 or no
        whole number.
    """
    opened = open_stack(path, voxel_size=voxel_size)
    if "JPEG" in opened.format:
        raise InputError(f"{path}: found labels as JPEG, which changes their ids; expected PNG, TIFF, HDF5 or Zarr")
    stack = replace(opened.stack, volume=LabelVolume(opened.stack.volume, str(path), wide=wide))
    notes = tuple(note for note in opened.notes if WHITE_IS_ZERO not in note)
    return replace(opened, stack=stack, notes=notes)


def write_label_tiff(
    path: str | Path,
    slices: Iterable[NDArray[Any]],
    shape: tuple[int, int, int],
    voxel_size: VoxelSize,
    *,
    largest_id: int | None = None,
) -> None:
    """Write a label volume as a TIFF that Fiji opens by drag and drop, with its voxel size; streamed.

    Ids up to 65,535 are written as uint16, up to 2²⁴ as float32 (Fiji's only type of 32 bits, exact to there), both as
    uncompressed ImageJ TIFF, which ImageJ reads at any size (above 4 GB as one page with the rest behind it). Larger
    ids are written as uint32 in a compressed OME-BigTIFF, which Fiji opens through Bio-Formats.

    Parameters
    ----------
    path
        File to write; it appears when it is complete.
    slices
        One (y, x) label image a slice, background 0, in the order of z.
    shape
        (z, y, x).
    voxel_size
        Written in micrometres.
    largest_id
        The largest id, if known: it decides the type. Without it the slices are put on disk once to find out.

    Raises
    ------
    InputError
        If the slices are not as many or as large as `shape` says, or hold no labels, or an id above `largest_id`.
    """
    path = Path(path)
    if len(shape) != 3 or min(shape) < 1:
        raise InputError(f"{path}: found the shape {tuple(shape)}, expected three lengths (z, y, x) of at least 1")
    with atomic_path(path) as temporary, naming(path, "room to write a TIFF file"):
        checked = _checked(path, slices, shape, largest_id)
        if largest_id is not None:
            _write_tiff(temporary, checked, shape, voxel_size, largest_id)
            return
        with tempfile.TemporaryFile(dir=path.parent) as spool:
            largest = 0
            for image in checked:
                largest = max(largest, int(image.max(initial=0)))
                spool.write(image.tobytes())
            spool.seek(0)
            count = shape[1] * shape[2]
            again = (np.fromfile(spool, np.uint32, count).reshape(shape[1:]) for _ in range(shape[0]))
            _write_tiff(temporary, again, shape, voxel_size, largest)


def _checked(
    path: Path, slices: Iterable[NDArray[Any]], shape: tuple[int, int, int], largest_id: int | None
) -> Iterator[NDArray[np.uint32]]:
    """Yield the slices as uint32; InputError where one is missing, surplus or wrong."""
    z = -1
    for z, image in enumerate(slices):
        if z >= shape[0] or image.shape != tuple(shape[1:]):
            raise InputError(
                f"{path}, slice {z}: found {image.shape}, expected {shape[0]} slices of {tuple(shape[1:])}"
            )
        checked = labels.validate(image)
        if largest_id is not None and int(checked.max(initial=0)) > largest_id:
            raise InputError(f"{path}, slice {z}: found the id {checked.max()}, expected none above {largest_id}")
        yield checked
    if z + 1 < shape[0]:
        raise InputError(f"{path}: found {z + 1} slices, expected {shape[0]}")


def _write_tiff(
    path: Path, slices: Iterator[NDArray[np.uint32]], shape: tuple[int, int, int], voxel_size: VoxelSize, largest: int
) -> None:
    import tifffile

    z_um, y_um, x_um = (size / NM_PER_UM for size in voxel_size.zyx)
    if largest <= LARGEST_FLOAT32:
        dtype = np.dtype(np.uint16 if largest <= LARGEST_UINT16 else np.float32)
        options: dict[str, Any] = {
            "imagej": True,
            "resolution": (1 / x_um, 1 / y_um),
            "resolutionunit": "NONE",
            "metadata": {"axes": "ZYX", "spacing": z_um, "unit": "micron"},
        }
    else:
        dtype = np.dtype(np.uint32)
        sizes = {f"PhysicalSize{axis}": size for axis, size in zip("ZYX", (z_um, y_um, x_um), strict=True)}
        units = {f"PhysicalSize{axis}Unit": "µm" for axis in "ZYX"}
        identity = uuid.uuid5(uuid.NAMESPACE_OID, f"{shape} {voxel_size}")  # a random one would change the bytes
        metadata = {"axes": "ZYX", "UUID": str(identity), **sizes, **units}
        options = {"ome": True, "bigtiff": True, "compression": "zlib", "metadata": metadata}
    pages = (np.ascontiguousarray(image, dtype=dtype) for image in slices)
    tifffile.imwrite(path, pages, shape=shape, dtype=dtype, photometric="minisblack", **options)


def write_stack_tiff(
    path: str | Path, slices: Iterable[NDArray[np.uint8]], shape: tuple[int, int, int], voxel_size: VoxelSize
) -> None:
    """Write grey slices, (y, x) uint8, as an ImageJ TIFF with its voxel size; streamed, there when it is complete."""
    import tifffile

    z_um, y_um, x_um = (size / NM_PER_UM for size in voxel_size.zyx)
    with atomic_path(path) as temporary, naming(Path(path), "room to write a TIFF file"):
        tifffile.imwrite(
            temporary,
            iter(slices),
            shape=shape,
            dtype=np.uint8,
            photometric="minisblack",
            imagej=True,
            resolution=(1 / x_um, 1 / y_um),
            resolutionunit="NONE",
            metadata={"axes": "ZYX", "spacing": z_um, "unit": "micron"},
        )
