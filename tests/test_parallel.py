import os
import sys
import threading
import time
from contextlib import nullcontext

import cv2
import pytest

from famous.errors import InputError, MissingError
from famous.parallel import Room, in_turn, map_in_order, open_executor


def square(number: int) -> int:
    return number * number


def slow_when_even(number: int) -> tuple[int, int]:
    time.sleep(0.02 if number % 2 == 0 else 0)
    return number, os.getpid()


def fail(number: int) -> int:
    raise ValueError(f"item {number}")


def test_one_job_works_in_this_process_and_in_order():
    with open_executor(1) as executor:
        assert list(map_in_order(executor, square, range(5))) == [0, 1, 4, 9, 16]
        assert {pid for _, pid in map_in_order(executor, slow_when_even, range(3))} == {os.getpid()}


def test_several_processes_give_the_same_in_order():
    with open_executor(2) as executor:
        results = list(map_in_order(executor, slow_when_even, range(8), ahead=4))
    assert [number for number, _ in results] == list(range(8))
    assert os.getpid() not in {pid for _, pid in results}


def test_one_process_can_work_in_threads():
    both = threading.Barrier(2)  # nobody comes past it alone

    def meet(number: int) -> tuple[int, int]:
        both.wait(60)
        return number, os.getpid()

    with open_executor(1, threads=2) as executor:
        assert list(map_in_order(executor, meet, range(6), ahead=4)) == [(number, os.getpid()) for number in range(6)]


def test_what_has_not_begun_is_dropped_when_a_thread_fails():
    begun = []

    def note(number: int) -> None:
        begun.append(number)
        if number == 0:
            raise ValueError("item 0")
        time.sleep(0.01)

    with pytest.raises(ValueError, match="item 0"), open_executor(1, threads=2) as executor:
        list(map_in_order(executor, note, range(500), ahead=500))
    assert len(begun) < 500


def test_room_is_never_taken_twice_and_large_work_is_alone():
    room, inside, seen = Room(10), [], []

    def work(share: int) -> None:
        with room.take(share):
            inside.append(share)
            seen.append(tuple(inside))
            time.sleep(0.001)
            inside.remove(share)

    with open_executor(1, threads=4) as executor:
        list(executor.map(work, [3, 4, 20, 2, 9, 10, 1, 5, 6, 30] * 5))
    assert len(seen) == 50
    assert all(sum(shares) <= 10 or len(shares) == 1 for shares in seen)


def test_room_is_free_again_after_an_error():
    room = Room(1)
    with pytest.raises(ValueError, match="no"), room.take(1):
        raise ValueError("no")
    with room.take(1):
        pass


def test_a_reader_is_asked_by_one_thread_at_a_time():
    inside = []

    def read():
        for number in range(20):
            inside.append(number)
            assert len(inside) == 1  # a second one would be in here with us
            time.sleep(0.001)
            inside.pop()
            yield number

    lock = threading.Lock()
    with open_executor(1, threads=4) as executor:
        results = list(executor.map(lambda _: list(in_turn(read(), lock)), range(4)))
    assert results == [list(range(20))] * 4


def test_items_are_drawn_only_as_results_are_taken():
    drawn = []

    def items():
        for number in range(1000):
            drawn.append(number)
            yield number

    with open_executor(1) as executor:
        results = map_in_order(executor, square, items(), ahead=4)
        next(results)
        assert len(drawn) <= 4


def test_an_error_in_the_work_reaches_the_caller():
    with open_executor(1) as executor, pytest.raises(ValueError, match="item 0"):
        list(map_in_order(executor, fail, range(2)))


def test_no_items_give_no_results():
    with open_executor(1) as executor:
        assert list(map_in_order(executor, square, [])) == []


def test_no_process_is_a_wrong_call():
    with pytest.raises(InputError, match="--jobs: found 0"), open_executor(0):
        pass


def test_a_dask_scheduler_without_dask_says_how_to_get_it():
    try:
        import distributed  # noqa: F401
    except ImportError:
        with (
            pytest.raises(MissingError, match=r"pip install .*\[cluster\]"),
            open_executor(scheduler="tcp://127.0.0.1:1"),
        ):
            pass
    else:
        pytest.skip("Dask is here")


@pytest.fixture
def three_threads():
    """OpenCV's number of threads and Python's patience, as they are to be again."""
    own = cv2.getNumThreads()
    cv2.setNumThreads(3)
    yield cv2.getNumThreads(), sys.getswitchinterval()
    cv2.setNumThreads(own)


@pytest.mark.parametrize("fails", [False, True])
def test_opencv_starts_no_threads_beside_ours_until_the_last_pool_is_closed(fails, three_threads):
    """Two threads of ours that wake OpenCV's own are four on two cores."""
    before = three_threads
    slow = []

    def ask(number: int) -> tuple[int, bool]:
        if fails:
            time.sleep(0.3 if number else 0.05)
            if number == 0:
                raise ValueError(f"item {number}")
        slow.append(cv2.getNumThreads())
        return cv2.getNumThreads(), sys.getswitchinterval() < before[1]

    with pytest.raises(ValueError, match="item 0") if fails else nullcontext(), open_executor(1, threads=2) as executor:
        assert list(map_in_order(executor, ask, range(2))) == [(1, True)] * 2
    assert set(slow) == {1}, "what still ran when another call failed had OpenCV's threads beside it"
    assert (cv2.getNumThreads(), sys.getswitchinterval()) == before


def test_pools_that_overlap_leave_the_settings_as_they_were(three_threads):
    first, second = open_executor(1, threads=2), open_executor(1, threads=2)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert cv2.getNumThreads() == 1
    second.__exit__(None, None, None)
    assert (cv2.getNumThreads(), sys.getswitchinterval()) == three_threads
