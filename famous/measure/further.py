"""Measures that cost more than the mesh: thickness and centre line. They are made where they are asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from famous.measure.skeleton import SkeletonParams, skeletonize
from famous.measure.thickness import ThicknessParams, local_thickness
from famous.mesh import Mesh
from famous.voxels import NM_PER_UM

THICKNESS = ("thickness_mean_um", "thickness_max_um")
SKELETON = ("skeleton_length_um", "n_branches", "n_branch_points")
NESTING = (
    "inside_id",
    "fenestrated_percent",
    "membrane_distance_mean_um",
    "membrane_distance_min_um",
    "membrane_proximity",
)


@dataclass(frozen=True)
class MeasureParams:
    """What is measured besides the columns that every run has."""

    thickness: ThicknessParams = field(default_factory=ThicknessParams)
    skeleton: SkeletonParams = field(default_factory=SkeletonParams)
    inside: Mapping[str, str] = field(default_factory=dict)  # class → class round it, e.g. nucleolus: nucleus

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the further columns, in order."""
        thickness = THICKNESS if self.thickness.wanted else ()
        skeleton = SKELETON if self.skeleton.wanted else ()
        return (*thickness, *skeleton, *(NESTING if self.inside else ()))

    def everything(self) -> "MeasureParams":
        """Return the same with thickness and centre line on."""
        return replace(
            self, thickness=replace(self.thickness, wanted=True), skeleton=replace(self.skeleton, wanted=True)
        )


def measure_further(mesh: Mesh, params: MeasureParams) -> dict[str, float | int]:
    """Measure thickness and centre line of a closed mesh, as far as the parameters ask for them; NaN for none."""
    row: dict[str, float | int] = {}
    if params.thickness.wanted:
        thickness = local_thickness(mesh, params.thickness)
        row |= zip(THICKNESS, (thickness.mean_nm / NM_PER_UM, thickness.max_nm / NM_PER_UM), strict=True)
    if params.skeleton.wanted:
        line = skeletonize(mesh, params.skeleton)
        row |= zip(SKELETON, (line.length_nm / NM_PER_UM, line.branches, line.branch_points), strict=True)
    return row
