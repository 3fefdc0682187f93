"""Amira label fields in all encodings, their materials and boxes, and files that are damaged."""

import io
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from famous.errors import InputError
from famous.io.amira import decode_runs, is_amira, open_amira
from famous.io.stacks import open_stack
from famous.voxels import VoxelSize
from tests.amira_files import runs, write_amira
from tests.damage import damages, every_slice, fuzzing, survive

LABELS = np.repeat(np.random.default_rng(0).integers(0, 7, (4, 5, 3)).astype(np.uint8), 2, axis=2)
ENCODINGS = ["little", "big", "ascii", "rle", "zip", "avizo"]


def whole(path, unit="nm"):
    return every_slice(open_amira(path, unit)[0].volume)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32"])
def test_labels_come_back(encoding, dtype, tmp_path):
    labels = LABELS.astype(dtype) * (1 if dtype == "uint8" else 300)
    source, names = open_amira(write_amira(tmp_path / "a.am", labels, encoding=encoding), "nm")
    assert np.array_equal(every_slice(source.volume), labels)
    assert source.volume.dtype == np.dtype(dtype)
    assert source.voxel_size == VoxelSize(30, 4, 4)
    assert source.origin_nm == (0.0, 0.0, 0.0)
    assert (names, source.notes) == ({}, ())


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(1, 400)), max_size=30), st.binary(max_size=300))
def test_runs_of_any_bytes(parts, noise):
    data = b"".join(bytes([value]) * count for value, count in parts) + noise
    packed = runs(data)
    assert b"".join(decode_runs(io.BytesIO(packed), len(packed))) == data
    if packed:
        with pytest.raises(EOFError):
            b"".join(decode_runs(io.BytesIO(packed[:-1]), len(packed)))


def test_runs_across_blocks(monkeypatch):
    monkeypatch.setattr("famous.io.amira.BLOCK", 7)
    data = np.random.default_rng(1).integers(0, 3, 2000).astype(np.uint8).tobytes()
    packed = runs(data)
    assert b"".join(decode_runs(io.BytesIO(packed), len(packed))) == data


def test_the_box_goes_from_centre_to_centre_and_has_no_unit(tmp_path):
    path = write_amira(tmp_path / "a.am", LABELS, sizes=(0.03, 0.004, 0.005), origin=(3, 2, 1))
    source, _ = open_amira(path)
    assert source.voxel_size is None
    assert any("have no unit" in note for note in source.notes)
    source, _ = open_amira(path, "um")
    assert source.voxel_size is not None
    assert source.voxel_size.is_close(VoxelSize(30, 4, 5))
    assert np.allclose(source.origin_nm, (3000, 2000, 1000))


def test_the_unit_of_avizo(tmp_path):
    path = write_amira(tmp_path / "a.am", LABELS, sizes=(0.03, 0.004, 0.004), parameters='Units { Coordinates "µm" }')
    source, _ = open_amira(path)
    assert source.voxel_size is not None
    assert source.voxel_size.is_close(VoxelSize(30, 4, 4))
    assert "the option wins" in open_amira(path, "mm")[0].notes[-1]


def test_materials_count_in_the_order_of_the_list(tmp_path):
    path = write_amira(tmp_path / "a.am", LABELS, materials=("Mito", '"Late Endosome"', "ER"))
    assert open_amira(path, "nm")[1] == {1: "Mito", 2: "Late Endosome", 3: "ER"}


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ((1, 2, 3), {1: "M", 2: "N"}),  # counted from 1, so the place counts
        ((0, 2, 5), {2: "M", 5: "N"}),  # counted from 0: the ids are the values
        ((0, 2, 2), {1: "M", 2: "N"}),  # no ids at all
    ],
)
def test_ids_of_materials(ids, expected, tmp_path):
    listed = " ".join(f"{name} {{ Id {i}, Color 1 {j} 0 }}" for j, (name, i) in enumerate(zip("XMN", ids, strict=True)))
    path = write_amira(tmp_path / "a.am", LABELS, parameters=f"Materials {{ {listed} }}")
    assert open_amira(path, "nm")[1] == expected


def test_one_slice_has_no_thickness(tmp_path):
    source, _ = open_amira(write_amira(tmp_path / "a.am", LABELS[:1]), "nm")
    assert source.voxel_size is None
    assert "no extent" in source.notes[0]


def test_labels_after_another_lattice(tmp_path):
    path = write_amira(tmp_path / "a.am", LABELS)
    content = path.read_bytes().replace(
        b"Lattice { byte Labels } @1", b"Lattice { float P } @1\nLattice { byte Labels } @2"
    )
    head, data = content.split(b"\n@1\n")
    path.write_bytes(head + b"\n@1\n" + bytes(4 * LABELS.size) + b"\n@2\n" + data)
    assert np.array_equal(whole(path), LABELS)


def test_it_opens_as_a_stack(tmp_path):
    path = write_amira(tmp_path / "field.labels", LABELS, encoding="rle")
    assert np.array_equal(open_stack(path).stack.grey(2), LABELS[2])
    assert is_amira(path.read_bytes())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("define Lattice 6 5 4", "define Lattice 6 5", "no line `define Lattice"),
        ("define Lattice 6 5 4", "define Lattice 6 5 0", "at least one"),
        ("define Lattice 6 5 4", "define Lattice 6 5 4000", "truncated"),
        ("define Lattice 6 5 4", "define Lattice 99999 99999 4", "the header may be damaged"),
        ('CoordType "uniform"', 'CoordType "stacked"', "expected uniform"),
        ("byte Labels", "float Labels", "whole numbers"),
        ("byte Labels", "byte[4] Labels", "whole numbers"),
        ("Lattice { byte", "Nodes { byte", "lattices none"),
        ("@1\n\n", "@1(HxNew,44)\n\n", "compression HxNew"),
        ("@1\n\n", "@1(HxByteRLE,4400)\n\n", "truncated"),
        ("@1\n\n", "@1(HxByteRLE,1)\n\n", "the header is damaged|truncated|cannot be read"),
        ("BINARY-LITTLE-ENDIAN", "TERNARY", "BINARY or ASCII"),
        ("\n@1\n", "\n", "no data section"),
        ("\n@1\n", "\n@7\n", "expected the line @1"),
        ("# AmiraMesh", "# Mesh", "expected # AmiraMesh"),
    ],
)
def test_headers_that_lie(old, new, message, tmp_path):
    path = write_amira(tmp_path / "lie.am", LABELS)
    content = path.read_bytes()
    assert old.encode() in content
    path.write_bytes(content.replace(old.encode(), new.encode()))
    with pytest.raises(InputError, match=message) as fault:
        whole(path)
    assert "lie.am" in str(fault.value)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_more_slices_than_the_header_says_are_told(encoding, tmp_path):
    path = write_amira(tmp_path / "lie.am", LABELS.astype(np.uint16), encoding=encoding)
    path.write_bytes(path.read_bytes().replace(b"define Lattice 6 5 4", b"define Lattice 6 5 3"))
    with pytest.raises(
        InputError, match=r"lie\.am: found \d+ bytes of voxels or more, expected 180 .* 3 × 5 × 6 voxels"
    ):
        whole(path)


@pytest.mark.parametrize("tail", [b"", b"\n", b"\r\n\n", b"\n@2\n" + bytes(400), b"@2 \n" + bytes(400)])
def test_a_line_end_or_another_section_may_follow(tail, tmp_path):
    path = write_amira(tmp_path / "a.am", LABELS)
    path.write_bytes(path.read_bytes().rstrip(b"\n") + tail)
    assert np.array_equal(whole(path), LABELS)


@pytest.mark.parametrize("packing", ["HxByteRLE", "HxZip"])
def test_a_compressed_lie_costs_nothing(packing, tmp_path):
    path = write_amira(tmp_path / "lie.am", LABELS, encoding="rle" if packing == "HxByteRLE" else "zip")
    path.write_bytes(path.read_bytes().replace(b"Lattice 6 5 4", b"Lattice 6000 5000 400"))
    with pytest.raises(InputError, match="the header is damaged"):
        whole(path)


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        (40, "found 40 bytes of numbers, expected 120 numbers as the header says; the file ends early, copy it again"),
        (300, r"found \d+ bytes of voxels, expected 240 .*the file is truncated, copy it again"),
    ],
)
def test_text_that_ends_early(kept, message, tmp_path):
    path = write_amira(tmp_path / "a.am", LABELS.astype(np.uint16) * 300, encoding="ascii")
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"\n@1\n") + 4 + kept])
    with pytest.raises(InputError, match=message):
        whole(path)


def test_a_box_without_numbers(tmp_path):
    path = write_amira(tmp_path / "a.am", LABELS)
    path.write_bytes(path.read_bytes().replace(b"BoundingBox 0 ", b"BoundingBox nan "))
    assert "no bounding box" in open_amira(path, "nm")[0].notes[0]


def test_words_among_the_numbers(tmp_path):
    path = write_amira(tmp_path / "a.am", LABELS, encoding="ascii")
    path.write_bytes(path.read_bytes()[:-9] + b"\nmito\n1\n1\n1\n")
    with pytest.raises(InputError, match=r"a\.am"):
        whole(path)
    path = write_amira(tmp_path / "b.am", LABELS, encoding="ascii")
    path.write_bytes(path.read_bytes().replace(b"\n1\n", b"\n" + b"1" * 5000 + b"\n", 1))
    with pytest.raises(InputError, match=r"b\.am"):
        whole(path)


def test_a_damaged_zip(tmp_path):
    path = write_amira(tmp_path / "a.am", LABELS, encoding="zip")
    packed = zlib.compress(LABELS.tobytes())
    path.write_bytes(path.read_bytes().replace(packed, packed[:9] + bytes(9) + packed[18:]))
    with pytest.raises(InputError, match=r"a\.am"):
        whole(path)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("amira")
    return [
        write_amira(folder / f"{name}.am", LABELS, encoding=name, materials=("A", "B"))
        for name in ("little", "ascii", "rle", "zip")
    ]


@fuzzing
@given(damages())
def test_damaged_files(files, damage):
    for path in files:
        survive(whole, path, damage)
