import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from famous import cli
from famous.cli import boxes, stages
from famous.errors import FamousError
from famous.pipeline import detect as detect_stage
from famous.progress import Bars, as_duration
from famous.synthetic import Phantom
from tests.cells import CELL, Oracle, know, write_cell

runner = CliRunner()
COLOURED = np.random.default_rng(0).integers(0, 255, (4, 8, 8, 3), dtype=np.uint8)
COMMANDS = ("run", "train", "detect", "extract", "link", "mesh", "measure", "export", "info", "demo", "doctor")


def call(*arguments, code=0):
    result = runner.invoke(cli.app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit | FamousError):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def famous(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "famous", *map(str, arguments)], capture_output=True, text=True, check=False, **options
    )


@pytest.fixture(scope="module")
def cell(tmp_path_factory):
    """A cell that the commands work on one after another, with a detector that knows it."""
    folder = tmp_path_factory.mktemp("cell")
    oracle = Oracle()
    with pytest.MonkeyPatch.context() as patch:
        detect_stage.open_detector.cache_clear()
        know(patch, oracle)
        yield write_cell(folder)
        detect_stage.open_detector.cache_clear()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command):
    output = call(command, "--help").output
    assert f"famous {command}" in output
    assert "Example:" in output


def test_help_answers_at_once():
    started = time.perf_counter()
    done = famous("--help")
    assert done.returncode == 0
    assert "organelle meshes" in done.stdout
    code = "import sys; import famous.cli; print([n for n in ('pandas', 'torch', 'cv2', 'open3d') if n in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]", f"{time.perf_counter() - started:.1f} s"


def test_the_version_is_printed():
    assert famous("--version").stdout.strip() == "0.1.0"


def test_a_wrong_call_is_exit_code_2():
    assert famous("run").returncode == 2
    assert famous("fly", "cell.tif").returncode == 2
    assert famous("info", "cell.tif", "--voxels", "3").returncode == 2


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: None, "cell.tif"),
        (lambda path: path.write_bytes(b""), "empty file"),
        (lambda path: path.write_bytes(b"II*\x00garbage"), "cell.tif"),
        (lambda path: path.write_text("not a picture"), "cell.tif"),
        (lambda path: tifffile.imwrite(path, COLOURED, photometric="rgb"), "cell.tif"),
    ],
)
def test_a_problem_with_the_input_is_one_message_and_exit_code_1(tmp_path, make, expected):
    path = tmp_path / "cell.tif"
    make(path)
    done = famous("info", path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


def test_one_command_a_stage(cell):
    assert "boxes in" in call("detect", cell).output
    assert "pixels in" in call("extract", cell).output
    assert "instances in" in call("link", cell).output
    assert "meshes in" in call("mesh", cell).output
    assert "rows in" in call("measure", cell).output


def test_run_prints_an_estimate_and_what_it_made(cell):
    output = call("run", cell).output
    assert "estimate: " in output
    assert "organelles: " in output
    assert str(cell.with_suffix(".famous") / "run" / "meshes") in output


def test_a_dry_run_makes_nothing(cell, tmp_path):
    copy = tmp_path / "cell.tif"
    copy.write_bytes(cell.read_bytes())
    output = call("run", copy, "--dry-run").output
    assert "slices to detect" in output
    assert not (tmp_path / "cell.famous" / "run").exists()


def test_scripts_read_json(cell):
    result = runner.invoke(cli.app, ["run", str(cell), "--json"])
    data = json.loads(result.stdout)
    assert data["meshes"] == sum(data["instances"].values()) > 0
    data = json.loads(runner.invoke(cli.app, ["info", str(cell), "--json"]).stdout)
    assert data["slices"] == 24
    data = json.loads(runner.invoke(cli.app, ["run", str(cell), "--dry-run", "--json"]).stdout)
    assert data["memory_mb"] > 0


def test_info_writes_nothing(tmp_path):
    path = write_cell(tmp_path)
    assert "16 × 16 × 16 nm" in call("info", path).output
    assert [entry.name for entry in tmp_path.iterdir()] == ["cell.tif"]


def test_info_takes_the_folder_as_well(cell):
    assert "24" in call("info", cell.with_suffix(".famous")).output


def test_export_writes_and_refuses_to_replace(cell, tmp_path):
    assert "files" in call("export", cell, "--format", "stl", "--out", tmp_path / "s").output
    result = runner.invoke(cli.app, ["export", str(cell), "--format", "stl", "--out", str(tmp_path / "s")])
    assert isinstance(result.exception, FamousError)


def test_boxes_are_imported_and_exported(tmp_path):
    path = write_cell(tmp_path)
    drawn = tmp_path / "drawn.csv"
    table = Phantom(CELL).boxes([3])
    table.drop(columns=["box", "score"]).to_csv(drawn, index=False)
    assert f"{len(table)} boxes" in call("boxes", "import", path, drawn).output
    call("boxes", "export", path, tmp_path / "coco.json", "--format", "coco")
    assert len(json.loads((tmp_path / "coco.json").read_text())["annotations"]) == len(table)


def test_training_without_a_labelled_slice_says_what_to_do(tmp_path):
    done = famous("train", write_cell(tmp_path))
    assert done.returncode == 1
    assert "famous boxes import" in done.stderr


def test_the_doctor_knows_what_is_here():
    result = runner.invoke(cli.app, ["doctor", "--json"])
    found = json.loads(result.stdout)
    for name in ("Python", "torch", "OpenCV", "open3d", "weights"):
        assert found[name]["ok"], found[name]
    assert {"Chromium", "bpy (Blender)"} <= set(found)
    assert result.exit_code == 0


def test_the_doctor_says_how_to_mend_what_is_missing(monkeypatch):
    from famous import doctor

    def gone():
        raise ModuleNotFoundError("open3d")

    monkeypatch.setattr(doctor, "_open3d", gone)
    output = call("doctor", code=1).output
    assert "no  open3d" in output
    assert "→ pip install open3d" in output


def test_bars_are_silent_in_a_pipe(capsys):
    from rich.console import Console

    with Bars(Console(stderr=True, force_terminal=False)) as bars:
        bars.begin("detect", 3)
        bars.advance(3)
        bars.end("detect", "done")
    assert capsys.readouterr().err == ""


def test_bars_leave_a_line_on_a_terminal(capsys):
    from rich.console import Console

    with Bars(Console(stderr=True, force_terminal=True, width=100)) as bars:
        bars.begin("detect", 3)
        bars.advance(3)
        bars.end("detect", "7 boxes")
    assert "7 boxes" in capsys.readouterr().err


@pytest.mark.parametrize(("seconds", "text"), [(3, "3 s"), (59.4, "59 s"), (185, "3 min 5 s"), (7800, "2 h 10 min")])
def test_durations_are_written_as_people_do(seconds, text):
    assert as_duration(seconds) == text


def test_python_dash_m_famous_is_the_same_program():
    assert Path(sys.executable).exists()
    assert famous("--version").returncode == 0


def test_the_formats_of_the_command_line_are_those_of_the_rooms():
    from typing import get_args

    from famous.io.annotations import FORMATS as BOX_FORMATS
    from famous.pipeline.export import FORMATS

    assert get_args(stages.Export) == FORMATS
    assert set(get_args(boxes.Boxes)) == set(BOX_FORMATS)
