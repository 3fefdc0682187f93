"""The labelling server's answers, over real connections; the room behind it; and what a kill leaves."""

import dataclasses
import json
import re

import httpx
import numpy as np
import pytest

from famous.annotate import room as rooms
from famous.annotate.desk import MissingWeights, Model
from famous.annotate.first import KINDS, Page, web_files
from famous.annotate.records import Box
from famous.annotate.state import Snapshot
from tests.desks import MITO, NUCLEUS, SHAPE, Tables, Training, client, make_desk, ramp, room_of, serving

CLASSES = [MITO.plain(), NUCLEUS.plain()]
BOX = {"id": "t-1", "z": 1, "y0": 10, "x0": 20, "y1": 40, "x1": 60, "class": "mitochondrion"}


@pytest.fixture
def tables():
    return Tables()


@pytest.fixture
def room(tmp_path, tables):
    with room_of(make_desk(tmp_path, tables)) as room:
        yield room


@pytest.fixture
def browser(room):
    with serving(room) as port, client(port) as browser:
        yield browser


@pytest.fixture
def started(browser):
    """A page whose user has chosen the classes."""
    assert browser.post("/api/setup", json={"classes": CLASSES}).status_code == 200
    return browser


def send(browser, base, *changes, edit="e1", label="draw box"):
    return browser.post("/api/edits", json={"base": base, "edits": [{"id": edit, "label": label, "changes": changes}]})


def add(**fields):
    return {"op": "add", "box": BOX | fields}


def test_the_state_is_what_the_page_needs_to_begin(browser):
    state = browser.get("/api/state").json()
    assert state == {
        "stack": {
            "name": "ramp",
            "fingerprint": "f" * 64,
            "shape": list(SHAPE),
            "voxel_size_nm": [30, 4, 4],
            "window": [0, 6300],
            "inverted": False,
            "bits": 16,
            "offset": 0,
            "scale": 1,
        },
        "classes": [],
        "boxes": [],
        "done": [],
        "proposed": [1, 4],
        "first": 1,
        "seconds": {},
        "revision": 0,
        "undo": None,
        "redo": None,
        "presets": {"a cell": [MITO.plain()]},
        "palette": ["#e69f00"],
        "model": {"version": "v1", "kind": "packaged", "classes": ["mitochondrion"]},
        "opening": False,
        "training": {"state": "idle", "loss": None, "epoch": 3},
        "formats": ["csv", "coco"],
        "pyramid": {"tile": 512, "levels": 2},
    }


@pytest.mark.parametrize("question", ["state", "pulse"])
def test_a_model_that_is_being_opened_is_told_from_none(question, tmp_path):
    model, asked = None, []
    desk = make_desk(tmp_path, model=lambda: (asked.append(1), model)[1], is_opening=lambda: bool(asked) and not model)
    with room_of(desk) as room:
        found = getattr(room, question)()
        assert (found["model"], found["opening"]) == (None, True)
        model = Model("v1", "packaged", ("mitochondrion",))
        found = getattr(room, question)()
        assert (found["model"]["version"], found["opening"]) == ("v1", False)


def test_an_edit_is_in_the_tables_when_it_is_answered(started, tables):
    answer = send(started, 1, add(), {"op": "done", "z": 1, "from": False, "to": True})
    assert answer.json() == {"revision": 2, "undo": "draw box", "redo": None}
    assert [box.plain() for box in tables.snapshot.boxes.values()] == [BOX]
    assert tables.snapshot.done == {1}
    state = started.get("/api/state").json()
    assert (state["boxes"], state["done"], state["classes"]) == ([BOX], [1], CLASSES)


def test_undo_and_redo_say_what_they_changed(started, tables):
    send(started, 1, add())
    undone = started.post("/api/undo", json={"base": 2}).json()
    assert undone == {"revision": 3, "undo": None, "redo": "draw box", "changes": [{"op": "remove", "box": BOX}]}
    assert tables.snapshot.boxes == {}
    redone = started.post("/api/redo", json={"base": 3}).json()
    assert redone == {"revision": 4, "undo": "draw box", "redo": None, "changes": [{"op": "add", "box": BOX}]}
    assert list(tables.snapshot.boxes) == ["t-1"]
    assert started.post("/api/redo", json={"base": 4}).status_code == 422


def test_the_later_of_two_tabs_is_told(started):
    assert send(started, 1, add(), edit="tab-1").status_code == 200
    late = send(started, 1, add(id="t-2"), edit="tab-2")
    assert late.status_code == 409
    assert late.json()["revision"] == 2
    assert "changed elsewhere" in late.json()["error"]
    assert started.post("/api/undo", json={"base": 1}).status_code == 409
    assert send(started, 2, add(id="t-2"), edit="tab-2").json()["revision"] == 3


def test_an_edit_that_does_not_fit_is_named(started, tables):
    refused = send(started, 1, add(), add(id="t-2", x1=22), edit="e7")
    assert refused.status_code == 422
    assert refused.json()["edit"] == "e7"
    assert "e7" in refused.json()["error"]
    assert started.get("/api/state").json()["boxes"] == []
    assert tables.snapshot.boxes == {}


def test_an_edit_sent_again_is_made_once(started):
    first = send(started, 1, add()).json()
    assert send(started, 1, add()).json() == first
    assert len(started.get("/api/state").json()["boxes"]) == 1


def test_time_is_added_up(browser):
    for seconds in (1.5, 2):
        assert browser.post("/api/time", json={"z": 2, "seconds": seconds}).status_code == 200
    assert browser.get("/api/state").json()["seconds"] == {"2": 3.5}
    assert browser.post("/api/time", json={"z": 6, "seconds": 1}).status_code == 422


def test_the_first_start_settles_the_voxel_size(tmp_path):
    stack = dataclasses.replace(ramp(), voxel_size=None)
    with room_of(make_desk(tmp_path, stack=stack)) as room, serving(room) as port, client(port) as browser:
        assert browser.get("/api/state").json()["stack"]["voxel_size_nm"] is None
        snap = {"z": 1, "box": {"y0": 0, "x0": 0, "y1": 9, "x1": 9}, "class": "nucleus"}
        assert browser.post("/api/snap", json=snap).status_code == 422
        wrong = browser.post("/api/setup", json={"classes": CLASSES, "voxel_size_nm": [0, 4, 4]})
        assert (wrong.status_code, browser.get("/api/state").json()["classes"]) == (400, [])
        answer = browser.post("/api/setup", json={"classes": CLASSES, "voxel_size_nm": [40, 5, 5]}).json()
        assert answer["stack"]["voxel_size_nm"] == [40, 5, 5]
        assert answer["revision"] == 1
        assert browser.get("/api/state").json()["stack"]["voxel_size_nm"] == [40, 5, 5]


def test_classes_that_have_boxes_cannot_be_taken_away(started):
    send(started, 1, add())
    assert started.post("/api/setup", json={"classes": [NUCLEUS.plain()]}).status_code == 422
    assert started.post("/api/setup", json={"classes": CLASSES[::-1]}).json()["undo"] == "set the classes"


def test_a_stack_with_classes_does_not_ask_for_them(tmp_path, tables):
    with room_of(make_desk(tmp_path, tables, classes=(MITO,))) as room:
        assert room.state()["classes"] == [MITO.plain()]
        assert room.state()["undo"] is None
    assert tables.snapshot.classes == (MITO,)


def test_the_window_is_settled(browser):
    shown = browser.post("/api/window", json={"low": 10, "high": 20.5, "inverted": True}).json()["stack"]
    assert (shown["window"], shown["inverted"]) == ([10, 20.5], True)
    assert browser.get("/api/state").json()["stack"]["window"] == [10, 20.5]
    assert browser.post("/api/window", json={"low": 20, "high": 10, "inverted": False}).status_code == 422


def test_tiles_are_the_slice(browser):
    whole = np.zeros(SHAPE[1:], dtype="<u2")
    for row, col in np.ndindex(2, 2):
        answer = browser.get(f"/tiles/3/0/{row}/{col}")
        shape = tuple(map(int, answer.headers["x-shape"].split(",")))
        tile = np.frombuffer(answer.content, "<u2").reshape(shape)
        whole[row * 512 : row * 512 + shape[0], col * 512 : col * 512 + shape[1]] = tile
    assert np.array_equal(whole, ramp().volume[3])
    assert browser.get("/tiles/3/1/0/0").headers["x-shape"] == "350,300"


def test_a_tile_is_sent_once(browser):
    first = browser.get("/tiles/3/1/0/0")
    assert first.headers["cache-control"] == browser.get("/tiles/3/1/0/0?v=old").headers["cache-control"]
    assert first.headers["cache-control"] == "private, no-cache"
    named = browser.get(f"/tiles/3/1/0/0?v={'f' * 16}")
    assert named.content == first.content
    assert "immutable" in named.headers["cache-control"]
    again = browser.get("/tiles/3/1/0/0", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = browser.get("/tiles/4/1/0/0", headers={"If-None-Match": first.headers["etag"]})
    assert other.status_code == 200


def test_only_the_slice_that_is_looked_at_has_its_neighbours_fetched(browser, room, monkeypatch):
    looked_at = []
    monkeypatch.setattr(room.images, "prefetch", looked_at.append)
    browser.get("/tiles/3/1/0/0")
    browser.get("/tiles/4/1/0/0", headers={"X-Ahead": "1"})
    assert looked_at == [3]


@pytest.mark.parametrize("path", ["/tiles/6/0/0/0", "/tiles/0/9/0/0", "/tiles/0/0/2/0", "/tiles/0/0/999999999/0"])
def test_a_tile_that_is_not_there_is_a_404(path, browser):
    assert browser.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/tiles/-1/0/0/0", "/tiles/1e3/0/0/0", "/tiles/0/0/0/9999999999", "/tiles/²/0/0/0"])
def test_a_tile_whose_place_is_no_number_is_a_400(path, browser):
    assert browser.get(path).status_code == 400


def test_cuts_come_with_their_place(browser):
    browser.get("/tiles/3/0/0/0")
    answer = browser.get("/cuts", params={"z": 3, "y": 50, "x": 60, "half": 2})
    facts = json.loads(answer.headers["x-cuts"])
    xz = np.frombuffer(answer.content, "<u2")[: np.prod(facts["xz"])].reshape(facts["xz"])
    yz = np.frombuffer(answer.content, "<u2")[np.prod(facts["xz"]) :].reshape(facts["yz"])
    assert (facts["z0"], facts["y0"], facts["x0"], facts["step_px"]) == (1, 48, 58, 1)
    assert xz[3 - facts["z0"]].tolist() == [3108, 3109, 3110, 3111, 3112]
    assert yz[3 - facts["z0"]].tolist() == [3108, 3109, 3110, 3111, 3112]
    assert browser.get("/cuts", params={"z": 6, "y": 0, "x": 0, "half": 2}).status_code == 404
    assert browser.get("/cuts", params={"z": 1, "y": 0, "x": 0}).status_code == 400


def test_the_histogram_counts_pixels(browser):
    found = browser.get("/api/histogram").json()
    assert len(found["counts"]) == 256
    assert sum(found["counts"]) > 0
    assert found["low"] < found["high"]


def test_snap_gives_the_box_or_a_word(browser, monkeypatch):
    seen = []

    def snap(slab, corners, extractor, *, voxel_size):
        seen.append((slab.shape, slab.dtype, corners, voxel_size.zyx))
        return (11, 12, 20, 30) if len(seen) == 1 else None

    monkeypatch.setattr(rooms, "snap", snap)
    body = {"z": 1, "box": {"y0": -5, "x0": 0, "y1": 90, "x1": 95}, "class": "mitochondrion"}
    assert browser.post("/api/snap", json=body).json() == {"box": {"y0": 11, "x0": 12, "y1": 20, "x1": 30}}
    assert seen == [((700, 600, 1), np.uint8, (-5, 0, 90, 95), (30, 4, 4))]
    assert browser.post("/api/snap", json=body).status_code == 422
    assert browser.post("/api/snap", json=body | {"z": 6}).status_code == 422


def test_interpolate_takes_the_boxes_of_the_key_slices(started, monkeypatch):
    seen = []

    def interpolate(boxes, z_a, z_b):
        seen.append(sorted(boxes["x0"]))
        return boxes.assign(z=2)

    monkeypatch.setattr(rooms, "interpolate", interpolate)
    send(started, 1, add(), add(id="t-2", z=4, x0=21), add(id="t-3", z=4, x0=22), add(id="t-4", z=5, x0=23))
    found = started.post("/api/interpolate", json={"from": 1, "to": 4, "ids": ["t-1", "t-3"]}).json()["boxes"]
    place = {name: BOX[name] for name in ("y0", "y1", "x1", "class")}
    assert found == [place | {"z": 2, "x0": 20}, place | {"z": 2, "x0": 22}]
    started.post("/api/interpolate", json={"from": 4, "to": 1, "ids": None})
    assert seen == [[20, 22], [20, 21, 22]]
    assert started.post("/api/interpolate", json={"from": 4, "to": 4, "ids": None}).status_code == 422
    assert started.post("/api/interpolate", json={"from": 4, "to": 6, "ids": None}).status_code == 422


def test_proposals_have_scores_and_a_model(started):
    found = started.post("/api/propose", json={"z": 2}).json()
    box = {"y0": 1, "x0": 2, "y1": 30, "x1": 40, "class": "mitochondrion", "score": 0.5}
    assert found == {"z": 2, "model": "v1", "boxes": [box], "unknown": {"golgi": 2}}
    assert started.post("/api/propose", json={"z": 6}).status_code == 422
    assert started.get("/api/next", params={"z": 3}).json() == {"z": 1, "reason": "it is drawn"}


def test_training_is_started_and_stopped(browser):
    assert browser.post("/api/train", json={"minutes": 5}).json()["training"]["state"] == "running"
    assert browser.post("/api/train", json={"minutes": 5}).status_code == 422
    assert browser.get("/api/pulse", params={"revision": 0}).json()["training"]["state"] == "running"
    assert browser.post("/api/train/stop", json={}).json()["training"]["state"] == "idle"


def test_weights_that_are_missing_are_told_and_fetched_only_when_asked(tmp_path):
    lacking = MissingWeights("yolo26n.pt", "/data/model", "FAMOUS_WEIGHTS", "https://example.org", 5.5)
    training = Training(lacking)
    with room_of(make_desk(tmp_path, training=training)) as room, serving(room) as port, client(port) as browser:
        assert browser.get("/api/weights").json() == {
            "missing": {
                "name": "yolo26n.pt",
                "folder": "/data/model",
                "variable": "FAMOUS_WEIGHTS",
                "source": "https://example.org",
                "megabytes": 5.5,
            }
        }
        refused = browser.post("/api/train", json={"minutes": 5})
        assert (refused.status_code, refused.json()) == (422, {"error": "yolo26n.pt is not on this machine"})
        for odd in (1, "yes", None, []):
            assert browser.post("/api/train", json={"minutes": 5, "download": odd}).status_code == 400
        assert training.minutes == []
        assert browser.post("/api/train", json={"minutes": 5, "download": True}).status_code == 200
        assert training.minutes == [5]
        training.lacking = None
        assert browser.get("/api/weights").json() == {"missing": None}


def test_an_import_replaces_what_is_on_its_slices_by_one_edit(started, tables):
    send(started, 1, add(), add(id="t-2", z=2), add(id="t-3", z=3), {"op": "done", "z": 1, "from": False, "to": True})
    answer = started.post("/api/import", params={"name": "b.zip", "format": "auto"}, content=b"boxes").json()
    assert (answer["revision"], answer["boxes"], answer["notes"]) == (3, 1, ["as None"])
    assert sorted((box.z, box.class_name) for box in tables.snapshot.boxes.values()) == [
        (1, "mitochondrion"),
        (2, "golgi"),
    ]
    assert tables.snapshot.done == {1, 3}
    assert [entry.name for entry in tables.snapshot.classes] == ["mitochondrion", "nucleus", "golgi"]
    assert answer["undo"] == "import b.zip"
    started.post("/api/undo", json={"base": 3})
    assert sorted(box.z for box in tables.snapshot.boxes.values()) == [1, 2, 3]


@pytest.mark.parametrize("name", ["", "a/b.txt", "..", "a\\b", "a\nb", "a" * 300])
def test_the_name_of_an_import_is_a_file_name(name, browser):
    assert browser.post("/api/import", params={"name": name}, content=b"boxes").status_code == 400


def test_an_import_that_holds_nothing_changes_nothing(started):
    assert started.post("/api/import", params={"name": "b.txt"}, content=b"???").status_code == 422
    assert started.post("/api/import", params={"name": "b.txt", "format": "pdf"}, content=b"boxes").status_code == 400
    assert started.get("/api/state").json()["revision"] == 1


def test_an_export_is_a_download_with_notes(started):
    send(started, 1, add())
    answer = started.get("/api/export", params={"format": "coco"})
    assert answer.content == b"1"
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"b_xes_coco.txt\"; filename*=UTF-8''b%C3%B6xes%20coco.txt"
    )
    assert json.loads(answer.headers["x-notes"]) == ["naïve"]
    assert started.get("/api/export", params={"format": "pdf"}).status_code == 422


def test_tables_that_change_under_the_server_reach_the_page(started, tables):
    send(started, 1, add())
    other = Box(**{"class_name" if key == "class" else key: value for key, value in BOX.items()} | {"x0": 33})
    tables.write(dataclasses.replace(tables.snapshot, boxes={"0": other}))
    assert started.get("/api/pulse", params={"revision": 2}).json()["revision"] == 3
    assert send(started, 2, add(id="t-2"), edit="e2").status_code == 409
    state = started.get("/api/state").json()
    assert [box["x0"] for box in state["boxes"]] == [33]
    assert state["undo"] == "changes from outside"


def test_broken_tables_lose_nothing_and_are_named(started, tables):
    tables.fault, tables.stamp = "boxes.csv line 3: found no number", 99
    refused = send(started, 1, add())
    assert refused.status_code == 503
    assert "line 3" in refused.json()["error"]
    tables.fault = None
    assert send(started, 1, add()).json()["revision"] == 2
    assert list(tables.snapshot.boxes) == ["t-1"]


def test_an_edit_whose_tables_cannot_be_written_is_saved_when_it_is_sent_again(started, tables):
    tables.fault = "boxes.csv: the disk is full"
    refused = send(started, 1, add())
    assert (refused.status_code, refused.json()["error"]) == (503, "boxes.csv: the disk is full")
    assert tables.snapshot.boxes == {}
    tables.fault = None
    assert send(started, 1, add()).json()["revision"] == 2
    assert list(tables.snapshot.boxes) == ["t-1"]


def test_tables_that_were_written_in_part_are_not_taken_for_somebody_elses(started, tables):
    drawn = (add(), {"op": "done", "z": 1, "from": False, "to": True})
    tables.is_full = True
    assert send(started, 1, *drawn).status_code == 503
    assert tables.snapshot.done == {1}
    assert tables.snapshot.boxes == {}
    assert started.get("/api/pulse").json()["revision"] == 2
    tables.is_full = False
    assert send(started, 1, *drawn).json()["revision"] == 2
    assert list(tables.snapshot.boxes) == ["t-1"]
    assert started.get("/api/state").json()["undo"] == "draw box"


def test_a_restart_gives_the_same_state(tmp_path, tables):
    desk = make_desk(tmp_path, tables)
    with room_of(desk) as room, serving(room) as port, client(port) as browser:
        browser.post("/api/setup", json={"classes": CLASSES})
        send(browser, 1, add())
        browser.post("/api/time", json={"z": 1, "seconds": 2})
        before = browser.get("/api/state").json()
    with room_of(desk) as room, serving(room) as port, client(port) as browser:
        assert browser.get("/api/state").json() == before
        browser.post("/api/undo", json={"base": 2})
    with room_of(desk) as room:
        assert room.state()["redo"] == "draw box"


def test_tables_that_were_deleted_are_written_again(tmp_path, tables):
    desk = make_desk(tmp_path, tables, classes=(MITO,))
    with room_of(desk) as room:
        before = room.labelling.snapshot()
    tables.snapshot = None
    with room_of(desk):
        assert tables.snapshot == before


def test_the_page_is_served_from_a_list_made_at_the_start(room, tmp_path):
    web = web_files()
    assert all(any(path.endswith(kind) for kind in KINDS) for path in web)
    with serving(room) as port, client(port) as browser:
        for path, (content, kind) in web.items():
            answer = browser.get(f"/web/{path}")
            assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, content, kind)
        index = browser.get("/")
        (version,) = set(re.findall(r"/web/([0-9a-f]{16})/", index.text))
        assert version == Page(web).version
        assert index.headers["cache-control"] == "no-store"
        fixed, loose = (browser.get(f"/web/{part}main.js") for part in (f"{version}/", ""))
        assert fixed.content == loose.content == web["main.js"][0]
        assert "immutable" in fixed.headers["cache-control"]
        assert loose.headers["cache-control"] == "no-cache"
        assert browser.get("/web/nothing.js").status_code == 404
        assert browser.get("/favicon.ico").status_code == 204


def test_cuts_may_be_wider_than_tall(started):
    for query, width in (("half=1", 3), ("half=1&across=20", 41)):
        answer = started.get(f"/cuts?z=2&y=100&x=100&{query}")
        assert json.loads(answer.headers["x-cuts"])["xz"] == [3, width]
    assert started.get("/cuts?z=2&y=1&x=1&half=1&across=x").status_code == 400


def test_the_stack_is_named_by_its_voxels(started):
    """Two stacks of one name and shape keep what is unsent apart."""
    assert started.get("/api/state").json()["stack"]["fingerprint"] == "f" * 64


def test_two_connections_at_once_lose_no_edit(started):
    """Two tabs that each draw 15 boxes, told to try again where the other was first."""
    import threading

    def draw(tab):
        with httpx.Client(base_url=started.base_url, cookies=started.cookies, trust_env=False, timeout=30) as browser:
            base = 1
            for number in range(15):
                while True:
                    name = f"{tab}-{number}"
                    answer = send(browser, base, add(id=name), edit=name)
                    base = answer.json()["revision"]
                    if answer.status_code == 200:
                        break

    tabs = [threading.Thread(target=draw, args=(tab,)) for tab in "ab"]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    names = {box["id"] for box in started.get("/api/state").json()["boxes"]}
    assert names == {f"{tab}-{number}" for tab in "ab" for number in range(15)}


def test_an_unexpected_fault_is_a_500_with_a_word(tmp_path, caplog):
    def broken(*_):
        raise ZeroDivisionError

    with room_of(make_desk(tmp_path, advise=broken)) as room, serving(room) as port, client(port) as browser:
        answer = browser.get("/api/next", params={"z": 1})
        assert answer.status_code == 500
        assert "ZeroDivisionError" in answer.json()["error"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert "/api/next" in caplog.text


def test_an_empty_labelling_saves_nothing(tmp_path, tables):
    with room_of(make_desk(tmp_path, tables)) as room:
        assert room.labelling.snapshot() == Snapshot()
    assert tables.snapshot is None
    assert not list(tmp_path.iterdir())
