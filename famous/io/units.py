"""Units of length as files spell them, and voxel sizes put together from them."""

from collections.abc import Sequence

from famous.errors import InputError
from famous.voxels import VoxelSize

#: Spelling (lower case, after `_plain`) → length in nm.
_UNITS: dict[str, float] = {
    "pm": 1e-3, "picometer": 1e-3, "picometre": 1e-3,
    "a": 0.1, "å": 0.1, "ang": 0.1, "angstrom": 0.1, "ångström": 0.1, "angström": 0.1, "ångstrom": 0.1,
    "nm": 1.0, "nanometer": 1.0, "nanometre": 1.0, "nanomètre": 1.0,
    "um": 1e3, "micron": 1e3, "micrometer": 1e3, "micrometre": 1e3, "mic": 1e3,
    "mm": 1e6, "millimeter": 1e6, "millimetre": 1e6,
    "cm": 1e7, "centimeter": 1e7, "centimetre": 1e7,
    "m": 1e9, "meter": 1e9, "metre": 1e9,
    "in": 2.54e7, "inch": 2.54e7, "inche": 2.54e7,
}  # fmt: skip

#: Formats of files whose numbers are in the unit that the user gives.
IN_ANY_UNIT = ("meshes", "NIfTI", "NRRD", "Amira")
VOXEL_UNITS = ("voxel", "voxels", "pixel", "pixels", "px")  # of meshes alone

_SPELLINGS = (
    ("\\u00b5", "u"),  # ImageJ escapes the micro sign
    ("\\u03bc", "u"),
    ("\\u00c5", "å"),
    ("\\u00e5", "å"),
    ("âµ", "u"),  # "Âµ": UTF-8 read as Latin-1
    ("î¼", "u"),
    ("μ", "u"),
    ("µ", "u"),
    ("\u212b", "å"),  # the Ångström sign
)


def unit_nm(unit: str | bytes | None) -> float | None:
    """Return the length of a unit in nm, or None where it is no unit of length (pixel, none at all, unknown)."""
    if isinstance(unit, bytes):
        unit = unit.decode("utf-8", errors="replace")
    if not isinstance(unit, str):
        return None
    plain = unit.strip().strip("\0").strip('"').lower()
    for spelling, sign in _SPELLINGS:
        plain = plain.replace(spelling, sign)
    return _UNITS.get(plain, _UNITS.get(plain.rstrip("s").rstrip(".")))


def require_unit(unit: str) -> None:
    """Raise InputError where a text is neither a unit of length nor "voxel"."""
    if unit_nm(unit) is None and unit.strip().lower() not in VOXEL_UNITS:
        raise InputError(f"found {unit!r}, expected nm, µm, mm, Å or, of meshes, voxel")


def voxel_size_from(sizes: Sequence[object], unit: str | bytes | None) -> VoxelSize | None:
    """Return three sizes (z, y, x) in a unit as a VoxelSize; None where one is missing, no length or not positive."""
    factor = unit_nm(unit)
    if factor is None or len(sizes) != 3:
        return None
    try:
        lengths = [float(size) * factor for size in sizes]  # type: ignore[arg-type]
        return VoxelSize.from_zyx(lengths)
    except (InputError, TypeError, ValueError, OverflowError):
        return None
