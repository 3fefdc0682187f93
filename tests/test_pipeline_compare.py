"""`famous compare` whole: a run against two experts, tables, facts and report, and no half of anything."""

import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from markupsafe import escape

from famous.compare.comparison import COLUMNS
from famous.compare.uncertainty import BootstrapParams
from famous.errors import InputError
from famous.io.truths import Placing
from famous.pipeline import compare as module
from famous.pipeline.compare import FACTS, REPORT, Output, run_compare
from famous.pipeline.compare_sources import Asked
from famous.pipeline.stage import Session, Silent
from tests.compare_scenes import MITOS, SHAPE, SIZE, sources, write_coco, write_labels, write_run, write_sources


class Listener(Silent):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare")
    return write_run(folder), write_sources(folder / "drawn"), folder


@pytest.fixture(scope="module")
def made(run):
    """The whole thing once, with its report."""
    stack, drawn, _ = run
    asked = Asked((str(stack),), (str(drawn["M1"]), str(drawn["M2"])), paper=True)
    return run_compare(asked, Output(command="famous compare cell.tif"), Session(Silent(), jobs=2))


@pytest.fixture
def quick(monkeypatch):
    """Write a report of one line, and keep what it was given."""
    given = {}

    def write(path, comparison, pictures, meshes):
        given.update(comparison=comparison, pictures=pictures, meshes=list(meshes))
        path.write_text("report")

    monkeypatch.setattr(module, "write_report", write)
    return given


def ask(run, *truths, **changes):
    stack, drawn, _ = run
    return Asked((str(stack),), tuple(str(drawn[name]) for name in truths), **changes)


def test_everything_is_written_beside_the_run(run, made):
    stack, _, _ = run
    folder = stack.with_name("cell.famous") / "report"
    assert made.folder == folder
    names = [f"{name}.csv" for name in COLUMNS] + [FACTS, REPORT]
    assert [path.name for path in made.files] == names
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)


def test_each_table_is_a_csv_with_its_columns(made):
    for name, table in made.comparison.tables().items():
        read = pd.read_csv(made.folder / f"{name}.csv")
        assert list(read.columns) == list(COLUMNS[name])
        assert len(read) == len(table)
        assert len(table) > 0


def test_the_numbers_are_those_of_the_cell(made):
    detection = made.comparison.detection
    own = detection[(detection["class"] == "mito") & (detection["threshold"] == 0.5)]
    counts = own.set_index(["pred", "truth", "matching"])[["tp", "fp", "fn"]]
    assert counts.loc[("automatic", "M1", "one to one")].tolist() == [3, 2, 3]
    assert counts.loc[("automatic", "M1", "paper")].tolist() == [3, 1, 3]
    assert counts.loc[("M2", "M1", "one to one")].tolist() == [5, 0, 1]
    agreement = made.comparison.agreement.set_index(["pred", "truth", "class"])
    assert agreement.loc[("M2", "M1", "mito"), "surface_hausdorff_nm"] == pytest.approx(20)
    assert set(made.comparison.verdicts["class"]) == {"mito", "vesicle"}


def test_the_report_is_one_file_that_names_all_three(made):
    page = (made.folder / REPORT).read_text(encoding="utf-8")
    assert page.lstrip().lower().startswith("<!doctype html")
    assert all(name in page for name in ("automatic", "M1", "M2", "mito", "vesicle"))
    assert len(page) < 25e6


def test_the_facts_tell_how_to_repeat_it(made):
    facts = json.loads((made.folder / FACTS).read_text(encoding="utf-8"))
    assert facts["command"] == "famous compare cell.tif"
    assert facts["parameters"]["paper_matching"] is True
    assert facts["grid"] == {"shape": list(SHAPE), "voxel_size_nm": list(SIZE.zyx)}
    assert [source["name"] for source in facts["sources"]] == ["automatic", "M1", "M2"]
    assert all(source["fingerprint"] for source in facts["sources"])
    assert {"famous", "python", "numpy", "scipy"} <= set(facts["versions"])
    assert any("paper" in note for note in facts["notes"])
    assert len(facts["verdicts"]) == 2


def test_the_report_tells_each_note_once(tmp_path):
    labels = sources()["M1"]["mito"]
    first, second = (str(write_labels(tmp_path / name, labels)) for name in ("a.tif", "b.tif"))
    (tmp_path / "ids.csv").write_text("id,class\n1,mito\n2,mito\n")
    asked = Asked((first, second), class_table=tmp_path / "ids.csv")
    made = run_compare(asked, Output(tmp_path / "report"), Session(Silent()))
    assert all(source.notes for source in made.comparison.sources)
    html = (made.folder / REPORT).read_text(encoding="utf-8")
    told = [f"<li>{escape(note)}</li>" for note in made.comparison.notes]
    assert [html.count(line) for line in told] == [1] * len(told)


def test_it_is_not_done_again_over_what_is_there(run, made, quick):
    before = (made.folder / REPORT).read_bytes()
    with pytest.raises(InputError, match="--overwrite"):
        run_compare(ask(run, "M1"), Output(), Session())
    assert (made.folder / REPORT).read_bytes() == before


def test_overwriting_replaces_all_and_nothing_else(run, tmp_path, quick):
    out = tmp_path / "report"
    run_compare(ask(run, "M1", "M2"), Output(out), Session())
    (out / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        run_compare(ask(run, "M1"), Output(out), Session())
    run_compare(ask(run, "M1"), Output(out, overwrite=True), Session())
    assert set(pd.read_csv(out / "totals.csv")["source"]) == {"automatic", "M1"}
    assert (out / "thesis.tex").read_text() == "mine"


@pytest.mark.parametrize("fault", [KeyboardInterrupt, MemoryError])
def test_what_is_stopped_leaves_no_report_and_no_half_file(run, tmp_path, quick, monkeypatch, fault):
    out = tmp_path / "report"
    run_compare(ask(run, "M1"), Output(out), Session())
    whole = module.write_csv

    def stop(path, table, **options):
        if path.name == "objects.csv":
            raise fault
        whole(path, table, **options)

    monkeypatch.setattr(module, "write_csv", stop)
    with pytest.raises(fault):
        run_compare(ask(run, "M1", "M2"), Output(out, overwrite=True), Session())
    assert not (out / REPORT).exists()
    assert all(len(pd.read_csv(path)) for path in out.glob("*.csv"))
    assert not [path for path in out.iterdir() if "partial" in path.name]
    monkeypatch.setattr(module, "write_csv", whole)
    run_compare(ask(run, "M1", "M2"), Output(out), Session())
    assert (out / REPORT).exists()


def test_two_comparisons_do_not_write_one_report(run, tmp_path, quick):
    out = tmp_path / "report"
    out.mkdir()
    with FileLock(out / ".lock"), pytest.raises(InputError, match="at work here; wait for it, or name another --out"):
        run_compare(ask(run, "M1"), Output(out), Session())
    assert not (out / REPORT).exists()
    run_compare(ask(run, "M1"), Output(out), Session())
    assert (out / REPORT).exists()


def test_a_report_that_another_wrote_meanwhile_stays(run, tmp_path, quick, monkeypatch):
    out = tmp_path / "report"

    def meanwhile(_folder):
        monkeypatch.undo()
        run_compare(ask(run, "M1"), Output(out, meshes=False), Session())

    monkeypatch.setattr(module, "_make_folder", meanwhile)
    with pytest.raises(InputError, match="is there already"):
        run_compare(ask(run, "M1", "M2"), Output(out), Session())
    assert set(pd.read_csv(out / "totals.csv")["source"]) == {"automatic", "M1"}


def test_a_table_of_the_users_is_not_overwritten(run, tmp_path, quick):
    (tmp_path / "objects.csv").write_text("mine")
    with pytest.raises(InputError, match=r"objects\.csv is there already"):
        run_compare(ask(run, "M1"), Output(tmp_path), Session())
    assert (tmp_path / "objects.csv").read_text() == "mine"


def test_a_folder_of_other_files_is_not_mixed_with_a_report(run, tmp_path, quick):
    """An expert's labels, as `--out` in haste."""
    labels = tmp_path / "labels"
    labels.mkdir()
    for name in ("mito.tif", "vesicle.tif"):
        (labels / name).write_text("mine")
    with pytest.raises(InputError, match=r"found 2 other files there \(mito\.tif, vesicle\.tif\).*--overwrite"):
        run_compare(ask(run, "M1"), Output(labels), Session())
    assert len(list(labels.iterdir())) == 2
    run_compare(ask(run, "M1"), Output(labels, overwrite=True), Session())
    assert (labels / REPORT).exists()
    assert (labels / "mito.tif").read_text() == "mine"


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", ".objects.csv.0123.partial.csv"])
def test_what_systems_and_kills_leave_in_a_folder_is_nobodys(run, tmp_path, quick, name):
    (tmp_path / name).write_text("")
    run_compare(ask(run, "M1"), Output(tmp_path), Session())
    assert (tmp_path / REPORT).exists()


def test_what_a_kill_left_goes_and_what_is_not_ours_stays(run, tmp_path, quick):
    ours = tmp_path / ".objects.csv.0123.partial.csv"
    theirs = [tmp_path / ".cell.tif.0123.partial.tif", tmp_path / "deep" / ".objects.csv.0123.partial.csv"]
    theirs[1].parent.mkdir()
    for path in (ours, *theirs):
        path.write_text("half")
    run_compare(ask(run, "M1"), Output(tmp_path, overwrite=True), Session())
    assert not ours.exists()
    assert all(path.exists() for path in theirs)


def test_a_folder_that_cannot_be_written_is_told(run, tmp_path, quick, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(module.Path, "mkdir", refuse)
    with pytest.raises(InputError, match="Permission denied"):
        run_compare(ask(run, "M1"), Output(tmp_path / "new"), Session())


def test_a_slice_that_is_damaged_ends_it_with_its_name_and_no_report(run, tmp_path, quick):
    stack, _, _ = run
    path = write_labels(tmp_path / "mito.tif", sources()["M1"]["mito"])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="mito"):
        run_compare(Asked((str(stack),), (str(path),)), Output(tmp_path / "out"), Session())
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_place_of_the_folder_is_left_alone(run, tmp_path):
    (tmp_path / "report").write_text("mine")
    with pytest.raises(InputError, match="expected a folder"):
        run_compare(ask(run, "M1"), Output(tmp_path / "report", overwrite=True), Session())
    assert (tmp_path / "report").read_text() == "mine"


def test_a_region_is_compared_as_if_there_were_nothing_else(run, tmp_path, quick):
    """The upper half in y holds mito 1, 2, 4 and 5 of which 1 is in two pieces; places stay those of the grid."""
    region = ((None, None), (0, 34), (0, None))
    made = run_compare(ask(run, "M1", region=region), Output(tmp_path), Session()).comparison
    assert made.region == ((0, 16), (0, 34), (0, 80))
    objects = made.objects[(made.objects["source"] == "M1") & (made.objects["class"] == "mito")]
    assert objects["id"].tolist() == [1, 2, 4, 5]
    assert objects["low_y_voxel"].tolist() == [MITOS[n][1][0] for n in (1, 2, 4, 5)]


def test_meshes_and_places_of_a_region_are_those_of_the_grid(run, tmp_path, quick):
    region = ((1, 14), (30, 60), (2, 40))
    made = run_compare(ask(run, "M1", region=region), Output(tmp_path), Session()).comparison
    row = made.objects[(made.objects["source"] == "M1") & (made.objects["id"] == 3)].iloc[0]
    assert [row["low_z_voxel"], row["low_y_voxel"], row["low_x_voxel"]] == [side[0] for side in MITOS[3]]
    mesh = next(mesh for source, name, number, mesh in quick["meshes"] if (source, name, number) == ("M1", "mito", 3))
    middle = np.array([sum(side) / 2 for side in MITOS[3]]) * SIZE.zyx
    assert mesh.bounds.mean(axis=0) == pytest.approx(middle, abs=8)
    assert set(made.slices["z"]) == set(range(1, 14))


def write_crop(path, low, high):
    """A part of M1's mitochondria (z, y, x), whose file does not say where it begins; and its offset in nm."""
    part = tuple(slice(*ends) for ends in zip(low, high, strict=True))
    write_labels(path, np.ascontiguousarray(sources()["M1"]["mito"][part]))
    return Placing(offset_nm=tuple(float(i * s) for i, s in zip(low, SIZE.zyx, strict=True)))


def test_a_truth_that_is_a_part_of_the_stack_is_told_in_the_voxels_of_the_stack(run, tmp_path, quick):
    stack, _, _ = run
    low, high = (2, 30, 2), (14, 56, 40)
    placing = write_crop(tmp_path / "mito.tif", low, high)
    asked = Asked((str(stack),), (str(tmp_path / "mito.tif"),), placing=placing)
    made = run_compare(asked, Output(tmp_path / "a"), Session()).comparison
    assert made.grid.shape == SHAPE
    assert made.region == tuple(zip(low, high, strict=True))
    row = made.objects[(made.objects["source"] == "M1") & (made.objects["id"] == 3)].iloc[0]
    assert [row[f"low_{axis}_voxel"] for axis in "zyx"] == [side[0] for side in MITOS[3]]
    middle = np.array([sum(side) / 2 for side in MITOS[3]]) * SIZE.zyx
    assert [1000 * row[f"centroid_{axis}_um"] for axis in "zyx"] == pytest.approx(middle, abs=8)
    assert set(made.slices["z"]) == set(range(2, 14))
    mesh = next(mesh for source, _, number, mesh in quick["meshes"] if (source, number) == ("M1", 3))
    assert mesh.bounds.mean(axis=0) == pytest.approx(middle, abs=8)
    shown = quick["pictures"].labels("M1", "mito", "z", 5, (0, 60, 0, 80))
    assert np.array_equal(shown[30:56, 2:40], sources()["M1"]["mito"][5, 30:56, 2:40])
    assert np.count_nonzero(shown) == np.count_nonzero(shown[30:56, 2:40])


def test_slices_and_region_are_those_of_the_stack_where_the_truth_is_a_part(run, tmp_path, quick):
    stack, _, _ = run
    placing = write_crop(tmp_path / "mito.tif", (2, 30, 2), (14, 56, 40))
    asked = Asked((str(stack),), (str(tmp_path / "mito.tif"),), placing=placing)
    made = run_compare(replace(asked, slices=(5, 11)), Output(tmp_path / "a"), Session()).comparison
    assert made.known_slices == (5, 11)
    assert set(made.slices["z"]) == {5, 11}
    region = ((4, 9), (30, 50), (0, None))
    made = run_compare(replace(asked, region=region), Output(tmp_path / "b"), Session()).comparison
    assert made.region == ((4, 9), (30, 50), (2, 40))


def test_a_class_that_a_truth_alone_has_may_be_asked_for(run, tmp_path, quick):
    drawn, pred = run[1], tmp_path / "pred"
    pred.mkdir()
    shutil.copy2(drawn["M1"] / "mito.tif", pred)
    asked = Asked((str(pred), str(drawn["M2"])), classes=("vesicle",))
    detection = run_compare(asked, Output(tmp_path / "out"), Session()).comparison.detection
    assert set(detection["class"]) == {"vesicle"}
    assert (detection["tp"] == 0).all()
    assert (detection["fn"] > 0).all()


def test_some_slices_only_leave_out_what_needs_all(run, tmp_path, quick):
    listener = Listener()
    made = run_compare(ask(run, "M1", slices=(3, 5, 9)), Output(tmp_path), Session(listener)).comparison
    assert made.known_slices == (3, 5, 9)
    assert made.agreement["surface_mean_nm"].isna().all()
    assert made.objects["area_um2"].isna().all()
    assert made.agreement["iou"].notna().all()
    assert any("some slices" in note for note in made.notes)
    assert quick["meshes"] == []


def test_slices_in_a_row_are_whole(run, tmp_path, quick):
    made = run_compare(ask(run, "M1", slices=(3, 4, 5, 6)), Output(tmp_path), Session()).comparison
    assert made.agreement["surface_mean_nm"].notna().any()
    assert made.region == ((3, 7), (0, 60), (0, 80))


def test_no_meshes_are_made_where_none_are_wanted(run, tmp_path, quick):
    run_compare(ask(run, "M1"), Output(tmp_path, meshes=False), Session())
    assert quick["meshes"] == []
    assert quick["comparison"].agreement["surface_mean_nm"].notna().any()


def test_more_objects_than_are_shown_are_told(run, tmp_path, quick, monkeypatch):
    monkeypatch.setattr(module, "MeshBudget", lambda: module.__dict__["_budget"])
    from famous.pipeline.compare_meshes import MeshBudget

    monkeypatch.setitem(module.__dict__, "_budget", MeshBudget(objects=2))
    made = run_compare(ask(run, "M1"), Output(tmp_path), Session()).comparison
    assert "M1: of 9 objects the 3D view shows 2, the largest and those that cost most" in made.notes
    assert len(quick["meshes"]) == 4


def test_the_pictures_are_those_of_the_stack_and_of_the_labels(run, tmp_path, quick):
    run_compare(ask(run, "M1"), Output(tmp_path), Session())
    pictures, window = quick["pictures"], (0, 40, 0, 60)
    labels = pictures.labels("M1", "mito", "z", 5, window)
    assert (labels == sources()["M1"]["mito"][5, :40, :60]).all()
    grey = pictures.slice("z", 5, window)
    auto = pictures.labels("automatic", "mito", "z", 5, window)
    assert grey[auto > 0].mean() < grey[auto == 0].mean() - 20


def test_the_detectors_scores_give_an_average_precision(made):
    detection = made.comparison.detection
    own = detection[(detection["pred"] == "automatic") & (detection["threshold"] == 0.5)]
    assert own["ap"].notna().all()
    assert detection[detection["pred"] == "M2"]["ap"].isna().all()


def test_boxes_are_scored_in_2d_only(run, tmp_path, quick):
    stack, _, folder = run
    listener = Listener()
    asked = Asked((str(stack),), (str(write_coco(folder / "M1.json")),))
    made = run_compare(asked, Output(tmp_path), Session(listener)).comparison
    assert made.grid.voxel_size is not None  # the stack's: scale bars have a length
    assert len(made.agreement) == len(made.components) == 0
    assert made.objects["volume_um3"].isna().all()
    assert made.totals["volume_um3"].isna().all()
    assert made.matches["cost_um3"].isna().all()
    invented = made.matches[made.matches["kind"] == "invented"].iloc[0]
    box = made.objects[(made.objects["source"] == "automatic") & (made.objects["id"] == invented["pred_id"])].iloc[0]
    assert invented["cost_voxels"] == box["voxels"] > 0
    assert len(made.detection) > 0
    assert any("2D" in note for note in made.notes)
    assert any("2D" in note for note in listener.notes)
    assert quick["pictures"].labels("M1", "mito", "z", 5, (0, 60, 0, 80)).any()


def test_what_nobody_is_judged_by_is_told(run, tmp_path, quick):
    listener = Listener()
    asked = ask(run, "M1", ignore=99, boundary_nm=12.5)
    made = run_compare(asked, Output(tmp_path), Session(listener)).comparison
    for notes in (made.notes, listener.notes):
        assert any("the ignore label 99 does not occur" in note for note in notes)
        assert any("12.5 nm" in note and "within the slices" in note and "%" in note for note in notes)


def test_bootstrap_and_margin_are_those_that_are_told(run, tmp_path, quick):
    asked = ask(run, "M1", "M2", bootstrap=BootstrapParams(level=0.5, rounds=200))
    made = run_compare(asked, Output(tmp_path), Session()).comparison
    assert set(made.intervals["level"]) == {0.5}
    assert made.parameters["bootstrap"]["rounds"] == 200


def test_three_label_volumes_without_a_run(run, tmp_path, quick):
    _, drawn, _ = run
    asked = Asked(tuple(str(drawn[name]) for name in ("M2", "M1")))
    made = run_compare(asked, Output(tmp_path), Session()).comparison
    assert made.pairs == (("M2", "M1"),)
    assert set(made.verdicts["kind"]) == {"no second expert"}
    assert made.matches["kind"].value_counts()["missed"] == 1


def test_swapping_the_sides_swaps_precision_and_recall(run, tmp_path, quick):
    _, drawn, _ = run
    one, other = str(drawn["automatic"]), str(drawn["M1"])
    there = run_compare(Asked((one, other)), Output(tmp_path / "there"), Session()).comparison.detection
    back = run_compare(Asked((other, one)), Output(tmp_path / "back"), Session()).comparison.detection
    assert there["precision"].to_numpy() == pytest.approx(back["recall"].to_numpy(), nan_ok=True)
    assert there["f1"].to_numpy() == pytest.approx(back["f1"].to_numpy(), nan_ok=True)


def test_a_source_against_itself_agrees_in_everything(run, tmp_path, quick):
    _, drawn, _ = run
    made = run_compare(Asked((str(drawn["M1"]), str(drawn["M1"]))), Output(tmp_path), Session()).comparison
    assert (made.detection["f1"] == 1).all()
    assert (made.agreement["iou"] == 1).all()
    assert (made.agreement["surface_hausdorff_nm"] == 0).all()
    assert (made.matches["kind"] == "matched").all()


def test_truth_without_an_object_is_undefined_not_zero(run, tmp_path, quick):
    stack, _, _ = run
    path = write_labels(tmp_path / "mito.tif", np.zeros(SHAPE, np.uint8))
    made = run_compare(Asked((str(stack),), (str(path),)), Output(tmp_path / "out"), Session()).comparison
    row = made.detection.iloc[0]
    assert math.isnan(row["recall"])
    assert "recall is undefined" in row["note"]
    assert made.verdicts["kind"].tolist() == ["undefined"]


def test_the_same_comparison_gives_the_same_bytes(run, tmp_path, quick):
    for name, jobs in (("a", 1), ("b", 3)):
        run_compare(ask(run, "M1", "M2"), Output(tmp_path / name), Session(jobs=jobs))
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_real_mitochondria_against_themselves_moved(shared_data, tmp_path, quick):
    path = shared_data / "urocell" / "fib1-3-3-0" / "mito.tif"
    if not path.exists():
        pytest.skip("the labels are not here")
    import tifffile

    labels = tifffile.imread(path)[:40, :128, :129].astype(np.uint16)
    one = write_labels(tmp_path / "one.tif", labels[:, :, 1:], SIZE)
    other = write_labels(tmp_path / "other.tif", labels[:, :, :-1], SIZE)
    made = run_compare(Asked((str(one), str(other))), Output(tmp_path / "out"), Session()).comparison
    row = made.agreement.iloc[0]
    assert 0.7 < row["iou"] < 1
    assert row["surface_mean_nm"] < 15
