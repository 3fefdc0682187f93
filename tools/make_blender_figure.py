"""Write data/blender.png: the exact shapes of a phantom cell as `famous export --format blend --render` shows them.

python tools/make_blender_figure.py            writes into data/
python tools/make_blender_figure.py --out DIR  writes elsewhere, the Blender file as well
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from famous.io.blend import RenderParams, Setting, render_blend, write_blend
from famous.io.glb import MeshNode
from famous.report.colours import class_colours
from famous.surface import isosurface
from famous.synthetic import CLASS_NAMES, Phantom, PhantomParams
from famous.voxels import VoxelSize

CELL = PhantomParams(
    shape=(170, 240, 240),
    voxel_size=VoxelSize(20.0, 20.0, 20.0),
    seed=11,
    nucleus_radius_nm=1250.0,
    mitochondria=0.9,
    early_endosomes=0.5,
    late_endosomes=0.5,
    lysosomes=0.45,
)
LEAST_VOXELS = 200
STEP = 4


def organelles(labels: np.ndarray, class_name: str) -> Iterator[MeshNode]:
    for instance, place in enumerate(ndimage.find_objects(labels), start=1):
        mask = labels[place] == instance if place else np.zeros((0, 0, 0), dtype=bool)
        if mask.sum() >= LEAST_VOXELS:
            z, y, x = (axis.start for axis in place)
            mesh = isosurface.surface(mask, voxel_size=CELL.voxel_size, offset=(z, y, x))
            yield MeshNode(f"{class_name.replace(' ', '_')}_{instance:05d}", mesh, {}, instance)


def thin(picture: Path, target: Path) -> None:
    """Round the colours to 64 steps, which nobody sees, so that the file is less than half as large."""
    with Image.open(picture) as full:
        levels = np.asarray(full.convert("RGB")).astype(np.int16)
    rounded = np.minimum((levels + STEP // 2) // STEP * STEP, 255).astype(np.uint8)
    Image.fromarray(rounded).save(target, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--samples", type=int, default=96)
    parser.add_argument("--width", type=int, default=960)
    choice = parser.parse_args()
    folder = choice.out or Path(__file__).resolve().parents[1] / "data"
    phantom = Phantom(CELL)
    slices = [phantom.labels(z) for z in range(len(phantom))]
    volumes = {name: np.stack([labels[name] for labels in slices]) for name in CLASS_NAMES}
    scenes = {name: organelles(volume, name) for name, volume in volumes.items()}
    params = RenderParams(choice.width, choice.width * 3 // 4, choice.samples)
    with tempfile.TemporaryDirectory() as scratch:
        place = choice.out or Path(scratch)
        scene = write_blend(
            place / "blender.blend", scenes, Setting(CELL.extent_nm, params), colours=class_colours(CLASS_NAMES, {})
        )
        thin(render_blend(scene, Path(scratch) / "blender.png"), folder / "blender.png")
    print(f"{folder / 'blender.png'}: {(folder / 'blender.png').stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
