"""The second pass: distances of matched objects, and the meshes that were asked for, whatever the order of things."""

import numpy as np
import pytest

from famous.pipeline import compare_surfaces
from famous.pipeline.compare_count import Scene, count
from famous.pipeline.compare_meshes import MeshBudget, choose
from famous.pipeline.compare_surfaces import look
from famous.pipeline.compare_tables import Placement, Tabulator
from famous.pipeline.stage import Session
from tests.compare_scenes import MITOS, SHAPE, SIZE, scene, sources


def prepare(some):
    counts = count(some, Session())
    return counts, Tabulator(some, counts, Placement((0, 0, 0), some.shape), {}).matchings()


def all_of(counts, budget=None):
    from famous.compare.comparison import empty_table

    return choose(counts, empty_table("matches"), budget or MeshBudget())


@pytest.fixture(scope="module")
def looked():
    some = scene()
    counts, matchings = prepare(some)
    return look(some, counts, matchings, all_of(counts), Session())


def test_a_brick_moved_by_two_voxels_is_twenty_nm_apart(looked):
    apart = looked.distances[("M2", "M1"), "mito"]
    assert apart.hausdorff == pytest.approx(20)
    assert 0 < apart.mean < 20
    assert apart.nm[0] == 0


def test_identical_vesicles_are_nowhere_apart(looked):
    assert looked.distances[("M2", "M1"), "vesicle"].nm.tolist() == [0]


def test_missed_objects_are_not_measured():
    """M2 lacks mito 2: only matched objects have a distance, else it would be the way to the next brick."""
    labels = sources()
    labels["M2"]["mito"][labels["M2"]["mito"] == 3] = 0
    labels["M2"]["mito"] += np.where(labels["M1"]["mito"] == 3, 3, 0).astype(np.uint16)
    some = scene(labels)
    counts, matchings = prepare(some)
    assert look(some, counts, matchings, {}, Session()).distances[("M2", "M1"), "mito"].hausdorff == 0


def test_every_object_has_a_mesh_of_its_volume_where_it_lies(looked):
    meshes = {entry[:3]: entry[3] for entry in looked.meshes}
    assert len(looked.meshes) == sum(len(np.unique(v)) - 1 for c in sources().values() for v in c.values())
    mesh = meshes["M1", "mito", 3]
    assert mesh.is_watertight
    assert mesh.volume_nm3 == pytest.approx(9 * 12 * 20 * SIZE.volume_nm3, rel=0.03)
    middle = np.array([sum(side) / 2 for side in MITOS[3]]) * SIZE.zyx
    assert mesh.bounds.mean(axis=0) == pytest.approx(middle, abs=8)


@pytest.mark.parametrize("jobs", [1, 3])
def test_threads_and_folding_change_nothing(looked, jobs, monkeypatch):
    monkeypatch.setattr(compare_surfaces, "FOLD", 2)
    monkeypatch.setattr(compare_surfaces, "WAITING", 1)
    some = scene()
    counts, matchings = prepare(some)
    again = look(some, counts, matchings, all_of(counts), Session(jobs=jobs))
    assert {entry[:3] for entry in again.meshes} == {entry[:3] for entry in looked.meshes}
    for key, apart in looked.distances.items():
        assert again.distances[key].nm.tolist() == apart.nm.tolist()
        assert again.distances[key].nm2 == pytest.approx(apart.nm2)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_cut_through_what_is_ignored_is_no_surface(axis):
    """The same balls on both sides, of which truth ignores a part."""
    volume = np.zeros((40, 50, 60), dtype=np.uint16)
    z, y, x = np.indices(volume.shape)
    volume[(z - 20) ** 2 + (y - 25) ** 2 + (x - 25) ** 2 < 15**2] = 1
    volume[(z - 32) ** 2 + (y - 40) ** 2 + (x - 50) ** 2 < 5**2] = 2
    truth = volume.copy()
    truth[(slice(None),) * axis + (slice(24, None),)] = 99
    some = Scene({"a": {"mito": volume}, "b": {"mito": truth}}, volume.shape, SIZE, tuple(range(40)), ignore=99)
    counts, matchings = prepare(some)
    apart = look(some, counts, matchings, {}, Session()).distances[("a", "b"), "mito"]
    assert (apart.mean, apart.hausdorff) == (0, 0)
    outside = (volume == 1) & (np.indices(volume.shape)[axis] < 24)
    faces = 0.0
    for along, side in enumerate(SIZE.zyx):
        changes = np.count_nonzero(np.diff(outside.astype(int), axis=along))
        cut = np.count_nonzero(np.take(outside, 23, axis=axis)) if along == axis else 0
        faces += (changes - cut) * SIZE.volume_nm3 / side
    assert apart.nm2.sum() == pytest.approx(2 * faces)  # of both sides


def test_surfaces_are_let_go_of_with_the_last_that_waits_for_them(monkeypatch):
    some = scene()
    counts, matchings = prepare(some)
    walk = compare_surfaces._Walk(some, counts, matchings, {})
    for z, slices in compare_surfaces._windows(some):
        for job, take in walk.step(z, slices):
            take(job())
    assert not any(numbers for numbers in walk._parts.values())
    assert not walk._due


def test_each_slice_is_read_once():
    seen = []

    class Watched:
        shape, dtype = SHAPE, np.dtype(np.uint16)

        def __init__(self, volume):
            self.volume = volume

        def __getitem__(self, z):
            seen.append(z)
            return self.volume[z]

    labels = sources()
    some = scene({"a": {"mito": Watched(labels["automatic"]["mito"])}, "b": {"mito": labels["M1"]["mito"]}})
    counts, matchings = prepare(some)
    seen.clear()
    look(some, counts, matchings, all_of(counts), Session())
    assert seen == list(range(SHAPE[0]))


def test_an_object_too_large_to_be_looked_at_whole_is_looked_at_coarsely(monkeypatch):
    monkeypatch.setattr(compare_surfaces, "CROP_VOXELS", 400)
    some = scene()
    counts, matchings = prepare(some)
    coarse = {entry[:3]: entry[3] for entry in look(some, counts, matchings, all_of(counts), Session()).meshes}
    assert coarse["M1", "mito", 3].volume_nm3 == pytest.approx(9 * 12 * 20 * SIZE.volume_nm3, rel=0.5)


def test_a_failing_job_ends_the_pass(monkeypatch):
    def fail(*_):
        raise ValueError("broken")

    monkeypatch.setattr(compare_surfaces, "between", fail)
    some = scene()
    counts, matchings = prepare(some)
    with pytest.raises(ValueError, match="broken"):
        look(some, counts, matchings, {}, Session(jobs=2))


def test_no_slice_is_nothing_to_look_at():
    none = {"a": {"mito": np.zeros((0, 4, 4), np.uint8)}, "b": {"mito": np.zeros((0, 4, 4), np.uint8)}}
    some = type(scene())(none, (0, 4, 4), SIZE, ())
    looked = look(some, count(some, Session()), {}, {}, Session())
    assert looked.meshes == ()
    assert looked.distances == {}
