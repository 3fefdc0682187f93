"""`famous info`: what a stack is, and how far its run is."""

from typing import Any

from famous.errors import InputError
from famous.pipeline import manifest
from famous.pipeline.mesh import measure_stage
from famous.pipeline.project import Project
from famous.pipeline.train import read_annotations


def describe(project: Project) -> dict[str, Any]:
    """Return what is known of a stack and its folder, by name, in the order to show."""
    stack = project.stack
    depth, height, width = stack.shape
    labelled = read_annotations(project)
    found: dict[str, Any] = {
        "stack": stack.name,
        "slices": depth,
        "slice": f"{height} × {width} {stack.volume.dtype}",
        "voxel size": str(stack.voxel_size) if stack.voxel_size else "unknown; give --voxel-size Z Y X",
    }
    if stack.voxel_size:
        sides = [side * count / 1000 for side, count in zip(stack.voxel_size.zyx, stack.shape, strict=True)]
        found["extent"] = " × ".join(f"{side:.3g}" for side in sides) + " µm (z, y, x)"
    if stack.window:
        found["window"] = f"{stack.window.low:g} … {stack.window.high:g}" + (", inverted" if stack.inverted else "")
    found["folder"] = f"{project.folder}" + ("" if project.folder.exists() else " (not made yet)")
    found["labelled"] = (
        f"{len(labelled.boxes):,} boxes, {len(labelled.done):,} slices done" if labelled else "nothing yet"
    )
    for stage in manifest.ORDER:
        record = manifest.read(project.manifest_of(stage)).get(stage)
        found[stage] = "not done"
        if record is not None:
            found[stage] = f"done in {record.seconds:.1f} s, peak memory {record.peak_memory_mb:,.0f} MB"
    if stack.voxel_size:
        try:
            measure_stage(project)[0].require()
        except InputError as problem:
            found["next"] = str(problem)
    return found
