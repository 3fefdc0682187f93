"""`famous info`: what a stack is, and how far its run is."""

import os
import shlex
from typing import Any

from famous.errors import InputError
from famous.pipeline import manifest
from famous.pipeline.mesh import measure_stage
from famous.pipeline.project import Project, project_folder
from famous.pipeline.train import read_annotations
from famous.voxels import NM_PER_UM
from famous.words import counted
from famous.yolo.card import FILE_NAME, metric_lines, read_card


def info(project: Project) -> dict[str, Any]:
    """Return what is known of a stack and its folder, for scripts: numbers, with their unit in the key.

    `stages` holds those that were done, also if something has changed since; then `next` says which command to run.
    `model` is the card of the detector that was trained on this stack. What is unknown is None.
    """
    stack = project.stack
    size = stack.voxel_size
    labelled = read_annotations(project)
    records = {name: manifest.read(project.manifest_of(name)).get(name) for name in manifest.ORDER}
    found: dict[str, Any] = {
        "stack": stack.name,
        "format": project.opened.format,
        "slices": stack.shape[0],
        "shape": stack.shape,
        "dtype": str(stack.volume.dtype),
        "voxel_size_nm": size.zyx if size else None,
        "extent_um": size and tuple(n * side / NM_PER_UM for n, side in zip(stack.shape, size.zyx, strict=True)),
        "origin_nm": project.opened.origin_nm,
        "window": (stack.window.low, stack.window.high) if stack.window else None,
        "inverted": stack.inverted,
        "folder": project.folder,
        "boxes": len(labelled.boxes) if labelled else 0,
        "slices_done": sorted(labelled.done) if labelled else [],
        "model": read_card(project.model) if (project.model / FILE_NAME).exists() else None,
        "stages": {
            name: {"seconds": record.seconds, "peak_memory_mb": record.peak_memory_mb}
            for name, record in records.items()
            if record is not None
        },
        "next": None,
    }
    if not size:
        found["next"] = f"the voxel size is unknown; run `{_first_command(project)}`"
    elif not project.folder.exists():
        found["next"] = f"nothing is done yet; run `{_first_command(project)}`"
    else:
        try:
            measure_stage(project)[0].require()
        except InputError as problem:
            found["next"] = str(problem)
    return found


def _first_command(project: Project) -> str:
    """Return the command that begins a run of a stack that has no folder or no voxel size yet."""
    stack = os.path.normpath(project.folder / (project.config.stack or project.stack.name))
    elsewhere = [] if project.folder == project_folder(stack) else ["--folder", str(project.folder)]
    size = "" if project.stack.voxel_size else " --voxel-size Z Y X"
    return shlex.join(["famous", "run", stack, *elsewhere]) + size


def describe(project: Project, found: dict[str, Any]) -> dict[str, str]:
    """Put what `info` found into words, by name, in the order to show."""
    depth, height, width = found["shape"]
    told = {
        "stack": str(found["stack"]),
        "format": str(found["format"]),
        "slices": str(depth),
        "slice": f"{height} × {width} {found['dtype']}",
        "voxel size": str(project.stack.voxel_size or f"unknown; give it to `{_first_command(project)}`"),
    }
    if any(found["origin_nm"]):
        told["origin"] = ", ".join(f"{side:g}" for side in found["origin_nm"]) + " nm (z, y, x)"
    if found["extent_um"]:
        told["extent"] = " × ".join(f"{side:.3g}" for side in found["extent_um"]) + " µm (z, y, x)"
    if found["window"]:
        low, high = found["window"]
        told["window"] = f"{low:g} … {high:g}" + (", inverted" if found["inverted"] else "")
    told["folder"] = f"{project.folder}" + ("" if project.folder.exists() else " (not made yet)")
    drawn = found["boxes"] or found["slices_done"]
    labelled = f"{counted(found['boxes'], 'box', 'boxes')}, {counted(len(found['slices_done']), 'slice')} done"
    told["labelled"] = labelled if drawn else "nothing yet"
    if found["model"]:
        slices = counted(len(found["model"].slices), "slice")
        told["model"] = f"trained on {slices}; " + "; ".join(metric_lines(found["model"]))
    for stage in manifest.ORDER:
        record = found["stages"].get(stage)
        told[stage] = "not done"
        if record is not None:
            told[stage] = f"done in {record['seconds']:.1f} s, peak memory {record['peak_memory_mb']:,.0f} MB"
    if found["next"]:
        told["next"] = found["next"]
    return told
