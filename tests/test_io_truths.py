"""Truth of every format as one noun: what it is, where it lies, and how several come together."""

import json
import pickle

import nibabel
import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import given

from famous import boxes as box_table
from famous.errors import InputError
from famous.io.annotations import Annotations, write_boxes
from famous.io.grids import Grid
from famous.io.meshes import write_mesh
from famous.io.truths import Placing, bring_together, open_truth, read_table
from famous.io.volumes import read_label_volume, write_label_tiff
from famous.labels import are_equivalent
from famous.voxels import VoxelSize
from tests.amira_files import write_amira
from tests.damage import damages, every_slice, fuzzing, survive
from tests.solids import ball_mesh
from tests.test_io_truth_files import LABELS, MASK, SIZE, write_hdf5, write_mrc, write_nifti, write_tiff, write_zarr

GRID = Grid(LABELS.shape, SIZE)


def read(truth, name):
    return every_slice(truth.classes[name])


def test_one_cell_in_every_format(tmp_path):
    """The same labels in six files come together without a word, but for the classes' names."""
    paths = [write_tiff(tmp_path / "a.tif"), write_mrc(tmp_path / "a.mrc"), write_hdf5(tmp_path / "a.h5")]
    paths += [
        write_nifti(tmp_path / "a.nii.gz"),
        write_amira(tmp_path / "a.am", LABELS.astype(np.int32), sizes=SIZE.zyx),
    ]
    (tmp_path / "store").mkdir()
    paths.append(write_zarr(tmp_path / "store" / "a.ome.zarr", ("object",)))
    placing = {".am": Placing(unit="nm")}  # the others say it
    truths = [open_truth(path, name=path.suffix, like=GRID, placing=placing.get(path.suffix)) for path in paths]
    together, grid, notes = bring_together(truths)
    assert grid == GRID
    assert notes == ()
    for truth in together:
        assert np.array_equal(read(truth, "object"), LABELS)
        assert truth.shape == LABELS.shape
        assert truth.boxes is None
        assert truth.path.endswith(truth.name)
        assert np.array_equal(every_slice(pickle.loads(pickle.dumps(truth.classes["object"]))), LABELS)


def test_a_mask_says_that_it_was_one(tmp_path):
    truth = open_truth(write_tiff(tmp_path / "a.tif", MASK), name="M1", classes=["nucleus"])
    assert truth.is_semantic == {"nucleus"}
    assert are_equivalent(read(truth, "nucleus"), LABELS)
    assert "connected pieces" in truth.notes[-1]


def test_a_class_table_of_the_user(tmp_path):
    (tmp_path / "table.csv").write_text("id,class\n2,lysosome\n300,ER\n")
    table = read_table(tmp_path / "table.csv")
    truth = open_truth(write_tiff(tmp_path / "a.tif"), name="M1", table=table)
    assert sorted(truth.classes) == ["ER", "lysosome"]


@pytest.mark.parametrize("rows", ["", "0,background\n"])
def test_a_class_table_without_a_class(rows, tmp_path):
    (tmp_path / "table.csv").write_text(f"id,class\n{rows}")
    with pytest.raises(
        InputError, match=r"table\.csv: found no row with an id above 0, expected ids and their classes"
    ):
        read_table(tmp_path / "table.csv")


def test_the_ignored_stays(tmp_path):
    labels = MASK.astype(np.uint32)
    labels[:, :2] = 9
    truth = open_truth(write_tiff(tmp_path / "a.tif", labels), name="M1", placing=Placing(ignore=9))
    assert np.array_equal(read(truth, "object") == 9, labels == 9)
    assert len(np.unique(read(truth, "object"))) == 4


def test_the_voxel_size_of_the_user_wins(tmp_path):
    truth = open_truth(write_tiff(tmp_path / "a.tif"), name="M1", placing=Placing(VoxelSize(10, 2, 2)))
    assert truth.voxel_size == VoxelSize(10, 2, 2)
    assert "the option wins" in truth.notes[0]


def test_no_voxel_size(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", LABELS.astype(np.uint16), photometric="minisblack")
    truth = open_truth(tmp_path / "a.tif", name="M1", like=Grid(LABELS.shape, SIZE, (30.0, 0.0, 0.0)))
    assert truth.grid == Grid(LABELS.shape, SIZE, (30.0, 0.0, 0.0))
    assert "as many voxels as the stack" in truth.notes[-1]
    with pytest.raises(InputError, match=r"a\.tif: found \(4, 20, 30\) voxels .* --voxel-size Z Y X$") as fault:
        open_truth(tmp_path / "a.tif", name="M1")
    assert "unit" not in str(fault.value)
    with pytest.raises(InputError, match="not as many voxels as 5 × 20 × 30"):
        open_truth(tmp_path / "a.tif", name="M1", like=Grid((5, 20, 30), SIZE))


def test_amira_without_a_unit(tmp_path):
    path = write_amira(tmp_path / "a.am", LABELS.astype(np.int32), sizes=(0.03, 0.004, 0.005))
    assert open_truth(path, name="M1", like=GRID).voxel_size == SIZE
    with pytest.raises(InputError, match=r"have no unit.*--voxel-size Z Y X, or the unit of its numbers, --unit$"):
        open_truth(path, name="M1")
    assert open_truth(path, name="M1", placing=Placing(unit="um")).voxel_size.is_close(SIZE)
    path.write_bytes(path.read_bytes().replace(b"BoundingBox 0 ", b"BoundingBox nan "))
    with pytest.raises(InputError, match=r"no bounding box.*--voxel-size Z Y X$"):  # no unit would help
        open_truth(path, name="M1")


def test_a_crop_of_amira_lies_where_its_box_says(tmp_path):
    crop = LABELS[1:, 4:, 5:].astype(np.int32)
    path = write_amira(tmp_path / "a.am", crop, sizes=SIZE.zyx, origin=(30, 16, 25))
    truth = open_truth(path, name="M1", like=GRID, placing=Placing(unit="nm"))
    assert truth.origin_nm == (30.0, 16.0, 25.0)
    (one, two), grid, _ = bring_together([open_truth(write_tiff(tmp_path / "a.tif"), name="A"), truth])
    assert grid.shape == crop.shape
    assert np.array_equal(read(one, "object"), read(two, "object"))


def test_what_amira_resampled_keeps_its_corner(tmp_path):
    """Half the resolution: the first centre lies at half a fine voxel, and the corners meet."""
    coarse = LABELS[::2, ::2, ::2].astype(np.int32)
    sizes = np.array(SIZE.zyx) * 2
    path = write_amira(tmp_path / "a.am", coarse, sizes=sizes, origin=np.array(SIZE.zyx) / 2)
    truth = open_truth(path, name="M1", like=GRID, placing=Placing(unit="nm"))
    assert np.allclose(truth.origin_nm, 0)
    still = open_truth(write_amira(path, coarse, sizes=sizes), name="M1", like=GRID, placing=Placing(unit="nm"))
    assert still.origin_nm == (0.0, 0.0, 0.0)


def test_an_offset_of_the_user_is_kept(tmp_path):
    placing = Placing(offset_nm=(30.0, 0.0, 0.0))
    truths = [
        open_truth(write_tiff(tmp_path / "a.tif"), name="A"),
        open_truth(tmp_path / "a.tif", name="B", placing=placing),
    ]
    (one, two), grid, _ = bring_together(truths)
    assert grid.shape == (3, 20, 30)
    assert np.array_equal(read(one, "object"), LABELS[1:])
    assert np.array_equal(read(two, "object"), LABELS[:-1])


def test_meshes(tmp_path):
    grid = Grid((20, 40, 40), VoxelSize(10, 10, 10))
    write_mesh(tmp_path / "nucleus.stl", ball_mesh(60.0, (100.3, 200.1, 200.7)))
    truth = open_truth(tmp_path, name="M1", like=grid, placing=Placing(unit="um"), classes=["nucleus"])
    assert truth.format == "meshes"
    assert truth.grid == grid
    assert read(truth, "nucleus").sum() == pytest.approx(4 / 3 * np.pi * 6**3, rel=0.03)
    alone = open_truth(tmp_path / "nucleus.stl", name="M1", placing=Placing(VoxelSize(10, 10, 10), "um"))
    assert read(alone, "nucleus").sum() == pytest.approx(4 / 3 * np.pi * 6**3, rel=0.03)
    with pytest.raises(InputError, match=r"expected also the stack .*--voxel-size Z Y X \(nm\)"):
        open_truth(tmp_path, name="M1")


BOXES = box_table.from_columns(
    {"z": [0, 2], "y0": [1, 2], "x0": [1, 2], "y1": [5, 9], "x1": [6, 9], "class_name": ["mito", "ER"]}
)


@pytest.mark.parametrize("format_name", ["coco", "yolo", "csv", "cvat"])
def test_boxes(format_name, tmp_path):
    path = tmp_path / {"coco": "boxes.json", "cvat": "boxes.xml"}.get(format_name, "folder")
    done = Annotations(BOXES, frozenset({0, 2}), ("mito", "ER"))
    write_boxes(path, format_name, done, shape=LABELS.shape)
    truth = open_truth(path, name="M1", like=GRID, classes=["mitochondrion", "ER"])
    assert truth.classes == {}
    assert truth.boxes is not None
    columns = ["z", "y0", "x0", "y1", "x1"]
    pd.testing.assert_frame_equal(truth.boxes[columns], BOXES[columns])
    assert truth.boxes["class_name"].tolist() == ["mitochondrion", "ER"]
    assert "labelled slices: 0, 2" in truth.notes[-1]
    with pytest.raises(InputError, match="which was run: `famous compare STACK --truth A --truth B`"):
        open_truth(path, name="M1")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none", "found nothing there"),
        ("empty", "expected slices"),
        ("a.xyz", "unknown kind"),
        ("b.tif", "empty file"),
        ("c.json", "expected COCO"),
        ("d.stl", "found 3 bytes"),
        ("none.ply", "found nothing there"),
        ("d.am", "expected # AmiraMesh"),
    ],
)
def test_what_is_no_truth(name, message, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.xyz").write_bytes(b"hello")
    (tmp_path / "b.tif").write_bytes(b"")
    (tmp_path / "c.json").write_text(json.dumps([1]))
    (tmp_path / "d.stl").write_bytes(b"abc")
    (tmp_path / "d.am").write_bytes(b"abc")
    with pytest.raises(InputError, match=message) as fault:
        open_truth(tmp_path / name, name="M1", like=GRID)
    assert name in str(fault.value)


@fuzzing
@given(damages())
def test_damaged_boxes(tmp_path_factory, damage):
    path = tmp_path_factory.mktemp("boxes") / "a.json"
    write_boxes(path, "coco", Annotations(BOXES, frozenset({0, 2}), ("mito", "ER")), shape=LABELS.shape)
    survive(lambda copy: open_truth(copy, name="M1", like=GRID), path, damage)


def test_real_labels(shared_data):
    folder = shared_data / "urocell" / "fib1-1-0-3"
    truth = open_truth(
        folder, name="M1", classes=["mitochondrion", "lysosome", "Golgi"], placing=Placing(VoxelSize(15, 16, 16))
    )
    assert sorted(truth.classes) == ["Golgi", "lysosome", "mitochondrion"]
    assert "mitochondrion" not in truth.is_semantic
    expected = read_label_volume(folder / "mito.tif").stack
    assert np.array_equal(truth.classes["mitochondrion"][100], expected.grey(100))


def test_a_stack_that_is_truth_of_itself(tmp_path):
    write_label_tiff(tmp_path / "a.tif", LABELS, LABELS.shape, SIZE)
    truth = open_truth(tmp_path / "a.tif", name="A")
    (one, two), _, notes = bring_together([truth, truth])
    assert notes == ()
    assert one.classes["object"] is two.classes["object"]


def write_nifti_in(path, unit, sizes):
    """Write labels with sizes (z, y, x) in a unit of NIfTI."""
    z, y, x = sizes
    image = nibabel.Nifti1Image(LABELS.T.astype(np.uint16), np.diag([x, y, z, 1]))
    image.header.set_xyzt_units(unit)
    nibabel.save(image, path)
    return path


def test_a_wrong_unit_that_cannot_be_meant_is_told(tmp_path):
    path = write_nifti_in(tmp_path / "a.nii", "mm", SIZE.zyx)
    with pytest.raises(InputError, match=r"a\.nii: .*30 × 4 × 5 mm .*cannot be meant.*the unit of its numbers"):
        open_truth(path, name="M1", like=Grid((9, 20, 30), SIZE))
    assert open_truth(path, name="M1", placing=Placing(unit="nm")).voxel_size == SIZE
    lent = open_truth(path, name="M1", like=GRID)
    assert lent.voxel_size == SIZE
    assert any("cannot be meant" in note for note in lent.notes)


def test_a_wrong_unit_that_could_be_meant_is_told_beside_the_stack(tmp_path):
    size = VoxelSize(10, 4, 5)
    write_label_tiff(tmp_path / "a.tif", LABELS, LABELS.shape, size)
    first = open_truth(tmp_path / "a.tif", name="A")
    path = write_nifti_in(tmp_path / "a.nii", "micron", size.zyx)  # numbers in nm
    with pytest.raises(InputError, match=r"a factor of 1000 would explain it: give the unit") as fault:
        bring_together([first, open_truth(path, name="M1", like=first.grid)])
    assert "M1" in str(fault.value)
    wrong = open_truth(path, name="M1", like=first.grid, placing=Placing(unit="mm"))
    with pytest.raises(InputError, match="the likely cause is the unit that was given: --unit mm is taken"):
        bring_together([first, wrong])
    sized = open_truth(path, name="M1", like=first.grid, placing=Placing(VoxelSize(300, 40, 50), "mm"))
    assert sized.given_unit is None  # the size that was given decides


def test_a_spare_unit_is_one_that_was_given(tmp_path):
    path = write_nifti_in(tmp_path / "a.nii", "unknown", SIZE.zyx)
    assert open_truth(path, name="A", placing=Placing(spare_unit="mm")).given_unit == "mm"
    path = write_nifti_in(tmp_path / "b.nii", "micron", (0.03, 0.004, 0.005))
    assert open_truth(path, name="A", placing=Placing(spare_unit="mm")).given_unit is None


def test_masks_of_several_files_keep_the_classes_apart(tmp_path):
    (tmp_path / "truth").mkdir()
    for value, name in ((2, "nuclei"), (300, "ER")):
        write_tiff(tmp_path / "truth" / f"{name}.tif", np.where(value == LABELS, 1, 0))
    truth = open_truth(tmp_path / "truth", name="M1", like=GRID, classes=["nucleus", "ER"])
    assert truth.is_semantic == {"nucleus", "ER"}
    assert np.array_equal(read(truth, "nucleus") > 0, LABELS == 2)
    assert np.array_equal(read(truth, "ER") > 0, LABELS == 300)
