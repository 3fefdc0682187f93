"""Label volumes without a run: what is streamed is the whole, and what is wrong is named."""

import json

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr

from famous.config import MeshConfig
from famous.errors import InputError
from famous.io.meshes import read_mesh
from famous.io.tables import read_csv
from famous.measure import MeasureParams
from famous.pipeline.stage import Session, Silent
from famous.pipeline.sweep import Labels
from famous.pipeline.volume import Wish, has_run, labels_of_run, open_labels, work_on
from famous.surface.isosurface import surface
from famous.voxels import VoxelSize

SIZE = VoxelSize(16, 8, 8)


def cell(dtype=np.uint32):
    """A ball, a bar that touches two borders, a plane one voxel thick, one voxel; ids 1, 2, 7 and 60,000."""
    labels = np.zeros((20, 30, 40), dtype)
    z, y, x = np.indices(labels.shape)
    labels[(2 * (z - 8)) ** 2 + (y - 12) ** 2 + (x - 14) ** 2 < 80] = 1
    labels[14:17, 2:8, :] = 2
    labels[18, 10:25, 10:30] = 7
    labels[5, 25, 35] = 60_000
    return labels


def opened(array, **knobs):
    return Labels(array, SIZE, knobs.pop("class_name", "object"))


class Notes(Silent):
    def __init__(self):
        self.texts = []

    def note(self, text):
        self.texts.append(text)


def test_each_mesh_and_row_is_that_of_its_voxels(tmp_path):
    labels = cell()
    made = work_on([opened(labels)], Wish(tmp_path / "m"), Session())
    assert [path.name for path in made.files] == [
        *(f"object_{number:05d}.ply" for number in (1, 2, 7, 60_000)), "meshes.json",
    ]  # fmt: skip
    assert {path.name for path in (tmp_path / "m").iterdir()} == {path.name for path in made.files}
    for path, row in zip(made.files, made.table.to_dict("records"), strict=False):
        own = labels == row["id"]
        alone = surface(own, voxel_size=SIZE)
        mesh = read_mesh(path)
        assert mesh.is_watertight
        assert mesh.volume_nm3 == pytest.approx(alone.volume_nm3, rel=1e-3)
        assert mesh.vertices.mean(axis=0) == pytest.approx(alone.vertices.mean(axis=0), abs=1)
        assert row["voxels"] == own.sum()
        assert row["volume_mesh_um3"] == pytest.approx(own.sum() * SIZE.volume_nm3 / 1e9, rel=0.03)
        assert row["touches_border"] == (row["id"] == 2)
    side_car = json.loads((tmp_path / "m" / "meshes.json").read_text(encoding="utf-8"))
    assert side_car["files"]["object_00007.ply"]["n_slices"] == 1


@pytest.mark.parametrize("jobs", [1, 2])
def test_processes_make_the_same(tmp_path, jobs):
    made = work_on([opened(cell())], Wish(tmp_path / "m"), Session(jobs=jobs))
    alone = work_on([opened(cell())], Wish(tmp_path / "alone"), Session())
    pd.testing.assert_frame_equal(made.table, alone.table)
    for path in made.files:
        assert path.read_bytes() == (tmp_path / "alone" / path.name).read_bytes()


def test_measures_only_write_the_table(tmp_path):
    params = MeasureParams().everything()
    made = work_on([opened(cell())], Wish(tmp_path / "m", meshes=None, measure=params), Session())
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["instances.csv"]
    table = read_csv(made.files[0])
    assert table["id"].tolist() == [1, 2, 7, 60_000]
    assert table.loc[1, "thickness_max_um"] == pytest.approx(0.048, rel=0.15)
    assert table.loc[1, "skeleton_length_um"] == pytest.approx(0.32, rel=0.1)
    assert table["n_branches"].tolist()[:2] == [1, 1]


@pytest.mark.parametrize("kind", ["stl", "obj"])
def test_other_formats(tmp_path, kind):
    made = work_on([opened(cell())], Wish(tmp_path / "m", meshes=kind), Session())
    assert read_mesh(made.files[0]).is_watertight
    assert made.files[0].suffix == f".{kind}"


def test_a_glb_holds_every_instance_and_nothing_else_is_left(tmp_path):
    import trimesh

    made = work_on([opened(cell(), class_name="late endosome")], Wish(tmp_path / "m", meshes="glb"), Session())
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["meshes.glb"]
    scene = trimesh.load(made.files[0])
    assert set(scene.geometry) == {f"late_endosome_{number:05d}" for number in (1, 2, 7, 60_000)}


def test_ids_of_any_size_name_their_files(tmp_path):
    labels = np.zeros((4, 5, 6), np.uint64)
    labels[1:3, 1:3, 1:3], labels[1:3, 1:3, 4:] = 2**32 - 1, 2**64 - 1
    made = work_on([opened(labels)], Wish(tmp_path / "m"), Session())
    assert [path.stem for path in made.files] == ["object_4294967295", "object_18446744073709551615", "meshes"]
    assert [int(number) for number in made.table["id"]] == [2**32 - 1, 2**64 - 1]
    assert "18446744073709551615" in (tmp_path / "m" / "meshes.json").read_text(encoding="utf-8")


def test_split_makes_an_instance_of_every_piece(tmp_path):
    labels = (cell() > 0).astype(np.uint8) * 200
    made = work_on([opened(labels)], Wish(tmp_path / "m", split=True, minimum_voxels=2), Session())
    assert made.table["label"].tolist() == [200] * 3
    assert sorted(made.table["voxels"]) == sorted(int((cell() == number).sum()) for number in (1, 2, 7))
    assert (made.table["n_pieces"] == 1).all()


def test_no_label_is_a_table_without_rows(tmp_path):
    notes = Notes()
    made = work_on([opened(np.zeros((3, 4, 5), np.uint8))], Wish(tmp_path / "m", split=True), Session(notes))
    assert made.table.empty
    assert [path.name for path in made.files] == ["meshes.json"]
    assert any("no label above 0" in text for text in notes.texts)
    again = work_on([opened(np.zeros((3, 4, 5), np.uint8))], Wish(tmp_path / "n", meshes=None), Session())
    assert list(read_csv(again.files[0]).columns)[:2] == ["id", "class"]


def test_what_is_there_is_kept(tmp_path):
    work_on([opened(cell())], Wish(tmp_path / "m"), Session())
    with pytest.raises(InputError, match=r"meshes\.json: is there already; say --overwrite"):
        work_on([opened(cell())], Wish(tmp_path / "m"), Session())
    (tmp_path / "m" / "meshes.json").unlink()
    with pytest.raises(InputError, match=r"object_00001\.ply: is there already"):
        work_on([opened(cell())], Wish(tmp_path / "m"), Session())
    work_on([opened(cell())], Wish(tmp_path / "m", overwrite=True), Session())
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="found a file, expected a folder"):
        work_on([opened(cell())], Wish(tmp_path / "file"), Session())
    with pytest.raises(InputError, match="--format: found 'dae'"):
        work_on([opened(cell())], Wish(tmp_path / "d", meshes="dae"), Session())


def test_what_a_killed_export_left_is_swept(tmp_path):
    out = tmp_path / "m"
    (out / ".meshes.abc.partial").mkdir(parents=True)
    (out / ".meshes.abc.partial" / "object_00001.ply").write_bytes(b"half")
    (out / ".object_00002.ply.0123.partial.ply").write_bytes(b"half")
    made = work_on([opened(cell())], Wish(out), Session())
    assert {path.name for path in out.iterdir()} == {path.name for path in made.files}


def test_the_method_is_the_classes(tmp_path):
    wish = Wish(
        tmp_path / "m", mesh={"object": MeshConfig(method="shrinkwrap", maximum_voxels=4000)}, minimum_voxels=300
    )
    made = work_on([opened(cell())], wish, Session())
    assert all(read_mesh(path).is_watertight for path in made.files[:-1])
    smooth = work_on([opened(cell())], Wish(tmp_path / "n", minimum_voxels=300), Session())
    assert made.files[0].read_bytes() != smooth.files[0].read_bytes()
    assert made.table["voxels"].tolist() == smooth.table["voxels"].tolist()


def test_labels_are_opened_with_their_voxel_size(tmp_path):
    tifffile.imwrite(tmp_path / "l.tif", cell(np.uint16))
    with pytest.raises(InputError, match="--voxel-size"):
        open_labels(str(tmp_path / "l.tif"), None)
    labels = open_labels(str(tmp_path / "l.tif"), SIZE, "nucleus")
    assert (labels.shape, labels.voxel_size, labels.class_name) == ((20, 30, 40), SIZE, "nucleus")
    assert labels.volume[5].dtype == np.uint64
    with pytest.raises(InputError, match="expected a name that can name a folder"):
        open_labels(str(tmp_path / "l.tif"), SIZE, "a/b")


@pytest.mark.parametrize("value", [0.5, np.nan, -1.0])
def test_grey_values_are_no_labels(tmp_path, value):
    grey = np.zeros((3, 4, 5), np.float32)
    grey[1, 2, 3] = value
    zarr.create_array(tmp_path / "g.zarr", data=grey)
    with pytest.raises(InputError, match=r"g\.zarr, slice 1: (labels: )?found"):
        work_on([open_labels(str(tmp_path / "g.zarr"), SIZE)], Wish(tmp_path / "m"), Session())
    assert not (tmp_path / "m").exists()


def test_the_labels_of_a_run(tmp_path, finished):
    names = {labels.class_name for labels in labels_of_run(finished, None)}
    table = read_csv(finished.instances)
    assert set(table["class"]) <= names
    made = work_on(labels_of_run(finished, None), Wish(tmp_path / "m"), Session())
    assert sorted(made.table["id"]) == sorted(table["id"])
    merged = made.table.merge(table, on=["id", "class"], suffixes=("", "_run"))
    assert merged["volume_mesh_um3"].to_numpy() == pytest.approx(merged["volume_mesh_um3_run"].to_numpy())
    assert (merged["voxels"] == merged["voxels_run"]).all()
    with pytest.raises(InputError, match="--class: found 'golgi'"):
        labels_of_run(finished, "golgi")


def test_a_run_is_told_from_a_file(tmp_path, finished):
    assert has_run(str(finished.folder), None)
    assert has_run(str(finished.folder.parent / "cell.tif"), None)
    assert not has_run(str(tmp_path / "cell.tif"), None)
    assert has_run(str(tmp_path / "cell.tif"), finished.folder)
