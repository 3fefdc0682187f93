"""The voxel size in nanometres, and the only conversions between voxel indices, nanometres and axis orders."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from famous.errors import InputError

NM_PER_UM = 1000.0
LONGEST_NM = 1e9  # a side of a metre is a mistake of units
FLATTEST = 200.0  # as is a side so many times as long as another


@dataclass(frozen=True, slots=True)
class VoxelSize:
    """Edge lengths of one voxel in nm, in the order (z, y, x); three finite floats above zero, never rounded."""

    z: float
    y: float
    x: float

    def __post_init__(self) -> None:
        for axis in ("z", "y", "x"):
            value = getattr(self, axis)
            if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
                raise InputError(f"voxel size along {axis}: found {value!r}, expected a length in nm")
            try:
                length = float(value)
            except OverflowError:
                length = math.inf
            if not (math.isfinite(length) and length > 0):
                raise InputError(f"voxel size along {axis}: found {length} nm, expected a finite length above 0")
            object.__setattr__(self, axis, length)

    @classmethod
    def from_zyx(cls, sizes_nm: Iterable[float]) -> "VoxelSize":
        """Take three lengths in nm, (z, y, x)."""
        sizes = tuple(sizes_nm)
        if len(sizes) != 3:
            raise InputError(f"voxel size: found {len(sizes)} lengths, expected three (z, y, x) in nm")
        return cls(*sizes)

    def require_plausible(self) -> None:
        """Refuse lengths that cannot be meant, on which work would never end: InputError."""
        if max(self.zyx) > min(LONGEST_NM, FLATTEST * min(self.zyx)):
            raise InputError(f"voxel size: found {self}, which no microscope makes; expected three lengths in nm")

    @property
    def zyx(self) -> tuple[float, float, float]:
        """The three lengths as a tuple, nm."""
        return self.z, self.y, self.x

    @property
    def volume_nm3(self) -> float:
        """Volume of one voxel."""
        return self.z * self.y * self.x

    @property
    def pixel_nm(self) -> float:
        """Side of the square with a pixel's area: the scale of everything that is done inside one slice."""
        return math.sqrt(self.y * self.x)

    def to_pixels(self, length_nm: float) -> float:
        """Convert an in-plane length to pixels, as a fraction."""
        return length_nm / self.pixel_nm

    def is_close(self, other: "VoxelSize", *, relative: float = 1e-3) -> bool:
        """Tell whether both sizes agree along each axis to a relative difference."""
        return all(math.isclose(a, b, rel_tol=relative) for a, b in zip(self.zyx, other.zyx, strict=True))

    def __str__(self) -> str:
        return " × ".join(f"{value:g}" for value in self.zyx) + " nm (z, y, x)"


def index_to_nm(index: NDArray[Any], voxel_size: VoxelSize) -> NDArray[np.float64]:
    """Positions of voxel centres: (..., 3) indices (z, y, x) to nm; the centre of voxel i lies at (i + 0.5) · size."""
    position: NDArray[np.float64] = (np.asarray(index, dtype=np.float64) + 0.5) * np.asarray(voxel_size.zyx)
    return position


def nm_to_index(position_nm: NDArray[Any], voxel_size: VoxelSize) -> NDArray[np.float64]:
    """Fractional voxel indices (z, y, x) of (..., 3) positions in nm; the inverse of `index_to_nm`."""
    index: NDArray[np.float64] = np.asarray(position_nm, dtype=np.float64) / np.asarray(voxel_size.zyx) - 0.5
    return index


def zyx_to_xyz(coordinates: NDArray[Any]) -> NDArray[Any]:
    """Reverse the last axis of (..., 3) coordinates; its own inverse. A reflection: faces must be reversed too."""
    return np.ascontiguousarray(np.asarray(coordinates)[..., ::-1])
