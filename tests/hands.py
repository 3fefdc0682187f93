"""A user at the labelling page, with mouse and keys, and the real command that serves it."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

MITO = "mitochondrion"
PATIENCE_S = 60  # for what a loaded machine may take; nothing waits so long otherwise


class Hands:
    """A user at the page: places are (x, y) in pixels of the slice."""

    def __init__(self, page: Any, origin: str) -> None:
        self.page, self.origin = page, origin
        self.ask, self.mouse, self.press = page.evaluate, page.mouse, page.keyboard.press

    def until(self, script: str, expected: Any = True, seconds: float = PATIENCE_S) -> Any:
        """Wait until a script has a value."""
        end = time.monotonic() + seconds
        while (found := self.ask(f"() => {script}")) != expected:
            assert time.monotonic() < end, f"{script} is {found}, expected {expected}"
            self.page.wait_for_timeout(20)
        return found

    def at(self, x: float, y: float) -> list[float]:
        """Where a place of the slice lies in the window."""
        script = """([x, y]) => {
          const { left, top } = famous.view.canvas.getBoundingClientRect();
          const [px, py] = famous.view.toScreen(x, y);
          return [px + left, py + top];
        }"""
        return self.ask(script, [x, y])

    def drag(self, start: tuple[float, float], end: tuple[float, float], key: str = "", button: str = "left") -> None:
        places = [self.at(*start), self.at((start[0] + end[0]) / 2, (start[1] + end[1]) / 2), self.at(*end)]
        if key:
            self.page.keyboard.down(key)
        self.mouse.move(*places[0])
        self.mouse.down(button=button)
        for place in places[1:]:
            self.mouse.move(*place)
        self.mouse.up(button=button)
        if key:
            self.page.keyboard.up(key)

    def click(self, x: float, y: float, key: str = "") -> None:
        if key:
            self.page.keyboard.down(key)
        self.mouse.click(*self.at(x, y))
        if key:
            self.page.keyboard.up(key)

    def boxes(self, z: int | None = None) -> list[list[Any]]:
        """Boxes of a slice as [y0, x0, y1, x1, class]."""
        script = "(z) => famous.store.boxesOn(z ?? famous.store.z).map((b) => [b.y0, b.x0, b.y1, b.x1, b.class])"
        return self.ask(script, z)

    def add(self, *corners: tuple[int, int, int, int], z: int = 2, name: str = MITO) -> list[str]:
        """Boxes (y0, x0, y1, x1), made without hands."""
        fields = [dict(zip(("z", "y0", "x0", "y1", "x1", "class"), (z, *box, name), strict=True)) for box in corners]
        return self.ask("(boxes) => famous.store.addBoxes('make', boxes)", fields)

    @property
    def selected(self) -> int:
        return self.ask("() => famous.store.selection.size")

    @property
    def z(self) -> int:
        return self.ask("() => famous.store.z")

    @property
    def said(self) -> str:
        return self.ask("() => famous.said.at(-1) ?? ''")

    def pixel(self, x: float, y: float) -> int:
        """What is painted at a place of the slice, 0 … 255."""
        script = """([x, y]) => {
          const { view } = famous;
          const [px, py] = view.toScreen(x, y).map((value) => Math.floor(value * view.ratio));
          return [...view.context.getImageData(px, py, 1, 1).data][0];
        }"""
        return self.ask(script, [x, y])


class Command:
    """`famous annotate` on a stack, in a process of its own."""

    def __init__(self, stack: Path, *options: str) -> None:
        self.stack, self.options = stack, options
        self.process: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self) -> str:
        """Start, or start again, and wait for the address."""
        command = [sys.executable, "-m", "famous", "annotate", str(self.stack), "--json", "--no-browser"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen([*command, *self.options], **pipes)
        said = ""
        while not said.rstrip().endswith("}"):
            line = self.process.stdout.readline()
            assert line, self.process.stderr.read()
            said += line
        self.url = json.loads(said)["url"]
        return self.url

    def end(self, number: int = signal.SIGINT) -> str:
        """End with a signal; returns what it said on stderr."""
        process, self.process = self.process, None
        process.send_signal(number)
        return process.communicate(timeout=PATIENCE_S)[1]

    def __enter__(self) -> "Command":
        self.start()
        return self

    def __exit__(self, *fault: object) -> None:
        if self.process is not None:
            self.end(signal.SIGKILL)
