"""A comparison of three label sets of one phantom cell, for tests of the report: ellipsoids drawn by seeded experts.

Its tables are counted here in the plainest way, so that the report's tests do not lean on `famous.compare`'s verbs.
"""

from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous.compare.comparison import NO_CLASS, Comparison, GridFacts, SourceFacts, as_table
from famous.mesh import Mesh
from famous.voxels import VoxelSize

AXES = ("z", "y", "x")
CLASSES = ("mitochondrion", "early_endosome", "late_endosome", "lysosome")
SIZE = VoxelSize(20.0, 8.0, 8.0)
SHAPE = (32, 160, 200)
RADII_NM = {"mitochondrion": 150.0, "early_endosome": 60.0, "late_endosome": 85.0, "lysosome": 100.0}
COUNTS = {"mitochondrion": 9, "early_endosome": 8, "late_endosome": 5, "lysosome": 1}
THRESHOLDS = (0.25, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


@dataclass(frozen=True)
class Body:
    """One ellipsoid: its class, middle and half axes in nm (z, y, x)."""

    class_name: str
    centre: tuple[float, float, float]
    radii: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Cell:
    """Source → class → labels (z, y, x), and the bodies they were drawn from (id = place in the list + 1)."""

    labels: dict[str, dict[str, NDArray[np.uint32]]]
    bodies: dict[str, dict[str, list[Body]]]
    shape: tuple[int, int, int] = SHAPE
    size: VoxelSize = field(default=SIZE)

    def slice(self, axis: str, index: int, window: tuple[int, int, int, int]) -> NDArray[np.uint8]:
        """Grey values: bright ground, dark bodies, a fixed grain."""
        return cut(self.grey, axis, index, window)

    @cached_property
    def grey(self) -> NDArray[np.uint8]:
        shown = np.zeros(self.shape, dtype=np.bool_)
        for volume in self.labels[next(iter(self.labels))].values():
            shown |= volume > 0
        grain = np.random.default_rng(7).normal(0, 12, self.shape)
        return np.clip(np.where(shown, 95, 170) + grain, 0, 255).astype(np.uint8)

    def labels_of(self, source: str, class_name: str) -> NDArray[np.uint32]:
        """Return one label volume."""
        return self.labels[source].get(class_name, np.zeros(self.shape, np.uint32))


class FakePictures:
    """What the pipeline gives the report, out of a cell in memory."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.asked: list[tuple[Any, ...]] = []

    def slice(self, axis: str, index: int, window: tuple[int, int, int, int]) -> NDArray[np.uint8]:
        self.asked.append((axis, index, window))
        return self.cell.slice(axis, index, window)

    def labels(
        self, source: str, class_name: str, axis: str, index: int, window: tuple[int, int, int, int]
    ) -> NDArray[np.uint32]:
        return cut(self.cell.labels_of(source, class_name), axis, index, window)


def cut(volume: NDArray[Any], axis: str, index: int, window: tuple[int, int, int, int]) -> NDArray[Any]:
    """Take one plane out of a volume, and a window of it."""
    row0, row1, column0, column1 = window
    return np.take(volume, index, axis=AXES.index(axis))[row0:row1, column0:column1]


def ball(centre: tuple[float, ...], radii: tuple[float, ...], rings: int = 7) -> Mesh:
    """A closed ellipsoid of rings, outward."""
    around = 2 * rings
    theta = np.pi * np.arange(1, rings) / rings
    phi = 2 * np.pi * np.arange(around) / around
    ring = np.stack(
        [
            np.repeat(np.cos(theta), around),
            np.outer(np.sin(theta), np.sin(phi)).ravel(),
            np.outer(np.sin(theta), np.cos(phi)).ravel(),
        ],
        axis=1,
    )
    unit = np.concatenate([[[1.0, 0, 0]], ring, [[-1.0, 0, 0]]])
    last = len(unit) - 1
    faces = []
    for k in range(around):
        after = (k + 1) % around
        faces += [(0, 1 + k, 1 + after), (last, last - around + after, last - around + k)]
        for row in range(rings - 2):
            a, b = 1 + row * around + k, 1 + row * around + after
            faces += [(a, a + around, b), (b, a + around, b + around)]
    return Mesh(unit * np.array(radii) + np.array(centre), np.array(faces)).outward()


@cache
def cell(seed: int = 3) -> Cell:
    """Three sources: M1, M2 with other borders and a few other opinions, and a program that errs in every way."""
    rng = np.random.default_rng(seed)
    first = _place(rng)
    second = {name: [_jitter(rng, body, 0.06) for body in bodies] for name, bodies in first.items()}
    second["early_endosome"] = second["early_endosome"][:-1]  # dropped
    program = {name: [_jitter(rng, body, 0.1) for body in bodies] for name, bodies in first.items()}
    program["early_endosome"] = program["early_endosome"][2:]  # missed
    program["mitochondrion"][0:1] = _halves(first["mitochondrion"][0])  # split
    moved = program["late_endosome"].pop(0)  # confused
    program["lysosome"] = [replace(moved, class_name="lysosome")]
    invented = Body("late_endosome", (0.5 * SHAPE[0] * SIZE.z, 90.0, 90.0), (70.0, 60.0, 60.0))
    program["late_endosome"].append(invented)
    bodies = {"automatic": program, "M1": first, "M2": second}
    labels = {source: {name: _paint(items) for name, items in classes.items()} for source, classes in bodies.items()}
    drawn = labels["automatic"]["mitochondrion"]
    drawn[drawn == 4] = 3  # two of M1's become one
    return Cell(labels, bodies)


def _place(rng: np.random.Generator) -> dict[str, list[Body]]:
    extent = np.array(SHAPE) * SIZE.zyx
    placed: list[tuple[NDArray[np.float64], float]] = []
    bodies: dict[str, list[Body]] = {}
    for name in CLASSES:
        bodies[name] = []
        while len(bodies[name]) < COUNTS[name]:
            radii = RADII_NM[name] * rng.uniform(0.75, 1.25, 3)
            radii[0] *= 0.8
            reach = float(radii.max())
            centre = rng.uniform(0.9 * radii, extent - 0.9 * radii)
            if all(np.linalg.norm(centre - other) > 0.85 * (reach + far) for other, far in placed):
                placed.append((centre, reach))
                bodies[name].append(Body(name, tuple(centre.tolist()), tuple(radii.tolist())))
    return bodies


def _jitter(rng: np.random.Generator, body: Body, share: float) -> Body:
    radii = np.array(body.radii)
    centre = np.array(body.centre) + rng.normal(0, share * radii)
    return Body(body.class_name, tuple(centre.tolist()), tuple((radii * rng.normal(1, share, 3)).tolist()))


def _halves(body: Body) -> list[Body]:
    z, y, x = body.centre
    a, b, c = body.radii
    return [Body(body.class_name, (z, y, x + side * 0.53 * c), (0.85 * a, 0.85 * b, 0.47 * c)) for side in (-1, 1)]


def _paint(bodies: list[Body]) -> NDArray[np.uint32]:
    labels = np.zeros(SHAPE, np.uint32)
    where = np.stack(
        np.meshgrid(*((np.arange(n) + 0.5) * d for n, d in zip(SHAPE, SIZE.zyx, strict=True)), indexing="ij")
    )
    for number, body in enumerate(bodies, start=1):
        away = (where - np.array(body.centre)[:, None, None, None]) / np.array(body.radii)[:, None, None, None]
        labels[(away**2).sum(axis=0) <= 1] = number
    return labels


def meshes(cell: Cell, sources: tuple[str, ...] | None = None) -> list[tuple[str, str, int, Mesh]]:
    """Every body as a mesh."""
    return [
        (source, name, number, ball(body.centre, body.radii))
        for source, classes in cell.bodies.items()
        if sources is None or source in sources
        for name, bodies in classes.items()
        for number, body in enumerate(bodies, start=1)
        if (cell.labels[source][name] == number).any()
    ]


@cache
def compare(cell: Cell, sources: tuple[str, ...] = ("automatic", "M1", "M2")) -> Comparison:
    """Count all tables of a comparison of these sources; tests must not change them."""
    facts_of = tuple(
        SourceFacts(
            name, f"data/{name}.tif", "label TIFF", cell.size, cell.shape, CLASSES, (f"ids of {name}",), "0" * 8
        )
        for name in sources
    )
    bare = Comparison(facts_of, GridFacts(cell.shape, cell.size))
    objects = as_table("objects", [row for source in sources for row in _objects(cell, source)])
    counted = [(pair, name, _pair(cell, pair, name, objects)) for pair in bare.pairs for name in CLASSES]
    tables = {
        "objects": objects,
        "matches": as_table("matches", [row for *_, one in counted for row in one["matches"]]),
        "detection": as_table("detection", [row for *_, one in counted for row in one["detection"]]),
        "agreement": as_table("agreement", [one["agreement"] for *_, one in counted]),
        "intervals": as_table("intervals", [one["interval"] for *_, one in counted]),
        "slices": as_table("slices", [row for *_, one in counted for row in one["slices"]]),
        "components": as_table("components", [row for *_, one in counted for row in one["components"]]),
        "totals": objects.groupby(["source", "class"], sort=False, as_index=False)
        .agg(count=("id", "size"), volume_um3=("volume_um3", "sum"), area_um2=("area_um2", "sum"))
        .astype({"count": "int64"}),
        "confusion": _confusion(bare.pairs, counted),
    }
    tables["slice_scores"] = _slice_scores(tables["slices"])
    tables["verdicts"] = _verdicts(tables["intervals"], bare.pairs)
    levels = [tables["verdicts"].assign(threshold=level) for level in (0.25, 0.5, 0.75)]
    tables["verdicts_by_threshold"] = as_table("verdicts_by_threshold", pd.concat(levels))
    made = {
        "threshold": 0.5,
        "parameters": {
            "threshold": 0.5,
            "bootstrap": {"samples": 2000, "seed": 0, "level": 0.95},
            "paper_matching": False,
        },
        "command": "famous compare cell.tif --truth M1.tif --truth M2.tif --names M1 M2",
        "version": "0.1.0",
        "versions": {"numpy": "2.4.0", "scipy": "1.17.0"},
        "notes": ("The truth M2 was cropped by 4 voxels in y.",),
    }
    return Comparison(facts_of, bare.grid, **tables, **made)


def _objects(cell: Cell, source: str) -> list[dict[str, Any]]:
    voxel = cell.size.volume_nm3 / 1e9
    rows = []
    for name, volume in cell.labels[source].items():
        for number in np.unique(volume[volume > 0]).tolist():
            at = np.argwhere(volume == number)
            low, high = at.min(axis=0), at.max(axis=0) + 1
            middle = (at.mean(axis=0) + 0.5) * cell.size.zyx / 1000
            touches = bool((low == 0).any() or (high == cell.shape).any())
            rows.append(
                {"source": source, "class": name, "id": number, "voxels": len(at), "volume_um3": len(at) * voxel}
                | {"area_um2": 4.84 * (len(at) * voxel) ** (2 / 3), "touches_border": touches}
                | {f"centroid_{axis}_um": float(value) for axis, value in zip("zyx", middle, strict=True)}
                | {f"low_{axis}_voxel": int(value) for axis, value in zip("zyx", low, strict=True)}
                | {f"high_{axis}_voxel": int(value) for axis, value in zip("zyx", high, strict=True)}
                | {"score": 0.9 if source == "automatic" else np.nan}
            )
    return rows


def _pair(cell: Cell, pair: tuple[str, str], name: str, objects: pd.DataFrame) -> dict[str, Any]:
    """Everything of one pair and class."""
    voxel = cell.size.volume_nm3 / 1e9
    pred, truth = (cell.labels_of(source, name) for source in pair)
    ids: tuple[list[int], list[int]] = (np.unique(pred[pred > 0]).tolist(), np.unique(truth[truth > 0]).tolist())
    sizes = {(0, i): int((pred == i).sum()) for i in ids[0]} | {(1, i): int((truth == i).sum()) for i in ids[1]}
    both = {(a, b): int(((pred == a) & (truth == b)).sum()) for a in ids[0] for b in ids[1]}
    iou = {key: n / (sizes[0, key[0]] + sizes[1, key[1]] - n) for key, n in both.items() if n}
    key = {"pred": pair[0], "truth": pair[1], "class": name}
    rows = []
    matched = {t: _one_to_one(iou, t) for t in THRESHOLDS}
    for a, b in matched[0.5]:
        cost = (sizes[0, a] + sizes[1, b] - 2 * both[a, b]) * voxel
        rows.append(
            {
                "kind": "matched",
                "pred_id": a,
                "truth_id": b,
                "overlap_voxels": both[a, b],
                "iou": iou[a, b],
                "cost_um3": cost,
            }
        )
    found = ({a for a, _ in matched[0.5]}, {b for _, b in matched[0.5]})
    for side, kind in ((1, "missed"), (0, "invented")):
        for i in ids[side]:
            if i not in found[side]:
                rows.append(
                    {
                        "kind": kind,
                        "pred_id": None if side else i,
                        "truth_id": i if side else None,
                        "overlap_voxels": 0,
                        "iou": 0.0,
                        "cost_um3": sizes[side, i] * voxel,
                    }
                )
    for b in ids[1]:
        parts = [a for a in ids[0] if both[a, b] > 0.5 * sizes[0, a]]
        rows += [
            {
                "kind": "split",
                "pred_id": a,
                "truth_id": b,
                "overlap_voxels": both[a, b],
                "iou": iou[a, b],
                "cost_um3": sizes[0, a] * voxel,
            }
            for a in parts
            if len(parts) > 1
        ]
    for a in ids[0]:
        parts = [b for b in ids[1] if both[a, b] > 0.5 * sizes[1, b]]
        rows += [
            {
                "kind": "merge",
                "pred_id": a,
                "truth_id": b,
                "overlap_voxels": both[a, b],
                "iou": iou[a, b],
                "cost_um3": sizes[1, b] * voxel,
            }
            for b in parts
            if len(parts) > 1
        ]
    for other in CLASSES:
        if other != name:
            rows += _confused(cell.labels_of(pair[0], other), truth, other, voxel)
    rows = [key | {"other_class": "", "cost_voxels": round(row["cost_um3"] / voxel)} | row for row in rows]
    detection = [_detection(key, t, len(matched[t]), ids, [iou[m] for m in matched[t]], rows) for t in THRESHOLDS]
    mean = {
        column: np.mean([row[column] for row in detection[1:]]) for column in ("precision", "recall", "f1", "jaccard")
    }
    detection.append(key | {"matching": "one to one", "threshold": np.nan, "splits": 0, "merges": 0} | mean)
    middle = detection[1]["f1"]
    return {
        "matches": rows,
        "detection": detection,
        "agreement": _agreement(key, pred > 0, truth > 0, voxel),
        "interval": key
        | {
            "metric": "f1",
            "value": middle,
            "low": max(0.0, middle - 0.12),
            "high": min(1.0, middle + 0.08),
            "n": len(ids[1]),
            "level": 0.95,
        },
        "slices": [_slice(key, z, pred[z] > 0, truth[z] > 0) for z in range(cell.shape[0])],
        "components": [
            key
            | {"dimensions": d, "detected": len(found[1]), "under_detected": 1, "missed": len(ids[1]) - len(found[1])}
            for d in (2, 3)
        ],
    }


def _one_to_one(iou: dict[tuple[int, int], float], threshold: float) -> list[tuple[int, int]]:
    used: tuple[set[int], set[int]] = (set(), set())
    chosen = []
    for (a, b), value in sorted(iou.items(), key=lambda item: -item[1]):
        if value >= threshold and a not in used[0] and b not in used[1]:
            chosen.append((a, b))
            used[0].add(a)
            used[1].add(b)
    return chosen


def _confused(other: NDArray[Any], truth: NDArray[Any], name: str, voxel: float) -> list[dict[str, Any]]:
    rows = []
    for b in np.unique(truth[truth > 0]).tolist():
        inside = other[(truth == b) & (other > 0)]
        if len(inside) > 0.5 * (truth == b).sum():
            a = int(inside[0])
            either = int(((other == a) | (truth == b)).sum())
            rows.append(
                {
                    "kind": "confused",
                    "pred_id": a,
                    "truth_id": b,
                    "other_class": name,
                    "overlap_voxels": len(inside),
                    "iou": len(inside) / either,
                    "cost_um3": either * voxel,
                }
            )
    return rows


def _detection(key: dict[str, str], threshold: float, tp: int, ids: Any, iou: list[float], rows: Any) -> dict[str, Any]:
    fp, fn = len(ids[0]) - tp, len(ids[1]) - tp
    none = "" if ids[0] and ids[1] else f"no object of the class in {key['truth'] if ids[0] else key['pred']}"
    either = tp + fp + fn
    return key | {
        "matching": "one to one", "threshold": threshold, "tp": tp, "fp": fp, "fn": fn,
        "precision": tp / len(ids[0]) if ids[0] else np.nan, "recall": tp / len(ids[1]) if ids[1] else np.nan,
        "f1": 2 * tp / (2 * tp + fp + fn) if either else np.nan, "jaccard": tp / either if either else np.nan,
        "pq": sum(iou) / (tp + fp / 2 + fn / 2) if either else np.nan, "mean_iou": np.mean(iou) if iou else np.nan,
        "sq": np.mean(iou) if iou else np.nan, "rq": 2 * tp / (2 * tp + fp + fn) if either else np.nan,
        "splits": sum(row["kind"] == "split" for row in rows), "merges": sum(row["kind"] == "merge" for row in rows),
        "note": none,
    }  # fmt: skip


def _agreement(key: dict[str, str], pred: NDArray[Any], truth: NDArray[Any], voxel: float) -> dict[str, Any]:
    both, either = int((pred & truth).sum()), int((pred | truth).sum())
    share = both / either if either else np.nan
    return key | {
        "volume_overlap_percent": 100 * share, "union_um3": either * voxel, "intersection_um3": both * voxel,
        "iou": share, "dice": 2 * share / (1 + share), "adapted_rand_error": 0.08,
        "vi_split_bits": 0.21, "vi_merge_bits": 0.13,
        "surface_mean_nm": 9.4 if both else np.nan, "surface_p95_nm": 31.0 if both else np.nan,
        "surface_hausdorff_nm": 88.0 if both else np.nan, "note": "" if both else "no surface in both",
    }  # fmt: skip


def _slice(key: dict[str, str], z: int, pred: NDArray[Any], truth: NDArray[Any]) -> dict[str, Any]:
    both, either = int((pred & truth).sum()), int((pred | truth).sum())
    share = both / either if either else np.nan
    return key | {
        "z": z,
        "tp_px": both,
        "fp_px": int(pred.sum()) - both,
        "fn_px": int(truth.sum()) - both,
        "f1": 2 * share / (1 + share),
        "iou": share,
    }


def _slice_scores(slices: pd.DataFrame) -> pd.DataFrame:
    grouped = slices.groupby(["pred", "truth", "class"], sort=False, as_index=False)
    scores = {f"{name}_{what}": (name, what.replace("sd", "std")) for name in ("f1", "iou") for what in ("mean", "sd")}
    return as_table("slice_scores", grouped.agg(n=("f1", "count"), **scores))


def _confusion(pairs: Any, counted: Any) -> pd.DataFrame:
    rows = []
    for pair, name, one in counted:
        kinds = pd.Series([row["kind"] for row in one["matches"]], dtype="str").value_counts()
        table = {(name, name): "matched", (NO_CLASS, name): "missed", (name, NO_CLASS): "invented"}
        rows += [(*pair, a, b, int(kinds.get(kind, 0))) for (a, b), kind in table.items()]
        rows += [(*pair, row["other_class"], name, 1) for row in one["matches"] if row["kind"] == "confused"]
    return as_table(
        "confusion",
        [dict(zip(("pred", "truth", "pred_class", "truth_class", "count"), row, strict=True)) for row in rows],
    )


def _verdicts(intervals: pd.DataFrame, pairs: Any) -> pd.DataFrame:
    rows = []
    for number, name in enumerate(CLASSES):
        kind, sentence = [
            ("as good", "automatic agrees with M1 as well as M2 does."),
            ("worse", "automatic is worse than a second expert by 0.21 (0.05 to 0.34)."),
            ("undecided", "Too few objects to tell automatic from a second expert."),
            ("undefined", "The program found no object that an expert drew."),
        ][number]
        if len(pairs) < 3:
            kind, sentence = "no second expert", f"automatic agrees with M1 with F1 {0.8 - 0.1 * number:.2f}."
        rows.append({"class": name, "kind": kind, "sentence": sentence, "metric": "f1", "difference": -0.05 * number})
    return as_table("verdicts", rows)
