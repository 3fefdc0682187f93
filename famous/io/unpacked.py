"""Compressed voxels put on disk as they are, so that any slice can be read: once, in the process's scratch folder."""

import contextlib
import hashlib
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from io import BufferedIOBase
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from famous.errors import InputError
from famous.io.sources import naming
from famous.scratch import process_folder

BLOCK = 1 << 20
SLACK = 64  # bytes
LONGEST_NUMBER = 1000  # signs
DEFLATE_RATIO = 1032  # how much smaller deflate makes a file at most


@dataclass(frozen=True)
class Voxels:
    """The voxels that a header names, axes slowest first, and how many bytes may follow them."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    spare: int = 0

    @property
    def length(self) -> int:
        """Bytes of all of them."""
        return int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize

    def or_part_of_a_slice(self, least: int = 0) -> "Voxels":
        """Return the same, where less than a slice may follow, or `least` bytes if that is more."""
        return replace(self, spare=max(least, self.length // self.shape[0] - 1))

    def require_end(self, path: Path, found: int) -> None:
        """Raise InputError where more bytes than the spare ones follow the voxels."""
        if found > self.length + self.spare:
            raise InputError(
                f"{path}: found {found:,} bytes of voxels or more, expected {self}: its lengths or its type are wrong; "
                "correct the header, or save the file anew"
            )

    def __str__(self) -> str:
        lengths = " × ".join(map(str, self.shape))
        return f"{self.length:,} for the {lengths} voxels of {self.dtype} that the header names"


def unpack(path: Path, key: str, chunks: Iterable[bytes], voxels: Voxels) -> Path:
    """Write chunks into a scratch file of exactly the expected length, or return the one that is there already.

    Parameters
    ----------
    path
        The file that they come from, for its name and time.
    key
        What of it.
    voxels
        What is expected; spare bytes are left out.

    Raises
    ------
    InputError
        If they end early or go on beyond the spare ones, or the disk has no room.
    """
    expected = voxels.length
    with naming(path, "a file that can be read"):
        facts = path.stat()
    identity = f"{path.resolve()} {facts.st_size} {facts.st_mtime_ns} {key} {expected}"
    file = process_folder() / f"{hashlib.sha256(identity.encode()).hexdigest()[:24]}.raw"
    if file.is_file():
        return file
    free = shutil.disk_usage(file.parent).free
    if expected > free:
        raise InputError(
            f"{path}: it unpacks to {expected / 2**30:.3g} GiB, found {free / 2**30:.3g} GiB free in {file.parent}, "
            "expected room for it; set TMPDIR to a folder with room"
        )
    beside = file.with_suffix(".partial")
    found = 0
    try:
        with naming(path, "compressed voxels"), beside.open("wb") as out, contextlib.suppress(EOFError):
            for chunk in chunks:
                out.write(chunk[: max(0, expected - found)])
                found += len(chunk)
                if found > expected + voxels.spare:
                    break
        if found < expected:
            raise InputError(
                f"{path}: found {found:,} bytes of voxels, expected {voxels}; the file is truncated, copy it again"
            )
        voxels.require_end(path, found)
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
    return file


def require_room(path: Path, expected: int, packed: int, ratio: float = DEFLATE_RATIO) -> None:
    """Raise InputError where a header promises more voxels than its compressed bytes can hold."""
    if expected > (packed + SLACK) * ratio:
        raise InputError(
            f"{path}: found {packed} bytes of compressed voxels, expected enough for {expected}; the header is damaged"
        )


def require_numbers(path: Path, voxels: Voxels, found: int) -> None:
    """Raise InputError where so many bytes of text cannot hold a number for each voxel: a digit, and a blank after."""
    count = int(np.prod(voxels.shape, dtype=object))
    if found < 2 * count - 1:
        raise InputError(
            f"{path}: found {found:,} bytes of numbers, expected {count:,} numbers as the header says; the file ends "
            "early, copy it again"
        )


def read_on(stream: BufferedIOBase, skip: int = 0) -> Iterator[bytes]:
    """Yield what a stream holds in blocks, without its first bytes; all that comes before a fault, too."""
    while block := stream.read1(BLOCK):
        if skip < len(block):
            yield block[skip:]
        skip -= min(skip, len(block))


def inflate(file: BinaryIO, packed_bytes: int) -> Iterator[bytes]:
    """Yield in blocks what a zlib stream of so many bytes holds from the file's position on."""
    engine = zlib.decompressobj()
    left = packed_bytes
    while not engine.eof:
        packed = engine.unconsumed_tail
        if not packed:
            packed = file.read(min(BLOCK, left))
            left -= len(packed)
        if not packed:
            break
        yield engine.decompress(packed, BLOCK)
    yield engine.flush()


def parse_numbers(read: Callable[[int], bytes], dtype: np.dtype[Any]) -> Iterator[bytes]:
    """Yield numbers written as text, parted by blanks or commas, as bytes of the type; ValueError where one is none."""
    rest = b""
    while True:
        block = read(BLOCK)
        words = (rest + block).replace(b",", b" ").split()
        rest = words.pop() if block and words and not (rest + block)[-1:].isspace() else b""
        if len(rest) > LONGEST_NUMBER:
            raise ValueError("a number without end")
        if words:
            whole = dtype.kind in "ui"
            numbers = [int(word) for word in words] if whole else [float(word) for word in words]
            yield np.array(numbers, dtype=dtype).tobytes()
        if not block:
            return
