"""Label sets of other voxel sizes and crops on one grid, against plain indexing; and what cannot be meant."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from famous import boxes as box_table
from famous.errors import InputError
from famous.io.grids import Grid, ResampledVolume, bring_together
from famous.io.truths import Truth
from famous.voxels import VoxelSize

SIZE = VoxelSize(30, 4, 5)
LABELS = np.arange(8 * 10 * 12, dtype=np.uint32).reshape(8, 10, 12)


def truth(name, labels, size=SIZE, origin=(0.0, 0.0, 0.0), **more):
    return Truth(name, {"a": labels}, size, labels.shape, origin, path=f"{name}.tif", **more)


def read(one):
    volume = one.classes["a"]
    return np.stack([volume[z] for z in range(volume.shape[0])])


def test_the_same_voxels_are_left_alone():
    (one, two), grid, notes = bring_together([truth("A", LABELS), truth("B", LABELS + 1)])
    assert grid == Grid(LABELS.shape, SIZE)
    assert one.classes["a"] is LABELS
    assert two.grid == grid
    assert notes == ()


def test_one_alone():
    brought, grid, notes = bring_together([truth("A", LABELS)])
    assert len(brought) == 1
    assert grid.shape == LABELS.shape
    assert notes == ()
    with pytest.raises(InputError, match="no label set"):
        bring_together([])


def test_a_crop_cuts_the_others():
    crop = truth("B", LABELS[2:6, 3:9, 4:10], origin=(60.0, 12.0, 20.0))
    (one, two), grid, notes = bring_together([truth("A", LABELS), crop])
    assert grid == Grid((4, 6, 6), SIZE, (60.0, 12.0, 20.0))
    assert np.array_equal(read(one), LABELS[2:6, 3:9, 4:10])
    assert np.array_equal(read(two), read(one))
    assert "compared is what all have in common: 4 × 6 × 6 voxels" in notes[0]


def test_a_part_of_which_nobody_says_where_it_begins_is_told_first():
    told = "B: its file does not say where in A it begins; it is laid at the first voxel of A. Give --offset Z Y X (nm)"
    part = LABELS[1:6, 1:9, 2:10]
    assert bring_together([truth("A", LABELS), truth("B", part)])[2][0].startswith(told)
    placed = [truth("B", part, is_placed=True), truth("B", part, origin=(30.0, 4.0, 10.0))]
    coarse = truth("B", LABELS[:, ::2, ::2], VoxelSize(30, 8, 10))
    for other in (*placed, coarse, truth("B", LABELS)):
        assert not any("does not say" in note for note in bring_together([truth("A", LABELS), other])[2])


def test_three_are_cut_to_what_all_share():
    crops = [truth("B", LABELS[2:], origin=(60, 0, 0)), truth("C", LABELS[:5, :, 3:], origin=(0, 0, 15))]
    brought, grid, _ = bring_together([truth("A", LABELS), *crops])
    assert grid.shape == (3, 10, 9)
    for one in brought:
        assert np.array_equal(read(one), LABELS[2:5, :, 3:])


def test_coarse_voxels_are_those_that_a_centre_lies_in():
    coarse = truth("B", LABELS[:4, :5, :4], VoxelSize(60, 8, 15))
    (one, two), grid, notes = bring_together([truth("A", LABELS), coarse])
    assert grid.shape == LABELS.shape
    expected = LABELS[:4, :5, :4].repeat(2, axis=0).repeat(2, axis=1).repeat(3, axis=2)
    assert np.array_equal(read(two), expected)
    assert np.array_equal(read(one), LABELS)
    assert notes == (f"B: brought from {coarse.voxel_size} to {SIZE} by the nearest voxel",)


def test_fine_voxels_are_left_out():
    fine = truth("B", LABELS.repeat(3, axis=1), VoxelSize(30, 4 / 3, 5))
    (_, two), _, _ = bring_together([truth("A", LABELS), fine])
    assert np.array_equal(read(two), LABELS)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(*[st.integers(1, 9)] * 3),
    st.tuples(*[st.floats(0.3, 3)] * 3),
    st.tuples(*[st.floats(-20, 20)] * 3),
)
def test_each_voxel_has_the_label_at_its_centre(shape, ratios, origin):
    labels = np.arange(1, np.prod(shape) + 1, dtype=np.uint32).reshape(shape)
    size = VoxelSize.from_zyx(np.array(SIZE.zyx) * ratios)
    other = truth("B", labels, size, origin, is_placed=True)
    try:
        (one, two), grid, _ = bring_together([truth("A", LABELS), other])
    except InputError as fault:
        assert "cannot be meant" in str(fault)  # noqa: PT017
        return
    assert read(one).shape == read(two).shape == grid.shape
    centres = np.argwhere(np.ones(LABELS.shape, bool)) * SIZE.zyx + np.array(SIZE.zyx) / 2
    places = (centres - origin) / size.zyx
    clearly_in = ((places > 1e-3) & (places < np.array(shape) - 1e-3)).all(axis=1)
    clearly_out = ((places < -1e-3) | (places > np.array(shape) + 1e-3)).any(axis=1)
    assert clearly_in.sum() <= np.prod(grid.shape) <= LABELS.size - clearly_out.sum()
    found = read(two)
    for index in np.ndindex(*grid.shape):
        centre = np.array(grid.origin_nm) + (np.array(index) + 0.5) * SIZE.zyx
        place = (centre - origin) / size.zyx
        if (np.abs(place - np.rint(place)) > 1e-3).all():
            assert (place >= 0).all()
            assert (place < shape).all()
            assert found[index] == labels[tuple(np.floor(place).astype(int))]


@pytest.mark.parametrize(("shift", "first"), [(-0.5, 1), (-0.25, 0), (0.25, 0), (0.5, 0)])
def test_a_crop_that_lies_aslant_the_voxels(shift, first):
    """Of two voxels whose border is at a centre it is the upper; half a voxel beyond the last centre counts."""
    other = truth("B", LABELS, origin=(shift * 30, 0.0, 0.0), is_placed=True)
    (_, two), grid, _ = bring_together([truth("A", LABELS), other])
    assert grid.shape == LABELS.shape
    assert grid.origin_nm == (0.0, 0.0, 0.0)
    expected = np.minimum(np.arange(8) + first, 7)
    assert np.array_equal(read(two), LABELS[expected])


def test_a_resampled_volume_may_be_sent_and_is_not_changed_by_its_reader():
    places = [np.array([0, 0, 1]), np.arange(10), np.array([0, 2, 5])]
    volume = pickle.loads(pickle.dumps(ResampledVolume(LABELS, places)))
    image = volume[0]
    image[:] = 0
    assert np.array_equal(volume[1], LABELS[0][:, [0, 2, 5]])
    assert volume.shape == (3, 10, 3)


def test_the_same_voxels_in_a_frame_of_their_own():
    (_, two), _, notes = bring_together([truth("A", LABELS), truth("B", LABELS, origin=(9000, 800, 700))])
    assert two.origin_nm == (0.0, 0.0, 0.0)
    assert "laid on the same voxels" in notes[0]
    placed = truth("B", LABELS, origin=(60.0, 0, 0), is_placed=True)
    _, grid, _ = bring_together([truth("A", LABELS), placed])
    assert grid.shape == (6, 10, 12)


def test_rounded_voxel_sizes_are_the_same():
    (_, two), _, notes = bring_together([truth("A", LABELS), truth("B", LABELS, VoxelSize(30, 4.02, 5))])
    assert two.voxel_size == SIZE
    assert "is taken as" in notes[0]


SIZE_OF_BOTH = r"the voxel size of both, --voxel-size Z Y X \(nm\)$"


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (VoxelSize(30e3, 4e3, 5e3), rf"differ 1e\+03 times.*factor of 1000 would explain it: give {SIZE_OF_BOTH}"),
        (VoxelSize(0.03, 0.004, 0.005), "a factor of 1000 would explain it"),
        (VoxelSize(300, 40, 50), f"a factor of 10 .nm and Å. would explain it: give {SIZE_OF_BOTH}"),
        (VoxelSize(50, 8, 8), f"of another size.*one of the voxel sizes is wrong: give {SIZE_OF_BOTH}"),
        (VoxelSize(30, 4, 500), f"differ 100 times.*give {SIZE_OF_BOTH}"),
    ],
)
def test_what_cannot_be_meant_stops_with_both_extents(size, message):
    with pytest.raises(InputError, match=message) as fault:
        bring_together([truth("A", LABELS), truth("B", LABELS, size)])
    text = str(fault.value)
    assert "B (B.tif) and A (A.tif)" in text
    assert str(Grid(LABELS.shape, size)) in text
    assert str(Grid(LABELS.shape, SIZE)) in text


@pytest.mark.parametrize("kind", ["NIfTI 1", "NRRD", "Amira"])
def test_a_unit_is_asked_for_where_the_format_has_one(kind):
    with pytest.raises(InputError, match=f"give the unit of its numbers, --unit, or {SIZE_OF_BOTH}"):
        bring_together([truth("A", LABELS), truth("B", LABELS, VoxelSize(300, 40, 50), format=kind)])


@pytest.mark.parametrize("given", ["A", "B"])
def test_a_unit_that_was_given_is_the_likely_cause(given):
    size = VoxelSize(30e6, 4e6, 5e6)
    both = [
        truth("A", LABELS, format="NRRD", given_unit="mm" if given == "A" else None),
        truth("B", LABELS, size, format="NRRD", given_unit="mm" if given == "B" else None),
    ]
    said = (
        "a factor of 10⁶ would explain it, and the likely cause is the unit that was given: --unit mm is taken for the "
        f"numbers of {given}; give another or none"
    )
    with pytest.raises(InputError, match=said):
        bring_together(both)


def test_an_offset_that_was_given_is_in_nm():
    """Neither voxels nor µm would bring it back."""
    crop = truth("B", LABELS[:4, :6, :6], origin=(9999.0, 0.0, 0.0), is_placed=True)
    with pytest.raises(InputError, match="no voxel in common") as fault:
        bring_together([truth("A", LABELS), crop])
    assert str(fault.value).endswith(
        "; --offset is in nm (z, y, x): with it B goes from (9999, 0, 0) to (10119, 24, 30), "
        "and A from (0, 0, 0) to (240, 40, 60)"
    )
    assert "not in µm" not in str(fault.value)


@pytest.mark.parametrize(
    ("origin", "hint"),
    [
        ((2.0e9, 0, 0), r"give the offset at which it begins, --offset Z Y X \(nm\)"),
        ((60e3, 8e3, 20e3), "it would fit if the offset is in nm, not in µm"),
    ],
)
def test_no_voxel_in_common(origin, hint):
    crop = truth("B", LABELS[:4, :6, :6], origin=origin)
    with pytest.raises(InputError, match=f"no voxel in common.*{hint}"):
        bring_together([truth("A", LABELS), crop])


def test_an_offset_in_voxels():
    first = truth("A", LABELS, origin=(3000.0, 400.0, 500.0))
    crop = truth("B", LABELS[:4, :6, :6], origin=(100.0, 100.0, 100.0))
    with pytest.raises(InputError, match="offset is in voxels"):
        bring_together([first, crop])


def test_boxes_move_with_the_grid():
    boxes = box_table.from_columns(
        {"z": [2, 3, 7], "y0": [3, 0, 3], "x0": [4, 0, 4], "y1": [6, 2, 6], "x1": [9, 3, 9], "class_name": ["a"] * 3}
    )
    drawn = Truth("B", {}, SIZE, LABELS.shape, boxes=boxes)
    crop = truth("C", LABELS[2:6, 3:9, 4:10], origin=(60.0, 12.0, 20.0))
    (_, two, _), grid, _ = bring_together([truth("A", LABELS), drawn, crop])
    assert two.boxes is not None
    assert two.boxes[["z", "y0", "x0", "y1", "x1"]].to_numpy().tolist() == [[0, 0, 0, 3, 5]]
    assert two.shape == grid.shape
    coarse = replace(drawn, voxel_size=VoxelSize(60, 8, 10), is_placed=True)
    (_, two), _, _ = bring_together([truth("A", LABELS), coarse])
    assert two.boxes is not None
    assert two.boxes.iloc[0][["z", "y0", "x0", "y1", "x1"]].tolist() == [5, 6, 8, 10, 12]


def test_a_grid_says_where_it_lies():
    grid = Grid((4, 5, 6), VoxelSize(100, 10, 10), (1000.0, 0.0, 50.0), ("a", "b", "c", "d"))
    assert str(grid) == ("4 × 5 × 6 voxels of 100 × 10 × 10 nm (z, y, x): z 1 … 1.4, y 0 … 0.05, x 0.05 … 0.11 µm")
    part = grid.cropped((1, 0, 2), (3, 5, 6))
    assert part == Grid((2, 5, 4), grid.voxel_size, (1100.0, 0.0, 70.0), ("b", "c"))
    assert not part.is_close(grid)
    assert grid.is_close(replace(grid, origin_nm=(1000.05, 0.0, 50.0)))


BIG = np.zeros((10, 100, 100), np.uint8)


def test_most_of_it_outside_is_not_meant():
    """Of 8 slices 3 are common: more than half lies outside; of 4 it is half, which is told."""
    first = truth("A", LABELS)
    outside = truth("B", LABELS, origin=(150.0, 0.0, 0.0), is_placed=True)
    with pytest.raises(InputError, match=r"62 % of the first lies outside of the second.*give the offset") as fault:
        bring_together([first, outside])
    assert str(outside.grid) in str(fault.value)
    assert str(first.grid) in str(fault.value)
    _, grid, notes = bring_together([first, replace(outside, origin_nm=(120.0, 0.0, 0.0))])
    assert grid.shape == (4, 10, 12)
    assert "B: 50 % of its extent lies outside of A; it is cut there" in notes


def test_a_truth_round_the_first_one_must_be_placed():
    first = truth("A", LABELS[:3])
    with pytest.raises(InputError, match="62 % of the first lies outside"):
        bring_together([first, truth("B", LABELS)])
    (_, two), _, _ = bring_together([first, truth("B", LABELS, is_placed=True)])
    assert np.array_equal(read(two), LABELS[:3])
    (_, two), _, _ = bring_together([first, truth("B", LABELS, origin=(-60.0, 0.0, 0.0))])
    assert np.array_equal(read(two), LABELS[2:5])


def test_a_small_part_lies_where_it_was_placed_and_not_at_the_corner():
    first, part = truth("A", BIG), truth("B", BIG[:5, :10, :10])
    with pytest.raises(InputError, match=r"covers 0\.5 % of the second, at its corner") as fault:
        bring_together([first, part])
    assert str(part.grid) in str(fault.value)
    assert str(first.grid) in str(fault.value)
    assert bring_together([first, part], is_partial=True)[1].shape == (5, 10, 10)
    for placed in (replace(part, is_placed=True), replace(part, origin_nm=(30.0, 40.0, 0.0))):
        assert bring_together([first, placed])[1].shape == (5, 10, 10)
    assert bring_together([first, truth("B", BIG[:5, :20, :10])])[1].shape == (5, 20, 10)  # 1 %


def test_boxes_may_reach_beyond():
    drawn = Truth("B", {}, VoxelSize(60, 8, 10), LABELS.shape, boxes=box_table.empty(), is_placed=True)
    assert bring_together([truth("A", LABELS), drawn])[1].shape == LABELS.shape
