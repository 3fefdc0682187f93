"""What is told of a stack: what is known, what is done, what comes next; and nothing is written."""

import dataclasses
import json

import numpy as np
import pytest
import tifffile

from famous.errors import InputError
from famous.pipeline import manifest
from famous.pipeline.info import describe, info
from famous.pipeline.project import Choices, open_project
from famous.yolo.card import Card, read_card, write_card

pytestmark = pytest.mark.usefixtures("know_all")


def opened(folder, data, **choices):
    path = folder / "a b.tif"
    tifffile.imwrite(path, data, metadata=None, photometric="minisblack")
    return open_project(str(path), Choices(save=False, **choices))


def test_everything_that_is_known_is_told_in_order(finished):
    found = info(finished)
    told = describe(finished, found)
    assert list(told)[:8] == ["stack", "format", "slices", "slice", "voxel size", "extent", "window", "folder"]
    assert list(told)[9:] == list(manifest.ORDER)
    assert told["slice"] == "160 × 160 uint8"
    assert told["extent"] == "0.384 × 2.56 × 2.56 µm (z, y, x)"
    assert told["folder"] == str(finished.folder)
    assert all(set(record) == {"seconds", "peak_memory_mb"} for record in found["stages"].values())


def test_a_stack_of_one_voxel(tmp_path):
    project = opened(tmp_path, np.full((1, 1, 1), 3, np.uint16), voxel_size=(1, 2, 3))
    found = info(project)
    assert (found["slices"], found["shape"], found["dtype"]) == (1, (1, 1, 1), "uint16")
    assert found["extent_um"] == (0.001, 0.002, 0.003)
    assert describe(project, found)["extent"] == "0.001 × 0.002 × 0.003 µm (z, y, x)"


def test_what_is_unknown_is_none_and_has_no_line(tmp_path):
    project = opened(tmp_path, np.zeros((2, 4, 4), np.uint8))
    found = info(project)
    assert found["voxel_size_nm"] is found["extent_um"] is None
    told = describe(project, found)
    assert "extent" not in told
    assert "origin" not in told
    command = f"famous run '{tmp_path / 'a b.tif'}' --voxel-size Z Y X"
    assert told["voxel size"] == f"unknown; give it to `{command}`"
    assert told["next"] == found["next"] == f"the voxel size is unknown; run `{command}`"
    assert told["folder"].endswith("a b.famous (not made yet)")
    assert {told[stage] for stage in manifest.ORDER} == {"not done"}
    assert not project.folder.exists()


def test_a_stack_that_nobody_touched_is_begun_with_its_own_name(tmp_path):
    path, size = tmp_path / "a b.tif", (1, 1, 1)
    project = opened(tmp_path, np.zeros((2, 4, 4), np.uint8), voxel_size=size)
    assert info(project)["next"] == f"nothing is done yet; run `famous run '{path}'`"
    folder = tmp_path / "there" / "c"
    project = open_project(str(path), Choices(save=False, voxel_size=size, folder=folder))
    assert info(project)["next"] == f"nothing is done yet; run `famous run '{path}' --folder {folder}`"


def test_format_and_origin_are_told(tmp_path):
    project = opened(tmp_path, np.zeros((2, 4, 4), np.uint8))
    found = info(project)
    assert (found["format"], found["origin_nm"]) == ("TIFF", (0, 0, 0))
    assert describe(project, found)["format"] == "TIFF"
    moved = dataclasses.replace(project, opened=dataclasses.replace(project.opened, origin_nm=(0.0, 8000.5, -16.0)))
    found = info(moved)
    assert found["origin_nm"] == (0, 8000.5, -16)
    assert describe(moved, found)["origin"] == "0, 8000.5, -16 nm (z, y, x)"


def test_the_folder_where_one_stands_is_told_by_its_name(tmp_path, monkeypatch):
    folder = tmp_path / "my cell" / "inner"
    folder.mkdir(parents=True)
    tifffile.imwrite(folder.parent / "z.tif", np.zeros((2, 4, 4), np.uint8), photometric="minisblack")
    for place, name in ((folder.parent, "."), (folder, "..")):
        monkeypatch.chdir(place)
        assert info(open_project(name, Choices(save=False)))["stack"] == "my cell"


def test_a_turned_window_is_told(tmp_path):
    project = opened(tmp_path, np.arange(64, dtype=np.uint8).reshape(1, 8, 8), invert=True)
    found = info(project)
    assert found["inverted"] is True
    assert describe(project, found)["window"].endswith(", inverted")
    assert found["window"][0] < found["window"][1]


@pytest.mark.parametrize(
    ("lines", "finished_slices", "said"),
    [
        ("", "", "nothing yet"),
        ("1,0,0,5,5,a\n", "", "1 box, 0 slices done"),
        ("", "3,1\n1,1\n", "0 boxes, 2 slices done"),
        ("1,0,0,5,5,a\n1,0,0,6,5,a\n2,0,0,5,5,b\n", "1,1\n2,0\n", "3 boxes, 1 slice done"),
    ],
)
def test_the_labelling_is_counted(done, lines, finished_slices, said):
    done.annotations.mkdir()
    (done.annotations / "boxes.csv").write_text("z,y0,x0,y1,x1,class_name\n" + lines)
    (done.annotations / "slices.csv").write_text("z,done\n" + finished_slices)
    found = info(done)
    assert describe(done, found)["labelled"] == said
    assert found["slices_done"] == sorted(found["slices_done"])


def test_a_broken_labelling_is_named(done):
    done.annotations.mkdir()
    (done.annotations / "boxes.csv").write_text("nonsense")
    with pytest.raises(InputError, match=r"boxes\.csv"):
        info(done)


@pytest.mark.parametrize(
    ("gone", "command"),
    [("instances", "measure"), ("meshes", "mesh"), ("boxes", "link"), ("extracted", "extract"), ("detected", "detect")],
)
def test_the_next_command_is_that_of_the_first_stage_that_is_missing(done, gone, command):
    path = getattr(done, gone)
    path.rename(path.with_name("gone"))
    found = info(done)
    assert f"run `famous {command} " in found["next"]
    assert command in found["stages"]  # it was done once
    assert describe(done, found)["next"] == found["next"]


def test_times_and_memory_are_those_of_the_manifest(done):
    data = json.loads(done.manifest.read_text())
    data["stages"]["link"].update(seconds=3725.25, peak_memory_mb=12345.6)
    done.manifest.write_text(json.dumps(data))
    found = info(done)
    assert found["stages"]["link"] == {"seconds": 3725.25, "peak_memory_mb": 12345.6}
    assert describe(done, found)["link"] == "done in 3725.2 s, peak memory 12,346 MB"


def test_the_detector_of_the_stack_is_told_with_its_figures_or_why_it_has_none(done):
    assert info(done)["model"] is None
    done.model.mkdir()
    write_card(done.model, Card(("a",), 3, 16.0, 0.0, slices=(2, 5), unscored="because 2 slices are few"))
    found = info(done)
    assert found["model"] == read_card(done.model)
    assert describe(done, found)["model"] == "trained on 2 slices; metrics: none, because 2 slices are few"
    write_card(done.model, Card(("a",), 3, 16.0, 0.0, slices=(2, 5), metrics={"all": {"map50": 0.5}}))
    assert describe(done, info(done))["model"] == "trained on 2 slices; all: map50 0.500"


def test_a_broken_manifest_is_named_with_the_way_out(done):
    done.manifest.write_text(
        '{"stages": {"link": {"fingerprint": "a", "parameters": {}, "inputs": {}, "seconds": "x"}}}'
    )
    with pytest.raises(InputError, match=r"manifest\.json: not a manifest"):
        info(done)


def test_looking_changes_nothing(finished):
    before = {path: path.stat().st_mtime_ns for path in finished.folder.rglob("*")}
    describe(finished, info(finished))
    assert {path: path.stat().st_mtime_ns for path in finished.folder.rglob("*")} == before
