"""A real browser for tests of the page; they skip where there is none."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

WEB = Path(__file__).resolve().parents[1] / "famous" / "annotate" / "web"
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")


def find_chromium() -> str:
    """Path of the installed browser; skips the test where there is none."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    pytest.skip("no Chromium on this machine")


@pytest.fixture(scope="session")
def driver() -> Iterator[Any]:
    """One playwright for all tests of the session: a second one beside it is refused."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def browser(driver: Any) -> Iterator[Any]:
    """One headless Chromium for all tests of the session."""
    chromium = driver.chromium.launch(executable_path=find_chromium(), args=list(FLAGS))
    yield chromium
    chromium.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A fresh page of 1280 × 800 pixels with its own storage; an error that it does not catch fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    fresh = context.new_page()
    errors: list[str] = []
    fresh.on("pageerror", lambda error: errors.append(str(error)))
    yield fresh
    context.close()
    assert not errors


def serve_web(context: Any, origin: str = "http://127.0.0.1:9") -> str:
    """Answer this origin with the page's own files, without a server; `/` is an empty page. Returns the origin."""
    kinds = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}

    def answer(route: Any) -> None:
        name = route.request.url.removeprefix(origin).partition("?")[0].removeprefix("/web/")
        file = WEB / name
        if name == "/":
            route.fulfill(body="<!doctype html><title>test</title>", content_type="text/html")
        elif file.is_file():
            route.fulfill(body=file.read_bytes(), content_type=kinds[file.suffix])
        else:
            route.fulfill(status=404, body="")

    context.route(f"{origin}/**", answer)
    return origin
