"""The look of one plane: profiles, blends, vesicles, and that a part of a plane is that of the whole."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from famous.synthetic.cells import Cells
from famous.synthetic.params import PhantomParams
from famous.synthetic.placement import Organelle, vesicle
from famous.synthetic.texture import (
    HALO_NM,
    Plane,
    blend,
    cytoplasm,
    paint_cistern,
    paint_early,
    paint_late,
    paint_lysosome,
    paint_mitochondrion,
    step,
    vesicles,
    wall_distance,
)
from famous.voxels import VoxelSize


def plane_of(height=60, width=80, size=(8.0, 8.0), z_nm=100.0):
    y, x = (np.arange(height) + 0.5) * size[0], (np.arange(width) + 0.5) * size[1]
    grid = np.meshgrid(y.astype(np.float32), x.astype(np.float32), indexing="ij")
    return Plane(z_nm, y, x, (np.full((height, width), z_nm, np.float32), *grid), size)


@given(st.floats(-1000, 1000), st.floats(-100, 100), st.floats(0.1, 100))
def test_a_step_rises_from_0_to_1(value, low, width):
    rise = step(np.array([[value, low, low + width, low + width / 2]], np.float32), low, low + width)
    assert 0 <= rise[0, 0] <= 1
    assert rise[0, 1:].tolist() == pytest.approx([0, 1, 0.5], abs=2e-3)


def test_blending_moves_towards_a_value_in_place():
    image = np.full((2, 3), 100.0, np.float32)
    blend(image, 200.0, np.array([[0, 0.25, 1]] * 2, np.float32))
    assert image.tolist() == [[100, 125, 200]] * 2
    blend(image, np.zeros((2, 3), np.float32), np.ones((2, 3), np.float32))
    assert not image.any()
    assert image.dtype == np.float32


@pytest.mark.parametrize("width_nm", [1.0, 7.0, 30.0])
@pytest.mark.parametrize("pixel_nm", [2.0, 8.0, 40.0])
def test_a_membrane_is_darkest_in_its_middle_and_fainter_below_a_pixel(width_nm, pixel_nm):
    distance = np.linspace(-200, 200, 401, dtype=np.float32)[None]
    profile = plane_of(size=(pixel_nm, pixel_nm)).band(distance, width_nm)[0]
    assert profile.argmax() == 200
    assert np.allclose(profile, profile[::-1])
    assert profile[200] == pytest.approx(min(1.0, (width_nm / (0.62 * pixel_nm)) ** 0.5), rel=1e-5)


def test_a_part_of_a_plane_has_the_noise_of_the_whole():
    plane = plane_of()
    window = (slice(7, 31), slice(12, 50))
    part = plane.cut(window)
    assert part.q[0].shape == (24, 38)
    assert np.allclose(part.noise(3, 90), plane.noise(3, 90)[window], atol=1e-5)
    assert (part.q[2] == plane.q[2][window]).all()


def test_noise_is_no_finer_than_the_pixels_show():
    coarse = plane_of(size=(40.0, 40.0))
    assert (coarse.noise(1, 5.0) == coarse.noise(1, 60.0)).all()
    assert coarse.pixel_nm == plane_of(size=(40.0, 8.0)).pixel_nm == 40


def test_the_distance_to_a_level_is_0_where_the_noise_has_it():
    plane = plane_of(120, 120, (2.0, 2.0))
    value, distance = plane.noise(4, 200), plane.level_distance(4, 200, 0.3)
    assert (np.sign(distance) == np.sign(value - np.float32(0.3))).all()
    near = np.abs(distance) < 15
    assert 20 < near.sum() < distance.size
    slope = np.hypot(*np.gradient(distance, 2.0))
    assert (slope[near] < 1.3).mean() > 0.95  # no steeper than a distance is


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (3, 5)])
def test_planes_of_a_pixel_or_a_line_are_painted(shape):
    plane = plane_of(*shape)
    near = np.full(shape, HALO_NM, np.float32)
    image = cytoplasm(plane, Cells(PhantomParams(shape=(10, 60, 80))), near, 1)
    assert image.shape == shape
    assert np.isfinite(image).all()


# ---- vesicles ----


def test_no_crowd_is_no_vesicle_and_a_crowd_fills():
    plane = plane_of()
    room = np.full((60, 80), HALO_NM, np.float32)
    none, some, many = (vesicles(plane, 5, np.full((60, 80), c, np.float32), room) for c in (0.0, 0.4, 1.0))
    assert (none == HALO_NM).all()
    assert 0 < (some < 0).mean() < (many < 0).mean() < 0.5
    assert (many <= some).all()  # a fuller crowd only adds


@pytest.mark.parametrize("size", [(8.0, 8.0), (4.0, 16.0)])
def test_vesicles_are_discs_of_their_balls(size):
    from scipy import ndimage

    plane = plane_of(100, 100, size)
    room = np.full((100, 100), HALO_NM, np.float32)
    distance = vesicles(plane, 6, np.ones((100, 100), np.float32), room)
    found, count = ndimage.label(distance < 0)
    assert count > 3
    for window in ndimage.find_objects(found):
        height, width = ((part.stop - part.start) * side for part, side in zip(window, size, strict=True))
        inside = all(part.start > 0 and part.stop < 100 for part in window)
        if inside and min(height, width) > 5 * max(size):
            assert height == pytest.approx(width, abs=2.1 * max(size))


def test_vesicles_keep_off_what_is_there():
    plane, ones = plane_of(), np.ones((60, 80), np.float32)
    left = np.where(np.arange(80) < 40, -10.0, 60.0).astype(np.float32) * ones
    distance = vesicles(plane, 5, ones, left)
    assert (distance[:, :30] > 0).all()
    assert (distance[:, 40:] < 0).any()


# ---- organelles ----


@pytest.mark.parametrize("paint", [paint_mitochondrion, paint_early, paint_late, paint_lysosome])
def test_an_organelle_is_painted_inside_its_surface_only_and_the_same_every_time(paint):
    plane = plane_of()
    shape = vesicle(np.random.default_rng(1), 150, 150)
    organelle = Organelle(7, "x", type(shape)(np.array([100.0, 240, 320]), shape.radii, shape.axes))
    distance = organelle.shape.distance(*plane.q).astype(np.float32)
    images = [np.full((60, 80), 165.0, np.float32) for _ in range(2)]
    for image in images:
        paint(plane, image, distance, organelle, 11)
    assert (images[0] == images[1]).all()
    assert np.abs(images[0][distance > 60] - 165).max() < 0.5
    assert np.abs(images[0][distance < -20] - 165).max() > 5
    assert np.isfinite(images[0]).all()


def test_a_cistern_has_a_lumen_and_a_membrane():
    plane = plane_of()
    image = np.full((60, 80), 165.0, np.float32)
    distance = np.broadcast_to(np.linspace(-300, 300, 80, dtype=np.float32), (60, 80))
    paint_cistern(plane, image, distance, lumen=220.0)
    assert image[:, 0] == pytest.approx(165 + 0.8 * 55, abs=1)
    assert image[:, -1] == pytest.approx(165, abs=1)
    assert image.min() < 110


def test_walls_stand_between_cells():
    params = PhantomParams(shape=(4, 60, 80), voxel_size=VoxelSize(8, 100, 100), nucleus_radius_nm=700, seed=1)
    plane = plane_of(60, 80, (100.0, 100.0))
    distance = wall_distance(plane, Cells(params), 12)
    assert (distance > 400).any()
    assert (distance < 0).any()
    assert np.abs(np.diff(distance, axis=1)).max() < 250  # no faster than one walks, plus the noise
