"""famous mesh and famous measure from the command line: on label volumes of every format, and on a run."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import mrcfile
import numpy as np
import pytest
import tifffile
import trimesh
import zarr
from PIL import Image

from famous.config import read
from famous.io.meshes import read_mesh
from famous.io.tables import read_csv
from tests.commands import call, call_json, famous

VOXELS = ("--voxel-size", "16", "8", "8")


def cell(dtype=np.uint16):
    """A ball and a bar; ids 3 and 41."""
    labels = np.zeros((14, 24, 30), dtype)
    z, y, x = np.indices(labels.shape)
    labels[4 * (z - 6) ** 2 + (y - 9) ** 2 + (x - 9) ** 2 < 40] = 3
    labels[3:6, 17:23, 4:26] = 41
    return labels


def write_tiff(folder):
    tifffile.imwrite(folder / "l.tif", cell())
    return folder / "l.tif"


def write_folder(folder):
    (folder / "slices").mkdir()
    for z, image in enumerate(cell()):
        tifffile.imwrite(folder / "slices" / f"s_{z:03d}.tif", image)
    return folder / "slices"


def write_mrc(folder):
    with mrcfile.new(folder / "l.mrc", overwrite=True) as file:
        file.set_data(cell(np.int16))
    return folder / "l.mrc"


def write_hdf5(folder):
    with h5py.File(folder / "l.h5", "w") as file:
        file["volumes/labels"] = cell(np.uint64)
        file["volumes/raw"] = cell(np.uint8)
    return f"{folder / 'l.h5'}:/volumes/labels"


def write_zarr(folder):
    zarr.create_array(folder / "l.zarr", data=cell(np.uint32), chunks=(5, 10, 10))
    return folder / "l.zarr"


def write_ome_zarr(folder):
    """With its voxel size, in micrometres."""
    root = zarr.open_group(folder / "l.ome.zarr", mode="w", zarr_format=3)
    root.create_array("0", data=cell(np.int64), chunks=(5, 10, 10))
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    scale = [{"type": "scale", "scale": [0.016, 0.008, 0.008]}]
    image = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
    root.attrs["ome"] = {"version": "0.5", "multiscales": [image]}
    return folder / "l.ome.zarr"


FORMATS = [write_tiff, write_folder, write_mrc, write_hdf5, write_zarr, write_ome_zarr]


@pytest.mark.parametrize("write", FORMATS)
def test_every_format_is_meshed_and_measured_alike(tmp_path, write):
    source = write(tmp_path)
    size = () if write is write_ome_zarr else VOXELS
    data = call_json("mesh", source, *size, "--out", tmp_path / "m", "--class", "granule")
    assert [file.rsplit("/", 1)[1] for file in data["files"]] == [
        "granule_00003.ply", "granule_00041.ply", "meshes.json",
    ]  # fmt: skip
    assert data["meshes"] == data["instances_by_class"]["granule"] == 2
    for file, number in zip(data["files"], (3, 41), strict=False):
        mesh = trimesh.load(file)
        assert mesh.is_watertight
        assert mesh.volume == pytest.approx((cell() == number).sum() * 1024e-9, rel=0.03)
    measured = call_json("measure", source, *size, "--out", tmp_path / "t")
    assert measured["total_by_class"]["object"]["voxels"] == (cell() > 0).sum()
    table = read_csv(measured["files"][0])
    assert table["id"].tolist() == [3, 41]
    assert table["volume_voxels_um3"].sum() == pytest.approx((cell() > 0).sum() * 1024e-9)
    assert "thickness_max_um" not in table
    assert not list(tmp_path.glob("*.famous"))


def test_all_measures_on_request(tmp_path):
    data = call_json("measure", write_tiff(tmp_path), *VOXELS, "--out", tmp_path / "t", "--all")
    table = read_csv(data["files"][0])
    assert table.loc[1, "thickness_max_um"] == pytest.approx(0.048, rel=0.15)
    assert table["n_branches"].tolist() == [1, 1]


@pytest.mark.parametrize("kind", ["ply", "stl", "obj", "glb"])
def test_formats_of_meshes(tmp_path, kind):
    source = write_tiff(tmp_path)
    data = call_json("mesh", source, *VOXELS, "-o", tmp_path / "m", "--format", kind)
    assert sum(file.endswith(f".{kind}") for file in data["files"]) == (1 if kind == "glb" else 2)
    assert "2 meshes in" in call("mesh", source, *VOXELS, "-o", tmp_path / "n", "-f", kind).stdout


def test_knobs_of_the_surface(tmp_path):
    source = write_tiff(tmp_path)
    volumes = {}
    for name, knobs in {
        "usual": [], "rough": ["--smooth-nm", "0"], "wrap": ["--method", "shrinkwrap"], "auto": ["--method", "auto"],
    }.items():  # fmt: skip
        call("mesh", source, *VOXELS, "--out", tmp_path / name, *knobs)
        mesh = read_mesh(tmp_path / name / "object_00003.ply")
        assert mesh.is_watertight
        volumes[name] = mesh.area_nm2
    assert volumes["rough"] > volumes["usual"]
    assert volumes["wrap"] != volumes["usual"]
    assert volumes["auto"] == volumes["usual"]


def test_a_configuration_counts_and_the_command_line_wins(tmp_path):
    source = write_tiff(tmp_path)
    (tmp_path / "k.yaml").write_text("mesh: {method: shrinkwrap}\nmeasure: {skeleton: {wanted: true}}\n")
    with_file = ("--config", tmp_path / "k.yaml")
    call("mesh", source, *VOXELS, "--out", tmp_path / "usual")
    call("mesh", source, *VOXELS, "--out", tmp_path / "wrap", *with_file)
    call("mesh", source, *VOXELS, "--out", tmp_path / "said", *with_file, "--method", "isosurface")
    usual, wrap, said = ((tmp_path / n / "object_00003.ply").read_bytes() for n in ("usual", "wrap", "said"))
    assert usual == said != wrap
    data = call_json("measure", source, *VOXELS, "--out", tmp_path / "t", *with_file)
    assert "n_branches" in read_csv(data["files"][0])
    assert "there is no such file" in str(
        call("mesh", source, *VOXELS, "-o", tmp_path / "x", "--config", tmp_path / "none.yaml", code=1).exception
    )


def test_split_and_dust(tmp_path):
    labels = (cell() > 0).astype(np.uint8)
    labels[0, 0, 0] = 1
    tifffile.imwrite(tmp_path / "s.tif", labels)
    data = call_json("measure", tmp_path / "s.tif", *VOXELS, "--out", tmp_path / "t", "--split", "--min-voxels", "5")
    table = read_csv(data["files"][0])
    assert table["label"].tolist() == [1, 1]
    assert set(table["voxels"]) == {(cell() == 3).sum(), (cell() == 41).sum()}


@pytest.mark.parametrize("command", ["mesh", "measure"])
@pytest.mark.parametrize(
    ("labels", "rows"),
    [
        (np.zeros((3, 5, 6), np.uint8), 0),
        (np.pad(np.ones((1, 1, 1), np.uint8), 2), 1),
        (np.pad(np.ones((1, 9, 9), np.uint8), 1), 1),
        (np.pad(np.full((2, 2, 2), 2**32 - 1, np.uint32), 1), 1),
        (np.ones((4, 5, 6), np.uint8), 1),
    ],
    ids=["empty", "one voxel", "a plane", "the largest id", "all of it"],
)
def test_odd_volumes_give_right_results(tmp_path, command, labels, rows):
    zarr.create_array(tmp_path / "l.zarr", data=labels)
    data = call_json(command, tmp_path / "l.zarr", *VOXELS, "--out", tmp_path / "o")
    assert data["instances"] == rows
    meshes = [read_mesh(file) for file in data["files"] if file.endswith(".ply")]
    assert len(meshes) == (rows if command == "mesh" else 0)
    for mesh in meshes:
        assert mesh.is_watertight
        assert mesh.volume_nm3 == pytest.approx((labels > 0).sum() * 1024, rel=0.05)


@pytest.mark.parametrize("command", ["mesh", "measure"])
@pytest.mark.parametrize(
    ("size", "code", "said"),
    [
        (("--voxel-size", "nan", "8", "8"), 2, "three lengths in nm above 0"),
        (("--voxel-size", "0", "8", "8"), 2, "three lengths in nm above 0"),
        (("--voxel-size", "16", "8", "inf"), 2, "three lengths in nm above 0"),
        (("--voxel-size", "1e300", "1", "1"), 1, "no microscope makes"),
        (("--voxel-size", "5000", "4", "4"), 1, "no microscope makes"),
        ((), 1, "found no voxel size in the file"),
    ],
)
def test_voxel_sizes_that_are_none(tmp_path, command, size, code, said):
    result = call(command, write_zarr(tmp_path), *size, "--out", tmp_path / "o", code=code)
    assert said in " ".join(f"{result.output} {result.exception}".replace("│", " ").split())
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("option", ["--smooth-nm", "--max-error-nm"])
def test_knobs_of_the_isosurface_are_refused_for_the_shrinkwrap(tmp_path, option):
    given = ("--method", "shrinkwrap", option, "5", "--out", tmp_path / "o")
    result = call("mesh", write_tiff(tmp_path), *VOXELS, *given, code=2)
    assert "of the isosurface" in " ".join(result.output.replace("│", " ").split())


@pytest.mark.parametrize("value", [0.25, np.nan])
def test_grey_values_are_named(tmp_path, value):
    zarr.create_array(tmp_path / "g.zarr", data=np.full((2, 3, 4), value, np.float32))
    result = call("mesh", tmp_path / "g.zarr", *VOXELS, "--out", tmp_path / "o", code=1)
    assert "g.zarr, slice 0" in str(result.exception)


def test_nothing_there(tmp_path):
    result = call("mesh", tmp_path / "none.tif", *VOXELS, "--out", tmp_path / "o", code=1)
    assert "found nothing there" in str(result.exception)


def test_without_a_run_and_without_out_both_ways_are_named(tmp_path):
    for command in ("mesh", "measure"):
        said = str(call(command, write_tiff(tmp_path), code=1).exception)
        assert "famous run" in said
        assert "--out FOLDER" in said
    assert not list(tmp_path.glob("*.famous"))


@pytest.mark.parametrize(
    "options", [["--class", "a"], ["--split"], ["--min-voxels", "3"], ["--overwrite"], ["--format", "stl"]]
)
def test_what_goes_with_out_only_is_refused_without(tmp_path, options):
    assert "goes with --out" in call("mesh", write_tiff(tmp_path), *options, code=2).output


def test_what_a_run_only_has_is_refused(tmp_path):
    call("measure", write_tiff(tmp_path), "--method", "auto", code=2)


def test_steps_of_the_shrinkwrap_need_no_run(tmp_path):
    arguments = ("mesh", write_tiff(tmp_path), *VOXELS, "--out", tmp_path / "o")
    assert "no steps" in str(call(*arguments, "--keep-steps", code=1).exception)
    assert not (tmp_path / "o").exists()
    answer = call_json(*arguments, "--method", "shrinkwrap", "--keep-steps", "--class", "endosome")
    steps = [Path(file) for file in answer["files"] if "steps" in Path(file).parts]
    assert len(steps) == 16
    assert {path.parent.name for path in steps} == {"endosome_00003", "endosome_00041"}
    for last in steps[7::8]:
        assert np.array_equal(read_mesh(last).vertices, read_mesh(tmp_path / "o" / f"{last.parent.name}.ply").vertices)
    assert "16 steps in" in call(*arguments, "--method", "shrinkwrap", "--keep-steps", "--overwrite").stdout


def test_steps_of_one_object_are_drawn_without_a_run(tmp_path):
    arguments = ("mesh", write_tiff(tmp_path), *VOXELS, "--out", tmp_path / "o", "--show-steps")
    assert "no instance 4, expected one of 3, 41" in str(call(*arguments, 4, code=1).exception)
    assert not (tmp_path / "o").exists()
    answer = call_json(*arguments, 41)
    with Image.open(answer["files"][0]) as picture:
        assert picture.size[0] > 1900
    assert "is there already" in str(call(*arguments, 41, code=1).exception)
    call(*arguments, 41, "--overwrite")
    assert "one of both" in call(*arguments, 41, "--keep-steps", code=2).output


def test_what_is_there_is_replaced_only_when_asked(tmp_path):
    arguments = ("mesh", write_tiff(tmp_path), *VOXELS, "--out", tmp_path / "m")
    call(*arguments)
    assert "is there already" in str(call(*arguments, code=1).exception)
    call(*arguments, "--overwrite")


def test_meshes_that_the_labels_have_no_longer_go_with_their_listing(tmp_path):
    arguments = ("mesh", write_tiff(tmp_path), *VOXELS, "--out", tmp_path / "m")
    call(*arguments)
    (tmp_path / "m" / "mine.ply").write_bytes(b"not of famous")
    said = call(*arguments, "--overwrite", "--class", "endosome", "--min-voxels", "450").stderr
    assert {path.name for path in (tmp_path / "m").iterdir()} == {"endosome_00003.ply", "meshes.json", "mine.ply"}
    assert "removed 2 meshes of before" in said


def test_a_killed_export_leaves_no_half_file(tmp_path):
    """Whatever has its name is whole; the next call sweeps the rest."""
    labels = np.kron(np.arange(1, 101, dtype=np.uint16).reshape(4, 5, 5), np.ones((6, 8, 8), np.uint16))
    tifffile.imwrite(tmp_path / "l.tif", labels)
    out = tmp_path / "m"
    words = [sys.executable, "-m", "famous", "mesh", tmp_path / "l.tif", *VOXELS, "--out", out]
    running = subprocess.Popen([str(word) for word in words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while running.poll() is None and len(list(out.glob("object_*.ply"))) < 3:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    written = list(out.glob("object_*.ply"))
    assert written
    assert all(read_mesh(path).is_watertight for path in written)
    call("mesh", tmp_path / "l.tif", *VOXELS, "--out", out, "--overwrite")
    assert len(list(out.iterdir())) == 101


def test_as_a_program_stdout_holds_the_json_alone(tmp_path):
    done = famous("mesh", write_tiff(tmp_path), *VOXELS, "--out", tmp_path / "m", "--jobs", "2", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["meshes"] == 2


def test_the_labels_of_a_run_are_meshed_apart_and_the_run_stays(tmp_path, done):
    before = (done.run / "manifest.json").read_bytes(), (done.folder / "famous.yaml").read_bytes()
    table = read_csv(done.instances)
    name = str(table["class"].iloc[0])
    data = call_json("mesh", done.folder, "--out", tmp_path / "m", "--class", name, "--method", "shrinkwrap")
    assert data["instances_by_class"] == {name: int((table["class"] == name).sum())}
    everything = call_json("mesh", done.folder.parent / "cell.tif", "--out", tmp_path / "all")
    assert everything["meshes"] == len(table)
    assert before == ((done.run / "manifest.json").read_bytes(), (done.folder / "famous.yaml").read_bytes())


@pytest.mark.usefixtures("know_all")
def test_knobs_said_for_a_run_are_kept_with_it(done):
    first = call_json("mesh", done.folder)["files"]
    before = [Path(file).read_bytes() for file in first]
    again = call_json("mesh", done.folder, "--smooth-nm", "3")["files"]
    assert before != [Path(file).read_bytes() for file in again]
    assert read(done.folder / "famous.yaml").mesh.isosurface.smooth_nm == 3
    call("measure", done.folder)


@pytest.mark.usefixtures("know_all")
def test_all_measures_of_a_run(done):
    before = read_csv(done.instances)
    answer = call_json("measure", done.folder, "--all")
    table = read_csv(done.instances)
    assert answer["instances"] == len(table) == len(before)
    assert table[before.columns.tolist()].equals(before)
    assert (table["thickness_mean_um"] <= table["thickness_max_um"]).all()
    assert (table["n_branches"] >= 1).all()
    call("measure", done.folder)  # what was asked for is kept
    assert "n_branches" in read_csv(done.instances)


def test_measure_finds_what_lies_in_another_label_volume(tmp_path):
    """Two files from one: the ball lies in what is round it, which has a hole there; the bar lies beside."""
    inner = cell()
    outer = np.zeros_like(inner)
    outer[:, :17, :18] = 9
    outer[inner > 0] = 0
    tifffile.imwrite(tmp_path / "inner.tif", inner)
    tifffile.imwrite(tmp_path / "outer.tif", outer)
    found = call_json(
        "measure", tmp_path / "inner.tif", *VOXELS, "--inside", tmp_path / "outer.tif", "--out", tmp_path / "m"
    )
    assert found["instances"] == 2
    table = read_csv(tmp_path / "m" / "instances.csv").set_index("id")
    assert table.loc[3, "inside_id"] == 9
    assert table.loc[3, "fenestrated_percent"] == 0
    assert 0 < table.loc[3, "membrane_distance_min_um"] < table.loc[3, "membrane_distance_mean_um"] < 0.1
    assert table.loc[[41], ["inside_id", "membrane_proximity"]].isna().all(axis=None)
    small = tmp_path / "small.tif"
    tifffile.imwrite(small, outer[:, :-1])
    result = famous("measure", tmp_path / "inner.tif", *VOXELS, "--inside", small, "--out", tmp_path / "n")
    assert result.returncode == 1
    assert "--inside: found the shape (14, 23, 30), expected that of the labels, (14, 24, 30)" in result.stderr
    result = famous("measure", tmp_path / "inner.tif", *VOXELS, "--inside", small)
    assert result.returncode == 2
    assert "--inside" in result.stderr


def test_inside_of_the_configuration_is_that_of_a_run(tmp_path, done):
    classes = sorted(read_csv(done.instances)["class"].unique())[:2]
    knobs = tmp_path / "knobs.yaml"
    knobs.write_text(f"measure: {{inside: {{{classes[0]}: {classes[1]}}}}}\n", encoding="utf-8")
    found = call_json("measure", done.folder, "--config", knobs, "--class", classes[0], "--out", tmp_path / "m")
    assert found["instances"] > 0
    assert "membrane_proximity" in read_csv(tmp_path / "m" / "instances.csv")
    knobs.write_text(f"measure: {{inside: {{{classes[0]}: vacuole}}}}\n", encoding="utf-8")
    result = famous("measure", done.folder, "--config", knobs, "--out", tmp_path / "n")
    assert result.returncode == 1
    assert f"measure.inside.{classes[0]}: found 'vacuole'" in result.stderr


@pytest.mark.parametrize("value", ["nan", "inf", "0", "-5"])
def test_a_voxel_size_that_is_none_is_a_wrong_call(tmp_path, value):
    for command in ("mesh", "measure"):
        result = call(command, write_tiff(tmp_path), "--voxel-size", value, "8", "8", "--out", tmp_path / "m", code=2)
        assert "--voxel-size" in result.output
        assert not (tmp_path / "m").exists()


def test_the_smallest_and_the_flattest_and_no_object(tmp_path):
    for name, box, voxels in (("none", (0, 0, 0), 0), ("voxel", (1, 1, 1), 1), ("plane", (1, 20, 20), 400)):
        labels = np.zeros((5, 20, 20), np.uint32)
        labels[tuple(slice(0, side) for side in box)] = 2**32 - 1
        tifffile.imwrite(tmp_path / f"{name}.tif", labels)
        out = tmp_path / name
        found = call_json("mesh", tmp_path / f"{name}.tif", *VOXELS, "--out", out, "--smooth-nm", "1e9")
        assert found["meshes"] == (1 if voxels else 0)
        call("measure", tmp_path / f"{name}.tif", *VOXELS, "--out", out, "--all")
        table = read_csv(out / "instances.csv")
        assert table["voxels"].tolist() == [voxels] * found["meshes"]
        for number in table["id"]:
            mesh = read_mesh(out / f"object_{number}.ply")
            assert mesh.is_watertight
            assert mesh.volume_nm3 == pytest.approx(voxels * 16 * 8 * 8, rel=0.01)


def test_an_export_of_what_has_no_run_names_the_run(tmp_path):
    tifffile.imwrite(tmp_path / "labels.tif", np.zeros((3, 8, 8), np.uint16), photometric="minisblack")
    said = str(call("export", tmp_path / "labels.tif", "--format", "stl", code=1).exception)
    assert "found no run of it" in said
    assert "--voxel-size" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["labels.tif"]
