"""Progress on the terminal: a bar with the time left for each stage, a line when it is done, silence in a pipe."""

from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class Bars:
    """A reporter that draws one bar at a time, if the console is a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description:<8}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> "Bars":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begin(self, stage: str, total: int) -> None:
        """Show a new bar."""
        self._drop()
        self._task = self._progress.add_task(stage, total=total)

    def advance(self, units: int) -> None:
        """Move the bar on."""
        if self._task is not None:
            self._progress.advance(self._task, units)

    def end(self, stage: str, note: str) -> None:
        """Replace the bar by a line with the outcome."""
        self._drop()
        if self._console.is_terminal:
            line = Text.assemble(("✓", "green"), f" {stage:<8} {note}")  # not markup: a path may hold brackets
            self._console.print(line, highlight=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """Print a note at once, in a pipe as well."""
        self._console.print(f"note: {text}", markup=False, emoji=False, highlight=False, soft_wrap=True)

    def _drop(self) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None


def as_duration(seconds: float) -> str:
    """Write a time as people do: 42 s, 3 min 5 s, 2 h 10 min."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
