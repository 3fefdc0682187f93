"""Time and memory of `famous run` for a shallow and a deep stack of the same slices.

    python tools/bench_run.py [--side 256] [--depths 100 2000] [--apart]
    python tools/bench_run.py --stack DATA/lucchi/raw.tif --voxel-size 5 5 5 --depths 80 400

Without a stack the slices are those of a phantom. Prints the seconds of each stage, what the stages after detection
take beside detection, the extraction's milliseconds per box, and the peak memory of the whole process. A stage's
seconds go from the end of the one before it to its own, so that they count what it opens (detect its detector, extract
the box → mask network); nothing of a run is left out. The deep stack is the shallow one there and back again, which
makes organelles at the turns twice as long; `--apart` puts empty slices there, so that all that differs is the depth.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from famous import open_project, run
from famous.io.stacks import open_stack
from famous.io.volumes import write_stack_tiff
from famous.pipeline.stage import Session, Silent
from famous.synthetic import Phantom, PhantomParams
from famous.voxels import VoxelSize

BLOCK = 100
EMPTY = 24  # slices, more than linking bridges
STAGES = ("detect", "extract", "link", "mesh", "measure")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--depths", type=int, nargs="+", default=[100, 2000])
    parser.add_argument("--stack", help="a stack of its own, in place of the phantom")
    parser.add_argument("--voxel-size", type=float, nargs=3, default=[8, 8, 8], help="of that stack: z y x in nm")
    parser.add_argument("--apart", action="store_true", help="empty slices at the turns of a deep stack")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        block = render(options.side) if options.stack is None else read(options.stack)
        for depth in options.depths:
            path = Path(folder) / f"deep{depth}.tif"
            size = VoxelSize(*options.voxel_size)
            write_stack_tiff(
                path, there_and_back(block, depth, EMPTY if options.apart else 0), (depth, *block.shape[1:]), size
            )
            rows.append(measure(path, depth))
    print(f"slices of {block.shape[1]} × {block.shape[2]}, {len(rows)} runs of the detector that ships\n")
    columns = ("slices", "boxes", "instances", *STAGES, "after / detect", "extract ms per box", "peak MB")
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
    for row in rows:
        print("| " + " | ".join(row[name] for name in columns) + " |")
    peaks = [float(row["peak MB"]) for row in rows]
    print(f"\npeak memory, deepest over shallowest: {peaks[-1] / peaks[0]:.3f}")


def render(side: int) -> NDArray[np.uint8]:
    """A block of phantom slices, kept in memory; the runs read it from disk."""
    params = PhantomParams(
        shape=(BLOCK, side, side), seed=31, nucleus_radius_nm=0, mitochondria=1.5, early_endosomes=2, late_endosomes=2
    )
    phantom = Phantom(params)
    return np.stack([phantom[z] for z in range(BLOCK)])


def read(source: str) -> NDArray[np.uint8]:
    """The first slices of a stack of 8 bits."""
    stack = open_stack(source).stack
    return np.stack([np.asarray(stack.grey(z), dtype=np.uint8) for z in range(min(BLOCK, len(stack)))])


def there_and_back(block: NDArray[np.uint8], depth: int, empty: int) -> Iterator[NDArray[np.uint8]]:
    """The block forwards, backwards, forwards …, so that no slice jumps, with so many empty slices at each turn."""
    blank = np.full(block.shape[1:], int(block.mean()), dtype=block.dtype)
    for z in range(depth):
        turn, at = divmod(z, len(block) + empty)
        if at < len(block):
            yield block[at if turn % 2 == 0 else len(block) - 1 - at]
        else:
            yield blank


@dataclass
class Clock(Silent):
    """Times the stages of a run: what one takes is all the time since the one before it ended."""

    seconds: dict[str, float] = field(default_factory=dict)
    last: float = field(default_factory=time.perf_counter)

    def end(self, stage: str, note: str) -> None:
        """Note what the stage took."""
        now = time.perf_counter()
        self.seconds[stage], self.last = now - self.last, now


def run_once(path: Path) -> tuple[dict[str, float], int, int, float]:
    """Run a stack in this process: seconds by stage, boxes, instances and the peak memory in MB."""
    project = open_project(path)
    clock = Clock()
    outcome = run(project, Session(clock))
    return clock.seconds, outcome.boxes, len(outcome.instances), outcome.peak_memory_mb


def measure(path: Path, depth: int) -> dict[str, str]:
    """Run a stack in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        seconds, boxes, instances, peak = pool.submit(run_once, path).result()
    after = sum(value for name, value in seconds.items() if name != "detect")
    return {
        "slices": str(depth),
        "boxes": str(boxes),
        "instances": str(instances),
        **{name: f"{seconds[name]:.1f} s" for name in STAGES},
        "after / detect": f"{after / seconds['detect']:.2f}",
        "extract ms per box": f"{1000 * seconds['extract'] / max(1, boxes):.2f}",
        "peak MB": f"{peak:.0f}",
    }


if __name__ == "__main__":
    main()
