import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from famous.annotate.pyramid import STRIP_PX, GreyCode, halve, level_shape, pyramid


def test_8_bits_are_handed_on_as_they_are():
    code = GreyCode.exact(np.dtype(np.uint8))
    image = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert (code.bits, code.offset, code.scale) == (8, 0, 1)
    assert code.encode(image) is image
    assert GreyCode.exact(np.dtype(bool)).encode(image > 2).tolist() == [[0, 0, 0], [1, 1, 1]]


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint16])
def test_every_value_of_16_bits_survives(dtype):
    info = np.iinfo(dtype)
    image = np.arange(info.min, info.max + 1, dtype=dtype).reshape(2, -1)
    code = GreyCode.exact(image.dtype)
    values = code.encode(image)
    assert values.dtype == np.uint16
    np.testing.assert_array_equal(code.offset + code.scale * values.astype(float), image)


@pytest.mark.parametrize("dtype", [np.int32, np.uint32, np.int64, np.float16, np.float32, np.float64])
def test_wider_types_have_no_exact_code(dtype):
    assert GreyCode.exact(np.dtype(dtype)) is None


def test_floats_are_mapped_by_one_line_and_clipped():
    code = GreyCode.spanning(-1.0, 1.0, is_whole=False, margin=0.25)
    assert code.offset == -1.5
    assert code.scale == pytest.approx(3 / 65535)
    image = np.array([[-np.inf, -9, -1.5, 0, 1.5, 9, np.inf, np.nan]], dtype=np.float32)
    assert code.encode(image).tolist() == [[0, 0, 0, 32768, 65535, 65535, 65535, 0]]


def test_whole_numbers_that_fit_are_kept_exactly_with_room_on_both_sides():
    code = GreyCode.spanning(1_000_000, 1_030_000, is_whole=True, margin=0.05)
    assert code.scale == 1
    image = np.array([[1_000_000, 1_012_345, 1_030_000]], dtype=np.int32)
    assert (code.offset + code.encode(image).astype(float)).tolist() == image.tolist()
    assert code.offset == 1_000_000 - (65535 - 30_000) // 2


def test_a_range_that_does_not_fit_is_scaled():
    code = GreyCode.spanning(0, 1_000_000, is_whole=True, margin=0.0)
    assert code.scale == pytest.approx(1_000_000 / 65535)
    assert code.encode(np.array([[0, 1_000_000]])).tolist() == [[0, 65535]]


@pytest.mark.parametrize("value", [0.0, 0.5, -3e9, 1e-30])
def test_a_flat_stack_lies_in_the_middle(value):
    code = GreyCode.spanning(value, value, is_whole=False, margin=0.05)
    (encoded,) = code.encode(np.full((1, 1), value)).ravel()
    assert 32000 < encoded < 33500


def test_strips_join_without_a_seam():
    image = np.linspace(-1, 1, 3 * (STRIP_PX + 7), dtype=np.float64).reshape(3, -1)
    tall = image.reshape(-1, 3)[: STRIP_PX // 3 + 11]
    code = GreyCode.spanning(-1, 1, is_whole=False, margin=0)
    for picture in (image, tall):
        expected = np.rint((picture - code.offset) / code.scale)
        np.testing.assert_array_equal(code.encode(picture), expected)


finite = st.floats(-1e6, 1e6, width=32)


@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 5)), elements=finite), st.floats(0, 0.5))
def test_inside_the_range_the_error_is_half_a_step(image, margin):
    low, high = float(image.min()), float(image.max())
    code = GreyCode.spanning(low, high, is_whole=False, margin=margin)
    back = code.offset + code.scale * code.encode(image).astype(np.float64)
    assert np.abs(back - image).max() <= code.scale * 0.5 + 1e-9 * max(1, abs(low), abs(high))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_level_is_the_mean_of_two_by_two(dtype):
    image = np.array([[0, 4, 10, 10], [8, 4, 20, 20]], dtype=dtype)
    assert halve(image).tolist() == [[4, 15]]
    assert halve(image).dtype == dtype


def test_an_odd_border_counts_twice():
    image = np.array([[0, 2, 9], [0, 2, 9], [6, 8, 1]], dtype=np.uint8)
    assert halve(image).tolist() == [[1, 9], [7, 1]]
    assert halve(np.array([[7]], dtype=np.uint16)).tolist() == [[7]]
    assert halve(np.array([[1, 3, 5]], dtype=np.uint16)).tolist() == [[2, 5]]


@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 6))
def test_each_level_has_its_shape_and_a_flat_image_stays_flat(height, width, levels):
    images = pyramid(np.full((height, width), 1234, dtype=np.uint16), levels)
    assert len(images) == levels
    for level, image in enumerate(images):
        assert image.shape == level_shape((height, width), level)
        assert (image == 1234).all()
        assert level_shape(images[0].shape, level) == (int(np.ceil(height / 2**level)), int(np.ceil(width / 2**level)))


@given(hnp.arrays(np.uint16, st.tuples(st.just(16), st.just(24)), elements=st.integers(0, 65535)))
def test_a_deep_level_is_the_area_mean(image):
    """Rounding once a level costs at most half a grey value each time."""
    for level, reduced in enumerate(pyramid(image, 4)):
        side = 2**level
        mean = image.reshape(16 // side, side, 24 // side, side).mean(axis=(1, 3))
        assert np.abs(reduced - mean).max() <= 0.5 * level + 1e-9


def test_the_image_itself_is_level_0_and_unchanged():
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    before = image.copy()
    assert pyramid(image, 3)[0] is image
    np.testing.assert_array_equal(image, before)
