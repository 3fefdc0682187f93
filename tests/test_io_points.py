"""Point clouds as PLY: read back by another library, at their place in µm, (x, y, z)."""

import numpy as np
import pytest

from famous.io.points import write_points
from famous.points import PointCloud, from_faces, load_open3d
from tests.solids import SBEM, ball, voxelize


def read_back(path):
    cloud = load_open3d().io.read_point_cloud(str(path))
    return np.asarray(cloud.points), np.asarray(cloud.normals)


def test_points_and_normals_come_back_in_micrometres(tmp_path):
    cloud = from_faces(voxelize(ball(60), SBEM).mask, voxel_size=SBEM, offset=(10, 20, 30))
    path = write_points(tmp_path / "points.ply", cloud, about="class lysosome instance 42")
    points, normals = read_back(path)
    assert points[:, ::-1] * 1000 == pytest.approx(cloud.positions, abs=0.01)
    assert normals[:, ::-1] == pytest.approx(cloud.normals, abs=1e-5)
    head = path.read_bytes().split(b"end_header")[0]
    assert b"comment made by famous; unit micrometre; axes x y z" in head
    assert b"comment class lysosome instance 42" in head


def test_no_points_make_a_file_without_points(tmp_path):
    none = PointCloud(np.zeros((0, 3)), np.zeros((0, 3)))
    path = write_points(tmp_path / "none.ply", none, about="größe\nx")
    assert b"element vertex 0" in path.read_bytes()
    assert path.read_bytes().endswith(b"end_header\n")


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("famous.io.points.Path.write_bytes", fail)
    with pytest.raises(KeyboardInterrupt):
        write_points(tmp_path / "points.ply", PointCloud(np.zeros((3, 3)), np.zeros((3, 3))))
    assert list(tmp_path.iterdir()) == []
