"""Organelles that are set into others, on drawn volumes."""

from dataclasses import replace

import numpy as np
import pytest
from masknet_crops import NESTED, phantoms
from masknet_nested import NestParams, nest
from scipy import ndimage

from famous.extract.ellipse import ellipse

ALWAYS = NestParams(share=1.0, shift=0.0, scaled=(0.97, 1.5))  # the large one does not fit into itself
OUTER, DONOR, CUT = 3, 5, 8


def drawn():
    """Three slices: a large grey disc, a small bright one, and a black one that the slice's border cuts."""
    ids = np.zeros((3, 160, 200), dtype=np.uint32)
    ids[:, 20:120, 20:120][:, ellipse(100, 100)] = OUTER
    ids[:, 130:150, 150:170][:, ellipse(20, 20)] = DONOR
    ids[:, :10, 150:190] = CUT
    return np.choose(np.searchsorted([0, OUTER, DONOR, CUT], ids), [60, 120, 240, 0]).astype(np.uint8), ids


def test_an_inner_organelle_is_a_whole_one_that_lies_inside_and_is_seen_there():
    total = 0
    for seed in range(20):
        volume, ids = drawn()
        before = volume.copy()
        inner = nest(volume, ids, np.random.default_rng(seed), ALWAYS)
        assert set(np.unique(inner)) <= {0, DONOR}  # neither the large one, which does not fit, nor what is cut off
        assert (ids[1][inner > 0] == OUTER).all()
        core = ndimage.binary_erosion(inner > 0, iterations=3)
        assert (volume[:, core] > 220).all()
        untouched = ~ndimage.binary_dilation(inner > 0, iterations=6)
        assert np.array_equal(volume[:, untouched], before[:, untouched])
        _, parts = ndimage.label(inner)
        total += parts
    assert 10 < total <= 20 * 2  # two have room, and half of the draws are of the large one


def test_inner_organelles_follow_the_outer_one_from_slice_to_slice():
    volume, ids = drawn()
    ids[2][ids[2] == OUTER] = 0  # it ends
    before = volume.copy()
    assert nest(volume, ids, np.random.default_rng(1), ALWAYS).any()
    assert not np.array_equal(volume[0], before[0])
    assert np.array_equal(volume[2], before[2])


def test_they_are_made_brighter_or_darker():
    seen = []
    for seed in range(40):
        volume, ids = drawn()
        inner = nest(volume, ids, np.random.default_rng(seed), replace(ALWAYS, shift=100.0))
        core = ndimage.binary_erosion(inner > 0, iterations=3)
        seen += np.unique(volume[1][core]).tolist()
    assert 240 in seen
    assert min(seen) < 200
    assert max(seen) == 255


@pytest.mark.parametrize("params", [replace(ALWAYS, share=0.0), replace(ALWAYS, room_px=60.0), replace(ALWAYS, most=0)])
def test_without_room_or_wish_nothing_changes(params):
    volume, ids = drawn()
    before = volume.copy()
    assert not nest(volume, ids, np.random.default_rng(0), params).any()
    assert np.array_equal(volume, before)


def test_a_slice_without_organelles_is_left_alone():
    volume, ids = drawn()
    before = volume.copy()
    assert not nest(volume, np.zeros_like(ids), np.random.default_rng(0), ALWAYS).any()
    assert np.array_equal(volume, before)


def test_phantoms_have_organelles_inside_others():
    (scene,) = phantoms(range(3, 4), slices_each=2, side_px=256)
    inside = [item for item in scene.objects if item.class_name == NESTED]
    assert inside
    for item in inside:
        y0, x0, y1, x1 = item.corners
        others = [other for other in scene.objects if other.z == item.z and other.class_name != NESTED]
        around = [o for o in others if o.corners[0] <= y0 and o.corners[1] <= x0 and o.corners[2] >= y1]
        assert any(other.corners[3] >= x1 for other in around)
