"""Labels of some slices only, laid on the slices of the stack that the user names."""

import numpy as np
import pytest

from famous.errors import InputError
from famous.io.grids import Grid
from famous.io.some_slices import SpreadVolume
from famous.io.truths import Placing, open_truth
from famous.voxels import VoxelSize
from tests.damage import every_slice

SIZE = VoxelSize(40, 8, 8)
LIKE = Grid((20, 12, 16), SIZE, (400.0, 0.0, 0.0))
LABELS = np.arange(3 * 12 * 16, dtype=np.uint16).reshape(3, 12, 16)


@pytest.fixture
def sparse(tmp_path):
    """The slices 0, 10 and 19, a TIFF each."""
    import tifffile

    (tmp_path / "sparse").mkdir()
    for z, image in zip((0, 10, 19), LABELS, strict=True):
        tifffile.imwrite(tmp_path / "sparse" / f"s_{z:03d}.tif", image)
    return tmp_path / "sparse"


def test_its_slices_are_those_that_are_named(sparse):
    truth = open_truth(sparse, name="M1", like=LIKE, placing=Placing(slices=(0, 10, 19)))
    assert truth.grid == LIKE
    volume = every_slice(truth.classes["object"])
    assert np.array_equal(volume[[0, 10, 19]], LABELS)
    assert np.count_nonzero(volume) == np.count_nonzero(LABELS)
    assert any("its 3 slices are taken as the slices 0, 10, 19 of the stack" in note for note in truth.notes)
    assert not any("neighbours" in note for note in truth.notes)


def drawn(path, z):
    """Two rods through 20 slices, drawn as a mask in some of them only."""
    import tifffile

    volume = np.zeros((20, 12, 16), np.uint8)
    volume[list(z), 2:6, 2:6] = volume[list(z), 7:11, 8:14] = 255
    tifffile.imwrite(path, volume)
    return path


@pytest.mark.parametrize("z", [(0, 10, 19), (3,), range(4, 9)])
def test_what_is_drawn_in_some_slices_of_a_whole_mask_is_one_object_in_all_of_them(tmp_path, z):
    truth = open_truth(drawn(tmp_path / "m.tif", z), name="M1", like=LIKE, placing=Placing(SIZE, slices=tuple(z)))
    volume = every_slice(truth.classes["object"])
    assert truth.is_semantic == {"object"}
    assert np.unique(volume).tolist() == [0, 1, 2]
    assert [np.unique(volume[k]).size for k in range(20)] == [3 if k in z else 1 for k in range(20)]
    whole = open_truth(tmp_path / "m.tif", name="M1", like=LIKE, placing=Placing(SIZE)).classes["object"]
    assert every_slice(whole).max() == (2 if len(z) != 3 else 6)


def test_on_another_grid_no_slice_is_left_out(tmp_path):
    """There the slices that are named are others."""
    placing = Placing(SIZE, offset_nm=(40.0, 0.0, 0.0), slices=(0, 10, 19))
    truth = open_truth(drawn(tmp_path / "m.tif", (1, 11, 18)), name="M1", like=LIKE, placing=placing)
    assert every_slice(truth.classes["object"]).max() == 6


def test_one_slice_is_told_as_one(sparse):
    truth = open_truth(sparse / "s_010.tif", name="M1", like=LIKE, placing=Placing(slices=(10,)))
    assert "its 1 slice is taken as the slice 10 of the stack, as --slices says" in truth.notes
    assert np.array_equal(every_slice(truth.classes["object"])[10], LABELS[1])


def test_a_voxel_size_that_is_given_changes_nothing(sparse):
    truth = open_truth(sparse, name="M1", like=LIKE, placing=Placing(SIZE, slices=(0, 10, 19)))
    assert truth.grid == LIKE


def test_another_number_of_slices_is_told(sparse):
    said = "it has 3 slices and --slices names 2: were they as many, its slices would be those"
    with pytest.raises(InputError, match=f"without a voxel size.*{said}"):
        open_truth(sparse, name="M1", like=LIKE, placing=Placing(slices=(0, 10)))
    laid = open_truth(sparse, name="M1", like=LIKE, placing=Placing(SIZE, slices=(0, 10)))
    assert said in laid.notes
    assert laid.shape == LABELS.shape


def test_what_lies_elsewhere_is_not_laid_on_slices(sparse):
    """An offset says where it begins; other rows are another part."""
    placed = open_truth(sparse, name="M1", like=LIKE, placing=Placing(SIZE, offset_nm=(0, 0, 0), slices=(0, 10, 19)))
    assert placed.shape == LABELS.shape
    other = Grid((20, 13, 16), SIZE)
    assert open_truth(sparse, name="M1", like=other, placing=Placing(SIZE, slices=(0, 10, 19))).shape == LABELS.shape


def test_there_is_no_slice_beyond_the_last():
    with pytest.raises(IndexError):
        SpreadVolume(LABELS, (0, 10, 19), 20)[20]
