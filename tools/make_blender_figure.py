"""Write data/blender.png: organelles as `famous export --format blend --render` shows them.

python tools/make_blender_figure.py DATA/urocell/fib1-3-2-1  what people drew in a real cell
python tools/make_blender_figure.py                          the exact shapes of a phantom cell
    --out DIR                                                writes elsewhere, the Blender file as well

The folder holds label volumes of UroCell (Žerovnik Mekuč et al. 2020, CC BY-NC-SA 4.0): `mito.tif` and `fv.tif` with an
id an organelle, `lyso.tif` and `golgi_approx.tif` whose pieces are taken for organelles.
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
from famous.io.volumes import read_label_volume
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
UROCELL = {  # class → file, whether it has an id an organelle, colour
    "mitochondrion": ("mito.tif", True, "#e07a3f"),
    "fusiform vesicle": ("fv.tif", True, "#4fa3d1"),
    "lysosome": ("lyso.tif", False, "#c2436b"),
    "Golgi": ("golgi_approx.tif", False, "#e8c547"),
}
UROCELL_SIZE = VoxelSize(15.0, 16.0, 16.0)
LEAST_VOXELS = 200
STEP = 4


def organelles(labels: np.ndarray, class_name: str, voxel_size: VoxelSize) -> Iterator[MeshNode]:
    for instance, place in enumerate(ndimage.find_objects(labels), start=1):
        mask = labels[place] == instance if place else np.zeros((0, 0, 0), dtype=bool)
        if mask.sum() >= LEAST_VOXELS:
            z, y, x = (axis.start for axis in place)
            mesh = isosurface.surface(mask, voxel_size=voxel_size, offset=(z, y, x))
            yield MeshNode(f"{class_name.replace(' ', '_')}_{instance:05d}", mesh, {}, instance)


def phantom_cell() -> tuple[dict[str, np.ndarray], dict[str, str], VoxelSize]:
    """Labels of each class, (z, y, x), their colours and the voxel size."""
    phantom = Phantom(CELL)
    slices = [phantom.labels(z) for z in range(len(phantom))]
    volumes = {name: np.stack([labels[name] for labels in slices]) for name in CLASS_NAMES}
    return volumes, class_colours(CLASS_NAMES, {}), CELL.voxel_size


def urocell(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, str], VoxelSize]:
    """The same of a volume of UroCell."""
    volumes, colours = {}, {}
    for name, (file, has_ids, colour) in UROCELL.items():
        volume = read_label_volume(folder / file, voxel_size=UROCELL_SIZE).stack.volume
        labels = np.stack([np.asarray(volume[z]) for z in range(volume.shape[0])])
        volumes[name] = labels.astype(np.int32) if has_ids else ndimage.label(labels > 0)[0]
        colours[name] = colour
    return volumes, colours, UROCELL_SIZE


def thin(picture: Path, target: Path) -> None:
    """Round the colours to 64 steps, which nobody sees, so that the file is less than half as large."""
    with Image.open(picture) as full:
        levels = np.asarray(full.convert("RGB")).astype(np.int16)
    rounded = np.minimum((levels + STEP // 2) // STEP * STEP, 255).astype(np.uint8)
    Image.fromarray(rounded).save(target, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("urocell", type=Path, nargs="?", help="folder of label volumes; none: a phantom")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--samples", type=int, default=96)
    parser.add_argument("--width", type=int, default=960)
    choice = parser.parse_args()
    folder = choice.out or Path(__file__).resolve().parents[1] / "data"
    volumes, colours, size = phantom_cell() if choice.urocell is None else urocell(choice.urocell)
    scenes = {name: organelles(volume, name, size) for name, volume in volumes.items()}
    depth, height, width = next(iter(volumes.values())).shape
    extent = (depth * size.z, height * size.y, width * size.x)
    params = RenderParams(choice.width, choice.width * 3 // 4, choice.samples)
    with tempfile.TemporaryDirectory() as scratch:
        place = choice.out or Path(scratch)
        scene = write_blend(place / "blender.blend", scenes, Setting(extent, params), colours=colours)
        thin(render_blend(scene, Path(scratch) / "blender.png"), folder / "blender.png")
    print(f"{folder / 'blender.png'}: {(folder / 'blender.png').stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
