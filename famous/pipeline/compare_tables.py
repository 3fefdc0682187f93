"""From what was counted in the slices to the tables of a comparison."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous.compare.agreement import agree, confuse
from famous.compare.comparison import as_table
from famous.compare.components import (
    NO_COMPONENT,
    NO_PIXEL,
    NO_SLICE,
    ONE_SLICE,
    Components,
    classify,
    object_recalls,
    over_slices,
)
from famous.compare.distance import Distances
from famous.compare.matching import Matching, match
from famous.compare.metrics import ONE_TO_ONE, PAPER, THRESHOLDS, detect, why_undefined
from famous.compare.overlaps import Overlaps
from famous.compare.uncertainty import BootstrapParams, Found, intervals
from famous.compare.verdict import Verdict, VerdictParams, judge, judge_alone, why_left_out
from famous.pipeline.compare_count import Counts, Key, Pair, Scene
from famous.voxels import NM_PER_UM

Scores = Mapping[Key, Mapping[int, float]]
Tables = dict[str, pd.DataFrame]
Matchings = dict[tuple[Pair, str], Matching]
#: Names of what has no unit in its own → the column's.
WITH_UNIT = {"vi_split": "vi_split_bits", "vi_merge": "vi_merge_bits", "tp": "tp_px", "fp": "fp_px", "fn": "fn_px"}


@dataclass(frozen=True)
class Placement:
    """Where the compared voxels lie in the first source: index (z, y, x) of the first one, and that source's shape."""

    low: tuple[int, int, int]
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class Tabulator:
    """Makes the tables of one comparison."""

    scene: Scene
    counts: Counts
    placement: Placement
    scores: Scores  # of the objects of pred, where it has any
    paper: bool = False
    bootstrap: BootstrapParams = field(default_factory=BootstrapParams)
    verdict: VerdictParams = field(default_factory=VerdictParams)
    bodies: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)  # source → body of each id, where it has any

    @property
    def um3(self) -> float:
        """Volume of a voxel."""
        return self.scene.voxel_size.volume_nm3 / NM_PER_UM**3

    def matchings(self, threshold: float | None = None) -> Matchings:
        """Match each class of each pair one to one, at the scene's threshold or at another."""
        level = self.scene.threshold if threshold is None else threshold
        return {
            (pair, name): match(self.counts.overlaps[pair, name, name], level)
            for pair in self.scene.pairs
            for name in self.scene.classes_of(pair)
            if (pair, name, name) in self.counts.overlaps
        }

    @property
    def thresholds(self) -> list[float]:
        """The usual thresholds, and the scene's own."""
        return sorted({*THRESHOLDS, self.scene.threshold})

    def objects(self) -> pd.DataFrame:
        """One row an object of each source."""
        parts = [self._objects(key) for key in self.scene.keys if key in self.counts.objects]
        return as_table("objects", pd.concat(parts) if parts else [])

    def _objects(self, key: Key) -> pd.DataFrame:
        found = self.counts.objects[key]
        sizes = np.array(self.scene.voxel_size.zyx)
        low = found.low + self.placement.low
        high = found.high + self.placement.low
        centroid = (found.centroids + 0.5 + self.placement.low) * sizes / NM_PER_UM
        own = self.scores.get(key, {})
        area = np.full(len(found), np.nan)
        if key in self.counts.areas:  # an object that has none fills all that is compared
            area = np.nan_to_num(self.counts.areas[key].of(found.ids))
        columns: dict[str, Any] = {"source": key[0], "class": key[1], "id": found.ids, "voxels": found.voxels}
        columns |= {"volume_um3": found.voxels * self.um3, "area_um2": area / NM_PER_UM**2}
        columns |= {f"centroid_{axis}_um": centroid[:, k] for k, axis in enumerate("zyx")}
        columns |= {f"low_{axis}_voxel": low[:, k] for k, axis in enumerate("zyx")}
        columns |= {f"high_{axis}_voxel": high[:, k] for k, axis in enumerate("zyx")}
        columns["touches_border"] = found.touches_border(self.scene.shape)
        columns["score"] = [own.get(number, math.nan) for number in found.ids.tolist()]
        return pd.DataFrame(columns, index=range(len(found)))

    def totals(self, objects: pd.DataFrame) -> pd.DataFrame:
        """One row a source and class."""
        rows = []
        for source, name in self.scene.keys:
            own = objects[(objects["source"] == source) & (objects["class"] == name)]
            area = float(own["area_um2"].sum(skipna=False)) if len(own) else 0.0
            row = {"source": source, "class": name, "count": len(own), "area_um2": area}
            rows.append({**row, "volume_um3": float(own["volume_um3"].sum())})
        return as_table("totals", rows)

    def detection(self) -> pd.DataFrame:
        """One row a pair, class, matching and threshold."""
        parts = []
        for pair in self.scene.pairs:
            for name in self.scene.classes_of(pair):
                overlaps = self._own(pair, name)
                confidence = self._confidence(pair[0], name, overlaps)
                for matching in (ONE_TO_ONE, PAPER) if self.paper else (ONE_TO_ONE,):
                    table = detect(overlaps, confidence=confidence, matching=matching, thresholds=self.thresholds)
                    parts.append(table.assign(**_named(pair, name)))
        return as_table("detection", pd.concat(parts) if parts else [])

    def _confidence(self, source: str, name: str, overlaps: Overlaps) -> NDArray[np.float64] | None:
        """Return the scores of the objects of pred; None where one of them has none."""
        own = self.scores.get((source, name), {})
        values = np.array([own.get(number, math.nan) for number in overlaps.pred_ids.tolist()])
        return values if len(own) and np.isfinite(values).all() else None

    def agreement(self, distances: Mapping[tuple[Pair, str], Distances]) -> pd.DataFrame:
        """One row a pair and class."""
        rows = []
        for pair in self.scene.pairs:
            for name in self.scene.classes_of(pair):
                row = with_units(vars(agree(self._own(pair, name), self.scene.voxel_size)))
                apart, note = distances.get((pair, name)), str(row["note"])
                row |= {
                    "surface_mean_nm": math.nan if apart is None else apart.mean,
                    "surface_p95_nm": math.nan if apart is None else apart.percentile(95),
                    "surface_hausdorff_nm": math.nan if apart is None else apart.hausdorff,
                }
                if apart is None:
                    note = _also(note, "surface distances need all slices, and in 3D")
                elif len(apart.nm) == 0:
                    note = _also(note, "no pair matched: surface distances are undefined")
                rows.append({**_named(pair, name), **row, "note": note})
        return as_table("agreement", rows)

    def confusion(self, matchings: Matchings) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Which classes are taken for one another: the table of that name, and its objects as rows of `matches`."""
        counted, listed = [], []
        sizes = {
            key: dict(zip(o.ids.tolist(), o.voxels.tolist(), strict=True)) for key, o in self.counts.objects.items()
        }
        for pair in self.scene.pairs:
            names = [name for name in self.scene.classes_of(pair) if (pair, name) in matchings]
            within = {name: matchings[pair, name] for name in names}
            across = {(one, other): self.counts.overlaps[pair, one, other] for one in names for other in names}
            table, objects = confuse(within, across, threshold=self.scene.threshold)
            counted.append(table.assign(pred=pair[0], truth=pair[1]))
            for row in objects.to_dict("records"):
                size = sizes[pair[1], row["truth_class"]][int(row["truth_id"])]
                shared = {name: row[name] for name in ("pred_id", "truth_id", "overlap_voxels", "iou")}
                cost = {"cost_um3": size * self.um3, "cost_voxels": size}
                found = {"kind": "confused", "other_class": row["pred_class"], **cost}
                listed.append({**_named(pair, str(row["truth_class"])), **shared, **found})
        table = as_table("confusion", pd.concat(counted) if counted else [])
        return table, as_table("matches", listed)

    def components(self) -> pd.DataFrame:
        """One row a pair, class and number of dimensions."""
        rows = []
        for pair in self.scene.pairs:
            for name in self.scene.classes_of(pair):
                flat = self.counts.flat.get((pair, name), Components(0, 0, 0, NO_COMPONENT))
                solid = classify(object_recalls(self._own(pair, name)))
                for dimensions, found in ((2, flat), (3, solid)):
                    rows.append({**_named(pair, name), "dimensions": dimensions, **vars(found)})
        return as_table("components", rows)

    def slices(self) -> pd.DataFrame:
        """One row a pair, class and slice."""
        table = as_table("slices", [with_units(row) for row in self.counts.slices])
        table["z"] += self.placement.low[0]
        table["note"] = table["note"].mask(table["f1"].isna(), NO_PIXEL)
        return table.sort_values(["pred", "truth", "class", "z"], ignore_index=True, kind="stable")

    def intervals(self, matchings: Matchings) -> pd.DataFrame:
        """One row a pair, class and score."""
        rows = []
        for (pair, name), matching in matchings.items():
            for metric, interval in intervals(self._found(pair, name, matching), self.bootstrap).items():
                row = {**_named(pair, name), "metric": metric, **vars(interval), "level": self.bootstrap.level}
                rows.append({**row, "note": why_undefined(metric, *matching.counts)})
        return as_table("intervals", rows)

    def verdicts(self, matchings: Matchings) -> pd.DataFrame:
        """One row a class: by the first truth, with the second as the other expert, or by whichever truth has it."""
        return as_table("verdicts", [{"class": name, **vars(one)} for name, one in self._judged(matchings)])

    def verdicts_by_threshold(self, verdicts: pd.DataFrame) -> pd.DataFrame:
        """One row a class and threshold; `verdicts` are those at the scene's own."""
        rows: list[dict[Any, Any]] = []
        for level in self.thresholds:
            if level == self.scene.threshold:
                rows += verdicts.assign(threshold=level).to_dict("records")
            else:
                judged = self._judged(self.matchings(level))
                rows += [{"class": name, "threshold": level, **vars(one)} for name, one in judged]
        return as_table("verdicts_by_threshold", rows)

    def _judged(self, matchings: Matchings) -> Iterator[tuple[str, Verdict]]:
        """Yield each class with its verdict."""
        for name in self.scene.classes:
            pairs = [pair for pair in self.scene.pairs if (pair, name) in matchings]
            if not pairs:
                continue
            own = self._found(pairs[0], name, matchings[pairs[0], name])
            left_out = self._left_out(pairs[0][1], name)
            if len(pairs) == 3:
                other = self._found(pairs[2], name, matchings[pairs[2], name])
                names = (*pairs[0], pairs[2][0])
                yield name, judge(names, (own, other), self.verdict, self.bootstrap, left_out=left_out)
            else:
                yield name, judge_alone(pairs[0], own, self.bootstrap, left_out=left_out)

    def _left_out(self, truth: str, name: str) -> str:
        """Say why no object of a class is scored, if none is; what one truth ignores is cut off all sources."""
        drawn = self.counts.objects.get((truth, name))
        ignored = any(self.counts.ignored.get((source, name), 0) for source in self.scene.sides)
        return why_left_out(truth, 0 if drawn is None else len(drawn), ignored=ignored)

    def _found(self, pair: Pair, name: str, matching: Matching) -> Found:
        ids = self._own(pair, name).truth_ids
        bodies = None
        if self.bodies:
            pred, truth = (self.bodies[source] for source in pair)
            bodies = truth[ids.astype(np.int64)], pred[matching.invented.astype(np.int64)]
        return Found.of(ids, (matching.truth_ids, matching.iou), len(matching.invented), bodies)

    def _own(self, pair: Pair, name: str) -> Overlaps:
        return self.counts.overlaps.get((pair, name, name), Overlaps.empty())


def score_slices(slices: pd.DataFrame) -> pd.DataFrame:
    """Make the table `slice_scores` of the table `slices`."""
    rows = []
    for (pred, truth, name), own in slices.groupby(["pred", "truth", "class"], sort=False):
        f1, iou = (over_slices(own[score].to_numpy(np.float64)) for score in ("f1", "iou"))
        row = {"n": f1.n, "f1_mean": f1.mean, "f1_sd": f1.sd, "iou_mean": iou.mean, "iou_sd": iou.sd}
        note = "" if f1.n > 1 else ONE_SLICE if f1.n else NO_SLICE
        rows.append({**_named((str(pred), str(truth)), str(name)), **row, "note": note})
    return as_table("slice_scores", rows)


def with_units(row: Mapping[str, Any]) -> dict[str, Any]:
    """Name the numbers of a row as the table's columns."""
    return {WITH_UNIT.get(name, name): value for name, value in row.items()}


def _named(pair: Pair, name: str) -> dict[str, str]:
    return {"pred": pair[0], "truth": pair[1], "class": name}


def _also(note: str, further: str) -> str:
    return f"{note}; {further}" if note else further
