"""What a box → mask network learns from: crops of labelled objects with boxes that fit them well and badly."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import tifffile
from accuracy.sets import SETS, true_masks
from masknet_nested import NestParams, nest
from numpy.typing import NDArray
from scipy import ndimage

from famous.extract.crops import frame, sample, sample_alone
from famous.synthetic import Phantom, PhantomParams
from famous.voxels import VoxelSize

#: data set → the label files that hold its objects
LABELS = {
    "lucchi": ("mito_inst",),
    "vnc": ("mito_inst", "synapse"),
    "cdeep3m": ("mito_inst",),
    "isbi2012": ("mito_inst", "synapse_inst"),
    "hela": ("mito_inst",),
}

NESTED = "nested"  # what stands for the class of an organelle that lies in another


@dataclass(frozen=True)
class Object:
    """One object in one slice of a scene."""

    z: int
    corners: tuple[int, int, int, int]  # tight box
    mask: NDArray[np.bool_]  # inside the tight box
    outline: NDArray[np.float64]  # (n, 2) x, y of the pixels on its rim, in the slice
    class_name: str


@dataclass
class Scene:
    """A volume (z, y, x) uint8 and its objects, all in single slices."""

    name: str
    volume: NDArray[np.uint8]
    neighbours: bool
    objects: list[Object] = field(default_factory=list)

    def slab(self, z: int) -> NDArray[np.uint8]:
        """Return the slices z − 1, z, z + 1 as (y, x, 3); at the ends, and of slices that stand alone, the slice."""
        if self.neighbours and 0 < z < len(self.volume) - 1:
            return np.moveaxis(self.volume[z - 1 : z + 2], 0, 2)  # a view: a crop of it is all that is copied
        reach = 1 if self.neighbours else 0
        chosen = [min(max(z + step, 0), len(self.volume) - 1) for step in (-reach, 0, reach)]
        return np.moveaxis(self.volume[chosen], 0, 2)


def read_scene(data: Path, source: str) -> Scene:
    """Read one volume of DATA with the tight boxes and masks of every object."""
    folder = data / source
    scene = Scene(source, read_raw(folder), SETS[source].consecutive)
    for labels in LABELS[source]:
        volume = tifffile.imread(folder / f"{labels}.tif")
        name = "synapse" if labels.startswith("synapse") else "mitochondrion"
        for z in range(len(volume)):
            scene.objects += objects_of(volume[z], z, name)
    return scene


def read_raw(folder: Path) -> NDArray[np.uint8]:
    """Read `raw.tif` or the slices in `raw/` as (z, y, x)."""
    if (folder / "raw.tif").exists():
        return np.asarray(tifffile.imread(folder / "raw.tif"), dtype=np.uint8)
    return np.stack([cv2.imread(str(file), cv2.IMREAD_GRAYSCALE) for file in sorted((folder / "raw").glob("*.png"))])


def objects_of(image: NDArray[np.generic], z: int, class_name: str) -> Iterator[Object]:
    """Find the connected pieces of every label of one slice that are large enough."""
    for true in true_masks(image):
        y0, x0, y1, x1 = (int(value) for value in true.corners)
        rim = true.mask & ~ndimage.binary_erosion(true.mask)
        yield Object(z, (y0, x0, y1, x1), true.mask, np.argwhere(rim)[:, ::-1] + np.array([x0, y0], float), class_name)


def phantoms(seeds: range, slices_each: int = 6, side_px: int = 384) -> Iterator[Scene]:
    """Make scenes of phantoms, three slices for each that is learnt from; the seed decides tissue and microscope.

    Organelles with room have others inside, whole ones of the same tissue.
    """
    for seed in seeds:
        rng = np.random.default_rng(seed)
        pixel_nm = float(rng.choice([4.0, 6.0, 8.0, 12.0, 16.0]))
        dense = float(rng.uniform(1.0, 2.0))
        phantom = Phantom(
            PhantomParams(
                shape=(64, side_px, side_px),
                voxel_size=VoxelSize(pixel_nm * float(rng.choice([1, 1, 2, 6])), pixel_nm, pixel_nm),
                seed=seed,
                mitochondria=0.5 * dense,
                early_endosomes=0.8 * dense,
                late_endosomes=0.8 * dense,
                lysosomes=0.8 * dense,
                touching=float(rng.uniform(0, 0.4)),
                noise=float(rng.uniform(0.5, 2.0)),
                blur_nm=float(rng.uniform(3, 12)),
                gamma=float(rng.uniform(0.7, 1.4)),
            )
        )
        chosen = sorted(rng.choice(np.arange(1, 63), slices_each, replace=False).tolist())
        volume = np.stack([phantom[z + step] for z in chosen for step in (-1, 0, 1)])
        scene = Scene(f"phantom {seed}", volume, neighbours=True)
        for number, z in enumerate(chosen):
            classes = phantom.labels(z)
            around = [_of_any_class(phantom.labels(z + step) if step else classes) for step in (-1, 0, 1)]
            classes[NESTED] = nest(volume[3 * number : 3 * number + 3], np.stack(around), rng, NestParams())
            for name, labels in classes.items():
                scene.objects += objects_of(labels, 3 * number + 1, name)
        yield scene


def _of_any_class(classes: dict[str, NDArray[np.uint32]]) -> NDArray[np.uint32]:
    return np.max(list(classes.values()), axis=0)  # ids are unique among the classes, which do not overlap


@dataclass(frozen=True)
class Jitter:
    """How badly boxes fit, and how objects are turned before they are boxed."""

    tight: float = 0.35  # share of boxes that fit exactly
    good: float = 0.07  # σ of each side's error of most others, in the side
    bad: float = 0.18  # σ of the worst of them
    worst: float = 0.15  # share of the worst
    turned: float = 0.5  # share that is turned by any angle


def draw(
    scene: Scene, item: Object, rng: np.random.Generator, jitter: Jitter
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], float]:
    """Draw one crop (side, side, 3) of an object, its mask (side, side) 0 … 255, and σ of its box's error."""
    angle = rng.uniform(0, 2 * np.pi) if rng.random() < jitter.turned else 0.0
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    y0, x0, y1, x1 = item.corners
    centre = np.array([x0 + x1 - 1, y0 + y1 - 1]) / 2
    points = (item.outline - centre) @ turn  # the slice's axes → turned axes
    low, high = points.min(axis=0) - 0.5, points.max(axis=0) + 0.5
    size = high - low
    lot, sigma = rng.random(), 0.0
    if lot > jitter.tight:
        sigma = jitter.bad if lot > 1 - jitter.worst else jitter.good
        low = low + np.clip(rng.normal(0, sigma, 2), -0.35, 0.35) * size
        high = high + np.clip(rng.normal(0, sigma, 2), -0.35, 0.35) * size
    inner = frame(np.array([low[1] + 0.5, low[0] + 0.5, high[1] + 0.5, high[0] + 0.5]))
    affine = np.zeros((2, 3))
    affine[:, :2] = turn @ inner[:, :2]
    affine[:, 2] = turn @ inner[:, 2] + centre
    crop = sample(scene.slab(item.z), affine)
    canvas = np.zeros((y1 - y0 + 2, x1 - x0 + 2), dtype=np.uint8)
    canvas[1:-1, 1:-1] = item.mask * 255
    return crop, sample_alone(canvas, affine, (y0 - 1, x0 - 1)), sigma
