"""The detector that ships with the package: there, small, the one its card describes, and able to see a phantom."""

import shutil

import numpy as np
import pytest

from famous.errors import InputError, MissingError
from famous.stack import Stack, measure_window
from famous.synthetic import CLASS_NAMES, Phantom, PhantomParams
from famous.yolo.adapt import AdaptParams
from famous.yolo.card import read_card
from famous.yolo.params import PACKAGED, TrainParams
from famous.yolo.runtime import load_detector, packaged_detector, packaged_start
from famous.yolo.train import find_weights, train


def test_it_is_there_small_and_described():
    folder = packaged_detector()
    card = read_card(folder)
    assert sum(file.stat().st_size for file in folder.iterdir()) < 14_000_000
    assert set(card.class_names) == set(CLASS_NAMES)
    assert set(card.sha256) == {"best.onnx", "best.pt"}
    for word in ("phantoms", "lucchi", "CC BY-NC-SA 3.0", "non-commercial", "AGPL-3.0"):
        assert word in card.terms
    for word in ("phantoms", "recall of 0.94", "precision of 0.53"):  # what it is not good for
        assert word in card.notes
    assert card.metrics
    assert card.unscored == ""
    assert card.metrics["mitochondrion"]["recall"] > 0.8


def test_it_runs_on_both_cpu_runtimes_alike():
    y, x = np.mgrid[:256, :256]
    image = np.full((1, 256, 256, 3), 150, dtype=np.uint8)
    image[0, (y - 128) ** 2 + (x - 110) ** 2 < 35**2] = 245
    image += np.random.default_rng(0).integers(0, 10, image.shape).astype(np.uint8)
    one, two = (
        load_detector(packaged_detector(), device="cpu", runtime=name)(image)[0] for name in ("onnx", "openvino")
    )
    assert one.shape[1] == 6
    best = one[one[:, 4] > 0.2]
    for box in best:
        nearest = np.abs(two[:, :4] - box[:4]).max(axis=1).min()
        assert nearest < 1


def test_training_starts_from_it_unless_told_otherwise(tmp_path):
    assert TrainParams().weights == PACKAGED
    assert find_weights(TrainParams(), tmp_path) == packaged_start() == packaged_detector() / "best.pt"


def test_start_weights_that_are_not_the_card_s_are_refused(tmp_path, monkeypatch):
    for name in ("card.json", "best.onnx", "best.pt"):
        shutil.copyfile(packaged_detector() / name, tmp_path / name)
    with (tmp_path / "best.pt").open("ab") as file:
        file.write(b"more")
    monkeypatch.setattr("famous.yolo.runtime.packaged_detector", lambda: tmp_path)
    with pytest.raises(InputError, match=r"best\.pt: found SHA-256 .* expected .* as in card\.json"):
        find_weights(TrainParams(), tmp_path)
    (tmp_path / "best.pt").unlink()
    with pytest.raises(MissingError, match=r"best\.pt: no such weights"):
        find_weights(TrainParams(), tmp_path)


def test_a_class_that_it_knows_is_found_before_anything_was_learnt(tmp_path):
    """One epoch that hardly moves the weights: what is found is what the packaged detector finds."""
    phantom = Phantom(PhantomParams(shape=(8, 256, 256), seed=5, nucleus_radius_nm=0, mitochondria=2))
    source = Stack(phantom, phantom.voxel_size)
    stack = Stack(phantom, phantom.voxel_size, measure_window(source))
    boxes = phantom.boxes([3, 4])
    boxes = (
        boxes[boxes["class_name"] == "mitochondrion"].assign(class_name="Mitochondrion").drop(columns="truth_instance")
    )
    params = TrainParams(
        masks=AdaptParams(steps=0),
        epochs=1,
        input_px=256,
        learning_rate=1e-9,
        batch=2,
        step_tiles=2,
        validate=False,
        device="cpu",
        pixel_nm=8.0,
    )
    train(stack, boxes.reset_index(drop=True), [3, 4], folder=tmp_path, params=params)
    image = stack.slab(3)[None]
    ours, theirs = (load_detector(folder, device="cpu")(image)[0] for folder in (tmp_path, packaged_detector()))
    known = read_card(packaged_detector()).class_names.index("mitochondrion")
    theirs = theirs[(theirs[:, 5] == known) & (theirs[:, 4] > 0.5)]
    assert len(theirs) >= 2
    for box in theirs:
        same = np.abs(ours[:, :4] - box[:4]).max(axis=1) < 2
        assert np.abs(ours[same, 4] - box[4]).min() < 0.1
