"""Colours: fixed for common organelles, never twice, distinct also to eyes with one cone type missing."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from famous.errors import ConfigError
from famous.report.colours import FIXED, PALETTE, class_colours, to_hex

# Machado, Oliveira and Fernandes 2009, table 1, severity 1.0, on linear light
PROTAN = np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]])
DEUTAN = np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]])


def to_lab(colour: str, seen_by: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of a colour as an eye sees it."""
    srgb = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(seen_by @ linear, 0, 1)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ linear / (0.9505, 1.0, 1.089)
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def least_difference(colours: list[str], seen_by: np.ndarray) -> float:
    labs = [to_lab(colour, seen_by) for colour in colours]
    return min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(labs, 2))


def test_no_class_has_no_colour():
    assert class_colours([], {}) == {}


@pytest.mark.parametrize("eye", [np.eye(3), PROTAN, DEUTAN], ids=["usual", "protan", "deutan"])
def test_the_organelles_of_one_cell_are_told_apart_by_every_eye(eye):
    names = ["mitochondrion", "nucleus", "early endosome", "late endosome", "lysosome"]
    assert least_difference(list(class_colours(names, {}).values()), eye) > 15
    assert least_difference(list(PALETTE[:7]), eye) > 10


def test_red_and_green_would_fail_that_test():
    assert least_difference(["#d04040", "#708030"], DEUTAN) < 15


@pytest.mark.parametrize(
    ("name", "usual"),
    [
        ("Mitochondria", "mitochondrion"),
        ("mito", "mitochondrion"),
        ("early_endosomes", "early endosome"),
        ("Late-Endosome", "late endosome"),
        ("  lysosomes ", "lysosome"),
        ("Golgi", "golgi"),
        ("Golgi apparatus", "golgi"),
        ("ER", "endoplasmic reticulum"),
        ("MVBs", "multivesicular body"),
        ("nuclei", "nucleus"),
    ],
)
def test_other_spellings_have_the_same_colour(name, usual):
    assert class_colours([name], {}) == {name: FIXED[usual]}


def test_an_unknown_class_takes_the_next_free_colour():
    assert class_colours(["crystal"], {}) == {"crystal": PALETTE[0]}
    colours = class_colours(["crystal", "mitochondrion"], {})
    assert colours["mitochondrion"] == FIXED["mitochondrion"] == PALETTE[0]
    assert colours["crystal"] == PALETTE[1]


def test_a_chosen_colour_wins_and_none_leaves_the_usual_one():
    chosen = {"nucleus": "RebeccaPurple", "lysosome": None, "other": "red"}
    colours = class_colours(["nucleus", "lysosome"], chosen)
    assert colours == {"nucleus": "#663399", "lysosome": FIXED["lysosome"]}


def test_a_colour_that_was_chosen_is_not_given_to_another_class():
    colours = class_colours(["mitochondrion", "x"], {"x": FIXED["mitochondrion"]})
    assert colours["x"] == FIXED["mitochondrion"]
    assert colours["mitochondrion"] not in (colours["x"],)


def test_of_two_classes_with_one_usual_colour_the_first_has_it():
    colours = class_colours(["mito", "mitochondrion"], {})
    assert colours["mito"] == FIXED["mitochondrion"] != colours["mitochondrion"]


@given(st.lists(st.text(min_size=1, max_size=12), unique=True, max_size=60))
def test_any_names_get_as_many_colours_in_their_order(names):
    colours = class_colours(names, {})
    assert list(colours) == names
    assert len(set(colours.values())) == len(names)
    assert all(len(c) == 7 and c[0] == "#" and int(c[1:], 16) >= 0 for c in colours.values())
    assert colours == class_colours(names, {})


@pytest.mark.parametrize(
    ("colour", "value"),
    [
        ("orange", "#ffa500"),
        ("#ABC", "#aabbcc"),
        ("#12345678", "#123456"),
        ("rgb(1, 2, 3)", "#010203"),
        (" red ", "#ff0000"),
    ],
)
def test_css_colours_are_read(colour, value):
    assert to_hex(colour) == value


@pytest.mark.parametrize("colour", ["", "oranje", "#12", "rgb(a)", "1,2,3"])
def test_what_is_no_colour_names_the_class(colour):
    with pytest.raises(ConfigError, match=r"nucleus.*expected a CSS colour"):
        to_hex(colour, "nucleus")
