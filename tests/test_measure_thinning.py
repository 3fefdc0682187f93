"""Thinning keeps what it must, and leaves a line."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from famous.measure.thinning import thin
from famous.neighbours import SHIFTS, is_simple
from famous.topology import Topology, count_topology
from tests.solids import FIB, ball, torus, tube, voxelize
from tests.tubes import y_tube


def thinned(mask, apart=5.0):
    line = np.zeros_like(mask)
    line[tuple(thin(mask, apart).T)] = True
    return line


@pytest.mark.parametrize("make", [ball, tube, torus, y_tube])
def test_solids_keep_their_topology_and_become_lines(make):
    mask = voxelize(make(), FIB).mask[::2, ::2, ::2]
    mask = np.pad(mask, 1)
    line = thinned(mask)
    assert not (line & ~mask).any()
    assert count_topology(line) == count_topology(mask)
    neighbours = ndimage.convolve(line.astype(int), np.ones((3, 3, 3), int), mode="constant")[line] - 1
    assert np.median(neighbours) == 2
    assert line.sum() < 150


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.2, 0.9))
def test_any_mask_keeps_its_topology(seed, share):
    mask = np.pad(np.random.default_rng(seed).random((6, 7, 8)) < share, 1)
    line = thinned(mask, 2.0)
    assert not (line & ~mask).any()
    assert count_topology(line) == count_topology(mask)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**26 - 1))
def test_a_simple_voxel_changes_nothing(bits):
    block = np.zeros((5, 5, 5), bool)
    for k, shift in enumerate(SHIFTS):
        block[tuple(2 + np.array(shift))] = bits >> k & 1
    without = count_topology(block)
    block[2, 2, 2] = True
    if is_simple(bits):  # numbers may also agree by chance: one piece less, one tunnel more
        assert count_topology(block) == without


def test_known_neighbourhoods():
    place = {shift: 1 << k for k, shift in enumerate(SHIFTS)}
    assert not is_simple(0)  # alone
    assert not is_simple(2**26 - 1)  # inside
    assert is_simple(place[0, 0, 1])  # the end of a line
    assert not is_simple(place[0, 0, 1] | place[0, 0, -1])  # the middle of one
    assert not is_simple(2**26 - 1 - place[0, 0, 1] - place[0, 0, -1])  # a wall between two hollows
    assert is_simple(2**26 - 1 - place[0, 0, 1])


def test_the_ends_of_an_even_tube_stay():
    """Two voxels thick, where thinning by layers takes the whole away from its end."""
    mask = np.zeros((4, 4, 42), bool)
    mask[1:3, 1:3, 1:41] = True
    line = thin(mask, 2.0)
    assert line[:, 2].min() == 1
    assert line[:, 2].max() == 40


def test_nothing_thins_to_nothing():
    assert thin(np.zeros((3, 3, 3), bool), 5.0).shape == (0, 3)


def test_one_voxel_stays():
    mask = np.zeros((3, 3, 3), bool)
    mask[1, 1, 1] = True
    assert thin(mask, 5.0).tolist() == [[1, 1, 1]]
    assert count_topology(mask) == Topology(1, 0, 0)
