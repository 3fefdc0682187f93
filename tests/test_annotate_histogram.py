import numpy as np
import pytest

from famous.annotate.histogram import BINS, Sample, make_histogram, take_sample
from famous.errors import InputError
from famous.stack import Stack, Window


class Broken:
    """A stack of 10 slices of 4 × 4 whose listed slices cannot be read; slice z has the grey value z."""

    shape = (10, 4, 4)
    dtype = np.dtype(np.uint16)

    def __init__(self, broken):
        self.broken = broken
        self.read = []

    def __getitem__(self, z):
        self.read.append(z)
        if z in self.broken:
            raise InputError(f"slice {z}: damaged")
        return np.full((4, 4), z, dtype=np.uint16)


def test_every_grey_value_of_8_bits_has_a_bin():
    pixels = np.repeat(np.arange(256), np.arange(256) % 7)
    found = make_histogram(Sample(0, 255, pixels.astype(float)), 8)
    assert (found.low, found.high) == (0, 255)
    assert found.counts == tuple(k % 7 for k in range(256))


def test_a_ramp_of_16_bits_fills_all_bins_alike():
    pixels = np.arange(20_000, 20_000 + 256 * 40).astype(float)
    found = make_histogram(Sample(pixels[0], pixels[-1], pixels), 16)
    assert (found.low, found.high) == (20_000, 20_000 + 256 * 40 - 1)
    assert len(found.counts) == BINS
    assert set(found.counts) <= {39, 40, 41}


def test_padding_and_hot_pixels_do_not_widen_the_range_but_are_counted():
    """90,000 pixels of 30,000 … 31,000, a black border and five hot pixels."""
    tissue = np.linspace(30_000, 31_000, 90_000)
    pixels = np.concatenate([tissue, np.zeros(10_000), np.full(5, 65_535)])
    found = make_histogram(Sample(0, 65_535, pixels), 16)
    assert 29_000 < found.low < 30_000
    assert 31_000 < found.high < 32_000
    assert sum(found.counts) == len(pixels)
    assert found.counts[0] == 10_000
    assert found.counts[-1] == 5


def test_the_range_holds_the_window():
    pixels = np.linspace(100, 200, 1000)
    found = make_histogram(Sample(100, 200, pixels), 16, Window(50, 260))
    assert (found.low, found.high) == (50, 260)


@pytest.mark.parametrize("sample", [Sample(0.0, 1.0, np.zeros(0)), Sample(7.0, 7.0, np.full(9, 7.0))])
def test_no_pixel_or_one_grey_value_still_gives_a_range(sample):
    found = make_histogram(sample, 16)
    assert found.high > found.low
    assert sum(found.counts) == sample.pixels.size


def test_sampled_slices_are_spread_and_their_range_is_exact():
    rng = np.random.default_rng(0)
    volume = rng.normal(0, 1, (9, 700, 500)).astype(np.float32)
    volume[0, 3, 3] = 50  # between the pixels that are taken
    volume[8, 1, 1] = np.nan
    volume[4, 0, 0] = np.inf
    volume[1] = 99  # not sampled
    sample = take_sample(Stack(volume), 3)
    chosen = volume[[0, 4, 8]]
    assert sample.high == 50
    assert sample.low == chosen[np.isfinite(chosen)].min()
    assert np.isfinite(sample.pixels).all()
    assert 3 * 350_000 / 4 - 10 < sample.pixels.size < 3 * 350_000


def test_a_stack_without_a_finite_pixel_has_the_range_0_to_1():
    sample = take_sample(Stack(np.full((3, 4, 4), np.nan)), 3)
    assert (sample.low, sample.high, sample.pixels.size) == (0, 1, 0)


def test_a_slice_that_cannot_be_read_is_left_out():
    volume = Broken({0, 9})
    sample = take_sample(Stack(volume), 4)
    assert volume.read == [0, 3, 6, 9]
    assert (sample.low, sample.high) == (3, 6)


def test_no_slice_that_can_be_read_is_the_first_ones_fault():
    with pytest.raises(InputError, match="slice 0: damaged"):
        take_sample(Stack(Broken(set(range(10)))), 4)
