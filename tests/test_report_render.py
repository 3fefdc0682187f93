"""Pictures of meshes: a ball is a disc of the right size, place and colour; nothing is an empty box."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from famous.errors import InputError
from famous.mesh import Mesh
from famous.report.camera import View
from famous.report.render import letter_height, place_camera, render
from tests.solids import ball_mesh, box_mesh

EXTENT = (1000.0, 1000.0, 1000.0)
SIZE = (240, 200)
BARE = View(background=None, box=False, scale_bar=False)
ORANGE, BLUE = "#e69f00", "#0072b2"


def ball(radius=250.0, centre=(500.0, 500.0, 500.0)) -> Mesh:
    return ball_mesh(radius, centre)


def draw(*meshes, view=BARE, extent=EXTENT, size=SIZE):
    return render(meshes, extent_nm=extent, size_px=size, view=view)


def test_a_ball_is_a_disc_of_the_right_size_and_place():
    picture = draw((ball(), ORANGE))
    camera = place_camera(EXTENT, SIZE, BARE)
    alpha = picture[..., 3] / 255
    away = np.linalg.norm(camera.position)
    one = np.linalg.norm(np.diff(camera.to_pixels(np.stack([np.zeros(3), camera.axes[0] * 1e-3])), axis=0)) * 1e3
    radius = one * away * 0.25 / np.sqrt(away**2 - 0.25**2)
    assert np.sqrt(alpha.sum() / np.pi) == pytest.approx(radius, rel=0.01)
    y, x = np.mgrid[: SIZE[1], : SIZE[0]] + 0.5
    middle = camera.to_pixels(np.zeros((1, 3)))[0]
    assert (alpha * x).sum() / alpha.sum() == pytest.approx(middle[0], abs=0.3)
    assert (alpha * y).sum() / alpha.sum() == pytest.approx(middle[1], abs=0.3)


def test_a_window_is_that_part_of_the_picture():
    """It begins where the squares of pixels do that share their light; its own edge pixels have fewer neighbours."""
    meshes = (ball(), ORANGE), (ball(120, (700, 400, 300)), BLUE + "80")
    whole = draw(*meshes)
    window = render(meshes, extent_nm=EXTENT, size_px=SIZE, view=BARE, window_px=(80, 40, 180, 130))
    assert np.array_equal(window[4:-4, 4:-4], whole[44:126, 84:176])
    beyond = render(meshes, extent_nm=EXTENT, size_px=SIZE, view=BARE, window_px=(-40, -20, SIZE[0] + 8, SIZE[1] + 4))
    assert beyond.shape == (SIZE[1] + 24, SIZE[0] + 48, 4)
    assert np.array_equal(beyond[20:-4, 40:-8], whole)
    assert not beyond[:20].any()


def test_the_outline_is_smooth():
    alpha = draw((ball(), ORANGE))[..., 3]
    steps = np.unique(alpha)
    assert len(steps) >= 8  # 0, full, and shares of ninths between
    assert np.count_nonzero((alpha > 0) & (alpha < 255)) > 100


def test_the_disc_has_the_colour_of_the_mesh():
    picture = draw((ball(), ORANGE)).astype(int)
    inside = picture[picture[..., 3] == 255][:, :3]
    red, green, blue = np.median(inside, axis=0)
    assert red > green + 30 > blue + 90
    assert red > 170


def test_the_disc_is_shaded_from_above():
    picture = draw((ball(), "#999999")).astype(int)
    rows = np.flatnonzero((picture[..., 3] == 255).any(axis=1))
    column = picture[rows[0] + 8 : rows[-1] - 8, SIZE[0] // 2, 0]
    assert column[: len(column) // 3].mean() > column[-len(column) // 3 :].mean() + 20


def test_the_same_input_gives_the_same_bytes():
    meshes = [(ball(), ORANGE), (ball(200, (300, 300, 700)), BLUE)]
    assert draw(*meshes, view=View()).tobytes() == draw(*meshes, view=View()).tobytes()


def test_what_is_in_front_hides_what_is_behind():
    camera = place_camera(EXTENT, SIZE, BARE)
    toward = (-camera.axes[2] * 300)[::-1]
    near, far = ball(80, tuple(500 + toward)), ball(80, tuple(500 - toward))
    x, y = np.round(camera.to_pixels(np.zeros((1, 3)))[0]).astype(int)
    for meshes in ([(near, ORANGE), (far, BLUE)], [(far, BLUE), (near, ORANGE)]):
        red, _, blue, _ = draw(*meshes)[y, x].astype(int)
        assert red > blue + 60


def test_a_high_ball_is_higher_in_the_picture():
    low, high = (np.argwhere(draw((ball(100, (z, 500, 500)), BLUE))[..., 3]).mean(axis=0) for z in (200, 800))
    assert high[0] < low[0] - 20


def test_a_hull_lets_its_content_shine_through():
    content = draw((ball(100), ORANGE))
    both = draw((ball(100), ORANGE), (ball(300), BLUE + "60"))
    core, shell = content[..., 3] == 255, (both[..., 3] > 0) & (content[..., 3] == 0)
    assert both[core][:, 0].mean() > both[core][:, 2].mean() > content[core][:, 2].mean()
    assert 60 < np.median(both[shell][:, 3]) < 254
    assert (both[core][:, 3] == 255).all()


def test_a_hull_behind_a_mesh_does_not_tint_it():
    camera = place_camera(EXTENT, SIZE, BARE)
    toward = (-camera.axes[2] * 300)[::-1]
    near, far = ball(150, tuple(500 + toward)), ball(100, tuple(500 - toward))
    alone = draw((near, ORANGE))
    core = alone[..., 3] == 255
    assert np.abs(draw((near, ORANGE), (far, BLUE + "80"))[core].astype(int) - alone[core]).max() <= 1


def test_balls_that_touch_darken_each_other():
    alone = draw((ball(150, (500, 500, 340)), "#aaaaaa"))
    pair = draw((ball(150, (500, 500, 340)), "#aaaaaa"), (ball(150, (500, 500, 640)), "#aaaaaa"))
    both = (alone[..., 3] == 255) & (pair[..., 3] == 255)
    assert pair[both][:, 0].astype(int).sum() < alone[both][:, 0].astype(int).sum()


def test_an_empty_scene_is_an_empty_box_on_white():
    for meshes in ([], [(Mesh.empty(), ORANGE)]):
        picture = draw(*meshes, view=View())
        assert picture.shape == (SIZE[1], SIZE[0], 3)
        assert (picture == 255).mean() > 0.8
        assert (picture < 200).any()  # the box


def test_nothing_at_all_is_transparent():
    assert (draw()[..., 3] == 0).all()


def test_the_ground_is_what_was_asked_for():
    assert draw(view=View(background="#102030", box=False, scale_bar=False))[0, 0].tolist() == [16, 32, 48]
    lines = draw(view=View(background="black"))
    assert lines.max() > 80  # pale ink on a dark ground


def test_the_scale_bar_is_drawn_below_the_box():
    with_bar, without = draw(view=View()), draw(view=View(scale_bar=False))
    assert (with_bar[-45:] < 150).any()
    assert with_bar.tobytes() != without.tobytes()


def test_the_outline_of_a_slice_is_hidden_behind_meshes():
    view = View(background=None, box=False, scale_bar=False, plane_nm=500.0)
    plane = draw(view=view)
    assert np.count_nonzero(plane[..., 3] > 100) > 200
    wall = (box_mesh((1000.0, 1000.0, 1000.0)), ORANGE)
    assert draw(wall, view=View(background=None, box=False, scale_bar=False)).shape == plane.shape
    behind = draw((box_mesh((1000.0, 300.0, 1000.0)), ORANGE), view=view).astype(int)
    hidden = (plane[..., 3] > 200) & (behind[..., 0] > behind[..., 2] + 40)
    assert hidden.sum() > 20


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (60, 200), (300, 40)])
def test_any_size_is_kept(size):
    assert draw((ball(), ORANGE), view=View(), size=size).shape == (size[1], size[0], 3)


@pytest.mark.parametrize("extent", [(50.0, 1000.0, 1000.0), (1000.0, 100.0, 20.0), (1.0, 1.0, 1e7)])
def test_any_shape_of_stack_is_drawn(extent):
    assert (draw(view=View(), extent=extent) < 200).any()


@pytest.mark.parametrize("extent", [(0.0, 1.0, 1.0), (1.0, -1.0, 1.0), (1.0, np.nan, 1.0)])
def test_a_stack_without_extent_is_refused(extent):
    with pytest.raises(InputError, match="expected three lengths above 0"):
        draw(extent=extent)


def test_a_picture_without_size_is_refused():
    with pytest.raises(InputError, match="width and a height"):
        draw(size=(0, 10))


def test_what_is_no_colour_is_refused():
    with pytest.raises(InputError, match="expected a CSS colour"):
        draw((ball(), "oranje"))


def test_letters_grow_with_the_picture():
    assert letter_height((100, 100)) < letter_height((1000, 800)) < letter_height((4000, 3000))


def test_it_needs_no_display_and_no_home(tmp_path):
    code = (
        "from tests.solids import ball_mesh\nfrom famous.report.render import render\n"
        "p = render([(ball_mesh(200, (500,) * 3), 'orange')], extent_nm=(1000.0,) * 3, size_px=(60, 50))\n"
        "assert p.shape == (50, 60, 3) and p.min() < 200"
    )
    root = Path(__file__).resolve().parents[1]
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "missing"), "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []
