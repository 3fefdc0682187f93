"""Files appear whole or not at all."""

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from famous import files
from famous.errors import InputError
from famous.files import PARTIAL_SUFFIX, atomic_path, sweep_partials, write_bytes, write_json, write_text

WRITERS: dict[str, Callable[[Path], None]] = {
    "a.json": lambda path: write_json(path, {"µm": [1, 2.5, None]}),
    "a.txt": lambda path: write_text(path, "nm\n"),
    "a.bin": lambda path: write_bytes(path, b"\0\1"),
}
FORBIDDEN = set('<>:"/\\|?*') | {chr(code) for code in range(32)}  # in file names, by Windows


@pytest.mark.parametrize("name", WRITERS)
def test_the_same_content_gives_the_same_bytes_and_nothing_beside(name: str, tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / name
    WRITERS[name](path)
    first = path.read_bytes()
    WRITERS[name](path)
    assert path.read_bytes() == first
    assert [entry.name for entry in path.parent.iterdir()] == [name]


def test_text_has_the_same_bytes_on_every_system(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "µm\nnm\n")
    assert (tmp_path / "a.txt").read_bytes() == b"\xc2\xb5m\nnm\n"
    write_json(tmp_path / "a.json", {"b": "ä", "a": 1})
    assert (tmp_path / "a.json").read_bytes() == b'{\n  "b": "\xc3\xa4",\n  "a": 1\n}\n'


@pytest.mark.parametrize("content", [{"a": float("nan")}, {"a": np.float32(1)}, {1, 2}])
def test_what_json_cannot_hold_is_refused_and_nothing_is_written(content: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.json"):
        write_json(tmp_path / "a.json", content)
    assert list(tmp_path.iterdir()) == []


def test_nothing_shows_under_the_name_before_the_end(tmp_path: Path) -> None:
    path = tmp_path / "mesh.ply"
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"ply")
        assert temporary.parent == path.parent  # a rename from elsewhere could be a copy
        assert temporary.suffix == ".ply"
        assert temporary.name.startswith(".")
        assert not path.exists()
    assert path.read_bytes() == b"ply"


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_the_old_file_and_no_new_one(error: type[BaseException], tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def fail() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half of the n")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_before_the_first_byte_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.txt: it cannot be written"), atomic_path(tmp_path / "a.txt"):
        pass  # nothing was written, so there is nothing to rename
    assert list(tmp_path.iterdir()) == []


def test_the_bytes_are_on_the_disk_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is flushed is the file's own content, writable as Windows wants it, and the rename comes after."""
    path = tmp_path / "a.bin"
    calls = []
    real_sync, real_replace = os.fsync, Path.replace

    def sync(number: int) -> None:
        calls.append(("fsync", os.fstat(number).st_size, path.exists()))
        assert os.write(number, b"") == 0  # a handle that may only read refuses
        real_sync(number)

    def replace(self: Path, target: Path) -> Path:
        calls.append(("replace", self.stat().st_size, path.exists()))
        return real_replace(self, target)

    monkeypatch.setattr(files.os, "fsync", sync)
    monkeypatch.setattr(Path, "replace", replace)
    write_bytes(path, b"12345")
    assert calls == [("fsync", 5, False), ("replace", 5, False)]


def test_a_full_disk_is_named_and_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.bin"
    write_bytes(path, b"old")

    def full(_number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(InputError, match=r"a\.bin: it cannot be written \(No space left on device\)"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["a.txt", "no suffix", ".hidden", "späte Endosomen.csv", "cell.ome.tif", "CON.txt"])
def test_temporary_names_are_allowed_on_windows(name: str, tmp_path: Path) -> None:
    with atomic_path(tmp_path / name) as temporary:
        temporary.touch()
        assert not FORBIDDEN & set(temporary.name)
        assert temporary.name[-1] not in ". "
        assert temporary.name.split(".")[1].upper() not in ("CON", "NUL") or temporary.name.startswith(".")
        assert sweep_partials(tmp_path) == 1  # and are known for what they are
        temporary.touch()
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=63))
def test_any_name_that_the_file_system_takes_can_be_written(name: str, tmp_path: Path) -> None:
    if name in (".", ".."):
        return
    path = tmp_path / name
    write_bytes(path, b"x")
    assert path.read_bytes() == b"x"
    path.unlink()
    assert list(tmp_path.iterdir()) == []


def test_the_longest_name_has_room_for_the_temporary_one(tmp_path: Path) -> None:
    for name in ("a" * 250 + ".txt", "ä" * 125 + ".txt"):
        write_text(tmp_path / name, "whole")
        assert (tmp_path / name).read_text() == "whole"


def test_two_writers_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    contents = [bytes([value]) * 100_000 for value in range(8)]
    threads = [threading.Thread(target=write_bytes, args=(path, content)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [path]


def test_what_killed_writers_left_is_swept(tmp_path: Path) -> None:
    kept = [tmp_path / "partial.csv", tmp_path / "a.ply", tmp_path / "my.partial.notes.txt"]
    for path in kept:
        path.touch()
    left: list[Path] = []
    for name in ("a.csv", "meshes/b.ply", "noSuffix"):
        with contextlib.ExitStack() as stack:
            temporary = stack.enter_context(atomic_path(tmp_path / name))
            temporary.touch()
            left.append(temporary.with_name("x" + temporary.name))
            left[-1].touch()
    (tmp_path / f"0.0123{PARTIAL_SUFFIX}").touch()  # as zarr names them
    assert sweep_partials(tmp_path) == len(left) + 1
    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in left)
    assert sweep_partials(tmp_path / "nowhere") == 0


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        write_text(tmp_path / "file" / "a.txt", "")
