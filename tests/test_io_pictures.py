"""Headers and pixels of PNG, JPEG and BMP."""

import io
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

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


def jpeg_with_thumbnail(image: np.ndarray) -> bytes:
    """Make a JPEG that holds a small JPEG of its own in an EXIF segment, as cameras and microscopes write it."""
    thumbnail = imagecodecs.jpeg8_encode(image[::8, ::8].copy())
    exif = b"Exif\0\0" + thumbnail
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    content = bytes(imagecodecs.jpeg8_encode(image))
    return content[:2] + segment + content[2:]


NOISE = np.random.default_rng(0).integers(0, 255, (64, 80), np.uint8)


@pytest.mark.parametrize("lost", [2, 3, 400, 2000])
def test_a_truncated_jpeg_is_refused_though_its_thumbnail_has_an_end(lost: int, tmp_path: Path) -> None:
    content = jpeg_with_thumbnail(NOISE)
    (tmp_path / "a.jpg").write_bytes(content)
    assert read_picture(tmp_path / "a.jpg", "JPEG").shape == (64, 80)
    (tmp_path / "a.jpg").write_bytes(content[:-lost])
    with pytest.raises(InputError, match=r"a\.jpg: found no end of the picture; the file is truncated, copy it again"):
        read_picture(tmp_path / "a.jpg", "JPEG")


def test_a_jpeg_that_breaks_off_behind_its_thumbnail_is_refused(tmp_path: Path) -> None:
    content = jpeg_with_thumbnail(NOISE)
    (tmp_path / "a.jpg").write_bytes(content[: content.find(b"\xff\xd9") + 10])
    with pytest.raises(InputError, match="found no end of the picture"):
        read_picture(tmp_path / "a.jpg", "JPEG")


@pytest.mark.parametrize("kind", ["baseline", "progressive", "restarts", "trailing", "filled"])
def test_whole_jpegs_of_every_kind_are_read(kind: str, tmp_path: Path) -> None:
    options = {"progressive": {"progressive": True}, "restarts": {"restart_marker_blocks": 2}}.get(kind, {})
    file = io.BytesIO()
    Image.fromarray(NOISE).save(file, "JPEG", **options)
    content = file.getvalue()
    if kind == "trailing":
        content += b"what a camera adds, \xff\xd8 or a second picture"
    if kind == "filled":  # any marker may have further 0xFF before it
        content = content[:-2] + b"\xff\xff" + content[-2:]
    (tmp_path / "a.jpg").write_bytes(content)
    assert np.corrcoef(read_picture(tmp_path / "a.jpg", "JPEG").ravel(), NOISE.ravel())[0, 1] > 0.5
    (tmp_path / "a.jpg").write_bytes(file.getvalue()[:-2])
    with pytest.raises(InputError, match="found no end of the picture"):
        read_picture(tmp_path / "a.jpg", "JPEG")


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
