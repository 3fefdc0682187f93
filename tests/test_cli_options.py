"""The options that commands share, and what they open."""

import pytest
import typer

from famous.cli import options
from famous.pipeline.project import Choices
from famous.progress import Bars
from tests.cells import write_cell


@pytest.mark.parametrize("size", [None, (8.0, 8.0, 8.0), (29.0, 4.6, 4.6)])
def test_a_voxel_size_of_three_lengths_is_taken(size):
    assert options._check_size(size) == size


@pytest.mark.parametrize(
    "size", [(0.0, 1.0, 1.0), (1.0, -1.0, 1.0), (1.0, 1.0, float("nan")), (float("inf"), 1.0, 1.0)]
)
def test_anything_else_is_a_wrong_call(size):
    with pytest.raises(typer.BadParameter, match="three lengths in nm above 0"):
        options._check_size(size)


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
