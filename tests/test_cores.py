import os

from famous import cores
from famous.cores import MAX_THREADS, threads, usable_cores, usable_threads


def test_there_is_a_core_and_no_more_than_the_machine_has():
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)


def test_a_process_kept_to_one_core_has_one(monkeypatch):
    monkeypatch.setattr(cores.os, "sched_getaffinity", lambda process: {3}, raising=False)
    assert usable_cores() == 1


def test_a_system_without_affinity_counts_the_machines(monkeypatch):
    monkeypatch.delattr(cores.os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(cores.os, "cpu_count", lambda: None)
    assert usable_cores() == 1


def test_threads_follow_the_variable(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads() == 3
    for nothing in ("none", "0", "-2", ""):
        monkeypatch.setenv("OMP_NUM_THREADS", nothing)
        assert threads() == usable_cores()


def test_at_least_one_thread_and_not_too_many(monkeypatch):
    assert 1 <= usable_threads() <= MAX_THREADS
    monkeypatch.setattr(cores.os, "sched_getaffinity", lambda process: set(range(64)), raising=False)
    assert usable_threads() == MAX_THREADS
