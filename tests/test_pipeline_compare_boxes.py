"""Boxes in slices against boxes in slices: intersections over unions in closed form, and nothing of volumes."""

import json

import numpy as np
import pandas as pd
import pytest

from famous import boxes
from famous.compare.matching import match
from famous.compare.uncertainty import BootstrapParams
from famous.errors import InputError
from famous.pipeline.compare import Output, run_compare
from famous.pipeline.compare_boxes import BoxVolume, bodies_of, box_scene, boxes_of, overlaps_of
from famous.pipeline.compare_sources import Asked, open_sources
from famous.pipeline.stage import Session
from tests.compare_scenes import CLASSES, SHAPE, sources, write_coco, write_labels, write_run, write_sources

QUICK = BootstrapParams(rounds=400)


def table(*rows):
    """Rows of z, y0, x0, y1, x1; ids from 1."""
    made = boxes.from_columns(
        {name: [row[k] for row in rows] for k, name in enumerate(("z", "y0", "x0", "y1", "x1"))}
        | {"class_name": ["mito"] * len(rows)}
    )
    return made.assign(id=np.arange(1, len(made) + 1, dtype=np.uint64))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("boxes")
    return write_run(folder), write_sources(folder / "drawn"), folder


def test_boxes_share_what_they_share():
    found = overlaps_of(table((0, 0, 0, 10, 10), (1, 0, 0, 10, 10)), table((0, 5, 0, 15, 10), (2, 0, 0, 10, 10)))
    assert found.pred_voxels.tolist() == [100, 100]
    assert found.shared.tolist() == [50]
    assert found.iou().tolist() == [50 / 150]


def test_boxes_that_follow_each_other_are_one_body():
    """A rod in slices 0 to 3 and one beside it in 1 and 2; one more where the first was, 150 nm after it."""
    rod, beside = [(z, 0, z, 10, 10 + z) for z in range(4)], [(z, 0, 30, 10, 40) for z in (1, 2)]
    boxed = table(*rod, *beside, (8, 0, 4, 10, 14))
    bodies = bodies_of(boxed, 30.0)
    assert len(bodies) == len(boxed) + 1
    assert len(set(bodies[[1, 2, 3, 4]])) == 1
    assert bodies[5] == bodies[6]
    assert len({bodies[1], bodies[5], bodies[7]}) == 3
    assert len(set(bodies_of(boxed, 101.0)[1:])) == len(boxed)  # slices that far apart show other bodies
    assert bodies_of(table(), 30.0).tolist() == [0]


def test_of_another_class_is_another_body():
    boxed = table((0, 0, 0, 10, 10), (1, 0, 0, 10, 10)).assign(class_name=["mito", "vesicle"])
    assert len(set(bodies_of(boxed, 30.0)[1:])) == 2


def test_how_sure_a_score_is_goes_by_bodies(run, tmp_path):
    """The same labels as volumes and as boxes: as many witnesses, and about as much doubt."""
    stack, drawn, folder = run
    truth = write_coco(folder / "sure.json")
    flat = run_compare(Asked((str(stack),), (str(truth),), bootstrap=QUICK), Output(tmp_path / "2d"), Session())
    solid = run_compare(Asked((str(stack),), (str(drawn["M1"]),), bootstrap=QUICK), Output(tmp_path / "3d"), Session())
    for name in CLASSES:
        tables = (made.comparison.intervals for made in (flat, solid))
        rows = [one[(one["class"] == name) & (one["metric"] == "recall")].iloc[0] for one in tables]
        assert rows[0]["n"] <= rows[1]["n"] + 3
        assert rows[0]["high"] - rows[0]["low"] > 0.6 * (rows[1]["high"] - rows[1]["low"])


def test_boxes_of_other_slices_and_boxes_that_touch_share_nothing():
    found = overlaps_of(table((0, 0, 0, 10, 10)), table((1, 0, 0, 10, 10), (0, 0, 10, 10, 20)))
    assert len(found.shared) == 0
    assert match(found).counts == (0, 1, 2)


def test_no_box_is_no_overlap():
    for one, other in ((table(), table()), (table((0, 0, 0, 2, 2)), table()), (table(), table((0, 0, 0, 2, 2)))):
        assert len(overlaps_of(one, other).shared) == 0


def test_a_picture_of_boxes_has_the_smaller_in_front():
    volume = BoxVolume(table((1, 2, 2, 4, 4), (1, 0, 0, 6, 6)), "mito", (3, 8, 8))
    assert volume[0].sum() == 0
    image = volume[1]
    assert (image[2:4, 2:4] == 1).all()
    assert (image == 2).sum() == 36 - 4


def test_the_boxes_of_a_run_are_compared_with_those_of_an_expert(run):
    stack, _, folder = run
    truth = write_coco(folder / "M1.json")
    asked = Asked((str(stack),), (str(truth),))
    opened = open_sources(asked)
    boxed = box_scene(opened, asked)
    scene, counts, scores = boxed.scene, boxed.counts, boxed.scores
    assert set(scene.slices) == set(opened.truths[1].boxes["z"])
    own = counts.overlaps[("automatic", "M1"), "mito", "mito"]
    expected = sum(len(np.unique(image[image > 0])) for image in sources()["M1"]["mito"])
    assert len(own.truth_ids) == expected
    assert match(own).iou.max() == 1.0
    assert list(scores["mito"].values()) == pytest.approx([0.9] * len(scores["mito"]))
    assert {(row["class"], row["z"]) for row in counts.slices} == {(n, z) for n in CLASSES for z in scene.slices}


def test_a_done_slice_without_a_box_counts(run):
    stack, _, folder = run
    truth = write_coco(folder / "done.json", slices=[3, 4])
    said = json.loads(truth.read_text())
    empty = dict(said["images"][0], id=90, file_name=said["images"][0]["file_name"].replace("3", "8"), done=True)
    for image in said["images"]:
        image["done"] = True
    truth.write_text(json.dumps({**said, "images": [*said["images"], empty]}))
    asked = Asked((str(stack),), (str(truth),))
    boxed = box_scene(open_sources(asked), asked)
    scene, counts = boxed.scene, boxed.counts
    assert scene.slices == (3, 4, 8)
    found = [row for row in counts.slices if row["z"] == 8]
    assert sum(row["fp"] for row in found) > 0
    assert sum(row["tp"] + row["fn"] for row in found) == 0


def test_a_slice_with_boxes_that_is_not_done_does_not_count_where_others_are(run):
    stack, _, folder = run
    truth = write_coco(folder / "half.json", slices=[3, 4])
    said = json.loads(truth.read_text())
    said["images"][0]["done"], said["images"][1]["done"] = False, True
    truth.write_text(json.dumps(said))
    asked = Asked((str(stack),), (str(truth),))
    assert box_scene(open_sources(asked), asked).scene.slices == (4,)


def test_only_slices_that_every_expert_labelled_count(run):
    stack, _, folder = run
    one, other = write_coco(folder / "a.json", slices=[3, 4, 5]), write_coco(folder / "b.json", "M2", slices=[4, 5, 6])
    asked = Asked((str(stack),), (str(one), str(other)))
    assert box_scene(open_sources(asked), asked).scene.slices == (4, 5)
    asked = Asked((str(stack),), (str(one), str(other)), slices=(5, 6))
    assert box_scene(open_sources(asked), asked).scene.slices == (5,)
    third = write_coco(folder / "c.json", slices=[9])
    asked = Asked((str(stack),), (str(one), str(third)))
    with pytest.raises(InputError, match="no slice"):
        box_scene(open_sources(asked), asked)


def test_labels_beside_boxes_are_boxed_slice_by_slice(run):
    stack, drawn, folder = run
    asked = Asked((str(stack),), (str(drawn["M1"]), str(write_coco(folder / "M1.json"))))
    opened = open_sources(asked)
    boxed = box_scene(opened, asked)
    scene, counts = boxed.scene, boxed.counts
    own = counts.overlaps[("M2", "M1"), "mito", "mito"]
    assert match(own, 1.0).counts == (len(own.truth_ids), 0, 0)
    assert len(boxes_of(opened.truths[1], opened, scene.slices)) == len(
        boxes_of(opened.truths[2], opened, scene.slices)
    )


def test_labels_without_an_object_have_no_box(run):
    stack, drawn, _ = run
    opened = open_sources(Asked((str(stack),), (str(drawn["M1"]),)))
    assert len(boxes_of(opened.truths[1], opened, [0])) == 0
    assert set(boxes.COLUMNS) - {"box"} <= set(boxes_of(opened.truths[1], opened, [0]).columns) | {"box"}


def test_a_part_of_slices_cannot_be_compared(run):
    stack, _, folder = run
    asked = Asked((str(stack),), (str(write_coco(folder / "M1.json")),), region=((None, None), (0, 10), (None, None)))
    with pytest.raises(InputError, match="boxes are not cut"):
        box_scene(open_sources(asked), asked)


def test_classes_that_nobody_shares_are_named(run):
    stack, _, folder = run
    path = write_coco(folder / "other.json")
    path.write_text(path.read_text().replace('"mito"', '"golgi"').replace('"vesicle"', '"spindle"'))
    asked = Asked((str(stack),), (str(path),))
    with pytest.raises(InputError, match="automatic has mito, vesicle; M1 has golgi, spindle"):
        box_scene(open_sources(asked), asked)


def test_boxes_need_the_stack_that_they_were_drawn_in(run):
    _, drawn, folder = run
    with pytest.raises(InputError, match="stack"):
        open_sources(Asked((str(write_coco(folder / "M1.json")), str(drawn["M1"]))))


def test_every_box_has_an_id_of_its_own(run):
    stack, _, folder = run
    opened = open_sources(Asked((str(stack),), (str(write_coco(folder / "M1.json")),)))
    found = boxes_of(opened.truths[0], opened, range(SHAPE[0]))
    assert found["id"].is_unique
    assert isinstance(found, pd.DataFrame)


def test_ignored_labels_are_no_box(run, tmp_path):
    stack, _, folder = run
    labels = sources()["M1"]["mito"].copy()
    labels[4:6, :8] = 99
    path = write_labels(tmp_path / "mito.tif", labels)
    asked = Asked((str(stack),), (str(path), str(write_coco(folder / "M1.json"))), ignore=99, boundary_nm=20)
    boxed = box_scene(open_sources(asked), asked)
    assert 8 not in boxed.counts.objects["M1", "mito"].high[:, 1]
    assert any("99" in note for note in boxed.notes)
    assert any("no zone" in note for note in boxed.notes)


def test_what_becomes_of_ids_and_of_classes_is_told(run):
    stack, _, folder = run
    path = write_coco(folder / "other.json")
    path.write_text(path.read_text().replace('"vesicle"', '"spindle"'))
    asked = Asked((str(stack),), (str(path),))
    opened = open_sources(asked)
    boxed = box_scene(opened, asked)
    assert "numbered anew" in boxed.notes[0]
    assert boxed.notes[1:] == (
        "automatic has vesicle, which M1 does not have: it is left out",
        "spindle is in M1 only, so that all of its objects count as missed by automatic",
        "automatic: compared are the detected boxes that its organelles are made of, not their pixels",
    )
    assert not any("--" in note for note in opened.facts[1].notes)
