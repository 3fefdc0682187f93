"""NIfTI files that nibabel wrote: units, directions, compression, and headers that lie."""

import gzip
import struct

import nibabel
import numpy as np
import pytest
from hypothesis import given

from famous.errors import InputError
from famous.io.nifti import is_nifti, open_nifti
from famous.io.stacks import open_stack
from famous.voxels import VoxelSize
from tests.damage import damages, every_slice, fuzzing, survive

LABELS = np.random.default_rng(0).integers(0, 300, (4, 5, 6)).astype(np.uint16)


def write(path, labels=LABELS, affine=None, unit="micron", kind=nibabel.Nifti1Image):
    """Write (z, y, x) labels; the affine is in the file's unit, (x, y, z)."""
    affine = np.diag([0.004, 0.004, 0.03, 1]) if affine is None else affine
    image = kind(np.ascontiguousarray(labels.T), affine, dtype=labels.dtype)
    image.header.set_xyzt_units(unit)
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.img"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_labels_come_back(name, kind, tmp_path):
    if name == "a.img":
        kind = nibabel.Nifti1Pair if kind is nibabel.Nifti1Image else nibabel.Nifti2Pair
        write(tmp_path / name, kind=kind)
        name = "a.hdr"
    else:
        write(tmp_path / name, kind=kind)
    source = open_nifti(tmp_path / name)
    assert np.array_equal(every_slice(source.volume), LABELS)
    assert source.volume.dtype == np.uint16
    assert source.voxel_size is not None
    assert source.voxel_size.is_close(VoxelSize(30, 4, 4))
    assert source.origin_nm == (0.0, 0.0, 0.0)
    assert source.notes == ()


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "uint32", "float32", "uint64"])
def test_types(dtype, tmp_path):
    source = open_nifti(write(tmp_path / "a.nii", (LABELS % 200).astype(dtype)))
    assert source.volume.dtype == np.dtype(dtype)
    assert np.array_equal(every_slice(source.volume), LABELS % 200)


def test_big_endian(tmp_path):
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(">u2")
    nibabel.save(nibabel.Nifti1Image(LABELS.T, np.diag([4, 4, 30, 1]), header), tmp_path / "a.nii")
    assert (tmp_path / "a.nii").read_bytes()[:4] == struct.pack(">i", 348)
    assert np.array_equal(every_slice(open_nifti(tmp_path / "a.nii", "nm").volume), LABELS)


def test_mm_of_a_cell(tmp_path):
    source = open_nifti(write(tmp_path / "a.nii", affine=np.diag([4e-6, 4e-6, 3e-5, 1]), unit="mm"))
    assert source.voxel_size is not None
    assert source.voxel_size.is_close(VoxelSize(30, 4, 4))


def test_mm_of_a_man_are_not_meant(tmp_path):
    path = write(tmp_path / "a.nii", affine=np.diag([5.0, 5, 30, 1]), unit="mm")
    source = open_nifti(path)
    assert source.voxel_size is None
    assert "cannot be meant" in source.notes[0]
    assert open_nifti(path, "nm").voxel_size == VoxelSize(30, 5, 5)


def test_origin_and_mirrored_axes(tmp_path):
    affine = np.diag([-0.004, 0.004, 0.03, 1])
    affine[:3, 3] = (5 * 0.004 + 1, 2, 3)  # x from the far end of a volume that begins at 1 µm
    source = open_nifti(write(tmp_path / "a.nii", affine=affine))
    assert np.array_equal(every_slice(source.volume), LABELS[:, :, ::-1])
    assert np.allclose(source.origin_nm, (3000, 2000, 1000))
    assert "x runs backwards" in source.notes[0]


def test_as_itk_writes_a_stack(tmp_path):
    source = open_nifti(write(tmp_path / "a.nii", affine=np.diag([-0.004, -0.004, 0.03, 1])))
    assert np.array_equal(every_slice(source.volume), LABELS)
    assert source.notes == ()


def test_slices_in_another_direction(tmp_path):
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = 0.03, 0.004, 0.004, 1
    image = nibabel.Nifti1Image(LABELS, affine)  # its first axis, z, lies fastest
    image.header.set_xyzt_units("micron")
    nibabel.save(image, tmp_path / "a.nii")
    source = open_nifti(tmp_path / "a.nii")
    assert np.array_equal(every_slice(source.volume), LABELS)
    assert source.voxel_size is not None
    assert source.voxel_size.is_close(VoxelSize(30, 4, 4))


def test_without_directions_the_voxel_size_counts(tmp_path):
    path = write(tmp_path / "a.nii")
    content = bytearray(path.read_bytes())
    content[252:256] = bytes(4)  # qform_code and sform_code
    path.write_bytes(content)
    source = open_nifti(path)
    assert source.voxel_size is not None
    assert source.voxel_size.is_close(VoxelSize(30, 4, 4))
    assert source.origin_nm == (0.0, 0.0, 0.0)


def test_no_unit_and_a_scale_are_told(tmp_path):
    path = write(tmp_path / "a.nii", unit="unknown")
    source = open_nifti(path)
    assert source.voxel_size is None
    assert "no unit" in source.notes[0]
    content = bytearray(path.read_bytes())
    content[112:120] = struct.pack("<ff", 2, 1)
    path.write_bytes(content)
    source = open_nifti(path)
    assert "slope 2" in source.notes[-1]
    assert np.array_equal(every_slice(source.volume), LABELS)


@pytest.mark.parametrize("shape", [(5, 6), (1, 5, 6)])
def test_one_slice(shape, tmp_path):
    source = open_nifti(write(tmp_path / "a.nii", LABELS[0].reshape(shape)))
    assert np.array_equal(every_slice(source.volume), LABELS[:1])


def test_it_opens_as_a_stack(tmp_path):
    stack = open_stack(write(tmp_path / "a.nii.gz")).stack
    assert np.array_equal(stack.grey(2), LABELS[2])
    assert is_nifti(tmp_path / "A.NII.GZ")


def patched(path, at, pattern, *values):
    content = bytearray(path.read_bytes())
    struct.pack_into(pattern, content, at, *values)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("at", "pattern", "values", "message"),
    [
        (40, "<8h", (4, 6, 5, 4, 3, 1, 1, 1), "expected three"),
        (40, "<8h", (3, 0, 5, 4, 1, 1, 1, 1), "expected at least one"),
        (40, "<8h", (3, -6, 5, 4, 1, 1, 1, 1), "expected"),
        (40, "<8h", (0, 6, 5, 4, 1, 1, 1, 1), "found 0 axes in the header, expected three; the header is damaged"),
        (280, "<12f", (5.7e-41, 0, 0, 0, 0, 5.7e-41, 0, 0, 0, 0, 5.7e-41, 0), "the header is damaged"),
        (280, "<12f", (1e20, 0, 0, 0, 0, 1e20, 0, 0, 0, 0, 1e20, 0), "the header is damaged"),
        (40, "<8h", (3, 600, 5, 4, 1, 1, 1, 1), "truncated"),
        (40, "<8h", (3, 32767, 32767, 32767, 1, 1, 1, 1), "expected at least"),
        (70, "<h", (77,), "makes no sense|cannot be read"),
        (70, "<h", (128,), "expected grey values"),
        (108, "<f", (1e9,), "truncated"),
        (108, "<f", (np.nan,), "cannot be read"),
        (280, "<4f", (0, 0, 0, 0), "span no space"),
        (0, "<i", (349,), "expected the header"),
        (344, "<4s", (b"abcd",), "expected the header"),
    ],
)
def test_headers_that_lie(at, pattern, values, message, tmp_path):
    with pytest.raises(InputError, match=message) as fault:
        open_nifti(patched(write(tmp_path / "lie.nii"), at, pattern, *values))
    assert "lie.nii" in str(fault.value)


def test_a_compressed_lie_costs_nothing(tmp_path):
    write(tmp_path / "a.nii")
    content = patched(tmp_path / "a.nii", 40, "<8h", 3, 2000, 2000, 2000, 1, 1, 1, 1).read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(content))
    with pytest.raises(InputError, match="the header is damaged"):
        open_nifti(tmp_path / "b.nii.gz")


def test_a_compressed_file_that_is_cut_is_said_to_be_cut(tmp_path):
    """Its last bytes are no length then."""
    labels = np.random.default_rng(0).integers(0, 99, (9, 50, 60)).astype(np.uint16)
    path = write(tmp_path / "a.nii.gz", labels)
    for share in (0.3, 0.5, 0.9):
        (tmp_path / "cut.nii.gz").write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        with pytest.raises(
            InputError, match=r"cut\.nii\.gz: found [\d,]+ bytes .*expected 54,000 .*truncated"
        ) as fault:
            open_nifti(tmp_path / "cut.nii.gz")
        assert "damaged" not in str(fault.value)
        assert "found 0 bytes" not in str(fault.value)


def test_a_header_without_its_voxels(tmp_path):
    write(tmp_path / "a.img", kind=nibabel.Nifti1Pair)
    (tmp_path / "a.img").unlink()
    with pytest.raises(InputError, match=r"expected a\.img beside it"):
        open_nifti(tmp_path / "a.hdr")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nifti")
    return [write(folder / "a.nii"), write(folder / "a.nii.gz"), write(folder / "b.nii", kind=nibabel.Nifti2Image)]


@fuzzing
@given(damages())
def test_damaged_files(files, damage):
    for path in files:
        survive(lambda copy: every_slice(open_nifti(copy).volume), path, damage)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize(
    ("axes", "expected"), [((30, 20, 9), "10,800 for the 9 × 20 × 30"), ((1, 1, 1), "2 for the 1 × 1 × 1")]
)
def test_a_slice_more_than_the_header_says_is_told(name, axes, expected, tmp_path):
    labels = np.zeros((10, 20, 30), np.uint16)
    content = patched(write(tmp_path / "a.nii", labels), 40, "<8h", 3, *axes, 1, 1, 1, 1).read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    with pytest.raises(InputError, match=rf"found 12,000 bytes .* expected {expected} voxels of uint16"):
        open_nifti(tmp_path / name)
