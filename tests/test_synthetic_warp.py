"""The distortion: its determinant is 1, it can be undone, and nothing moves further than it says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from famous.synthetic.warp import Warp

PLACES = np.random.default_rng(0).uniform(-5000, 20_000, (3, 400))


def determinant(warp, places, step=0.5):
    """Jacobian determinant at places (3, n) by central differences."""
    columns = []
    for axis in range(3):
        by = np.zeros((3, 1))
        by[axis] = step
        high, low = (np.array(warp.forward(*(places + sign * by))) for sign in (1, -1))
        columns.append((high - low) / (2 * step))
    return np.linalg.det(np.stack(columns, axis=-1).transpose(1, 0, 2))


@settings(max_examples=15)
@given(st.integers(0, 2**40), st.floats(0, 3))
def test_it_keeps_every_volume(seed, strength):
    assert np.allclose(determinant(Warp(seed, strength), PLACES[:, :50]), 1, atol=1e-4)


@settings(max_examples=15)
@given(st.integers(0, 2**40), st.floats(0, 3))
def test_it_can_be_undone_and_done_again(seed, strength):
    warp = Warp(seed, strength)
    assert np.allclose(warp.backward(*warp.forward(*PLACES)), PLACES, atol=1e-6)
    assert np.allclose(warp.forward(*warp.backward(*PLACES)), PLACES, atol=1e-6)


@pytest.mark.parametrize("strength", [0.5, 1.0, 2.0])
def test_nothing_moves_further_than_its_reach(strength):
    warp = Warp(3, strength)
    moved = np.abs(np.array(warp.forward(*PLACES)) - PLACES)
    assert (moved <= warp.reach_nm).all()
    assert moved.max() > 0.3 * warp.reach_nm
    assert warp.reach_nm == pytest.approx(strength * 2 * (110 + 45 + 14))


def test_no_strength_is_no_distortion():
    warp = Warp(3, 0.0)
    assert warp.reach_nm == 0
    assert (np.array(warp.forward(*PLACES)) == PLACES).all()
    assert (np.array(warp.backward(*PLACES)) == PLACES).all()


def test_each_seed_has_its_own_and_the_same_every_time():
    assert (np.array(Warp(1).forward(*PLACES)) == np.array(Warp(1).forward(*PLACES))).all()
    assert np.abs(np.array(Warp(1).forward(*PLACES)) - np.array(Warp(2).forward(*PLACES))).max() > 10


def test_a_plane_is_mapped_as_its_places_are_and_keeps_its_type():
    warp = Warp(7)
    y, x = (np.arange(4) * 30).astype(np.float32)[:, None], (np.arange(5) * 40).astype(np.float32)[None]
    plane = [np.broadcast_to(c, (4, 5)) for c in warp.forward(100.0, y, x)]
    assert all(np.asarray(c).dtype == np.float32 for c in warp.forward(100.0, y, x))
    single = warp.forward(100.0, np.array([60.0]), np.array([120.0]))
    assert np.allclose([c[2, 3] for c in plane], np.ravel(single), atol=1e-3)
