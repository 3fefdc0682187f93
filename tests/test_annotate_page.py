"""The labelling page as its user has it: the real command in a process of its own, used in a real browser.

The stacks are a 16-bit phantom without a voxel size, and real slices. What lies on the disk in the end is compared
whole.
"""

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
import yaml

import famous
from famous.boxes import from_columns, iou
from famous.io.annotations import Annotations, write_boxes
from famous.pipeline.labelling import import_upload
from famous.pipeline.manifest import file_hash
from famous.pipeline.project import open_project
from tests.cells import CELL, cell, render_cell, write_cell
from tests.commands import call, call_json
from tests.hands import PATIENCE_S, Command, Hands

MITO, NUCLEUS, EARLY = "mitochondrion", "nucleus", "early endosome"
AWAY = "Failed to load resource: net::ERR_"  # what the browser itself says of a server that is gone
BEGUN = "Boolean(globalThis.famous?.view?.isReady)"
HELA = [
    (MITO, "#d55e00"),
    (NUCLEUS, "#0072b2"),
    (EARLY, "#56b4e9"),
    ("late endosome", "#cc79a7"),
    ("multivesicular body", "#f0e442"),
    ("lysosome", "#009e73"),
]


class Watch:
    """Opens pages, and notes what must not happen in them: errors, and requests to anybody else."""

    def __init__(self, browser: Any) -> None:
        self.context = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
        self.errors: list[str] = []
        self.hosts: set[str] = set()
        self.context.on("weberror", lambda error: self.errors.append(str(error.error)))
        self.context.on("console", lambda line: line.type == "error" and self.errors.append(line.text))
        self.context.on("request", lambda request: self.hosts.add("/".join(request.url.split("/")[:3])))

    def open(self, url: str) -> Hands:
        page = self.context.new_page()
        page.set_default_timeout(PATIENCE_S * 1000)
        hands = Hands(page, url.split("/?", maxsplit=1)[0])
        page.goto(url)
        hands.until(BEGUN)
        return hands

    def check(self, url: str, *, may_be_away: bool = False) -> None:
        wrong = [text for text in self.errors if not (may_be_away and AWAY in text)]
        assert not wrong
        own = url.split("/?", maxsplit=1)[0]
        assert all(host == own or host.startswith(f"blob:{own}"[:10]) for host in self.hosts), self.hosts


@pytest.fixture
def watch(browser):
    watch = Watch(browser)
    yield watch
    watch.context.close()


@pytest.fixture
def stack(tmp_path):
    """The phantom cell as a microscope would write it: 16 bits, and nothing about its voxels."""
    path = tmp_path / "cell.tif"
    tifffile.imwrite(path, render_cell().astype(np.uint16) * 200 + 3000, photometric="minisblack")
    return path


def annotations(stack: Path) -> Path:
    return stack.parent / f"{stack.stem}.famous" / "annotations"


def begin(hands: Hands, *, size: tuple[float, float, float] | None, preset: str = "HeLa cell") -> None:
    """Answer what the first start asks."""
    hands.page.click(f"#setup-dialog [data-preset='{preset}']")
    for axis, nm in zip("zyx", size or (), strict=False):
        hands.page.fill(f"#voxel-{axis}", str(nm))
    hands.page.click("#begin")
    hands.until("document.querySelector('dialog[open]') === null && famous.store.saved === 'saved'")


def go(hands: Hands, z: int) -> None:
    hands.page.fill("#slice-number", str(z))
    hands.press("Enter")
    hands.until("famous.store.z", z)


def saved(hands: Hands) -> None:
    hands.until("famous.store.saved", "saved")


class Told:
    """What the log must hold: every change that the user made, with ids by the order in which they came up."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def edit(self, label: str, *changes: dict[str, Any]) -> int:
        self.lines.append({"kind": "edit", "label": label, "changes": list(changes)})
        return len(self.lines)

    def start(self, classes: list[dict[str, str]]) -> None:
        changes = [{"op": "classes", "from": [], "to": classes}]
        self.lines.append({"kind": "start", "label": "set the classes", "changes": changes})

    def boxes(self) -> list[tuple[int, tuple[int, int, int, int], str]]:
        """What must be in the table: every box that was added, as it was changed, in the order of its making."""
        boxes: dict[str, dict[str, Any]] = {}
        for line in self.lines:
            for change in line.get("changes", ()):
                if change["op"] == "add":
                    boxes[change["box"]["id"]] = dict(change["box"])
                elif change["op"] == "change":
                    boxes[change["id"]] |= change["to"]
        sides = ("y0", "x0", "y1", "x1")
        return [(found["z"], tuple(found[side] for side in sides), found["class"]) for found in boxes.values()]

    def turn(self, kind: str, of: int) -> None:
        self.lines.append({"kind": kind, "of": of})

    def check(self, log: Path) -> None:
        found = [json.loads(line) for line in log.read_text().splitlines()]
        found = [line for line in found if line["kind"] not in ("time", "saved")]
        assert [line.pop("rev") for line in found] == list(range(1, len(found) + 1))
        assert all(len(line.pop("at")) >= 20 for line in found)
        named: dict[str, str] = {}
        for line in found:
            line.pop("id", None)
            for change in line.get("changes", ()):
                holder = change.get("box", change)
                if "id" in holder:
                    holder["id"] = named.setdefault(holder["id"], f"#{len(named) + 1}")
        assert found == self.lines


def box(number: int, z: int, corners: tuple[int, int, int, int], name: str) -> dict[str, Any]:
    y0, x0, y1, x1 = corners
    return {"id": f"#{number}", "z": z, "y0": y0, "x0": x0, "y1": y1, "x1": x1, "class": name}


def add(*args: Any) -> dict[str, Any]:
    return {"op": "add", "box": box(*args)}


def rows(*boxes: tuple[int, tuple[int, int, int, int], str]) -> str:
    """boxes.csv: by slice, class and place."""
    order = sorted(boxes, key=lambda found: (found[0], found[2], found[1]))
    lines = ["z,y0,x0,y1,x1,class_name", *(",".join(map(str, (z, *corners, name))) for z, corners, name in order)]
    return "\n".join(lines) + "\n"


A = (20, 30, 50, 70)  # y0, x0, y1, x1
B = (80, 90, 130, 150)
C = (100, 10, 140, 40)
A_PULLED = (20, 30, 55, 77)
SHIFTED = 8  # px that the boxes of slice 10 lie further down and right than those of slice 6


def draw(hands: Hands, corners: tuple[int, int, int, int]) -> None:
    y0, x0, y1, x1 = corners
    hands.drag((x0, y0), (x1, y1))


def moved(corners: tuple[int, int, int, int], by: int) -> tuple[int, int, int, int]:
    y0, x0, y1, x1 = corners
    return y0 + by, x0 + by, y1 + by, x1 + by


def label_slice_4(hands: Hands, told: Told) -> None:
    """Draw, pull a handle, give another class, delete, undo, redo, undo, reload."""
    go(hands, 4)
    draw(hands, A)
    hands.press("2")
    draw(hands, B)
    hands.click(50, 35)
    hands.drag((70, 50), (77, 55))
    hands.click(120, 105)
    hands.press("3")
    hands.press("Escape")
    hands.press("1")
    draw(hands, C)
    hands.click(25, 120)
    hands.press("Delete")
    for key in ("z", "Shift+Z", "z"):
        hands.press(f"Control+{key}")
        saved(hands)
    hands.page.reload()
    hands.until(BEGUN)
    assert hands.boxes() == [[*A_PULLED, MITO], [*B, EARLY], [*C, MITO]]
    assert hands.ask("() => famous.store.history.labels") == {"undo": f"draw {MITO}", "redo": "delete one box"}
    told.edit(f"draw {MITO}", add(1, 4, A, MITO))
    told.edit(f"draw {NUCLEUS}", add(2, 4, B, NUCLEUS))
    pulled = {"op": "change", "id": "#1", "from": {"y1": 50, "x1": 70}, "to": {"y1": 55, "x1": 77}}
    told.edit(f"resize {MITO}", pulled)
    told.edit(f"make one box {EARLY}", {"op": "change", "id": "#2", "from": {"class": NUCLEUS}, "to": {"class": EARLY}})
    told.edit(f"draw {MITO}", add(3, 4, C, MITO))
    deleted = told.edit("delete one box", {"op": "remove", "box": box(3, 4, C, MITO)})
    for kind in ("undo", "redo", "undo"):
        told.turn(kind, deleted)


def copy_and_interpolate(hands: Hands, told: Told) -> None:
    go(hands, 6)
    hands.press("c")
    told.edit("copy 3 boxes from slice 4", add(4, 6, A_PULLED, MITO), add(5, 6, B, EARLY), add(6, 6, C, MITO))
    go(hands, 10)
    draw(hands, moved(A_PULLED, SHIFTED))
    hands.press("3")
    draw(hands, moved(B, SHIFTED))
    saved(hands)
    hands.press("i")
    hands.until("famous.store.boxes.size", 14)
    saved(hands)
    told.edit(f"draw {MITO}", add(7, 10, moved(A_PULLED, SHIFTED), MITO))
    told.edit(f"draw {EARLY}", add(8, 10, moved(B, SHIFTED), EARLY))
    between = [(7, 2), (8, 4), (9, 6)]
    made = [(z, moved(corners, by), name) for corners, name in ((A_PULLED, MITO), (B, EARLY)) for z, by in between]
    ids = {
        (z, name): number for number, (z, _, name) in enumerate(sorted(made, key=lambda row: (row[0], row[2])), start=9)
    }
    changes = [
        add(ids[z, name], z, corners, name) for z, corners, name in sorted(made, key=lambda row: (row[0], row[2]))
    ]
    told.edit("interpolate between slices 6 and 10", *changes)


def propose_and_accept(hands: Hands, told: Told) -> None:
    """Accept one proposal by Tab and Enter, all above a score, and reject the rest: only what was accepted is there."""
    go(hands, 12)
    hands.until("famous.store.model !== null")
    hands.press("p")
    hands.until("famous.store.proposals.length > 2")
    hands.press("Tab")
    first = hands.ask("() => famous.store.proposals.find(({ key }) => key === famous.view.proposalKey)")
    rest = hands.ask("() => famous.store.proposals.filter(({ key }) => key !== famous.view.proposalKey)")
    hands.press("Enter")
    scores = sorted(proposal["score"] for proposal in rest)
    hands.ask("(score) => { famous.store.proposalThreshold = score }", scores[1])
    hands.press("a")
    hands.until("famous.store.proposals.length", 1)
    hands.page.click("#reject-all")
    hands.until("famous.store.proposals.length", 0)
    good = [proposal for proposal in rest if proposal["score"] >= scores[1]]
    assert len(good) == len(rest) - 1
    adds = [
        add(number, 12, tuple(found[side] for side in ("y0", "x0", "y1", "x1")), found["class"])
        for number, found in enumerate([first, *good], start=15)
    ]
    told.edit("accept a proposal", adds[0])
    told.edit(f"accept {len(good)} proposals" if len(good) > 1 else "accept a proposal", *adds[1:])


def mark_done(hands: Hands, told: Told) -> None:
    hands.page.click("#done-switch")
    told.edit("mark slice 12 done", {"op": "done", "z": 12, "from": False, "to": True})
    go(hands, 4)
    hands.press("d")
    told.edit("mark slice 4 done", {"op": "done", "z": 4, "from": False, "to": True})
    saved(hands)


def export_all(hands: Hands, folder: Path) -> dict[str, Path]:
    """Download every format that the page offers."""
    hands.page.click("#open-files")
    formats = hands.ask("() => [...document.querySelectorAll('#export-format option')].map(({ value }) => value)")
    files = {}
    for kind in formats:
        hands.page.select_option("#export-format", kind)
        with hands.page.expect_download() as download:
            hands.page.click("#export")
        files[kind] = folder / download.value.suggested_filename
        download.value.save_as(files[kind])
    hands.press("Escape")
    return files


def test_a_phantom_is_labelled_from_the_first_start_to_the_export(stack, watch, tmp_path):
    told = Told()
    told.start([{"name": name, "color": colour} for name, colour in HELA])
    with Command(stack) as command:
        hands = watch.open(command.url)
        begin(hands, size=(16, 16, 16))
        assert hands.z == hands.ask("() => famous.store.proposed[0]")
        label_slice_4(hands, told)
        copy_and_interpolate(hands, told)
        propose_and_accept(hands, told)
        mark_done(hands, told)
        files = export_all(hands, tmp_path)
        said = command.end()
    watch.check(command.url)
    assert "Traceback" not in said
    boxes = told.boxes()
    folder = annotations(stack)
    assert (folder / "boxes.csv").read_text() == rows(*boxes)
    assert (folder / "slices.csv").read_text() == "z,done\n4,1\n12,1\n"
    assert (folder / "classes.csv").read_text() == "\n".join(["class_name", *(name for name, _ in HELA)]) + "\n"
    told.check(folder / "edits.jsonl")
    assert yaml.safe_load((folder.parent / "famous.yaml").read_text()) == {
        "stack": "../cell.tif",
        "voxel_size": [16, 16, 16],
        "window": [15800, 48200],
        "window_of": open_project(str(stack)).opened.fingerprint,
        "classes": {name: {"color": colour, "outliers": {}} for name, colour in HELA},
    }
    assert set(files) == {"csv", "yolo", "yolo_mark", "coco", "cvat"}
    project = open_project(str(stack))
    for kind, file in files.items():
        found = import_upload(project, file.name, file.read_bytes()).annotations
        assert placed(found.boxes) == sorted(boxes), kind
        assert {4, 12} <= found.done, kind


def placed(table: pd.DataFrame) -> list[tuple[int, tuple[int, int, int, int], str]]:
    return sorted((row.z, (row.y0, row.x0, row.y1, row.x1), row.class_name) for row in table.itertuples())


def drawn(hands: Hands, number: int) -> tuple[int, tuple[int, int, int, int], str]:
    """Draw the box of a number, each at a place of its own on slice 5."""
    corners = (5 + 15 * (number // 6), 5 + 25 * (number % 6), 15 + 15 * (number // 6), 25 + 25 * (number % 6))
    draw(hands, corners)
    return 5, corners, MITO


def test_a_server_that_is_killed_in_the_middle_of_a_drag_loses_nothing(stack, watch):
    """Three kills: while a box is being drawn, right after one was, and while the page sends what has gathered."""
    with Command(stack) as command:
        hands = watch.open(command.url)
        begin(hands, size=(16, 16, 16))
        go(hands, 5)
        boxes = [drawn(hands, 0)]
        saved(hands)
        hands.mouse.move(*hands.at(30, 5))
        hands.mouse.down()
        hands.mouse.move(*hands.at(45, 10))
        command.end(signal.SIGKILL)
        assert (annotations(stack) / "boxes.csv").read_text() == rows(*boxes)
        hands.mouse.move(*hands.at(50, 15))
        hands.mouse.up()
        boxes.append((5, (5, 30, 15, 50), MITO))
        hands.until("famous.store.saved", "offline (1 waiting)")
        hands.until('document.querySelector("#saved").innerText', "Server away, 1 edit waits")  # with the next frame
        boxes.append(drawn(hands, 2))
        hands.until("famous.store.saved", "offline (2 waiting)")
        before = command.url
        assert command.start() == before
        saved(hands)
        for number in (3, 4):
            boxes.append(drawn(hands, number))
        command.end(signal.SIGKILL)
        boxes.append(drawn(hands, 5))
        command.start()
        boxes.append(drawn(hands, 6))
        command.end(signal.SIGKILL)
        command.start()
        saved(hands)
        assert len(hands.boxes()) == len(boxes)
        command.end()
    assert (annotations(stack) / "boxes.csv").read_text() == rows(*boxes)
    watch.check(command.url, may_be_away=True)


def test_what_a_closed_tab_had_not_sent_comes_with_the_next_one(stack, watch):
    with Command(stack) as command:
        hands = watch.open(command.url)
        begin(hands, size=(16, 16, 16))
        go(hands, 5)
        command.end(signal.SIGKILL)
        boxes = [drawn(hands, 0), drawn(hands, 1)]
        hands.until("famous.store.saved", "offline (2 waiting)")
        hands.page.close()
        command.start()
        again = watch.open(command.url)
        again.until("famous.store.boxes.size", 2)
        saved(again)
        command.end()
    assert (annotations(stack) / "boxes.csv").read_text() == rows(*boxes)
    watch.check(command.url, may_be_away=True)


def test_two_tabs_lose_no_edit_and_the_later_one_is_told(stack, watch):
    """Both draw at once; then one moves a box that the other, which cannot hear it, deletes."""
    with Command(stack) as command:
        one = watch.open(command.url)
        begin(one, size=(16, 16, 16))
        two = watch.open(command.url)
        boxes = []
        for hands in (one, two):
            go(hands, 5)
        for number in range(6):
            boxes.append(drawn((one, two)[number % 2], number))
        for hands in (one, two):
            saved(hands)
            hands.until("famous.store.boxes.size", 6)
        two.ask("() => { famous.said = []; famous.store.on('say', ({ text }) => famous.said.push(text)) }")
        two.page.route("**/api/pulse*", lambda route: route.abort())
        one.click(15, 10)
        one.press("Delete")
        saved(one)
        two.click(15, 10)
        two.press("Shift+ArrowRight")
        two.until("famous.store.boxes.size", 5)
        assert "Could not be kept: move one box" in " ".join(two.ask("() => famous.said"))
        boxes.append(drawn(two, 7))
        two.until("famous.store.queue.size", 0)
        one.until("famous.store.boxes.size", 6)
        command.end()
    assert placed(pd.read_csv(annotations(stack) / "boxes.csv")) == sorted(boxes[1:])


def test_a_slice_is_labelled_without_a_mouse(stack, watch):
    """From the first question to the slice that is done; Tab goes round, nothing needs the mouse."""
    with Command(stack) as command:
        hands = watch.open(command.url)
        hands.page.focus("#setup-dialog input[type=text]")
        hands.page.keyboard.type(MITO)
        for axis in "zyx":
            hands.page.focus(f"#voxel-{axis}")
            hands.press("Control+A")
            hands.page.keyboard.type("16")
        hands.press("Enter")
        hands.until("document.querySelector('dialog[open]') === null && famous.store.saved === 'saved'")
        assert hands.ask("() => document.activeElement.id") == "canvas"
        z = hands.z
        hands.press("PageDown")
        hands.press("b")
        before = hands.boxes()[0]
        hands.press("Shift+ArrowLeft")
        for key in ("ArrowUp", "Alt+ArrowRight", "Alt+ArrowRight", "Alt+ArrowDown"):
            hands.press(key)
        hands.press("Escape")
        hands.press("d")
        saved(hands)
        y0, x0, y1, x1, name = before
        assert (hands.z, hands.boxes()) == (z + 1, [[y0 - 1, x0 - 10, y1, x1 - 8, name]])
        hands.press("Tab")
        assert hands.selected == 1
        hands.press("Control+D")
        hands.press("Delete")
        hands.press("Control+Z")
        hands.press("Control+Z")
        hands.press("?")
        assert hands.page.is_visible("#help-dialog")
        hands.press("Escape")
        saved(hands)
        command.end()
    assert (annotations(stack) / "boxes.csv").read_text() == rows((z + 1, (y0 - 1, x0 - 10, y1, x1 - 8), MITO))
    assert (annotations(stack) / "slices.csv").read_text() == f"z,done\n{z + 1},1\n"
    watch.check(command.url)


def test_real_slices_are_labelled_where_they_lie(shared_data, watch, tmp_path):
    """Twenty PNG slices of a fly's nerve cord, 50 × 4.6 × 4.6 nm: draw, snap, turn the slices by wheel, mark done."""
    stack = tmp_path / "raw"
    shutil.copytree(shared_data / "vnc" / "raw", stack)
    with Command(stack) as command:
        hands = watch.open(command.url)
        begin(hands, size=(50, 4.6, 4.6))
        assert hands.ask("() => famous.store.proposed.length") == 20
        go(hands, 8)
        truth, loose = mitochondrion(shared_data, 8)
        draw(hands, loose)
        saved(hands)
        hands.press("s")
        hands.until("famous.store.undoLabel", "snap one box")
        ((*tight, name),) = hands.boxes()
        assert overlap(tight, truth) > overlap(loose, truth)
        hands.page.keyboard.down("Alt")
        hands.mouse.wheel(0, 100)
        hands.page.keyboard.up("Alt")
        hands.until("famous.store.z", 9)
        hands.press("c")
        hands.press("d")
        saved(hands)
        hands.until("document.querySelector('#cut-xz').width > 0")
        command.end()
    folder = tmp_path / "raw.famous" / "annotations"
    assert (folder / "boxes.csv").read_text() == rows((8, tuple(tight), name), (9, tuple(tight), name))
    assert (folder / "slices.csv").read_text() == "z,done\n9,1\n"
    assert yaml.safe_load((folder.parent / "famous.yaml").read_text())["voxel_size"] == [50, 4.6, 4.6]
    watch.check(command.url)


def test_boxes_come_in_from_a_file_as_one_edit(stack, watch, tmp_path):
    """COCO by the page's own button: on its slices its boxes replace what is there, and Undo takes them back."""
    with Command(stack) as command:
        hands = watch.open(command.url)
        begin(hands, size=(16, 16, 16))
        go(hands, 5)
        mine = [drawn(hands, 0)]
        saved(hands)
        other = [(5, (40, 50, 90, 110), MITO), (7, (1, 2, 30, 40), "golgi")]
        columns = dict(zip(("z", "y0", "x0", "y1", "x1", "class_name"), zip(*flat(other), strict=True), strict=True))
        labelled = Annotations(from_columns(columns), frozenset({7}), (MITO, "golgi"))
        write_boxes(tmp_path / "other.json", "coco", labelled, shape=(24, 160, 160))
        hands.page.click("#open-files")
        hands.page.set_input_files("#import-file", tmp_path / "other.json")
        hands.page.click("#import")
        hands.until("famous.store.boxes.size", 2)
        hands.press("Escape")
        assert (annotations(stack) / "boxes.csv").read_text() == rows(*other)
        assert (annotations(stack) / "classes.csv").read_text().split("\n")[-2] == "golgi"
        hands.press("Control+z")
        hands.until("famous.store.boxes.size", 1)
        saved(hands)
        command.end()
    assert (annotations(stack) / "boxes.csv").read_text() == rows(*mine)
    assert (annotations(stack) / "slices.csv").read_text() == "z,done\n"
    watch.check(command.url)


def flat(boxes: list[tuple[int, tuple[int, int, int, int], str]]) -> list[tuple[Any, ...]]:
    return [(z, *corners, name) for z, corners, name in boxes]


def mitochondrion(shared_data: Path, z: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The largest mitochondrion of a slice that does not touch its edge: tight box, and one 15 % looser each way."""
    labels = tifffile.imread(shared_data / "vnc" / "mito_inst.tif")[z]
    best: tuple[int, ...] = (0, 0, 0, 0)
    for instance in np.unique(labels)[1:]:
        y, x = np.nonzero(labels == instance)
        found = (int(y.min()), int(x.min()), int(y.max()) + 1, int(x.max()) + 1)
        inside = min(found) > 30 and found[2] < labels.shape[0] - 30 and found[3] < labels.shape[1] - 30
        solid = len(y) > 0.6 * (found[2] - found[0]) * (found[3] - found[1])
        if inside and solid and found[2] - found[0] > best[2] - best[0]:
            best = found
    y0, x0, y1, x1 = best
    dy, dx = round(0.15 * (y1 - y0)), round(0.15 * (x1 - x0))
    return best, (y0 - dy, x0 - dx, y1 + dy, x1 + dx)


def overlap(a: Any, b: Any) -> float:
    return float(iou(np.array([a]), np.array([b]))[0, 0])


TRAINING = """
train: {weights: yolo26n.yaml, epochs: 2, input_px: 64, batch: 2, epoch_tiles: 4, validate: false, device: cpu,
        masks: {steps: 0}}
detect: {score: 0.01}
"""
LABELLED = (2, 6, 10, 14, 18, 22)


@pytest.mark.slow
def test_boxes_drawn_in_the_page_train_a_detector_that_a_run_then_uses(tmp_path, watch):
    """Six slices of the phantom, each organelle drawn by hand and each slice marked done; then the two commands."""
    stack = write_cell(tmp_path)
    table = cell().boxes(LABELLED)
    table = table[(table[["y1", "x1"]].to_numpy() - table[["y0", "x0"]].to_numpy()).min(axis=1) >= 4]
    kinds = sorted(table["class_name"].unique())
    with Command(stack) as command:
        hands = watch.open(command.url)
        begin(hands, size=None)
        numbers = {name: str(place) for place, (name, _) in enumerate(HELA, start=1)}
        for z in LABELLED:
            go(hands, z)
            for name in kinds:
                hands.press(numbers[name])
                for found in table[(table["z"] == z) & (table["class_name"] == name)].itertuples():
                    hands.page.keyboard.down("Alt")  # also inside a larger one
                    draw(hands, (found.y0, found.x0, found.y1, found.x1))
                    hands.page.keyboard.up("Alt")
            hands.press("d")
        saved(hands)
        command.end()
    watch.check(command.url)
    truth = sorted((row.z, (row.y0, row.x0, row.y1, row.x1), row.class_name) for row in table.itertuples())
    assert (annotations(stack) / "boxes.csv").read_text() == rows(*truth)
    yaml_file = annotations(stack).parent / "famous.yaml"
    yaml_file.write_text(yaml_file.read_text() + TRAINING)
    call("train", stack)
    model = annotations(stack).parent / "model"
    card = json.loads((model / "card.json").read_text())
    assert set(card["slices"]) == set(LABELLED)
    assert set(card["class_names"]) == set(kinds)
    outcome = call_json("run", stack)
    manifest = json.loads((model.parent / "run" / "manifest.json").read_text())
    assert manifest["stages"]["detect"]["inputs"]["weights"] == file_hash(model / "card.json")
    assert outcome["boxes"] == len(pd.read_parquet(outcome["paths"]["boxes"]))
    assert not any("phantom" in note for note in outcome["notes"])  # nothing is said of the detector that ships


TAUGHT = """
train: {{weights: {weights}, epochs: 12, input_px: 256, batch: 4, epoch_tiles: 24, validate: false, device: cpu,
        masks: {{steps: 3}}}}
"""
DASHED = "famous.store.assistant.good.length"


def label_phantom(stack: Path) -> None:
    """Put the phantom's own boxes on six slices, as an import would, and declare them done."""
    table = cell().boxes(LABELLED)
    folder = annotations(stack)
    folder.mkdir(parents=True)
    names = tuple(sorted(table["class_name"].unique()))
    write_boxes(folder / "boxes.csv", "csv", Annotations(table, frozenset(LABELLED), names), shape=CELL.shape)


def hits(hands: Hands, z: int) -> int:
    """Count the true boxes of a slice that some dashed box meets with an IoU of 0.5."""
    drawn = hands.ask("() => famous.store.proposals.map((b) => [b.y0, b.x0, b.y1, b.x1, b.score])")
    boxes = np.array([row[:4] for row in drawn if row[4] >= 0.25]).reshape(-1, 4)
    truth = cell().boxes([z])[["y0", "x0", "y1", "x1"]].to_numpy()
    return int((iou(truth, boxes) >= 0.5).any(axis=1).sum()) if len(boxes) else 0


def test_a_new_models_proposals_come_without_a_click(tmp_path, watch):
    """Another program leaves a model of this stack (that which ships stands in for it) while the page is open."""
    stack = write_cell(tmp_path)
    label_phantom(stack)
    with Command(stack) as command:
        hands = watch.open(command.url)
        hands.until("famous.store.model?.kind ?? null", "packaged")
        go(hands, 12)
        assert hands.ask("() => famous.store.proposals.length") == 0
        packaged = Path(famous.__file__).parent / "weights"
        model = annotations(stack).parent / "model"
        shutil.copytree(packaged, tmp_path / "new")
        card = json.loads((tmp_path / "new" / "card.json").read_text())
        (tmp_path / "new" / "card.json").write_text(json.dumps(card | {"notes": "trained again"}))
        (tmp_path / "new").rename(model)
        hands.until("famous.store.model?.kind ?? null", "trained")
        hands.until(f"{DASHED} > 0")
        assert hits(hands, 12) >= 0.5 * len(cell().boxes([12]))
        command.end()
    watch.check(command.url)


@pytest.mark.slow
def test_a_training_from_the_page_ends_with_proposals(shared_data, tmp_path, watch):
    """Train is pressed, and then nothing: the dashed boxes of the new model lie on the open slice, and lie well."""
    weights = shared_data / "weights" / "yolo26n.pt"
    if not weights.is_file():
        pytest.skip("no COCO weights to start from")
    stack = write_cell(tmp_path)
    label_phantom(stack)
    yaml_file = annotations(stack).parent / "famous.yaml"
    yaml_file.write_text(TAUGHT.format(weights=weights))
    with Command(stack) as command:
        hands = watch.open(command.url)
        go(hands, 12)
        hands.page.click("#open-train")
        hands.page.fill("#train-minutes", "5")
        hands.page.click("#start-training")
        hands.until("famous.store.training.state", "running")
        hands.until("famous.store.training.state", "done", seconds=400)
        hands.until("famous.store.model?.kind ?? null", "trained")
        hands.until(f"{DASHED} > 0")
        assert hits(hands, 12) >= 4
        command.end()
    watch.check(command.url)
