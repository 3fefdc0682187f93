"""What `famous annotate` prints: an address that works from where its reader sits."""

import re

import numpy as np
import pytest
import tifffile

from famous.annotate import security
from famous.annotate.security import Policy, host_name
from famous.pipeline import annotate as pipeline
from tests.commands import call, call_json


@pytest.fixture
def stack(tmp_path):
    path = tmp_path / "cell.tif"
    tifffile.imwrite(path, np.zeros((3, 32, 32), np.uint8), photometric="minisblack")
    return path


@pytest.fixture
def unserved(monkeypatch):
    """Let the command tell an address without serving anything there."""
    monkeypatch.delenv("SSH_CONNECTION", raising=False)

    def run(project, door, on_start):
        on_start(pipeline.Address(door.host, 4321, "token"))

    monkeypatch.setattr(pipeline, "run_annotate", run)
    return monkeypatch


def test_other_machines_are_told_an_address_that_reaches_this_one(stack, unserved):
    unserved.setattr(security, "addresses", lambda host: ("192.168.1.5", "fd00::2"))
    result = call("annotate", stack, "--host", "0.0.0.0", "--no-browser")
    found = re.findall(r"http://(\S+)/\?token=token", result.stdout)
    assert found == ["192.168.1.5:4321", "[fd00::2]:4321"]
    assert all(Policy("token", "0.0.0.0").is_host(host) for host in found)
    assert "127.0.0.1" not in result.stdout
    assert "not encrypted" in result.stderr
    told = call_json("annotate", stack, "--host", "0.0.0.0", "--no-browser")
    assert told["url"] == "http://127.0.0.1:4321/?token=token"  # what this machine's own browser opens
    assert [host_name(url.split("/")[2]) for url in told["urls"]] == ["192.168.1.5", "fd00::2"]


def test_a_server_for_this_machine_tells_one_address(stack, unserved):
    assert call_json("annotate", stack, "--no-browser")["urls"] == ["http://127.0.0.1:4321/?token=token"]
    unserved.setenv("SSH_CONNECTION", "here there")
    assert "ssh -N -L 4321:127.0.0.1:4321" in call("annotate", stack, "--no-browser").stdout
    assert "ssh" not in call("annotate", stack, "--host", "0.0.0.0", "--no-browser").stdout


def test_a_named_host_is_told_as_it_was_given(stack, unserved):
    told = call_json("annotate", stack, "--host", "label.lab.example", "--no-browser")
    assert told["urls"] == ["http://label.lab.example:4321/?token=token"]
