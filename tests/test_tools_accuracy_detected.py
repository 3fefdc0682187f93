"""From labelled slices to organelles in seconds: the peers, what they are given, and that a kill loses nothing."""

import argparse
import itertools
import json
from dataclasses import replace
from types import SimpleNamespace

import bench_famous
import numpy as np
import pytest
import torch
from accuracy import detected, peers, unet
from accuracy.detected import Bench, Results, Row, bench_detected, evenly
from accuracy.forest import ForestParams, ForestPeer
from accuracy.metrics import VolumeScores
from accuracy.peers import Rule, affordable, apply_rule, choose_rule, tuned_rule
from accuracy.unet import UNet, UNetParams, UNetPeer, batch, crop

from famous.boxes import empty, number
from tests.accuracy_phantoms import SETTING, SHAPE, TUBES, tubes, write_data

TINY_FOREST = ForestParams(trees=10, batch=5, pixels=2000, sigma_max=4)
TINY_NET = UNetParams(channels=(8, 16), crop_px=48, learning_rate=1e-2, save_seconds=0.5)
TINY_TRAINING = """
train: {weights: yolo26n.yaml, epochs: 1, input_px: 64, batch: 2, epoch_tiles: 4, validate: false, device: cpu,
        masks: {steps: 0}}
"""


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """The phantom as a set of the benchmark."""
    monkeypatch.setitem(bench_famous.SETTINGS, "phantom", SETTING)
    return Bench(write_data(tmp_path), "phantom", tmp_path / "work", minutes=0.02)


@pytest.fixture
def knows_the_truth(bench, monkeypatch):
    """Stand in for training and detection with the true boxes."""

    def detect(project, score):
        own = bench.true_boxes[bench.true_boxes["z"].isin(score)]
        return number(own.assign(score=np.float32(0.9))), 0.5

    monkeypatch.setattr(detected, "detect", detect)


@pytest.fixture
def small(monkeypatch):
    """Peers that learn the phantom in a second or two."""
    made = {"unet": lambda: UNetPeer(TINY_NET), "forest": lambda: ForestPeer(TINY_FOREST)}
    monkeypatch.setattr(detected, "make_peer", lambda name: made[name]())


def painted(*slices):
    """Slabs and masks of slices of the phantom, without noise."""
    labels = tubes()
    images = {z: np.repeat(np.where(labels[z] > 0, 70, 190).astype(np.uint8)[..., None], 3, axis=2) for z in slices}
    return images, {z: labels[z] > 0 for z in slices}


# What peers are given


def test_minutes_of_a_person():
    assert peers.box_minutes(340) == pytest.approx(28.3, abs=0.1)
    assert peers.mask_minutes(340) == 340


def test_masks_are_painted_until_the_time_of_the_boxes_is_over_and_to_the_end_of_the_slice():
    objects = {z: 17 for z in range(50)}
    assert affordable(peers.box_minutes(340), objects) == [12, 37]  # 28 minutes pay for 1.7 slices
    assert affordable(peers.box_minutes(85), objects) == [25]
    assert affordable(1e6, objects) == list(range(50))
    assert affordable(17, objects) == [25]  # exactly one slice


def test_slices_are_spread_evenly_over_the_block():
    assert evenly(0, 49, 5) == (0, 12, 24, 37, 49)
    assert evenly(0, 11, 12) == tuple(range(12))


# From probabilities to objects


def test_the_rule_is_the_one_that_fits_the_painted_slices():
    probability = np.zeros((60, 60), dtype=np.float32)
    probability[10:30, 10:30] = 0.85  # an organelle
    probability[40:46, 40:46] = 0.85  # a speck of 36 pixels
    probability[10:30, 30:50] = 0.55  # what the network is not sure of, and is none
    mask = np.zeros((60, 60), dtype=bool)
    mask[10:30, 10:30] = True
    rule = choose_rule([(probability, mask)])
    assert 0.55 < rule.threshold <= 0.85
    assert rule.area == 50


def test_a_speck_that_is_true_is_kept():
    probability = np.zeros((60, 60), dtype=np.float32)
    probability[40:46, 40:46] = 0.9
    assert choose_rule([(probability, probability > 0.5)]).area == 0


def test_objects_are_kept_for_their_largest_cross_section():
    images = np.zeros((3, 20, 20), dtype=np.float32)
    images[0, 2:4, 2:4] = 0.9  # 4 pixels, and 25 in the next slice: one object
    images[1, 2:7, 2:7] = 0.9
    images[:, 12:14, 12:14] = 0.9  # 4 pixels in every slice
    labels = apply_rule(images, Rule(0.5, 10))
    assert labels.dtype == np.uint32
    assert np.unique(labels).tolist() == [0, 1]
    assert (labels > 0).sum() == 29
    assert np.unique(apply_rule(images, Rule(0.5, 0))).tolist() == [0, 1, 2]
    assert not apply_rule(images, Rule(0.95, 0)).any()


# Peers


def test_a_forest_learns_what_is_dark():
    images, masks = painted(0, 5)
    forest = ForestPeer(TINY_FOREST)
    assert forest.fit(images, masks, 30, None) > 0
    unseen, truth = painted(3)
    found = forest.probability(unseen[3])
    assert found.shape == SHAPE[1:]
    assert ((found > 0.5) == truth[3]).mean() > 0.98
    labels = apply_rule([found], tuned_rule(forest, images, masks))
    assert labels.max() == len(TUBES)


def test_a_forest_stops_when_the_time_is_over():
    images, masks = painted(0)
    forest = ForestPeer(TINY_FOREST)
    forest.fit(images, masks, 0, None)
    assert forest._forest.n_estimators == TINY_FOREST.batch


def test_a_forest_that_saw_no_organelle_finds_none():
    images, masks = painted(0)
    forest = ForestPeer(TINY_FOREST)
    forest.fit(images, {0: np.zeros_like(masks[0])}, 1, None)
    assert not forest.probability(images[0]).any()


def test_the_usual_size():
    net = UNet(UNetParams().channels)
    assert 7.5e6 < sum(values.numel() for values in net.parameters()) < 8e6
    with torch.inference_mode():
        assert net(torch.zeros(1, 3, 32, 48)).shape == (1, 1, 32, 48)


def test_crops_and_their_masks_are_moved_together():
    images, masks = painted(0)
    params = UNetParams(crop_px=64, grey=0, noise=0)
    rng = np.random.default_rng(0)
    alike = []
    for _ in range(30):
        grey, truth = crop(images[0], masks[0], params, rng)
        assert grey.shape == (64, 64, 3)
        alike.append(((grey[..., 1] < 130) == (truth > 0)).mean())
    assert np.mean(alike) > 0.97


def test_half_of_the_crops_show_an_organelle_in_the_middle():
    images, masks = painted(0)
    params = UNetParams(crop_px=33, on_object=1)
    rng = np.random.default_rng(0)
    assert np.mean([crop(images[0], masks[0], params, rng)[1][16, 16] for _ in range(40)]) > 0.9
    planes, truth = batch(images, masks, params, rng)
    assert planes.shape == (4, 3, 33, 33)
    assert truth.shape == (4, 1, 33, 33)


def ticking(patch, killed_at=None):
    """Let each step of the network's training take a second; kill it in a step."""
    clock = itertools.count()

    def now():
        tick = next(clock)
        if tick == killed_at:
            raise KeyboardInterrupt
        return tick

    patch.setattr(unet, "time", SimpleNamespace(monotonic=now))


def test_a_network_learns_what_is_dark(tmp_path, monkeypatch):
    images, masks = painted(0, 5)
    ticking(monkeypatch)
    peer = UNetPeer(TINY_NET)
    assert peer.fit(images, masks, 60, tmp_path) == 60
    found = peer.probability(images[5])
    assert found.shape == SHAPE[1:]
    assert ((found > 0.5) == masks[5]).mean() > 0.95


def test_a_network_goes_on_after_a_kill_and_is_not_trained_twice(tmp_path, monkeypatch):
    images, masks = painted(0, 5)
    ticking(monkeypatch, killed_at=2 * 7)  # two looks at the clock a step
    with pytest.raises(KeyboardInterrupt):
        UNetPeer(replace(TINY_NET, save_seconds=3)).fit(images, masks, 10, tmp_path)
    assert torch.load(tmp_path / "unet.pt", weights_only=True)["state"] == {"spent": 6.0, "step": 6}
    ticking(monkeypatch)
    peer = UNetPeer(TINY_NET)
    assert peer.fit(images, masks, 10, tmp_path) == 10
    assert torch.load(tmp_path / "unet.pt", weights_only=True)["state"] == {"spent": 10.0, "step": 10}
    again = UNetPeer(TINY_NET)
    assert again.fit(images, masks, 10, tmp_path) == 10  # the time is over
    assert np.array_equal(again.probability(images[5]), peer.probability(images[5]))


def test_a_slice_of_any_size_goes_through_the_network():
    peer = UNetPeer(TINY_NET)
    assert peer.probability(np.zeros((33, 51, 3), dtype=np.uint8)).shape == (33, 51)


# The whole way


@pytest.mark.usefixtures("knows_the_truth", "small")
def test_true_boxes_and_exact_recipes_give_every_figure_its_closed_form(bench, capsys):
    rows = {row.method: row for row in bench_detected(bench, [4])}
    ellipse = rows["famous, inscribed ellipse"].scores
    assert (ellipse.recall50, ellipse.precision75, ellipse.voxel_iou, ellipse.sa50) == (1, 1, 1, 1)
    assert ellipse.objects == len(TUBES)
    assert rows["famous, filled box"].scores.voxel_iou == pytest.approx(np.pi / 4, abs=0.02)
    assert rows["famous, filled box"].person_minutes == 1  # 12 boxes
    printed = capsys.readouterr().out
    assert "labels from slices 0–7, scored on 10–15" in printed
    assert "| famous, inscribed ellipse | 12 boxes on 4 slices | 1 | 0.5 | 1.000 |" in printed


@pytest.mark.usefixtures("knows_the_truth", "small")
def test_peers_get_masks_of_the_same_slices_and_of_the_same_time_and_are_not_trained_twice(bench, capsys, monkeypatch):
    asked = replace(bench, peers=("unet", "forest"))
    rows = bench_detected(asked, [4])[-4:]
    assert [(row.method, row.labels) for row in rows] == [
        ("2D U-Net on masks", "3 masks on 1 slice"),
        ("2D U-Net on masks", "12 masks on 4 slices"),
        ("random forest on masks", "3 masks on 1 slice"),
        ("random forest on masks", "12 masks on 4 slices"),
    ]
    assert [row.person_minutes for row in rows] == [3, 12, 3, 12]
    assert rows[3].scores.voxel_iou > 0.8
    assert not any((asked.work / "peers").iterdir())
    monkeypatch.setattr(detected, "make_peer", lambda name: pytest.fail("trained again"))
    assert bench_detected(asked, [4])[-4:] == rows
    kept = json.loads((asked.work / "results.json").read_text())
    assert len(kept) == len(detected.recipes("phantom", None)) + 4
    with pytest.raises(BaseException, match="trained again"):  # other minutes are another peer
        bench_detected(replace(asked, minutes=0.03), [4])


@pytest.mark.usefixtures("small")
def test_nothing_detected_is_a_row_of_zeros(bench, monkeypatch):
    monkeypatch.setattr(detected, "detect", lambda project, score: (empty(), 0.1))
    rows = bench_detected(bench, [2])
    assert {row.scores for row in rows} == {VolumeScores(0, 0, 0, 0, 0, 0, 0, 0)}


@pytest.mark.slow
def test_a_detector_is_trained_once(bench, monkeypatch):
    monkeypatch.setattr(bench_famous, "CONFIG", TINY_TRAINING)
    bench_detected(bench, [3])
    model = bench.work / "phantom_3" / "model" / "best.onnx"
    stamp = model.stat().st_mtime_ns
    rows = bench_detected(bench, [3])
    assert model.stat().st_mtime_ns == stamp
    assert rows[0].labels == "9 boxes on 3 slices"
    assert rows[0].training_minutes > 0


def test_more_slices_than_there_are_is_said(bench):
    with pytest.raises(SystemExit, match="phantom has 8 slices"):
        bench_detected(bench, [9])


def test_results_are_written_at_once(tmp_path):
    row = Row("m", "l", 1.0, 2.0, VolumeScores(1, 1, 1, 1, 0.5, 0.6, 0.7, 3))
    Results(tmp_path / "deep" / "results.json").keep("key", row)
    assert Results(tmp_path / "deep" / "results.json").find("key") == row
    assert Results(tmp_path / "deep" / "results.json").find("other") is None
    assert row.line == "| m | l | 1 | 2.0 | 1.000 | 1.000 | 1.000 | 1.000 | 0.500 | 0.600 | 0.700 | 3 |"


def test_what_is_published_stands_below_as_published(bench, knows_the_truth, capsys, monkeypatch):
    monkeypatch.setitem(detected.PUBLISHED, "phantom", {"*other, as published*": {"3D SA50": "0.455"}})
    bench_detected(bench, [2])
    line = capsys.readouterr().out.strip().splitlines()[-1]
    assert line.startswith("| *other, as published* | – |")
    assert line.endswith("| 0.455 | – |")


def test_the_options_of_the_command_line(monkeypatch, tmp_path):
    import bench_accuracy

    monkeypatch.setattr(
        "sys.argv", ["x", "detected", "DATA", "--slices", "5", "--work", str(tmp_path), "--peers", "unet"]
    )
    options = bench_accuracy.parse()
    assert isinstance(options, argparse.Namespace)
    assert (options.slices, options.peers, options.minutes, options.set) == ([5], ["unet"], 30, "lucchi")
