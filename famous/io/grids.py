"""Where label volumes lie: shape, voxel size and first corner; and several brought to one grid, lazily."""

from dataclasses import dataclass

from famous.voxels import VoxelSize


@dataclass(frozen=True)
class Grid:
    """The voxels of a volume in space.

    `origin_nm` (z, y, x) is the outer corner of the first voxel, not its centre. `slice_names` are the files of a stack
    that is a folder of slices: boxes that were drawn elsewhere are matched by them.
    """

    shape: tuple[int, int, int]
    voxel_size: VoxelSize
    origin_nm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    slice_names: tuple[str, ...] | None = None

    @property
    def high_nm(self) -> tuple[float, float, float]:
        """The far corner of the last voxel (z, y, x)."""
        z, y, x = (o + n * s for o, n, s in zip(self.origin_nm, self.shape, self.voxel_size.zyx, strict=True))
        return z, y, x

    def __str__(self) -> str:
        sides = ", ".join(
            f"{axis} {low / 1000:.6g} … {high / 1000:.6g}"
            for axis, low, high in zip("zyx", self.origin_nm, self.high_nm, strict=True)
        )
        count = " × ".join(str(length) for length in self.shape)
        return f"{count} voxels of {self.voxel_size}: {sides} µm"
