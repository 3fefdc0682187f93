"""Where one more object fits: distances of bodies, walls of cells, nuclei, and what is taken."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from famous.synthetic.room import GAP_NM, WALL_NM, Body, Room, Taken
from famous.synthetic.shapes import Ellipsoid, Segment, Tube

PLACE = st.tuples(*[st.floats(-3000, 3000)] * 3).map(np.array)


def ball(place, radius):
    return Body.of(Ellipsoid(np.array(place, float), np.full(3, float(radius)), np.eye(3)))


def pair_of_cells(*nuclei, taken=()):
    """Two cells 4,000 nm apart along x; the wall between them is the plane x = 2,000."""
    held = Taken()
    for body in taken:
        held.add(body)
    return Room(np.array([[0.0, 0, 0], [0, 0, 4000]]), list(nuclei), held)


@given(PLACE, st.floats(1, 500), PLACE, st.floats(1, 500))
def test_balls_are_apart_by_their_centres_less_their_radii(a, r, b, s):
    gap = ball(a, r).gap_nm(ball(b, s))
    assert gap == pytest.approx(np.linalg.norm(a - b) - r - s, abs=1e-6)
    assert gap == pytest.approx(ball(b, s).gap_nm(ball(a, r)), abs=1e-9)


@given(PLACE, PLACE)
def test_a_body_that_is_moved_keeps_its_size(place, by):
    tube = Tube((Segment(np.zeros(3), np.array([0.0, 0, 900])),), 80.0)
    body = Body.of(tube)
    moved = body.moved(by)
    assert np.allclose(moved.points, body.points + by)
    assert np.allclose(moved.middle, body.middle + by)
    assert (moved.radius_nm, moved.reach_nm) == (body.radius_nm, body.reach_nm)
    assert body.reach_nm == pytest.approx(450 + 80)


@settings(max_examples=30)
@given(st.lists(st.tuples(PLACE, st.floats(10, 400)), max_size=20), PLACE, st.floats(0, 300))
def test_what_is_taken_is_met_as_in_a_plain_search(bodies, place, gap):
    taken, mine = Taken(), ball(place, 100)
    for at, radius in bodies:
        taken.add(ball(at, radius))
    gaps = [ball(at, radius).gap_nm(mine) for at, radius in bodies]
    assert len(taken) == len(bodies)
    assert taken.meets(mine, gap) == any(each < gap for each in gaps)
    for i in range(len(bodies)):
        assert taken.meets(mine, gap, except_for=i) == any(each < gap for j, each in enumerate(gaps) if j != i)


def test_more_bodies_than_the_table_was_made_for():
    taken = Taken()
    for i in range(200):
        taken.add(ball((0, 0, 1000 * i), 10))
    assert len(taken) == 200
    assert all(taken.meets(ball((0, 0, 1000 * i), 10), 0) for i in (0, 63, 64, 65, 128, 199))
    assert not taken.meets(ball((0, 0, 500), 10), 0)


@pytest.mark.parametrize("radius", [50.0, 200.0])
def test_an_object_keeps_off_the_wall_of_its_cell(radius):
    edge = 2000 - WALL_NM - 1.2 * radius
    room = pair_of_cells()
    assert room.fits(ball((0, 0, edge - 1), radius))
    assert not room.fits(ball((0, 0, edge + 1), radius))
    assert not room.fits(ball((0, 0, 2000), radius))
    assert room.fits(ball((0, 0, 4000 - edge + 1), radius))  # the other cell


def test_an_object_that_reaches_into_the_next_cell_does_not_fit():
    long = Tube((Segment(np.array([0.0, 0, 0]), np.array([0.0, 0, 3000])),), 60.0)
    short = Tube((Segment(np.array([0.0, 0, -800]), np.array([0.0, 0, 800])),), 60.0)
    assert not pair_of_cells().fits(Body.of(long))
    assert pair_of_cells().fits(Body.of(short))


def test_an_object_keeps_off_the_nucleus():
    nucleus = Ellipsoid(np.zeros(3), np.full(3, 700.0), np.eye(3))
    room = pair_of_cells(nucleus)
    edge = 700 + 100 + GAP_NM
    assert room.fits(ball((0, edge + 1, 0), 100))
    assert not room.fits(ball((0, edge - 1, 0), 100))
    assert not room.fits(ball((0, 0, 0), 100))


def test_an_object_keeps_off_others_but_for_the_one_it_may_touch():
    room = pair_of_cells(taken=[ball((0, 500, 0), 100), ball((0, -500, 0), 100)])
    near = ball((0, 500 + 200 + GAP_NM - 1, 0), 100)
    assert not room.fits(near)
    assert room.fits(near, gap_nm=GAP_NM - 2)
    assert room.fits(near, except_for=0)
    assert not room.fits(near, except_for=1)
    assert room.fits(ball((0, 500 + 200 + GAP_NM + 1, 0), 100))
