import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from famous import boxes as box_table
from famous import labels
from famous.errors import ConfigError, InputError
from famous.link import OverlapParams, link, prune, slice_overlaps
from famous.voxels import VoxelSize
from tests import link_phantoms as phantoms
from tests.link_phantoms import VOXEL, link_volume, paint_instances, pairs, perfect_boxes, table

VOLUMES = arrays.arrays(np.uint8, (5, 6, 6), elements=st.integers(0, 2))
LENGTHS = {"gap_nm": 0.0, "bridge_nm": 0.0, "minimum_length_nm": 0.0}
ANY_CONTACT = {"contact": 0.0, "fragment_inside": 0.0, "minimum_iou": 0.0, **LENGTHS}


def instances(linked):
    return dict(zip(linked["box"].tolist(), linked["instance"].tolist(), strict=True))


# --- phantoms


@pytest.mark.parametrize("phantom", phantoms.TOGETHER + phantoms.APART)
def test_phantom_gets_its_instances_back(phantom):
    volume = phantom()
    assert labels.are_equivalent(link_volume(volume), volume)


@pytest.mark.parametrize("phantom", [p for p in phantoms.TOGETHER if p is not phantoms.gap])
def test_phantom_with_perfect_boxes_links_as_3d_connected_components(phantom):
    volume = phantom()
    assert labels.are_equivalent(link_volume(volume), ndimage.label(volume, phantoms.CONNECTIVITY)[0])


@pytest.mark.parametrize("phantom", phantoms.APART)
def test_phantom_apart_would_fuse_if_any_contact_joined(phantom):
    assert link_volume(phantom(), **ANY_CONTACT).max() == 1


def test_crumb_fuses_two_bodies_where_the_cross_section_is_not_asked():
    assert link_volume(phantoms.crumb(), contact=0.0).max() == 1


def test_caps_on_top_of_each_other_keep_two_bodies():
    volume = phantoms.cap_on_cap()
    linked = link_volume(volume)
    assert linked.max() == 2
    shared = labels.overlaps(linked, volume.astype(np.uint32)).sort_values("pixels")["pixels"].tolist()
    assert shared[:-2] == [21]  # the one disc that lies exactly on the other's is given to one of them


def test_gap_wider_than_allowed_stays_open():
    assert link_volume(phantoms.gap(), gap_nm=19.9).max() == 2
    assert link_volume(phantoms.gap(), gap_nm=20.0).max() == 1


def test_gap_is_counted_in_nm_not_in_slices():
    thick = VoxelSize(60, 10, 10)
    assert link_volume(phantoms.gap(), voxel_size=thick, gap_nm=60).max() == 2
    assert link_volume(phantoms.gap(), voxel_size=thick, gap_nm=120).max() == 1


def test_missing_slice_does_not_tear_a_fork_apart():
    volume = phantoms.late_island()
    meeting = np.flatnonzero([ndimage.label(image)[1] == 2 for image in volume]).max() + 1
    volume[meeting] = 0
    assert link_volume(volume).max() == 1


def test_two_tubes_with_missing_boxes_are_not_swapped():
    volume = phantoms.touching_pair()
    volume[10:12][volume[10:12] == 1] = 0
    volume[20][volume[20] == 2] = 0
    assert labels.are_equivalent(link_volume(volume), volume)


def fused(volume, slices):
    """The detector's error: one box round both organelles."""
    volume = volume.copy()
    volume[slices][volume[slices] > 0] = 1
    return volume


@pytest.mark.parametrize("phantom", [phantoms.touching_pair, phantoms.unequal_pair])
def test_box_round_two_organelles_does_not_fuse_them(phantom):
    volume = phantom()
    wrong = fused(volume, slice(20, 22))
    assert link_volume(wrong, bridge_nm=19).max() == 1
    linked = link_volume(wrong)
    assert linked.max() == 2
    right = np.r_[0:20, 22:42]
    assert labels.are_equivalent(linked[right], volume[right])
    assert len(np.unique(linked[20:22])) == 2  # background, and the one that takes the box


def test_bridge_as_thick_as_allowed_is_an_error_and_a_thicker_one_is_real():
    volume = fused(phantoms.touching_pair(), slice(20, 23))
    assert link_volume(volume, bridge_nm=30).max() == 2
    assert link_volume(volume, bridge_nm=29).max() == 1


def test_bulge_of_one_slice_stays_with_its_body():
    volume = phantoms.touching_pair()
    volume[volume == 2] = 0
    volume[20] = phantoms.paint(phantoms.tube(lambda z: (30, 22), 18))[20]
    assert link_volume(volume).max() == 1


@settings(max_examples=60, deadline=None)
@given(VOLUMES)
def test_any_contact_equals_3d_connected_components(volume):
    whole = (volume > 0).astype(np.uint8)
    linked = link_volume(whole, **ANY_CONTACT)
    assert labels.are_equivalent(linked, ndimage.label(whole, phantoms.CONNECTIVITY)[0])


# --- the same result for any order, any ids, any chunks


@settings(max_examples=40, deadline=None)
@given(VOLUMES, st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(volume, random):
    boxes, images = perfect_boxes(volume)
    overlaps = slice_overlaps(enumerate(images), reach=3)
    straight = link(boxes, overlaps, voxel_size=VOXEL)
    rows, others = list(range(len(boxes))), list(range(len(overlaps)))
    random.shuffle(rows)
    random.shuffle(others)
    shuffled = link(boxes.iloc[rows], overlaps.iloc[others], voxel_size=VOXEL)
    assert instances(shuffled) == instances(straight)
    assert shuffled["box"].tolist() == boxes["box"].iloc[rows].tolist()


@settings(max_examples=40, deadline=None)
@given(VOLUMES, st.integers(0, 2**31))
def test_ids_of_boxes_do_not_matter(volume, seed):
    boxes, images = perfect_boxes(volume)
    assume(not boxes.duplicated(["z", *box_table.CORNERS]).any())
    lut = np.append(0, np.random.default_rng(seed).permutation(10 * len(boxes))[: len(boxes)] + 1).astype(np.uint32)
    renamed, renamed_images = boxes.assign(box=lut[boxes["box"]]), lut[images]
    ours = link(boxes, slice_overlaps(enumerate(images), reach=3), voxel_size=VOXEL)
    theirs = link(renamed, slice_overlaps(enumerate(renamed_images), reach=3), voxel_size=VOXEL)
    np.testing.assert_array_equal(paint_instances(theirs, renamed_images), paint_instances(ours, images))


def pruned(boxes, images, *, reach, length=None, **knobs):
    """Overlaps as blocks of some slices count and prune them, each reading on as far as pairs reach."""
    params, depth = OverlapParams(**knobs), len(images)
    found = []
    for start in range(0, depth, length or depth):
        end = start + (length or depth)
        rows = boxes[boxes["z"].between(start, end + reach - 1)]
        counted = slice_overlaps(((z, images[z]) for z in range(start, min(end + reach, depth))), reach=reach)
        kept = prune(rows, counted, voxel_size=VOXEL, params=params)
        found.append(kept[kept["a"].isin(rows.loc[rows["z"] < end, "box"])])
    return pd.concat(found, ignore_index=True)


@settings(max_examples=150, deadline=None)
@given(arrays.arrays(np.uint8, (7, 5, 6), elements=st.integers(0, 3)), st.integers(1, 7), st.booleans())
def test_overlaps_that_are_pruned_in_blocks_change_no_instance(volume, length, strict):
    boxes, images = perfect_boxes(volume)
    inside = 0.5 if strict else 0.05
    knobs = {"gap_nm": 40.0, "bridge_nm": 30.0, "contact": inside, "fragment_inside": inside}
    every = slice_overlaps(enumerate(images), reach=5)
    few = pruned(boxes, images, reach=5, length=length, **knobs)
    whole = link(boxes, every, voxel_size=VOXEL, params=OverlapParams(**knobs))
    assert instances(link(boxes, few, voxel_size=VOXEL, params=OverlapParams(**knobs))) == instances(whole)


@pytest.mark.parametrize("phantom", phantoms.TOGETHER + phantoms.APART)
def test_phantoms_need_few_overlaps_across_gaps(phantom):
    volume = phantom()
    boxes, images = perfect_boxes(volume)
    every = slice_overlaps(enumerate(images), reach=11)
    few = pruned(boxes, images, reach=11, length=9)
    assert instances(link(boxes, few, voxel_size=VOXEL)) == instances(link(boxes, every, voxel_size=VOXEL))
    assert len(few) < len(every) / 3


@pytest.mark.parametrize("phantom", [phantoms.touching_pair, phantoms.unequal_pair])
def test_pruning_keeps_what_tells_a_wrong_bridge(phantom):
    boxes, images = perfect_boxes(fused(phantom(), slice(20, 22)))
    few = pruned(boxes, images, reach=11, length=7)
    assert link(boxes, few, voxel_size=VOXEL)["instance"].max() == 2


def test_pruning_leaves_the_rows_in_their_order_and_takes_empty_tables():
    boxes, images = perfect_boxes(phantoms.touching_pair())
    every = slice_overlaps(enumerate(images), reach=4)
    few = prune(boxes, every, voxel_size=VOXEL)
    assert few.index.is_monotonic_increasing
    assert set(few.columns) == {"a", "b", "pixels"}
    assert prune(boxes[:0], every[:0], voxel_size=VOXEL).empty


def test_instances_are_numbered_by_class_then_first_slice_then_position():
    boxes = table(
        (3, 0, 0, 4, 4),
        (0, 8, 0, 12, 4),
        (0, 0, 9, 4, 13),
        (0, 0, 5, 4, 8),
        (5, 0, 0, 4, 4),
        class_name=["b", "b", "b", "b", "a"],
    )
    every = OverlapParams(minimum_length_nm=0, renamed_iou=1)
    assert link(boxes, pairs(), voxel_size=VOXEL, params=every)["instance"].tolist() == [5, 4, 3, 2, 1]


def test_inputs_are_left_as_they_were():
    boxes, overlaps = table((0, 0, 0, 4, 4), (1, 0, 0, 4, 4)), pairs((1, 2, 16))
    copies = boxes.copy(), overlaps.copy()
    link(boxes, overlaps, voxel_size=VOXEL)
    pd.testing.assert_frame_equal(boxes, copies[0])
    pd.testing.assert_frame_equal(overlaps, copies[1])


# --- assignment, fragments, contact


def test_best_pairs_of_a_crossover_are_taken_not_the_first():
    boxes = table((0, 0, 0, 10, 10), (0, 0, 10, 10, 20), (1, 0, 0, 10, 10), (1, 0, 10, 10, 20))
    linked = link(boxes, pairs((1, 3, 40), (1, 4, 60), (2, 3, 60), (2, 4, 40)), voxel_size=VOXEL)
    assert linked["instance"].tolist() == [1, 2, 2, 1]


def test_iou_below_the_minimum_does_not_link():
    boxes = table((0, 0, 0, 10, 10), (1, 0, 8, 10, 18))
    overlaps = pairs((1, 2, 20))  # IoU 20 / 180 = 0.111
    assert link(boxes, overlaps, voxel_size=VOXEL)["instance"].tolist() == [1, 1]
    strict = OverlapParams(minimum_iou=0.12)
    assert link(boxes, overlaps, voxel_size=VOXEL, params=strict)["instance"].tolist() == [1, 2]


def test_fragment_joins_where_enough_of_it_lies_inside():
    boxes = table((0, 0, 0, 10, 10), (1, 0, 0, 10, 10), (1, 10, 0, 12, 5))
    for shared, expected in ((5, [1, 1, 1]), (4, [1, 1, 2])):
        linked = link(boxes, pairs((1, 2, 90), (1, 3, shared)), voxel_size=VOXEL)
        assert linked["instance"].tolist() == expected


def test_assignment_that_ties_does_not_depend_on_the_order_of_rows():
    boxes = table((0, 0, 0, 10, 10), (1, 0, 0, 6, 10), (1, 6, 0, 12, 10))
    overlaps = pairs((1, 2, 50), (1, 3, 50))
    for order in ([0, 1], [1, 0]):
        params = OverlapParams(fragment_inside=1.0)
        linked = link(boxes, overlaps.iloc[order], voxel_size=VOXEL, params=params)
        assert linked["instance"].tolist() == [1, 1, 2]


def test_overlaps_beyond_the_gap_are_left_out():
    boxes = table((0, 0, 0, 4, 4), (3, 0, 0, 4, 4))
    for gap_nm, expected in ((20, [1, 1]), (10, [1, 2])):
        params = OverlapParams(gap_nm=gap_nm)
        assert link(boxes, pairs((1, 2, 16)), voxel_size=VOXEL, params=params)["instance"].tolist() == expected


def test_box_without_pixels_is_of_no_instance():
    boxes = table((0, 0, 0, 4, 4), (1, 0, 0, 4, 4), pixels=np.array([16, 0]))
    assert link(boxes, pairs(), voxel_size=VOXEL)["instance"].tolist() == [1, 0]


# --- classes


def test_pixels_shared_by_two_classes_do_not_join_them():
    boxes = table((0, 0, 0, 9, 9), (1, 0, 0, 4, 4), class_name=["endosome", "lysosome"])
    linked = link(boxes, pairs((1, 2, 16)), voxel_size=VOXEL)
    assert linked["instance"].tolist() == [1, 2]


def test_class_of_an_exclusive_group_is_voted_by_score_times_pixels():
    boxes = table(
        *((z, 0, 0, 4, 4) for z in range(3)),
        class_name=["endosome", "lysosome", "lysosome"],
        score=[0.9, 0.4, 0.4],
    )
    groups = [["lysosome", "endosome"]]
    weak = OverlapParams(instance_score=0.3)
    linked = link(boxes, pairs((1, 2, 16), (2, 3, 16)), voxel_size=VOXEL, params=weak, exclusive=groups)
    assert linked["instance"].tolist() == [1, 1, 1]
    assert linked["class_name"].tolist() == ["endosome"] * 3
    assert linked["detected_class"].tolist() == boxes["class_name"].tolist()


def test_class_in_two_exclusive_groups_is_refused():
    with pytest.raises(ConfigError, match="two groups"):
        link(table(), pairs(), voxel_size=VOXEL, exclusive=[["a", "b"], ["b", "c"]])


# --- what is dropped


def test_short_instances_are_dropped_by_their_length_in_nm():
    boxes = table((1, 0, 0, 4, 4), (2, 0, 0, 4, 4), (1, 9, 9, 13, 13), (0, 50, 50, 54, 54), (3, 50, 50, 54, 54))
    params = OverlapParams(minimum_length_nm=20)
    assert link(boxes, pairs((1, 2, 16)), voxel_size=VOXEL, params=params)["instance"].tolist() == [2, 2, 0, 1, 3]
    thick = VoxelSize(20, 10, 10)
    assert link(boxes, pairs((1, 2, 16)), voxel_size=thick, params=params)["instance"].tolist() == [2, 2, 3, 1, 4]


def test_weak_boxes_survive_only_with_strong_ones():
    boxes = table(*((z, 0, 0, 4, 4) for z in range(4)), (0, 9, 9, 13, 13), score=[0.1, 0.8, 0.8, 0.8, 0.15])
    linked = link(boxes, pairs((1, 2, 16), (2, 3, 16), (3, 4, 16)), voxel_size=VOXEL)
    assert linked["instance"].tolist() == [1, 1, 1, 1, 0]


def test_one_lucky_box_does_not_save_weak_ones():
    boxes = table(*((z, 0, 0, 4, 4) for z in range(3)), score=[0.5, 0.1, 0.1])
    linked = link(boxes, pairs((1, 2, 16), (2, 3, 16)), voxel_size=VOXEL)
    assert linked["instance"].tolist() == [0, 0, 0]


# --- empty is a value; what is wrong is named


def test_empty_tables_give_an_empty_table():
    linked = link(table(), pairs(), voxel_size=VOXEL)
    assert len(linked) == 0
    assert linked["instance"].dtype == np.uint32
    assert list(linked.columns) == [*box_table.COLUMNS, "pixels", "detected_class", "instance"]


def test_one_box_and_one_slice():
    assert link(table((7, 0, 0, 4, 4)), pairs(), voxel_size=VOXEL)["instance"].tolist() == [1]
    linked = link(table((7, 0, 0, 4, 4), (7, 0, 4, 4, 8)), pairs(), voxel_size=VOXEL)
    assert linked["instance"].tolist() == [1, 2]
    assert linked["instance"].dtype == np.uint32


@pytest.mark.parametrize("name", ["box", "z", "y0", "class_name", "score", "pixels"])
def test_missing_column_of_boxes_is_named(name):
    with pytest.raises(InputError, match=name):
        link(table((0, 0, 0, 4, 4)).drop(columns=name), pairs(), voxel_size=VOXEL)


@pytest.mark.parametrize("name", ["a", "b", "pixels"])
def test_missing_column_of_overlaps_is_named(name):
    with pytest.raises(InputError, match=name):
        link(table((0, 0, 0, 4, 4)), pairs((1, 1, 1)).drop(columns=name), voxel_size=VOXEL)


@pytest.mark.parametrize("box", [3, 4_000_000_000])
def test_overlap_with_an_unknown_box_is_named(box):
    with pytest.raises(InputError, match=f"1 and {box}"):
        link(table((0, 0, 0, 4, 4), (1, 0, 0, 4, 4)), pairs((1, box, 16)), voxel_size=VOXEL)


def test_overlap_with_an_unknown_box_is_named_where_ids_are_sparse():
    boxes = table((0, 0, 0, 4, 4), (1, 0, 0, 4, 4), box=[5, 3_000_000_000])
    assert link(boxes, pairs((5, 3_000_000_000, 16)), voxel_size=VOXEL)["instance"].tolist() == [1, 1]
    with pytest.raises(InputError, match="5 and 6"):
        link(boxes, pairs((5, 6, 16)), voxel_size=VOXEL)


def test_overlap_upside_down_is_named():
    with pytest.raises(InputError, match="box 2 does not lie in a slice below box 1"):
        link(table((0, 0, 0, 4, 4), (1, 0, 0, 4, 4)), pairs((2, 1, 16)), voxel_size=VOXEL)


def test_box_id_that_occurs_twice_is_named():
    with pytest.raises(InputError, match="box 1 twice"):
        link(table((0, 0, 0, 4, 4), (1, 0, 0, 4, 4), box=[1, 1]), pairs(), voxel_size=VOXEL)


@pytest.mark.parametrize(
    ("knob", "value"),
    [("gap_nm", -1.0), ("cross_section_nm", np.nan), ("contact", 1.5), ("minimum_iou", -0.1), ("instance_score", 2.0)],
)
def test_parameter_out_of_range_is_named(knob, value):
    with pytest.raises(ConfigError, match=rf"^overlap\.{knob}: found"):
        OverlapParams(**{knob: value})


def test_reach_counts_the_slices_of_the_gap():
    assert OverlapParams(gap_nm=0).reach(VOXEL) == 1
    assert OverlapParams(gap_nm=30).reach(VOXEL) == 4
    assert OverlapParams(gap_nm=0.3).reach(VoxelSize(0.1, 1, 1)) == 4  # 0.3 / 0.1 is 2.9999999999999996


# --- real shapes


@pytest.mark.parametrize("name", ["fib1-1-0-3/mito.tif", "fib1-3-2-1/mito.tif"])
def test_real_mitochondria_are_rebuilt_from_perfect_boxes(shared_data, name):
    import tifffile

    path = shared_data / "urocell" / name
    if not path.is_file():
        pytest.skip(f"{name} is not here")
    volume = tifffile.imread(path)[:, ::3, ::3]  # as drawn, at a third of the resolution in the slice
    assert labels.are_equivalent(link_volume(volume, voxel_size=VoxelSize(15, 48, 48)), volume)
