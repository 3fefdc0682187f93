"""How many cores there are for this process."""

import os

MAX_THREADS = 4  # of a stage; more of them wait for Python's lock more than they work


def usable_cores() -> int:
    """Count the cores that this process may use, which a cluster or a container may keep below the machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads() -> int:
    """Threads that one network may use: OMP_NUM_THREADS, else the cores of this process."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdigit() and int(given) > 0 else usable_cores()


def usable_threads() -> int:
    """How many threads of this process can work at a time: its cores, `MAX_THREADS` at most."""
    return min(usable_cores(), MAX_THREADS)
