"""The choice per object: convex and ragged is wrapped, everything else follows its voxels; and the rule pays."""

import math

import numpy as np
import pytest

from famous.errors import ConfigError, InputError
from famous.masks import PackedMask
from famous.surface import auto, isosurface, shrinkwrap
from famous.surface.auto import AutoParams, Choice, decide, raggedness, surface
from famous.surface.shrinkwrap import ShrinkwrapParams
from tests.solids import FIB, SBEM, SERIAL, ball, ellipsoid, shake, torus, tube, voxelize

CONVEX = [ball(120), ellipsoid((90, 130, 180))]


def shaken(solid, voxel_size, error="shift", px=1.0, seed=0):
    """The mask of a solid, with an error in every slice's outline, and where its middle lies in nm."""
    voxels = voxelize(solid, voxel_size, seed)
    return shake(np.pad(voxels.mask, 8), error, px, seed), voxels.centre + 8 * np.array(voxel_size.zyx)


@pytest.mark.parametrize("voxel_size", [FIB, SBEM], ids=str)
@pytest.mark.parametrize("solid", [ball(), ball(300), ellipsoid(), tube(), torus()])
def test_smooth_outlines_are_not_ragged(solid, voxel_size):
    assert 0.1 < raggedness(voxelize(solid, voxel_size).mask) < 0.5


@pytest.mark.parametrize("voxel_size", [FIB, SBEM], ids=str)
def test_raggedness_grows_with_the_error(voxel_size):
    found = [raggedness(shaken(ellipsoid(), voxel_size, "shift", px)[0]) for px in (0, 1, 2, 4)]
    assert found == sorted(found)
    assert found[1] > 0.7
    assert raggedness(shaken(ellipsoid(), voxel_size, "ragged", 1)[0]) > 0.6
    assert raggedness(shaken(ellipsoid(), voxel_size, "size", 2)[0]) > 0.6


def test_raggedness_of_closed_forms():
    """A straight bar has none; every second slice a pixel larger all round differs by the cubic's weights."""
    bar = np.zeros((12, 20, 20), bool)
    bar[:, 5:15, 5:15] = True
    assert raggedness(bar) == 0
    comb = bar.copy()
    comb[::2, 4:16, 4:16] = True
    assert raggedness(comb) == pytest.approx(1, abs=0.25)


def test_raggedness_needs_five_slices_in_a_row():
    bar = np.ones((4, 9, 9), bool)
    assert math.isnan(raggedness(bar))
    assert math.isnan(raggedness(np.concatenate([bar, np.zeros((1, 9, 9), bool), bar])))
    assert math.isnan(raggedness(np.zeros((0, 9, 9), bool)))
    assert raggedness(np.ones((5, 9, 9), bool)) == 0


@pytest.mark.parametrize("solid", CONVEX)
@pytest.mark.parametrize("voxel_size", [FIB, SBEM], ids=str)
@pytest.mark.parametrize(("error", "px"), [("shift", 1.0), ("ragged", 1.5)])
def test_the_rule_pays(solid, voxel_size, error, px):
    """What is wrapped lies nearer to the true surface than the isosurface; with 8 thick slices it may be a tie."""
    mask, centre = shaken(solid, voxel_size, error, px)
    choice, wrapped = decide(mask, voxel_size=voxel_size)
    assert choice.method == "shrinkwrap"
    plain = isosurface.surface(mask, voxel_size=voxel_size)
    off = [np.abs(solid.distance(mesh.vertices - centre)).mean() for mesh in (wrapped, plain)]
    assert off[0] < (0.95 if voxel_size == FIB else 1.05) * off[1]


@pytest.mark.parametrize("solid", CONVEX)
def test_smooth_objects_get_the_isosurface(solid):
    mask = voxelize(solid, FIB).mask
    choice, mesh = decide(mask, voxel_size=FIB)
    assert choice.method == "isosurface"
    assert mesh is None
    assert math.isnan(choice.solidity)
    assert np.array_equal(surface(mask, voxel_size=FIB).vertices, isosurface.surface(mask, voxel_size=FIB).vertices)


@pytest.mark.parametrize("solid", [torus()])
def test_ragged_objects_that_are_not_convex_get_the_isosurface(solid):
    mask, _ = shaken(solid, FIB)
    choice, _ = decide(mask, voxel_size=FIB)
    assert choice.raggedness_px > 0.8
    assert choice.solidity < 0.9
    assert choice.method == "isosurface"


def test_slices_too_far_apart_get_the_isosurface():
    mask, _ = shaken(ball(), SERIAL, "shift", 3)
    choice, _ = decide(mask, voxel_size=SERIAL)
    assert choice.method == "isosurface"
    assert math.isnan(choice.raggedness_px)
    assert decide(mask, voxel_size=SERIAL, params=AutoParams(coarsest_z=20))[0].raggedness_px > 1


def test_large_objects_get_the_isosurface():
    mask, _ = shaken(ball(110), FIB)
    assert decide(mask, voxel_size=FIB, params=AutoParams(maximum_voxels=1000))[0].method == "isosurface"


@pytest.mark.parametrize(
    "knobs", [{"ragged_px": 9.0}, {"minimum_solidity": 1.0}, {"volume_off": 0.0}, {"coarsest_z": 0.0}]
)
def test_every_threshold_decides(knobs):
    mask, _ = shaken(ball(110), FIB)
    assert decide(mask, voxel_size=FIB)[0].method == "shrinkwrap"
    assert decide(mask, voxel_size=FIB, params=AutoParams(**knobs))[0].method == "isosurface"


def test_the_surface_is_that_of_the_choice_at_its_offset():
    mask, _ = shaken(ball(110), FIB)
    wrapped = surface(mask, voxel_size=FIB, offset=(1, 2, 3))
    expected = shrinkwrap.surface(mask, voxel_size=FIB, params=ShrinkwrapParams(patch=0.05), offset=(1, 2, 3))
    assert wrapped.vertices == pytest.approx(expected.vertices, abs=1e-3)
    assert wrapped.is_watertight
    wide = surface(mask, voxel_size=FIB, wrap=ShrinkwrapParams(patch=0.2))
    assert not np.array_equal(wide.vertices, surface(mask, voxel_size=FIB).vertices)


def test_a_packed_mask_is_as_good_as_an_array():
    mask, _ = shaken(ball(110), FIB)
    packed = PackedMask(mask.shape)
    for z, image in enumerate(mask):
        packed.put(z, image)
    assert np.array_equal(surface(packed, voxel_size=FIB).vertices, surface(mask, voxel_size=FIB).vertices)


def test_empty_is_a_value():
    for shape in ((0, 0, 0), (7, 4, 5)):
        empty = np.zeros(shape, bool)
        assert surface(empty, voxel_size=FIB).is_empty
        assert decide(empty, voxel_size=FIB)[0].method == "isosurface"


def test_wrong_shapes_and_knobs_are_named():
    with pytest.raises(InputError, match=r"shape \(3, 3\)"):
        surface(np.zeros((3, 3), bool), voxel_size=FIB)
    for knobs in ({"ragged_px": -1}, {"minimum_solidity": 1.1}, {"patch": 0.6}, {"coarsest_z": math.nan}):
        with pytest.raises(ConfigError, match="auto"):
            AutoParams(**knobs)
    with pytest.raises(ConfigError, match="maximum_voxels"):
        AutoParams(maximum_voxels=0)


def test_choices_are_plain():
    assert Choice("isosurface", 0.3, 0.9, 0.0).method in auto.Method.__args__
