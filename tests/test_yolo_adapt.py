"""The box → mask network learns a stack from its boxes: what it is shown, what counts, what becomes of the file."""

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from famous.boxes import empty, from_columns
from famous.errors import ConfigError
from famous.extract import MaskNetExtractor, MaskNetParams
from famous.extract.crops import LARGEST_ERROR, SIDE_PX
from famous.stack import Stack, Window
from famous.voxels import VoxelSize
from famous.yolo.adapt import (
    AdaptParams,
    adapt,
    box_loss,
    forward,
    gather,
    learn,
    read_weights,
    shifted,
    write_weights,
)
from famous.yolo.masknet import open_masknet, packaged_file, packaged_masknet
from famous.yolo.quiet import import_ultralytics

import_ultralytics()
import torch  # noqa: E402 (after the door that keeps it to the cores there are)

SIZE = VoxelSize(8, 8, 8)
TINY = AdaptParams(steps=2, looks=2, batch=4)


def rings(depth=3, side=160):
    """Dark discs with a darker rim that belongs to them, on grey; returns the stack, their boxes and their masks."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side]
    image, rows, masks = np.full((side, side), 170.0), [], []
    for cy in (35, 80, 125):
        for cx in (35, 80, 125):
            radius = int(rng.integers(13, 19))
            distance = np.hypot(y - cy, x - cx)
            image[distance < radius] = 110
            image[np.abs(distance - radius + 2) < 2] = 60
            masks.append(distance < radius)
            rows.append((1, cy - radius + 1, cx - radius + 1, cy + radius, cx + radius, "ring"))
    volume = np.clip(image + rng.normal(0, 8, (depth, side, side)), 0, 255).astype(np.uint8)
    table = from_columns(dict(zip(["z", "y0", "x0", "y1", "x1", "class_name"], zip(*rows, strict=True), strict=True)))
    return Stack(volume, SIZE, Window(0, 255), name="rings"), table, masks


def mean_iou(network, stack, boxes, masks):
    corners = boxes[["y0", "x0", "y1", "x1"]].to_numpy(np.int32)
    found = MaskNetExtractor(network, MaskNetParams())(stack.slab(1), corners, SIZE)
    ious = []
    for mask, truth, (y0, x0, y1, x1) in zip(found, masks, corners, strict=True):
        inside = truth[y0:y1, x0:x1]
        ious.append((mask & inside).sum() / (mask | inside).sum())
    return float(np.mean(ious))


def exact(file):
    """Open a network in the runtime that computes in float32 everywhere."""
    return open_masknet(file, "onnx")


def test_the_layers_compute_what_the_file_computes():
    weights = read_weights(onnx.load(str(packaged_file())))
    planes = np.random.default_rng(1).normal(size=(3, 5, SIDE_PX, SIDE_PX)).astype(np.float32)
    with torch.no_grad():
        found = forward(torch.from_numpy(planes), weights).sigmoid().numpy()
    assert np.abs(found - exact(packaged_file())(planes)).max() < 1e-4


def test_weights_are_written_where_they_were_read(tmp_path):
    model = onnx.load(str(packaged_file()))
    weights = read_weights(model)
    with torch.no_grad():
        for pair in weights:
            pair[0].mul_(0.9)
            pair[1].add_(0.01)
    write_weights(model, weights)
    onnx.save(model, str(tmp_path / "other.onnx"))
    planes = np.random.default_rng(1).normal(size=(2, 5, SIDE_PX, SIDE_PX)).astype(np.float32)
    with torch.no_grad():
        expected = forward(torch.from_numpy(planes), weights).sigmoid().numpy()
    found = exact(tmp_path / "other.onnx")(planes)
    assert np.abs(found - expected).max() < 1e-4
    assert np.abs(found - exact(packaged_file())(planes)).max() > 1e-3


@given(st.integers(0, 2**32 - 1))
def test_boxes_are_moved_no_further_than_they_may(seed):
    box = np.array([10, 20, 50, 44])
    moved, error = shifted(box, np.random.default_rng(seed))
    assert (moved[2:] > moved[:2]).all()
    assert (np.abs(moved - box) <= 1.5 * 0.35 * np.array([40, 24, 40, 24]) + 1e-9).all()
    assert error in (0.0, 0.07, 0.18, LARGEST_ERROR)
    if error == 0:
        assert (moved == box).all()
    if error == LARGEST_ERROR:
        assert (moved[:2] <= box[:2]).all()
        assert (moved[2:] >= box[2:]).all()


def test_what_it_is_shown_lies_where_the_boxes_are():
    stack, boxes, _ = rings()

    def everything(planes):
        return np.full((len(planes), SIDE_PX, SIDE_PX), 0.9, np.float32)

    looks = gather(stack, boxes, everything, AdaptParams(looks=3), np.random.default_rng(0))
    assert looks.crops.shape == (27, SIDE_PX, SIDE_PX, 3)
    assert looks.first.shape == looks.inside.shape == (27, SIDE_PX, SIDE_PX)
    assert (looks.first == looks.inside).all()  # an answer that fills the box
    tight = looks.inside[looks.errors == 0]
    low, high = SIDE_PX / 6, SIDE_PX * 5 / 6  # of the box in its crop
    assert len(tight) > 3
    for mask in tight:
        for axis in (0, 1):
            held = np.flatnonzero((mask > 127).any(axis=axis))
            assert (held[0], held[-1] + 1) == (pytest.approx(low, abs=1), pytest.approx(high, abs=1))
    loose = looks.inside[looks.errors == np.float32(LARGEST_ERROR)]
    assert all((mask > 127).sum() <= (tight[0] > 127).sum() for mask in loose)


def test_the_loss_asks_for_nothing_beyond_the_box_and_something_in_each_of_its_lines():
    box = torch.zeros(1, 8, 8)
    box[:, 2:6, 2:6] = 1
    cross = torch.full((1, 8, 8), -9.0)
    cross[:, 2:6, 3] = 9
    cross[:, 4, 2:6] = 9
    good = float(box_loss(cross, box, box, keep=0))
    assert good < 0.01
    beyond, short = cross.clone(), cross.clone()
    beyond[:, 0, 0] = 9
    short[:, 5, 3] = -9  # its last row is empty
    assert float(box_loss(beyond, box, box, keep=0)) > good + 0.1
    assert float(box_loss(short, box, box, keep=0)) > good + 1
    full = torch.where(box > 0, 9.0, -9.0)
    assert float(box_loss(full, box, box, keep=0)) == pytest.approx(good, abs=0.01)
    assert float(box_loss(cross, box, box, keep=1)) > float(box_loss(full, box, box, keep=1)) + 1  # its first answer


def test_a_box_without_a_sample_in_the_crop_teaches_nothing():
    nothing = torch.zeros(2, 8, 8)
    loss = float(box_loss(nothing - 9, nothing, nothing, keep=0.3))
    assert loss < 0.01


def test_it_learns_what_belongs_to_the_organelles_of_a_stack(tmp_path):
    """Start from a network that was spoilt: the boxes alone must bring some of it back."""
    stack, boxes, masks = rings()
    model = onnx.load(str(packaged_file()))
    weights = read_weights(model)
    with torch.no_grad():
        weights[-1][1].add_(6)  # everything looks like an organelle
    write_weights(model, weights)
    start, target = tmp_path / "start.onnx", tmp_path / "adapted.onnx"
    onnx.save(model, str(start))
    before = mean_iou(open_masknet(start), stack, boxes, masks)
    params = AdaptParams(steps=25, looks=8, batch=24)
    assert adapt(stack, boxes, start, target, params) == 9
    after = mean_iou(open_masknet(target), stack, boxes, masks)
    assert after > before + 0.02, (before, after)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapted.onnx", "start.onnx"]


def test_the_same_boxes_give_the_same_bytes_and_leave_the_dice_alone(tmp_path):
    stack, boxes, _ = rings()
    state = torch.random.get_rng_state()
    for name in ("one", "two"):
        adapt(stack, boxes, packaged_file(), tmp_path / name, TINY)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes() != packaged_file().read_bytes()
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("case", ["no box", "too small", "no step"])
def test_where_there_is_nothing_to_learn_nothing_is_written(case, tmp_path):
    stack, boxes, _ = rings()
    if case == "no box":
        boxes = empty()
    if case == "too small":
        boxes = boxes.assign(y1=boxes["y0"] + 5)
    params = AdaptParams(steps=0 if case == "no step" else 2)
    assert adapt(stack, boxes, packaged_file(), tmp_path / "none", params) == 0
    assert not list(tmp_path.iterdir())


def test_of_many_boxes_a_choice_teaches(tmp_path):
    stack, boxes, _ = rings()
    params = AdaptParams(steps=1, looks=1, batch=2, boxes=4)
    assert adapt(stack, boxes, packaged_file(), tmp_path / "few", params) == 4


@pytest.mark.parametrize("steps", [1, 2, 9, 10, 11])
def test_any_number_of_steps_can_be_taken(tmp_path, steps):
    stack, boxes, _ = rings()
    params, taken = AdaptParams(steps=steps, looks=1, batch=1), []
    assert adapt(stack, boxes, packaged_file(), tmp_path / "any", params, taken.append) == 9
    assert taken == [1] * steps


def test_fewer_looks_than_a_batch_are_all_taken():
    stack, boxes, _ = rings()
    rng = np.random.default_rng(0)
    looks = gather(stack, boxes.iloc[:1], packaged_masknet(), AdaptParams(looks=2), rng)
    learn(onnx.load(str(packaged_file())), looks, AdaptParams(steps=1), rng)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", -1),
        ("boxes", 0),
        ("looks", 0),
        ("batch", 0),
        ("learning_rate", 0),
        ("learning_rate", float("nan")),
        ("keep", -0.1),
    ],
)
def test_what_cannot_be_meant_is_refused(name, value):
    with pytest.raises(ConfigError, match=rf"^masks\.{name}: found .*expected"):
        AdaptParams(**{name: value})
