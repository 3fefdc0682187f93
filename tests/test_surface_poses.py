"""Where parts lie, and images brought from one pose to another."""

import numpy as np
import pytest

from famous.surface.poses import STILL, Pose, Window, bring, mean_pose


def ellipse(half: tuple[float, float], middle: tuple[float, float], turn: float = 0.0, side: int = 80) -> np.ndarray:
    y, x = np.indices((side, side)) - np.array(middle)[:, None, None]
    along, across = np.cos(turn) * y + np.sin(turn) * x, np.cos(turn) * x - np.sin(turn) * y
    return (((along / half[0]) ** 2 + (across / half[1]) ** 2) < 1).astype(np.uint8) * 255


def test_a_pose_is_the_centre_and_a_quarter_of_the_squared_half_axes():
    pose = Pose.of(ellipse((20, 8), (40.3, 35.8)), (100, 200))
    assert pose.centre == pytest.approx([140.3, 235.8], abs=0.1)
    assert pose.spread == pytest.approx(np.diag([100.0, 16.0]), abs=1.0)
    assert pose.size == pytest.approx(40.0, rel=0.02)


def test_one_pixel_is_a_square():
    pose = Pose.of(np.array([[255]], dtype=np.uint8), (3, 4))
    assert pose.centre.tolist() == [3, 4]
    assert pose.spread == pytest.approx(np.eye(2) / 12)


def test_stretch_is_the_root_of_the_spread():
    pose = Pose.of(ellipse((20, 8), (40, 40), 0.7), (0, 0))
    assert pose.stretch @ pose.stretch == pytest.approx(pose.spread)
    assert pose.stretch == pytest.approx(pose.stretch.T)


def test_there_and_back():
    one, other = Pose.of(ellipse((20, 8), (40, 40), 0.7), (0, 0)), Pose.of(ellipse((9, 12), (20, 50)), (0, 0))
    place = np.array([11.0, -7.0])
    turn, shift = one.towards(other)
    back, again = other.towards(one)
    assert back @ (turn @ place + shift) + again == pytest.approx(place)


def test_one_ellipse_becomes_the_other():
    one, other = ellipse((20, 8), (40, 35), 0.7), ellipse((12, 15), (38, 44), -0.2)
    window = Window(0, 0, 80, 80)
    brought = bring(one, window, window, (Pose.of(one, (0, 0)), Pose.of(other, (0, 0)))) > 127
    assert np.count_nonzero(brought ^ (other > 0)) < 0.04 * np.count_nonzero(other)


def test_half_the_way():
    one, other = Pose(np.array([0.0, 2.0]), np.eye(2)), Pose(np.array([4.0, 2.0]), 3 * np.eye(2))
    between = mean_pose(one, other)
    assert between.centre.tolist() == [2, 2]
    assert between.spread.tolist() == (2 * np.eye(2)).tolist()
    assert mean_pose(one, one) is one


def test_in_the_same_pose_a_window_only_gets_wider_and_its_border_goes_on():
    image = np.arange(6, dtype=np.float32).reshape(2, 3)
    at, wide = Window(5, 7, 7, 10), Window(4, 7, 8, 12)
    assert bring(image, at, at, (STILL, STILL)) is image
    wider = bring(image, at, wide, (STILL, STILL))
    assert wider.tolist() == np.pad(image, ((1, 1), (0, 2)), mode="edge").tolist()


def test_in_the_same_pose_a_window_may_get_narrower():
    image = np.arange(30, dtype=np.float32).reshape(5, 6)
    part = bring(image, Window(0, 0, 5, 6), Window(1, 2, 4, 5), (STILL, STILL))
    assert part.tolist() == image[1:4, 2:5].tolist()


def test_a_move_is_a_move():
    image = np.zeros((9, 9), dtype=np.float32)
    image[4, 4] = 1
    here, there = Pose(np.zeros(2), np.eye(2)), Pose(np.array([2.0, -1.0]), np.eye(2))
    window = Window(10, 20, 19, 29)
    assert np.argwhere(bring(image, window, window, (here, there)) > 0.5).tolist() == [[6, 3]]


def test_windows_stay_within_the_slice():
    boxes = np.array([[5, 6, 8, 9], [2, 7, 4, 30]])
    window = Window.round(boxes, 4, (40, 31))
    assert window == Window(0, 2, 12, 31)
    assert window.shape == (12, 29)
    assert np.zeros((40, 31))[window.slices].shape == (12, 29)
    assert window.over(Window(3, 0, 20, 5)) == Window(0, 0, 20, 31)
