"""Proposals, advice and boxes in and out, on the small phantom cell with the detector that knows its truth."""

import io
import json
import threading
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from famous.boxes import CORNERS, from_columns
from famous.errors import InputError
from famous.io.annotations import FORMATS, Annotations
from famous.pipeline import detect
from famous.pipeline.labelling import LOWEST, Proposer, _Line, export_download, import_upload, rename
from famous.pipeline.project import open_project
from famous.stack import Window
from tests.cells import cell, write_cell

CLASSES = ("mitochondrion", "early endosome", "late endosome", "lysosome")
WAIT = 60


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return open_project(str(write_cell(tmp_path_factory.mktemp("labelling"))))


@pytest.fixture(scope="module")
def labelled():
    table = cell().boxes([2, 10])
    table = table[(table["y1"] - table["y0"] >= 3) & (table["x1"] - table["x0"] >= 3)].reset_index(drop=True)
    return Annotations(table, frozenset([2, 10, 20]), (*CLASSES, "golgi"))


def corners(table):
    return sorted(map(tuple, table[[*CORNERS, "class_name"]].to_numpy().tolist()))


def model_folder(folder, version, patch):
    """Let the pipeline run a model in this folder; what counts is its card."""
    folder.mkdir(exist_ok=True)
    (folder / "card.json").write_text(json.dumps({"version": version}))
    patch.setattr(detect, "weights_of", lambda project: folder)
    return folder


@pytest.mark.usefixtures("know_all")
def test_a_slice_is_filled_with_what_the_model_finds(project):
    found = Proposer(lambda: project).propose(10, CLASSES)
    assert corners(found.boxes) == corners(cell().boxes([10]))
    assert found.unknown == {}
    assert found.model.kind == "packaged"
    assert len(found.model.version) == 12
    assert set(found.boxes["score"]) == {np.float32(0.9)}


@pytest.mark.usefixtures("know_all")
def test_classes_that_the_stack_lacks_are_counted_not_proposed(project):
    everything = cell().boxes([10])["class_name"].value_counts()
    found = Proposer(lambda: project).propose(10, ("Mitochondria",))
    assert set(found.boxes["class_name"]) == {"Mitochondria"}
    assert len(found.boxes) == everything["mitochondrion"]
    assert found.unknown == {name: count for name, count in sorted(everything.items()) if name != "mitochondrion"}
    assert len(Proposer(lambda: project).propose(10, ()).boxes) == 0


@pytest.mark.usefixtures("know_all")
def test_a_slice_is_detected_once_until_something_changes(project, oracle, monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(type(oracle), "__call__", lambda self, images: [calls.append(1), np.zeros((0, 6))][1:])
    now = [project]
    proposer = Proposer(lambda: now[0])
    for _ in range(3):
        proposer.propose(4, CLASSES)
    assert len(calls) == 1
    proposer.propose(5, CLASSES)
    stack = replace(project.stack, window=Window(3, 99))
    now[0] = replace(project, opened=replace(project.opened, stack=stack))
    proposer.propose(4, CLASSES)
    assert len(calls) == 3
    model_folder(tmp_path / "model", "two", monkeypatch)
    proposer.propose(4, CLASSES)
    assert len(calls) == 4


@pytest.mark.usefixtures("know_all")
def test_a_new_model_in_the_same_folder_is_noticed(project, oracle, monkeypatch, tmp_path):
    opened = []
    monkeypatch.setattr(detect, "load_detector", lambda weights, device: opened.append(weights) or oracle)
    folder = model_folder(tmp_path / "model", "one", monkeypatch)
    proposer = Proposer(lambda: project)
    first = proposer.model()
    assert proposer.model() == first
    assert len(opened) == 1
    assert proposer.version().startswith(first.version)
    model_folder(folder, "two", monkeypatch)
    assert proposer.model().version != first.version
    assert len(opened) == 2
    assert proposer.propose(3, CLASSES).model.version == proposer.version()[:12]


def test_a_model_that_is_being_replaced_is_said_so(project, monkeypatch, tmp_path):
    folder = model_folder(tmp_path / "model", "one", monkeypatch)

    def load(weights, device):
        (folder / "card.json").write_text("{}")
        raise InputError("the weights and the card are not from the same training")

    detect.open_detector.cache_clear()
    monkeypatch.setattr(detect, "load_detector", load)
    with pytest.raises(InputError, match="being replaced"):
        Proposer(lambda: project).propose(3, CLASSES)
    with pytest.raises(InputError, match="same training"):  # now it is broken for good
        Proposer(lambda: project).propose(3, CLASSES)
    assert Proposer(lambda: project).model() is None


def test_without_a_model_there_is_none(project, monkeypatch, tmp_path):
    monkeypatch.setattr(detect, "weights_of", lambda project: tmp_path / "nowhere")
    proposer = Proposer(lambda: project)
    assert proposer.model() is None
    assert proposer.version() is None
    assert proposer.detector() is None


@pytest.mark.usefixtures("know_all")
def test_what_cannot_be_proposed_is_said(project):
    proposer = Proposer(lambda: project)
    for z in (-1, 24):
        with pytest.raises(InputError, match=r"0 … 23"):
            proposer.propose(z, CLASSES)
    stack = replace(project.stack, voxel_size=None)
    sizeless = replace(project, opened=replace(project.opened, stack=stack))
    with pytest.raises(InputError, match="voxel size"):
        Proposer(lambda: sizeless).propose(3, CLASSES)


@pytest.mark.usefixtures("know_all")
def test_weak_boxes_are_proposed_too_whatever_the_run_keeps(project, oracle, monkeypatch):
    mito = oracle.class_names.index("mitochondrion")
    rows = np.array([[10, 10, 30, 30, 0.06, mito], [50, 50, 70, 70, 0.04, mito]], np.float32)
    monkeypatch.setattr(type(oracle), "__call__", lambda self, images: [rows for _ in images])
    strict = replace(project.config.detect, score=0.8, class_scores={"mitochondrion": 0.9})
    strict = replace(project, config=replace(project.config, detect=strict))
    found = Proposer(lambda: strict).propose(3, CLASSES).boxes
    assert found["score"].tolist() == [pytest.approx(0.06)]
    assert LOWEST == 0.05


def test_one_request_at_a_time_and_the_patient_go_last():
    line, order, inside = _Line(), [], threading.Event()
    go_on, ready = threading.Event(), threading.Barrier(3)

    def first():
        with line.turn():
            inside.set()
            assert go_on.wait(WAIT)

    def patient():
        ready.wait(WAIT)
        with line.turn(patient=True):
            order.append("patient")

    def hurried():
        ready.wait(WAIT)
        with line.turn():
            order.append("hurried")

    threads = [threading.Thread(target=act) for act in (first, patient, hurried)]
    for thread in threads:
        thread.start()
    assert inside.wait(WAIT)
    ready.wait(WAIT)
    with line._changed:
        assert line._changed.wait_for(lambda: True)
    while line._hurried == 0:  # until the hurried one stands in the line
        threads[2].join(0.01)
    go_on.set()
    for thread in threads:
        thread.join(WAIT)
    assert order == ["hurried", "patient"]


def test_the_line_moves_on_after_an_error():
    line = _Line()
    with pytest.raises(ZeroDivisionError), line.turn():
        raise ZeroDivisionError
    with line.turn(patient=True):
        pass


@pytest.mark.usefixtures("know_all")
def test_the_adviser_sees_with_the_model(project, oracle, monkeypatch):
    boxes = np.array([[10, 20, 30, 50, 0.9, oracle.class_names.index("mitochondrion")]], np.float32)
    monkeypatch.setattr(type(oracle), "__call__", lambda self, images: [boxes for _ in images])
    adviser = Proposer(lambda: project).adviser(lambda: CLASSES)
    assert adviser.look_on()
    look = adviser.looks()[0]
    # the same box in every picture: it agrees with the neighbours, but not with the slice turned by 180°
    apart, same, doubt = 1 - 1 / 3.8, 1 - 2.8 / 3.8, (0.09 + 0.5) / 1.9
    assert look.disagreement == pytest.approx((apart + same + doubt) / 3, abs=1e-6)


@pytest.mark.usefixtures("know_all")
def test_the_model_is_shown_the_slice_turned_by_half_a_turn(project, oracle, monkeypatch):
    shown = []
    monkeypatch.setattr(type(oracle), "__call__", lambda self, images: [shown.append(images[0]), np.zeros((0, 6))][1:])
    proposer = Proposer(lambda: project)
    for turned in (False, True):
        proposer.found(5, CLASSES, turned=turned)
    assert (shown[1] == np.rot90(shown[0], 2)).all()
    assert (shown[0] != shown[1]).any()


def test_names_are_matched_as_people_mean_them():
    names = ["mitochondrion", "early endosome", "lysosome", "lysosome"]
    columns = {"z": [0] * 4, "y0": [0] * 4, "x0": [0, 20, 40, 60], "y1": [9] * 4, "x1": [9, 29, 49, 69]}
    table = from_columns({**columns, "class_name": names})
    named, unknown = rename(table, ["Mito", "EE", "mitochondria"])
    assert named["class_name"].tolist() == ["Mito", "EE"]
    assert unknown == {"lysosome": 2}
    assert rename(table, ["mitochondria", "mitochondrion"])[0]["class_name"].tolist() == ["mitochondrion"]
    assert rename(table.iloc[:0], ["mito"])[1] == {}


def test_two_classes_of_the_model_that_are_one_of_the_stack_give_one_box():
    columns = {"z": [0, 0], "y0": [0, 0], "x0": [0, 1], "y1": [9, 9], "x1": [9, 10], "score": [0.4, 0.8]}
    named, _ = rename(from_columns({**columns, "class_name": ["mito", "mitochondria"]}), ["mitochondrion"])
    assert named["score"].tolist() == [pytest.approx(0.8)]


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_exported_comes_back_and_the_bytes_stay(project, labelled, kind):
    name, content, notes = export_download(project, kind, labelled)
    assert name.startswith(f"cell_{kind}.")
    assert export_download(project, kind, labelled) == (name, content, notes)
    back = import_upload(project, name, content).annotations
    assert corners(back.boxes) == corners(labelled.boxes)
    assert back.done == labelled.done
    assert back.classes == labelled.classes
    assert export_download(project, kind, back)[1] == content


@pytest.mark.parametrize("kind", FORMATS)
def test_nothing_labelled_is_exported_and_comes_back(project, kind):
    nothing = Annotations(cell().boxes([]), frozenset(), ())
    name, content, _ = export_download(project, kind, nothing)
    assert content
    if kind not in ("yolo", "yolo_mark"):  # without a label file there is nothing to be read as YOLO
        assert import_upload(project, name, content, kind).annotations.boxes.empty


@pytest.mark.parametrize("kind", FORMATS)
def test_what_a_format_cannot_hold_is_said(project, labelled, kind):
    unfinished = Annotations(labelled.boxes.assign(score=np.float32(0.5)), frozenset([2]), labelled.classes)
    name, content, notes = export_download(project, kind, unfinished)
    if kind != "csv":
        assert any("not done" in note for note in notes)
    if kind in ("yolo", "yolo_mark", "cvat"):
        assert any("scores" in note for note in notes)
    found = import_upload(project, name, content)
    assert found.annotations.done == {2}
    assert (found.annotations.boxes["score"] == 1).all()
    if kind in ("csv", "coco"):
        assert any("have a score" in note for note in found.notes)


def test_a_zip_with_images_and_a_folder_inside_is_read(project, labelled):
    _, content, _ = export_download(project, "yolo", labelled)
    target = io.BytesIO(content)
    with zipfile.ZipFile(target, "a") as archive:
        archive.writestr("cell_yolo/images/z00002.png", b"\x89PNG")
    found = import_upload(project, "My Labels (1).ZIP", target.getvalue())
    assert corners(found.annotations.boxes) == corners(labelled.boxes)
    assert any("no labels" in note for note in found.notes)


def test_a_single_label_file_means_the_classes_of_the_stack(project):
    found = import_upload(project, "z00007.txt", b"1 0.5 0.5 0.25 0.5\n", class_names=CLASSES).annotations
    assert corners(found.boxes) == [(40, 60, 120, 100, "early endosome")]
    assert found.done == {7}


def test_boxes_too_small_for_the_page_are_left_out_with_a_word(project):
    table = b"z,y0,x0,y1,x1,class_name\n3,0,0,2,50,mito\n3,5,5,8,8,mito\n"
    found = import_upload(project, "boxes.csv", table)
    assert corners(found.annotations.boxes) == [(5, 5, 8, 8, "mito")]
    assert any("left out: 1 box with a side under 3 px" in note for note in found.notes)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("boxes.csv", b"z,y0\n1,2\n", "boxes.csv"),
        ("../../etc/passwd", b"x", "passwd"),
        ("labels.zip", b"x", "zip"),
        ("a.json", b"{", "a.json"),
        ("", b"", "upload"),
        ("..", b"", "upload"),
        ("x.png", b"\x89PNG", "png"),
        ("nul\x00.xml", b"<a/>", "annotations"),
    ],
)
def test_what_cannot_be_read_is_named_without_our_folders(project, name, content, expected):
    with pytest.raises(InputError, match=expected) as raised:
        import_upload(project, name, content)
    assert "famous-import" not in str(raised.value)


def test_a_wrong_format_is_named(project, labelled):
    with pytest.raises(InputError, match="expected one of"):
        import_upload(project, "a.csv", b"", "excel")
    with pytest.raises(InputError, match="expected one of"):
        export_download(project, "excel", labelled)


def test_an_import_leaves_no_trace(project, labelled, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = sorted(project.folder.rglob("*"))
    _, content, _ = export_download(project, "csv", labelled)
    import_upload(project, "x.zip", content)
    with pytest.raises(InputError):
        import_upload(project, "x.zip", content[:-30])
    assert list(tmp_path.iterdir()) == []
    assert sorted(project.folder.rglob("*")) == before


def test_class_names_are_not_looked_for_outside_the_upload(project, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "obj.names").write_text("secret\n")
    with pytest.raises(InputError, match="no class names"):
        import_upload(project, "z00001.txt", b"0 0.5 0.5 0.25 0.5\n")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.sampled_from(
        ["a.csv", "z1.txt", "a.json", "a.xml", "a.zip", "data.yaml", "obj.names", "x", "../a.tsv", "é.csv"]
    ),
    st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from([None, *FORMATS]),
)
def test_any_upload_is_read_or_refused(project, name, content, kind):
    try:
        found = import_upload(project, name, content, kind)
    except InputError:
        return
    assert isinstance(found.annotations.boxes, pd.DataFrame)
