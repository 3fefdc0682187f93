"""The card of a model: written whole, read back the same, and able to tell foreign weights."""

import dataclasses
import hashlib
import json

import pytest

from famous.errors import InputError, MissingError
from famous.yolo.card import Card, digest, metric_lines, read_card, write_card

CARD = Card(
    class_names=("late endosome", "mitochondrion"),
    channels=3,
    pixel_nm=6.25,
    nms_iou=0.7,
    stack="HeLa µ",
    voxel_size_nm=(10.0, 5.0, 5.0),
    slices=(1, 2, 3),
    validation_slices=(4,),
    boxes={"mitochondrion": 17},
    metrics={"all": {"map50": 0.9, "precision": None}},
    epochs=3,
)


def test_a_card_comes_back_as_it_went(tmp_path):
    write_card(tmp_path, CARD)
    assert read_card(tmp_path) == CARD
    assert [file.name for file in tmp_path.iterdir()] == ["card.json"]


def test_a_key_from_the_future_is_no_obstacle(tmp_path):
    values = {**dataclasses.asdict(CARD), "colour": "blue"}
    (tmp_path / "card.json").write_text(json.dumps(values), encoding="utf-8")
    assert read_card(tmp_path) == CARD


def test_no_card_says_how_to_get_one(tmp_path):
    with pytest.raises(MissingError, match=r"card\.json.*famous train"):
        read_card(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff\xfe\x00", b'{"class_names": ["a"]}', b"3"])
def test_what_is_no_card_is_named(tmp_path, content):
    (tmp_path / "card.json").write_bytes(content)
    with pytest.raises(InputError, match=r"card\.json.*expected"):
        read_card(tmp_path)


def test_a_truncated_card_is_never_taken(tmp_path):
    write_card(tmp_path, CARD)
    whole = (tmp_path / "card.json").read_bytes()
    for length in range(0, len(whole) - 2, 37):
        (tmp_path / "card.json").write_bytes(whole[:length])
        with pytest.raises(InputError):
            read_card(tmp_path)


def test_weights_are_known_by_their_digest(tmp_path):
    file = tmp_path / "best.onnx"
    file.write_bytes(b"weights")
    card = dataclasses.replace(CARD, sha256={"best.onnx": hashlib.sha256(b"weights").hexdigest()})
    assert digest(file) == card.sha256["best.onnx"]
    assert card.check(tmp_path, "best.onnx") == file
    file.write_bytes(b"others")
    with pytest.raises(InputError, match="same training"):
        card.check(tmp_path, "best.onnx")
    file.unlink()
    with pytest.raises(MissingError, match=r"best\.onnx"):
        card.check(tmp_path, "best.onnx")


def test_weights_that_the_card_does_not_name_are_refused(tmp_path):
    (tmp_path / "best.pt").write_bytes(b"weights")
    with pytest.raises(InputError, match="none"):
        CARD.check(tmp_path, "best.pt")


def test_figures_are_told_class_by_class_or_why_there_are_none():
    assert metric_lines(CARD) == ["all: map50 0.900, precision –"]
    bare = dataclasses.replace(CARD, metrics={}, unscored="because nobody asked")
    assert metric_lines(bare) == ["metrics: none, because nobody asked"]
    assert metric_lines(dataclasses.replace(bare, unscored="")) == ["metrics: none, and the card does not say why"]


def test_a_card_from_before_it_said_why_is_read(tmp_path):
    values = dataclasses.asdict(CARD)
    del values["unscored"]
    (tmp_path / "card.json").write_text(json.dumps(values), encoding="utf-8")
    assert read_card(tmp_path) == CARD
