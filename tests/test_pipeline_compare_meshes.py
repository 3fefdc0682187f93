"""Which objects get a mesh, and how fine: the budget is kept, and the worst and the largest come first."""

import numpy as np
import pytest

from famous.compare.comparison import as_table, empty_table
from famous.pipeline.compare_count import count
from famous.pipeline.compare_meshes import MeshBudget, Shown, choose
from famous.pipeline.crops import Crop, Extent
from famous.pipeline.stage import Session
from famous.voxels import VoxelSize
from tests.compare_scenes import scene


@pytest.fixture(scope="module")
def counts():
    return count(scene(), Session())


def chosen_of(chosen, source):
    return {(name, shown.extent.instance) for (one, name), some in chosen.items() if one == source for shown in some}


def test_all_are_shown_where_there_is_room(counts):
    chosen = choose(counts, empty_table("matches"), MeshBudget())
    for key, found in counts.objects.items():
        assert sorted(shown.extent.instance for shown in chosen[key]) == found.ids.tolist()
        assert sorted(shown.extent.voxels for shown in chosen[key]) == sorted(found.voxels.tolist())


def test_else_the_largest_half_and_the_worst_half(counts):
    row = {"pred": "M2", "truth": "M1", "class": "vesicle", "kind": "missed", "overlap_voxels": 0, "pred_id": None}
    worst = as_table("matches", [{**row, "truth_id": 2, "cost_um3": 5.0, "cost_voxels": 50}])
    chosen = choose(counts, worst, MeshBudget(objects=4))
    assert chosen_of(chosen, "M1") > {("mito", 3), ("vesicle", 2)}
    assert all(len(chosen_of(chosen, source)) == 4 for source in ("automatic", "M1", "M2"))


def test_what_is_confused_is_paid_for_once(counts):
    """A confusion stands beside the missed object that it is; it is not counted again."""
    row = {"pred": "M2", "truth": "M1", "class": "vesicle", "overlap_voxels": 0, "pred_id": None}
    rows = [
        {**row, "kind": "confused", "truth_id": 1, "cost_um3": 9.0, "cost_voxels": 90, "other_class": "mito"},
        {**row, "kind": "missed", "truth_id": 2, "cost_um3": 5.0, "cost_voxels": 50},
    ]
    chosen = choose(counts, as_table("matches", rows), MeshBudget(objects=2))
    assert ("vesicle", 2) in chosen_of(chosen, "M1")


def test_faces_go_by_the_root_of_the_voxels_within_bounds(counts):
    chosen = choose(counts, empty_table("matches"), MeshBudget(faces=6000, least_faces=50, most_faces=100_000))
    shown = {one.extent.instance: one for one in chosen["M1", "mito"]}
    ratio = np.sqrt(shown[3].extent.voxels / shown[2].extent.voxels)
    assert shown[3].faces / shown[2].faces == pytest.approx(ratio, rel=0.02)
    assert sum(one.faces for some in chosen.values() for one in some) <= 6000
    few = choose(counts, empty_table("matches"), MeshBudget(faces=10, least_faces=50))
    assert {one.faces for some in few.values() for one in some} == {50}


def ball(radius=12):
    z, y, x = np.ogrid[:30, :30, :30]
    return (z - 14.5) ** 2 + (y - 14.5) ** 2 + (x - 14.5) ** 2 <= radius**2


def test_a_mesh_has_no_more_faces_than_it_may_and_keeps_its_volume():
    mask = ball()
    extent = Extent(1, "mito", (100, 0, 0), (130, 30, 30), 0.0, 30, int(mask.sum()))
    size = VoxelSize(10, 10, 10)
    mesh = Shown(extent, 300).draw(Crop(mask, (100, 0, 0), size, 1))
    assert 0 < len(mesh.faces) <= 300
    assert mesh.volume_nm3 == pytest.approx(mask.sum() * 1000, rel=0.03)
    assert mesh.bounds[0, 0] > 1000


def test_a_small_object_keeps_the_faces_that_it_has():
    mask = np.ones((2, 2, 2), dtype=np.bool_)
    extent = Extent(1, "mito", (0, 0, 0), (2, 2, 2), 0.0, 2, 8)
    mesh = Shown(extent, 5000).draw(Crop(mask, (0, 0, 0), VoxelSize(10, 10, 10), 1))
    assert mesh.is_watertight


def test_nothing_left_of_an_object_is_an_empty_mesh():
    extent = Extent(1, "mito", (0, 0, 0), (2, 2, 2), 0.0, 2, 8)
    assert Shown(extent, 100).draw(Crop(np.zeros((2, 2, 2), dtype=np.bool_), (0, 0, 0), VoxelSize(9, 9, 9), 1)).is_empty
