"""The net around decoders: what passes, what becomes a message, and what stays off the terminal."""

import logging
import pickle
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest

from famous.errors import ConfigError, InputError
from famous.io.sources import (
    MAX_SLICE_BYTES,
    RawVolume,
    brief,
    check_shape,
    muting,
    naming,
    native,
    overhearing,
    without_channels,
)

FAULTS = [OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, ZeroDivisionError, OverflowError]
MORE_FAULTS = [RuntimeError, EOFError, AssertionError, MemoryError, struct.error, zlib.error, NotImplementedError]


@pytest.mark.parametrize("fault", [*FAULTS, *MORE_FAULTS])
def test_a_decoders_fault_names_the_file(fault: type[Exception]) -> None:
    with pytest.raises(InputError, match=r"^stack\.tif: .* expected a TIFF file"), naming("stack.tif", "a TIFF file"):
        raise fault("broken")


@pytest.mark.parametrize("passing", [ConfigError("mine"), KeyboardInterrupt(), SystemExit(2)])
def test_messages_and_interrupts_pass(passing: BaseException) -> None:
    with pytest.raises(type(passing)) as caught, naming("stack.tif", "a TIFF file"):
        raise passing
    assert caught.value is passing


def test_only_the_first_line_of_a_fault_is_shown() -> None:
    assert brief(ValueError("\n first \nsecond")) == "first"
    assert brief(ValueError()) == "ValueError"
    assert len(brief(ValueError("x" * 1000))) < 200


def test_what_a_library_logs_is_gathered(capfd: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("chatty")
    with muting("chatty") as heard:
        logger.warning("odd tag %d", 7)
        logger.info("nothing")
    assert heard == ["odd tag 7"]
    with overhearing("chatty") as heard:
        logger.error("worse")
        warnings.warn("a header", stacklevel=1)
    assert heard == ["worse", "a header"]
    assert logger.filters == []
    assert capfd.readouterr().err == ""


def test_raw_slices_of_either_byte_order(tmp_path: Path) -> None:
    data = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    for order in "<>":
        path = tmp_path / "a.raw"
        path.write_bytes(b"head" + data.astype(f"{order}u2").tobytes())
        volume = pickle.loads(pickle.dumps(RawVolume(path, data.shape, np.dtype(f"{order}u2"), 4)))
        assert len(volume) == 2
        assert volume[np.int64(1)].dtype == np.dtype("u2")
        np.testing.assert_array_equal(volume[1], data[1])
    with pytest.raises(InputError, match="found 52 bytes, expected at least 53"):
        RawVolume(path, data.shape, np.dtype("u2"), 5)
    with pytest.raises(TypeError):
        volume["1"]


@pytest.mark.parametrize("shape", [(3, 4), (1, 2, 3, 4), (0, 3, 4), (3, -4, 4)])
def test_shapes_that_are_no_stack(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="expected"):
        check_shape(Path("a"), shape, np.dtype("u1"))


def test_absurd_slices_are_refused() -> None:
    side = int(MAX_SLICE_BYTES**0.5)
    assert check_shape(Path("a"), (10**7, side, side), np.dtype("u1")) == (10**7, side, side)
    with pytest.raises(InputError, match="the header may be damaged"):
        check_shape(Path("a"), (1, side, 2 * side), np.dtype("u1"))


def test_types() -> None:
    assert native(Path("a"), np.dtype(">u2")) == np.dtype("u2")
    assert native(Path("a"), np.dtype(bool)) == np.dtype("u1")
    for dtype in ("c8", "S3", "M8[s]", "O", "V4"):
        with pytest.raises(InputError, match="expected grey values"):
            native(Path("a"), np.dtype(dtype))


def test_channels() -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    for count in (1, 2, 3, 4):
        picture = np.stack([grey] * count, axis=-1)
        np.testing.assert_array_equal(without_channels("a", picture), grey)
    opaque = np.stack([grey, grey, grey, 255 - grey], axis=-1)
    np.testing.assert_array_equal(without_channels("a", opaque), grey)
    with pytest.raises(InputError, match="colour"):
        without_channels("a", np.stack([grey, grey, 255 - grey], axis=-1))
    assert without_channels("a", grey) is grey
