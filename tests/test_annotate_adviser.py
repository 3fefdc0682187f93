"""The thread that looks round: what it looks at, when it stops, and that it never keeps anybody waiting."""

import threading

import numpy as np
import pytest

from famous.annotate.adviser import Adviser, AdviserParams, Eyes
from famous.boxes import empty, from_columns
from famous.errors import InputError

SHAPE = (40, 60, 60)
DOUBTFUL = 24  # slice whose boxes are not there when it is turned


class World:
    """A stack with one sure box in every slice but one, a model that may change, a clock that it moves."""

    def __init__(self):
        self.version, self.now, self.asked, self.broken = "one", 0.0, [], set()

    def image(self, z):
        if z in self.broken:
            raise InputError(f"slice {z} cannot be read")
        return np.full(SHAPE[1:], z, np.uint8)

    def found(self, z, turned):
        self.asked.append((z, turned))
        self.now += 1
        if turned and z == DOUBTFUL:
            return empty()
        corners = (40, 30, 50, 50) if turned else (10, 10, 20, 30)
        columns = dict(zip(("y0", "x0", "y1", "x1"), ([value] for value in corners), strict=True))
        return from_columns({"z": [z], **columns, "class_name": ["mito"], "score": [0.9]})

    def adviser(self, **params):
        eyes = Eyes(SHAPE, self.image, self.found, lambda: self.version)
        return Adviser(eyes, AdviserParams(**params), clock=lambda: self.now)


@pytest.fixture
def world():
    return World()


@pytest.fixture
def still(monkeypatch):
    """Advisers without a thread: the tests take their looks."""
    monkeypatch.setattr(Adviser, "wake", lambda self: None)


@pytest.mark.usefixtures("still")
def test_it_finds_the_slice_in_doubt_without_asking_about_all(world):
    adviser = world.adviser(sample=5, most=12)
    while adviser.look_on():
        pass
    looks = adviser.looks()
    asked = {z: look.disagreement for z, look in looks.items() if look.disagreement is not None}
    assert len(asked) == 12
    assert max(asked, key=asked.get) == DOUBTFUL
    advice = adviser.advise([0, 39], [])
    assert advice.z == DOUBTFUL
    assert "less sure" in advice.reason


@pytest.mark.usefixtures("still")
def test_neighbours_are_asked_inside_the_stack_only(world):
    adviser = world.adviser(sample=1)
    assert adviser.look_on()
    assert set(world.asked) == {(0, True), (0, False), (1, False)}


@pytest.mark.usefixtures("still")
def test_a_turned_view_that_agrees_is_no_disagreement(world):
    adviser = world.adviser(sample=16)
    while adviser.look_on():
        pass
    assert adviser.looks()[20].disagreement < 0.3 < adviser.looks()[DOUBTFUL].disagreement


@pytest.mark.usefixtures("still")
def test_the_budget_of_seconds_ends_it_and_a_new_model_renews_it(world):
    adviser = world.adviser(seconds=10)  # an inner slice takes 4 s of this clock, the first one 3
    taken = 0
    while adviser.look_on():
        taken += 1
    assert taken == 3
    world.version = "two"
    assert adviser.look_on()
    assert sum(look.disagreement is not None for look in adviser.looks().values()) == 1
    assert len(adviser.looks()) == 3  # how a slice looks does not depend on the model


@pytest.mark.usefixtures("still")
def test_without_a_model_only_a_sample_is_looked_at(world):
    world.version = None
    adviser = world.adviser(sample=6)
    while adviser.look_on():
        pass
    assert len(adviser.looks()) == 6
    assert not world.asked
    assert adviser.advise([0], []) is not None


@pytest.mark.usefixtures("still")
def test_slices_that_are_done_are_seen_first_but_not_asked_about(world):
    adviser = world.adviser(sample=2)
    adviser.advise([17, 99], [])
    assert adviser.look_on()
    assert list(adviser.looks()) == [17]
    assert not world.asked


@pytest.mark.usefixtures("still")
def test_a_slice_that_cannot_be_read_is_passed_over(world):
    world.broken = {0}
    adviser = world.adviser(sample=3)
    with pytest.raises(InputError):
        adviser.look_on()
    while adviser.look_on():
        pass
    assert 0 not in adviser.looks()
    assert len(adviser.looks()) >= 2


@pytest.mark.usefixtures("still")
def test_forgetting_begins_again(world):
    adviser = world.adviser(sample=2)
    adviser.look_on()
    adviser.forget()
    assert not adviser.looks()
    assert adviser.look_on()


def test_the_thread_looks_on_by_itself_and_answers_meanwhile(world):
    begun, go_on, seen = threading.Event(), threading.Event(), threading.Event()
    plain = world.found

    def slow(z, turned):
        begun.set()
        assert go_on.wait(60)
        seen.set()
        return plain(z, turned)

    world.found = slow
    adviser = world.adviser(sample=2, most=2)
    assert adviser.advise([3], []).z == 39  # at once, from the distance alone
    assert begun.wait(60)
    assert adviser.advise([3], []) is not None  # though it is in the middle of a look
    go_on.set()
    assert seen.wait(60)
    adviser.close()
    assert not adviser._thread.is_alive()
    adviser.wake()  # after the end: nothing


def test_the_end_waits_for_the_detection_in_work_and_for_no_other(world):
    begun, go_on, asked = threading.Event(), threading.Event(), []
    plain = world.found

    def slow(z, turned):
        asked.append((z, turned))
        begun.set()
        assert go_on.wait(60)
        return plain(z, turned)

    world.found = slow
    adviser = world.adviser(sample=2, most=2)
    adviser.wake()
    assert begun.wait(60)
    ending = threading.Thread(target=adviser.close)
    ending.start()
    assert adviser._ended.wait(60)
    assert ending.is_alive()  # a library's code must not be at work when the interpreter ends
    go_on.set()
    ending.join(60)
    assert not ending.is_alive()
    assert not adviser._thread.is_alive()
    assert len(asked) == 1


def test_after_the_end_no_thread_is_started(world):
    adviser = world.adviser()
    adviser.close()
    assert adviser.advise([3], []).z == 39
    assert adviser._thread is None


def test_a_problem_is_kept_and_the_thread_lives_on(world):
    world.broken = set(range(40))
    tried = threading.Event()
    plain = world.image

    def image(z):
        try:
            return plain(z)
        finally:
            tried.set()

    world.image = image
    adviser = world.adviser(sample=2)
    for _ in range(2):
        tried.clear()
        adviser.wake()
        assert tried.wait(60)
    adviser.close()
    assert "cannot be read" in adviser.problem


def test_nothing_is_started_before_it_is_asked(world):
    adviser = world.adviser()
    assert adviser._thread is None
    adviser.close()
