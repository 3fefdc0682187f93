"""The first pass: what it counts slice by slice is what the whole volumes say, however many threads count."""

import numpy as np
import pytest

from famous.compare.area import measure_areas
from famous.compare.overlaps import count_slices
from famous.pipeline import compare_count
from famous.pipeline.compare_count import Counts, count
from famous.pipeline.stage import Session
from tests.compare_scenes import SHAPE, SIZE, scene, sources

PAIRS = (("automatic", "M1"), ("automatic", "M2"), ("M2", "M1"))


@pytest.fixture(scope="module")
def counts():
    return count(scene(), Session())


def test_objects_are_those_of_each_volume(counts):
    for source, classes in sources().items():
        for name, volume in classes.items():
            found = counts.objects[source, name]
            ids, voxels = np.unique(volume[volume > 0], return_counts=True)
            assert found.ids.tolist() == ids.tolist()
            assert found.voxels.tolist() == voxels.tolist()
            for number, low, high in zip(found.ids, found.low, found.high, strict=True):
                where = np.argwhere(volume == number)
                assert (low == where.min(axis=0)).all()
                assert (high == where.max(axis=0) + 1).all()


def test_areas_are_those_of_the_whole_volume(counts):
    for source, classes in sources().items():
        for name, volume in classes.items():
            whole = measure_areas(volume, SIZE)
            assert counts.areas[source, name].ids.tolist() == whole.ids.tolist()
            assert counts.areas[source, name].nm2 == pytest.approx(whole.nm2)


def test_overlaps_are_those_of_the_whole_volumes_also_across_classes(counts):
    labels = sources()
    assert set(counts.overlaps) == {
        (pair, a, b) for pair in PAIRS for a in ("mito", "vesicle") for b in ("mito", "vesicle")
    }
    for (pair, one, other), found in counts.overlaps.items():
        whole = count_slices(labels[pair[0]][one], labels[pair[1]][other])
        assert found.pred_ids.tolist() == whole.pred_ids.tolist()
        assert found.shared.tolist() == whole.shared.tolist()
        assert found.voxels == np.prod(SHAPE)


def test_there_is_a_row_for_each_pair_class_and_slice(counts):
    assert len(counts.slices) == len(PAIRS) * 2 * SHAPE[0]
    row = next(r for r in counts.slices if (r["pred"], r["truth"], r["class"], r["z"]) == ("M2", "M1", "mito", 3))
    labels = sources()
    a, b = labels["M2"]["mito"][3] > 0, labels["M1"]["mito"][3] > 0
    assert (row["tp"], row["fp"], row["fn"]) == ((a & b).sum(), (a & ~b).sum(), (b & ~a).sum())


def test_pieces_in_slices_are_counted(counts):
    flat = counts.flat[("M2", "M1"), "mito"]
    slices = {number: 9 if number == 3 else 8 if number == 1 else 6 for number in range(1, 7)}
    assert flat.missed == slices[2]
    assert flat.detected + flat.under_detected == sum(slices.values()) - slices[2]


@pytest.mark.parametrize("jobs", [1, 3])
def test_threads_and_folding_change_nothing(counts, jobs, monkeypatch):
    monkeypatch.setattr(compare_count, "FOLD", 3)
    again = count(scene(), Session(jobs=jobs))
    assert again.slices == counts.slices
    for key, found in counts.overlaps.items():
        assert again.overlaps[key].shared.tolist() == found.shared.tolist()
    for key, area in counts.areas.items():
        assert again.areas[key].nm2 == pytest.approx(area.nm2)


def test_only_the_known_slices_are_looked_at():
    seen = []

    class Watched:
        shape, dtype = SHAPE, np.dtype(np.uint16)

        def __getitem__(self, z):
            seen.append(z)
            return sources()["M1"]["mito"][z]

    some = scene({"a": {"mito": Watched()}, "b": {"mito": sources()["M2"]["mito"]}})
    part = count(type(some)(some.sides, SHAPE, SIZE, (2, 5, 9)), Session())
    assert seen == [2, 5, 9]
    assert part.areas == {}
    assert {row["z"] for row in part.slices} == {2, 5, 9}
    assert part.objects["a", "mito"].voxels[0] == 3 * 10 * 24


def test_the_ignored_is_nobodys_object_and_judges_nobody():
    """An expert's 99 over the invented vesicle: it is neither found nor invented."""
    labels = sources()
    truth = labels["M1"]["vesicle"].copy()
    truth[11:16, 0:12, 66:80] = 99
    sides = {"automatic": {"vesicle": labels["automatic"]["vesicle"]}, "M1": {"vesicle": truth}}
    found = count(scene(sides, ignore=99), Session())
    assert 99 not in found.objects["M1", "vesicle"].ids
    assert 9 not in found.objects["automatic", "vesicle"].ids
    assert 9 not in found.overlaps[("automatic", "M1"), "vesicle", "vesicle"].pred_ids


def test_what_a_truth_ignores_is_cut_from_all_sources():
    """Half of mito 3 ignored by M2: its volume and area are the same on all sides, and the cut is no surface."""
    labels = sources()
    sides = {name: {"mito": labels["M1"]["mito"].copy()} for name in ("automatic", "M1", "M2")}
    sides["M2"]["mito"][:, 36:48, 16:26] = 99
    found = count(scene(sides, ignore=99), Session())
    whole = count(scene({name: {"mito": labels["M1"]["mito"]} for name in sides}), Session())
    at = found.objects["M1", "mito"].ids.tolist().index(3)
    for source in sides:
        assert found.objects[source, "mito"].voxels[at] == 9 * 12 * 10
        assert found.areas[source, "mito"].nm2.tolist() == found.areas["M1", "mito"].nm2.tolist()
    half = whole.areas["M1", "mito"].nm2[at] / 2
    assert found.areas["M1", "mito"].nm2[at] == pytest.approx(half, rel=0.03)
    assert {row["pred"]: row["fp"] + row["fn"] for row in found.slices} == {"automatic": 0, "M2": 0}


def test_the_zone_round_borders_is_not_taken_off_objects():
    plain, zoned = (count(scene(boundary_nm=nm), Session()) for nm in (0, 30))
    for key, objects in plain.objects.items():
        assert zoned.objects[key].voxels.tolist() == objects.voxels.tolist()
        assert zoned.areas[key].nm2.tolist() == plain.areas[key].nm2.tolist()


def test_the_id_that_truth_ignores_is_an_object_like_any_of_pred():
    labels = sources()
    sides = {"automatic": {"mito": labels["automatic"]["mito"]}, "M1": {"mito": labels["M1"]["mito"]}}
    found = count(scene(sides, ignore=12), Session())
    assert 12 in found.objects["automatic", "mito"].ids
    assert 12 in found.overlaps[("automatic", "M1"), "mito", "mito"].pred_ids


def test_a_zone_round_the_borders_is_left_out():
    """Two voxels of the moved brick stick out: with a zone of 30 nm they do no longer."""
    labels = sources()
    sides = {"M2": {"mito": labels["M2"]["mito"]}, "M1": {"mito": labels["M1"]["mito"]}}
    found = count(scene(sides, boundary_nm=30), Session()).overlaps[("M2", "M1"), "mito", "mito"]
    third = found.iou()[found.truth_index == found.truth_ids.tolist().index(3)]
    assert third.tolist() == [1.0]


def test_a_class_that_only_one_truth_has_is_compared_with_it_alone():
    labels = sources()
    del labels["M2"]["vesicle"]
    some = scene(labels)
    assert some.classes_of(("automatic", "M1")) == ("mito", "vesicle")
    assert some.classes_of(("M2", "M1")) == ("mito",)
    found = count(some, Session())
    assert (("automatic", "M2"), "vesicle", "vesicle") not in found.overlaps
    assert some.classes == ("mito", "vesicle")


def test_no_slice_is_no_count():
    empty = {"a": {"mito": np.zeros((0, 4, 4), np.uint8)}, "b": {"mito": np.zeros((0, 4, 4), np.uint8)}}
    some = scene()
    assert count(type(some)(empty, (0, 4, 4), SIZE, ()), Session()) == Counts()
