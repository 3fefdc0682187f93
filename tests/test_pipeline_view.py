"""`famous view`: what is served, to whom, and what a real browser shows of it."""

import functools
import gc
import http.server
import io
import json
import shutil
import threading
import urllib.error
import urllib.request

import numpy as np
import pytest
from PIL import Image

from famous.errors import InputError
from famous.io.label_store import LabelStore
from famous.io.precomputed import write_precomputed
from famous.pipeline.annotate import Door
from famous.pipeline.export import export
from famous.pipeline.organelles import Organelles
from famous.pipeline.project import open_project
from famous.pipeline.stage import Silent
from famous.pipeline.view import Labels, Meshes, View, open_view
from tests.browser import find_chromium
from tests.cells import write_cell

neuroglancer = pytest.importorskip("neuroglancer", reason="neuroglancer is not installed")
pytestmark = [
    pytest.mark.usefixtures("know_all"),
]
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
)


def get(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read()


def test_the_page_needs_the_token(finished):
    with open_view(finished) as view:
        assert view.url.startswith("http://127.0.0.1:")
        assert len(view.token) >= 32
        assert view.warning is None
        assert view.notes == ()
        assert b"<html" in get(view.url).lower()
        for path in ("/", "/v/", "/v/guessed/", f"/v/{view.token[:-1]}/"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                get(f"http://127.0.0.1:{view.port}{path}")
    with pytest.raises(urllib.error.URLError):
        get(view.url)


def test_every_class_has_its_labels_colour_and_segments(finished):
    organelles = Organelles.of(finished)
    with open_view(finished) as view:
        layers = {layer.name: layer.layer for layer in view.viewer.state.layers}
    assert list(layers) == ["stack", *organelles.classes]
    for name in organelles.classes:
        own = organelles.of_class(name)
        assert set(layers[name].segments) == {extent.instance for extent in own}
        assert layers[name].segment_default_color == organelles.colours[name]


def test_labels_are_read_block_by_block(finished):
    store = LabelStore.open(finished.labels)
    whole = np.stack([store.read_labels("mitochondrion", z) for z in range(24)])
    block = range(3, 24, 4), range(10, 150, 2), range(5, 160, 3)
    assert (Labels(store, "mitochondrion")(block) == whole[3:24:4, 10:150:2, 5:160:3]).all()
    assert whole.any()


def test_meshes_are_read_by_their_id(finished):
    organelles = Organelles.of(finished)
    extent = organelles.of_class("mitochondrion")[0]
    content = Meshes(organelles, "mitochondrion")(extent.instance)
    count = int(np.frombuffer(content, "<u4", 1)[0])
    metres = np.frombuffer(content, "<f4", 3 * count, 4).reshape(-1, 3)
    low, high = (np.array(corner[::-1]) * 16e-9 for corner in (extent.low, extent.high))
    assert (metres.min(axis=0) > low - 40e-9).all()
    assert (metres.max(axis=0) < high + 40e-9).all()
    assert Meshes(organelles, "mitochondrion")(10**6) is None
    assert Meshes(organelles, "lysosome")(extent.instance) is None


def test_what_there_is_is_shown_with_a_note(done, tmp_path):
    shutil.rmtree(done.meshes)
    with open_view(done) as view:
        assert len(view.viewer.state.layers) == 1 + len(LabelStore.open(done.labels).classes)
        assert "labels without meshes" in view.notes[0]
    (tmp_path / "other").mkdir()
    with open_view(open_project(str(write_cell(tmp_path / "other")))) as view:
        assert [layer.name for layer in view.viewer.state.layers] == ["stack"]
        assert "the stack alone is shown" in view.notes[0]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # tornado leaves the socket open
def test_a_port_that_is_taken_is_named(finished):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as taken:
        port = taken.server_address[1]
        refused = pytest.raises(InputError, match=f"127.0.0.1, port {port}: the server cannot listen there")
        with refused, open_view(finished, Door("127.0.0.1", port)):
            pass
    refused = pytest.raises(InputError, match=r"203\.0\.113\.7: the server cannot listen there")
    with refused, open_view(finished, Door("203.0.113.7")):
        pass
    del refused  # it holds the error, and with it the socket, which is to go in this test and in no later one
    gc.collect()


def test_who_lets_others_in_is_warned():
    assert "knows the address sees the stack" in View("0.0.0.0", 80, "t", (), None).warning
    assert View("0.0.0.0", 80, "t", (), None).url == "http://127.0.0.1:80/v/t/"
    assert View("::1", 80, "t", (), None).url == "http://[::1]:80/v/t/"


# ---- in a real browser ----


@pytest.fixture(scope="module")
def drawn(driver):
    """A Chromium that draws in software, without a graphics card."""
    chromium = driver.chromium.launch(executable_path=find_chromium(), args=list(FLAGS))
    yield chromium
    chromium.close()


def snapshot(browser, view, size=(640, 480)):
    """Open the page, wait until it has drawn all it has to load, and return its picture, (y, x, 3)."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1] + 60})
    hosts, errors = set(), []
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]) if "://" in request.url else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(view.url)
    taken = []
    view.viewer.async_screenshot(lambda reply: taken.append(reply.screenshot.image))
    for _ in range(1200):
        if taken:
            break
        page.wait_for_timeout(100)
    page.close()
    assert taken, "nothing was drawn"
    assert errors == []
    with Image.open(io.BytesIO(taken[0])) as image:
        return np.asarray(image.convert("RGB")).astype(int), hosts


def test_a_browser_shows_meshes_on_the_slices(finished, drawn):
    with open_view(finished) as view:
        picture, hosts = snapshot(drawn, view)
        assert hosts == {f"127.0.0.1:{view.port}"}  # nothing is fetched from elsewhere
        with view.viewer.txn() as state:
            for name in [layer.name for layer in state.layers if layer.name != "mitochondrion"]:
                del state.layers[name]
            state.layout = neuroglancer.DataPanelLayout("3d", orthographic_projection=True)
            state.projection_orientation = [0, 0, 0, 1]  # x to the right, y down
            state.projection_scale = 200  # voxels from the upper to the lower edge
        solid, _ = snapshot(drawn, view)
    colourful = np.ptp(picture, axis=2) > 60
    grey = (np.ptp(picture, axis=2) < 10) & (picture.mean(axis=2) > 40) & (picture.mean(axis=2) < 230)
    height, width = colourful.shape
    for rows, columns in (
        (slice(0, height // 2), slice(0, width // 2)),  # the slice, with labels
        (slice(height // 2, height), slice(0, width // 2)),  # meshes in space
    ):
        assert colourful[rows, columns].mean() > 0.01
        assert grey[rows, columns].mean() > 0.02
    box = np.argwhere((solid[..., 0] > 200) & (solid[..., 1] > 200) & (solid[..., 2] < 60))  # yellow, of 160 voxels
    orange = (solid[..., 0] > 60) & (solid[..., 2] < 40) & (solid[..., 1] < 0.8 * solid[..., 0])
    corner, pixel = box.min(axis=0), 160 / np.ptp(box, axis=0)
    seen = (np.argwhere(orange) - corner) * pixel
    low, high = seen.min(axis=0), seen.max(axis=0)
    store = LabelStore.open(finished.labels)
    where = np.argwhere(np.any([store.read_labels("mitochondrion", z) for z in range(24)], axis=0))
    assert low == pytest.approx(where.min(axis=0), abs=3)  # meshes lie where the labels lie, at their size
    assert high == pytest.approx(where.max(axis=0) + 1, abs=3)


class Served(http.server.SimpleHTTPRequestHandler):
    """A web server that lets other pages read, and remembers what they read."""

    seen: list[str]

    def end_headers(self):
        self.send_header("Access-Control-Allow-Origin", "*")
        super().end_headers()

    def log_message(self, *_):
        self.seen.append(self.path)


def test_neuroglancer_itself_reads_the_precomputed_meshes(finished, drawn, tmp_path):
    (folder,) = export(finished, "precomputed", out=tmp_path)
    info = json.loads((folder / "segment_properties" / "info").read_text())
    handler = functools.partial(Served, directory=str(tmp_path))
    Served.seen = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, open_view(finished) as view:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with view.viewer.txn() as state:
            for name in [layer.name for layer in state.layers]:
                del state.layers[name]
            source = f"precomputed://http://127.0.0.1:{server.server_address[1]}/{folder.name}"
            ids = [int(number) for number in info["inline"]["ids"]]
            state.layers["meshes"] = neuroglancer.SegmentationLayer(
                source=source, segments=ids, segment_default_color="#00ff00"
            )
            state.layout = "3d"
            state.show_slices = False
        picture, _ = snapshot(drawn, view)
        server.shutdown()
    assert {f"/{folder.name}/{number}" for number in ids} <= set(Served.seen)
    assert f"/{folder.name}/segment_properties/info" in Served.seen
    green = (picture[..., 1] > 100) & (picture[..., 0] < 60) & (picture[..., 2] < 60)
    assert green.mean() > 0.005


def test_the_folder_of_the_export_has_every_organelle(finished, tmp_path):
    scenes = Organelles.of(finished).scenes(Silent())
    folder = write_precomputed(tmp_path / "a", scenes)
    assert len(list(folder.glob("*:0"))) == len(Organelles.of(finished).extents)
