"""Label volumes on disk: the OME-Zarr store that a run fills slice by slice, and its fast crops."""

import contextlib
import math
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from famous.errors import FamousError, InputError
from famous.io import tables
from famous.voxels import VoxelSize

if TYPE_CHECKING:
    import zarr

CHUNK_PX = 512  # side of the blocks that a slice is compressed in: what a crop has to read at least
COARSEST_PX = 1024  # the pyramid ends where a slice's long side is no longer than this
ZSTD_LEVEL = 1  # label images are flat: higher levels cost time and save little

_GROUPS = ("labels", "boxes")
_ZARR_FAULTS = (OSError, ValueError, TypeError, LookupError, RuntimeError, ArithmeticError, MemoryError)


class LabelStore:
    """The folder `labels.ome.zarr` of a run: Zarr 3, OME-Zarr 0.5, uint32, 0 is background.

    Per class it holds a label volume, `labels/<class>`, with a pyramid in y and x, and its box ids, `boxes/<class>`.
    One file holds one slice of one level, so writers of different slices never meet, and a slice is there whole or
    not at all. A slice that was never written, or is empty, has no file and reads as zeros. The same slices give the
    same bytes, whatever happened before.
    """

    def __init__(
        self, path: Path, classes: tuple[str, ...], shape: tuple[int, int, int], voxel_size: VoxelSize
    ) -> None:
        self.path = path
        self.classes = classes
        self.shape = shape
        self.voxel_size = voxel_size
        self._arrays: dict[tuple[str, str, int], Any] = {}

    @classmethod
    def create(
        cls, path: str | Path, classes: Sequence[str], shape: tuple[int, int, int], voxel_size: VoxelSize
    ) -> "LabelStore":
        """Make an empty store, or open the one that is there if it was made the same way.

        What killed writers left half-written is swept; call this before any writer is at work.

        Parameters
        ----------
        path
            Folder of the store; its parent is made where it is missing.
        classes
            Names of the classes, each the name of a group.
        shape
            The stack's (z, y, x) in voxels.
        voxel_size
            The stack's.

        Raises
        ------
        InputError
            If a class name cannot name a folder, a length is below 1, or `path` holds something else.
        """
        path = Path(path)
        names = tuple(classes)
        check_class_names(names)
        if len(set(names)) != len(names):
            raise InputError(f"classes: found a name twice in {list(names)}")
        if len(shape) != 3 or min(shape) < 1:
            raise InputError(f"{path}: found the shape {tuple(shape)}, expected three lengths (z, y, x) of at least 1")
        store = cls(path, names, (int(shape[0]), int(shape[1]), int(shape[2])), voxel_size)
        if path.exists():
            if (path / "zarr.json").exists() and cls.open(path)._made_alike(store):
                tables.sweep_partials(path)
                return store
            if not path.is_dir() or any(not _is_skeleton(entry) for entry in path.iterdir()):
                raise InputError(
                    f"{path}: something else is there already, expected nothing or a label store of the classes "
                    f"{list(names)}, {store.shape} voxels of {voxel_size}; remove it or choose another folder"
                )
            tables.sweep_partials(path)
        with _naming(path):
            store._write_skeleton()
        return store

    @classmethod
    def open(cls, path: str | Path) -> "LabelStore":
        """Open a store that `create` made; InputError where it is missing, broken or not ours."""
        path = Path(path)
        try:
            attributes = tables.read_json(path / "zarr.json")["attributes"]["famous"]
            shape, classes = attributes["shape"], attributes["classes"]
            voxel_size = VoxelSize.from_zyx(attributes["voxel_size_nm"])
            check_class_names(classes)
            return cls(path, tuple(classes), (int(shape[0]), int(shape[1]), int(shape[2])), voxel_size)
        except (LookupError, TypeError, ValueError) as fault:
            raise InputError(
                f"{path}: found no label store ({fault!r}), expected a folder made by `famous run`"
            ) from fault

    @property
    def levels(self) -> int:
        """How many levels the pyramid of a class has, the full one included."""
        long_side = max(self.shape[1:])
        return 1 + max(0, math.ceil(math.log2(long_side / COARSEST_PX)))

    def write_boxes(self, class_name: str, z: int, image: NDArray[np.uint32]) -> None:
        """Write the box ids of one slice, (y, x) uint32."""
        self._write("boxes", class_name, 0, z, self._checked(z, image))

    def read_boxes(self, class_name: str, z: int) -> NDArray[np.uint32]:
        """Read the box ids of one slice, (y, x)."""
        image: NDArray[np.uint32] = self._read("boxes", class_name, 0, self._slice(z))[0]
        return image

    def write_labels(self, class_name: str, z: int, image: NDArray[np.uint32]) -> None:
        """Write the labels of one slice, (y, x) uint32, into every level; a coarser level takes every second pixel."""
        checked = self._checked(z, image)
        for level in range(self.levels):
            step = 2**level
            self._write("labels", class_name, level, z, checked[::step, ::step])

    def clear_labels(self) -> None:
        """Forget all labels: every slice reads as zeros again; the box ids stay."""
        for name in self.classes:
            for level in range(self.levels):
                shutil.rmtree(self.path / "labels" / name / str(level) / "c", ignore_errors=True)

    def read_labels(self, class_name: str, z: int) -> NDArray[np.uint32]:
        """Read the labels of one slice, (y, x)."""
        image: NDArray[np.uint32] = self._read("labels", class_name, 0, self._slice(z))[0]
        return image

    def read_crop(
        self, class_name: str, z: tuple[int, int], y: tuple[int, int], x: tuple[int, int]
    ) -> NDArray[np.uint32]:
        """Read a box of labels, each axis half-open (first, end) in voxels, to (z, y, x); only its blocks are read."""
        for (first, end), length, axis in zip((z, y, x), self.shape, "zyx", strict=True):
            if not 0 <= first <= end <= length:
                raise InputError(f"{self.path}: found the crop {axis} {first} … {end}, expected inside 0 … {length}")
        return self._read("labels", class_name, 0, (slice(*z), slice(*y), slice(*x)))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_arrays": {}}

    def _made_alike(self, other: "LabelStore") -> bool:
        mine, theirs = (_attributes(store) for store in (self, other))
        return mine == theirs

    def _slice(self, z: int) -> tuple[slice, slice, slice]:
        if not 0 <= z < self.shape[0]:
            raise InputError(f"{self.path}: found slice {z}, expected 0 … {self.shape[0] - 1}")
        return slice(z, z + 1), slice(None), slice(None)

    def _checked(self, z: int, image: NDArray[np.uint32]) -> NDArray[np.uint32]:
        self._slice(z)
        if image.shape != self.shape[1:] or image.dtype != np.uint32:
            raise InputError(
                f"{self.path}, slice {z}: found {image.dtype} {image.shape}, expected uint32 {self.shape[1:]} (y, x)"
            )
        return image

    def _array(self, group: str, class_name: str, level: int) -> "zarr.Array[Any]":
        import zarr

        key = (group, class_name, level)
        if key not in self._arrays:
            if class_name not in self.classes:
                raise InputError(f"{self.path}: found no class {class_name!r}, expected one of {list(self.classes)}")
            with _naming(self.path):
                self._arrays[key] = zarr.open_array(str(self.path / group / class_name / str(level)), mode="r+")
        return self._arrays[key]

    def _write(self, group: str, class_name: str, level: int, z: int, image: NDArray[np.uint32]) -> None:
        array = self._array(group, class_name, level)
        with _naming(self.path / group / class_name):
            array[z] = image

    def _read(self, group: str, class_name: str, level: int, key: tuple[slice, ...]) -> NDArray[np.uint32]:
        array = self._array(group, class_name, level)
        folder = self.path / group / class_name
        with _naming(folder):
            labels = np.asarray(array[key], dtype=np.uint32)
            if not labels.any():  # zarr reads an empty file, as a power cut may leave it, as zeros
                for z in range(key[0].start, key[0].stop):
                    file = folder / str(level) / "c" / str(z) / "0" / "0"
                    if file.exists() and file.stat().st_size == 0:
                        raise InputError(f"{file}: found an empty file, expected slice {z}; run the stage again")
        return labels

    def _write_skeleton(self) -> None:
        """Make every array and group; the root's metadata come last, so a store without it is simply made again."""
        import zarr
        from zarr.codecs import ZstdCodec

        side = [min(CHUNK_PX, length) for length in self.shape[1:]]
        for group in _GROUPS:
            for name in self.classes:
                levels = self.levels if group == "labels" else 1
                for level in range(levels):
                    size = [math.ceil(length / 2**level) for length in self.shape[1:]]
                    block = [min(a, b) for a, b in zip(side, size, strict=True)]
                    whole = [math.ceil(a / b) * b for a, b in zip(size, block, strict=True)]
                    zarr.create_array(
                        str(self.path / group / name / str(level)),
                        shape=(self.shape[0], *size),
                        chunks=(1, *block),
                        shards=(1, *whole),
                        dtype="uint32",
                        compressors=ZstdCodec(level=ZSTD_LEVEL),
                        fill_value=0,
                        dimension_names=("z", "y", "x"),
                        zarr_format=3,
                        overwrite=True,
                    )
                _write_group(self.path / group / name, {"ome": self._multiscales(name, levels)})
            _write_group(self.path / group, {"ome": {"version": "0.5", "labels": list(self.classes)}})
        _write_group(self.path, _attributes(self))

    def _multiscales(self, name: str, levels: int) -> dict[str, Any]:
        """Metadata of one image after OME-Zarr 0.5. A strided level keeps voxel 2ⁿ·i, so it needs no translation."""
        size = self.voxel_size
        datasets = [
            {
                "path": str(level),
                "coordinateTransformations": [
                    {"type": "scale", "scale": [size.z, size.y * 2**level, size.x * 2**level]}
                ],
            }
            for level in range(levels)
        ]
        axes = [{"name": axis, "type": "space", "unit": "nanometer"} for axis in "zyx"]
        image = {"name": name, "axes": axes, "datasets": datasets, "type": "every second pixel"}
        return {"version": "0.5", "multiscales": [image], "image-label": {}}


def _attributes(store: LabelStore) -> dict[str, Any]:
    return {
        "famous": {
            "classes": list(store.classes),
            "shape": list(store.shape),
            "voxel_size_nm": list(store.voxel_size.zyx),
            "format": 1,
        }
    }


def _write_group(path: Path, attributes: dict[str, Any]) -> None:
    tables.write_json(path / "zarr.json", {"attributes": attributes, "zarr_format": 3, "node_type": "group"})


def _is_skeleton(entry: Path) -> bool:
    return entry.name in _GROUPS or tables.PARTIAL_SUFFIX in entry.name


def check_class_names(classes: Sequence[str]) -> None:
    """Raise InputError if a class name cannot name a folder."""
    for name in classes:
        if not name or name.strip(". ") != name or any(sign in name for sign in '/\\:*?"<>|\0') or name == "zarr.json":
            raise InputError(f"class {name!r}: expected a name that can name a folder, like nucleus or late_endosome")


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except FamousError:
        raise
    except _ZARR_FAULTS as fault:
        raise InputError(f"{path}: the label store cannot be read or written ({fault}); is it damaged?") from fault
