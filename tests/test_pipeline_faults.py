"""What a user, a kill or another process can do to a folder, and that no wrong result comes of it."""

import dataclasses
import shutil

import numpy as np
import pytest
import tifffile

from famous.config import parse
from famous.errors import ConfigError, InputError
from famous.io.label_store import LabelStore
from famous.io.tables import read_csv, read_parquet
from famous.pipeline import link as link_stage
from famous.pipeline import mesh as mesh_module
from famous.pipeline.demo import _telling_slice, run_demo
from famous.pipeline.detect import run_detect
from famous.pipeline.estimate import estimate
from famous.pipeline.export import export
from famous.pipeline.exported import RECORD
from famous.pipeline.extract import run_extract
from famous.pipeline.link import run_link
from famous.pipeline.mesh import run_measure, run_mesh
from famous.pipeline.project import Choices, open_project
from famous.pipeline.run import run
from famous.pipeline.stage import Session
from tests.cells import write_cell
from tests.test_pipeline import Log, tree_hash

pytestmark = pytest.mark.usefixtures("know_all")


class KilledError(BaseException):
    """Stands in for a kill: nothing in the code catches it."""


def changed(project, **knobs):
    """The same project with other knobs of one or more stages."""
    config = project.config
    for stage, values in knobs.items():
        config = dataclasses.replace(config, **{stage: dataclasses.replace(getattr(config, stage), **values)})
    return dataclasses.replace(project, config=config)


def kill_in(monkeypatch, module, block):
    """Let the stage die when it comes to a block."""
    real = module.run_parts

    def dies(parts, work, function, session, **options):
        def work_until(piece):
            if piece == work[min(block, len(work) - 1)]:
                raise KilledError
            return function(piece)

        return real(parts, work, work_until, session, **options)

    monkeypatch.setattr(module, "run_parts", dies)


def test_a_run_made_again_after_a_kill_keeps_no_part_of_the_killed_one(done, monkeypatch):
    before = tree_hash(done.run)
    monkeypatch.setattr(link_stage, "BLOCK", 4)
    with monkeypatch.context() as patch:
        kill_in(patch, link_stage, 3)
        with pytest.raises(KilledError):
            run_link(done, Session(again=True))
    run(done, Session(again=True))
    assert tree_hash(done.run) == before


def test_labels_removed_after_a_kill_are_made_again_whole(done, monkeypatch):
    before = tree_hash(done.run)
    monkeypatch.setattr(link_stage, "BLOCK", 4)
    with monkeypatch.context() as patch:
        kill_in(patch, link_stage, 3)
        with pytest.raises(KilledError):
            run_link(done, Session(again=True))
    shutil.rmtree(done.labels)
    run(done)
    assert tree_hash(done.run) == before


def test_meshes_removed_after_a_kill_are_made_again_whole(done, monkeypatch):
    before = tree_hash(done.run)
    monkeypatch.setattr(mesh_module, "BLOCK", 2)
    with monkeypatch.context() as patch:
        kill_in(patch, mesh_module, 2)
        with pytest.raises(KilledError):
            run_mesh(done, Session(again=True))
    shutil.rmtree(done.meshes)
    run(done)
    assert tree_hash(done.run) == before


def test_a_mesh_that_is_gone_is_noticed(done):
    before = tree_hash(done.run)
    next(done.meshes.rglob("*.ply")).unlink()
    run(done)
    assert tree_hash(done.run) == before


def test_parts_left_after_the_stage_was_noted_are_swept(done):
    left = done.parts("measure") / "abc"
    left.mkdir(parents=True)
    run(done)
    assert not done.parts("measure").exists()


@pytest.mark.parametrize("work", [run_extract, run_link, run_mesh, run_measure])
def test_a_stage_on_stale_input_says_which_command_mends_it(done, work):
    other = changed(done, detect={"score": 0.2})
    with pytest.raises(InputError, match=r"'detect' is out of date.*run `famous detect"):
        work(other, Session())
    with pytest.raises(InputError, match="out of date"):
        export(other, "csv")


def test_another_voxel_size_makes_the_run_stale(done):
    other = open_project(str(done.folder.parent / "cell.tif"), Choices(voxel_size=(4, 4, 4)))
    with pytest.raises(InputError, match="out of date"):
        run_measure(other, Session())


def test_a_stack_that_was_replaced_is_windowed_anew(done):
    path = done.folder.parent / "cell.tif"
    dark = tifffile.imread(path).astype(np.uint16) * 40 + 10_000
    tifffile.imwrite(path, dark, imagej=True)
    again = open_project(str(path))
    assert again.config.window[0] >= 10_000
    assert any("measured again" in note for note in again.opened.notes)


def test_a_window_of_the_users_own_stays(tmp_path):
    path = write_cell(tmp_path)
    folder = tmp_path / "cell.famous"
    folder.mkdir()
    (folder / "famous.yaml").write_text("window: [10, 90]\n")
    assert open_project(str(path)).config.window == (10, 90)
    path.touch()
    assert open_project(str(path)).config.window == (10, 90)


def test_two_at_work_in_one_folder_is_refused(done):
    from filelock import FileLock

    with FileLock(done.run / ".lock"), pytest.raises(InputError, match="another famous is at work here"):
        run_measure(done, Session(again=True))


def test_files_of_an_earlier_export_go_with_overwrite_only(done, tmp_path):
    folder = tmp_path / "out"
    first = next(path for path in export(done, "stl", out=folder) if path.suffix == ".stl")
    stale = first.rename(first.with_name("organelle_00999.stl"))
    record = folder / RECORD
    record.write_text(record.read_text(encoding="utf-8").replace(first.name, stale.name), encoding="utf-8")
    mine = folder / "notes.txt"
    mine.write_text("mine")
    export(done, "stl", out=folder, overwrite=True)
    assert not stale.exists()
    assert mine.exists()


def test_one_configuration_replaces_another_and_leaves_the_stack_alone(tmp_path):
    path = write_cell(tmp_path)
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("link: {method: centre}\n")
    second.write_text("detect: {batch: 2}\n")
    open_project(str(path), Choices(voxel_size=(9, 9, 9), invert=True))
    open_project(str(path), Choices(config=first))
    config = open_project(str(path), Choices(config=second)).config
    assert (config.link.method, config.detect.batch) == ("overlap", 2)
    assert (config.voxel_size, config.invert) == ((9, 9, 9), True)
    assert open_project(str(path)).config == config


def test_a_look_saves_nothing(tmp_path):
    path = write_cell(tmp_path)
    open_project(str(path), Choices(voxel_size=(4, 4, 4), save=False))
    assert not (tmp_path / "cell.famous").exists()


def test_a_detector_named_once_is_not_remembered(tmp_path):
    path = write_cell(tmp_path)
    open_project(str(path), Choices(weights=str(tmp_path)))
    assert open_project(str(path)).config.weights is None


def test_a_stack_can_be_named_from_inside_its_folder(tmp_path, monkeypatch):
    import cv2

    folder = tmp_path / "slices"
    folder.mkdir()
    for z in range(2):
        cv2.imwrite(str(folder / f"z{z}.png"), np.full((32, 32), 100 + z, dtype=np.uint8))
    monkeypatch.chdir(folder)
    assert open_project(".").folder == tmp_path / "slices.famous"
    with pytest.raises(InputError, match="found no name"):
        open_project(" ")


def test_a_moved_folder_says_how_to_find_its_stack(tmp_path):
    path = write_cell(tmp_path)
    open_project(str(path))
    (tmp_path / "away").mkdir()
    moved = shutil.move(tmp_path / "cell.famous", tmp_path / "away" / "cell.famous")
    with pytest.raises(InputError, match=r"if it was moved, say `famous … STACK --folder"):
        open_project(str(moved))
    assert open_project(str(path), Choices(folder=moved)).folder == moved
    assert open_project(str(moved)).stack.shape == (24, 160, 160)


def test_a_folder_of_any_name_is_known_by_what_it_holds(tmp_path):
    path = write_cell(tmp_path)
    open_project(str(path), Choices(folder=tmp_path / "mine"))
    assert open_project(str(tmp_path / "mine")).folder == tmp_path / "mine"


def test_a_read_only_place_says_where_to_work_instead(tmp_path):
    path = write_cell(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="--folder"):
        open_project(str(path), Choices(folder=tmp_path / "file" / "inside"))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"extract": {"exclusive": [["a", "b"], ["b", "c"]]}}, "two groups"),
        ({"classes": {"nucleus": {"color": "nocolor"}}}, "colour of class 'nucleus'"),
    ],
)
def test_groups_and_colours_are_checked_when_they_are_read(data, message):
    with pytest.raises(ConfigError, match=message):
        parse(data)


def test_an_unusable_class_name_stops_before_detection(done):
    config = dataclasses.replace(done.config, classes=parse({"classes": {"a/b": {}}}).classes)
    with pytest.raises(InputError, match="name a folder"):
        run_detect(dataclasses.replace(done, config=config), Session(again=True))


def test_boxes_without_a_slice_done_are_not_passed_over_in_silence(done):
    done.annotations.mkdir()
    (done.annotations / "boxes.csv").write_text("z,y0,x0,y1,x1,class_name\n1,2,2,9,9,nucleus\n")
    log = Log()
    run(done, Session(log))
    assert any("no slice is declared done" in text for what, _, text in log.said if what == "note")


def test_what_is_done_is_estimated_at_nothing(done):
    assert "nothing is left to do" in str(estimate(done, Session()))
    fresh = estimate(done, Session(again=True))
    assert fresh.slices == 24
    assert fresh.disk_mb > 0
    assert "24 slices to detect" in str(fresh)


def test_voxels_and_slices_are_exact_where_a_crop_is_read_at_a_step(done):
    fine = read_csv(done.instances).set_index("id")
    coarse = changed(done, mesh={"maximum_voxels": 2000, "method": "shrinkwrap"})
    run_mesh(coarse, Session())
    rows = run_measure(coarse, Session()).set_index("id")
    for column in ("n_slices", "voxels", "volume_voxels_um3"):
        assert rows[column].to_numpy() == pytest.approx(fine[column].to_numpy())


def test_the_voxels_of_the_table_are_those_of_the_labels(done):
    store = LabelStore.open(done.labels)
    rows = read_csv(done.instances)
    for name, own in rows.groupby("class"):
        labels = np.stack([store.read_labels(name, z) for z in range(24)])
        assert [int((labels == instance).sum()) for instance in own["id"]] == own["voxels"].tolist()


def test_a_demo_that_was_killed_while_it_began_begins_again(tmp_path, monkeypatch):
    from famous.files import PARTIAL_SUFFIX
    from famous.pipeline import demo

    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / f".cell.tif.{'0' * 32}{PARTIAL_SUFFIX}.tif").write_bytes(b"half")
    monkeypatch.setattr(demo, "_write_stack", lambda path, session: shutil.copy(write_cell(tmp_path), path))
    made = run_demo(folder, Session())
    assert made["picture"].stat().st_size > 10_000
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="holds something else"):
        run_demo(mine, Session())


def test_the_slice_of_the_picture_has_many_boxes_and_lies_near_the_middle(finished):
    boxes = read_parquet(finished.boxes)
    counts = boxes.groupby("z").size()
    assert counts[_telling_slice(boxes, 24)] >= 0.85 * counts.max()
    assert _telling_slice(boxes.iloc[:0], 24) == 12
