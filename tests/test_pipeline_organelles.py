"""The organelles of a run: their rows, colours, meshes and the names of the files that are made of them."""

import shutil
from dataclasses import replace

import pytest

from famous.errors import InputError
from famous.io.meshes import read_mesh
from famous.io.tables import read_csv
from famous.pipeline.organelles import Organelles
from famous.pipeline.project import open_project
from famous.pipeline.stage import Silent
from famous.surface.simplify import error_nm
from tests.cells import write_cell

pytestmark = pytest.mark.usefixtures("know_all")


def test_every_row_is_that_of_the_table(finished):
    organelles = Organelles.of(finished)
    table = read_csv(finished.instances).set_index("id")
    assert sorted(extent.instance for extent in organelles.extents) == sorted(table.index)
    assert organelles.classes == sorted(table["class"].unique())
    for extent in organelles.extents:
        assert organelles.row(extent)["volume_mesh_um3"] == table.loc[extent.instance, "volume_mesh_um3"]
        assert extent.class_name == table.loc[extent.instance, "class"]
        assert organelles.path(extent).is_file()
    assert sum(len(organelles.of_class(name)) for name in organelles.classes) == len(table)
    assert organelles.of_class("nothing of the kind") == []


def test_the_colours_are_those_of_the_configuration_and_differ(finished):
    config = finished.config
    entry = replace(config.classes["lysosome"], color="#123456") if "lysosome" in config.classes else None
    plain = Organelles.of(finished)
    assert len(set(plain.colours.values())) == len(plain.classes)
    if entry is not None:
        chosen = replace(plain, project=replace(finished, config=replace(config, classes={"lysosome": entry})))
        assert chosen.colours["lysosome"] == "#123456"


def test_a_mesh_is_that_of_the_run_unless_a_level_is_asked_for(finished):
    organelles = Organelles.of(finished)
    extent = organelles.of_class("mitochondrion")[0]
    whole = read_mesh(organelles.path(extent))
    assert len(organelles.mesh(extent).faces) == len(whole.faces)
    assert "simplified_within_nm" not in organelles.row(extent)
    level = replace(organelles, within_nm=20.0)
    simple = level.mesh(extent)
    assert len(simple.faces) < len(whole.faces) / 4
    assert error_nm(simple, whole) <= 20
    assert level.row(extent) == {**organelles.row(extent), "simplified_within_nm": 20.0}


def test_scenes_are_read_class_by_class_and_told_of(finished):
    class Counted(Silent):
        done = 0

        def advance(self, units):
            self.done += units

    organelles, counted = Organelles.of(finished), Counted()
    scenes = organelles.scenes(counted)
    assert list(scenes) == organelles.classes
    assert counted.done == 0
    for name, nodes in scenes.items():
        assert [node.name for node in nodes] == [extent.name for extent in organelles.of_class(name)]
    assert counted.done == len(organelles.extents)


@pytest.mark.parametrize("kind", ["glb", "blend", "precomputed"])
def test_one_file_for_all_has_the_name_of_the_stack(finished, tmp_path, kind):
    assert Organelles.of(finished).layouts(tmp_path, kind) == [[tmp_path / f"cell.{kind}"]]


@pytest.mark.parametrize("kind", ["stl", "obj", "ply"])
def test_files_lie_by_organelle_or_by_class(finished, tmp_path, kind):
    organelles = Organelles.of(finished)
    each, merged = organelles.layouts(tmp_path, kind)
    assert each[-1] == merged[-1] == tmp_path / "meshes.json"
    names = [path.stem for path in each if path.suffix == f".{kind}"]
    assert names == [extent.name for name in organelles.classes for extent in organelles.of_class(name)]
    assert [path.name for path in merged if path.suffix == f".{kind}"] == [
        f"{name.replace(' ', '_')}.{kind}" for name in organelles.classes
    ]
    materials = [path for path in (*each, *merged) if path.suffix == ".mtl"]
    assert len(materials) == (2 * len(organelles.classes) if kind == "obj" else 0)


def test_without_meshes_those_of_the_linked_boxes_are_known(done, tmp_path):
    shutil.rmtree(done.meshes)
    with pytest.raises(InputError, match="run `famous mesh"):
        Organelles.of(done)
    linked = Organelles.linked(done)
    assert linked.extents
    assert linked.row(linked.extents[0]) == {}
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match="is not done yet"):
        Organelles.of(open_project(str(write_cell(tmp_path / "other"))))
