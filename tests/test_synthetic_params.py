"""What a phantom may be made of: wrong values are named, and sizes follow from the field."""

import dataclasses
import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from famous.errors import InputError
from famous.synthetic.params import CLASS_NAMES, SAMPLE, PhantomParams
from famous.voxels import VoxelSize

NUMBERS = [knob.name for knob in dataclasses.fields(PhantomParams) if knob.name not in ("shape", "voxel_size", "seed")]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [-1, -0.001, math.nan, math.inf, -math.inf])
def test_numbers_below_0_or_without_end_are_named(name, value):
    with pytest.raises(InputError, match=rf"phantom: {name}: found {value}, expected a finite number"):
        PhantomParams(**{name: value})


@pytest.mark.parametrize("name", ["touching", "missing", "contrast_jumps"])
def test_fractions_end_at_1(name):
    assert getattr(PhantomParams(**{name: 1.0}), name) == 1
    with pytest.raises(InputError, match=rf"phantom: {name}: found 1.01, expected a fraction in 0 … 1"):
        PhantomParams(**{name: 1.01})


@pytest.mark.parametrize(
    "shape", [(), (4, 4), (1, 2, 3, 4), (0, 4, 4), (4, -1, 4), (4, 4, 2.5), (4, math.nan, 4), (math.inf, 4, 4)]
)
def test_shapes_that_are_no_stack_are_named(shape):
    with pytest.raises(InputError, match=r"phantom: found shape .*, expected three whole numbers"):
        PhantomParams(shape=shape)


@pytest.mark.parametrize("seed", [-1, 0.5, True, False, math.nan, math.inf])
def test_seeds_that_are_no_whole_number_are_named(seed):
    with pytest.raises(InputError, match="phantom: seed: found"):
        PhantomParams(seed=seed)


@pytest.mark.parametrize(("name", "value"), [("subslices", 0), ("subslices", 1.5), ("gamma", 0)])
def test_a_slice_is_one_image_at_least(name, value):
    with pytest.raises(InputError, match="phantom: subslices"):
        PhantomParams(**{name: value})


@pytest.mark.parametrize("value", [0, 1, 10**9, 2**60])
def test_edges_that_are_allowed(value):
    assert PhantomParams(seed=value).seed == value
    assert PhantomParams(shape=(1, 1, 1)).extent_nm == (8, 8, 8)


@given(st.tuples(*[st.integers(1, 5000)] * 3), st.tuples(*[st.floats(0.5, 500)] * 3))
def test_the_extent_is_voxels_times_size(shape, size):
    extent = PhantomParams(shape=shape, voxel_size=VoxelSize(*size)).extent_nm
    assert extent == tuple(n * side for n, side in zip(shape, size, strict=True))


@pytest.mark.parametrize(
    ("shape", "given_nm", "radius"),
    [
        ((10, 10, 10), None, 1100.0),
        ((10, 750, 500), None, 0.28 * 6000),
        ((9999, 500, 750), None, 0.28 * 6000),
        ((10, 5000, 5000), None, 3500.0),
        ((10, 5000, 5000), 0.0, 0.0),
        ((10, 10, 10), 123.0, 123.0),
    ],
)
def test_nuclei_are_sized_by_the_field_unless_told(shape, given_nm, radius):
    params = PhantomParams(shape=shape, voxel_size=VoxelSize(8, 8, 8), nucleus_radius_nm=given_nm)
    assert params.nucleus_nm == pytest.approx(radius)


def test_params_are_values():
    assert PhantomParams(seed=3) == PhantomParams(seed=3) != PhantomParams(seed=4)
    assert pickle.loads(pickle.dumps(SAMPLE)) == SAMPLE
    with pytest.raises(dataclasses.FrozenInstanceError):
        SAMPLE.seed = 1
    with pytest.raises(InputError, match="gamma"):
        dataclasses.replace(SAMPLE, gamma=-1)
    assert len(set(CLASS_NAMES)) == 5
