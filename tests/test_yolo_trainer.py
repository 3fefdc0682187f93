"""The training loop's own parts: the clock, the steps, the early stop; no network is trained here."""

import random
from types import SimpleNamespace

import numpy as np
import pytest

from famous.errors import InputError
from famous.yolo.augment import AugmentParams
from famous.yolo.dataset import Tile, write_tiles
from famous.yolo.params import TrainParams
from famous.yolo.quiet import import_ultralytics
from famous.yolo.resume import State
from famous.yolo.trainer import (
    FIRST_GUESS,
    Job,
    batches_a_step,
    choose_device,
    count_batch,
    end_epoch,
    fit,
    mosaic_free,
    prepare_epoch,
)

NOW = 1000.0  # what the clock says in these tests
STILL = AugmentParams(turn=False, mirror_depth=0, gain=0, contrast=0, brightness=0, noise_chance=0, blur_chance=0)


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Stop the clock of the training."""
    monkeypatch.setattr("famous.yolo.trainer.monotonic", lambda: NOW)


def tile_with(corners: list[tuple[int, ...]], side: int = 64) -> Tile:
    """Channels of grey 40, 80, 120, boxes black in all of them."""
    image = np.zeros((side, side, 3), dtype=np.uint8) + np.array([40, 80, 120], dtype=np.uint8)
    for y0, x0, y1, x1 in corners:
        image[y0:y1, x0:x1] = 0
    return Tile(image, np.array(corners, np.float32).reshape(-1, 4), np.zeros(len(corners), np.int64))


def job(tmp_path, tiles: list[Tile], **values) -> Job:
    params = TrainParams(**{"input_px": 64, "augment": STILL, **values})
    return Job(write_tiles(tmp_path, tiles), ("a",), tmp_path / "none", tmp_path, params)


def loop_at(epoch: int, seconds: float, *, epochs: int = FIRST_GUESS, before: float = 0.0, keep=None):
    """Make a loop that finished epoch `epoch` (from 0) after so many seconds of this session."""
    return SimpleNamespace(
        epoch=epoch,
        start_epoch=0,
        epochs=epochs,
        stop=False,
        session=(NOW - seconds, before),
        args=SimpleNamespace(epochs=epochs, close_mosaic=15),
        ema=SimpleNamespace(ema="network"),
        loss=SimpleNamespace(detach=lambda: 3.5),
        keep=keep or (lambda: None),
    )


def test_minutes_become_epochs_once_an_epoch_was_timed(tmp_path):
    state, loop = State(), loop_at(0, 60.5)
    assert end_epoch(job(tmp_path, [tile_with([])], minutes=10), state, loop) == (1, 9, 3.5, 8 * 60.5)
    assert (loop.epochs, loop.args.epochs) == (9, 9)
    assert not loop.stop
    assert state == State(seconds=60.5, epoch=1, epochs=9)


def test_a_training_goes_on_when_its_estimate_grows(tmp_path):
    """The loop wants to stop at the epochs that it knew before the last one turned out fast."""
    loop = loop_at(2, 30, epochs=3)
    loop.stop = True
    assert end_epoch(job(tmp_path, [tile_with([])], minutes=1), State(), loop) == (3, 6, 3.5, 30.0)
    assert (loop.epochs, loop.stop) == (6, False)


def test_an_early_stop_is_told_as_the_end(tmp_path):
    one = job(tmp_path, [tile_with([])], epochs=100, patience=3, check_every=1)
    state, loop = State(best=0.5, best_epoch=3), loop_at(5, 6, epochs=100)
    assert end_epoch(Job(**{**vars(one), "score": lambda network: 0.1}), state, loop) == (6, 6, 3.5, 0.0)
    assert loop.stop
    assert state == State(seconds=6, epoch=6, epochs=100, best=0.5, best_epoch=3, finished=True)


def loop_before(epoch: int, **values):
    """Make a loop that is about to begin epoch `epoch` (from 0) of 8 with 3 batches each."""
    seeds, resets = [], []
    loader = SimpleNamespace(
        generator=SimpleNamespace(manual_seed=seeds.append),
        reset=lambda: resets.append(epoch),
        num_workers=0,
        dataset=SimpleNamespace(mosaic=True),
    )
    loader = type("Loader", (SimpleNamespace,), {"__len__": lambda self: 3})(**vars(loader))
    loop = SimpleNamespace(
        epoch=epoch, epochs=8, nan_recovery_attempts=0, train_loader=loader, batch_size=2, warm_up=6, waiting=0
    )
    loop._close_dataloader_mosaic = lambda: setattr(loader.dataset, "mosaic", False)
    vars(loop).update(values)
    return loop, seeds, resets


def test_dice_depend_on_seed_and_epoch_alone():
    import_ultralytics()

    def throws(epoch: int, seed: int = 0, **values) -> tuple:
        loop, seeds, resets = loop_before(epoch, **values)
        prepare_epoch(loop, TrainParams(seed=seed))
        assert resets == [epoch]
        return random.random(), float(np.random.random()), tuple(seeds)  # noqa: NPY002

    first = throws(3)
    assert throws(3) == first
    others = [throws(4), throws(3, seed=1), throws(3, nan_recovery_attempts=1)]
    assert all(len({*pair}) == 2 for other in others for pair in zip(first, other, strict=True))


def test_mosaics_end_with_the_last_epochs_wherever_a_training_went_on():
    import_ultralytics()
    closed = []
    for epoch in range(8):
        loop, _, _ = loop_before(epoch)
        prepare_epoch(loop, TrainParams(close_mosaic=2))
        closed.append(not loop.train_loader.dataset.mosaic)
    assert closed == [False] * 6 + [True] * 2
    assert [mosaic_free(TrainParams(close_mosaic=15), epochs) for epochs in (1, 3, 4, 59, 60, 1000)] == [
        *(0, 0, 1, 14, 15, 15)
    ]


def test_steps_come_more_often_while_warming_up():
    """Six batches of warm-up, then four batches of two a step."""
    import_ultralytics()
    loop, _, _ = loop_before(0)
    wanted = []
    for epoch in range(4):
        loop.epoch = epoch
        prepare_epoch(loop, TrainParams(step_tiles=8))
        for _ in range(3):
            count_batch(loop)
            wanted.append(batches_a_step(loop, TrainParams(step_tiles=8)))
    assert wanted == [1, 2, 2, 2, 3, 4, 4, 4, 4, 4, 4, 4]
    assert loop.waiting == 12
    loop.warm_up, loop.batches_before = 0, 0
    assert batches_a_step(loop, TrainParams(step_tiles=8)) == 4
    loop.epochs = 1
    assert batches_a_step(loop, TrainParams(step_tiles=8)) == 3  # all there are


def test_time_before_a_kill_counts(tmp_path):
    state, loop = State(seconds=550), loop_at(0, 40, before=550)
    end_epoch(job(tmp_path, [tile_with([])], minutes=10), state, loop)
    assert state.seconds == 590
    assert loop.stop
    assert loop.epochs == 1


def test_given_epochs_are_kept_whatever_the_clock_says(tmp_path):
    state, loop = State(), loop_at(4, 1e6, epochs=7)
    end_epoch(job(tmp_path, [tile_with([])], epochs=7), state, loop)
    assert (loop.epochs, loop.stop) == (7, False)
    loop.epoch = 6
    end_epoch(job(tmp_path, [tile_with([])], epochs=7), state, loop)
    assert loop.stop


def test_the_best_epoch_is_kept_and_patience_ends(tmp_path):
    scores = iter([0.5, 0.7, 0.6, 0.7, 0.65, 0.1])
    one = job(tmp_path, [tile_with([])], epochs=100, patience=3, check_every=1)
    one = Job(**{**vars(one), "score": lambda network: next(scores)})
    state, stopped = State(), []
    for epoch in range(5):
        kept = f"epoch {epoch + 1}"
        loop = loop_at(epoch, 1, epochs=100, keep=lambda kept=kept: (tmp_path / "last.pt").write_text(kept))
        end_epoch(one, state, loop)
        stopped.append(loop.stop)
    assert stopped == [False, False, False, False, True]
    assert (tmp_path / "best.pt").read_text() == "epoch 2"
    assert (tmp_path / "last.pt").read_text() == "epoch 5"  # where it stopped, without having become better
    assert (state.best, state.best_epoch) == (0.7, 2)


def test_scores_are_taken_now_and_then_and_at_the_end(tmp_path):
    asked = []
    one = job(tmp_path, [tile_with([])], epochs=5, check_every=2)
    one = Job(**{**vars(one), "score": lambda network: asked.append(network) or 0.5})
    (tmp_path / "last.pt").write_text("weights")
    for epoch in range(5):
        end_epoch(one, State(), loop_at(epoch, 1, epochs=5))
    assert asked == ["network"] * 3


def test_a_given_device_is_taken():
    assert choose_device("cpu") == "cpu"
    assert choose_device("auto") in ("cpu", "0", "mps")


def test_a_device_that_torch_cannot_use_is_named():
    with pytest.raises(InputError, match="found 'nonsense', which torch cannot use here"):
        choose_device("nonsense")


@pytest.mark.parametrize("content", [b"", b"junk", b"\x80\x02.", b"PK\x03\x04 cut short"])
def test_weights_that_are_none_are_named(tmp_path, content):
    start = tmp_path / "start.pt"
    start.write_bytes(content)
    _refused(tmp_path, start)


@pytest.mark.parametrize("text", ["a: 1\n", "- 1\n", "backbone: 3\n", "", "a: [1"])
def test_a_description_that_is_none_is_named(tmp_path, text):
    start = tmp_path / "start.yaml"
    start.write_text(text)
    _refused(tmp_path, start)


def _refused(tmp_path, start):
    one = job(tmp_path / "work", [tile_with([(8, 8, 24, 24)])], epochs=1, device="cpu")
    one = Job(**{**vars(one), "weights": start})
    with pytest.raises(InputError, match=r"start\.\w+: found no network to train from .* name others with --start"):
        fit(one)
