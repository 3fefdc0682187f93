"""A small cell that a program and two experts have labelled, with everything that can go wrong told in words.

M1         mito 1 … 6 and vesicle 1 … 4, balls and bricks that do not touch
M2         mito 2 dropped; mito 3 moved by two voxels
automatic  mito 1 in two pieces, mito 4 and 5 as one, mito 6 as a vesicle, one vesicle missed, one invented
"""

from pathlib import Path

import numpy as np
import tifffile

from famous.pipeline.compare_count import Scene
from famous.voxels import VoxelSize

SIZE = VoxelSize(20, 10, 10)
SHAPE = (16, 60, 80)
CLASSES = ("mito", "vesicle")
#: id → z, y, x of each brick
MITOS = {
    1: ((2, 10), (4, 14), (4, 28)),
    2: ((3, 9), (20, 30), (4, 20)),
    3: ((3, 12), (36, 48), (6, 26)),
    4: ((2, 8), (4, 14), (36, 50)),
    5: ((2, 8), (4, 14), (52, 66)),
    6: ((8, 14), (40, 52), (60, 74)),
}
VESICLES = {1: ((4, 7), (20, 26), (30, 36)), 2: ((4, 7), (20, 26), (42, 48)), 3: ((9, 12), (24, 30), (56, 62))}


def paint(bricks):
    """Label volume of bricks by id."""
    volume = np.zeros(SHAPE, dtype=np.uint16)
    for number, (z, y, x) in bricks.items():
        volume[slice(*z), slice(*y), slice(*x)] = number
    return volume


def moved(brick, by):
    """The brick moved along x."""
    z, y, (low, high) = brick
    return z, y, (low + by, high + by)


def sources():
    """Source → class → label volume."""
    (z, y, x) = MITOS[1]
    program = {number: MITOS[number] for number in (2, 3)}
    program |= {10: (z, y, (x[0], 19)), 11: (z, y, (19, x[1])), 12: (MITOS[4][0], MITOS[4][1], (36, 66))}
    vesicles = {1: VESICLES[1], 2: VESICLES[2], 7: MITOS[6], 9: ((12, 15), (4, 9), (70, 76))}
    second = {number: brick for number, brick in MITOS.items() if number != 2}
    second[3] = moved(MITOS[3], 2)
    return {
        "automatic": {"mito": paint(program), "vesicle": paint(vesicles)},
        "M1": {"mito": paint(MITOS), "vesicle": paint(VESICLES)},
        "M2": {"mito": paint(second), "vesicle": paint(VESICLES)},
    }


def scene(sides=None, **changes):
    """All of it as the pipeline sees it."""
    return Scene(sides or sources(), SHAPE, SIZE, tuple(range(SHAPE[0])), **changes)


def write_sources(folder: Path, size=SIZE):
    """Write each source as a folder with one TIFF a class, voxel size in it; return the folders."""
    made = {}
    for source, classes in sources().items():
        made[source] = folder / source
        made[source].mkdir(parents=True)
        for name, volume in classes.items():
            write_labels(made[source] / f"{name}.tif", volume, size)
    return made


def write_labels(path: Path, volume, size=SIZE):
    """Write a label volume as Fiji does."""
    tifffile.imwrite(
        path,
        volume,
        imagej=True,
        resolution=(1000 / size.x, 1000 / size.y),
        resolutionunit="NONE",
        metadata={"axes": "ZYX", "spacing": size.z / 1000, "unit": "micron"},
    )
    return path


def write_run(folder: Path):
    """A stack, `cell.tif`, and the run of it that `automatic` is, with scores and boxes; return the stack."""
    import pandas as pd

    from famous import boxes
    from famous.io.label_store import LabelStore
    from famous.io.tables import write_csv, write_parquet
    from famous.pipeline.project import open_project

    grey = np.full(SHAPE, 180, dtype=np.uint8)
    grey += np.random.default_rng(3).integers(0, 40, SHAPE, dtype=np.uint8)
    labels = sources()["automatic"]
    grey[(labels["mito"] > 0) | (labels["vesicle"] > 0)] -= 100
    stack = write_labels(folder / "cell.tif", grey)
    project = open_project(str(stack))
    store = LabelStore.create(project.labels, CLASSES, SHAPE, SIZE)
    rows, found = [], []
    for name, volume in labels.items():
        for z in range(SHAPE[0]):
            store.write_labels(name, z, volume[z].astype(np.uint32))
            for number in np.unique(volume[z])[1:].tolist():
                y, x = np.nonzero(volume[z] == number)
                corners = {"y0": y.min(), "x0": x.min(), "y1": y.max() + 1, "x1": x.max() + 1}
                found.append({"z": z, **corners, "class_name": name, "score": 0.9, "instance": number})
        rows += [{"id": n, "class": name, "mean_score": 0.5 + n / 100} for n in np.unique(volume)[1:].tolist()]
    write_csv(project.instances, pd.DataFrame(rows))
    dropped = {
        "z": 5,
        "y0": 1,
        "x0": 1,
        "y1": 4,
        "x1": 4,
        "class_name": "mito",
        "score": 0.9,
        "instance": 0,
    }  # by linking
    table = pd.DataFrame([*found, dropped])
    linked = boxes.from_columns(table.drop(columns="instance").to_dict("list")).assign(instance=table["instance"])
    write_parquet(project.boxes, linked)
    return stack


def write_coco(path: Path, source="M1", slices=range(SHAPE[0])):
    """Write the bricks of a source as boxes in slices."""
    import json

    images, annotations = [], []
    for z in slices:
        images.append({"id": z + 1, "file_name": f"cell_{z:04d}.png", "width": SHAPE[2], "height": SHAPE[1]})
        for category, (_, volume) in enumerate(sources()[source].items(), 1):
            for number in np.unique(volume[z])[1:].tolist():
                y, x = np.nonzero(volume[z] == number)
                box = [x.min(), y.min(), x.max() + 1 - x.min(), y.max() + 1 - y.min()]
                made = {"id": len(annotations) + 1, "image_id": z + 1, "category_id": category, "iscrowd": 0}
                annotations.append({**made, "bbox": [float(side) for side in box], "area": float(box[2] * box[3])})
    categories = [{"id": k, "name": name} for k, name in enumerate(CLASSES, 1)]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path
