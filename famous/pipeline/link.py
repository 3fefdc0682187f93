"""Stage link: box ids → instances; `run/boxes.parquet` and the label volumes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous.boxes import CORNERS
from famous.config import plain
from famous.extract.slices import widened
from famous.io.label_store import LabelStore
from famous.io.tables import read_parquet, write_parquet
from famous.labels import relabel
from famous.link import centre, overlap, prune, slice_overlaps
from famous.link.agree import Pieces, agree, painted, pieces, runs
from famous.pipeline import extract
from famous.pipeline.extract import groups, read_once
from famous.pipeline.parts import Parts, blocks, shares
from famous.pipeline.project import Project
from famous.pipeline.referee import recipes_of
from famous.pipeline.stage import Session, Stage, run_parts
from famous.voxels import VoxelSize

BLOCK = 32


@dataclass(frozen=True)
class BlockOverlaps:
    """Counts the pixels that boxes of neighbouring slices share, for a block of slices; picklable."""

    store: Path
    table: Path  # boxes with their pixels; ids rise with z
    groups: list[list[str]]
    params: overlap.OverlapParams
    voxel_size: VoxelSize
    exclusive: tuple[tuple[str, ...], ...]

    def __call__(self, block: range) -> pd.DataFrame:
        """Return columns a, b, pixels for pairs whose lower slice lies in the block, without what no link needs."""
        store = LabelStore.open(self.store)
        reach = self.params.reach(self.voxel_size)
        reading = range(block.start, min(block.stop + reach, store.shape[0]))
        rows = read_once(self.table)
        rows = rows[rows["z"].between(reading.start, reading.stop - 1)]
        present = classes_and_slices(rows)
        tables = [
            slice_overlaps(group_images(store, group, reading, present), reach=reach) for group in self.groups or [[]]
        ]
        found = pd.concat(tables, ignore_index=True)
        found = prune(rows, found, voxel_size=self.voxel_size, params=self.params, exclusive=self.exclusive)
        return found[found["a"].isin(rows.loc[rows["z"] < block.stop, "box"])]


@dataclass(frozen=True)
class BlockPainter:
    """Writes the label volumes of a block of slices from the box ids; picklable."""

    store: Path
    groups: list[list[str]]
    luts: dict[str, NDArray[np.uint32]]
    present: frozenset[tuple[str, int]]  # class and slice of every box
    votes: "tuple[Votes, ...]" = ()  # one a group where slices are made to agree

    def __call__(self, block: range) -> pd.DataFrame:
        """Write the labels; returns the slices, as a part needs a table."""
        store = LabelStore.open(self.store)
        for group, votes in zip(self.groups, self.votes, strict=False):
            for z, image in self._agreed(store, group, votes, block):
                for name in group:
                    labels = image if len(group) == 1 else np.where(votes.is_of(name)[image], image, np.uint32(0))
                    if labels.any():
                        store.write_labels(name, z, labels)
        for group in self.groups if not self.votes else []:
            for z, image in group_images(store, group, block, self.present):
                for name in group:
                    labels = relabel(image, self.luts[name])
                    if labels.any():
                        store.write_labels(name, z, labels)
        return pd.DataFrame({"z": np.asarray(block, dtype=np.int64)})

    def _agreed(
        self, store: LabelStore, group: list[str], votes: "Votes", block: range
    ) -> Iterator[tuple[int, NDArray[np.uint32]]]:
        """Yield (z, instances of the group) after the vote of the slices around; only pieces of those are in memory."""
        reach, depth = len(votes.weights) - 1, store.shape[0]
        around: dict[int, Pieces] = {}
        reading = range(max(0, block.start - reach), min(block.stop + reach, depth))
        images = group_images(store, group, reading, self.present)
        waiting = next(images, None)
        for z in range(block.start - reach, block.stop + reach):
            around[z] = {}
            if waiting is not None and waiting[0] == z:
                around[z] = pieces(waiting[1], votes.of(z)[0])
                waiting = next(images, None)
            centre = z - reach
            if centre >= block.start and around[centre]:
                labels = painted(around[centre], (store.shape[1], store.shape[2]))
                boxes, radii = votes.of(centre)
                near = {step: around[centre + step] for step in range(-reach, reach + 1)}
                yield centre, agree(labels, near, boxes, radii, votes.weights)
            around.pop(centre - reach, None)


@dataclass(frozen=True, eq=False)
class Votes:
    """What a vote between slices needs of a group's boxes; picklable."""

    weights: NDArray[np.float64]
    z: NDArray[np.int64]  # (n,) rising
    rows: NDArray[np.int64]  # (n, 7): y0, x0, y1, x1 as far as pixels reach, box, instance, radius
    instances: dict[str, NDArray[np.bool_]]  # class → which instances are of it

    @classmethod
    def of_group(
        cls,
        linked: pd.DataFrame,
        group: list[str],
        reach: Mapping[str, float],
        weights: NDArray[np.float64],
        shape: tuple[int, int],
    ) -> "Votes":
        """Gather the boxes of the classes of a group, whose masks reach beyond them by these shares of their sides."""
        own = linked[linked["class_name"].isin(group) & (linked["instance"] > 0)].sort_values(["z", "box"])
        z, instance = own["z"].to_numpy(np.int64), own["instance"].to_numpy(np.int64)
        corners = own[CORNERS].to_numpy(np.int64, copy=True)
        limits = np.array([*shape, *shape])
        for name in group:
            chosen = (own["class_name"] == name).to_numpy()
            corners[chosen] = widened(np.clip(corners[chosen], 0, limits), reach.get(name, 0.0), shape)
        radii = runs(instance, z, len(weights) - 1)
        rows = np.column_stack([corners, own["box"].to_numpy(np.int64), instance, radii])
        size = int(linked["instance"].max()) + 1 if len(linked) else 1
        instances = {}
        for name in group:
            instances[name] = np.zeros(size, dtype=np.bool_)
            instances[name][own.loc[own["class_name"] == name, "instance"].to_numpy()] = True
        return cls(weights, z, rows, instances)

    def of(self, z: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Boxes (n, 6) of a slice as `famous.link.agree` takes them, and their radii (n,)."""
        low, high = np.searchsorted(self.z, [z, z + 1])
        return self.rows[low:high, :6], self.rows[low:high, 6]

    def is_of(self, name: str) -> NDArray[np.bool_]:
        """Tell which instances are of a class."""
        return self.instances[name]


def group_images(
    store: LabelStore, group: list[str], slices: range, present: frozenset[tuple[str, int]]
) -> Iterator[tuple[int, NDArray[np.uint32]]]:
    """Yield (z, box ids of classes that exclude each other as one image) for the slices where they have boxes."""
    for z in slices:
        images = [store.read_boxes(name, z) for name in group if (name, z) in present]
        if images:
            yield z, images[0] if len(images) == 1 else np.maximum.reduce(images)


def stage_of(project: Project) -> Stage:
    """Describe the stage for this project as it is now; InputError if extraction is not done."""
    above = extract.stage_of(project).require()
    chosen = {"method": project.config.link.method, "params": getattr(project.config.link, project.config.link.method)}
    if _weights(project) is not None:
        chosen["agree"] = project.config.link.agree
    return Stage("link", project, {"link": plain(chosen)}, {"extract": above}, (project.boxes, project.labels))


def run_link(project: Project, session: Session) -> pd.DataFrame:
    """Link, or read the table if nothing has changed since; returns the box table with `instance`."""
    stage = stage_of(project)
    if stage.skip(session):
        linked = read_parquet(project.boxes)
        session.reporter.end("link", f"{_count(linked):,} instances, done before")
        return linked
    table = read_parquet(project.extracted)
    store = LabelStore.open(project.labels)
    sets = groups(list(store.classes), project.config.extract.exclusive)
    depth = len(project.stack)
    session.reporter.begin("link", 2 * depth)
    with stage.working(session, resumes_on=(project.labels,)) as (parts, _):
        parts.begin()
        linked = _link_table(project, table, parts, sets, session)
        write_parquet(project.boxes, linked)
        painted = parts.inner("labels")
        if painted.is_fresh:
            store.clear_labels()
        painted.begin()
        luts = look_up_tables(linked, list(store.classes))
        painter = BlockPainter(project.labels, sets, luts, classes_and_slices(table), _votes(project, linked, sets))
        run_parts(painted, shares(depth, BLOCK), painter, session, threaded=True)
    session.reporter.end("link", f"{_count(linked):,} instances from {len(linked):,} boxes")
    return linked


def _weights(project: Project) -> NDArray[np.float64] | None:
    """Return how much slices listen to each other; None where each stays as it is."""
    if project.config.link.method != "overlap":
        return None
    weights = project.config.link.agree.weights(project.voxel_size)
    return weights if len(weights) > 1 else None


def _votes(project: Project, linked: pd.DataFrame, sets: list[list[str]]) -> tuple[Votes, ...]:
    weights = _weights(project)
    if weights is None:
        return ()
    recipes = recipes_of(project, [name for group in sets for name in group])
    reach = {name: float(getattr(recipe, "reach", 0.0)) for name, recipe in recipes.items()}
    height, width = project.stack.shape[1:3]
    return tuple(Votes.of_group(linked, group, reach, weights, (height, width)) for group in sets)


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
    project: Project, table: pd.DataFrame, parts: Parts, sets: list[list[str]], session: Session
) -> pd.DataFrame:
    size, config = project.voxel_size, project.config
    exclusive = config.extract.exclusive
    if config.link.method == "centre":
        session.reporter.advance(len(project.stack))
        return centre.link(table, voxel_size=size, params=config.link.centre, exclusive=exclusive)
    params = config.link.overlap
    worker = BlockOverlaps(project.labels, project.extracted, sets, params, size, exclusive)
    counted = parts.inner("overlaps")
    counted.begin()
    length = max(BLOCK, 8 * params.reach(size))  # a block reads on into the next one as far as pairs reach
    work = blocks(len(project.stack), length)
    overlaps = pd.concat(run_parts(counted, work, worker, session, threaded=True), ignore_index=True)
    return overlap.link(table, overlaps, voxel_size=size, params=params, exclusive=exclusive)


def classes_and_slices(table: pd.DataFrame) -> frozenset[tuple[str, int]]:
    """Class and slice of every box that has pixels."""
    kept = table.loc[table["pixels"] > 0, ["class_name", "z"]].drop_duplicates()
    return frozenset((str(name), int(z)) for name, z in zip(kept["class_name"], kept["z"], strict=True))


def _count(linked: pd.DataFrame) -> int:
    return int(linked["instance"].max()) if len(linked) else 0
