import contextlib
import dataclasses
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import trimesh

from famous.errors import ConfigError, InputError
from famous.io.label_store import LabelStore
from famous.io.tables import read_csv, read_parquet
from famous.pipeline import manifest
from famous.pipeline.annotations import export_boxes, import_boxes
from famous.pipeline.detect import run_detect, score_notes
from famous.pipeline.export import FORMATS, export
from famous.pipeline.extract import groups, run_extract
from famous.pipeline.info import describe, info
from famous.pipeline.link import look_up_tables, run_link
from famous.pipeline.mesh import mesh_stage, run_measure, run_mesh
from famous.pipeline.parts import Parts, blocks
from famous.pipeline.project import Choices, open_project, project_folder
from famous.pipeline.run import run, will_train
from famous.pipeline.stage import Session
from tests.cells import Oracle, cell, know, write_cell

pytestmark = pytest.mark.usefixtures("know_all")


class Log:
    """A reporter that remembers."""

    def __init__(self):
        self.said = []

    def begin(self, stage, total):
        self.said.append(("begin", stage, total))

    def advance(self, units):
        pass

    def end(self, stage, note):
        self.said.append(("end", stage, note))

    def note(self, text):
        self.said.append(("note", "", text))

    def worked(self):
        return [stage for what, stage, *_ in self.said if what == "begin"]


def tree_hash(folder: Path) -> dict[str, str]:
    """Every file's bytes, the manifest without what a clock and a memory meter put in."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            continue
        content = path.read_bytes()
        if path.name == "manifest.json":
            data = json.loads(content)
            for record in data["stages"].values():
                record.pop("seconds"), record.pop("peak_memory_mb")
            content = json.dumps(data, sort_keys=True).encode()
        found[path.relative_to(folder).as_posix()] = hashlib.sha256(content).hexdigest()
    return found


def test_a_run_makes_the_folder_of_the_design(finished):
    names = {path.relative_to(finished.folder).as_posix() for path in finished.folder.rglob("*")}
    for name in ("famous.yaml", "run/manifest.json", "run/boxes.parquet", "run/labels.ome.zarr", "run/instances.csv"):
        assert name in names
    assert not (finished.run / "parts").exists() or not any((finished.run / "parts").iterdir())


def test_the_instances_are_the_phantoms_objects(finished):
    """Where the boxes are perfect, ninety per cent of the objects come out one to one."""
    phantom = cell()
    store = LabelStore.open(finished.labels)
    found, missed = 0, 0
    for name in store.classes:
        truth = np.stack([phantom.labels(z)[name] for z in range(len(phantom))])
        made = np.stack([store.read_labels(name, z) for z in range(len(phantom))])
        for instance in np.unique(truth[truth > 0]):
            own = truth == instance
            ids, pixels = np.unique(made[own], return_counts=True)
            best = ids[ids > 0][np.argmax(pixels[ids > 0])] if (ids > 0).any() else 0
            iou = np.logical_and(own, made == best).sum() / np.logical_or(own, made == best).sum() if best else 0
            found, missed = found + (iou >= 0.5), missed + (iou < 0.5)
    assert found >= 0.85 * (found + missed)
    assert found > 5


def test_every_instance_has_a_watertight_mesh_at_its_place(finished):
    rows = read_csv(finished.instances)
    assert len(rows) == len(list(finished.meshes.rglob("*.ply"))) > 5
    for row in rows.to_dict("records"):
        slug = row["class"].replace(" ", "_")
        mesh = trimesh.load(finished.meshes / slug / f"{slug}_{row['id']:05d}.ply")
        assert mesh.is_watertight
        assert mesh.volume == pytest.approx(row["volume_mesh_um3"], rel=1e-3)
        centre = [row["centroid_x_um"], row["centroid_y_um"], row["centroid_z_um"]]
        assert (mesh.bounds[0] - 0.05 <= centre).all()
        assert (centre <= mesh.bounds[1] + 0.05).all()


def test_a_second_run_does_nothing(done):
    before = tree_hash(done.folder)
    log = Log()
    run(done, Session(log))
    assert log.worked() == []
    assert tree_hash(done.folder) == before


def test_a_changed_knob_redoes_its_stage_and_those_after_it(done):
    changed = dataclasses.replace(
        done,
        config=dataclasses.replace(
            done.config,
            link=dataclasses.replace(done.config.link, method="centre"),
        ),
    )
    log = Log()
    run(changed, Session(log))
    assert log.worked() == ["link", "mesh", "measure"]


def test_a_changed_mesh_knob_leaves_the_labels_alone(done):
    before = tree_hash(done.labels)
    smooth = dataclasses.replace(done.config.mesh.isosurface, smooth_steps=0.5)
    mesh = dataclasses.replace(done.config.mesh, isosurface=smooth)
    log = Log()
    run(dataclasses.replace(done, config=dataclasses.replace(done.config, mesh=mesh)), Session(log))
    assert log.worked() == ["mesh", "measure"]
    assert tree_hash(done.labels) == before


def test_a_removed_output_is_made_again(done):
    before = tree_hash(done.run)
    done.instances.unlink()
    log = Log()
    run(done, Session(log))
    assert log.worked() == ["measure"]
    assert tree_hash(done.run) == before


def test_again_makes_the_same_bytes(done):
    before = tree_hash(done.run)
    run(done, Session(again=True))
    assert tree_hash(done.run) == before


def test_several_processes_make_the_same_bytes(done):
    before = tree_hash(done.run)
    for stage in (run_extract, run_link, run_mesh, run_measure):
        stage(done, Session(jobs=2, again=True))
    assert tree_hash(done.run) == before


@pytest.mark.parametrize("stage", ["extract", "link", "mesh", "measure"])
def test_a_stage_asks_for_the_one_before(tmp_path, stage):
    project = open_project(str(write_cell(tmp_path)))
    work = {"extract": run_extract, "link": run_link, "mesh": run_mesh, "measure": run_measure}[stage]
    with pytest.raises(InputError, match="is not done yet; run `famous"):
        work(project, Session())


def test_a_stage_that_is_redone_undoes_those_after_it(done, monkeypatch):
    def broken(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr("famous.pipeline.link.write_parquet", broken)
    with pytest.raises(OSError, match="disk full"):
        run_link(done, Session(again=True))
    assert set(manifest.read(done.manifest)) == {"detect", "extract"}


def test_no_voxel_size_stops_and_says_how_to_give_it(tmp_path):
    import cv2

    folder = tmp_path / "slices"
    folder.mkdir()
    for z in range(2):
        cv2.imwrite(str(folder / f"z{z}.png"), np.full((32, 32), 100 + z, dtype=np.uint8))
    project = open_project(str(folder))
    with pytest.raises(InputError, match="--voxel-size Z Y X"):
        run(project)
    again = open_project(str(folder), Choices(voxel_size=(30, 5, 5)))
    assert again.voxel_size.zyx == (30, 5, 5)
    assert open_project(str(again.folder)).voxel_size.zyx == (30, 5, 5)


def test_a_stack_without_organelles_is_a_run_without_instances(tmp_path, monkeypatch, oracle):
    class Blind(Oracle):
        def __call__(self, images):
            return [np.zeros((0, 6), dtype=np.float32) for _ in images]

    blind = Blind()
    know(monkeypatch, blind)
    project = open_project(str(write_cell(tmp_path)))
    outcome = run(project)
    assert (outcome.boxes, outcome.meshes, len(outcome.instances)) == (0, [], 0)
    assert list(read_csv(project.instances).columns)[:2] == ["id", "class"]
    for kind in FORMATS:
        if kind != "blend":  # which needs a Blender
            export(project, kind)


def test_the_window_is_measured_once_and_saved(tmp_path):
    path = write_cell(tmp_path)
    first = open_project(str(path))
    assert first.config.window is not None
    text = (first.folder / "famous.yaml").read_text()
    assert open_project(str(path)).config.window == first.config.window
    assert (first.folder / "famous.yaml").read_text() == text


def test_a_configuration_with_an_unknown_key_is_refused(tmp_path):
    path = write_cell(tmp_path)
    mine = tmp_path / "mine.yaml"
    mine.write_text("detect: {skore: 1}\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml: detect\.skore: unknown key; did you mean score"):
        open_project(str(path), Choices(config=mine))
    with pytest.raises(InputError, match="there is no such file"):
        open_project(str(path), Choices(config=tmp_path / "nowhere.yaml"))


def test_a_folder_belongs_to_one_stack(tmp_path):
    path = write_cell(tmp_path)
    open_project(str(path))
    other = tmp_path / "other.tif"
    shutil.copy(path, other)
    with pytest.raises(InputError, match="belongs to"):
        open_project(str(other), Choices(folder=tmp_path / "cell.famous"))


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("a/cell.tif", "cell.famous"),
        ("a/cell.ome.tif", "cell.famous"),
        ("a/cell.ome.zarr", "cell.famous"),
        ("a/cell.h5:/raw/em", "cell_raw_em.famous"),
        ("a/cell.mrc", "cell.famous"),
        ("a/my.cell/", "my.famous"),
    ],
)
def test_the_folder_lies_beside_the_stack(source, name):
    assert project_folder(source) == Path("a") / name


def test_the_folder_of_a_folder_keeps_its_whole_name(tmp_path):
    (tmp_path / "my.cell").mkdir()
    assert project_folder(str(tmp_path / "my.cell") + "/") == tmp_path / "my.cell.famous"


def test_info_tells_what_is_done(finished):
    found = info(finished)
    assert found["shape"] == (24, 160, 160)
    assert found["voxel_size_nm"] == (16, 16, 16)
    assert found["extent_um"] == pytest.approx((0.384, 2.56, 2.56))
    assert set(found["stages"]) == {"detect", "extract", "link", "mesh", "measure"}
    assert found["next"] is None
    told = describe(finished, found)
    assert told["slices"] == "24"
    assert told["voxel size"].startswith("16 × 16 × 16 nm")
    assert told["train"] == "not done"
    assert told["labelled"] == "nothing yet"
    assert told["measure"].startswith("done in")


def test_info_says_what_comes_next_and_what_is_unknown(tmp_path):
    project = open_project(str(write_cell(tmp_path)), Choices(save=False))
    found = info(project)
    assert found["stages"] == {}
    assert "famous run" in found["next"]
    tifffile.imwrite(tmp_path / "bare.tif", np.zeros((2, 8, 8), dtype=np.uint8))
    bare = open_project(str(tmp_path / "bare.tif"), Choices(save=False))
    found = info(bare)
    assert found["voxel_size_nm"] is found["extent_um"] is None
    assert "--voxel-size" in found["next"]
    assert "--voxel-size" in describe(bare, found)["voxel size"]


def test_boxes_go_in_and_out(tmp_path):
    project = open_project(str(write_cell(tmp_path)))
    with pytest.raises(InputError, match="nothing is labelled"):
        export_boxes(project, tmp_path / "a.json", "coco")
    table = cell().boxes([0, 12])
    source = tmp_path / "drawn.csv"
    table.drop(columns=["box", "score"]).to_csv(source, index=False)
    _, taken = import_boxes(project, source)
    assert len(taken.boxes) == len(table)
    with pytest.raises(InputError, match="--overwrite"):
        import_boxes(project, source)
    made = export_boxes(project, tmp_path / "a.json", "coco")
    assert made.files == [tmp_path / "a.json"]
    assert len(made.annotations.boxes) == len(table)
    _, back = import_boxes(project, tmp_path / "a.json", overwrite=True)
    pd.testing.assert_frame_equal(back.boxes.drop(columns="box"), taken.boxes.drop(columns="box"), check_like=True)
    assert will_train(project) == bool(back.done)
    mine = tmp_path / "slices.csv"
    mine.write_text("mine")
    with pytest.raises(InputError, match=r"slices\.csv is there already"):
        export_boxes(project, tmp_path / "boxes.csv", "csv")
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind not in ("blend", "precomputed")])
def test_every_export_is_written_and_nothing_is_replaced_unasked(done, kind):
    written = export(done, kind)
    assert written
    assert all(path.stat().st_size > 50 for path in written)
    before = {path: path.read_bytes() for path in written}
    with pytest.raises(InputError, match="is there already"):
        export(done, kind)
    assert export(done, kind, overwrite=True) == written
    if kind != "glb":
        assert {path: path.read_bytes() for path in written} == before


def test_one_file_a_class_holds_all_its_organelles(done, tmp_path):
    *written, _ = export(done, "stl", out=tmp_path / "stl", per_class=True)
    rows = read_csv(done.instances)
    assert len(written) == rows["class"].nunique()
    volume = sum(trimesh.load(path).volume for path in written)
    assert volume == pytest.approx(rows["volume_mesh_um3"].sum(), rel=1e-3)


def test_the_label_tiff_holds_the_labels_and_the_voxel_size(done):
    from famous.io.stacks import open_stack

    store = LabelStore.open(done.labels)
    for path in export(done, "tiff"):
        opened = open_stack(path)
        name = path.stem.replace("_", " ")
        assert opened.stack.voxel_size.is_close(done.voxel_size)
        assert (np.asarray(opened.stack.grey(12)) == store.read_labels(name, 12)).all()


def test_an_unknown_format_is_named(done):
    with pytest.raises(InputError, match="expected one of stl"):
        export(done, "fbx")


def test_groups_are_exclusive_ones_and_the_rest_alone():
    assert groups(["a", "b", "c"], (("c", "a", "z"),)) == [["c", "a"], ["b"]]
    assert groups(["a"], ()) == [["a"]]
    assert groups([], (("a", "b"),)) == []


def test_look_up_tables_send_boxes_of_other_classes_to_the_background():
    linked = pd.DataFrame({"box": [1, 2, 3], "class_name": ["a", "b", "a"], "instance": [7, 8, 0]})
    luts = look_up_tables(linked, ["a", "b", "c"])
    assert {name: lut.tolist() for name, lut in luts.items()} == {"a": [0, 7, 0, 0], "b": [0, 0, 8, 0], "c": [0] * 4}


def test_blocks_cover_everything_once():
    assert [list(block) for block in blocks(5, 2)] == [[0, 1], [2, 3], [4]]
    assert blocks(0, 2) == []


def test_parts_of_another_fingerprint_are_thrown_away(tmp_path):
    old = Parts(tmp_path / "stage", "a" * 64)
    old.begin()
    old.save(0, pd.DataFrame({"z": [1]}))
    assert Parts(tmp_path / "stage", "a" * 64).missing(2) == [1]
    new = Parts(tmp_path / "stage", "b" * 64)
    assert new.is_fresh
    assert new.missing(2) == [0, 1]
    assert not old.folder.exists()


def test_a_manifest_that_is_none_is_named(tmp_path):
    path = tmp_path / "manifest.json"
    for text in ("", "[]", '{"stages": {"detect": {"surprise": 1}}}', '{"stages": []}'):
        path.write_text(text)
        with pytest.raises(InputError, match="not a manifest"):
            manifest.read(path)


def test_fingerprint_of_a_stage_that_is_done(finished):
    assert len(mesh_stage(finished)[0].require()) == 64


#: Runs one stack after the other, as it is told; each in a fork, so that the libraries are imported once.
SCRIPT = """
import os, sys
from types import SimpleNamespace
import cv2
cv2.setNumThreads(1)  # its threads would be missed after a fork
from famous.pipeline import detect
from tests.cells import Oracle, know
know(SimpleNamespace(setattr=setattr), Oracle())
for stage in ("detect", "extract", "mesh", "link"):
    module = __import__(f"famous.pipeline.{stage}", fromlist=["BLOCK"])
    module.BLOCK = 2
from famous.pipeline.project import Choices, open_project
from famous.pipeline.run import run
for source in sys.stdin:
    child = os.fork()
    if child == 0:
        run(open_project(source.strip(), Choices(config=sys.argv[1])))
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Runs:
    """Processes that run stacks, one at a time."""

    def __init__(self, knobs):
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1]), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(knobs)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def begin(self, source):
        self.process.stdin.write(f"{source}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def end(self):
        return int(self.process.stdout.readline())


def is_there(process):
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, 0)
        return True
    return False


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="forks")
def test_a_run_that_was_killed_in_any_stage_ends_with_the_same_bytes(tmp_path):
    """SIGKILL at a random moment inside each stage, go on, compare every byte with a run that was left alone."""
    calm, killed, knobs = tmp_path / "calm", tmp_path / "killed", tmp_path / "knobs.yaml"
    knobs.write_text("measure: {thickness: {wanted: true}}\n")  # or it is over at once
    for folder in (calm, killed):
        folder.mkdir()
    source = write_cell(calm)
    other = Path(shutil.copy2(source, killed / source.name))
    run_folder, chance = killed / "cell.famous" / "run", random.Random()
    with Runs(knobs) as runs:
        runs.begin(source)
        assert runs.end() == 0
        seconds = {name: one.seconds for name, one in manifest.read(calm / "cell.famous/run/manifest.json").items()}
        for stage in ("detect", "extract", "link", "mesh", "measure"):
            for _ in range(10):
                parts = run_folder / "parts" / stage
                process = runs.begin(other)
                while not parts.exists() and is_there(process):
                    time.sleep(0.001)
                time.sleep(chance.uniform(0, 0.8 * seconds[stage]))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
                assert runs.end() in (0, -signal.SIGKILL)
                if stage not in manifest.read(run_folder / "manifest.json"):
                    break
                shutil.rmtree(run_folder)  # it was over before the kill: from the beginning
            assert parts.exists(), f"{stage} was never hit"
        runs.begin(other)
        assert runs.end() == 0
    assert tree_hash(killed / "cell.famous") == tree_hash(calm / "cell.famous")


def test_detecting_every_second_slice_interpolates_the_rest(tmp_path):
    project = open_project(str(write_cell(tmp_path)))
    sparse = dataclasses.replace(project.config.detect, stride_nm=32.0)
    project = dataclasses.replace(project, config=dataclasses.replace(project.config, detect=sparse))
    table = run_detect(project, Session())
    assert set(table["z"]) == set(range(24))
    assert (table["box"].to_numpy() == np.arange(1, len(table) + 1)).all()
    assert read_parquet(project.detected).equals(table)


def test_class_scores_that_linking_undoes_are_told(done):
    def with_scores(method="overlap", **scores):
        detect = dataclasses.replace(done.config.detect, class_scores=scores)
        link = dataclasses.replace(done.config.link, method=method)
        return dataclasses.replace(done.config, detect=detect, link=link)

    limit = done.config.link.overlap.instance_score
    assert score_notes(with_scores()) == []
    assert score_notes(with_scores(lysosome=limit, mitochondrion=1.0)) == []
    assert score_notes(with_scores("centre", lysosome=0.1)) == []
    (said,) = score_notes(with_scores(mitochondrion=0.9, lysosome=0.1))
    assert "(lysosome 0.1)" in said
    assert f"link.overlap.instance_score {limit:g}" in said
    log = Log()
    project = dataclasses.replace(done, config=with_scores(lysosome=0.1))
    run_detect(project, Session(log))
    run_detect(project, Session(log))  # done before: not said again
    assert [text for what, _, text in log.said if what == "note"] == [said]
