"""The named label volumes have the topology and the volume that their drawings show."""

import numpy as np
import pytest
from scipy import ndimage

from famous.synthetic import ball, bridge, crossing_tubes, gap, rejoining_split, touching_pair
from famous.voxels import VoxelSize

SIZE = VoxelSize(20.0, 10.0, 10.0)
SHAPE = (40, 90, 60)
FULL = np.ones((3, 3, 3))


def components(mask):
    return int(ndimage.label(mask, np.ones((3,) * mask.ndim))[1])


def per_slice(labels):
    return [components(image > 0) for image in labels]


def euler_of_a_body(mask):
    """Euler characteristic of the solid of closed voxels: vertices − edges + faces − voxels."""
    padded = np.pad(mask, 1)

    def cells(axes):
        total = padded
        for axis in axes:
            total = total | np.roll(total, 1, axis)
        return int(total.sum())

    return (
        cells((0, 1, 2))
        - cells((0, 1))
        - cells((0, 2))
        - cells((1, 2))
        + cells((0,))
        + cells((1,))
        + cells((2,))
        - int(mask.sum())
    )


def test_a_ball_has_its_volume():
    labels = ball((40, 80, 80), SIZE, (400.0, 400.0, 400.0), 300.0)
    assert labels.dtype == np.uint32
    assert labels.sum() * SIZE.volume_nm3 == pytest.approx(4 / 3 * np.pi * 300**3, rel=4e-3)
    np.testing.assert_allclose(ndimage.center_of_mass(labels), [19.5, 39.5, 39.5], atol=1e-6)
    assert euler_of_a_body(labels > 0) == 1


def test_a_ball_outside_is_empty():
    assert not ball((4, 4, 4), SIZE, (9e3, 9e3, 9e3), 50.0).any()


def test_crossing_tubes_pass_without_contact():
    labels = crossing_tubes(SHAPE, SIZE, radius_nm=80.0, clearance_nm=40.0)
    assert set(np.unique(labels)) == {0, 1, 2}
    assert components(labels > 0) == 2
    first, second = (np.array([ndimage.center_of_mass(image == i)[0] for image in labels[10:30]]) for i in (1, 2))
    assert (np.diff(first) > 0).all()
    assert (np.diff(second) < 0).all()
    assert first[0] < second[0]
    assert first[-1] > second[-1]


@pytest.mark.parametrize("slices", [1, 3])
def test_a_gap_has_empty_slices_in_the_middle(slices):
    labels = gap(SHAPE, SIZE, radius_nm=100.0, slices=slices)
    counts = np.array(per_slice(labels))
    filled = np.flatnonzero(counts)
    assert (counts[filled[0] : filled[-1] + 1] == 0).sum() == slices
    assert set(np.unique(labels)) == {0, 1}
    assert components(labels > 0) == 2


def test_a_bridge_joins_two_lobes_in_a_few_slices():
    labels = bridge(SHAPE, SIZE, radius_nm=100.0, bridge_radius_nm=30.0)
    assert components(labels > 0) == 1
    counts = per_slice(labels)
    assert counts[8] == counts[30] == 2
    assert 1 in counts[18:22]
    assert counts.count(1) <= 4


def test_a_rejoining_split_is_one_body_with_a_handle():
    labels = rejoining_split(SHAPE, SIZE, radius_nm=80.0)
    assert components(labels > 0) == 1
    counts = [count for count in per_slice(labels) if count]
    assert counts[0] == counts[-1] == 1
    assert 2 in counts
    assert euler_of_a_body(labels > 0) == 0  # 1 − genus


def test_a_touching_pair_is_one_component_and_two_ids():
    labels = touching_pair(SHAPE, SIZE, radius_nm=100.0)
    assert components(labels > 0) == 1
    assert [components(labels == i) for i in (1, 2)] == [1, 1]
    assert (labels == 1).sum() == (labels == 2).sum()
    capsule = np.pi * 100**2 * (SHAPE[0] * 20 - 400) + 4 / 3 * np.pi * 100**3
    assert (labels == 1).sum() * SIZE.volume_nm3 == pytest.approx(capsule, rel=0.03)
    meet = (labels[:, :-1] == 1) & (labels[:, 1:] == 2)
    assert meet.any(axis=(1, 2)).sum() > 20
