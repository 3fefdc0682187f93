"""The record of what exports wrote: a file is taken away only if it is known to be ours and as we left it."""

import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from famous.pipeline.exported import RECORD, Exported

STL = frozenset({".stl"})


def write(folder, *names, text="x"):
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return paths


def export(folder, names, *, owner="me", remove=True, suffixes=STL, current=()):
    """What the pipeline does; returns the names of files that were removed, and of those that are left."""
    exported, targets = Exported(folder, owner, suffixes), [folder / name for name in names]
    exported.begin(targets)
    write(folder, *names)
    return [
        [path.relative_to(folder).as_posix() for path in paths]
        for paths in exported.end(targets, [folder / name for name in current], remove=remove)
    ]


def test_what_is_gone_is_removed_with_its_empty_folder(tmp_path):
    assert export(tmp_path, ["a/1.stl", "b/2.stl", "b.stl"]) == [[], []]
    assert export(tmp_path, ["a/1.stl"]) == [["b.stl", "b/2.stl"], []]
    assert sorted(path.name for path in tmp_path.iterdir()) == [RECORD, "a"]
    assert export(tmp_path, ["a/1.stl"]) == [[], []]


def test_nothing_is_removed_unasked_and_it_is_named_each_time(tmp_path):
    export(tmp_path, ["a.stl", "b.stl"])
    for _ in range(2):
        assert export(tmp_path, ["a.stl"], remove=False) == [[], ["b.stl"]]
    assert export(tmp_path, ["a.stl"]) == [["b.stl"], []]


@pytest.mark.parametrize("text", ["y", "longer"])
def test_what_was_changed_since_stays_and_is_named(tmp_path, text):
    export(tmp_path, ["a.stl", "b.stl"])
    (path,) = write(tmp_path, "b.stl", text=text)
    os.utime(path, ns=(1, 1))
    assert export(tmp_path, ["a.stl"]) == [[], ["b.stl"]]
    assert path.read_text() == text


def test_the_files_of_another_project_stay_and_are_named(tmp_path):
    export(tmp_path, ["a.stl"], owner="you")
    assert export(tmp_path, ["b.stl"]) == [[], ["a.stl"]]
    assert export(tmp_path, ["b.stl"], owner="you") == [["a.stl"], []]


def test_other_formats_and_other_layouts_are_left_alone(tmp_path):
    export(tmp_path, ["a.ply"], suffixes=frozenset({".ply"}))
    export(tmp_path, ["a.stl", "a/1.stl", "a/2.stl"])
    assert export(tmp_path, ["b.stl"], current=["a/1.stl"]) == [["a.stl", "a/2.stl"], []]
    assert (tmp_path / "a.ply").exists()


def test_a_kill_before_the_end_leaves_every_file_known(tmp_path):
    export(tmp_path, ["a.stl"])
    Exported(tmp_path, "me", STL).begin([tmp_path / "b.stl"])
    write(tmp_path, "b.stl")  # and killed: it is not known how the export would have left it
    assert export(tmp_path, ["c.stl"]) == [["a.stl"], ["b.stl"]]


def test_files_that_only_the_side_car_knows_are_named(tmp_path):
    write(tmp_path, "a.stl", "b.ply")
    (tmp_path / "meshes.json").write_text(json.dumps({"made_by": "famous", "files": {"a.stl": {}, "b.ply": {}}}))
    assert export(tmp_path, ["c.stl"]) == [[], ["a.stl"]]


def test_where_no_suffix_is_ours_there_is_no_record(tmp_path):
    assert export(tmp_path, ["a.csv"], suffixes=frozenset()) == [[], []]
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize("name", ["../out.stl", "/out.stl", "a/../../out.stl", "..\\out.stl", "C:/out.stl", "", "."])
def test_a_record_that_points_outside_is_not_followed(tmp_path, name):
    folder = tmp_path / "in"
    write(tmp_path, "out.stl", "in/a.stl")
    entry = {"owner": "me", "size": 1, "changed": (tmp_path / "out.stl").stat().st_mtime_ns}
    (folder / RECORD).write_text(json.dumps({"files": {name: entry}}))
    assert export(folder, ["a.stl"]) == [[], []]
    assert (tmp_path / "out.stl").exists()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=20) | st.builds(lambda value: json.dumps({"files": value}).encode(), JSON))
def test_a_broken_record_removes_nothing(tmp_path, content):
    (mine,) = write(tmp_path, "mine.stl")
    (tmp_path / RECORD).write_bytes(content)
    assert export(tmp_path, ["a.stl"])[0] == []
    assert mine.exists()
