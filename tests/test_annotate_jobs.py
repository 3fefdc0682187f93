"""The process behind the page's Train: small scripts stand for the training."""

import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace

import psutil
import pytest

from famous.annotate.desk import MissingWeights
from famous.annotate.jobs import ELSEWHERE, TrainingJob
from famous.errors import InputError, MissingError

WAIT = 60  # seconds; a test that needs more is broken, not slow


def script(text):
    """A command line that runs a script, whatever the minutes."""
    return lambda minutes, download=False: [
        sys.executable,
        "-c",
        "import json, os, sys\n" + textwrap.dedent(text),
        str(minutes),
    ]


def finished(job):
    """Its state after its process has ended."""
    job._training._end.join(WAIT)
    assert not job._training._end.is_alive()
    return job.state()


@pytest.fixture
def begin():
    """Start a job of a script; all are stopped at the end."""
    jobs = []

    def start(text, **given):
        job = TrainingJob(script(text), **given)
        jobs.append(job)
        job.start(1)
        return job

    yield start
    for job in jobs:
        job.close()


ENDLESS = "print(json.dumps({'epoch': 2, 'epochs': 9, 'loss': 1.5, 'seconds_left': 70}), flush=True); sys.stdin.read()"


def until_epoch(job):
    """Wait until the endless script has told of its epoch: its state changes without a further cause."""
    training = job._training
    for _ in range(WAIT * 100):
        if training._said:
            return
        training._end.join(0.01)
    pytest.fail("the script never said anything")


def test_before_the_first_start_it_is_idle():
    job = TrainingJob(script(""))
    assert job.state() == {
        "state": "idle",
        "epoch": None,
        "epochs": None,
        "loss": None,
        "seconds_left": None,
        "map50": None,
        "map50_before": None,
        "message": "",
        "log": [],
        "elsewhere": False,
    }
    job.stop()
    job.close()


def test_a_training_tells_its_epochs_and_ends(begin):
    job = begin(
        """
        print(json.dumps({"epoch": 1, "epochs": 2, "loss": 3.5, "seconds_left": 9}))
        print("a library talks")
        print(json.dumps({"epoch": 2, "epochs": 2, "loss": float("nan"), "seconds_left": 0}))
        sys.stderr.write("a warning\\n\\n")
        print(json.dumps({"note": "2 epochs on 5 slices", "map50": 0.75}))
        """
    )
    state = finished(job)
    assert state["state"] == "done"
    assert (state["epoch"], state["epochs"], state["loss"], state["map50"]) == (2, 2, 3.5, 0.75)
    assert state["message"] == "2 epochs on 5 slices"
    assert set(state["log"]) == {"a library talks", "a warning"}


def test_while_it_runs_the_seconds_left_go_down(begin):
    now = [100.0]
    job = begin(ENDLESS, clock=lambda: now[0])
    until_epoch(job)
    assert job.state()["seconds_left"] == 70
    now[0] += 30
    state = job.state()
    assert (state["state"], state["epoch"], state["epochs"], state["seconds_left"]) == ("running", 2, 9, 40)
    now[0] += 300
    assert job.state()["seconds_left"] == 0


def test_before_its_first_word_it_gets_ready(begin):
    assert begin("sys.stdin.read()").state()["message"] == "getting ready"


def test_one_at_a_time(begin):
    job = begin("sys.stdin.read()")
    with pytest.raises(InputError, match="running already"):
        job.start(5)
    job.stop()
    job.start(5)
    assert job.state()["state"] == "running"


def test_stopping_says_where_it_stopped(begin):
    job = begin(ENDLESS)
    until_epoch(job)
    job.stop()
    state = job.state()
    assert state["state"] == "idle"
    assert "stopped after epoch 2" in state["message"]
    job.stop()  # once more does nothing
    early = begin("sys.stdin.read()")
    early.stop()
    assert "before the first epoch" in early.state()["message"]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_what_does_not_want_to_end_is_made_to(begin, monkeypatch):
    monkeypatch.setattr("famous.annotate.jobs.GRACE", 0.2)
    job = begin("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + ENDLESS)
    until_epoch(job)
    process = job._training._process
    job.stop()
    finished(job)
    assert process.returncode == -signal.SIGKILL


@pytest.mark.skipif(os.name != "posix", reason="process groups")
def test_stopping_ends_what_it_started_too(begin):
    inner = "import sys, time; time.sleep(600)"
    job = begin(
        f"""
        import subprocess
        child = subprocess.Popen([sys.executable, "-c", {inner!r}])
        print(json.dumps({{"epoch": child.pid}}), flush=True)
        sys.stdin.read()
        """
    )
    until_epoch(job)
    child = psutil.Process(int(job.state()["epoch"]))
    job.stop()
    gone, alive = psutil.wait_procs([child], timeout=WAIT)
    assert not alive or alive[0].status() == psutil.STATUS_ZOMBIE
    assert len(gone) + len(alive) == 1


def test_its_own_words_on_a_failure(begin):
    state = finished(begin("print(json.dumps({'error': 'no slice is done'})); sys.exit(1)"))
    assert (state["state"], state["message"]) == ("failed", "no slice is done")


def test_a_crash_is_told_by_its_last_line(begin):
    state = finished(begin("raise ZeroDivisionError('three tiles by none')"))
    assert state["state"] == "failed"
    assert state["message"] == "the training broke off: ZeroDivisionError: three tiles by none"
    assert any("Traceback" in line for line in state["log"])


def test_an_end_without_a_word(begin):
    assert "exit code 7" in finished(begin("sys.exit(7)"))["message"]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_kill_from_outside_is_a_failure(begin):
    job = begin(ENDLESS)
    until_epoch(job)
    job._training._process.kill()
    state = finished(job)
    assert state["state"] == "failed"
    assert "killed (signal 9)" in state["message"]


@pytest.mark.parametrize("minutes", [0, -1, float("nan"), float("inf"), 1e9])
def test_minutes_must_be_a_time(minutes):
    with pytest.raises(InputError, match="minutes"):
        TrainingJob(script("")).start(minutes)


def test_what_cannot_be_started_is_said():
    job = TrainingJob(lambda minutes, download: ["/nowhere/python"])
    with pytest.raises(InputError, match="cannot be started"):
        job.start(1)
    assert job.state()["state"] == "idle"


def test_the_minutes_reach_the_command(begin):
    job = TrainingJob(script("print(json.dumps({'loss': float(sys.argv[1])}))"))
    job.start(2.5)
    assert finished(job)["loss"] == 2.5


LACKING = MissingWeights("yolo26n.pt", "/data/cell.famous/model", "FAMOUS_WEIGHTS", "https://example.org/weights")


def test_nothing_is_started_that_would_lack_its_weights():
    asked = []
    job = TrainingJob(lambda *how: asked.append(how) or script("")(*how), missing=lambda: LACKING)
    assert job.missing() == LACKING
    with pytest.raises(MissingError, match=r"yolo26n\.pt.*cell\.famous/model.*Download and train") as told:
        job.start(5)
    assert "--" not in str(told.value)  # a page has no options
    assert (asked, job.state()["state"]) == ([], "idle")
    job.start(5, download=True)
    assert asked == [(5, True)]
    finished(job)


def test_a_file_that_nobody_offers_is_not_said_to_be_downloadable():
    lacking = replace(LACKING, name="ours.pt", source="")
    with pytest.raises(MissingError) as told:
        TrainingJob(script(""), missing=lambda: lacking).start(5)
    assert "Download and train" not in str(told.value)


def test_what_takes_its_time_before_the_first_epoch_and_after_the_last_is_told(begin):
    job = begin("print(json.dumps({'doing': 'Downloading yolo26n.pt'}), flush=True); sys.stdin.read()")
    training = job._training
    for _ in range(WAIT * 100):
        if training._words:
            break
        training._end.join(0.01)
    assert job.state()["message"] == "Downloading yolo26n.pt"
    training._hear('{"doing": ""}')
    assert job.state()["message"] == "getting ready"
    training._hear('{"epoch": 1}')
    assert job.state()["message"] == ""
    training._hear('{"doing": "Scoring"}')
    assert job.state()["message"] == "Scoring"


def test_another_program_at_work_is_shown_and_waited_for():
    now, asked, busy = [0.0], [], [True]

    def is_busy():
        asked.append(now[0])
        return busy[0]

    job = TrainingJob(script("sys.stdin.read()"), is_busy, clock=lambda: now[0])
    state = job.state()
    assert (state["state"], state["message"], state["elsewhere"]) == ("running", ELSEWHERE, True)
    with pytest.raises(InputError, match="another famous"):
        job.start(1)
    before = len(asked)
    job.state()
    assert len(asked) == before  # not at every question
    busy[0] = False
    now[0] += 6
    assert job.state()["state"] == "idle"
    job.start(1)
    busy[0] = True  # its own training holds the lock now
    now[0] += 60
    assert job.state()["elsewhere"] is False
    job.close()


def test_strange_words_are_only_logged(begin):
    state = finished(
        begin(
            """
            print("[1, 2]"); print("[" * 9000); print(json.dumps({"epoch": "three", "loss": None, "note": 5}))
            sys.stdout.buffer.write(b"\\xff\\xfe\\n")
            """
        )
    )
    assert state["state"] == "done"
    assert state["epoch"] is None
    assert state["message"] == "5"
    assert "[1, 2]" in state["log"]
    assert max(map(len, state["log"])) <= 500


def test_a_long_log_keeps_its_end(begin):
    job = begin("[sys.stderr.write(f'line {i}\\n') for i in range(5000)]")
    log = finished(job)["log"]
    assert log == [f"line {i}" for i in range(4980, 5000)]


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_a_server_that_is_killed_takes_its_training_with_it():
    server = textwrap.dedent(
        """
        import sys
        from famous.annotate.jobs import TrainingJob
        child = "import os, sys; sys.stderr.write('up'); os.read(0, 1)"
        job = TrainingJob(lambda minutes, download: [sys.executable, "-c", child])
        job.start(1)
        print(job._training._process.pid, flush=True)
        sys.stdin.read()
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", server], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        parent.wait(WAIT)
        _, alive = psutil.wait_procs([child], timeout=WAIT)
    assert not alive or alive[0].status() == psutil.STATUS_ZOMBIE
