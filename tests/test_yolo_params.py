"""Knobs of training: what cannot be meant is refused with its name, the value and what was expected."""

import dataclasses

import pytest

from famous.errors import ConfigError
from famous.yolo.params import TrainParams


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("channels", "rgb"),
        ("minutes", 0),
        ("minutes", float("nan")),
        ("epochs", 0),
        ("input_px", 100),
        ("input_px", -32),
        ("batch", 0),
        ("step_tiles", 0),
        ("learning_rate", -1e-3),
        ("pixel_nm", 0.0),
        ("val_fraction", 1.5),
        ("overlap", 0.95),
        ("visible", 0.0),
        ("check_every", 0),
        ("epoch_tiles", 0),
    ],
)
def test_what_cannot_be_meant_is_refused(name, value):
    with pytest.raises(ConfigError, match=rf"train\.{name}: found .*expected"):
        TrainParams(**{name: value})


def test_defaults_are_the_measured_recipe():
    params = TrainParams()
    assert (params.weights, params.minutes, params.input_px, params.batch) == ("packaged", 30, 768, 4)
    assert (params.learning_rate, params.close_mosaic, params.channels) == (1e-3, 15, "2.5d")
    assert not params.download


def test_every_knob_says_what_it_is():
    """The comment behind each field is its documentation; a new one must have it too."""
    import inspect

    lines = inspect.getsource(TrainParams).splitlines()
    for field in dataclasses.fields(TrainParams):
        (line,) = (line for line in lines if line.strip().startswith(f"{field.name}:"))
        assert "#" in line or field.name in ("seed", "augment"), line
