"""Scratch folders in the system's temporary folder: removed at the end, and swept by the next famous after a kill.

A folder is owned by whoever holds the lock in it, which the system takes back when a process dies, however that
happens: so nothing of a living process is swept, not even where process ids are used again or containers share /tmp.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import BaseFileLock

PREFIX = "famous-"
LOCK = ".lock"  # in a folder that one famous at a time may work in
OWNED = ".owned"  # made once the lock is held: a folder without it may be about to be locked


@contextmanager
def scratch_folder(purpose: str) -> Iterator[Path]:
    """Make a folder `famous-<purpose>-…` that only this user can read, and remove it after the block.

    But for two hidden files that say whose it is, it is empty.
    """
    folder, lock = _make(purpose)
    try:
        yield folder
    finally:
        _remove(folder, lock)


def process_folder() -> Path:
    """Return this process's scratch folder, made when first asked for and removed at the end."""
    owner = os.getpid()
    if owner not in _OF_PROCESS:  # what a fork has copied belongs to its parent
        folder, lock = _make("process")
        _OF_PROCESS[owner] = folder
        atexit.register(_remove, folder, lock, owner)
    return _OF_PROCESS[owner]


def sweep_scratch() -> int:
    """Remove the scratch folders of processes that are dead, and count them; never that of a living one."""
    left = [path for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*") if _is_ours(path)]
    return sum(_sweep(path) for path in left)


_OF_PROCESS: dict[int, Path] = {}


def _make(purpose: str) -> tuple[Path, "BaseFileLock"]:
    from filelock import FileLock

    sweep_scratch()
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{purpose}-"))
    lock = FileLock(folder / LOCK, thread_local=False)
    try:
        lock.acquire()
    except NotImplementedError:  # a file system without locks: then it is never swept
        return folder, lock
    (folder / OWNED).touch()
    return folder, lock


def _remove(folder: Path, lock: "BaseFileLock", owner: int | None = None) -> None:
    if owner not in (None, os.getpid()):
        return
    lock.release()  # Windows removes no file that is open
    shutil.rmtree(folder, ignore_errors=True)


def _is_ours(path: Path) -> bool:
    """Whether it is a scratch folder of this user, and no link to something else."""
    try:
        about = path.lstat()
        own = not hasattr(os, "getuid") or about.st_uid == os.getuid()
        return own and path.is_dir() and not path.is_symlink() and (path / OWNED).is_file()
    except OSError:
        return False


def _sweep(folder: Path) -> bool:
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK, timeout=0, thread_local=False)
    try:
        lock.acquire()
    except (Timeout, OSError, NotImplementedError):
        return False
    _remove(folder, lock)
    return not folder.exists()
