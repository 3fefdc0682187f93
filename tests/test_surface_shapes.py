"""What is known of parts of one slice: distances, pose, likeness."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from famous.surface.poses import Window
from famous.surface.shapes import MOVES, SPREADS, STAYS, Shape, signed_distance

SIDE = 61


def disc(radius: float, middle: tuple[float, float] = (30.0, 30.0)) -> np.ndarray:
    y, x = np.indices((SIDE, SIDE))
    return np.hypot(y - middle[0], x - middle[1]) < radius


def bar(half: tuple[float, float], middle: tuple[float, float] = (30.0, 30.0)) -> np.ndarray:
    y, x = np.indices((SIDE, SIDE))
    return (np.abs(y - middle[0]) <= half[0]) & (np.abs(x - middle[1]) <= half[1])


def measure(image: np.ndarray, reach: float = 20.0) -> Shape:
    return Shape.of(image, Window(0, 0, *image.shape), 1.0, reach)


def test_a_disc_is_measured():
    shape = measure(disc(15.3, (30.4, 29.7)))
    assert 15.3 - 2 < shape.radius < 15.3  # the blur takes the tip off
    assert shape.area == disc(15.3, (30.4, 29.7)).sum()
    assert shape.own.centre == pytest.approx([30.4, 29.7], abs=0.1)


@pytest.mark.parametrize("radius", [4.2, 9.0, 17.6])
def test_the_edge_encloses_the_pixels_area(radius):
    shape = measure(disc(radius))
    assert np.clip(shape.distance + 0.5, 0, 1).sum() == pytest.approx(shape.area, rel=0.01)


def test_values_are_a_parabola_of_the_distance():
    shape = measure(disc(15))
    share = shape.distance / shape.radius
    values, flat = shape.values(flat=False), shape.values(flat=True)
    assert values == pytest.approx(1 - (1 - share) ** 2, abs=1e-5)
    assert values[30, 30] == pytest.approx(1)
    assert flat[30, 5] == pytest.approx(2 * share[30, 5])
    assert (flat[disc(15)] == values[disc(15)]).all()


def test_nothing_is_told_beyond_the_reach():
    assert measure(disc(5), reach=7.0).distance.min() == -7


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_what_is_inside_stays_inside(seed):
    image = np.random.default_rng(seed).random((9, 11)) < 0.4
    image[4, 5] = True
    assert np.array_equal(measure(image).distance > 0, image)


def test_all_inside_ends_at_the_image():
    shape = measure(np.ones((9, 9), bool))
    assert (shape.distance > 0).all()
    assert shape.distance[4, 4] > shape.distance[0, 4]


def test_what_stays_stays_what_moves_moves_what_grows_spreads():
    here = measure(disc(12))
    assert here.kind_to(measure(disc(12))) == STAYS
    assert here.kind_to(measure(disc(12, (36, 24)))) == MOVES
    assert here.kind_to(measure(disc(6))) == SPREADS
    assert measure(bar((4, 9))).kind_to(measure(bar((4, 15), (30, 36)))) == SPREADS


def test_likeness_is_the_intersection_over_the_union():
    one, other = measure(bar((5, 5))), measure(bar((5, 5), (30, 36)))
    assert one.likeness(other, STAYS) == pytest.approx(5 / 17)
    assert one.likeness(other, MOVES) == pytest.approx(1)
    assert one.likeness(measure(bar((2, 20))), SPREADS) > 0.9


def test_signed_distance_of_an_edge():
    mask = np.zeros((5, 8), bool)
    mask[:, :4] = True
    assert signed_distance(mask)[2].tolist() == [3.5, 2.5, 1.5, 0.5, -0.5, -1.5, -2.5, -3.5]
    assert signed_distance(np.zeros((3, 3), bool)).max() < -1000


def test_pixels_need_not_be_square():
    mask = np.zeros((21, 21), bool)
    mask[10, 10] = True
    distance = signed_distance(mask, aspect=2.0)
    assert distance[15, 10] == pytest.approx(0.5 - 10)
    assert distance[10, 15] == pytest.approx(0.5 - 5)
