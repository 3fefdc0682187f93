"""Label volumes on disk: the OME-Zarr store that a run fills slice by slice, and its fast crops."""

import contextlib
import math
import shutil
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from famous.errors import FamousError, InputError
from famous.files import PARTIAL_SUFFIX, sweep_partials, write_json
from famous.io import shards
from famous.io.tables import read_json
from famous.voxels import VoxelSize

CHUNK_PX = 512  # largest side of the blocks that a slice is compressed in: what a crop has to read at least
COARSEST_PX = 1024  # the pyramid ends where a slice's long side is no longer than this
FORMAT = 3  # 1 had the separator `/`, 2 blocks of 512 px

_GROUPS = ("labels", "boxes")
_STORE_FAULTS = (OSError, ValueError, TypeError, LookupError, RuntimeError, ArithmeticError, MemoryError)


class LabelStore:
    """The folder `labels.ome.zarr` of a run: Zarr 3, OME-Zarr 0.5, uint32, 0 is background.

    Per class it holds a label volume, `labels/<class>`, with a pyramid in y and x, and its box ids, `boxes/<class>`.
    One file holds one slice of one level, so writers of different slices never meet, and a slice is there whole or
    not at all. A slice that was never written, or is empty, has no file and reads as zeros. The same slices give the
    same bytes, whatever happened before. The files of a level lie in one folder: with the separator `/`, which Zarr
    allows as well, each of them would need two folders of its own, which take longer to make than the file.
    """

    def __init__(
        self, path: Path, classes: tuple[str, ...], shape: tuple[int, int, int], voxel_size: VoxelSize
    ) -> None:
        self.path = path
        self.classes = classes
        self.shape = shape
        self.voxel_size = voxel_size
        self.format = FORMAT  # `open` reads older ones, too

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
                sweep_partials(path)
                return store
            if not path.is_dir() or any(not _is_skeleton(entry) for entry in path.iterdir()):
                raise InputError(
                    f"{path}: something else is there already, expected nothing or a label store of the classes "
                    f"{list(names)}, {store.shape} voxels of {voxel_size}; remove it or choose another folder"
                )
            sweep_partials(path)
        with _naming(path):
            store._write_skeleton()
        return store

    @classmethod
    def open(cls, path: str | Path) -> "LabelStore":
        """Open a store that `create` made; InputError where it is missing, broken or not ours."""
        path = Path(path)
        try:
            attributes = read_json(path / "zarr.json")["attributes"]["famous"]
            shape, classes = attributes["shape"], attributes["classes"]
            voxel_size = VoxelSize.from_zyx(attributes["voxel_size_nm"])
            check_class_names(classes)
            store = cls(path, tuple(classes), (int(shape[0]), int(shape[1]), int(shape[2])), voxel_size)
            store.format = int(attributes.get("format", 1))
            return store
        except (LookupError, TypeError, ValueError) as fault:
            raise InputError(
                f"{path}: found no label store ({fault!r}), expected a folder made by `famous run`"
            ) from fault

    @property
    def levels(self) -> int:
        """How many levels the pyramid of a class has, the full one included."""
        long_side = max(self.shape[1:])
        return 1 + max(0, math.ceil(math.log2(long_side / COARSEST_PX)))

    def block(self, level: int = 0) -> tuple[int, int]:
        """Side lengths (y, x) of the blocks that a slice of a level is compressed in."""
        lengths = [math.ceil(length / 2**level) for length in self.shape[1:]]
        if self.format < 3:
            height, width = (min(CHUNK_PX, length) for length in lengths)
        else:  # even ones, or much of the last would be filled up with zeros that take time, too
            height, width = (math.ceil(length / math.ceil(length / CHUNK_PX)) for length in lengths)
        return height, width

    def write_boxes(self, class_name: str, z: int, image: NDArray[np.uint32]) -> None:
        """Write the box ids of one slice, (y, x) uint32."""
        self._write("boxes", class_name, 0, z, self._checked(z, image))

    def read_boxes(self, class_name: str, z: int) -> NDArray[np.uint32]:
        """Read the box ids of one slice, (y, x)."""
        return self._read_slice("boxes", class_name, z)

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
                folder = self.path / "labels" / name / str(level)
                shutil.rmtree(folder / "c", ignore_errors=True)  # of format 1
                for file in folder.glob("c.*"):
                    file.unlink(missing_ok=True)

    def read_labels(self, class_name: str, z: int) -> NDArray[np.uint32]:
        """Read the labels of one slice, (y, x)."""
        return self._read_slice("labels", class_name, z)

    def read_crop(
        self, class_name: str, z: tuple[int, int], y: tuple[int, int], x: tuple[int, int]
    ) -> NDArray[np.uint32]:
        """Read a box of labels, each axis half-open (first, end) in voxels, to (z, y, x); only its blocks are read."""
        for (first, end), length, axis in zip((z, y, x), self.shape, "zyx", strict=True):
            if not 0 <= first <= end <= length:
                raise InputError(f"{self.path}: found the crop {axis} {first} … {end}, expected inside 0 … {length}")
        crop = np.zeros((z[1] - z[0], y[1] - y[0], x[1] - x[0]), dtype=np.uint32)
        for number in range(*z):
            crop[number - z[0]] = self._read("labels", class_name, number, y, x)
        return crop

    def _made_alike(self, other: "LabelStore") -> bool:
        mine, theirs = (_attributes(store) for store in (self, other))
        return mine == theirs

    def _read_slice(self, group: str, class_name: str, z: int) -> NDArray[np.uint32]:
        self._check_slice(z)
        return self._read(group, class_name, z, (0, self.shape[1]), (0, self.shape[2]))

    def _check_slice(self, z: int) -> None:
        if not 0 <= z < self.shape[0]:
            raise InputError(f"{self.path}: found slice {z}, expected 0 … {self.shape[0] - 1}")

    def _checked(self, z: int, image: NDArray[np.uint32]) -> NDArray[np.uint32]:
        self._check_slice(z)
        if image.shape != self.shape[1:] or image.dtype != np.uint32:
            raise InputError(
                f"{self.path}, slice {z}: found {image.dtype} {image.shape}, expected uint32 {self.shape[1:]} (y, x)"
            )
        return image

    def _file(self, group: str, class_name: str, level: int, z: int) -> Path:
        if class_name not in self.classes:
            raise InputError(f"{self.path}: found no class {class_name!r}, expected one of {list(self.classes)}")
        name = f"c.{z}.0.0" if self.format > 1 else f"c/{z}/0/0"
        return self.path / f"{group}/{class_name}/{level}/{name}"

    def _write(self, group: str, class_name: str, level: int, z: int, image: NDArray[np.uint32]) -> None:
        """Write a slice of one level; it appears whole."""
        file = self._file(group, class_name, level, z)
        with _naming(file):
            content = shards.pack(image, self.block(level))
            if not content:
                file.unlink(missing_ok=True)
                return
            beside = file.with_name(f"{file.name}.{uuid.uuid4().hex}{PARTIAL_SUFFIX}")
            try:
                beside.write_bytes(content)
            except FileNotFoundError:
                file.parent.mkdir(parents=True, exist_ok=True)
                beside.write_bytes(content)
            beside.replace(file)

    def _read(self, group: str, class_name: str, z: int, y: tuple[int, int], x: tuple[int, int]) -> NDArray[np.uint32]:
        """Read a part of a slice of the full level; one without a file is zero."""
        file = self._file(group, class_name, 0, z)
        with _naming(file):
            try:
                content = file.read_bytes()
            except FileNotFoundError:
                return np.zeros((y[1] - y[0], x[1] - x[0]), dtype=np.uint32)
            if not content:  # a power cut may leave it so
                raise InputError(f"{file}: found an empty file, expected slice {z}; run the stage again")
            return shards.unpack(content, self.shape[1:], self.block(), y, x)

    def _write_skeleton(self) -> None:
        """Make every array and group; the root's metadata come last, so a store without it is simply made again."""
        for group in _GROUPS:
            for name in self.classes:
                levels = self.levels if group == "labels" else 1
                for level in range(levels):
                    height, width = (math.ceil(length / 2**level) for length in self.shape[1:])
                    described = shards.metadata((self.shape[0], height, width), self.block(level))
                    write_json(self.path / group / name / str(level) / "zarr.json", described)
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


class StoreVolume:
    """Labels of one class of a run; picklable."""

    def __init__(self, store: LabelStore, class_name: str) -> None:
        self._store = store
        self._class_name = class_name
        self.shape: tuple[int, ...] = store.shape
        self.dtype: np.dtype[Any] = np.dtype(np.uint32)

    def __getitem__(self, z: int) -> NDArray[np.uint32]:
        return self._store.read_labels(self._class_name, z)


def _attributes(store: LabelStore) -> dict[str, Any]:
    return {
        "famous": {
            "classes": list(store.classes),
            "shape": list(store.shape),
            "voxel_size_nm": list(store.voxel_size.zyx),
            "format": store.format,
        }
    }


def _write_group(path: Path, attributes: dict[str, Any]) -> None:
    write_json(path / "zarr.json", {"attributes": attributes, "zarr_format": 3, "node_type": "group"})


def _is_skeleton(entry: Path) -> bool:
    return entry.name in _GROUPS or PARTIAL_SUFFIX in entry.name


def check_class_names(classes: Sequence[str]) -> None:
    """Raise InputError if a class name cannot name a folder, or two of them would name the same files."""
    seen: dict[str, str] = {}
    for name in classes:
        if not name or name.strip(". ") != name or any(sign in name for sign in '/\\:*?"<>|\0') or name == "zarr.json":
            raise InputError(f"class {name!r}: expected a name that can name a folder, like nucleus or late_endosome")
        other = seen.setdefault("_".join(name.split()), name)
        if other != name:
            raise InputError(f"classes {other!r} and {name!r}: their files would have the same names; rename one")


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except FamousError:
        raise
    except _STORE_FAULTS as fault:
        raise InputError(f"{path}: the label store cannot be read or written ({fault}); is it damaged?") from fault
