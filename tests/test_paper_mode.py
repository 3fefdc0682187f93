"""The paper's pixels and instances stay what they were to the bit, whatever is added beside them.

The stack is made of integers, so that it is the same everywhere. The SHA-256 are those from before there was any other
recipe than the paper's and Otsu's; a change of one of them is a change of the method.
"""

import hashlib

import numpy as np
import pytest

from famous import boxes as box_table
from famous.extract import extract_slice, make_extractor, paper_recipe
from famous.labels import relabel
from famous.link import centre
from famous.voxels import VoxelSize

SHAPE = (24, 160, 192)
VOXEL = VoxelSize(8, 5, 5)
#: Class → centre (z, y, x), half axes, grey value of the inside against 150 outside.
BODIES = (
    ("mitochondrion", (11, 40, 45), (9, 24, 30), 88),
    ("mitochondrion", (7, 110, 50), (6, 19, 33), 95),
    ("mitochondrion", (16, 112, 62), (6, 22, 18), 102),
    ("early endosome", (10, 40, 130), (8, 21, 19), 208),
    ("late endosome", (12, 105, 130), (9, 26, 25), 92),
    ("multivesicular body", (5, 140, 165), (4, 14, 17), 205),
    ("lysosome", (18, 38, 92), (5, 15, 13), 144),
)
SHA256 = {  # their beginnings
    "mitochondrion": "6c1b1948b8491aaf",
    "early endosome": "68a98c22ce409711",
    "late endosome": "5e35a657bb4fdbfc",
    "multivesicular body": "b8ef537c7f70bf3d",
    "lysosome": "7c7ce3eed631eb07",
}


def mixed(values):
    """Scatter integers over 0 … 2³² − 1, alike on every machine."""
    values = values.astype(np.uint64)
    for _ in range(2):
        values = (values ^ (values >> np.uint64(15))) * np.uint64(2654435769) % np.uint64(1 << 32)
    return values ^ (values >> np.uint64(13))


def make_stack():
    """Grey values (z, y, x) with noise and darker rims, and the boxes of every body in every slice, a little off."""
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    grey = np.full(SHAPE, 150, dtype=np.int64) + (y // 16 + x // 24) % 2 * 6
    rows = []
    for number, (name, middle, half, inside) in enumerate(BODIES):
        squares = [
            (axis - at) ** 2 * (2520 // length) ** 2 for axis, at, length in zip((z, y, x), middle, half, strict=True)
        ]
        distance = sum(squares)
        body, core = distance < 2520**2, distance < 2200**2
        grey[body] = 60 if name == "mitochondrion" else 120
        grey[core] = inside
        for level in np.flatnonzero(body.any((1, 2))):
            ys, xs = (np.flatnonzero(body[level].any(axis)) for axis in (1, 0))
            off = mixed(np.arange(4) + 10 * level + 1000 * number) % 5
            corners = np.array([ys[0], xs[0], ys[-1] + 1, xs[-1] + 1]) + off.astype(int) - 2
            y0, x0, y1, x1 = np.clip(corners, 0, [SHAPE[1], SHAPE[2]] * 2).tolist()
            if y1 > y0 and x1 > x0:
                rows.append((int(level), y0, x0, y1, x1, name, 0.5 + int(off.sum()) / 40))
    noise = mixed(np.arange(grey.size)).reshape(SHAPE).astype(np.int64) % 37 - 18
    columns = dict(zip(["z", *box_table.CORNERS, "class_name", "score"], zip(*rows, strict=True), strict=True))
    table = box_table.from_columns(columns)
    return np.clip(grey + noise, 0, 255).astype(np.uint8), table.assign(box=np.arange(1, len(table) + 1))


@pytest.fixture(scope="module")
def volumes():
    """Instances (z, y, x) of each class by the paper's recipes and Algorithm 4."""
    grey, boxes = make_stack()
    names = sorted({name for name, *_ in BODIES})
    recipes = {name: make_extractor(paper_recipe(name)) for name in names}
    images = {name: np.zeros(SHAPE, dtype=np.uint32) for name in names}
    for z in range(SHAPE[0]):
        found = extract_slice(grey[z][:, :, None], boxes[boxes["z"] == z], recipes, voxel_size=VOXEL)
        for name, image in found.items():
            images[name][z] = image
    ids, pixels = np.unique(np.stack(list(images.values())), return_counts=True)
    counted = dict(zip(ids.tolist(), pixels.tolist(), strict=True))
    boxes["pixels"] = [counted.get(box, 0) for box in boxes["box"]]
    linked = centre.link(boxes, voxel_size=VOXEL)
    lut = np.zeros(len(boxes) + 1, dtype=np.uint32)
    lut[linked["box"].to_numpy()] = linked["instance"].to_numpy(np.uint32)
    return {name: relabel(image, lut) for name, image in images.items()}


@pytest.mark.parametrize("name", SHA256)
def test_the_papers_pixels_and_instances_are_what_they_were(volumes, name):
    content = np.ascontiguousarray(volumes[name], dtype="<u4").tobytes()
    assert hashlib.sha256(content).hexdigest()[:16] == SHA256[name]


def test_they_are_not_trivial(volumes):
    for name, volume in volumes.items():
        assert 0.5 < (volume > 0).sum() / sum(volume_of(*rest) for other, *rest in BODIES if other == name) < 1.5


def volume_of(_middle, half, _inside):
    """Voxels of an ellipsoid."""
    return 4 / 3 * np.pi * np.prod(half)
