"""`famous compare` on the command line: options arrive, wrong ones are told, and the answer is the verdict."""

import shlex
from pathlib import Path

import pytest

from famous.cli import compare as command
from famous.pipeline import compare as pipeline
from tests.commands import call, call_json
from tests.compare_scenes import write_run, write_sources


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    return write_run(folder), write_sources(folder / "drawn")


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(pipeline, "write_report", lambda path, *_: path.write_text("report"))


@pytest.fixture
def asked(monkeypatch):
    """What the pipeline is asked for, without doing it."""
    seen = []

    def note(asked, output, session):
        seen.append((asked, output, session))
        raise pipeline.InputError("seen")

    monkeypatch.setattr(pipeline, "run_compare", note)
    return seen


def test_the_answer_is_the_verdict_of_each_class_and_the_report(run, quick, tmp_path):
    stack, drawn = run
    output = call("compare", stack, "--truth", drawn["M1"], "--truth", drawn["M2"], "--out", tmp_path / "r").stdout
    lines = output.strip().splitlines()
    assert lines[0].startswith("· mito: Whether automatic agrees with M1 as well as M2 does is not decided")
    assert lines[-1] == str(tmp_path / "r" / "report.html")


def test_json_has_the_verdicts_and_all_files(run, quick, tmp_path):
    stack, drawn = run
    data = call_json("compare", stack, "--truth", drawn["M1"], "--names", "run", "Ann", "--out", tmp_path / "r")
    assert data["sources"] == ["run", "Ann"]
    assert [row["kind"] for row in data["verdicts"]] == ["no second expert"] * 2
    assert data["verdicts"][0]["difference"] is None
    assert data["files"][-1].endswith("report.html")
    assert len(data["files"]) == 14


def test_every_option_arrives(asked, tmp_path):
    call(
        *("compare", "a.tif", "b.tif", "--truth", "c.tif", "--names", "A", "B"),
        *("--region", "0:10,:,5:", "--slices", "3,5-7", "--class", "mito", "--class", "fv"),
        *("--class-table", "ids.csv", "--voxel-size", "30", "4", "5", "--unit", "mm", "--offset", "1", "2", "-3"),
        *("--ignore-label", "255", "--boundary-nm", "20", "--threshold", "0.25", "--paper-matching"),
        *("--out", tmp_path, "--overwrite", "--no-meshes", "--jobs", "3", "--folder", tmp_path / "f"),
        code=1,
    )
    wanted, output, session = asked[0]
    assert wanted.sources == ("a.tif", "b.tif")
    assert wanted.truths == ("c.tif",)
    assert wanted.names == ("A", "B")
    assert wanted.region == ((0, 10), (None, None), (5, None))
    assert wanted.slices == (3, 5, 6, 7)
    assert wanted.classes == ("mito", "fv")
    assert str(wanted.class_table) == "ids.csv"
    assert wanted.placing.voxel_size.zyx == (30, 4, 5)
    assert wanted.placing.unit == "mm"
    assert wanted.placing.offset_nm == (1, 2, -3)
    assert (wanted.ignore, wanted.boundary_nm, wanted.threshold, wanted.paper) == (255, 20, 0.25, True)
    assert wanted.folder == tmp_path / "f"
    assert (output.out, output.overwrite, output.meshes) == (tmp_path, True, False)
    assert session.jobs == 3


def test_what_is_not_said_is_left_open(asked):
    call("compare", "a.tif", "--truth", "b.tif", code=1)
    wanted, output, session = asked[0]
    assert wanted == pipeline.Asked(("a.tif",), ("b.tif",))
    assert (output.out, output.overwrite, output.meshes) == (None, False, True)
    folder, again = output.command.splitlines()
    assert shlex.split(folder) == ["cd", str(Path.cwd())], "relative paths hold from there only"
    assert again.startswith("famous")
    assert again.endswith("--overwrite"), "the report is there when it is repeated"
    assert session.jobs >= 1


@pytest.mark.parametrize(
    "wrong",
    [
        ("--region", "0:10"),
        ("--region", "0:10,:,x"),
        ("--region", "a"),
        ("--slices", "1-x"),
        ("--slices", ""),
        ("--threshold", "0"),
        ("--threshold", "1.5"),
        ("--threshold", "nan"),
        ("--boundary-nm", "-1"),
        ("--ignore-label", "0"),
        ("--voxel-size", "0", "1", "1"),
        ("--offset", "nan", "0", "0"),
        ("--unit", "furlong"),
        ("--jobs", "0"),
        ("--names", "A"),
    ],
)
def test_a_wrong_value_is_exit_code_2(wrong, asked):
    call("compare", "a.tif", "--truth", "b.tif", *wrong, code=2)
    assert asked == []


def test_slices_that_run_backwards_are_told(asked):
    said = " ".join(call("compare", "a.tif", "--truth", "b.tif", "--slices", "3,9-5", code=2).output.split())
    assert "9-5 is backwards" in said
    assert asked == []


def test_a_fault_of_the_input_is_exit_code_1(run, tmp_path):
    stack, drawn = run
    for arguments in (
        ("compare", stack),
        ("compare", stack, "--truth", tmp_path / "nothing"),
        ("compare", tmp_path / "nothing.tif", "--truth", drawn["M1"]),
        ("compare", stack, "--truth", drawn["M1"], "--class", "golgi"),
        ("compare", stack, "--truth", drawn["M1"], "--slices", "99"),
        ("compare", stack, "--truth", drawn["M1"], "--out", stack),
    ):
        call(*arguments, code=1)
    assert not (stack.with_name("cell.famous") / "report").exists()


@pytest.mark.parametrize("content", [b"", b"II*\x00garbage", b"nonsense"])
def test_a_truth_that_is_broken_is_one_message(run, tmp_path, content):
    stack, _ = run
    (tmp_path / "m1.tif").write_bytes(content)
    result = call("compare", stack, "--truth", tmp_path / "m1.tif", code=1)
    assert "m1.tif" in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "overwrite", "again"),
    [
        (["compare", "a b.tif"], False, "famous compare 'a b.tif' --overwrite"),
        (["compare", "a.tif", "--overwrite"], True, "famous compare a.tif --overwrite"),
        (["compare", "--", "-a.tif"], False, "famous compare --overwrite -- -a.tif"),
    ],
)
def test_the_command_to_repeat_it_replaces_the_report(arguments, overwrite, again):
    assert command._command(arguments, overwrite).splitlines()[1] == again


def test_the_marks_are_of_kinds_that_there_are():
    from famous.compare.comparison import VERDICT_KINDS

    assert set(command.MARKS) <= set(VERDICT_KINDS)
