"""Class names in the configuration: what the detector finds, or what is labelled, is known; the rest is told."""

import dataclasses
from pathlib import Path

import pytest

import famous
from famous import config as configuration
from famous.config import Config, parse
from famous.errors import ConfigError
from famous.pipeline.detect import run_detect, weights_of
from famous.pipeline.extract import run_extract
from famous.pipeline.known_classes import check_classes, meant, refuse_unknown
from famous.pipeline.stage import Session
from tests.test_pipeline import Log
from tests.test_pipeline_faults import changed
from tests.test_pipeline_run import label

pytestmark = pytest.mark.usefixtures("know_all")
KNOWN = ("mitochondrion", "nucleus", "lysosome")
EXCLUSIVE = (("lysosome", "mitochondria"),)


def configured(project, config):
    """Return the project with another configuration, its voxel size and window kept."""
    kept = {name: getattr(project.config, name) for name in ("voxel_size", "window", "window_of", "invert")}
    return dataclasses.replace(project, config=dataclasses.replace(config, **kept))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            {"extract": {"exclusive": [["lysosome"], ["mitochondrion", "nucleous"]]}},
            r"^extract\.exclusive\[1\]\[1\]: found 'nucleous' \(did you mean nucleus\?\), expected one of "
            "mitochondrion, nucleus, lysosome; neither the detector",
        ),
        (
            {"measure": {"inside": {"nucleolus": "golgi"}}},
            r"^measure\.inside: found 'nucleolus' \(did you mean nucleus",
        ),
        ({"measure": {"inside": {"lysosome": "golgi"}}}, r"^measure\.inside: found 'golgi', expected one of mitochond"),
        ({"extract": {"exclusive": [["Nucleus"]]}}, r"^extract\.exclusive\[0\]\[0\]: found 'Nucleus' \(did you mean"),
    ],
)
def test_a_name_that_nobody_knows_is_refused_with_those_that_there_are(data, message):
    with pytest.raises(ConfigError, match=message):
        refuse_unknown(parse(data), KNOWN)


def test_known_names_pass():
    refuse_unknown(Config(), ())
    refuse_unknown(parse({"extract": {"exclusive": [["lysosome", "nucleus"]]}}), KNOWN)
    refuse_unknown(parse({"measure": {"inside": {"lysosome": "nucleus"}}}), KNOWN)


def test_only_a_like_name_is_meant():
    assert meant("mitochondria", KNOWN) == " (did you mean mitochondrion?)"
    assert meant("golgi", KNOWN) == ""
    assert meant("golgi", ()) == ""


def test_a_class_that_is_set_up_and_will_stay_empty_is_noted(done):
    config = parse({"classes": {"nucleus": {}, "mitochondria": {"color": "red"}, "golgi": {}}})
    mine = configured(done, config)
    (note,) = check_classes(mine, weights_of(mine))
    assert "have 'mitochondria' (did you mean mitochondrion?), 'golgi', so nothing will be found of them" in note
    assert "they have early endosome, late endosome, lysosome, mitochondrion, nucleus" in note
    log = Log()
    run_detect(mine, Session(log))
    assert sum(what == "note" and "have 'nucleus', 'mitochondria' (did you" in text for what, _, text in log.said) == 1


def test_classes_of_the_paper_that_a_stack_does_not_have_are_noted_only(done):
    file = Path(famous.__file__).parents[1] / "configs" / "paper-hela.yaml"
    mine = configured(done, configuration.read(file))
    (note,) = check_classes(mine, weights_of(mine))
    assert "have 'multivesicular body', so nothing" in note


def test_the_detectors_and_the_labelled_classes_are_known_trained_or_not(done):
    label(done, boxes="box,z,y0,x0,y1,x1,class_name,score\n1,1,2,3,12,14,golgi,1\n")
    config = parse(
        {
            "classes": {"golgi": {}, "mitochondrion": {}},
            "extract": {"exclusive": [["golgi", "lysosome"]]},
            "measure": {"inside": {"golgi": "nucleus"}},
        }
    )
    mine = configured(done, config)
    assert check_classes(mine, weights_of(mine)) == []


def test_a_class_that_is_set_up_may_stand_in_a_group(done):
    config = parse({"classes": {"golgi": {}}, "extract": {"exclusive": [["golgi", "lysosome"]]}})
    mine = configured(done, config)
    assert len(check_classes(mine, weights_of(mine))) == 1


def test_without_names_nothing_is_looked_up(done, tmp_path):
    assert check_classes(done, tmp_path / "no model") == []


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("run_stage", [run_detect, run_extract])
def test_detection_and_extraction_stop_before_they_change_anything(done, run_stage, again):
    mine = changed(done, extract={"exclusive": EXCLUSIVE})
    before = done.detected.stat().st_mtime_ns, done.extracted.stat().st_mtime_ns
    with pytest.raises(ConfigError, match=r"extract\.exclusive\[0\]\[1\]: found .mitochondria. \(did you mean"):
        run_stage(mine, Session(again=again))
    assert (done.detected.stat().st_mtime_ns, done.extracted.stat().st_mtime_ns) == before
