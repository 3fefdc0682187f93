"""Label volumes: any format in, Fiji's TIFF out, ids intact."""

from collections.abc import Iterator
from pathlib import Path

import h5py
import imagecodecs
import numpy as np
import pytest
import tifffile
import zarr

from famous.errors import InputError
from famous.io.volumes import LabelStore, read_label_volume, write_label_tiff
from famous.voxels import VoxelSize

VOXEL = VoxelSize(30, 4, 5.5)


def labels(largest: int, shape: tuple[int, ...] = (5, 16, 21)) -> np.ndarray:
    """Ids up to the largest, which is the last voxel."""
    image = np.random.default_rng(0).integers(0, min(largest, 1000) + 1, shape).astype(np.uint32)
    image.flat[-1] = largest
    return image


def read(path: Path | str) -> np.ndarray:
    stack = read_label_volume(path).stack
    return np.stack([stack.grey(z) for z in range(len(stack))])


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32"])
def test_ids_of_every_type(dtype: str, tmp_path: Path) -> None:
    image = labels(1 if dtype == "bool" else 120).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", image)
    zarr.create_array(tmp_path / "a.zarr", data=image)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["labels"] = image
    for name in ("a.tif", "a.zarr", "a.h5:/labels"):
        back = read(f"{tmp_path}/{name}")
        assert back.dtype == np.uint32
        np.testing.assert_array_equal(back, image.astype(np.uint32))


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(2**32, "uint64"), (2**63, "uint64"), (-1, "int16"), (0.5, "float32"), (np.nan, "float32"), (-1, "int64")],
)
def test_ids_that_are_none_are_named_by_slice(value: float, dtype: str, tmp_path: Path) -> None:
    image = np.zeros((3, 4, 5), dtype)
    image[2, 1, 1] = value
    zarr.create_array(tmp_path / "a.zarr", data=image)
    stack = read_label_volume(tmp_path / "a.zarr").stack
    assert not stack.grey(1).any()
    with pytest.raises(InputError, match=r"a\.zarr, slice 2: (labels: )?found"):
        stack.grey(2)


def test_the_largest_id_survives(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", labels(2**32 - 1).astype(np.uint64))
    assert read(tmp_path / "a.tif").max() == 2**32 - 1


def test_labels_as_jpeg_are_refused(tmp_path: Path) -> None:
    (tmp_path / "z1.jpg").write_bytes(imagecodecs.jpeg8_encode(np.zeros((8, 8), np.uint8)))
    with pytest.raises(InputError, match="JPEG, which changes their ids"):
        read_label_volume(tmp_path)


@pytest.mark.parametrize(
    ("largest", "dtype", "is_imagej"),
    [
        (0, "uint16", True),
        (65_535, "uint16", True),
        (65_536, "float32", True),
        (2**24, "float32", True),
        (2**24 + 1, "uint32", False),
        (2**32 - 1, "uint32", False),
    ],
)
@pytest.mark.parametrize("is_known", [True, False])
def test_the_type_follows_the_largest_id(
    largest: int, dtype: str, is_imagej: bool, is_known: bool, tmp_path: Path
) -> None:
    image = labels(largest)
    path = tmp_path / "labels.tif"
    write_label_tiff(path, iter(image), image.shape, VOXEL, largest_id=largest if is_known else None)  # type: ignore[arg-type]
    with tifffile.TiffFile(path) as tiff:
        assert tiff.series[0].dtype == np.dtype(dtype)
        assert tiff.is_imagej == is_imagej
        assert tiff.is_ome != is_imagej
    opened = read_label_volume(path)
    assert opened.stack.voxel_size is not None
    assert opened.stack.voxel_size.is_close(VOXEL, relative=1e-6)
    assert opened.notes == ()
    np.testing.assert_array_equal(read(path), image)
    assert [entry.name for entry in tmp_path.iterdir()] == ["labels.tif"]


@pytest.mark.parametrize("shape", [(1, 5, 6), (3, 5, 6), (4, 5, 3), (2, 1, 1), (1, 1, 1)])
def test_odd_shapes(shape: tuple[int, int, int], tmp_path: Path) -> None:
    image = labels(7, shape)
    write_label_tiff(tmp_path / "a.tif", iter(image), shape, VOXEL)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.pages.first.photometric == 1
        assert (tiff.imagej_metadata or {}).get("channels", 1) == 1
    if shape[1:] != (1, 1):  # tifffile itself does not see several slices of one pixel
        np.testing.assert_array_equal(read(tmp_path / "a.tif"), image)


@pytest.mark.parametrize("largest", [9, 70_000, 2**25])
def test_the_same_labels_give_the_same_bytes(largest: int, tmp_path: Path) -> None:
    image = labels(largest)
    for name, known in (("a.tif", largest), ("b.tif", None)):
        write_label_tiff(tmp_path / name, iter(image), image.shape, VOXEL, largest_id=known)  # type: ignore[arg-type]
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def test_one_slice_is_held_at_a_time(tmp_path: Path) -> None:
    import tracemalloc

    def endless() -> Iterator[np.ndarray]:
        for z in range(200):
            yield np.full((256, 256), z, np.uint32)

    for known in (199, None):
        tracemalloc.start()
        write_label_tiff(tmp_path / "a.tif", endless(), (200, 256, 256), VOXEL, largest_id=known)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 6e6  # the volume has 52 MB as uint32


@pytest.mark.parametrize(
    ("count", "size", "largest", "message"),
    [
        (2, 5, None, "found 2 slices, expected 3"),
        (4, 5, None, "expected 3 slices"),
        (3, 6, None, r"found \(6, 5\)"),
        (3, 5, 4, "found the id 9, expected none above 4"),
        (2, 5, 9, "found 2 slices, expected 3"),
        (4, 5, 9, "expected 3 slices"),
    ],
)
def test_slices_that_do_not_fit_leave_no_file(
    count: int, size: int, largest: int | None, message: str, tmp_path: Path
) -> None:
    slices = (np.full((size, 5), 9, np.uint32) for _ in range(count))
    with pytest.raises(InputError, match=message):
        write_label_tiff(tmp_path / "a.tif", slices, (3, 5, 5), VOXEL, largest_id=largest)
    assert list(tmp_path.iterdir()) == []


def test_a_volume_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 1"):
        write_label_tiff(tmp_path / "a.tif", [], (0, 5, 5), VOXEL)


def test_a_class_of_a_store_is_a_label_volume(tmp_path: Path) -> None:
    image = labels(70_000)
    store = LabelStore.create(tmp_path / "labels.ome.zarr", ["er"], (5, 16, 21), VOXEL)
    for z in range(5):
        store.write_labels("er", z, image[z])
    np.testing.assert_array_equal(read(tmp_path / "labels.ome.zarr" / "labels" / "er"), image)
    write_label_tiff(tmp_path / "er.tif", (store.read_labels("er", z) for z in range(5)), store.shape, store.voxel_size)
    np.testing.assert_array_equal(read(tmp_path / "er.tif"), image)


def test_real_labels(shared_data: Path) -> None:
    opened = read_label_volume(shared_data / "lucchi" / "mito_inst.tif")
    assert opened.stack.grey(40).max() > 0
    assert opened.stack.grey(40).dtype == np.uint32


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "uint64", "float32", ">u8"])
def test_wide_volumes_hold_any_whole_number(dtype: str, tmp_path: Path) -> None:
    image = labels(1 if dtype == "bool" else 120).astype(dtype)
    if image.dtype.itemsize == 8:
        image.flat[0] = 2**64 - 1
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["labels"] = image
    stack = read_label_volume(tmp_path / "a.h5", wide=True).stack
    back = np.stack([stack.grey(z) for z in range(len(stack))])
    assert stack.volume.dtype == back.dtype == np.uint64
    np.testing.assert_array_equal(back, image.astype(np.uint64))


@pytest.mark.parametrize(("value", "dtype"), [(-1, "int16"), (-1, "int64"), (0.5, "float32")])
def test_wide_ids_that_are_none_are_named_too(value: float, dtype: str, tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "a.zarr", data=np.full((2, 3, 4), value, dtype))
    with pytest.raises(InputError, match=r"a\.zarr, slice 1: labels: found"):
        read_label_volume(tmp_path / "a.zarr", wide=True).stack.grey(1)


def test_ids_have_no_contrast_to_note(tmp_path):
    tifffile.imwrite(tmp_path / "mask.tif", np.eye(8, dtype=bool)[None].repeat(3, axis=0))
    opened = read_label_volume(tmp_path / "mask.tif")
    assert not [note for note in opened.notes if "white" in note]
    assert opened.stack.grey(0).sum() == 8
