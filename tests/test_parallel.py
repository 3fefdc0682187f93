import os
import time

import pytest

from famous.errors import InputError, MissingError
from famous.parallel import map_in_order, open_executor


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
        with pytest.raises(MissingError, match=r"famous\[cluster\]"), open_executor(scheduler="tcp://127.0.0.1:1"):
            pass
    else:
        pytest.skip("Dask is here")
