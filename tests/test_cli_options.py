"""The options that commands share, and what they open."""

import numpy as np
import pytest
import tifffile
import typer

from famous.cli import options
from famous.pipeline.project import Choices
from famous.progress import Bars
from tests.cells import write_cell
from tests.commands import call


@pytest.mark.parametrize("size", [None, (8.0, 8.0, 8.0), (29.0, 4.6, 4.6)])
def test_a_voxel_size_of_three_lengths_is_taken(size):
    assert options._check_size(size) == size


@pytest.mark.parametrize(
    "size", [(0.0, 1.0, 1.0), (1.0, -1.0, 1.0), (1.0, 1.0, float("nan")), (float("inf"), 1.0, 1.0)]
)
def test_anything_else_is_a_wrong_call(size):
    with pytest.raises(typer.BadParameter, match="three lengths in nm above 0"):
        options._check_size(size)


def test_what_is_no_length_is_named_with_what_is_expected():
    assert options._length("4.6") == 4.6
    with pytest.raises(typer.BadParameter, match="found '--folder', expected three lengths in nm, Z Y X"):
        options._length("--folder")
    result = call("run", "x.tif", "--voxel-size", 30, 4, "--folder", "o4", code=2)
    assert "found '--folder'" in result.stderr


COMMANDS = [
    ("run", "--voxel-size"),
    ("detect", "--voxel-size"),
    ("train", "--voxel-size"),
    ("link", "--voxel-size"),
    ("export --format stl", "found no run of it"),
]


@pytest.mark.parametrize(("command", "said"), COMMANDS)
@pytest.mark.parametrize("was_there", [False, True])
def test_a_command_that_fails_before_any_work_leaves_nothing(tmp_path, command, said, was_there):
    path, folder = tmp_path / "plain.tif", tmp_path / "new" / "place"
    tifffile.imwrite(path, np.zeros((2, 8, 8), np.uint8), photometric="minisblack", metadata=None)
    if was_there:
        folder.mkdir(parents=True)
        (folder / "notes.txt").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    assert said in str(call(*command.split(), path, "--folder", folder, code=1).exception)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_that_was_there_before_stays_as_it_is_when_a_command_fails(tmp_path):
    path = write_cell(tmp_path)
    folder = options.Common(voxel_size=(9, 9, 9)).open(str(path)).folder
    before = (folder / "famous.yaml").read_bytes()
    call("boxes", "import", path, tmp_path / "nothing", code=1)
    assert (folder / "famous.yaml").read_bytes() == before


def test_the_options_open_the_project_that_they_describe(tmp_path, capsys):
    path = write_cell(tmp_path)
    common = options.Common(voxel_size=(9, 9, 9), folder=tmp_path / "mine")
    project = common.open(str(path), minutes=3.0, save=False)
    assert project.voxel_size.zyx == (9, 9, 9)
    assert project.config.train.minutes == 3
    assert not (tmp_path / "mine").exists()
    assert capsys.readouterr().err.startswith("note: ")  # the file says 16 nm


def test_every_common_option_is_a_choice_of_the_project():
    assert set(options.Common.__dataclass_fields__) <= set(Choices.__dataclass_fields__)


def test_a_session_has_what_was_asked_for():
    from famous.cli.console import err

    bars = Bars(err)
    session = options.open_session(bars, device="cpu", jobs=3, scheduler="tcp://x:1", again=True)
    assert (session.reporter, session.jobs, session.scheduler) == (bars, 3, "tcp://x:1")
    assert (session.device, session.again) == ("cpu", True)
    assert options.open_session(bars).device == "auto"


@pytest.mark.parametrize("command", ["run", "info", "annotate"])
def test_the_help_of_a_stack_names_every_format_that_is_read(command):
    said = " ".join(call(command, "--help").output.replace("│", " ").split())
    for name in ("folder of slices", "TIFF", "MRC", "HDF5", "Zarr", "NIfTI", "NRRD", "Amira"):
        assert name in said
