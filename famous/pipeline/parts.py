"""Parts of a stage, finished one by one, so that a run that was killed goes on where it was."""

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from famous.io.tables import read_parquet, write_parquet

SHARES = 8


class Parts:
    """One folder of Parquet files, `000000.parquet` …, for one stage with one fingerprint.

    A part is there when it is finished. Parts of another fingerprint are thrown away when the folder is opened.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.folder = folder / fingerprint[:16]
        self.is_fresh = not self.folder.is_dir()
        if folder.is_dir():
            for other in folder.iterdir():
                if other.is_dir() and other != self.folder:
                    shutil.rmtree(other)

    def inner(self, name: str) -> "Parts":
        """Open the parts of one half of a stage, inside the stage's own folder."""
        return Parts(self.folder / name, self.folder.name)

    def begin(self) -> None:
        """Make the folder; from now on the stage counts as begun."""
        self.folder.mkdir(parents=True, exist_ok=True)

    def missing(self, count: int) -> list[int]:
        """Return the numbers of the parts 0 … count − 1 that are not finished."""
        return [number for number in range(count) if not self._path(number).exists()]

    def save(self, number: int, table: pd.DataFrame) -> None:
        """Finish a part."""
        write_parquet(self._path(number), table)

    def load(self, count: int, made: Mapping[int, pd.DataFrame] | None = None) -> list[pd.DataFrame]:
        """Return all parts in order; those that were `made` just now need not be read."""
        made = made or {}
        return [made[n] if n in made else read_parquet(self._path(n)) for n in range(count)]

    def remove(self) -> None:
        """Throw the parts away, once the stage's own output is written."""
        shutil.rmtree(self.folder.parent, ignore_errors=True)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.parquet"


def blocks(count: int, size: int) -> list[range]:
    """Cut 0 … count − 1 into ranges of at most `size`."""
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def shares(count: int, size: int) -> list[range]:
    """Cut 0 … count − 1 into ranges of at most `size`, and into `SHARES` at least, so that no core waits long."""
    return blocks(count, min(size, max(1, count // SHARES)))


def finish(
    parts: Parts,
    work: Sequence[range],
    compute: Callable[[Iterable[range]], Iterable[pd.DataFrame]],
    on_block: Callable[[range], None],
) -> list[pd.DataFrame]:
    """Compute and save the parts that are missing, and return all of them in order.

    `compute` maps blocks to tables in order and may work ahead.
    """
    todo = parts.missing(len(work))
    made = {}
    for number, table in zip(todo, compute(work[number] for number in todo), strict=True):
        parts.save(number, table)
        made[number] = table.reset_index(drop=True)  # as it would be read
        on_block(work[number])
    return parts.load(len(work), made)
