"""Light: open ground is bright, a gap is dark, and neighbours share what they found only on one surface."""

import numpy as np
import pytest

from famous.report.light import ORDER, Lamps, _share, openness, shade
from famous.report.scene import Hits, Scene
from tests.solids import ball_mesh, box_mesh

SIDES = np.array([1000.0, 1000.0, 1000.0])
SHAPE = (32, 32)
LAMPS = Lamps.of(np.array([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]]))  # seen from above, y up


def look_down(scene: Scene) -> Hits:
    """Parallel rays along −z over the middle fifth of the floor."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    places = (np.stack([x.ravel(), y.ravel()], axis=1) / 31 - 0.5) * 0.2
    rays = np.zeros((places.shape[0], 6), np.float32)
    rays[:, :2], rays[:, 2], rays[:, 5] = places, -0.3, -1
    return scene.cast(rays)


def floor_with(*meshes) -> Scene:
    return Scene([box_mesh((100.0, 1000.0, 1000.0)), *meshes], SIDES)


def test_every_direction_is_used_once_in_a_square():
    assert sorted(ORDER.ravel().tolist()) == list(range(16))


def test_open_ground_sees_everything():
    scene = floor_with()
    assert openness(scene, look_down(scene), SHAPE, LAMPS) == pytest.approx(1)


def test_without_a_hit_light_is_full():
    scene = Scene([], SIDES)
    assert (openness(scene, look_down(scene), SHAPE, LAMPS) == 1).all()


def test_a_lid_takes_the_sky_and_the_lamp_away():
    lid = box_mesh((20.0, 1000.0, 1000.0)).translated((260.0, 0, 0))  # above where the rays start
    scene = floor_with(lid)
    light = openness(scene, look_down(floor_with()), SHAPE, LAMPS)
    assert light[:, 0].max() < 0.75
    assert light[:, 1].max() == 0


def test_near_things_darken_more_than_far_ones():
    near, far = (
        openness(floor_with(ball_mesh(60.0, (height, 500, 500))), look_down(floor_with()), SHAPE, LAMPS)[:, 0].mean()
        for height in (165, 260)
    )
    assert near < far - 0.05 < 1


def test_neighbours_even_out_the_grain():
    scene = floor_with(ball_mesh(50.0, (270.0, 500, 500)))
    light = openness(scene, look_down(floor_with()), SHAPE, LAMPS)[:, 0].reshape(SHAPE)
    assert np.abs(np.diff(light, axis=0)).max() < 0.15
    assert light.min() < 0.95


def test_meshes_that_touch_share_nothing():
    n = SHAPE[0] * SHAPE[1]
    left = (np.arange(n) % SHAPE[1] < 16).astype(np.int32)
    up = np.broadcast_to(np.array([0, 0, 1], np.float32), (n, 3))
    hits = Hits(np.ones(n, np.float32), left, np.zeros((n, 3), np.float32), up)
    light = np.repeat(left.astype(np.float32), 2).reshape(*SHAPE, 2)
    assert _share(light, hits) == pytest.approx(light)
    grain = np.zeros((*SHAPE, 2), np.float32)
    grain[::4, ::4] = 1
    assert _share(grain, hits)[8:-8, 4:12] == pytest.approx(1 / 16)  # the mean of a square, wherever it lies


def test_a_surface_that_looks_at_the_lamp_is_brighter():
    normal = np.stack([LAMPS.key, -LAMPS.key]).astype(np.float32)
    away = np.array([[0, 0, -1.0]] * 2, np.float32)
    grey, full = np.full((2, 3), 0.5, np.float32), np.ones((2, 2), np.float32)
    lit = shade(grey, normal, full, away, LAMPS)
    assert (lit[0] > 2 * lit[1]).all()
    assert (shade(grey, normal, full * 0.3, away, LAMPS) < lit).all()


def test_colour_stays_the_hue_of_the_mesh():
    normal = LAMPS.key[None].astype(np.float32)
    orange = np.array([[0.8, 0.35, 0.02]], np.float32)
    red, green, blue = shade(orange, normal, np.ones((1, 2), np.float32), -normal, LAMPS)[0]
    assert red > green > blue
    assert blue < 0.25 * red


def test_lamps_are_unit_vectors_before_the_scene():
    assert np.linalg.norm(LAMPS.key) == pytest.approx(1, abs=1e-6)
    assert np.linalg.norm(LAMPS.fill) == pytest.approx(1, abs=1e-6)
    assert LAMPS.key[2] > 0
    assert LAMPS.key[1] > 0  # from above
    assert LAMPS.key[0] < 0 < LAMPS.fill[0]
