"""COCO JSON."""

import json

import pytest

from famous.errors import InputError
from famous.io.annotations import Annotations, read_boxes, write_boxes
from famous.io.annotations.coco import _offsets
from tests.test_io_annotations import SHAPE, corners, labelling


def coco(**changes):
    return {
        "info": {"description": "of a labelling program"},
        "images": [
            {"id": 11, "file_name": "img/z_0003.png", "width": 100, "height": 80},
            {"id": 12, "file_name": "z_0004.png"},
        ],
        "annotations": [{"id": 1, "image_id": 11, "category_id": 7, "bbox": [6, 5, 24, 15], "iscrowd": 0}],
        "categories": [{"id": 9, "name": "mito"}, {"id": 7, "name": "early endosome", "supercategory": ""}],
    } | changes


def read(tmp_path, content, **options):
    (tmp_path / "instances.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return read_boxes(tmp_path / "instances.json", **{"shape": SHAPE} | options)


def box(**changes):
    return {"id": 1, "image_id": 11, "category_id": 7, "bbox": [6, 5, 24, 15]} | changes


def test_a_file_by_hand(tmp_path):
    imported = read(tmp_path, coco())
    assert corners(imported) == [[3, 5, 6, 20, 30]]
    assert imported.annotations.classes == ("mito", "early endosome")
    assert imported.annotations.done == {3}
    assert imported.notes[1:] == [
        "1 image has no box and does not say that it is done; it was not taken as done",
        "1 slice counts as done, because it says so or has boxes",
    ]


def test_round_trip_keeps_everything(tmp_path):
    scored = Annotations(labelling().boxes.assign(score=[0.1, 1, 1]), frozenset({3, 5}), labelling().classes)
    notes = write_boxes(tmp_path / "a.json", "coco", scored, shape=SHAPE)
    back = read_boxes(tmp_path / "a.json", shape=SHAPE).annotations
    assert back.boxes.equals(scored.boxes)
    assert (back.done, back.classes) == (scored.done, scored.classes)
    assert len(notes) == 1
    assert "1 slice has boxes but is not done (7)" in notes[0]


def test_what_is_written_is_coco(tmp_path):
    names = [f"cell {z}.tif" for z in range(10)]
    write_boxes(tmp_path / "a.json", "coco", labelling(), shape=SHAPE, names=names)
    content = json.loads((tmp_path / "a.json").read_text())
    assert content["categories"][1] == {"id": 2, "name": "early endosome"}
    assert content["images"][0] == {"id": 3, "file_name": "cell 3.tif", "width": 100, "height": 80, "done": True}
    first = {"id": 1, "image_id": 3, "category_id": 2, "bbox": [6, 5, 24, 15], "area": 360}
    assert content["annotations"][0] == first | {"iscrowd": 0, "segmentation": []}
    assert read_boxes(tmp_path / "a.json", shape=SHAPE, names=names).annotations.done == {3, 5}


def test_images_are_matched_by_name_number_or_id(tmp_path):
    images = [{"id": 5}, {"id": 6, "file_name": "overview.png"}, {"id": 1, "file_name": "z8"}]
    annotations = [box(image_id=image["id"]) for image in images]
    assert sorted(read(tmp_path, coco(images=images, annotations=annotations)).annotations.done) == [5, 6, 8]
    names = [f"cell_{100 + z}.tif" for z in range(10)]
    images = [{"id": 1, "file_name": "cell_102.png"}]
    assert read(tmp_path, coco(images=images, annotations=[box(image_id=1)]), names=names).annotations.done == {2}


def test_crowds_and_outlines_are_told(tmp_path):
    annotations = [box(iscrowd=1, segmentation={"counts": [1]}), box(bbox=[0, 0, 5, 5], segmentation=[[1, 2, 3, 4]])]
    imported = read(tmp_path, coco(annotations=annotations))
    assert len(imported.annotations.boxes) == 2
    assert "1 box is marked iscrowd; it was taken as an ordinary one" in imported.notes
    assert "2 boxes have a segmentation; only the box was read" in imported.notes


def test_images_of_other_stacks_may_be_there_without_boxes(tmp_path):
    images = [*coco()["images"], {"id": 20, "file_name": "z_0300.png"}, {"id": 21, "file_name": "other_3.png"}]
    imported = read(tmp_path, coco(images=images))
    assert "2 images without boxes are none of this stack's slices" in imported.notes


def test_done_is_kept_apart_from_boxes(tmp_path):
    images = [{"id": 11, "file_name": "z3", "done": False}, {"id": 12, "file_name": "z4", "done": True}]
    assert read(tmp_path, coco(images=images)).annotations.done == {4}


@pytest.mark.parametrize(
    ("changes", "where", "why"),
    [
        ({"annotations": [box(bbox=[6, 5, 24])]}, "annotations[0]", "found a list of 3 as bbox"),
        ({"annotations": [box(bbox=None)]}, "annotations[0]", "found None as bbox"),
        ({"annotations": [box(bbox=[6, 5, 24, "a"])]}, "annotations[0]", "expected a number"),
        ({"annotations": [box(bbox=[6, 5, 24, True])]}, "annotations[0]", "expected a number"),
        ({"annotations": [box(bbox=[6, 5, 24, float("nan")])]}, "annotations[0]", "not a finite number"),
        ({"annotations": [box(bbox=[6, 5, 24, 10**400])]}, "annotations[0]", "not a finite number"),
        ({"annotations": [box(), box(bbox=[6, 5, 0, 9])]}, "annotations[1]", "without extent"),
        ({"annotations": [box(bbox=[6, 5, -3, 9])]}, "annotations[0]", "without extent"),
        ({"annotations": [box(bbox=[100, 5, 3, 9])]}, "annotations[0]", "wholly outside"),
        ({"annotations": [box(category_id=8)]}, "annotations[0]", "category_id 8, expected one of [7, 9]"),
        ({"annotations": [box(category_id="7")]}, "annotations[0]", "found '7' as category_id"),
        ({"annotations": [box(image_id=99)]}, "annotations[0]", "image_id 99, expected the id of one of the 2"),
        ({"annotations": [box(score=2)]}, "annotations[0]", "found the score 2"),
        ({"annotations": [box(score="x")]}, "annotations[0]", "as score"),
        ({"images": [{"id": 11, "file_name": "z_99.png"}]}, "annotations[0]", "images[0]: found slice 99"),
        ({"images": [{"id": 11, "file_name": ["z"]}]}, "annotations[0]", "as file_name"),
        (
            {"images": [{"id": 11, "file_name": "3", "width": 100, "height": 90}]},
            "annotations[0]",
            "an image of 90 × 100 pixels",
        ),
        ({"images": [{"id": 11}, {"id": 11}]}, "images[1]", "found the id 11 twice"),
        ({"images": [{"id": 1.5}, {"id": 11}]}, "images[0]", "found 1.5 as id"),
        ({"images": [{"id": 11, "file_name": "3", "done": "yes"}]}, "images[0]", "found 'yes' as done"),
        ({"images": [{"id": 11, "file_name": "3"}, {"id": 2, "file_name": "99", "done": True}]}, "images[1]", "99"),
        ({"categories": [{"id": 7, "name": "a"}, {"id": 7, "name": "b"}]}, "categories[1]", "found the id 7 twice"),
        ({"categories": [{"id": 7}]}, "categories[0]", "found None as class name"),
        ({"categories": [{"id": 7, "name": "\ud800"}]}, "categories[0]", "class name"),
    ],
)
def test_broken_entries_are_named_by_index(tmp_path, changes, where, why):
    with pytest.raises(InputError) as caught:
        read(tmp_path, coco(**changes))
    assert f"instances.json {where} (line 1): " in str(caught.value)
    assert why in str(caught.value)


def test_two_images_of_one_slice_are_named(tmp_path):
    images = [{"id": 11, "file_name": "a_3.png"}, {"id": 12, "file_name": "b_3.png"}]
    with pytest.raises(InputError, match=r"images\[1\]: found slice 3, which is also instances\.json images\[0\]"):
        read(tmp_path, coco(images=images, annotations=[box(), box(image_id=12)]))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("9" * 5000, "not JSON"),
        ("[]", "found a JSON list"),
        ("3", "found a JSON int"),
        ("{}", "found no list `categories`"),
        (json.dumps(coco(images={})), "found no list `images`"),
        (json.dumps(coco(annotations=[box(), 3])), "annotations[1] is 3, expected an object"),
    ],
)
def test_files_that_are_not_coco(tmp_path, content, why):
    with pytest.raises(InputError, match=r"instances\.json") as caught:
        read(tmp_path, content)
    assert why in str(caught.value)


def test_broken_entries_come_by_index_with_the_line_where_they_begin(tmp_path):
    boxes = [box(), box(bbox=[0, 0, 0, 3]), box(bbox=[])] + [box()] * 8 + [box(score=2)]
    text = json.dumps(coco(annotations=boxes, licenses=[[1], "]"]), indent=1)
    lines = [number for number, line in enumerate(text.split("\n"), start=1) if line == "  {"]
    for end in ("\n", "\r\n"):
        (tmp_path / "instances.json").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", end).encode())
        with pytest.raises(InputError) as caught:
            read_boxes(tmp_path / "instances.json", shape=SHAPE)
        named = [line.split(":")[0] for line in str(caught.value).splitlines()[1:]]
        # two images stand before the annotations
        assert named == [f"  instances.json annotations[{i}] (line {lines[2 + i]})" for i in (1, 2, 11)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", {}),
        (' { "a" : [ ] , "b":3}', {}),
        ('{"a": [1,\n[2, 3], "]"], "b": {"a": [9]}}', {"a[0]": 7, "a[1]": 10, "a[2]": 18}),
    ],
)
def test_entries_are_found_in_any_json_object(text, expected):
    assert _offsets(text) == expected


def test_a_byte_order_mark_does_no_harm(tmp_path):
    assert corners(read(tmp_path, "\ufeff" + json.dumps(coco()).replace(", ", ",\r\n"))) == [[3, 5, 6, 20, 30]]
