"""Slices as shards: zarr reads what we pack, we unpack what zarr wrote, and damage is told."""

from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.codecs import ZstdCodec

from famous.files import write_json
from famous.io.shards import ZSTD_LEVEL, blocks_of, metadata, pack, unpack

BLOCK = (16, 24)


def whole(shape: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    return (0, shape[0]), (0, shape[1])


def sharded(path: Path, shape: tuple[int, int], block: tuple[int, int] = BLOCK) -> zarr.Array:
    grid = blocks_of(shape, block)
    return zarr.create_array(
        path,
        shape=(1, *shape),
        chunks=(1, *block),
        shards=(1, grid[0] * block[0], grid[1] * block[1]),
        dtype="uint32",
        fill_value=0,
        compressors=ZstdCodec(level=ZSTD_LEVEL),
        chunk_key_encoding={"name": "default", "separator": "."},
        dimension_names=("z", "y", "x"),
    )


def image_of(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Random labels up to 2³² − 1 with empty regions, so that some blocks are not stored."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 2**32, shape, dtype=np.uint32)
    image[: shape[0] // 2, : shape[1] // 2] = 0
    return image


@pytest.mark.parametrize("shape", [(16, 24), (1, 1), (17, 24), (40, 100), (15, 23), (64, 24)])
def test_zarr_reads_what_is_packed_and_back(shape: tuple[int, int], tmp_path: Path) -> None:
    image = image_of(shape)
    array = sharded(tmp_path / "a", shape)
    file = tmp_path / "a" / "c.0.0.0"
    file.write_bytes(pack(image, BLOCK))
    np.testing.assert_array_equal(array[0], image)
    array[0] = image[::-1, ::-1]
    np.testing.assert_array_equal(unpack(file.read_bytes(), shape, BLOCK, *whole(shape)), image[::-1, ::-1])


@pytest.mark.parametrize("shape", [(16, 24), (1, 1), (17, 24), (40, 100)])
def test_the_description_is_the_one_that_zarr_writes(shape: tuple[int, int], tmp_path: Path) -> None:
    array = sharded(tmp_path / "a", shape)
    write_json(tmp_path / "b" / "zarr.json", metadata((1, *shape), BLOCK))
    assert zarr.open_array(tmp_path / "b", mode="r").metadata == array.metadata


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 40), st.integers(1, 40), st.data())
def test_any_window_comes_back(height: int, width: int, block_y: int, block_x: int, data: st.DataObject) -> None:
    image = image_of((height, width), seed=height)
    content = pack(image, (block_y, block_x))
    y = data.draw(st.tuples(st.integers(0, height), st.integers(0, height)).map(sorted))
    x = data.draw(st.tuples(st.integers(0, width), st.integers(0, width)).map(sorted))
    if content:
        window = unpack(content, image.shape, (block_y, block_x), tuple(y), tuple(x))
        np.testing.assert_array_equal(window, image[slice(*y), slice(*x)])
    else:
        assert not image.any()


def test_a_slice_without_labels_has_no_content() -> None:
    assert pack(np.zeros((40, 40), np.uint32), BLOCK) == b""


def test_only_the_blocks_that_a_window_meets_are_decoded() -> None:
    image = np.ones((32, 48), np.uint32)
    content = bytearray(pack(image, BLOCK))
    content[0] ^= 255  # the first block's zstd frame
    assert (unpack(bytes(content), image.shape, BLOCK, (16, 32), (0, 48)) == 1).all()
    with pytest.raises((ValueError, RuntimeError)):
        unpack(bytes(content), image.shape, BLOCK, (0, 1), (0, 1))


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_damage_is_told(data: st.DataObject) -> None:
    image = image_of((40, 60), seed=1)
    content = pack(image, BLOCK)
    cut = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises((ValueError, RuntimeError)):
        unpack(content[:cut], image.shape, BLOCK, *whole(image.shape))
    index = len(content) - 4 - 16 * 9
    place = data.draw(st.integers(index, len(content) - 1))
    broken = content[:place] + bytes([content[place] ^ data.draw(st.integers(1, 255))]) + content[place + 1 :]
    with pytest.raises(ValueError, match="without the index"):
        unpack(broken, image.shape, BLOCK, *whole(image.shape))


def test_a_shard_of_other_blocks_is_refused() -> None:
    image = image_of((40, 60))
    with pytest.raises((ValueError, RuntimeError)):
        unpack(pack(image, BLOCK), image.shape, (16, 16), *whole(image.shape))
    same_grid = pack(np.ones((40, 60), np.uint32), (20, 30))
    with pytest.raises(ValueError, match="a block of 600 voxels"):
        unpack(same_grid, (40, 60), (20, 31), *whole((40, 60)))
