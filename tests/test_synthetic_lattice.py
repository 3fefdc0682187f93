"""Randomness that is a function of a place: the same everywhere, uniform, smooth, and of the variance that it says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from famous.synthetic.lattice import Noise, _basis, draw, hashed, spline_weights

INTEGERS = st.integers(-(2**62), 2**62)


def test_hashes_are_pinned():
    """Same values, same bytes: a change here changes every phantom, also the one in data/."""
    assert [draw(0), draw(1, 2, 3)] == [0.4315279722213745, 0.28441333770751953]


@given(INTEGERS, INTEGERS)
def test_hashes_lie_in_0_to_1_and_depend_on_the_order(a, b):
    assert 0 <= draw(a, b) < 1
    assert a == b or draw(a, b) != draw(b, a) or draw(a, b, 1) != draw(b, a, 1)


def test_hashes_are_uniform_and_not_alike_for_neighbours():
    x = np.arange(20_000)
    for keys in ((x,), (7, x), (x, 7), (x // 100, x % 100)):
        values = hashed(*keys)
        assert stats.kstest(values, "uniform").pvalue > 1e-3
        assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 0.03
    assert abs(np.corrcoef(hashed(1, x), hashed(2, x))[0, 1]) < 0.03


def test_hashes_broadcast_like_arrays():
    z, y, x = np.arange(3)[:, None, None], np.arange(4)[None, :, None], np.arange(5)[None, None, :]
    block = hashed(9, z, y, x)
    assert block.shape == (3, 4, 5)
    assert block.dtype == np.float32
    assert all(block[i, j, k] == draw(9, i, j, k) for i, j, k in [(0, 0, 0), (2, 3, 4), (1, 0, 3)])
    assert hashed(1, np.zeros(0, int)).shape == (0,)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_spline_weights_share_one_and_are_positive(fractions):
    weights = spline_weights(np.array(fractions))
    assert weights.shape == (len(fractions), 4)
    assert np.allclose(weights.sum(axis=1), 1)
    assert (weights >= -1e-12).all()
    assert np.allclose(weights @ np.arange(-1, 3), fractions)  # they reproduce straight lines


def test_the_basis_holds_only_the_points_around():
    first, matrix = _basis(np.array([-0.5, 0.0, 2.25]))
    assert first == -2
    assert matrix.shape == (3, 7)
    assert ((matrix > 0).sum(axis=1) <= 4).all()
    assert np.allclose(matrix @ (first + np.arange(7)), [-0.5, 0.0, 2.25], atol=1e-6)


# ---- noise ----


def test_noise_has_mean_0_and_variance_1_over_places():
    values = [Noise(seed, 10.0).plane(3.7 * seed, np.arange(400.0) * 3.1, np.arange(400.0) * 2.9) for seed in range(6)]
    assert abs(np.mean(values)) < 0.03
    assert np.var(values) == pytest.approx(1, abs=0.05)


@settings(max_examples=20)
@given(st.floats(-1e5, 1e5), st.floats(1, 1000), st.integers(0, 2**40))
def test_a_part_of_a_plane_is_that_of_the_whole(z, wavelength, seed):
    noise = Noise(seed, wavelength)
    y, x = 40.0 + np.arange(12) * 7.0, -90.0 + np.arange(15) * 5.0
    whole = noise.plane(z, y, x)
    assert whole.shape == (12, 15)
    assert np.allclose(noise.plane(z, y[3:7], x[2:9]), whole[3:7, 2:9], atol=1e-5)
    assert np.allclose(noise.plane(z, y[5:6], x[8:9]), whole[5, 8], atol=1e-5)


def test_noise_is_continuous_across_the_lattice():
    noise = Noise(5, 10.0)
    y = np.array([9.999, 10.001, 19.999, 20.001])
    values = noise.plane(10.0, y, y)
    assert np.abs(values[0] - values[1]).max() < 1e-2
    for z in (0.0, 10.0, -10.0):
        assert np.abs(noise.plane(z - 1e-3, y, y) - noise.plane(z + 1e-3, y, y)).max() < 1e-2


def test_the_slope_is_the_difference_of_planes():
    noise = Noise(3, 12.0)
    y, x = np.arange(20) * 2.0, np.arange(30) * 2.0
    for z in (0.3, 17.0, -5.5):
        values, slope = noise.plane_and_slope(z, y, x)
        assert np.allclose(values, noise.plane(z, y, x), atol=1e-5)
        difference = (noise.plane(z + 0.05, y, x) - noise.plane(z - 0.05, y, x)) / 0.1
        assert np.allclose(slope, difference, atol=5e-3)


def test_far_places_are_not_alike_and_near_ones_are():
    noise = Noise(8, 10.0)
    side = np.arange(200) * 4.0
    here = noise.plane(0.0, side, side).ravel()
    assert np.corrcoef(here, noise.plane(1.0, side, side).ravel())[0, 1] > 0.95
    assert abs(np.corrcoef(here, noise.plane(60.0, side, side).ravel())[0, 1]) < 0.1
    assert abs(np.corrcoef(here, Noise(9, 10.0).plane(0.0, side, side).ravel())[0, 1]) < 0.1


def test_no_place_gives_no_value():
    nothing, some = np.zeros(0), np.zeros(3)
    assert Noise(1, 5.0).plane(0, nothing, some).shape == (0, 3)
    assert Noise(1, 5.0).plane(0, some, nothing).shape == (3, 0)
    assert Noise(1, 5.0).plane_and_slope(0, nothing, nothing)[1].shape == (0, 0)


def test_a_line_is_the_noise_along_z():
    noise = Noise(4, 24.0)
    zero = np.zeros(1)
    assert [noise.line(z) for z in (0.0, 11.5, -3.0)] == [
        float(noise.plane(z, zero, zero)[0, 0]) for z in (0.0, 11.5, -3)
    ]
