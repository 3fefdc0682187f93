"""Zarr stores: plain, OME-Zarr of every version, groups, N5, and damaged metadata."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from famous.errors import InputError
from famous.io.stacks import open_stack
from famous.voxels import VoxelSize

DATA = np.random.default_rng(0).integers(0, 2000, (7, 20, 30), np.uint16)


def axes(names: str = "zyx", unit: str | None = "nanometer") -> list[dict[str, str]]:
    kinds = {"t": "time", "c": "channel"}
    return [
        {"name": name, "type": kinds.get(name, "space"), **({"unit": unit} if unit and name in "zyx" else {})}
        for name in names
    ]


def write_ome(path: Path, version: str, data: np.ndarray = DATA, **image: Any) -> Path:
    """Write an image of two levels, as OME-Zarr 0.4 (Zarr 2) or 0.5 (Zarr 3)."""
    v3 = version == "0.5"
    group = zarr.create_group(path, zarr_format=3 if v3 else 2)
    for level in range(2):
        group.create_array(
            f"s{level}", data=data[..., :: 2**level, :: 2**level], chunks=(1,) * (data.ndim - 2) + (16, 16)
        )
    lead = [1] * (data.ndim - 3)
    datasets = [
        {
            "path": f"s{level}",
            "coordinateTransformations": [{"type": "scale", "scale": [*lead, 30, 4 * 2**level, 5 * 2**level]}],
        }
        for level in range(2)
    ]
    multiscales = [{"version": version, "axes": axes("tczyx"[-data.ndim :]), "datasets": datasets, **image}]
    group.attrs.update({"ome": {"version": "0.5", "multiscales": multiscales}} if v3 else {"multiscales": multiscales})
    return path


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("chunks", [(1, 20, 30), (4, 8, 8), (7, 20, 30)])
def test_plain_arrays(zarr_format: int, chunks: tuple[int, ...], tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "a.zarr", data=DATA, chunks=chunks, zarr_format=zarr_format)  # type: ignore[arg-type]
    opened = open_stack(tmp_path / "a.zarr")
    np.testing.assert_array_equal(np.stack([opened.stack.grey(z) for z in range(7)]), DATA)
    assert opened.stack.voxel_size is None


def test_shards_and_a_folder_of_any_name(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "a", data=DATA, chunks=(1, 5, 5), shards=(2, 20, 30))
    np.testing.assert_array_equal(open_stack(tmp_path / "a").stack.grey(6), DATA[6])


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("lead", [0, 1, 2])
def test_ome_zarr_gives_level_0_and_its_scale(version: str, lead: int, tmp_path: Path) -> None:
    opened = open_stack(write_ome(tmp_path / "a.ome.zarr", version, DATA.reshape((1,) * lead + DATA.shape)))
    assert opened.stack.voxel_size == VoxelSize(30, 4, 5)
    np.testing.assert_array_equal(opened.stack.grey(3), DATA[3])


def test_the_scale_of_the_whole_image_counts_too(tmp_path: Path) -> None:
    path = write_ome(
        tmp_path / "a.zarr",
        "0.4",
        axes=axes(unit="micrometer"),
        coordinateTransformations=[
            {"type": "scale", "scale": [0.001] * 3},
            {"type": "translation", "translation": [0, 0, 0]},
        ],
    )
    size = open_stack(path).stack.voxel_size
    assert size is not None
    assert size.is_close(VoxelSize(30, 4, 5))


@pytest.mark.parametrize(
    "image", [{"axes": axes(unit=None)}, {"axes": ["z", "y", "x"]}, {"axes": axes(unit="furlong")}]
)
def test_a_scale_without_unit_is_no_voxel_size(image: dict[str, Any], tmp_path: Path) -> None:
    assert open_stack(write_ome(tmp_path / "a.zarr", "0.4", **image)).stack.voxel_size is None


def test_axes_in_another_order_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected them to end in z, y, x"):
        open_stack(write_ome(tmp_path / "a.zarr", "0.5", axes=axes("xyz")))


def test_two_channels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found 4 axes"):
        open_stack(write_ome(tmp_path / "a.zarr", "0.5", np.stack([DATA, DATA])))


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_the_only_array_of_a_group_is_found(zarr_format: int, tmp_path: Path) -> None:
    group = zarr.create_group(tmp_path / "a.zarr", zarr_format=zarr_format)  # type: ignore[arg-type]
    group.create_array("em/raw", data=DATA)
    group.create_array("em/table", data=np.zeros((3, 3)))
    assert open_stack(tmp_path / "a.zarr").stack.shape == DATA.shape
    group.create_array("em/labels", data=DATA)
    with pytest.raises(InputError, match=r"2 arrays \['em/labels', 'em/raw'\]"):
        open_stack(tmp_path / "a.zarr")
    for path in (f"{tmp_path}/a.zarr/em/raw", f"{tmp_path}/a.zarr:/em/raw", f"{tmp_path}/a.zarr:em/raw"):
        assert open_stack(path).stack.shape == DATA.shape


def test_an_image_inside_a_group_is_one_stack(tmp_path: Path) -> None:
    zarr.create_group(tmp_path / "a.zarr", zarr_format=2, attributes={"bioformats2raw.layout": 3})
    write_ome(tmp_path / "a.zarr" / "0", "0.4")
    assert open_stack(tmp_path / "a.zarr").stack.voxel_size == VoxelSize(30, 4, 5)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"voxel_size": [30, 4, 5]}, VoxelSize(30, 4, 5)),
        ({"resolution": [0.03, 0.004, 0.005], "units": ["um", "um", "um"]}, VoxelSize(30, 4, 5)),
        ({"resolution": [1, 30, 4, 5]}, VoxelSize(30, 4, 5)),
        ({"resolution": [4, 5]}, None),
        ({"voxel_size": "small"}, None),
        ({"voxel_size": [30, 4, 5], "units": "pixel"}, None),
    ],
)
def test_voxel_sizes_of_plain_arrays(attributes: dict[str, Any], expected: VoxelSize | None, tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "a.zarr", data=DATA).attrs.update(attributes)
    size = open_stack(tmp_path / "a.zarr").stack.voxel_size
    assert size == expected or (size is not None and expected is not None and size.is_close(expected))


@pytest.mark.parametrize("suffix", [".n5", ""])
def test_n5_says_what_to_do(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    (path / "raw").mkdir(parents=True)
    (path / "attributes.json").write_text('{"n5": "2.0.0"}')
    with pytest.raises(InputError, match="Save it as OME-Zarr"):
        open_stack(path)


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.mkdir(),
        zarr.create_group,
        lambda path: zarr.create_array(path, data=DATA[0]),
    ],
)
def test_a_store_without_a_stack(make: Any, tmp_path: Path) -> None:
    make(tmp_path / "a.zarr")
    with pytest.raises(InputError, match="no array with three axes"):
        open_stack(tmp_path / "a.zarr")
    with pytest.raises(InputError, match="no array or group 'raw'"):
        open_stack(tmp_path / "a.zarr:/raw")


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[]", "null", '{"node_type": "array"}', '{"zarr_format": 3, "node_type": "group", "attributes": 7}'],
)
def test_damaged_metadata(content: str, tmp_path: Path) -> None:
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "zarr.json").write_text(content)
    with pytest.raises(InputError, match=r"a\.zarr"):
        open_stack(tmp_path / "a.zarr")


@pytest.mark.parametrize(
    "multiscales", [[], [{}], [{"datasets": []}], [{"datasets": [{"path": "none"}]}], "x", {"a": 1}]
)
def test_damaged_ome_metadata(multiscales: Any, tmp_path: Path) -> None:
    zarr.create_group(tmp_path / "a.zarr", attributes={"ome": {"multiscales": multiscales}})
    with pytest.raises(InputError, match=r"a\.zarr"):
        open_stack(tmp_path / "a.zarr")


def test_damaged_and_missing_chunks(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "a.zarr", data=DATA, chunks=(1, 20, 30))
    (tmp_path / "a.zarr" / "c" / "2" / "0" / "0").write_bytes(b"damaged")
    (tmp_path / "a.zarr" / "c" / "3" / "0" / "0").unlink()
    stack = open_stack(tmp_path / "a.zarr").stack
    with pytest.raises(InputError, match=r"a\.zarr, slice 2"):
        stack.grey(2)
    assert not stack.grey(3).any()  # a chunk that is not there holds the fill value: that is the format


def test_the_fingerprint_sees_metadata_and_chunks(tmp_path: Path) -> None:
    array = zarr.create_array(tmp_path / "a.zarr", data=DATA, chunks=(1, 20, 30))
    prints = [open_stack(tmp_path / "a.zarr").fingerprint]
    array[3] = 5
    prints.append(open_stack(tmp_path / "a.zarr").fingerprint)
    (tmp_path / "a.zarr" / "c" / "4" / "0" / "0").unlink()
    prints.append(open_stack(tmp_path / "a.zarr").fingerprint)
    metadata = json.loads((tmp_path / "a.zarr" / "zarr.json").read_text())
    (tmp_path / "a.zarr" / "zarr.json").write_text(json.dumps({**metadata, "attributes": {"voxel_size": [1, 2, 3]}}))
    prints.append(open_stack(tmp_path / "a.zarr").fingerprint)
    assert len(set(prints)) == 4
