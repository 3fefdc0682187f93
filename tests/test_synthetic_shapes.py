"""Shapes: volumes against counting on a fine grid, distances against points on the surface, warps that keep volumes."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from famous.synthetic.cells import Cells, depth, rotation
from famous.synthetic.lattice import Noise, draw, hashed, spline_weights
from famous.synthetic.params import PhantomParams
from famous.synthetic.placement import REACH_NM, Placement, mitochondrion, vesicle
from famous.synthetic.room import Body, Room, Taken
from famous.synthetic.shapes import Arc, Ellipsoid, Segment, Tube, chain, meets_itself
from famous.synthetic.warp import Warp
from famous.voxels import VoxelSize

NOUGHT = np.zeros(3)
X, Y, Z = np.eye(3)[::-1]


def filled_nm3(shape, step, warp=None):
    """Count points of a grid inside a shape, bent by a warp or not; the grid's offset is irrational."""
    margin = step + (warp.reach_nm if warp else 0)
    axes = [np.arange(a - margin, b + margin, step) + step * 0.387 for a, b in shape.bounds.T]
    total = 0
    for z in axes[0]:
        y, x = np.meshgrid(axes[1], axes[2], indexing="ij")
        q = warp.forward(z, y, x) if warp else (z, y, x)
        total += int((shape.distance(*q) < 0).sum())
    return total * step**3


TURN = rotation(np.random.default_rng(4))  # off the grid's axes, on which counting errs with one sign
ROD = Tube((Segment(NOUGHT, 400 * TURN[0]),), 100.0)
BEAN = Tube(tuple(chain(NOUGHT, TURN[0], [(260.0, 1.4, TURN[1])])), 110.0)
CURVE = Tube(tuple(chain(NOUGHT, X, [(400.0, 0.9, Y), (300.0, 1.1, Z), (500.0, 0.6, -Y)])), 90.0)
FORK = Tube(tuple(Segment(NOUGHT, 420 * np.array([0.2, np.cos(a), np.sin(a)])) for a in (0.0, 2.0, 4.2)), 100.0, NOUGHT)
RING = Tube((Arc(NOUGHT, X, Y, 240.0, 2 * np.pi),), 90.0)
EGG = Ellipsoid(np.array([10.0, -20.0, 30.0]), np.array([150.0, 220.0, 310.0]), rotation(np.random.default_rng(1)))
NAMED = {"rod": ROD, "bean": BEAN, "curve": CURVE, "fork": FORK, "ring": RING, "egg": EGG}


def test_closed_forms():
    assert ROD.volume_nm3 == pytest.approx(np.pi * 100**2 * 400 + 4 / 3 * np.pi * 100**3)
    assert BEAN.volume_nm3 == pytest.approx(np.pi * 110**2 * 260 * 1.4 + 4 / 3 * np.pi * 110**3)
    assert RING.volume_nm3 == pytest.approx(2 * np.pi**2 * 240 * 90**2)
    assert EGG.volume_nm3 == pytest.approx(4 / 3 * np.pi * 150 * 220 * 310)


@pytest.mark.parametrize("name", NAMED)
def test_volume_is_what_a_fine_grid_counts(name):
    shape = NAMED[name]
    assert filled_nm3(shape, 6.0) == pytest.approx(shape.volume_nm3, rel=1e-3)


def test_the_shared_part_of_a_fork_is_integrated_finely_enough():
    straight = sum(np.pi * 100**2 * piece.length_nm + 4 / 3 * np.pi * 100**3 for piece in FORK.pieces)
    assert FORK.volume_nm3 < straight
    assert filled_nm3(FORK, 4.0) == pytest.approx(FORK.volume_nm3, rel=5e-4)


@pytest.mark.parametrize("name", ["bean", "fork", "egg"])
def test_a_warp_keeps_the_volume_and_changes_the_shape(name):
    shape, warp = NAMED[name], Warp(seed=5, strength=1.5)
    assert filled_nm3(shape, 8.0, warp) == pytest.approx(shape.volume_nm3, rel=2e-3)
    y, x = np.meshgrid(np.arange(-300, 700, 20.0), np.arange(-300, 700, 20.0), indexing="ij")
    assert ((shape.distance(0.0, y, x) < 0) != (shape.distance(*warp.forward(0.0, y, x)) < 0)).any()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), place=st.tuples(*[st.floats(-1e5, 1e5)] * 3))
def test_a_warp_is_inverted_exactly_and_stays_in_reach(seed, place):
    warp = Warp(seed)
    q = warp.forward(*np.array(place))
    assert np.abs(np.array(q) - place).max() <= warp.reach_nm
    np.testing.assert_allclose(warp.backward(*q), place, atol=1e-6)


def test_a_warp_of_strength_0_does_nothing():
    assert Warp(3, strength=0.0).forward(np.float64(1), np.float64(2), np.float64(3)) == (1, 2, 3)


@pytest.mark.parametrize("name", NAMED)
def test_the_bounding_box_is_tight(name):
    shape = NAMED[name]
    rng = np.random.default_rng(0)
    low, high = shape.bounds
    points = rng.uniform(low - 20, high + 20, (200_000, 3))
    inside = points[shape.distance(*points.T) < 0]
    assert (inside >= low).all()
    assert (inside <= high).all()
    assert (inside.min(axis=0) - low < 0.06 * (high - low)).all()
    assert (high - inside.max(axis=0) < 0.06 * (high - low)).all()


@pytest.mark.parametrize("name", ["rod", "bean", "curve", "fork", "ring"])
def test_distance_outside_a_tube_is_that_to_the_nearest_axis_point(name):
    shape = NAMED[name]
    points = np.random.default_rng(1).uniform(-700, 900, (300, 3))
    axis = np.concatenate([piece.points(np.linspace(0, 1, 2000)) for piece in shape.pieces])
    nearest = np.linalg.norm(points[:, None] - axis[None], axis=-1).min(axis=1) - shape.radius_nm
    np.testing.assert_allclose(shape.distance(*points.T), nearest, atol=0.5)


def test_distance_of_an_ellipsoid_has_the_right_sign_and_slope():
    direction = EGG.axes[1]
    for by in (-30.0, -5.0, 5.0, 30.0):
        point = EGG.centre + direction * (220 + by)
        assert EGG.distance(*point) == pytest.approx(by, rel=0.2)
    assert EGG.distance(*EGG.centre) < -100


def test_clearance_is_a_lower_bound_of_the_distance():
    points = np.random.default_rng(2).uniform(-900, 900, (400, 3))
    u, v = np.meshgrid(np.linspace(0, np.pi, 120), np.linspace(0, 2 * np.pi, 240))
    ball = np.stack([np.cos(u), np.sin(u) * np.cos(v), np.sin(u) * np.sin(v)], axis=-1).reshape(-1, 3)
    surface = EGG.centre + (ball * EGG.radii) @ EGG.axes
    outside = points[EGG.distance(*points.T) > 0]
    true = np.array([np.linalg.norm(surface - point, axis=1).min() for point in outside])
    assert (EGG.clearance(outside) <= true + 1e-6).all()


def test_a_chain_has_no_kinks():
    for a, b in pairwise(CURVE.pieces):
        ends = a.points(np.array([1 - 1e-6, 1.0])), b.points(np.array([0.0, 1e-6]))
        np.testing.assert_allclose(ends[0][1], ends[1][0], atol=1e-6)
        directions = [(pair[1] - pair[0]) / np.linalg.norm(pair[1] - pair[0]) for pair in ends]
        assert directions[0] @ directions[1] == pytest.approx(1.0, abs=1e-4)


def test_a_curve_that_comes_back_meets_itself():
    assert meets_itself(Tube(tuple(chain(NOUGHT, X, [(300.0, 3.0, Y), (300.0, 3.2, -Y)])), 100.0))
    assert not meets_itself(CURVE)


def test_moved_shapes_are_the_same_elsewhere():
    by = np.array([100.0, 200.0, -300.0])
    for tube in (BEAN, FORK):
        assert tube.moved(by).volume_nm3 == pytest.approx(tube.volume_nm3)
        np.testing.assert_allclose(tube.moved(by).bounds, tube.bounds + by)
        assert tube.moved(by).distance(*(by + 5)) == pytest.approx(tube.distance(*(NOUGHT + 5)))


@pytest.mark.parametrize("seed", range(20))
def test_drawn_mitochondria_stay_in_reach_of_their_centre(seed):
    body = Body.of(mitochondrion(np.random.default_rng(seed)))
    np.testing.assert_allclose(body.middle, 0, atol=1e-6)
    assert body.reach_nm <= REACH_NM + 1e-6


def test_hashes_are_uniform_and_independent_of_broadcasting():
    values = hashed(7, np.arange(20_000))
    assert values.min() >= 0
    assert values.max() < 1
    assert values.mean() == pytest.approx(0.5, abs=0.01)
    assert np.corrcoef(values[:-1], values[1:])[0, 1] == pytest.approx(0, abs=0.03)
    assert hashed(7, np.arange(5)[:, None], np.arange(4)).shape == (5, 4)
    assert hashed(7, np.arange(5)[:, None], np.arange(4))[3, 2] == hashed(7, 3, 2)[0] == draw(7, 3, 2)
    assert hashed(7, -1)[0] != hashed(7, 1)[0]


def test_spline_weights_add_to_one():
    np.testing.assert_allclose(spline_weights(np.linspace(0, 1, 11)).sum(axis=1), 1)


def test_noise_has_mean_0_and_variance_1_and_is_smooth():
    noise = Noise(3, 20.0)
    axis = np.arange(0, 3000, 5.0)
    plane = noise.plane(12.0, axis, axis)
    assert plane.mean() == pytest.approx(0, abs=0.05)
    assert plane.std() == pytest.approx(1, abs=0.15)
    assert np.abs(np.diff(plane, axis=0)).max() < 1.2
    assert np.abs(noise.plane(12.5, axis, axis) - plane).max() < 0.3


def test_noise_in_a_window_is_the_whole_planes():
    noise, axis = Noise(5, 37.0), np.arange(0, 500, 3.0)
    np.testing.assert_allclose(
        noise.plane(-88.0, axis, axis)[40:60, 100:120], noise.plane(-88.0, axis[40:60], axis[100:120]), atol=1e-5
    )


def test_the_slope_of_noise_is_its_derivative_along_z():
    noise, axis = Noise(5, 40.0), np.arange(0, 300, 7.0)
    value, slope = noise.plane_and_slope(100.0, axis, axis)
    np.testing.assert_allclose(value, noise.plane(100.0, axis, axis), atol=1e-5)
    difference = (noise.plane(100.5, axis, axis) - noise.plane(99.5, axis, axis)).astype(float)
    np.testing.assert_allclose(slope, difference, atol=2e-3)


def test_noise_on_no_pixel_is_empty():
    assert Noise(1, 30.0).plane(0.0, np.zeros(0), np.arange(4.0)).shape == (0, 4)


def test_depth_is_the_distance_to_the_wall_between_two_cells():
    centres = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1000.0]])
    x = np.array([0.0, 400.0, 500.0, 900.0])
    np.testing.assert_allclose(depth(centres, np.zeros(4), np.zeros(4), x), [500, 100, 0, 400])


def test_room_keeps_its_distances():
    taken = Taken()
    ball = Body.of(Ellipsoid(NOUGHT, np.full(3, 100.0), np.eye(3)))
    taken.add(ball)
    far_apart = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 9000.0]])
    room = Room(far_apart, [], taken)
    assert not room.fits(ball.moved(150 * X))
    assert not room.fits(ball.moved(255 * X))
    assert room.fits(ball.moved(265 * X))
    assert room.fits(ball.moved(150 * X), except_for=0)
    assert not room.fits(ball.moved(4300 * X))  # too near the wall
    nucleus = Ellipsoid(np.array([0.0, 1000.0, 0.0]), np.full(3, 500.0), np.eye(3))
    assert not Room(far_apart, [nucleus], taken).fits(ball.moved(380 * Y))
    assert Room(far_apart, [nucleus], taken).fits(ball.moved(310 * Y))


def test_more_bodies_than_the_first_allocation():
    taken = Taken()
    ball = Body.of(vesicle(np.random.default_rng(0), 50.0, 60.0))
    for i in range(200):
        taken.add(ball.moved(1000.0 * i * X))
    assert len(taken) == 200
    assert taken.meets(ball.moved(199_000 * X), 10.0)
    assert not taken.meets(ball.moved(199_500 * X), 10.0)


def test_blocks_are_the_same_whichever_is_asked_for_first():
    params = PhantomParams(shape=(100, 500, 500), voxel_size=VoxelSize(10, 10, 10), seed=9)
    one, two = Placement(params), Placement(params)
    blocks = [(0, 0, 0), (0, 1, 1), (-1, 0, 1), (0, 1, 0)]
    first = {block: one.block(block) for block in blocks}
    for block in reversed(blocks):
        pairs = zip(first[block], two.block(block), strict=True)
        assert all(a.instance == b.instance and (a.shape.bounds == b.shape.bounds).all() for a, b in pairs)


def test_nuclei_lie_in_their_cells():
    params = PhantomParams(shape=(400, 1200, 1200), voxel_size=VoxelSize(20, 20, 20), nucleus_radius_nm=1500.0)
    cells, placement = Cells(params), Placement(params)
    nuclei = list(placement.nuclei(NOUGHT, np.array(params.extent_nm)))
    assert len(nuclei) > 20
    assert len({nucleus.instance for nucleus in nuclei}) == len(nuclei)
    for nucleus in nuclei[:10]:
        around = cells.around(*nucleus.shape.bounds)
        assert depth(around, *nucleus.shape.centre[:, None])[0] > nucleus.shape.radii.max()
