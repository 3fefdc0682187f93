"""Stage link: box ids → instances; `run/boxes.parquet` and the label volumes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous.config import plain
from famous.io.label_store import LabelStore
from famous.io.tables import read_parquet, write_parquet
from famous.labels import count_areas, relabel
from famous.link import centre, overlap, prune, slice_overlaps
from famous.pipeline import extract
from famous.pipeline.extract import groups, read_once
from famous.pipeline.parts import Parts, shares
from famous.pipeline.project import Project
from famous.pipeline.stage import Session, Stage, run_parts
from famous.pipeline.votes import Votes
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
    votes: tuple[Votes, ...] = ()  # one a group where slices are made to agree
    moved: "Moved | None" = None  # boxes that a vote gave to a class of another group

    def __call__(self, block: range) -> pd.DataFrame:
        """Write the labels; returns columns z, instance and voxels: what each instance has in each slice."""
        store = LabelStore.open(self.store)
        counted = [np.zeros((3, 0), dtype=np.int64)]  # tables of a slice each would take longer to make than to count
        for number in range(len(self.groups)):
            for z, name, labels in self._voted(store, number, block) if self.votes else self._own(store, number, block):
                instances, voxels = count_areas(labels)
                if len(instances):
                    store.write_labels(name, z, labels)
                    counted.append(np.stack([np.full(len(instances), z), instances, voxels]).astype(np.int64))
        return pd.DataFrame(dict(zip(("z", "instance", "voxels"), np.concatenate(counted, axis=1), strict=True)))

    def _own(self, store: LabelStore, number: int, block: range) -> Iterator[tuple[int, str, NDArray[np.uint32]]]:
        """Yield slice, class and labels of a group as every slice's own boxes have them."""
        for z, image in self._images(store, number, block):
            for name in self.groups[number]:
                yield z, name, relabel(image, self.luts[name])

    def _voted(self, store: LabelStore, number: int, block: range) -> Iterator[tuple[int, str, NDArray[np.uint32]]]:
        """Yield slice, class and labels of a group after the vote of the slices around."""
        group, votes = self.groups[number], self.votes[number]
        images = self._images(store, number, votes.reading(block, store.shape[0]))
        for z, labels in votes.agreed(images, block):
            for name in group:
                yield z, name, labels if len(group) == 1 else np.where(votes.is_of(name)[labels], labels, np.uint32(0))

    def _images(self, store: LabelStore, number: int, slices: range) -> Iterator[tuple[int, NDArray[np.uint32]]]:
        """Yield (z, box ids) of a group with what it was given; where both have a pixel, its own boxes do."""
        group = self.groups[number]
        if self.moved is None:
            yield from group_images(store, group, slices, self.present)
            return
        for z in slices:
            image = group_image(store, group, z, self.present)
            for name in self.moved.names.get((number, z), []):
                other = store.read_boxes(name, z)
                given = np.where(self.moved.group[other] == number, other, np.uint32(0))
                image = given if image is None else np.where(image > 0, image, given)
            if image is not None:
                yield z, image


@dataclass(frozen=True)
class Moved:
    """Boxes whose pixels lie with the class that was detected, but belong to one of another group by the vote."""

    group: NDArray[np.int16]  # box id → number of the group it was given to; −1 for all others
    names: dict[tuple[int, int], list[str]]  # (group, slice) → the classes that were detected

    @classmethod
    def of(cls, linked: pd.DataFrame, sets: list[list[str]]) -> "Moved | None":
        """Gather them from linked boxes; None where there is none."""
        of = {name: number for number, names in enumerate(sets) for name in names}
        if "detected_class" not in linked or linked.empty:
            return None
        now, before = (linked[column].map(of) for column in ("class_name", "detected_class"))
        given = linked[(now != before) & (linked["instance"] > 0) & (linked["pixels"] > 0)]
        if given.empty:
            return None
        group = np.full(int(linked["box"].max()) + 1, -1, dtype=np.int16)
        group[given["box"].to_numpy()] = now[given.index].to_numpy(np.int16)
        names: dict[tuple[int, int], list[str]] = {}
        places = pd.DataFrame({"to": now[given.index].astype(int), "z": given["z"], "name": given["detected_class"]})
        for to, z, name in places.drop_duplicates().sort_values(["to", "z", "name"]).itertuples(index=False):
            names.setdefault((int(to), int(z)), []).append(str(name))
        return cls(group, names)


def group_image(
    store: LabelStore, group: list[str], z: int, present: frozenset[tuple[str, int]]
) -> NDArray[np.uint32] | None:
    """Read the box ids of classes that exclude each other as one image of a slice; none where they have no box."""
    images = [store.read_boxes(name, z) for name in group if (name, z) in present]
    return np.maximum.reduce(images) if len(images) > 1 else next(iter(images), None)


def group_images(
    store: LabelStore, group: list[str], slices: range, present: frozenset[tuple[str, int]]
) -> Iterator[tuple[int, NDArray[np.uint32]]]:
    """Yield (z, image) as `group_image` reads it for the slices where the classes have boxes."""
    for z in slices:
        image = group_image(store, group, z, present)
        if image is not None:
            yield z, image


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
        painted = parts.inner("labels")
        if painted.is_fresh:
            store.clear_labels()
        painted.begin()
        luts = look_up_tables(linked, list(store.classes))
        votes = _votes(project, linked, sets)
        painter = BlockPainter(project.labels, sets, luts, classes_and_slices(table), votes, Moved.of(linked, sets))
        counted = pd.concat(run_parts(painted, shares(depth, BLOCK), painter, session, threaded=True))
        if votes:
            linked = with_voxels(linked, counted)
        write_parquet(project.boxes, linked)
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
    height, width = project.stack.shape[1:3]
    return tuple(Votes.of_group(linked, group, weights, (height, width)) for group in sets)


def with_voxels(linked: pd.DataFrame, counted: pd.DataFrame) -> pd.DataFrame:
    """Add `voxels`, what an instance has in a slice after the vote: told by its first box there, the others say 0."""
    of = linked["instance"].where(linked["pixels"] > 0, 0).to_numpy(np.int64)
    speaks = (of > 0) & ~pd.DataFrame({"z": linked["z"].to_numpy(), "of": of}).duplicated().to_numpy()
    known = counted.set_index(["z", "instance"])["voxels"]
    places = pd.MultiIndex.from_arrays([linked["z"].to_numpy(np.int64), of])
    voxels = known.reindex(places, fill_value=0).to_numpy(np.int64)
    return linked.assign(voxels=np.where(speaks, voxels, 0))


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
    work = far_reaching(len(project.stack), params.reach(size))
    counted = parts.inner(f"overlaps_{len(work)}")  # a famous that cuts them otherwise does not go on with these
    counted.begin()
    overlaps = pd.concat(run_parts(counted, work, worker, session, threaded=True), ignore_index=True)
    return overlap.link(table, overlaps, voxel_size=size, params=params, exclusive=exclusive)


def far_reaching(depth: int, reach: int) -> list[range]:
    """Cut slices into even blocks, of which each reads on into the next as far as pairs reach."""
    count = max(1, -(-depth // max(BLOCK, 8 * reach)))
    if depth > 3 * reach:
        count += count % 2
    count = min(count, depth)
    return [range(depth * k // count, depth * (k + 1) // count) for k in range(count)]


def classes_and_slices(table: pd.DataFrame) -> frozenset[tuple[str, int]]:
    """Class and slice of every box that has pixels."""
    kept = table.loc[table["pixels"] > 0, ["class_name", "z"]].drop_duplicates()
    return frozenset((str(name), int(z)) for name, z in zip(kept["class_name"], kept["z"], strict=True))


def _count(linked: pd.DataFrame) -> int:
    return int(linked["instance"].max()) if len(linked) else 0
