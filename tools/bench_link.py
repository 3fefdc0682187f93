"""Time and score the linking: a million boxes, slice pairs, and real instances rebuilt from perfect boxes.

    python tools/bench_link.py [--boxes 1000000] [--slices 2000] [--data ../shared/data] [--skip-speed]

Every part prints its baseline in the same run. Parts that read real label volumes are skipped where they are missing.
"""

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tifffile
from numpy.typing import NDArray
from scipy import ndimage

from famous import boxes as box_table
from famous import labels
from famous.link import OverlapParams, centre, link, slice_overlaps
from famous.link.matching import components
from famous.voxels import VoxelSize

#: path below the data folder, voxel size in nm, role. The defaults were chosen on the two volumes marked `tuned`.
VOLUMES = [
    ("urocell/fib1-3-3-0/mito.tif", VoxelSize(15, 16, 16), "tuned"),
    ("urocell/fib1-3-3-0/fv.tif", VoxelSize(15, 16, 16), "tuned"),
    ("urocell/fib1-3-2-1/mito.tif", VoxelSize(15, 16, 16), "held out"),
    ("urocell/fib1-3-2-1/fv.tif", VoxelSize(15, 16, 16), "held out"),
    ("urocell/fib1-1-0-3/mito.tif", VoxelSize(15, 16, 16), "held out"),
    ("lucchi/mito_inst.tif", VoxelSize(5, 5, 5), "held out"),
    ("vnc/mito_inst.tif", VoxelSize(50, 4.6, 4.6), "held out"),
    ("isbi2012/mito_inst.tif", VoxelSize(50, 4, 4), "held out"),
]


def synthetic(n_boxes: int, n_slices: int, reach: int, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tracks of boxes on a grid with random starts and lengths; 3 % of the boxes are missing, 5 % touch a neighbour."""
    per_slice = int(np.ceil(n_boxes / n_slices / 0.95))  # 5 % of the places stay empty
    side = int(np.ceil(np.sqrt(per_slice)))
    z, place = (grid.ravel() for grid in np.meshgrid(np.arange(n_slices), np.arange(per_slice), indexing="ij"))
    phase = rng.integers(0, 60, per_slice)[place]
    present = ((z + phase) % 60 > 0) & (rng.random(len(z)) > 0.03)  # an organelle ends every 60 slices
    z, place = z[present], place[present]
    height = rng.integers(24, 33, len(z))
    y, x = (place // side) * 40, (place % side) * 40
    boxes = box_table.from_columns(
        {"z": z, "y0": y, "x0": x, "y1": y + height, "x1": x + height, "class_name": "mito"}
        | {"score": rng.uniform(0.3, 1.0, len(z)).round(3), "box": np.arange(1, len(z) + 1)}
    ).assign(pixels=height.astype(np.int64) ** 2)
    number = np.full((n_slices, side * side), 0, dtype=np.uint32)
    number[z, place] = boxes["box"]
    size = np.zeros((n_slices, side * side), dtype=np.int64)
    size[z, place] = height
    pairs = []
    for apart in range(1, reach + 1):
        shift_chance = [(0, 1.0), (1, 0.05)] if apart == 1 else [(0, 1.0)]
        for shift, chance in shift_chance:
            a, b = number[:-apart].ravel(), np.roll(number, shift, axis=1)[apart:].ravel()
            met = np.flatnonzero((a > 0) & (b > 0) & (rng.random(len(a)) < chance))
            smaller = np.minimum(size[:-apart].ravel(), np.roll(size, shift, axis=1)[apart:].ravel())[met]
            shared = smaller**2 if shift == 0 else smaller * 2
            pairs.append(pd.DataFrame({"a": a[met], "b": b[met], "pixels": shared}))
    return boxes, pd.concat(pairs, ignore_index=True)


def link_python(boxes: pd.DataFrame, overlaps: pd.DataFrame) -> None:
    """Link as a plain script does: a dictionary, a loop over the pairs, the best match of each box."""
    area = dict(zip(boxes["box"], boxes["pixels"], strict=True))
    best: dict[int, tuple[float, int]] = {}
    for a, b, pixels in overlaps.itertuples(index=False):
        iou = pixels / (area[a] + area[b] - pixels)
        if iou > best.get(b, (0.1, 0))[0]:
            best[b] = iou, a
    instance: dict[int, int] = {}
    for box in sorted(area):
        instance[box] = instance[best[box][1]] if box in best else box


def link_components(boxes: pd.DataFrame, overlaps: pd.DataFrame) -> pd.DataFrame:
    """Link whatever shares a pixel with a neighbouring slice: 3D connected components."""
    z = boxes.set_index("box")["z"]
    near = overlaps[(overlaps["b"].map(z) - overlaps["a"].map(z)) == 1]
    row = pd.Index(boxes["box"])
    number = components(len(boxes), row.get_indexer(near["a"]), row.get_indexer(near["b"]))
    return boxes.assign(instance=(number + 1).astype(np.uint32))


def speed(method: str, n_boxes: int, n_slices: int, z_nm: float) -> None:
    """Run one method on synthetic tables; called in a process of its own so that its peak memory is its own."""
    voxel_size = VoxelSize(z_nm, 5, 5)
    params = OverlapParams()
    boxes, overlaps = synthetic(n_boxes, n_slices, params.reach(voxel_size), np.random.default_rng(0))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    if method == "python loop":
        link_python(boxes, overlaps)
    elif method == "components":
        link_components(boxes, overlaps)
    elif method == "centre":
        centre.link(boxes, voxel_size=voxel_size)
    else:
        link(boxes, overlaps, voxel_size=voxel_size, params=params)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"| {z_nm:g} | {method} | {len(boxes):,} | {len(overlaps):,} | {seconds:.1f} | {peak / 2**20:.2f} "
        f"| {before / 2**20:.2f} |",
        flush=True,
    )


def discs(n: int, side: int, seed: int) -> NDArray[np.uint32]:
    """Box-id image with n discs of random radius on a grid."""
    rng = np.random.default_rng(seed)
    step = side // int(np.ceil(np.sqrt(n)))
    row, column = np.mgrid[:step, :step]
    image = np.zeros((side, side), dtype=np.uint32)
    per_row = side // step
    for i in range(n):
        radius = step * rng.uniform(0.2, 0.45)
        disc = (row - step / 2 + rng.uniform(-2, 2)) ** 2 + (column - step / 2 + rng.uniform(-2, 2)) ** 2 < radius**2
        y, x = (i // per_row) * step, (i % per_row) * step
        image[y : y + step, x : x + step][disc] = i + 1 + 1_000_000
    return image


def pair_times() -> None:
    """Time one 1024² slice pair, and the pairs of one slice at the default reach for 5 nm."""
    print("\n| boxes in a 1024² slice | famous.labels.overlaps, ms a pair | numpy.unique of pairs, ms |\n|---|---|---|")
    for n in (50, 500):
        a, b = discs(n, 1024, 1), discs(n, 1024, 2)
        ours = _fastest(lambda a=a, b=b: labels.overlaps(a, b))
        plain = _fastest(lambda a=a, b=b: np.unique(np.stack([a.ravel(), b.ravel()]), axis=1, return_counts=True), 1)
        print(f"| {n} | {ours:.2f} | {plain:.0f} |")


def _fastest(call: Callable[[], Any], repeats: int = 7) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


def perfect_boxes(truth: NDArray[Any]) -> tuple[pd.DataFrame, NDArray[np.uint32]]:
    """Boxes and box-id slices of the 2D pieces of each instance; column `truth` keeps the instance."""
    images = np.zeros(truth.shape, dtype=np.uint32)
    rows: list[dict[str, Any]] = []
    for z, i, (low_y, low_x), mask in _pieces(truth):
        high_y, high_x = low_y + mask.shape[0], low_x + mask.shape[1]
        images[z, low_y:high_y, low_x:high_x][mask] = len(rows) + 1
        corners = {"z": z, "y0": low_y, "x0": low_x, "y1": high_y, "x1": high_x}
        rows.append(corners | {"class_name": "organelle", "pixels": int(mask.sum()), "truth": i})
    return box_table.from_columns({name: [row[name] for row in rows] for name in rows[0]}), images


def _pieces(truth: NDArray[Any]) -> Iterator[tuple[int, int, tuple[int, int], NDArray[np.bool_]]]:
    for z, image in enumerate(truth):
        for i, window in enumerate(ndimage.find_objects(image.astype(np.int32)), start=1):
            if window is None:
                continue
            piece = ndimage.label(image[window] == i, np.ones((3, 3)))[0]
            for j, inner in enumerate(ndimage.find_objects(piece), start=1):
                corner = window[0].start + inner[0].start, window[1].start + inner[1].start
                yield z, i, corner, piece[inner] == j


def score(linked: pd.DataFrame) -> str:
    """Object precision, recall and F1 at IoU 0.5, splits and merges (pieces with 5 % of an instance count)."""
    kept = linked[linked["instance"] > 0]
    pairs = kept.groupby(["truth", "instance"])["pixels"].sum().reset_index()
    truth, pred = linked.groupby("truth")["pixels"].sum(), kept.groupby("instance")["pixels"].sum()
    union = pairs["truth"].map(truth) + pairs["instance"].map(pred) - pairs["pixels"]
    found = int((pairs["pixels"] / union >= 0.5).sum())
    exact = int((pairs["pixels"] == union).sum())
    large = pairs[pairs["pixels"] >= 0.05 * pairs["truth"].map(truth)]
    splits, merges = (int((large.groupby(name).size() > 1).sum()) for name in ("truth", "instance"))
    f1 = 2 * found / (len(truth) + len(pred))
    return f"{len(truth)} | {len(pred)} | {f1:.3f} | {exact / len(truth):.3f} | {splits} | {merges}"


def without(boxes: pd.DataFrame, images: NDArray[np.uint32], share: float) -> tuple[pd.DataFrame, NDArray[np.uint32]]:
    """Leave a share of the boxes out, as a detector does."""
    gone = np.random.default_rng(0).random(len(boxes)) < share
    lut = np.arange(len(boxes) + 1, dtype=np.uint32)
    lut[boxes.loc[gone, "box"]] = 0
    return boxes[~gone].reset_index(drop=True), lut[images]


def fused(boxes: pd.DataFrame, images: NDArray[np.uint32], share: float) -> tuple[pd.DataFrame, NDArray[np.uint32]]:
    """Let a share of the boxes swallow the nearest box of the same slice within 4 pixels, as a detector does."""
    rng = np.random.default_rng(0)
    lut = np.arange(len(boxes) + 1, dtype=np.uint32)
    for z in np.flatnonzero(rng.random(len(images)) < min(1.0, share * len(boxes) / len(images))):
        near = ndimage.grey_dilation(images[z], size=(9, 9))
        met = labels.overlaps(images[z], near)
        met = met[met["a"] != met["b"]]
        if len(met):
            pair = met.iloc[int(rng.integers(len(met)))]
            lut[pair["b"]] = pair["a"]
    images = lut[images]
    pixels = np.bincount(images.ravel(), minlength=len(lut))[boxes["box"]]
    return boxes.assign(pixels=pixels)[pixels > 0].reset_index(drop=True), images


def accuracy(data: Path) -> None:
    """Rebuild real instances from perfect boxes and masks; with boxes missing; with boxes round two organelles."""
    print("\n| volume | boxes | method | instances | found | F1 at IoU 0.5 | exact | splits | merges |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, voxel_size, role in VOLUMES:
        path = data / name
        if not path.is_file():
            print(f"| {name} | | skipped: not here | | | | | | |")
            continue
        whole, images = perfect_boxes(tifffile.imread(path))
        cases = {
            "all": (whole, images),
            "10 % missing": without(whole, images, 0.1),
            "1 % round two": fused(whole, images, 0.01),
        }
        for case, (boxes, kept) in cases.items():
            overlaps = slice_overlaps(enumerate(kept), reach=OverlapParams().reach(voxel_size))
            what = f"| {name} ({role}) | {case} |"
            print(what, "overlap |", score(link(boxes, overlaps, voxel_size=voxel_size)), "|")
            print(what, "centre (paper) |", score(centre.link(boxes, voxel_size=voxel_size)), "|")
            print(what, "3D components |", score(link_components(boxes, overlaps)), "|", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boxes", type=int, default=1_000_000)
    parser.add_argument("--slices", type=int, default=2_000)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--skip-speed", action="store_true")
    parser.add_argument("--one", nargs=2, metavar=("METHOD", "Z_NM"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        speed(options.one[0], options.boxes, options.slices, float(options.one[1]))
        return
    if not options.skip_speed:
        print("| slice, nm | method | boxes | overlaps | seconds | peak GiB | of which input GiB |")
        print("|---|---|---|---|---|---|---|", flush=True)
        for z_nm in ("50", "5"):
            for method in ("overlap", "centre", "components", "python loop"):
                command = [sys.executable, __file__, "--one", method, z_nm]
                subprocess.run([*command, "--boxes", str(options.boxes), "--slices", str(options.slices)], check=True)
        pair_times()
    accuracy(options.data)


if __name__ == "__main__":
    main()
