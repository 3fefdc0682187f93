"""Files and folders of labels, written by the real libraries, and their classes; damaged ones are told."""

from pathlib import Path

import h5py
import mrcfile
import nibabel
import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given
from PIL import Image

from famous.errors import InputError
from famous.io.label_store import LabelStore
from famous.io.truth_files import Reading, open_labels
from famous.io.volumes import write_label_tiff
from famous.labels import are_equivalent
from famous.voxels import VoxelSize
from tests.amira_files import write_amira
from tests.damage import damages, every_slice, fuzzing, survive

SIZE = VoxelSize(30, 4, 5)
LABELS = np.zeros((4, 20, 30), np.uint32)
LABELS[:3, 2:8, 3:9] = 2
LABELS[1:, 10:18, 12:25] = 300
MASK = (LABELS > 0).astype(np.uint8)


def labels_of(opened, name="object"):
    return every_slice(opened.classes.volumes[name])


def write_tiff(path: Path, labels=LABELS):
    write_label_tiff(path, labels.astype(np.uint32), labels.shape, SIZE)
    return path


def write_mrc(path: Path):
    with mrcfile.new(path) as file:
        file.set_data(LABELS.astype(np.uint16))
        file.voxel_size = (50, 40, 300)
    return path


def write_hdf5(path: Path, name="labels"):
    with h5py.File(path, "w") as file:
        file.create_dataset(name, data=LABELS).attrs["element_size_um"] = (0.03, 0.004, 0.005)
    return path


def write_nifti(path: Path):
    image = nibabel.Nifti1Image(LABELS.T.astype(np.uint16), np.diag([0.005, 0.004, 0.03, 1]))
    image.header.set_xyzt_units("micron")
    nibabel.save(image, path)
    return path


def multiscales(scale=(30, 4, 5)):
    axes = [{"name": axis, "type": "space", "unit": "nanometer"} for axis in "zyx"]
    transform = [{"type": "scale", "scale": list(scale)}]
    return {
        "version": "0.5",
        "multiscales": [{"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": transform}]}],
    }


def write_zarr(path: Path, classes=("Mitochondria", "lysosome")):
    """An image with labels, as OME-Zarr 0.5 has it."""
    root = zarr.open_group(str(path), mode="w", attributes={"ome": multiscales()})
    root.create_array("0", data=np.full(LABELS.shape, 99, np.uint8))
    root.create_group("labels", attributes={"ome": {"labels": list(classes)}})
    for number, name in enumerate(classes):
        group = root.create_group(f"labels/{name}", attributes={"ome": multiscales()})
        group.create_array("0", data=LABELS * np.uint32(number + 1))
    return path


@pytest.mark.parametrize(
    ("write", "name", "kind"),
    [
        (write_tiff, "a.tif", "TIFF"),
        (write_mrc, "a.mrc", "MRC"),
        (write_hdf5, "a.h5", "HDF5:/labels"),
        (write_nifti, "a.nii.gz", "NIfTI 1"),
    ],
)
def test_one_volume(write, name, kind, tmp_path):
    opened = open_labels(write(tmp_path / name), Reading())
    assert np.array_equal(labels_of(opened), LABELS)
    assert opened.shape == LABELS.shape
    assert opened.format == kind
    assert opened.voxel_size is not None
    assert opened.voxel_size.is_close(SIZE)
    assert opened.classes.is_semantic == frozenset()


def test_a_grey_image_is_no_truth(tmp_path):
    image = np.random.default_rng(0).normal(128, 12, (4, 64, 64)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "raw.tif", image, photometric="minisblack")
    with pytest.raises(InputError, match=r"raw\.tif: found a grey image .*expected labels: a number per object"):
        open_labels(tmp_path / "raw.tif", Reading())


def test_how_white_is_stored_is_no_matter_of_labels(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", MASK.astype(bool), photometric="miniswhite")
    opened = open_labels(tmp_path / "a.tif", Reading())
    assert not any("--invert" in note for note in opened.notes)
    assert are_equivalent(labels_of(opened), LABELS)


def test_ids_of_64_bits(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("ids", data=LABELS.astype(np.uint64) << np.uint64(40))
        file.create_dataset("other", data=LABELS[1:])
    opened = open_labels(f"{tmp_path}/a.h5:/ids", Reading())
    assert labels_of(opened).dtype == np.uint64
    assert np.array_equal(labels_of(opened) >> 40, LABELS)
    with pytest.raises(InputError, match="2 datasets"):
        open_labels(tmp_path / "a.h5", Reading())


def test_the_dataset_names_the_class(tmp_path):
    opened = open_labels(
        f"{write_hdf5(tmp_path / 'a.h5', 'truth/mito')}:/truth/mito", Reading(classes=["mitochondrion", "ER"])
    )
    assert list(opened.classes.volumes) == ["mitochondrion"]


def test_a_folder_of_slices(tmp_path):
    for z, image in enumerate(LABELS):
        Image.fromarray((image > 0).astype(np.uint8) * 255).save(tmp_path / f"z{z:03d}.png")
    (tmp_path / "classes.csv").write_text("id,class\n255,nucleus\n")
    opened = open_labels(tmp_path, Reading())
    assert opened.format == "folder of PNG"
    assert opened.voxel_size is None
    assert opened.classes.is_semantic == {"nucleus"}
    assert are_equivalent(labels_of(opened, "nucleus"), LABELS)


def test_a_class_table_beside_a_file_or_given(tmp_path):
    write_tiff(tmp_path / "a.tif")
    opened = open_labels(tmp_path / "a.tif", Reading(table={2: "lysosome", 300: "ER"}))
    assert opened.classes.is_semantic == {"ER", "lysosome"}
    (tmp_path / "a.csv").write_text("id,class\n2,lysosome\n300,lysosome\n5,ER\n")
    opened = open_labels(tmp_path / "a.tif", Reading())
    assert opened.classes.is_semantic == frozenset()
    assert np.array_equal(labels_of(opened, "lysosome"), LABELS)
    assert not labels_of(opened, "ER").any()


@pytest.mark.parametrize("kind", ["files", "folders", "mixed"])
def test_a_file_or_a_folder_a_class(kind, tmp_path):
    write_tiff(tmp_path / "mito.tif")
    if kind == "files":
        write_tiff(tmp_path / "lysosomes.tif", MASK)
    else:
        (tmp_path / "lysosomes").mkdir()
        for z, image in enumerate(MASK):
            tifffile.imwrite(tmp_path / "lysosomes" / f"{z}.tif", image)
    if kind == "mixed":
        write_nifti(tmp_path / "ER.nii.gz")
    opened = open_labels(tmp_path, Reading(classes=["mitochondrion", "lysosome"]))
    names = ["lysosome", "mitochondrion"] + (["ER"] if kind == "mixed" else [])
    assert sorted(opened.classes.volumes) == sorted(names)
    assert np.array_equal(labels_of(opened, "mitochondrion"), LABELS)
    assert are_equivalent(labels_of(opened, "lysosome"), LABELS)
    assert opened.classes.is_semantic == {"lysosome"}
    assert opened.voxel_size is not None
    assert opened.voxel_size.is_close(SIZE)
    assert "mito is taken as mitochondrion" in opened.notes


def test_sub_folders_alone(tmp_path):
    for name in ("nuclei", "ER"):
        (tmp_path / name).mkdir()
        for z, image in enumerate(MASK):
            tifffile.imwrite(tmp_path / name / f"{z}.tif", image * 255)
    opened = open_labels(tmp_path, Reading(classes=["nucleus"]))
    assert sorted(opened.classes.volumes) == ["ER", "nucleus"]


def test_one_slice_with_a_file_a_class(tmp_path):
    for name in ("mito", "lyso"):
        tifffile.imwrite(tmp_path / f"{name}.tif", LABELS[1].astype(np.uint16))
    assert sorted(open_labels(tmp_path, Reading()).classes.volumes) == ["lyso", "mito"]


def test_classes_of_other_sizes(tmp_path):
    write_tiff(tmp_path / "mito.tif")
    write_tiff(tmp_path / "lyso.tif", LABELS[:3])
    with pytest.raises(InputError, match=r"mito of \(4, 20, 30\) voxels .* expected \(3, 20, 30\) as lyso"):
        open_labels(tmp_path, Reading())
    write_label_tiff(tmp_path / "lyso.tif", LABELS, LABELS.shape, VoxelSize(30, 8, 8))
    with pytest.raises(InputError, match="mito with voxels of"):
        open_labels(tmp_path, Reading())


def test_two_files_of_a_class(tmp_path):
    write_tiff(tmp_path / "mito.tif")
    write_tiff(tmp_path / "mitochondria.tif")
    with pytest.raises(InputError, match="'mitochondrion' in several files"):
        open_labels(tmp_path, Reading(classes=["mitochondrion"]))


def test_labels_of_an_ome_zarr(tmp_path):
    opened = open_labels(write_zarr(tmp_path / "a.ome.zarr"), Reading(classes=["mitochondrion"]))
    assert sorted(opened.classes.volumes) == ["lysosome", "mitochondrion"]
    assert np.array_equal(labels_of(opened, "mitochondrion"), LABELS)
    assert np.array_equal(labels_of(opened, "lysosome"), 2 * LABELS)
    assert opened.voxel_size == SIZE
    one = open_labels(f"{tmp_path}/a.ome.zarr:/labels/lysosome", Reading())
    assert np.array_equal(every_slice(next(iter(one.classes.volumes.values()))), 2 * LABELS)


def test_a_translation_is_where_labels_begin(tmp_path):
    path = write_zarr(tmp_path / "a.ome.zarr", ("mito",))
    group = zarr.open_group(str(path / "labels" / "mito"), mode="r+")
    ome = multiscales()
    ome["multiscales"][0]["coordinateTransformations"] = [
        {"type": "scale", "scale": [2, 2, 2]},
        {"type": "translation", "translation": [1, 2, 3]},
    ]
    ome["multiscales"][0]["datasets"][0]["coordinateTransformations"].append(
        {"type": "translation", "translation": [30, 20, 10]}
    )
    group.update_attributes({"ome": ome})
    opened = open_labels(path, Reading())
    assert opened.voxel_size == VoxelSize(60, 8, 10)
    assert opened.origin_nm == (61.0, 42.0, 23.0)


def test_the_only_labels_of_an_ome_zarr(tmp_path):
    opened = open_labels(write_zarr(tmp_path / "a.ome.zarr", ("mito",)), Reading(classes=["mitochondrion", "ER"]))
    assert list(opened.classes.volumes) == ["mitochondrion"]
    assert np.array_equal(labels_of(opened, "mitochondrion"), LABELS)


def test_a_run(tmp_path):
    store = LabelStore.create(tmp_path / "labels.ome.zarr", ["mitochondrion", "ER"], LABELS.shape, SIZE)
    for z, image in enumerate(LABELS):
        store.write_labels("mitochondrion", z, image)
        store.write_boxes("mitochondrion", z, image)
    opened = open_labels(tmp_path / "labels.ome.zarr", Reading())
    assert list(opened.classes.volumes) == ["mitochondrion", "ER"]
    assert opened.classes.is_semantic == frozenset()
    assert np.array_equal(labels_of(opened, "mitochondrion"), LABELS)
    assert not labels_of(opened, "ER").any()
    assert opened.voxel_size == SIZE


def test_materials_of_amira(tmp_path):
    labels = (MASK + (LABELS == 300)).astype(np.uint8)
    path = write_amira(tmp_path / "a.am", labels, materials=("Mito", "ER"), encoding="rle")
    opened = open_labels(path, Reading(unit="nm", classes=["mitochondrion", "ER"]))
    assert opened.classes.is_semantic == {"mitochondrion", "ER"}
    assert np.array_equal(labels_of(opened, "ER"), LABELS == 300)
    opened = open_labels(path, Reading(unit="nm", table={1: "lysosome", 7: "nucleus"}))
    assert list(opened.classes.volumes) == ["Mito", "ER"]  # a table is for labels that name no class themselves
    assert opened.notes == ("a.am names its classes itself (Mito, ER); --class-table is for labels that do not",)
    write_amira(path, labels, materials=("Mito1", "Mito2"))
    opened = open_labels(path, Reading(unit="nm"))
    assert opened.classes.is_semantic == frozenset()
    assert np.array_equal(labels_of(opened, "Mito"), labels)


def test_what_holds_no_ids(tmp_path):
    with pytest.raises(InputError, match="nothing there"):
        open_labels(tmp_path / "none.tif", Reading())
    with pytest.raises(InputError, match="expected slices"):
        open_labels(tmp_path, Reading())
    tifffile.imwrite(tmp_path / "a.tif", LABELS.astype(np.float32) + 0.5)
    with pytest.raises(InputError, match=r"a\.tif, slice 0: .*whole numbers"):
        open_labels(tmp_path / "a.tif", Reading())


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels")
    return [write_tiff(folder / "a.tif"), write_mrc(folder / "a.mrc"), write_hdf5(folder / "a.h5")]


def read(path):
    return [every_slice(volume) for volume in open_labels(path, Reading()).classes.volumes.values()]


@fuzzing
@given(damages())
def test_damaged_files(files, damage):
    for path in files:
        survive(read, path, damage)


@fuzzing
@given(damages())
def test_damaged_stores(tmp_path_factory, damage):
    """A store with one of its files damaged: metadata or chunk."""
    path = write_zarr(tmp_path_factory.mktemp("store") / "a.ome.zarr", ("mito",))
    for file in sorted(path.rglob("*")):
        if not file.is_file():
            continue
        whole = file.read_bytes()
        file.write_bytes(damage(whole))
        try:
            read(path)
        except InputError as fault:
            assert "a.ome.zarr" in str(fault)  # noqa: PT017
        file.write_bytes(whole)


def write_datasets(path: Path):
    """Two classes, a dataset each, as OME-Zarr has them in its labels."""
    with h5py.File(path, "w") as file:
        for name, data in (("seg/Mitochondria", LABELS), ("seg/lysosome", MASK)):
            file.create_dataset(name, data=data).attrs["element_size_um"] = (0.03, 0.004, 0.005)
    return path


def test_datasets_of_one_shape_are_classes(tmp_path):
    path = write_datasets(tmp_path / "two.h5")
    opened = open_labels(path, Reading(classes=("mitochondrion", "lysosome")))
    assert sorted(opened.classes.volumes) == ["lysosome", "mitochondrion"]
    assert np.array_equal(labels_of(opened, "mitochondrion"), LABELS)
    assert opened.classes.is_semantic == {"lysosome"}
    assert opened.voxel_size == SIZE
    assert opened.stem is None


@pytest.mark.parametrize("inside", ["/seg/Mitochondria", "seg/Mitochondria"])
def test_one_of_several_datasets_is_the_class_of_its_name(inside, tmp_path):
    opened = open_labels(f"{write_datasets(tmp_path / 'two.h5')}:{inside}", Reading())
    assert list(opened.classes.volumes) == ["Mitochondria"]
    assert opened.stem == "Mitochondria"
    with pytest.raises(InputError, match="no dataset /golgi"):
        open_labels(f"{tmp_path / 'two.h5'}:/golgi", Reading())
