"""TIFF stacks: every kind, their voxel sizes, and files that break off."""

import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from famous.errors import InputError
from famous.io.stacks import open_stack
from famous.voxels import VoxelSize

DATA = np.random.default_rng(0).integers(0, 2000, (6, 40, 52), np.uint16)


def voxel_size(path: Path) -> VoxelSize | None:
    """Return the voxel size that the file gives."""
    return open_stack(path).stack.voxel_size


def write(path: Path, data: np.ndarray = DATA, **options: Any) -> Path:
    tifffile.imwrite(path, data, **options)
    return path


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"metadata": None},
        {"imagej": True},
        {"imagej": True, "byteorder": "<"},
        {"ome": True},
        {"ome": True, "bigtiff": True, "compression": "zlib"},
        {"bigtiff": True, "byteorder": ">"},
        {"compression": "lzw"},
        {"compression": "zlib", "predictor": True},
        {"compression": "zstd"},
        {"tile": (16, 32)},
        {"rowsperstrip": 7},
        {"truncate": True},
        {"bitspersample": 12, "compression": None},
    ],
)
def test_every_kind_of_tiff(options: dict[str, Any], tmp_path: Path) -> None:
    if "bitspersample" in options:
        options = {**options, "photometric": "minisblack"}
    opened = open_stack(write(tmp_path / "a.tif", DATA, **options))
    assert opened.stack.shape == DATA.shape
    assert all("6 channels are read as slices" in note for note in opened.notes)  # where tifffile is told no axes
    np.testing.assert_array_equal(np.stack([opened.stack.grey(z) for z in range(6)]), DATA)


@pytest.mark.parametrize("data", [DATA[0], DATA[:1], DATA[:3], DATA[:4], DATA[:, :3], DATA[:, :, :4]])
def test_odd_shapes_stay_stacks(data: np.ndarray, tmp_path: Path) -> None:
    stack = open_stack(
        write(
            tmp_path / "a.tif",
            data,
            photometric="minisblack",
            imagej=data.ndim == 3,
            metadata={"axes": "ZYX"[-data.ndim :]},
        )
    ).stack
    np.testing.assert_array_equal(
        np.stack([stack.grey(z) for z in range(len(stack))]), data.reshape(-1, *data.shape[-2:])
    )


def test_one_bit_is_zero_and_one(tmp_path: Path) -> None:
    image = open_stack(write(tmp_path / "a.tif", DATA > 1000)).stack.grey(0)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, DATA[0] > 1000)


@pytest.mark.parametrize("unit", ["micron", "um", "\\u00B5m", "nm", "nanometers"])
def test_imagej_calibration(unit: str, tmp_path: Path) -> None:
    per_unit = 1.0 if unit.startswith("n") else 1000.0
    path = write(
        tmp_path / "a.tif",
        imagej=True,
        resolution=(per_unit / 5, per_unit / 4),
        metadata={"axes": "ZYX", "spacing": 30 / per_unit, "unit": unit},
    )
    size = voxel_size(path)
    assert size is not None
    assert size.is_close(VoxelSize(30, 4, 5))


@pytest.mark.parametrize("unit", ["µm".encode(), "µm".encode("latin-1")])
def test_imagej_micro_sign_in_any_encoding(unit: bytes, tmp_path: Path) -> None:
    description = b"ImageJ=1.53t\nimages=6\nslices=6\nunit=" + unit + b"\nspacing=0.03\n"
    path = write(tmp_path / "a.tif", metadata=None, description=description, resolution=(200, 250), resolutionunit=1)
    size = voxel_size(path)
    assert size is not None
    assert size.is_close(VoxelSize(30, 4, 5))


@pytest.mark.parametrize(
    ("metadata", "resolution"),
    [
        ({"spacing": 1.0, "unit": "pixel"}, (1, 1)),
        ({"spacing": 1.0}, (1, 1)),
        ({"spacing": 1.0, "unit": "inch"}, (72, 72)),
        ({"spacing": 1.0, "unit": "cm"}, (28.35, 28.35)),
        ({"unit": "micron"}, (200, 200)),
        ({"spacing": 0.03}, (200, 200)),
    ],
)
def test_imagej_without_calibration(metadata: dict[str, Any], resolution: tuple[float, float], tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", imagej=True, resolution=resolution, metadata={"axes": "ZYX", **metadata})
    assert voxel_size(path) is None


def test_a_resolution_per_cm_beside_microns(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.tif",
        imagej=True,
        resolution=(2e6, 2.5e6),
        resolutionunit="CENTIMETER",
        metadata={"axes": "ZYX", "spacing": 0.03, "unit": "micron"},
    )
    opened = open_stack(path)
    assert opened.stack.voxel_size is not None
    assert opened.stack.voxel_size.is_close(VoxelSize(30, 4, 5))
    assert opened.notes == ("a.tif: its resolution is taken per cm",)


@pytest.mark.parametrize("dpi", [72, 96, 300, 600])
def test_print_resolution_is_no_voxel_size(dpi: int, tmp_path: Path) -> None:
    opened = open_stack(write(tmp_path / "a.tif", resolution=(dpi, dpi), resolutionunit="INCH"))
    assert opened.stack.voxel_size is None
    assert opened.notes == ()


def test_a_pixel_size_without_a_slice_distance_is_reported(tmp_path: Path) -> None:
    opened = open_stack(write(tmp_path / "a.tif", resolution=(2e6, 2.5e6), resolutionunit="CENTIMETER"))
    assert opened.stack.voxel_size is None
    assert "4 × 5 nm (y, x) but no distance between slices" in opened.notes[0]


@pytest.mark.parametrize(("unit", "factor"), [("µm", 1e-3), ("nm", 1), ("Å", 10), ("mm", 1e-6)])
def test_ome_physical_size(unit: str, factor: float, tmp_path: Path) -> None:
    sizes = {f"PhysicalSize{axis}": size * factor for axis, size in zip("ZYX", (30, 4, 5), strict=True)}
    units = {f"PhysicalSize{axis}Unit": unit for axis in "ZYX"}
    size = voxel_size(write(tmp_path / "a.ome.tif", ome=True, metadata={"axes": "ZYX", **sizes, **units}))
    assert size is not None
    assert size.is_close(VoxelSize(30, 4, 5))


def test_ome_without_z(tmp_path: Path) -> None:
    opened = open_stack(
        write(
            tmp_path / "a.ome.tif", ome=True, metadata={"axes": "ZYX", "PhysicalSizeX": 0.005, "PhysicalSizeY": 0.004}
        )
    )
    assert opened.stack.voxel_size is None
    assert "no distance between slices" in opened.notes[0]


@pytest.mark.parametrize("kind", ["imagej", "ome"])
def test_channels_are_refused_and_time_is_depth(kind: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {kind: True}
    two = np.stack([DATA, DATA], axis=1)
    with pytest.raises(InputError, match=r"2 channels, 6 slices"):
        open_stack(write(tmp_path / "c.tif", two, metadata={"axes": "ZCYX"}, **options))
    with pytest.raises(InputError, match=r"2 slices and 6 time points"):
        open_stack(write(tmp_path / "t.tif", two, metadata={"axes": "TZYX"}, **options))
    opened = open_stack(write(tmp_path / "a.tif", metadata={"axes": "TYX"}, **options))
    assert opened.stack.shape == DATA.shape
    assert opened.notes == ("a.tif: its 6 time points are read as slices",)


def test_pages_of_another_size_or_type_are_named(tmp_path: Path) -> None:
    for other in (DATA[0, :5], DATA[0].astype(np.uint8), DATA[0].astype(np.int16)):
        with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
            writer.write(DATA[0], metadata=None)
            writer.write(DATA[1], metadata=None)
            writer.write(other, metadata=None)
        with pytest.raises(InputError, match="page 2: found"):
            open_stack(tmp_path / "a.tif")


def test_pages_of_reduced_resolution_are_left_out(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for image in DATA:
            writer.write(image, metadata=None)
            writer.write(image[::4, ::4], metadata=None, subfiletype=1)
    opened = open_stack(tmp_path / "a.tif")
    assert opened.stack.shape == DATA.shape
    assert "6 pages of reduced resolution" in opened.notes[0]
    np.testing.assert_array_equal(opened.stack.grey(5), DATA[5])


def test_white_as_zero_is_reported(tmp_path: Path) -> None:
    opened = open_stack(write(tmp_path / "a.tif", photometric="miniswhite"))
    assert "--invert" in opened.notes[0]


def test_colour_pages(tmp_path: Path) -> None:
    rgb = np.repeat(DATA[:2, :, :, None].astype(np.uint8), 3, axis=-1)
    opened = open_stack(write(tmp_path / "grey.tif", rgb, photometric="rgb"))
    np.testing.assert_array_equal(opened.stack.grey(1), rgb[1, :, :, 0])
    assert "three equal channels" in opened.notes[0]
    rgb[0, 0, 0] = 1, 2, 3
    with pytest.raises(InputError, match="colour"):
        open_stack(write(tmp_path / "colour.tif", rgb, photometric="rgb"))


@pytest.mark.parametrize("is_big", [False, True])
@pytest.mark.parametrize("options", [{}, {"planarconfig": "separate"}, {"compression": "zlib"}])
def test_a_colour_page_among_grey_ones_is_called_so(options: dict[str, Any], is_big: bool, tmp_path: Path) -> None:
    grey = DATA[0].astype(np.uint8)
    colour = np.stack([grey, grey, 255 - grey], axis=0 if "planarconfig" in options else -1)
    with tifffile.TiffWriter(tmp_path / "a.tif", bigtiff=is_big) as writer:
        writer.write(grey, metadata=None)
        writer.write(colour, metadata=None, photometric="rgb", **options)
    with pytest.raises(InputError, match=r"a\.tif, page 1: found a colour picture \(RGB\), expected grey values"):
        open_stack(tmp_path / "a.tif")


def test_pages_that_differ_in_channels_or_kind_only_are_told_by_that(tmp_path: Path) -> None:
    grey = DATA[0].astype(np.uint8)
    others = {"unsigned, 3 channels": (np.stack([grey] * 3, axis=-1), "rgb"), "signed, 1 channel": (grey.view("i1"), 1)}
    for described, (other, photometric) in others.items():
        with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
            writer.write(grey, metadata=None)
            writer.write(other, metadata=None, photometric=photometric)
        size = "40 × 52 pixels of 8 bits"
        message = f"found {size} ({described}), expected {size} (unsigned, 1 channel) as in the first page"
        with pytest.raises(InputError, match=re.escape(message)):
            open_stack(tmp_path / "a.tif")


@pytest.mark.parametrize("tag", ["ImageWidth", "ImageLength", "BitsPerSample"])
@pytest.mark.parametrize("entry", [True, False])
@pytest.mark.parametrize("page", [0, 3])
def test_a_directory_with_zeroed_bytes_is_called_damaged(tag: str, entry: bool, page: int, tmp_path: Path) -> None:
    """The bytes of a whole entry of the directory, or of its value alone."""
    path = write(tmp_path / "a.tif", DATA.astype(np.uint8), compression="jpeg", tile=(16, 16), metadata=None)
    with tifffile.TiffFile(path) as tiff:
        at = tiff.pages[page].tags[tag].offset
    content = bytearray(path.read_bytes())
    content[at : at + 12] = bytes(12) if entry else content[at : at + 8] + bytes(4)
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.tif, page {page}: found a directory that lacks .* the file is damaged"):
        open_stack(path)


@pytest.mark.parametrize(
    "options", [{"metadata": None}, {"bigtiff": True}, {"imagej": True}, {"compression": "zlib"}, {"ome": True}]
)
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.5, 0.8, 0.99, 0.9999])
def test_a_file_that_breaks_off_is_refused_at_once(options: dict[str, Any], kept: float, tmp_path: Path) -> None:
    """Where only the last tags are cut off, all voxels are there and may be read."""
    content = write(tmp_path / "a.tif", **options).read_bytes()
    (tmp_path / "a.tif").write_bytes(content[: int(len(content) * kept)])
    try:
        stack = open_stack(tmp_path / "a.tif").stack
    except InputError as fault:
        assert "a.tif" in str(fault)  # noqa: PT017 - either outcome is right
    else:
        assert kept >= 0.99
        np.testing.assert_array_equal(np.stack([stack.grey(z) for z in range(6)]), DATA)


def test_a_lost_page_is_not_lost_silently(tmp_path: Path) -> None:
    """The link from page 2 to page 3 is cut: libraries see three pages."""
    path = write(tmp_path / "a.tif", imagej=False, metadata=None, byteorder="<")
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages[2].offset
        link = offset + 2 + 12 * len(tiff.pages[2].tags)
    content = bytearray(path.read_bytes())
    for target, message in ((len(content) + 8, "truncated or damaged"), (offset, "a circle")):
        content[link : link + 4] = struct.pack("<I", target)
        path.write_bytes(content)
        with pytest.raises(InputError, match=message):
            open_stack(path)


def test_fewer_pages_than_promised(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif", imagej=False) as writer:
        for image in DATA[:4]:
            writer.write(image, metadata=None, description="ImageJ=1.53\nimages=6\nslices=6\n", compression="zlib")
    with pytest.raises(InputError, match="found 4 pages, expected 6"):
        open_stack(tmp_path / "a.tif")


def test_damaged_pixels_are_named_by_page(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", compression="zlib")
    with tifffile.TiffFile(path) as tiff:
        begin = tiff.pages[3].dataoffsets[0]
    content = bytearray(path.read_bytes())
    content[begin : begin + 400] = bytes(400)
    path.write_bytes(content)
    stack = open_stack(path).stack
    np.testing.assert_array_equal(stack.grey(2), DATA[2])
    with pytest.raises(InputError, match="page 3"):
        stack.grey(3)


def test_complex_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="complex64"):
        open_stack(write(tmp_path / "a.tif", DATA.astype(np.complex64)))
