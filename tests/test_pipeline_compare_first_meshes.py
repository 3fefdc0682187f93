"""A folder of meshes as the first source: on the voxels of another one, or on a grid that encloses all."""

from dataclasses import replace

import numpy as np
import pytest
import tifffile

from famous.compare.metrics import ONE_TO_ONE
from famous.errors import InputError
from famous.io.meshes import write_mesh
from famous.io.truths import Placing
from famous.pipeline import compare as module
from famous.pipeline.compare import Output, run_compare
from famous.pipeline.compare_first_meshes import lay_meshes
from famous.pipeline.compare_sources import Asked
from famous.pipeline.stage import Session
from famous.voxels import VoxelSize
from tests.compare_scenes import write_labels
from tests.solids import ball_mesh

SIZE = VoxelSize(40, 8, 8)
SHAPE = (20, 128, 128)
#: Middles of balls of 100 nm; the first four lie in one corner.
PLACES = [(z, y, x) for z in (200, 600) for y in (200, 500, 850) for x in (200, 500, 850)]
FEW = [place for place in PLACES if place[1] < 600 and place[2] < 600 and place[0] < 400]


def write_meshes(folder, places, shift=0.0):
    (folder / "mito").mkdir(parents=True)
    for number, place in enumerate(places, start=1):
        write_mesh(folder / "mito" / f"mito{number}.stl", ball_mesh(100.0, tuple(at + shift for at in place)))
    return str(folder)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "write_report", lambda path, *_: path.write_text("report"))


def write_volume(path, places):
    z, y, x = np.ix_(*((np.arange(n) + 0.5) * s for n, s in zip(SHAPE, SIZE.zyx, strict=True)))
    volume = np.zeros(SHAPE, dtype=np.uint16)
    for number, (z0, y0, x0) in enumerate(places, start=1):
        volume[(z - z0) ** 2 + (y - y0) ** 2 + (x - x0) ** 2 <= 100.0**2] = number
    return str(write_labels(path, volume, SIZE))


def found(paths, out, **changes):
    """True and false positives, and false negatives."""
    made = run_compare(Asked(tuple(paths), **changes), Output(out, meshes=False), Session()).comparison
    table = made.detection
    row = table[(table["threshold"] == 0.5) & (table["matching"] == ONE_TO_ONE)].iloc[0]
    return made, (row["tp"], row["fp"], row["fn"])


def test_meshes_first_and_voxels_first_differ_in_who_is_on_trial_alone(tmp_path):
    meshes, truth = write_meshes(tmp_path / "mf", FEW), write_volume(tmp_path / "truth.tif", PLACES)
    made, counts = found((meshes, truth), tmp_path / "a")
    assert counts == (4, 0, 14)
    assert made.grid.shape == SHAPE
    assert "mf: meshes have no voxels of their own; they are laid on those of truth" in made.notes
    assert found((truth, meshes), tmp_path / "b")[1] == (4, 14, 0)


def test_meshes_may_reach_beyond_a_truth_that_is_placed_as_a_part(tmp_path):
    meshes = write_meshes(tmp_path / "mf", PLACES)
    whole = tifffile.imread(write_volume(tmp_path / "truth.tif", PLACES))
    crop = str(write_labels(tmp_path / "crop.tif", np.ascontiguousarray(whole[10:, 48:80, 48:80]), SIZE))
    placing = Placing(offset_nm=(400.0, 384.0, 384.0))
    made, counts = found((meshes, crop), tmp_path / "a", placing=placing)
    assert counts == (1, 0, 0)
    assert any("beyond the stack; they are cut there" in note for note in made.notes)
    with pytest.raises(InputError, match="cannot be meant"):
        found((meshes, crop), tmp_path / "b")


def test_meshes_alone_are_on_a_grid_that_encloses_them_all(tmp_path):
    few, all_of = write_meshes(tmp_path / "few", FEW), write_meshes(tmp_path / "all", PLACES)
    placing = Placing(SIZE)
    made, counts = found((few, all_of), tmp_path / "a", placing=placing)
    assert counts == (4, 0, 14)
    assert "all sources are meshes: the grid encloses all of them" in made.notes
    assert found((all_of, few), tmp_path / "b", placing=placing)[1] == (4, 14, 0)


def test_meshes_that_lie_apart_are_refused(tmp_path):
    one, other = write_meshes(tmp_path / "one", FEW), write_meshes(tmp_path / "other", FEW, shift=5000.0)
    with pytest.raises(InputError, match=r"other .* and one .*: they have no place in common"):
        lay_meshes(("one", "other"), (one, other), Placing(SIZE), None)


def test_the_unit_is_that_of_the_meshes_where_no_other_file_has_a_use_for_it(tmp_path):
    folder = tmp_path / "nm" / "mito"
    folder.mkdir(parents=True)
    for number, place in enumerate(FEW, start=1):
        mesh = ball_mesh(100.0, place)
        write_mesh(folder / f"mito{number}.ply", replace(mesh, vertices=mesh.vertices * 1000))
    paths = (str(tmp_path / "nm"), write_volume(tmp_path / "truth.tif", PLACES))
    assert found(paths, tmp_path / "a", placing=Placing(unit="nm"))[1] == (4, 0, 14)


def test_boxes_have_no_voxels_that_meshes_could_be_laid_on(tmp_path):
    (tmp_path / "yolo").mkdir()
    (tmp_path / "yolo" / "s_0001.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    paths = (write_meshes(tmp_path / "mf", FEW), str(tmp_path / "yolo"))
    assert lay_meshes(("mf", "yolo"), paths, Placing(SIZE), None) is None
