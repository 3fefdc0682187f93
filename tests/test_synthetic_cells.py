"""Cells fill space, know their walls, and hold a nucleus with its nucleolus."""

from dataclasses import replace

import numpy as np
import pytest

from famous.synthetic.cells import JITTER, LARGEST_RADIUS, Cells, depth, rotation
from famous.synthetic.params import PhantomParams
from famous.voxels import VoxelSize

PARAMS = PhantomParams(shape=(100, 300, 300), voxel_size=VoxelSize(20, 20, 20), seed=4)


@pytest.fixture(scope="module")
def cells():
    return Cells(PARAMS)


def test_rotations_are_orthonormal_and_turn_everywhere():
    turns = [rotation(np.random.default_rng(seed)) for seed in range(300)]
    assert all(np.allclose(turn @ turn.T, np.eye(3)) for turn in turns)
    assert np.abs(np.mean([turn[0] for turn in turns], axis=0)).max() < 0.15


def test_centres_lie_on_a_jittered_lattice(cells):
    index, centres = cells.centres(np.full(3, -30_000.0), np.full(3, 30_000.0))
    lattice = centres - index * cells.pitch_nm
    assert (np.ptp(lattice, axis=0) <= 2 * JITTER * cells.pitch_nm).all()
    assert len(np.unique(index, axis=0)) == len(index) > 100
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=-1)
    assert apart[np.triu_indices(len(centres), 1)].min() >= (1 - 2 * JITTER) * cells.pitch_nm


def test_a_cell_is_the_same_whichever_box_asks_for_it(cells):
    wide_index, wide = cells.centres(np.full(3, -20_000.0), np.full(3, 20_000.0))
    index, some = cells.centres(np.zeros(3), np.full(3, 6000.0))
    known = {tuple(i): tuple(c) for i, c in zip(wide_index.tolist(), wide, strict=True)}
    assert all(known[tuple(i)] == tuple(c) for i, c in zip(index.tolist(), some, strict=True))


@pytest.mark.parametrize("seed", range(5))
def test_nuclei_lie_inside_their_cell_and_nucleoli_inside_them(seed):
    own = Cells(replace(PARAMS, seed=seed))
    index, centres = own.centres(np.full(3, -8000.0), np.full(3, 14_000.0))
    for i, centre in list(zip(index.tolist(), centres, strict=True))[::7]:
        nucleus = own.nucleus(tuple(i), centre)
        assert (nucleus.radii <= LARGEST_RADIUS * PARAMS.nucleus_nm).all()
        places = own.around(nucleus.bounds[0], nucleus.bounds[1])
        surface = nucleus.centre + (rotation(np.random.default_rng(1)) * nucleus.radii.max())
        assert (depth(places, *surface.T) > 0).all()
        nucleolus = own.nucleolus(nucleus)
        shell = nucleolus.centre + np.vstack([np.eye(3), -np.eye(3)]) * nucleolus.radii.max()
        assert (nucleus.distance(*shell.T) < 0).all()


def test_a_nucleus_is_the_same_every_time(cells):
    one, two = (cells.nucleus((1, -2, 3), np.zeros(3)) for _ in range(2))
    assert (one.radii == two.radii).all()
    assert (one.axes == two.axes).all()
    assert (one.radii != cells.nucleus((1, -2, 4), np.zeros(3)).radii).any()


def test_the_depth_is_the_distance_to_the_wall():
    centres = np.array([[0.0, 0, 0], [0, 0, 1000]])
    x = np.array([-200.0, 0.0, 300.0, 499.0, 501.0, 900.0])
    zero = np.zeros_like(x)
    assert np.allclose(depth(centres, zero, zero, x), [700, 500, 200, 1, 1, 400])
    assert np.allclose(depth(centres, zero + 50, zero - 9, x), [700, 500, 200, 1, 1, 400])


def test_the_cells_around_a_box_are_enough_for_its_walls(cells):
    low, high = np.array([0.0, 0, 0]), np.array([2000.0, 2000, 2000])
    few, (_, many) = cells.around(low, high), cells.centres(low - 16_000, high + 16_000)
    places = np.random.default_rng(0).uniform(low, high, (200, 3)).T
    assert len(few) < len(many)
    assert np.allclose(depth(few, *places), depth(many, *places))


def test_without_nuclei_cells_are_as_wide_as_the_field():
    wide = Cells(replace(PARAMS, nucleus_radius_nm=0.0))
    assert wide.pitch_nm == pytest.approx(1.2 * 6000)
    assert Cells(PhantomParams(shape=(1, 1, 1), nucleus_radius_nm=0.0)).pitch_nm == 3000
    assert Cells(replace(PARAMS, nucleus_radius_nm=500.0)).pitch_nm == 1800
