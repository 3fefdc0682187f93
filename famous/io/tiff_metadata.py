"""What the metadata of a TIFF file say: the voxel size (ImageJ, OME), and how its planes are counted."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from famous.errors import InputError
from famous.io.units import unit_nm, voxel_size_from
from famous.voxels import VoxelSize

if TYPE_CHECKING:
    import tifffile

FINEST_PIXEL_NM = 0.01  # a smaller pixel than the atom's tenth is a resolution in another unit
COARSEST_PIXEL_NM = 10_000.0  # a larger pixel is print resolution (72 dpi = 350 µm), no size of a voxel

_RESOLUTION_UNITS = {2: ("inch", 2.54e7), 3: ("cm", 1e7)}  # tag 296 → name, nm

WHITE_IS_ZERO = "white is stored as 0"  # of grey values; ids are what they are


@dataclass(frozen=True)
class TiffFacts:
    """The metadata of a file that make a stack of it.

    `expected_pages` is how many planes the description promises (0 where it promises none). `planes` is set where one
    page stands for the whole stack: shape (z, y, x), dtype as stored, and the byte where the raw voxels begin (−1 where
    they are compressed).
    """

    voxel_size: VoxelSize | None
    notes: tuple[str, ...]
    expected_pages: int
    planes: tuple[tuple[int, ...], np.dtype[Any], int] | None


def read_facts(path: Path, tiff: "tifffile.TiffFile", n_pages: int) -> TiffFacts:
    """Read the metadata; InputError where the file holds several channels or time points as well as slices."""
    notes: list[str] = []
    first = tiff.pages.first
    voxel_size: VoxelSize | None = None
    expected = 0
    if tiff.is_ome:
        voxel_size, expected = _read_ome(path, tiff.ome_metadata or "", notes)
    elif tiff.is_imagej:
        voxel_size, expected = _read_imagej(path, tiff.imagej_metadata or {}, first, notes)
    else:
        if tiff.is_shaped:
            expected = _shaped_pages(tiff)
        _note_pixel_size(path, _plain_pixel_nm(first), notes)
    if first.photometric == 0:
        notes.append(f"{path.name}: {WHITE_IS_ZERO}; give --invert where the picture looks like a negative")
    planes = _planes(path, tiff, notes) if n_pages == 1 else None
    return TiffFacts(voxel_size, tuple(notes), expected, planes)


def _planes(
    path: Path, tiff: "tifffile.TiffFile", notes: list[str]
) -> tuple[tuple[int, ...], np.dtype[Any], int] | None:
    """Describe a stack that one page stands for; None where the page is a single slice."""
    series = tiff.series[0]
    every = zip(series.get_axes(squeeze=False), series.get_shape(squeeze=False), strict=True)
    lengths = [(axis, size) for axis, size in every if size != 1 or axis in "YX"]
    axes, shape = "".join(axis for axis, _ in lengths), tuple(size for _, size in lengths)
    if axes in ("YX", "YXS"):
        return None
    if len(axes) != 3 or not axes.endswith("YX"):
        raise InputError(f"{path}: found the axes {axes} {shape}, expected one stack of slices (z, y, x)")
    if axes == "SYX":
        notes.append(f"{path.name}: the {shape[0]} planes of its one page are read as slices")
    order = np.dtype(series.dtype).newbyteorder(tiff.byteorder)
    return shape, order, -1 if series.dataoffset is None else int(series.dataoffset)


def _shaped_pages(tiff: "tifffile.TiffFile") -> int:
    """Count the planes that tifffile's own description promises, 0 where one page holds them all."""
    metadata: dict[str, Any] = (tiff.shaped_metadata or ({},))[0]
    shape = tuple(int(size) for size in metadata.get("shape", ()))
    if metadata.get("truncated") or len(shape) < 3:
        return 0
    page = tiff.pages.first
    return int(np.prod(shape, dtype=object)) // max(1, int(np.prod(page.shape, dtype=object)))


def _read_imagej(
    path: Path, metadata: dict[str, Any], page: "tifffile.TiffPage", notes: list[str]
) -> tuple[VoxelSize | None, int]:
    channels, slices, frames = (int(metadata.get(key, 1)) for key in ("channels", "slices", "frames"))
    expected = max(int(metadata.get("images", 1)), _depth(path, channels, slices, frames, notes))
    unit = metadata.get("unit")
    pixel_nm = _imagej_pixel_nm(path, page, (unit_nm(metadata.get("yunit", unit)), unit_nm(unit)), notes)
    depth_nm, spacing = unit_nm(metadata.get("zunit", unit)), metadata.get("spacing")
    if pixel_nm is None or depth_nm is None or spacing is None:
        _note_pixel_size(path, pixel_nm, notes)
        return None, expected
    return voxel_size_from((abs(float(spacing)) * depth_nm, *pixel_nm), "nm"), expected


def _imagej_pixel_nm(
    path: Path, page: "tifffile.TiffPage", units_nm: tuple[float | None, float | None], notes: list[str]
) -> tuple[float, float] | None:
    """Return the pixel size (y, x): the resolution counts pixels per the description's unit, as ImageJ reads it.

    Some writers mean the unit of the resolution tag (cm) beside a description in microns; that reading is taken where
    ImageJ's gives no size a pixel can have.
    """
    y, x = (_per_unit(page, name) for name in ("YResolution", "XResolution"))
    y_nm, x_nm = units_nm
    if y is not None and x is not None and y_nm is not None and x_nm is not None:
        described = y * y_nm, x * x_nm
        if _is_pixel(described):
            return described
    tagged = _plain_pixel_nm(page)
    if tagged is not None and _is_pixel(tagged) and y_nm is not None:
        notes.append(f"{path.name}: its resolution is taken per {_RESOLUTION_UNITS[_resolution_unit(page)][0]}")
        return tagged
    if y is not None and x is not None and y_nm is not None and x_nm is not None:
        notes.append(f"{path.name}: no pixel is {y * y_nm:g} × {x * x_nm:g} nm (y, x), as it says; that is left out")
    return None


def _is_pixel(size_nm: tuple[float, float]) -> bool:
    return FINEST_PIXEL_NM <= min(size_nm) <= max(size_nm) <= COARSEST_PIXEL_NM


def _read_ome(path: Path, xml: str, notes: list[str]) -> tuple[VoxelSize | None, int]:
    pixels = next(
        (node for node in ElementTree.fromstring(xml).iter() if node.tag.rpartition("}")[2] == "Pixels"), None
    )
    if pixels is None:
        return None, 0
    channels, slices, frames = (int(pixels.get(f"Size{axis}", "1")) for axis in "CZT")
    expected = _depth(path, channels, slices, frames, notes)
    lengths: list[float | None] = []
    for axis in "ZYX":
        size, factor = pixels.get(f"PhysicalSize{axis}"), unit_nm(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
        lengths.append(float(size) * factor if size is not None and factor is not None else None)
    voxel_size = voxel_size_from(lengths, "nm")
    if voxel_size is None and lengths[1] is not None and lengths[2] is not None:
        _note_pixel_size(path, (lengths[1], lengths[2]), notes)
    return voxel_size, expected


def _depth(path: Path, channels: int, slices: int, frames: int, notes: list[str]) -> int:
    """Return the number of slices: whichever of the three counts is above 1; InputError where two are."""
    counts = {"slices": slices, "channels": channels, "time points": frames}
    several = [name for name, count in counts.items() if count > 1]
    if len(several) > 1:
        raise InputError(
            f"{path}: found {channels} channels, {slices} slices and {frames} time points, "
            "expected one channel at one time; save the channel to be worked on as a stack of its own"
        )
    if several and several[0] != "slices":
        notes.append(f"{path.name}: its {counts[several[0]]} {several[0]} are read as slices")
    return max(counts.values())


def _per_unit(page: "tifffile.TiffPage", name: str) -> float | None:
    """Return the length of a pixel in the file's unit: the inverse of a resolution tag."""
    tag = page.tags.get(name)
    if tag is None:
        return None
    numerator, denominator = tag.value
    return float(denominator) / float(numerator) if numerator and denominator else None


def _plain_pixel_nm(page: "tifffile.TiffPage") -> tuple[float, float] | None:
    """Return the pixel size (y, x) of the resolution tags; None where it is print resolution or a count of pixels."""
    unit = _RESOLUTION_UNITS.get(_resolution_unit(page))
    y, x = (_per_unit(page, name) for name in ("YResolution", "XResolution"))
    if unit is None or y is None or x is None:
        return None
    return y * unit[1], x * unit[1]


def _resolution_unit(page: "tifffile.TiffPage") -> int:
    tag = page.tags.get("ResolutionUnit")
    return 0 if tag is None else int(tag.value)


def _note_pixel_size(path: Path, pixel_nm: tuple[float, float] | None, notes: list[str]) -> None:
    if pixel_nm is None or not _is_pixel(pixel_nm):
        return
    notes.append(
        f"{path.name}: it gives a pixel of {pixel_nm[0]:g} × {pixel_nm[1]:g} nm (y, x) but no distance between slices; "
        "give all three with --voxel-size Z Y X"
    )
