"""Boxes of other labelling tools, through the command line."""

import json
from pathlib import Path
from typing import get_args

import pytest

from famous.cli import boxes
from famous.io.annotations import FORMATS
from tests.cells import cell, write_cell
from tests.commands import call, call_json

TABLE = cell().boxes([3, 9])
TARGET = {"csv": "out", "yolo": "out", "yolo_mark": "out", "coco": "out.json", "cvat": "out.xml"}


@pytest.fixture
def drawn(tmp_path):
    """A cell, and boxes on two of its slices, of which one is done."""
    path = tmp_path / "drawn" / "boxes.csv"
    path.parent.mkdir()
    TABLE.drop(columns=["box", "score"]).to_csv(path, index=False)
    path.with_name("slices.csv").write_text("z,done\n3,1\n")
    return write_cell(tmp_path), path


def test_boxes_are_imported_and_exported(drawn, tmp_path):
    cell, path = drawn
    assert call("boxes", "import", cell, path).stdout == f"{len(TABLE)} boxes, 1 slice done\n"
    result = call("boxes", "export", cell, tmp_path / "coco.json", "--format", "coco")
    assert result.stdout == f"{tmp_path / 'coco.json'}\n"
    assert len(json.loads((tmp_path / "coco.json").read_text())["annotations"]) == len(TABLE)


def test_import_as_json(drawn, tmp_path):
    cell, path = drawn
    data = call_json("boxes", "import", cell, path)
    annotations = tmp_path / "cell.famous" / "annotations"
    assert data["boxes"] == len(TABLE)
    assert data["boxes_by_class"] == TABLE["class_name"].value_counts().to_dict()
    assert data["slices"] == [3, 9]
    assert data["slices_done"] == [3]
    assert data["files"] == [str(annotations / f"{name}.csv") for name in ("boxes", "slices", "classes")]


@pytest.mark.parametrize(("said", "done"), [("9", [3, 9]), ("all", [3, 9]), ("0,10-12", [0, 3, 10, 11, 12])])
def test_slices_are_declared_done_where_the_file_does_not(drawn, said, done):
    cell, path = drawn
    assert call_json("boxes", "import", cell, path, "--done", said)["slices_done"] == done


def test_a_table_without_a_slice_that_is_done_says_how_to_declare_one(drawn):
    cell, path = drawn
    path.with_name("slices.csv").unlink()
    told = call_json("boxes", "import", cell, path)["notes"][-1]
    assert "no slice is declared done" in told
    assert "--done" in told
    notes = call_json("boxes", "import", cell, path, "--done", "3", "--overwrite")["notes"]
    assert not any("declared" in note for note in notes)


@pytest.mark.parametrize(
    ("said", "told"), [("24", "found slice 24, expected 0 … 23"), ("x", "such as"), ("9-3", "3-9")]
)
def test_slices_that_are_none_are_named_and_nothing_is_taken(drawn, tmp_path, said, told):
    cell, path = drawn
    result = call("boxes", "import", cell, path, "--done", said, code=1 if said == "24" else 2)
    assert told in (str(result.exception) if said == "24" else result.output)
    assert not (tmp_path / "cell.famous").exists()


def test_boxes_that_the_page_would_not_draw_are_taken_and_told(drawn):
    cell, path = drawn
    path.write_text("z,y0,x0,y1,x1,class_name\n3,0,0,1,1,a\n3,0,0,3,2,a\n3,0,0,3,3,a\n")
    data = call_json("boxes", "import", cell, path)
    assert data["boxes"] == 3
    assert "2 boxes have a side under 3 px, smaller than any drawn on the page; they were kept" in data["notes"]
    path.write_text("z,y0,x0,y1,x1,class_name\n3,0,0,3,3,a\n")
    result = call("boxes", "import", cell, path, "--overwrite")
    assert "under 3 px" not in result.stderr
    assert result.stdout == "1 box, 1 slice done\n"


def test_an_import_that_fails_leaves_no_folder(drawn, tmp_path):
    cell, path = drawn
    path.write_text("nonsense\n")
    call("boxes", "import", cell, path, "--folder", tmp_path / "new" / "place", code=1)
    assert not (tmp_path / "new").exists()


def test_import_asks_before_it_replaces(drawn):
    cell, path = drawn
    call("boxes", "import", cell, path)
    assert "--overwrite" in str(call("boxes", "import", cell, path, code=1).exception)
    call("boxes", "import", cell, path, "--overwrite")


@pytest.mark.parametrize("kind", FORMATS)
def test_export_as_json_and_back(drawn, tmp_path, kind):
    cell, path = drawn
    call("boxes", "import", cell, path)
    target = tmp_path / "export" / TARGET[kind]
    result = call("boxes", "export", cell, target, "--format", kind, "--json")
    data = json.loads(result.stdout)
    assert data["format"] == kind
    assert data["boxes"] == len(TABLE)
    assert data["slices"] == [3, 9]
    assert {Path(file) for file in data["files"]} == {file for file in target.parent.rglob("*") if file.is_file()}
    for note in data["notes"]:
        assert f"note: {note}" in result.stderr
    back = call_json("boxes", "import", cell, target, "--overwrite", "--format", kind)
    assert (back["boxes"], back["slices"]) == (len(TABLE), [3, 9])


def test_a_broken_row_is_named_by_file_and_line(drawn):
    cell, path = drawn
    path.write_text(path.read_text().replace("\n3,", "\nthree,", 1))
    assert "line 2" in str(call("boxes", "import", cell, path, code=1).exception)


@pytest.mark.parametrize(("first", "z"), [(None, 4), (0, 4), (1, 3)])
def test_images_may_be_counted_from_one(tmp_path, first, z):
    labels = tmp_path / "labels"
    labels.mkdir()
    (labels / "classes.txt").write_text("mito\n")
    (labels / "export_0004.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    given = [] if first is None else ["--first", str(first)]
    data = call_json("boxes", "import", write_cell(tmp_path), labels, *given)
    assert data["slices_done"] == [z]
    assert any("--first N" in note for note in data["notes"]) == (first is None)


def test_a_number_before_the_first_slice_is_named(tmp_path):
    labels = tmp_path / "labels"
    labels.mkdir()
    (labels / "classes.txt").write_text("mito\n")
    (labels / "export_0004.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    result = call("boxes", "import", write_cell(tmp_path), labels, "--first", "5", code=1)
    assert "export_0004.txt: found slice -1" in str(result.exception)


def test_the_formats_of_the_command_line_are_those_of_the_room():
    assert set(get_args(boxes.Boxes)) == set(FORMATS)
