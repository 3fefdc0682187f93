"""The detector that a training started from: when it can be scored beside the new one, and what the card keeps."""

import shutil
from dataclasses import replace

import pytest

from famous.yolo.card import Card, digest, read_card
from famous.yolo.listener import Listener
from famous.yolo.runtime import packaged_detector, packaged_start
from famous.yolo.start import open_start, worse_than_start
from famous.yolo.train import train
from tests.test_yolo_train import TINY, cells


def test_the_trained_classes_are_known_by_name_whatever_the_case():
    detector = open_start(packaged_start(), ("Mitochondrion", "lysosome"))
    shipped = read_card(packaged_detector()).class_names
    assert detector.class_names == tuple("Mitochondrion" if name == "mitochondrion" else name for name in shipped)


def test_what_cannot_be_compared_is_left_out(tmp_path):
    assert open_start(packaged_start(), ("mitochondrion", "golgi")) is None
    assert open_start(tmp_path / "yolo26n.yaml", ("mitochondrion",)) is None
    alone = shutil.copy(packaged_start(), tmp_path)
    assert open_start(tmp_path / alone, ("mitochondrion",)) is None  # no card beside it
    shutil.copy(packaged_detector() / "card.json", tmp_path)
    (tmp_path / "best.pt").write_bytes(b"another")
    assert open_start(tmp_path / "best.pt", ("mitochondrion",)) is None


@pytest.mark.parametrize(("new", "old", "worse"), [(0.5, 0.6, True), (0.59, 0.6, False), (0.7, 0.6, False)])
def test_worse_is_more_than_a_little(new, old, worse):
    card = Card(("a",), 3, 8.0, 0.7, metrics={"all": {"map50": new}}, start={"map50": old})
    assert worse_than_start(card) == ((new, old) if worse else None)
    assert worse_than_start(replace(card, start={})) is None
    assert worse_than_start(replace(card, start={"map50": None})) is None
    assert worse_than_start(replace(card, metrics={})) is None


def test_a_training_scores_its_start_on_the_same_slices_and_gives_the_same_bytes(tmp_path, monkeypatch):
    """The squares are called mitochondria, which the detector that ships knows; the block is its last slice."""
    stack, boxes = cells()
    boxes = boxes.assign(
        class_name=boxes["class_name"].astype("str").replace({"bright": "mitochondrion", "dark": "lysosome"})
    )
    params = replace(TINY, weights="packaged", epochs=1)
    told = []
    scored = train(
        stack,
        boxes,
        range(4),
        folder=tmp_path / "one",
        params=params,
        listener=Listener(begin=lambda *w: told.append(w)),
    )
    assert scored.start["weights"] == "packaged"
    assert scored.start["n_true"] == scored.metrics["all"]["n_true"] == 2
    assert set(scored.start) == {"weights", *scored.metrics["all"]}
    assert read_card(tmp_path / "one").start == scored.start
    assert scored.terms == f"best.pt, which it started from: {read_card(packaged_detector()).terms}"
    assert "non-commercial" in scored.terms
    assert ("scoring the start", 1) in told
    monkeypatch.setattr("famous.yolo.train.open_start", lambda weights, class_names: None)
    bare = train(stack, boxes, range(4), folder=tmp_path / "two", params=params)
    assert bare.start == {}
    for name in ("best.pt", "best.onnx"):
        assert digest(tmp_path / "one" / name) == digest(tmp_path / "two" / name)
