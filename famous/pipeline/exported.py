"""What exports wrote into a folder, so that a later one can take away what its run no longer has, and nothing else."""

import json
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from famous.files import write_json
from famous.io.meshes import SIDE_CAR

RECORD = ".famous-export.json"


@dataclass(frozen=True)
class Entry:
    """One file that an export wrote, as it left it; what is not known is None."""

    owner: str | None = None  # folder of the project whose export it was
    size: int | None = None  # bytes
    changed: int | None = None  # time of the last change, ns

    @classmethod
    def of(cls, path: Path, owner: str) -> "Entry":
        """Describe a file as it is now."""
        about = path.stat()
        return cls(owner, about.st_size, about.st_mtime_ns)


@dataclass(frozen=True)
class Exported:
    """The files that exports wrote into a folder; `owner` is the folder of the project that exports now."""

    folder: Path
    owner: str
    suffixes: frozenset[str]  # of the files that the export writes, others are left alone; with none there is no record

    @property
    def was_begun(self) -> bool:
        """Whether an export of this project has been stopped before it was done."""
        return any(entry.owner == self.owner and entry.size is None for entry in self._entries().values())

    def begin(self, targets: Iterable[Path]) -> None:
        """Note what is going to be written before it is: a kill leaves no file that no record knows."""
        if not self.suffixes:
            return
        self._write({**dict.fromkeys(self._names(targets), Entry(self.owner)), **self._entries()})

    def end(self, targets: Collection[Path], current: Iterable[Path], *, remove: bool) -> tuple[list[Path], list[Path]]:
        """Note what was written, and remove what earlier exports of this project wrote and its run has no longer.

        Parameters
        ----------
        targets
            What was written now.
        current
            What another layout of the same run would have written, too: it is not out of date.
        remove
            Whether files may go.

        Returns
        -------
        tuple
            Files that were removed, and those that are out of date and stay: because they may not go, were changed
            since, or are of another project.
        """
        if not self.suffixes:
            return [], []
        entries, now = self._entries(), self._names(targets)
        kept = {*now, *self._names(current)}
        known = [name for name in entries if name not in kept and PurePosixPath(name).suffix in self.suffixes]
        stale = sorted(name for name in known if (self.folder / name).is_file())
        gone = [name for name in stale if remove and entries[name] == Entry.of(self.folder / name, self.owner)]
        for name in gone:
            path = self.folder / name
            path.unlink()
            if path.parent != self.folder and not any(path.parent.iterdir()):
                path.parent.rmdir()
        left = {name: entry for name, entry in entries.items() if (self.folder / name).is_file()}
        self._write({**left, **{name: Entry.of(self.folder / name, self.owner) for name in now}})
        return [self.folder / name for name in gone], [self.folder / name for name in stale if name not in gone]

    def _names(self, paths: Iterable[Path]) -> list[str]:
        return [path.relative_to(self.folder).as_posix() for path in paths]

    def _entries(self) -> dict[str, Entry]:
        """Read the record, and the side-car of an export that left none."""
        listed = dict.fromkeys(files_of(self.folder / SIDE_CAR), Entry())
        noted = {name: _entry(value) for name, value in files_of(self.folder / RECORD).items()}
        return {**listed, **noted}

    def _write(self, entries: dict[str, Entry]) -> None:
        write_json(self.folder / RECORD, {"files": {name: asdict(entry) for name, entry in entries.items()}})


def files_of(path: Path) -> dict[str, Any]:
    """Read `files` of a side-car, names below its folder only; nothing where it is not there or is something else."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    files = content.get("files") if isinstance(content, dict) else None
    return {name: value for name, value in files.items() if _is_below(name)} if isinstance(files, dict) else {}


def _entry(value: object) -> Entry:
    if not isinstance(value, dict):
        return Entry()
    return Entry(*(value.get(name) for name in ("owner", "size", "changed")))


def _is_below(name: str) -> bool:
    path = PurePosixPath(name)
    plain = bool(path.parts) and not path.is_absolute() and "\\" not in name and "\0" not in name
    return plain and ":" not in path.parts[0] and ".." not in path.parts
