"""Objects inside those of another label volume: which in which, how pierced, how near to the membrane."""

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from famous.config import MeshConfig
from famous.errors import InputError
from famous.measure.further import NESTING
from famous.pipeline import around
from famous.pipeline.around import MembraneMaker, find_around, look_around
from famous.pipeline.stage import Session
from famous.pipeline.sweep import Labels
from famous.pipeline.volume import Wish, work_on
from famous.voxels import VoxelSize

SIZE = VoxelSize(10, 10, 10)
SHAPE = (44, 44, 90)
HUGE = 2**64 - 1


def balls(*balls, dtype=np.uint64):
    """(id, middle, radius, radius of the hole) each."""
    z, y, x = np.indices(SHAPE) + 0.5
    labels = np.zeros(SHAPE, dtype)
    for number, (cz, cy, cx), radius, hole in balls:
        distance = np.sqrt((z - cz) ** 2 + (y - cy) ** 2 + (x - cx) ** 2)
        labels[(distance < radius) & (distance >= hole)] = number
    return labels


def nuclei():
    return balls((HUGE, (22, 22, 22), 20, 0), (2, (22, 22, 66), 20, 0))


def nucleoli():
    """A hollow one in the middle of nucleus 2, one near the first one's edge, one outside."""
    return balls((3, (22, 22, 66), 8, 4), (4, (22, 22, 10), 5, 0), (5, (3, 3, 44), 2.5, 0))


def measured(folder, inner, outer, **knobs):
    wish = Wish(
        folder / "m",
        meshes=None,
        inside={"nucleolus": Labels(outer, SIZE, "nucleus")},
        **{"mesh": {"nucleus": MeshConfig()}, **knobs},
    )
    made = work_on([Labels(inner, SIZE, "nucleolus")], wish, Session())
    return made.table.set_index("id"), made.files[0]


def check(table):
    """The outer wall of nucleolus 3 is 120 nm from its nucleus, that of its hole 160 nm; means over both areas."""
    assert table["inside_id"].tolist() == [2, HUGE, pd.NA]
    assert table.loc[3, "fenestrated_percent"] == pytest.approx(100 * (4 / 8) ** 3, rel=0.05)
    mean = (8**2 * 120 + 4**2 * 160) / (8**2 + 4**2)
    assert table.loc[3, "membrane_distance_mean_um"] == pytest.approx(mean / 1000, rel=0.03)
    assert table.loc[3, "membrane_proximity"] == pytest.approx(1 - mean / 200, abs=0.03)
    assert table.loc[4, "membrane_distance_min_um"] == pytest.approx((20 - 12 - 5) * 10 / 1000, abs=0.004)
    assert table.loc[[4, 5], "fenestrated_percent"].tolist() == [0, 0]
    assert table.loc[5, ["membrane_distance_mean_um", "membrane_distance_min_um", "membrane_proximity"]].isna().all()


def test_nucleoli_in_nuclei_of_another_volume(tmp_path):
    table, file = measured(tmp_path, nucleoli(), nuclei())
    assert tuple(table.columns[-len(NESTING) :]) == NESTING
    check(table)
    names, *rows = (line.split(",") for line in file.read_text(encoding="utf-8").splitlines())
    assert [row[names.index("inside_id")] for row in rows] == ["2", str(HUGE), ""]  # and not 1.8e19
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["instances.csv"]


def test_holes_that_were_left_for_what_lies_inside_are_no_membrane(tmp_path):
    """Both volumes from one, in which a voxel has a single id: the nuclei have holes where the nucleoli are."""
    inner = nucleoli()
    inner[balls((1, (22, 22, 66), 4, 0)) > 0] = 3  # not hollow, or the hole would be the nucleus's
    outer = nuclei()
    outer[inner > 0] = 0
    table, _ = measured(tmp_path, inner, outer)
    assert table["inside_id"].tolist() == [2, HUGE, pd.NA]
    assert table.loc[3, "membrane_distance_mean_um"] == pytest.approx(0.120, rel=0.03)


def test_what_only_touches_another_lies_outside():
    outer = balls((1, (22, 22, 22), 15, 0))
    inner = np.zeros_like(outer)
    inner[21:24, 21:24, 37:40] = 8  # beside it
    assert outer[22, 22, 36] == 1
    assert find_around(inner, outer, Session()) == {}
    inner[22, 22, 36] = 8  # in it by a voxel
    assert find_around(inner, outer, Session()) == {8: 1}


def test_the_one_that_shares_most_voxels_is_the_one_around():
    outer = np.ones((4, 8, 8), np.uint32)
    outer[:, 4:] = 2
    inner = np.zeros_like(outer)
    inner[0, 0, :2] = 1  # two voxels in the first, nine in the second
    inner[1:, 7, :3] = 1
    assert find_around(inner, outer, Session()) == {1: 2}
    assert find_around(np.zeros_like(outer), outer, Session()) == {}
    assert find_around(inner, np.zeros_like(outer), Session()) == {}


def test_enclosed_along_every_axis():
    """A rod in a sleeve along each axis: the sleeve covers its sides, which are most of its faces."""
    for axis in range(3):
        rod = np.zeros((9, 9, 9), np.uint8)
        rod[4, 4, :] = 6
        sleeve = np.zeros((9, 9, 9), np.uint16)
        sleeve[3:6, 3:6, :] = 500
        sleeve[rod > 0] = 0
        turned = (np.moveaxis(rod, 2, axis), np.moveaxis(sleeve, 2, axis))
        assert find_around(*turned, Session()) == {6: 500}


def test_large_objects_are_looked_at_at_a_step(monkeypatch, tmp_path):
    monkeypatch.setattr(around, "LARGEST", 8**3)
    table, _ = measured(tmp_path, nucleoli(), nuclei())
    assert table.loc[3, "fenestrated_percent"] == pytest.approx(100 * (4 / 8) ** 3, rel=0.25)


def test_what_is_handed_to_processes_can_be(tmp_path):
    volumes = Labels(nucleoli(), SIZE, "a"), Labels(nuclei(), SIZE, "b")
    found = look_around(*volumes, MeshConfig(), tmp_path, Session())
    assert pickle.loads(pickle.dumps(found)) == found
    maker = MembraneMaker(tmp_path, MeshConfig())
    assert pickle.loads(pickle.dumps(maker)) == maker
    assert dict(found.outer) == {3: 2, 4: HUGE}
    assert {number: radius for number, (_, radius) in found.membranes.items()} == pytest.approx(
        {2: 200, HUGE: 200}, rel=0.02
    )


def test_volumes_that_do_not_fit_are_named(tmp_path):
    inner = Labels(nucleoli(), SIZE, "a")
    for outer, text in (
        (Labels(nuclei()[:-1], SIZE, "b"), r"--inside: found the shape \(43, 44, 90\), .* \(44, 44, 90\)"),
        (Labels(nuclei(), VoxelSize(10, 10, 12), "b"), r"--inside: found the voxel size \(10.*12.*\), expected"),
    ):
        with pytest.raises(InputError, match=text):
            look_around(inner, outer, MeshConfig(), tmp_path, Session())


def test_of_several_classes_only_those_asked_for_lie_in_another(tmp_path):
    inner = Labels(nucleoli(), SIZE, "nucleolus")
    other = replace(inner, class_name="vesicle")
    wish = Wish(tmp_path / "m", meshes=None, inside={"nucleolus": Labels(nuclei(), SIZE, "nucleus")})
    table = work_on([inner, other], wish, Session()).table.set_index(["class", "id"])
    assert table.loc["nucleolus", "inside_id"].tolist() == [2, HUGE, pd.NA]
    assert table.loc["vesicle"][list(NESTING)].isna().all(axis=None)
