"""Folders of slices: order, gaps, what else lies about, and slices that do not fit together."""

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from famous.errors import InputError
from famous.io.slices import natural_key, numbering_notes
from famous.io.stacks import open_stack


def write_png(path: Path, value: int, shape: tuple[int, ...] = (7, 9), dtype: str = "uint8") -> None:
    """Write a slice of one grey value."""
    path.write_bytes(imagecodecs.png_encode(np.full(shape, value, dtype)))


def test_z9_comes_before_z10(tmp_path: Path) -> None:
    for value in (10, 9, 100, 8, 11):
        write_png(tmp_path / f"cell2_z{value}.png", value)
    stack = open_stack(tmp_path).stack
    assert [int(stack.grey(z)[0, 0]) for z in range(5)] == [8, 9, 10, 11, 100]


@given(numbers=st.lists(st.integers(0, 10**6), min_size=1, unique=True), width=st.integers(0, 8))
def test_natural_order_is_the_order_of_numbers(numbers: list[int], width: int) -> None:
    names = [f"a{number:0{width}d}.tif" for number in numbers]
    assert sorted(names, key=natural_key) == [f"a{number:0{width}d}.tif" for number in sorted(numbers)]


@given(st.lists(st.text(max_size=8)))
def test_any_names_can_be_sorted(names: list[str]) -> None:
    ordered = sorted(names, key=natural_key)
    assert sorted(ordered) == sorted(names)
    numbering_notes("a", ordered)


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([1, 2, 3], None),
        ([0, 10, 20], None),
        ([5], None),
        ([1, 2, 5], "1 gap, 2 slices seem to be missing (s2_2.png … s2_5.png)"),
        ([0, 10, 30, 40, 70], "2 gaps, 3 slices seem"),
    ],
)
def test_gaps_are_reported(numbers: list[int], expected: str | None) -> None:
    notes = numbering_notes("stack", [f"s2_{number}.png" for number in numbers])
    assert len(notes) == (expected is not None)
    assert expected is None or expected in notes[0]


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([0, 10, 19], "(0, 10, 19) rise by 9 to 10; with a step of 1 that is 2 gaps and 17 missing slices"),
        ([0, 4, 10, 16, 20, 24], "(0, 4, 10, 16, 20 …) rise by 4 to 6; with a step of 2 that is 5 gaps and 7 missing"),
    ],
)
def test_a_numbering_without_one_step_is_told_by_its_numbers(numbers: list[int], expected: str) -> None:
    (note,) = numbering_notes("stack", [f"s_{number:03d}.tif" for number in numbers])
    assert expected in note
    assert "seem" not in note


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["z1.png", "z01.png"], "the same number"),
        (["cell.png", "z01.png"], "not numbered alike"),
        (["x1_z1.png", "x2_z2.png"], "2 numbers vary"),
        (["a.png", "b.png"], "not numbered alike"),
    ],
)
def test_doubtful_numbering_is_reported(names: list[str], expected: str) -> None:
    assert any(expected in note for note in numbering_notes("stack", names))


def test_what_lies_about_is_left_out(tmp_path: Path) -> None:
    for z in range(3):
        write_png(tmp_path / f"z{z}.png", z)
    for name in (".DS_Store", ".z1.png", "Thumbs.db", "obj.names", "classes.txt", "z0.txt", "z2.txt", "z1.json"):
        (tmp_path / name).write_text("1 2 3")
    for name in ("annotations", "stack.famous", ".git"):
        (tmp_path / name).mkdir()
        write_png(tmp_path / name / "z9.png", 9)
    opened = open_stack(tmp_path)
    assert opened.stack.shape == (3, 7, 9)
    assert sorted(opened.notes) == [
        f"{tmp_path.name}: 3 label files beside the slices are left out (famous boxes import reads them)",
        f"{tmp_path.name}: the folder annotations inside is left out",
    ]


@pytest.mark.parametrize("name", ["notes.txt", "README", "z3.raw", "boxes.csv", "z1.doc"])
def test_a_stranger_among_the_slices_is_named(name: str, tmp_path: Path) -> None:
    write_png(tmp_path / "z1.png", 1)
    (tmp_path / name).write_text("hello")
    with pytest.raises(InputError, match=f"{name}: found a file that is no slice"):
        open_stack(tmp_path)


def test_a_text_file_called_png_is_named(tmp_path: Path) -> None:
    for z in range(3):
        write_png(tmp_path / f"z{z}.png", z)
    (tmp_path / "z1.png").write_text("this is text, not a picture")
    with pytest.raises(InputError, match=r"z1\.png: found the first bytes"):
        open_stack(tmp_path)
    (tmp_path / "z1.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"z1\.png: found an empty file"):
        open_stack(tmp_path)


@pytest.mark.parametrize("inside", [[], [".hidden.png"], ["Thumbs.db"], ["a.famous"]])
def test_an_empty_folder(inside: list[str], tmp_path: Path) -> None:
    for name in inside:
        (tmp_path / name).touch()
    with pytest.raises(InputError, match="expected slices"):
        open_stack(tmp_path)


def test_slices_of_another_size_or_type_are_named(tmp_path: Path) -> None:
    write_png(tmp_path / "z1.png", 1)
    for other in ({"shape": (7, 8)}, {"dtype": "uint16"}):
        write_png(tmp_path / "z2.png", 1, **other)  # type: ignore[arg-type]
        with pytest.raises(InputError, match=r"z2\.png: found .* expected 7 × 9 of 8 bits as in z1\.png"):
            open_stack(tmp_path)


def test_tiffs_of_another_size_or_type_are_named(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "z1.tif", np.zeros((7, 9), np.uint16))
    for other in (np.zeros((7, 8), np.uint16), np.zeros((7, 9), np.uint8), np.zeros((2, 7, 9), np.uint16)):
        tifffile.imwrite(tmp_path / "z2.tif", other, photometric="minisblack")
        with pytest.raises(InputError, match=r"z2\.tif: found"):
            open_stack(tmp_path)
    tifffile.imwrite(tmp_path / "z2.tif", np.zeros((7, 9), np.int16))
    with pytest.raises(InputError, match=r"z2\.tif: found"):
        open_stack(tmp_path).stack.grey(1)


@pytest.mark.parametrize("at", [0, 2])
def test_a_colour_tiff_among_grey_slices_is_called_so(at: int, tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 255, (64, 80), np.uint8)
    for z in range(4):
        picture = np.stack([grey, grey, 255 - grey], axis=-1) if z == at else grey
        tifffile.imwrite(tmp_path / f"s{z}.tif", picture)
    with pytest.raises(InputError, match=rf"s{at}\.tif: found a colour picture \(RGB\), expected grey values"):
        open_stack(tmp_path)


def test_several_formats_are_refused(tmp_path: Path) -> None:
    write_png(tmp_path / "z1.png", 1)
    tifffile.imwrite(tmp_path / "z1.tif", np.zeros((7, 9), np.uint8))
    with pytest.raises(InputError, match="several formats"):
        open_stack(tmp_path)


def test_a_folder_with_one_tiff_is_that_stack(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "all.tif", np.zeros((4, 7, 9), np.uint8), photometric="minisblack")
    assert open_stack(tmp_path).stack.shape == (4, 7, 9)


def test_one_picture_is_a_stack_of_one(tmp_path: Path) -> None:
    write_png(tmp_path / "z.png", 7)
    assert open_stack(tmp_path / "z.png").stack.shape == (1, 7, 9)
    assert open_stack(tmp_path).stack.shape == (1, 7, 9)


def test_grey_saved_as_rgb_is_grey(tmp_path: Path) -> None:
    grey = np.arange(63, dtype=np.uint8).reshape(7, 9)
    for z, channels in enumerate((3, 4)):
        picture = np.stack([grey] * channels, axis=-1)
        (tmp_path / f"z{z}.png").write_bytes(imagecodecs.png_encode(picture))
    opened = open_stack(tmp_path)
    assert opened.notes == ("pictures with three equal channels are read as grey",)
    np.testing.assert_array_equal(opened.stack.grey(1), grey)


@pytest.mark.parametrize("channels", [2, 4])
def test_opacity_is_left_out(channels: int, tmp_path: Path) -> None:
    grey = np.arange(63, dtype=np.uint8).reshape(7, 9)
    picture = np.stack([*[grey] * (channels - 1), 255 - grey], axis=-1)
    (tmp_path / "z1.png").write_bytes(imagecodecs.png_encode(picture))
    opened = open_stack(tmp_path)
    np.testing.assert_array_equal(opened.stack.grey(0), grey)
    assert opened.notes[-1] == "the opacity of the pictures is left out"
    assert len(opened.notes) == channels // 2  # grey and opacity are no three equal channels


@pytest.mark.parametrize("at", [1, 2])
def test_inks_are_refused_as_colour_is(at: int, tmp_path: Path) -> None:
    grey = np.zeros((7, 9), np.uint8)
    for z in (1, 2):
        (tmp_path / f"z{z}.jpg").write_bytes(imagecodecs.jpeg8_encode(grey))
    inks = np.stack([grey, grey, grey, grey + 90], axis=-1)
    content = imagecodecs.jpeg8_encode(inks, colorspace="CMYK", outcolorspace="CMYK")
    (tmp_path / f"z{at}.jpg").write_bytes(content)
    with pytest.raises(InputError, match=rf"z{at}\.jpg: found a colour picture of 4 channels \(CMYK\)"):
        open_stack(tmp_path)


@pytest.mark.parametrize("others", [0, 3])
def test_a_link_that_points_to_nothing_is_named(others: int, tmp_path: Path) -> None:
    for z in range(others):
        write_png(tmp_path / f"z{z}.png", z)
    (tmp_path / "z11.png").symlink_to(tmp_path / "drive" / "z11.png")
    with pytest.raises(InputError, match=r"z11\.png: found a link that points to nothing \(.*drive"):
        open_stack(tmp_path)
    (tmp_path / "drive").mkdir()
    write_png(tmp_path / "drive" / "z11.png", 11)
    assert len(open_stack(tmp_path).stack) == others + 1


def test_the_folder_where_one_stands_has_its_name_in_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_png(tmp_path / "z1.png", 1)
    (tmp_path / "inside").mkdir()
    monkeypatch.chdir(tmp_path)
    assert open_stack(".").notes == (f"{tmp_path.name}: the folder inside inside is left out",)


def test_colour_is_refused_in_the_first_slice_and_in_a_later_one(tmp_path: Path) -> None:
    grey = np.zeros((7, 9, 3), np.uint8)
    colour = grey.copy()
    colour[3, 3] = 1, 2, 3
    (tmp_path / "z1.png").write_bytes(imagecodecs.png_encode(grey))
    (tmp_path / "z2.png").write_bytes(imagecodecs.png_encode(colour))
    stack = open_stack(tmp_path).stack
    with pytest.raises(InputError, match=r"z2\.png: found a colour picture"):
        stack.grey(1)
    (tmp_path / "z1.png").unlink()
    with pytest.raises(InputError, match=r"z2\.png: found a colour picture"):
        open_stack(tmp_path)


def test_a_slice_that_vanishes_is_named_when_it_is_read(tmp_path: Path) -> None:
    for z in range(3):
        write_png(tmp_path / f"z{z}.png", z)
    stack = open_stack(tmp_path).stack
    (tmp_path / "z2.png").unlink()
    with pytest.raises(InputError, match=r"z2\.png: found nothing there"):
        stack.grey(2)
    write_png(tmp_path / "z2.png", 2, (5, 5))
    with pytest.raises(InputError, match=r"z2\.png: found \(5, 5\)"):
        stack.grey(2)


@pytest.mark.parametrize("suffix", ["jpg", "JPEG", "bmp"])
def test_other_pictures(suffix: str, tmp_path: Path) -> None:
    encode = imagecodecs.bmp_encode if suffix == "bmp" else imagecodecs.jpeg8_encode
    for z in range(3):
        (tmp_path / f"z{z}.{suffix}").write_bytes(encode(np.full((7, 9), 40 * z, np.uint8)))
    stack = open_stack(tmp_path).stack
    assert stack.shape == (3, 7, 9)
    assert [int(stack.grey(z).max()) for z in range(3)] == [0, 40, 80]


def test_a_jpeg_without_its_end_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    content = imagecodecs.jpeg8_encode(noise)
    (tmp_path / "z1.jpg").write_bytes(content[:-400])
    with pytest.raises(InputError, match=r"z1\.jpg: found no end of the picture"):
        open_stack(tmp_path)


def test_sixteen_bit_png(tmp_path: Path) -> None:
    write_png(tmp_path / "z1.png", 40_000, dtype="uint16")
    image = open_stack(tmp_path).stack.grey(0)
    assert image.dtype == np.uint16
    assert (image == 40_000).all()
