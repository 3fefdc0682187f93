"""Progress on the terminal, silence in a pipe."""

import pytest
from rich.console import Console

from famous.progress import Bars, as_duration


def test_bars_are_silent_in_a_pipe(capsys):
    with Bars(Console(stderr=True, force_terminal=False)) as bars:
        bars.begin("detect", 3)
        bars.advance(3)
        bars.end("detect", "done")
    assert capsys.readouterr().err == ""


def test_bars_leave_a_line_on_a_terminal(capsys):
    with Bars(Console(stderr=True, force_terminal=True, width=100)) as bars:
        bars.begin("detect", 3)
        bars.advance(3)
        bars.end("detect", "7 boxes")
    assert "7 boxes" in capsys.readouterr().err


def test_a_note_is_said_in_a_pipe_as_well(capsys):
    with Bars(Console(stderr=True, force_terminal=False)) as bars:
        bars.note("no slice is done [yet]")
    assert capsys.readouterr().err == "note: no slice is done [yet]\n"


@pytest.mark.parametrize(("seconds", "text"), [(3, "3 s"), (59.4, "59 s"), (185, "3 min 5 s"), (7800, "2 h 10 min")])
def test_durations_are_written_as_people_do(seconds, text):
    assert as_duration(seconds) == text
