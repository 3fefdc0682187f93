import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from famous.errors import InputError
from famous.extract.ellipse import EllipseExtractor, EllipseParams, ellipse
from famous.voxels import VoxelSize


@given(height=st.integers(1, 60), width=st.integers(1, 60))
def test_it_touches_all_sides_and_is_symmetric(height, width):
    mask = ellipse(height, width)
    assert mask.shape == (height, width)
    assert mask.any()
    if abs(np.log(height / width)) < 1 and min(height, width) > 1:
        assert mask[0].any()
        assert mask[-1].any()
        assert mask[:, 0].any()
        assert mask[:, -1].any()
    assert np.array_equal(mask, mask[::-1])
    assert np.array_equal(mask, mask[:, ::-1])
    assert np.array_equal(mask, ellipse(width, height).T)


def test_its_area_is_pi_over_four_of_the_box():
    assert ellipse(400, 300).mean() == pytest.approx(np.pi / 4, rel=2e-3)


def test_the_scale_shrinks_both_axes():
    assert ellipse(400, 300, scale=0.5).mean() == pytest.approx(np.pi / 16, rel=5e-3)
    assert ellipse(400, 300, scale=2).all()


@given(height=st.integers(1, 9), width=st.integers(1, 9), scale=st.floats(1e-6, 2))
def test_it_is_never_empty(height, width, scale):
    mask = ellipse(height, width, scale=scale)
    assert mask.any()
    assert mask[height // 2, width // 2]


@pytest.mark.parametrize("scale", [0, -1, 2.1, float("nan")])
def test_a_wrong_scale_is_named(scale):
    with pytest.raises(InputError, match="scale"):
        EllipseParams(scale=scale)


def test_the_extractor_gives_one_mask_a_box_and_ignores_the_image():
    corners = np.array([[0, 0, 5, 9], [2, 3, 3, 4]], dtype=np.int32)
    slab = np.zeros((10, 10, 3), dtype=np.uint8)
    masks = EllipseExtractor()(slab, corners, VoxelSize(5, 5, 5))
    assert [mask.shape for mask in masks] == [(5, 9), (1, 1)]
    assert np.array_equal(masks[0], ellipse(5, 9))
    assert EllipseExtractor()(slab, corners[:0], VoxelSize(5, 5, 5)) == []
