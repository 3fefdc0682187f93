"""Truth that is boxes in slices, as YOLO and COCO have it: what can be said in 2D, and nothing of volumes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from famous import boxes
from famous.boxes import CORNERS, iou
from famous.compare.components import score_slice
from famous.compare.overlaps import Objects, Overlaps
from famous.errors import InputError
from famous.io.tables import read_parquet
from famous.io.truths import Truth
from famous.pipeline.compare_classes import one_sided
from famous.pipeline.compare_count import Counts, Pair, Scene
from famous.pipeline.compare_region import settle_region
from famous.pipeline.compare_sources import Asked, Opened
from famous.pipeline.scan import spans_of

NOTE = (
    "boxes in slices are compared, one by one in 2D: an object is a box, its size and what it costs are pixels, and no "
    "volume is scored; the boxes of each source are numbered anew, slice by slice, so that an object of a label volume "
    "has another number in each slice; boxes that follow each other through the slices are one body, and how sure a "
    "score is goes by bodies"
)

FOLLOWS_NM = 100.0  # distance of two slices up to which a box in one may be of the same body as one in the other
FOLLOWS_IOU = 0.3  # and what they share then

Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Boxed:
    """What the first pass finds in boxes.

    Attributes
    ----------
    scene, counts
        Their objects are boxes, whose ids are unique in a source.
    scores
        By class and id of pred.
    bodies
        By source, for each id from 0 up, the body that its box is a slice of.
    notes
        What the user should know.
    """

    scene: Scene
    counts: Counts
    scores: Mapping[str, Mapping[int, float]]
    bodies: Mapping[str, NDArray[np.int64]]
    notes: tuple[str, ...]


def box_scene(opened: Opened, asked: Asked) -> Boxed:
    """Count boxes as the first pass counts voxels, in the slices that every truth speaks of.

    Raises
    ------
    InputError
        If no slice is known to all truths, or no class is shared.
    """
    shape = opened.frame.grid.shape
    low, high, known = settle_region(asked.region, asked.slices, opened.frame)
    if (low[1:], high[1:]) != ((0, 0), shape[1:]):
        raise InputError("--region: found a part of the slices, expected whole slices: boxes are not cut")
    slices = {z + low[0] for z in known}
    for truth in opened.truths[1:]:
        if truth.boxes is not None:
            slices &= truth.known
    if not slices:
        raise InputError(
            "found no slice that every truth speaks of, expected one at least: one that is done, or has boxes where "
            "none is declared done"
        )
    pred, *others = opened.truths
    tables = {pred.name: boxes_of(pred, opened, sorted(slices))}
    tables |= {truth.name: boxes_of(truth, opened, sorted(slices), asked.ignore) for truth in others}
    names = _classes(tables, asked)
    volumes = {source: {name: BoxVolume(table, name, shape) for name in names} for source, table in tables.items()}
    scene = Scene(volumes, shape, opened.frame.grid.voxel_size, tuple(sorted(slices)), threshold=asked.threshold)
    counts = Counts()
    for source, name in scene.keys:
        counts.objects[source, name] = _objects(_of(tables[source], name))
    for pair in scene.pairs:
        for name in names:
            for other in names:
                here, there = _of(tables[pair[0]], other), _of(tables[pair[1]], name)
                counts.overlaps[pair, other, name] = overlaps_of(here, there)
            counts.slices += _by_slice(pair, name, tables, scene.slices)
    bodies = {source: bodies_of(table, opened.frame.grid.voxel_size.z) for source, table in tables.items()}
    notes = _notes(tables, asked)
    if opened.project is not None:
        notes += (f"{pred.name}: compared are the detected boxes that its organelles are made of, not their pixels",)
    return Boxed(scene, counts, _scores(tables[pred.name], names), bodies, notes)


def bodies_of(table: pd.DataFrame, slice_nm: float) -> NDArray[np.int64]:
    """Tell which boxes follow each other through the slices: (n + 1,) by id, whose boxes are numbered from 1.

    Boxes of a class follow each other from a known slice to the next where that is near and they overlap.
    """
    pairs = []
    for _, own in table.groupby("class_name", observed=True):
        slices = [(int(rows["z"].iloc[0]), rows) for _, rows in own.groupby("z")]
        for (z, here), (after, there) in pairwise(slices):
            if (after - z) * slice_nm <= FOLLOWS_NM:
                a, b = np.nonzero(iou(here[CORNERS].to_numpy(), there[CORNERS].to_numpy()) >= FOLLOWS_IOU)
                pairs.append(np.stack([here["id"].to_numpy()[a], there["id"].to_numpy()[b]]))
    one, other = np.concatenate([np.zeros((2, 0)), *pairs], axis=1).astype(np.int64)
    graph = coo_array((np.ones(len(one), dtype=np.bool_), (one, other)), shape=(len(table) + 1, len(table) + 1))
    _, bodies = connected_components(graph, directed=False)
    return bodies.astype(np.int64)


def _notes(tables: Tables, asked: Asked) -> tuple[str, ...]:
    """Return what the user should know."""
    classes = {source: sorted(map(str, table["class_name"].unique())) for source, table in tables.items()}
    notes = [NOTE, *one_sided(classes, asked.classes, is_none_drawn=True)]
    if asked.boundary_nm > 0:
        notes.append("boxes are compared whole: no zone round their borders is left out")
    if asked.ignore is not None:
        notes.append(f"no box is made of the ignore label {asked.ignore}; boxes that lie in it count like all others")
    return tuple(notes)


def boxes_of(truth: Truth, opened: Opened, slices: Sequence[int], ignore: int | None = None) -> pd.DataFrame:
    """Return the boxes of a source in some slices: its own, the run's, or those round its labels in each slice.

    `ignore` is the id in its labels that is no object.
    """
    if truth.boxes is not None:
        table = truth.boxes
    elif opened.project is not None and truth is opened.truths[0]:
        table = read_parquet(opened.project.boxes, ["z", *CORNERS, "class_name", "score", "instance"])
        table = table[table["instance"] > 0]  # linking dropped the others
    else:
        table = _round_labels(truth, slices, ignore)
    table = table[table["z"].isin(list(slices))].sort_values(["z", *CORNERS], kind="stable").reset_index(drop=True)
    return table.assign(id=np.arange(1, len(table) + 1, dtype=np.uint64))


def _round_labels(truth: Truth, slices: Sequence[int], ignore: int | None) -> pd.DataFrame:
    parts = []
    for name, volume in truth.classes.items():
        for z in slices:
            image = np.asarray(volume[z])
            found = spans_of(image if ignore is None else np.where(image == ignore, 0, image), z).rows
            columns = {axis: found[:, k] for axis, k in (("y0", 1), ("x0", 2))}
            columns |= {axis: found[:, k] + 1 for axis, k in (("y1", 4), ("x1", 5))}
            parts.append(pd.DataFrame({"z": z, **columns, "class_name": name, "score": np.nan}))
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else boxes.empty()


def _classes(tables: Tables, asked: Asked) -> list[str]:
    pred, *others = tables.values()
    names = sorted({str(name) for table in others for name in table["class_name"]})
    wanted = [name for name in names if not asked.classes or name in asked.classes]
    if not wanted or not set(wanted) & set(pred["class_name"]):
        said = "; ".join(
            f"{source} has {', '.join(sorted(set(t['class_name']))) or 'none'}" for source, t in tables.items()
        )
        raise InputError(f"found no class that pred and a truth share in the known slices: {said}; name them alike")
    return wanted


def _of(table: pd.DataFrame, name: str) -> pd.DataFrame:
    return table[table["class_name"] == name]


def _objects(table: pd.DataFrame) -> Objects:
    z, y0, x0, y1, x1 = (table[column].to_numpy(dtype=np.int64) for column in ("z", *CORNERS))
    area = (y1 - y0) * (x1 - x0)
    moments = np.stack([z * area, area * (y0 + y1 - 1) // 2, area * (x0 + x1 - 1) // 2], axis=1)
    low, high = np.stack([z, y0, x0], axis=1), np.stack([z + 1, y1, x1], axis=1)
    return Objects(table["id"].to_numpy(dtype=np.uint64), area, low, high, moments)


def overlaps_of(pred: pd.DataFrame, truth: pd.DataFrame) -> Overlaps:
    """Return what boxes share, (z, y0, x0, y1, x1, id) each; those of different slices share nothing."""
    rows, columns, shared = [], [], []
    places = {z: np.flatnonzero(truth["z"].to_numpy() == z) for z in truth["z"].unique()}
    a, b = (table[CORNERS].to_numpy(dtype=np.int64) for table in (pred, truth))
    for place, z in enumerate(pred["z"].tolist()):
        others = places.get(z)
        if others is None:
            continue
        low, high = np.maximum(a[place, :2], b[others, :2]), np.minimum(a[place, 2:], b[others, 2:])
        area = np.maximum(high - low, 0).prod(axis=1)
        meets = area > 0
        rows.append(np.full(int(meets.sum()), place))
        columns.append(others[meets])
        shared.append(area[meets])
    none = [np.zeros(0, dtype=np.int64)]
    index, other, pixels = (np.concatenate(none + part) for part in (rows, columns, shared))
    return Overlaps(_objects(pred), _objects(truth), index, other, pixels, 0)


def _by_slice(pair: Pair, name: str, tables: Tables, slices: Sequence[int]) -> list[dict[str, Any]]:
    made = []
    for z in slices:
        one, truth = (_of(tables[source], name) for source in pair)
        score = score_slice(z, overlaps_of(one[one["z"] == z], truth[truth["z"] == z]))
        made.append({"pred": pair[0], "truth": pair[1], "class": name, **vars(score)})
    return made


def _scores(table: pd.DataFrame, names: Sequence[str]) -> dict[str, dict[int, float]]:
    scored = table[table["score"].notna()]
    return {
        name: {int(i): float(score) for i, score in zip(own["id"], own["score"], strict=True)}
        for name, own in ((name, _of(scored, name)) for name in names)
    }


class BoxVolume:
    """Boxes of one class as a label volume, to be looked at; where two overlap the smaller one is in front."""

    def __init__(self, table: pd.DataFrame, name: str, shape: tuple[int, int, int]) -> None:
        own = _of(table, name)
        area = (own["y1"] - own["y0"]) * (own["x1"] - own["x0"])
        self._boxes = own.iloc[np.argsort(-area.to_numpy(), kind="stable")]
        self.shape: tuple[int, ...] = shape
        self.dtype: np.dtype[Any] = np.dtype(np.uint64)

    def __getitem__(self, z: int) -> NDArray[np.uint64]:
        image = np.zeros(self.shape[1:], dtype=np.uint64)
        for y0, x0, y1, x1, number in self._boxes.loc[self._boxes["z"] == z, [*CORNERS, "id"]].to_numpy().tolist():
            image[int(y0) : int(y1), int(x0) : int(x1)] = number
        return image


def without_volumes(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with what boxes do not have undefined."""
    return table.assign(**{name: np.nan for name in ("volume_um3", "area_um2", "cost_um3") if name in table})
