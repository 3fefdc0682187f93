"""Boxes to a detector: fine-tune on the slices that were annotated, and say in a card how good it became."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Collection
from dataclasses import asdict, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from famous.boxes import concat, require, validate
from famous.detect import Detector, DetectParams, detect_slice
from famous.errors import InputError, MissingError
from famous.stack import Stack
from famous.voxels import VoxelSize
from famous.yolo.adapt import AdaptParams, adapt
from famous.yolo.card import Card, card_beside, digest, write_card
from famous.yolo.dataset import TileFile, annotated_tiles, choose_pixel_nm, write_tiles
from famous.yolo.listener import Listener, nobody
from famous.yolo.masknet import FILE_NAME as MASKNET
from famous.yolo.masknet import packaged_file, packaged_terms
from famous.yolo.network import NMS_IOU, Network, export_onnx, has_end_to_end, load_network, raw_network
from famous.yolo.params import PACKAGED, TrainParams
from famous.yolo.quiet import import_ultralytics
from famous.yolo.runtime import SCORE_FLOOR, YoloDetector, load_detector, packaged_start, torch_infer
from famous.yolo.score import score_boxes
from famous.yolo.start import open_start
from famous.yolo.trainer import Job, fit

WORK = "work"
EXPORTING, LEARNING, SCORING = "exporting", "masknet learns your boxes", "scoring"  # after the epochs
START = "scoring the start"
WEIGHTS_VARIABLE = "FAMOUS_WEIGHTS"


def train(
    stack: Stack,
    boxes: pd.DataFrame,
    done: Collection[int],
    *,
    folder: Path,
    params: TrainParams,
    listener: Listener | None = None,
) -> Card:
    """Fine-tune a detector and write `best.onnx`, `best.pt` and `card.json` into a model folder.

    The box → mask network learns the same boxes, see `famous.yolo.adapt`, and is written there as `masknet.onnx`.

    A run that was killed goes on from its last epoch when it is called again with the same input; its half-done work
    lies in `folder/work`, which goes at the end. Nothing in `folder` changes before the new detector is whole. With
    `epochs` given, on the CPU, the weights are then those of a training that was left alone, to the byte; see
    `famous.yolo.trainer.fit` for what holds with `minutes` or a GPU.

    Parameters
    ----------
    stack
        With voxel size and window; read at the done slices and their neighbours only.
    boxes
        Box table; rows on slices that are not done are left out.
    done
        Slices on which every organelle of the classes has its box. Other slices are never taken as negatives.
    listener
        Is told of each epoch and of each piece of work after them.

    Raises
    ------
    InputError
        If there is nothing to learn from, or the stack lacks its voxel size or window.
    MissingError
        If the weights to start from are not here.
    """
    listener = listener or Listener()
    voxel_size, slices = _check(stack, boxes, done)
    learnt, held = validation_block(slices, params)
    rows = boxes[boxes["z"].isin(learnt)]
    if rows.empty:
        raise InputError(
            f"{stack.name}: the {len(learnt)} slices to train on have no box; draw some, or do more slices"
        )
    class_names = tuple(sorted(rows["class_name"].astype("str").unique()))
    folder.mkdir(parents=True, exist_ok=True)
    work = folder / WORK
    weights = find_weights(params, folder)
    _claim(work, _fingerprint(stack, boxes[boxes["z"].isin(slices)], slices, params, weights))
    pixel_nm = choose_pixel_nm(stack.shape, voxel_size, params)
    if not (work / "tiles.json").is_file():
        write_tiles(work, annotated_tiles(stack, rows, learnt, class_names, params))

    def detector(network: Network) -> Detector:
        end_to_end = params.end_to_end and has_end_to_end(network)
        return YoloDetector(
            class_names,
            1 if params.channels == "gray" else 3,
            pixel_nm,
            0.0 if end_to_end else NMS_IOU,
            "torch",
            torch_infer(raw_network(network, end_to_end=end_to_end)),
        )

    def score(network: Network) -> float:
        pred = detect_slices(stack, held, detector(network))
        return score_boxes(boxes[boxes["z"].isin(held)], pred)["all"].map50_95

    tiles = TileFile(work)
    job = Job(tiles, class_names, weights, work, params, listener.epoch, score if held else None)
    checkpoint, state = fit(job)
    start = _score_start(stack, boxes, held, job, listener)
    below = card_beside(weights)
    card = Card(
        class_names=class_names,
        channels=1 if params.channels == "gray" else 3,
        pixel_nm=pixel_nm,
        nms_iou=NMS_IOU,
        stack=stack.name,
        voxel_size_nm=voxel_size.zyx,
        slices=tuple(learnt),
        validation_slices=tuple(held),
        boxes={name: int((rows["class_name"] == name).sum()) for name in class_names},
        params={**asdict(params), "weights": Path(params.weights).name},
        epochs=state.epoch,
        seconds=round(state.seconds, 1),
        finished=datetime.now().astimezone().isoformat(timespec="seconds"),
        versions={name: version(name) for name in ("ultralytics", "torch", "numpy", "opencv-python")},
        start=start,
        unscored="" if held else why_unscored(slices, params),
        notes="metrics are from slices that chose the epoch but were never trained on" if held else "",
        terms=f"{weights.name}, which it started from: {below.terms}" if below is not None and below.terms else "",
    )
    return _finish(stack, boxes, checkpoint, card, folder, listener)


def detect_slices(
    stack: Stack, slices: Collection[int], detector: Detector, advance: Callable[[int], None] = nobody
) -> pd.DataFrame:
    """Detect on some slices, down to the lowest score that a detector gives, for scoring; `advance` hears of each."""
    if stack.voxel_size is None:
        raise InputError(f"{stack.name}: the stack has no voxel size; give it with --voxel-size Z Y X")
    params = DetectParams(score=SCORE_FLOOR)
    found = []
    for z in sorted(slices):
        found.append(detect_slice(stack.slab(z), z, detector, voxel_size=stack.voxel_size, params=params))
        advance(1)
    return concat(found)


def validation_block(slices: list[int], params: TrainParams) -> tuple[list[int], list[int]]:
    """Split sorted slices into those to learn from and a block at the end, contiguous in z, to score on.

    Random slices would have neighbours on the other side, which look the same.
    """
    if not params.validate or len(slices) < params.val_from:
        return slices, []
    count = max(1, round(params.val_fraction * len(slices)))
    return slices[:-count], slices[-count:]


def why_unscored(slices: list[int], params: TrainParams) -> str:
    """Say why no slice is held out to score on, and what to do about it."""
    if not params.validate:
        return "because train.validate is off: all slices were trained on"
    return (
        f"because {len(slices)} annotated slices were all trained on: from {params.val_from} on (train.val_from) a "
        "block of them is held out to score on"
    )


def weights_here(name: str, folder: Path) -> Path | None:
    """Look for a weights file: as a path, in the folder that FAMOUS_WEIGHTS names, in the folder of the model.

    The last is where a download puts it. None where it is nowhere. The name of those that ship finds them.
    """
    if name == PACKAGED:
        return packaged_start()
    given = os.environ.get(WEIGHTS_VARIABLE)
    places = [Path(name), *([Path(given) / name, Path(given)] if given else []), folder / Path(name).name]
    for place in places:
        if place.is_file() and (place == Path(name) or place.name == Path(name).name):
            return place
    return None


def find_weights(params: TrainParams, folder: Path) -> Path:
    """Find the weights to start from: a file that `weights_here` finds, or a known model YAML.

    Raises
    ------
    MissingError
        If they are nowhere and may not be downloaded.
    InputError
        If a card lies beside them, as beside those that ship, and they are not what it describes.
    """
    name = params.weights
    if (here := weights_here(name, folder)) is not None:
        half_replaced = (folder / WORK).exists() and here.parent.absolute() == folder.absolute()  # by a kill
        card = None if half_replaced else card_beside(here)
        return here if card is None else card.check(here.parent, here.name)
    if name.endswith((".yaml", ".yml")):
        ultralytics = import_ultralytics()
        known = list(Path(str(ultralytics.__file__)).parent.glob(f"cfg/models/**/{Path(name).name}"))
        if known or Path(name).stem.startswith("yolo"):
            return Path(name)
    if params.download:
        return _download(name, folder)
    raise MissingError(
        f"{name}: no such weights here, and nothing is downloaded unasked. Put the file there, give its path with "
        f"--start PATH, name its folder in the environment variable {WEIGHTS_VARIABLE}, or allow the download with "
        "--download (https://github.com/ultralytics/assets/releases)"
    )


def _download(name: str, folder: Path) -> Path:
    import_ultralytics()
    from ultralytics.utils.downloads import attempt_download_asset

    target = folder / Path(name).name
    try:
        attempt_download_asset(str(target))
    except (OSError, RuntimeError) as problem:
        raise MissingError(f"{name}: the download failed ({problem}); give the file with --start PATH") from problem
    if not target.is_file():
        raise MissingError(f"{name}: ultralytics has no such weights to download; give the file with --start PATH")
    return target


def _check(stack: Stack, boxes: pd.DataFrame, done: Collection[int]) -> tuple[VoxelSize, list[int]]:
    if stack.voxel_size is None:
        raise InputError(f"{stack.name}: the stack has no voxel size; give it with --voxel-size Z Y X")
    if stack.window is None:
        raise InputError(f"{stack.name}: the stack has no window; measure one first")
    require(boxes, ["z", "class_name"])
    validate(boxes, stack.shape)
    slices = sorted({int(z) for z in done})
    if not slices:
        raise InputError(f"{stack.name}: no slice is declared done; only those are trained on")
    if slices[0] < 0 or slices[-1] >= len(stack):
        raise InputError(f"{stack.name}: found done slices {slices[0]} … {slices[-1]}, expected 0 … {len(stack) - 1}")
    return stack.voxel_size, slices


def _fingerprint(stack: Stack, boxes: pd.DataFrame, slices: list[int], params: TrainParams, weights: Path) -> str:
    what = {
        "stack": [stack.name, stack.shape, str(stack.voxel_size), str(stack.window), stack.inverted],
        "boxes": boxes.to_csv(index=False),
        "slices": slices,
        "params": asdict(params),
        "weights": digest(weights) if weights.is_file() else str(weights),
        "ultralytics": version("ultralytics"),
    }
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def _claim(work: Path, fingerprint: str) -> None:
    """Keep a work folder of the same training, and start over in any other case."""
    mark = work / "fingerprint"
    if mark.is_file() and mark.read_text(encoding="ascii") == fingerprint:
        return
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    mark.write_text(fingerprint, encoding="ascii")


def _score_start(
    stack: Stack, boxes: pd.DataFrame, held: list[int], job: Job, listener: Listener
) -> dict[str, str | float | None]:
    """Score the detector that the training started from, where it knows the classes; else there are no figures."""
    detector = open_start(job.weights, job.class_names) if held else None
    if detector is None:
        return {}
    listener.begin(START, len(held))
    pred = detect_slices(stack, held, detector, listener.advance)
    pred = pred[pred["class_name"].isin(job.class_names)]
    scores = score_boxes(boxes[boxes["z"].isin(held)], pred, score=job.params.card_score)
    return {"weights": Path(job.params.weights).name, **scores["all"].as_dict()}


def _finish(stack: Stack, boxes: pd.DataFrame, checkpoint: Path, card: Card, folder: Path, listener: Listener) -> Card:
    """Strip, export, score what will really run, and put the files in place, the card last."""
    import_ultralytics()
    from ultralytics.utils.torch_utils import strip_optimizer

    listener.begin(EXPORTING, 1)
    terms = [card.terms] if card.terms else []
    ready = folder / WORK / "ready"
    ready.mkdir(exist_ok=True)
    strip_optimizer(str(checkpoint), str(ready / "best.pt"), {"date": None, "git": None})  # bytes tell no place or time
    network, end_to_end = load_network(ready / "best.pt", end_to_end=bool(card.params["end_to_end"]))
    export_onnx(network, ready / "best.onnx")
    listener.advance(1)
    names = ["best.pt", "best.onnx"]
    learnt = boxes[boxes["z"].isin(card.slices)]
    masks = AdaptParams(**card.params["masks"])
    if masks.steps:
        listener.begin(LEARNING, masks.steps)
        if adapt(stack, learnt, packaged_file(), ready / MASKNET, masks, listener.advance):
            names.append(MASKNET)
            terms.append(f"{MASKNET}: {packaged_terms()}")
    sha256 = {name: digest(ready / name) for name in names}
    card = replace(card, nms_iou=0.0 if end_to_end else NMS_IOU, sha256=sha256, terms=". ".join(terms))
    write_card(ready, card)
    if card.validation_slices:
        listener.begin(SCORING, len(card.validation_slices))
        pred = detect_slices(stack, card.validation_slices, load_detector(ready, device="cpu"), listener.advance)
        true = boxes[boxes["z"].isin(card.validation_slices)]
        scores = score_boxes(true, pred, score=card.params["card_score"])
        card = replace(card, metrics={name: one.as_dict() for name, one in scores.items()})
        write_card(ready, card)
    for name in (*names, "card.json"):
        (ready / name).replace(folder / name)
    if MASKNET not in names:
        (folder / MASKNET).unlink(missing_ok=True)  # of a training before
    shutil.rmtree(folder / WORK)
    return card
