"""The image stack: slices, slabs, windows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from famous.errors import InputError
from famous.stack import SAMPLED_SLICES, Stack, Window, measure_window, slabs, to_uint8


class Counting:
    """A volume that keeps a list of the slices that were read."""

    def __init__(self, volume):
        self.volume, self.read = volume, []
        self.shape, self.dtype = volume.shape, volume.dtype

    def __getitem__(self, z):
        self.read.append(z)
        return self.volume[z]


def ramp(n=4):
    """Slice z is 10 · z everywhere."""
    return Stack(np.full((n, 2, 3), 10, np.uint8) * np.arange(n, dtype=np.uint8)[:, None, None], window=Window(0, 255))


# ---- slices ----


def test_a_stack_reads_one_slice_at_a_time():
    volume = Counting(np.arange(24, dtype=np.uint16).reshape(4, 2, 3))
    stack = Stack(volume)
    assert (len(stack), stack.shape, volume.read) == (4, (4, 2, 3), [])
    assert stack.grey(2).tolist() == [[12, 13, 14], [15, 16, 17]]
    assert volume.read == [2]


@pytest.mark.parametrize("z", [-1, 4])
def test_slices_that_do_not_exist(z):
    with pytest.raises(IndexError, match=f"slice {z} does not exist, the stack has 0 … 3"):
        ramp().grey(z)


@pytest.mark.parametrize("shape", [(2, 2), (2, 2, 2, 3)])
def test_three_axes_are_wanted(shape):
    with pytest.raises(InputError, match="cell: found shape"):
        Stack(np.zeros(shape), name="cell")


def test_an_image_wants_a_window():
    with pytest.raises(InputError, match="no window yet"):
        Stack(np.zeros((1, 2, 2))).image(0)


def test_an_image_is_the_slice_through_the_window():
    stack = Stack(np.array([[[0, 100, 150, 200, 900]]], np.uint16)).with_window(Window(100, 200))
    assert stack.image(0).tolist() == [[0, 0, 128, 255, 255]]
    inverted = Stack(stack.volume, window=stack.window, inverted=True)
    assert inverted.image(0).tolist() == [[255, 255, 127, 0, 0]]


def test_a_window_is_measured_where_none_is_given():
    stack = Stack(np.linspace(1, 1001, 4 * 50 * 50).reshape(4, 50, 50))
    assert stack.window is None
    assert stack.with_window().window == measure_window(stack)


# ---- slabs ----


@pytest.mark.parametrize(("z", "channels"), [(0, [0, 0, 10]), (1, [0, 10, 20]), (3, [20, 30, 30])])
def test_a_slab_repeats_the_slice_at_the_edge(z, channels):
    slab = ramp().slab(z)
    assert slab.shape == (2, 3, 3)
    assert slab.dtype == np.uint8
    assert (slab == channels).all()


def test_a_slab_of_five_has_two_slices_on_either_side():
    found = [slab[0, 0].tolist() for _, slab in slabs(ramp(6), [0, 2, 5], 5)]
    assert found == [[0, 0, 0, 10, 20], [0, 10, 20, 30, 40], [30, 40, 50, 50, 50]]


def test_the_slab_of_a_single_slice():
    assert (ramp(1).slab(0) == 0).all()


@pytest.mark.parametrize("z", [-1, 4])
def test_slabs_of_slices_that_do_not_exist(z):
    with pytest.raises(IndexError):
        list(slabs(ramp(), [z], channels=1))


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_walking_through_slabs_reads_every_slice_once(channels):
    volume = Counting(ramp(6).volume)
    stack = Stack(volume, window=Window(0, 255))
    found = list(slabs(stack, range(6), channels))
    assert volume.read == list(range(6))
    assert [z for z, _ in found] == list(range(6))
    assert all((slab[..., channels // 2] == 10 * z).all() for z, slab in found)
    assert found[0][1].shape == (2, 3, channels)
    assert list(slabs(stack, [])) == []


# ---- grey values to 0 … 255 ----


def test_bytes_pass_through_the_whole_window():
    grey = np.array([[0, 7, 255]], np.uint8)
    assert to_uint8(grey, Window(0, 255)) is grey
    assert to_uint8(grey, Window(0, 255), inverted=True).tolist() == [[255, 248, 0]]


def test_nan_is_black_and_infinity_is_clipped():
    grey = np.array([[np.nan, -np.inf, np.inf, 0.25]], np.float32)
    assert to_uint8(grey, Window(0, 0.5)).tolist() == [[0, 0, 255, 128]]
    assert to_uint8(grey, Window(0, 0.5), inverted=True).tolist() == [[0, 255, 0, 127]]


@pytest.mark.parametrize("dtype", ["?", "i1", "u1", "<i2", ">u2", "i4", "f2", "<f4", ">f4", "f8"])
def test_every_type_of_grey_value(dtype):
    found = to_uint8(np.array([[0, 1]], dtype), Window(0, 1))
    assert found.dtype == np.uint8
    assert found.tolist() == [[0, 255]]
    assert to_uint8(np.zeros((0, 3), dtype), Window(0, 1)).shape == (0, 3)


def test_large_offsets_keep_their_contrast():
    grey = np.array([[2_000_000_000, 2_000_000_005, 2_000_000_010]])
    assert to_uint8(grey, Window(2_000_000_000, 2_000_000_010)).tolist() == [[0, 128, 255]]


@given(
    hnp.arrays(np.float32, (3, 4), elements=st.floats(width=32)),
    st.floats(-1e4, 1e4),
    st.floats(1e-2, 1e4),
)
def test_scaling_rises_and_turns_round(grey, low, width):
    window = Window(low, low + width)
    image, turned = to_uint8(grey, window), to_uint8(grey, window, inverted=True)
    finite = ~np.isnan(grey)
    assert (np.diff(image[finite][np.argsort(grey[finite])].astype(int)) >= 0).all()
    assert (image[finite] == 255 - turned[finite]).all()
    assert (image[~finite] == 0).all()
    assert (turned[~finite] == 0).all()


# ---- windows ----


@pytest.mark.parametrize(("low", "high"), [(1, 1), (2, 1), (np.nan, 1), (0, np.inf)])
def test_what_is_no_window(low, high):
    with pytest.raises(InputError, match="expected two finite values, low < high"):
        Window(low, high)


def test_the_window_spans_the_percentiles():
    grey = np.tile(np.arange(1, 1002, dtype=np.uint16), (4, 4, 1))
    window = measure_window(Stack(grey))
    assert (window.low, window.high) == pytest.approx((6, 996), abs=1)


def test_padding_and_nan_do_not_move_the_window():
    grey = np.random.default_rng(0).uniform(50, 60, (3, 40, 40))
    inner = measure_window(Stack(grey))
    padded = np.zeros((3, 80, 80))
    padded[:, :40, :40] = grey
    padded[:, 40:, 40:] = np.nan
    padded[:, 0, 79] = np.inf
    assert measure_window(Stack(padded)) == inner


@pytest.mark.parametrize("value", [0, 7, -3.5, 1e30])
def test_a_constant_stack_has_a_window(value):
    window = measure_window(Stack(np.full((2, 3, 3), value, dtype=np.float64)))
    assert window.low == value
    assert window.high > window.low


def test_few_slices_are_sampled():
    volume = Counting(np.ones((200, 2, 2), np.uint8))
    measure_window(Stack(volume))
    assert len(volume.read) == SAMPLED_SLICES
    assert (volume.read[0], volume.read[-1]) == (0, 199)


@pytest.mark.parametrize("shape", [(0, 4, 4), (2, 0, 4), (2, 4, 0)])
def test_no_pixel_no_window(shape):
    with pytest.raises(InputError, match="there is no pixel"):
        measure_window(Stack(np.zeros(shape)))


def test_nothing_finite_no_window():
    with pytest.raises(InputError, match="no finite grey value in 2 sampled slices"):
        measure_window(Stack(np.full((2, 3, 3), np.nan)))
