"""Scratch folders: gone at the end, swept after a kill, and never taken from a living process."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from famous import scratch
from famous.scratch import OWNED, process_folder, scratch_folder, sweep_scratch
from tests.commands import famous

OWNER = """
import sys
from famous.scratch import process_folder, scratch_folder
with scratch_folder("test") as folder:
    (folder / "spool").write_text("x")
    print(folder, process_folder(), flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A temporary folder of one's own, for this process and those that it starts."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("TEMP", str(tmp_path))
    return tmp_path


@pytest.fixture
def owner(place):
    """Another process that has a folder of each kind, and waits for a line."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", OWNER], **pipes) as process:
        folders = [Path(name) for name in process.stdout.readline().split()]
        assert len(folders) == 2
        yield process, folders
        process.kill()


def test_a_folder_is_empty_private_and_gone_after_its_block(place):
    with scratch_folder("blend") as folder:
        assert all(path.name.startswith(".") for path in folder.iterdir())
        assert list(place.iterdir()) == [folder]
        assert folder.name.startswith("famous-blend-")
        if os.name == "posix":
            assert folder.stat().st_mode & 0o077 == 0
        (folder / "deep").mkdir()
        (folder / "deep" / "file").write_text("x")
    assert list(place.iterdir()) == []


def test_a_folder_goes_when_its_block_fails(place):
    with pytest.raises(OSError, match="full"), scratch_folder("a"):
        raise OSError("full")
    assert list(place.iterdir()) == []


def test_what_is_in_use_here_is_not_swept(place):
    with scratch_folder("a") as first, scratch_folder("a") as second:
        assert first != second
        assert sweep_scratch() == 0
        assert first.is_dir()
        assert second.is_dir()


def test_what_a_living_process_uses_is_not_swept(owner):
    _, folders = owner
    assert sweep_scratch() == 0
    assert all(folder.is_dir() for folder in folders)
    assert (folders[0] / "spool").read_text() == "x"


def test_a_process_that_ends_leaves_nothing(owner, place):
    process, _ = owner
    process.communicate("\n")
    assert process.returncode == 0
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("start", ["sweep", "scratch", "command"])
def test_what_a_killed_process_left_goes_with_the_next_start(owner, place, start):
    process, _ = owner
    process.kill()
    process.wait()
    assert len(list(place.glob("famous-*"))) == 2  # a kill leaves them
    if start == "sweep":
        assert sweep_scratch() == 2
    elif start == "scratch":
        with scratch_folder("a"):
            pass
    else:
        assert famous("--version").returncode == 0
    assert list(place.glob("famous-*")) == []


def test_what_is_not_ours_stays(place, tmp_path_factory, monkeypatch):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / OWNED).touch()
    for name in ("famous-demo", "famous-test-unlocked"):  # no folder of scratch, and one that is being made
        (place / name).mkdir()
        (place / name / "mine").write_text("x")
    (place / "famous-file").write_text("x")
    (place / "famous-link").symlink_to(elsewhere, target_is_directory=True)
    (place / "famous-gone").symlink_to(place / "nowhere")
    assert sweep_scratch() == 0
    assert len(list(place.iterdir())) == 5
    assert (elsewhere / OWNED).exists()


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners here")
def test_what_belongs_to_another_user_stays(place, monkeypatch):
    (place / "famous-test-1").mkdir()
    (place / "famous-test-1" / OWNED).touch()
    with monkeypatch.context() as patch:
        patch.setattr(scratch.os, "getuid", lambda: -2)
        assert sweep_scratch() == 0
    assert sweep_scratch() == 1
    assert list(place.iterdir()) == []


def test_without_locks_a_folder_is_made_and_never_swept(place, monkeypatch):
    import filelock

    def refuse(self, **options):
        raise NotImplementedError("no flock here")

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with scratch_folder("a") as folder:
        assert folder.is_dir()
        assert sweep_scratch() == 0
        assert folder.is_dir()
    assert list(place.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_does_not_take_its_parents_folder_away(place):
    code = (
        "import os, sys\n"
        "from famous.scratch import process_folder\n"
        "folder = process_folder()\n"
        "if os.fork() == 0:\n"
        "    assert process_folder() != folder\n"
        "    sys.exit()\n"
        "os.wait()\n"
        "assert folder.is_dir()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(place.iterdir()) == []


def test_the_folder_of_a_process_is_one():
    assert process_folder() == process_folder()
    assert process_folder().is_dir()
