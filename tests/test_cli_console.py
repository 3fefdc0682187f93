"""Answers, for people and for scripts."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from famous.cli.console import Answer, count, note


@dataclass(frozen=True)
class Row:
    pixels: int
    share: float


def said(capsys, data):
    Answer(data, ("for people",)).say(True)
    return json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_people_get_lines_as_they_are(capsys):
    Answer({"a": 1}, ("[bold]cell:cat: 1_000.tif", "µm³")).say(False)
    assert capsys.readouterr().out == "[bold]cell:cat: 1_000.tif\nµm³\n"


def test_what_python_and_numpy_hold_becomes_json(capsys):
    data = {
        "path": Path("a") / "ä.tif",
        "tuple": (1, 2.5),
        "row": Row(3, float("nan")),
        "rows": [Row(1, 0.5)],
        "numpy": [np.uint32(4_000_000_000), np.float32(0.5), np.bool_(True), np.float64("inf")],
        7: None,
        "text": ":cat: [red]x[/] \x07",
    }
    assert said(capsys, data) == {
        "path": str(Path("a") / "ä.tif"),
        "tuple": [1, 2.5],
        "row": {"pixels": 3, "share": None},
        "rows": [{"pixels": 1, "share": 0.5}],
        "numpy": [4_000_000_000, 0.5, True, None],
        "7": None,
        "text": ":cat: [red]x[/] \x07",
    }


def test_json_is_ascii_so_that_any_pipe_takes_it(capsys):
    Answer({"µ": "späte Endosomen"}, ()).say(True)
    assert capsys.readouterr().out.isascii()


@given(st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.lists(st.text()), st.none())))
def test_any_text_comes_back_as_it_was(data):
    from famous.cli import console

    with console.out.capture() as captured:
        Answer(data, ()).say(True)
    assert json.loads(captured.get()) == data


def test_notes_go_to_stderr(capsys):
    note(["first [x]", "second"])
    assert capsys.readouterr() == ("", "note: first [x]\nnote: second\n")
    note([])
    assert capsys.readouterr() == ("", "")


def test_classes_are_counted_by_name():
    assert count(pd.Series(["b", "a", "b"])) == {"a": 1, "b": 2}
    assert list(count(pd.Series(["b", "a", "b"]))) == ["a", "b"]
    assert count(pd.Series([], dtype="str")) == {}
