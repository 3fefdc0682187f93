"""The camera: the whole box in the picture, z up, nothing mirrored, rays through the pixels that points fall on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from famous.errors import ConfigError
from famous.report.camera import CORNERS, EDGES, Camera, View

side = st.floats(min_value=0.01, max_value=1.0)


def camera(sides=(1.0, 1.0, 1.0), size_px=(400, 300), view=None, margins=(10.0, 20.0, 30.0, 40.0)) -> Camera:
    return Camera(np.array(sides), size_px, view or View(), margins)


@given(
    sides=st.tuples(side, side, side),
    size=st.tuples(st.integers(100, 900), st.integers(100, 900)),
    azimuth=st.floats(-360, 360),
    elevation=st.none() | st.floats(-85, 85),
)
def test_the_box_touches_the_margins_and_never_crosses_them(sides, size, azimuth, elevation):
    seen = camera(sides, size, View(azimuth_deg=azimuth, elevation_deg=elevation))
    pixels = seen.to_pixels(seen.corners)
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    room = np.array([size[0] - 40, size[1] - 60])
    assert (low >= np.array([10, 20]) - 1e-6).all()
    assert (high <= np.array([size[0] - 30, size[1] - 40]) + 1e-6).all()
    assert ((high - low) / room).max() == pytest.approx(1)


@given(elevation=st.floats(-80, 80), azimuth=st.floats(-180, 180))
def test_rays_go_through_the_point_that_falls_on_their_pixel(elevation, azimuth):
    seen = camera(view=View(azimuth_deg=azimuth, elevation_deg=elevation))
    points = np.random.default_rng(3).uniform(-0.5, 0.5, (20, 3))
    rays = seen.rays(seen.to_pixels(points)).astype(float)
    assert rays[:, :3] + rays[:, 3:] * seen.depths(points)[:, None] == pytest.approx(points, abs=1e-4)


def test_z_is_up_and_what_is_high_is_higher_in_the_picture():
    seen = camera()
    low, high = seen.to_pixels(np.array([[0, 0, -0.5], [0, 0, 0.5]]))
    assert high[1] < low[1]
    assert high[0] == pytest.approx(low[0])


def test_the_picture_is_not_a_mirror_image():
    seen = camera()
    assert np.linalg.det(seen.axes) == pytest.approx(1)  # right × down = forward
    assert seen.axes @ seen.axes.T == pytest.approx(np.eye(3))


def test_a_flat_stack_is_looked_at_from_higher_up():
    assert camera((1, 1, 0.05)).position[2] > camera((1, 1, 1)).position[2]


def test_wide_angles_stand_nearer():
    far, near = (np.linalg.norm(camera(view=View(fov_deg=fov)).position) for fov in (10, 60))
    assert near < far


def test_a_box_has_twelve_edges_of_which_a_view_from_a_corner_has_three_in_front():
    assert len(EDGES) == 12
    behind, front = camera().edges()
    assert (len(behind), len(front)) == (9, 3)
    nearest = int(np.argmin(np.linalg.norm(camera().corners - camera().position, axis=1)))
    assert all(nearest in edge for edge in front)


def test_the_edge_for_the_scale_bar_lies_low_and_in_front():
    seen = camera()
    start, end = seen.lower_front_edge()
    pixels = seen.to_pixels(np.stack([start, end]))
    assert start[2] == end[2] == -0.5
    assert pixels[0, 0] < pixels[1, 0]
    middles = seen.to_pixels(CORNERS.reshape(-1, 3))
    assert pixels[:, 1].max() == pytest.approx(middles[:, 1].max())


@pytest.mark.parametrize(("knob", "value"), [("fov_deg", 0.0), ("fov_deg", 170.0), ("elevation_deg", 90.0)])
def test_impossible_views_are_refused(knob, value):
    with pytest.raises(ConfigError, match=knob):
        View(**{knob: value})
