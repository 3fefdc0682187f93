"""Label volumes with a known answer, and the perfect boxes that a faultless detector would make of them.

Every phantom is a (z, y, x) uint8 volume of instances, voxels of 10 nm unless a test says otherwise.
"""

import numpy as np
import pandas as pd
from scipy import ndimage

from famous import boxes as box_table
from famous.link import OverlapParams, link, slice_overlaps
from famous.voxels import VoxelSize

VOXEL = VoxelSize(10, 10, 10)
IN_SLICE = np.ones((3, 3), dtype=bool)
#: what linking implies: pieces of a slice touch by sides and corners, slices by pixels that lie above each other
CONNECTIVITY = np.zeros((3, 3, 3), dtype=bool)
CONNECTIVITY[1] = True
CONNECTIVITY[:, 1, 1] = True
SHAPE = (42, 60, 60)


def grid(shape=SHAPE):
    return np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")


def tube(path, radius, shape=SHAPE):
    """Discs of one radius, (y, x) = path(z), in every slice."""
    z, y, x = grid(shape)
    centre_y, centre_x = path(z)
    return (y - centre_y) ** 2 + (x - centre_x) ** 2 <= radius**2


def ball(centre, radius, shape=SHAPE):
    return sum((axis - c) ** 2 for axis, c in zip(grid(shape), centre, strict=True)) <= radius**2


def paint(*masks):
    """One id a mask, the later ones above the earlier ones."""
    volume = np.zeros(masks[0].shape, dtype=np.uint8)
    for number, mask in enumerate(masks, start=1):
        volume[mask] = number
    return volume


def crossing_tubes():
    """Two tubes that pass each other like the strokes of an X, and touch where they meet."""
    return paint(tube(lambda z: (10 + z, 25), 6), tube(lambda z: (50 - z, 35), 6))


def gap():
    """A tube without the slices 19 and 20."""
    volume = paint(tube(lambda z: (30, 20 + z / 4), 7))
    volume[19:21] = 0
    return volume


def bridge_between_lobes():
    """Two tubes with a bar between them in four slices."""
    z, y, x = grid()
    bar = (np.abs(z - 20) < 2.5) & (np.abs(y - 30) <= 5) & (x > 16) & (x < 44)
    return paint(tube(lambda z: (30, 16), 8) | tube(lambda z: (30, 44), 8) | bar)


def split_that_rejoins():
    """A ring that stands upright: one piece, two pieces, one piece."""
    z, y, x = grid()
    return paint((np.hypot(z - 20, x - 30) - 13) ** 2 + (y - 30) ** 2 <= 25)


def touching_pair():
    """Two tubes side by side without a pixel between them, that both drift sideways by a pixel every third slice."""
    left, right = (tube(lambda z, at=at: (30, at + z // 3), 8) for at in (15, 32))
    return paint(left, right)


def unequal_pair():
    """A thick tube and a thin one side by side."""
    return paint(tube(lambda z: (30, 20), 12), tube(lambda z: (30, 39), 6))


def cap_on_cap():
    """Two balls on top of each other: two discs of 21 pixels touch, the widest have 333."""
    return paint(ball((10, 30, 30), 10.3), ball((31, 30, 30), 10.3))


def cap_on_flank():
    """A ball that ends where a tube leans over it."""
    return paint(ball((12, 30, 26), 10), tube(lambda z: (30, 46 - z / 2), 8))


def late_island():
    """A branch that begins by itself and meets the trunk at its top: a V."""
    return paint(tube(lambda z: (30, 16), 7) | (tube(lambda z: (30, 56 - z), 6) & (grid()[0] >= 8)))


def crumb():
    """A tube with a ridge, of which a single pixel is left in slice 20; above it a second tube leans over."""
    z, y, x = grid()
    ridge = (y == 30) & (x >= 24) & (x <= 27) & (z < 20)
    left = tube(lambda z: (30, 16), 8) | ridge | ((z == 20) & (y == 30) & (x == 27))
    return paint(tube(lambda z: (30, np.where(z < 21, 38, 35)), 8), left)


TOGETHER = [gap, bridge_between_lobes, split_that_rejoins, late_island]
APART = [crossing_tubes, touching_pair, cap_on_flank, crumb]


def perfect_boxes(volume):
    """Box table with `pixels`, and box-id slices, of the pieces of every instance in every slice."""
    images = np.zeros(volume.shape, dtype=np.uint32)
    rows = []
    for z, image in enumerate(volume):
        for instance in np.unique(image[image > 0]):
            pieces, n = ndimage.label(image == instance, IN_SLICE)
            for piece in range(1, n + 1):
                y, x = np.nonzero(pieces == piece)
                images[z][y, x] = len(rows) + 1
                rows.append((z, y.min(), x.min(), y.max() + 1, x.max() + 1, len(y)))
    columns = dict(zip(["z", "y0", "x0", "y1", "x1", "pixels"], zip(*rows, strict=True), strict=True)) if rows else {}
    columns = columns or {name: [] for name in ("z", "y0", "x0", "y1", "x1", "pixels")}
    columns["pixels"] = np.array(columns["pixels"], dtype=np.int64)
    return box_table.from_columns(columns | {"class_name": ["mito"] * len(rows)}), images


def link_volume(volume, *, voxel_size=VOXEL, linker=link, **knobs):
    """Instances (z, y, x) of a phantom through perfect boxes, at the default parameters but for the named ones."""
    boxes, images = perfect_boxes(volume)
    params = OverlapParams(**knobs)
    overlaps = slice_overlaps(enumerate(images), reach=params.reach(voxel_size))
    linked = linker(boxes, overlaps, voxel_size=voxel_size, params=params)
    return paint_instances(linked, images)


def paint_instances(linked: pd.DataFrame, images):
    lut = np.zeros(int(images.max(initial=0)) + 1, dtype=np.uint32)
    lut[linked["box"]] = linked["instance"]
    return lut[images]


def table(*rows, **columns):
    """Boxes (z, y0, x0, y1, x1), with `pixels` equal to their area unless given."""
    names = ["z", "y0", "x0", "y1", "x1"]
    made = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    made = box_table.from_columns({"class_name": ["mito"] * len(rows)} | made | columns)
    return made if "pixels" in made else made.assign(pixels=box_table.area(made))


def pairs(*rows):
    """Overlaps (a, b, pixels)."""
    made = pd.DataFrame(list(rows), columns=["a", "b", "pixels"])
    return made.astype({"a": np.uint32, "b": np.uint32, "pixels": np.int64})
