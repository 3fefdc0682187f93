"""What the reader of a format hands over, and the net that turns a library's faults into messages about the file."""

import contextlib
import logging
import operator
import struct
import threading
import warnings
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, SupportsIndex
from xml.etree.ElementTree import ParseError

import numpy as np
from numpy.typing import NDArray

from famous.errors import FamousError, InputError
from famous.stack import LazyVolume
from famous.voxels import VoxelSize
from famous.words import counted

#: What decoders throw at damaged bytes. Named one by one, so that an interrupt or a defect elsewhere still shows.
DECODER_FAULTS = (
    OSError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError, EOFError, ImportError,
    AssertionError, BufferError, MemoryError, struct.error, zlib.error, ParseError,
)  # fmt: skip

MAX_SLICE_BYTES = 2**33  # a slice that claims more than 8 GiB is taken for a damaged header


@dataclass(frozen=True)
class Source:
    """An opened file of some format.

    `voxel_size` is what the file says, None where it says nothing that can be trusted; `origin_nm` is the position of
    its first voxel (z, y, x); `files` are those whose change changes the stack.
    """

    format: str
    volume: LazyVolume
    files: tuple[Path, ...]
    voxel_size: VoxelSize | None = None
    origin_nm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    notes: tuple[str, ...] = ()


class FileVolume(ABC):
    """A lazy (z, y, x) volume: `volume[z]` reads slice z, (y, x) in native byte order, and nothing stays in memory.

    May be pickled; each process opens the file for itself.
    """

    def __init__(self, path: Path, shape: Sequence[int], dtype: np.dtype[Any]) -> None:
        self.path = path
        self.shape: tuple[int, ...] = check_shape(path, shape, dtype)
        self.dtype = native(path, dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: SupportsIndex) -> NDArray[Any]:
        z = operator.index(key)
        if not 0 <= z < self.shape[0]:
            raise IndexError(f"{self.path}: slice {z} does not exist, the stack has 0 … {self.shape[0] - 1}")
        name = self.name_of(z)
        with naming(name, f"slice {z} of {self.shape[1:]} pixels (y, x)"):
            image = np.asarray(self.read(z))
        if image.shape != self.shape[1:]:
            raise InputError(
                f"{name}: found {image.shape} pixels, expected {self.shape[1:]} (y, x) as in the first slice"
            )
        if image.dtype.kind == "f" and not np.isfinite(image).all():
            kinds = {"without a value (NaN)": np.isnan(image), "with infinity": np.isinf(image)}
            counts = {kind: int(np.count_nonzero(lies)) for kind, lies in kinds.items() if lies.any()}
            found = " and ".join(f"{counted(n, 'pixel')} of {image.size:,} {kind}" for kind, n in counts.items())
            raise InputError(f"{name}: found {found}, expected a number in each; write 0 where there is nothing")
        return image.astype(self.dtype, copy=False)

    def name_of(self, z: int) -> str:
        """Return the name of slice z in messages."""
        return f"{self.path}, slice {z}"

    @abstractmethod
    def read(self, z: int) -> NDArray[Any]:
        """Read slice z; any of DECODER_FAULTS may fly."""


class UncompressedVolume(FileVolume):
    """Slices that lie in a file uncompressed, from an offset on."""

    stored: np.dtype[Any]  # type in the file, with its byte order
    offset: int  # bytes before the first voxel

    def require_voxels(self, name: Path) -> None:
        """Raise InputError, naming the file as the user knows it, if it is too short for all voxels."""
        expected = self.offset + int(np.prod(self.shape, dtype=object)) * self.stored.itemsize
        found = self.path.stat().st_size
        if self.offset < 0 or found < expected:
            raise InputError(
                f"{name}: found {found} bytes, expected at least {expected} for {self.shape} voxels of {self.stored}; "
                "the file is truncated, copy it again"
            )


class RawVolume(UncompressedVolume):
    """Slices that lie in a file one after the other, uncompressed. Read, not mapped: memory stays flat."""

    def __init__(self, path: Path, shape: Sequence[int], dtype: np.dtype[Any], offset: int) -> None:
        super().__init__(path, shape, dtype)
        self.stored = dtype
        self.offset = offset
        self.require_voxels(path)

    def read(self, z: int) -> NDArray[Any]:
        """Read slice z."""
        count = self.shape[1] * self.shape[2]
        values = np.fromfile(self.path, self.stored, count, offset=self.offset + z * count * self.stored.itemsize)
        if values.size < count:
            raise InputError(f"{self.name_of(z)}: found {values.size} pixels, expected {count}; the file was cut short")
        return values.reshape(self.shape[1:])


def check_shape(path: Path, shape: Sequence[int], dtype: np.dtype[Any]) -> tuple[int, ...]:
    """Return the shape as three integers, or raise InputError where it is no stack, empty or absurd."""
    sizes = tuple(int(size) for size in shape)
    if len(sizes) != 3:
        raise InputError(f"{path}: found {len(sizes)} axes {sizes}, expected three (z, y, x)")
    if min(sizes) < 1:
        raise InputError(f"{path}: found a stack of {sizes} voxels (z, y, x), expected at least one")
    if sizes[1] * sizes[2] * dtype.itemsize > MAX_SLICE_BYTES:
        raise InputError(
            f"{path}: found slices of {sizes[1:]} pixels (y, x) of {dtype}, expected at most "
            f"{MAX_SLICE_BYTES // 2**30} GiB a slice; the header may be damaged"
        )
    return sizes


def native(path: Path, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type that slices are handed over in: native byte order, bool as uint8; InputError where not grey."""
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    if dtype.kind not in "uif" or dtype.itemsize > 8:
        raise InputError(f"{path}: found values of type {dtype}, expected grey values (uint8, uint16, int16, float32)")
    return dtype.newbyteorder("=")


def without_channels(name: str, image: NDArray[Any]) -> NDArray[Any]:
    """Return (y, x) of a (y, x, channels) picture whose colour channels are all equal; InputError where it has colour.

    Two channels are grey and opacity, four are colour and opacity; opacity is left out.
    """
    if image.ndim != 3 or image.shape[2] not in (1, 2, 3, 4):
        return image
    if image.shape[2] >= 3:
        first = image[:, :, 0]
        if not ((first == image[:, :, 1]).all() and (first == image[:, :, 2]).all()):
            raise InputError(
                f"{name}: found a colour picture (RGB), expected grey values; convert it to 8 or 16 bit grey"
            )
    return np.ascontiguousarray(image[:, :, 0])


@contextlib.contextmanager
def naming(name: str | Path, expected: str) -> Iterator[None]:
    """Turn what a decoder throws into an InputError that names the file; FamousErrors pass."""
    try:
        yield
    except FamousError:
        raise
    except FileNotFoundError as fault:
        raise InputError(f"{name}: found nothing there, expected {expected}") from fault
    except MemoryError as fault:
        raise InputError(f"{name}: it does not fit into memory, expected {expected}") from fault
    except DECODER_FAULTS as fault:
        raise InputError(
            f"{name}: found data that cannot be read ({brief(fault)}), expected {expected}; "
            "the file is damaged, cut short or of another kind"
        ) from fault


def brief(fault: BaseException) -> str:
    """Return the first line of what a library says, shortened."""
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    return (lines[0][:160] if lines else "") or type(fault).__name__


@contextlib.contextmanager
def muting(*loggers: str) -> Iterator[list[str]]:
    """Keep what libraries log in this thread off the terminal; yield the list that it is gathered in."""
    heard: list[str] = []
    mine = threading.get_ident()

    def gather(record: logging.LogRecord) -> bool:
        if record.thread not in (mine, None):
            return True
        if record.levelno >= logging.WARNING:
            heard.append(record.getMessage())
        return False

    talkers = [logging.getLogger(name) for name in loggers]
    for talker in talkers:
        talker.addFilter(gather)
    try:
        yield heard
    finally:
        for talker in talkers:
            talker.removeFilter(gather)


@contextlib.contextmanager
def overhearing(*loggers: str) -> Iterator[list[str]]:
    """Do as `muting`, and gather Python warnings too; for opening files, since warnings are one for all threads."""
    with muting(*loggers) as heard, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        yield heard
    heard.extend(str(warning.message) for warning in warned)
