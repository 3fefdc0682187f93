"""The folder of a stack: where it lies, whom it belongs to, and what is settled and saved when it is opened."""

import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from famous import config as configuration
from famous.config import Config
from famous.errors import ConfigError, InputError
from famous.pipeline.project import KEPT, Choices, open_project, project_folder

SIZES = {"imagej": True, "resolution": (125, 125), "metadata": {"axes": "ZYX", "spacing": 0.03, "unit": "um"}}
GREY = np.random.default_rng(0).integers(40, 200, (3, 20, 24), dtype=np.uint8)


def write_stack(path, data=GREY, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, data, **(options or SIZES))
    return path


def saved(folder):
    return configuration.read(folder / "famous.yaml")


@pytest.fixture
def stack(tmp_path):
    return write_stack(tmp_path / "my cell ü" / "stack 1.tif")


# ---- where the folder lies ----


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("cell", "cell.famous"),
        ("a.b.c.tif", "a.b.c.famous"),
        ("CELL.OME.TIFF", "CELL.famous"),
        ("cell.TIF", "cell.famous"),
        ("cell.h5", "cell.famous"),
        ("cell.h5:/", "cell.famous"),
        ("cell.h5:/a//b/", "cell_a_b.famous"),
        ("store.zarr:/em/s0", "store_em_s0.famous"),
        (".hidden", ".hidden.famous"),
        ("x/../cell.tif", "cell.famous"),
    ],
)
def test_the_folder_is_named_after_the_stack(source, name):
    assert project_folder(source) == Path(name)


def test_a_folder_of_zarr_loses_its_ending_and_a_folder_of_slices_does_not(tmp_path):
    for name, made in [("cell.ome.zarr", "cell"), ("cell.n5", "cell"), ("v1.2", "v1.2"), ("scan.tif", "scan.tif")]:
        (tmp_path / name).mkdir()
        assert project_folder(str(tmp_path / name)) == tmp_path / f"{made}.famous"


@pytest.mark.parametrize("name", [".", "./", "..", "../inner", "sub/.."])
def test_a_folder_can_be_named_from_where_one_stands(tmp_path, monkeypatch, name):
    (tmp_path / "outer" / "inner" / "sub").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "outer" / "inner")
    folder = project_folder(name).resolve()
    assert folder == (tmp_path / "outer.famous" if name == ".." else tmp_path / "outer" / "inner.famous")


@given(st.text(st.characters(exclude_characters="/\\:\0", exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_every_name_has_a_folder_of_its_own_beside_it(name):
    folder = project_folder(f"/nowhere/{name}.tif")
    assert folder.suffix == ".famous"
    if f"{name}.tif" not in (".", ".."):
        assert folder.parent == Path("/nowhere")
        assert folder.name in (f"{name}.famous", f"{name.lower().removesuffix('.ome')}.famous", f"{name[:-4]}.famous")


def test_everything_of_a_run_lies_below_the_folder(stack):
    project = open_project(str(stack), Choices(save=False))
    paths = [
        *(project.annotations, project.model, project.run, project.manifest, project.boxes, project.labels),
        *(project.detected, project.extracted, project.measured, project.instances, project.meshes),
        *(project.parts("link"), project.manifest_of("train"), project.manifest_of("link")),
    ]
    assert all(project.folder in path.parents for path in paths)
    assert len(set(paths)) == len(paths) - 1  # the manifest was asked for twice
    assert project.manifest_of("train").parent == project.model
    assert project.manifest_of("measure") == project.manifest


# ---- what is settled ----


def test_what_the_file_says_is_settled_and_saved(stack):
    project = open_project(str(stack))
    assert project.folder == stack.with_name("stack 1.famous")
    assert project.voxel_size.zyx == pytest.approx((30, 8, 8))
    assert project.stack.name == "stack 1.tif"
    config = saved(project.folder)
    assert config.stack == str(Path("..") / "stack 1.tif")
    assert config.window == (project.stack.window.low, project.stack.window.high)
    assert config.window_of == project.opened.fingerprint
    assert config == project.config


def test_opening_again_changes_nothing_on_disk(stack):
    first = open_project(str(stack))
    os.utime(first.folder / "famous.yaml", ns=(1, 1))
    for source in (stack, first.folder):
        assert open_project(str(source)).config == first.config
    assert (first.folder / "famous.yaml").stat().st_mtime_ns == 1


def test_the_stack_and_its_folder_can_move_together(stack, tmp_path):
    first = open_project(str(stack))
    moved = shutil.move(stack.parent, tmp_path / "elsewhere")
    again = open_project(str(Path(moved) / first.folder.name))
    assert again.config == first.config
    assert (again.stack.grey(2) == GREY[2]).all()


def test_a_stack_on_another_drive_is_named_by_its_whole_path(tmp_path, monkeypatch):
    from famous.pipeline import project as project_module

    def relpath(path, start):
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    path, folder = tmp_path / "D" / "a.h5", tmp_path / "C" / "work"
    path.parent.mkdir()
    with h5py.File(path, "w") as file:
        file["raw/em"] = GREY
    monkeypatch.setattr(project_module.os.path, "relpath", relpath)
    monkeypatch.chdir(path.parent)
    first = open_project("a.h5:/raw/em", Choices(folder=folder, voxel_size=(8, 8, 8)))
    assert saved(folder).stack == f"{path}:/raw/em"
    monkeypatch.chdir(tmp_path)
    assert open_project(str(folder)).config == first.config
    assert open_project(f"{path}:/raw/em", Choices(folder=folder)).config == first.config


@pytest.mark.parametrize(
    ("written", "place", "inside"),
    [
        ("D:/em/cell.tif", "D:/em/cell.tif", ""),
        ("D:/em/a.h5:/raw/em", "D:/em/a.h5", ":/raw/em"),
        ("../a.h5:/raw", "../a.h5", ":/raw"),
        ("../odd:name.tif", "../odd:name.tif", ""),
    ],
)
def test_the_letter_of_a_drive_is_no_dataset(tmp_path, written, place, inside):
    from famous.pipeline.project import _stack_of

    (tmp_path / "famous.yaml").write_text(f"stack: '{written}'\n", encoding="utf-8")
    assert _stack_of(tmp_path) == os.path.normpath(tmp_path / place) + inside


@pytest.mark.parametrize("size", [(30, 4, 4), (30.5, 8, 8.25)])
def test_a_voxel_size_that_was_said_once_wins_over_the_file_from_then_on(stack, size):
    said = open_project(str(stack), Choices(voxel_size=size))
    assert any("the option wins" in note for note in said.opened.notes)
    assert open_project(str(stack)).voxel_size.zyx == size
    assert open_project(str(stack), Choices(voxel_size=(9, 9, 9))).voxel_size.zyx == (9, 9, 9)


@pytest.mark.parametrize("size", [(0, 1, 1), (-1, 1, 1), (float("nan"), 1, 1), (float("inf"), 1, 1)])
def test_a_voxel_size_that_is_none_is_refused_and_not_saved(stack, size):
    with pytest.raises(InputError, match="voxel size"):
        open_project(str(stack), Choices(voxel_size=size))
    assert not stack.with_name("stack 1.famous").exists()


def test_contrast_can_be_turned_round_and_back(stack):
    plain = open_project(str(stack)).stack.image(0)
    turned = open_project(str(stack), Choices(invert=True)).stack.image(0)
    assert (turned == 255 - plain).all()
    assert (open_project(str(stack)).stack.image(0) == turned).all()
    assert (open_project(str(stack), Choices(invert=False)).stack.image(0) == plain).all()


def test_a_flat_stack_has_a_window(tmp_path):
    path = write_stack(tmp_path / "flat.tif", np.full((2, 8, 8), 7, dtype=np.uint8))
    project = open_project(str(path))
    assert project.stack.window.high > project.stack.window.low
    assert open_project(str(path)).stack.window == project.stack.window


def test_the_window_of_a_stack_that_is_the_same_is_not_measured_again(stack, monkeypatch):
    window = open_project(str(stack)).stack.window
    monkeypatch.setattr("famous.stack.measure_window", lambda stack: pytest.fail("measured again"))
    again = open_project(str(stack))
    assert again.stack.window == window
    assert not any("measured again" in note for note in again.opened.notes)


def test_a_window_of_ones_own_is_nobodys_measurement(stack):
    folder = stack.with_name("stack 1.famous")
    folder.mkdir()
    (folder / "famous.yaml").write_text("window: [10, 90]\n")
    config = open_project(str(stack)).config
    assert (config.window, config.window_of) == ((10, 90), None)
    write_stack(stack, GREY[::-1] // 2)  # another stack under its name: the window stays
    assert open_project(str(stack)).config.window == (10, 90)


def test_without_saving_nothing_is_made_however_often(stack):
    before = sorted(stack.parent.rglob("*"))
    for _ in range(2):
        project = open_project(str(stack), Choices(save=False, voxel_size=(5, 5, 5)))
        assert project.voxel_size.zyx == (5, 5, 5)
        assert project.stack.window is not None
    assert sorted(stack.parent.rglob("*")) == before


def test_what_opening_made_is_taken_back_unless_work_or_a_setting_came_after(stack, tmp_path):
    place = tmp_path / "new" / "place"
    open_project(str(stack), Choices(folder=place)).take_back()
    assert not place.parent.exists()
    worked = open_project(str(stack), Choices(folder=place))
    worked.annotations.mkdir()
    worked.take_back()
    assert saved(place) == worked.config
    worked.annotations.rmdir()
    open_project(str(stack), Choices(folder=place, voxel_size=(9, 9, 9))).take_back()  # it was there before
    worked.take_back()  # and is another now
    assert saved(place).voxel_size == (9, 9, 9)


# ---- configurations ----


def test_a_named_configuration_replaces_knobs_and_keeps_what_belongs_to_the_stack(stack, tmp_path):
    first = open_project(str(stack), Choices(voxel_size=(5, 6, 7), invert=True))
    mine = tmp_path / "mine.yaml"
    mine.write_text("mesh: {method: shrinkwrap}\nvoxel_size: [50, 5, 5]\n", encoding="utf-8")
    config = open_project(str(stack), Choices(config=mine)).config
    assert config.mesh.method == "shrinkwrap"
    assert config.voxel_size == (50, 5, 5)
    assert config.invert
    assert config.window == first.config.window
    assert set(KEPT) <= set(Config.__dataclass_fields__)


@pytest.mark.parametrize("content", ["[]", "a: [", "detect: {score: high}", "stak: 1"])
def test_a_broken_configuration_changes_nothing(stack, tmp_path, content):
    folder = open_project(str(stack)).folder
    before = (folder / "famous.yaml").read_bytes()
    (tmp_path / "mine.yaml").write_text(content)
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        open_project(str(stack), Choices(config=tmp_path / "mine.yaml"))
    assert (folder / "famous.yaml").read_bytes() == before


@pytest.mark.parametrize("content", ["]", "stack: 3", "window: [9, 1]", "window: [1, 2, 3]", "voxel_size: [0, 1, 1]"])
def test_a_broken_famous_yaml_is_named_and_stays(stack, content):
    folder = stack.with_name("stack 1.famous")
    folder.mkdir()
    (folder / "famous.yaml").write_text(content)
    with pytest.raises((ConfigError, InputError), match=r"famous\.yaml|window|voxel size"):
        open_project(str(stack))
    assert (folder / "famous.yaml").read_text() == content


def test_choices_of_training_are_settled(stack, tmp_path, monkeypatch):
    (tmp_path / "start.pt").touch()
    monkeypatch.chdir(tmp_path)
    config = open_project(str(stack), Choices(minutes=7, channels="gray", start="start.pt", download=True)).config
    assert (config.train.minutes, config.train.channels, config.train.download) == (7.0, "gray", True)
    assert config.train.weights == str(tmp_path / "start.pt")
    assert open_project(str(stack)).config.train == config.train
    assert open_project(str(stack), Choices(start="yolo26n.pt")).config.train.weights == "yolo26n.pt"


def test_weights_of_famous_yaml_are_found_from_its_folder(stack, tmp_path, monkeypatch):
    folder = stack.with_name("stack 1.famous")
    folder.mkdir()
    (folder / "famous.yaml").write_text("weights: ../models/a\n")
    monkeypatch.chdir(tmp_path)
    project = open_project(str(stack))
    assert Path(project.config.weights) == folder / "../models/a"
    assert saved(folder).weights == "../models/a"
    assert open_project(str(stack), Choices(weights="other")).config.weights == "other"
    assert saved(folder).weights == "../models/a"


@pytest.mark.parametrize("kind", [str, Path])
def test_paths_may_be_text_or_paths(stack, tmp_path, kind):
    (tmp_path / "knobs.yaml").write_text("detect: {score: 0.7}\n")
    (tmp_path / "start.pt").touch()
    places = {"folder": "mine", "config": "knobs.yaml", "weights": "model", "start": "start.pt"}
    choices = Choices(**{name: kind(tmp_path / place) for name, place in places.items()})
    project = open_project(kind(stack), choices)
    assert project.folder == tmp_path / "mine"
    assert project.config.detect.score == 0.7
    assert project.config.weights == str(tmp_path / "model")
    assert project.config.train.weights == saved(tmp_path / "mine").train.weights == str(tmp_path / "start.pt")
    assert project_folder(kind(stack)) == stack.with_name("stack 1.famous")


# ---- whose folder it is ----


def test_another_dataset_of_a_file_is_another_stack(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["raw/em"], file["raw/fm"] = GREY, GREY[:2]
    first = open_project(f"{path}:/raw/em")
    assert first.folder == tmp_path / "a_raw_em.famous"
    assert len(open_project(f"{path}:raw/em").stack) == len(open_project(str(first.folder)).stack) == 3
    assert len(open_project(f"{path}:/raw/fm").stack) == 2
    with pytest.raises(InputError, match=r"belongs to .*a\.h5:/raw/em, not to"):
        open_project(f"{path}:/raw/fm", Choices(folder=first.folder))


def test_a_stack_and_a_folder_of_one_name_do_not_share(tmp_path):
    write_stack(tmp_path / "cell.tif")
    write_stack(tmp_path / "cell" / "z0.tif", GREY[0], metadata=None)
    open_project(str(tmp_path / "cell.tif"))
    with pytest.raises(InputError, match=r"belongs to .*cell\.tif, not to .*--folder"):
        open_project(str(tmp_path / "cell"))
    assert open_project(str(tmp_path / "cell"), Choices(folder=tmp_path / "b.famous")).stack.shape == (1, 20, 24)


def test_one_stack_by_several_names_is_one(stack, tmp_path, monkeypatch):
    folder = open_project(str(stack)).folder
    link = tmp_path / "link.tif"
    link.symlink_to(stack)
    assert open_project(str(link), Choices(folder=folder)).stack.shape == (3, 20, 24)
    monkeypatch.chdir(stack.parent)
    assert open_project("./stack 1.tif").folder.resolve() == folder


def test_the_folder_of_a_stack_takes_no_other_folder(stack, tmp_path):
    folder = open_project(str(stack)).folder
    assert open_project(str(folder), Choices(folder=folder / ".." / folder.name)).folder == folder
    with pytest.raises(InputError, match="is the folder of a stack itself"):
        open_project(str(folder), Choices(folder=tmp_path / "other"))


def test_a_folder_whose_stack_is_gone_says_where_it_was(stack):
    folder = open_project(str(stack)).folder
    stack.unlink()
    with pytest.raises(InputError, match=r"its stack is not at .*stack 1\.tif"):
        open_project(str(folder))
    (folder / "famous.yaml").write_text("invert: true\n")
    with pytest.raises(InputError, match="its stack is not at None"):
        open_project(str(folder))


@pytest.mark.parametrize("source", ["", " ", "\n"])
def test_no_name_is_no_stack(source):
    with pytest.raises(InputError, match="found no name of a stack"):
        open_project(source)


def test_a_stack_that_cannot_be_read_leaves_no_folder(tmp_path):
    (tmp_path / "bad.tif").write_bytes(b"II*\0 nothing")
    (tmp_path / "empty").mkdir()
    for name in ("bad.tif", "missing.tif", "empty"):
        with pytest.raises(InputError, match=name):
            open_project(str(tmp_path / name))
    assert not list(tmp_path.glob("*.famous"))


def test_a_file_in_the_place_of_the_folder_is_named(stack):
    stack.with_name("stack 1.famous").write_text("mine")
    with pytest.raises(InputError, match=r"stack 1\.famous"):
        open_project(str(stack))
    assert stack.with_name("stack 1.famous").read_text() == "mine"
