"""Pieces found in sight of the user: those of `famous.pieces`, and what the reporter hears."""

import numpy as np

from famous.pieces import find_pieces
from famous.pipeline.pieces import split_pieces
from famous.pipeline.stage import Session, Silent


class Told(Silent):
    """Keeps what it is told, in order."""

    def __init__(self):
        self.heard = []

    def begin(self, stage, total):
        self.heard.append((stage, total))

    def advance(self, units):
        self.heard.append(units)

    def end(self, stage, note):
        self.heard.append((stage, note))


def test_pieces_are_those_of_the_noun_and_the_user_is_told():
    labels = np.zeros((3, 4, 4), np.uint64)
    labels[:, 0, 0], labels[1, 3, 3] = 2**63, 5
    told = Told()
    pieces, origins = split_pieces(labels, Session(told))
    expected, ids = find_pieces(labels)
    assert all(np.array_equal(pieces[z], expected[z]) for z in range(3))
    assert origins.tolist() == ids.tolist() == [0, 2**63, 5]
    assert told.heard == [("split", 3), 1, 1, 1, ("split", "2 pieces")]


def test_nothing_has_no_pieces():
    pieces, origins = split_pieces(np.zeros((2, 3, 4), np.uint32), Session())
    assert origins.tolist() == [0]
    assert not any(pieces[z].any() for z in range(2))
