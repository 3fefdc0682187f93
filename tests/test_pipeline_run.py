"""The whole run: which stages it does, in which order, and what it says where nobody trained."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from famous.io.tables import read_csv
from famous.pipeline import run as run_module
from famous.pipeline.project import open_project
from famous.pipeline.run import Outcome, run, will_train
from famous.pipeline.stage import Session
from famous.yolo.card import Card, write_card
from tests.cells import write_cell
from tests.test_pipeline import Log
from tests.test_pipeline_faults import changed

pytestmark = pytest.mark.usefixtures("know_all")
BOXES = "z,y0,x0,y1,x1,class_name\n1,2,2,9,9,nucleus\n"


def label(project, done="1,1\n", boxes=BOXES):
    project.annotations.mkdir(exist_ok=True)
    (project.annotations / "boxes.csv").write_text(boxes)
    (project.annotations / "slices.csv").write_text("z,done\n" + done)


def test_the_outcome_counts_what_the_run_made(finished):
    outcome = run(finished)
    assert outcome.folder == finished.folder
    pd.testing.assert_frame_equal(outcome.instances, read_csv(finished.instances))
    assert sorted(outcome.meshes) == sorted(finished.meshes.rglob("*.ply"))
    assert outcome.boxes > len(outcome.instances)
    assert outcome.seconds >= 0
    assert outcome.peak_memory_mb > 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        outcome.boxes = 0


def test_without_labels_the_shipped_detector_is_named_at_once(finished):
    log = Log()
    outcome = run(finished, Session(log))
    (said,) = outcome.notes
    assert "the detector that ships is used, which has seen mitochondria of few tissues" in said
    assert log.said[0] == ("note", "", said)
    assert [stage for what, stage, _ in log.said if what == "end"] == ["detect", "extract", "link", "mesh", "measure"]


def test_a_run_that_finds_no_box_says_what_to_try(tmp_path, monkeypatch, oracle):
    none = np.zeros((0, 6), dtype=np.float32)
    monkeypatch.setattr(oracle, "_boxes", dict.fromkeys(range(24), none))
    outcome = run(open_project(str(write_cell(tmp_path))))
    assert (outcome.boxes, len(outcome.instances), outcome.meshes) == (0, 0, [])
    said = "\n".join(outcome.hints)
    for word in ("no box was found in 24 slices", "famous annotate", "famous train", "detect.score", "--invert"):
        assert word in said


def test_a_run_that_finds_something_needs_no_hint(finished):
    assert run(finished).hints == []


def test_a_detector_that_was_named_or_trained_needs_no_note(done, tmp_path):
    (tmp_path / "card.json").write_text("{}")
    named = dataclasses.replace(done, config=dataclasses.replace(done.config, weights=str(tmp_path)))
    assert run(named).notes == []
    done.model.mkdir()
    write_card(done.model, Card(("mitochondrion",), 3, 8.0, 0.7))
    assert run(done).notes == []


@pytest.mark.parametrize(
    ("finished_slices", "weights", "trains"),
    [("", None, False), ("1,0\n", None, False), ("1,1\n", None, True), ("9,1\n", None, True), ("1,1\n", "x", False)],
)
def test_training_comes_first_where_a_slice_is_done_and_no_detector_is_named(done, finished_slices, weights, trains):
    label(done, finished_slices)
    named = dataclasses.replace(done, config=dataclasses.replace(done.config, weights=weights))
    assert will_train(named) == trains


def test_nobody_has_labelled_is_no_training(done):
    assert not will_train(done)
    label(done, "", "z,y0,x0,y1,x1,class_name\n")
    assert not will_train(done)


def test_stages_come_in_their_order_and_training_before_them(done, monkeypatch):
    order = []
    for name in ("train", "detect", "extract", "link", "mesh", "measure"):
        made = {"train": Card(("mitochondrion",), 1, 16.0, 0.7), "detect": pd.DataFrame(), "measure": pd.DataFrame()}
        value = made.get(name, [])
        monkeypatch.setattr(
            run_module, f"run_{name}", lambda project, session, name=name, value=value: order.append(name) or value
        )
    label(done)
    outcome = run(done)
    assert order == ["train", "detect", "extract", "link", "mesh", "measure"]
    assert isinstance(outcome, Outcome)
    assert outcome.notes == []


@pytest.mark.parametrize("fails", ["detect", "link", "measure"])
def test_a_stage_that_fails_stops_the_run(done, monkeypatch, fails):
    def broken(project, session):
        raise OSError("disk full")

    after = {"detect": "run_extract", "link": "run_mesh", "measure": None}[fails]
    monkeypatch.setattr(run_module, f"run_{fails}", broken)
    if after:
        monkeypatch.setattr(run_module, after, lambda *_: pytest.fail("went on"))
    with pytest.raises(OSError, match="disk full"):
        run(done)


def test_a_session_is_handed_to_every_stage(done, monkeypatch):
    seen = []
    for name in ("detect", "extract", "link", "mesh", "measure"):
        real = getattr(run_module, f"run_{name}")
        monkeypatch.setattr(
            run_module,
            f"run_{name}",
            lambda project, session, real=real: seen.append(session) or real(project, session),
        )
    session = Session(device="cpu")
    run(done, session)
    assert seen == [session] * 5


def test_only_what_a_knob_reaches_is_made_again(done):
    log = Log()
    run(changed(done, mesh={"maximum_voxels": 31_000_000}), Session(log))
    assert log.worked() == ["mesh", "measure"]
    log = Log()
    run(changed(done, train={"minutes": 3.0}), Session(log))  # nobody trains
    assert "link" not in log.worked()
