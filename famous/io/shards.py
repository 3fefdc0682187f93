"""Slices of labels as Zarr 3 shards, packed and unpacked without zarr: some ten times as fast as through it.

Zarr's own array code hands every block of every slice to a thread of an event loop, which takes longer than the work.
What is written here any reader of Zarr 3 reads: codec `sharding_indexed` with the index at the end, inside it `bytes`
(little endian) and `zstd` (https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed/).
"""

import math
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

ZSTD_LEVEL = 1  # label images are flat: higher levels cost time and save little

_INDEX = np.dtype("<u8")
_EMPTY = np.iinfo(np.uint64).max  # offset and length of a block that is all zero and so not stored
_CHECKSUM_BYTES = 4


def metadata(shape: tuple[int, int, int], block: tuple[int, int]) -> dict[str, Any]:
    """Describe an array of (z, y, x) labels, each slice of it one shard of such blocks, as its `zarr.json` does."""
    little = {"name": "bytes", "configuration": {"endian": "little"}}
    compressor = {"name": "zstd", "configuration": {"level": ZSTD_LEVEL, "checksum": False}}
    shard = [1, *(count * side for count, side in zip(blocks_of(shape[1:], block), block, strict=True))]
    sharding = {
        "chunk_shape": [1, *block],
        "codecs": [little, compressor],
        "index_codecs": [little, {"name": "crc32c"}],
        "index_location": "end",
    }
    return {
        "shape": list(shape),
        "data_type": "uint32",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": shard}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        "fill_value": 0,
        "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
        "attributes": {},
        "dimension_names": ["z", "y", "x"],
        "zarr_format": 3,
        "node_type": "array",
        "storage_transformers": [],
    }


def pack(image: NDArray[np.uint32], block: tuple[int, int]) -> bytes:
    """Pack a slice.

    Parameters
    ----------
    image
        (y, x) labels.
    block
        Side lengths (y, x) of the blocks that are compressed one by one; those at the far edges are filled with zeros.

    Returns
    -------
    bytes
        Content of the shard's file; empty where every label is 0, and such a slice has no file.
    """
    grid = blocks_of(image.shape, block)
    index = np.full((*grid, 2), _EMPTY, dtype=_INDEX)
    parts, offset = [], 0
    for row, column in np.ndindex(*grid):
        part = image[row * block[0] : (row + 1) * block[0], column * block[1] : (column + 1) * block[1]]
        if not part.max():  # quicker than `any`, which turns them all to bool first
            continue
        if part.shape != block:
            whole = np.zeros(block, dtype="<u4")
            whole[: part.shape[0], : part.shape[1]] = part
            part = whole
        parts.append(bytes(_zstd().encode(np.ascontiguousarray(part, dtype="<u4"))))
        index[row, column] = offset, len(parts[-1])
        offset += len(parts[-1])
    return b"".join([*parts, _sealed(index.tobytes())]) if parts else b""


def unpack(
    content: bytes, shape: tuple[int, int], block: tuple[int, int], y: tuple[int, int], x: tuple[int, int]
) -> NDArray[np.uint32]:
    """Unpack rows y[0] … y[1] − 1 and columns x[0] … x[1] − 1 of a slice; only the blocks that they meet.

    Raises
    ------
    ValueError
        If the content is not a shard of this shape and these blocks.
    """
    index = _index(content, blocks_of(shape, block))
    image = np.zeros((y[1] - y[0], x[1] - x[0]), dtype=np.uint32)
    if 0 in image.shape:
        return image
    for row in range(y[0] // block[0], -(-y[1] // block[0])):
        for column in range(x[0] // block[1], -(-x[1] // block[1])):
            offset, length = (int(value) for value in index[row, column])
            if (offset, length) == (_EMPTY, _EMPTY):
                continue
            top, left = row * block[0], column * block[1]
            part = _unpack_block(content[offset : offset + length], block)
            first, last = (max(top, y[0]), max(left, x[0])), (min(top + block[0], y[1]), min(left + block[1], x[1]))
            image[first[0] - y[0] : last[0] - y[0], first[1] - x[0] : last[1] - x[0]] = part[
                first[0] - top : last[0] - top, first[1] - left : last[1] - left
            ]
    return image


def blocks_of(shape: tuple[int, ...], block: tuple[int, int]) -> tuple[int, int]:
    """How many blocks a slice has along y and x."""
    return math.ceil(shape[0] / block[0]), math.ceil(shape[1] / block[1])


def _index(content: bytes, grid: tuple[int, int]) -> NDArray[np.uint64]:
    """Offset and length of each block, checked against the checksum and the length of the content."""
    size = 2 * _INDEX.itemsize * math.prod(grid)
    tail = content[-size - _CHECKSUM_BYTES :]
    if len(tail) != size + _CHECKSUM_BYTES or tail != _sealed(tail[:size]):
        raise ValueError(f"{len(content)} bytes that end without the index of {math.prod(grid)} blocks")
    index: NDArray[np.uint64] = np.frombuffer(tail[:size], dtype=_INDEX).reshape(*grid, 2)
    stored = index[index[..., 0] != _EMPTY]
    ends = [int(offset) + int(length) for offset, length in stored.tolist()]
    if max(ends, default=0) > len(content) - len(tail):
        raise ValueError(f"{len(content)} bytes, but the index names blocks up to {max(ends)}")
    return index


def _unpack_block(content: bytes, block: tuple[int, int]) -> NDArray[np.uint32]:
    part = np.frombuffer(_zstd().decode(content), dtype="<u4")
    if part.size != math.prod(block):
        raise ValueError(f"a block of {part.size} voxels where {block[0]} × {block[1]} belong")
    labels: NDArray[np.uint32] = part.reshape(block)
    return labels


def _sealed(index: bytes) -> bytes:
    import google_crc32c

    return index + int(google_crc32c.value(index)).to_bytes(_CHECKSUM_BYTES, "little")


@cache
def _zstd() -> Any:
    """Zarr's own compressor; kept, as making it costs as much as a small block."""
    from numcodecs.zstd import Zstd

    return Zstd(level=ZSTD_LEVEL)
