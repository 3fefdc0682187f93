"""Surfaces against closed forms and real shapes: volume, area, distance, topology, seconds, beside the usual methods.

    python tools/bench_surface.py [--seeds 0 1 2 3] [--only ours] [--grids 8 32 50] [--urocell FOLDER]

Every solid lies at a random sub-voxel offset. Columns: mean and largest |error| of volume and area in %, mean and 95th
percentile of the distance of the surface (points spread evenly over it) to the true one in nm, whether all meshes are
watertight, how many keep the solid's pieces, tunnels and cavities, faces that cross others, CPU seconds a mesh. With
`--compact` the table of the README: medians over the offsets, faces that cross others and seconds as means.
FOLDER holds UroCell's volumes (`*/mito.tif`, `*/fv.tif`). Ours makes the surface of every object, of all slices and of
every fourth. And all methods make that of every `--sample`-th object whose true surface is known, because it is one:
the marching cubes of what people drew, smoothed until no voxel shows, and then filled with voxels at a random offset,
as fine as the data and with slices four times as far apart. Columns: total volume, medians over objects, how many are
watertight and have the true topology. `vtk`, `zmesh` and `pymeshlab` are used where they can be imported; a method that
is not there is said to be missing.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array, diags_array
from skimage.measure import marching_cubes

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from famous.mesh import Mesh
from famous.surface import isosurface, shrinkwrap
from famous.topology import Topology, count_topology
from famous.voxels import VoxelSize
from tests.solids import Solid, ball, dumbbell, flat_torus, shell, torus, tube, voxelize

GRIDS = {8: VoxelSize(8, 8, 8), 32: VoxelSize(32, 8, 8), 50: VoxelSize(50, 5, 5)}
UROCELL = VoxelSize(15, 16, 16)
LEAST = 1000  # voxels of the smallest real object whose smoothed surface is taken for true
SMOOTH = 60  # rounds that smooth it
SAMPLES = 20_000
Method = Callable[[NDArray[np.bool_], VoxelSize], Mesh]


@dataclass(frozen=True)
class Shape:
    """A solid and what its surface should be made of."""

    solid: Solid
    betti: Topology


def shapes(grid: VoxelSize) -> dict[str, Shape]:
    return {
        "ball": Shape(ball(), Topology(1, 0, 0)),
        "torus": Shape(torus(), Topology(1, 1, 0)),
        "torus, flat": Shape(flat_torus(), Topology(1, 1, 0)),
        "tube": Shape(tube(), Topology(1, 0, 0)),
        "dumbbell": Shape(dumbbell(bridge=1.5 * grid.pixel_nm), Topology(1, 0, 0)),
        "shell": Shape(shell(), Topology(1, 0, 1)),
    }


def plain(mask: NDArray[np.bool_], size: VoxelSize) -> Mesh:
    field = np.pad(mask, 1).astype(np.float32)
    vertices, faces, _, _ = marching_cubes(field, 0.5, method="lorensen")
    return Mesh((vertices - 0.5) * size.zyx, faces).outward()


def taubin(mask: NDArray[np.bool_], size: VoxelSize, *, rounds: int = 20) -> Mesh:
    """Rounds with λ 0.5 and µ −0.53 (Taubin 1995)."""
    mesh = plain(mask, size)
    start, end = mesh.faces.ravel(), np.roll(mesh.faces, -1, axis=1).ravel()
    links = coo_array((np.ones(len(start)), (start, end)), shape=(len(mesh.vertices),) * 2).tocsr()
    average = diags_array(1.0 / np.bincount(start)) @ links
    vertices = mesh.vertices
    for factor in (0.5, -0.53) * rounds:
        vertices = vertices + factor * (average @ vertices - vertices)
    return Mesh(vertices, mesh.faces)


def surface_nets(mask: NDArray[np.bool_], size: VoxelSize) -> Mesh:
    import vtk
    from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy

    padded = np.pad(mask, 2).astype(np.uint8)
    image = vtk.vtkImageData()
    image.SetDimensions(*padded.shape[::-1])
    image.SetSpacing(*size.zyx[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(padded.ravel(), deep=True))
    nets = vtk.vtkSurfaceNets3D()
    nets.SetInputData(image)
    nets.SetValue(0, 1)
    nets.SetOutputMeshTypeToTriangles()
    nets.Update()
    found = nets.GetOutput()
    vertices = vtk_to_numpy(found.GetPoints().GetData())[:, ::-1].astype(float) - 1.5 * np.array(size.zyx)
    return Mesh(vertices, vtk_to_numpy(found.GetPolys().GetConnectivityArray()).reshape(-1, 3)).outward()


def zmesh(mask: NDArray[np.bool_], size: VoxelSize) -> Mesh:
    from zmesh import Mesher

    mesher = Mesher(size.zyx)
    mesher.mesh(np.pad(mask, 1).astype(np.uint32))
    found = mesher.get(1, normals=False, reduction_factor=0)
    return Mesh(np.asarray(found.vertices, dtype=float) - 0.5 * np.array(size.zyx), found.faces.astype(int)).outward()


def ours(mask: NDArray[np.bool_], size: VoxelSize) -> Mesh:
    return isosurface.surface(mask, voxel_size=size)


def wrapped(mask: NDArray[np.bool_], size: VoxelSize) -> Mesh:
    return shrinkwrap.surface(mask, voxel_size=size)


METHODS: dict[str, Method] = {
    "marching cubes": plain,
    "… + Taubin": taubin,
    "surface nets": surface_nets,
    "zmesh": zmesh,
    "shrink-wrap": wrapped,
    "ours": ours,
}


def spread(mesh: Mesh, rng: np.random.Generator) -> NDArray[np.float64]:
    """Points evenly over the surface, (n, 3)."""
    corners = mesh.vertices[mesh.faces]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    chosen = rng.choice(len(areas), SAMPLES, p=areas / areas.sum())
    first, second = rng.random((2, SAMPLES))
    beyond = first + second > 1
    first[beyond], second[beyond] = 1 - first[beyond], 1 - second[beyond]
    a, b, c = (corners[chosen, k] for k in range(3))
    points: NDArray[np.float64] = a + first[:, None] * (b - a) + second[:, None] * (c - a)
    return points


def crossing(mesh: Mesh) -> int:
    """Faces that cut others, by pymeshlab; -1 where that is missing."""
    try:
        import pymeshlab
    except ImportError:
        return -1
    found = pymeshlab.MeshSet()
    found.add_mesh(pymeshlab.Mesh(mesh.vertices, mesh.faces))
    found.compute_selection_by_self_intersections_per_face()
    return int(found.current_mesh().selected_face_number())


def score(method: Method, shape: Shape, grid: VoxelSize, seeds: list[int], *, compact: bool = False) -> str:
    rows, closed, kept, crossed, seconds = [], 0, 0, 0, 0.0
    for seed in seeds:
        voxels = voxelize(shape.solid, grid, seed)
        start = time.process_time()
        mesh = method(voxels.mask, grid)
        seconds += time.process_time() - start
        closed += mesh.is_watertight
        kept += mesh.topology == shape.betti
        crossed += crossing(mesh)
        away = np.abs(shape.solid.distance(spread(mesh, np.random.default_rng(seed)) - voxels.centre))
        volume, area = mesh.volume_nm3 / shape.solid.volume - 1, mesh.area_nm2 / shape.solid.area - 1
        rows.append((100 * abs(volume), 100 * abs(area), away.mean(), np.percentile(away, 95)))
    if compact:
        volume, area, near, far = np.median(rows, axis=0)
        return (
            f"{volume:.2f} | {area:.2f} | {near:.2f} | {far:.1f} | {'yes' if closed == len(seeds) else closed} | "
            f"{crossed / len(seeds):.0f} | {seconds / len(seeds):.2f}"
        )
    mean, top, n = np.mean(rows, axis=0), np.max(rows, axis=0), len(seeds)
    return (
        f"{mean[0]:.2f} ({top[0]:.2f}) | {mean[1]:.2f} ({top[1]:.2f}) | {mean[2]:.2f} | {mean[3]:.2f} | "
        f"{closed}/{n} | {kept}/{n} | {crossed} | {seconds / n:.2f}"
    )


def table(chosen: list[str], sizes: list[int], seeds: list[int], only: list[str]) -> Iterator[str]:
    """The README's table: medians over the offsets, one row a method."""
    yield "| voxels, nm | solid | method | volume, % | area, % | mean, nm | p95, nm | watertight | crossing | CPU s |"
    yield "|---|---|---|---:|---:|---:|---:|---|---:|---:|"
    for size in sizes:
        grid = GRIDS[size]
        for name, shape in shapes(grid).items():
            if only and name not in only:
                continue
            place = f"{size} × {grid.y:g} × {grid.x:g} | {name}"
            for label in chosen:
                bold = "**" if label == "ours" else ""
                try:
                    cells = score(METHODS[label], shape, grid, seeds, compact=True)
                except ImportError as missing:
                    cells = f"{missing.name} is missing | | | | | |"
                yield f"| {place} | {bold}{label}{bold} | {cells} |"
                place = " | "


def closed_forms(chosen: list[str], sizes: list[int], seeds: list[int], only: list[str]) -> Iterator[str]:
    yield "| voxels nm | solid | method | volume % | area % | mean nm | p95 nm | closed | topology | crossing | CPU s |"
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    for size in sizes:
        grid = GRIDS[size]
        for name, shape in shapes(grid).items():
            if only and name not in only:
                continue
            for label in chosen:
                try:
                    cells = score(METHODS[label], shape, grid, seeds)
                except ImportError as missing:
                    cells = f"missing: {missing.name}"
                yield f"| {size} × {grid.y:g} × {grid.x:g} | {name} | {label} | {cells} |"


def objects(folder: Path) -> Iterator[NDArray[np.bool_]]:
    """Crops of UroCell's mitochondria and vesicles, as people drew them."""
    for file in sorted([*folder.glob("*/mito.tif"), *folder.glob("*/fv.tif")]):
        labels = tifffile.imread(file)
        for label, box in enumerate(ndimage.find_objects(labels), start=1):
            if box is not None:
                yield labels[box] == label


def all_of(folder: Path, every: int) -> str:
    """What ours makes of every object, of so many of its slices: closed, topology, total volume, objects per second."""
    size = VoxelSize(UROCELL.z * every, UROCELL.y, UROCELL.x)
    number = closed = kept = looked = crossed = 0
    volume = truth = 0.0
    rates: dict[int, list[float]] = {10**4: [], 10**5: []}
    for whole in objects(folder):
        mask = whole[::every]
        if not mask.any():
            continue
        number += 1
        start = time.process_time()
        mesh = ours(mask, size)
        seconds = time.process_time() - start
        closed += mesh.is_watertight
        kept += mesh.topology == count_topology(mask)
        if number % 20 == 0:
            looked, crossed = looked + 1, crossed + (crossing(mesh) > 0)
        volume, truth = volume + mesh.volume_nm3, truth + float(whole.sum()) * UROCELL.volume_nm3
        for near, times in rates.items():
            if near / 2 < mask.sum() < near * 2:
                times.append(seconds)
    speeds = "; ".join(f"{len(t)} of ~{n:,} voxels: {1 / np.mean(t):.1f} per CPU s" for n, t in rates.items() if t)
    return (
        f"every {every}: {number} objects, watertight {100 * closed / number:.1f} %, topology kept "
        f"{100 * kept / number:.1f} %, total volume {100 * (volume / truth - 1):+.2f} % of all voxels', "
        f"with crossing faces {crossed} of {looked} looked at; {speeds}"
    )


def fill(mesh: Mesh, grid: VoxelSize, rng: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Voxels whose centre lies in a mesh, on a grid with a random offset; and where voxel 0 begins, in nm."""
    low, high = mesh.bounds
    size = np.array(grid.zyx)
    origin = low - size * (1 + rng.random(3))
    shape = np.ceil((high - origin) / size).astype(int) + 1
    mask = np.zeros(shape, dtype=np.bool_)
    thick = max(1, 2_000_000 // int(np.prod(shape[1:])))
    for start in range(0, len(mask), thick):
        part = mask[start : start + thick]
        index = np.indices(part.shape).reshape(3, -1).T + np.array([start, 0, 0])
        part[...] = mesh.contains((index + 0.5) * size + origin).reshape(part.shape)
    return mask, origin


def real(folder: Path, grid: VoxelSize, chosen: list[str], sample: int) -> Iterator[str]:
    """A row a method, medians over every `sample`-th object of some size."""
    looked = [mask for mask in objects(folder) if mask.sum() >= LEAST][::sample]
    truths = [taubin(mask, UROCELL, rounds=SMOOTH) for mask in looked]
    filled = [fill(truth, grid, np.random.default_rng(seed)) for seed, truth in enumerate(truths)]
    place = f"{grid.z:g} × {grid.y:g} × {grid.x:g} | {len(looked)}"
    for label in chosen:
        bold = "**" if label == "ours" else ""
        rows, closed, kept, crossed, seconds = [], 0, 0, 0, 0.0
        for truth, (mask, origin) in zip(truths, filled, strict=True):
            start = time.process_time()
            try:
                mesh = METHODS[label](mask, grid).translated(origin)
            except ImportError as missing:
                yield f"| {place} | {label} | {missing.name} is missing | | | | | | | |"
                break
            seconds += time.process_time() - start
            closed += mesh.is_watertight
            kept += mesh.topology == truth.topology
            crossed += crossing(mesh)
            away = truth.distance(spread(mesh, np.random.default_rng(0)))
            volume, area = mesh.volume_nm3 / truth.volume_nm3 - 1, mesh.area_nm2 / truth.area_nm2 - 1
            rows.append((volume, 100 * abs(volume), 100 * abs(area), away.mean(), np.percentile(away, 95)))
        else:
            own, area, near, far = np.median(rows, axis=0)[1:]
            weights = [truth.volume_nm3 for truth in truths]
            total = 100 * np.average([row[0] for row in rows], weights=weights)
            yield (
                f"| {place} | {bold}{label}{bold} | {total:+.2f} | {own:.2f} | {area:.2f} | {near:.2f} | {far:.1f} | "
                f"{closed} | {kept} | {crossed / len(looked):.0f} | {seconds / len(looked):.2f} |"
            )
        place = " | "


REAL = (
    "| voxels, nm | objects | method | total volume, % | volume, % | area, % | mean, nm | p95, nm | watertight | "
    "topology | crossing | CPU s |\n|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2, 3])
    parser.add_argument("--method", nargs="*", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--only", nargs="*", default=[], help="solids")
    parser.add_argument("--grids", type=int, nargs="*", default=list(GRIDS), choices=list(GRIDS))
    parser.add_argument("--urocell", type=Path)
    parser.add_argument("--every", type=int, nargs="*", default=[1, 4])
    parser.add_argument("--sample", type=int, default=5, help="every so many real objects go through every method")
    parser.add_argument("--compact", action="store_true", help="the README's table: medians")
    options = parser.parse_args()
    for line in (table if options.compact else closed_forms)(
        options.method, options.grids, options.seeds, options.only
    ):
        print(line, flush=True)
    if options.urocell:
        for every in options.every:
            print(all_of(options.urocell, every), flush=True)
        print(REAL)
        for every in options.every:
            grid = VoxelSize(UROCELL.z * every, UROCELL.y, UROCELL.x)
            for line in real(options.urocell, grid, options.method, options.sample):
                print(line, flush=True)


if __name__ == "__main__":
    main()
