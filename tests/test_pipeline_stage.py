"""What all stages share: when one is done, who may ask for it, who may work, and what is left after a kill."""

import dataclasses
import gc
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from famous.errors import FamousError, InputError
from famous.files import PARTIAL_SUFFIX
from famous.io.tables import write_parquet
from famous.pipeline import manifest
from famous.pipeline.parts import Parts, blocks
from famous.pipeline.project import open_project
from famous.pipeline.stage import Session, Silent, Stage, run_parts
from famous.voxels import VoxelSize
from tests.test_pipeline import Log


class KilledError(BaseException):
    """Stands in for a kill: nothing in the code catches it."""


class Counter(Silent):
    """A reporter that counts units."""

    def __init__(self):
        self.units = []

    def advance(self, units):
        self.units.append(units)


@pytest.fixture
def project(tmp_path):
    path = tmp_path / "a ü" / "cell.tif"
    path.parent.mkdir()
    tifffile.imwrite(path, np.arange(4 * 64, dtype=np.uint8).reshape(4, 8, 8), metadata=None)
    return open_project(str(path))


def stage(project, name="link", outputs=None, **changes):
    """Describe a stage whose output is a table."""
    given = {"parameters": {"a": 1}, "inputs": {"above": "x"}, **changes}
    return Stage(name, project, outputs=(project.boxes,) if outputs is None else outputs, **given)


def make(made, session=None, **options):
    """Do a stage whose work is to write its outputs."""
    with made.working(session or Session(), **options) as (parts, fresh):
        parts.begin()
        for output in made.outputs:
            write_parquet(output, pd.DataFrame({"a": [1]}))
    return fresh


def begin_and_die(made, error=KilledError, **options):
    """Begin a stage, finish its first part and die; tells whether it began from nothing."""
    seen = []

    def work():
        with made.working(Session(), **options) as (parts, fresh):
            seen.append(fresh)
            parts.begin()
            parts.save(0, number_table(range(1)))
            raise error

    with pytest.raises(error):
        work()
    return seen[0]


def number_table(block):
    """Stand in for the work on a block; it must be picklable."""
    return pd.DataFrame({"z": list(block)})


# ---- done or not ----


def test_a_stage_is_done_when_it_is_noted_and_its_output_is_there(project):
    assert not stage(project).is_done
    make(stage(project))
    assert stage(project).is_done
    project.boxes.unlink()
    assert not stage(project).is_done


@pytest.mark.parametrize("changes", [{"parameters": {"a": 2}}, {"inputs": {"above": "y"}}, {"inputs": {}}])
def test_a_stage_made_from_something_else_is_not_done(project, changes):
    make(stage(project))
    other = stage(project, **changes)
    assert not other.is_done
    assert not other.skip(Session())
    with pytest.raises(InputError, match="out of date, its input or a knob has changed; run `famous link"):
        other.require()


def test_a_stage_that_was_never_done_names_its_command_and_folder(project):
    with pytest.raises(InputError) as caught:
        stage(project, "extract").require()
    assert "'extract' is not done yet" in str(caught.value)
    assert f"run `famous extract {project.folder}`" in str(caught.value)


def test_requiring_gives_the_fingerprint_for_the_next_stage(project):
    make(stage(project))
    assert stage(project).require() == stage(project).fingerprint
    assert len(stage(project).fingerprint) == 64


def test_a_detector_named_once_counts_for_a_whole_run_only(project):
    make(stage(project, "detect", inputs={"stack": "s", "weights": "mine"}))
    asked = stage(project, "detect", inputs={"stack": "s", "weights": "usual"})
    assert not asked.is_done  # a whole run makes it again
    assert asked.require() == manifest.read(project.manifest)["detect"].fingerprint  # the next stage does not mind
    with pytest.raises(InputError, match="out of date"):
        stage(project, "detect", inputs={"stack": "other", "weights": "mine"}).require()


def test_a_stage_without_outputs_is_done_by_its_record(project):
    make(stage(project, "measure", outputs=()))
    assert stage(project, "measure", outputs=()).is_done


def test_skipping_sweeps_parts_and_again_never_skips(project):
    make(stage(project))
    left = project.parts("link") / "abc"
    left.mkdir(parents=True)
    assert not stage(project).skip(Session(again=True))
    assert left.exists()
    assert stage(project).skip(Session())
    assert not left.exists()


# ---- working ----


def test_working_leaves_the_output_the_record_and_no_parts(project):
    assert make(stage(project))
    assert not project.parts("link").exists()
    assert not list((project.run / "parts").iterdir())
    assert set(manifest.read(project.manifest)) == {"link"}


def test_training_is_noted_beside_the_model(project):
    make(stage(project, "train", outputs=(project.model / "best.onnx",)))
    assert set(manifest.read(project.model / "manifest.json")) == {"train"}
    assert not project.manifest.exists()


@pytest.mark.parametrize("error", [OSError, KilledError])
def test_work_that_ends_badly_is_taken_up_where_it_was(project, error):
    assert begin_and_die(stage(project), error)
    assert not stage(project).is_done
    with stage(project).working(Session()) as (parts, fresh):
        assert not fresh
        assert parts.missing(2) == [1]


def test_other_knobs_do_not_take_up_the_work(project):
    begin_and_die(stage(project))
    with stage(project, parameters={"a": 2}).working(Session()) as (parts, fresh):
        assert fresh
        assert parts.missing(1) == [0]


def test_work_begins_anew_where_what_it_rests_on_is_gone(project):
    project.labels.mkdir(parents=True)
    for expected in (True, False):
        assert begin_and_die(stage(project), resumes_on=(project.labels,)) == expected
    project.labels.rmdir()
    assert make(stage(project), resumes_on=(project.labels,))


def test_again_begins_anew(project):
    begin_and_die(stage(project))
    assert make(stage(project), Session(again=True))


def test_what_begins_anew_takes_the_parts_of_later_stages_with_it(project):
    for name in ("extract", "link", "mesh", "measure"):
        (project.parts(name) / "abc").mkdir(parents=True)
    with stage(project).working(Session()):
        pass
    assert sorted(path.name for path in (project.run / "parts").iterdir()) == ["extract"]


def test_what_killed_writers_left_is_swept_and_what_is_mine_stays(project):
    project.run.mkdir()
    left = project.run / f".boxes.parquet.{'0' * 32}{PARTIAL_SUFFIX}.parquet"
    mine = project.run / "notes.txt"
    for path in (left, mine):
        path.touch()
    make(stage(project))
    assert not left.exists()
    assert mine.exists()


def test_a_broken_manifest_stops_and_stays(project):
    project.run.mkdir()
    project.manifest.write_text('{"stages": []}')
    for ask in (lambda: stage(project).is_done, lambda: stage(project).require(), lambda: make(stage(project))):
        with pytest.raises(InputError, match="not a manifest"):
            ask()
    assert project.manifest.read_text() == '{"stages": []}'
    project.manifest.unlink()
    make(stage(project))
    assert stage(project).is_done


# ---- two at work ----

HOLD = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_and_let_in_when_the_first_has_died(project):
    project.run.mkdir()
    command = [sys.executable, "-c", HOLD, str(project.run / ".lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline().strip() == b"held"
        before = sorted(project.folder.rglob("*"))
        with pytest.raises(InputError, match="another famous is at work here"):
            make(stage(project))
        assert sorted(project.folder.rglob("*")) == before
        other.kill()
    assert make(stage(project))


def test_a_stage_inside_another_is_refused(project):
    with (
        stage(project).working(Session()),
        pytest.raises(InputError, match="another famous"),
        stage(project, "mesh").working(Session()),
    ):
        pytest.fail("both worked")
    assert make(stage(project, "mesh", outputs=()))


# ---- blocks of work ----


@pytest.fixture
def parts(tmp_path):
    opened = Parts(tmp_path / "parts" / "link", "1" * 64)
    opened.begin()
    return opened


def test_tables_come_in_the_order_of_the_work(parts):
    tables = run_parts(parts, blocks(5, 2), number_table, Session())
    assert [table["z"].tolist() for table in tables] == [[0, 1], [2, 3], [4]]


def test_progress_counts_units_also_those_done_before(parts):
    parts.save(1, number_table(range(2, 4)))
    counter = Counter()
    run_parts(parts, blocks(5, 2), number_table, Session(counter))
    assert counter.units == [2, 2, 1]
    assert sum(counter.units) == 5


@pytest.mark.parametrize("is_settled", [False, True])
def test_what_is_loaded_is_left_out_where_garbage_is_looked_for(parts, is_settled):
    """Unless the program around has done so, whose choice stays."""
    before = gc.get_freeze_count()
    gc.unfreeze()
    try:
        if is_settled:
            gc.freeze()
        chosen = gc.get_freeze_count()
        seen = []

        def look(block):
            seen.append(gc.get_freeze_count())
            return number_table(block)

        run_parts(parts, blocks(1, 1), look, Session())
        assert seen[0] > 0
        assert gc.get_freeze_count() == chosen
        assert (seen[0] == chosen) == is_settled
    finally:
        if before:
            gc.freeze()


@pytest.mark.parametrize(("pause_s", "times"), [(60.0, 1), (0.0, 4)])
def test_memory_is_given_back_now_and_then(parts, monkeypatch, pause_s, times):
    given = []
    monkeypatch.setattr("famous.pipeline.stage.TIDY_S", pause_s)
    monkeypatch.setattr("famous.pipeline.stage.give_memory_back", lambda: given.append(1))
    run_parts(parts, blocks(5, 2), number_table, Session())
    assert len(given) == times


def test_no_work_gives_no_table(parts):
    assert run_parts(parts, [], pytest.fail, Session()) == []


def test_a_worker_that_fails_keeps_what_was_done(parts):
    def fails(block):
        if block.start == 4:
            raise InputError("slice 4 is damaged")
        return number_table(block)

    with pytest.raises(InputError, match="slice 4 is damaged"):
        run_parts(parts, blocks(6, 2), fails, Session())
    assert parts.missing(3) == [2]


def test_fewer_than_one_process_is_refused(parts):
    with pytest.raises(FamousError, match="--jobs: found 0"):
        run_parts(parts, blocks(2, 1), number_table, Session(jobs=0))


def test_a_session_and_a_stage_cannot_be_changed(project):
    for thing, name in ((Session(), "jobs"), (stage(project), "name")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(thing, name, "other")


def test_silence_is_a_reporter():
    for reporter in (Silent(), Log()):
        assert reporter.begin("link", 3) is None
        assert reporter.advance(1) is None
        assert reporter.end("link", "done") is None
        assert reporter.note("by the way") is None


def test_the_voxel_size_is_asked_for_when_it_is_needed(project):
    with pytest.raises(InputError, match="--voxel-size Z Y X"):
        _ = project.voxel_size
    given = dataclasses.replace(project.opened, stack=dataclasses.replace(project.stack, voxel_size=VoxelSize(3, 2, 1)))
    assert dataclasses.replace(project, opened=given).voxel_size == VoxelSize(3, 2, 1)
    assert isinstance(project.folder, Path)
