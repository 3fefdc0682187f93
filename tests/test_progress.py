"""Progress on the terminal, silence in a pipe."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
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


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (3, "3 s"),
        (59.4, "59 s"),
        (0, "0 s"),
        (59.6, "1 min 0 s"),
        (185, "3 min 5 s"),
        (3599.7, "1 h 0 min"),
        (7800, "2 h 10 min"),
        (90_000, "25 h 0 min"),
    ],
)
def test_durations_are_written_as_people_do(seconds, text):
    assert as_duration(seconds) == text


@given(st.floats(0, 1e7))
def test_a_duration_read_back_is_the_time_to_what_is_shown(seconds):
    unit = {"s": 1, "min": 60, "h": 3600}
    words = as_duration(seconds).split()
    total = sum(int(number) * unit[name] for number, name in zip(words[::2], words[1::2], strict=True))
    assert abs(total - seconds) <= (0.5 if "s" in words else 60)
    assert all(int(number) < 60 for number, name in zip(words[::2], words[1::2], strict=True) if name != "h")


def terminal(width=60):
    """A terminal that remembers what was written on it."""
    return Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)


@pytest.mark.parametrize(
    "said",
    [
        "64 slices in /data/[a]/cell.tif",
        "closes what was never opened: [/b]",
        "[bold]plain[/bold] [link=x]",
        "a :bug: in C:\\d",
        "µm³ – 日本",
        "x" * 200,
    ],
)
def test_what_is_said_at_the_end_is_shown_as_it_is(said):
    console = terminal()
    with Bars(console) as bars:
        bars.begin("detect", 3)
        bars.end("detect", said)
        bars.note(said)
    lines = console.file.getvalue()
    assert f"✓ detect   {said}\n" in lines
    assert f"note: {said}\n" in lines


def test_a_long_note_is_one_line_in_a_pipe(capsys):
    said = "no slice is done: " + "word " * 60 + "end"
    with Bars(Console(stderr=True, force_terminal=False, width=40)) as bars:
        bars.note(said)
    assert capsys.readouterr().err == f"note: {said}\n"


def test_units_without_a_bar_and_ends_without_a_beginning_do_no_harm():
    console = terminal()
    with Bars(console) as bars:
        bars.advance(5)
        bars.end("link", "done before")
        bars.begin("mesh", 0)
        bars.advance(1)
        bars.begin("measure", 1)  # the bar before it was never ended
        bars.end("measure", "1 row")
    assert "link     done before" in console.file.getvalue()
    assert [task.description for task in bars._progress.tasks] == []


def test_one_bar_at_a_time_moves_by_the_units_told():
    with Bars(terminal()) as bars:
        bars.begin("detect", 10)
        bars.advance(3)
        bars.advance(4)
        bars.begin("extract", 20)
        bars.advance(2)
        (task,) = bars._progress.tasks
        assert (task.description, task.completed, task.total) == ("extract", 2, 20)


def test_an_error_leaves_the_terminal_as_it_was():
    bars = Bars(terminal())

    def work():
        with bars:
            bars.begin("detect", 3)
            assert bars._progress.live.is_started
            raise KeyError("x")

    with pytest.raises(KeyError):
        work()
    assert not bars._progress.live.is_started
