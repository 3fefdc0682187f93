"""What neuroglancer is given: blocks read lazily, at every scale, and the line to install it."""

import io
import sys
import zlib

import numpy as np
import pytest

from famous.errors import MissingError
from famous.report import neuroglancer as viewer
from famous.report.neuroglancer import Slices, _volume, shrink
from famous.stack import Stack, Window

SHAPE = (5, 12, 20)


class Counted:
    """A volume that knows which of its slices were read."""

    dtype = np.dtype(np.uint8)

    def __init__(self, shape=SHAPE):
        self.shape = shape
        self.grey = np.random.default_rng(1).integers(0, 255, shape, dtype=np.uint8)
        self.read = []

    def __getitem__(self, z):
        self.read.append(z)
        return self.grey[z]


def stack_of(volume):
    return Stack(volume, window=Window(0, 255))


def test_a_block_is_the_same_part_of_the_stack():
    volume = Counted()
    block = Slices(stack_of(volume)).read((range(1, 3), range(2, 10), range(5, 20)))
    assert (block == volume.grey[1:3, 2:10, 5:20]).all()
    assert volume.read == [1, 2]


def test_a_coarse_block_reads_only_the_slices_that_it_shows():
    volume = Counted((64, 8, 8))
    block = Slices(stack_of(volume)).read((range(0, 64, 16), range(0, 8, 4), range(0, 8, 4)))
    assert volume.read == [0, 16, 32, 48]
    means = volume.grey[::16].reshape(4, 2, 4, 2, 4).mean(axis=(2, 4))
    assert np.abs(block - means).max() <= 0.5


def test_slices_are_held_up_to_a_limit():
    volume = Counted()
    slices = Slices(stack_of(volume), held_bytes=3 * 12 * 20)
    whole = range(12), range(20)
    for z in (0, 1, 2, 0, 1, 2):
        slices.read((range(z, z + 1), *whole))
    assert volume.read == [0, 1, 2]
    slices.read((range(3, 4), *whole))
    slices.read((range(1, 2), *whole))
    assert volume.read == [0, 1, 2, 3]
    slices.read((range(1), *whole))
    assert volume.read == [0, 1, 2, 3, 0]


def test_the_window_is_the_stacks():
    stack = Stack(np.full((1, 4, 4), 300, dtype=np.uint16), window=Window(100, 500), inverted=True)
    assert Slices(stack).read((range(1), range(4), range(4))).tolist() == [[[127] * 4] * 4]


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (3, 4)])
def test_shrinking_knows_nothing_and_everything(shape):
    image = np.ones(shape, dtype=np.uint8)
    assert shrink(image, shape).shape == shape


@pytest.fixture
def encoded():
    """Ask a volume as the page does; returns (z, y, x)."""
    module = pytest.importorskip("neuroglancer", reason="neuroglancer is not installed")
    volume = Counted()
    space = module.CoordinateSpace(names=["x", "y", "z"], units="nm", scales=[8, 8, 30])
    served = _volume(module, SHAPE, space, ("uint8", "image"), Slices(stack_of(volume)).read)

    def ask(start, end, steps, kind="npz"):
        data, _ = served.get_encoded_subvolume(kind, np.array(start), np.array(end), steps)
        return np.load(io.BytesIO(zlib.decompress(data))).T

    ask.volume, ask.served = volume, served
    return ask


def test_what_the_page_gets_is_the_stack(encoded):
    grey = encoded.volume.grey
    assert (encoded((5, 2, 1), (20, 10, 3), "1,1,1") == grey[1:3, 2:10, 5:20]).all()
    assert encoded((0, 0, 0), (10, 6, 3), "2,2,2").shape == (3, 6, 10)  # the last block goes on beyond the end
    info = encoded.served.info()
    assert (info["dataType"], info["volumeType"], tuple(info["shape"])) == ("uint8", "image", (20, 12, 5))


@pytest.mark.parametrize("steps", ["1,1", "0,1,1", "-1,1,1", "a,b,c", ""])
def test_a_wrong_question_is_no_traceback(encoded, steps):
    with pytest.raises(ValueError, match="invalid request"):
        encoded((0, 0, 0), (1, 1, 1), steps)
    with pytest.raises(ValueError, match="invalid request"):
        encoded((0, 0, 0), (1, 1, 1), "1,1,1", kind="jpeg")


def test_without_neuroglancer_the_line_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "neuroglancer", None)
    with pytest.raises(MissingError, match=r"pip install '.*\[view\]'"):
        viewer.load()
