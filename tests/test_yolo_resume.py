"""A training that is killed at six instants, against one that is left alone: every epoch the same, to the bit."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from famous.errors import InputError
from famous.yolo.card import read_card
from famous.yolo.resume import FILE_NAME, SECONDS, State, keep_seconds, kept_seconds, load, restore

#: Forks of one process train, so that the libraries are imported once; each but the last kills itself.
SCRIPT = """
import os, shutil, signal, sys
from dataclasses import replace
from pathlib import Path

import famous.yolo.feed, famous.yolo.resume, famous.yolo.train, famous.yolo.trainer
from famous.yolo.listener import Listener
from famous.yolo.quiet import import_ultralytics
from famous.yolo.train import train
from tests.test_yolo_train import TINY, cells

# 5 tiles to learn from: 3 batches an epoch, a step every 2 after a warm-up: gradients wait after epochs 2 and 4
PARAMS = replace(TINY, epochs=5, step_tiles=4, close_mosaic=1, val_from=6, check_every=2)
FOLDER = Path(sys.argv[1])
import_ultralytics()
import onnx, torch._dynamo, torch.optim  # which a training imports in the end; here once for all forks


def die_at(count, act, when=lambda *args: True):
    calls = 0

    def mortal(*args, **kwargs):
        nonlocal calls
        calls += when(*args)
        if calls == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return act(*args, **kwargs)

    return mortal


def work(name, kill):
    owner, attribute, *rest = kill or (None, "")
    if owner is not None:
        setattr(owner, attribute, die_at(rest[0], getattr(owner, attribute), *rest[1:]))
    kept = FOLDER / name
    fit = famous.yolo.train.fit
    better = lambda network: float(len(list(kept.glob("*.resume"))))  # a later epoch is a better one
    famous.yolo.train.fit = lambda job: fit(replace(job, score=better))

    def told(epoch, *rest):
        with (kept / "told").open("a") as file:
            file.write(f"{epoch} ")
        shutil.copy(kept / "model" / "work" / "resume.pt", kept / f"{epoch}.resume")
        PROGRESS.told(epoch)

    train(*cells(6), range(6), folder=kept / "model", params=PARAMS, listener=Listener(told))


class PROGRESS:
    told = lambda epoch: None


def fork(name, kill=None):
    (FOLDER / name).mkdir(exist_ok=True)
    child = os.fork()
    if child == 0:
        work(name, kill)
        os._exit(0)
    return child


def end(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


calm = fork("calm")
kills = [
    (famous.yolo.feed, "augment", 30),  # among the tiles of epoch 2
    (Path, "replace", 1, lambda path, target: path.name == "resume.pt.part"),  # epoch 2 is written, not yet named
    (famous.yolo.trainer, "copy_checkpoint", 1),  # epoch 2 is found the best, its weights are not kept yet
    (famous.yolo.trainer, "save", 2),  # epoch 2 is done, of epoch 3 only the weights are kept
    (PROGRESS, "told", 2),  # epoch 4 is done
    (famous.yolo.train, "export_onnx", 1),  # epoch 5 is done, its export is not
]
print([end(fork("killed", kill)) for kill in kills], end(fork("killed")), end(calm))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two trainings, "calm" and "killed", with what they told and where they stood after each epoch."""
    folder = tmp_path_factory.mktemp("kills")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SCRIPT, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"{[-9] * 6} 0 0\n", "")
    return folder


def test_only_the_epoch_that_was_cut_off_is_done_again(folder):
    assert (folder / "calm" / "told").read_text() == "1 2 3 4 5 "
    assert (folder / "killed" / "told").read_text() == "1 2 3 4 5 "


def same(one: object, other: object) -> bool:
    """Compare nested dicts, lists and tensors to the bit."""
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return bool((one == other).all()) if hasattr(one, "shape") else one == other


@pytest.mark.parametrize("epoch", range(1, 6))
def test_every_epoch_is_that_of_a_training_left_alone(folder, tmp_path, epoch):
    calm, killed = ({**stand(folder / name / f"{epoch}.resume", tmp_path)} for name in ("calm", "killed"))
    states = [vars(one.pop("state")) for one in (calm, killed)]
    assert [one.pop("seconds") > 0 for one in states] == [True, True]
    assert states[0] == states[1]
    assert (states[0]["epoch"], states[0]["finished"]) == (epoch, epoch == 5)
    assert {name for name in calm if not same(calm[name], killed[name])} == set()
    assert bool(calm["gradients"]) == (calm["waiting"] > 0)


def stand(file: Path, tmp_path: Path) -> dict:
    """Where a training stood after an epoch."""
    (tmp_path / FILE_NAME).write_bytes(file.read_bytes())
    return load(tmp_path)


def test_gradients_waited_where_a_killed_training_went_on(folder, tmp_path):
    """Else nothing here would show that they are kept."""
    waiting = [stand(folder / "killed" / f"{epoch}.resume", tmp_path)["waiting"] for epoch in range(1, 6)]
    assert waiting == [0, 1, 0, 1, 0]


def test_what_is_left_is_the_same_to_the_byte(folder):
    for name in ("best.onnx", "best.pt"):
        assert (folder / "calm" / "model" / name).read_bytes() == (folder / "killed" / "model" / name).read_bytes()
    cards = [vars(read_card(folder / name / "model")) for name in ("calm", "killed")]
    for card in cards:
        assert card.pop("finished")
        assert card.pop("seconds") > 0
    assert cards[0] == cards[1]
    assert cards[0]["metrics"]
    assert {file.name for file in (folder / "killed" / "model").iterdir()} == {"best.onnx", "best.pt", "card.json"}


def test_the_weights_do_not_say_where_or_when_they_were_made(folder):
    content = (folder / "calm" / "model" / "best.pt").read_bytes()
    for word in (str(folder), str(Path(__file__).resolve().parents[1]), "kills"):
        assert word.encode() not in content


def test_without_a_file_a_training_begins(tmp_path):
    assert load(tmp_path) is None
    loop = SimpleNamespace(start_epoch=0)
    restore(loop, None)
    assert loop.start_epoch == 0


@pytest.mark.parametrize("found", [None, "", "half a"])
def test_time_that_is_not_to_be_read_is_none(tmp_path, found):
    if found is not None:
        (tmp_path / SECONDS).write_text(found)
    assert kept_seconds(tmp_path) == 0.0
    keep_seconds(tmp_path, 12.5)
    assert kept_seconds(tmp_path) == 12.5


@pytest.mark.parametrize("content", [b"", b"poison", b"PK\x03\x04"])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(InputError, match=r"resume\.pt.*remove"):
        load(tmp_path)


def test_a_file_with_code_in_it_is_not_run(tmp_path):
    import torch

    torch.save({"state": {}, "path": SimpleNamespace(a=1)}, tmp_path / FILE_NAME)
    with pytest.raises(InputError, match=r"resume\.pt"):
        load(tmp_path)


def test_a_state_of_another_version_is_refused(tmp_path):
    import torch

    torch.save({"state": {"epoch": 1, "mood": 5}}, tmp_path / FILE_NAME)
    with pytest.raises(InputError, match="TypeError"):
        load(tmp_path)
    torch.save({"state": json.loads(json.dumps(vars(State(epoch=3))))}, tmp_path / FILE_NAME)
    assert load(tmp_path)["state"] == State(epoch=3)
