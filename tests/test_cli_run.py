"""Whole runs, and looking round."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.cells import write_cell
from tests.commands import call, call_json

pytestmark = pytest.mark.usefixtures("know_all")


@pytest.fixture
def cell(done):
    """A stack whose run is done."""
    return done.folder.parent / "cell.tif"


def test_run_prints_an_estimate_and_what_it_made(cell):
    result = call("run", cell)
    assert "estimate: " in result.stderr
    assert "organelles: " in result.stdout
    assert str(cell.with_suffix(".famous") / "run" / "meshes") in result.stdout


def test_run_as_json(cell):
    data = call_json("run", cell)
    assert data["meshes"] == sum(data["instances"].values()) > 0
    assert data["folder"] == str(cell.with_suffix(".famous"))
    assert set(data["paths"]) == {"meshes", "table", "labels", "boxes"}
    assert all(Path(path).exists() for path in data["paths"].values())
    assert data["seconds"] >= 0
    assert data["peak_memory_mb"] > 0
    assert any("phantoms only" in note for note in data["notes"])


def test_a_run_that_finds_nothing_ends_with_what_to_try(tmp_path, monkeypatch, oracle):
    monkeypatch.setattr(oracle, "_boxes", dict.fromkeys(range(24), np.zeros((0, 6), dtype=np.float32)))
    path = write_cell(tmp_path)
    lines = call("run", path).stdout.splitlines()
    assert lines[0] == "0 organelles"
    assert lines[-5].startswith("no box was found in 24 slices")
    assert "famous annotate" in lines[-4]
    assert call_json("run", path)["hints"] == call_json("detect", path)["hints"] == lines[-5:]
    assert call("detect", path).stdout.splitlines()[-5:] == lines[-5:]


def test_a_dry_run_makes_nothing(tmp_path):
    path = write_cell(tmp_path)
    assert "slices to detect" in call("run", path, "--dry-run").output
    data = call_json("run", path, "--dry-run")
    assert data["slices"] == 24
    assert data["memory_mb"] > 0
    assert data["disk_mb"] > 0
    assert [entry.name for entry in tmp_path.iterdir()] == ["cell.tif"]


def test_info_writes_nothing(tmp_path):
    path = write_cell(tmp_path)
    assert "16 × 16 × 16 nm" in call("info", path).output
    assert [entry.name for entry in tmp_path.iterdir()] == ["cell.tif"]


def test_info_takes_the_folder_as_well(finished):
    assert "24" in call("info", finished.folder).output


def test_info_as_json(finished, tmp_path):
    data = call_json("info", finished.folder)
    assert data["slices"] == 24
    assert data["shape"] == [24, 160, 160]
    assert data["voxel_size_nm"] == [16, 16, 16]
    assert data["dtype"] == "uint8"
    assert data["stages"]["mesh"]["seconds"] >= 0
    assert data["next"] is None
    assert "famous run" in call_json("info", write_cell(tmp_path))["next"]


def test_the_demo_names_what_it_made(tmp_path, monkeypatch):
    from famous.pipeline import demo

    monkeypatch.setattr(demo, "_write_stack", lambda path, session: shutil.copy(write_cell(tmp_path), path))
    data = call_json("demo", "--out", tmp_path / "made")
    assert data["folder"] == str(tmp_path / "made")
    assert set(data["paths"]) == {"stack", "meshes", "table", "labels", "picture"}
    assert all(Path(path).exists() for path in data["paths"].values())
    lines = call("demo", "--out", tmp_path / "made").stdout.splitlines()
    assert [line.split()[1] for line in lines] == list(data["paths"].values())


def test_the_doctor_knows_what_is_here():
    found = call_json("doctor")
    for name in ("Python", "torch", "OpenCV", "open3d", "weights"):
        assert found[name]["ok"], found[name]
    assert {"Chromium", "bpy (Blender)"} <= set(found)


def test_the_doctor_says_how_to_mend_what_is_missing(monkeypatch):
    from famous import doctor

    def gone():
        raise ModuleNotFoundError("open3d")

    monkeypatch.setattr(doctor, "_open3d", gone)
    output = call("doctor", code=1).output
    assert "no  open3d" in output
    assert "→ pip install open3d" in output
    assert call_json("doctor", code=1)["open3d"]["ok"] is False
