"""What is held back of a blur is what its topology needs, and little more."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from famous.surface import holding
from famous.surface.holding import held
from famous.surface.marching import Slab
from famous.topology import count_topology


def slabs(field, solid, cuts=()):
    """Slabs that share a plane each."""
    ends = [0, *cuts, len(field) - 1]
    for first, last in itertools.pairwise(ends):
        yield Slab(first, field[first : last + 1], solid[first : last + 1])


def blurred(solid, sigma=1.5):
    return ndimage.gaussian_filter(solid.astype(np.float32), sigma, mode="constant")


def repaired(solid, field, points):
    """What is inside once these points stay."""
    inside = field > 0.5
    inside.flat[points] = solid.flat[points]
    return inside


def bridged():
    solid = np.zeros((16, 16, 44), bool)
    solid[3:13, 3:13, 3:15] = solid[3:13, 3:13, 29:41] = True
    solid[7:9, 7:9, 15:29] = True
    return solid


def test_a_bridge_is_held_and_nothing_else():
    solid = bridged()
    field = blurred(solid)
    points = held(slabs(field, solid), 0.5)
    place = np.stack(np.unravel_index(points, solid.shape), axis=1)
    assert (place[:, 2] >= 13).all()
    assert (place[:, 2] < 31).all()
    assert (np.abs(place[:, :2] - 7.5) < 3).all()
    bridge = solid[:, :, 16:28]
    assert repaired(solid, field, points)[:, :, 16:28].sum() == bridge.sum()  # as thick as it was
    assert count_topology(repaired(solid, field, points)) == count_topology(solid)


def test_a_gap_that_would_close_is_held_open():
    solid = np.pad(np.ones((12, 20, 20), bool), 2)
    solid[:, 12, 12] = False
    field = blurred(solid)
    points = held(slabs(field, solid), 0.5)
    assert 12 <= len(points) < 80
    assert count_topology(repaired(solid, field, points)) == count_topology(solid)


def test_nothing_is_held_where_the_blur_changes_nothing():
    away = np.indices((25, 25, 25)) - 12
    solid = (away**2).sum(axis=0) < 80
    assert len(held(slabs(blurred(solid), solid), 0.5)) == 0


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.3, 0.8), st.sampled_from([0.5, 1.0]), st.floats(0.4, 0.6))
def test_what_cannot_go_keeps_any_topology(seed, share, grain, level):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).random((9, 10, 11)), grain)
    solid = np.pad(noise > np.quantile(noise, share), 2)
    field = blurred(solid, 0.8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(holding, "AROUND", 0.0)  # what has to stay, without what is close by
        points = held(slabs(field, solid), level)
    inside = field > level
    inside.flat[points] = solid.flat[points]
    assert count_topology(inside) == count_topology(solid)


@pytest.mark.parametrize("cuts", [(1,), (7,), (4, 5, 6, 9), (14,), tuple(range(1, 15))])
def test_slabs_leave_no_trace(cuts):
    solid = bridged()
    field = blurred(solid)
    assert np.array_equal(held(slabs(field, solid, cuts), 0.5), held(slabs(field, solid), 0.5))


def test_too_many_are_not_looked_at(monkeypatch):
    solid = bridged()
    monkeypatch.setattr(holding, "MOST", 3)
    assert len(held(slabs(blurred(solid), solid), 0.5)) == 0
