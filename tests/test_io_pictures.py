"""Headers and pixels of PNG, JPEG and BMP."""

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from famous.errors import FamousError, InputError
from famous.io.pictures import read_header, read_picture

ENCODERS = {"PNG": imagecodecs.png_encode, "JPEG": imagecodecs.jpeg8_encode, "BMP": imagecodecs.bmp_encode}
SIZES = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SIZES
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    format_name=st.sampled_from(list(ENCODERS)),
    is_rgb=st.booleans(),
)
def test_the_header_tells_what_the_decoder_gives(
    height: int, width: int, format_name: str, is_rgb: bool, tmp_path: Path
) -> None:
    image = np.full((height, width, 3) if is_rgb else (height, width), 77, np.uint8)
    path = tmp_path / "a"
    path.write_bytes(ENCODERS[format_name](image))
    header = read_header(path, format_name)
    decoded = read_picture(path, format_name)
    assert (header.height, header.width, header.bits) == (height, width, 8)
    assert decoded.shape[:2] == (height, width)
    np.testing.assert_array_equal(decoded, image)


def test_sixteen_bits(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(np.full((3, 4), 65_000, np.uint16)))
    assert read_header(tmp_path / "a.png", "PNG").bits == 16
    assert read_picture(tmp_path / "a.png", "PNG").max() == 65_000


@pytest.mark.parametrize("format_name", ENCODERS)
def test_a_header_that_is_cut_off(format_name: str, tmp_path: Path) -> None:
    content = ENCODERS[format_name](np.zeros((5, 6), np.uint8))
    for kept in (1, 4, 12, 18):
        (tmp_path / "a").write_bytes(content[:kept])
        with pytest.raises(InputError, match=f"expected a {format_name} picture"):
            read_header(tmp_path / "a", format_name)


@pytest.mark.parametrize("format_name", ENCODERS)
def test_no_pixels(format_name: str, tmp_path: Path) -> None:
    content = bytearray(ENCODERS[format_name](np.ones((5, 6), np.uint8)))
    place = {"PNG": 16, "BMP": 18, "JPEG": content.find(b"\xff\xc0") + 7}[format_name]
    content[place : place + (2 if format_name == "JPEG" else 4)] = bytes(2 if format_name == "JPEG" else 4)
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(InputError, match="5 × 0 pixels"):
        read_header(tmp_path / "a", format_name)


@SIZES
@given(content=st.binary(max_size=200), format_name=st.sampled_from(list(ENCODERS)))
def test_any_bytes(content: bytes, format_name: str, tmp_path: Path) -> None:
    magic = {"PNG": b"\x89PNG\r\n\x1a\n", "JPEG": b"\xff\xd8\xff", "BMP": b"BM"}[format_name]
    (tmp_path / "a").write_bytes(magic + content)
    try:
        header = read_header(tmp_path / "a", format_name)
    except FamousError:
        return
    assert header.height > 0
