"""Write data/sample.tif and data/sample_boxes.csv: a phantom cell, generated here, and its exact boxes.

python tools/make_sample.py            writes into data/
python tools/make_sample.py --out DIR  writes elsewhere
"""

import argparse
from pathlib import Path

from famous.boxes import COLUMNS
from famous.io.annotations import Annotations, write_boxes
from famous.io.volumes import write_stack_tiff
from famous.synthetic import CLASS_NAMES, SAMPLE, Phantom


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[1] / "data")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    phantom = Phantom(SAMPLE)
    write_stack_tiff(folder / "sample.tif", phantom, phantom.shape, phantom.voxel_size)
    boxes = phantom.boxes()
    truth = Annotations(boxes[list(COLUMNS)], done=frozenset(range(len(phantom))), classes=CLASS_NAMES)
    write_boxes(folder / "sample_boxes.csv", "csv", truth, shape=phantom.shape)
    print(f"{folder / 'sample.tif'}: {phantom.shape} (z, y, x), {phantom.voxel_size}")
    print(f"{folder / 'sample_boxes.csv'}: {len(boxes)} boxes")
    print(
        phantom.objects().groupby("class_name").agg(objects=("instance", "size"), whole=("inside", "sum")).to_string()
    )


if __name__ == "__main__":
    main()
