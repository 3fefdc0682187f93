"""Levels of detail of the organelles of a label volume, beside quadric decimation to as many faces without a check.

    python tools/bench_simplify.py DATA/lucchi/mito_inst.tif --voxel-size 5 5 5 [--errors 1 5 20 80] [--most 16]

Prints for each error in nm the faces that are left, the largest distance between the surfaces by random points (not
those that the program looks at), how many of the meshes are closed, have their topology and no face that cuts another,
and the seconds of all of them.
"""

import argparse
import time
from collections.abc import Callable, Iterator

import numpy as np
from scipy import ndimage

from famous.io.volumes import read_label_volume
from famous.mesh import Mesh, Ruler
from famous.surface.isosurface import surface
from famous.surface.simplify import collapse, simplify
from famous.surface.untangle import crossing_faces
from famous.voxels import VoxelSize

POINTS = 400_000  # on either surface
MARGIN = 1  # voxels round a crop, so that a cut organelle is closed where it was cut


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels")
    parser.add_argument("--voxel-size", type=float, nargs=3, required=True, help="z y x in nm")
    parser.add_argument("--errors", type=float, nargs="+", default=[1, 5, 20, 80])
    parser.add_argument("--most", type=int, default=16, help="the largest so many organelles")
    options = parser.parse_args()
    meshes = list(organelles(options.labels, VoxelSize(*options.voxel_size), options.most))
    print(f"{len(meshes)} organelles, {sum(len(mesh.faces) for mesh in meshes):,} faces\n")
    columns = ("", "nm", "faces", "largest distance, nm", "sound", "volume", "seconds")
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
    for error in options.errors:
        simple = report("ours", error, meshes, [lambda mesh, error=error: simplify(mesh, error)] * len(meshes))
        counts = [len(mesh.faces) for mesh in simple]
        report("decimation", error, meshes, [lambda mesh, count=count: collapse(mesh, count) for count in counts])


def organelles(path: str, voxel_size: VoxelSize, most: int) -> Iterator[Mesh]:
    """Mesh the largest organelles of a label volume, as a run does."""
    volume = read_label_volume(path, voxel_size=voxel_size).stack.volume
    labels = np.stack([np.asarray(volume[z]) for z in range(volume.shape[0])])
    found = ndimage.find_objects(labels.astype(np.int32))
    sizes = np.bincount(labels.ravel(), minlength=len(found) + 1)[1:]
    for index in np.argsort(-sizes, kind="stable")[:most].tolist():
        mask = labels[found[index]] == index + 1
        yield surface(np.pad(mask, MARGIN), voxel_size=voxel_size)


def report(name: str, error: float, meshes: list[Mesh], makers: list[Callable[[Mesh], Mesh]]) -> list[Mesh]:
    """Simplify every mesh and print the row; returns the simplified ones."""
    start = time.perf_counter()
    simple = [make(mesh) for make, mesh in zip(makers, meshes, strict=True)]
    seconds = time.perf_counter() - start
    worst = max(max(farthest(a, b), farthest(b, a)) for a, b in zip(simple, meshes, strict=True))
    sound = sum(is_sound(a, b) for a, b in zip(simple, meshes, strict=True))
    volume = sum(mesh.volume_nm3 for mesh in simple) / sum(mesh.volume_nm3 for mesh in meshes) - 1
    faces = sum(len(mesh.faces) for mesh in simple)
    row = (name, f"{error:g}", f"{faces:,}", f"{worst:.2f}", f"{sound} of {len(simple)}", f"{volume:+.2%}")
    print("| " + " | ".join([*row, f"{seconds:.1f}"]) + " |", flush=True)
    return simple


def farthest(one: Mesh, other: Mesh) -> float:
    """Largest distance of random points on one surface to the other."""
    corners = one.vertices[one.faces]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    rng = np.random.default_rng(0)
    chosen, shares = rng.choice(len(areas), POINTS, p=areas / areas.sum()), rng.dirichlet((1, 1, 1), POINTS)
    return float(Ruler(other).distance(np.einsum("nk,nkc->nc", shares, corners[chosen])).max())


def is_sound(simple: Mesh, whole: Mesh) -> bool:
    """Whether a simplified mesh is still the surface of the same kind of solid."""
    return simple.is_watertight and simple.topology == whole.topology and len(crossing_faces(simple)) == 0


if __name__ == "__main__":
    main()
