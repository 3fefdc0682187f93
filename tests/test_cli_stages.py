"""One stage at a time, each with its answer for people and for scripts."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest
from PIL import Image

from famous.cli import stages
from famous.io.tables import read_csv, read_parquet
from famous.pipeline.export import FORMATS
from tests.blender import needs_blender
from tests.cells import cell, write_cell
from tests.commands import call, call_json, famous

CONFIG = """
train: {weights: yolo26n.yaml, epochs: 1, input_px: 64, batch: 2, epoch_tiles: 4, validate: false, device: cpu,
        masks: {steps: 0}}
"""


@pytest.mark.usefixtures("know_all")
def test_stage_by_stage_as_json(tmp_path):
    """The answers agree with the tables on disk, and every file that they name is there."""
    path = write_cell(tmp_path)
    run = tmp_path / "cell.famous" / "run"
    detect, extract, link, mesh, measure = (
        call_json(stage, path) for stage in ("detect", "extract", "link", "mesh", "measure")
    )
    for answer in (detect, extract, link, mesh, measure):
        assert answer["folder"] == str(tmp_path / "cell.famous")
        assert answer["files"]
        assert all(Path(file).exists() for file in answer["files"])
    boxes = read_parquet(run / "boxes.parquet")
    rows = read_csv(run / "instances.csv")
    assert detect["slices"] == 24
    assert detect["boxes"] == len(boxes) == sum(detect["boxes_by_class"].values())
    assert extract["pixels"] == boxes["pixels"].sum() == sum(extract["pixels_by_class"].values())
    assert extract["boxes_without_pixels"] == (boxes["pixels"] == 0).sum()
    assert link["boxes_without_instance"] == (boxes["instance"] == 0).sum()
    assert link["instances"] == mesh["meshes"] == measure["instances"] == len(rows) > 0
    assert link["instances_by_class"] == measure["instances_by_class"] == rows["class"].value_counts().to_dict()
    assert len(mesh["files"]) == mesh["meshes"]
    for name, sums in measure["total_by_class"].items():
        own = rows[rows["class"] == name]
        assert sums["voxels"] == own["voxels"].sum()
        assert sums["volume_mesh_um3"] == pytest.approx(own["volume_mesh_um3"].sum())


@pytest.mark.usefixtures("know_all")
@pytest.mark.parametrize(
    ("stage", "said"),
    [
        ("detect", "boxes in"),
        ("extract", "pixels in"),
        ("link", "instances in"),
        ("mesh", "meshes in"),
        ("measure", "rows in"),
    ],
)
def test_a_stage_that_was_done_says_the_same(done, stage, said):
    assert said in call(stage, done.folder).stdout
    assert call_json(stage, done.folder)["files"]


def test_stdout_holds_nothing_but_json_also_where_libraries_talk(tmp_path):
    """With the detector that ships, in a process of its own: what a library writes past Python would be seen."""
    done = famous("detect", write_cell(tmp_path), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["slices"] == 24


@pytest.mark.slow
def test_training_answers_with_the_card_and_the_folder(tmp_path):
    path = write_cell(tmp_path)
    (tmp_path / "train.yaml").write_text(CONFIG)
    cell().boxes([2, 10, 18]).drop(columns=["box", "score"]).to_csv(tmp_path / "boxes.csv", index=False)
    (tmp_path / "slices.csv").write_text("z,done\n2,1\n10,1\n18,1\n")
    call("boxes", "import", path, tmp_path / "boxes.csv")
    made = famous("train", path, "--config", tmp_path / "train.yaml", "--json")
    assert made.returncode == 0, made.stderr
    data = json.loads(made.stdout)
    model = tmp_path / "cell.famous" / "model"
    assert data["model"] == str(model)
    assert data["card"] == json.loads((model / "card.json").read_text(encoding="utf-8"))
    assert {Path(file).name for file in data["files"]} == {"card.json", "best.pt", "best.onnx"}
    assert all(Path(file).is_file() for file in data["files"])
    said = call("train", path).stdout.splitlines()
    assert str(model) in said[0]
    assert said[-1] == "metrics: none, because train.validate is off: all slices were trained on"
    assert said[-1] in call("info", path).stdout


def test_training_without_a_labelled_slice_says_what_to_do(tmp_path):
    result = call("train", write_cell(tmp_path), code=1)
    assert str(result.exception).index("famous annotate") < str(result.exception).index("famous boxes import")


@pytest.mark.usefixtures("know_all")
@pytest.mark.parametrize("kind", ["stl", "glb", "tiff", "csv"])
def test_export_lists_what_it_wrote_and_refuses_to_replace_it(done, tmp_path, kind):
    arguments = ("export", done.folder, "--format", kind, "--out", tmp_path / "out")
    data = call_json(*arguments)
    assert data["format"] == kind
    found = {file for file in (tmp_path / "out").rglob("[!.]*") if file.is_file()}
    assert {Path(file) for file in data["files"]} == found
    assert "is there already" in str(call(*arguments, code=1).exception)
    assert re.match(
        rf"(1 file|[0-9]+ files), {re.escape(str(tmp_path / 'out'))}", call(*arguments, "--overwrite").stdout
    )


def test_levels_of_detail_are_exported_beside_each_other(finished, tmp_path):
    arguments = ("export", finished.folder, "--format", "glb", "--out", tmp_path, "--level", 20, "--level", 80.5)
    data = call_json(*arguments)
    assert data["levels_nm"] == [20, 80.5]
    assert data["files"] == [str(tmp_path / f"within_{name}_nm" / "cell.glb") for name in ("20", "80.5")]
    fine, coarse = (Path(file).stat().st_size for file in data["files"])
    assert fine > coarse
    assert "is there already" in str(call(*arguments, code=1).exception)
    assert f"2 files, {tmp_path}" in call(*arguments, "--overwrite").stdout
    assert "--level: found nan nm" in str(call(*arguments[:4], "--level", "nan", code=1).exception)
    call(*arguments[:4], "--level", "fine", code=2)


def test_a_figure_is_made_of_one_level(finished, tmp_path):
    arguments = ("export", finished.folder, "--format", "blend", "--out", tmp_path, "--level", 20, "--level", 80)
    assert "one level of detail" in call(*arguments, "--render", tmp_path / "a.png", code=2).output
    assert list(tmp_path.iterdir()) == []


@needs_blender
def test_a_figure_is_rendered_of_the_blender_file(finished, tmp_path):
    picture = tmp_path / "a.png"
    arguments = ("export", finished.folder, "--format", "blend", "--out", tmp_path, "--render", picture)
    data = call_json(*arguments, "--pixels", 40, 30, "--samples", 1)
    assert data["files"] == [str(tmp_path / "cell.blend"), str(picture)]
    with Image.open(picture) as image:
        assert image.size == (40, 30)
    (tmp_path / "cell.blend").unlink()
    assert "a.png is there already" in str(call(*arguments, code=1).exception)
    assert not (tmp_path / "cell.blend").exists()  # asked before the work


def test_a_figure_is_made_of_a_blender_file_only(finished, tmp_path):
    result = call("export", finished.folder, "--format", "glb", "--render", tmp_path / "a.png", code=2)
    assert "--format blend" in result.output


def test_the_formats_of_the_command_line_are_those_of_the_room():
    assert get_args(stages.Export) == FORMATS
