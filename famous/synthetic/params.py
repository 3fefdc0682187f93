"""What a phantom is made of and how it was imaged."""

import math
from dataclasses import dataclass, field, fields

from famous.errors import InputError
from famous.voxels import VoxelSize

CLASS_NAMES = ("mitochondrion", "nucleus", "early endosome", "late endosome", "lysosome")


@dataclass(frozen=True)
class PhantomParams:
    """A phantom: its size, its objects, and the microscope's faults. Same values, same bytes."""

    shape: tuple[int, int, int] = (64, 512, 512)  # slices, rows, columns
    voxel_size: VoxelSize = field(default_factory=lambda: VoxelSize(8.0, 8.0, 8.0))
    seed: int = 0
    nucleus_radius_nm: float | None = None  # of every cell; None: 0.28 of the field, 1100 … 3500; 0: none
    mitochondria: float = 0.8  # per µm³ of cytoplasm, as the next three
    early_endosomes: float = 0.7
    late_endosomes: float = 0.7
    lysosomes: float = 0.7
    touching: float = 0.0  # fraction of the mitochondria that a second one touches
    warp: float = 1.0  # how much shapes are bent out of the geometric; volumes stay exact; 0: not
    noise: float = 1.0  # as a multiple of a typical FIB-SEM's
    blur_nm: float = 5.0  # standard deviation of the beam's blur
    subslices: int = 1  # images averaged over the depth of a slice; 1: the slice is its middle plane
    drift_nm: float = 0.0  # standard deviation of the slices' lateral displacement, most of it slow
    contrast_jumps: float = 0.0  # jumps in brightness and contrast per slice (0.05: one in 20 slices)
    missing: float = 0.0  # fraction of slices that are lost: all black, without boxes
    streaks: float = 0.0  # standard deviation of vertical streaks (curtaining), grey values
    gamma: float = 1.0  # the detector's; above 1 darkens

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or any(not _is_whole(n) or n < 1 for n in self.shape):
            raise InputError(f"phantom: found shape {self.shape}, expected three whole numbers (z, y, x) above 0")
        for knob in fields(self):
            value = getattr(self, knob.name)
            if isinstance(value, float | int) and knob.name != "seed" and not (math.isfinite(value) and value >= 0):
                raise InputError(f"phantom: {knob.name}: found {value}, expected a finite number from 0 up")
        for name in ("touching", "missing", "contrast_jumps"):
            if getattr(self, name) > 1:
                raise InputError(f"phantom: {name}: found {getattr(self, name)}, expected a fraction in 0 … 1")
        if isinstance(self.seed, bool) or not _is_whole(self.seed) or self.seed < 0:
            raise InputError(f"phantom: seed: found {self.seed!r}, expected a whole number from 0 up")
        if self.subslices < 1 or not _is_whole(self.subslices) or self.gamma == 0:
            raise InputError("phantom: subslices must be a whole number above 0, and gamma above 0")

    @property
    def extent_nm(self) -> tuple[float, float, float]:
        """Size of the stack, (z, y, x)."""
        z, y, x = (n * size for n, size in zip(self.shape, self.voxel_size.zyx, strict=True))
        return z, y, x

    @property
    def nucleus_nm(self) -> float:
        """Mean radius of the nuclei; 0 where there is none."""
        if self.nucleus_radius_nm is not None:
            return self.nucleus_radius_nm
        return min(max(0.28 * max(self.extent_nm[1:]), 1100.0), 3500.0)


def _is_whole(number: float) -> bool:
    return math.isfinite(number) and int(number) == number


#: the stack in data/
SAMPLE = PhantomParams(shape=(36, 280, 280), voxel_size=VoxelSize(12.0, 12.0, 12.0), seed=6)
