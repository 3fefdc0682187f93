"""Where the shrink-wrap follows its voxels and where it pays, beside the isosurface in the same run.

python tools/bench_shrinkwrap.py                            closed forms: outlines with errors, against the true surface
python tools/bench_shrinkwrap.py --labels ../shared/data/urocell   real shapes by solidity, against their voxels
python tools/bench_shrinkwrap.py --remesh                   ways to remesh a hull (pymeshlab where it is installed)
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from famous.mesh import Mesh
from famous.points import from_faces
from famous.surface import auto, isosurface, shrinkwrap
from famous.surface.isosurface import IsosurfaceParams
from famous.surface.shrinkwrap import ShrinkwrapParams
from famous.surface.steps import convex_hull, remesh
from famous.voxels import VoxelSize
from tests.solids import FIB, SBEM, SERIAL, ball, ellipsoid, torus, tube, voxelize
from tests.solids import shake as shake_slices

UROCELL = VoxelSize(15, 16, 16)
CLASSES = ((0.95, 1.01), (0.9, 0.95), (0.8, 0.9), (0.6, 0.8), (0.0, 0.6))
Surface = Callable[[np.ndarray, VoxelSize], Mesh]

METHODS: dict[str, Surface] = {
    "isosurface": lambda m, v: isosurface.surface(m, voxel_size=v),
    "isosurface, σ 3": lambda m, v: isosurface.surface(
        m, voxel_size=v, params=IsosurfaceParams(smooth_steps=3, smooth_steps_between=3)
    ),
    "shrink-wrap": lambda m, v: shrinkwrap.surface(m, voxel_size=v),
    "shrink-wrap, patch 5 %": lambda m, v: shrinkwrap.surface(m, voxel_size=v, params=ShrinkwrapParams(patch=0.05)),
    "auto": lambda m, v: auto.surface(m, voxel_size=v),
}


def overlap(mesh: Mesh, mask: np.ndarray, voxel_size: VoxelSize) -> float:
    """IoU of the voxels and of those whose centre lies in the mesh."""
    index = np.indices(mask.shape).reshape(3, -1).T
    inside = mesh.contains((index + 0.5) * voxel_size.zyx).reshape(mask.shape)
    return float((inside & mask).sum() / (inside | mask).sum())


def closed_forms(seeds: int) -> None:
    shapes = {
        "ball": ball(),
        "ellipsoid 150·220·300": ellipsoid(),
        "ellipsoid 100·200·400": ellipsoid((100, 200, 400)),
        "tube": tube(),
        "torus": torus(),
    }
    errors = {
        "none": 0.0,
        "shift 1 px": 1.0,
        "shift 3 px": 3.0,
        "ragged 1 px": 1.0,
        "ragged 2 px": 2.0,
        "size 2 px": 2.0,
    }
    print("mean distance of the vertices to the true surface, nm (worst 5 %)\n")
    print("| voxels | shape | error a slice | " + " | ".join(METHODS) + " | auto took |")
    print("|---" * (len(METHODS) + 4) + "|")
    for voxel_size in (FIB, SBEM, SERIAL):
        for name, solid in shapes.items():
            for error, amount in errors.items():
                found: dict[str, list[tuple[float, float]]] = {method: [] for method in METHODS}
                took = []
                for seed in range(seeds):
                    voxels = voxelize(solid, voxel_size, seed)
                    mask = shake_slices(np.pad(voxels.mask, 10), error.split()[0], amount, seed)
                    centre = voxels.centre + 10 * np.array(voxel_size.zyx)
                    for method, surface in METHODS.items():
                        mesh = surface(mask, voxel_size)
                        off = np.abs(solid.distance(mesh.vertices - centre))
                        found[method].append((float(off.mean()), float(np.percentile(off, 95))))
                    took.append(auto.decide(mask, voxel_size=voxel_size)[0].method)
                cells = " | ".join(f"{np.mean(r, axis=0)[0]:.1f} ({np.mean(r, axis=0)[1]:.0f})" for r in found.values())
                which = f"{took.count('shrinkwrap')}/{seeds} wrap"
                print(f"| {voxel_size.z:g}×{voxel_size.y:g} | {name} | {error} | {cells} | {which} |", flush=True)


def real_shapes(folder: Path, most: int) -> None:
    from famous.measure.morphology import measure_instance

    rows: list[tuple[float, str, list[tuple[float, float, float]], bool, str]] = []
    for path in sorted(folder.glob("*/*.tif")):
        if path.stem not in ("fv", "lyso", "mito"):
            continue
        labels = tifffile.imread(path)
        if path.stem == "lyso":
            labels = ndimage.label(labels > 0)[0]
        boxes = ndimage.find_objects(labels.astype(np.int32))
        ids = [number for number, box in enumerate(boxes, 1) if box is not None]
        for number in ids if len(ids) <= most else np.random.default_rng(0).choice(ids, most, replace=False):
            mask = np.pad(labels[boxes[number - 1]] == number, 1)
            if mask.sum() < 30:
                continue
            found, closed = [], True
            for method in ("isosurface", "shrink-wrap"):
                start = time.perf_counter()
                mesh = METHODS[method](mask, UROCELL)
                seconds = time.perf_counter() - start
                off = mesh.volume_nm3 / (mask.sum() * UROCELL.volume_nm3) - 1
                found.append((overlap(mesh, mask, UROCELL), off, seconds))
                if method == "isosurface":
                    solidity = float(measure_instance(mask, mesh, voxel_size=UROCELL)["solidity"])
                closed &= mesh.is_watertight
            took = auto.decide(mask, voxel_size=UROCELL)[0].method
            rows.append((solidity, path.stem, found, closed, took))
    print("| solidity | objects | method | IoU mean | min | share ≥ .95 | volume mean | mean ± | s each | closed |")
    print("|---" * 10 + "|")
    for low, high in CLASSES:
        chosen = [row for row in rows if low <= row[0] < high]
        for k, method in enumerate(("isosurface", "shrink-wrap")):
            if not chosen:
                continue
            values = np.array([row[2][k] for row in chosen])
            closed = sum(row[3] for row in chosen)
            print(
                f"| {low:g} – {min(high, 1):g} | {len(chosen)} | {method} | {values[:, 0].mean():.3f} | "
                f"{values[:, 0].min():.3f} | {(values[:, 0] >= 0.95).mean():.0%} | {values[:, 1].mean():+.1%} | "
                f"{np.abs(values[:, 1]).mean():.1%} | {values[:, 2].mean():.3f} | {closed} |"
            )
    print(f"\nauto wraps {sum(row[4] == 'shrinkwrap' for row in rows)} of {len(rows)}")


def remeshers() -> None:
    """Ours beside pymeshlab's uniform resampling, on the hulls of noisy points; volume against the hull's."""
    try:
        import pymeshlab
    except ImportError:
        pymeshlab = None
    print("| hull | faces | cell nm | method | volume | faces | edges: std / mean | s |")
    print("|---" * 8 + "|")
    for name, solid in (("ball", ball()), ("ellipsoid", ellipsoid()), ("plate", ellipsoid((30, 300, 300)))):
        voxels = voxelize(solid, FIB)
        hull = convex_hull(from_faces(voxels.mask, voxel_size=FIB).positions)
        for cell in (32.0, 16.0, 8.0):
            made: dict[str, tuple[Mesh, float]] = {}
            start = time.perf_counter()
            mesh = remesh(hull, cell)
            made["ours"] = mesh, time.perf_counter() - start
            if pymeshlab is not None:
                start = time.perf_counter()
                work = pymeshlab.MeshSet()
                work.add_mesh(pymeshlab.Mesh(hull.vertices, hull.faces))
                work.generate_resampled_uniform_mesh(cellsize=pymeshlab.PureValue(cell), mergeclosevert=True)
                out = work.current_mesh()
                mesh = Mesh(out.vertex_matrix(), out.face_matrix())
                made["pymeshlab uniform"] = mesh, time.perf_counter() - start
                start = time.perf_counter()
                work = pymeshlab.MeshSet()
                work.add_mesh(pymeshlab.Mesh(hull.vertices, hull.faces))
                work.meshing_isotropic_explicit_remeshing(targetlen=pymeshlab.PureValue(cell), iterations=6)
                out = work.current_mesh()
                made["pymeshlab isotropic"] = Mesh(out.vertex_matrix(), out.face_matrix()), time.perf_counter() - start
            for method, (mesh, seconds) in made.items():
                edges = np.linalg.norm(mesh.vertices[mesh.faces] - mesh.vertices[np.roll(mesh.faces, 1, 1)], axis=2)
                print(
                    f"| {name} | {len(hull.faces)} | {cell:g} | {method} | {mesh.volume_nm3 / hull.volume_nm3 - 1:+.2%}"
                    f" | {len(mesh.faces):,} | {edges.std() / edges.mean():.2f} | {seconds:.3f} |"
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=Path, help="folder of volumes with fv.tif, lyso.tif, mito.tif")
    parser.add_argument("--most", type=int, default=300, help="objects a file")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--remesh", action="store_true")
    chosen = parser.parse_args()
    if chosen.remesh:
        remeshers()
    elif chosen.labels:
        real_shapes(chosen.labels, chosen.most)
    else:
        closed_forms(chosen.seeds)


if __name__ == "__main__":
    main()
