"""The referee of a run: whom it judges, what it writes, when it is asked again, and who is obeyed instead."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from famous.config import ClassConfig, method_of
from famous.errors import InputError, MissingError
from famous.extract import EllipseParams, OtsuParams, default_recipe, make_extractor, paper_recipe
from famous.extract.evidence import EVIDENCE
from famous.extract.referee import RefereeParams
from famous.extract.slices import in_boxes
from famous.io.annotations import Annotations, write_boxes
from famous.pipeline import extract as extract_stage
from famous.pipeline import referee as stage
from famous.pipeline.extract import run_extract, stage_of
from famous.pipeline.link import run_link
from famous.pipeline.referee import asks_referee, describe, read_verdicts, reason, recipes_of, run_referee, tried
from famous.pipeline.stage import Session, alone
from famous.yolo.masknet import open_extractor
from tests.cells import CELL, cell
from tests.test_pipeline import Log, tree_hash
from tests.test_pipeline_faults import KilledError, changed, kill_in

pytestmark = pytest.mark.usefixtures("know_all")
DONE = (3, 8, 13, 18)
CLASSES = ("early endosome", "late endosome", "lysosome", "mitochondrion")


def label(project, slices=DONE, *, done=DONE, names=CLASSES):
    """Draw the true boxes of these slices, and declare some of them done."""
    table = cell().boxes(slices).drop(columns="truth_instance")
    table = table[table["class_name"].isin(names)]
    project.annotations.mkdir(parents=True, exist_ok=True)
    labelled = Annotations(table, frozenset(done), names)
    write_boxes(project.annotations / "boxes.csv", "csv", labelled, shape=CELL.shape)
    return table


@pytest.fixture
def labelled(done):
    label(done)
    return done


def judging(monkeypatch):
    """Count how often slices are examined."""
    asked = []
    real = stage.examine

    def examine(*arguments, **options):
        asked.append(arguments[0].corners)
        return real(*arguments, **options)

    monkeypatch.setattr(stage, "examine", examine)
    return asked


# ---- what is judged ----


def test_every_class_with_boxes_is_judged_on_slices_that_are_done(labelled):
    table = label(labelled, (*DONE, 20), done=DONE)
    own = table[table["z"].isin(DONE)]
    verdicts = run_referee(labelled, Session())
    assert {verdict.class_name: verdict.labelled for verdict in verdicts} == own["class_name"].value_counts().to_dict()
    for verdict in verdicts:
        assert set(verdict.ranking["recipe"]) == set(tried(verdict.class_name)) or verdict.pick is None
        assert list(verdict.ranking.columns) == ["rank", "recipe", "score", "boxes", *EVIDENCE]


def test_mitochondria_are_not_bright_and_the_pick_is_near_the_best(labelled):
    pick = next(v.pick for v in run_referee(labelled, Session()) if v.class_name == "mitochondrion")
    phantom = cell()
    truth = phantom.boxes([5, 10, 15])
    truth = truth[(truth["class_name"] == "mitochondrion") & (truth["y1"] - truth["y0"] > 5)]
    means = {}
    for name, recipe in tried("mitochondrion").items():
        found = []
        for z, rows in truth.groupby("z"):
            image = phantom.labels(int(z))["mitochondrion"]
            corners = rows[["y0", "x0", "y1", "x1"]].to_numpy("int32")
            masks = in_boxes(open_extractor(recipe), labelled.stack.slab(int(z)), corners, labelled.voxel_size)
            for (y0, x0, y1, x1), mask, number in zip(corners, masks, rows["truth_instance"], strict=True):
                true = image[y0:y1, x0:x1] == number
                found.append((mask & true).sum() / (mask | true).sum())
        means[name] = np.mean(found)
    assert "bright" not in pick
    assert means[pick] > max(means.values()) - 0.05


def test_too_few_boxes_give_no_pick_and_the_default_stays(labelled):
    few = changed(labelled, extract={"referee": RefereeParams(boxes=60, minimum_boxes=50)})
    verdicts = run_referee(few, Session())
    assert [verdict.pick for verdict in verdicts] == [None] * len(verdicts)
    assert all(verdict.ranking.empty for verdict in verdicts)
    assert recipes_of(few, CLASSES) == {name: default_recipe(name) for name in CLASSES}
    assert "a verdict takes 50" in reason(few, verdicts[0])


def test_slices_that_are_not_done_and_boxes_that_are_tiny_do_not_count(done):
    label(done, done=())
    assert run_referee(done, Session()) == []
    assert not done.referee.exists()
    table = pd.DataFrame(
        {"z": [3] * 9, "y0": [10] * 9, "x0": range(9), "y1": [14] * 9, "x1": range(4, 13), "class_name": ["dot"] * 9}
    )
    table.to_csv(done.annotations / "boxes.csv", index=False)
    (done.annotations / "slices.csv").write_text("z,done\n3,1\n")
    (verdict,) = run_referee(done, Session())
    assert (verdict.class_name, verdict.labelled, verdict.pick) == ("dot", 9, None)


def test_nothing_labelled_writes_nothing(done):
    before = tree_hash(done.folder)
    assert run_referee(done, Session()) == []
    assert tree_hash(done.folder) == before
    assert read_verdicts(done) == []


def test_no_more_boxes_than_wanted_are_tried_and_each_slice_is_read_once(labelled, monkeypatch):
    asked = judging(monkeypatch)
    few = changed(labelled, extract={"referee": RefereeParams(boxes=6)})
    verdicts = run_referee(few, Session())
    assert sum(map(len, asked)) == sum(int(v.ranking["boxes"].max()) for v in verdicts if v.pick)
    assert max(int(v.ranking["boxes"].max()) for v in verdicts if v.pick) == 6


# ---- what is written ----


def test_what_is_written_reads_back_and_says_how_it_was_made(labelled):
    verdicts = run_referee(labelled, Session())
    found = json.loads(labelled.referee.read_text(encoding="utf-8"))
    assert set(found) == {"famous", "fingerprint", "classes"}
    for made, read in zip(verdicts, read_verdicts(labelled), strict=True):
        assert (made.class_name, made.labelled, made.pick) == (read.class_name, read.labelled, read.pick)
        pd.testing.assert_frame_equal(made.ranking, read.ranking, check_dtype=not made.ranking.empty)
        assert found["classes"][made.class_name]["pick"] == made.pick


def test_asked_again_it_writes_the_same_bytes(labelled):
    run_referee(labelled, Session())
    before = labelled.referee.read_bytes()
    run_referee(labelled, Session(again=True))
    assert labelled.referee.read_bytes() == before


def test_unchanged_it_is_not_asked_again(labelled, monkeypatch):
    asked = judging(monkeypatch)
    first = run_referee(labelled, Session())
    count, log = len(asked), Log()
    again = run_referee(labelled, Session(log))
    assert len(asked) == count > 0
    assert [verdict.pick for verdict in again] == [verdict.pick for verdict in first]
    assert log.said[0][:2] == ("end", "referee")
    assert log.said[0][2].endswith("done before")


@pytest.mark.parametrize("change", ["boxes", "done", "knob", "window", "again"])
def test_whatever_decides_makes_it_ask_again(labelled, monkeypatch, change):
    run_referee(labelled, Session())
    asked = judging(monkeypatch)
    if change == "boxes":
        label(labelled, DONE[:3])
    if change == "done":
        label(labelled, done=DONE[:2])
    if change == "knob":
        labelled = changed(labelled, extract={"referee": RefereeParams(seed=1)})
    if change == "window":
        config = dataclasses.replace(labelled.config, window=(1.0, 200.0))
        labelled = dataclasses.replace(labelled, config=config)
    run_referee(labelled, Session(again=change == "again"))
    assert asked


def test_labels_that_are_gone_leave_no_verdict_behind(labelled):
    assert run_referee(labelled, Session())
    (labelled.annotations / "boxes.csv").unlink()
    assert run_referee(labelled, Session()) == []
    assert read_verdicts(labelled) == []


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"classes": {}}',
        '{"classes": {"a": {}}, "fingerprint": ""}',
        '{"classes": {"a": {"labelled": 3, "ranking": [{"rank": 1}]}}, "fingerprint": ""}',
    ],
)
def test_a_broken_file_is_named_with_what_to_do(labelled, broken):
    labelled.referee.write_text(broken)
    with pytest.raises(InputError, match=r"referee.json: not a referee's verdict .* remove it"):
        run_referee(labelled, Session())


def test_two_at_once_in_one_folder_are_refused(labelled):
    with alone(labelled.run), pytest.raises(InputError, match="another famous is at work"):
        run_referee(labelled, Session())


def test_masknet_is_tried_where_its_network_is(labelled, monkeypatch):
    def gone(model):
        raise MissingError("masknet.json: not there")

    monkeypatch.setattr(stage, "masknet_digest", lambda model=None: "1234")
    assert "masknet" in tried("mitochondrion")
    monkeypatch.setattr(stage, "masknet_digest", gone)
    assert "masknet" not in tried("mitochondrion")
    without = run_referee(labelled, Session())
    assert not any("masknet" in set(verdict.ranking["recipe"]) for verdict in without)
    pretend(labelled, mitochondrion="masknet")  # a pick from elsewhere, where it was installed
    assert recipes_of(labelled, ["mitochondrion"])["mitochondrion"] == default_recipe("mitochondrion")


def test_another_network_makes_it_ask_again(labelled, monkeypatch):
    monkeypatch.setattr(stage, "open_extractor", lambda recipe, model: make_extractor(EllipseParams()))
    monkeypatch.setattr(stage, "masknet_digest", lambda model=None: "1234")
    run_referee(labelled, Session())
    asked = judging(monkeypatch)
    run_referee(labelled, Session())
    assert not asked
    monkeypatch.setattr(stage, "masknet_digest", lambda model=None: "5678")
    run_referee(labelled, Session())
    assert asked


# ---- who decides ----


def test_the_pick_is_what_extraction_takes(labelled):
    verdicts = {v.class_name: v.pick for v in run_referee(labelled, Session())}
    taken = recipes_of(labelled, CLASSES)
    for name in CLASSES:
        assert taken[name] == tried(name).get(verdicts.get(name), default_recipe(name))
    assert stage_of(labelled).parameters["recipes"]["mitochondrion"]["method"] == method_of(taken["mitochondrion"])


def pretend(project, **picks):
    """Let the referee have said something."""
    run_referee(project, Session())
    found = json.loads(project.referee.read_text(encoding="utf-8"))
    for name, pick in picks.items():
        row = {"rank": 1, "recipe": pick, "score": 0.9, "boxes": 9} | dict.fromkeys(EVIDENCE, 0.9)
        found["classes"][name] = {"labelled": 9, "pick": pick, "ranking": [row]}
    project.referee.write_text(json.dumps(found))


def test_who_names_a_recipe_is_obeyed(labelled):
    pretend(labelled, mitochondrion="otsu bright", lysosome="otsu bright")
    named = {"mitochondrion": ClassConfig(extract={"method": "ellipse"}), "lysosome": ClassConfig(color="red")}
    project = dataclasses.replace(labelled, config=dataclasses.replace(labelled.config, classes=named))
    assert recipes_of(project, ["mitochondrion", "lysosome"]) == {
        "mitochondrion": EllipseParams(),
        "lysosome": OtsuParams(polarity="bright"),
    }
    said = {verdict.class_name: reason(project, verdict) for verdict in read_verdicts(project)}
    assert said["mitochondrion"] == "named in the configuration"
    assert said["lysosome"] == "picked by the referee"


@pytest.mark.parametrize(("recipes", "expected"), [("default", default_recipe), ("paper", paper_recipe)])
def test_the_referee_is_not_asked_where_the_configuration_says_which(labelled, monkeypatch, recipes, expected):
    pretend(labelled, mitochondrion="otsu bright")
    asked = judging(monkeypatch)
    fixed = changed(labelled, extract={"recipes": recipes})
    before = labelled.referee.read_bytes()
    assert not asks_referee(fixed.config)
    assert recipes_of(fixed, CLASSES) == {name: expected(name) for name in CLASSES}
    label(fixed, DONE[:2])
    run_extract(fixed, Session())
    assert not asked
    assert labelled.referee.read_bytes() == before
    assert reason(fixed, read_verdicts(fixed)[0]) == f"extract.recipes: {recipes}"


def test_a_class_goes_by_its_other_names_too(labelled):
    pretend(labelled, mitochondrion="otsu bright")
    assert recipes_of(labelled, ["Mitochondria"])["Mitochondria"] == OtsuParams(polarity="bright")
    assert recipes_of(labelled, ["mito"])["mito"] == OtsuParams(polarity="bright")


def test_a_pick_that_is_no_longer_known_gives_the_default(labelled):
    pretend(labelled, mitochondrion="magic")
    assert recipes_of(labelled, ["mitochondrion"])["mitochondrion"] == default_recipe("mitochondrion")


def test_a_verdict_is_described_for_scripts(labelled):
    verdict = next(v for v in run_referee(labelled, Session()) if v.class_name == "mitochondrion")
    found = describe(labelled, verdict)
    assert found["pick"] == verdict.pick
    assert found["recipe"]["method"] == method_of(tried("mitochondrion")[verdict.pick])
    assert found["reason"] == "picked by the referee"
    assert [row["recipe"] for row in found["ranking"]] == verdict.ranking["recipe"].tolist()


# ---- in a run ----


def test_extraction_asks_first_and_takes_the_pick(labelled):
    log = Log()
    run_extract(labelled, Session(log))
    assert log.worked() == ["referee"] + (["extract"] if "extract" in log.worked() else [])
    assert stage_of(labelled).is_done


def test_more_labels_leave_the_run_as_it_is_until_it_is_asked(labelled):
    run_extract(labelled, Session())
    run_link(labelled, Session())
    label(labelled, (*DONE, 21), done=(*DONE, 21))
    log = Log()
    run_link(labelled, Session(log))  # not out of date
    assert log.worked() == []


def test_a_pick_that_changes_makes_extraction_again_one_that_stays_does_not(labelled):
    run_extract(labelled, Session())
    label(labelled, (*DONE, 21), done=(*DONE, 21))
    before = recipes_of(labelled, CLASSES)
    log = Log()
    run_extract(labelled, Session(log))
    assert log.worked() == ["referee"] + (["extract"] if before != recipes_of(labelled, CLASSES) else [])
    pretend(labelled, mitochondrion="ellipse")
    assert not stage_of(labelled).is_done


def test_killed_in_extraction_and_begun_again_it_ends_with_the_same_bytes(labelled, monkeypatch):
    named = dataclasses.replace(
        labelled.config, classes={"mitochondrion": ClassConfig(extract={"polarity": "dark", "blur_nm": 31.0})}
    )
    project = dataclasses.replace(labelled, config=named)
    run_extract(project, Session())
    expected = tree_hash(project.run)
    project.referee.unlink()
    with monkeypatch.context() as patch:
        kill_in(patch, extract_stage, 2)
        with pytest.raises(KilledError):
            run_extract(project, Session(again=True))
    run_extract(project, Session())
    assert tree_hash(project.run) == expected
