"""The phantom stack: same values same bytes, slices on their own, truth that agrees with closed forms."""

import pickle
import tracemalloc
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from famous import boxes as box_table
from famous.errors import InputError
from famous.stack import Stack
from famous.synthetic import CLASS_NAMES, SAMPLE, Phantom, PhantomParams
from famous.voxels import VoxelSize

EMPTY = {"nucleus_radius_nm": 0.0, "mitochondria": 0.0, "early_endosomes": 0.0, "late_endosomes": 0.0, "lysosomes": 0.0}
SPARSE = {"mitochondria": 0.3, "early_endosomes": 0.1, "late_endosomes": 0.1, "lysosomes": 0.1}
SMALL = PhantomParams(shape=(12, 96, 110), voxel_size=VoxelSize(20, 16, 16), seed=3)


@cache
def small() -> Phantom:
    """Return the small phantom, shared by tests that only read from it."""
    return Phantom(SMALL)


@cache
def counted() -> tuple[Phantom, pd.DataFrame, np.ndarray]:
    """Return a phantom of 3.2 × 3.4 × 3.4 µm with its objects and all its labels in one volume."""
    params = PhantomParams(
        shape=(130, 140, 140),
        voxel_size=VoxelSize(25, 24, 24),
        seed=1,
        nucleus_radius_nm=800.0,
        mitochondria=1.2,
        early_endosomes=1.0,
        late_endosomes=1.0,
        lysosomes=1.0,
    )
    phantom = Phantom(params)
    volume = np.stack([sum(phantom.labels(z).values()) for z in range(len(phantom))])
    return phantom, phantom.objects(), volume


def volumes_um3(volume: np.ndarray, size: VoxelSize) -> pd.Series:
    """Count voxels by id."""
    ids, voxels = np.unique(volume[volume > 0], return_counts=True)
    return pd.Series(voxels * size.volume_nm3 / 1e9, index=ids)


def test_same_values_give_the_same_bytes():
    one, two = small(), Phantom(SMALL)
    assert (one[4] == two[4]).all()
    assert (one.labels(4)["mitochondrion"] == two.labels(4)["mitochondrion"]).all()
    pd.testing.assert_frame_equal(one.objects(), two.objects())


def test_another_seed_gives_another_cell():
    other = Phantom(replace(SMALL, seed=4))
    assert (small()[4] != other[4]).mean() > 0.5
    assert not small().objects().equals(other.objects())


def test_a_slice_does_not_depend_on_those_read_before():
    forward, backward = small(), Phantom(SMALL)
    images = {z: forward[z] for z in range(6)}
    truth = {z: forward.labels(z) for z in range(6)}
    for z in reversed(range(6)):
        assert (backward[z] == images[z]).all()
        for name in CLASS_NAMES:
            assert (backward.labels(z)[name] == truth[z][name]).all()


def test_a_pickled_phantom_is_the_same():
    phantom = small()
    assert (pickle.loads(pickle.dumps(phantom))[2] == phantom[2]).all()


def test_it_is_a_lazy_volume():
    phantom = small()
    stack = Stack(phantom, phantom.voxel_size).with_window()
    assert stack.shape == SMALL.shape
    assert stack.slab(0).shape == (96, 110, 3)
    assert phantom.dtype == np.uint8 == phantom[0].dtype
    assert len(phantom) == 12
    for z in (-1, 12):
        with pytest.raises(IndexError, match=r"0 … 11"):
            phantom[z]
    assert sum(1 for _ in phantom) == 12


def test_all_classes_occur_in_the_sample():
    phantom = Phantom(SAMPLE)
    assert set(phantom.objects()["class_name"]) == set(CLASS_NAMES)
    assert set(phantom.boxes([18])["class_name"]) == set(CLASS_NAMES)


def test_counted_voxels_agree_with_the_closed_form():
    phantom, objects, volume = counted()
    found = volumes_um3(volume, phantom.voxel_size)
    inside = objects[objects["inside"]].set_index("instance")
    assert set(inside["class_name"]) == set(CLASS_NAMES)
    voxels = inside["volume_um3"] / (phantom.voxel_size.volume_nm3 / 1e9)
    error = (found.reindex(inside.index) / inside["volume_um3"] - 1).abs()
    # a grid errs by about half a voxel at each surface voxel, with random signs: sqrt(surface) / volume
    assert (error < 3 * np.sqrt(5 * voxels ** (2 / 3)) / voxels).all(), error.max()
    assert abs(found.reindex(inside.index).sum() / inside["volume_um3"].sum() - 1) < 2e-3


def test_border_objects_have_fewer_voxels_than_the_closed_form():
    phantom, objects, volume = counted()
    cut = objects[~objects["inside"]].set_index("instance")
    found = volumes_um3(volume, phantom.voxel_size).reindex(cut.index).fillna(0)
    assert len(cut) > 10
    assert (found < cut["volume_um3"] * 1.05).all()
    assert (found < cut["volume_um3"] * 0.8).mean() > 0.3


def test_objects_lie_in_their_bounding_boxes_around_their_centres():
    phantom, objects, volume = counted()
    size = np.array(phantom.voxel_size.zyx)
    ids, dense = np.unique(volume, return_inverse=True)
    windows = dict(zip(ids[1:].tolist(), ndimage.find_objects(dense.reshape(volume.shape)), strict=True))
    assert set(windows) <= set(objects["instance"])
    for row in objects[objects["instance"].isin(list(windows))].itertuples():
        low = np.array([part.start for part in windows[row.instance]]) * size
        high = np.array([part.stop for part in windows[row.instance]]) * size
        assert (low >= np.array([row.z0_nm, row.y0_nm, row.x0_nm]) - size).all()
        assert (high <= np.array([row.z1_nm, row.y1_nm, row.x1_nm]) + size).all()
        if row.inside and row.class_name != "mitochondrion":  # the centre of a bent tube may lie outside it
            z, y, x = (np.array([row.z_nm, row.y_nm, row.x_nm]) // size).astype(int)
            assert volume[z, y, x] == row.instance


def test_objects_do_not_overlap_across_classes():
    phantom, *_ = counted()
    for z in (20, 60, 120):
        claimed = sum((image > 0).astype(int) for image in phantom.labels(z).values())
        assert claimed.max() == 1


def test_instances_are_connected_bodies_apart():
    phantom = Phantom(replace(SMALL, shape=(50, 90, 90), voxel_size=VoxelSize(30, 30, 30), mitochondria=1.5))
    volume = np.stack([phantom.labels(z)["mitochondrion"] for z in range(50)])
    components, count = ndimage.label(volume > 0, np.ones((3, 3, 3)))
    pairs = {(int(a), int(b)) for a, b in zip(volume[volume > 0], components[volume > 0], strict=True)}
    assert count >= 3
    assert len({component for _, component in pairs}) == len(pairs)  # no component holds two instances


def test_touching_pairs_touch_and_do_not_overlap():
    params = replace(SMALL, shape=(70, 120, 120), voxel_size=VoxelSize(24, 24, 24), touching=1.0, seed=2)
    params = replace(params, nucleus_radius_nm=0.0, warp=0.0)
    phantom = Phantom(params)
    volume = np.stack([phantom.labels(z)["mitochondrion"] for z in range(70)])
    touching = set()
    for axis in range(3):
        a, b = np.moveaxis(volume, axis, 0)[:-1], np.moveaxis(volume, axis, 0)[1:]
        meet = (a > 0) & (b > 0) & (a != b)
        touching |= set(zip(a[meet].tolist(), b[meet].tolist(), strict=True))
    assert touching
    objects = phantom.objects().set_index("instance")
    inside = objects[objects["inside"] & (objects["class_name"] == "mitochondrion")]
    voxels = pd.Series(*np.unique(volume, return_counts=True)[::-1])
    ratio = voxels.reindex(inside.index) * 24**3 / 1e9 / inside["volume_um3"]
    assert (ratio - 1).abs().max() < 0.04


def test_boxes_are_tight_and_one_a_component():
    phantom = Phantom(replace(SMALL, shape=(4, 256, 256), voxel_size=VoxelSize(16, 16, 16), seed=5))
    table = phantom.boxes()
    box_table.validate(table, phantom.shape)
    assert table["box"].tolist() == list(range(1, len(table) + 1))
    expected = []
    for z in range(4):
        for name, image in phantom.labels(z).items():
            for instance in np.unique(image[image > 0]):
                parts, _ = ndimage.label(image == instance, np.ones((3, 3)))
                for rows, columns in ndimage.find_objects(parts):
                    expected.append((z, rows.start, columns.start, rows.stop, columns.stop, name, int(instance)))
    columns = ["z", "y0", "x0", "y1", "x1", "class_name", "truth_instance"]
    assert sorted(table[columns].itertuples(index=False, name=None)) == sorted(expected)
    assert len(expected) > 20


def test_boxes_of_chosen_slices_and_without_specks():
    phantom = small()
    every = phantom.boxes()
    some = phantom.boxes([3, 7])
    assert set(some["z"]) == {3, 7}
    assert len(some) == every["z"].isin([3, 7]).sum()
    large = phantom.boxes(minimum_pixels=200)
    assert 0 < len(large) < len(every)
    assert (box_table.area(large) >= 200).all()


def test_an_empty_cell_has_texture_but_no_objects():
    phantom = Phantom(replace(SMALL, **EMPTY))
    assert phantom[0].std() > 10
    assert phantom.objects().empty
    assert phantom.objects()["volume_um3"].dtype == np.float64
    table = phantom.boxes()
    assert list(table.columns[:8]) == list(box_table.COLUMNS)
    assert table.empty
    assert all((image == 0).all() for image in phantom.labels(5).values())


@pytest.mark.parametrize("name", CLASS_NAMES)
def test_classes_can_be_had_alone(name):
    knob = {
        "mitochondrion": {"mitochondria": 2.0},
        "nucleus": {"nucleus_radius_nm": 700.0},
        "early endosome": {"early_endosomes": 3.0},
        "late endosome": {"late_endosomes": 3.0},
        "lysosome": {"lysosomes": 3.0},
    }[name]
    objects = Phantom(replace(SMALL, **(EMPTY | knob))).objects()
    assert set(objects["class_name"]) == {name}


def test_grey_values_are_those_of_electron_microscopy():
    phantom = Phantom(replace(SAMPLE, noise=0.0, shape=(40, 320, 320)))
    grey: dict[str, list[np.ndarray]] = {name: [] for name in CLASS_NAMES}
    rest = []
    for z in (5, 20, 35):
        image, labels = phantom[z], phantom.labels(z)
        for name in CLASS_NAMES:
            grey[name].append(image[ndimage.binary_erosion(labels[name] > 0, iterations=2)])
        rest.append(image[sum(labels.values()) == 0])
    mean = {name: np.concatenate(values).mean() for name, values in grey.items()}
    cytoplasm = np.concatenate(rest)
    assert 135 < cytoplasm.mean() < 170
    assert mean["mitochondrion"] < 115
    assert mean["late endosome"] < 135
    assert mean["early endosome"] > 185
    assert abs(mean["lysosome"] - cytoplasm.mean()) < 12
    assert cytoplasm.std() > 20
    assert np.percentile(cytoplasm, 2) < 100  # membranes


def test_neighbouring_slices_look_alike_and_far_ones_do_not():
    phantom = Phantom(replace(SMALL, shape=(200, 96, 110), voxel_size=VoxelSize(8, 8, 8), noise=0.0))

    def likeness(a, b):
        return np.corrcoef(phantom[a].ravel(), phantom[b].ravel())[0, 1]

    assert likeness(50, 51) > 0.8
    assert likeness(50, 51) > likeness(50, 54) > likeness(50, 190)


def test_drift_moves_image_and_truth_together():
    still, moved = Phantom(replace(SMALL, noise=0.0)), Phantom(replace(SMALL, noise=0.0, drift_nm=60.0))
    shifts = np.array([moved.drift(z) for z in range(12)])
    assert still.drift(3) == (0.0, 0.0)
    assert np.abs(shifts).max() > 10
    assert (moved[6] != still[6]).any()
    y, x = np.round(shifts[6] / 16).astype(int)
    here, there = moved.labels(6)["nucleus"] > 0, still.labels(6)["nucleus"] > 0
    core = np.s_[20:-20, 20:-20]
    back = np.roll(there, (-y, -x), axis=(0, 1))
    assert (here[core] != back[core]).mean() < 0.02


def test_drift_has_the_size_that_was_asked_for():
    phantom = Phantom(replace(SMALL, shape=(2000, 8, 8), drift_nm=50.0))
    shifts = np.array([phantom.drift(z) for z in range(2000)])
    assert 25 < shifts.std() < 75
    assert np.abs(np.diff(shifts, axis=0)).mean() < 0.6 * shifts.std()  # slow, not white


def test_missing_slices_are_black_without_boxes_but_keep_their_labels():
    phantom = Phantom(replace(SMALL, shape=(40, 64, 64), missing=0.3))
    lost = [z for z in range(40) if phantom.is_missing(z)]
    assert 4 <= len(lost) <= 22
    assert not phantom[lost[0]].any()
    assert phantom.boxes(lost).empty
    assert not any(small().is_missing(z) for z in range(12))
    assert any(image.any() for z in lost for image in phantom.labels(z).values())


def test_contrast_jumps_and_stays():
    phantom = Phantom(replace(SMALL, shape=(60, 48, 48), contrast_jumps=0.1, **EMPTY))
    means = np.array([phantom[z].mean() for z in range(60)])
    steps = np.abs(np.diff(means))
    assert (steps > 6).sum() in range(2, 12)
    assert np.median(steps) < 3


def test_gamma_noise_and_streaks_do_what_they_say():
    def image(**knobs):
        return Phantom(replace(SMALL, **(EMPTY | {"noise": 0.0} | knobs)))[3].astype(float)

    plain = image()
    assert image(gamma=1.5).mean() < plain.mean() - 10
    grain = image(noise=1.0) - plain
    assert 10 < grain.std() < 25
    assert 1.7 < (image(noise=2.0) - plain).std() / grain.std() < 2.2
    streaks = image(streaks=8.0) - plain
    assert streaks.mean(axis=0).std() > 4 > streaks.std(axis=0).mean()


def test_the_truth_does_not_depend_on_the_microscope():
    faults = {"noise": 3.0, "blur_nm": 20.0, "contrast_jumps": 0.5, "missing": 0.5, "streaks": 9.0, "gamma": 2.0}
    poor = Phantom(replace(SMALL, **faults, subslices=2))
    for name in CLASS_NAMES:
        assert (poor.labels(5)[name] == small().labels(5)[name]).all()
    pd.testing.assert_frame_equal(poor.objects(), small().objects())


def test_subslices_blur_along_z():
    thick = replace(SMALL, voxel_size=VoxelSize(60, 16, 16), noise=0.0)
    assert Phantom(replace(thick, subslices=4))[3].std() < Phantom(thick)[3].std()


def test_the_same_tissue_at_two_slice_distances():
    fine = Phantom(replace(SMALL, shape=(15, 96, 110), voxel_size=VoxelSize(20, 16, 16)))
    coarse = Phantom(replace(SMALL, shape=(5, 96, 110), voxel_size=VoxelSize(60, 16, 16)))
    for z in range(5):  # the middle plane of a thick slice is that of the middle one of three
        assert (fine.labels(3 * z + 1)["mitochondrion"] > 0).sum() == (coarse.labels(z)["mitochondrion"] > 0).sum()


def test_a_slice_deep_in_a_huge_volume_takes_a_slices_memory():
    phantom = Phantom(PhantomParams(shape=(1_000_000, 64, 64), voxel_size=VoxelSize(10, 16, 16), seed=1, **SPARSE))
    tracemalloc.start()
    for z in (10_000, 999_999, 0):
        assert phantom[z].std() > 10
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6
    assert any(image.any() for z in range(10_000, 11_000, 50) for image in phantom.labels(z).values())


def test_few_blocks_are_kept_while_streaming():
    phantom = Phantom(PhantomParams(shape=(100_000, 32, 32), voxel_size=VoxelSize(40, 16, 16), **SPARSE))
    for z in range(0, 3000, 50):
        phantom.labels(z)
    kept = phantom._placement.block.cache_info()
    assert kept.currsize <= kept.maxsize < kept.misses


def test_more_objects_than_ids_are_refused():
    with pytest.raises(InputError, match="32 bits"):
        Phantom(PhantomParams(shape=(10**6, 10**6, 10**6)))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"shape": (0, 4, 4)}, "three whole numbers"),
        ({"shape": (4, 4)}, "three whole numbers"),
        ({"mitochondria": -1.0}, "mitochondria"),
        ({"noise": float("nan")}, "noise"),
        ({"missing": 1.5}, "missing"),
        ({"seed": -1}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"subslices": 0}, "subslices"),
        ({"gamma": 0.0}, "gamma"),
        ({"nucleus_radius_nm": -5.0}, "nucleus_radius_nm"),
    ],
)
def test_wrong_knobs_are_named(wrong, message):
    with pytest.raises(InputError, match=message):
        replace(SMALL, **wrong)


@settings(max_examples=10, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 40)),
    size=st.tuples(st.floats(2, 200), st.floats(2, 60), st.floats(2, 60)),
    seed=st.integers(0, 2**40),
)
def test_any_size_renders(shape, size, seed):
    phantom = Phantom(PhantomParams(shape=shape, voxel_size=VoxelSize(*size), seed=seed, drift_nm=5.0))
    image = phantom[shape[0] - 1]
    assert image.shape == shape[1:]
    assert image.dtype == np.uint8
    box_table.validate(phantom.boxes([0]), shape)


def test_the_committed_sample_is_the_phantom():
    tifffile = pytest.importorskip("tifffile")
    path = Path(__file__).parents[1] / "data" / "sample.tif"
    with tifffile.TiffFile(path) as file:
        stored = file.asarray()
        assert file.imagej_metadata["spacing"] == pytest.approx(SAMPLE.voxel_size.z / 1000)
    assert stored.shape == SAMPLE.shape
    again = Phantom(SAMPLE)[18]
    assert (np.abs(stored[18].astype(int) - again) > 1).mean() < 1e-3  # another processor may round the other way
    assert sum(file.stat().st_size for file in path.parent.glob("sample*")) < 3_000_000


@pytest.mark.parametrize("tile_px", [32, 100])
def test_large_slices_are_rendered_in_tiles_that_leave_no_trace(monkeypatch, tile_px):
    phantom = Phantom(replace(SAMPLE, shape=(64, 230, 270), drift_nm=30.0))
    whole = phantom[20]
    monkeypatch.setattr("famous.synthetic.phantom.TILE_PX", tile_px)
    assert np.array_equal(phantom[20], whole)
