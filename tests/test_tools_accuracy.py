"""The benchmark's figures on masks whose overlap is known, its data sets and its tables on true boxes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from accuracy.metrics import LEVELS, boxes_of, pieces, score_masks, score_volume, shared_and_either
from accuracy.recipes import ADAPTED, FILLED, MASKNET, classical, recipes
from accuracy.sets import SETS, DataSet, TrueMask, jittered, labelled_slices, true_masks
from accuracy.truth import bench_truth, score_recipe, summary
from hypothesis import given
from hypothesis import strategies as st

from famous.boxes import empty
from famous.extract import MaskNetExtractor, MaskNetParams
from famous.labels import are_equivalent
from famous.voxels import VoxelSize
from tests.accuracy_phantoms import SHAPE, TUBES, tubes, write_data

TOOL = Path(__file__).resolve().parents[1] / "tools" / "bench_accuracy.py"
PHANTOM = DataSet("phantom", VoxelSize(10, 10, 10), 4)


def corners(*values):
    return np.array(values, dtype=np.int32)


def block(shape, *objects):
    """A label volume with cuboids (z0, z1, y0, y1, x0, x1), numbered from 1."""
    volume = np.zeros(shape, dtype=np.uint32)
    for number, (z0, z1, y0, y1, x0, x1) in enumerate(objects, 1):
        volume[z0:z1, y0:y1, x0:x1] = number
    return volume


# Masks


def test_three_of_four_objects_above_a_half():
    scores = score_masks(np.array([[10, 10], [8, 10], [6, 10], [1, 10]]))
    assert scores.boxes == 4
    assert scores.mean_iou == pytest.approx(0.625)
    assert scores.sa50 == 0.75
    assert scores.sa75 == 0.5
    assert scores.pooled_iou == pytest.approx(25 / 40)
    # 1.0 is above all ten, 0.8 above 0.5 … 0.75 (not above 0.8 itself), 0.6 above 0.5 and 0.55
    assert scores.msa == pytest.approx((10 + 6 + 2) / 40)


def test_the_strict_figure_counts_a_failure_as_false_positive_and_as_false_negative():
    scores = score_masks(np.array([[10, 10], [8, 10], [6, 10], [1, 10]]))
    assert scores.strict_sa75 == pytest.approx(2 / (2 + 2 + 2))


def test_pooled_iou_weighs_large_objects():
    assert score_masks(np.array([[1000, 1000], [0, 10]])).pooled_iou == pytest.approx(1000 / 1010)


def test_no_object_has_no_figure():
    scores = score_masks(np.zeros((0, 2), dtype=np.int64))
    assert scores.boxes == 0
    assert np.isnan(scores.mean_iou)
    assert np.isnan(scores.strict_msa)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)).map(lambda p: (p[0], p[0] + p[1] + 1)), min_size=1))
def test_shares_fall_with_the_level_and_strict_is_never_above_the_share(pairs):
    scores = score_masks(np.array(pairs))
    assert 1 >= scores.sa50 >= scores.sa75 >= 0
    assert scores.sa50 >= scores.msa - 1e-12
    assert scores.strict_sa75 <= scores.sa75
    assert scores.strict_msa <= scores.msa + 1e-12


def test_the_ten_levels_of_the_field():
    assert LEVELS.tolist() == [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]


def test_masks_in_boxes_of_their_own_are_counted_where_they_meet():
    truth = TrueMask(corners(2, 2, 6, 6), np.ones((4, 4), dtype=bool))
    assert shared_and_either(corners(4, 0, 8, 4), np.ones((4, 4), dtype=bool), truth) == (4, 28)
    assert shared_and_either(corners(2, 2, 6, 6), np.ones((4, 4), dtype=bool), truth) == (16, 16)
    assert shared_and_either(corners(6, 6, 8, 8), np.ones((2, 2), dtype=bool), truth) == (0, 20)


# Volumes


def test_a_perfect_volume_scores_one_everywhere():
    true = block((3, 20, 20), (0, 3, 2, 10, 2, 10), (1, 3, 12, 18, 12, 18))
    boxes = boxes_of(true, 5)
    scores = score_volume(boxes, true, boxes, true)
    assert (scores.recall50, scores.precision75, scores.voxel_iou, scores.dice, scores.sa50) == (1, 1, 1, 1, 1)
    assert scores.objects == 2
    assert boxes["z"].tolist() == [5, 6, 6, 7, 7]


def test_one_of_two_found_and_one_made_up():
    true = block((2, 30, 30), (0, 2, 0, 10, 0, 10), (0, 2, 20, 30, 20, 30))
    found = block((2, 30, 30), (0, 2, 0, 10, 0, 8), (0, 2, 0, 5, 20, 30))
    scores = score_volume(boxes_of(true, 0), true, boxes_of(found, 0), found)
    assert scores.sa50 == pytest.approx(1 / 3)  # one right, one made up, one missed
    assert scores.voxel_iou == pytest.approx(160 / 500)
    assert scores.dice == pytest.approx(320 / 660)
    assert (scores.recall50, scores.precision50) == (0.5, 0.5)
    assert scores.recall75 == 0.5  # 80 of 100 pixels


def test_nothing_found_is_zero():
    true = block((2, 30, 30), (0, 2, 0, 10, 0, 10))
    nothing = np.zeros_like(true)
    scores = score_volume(boxes_of(true, 0), true, empty(), nothing)
    assert (scores.recall50, scores.precision50, scores.voxel_iou, scores.sa50, scores.objects) == (0, 0, 0, 0, 0)
    assert boxes_of(nothing, 3).empty


def test_components_that_are_too_small_get_no_box():
    labels = block((2, 20, 20), (0, 1, 2, 6, 2, 6), (1, 2, 0, 10, 0, 10), (1, 2, 9, 12, 10, 12))
    assert boxes_of(labels, 4)[["z", "y0", "x1"]].to_numpy().tolist() == [[4, 2, 6], [5, 0, 12]]  # corners touch
    assert boxes_of(labels, 4, 17)["z"].tolist() == [5]


def test_an_id_that_is_joined_outside_the_block_is_two_objects_in_it():
    labels = block((3, 20, 20), (0, 3, 2, 6, 2, 6), (0, 3, 10, 14, 10, 14))
    joined = np.where(labels > 0, 7, 0).astype(np.uint32)
    assert are_equivalent(pieces(joined), labels)
    assert are_equivalent(pieces(labels), labels)
    full = np.full((2, 3, 3), 4, dtype=np.uint32)
    assert (pieces(full) == 1).all()


# Data sets


def test_the_parts_of_an_id_are_objects_of_their_own_unless_ids_are_whole():
    image = block((1, 40, 40), (0, 1, 2, 12, 2, 12), (0, 1, 20, 30, 2, 12), (0, 1, 35, 37, 35, 37))[0]
    image[image == 2] = 1
    assert [mask.corners.tolist() for mask in true_masks(image)] == [[2, 2, 12, 12], [20, 2, 30, 12]]
    (whole,) = true_masks(image, whole_ids=True)
    assert whole.corners.tolist() == [2, 2, 30, 12]
    assert whole.mask.sum() == 200


def test_an_image_without_background_or_without_objects():
    assert true_masks(np.zeros((9, 9), dtype=np.uint32)) == []
    (mask,) = true_masks(np.full((9, 9), 3, dtype=np.uint32))
    assert mask.corners.tolist() == [0, 0, 9, 9]


def test_jitter_moves_sides_but_keeps_boxes_in_the_slice_and_not_empty():
    tight = np.tile(corners(2, 2, 30, 12), (200, 1))
    rng = np.random.default_rng(1)
    assert (jittered(tight, 0.0, rng, (32, 32)) == tight).all()
    moved = jittered(tight, 0.5, rng, (32, 32))
    assert (moved[:, 2:] > moved[:, :2]).all()
    assert moved.min() >= 0
    assert moved.max() <= 32
    assert np.ptp(moved[:, 0]) > np.ptp(moved[:, 1])  # a side moves by a share of its own length


def test_slices_come_with_neighbours_only_where_they_are_neighbours(tmp_path):
    data = write_data(tmp_path)
    one, *_ = labelled_slices(data, PHANTOM, step=5)
    assert one.slab.shape == (*SHAPE[1:], 3)
    assert (one.slab[..., 1] != one.slab[..., 2]).any()
    alone, *_ = labelled_slices(data, DataSet("phantom", PHANTOM.voxel_size, 5, consecutive=False))
    assert (alone.slab[..., 0] == alone.slab[..., 2]).all()
    assert (alone.slab[..., 0] == one.slab[..., 1]).all()
    assert one.corners.tolist() == [[y, x, y + h, x + w] for y, x, h, w in TUBES]


# Recipes


def test_the_ellipse_is_exact_on_ellipses_and_a_filled_box_has_pi_quarters_of_it(tmp_path):
    chosen = list(labelled_slices(write_data(tmp_path), PHANTOM))
    found = {name: score_recipe(recipe, chosen, PHANTOM.voxel_size) for name, recipe in classical().items()}
    assert found["inscribed ellipse"].scores.mean_iou == 1
    assert found[FILLED].scores.mean_iou == pytest.approx(np.pi / 4, abs=0.02)
    assert found["… and centred (default Otsu)"].scores.mean_iou > 0.9
    assert found[FILLED].scores.boxes == 4 * len(TUBES)


def test_no_box_gives_no_figure():
    assert score_recipe(classical()[FILLED], [], PHANTOM.voxel_size).scores.boxes == 0


def test_weights_that_are_missing_are_named(tmp_path):
    assert MASKNET not in recipes("lucchi", None)
    with pytest.raises(SystemExit, match=r"without_lucchi\.onnx"):
        recipes("lucchi", tmp_path)


def test_masknet_gets_the_weights_that_never_saw_the_set(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("accuracy.recipes.open_masknet", lambda path: opened.append(path.name))
    (tmp_path / "without_vnc.onnx").touch()
    found = recipes("vnc", tmp_path, MaskNetParams(reach=0))
    assert opened == ["without_vnc.onnx"]
    assert found[MASKNET] == MaskNetExtractor(None, MaskNetParams(reach=0))
    assert list(found)[:-1] == list(classical())


# Tables


def test_every_set_that_is_there_gets_its_table(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(SETS, "phantom", PHANTOM)
    results = bench_truth(write_data(tmp_path), ["phantom", "vnc"], None, 0.0, None)
    printed = capsys.readouterr().out
    assert "vnc: not there" in printed
    assert "### phantom: 4 slices" in printed
    assert "| inscribed ellipse | 12 | 1.000 | 1.000 | 1.000 | 1.000 | 1.000 | 1.000 | 1.000 |" in printed
    assert list(results) == ["phantom"]
    assert results["phantom"]["inscribed ellipse"]["mean_iou"] == 1


def test_the_summary_says_how_far_masknet_is_above_the_best_of_the_others():
    figures = {FILLED: 0.95, "ellipse": 0.7, "otsu": 0.8, MASKNET: 0.75, ADAPTED: 0.9}
    lines = summary({"a": {name: {"mean_iou": value} for name, value in figures.items()}})
    assert lines[-1] == "| masknet above it by | -0.050 |"  # a filled box is no recipe, and a taught one learnt
    assert lines[-2] == "| best of those without weights | 0.800 |"


def test_help_names_both_ways():
    found = subprocess.run([sys.executable, str(TOOL), "--help"], capture_output=True, text=True, check=True)
    assert "detected" in found.stdout


def test_the_phantom_is_what_it_says():
    labels = tubes()
    assert len(np.unique(labels)) == len(TUBES) + 1
    assert are_equivalent(pieces(labels.astype(np.uint32)), labels.astype(np.uint32))


def test_the_sets_of_the_folder_are_read_as_they_are(shared_data):
    (one,) = list(labelled_slices(shared_data, SETS["isbi2012"], step=30))
    assert len(one.truth) == len(one.corners) > 0
    assert one.slab.dtype == np.uint8
