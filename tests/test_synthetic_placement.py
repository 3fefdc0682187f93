"""Where organelles lie: apart, within reach of their block, the same whoever asks, as dense as was asked for."""

from dataclasses import replace

import numpy as np
import pytest

from famous.errors import InputError
from famous.synthetic.params import PhantomParams
from famous.synthetic.placement import BLOCK_NM, REACH_NM, Placement, draw_shape, mitochondrion, moved, vesicle
from famous.synthetic.room import GAP_NM, Body
from famous.synthetic.shapes import Tube
from famous.voxels import VoxelSize

PARAMS = PhantomParams(
    shape=(60, 130, 130), voxel_size=VoxelSize(30, 30, 30), seed=9, nucleus_radius_nm=700, mitochondria=0.3
)
EVERYTHING = (np.full(3, -1e9), np.full(3, 1e9))
CLASSES = ("mitochondrion", "early endosome", "late endosome", "lysosome")


@pytest.fixture(scope="module")
def placed():
    placement = Placement(PARAMS)
    return placement, placement.near(np.zeros(3), np.array(PARAMS.extent_nm))


def facts(organelles):
    return [(o.instance, o.class_name, o.shape.volume_nm3, *o.shape.centre.tolist()) for o in organelles]


@pytest.mark.parametrize("name", CLASSES)
def test_shapes_are_around_the_origin_and_within_reach(name):
    for seed in range(30):
        shape = draw_shape(name, np.random.default_rng(seed))
        body = Body.of(shape)
        assert np.abs(shape.centre).max() < 1e-6
        assert np.linalg.norm(body.points, axis=1).max() + body.radius_nm <= REACH_NM + 1e-6
        by = np.array([10.0, -20.0, 30.0])
        there = moved(shape, by)
        assert np.allclose(there.centre, by)
        assert there.volume_nm3 == pytest.approx(shape.volume_nm3)


def test_all_kinds_of_mitochondria_are_drawn():
    tubes = [mitochondrion(np.random.default_rng(seed)) for seed in range(150)]
    assert {tube.junction is not None for tube in tubes} == {True, False}
    assert {len(tube.pieces) for tube in tubes} >= {1, 2, 3}
    assert all(95 <= tube.radius_nm <= 190 for tube in tubes)
    assert all(isinstance(tube, Tube) for tube in tubes)


def test_vesicles_have_the_size_that_was_asked_for():
    radii = np.array([vesicle(np.random.default_rng(seed), 100, 200).radii for seed in range(100)])
    assert radii.min() >= 80
    assert radii.max() <= 240


def test_ids_are_unique_and_sorted(placed):
    _, organelles = placed
    ids = [organelle.instance for organelle in organelles]
    assert ids == sorted(set(ids))
    assert min(ids) >= 1
    assert {organelle.class_name for organelle in organelles} == {*CLASSES, "nucleus"}


def test_no_two_come_nearer_than_the_gap(placed):
    _, organelles = placed
    bodies = [Body.of(o.shape) for o in organelles if o.class_name != "nucleus"]
    assert len(bodies) > 40
    for i, body in enumerate(bodies):
        for other in bodies[:i]:
            if np.linalg.norm(body.middle - other.middle) < body.reach_nm + other.reach_nm + GAP_NM:
                assert body.gap_nm(other) >= GAP_NM - 1e-6


def test_no_object_meets_a_nucleus(placed):
    _, organelles = placed
    nuclei = [o.shape for o in organelles if o.class_name == "nucleus"]
    assert nuclei
    for organelle in organelles:
        if organelle.class_name != "nucleus":
            body = Body.of(organelle.shape)
            assert all((n.distance(*body.points.T) > 0).all() for n in nuclei)


def test_a_part_of_the_stack_has_the_objects_of_the_whole(placed):
    _, organelles = placed
    known = dict((fact[0], fact) for fact in facts(organelles))
    extent = np.array(PARAMS.extent_nm)
    fresh = Placement(PARAMS)
    for low in ([0, 0, 0], [900, 2000, 100], [1500, 3700, 3700], [0, 3000, 2000]):
        part = fresh.near(np.array(low, float), np.minimum(np.array(low) + 400.0, extent))
        assert all(known[fact[0]] == fact for fact in facts(part))


def test_blocks_are_the_same_in_any_order():
    forward, backward = Placement(PARAMS), Placement(PARAMS)
    blocks = [(z, y, x) for z in (0, 1) for y in (0, 1) for x in (0,)]
    one = {block: facts(forward.block(block)) for block in blocks}
    two = {block: facts(backward.block(block)) for block in reversed(blocks)}
    assert one == two
    assert any(one.values())


def test_there_are_as_many_as_was_asked_for_where_there_is_room():
    sparse = {"mitochondria": 0.0, "early_endosomes": 0.0, "late_endosomes": 0.0, "lysosomes": 0.3}
    params = replace(PARAMS, shape=(300, 300, 300), nucleus_radius_nm=0.0, **sparse)
    placement = Placement(params)
    found = [o for o in placement.near(*EVERYTHING) if ((o.shape.centre >= 0) & (o.shape.centre < 9000)).all()]
    asked = 0.3 * 9**3
    assert {o.class_name for o in found} == {"lysosome"}
    assert 0.6 * asked < len(found) < 1.15 * asked


def test_nothing_asked_for_is_nothing():
    nothing = dict.fromkeys(
        ("mitochondria", "early_endosomes", "late_endosomes", "lysosomes", "nucleus_radius_nm"), 0.0
    )
    placement = Placement(replace(PARAMS, **nothing))
    assert placement.near(*EVERYTHING) == []
    assert list(placement.nuclei(*EVERYTHING)) == []


def test_touching_partners_are_a_nanometre_apart():
    alone = {"early_endosomes": 0.0, "late_endosomes": 0.0, "lysosomes": 0.0, "nucleus_radius_nm": 0.0}
    found = Placement(replace(PARAMS, touching=1.0, mitochondria=0.3, seed=1, **alone)).block((0, 0, 0))
    bodies = [Body.of(organelle.shape) for organelle in found]
    gaps = [one.gap_nm(two) for i, one in enumerate(bodies) for two in bodies[:i]]
    touching = [gap for gap in gaps if gap < GAP_NM - 1e-6]
    assert len(touching) >= 1
    assert touching == pytest.approx([1.0] * len(touching), abs=0.1)


def test_a_stack_of_more_objects_than_ids_is_refused():
    with pytest.raises(InputError, match="32 bits"):
        Placement(PhantomParams(shape=(10**7, 10**6, 10**6)))
    assert REACH_NM < BLOCK_NM / 2
