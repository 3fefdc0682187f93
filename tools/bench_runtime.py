"""Time the three runtimes on one model, each in a process of its own, and check that they give the same boxes.

    python tools/bench_runtime.py MODEL_FOLDER [--threads 2] [--repeats 15]

prints the median of one tile's milliseconds and the process's peak memory, which includes Python and numpy.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

SIDES = (768, 1024)
RUNTIMES = ("torch", "onnx", "openvino")
BOXES_OF = 8  # best-scored boxes that are compared


def tiles(side: int) -> np.ndarray:
    """Make a tile with dark and bright discs on noise, the same for every runtime."""
    rng = np.random.default_rng(side)
    image = rng.normal(128, 18, (side, side, 3))
    y, x = np.mgrid[:side, :side]
    for _ in range(30):
        radius, grey = rng.uniform(12, 60), rng.choice([50.0, 70.0, 220.0])
        image[(y - rng.uniform(0, side)) ** 2 + (x - rng.uniform(0, side)) ** 2 < radius**2] -= 128 - grey
    return np.clip(image, 0, 255).astype(np.uint8)[None]


def measure(folder: Path, runtime: str, repeats: int) -> dict[str, object]:
    """Time one runtime in this process."""
    from famous.yolo.runtime import load_detector

    start = time.perf_counter()
    detector = load_detector(folder, device="cpu", runtime=runtime)
    result: dict[str, object] = {"load_s": time.perf_counter() - start}
    for side in SIDES:
        images = tiles(side)
        boxes = detector(images)[0]
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            detector(images)
            times.append((time.perf_counter() - start) * 1000)
        result[f"ms_{side}"] = statistics.median(times)
        result[f"boxes_{side}"] = boxes[:BOXES_OF].tolist()
        result[f"peak_mb_{side}"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return result


def difference(ours: list[list[float]], reference: list[list[float]]) -> str:
    """Say how far the best-scored boxes lie apart: largest difference of a corner in px and of a score."""
    if len(ours) != len(reference):
        return f"{len(ours)} boxes against {len(reference)}"
    if not ours:
        return "no boxes"
    apart = np.abs(np.array(ours) - np.array(reference))
    return f"{apart[:, :4].max():.2f} px, {apart[:, 4].max():.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--runtime", choices=RUNTIMES, help="measure this one here and print JSON")
    options = parser.parse_args()
    if options.runtime:
        print(json.dumps(measure(options.folder, options.runtime, options.repeats)))
        return
    results: dict[str, dict[str, object]] = {}
    runtimes = [name for name in RUNTIMES if name != "torch" or (options.folder / "best.pt").is_file()]
    for name in runtimes:
        command = [sys.executable, __file__, str(options.folder), "--runtime", name, "--repeats", str(options.repeats)]
        environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        results[name] = json.loads(done.stdout)
    print(f"{options.threads} threads      load s" + "".join(f"   {s} px: ms  peak MB  boxes differ by" for s in SIDES))
    reference = results[runtimes[0]]
    for name, result in results.items():
        cells = [
            f"   {result[f'ms_{side}']:10.0f} {result[f'peak_mb_{side}']:8.0f}  "
            f"{difference(result[f'boxes_{side}'], reference[f'boxes_{side}']):>15s}"
            for side in SIDES
        ]
        print(f"{name:12s} {result['load_s']:8.1f}" + "".join(cells))


if __name__ == "__main__":
    main()
