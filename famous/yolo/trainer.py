"""The training loop: ultralytics' own, fed from memory, timed by minutes, scored on whole slices, safe to kill."""

import contextlib
import math
import pickle
import struct
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partialmethod
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import Any, TypeAlias

import numpy as np

from famous.errors import InputError
from famous.memory import give_memory_back
from famous.yolo.dataset import TileFile
from famous.yolo.device import check_device
from famous.yolo.feed import make_dataset
from famous.yolo.half import half_precision
from famous.yolo.listener import Progress
from famous.yolo.network import inherit_classes
from famous.yolo.params import TrainParams
from famous.yolo.quiet import import_ultralytics
from famous.yolo.resume import State, keep_seconds, kept_seconds, load, restore, restore_gradients, save
from famous.yolo.thrift import thrifty_layers

Ultralytics: TypeAlias = Any  # one of its objects; it is not typed, and not imported here

#: gains and schedules that were measured on real data and are nobody's knob; the rest is ultralytics' default
RECIPE: dict[str, Any] = {
    "optimizer": "AdamW",
    "lrf": 0.01,
    "warmup_epochs": 3.0,
    "mosaic": 1.0,
    "scale": 0.5,
    "translate": 0.1,
    "fliplr": 0.5,
    "flipud": 0.5,
    "hsv_h": 0.0,
    "hsv_s": 0.0,
    "hsv_v": 0.0,
    "bgr": 1.0,  # keep the order of the channels: without it ultralytics reverses them
    "amp": False,
    "val": False,
    "plots": False,
    "cache": False,
    "deterministic": False,
    "verbose": False,
    "exist_ok": True,
    "patience": 0,  # it stops by `Job.score`
    "close_mosaic": 0,  # it closes by itself
}
FIRST_GUESS = 1000  # epochs, until the first one was timed


@dataclass(frozen=True)
class Job:
    """One training: its tiles, where it works, how it is scored and who is told."""

    tiles: TileFile
    class_names: tuple[str, ...]
    weights: Path
    work: Path
    params: TrainParams
    progress: Progress | None = None
    score: Callable[[Any], float] | None = None  # network → figure on the validation slices, higher is better


def fit(job: Job) -> tuple[Path, State]:
    """Train, or go on where a killed run stopped; returns the checkpoint to keep and the state at the end.

    With `epochs` given, on the CPU, a training that was killed and called again ends with the weights of one that was
    left alone on that machine. With `minutes` the weights also depend on how many epochs the clock allows, which sets
    the learning rate of each; the time before a kill counts, that of the epoch which was cut off too, and of the epochs
    none but that one is lost. On a GPU, whose sums have no fixed order, two trainings are never the same.
    """
    import_ultralytics()
    saved = load(job.work)
    state: State = saved["state"] if saved else State()
    if not state.finished:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _train(job, state, saved)
    best = job.work / "best.pt"
    return (best if best.is_file() else job.work / "last.pt"), state


def choose_device(device: str) -> str:
    """Resolve "auto" to a GPU if torch finds one; InputError where torch cannot use the one that is named."""
    if device != "auto":
        check_device(device)
        return device
    import torch

    if torch.cuda.is_available():
        return "0"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _train(job: Job, state: State, saved: dict[str, Any] | None) -> None:
    params = job.params
    overrides = {
        **RECIPE,
        "task": "detect",
        "mode": "train",
        "model": str(job.weights),
        "data": "tiles",
        "save_dir": str(job.work / "ultralytics"),
        "epochs": params.epochs or FIRST_GUESS,
        "imgsz": params.input_px,
        "batch": params.batch,
        "nbs": params.batch,  # a step after each batch; `Loop.optimizer_step` waits for `step_tiles`
        "lr0": params.learning_rate,
        "seed": params.seed,
        "device": choose_device(params.device),
        "workers": params.workers,
    }
    with thrifty_layers(), half_precision() if params.bfloat16 else contextlib.nullcontext():
        _loop_class(job, state, saved)(overrides=overrides).train()


#: What torch and ultralytics throw at a file that holds no network of theirs.
_NO_NETWORK = (
    OSError, RuntimeError, EOFError, LookupError, TypeError, ValueError, AttributeError, ImportError, AssertionError,
    ArithmeticError, struct.error, pickle.UnpicklingError,
)  # fmt: skip


@contextlib.contextmanager
def opening(weights: Path) -> Iterator[None]:
    """Turn what is thrown at weights that cannot be trained from into an InputError that names them."""
    try:
        yield
    except _NO_NETWORK as problem:
        said = " ".join(str(problem).split())[:160]
        raise InputError(
            f"{weights}: found no network to train from ({type(problem).__name__}: {said}), expected ultralytics "
            "detection weights or a model YAML; name others with --start"
        ) from problem


def _nothing(loop: Ultralytics, **options: Any) -> None:
    """Stand in for what a loop does elsewhere or not at all."""


def inheriting(build: Ultralytics, class_names: tuple[str, ...]) -> Ultralytics:
    """Wrap how a trainer builds its network, so that it knows the classes of the weights that it starts from."""

    def get_model(
        loop: Ultralytics, cfg: Ultralytics, weights: Ultralytics = None, verbose: bool = True
    ) -> Ultralytics:
        model = build(loop, cfg, weights, verbose)
        if weights is not None:
            inherit_classes(model, weights, class_names)
        return model

    return get_model


def mosaic_free(params: TrainParams, epochs: int) -> int:
    """Count the epochs at the end that see no mosaics, of so many in all."""
    return min(params.close_mosaic, epochs // 4)


def _loop_class(job: Job, state: State, saved: dict[str, Any] | None) -> Ultralytics:
    """Build the trainer; not named a trainer, which is what ultralytics hangs its reporters on."""
    from ultralytics.models.yolo.detect import DetectionTrainer

    class Loop(DetectionTrainer):  # type: ignore[misc]
        def get_dataset(self) -> dict[str, Any]:
            names = dict(enumerate(job.class_names))
            return {"train": "tiles", "val": "tiles", "names": names, "nc": len(names), "channels": 3}

        get_model = inheriting(DetectionTrainer.get_model, job.class_names)

        def build_dataset(self, img_path: str, mode: str = "train", batch: int | None = None) -> Ultralytics:
            del img_path, mode
            return make_dataset(job.tiles, job.class_names, job.params, self.args, batch or job.params.batch)

        def get_dataloader(
            self, dataset_path: str, batch_size: int = 16, rank: int = 0, mode: str = "train"
        ) -> Ultralytics:
            if mode == "val":  # scored by `Job.score`; the trainer only wants to look at a loader
                return self.train_loader
            return super().get_dataloader(dataset_path, batch_size, rank, mode)

        def get_validator(self) -> Ultralytics:
            self.waiting = 0  # batches whose gradients wait for a step
            self.session = monotonic(), max(state.seconds, kept_seconds(job.work))
            hook(self, job, state, saved)
            return SimpleNamespace(metrics=SimpleNamespace(keys=[]), args=self.args)

        save_metrics = final_eval = _nothing
        setup_model = opening(job.weights)(DetectionTrainer.setup_model)

        def resume_training(self, ckpt: Ultralytics) -> None:
            del ckpt
            restore(self, saved)

        def optimizer_step(self) -> None:
            if self.waiting >= batches_a_step(self, job.params):
                super().optimizer_step()
                self.waiting = 0

        def validate(self) -> tuple[dict[str, float], None]:
            return {}, None

        def read_results_csv(self) -> dict[str, Any]:
            return {}

        keep = partialmethod(keep_checkpoint, job)

        def save_model(self) -> bool:
            if (self.epoch + 1) % job.params.check_every and self.last.exists():
                return False  # a fifth of a short epoch; `end_epoch` writes it where it is wanted
            self.keep()
            return True

    return Loop


def keep_checkpoint(loop: Ultralytics, job: Job) -> None:
    """Write the network as it is now to `last.pt`, which appears whole and does not say where it was made."""
    from ultralytics.models.yolo.detect import DetectionTrainer

    loop.last = loop.best = job.work / "last.pt.part"
    model, save_dir = loop.args.model, loop.args.save_dir
    loop.args.model, loop.args.save_dir = job.weights.name, ""
    DetectionTrainer.save_model(loop)
    loop.args.model, loop.args.save_dir = model, save_dir
    loop.last.replace(job.work / "last.pt")
    loop.last = loop.best = job.work / "last.pt"


def hook(loop: Ultralytics, job: Job, state: State, saved: dict[str, Any] | None) -> None:
    """Hang what is ours on the events of a loop."""

    def begin(loop: Ultralytics) -> None:
        loop.warm_up = loop._get_warmup_iterations(len(loop.train_loader))
        if saved:
            loop.epochs = loop.args.epochs = state.epochs

    def start_epoch(loop: Ultralytics) -> None:
        prepare_epoch(loop, job.params)
        if saved:
            restore_gradients(loop, saved)
            saved.clear()

    def start_batch(loop: Ultralytics) -> None:
        count_batch(loop)
        keep_seconds(job.work, spent(loop))

    def close(loop: Ultralytics) -> None:
        give_memory_back()  # tensors of many sizes leave holes that grow epoch by epoch
        word = end_epoch(job, state, loop)
        save(loop, state, job.work)
        if job.progress is not None:
            job.progress(*word)

    events = {"train_start": begin, "train_epoch_start": start_epoch, "train_batch_start": start_batch}
    for event, act in {**events, "fit_epoch_end": close}.items():
        loop.add_callback(f"on_{event}", act)


def prepare_epoch(loop: Ultralytics, params: TrainParams) -> None:
    """Make an epoch a function of the weights, the seed and its number: dice, order of the tiles, mosaic."""
    from ultralytics.utils.torch_utils import init_seeds

    loader = loop.train_loader
    dice = np.random.SeedSequence([abs(params.seed), loop.epoch, loop.nan_recovery_attempts]).generate_state(1)
    init_seeds(int(dice[0]))
    loader.generator.manual_seed(int(dice[0]))
    loop.batches_before = len(loader) * loop.epoch - 1  # of the one at work, which `count_batch` counts first
    if loop.epoch >= loop.epochs - mosaic_free(params, loop.epochs) and loader.dataset.mosaic:
        loop._close_dataloader_mosaic()
        loader.reset()
    if loader.num_workers == 0:  # processes beside this one have begun the epoch's tiles by now
        loader.reset()


def spent(loop: Ultralytics) -> float:
    """Seconds of a training until now, with all starts before this one."""
    started, before = loop.session
    return float(before + monotonic() - started)


def count_batch(loop: Ultralytics) -> None:
    """Count a batch that is about to add its gradients."""
    loop.waiting += 1
    loop.batches_before += 1


def batches_a_step(loop: Ultralytics, params: TrainParams) -> int:
    """Count the batches that make one step of the optimiser, fewer while it warms up, as ultralytics has it."""
    full = max(round(params.step_tiles / int(loop.batch_size)), 1)
    full = min(full, len(loop.train_loader) * int(loop.epochs))
    if loop.batches_before > loop.warm_up:
        return full
    return int(np.interp(loop.batches_before, [0, loop.warm_up], [1, full]).round())


def end_epoch(job: Job, state: State, loop: Ultralytics) -> tuple[int, int, float, float]:
    """Close an epoch: time, schedule, score and state; returns the word to the caller."""
    params, done = job.params, int(loop.epoch) + 1
    state.seconds, state.epoch = spent(loop), done
    seconds_an_epoch = (state.seconds - loop.session[1]) / (done - loop.start_epoch)
    if params.epochs is None:
        left = max(0, math.floor((params.minutes * 60 - state.seconds) / seconds_an_epoch))
        loop.epochs = loop.args.epochs = max(done + left, 1)
    loop.stop = done >= loop.epochs  # the loop's own word counts the epochs that were expected before this one
    if job.score is not None and (loop.stop or done % params.check_every == 0):
        score = float(job.score(loop.ema.ema))
        if score > state.best:
            state.best, state.best_epoch = score, done
            loop.keep()
            copy_checkpoint(job.work / "last.pt", job.work / "best.pt")
        elif params.patience and done - state.best_epoch >= params.patience:
            loop.stop = True
    if loop.stop:
        loop.keep()
    state.epochs, state.finished = int(loop.epochs), bool(loop.stop)
    epochs = done if loop.stop else state.epochs
    return done, epochs, float(loop.loss.detach()), (epochs - done) * seconds_an_epoch


def copy_checkpoint(source: Path, target: Path) -> None:
    """Copy a file so that the target appears whole."""
    beside = target.with_name(f"{target.name}.part")
    beside.write_bytes(source.read_bytes())
    beside.replace(target)
