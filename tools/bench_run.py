"""Time and memory of `famous run` for a shallow and a deep stack of the same slices.

    python tools/bench_run.py [--side 256] [--depths 100 2000]
    python tools/bench_run.py --stack DATA/lucchi/raw.tif --voxel-size 5 5 5 --depths 80 400

Without a stack the slices are those of a phantom. Prints the seconds of each stage, what the stages after detection
take beside detection, the extraction's milliseconds per box, and the peak memory of the whole process. The deep stack
is the shallow one there and back again.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from famous.io.stacks import open_stack
from famous.io.volumes import write_stack_tiff
from famous.synthetic import Phantom, PhantomParams
from famous.voxels import VoxelSize

BLOCK = 100
STAGES = ("detect", "extract", "link", "mesh", "measure")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--depths", type=int, nargs="+", default=[100, 2000])
    parser.add_argument("--stack", help="a stack of its own, in place of the phantom")
    parser.add_argument("--voxel-size", type=float, nargs=3, default=[8, 8, 8], help="of that stack: z y x in nm")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        block = render(options.side) if options.stack is None else read(options.stack)
        for depth in options.depths:
            path = Path(folder) / f"deep{depth}.tif"
            size = VoxelSize(*options.voxel_size)
            write_stack_tiff(path, there_and_back(block, depth), (depth, *block.shape[1:]), size)
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


def there_and_back(block: NDArray[np.uint8], depth: int) -> Iterator[NDArray[np.uint8]]:
    """The block forwards, backwards, forwards …, so that no slice jumps."""
    for z in range(depth):
        turn, at = divmod(z, len(block))
        yield block[at if turn % 2 == 0 else len(block) - 1 - at]


def measure(path: Path, depth: int) -> dict[str, str]:
    """Run the command line on a stack and read its manifest."""
    command = [sys.executable, "-m", "famous", "run", str(path), "--json"]
    outcome = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    run = Path(outcome["folder"]) / "run"
    stages = json.loads((run / "manifest.json").read_text())["stages"]
    seconds = {name: stages[name]["seconds"] for name in STAGES}
    boxes = pd.read_parquet(run / "boxes.parquet")
    after = sum(value for name, value in seconds.items() if name != "detect")
    return {
        "slices": str(depth),
        "boxes": str(len(boxes)),
        "instances": str(sum(outcome["instances"].values())),
        **{name: f"{value:.1f} s" for name, value in seconds.items()},
        "after / detect": f"{after / seconds['detect']:.2f}",
        "extract ms per box": f"{1000 * seconds['extract'] / max(1, len(boxes)):.2f}",
        "peak MB": f"{outcome['peak_memory_mb']}",
    }


if __name__ == "__main__":
    main()
