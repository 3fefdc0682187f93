import weakref

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from famous.errors import InputError
from famous.link import slice_overlaps
from tests.link_phantoms import late_island, perfect_boxes


def image(*rows):
    return np.array(rows, dtype=np.uint32)


def as_rows(overlaps):
    return [tuple(row) for row in overlaps.itertuples(index=False)]


def test_pairs_up_to_the_reach_are_counted():
    images = [(0, image([1, 1, 2])), (1, image([3, 0, 3])), (2, image([4, 4, 4]))]
    near = [(1, 3, 1), (2, 3, 1), (3, 4, 2)]
    assert as_rows(slice_overlaps(images, reach=1)) == near
    assert sorted(as_rows(slice_overlaps(images, reach=2))) == sorted([*near, (1, 4, 2), (2, 4, 1)])


def test_slices_that_were_left_out_count_as_distance():
    images = [(0, image([1, 1])), (3, image([2, 0]))]
    assert as_rows(slice_overlaps(images, reach=2)) == []
    assert as_rows(slice_overlaps(images, reach=3)) == [(1, 2, 1)]


@pytest.mark.parametrize(
    "images", [[], [(0, image([1, 2]))], [(0, image([0, 0])), (1, image([0, 0]))], [(0, image([])), (1, image([]))]]
)
def test_nothing_that_meets_gives_an_empty_table(images):
    overlaps = slice_overlaps(images, reach=2)
    assert len(overlaps) == 0
    assert overlaps.dtypes.astype(str).to_dict() == {"a": "uint32", "b": "uint32", "pixels": "int64"}


@settings(max_examples=50, deadline=None)
@given(arrays.arrays(np.uint8, (5, 4, 5), elements=st.integers(0, 3)), st.integers(1, 5))
def test_counts_are_those_of_a_plain_loop(volume, reach):
    volume = volume.astype(np.uint32) + np.uint32(1000) * np.arange(5, dtype=np.uint32)[:, None, None] * (volume > 0)
    expected = {}
    for low in range(5):
        for high in range(low + 1, min(5, low + reach + 1)):
            for a, b in zip(volume[low].ravel().tolist(), volume[high].ravel().tolist(), strict=True):
                if a and b:
                    expected[a, b] = expected.get((a, b), 0) + 1
    found = slice_overlaps(enumerate(volume), reach=reach)
    assert {(a, b): pixels for a, b, pixels in as_rows(found)} == expected
    assert len(found) == len(expected)


def test_chunks_that_repeat_the_slices_below_give_the_same_pairs():
    _, images = perfect_boxes(late_island())
    reach = 3
    whole = slice_overlaps(enumerate(images), reach=reach)
    slice_of = {int(box): z for z, img in enumerate(images) for box in np.unique(img)}
    parts = []
    for start in range(0, len(images), 10):
        chunk = range(max(0, start - reach), min(start + 10, len(images)))
        found = slice_overlaps(((z, images[z]) for z in chunk), reach=reach)
        parts.append(found[found["b"].map(slice_of) >= start])
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole)


def test_no_more_than_reach_slices_are_held_beside_the_current_one():
    alive = []
    most = 0

    def stream():
        nonlocal most
        for z in range(20):
            made = np.full((8, 8), z + 1, dtype=np.uint32)
            alive.append(weakref.ref(made))
            most = max(most, sum(ref() is not None for ref in alive))
            yield z, made
            del made

    assert len(slice_overlaps(stream(), reach=3)) == 19 + 18 + 17
    assert most <= 3 + 2


def test_falling_z_and_a_reach_below_one_are_refused():
    with pytest.raises(InputError, match="slice 1 after slice 1"):
        slice_overlaps([(1, image([1])), (1, image([2]))], reach=1)
    with pytest.raises(InputError, match="reach of 0"):
        slice_overlaps([], reach=0)


def test_slices_of_different_sizes_are_refused():
    with pytest.raises(InputError, match="shapes"):
        slice_overlaps([(0, image([1])), (1, image([1, 2]))], reach=1)
