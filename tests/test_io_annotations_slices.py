"""Which slice a file is: by the stack's own names or by the number in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from famous.errors import InputError
from famous.io.annotations.slices import SliceFinder, base_name, stem

PRINTABLE = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="/\\"), min_size=1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("z001.png", "z001"),
        ("a.ome.tif", "a"),
        ("a.ome.ome.tif", "a.ome"),
        ("slice.0042", "slice.0042"),
        ("slice.0042.tif", "slice.0042"),
        ("archive.tar.gz", "archive.tar"),
        ("name.7z", "name.7z"),
        ("x.jp2", "x"),
        (".png", ".png"),
        ("none", "none"),
        ("a.", "a."),
        ("", ""),
    ],
)
def test_an_ending_starts_with_a_letter(name, expected):
    assert stem(name) == expected


@pytest.mark.parametrize("name", ["a/b/c.png", "a\\b\\c.png", "a\\b/c.png", "/c.png", "C:\\c.png", "c.png"])
def test_folders_are_left_out_whichever_slash_they_have(name):
    assert base_name(name) == "c.png"


@pytest.mark.parametrize(
    ("first", "name", "z"),
    [
        (None, "z0.png", 0),
        (0, "z0.png", 0),
        (1, "z0001.png", 0),
        (100, "cell_2_109.tif", 9),
        (None, "cell_3_z9.ome.tif", 9),
        (None, "2024-01-05/z_004.png", 4),
        (None, "-3.png", 3),
        (-2, "z7.png", 9),
        (None, "a.0007", 7),
    ],
)
def test_the_last_number_of_a_name_is_the_slice(first, name, z):
    assert SliceFinder((10, 1, 1), None, first).find(name) == z


@pytest.mark.parametrize(
    ("first", "name"), [(1, "z0.png"), (None, "z10.png"), (5, "z15.png"), (None, "one.png"), (None, "٣.png")]
)
def test_a_number_outside_the_stack_or_none_is_refused(first, name):
    with pytest.raises(InputError, match=r"found (slice|no number)"):
        SliceFinder((10, 1, 1), None, first).find(name)


def test_a_number_of_the_file_helps_where_the_name_has_none():
    finder = SliceFinder((10, 1, 1), None, 1)
    assert finder.find("image.png", fallback=1) == 0
    assert finder.find("image3.png", fallback=1) == 2
    with pytest.raises(InputError, match="found slice 10"):
        finder.find("image.png", fallback=11)


@given(st.integers(1, 400), st.data())
def test_the_name_of_a_slice_is_found_again(depth, data):
    z = data.draw(st.integers(0, depth - 1))
    finder = SliceFinder((depth, 1, 1), None)
    assert finder.find(finder.name(z)) == finder.find(finder.stem(z)) == z
    assert not finder.by_name


@given(st.lists(PRINTABLE, min_size=1, max_size=6, unique_by=base_name))
def test_the_stacks_own_names_are_found_again(names):
    names = [name for name in names if name.isprintable() and base_name(name) == name]
    if not names:
        return
    finder = SliceFinder((len(names), 1, 1), names)
    assert finder.by_name
    for z, name in enumerate(names):
        assert finder.name(z) == name
        assert finder.find(name) == finder.find(f"some/folder/{name}") == z


def test_the_whole_name_wins_over_one_without_its_ending():
    finder = SliceFinder((3, 1, 1), ["a", "a.png", "b.png"])
    assert finder.find("a") == 0
    assert finder.find("a.png") == 1
    assert finder.find("b.txt") == finder.find("b") == 2
    assert finder.find("a.txt") == 0
    with pytest.raises(InputError, match=r"the slices \[0, 1\] are all called 'a'"):
        finder.stem(1)
    assert finder.stem(2) == "b"


def test_numbers_can_be_asked_for_although_there_are_names():
    names = [f"em_{z:03d}.tif" for z in range(7, 10)]
    assert SliceFinder((3, 1, 1), names).find("em_008.txt") == 1
    numbered = SliceFinder((3, 1, 1), names, first=7)
    assert not numbered.by_name
    assert numbered.find("other_008.txt") == 1
    assert numbered.name(1) == "em_008.tif"
    assert "7 being the stack's first slice" in numbered.note()
    assert "own file names" in SliceFinder((3, 1, 1), names).note()


def test_a_name_that_is_none_of_the_stacks_shows_one_that_is():
    with pytest.raises(InputError, match=r"found the name 'x\.png', expected one of the stack's, such as 'a\.tif'"):
        SliceFinder((1, 1, 1), ["a.tif"]).find("some/x.png", fallback=0)


@pytest.mark.parametrize("name", ["a\n.tif", "a\x00.tif", "a\u2028.tif", "\ud800.tif"])
def test_names_that_no_text_file_holds_are_refused(name):
    with pytest.raises(InputError, match="cannot be written into a text file"):
        SliceFinder((1, 1, 1), [name]).name(0)


def test_no_name_and_too_many_names():
    with pytest.raises(InputError, match="found 0 names, expected 1"):
        SliceFinder((1, 1, 1), [])
    with pytest.raises(InputError, match="found 2 names, expected 1"):
        SliceFinder((1, 1, 1), ["a", "b"])
