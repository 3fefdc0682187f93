"""Memory that is free goes back to the system."""

import gc
import sys
import weakref
from pathlib import Path

import pytest

from famous.memory import give_memory_back


class Node:
    def __init__(self):
        self.own = self


def test_cycles_are_collected():
    gc.disable()
    try:
        seen = weakref.ref(Node())
        assert seen() is not None
        give_memory_back()
    finally:
        gc.enable()
    assert seen() is None


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's heap")
def test_what_was_freed_in_pieces_leaves_the_process():
    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1])

    pieces = [bytes(60_000) for _ in range(2000)]
    kept = pieces[::50]  # holes that only trimming closes
    del pieces
    before = resident()
    give_memory_back()
    assert resident() < before - 10_000
    assert len(kept) == 40
