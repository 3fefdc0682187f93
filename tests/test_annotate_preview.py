import cv2
import numpy as np
import pytest

from famous.annotate.preview import between_levels, preview, preview_shapes
from famous.annotate.pyramid import GreyCode, level_shape, pyramid
from famous.stack import Stack, Window

SIXTEEN = GreyCode(np.dtype(np.uint16))


def decoded(content):
    return cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_UNCHANGED)


def ramp(dtype=np.uint16, low=1000, high=5000):
    """Grey values that rise from the left to the right; (64, 256)."""
    return np.tile(np.linspace(low, high, 256).astype(dtype), (64, 1))


@pytest.mark.parametrize("inverted", [False, True])
def test_it_looks_as_the_stack_does_in_its_window(inverted):
    window = Window(1500, 4000)
    found = decoded(preview(ramp(), SIXTEEN, window, inverted=inverted))
    shown = Stack(ramp()[None], window=window, inverted=inverted).image(0)
    assert found.shape == shown.shape
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - shown).max() <= 6  # what the JPEG loses
    assert np.abs(found.astype(int) - shown).mean() < 1


def test_values_of_8_bits():
    values = ramp(np.uint8, 0, 255)
    found = decoded(preview(values, GreyCode(np.dtype(np.uint8)), Window(0, 255), inverted=False))
    assert np.abs(found.astype(int) - values).max() <= 6


def test_grey_values_are_those_of_the_code():
    """Tiles of signed or wide types hold other values than the stack; the window is in the stack's."""
    code = GreyCode(np.dtype(np.uint16), offset=-3.0, scale=0.01)
    values = np.array([[0, 300, 600, 900]], dtype=np.uint16).repeat(8, axis=0).repeat(8, axis=1)  # −3, 0, 3, 6
    found = decoded(preview(values, code, Window(0, 3), inverted=False))
    assert np.abs(found[:, [3, 11, 19, 27]].astype(int) - [0, 0, 255, 255]).max() <= 12


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1)])
def test_slices_of_any_shape(shape):
    found = decoded(preview(np.full(shape, 2000, dtype=np.uint16), SIXTEEN, Window(1000, 3000), inverted=False))
    assert found.shape == shape
    assert np.abs(found.astype(int) - 128).max() <= 2


@pytest.mark.parametrize("shape", [(4000, 6000), (7, 5), (1, 1), (1, 700)])
def test_steps_go_down_by_the_root_of_two(shape):
    shapes = preview_shapes(shape, 4)
    assert shapes[::2] == [level_shape(shape, level) for level in range(4)]
    assert len(shapes) == 7
    for step, (height, width) in enumerate(shapes):
        assert abs(height - max(1, shape[0] / 2 ** (step / 2))) <= 1
        assert abs(width - max(1, shape[1] / 2 ** (step / 2))) <= 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(400, 600), (37, 1), (1, 1)])
def test_a_step_between_levels_keeps_the_grey_values(shape, dtype):
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = (y % 200 + x % 50).astype(dtype)
    found = between_levels(image)
    assert found.dtype == dtype
    assert found.shape == preview_shapes(shape, 2)[1]
    assert abs(found.mean() - image.mean()) < 1.5
    flat = between_levels(np.full(shape, 77, dtype))
    assert (flat == 77).all()
    assert np.array_equal(image, (y % 200 + x % 50).astype(dtype))


def test_steps_lie_where_the_levels_do():
    """A straight ramp is the same ramp at every step: nothing is shifted by half a pixel."""
    ramp = np.tile(np.arange(0, 60000, 100, dtype=np.uint16), (400, 1))
    for level, image in enumerate(pyramid(ramp, 2)):
        step = between_levels(image)
        x = (np.arange(step.shape[1]) + 0.5) * ramp.shape[1] / step.shape[1]
        assert np.abs(step[3] - (100 * x - 50)).max() <= 60 * 2**level
