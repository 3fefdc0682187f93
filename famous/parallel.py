"""Who does the work: this process, several processes, or a Dask cluster, behind the one interface of `Executor`."""

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import ParamSpec, TypeVar

from famous.errors import FamousError, InputError, MissingError
from famous.install import install_line

HANDOVER_S = 0.0005  # how long a thread that wants Python's lock waits; its usual 5 ms are many calls of numpy

Item = TypeVar("Item")
Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


class SerialExecutor(Executor):
    """Runs each call at once in this process."""

    def submit(
        self, fn: Callable[Arguments, Result], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Result]:
        """Call the function now; what it raises is raised here."""
        future: Future[Result] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@contextmanager
def open_executor(jobs: int = 1, *, scheduler: str | None = None, threads: int = 1) -> Iterator[Executor]:
    """Open an executor and shut it down at the end.

    Parameters
    ----------
    jobs
        Number of processes; 1 works in this one.
    scheduler
        Address of a running Dask scheduler (``tcp://host:8786``); it decides over `jobs`.
    threads
        Number of threads of this process, where it works alone.

    Raises
    ------
    MissingError
        If a scheduler is named and Dask is not installed.
    """
    if jobs < 1:
        raise InputError(f"--jobs: found {jobs}, expected a number of processes from 1 up")
    if scheduler is not None:
        with _dask_executor(scheduler) as executor:
            yield executor
    elif jobs == 1 and threads > 1:
        with _SHARED:
            pool = ThreadPoolExecutor(threads)
            try:
                yield pool
            finally:  # what has not begun is not waited for when one call fails or the user stops
                pool.shutdown(cancel_futures=True)
    elif jobs == 1:
        yield SerialExecutor()
    else:  # spawned, not forked: OpenMP and OpenVINO threads do not survive a fork
        try:
            with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as executor:
                yield executor
        except BrokenProcessPool as error:
            raise FamousError(
                "a process was killed while it worked, probably for lack of memory; say fewer --jobs, "
                "the same command goes on from here"
            ) from error


class _SharedCores:
    """Held while threads of ours share the cores: OpenCV starts none beside them, Python's lock changes hands sooner.

    Both are settings of the whole process: the first pool changes them, the last one that closes sets them back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pools = 0
        self._before = (0, 0.0)

    def __enter__(self) -> None:
        import cv2

        with self._lock:
            if self._pools == 0:
                self._before = cv2.getNumThreads(), sys.getswitchinterval()
                cv2.setNumThreads(1)
                sys.setswitchinterval(HANDOVER_S)
            self._pools += 1

    def __exit__(self, *_: object) -> None:
        import cv2

        with self._lock:
            self._pools -= 1
            if self._pools == 0:
                cv2.setNumThreads(self._before[0])
                sys.setswitchinterval(self._before[1])


_SHARED = _SharedCores()


@contextmanager
def _dask_executor(scheduler: str) -> Iterator[Executor]:
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingError(f"a Dask scheduler was named, but Dask is not here: {install_line('cluster')}") from error
    try:
        client = Client(scheduler, timeout=10)
    except OSError as error:
        raise InputError(f"--scheduler {scheduler}: no Dask scheduler answers there ({error})") from error
    with client:
        yield client.get_executor()


class Room:
    """Room for so much work at a time; what is larger than all of it waits until it is alone."""

    def __init__(self, size: int) -> None:
        self._size = self._free = size
        self._changed = threading.Condition()

    @contextmanager
    def take(self, share: int) -> Iterator[None]:
        """Wait until there is room for a share of it, and hold that for the block."""
        share = min(share, self._size)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= share)
            self._free -= share
        try:
            yield
        finally:
            with self._changed:
                self._free += share
                self._changed.notify_all()


def in_turn(items: Iterator[Item], lock: threading.Lock) -> Iterator[Item]:
    """Draw items under a lock that other threads share, for readers that are not made for several threads."""
    while True:
        with lock:
            try:
                item = next(items)
            except StopIteration:
                return
        yield item


def map_in_order(
    executor: Executor, function: Callable[[Item], Result], items: Iterable[Item], *, ahead: int = 4
) -> Iterator[Result]:
    """Map a function over items and yield the results in order, with at most `ahead` calls under way.

    Unlike `Executor.map` it draws items only as results are taken, so a long input needs no memory.
    """
    pending: deque[Future[Result]] = deque()
    for item in items:
        pending.append(executor.submit(function, item))
        if len(pending) >= ahead or pending[0].done():
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()
