"""Where ids lie, against what scipy finds in the whole volume."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from famous.pipeline import scan
from famous.pipeline.scan import Spans, scan_slices, spans_of
from famous.pipeline.stage import Session

LARGEST = 2**64 - 1


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.tuples(*[st.integers(1, 9)] * 3), st.integers(1, 6), st.integers(1, 4))
def test_spans_are_the_boxes_of_all_ids(seed, shape, ids, block):
    labels = np.random.default_rng(seed).integers(0, ids + 1, shape).astype(np.uint64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "BLOCK", block)
        found = scan_slices(labels, Session())
    expected = [number for number in range(1, ids + 1) if (labels == number).any()]
    assert found.ids.tolist() == expected
    for number, row in zip(found.ids.tolist(), found.rows.tolist(), strict=True):
        box = ndimage.find_objects((labels == number).astype(int))[0]
        assert row[:3] == [side.start for side in box]
        assert row[3:6] == [side.stop - 1 for side in box]
        assert row[6] == (labels == number).any(axis=(1, 2)).sum()
        assert row[7] == (labels == number).sum()


@pytest.mark.parametrize("jobs", [1, 2])
def test_processes_find_the_same(jobs):
    labels = np.random.default_rng(0).integers(0, 9, (70, 6, 7)).astype(np.uint32)
    found = scan_slices(labels, Session(jobs=jobs))
    assert found.rows[:, 7].sum() == (labels > 0).sum()
    assert found.ids.tolist() == list(range(1, 9))


def test_ids_of_64_bits_are_kept():
    image = np.zeros((2, 3), np.uint64)
    image[0, 2], image[1, 1] = LARGEST, 2**63
    found = spans_of(image, 5)
    assert found.ids.tolist() == [2**63, LARGEST]
    assert found.rows.tolist() == [[5, 1, 1, 5, 1, 1, 1, 1], [5, 0, 2, 5, 0, 2, 1, 1]]


def test_nothing_is_a_value():
    assert len(spans_of(np.zeros((3, 4), np.uint32), 0).ids) == 0
    assert Spans.joined([]).rows.shape == (0, 8)
