"""Counts in words."""

import pytest

from famous.words import counted


@pytest.mark.parametrize(("count", "said"), [(0, "0 boxes"), (1, "1 box"), (2, "2 boxes"), (1200, "1,200 boxes")])
def test_things_are_counted_in_words(count, said):
    assert counted(count, "box", "boxes") == said
    assert counted(count, "slice") == said.replace("boxes", "slices").replace("box", "slice")
