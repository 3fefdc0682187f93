"""What a training takes: figures that grow with what there is to do."""

from dataclasses import replace

import pytest

from famous.yolo.adapt import AdaptParams
from famous.yolo.cost import START_S, TILE_S, seconds_after_epochs, seconds_of_epochs, tiles_of_slice
from famous.yolo.params import TrainParams

STILL = TrainParams(masks=AdaptParams(steps=0))


def test_epochs_take_their_slices_times_their_number():
    params = TrainParams(epochs=100, input_px=768)
    assert seconds_of_epochs(params, 17, 0) == pytest.approx(START_S + 100 * 17 * TILE_S)
    assert seconds_of_epochs(replace(params, epochs=50), 17, 0) == pytest.approx(START_S + 50 * 17 * TILE_S)
    assert seconds_of_epochs(replace(params, input_px=384), 17, 0) == pytest.approx(START_S + 100 * 17 * TILE_S / 4)
    assert seconds_of_epochs(params, 400, 0, 9) == pytest.approx(START_S + 100 * 160 * TILE_S)  # `epoch_tiles` at most
    assert seconds_of_epochs(params, 17, 3) > seconds_of_epochs(params, 17, 0)


def test_minutes_are_kept_but_one_epoch_is_done_in_any_case():
    assert seconds_of_epochs(TrainParams(minutes=5), 17, 3) == START_S + 300
    assert seconds_of_epochs(TrainParams(minutes=0.01), 100, 0) == START_S + 100 * TILE_S


def test_what_comes_after_grows_with_the_boxes_up_to_the_most_that_teach():
    few, many, more = (seconds_after_epochs(TrainParams(), boxes, 3) for boxes in (2, 400, 4000))
    assert few < many == more
    assert seconds_after_epochs(STILL, 400, 3) < few
    assert seconds_after_epochs(STILL, 400, 0) < seconds_after_epochs(STILL, 400, 3) < seconds_after_epochs(STILL, 1, 9)


def test_a_slice_that_fits_is_one_tile():
    params = TrainParams(input_px=768)
    assert tiles_of_slice((700, 768), 1.0, params) == 1
    assert tiles_of_slice((1536, 1536), 0.5, params) == 1
    assert tiles_of_slice((2000, 2000), 1.0, params) > 4
