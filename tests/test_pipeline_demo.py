"""The demo's folder: nothing of anybody else is touched, and a demo that was cut off goes on."""

import shutil

import numpy as np
import pytest

from famous.errors import InputError
from famous.files import PARTIAL_SUFFIX
from famous.io.stacks import open_stack
from famous.io.tables import read_parquet
from famous.pipeline import demo
from famous.pipeline.demo import PHANTOM, draw_run, run_demo
from famous.pipeline.stage import Session
from famous.synthetic import Phantom, PhantomParams
from famous.voxels import VoxelSize
from tests.cells import write_cell
from tests.test_pipeline import Log

HALF = f".cell.tif.{'0' * 32}{PARTIAL_SUFFIX}.tif"


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Let the demo's cell be the cell of the tests, and its picture be a file; counts what was made."""
    made = []
    (tmp_path / "source").mkdir()
    source = write_cell(tmp_path / "source")

    def write_stack(path, session):
        made.append("stack")
        shutil.copy(source, path)

    monkeypatch.setattr(demo, "_write_stack", write_stack)
    monkeypatch.setattr(demo, "draw_run", lambda project, path: (made.append("picture"), path.write_bytes(b"png")))
    return made


@pytest.mark.usefixtures("know_all")
def test_a_demo_makes_what_it_names_and_the_second_time_only_the_picture(tmp_path, quick):
    folder = tmp_path / "a b" / "démo"
    made = run_demo(folder, Session())
    assert set(made) == {"stack", "meshes", "table", "labels", "picture"}
    assert all(path.exists() and folder in path.parents for path in made.values())
    log = Log()
    assert run_demo(folder, Session(log)) == made
    assert log.worked() == []
    assert quick == ["stack", "picture", "picture"]


@pytest.mark.parametrize("name", ["thesis.tex", "movie.partial", f"x.{PARTIAL_SUFFIX}", "sub/a.partial", ".hidden"])
def test_a_folder_of_other_things_is_refused_and_left_as_it_was(tmp_path, quick, name):
    mine = tmp_path / "mine" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(InputError, match="mine: is there and holds something else; name another one with --out"):
        run_demo(tmp_path / "mine", Session())
    assert mine.read_text() == "mine"
    assert quick == []


def test_a_file_in_its_place_is_named(tmp_path, quick):
    (tmp_path / "demo").write_text("mine")
    with pytest.raises(InputError, match="demo: is a file; name a folder with --out"):
        run_demo(tmp_path / "demo", Session())
    assert (tmp_path / "demo").read_text() == "mine"


@pytest.mark.usefixtures("know_all")
@pytest.mark.parametrize("left", [[], [HALF]])
def test_an_empty_folder_or_one_of_a_killed_demo_is_taken(tmp_path, quick, left):
    folder = tmp_path / "demo"
    folder.mkdir()
    for name in left:
        (folder / name).write_bytes(b"half")
    run_demo(folder, Session())
    assert sorted(path.name for path in folder.iterdir()) == ["cell.famous", "cell.tif", "overview.png"]


def test_the_stack_is_the_phantom_with_its_voxel_size(tmp_path, monkeypatch):
    small = PhantomParams(shape=(3, 24, 32), voxel_size=VoxelSize(20, 8, 9), seed=2, nucleus_radius_nm=0)
    monkeypatch.setattr(demo, "PHANTOM", small)
    log = Log()
    demo._write_stack(tmp_path / "cell.tif", Session(log))
    opened = open_stack(tmp_path / "cell.tif")
    assert opened.stack.voxel_size.is_close(small.voxel_size)
    assert (np.stack([opened.stack.grey(z) for z in range(3)]) == np.stack(list(Phantom(small)))).all()
    assert log.said[0] == ("begin", "generate", 3)
    assert log.said[-1][1:] == ("generate", f"3 slices of a phantom cell in {tmp_path / 'cell.tif'}")


def test_a_stack_that_was_cut_off_leaves_no_stack(tmp_path, monkeypatch):
    class Killed(Phantom):
        def __getitem__(self, z):
            if z == 1:
                raise KeyboardInterrupt
            return super().__getitem__(z)

    small = PhantomParams(shape=(3, 16, 16), nucleus_radius_nm=0)
    monkeypatch.setattr(demo, "PHANTOM", small)
    monkeypatch.setattr(demo, "Phantom", Killed)
    with pytest.raises(KeyboardInterrupt):
        demo._write_stack(tmp_path / "cell.tif", Session())
    assert list(tmp_path.iterdir()) == []


def test_the_demos_cell_holds_what_its_detector_knows():
    assert PHANTOM.seed != 0
    assert PHANTOM.nucleus_nm > 0
    assert min(PHANTOM.mitochondria, PHANTOM.early_endosomes, PHANTOM.late_endosomes, PHANTOM.lysosomes) > 0


def test_the_picture_can_be_of_any_slice(finished, tmp_path):
    for z in (None, 0):
        draw_run(finished, tmp_path / f"{z}.png", z=z)
    pictures = {path.read_bytes() for path in tmp_path.iterdir()}
    assert len(pictures) == 2
    assert all(content.startswith(b"\x89PNG") for content in pictures)


@pytest.mark.parametrize(
    ("slices", "expected"),
    [([], 5), ([0], 0), ([9], 9), ([2, 8], 2), ([0, 0, 0, 9], 0), ([3, 7, 7, 7, 7], 7), ([1] * 20 + [5] * 17, 5)],
)
def test_the_slice_of_the_picture_has_many_boxes_and_is_near_the_middle(finished, slices, expected):
    boxes = read_parquet(finished.boxes).iloc[: len(slices)]
    assert demo._telling_slice(boxes.assign(z=slices), 10) == expected
