"""What the server sends first: the page with its style, the names of its modules, and the picture that is seen before
its program has come; and that the canvas goes on with that. The stack is the ramp of `tests/desks.py`.
"""

import base64
import hashlib
import html
import re
import socket
import threading

import cv2
import numpy as np
import pytest

from famous.annotate.first import Page, modules, web_files
from famous.annotate.security import HEADERS, Policy
from famous.annotate.server import SLICE_COOKIE, make_app, make_server
from tests.desks import SHAPE, TOKEN, client, make_desk, ramp, room_of, serving
from tests.hands import Hands

COOKIE = SLICE_COOKIE + "f" * 16


@pytest.fixture
def port(tmp_path):
    with room_of(make_desk(tmp_path)) as room, serving(room) as port:
        yield port


def placed(text):
    """What index.html says of the picture: slice, sources and sizes; the preload must say the same."""
    sources = re.findall(r'srcset="([^"]*)"', text)
    sizes = re.findall(r'sizes="([^"]*)"', text)
    assert len(sources) == len(sizes) == 2
    assert len(set(sources)) == len(set(sizes)) == 1
    return int(re.search(r'data-z="(\d+)"', text)[1]), sources[0].split(", "), html.unescape(sizes[0])


def test_the_page_names_each_picture_of_the_slice_that_it_will_open(port):
    with client(port) as browser:
        z, sources, sizes = placed(browser.get("/").text)
    assert z == 1  # the first of those proposed
    assert sources == ["/preview/1/0 600w", "/preview/1/1 424w", "/preview/1/2 300w"]
    assert "1800px" in sizes
    assert f"{SHAPE[2] / SHAPE[1]:.6g}" in sizes


@pytest.mark.parametrize(("last", "z"), [("4", 4), ("0", 0), ("6", 1), ("-1", 1), ("x", 1), ("", 1), ("9" * 30, 1)])
def test_the_slice_that_was_open_last_is_opened_again(port, last, z):
    """Anything but a slice of the stack is as if nothing was said."""
    with client(port) as browser:
        browser.cookies.set(COOKIE, last)
        assert placed(browser.get("/").text)[0] == z


def test_the_picture_is_the_slice_through_its_window(port):
    with client(port) as browser:
        answer = browser.get("/preview/3/2")
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.headers["cache-control"] == "no-store"
        found = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_UNCHANGED)
        shown = cv2.resize(ramp().image(3), (300, 350), interpolation=cv2.INTER_AREA)
        assert np.abs(found.astype(int) - shown).max() <= 4
        browser.post("/api/window", json={"low": 0, "high": 100, "inverted": True})
        dark = cv2.imdecode(np.frombuffer(browser.get("/preview/3/2").content, np.uint8), cv2.IMREAD_UNCHANGED)
        assert dark.max() <= 2


@pytest.mark.parametrize(("path", "status"), [("/preview/6/0", 404), ("/preview/0/3", 404), ("/preview/x/0", 400)])
def test_a_picture_that_does_not_exist(port, path, status):
    with client(port) as browser:
        assert browser.get(path).status_code == status


IMPORTS = {"c.js": [], "b.js": ["c.js"], "a.js": ["c.js", "b.js"], "main.js": ["b.js", "a.js"], "alone.js": []}


def graph(imports):
    """The page's files with modules that import one another, in the ways in which one may write it."""
    ways = (
        'import {{ x }} from "./{}";',
        "import {{\n  x,\n  y,\n}} from './{}';",
        'import "./{}";',
        'export {{ z }} from "./{}";',
    )
    lines = {
        name: "\n".join(ways[i % len(ways)].format(other) for i, other in enumerate(others))
        for name, others in imports.items()
    }
    index = '<link rel="stylesheet" href="/web/style.css"><!-- modules -->'
    files = {
        **{name: f"{text}\nconst s = 'from';" for name, text in lines.items()},
        "style.css": "a",
        "index.html": index,
    }
    return {name: (text.encode(), "text/plain") for name, text in files.items()}


def test_modules_are_named_nearest_first():
    assert modules(graph(IMPORTS)) == ["b.js", "a.js", "c.js"]
    ring = graph({"main.js": ["a.js"], "a.js": ["b.js"], "b.js": ["a.js", "main.js"]})
    assert modules(ring) == ["a.js", "b.js"]
    many = {"main.js": list("1234"), **{name: [] for name in "1234"}}  # each way to write an import
    assert modules(graph(many)) == list("1234")
    assert modules(graph({"main.js": []})) == []


def test_a_type_in_a_comment_or_a_late_import_is_no_module():
    files = graph({"main.js": ["a.js"], "a.js": []})
    late = (
        b'/** @type {import("./t.js").T} */\nconst later = () => import("./late.js");\n * import x from "./doc.js";\n'
    )
    assert modules({**files, "a.js": (late, "")}) == ["a.js"]


def test_the_page_names_exactly_the_modules_of_the_program(port):
    """Else the browser learns of each only from the one before it: six requests after one another."""
    web = web_files()
    with client(port) as browser:
        text = browser.get("/").text
    version = Page(web).version
    named = re.findall(rf'<link rel="modulepreload" href="/web/{version}/([^"]+)">', text)
    assert len(named) == len(set(named))
    assert {*named, "main.js", "boot.js"} == {name for name in web if name.endswith(".js")}
    assert "<!-- modules -->" not in text
    head, _, rest = text.partition('<template id="program">')
    assert "modulepreload" not in head  # nothing is asked for before the picture but the picture and boot.js
    assert "modulepreload" not in rest.partition("</template>")[2]
    assert re.findall(r'(?:src|href)="(/[^"]*)"', head) == [
        f"/web/{version}/{name}" for name in ("icon.svg", "boot.js")
    ]


def test_the_style_is_in_the_page_and_no_other_is_let_in(port):
    style = web_files()["style.css"][0]
    with client(port) as browser:
        answer = browser.get("/")
    (found,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    assert found.encode() == style
    assert "stylesheet" not in answer.text
    digest = base64.b64encode(hashlib.sha256(style).digest()).decode()
    usual = HEADERS["Content-Security-Policy"]
    assert answer.headers.get_list("content-security-policy") == [f"{usual}; style-src 'self' 'sha256-{digest}'"]


def test_the_version_is_another_one_when_a_file_is():
    files = graph(IMPORTS)
    assert Page(files).version == Page(dict(reversed(files.items()))).version
    assert Page(files).version != Page({**files, "c.js": (b"", "")}).version


def test_asking_for_the_page_begins_to_read_its_slice(tmp_path, monkeypatch):
    with room_of(make_desk(tmp_path)) as room, serving(room) as port, client(port) as browser:
        begun = []
        monkeypatch.setattr(room.images, "begin", begun.append)
        browser.cookies.set(COOKIE, "4")
        browser.get("/")
    assert begun == [4]


def test_the_pictures_of_the_likely_slice_are_ready_before_anybody_asks(tmp_path, monkeypatch):
    with room_of(make_desk(tmp_path)) as room:
        room.wait(60)
        monkeypatch.setattr("famous.annotate.images.preview", None)  # from now on none can be made
        assert all(room.preview(1, step)[:2] == b"\xff\xd8" for step in range(3))
        with pytest.raises(TypeError):
            room.preview(2, 0)


def test_answers_are_not_held_back(tmp_path):
    """Without it the second part of an answer waits for the browser's word on the first: 40 ms each."""
    with room_of(make_desk(tmp_path)) as room, socket.create_server(("127.0.0.1", 0)) as listener:
        server = make_server(make_app(room, Policy(TOKEN)), lambda: setattr(server, "should_exit", True))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener.dup()]})
        thread.start()
        thread.join(60)
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


SHOWN = "(() => { const i = document.getElementById('first'); return Boolean(i && i.complete && i.naturalWidth); })()"
DRAWN = """() => {
  const { left, top, width, height } = document.getElementById("first").getBoundingClientRect();
  return [left, top, width, height];
}"""
LIES = """() => {
  const { left, top } = famous.view.canvas.getBoundingClientRect();
  const { frame, slice } = famous.view;
  return [left + frame.left, top + frame.top, slice.width * frame.scale, slice.height * frame.scale];
}"""


@pytest.mark.parametrize(("screen", "width"), [((870, 620), 300), ((1000, 720), 424), ((2560, 1440), 600)])
def test_the_picture_is_as_fine_as_the_screen(port, browser, screen, width):
    """As fine as the tiles that follow: 0.84 pixels or more to a screen pixel's side, where the slice has them."""
    context = browser.new_context(viewport={"width": screen[0], "height": screen[1]})
    page = context.new_page()
    hands = Hands(page, f"http://127.0.0.1:{port}")
    page.route("**/main.js", lambda _: None)
    page.goto(f"{hands.origin}/?token={TOKEN}", wait_until="commit")
    hands.until(SHOWN)
    _, _, wide, high = hands.ask(DRAWN)
    side = min(wide / SHAPE[2], high / SHAPE[1])
    found = hands.ask("() => Number(document.getElementById('first').currentSrc.split('/').pop())")
    assert {600: 0, 424: 1, 300: 2}[width] == found
    assert width >= min(0.84 * side * SHAPE[2], SHAPE[2])
    page.unroute_all(behavior="ignoreErrors")
    context.close()


@pytest.mark.parametrize("fault", ["abort", "silence"])
def test_a_picture_that_does_not_come_holds_nothing_back(port, browser, fault):
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    hands = Hands(page, f"http://127.0.0.1:{port}")
    page.route("**/preview/**", lambda route: route.abort() if fault == "abort" else None)
    page.goto(f"{hands.origin}/?token={TOKEN}", wait_until="commit")
    hands.until("Boolean(globalThis.famous?.view?.isReady)")
    page.unroute_all(behavior="ignoreErrors")
    context.close()


def test_the_program_comes_after_the_picture_and_all_at_once(port, browser):
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    hands = Hands(page, f"http://127.0.0.1:{port}")
    asked, refused, held = [], [], []
    page.on("request", lambda request: asked.append(re.sub(r".*/", "", request.url)))
    page.on("console", lambda message: refused.append(message.text))
    page.route("**/store.js", lambda route: held.append(route))  # noqa: PLW0108 - a list takes no notes
    page.goto(f"{hands.origin}/?token={TOKEN}", wait_until="commit")
    program = modules(web_files())
    for _ in range(1000):
        if held and set(program) <= set(asked):
            break
        page.wait_for_timeout(20)
    assert set(program) <= set(asked)  # also those of which store.js would have told
    assert "boot.js" in asked[: asked.index(program[0])]
    for route in held:
        route.continue_()
    hands.until("Boolean(globalThis.famous?.view?.isReady)")
    assert all(asked.count(name) == 1 for name in program)
    assert asked.count("state") == 1  # it was fetched ahead, once
    assert not refused  # by the browser: a style or a script that the policy does not let in
    context.close()


@pytest.mark.parametrize("screen", [(1280, 800), (2560, 1440)])
def test_the_canvas_goes_on_with_the_first_picture(port, browser, screen):
    """The program is held back, then the tiles: at no time is the slice away, or elsewhere."""
    context = browser.new_context(viewport={"width": screen[0], "height": screen[1]})
    page = context.new_page()
    hands = Hands(page, f"http://127.0.0.1:{port}")
    held = []
    page.route("**/main.js", lambda route: held.append(route))  # noqa: PLW0108 - a list takes no notes
    page.route("**/tiles/**", lambda route: route.abort())
    page.goto(f"{hands.origin}/?token={TOKEN}", wait_until="commit")
    hands.until(SHOWN)
    left, top, width, height = hands.ask(DRAWN)
    side = min(width / SHAPE[2], height / SHAPE[1])  # object-fit: contain
    wide, high = SHAPE[2] * side, SHAPE[1] * side
    seen = [left + (width - wide) / 2, top + (height - high) / 2, wide, high]
    hands.until("document.getElementById('app').className", "waiting")
    round_it = "[...document.querySelectorAll('#app > :not(#stage) > *')]"
    assert not hands.ask(f"() => {round_it}.filter((part) => part.checkVisibility()).map((part) => part.id)")
    while not held:
        page.wait_for_timeout(20)
    for route in held:
        route.continue_()
    hands.until("Boolean(globalThis.famous?.view?.paintedAt) && document.getElementById('first') === null")
    assert hands.ask(LIES) == pytest.approx(seen, abs=2)
    shade = "famous.view.context.getImageData(...famous.view.toScreen(300.5, 350.5).map(Math.floor), 1, 1).data[0]"
    hands.until(f"Math.abs({shade} - {round((1000 + 650) / 6300 * 255)}) <= 3")
    assert not hands.ask("() => Boolean(famous.view.isReady) || famous.view.picture.isWaiting")
    page.unroute_all(behavior="ignoreErrors")  # the page asks again
    hands.until("famous.view.isReady && famous.view.picture.preview === null")
    context.close()


def test_another_slice_or_window_is_not_taken_for_it(port, browser):
    """The cookie is gone, the browser's own memory is not: the picture is of another slice, and is dropped."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    hands = Hands(page, f"http://127.0.0.1:{port}")
    page.goto(f"{hands.origin}/?token={TOKEN}")
    hands.until("Boolean(globalThis.famous?.view?.isReady)")
    hands.ask("() => famous.store.goTo(4)")
    assert any(cookie["name"] == COOKIE and cookie["value"] == "4" for cookie in context.cookies())
    context.clear_cookies(name=COOKIE)
    page.route("**/tiles/**", lambda route: route.abort())
    page.reload(wait_until="commit")
    hands.until("Boolean(globalThis.famous?.view?.paintedAt) && document.getElementById('first') === null")
    assert hands.ask("() => [famous.store.z, famous.view.picture.hasPreview(4)]") == [4, False]
    hands.ask("() => { famous.store.goTo(1); famous.store.setWindow({ low: 10, high: 20 }); }")
    assert hands.ask("() => famous.view.picture.preview") is None
    context.close()
