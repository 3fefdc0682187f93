"""From few labelled slices to organelles: boxes trained and detected, every recipe, and the peers that need masks."""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from bench_famous import SETTINGS, Setting, Volume, components, joined, painted, prepare
from rich.console import Console

from accuracy.metrics import VolumeScores, boxes_of, pieces, score_volume
from accuracy.peers import affordable, apply_rule, box_minutes, make_peer, mask_minutes, tuned_rule
from accuracy.recipes import ADAPTED, CLASS, recipes, weights_without
from famous import boxes as box_table
from famous.extract import Extractor, MaskNetExtractor, MaskNetParams, extract_slice
from famous.extract.masknet import LEARNT_BOX_ERROR
from famous.extract.slices import reach_of
from famous.files import write_text
from famous.io.volumes import read_label_volume
from famous.link.agree import AgreeParams
from famous.pipeline.detect import close_detector, run_detect
from famous.pipeline.project import Project
from famous.pipeline.stage import Session
from famous.pipeline.train import run_train
from famous.pipeline.votes import Votes
from famous.progress import Bars
from famous.stack import slabs
from famous.voxels import VoxelSize
from famous.yolo.adapt import AdaptParams, adapt
from famous.yolo.masknet import open_masknet

COLUMNS = (
    "labels",
    "a person's minutes",
    "training minutes",
    "box recall .5",
    "precision .5",
    "recall .75",
    "precision .75",
    "voxel IoU",
    "Dice",
    "3D SA50",
    "objects",
)
LEGEND = (
    "Boxes: one to one in each slice at IoU 0.5 and 0.75; a peer's are those of its 2D components. "
    "3D SA50: TP / (TP + FP + FN) of 3D objects, one to one at IoU 0.5. A person takes 5 s to draw a box and 60 s to "
    "paint a mask; where a peer has masks for the time of the boxes, its last slice is painted to the end. "
    "The detector starts from the weights of --weights (COCO's, if none are), masknet from masks of other "
    "sets, the peers from nothing."
)
#: What others published on the same organelles, on slices of theirs: set → name → column → figure.
PUBLISHED = {
    "lucchi": {
        "*3D U-Nets, 165 slices painted whole, as published*": {"voxel IoU": "0.87–0.89"},
        "*best known, as published*": {"voxel IoU": "0.935"},
        "*micro-sam, automatic, as published*": {"3D SA50": "0.455"},
        "*micro-sam, a person prompts, as published*": {"3D SA50": "0.756"},
    }
}


@dataclass(frozen=True)
class Bench:
    """What is asked for."""

    data: Path
    name: str
    work: Path
    minutes: float
    masknets: Path | None = None
    weights: str | None = None
    peers: tuple[str, ...] = ()

    @property
    def setting(self) -> Setting:
        """The stack's blocks of slices that train and score."""
        return SETTINGS[self.name]

    @property
    def start(self) -> str | None:
        """Detector weights to start from; None: what `famous train` starts from."""
        usual = self.data / "weights" / "yolo26n.pt"
        return self.weights or (str(usual) if usual.exists() else None)

    @cached_property
    def truth(self) -> Volume:
        """(z, y, x) ids of the whole stack."""
        stack = read_label_volume(self.data / self.setting.truth).stack
        return np.stack([np.asarray(stack.grey(z), dtype=np.uint32) for z in range(len(stack))])

    @cached_property
    def true_boxes(self) -> pd.DataFrame:
        """Tight boxes of the 2D components of the whole stack."""
        return components(self.truth, range(len(self.truth)))[0]

    @cached_property
    def known(self) -> Volume:
        """The objects of the block that is scored."""
        block = self.setting.score
        return pieces(self.truth[block.start : block.stop])

    def score(self, boxes: pd.DataFrame, labels: Volume) -> VolumeScores:
        """Score boxes and voxels of the block."""
        own = self.true_boxes[self.true_boxes["z"].isin(self.setting.score)]
        return score_volume(own, self.known, boxes, labels)


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    method: str
    labels: str
    person_minutes: float
    training_minutes: float
    scores: VolumeScores

    @property
    def line(self) -> str:
        """The line in Markdown."""
        *shares, objects = asdict(self.scores).values()
        cells = [f"{self.person_minutes:.0f}", f"{self.training_minutes:.1f}", *(f"{value:.3f}" for value in shares)]
        return f"| {self.method} | {self.labels} | {' | '.join(cells)} | {objects} |"


class Results:
    """The rows so far, on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def find(self, key: str) -> Row | None:
        """Return a row that was made before."""
        held = self._rows.get(key)
        return None if held is None else Row(**{**held, "scores": VolumeScores(**held["scores"])})

    def keep(self, key: str, row: Row) -> Row:
        """Write a row down at once."""
        self._rows[key] = asdict(row)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_text(self._path, json.dumps(self._rows, indent=1, ensure_ascii=False))
        return row


def bench_detected(bench: Bench, slices: list[int]) -> list[Row]:
    """Measure from each number of labelled slices, printing each row when it is there."""
    setting, results, rows = bench.setting, Results(bench.work / "results.json"), []
    low, high = setting.train[0], setting.train[-1]
    print(
        f"## {bench.name}: labels from slices {low}–{high}, scored on {setting.score.start}–{setting.score.stop - 1}\n"
    )
    print(LEGEND + "\n")
    print(f"| method | {' | '.join(COLUMNS)} |\n|---|---|" + "---:|" * (len(COLUMNS) - 1), flush=True)
    for number in slices:
        if number > high - low + 1:
            raise SystemExit(f"--slices {number}: {bench.name} has {high - low + 1} slices to label")
        for row in rows_of(bench, evenly(low, high, number), results):
            print(row.line, flush=True)
            rows.append(row)
    for name, figures in PUBLISHED.get(bench.name, {}).items():
        print(f"| {name} | {' | '.join(figures.get(column, '–') for column in COLUMNS)} |")
    return rows


def evenly(low: int, high: int, number: int) -> tuple[int, ...]:
    """Spread slices evenly from the lowest to the highest."""
    return tuple(np.linspace(low, high, number).round().astype(int).tolist())


def slices_told(slices: tuple[int, ...]) -> str:
    return f"{len(slices)} slice{'s' if len(slices) != 1 else ''}"


def rows_of(bench: Bench, train: tuple[int, ...], results: Results) -> Iterator[Row]:
    """Yield the rows of one choice of labelled slices: each recipe on the detected boxes, then each peer."""
    objects = bench.true_boxes.groupby("z").size().reindex(range(len(bench.truth)), fill_value=0)
    drawn = int(objects[list(train)].sum())
    options = argparse.Namespace(
        data=bench.data, work=bench.work / f"{bench.name}_{len(train)}", minutes=bench.minutes, weights=bench.start
    )
    project = prepare(options, replace(bench.setting, train=train), bench.true_boxes, bench.truth.shape)
    detected, trained = detect(project, bench.setting.score)
    known = recipes(bench.name, bench.masknets)
    if bench.masknets is not None:
        start = weights_without(bench.name, bench.masknets)
        known[ADAPTED] = taught(start, bench, project, train)
    for recipe, extractor in known.items():
        boxes, labels = extract(project, detected, extractor, bench.setting)
        minutes = box_minutes(drawn)
        told = f"{drawn} boxes on {slices_told(train)}"
        row = Row(f"famous, {recipe}", told, minutes, trained, bench.score(boxes, labels))
        yield results.keep(f"{bench.name}: {row.method}, {told}, {bench.minutes:g} min from {bench.start}", row)
    block = range(bench.setting.train[0], bench.setting.train[-1] + 1)
    same_time = affordable(box_minutes(drawn), {z: int(objects[z]) for z in block})
    for peer in bench.peers:
        for painted_slices in dict.fromkeys([tuple(same_time), train]):
            masks = int(objects[list(painted_slices)].sum())
            yield peer_row(bench, peer, project, painted_slices, masks, results)


def taught(start: Path, bench: Bench, project: Project, train: tuple[int, ...]) -> Extractor:
    """Teach the network that never saw this set the boxes of the labelled slices, as a training does."""
    boxes = bench.true_boxes[bench.true_boxes["z"].isin(train)]
    return learnt(project, boxes, start, bench.work / f"{bench.name}_{len(train)}.onnx")


def learnt(project: Project, boxes: pd.DataFrame, start: Path, target: Path) -> Extractor:
    """Teach a box → mask network some boxes of a stack, as a training does."""
    started = time.monotonic()
    number = adapt(project.stack, boxes, start, target, AdaptParams())
    sys.stderr.write(f"masknet learnt {number} boxes in {time.monotonic() - started:.0f} s\n")
    return MaskNetExtractor(open_masknet(target), MaskNetParams(), LEARNT_BOX_ERROR)


def detect(project: Project, score: range) -> tuple[pd.DataFrame, float]:
    """Train and detect as a run does, or take what was made before; the block's boxes, and the minutes trained."""
    with Bars(Console(stderr=True)) as bars:
        session = Session(bars)
        card = run_train(project, session)
        found = run_detect(project, session)
    close_detector()
    return found[found["z"].isin(score)].reset_index(drop=True), card.seconds / 60


def extract(
    project: Project, detected: pd.DataFrame, extractor: Extractor, setting: Setting
) -> tuple[pd.DataFrame, Volume]:
    """Turn boxes into pixels and instances as a run does, as if the block were a stack of its own.

    Returns the boxes that linking kept, and the block's instances.
    """
    size = VoxelSize(*setting.voxel_size)
    images = [
        extract_slice(slab, detected[detected["z"] == z], {CLASS: extractor}, voxel_size=size)[CLASS]
        for z, slab in slabs(project.stack, setting.score)
    ]
    if detected.empty:
        return box_table.empty(), np.stack(images)
    linked = joined(detected, np.stack(images), setting.score, size)
    return linked[linked["instance"] > 0], agreed(linked, np.stack(images), extractor, setting)


def agreed(linked: pd.DataFrame, images: Volume, extractor: Extractor, setting: Setting) -> Volume:
    """Give each box's pixels the id of its instance, and let the slices agree as a run does."""
    labels = painted(linked, images)
    weights = AgreeParams().weights(VoxelSize(*setting.voxel_size))
    if len(weights) > 1:
        shape = (images.shape[1], images.shape[2])
        votes = Votes.of_group(linked.assign(reach=reach_of(extractor)), [CLASS], weights, shape)
        for z, image in votes.agreed(zip(setting.score, images, strict=True), setting.score):
            labels[z - setting.score.start] = image
    return labels


def peer_row(bench: Bench, name: str, project: Project, train: tuple[int, ...], masks: int, results: Results) -> Row:
    """Train a peer on painted slices and score it, or take the row that was made before."""
    told = f"{masks} masks on {slices_told(train)}"
    key = f"{bench.name}: {name}, {told} {list(train)}, {bench.minutes:g} min"
    if (row := results.find(key)) is not None:
        return row
    sys.stderr.write(f"{key}\n")
    folder = bench.work / "peers" / f"{bench.name}_{name}_{bench.minutes:g}_{'-'.join(map(str, train))}"
    images = dict(slabs(project.stack, train))
    painted_masks = {z: bench.truth[z] > 0 for z in train}
    peer = make_peer(name)
    seconds = peer.fit(images, painted_masks, bench.minutes * 60, folder)
    rule = tuned_rule(peer, images, painted_masks)
    sys.stderr.write(f"  threshold {rule.threshold:g}, objects of {rule.area} pixels and more\n")
    labels = apply_rule((peer.probability(slab) for _, slab in slabs(project.stack, bench.setting.score)), rule)
    scores = bench.score(boxes_of(labels, bench.setting.score.start, rule.area), labels)
    title = {"unet": "2D U-Net on masks", "forest": "random forest on masks"}[name]
    row = results.keep(key, Row(title, told, mask_minutes(masks), seconds / 60, scores))
    shutil.rmtree(folder, ignore_errors=True)
    return row
