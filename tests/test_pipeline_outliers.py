"""Specks off an organelle: where its class asks for it, they are in no mesh and no count."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from famous.config import MeshConfig
from famous.io.meshes import read_mesh
from famous.masks import PackedMask
from famous.pipeline.crops import Crop, Extent
from famous.pipeline.outliers import drop_outlier_pieces, leave_out
from famous.pipeline.stage import Session
from famous.pipeline.volume import Labels, Wish, work_on
from famous.points import OutlierParams
from famous.voxels import VoxelSize

SIZE = VoxelSize(10, 10, 10)
LIKE_OPEN3D = OutlierParams()


def speckled():
    """A ball of radius 8, a voxel 25 away from its middle, a speck of 3 × 3 × 3 with a core, a bar of 5 × 5 × 20."""
    mask = np.zeros((30, 40, 60), bool)
    z, y, x = np.indices(mask.shape)
    mask[(z - 12) ** 2 + (y - 12) ** 2 + (x - 12) ** 2 < 64] = True
    ball = mask.copy()
    mask[12, 37, 12] = True
    mask[25:28, 2:5, 40:43] = True
    mask[5:10, 20:25, 38:58] = True
    bar = np.zeros_like(mask)
    bar[5:10, 20:25, 38:58] = True
    return mask, ball, bar


def pack(mask):
    packed = PackedMask(mask.shape)
    for z, image in enumerate(mask):
        packed.put(z, image)
    return packed


def extent_of(mask):
    return Extent(7, "lysosome", (0, 0, 0), mask.shape, 0.5, mask.shape[0], int(mask.sum()))


def test_specks_go_as_a_whole_and_what_stays_loses_no_voxel():
    mask, ball, bar = speckled()
    before = mask.copy()
    few, many = (
        drop_outlier_pieces(mask, voxel_size=SIZE, params=OutlierParams(neighbours=n, std_ratio=2)) for n in (20, 40)
    )
    speck = np.zeros_like(mask)
    speck[25:28, 2:5, 40:43] = True
    assert np.array_equal(few, ball | bar | speck)  # 26 surface voxels of its own keep it from being far from 20
    assert np.array_equal(many, ball | bar)  # its core, which is no point, goes with it
    assert np.array_equal(mask, before)


def test_packed_masks_are_treated_alike(monkeypatch):
    mask, _, _ = speckled()
    params = OutlierParams(neighbours=40)
    expected = drop_outlier_pieces(mask, voxel_size=SIZE, params=params)
    for slab in (1, 3000, 1 << 20):  # the surface is found slab by slab
        monkeypatch.setattr("famous.masks.SLAB_VOXELS", slab)
        for kind in (mask, pack(mask)):
            found = drop_outlier_pieces(kind, voxel_size=SIZE, params=params)
            assert type(found) is type(kind)
            assert np.array_equal(found[0 : mask.shape[0]], expected)


@pytest.mark.parametrize(
    "mask",
    [
        np.zeros((3, 4, 5), bool),
        np.ones((1, 1, 1), bool),
        np.ones((1, 9, 9), bool),
        np.pad(np.ones((8, 8, 8), bool), 2),
    ],
    ids=["empty", "voxel", "plane", "cube"],
)
def test_one_piece_is_left_as_it_is(mask):
    strict = OutlierParams(neighbours=3, std_ratio=0.01)
    assert drop_outlier_pieces(mask, voxel_size=SIZE, params=strict) is mask


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.floats(0.01, 5))
def test_of_any_mask_whole_pieces_stay_the_largest_among_them(seed, neighbours, std_ratio):
    mask = ndimage.gaussian_filter(np.random.default_rng(seed).random((12, 14, 16)), 1) > 0.55
    params = OutlierParams(neighbours=neighbours, std_ratio=std_ratio)
    left = drop_outlier_pieces(mask, voxel_size=VoxelSize(30, 8, 8), params=params)
    pieces, count = ndimage.label(mask, np.ones((3, 3, 3)))
    for piece in range(1, count + 1):
        assert len(np.unique(left[pieces == piece])) == 1
    assert not left[~mask].any()
    assert left.any() == mask.any()


def test_what_is_left_is_counted():
    mask, ball, bar = speckled()
    crop = Crop(mask, (0, 0, 0), SIZE, 1)
    config = MeshConfig(outliers=OutlierParams(neighbours=40))
    extent, left = leave_out(extent_of(mask), crop, config)
    kept = ball | bar
    assert np.array_equal(left.mask, kept)
    assert extent.voxels == kept.sum()
    assert extent.n_slices == np.count_nonzero(kept.any(axis=(1, 2)))
    assert (extent.instance, extent.class_name, extent.score) == (7, "lysosome", 0.5)


def test_nothing_is_left_out_unasked_and_nothing_of_a_shrinkwrap():
    mask, _, _ = speckled()
    crop, extent = Crop(mask, (0, 0, 0), SIZE, 1), extent_of(mask)
    for config in (MeshConfig(), MeshConfig(method="shrinkwrap", outliers=LIKE_OPEN3D)):
        assert leave_out(extent, crop, config) == (extent, crop)
    for method in ("isosurface", "auto"):
        assert leave_out(extent, crop, MeshConfig(method=method, outliers=LIKE_OPEN3D))[1] is not crop


def test_meshes_and_rows_of_a_label_volume_know_of_the_outliers(tmp_path):
    mask, ball, bar = speckled()
    labels = Labels(mask.astype(np.uint8), SIZE, "lysosome")
    wish = Wish(tmp_path / "all", mesh={"lysosome": MeshConfig()})
    whole = work_on([labels], wish, Session()).table.iloc[0]
    asked = {"lysosome": MeshConfig(outliers=OutlierParams(neighbours=40))}
    made = work_on([labels], replace(wish, out=tmp_path / "few", mesh=asked), Session())
    row, kept = made.table.iloc[0], (ball | bar)
    assert whole["voxels"] == mask.sum()
    assert whole["n_pieces"] == 4
    assert row["voxels"] == kept.sum()
    assert row["n_pieces"] == 2
    assert row["n_slices"] == np.count_nonzero(kept.any(axis=(1, 2)))
    assert row["volume_voxels_um3"] == pytest.approx(kept.sum() * 1e-6)
    assert row["bb_max_y_um"] == pytest.approx(0.25)
    mesh = read_mesh(made.files[0])
    assert mesh.volume_nm3 == pytest.approx(kept.sum() * SIZE.volume_nm3, rel=0.01)
    assert mesh.bounds[1, 1] < 260
