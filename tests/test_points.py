"""Point clouds: where they lie, what is an outlier, how they are thinned."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from famous import points
from famous.errors import ConfigError, InputError, MissingError
from famous.points import (
    OutlierParams,
    PointCloud,
    drop_outliers,
    drop_outliers_together,
    find_inliers,
    from_faces,
    from_labels,
    from_mask,
    thin,
)
from famous.voxels import VoxelSize
from tests.solids import FIB, SBEM, ball, voxelize


def cloud_of(positions) -> PointCloud:
    positions = np.asarray(positions, dtype=float).reshape(-1, 3)
    return PointCloud(positions, np.zeros_like(positions))


def test_empty_is_a_value():
    cloud = from_mask(np.zeros((3, 4, 5), bool), voxel_size=FIB)
    assert len(cloud) == 0
    assert cloud.normals.shape == (0, 3)
    assert len(from_mask(np.zeros((0, 4, 5), bool), voxel_size=FIB)) == 0
    assert len(drop_outliers(cloud)) == 0
    assert len(thin(cloud, 10)) == 0
    assert find_inliers(np.zeros((0, 3))).shape == (0,)
    assert list(from_labels(np.zeros((2, 3, 4), np.uint32), voxel_size=FIB)) == []


def test_one_voxel_lies_at_its_centre():
    cloud = from_mask(np.ones((1, 1, 1), bool), voxel_size=VoxelSize(50, 5, 4), offset=(2, 3, 4))
    assert cloud.positions.tolist() == [[125, 17.5, 18]]
    assert cloud.normals.tolist() == [[0, 0, 0]]


def test_only_the_surface_is_taken():
    cloud = from_mask(np.ones((5, 6, 7), bool), voxel_size=VoxelSize(1, 1, 1))
    assert len(cloud) == 5 * 6 * 7 - 3 * 4 * 5
    middle = cloud.positions - (2.5, 3, 3.5)
    assert (np.abs(middle) > (1.5, 2, 2.5)).any(axis=1).all()


@pytest.mark.parametrize("voxel_size", [FIB, SBEM], ids=str)
def test_normals_of_a_ball_point_away_from_its_centre(voxel_size):
    solid = voxelize(ball(), voxel_size)
    cloud = from_mask(solid.mask, voxel_size=voxel_size)
    outward = cloud.positions - solid.centre
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    cosines = (outward * cloud.normals).sum(axis=1)
    assert np.linalg.norm(cloud.normals, axis=1) == pytest.approx(1)
    assert np.median(cosines) > 0.97
    assert cosines.min() > 0.5


def test_faces_of_one_voxel():
    cloud = from_faces(np.ones((1, 1, 1), bool), voxel_size=VoxelSize(50, 5, 4), offset=(2, 3, 4))
    middle, half = np.array([125, 17.5, 18]), np.diag([25, 2.5, 2])
    expected = np.stack([middle - half, middle + half], axis=1).reshape(-1, 3)
    assert cloud.positions == pytest.approx(expected)
    turned = np.stack([-np.eye(3), np.eye(3)], axis=1).reshape(-1, 3)
    assert cloud.normals == pytest.approx(turned, abs=1e-6)


def test_faces_of_a_plate_one_voxel_thick_tell_its_sides_apart():
    cloud = from_faces(np.ones((1, 9, 9), bool), voxel_size=FIB)
    assert len(cloud) == 2 * 81 + 4 * 9
    middle = (np.abs(cloud.positions[:, 1:] - 36) < 12).all(axis=1)
    below, above = (middle & (cloud.positions[:, 0] == z) for z in (0, 8))
    assert below.sum() == above.sum() == 9
    assert (cloud.normals[below, 0] < -0.9).all()
    assert (cloud.normals[above, 0] > 0.9).all()


@pytest.mark.parametrize("voxel_size", [FIB, SBEM], ids=str)
def test_faces_lie_on_a_ball_without_a_bias(voxel_size):
    """The voxels' centres lie inside of it."""
    solid = voxelize(ball(), voxel_size)
    radii = [
        np.linalg.norm(make(solid.mask, voxel_size=voxel_size).positions - solid.centre, axis=1).mean()
        for make in (from_faces, from_mask)
    ]
    assert radii[0] == pytest.approx(160, abs=0.6)
    assert radii[1] < 160 - 1.5


def test_faces_of_nothing():
    assert len(from_faces(np.zeros((3, 4, 5), bool), voxel_size=FIB)) == 0
    assert len(from_faces(np.zeros((0, 4, 5), bool), voxel_size=FIB)) == 0
    with pytest.raises(InputError, match=r"shape \(3, 4\)"):
        from_faces(np.zeros((3, 4), bool), voxel_size=FIB)


def test_outliers_of_a_class_and_of_an_instance():
    """A speck of one instance beside another is no outlier of the class; one far from everything is, either way."""
    rng = np.random.default_rng(0)
    first, second = rng.normal(0, 10, (500, 3)), rng.normal((0, 0, 300), 10, (500, 3))
    clouds = {7: cloud_of([*first, [0, 0, 300], [0, 900, 0]]), 3: cloud_of(second)}
    together = drop_outliers_together(clouds)
    alone = drop_outliers(clouds[7])
    assert list(together) == [7, 3]
    assert [0, 0, 300] in together[7].positions.tolist()
    assert [0, 0, 300] not in alone.positions.tolist()
    assert all([0, 900, 0] not in cloud.positions.tolist() for cloud in (together[7], alone))
    everything = np.concatenate([cloud.positions for cloud in clouds.values()])
    assert sum(len(cloud) for cloud in together.values()) == find_inliers(everything).sum()
    assert drop_outliers_together({}) == {}
    assert len(drop_outliers_together({1: cloud_of([]), 2: cloud_of([[1, 2, 3]])})[1]) == 0


def test_labels_give_the_clouds_of_their_masks():
    rng = np.random.default_rng(0)
    labels = rng.choice(np.array([0, 7, 1_000_000, 3], np.uint32), (6, 7, 8))
    found = dict(from_labels(labels, voxel_size=SBEM, offset=(10, 20, 30)))
    assert list(found) == [3, 7, 1_000_000]
    for label, cloud in found.items():
        whole = from_mask(labels == label, voxel_size=SBEM, offset=(10, 20, 30))
        assert np.array_equal(cloud.positions, whole.positions)
        assert cloud.normals == pytest.approx(whole.normals, abs=1e-5)


def test_labels_without_background_are_all_found():
    assert [label for label, _ in from_labels(np.full((2, 2, 2), 5, np.uint32), voxel_size=FIB)] == [5]


def test_wrong_shapes_are_named():
    with pytest.raises(InputError, match=r"shape \(3, 4\)"):
        from_mask(np.zeros((3, 4), bool), voxel_size=FIB)
    with pytest.raises(InputError, match=r"shape \(4,\)"):
        list(from_labels(np.zeros(4, np.uint32), voxel_size=FIB))
    with pytest.raises(InputError, match="normals"):
        PointCloud(np.zeros((3, 3)), np.zeros((2, 3)))


def test_a_stray_point_is_dropped():
    rng = np.random.default_rng(0)
    cloud = cloud_of(np.concatenate([rng.normal(0, 10, (500, 3)), [[500, 0, 0], [0, -400, 0]]]))
    kept = find_inliers(cloud.positions)
    assert not kept[-2:].any()
    assert kept[:-2].mean() > 0.9
    assert len(drop_outliers(cloud)) == kept.sum()


def open3d_inliers(positions, neighbours, ratio):
    open3d = points.load_open3d()
    cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(positions))
    kept = np.zeros(len(positions), bool)
    kept[np.asarray(cloud.remove_statistical_outlier(neighbours, ratio)[1], dtype=int)] = True
    return kept


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([2, 3, 21, 400]),
    st.sampled_from([2, 6, 20, 50]),
    st.sampled_from([0.5, 1.0, 2.0, 3.0]),
)
def test_inliers_are_those_of_open3d(seed, number, neighbours, ratio):
    positions = np.random.default_rng(seed).normal(0, 100, (number, 3))
    if number == 2:  # both distances are the same: the documented difference
        assert find_inliers(positions, OutlierParams(neighbours, ratio)).all()
        return
    expected = open3d_inliers(positions, neighbours, ratio)
    assert np.array_equal(find_inliers(positions, OutlierParams(neighbours, ratio)), expected)


def test_inliers_of_few_points_are_those_of_open3d():
    rng = np.random.default_rng(0)
    for _ in range(300):
        positions = rng.normal(0, 100, (rng.integers(4, 9), 3))
        neighbours, ratio = int(rng.integers(2, 6)), float(rng.choice([0.2, 0.5, 1.0, 1.5]))
        found = find_inliers(positions, OutlierParams(neighbours, ratio))
        assert np.array_equal(found, open3d_inliers(positions, neighbours, ratio))


def test_inliers_of_real_voxels_are_those_of_open3d():
    positions = from_mask(voxelize(ball(), SBEM).mask, voxel_size=SBEM).positions
    assert np.array_equal(find_inliers(positions), open3d_inliers(positions, 20, 2.0))


def test_a_lattice_keeps_all_its_points():
    ring = np.array([[0, np.cos(a), np.sin(a)] for a in np.arange(12) * np.pi / 6]) * 100
    assert find_inliers(ring, OutlierParams(neighbours=3)).all()


def test_parts_do_not_change_the_result(monkeypatch):
    positions = np.random.default_rng(1).normal(0, 100, (1000, 3))
    whole = find_inliers(positions)
    monkeypatch.setattr(points, "QUERY_POINTS", 17)
    assert np.array_equal(find_inliers(positions), whole)


def test_heaps_of_equal_points():
    assert find_inliers(np.zeros((30, 3))).all()


@pytest.mark.parametrize(("knobs", "named"), [({"neighbours": 0}, "neighbours"), ({"std_ratio": 0.0}, "std_ratio")])
def test_senseless_knobs_are_named(knobs, named):
    with pytest.raises(ConfigError, match=named):
        OutlierParams(**knobs)


def test_thin_takes_the_mean_of_each_cube():
    cloud = PointCloud(
        np.array([[0, 0, 0], [0, 0, 4], [0, 0, 12], [0, 0, 14.0]]),
        np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, -1, 0.0]]),
    )
    thinned = thin(cloud, 10)
    assert thinned.positions.tolist() == [[0, 0, 2], [0, 0, 13]]
    assert thinned.normals.tolist() == [[1, 0, 0], [0, 0, 0]]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.floats(1, 500))
def test_thin_has_at_most_one_point_a_cube(seed, number, step):
    cloud = cloud_of(np.random.default_rng(seed).uniform(-300, 300, (number, 3)))
    thinned = thin(cloud, step)
    cubes = np.floor((thinned.positions - cloud.positions.min(axis=0)) / step)
    assert 1 <= len(thinned) <= number
    assert len(np.unique(cubes, axis=0)) == len(thinned)


@pytest.mark.parametrize("step", [0, -1, np.nan, np.inf])
def test_thin_names_a_senseless_step(step):
    with pytest.raises(ConfigError, match="step"):
        thin(cloud_of([[0, 0, 0]]), step)


def test_a_missing_open3d_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "open3d", None)
    with pytest.raises(MissingError, match="pip install open3d libusb-package"):
        points.load_open3d()


def test_open3d_loads_without_libusb_package(monkeypatch):
    points.load_open3d()
    monkeypatch.setitem(__import__("sys").modules, "libusb_package", None)
    assert points.load_open3d().__name__ == "open3d"
