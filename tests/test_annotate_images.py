import concurrent.futures
import threading

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from famous.annotate.images import TILE_PX, Images, ImagesParams
from famous.annotate.pyramid import level_shape, pyramid
from famous.errors import InputError
from famous.io.stacks import open_stack
from famous.stack import Stack, Window

PATIENCE_S = 20  # before a test that hangs gives up; never waited for otherwise


class Volume:
    """A volume that notes which slices are read, can hold readers up at a gate, and has damaged slices."""

    def __init__(self, array, broken=()):
        self.array = array
        self.shape, self.dtype = array.shape, array.dtype
        self.broken = set(broken)
        self.read = []
        self.open = threading.Event()
        self.open.set()
        self.reached = threading.Event()

    def __getitem__(self, z):
        self.read.append(z)
        self.reached.set()
        assert self.open.wait(PATIENCE_S)
        if z in self.broken:
            raise InputError(f"slice {z}: damaged")
        return self.array[z]


def ramp(depth=9, height=40, width=60, dtype=np.uint16):
    """Voxel (z, y, x) has the grey value 10 z + 2 y + x, modulo what the type holds."""
    z, y, x = np.ogrid[:depth, :height, :width]
    return (10 * z + 2 * y + x).astype(dtype)


def settle(images):
    """Wait until the background has nothing left to do."""
    for wishes in (images._neighbours, images._depth):
        futures = [future for future in wishes._pending if not future.cancelled()]
        _, late = concurrent.futures.wait(futures, PATIENCE_S)
        assert not late


def finished_cuts(images, *where):
    images.cuts(*where)
    settle(images)
    return images.cuts(*where)


def test_tiles_of_full_size_join_to_the_slice():
    """A slice of 1100 × 700: three rows of 512, 512, 76 and two columns of 512, 188."""
    array = ramp(1, 1100, 700)
    with Images(Stack(array)) as images:
        rows = [np.concatenate([images.tile(0, 0, row, col) for col in range(2)], axis=1) for row in range(3)]
        assert images.tile(0, 0, 2, 1).shape == (76, 188)
        np.testing.assert_array_equal(np.concatenate(rows), array[0])


def test_levels_end_when_one_tile_holds_the_slice():
    for size, levels in ((1, 1), (512, 1), (513, 2), (1024, 2), (1025, 3), (6000, 5)):
        with Images(Stack(np.zeros((1, 2, size), dtype=np.uint8))) as images:
            assert images.levels == levels


def test_a_coarse_tile_holds_area_means():
    """On a ramp, the mean of 4 × 4 pixels lies 1.5 px along both ways from the first of them."""
    with Images(Stack(ramp(3, 600, 1600) * 2)) as images:
        tile = images.tile(2, 2, 0, 0)
        y, x = np.ogrid[:150, :400]
        np.testing.assert_array_equal(tile, 2 * (20 + 2 * (4 * y + 1.5) + 4 * x + 1.5))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_grey_values_come_back_by_offset_and_scale(dtype):
    array = ramp(4).astype(dtype) - np.asarray(50 if np.dtype(dtype).kind != "u" else 0, dtype=dtype)
    with Images(Stack(array)) as images:
        tile = images.tile(3, 0, 0, 0)
        assert tile.dtype == (np.uint8 if dtype == np.uint8 else np.uint16)
        assert images.bits == tile.dtype.itemsize * 8
        back = images.offset + images.scale * tile.astype(np.float64)
        assert np.abs(back - array[3]).max() <= (0 if np.dtype(dtype).kind in "ui" else images.scale)


def test_16_bits_need_no_look_at_the_stack():
    volume = Volume(ramp())
    with Images(Stack(volume)) as images:
        assert (images.bits, images.offset, images.scale) == (16, 0, 1)
        assert volume.read == []


def test_nan_is_0_and_what_lies_outside_the_sampled_range_is_clipped():
    array = np.linspace(0, 1, 5 * 16, dtype=np.float32).reshape(5, 4, 4)
    array[0, 0, 0] = np.nan
    array[1] = 1e9
    with Images(Stack(array), ImagesParams(sampled=3)) as images:
        assert images.tile(0, 0, 0, 0)[0, 0] == 0
        assert (images.tile(1, 0, 0, 0) == 65535).all()
        assert 0 < images.tile(4, 0, 0, 0)[3, 3] < 65535


def test_a_tile_that_does_not_exist():
    with Images(Stack(ramp(2, 600, 600))) as images:
        for where in (
            (2, 0, 0, 0),
            (-1, 0, 0, 0),
            (0, 2, 0, 0),
            (0, -1, 0, 0),
            (0, 0, 2, 0),
            (0, 0, 0, -1),
            (0, 1, 0, 1),
        ):
            with pytest.raises(IndexError):
                images.tile(*where)


def test_many_tiles_from_many_threads_read_the_slice_once():
    volume = Volume(ramp(2, 1100, 1100))
    expected = pyramid(volume.array[1], 3)
    with Images(Stack(volume)) as images, concurrent.futures.ThreadPoolExecutor(8) as pool:
        tiles = [(level, row, col) for level in range(3) for row in range(3 >> level) for col in range(3 >> level)]
        for (level, row, col), tile in zip(tiles, pool.map(lambda at: images.tile(1, *at), tiles), strict=True):
            y, x = row * TILE_PX, col * TILE_PX
            np.testing.assert_array_equal(tile, expected[level][y : y + TILE_PX, x : x + TILE_PX])
    assert volume.read == [1]


def test_memory_holds_a_few_slices_and_the_one_being_looked_at():
    """A slice of 40 × 60 takes 4800 bytes: two fit into 10,000; none into 100, and one is held all the same."""
    for limit, most in ((10_000, 2), (100, 1)):
        volume = Volume(ramp())
        with Images(Stack(volume), ImagesParams(slice_bytes=limit)) as images:
            for z in (0, 0, 1, 2, 2, 0):
                images.tile(z, 0, 0, 0)
            assert len(images._slices) == most
        assert volume.read == [0, 1, 2, 0]


def test_a_small_machine_holds_less():
    with Images(Stack(ramp()), ImagesParams(memory_share=0)) as images:
        images.tile(0, 0, 0, 0)
        images.prefetch(0)
        settle(images)
        assert len(images._slices) == 1


def test_the_fault_of_a_slice_is_told_each_time_and_hurts_no_other():
    volume = Volume(ramp(), broken={3})
    with Images(Stack(volume)) as images:
        for _ in range(2):
            with pytest.raises(InputError, match="slice 3: damaged"):
                images.tile(3, 0, 0, 0)
        np.testing.assert_array_equal(images.tile(4, 0, 0, 0), volume.array[4])
        images.prefetch(2)
        settle(images)
        assert {1, 4, 5} <= set(images._slices._entries)
        volume.broken.clear()
        np.testing.assert_array_equal(images.tile(3, 0, 0, 0), volume.array[3])


def test_neighbours_are_fetched_in_the_direction_of_travel():
    volume = Volume(ramp(20))
    params = ImagesParams(ahead=3, behind=1)
    with Images(Stack(volume), params) as images:
        images.prefetch(10)
        settle(images)
        assert volume.read == [11, 9, 12, 13]
    volume.read.clear()
    with Images(Stack(volume), params) as images:
        images.prefetch(10)
        settle(images)
        images.prefetch(9)
        settle(images)
        assert volume.read[4:] == [8, 10, 7, 6]
        images.prefetch(0)
        settle(images)
        assert volume.read[8:] == [1]


def test_the_latest_wish_replaces_the_ones_before():
    """The reader is held up at slice 1; meanwhile the user runs on to slice 15: slices 2 … 9 are never read."""
    volume = Volume(ramp(20))
    volume.open.clear()
    with Images(Stack(volume)) as images:
        for z in (0, 2, 5, 15):
            images.prefetch(z)
            assert volume.reached.wait(PATIENCE_S)
        volume.open.set()
        settle(images)
        assert volume.read == [1, 16, 14, 17, 18]


def test_no_more_is_fetched_than_is_held():
    volume = Volume(ramp())
    with Images(Stack(volume), ImagesParams(slice_bytes=10_000)) as images:
        images.tile(4, 0, 0, 0)
        images.prefetch(4)
        settle(images)
        assert volume.read == [4, 5]
        images.tile(4, 0, 0, 0)
        assert volume.read == [4, 5]


def test_cuts_show_the_voxels_round_one():
    array = ramp(30, 80, 90)
    with Images(Stack(array)) as images:
        cuts = finished_cuts(images, 12, 40, 50, 10)
        np.testing.assert_array_equal(cuts.xz, array[2:23, 40, 40:61])
        np.testing.assert_array_equal(cuts.yz, array[2:23, 30:51, 50])
        assert (cuts.z0, cuts.y0, cuts.x0, cuts.step_px) == (2, 30, 40, 1)
        assert cuts.missing == cuts.unreadable == ()


def test_cuts_may_be_wider_than_they_are_tall():
    array = ramp(30, 80, 90)
    with Images(Stack(array), ImagesParams(cut_across=20)) as images:
        for across in (20, 1000):
            images.cuts(12, 40, 50, 2, across)
            settle(images)
            cuts = images.cuts(12, 40, 50, 2, across)
            np.testing.assert_array_equal(cuts.xz, array[10:15, 40, 30:71])
            np.testing.assert_array_equal(cuts.yz, array[10:15, 20:61, 50])


def test_the_first_slice_is_fetched_before_it_is_asked_for():
    volume = Volume(ramp())
    with Images(Stack(volume)) as images:
        images.begin(4)
        images.wait(60)
        assert volume.read == [4]
        images.tile(4, 0, 0, 0)
        assert volume.read == [4]


def test_its_pictures_are_made_before_they_are_asked_for(monkeypatch):
    """As wide as screens are; wider ones, other slices and other windows only when somebody asks, then kept too."""
    made = []
    monkeypatch.setattr("famous.annotate.images.preview", lambda values, *_, **__: made.append(values.shape) or b"jpeg")
    array = np.zeros((3, 600, 1200), np.uint16)
    window = Window(0, 9)
    with Images(Stack(array), ImagesParams(preview_px=900)) as images:
        assert images.preview_shapes() == [(600, 1200), (424, 849), (300, 600), (212, 424), (150, 300)]
        images.begin(1, window)
        images.wait(60)
        assert made == images.preview_shapes()[:0:-1]
        made.clear()
        for step in (4, 3, 2, 1, 0, 0):
            assert images.preview(1, step, window, inverted=False) == b"jpeg"
        assert made == [(600, 1200)]
        images.preview(1, 2, window, inverted=True)
        images.preview(1, 2, Window(0, 8), inverted=False)
        images.preview(2, 2, window, inverted=False)
        assert made[1:] == [(300, 600)] * 3
        images.begin(0)
        images.wait(60)
        assert len(made) == 4
        for step in (5, 6):
            with pytest.raises(IndexError):
                images.preview(1, step, window, inverted=False)


def test_nobody_waits_longer_than_they_want_for_a_slice():
    volume = Volume(ramp())
    volume.open.clear()
    with Images(Stack(volume)) as images:
        images.begin(4)
        images.wait(0.01)
        assert 4 not in images._slices
        volume.open.set()
        images.wait(PATIENCE_S)
        assert 4 in images._slices


def test_cuts_end_at_the_stacks_faces():
    array = ramp(5, 8, 9, np.uint8)
    with Images(Stack(array)) as images:
        cuts = finished_cuts(images, 0, 7, 2, 64)
        np.testing.assert_array_equal(cuts.xz, array[:, 7, :])
        np.testing.assert_array_equal(cuts.yz, array[:, :, 2])
        assert (cuts.z0, cuts.y0, cuts.x0) == (0, 0, 0)
        assert cuts.xz.dtype == np.uint8
        alone = images.cuts(3, 4, 5, 0)
        assert alone.xz.tolist() == alone.yz.tolist() == [[array[3, 4, 5]]]


def test_slices_not_in_memory_are_missing_and_fetched_nearest_first():
    volume = Volume(ramp(30))
    with Images(Stack(volume)) as images:
        images.tile(10, 0, 0, 0)
        cuts = images.cuts(10, 5, 5, 3)
        assert set(cuts.missing) | {10} == {7, 8, 9, 10, 11, 12, 13}
        assert not cuts.xz[[z - 7 for z in cuts.missing]].any()
        np.testing.assert_array_equal(cuts.xz[3], volume.array[10, 5, 2:9])
        settle(images)
        assert [abs(z - 10) for z in volume.read] == [0, 1, 1, 2, 2, 3, 3]
        assert images.cuts(10, 5, 5, 3).missing == ()
        assert len(images._slices) == 1


def test_a_slice_that_cannot_be_read_is_not_asked_for_again():
    volume = Volume(ramp(30), broken={9})
    with Images(Stack(volume)) as images:
        cuts = finished_cuts(images, 10, 5, 5, 2)
        assert cuts.missing == ()
        assert cuts.unreadable == (9,)
        assert not cuts.xz[1].any()
        finished_cuts(images, 10, 5, 5, 2)
        assert volume.read.count(9) == 1
        volume.broken.clear()
        images.tile(9, 0, 0, 0)
        assert images.cuts(10, 5, 5, 2).unreadable == ()
        images._reduced.clear()  # as if others had taken its place in the meantime
        assert 9 in images.cuts(10, 5, 5, 2).missing


def test_large_slices_are_reduced_for_the_cuts():
    """Two halvings bring 120 × 160 under 50 px; one sample is the mean of 4 × 4 pixels."""
    array = ramp(3, 120, 160) * 2
    with Images(Stack(array), ImagesParams(cut_side_px=50)) as images:
        cuts = finished_cuts(images, 1, 61, 83, 4)
        assert cuts.step_px == 4
        assert (cuts.z0, cuts.y0, cuts.x0) == (0, 4 * 11, 4 * 16)
        z, x = np.ogrid[:3, 16:25]
        np.testing.assert_array_equal(cuts.xz, 2 * (10 * z + 2 * (60 + 1.5) + 4 * x + 1.5))


def test_all_slices_of_a_cut_fit_into_memory():
    """21 slices of 100 × 100 uint16 into 120,000 bytes: halved once to 50 × 50; the cut is then complete."""
    params = ImagesParams(cut_bytes=120_000, cut_half=10)
    with Images(Stack(ramp(40, 100, 100)), params) as images:
        cuts = finished_cuts(images, 20, 50, 50, 1000)
        assert cuts.step_px == 2
        assert cuts.missing == ()
        assert cuts.xz.shape == (21, 50)
        assert images._reduced.nbytes <= 120_000


def test_a_voxel_outside_has_no_cuts():
    with Images(Stack(ramp())) as images:
        for voxel in ((9, 0, 0), (0, 40, 0), (0, 0, 60), (-1, 0, 0), (0, -1, 0)):
            with pytest.raises(IndexError, match="outside"):
                images.cuts(*voxel, 5)


@settings(max_examples=25)
@given(st.integers(0, 8), st.integers(0, 39), st.integers(0, 59), st.integers(-1, 80), st.sampled_from([2048, 31, 9]))
def test_cuts_are_rows_and_columns_of_the_reduced_slices(z, y, x, half, side):
    array = ramp()
    with Images(Stack(array), ImagesParams(cut_side_px=side)) as images:
        cuts = finished_cuts(images, z, y, x, half)
        level = int(np.log2(cuts.step_px))
        assert max(level_shape(array.shape[1:], level)) <= side
        reduced = np.stack([pyramid(image, level + 1)[level] for image in array])
        zs = slice(cuts.z0, cuts.z0 + len(cuts.xz))
        xs = slice(cuts.x0 // cuts.step_px, cuts.x0 // cuts.step_px + cuts.xz.shape[1])
        ys = slice(cuts.y0 // cuts.step_px, cuts.y0 // cuts.step_px + cuts.yz.shape[1])
        np.testing.assert_array_equal(cuts.xz, reduced[zs, y // cuts.step_px, xs])
        np.testing.assert_array_equal(cuts.yz, reduced[zs, ys, x // cuts.step_px])
        assert zs.start <= z < zs.stop


def test_the_histogram_is_measured_once():
    volume = Volume(ramp(100))
    with Images(Stack(volume, window=Window(0, 5000)), ImagesParams(sampled=5)) as images:
        found = images.histogram()
        assert images.histogram() == found
        assert len(volume.read) == 5
        assert found.low == 0
        assert found.high == 5000
        assert sum(found.counts) == 5 * 40 * 60


def test_closing_stops_the_threads_and_refuses_further_calls():
    before = threading.active_count()
    volume = Volume(ramp())
    images = Images(Stack(volume))
    images.tile(4, 0, 0, 0)
    images.prefetch(4)
    images.cuts(4, 0, 0, 4)
    images.close()
    assert threading.active_count() == before
    for call in (lambda: images.tile(0, 0, 0, 0), lambda: images.prefetch(4), lambda: images.cuts(4, 0, 0, 4)):
        with pytest.raises(RuntimeError):
            call()
    images.close()


def test_a_folder_with_a_damaged_slice(tmp_path):
    """Four slices on disk, the third cut short after it was opened: its own tiles fail, everything else goes on."""
    array = ramp(4, 50, 64)
    for z, image in enumerate(array):
        tifffile.imwrite(tmp_path / f"{z:02d}.tif", image)
    stack = open_stack(tmp_path).stack
    damaged = tmp_path / "02.tif"
    damaged.write_bytes(damaged.read_bytes()[:1000])
    with Images(stack) as images:
        images.prefetch(1)
        cuts = finished_cuts(images, 1, 20, 20, 3)
        assert cuts.unreadable == (2,)
        np.testing.assert_array_equal(cuts.xz[[0, 1, 3]], array[[0, 1, 3], 20, 17:24])
        with pytest.raises(InputError, match=r"02\.tif"):
            images.tile(2, 0, 0, 0)
        np.testing.assert_array_equal(images.tile(3, 0, 0, 0), array[3])
