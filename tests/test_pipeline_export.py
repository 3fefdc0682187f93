"""Exports: what other programs open agrees with the run, and nothing that is there is replaced unasked."""

import json
import struct
import uuid

import numpy as np
import pandas as pd
import pytest
import tifffile
import trimesh

from famous.errors import InputError, MissingError
from famous.files import PARTIAL_SUFFIX
from famous.io.blend import RenderParams
from famous.io.label_store import LabelStore
from famous.io.meshes import read_mesh
from famous.io.tables import read_csv, read_parquet
from famous.pipeline import export as export_module
from famous.pipeline.export import FORMATS, Place, export, export_levels, render
from famous.pipeline.exported import RECORD
from famous.pipeline.mesh import run_mesh
from famous.pipeline.organelles import Organelles
from famous.pipeline.project import open_project
from famous.pipeline.stage import Session, Silent
from famous.surface.simplify import error_nm
from tests.blender import look, needs_blender
from tests.cells import write_cell
from tests.test_pipeline import Log
from tests.test_pipeline_faults import changed

pytestmark = pytest.mark.usefixtures("know_all")
EACH = ("stl", "obj", "ply")
FILES = tuple(kind for kind in FORMATS if kind not in ("blend", "precomputed"))  # the others have tests of their own


def meshes_of(files, kind):
    return [path for path in files if path.suffix == f".{kind}"]


def gltf_of(path):
    data = path.read_bytes()
    return json.loads(data[20 : 20 + struct.unpack_from("<I", data, 12)[0]])


def lose(monkeypatch, project, class_name):
    """Let the run have no organelle of a class."""
    kept = [extent for extent in Organelles.of(project).extents if extent.class_name != class_name]
    monkeypatch.setattr(
        Organelles,
        "of",
        classmethod(lambda cls, project: cls(project, tuple(kept), {extent.instance: {} for extent in kept})),
    )
    store = LabelStore.open(project.labels)
    store.classes = tuple(name for name in store.classes if name != class_name)
    monkeypatch.setattr(LabelStore, "open", lambda path: store)


# ---- what is in them ----


@pytest.mark.parametrize("kind", EACH)
def test_every_organelle_is_a_file_of_its_volume(finished, tmp_path, kind):
    rows = read_csv(finished.instances).set_index("id")
    written = meshes_of(export(finished, kind, out=tmp_path / "a ü"), kind)
    assert len(written) == len(rows)
    for path in written:
        assert path.parent.name == path.stem.rpartition("_")[0]
        row = rows.loc[int(path.stem.rpartition("_")[2])]
        mesh = trimesh.load(path)
        assert mesh.volume == pytest.approx(row["volume_mesh_um3"], rel=1e-3)
        assert path.parent.name == row["class"].replace(" ", "_")


def test_ply_is_copied_to_the_byte(finished, tmp_path):
    for path in meshes_of(export(finished, "ply", out=tmp_path), "ply"):
        assert path.read_bytes() == (finished.meshes / path.parent.name / path.name).read_bytes()


@pytest.mark.parametrize("kind", EACH)
def test_a_file_a_class_holds_the_volume_of_the_class(finished, tmp_path, kind):
    volumes = read_csv(finished.instances).groupby("class")["volume_mesh_um3"].sum()
    written = meshes_of(export(finished, kind, out=tmp_path, per_class=True), kind)
    assert [path.stem.replace("_", " ") for path in written] == list(volumes.index)
    for path, volume in zip(written, volumes, strict=True):
        assert trimesh.load(path).volume == pytest.approx(volume, rel=1e-3)


def test_glb_has_the_measures_of_each_organelle(finished, tmp_path):
    (path,) = export(finished, "glb", out=tmp_path)
    assert path.name == "cell.glb"
    rows = read_csv(finished.instances).set_index("id")
    content = gltf_of(path)
    nodes = content["nodes"]
    assert sorted(node["extras"]["id"] for node in nodes) == sorted(rows.index)
    for scene in content["scenes"]:  # every class has its own organelles
        assert {nodes[index]["extras"]["class"] for index in scene["nodes"]} == {scene["name"]}
    assert [scene["name"] for scene in content["scenes"]] == sorted(rows["class"].unique())
    for node in nodes:
        assert node["extras"]["volume_mesh_um3"] == pytest.approx(rows.loc[node["extras"]["id"], "volume_mesh_um3"])


def test_glb_takes_no_measures_of_an_earlier_run(done, tmp_path):
    other = changed(done, mesh={"method": "shrinkwrap"})
    run_mesh(other, Session())
    assert done.instances.exists()  # the table is there still, of meshes that are gone
    nodes = gltf_of(export(other, "glb", out=tmp_path)[0])["nodes"]
    assert nodes
    assert all("extras" not in node or "volume_mesh_um3" not in node["extras"] for node in nodes)
    assert export(other, "stl", out=tmp_path / "stl")
    with pytest.raises(InputError, match="run `famous measure"):
        export(other, "csv")


def test_tables_are_those_of_the_run(finished, tmp_path):
    instances, boxes = export(finished, "csv", out=tmp_path)
    assert instances.read_bytes() == finished.instances.read_bytes()
    stored = read_parquet(finished.boxes)
    again = pd.read_csv(boxes)
    assert list(again.columns) == list(stored.columns)
    assert again["instance"].tolist() == stored["instance"].tolist()


def test_a_label_stack_a_class_with_the_ids_of_the_table(finished, tmp_path):
    rows = read_csv(finished.instances)
    store = LabelStore.open(finished.labels)
    written = export(finished, "tiff", out=tmp_path)
    assert [path.stem for path in written] == [name.replace(" ", "_") for name in store.classes]
    for name, path in zip(store.classes, written, strict=True):
        labels = tifffile.imread(path)
        ids, voxels = np.unique(labels[labels > 0], return_counts=True)
        own = rows[rows["class"] == name].sort_values("id")
        assert ids.tolist() == own["id"].tolist()
        assert voxels.tolist() == own["voxels"].tolist()


@pytest.mark.parametrize("kind", EACH)
@pytest.mark.parametrize("per_class", [False, True])
def test_the_side_car_lists_every_file_with_its_row(finished, tmp_path, kind, per_class):
    written = export(finished, kind, out=tmp_path, per_class=per_class)
    content = json.loads((tmp_path / "meshes.json").read_text(encoding="utf-8"))
    assert written[-1] == tmp_path / "meshes.json"
    assert sorted(content["files"]) == sorted(
        path.relative_to(tmp_path).as_posix() for path in meshes_of(written, kind)
    )
    rows = read_csv(finished.instances).set_index("id")
    for name, row in content["files"].items():
        assert row["class"] == (tmp_path / name).parent.name.replace("_", " ") or per_class
        if not per_class:
            assert row["volume_mesh_um3"] == pytest.approx(rows.loc[row["id"], "volume_mesh_um3"])


@pytest.mark.parametrize("per_class", [False, True])
def test_obj_has_the_colour_of_its_class(finished, tmp_path, per_class):
    written = export(finished, "obj", out=tmp_path, per_class=per_class)
    colours = Organelles.of(finished).colours
    assert len([path for path in written if path.suffix == ".mtl"]) == len(colours)
    for path in meshes_of(written, "obj"):
        name = (path.stem if per_class else path.parent.name).replace("_", " ")
        shown = trimesh.load(path, force="mesh").visual.material.diffuse[:3]
        assert "#" + bytes(shown.tolist()).hex() == colours[name]


def test_precomputed_has_a_segment_an_organelle(finished, tmp_path):
    (folder,) = export(finished, "precomputed", out=tmp_path)
    assert folder == tmp_path / "cell.precomputed"
    inline = json.loads((folder / "segment_properties" / "info").read_text(encoding="utf-8"))["inline"]
    rows = read_csv(finished.instances)
    assert sorted(int(number) for number in inline["ids"]) == sorted(rows["id"])
    with pytest.raises(InputError, match="is there already"):
        export(finished, "precomputed", out=tmp_path)
    assert export(finished, "precomputed", out=tmp_path, overwrite=True) == [folder]


@needs_blender
def test_blend_has_a_collection_a_class_and_the_box_of_the_stack(finished, tmp_path):
    reporter = Told()
    (path,) = export(finished, "blend", out=tmp_path / "out", reporter=reporter)
    found = look(path, tmp_path)["collections"]
    rows = read_csv(finished.instances)
    assert {name: len(things) for name, things in found.items() if name != "figure"} == (
        rows["class"].value_counts().to_dict()
    )
    volumes = rows.set_index("id")["volume_mesh_um3"]
    for things in (things for name, things in found.items() if name != "figure"):
        for thing in things:
            assert thing["volume"] == pytest.approx(volumes[thing["row"]["id"]], rel=1e-3)
    assert "stack 2.56 × 2.56 × 0.384 µm" in [thing["name"] for thing in found["figure"]]
    assert (reporter.total, reporter.done) == (len(rows), len(rows))
    picture = render(path, tmp_path / "a.png", RenderParams(32, 32, 1), reporter=reporter)
    assert picture.stat().st_size > 100
    with pytest.raises(InputError, match="is there already"):
        render(path, picture, RenderParams(32, 32, 1))


def test_without_blender_nothing_is_made(finished, tmp_path, monkeypatch):
    monkeypatch.setenv("FAMOUS_BLENDER", "/nowhere/blender")
    with pytest.raises(MissingError, match="pip install"):
        export(finished, "blend", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


class Told(Silent):
    """Adds up what it is told."""

    total = done = 0

    def begin(self, stage, total):
        self.total, self.done = total, 0

    def advance(self, units):
        self.done += units


@pytest.mark.parametrize("kind", ["stl", "glb", "precomputed"])
def test_the_reporter_hears_of_every_mesh(finished, tmp_path, kind):
    told = Told()
    export(finished, kind, out=tmp_path, reporter=told)
    assert told.done == told.total == len(read_csv(finished.instances))


# ---- levels of detail ----


@pytest.fixture(scope="module")
def levelled(finished, tmp_path_factory):
    """Levels of 4 nm and 40 nm as PLY, and the place of their folders."""
    folder = tmp_path_factory.mktemp("levels")
    return export_levels(finished, "ply", [4, 40.0], Place(folder)), folder


@pytest.fixture
def few(monkeypatch, finished):
    """Let the run have one organelle of each class."""
    whole = Organelles.of(finished)
    kept = tuple(whole.of_class(name)[-1] for name in whole.classes)
    monkeypatch.setattr(Organelles, "of", classmethod(lambda cls, project: cls(project, kept, whole.rows)))


def test_every_level_is_a_folder_with_every_organelle(finished, levelled):
    written, folder = levelled
    assert sorted(path.name for path in folder.iterdir()) == ["within_40_nm", "within_4_nm"]
    expected = {path.relative_to(finished.meshes) for path in finished.meshes.rglob("*.ply")}
    for level in folder.iterdir():
        assert {path.relative_to(level) for path in level.rglob("*.ply")} == expected
    assert set(written) == {path for path in folder.rglob("*") if path.is_file() and path.name != RECORD}


def test_a_level_has_fewer_faces_within_its_error_and_is_closed(finished, levelled):
    _, folder = levelled
    faces = {0: 0, 4: 0, 40: 0}
    for path in finished.meshes.rglob("*.ply"):
        whole = read_mesh(path)
        faces[0] += len(whole.faces)
        for error in (4, 40):
            simple = read_mesh(folder / f"within_{error}_nm" / path.relative_to(finished.meshes))
            assert len(simple.faces) <= len(whole.faces)
            assert error_nm(simple, whole) <= error
            assert simple.is_watertight
            assert simple.topology == whole.topology
            assert simple.volume_nm3 == pytest.approx(whole.volume_nm3, rel=0.004)
            faces[error] += len(simple.faces)
    assert faces[4] < faces[0] / 2
    assert faces[40] < faces[0] / 10


def test_a_level_says_what_it_is_beside_the_measures_of_the_run(finished, levelled):
    _, folder = levelled
    rows = read_csv(finished.instances).set_index("id")
    content = json.loads((folder / "within_40_nm" / "meshes.json").read_text(encoding="utf-8"))
    assert len(content["files"]) == len(rows)
    for row in content["files"].values():
        assert row["simplified_within_nm"] == 40
        assert row["volume_mesh_um3"] == pytest.approx(rows.loc[row["id"], "volume_mesh_um3"])
    merged = export_levels(finished, "stl", [40], Place(folder / "merged", per_class=True))
    content = json.loads(merged[-1].read_text(encoding="utf-8"))
    assert all(row["simplified_within_nm"] == 40 for row in content["files"].values())
    for path in meshes_of(merged, "stl"):
        volume = rows.loc[rows["class"] == path.stem.replace("_", " "), "volume_mesh_um3"].sum()
        assert trimesh.load(path).volume == pytest.approx(volume, rel=5e-3)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("kind", ["stl", "obj", "glb", "precomputed"])
def test_a_level_has_the_names_of_the_whole_in_every_format(finished, tmp_path, kind):
    whole = export(finished, kind, out=tmp_path / "whole")
    level = export_levels(finished, kind, [40], Place(tmp_path))
    own = tmp_path / "within_40_nm"
    assert [path.relative_to(own) for path in level] == [path.relative_to(tmp_path / "whole") for path in whole]
    sizes = [sum(file.stat().st_size for file in files_of(paths)) for paths in (level, whole)]
    assert sizes[0] < sizes[1] / 4
    if kind == "glb":
        one, other = (gltf_of(paths[0])["nodes"] for paths in (level, whole))
        assert [node["name"] for node in one] == [node["name"] for node in other]
        assert [node["extras"] for node in one] == [{**node["extras"], "simplified_within_nm": 40.0} for node in other]


def files_of(paths):
    return [file for path in paths for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]


@needs_blender
def test_a_level_is_a_blender_file_too(finished, tmp_path):
    (path,) = export_levels(finished, "blend", [40], Place(tmp_path / "out"))
    found = look(path, tmp_path)["collections"]
    things = [thing for name, own in found.items() if name != "figure" for thing in own]
    assert sorted(thing["row"]["id"] for thing in things) == sorted(read_csv(finished.instances)["id"])
    assert all(thing["row"]["simplified_within_nm"] == 40 for thing in things)


@pytest.mark.parametrize("error", [0, -1.0, float("nan"), float("inf")])
def test_an_error_of_a_level_that_is_no_length_is_named_before_anything_is_made(finished, tmp_path, error):
    with pytest.raises(InputError, match=f"--level: found {error} nm, expected above 0"):
        export_levels(finished, "stl", [20, error], Place(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["tiff", "csv"])
def test_what_has_no_meshes_has_no_levels(finished, tmp_path, kind):
    with pytest.raises(InputError, match=f"--level: found the format {kind}, which has no meshes"):
        export_levels(finished, kind, [20], Place(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("few")
def test_no_level_is_no_file_and_one_that_is_given_twice_is_one(done):
    assert export_levels(done, "glb", []) == []
    (path,) = export_levels(done, "glb", [40, 40.0])
    assert path == done.folder / "export" / "glb" / "within_40_nm" / "cell.glb"


@pytest.mark.usefixtures("few")
def test_where_a_file_of_one_level_is_there_no_level_is_written(finished, tmp_path):
    mine = tmp_path / "within_80_nm" / "cell.glb"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(InputError, match=r"cell\.glb is there already; --overwrite replaces it"):
        export_levels(finished, "glb", [40, 80], Place(tmp_path))
    assert list(tmp_path.iterdir()) == [mine.parent]
    assert mine.read_text() == "mine"
    export_levels(finished, "glb", [40, 80], Place(tmp_path, overwrite=True))
    assert mine.stat().st_size > 1000


def test_overwriting_a_level_removes_what_the_run_has_no_longer_and_leaves_the_other_levels(
    finished, tmp_path, monkeypatch
):
    other = export(finished, "stl", out=tmp_path)
    coarser = export_levels(finished, "stl", [80], Place(tmp_path))
    export_levels(finished, "stl", [40], Place(tmp_path))
    lose(monkeypatch, finished, "mitochondrion")
    log = Log()
    left = export_levels(finished, "stl", [40], Place(tmp_path, overwrite=True), reporter=log)
    own = tmp_path / "within_40_nm"
    assert {path for path in own.rglob("*") if path.is_file() and path.name != RECORD} == set(left)
    assert not (own / "mitochondrion").exists()
    assert [text for what, _, text in log.said if what == "note" and text.startswith("removed")]
    assert all(path.exists() for path in (*other, *coarser))


# ---- where they go ----


def test_without_a_place_they_go_into_the_folder_of_the_stack(done):
    for kind in FILES:
        assert all(done.folder / "export" / kind in path.parents for path in export(done, kind))


@pytest.mark.parametrize("kind", FILES)
def test_nothing_is_replaced_unasked_and_then_all_of_it(finished, tmp_path, kind):
    written = export(finished, kind, out=tmp_path)
    written[-1].write_bytes(b"mine")
    with pytest.raises(InputError, match="is there already; --overwrite replaces it, --out writes elsewhere"):
        export(finished, kind, out=tmp_path)
    assert written[-1].read_bytes() == b"mine"
    export(finished, kind, out=tmp_path, overwrite=True)
    assert written[-1].stat().st_size > 50
    assert not list(tmp_path.rglob(f"*{PARTIAL_SUFFIX}*"))


@pytest.mark.parametrize("kind", FILES)
def test_a_place_that_is_a_file_is_named(finished, tmp_path, kind):
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file", tmp_path / "file" / "inside"):
        with pytest.raises(InputError, match=r"--out .*file.*: no folder can be made there"):
            export(finished, kind, out=place)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("kind", EACH)
def test_a_file_in_the_place_of_a_classs_folder_is_named(finished, tmp_path, kind):
    (tmp_path / "mitochondrion").write_text("mine")
    with pytest.raises(InputError, match=r"mitochondrion.* cannot be written"):
        export(finished, kind, out=tmp_path, overwrite=True)
    assert (tmp_path / "mitochondrion").read_text() == "mine"


def test_the_meshes_of_the_run_can_be_exported_onto_themselves(done):
    before = {path: path.read_bytes() for path in done.meshes.rglob("*.ply")}
    with pytest.raises(InputError, match="is there already"):
        export(done, "ply", out=done.meshes)
    export(done, "ply", out=done.meshes, overwrite=True)
    assert {path: path.read_bytes() for path in done.meshes.rglob("*.ply")} == before


@pytest.mark.parametrize("kind", FILES)
def test_where_one_file_is_there_none_is_written(finished, tmp_path, kind):
    written = export(finished, kind, out=tmp_path / "first")
    for number in {0, len(written) // 2, len(written) - 1}:
        only = tmp_path / f"only {number}" / written[number].relative_to(tmp_path / "first")
        only.parent.mkdir(parents=True)
        only.write_bytes(b"mine")
        before = sorted((tmp_path / f"only {number}").rglob("*"))
        with pytest.raises(InputError, match="is there already"):
            export(finished, kind, out=tmp_path / f"only {number}")
        assert sorted((tmp_path / f"only {number}").rglob("*")) == before
        assert only.read_bytes() == b"mine"


@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize("kind", FILES)
def test_the_files_that_were_looked_for_are_those_that_are_there(finished, tmp_path, kind, per_class):
    written = export(finished, kind, out=tmp_path, per_class=per_class)
    found = {path for path in tmp_path.rglob("*") if path.is_file() and path.name != RECORD}
    assert set(written) == found
    assert len(written) == len(found)


def test_a_folder_in_the_place_of_a_file_is_named_before_anything_is_written(finished, tmp_path):
    (tmp_path / "mitochondrion.tif").mkdir()
    with pytest.raises(InputError, match=r"mitochondrion\.tif cannot be written: found a folder there"):
        export(finished, "tiff", out=tmp_path, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["mitochondrion.tif"]


@pytest.mark.parametrize("kind", ["stl", "obj", "ply", "tiff"])
@pytest.mark.parametrize("per_class", [False, True])
def test_overwriting_removes_the_classes_and_organelles_that_are_gone(finished, tmp_path, monkeypatch, kind, per_class):
    first = export(finished, kind, out=tmp_path, per_class=per_class)
    log = Log()
    lose(monkeypatch, finished, "mitochondrion")
    left = export(finished, kind, out=tmp_path, per_class=per_class, overwrite=True, reporter=log)
    assert {path for path in tmp_path.rglob("*") if path.is_file() and path.name != RECORD} == set(left)
    gone = [path for path in first if path not in left]
    assert gone
    assert all("mitochondrion" in str(path.relative_to(tmp_path)) for path in gone)
    assert not (tmp_path / "mitochondrion").exists()
    (said,) = [text for what, _, text in log.said if what == "note"]
    assert said.startswith(f"removed {len(gone):,} files of earlier exports")
    assert str(gone[0]) in said


def test_what_is_gone_is_named_where_it_may_not_be_removed(finished, tmp_path, monkeypatch):
    export(finished, "tiff", out=tmp_path)
    lose(monkeypatch, finished, "mitochondrion")
    for path in tmp_path.glob("*.tif"):
        if path.stem != "mitochondrion":
            path.unlink()
    log = Log()
    export(finished, "tiff", out=tmp_path, reporter=log)
    assert (tmp_path / "mitochondrion.tif").exists()
    (said,) = [text for what, _, text in log.said if what == "note"]
    assert "1 files of earlier exports are not of this run" in said
    assert str(tmp_path / "mitochondrion.tif") in said


def test_only_what_famous_wrote_is_removed(finished, tmp_path, monkeypatch):
    mine = [tmp_path / "notes.stl", tmp_path / "nucleus" / "nucleus_00099.stl", tmp_path / "mitochondrion" / "a.stl"]
    for path in mine:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    changed_since = next(path for path in export(finished, "stl", out=tmp_path) if "mitochondrion" in path.name)
    changed_since.write_text("x")
    export(finished, "obj", out=tmp_path, overwrite=True)
    lose(monkeypatch, finished, "mitochondrion")
    log = Log()
    export(finished, "stl", out=tmp_path, overwrite=True, reporter=log)
    assert all(path.read_text() == "x" for path in (*mine, changed_since))
    assert len(list((tmp_path / "mitochondrion").glob("*.stl"))) == 2
    assert list((tmp_path / "mitochondrion").glob("*.obj"))  # another format's, which is not looked at
    notes = [text for what, _, text in log.said if what == "note"]
    assert any(f"1 files of earlier exports are not of this run: {changed_since}" in text for text in notes)


def test_one_layout_leaves_the_files_of_the_other(finished, tmp_path):
    first = export(finished, "stl", out=tmp_path)
    log = Log()
    second = export(finished, "stl", out=tmp_path, per_class=True, overwrite=True, reporter=log)
    assert all(path.exists() for path in (*first, *second))
    assert not [text for what, _, text in log.said if what == "note"]


def test_a_full_disk_leaves_no_half_file(finished, tmp_path, monkeypatch):
    def full(source, target):
        target.write_bytes(source.read_bytes()[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export_module.shutil, "copyfile", full)
    with pytest.raises(InputError, match="No space left on device"):
        export(finished, "ply", out=tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [RECORD]


@pytest.mark.parametrize("kind", ["glb", "precomputed"])
def test_what_a_killed_export_left_goes_with_the_next(done, tmp_path, kind):
    def leave(folder):
        left = folder / f".cell.{kind}.0123{PARTIAL_SUFFIX}"
        left.mkdir(parents=True)
        (left / "42").write_text("half")
        (folder / f".cell.glb.0123{PARTIAL_SUFFIX}.glb").write_text("half")

    own = done.folder / "export" / kind
    leave(own)
    leave(tmp_path / "mine")
    export(done, kind)
    assert [path.name for path in own.iterdir()] == [f"cell.{kind}"]
    export(done, kind, out=tmp_path / "mine")
    assert len(list((tmp_path / "mine").iterdir())) == 3  # nobody knows whose these are


@pytest.mark.parametrize("kind", ["stl", "tiff", "precomputed"])
def test_what_a_killed_export_left_of_its_own_files_goes_from_any_folder(done, tmp_path, kind):
    mine = tmp_path / "mine"
    first = export(done, kind, out=mine)[0]
    stem = f".{first.name}.{uuid.uuid4().hex}{PARTIAL_SUFFIX}"
    left = first.with_name(stem if kind == "precomputed" else stem + first.suffix)
    strange = mine / f".notes.txt.{uuid.uuid4().hex}{PARTIAL_SUFFIX}.txt"
    strange.write_text("of somebody else")
    if kind == "precomputed":
        left.mkdir()
    else:
        left.write_text("half")
    export(done, kind, out=mine, overwrite=True)
    assert not left.exists()
    assert strange.exists()


def test_an_export_that_was_killed_is_told(done, tmp_path, monkeypatch):
    def kill(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(export_module, "write_side_car", kill)
        with pytest.raises(KeyboardInterrupt):
            export(done, "stl", out=tmp_path / "mine")
    with pytest.raises(InputError, match="an export into this folder was stopped before it was done"):
        export(done, "stl", out=tmp_path / "mine")
    export(done, "stl", out=tmp_path / "mine", overwrite=True)
    with pytest.raises(InputError) as fault:
        export(done, "stl", out=tmp_path / "mine")
    assert "stopped" not in str(fault.value)


# ---- when they may be made ----


@pytest.mark.parametrize("kind", ["", "STL", "fbx", "csv "])
def test_an_unknown_format_is_named_before_anything_is_made(finished, tmp_path, kind):
    with pytest.raises(InputError, match=f"--format: found '{kind}', expected one of {', '.join(FORMATS)}"):
        export(finished, kind, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", FILES)
def test_before_a_run_there_is_nothing_to_export(tmp_path, kind):
    project = open_project(str(write_cell(tmp_path)))
    with pytest.raises(InputError, match=r"is not done yet; run `famous"):
        export(project, kind, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("gone", "kind"), [("labels", "tiff"), ("meshes", "glb"), ("instances", "csv")])
def test_what_is_gone_is_asked_for_by_its_command(done, gone, kind):
    path = getattr(done, gone)
    path.rename(path.with_name("gone"))
    with pytest.raises(InputError, match="run `famous"):
        export(done, kind)


def test_labels_need_no_meshes(done, tmp_path):
    done.instances.unlink()
    done.meshes.rename(tmp_path / "gone")
    assert export(done, "tiff", out=tmp_path / "tiff")
