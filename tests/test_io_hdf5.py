"""HDF5: the dataset that is meant, its voxel size, and what cannot be a stack."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from famous.errors import InputError
from famous.io.hdf5 import class_datasets
from famous.io.stacks import open_stack
from famous.voxels import VoxelSize

DATA = np.random.default_rng(0).integers(0, 255, (9, 20, 30), np.uint8)


def write(path: Path, attributes: dict[str, Any] | None = None, **datasets: np.ndarray) -> Path:
    with h5py.File(path, "w") as file:
        for name, data in datasets.items():
            file.create_dataset(name.replace("__", "/"), data=data)
            file[name.replace("__", "/")].attrs.update(attributes or {})
    return path


def test_the_only_stack_is_found(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", volumes__raw=DATA, resolutions=np.ones((3, 3)), name=np.array(7))
    opened = open_stack(path)
    np.testing.assert_array_equal(opened.stack.grey(8), DATA[8])
    assert opened.notes == ("a.h5: the dataset /volumes/raw is read",)


def test_one_slice_is_a_stack(tmp_path: Path) -> None:
    assert open_stack(write(tmp_path / "a.h5", raw=DATA[:1])).stack.shape == (1, 20, 30)


def test_several_are_listed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", raw=DATA, volumes__labels=DATA)
    with pytest.raises(InputError, match=r"2 datasets with three axes \['/raw', '/volumes/labels'\].*a\.h5:/dataset"):
        open_stack(path)
    for name in ("volumes/labels", "/volumes/labels"):
        opened = open_stack(f"{path}:{name}")
        assert opened.notes == ()
        assert opened.stack.shape == DATA.shape
    assert open_stack(f"{path}:/raw").fingerprint != open_stack(f"{path}:/volumes/labels").fingerprint


def test_one_dataset_a_class(tmp_path: Path) -> None:
    path = write(tmp_path / "two.h5", labels__mitochondrion=DATA, labels__lysosome=DATA.astype(np.uint16))
    assert class_datasets(path) == {"lysosome": "/labels/lysosome", "mitochondrion": "/labels/mitochondrion"}


@pytest.mark.parametrize(
    "datasets",
    [
        {"mito": DATA},
        {"mito": DATA, "raw": DATA},
        {"mito": DATA, "Image": DATA},
        {"mito": DATA, "er": DATA[1:]},
        {"mito": DATA, "er": DATA.astype(np.float32)},
        {"mito": DATA[None], "er": DATA[None]},
        {"a__mito": DATA, "b__mito": DATA},
        {},
    ],
)
def test_other_datasets_are_no_classes(datasets: dict[str, np.ndarray], tmp_path: Path) -> None:
    assert class_datasets(write(tmp_path / "a.h5", **datasets)) == {}


def test_a_name_that_is_none(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", volumes__raw=DATA)
    for name in ("/nothing", "/volumes"):
        with pytest.raises(InputError, match=f"no dataset {name}, expected one of .*/volumes/raw"):
            open_stack(f"{path}:{name}")


@pytest.mark.parametrize(
    "datasets",
    [{}, {"a": np.zeros((3, 3))}, {"a": np.zeros((0, 4, 5))}, {"a": np.array([["x"]], dtype="S3")}],
)
def test_no_stack_inside(datasets: dict[str, np.ndarray], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no dataset with three axes of grey values") as caught:
        open_stack(write(tmp_path / "a.h5", **datasets))
    assert all(f"/{name} {data.shape} of {data.dtype}" in str(caught.value) for name, data in datasets.items())


@pytest.mark.parametrize(
    "attributes",
    [
        {"element_size_um": (0.03, 0.004, 0.005)},
        {"resolution": (30, 4, 5)},
        {"voxel_size": (30.0, 4.0, 5.0), "units": "nm"},
        {"voxel_size": (0.03, 0.004, 0.005), "unit": b"um"},
        {"resolution": (30, 4, 5), "units": np.array(["nm"] * 3, dtype=h5py.string_dtype())},
    ],
)
def test_voxel_sizes(attributes: dict[str, Any], tmp_path: Path) -> None:
    size = open_stack(write(tmp_path / "a.h5", attributes, raw=DATA)).stack.voxel_size
    assert size is not None
    assert size.is_close(VoxelSize(30, 4, 5))


@pytest.mark.parametrize(
    "attributes", [{}, {"resolution": (4, 5)}, {"resolution": "fine"}, {"element_size_um": (0, 1, 1)}]
)
def test_no_voxel_size(attributes: dict[str, Any], tmp_path: Path) -> None:
    assert open_stack(write(tmp_path / "a.h5", attributes, raw=DATA)).stack.voxel_size is None


@pytest.mark.parametrize("shape", [(1, 9, 20, 30), (1, 1, 9, 20, 30), (9, 20, 30, 1)])
def test_axes_of_length_one(shape: tuple[int, ...], tmp_path: Path) -> None:
    stack = open_stack(write(tmp_path / "a.h5", raw=DATA.reshape(shape))).stack
    np.testing.assert_array_equal(np.stack([stack.grey(z) for z in range(9)]), DATA)


def test_two_channels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found 4 axes"):
        open_stack(write(tmp_path / "a.h5", raw=np.zeros((2, 4, 5, 6))))


@pytest.mark.parametrize("dtype", ["complex64", "S4"])
def test_what_is_no_grey_value(dtype: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", raw=np.zeros((3, 4, 5), dtype))
    with pytest.raises(InputError, match="grey values"):
        open_stack(f"{path}:/raw")


def test_a_stack_of_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", raw=np.zeros((0, 4, 5)))
    with pytest.raises(InputError, match="expected at least one"):
        open_stack(f"{path}:/raw")


def test_a_damaged_chunk_is_named_when_it_is_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("raw", data=DATA, chunks=(3, 20, 30), compression="gzip")
        where = dataset.id.get_chunk_info(1)
    content = bytearray((tmp_path / "a.h5").read_bytes())
    content[where.byte_offset : where.byte_offset + 200] = bytes(200)
    (tmp_path / "a.h5").write_bytes(content)
    stack = open_stack(tmp_path / "a.h5").stack
    np.testing.assert_array_equal(stack.grey(2), DATA[2])
    with pytest.raises(InputError, match=r"a\.h5, slice 3"):
        stack.grey(3)
