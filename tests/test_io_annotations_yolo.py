"""YOLO labels, in ultralytics' shape and in YOLO_mark's."""

from pathlib import Path

import pytest
import yaml

from famous import boxes
from famous.errors import InputError
from famous.io.annotations import Annotations, read_boxes, write_boxes
from tests.test_io_annotations import SHAPE, corners, labelling, table


def folder(tmp_path, files):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return tmp_path


def read(tmp_path, files, **options):
    return read_boxes(folder(tmp_path, files), "yolo", **{"shape": SHAPE} | options)


BOX = "0 0.18 0.15625 0.24 0.1875\n"  # y 5 … 20, x 6 … 30 of 80 × 100


def test_a_box_by_hand(tmp_path):
    imported = read(tmp_path, {"z003.txt": BOX, "classes.txt": "early endosome\n"})
    assert corners(imported) == [[3, 5, 6, 20, 30]]
    assert imported.annotations.classes == ("early endosome",)
    assert imported.annotations.done == {3}
    assert imported.annotations.boxes["score"].tolist() == [1]


def test_names_in_capitals_are_read_too(tmp_path):
    imported = read(tmp_path, {"z003.txt": BOX, "Z004.TXT": BOX, "CLASSES.TXT": "early endosome\n"})
    assert [row[0] for row in corners(imported)] == [3, 4]
    assert imported.annotations.done == {3, 4}


def test_ultralytics_shape(tmp_path):
    write_boxes(tmp_path, "yolo", labelling(), shape=SHAPE)
    files = sorted(file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*") if file.is_file())
    assert files == ["data.yaml", "done.csv", "labels/z00003.txt", "labels/z00005.txt", "labels/z00007.txt"]
    assert (tmp_path / "labels/z00003.txt").read_text() == (
        "1 0.180000 0.156250 0.240000 0.187500\n0 0.500000 0.500000 1.000000 1.000000\n"
    )
    assert (tmp_path / "labels/z00005.txt").read_text() == ""
    content = yaml.safe_load((tmp_path / "data.yaml").read_text())
    assert content["names"] == {0: "mito", 1: "early endosome", 2: "unused"}


def test_yolo_mark_shape(tmp_path):
    names = [f"cell {z:03d}.tif" for z in range(10)]
    notes = write_boxes(tmp_path, "yolo_mark", labelling(), shape=SHAPE, names=names)
    files = sorted(file.name for file in tmp_path.iterdir())
    marks = ["done.csv", "obj.data", "obj.names", "train.txt"]
    assert files == ["cell 003.txt", "cell 005.txt", "cell 007.txt", *marks]
    assert (tmp_path / "obj.names").read_text() == "mito\nearly endosome\nunused\n"
    assert (tmp_path / "train.txt").read_text() == "cell 003.tif\ncell 005.tif\ncell 007.tif\n"
    assert "classes = 3\n" in (tmp_path / "obj.data").read_text()
    assert "beside them" in notes[0]
    for way_in in (tmp_path, tmp_path / "obj.data", tmp_path / "obj.names", tmp_path / "train.txt"):
        back = read_boxes(way_in, shape=SHAPE, names=names).annotations
        assert back.boxes.equals(labelling().boxes)
        assert (back.done, back.classes) == ({3, 5}, labelling().classes)


def test_yolo_mark_as_it_is_found_in_the_wild(tmp_path):
    imported = read(
        tmp_path,
        {
            "obj.data": "classes= 2\r\ntrain  = data/train.txt\r\nnames = data/obj.names\r\n",
            "obj.names": b"\xef\xbb\xbfmito\r\nearly endosome\r\n\r\n",
            "train.txt": "data/img/slice_0003.jpg\n",
            "img/slice_0003.jpg": b"\xff\xd8",
            "img/slice_0003.txt": b"\xef\xbb\xbf1\t0.18 0.15625  0.24 0.1875 # sure\r\n\r\n# all\r\n",
            "img/slice_0004.txt": "",
            "img/.hidden5.txt": "junk",
            ".ipynb_checkpoints/slice_0005.txt": "junk",
            "README.dataset.txt": "junk",
        },
    )
    assert corners(imported) == [[3, 5, 6, 20, 30]]
    assert imported.annotations.boxes["class_name"].tolist() == ["early endosome"]
    assert imported.annotations.done == {3, 4}
    assert imported.notes[0] == "train.txt lists images, not boxes; a slice is known by its own label file"
    assert "2 slices count as done" in imported.notes[-1]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("obj.names", "# two classes\nmito\nearly endosome\n"),
        ("classes.txt", "mito\nearly endosome"),
        ("_darknet.labels", "mito\nearly endosome"),
        ("data.yaml", "names: [mito, early endosome]\n"),
        ("data.yaml", "names:\n  1: early endosome\n  0: mito\nnc: 2\n"),
        ("cells.yml", "train: images\nnames:\n- mito\n- 'early endosome'\n"),
    ],
)
def test_class_names_are_found_below_and_above(tmp_path, name, content):
    files = {name: content, "labels/train/z1.txt": BOX, "labels/val/z2.txt": BOX, "hyp.yaml": "lr0: 0.1\n"}
    assert read(tmp_path, files).annotations.classes == ("mito", "early endosome")
    if name != "cells.yml":
        inner = read_boxes(tmp_path / "labels" / "train", "yolo", shape=SHAPE)
        assert inner.annotations.classes == ("mito", "early endosome")
        single = read_boxes(tmp_path / "labels" / "val" / "z2.txt", shape=SHAPE)
        assert single.annotations.done == {2}


def test_what_lacks_beside_a_file_is_told_of_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("hello\n")
    with pytest.raises(
        InputError, match=r"^text\.txt: found labels but no class names beside them; expected obj\.names"
    ):
        read_boxes(Path("text.txt"), shape=SHAPE)
    (tmp_path / "text.txt").unlink()
    (tmp_path / "obj.names").write_text("mito\n")
    with pytest.raises(InputError, match=r"^obj\.names: found no label file beside it, expected one \.txt"):
        read_boxes(Path("obj.names"), shape=SHAPE)


def test_given_class_names_win_and_a_conflict_is_told(tmp_path):
    files = {"z1.txt": BOX, "obj.names": "er\nmito\n"}
    imported = read(tmp_path, files, classes=["mito", "er"])
    assert imported.annotations.boxes["class_name"].tolist() == ["mito"]
    assert imported.notes[0] == "the classes given were used, not those of obj.names: er, mito"


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"obj.names": "a\n"}, "found no label file"),
        ({"z1.txt": BOX}, "found labels but no class names"),
        ({"z1.txt": BOX, "obj.names": "a\n", "classes.txt": "b\n"}, "name different classes"),
        ({"z1.txt": BOX, "obj.names": "a\n\nb\n"}, "class name"),
        ({"z1.txt": BOX, "obj.names": b"\xff\xfe"}, "expected UTF-8"),
        ({"z1.txt": BOX, "data.yaml": "names: [a\n"}, "not YAML"),
        ({"z1.txt": BOX, "data.yaml": "names: 3\n"}, "found no list under `names`"),
        ({"z1.txt": BOX, "data.yaml": "names: {0: a, 2: b}\n"}, "class indices"),
        ({"z1.txt": BOX, "data.yaml": "names: {a: 0}\n"}, "class index"),
        ({"z1.txt": BOX, "data.yaml": "names: [[a]]\n"}, "class name"),
        ({"z1.txt": BOX, "data.yaml": "names: " + "[" * 5000}, "not YAML"),
        ({"z1.txt": BOX, "data.yaml": 'names: ["\\UFFFFFFFF"]'}, "not YAML"),
    ],
)
def test_folders_that_cannot_be_read(tmp_path, files, why):
    with pytest.raises(InputError, match=r"class|label|YAML|UTF|names") as caught:
        read(tmp_path / "a" / "b" / "c", files)
    assert why in str(caught.value)


def test_yaml_that_repeats_itself_does_no_harm(tmp_path):
    laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    laughs += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30))
    with pytest.raises(InputError, match="found a list of 9 as class name"):
        read(tmp_path, {"z1.txt": BOX, "data.yaml": laughs + "names: *a29\n"})


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("0 0.5 0.5 0.1", "found 4 columns; expected 5"),
        ("0 0.5 0.5 0.1 0.1 0.9 0.9", "found 7 columns, an outline?"),
        ("0,0.5,0.5,0.1,0.1", "found 1 column;"),
        ("2 0.5 0.5 0.1 0.1", "found the class index 2, expected 0 … 1 (mito, er)"),
        ("-1 0.5 0.5 0.1 0.1", "class index -1"),
        ("mito 0.5 0.5 0.1 0.1", "found 'mito' as class index"),
        ("0.5 0.5 0.5 0.1 0.1", "found '0.5' as class index"),
        ("1e99 0.5 0.5 0.1 0.1", "class index"),
        ("0 0.5 0.5 0 0.1", "without extent"),
        ("0 0.5 0.5 0.1 -0.1", "without extent"),
        ("0 nan 0.5 0.1 0.1", "not a finite number"),
        ("0 0.5 0.5 inf 0.1", "not a finite number"),
        ("0 1e308 0.5 1e308 0.1", "not a finite number"),
        ("0 1e300 0.5 1e200 0.1", "without extent"),
        ("0 240 300 20 30", "wholly outside"),
        ("0 0.5 0.5 0.1 0.1 1.5", "found the score 1.5"),
        ("0 0.5 0.5 0.1 0.1 nan", "found the score nan"),
    ],
)
def test_broken_labels_are_named_by_file_and_line(tmp_path, line, why):
    with pytest.raises(InputError) as caught:
        read(tmp_path, {"img/z1.txt": BOX + "\n" + line + "\n", "obj.names": "mito\ner\n"})
    assert "1 broken row" in str(caught.value)
    assert "img/z1.txt line 3: " in str(caught.value)
    assert why in str(caught.value)


def test_broken_files_are_named_with_the_broken_rows(tmp_path):
    files = {"a1.txt": b"\xff", "b1.txt": "x", "b2.txt": BOX, "c2.txt": BOX, "d.txt": BOX, "e10.txt": BOX}
    with pytest.raises(InputError) as caught:
        read(tmp_path, files | {"obj.names": "mito"})
    text = str(caught.value)
    assert "5 broken rows" in text
    assert "a1.txt: found the byte 0xff" in text
    assert "b1.txt: found slice 1, which is also a1.txt" in text
    assert "c2.txt: found slice 2, which is also b2.txt" in text
    assert "d.txt: found no number in the name 'd.txt'" in text
    assert "e10.txt: found slice 10, expected 0 … 9" in text


def test_a_detectors_output_keeps_its_scores(tmp_path):
    imported = read(tmp_path, {"z1.txt": BOX.strip() + " 0.75\n", "obj.names": "mito"})
    assert imported.annotations.boxes["score"].tolist() == [0.75]


def test_indices_as_floats_and_few_digits(tmp_path):
    imported = read(tmp_path, {"z1.txt": "0.000000e+00 .180 .1562 .240 .1875\n", "obj.names": "mito"})
    assert corners(imported) == [[1, 5, 6, 20, 30]]
    assert not [note for note in imported.notes if "rounded" in note]


def test_two_indices_of_one_class_are_told(tmp_path):
    imported = read(tmp_path, {"z1.txt": BOX, "obj.names": "mito\nmito\n"})
    assert imported.annotations.classes == ("mito",)
    assert any("more than one index" in note for note in imported.notes)


def test_first_number_of_the_stack(tmp_path):
    imported = read(tmp_path, {"s1.txt": BOX, "s10.txt": BOX, "obj.names": "mito"}, first=1)
    assert imported.annotations.done == {0, 9}


def test_what_yolo_cannot_hold_is_told(tmp_path):
    scored = Annotations(labelling().boxes.assign(score=0.5), frozenset({3}), labelling().classes)
    notes = write_boxes(tmp_path, "yolo", scored, shape=SHAPE)
    assert notes[1] == "YOLO holds no scores: those of 3 boxes were left out"
    assert notes[2].startswith("1 slice has boxes but is not done (7); done.csv keeps them apart")
    assert read_boxes(tmp_path, shape=SHAPE).annotations.done == {3}


def test_a_removed_label_file_is_not_done_whatever_the_mark_says(tmp_path):
    write_boxes(tmp_path, "yolo", labelling(), shape=SHAPE)
    (tmp_path / "labels/z00005.txt").unlink()
    assert read_boxes(tmp_path, shape=SHAPE).annotations.done == {3}


def test_whole_pixels_survive_in_huge_slices(tmp_path):
    huge = (1, 4_123_457, 3_099_991)
    drawn = table((0, 4_123_455, 3_099_989, 4_123_456, 3_099_990, "mito"), (0, 0, 1, 4_123_457, 3_099_990, "mito"))
    write_boxes(tmp_path, "yolo", Annotations(drawn, frozenset({0}), ("mito",)), shape=huge)
    imported = read_boxes(tmp_path, shape=huge)
    assert imported.annotations.boxes.equals(drawn)
    assert not [note for note in imported.notes if "rounded" in note]


@pytest.mark.parametrize("kind", ["yolo", "yolo_mark"])
def test_labels_of_another_export_are_not_mixed_in(tmp_path, kind):
    write_boxes(tmp_path, kind, labelling(), shape=SHAPE)
    fewer = Annotations(boxes.empty(), frozenset({3}), labelling().classes)
    with pytest.raises(InputError, match=r"found 2 label files of another export .*z00005\.txt"):
        write_boxes(tmp_path, kind, fewer, shape=SHAPE)
    write_boxes(tmp_path, kind, labelling(), shape=SHAPE)


@pytest.mark.parametrize("name", ["train.tif", "classes.png", "readme.tif", ".z.tif"])
def test_slices_named_like_lists_are_refused(tmp_path, name):
    one = Annotations(boxes.empty(), frozenset({0}), ("mito",))
    with pytest.raises(InputError, match="hidden or taken for lists"):
        write_boxes(tmp_path, "yolo", one, shape=(1, 8, 8), names=[name])
