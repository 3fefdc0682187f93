"""`famous referee`, and the short table that runs print."""

import io
import json
import shutil

import numpy as np
import pytest
import tifffile
from rich.console import Console

from famous.cli.referee import SHOWN, show_ranking
from famous.extract.evidence import EVIDENCE
from famous.pipeline.referee import read_verdicts, tried
from tests.commands import call, call_json
from tests.test_pipeline_faults import changed
from tests.test_pipeline_referee import label

pytestmark = pytest.mark.usefixtures("know_all")


def shown(project, terminal=True, width=200):
    """What the short table says."""
    out = io.StringIO()
    show_ranking(project, Console(file=out, force_terminal=terminal, width=width, color_system=None))
    return out.getvalue()


@pytest.fixture
def labelled(done):
    label(done)
    return done


def test_it_prints_every_recipe_of_every_class_the_best_first(labelled):
    lines = call("referee", labelled.folder).stdout.splitlines()
    for verdict in read_verdicts(labelled):
        head = next(number for number, line in enumerate(lines) if line.startswith(f"{verdict.class_name}: "))
        if verdict.pick is None:
            continue
        assert lines[head].endswith("picked by the referee")
        assert all(name in lines[head + 1] for name in ("recipe", "score", *EVIDENCE))
        for place, row in enumerate(verdict.ranking.to_dict("records"), 1):
            assert lines[head + 1 + place].startswith(f"{place:>2} {row['recipe']}")
            assert f"{row['score']:.3f}" in lines[head + 1 + place]


def test_as_json_it_is_one_document_with_all_of_it(labelled):
    data = call_json("referee", labelled.folder)
    assert data["folder"] == str(labelled.folder)
    assert data["files"] == [str(labelled.referee)]
    found = data["classes"]["mitochondrion"]
    assert found["pick"] == found["ranking"][0]["recipe"]
    assert {row["recipe"] for row in found["ranking"]} == set(tried("mitochondrion"))
    assert [row["rank"] for row in found["ranking"]] == list(range(1, len(found["ranking"]) + 1))
    assert set(EVIDENCE) < set(found["ranking"][0])
    assert found["recipe"]["method"]
    assert call_json("referee", labelled.folder) == data
    assert call_json("referee", labelled.folder, "--again") == data


def test_without_labels_it_says_so(done):
    assert "nothing to rank" in call("referee", done.folder).stdout
    data = call_json("referee", done.folder)
    assert (data["classes"], data["files"]) == ({}, [])


def test_a_stack_that_nobody_labelled_keeps_no_folder(tmp_path):
    tifffile.imwrite(tmp_path / "s.tif", np.random.default_rng(0).integers(0, 255, (3, 64, 64), np.uint8))
    assert "nothing to rank" in call("referee", tmp_path / "s.tif", "--voxel-size", 8, 8, 8).stdout
    assert [path.name for path in tmp_path.iterdir()] == ["s.tif"]


def test_it_can_be_asked_where_it_does_not_decide(labelled, tmp_path):
    (tmp_path / "mine.yaml").write_text("extract: {recipes: paper}\nclasses: {lysosome: {extract: {scale: 0.9}}}\n")
    said = call("referee", labelled.folder, "--config", tmp_path / "mine.yaml").stdout
    assert "extract.recipes: paper" in said
    assert "named in the configuration" in said


def test_before_anything_else_is_done_it_needs_no_detector(done):
    label(done)
    shutil.rmtree(done.run)
    assert call_json("referee", done.folder)["classes"]["mitochondrion"]["pick"]


# ---- the short table ----


def test_extraction_and_runs_show_the_best_on_a_terminal(labelled):
    call("extract", labelled.folder)
    said = shown(labelled)
    for verdict in read_verdicts(labelled):
        (line,) = [line for line in said.splitlines() if line.startswith(verdict.class_name)]
        for name in verdict.ranking["recipe"][:SHOWN]:
            assert name in line
        assert "picked by the referee" in line or "labelled boxes" in line


def test_in_a_pipe_nothing_is_shown_nor_is_the_json_disturbed(labelled):
    result = call("extract", labelled.folder, "--json")
    assert json.loads(result.stdout)["files"]
    assert "picked" not in result.stderr
    assert shown(labelled, terminal=False) == ""


def test_where_nothing_is_judged_nothing_is_shown(done):
    assert shown(done) == ""
    label(done)
    call("referee", done.folder)
    assert shown(changed(done, extract={"recipes": "paper"})) == ""
    assert shown(done) != ""


def test_a_class_with_brackets_in_its_name_is_shown_as_it_is(labelled):
    found = json.loads(call("referee", labelled.folder, "--json").stdout)
    assert found["classes"]
    text = labelled.referee.read_text(encoding="utf-8").replace('"lysosome"', '"[bold]x"')
    labelled.referee.write_text(text, encoding="utf-8")
    assert "[bold]x" in shown(labelled)
