"""boxes.csv and its two companions: names, delimiters, comments, and what a kill between the three files leaves."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from famous import boxes
from famous.errors import InputError
from famous.io.annotations import Annotations, csv
from famous.io.annotations.rows import Rows

SHAPE = (10, 80, 100)
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6).filter(
    lambda name: name == name.strip() and name.isprintable() and not name.startswith("#")
)


def drawn(*rows, score=1.0):
    """Boxes (z, y0, x0, y1, x1, class_name) as annotations."""
    columns = ["z", *boxes.CORNERS, "class_name"]
    table = boxes.number(boxes.from_columns({name: [row[i] for row in rows] for i, name in enumerate(columns)}))
    return table.assign(score=np.float32(score))


def read(path, shape=SHAPE):
    rows = Rows(path, shape)
    csv.read(path, rows)
    return rows.finish()


def lines(tmp_path, text, columns=("z", "done"), name="t.csv", **options):
    """Cells of the rows that can be read, and what is said of the others."""
    path = tmp_path / name
    path.write_bytes(text.encode())
    rows = Rows(path, SHAPE)
    found = [dict(line.cells) for line in csv.read_lines(path, columns, rows, **options)]
    return found, [": ".join(fault) for fault in rows._broken]


# ---- names of the three files ----


@pytest.mark.parametrize(
    ("given_name", "box_name", "slices"),
    [
        ("a/boxes.csv", "a/boxes.csv", "a/slices.csv"),
        ("a/mine.csv", "a/mine.csv", "a/mine_slices.csv"),
        ("a/mine.TSV", "a/mine.TSV", "a/mine_slices.TSV"),
        ("a/my.boxes.csv", "a/my.boxes.csv", "a/my.boxes_slices.csv"),
        ("a/folder", "a/folder/boxes.csv", "a/folder/slices.csv"),
        ("a/folder.d", "a/folder.d/boxes.csv", "a/folder.d/slices.csv"),
    ],
)
def test_companions_lie_beside_the_table(given_name, box_name, slices):
    assert csv.boxes_file(Path(given_name)) == Path(box_name)
    assert csv.beside(Path(box_name), "slices") == Path(slices)


def test_tables_of_two_names_in_one_folder_keep_apart(tmp_path):
    csv.write(tmp_path / "a.csv", Annotations(drawn((1, 0, 0, 5, 5, "x")), frozenset({1}), ("x",)))
    csv.write(tmp_path / "b.csv", Annotations(drawn((2, 0, 0, 5, 5, "y")), frozenset({2}), ("y", "z")))
    assert read(tmp_path / "a.csv").annotations.classes == ("x",)
    assert read(tmp_path / "b.csv").annotations.done == {2}
    assert len(list(tmp_path.iterdir())) == 6


# ---- round trips ----


@pytest.mark.parametrize("name", ["boxes.csv", "mine.csv", "mine.tsv", "MINE.TSV", "a b ü.csv"])
@pytest.mark.parametrize(
    "class_name", ["a,b", "a;b", 'say "x"', "'", "a#b", "ü µ", "0", "nan", "-", "class_name", "a,;b"]
)
def test_any_class_name_comes_back_from_any_file(tmp_path, name, class_name):
    labelling = Annotations(drawn((3, 1, 2, 3, 4, class_name)), frozenset({3}), (class_name, "other;, one"))
    csv.write(tmp_path / name, labelling)
    back = read(tmp_path / name)
    assert back.notes == []
    assert back.annotations.boxes.equals(labelling.boxes)
    assert back.annotations.classes == labelling.classes
    assert back.annotations.done == {3}


@settings(max_examples=15)
@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 78), st.integers(0, 98), st.integers(1, 80), st.integers(1, 100)),
        max_size=4,
    ),
    st.lists(NAMES, min_size=1, max_size=4, unique=True),
    st.sets(st.integers(0, 9)),
    st.sampled_from(["boxes.csv", "x.tsv"]),
    st.floats(0, 1, width=32),
)
def test_any_labelling_comes_back_and_gives_the_same_bytes(tmp_path_factory, places, names, done, name, score):
    folder = tmp_path_factory.mktemp("csv")
    rows = [(z, y, x, min(80, y + h), min(100, x + w), names[z % len(names)]) for z, y, x, h, w in places]
    labelling = Annotations(drawn(*rows, score=score), frozenset(done), tuple(names))
    csv.write(folder / name, labelling)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    back = read(folder / name).annotations
    assert (back.done, back.classes) == (labelling.done, labelling.classes)
    assert back.boxes.equals(boxes.number(labelling.boxes))
    csv.write(folder / name, back)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


# ---- reading line by line ----


def test_comments_blank_lines_and_delimiters(tmp_path):
    for sign in ",;\t":
        found, broken = lines(tmp_path, f"# who, me\n\n Z {sign} DONE \n1{sign}x\n  # no\n2 {sign}\n")
        assert found == [{"z": "1", "done": "x"}]
        assert [text.split(":")[0] for text in broken] == ["t.csv line 6"]


def test_slices_left_blank_are_not_done(tmp_path):
    path = tmp_path / "s.csv"
    for text in ("z,done\n1,x\n2,\n3\n", "done;z\nx;1\n;2\n0;3\n"):
        path.write_text(text)
        rows = Rows(path, SHAPE)
        assert csv.read_done(path, rows) == {1: True, 2: False, 3: False}
        assert rows._broken == []


def test_optional_columns_may_be_left_out_or_empty(tmp_path):
    found, broken = lines(tmp_path, "z,done,score\n1,1\n2,1,\n3,1,0.5\n", optional=("score",))
    assert [cells["score"] for cells in found] == ["", "", "0.5"]
    assert broken == []


def test_a_row_of_another_length_is_named_and_the_reading_goes_on(tmp_path):
    found, broken = lines(tmp_path, "z,done\n1,1\n2\n3,1,7\n4,0\n")
    assert [cells["z"] for cells in found] == ["1", "4"]
    assert [text.split(":")[0] for text in broken] == ["t.csv line 3", "t.csv line 4"]
    assert "found 1 cell, expected 2: z, done" in broken[0]


def test_lines_are_counted_as_an_editor_does(tmp_path):
    _, broken = lines(tmp_path, '# c\n\nz,done\n"1",1\n# c\n2\n')
    assert broken[0].startswith("t.csv line 6: ")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "found no header, expected the columns z, done, each once"),
        ("# z,done\n", "found no header"),
        ('z,done\n1,"1\n', "it is not CSV"),
        ("z,done\n1,\0\n", "t.csv"),
    ],
)
def test_what_is_no_table_gives_no_rows_and_says_why(tmp_path, text, why):
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode())
    rows = Rows(path, SHAPE)
    csv.read_done(path, rows)
    assert len(rows._broken) == 1
    assert why in ": ".join(rows._broken[0])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("z;don\n1;1\n", "the header lacks the column done; found 'z, don', expected z, done, each once"),
        ("z,done,z\n1,1,1\n", "the header has z more than once; found 'z, done, z'"),
        ("1,1\n2,1\n", "the header lacks the columns z, done; found '1, 1'"),
    ],
)
def test_a_fault_of_the_header_is_no_broken_row(tmp_path, text, why):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        csv.read_done(path, Rows(path, SHAPE))
    assert str(caught.value).startswith(f"{path}: {why}")


@pytest.mark.parametrize("name", ["boxes.csv", "slices.csv", "classes.csv"])
def test_a_folder_or_bytes_in_the_place_of_a_table_are_named(tmp_path, name):
    csv.write(tmp_path, Annotations(boxes.empty(), frozenset({1}), ("a",)))
    (tmp_path / name).write_bytes(b"\xff\xfe\x01")
    with pytest.raises(InputError, match=rf"{name}: found the byte 0xff"):
        read(tmp_path)
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=rf"{name}: cannot be read"):
        read(tmp_path)


@pytest.mark.parametrize("cell", ["nan", "1.5", "-0.1", "inf", "high", "0x1", "1,1"])
def test_a_score_outside_0_and_1_is_named(tmp_path, cell):
    (tmp_path / "boxes.csv").write_text(f"z,y0,x0,y1,x1,class_name,score\n1,0,0,2,2,a,{cell}\n")
    with pytest.raises(InputError, match=r"boxes\.csv line 2: found .*(score|cells)"):
        read(tmp_path)


def test_the_folder_of_a_labelling_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"boxes\.csv: cannot be read"):
        read(tmp_path / "nowhere")


# ---- done ----


def test_done_slices_are_written_in_order_with_those_taken_back(tmp_path):
    csv.write_done(tmp_path / "s.csv", {7: True, 2: False, 5: True})
    assert (tmp_path / "s.csv").read_text() == "z,done\n2,0\n5,1\n7,1\n"
    rows = Rows(tmp_path / "s.csv", SHAPE)
    assert csv.read_done(tmp_path / "s.csv", rows) == {2: False, 5: True, 7: True}
    assert rows._broken == []


def test_nothing_done_is_a_table(tmp_path):
    csv.write_done(tmp_path / "s.csv", {})
    assert (tmp_path / "s.csv").read_text() == "z,done\n"
    assert csv.read_done(tmp_path / "s.csv", Rows(tmp_path, SHAPE)) == {}


@pytest.mark.parametrize("die_at", ["boxes.csv", "classes.csv", "slices.csv"])
def test_a_kill_between_the_files_never_declares_a_slice_done_with_other_boxes(tmp_path, monkeypatch, die_at):
    old = Annotations(drawn((1, 0, 0, 5, 5, "a"), (2, 0, 0, 5, 5, "a")), frozenset({1, 2}), ("a",))
    new = Annotations(drawn((2, 0, 0, 5, 5, "a"), (4, 0, 0, 5, 5, "a")), frozenset({2, 4}), ("a",))
    csv.write(tmp_path, old)
    real, written = csv.write_text, []

    def dies(path, text):
        if path.name == die_at and (die_at != "slices.csv" or written):
            raise KeyboardInterrupt
        written.append(path.name)
        real(path, text)

    monkeypatch.setattr(csv, "write_text", dies)
    with pytest.raises(KeyboardInterrupt):
        csv.write(tmp_path, new)
    left = read(tmp_path).annotations
    for z in left.done:
        own = left.boxes[left.boxes["z"] == z]
        assert any((own["y1"] == 5).all() and len(own) == (side.boxes["z"] == z).sum() for side in (old, new))
        assert z in (old.done & new.done)


def test_a_broken_slices_table_does_not_keep_boxes_from_being_written(tmp_path):
    csv.write(tmp_path, Annotations(boxes.empty(), frozenset({1}), ()))
    (tmp_path / "slices.csv").write_text("nonsense")
    csv.write(tmp_path, Annotations(boxes.empty(), frozenset({2}), ()))
    assert read(tmp_path).annotations.done == {2}


def test_a_labelling_cannot_be_written_into_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        csv.write(tmp_path / "file" / "boxes.csv", Annotations(boxes.empty(), frozenset(), ()))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder_is_named_and_keeps_what_it_holds(tmp_path):
    csv.write(tmp_path, Annotations(boxes.empty(), frozenset({1}), ()))
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match="cannot be written"):
            csv.write(tmp_path, Annotations(boxes.empty(), frozenset({2}), ()))
        assert read(tmp_path).annotations.done == {1}
    finally:
        tmp_path.chmod(0o700)
