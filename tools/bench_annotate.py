"""Measure what the labelling page costs its user, with a scripted user in a real browser.

    python tools/bench_annotate.py            all of it, on phantoms that it makes itself
    python tools/bench_annotate.py boxes      only seconds and input actions per box
    python tools/bench_annotate.py paint pan  only the first paint, and the frames while panning

boxes: every box of a phantom's slice is drawn by mouse, in an order in which the class changes as often as it can; an
action is a key press or a drag. paint: from navigation to the first paint of the slice (the whole slice on the screen,
as fine as the screen at that zoom; when Chromium says that it painted it) and to the moment when all tiles are sharp;
medians of first visits, each with nothing in the browser's cache, and of reloads. pan: the slice is dragged to and fro
for some seconds; what Chromium's own trace says of every frame. Both on a stack of 6,000 × 4,000 pixels of 16 bits.
Needs Chromium and playwright.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from playwright.sync_api import Browser, Page, sync_playwright

from famous.synthetic import Phantom, PhantomParams
from famous.voxels import VoxelSize

LARGE = (6, 4000, 6000)  # slices, rows, columns
CELL = PhantomParams(shape=(24, 900, 1200), voxel_size=VoxelSize(16, 8, 8), seed=3)
READY = "() => Boolean(globalThis.famous?.view?.isReady)"
LAPTOP = {"width": 1280, "height": 800}  # a window on a laptop's screen
TRACED = ["devtools.timeline", "disabled-by-default-devtools.timeline.frame", "blink.user_timing"]
PAN_SECONDS = 5
VISITS = 7
WATCH = """new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (entry.identifier === "first") globalThis.firstPaint = entry.renderTime;
}).observe({ type: "element", buffered: true });"""


@contextlib.contextmanager
def serving(stack: Path) -> Iterator[str]:
    """Run the real command on a stack; gives the page's address."""
    command = [sys.executable, "-m", "famous", "annotate", str(stack), "--json", "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        said = ""
        while process.stdout and not said.rstrip().endswith("}"):
            line = process.stdout.readline()
            if not line:
                raise SystemExit("the server did not start")
            said += line
        yield json.loads(said)["url"]
    finally:
        process.terminate()
        process.wait(60)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    if path is None:
        raise SystemExit("there is no Chromium on this machine (Debian, Ubuntu: apt install chromium)")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def write_stack(path: Path, volume: np.ndarray, voxel_um: tuple[float, float, float]) -> Path:
    """Write an ImageJ TIFF with its voxel size, which the command then has not to ask for."""
    z, y, x = voxel_um
    metadata = {"spacing": z, "unit": "um", "axes": "ZYX"}
    tifffile.imwrite(path, volume, imagej=True, resolution=(1 / x, 1 / y), metadata=metadata)
    return path


def phantom_stack(folder: Path, params: PhantomParams = CELL) -> Path:
    """Write a phantom cell as 16 bits, as microscopes do."""
    phantom = Phantom(params)
    volume = np.stack([phantom[z] for z in range(len(phantom))]).astype(np.uint16) * 200 + 3000
    z, y, x = (size / 1000 for size in params.voxel_size.zyx)
    return write_stack(folder / "cell.tif", volume, (z, y, x))


def large_stack(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    depth, height, width = LARGE
    tile = rng.integers(0, 30_000, (1000, 1000), dtype=np.uint16)
    smooth = np.linspace(0, 30_000, width, dtype=np.uint16)[None] + np.zeros((height, 1), np.uint16)
    slices = [np.roll(np.tile(tile, (height // 1000, width // 1000)), 37 * z, axis=1) + smooth for z in range(depth)]
    return write_stack(folder / "large.tif", np.stack(slices), (0.03, 0.005, 0.005))


def set_up(page: Page, url: str, classes: list[str]) -> None:
    """Open the page and choose the classes, as a user would in the first dialog."""
    page.goto(url)
    page.wait_for_function(READY, timeout=60_000)
    if page.evaluate("() => famous.store.classes.length > 0"):
        return
    rows = page.locator("#setup-dialog .row input[type=text]")
    for name in classes:
        rows.last.fill(name)
        page.click("#add-row")
    page.click("#begin")
    page.wait_for_function(f"() => famous.store.classes.length === {len(classes)} && famous.store.saved === 'saved'")


def place(page: Page, x: float, y: float) -> tuple[float, float]:
    script = """([x, y]) => {
      const { left, top } = famous.view.canvas.getBoundingClientRect();
      const [px, py] = famous.view.toScreen(x, y);
      return [px + left, py + top];
    }"""
    left, top = page.evaluate(script, [x, y])
    return left, top


def draw(page: Page, box: Any, number: int | None) -> int:
    """Draw one box, after the key of its class where that is another one; returns the actions it took."""
    start, end = place(page, box.x0, box.y0), place(page, box.x1, box.y1)
    if number is not None:
        page.keyboard.press(str(number))
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=6)
    page.mouse.up()
    return 1 if number is None else 2


def bench_boxes(browser: Browser, folder: Path) -> list[tuple[str, str, str]]:
    table = Phantom(CELL).boxes()
    names = sorted(table["class_name"].unique())
    z = int(table["z"].value_counts().idxmax())
    here = table[table["z"] == z]
    here = here[here[["y1", "x1"]].to_numpy().min(axis=1) > 0]
    turns = here.groupby("class_name").cumcount()
    order = here.assign(turn=turns).sort_values(["turn", "class_name"])
    with serving(phantom_stack(folder)) as url:
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        set_up(page, url, names)
        page.evaluate(f"() => famous.store.goTo({z})")
        page.wait_for_function("() => !famous.view.picture.isWaiting")
        current, actions, took = page.evaluate("() => famous.store.className"), [], []
        began = time.perf_counter()
        for count, box in enumerate(order.itertuples(), start=1):
            start = time.perf_counter()
            number = None if box.class_name == current else names.index(box.class_name) + 1
            actions.append(draw(page, box, number))
            current = box.class_name
            page.wait_for_function(f"() => famous.store.boxes.size === {count} && !famous.view.asked", polling="raf")
            took.append(time.perf_counter() - start)
        drawn = time.perf_counter() - began
        page.wait_for_function("() => famous.store.saved === 'saved'", polling=20)
        saved = time.perf_counter() - began
        found = page.evaluate(
            "() => famous.store.boxesOn(famous.store.z).map((b) => [b.class, b.y0, b.x0, b.y1, b.x1])"
        )
        page.close()
    want = [[b.class_name, b.y0, b.x0, b.y1, b.x1] for b in order.itertuples()]
    off = max(
        abs(p - q) for a, b in zip(sorted(found), sorted(want), strict=True) for p, q in zip(a[1:], b[1:], strict=True)
    )
    many = sum(count == 2 for count in actions)
    return [
        ("boxes drawn", str(len(took)), f"{many} with a change of class; furthest from the truth {off} px"),
        (
            "seconds per box",
            f"{np.mean(took):.3f}",
            f"slowest {max(took):.3f}; with saving {saved / len(took):.3f}; limit 1.5",
        ),
        ("input actions per box", f"{np.mean(actions):.2f}", f"at most {max(actions)}; limit 2"),
        ("drawing all", f"{drawn:.1f} s", "as fast as the page shows each box"),
    ]


def bench_paint(browser: Browser, stack: Path) -> list[tuple[str, str, str]]:
    """First visits, reloads, then slices that were and were not fetched."""
    visits, reloads, turned = [], [], []
    with serving(stack) as url:
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        set_up(page, url, ["mitochondrion"])
        page.close()
    for _ in range(VISITS):
        with serving(stack) as url:  # the server too is a fresh one
            page = browser.new_page(viewport={"width": 1600, "height": 1000})
            page.add_init_script(WATCH)
            page.goto(url)
            visits.append(painted(page))
            page.close()
    with serving(stack) as url:
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.add_init_script(WATCH)
        page.goto(url)
        painted(page)
        for _ in range(VISITS):
            page.reload()
            reloads.append(painted(page))
        for z in (1, 2, 3, 4):
            page.wait_for_timeout(1500)
            turned.append(page.evaluate(TURN, z))
        page.close()
    rows = []
    for name, found in (("first visit", visits), ("reload", reloads)):
        first, sharp = zip(*found, strict=True)
        rows += [
            (f"first paint, {name}", f"{np.median(first):.0f} ms", f"{min(first):.0f} … {max(first):.0f}; limit 300"),
            (f"all tiles sharp, {name}", f"{np.median(sharp):.0f} ms", f"{min(sharp):.0f} … {max(sharp):.0f}"),
        ]
    span = f"{min(turned):.0f} … {max(turned):.0f}, until all tiles are sharp"
    return [*rows, ("next slice", f"{np.median(turned):.0f} ms", span)]


def painted(page: Page) -> tuple[float, float]:
    """Wait for the slice; returns ms to its first paint, and until all tiles are sharp."""
    page.wait_for_function(READY, timeout=60_000)
    page.wait_for_timeout(1500)
    sharp = page.evaluate("() => performance.getEntriesByName('famous:sharp')[0].startTime")
    first = page.evaluate("() => globalThis.firstPaint ?? null")
    return (sharp if first is None else min(first, sharp)), sharp  # cached tiles may be faster than any first picture


TURN = """async (z) => {
  const start = performance.now();
  famous.store.goTo(z);
  await new Promise((done) => {
    const { view } = famous;
    const look = () => {
      const isThere = !view.picture.isWaiting && !view.asked && view.isFinal;
      if (isThere) done();
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
  return performance.now() - start;
}"""


def bench_pan(browser: Browser, stack: Path) -> list[tuple[str, str, str]]:
    with serving(stack) as url:
        page = browser.new_page(viewport=LAPTOP)
        set_up(page, url, ["mitochondrion"])
        rows = []
        for name, scale in (("whole slice", None), ("full size", 1.0)):
            if scale:
                page.evaluate(f"() => famous.view.zoomBy({scale} / famous.view.frame.scale)")
                page.wait_for_timeout(3000)
            rows += pan(browser, page, name)
        page.close()
    return rows


def pan(browser: Browser, page: Page, name: str) -> list[tuple[str, str, str]]:
    """Drag the slice to and fro under Chromium's trace."""
    page.mouse.move(800, 500)
    page.mouse.down(button="middle")
    browser.start_tracing(page=page, categories=TRACED)
    end, step = time.perf_counter() + PAN_SECONDS, 0
    while time.perf_counter() < end:
        step += 1
        page.mouse.move(800 + 300 * np.sin(step / 40), 500 + 200 * np.sin(step / 25))
    page.mouse.up(button="middle")
    events = json.loads(browser.stop_tracing())["traceEvents"]
    drawn = sorted(event["ts"] for event in events if event["name"] == "DrawFrame")
    gaps = np.diff(drawn) / 1000
    work = [event["dur"] / 1000 for event in events if event["name"] == "FireAnimationFrame" and "dur" in event]
    late = np.percentile(gaps, 95)
    dropped = sum(event["name"] == "DroppedFrame" for event in events)
    frames = f"{len(gaps)} frames, {dropped} dropped: median {np.median(gaps):.1f} ms, 95 % within {late:.1f}"
    cost = f"median {np.median(work):.1f} ms, 95 % within {np.percentile(work, 95):.1f} ms of 16.7"
    return [(f"panning, {name}", f"{1000 / np.mean(gaps):.0f} fps", frames), ("  the page's own work", "", cost)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", help="boxes, paint, pan; all where none is named")
    wanted = parser.parse_args().what or ["boxes", "paint", "pan"]
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        large = large_stack(Path(folder)) if {"paint", "pan"} & set(wanted) else None
        for name in wanted:
            if name == "boxes":
                rows = bench_boxes(browser, Path(folder))
            elif name == "paint" and large:
                rows = bench_paint(browser, large)
            elif name == "pan" and large:
                rows = bench_pan(browser, large)
            else:
                raise SystemExit(f"{name}: expected boxes, paint or pan")
            for title, value, more in rows:
                print(f"{title:28}{value:>12}   {more}", flush=True)
    print(f"load average {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
