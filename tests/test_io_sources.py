"""The net around decoders: what passes, what becomes a message, and what stays off the terminal."""

import logging
import pickle
import struct
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest

from famous.errors import ConfigError, InputError
from famous.io.sources import (
    MAX_SLICE_BYTES,
    FileVolume,
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


class Made(FileVolume):
    """A volume whose slices come from a function."""

    def __init__(self, make, shape=(3, 4, 5), dtype=np.uint8):
        super().__init__(Path("made ü.x"), shape, np.dtype(dtype))
        self.make = make

    def read(self, z: int) -> np.ndarray:
        return self.make(z)


@pytest.mark.parametrize("dtype", ["f2", "f4", ">f4", "f8"])
def test_pixels_without_a_grey_value_are_named(dtype: str) -> None:
    image = np.ones((4, 5), dtype)
    volume = Made(lambda z: image, dtype=np.dtype(dtype))
    assert (volume[1] == 1).all()
    image[1, 2:4] = np.nan
    with pytest.raises(InputError, match=r"^made ü\.x, slice 1: found 2 pixels of 20 without a value \(NaN\), exp"):
        volume[1]
    image[0, 0] = -np.inf
    with pytest.raises(InputError, match=r"found 2 pixels .* \(NaN\) and 1 pixel of 20 with infinity, expected"):
        volume[1]


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["f2", "f4", ">f4", "f8"])
def test_infinity_is_no_grey_value(dtype: str, value: float) -> None:
    image = np.ones((4, 5), dtype)
    image[3, 1:4] = value
    with pytest.raises(InputError, match=r"^made ü\.x, slice 2: found 3 pixels of 20 with infinity, expected a number"):
        Made(lambda z: image, dtype=np.dtype(dtype))[2]


def test_slices_are_handed_over_in_the_type_that_was_promised() -> None:
    volume = Made(lambda z: np.full((4, 5), z + 1, ">u2"), dtype=">u2")
    assert (len(volume), volume.shape, volume.dtype) == (3, (3, 4, 5), np.dtype("u2"))
    assert volume[2].dtype == np.dtype("=u2")
    assert (volume[2] == 3).all()
    assert Made(lambda z: np.ones((4, 5), bool), dtype=bool)[0].dtype == np.uint8
    assert sum(1 for _ in volume) == 3


@pytest.mark.parametrize("z", [-1, 3, 10**9])
def test_a_slice_beyond_the_stack_is_an_index_error(z: int) -> None:
    with pytest.raises(IndexError, match=rf"made ü\.x: slice {z} does not exist, the stack has 0 … 2"):
        Made(pytest.fail)[z]


@pytest.mark.parametrize("z", ["0", 1.0, None, slice(2), (0, 0)])
def test_what_is_no_whole_number_is_no_slice(z: object) -> None:
    with pytest.raises(TypeError):
        Made(pytest.fail)[z]


def test_a_slice_of_another_size_is_named() -> None:
    for shape in ((4, 6), (5, 4), (4, 5, 1), (4,), ()):
        with pytest.raises(InputError, match=r"made ü\.x, slice 1: found .* pixels, expected \(4, 5\)"):
            Made(lambda z, shape=shape: np.zeros(shape, np.uint8))[1]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_slice_is_named_with_its_number(fault: type[Exception]) -> None:
    def broken(z: int) -> np.ndarray:
        raise fault("bad bytes")

    with pytest.raises(InputError, match=r"made ü\.x, slice 2: found data that cannot be read .*expected slice 2 of"):
        Made(broken)[2]


def test_a_raw_file_that_shrinks_while_it_is_open_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a b.raw"
    path.write_bytes(bytes(range(60)))
    volume = RawVolume(path, (3, 4, 5), np.dtype("u1"), 0)
    path.write_bytes(bytes(range(45)))
    assert volume[1].sum() == sum(range(20, 40))
    with pytest.raises(InputError, match=r"slice 2: found 5 pixels, expected 20; the file was cut short"):
        volume[2]
    path.unlink()
    with pytest.raises(InputError, match="found nothing there"):
        volume[0]


@pytest.mark.parametrize(("offset", "size"), [(-1, 60), (1, 60), (0, 59), (10**9, 60)])
def test_a_raw_file_must_hold_what_its_header_says(tmp_path: Path, offset: int, size: int) -> None:
    path = tmp_path / "a.raw"
    path.write_bytes(bytes(size))
    with pytest.raises(InputError, match="the file is truncated, copy it again"):
        RawVolume(path, (3, 4, 5), np.dtype("u1"), offset)


def test_sizes_of_a_raw_file_do_not_overflow(tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    path.touch()
    with pytest.raises(InputError, match=f"expected at least {8 * 10**18 * 10**4}"):
        RawVolume(path, (10**18, 100, 100), np.dtype("f8"), 0)


def test_missing_files_and_full_memory_have_messages_of_their_own() -> None:
    with pytest.raises(InputError, match=r"^a: found nothing there, expected x$"), naming("a", "x"):
        raise FileNotFoundError("a")
    with pytest.raises(InputError, match=r"^a: it does not fit into memory, expected x$"), naming("a", "x"):
        raise MemoryError


def test_what_other_threads_log_is_not_kept_from_them(capfd: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("chatty.threads")
    handler = logging.StreamHandler()
    logger.addHandler(handler)
    try:
        with muting("chatty.threads") as heard:
            other = threading.Thread(target=logger.warning, args=("theirs",))
            other.start()
            other.join()
            logger.warning("mine")
    finally:
        logger.removeHandler(handler)
    assert heard == ["mine"]
    assert capfd.readouterr().err == "theirs\n"


def test_loggers_speak_again_after_an_error() -> None:
    logger = logging.getLogger("chatty")
    with pytest.raises(ZeroDivisionError), muting("chatty", "other"):
        _ = 1 / 0
    assert logger.filters == logging.getLogger("other").filters == []


def test_opacity_and_single_channels_are_left_out_and_other_axes_left_alone() -> None:
    grey = np.arange(12, dtype=np.uint16).reshape(3, 4)
    assert without_channels("a", grey[..., None]).shape == (3, 4)
    assert without_channels("a", np.stack([grey, grey * 0], axis=-1)).flags["C_CONTIGUOUS"]
    for image in (np.zeros((3, 4, 5)), np.zeros((2, 3, 4, 3)), np.zeros(3), np.zeros((3, 4, 0))):
        assert without_channels("a", image) is image
