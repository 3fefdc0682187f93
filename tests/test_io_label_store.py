"""The label store: what is written comes back, in the same bytes whatever happened before, after the OME-Zarr rules."""

import hashlib
import os
import pickle
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import zarr

from famous.errors import InputError
from famous.io import label_store
from famous.io.label_store import LabelStore
from famous.io.stacks import open_stack
from famous.voxels import VoxelSize

VOXEL = VoxelSize(30, 4.5, 4)
SHAPE = (6, 700, 1100)


def discs(z: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Label image with three discs whose ids tell the slice; slice 3 is empty."""
    image = np.zeros(shape[1:], np.uint32)
    y, x = np.ogrid[: shape[1], : shape[2]]
    for number in range(3):
        centre = (number + 1) * np.array(shape[1:]) / 4
        image[(y - centre[0]) ** 2 + (x - centre[1]) ** 2 < 40**2] = 100 * z + number + 1
    return image * np.uint32(z != 3)


def create(path: Path, shape: tuple[int, int, int] = SHAPE) -> LabelStore:
    return LabelStore.create(path, ["mitochondrion", "nucleus"], shape, VOXEL)


def fill(store: LabelStore, order: list[int]) -> None:
    for z in order:
        store.write_boxes("nucleus", z, discs(z))
        store.write_labels("nucleus", z, discs(z) // 2)


def tree(path: Path) -> str:
    """Hash of every file's name and content."""
    parts = [(str(file.relative_to(path)), file.read_bytes()) for file in sorted(path.rglob("*")) if file.is_file()]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def test_cleared_labels_read_as_zeros_and_the_boxes_stay(tmp_path: Path) -> None:
    fill(create(tmp_path / "labels.ome.zarr"), [0, 5])
    store = LabelStore.open(tmp_path / "labels.ome.zarr")
    store.clear_labels()
    assert not store.read_labels("nucleus", 5).any()
    assert (store.read_boxes("nucleus", 5) == discs(5)).all()
    fill(store, [0, 5])
    assert tree(tmp_path / "labels.ome.zarr") == tree_of_a_fresh_store(tmp_path / "fresh.ome.zarr", [0, 5])


def tree_of_a_fresh_store(path: Path, order: list[int]) -> str:
    fill(create(path), order)
    return tree(path)


def test_slices_come_back_and_the_rest_is_zero(tmp_path: Path) -> None:
    fill(create(tmp_path / "labels.ome.zarr"), [0, 3, 5])
    store = LabelStore.open(tmp_path / "labels.ome.zarr")
    assert (store.classes, store.shape, store.voxel_size) == (("mitochondrion", "nucleus"), SHAPE, VOXEL)
    for z in range(SHAPE[0]):
        expected = discs(z) if z in (0, 5) else np.zeros(SHAPE[1:], np.uint32)
        np.testing.assert_array_equal(store.read_boxes("nucleus", z), expected)
        np.testing.assert_array_equal(store.read_labels("nucleus", z), expected // 2)
        assert not store.read_labels("mitochondrion", z).any()
        assert store.read_labels("nucleus", z).dtype == np.uint32


def test_crops_are_cut_from_the_volume(tmp_path: Path) -> None:
    store = create(tmp_path / "a")
    fill(store, list(range(6)))
    volume = np.stack([discs(z) // 2 for z in range(6)])
    for z, y, x in [((0, 6), (0, 700), (0, 1100)), ((2, 5), (500, 530), (500, 530)), ((1, 1), (0, 1), (0, 1))]:
        crop = store.read_crop("nucleus", z, y, x)
        np.testing.assert_array_equal(crop, volume[slice(*z), slice(*y), slice(*x)])
    for z, y, x in [((-1, 2), (0, 1), (0, 1)), ((0, 7), (0, 1), (0, 1)), ((0, 1), (5, 4), (0, 1))]:
        with pytest.raises(InputError, match="found the crop"):
            store.read_crop("nucleus", z, y, x)


@pytest.mark.parametrize(
    ("shape", "levels"), [((1, 1, 1), 1), ((2, 1024, 3), 1), ((2, 1025, 3), 2), ((1, 5, 2049), 3), ((2, 700, 1100), 2)]
)
def test_the_pyramid_ends_at_1024(shape: tuple[int, int, int], levels: int, tmp_path: Path) -> None:
    store = create(tmp_path / "a", shape)
    assert store.levels == levels
    image = np.random.default_rng(0).integers(0, 99, shape[1:], np.uint32)
    store.write_labels("nucleus", 0, image)
    for level in range(levels):
        array = zarr.open_array(tmp_path / "a" / "labels" / "nucleus" / str(level), mode="r")
        np.testing.assert_array_equal(array[0], image[:: 2**level, :: 2**level])
    assert not (tmp_path / "a" / "labels" / "nucleus" / str(levels)).exists()
    assert not (tmp_path / "a" / "boxes" / "nucleus" / "1").exists()


def test_one_slice_is_one_file(tmp_path: Path) -> None:
    store = create(tmp_path / "a")
    before = {file for file in tmp_path.rglob("*") if file.is_file()}
    store.write_boxes("nucleus", 4, discs(4))
    (file,) = {file for file in tmp_path.rglob("*") if file.is_file()} - before
    assert file.relative_to(tmp_path / "a").as_posix() == "boxes/nucleus/0/c.4.0.0"  # no folder of its own


@pytest.mark.parametrize(("number", "name"), [(1, "c/1/0/0"), (2, "c.1.0.0")])
def test_a_store_of_an_older_format_is_read_and_written_on(tmp_path: Path, monkeypatch, number: int, name: str) -> None:
    with monkeypatch.context() as before:
        before.setattr(label_store, "FORMAT", number)
        fill(create(tmp_path / "a"), [1])
    assert (tmp_path / "a/boxes/nucleus/0" / name).is_file()
    assert zarr.open_array(tmp_path / "a/boxes/nucleus/0", mode="r").chunks == (1, 512, 512)
    store = LabelStore.open(tmp_path / "a")
    fill(store, [2])
    for z in (1, 2):
        np.testing.assert_array_equal(store.read_boxes("nucleus", z), discs(z))
    store.clear_labels()
    assert not store.read_labels("nucleus", 1).any()
    assert not list((tmp_path / "a/labels").rglob(name))
    with pytest.raises(InputError, match="something else is there"):
        create(tmp_path / "a")


@pytest.mark.parametrize(
    ("sides", "blocks"),
    [((700, 1100), (350, 367)), ((512, 512), (512, 512)), ((513, 1024), (257, 512)), ((9, 3), (9, 3))],
)
def test_blocks_are_even(tmp_path: Path, sides: tuple[int, int], blocks: tuple[int, int]) -> None:
    store = create(tmp_path / "a", (2, *sides))
    image = np.arange(np.prod(sides), dtype=np.uint32).reshape(sides)
    store.write_boxes("nucleus", 1, image)
    assert store.block() == blocks
    array = zarr.open_array(tmp_path / "a/boxes/nucleus/0", mode="r")
    assert array.chunks == (1, *blocks)
    np.testing.assert_array_equal(array[1], image)
    store.write_labels("nucleus", 1, image)
    y, x = (sides[0] // 2, sides[0]), (sides[1] // 3, sides[1])
    np.testing.assert_array_equal(store.read_crop("nucleus", (1, 2), y, x)[0], image[slice(*y), slice(*x)])


def test_the_bytes_do_not_depend_on_what_happened_before(tmp_path: Path) -> None:
    fill(create(tmp_path / "a"), [0, 1, 2, 3, 4, 5])
    restarted = create(tmp_path / "b")
    fill(restarted, [5, 3])
    restarted.write_labels("nucleus", 3, np.ones(SHAPE[1:], np.uint32))  # of a run with other parameters
    restarted.write_boxes("nucleus", 3, np.ones(SHAPE[1:], np.uint32))
    (tmp_path / "b" / "labels" / "nucleus" / "0" / "c.0.0.0.0123.partial").write_bytes(b"half")
    fill(create(tmp_path / "b"), [4, 5, 0, 1, 3, 2])
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def _write_slice(task: tuple[LabelStore, int]) -> None:
    fill(task[0], [task[1]])


def test_processes_write_side_by_side(tmp_path: Path) -> None:
    fill(create(tmp_path / "a"), list(range(6)))
    store = create(tmp_path / "b")
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(_write_slice, [(store, z) for z in range(6)]))
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_a_kill_at_any_moment_leaves_no_trace(tmp_path: Path) -> None:
    fill(create(tmp_path / "a"), list(range(6)))
    code = (
        "import sys; from pathlib import Path; from tests.test_io_label_store import create, fill\n"
        f"store = create(Path({str(tmp_path / 'b')!r})); print('go', flush=True)\n"
        "while True: fill(store, list(range(6)))"
    )
    for delay in (0.0, 0.03, 0.11):
        root = Path(__file__).resolve().parents[1]
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=root) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"go\n"
            time.sleep(delay)
            os.kill(writer.pid, signal.SIGKILL)
    fill(create(tmp_path / "b"), list(range(6)))
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_a_store_whose_making_was_killed_is_made_again(tmp_path: Path) -> None:
    create(tmp_path / "a")
    create(tmp_path / "b")
    (tmp_path / "b" / "zarr.json").unlink()
    (tmp_path / "b" / "labels" / "nucleus" / "zarr.json").unlink()
    create(tmp_path / "b")
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_it_is_valid_ome_zarr(tmp_path: Path) -> None:
    models = pytest.importorskip("ome_zarr_models.v05")
    fill(create(tmp_path / "a"), [1])
    models.Labels.from_zarr(zarr.open_group(tmp_path / "a" / "labels", mode="r"))
    for group, levels in (("labels", 2), ("boxes", 1)):
        image = models.ImageLabel.from_zarr(zarr.open_group(tmp_path / "a" / group / "nucleus", mode="r"))
        scales = image.ome_attributes.multiscales[0]
        assert [axis.unit for axis in scales.axes] == ["nanometer"] * 3
        assert [axis.name for axis in scales.axes] == ["z", "y", "x"]
        assert len(scales.datasets) == levels
        for level, dataset in enumerate(scales.datasets):
            assert dataset.coordinateTransformations[0].scale == [30, 4.5 * 2**level, 4 * 2**level]


def test_the_stack_reader_reads_it(tmp_path: Path) -> None:
    fill(create(tmp_path / "a"), [4])
    opened = open_stack(tmp_path / "a" / "labels" / "nucleus")
    assert opened.stack.voxel_size == VOXEL
    np.testing.assert_array_equal(opened.stack.grey(4), discs(4) // 2)


def test_a_store_travels_to_another_process(tmp_path: Path) -> None:
    store = create(tmp_path / "a")
    fill(store, [1])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(store)).read_boxes("nucleus", 1), discs(1))


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    store = create(tmp_path / "a")
    for z, image in [(6, discs(0)), (-1, discs(0)), (0, discs(0)[:5]), (0, discs(0).astype(np.int64))]:
        with pytest.raises(InputError, match="expected"):
            store.write_labels("nucleus", z, image)
    with pytest.raises(InputError, match="found no class 'golgi'"):
        store.read_boxes("golgi", 0)
    with pytest.raises(InputError, match="found slice 6"):
        store.read_boxes("nucleus", 6)


def test_another_store_or_folder_in_the_way_is_kept(tmp_path: Path) -> None:
    create(tmp_path / "a")
    with pytest.raises(InputError, match="something else is there"):
        create(tmp_path / "a", (6, 700, 1101))
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "final.doc").touch()
    with pytest.raises(InputError, match="something else is there"):
        create(tmp_path / "thesis")
    assert (tmp_path / "thesis" / "final.doc").exists()


@pytest.mark.parametrize("name", ["", "a/b", "..", " x", "zarr.json", "a:b"])
def test_class_names_must_name_folders(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="class"):
        LabelStore.create(tmp_path / "a", [name], SHAPE, VOXEL)
    with pytest.raises(InputError, match="twice"):
        LabelStore.create(tmp_path / "a", ["a", "a"], SHAPE, VOXEL)
    with pytest.raises(InputError, match="at least 1"):
        LabelStore.create(tmp_path / "a", ["a"], (1, 0, 5), VOXEL)


def test_classes_that_would_share_their_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'late endosome' and 'late_endosome'"):
        LabelStore.create(tmp_path / "a", ["late endosome", "late_endosome"], SHAPE, VOXEL)


def test_no_class_is_a_store_too(tmp_path: Path) -> None:
    LabelStore.create(tmp_path / "a", [], SHAPE, VOXEL)
    assert LabelStore.open(tmp_path / "a").classes == ()


@pytest.mark.parametrize("content", [None, "", "{}", '{"attributes": {"famous": {"shape": [1]}}}', "[]"])
def test_what_is_no_store_says_so(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "zarr.json").write_text(content)
    with pytest.raises(InputError, match="expected"):
        LabelStore.open(tmp_path)


def test_a_damaged_slice_says_so(tmp_path: Path) -> None:
    store = create(tmp_path / "a")
    fill(store, [1])
    (file,) = (tmp_path / "a" / "boxes").rglob("c.1.0.0")
    content = file.read_bytes()
    for damaged in (b"", content[:-5], content[: len(content) // 2], bytes(99)):
        file.write_bytes(damaged)
        with pytest.raises(InputError, match="boxes/nucleus"):
            LabelStore.open(tmp_path / "a").read_boxes("nucleus", 1)
