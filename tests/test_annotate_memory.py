import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from famous.annotate.memory import Gate, Held

PATIENCE_S = 20  # before a test that hangs gives up; never waited for otherwise


def test_what_was_not_asked_for_the_longest_goes_first():
    held: Held[int, str] = Held(30)
    for key in (1, 2, 3):
        held.put(key, f"slice {key}", 10)
    assert held.get(1) == "slice 1"
    held.put(4, "slice 4", 10)
    assert [key for key in (1, 2, 3, 4) if key in held] == [1, 3, 4]
    assert held.get(2) is None
    assert (len(held), held.nbytes) == (3, 30)


def test_looking_whether_it_is_there_does_not_count_as_asking():
    held: Held[int, str] = Held(20)
    held.put(1, "a", 10)
    held.put(2, "b", 10)
    assert 1 in held
    held.put(3, "c", 10)
    assert 1 not in held


def test_one_value_larger_than_the_limit_is_held_alone():
    held: Held[int, str] = Held(10)
    held.put(1, "small", 5)
    held.put(2, "huge", 1000)
    assert held.get(2) == "huge"
    assert (len(held), held.nbytes) == (1, 1000)
    held.put(3, "small", 5)
    assert 2 not in held
    assert held.nbytes == 5


def test_a_value_put_twice_counts_once():
    held: Held[int, str] = Held(100)
    held.put(1, "old", 60)
    held.put(1, "new", 30)
    assert (held.get(1), held.nbytes) == ("new", 30)
    held.clear()
    assert (len(held), held.nbytes, held.get(1)) == (0, 0, None)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 40))), st.integers(0, 100))
def test_the_limit_is_kept_whatever_comes(puts, limit):
    held: Held[int, int] = Held(limit)
    sizes = {}
    for key, nbytes in puts:
        held.put(key, nbytes, nbytes)
        sizes[key] = nbytes
        assert key in held
        assert held.nbytes == sum(size for k, size in sizes.items() if k in held)
        assert held.nbytes <= limit or len(held) == 1


class Visitors:
    """Threads that go through a gate one after another's wish; `order` is who was let in."""

    def __init__(self, gate):
        self.gate = gate
        self.order = []
        self.threads = []

    def send(self, name, background=None):
        """Start a thread, and come back when it waits at the gate."""
        waiting = len(self.gate._waiting)

        def visit():
            with self.gate.enter(background):
                self.order.append(name)

        thread = threading.Thread(target=visit)
        thread.start()
        self.threads.append(thread)
        with self.gate._changed:
            assert self.gate._changed.wait_for(lambda: len(self.gate._waiting) == waiting + 1, 0) or self._came(waiting)

    def _came(self, waiting):
        for _ in range(2000):
            self.gate._changed.wait(0.01)
            if len(self.gate._waiting) > waiting:
                return True
        return False

    def wait(self):
        for thread in self.threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


def test_the_newest_request_goes_first_and_background_last():
    """One place is taken; five wait: three slices that were scrolled past, a neighbour and a slice for the cuts."""
    gate = Gate(1)
    visitors = Visitors(gate)
    with gate.enter():
        visitors.send("cuts", background=-1)
        visitors.send("slice 1")
        visitors.send("slice 2")
        visitors.send("neighbour", background=0)
        visitors.send("slice 3")
        assert visitors.order == []
    visitors.wait()
    assert visitors.order == ["slice 3", "slice 2", "slice 1", "neighbour", "cuts"]


def test_background_waits_until_nobody_is_inside():
    gate = Gate(2)
    visitors = Visitors(gate)
    with gate.enter():
        visitors.send("neighbour", background=0)
        with gate.enter():
            assert visitors.order == []
        assert visitors.order == []
    visitors.wait()
    assert visitors.order == ["neighbour"]


def test_a_fault_inside_gives_the_place_back():
    gate = Gate(1)
    for _ in range(3):
        with pytest.raises(ValueError, match="damaged"), gate.enter():
            raise ValueError("damaged")
    with gate.enter(background=-1):
        pass


def test_never_more_inside_than_places():
    gate = Gate(3)
    inside, most, lock = [], [], threading.Lock()

    def visit():
        for _ in range(50):
            with gate.enter():
                with lock:
                    inside.append(1)
                    most.append(len(inside))
                with lock:
                    inside.pop()

    threads = [threading.Thread(target=visit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert len(most) == 400
    assert max(most) <= 3
