"""`famous view` as a program: it says where it is, and Ctrl-C ends it cleanly."""

import json
import os
import signal
import subprocess
import sys
import urllib.request

import pytest

from famous.annotate import security
from famous.cli import view as command
from tests.commands import call

pytest.importorskip("neuroglancer", reason="neuroglancer is not installed")


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_answers_until_it_is_stopped(finished, number):
    process = subprocess.Popen(
        [sys.executable, "-m", "famous", "view", str(finished.folder), "--no-browser", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines = []
    while not lines or lines[-1] != "}\n":
        lines.append(process.stdout.readline())
        assert lines[-1], process.stderr.read()
    data = json.loads("".join(lines))
    assert data["host"] == "127.0.0.1"
    with urllib.request.urlopen(data["url"], timeout=30) as answer:
        assert answer.status == 200
    process.send_signal(number)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out == ""
    assert error.strip().endswith("the server has ended")
    assert "Traceback" not in error


def test_people_are_told_where_and_others_are_warned_of(finished, monkeypatch):
    from famous.pipeline import view as pipeline

    monkeypatch.setenv("SSH_CONNECTION", "here there")
    opened = []
    monkeypatch.setattr(command.webbrowser, "open", opened.append)

    def run(project, door, on_start):
        on_start(pipeline.View(door.host, 4321, "token", ("labels only",), None))

    monkeypatch.setattr(pipeline, "run_view", run)
    monkeypatch.setattr(security, "addresses", lambda host: ("192.0.2.7", "192.0.2.8"))
    result = call("view", finished.folder, "--host", "0.0.0.0")
    assert "http://192.0.2.7:4321/v/token/" in result.stdout
    assert "or at  http://192.0.2.8:4321/v/token/" in result.stdout
    assert "ssh -N" not in result.stdout
    assert "note: labels only" in result.stderr
    assert "not encrypted" in result.stderr
    assert "ssh -N -L 4321:127.0.0.1:4321" in call("view", finished.folder).stdout
    assert opened == []
