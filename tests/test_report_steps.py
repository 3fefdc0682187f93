"""The eight panels: what they show, where, and that a second picture is the same."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from famous.errors import InputError
from famous.mesh import Mesh
from famous.points import OutlierParams
from famous.report import steps as room
from famous.report.lettering import round_length
from famous.report.steps import DROPPED, compose, draw_steps
from famous.surface.shrinkwrap import ShrinkwrapParams, trace
from tests.solids import FIB, ball, box_mesh, ellipsoid, voxelize

GREEN = "#00a060"


@pytest.fixture(scope="module", autouse=True)
def small():
    """Panels of a fifth of the usual size are as good for tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "PANEL", 110)
        patch.setattr(room, "TALLEST", 130)
        yield


@pytest.fixture(scope="module")
def steps():
    mask = np.pad(voxelize(ball(60), FIB).mask, ((0, 0), (0, 0), (0, 30)))
    mask[8, 8, -1] = True  # a speck: dropped in step 2
    return trace(mask, voxel_size=FIB)


@pytest.fixture(scope="module")
def picture(steps):
    return compose(steps, colour=GREEN, title="lysosome_00042")


def greenness(pixels):
    red, green, blue = (pixels[..., k].astype(int) for k in range(3))
    return ((green > red + 40) & (green > blue + 20)).mean()


def panels(picture):
    """The eight panels, left to right, top to bottom, without their captions."""
    wide, top = room.PANEL + room.GAP, room.MARGIN + round(1.9 * room.TITLE_PX)
    row = (picture.shape[0] - top - room.MARGIN + 2 * room.GAP) // 2
    above = round(1.5 * room.CAPTION_PX) + round(1.8 * room.NOTE_PX)
    for index in range(8):
        y, x = top + index // 4 * row + above, room.MARGIN + index % 4 * wide
        yield picture[y : y + row - above - 2 * room.GAP, x : x + room.PANEL]


def test_every_panel_shows_something_and_stays_in_its_place(picture):
    for panel in panels(picture):
        assert 0.1 < (panel < 250).any(axis=2).mean() < 0.95
    gap = picture[room.MARGIN + 80 :, room.MARGIN + room.PANEL : room.MARGIN + room.PANEL + room.GAP]
    assert (gap[: gap.shape[0] // 3] > 250).all()


def test_points_are_not_in_the_colour_of_the_surfaces(picture):
    shown = [greenness(panel) for panel in panels(picture)]
    points, surfaces = [shown[k] for k in (0, 1, 5)], [shown[k] for k in (2, 3, 6, 7)]
    assert max(points) < 0.02
    assert min(surfaces) > 0.08


def test_what_is_dropped_is_red(steps):
    before, after = steps[0].shape, steps[1].shape
    (kept, _), (dropped, colour) = room._points(before, after)
    assert colour == DROPPED
    assert len(dropped.vertices) == 12 * (len(before) - len(after)) > 0
    assert len(kept.vertices) == 12 * len(after)
    assert dropped.vertices[:, 2].max() > kept.vertices[:, 2].max() + 100


def test_large_clouds_are_drawn_in_part(steps, monkeypatch):
    monkeypatch.setattr(room, "MOST_POINTS", 50)
    (kept, _), (dropped, _) = room._points(steps[0].shape, steps[1].shape)
    assert len(kept.vertices) == 12 * 50
    assert len(dropped.vertices) > 0


def test_edges_are_rods_and_left_out_where_there_are_too_many(monkeypatch):
    mesh = box_mesh((10, 10, 10))
    ((rods, _),) = room._wire(mesh, 0.1)
    assert len(rods.faces) == 18 * 6
    assert np.abs(rods.bounds - mesh.bounds).max() < 0.11
    monkeypatch.setattr(room, "MOST_FACES", 3)
    assert room._wire(mesh, 0.1) == []
    assert room._wire(Mesh.empty(), 0.1) == []


def test_the_same_steps_make_the_same_picture(steps, picture):
    assert np.array_equal(compose(steps, colour=GREEN, title="lysosome_00042"), picture)


def test_the_picture_is_a_png_and_a_title_is_not_needed(steps, picture, tmp_path):
    path = draw_steps(tmp_path / "steps.png", steps, colour=GREEN)
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.size[0] == picture.shape[1]
        assert image.size[1] < picture.shape[0]
    assert [found.name for found in tmp_path.iterdir()] == ["steps.png"]


def test_the_scale_bar_is_as_long_as_it_says(steps, picture):
    stage = room._Stage.of(steps)
    sides = np.ptp(steps[-1].shape.vertices, axis=0)
    assert stage.tall - 2 * room.EDGE == pytest.approx(sides.max() * stage.px_per_nm, rel=0.15)
    line = picture[-round(0.7 * room.MARGIN), :, :].max(axis=1) < 60
    ends = np.flatnonzero(~line[: -room.MARGIN - 2])[-1]  # left of the bar
    assert line[ends:].sum() == pytest.approx(round_length(0.4 * room.PANEL / stage.px_per_nm) * stage.px_per_nm, abs=3)


def test_long_and_flat_objects_fit_their_panels():
    for half in ((20, 20, 200), (200, 30, 30), (15, 120, 120)):
        steps = trace(voxelize(ellipsoid(half), FIB).mask, voxel_size=FIB)
        stage = room._Stage.of(steps)
        assert stage.tall <= room.TALLEST + 1


@pytest.mark.parametrize("mask", [np.ones((1, 1, 1), bool), np.ones((1, 1, 9), bool), np.ones((1, 9, 9), bool)])
def test_a_voxel_a_row_and_a_plane_are_drawn(mask):
    params = ShrinkwrapParams(outliers=OutlierParams(std_ratio=1e6))
    shown = compose(trace(mask, voxel_size=FIB, params=params), colour=GREEN)
    assert (shown < 200).any()


def test_what_is_missing_is_named(steps):
    with pytest.raises(InputError, match="expected"):
        compose(steps[:7], colour=GREEN)
    with pytest.raises(InputError, match="no points"):
        compose(trace(np.zeros((3, 3, 3), bool), voxel_size=FIB), colour=GREEN)
    wrong = [replace(steps[0], shape=box_mesh()), *steps[1:]]
    with pytest.raises(InputError, match="expected points"):
        compose(wrong, colour=GREEN)
