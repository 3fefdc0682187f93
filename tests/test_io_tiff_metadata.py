"""What TIFF metadata say of a stack: sizes in any unit, counts of planes, and values that cannot be."""

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from famous.errors import InputError
from famous.io.stacks import open_stack
from famous.io.tiff_metadata import COARSEST_PIXEL_NM, FINEST_PIXEL_NM, TiffFacts, read_facts

DATA = np.zeros((6, 4, 5), np.uint8)
MICRONS = {"resolution": (200, 250), "resolutionunit": "NONE"}


def facts_of(path: Path) -> TiffFacts:
    with tifffile.TiffFile(path) as tiff:
        return read_facts(path, tiff, len(tiff.pages))


def facts(folder: Path, data: np.ndarray = DATA, **options: Any) -> TiffFacts:
    tifffile.imwrite(folder / "a.tif", data, **options)
    return facts_of(folder / "a.tif")


def imagej(folder: Path, text: str, **options: Any) -> TiffFacts:
    """Facts of a file with an ImageJ description that is written by hand."""
    description = f"ImageJ=1.54f\n{text}\n".encode()
    return facts(folder, description=description, metadata=None, **{**MICRONS, **options})


def ome(folder: Path, pixels: str, inside: str = "") -> TiffFacts:
    """Facts of a file with an OME description that is written by hand."""
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        f'<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" SizeX="5" SizeY="4" {pixels}>'
        f"{inside}<TiffData/></Pixels></Image></OME>"
    )
    return facts(folder, description=xml.encode(), metadata=None)


def zyx(found: TiffFacts) -> tuple[float, ...] | None:
    return None if found.voxel_size is None else tuple(round(side, 6) for side in found.voxel_size.zyx)


# ---- ImageJ ----


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("images=6\nslices=6\nunit=micron\nspacing=0.03", (30, 4, 5)),
        ("images=6\nslices=6\nunit=micron\nspacing=-0.03", (30, 4, 5)),  # Fiji writes it where the stack was turned
        ("images=6\nslices=6\nunit=nm\nspacing=30", None),
        ("images=6\nslices=6\nunit=micron\nzunit=nm\nspacing=30", (30, 4, 5)),
        ("images=6\nslices=6\nunit=micron\nyunit=mm\nspacing=0.03", (30, 4000, 5)),
        ("images=6\nslices=6\nunit=micron\nspacing=0", None),
        ("images=6\nslices=6\nunit=micron\nspacing=nan", None),
        ("images=6\nslices=6\nunit=micron\nspacing=inf", None),
        ("images=6\nslices=6\nunit=micron", None),
        ("images=6\nslices=6\nunit=furlong\nspacing=1", None),
        ("images=6\nslices=6\nspacing=1", None),
    ],
)
def test_imagej_sizes(tmp_path: Path, text: str, size: tuple[float, ...] | None) -> None:
    found = imagej(tmp_path, text)
    assert (zyx(found), found.expected_pages) == (size, 6)


@pytest.mark.parametrize("resolution", [(0, 0), (0, 250), (200, 0), ((0, 1), (0, 1))])
def test_a_resolution_of_nothing_is_no_size(tmp_path: Path, resolution: tuple[Any, Any]) -> None:
    found = imagej(tmp_path, "images=6\nslices=6\nunit=micron\nspacing=0.03", resolution=resolution)
    assert found.voxel_size is None


def test_imagej_without_spacing_tells_the_pixel(tmp_path: Path) -> None:
    found = imagej(tmp_path, "images=6\nslices=6\nunit=micron")
    assert found.notes == (
        "a.tif: it gives a pixel of 4 × 5 nm (y, x) but no distance between slices; "
        "give all three with --voxel-size Z Y X",
    )


@pytest.mark.parametrize(
    ("per_cm", "taken"),
    [(1e7 / FINEST_PIXEL_NM * 2, False), (1e7 / 0.02, True), (1e7 / 9000, True), (1e7 / COARSEST_PIXEL_NM / 2, False)],
)
def test_a_size_that_no_pixel_has_is_not_taken(tmp_path: Path, per_cm: float, taken: bool) -> None:
    found = imagej(
        tmp_path,
        "images=6\nslices=6\nunit=pixel\nspacing=0.03",
        resolution=(per_cm, per_cm),
        resolutionunit="CENTIMETER",
    )
    assert found.voxel_size is None
    assert found.notes == ()  # the description says pixels: nothing is known
    found = imagej(
        tmp_path,
        "images=6\nslices=6\nunit=cm\nspacing=0.0001",
        resolution=(per_cm, per_cm),
        resolutionunit="NONE",
    )
    assert (found.voxel_size is not None) == taken
    assert any("no pixel is" in note for note in found.notes) == (not taken)


@settings(max_examples=20)
@given(st.tuples(*[st.floats(0.5, 5000)] * 3), st.sampled_from([("nm", 1.0), ("micron", 1e3), ("mm", 1e6)]))
def test_any_size_comes_back_from_imagej(
    tmp_path_factory: pytest.TempPathFactory, size: tuple[float, float, float], unit: tuple[str, float]
) -> None:
    name, factor = unit
    z, y, x = (side / factor for side in size)
    found = facts(
        tmp_path_factory.getbasetemp(),
        imagej=True,
        resolution=(1 / x, 1 / y),
        resolutionunit="NONE",
        metadata={"axes": "ZYX", "spacing": z, "unit": name},
    )
    assert found.voxel_size is not None
    np.testing.assert_allclose(found.voxel_size.zyx, size, rtol=1e-5)


@pytest.mark.parametrize(
    ("text", "expected", "notes"),
    [
        ("images=6\nslices=6", 6, 0),
        ("images=6\nframes=6", 6, 1),
        ("images=6\nchannels=6", 6, 1),
        ("images=9\nslices=6", 9, 0),
        ("images=1\nslices=6", 6, 0),
        ("slices=1\nframes=1\nchannels=1", 1, 0),
    ],
)
def test_planes_of_imagej_are_counted(tmp_path: Path, text: str, expected: int, notes: int) -> None:
    found = imagej(tmp_path, text)
    assert found.expected_pages == expected
    assert len(found.notes) == notes
    assert all("are read as slices" in note for note in found.notes)


@pytest.mark.parametrize("text", ["channels=2\nslices=3", "slices=2\nframes=3", "channels=2\nframes=3"])
def test_two_counts_above_one_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"a\.tif: found \d channels, \d slices and \d time points, expected one"):
        imagej(tmp_path, f"images=6\n{text}")


# ---- OME ----


@pytest.mark.parametrize(
    ("pixels", "size"),
    [
        ('PhysicalSizeZ="0.03" PhysicalSizeY="0.004" PhysicalSizeX="0.005"', (30, 4, 5)),
        ('PhysicalSizeZ="30" PhysicalSizeZUnit="nm" PhysicalSizeY="0.004" PhysicalSizeX="0.005"', (30, 4, 5)),
        ('PhysicalSizeZ="1" PhysicalSizeZUnit="pixel" PhysicalSizeY="0.004" PhysicalSizeX="0.005"', None),
        ('PhysicalSizeZ="0" PhysicalSizeY="0.004" PhysicalSizeX="0.005"', None),
        ('PhysicalSizeZ="-1" PhysicalSizeY="0.004" PhysicalSizeX="0.005"', None),
        ('PhysicalSizeZ="NaN" PhysicalSizeY="0.004" PhysicalSizeX="0.005"', None),
        ('PhysicalSizeZ="0.03"', None),
        ("", None),
    ],
)
def test_ome_sizes(tmp_path: Path, pixels: str, size: tuple[float, ...] | None) -> None:
    found = ome(tmp_path, f'SizeZ="6" SizeC="1" SizeT="1" {pixels}')
    assert (zyx(found), found.expected_pages) == (size, 6)


@pytest.mark.parametrize(
    ("counts", "expected"), [('SizeZ="6"', 6), ('SizeT="6" SizeZ="1"', 6), ('SizeC="6"', 6), ("", 1)]
)
def test_planes_of_ome_are_counted(tmp_path: Path, counts: str, expected: int) -> None:
    assert ome(tmp_path, counts).expected_pages == expected


def test_several_channels_of_ome_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found 2 channels, 3 slices and 1 time points"):
        ome(tmp_path, 'SizeZ="3" SizeC="2" SizeT="1"')


@pytest.mark.parametrize("damage", [('SizeZ="6"', 'SizeZ="six"'), ('SizeZ="6"', 'SizeZ="6'), ("</OME>", "</OMX>")])
def test_damaged_ome_is_a_message_about_the_file(tmp_path: Path, damage: tuple[str, str]) -> None:
    path = tmp_path / "d ü.ome.tif"
    ome(tmp_path, 'SizeZ="6"')
    content = (tmp_path / "a.tif").read_bytes()
    assert damage[0].encode() in content
    path.write_bytes(content.replace(damage[0].encode(), damage[1].ljust(len(damage[0])).encode()[: len(damage[0])]))
    try:
        found = facts_of(path)
    except (ParseError, ValueError):  # what the net of `open_stack` catches
        with pytest.raises(InputError, match=r"d ü\.ome\.tif"):
            open_stack(path)
    else:
        assert found.voxel_size is None


def test_ome_without_pixels_says_nothing(tmp_path: Path) -> None:
    xml = '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"></OME>'
    found = facts(tmp_path, description=xml.encode(), metadata=None)
    assert (found.voxel_size, found.expected_pages, found.notes) == (None, 0, ())


def test_ome_with_pixels_but_no_depth_tells_the_pixel(tmp_path: Path) -> None:
    (note,) = ome(tmp_path, 'SizeZ="6" PhysicalSizeY="0.004" PhysicalSizeX="0.005"').notes
    assert "a pixel of 4 × 5 nm (y, x) but no distance between slices" in note


# ---- tifffile's own, and none ----


def test_nothing_said_is_nothing_known(tmp_path: Path) -> None:
    found = facts(tmp_path, metadata=None)
    assert found == TiffFacts(None, (), 0, None)


def test_the_planes_that_tifffile_promises(tmp_path: Path) -> None:
    assert facts(tmp_path, photometric="minisblack").expected_pages == 6
    assert facts(tmp_path, np.zeros((2, 3, 4, 5), np.uint8), photometric="minisblack").expected_pages == 6
    assert facts(tmp_path, DATA[0]).expected_pages == 0


@pytest.mark.parametrize(
    ("unit", "resolution", "said"),
    [
        ("CENTIMETER", (2e6, 2.5e6), "a pixel of 4 × 5 nm (y, x)"),
        ("INCH", (2.54e7 / 5, 2.54e7 / 4), "a pixel of 4 × 5 nm (y, x)"),
        ("NONE", (2e6, 2.5e6), None),
        ("INCH", (300, 300), None),
        ("CENTIMETER", (4e9, 4e9), None),
        ("CENTIMETER", (0, 2e6), None),
    ],
)
def test_resolution_tags_alone(tmp_path: Path, unit: str, resolution: tuple[float, float], said: str | None) -> None:
    found = facts(tmp_path, metadata=None, resolution=resolution, resolutionunit=unit)
    assert found.voxel_size is None
    assert len(found.notes) == (said is not None)
    assert said is None or said in found.notes[0]


def test_white_stored_as_0_is_told(tmp_path: Path) -> None:
    (note,) = facts(tmp_path, metadata=None, photometric="miniswhite").notes
    assert "white is stored as 0; give --invert" in note


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_one_page_that_stands_for_a_stack(tmp_path: Path, byteorder: Any) -> None:
    data = np.arange(6 * 4 * 5, dtype="u2").reshape(6, 4, 5)
    options: dict[str, Any] = {"photometric": "minisblack", "byteorder": byteorder, "truncate": True}
    planes = facts(tmp_path, data, **options).planes
    assert planes is not None
    shape, dtype, offset = planes
    assert shape == (6, 4, 5)
    raw = (tmp_path / "a.tif").read_bytes()
    assert (np.frombuffer(raw, dtype, 120, offset).reshape(shape) == data).all()
    assert facts(tmp_path, data[:1], photometric="minisblack", metadata=None).planes is None


def test_a_page_of_five_axes_is_no_stack(tmp_path: Path) -> None:
    data = np.zeros((2, 3, 4, 5), np.uint8)
    with pytest.raises(InputError, match=r"expected one stack of slices \(z, y, x\)"):
        facts(tmp_path, data, photometric="minisblack", truncate=True)
