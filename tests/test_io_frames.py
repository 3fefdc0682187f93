"""Directions of axes in space, mirrored, leaning and permuted, against transposed and flipped arrays."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from famous.errors import InputError
from famous.io.frames import Frame, FramedVolume, find_frame, to_nm
from famous.voxels import VoxelSize

PATH = Path("labels.nii")
SHAPE = (4, 5, 6)
VOXELS = np.arange(np.prod(SHAPE), dtype=np.uint16).reshape(SHAPE)
SIZES = np.array([3.0, 2.0, 1.0])  # z, y, x


def straight(signs=(1, 1, 1)):
    """Steps (x, y, z) of the axes z, y, x."""
    return np.fliplr(np.diag(SIZES * signs))


def test_axes_of_a_stack_stay_as_they_are():
    frame = find_frame(PATH, SHAPE, straight(), np.array([7.0, 8, 9]))
    assert frame == Frame((0, 1, 2), (False, False, False), (3.0, 2.0, 1.0), (9.0, 8.0, 7.0))


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_stored_axes_of_any_order_are_sorted(order, tmp_path):
    stored = VOXELS.transpose(order)
    stored.tofile(tmp_path / "a.raw")
    frame = find_frame(PATH, stored.shape, straight()[list(order)], np.zeros(3))
    assert frame.sizes == (3.0, 2.0, 1.0)
    assert bool(frame.notes) == (order != (0, 1, 2))
    volume = FramedVolume(tmp_path / "a.raw", stored.shape, VOXELS.dtype, 0, frame)
    assert np.array_equal(np.stack([volume[z] for z in range(4)]), VOXELS)


@pytest.mark.parametrize("signs", list(itertools.product((1, -1), repeat=3)))
def test_an_axis_counted_from_its_far_end_is_turned_round(signs, tmp_path):
    """The volume lies at 0 … extent; an axis of sign −1 was stored backwards, from the far end on."""
    stored = VOXELS[:: signs[0], :: signs[1], :: signs[2]]
    np.ascontiguousarray(stored).tofile(tmp_path / "a.raw")
    first = np.where(np.array(signs) < 0, (np.array(SHAPE) - 1) * SIZES, 0.0)
    frame = find_frame(PATH, SHAPE, straight(signs), first[::-1])
    assert frame.flips == tuple(sign < 0 for sign in signs)
    assert frame.origin == (0.0, 0.0, 0.0)
    volume = FramedVolume(tmp_path / "a.raw", SHAPE, VOXELS.dtype, 0, frame)
    assert np.array_equal(np.stack([volume[z] for z in range(4)]), VOXELS)


def test_a_room_that_was_turned_turns_no_voxel():
    """ITK writes a stack with x and y backwards from 0: the volume lies at −extent … 0 and is not mirrored."""
    frame = find_frame(PATH, SHAPE, straight((1, -1, -1)), np.array([-10.0, -20.0, 30.0]))
    assert frame.flips == (False, False, False)
    assert frame.origin == (30.0, 20.0, 10.0)
    assert frame.notes == ()


def test_a_volume_about_zero_that_runs_backwards_is_told():
    first = np.array([2.5, 0, 0])
    frame = find_frame(PATH, SHAPE, straight((1, 1, -1)), first)
    assert frame.flips == (False, False, False)
    assert any("x runs backwards about 0" in note for note in frame.notes)


def test_leaning_axes_are_told():
    angle = np.radians(10)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    frame = find_frame(PATH, SHAPE, straight() @ turn.T, np.zeros(3))
    assert frame.axes == (0, 1, 2)
    assert np.allclose(frame.sizes, SIZES)
    assert any("10°" in note for note in frame.notes)


@pytest.mark.parametrize(
    "directions",
    [np.zeros((3, 3)), np.full((3, 3), np.nan), np.ones((3, 3)), np.diag([1, 1, np.inf]), np.diag([1e308] * 3)],
)
def test_directions_that_span_no_space(directions):
    with pytest.raises(InputError, match=r"labels\.nii"), np.errstate(all="ignore"):
        find_frame(PATH, SHAPE, directions, np.zeros(3))


def test_units_become_nm():
    frame = Frame(sizes=(0.00003, 0.000004, 0.000004), origin=(0.001, 0.0, 0.002))
    size, origin, notes = to_nm(PATH, frame, "mm", None)
    assert size is not None
    assert size.is_close(VoxelSize(30, 4, 4))
    assert np.allclose(origin, (1000, 0, 2000))
    assert notes == ()


@pytest.mark.parametrize(("sizes", "unit"), [((5.0, 5.0, 5.0), "mm"), ((1e-7, 1e-7, 1e-7), "um")])
def test_a_unit_that_cannot_be_meant_is_not_used(sizes, unit):
    size, _, notes = to_nm(PATH, Frame(sizes=sizes), unit, None)
    assert size is None
    assert "cannot be meant" in notes[0]
    size, _, notes = to_nm(PATH, Frame(sizes=sizes), unit, "nm")
    assert size == VoxelSize.from_zyx(sizes)
    assert "the option wins" in notes[0]


def test_no_unit_and_no_sizes():
    assert to_nm(PATH, Frame(), "mm", None) == (None, (0.0, 0.0, 0.0), ())
    size, _, notes = to_nm(PATH, Frame(sizes=(1, 1, 1)), None, None)
    assert size is None
    assert "no unit" in notes[0]
    with pytest.raises(InputError, match="furlong"):
        to_nm(PATH, Frame(sizes=(1, 1, 1)), None, "furlong")


def test_a_file_that_is_too_short(tmp_path):
    (tmp_path / "a.raw").write_bytes(bytes(10))
    with pytest.raises(InputError, match=r"the\.nii: found 10 bytes, expected at least 240"):
        FramedVolume(tmp_path / "a.raw", SHAPE, np.dtype("u2"), 0, Frame(), name=Path("the.nii"))
