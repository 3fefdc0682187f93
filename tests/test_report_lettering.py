"""Round lengths, their words, and text that fits."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from famous.report.lettering import font, round_length, shorten, write_length


@pytest.mark.parametrize(
    ("room", "length"), [(999, 500), (1000, 1000), (1999, 1000), (2000, 2000), (4999, 2000), (7, 5), (0.3, 0.2)]
)
def test_lengths_are_round(room, length):
    assert round_length(room) == pytest.approx(length)


@given(st.floats(min_value=1e-3, max_value=1e9))
def test_a_round_length_fits_and_fills_at_least_two_fifths(room):
    length = round_length(room)
    assert room * 0.4 * (1 - 1e-9) <= length <= room * (1 + 1e-8)
    leading = length / 10 ** math.floor(math.log10(length * (1 + 1e-9)))
    assert min(abs(leading - k) for k in (1, 2, 5)) < 1e-6


@pytest.mark.parametrize("room", [0, -1, math.nan, math.inf])
def test_without_room_there_is_no_bar(room):
    assert round_length(room) == 0


@pytest.mark.parametrize(
    ("length", "text"), [(5, "5 nm"), (200, "200 nm"), (1000, "1 µm"), (20000, "20 µm"), (2e6, "2 mm"), (0.5, "0.5 nm")]
)
def test_lengths_are_written_with_the_unit_one_expects(length, text):
    assert write_length(length) == text


def test_the_font_has_the_letters_of_the_field():
    letters = font(40)
    unknown = letters.getmask("\U000f0000")  # drawn as the box of a letter that is not there
    for letter in "µ×²³·…αβ°–":
        assert bytes(letters.getmask(letter)) != bytes(unknown)


def test_bold_is_wider():
    assert font(40, bold=True).getlength("mitochondrion") > font(40).getlength("mitochondrion")


def test_long_text_is_cut_to_its_room():
    letters = font(20)
    assert shorten("short", letters, 500) == "short"
    cut = shorten("a very long name of a stack indeed", letters, 150)
    assert cut.endswith("…")
    assert letters.getlength(cut) <= 150
    assert shorten("anything", letters, 0) == "…"
