"""Units as files spell them."""

import pytest

from famous.errors import InputError
from famous.io.units import require_unit, unit_nm, voxel_size_from
from famous.voxels import VoxelSize


@pytest.mark.parametrize(
    ("unit", "nm"),
    [
        ("nm", 1), ("nanometer", 1), ("Nanometers", 1), (" nm ", 1), (b"nm", 1), ("nm\0", 1), ('"nm"', 1),
        ("µm", 1e3), ("μm", 1e3), ("um", 1e3), ("micron", 1e3), ("microns", 1e3), ("micrometer", 1e3), ("mic.", 1e3),
        ("\\u00B5m", 1e3), ("\\u00b5m", 1e3), ("Âµm", 1e3), ("µm".encode(), 1e3),
        ("Å", 0.1), ("\u212b", 0.1), ("angstrom", 0.1), ("Angstroms", 0.1), ("\\u00C5", 0.1), ("Ångström", 0.1),
        ("mm", 1e6), ("cm", 1e7), ("inch", 2.54e7), ("inches", 2.54e7), ("m", 1e9), ("meter", 1e9), ("pm", 1e-3),
    ],
)  # fmt: skip
def test_units_of_length(unit: str | bytes, nm: float) -> None:
    assert unit_nm(unit) == nm


@pytest.mark.parametrize(
    "unit", [None, "", "pixel", "pixels", "voxel", "sec", "dpi", "reference frame", "\\u00B5", "px", b"\xff"]
)
def test_what_is_no_unit_of_length(unit: str | bytes | None) -> None:
    assert unit_nm(unit) is None


def test_a_unit_is_a_length_or_the_voxel() -> None:
    for unit in ("nm", "µm", "voxel", "px"):
        require_unit(unit)
    with pytest.raises(InputError, match="found 'furlong', expected nm, µm, mm, Å or, of meshes, voxel"):
        require_unit("furlong")


def test_voxel_sizes_are_zyx() -> None:
    assert voxel_size_from((0.03, 0.004, 0.005), "µm") == VoxelSize(30, 4, 5)
    assert voxel_size_from(("300", "40", "50"), "Å") == VoxelSize(30, 4, 5)


@pytest.mark.parametrize(
    "sizes",
    [(1, 2), (1, 2, 0), (1, 2, -1), (1, 2, None), (1, 2, "wide"), (1, 2, float("nan")), (1, 2, 1e308), (1, [], 2)],
)
def test_what_is_no_voxel_size(sizes: tuple[object, ...]) -> None:
    assert voxel_size_from(sizes, "cm") is None


def test_no_unit_no_voxel_size() -> None:
    assert voxel_size_from((1, 1, 1), "pixel") is None
