"""Time and memory of comparing two label volumes, on generated ones: 10,000 balls in 1000 × 1024 × 1024 voxels.

    python tools/bench_compare.py [--shape 1000 1024 1024] [--objects 10000] [--slices 100]

Only every so many slices are made and looked at, evenly over the depth, so that every object comes up; the time of
what is done slice by slice is multiplied up to the whole depth, that of what is done once is as measured. Reading
files is not in it. The baseline, in the same run, is scikit-image's contingency table of the same slices, from which
the same matching could be worked out.
"""

import argparse
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.metrics._contingency_table import contingency_table

from famous.compare.agreement import agree
from famous.compare.components import classify, object_recalls, piece_recalls, score_slice
from famous.compare.known import KnownParams, known_slice
from famous.compare.matching import merges, splits
from famous.compare.metrics import detect
from famous.compare.overlaps import BLOCK, Overlaps, count_lines, read_lines
from famous.voxels import VoxelSize

FIB = VoxelSize(8, 8, 8)


@dataclass(frozen=True)
class Balls:
    """Balls on a jittered grid, drawn slice by slice: centres (n, 3) and radii (n,) in voxels, ids of two halves."""

    shape: tuple[int, ...]
    centres: NDArray[np.float64]
    radii: NDArray[np.float64]
    ids: NDArray[np.uint32]
    right: NDArray[np.uint32]  # id of the half beyond the centre along x; the same where the ball is whole

    def __getitem__(self, z: int) -> NDArray[np.uint32]:
        image = np.zeros(self.shape[1:], dtype=np.uint32)
        for n in np.flatnonzero(np.abs(self.centres[:, 0] - z) < self.radii):
            _, cy, cx = self.centres[n]
            reach = np.sqrt(self.radii[n] ** 2 - (self.centres[n, 0] - z) ** 2)
            y0, x0 = (max(0, int(np.ceil(c - reach))) for c in (cy, cx))
            part = image[y0 : int(cy + reach) + 1, x0 : int(cx + reach) + 1]
            y, x = np.ogrid[y0 : y0 + part.shape[0], x0 : x0 + part.shape[1]]
            part[(y - cy) ** 2 + (x - cx) ** 2 <= reach**2] = self.ids[n]
            if self.right[n] != self.ids[n]:
                part[((y - cy) ** 2 + (x - cx) ** 2 <= reach**2) & (x > cx)] = self.right[n]
        return image


def make(shape: tuple[int, ...], number: int, rng: np.random.Generator) -> tuple[Balls, Balls]:
    """Truth, and a pred with moved borders, objects that are missing and objects in two halves."""
    pitch = (np.prod(shape) / number) ** (1 / 3)
    axes = [(np.arange(int(np.ceil(n / pitch))) + 0.5) * n / np.ceil(n / pitch) for n in shape]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    centres = rng.permutation(grid)[:number] + rng.uniform(-2, 2, (min(number, len(grid)), 3))
    radii = rng.uniform(0.25, 0.45, len(centres)) * pitch
    ids = np.arange(1, len(centres) + 1, dtype=np.uint32)
    kept = rng.random(len(centres)) > 0.05
    halves = np.where(rng.random(len(centres)) < 0.05, ids + np.uint32(len(centres)), ids)
    moved = centres + rng.normal(0, 1.5, centres.shape)
    grown = radii * rng.normal(1, 0.04, len(radii))
    return Balls(shape, moved[kept], grown[kept], ids[kept], halves[kept]), Balls(shape, centres, radii, ids, ids)


class Clock:
    """Seconds by what was done."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def run(self, name: str, work: Callable[[], Any]) -> Any:
        """Do a piece of work, and add its seconds to those of its name."""
        start = time.perf_counter()
        found = work()
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
        return found


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def slices_of(balls: tuple[Balls, Balls], chosen: list[int]) -> Iterator[tuple[int, NDArray, NDArray]]:
    for z in chosen:
        yield z, balls[0][z], balls[1][z]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=int, nargs=3, default=[1000, 1024, 1024])
    parser.add_argument("--objects", type=int, default=10_000)
    parser.add_argument("--slices", type=int, default=100)
    options = parser.parse_args()
    shape = tuple(options.shape)
    balls = make(shape, options.objects, np.random.default_rng(0))
    chosen = np.unique(np.linspace(0, shape[0] - 1, options.slices).astype(int)).tolist()
    slicewise, once, zone, baseline = Clock(), Clock(), Clock(), Clock()
    before = peak_gb()
    total, held, recalls, scores = Overlaps.empty(), [], [], []
    for z, pred, truth in slices_of(balls, chosen):
        lines = slicewise.run("labels to runs", lambda p=pred, t=truth, z=z: (read_lines(p, z), read_lines(t, z)))
        overlaps = slicewise.run("overlaps", lambda a=lines: count_lines(*a))
        recalls.append(slicewise.run("2D components", lambda a=lines: piece_recalls(*a)))
        scores.append(slicewise.run("slice scores", lambda z=z, a=overlaps: score_slice(z, a)))
        held.append(overlaps)
        if len(held) == BLOCK or z == chosen[-1]:
            total = slicewise.run("joining", lambda a=total, b=held: Overlaps.joined([a, *b]))
            held = []
    table = once.run("detection at 11 thresholds", lambda: detect(total))
    once.run("agreement", lambda: agree(total, FIB))
    once.run("3D components", lambda: classify(object_recalls(total)))
    once.run("splits and merges", lambda: (splits(total), merges(total)))
    held_gb = peak_gb()
    params = KnownParams(border_nm=24)
    for z, pred, truth in slices_of(balls, chosen[::10]):
        zone.run(
            "border zone of 24 nm (if asked for)",
            lambda z=z, p=pred, t=truth: known_slice(z, p, t, voxel_size=FIB, params=params),
        )
        baseline.run("baseline: contingency table of scikit-image", lambda p=pred, t=truth: contingency_table(t, p))
    report(shape, total, len(chosen), (slicewise, once, zone, baseline), (before, held_gb))
    print(table.loc[table["threshold"] == 0.5, ["tp", "fp", "fn", "f1", "pq", "splits"]].to_string(index=False))


def report(
    shape: tuple[int, ...], total: Overlaps, looked_at: int, clocks: tuple[Clock, ...], memory_gb: tuple[float, float]
) -> None:
    slicewise, once, zone, baseline = clocks
    depth = shape[0]
    print(
        f"{' × '.join(map(str, shape))} voxels, {len(total.pred):,} and {len(total.truth):,} objects, "
        f"{len(total.shared):,} pairs that meet; {looked_at} slices looked at, one core\n"
    )
    print("| step | measured s | whole volume s |\n|---|---|---|")
    rows = [(name, s, s * depth / looked_at) for name, s in slicewise.seconds.items()]
    rows += [(name, s, s) for name, s in once.seconds.items()]
    for name, measured, whole in rows:
        print(f"| {name} | {measured:.2f} | {whole:.1f} |")
    print(f"| **all of it** | {sum(r[1] for r in rows):.2f} | {sum(r[2] for r in rows):.1f} |")
    for clock in (zone, baseline):
        for name, s in clock.seconds.items():
            print(f"| {name} | {s:.2f} | {s * depth / len(range(0, looked_at, 10)):.1f} |")
    print(f"\npeak memory {memory_gb[1]:.2f} GB, of which {memory_gb[0]:.2f} GB before the first slice\n")


if __name__ == "__main__":
    main()
