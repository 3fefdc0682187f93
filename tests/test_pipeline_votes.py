"""Votes of a group's boxes: where pixels reach, which classes, and a window of slices that is all that is held."""

import gc
import pickle
import weakref

import numpy as np
import pandas as pd
import pytest

from famous import boxes as box_table
from famous.pipeline import votes as module
from famous.pipeline.parts import blocks
from famous.pipeline.votes import Votes
from tests.link_phantoms import tube
from tests.test_link_agree import WEIGHTS, boxes_of, voted

SHAPE = (30, 40)


def linked_table(rows, names, detected=None, reach=None):
    """A linked box table from (n, 7) z, y0, x0, y1, x1, box, instance.

    `names` says the class of an instance, `reach` how far the masks of a detected class go beyond their boxes.
    """
    z, y0, x0, y1, x1, box, instance = np.asarray(rows).reshape(-1, 7).T
    voted_class = [names.get(number, "dropped") for number in instance.tolist()]
    columns = dict(zip(box_table.COLUMNS, (box, z, y0, x0, y1, x1, voted_class, np.full(len(z), 0.9)), strict=True))
    table = pd.DataFrame(columns).astype(box_table.COLUMNS)
    table = table.assign(instance=instance.astype(np.uint32), detected_class=detected or voted_class)
    return table if reach is None else table.assign(reach=table["detected_class"].map(reach).astype("float64"))


def wobbling():
    """Two tubes that wobble; one ends early, the other has a gap."""
    rng = np.random.default_rng(5)
    shift = rng.integers(-2, 3, (24, 2))
    volume = np.zeros((24, *SHAPE), np.uint32)
    volume[tube(lambda z: (15 + shift[z, 0], 10 + shift[z, 1]), 7, volume.shape)] = 1
    volume[tube(lambda z: (14 - shift[z, 1], 26 + shift[z, 0]), 8, volume.shape)] = 2
    volume[17:][volume[17:] == 1] = 0
    volume[[6, 7]] = 0
    return volume


@pytest.fixture
def group():
    """The votes, the box ids and the instances of the two tubes."""
    volume = wobbling()
    ids, rows = boxes_of(volume)
    return Votes.of_group(linked_table(rows, {1: "a", 2: "b"}), ["a", "b"], WEIGHTS, SHAPE), ids, volume


def images(ids, reading):
    return ((z, ids[z]) for z in reading if ids[z].any())


@pytest.mark.parametrize("size", [1, 3, 7, 24, 90])
def test_blocks_give_what_the_whole_gives(group, size):
    votes, ids, volume = group
    expected = voted(volume, WEIGHTS)
    assert (expected != volume).sum() > 100
    found = np.zeros_like(expected)
    for block in blocks(len(ids), size):
        for z, labels in votes.agreed(images(ids, votes.reading(block, len(ids))), block):
            assert z in block
            found[z] = labels
    assert (found == expected).all()


def test_slices_without_a_box_are_left_out(group):
    votes, ids, _ = group
    block = range(4, 10)
    assert [z for z, _ in votes.agreed(images(ids, votes.reading(block, 24)), block)] == [4, 5, 8, 9]
    black = ((z, ids[z]) for z in votes.reading(block, 24))
    assert [z for z, _ in votes.agreed(black, block)] == [4, 5, 8, 9]
    assert list(votes.agreed(iter(()), range(24))) == []


def test_reading_ends_where_the_stack_does(group):
    votes, _, _ = group
    assert votes.reach == 4
    assert votes.reading(range(6), 24) == range(10)
    assert votes.reading(range(8, 12), 24) == range(4, 16)
    assert votes.reading(range(20, 24), 24) == range(16, 24)


def test_only_pieces_of_the_window_are_held(group, monkeypatch):
    votes, ids, _ = group
    masks, slices = [], []

    def remembered(image, boxes):
        found = module_pieces(image, boxes)
        masks.append([weakref.ref(piece.mask) for own in found.values() for piece in own])
        return found

    def read(reading):
        for z in reading:
            image = ids[z].copy()
            slices.append(weakref.ref(image))
            yield z, image

    module_pieces = module.pieces
    monkeypatch.setattr(module, "pieces", remembered)
    most_slices = most_masks = 0
    for _ in votes.agreed(read(range(24)), range(24)):
        gc.collect()
        most_slices = max(most_slices, sum(one() is not None for one in slices))
        most_masks = max(most_masks, sum(any(one() is not None for one in own) for own in masks))
    assert len(slices) == 24
    assert most_slices <= 2  # the one at hand and the one that comes
    assert most_masks <= 2 * votes.reach + 1


def test_masks_beyond_their_boxes_are_found_by_the_class_that_was_detected():
    """The class of an instance is voted, but its masks are those of the recipe of what each box was taken for."""
    volume = wobbling()
    ids, rows = boxes_of(volume)
    height, width = rows[:, 3] - rows[:, 1], rows[:, 4] - rows[:, 2]
    rows[:, 1] += height // 6
    rows[:, 3] -= height // 6
    rows[:, 2] += width // 6
    rows[:, 4] -= width // 6
    detected = ["a" if row % 3 else "b" for row in range(len(rows))]
    linked = linked_table(rows, {1: "b", 2: "b"}, ["a"] * len(rows), reach={"a": 0.35, "b": 0.0})
    votes = Votes.of_group(linked, ["a", "b"], WEIGHTS, SHAPE)
    found = dict(votes.agreed(images(ids, range(24)), range(24)))
    for z, labels in found.items():
        if (votes.of(z)[1] == 0).all():
            assert (labels == volume[z]).all()  # nothing is cut off
    assert all(set(np.unique(labels)) == set(np.unique(volume[z])) for z, labels in found.items())
    same = voted(volume, WEIGHTS)
    assert np.mean([(labels == same[z]).mean() for z, labels in found.items()]) > 0.99  # but for the margins

    linked = linked_table(rows, {1: "b", 2: "b"}, detected, reach={"a": 0.35, "b": 0.0})
    mixed = Votes.of_group(linked, ["a", "b"], WEIGHTS, SHAPE)
    order = np.argsort(rows[:, 0] * 1000 + rows[:, 5])
    wide = (mixed.rows[:, :4] != rows[order, 1:5]).any(axis=1)
    assert wide.tolist() == [detected[row] == "a" for row in order]


def test_boxes_are_clipped_to_the_slice_before_they_are_widened():
    rows = [(0, -6, -3, 10, 20, 1, 1), (0, 20, 30, 35, 44, 2, 2)]
    linked = linked_table(rows, {1: "a", 2: "a"}, reach={"a": 0.1})
    votes = Votes.of_group(linked, ["a"], WEIGHTS, SHAPE)
    assert votes.of(0)[0].tolist() == [[0, 0, 11, 22, 1, 1], [19, 29, 30, 40, 2, 2]]


def test_dropped_boxes_and_other_classes_have_no_vote():
    rows = [(3, 0, 0, 9, 9, 1, 0), (3, 10, 10, 19, 19, 2, 1), (3, 20, 20, 29, 29, 3, 2), (4, 10, 10, 19, 19, 4, 1)]
    votes = Votes.of_group(linked_table(rows[::-1], {1: "a", 2: "b"}), ["a"], WEIGHTS, SHAPE)
    boxes, radii = votes.of(3)
    assert boxes.tolist() == [[10, 10, 19, 19, 2, 1]]
    assert radii.tolist() == [0]
    assert votes.of(4)[0].tolist() == [[10, 10, 19, 19, 4, 1]]
    assert len(votes.of(0)[0]) == len(votes.of(5)[0]) == len(votes.of(-1)[0]) == 0
    assert votes.is_of("a").tolist() == [False, True, False]


def test_radii_are_those_of_runs(group):
    votes, _, _ = group
    radii = {z: dict(zip(votes.of(z)[0][:, 5].tolist(), votes.of(z)[1].tolist(), strict=True)) for z in range(24)}
    assert [radii[z][1] for z in range(6)] == [0, 1, 2, 2, 1, 0]
    assert [radii[z][1] for z in range(8, 17)] == [0, 1, 2, 3, 4, 3, 2, 1, 0]
    assert [radii[z][2] for z in range(8, 24)] == [0, 1, 2, 3, 4, 4, 4, 4, 4, 4, 4, 4, 3, 2, 1, 0]
    assert 1 not in radii[20]


def test_no_box_is_no_vote():
    empty = linked_table(np.zeros((0, 7), np.int64), {}, reach={"a": 0.1})
    votes = Votes.of_group(empty, ["a", "b"], WEIGHTS, SHAPE)
    assert votes.rows.shape == (0, 7)
    assert votes.is_of("a").tolist() == [False]
    black = ((z, np.zeros(SHAPE, np.uint32)) for z in range(9))
    assert list(votes.agreed(black, range(9))) == []


def test_votes_travel(group):
    votes, ids, _ = group
    copy = pickle.loads(pickle.dumps(votes))
    here, there = (dict(one.agreed(images(ids, range(24)), range(24))) for one in (votes, copy))
    assert here.keys() == there.keys()
    assert all((here[z] == there[z]).all() for z in here)
