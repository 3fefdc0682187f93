"""Stage extract: boxes → box-id volumes in `run/labels.ome.zarr`, and the pixels of each box."""

import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous.boxes import COLUMNS
from famous.config import method_of, plain
from famous.extract import Extractor, MaskNetParams, RecipeParams, extract_slice
from famous.io.label_store import LabelStore
from famous.io.tables import read_parquet, write_parquet
from famous.labels import count_areas
from famous.parallel import in_turn
from famous.pipeline import detect
from famous.pipeline.known_classes import check_classes
from famous.pipeline.parts import shares
from famous.pipeline.project import Project
from famous.pipeline.referee import asks_referee, recipes_of, run_referee
from famous.pipeline.stage import Session, Stage, run_parts
from famous.stack import Stack, slabs
from famous.voxels import VoxelSize
from famous.yolo.masknet import masknet_digest, open_extractor

BLOCK = 16
READING = threading.Lock()  # readers of stacks are not made for several threads


@dataclass(frozen=True)
class BlockExtractor:
    """Turns the boxes of a block of slices into pixels; picklable."""

    stack: Stack
    voxel_size: VoxelSize
    recipes: Mapping[str, RecipeParams]
    exclusive: tuple[tuple[str, ...], ...]
    store: Path
    table: Path
    model: Path  # folder of what was trained on this stack

    def __call__(self, block: range) -> pd.DataFrame:
        """Write the box ids of these slices; returns columns box, pixels."""
        opened = {recipe: open_extractor(recipe, self.model) for recipe in dict.fromkeys(self.recipes.values())}
        extractors: dict[str, Extractor] = {name: opened[recipe] for name, recipe in self.recipes.items()}
        store = LabelStore.open(self.store)
        rows = read_once(self.table)
        rows = rows[rows["z"].between(block.start, block.stop - 1)]
        own = columns_by_slice(rows)
        counted = []
        channels = max((getattr(extractor, "channels", 3) for extractor in extractors.values()), default=1)
        for z, slab in in_turn(slabs(self.stack, own, channels), READING):
            images = extract_slice(slab, own[z], extractors, voxel_size=self.voxel_size, exclusive=self.exclusive)
            for name in dict.fromkeys(own[z]["class_name"].tolist()):
                ids, pixels = count_areas(images[name])
                if len(ids):
                    store.write_boxes(name, z, images[name])
                    counted.append((ids, pixels))
        return _as_table(counted)


def columns_by_slice(table: pd.DataFrame) -> dict[int, dict[str, NDArray[Any]]]:
    """Cut a box table into its slices, z rising, each as its columns: thousands of small tables take their time."""
    columns = {name: table[name].to_numpy(object if name == "class_name" else None) for name in COLUMNS}
    rows = {z: np.flatnonzero(columns["z"] == z) for z in np.unique(columns["z"]).tolist()}
    return {z: {name: column[own] for name, column in columns.items()} for z, own in rows.items()}


def read_once(table: Path) -> pd.DataFrame:
    """Read a table once a process, for as long as its file stays as it is."""
    return _read_once(table, table.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _read_once(table: Path, _changed: int) -> pd.DataFrame:
    return read_parquet(table)


def _as_table(counted: list[tuple[NDArray[np.uint32], NDArray[np.int64]]]) -> pd.DataFrame:
    boxes = [ids for ids, _ in counted] or [np.zeros(0, dtype=np.uint32)]
    pixels = [number for _, number in counted] or [np.zeros(0, dtype=np.int64)]
    return pd.DataFrame({"box": np.concatenate(boxes), "pixels": np.concatenate(pixels)})


def class_names(project: Project, table: pd.DataFrame) -> list[str]:
    """Return the classes of a run: those configured, then those only detected, by name."""
    configured = list(project.config.classes)
    return configured + sorted(set(table["class_name"].unique()) - set(configured))


def stage_of(project: Project) -> Stage:
    """Describe the stage for this project as it is now; InputError if detection is not done."""
    above = detect.stage_of(project).require()
    names = class_names(project, read_parquet(project.detected, ["class_name"]))
    recipes = recipes_of(project, names)
    return Stage(
        "extract",
        project,
        parameters={
            "recipes": {name: {"method": method_of(recipe), **plain(recipe)} for name, recipe in recipes.items()},
            "exclusive": plain(project.config.extract.exclusive),
            **network_of(recipes, project.model),
        },
        inputs={"detect": above},
        outputs=(project.extracted, project.labels),
    )


def network_of(recipes: Mapping[str, RecipeParams], model: Path) -> dict[str, str]:
    """Name the network that the recipes ask, if any does: another one makes another result."""
    asked = any(isinstance(recipe, MaskNetParams) for recipe in recipes.values())
    return {"masknet": masknet_digest(model)} if asked else {}


def run_extract(project: Project, session: Session) -> pd.DataFrame:
    """Extract, or read the table if nothing has changed since; returns the box table with `pixels`.

    Where `extract.recipes` is auto, the referee is asked first.
    """
    detect.stage_of(project).require()
    check_classes(project, detect.weights_of(project))  # what it notes, detection said
    if asks_referee(project.config):
        run_referee(project, session)
    stage = stage_of(project)
    if stage.skip(session):
        session.reporter.end("extract", "done before")
        return read_parquet(project.extracted)
    table = read_parquet(project.detected)
    names = class_names(project, table)
    session.reporter.begin("extract", len(project.stack))
    with stage.working(session, resumes_on=(project.labels,)) as (parts, fresh):
        if fresh:
            shutil.rmtree(project.labels, ignore_errors=True)
            LabelStore.create(project.labels, names, project.stack.shape, project.voxel_size)
            parts.begin()
        recipes = recipes_of(project, names)
        worker = BlockExtractor(
            project.stack,
            project.voxel_size,
            recipes,
            project.config.extract.exclusive,
            project.labels,
            project.detected,
            project.model,
        )
        work = shares(len(project.stack), BLOCK)
        counted = pd.concat(run_parts(parts, work, worker, session, threaded=True), ignore_index=True)
        pixels = counted.set_index("box")["pixels"].reindex(table["box"], fill_value=0)
        table = table.assign(pixels=pixels.to_numpy("int64"))
        reach = {name: float(getattr(recipe, "reach", 0.0)) for name, recipe in recipes.items()}
        if any(reach.values()):
            table = table.assign(reach=table["class_name"].map(reach).astype("float64"))
        write_parquet(project.extracted, table)
    session.reporter.end("extract", f"{int(table['pixels'].sum()):,} pixels")
    return table


def groups(names: list[str], exclusive: tuple[tuple[str, ...], ...]) -> list[list[str]]:
    """Sort classes into the groups that are linked together: each exclusive group, and every other class alone."""
    grouped = [[name for name in group if name in names] for group in exclusive]
    taken = {name for group in grouped for name in group}
    return [group for group in grouped if group] + [[name] for name in names if name not in taken]
