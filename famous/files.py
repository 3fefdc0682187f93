"""Files that appear under their name whole or not at all: written beside, then renamed."""

import contextlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from famous.errors import InputError

#: Suffix of a file that is being written; whatever carries it after a kill may be removed.
PARTIAL_SUFFIX = ".partial"
#: Name of such a file or folder; its first group is what it was to be called.
PARTIAL_NAME = re.compile(rf"\.(.+)\.[0-9a-f]{{32}}{re.escape(PARTIAL_SUFFIX)}(\.[^.]*)?")
#: Letters of the name that a temporary name keeps: with the rest it stays below the 255 bytes that file systems take.
LONGEST = 40


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; rename it to `path` on success, remove it on failure.

    The temporary name ends in the suffix of `path`, since some libraries choose the format by it. What was written is
    flushed to the disk before the rename, so neither a kill nor a power cut leaves half a file under `path`.
    The folder is made where it is missing.

    Raises
    ------
    InputError
        If the folder or the file cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name[:LONGEST]}.{uuid.uuid4().hex}{PARTIAL_SUFFIX}{path.suffix}")
    with _naming_unwritable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _naming_unwritable(path):
            yield temporary
            with temporary.open("rb+") as written:  # Windows flushes only what it may write
                os.fsync(written.fileno())
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sweep_partials(folder: str | Path) -> int:
    """Remove what killed writers left anywhere below the folder, and count it. No writer may be at work there."""
    left = [path for path in Path(folder).rglob(f"*{PARTIAL_SUFFIX}*") if path.is_file() and _is_partial(path)]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def sweep_partials_of(targets: Iterable[Path]) -> int:
    """Remove what killed writers of these files or folders left beside them, and nothing else; count it."""
    names: dict[Path, set[str]] = {}
    for target in targets:
        names.setdefault(target.parent, set()).add(target.name[:LONGEST])
    count = 0
    for folder, known in names.items():
        for path in folder.glob(f".*{PARTIAL_SUFFIX}*"):
            match = PARTIAL_NAME.fullmatch(path.name)
            if match is None or match[1] not in known:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
            count += 1
    return count


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write bytes atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | Path, text: str) -> None:
    r"""Write UTF-8 text atomically, with `\n` as line end on every system."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str | Path, content: object) -> None:
    """Write JSON atomically: keys in the given order, two spaces of indent; NaN and infinity are refused."""
    try:
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as fault:
        raise InputError(f"{path}: the content cannot be written as JSON: {fault}") from fault
    write_text(path, text + "\n")


def _is_partial(path: Path) -> bool:
    return path.name.endswith(PARTIAL_SUFFIX) or f"{PARTIAL_SUFFIX}{path.suffix}" == "".join(path.suffixes[-2:])


@contextlib.contextmanager
def _naming_unwritable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        raise InputError(
            f"{path}: it cannot be written ({fault.strerror or fault}); is the disk full or the folder read-only?"
        ) from fault
