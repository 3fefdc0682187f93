"""boxes.csv, the doors read_boxes and write_boxes, slice names, and what is done to rows on their way in."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from famous import boxes
from famous.errors import FamousError, InputError
from famous.io.annotations import FORMATS, Annotations, detect_format, read_boxes, write_boxes
from famous.io.annotations.rows import SHOWN_ROWS, number, to_whole, whole
from famous.io.annotations.slices import SliceFinder, stem

SHAPE = (10, 80, 100)
HEADER = "z,y0,x0,y1,x1,class_name\n"


def table(*rows):
    columns = ["z", "y0", "x0", "y1", "x1", "class_name"]
    return boxes.number(boxes.from_columns({name: [row[i] for row in rows] for i, name in enumerate(columns)}))


def labelling():
    """Two classes, one slice of them done with boxes, one done without, one not done."""
    drawn = table((3, 5, 6, 20, 30, "early endosome"), (3, 0, 0, 80, 100, "mito"), (7, 1, 2, 3, 4, "mito"))
    return Annotations(drawn, frozenset({3, 5}), ("mito", "early endosome", "unused"))


def read_csv(tmp_path, text, *, done=None, **options):
    (tmp_path / "boxes.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    if done is not None:
        (tmp_path / "slices.csv").write_text(done)
    return read_boxes(tmp_path, shape=SHAPE, **options)


def corners(imported):
    return imported.annotations.boxes[["z", *boxes.CORNERS]].to_numpy().tolist()


# ---- Annotations ----


def test_annotations_know_their_slices():
    assert labelling().slices == [3, 5, 7]
    assert Annotations(boxes.empty(), frozenset(), ()).slices == []


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (("mito",), "early endosome"),
        (("mito", "early endosome", "mito"), "more than once"),
        (("mito", "early endosome", ""), "class name"),
        (("mito", "early endosome", "a\nb"), "class name"),
        (("mito", "early endosome", "# a"), "class name"),
        (("mito", "early endosome", "\ud800"), "class name"),
        (("mito", "early endosome", 3), "class name"),
    ],
)
def test_annotations_refuse_unusable_classes(classes, message):
    with pytest.raises(InputError, match=message):
        Annotations(labelling().boxes, frozenset(), classes)


def test_annotations_refuse_broken_boxes():
    broken = labelling().boxes.assign(y1=0)
    with pytest.raises(InputError, match="no extent"):
        Annotations(broken, frozenset(), ("mito", "early endosome"))


# ---- boxes.csv ----


def test_csv_round_trip_keeps_everything(tmp_path):
    notes = write_boxes(tmp_path, "csv", labelling(), shape=SHAPE)
    back = read_boxes(tmp_path, shape=SHAPE)
    assert notes == []
    assert back.notes == []
    assert back.annotations.boxes.equals(labelling().boxes)
    assert back.annotations.done == {3, 5}
    assert back.annotations.classes == ("mito", "early endosome", "unused")


def test_csv_is_what_a_person_would_write(tmp_path):
    write_boxes(tmp_path, "csv", labelling(), shape=SHAPE)
    assert (tmp_path / "boxes.csv").read_text() == (
        HEADER + "3,5,6,20,30,early endosome\n3,0,0,80,100,mito\n7,1,2,3,4,mito\n"
    )
    assert (tmp_path / "slices.csv").read_text() == "z,done\n3,1\n5,1\n"
    assert (tmp_path / "classes.csv").read_text() == "class_name\nmito\nearly endosome\nunused\n"


def test_csv_under_another_name_has_its_own_companions(tmp_path):
    write_boxes(tmp_path / "mine.tsv", "csv", labelling(), shape=SHAPE)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["mine.tsv", "mine_classes.tsv", "mine_slices.tsv"]
    assert "\t" in (tmp_path / "mine.tsv").read_text()
    back = read_boxes(tmp_path / "mine.tsv", shape=SHAPE).annotations
    assert back.done == {3, 5}
    assert back.boxes.equals(labelling().boxes)


def test_csv_keeps_scores_where_there_are_any(tmp_path):
    scored = labelling()
    scored = Annotations(scored.boxes.assign(score=np.float32([0.1, 1 / 3, 1])), scored.done, scored.classes)
    assert write_boxes(tmp_path, "csv", scored, shape=SHAPE) == []
    assert read_boxes(tmp_path, shape=SHAPE).annotations.boxes["score"].tolist() == scored.boxes["score"].tolist()


def test_empty_csv_is_a_value(tmp_path):
    nothing = Annotations(boxes.empty(), frozenset(), ())
    write_boxes(tmp_path, "csv", nothing, shape=SHAPE)
    back = read_boxes(tmp_path, shape=SHAPE).annotations
    assert len(back.boxes) == 0
    assert back.boxes.dtypes.equals(boxes.empty().dtypes)
    assert (back.done, back.classes) == (frozenset(), ())


@pytest.mark.parametrize(
    "text",
    [
        HEADER + "3,5,6,20,30,early endosome\n",
        "\ufeff" + HEADER + "3,5,6,20,30,early endosome\n",
        (HEADER + "3,5,6,20,30,early endosome\n").replace("\n", "\r\n"),
        (HEADER + "3,5,6,20,30,early endosome\n").replace("\n", "\r"),
        (HEADER + "3,5,6,20,30,early endosome\n").replace(",", "\t"),
        (HEADER + "3,5,6,20,30,early endosome\n").replace(",", ";"),
        '# drawn by "hand, twice\n\n' + HEADER + '\n  # a "comment\n3, 5 ,6,20, 30 ,"early endosome"\n,,,,,\n\n',
        "class_name,x1,y1,x0,y0,Z,\nearly endosome,30.0,2e1,6,5,3,\n",
        HEADER.strip() + ",score\n3,5,6,20,30,early endosome\n",
    ],
)
def test_csv_as_people_and_spreadsheets_leave_it(tmp_path, text):
    imported = read_csv(tmp_path, text)
    assert corners(imported) == [[3, 5, 6, 20, 30]]
    assert imported.annotations.classes == ("early endosome",)
    assert imported.annotations.done == frozenset()
    assert imported.notes == ["there is no slices.csv, which would say what slices are done"]


def test_csv_says_which_columns_it_did_not_read(tmp_path):
    imported = read_csv(tmp_path, HEADER.strip() + ",who\n3,5,6,20,30,mito,me\n", done="z,done\n")
    assert imported.notes == ["boxes.csv: the columns ['who'] were not read"]


def test_csv_says_which_class_is_not_in_the_list(tmp_path):
    (tmp_path / "classes.csv").write_text("class_name\nmito\n")
    imported = read_csv(tmp_path, HEADER + "3,5,6,20,30,mitto\n", done="z,done\n")
    assert imported.notes == ["classes.csv does not list the classes ['mitto']; they were added"]
    assert imported.annotations.classes == ("mito", "mitto")


@pytest.mark.parametrize("said", ["1", "TRUE", "yes", "Done", "x"])
def test_done_is_said_in_many_ways(tmp_path, said):
    imported = read_csv(tmp_path, HEADER, done=f"z,done\n4,{said}\n5,0\n6,no\n4,1\n")
    assert imported.annotations.done == {4}


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("3,5,6,20,30", "found 5 cells, expected 6"),
        ("3,5,6,20,30,mito,more", "found 7 cells"),
        ("3,5,6,20,30,", "found 5 cells"),
        ('3,5,6,20,30," "', "found 5 cells"),
        ('3,5,6,20,30,"a\nb"', "class name"),
        ("3,5,6,five,30,mito", "found 'five' as y1, expected a number"),
        ("3,5,6,1_0,30,mito", "found '1_0' as y1"),
        ("3,5,6,٣,30,mito", "as y1"),
        ("3.5,5,6,20,30,mito", "found '3.5' as z, expected a whole number"),
        ("nan,5,6,20,30,mito", "as z"),
        ("1e300,5,6,20,30,mito", "as z"),
        ("10,5,6,20,30,mito", "found slice 10, expected 0 … 9"),
        ("-1,5,6,20,30,mito", "found slice -1"),
        ("3,nan,6,20,30,mito", "not a finite number"),
        ("3,5,6,1e999,30,mito", "not a finite number"),
        ("3,5,6,5,30,mito", "without extent"),
        ("3,20,6,5,30,mito", "without extent"),
        ("3,80,6,90,30,mito", "wholly outside the slice of 80 × 100"),
        ("3,-9,6,0,30,mito", "wholly outside"),
        ("3,5,100,20,130,mito", "wholly outside"),
        ("3,5,6,20,30,#mito", "class name"),
    ],
)
def test_broken_csv_rows_are_named_by_line(tmp_path, row, why):
    with pytest.raises(InputError) as caught:
        read_csv(tmp_path, "# one\n" + HEADER + "3,5,6,20,30,mito\n" + row + "\n")
    assert "1 broken row, nothing was imported" in str(caught.value)
    assert "boxes.csv line 4: " in str(caught.value)
    assert why in str(caught.value)


def test_every_broken_row_is_counted_and_twenty_are_named(tmp_path):
    rows = "".join(f"3,5,6,{'x' if i % 2 else 20},30,mito\n" for i in range(100))
    with pytest.raises(InputError) as caught:
        read_csv(tmp_path, HEADER + rows, done="z,done\n77,1\n4,perhaps\n5,1\n5,0\n")
    lines = str(caught.value).splitlines()
    assert "53 broken rows" in lines[0]
    assert len(lines) == 1 + SHOWN_ROWS + 1
    assert [line.split(":")[0] for line in lines[1:3]] == ["  boxes.csv line 3", "  boxes.csv line 5"]
    assert lines[-1] == "  … and 33 more"


def test_broken_done_rows_are_named(tmp_path):
    with pytest.raises(InputError) as caught:
        read_csv(tmp_path, HEADER, done="z,done\n77,1\n4,perhaps\n5,1\n5,0\n")
    assert [line.strip().split(":")[0] for line in str(caught.value).splitlines()[1:]] == [
        "slices.csv line 2",
        "slices.csv line 3",
        "slices.csv line 5",
    ]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "found no header, expected the columns z, y0"),
        (b"# nothing\n\n", "found no header"),
        (b"3,5,6,20,30,mito\n", "the header lacks the columns z, y0, x0, y1, x1, class_name; found '3, 5, 6"),
        (b"z,z,y0,x0,y1,x1,class_name\n", "each once"),
        (b"\xff\xfez\x00", "byte 0xff at offset 0, expected UTF-8"),
        (HEADER.encode() + b'3,5,6,20,30,"mito\n', "not CSV"),
        (HEADER.encode() + b"3,5,6,20,30," + b"m" * 200_000, "not CSV"),
    ],
)
def test_csv_that_is_none_is_named(tmp_path, content, why):
    with pytest.raises(InputError, match=r"boxes\.csv") as caught:
        read_csv(tmp_path, content)
    assert why in str(caught.value)


def test_fractions_are_rounded_and_edges_clipped_with_a_note(tmp_path):
    rows = "3,5.4,6.6,20.5,30.5,mito\n3,-4,90,20,130,mito\n3,5.01,6,20,30,mito\n"
    imported = read_csv(tmp_path, HEADER + rows, done="z,done\n")
    assert sorted(corners(imported)) == [[3, 0, 90, 20, 100], [3, 5, 6, 20, 30], [3, 5, 7, 21, 31]]
    assert imported.notes == [
        "1 box partly outside the slice was clipped at its edge: boxes.csv line 3",
        "1 box with fractional corners was rounded to the nearest whole pixel: boxes.csv line 2",
    ]


def test_repeated_boxes_are_kept_and_told(tmp_path):
    imported = read_csv(tmp_path, HEADER + "3,5,6,20,30,mito\n" * 3, done="z,done\n")
    assert len(imported.annotations.boxes) == 3
    assert imported.notes[0].startswith("2 boxes repeat another one")


def test_a_slice_is_taken_back_before_its_boxes_change(tmp_path, monkeypatch):
    write_boxes(tmp_path, "csv", labelling(), shape=SHAPE)

    def killed(path, header, lines):
        if path.name == "boxes.csv":
            raise KeyboardInterrupt
        original(path, header, lines)

    from famous.io.annotations import csv

    original = csv._write_table
    monkeypatch.setattr(csv, "_write_table", killed)
    with pytest.raises(KeyboardInterrupt):
        write_boxes(tmp_path, "csv", Annotations(boxes.empty(), frozenset({5}), ()), shape=SHAPE)
    assert read_boxes(tmp_path, shape=SHAPE).annotations.done == {5}


# ---- rounding ----


@given(st.lists(st.tuples(*[st.floats(0, 1e6)] * 4), max_size=5))
def test_whole_boxes_are_near_and_never_empty(rows):
    low = np.array([[min(a, b), min(c, d)] for a, b, c, d in rows]).reshape(-1, 2)
    high = np.array([[max(a, b), max(c, d)] for a, b, c, d in rows]).reshape(-1, 2)
    result = to_whole(np.hstack([low, high]))
    assert (result[:, 2:] > result[:, :2]).all()
    assert (np.abs(result - np.hstack([low, high])) <= 1).all()


def test_halves_go_outward_and_slivers_become_their_pixel():
    given_corners = np.array([[1.5, 1.4, 2.5, 2.6], [1.6, 0.1, 1.9, 0.2], [3, 4, 5, 6]])
    assert to_whole(given_corners).tolist() == [[1, 1, 3, 3], [1, 0, 2, 1], [3, 4, 5, 6]]


@pytest.mark.parametrize("value", [True, None, "", "1e", "0x10", "1_0", [1], {}, "٣", "1 2"])
def test_numbers_that_are_none(value):
    with pytest.raises(InputError, match="expected a number"):
        number(value, "thing")


@pytest.mark.parametrize(
    ("value", "result"), [(3, 3.0), ("3.", 3.0), (" -.5e1 ", -5.0), ("+2", 2.0), (10**400, np.inf)]
)
def test_numbers_as_files_have_them(value, result):
    assert number(value, "thing") == result


@pytest.mark.parametrize("value", ["nan", "inf", "1.5", 1e10, "1" * 5000])
def test_whole_numbers_that_are_none(value):
    with pytest.raises(InputError, match="whole number"):
        whole(value, "thing")


# ---- slices by name ----


def test_slices_by_the_last_number():
    finder = SliceFinder(SHAPE, None)
    assert finder.find("run2_z003.png") == 3
    assert finder.find("C:\\data\\7\\scan.0004") == 4
    assert SliceFinder(SHAPE, None, first=1).find("a/slice_10.tif") == 9
    assert finder.find("image.png", fallback=6) == 6
    assert "0 being the stack's first slice" in finder.note()
    for name in ("image.png", "z10.png", "z99999999999999999999999.png", ""):
        with pytest.raises(InputError):
            finder.find(name)


def test_slices_by_the_stacks_own_names():
    names = [f"cell_{100 + z}.ome.tif" for z in range(10)]
    finder = SliceFinder(SHAPE, names)
    assert finder.find("cell_103.ome.tif") == finder.find("cell_103.txt") == finder.find("x/cell_103.png") == 3
    assert finder.find("cell_103.ome.tif.txt") == 3
    assert finder.stem(3) == "cell_103"
    with pytest.raises(InputError, match=r"expected one of the stack's, such as 'cell_100\.ome\.tif'"):
        finder.find("cell_003.txt", fallback=3)
    assert SliceFinder(SHAPE, names, first=100).find("other_103.txt") == 3


def test_slice_names_must_fit_the_stack():
    with pytest.raises(InputError, match="found 2 names, expected 10"):
        SliceFinder(SHAPE, ["a", "b"])
    with pytest.raises(InputError, match="twice"):
        SliceFinder((2, 1, 1), ["a/s.tif", "b/s.tif"])
    twins = SliceFinder((2, 1, 1), ["s.tif", "s.png"])
    assert twins.find("s.png") == 1
    with pytest.raises(InputError, match="share"):
        twins.find("s.txt")
    with pytest.raises(InputError, match="all called 's'"):
        twins.stem(0)
    with pytest.raises(InputError, match="text file"):
        SliceFinder((1, 1, 1), ["a\n1.tif"]).name(0)


@given(st.text(max_size=30))
def test_any_name_gives_a_slice_or_an_error(name):
    for names in (None, [f"s{z}.tif" for z in range(10)]):
        with contextlib.suppress(FamousError):
            assert 0 <= SliceFinder(SHAPE, names).find(name) < 10
    assert name.startswith(stem(name))


# ---- the doors ----


def test_formats_are_told_from_the_path(tmp_path):
    for name, where in {"csv": "a", "yolo": "b", "yolo_mark": "c", "coco": "d/x.json", "cvat": "e/x.xml"}.items():
        write_boxes(tmp_path / where, name, labelling(), shape=SHAPE)
        assert detect_format(tmp_path / where) == name.removesuffix("_mark")
        assert detect_format((tmp_path / where).parent if "/" in where else tmp_path / where) in FORMATS
        back = read_boxes(tmp_path / where[0], shape=SHAPE).annotations
        assert back.boxes.equals(labelling().boxes)
        assert back.done == {3, 5}
        assert back.classes == labelling().classes


def test_formats_that_cannot_be_told(tmp_path):
    with pytest.raises(InputError, match="found nothing there"):
        detect_format(tmp_path / "missing")
    with pytest.raises(InputError, match="found no annotations"):
        detect_format(tmp_path)
    (tmp_path / "boxes.csv").touch()
    (tmp_path / "a.xml").touch()
    (tmp_path / "annotations.zip").touch()
    with pytest.raises(InputError, match="found the formats csv, cvat"):
        detect_format(tmp_path)
    with pytest.raises(InputError, match=r"found a \.zip file, unpack it first"):
        detect_format(tmp_path / "annotations.zip")
    (tmp_path / "b.xml").touch()
    with pytest.raises(InputError, match=r"found 2 files \(a\.xml, b\.xml\)"):
        read_boxes(tmp_path, "cvat", shape=SHAPE)
    with pytest.raises(InputError, match="found no file"):
        read_boxes(tmp_path, "coco", shape=SHAPE)
    with pytest.raises(InputError, match="found nothing there"):
        read_boxes(tmp_path / "missing", "coco", shape=SHAPE)
    with pytest.raises(InputError, match="found the format 'voc', expected one of csv, yolo"):
        read_boxes(tmp_path, "voc", shape=SHAPE)
    with pytest.raises(InputError, match="expected three whole numbers"):
        read_boxes(tmp_path, "csv", shape=(1, 2))


def test_given_classes_come_first(tmp_path):
    imported = read_csv(tmp_path, HEADER + "3,5,6,20,30,mito\n", classes=["er", "mito "])
    assert imported.annotations.classes == ("er", "mito")


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_outside_the_stack_is_written(tmp_path, name):
    with pytest.raises(InputError, match="outside the stack"):
        write_boxes(tmp_path / "x", name, labelling(), shape=(10, 79, 100))
    with pytest.raises(InputError, match="found slice 8"):
        write_boxes(tmp_path / "x", name, Annotations(boxes.empty(), frozenset({8}), ()), shape=(8, 80, 100))
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("name", FORMATS)
def test_what_cannot_be_written_is_told(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(InputError):
        write_boxes(tmp_path / "file" / "x.json", name, labelling(), shape=SHAPE)
