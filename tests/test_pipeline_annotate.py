"""`famous annotate` as a whole: the desk of a project, the files it writes, the command, its restarts and its end."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import httpx
import numpy as np
import pytest
import tifffile
import yaml

from famous import config as configuration
from famous.annotate import bodies
from famous.annotate.room import Room
from famous.annotate.slices import propose_slices
from famous.cli import annotate as command
from famous.errors import InputError
from famous.extract import MaskNetExtractor
from famous.pipeline import desk
from famous.pipeline.annotate import ADDRESS, Address, Door, run_annotate
from famous.pipeline.desk import PRESETS, make_desk, preset_file, presets
from famous.pipeline.project import open_project
from tests.commands import call

ROOT = Path(__file__).resolve().parents[1]
MITO, NUCLEUS = {"name": "mitochondrion", "color": "#e69f00"}, {"name": "nucleus", "color": "#56b4e9"}
SIZE = {"voxel_size_nm": [30, 4, 4]}


def box(name="t-1", z=1, y0=10, x0=20, y1=40, x1=60, kind="mitochondrion"):  # noqa: PLR0917
    return {"id": name, "z": z, "y0": y0, "x0": x0, "y1": y1, "x1": x1, "class": kind}


def add(*args, **kwargs):
    return {"op": "add", "box": box(*args, **kwargs)}


def done(z):
    return {"op": "done", "z": z, "from": False, "to": True}


@pytest.fixture
def stack(tmp_path):
    """A stack of 5 slices without a voxel size: voxel (z, y, x) has the value 1000 z + y + x."""
    z, y, x = np.ogrid[:5, :90, :100]
    path = tmp_path / "cell.tif"
    tifffile.imwrite(path, (1000 * z + y + x).astype(np.uint16), photometric="minisblack")
    return path


@pytest.fixture
def project(stack):
    return open_project(str(stack))


class Page:
    """A page's user in a room of a project: counts edits and revisions."""

    def __init__(self, project):
        self.room = Room(make_desk(project))

    def setup(self, *classes, **other):
        return self.room.setup(bodies.Setup.model_validate_json(json.dumps({"classes": classes} | other)))

    def edit(self, *changes, label="draw box"):
        base = self.room.labelling.revision
        one = {"id": f"e{base}", "label": label, "changes": changes}
        return self.room.edit(bodies.Edits.model_validate_json(json.dumps({"base": base, "edits": [one]})))

    def undo(self):
        return self.room.undo(bodies.Turn(base=self.room.labelling.revision))


@pytest.fixture
def page(project):
    page = Page(project)
    yield page
    page.room.close()


def text(project, name):
    return (project.annotations / f"{name}.csv").read_text()


def test_a_first_start_asks_for_everything(page, project):
    state = page.room.state()
    assert (state["classes"], state["stack"]["voxel_size_nm"]) == ([], None)
    assert list(state["presets"]) == ["HeLa cell", "yeast cell"]
    assert state["proposed"] == list(propose_slices(5, seed="cell.tif (5, 90, 100)"))
    assert len(state["palette"]) >= 8
    assert state["formats"] == ["csv", "yolo", "yolo_mark", "coco", "cvat"]
    assert not list(project.annotations.glob("*.csv"))


def test_the_files_on_disk_are_exactly_what_was_labelled(page, project):
    page.setup(MITO, NUCLEUS, **SIZE)
    page.edit(add(), add("t-2", z=3, y0=0, x0=0, y1=90, x1=100, kind="nucleus"), done(3))
    assert text(project, "boxes") == "z,y0,x0,y1,x1,class_name\n1,10,20,40,60,mitochondrion\n3,0,0,90,100,nucleus\n"
    assert text(project, "slices") == "z,done\n3,1\n"
    assert text(project, "classes") == "class_name\nmitochondrion\nnucleus\n"
    page.undo()
    assert text(project, "boxes") == "z,y0,x0,y1,x1,class_name\n"
    assert text(project, "slices") == "z,done\n"


def test_what_the_page_settles_is_what_a_run_sees(page, project, stack):
    page.setup(MITO, **SIZE)
    page.room.show(bodies.Shown(low=100.0, high=2000.5, inverted=True))
    again = open_project(str(stack))
    assert again.voxel_size.zyx == (30, 4, 4)
    assert (again.stack.window.low, again.stack.window.high, again.stack.inverted) == (100, 2000.5, True)
    assert again.config.classes["mitochondrion"].color == "#e69f00"
    stack.touch()
    os.utime(stack, ns=(1, 1))
    assert open_project(str(stack)).stack.window == again.stack.window  # a window that a user chose is theirs


def test_a_window_that_cannot_be_is_refused_and_not_saved(page, project):
    before = (project.folder / "famous.yaml").read_text()
    with pytest.raises(InputError, match="window"):
        page.room.show(bodies.Shown(low=2.0, high=1.0, inverted=False))
    assert (project.folder / "famous.yaml").read_text() == before


RECIPE = {"method": "otsu", "polarity": "bright"}


def configure(project, **knobs):
    path = project.folder / "famous.yaml"
    data = yaml.safe_load(path.read_text()) | knobs
    path.write_text(yaml.safe_dump(data, sort_keys=False))


def test_recipes_and_knobs_of_others_stay_when_classes_are_saved(stack):
    project = open_project(str(stack))
    configure(project, classes={"nucleus": {"extract": RECIPE}, "golgi": {"color": "#123456"}}, train={"minutes": 7.0})
    page = Page(open_project(str(stack)))
    try:
        known = page.room.state()["classes"]
        assert [entry["name"] for entry in known] == ["nucleus", "golgi"]
        assert known[1]["color"] == "#123456"
        configure(project, detect={"score": 0.5})  # by another command, meanwhile
        page.edit({"op": "classes", "from": known, "to": [MITO, *known]}, label="add class")
        config = configuration.read(project.folder / "famous.yaml")
        assert list(config.classes) == ["mitochondrion", "nucleus", "golgi"]
        assert config.classes["nucleus"].extract == RECIPE
        assert config.classes["mitochondrion"].color == "#e69f00"
        assert (config.train.minutes, config.detect.score) == (7, 0.5)
        page.edit({"op": "rename", "from": "nucleus", "to": "nuclei"}, label="rename class")
        assert configuration.read(project.folder / "famous.yaml").classes["nuclei"].extract == RECIPE
        page.undo()
        classes = page.room.state()["classes"]
        page.edit({"op": "classes", "from": classes, "to": classes[:1]}, label="remove classes")
        assert list(configuration.read(project.folder / "famous.yaml").classes) == ["mitochondrion"]
        page.undo()
        assert configuration.read(project.folder / "famous.yaml").classes["nucleus"].extract == RECIPE
    finally:
        page.room.close()


def test_a_recipe_is_that_of_the_class_as_it_is_now(page, project):
    page.setup(MITO, {"name": "blob", "color": "#009e73"}, **SIZE)
    assert isinstance(page.room.desk.recipe("mitochondrion"), MaskNetExtractor)
    assert isinstance(page.room.desk.recipe("blob"), MaskNetExtractor)
    configure(project, classes={"blob": {"extract": RECIPE, "color": "#009e73"}})
    assert page.room.desk.recipe("blob").params.polarity == "bright"


def test_the_presets_are_those_of_the_configurations():
    for name, file in PRESETS.items():
        shipped = yaml.safe_load((ROOT / "configs" / file).read_text())["classes"]
        assert list(presets()[name]) == list(shipped)
        for kind, settings in shipped.items():
            assert presets()[name][kind].color == settings["color"]
            assert presets()[name][kind].extract == settings.get("extract")


def test_the_presets_travel_in_the_wheel(tmp_path, monkeypatch):
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["famous"]
    assert wheel["force-include"] == {f"configs/{file}": f"famous/configs/{file}" for file in PRESETS.values()}
    for file in PRESETS.values():
        assert preset_file(file) == ROOT / "configs" / file
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "paper-hela.yaml").write_text("")
    monkeypatch.setattr(desk, "files", lambda _: tmp_path)
    assert preset_file("paper-hela.yaml") == tmp_path / "configs" / "paper-hela.yaml"


def test_a_preset_brings_its_recipes(page, project):
    yeast = presets()["yeast cell"]
    page.setup(*({"name": name, "color": entry.color} for name, entry in yeast.items()), **SIZE)
    saved = configuration.read(project.folder / "famous.yaml").classes
    assert saved == yeast
    assert saved["vacuole"].extract["polarity"] == "bright"


def test_boxes_that_a_user_edited_by_hand_are_taken_in_at_the_next_start(project, stack):
    page = Page(project)
    page.setup(MITO, **SIZE)
    page.edit(add(), done(1))
    page.room.close()
    path = project.annotations / "boxes.csv"
    path.write_text(path.read_text().replace("20,40", "21,40") + "2,0,0,9,9,nucleus\n")
    page = Page(open_project(str(stack)))
    try:
        state = page.room.state()
        assert sorted((found["z"], found["x0"], found["class"]) for found in state["boxes"]) == [
            (1, 21, "mitochondrion"),
            (2, 0, "nucleus"),
        ]
        assert state["undo"] == "changes from outside"
        assert text(project, "classes") == "class_name\nmitochondrion\nnucleus\n"
        page.undo()
        assert text(project, "boxes") == "z,y0,x0,y1,x1,class_name\n1,10,20,40,60,mitochondrion\n"
    finally:
        page.room.close()


def test_an_import_by_another_command_reaches_the_page(page, project):
    page.setup(MITO, **SIZE)
    page.edit(add())
    (project.folder.parent / "b.csv").write_text("z,y0,x0,y1,x1,class_name\n4,1,1,9,9,golgi\n")
    call("boxes", "import", project.folder, project.folder.parent / "b.csv", "--overwrite")
    assert page.room.pulse()["revision"] == 3
    assert [found["class"] for found in page.room.state()["boxes"]] == ["golgi"]
    page.undo()
    assert text(project, "boxes").endswith("1,10,20,40,60,mitochondrion\n")


@pytest.mark.parametrize("row", ["1,9,1,9,9,mitochondrion", "7,1,1,9,9,mitochondrion", "x"])
def test_boxes_that_are_broken_are_named(row, project, stack):
    project.annotations.mkdir(parents=True)
    (project.annotations / "boxes.csv").write_text(f"z,y0,x0,y1,x1,class_name\n{row}\n")
    with pytest.raises(InputError, match=r"boxes\.csv"):
        Room(make_desk(open_project(str(stack))))


@pytest.mark.parametrize("name", ["a/b", ".."])
def test_a_class_that_cannot_be_is_named(name, project, stack):
    project.annotations.mkdir(parents=True)
    (project.annotations / "boxes.csv").write_text(f"z,y0,x0,y1,x1,class_name\n1,1,1,9,9,{name}\n")
    with pytest.raises(InputError, match=rf"class '{re.escape(name)}'.*rename it"):
        Room(make_desk(open_project(str(stack))))


@pytest.mark.parametrize("kind", ["csv", "yolo", "yolo_mark", "coco", "cvat"])
def test_an_export_comes_back_as_it_went(kind, page):
    page.setup(MITO, NUCLEUS, **SIZE)
    page.edit(add(), add("t-2", z=3, kind="nucleus"), done(1), done(3))
    before = page.room.labelling.snapshot()
    made = page.room.export(kind)
    page.edit({"op": "remove", "box": box()}, {"op": "done", "z": 1, "from": True, "to": False})
    answer = page.room.take(made.name, made.content, None if kind != "yolo_mark" else kind)
    assert answer["boxes"] == 2
    assert page.room.labelling.snapshot().is_alike(before)


def test_scores_of_an_import_are_left_out_with_a_word(page):
    page.setup(MITO, **SIZE)
    rows = b"z,y0,x0,y1,x1,class_name,score\n4,1,1,9,9,golgi,0.5\n"
    answer = page.room.take("b.csv", rows, "csv")
    assert any("score" in note for note in answer["notes"])
    assert [entry["name"] for entry in page.room.state()["classes"]] == ["mitochondrion", "golgi"]


# --- the command ---


def start(stack, *options, **environment):
    """Start the real command and wait for its address."""
    arguments = [sys.executable, "-m", "famous", "annotate", str(stack), "--json", "--no-browser", *options]
    process = subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | environment
    )
    said = ""
    while not said.rstrip().endswith("}"):
        line = process.stdout.readline()
        assert line, process.stderr.read()
        said += line
    return process, json.loads(said)


def stop(process, number):
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@contextlib.contextmanager
def ending(process):
    """Kill in the end whatever process there is by then."""
    try:
        yield
    finally:
        process().kill()
        process().communicate(timeout=60)


@contextlib.contextmanager
def browser_of(url):
    with httpx.Client(base_url=url.split("?")[0], trust_env=False, timeout=60) as browser:
        assert browser.get(url).status_code == 303
        yield browser


def test_the_end_waits_for_a_model_that_is_being_opened_and_none_is_opened_after_it(project, monkeypatch):
    """A thread inside a library's code when the interpreter ends aborts the program."""
    begun, go_on, opened = threading.Event(), threading.Event(), []

    def slow(proposer):
        begun.set()
        assert go_on.wait(60)
        opened.append(proposer.version())

    monkeypatch.setattr("famous.pipeline.labelling.Proposer.model", slow)
    laid = make_desk(project)
    assert laid.model() is None
    assert begun.wait(60)
    threads = [thread for thread in threading.enumerate() if thread.name == "famous model"]
    assert [thread.daemon for thread in threads] == [False]  # the interpreter itself would wait, too
    ending = threading.Thread(target=laid.close)
    ending.start()
    go_on.set()
    ending.join(60)
    assert not ending.is_alive()
    assert not threads[0].is_alive()
    assert len(opened) == 1

    late = make_desk(project)
    late.close()
    assert late.model() is None  # a request that is answered after the end
    assert not [thread for thread in threading.enumerate() if thread.name == "famous model"]


def test_a_model_that_is_being_opened_is_told_apart_from_none(project, monkeypatch):
    go_on = threading.Event()
    monkeypatch.setattr("famous.pipeline.labelling.Proposer.model", lambda proposer: go_on.wait(60) and None)
    laid = make_desk(project)
    assert not laid.is_opening()
    laid.model()
    assert laid.is_opening()
    go_on.set()
    laid.close()
    assert not laid.is_opening()


def test_the_command_serves_until_ctrl_c_and_goes_on_where_it_was(stack):
    """One page through two kills: every edit that was answered is there, at the same address."""
    process, told = start(stack)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{32,}", told["url"])
    table = stack.parent / "cell.famous" / "annotations" / "boxes.csv"
    with ending(lambda: process), browser_of(told["url"]) as page:
        page.post("/api/setup", json={"classes": [MITO]} | SIZE)
        with pytest.raises(InputError, match=r"labelled already at http://127"):
            run_annotate(open_project(str(stack)), Door(), lambda _: None)
        base = 1
        for life in (1, 2):
            for number in range(3):
                edit = {"id": f"e{life}-{number}", "label": "draw", "changes": [add(f"b{life}-{number}")]}
                base = page.post("/api/edits", json={"base": base, "edits": [edit]}).json()["revision"]
            process.kill()  # SIGKILL: between two edits, nothing is told
            process.communicate(timeout=60)
            with pytest.raises(httpx.HTTPError):
                page.get("/api/state")
            process, again = start(stack)
            assert again["url"] == told["url"]  # the page that is still open finds its server again
            state = page.get("/api/state").json()
            assert (state["revision"], len(state["boxes"])) == (base, 3 * life)
            assert len(table.read_text().splitlines()) == 1 + 3 * life
        code, _, err = stop(process, signal.SIGINT)
        assert code == 0, err
        assert "the server has ended" in err
        assert "Traceback" not in err


def test_a_kill_while_edits_stream_in_loses_none_that_was_answered(stack):
    process, told = start(stack)
    answered, sent = [], []
    with browser_of(told["url"]) as page:
        page.post("/api/setup", json={"classes": [MITO]} | SIZE)
        timer = threading.Timer(0.5, process.kill)
        timer.start()
        base = 1
        try:
            while True:
                name = f"b{base}"
                sent.append(name)
                edit = {"id": f"e{base}", "label": "draw", "changes": [add(name)]}
                base = page.post("/api/edits", json={"base": base, "edits": [edit]}).json()["revision"]
                answered.append(name)
        except httpx.HTTPError:
            timer.join()
            process.communicate(timeout=60)
        process, _ = start(stack)
        with ending(lambda: process):
            state = page.get("/api/state").json()
            kept = [found["id"] for found in state["boxes"]]
            assert kept in (answered, sent)  # the last one may be there: its answer was on the way
            edit = {"id": f"e{base}", "label": "draw", "changes": [add(sent[-1])]}
            page.post("/api/edits", json={"base": state["revision"], "edits": [edit]})  # the page sends it again
            assert [found["id"] for found in page.get("/api/state").json()["boxes"]] == sent
            rows = (stack.parent / "cell.famous" / "annotations" / "boxes.csv").read_text().splitlines()
            assert len(rows) == 1 + len(sent)
            process.send_signal(signal.SIGINT)
            code, _, err = stop(process, signal.SIGINT)  # an impatient user
            assert code in (0, 130)  # the second may come when the server has ended already
            assert "Traceback" not in err


@pytest.fixture
def unserved(monkeypatch):
    """Let the command go through everything but the serving; gives what was to be served."""
    served = []

    class Server:
        def __init__(self, app, on_start):
            self.app, self.on_start = app, on_start

        def run(self, sockets):
            served.append((self.app, sockets[0].getsockname()))
            self.on_start()

    import famous.annotate.server

    monkeypatch.setattr(famous.annotate.server, "make_server", Server)
    return served


def told(project, door=None):
    addresses = []
    run_annotate(project, door or Door(), addresses.append)
    return addresses[0]


def test_the_address_outlives_a_restart(project, unserved):
    first = told(project)
    assert told(project) == first
    assert unserved[0][1] == ("127.0.0.1", first.port)
    assert unserved[0][0] is not unserved[1][0]


def test_another_port_where_that_of_the_last_time_is_taken(project, unserved):
    first = told(project)
    with socket.create_server(("127.0.0.1", first.port)):
        second = told(project)
        assert second.port != first.port
        assert second.token == first.token
        with pytest.raises(InputError, match="another program may have it"):
            told(project, Door(port=first.port))
    assert told(project, Door(port=first.port)).port == first.port


@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_the_token_is_written_where_only_the_user_reads_it(project, unserved):
    first = told(project)
    memory = project.annotations / ADDRESS
    assert memory.stat().st_mode & 0o777 == 0o600
    memory.chmod(0o644)  # somebody may have read it
    assert told(project).token != first.token
    assert memory.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"token":"short","port":1,"host":"a"}', '{"port":99999}', "9" * 5000]
)
def test_a_broken_memory_of_the_address_is_no_obstacle(content, project, unserved):
    memory = project.annotations / ADDRESS
    memory.parent.mkdir(parents=True)
    memory.touch(0o600)
    memory.write_text(content)
    assert len(told(project).token) >= 32


def test_a_folder_that_is_read_only_is_named(project, unserved, monkeypatch):
    monkeypatch.setattr(Path, "mkdir", lambda *_, **__: (_ for _ in ()).throw(OSError(30, "Read-only file system")))
    with pytest.raises((InputError, OSError), match="Read-only"):
        told(project)


def test_an_address_that_is_not_here_is_named(project, unserved):
    for host in ("no.such.host.invalid", "203.0.113.7", "a" * 300):
        with pytest.raises(InputError, match=re.escape(host[:50])):
            told(project, Door(host))


def test_addresses_in_words():
    assert Address("127.0.0.1", 80, "t").url == "http://127.0.0.1:80/?token=t"
    assert Address("::1", 80, "t").url == "http://[::1]:80/?token=t"
    assert Address("0.0.0.0", 80, "t").url == "http://127.0.0.1:80/?token=t"
    assert Address("localhost", 80, "t").warning is None
    assert "SSH tunnel" in Address("lab.example", 80, "t").warning


def test_the_command_tells_the_address(stack, unserved, monkeypatch):
    opened = []
    monkeypatch.setattr(command.webbrowser, "open", opened.append)
    monkeypatch.setattr(command, "has_browser", lambda: False)
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    result = call("annotate", stack, "--voxel-size", "30", "4", "4")
    assert re.match(r"label cell\.tif at  http://127\.0\.0\.1:\d+/\?token=\S+\n.* Ctrl-C", result.stdout)
    assert open_project(str(stack)).voxel_size.zyx == (30, 4, 4)
    monkeypatch.setenv("SSH_CONNECTION", "1")
    assert "ssh -N -L" in call("annotate", stack).stdout
    assert opened == []


def test_the_command_opens_the_browser_where_there_is_one(stack, unserved, monkeypatch):
    opened, seen = [], threading.Event()
    monkeypatch.setattr(command.webbrowser, "open", lambda url: (opened.append(url), seen.set()))
    monkeypatch.setattr(command, "has_browser", lambda: True)
    call("annotate", stack, "--no-browser")
    assert opened == []
    url = json.loads(call("annotate", stack, "--json").stdout)["url"]
    assert seen.wait(30)
    assert opened == [url]


def test_a_browser_is_there_where_there_is_a_screen(monkeypatch):
    for name in ("SSH_CONNECTION", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert not command.has_browser()
    monkeypatch.setenv("DISPLAY", ":0")
    assert command.has_browser()
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1")
    assert not command.has_browser()


def test_a_host_that_others_reach_is_warned_of(stack, unserved):
    result = call("annotate", stack, "--host", "0.0.0.0", "--no-browser")
    assert "not encrypted" in result.stderr
    assert "token=" in result.stdout
    assert "not encrypted" not in call("annotate", stack, "--no-browser").stderr
