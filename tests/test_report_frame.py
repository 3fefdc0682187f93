"""What frames a picture: layers, sRGB, lines."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from famous.errors import InputError
from famous.report.camera import Camera, View
from famous.report.frame import compose, over, rgba_of, to_linear

share = st.floats(0, 1)


def blank(size=(80, 60), view=None, content=0.0):
    camera = Camera(np.ones(3), size, view or View(), (5, 5, 5, 25))
    pixels = np.full((size[1], size[0], 4), content, np.float32)
    depth = np.full((size[1], size[0]), np.inf, np.float32)
    return compose(pixels, depth, camera, unit_nm=1000.0, letter_px=10)


@given(share, share, share)
def test_opaque_pixels_hide_and_clear_ones_do_not(a, b, c):
    bottom = np.array([[a, b, c, 1.0]], np.float32)
    top = np.array([[c, a, b, 1.0]], np.float32)
    assert (over(top, bottom) == top).all()
    assert (over(np.zeros_like(top), bottom) == bottom).all()


def test_half_a_layer_lets_half_through():
    assert over(np.array([0.5, 0, 0, 0.5]), np.array([0, 1.0, 0, 1.0])).tolist() == [0.5, 0.5, 0, 1]


def test_linear_light_of_middle_grey():
    assert to_linear(np.array([0.0, 0.5, 1.0], np.float32)) == pytest.approx([0, 0.2140, 1], abs=1e-4)


@given(st.integers(0, 255))
def test_a_colour_comes_back_from_linear_light(value):
    view = View(background=None, box=False, scale_bar=False)
    camera = Camera(np.ones(3), (2, 2), view, (0, 0, 0, 0))
    content = np.ones((2, 2, 4), np.float32)
    content[..., :3] = to_linear(np.array(value / 255, np.float32))
    picture = compose(content, np.ones((2, 2), np.float32), camera, unit_nm=1.0, letter_px=9)
    assert (picture[..., :3] == value).all()


@pytest.mark.parametrize(
    ("colour", "value"), [("white", (1, 1, 1, 1)), ("#ff000080", (1, 0, 0, 128 / 255)), ("#0f0", (0, 1, 0, 1))]
)
def test_colours_with_and_without_alpha(colour, value):
    assert rgba_of(colour) == pytest.approx(value)


def test_what_is_no_colour_is_refused():
    with pytest.raises(InputError, match="expected a CSS colour"):
        rgba_of("nothing")


def test_channels_follow_the_ground():
    assert blank().shape == (60, 80, 3)
    assert blank(view=View(background=None)).shape == (60, 80, 4)


def test_lines_in_front_are_fainter_than_those_behind():
    picture = blank((400, 300), View(scale_bar=False)).min(axis=2).astype(int)
    camera = Camera(np.ones(3), (400, 300), View(scale_bar=False), (5, 5, 5, 25))
    ends = camera.to_pixels(camera.corners)
    darkest = []
    for edges in camera.edges():
        middles = [np.round(ends[a] * 0.4 + ends[b] * 0.6).astype(int) for a, b in edges]
        darkest.append(np.mean([picture[y - 2 : y + 3, x - 2 : x + 3].min() for x, y in middles]))
    assert darkest[0] < darkest[1] < 250


def test_meshes_cover_the_lines_behind_them():
    view = View(background=None, scale_bar=False)
    covered = blank((200, 150), view, content=1.0)
    assert (covered[..., 3] == 255).all()
    assert (covered[..., :3] == 255).mean() > 0.9  # only the three edges in front remain


def test_the_scale_bar_has_the_length_it_says():
    view = View(box=False, background="white", azimuth_deg=-90.0, elevation_deg=0.0)
    camera = Camera(np.ones(3), (400, 300), view, (5, 5, 5, 45))
    start, end = camera.to_pixels(np.stack(camera.lower_front_edge()))
    picture = blank((400, 300), view).min(axis=2)
    rows = np.flatnonzero((picture < 128).sum(axis=1) > 40)
    long = (picture[rows[0]] < 128).sum()
    scale = Camera(np.ones(3), (400, 300), view, (5, 5, 5, 25))
    start, end = scale.to_pixels(np.stack(scale.lower_front_edge()))
    assert long == pytest.approx(0.2 * (end[0] - start[0]), abs=3)  # 200 nm of 1 µm
