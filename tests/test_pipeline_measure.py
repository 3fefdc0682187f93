"""Measures of a run that are made after its meshes: further columns, and one organelle in another."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from famous.config import MeshConfig
from famous.errors import ConfigError
from famous.io.label_store import LabelStore
from famous.io.meshes import write_mesh
from famous.io.tables import read_csv
from famous.measure import MeasureParams
from famous.measure.further import NESTING
from famous.measure.thickness import ThicknessParams
from famous.pipeline.crops import Extent, mesh_path
from famous.pipeline.measure import BlockMeasurer, Nested
from famous.pipeline.mesh import measure_stage, run_measure, settle
from famous.pipeline.stage import Session
from famous.points import OutlierParams
from famous.surface.isosurface import surface
from famous.voxels import VoxelSize

SIZE = VoxelSize(10, 10, 10)
SHAPE = (44, 44, 90)
INSIDE = MeasureParams(inside={"nucleolus": "nucleus"})


def balls(*balls):
    z, y, x = np.indices(SHAPE) + 0.5
    labels = np.zeros(SHAPE, np.uint32)
    for number, (cz, cy, cx), radius, hole in balls:
        distance = np.sqrt((z - cz) ** 2 + (y - cy) ** 2 + (x - cx) ** 2)
        labels[(distance < radius) & (distance >= hole)] = number
    return labels


@pytest.fixture(scope="module")
def cell(tmp_path_factory):
    """Two nuclei; a hollow nucleolus in the second one's middle, one near the first one's edge, one outside."""
    folder = tmp_path_factory.mktemp("cell")
    volumes = {
        "nucleus": balls((1, (22, 22, 22), 20, 0), (2, (22, 22, 66), 20, 0)),
        "nucleolus": balls((3, (22, 22, 66), 8, 4), (4, (22, 22, 10), 5, 0), (5, (3, 3, 44), 2.5, 0)),
    }
    store = LabelStore.create(folder / "l.ome.zarr", list(volumes), SHAPE, SIZE)
    extents = []
    for name, labels in volumes.items():
        for z, image in enumerate(labels):
            store.write_labels(name, z, image)
        for number in np.unique(labels[labels > 0]).tolist():
            index = np.argwhere(labels == number)
            low, high = index.min(axis=0), index.max(axis=0) + 1
            extent = Extent(number, name, tuple(low.tolist()), tuple(high.tolist()), 1.0, 1, len(index))
            extents.append(extent)
            path = mesh_path(folder / "meshes", extent)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_mesh(path, surface(labels == number, voxel_size=SIZE), class_name=name, instance=number)
    extents.sort(key=lambda extent: extent.instance)
    return folder, tuple(extents)


def measured(cell, params):
    folder, extents = cell
    worker = BlockMeasurer(folder / "l.ome.zarr", folder / "meshes", SIZE, params, extents)
    table = worker(range(len(extents)))
    table.index = pd.Index([extent.instance for extent in extents])
    return table


def test_nucleoli_in_their_nuclei(cell):
    table = measured(cell, INSIDE)
    assert list(table.columns) == list(NESTING)
    assert table.loc[[1, 2]].isna().all(axis=None)  # nuclei lie in nothing
    assert table.loc[[3, 4], "inside_id"].tolist() == [2, 1]
    assert table.loc[3, "fenestrated_percent"] == pytest.approx(100 * (4 / 8) ** 3, rel=0.05)
    # the outer wall is 120 nm away, that of the hole 160 nm; means over both areas
    mean = (8**2 * 120 + 4**2 * 160) / (8**2 + 4**2)
    assert table.loc[3, "membrane_distance_mean_um"] == pytest.approx(mean / 1000, rel=0.03)
    assert table.loc[3, "membrane_proximity"] == pytest.approx(1 - mean / 200, abs=0.03)
    assert table.loc[4, "membrane_distance_min_um"] == pytest.approx((20 - 12 - 5) * 10 / 1000, abs=0.004)
    assert table.loc[4, "fenestrated_percent"] == 0


def test_what_lies_outside_of_all_has_pores_only(cell):
    row = measured(cell, INSIDE).loc[5]
    assert row["fenestrated_percent"] == 0
    assert row.drop("fenestrated_percent").isna().all()


def test_a_class_that_is_not_there_is_named(cell):
    with pytest.raises(ConfigError, match=r"measure\.inside: found nucleolus: vacuole, but no class 'vacuole'"):
        measured(cell, MeasureParams(inside={"nucleolus": "vacuole"}))


def test_only_what_was_asked_for_is_measured(cell):
    table = measured(cell, MeasureParams(thickness=ThicknessParams(wanted=True)))
    assert list(table.columns) == ["thickness_mean_um", "thickness_max_um"]
    assert table.loc[[1, 4], "thickness_max_um"].tolist() == pytest.approx([0.4, 0.1], rel=0.05)
    assert table.loc[3, "thickness_mean_um"] == pytest.approx(0.04, rel=0.1)


def test_measures_that_are_asked_for_make_the_stage_again(done):
    before = read_csv(done.instances)
    more = settle(done, measure=MeasureParams().everything())
    assert not measure_stage(more)[0].is_done
    table = run_measure(more, Session(jobs=2))
    assert [name for name in table.columns if name not in before.columns] == [
        "thickness_mean_um", "thickness_max_um", "skeleton_length_um", "n_branches", "n_branch_points",
    ]  # fmt: skip
    assert measure_stage(more)[0].is_done
    assert read_csv(done.instances)["id"].tolist() == before["id"].tolist()
    assert not (table["thickness_max_um"].isna() | (table["thickness_max_um"] <= 0)).any()


def test_what_is_settled_is_saved_once(done):
    path = done.folder / "famous.yaml"
    before = path.read_bytes()
    assert settle(done).config == done.config
    assert path.read_bytes() == before
    smooth = replace(done.config.mesh, method="auto")
    assert settle(done, mesh=smooth).config.mesh.method == "auto"
    assert b"method: auto" in path.read_bytes()


def test_nothing_to_measure_is_a_table(cell):
    folder, _ = cell
    worker = BlockMeasurer(folder / "l.ome.zarr", folder / "meshes", SIZE, INSIDE, ())
    assert list(worker(range(0)).columns) == list(NESTING)


def test_the_one_that_shares_most_voxels_is_the_one_around(tmp_path):
    store = LabelStore.create(tmp_path / "l.ome.zarr", ["inner", "outer"], (4, 8, 8), SIZE)
    outer = np.ones((8, 8), np.uint32)
    outer[4:] = 2
    for z in range(4):
        store.write_labels("outer", z, outer)
    mask = np.zeros((4, 8, 8), bool)
    mask[0, 0, :2] = True  # two voxels in the first, nine in the second
    mask[1:, 7, :3] = True
    inner = Extent(1, "inner", (0, 0, 0), (4, 8, 8), 1.0, 4, 11)
    around = tuple(Extent(number, "outer", (0, 0, 0), (4, 8, 8), 1.0, 4, 128) for number in (1, 2))
    nested = Nested(store, tmp_path, SIZE, MeasureParams(inside={"inner": "outer"}), (inner, *around))
    assert nested._find(inner, mask, "outer") == 2
    assert nested._find(inner, np.zeros_like(mask), "outer") is None


def test_outliers_left_out_of_a_mesh_are_left_out_of_its_pores_and_place(tmp_path):
    """A bar in the first one, and a voxel off in the second; of a speck's hole there is no pore without the speck."""
    store = LabelStore.create(tmp_path / "l.ome.zarr", ["inner", "outer"], (8, 30, 30), SIZE)
    labels = np.zeros((8, 30, 30), np.uint32)
    labels[2:5, 2:12, 2:12] = 1
    ring = np.zeros_like(labels)
    ring[4, 26:29, 26:29] = 1
    ring[4, 27, 27] = 0
    labels[ring > 0] = 1
    outer = np.zeros_like(labels)
    outer[ring > 0] = 2
    for z in range(8):
        store.write_labels("inner", z, labels[z])
        store.write_labels("outer", z, outer[z])
    inner = Extent(1, "inner", (0, 0, 0), (8, 30, 30), 1.0, 3, int((labels == 1).sum()))
    around = Extent(2, "outer", (0, 0, 0), (8, 30, 30), 1.0, 1, 8)
    path = mesh_path(tmp_path, around)
    path.parent.mkdir(parents=True)
    write_mesh(path, surface(outer == 2, voxel_size=SIZE), class_name="outer", instance=2)
    nested = Nested(store, tmp_path, SIZE, MeasureParams(inside={"inner": "outer"}), (inner, around))
    mesh = surface(labels == 1, voxel_size=SIZE)
    whole = nested.measure(inner, mesh)
    assert whole["inside_id"] == 2
    assert whole["fenestrated_percent"] > 0
    left = nested.measure(inner, mesh, MeshConfig(outliers=OutlierParams()))
    assert np.isnan(left["inside_id"])
    assert left["fenestrated_percent"] == 0


def test_a_run_leaves_the_outliers_of_a_class_out_of_meshes_and_rows(done):
    """A voxel is put off one organelle into the labels of the run: with outliers asked for it is in no row."""
    from famous.pipeline.mesh import mesh_stage, run_mesh

    before = read_csv(done.instances).set_index("id")
    number = int(before["voxels"].idxmax())
    row = before.loc[number]
    store = LabelStore.open(done.labels)
    z = int((row["bb_min_z_um"] + row["bb_max_z_um"]) / 2 * 1000 / done.voxel_size.z)
    y, x = (int(row[f"bb_min_{axis}_um"] * 1000 / 16) for axis in "yx")
    labels = store.read_labels(row["class"], z)
    here = np.argwhere(labels == number)
    corner = np.array([[y, x]])
    assert np.abs(here - corner).max(axis=1).min() > 2  # the box's corner is far from the body
    labels[y, x] = number
    store.write_labels(row["class"], z, labels)
    changed = settle(done, mesh=replace(done.config.mesh, outliers=OutlierParams(std_ratio=5.0)))
    assert not mesh_stage(changed)[0].is_done
    run_mesh(changed, Session())
    table = run_measure(changed, Session()).set_index("id")
    assert table.loc[number, "n_pieces"] == row["n_pieces"]
    assert table.loc[number, "voxels"] == row["voxels"]
    whole = settle(changed, mesh=replace(done.config.mesh, outliers=None))
    run_mesh(whole, Session())
    assert run_measure(whole, Session()).set_index("id").loc[number, "n_pieces"] == row["n_pieces"] + 1
