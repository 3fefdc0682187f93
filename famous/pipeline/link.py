"""Stage link: box ids → instances; `run/boxes.parquet` and the label volumes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous.config import Config, plain
from famous.io.label_store import LabelStore
from famous.io.tables import read_parquet, write_parquet
from famous.labels import relabel
from famous.link import centre, overlap, slice_overlaps
from famous.pipeline.extract import groups
from famous.pipeline.parts import Parts, blocks
from famous.pipeline.project import Project
from famous.pipeline.stage import Session, Stage, fingerprint_of, run_parts

BLOCK = 32


@dataclass(frozen=True)
class BlockOverlaps:
    """Counts the pixels that boxes of neighbouring slices share, for a block of slices; picklable."""

    store: Path
    groups: list[list[str]]
    reach: int
    boxes_below: tuple[int, ...]  # boxes in the slices below z, for z = 0 … depth; ids rise with z
    present: frozenset[tuple[str, int]]  # class and slice of every box

    def __call__(self, block: range) -> pd.DataFrame:
        """Return columns a, b, pixels for pairs whose lower slice lies in the block."""
        store = LabelStore.open(self.store)
        reading = range(block.start, min(block.stop + self.reach, len(self.boxes_below) - 1))
        tables = [
            slice_overlaps(group_images(store, group, reading, self.present), reach=self.reach)
            for group in self.groups or [[]]
        ]
        found = pd.concat(tables, ignore_index=True)
        return found[found["a"] <= self.boxes_below[block.stop]]


@dataclass(frozen=True)
class BlockPainter:
    """Writes the label volumes of a block of slices from the box ids; picklable."""

    store: Path
    groups: list[list[str]]
    luts: dict[str, NDArray[np.uint32]]
    present: frozenset[tuple[str, int]]  # class and slice of every box

    def __call__(self, block: range) -> pd.DataFrame:
        """Write the labels; returns the slices, as a part needs a table."""
        store = LabelStore.open(self.store)
        for group in self.groups:
            for z, image in group_images(store, group, block, self.present):
                for name in group:
                    labels = relabel(image, self.luts[name])
                    if labels.any():
                        store.write_labels(name, z, labels)
        return pd.DataFrame({"z": np.asarray(block, dtype=np.int64)})


def group_images(
    store: LabelStore, group: list[str], slices: range, present: frozenset[tuple[str, int]]
) -> Iterator[tuple[int, NDArray[np.uint32]]]:
    """Yield (z, box ids of classes that exclude each other as one image) for the slices where they have boxes."""
    for z in slices:
        images = [store.read_boxes(name, z) for name in group if (name, z) in present]
        if images:
            yield z, images[0] if len(images) == 1 else np.maximum.reduce(images)


def run_link(project: Project, session: Session) -> pd.DataFrame:
    """Link, or read the table if nothing has changed since; returns the box table with `instance`."""
    above = fingerprint_of(project, "extract", "extract")
    table = read_parquet(project.extracted)
    store = LabelStore.open(project.labels)
    sets = groups(list(store.classes), project.config.extract.exclusive)
    stage = Stage(
        "link",
        project,
        parameters={"link": plain(_chosen(project.config))},
        inputs={"extract": above},
        outputs=(project.boxes, project.labels),
    )
    if stage.is_done and not session.again:
        linked = read_parquet(project.boxes)
        session.reporter.end("link", f"{_count(linked):,} instances, done before")
        return linked
    depth = len(project.stack)
    session.reporter.begin("link", 2 * depth)
    with stage.recording():
        parts = stage.parts()
        parts.begin()
        linked = _link_table(project, table, stage, sets, session)
        write_parquet(project.boxes, linked)
        painted = _inner(stage, "labels")
        if painted.is_fresh:
            store.clear_labels()
        painted.begin()
        luts = look_up_tables(linked, list(store.classes))
        run_parts(painted, blocks(depth, BLOCK), BlockPainter(project.labels, sets, luts, _present(table)), session)
    session.reporter.end("link", f"{_count(linked):,} instances from {len(linked):,} boxes")
    return linked


def look_up_tables(linked: pd.DataFrame, names: list[str]) -> dict[str, NDArray[np.uint32]]:
    """Box id → instance id for each class, 0 where the box belongs to another class or to none."""
    size = int(linked["box"].max()) + 1 if len(linked) else 1
    luts = {}
    for name in names:
        lut = np.zeros(size, dtype=np.uint32)
        own = linked[linked["class_name"] == name]
        lut[own["box"].to_numpy()] = own["instance"].to_numpy(np.uint32)
        luts[name] = lut
    return luts


def _link_table(
    project: Project, table: pd.DataFrame, stage: Stage, sets: list[list[str]], session: Session
) -> pd.DataFrame:
    size, config = project.voxel_size, project.config
    exclusive = config.extract.exclusive
    if config.link.method == "centre":
        session.reporter.advance(len(project.stack))
        return centre.link(table, voxel_size=size, params=config.link.centre, exclusive=exclusive)
    params = config.link.overlap
    below = np.searchsorted(table["z"].to_numpy(), np.arange(len(project.stack) + 1))
    worker = BlockOverlaps(project.labels, sets, params.reach(size), tuple(below.tolist()), _present(table))
    parts = _inner(stage, "overlaps")
    parts.begin()
    overlaps = pd.concat(run_parts(parts, blocks(len(project.stack), BLOCK), worker, session), ignore_index=True)
    return overlap.link(table, overlaps, voxel_size=size, params=params, exclusive=exclusive)


def _chosen(config: Config) -> dict[str, object]:
    """The method and its knobs; those of the other method do not decide over the output."""
    return {"method": config.link.method, "params": getattr(config.link, config.link.method)}


def _inner(stage: Stage, name: str) -> Parts:
    """Open the parts of one half of the stage, inside the stage's own folder."""
    return Parts(stage.parts().folder / name, stage.fingerprint)


def _present(table: pd.DataFrame) -> frozenset[tuple[str, int]]:
    kept = table.loc[table["pixels"] > 0, ["class_name", "z"]].drop_duplicates()
    return frozenset((str(name), int(z)) for name, z in zip(kept["class_name"], kept["z"], strict=True))


def _count(linked: pd.DataFrame) -> int:
    return int(linked["instance"].max()) if len(linked) else 0
