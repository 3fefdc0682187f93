"""The microscope's faults, each a function of the slice: what is off does nothing, what is on has its size."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from famous.synthetic.microscope import drift, expose, exposure, is_missing
from famous.synthetic.params import PhantomParams
from famous.voxels import VoxelSize

CLEAN = PhantomParams(shape=(500, 64, 64), voxel_size=VoxelSize(10, 5, 10), seed=2, noise=0.0, blur_nm=0.0)
RAMP = np.tile(np.linspace(0, 255, 64, dtype=np.float32), (64, 1))


def test_without_faults_grey_values_are_only_rounded():
    assert (expose(RAMP, 3, CLEAN) == np.rint(RAMP)).all()
    assert (expose(np.full((2, 2), 300, np.float32), 0, CLEAN) == 255).all()
    assert (expose(np.full((2, 2), -9, np.float32), 0, CLEAN) == 0).all()
    assert (drift(7, CLEAN), exposure(7, CLEAN), is_missing(7, CLEAN)) == ((0.0, 0.0), (1.0, 0.0), False)


def test_the_image_that_was_given_is_not_changed():
    image = RAMP.copy()
    expose(image, 3, replace(CLEAN, noise=1, blur_nm=20, streaks=5, gamma=2, contrast_jumps=0.5))
    assert (image == RAMP).all()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_as_many_slices_are_lost_as_was_asked_for(share):
    lost = np.mean([is_missing(z, replace(CLEAN, missing=share)) for z in range(2000)])
    assert lost == pytest.approx(share, abs=0.04)
    assert share not in (0.0, 1.0) or lost == share


def test_slices_lost_at_a_lower_share_are_lost_at_a_higher_one():
    few, many = ({z for z in range(300) if is_missing(z, replace(CLEAN, missing=share))} for share in (0.1, 0.4))
    assert few < many


@pytest.mark.parametrize("nm", [1.0, 40.0])
def test_drift_has_its_size_is_slow_and_the_two_axes_differ(nm):
    way = np.array([drift(z, replace(CLEAN, drift_nm=nm)) for z in range(1500)])
    assert way.std(axis=0) == pytest.approx([nm, nm], rel=0.35)
    assert np.abs(np.diff(way, axis=0)).mean() < 0.4 * nm
    assert abs(np.corrcoef(way.T)[0, 1]) < 0.4
    assert drift(900, replace(CLEAN, drift_nm=nm)) == tuple(way[900])


@pytest.mark.parametrize("jumps", [0.02, 0.1, 1.0])
def test_contrast_jumps_so_often_and_stays_between(jumps):
    params = replace(CLEAN, contrast_jumps=jumps)
    spells = [exposure(z, params) for z in range(1000)]
    changes = sum(a != b for a, b in pairwise(spells))
    assert changes == pytest.approx(1000 * jumps, rel=0.1, abs=2)
    assert all(0.75 <= gain <= 1.25 and -30 <= offset <= 30 for gain, offset in spells)


def test_a_jump_is_a_gain_around_mid_grey_and_an_offset():
    params = replace(CLEAN, contrast_jumps=0.5)
    gain, offset = exposure(5, params)
    assert (expose(RAMP, 5, params) == np.clip(np.rint((RAMP - 128) * gain + 128 + offset), 0, 255)).mean() > 0.99


def test_blur_is_a_length_along_each_axis():
    point = np.zeros((64, 64), np.float32)
    point[32, 32] = 255 * 60
    seen = expose(point, 0, replace(CLEAN, blur_nm=20.0)).astype(float)  # 4 pixels along y, 2 along x
    y, x = (np.arange(64) - 32.0 for _ in range(2))
    spread = [
        np.sqrt((seen.sum(axis=1) * y**2).sum() / seen.sum()),
        np.sqrt((seen.sum(axis=0) * x**2).sum() / seen.sum()),
    ]
    assert spread == pytest.approx([4, 2], rel=0.1)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_gamma_bends_and_keeps_black_and_white(gamma):
    seen = expose(RAMP, 0, replace(CLEAN, gamma=gamma)).astype(float)
    assert np.allclose(seen, 255 * (RAMP / 255) ** gamma, atol=0.51)


@pytest.mark.parametrize("level", [60, 180])
def test_noise_is_of_the_read_out_and_the_shots(level):
    flat, kept = np.full((200, 200), level, np.float32), 0.816  # what the blur of the grain leaves of its spread
    for noise in (0.5, 1.0):
        seen = expose(flat, 0, replace(CLEAN, noise=noise)).astype(float)
        assert seen.mean() == pytest.approx(level, abs=0.5)
        assert seen.std() == pytest.approx(kept * noise * np.sqrt(60 + 0.9 * level), rel=0.03)


def test_noise_differs_from_slice_to_slice_and_seed_to_seed_only():
    flat, noisy = np.full((64, 64), 120, np.float32), replace(CLEAN, noise=1.0)
    here = expose(flat, 1, noisy)
    assert (here == expose(flat, 1, noisy)).all()
    assert abs(np.corrcoef(here.ravel(), expose(flat, 2, noisy).ravel())[0, 1]) < 0.1
    assert abs(np.corrcoef(here.ravel(), expose(flat, 1, replace(noisy, seed=3)).ravel())[0, 1]) < 0.1


def test_streaks_are_vertical_of_their_size_and_last_some_slices():
    flat, params = np.full((64, 2000), 120, np.float32), replace(CLEAN, streaks=6.0)
    first, next_one, far = (expose(flat, z, params).astype(float) for z in (0, 1, 60))
    assert (first == first[0]).all()
    assert first[0].std() == pytest.approx(6, rel=0.2)
    assert np.corrcoef(first[0], next_one[0])[0, 1] > 0.9
    assert abs(np.corrcoef(first[0], far[0])[0, 1]) < 0.15
