"""NRRD files that pynrrd wrote, and those of 3D Slicer: units, directions, encodings, and headers that lie."""

import bz2
import gzip

import nrrd
import numpy as np
import pytest
from hypothesis import given

from famous.errors import InputError
from famous.io.nrrd import open_nrrd
from famous.io.stacks import open_stack
from famous.voxels import VoxelSize
from tests.damage import damages, every_slice, fuzzing, survive

LABELS = np.random.default_rng(0).integers(0, 300, (4, 5, 6)).astype(np.uint16)
MICRONS = {
    "space dimension": 3,
    "space directions": np.diag([0.004, 0.004, 0.03]),
    "space units": ["um", "um", "um"],
    "space origin": np.zeros(3),
}


def write(path, labels=LABELS, header=None, **options):
    """Write (z, y, x) labels."""
    nrrd.write(str(path), np.ascontiguousarray(labels.T), dict(MICRONS if header is None else header), **options)
    return path


def text(path, *fields, data=b"", blank=b"\n\n"):
    """Write a file by hand."""
    path.write_bytes(b"\n".join([b"NRRD0005", *(field.encode() for field in fields)]) + blank + data)
    return path


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2", "ascii"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", ">u2", "int32", "uint64"])
def test_labels_come_back(encoding, dtype, tmp_path):
    labels = (LABELS % 200).astype(dtype)
    source, names = open_nrrd(write(tmp_path / "a.nrrd", labels, {**MICRONS, "encoding": encoding}))
    assert np.array_equal(every_slice(source.volume), labels)
    assert source.volume.dtype == np.dtype(dtype).newbyteorder("=")
    assert source.voxel_size is not None
    assert source.voxel_size.is_close(VoxelSize(30, 4, 4))
    assert (source.notes, names) == ((), {})


def test_a_header_of_its_own(tmp_path):
    source, _ = open_nrrd(write(tmp_path / "a.nhdr", detached_header=True))
    assert np.array_equal(every_slice(source.volume), LABELS)
    assert len(source.files) == 2
    source.files[1].unlink()
    with pytest.raises(InputError, match="expected the voxels there"):
        open_nrrd(tmp_path / "a.nhdr")


def test_spacings_with_units(tmp_path):
    header = {"spacings": [4, 4, 30], "units": ["nm", "nm", "nm"], "axis mins": [8, 12, 60]}
    source, _ = open_nrrd(write(tmp_path / "a.nrrd", header=header))
    assert source.voxel_size == VoxelSize(30, 4, 4)
    assert source.origin_nm == (60, 12, 8)


def test_body_directions_without_a_unit_are_mm(tmp_path):
    header = {"space": "left-posterior-superior", "space directions": np.diag([4e-6, 4e-6, 3e-5])}
    source, _ = open_nrrd(write(tmp_path / "a.nrrd", header=header))
    assert source.voxel_size is not None
    assert source.voxel_size.is_close(VoxelSize(30, 4, 4))
    assert "mm is taken" in source.notes[0]
    header["space directions"] = np.diag([4.0, 4, 30])
    source, _ = open_nrrd(write(tmp_path / "b.nrrd", header=header))
    assert source.voxel_size is None
    assert "cannot be meant" in source.notes[-1]
    assert open_nrrd(tmp_path / "b.nrrd", "nm")[0].voxel_size == VoxelSize(30, 4, 4)


def test_no_unit(tmp_path):
    source, _ = open_nrrd(write(tmp_path / "a.nrrd", header={"spacings": [4, 4, 30]}))
    assert source.voxel_size is None
    assert "no unit" in source.notes[0]
    source, _ = open_nrrd(write(tmp_path / "b.nrrd", header={}))
    assert source.voxel_size is None


def test_directions_that_turn_the_volume(tmp_path):
    directions = np.array([[0, 0, 0.03], [0, 0.004, 0], [-0.004, 0, 0]])
    header = {**MICRONS, "space directions": directions, "space origin": np.array([5 * 0.004, 0, 0])}
    nrrd.write(str(tmp_path / "a.nrrd"), np.asfortranarray(LABELS[:, :, ::-1]), header)
    source, _ = open_nrrd(tmp_path / "a.nrrd")
    assert np.array_equal(every_slice(source.volume), LABELS)
    assert source.voxel_size is not None
    assert source.voxel_size.is_close(VoxelSize(30, 4, 4))


def test_segments_of_slicer(tmp_path):
    header = {"Segment0_LabelValue": "3", "Segment0_Name": "mitochondrion", "Segment1_LabelValue": "9"}
    _, names = open_nrrd(write(tmp_path / "a.seg.nrrd", header={**MICRONS, **header}))
    assert names == {3: "mitochondrion", 9: "Segment 9"}


def test_layers_are_refused(tmp_path):
    header = {"kinds": ["list", "domain", "domain", "domain"]}
    nrrd.write(str(tmp_path / "a.seg.nrrd"), np.zeros((2, 6, 5, 4), np.uint8), header)
    with pytest.raises(InputError, match="Export to labelmap"):
        open_nrrd(tmp_path / "a.seg.nrrd")


def test_one_layer_and_one_slice(tmp_path):
    header = {"space directions": np.vstack([[np.nan] * 3, np.diag([4, 4, 30])]), "space units": ["nm"] * 3}
    nrrd.write(str(tmp_path / "a.nrrd"), np.ascontiguousarray(LABELS.T)[None], {"space dimension": 3, **header})
    source, _ = open_nrrd(tmp_path / "a.nrrd")
    assert source.voxel_size == VoxelSize(30, 4, 4)
    assert np.array_equal(every_slice(source.volume), LABELS)
    source, _ = open_nrrd(write(tmp_path / "b.nrrd", LABELS[0], {"spacings": [4, 4], "units": ["nm", "nm"]}))
    assert np.array_equal(every_slice(source.volume), LABELS[:1])


def test_it_opens_as_a_stack(tmp_path):
    assert np.array_equal(open_stack(write(tmp_path / "a.nrrd")).stack.grey(2), LABELS[2])


PLAIN = ("type: uint8", "dimension: 3", "sizes: 6 5 4", "encoding: raw")
BYTES = LABELS.astype(np.uint8).tobytes()


def test_windows_ends_and_skipped_bytes(tmp_path):
    path = tmp_path / "a.nrrd"
    path.write_bytes("\r\n".join(["NRRD0005", *PLAIN, "byte skip: 3", "", ""]).encode() + b"xyz" + BYTES)
    assert np.array_equal(every_slice(open_nrrd(path)[0].volume), LABELS.astype(np.uint8))
    text(path, *PLAIN, "byte skip: -1", data=b"whatever" + BYTES)
    assert np.array_equal(every_slice(open_nrrd(path)[0].volume), LABELS.astype(np.uint8))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (("type: block", *PLAIN[1:]), "values of type 'block'"),
        (("type: uint16", *PLAIN[1:]), "without `endian`"),
        ((PLAIN[0], "dimension: 4", *PLAIN[2:]), "expected 4"),
        ((*PLAIN[:2], "sizes: 6 5 0", PLAIN[3]), "at least one"),
        ((*PLAIN[:2], "sizes: 6 5 -4", PLAIN[3]), "at least one"),
        ((*PLAIN[:2], "sizes: 6 5 400", PLAIN[3]), "truncated"),
        ((*PLAIN[:2], "sizes: 100000 1000000 4", PLAIN[3]), "the header may be damaged"),
        ((*PLAIN[:2], "sizes: a b c", PLAIN[3]), "NRRD header"),
        ((*PLAIN[:3], "encoding: hex"), "encoding 'hex'"),
        ((*PLAIN[:3], "encoding: gzip"), "cannot be read|damaged"),
        (PLAIN[:3], "without encoding"),
        ((*PLAIN, "line skip: 2"), "lines to skip"),
        ((*PLAIN, "byte skip: -7"), "truncated|expected"),
        ((*PLAIN, "data file: slice%03d.raw 1 4 1"), "several files"),
        ((*PLAIN, "nonsense"), "NRRD header"),
        ((*PLAIN, "space dimension: 3", "space directions: (1,0,0) (0,1,0)"), "directions"),
    ],
)
def test_headers_that_lie(fields, message, tmp_path):
    with pytest.raises(InputError, match=message) as fault:
        every_slice(open_nrrd(text(tmp_path / "lie.nrrd", *fields, data=BYTES))[0].volume)
    assert "lie.nrrd" in str(fault.value)


def test_text_that_ends_early(tmp_path):
    fields = [field if "encoding" not in field else "encoding: ascii" for field in PLAIN]
    with pytest.raises(InputError, match=r"a\.nrrd: found 5 bytes of numbers, expected \d+ numbers.*ends early"):
        open_nrrd(text(tmp_path / "a.nrrd", *fields, data=b"1 2 3"))


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2", "text"])
def test_more_slices_than_the_header_says_are_told(encoding, tmp_path):
    numbers = " ".join(map(str, LABELS.astype(np.uint8).ravel().tolist())).encode()
    data = {"raw": BYTES, "gzip": gzip.compress(BYTES), "bzip2": bz2.compress(BYTES), "text": numbers}[encoding]
    fields = (*PLAIN[:2], "sizes: 6 5 3", f"encoding: {encoding}")
    with pytest.raises(
        InputError, match=r"lie\.nrrd: found 120 bytes .* expected 90 for the 3 × 5 × 6 voxels of uint8"
    ):
        open_nrrd(text(tmp_path / "lie.nrrd", *fields, data=data))


def test_less_than_a_slice_may_follow(tmp_path):
    path = text(tmp_path / "a.nrrd", *PLAIN, data=BYTES + b"\n" * 29)
    assert np.array_equal(every_slice(open_nrrd(path)[0].volume), LABELS.astype(np.uint8))


def test_other_files(tmp_path):
    (tmp_path / "a.nrrd").write_bytes(b"hello")
    with pytest.raises(InputError, match="expected NRRD"):
        open_nrrd(tmp_path / "a.nrrd")
    with pytest.raises(InputError, match="blank line"):
        open_nrrd(text(tmp_path / "b.nrrd", *PLAIN, blank=b""))
    with pytest.raises(InputError, match="nothing there"):
        open_nrrd(tmp_path / "c.nrrd")


def test_a_compressed_lie_costs_nothing(tmp_path):
    fields = (*PLAIN[:2], "sizes: 6000 5000 4000", "encoding: bzip2")
    with pytest.raises(InputError, match="the header is damaged"):
        open_nrrd(text(tmp_path / "a.nrrd", *fields, data=bz2.compress(BYTES)))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nrrd")
    encodings = ("raw", "gzip", "bzip2", "ascii")
    return [write(folder / f"{name}.nrrd", header={**MICRONS, "encoding": name}) for name in encodings]


@fuzzing
@given(damages())
def test_damaged_files(files, damage):
    for path in files:
        survive(lambda copy: every_slice(open_nrrd(copy)[0].volume), path, damage)
