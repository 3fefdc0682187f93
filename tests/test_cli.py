"""What holds for every command: help, exit codes, one message for a problem, a quick start."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
import tifffile

from famous import cli
from famous.cli.options import Common
from tests.cells import write_cell
from tests.commands import call, famous

COLOURED = np.random.default_rng(0).integers(0, 255, (4, 8, 8, 3), dtype=np.uint8)
HEAVY = ("numpy", "pandas", "scipy", "torch", "cv2", "open3d", "zarr", "yaml", "pydantic")
#: command → a call that fails, from an empty folder in which `cell.tif` is no stack
FAILING = {
    "run": ("run", "cell.tif"),
    "train": ("train", "cell.tif"),
    "detect": ("detect", "cell.tif"),
    "extract": ("extract", "cell.tif"),
    "referee": ("referee", "cell.tif"),
    "link": ("link", "cell.tif"),
    "mesh": ("mesh", "cell.tif"),
    "measure": ("measure", "cell.tif"),
    "export": ("export", "cell.tif", "--format", "stl"),
    "annotate": ("annotate", "cell.tif"),
    "view": ("view", "cell.tif"),
    "compare": ("compare", "cell.tif", "--truth", "cell.tif"),
    "info": ("info", "cell.tif"),
    "demo": ("demo", "--out", "full"),
    "boxes import": ("boxes", "import", "cell.tif", "labels"),
    "boxes export": ("boxes", "export", "cell.tif", "out.json", "--format", "coco"),
}
COMMANDS = (*FAILING, "doctor")


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """A working folder with a file that is no stack, and a folder with something in it."""
    (tmp_path / "cell.tif").write_text("not a picture")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_main(monkeypatch, *arguments):
    """Run `main` as the program does and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["famous", *arguments])
    monkeypatch.setattr(cli.signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    return stopped.value.code


def test_the_commands_of_these_tests_are_all_there_are():
    import typer.main

    root = typer.main.get_command(cli.app)
    names = set()
    for name, command in root.commands.items():
        names |= {f"{name} {inner}" for inner in command.commands} if hasattr(command, "commands") else {name}
    assert names == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_one_example_and_json(command):
    output = call(*command.split(), "--help").output
    assert len(re.findall(rf"Example: famous {command}\b", output)) == 1
    assert "--json" in output


@pytest.mark.parametrize("command", COMMANDS)
def test_the_example_of_the_help_is_a_call_that_is_understood(command, empty, monkeypatch, capsys):
    """Run as it stands it fails for its input, never for its options; demo and doctor would succeed."""
    text = " ".join(re.sub(r"[^\x20-\x7e]", " ", call(*command.split(), "--help").output).split())
    words = re.search(rf"Example: (famous {command}\b.*?) (?:Arguments|Options)", text)[1].split()
    if command in ("demo", "doctor"):
        assert words == ["famous", command]
        return
    assert run_main(monkeypatch, *words[1:]) == 1
    assert next(word for word in words if word.endswith(".tif")) in capsys.readouterr().err


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("command", FAILING)
def test_a_failure_is_one_message_on_stderr_and_exit_code_1(command, as_json, empty, monkeypatch, capsys):
    before = sorted(path.name for path in empty.rglob("*"))
    assert run_main(monkeypatch, *FAILING[command], *(["--json"] if as_json else [])) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert ("full" if command == "demo" else "cell.tif") in said.err
    assert "Traceback" not in said.err
    assert sorted(path.name for path in empty.rglob("*")) == before


@pytest.mark.parametrize("command", COMMANDS)
def test_a_wrong_call_is_exit_code_2(command, empty, monkeypatch, capsys):
    assert run_main(monkeypatch, *FAILING.get(command, [command]), "--voxels", "3") == 2
    assert "No such option" in capsys.readouterr().err
    if command not in ("demo", "doctor"):
        assert run_main(monkeypatch, *command.split(), "--json") == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("wrong", [("fly", "cell.tif"), ("boxes", "fly"), ("run", "cell.tif", "--voxel-size", "0 1 1")])
def test_an_unknown_command_or_value_is_exit_code_2(wrong, empty, monkeypatch):
    assert run_main(monkeypatch, *wrong) == 2
    assert run_main(monkeypatch, "run", "cell.tif", "--voxel-size", "0", "1", "1") == 2


def test_the_exit_codes_are_those_of_the_program(tmp_path):
    assert famous("info", write_cell(tmp_path)).returncode == 0
    assert famous("info", tmp_path / "nothing.tif").returncode == 1
    assert famous("run").returncode == 2


def test_help_answers_at_once():
    done = famous("--help")
    assert done.returncode == 0
    assert "organelle meshes" in done.stdout
    code = f"import sys; import famous.cli; print([name for name in {HEAVY} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"


def test_the_version_is_printed():
    assert famous("--version").stdout.strip() == "0.1.0"


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: None, "cell.tif"),
        (lambda path: path.write_bytes(b""), "empty file"),
        (lambda path: path.write_bytes(b"II*\x00garbage"), "cell.tif"),
        (lambda path: tifffile.imwrite(path, COLOURED, photometric="rgb"), "cell.tif"),
    ],
)
def test_a_problem_with_the_input_is_named(tmp_path, monkeypatch, capsys, make, expected):
    path = tmp_path / "cell.tif"
    make(path)
    assert run_main(monkeypatch, "info", str(path)) == 1
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "Permission denied", "cell.tif"), "cell.tif"),
        (MemoryError(), "MemoryError"),
        (cli._StoppedError("stopped; go on"), "stopped; go on"),
    ],
)
def test_no_traceback_reaches_a_user(monkeypatch, capsys, error, said):
    def fail(**_):
        raise error

    monkeypatch.setattr(cli, "app", fail)
    code = run_main(monkeypatch, "info", "cell.tif")
    assert code == (130 if isinstance(error, cli._StoppedError) else 1)
    assert said in capsys.readouterr().err


def test_notes_of_the_stack_go_to_stderr(tmp_path):
    path = write_cell(tmp_path)
    result = call("info", path, "--json")
    assert json.loads(result.stdout)["slices"] == 24
    Common(voxel_size=(9, 9, 9)).open(str(path))
    result = call("info", path, "--json")
    assert json.loads(result.stdout)["voxel_size_nm"] == [9, 9, 9]
    assert "note: " in result.stderr
