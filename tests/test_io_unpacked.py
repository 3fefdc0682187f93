"""Compressed voxels on disk: exactly as many as expected, once, and numbers written as text."""

import gzip
import io
import shutil
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from famous.errors import InputError
from famous.io import unpacked
from famous.io.unpacked import Voxels, inflate, parse_numbers, read_on, require_numbers, require_room, unpack


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "labels.nii.gz"
    path.write_bytes(b"packed")
    return path


def voxels(count, spare=0):
    return Voxels((count, 1, 1), np.dtype(np.uint8), spare)


def test_what_is_expected_is_written_and_no_more(source):
    file = unpack(source, "one", [b"ab", b"", b"cdef"], voxels(5, spare=1))
    assert file.read_bytes() == b"abcde"
    assert unpack(source, "empty", [], voxels(0)).read_bytes() == b""


def test_it_is_unpacked_once(source):
    def never():
        raise AssertionError("it is there already")
        yield b""

    first = unpack(source, "twice", [b"abc"], voxels(3))
    assert unpack(source, "twice", never(), voxels(3)) == first
    source.write_bytes(b"changed it")
    assert unpack(source, "twice", [b"xyz"], voxels(3)).read_bytes() == b"xyz"


def test_an_early_end_leaves_nothing(source):
    before = len(list(unpacked.process_folder().iterdir()))
    with pytest.raises(InputError, match=r"labels\.nii\.gz: found 2 bytes of voxels, expected 9"):
        unpack(source, "short", [b"ab"], voxels(9))

    def broken():
        yield b"ab"
        raise zlib.error("bad block")

    with pytest.raises(InputError, match=r"labels\.nii\.gz: .*bad block"):
        unpack(source, "broken", broken(), voxels(9))
    assert len(list(unpacked.process_folder().iterdir())) == before


def test_what_goes_on_beyond_the_spare_bytes_is_told(source):
    with pytest.raises(
        InputError, match=r"labels\.nii\.gz: found 6 bytes .* expected 4 for the 4 × 1 × 1 voxels of uint8"
    ):
        unpack(source, "long", [b"ab", b"cdef"], voxels(4, spare=1))


def test_a_stream_that_is_cut_counts_as_ended(source):
    def cut():
        yield b"abc"
        raise EOFError("no end")

    assert unpack(source, "cut", cut(), voxels(3)).read_bytes() == b"abc"
    with pytest.raises(InputError, match=r"found 3 bytes of voxels, expected 9 .*truncated, copy it again"):
        unpack(source, "cut short", cut(), voxels(9))


def test_no_room_on_the_disk(source, monkeypatch):
    usage = type(shutil.disk_usage("/"))(100, 90, 10)
    monkeypatch.setattr(unpacked.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(InputError, match="set TMPDIR to a folder with room"):
        unpack(source, "large", [b"x" * 11], voxels(11))


def test_a_header_may_not_promise_more_than_its_bytes_hold(source):
    require_room(source, 1032 * 100, 100)
    with pytest.raises(InputError, match="the header is damaged"):
        require_room(source, 1032 * 1000, 100)


def test_text_too_short_for_its_numbers_ends_early(source):
    require_numbers(source, voxels(4), 7)
    with pytest.raises(
        InputError, match="found 6 bytes of numbers, expected 4 numbers as the header says; the file ends"
    ):
        require_numbers(source, voxels(4), 6)


@given(st.binary(max_size=4000), st.integers(0, 5000), st.integers(1, 700))
def test_streams_are_read_on_after_what_is_skipped(data, skip, block):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unpacked, "BLOCK", block)
        assert b"".join(read_on(io.BytesIO(data), skip)) == data[skip:]
        packed = zlib.compress(data)
        assert b"".join(inflate(io.BytesIO(packed + b"rest"), len(packed))) == data
        members = gzip.compress(data) + gzip.compress(b"more")
        assert b"".join(read_on(gzip.GzipFile(fileobj=io.BytesIO(members)))) == data + b"more"


@given(st.lists(st.integers(0, 65535), max_size=200), st.sampled_from([" ", "\n", ", ", "\t"]), st.integers(6, 99))
def test_numbers_as_text(numbers, sign, block):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unpacked, "BLOCK", block)
        text = sign.join(map(str, numbers)).encode()
        found = b"".join(parse_numbers(io.BytesIO(text).read, np.dtype(">u2")))
    assert np.frombuffer(found, ">u2").tolist() == numbers


@pytest.mark.parametrize("text", [b"1 2 mito", b"1 70000", b"1 -1", b"1 2.5", b"9" * 5000])
def test_words_that_are_no_numbers(text):
    with pytest.raises((ValueError, OverflowError)):
        b"".join(parse_numbers(io.BytesIO(text).read, np.dtype("u2")))


def test_floats_as_text():
    found = b"".join(parse_numbers(io.BytesIO(b"1.5 2e3").read, np.dtype("<f4")))
    assert np.frombuffer(found, "<f4").tolist() == [1.5, 2000]
