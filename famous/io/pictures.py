"""PNG, JPEG and BMP pictures: the size from the header, the pixels from the whole, both without a sound."""

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from famous.errors import InputError
from famous.io.sources import naming

SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".bmp": "BMP", ".dib": "BMP"}
_MAGIC = {"PNG": b"\x89PNG\r\n\x1a\n", "JPEG": b"\xff\xd8\xff", "BMP": b"BM"}
_JPEG_SIZES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # start of frame
_JPEG_BARE = {0x01, *range(0xD0, 0xD9)}  # markers without a length
_JPEG_SCAN, _JPEG_END = 0xDA, 0xD9
_JPEG_MARKER = re.compile(rb"\xff([\x01-\xfe])")  # among pixels, 255 is written as 0xFF 0x00


@dataclass(frozen=True)
class Header:
    """What a picture's first bytes say: its pixels, and bits a channel."""

    height: int
    width: int
    bits: int


def read_header(path: Path, format_name: str) -> Header:
    """Read size and depth without decoding; InputError where the file is empty, of another kind, cut off or CMYK."""
    with naming(path, f"a {format_name} picture"), path.open("rb") as file:
        magic = _MAGIC[format_name]
        begin = file.read(max(32, len(magic)))
        if not begin:
            raise InputError(f"{path}: found an empty file, expected a {format_name} picture")
        if not begin.startswith(magic):
            raise InputError(
                f"{path}: found the first bytes {begin[:8]!r}, expected a {format_name} picture ({magic!r})"
            )
        if format_name == "PNG":
            width, height, bits = struct.unpack(">IIB", begin[16:25])
            header = Header(height, width, 16 if bits == 16 else 8)
        elif format_name == "BMP":
            width, height = struct.unpack("<ii", begin[18:26])
            header = Header(abs(height), width, 8)
        else:
            file.seek(2)
            header, channels = _jpeg_header(file.read(2**20))
            if channels > 3:  # inks, whose values are not grey even where three are equal
                raise InputError(
                    f"{path}: found a colour picture of {channels} channels (CMYK), expected grey values; "
                    "convert it to 8 bit grey"
                )
    if header.height < 1 or header.width < 1:
        raise InputError(f"{path}: found {header.height} × {header.width} pixels, expected at least one")
    return header


def read_picture(path: Path, format_name: str) -> NDArray[Any]:
    """Decode a picture: (y, x) or (y, x, channels), uint8 or uint16. Called inside `naming`."""
    import imagecodecs

    content = path.read_bytes()
    if format_name == "PNG":
        return np.asarray(imagecodecs.png_decode(content))
    if format_name == "JPEG":
        if not _has_end(content):  # the decoder would fill the rest with grey
            raise InputError(f"{path}: found no end of the picture; the file is truncated, copy it again")
        return np.asarray(imagecodecs.jpeg8_decode(content))
    return np.asarray(imagecodecs.bmp_decode(content))


def _jpeg_header(content: bytes) -> tuple[Header, int]:
    """Find the frame header among the segments; it tells the number of channels, too."""
    at = 0
    while at + 4 <= len(content):
        if content[at] != 0xFF:
            raise ValueError("no marker where one belongs")
        marker = content[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker in _JPEG_BARE:
            at += 2
            continue
        (length,) = struct.unpack_from(">H", content, at + 2)
        if marker in _JPEG_SIZES:
            bits, height, width, channels = struct.unpack_from(">BHHB", content, at + 4)
            return Header(height, width, bits), channels
        at += 2 + max(2, length)
    raise ValueError("no frame header")


def _has_end(content: bytes) -> bool:
    """Tell whether the picture's own end follows its pixels; a thumbnail's end lies in a segment, before them."""
    at, in_pixels = 2, False
    while (found := _JPEG_MARKER.search(content, at)) is not None:
        marker, at = found[1][0], found.end()
        if marker == _JPEG_END and in_pixels:
            return True
        if marker in _JPEG_BARE or marker == _JPEG_END:
            continue
        in_pixels = in_pixels or marker == _JPEG_SCAN
        at += int.from_bytes(content[at : at + 2], "big")
    return False
