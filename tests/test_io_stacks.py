"""Any damaged file gives a right result or a message; every format gives the same phantom."""

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import imagecodecs
import mrcfile
import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from famous.errors import FamousError, InputError
from famous.io.stacks import open_stack, require_voxel_size, split_dataset
from famous.stack import Window
from famous.voxels import VoxelSize

SHAPE = (5, 24, 31)
VOXEL = VoxelSize(30, 4, 5)


def ramp(dtype: str = "uint8", shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Every voxel of the phantom tells its position: 50 z + y + x."""
    z, y, x = np.indices(shape)
    return (50 * z + y + x).astype(dtype)


def as_png(folder: Path) -> Path:
    path = folder / "png"
    path.mkdir()
    for z, image in enumerate(ramp()):
        (path / f"z{z}.png").write_bytes(imagecodecs.png_encode(image))
    return path


def as_bmp(folder: Path) -> Path:
    path = folder / "bmp"
    path.mkdir()
    for z, image in enumerate(ramp()):
        (path / f"z{z}.bmp").write_bytes(imagecodecs.bmp_encode(image))
    return path


def as_tiff_folder(folder: Path) -> Path:
    path = folder / "tiffs"
    path.mkdir()
    for z, image in enumerate(ramp()):
        tifffile.imwrite(path / f"z{z}.tif", image)
    return path


def as_tiff(folder: Path) -> Path:
    tifffile.imwrite(folder / "plain.tif", ramp(), metadata=None)
    return folder / "plain.tif"


def as_big_tiff(folder: Path) -> Path:
    tifffile.imwrite(folder / "big.tif", ramp(), bigtiff=True, byteorder=">", compression="zlib")
    return folder / "big.tif"


def as_imagej(folder: Path) -> Path:
    metadata = {"axes": "ZYX", "spacing": 0.03, "unit": "micron"}
    tifffile.imwrite(folder / "ij.tif", ramp(), imagej=True, resolution=(1 / 0.005, 1 / 0.004), metadata=metadata)
    return folder / "ij.tif"


def as_mrc(folder: Path) -> Path:
    with mrcfile.new(folder / "stack.mrc", ramp("int16")) as file:
        file.voxel_size = (50, 40, 300)
    return folder / "stack.mrc"


def as_hdf5(folder: Path) -> Path:
    with h5py.File(folder / "stack.h5", "w") as file:
        dataset = file.create_dataset("volumes/raw", data=ramp(), chunks=(2, 8, 8), compression="gzip")
        dataset.attrs["element_size_um"] = (0.03, 0.004, 0.005)
    return folder / "stack.h5"


def as_zarr3(folder: Path) -> Path:
    array = zarr.create_array(folder / "three.zarr", data=ramp(), chunks=(2, 16, 16))
    array.attrs["voxel_size"] = [30, 4, 5]
    return folder / "three.zarr"


def as_zarr2(folder: Path) -> Path:
    array = zarr.create_array(folder / "two.zarr", data=ramp(), chunks=(2, 16, 16), zarr_format=2)
    array.attrs.update({"resolution": [0.03, 0.004, 0.005], "units": ["um"] * 3})
    return folder / "two.zarr"


def as_jpeg(folder: Path) -> Path:
    path = folder / "jpg"
    path.mkdir()
    for z in range(3):
        (path / f"z{z}.jpg").write_bytes(imagecodecs.jpeg8_encode(np.full((24, 31), 40 * z, np.uint8)))
    return path


WITH_VOXEL_SIZE = [as_imagej, as_mrc, as_hdf5, as_zarr3, as_zarr2]
WITHOUT = [as_png, as_bmp, as_tiff_folder, as_tiff, as_big_tiff]
FORMATS = [*WITH_VOXEL_SIZE, *WITHOUT]


@pytest.mark.parametrize("write", FORMATS)
def test_every_format_gives_the_phantom(write: Callable[[Path], Path], tmp_path: Path) -> None:
    opened = open_stack(write(tmp_path))
    stack = opened.stack
    assert stack.shape == SHAPE
    for z in range(SHAPE[0]):
        image = stack.grey(z)
        assert image.dtype == stack.volume.dtype
        assert image.dtype.isnative
        np.testing.assert_array_equal(image, ramp(image.dtype.name)[z])
    assert stack.voxel_size is None or stack.voxel_size.is_close(VOXEL)
    assert (stack.voxel_size is not None) == (write in WITH_VOXEL_SIZE)
    assert stack.window is None


@pytest.mark.parametrize("write", FORMATS)
def test_a_stack_travels_to_another_process(write: Callable[[Path], Path], tmp_path: Path) -> None:
    stack = open_stack(write(tmp_path)).stack
    stack.grey(0)
    copy = pickle.loads(pickle.dumps(stack))
    np.testing.assert_array_equal(copy.grey(3), stack.grey(3))


@pytest.mark.parametrize("write", FORMATS)
def test_a_slice_that_does_not_exist_is_an_index_error(write: Callable[[Path], Path], tmp_path: Path) -> None:
    volume = open_stack(write(tmp_path)).stack.volume
    for z in (-1, SHAPE[0]):
        with pytest.raises(IndexError, match="does not exist"):
            volume[z]


@pytest.mark.parametrize("write", FORMATS)
def test_the_fingerprint_follows_the_input_only(write: Callable[[Path], Path], tmp_path: Path) -> None:
    path = write(tmp_path)
    before = open_stack(path).fingerprint
    assert open_stack(path, voxel_size=VOXEL, invert=True).fingerprint == before
    moved = path.with_name("moved" + path.suffix)
    path.rename(moved)
    if moved.is_dir():
        assert open_stack(moved).fingerprint == before
    moved.rename(path)
    victim = max((file for file in [path, *path.rglob("*")] if file.is_file()), key=lambda file: file.stat().st_size)
    os.utime(victim, ns=(1, 1))
    assert open_stack(path).fingerprint != before


def test_the_option_wins_over_the_file_and_says_so(tmp_path: Path) -> None:
    path = as_imagej(tmp_path)
    opened = open_stack(path, voxel_size=VoxelSize(25, 4, 5))
    assert opened.stack.voxel_size == VoxelSize(25, 4, 5)
    assert any("the option wins" in note and "30 × 4 × 5" in note for note in opened.notes)
    assert open_stack(path, voxel_size=VOXEL).notes == ()


def test_a_stack_without_voxel_size_tells_how_to_give_one(tmp_path: Path) -> None:
    stack = open_stack(as_png(tmp_path)).stack
    with pytest.raises(InputError, match="--voxel-size Z Y X"):
        require_voxel_size(stack)
    assert require_voxel_size(open_stack(tmp_path / "png", voxel_size=VOXEL).stack) == VOXEL


def test_inverted_turns_the_picture_round(tmp_path: Path) -> None:
    path = as_png(tmp_path)
    plain, turned = (open_stack(path, invert=flag).stack.with_window(Window(0, 255)) for flag in (False, True))
    np.testing.assert_array_equal(plain.image(2), 255 - turned.image(2))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "uint32", "float64"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders_of_every_type(dtype: str, order: str, tmp_path: Path) -> None:
    data = ramp(dtype)
    tifffile.imwrite(tmp_path / "a.tif", data.astype(np.dtype(dtype).newbyteorder(order)), byteorder=order)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["raw"] = data.astype(np.dtype(dtype).newbyteorder(order))
    zarr.create_array(
        tmp_path / "a.zarr", data=data.astype(np.dtype(dtype).newbyteorder(order)), chunks=(1, 24, 31), zarr_format=2
    )
    for name in ("a.tif", "a.h5", "a.zarr"):
        image = open_stack(tmp_path / name).stack.grey(4)
        assert image.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(image, data[4])


@pytest.mark.parametrize("name", ["nothing.tif", "nowhere", "stack.h5:/raw", "a.zarr"])
def test_nothing_there(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found nothing there"):
        open_stack(tmp_path / name)


@pytest.mark.parametrize("name", ["a.tif", "a.mrc", "a.h5", "a.png", "a.xyz"])
def test_an_empty_file(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    with pytest.raises(InputError, match="found an empty file"):
        open_stack(tmp_path / name)


@pytest.mark.parametrize("name", ["a.tif", "a.mrc", "a.h5", "a.png", "a.jpg", "a.bmp", "a.xyz"])
def test_wrong_magic(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"these are not the voxels you are looking for" * 99)
    with pytest.raises(InputError, match="expected") as caught:
        open_stack(tmp_path / name)
    assert name in str(caught.value)


def test_the_format_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    shutil.copy(as_tiff(tmp_path), tmp_path / "tiff.dat")
    shutil.copy(as_hdf5(tmp_path), tmp_path / "hdf.dat")
    shutil.copy(as_mrc(tmp_path), tmp_path / "mrc.dat")
    assert {open_stack(tmp_path / f"{name}.dat").stack.shape for name in ("tiff", "hdf", "mrc")} == {SHAPE}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a/b.h5:/raw/em", ("a/b.h5", "/raw/em")),
        ("b.h5", ("b.h5", None)),
        ("b.zarr:s0", ("b.zarr", "s0")),
        ("C:\\data\\b.h5", ("C:\\data\\b.h5", None)),
    ],
)
def test_datasets_follow_a_colon(text: str, expected: tuple[str, str | None]) -> None:
    path, inside = split_dataset(text)
    assert (str(path), inside) == expected


def test_a_dataset_of_a_file_that_has_none(tmp_path: Path) -> None:
    for write in (as_tiff, as_png):
        with pytest.raises(InputError, match="no dataset"):
            open_stack(f"{write(tmp_path)}:/raw")


def sparse_tiff(path: Path, shape: tuple[int, ...]) -> None:
    """Write a BigTIFF whose one directory is followed by voxels that take no room on the disk."""
    tifffile.imwrite(path, None, shape=shape, dtype="uint8", bigtiff=True, truncate=True, metadata={"axes": "ZYX"})
    with tifffile.TiffFile(path) as tiff:
        begin = tiff.series[0].dataoffset
    with path.open("r+b") as file:
        file.truncate(begin + int(np.prod(shape, dtype=object)))


def sparse_mrc(path: Path, shape: tuple[int, ...]) -> None:
    """Write an MRC header that is followed by voxels that take no room on the disk."""
    with mrcfile.new(path, np.zeros((1, 2, 2), np.int8)) as file:
        file.header.nz, file.header.ny, file.header.nx = shape
    with path.open("r+b") as file:
        file.truncate(1024 + int(np.prod(shape, dtype=object)))


def sparse_zarr(path: Path, shape: tuple[int, ...]) -> None:
    """Write an array without a single chunk."""
    zarr.create_array(path, shape=shape, chunks=(1, 512, 512), dtype="uint8")


def sparse_hdf5(path: Path, shape: tuple[int, ...]) -> None:
    """Write a dataset without a single chunk."""
    with h5py.File(path, "w") as file:
        file.create_dataset("raw", shape=shape, chunks=(16, 256, 256), dtype="uint8")


@pytest.mark.parametrize(
    ("name", "write"),
    [("a.tif", sparse_tiff), ("a.mrc", sparse_mrc), ("a.zarr", sparse_zarr), ("a.h5", sparse_hdf5)],
)
def test_two_terabytes_open_in_no_memory(
    name: str, write: Callable[[Path, tuple[int, ...]], None], tmp_path: Path
) -> None:
    import tracemalloc

    shape = (500_000, 2048, 2048)  # 2.1 TB
    try:
        write(tmp_path / name, shape)
    except OSError:
        pytest.skip("this file system has no sparse files of 2 TB")
    tracemalloc.start()
    stack = open_stack(tmp_path / name).stack
    opened = tracemalloc.get_traced_memory()[1]
    assert stack.shape == shape
    assert not stack.grey(499_999).any()
    read = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert opened < 50e6
    assert read < 150e6  # a slice has 4 MB, a kept layer of HDF5 chunks 64 MB


def read_all(path: Path) -> None:
    """Open and read a whole stack; whatever is wrong must be a FamousError."""
    try:
        stack = open_stack(path).stack
        for z in range(min(len(stack), 6)):
            image = stack.grey(z)
            assert image.shape == stack.shape[1:]
            assert image.dtype == stack.volume.dtype
    except FamousError as fault:  # a message, not a traceback
        assert len(str(fault)) > 20  # noqa: PT017 - either outcome is right


FUZZ = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
FUZZED = [*FORMATS, as_jpeg]
SUFFIXES = [".tif", ".mrc", ".h5", ".png", ".jpg", ".bmp", ".dat"]
MAGIC = [b"", b"II*\0", b"MM\0+", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"\x89HDF\r\n\x1a\n"]


@FUZZ
@given(content=st.binary(max_size=2000), suffix=st.sampled_from(SUFFIXES), magic=st.sampled_from(MAGIC))
def test_random_bytes(content: bytes, suffix: str, magic: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(magic + content)
    read_all(path)


def originals(path: Path) -> dict[Path, bytes]:
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return {file: file.read_bytes() for file in files}


@pytest.mark.parametrize("write", FUZZED)
def test_truncated_and_flipped(
    write: Callable[[Path], Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path)
    whole = originals(path)

    @FUZZ
    @given(data=st.data())
    def damage(data: st.DataObject) -> None:
        file = data.draw(st.sampled_from(list(whole)))
        content = bytearray(whole[file])
        if data.draw(st.booleans()):
            content = content[: data.draw(st.integers(0, len(content)))]
        else:
            near = st.one_of(st.integers(0, min(400, len(content) - 1)), st.integers(0, len(content) - 1))
            for _ in range(data.draw(st.integers(1, 4))):
                content[data.draw(near)] ^= 1 << data.draw(st.integers(0, 7))
        file.write_bytes(content)
        try:
            read_all(path)
        finally:
            file.write_bytes(whole[file])

    damage()
    shown: Any = capfd.readouterr()
    assert shown.out == ""
    assert shown.err == ""


@pytest.mark.parametrize(
    "write", [as_png, as_bmp, as_jpeg, as_tiff_folder, as_tiff, as_big_tiff, as_imagej, as_mrc, as_hdf5]
)
def test_a_truncated_file_never_reads_as_a_whole_one(write: Callable[[Path], Path], tmp_path: Path) -> None:
    path = write(tmp_path)
    file, content = list(originals(path).items())[-1]
    for kept in (len(content) // 3, len(content) // 2, len(content) - 30):
        file.write_bytes(content[:kept])
        with pytest.raises(InputError, match=file.name):  # noqa: PT012 - opening or reading may say it
            stack = open_stack(path).stack
            for z in range(len(stack)):
                stack.grey(z)


def test_every_real_stack_opens(shared_data: Path) -> None:
    files = [*shared_data.glob("*/*.tif"), *shared_data.glob("*/*/*.tif"), shared_data / "vnc" / "raw"]
    assert len(files) >= 20
    for path in files:
        opened = open_stack(path)
        stack = opened.stack
        assert stack.grey(len(stack) - 1).shape == stack.shape[1:]


@pytest.mark.parametrize(
    ("name", "shape", "voxel_size"),
    [
        ("lucchi/raw.tif", (80, 768, 1024), VoxelSize(5, 5, 5)),
        ("vnc/raw", (20, 1024, 1024), None),
        ("vnc/mito_inst.tif", (20, 1024, 1024), VoxelSize(50, 4.6, 4.6)),
        ("cdeep3m/raw.tif", (20, 1024, 1024), None),
        ("isbi2012/raw.tif", (30, 512, 512), VoxelSize(50, 4, 4)),
        ("hela/raw.tif", (3, 2000, 2000), None),
        ("urocell/fib1-3-2-1/mito.tif", (256, 256, 256), VoxelSize(15, 16, 16)),
    ],
)
def test_real_stacks_have_the_size_they_should(
    name: str, shape: tuple[int, ...], voxel_size: VoxelSize | None, shared_data: Path
) -> None:
    stack = open_stack(shared_data / name).stack
    assert stack.shape == shape
    assert (stack.voxel_size is None) == (voxel_size is None)
    assert voxel_size is None or (stack.voxel_size is not None and stack.voxel_size.is_close(voxel_size))
