"""The picture that is seen before the page's program has come: what the server says of it, and that the canvas goes on
with it. The stack is the ramp of `tests/desks.py`.
"""

import html
import re
import socket
import threading

import cv2
import numpy as np
import pytest

from famous.annotate.security import Policy
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


def test_the_page_names_each_level_of_the_slice_that_it_will_open(port):
    with client(port) as browser:
        z, sources, sizes = placed(browser.get("/").text)
    assert z == 1  # the first of those proposed
    assert sources == ["/preview/1/0 504w", "/preview/1/1 252w"]  # 600 and 300 px, told a little smaller
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
        answer = browser.get("/preview/3/1")
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.headers["cache-control"] == "no-store"
        found = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_UNCHANGED)
        shown = cv2.resize(ramp().image(3), (300, 350), interpolation=cv2.INTER_AREA)
        assert np.abs(found.astype(int) - shown).max() <= 4
        browser.post("/api/window", json={"low": 0, "high": 100, "inverted": True})
        dark = cv2.imdecode(np.frombuffer(browser.get("/preview/3/1").content, np.uint8), cv2.IMREAD_UNCHANGED)
        assert dark.max() <= 2


@pytest.mark.parametrize(("path", "status"), [("/preview/6/0", 404), ("/preview/0/2", 404), ("/preview/x/0", 400)])
def test_a_picture_that_does_not_exist(port, path, status):
    with client(port) as browser:
        assert browser.get(path).status_code == status


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
