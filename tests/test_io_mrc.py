"""MRC files: modes, byte orders, cell sizes, and headers that lie."""

from pathlib import Path

import mrcfile
import numpy as np
import pytest
from mrcfile.dtypes import HEADER_DTYPE

from famous.errors import InputError
from famous.io.mrc import open_mrc
from famous.voxels import VoxelSize

DATA = np.arange(4 * 5 * 6).reshape(4, 5, 6)


def write(path: Path, dtype: str = "int8", voxel_size: tuple[float, ...] | None = (50, 40, 300)) -> Path:
    """Write an MRC file; the voxel size is in Å, (x, y, z) as mrcfile takes it."""
    with mrcfile.new(path, DATA.astype(dtype), overwrite=True) as file:
        if voxel_size is not None:
            file.voxel_size = voxel_size
    return path


def patch(path: Path, offset: int, *words: int, order: str = "<") -> Path:
    """Overwrite header words (4 bytes each) from a byte on."""
    content = bytearray(path.read_bytes())
    content[offset : offset + 4 * len(words)] = np.array(words, f"{order}i4").tobytes()
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("dtype", "mode"), [("int8", 0), ("int16", 1), ("float32", 2), ("uint16", 6), ("float16", 12)])
def test_modes(dtype: str, mode: int, tmp_path: Path) -> None:
    path = write(tmp_path / "a.mrc", dtype)
    with mrcfile.open(path, header_only=True) as file:
        assert file.header.mode == mode
    source = open_mrc(path)
    assert source.volume.dtype == np.dtype(dtype)
    assert source.notes == ()
    np.testing.assert_array_equal(np.stack([source.volume[z] for z in range(4)]), DATA)


def test_the_cell_is_in_angstrom_and_counts_samples(tmp_path: Path) -> None:
    path = write(tmp_path / "a.rec")
    size = open_mrc(path).voxel_size
    assert size is not None
    assert size.is_close(VoxelSize(30, 4, 5))
    patch(path, 28, 12, 5, 4)  # mx, my, mz: the cell has twice as many columns as the file
    size = open_mrc(path).voxel_size
    assert size is not None
    assert size.is_close(VoxelSize(30, 4, 2.5))


@pytest.mark.parametrize("voxel_size", [None, (0, 0, 0), (1, 1, 1), (50, 40, 0), (50, np.nan, 40)])
def test_no_voxel_size(voxel_size: tuple[float, ...] | None, tmp_path: Path) -> None:
    source = open_mrc(write(tmp_path / "a.mrc", voxel_size=voxel_size))
    assert source.voxel_size is None
    assert ("1 × 1 × 1 Å" in "".join(source.notes)) == (voxel_size == (1, 1, 1))


def test_the_origin_is_handed_over_in_nm(tmp_path: Path) -> None:
    with mrcfile.new(tmp_path / "a.mrc", DATA.astype("int8")) as file:
        file.header.origin = (10, 20, 30)
    assert open_mrc(tmp_path / "a.mrc").origin_nm == (3.0, 2.0, 1.0)
    patch(tmp_path / "a.mrc", 196, 0x7FC00000)
    source = open_mrc(tmp_path / "a.mrc")
    assert source.origin_nm == (0.0, 0.0, 0.0)
    assert "origin" in "".join(source.notes)


@pytest.mark.parametrize("stamped", [True, False])
def test_big_endian(stamped: bool, tmp_path: Path) -> None:
    path = write(tmp_path / "a.mrc", "int16")
    content = path.read_bytes()
    header = np.frombuffer(content[:1024], HEADER_DTYPE).astype(HEADER_DTYPE.newbyteorder(">")).copy()
    header["machst"] = (0x11, 0x11, 0, 0) if stamped else (0, 0, 0, 0)
    path.write_bytes(header.tobytes() + DATA.astype(">i2").tobytes())
    source = open_mrc(path)
    np.testing.assert_array_equal(source.volume[3], DATA[3])
    assert source.volume[3].dtype.isnative
    assert source.voxel_size is not None
    assert source.voxel_size.is_close(VoxelSize(30, 4, 5))


def test_unsigned_bytes_of_imod(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mrc")
    assert open_mrc(patch(path, 152, 1146047817, 0)).volume.dtype == np.uint8
    assert open_mrc(patch(path, 152, 1146047817, 1)).volume.dtype == np.int8


def test_an_extended_header_is_skipped(tmp_path: Path) -> None:
    path = patch(write(tmp_path / "a.mrc"), 92, 100)
    content = path.read_bytes()
    path.write_bytes(content[:1024] + b"x" * 100 + content[1024:])
    np.testing.assert_array_equal(open_mrc(path).volume[2], DATA[2])


def test_an_old_file_without_the_word_map(tmp_path: Path) -> None:
    path = patch(write(tmp_path / "a.rec"), 208, 0)
    np.testing.assert_array_equal(open_mrc(path).volume[2], DATA[2])
    with pytest.raises(InputError, match="no word MAP"):
        open_mrc(patch(path, 0, -5))


@pytest.mark.parametrize(
    ("offset", "words", "message"),
    [
        (12, (4,), "found MRC mode 4"),
        (12, (99,), "found MRC mode 99"),
        (0, (0,), "expected at least one"),
        (8, (-4,), "expected at least one"),
        (8, (5,), "the file is truncated"),
        (92, (2**31 - 1,), "the file is truncated"),
        (92, (-1,), "extended header of -1 bytes"),
        (64, (2, 1, 3), "axis order"),
        (0, (2**30, 2**30), "the header may be damaged"),
    ],
)
def test_headers_that_lie(offset: int, words: tuple[int, ...], message: str, tmp_path: Path) -> None:
    path = patch(write(tmp_path / "a.mrc"), offset, *words)
    with pytest.raises(InputError, match=message) as caught:
        open_mrc(path)
    assert str(path) in str(caught.value)


def test_a_short_file(tmp_path: Path) -> None:
    content = write(tmp_path / "a.mrc").read_bytes()
    for kept, message in ((500, "MRC header of 1024"), (len(content) - 1, "truncated")):
        (tmp_path / "a.mrc").write_bytes(content[:kept])
        with pytest.raises(InputError, match=message):
            open_mrc(tmp_path / "a.mrc")


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mrc")
    volume = open_mrc(path).volume
    path.write_bytes(path.read_bytes()[:-3])
    np.testing.assert_array_equal(volume[2], DATA[2])
    with pytest.raises(InputError, match="slice 3: found 27 pixels, expected 30"):
        volume[3]
